"""Studies, audits and rewards from Python."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import rubricbeat as rb
from rubricbeat.judges.backends.scripted import ScriptedJudge

FOUR = ["Says 4", "Is short"]
ANSWERS = ["4", "5", "no it is five", "it is four or 4"]
LABELS = [[True, True], [False, True], [False, False], [True, None]]


def judge() -> ScriptedJudge:
    def says(question: rb.Question) -> bool:
        is_short = len(question.answer) < 9
        return "4" in question.answer if question.criterion.text == "Says 4" else is_short

    return ScriptedJudge(says)


def graded(n: int = 3, **options: Any) -> rb.Grading:
    prompts = [f"Prompt {number}?" for number in range(n)]
    return rb.grade(prompts, [ANSWERS] * n, rubric=FOUR, judge=judge(), **options)


def test_a_study_of_gradings_tells_dead_groups_and_shows_itself(tmp_path: Path) -> None:
    found = rb.study(graded(), rewards=["healthbench", "binary"])
    table = found.to_pandas().set_index("reward")
    assert list(table.index) == ["healthbench", "binary"]
    # scores 1, .5, 0, .5 and 20, 0, 0, 0
    assert table["mean"].to_dict() == {"healthbench": 0.5, "binary": 5.0}
    assert table["answers"].to_dict() == {"healthbench": 12, "binary": 12}
    assert table["dead"].to_dict() == {"healthbench": 0.0, "binary": 0.0}
    flat = rb.grade(["a", "b"], [["x", "x"]] * 2, rubric=FOUR, judge=judge())
    assert rb.study(flat, rewards="healthbench").to_pandas()["dead"].tolist() == [1.0]
    assert "Dead groups" in str(found) and "<li>" in found._repr_html_()
    assert "12 answers in 3 groups" in repr(found)
    assert "<html" in found.report(tmp_path / "study.html").read_text("utf-8")


def test_a_study_counts_a_grading_once_and_advises_nothing_of_a_command_line() -> None:
    one = graded()
    twice = rb.study(one, one, rewards="healthbench")
    assert twice.signal.n_answers == 12
    assert "grading 'answers' is given twice; its answers count once" in str(twice)
    alone = rb.grade("a", "4", rubric=FOUR, judge=judge())
    with pytest.raises(
        rb.RubricbeatError, match=r"given twice.*a list of answers to each prompt"
    ) as e:
        rb.study(alone, alone)
    with pytest.raises(rb.RubricbeatError, match="use a smaller min_group=") as few:
        rb.study(one, min_group=9)
    for text in (str(twice), twice._repr_html_(), str(e.value), str(few.value)):
        assert not re.search(r"(?<!variance )--\w", re.sub(r"-{3,}", "", text))


def test_an_audit_takes_labels_in_every_form(tmp_path: Path) -> None:
    one = graded(1)
    by_lists = rb.audit(one, LABELS)
    accuracy = by_lists.found.audit.judge.figures["accuracy"].value
    assert accuracy == 1.0 and by_lists.found.audit.judge.n_questions == 7
    by_numbers = [[None if said is None else int(said) for said in each] for each in LABELS]
    assert rb.audit(one, by_numbers).to_pandas().equals(by_lists.to_pandas())
    wrong = rb.audit(one, [[False, True], [False, True], [False, False], [True, None]])
    assert wrong.found.audit.judge.figures["accuracy"].value == pytest.approx(6 / 7)
    assert rb.audit(one, one).found.audit.judge.n_questions == 8
    rows = [
        {"prompt": "Prompt 0?", "answer": answer, "criterion": "Says 4", "label": label[0]}
        for answer, label in zip(ANSWERS, LABELS, strict=True)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for labels in (rows, pd.DataFrame(rows), path, str(path)):
        for asked in (one, judge()):
            table = rb.audit(asked, labels).to_pandas()
            [row] = table[(table.judge == "judge") & (table.figure == "accuracy")].to_dict(
                "records"
            )
            assert row["value"] == 1.0
    assert {"judge", "majority", "no_look"} <= {*table["judge"]}
    assert "balanced F1 1.000" in repr(by_lists) and "<pre>" in by_lists._repr_html_()
    with pytest.raises(rb.RubricbeatError, match="no label to audit by"):
        rb.audit(one, [[None if said is not None else said for said in each] for each in LABELS])


def test_a_reward_in_one_line_grades_prompts_by_one_rubric() -> None:
    one = rb.reward(judge(), "healthbench", rubric=FOUR, alternatives="binary")
    assert asyncio.run(one(["a", "a"], ["4", "5 or more words"])) == [1.0, 0.0]
    of_rows = rb.reward(judge(), "healthbench", data=[{"prompt_id": "p", "prompt": "a",
                                                       "rubric": FOUR}])  # fmt: skip
    assert asyncio.run(of_rows(["a"], ["5"], prompt_id=["p"])) == [0.5]
    of_columns = rb.reward(judge(), "healthbench")
    assert asyncio.run(of_columns(["a"], ["5"], rubric=[FOUR])) == [0.5]
    for each in (one, of_rows, of_columns):
        each.close()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rb.study(), "study: give gradings"),
        (lambda: rb.study(3), "study: int"),
        (lambda: rb.study("no-such-folder"), "no such file or folder"),
        (lambda: rb.study(graded(), rewards="hybird"), "did you mean 'hybrid'"),
        (lambda: rb.study(graded(), group_by=["x"]), "label 'x' to group by"),
        (lambda: rb.study(rb.grade("a", "4", rubric=FOUR, judge=judge())), "no prompt has 2"),
        (lambda: rb.audit(graded(1), LABELS[:2]), "2 lists for 4 answers"),
        (lambda: rb.audit(graded(1), [[True]] * 4), "1 for 2 criteria"),
        (lambda: rb.audit(graded(1), [["yes", "no"]] * 4), "'yes' is neither"),
        (lambda: rb.audit(graded(1), [[3, 1]] * 4), "no levels"),
        (lambda: rb.audit(graded(1), LABELS, store=None), "graded already"),
        (lambda: rb.audit(judge(), LABELS), "give rows of prompt"),
        (lambda: rb.audit(judge(), []), "give rows of prompt"),
        (lambda: rb.audit(judge(), "none.jsonl"), "no such file"),
        (lambda: rb.audit(judge(), [{"prompt": "a"}], temperature=0), "set on the judge itself"),
        (
            lambda: rb.audit(
                graded(1), [{"prompt": "z", "answer": "4", "criterion": "Says 4", "label": True}]
            ),
            "none of the 1 labelled answers",
        ),
        (lambda: rb.reward("keyword", "hybird"), "did you mean 'hybrid'"),
        (lambda: rb.reward(None), "is not a judge; give a name"),
        (lambda: rb.reward("keyword", rubric=5), "rubric: int"),
        (lambda: rb.reward("keyword", data=[{"prompt": "a"}]), "no rubric"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(call: Any, said: str) -> None:
    with pytest.raises(rb.RubricbeatError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_gold_of_another_grading_stands_beside_the_verdicts() -> None:
    class Better:
        async def judge(self, question: rb.Question) -> rb.Verdict:
            return rb.Verdict.of("4" in question.answer)

    prompts = [f"Prompt {number}?" for number in range(3)]
    gold = rb.grade(prompts, [ANSWERS] * 3, rubric=FOUR, judge=Better())
    found = rb.study(graded(), rewards="healthbench", gold=gold)
    assert "Gold verdicts cover 3 prompts" in str(found)
    with pytest.raises(rb.RubricbeatError, match="verdicts of the judge under study"):
        rb.study(graded(), gold=graded())
    with pytest.raises(rb.RubricbeatError, match=r"^gold no\.jsonl: no such file"):
        rb.study(graded(), gold="no.jsonl")
