"""A verdict in a file is read as it was written, or refused with the field that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Source, Verdict

EXAMPLE = Example(
    "p1", (Message("user", "?"),), Rubric((Criterion("Asks", 5.0, Polarity.DESIRABLE),))
)
MET = {"outcome": "met", "met": True}


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"probability": "0.5"}, "probability is '0.5', no number"),
        ({"probability": 95}, "probability is 95, no number from 0 to 1"),
        ({"prompt_tokens": -1}, "prompt_tokens is -1, no whole number from 0"),
        ({"probability": True}, "probability is True, no number"),
        ({"explanation": 4}, "explanation is 4, no text"),
        ({"reply": ["a"]}, r"reply is \['a'\], no text"),
        ({"source": "bogus"}, "source is 'bogus', no source"),
        ({"source": []}, r"source is \[\], no source"),
        ({"attempts": 1.5}, "attempts is 1.5, no whole number"),
        ({"prompt_tokens": "many"}, "prompt_tokens is 'many', no whole number"),
        ({"latency_s": "x"}, "latency_s is 'x', no number"),
        ({"met": "yes"}, "contradicts met='yes'"),
        ({"outcome": []}, "unknown outcome"),
        ({"outcome": "level", "met": None, "level": True}, "with level True"),
        (
            {"outcome": "level", "met": None, "level": 1, "level_probabilities": ["x"]},
            "no list of numbers",
        ),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(field: dict[str, Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        Verdict.from_json({**MET, **field})


def test_what_is_written_comes_back_and_null_is_not_there() -> None:
    said = Verdict(Outcome.MET, 0.9, "yes", "raw", Source.STORE, 0, 5, 3, 2, 0.25)
    assert Verdict.from_json(said.to_json()) == said
    assert Verdict.from_json({**MET, "explanation": None, "level": None}) == Verdict(Outcome.MET)


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"answer": None}, "p1: the answer is None, no text"),
        ({"answer": 3}, "p1: the answer is 3, no text"),
        ({"repeat": 1.5}, "p1: repeat is 1.5, no whole number"),
        ({"repeat": "x"}, "p1: repeat is 'x', no whole number"),
    ],
)
def test_a_stored_answer_of_the_wrong_kind_is_named(field: dict[str, Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        GradedAnswer.from_json(EXAMPLE, {"answer": "a", "verdicts": [MET], **field})
