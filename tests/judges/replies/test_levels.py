"""Replies about levels and "not applicable": read rightly, or not at all."""

from __future__ import annotations

import json
import os
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from level_grammar import LEVELS, NA, OTHERS, PLAIN, Reading, group

from rubricbeat.judges.replies.parsing import parse_group, parse_verdict
from rubricbeat.judges.replies.readings import MET_OR_NOT, AllowedReply, Parsed

N_REPLIES = int(os.environ.get("REPLIES", "100000")) // 4
SEED = int(os.environ.get("REPLIES_SEED", "20261130"))
EXPECTED = AllowedReply(LEVELS, may_be_na=True)
FIVE = AllowedReply(("1", "2", "3", "4", "5"))
MAY_BE_NA = AllowedReply(may_be_na=True)


def said(parsed: Parsed) -> Reading:
    if parsed.is_na:
        return NA
    return parsed.met if parsed.level is None else parsed.level


def test_a_level_is_read_rightly_or_not_at_all_and_plain_replies_are_read() -> None:
    rng = Random(SEED)
    forms = [*PLAIN, *OTHERS]
    n_drawn: Counter[str] = Counter()
    n_read: Counter[str] = Counter()
    for number in range(N_REPLIES):
        form = forms[number % len(forms)]
        made = form(rng)
        read = said(parse_verdict(made.text, EXPECTED, ended=made.ended))
        assert read is None or read in made.right, (form.__name__, made.text)
        n_drawn[form.__name__] += 1
        n_read[form.__name__] += read is not None
    for plain, least in PLAIN.items():
        assert n_read[plain.__name__] >= least * n_drawn[plain.__name__], plain.__name__


def test_a_group_of_unlike_items_is_read_by_what_each_may_be() -> None:
    rng = Random(SEED)
    for _ in range(N_REPLIES // 10):
        text, right = group(rng)
        read = parse_group(text, [EXPECTED, MET_OR_NOT, MAY_BE_NA])
        assert tuple(map(said, read)) == right, text


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ('{"level": 0}', 0),
        ('{"explanation": "why", "level": 4}', 4),
        ('{"level": 5}', None),
        ('{"level": -1}', None),
        # the levels are called 1 to 5 and counted from 0: a text may mean either
        ('{"level": "3"}', None),
        ('{"level": "0"}', 0),
        ('{"level": true}', None),
        ('{"not_applicable": true}', None),
        ('{"level": "N/A"}', None),
        ('{"level": null, "not_applicable": false}', None),
        ('{"level": 2, "not_applicable": null}', 2),
        ('{"level": 2, "not_applicable": "maybe"}', None),
        ('{"criteria_met": true}', None),
        ("So this is my verdict.\nlevel: 0", 0),
        ("Level 1 needs more.\nlevel: 0", None),
        ('The levels differ. {"level": 2}', 2),
        ('It is near the top level. {"level": 2}', None),
        ('It is on the top level. {"level": 4}', 4),
        ('It is on the lowest level. {"level": 0}', 0),
        ('It is on the bottom level. {"level": 4}', None),
        ('It is on the third level. {"level": 2}', 2),
    ],
)
def test_levels_that_are_called_by_numbers_are_counted_from_0(reply: str, right: Reading) -> None:
    assert said(parse_verdict(reply, FIVE)) == right


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ('{"criteria_met": true}', True),
        ('{"criteria_met": "no"}', False),
        ('{"criteria_met": null, "not_applicable": true}', NA),
        ('{"criteria_met": true, "not_applicable": false}', True),
        ('{"criteria_met": "N/A"}', NA),
        ('{"criteria_met": "Not applicable."}', NA),
        ('{"not_applicable": true}', NA),
        ('{"not_applicable": "true"}', NA),
        ("not_applicable: true", NA),
        ('{"criteria_met": null}', None),
        ('{"criteria_met": false, "not_applicable": true}', None),
        ('{"criteria_met": "N/A", "not_applicable": false}', None),
        ('{"criteria_met": 1}', None),
        ('The criterion is met. {"not_applicable": true}', None),
        ('It is not applicable. {"criteria_met": false}', None),
        ("It does not apply.\ncriteria_met: true", None),
        ('This criterion clearly doesn\u2019t apply.\n{"criteria_met": false}', None),
        ('The exception does not apply.\n{"criteria_met": true}', True),
        ('I asked whether it does not apply.\n{"criteria_met": true}', True),
        ("N/A", None),
        ("This is not applicable.", None),
    ],
)
def test_a_plain_criterion_that_may_not_apply(reply: str, right: Reading) -> None:
    assert said(parse_verdict(reply, MAY_BE_NA)) == right
    if right == NA:
        assert parse_verdict(reply).met is None, "not where it may not be said"


def test_a_text_that_may_name_two_things_names_none() -> None:
    called = AllowedReply(("Level 1", "Level 2", "Level 3"))
    for text, right in (("Level 1", None), ("Level 3", None), ("Level 0", 0), ("1: Level 2", 1)):
        assert said(parse_verdict(json.dumps({"level": text}), called)) == right
    choices = ("yes", "no", "N/A")
    assert said(parse_verdict('{"level": "n/a"}', AllowedReply(choices))) == 2
    assert said(parse_verdict('{"level": "n/a"}', AllowedReply(choices, may_be_na=True))) is None
    doses = AllowedReply(("none", "1-2 doses", "3 doses"))
    assert said(parse_verdict('{"level": "1-2 doses"}', doses)) == 1
    assert said(parse_verdict('{"level": "3 doses"}', doses)) == 2
    assert said(parse_verdict('{"level": "1-2"}', doses)) is None


def test_of_two_levels_of_one_text_only_the_number_tells() -> None:
    twins = AllowedReply(("some", "some", "all"))
    assert said(parse_verdict('{"level": "some"}', twins)) is None
    assert said(parse_verdict('{"level": 1}', twins)) == 1


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("2", 2),
        (" **2**.", 2),
        ("Level 2", 2),
        (LEVELS[1], 1),
        ("4", NA),
        ("N/A", NA),
        ("5", None),
        ("-1", None),
        ("1-2", None),
        ("1.5", None),
        ("1 or 2", None),
        ("2?", None),
        ("²", None),
        ("", None),
        ("9" * 5_000, None),
    ],
)
def test_a_reply_of_one_number_names_a_choice(reply: str, right: Reading) -> None:
    assert said(EXPECTED.chosen(reply)) == right


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("0", False),
        ("1.", True),
        ("2", NA),
        ("3", None),
        ("Yes", True),
        ("The item is not true.", False),
        ("The item is not applicable.", NA),
        ("The item is not true, or not applicable.", None),
    ],
)
def test_of_a_plain_criterion_0_is_not_true_and_1_is_true(reply: str, right: Reading) -> None:
    assert said(MAY_BE_NA.chosen(reply)) == right


def test_strict_reading_takes_the_exact_object_alone() -> None:
    for reply, right in (
        ('{"explanation": "why", "level": 2, "not_applicable": false}', 2),
        ('{"explanation": "why", "level": null, "not_applicable": true}', NA),
        ('{"level": "2"}', None),
        ('{"level": "N/A"}', None),
        ('Sure. {"level": 2}', None),
    ):
        assert said(parse_verdict(reply, EXPECTED, strict=True)) == right


@given(st.text(max_size=200), st.booleans())
def test_no_text_raises(text: str, is_strict: bool) -> None:
    for expected in (EXPECTED, FIVE, MAY_BE_NA):
        parse_verdict(text, expected, strict=is_strict)
        parse_group(text, [expected, MET_OR_NOT], strict=is_strict)
        expected.chosen(text)


@given(st.text(), st.integers(0, 3))
def test_any_explanation_survives(words: str, level: int) -> None:
    parsed = parse_verdict(json.dumps({"explanation": words, "level": level}), EXPECTED)
    assert (parsed.level, parsed.explanation) == (level, words)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
)
def test_whatever_stands_for_a_level_is_one_of_them_or_none(value: object) -> None:
    parsed = parse_verdict(json.dumps({"level": value}), EXPECTED)
    assert parsed.level is None or parsed.level in range(4)
    if isinstance(value, int) and not isinstance(value, bool):
        assert parsed.level == (value if 0 <= value <= 3 else None)
