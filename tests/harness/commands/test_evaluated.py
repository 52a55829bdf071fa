"""What `rubricbeat run` says at its end: scores, lm-eval's table, and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from report_kit import example, graded

from rubricbeat.harness.commands.run import show_evaluated
from rubricbeat.harness.evaluation.request import RunRequest
from rubricbeat.harness.evaluation.run import Evaluated
from rubricbeat.judges.scoring.run_scores import summarise

SCORES = summarise([graded("110", example("p")), graded("000", example("q"))]).to_json()
ROW = {"alias": "t", "score,none": 0.5, "pass_strict,none": 0.5}
OTHER = {"alias": "arc", "acc,none": 0.25}


def done(results: dict[str, object], **scores: object) -> Evaluated:
    table = {
        "results": results,
        "configs": {},
        "versions": dict.fromkeys(results, 1),
        "n-shot": dict.fromkeys(results, 0),
        "higher_is_better": {name: {} for name in results},
    }
    files = (Path("out/m/results_x.json"), Path("out/m/samples_x.jsonl"))
    return Evaluated("m", table, files, True, False, scores)  # type: ignore[arg-type]


def shown(capsys, run: Evaluated, request: RunRequest, *words: str, is_whole: bool = False) -> str:
    show_evaluated([run], request, words, is_whole=is_whole)
    return str(capsys.readouterr().out)


def test_a_rubric_task_has_one_line_and_all_of_it_on_request(capsys, tmp_path):
    request = RunRequest(("t",), "dummy", output_path=str(tmp_path))
    short = shown(capsys, done({"t": ROW}, t=SCORES), request)
    assert "pass_strict" not in short and "results_x" not in short
    assert "m scores 0.500 (n < 10: no interval) on task t, 2 prompts." in short
    whole = shown(capsys, done({"t": ROW}, t=SCORES), request, is_whole=True)
    assert "pass_strict" in whole and "results_x.json" in whole


def test_a_task_of_lm_eval_keeps_its_table(capsys):
    printed = shown(capsys, done({"arc": OTHER}), RunRequest(("arc",), "dummy"))
    assert "acc" in printed and "results_x.json" in printed and "next:" not in printed


def test_what_was_not_kept_is_proposed_to_be_kept(capsys):
    words = ["run", "--tasks", "t", "--model", "dummy", "--model_args", "a b"]
    printed = shown(capsys, done({"t": ROW}, t=SCORES), RunRequest(("t",), "dummy"), *words)
    assert shlex.split(printed.splitlines()[-1])[2:] == [*words, "-o", "results"]


@pytest.mark.parametrize(("limit", "flags"), [(3, ["--limit", "3"]), (None, [])])
def test_answers_alone_are_proposed_to_be_judged(capsys, limit, flags):
    request = RunRequest(
        ("t",), "dummy", predict_only=True, output_path="out", limit=limit,
        metadata={"data": "my rows.jsonl", "rubric": "r.csv"},
    )  # fmt: skip
    words = shlex.split(shown(capsys, done({"t": {}}), request).splitlines()[-1])[2:]
    where = ["--data", "my rows.jsonl", "--rubric", "r.csv", *flags, "--responses", "out/m"]
    assert words[: words.index("--judge")] == ["run", "--tasks", "t", *where]
