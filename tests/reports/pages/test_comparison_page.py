from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_kit import example, graded, run

from rubricbeat.judges.answer import Reading, solution_of
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.numbers import displayed
from rubricbeat.reports.pages.browser import browser_data
from rubricbeat.reports.pages.comparison_page import render_page

pytestmark = pytest.mark.border

POINTS = (5, 3, -2)


def comparison_of(*answers, n_draws=60, with_signal=False, **options):
    return compare_runs([run("m", answers, **options)], n_draws=n_draws, with_signal=with_signal)


def test_the_policy_names_our_script_and_style_by_their_hashes_alone():
    page = render_page(comparison_of(graded("110", example("p", POINTS))))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src &#39;none&#39;;")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy.replace("&#43;", "+")


def test_the_same_runs_give_the_same_bytes():
    made = comparison_of(graded("110", example("p", POINTS)), graded("010", example("q", POINTS)))
    assert render_page(made) == render_page(made)


def test_nothing_is_referred_to_outside_the_page():
    page = render_page(comparison_of(graded("110", example("p", POINTS))))
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page)
    assert "@import" not in page
    assert "url(" not in page


def test_an_unclipped_value_stands_beside_every_clipped_score():
    # -2/8 on every prompt, twice: the score, its theme, the worst of 1 and of 2, the stored check
    answers = [graded("001", example(f"p{n}", POINTS), repeat=k) for n in range(3) for k in (0, 1)]
    page = render_page(comparison_of(*answers))
    # in the summary for the score and the theme, beside the length-adjusted score
    assert page.count("\N{MINUS SIGN}0.250 unclipped") >= 7
    # 11 characters, with .0299 for each 500 below 2,000
    assert "\N{MINUS SIGN}0.131 unclipped" in page
    long = graded("110", example("p", POINTS), answer="x" * 2_000)
    assert "unclipped</span>" not in render_page(comparison_of(long))


def test_advice_on_training_stands_only_where_it_was_asked_for():
    answers = [
        graded(said, example(f"p{n}", POINTS), repeat=k)
        for n in range(4)
        for k, said in enumerate(("110", "100", "000"))
    ]
    plain = render_page(comparison_of(*answers))
    assert "groups" not in plain.partition("rubricbeat variance")[0]
    assert plain.count("rubricbeat variance") == 1
    asked = render_page(comparison_of(*answers, with_signal=True))
    assert 'id="signal-title"' in asked and "4 groups of answers" in asked


def test_a_page_without_examples_carries_no_text_of_answers():
    made = comparison_of(graded("110", example("p", POINTS), answer="secret words"))
    page = render_page(made, examples=False)
    assert 'id="index"' not in page
    assert 'href="#examples"' not in page
    assert "May I run with a cold?" not in page


def test_blocks_unpack_to_what_was_judged():
    made = comparison_of(
        graded("1u0", example("p", POINTS), answer="<think>no</think> yes", reasons=["a", "b", "c"])
    )
    data = browser_data(made)
    [row] = data.index["examples"]
    assert row["missing"] == [1]
    block, place = row["at"]
    packed = json.loads(gzip.decompress(base64.b64decode(data.blocks[block])))[place]
    [[answer]] = packed["answers"]
    assert answer["verdicts"] == "1u0"
    assert answer["reasons"] == ["a", "b", "c"]
    assert answer["judged"] == solution_of("<think>no</think> yes") == "yes"


def test_a_judge_that_read_the_reasoning_has_no_part_that_is_judged():
    one = graded("1", example("p", (5,)), answer="<think>no</think> yes")
    whole = replace(one, reading=Reading(include_reasoning=True))
    data = browser_data(compare_runs([run("m", [whole])], n_draws=50))
    [packed] = json.loads(gzip.decompress(base64.b64decode(data.blocks[0])))
    assert "judged" not in packed["answers"][0][0]


def test_verdicts_on_other_criteria_are_not_shown_beside_the_wrong_ones():
    runs = [
        run("a", [graded("110", example("p", POINTS))]),
        run("b", [graded("1", example("p", (5,)))]),
    ]
    data = browser_data(compare_runs(runs, allow_different=True, n_draws=50))
    [packed] = json.loads(gzip.decompress(base64.b64decode(data.blocks[0])))
    assert [answers[0].get("differs", False) for answers in packed["answers"]] in (
        [False, True],
        [True, False],
    )


def test_many_examples_are_spread_over_blocks():
    answers = [graded("1", example(f"p{n}", (5,)), answer="word " * 20_000) for n in range(12)]
    data = browser_data(comparison_of(*answers))
    assert len(data.blocks) > 2
    assert {row["at"][0] for row in data.index["examples"]} == set(range(len(data.blocks)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u2028b\u2029c\x85d\r\ne\rf", "a\nb\nc\nd\ne\nf"),
        ("\u202eabc\u202c", "[U+202E]abc[U+202C]"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("\x00\x1b[31m", "\ufffd\ufffd[31m"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\u0645\u200f \u5149 \U0001f600", "\u0645\u200f \u5149 \U0001f600"),
    ],
)
def test_text_is_tamed_and_kept_readable(text, shown):
    assert displayed(text) == shown


@given(st.text(alphabet=st.characters(codec=None)))
def test_whatever_is_displayed_can_be_written(text):
    out = displayed(text)
    out.encode("utf-8")
    assert "\x00" not in out
    assert displayed(out) == out


@given(st.text(alphabet="<>&\"'{}%/script\u2028\ud800\x00", max_size=40))
def test_any_name_leaves_the_page_whole(text):
    page = render_page(
        comparison_of(graded("1", example("p", (5,))), n_draws=0, label=text), command=text
    )
    assert page.count("<script") == page.count("</script>") == 3
    assert page.count("<style>") == 1
    page.encode("utf-8")
