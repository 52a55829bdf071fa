"""Measure what grows with size: grading, workers, merging, re-scoring; a table and a plot out.

    python benchmarks/scale.py                          # the smaller sizes: minutes on two cores
    python benchmarks/scale.py --full --plot scale.svg  # the table of docs/evidence/speed.md
    python benchmarks/scale.py --only grade --sizes 1000,10000,100000,1000000
    python benchmarks/scale.py --only pair,rescore

Rows are made up; the judge is the tests' own fake server, in a process of its own. Each grading is
a whole `rubricbeat judge`, result files included, in a process of its own whose peak memory is read
when it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from rubricbeat.judges.data.examples import example_from_row, example_to_row
from rubricbeat.judges.judge import JudgeIdentity
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.rubric_arrays import RubricArrays, pack_rubrics
from rubricbeat.judges.store.protocol import Record, Subject
from rubricbeat.judges.store.sqlite import VerdictStore
from rubricbeat.judges.store.transfer import merge
from rubricbeat.judges.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent
N_CRITERIA = 10
N_EXAMPLES = 500
ONE, TWO = "rubricbeat judge", "rubricbeat judge --engine ray, 2 workers"
REWARDS = ("healthbench", "binary", "hybrid", "rar_points", "rar_explicit", "healthbench_clipped")
BATCH = 5_000
BARS = {
    "memory": "driver <= 300 MB at 10^6 verdicts, and flat, with result files",
    "pair": "two equal commands at once ask nothing twice",
    "workers": "two workers >= 1.8 times one, bound by latency",
    "merge": "ten stores of 10^5 verdicts in <= 20 s",
    "rescore": "10^6 stored verdicts under six rewards in <= 10 s, the read included",
}


def made_up_example(number: int) -> Example:
    """Make an example of ten criteria, the last one a fault."""
    rng = random.Random(number)
    words = ["chest", "pressure", "walking", "dose", "clinic", "salt", "statin", "ankle", "night"]

    def text(n: int) -> str:
        return " ".join(rng.choices(words, k=n))

    criteria = tuple(
        Criterion(
            f"{text(20)} {i}",
            -3.0 if i == N_CRITERIA - 1 else float(i + 1),
            Polarity.UNDESIRABLE if i == N_CRITERIA - 1 else Polarity.DESIRABLE,
        )
        for i in range(N_CRITERIA)
    )
    return Example(f"made-up-{number}", (Message("user", text(100)),), Rubric(criteria))


def write_task(folder: Path, n_verdicts: int) -> tuple[Path, Path]:
    """Write rows, and answers with so many criteria between them."""
    n_answers = n_verdicts // N_CRITERIA
    rows, said = folder / f"rows-{n_verdicts}.jsonl", folder / f"said-{n_verdicts}.jsonl"
    n_examples = min(N_EXAMPLES, n_answers)
    with rows.open("w", encoding="utf-8") as file:
        for number in range(n_examples):
            file.write(json.dumps(example_to_row(made_up_example(number))) + "\n")
    with said.open("w", encoding="utf-8") as file:
        for number in range(n_answers):
            row = {
                "prompt_id": f"made-up-{number % n_examples}",
                "completion": f"Answer {number}: " + "walk a little every day. " * 20,
            }
            file.write(json.dumps(row) + "\n")
    return rows, said


def serve(latency_s: float) -> tuple[subprocess.Popen[str], str]:
    """Start the fake server."""
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "loopback.py"), "--latency", str(latency_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    return server, server.stdout.readline().strip()


def run_measured(words: list[str]) -> tuple[dict[str, Any], float, float]:
    """Run a command; give what it printed as JSON, its wall time in s and its peak MiB."""
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        process = subprocess.Popen(words, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(words[:6])} failed:\n{err.read()[-3000:]}")
        return json.loads(out.read()), wall, usage.ru_maxrss / 1024


def judge_words(
    task: tuple[Path, Path], url: str | None, store: Path, in_flight: int, *more: str
) -> list[str]:
    """Word the command that grades, against a server or by a judge in the same process."""
    rows, said = task
    judge = ["instant_judge:InstantJudge"] if url is None else ["chat"]
    options = f"max_concurrency={in_flight}" + (f",model=m,base_url={url}" if url else "")
    return [
        sys.executable, "-c",
        "import sys; from rubricbeat.harness.cli import main; sys.exit(main(sys.argv[1:]))",
        "judge", "--data", str(rows), "--responses", str(said), "--judge", *judge,
        "--judge_args", options,
        "--store", str(store), "--output_path", f"{store}-out", "--json", *more,
    ]  # fmt: skip


def on_ray(n: int, *more: str) -> tuple[str, ...]:
    """Word so many workers."""
    return ("--engine", "ray", "--workers", str(n), *more)


def grade(
    folder: Path, sizes: list[int], instant_from: int, engines: set[str]
) -> Iterator[dict[str, Any]]:
    """Grade more and more; the judge answers at once, so that our own cost is what shows."""
    for n in sizes:
        task = write_task(folder, n)
        with judge_of(n < instant_from) as url:
            each = {"local": (ONE, ()), "ray": (TWO, on_ray(2))}
            for what, more in (each[name] for name in each if name in engines):
                store = folder / f"{len(more)}-{n}.sqlite"
                found, wall, peak = run_measured(judge_words(task, url, store, 64, *more))
                assert found["judge"]["missing"] == 0, found["judge"]
                what = what if url else f"{what}, instant judge"
                yield line(what, n, found["judge"]["seconds"], peak, wall)
                shutil.rmtree(f"{store}-out")
                store.unlink()


@contextlib.contextmanager
def judge_of(is_server: bool) -> Iterator[str | None]:
    """Give the address of a server that answers at once; None for the judge in the process."""
    if not is_server:
        yield None
        return
    server, url = serve(0.0)
    try:
        yield url
    finally:
        server.terminate()
        server.wait()


def line(what: str, n: int, seconds: float, peak: float, wall: float) -> dict[str, Any]:
    """Make a row of the table."""
    return {
        "what": what,
        "verdicts": n,
        "seconds": round(seconds, 2),
        "per_s": round(n / seconds) if seconds else None,
        "peak_mib": round(peak, 1),
        "wall_s": round(wall, 2),
    }


def workers(folder: Path, n: int) -> Iterator[dict[str, Any]]:
    """Grade with one worker and with two of the same size, against an endpoint of 200 ms."""
    task = write_task(folder, n)
    server, url = serve(0.2)
    try:
        for count in (1, 2):
            store = folder / f"workers-{count}.sqlite"
            words = judge_words(task, url, store, 16 * count, *on_ray(count, "--store-only"))
            found, wall, peak = run_measured(words)
            yield line(f"{count} workers of 16 in flight, 200 ms", n, found["seconds"], peak, wall)
    finally:
        server.terminate()
        server.wait()


def pair(folder: Path, n: int) -> Iterator[dict[str, Any]]:
    """Start the same command once, and twice at the same moment; count the requests."""
    task = write_task(folder, n)
    server, url = serve(0.2)
    try:
        for count in (1, 2):
            before = asked(url)
            store = folder / f"pair-{count}.sqlite"
            words = judge_words(task, url, store, 16)
            started = time.perf_counter()
            with ThreadPoolExecutor(count) as pool:
                found = list(pool.map(run_measured, [words] * count))
            wall = time.perf_counter() - started
            seconds = max(one["judge"]["seconds"] for one, _, _ in found)
            peak = max(peak for _, _, peak in found)
            row = line(f"{count} commands of 16 in flight at once, 200 ms", n, seconds, peak, wall)
            yield row | {"requests": asked(url) - before}
    finally:
        server.terminate()
        server.wait()


def asked(url: str) -> int:
    """Read how many requests the fake server has had."""
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/stats", timeout=10) as reply:
        return int(json.load(reply)["requests"])


def filled(path: Path, n: int, start: int = 0) -> Path:
    """Write a store of n verdicts on answers that begin with number `start`."""
    identity = JudgeIdentity("bench", model="m")
    store = VerdictStore(path, identity)
    rng = random.Random(start)
    records: list[Record] = []
    examples = [made_up_example(number) for number in range(N_EXAMPLES)]
    for answer in range(start, start + n // N_CRITERIA):
        example = examples[answer % N_EXAMPLES]
        subject = Subject.of(example, f"Answer {answer}: walk a little every day.")
        for index in range(N_CRITERIA):
            verdict = Verdict.of(
                rng.random() < 0.5, explanation="as it says. " * 20, prompt_tokens=900
            )
            key = b"%016d%016d" % (answer, index)
            records.append(Record(key, subject, index, 0, verdict))
        if len(records) >= BATCH:
            store.write(records)
            records = []
    store.write(records)
    store.close()
    return path


def merged(folder: Path, n: int) -> dict[str, Any]:
    """Merge ten stores of n verdicts, neighbours sharing a tenth of theirs."""
    step = n // N_CRITERIA * 9 // 10
    sources = [filled(folder / f"part-{i}.sqlite", n, i * step) for i in range(10)]
    started = time.perf_counter()
    moved = merge(folder / "all.sqlite", sources)
    seconds = time.perf_counter() - started
    assert moved.n_added + moved.n_known == 10 * n
    return line(f"merge of ten stores of {n:,}", 10 * n, seconds, peak_mib(), seconds)


def rescored(folder: Path, n: int) -> dict[str, Any]:
    """Read a store and score every answer under six rewards."""
    path = filled(folder / "rescore.sqlite", n)
    started = time.perf_counter()
    examples, verdicts = read_store(path)
    means = {}
    for name in REWARDS:
        reward = get_reward(name)
        total = count = 0.0
        for example_id, rubric in examples.items():
            scores = reward(verdicts[example_id], rubric.take(np.zeros(1, np.intp)))
            total += float(np.nansum(scores))
            count += np.count_nonzero(~np.isnan(scores))
        means[name] = total / count
    seconds = time.perf_counter() - started
    print(f"mean rewards: {means}", file=sys.stderr)
    return line("read and re-scored under six rewards", n, seconds, peak_mib(), seconds)


def read_store(path: Path) -> tuple[dict[bytes, RubricArrays], dict[bytes, Any]]:
    """Read every verdict into one array [N, C] an example."""
    with sqlite3.connect(path) as db:
        rubrics = {
            example_id: pack_rubrics([example_from_row(json.loads(row)).rubric])
            for example_id, row in db.execute("SELECT id, row FROM examples")
        }
        places: dict[bytes, dict[tuple[bytes, int], int]] = {each: {} for each in rubrics}
        columns: dict[bytes, tuple[list[int], list[int], list[int]]] = {
            each: ([], [], []) for each in rubrics
        }
        query = "SELECT example, answer, replicate, criterion, met FROM verdicts"
        for example, answer, replicate, criterion, met in db.execute(query):
            place = places[example]
            number = place.setdefault((answer, replicate), len(place))
            rows, criteria, values = columns[example]
            rows.append(number)
            criteria.append(criterion)
            values.append(met)
    verdicts = {}
    for example, (rows, criteria, values) in columns.items():
        table = np.full((len(places[example]), rubrics[example].points.shape[-1]), np.nan)
        table[rows, criteria] = values
        verdicts[example] = table
    return rubrics, verdicts


def peak_mib() -> float:
    """Give the most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw verdicts a second and memory against size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    marks = {ONE: "o-", TWO: "s--"}
    for what, mark in marks.items():
        some = [row for row in rows if row["what"].startswith(what) and row["wall_s"]]
        some = [row for row in some if (what == TWO) == row["what"].startswith(TWO)]
        sizes = [row["verdicts"] for row in some]
        axes[0].plot(sizes, [row["per_s"] for row in some], mark, label=what)
        axes[1].plot(sizes, [row["peak_mib"] for row in some], mark, label=what)
    for axis, name in zip(axes, ("verdicts a second", "peak memory, MiB"), strict=True):
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("verdicts")
        axis.set_ylabel(name)
        axis.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> int:
    """Run the benchmarks and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="grade,workers,pair,merge,rescore")
    parser.add_argument("--full", action="store_true", help="10^5 graded, 10^6 merged, re-scored")
    parser.add_argument("--sizes", help="verdicts to grade, such as 1000,10000,100000,1000000")
    parser.add_argument("--engines", default="local,ray", help="of those that grade")
    parser.add_argument(
        "--instant-from",
        type=int,
        default=10**6,
        metavar="N",
        help="from so many verdicts on, a judge in the process instead of the server",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an .svg or .png")
    args = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)
    os.environ["PYTHONPATH"] = os.pathsep.join(  # `instant_judge`, for workers too
        [str(ROOT / "benchmarks"), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    sizes = [1_000, 10_000, 100_000] if args.full else [1_000, 10_000]
    if args.sizes:
        sizes = [int(size) for size in args.sizes.split(",")]
    only = set(args.only.split(","))
    found: list[dict[str, Any]] = []

    def keep(row: dict[str, Any]) -> None:
        found.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "grade" in only:
            for row in grade(folder, sizes, args.instant_from, set(args.engines.split(","))):
                keep(row)
        if "workers" in only:
            for row in workers(folder, 10_000 if args.full else 2_000):
                keep(row)
        if "pair" in only:
            for row in pair(folder, 10_000 if args.full else 2_000):
                keep(row)
        if "merge" in only:
            keep(merged(folder, 100_000 if args.full else 10_000))
        if "rescore" in only:
            keep(rescored(folder, 1_000_000 if args.full else 100_000))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | verdicts | seconds | a second | peak, MiB | wall, s | requests |")
    print("|---|---|---|---|---|---|---|")
    for row in found:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    for name, bar in BARS.items():
        print(f"\nbar, {name}: {bar}")
    if args.plot:
        plot(found, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
