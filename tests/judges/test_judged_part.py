"""The part of an answer that is judged is the one that is counted, whoever counts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rubricbeat.judges.answer import Answer, GradedAnswer, Reading
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.replies.reasoning import Marks
from rubricbeat.judges.rewards import evaluate_batch, get_reward
from rubricbeat.judges.scoring.verdict_table import PackedAnswers, VerdictTable
from rubricbeat.judges.signal.groups import group_answers
from rubricbeat.judges.verdict import Verdict

EXAMPLE = example_from_row(
    {"prompt_id": "p", "prompt": "Why?", "rubric": [{"criterion": "c", "points": 2}]}
)
TEXT = "<think>" + "hm " * 2_000 + "</think><plan>rest</plan>Rest."


@pytest.mark.parametrize(
    ("reading", "n_chars"),
    [
        (Reading(), len("<plan>rest</plan>Rest.")),
        (Reading(marks=Marks.of("<plan>...</plan>")), len("Rest.")),
        (Reading(include_reasoning=True), len(TEXT)),
    ],
)
def test_one_length_in_tables_studies_and_training(reading: Reading, n_chars: int) -> None:
    one = GradedAnswer(EXAMPLE, TEXT, (Verdict.of(True),), reading=reading)
    again = replace(one, repeat=1)
    grouped = group_answers([one, again], min_answers=2)
    assert VerdictTable.of([one]).chars_N.tolist() == [n_chars]
    assert PackedAnswers.of([one]).table().chars_N.tolist() == [n_chars]
    assert grouped.chars_PG is not None
    assert grouped.chars_PG.tolist() == [[n_chars, n_chars]]
    trained = VerdictTable.of([one])
    assert trained.chars_N.tolist() == [n_chars]
    reward = get_reward("length(of=healthbench)")
    assert grouped.rewards(reward)[0, 0] == evaluate_batch(reward, trained)[0]
    # HealthBench's form, worked by hand: 1 - .0299 (chars - 2,000) / 500 above 2,000
    by_hand = 1.0 if n_chars < 2_000 else 1 - 0.0299 * (n_chars - 2_000) / 500
    assert evaluate_batch(reward, trained)[0] == pytest.approx(by_hand, abs=1e-12)


def test_the_reading_travels_with_the_answer_and_makes_another_judge() -> None:
    row = {
        **EXAMPLE_ROW,
        "rubric": [{"criterion": "c", "points": 2, "check": {"mentions": "rest"}}],
    }
    example = example_from_row(row)
    answer = Answer(example, "<plan>rest</plan>Drink.")
    with open_grader("keyword") as plain:
        [met] = plain.grade([answer])
        facts = plain.facts()
    with open_grader({"name": "keyword", "reasoning_marks": "<plan>...</plan>"}) as own:
        [missed] = own.grade([answer])
        assert own.identity.digest != plain.identity.digest
        assert "answers" not in own.facts()
    assert (met.verdicts[0].met, missed.verdicts[0].met) == (True, False)
    assert missed.judged == "Drink."
    assert facts["answers"][0].startswith("1 of 1 answers open with <plan>")
    kept = json.loads(json.dumps(missed.to_json()))
    assert GradedAnswer.from_json(example, kept) == missed
    assert "reading" not in met.to_json()


EXAMPLE_ROW = {"prompt_id": "p", "prompt": "Why?"}
