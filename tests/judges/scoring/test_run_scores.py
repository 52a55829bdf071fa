"""The scores against the method sheet's vectors, hand-worked numbers, and the laws they keep."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import (
    Items,
    ScoredTable,
    item_scores,
    score_items,
    worst_at_k,
)
from rubricbeat.judges.scoring.run_scores import length_penalty_of, summarise
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Outcome, Verdict

pytestmark = pytest.mark.border

MISSING = Verdict(Outcome.TRANSPORT)
DESIRABLE, UNDESIRABLE = Polarity.DESIRABLE, Polarity.UNDESIRABLE

# points, verdicts, s, rho, perfect, h: method sheet, section 3
GOLDEN = [
    ([5, 5, 3, 1, -2], [1, 1, 1, 1, 0], 1.0, 0.0, 1, 1.0),
    ([5, 5, 3, 1, -2], [1, 1, 1, 1, 1], 1.0, 1.0, 0, 0.8571),
    ([5, 5, 3, 1, -2], [1, 0, 1, 0, 0], 0.5714, 0.0, 0, 0.5714),
    ([5, 5, 3, 1, -2], [0, 0, 0, 0, 1], 0.0, 1.0, 0, -0.1429),
    ([5, 5, 3, 1, -2], [0, 0, 0, 0, 0], 0.0, 0.0, 0, 0.0),
    ([5] * 18, [1] * 17 + [0], 0.9444, 0.0, 0, 0.9444),
    ([5] * 5, [1] * 5, 1.0, 0.0, 1, 1.0),
    ([5] * 5, [1, 1, 1, 1, 0], 0.8, 0.0, 0, 0.8),
]


def criterion(
    points: float, *tags: str, polarity: Polarity | None = None, text: str = "says so"
) -> Criterion:
    by_sign = DESIRABLE if points > 0 else UNDESIRABLE
    return Criterion(text, points, polarity or by_sign, tags)


def answer(
    points: Sequence[float | Criterion],
    verdicts: Sequence[int | None],
    *,
    prompt_id: str = "a",
    tags: tuple[str, ...] = (),
    text: str = "x" * 2_000,
    repeat: int = 0,
) -> GradedAnswer:
    criteria = tuple(p if isinstance(p, Criterion) else criterion(p) for p in points)
    example = Example(prompt_id, (Message("user", "?"),), Rubric(criteria), tags)
    judged = tuple(MISSING if v is None else Verdict.of(bool(v)) for v in verdicts)
    return GradedAnswer(example, text, judged, repeat)


def items(*answers: GradedAnswer) -> Items:
    return ScoredTable.of(answers).items


@pytest.mark.parametrize(("points", "verdicts", "s", "rho", "perfect", "h"), GOLDEN)
def test_golden_vectors_hold(
    points: list[float], verdicts: list[int], s: float, rho: float, perfect: int, h: float
) -> None:
    [graded] = [items(answer(points, verdicts))]
    assert graded.positive_share[0] == pytest.approx(s, abs=5e-5)
    assert graded.negative_share[0] == pytest.approx(rho, abs=5e-5)
    assert graded.passes["pass_strict"][0] == perfect
    assert graded.h[0] == pytest.approx(h, abs=5e-5)


def test_rubrics_of_different_length_score_as_if_alone() -> None:
    together = items(*(answer(p, v, prompt_id=str(i)) for i, (p, v, *_) in enumerate(GOLDEN)))
    assert together.h == pytest.approx([h for *_, h in GOLDEN], abs=5e-5)


def test_mean_is_clipped_and_items_are_not() -> None:
    # h = -1, -1 and 1: the mean is -1/3, so 0; clipped items would give 1/3
    run = [
        answer([1, -1], [0, 1], prompt_id="a"),
        answer([1, -1], [0, 1], prompt_id="b"),
        answer([1, -1], [1, 0], prompt_id="c"),
    ]
    metrics = summarise(run).metrics
    assert metrics["score"] == 0
    assert metrics["score_unclipped"] == pytest.approx(-1 / 3)
    assert metrics["interval"] is None, "three prompts say nothing of others"
    many = [
        answer([1, -1], [0, 1] if n % 3 else [1, 0], prompt_id=f"{n}{a.prompt_id}")
        for n, a in enumerate(a.example for a in run * 4)
    ]
    # four of twelve at 1, the rest at -1: mean -1/3, sd sqrt(12/11 * 8/9) = .98473, t(11) =
    # 2.200985: -.9590 to .2923, and the ends are clipped as the mean is
    assert summarise(many).metrics["interval"] == pytest.approx([0.0, 0.2923], abs=1e-4)


def test_polarity_and_not_sign_says_when_points_count() -> None:
    avoidance = criterion(-2, polarity=DESIRABLE)
    assert items(answer([4, avoidance], [1, 1])).h[0] == 1
    assert items(answer([4, avoidance], [1, 0])).h[0] == 0.5
    fault = criterion(2, polarity=UNDESIRABLE)
    assert items(answer([2, fault], [1, 0])).h[0] == 1
    assert items(answer([2, fault], [1, 1])).h[0] == 0.5


def test_rubric_without_positive_points_has_no_score() -> None:
    graded = items(answer([-1, -2], [0, 0]))
    assert math.isnan(graded.h[0])
    assert math.isnan(graded.passes["pass_hb50"][0])
    assert summarise([answer([-1, -2], [0, 0])]).metrics["score"] is None


class TestMissingVerdicts:
    def test_item_is_scored_over_its_answered_criteria(self) -> None:
        # 9 of 10 points answered, 6 of them met
        graded = items(answer([6, 3, 1], [1, 0, None]))
        assert graded.h[0] == pytest.approx(6 / 9)
        assert graded.missing_share[0] == pytest.approx(0.1)

    def test_bounds_are_what_the_missing_verdicts_could_give(self) -> None:
        graded = items(answer([6, 3, 1, -2], [1, 0, None, None]))
        assert graded.low[0] == pytest.approx((6 - 2) / 10)
        assert graded.high[0] == pytest.approx((6 + 1) / 10)

    def test_exactly_a_fifth_missing_is_scored_and_more_is_not(self) -> None:
        assert items(answer([3, 1, 1], [1, 1, None])).h[0] == 1
        assert items(answer([0.7, 0.1, 0.2], [1, 1, None])).h[0] == 1
        assert math.isnan(items(answer([2.9, 1, 1], [1, 1, None])).h[0])

    def test_nothing_missing_is_zero_exactly_whatever_the_points(self) -> None:
        graded = items(answer([0.1, 0.2, 0.7, -0.3], [1, 0, 1, 0]))
        assert graded.missing_share[0] == 0
        assert graded.low[0] == graded.high[0]

    def test_negative_points_count_in_the_missing_share(self) -> None:
        assert math.isnan(items(answer([5, -5], [1, None])).h[0])

    def test_failed_verdict_on_a_negative_is_not_favourable(self) -> None:
        graded = items(answer([8, -1, -1], [1, None, None]))
        assert math.isnan(graded.passes["pass_strict"][0])
        assert math.isnan(graded.negative_share[0])
        assert graded.low[0] == pytest.approx(6 / 8)
        assert graded.high[0] == 1

    def test_lost_pitfall_is_not_an_avoided_one(self) -> None:
        # 2 of 17 points missing: 1.0 if the only pitfall were taken for avoided
        graded = items(answer([5, 5, 5, -2], [1, 1, 1, None]))
        assert math.isnan(graded.h[0])
        assert (graded.low[0], graded.high[0]) == (pytest.approx(13 / 15), 1)
        metrics = summarise([answer([5, 5, 5, -2], [1, 1, 1, None])]).metrics
        assert (metrics["score"], metrics["n_scored"], metrics["n_asked"]) == (None, 0, 1)
        # of three, the answered ones speak for the lost one: 1 of 2 points triggered, of 3 / 20
        graded = items(answer([10, 10, -1, -1, -1], [1, 1, 1, 0, None]))
        assert graded.h[0] == pytest.approx(1 - 0.5 * 3 / 20)

    def test_known_fault_fails_whatever_is_missing(self) -> None:
        assert items(answer([4, 4, -1], [1, 0, None])).passes["pass_strict"][0] == 0

    def test_invalid_items_are_left_out_and_counted(self) -> None:
        run = [
            answer([1], [1], prompt_id="a"),
            answer([1], [0], prompt_id="b"),
            answer([1, 3], [1, None], prompt_id="c"),
        ]
        summary = summarise(run)
        metrics = summary.metrics
        assert metrics["score"] == 0.5
        assert (metrics["n_scored"], metrics["n_asked"]) == (2, 3)
        assert metrics["missing_points"] == pytest.approx(3 / 6)
        # the invalid item stands in the bounds: 1/4 if its missing verdict is no, else 1
        assert metrics["score_low"] == pytest.approx((1 + 0 + 0.25) / 3)
        assert metrics["score_high"] == pytest.approx((1 + 0 + 1) / 3)
        assert summary.missing_by_reason == {"transport": 1}

    def test_run_without_any_verdict_has_no_score_and_widest_bounds(self) -> None:
        metrics = summarise([answer([4, -2], [None, None])]).metrics
        for name in ("score", "score_stderr", "interval", "pass_hb50", "f1_compat"):
            assert metrics[name] is None
        assert (metrics["score_low"], metrics["score_high"]) == (0, 1)
        assert (metrics["n_scored"], metrics["missing_points"]) == (0, 1)


class TestPassRules:
    def test_three_rules_say_three_things_of_one_answer(self) -> None:
        # sum p v = 4 of P = 10, N = 10: range (4 + 10) / 20 = .7 passes, h = .4 does not
        graded = items(answer([4, 6, -10], [1, 0, 0]))
        passes = {name: values[0] for name, values in graded.passes.items()}
        assert passes == {"pass_range50": 1, "pass_hb50": 0, "pass_strict": 0}

    def test_range_rule_needs_more_than_half_and_score_rule_half(self) -> None:
        graded = items(answer([5, 5], [1, 0]))
        assert graded.passes["pass_range50"][0] == 0
        assert graded.passes["pass_hb50"][0] == 1

    def test_constant_answer_passes_the_papers_rule_with_no_point_earned(self) -> None:
        # N > P and nothing true of the answer: (0 + 10) / 14 > .5
        graded = items(answer([4, -10], [0, 0]))
        assert graded.passes["pass_range50"][0] == 1
        assert graded.h[0] == 0

    def test_f1_compat_is_the_papers_transform_of_the_range_rule(self) -> None:
        run = [answer([1], [i < 3], prompt_id=str(i)) for i in range(4)]
        metrics = summarise(run).metrics
        assert metrics["pass_range50"] == 0.75
        assert metrics["f1_compat"] == pytest.approx(1.5 / 1.75)

    def test_nothing_passed_gives_f1_of_zero(self) -> None:
        assert summarise([answer([1], [0])]).metrics["f1_compat"] == 0

    def test_shares_carry_wilsons_interval(self) -> None:
        # 15 of 20: the textbook's (0.5313, 0.8881)
        run = [answer([1], [i < 15], prompt_id=str(i)) for i in range(20)]
        interval = summarise(run).metrics["pass_strict_interval"]
        assert interval == pytest.approx([0.5313, 0.8881], abs=5e-5)


class TestTags:
    def test_example_tag_holds_its_examples_scores(self) -> None:
        run = [
            answer([2], [1], prompt_id="a", tags=("theme:x",)),
            answer([2, 2], [1, 0], prompt_id="b", tags=("theme:x", "theme:y")),
            answer([2], [0], prompt_id="c"),
        ]
        tags = summarise(run).tags
        assert tags["theme:x"].score == 0.75
        assert tags["theme:x"].n == 2
        assert tags["theme:y"].score == 0.5
        assert tags["theme:y"].interval is None, "one prompt has no error bar"

    def test_criterion_tag_is_the_same_formula_on_its_criteria(self) -> None:
        run = [answer([criterion(4, "axis:a"), criterion(-1, "axis:a"), 5], [1, 1, 0])]
        assert summarise(run).tags["axis:a"].score == pytest.approx(3 / 4)

    def test_criterion_tag_without_a_positive_point_is_left_out(self) -> None:
        run = [answer([4, criterion(-1, "axis:a")], [1, 1])]
        assert "axis:a" not in summarise(run).tags

    def test_tag_written_twice_counts_once(self) -> None:
        twice = answer([criterion(4, "axis:a", "axis:a"), criterion(4, "axis:a")], [1, 0])
        assert summarise([twice]).tags["axis:a"].score == 0.5

    def test_tag_mean_is_clipped(self) -> None:
        run = [answer([9, criterion(1, "axis:a"), criterion(-5, "axis:a")], [1, 0, 1])]
        assert summarise(run).tags["axis:a"].score == 0

    def test_tag_with_its_points_missing_has_no_score_for_the_item(self) -> None:
        run = [answer([9, criterion(1, "axis:a")], [1, None])]
        assert summarise(run).metrics["score"] == 1
        assert "axis:a" not in summarise(run).tags

    def test_rows_without_any_tag_are_scored(self) -> None:
        summary = summarise([answer([1], [1])])
        assert summary.tags == {}


class TestRepeats:
    def test_worst_at_k_is_the_expected_worst_of_k(self) -> None:
        # h = 0, .5, 1: W1 = .5; pairs have worst 0, 0, .5, so W2 = 1/6; W3 = 0
        run = [answer([2, 2], v, repeat=i) for i, v in enumerate([(1, 0), (1, 1), (0, 0)])]
        table = VerdictTable.of(run)
        worst = worst_at_k(score_items(table).h, table.prompt_N)
        assert worst == pytest.approx({1: 0.5, 2: 1 / 6, 3: 0})

    def test_worst_at_k_is_the_mean_worst_over_all_choices_of_k(self) -> None:
        by_prompt = {"a": [0.1, 0.9, 0.4, 0.4], "b": [1.0, 0.0, 0.7]}
        run = [
            answer([1], [1], prompt_id=name, repeat=repeat)
            for name, scores in by_prompt.items()
            for repeat in range(len(scores))
        ]
        table = VerdictTable.of(run)
        scores_N = np.array([h for scores in by_prompt.values() for h in scores])
        for k, worst in worst_at_k(scores_N, table.prompt_N).items():
            expected = [
                np.mean([min(chosen) for chosen in itertools.combinations(scores, k)])
                for scores in by_prompt.values()
                if len(scores) >= k
            ]
            assert worst == pytest.approx(np.mean(expected)), k

    @pytest.mark.parametrize("n", [2, 3, 30, 300])
    def test_worst_at_k_is_the_formula_at_every_size(self, n: int) -> None:
        h_N = np.sort(np.random.default_rng(n).uniform(0, 1, n))
        found = worst_at_k(h_N, np.zeros(n, dtype=np.intp))
        assert list(found) == list(range(1, min(n, 256) + 1))
        for k, worst in found.items():
            exact = sum(
                h * math.comb(n - i, k - 1) / math.comb(n, k) for i, h in enumerate(h_N, start=1)
            )
            assert worst == pytest.approx(exact, rel=0, abs=1e-12)

    def test_no_repeats_give_no_worst_at_k(self) -> None:
        assert summarise([answer([1], [1])]).worst_at_k == {}

    def test_copied_answers_do_not_shrink_the_error(self) -> None:
        once = [answer([1], [i % 2], prompt_id=str(i)) for i in range(20)]
        thrice = [
            answer([1], [i % 2], prompt_id=str(i), repeat=r) for i in range(20) for r in range(3)
        ]
        one, three = summarise(once).metrics, summarise(thrice).metrics
        assert one["score_stderr"] == pytest.approx(three["score_stderr"])
        # sixty answers that are twenty: known as well as twenty, and no better
        assert three["interval"][0] <= one["interval"][0]  # type: ignore[index]
        assert three["interval"][1] >= one["interval"][1]  # type: ignore[index]
        assert (three["n_asked"], three["n_prompts"]) == (60, 20)

    def test_single_answers_have_the_usual_standard_error(self) -> None:
        # 1, 0, 0, 0: sd = .5, so .5 / sqrt(4)
        run = [answer([1], [i == 0], prompt_id=str(i)) for i in range(4)]
        assert summarise(run).metrics["score_stderr"] == pytest.approx(0.25)


class TestLength:
    def test_length_moves_the_adjusted_score_and_not_the_score(self) -> None:
        # 3,000 characters: two units of 500 beyond 2,000
        run = [answer([2, 2], [1, 0], text="y" * 3_000)]
        metrics = summarise(run, length_penalty=0.0299).metrics
        assert metrics["score"] == 0.5
        assert metrics["score_length_adjusted"] == pytest.approx(0.5 - 2 * 0.0299)

    def test_reasoning_does_not_count_as_length(self) -> None:
        long = "<think>" + "y" * 9_000 + "</think>" + "x" * 2_000
        metrics = summarise([answer([2, 2], [1, 0], text=long)]).metrics
        assert metrics["score_length_adjusted"] == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("task", "penalty"),
        [
            ("healthbench", 0.0299),
            ("healthbench_heart", 0.0299),
            ("healthbench_hard", 0.0392),
            ("healthbench_consensus", 0.0020),
            ("healthbench_professional", 0.0147),
        ],
    )
    def test_each_set_has_its_penalty(self, task: str, penalty: float) -> None:
        assert length_penalty_of(task) == penalty


class TestBootstrap:
    def test_the_seed_is_of_the_draws_alone(self) -> None:
        run = [answer([3, 4], [i % 2, i % 3 == 0], prompt_id=str(i)) for i in range(40)]
        assert summarise(run, seed=1) == summarise(run, seed=1)
        one, two = summarise(run, seed=1).metrics, summarise(run, seed=2).metrics
        assert {name for name in one if one[name] != two[name]} == {"bootstrap_std"}

    def test_constant_scores_have_no_interval_instead_of_one_of_no_width(self) -> None:
        run = [answer([3, 4, 3], [1, 0, 0], prompt_id=str(i)) for i in range(40)]
        metrics = summarise(run).metrics
        assert (metrics["score"], metrics["interval"]) == (0.3, None)
        assert metrics["bootstrap_std"] == pytest.approx(0, abs=1e-15)

    def test_spread_of_the_draws_is_near_the_standard_error(self) -> None:
        run = [answer([1], [i % 2], prompt_id=str(i)) for i in range(100)]
        # .5 / sqrt(100) exactly for resampling; 10,000 draws leave less than 3 % of noise
        assert summarise(run).metrics["bootstrap_std"] == pytest.approx(0.05, rel=0.03)


def test_no_answers_give_no_numbers_instead_of_zeros() -> None:
    metrics = summarise([]).metrics
    assert metrics["score"] is None
    assert metrics["score_low"] is None
    assert metrics["n_asked"] == 0


def test_json_holds_null_and_never_nan() -> None:
    text = json.dumps(summarise([answer([-1], [0])]).to_json(), allow_nan=False)
    assert json.loads(text)["score"] is None


points_strategy = st.lists(
    st.sampled_from([-9.0, -5.0, -1.0, 1.0, 2.5, 7.0]), min_size=1, max_size=6
).filter(lambda points: any(p > 0 for p in points))


@st.composite
def runs(draw: st.DrawFn) -> list[GradedAnswer]:
    graded = []
    for index in range(draw(st.integers(1, 5))):
        points = draw(points_strategy)
        tags = st.lists(st.sampled_from(["axis:a", "axis:b", "level:c"]), max_size=3)
        criteria = [criterion(p, *draw(tags), text=draw(st.sampled_from("st"))) for p in points]
        verdicts = draw(
            st.lists(st.sampled_from([0, 1, 1, None]), min_size=len(points), max_size=len(points))
        )
        example_tags = tuple(draw(st.lists(st.sampled_from(["theme:x", "theme:y"]), unique=True)))
        graded.append(answer(criteria, verdicts, prompt_id=str(index), tags=example_tags))
    return graded


def same(one: object, other: object) -> None:
    assert json.loads(json.dumps(one)) == pytest.approx(json.loads(json.dumps(other)), abs=1e-9)


def numbers_of(run: list[GradedAnswer]) -> dict[str, object]:
    """Give a summary as flat numbers, so that approx can compare them."""
    plain = summarise(run, n_draws=50).to_json()
    flat = {k: v for k, v in plain.items() if isinstance(v, int | float)}
    for name, tag in plain["tags"].items():
        flat |= {f"{name}.{key}": v for key, v in tag.items() if isinstance(v, int | float)}
    return flat


@settings(max_examples=40, deadline=None)
@given(runs(), st.randoms(use_true_random=False))
def test_order_of_criteria_tags_and_answers_changes_nothing(
    run: list[GradedAnswer], rng: random.Random
) -> None:
    shuffled = [shuffle_answer(graded, rng) for graded in run]
    same(numbers_of(run), numbers_of(shuffled))
    by_prompt = {g.example.prompt_id: h for g, h in zip(run, item_scores(run), strict=True)}
    rng.shuffle(shuffled)
    for graded, h in zip(shuffled, item_scores(shuffled), strict=True):
        assert h == pytest.approx(by_prompt[graded.example.prompt_id], abs=1e-9, nan_ok=True)


def shuffle_answer(graded: GradedAnswer, rng: random.Random) -> GradedAnswer:
    example = graded.example
    order = list(range(len(example.rubric)))
    rng.shuffle(order)

    def shuffled_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(rng.sample(tags, len(tags)))

    criteria = tuple(
        Criterion(c.text, c.points, c.polarity, shuffled_tags(c.tags))
        for c in (example.rubric.criteria[i] for i in order)
    )
    moved = Example(
        example.prompt_id, example.prompt, Rubric(criteria), shuffled_tags(example.tags)
    )
    return GradedAnswer(moved, graded.answer, tuple(graded.verdicts[i] for i in order))


@settings(max_examples=40, deadline=None)
@given(runs())
def test_repeated_criterion_texts_count_as_often_as_they_stand(run: list[GradedAnswer]) -> None:
    apart = [
        GradedAnswer(
            Example(
                g.example.prompt_id,
                g.example.prompt,
                Rubric(
                    tuple(
                        Criterion(f"{c.text} {i}", c.points, c.polarity, c.tags)
                        for i, c in enumerate(g.example.rubric.criteria)
                    )
                ),
                g.example.tags,
            ),
            g.answer,
            g.verdicts,
        )
        for g in run
    ]
    same(numbers_of(run), numbers_of(apart))


@settings(max_examples=60, deadline=None)
@given(points_strategy, st.data())
def test_item_score_of_whole_verdicts_is_its_own_bounds(
    points: list[float], data: st.DataObject
) -> None:
    verdicts = [data.draw(st.integers(0, 1)) for _ in points]
    graded = items(answer(points, verdicts))
    assert graded.low[0] == pytest.approx(graded.h[0])
    assert graded.high[0] == pytest.approx(graded.h[0])


@settings(max_examples=60, deadline=None)
@given(points_strategy, st.data())
def test_bounds_hold_whatever_the_missing_verdicts_turn_out(
    points: list[float], data: st.DataObject
) -> None:
    final = [data.draw(st.integers(0, 1)) for _ in points]
    known = [v if data.draw(st.booleans()) else None for v in final]
    graded, truth = items(answer(points, known)), items(answer(points, final))
    assert graded.low[0] - 1e-9 <= truth.h[0] <= graded.high[0] + 1e-9


@settings(max_examples=100, deadline=None)
@given(points_strategy, st.data())
def test_score_and_reward_are_one_number_within_its_bounds(
    points: list[float], data: st.DataObject
) -> None:
    known = [data.draw(st.sampled_from([0, 1, 1, 0, None])) for _ in points]
    one = answer(points, known)
    table = VerdictTable.of([one])
    graded = score_items(table)
    reward = get_reward("healthbench")(table.verdicts_NC, table.rubrics)
    assert graded.h == pytest.approx(reward, nan_ok=True, abs=0)
    if not math.isnan(graded.h[0]):
        assert graded.low[0] - 1e-9 <= graded.h[0] <= graded.high[0] + 1e-9


@settings(max_examples=60, deadline=None)
@given(points_strategy, st.data())
def test_one_more_point_earned_never_lowers_the_score(
    points: list[float], data: st.DataObject
) -> None:
    verdicts = [data.draw(st.integers(0, 1)) for _ in points]
    index = data.draw(st.integers(0, len(points) - 1))
    better = list(verdicts)
    better[index] = int(points[index] > 0)
    one, other = items(answer(points, verdicts)), items(answer(points, better))
    assert other.h[0] >= one.h[0]
    assert np.all(other.passes["pass_range50"] >= one.passes["pass_range50"])


def test_every_metric_is_explained_in_the_documentation(root: Path) -> None:
    text = (root / "docs" / "results.md").read_text(encoding="utf-8")
    run = [answer([1], [1], prompt_id=p, repeat=r) for p in "ab" for r in range(2)]
    settings_of_the_call = {"seed", "n_draws"}
    for name in set(summarise(run).to_json()) - settings_of_the_call:
        rule = name.removesuffix("_interval")
        is_rule_interval = name != rule and rule.startswith("pass_")
        assert f"`{name}`" in text or is_rule_interval, name
