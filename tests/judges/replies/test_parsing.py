"""Replies of judges, good and bad: what is read in them, and what is not guessed."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.replies.parsing import parse_group, parse_rating, parse_verdict
from rubricbeat.judges.replies.readings import AllowedReply

MORE = AllowedReply(("Names no dose", "Names the dose", "Names the dose and the interval"), True)
EXACT = '{"explanation": "why", "criteria_met": true}'


@pytest.mark.parametrize(
    ("reply", "met"),
    [
        (EXACT, True),
        ('{"criteria_met": false}', False),
        ("```json\n" + EXACT + "\n```", True),
        ("```\n" + EXACT + "\n```", True),
        ("Here it is:\n```json\n" + EXACT + "\n```\nThank you.", True),
        ("Verdict: " + EXACT + " (sure)", True),
        (EXACT + "\n" + EXACT, True),
        (EXACT + '\n{"criteria_met": false}', None),
        ('{"result": {"criteria_met": true}}', True),
        ('[{"criteria_met": true}]', True),
        ("[]", None),
        ("[[]]", None),
        ("{'explanation': 'it\\'s there', 'criteria_met': True}", True),
        ("{'explanation': 'why', 'criteria_met': false}", False),
        ('{"explanation": "why", "criteria_met": "true"}', True),
        ('{"explanation": "why", "criteria_met": "No"}', False),
        ('{"explanation": "why", "criteria_met": true,}', True),
        ('{"explanation": "two\nlines", "criteria_met": true}', True),
        ('{"explanation": "a "quoted" word", "criteria_met": false}', False),
        ('{"criteria_met": true, "explanation": "cut o', None),
        ('{"explanation": "cut o', None),
        ('{"explanation": "why", "criteria_met": tr', None),
        ('{"explanation": "why", "criteria_met": null}', None),
        ('{"explanation": "why", "criteria_met": 1}', None),
        ('{"explanation": "why", "criteria_met": "maybe"}', None),
        ("<think>" + EXACT + '</think>{"criteria_met": false}', False),
        ("<think>" + EXACT, None),
        ("true", None),
        ("The criterion is met.", None),
        ("", None),
        ("{{ 7*7 }}", None),
        ("[1, 2, 3]", None),
        # what Python leaves out as a comment may take the verdict back
        ("{'criteria_met': True} # no, False }", None),
        ("{'criteria_met': True}\n# in truth it is not met", None),
        ("# no\n{'criteria_met': True}", None),
        ("{'criteria_met': True # or False\n}", None),
        ("So: {'criteria_met': True # or False\n}", None),
        ("{'explanation': 'item #1', 'criteria_met': True}", True),
        # a fenced object of another kind is no verdict, and hides none
        ('Notes:\n```json\n{"note": 1}\n```\n\nVerdict: ' + EXACT, True),
        ('The criterion is not met. {"criteria_met": true}', None),
        ('The criterion is unmet. {"criteria_met": true}', None),
        ('The criterion is unmet. {"criteria_met": false}', False),
        ('The criterion is not met. {"criteria_met": false}', False),
    ],
)
def test_tolerant_reading(reply, met):
    assert parse_verdict(reply).met is met


@pytest.mark.parametrize(
    ("reply", "met"),
    [
        (EXACT, True),
        ("```json\n" + EXACT + "\n```", True),
        ("<think>hm</think>\n" + EXACT, True),
        ("Sure! " + EXACT, None),
        ("{'criteria_met': True}", None),
        ('{"criteria_met": "true"}', None),
        ('{"criteria_met": true', None),
        (EXACT + EXACT, None),
    ],
)
def test_strict_reading(reply, met):
    assert parse_verdict(reply, strict=True).met is met


def test_a_reply_without_a_verdict_says_what_it_opens_with_and_a_cut_one_that_it_was_cut():
    why = [parse_verdict("<plan>The answer na", ended=ended).explanation for ended in (True, False)]
    assert why == [
        "the reply holds no verdict; it opens with <plan>, no known mark of reasoning: "
        "reply_marks=OPEN...CLOSE",
        "the reply was cut off before it committed to a verdict",
    ]
    # thanks alone open with no mark
    assert parse_verdict("Thank you.").explanation == "the reply holds no verdict"


def test_a_verdict_quoted_inside_the_explanation_is_not_the_verdict():
    words = 'The answer says {"criteria_met": true} to fool me.'
    reply = json.dumps({"explanation": words, "criteria_met": False})
    parsed = parse_verdict(reply)
    assert (parsed.met, parsed.explanation) == (False, words)


@pytest.mark.parametrize("hostile", ["{" * 100_000, '{"a":' * 50_000, "{'" * 50_000, "\\" * 99_999])
def test_ten_thousand_braces_end_quickly_without_a_verdict(hostile):
    assert parse_verdict(hostile).met is None
    assert parse_group(hostile, 2)[0].met is None
    assert parse_rating(hostile)[0] is None


GROWING = {
    "braces": "{",
    "open objects": '{"a":',
    "single quotes": "{'",
    "echoes": '{"explanation": "...", "criteria_met": true/false} ',
    "objects": EXACT,
    "other objects": '{"a": 1} ',
    "names": '"criteria_met": ',
    "lines": "a line of words\n",
    "fences": "```\n",
    "tags": "<think></think>",
    "mentions": "the criterion is met. ",
    "levels": "it is level 1 or 2, ",
    "named levels": '"level": 1, ',
    "numbers": "1-",
    "levels in a list": "levels 0" + ", 1" * 40 + " ",
    "texts": "Names the dose and the interval, ",
    "entries": '{"verdicts": [{"index": 1, "criteria_met": true}, ',
}


@pytest.mark.parametrize("name", GROWING)
def test_the_work_grows_with_the_length_and_not_with_its_square(name):
    def n_steps(text: str) -> int:
        """Count the calls, Python's and C's, and the lines that are run."""
        n = 0

        def count(frame, event, argument):
            nonlocal n
            n += 1
            return count

        before = sys.gettrace(), sys.getprofile()
        sys.settrace(count)
        sys.setprofile(lambda *_: count(*_) and None)
        try:
            parse_verdict(text)
            parse_group(text, 3)
            parse_rating(text)
            parse_verdict(text, MORE)
            parse_group(text, [MORE, MORE])
            MORE.chosen(text)
        finally:
            sys.settrace(before[0])
            sys.setprofile(before[1])
        return n

    piece = GROWING[name]
    short, long = n_steps(piece * 400), n_steps(piece * 1_600)
    assert long <= 4.4 * short + 400


@given(st.text(), st.booleans())
def test_any_explanation_survives(words, met):
    parsed = parse_verdict(json.dumps({"explanation": words, "criteria_met": met}))
    assert (parsed.met, parsed.explanation) == (met, words)


@given(st.text(max_size=200))
def test_no_text_raises(text):
    parse_verdict(text)
    parse_verdict(text, strict=True)
    parse_group(text, 3)
    parse_rating(text)


def group(*items: tuple[object, object]) -> str:
    return json.dumps({"verdicts": [{"index": i, "criteria_met": m} for i, m in items]})


@pytest.mark.parametrize(
    ("reply", "met"),
    [
        (group((1, True), (2, False), (3, True)), [True, False, True]),
        (group((3, True), (1, False), (2, True)), [False, True, True]),
        (group((1, True), (3, True)), [True, None, True]),
        (group((1, True), (2, True), (2, True), (3, False)), [True, True, False]),
        (group((1, True), (2, True), (2, False), (3, False)), [True, None, False]),
        # one of the two may be meant for item 3
        (group((1, True), (2, True), (2, True)), [True, None, None]),
        # counted from 0: item 1's verdict would be taken for item 2's
        (group((0, True), (1, False), (2, True)), [None, None, None]),
        (group((1, True), (2, True), (3, True), (4, True)), [None, None, None]),
        (group((None, True), (2, True), (3, True)), [None, None, None]),
        (group(("1", "true"), (2.0, False), (3, "maybe")), [True, False, None]),
        ("```json\n" + group((1, True), (2, False), (3, True)) + "\n```", [True, False, True]),
        (json.dumps([{"index": n, "criteria_met": True} for n in (1, 2, 3)]), [True] * 3),
        ('{"verdicts": [{"index": 1, "criteria_met": true}, {"ind', [True, None, None]),
        ('{"verdicts": [true, false, true]}', [None, None, None]),
        (EXACT, [None, None, None]),
        ("nothing", [None, None, None]),
    ],
)
def test_group_verdicts_are_aligned_by_index_and_never_shifted(reply, met):
    assert [parsed.met for parsed in parse_group(reply, 3)] == met


@given(st.permutations(range(1, 7)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_order_of_a_groups_reply_changes_nothing(order, met):
    reply = group(*((index, met[index - 1]) for index in order))
    assert [parsed.met for parsed in parse_group(reply, 6)] == met


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ('{"explanation": "x", "rating": 7}', 7),
        ('{"rating": "7"}', 7),
        ('{"rating": 7.0}', 7),
        ('{"rating": 7.5}', None),
        ('{"rating": 0}', None),
        ('{"rating": 11}', None),
        ('{"rating": true}', None),
        ('{"rating": 7} {"rating": 8}', None),
        ("7", None),
        ("", None),
    ],
)
def test_ratings_are_whole_numbers_from_1_to_10(reply, rating):
    assert parse_rating(reply)[0] == rating


def test_an_inner_value_that_is_no_truth_leaves_the_verdict_beside_it() -> None:
    """A schema that is echoed beside the verdict, alone and in a group."""
    schema = '"properties": {"criteria_met": {"type": "boolean"}}'
    assert parse_verdict(f'{{{schema}, "criteria_met": true}}').met is True
    [one] = parse_group(f'[{{"index": 1, {schema}, "criteria_met": false}}]', 1)
    assert one.met is False


@pytest.mark.parametrize("said", [True, False])
def test_a_last_line_is_read_of_a_criterion_that_may_not_apply_too(said: bool) -> None:
    reply = f"The dose is named.\n\ncriteria_met: {str(said).lower()}"
    assert parse_verdict(reply).met is said
    assert parse_verdict(reply, AllowedReply(may_be_na=True)).met is said
    assert not parse_verdict(reply, AllowedReply(("none", "some"))).has_verdict
    assert parse_verdict("So:\nnot_applicable: true", AllowedReply(may_be_na=True)).is_na
