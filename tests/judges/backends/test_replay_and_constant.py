"""Judges that cost nothing: recorded verdicts, baselines, and the tests' own."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.backends.replay import ReplayJudge
from rubricbeat.judges.backends.scripted import ConstantJudge, ScriptedJudge
from rubricbeat.judges.errors import ConfigError, DataError, TransportError
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge import Question, identity_of
from rubricbeat.judges.rubric import Level, NaRule, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Source, Verdict


def ask(judge: Any, example: Any, answer: str, index: int = 0) -> Verdict:
    return asyncio.run(judge.judge(Question(example, answer, index)))


def record(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def row(answer: str = "An answer.", **more: Any) -> dict[str, Any]:
    return {
        "prompt_id": "made-up-1",
        "completion": answer,
        "criteria_met": [True, False, None],
        "explanation": ["why", "why not", None],
        **more,
    }


def test_recorded_verdicts_are_given_back(tmp_path, example):
    judge = ReplayJudge(record(tmp_path / "r.jsonl", row()))
    verdicts = [ask(judge, example, "An answer.", index) for index in range(3)]
    assert [v.met for v in verdicts] == [True, False, None]
    assert [v.explanation for v in verdicts[:2]] == ["why", "why not"]
    assert {v.source for v in verdicts} == {Source.REPLAY}
    assert {v.attempts for v in verdicts} == {0}


def test_recorded_levels_and_what_does_not_apply_are_given_back(tmp_path, example):
    first, second, third = example.rubric.criteria
    levels = (Level("no", 0.0), Level("half", 1.0), Level("all", 3.0))
    rubric = (
        replace(first, points=3.0, levels=levels),
        replace(second, na=NaRule.EXCLUDED),
        replace(third, points=3.0, polarity=Polarity.DESIRABLE, levels=levels),
    )
    example = replace(example, rubric=Rubric(rubric))
    met = [{"level": 1}, {"not_applicable": True}, {"level": 5}]
    path = record(tmp_path / "r.jsonl", row(criteria_met=met))
    with open_grader({"name": "replay", "path": path}) as grader:
        (graded,) = grader.grade([Answer(example, "An answer.")])
    assert [v.outcome for v in graded.verdicts] == ["level", "not_applicable", "skipped"]
    assert (graded.verdicts[0].level, graded.verdicts[0].explanation) == (1, "why")
    assert "'level 5', which is not a verdict" in graded.verdicts[2].explanation


def test_what_was_not_recorded_is_skipped_and_never_guessed(tmp_path, example):
    judge = ReplayJudge(record(tmp_path / "r.jsonl", row()))
    verdict = ask(judge, example, "Another answer.")
    assert (verdict.met, verdict.outcome) == (None, Outcome.SKIPPED)
    short = ReplayJudge(record(tmp_path / "s.jsonl", row(criteria_met=[True], explanation=["x"])))
    assert "cannot be aligned" in ask(short, example, "An answer.").explanation


def test_by_prompt_matches_whatever_the_answer(tmp_path, example):
    judge = ReplayJudge(record(tmp_path / "r.jsonl", row()), by_prompt=True)
    assert ask(judge, example, "Another answer.").met is True


def test_an_answer_with_its_reasoning_is_found_by_its_solution(tmp_path, example):
    answer = "<think>hm</think>An answer."
    options = {"name": "replay", "path": record(tmp_path / "r.jsonl.gz", row(answer))}
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with open_grader(options) as grader:
        (graded,) = grader.grade([Answer(example, answer)])
    assert [v.met for v in graded.verdicts] == [True, False, None]


def test_models_and_runs_in_one_file_are_chosen_by_name(tmp_path, example, caplog):
    path = record(
        tmp_path / "r.jsonl",
        row(model="a", run=1),
        row(model="b", run=1, criteria_met=[False, False, False]),
    )
    both = ReplayJudge(path)
    assert "1 answers were recorded more than once" in caplog.text
    said = [asyncio.run(both.judge(Question(example, "An answer.", 0, r))) for r in range(3)]
    assert [v.met for v in said] == [True, False, None]
    assert ask(ReplayJudge(path, model="a"), example, "An answer.").met is True
    assert ask(ReplayJudge(path, model="b", run="1"), example, "An answer.").met is False
    with pytest.raises(ConfigError, match="no recorded verdicts for model=c"):
        ReplayJudge(path, model="c")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(criteria_met=[1, 0, 1])], "true, false or null"),
        ([row(criteria_met="yes")], "true, false or null"),
        ([row(explanation=["just one"])], "explanation"),
        ([{"prompt_id": "x", "criteria_met": [True]}], "by_prompt"),
        ([{"completion": "x", "criteria_met": [True]}], "prompt_id"),
        ([[1, 2]], "not a JSON object"),
    ],
)
def test_broken_records_are_named_by_row(tmp_path, rows, words):
    with pytest.raises(DataError, match=words) as caught:
        ReplayJudge(record(tmp_path / "r.jsonl", *rows))
    assert "row 1" in str(caught.value)


def test_a_record_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="no file"):
        ReplayJudge(str(tmp_path / "nowhere.jsonl"))


def test_the_constant_judge_says_the_same_of_everything(example):
    for met in (True, False):
        judge = ConstantJudge(met=met)
        assert {ask(judge, example, "", index).met for index in range(3)} == {met}
    assert (
        identity_of(ConstantJudge(met=True)).digest != identity_of(ConstantJudge(met=False)).digest
    )


def test_a_script_is_a_function_a_list_or_one_verdict(example):
    by_index = ScriptedJudge(lambda question: question.index == 1)
    assert [ask(by_index, example, "", i).met for i in range(3)] == [False, True, False]
    listed = ScriptedJudge([True, None, Verdict(Outcome.REFUSED), TransportError("gone")])
    assert ask(listed, example, "").met is True
    assert ask(listed, example, "").outcome is Outcome.UNPARSEABLE
    assert ask(listed, example, "").outcome is Outcome.REFUSED
    with pytest.raises(TransportError):
        ask(listed, example, "")
    with pytest.raises(ConfigError, match="over"):
        ask(listed, example, "")
    assert [q.answer for q in listed.asked] == [""] * 5
