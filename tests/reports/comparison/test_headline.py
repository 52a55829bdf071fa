from __future__ import annotations

import pytest
from report_kit import example, graded, run

from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.headline import leading_pair

pytestmark = pytest.mark.border

POINTS = (5, 3, -2)
# scores over P = 8: "110" 1, "100" 5/8, "000" 0, "001" -2/8, "111" 6/8


def three_prompts(verdicts):
    return [graded(v, example(f"p{n}", POINTS)) for n, v in enumerate(verdicts)]


def compare(*runs, **options):
    return compare_runs(list(runs), n_draws=300, **options)


def test_a_single_run_has_a_headline_and_no_pairs():
    comparison = compare(run("a", three_prompts(["110", "100", "000"] * 4)))
    assert comparison.pairs == ()
    assert comparison.headline.text.startswith("a scores 0.542 [")
    few = compare(run("a", three_prompts(["110", "100", "000"])))
    assert few.headline.text == "a scores 0.542 (n < 10: no interval)"


def test_headlines_say_what_is_shown_and_what_is_not():
    clear = compare(
        run("a", three_prompts(["110"] * 20)), run("b", three_prompts(["100", "000"] * 10))
    )
    assert clear.headline.text.startswith("a scores 0.688 higher than b [+0.")
    same = compare(
        run("a", three_prompts(["110", "000"] * 10)), run("b", three_prompts(["000", "110"] * 10))
    )
    assert same.headline.text.startswith("No significant difference between a and b: a minus b 0")
    few = compare(run("a", three_prompts(["110"] * 2)), run("b", three_prompts(["100"] * 2)))
    assert "shared prompts; a minus b is +0.375 here." in few.headline.detail
    assert "is detected with 80\N{NO-BREAK SPACE}% power" in same.headline.detail


def test_bounds_that_do_not_hold_the_score_say_which_answers_they_are_of():
    # .2 of one answer; the other earns .6 and may earn 1, and lacks too much for a score
    fewer = compare(run("a", [graded("10000"), graded("111uu", repeat=1)]))
    assert fewer.results[0].score == pytest.approx(0.2)
    assert fewer.headline.detail.endswith(
        "If all verdicts were known, the mean of all 2 answers would be between 0.400 and 0.600; "
        "the score covers the 1 answers with enough verdicts."
    )
    # 4 of 5 points answered, 2 earned: .5 shown, .4 to .6 possible
    whole = compare(run("a", [graded("1100u")]))
    known = "If the missing verdicts were known, the score would be between 0.400 and 0.600."
    assert known in whole.headline.detail


def test_a_clipped_score_is_explained_where_it_would_mislead():
    # b scores -2/8 everywhere: its score is clipped to 0, and the difference is not
    a = run("a", three_prompts(["110", "110", "100"] * 4))
    low = compare(a, run("b", three_prompts(["001"] * 12)))
    assert low.headline.text.startswith("a scores 1.12 higher than b")
    assert low.headline.detail.endswith(
        " a minus b is +0.875 by the scores as shown and +1.12 paired: b is "
        "\N{MINUS SIGN}0.250 before the score is clipped to 0."
    )
    assert low.results[1].score == 0.0
    assert low.results[1].unclipped == -0.25
    high = compare(a, run("b", three_prompts(["000"] * 12)))
    assert "as shown" not in high.headline.detail


def test_scores_over_other_prompts_or_uneven_repeats_are_told_from_the_difference():
    of = [example(f"p{n}", (5, 3)) for n in range(12)]
    b = run("b", [graded("00", one) for one in of])
    # eleven prompts at 1, one that b lacks at 0: 11/12 shown, 1 paired
    more = [*(graded("11", one) for one in of), graded("00", example("alone", (5, 3)))]
    unshared = compare(run("a", more), b)
    assert unshared.headline.detail.endswith(
        " a minus b is +0.923 by the scores as shown and +1.00 paired: each score covers "
        "all its prompts, the difference only the 12 shared ones."
    )
    # p0 is answered three times with 1, the others once with 0: 3/14 of the answers, 1/12 of the
    # prompts
    repeated = [graded("11", of[0], repeat=n) for n in range(3)]
    uneven = compare(run("a", [*repeated, *(graded("00", one) for one in of[1:])]), b)
    assert uneven.headline.detail.endswith(
        " a minus b is +0.214 by the scores as shown and +0.0833 paired: a score averages "
        "answers, the difference averages prompts."
    )


def test_of_several_models_the_leading_pair_is_told_with_its_sign():
    a, b, c = (
        run(name, three_prompts(said * 6))
        for name, said in zip("abc", (["110", "100"], ["100", "000"], ["000"]), strict=True)
    )
    comparison = compare(a, b, c)
    told = comparison.headline
    assert leading_pair(comparison.results, comparison.pairs) == comparison.pairs[0]
    assert leading_pair(comparison.results, ()) is None
    # a 1 and 5/8, b 5/8 and 0: .5 apart on average
    assert told.text.startswith("a scores highest: 0.812 [")
    assert told.detail.startswith("a minus b: +0.500 [+0.")
    assert ", paired over 12 prompts, statistically significant." in told.detail
    assert compare(a, b, c, baseline="a").headline.detail.startswith(
        "b minus a: \N{MINUS SIGN}0.500"
    )
    # neither the best nor the second is the baseline: there is one pair that has the best
    assert compare(a, b, c, baseline="c").headline.detail.startswith("a minus c: +0.812")


def test_without_an_interval_nothing_is_called_insignificant():
    # c is .25 above a on every prompt: all equal, so there is no test
    a, b, c = (
        run(name, three_prompts([said] * 12))
        for name, said in (("a", "001"), ("b", "001"), ("c", "000"))
    )
    told = compare(a, b, c).headline.detail
    assert told.startswith(
        "c minus a: +0.250 (all equal: no interval), paired over 12 prompts, not tested."
    )
    # too few to compare: the clipped score is explained all the same
    few = compare(run("a", three_prompts(["110"])), run("b", three_prompts(["001"])))
    assert "a minus b is +1.00 by the scores as shown and +1.25 paired" in few.headline.detail


def test_models_of_equal_score_share_the_first_place():
    two, three = ["110", "000"] * 10, ["000"] * 20
    runs = [run("a", three_prompts(two)), run("b", three_prompts(two[::-1]))]
    tied = compare(*runs, run("c", three_prompts(three)))
    assert tied.headline.text.startswith("a and b score highest: 0.500 [")
    assert "c" not in tied.headline.text.split(":")[0].split()
    more = compare(*runs, run("c", three_prompts(two)), run("d", three_prompts(three)))
    assert more.headline.text.startswith("a and 2 others score highest: 0.500 [")


def test_below_ten_prompts_no_model_is_called_the_highest():
    shares = {"a": "110", "b": "100", "c": "000"}
    few = [run(name, three_prompts([said] * 9)) for name, said in shares.items()]
    assert compare(*few).headline.text == "No model is called the highest"
    many = [run(name, three_prompts([said] * 10)) for name, said in (("a", "110"), ("b", "100"))]
    assert compare(*many, few[2]).headline.text.startswith("a scores highest: ")
