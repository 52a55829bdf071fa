"""What could sway a judge, read off made-up answers."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.audit.bias import traits_of
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

ANSWER = (
    "Hello there and welcome. Your pulse sounds harmless. Reduce the coffee you drink. "
    "Get an electrocardiogram soon. Take good care."
)


def labelled(criteria: list[str], text: str = ANSWER, n_turns: int = 1) -> LabelledAnswer:
    rubric = Rubric(tuple(Criterion(one, 1.0, Polarity.DESIRABLE) for one in criteria))
    turns = tuple(Message("user", "x" * 64) for _ in range(n_turns))
    example = Example("p", turns, rubric)
    return LabelledAnswer(example, text, tuple((Label(True),) for _ in criteria))


def values(*items: LabelledAnswer) -> dict[str, list[float]]:
    return {trait.name: trait.value_N.tolist() for trait in traits_of(items)}


def test_a_criterion_has_its_rank_and_the_place_of_its_words() -> None:
    found = values(
        labelled(
            ["Says hello, welcome", "Advises an electrocardiogram", "Mentions penguins at the pole"]
        )
    )
    assert found["rank"] == [0.0, 0.5, 1.0]
    # sentence 1 of 5, sentence 4 of 5, none
    assert found["evidence"][:2] == [0.0, 0.75]
    assert np.isnan(found["evidence"][2])


def test_lengths_are_in_doublings_and_turns_are_counted() -> None:
    found = values(labelled(["Welcomes"], "x" * 256), labelled(["Welcomes"], "x" * 512, n_turns=2))
    assert found["length"] == [8.0, 9.0]
    assert found["conversation"] == [6.0, 7.0]
    assert found["turns"] == [1.0, 2.0]


def test_what_has_no_place_has_none() -> None:
    # one criterion, two sentences, no answer
    found = values(labelled(["Welcomes"], "Hello you. Bye now."), labelled(["Welcomes"], ""))
    assert np.isnan(found["rank"]).all()
    assert np.isnan(found["evidence"]).all()
    assert np.isnan(found["length"][1])


def test_questions_without_a_label_are_left_out() -> None:
    item = labelled(["a b c", "Welcomes"])
    half = LabelledAnswer(item.example, item.text, ((), (Label(False),)))
    assert values(half)["rank"] == pytest.approx([1.0])
