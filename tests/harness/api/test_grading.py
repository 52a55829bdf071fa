"""Grading from Python: what is taken, what comes out, and what is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, DatasetDict
from loopback import Loopback, completion

import rubricbeat as rb
from rubricbeat.judges.backends.scripted import ScriptedJudge

FOUR = ["Says 4", "Is short"]
ROW = {"question": "2 + 2?", "rubric": FOUR, "completion": "4"}


def says_what_it_reads(question):
    wanted = question.criterion.text.removeprefix("Says ")
    return (
        wanted in question.answer if "Says" in question.criterion.text else len(question.answer) < 9
    )


class Plain:
    def judge(self, question):
        return None


def judge() -> ScriptedJudge:
    return ScriptedJudge(says_what_it_reads)


def graded(**options: Any) -> rb.Grading:
    return rb.grade("2 + 2?", "4", rubric=FOUR, judge=judge(), **options)


@pytest.mark.parametrize(
    "given",
    [
        {"prompts": [ROW]},
        {"prompts": Dataset.from_list([ROW])},
        {"prompts": Dataset.from_list([ROW])[:1]},
        {"prompts": pd.DataFrame([{**ROW, "rubric": np.array(FOUR)}])},
        {"prompts": np.array(["2 + 2?"]), "answers": np.array(["4"]), "rubric": FOUR},
        {"prompts": pd.Series(["2 + 2?"]), "answers": pd.Series(["4"]), "rubric": FOUR},
        {"prompts": [{"q": "2 + 2?", "out": "4"}], "columns": {"prompt": "q", "answer": "out"},
         "rubric": FOUR},
        {"prompts": ["2 + 2?"], "answers": [[{"type": "text", "text": "4"}]], "rubric": FOUR},
        {"prompts": ["2 + 2?"], "answers": ["4"], "rubric": [FOUR]},
        {"prompts": ["2 + 2?"], "answers": {"2 + 2?": "4"}, "rubric": FOUR},
        {"prompts": ["2 + 2?"], "answers": ["4"],
         "rubric": pd.DataFrame({"criterion": FOUR, "points": [1, 1]})},
        {"prompts": ["2 + 2?"], "answers": ["4"],
         "rubric": [rb.Criterion("Says 4", 1.0, rb.Polarity.DESIRABLE), "Is short"]},
    ],
)  # fmt: skip
def test_every_usual_form_of_rows_answers_and_rubrics_is_read(given):
    found = rb.grade(**given, judge=judge())
    assert found.verdicts == [[True, True]]
    assert found.graded[0].example.prompt[-1].content == "2 + 2?"
    assert [c.points for c in found.graded[0].example.rubric.criteria] == [1, 1]


def test_files_of_rows_and_of_a_rubric_are_named_by_text_or_path(tmp_path):
    rows, rubric = tmp_path / "rows.csv", tmp_path / "rubric.txt"
    rows.write_text("question,completion\n2 + 2?,4\n", encoding="utf-8")
    rubric.write_text("Says 4\nIs short\n", encoding="utf-8")
    for as_given in (str, Path):
        found = rb.grade(as_given(rows), rubric=as_given(rubric), judge=judge())
        assert found.verdicts == [[True, True]]


def test_one_prompt_twice_has_two_answers():
    found = rb.grade(["2 + 2?", "2 + 2?"], ["4", "5"], rubric=FOUR, judge=judge())
    assert [one.repeat for one in found.graded] == [0, 1]
    assert found.compare(found_again(found)).baseline == "answers 1"


def found_again(one: rb.Grading) -> rb.Grading:
    return rb.grade([g.example for g in one.graded[:1]], [["5", "4"]], judge=judge())


def test_a_list_of_judges_is_a_jury_and_a_file_of_verdicts_is_a_judge(tmp_path):
    jury = rb.grade("2 + 2?", "5", rubric=FOUR, judge=[judge(), judge(), "constant"])
    assert jury.verdicts == [[False, True]]  # two of three say that 5 is not 4
    verdicts = tmp_path / "verdicts.jsonl"
    verdicts.write_text('{"prompt_id": "p", "completion": "x", "criteria_met": [true, false]}\n')
    row = {"prompt_id": "p", "prompt": "2 + 2?", "completion": "x"}
    for as_given in (str, Path):
        found = rb.grade([row], rubric=FOUR, judge=as_given(verdicts))
        assert found.verdicts == [[True, False]] and found.score == 0.5
    assert "score 0.500" in repr(found) and "score 0.500" in found._repr_html_()


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
    assert found.headline.text in repr(found) and found.headline.text in found._repr_html_()
    assert not any("data file" in note for note in found.notes)
    table = found.to_pandas().set_index("model")
    # good: says 4 and is short; bad: neither
    assert table["score"].to_dict() == {"good": 1.0, "bad": 0.0}
    assert table.loc["bad", "difference"] == -1.0 and table.loc["bad", "compared_with"] == "good"
    looked = rb.compare(good, bad, until=0.9)
    assert looked.stopping is not None and looked.pairs[0].p_holm is None
    with pytest.raises(rb.RubricbeatError, match="level from"):
        rb.compare(good, bad, until=95)
    row = {"prompt_id": "p", "prompt": "a"}
    one, other = (rb.grade([row], ["4"], rubric=[text], judge=judge(), model=text) for text in FOUR)
    with pytest.raises(rb.RubricbeatError, match="p has another prompt or rubric in 'Is short'"):
        one.compare(other)
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
        (lambda: rb.grade(["a"], ["x"], judge=judge()), "prompt 1 has no rubric"),
        (lambda: rb.grade([{"q": "a"}], ["x"], rubric=FOUR, judge=judge()), "no prompt; found"),
        (lambda: rb.grade([], [], rubric=FOUR, judge=judge()), "prompts: none given"),
        (lambda: rb.grade([{**ROW, "answer": "5"}], judge=judge()), "two fields could be the ans"),
        (lambda: rb.grade([{**ROW, "input": "b"}], judge=judge()), "two fields could be the pro"),
        (lambda: rb.grade(["a"], ["x"], rubrics=FOUR, judge=judge()), "did you mean rubric="),
        (lambda: rb.grade([ROW], ["x"], modle="m", judge="constant"), "did you mean model="),
        (lambda: rb.grade([ROW], judge=judge(), columns={"promt": "q"}), "did you mean 'prompt'"),
        (lambda: rb.grade([ROW], judge=judge(), columns={"prompt": "q"}), "has no column 'q'"),
        (lambda: rb.grade("none.jsonl", judge=judge()), "none.jsonl: no such file"),
        (lambda: rb.grade(["a"], ["x"], rubric="none.txt", judge=judge()), "none.txt: no such"),
        (lambda: rb.grade(["a"], ["x"], rubric=["c", " "], judge=judge()), r"rubric\[1\] is blank"),
        (lambda: rb.grade(["a", "b"], ["x", "y"], rubric=[["c"]], judge=judge()), "1 lists of"),
        (
            lambda: rb.grade(
                ["a"], ["x"], rubric=[{"criterion": "c", "points": -1}], judge=judge()
            ),
            "no positive points",
        ),
        (
            lambda: rb.grade([{"prompt_id": "p", "prompt": "a"}], {}, rubric=FOUR, judge=judge()),
            "none for prompt_id 'p'",
        ),
        (
            lambda: rb.grade(["a"], pd.DataFrame({"x": ["4"]}), rubric=FOUR, judge=judge()),
            "answers: DataFrame",
        ),
        (
            lambda: rb.grade(DatasetDict(train=Dataset.from_list([ROW])), judge=judge()),
            "several splits; name one",
        ),
        (
            lambda: rb.grade(
                [{"question": "a", "rubric": [{"description": "c", "weight": 1}], "answer": "g"}],
                judge=judge(),
            ),
            "is its reference answer",
        ),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge={"base_url": "u"}), "needs 'name'"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=""), "empty name"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=[]), "at least 2 judges"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=Path("no.jsonl")), "no file 'no.jsonl'"),
        (lambda: rb.compare(), "give what rubricbeat.grade returned"),
        (lambda: rb.compare("a.csv", "b.csv"), "compare: str; grade answers first"),
        (lambda: graded().report("/"), "this is a folder"),
        (lambda: graded().report("/no/such/page.html"), "there is no folder"),
        (lambda: rb.grade(["a"], [3], rubric=FOUR, judge=judge()), "prompt 1: the answer is"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge="keywrod"), "keyword"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=None), "async method"),
        (
            lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=ScriptedJudge),
            "give an object: Scr",
        ),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=Plain()), "write 'async def judge"),
        (lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge="json.JSONDecoder"), "json:JSONDecoder"),
        (lambda: rb.grade({"a"}, ["x"], rubric=FOUR, judge=judge()), "no order"),
        (lambda: rb.grade(5, ["x"], rubric=FOUR, judge=judge()), "no order"),
        (lambda: rb.grade(["a"], {"z": "x"}, rubric=FOUR, judge=judge()), "'z'"),
        (lambda: rb.grade([5], ["x"], rubric=FOUR, judge=judge()), "prompt 1: int; give a text"),
        (lambda: rb.grade(["a"], 5, rubric=FOUR, judge=judge()), "answers: int; give a list"),
        (lambda: rb.grade(["a"], ["x"], rubric=5, judge=judge()), "rubric: int; give a list"),
        (
            lambda: rb.grade(["a", "b"], {"a": "x"}, rubric=FOUR, judge=judge()),
            r"none for prompt_id 'row-\w+' \('b'\)",
        ),
        (
            lambda: rb.grade(["a"], ["x"], rubric=FOUR, judge=judge(), model="a").compare(
                rb.grade(["a"], ["x"], rubric=["Is kind"], judge=judge(), model="b")
            ),
            "questions are the same under other rubrics or ids",
        ),
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


def test_why_verdicts_are_missing_stands_in_one_line():
    class Broken:
        async def judge(self, question):
            raise ValueError("no\nkey")

    found = repr(rb.grade("a", "4", rubric=FOUR, judge=Broken()))
    assert "2 verdicts missing (2 x judge error: ValueError: no key in test_grading.py:" in found
    assert "\n" not in found


def test_an_absent_answer_is_said_and_is_no_failure_of_the_judge():
    found = rb.grade(
        [f"p{n}" for n in range(11)], ["4"] * 10 + [float("nan")], rubric=FOUR, judge=judge()
    )
    assert "10 answers, 1 absent (None or NaN; not in the score), 0 verdicts missing" in repr(found)
    low, high = found.interval
    assert low <= found.score <= high
    assert rb.grade("a", "4", rubric=FOUR, judge=judge()).interval is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rb.grade("a", "x", rubric=FOUR, judge="chat"), "judge={'name': 'chat', 'model'"),
        (lambda: rb.grade("a", "x", rubric=FOUR, judge="keyword"), "none of the 1 rubrics has a"),
        (
            lambda: rb.grade("a", "x", rubric="Head:\nSays 4", judge=judge()),
            "rubric: line 1: 'Head:",
        ),
    ],
)
def test_errors_name_arguments_and_no_flags(call, said):
    with pytest.raises(rb.RubricbeatError, match=said) as caught:
        call()
    assert "--" not in str(caught.value)


def test_a_plain_function_is_told_what_a_judge_is(tmp_path, monkeypatch):
    (tmp_path / "my_plain_judge.py").write_text("def fn(question):\n    return True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(rb.RubricbeatError, match="plain function; a judge is a class with") as e:
        rb.grade("a", "x", rubric=FOUR, judge="my_plain_judge:fn")
    assert "question=VALUE" not in str(e.value)


def test_gradings_by_two_judges_are_compared_only_when_that_is_said():
    class Other:
        async def judge(self, question):
            return rb.Verdict.of(True)

    a = rb.grade("a", "4", rubric=FOUR, judge=judge(), model="a")
    b = rb.grade("a", "4", rubric=FOUR, judge=Other(), model="b")
    with pytest.raises(rb.RubricbeatError, match="give allow_different=True to compare"):
        rb.compare(a, b)
    assert rb.compare(a, b, allow_different=True).problems


def test_only_public_names_are_listed():
    assert dir(rb) == sorted(rb.__all__)


def test_a_file_with_a_tree_of_criteria_is_a_rubric_for_all(tmp_path):
    leaves = [{"requirements": text, "weight": 1} for text in FOUR]
    tree = {"requirements": "Is right", "sub_tasks": leaves}
    (tmp_path / "tree.json").write_text(json.dumps(tree), encoding="utf-8")
    found = rb.grade("a", "4", rubric=tmp_path / "tree.json", judge=judge())
    assert [one.text for one in found.graded[0].example.rubric.criteria] == FOUR
