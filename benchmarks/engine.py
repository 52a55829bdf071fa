"""Measure the judge engine against a fake endpoint, beside a bare aiohttp loop; a table out.

    python benchmarks/engine.py                               # the tests' own fake server
    python benchmarks/engine.py --fake-server fake_server.py  # another one with the same flags
    python benchmarks/engine.py --only cold,warm,bare

Each line of the table is a process of its own; its CPU is that process's alone, everything
included: prompts, HTTP, parsing, the store. Rows are made up: 500 examples, 5,444 criteria.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

ROOT = Path(__file__).resolve().parent.parent
WORDS = [
    "chest",
    "pressure",
    "exertion",
    "palpitations",
    "night",
    "metoprolol",
    "daily",
    "clinic",
    "follow",
    "up",
    "troponin",
    "salt",
    "walking",
    "dose",
    "adjust",
    "refer",
    "urgent",
    "care",
    "worsen",
    "weight",
    "ankle",
    "swelling",
    "breathless",
    "statin",
    "ache",
]
BARS = {
    "cold": "criteria/s >= 575 of a ceiling of 640; CPU <= 0.6 ms, stretch 0.35; growth <= 60 MiB",
    "slow": "wall <= 54 s",
    "warm": "wall <= 1 s, 0 requests",
    "store": "<= 50 us a verdict",
    "long": "memory does not grow with the number of criteria",
}
"""Of the design sheet; 5,444 criteria."""


def made_up(n: int, seed: int = 1) -> Iterator[Answer]:
    """Make n answers, 11 criteria each but for every ninth, which has 10: 5,444 for 500."""
    rng = random.Random(seed)

    def text(n_words: int) -> str:
        return " ".join(rng.choices(WORDS, k=n_words)).capitalize() + "."

    for number in range(n):
        prompt = tuple(
            Message("user" if turn % 2 == 0 else "assistant", text(55))
            for turn in range(rng.choice([1, 1, 1, 3, 5]))
        )
        n_criteria = 10 if number % 9 == 0 else 11
        criteria = tuple(
            Criterion(text(25), float(rng.choice([1, 3, 5, 8, 10])), Polarity.DESIRABLE)
            for _ in range(n_criteria)
        )
        yield Answer(Example(f"made-up-{number}", prompt, Rubric(criteria)), text(275))


class Meter:
    """Wall time, CPU time and memory of this process over a block."""

    def __enter__(self) -> Meter:
        """Start."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu, self.peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.wall = time.perf_counter() - self.start
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu = usage.ru_utime + usage.ru_stime - self.cpu
        self.growth_mib = (usage.ru_maxrss - self.peak) / 1024

    def row(self, n: int, **more: Any) -> dict[str, Any]:
        """Give a line of the table for n criteria."""
        return {
            "criteria": n,
            "wall_s": round(self.wall, 2),
            "per_s": round(n / self.wall, 1),
            "cpu_ms": round(1000 * self.cpu / n, 3),
            "growth_mib": round(self.growth_mib, 1),
            **more,
        }


def graded(url: str, store: str | bool, in_flight: int, n: int = 500) -> dict[str, Any]:
    """Grade through the whole engine."""
    import aiohttp  # noqa: F401  # imported before the clock starts

    answers = list(made_up(n))
    options = {"name": "chat", "model": "m", "base_url": url, "max_concurrency": in_flight}
    with open_grader({**options, "store": store, "timeout_s": 600}) as grader:
        with Meter() as meter:
            results = grader.grade(answers)
        facts = grader.facts()
    n_criteria = sum(len(one.verdicts) for one in results)
    assert facts["missing"] == 0, facts
    return meter.row(n_criteria, calls=facts["calls"])


def bare(url: str, in_flight: int) -> dict[str, Any]:
    """Send the same prompts from a loop of aiohttp and nothing else: the floor."""
    import aiohttp
    import orjson

    from rubricbeat.judges.backends.chat import ChatJudge
    from rubricbeat.judges.judge import Question

    judge: Any = ChatJudge(model="m", base_url=url)
    bodies = [
        {
            "model": "m",
            "messages": orjson.loads(judge.key_material(Question(a.example, a.text, i))),
            "temperature": 0.5,
            "max_tokens": 2048,
        }
        for a in made_up(500)
        for i in range(len(a.example.rubric))
    ]

    async def run() -> int:
        waiting = iter(bodies)
        n_met = 0
        connector = aiohttp.TCPConnector(limit=in_flight)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def worker() -> None:
                nonlocal n_met
                for body in waiting:
                    data = orjson.dumps(body)
                    async with session.post(f"{url}/chat/completions", data=data) as reply:
                        said = orjson.loads(await reply.read())
                    text = said["choices"][0]["message"]["content"]
                    plain = text.strip().removeprefix("```json").removesuffix("```")
                    n_met += bool(orjson.loads(plain)["criteria_met"])

            await asyncio.gather(*(worker() for _ in range(in_flight)))
        return n_met

    with Meter() as meter:
        try:
            import uvloop

            uvloop.run(run())
        except ImportError:
            asyncio.run(run())
    return meter.row(len(bodies), calls=len(bodies))


def store_cost(folder: str) -> dict[str, Any]:
    """Write and read the store alone, in transactions as small as those of a run at 640/s."""
    from rubricbeat.judges.judge import JudgeIdentity, Question
    from rubricbeat.judges.store.keys import question_material, verdict_key
    from rubricbeat.judges.store.protocol import Record, Subject
    from rubricbeat.judges.store.sqlite import VerdictStore
    from rubricbeat.judges.verdict import Verdict

    identity = JudgeIdentity("bench", model="m")
    store = VerdictStore(Path(folder) / "alone.sqlite", identity)
    verdict = Verdict.of(True, explanation="x" * 300, prompt_tokens=1500, completion_tokens=80)
    answers = list(made_up(500))
    # keys are hashed whether there is a store or not: they also tell equal questions in flight
    keys_of = [
        [
            verdict_key(identity, question_material(Question(a.example, a.text, i)), 0)
            for i in range(len(a.example.rubric))
        ]
        for a in answers
    ]
    with Meter() as meter:
        keys: list[bytes] = []
        records: list[Record] = []
        for answer, own in zip(answers, keys_of, strict=True):
            subject = Subject.of(answer.example, answer.text)
            store.lookup(own)
            keys += own
            records += [Record(k, subject, i, 0, verdict) for i, k in enumerate(own)]
            while len(records) >= 12:  # 20 ms of 600 verdicts a second
                store.write(records[:12])
                records = records[12:]
        store.write(records)
    store.close()
    n = len(keys)
    return meter.row(n, wall_us_each=round(1e6 * meter.wall / n, 1))


def long(url: str, folder: str, n_answers: int) -> dict[str, Any]:
    """Grade very many criteria; watch the memory as it goes."""
    options = {"name": "chat", "model": "m", "base_url": url, "max_concurrency": 128}
    marks: list[tuple[int, float]] = []

    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() / 2**20

    n = 0
    with open_grader({**options, "store": str(Path(folder) / "long.sqlite")}) as grader:
        with Meter() as meter:
            for one in grader.grade_each(made_up(n_answers)):
                n += len(one.verdicts)
                if n // 10_000 > len(marks) - 1:
                    marks.append((n, round(resident(), 1)))
        assert grader.facts()["missing"] == 0
    return meter.row(n, resident_mib=[mib for _, mib in marks])


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(path: Path, **flags: float) -> tuple[subprocess.Popen[str], str]:
    """Start a fake server and wait until it says that it listens."""
    port = free_port()
    words = [sys.executable, str(path), "--port", str(port)]
    for name, value in flags.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()
    return server, f"http://127.0.0.1:{port}/v1"


def in_own_process(words: list[str]) -> dict[str, Any]:
    """Run one line of the table in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{words[0]} failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


WORKERS: dict[str, Callable[..., dict[str, Any]]] = {
    "bare": lambda url, in_flight: bare(url, int(in_flight)),
    "graded": lambda url, store, in_flight: graded(
        url, False if store == "none" else store, int(in_flight)
    ),
    "store": store_cost,
    "long": lambda url, folder, n: long(url, folder, int(n)),
}


def table(server: Path, only: set[str], n_long: int) -> list[tuple[str, dict[str, Any]]]:
    """Measure every line."""
    rows: list[tuple[str, dict[str, Any]]] = []

    def line(label: str, words: list[str]) -> None:
        row = in_own_process(words)
        rows.append((label, row))
        print(f"{label}: {json.dumps(row)}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "v.sqlite")
        process, url = serve(server, latency=0.1, cap=64)
        try:
            if "bare" in only:
                line("bare aiohttp loop, 64 in flight, 100 ms", ["bare", url, "64"])
            if "cold" in only:
                line("rubricbeat without a store", ["graded", url, "none", "64"])
                line("rubricbeat, cold store", ["graded", url, store, "64"])
                # 64 are served at a time; a few more in flight leave none of those places empty
                line("rubricbeat, cold store, 80 in flight", ["graded", url, f"{store}.80", "80"])
                if "warm" in only:
                    line("rubricbeat, warm store", ["graded", url, store, "64"])
        finally:
            process.terminate()
            process.wait()
        if "store" in only:
            line("the store alone: look up, write", ["store", folder])
        if "slow" in only:
            process, url = serve(server, latency=2.0, jitter=0.6, cap=256)
            try:
                line("slow judge, bare aiohttp, 256 in flight", ["bare", url, "256"])
                line("slow judge, rubricbeat", ["graded", url, f"{store}.slow", "256"])
            finally:
                process.terminate()
                process.wait()
        if "long" in only:
            process, url = serve(server, latency=0.01, cap=128)
            try:
                line(f"{n_long:,} answers in one run", ["long", url, folder, str(n_long)])
            finally:
                process.terminate()
                process.wait()
    return rows


def main() -> int:
    """Run the benchmarks and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fake-server", type=Path, default=ROOT / "tests" / "loopback.py")
    parser.add_argument("--only", default="bare,cold,warm,store,slow,long")
    parser.add_argument("--long", type=int, default=9_200, help="answers of the long run")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.pop("OPENAI_API_KEY", None)
    if args.worker:
        name, *words = args.worker
        print(json.dumps(WORKERS[name](*words)))
        return 0
    rows = table(args.fake_server, set(args.only.split(",")), args.long)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | criteria | wall, s | criteria/s | CPU, ms each | memory growth, MiB | more |")
    print("|---|---|---|---|---|---|---|")
    known = ("criteria", "wall_s", "per_s", "cpu_ms", "growth_mib")
    for label, row in rows:
        cells = " | ".join(str(row[name]) for name in known)
        more = ", ".join(f"{k} {v}" for k, v in row.items() if k not in known)
        print(f"| {label} | {cells} | {more} |")
    for name, bar in BARS.items():
        print(f"\nbar, {name}: {bar}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
