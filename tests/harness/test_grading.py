"""Grading from Python: what is taken, what comes out, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pandas as pd
import pytest
from loopback import Loopback, completion

import rubricbeat as rb
from rubricbeat.judges.backends.scripted import ScriptedJudge

FOUR = ["Says 4", "Is short"]


def says_what_it_reads(question):
    wanted = question.criterion.text.removeprefix("Says ")
    return (
        wanted in question.answer if "Says" in question.criterion.text else len(question.answer) < 9
    )


def judge() -> ScriptedJudge:
    return ScriptedJudge(says_what_it_reads)


def test_texts_are_enough():
    graded = rb.grade(["What is 2 + 2?"], ["4"], rubric=FOUR, judge=judge())
    assert graded.score == 1.0
    assert graded.verdicts == [[True, True]]
    table = graded.to_pandas()
    assert list(table["criterion"]) == FOUR
    assert list(table["share"]) == [1.0, 1.0] and list(table["points"]) == [1.0, 1.0]
    half = rb.grade("What is 2 + 2?", "It is 5 then", rubric="Says 5\nIs short", judge=judge())
    assert half.score == 0.5


def test_rows_frames_and_several_answers():
    rows = [
        {"input": "2 + 2?", "rubric": FOUR, "completion": "4"},
        {"question": "3 + 3?", "rubric": [{"criterion": "Says 6", "points": 3}], "answer": "7"},
    ]
    by_rows = rb.grade(rows, judge=judge())
    assert by_rows.verdicts == [[True, True], [False]] and by_rows.score == 0.5
    assert rb.grade(pd.DataFrame([rows[0]]), judge=judge()).score == 1.0
    several = rb.grade(["2 + 2?"], [["4", "5", None]], rubric=FOUR, judge=judge())
    assert [one.repeat for one in several.graded] == [0, 1, 2]
    assert several.verdicts == [[True, True], [False, True], [None, None]]
    turns = [{"role": "user", "content": "2 + 2?"}]
    assert rb.grade(turns, ["4"], rubric=FOUR, judge=judge()).score == 1.0
    named = rb.grade(
        [{"prompt_id": "a", "prompt": "2 + 2?"}], {"a": "4"}, rubric=FOUR, judge=judge()
    )
    assert named.score == 1.0


def test_a_missing_verdict_is_told_and_is_no_zero():
    graded = rb.grade(["?"], ["4"], rubric=FOUR, judge=ScriptedJudge(lambda question: None))
    assert graded.score is None
    assert graded.missing == {"unparseable": 2}
    assert graded.to_pandas()["met"].isna().all()


def test_levels_and_what_does_not_apply():
    rubric = [
        {"criterion": "c", "levels": [{"text": "a", "points": 0}, {"text": "b", "points": 4}]},
        {"criterion": "d", "points": 2, "may_be_na": True},
    ]
    script = [rb.Verdict.at_level(1), rb.Verdict.not_applicable()]
    graded = rb.grade(["?"], ["x"], rubric=rubric, judge=ScriptedJudge(script))
    assert graded.score == 1.0 and graded.verdicts == [[1, None]]
    assert "1 n/a" in graded._repr_html_()


def test_two_gradings_are_compared_and_reported(tmp_path):
    prompts = [f"{n} + {n}?" for n in range(12)]
    good = rb.grade(prompts, ["4"] * 12, rubric=FOUR, judge=judge(), model="good")
    bad = rb.grade(prompts, ["no, it is 5"] * 12, rubric=FOUR, judge=judge(), model="bad")
    found = good.compare(bad)
    assert found.baseline == "good" and "bad" in found.headline.text
    page = good.report(tmp_path / "page.html", bad).read_text("utf-8")
    assert "good" in page and "bad" in page
    with pytest.raises(rb.RubricbeatError, match="model="):
        good.compare(good)


def test_it_works_from_an_event_loop_and_inside_one():
    async def notebook():
        waited = await rb.grade_async(["?"], ["4"], rubric=FOUR, judge=judge())
        return waited, rb.grade(["?"], ["4"], rubric=FOUR, judge=judge())

    assert [one.score for one in asyncio.run(notebook())] == [1.0, 1.0]


def test_any_other_name_is_a_model_behind_an_endpoint(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    said = completion('{"explanation": "so", "criteria_met": true}')
    with Loopback(script=lambda seen: said, keeps_requests=True) as server:
        graded = rb.grade(
            ["2 + 2?"], ["4"], rubric=FOUR, judge="some-model:8b", base_url=server.url,
            store=str(tmp_path / "v.sqlite"),
        )  # fmt: skip
        assert server.seen[0].body["model"] == "some-model:8b"
    assert graded.score == 1.0 and graded.judge["calls"] == 2


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: rb.grade(["a", "b"], ["x"], rubric=FOUR, judge=judge()), "1 answers for 2"),
        (lambda: rb.grade(["a"], rubric=FOUR, judge=judge()), "prompt 1 has no answer"),
        (lambda: rb.grade(["a"], ["x"], judge=judge()), "prompt 1"),
        (lambda: rb.grade(["a"], [3], rubric=FOUR, judge=judge()), "prompt 1: the answer is"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge="keywrod"), "keyword"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=None), "async method"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=ScriptedJudge), "async method"),
        (lambda: rb.grade({"a"}, ["x"], rubric=FOUR, judge=judge()), "no order"),
        (lambda: rb.grade(5, ["x"], rubric=FOUR, judge=judge()), "no order"),
        (lambda: rb.grade(["a"], {"z": "x"}, rubric=FOUR, judge=judge()), "'z'"),
        (lambda: rb.grade([5], ["x"], rubric=FOUR, judge=judge()), "prompt 1: int; give a text"),
        (lambda: rb.grade(["a"], 5, rubric=FOUR, judge=judge()), "answers: int; give a list"),
        (lambda: rb.grade(["a"], ["x"], rubric=5, judge=judge()), "rubric: int; give a list"),
        # its fields are no criteria
        (lambda: rb.grade(["a"], ["x"], rubric={"criterion": "c"}, judge=judge()), "rubric: dict"),
        (lambda: rb.grade(["a"], ["x"], rubric=Path("no.json"), judge=judge()), "no.json"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=judge(), model_=1), "model_"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(call, said):
    with pytest.raises(rb.RubricbeatError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
