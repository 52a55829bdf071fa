"""Result files written as answers come: the same as from memory, whatever happens."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_kit import answers, count
from full_disk import files_up_to
from loopback import Loopback
from waiting import HANG_S, until

from rubricbeat.harness.results.documents import HeldDocuments, Spool, SpooledDocuments
from rubricbeat.harness.results.earlier import retire
from rubricbeat.harness.results.judged_runs import JudgedRuns
from rubricbeat.harness.results.writer import GradedRun, write_run
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import DataError, OutputError
from rubricbeat.judges.rubric import Rubric
from rubricbeat.judges.scoring.run_scores import summarise
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.reports.results.reader import read_runs

COMMAND = "import sys; from rubricbeat.harness.cli import main; sys.exit(main(sys.argv[1:]))"
SAID = [Verdict.of(True, probability=0.7), Verdict.of(False), Verdict(Outcome.REFUSED)]


def graded(n: int, seed: int = 0) -> list[GradedAnswer]:
    """Answers to a third as many prompts, mixed, some with a second verdict."""
    rng = random.Random(seed)
    rows = [one.example for one in answers(max(1, n // 3))]
    made = []
    for number in range(n):
        row = rng.choice(rows)
        first, second = (tuple(rng.choices(SAID, (5, 5, 1), k=len(row.rubric))) for _ in range(2))
        text = f"Answer {number % 5} \ud83d" if number % 7 == 0 else f"Answer {number}"
        made.append(GradedAnswer(row, text, first, number, (second,) if number % 2 else ()))
    return made


def run_of(some: Any) -> GradedRun:
    return GradedRun(model="m", task="t", graded=some, judge={"digest": "d"}, data={"n_rows": 9})


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("n", [1, 2, 60])
def test_spooled_answers_give_the_very_files_that_answers_in_memory_give(tmp_path, n):
    some = graded(n)
    with Spool(tmp_path) as spool:
        documents = SpooledDocuments(spool)
        for one in some:
            documents.add(one)
        spooled = write_run(run_of(documents), tmp_path / "a")
    held = write_run(run_of(some), tmp_path / "b")
    assert spooled.samples.read_bytes() == held.samples.read_bytes()
    ours, theirs = (json.loads(each.results.read_text()) for each in (spooled, held))
    assert {**ours, "date": 0} == {**theirs, "date": 0}
    [run] = read_runs([tmp_path / "a"])
    assert sorted(run.graded, key=lambda one: one.repeat) == some


def test_the_scores_are_those_of_the_answers(tmp_path):
    some = graded(90)
    with Spool(tmp_path) as spool:
        documents = SpooledDocuments(spool)
        for one in some:
            documents.add(one)
        metrics = write_run(run_of(documents), tmp_path).metrics
    for name, value in summarise(some).to_json().items():
        if isinstance(value, float):
            assert math.isclose(metrics[name], value, rel_tol=0, abs_tol=1e-12), name
        else:
            assert metrics[name] == value, name


def test_an_answer_leaves_few_bytes_in_memory(tmp_path):
    [one] = graded(1)
    words = "words " * 500
    with Spool(tmp_path) as spool:
        documents = SpooledDocuments(spool)
        documents.add(one)
        tracemalloc.start()
        try:
            for number in range(4_000):
                documents.add(replace(one, answer=f"{number} {words}", repeat=number))
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert grown / 4_000 < 200  # the words alone are 3,000


def test_a_spool_leaves_nothing_behind_not_even_when_the_run_fails(tmp_path):
    [some] = graded(1)
    fewer = replace(some.example, rubric=Rubric(some.example.rubric.criteria[:1]))
    stranger = GradedAnswer(fewer, "x", (Verdict.of(True),))
    with pytest.raises(DataError, match="two answers of a run have other rows"):
        HeldDocuments([some, stranger])
    with Spool(tmp_path) as spool:
        documents = SpooledDocuments(spool)
        documents.add(some)
        with pytest.raises(DataError, match="two answers of a run have other rows"):
            documents.add(stranger)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_line(tmp_path):
    # the disk is still full when the spool is closed
    with (
        files_up_to(4096),
        pytest.raises(OutputError, match=r"cannot write results .*are kept"),
        Spool(tmp_path) as spool,
    ):
        documents = SpooledDocuments(spool)
        for one in graded(400):
            documents.add(one)


@pytest.mark.parametrize(
    ("given", "kept"), [(np.float32(0.25), 0.25), (1, 1.0), (np.nan, None), (np.inf, None)]
)
def test_any_number_of_a_judge_can_be_written(tmp_path, given, kept):
    [some] = graded(1)
    said = (Verdict.of(True, probability=given), *some.verdicts[1:])
    finished(tmp_path, [replace(some, verdicts=said)])
    [run] = read_runs([tmp_path])
    assert run.graded[0].verdicts[0].probability == kept
    assert run.graded[0].verdicts[1:] == some.verdicts[1:]


def finished(folder: Path, some: list[GradedAnswer], key: tuple[str, str] = ("m", "")) -> Any:
    """Write a run as the command does."""
    with Spool(folder) as spool:
        judged = JudgedRuns(spool, folder)
        for one in some:
            judged.add(key, one)
        [run] = judged.write("t", judge={"digest": "d"}, data={}, config={}, seed=1)
        return run


def test_a_run_takes_the_place_of_an_earlier_one_that_holds_no_other_answer(tmp_path):
    some = graded(20)
    assert finished(tmp_path, some[:10]).n_retired == 0
    assert finished(tmp_path, some).n_retired == 1
    assert finished(tmp_path, some[:10]).n_retired == 0  # the whole run stays
    assert finished(tmp_path, some, ("m", "other")).n_retired == 0
    assert sorted(len(run.graded) for run in read_runs([tmp_path])) == [10, 20, 20]


def test_another_task_of_the_same_results_file_is_not_lost_with_the_run_that_is_set_aside(tmp_path):
    some = graded(10)
    first = finished(tmp_path, some).written
    results = json.loads(first.results.read_text())
    for table in ("results", "configs"):  # lm-eval writes the tasks of a call into one file
        results[table]["other"] = results[table]["t"]
    first.results.write_text(json.dumps(results))
    other = first.samples.with_name(first.samples.name.replace("samples_t_", "samples_other_"))
    other.write_bytes(first.samples.read_bytes())
    assert finished(tmp_path, some).n_retired == 1
    assert sorted(run.task for run in read_runs([tmp_path])) == ["other", "t"]


def test_of_two_commands_that_end_together_the_later_results_stay(tmp_path):
    some = graded(10)
    with Spool(tmp_path) as spool:
        runs = []
        for _ in range(2):  # both began when nothing was there
            documents = SpooledDocuments(spool)
            for one in some:
                documents.add(one)
            runs.append((documents, write_run(run_of(documents), tmp_path)))
        args = (tmp_path, ("m", ""), "t", "d")
        (first, early), (second, late) = runs
        assert retire(*args, early, first, config={}) == 0
        assert retire(*args, late, second, config={}) == 1
    assert not early.samples.exists()
    assert late.samples.exists()


def test_an_earlier_file_that_is_broken_is_left_and_named(tmp_path, capsys):
    some = graded(5)
    run = finished(tmp_path, some)
    run.written.samples.write_text("{broken\n")
    assert finished(tmp_path, some).n_retired == 0
    assert "left as it is" in capsys.readouterr().err


class Task:
    """Rows, answers and the command that grades them against a server."""

    def __init__(self, folder: Path, url: str, n: int) -> None:
        self.folder, some = folder, answers(n)
        (folder / "rows.jsonl").write_text(
            "".join(f"{json.dumps(example_to_row(one.example))}\n" for one in some)
        )
        (folder / "said.jsonl").write_text(
            "".join(
                json.dumps({"prompt_id": one.example.prompt_id, "completion": one.text}) + "\n"
                for one in some
            )
        )
        self.words = [
            sys.executable, "-c", COMMAND, "judge", "--data", str(folder / "rows.jsonl"),
            "--responses", str(folder / "said.jsonl"), "--judge", "chat",
            "--judge_args", f"model=m,base_url={url},max_concurrency=8",
            "--store", str(folder / "v.sqlite"), "--json",
        ]  # fmt: skip

    def start(self, out: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.words, "--output_path", str(self.folder / out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def results_of(run: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = run.communicate(timeout=HANG_S)
    assert run.returncode == 0, err
    return json.loads(out)


def test_a_command_killed_while_it_grades_leaves_no_file_and_is_finished_by_the_next(tmp_path):
    with Loopback() as server:
        server.hold_after(100)
        task = Task(tmp_path, server.url, 100)
        run = task.start("out")
        until(lambda: count(tmp_path / "v.sqlite") == 100, "what is answered, on disk", run)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate(timeout=HANG_S)
        server.settle()
        server.release()
        assert list((tmp_path / "out").rglob("*")) == []
        n_before = server.n_requests
        again = results_of(task.start("out"))
        assert server.n_requests - n_before == 300 - 100
        clean = results_of(task.start("other"))
    ours, theirs = again["runs"][0]["metrics"], clean["runs"][0]["metrics"]
    assert ours == theirs
    assert ours["n_missing_verdicts"] == 0
    [line] = lines_of(Path(again["runs"][0]["samples"]))[:1]
    assert line["rubric"]["answers"][0]["verdicts"][0]["source"] in {"store", "fresh"}


def test_an_interrupt_keeps_what_came_back_and_leaves_no_file(tmp_path):
    with Loopback() as server:
        server.hold_after(60)
        task = Task(tmp_path, server.url, 100)
        run = task.start("out")
        until(lambda: server.n_held == 8, "calls that wait", run)
        run.send_signal(signal.SIGINT)
        assert "8 calls are in flight" in run.stderr.readline()
        server.release()
        _, said = run.communicate(timeout=HANG_S)
        assert run.returncode == 130
        assert "Traceback" not in said
        assert list((tmp_path / "out").rglob("*")) == []
        assert results_of(task.start("out"))["judge"]["missing"] == 0
        assert server.n_repeated == 0


def test_the_same_command_twice_at_once_pays_once_and_leaves_one_run(tmp_path):
    with Loopback() as server:
        server.hold_after(40)
        task = Task(tmp_path, server.url, 60)
        runs = [task.start("out"), task.start("out")]
        until(lambda: server.n_held == 2 * 8, "calls of both", runs[0])
        server.release()
        said = [results_of(run) for run in runs]
        assert server.n_requests == len(server.by_prompt) == 180
    assert said[0]["runs"][0]["metrics"] == said[1]["runs"][0]["metrics"]
    assert sum(one["judge"]["calls"] for one in said) == 180
    assert len(read_runs([tmp_path / "out"])) == 1
