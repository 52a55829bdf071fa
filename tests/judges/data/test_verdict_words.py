from __future__ import annotations

import pytest

from rubricbeat.judges.data.verdict_words import VerdictWord, read_verdict

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
