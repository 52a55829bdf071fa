"""A verdict in a file is read as it was written, or refused with the field that is wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.errors import ConfigError, DataError
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.rubric import Criterion, Example, Message, NaRule, Polarity, Rubric
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


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"text": 5}, "the answer is 5, no text"),
        ({"text": b"yes"}, "the answer is b'yes', no text"),
        ({"repeat": -1}, "repeat is -1, not between 0"),
        ({"replicates": -1}, "replicates is -1, no whole number from 1"),
        ({"replicates": 0}, "replicates is 0, no whole number from 1"),
        ({"asked": (1,)}, "not some of 0 to 0 in their order"),
        ({"asked": (-1,)}, "not some of 0 to 0 in their order"),
        ({"asked": (0, 0)}, "not some of 0 to 0 in their order"),
    ],
)
def test_an_answer_that_cannot_be_asked_about_is_refused(field: dict[str, Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        Answer(**{"example": EXAMPLE, "text": "yes", **field})


@pytest.mark.parametrize("one", [1, 1.0, np.int64(1), np.float64(1.0)])
def test_a_whole_number_of_a_table_is_one(one: Any) -> None:
    answer = Answer(EXAMPLE, "yes", one)
    graded = GradedAnswer(EXAMPLE, "yes", (Verdict(Outcome.MET, prompt_tokens=one),), one)
    plain = json.loads(json.dumps(graded.to_json()))
    assert (answer.repeat, graded.repeat, plain["repeat"]) == (1, 1, 1)
    assert type(answer.repeat) is type(graded.repeat) is int
    plain["verdicts"][0]["prompt_tokens"] = float(one)
    assert GradedAnswer.from_json(EXAMPLE, plain) == graded


def test_an_answer_may_be_missing_and_may_be_asked_about_in_part() -> None:
    assert Answer(EXAMPLE, None, replicates=2).n_asked == 1
    assert Answer(EXAMPLE, "yes", asked=()).n_asked == 0


def test_words_stand_for_the_values_of_a_closed_set() -> None:
    assert Verdict("met").met is True  # type: ignore[arg-type]
    criterion = Criterion("Asks", 5.0, "desirable", na="excluded")  # type: ignore[arg-type]
    assert criterion.counts_when_met and criterion.na is NaRule.EXCLUDED


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Verdict("yes"), "unknown outcome 'yes'"),
        (lambda: Criterion("a", 1.0, "good"), "polarity is 'good'; known: desirable"),
        (lambda: Criterion("a", 1.0, Polarity.DESIRABLE, na="never"), "na is 'never'"),
        (lambda: Criterion("a", 0.0, Polarity.DESIRABLE), "points is 0; give a number other"),
        (lambda: Criterion("a", float("nan"), Polarity.DESIRABLE), "points is nan"),
        (lambda: Criterion("a", float("-inf"), Polarity.DESIRABLE), "points is -inf"),
        (lambda: Verdict.at_level("a"), "not 'a'"),
        (lambda: Verdict.at_level(float("nan")), "not nan"),
        (lambda: Verdict.at_level(None), "not None"),
        (lambda: open_grader(None), "NoneType is no judge"),
    ],
)
def test_a_value_that_is_none_of_ours_is_refused(make: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        make()
