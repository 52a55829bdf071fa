"""`rubricbeat run --until_width`: lm-eval writes answers, and the code of `judge` grades them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback, Reply, Seen, completion

from rubricbeat.harness.cli import main
from rubricbeat.harness.commands.run_until import ANSWERS
from rubricbeat.reports.results.reader import read_runs
from rubricbeat.reports.results.run import Run

pytestmark = pytest.mark.border

N = 100


@pytest.fixture(autouse=True)
def _key(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "unused")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [
        {
            "prompt_id": f"p{n}",
            "prompt": f"question {n}",
            "rubrics": [{"criterion": f"{word} {n}", "points": 5} for word in ("says", "warns")],
        }
        for n in range(N)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
    return path


@pytest.fixture
def model() -> Iterator[Loopback]:
    with Loopback(script=lambda seen: completion(f"answer to {seen.prompt}")) as server:
        yield server


def verdict(seen: Seen) -> Reply:
    """Meet nine in ten, fixed by the prompt."""
    met = hashlib.sha1(seen.prompt.encode()).digest()[0] < 230
    return completion(json.dumps({"explanation": "words", "criteria_met": met}))


@pytest.fixture
def judge() -> Iterator[Loopback]:
    with Loopback(script=verdict) as server:
        yield server


def words(rows: Path, model: Loopback, *more: str) -> list[str]:
    address = f"base_url={model.url}/chat/completions"
    given = ["run", "--tasks", "rubric_judge", "--data", str(rows), "--until_width", "0.3"]
    given += ["--model", "local-chat-completions"]
    return [*given, "--model_args", f"model=org/fake,{address},max_retries=1", *more]


def judged_by(judge: Loopback, store: Path) -> list[str]:
    options = f"model=judge-1,base_url={judge.url},max_concurrency=2,store={store}"
    return ["--judge", "chat", "--judge_args", options]


def only_run(folder: Path) -> Run:
    (found,) = read_runs([folder])
    return found


def test_it_stops_where_judge_stops_on_the_same_answers(rows, model, judge, tmp_path, capsys):
    out, again = tmp_path / "out", tmp_path / "again"
    by = judged_by(judge, tmp_path / "store.sqlite")
    assert main(words(rows, model, *by, "-o", str(out), "--name", "mine", "--run", "one")) == 0
    printed = capsys.readouterr()
    assert "criteria): narrow enough." in printed.out and "mine" in printed.out
    assert "they are graded by: " in printed.err and " judge --data " in printed.err
    assert model.n_requests == N  # the model answers all
    assert judge.n_requests < N  # two criteria each: half of what all would take
    until = only_run(out).facts.config["until"]
    assert until["stopped"] and 10 <= until["graded"] < N // 2

    fresh = judged_by(judge, tmp_path / "fresh.sqlite")
    stored = ["judge", "--data", str(rows), "--responses", str(out / ANSWERS), *fresh]
    stored += ["--until_width", "0.3", "-o", str(again), "--run", "one", "--task", "rubric_judge"]
    assert main(stored) == 0
    one, other = only_run(out), only_run(again)
    assert one.facts.config["until"] == other.facts.config["until"]
    assert (one.model, one.task) == (other.model, other.task) == ("mine", "rubric_judge")
    assert {a.example.prompt_id: [v.outcome for v in a.verdicts] for a in one.graded} == {
        a.example.prompt_id: [v.outcome for v in a.verdicts] for a in other.graded
    }
    assert main(["score", str(out)]) == 0  # the answers beside the results are no second run
    assert "Stopped after" in capsys.readouterr().out


def test_the_judge_sees_the_system_instruction_and_the_rows_that_were_asked(
    rows, model, judge, tmp_path, capsys
):
    by = judged_by(judge, tmp_path / "store.sqlite")
    more = ["--system_instruction", "Be brief.", "--limit", "12", "-o", str(tmp_path / "out")]
    assert main(words(rows, model, *by, *more)) == 0
    assert "have no answer" not in capsys.readouterr().err
    assert model.n_requests == 12
    asked = only_run(tmp_path / "out").graded[0].example
    assert asked.prompt[0].content == "Be brief."


def test_each_task_is_graded_by_its_own_answers(rows, model, tmp_path):
    out = tmp_path / "out"
    more = ["--tasks", "rubric_judge", "healthbench_hard", "--judge", "constant", "--limit", "12"]
    assert main(words(rows, model, *more, "-o", str(out))) == 0
    assert sorted(run.task for run in read_runs([out])) == ["healthbench_hard", "rubric_judge"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--judge", "constant"], "--until_width needs --output_path DIR"),
        (["-o", "out"], "--until_width needs --judge NAME"),
        (["--judge", "constant", "-o", "out", "--baselines"], "remove --baselines"),
        (["--judge", "constant", "-o", "out", "--predict_only"], "remove --predict_only"),
        (["--judge", "constant", "-o", "out", "--responses", "x"], "rubricbeat judge --responses"),
        (["--judge", "constnt", "-o", "out"], "constant"),
        (["--judge", "constant", "-o", "out", "--until_width", "0"], "above 0"),
        (
            ["--judge", "constant", "-o", "out", "--tasks", "reward_variance_demo"],
            "reward_variance_demo has no score by rubrics",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_is_asked(more, said, rows, model, capsys):
    assert main(words(rows, model, *more)) == 2
    assert said in capsys.readouterr().err
    assert model.n_requests == 0
