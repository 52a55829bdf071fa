from __future__ import annotations

import pytest

from rubricbeat.judges.data.verdict_words import VerdictWord, read_verdict
from rubricbeat.judges.rubric import Criterion, Level, NaRule, Polarity
from rubricbeat.judges.verdict import Outcome, Source

MET = [
    *(True, 1, 1.0, "1", "true", "True", "TRUE", " yes ", "Met", "criteria_met", "pass", "PASSED"),
    *("C", "CORRECT", "satisfied", "✓", '"true"', "met."),
]
NOT_MET = [
    *(False, 0, 0.0, -0.0, "0", "false", "No", "not met", "NOT_MET", "not-met", "unmet", "fail"),
    *("I", "INCORRECT", "Not Satisfied", "✗", "**no**"),
]
UNKNOWN = [
    *(("P", "P"), ("N", "N"), ("partial", "partial"), (0.5, "0.5"), (2, "2"), (-1, "-1")),
    *((float("inf"), "inf"), ({"met": True}, "dict"), ([], "list"), ("not sure", "not sure")),
    *(("true or false", "true or false"), ("n/a", "n/a"), ("met / not met", "met / not met")),
]


@pytest.mark.parametrize("value", MET)
def test_words_for_met(value):
    assert read_verdict(value) == VerdictWord(True)


@pytest.mark.parametrize("value", NOT_MET)
def test_words_for_not_met(value):
    assert read_verdict(value) == VerdictWord(False)


@pytest.mark.parametrize("value", [None, "", "  ", "null", "None", float("nan"), "NaN"])
def test_ways_to_write_that_there_is_no_verdict(value):
    assert read_verdict(value) == VerdictWord(None)


@pytest.mark.parametrize(("value", "word"), UNKNOWN)
def test_whatever_else_is_named(value, word):
    assert read_verdict(value) == VerdictWord(None, word)


def test_a_number_too_long_for_a_float_is_an_unknown_word():
    assert read_verdict(10**400).unknown == str(10**400)


LEVELS = (Level("No dose", 0.0), Level("A dose", 2.0), Level("Dose and interval", 5.0))
GRADED = Criterion("Gives the dose", 5.0, Polarity.DESIRABLE, levels=LEVELS, na=NaRule.EXCLUDED)
TWO = Criterion("Gives the dose", 5.0, Polarity.DESIRABLE, levels=(LEVELS[0], LEVELS[2]))
PLAIN = Criterion("Gives the dose", 5.0, Polarity.DESIRABLE)
TIED = Criterion(
    "Tone", 5.0, Polarity.DESIRABLE, levels=(*LEVELS[:2], Level("Warm", 2.0), LEVELS[2])
)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        *(("A dose", 1), (" a  DOSE ", 1), ("dose and interval", 2), ({"level": 2}, 2)),
        *(({"level": "no dose"}, 0), ({"level": "1"}, 1), ({"score": 5}, 2), ({"points": 2.0}, 1)),
        *((5, 2), (2.0, 1), (0, 0), ("5", 2), ({"outcome": "level", "met": None, "level": 1}, 1)),
    ],
)
def test_a_level_is_its_number_its_text_or_its_points(value, level):
    assert read_verdict(value, GRADED) == VerdictWord(None, level=level)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        *((True, "True"), ("met", "met"), (1, "1"), (3, "3"), ({"level": 3}, "level 3")),
        *(
            ({"level": -1}, "level -1"),
            ({"level": True}, "level True"),
            ({"level": 1.5}, "level 1.5"),
        ),
        *(({"level": "some"}, "level some"), ({"score": 3}, "3"), ({"grade": 2}, "dict")),
    ],
)
def test_what_names_no_level_is_named_and_missing(value, word):
    assert read_verdict(value, GRADED) == VerdictWord(None, word)


def test_points_that_two_levels_have_name_neither():
    assert read_verdict(2, TIED) == VerdictWord(None, "2")
    assert read_verdict("warm", TIED) == VerdictWord(None, level=2)


def test_of_two_levels_met_and_not_met_will_do():
    said = [read_verdict(v, TWO).verdict("", TWO, Source.REPLAY) for v in (True, "no", 5, 0, 1)]
    assert [v.level for v in said] == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "value", ["n/a", "N/A", "not_applicable", "Does not apply.", "CANNOT_ASSESS"]
)
def test_not_applicable_is_a_verdict_where_a_criterion_may_not_apply(value):
    assert read_verdict(value, GRADED) == VerdictWord(None, is_na=True)
    assert read_verdict(value, TWO).unknown == value
    assert read_verdict({"outcome": "not_applicable", "met": None}, GRADED).is_na


def test_not_applicable_where_it_may_not_be_is_no_verdict():
    said = read_verdict({"not_applicable": True}, PLAIN).verdict("w", PLAIN, Source.REPLAY)
    assert said.outcome is Outcome.UNPARSEABLE
    assert said.explanation.startswith("it may not be called not applicable")


@pytest.mark.parametrize(
    ("value", "met"), [({"level": 1, "met": True}, True), ({"level": 0}, False)]
)
def test_the_levels_of_a_plain_criterion_are_not_met_and_met(value, met):
    assert read_verdict(value, PLAIN) == VerdictWord(met)
