"""Rewards against the method sheet's golden vectors, and the laws every reward keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.judges.errors import ConfigError, DataError, UnknownNameError
from rubricbeat.judges.registry import REWARDS
from rubricbeat.judges.rewards import (
    FunctionReward,
    Needs,
    Reward,
    evaluate,
    get_reward,
    parse_rewards,
    register_reward,
    reward_names,
)
from rubricbeat.judges.rubric import CATEGORIES
from rubricbeat.judges.scoring.points import shares_of
from rubricbeat.judges.scoring.rubric_arrays import Floats, RubricArrays

FIVE = [5.0, 5.0, 3.0, 1.0, -2.0]

# points, verdicts, s, rho, binary, hybrid, complexity, rar_explicit, h: method sheet, section 3
GOLDEN = [
    (FIVE, [1, 1, 1, 1, 0], 1.0, 0.0, 20.0, 20.0, 22.1998, 1.0, 1.0),
    (FIVE, [1, 1, 1, 1, 1], 1.0, 1.0, 0.0, 10.5, 9.6630, 0.7692, 0.8571),
    (FIVE, [1, 0, 1, 0, 0], 0.5714, 0.0, 0.0, 8.5714, 11.3423, 0.6667, 0.5714),
    (FIVE, [0, 0, 0, 0, 1], 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -0.1429),
    (FIVE, [0, 0, 0, 0, 0], 0.0, 0.0, 0.0, 0.0, 0.0, 0.2308, 0.0),
    ([5.0] * 18, [1] * 17 + [0], 0.9444, 0.0, 0.0, 14.1667, 22.0495, 0.9444, 0.9444),
    ([5.0] * 5, [1] * 5, 1.0, 0.0, 20.0, 20.0, 22.1998, 1.0, 1.0),
    ([5.0] * 5, [1, 1, 1, 1, 0], 0.8, 0.0, 0.0, 12.0, 16.9846, 0.8, 0.8),
]

VERDICT_REWARDS = [
    "healthbench",
    "healthbench_clipped",
    "healthbench_uniform",
    "binary",
    "rar_explicit",
    "rar_points",
    "rar_uniform",
    "hybrid",
    "hybrid_unclipped",
    "hybrid_uniform",
    "complexity",
    "complexity_unclipped",
    "complexity_uniform",
    "clip(of=healthbench,low=-0.5)",
    "power(of=hybrid,exponent=2)",
    "bonus(of=healthbench,bonus=1)",
    "veto(of=hybrid,at_points=4)",
    "saturation(of=hybrid,level=10)",
]


def rubric_of(points: list[float], desirable: list[bool] | None = None) -> RubricArrays:
    array = np.array(points)
    polarity = array > 0 if desirable is None else np.array(desirable)
    return RubricArrays(array, polarity, np.full(array.shape, -1, np.int8))


def value(reward: Reward | str, points: list[float], verdicts: list[float]) -> float:
    found = get_reward(reward) if isinstance(reward, str) else reward
    return float(found(np.array(verdicts, dtype=float), rubric_of(points)))


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{len(row[0])}:{sum(row[1])}")
def test_rewards_equal_the_golden_vectors(row: tuple[list[float], list[float], float]) -> None:
    points, verdicts, *expected = row
    shares = shares_of(np.array(verdicts, dtype=float), rubric_of(points))
    names = ["binary", "hybrid", "complexity", "rar_explicit", "healthbench"]
    got = [float(shares.positive), float(shares.negative)]
    got += [value(name, points, verdicts) for name in names]
    assert got == pytest.approx(expected, abs=5e-5)


def test_clipped_healthbench_never_falls_below_zero() -> None:
    assert value("healthbench(clip=true)", FIVE, [0, 0, 0, 0, 1]) == 0.0
    assert value("healthbench_clipped", FIVE, [1, 0, 0, 0, 1]) == pytest.approx(3 / 14)


def test_unclipped_hybrid_keeps_a_pure_penalty_apart_from_nothing() -> None:
    assert value("hybrid_unclipped", FIVE, [0, 0, 0, 0, 1]) == -4.5
    assert value("hybrid_unclipped", FIVE, [0, 0, 0, 0, 0]) == 0.0
    # t = -0.5: 20 * -(0.5 ** 1.2) * (1 + 0.2 * ln 6 / ln 26)
    assert value("complexity_unclipped", FIVE, [0, 0, 0, 0, 1]) == pytest.approx(-9.6630, abs=5e-5)


def test_uniform_weights_count_criteria() -> None:
    # 2 of 4 positives met, the one negative triggered: (2 - 1) / 4
    assert value("healthbench_uniform", FIVE, [0, 0, 1, 1, 1]) == 0.25
    assert value("hybrid_uniform", FIVE, [0, 0, 1, 1, 0]) == 7.5
    assert value("rar_uniform", FIVE, [0, 0, 1, 1, 0]) == 0.6
    # |points|: 3 + 1 + 2 of 16
    assert value("rar_points", FIVE, [0, 0, 1, 1, 0]) == 0.375


def test_category_labels_win_over_the_points() -> None:
    codes = [CATEGORIES.index(name) for name in ("Optional", "Essential")]
    rubric = RubricArrays(np.array([5.0, 1.0]), np.array([True, True]), np.array(codes, np.int8))
    assert float(get_reward("rar_explicit")(np.array([1.0, 0.0]), rubric)) == pytest.approx(
        0.3 / 1.3
    )


def test_avoidance_wording_at_negative_points_is_good_when_true() -> None:
    """RaR-Science: "does not mention X" at -2, met: nothing is lost."""
    rubric = rubric_of([4.0, -2.0], desirable=[True, True])
    avoided, fell_for_it = np.array([1.0, 1.0]), np.array([1.0, 0.0])
    assert float(get_reward("healthbench")(avoided, rubric)) == 1.0
    assert float(get_reward("healthbench")(fell_for_it, rubric)) == 0.5
    assert float(get_reward("binary")(avoided, rubric)) == 20.0
    assert float(get_reward("rar_explicit")(avoided, rubric)) == 1.0
    assert float(get_reward("rar_explicit")(fell_for_it, rubric)) == pytest.approx(0.7 / 1.6)


def test_a_missing_verdict_is_left_out_of_both_sums() -> None:
    # 14 positive points, 1 missing (6 % of 16): 5 + 3 of 13 answered
    verdicts = [1, 0, 1, np.nan, 0]
    assert value("healthbench", FIVE, verdicts) == pytest.approx(8 / 13)
    assert value("hybrid", FIVE, verdicts) == pytest.approx(15 * 8 / 13)
    assert value("rar_explicit", FIVE, verdicts) == pytest.approx((1 + 0.7 + 0.9) / 3.6)


@pytest.mark.parametrize("name", VERDICT_REWARDS)
def test_more_than_a_fifth_missing_gives_none(name: str) -> None:
    assert np.isnan(value(name, FIVE, [np.nan, 1, 1, np.nan, 0]))
    assert np.isnan(value(name, FIVE, [np.nan] * 5))


def test_exactly_a_fifth_missing_still_counts() -> None:
    points = [0.1] * 10
    assert value("healthbench", points, [np.nan, np.nan] + [1.0] * 8) == pytest.approx(1.0)
    assert np.isnan(value("healthbench", points, [np.nan] * 3 + [1.0] * 7))


def test_a_lost_verdict_on_the_only_pitfall_is_not_taken_for_avoided() -> None:
    # 2 of 17 points missing, 12 %: few enough, and yet nothing is known of the pitfalls
    for name in VERDICT_REWARDS:
        if "uniform" not in name:  # there it is a fourth of the criteria
            assert np.isnan(value(name, [5.0, 5.0, 5.0, -2.0], [1, 1, 1, np.nan])), name
    assert np.isnan(value("healthbench", [5.0] * 4 + [-2.0], [1, 0, 1, 1, np.nan]))
    assert np.isnan(value("rar_points", [5.0, 5.0, 5.0, -0.5], [1, 1, 1, np.nan]))
    # nor is the only positive criterion taken for as well met as the pitfalls are avoided
    assert np.isnan(value("rar_points", [1.0, -5.0, -5.0], [np.nan, 0, 0]))
    # another criterion has already decided that the answer is not perfect
    assert value("binary", FIVE, [0, 1, 1, 1, np.nan]) == 0.0


def test_a_lost_pitfall_counts_as_the_answered_ones_do() -> None:
    # s = 1, one of two answered pitfalls triggered: rho = 2 / 4, h = 1 - .5 x 5 / 20 = .875; with
    # the lost one taken for avoided it was 1 - 2 / 20
    points, verdicts = [10.0, 10.0, -2.0, -2.0, -1.0], [1, 1, 1, 0, np.nan]
    assert value("healthbench", points, verdicts) == pytest.approx(0.875)
    # nothing is wrong so far, and the lost verdict could find it: perfect or not is not known
    assert np.isnan(value("binary", points, [1, 1, 0, 0, np.nan]))
    assert np.isnan(value("hybrid", points, [1, 1, 0, 0, np.nan]))
    assert value("healthbench", points, [1, 1, 0, 0, np.nan]) == pytest.approx(1.0)


def test_a_rubric_without_positive_points_has_no_healthbench_score() -> None:
    assert np.isnan(value("healthbench", [-3.0, -1.0], [0, 1]))
    assert value("hybrid", [-3.0, -1.0], [0, 0]) == 5.0
    assert value("rar_explicit", [-3.0, -1.0], [0, 1]) == 0.5


def test_padding_is_counted_by_no_reward() -> None:
    padded = rubric_of([*FIVE, 0.0, 0.0], desirable=[True] * 4 + [False, True, True])
    plain = rubric_of(FIVE)
    for name in VERDICT_REWARDS:
        reward = get_reward(name)
        got = reward(np.array([1, 0, 1, 1, 1, np.nan, np.nan]), padded)
        assert float(got) == float(reward(np.array([1.0, 0, 1, 1, 1]), plain)), name


def test_rewards_broadcast_over_prompts_and_groups() -> None:
    points_PC = np.array([[5.0, -2.0], [1.0, 3.0]])
    rubric_PC = RubricArrays(points_PC, points_PC > 0, np.full(points_PC.shape, -1, np.int8))
    verdicts_PGC = np.array([[[1.0, 0], [1, 1], [0, 1]], [[1, 0], [0, 1], [1, 1]]])
    got = get_reward("healthbench")(verdicts_PGC, rubric_PC.for_groups())
    assert got == pytest.approx(np.array([[1.0, 0.6, -0.4], [0.25, 0.75, 1.0]]))


def test_a_rating_is_another_judge_call() -> None:
    reward = get_reward("rar_implicit")
    assert reward.needs is Needs.RATING
    ratings = np.array([1.0, 7.0, np.nan])
    got = evaluate(reward, np.zeros((3, 5)), rubric_of(FIVE), ratings=ratings)
    assert got == pytest.approx([0.1, 0.7, np.nan], nan_ok=True)
    with pytest.raises(ConfigError, match="needs a rating"):
        evaluate(reward, np.zeros((3, 5)), rubric_of(FIVE))
    with pytest.raises(DataError, match="outside 1 to 10"):
        reward(np.array([0.0, 1.0]), rubric_of(FIVE))


class TestTerms:
    def test_clip_and_power_act_on_the_value(self) -> None:
        assert value("clip(of=hybrid_unclipped,low=0)", FIVE, [0, 0, 0, 0, 1]) == 0.0
        # h = -2/14 squared with its sign kept
        assert value("power(of=healthbench,exponent=2)", FIVE, [0, 0, 0, 0, 1]) == pytest.approx(
            -((1 / 7) ** 2)
        )

    def test_bonus_is_paid_for_a_perfect_answer_only(self) -> None:
        assert value("bonus(of=healthbench,bonus=3)", FIVE, [1, 1, 1, 1, 0]) == 4.0
        assert value("bonus(of=healthbench,bonus=3)", FIVE, [1, 1, 1, 0, 0]) == pytest.approx(
            13 / 14
        )

    def test_veto_replaces_and_never_raises(self) -> None:
        points = [5.0, -6.0, -1.0]
        assert value("veto(of=hybrid,at_points=5)", points, [1, 1, 0]) == 0.0
        assert value("veto(of=hybrid,at_points=5)", points, [1, 0, 1]) == pytest.approx(
            15 - 4.5 / 7
        )
        assert value("veto(of=healthbench,at_points=5)", points, [1, 1, 0]) == pytest.approx(-0.2)

    def test_veto_without_its_verdict_gives_none(self) -> None:
        points = [5.0] * 9 + [-5.0]
        assert np.isnan(value("veto(of=hybrid_unclipped)", points, [1.0] * 9 + [np.nan]))

    def test_saturation_bends_towards_its_level(self) -> None:
        # 10 tanh(15 / 10 * 0.8)
        assert value("saturation(of=hybrid,level=10)", [5.0] * 5, [1, 1, 1, 1, 0]) == pytest.approx(
            10 * np.tanh(1.2)
        )

    def test_length_costs_by_the_500_characters_beyond_the_free_ones(self) -> None:
        reward = get_reward("length(of=healthbench,per_500_chars=0.03)")
        verdicts = np.ones((3, 2))
        chars = np.array([1_000.0, 2_000.0, 4_500.0])
        got = evaluate(reward, verdicts, rubric_of([1.0, 2.0]), chars=chars)
        assert got == pytest.approx([1.0, 1.0, 0.85])
        with pytest.raises(ConfigError, match="length"):
            reward(verdicts, rubric_of([1.0, 2.0]))

    def test_soft_is_the_expected_reward_where_that_is_linear(self) -> None:
        reward = get_reward("soft(of=healthbench)")
        assert (reward.needs, reward.range) == (
            Needs.PROBABILITIES,
            get_reward("healthbench").range,
        )
        chances = np.array([0.9, 0.5, 0.2, 0.0, 0.7])
        got = evaluate(reward, np.zeros(5), rubric_of(FIVE), probabilities=chances)
        # (5 * .9 + 5 * .5 + 3 * .2 - 2 * .7) / 14
        assert got == pytest.approx(6.2 / 14)
        drawn = np.random.default_rng(1).random((20_000, 5)) < chances
        mean = get_reward("healthbench")(drawn.astype(float), rubric_of(FIVE)).mean()
        assert got == pytest.approx(mean, abs=0.01)

    def test_soft_without_probabilities_is_refused_and_never_falls_back(self) -> None:
        with pytest.raises(ConfigError, match=r"needs P.met., and no verdict carries one"):
            evaluate(get_reward("soft(of=hybrid)"), np.zeros(5), rubric_of(FIVE))
        for inside in ("rar_implicit", "length(of=hybrid)", "soft(of=hybrid)"):
            with pytest.raises(ConfigError, match=r"puts P.met. in the place of verdicts"):
                get_reward(f"soft(of={inside})")

    def test_terms_go_around_a_soft_reward(self) -> None:
        reward = get_reward("clip(of=soft(of=healthbench),low=0.5)")
        chances = np.array([[0.9, 0.5, 0.2, 0.0, 0.7], [1.0, 1.0, 1.0, 1.0, 0.5]])
        got = evaluate(reward, np.zeros((2, 5)), rubric_of(FIVE), probabilities=chances)
        assert got == pytest.approx([0.5, 13 / 14])
        assert reward.without("soft").name.startswith("clip")  # type: ignore[attr-defined]

    def test_terms_stack_and_come_apart_again(self) -> None:
        reward = get_reward("clip(of=power(of=hybrid_unclipped,exponent=2),low=0)")
        assert reward.terms[:2] == ("clip", "power")  # type: ignore[attr-defined]
        assert reward.without("clip").name == "power(of=hybrid_unclipped,exponent=2)"  # type: ignore[attr-defined]
        plain = reward.without("power")  # type: ignore[attr-defined]
        assert value(plain, FIVE, [1, 1, 1, 1, 0]) == 20.0

    def test_terms_that_look_at_verdicts_refuse_a_rating(self) -> None:
        for spec in ("bonus(of=rar_implicit)", "veto(of=rar_implicit)", "length(of=rar_implicit)"):
            with pytest.raises(ConfigError, match="rating"):
                get_reward(spec)

    def test_terms_that_would_turn_the_order_around_are_refused(self) -> None:
        for spec in ("power(of=hybrid,exponent=-1)", "saturation(of=hybrid,level=0)"):
            with pytest.raises(ConfigError, match="not above 0"):
                get_reward(spec)


class TestNames:
    def test_every_shipped_reward_declares_itself(self) -> None:
        for name in [*VERDICT_REWARDS, "rar_implicit"]:
            reward = get_reward(name)
            assert isinstance(reward, Reward), name
            assert reward.range[0] < reward.range[1], name

    def test_only_the_log_bonus_is_declared_constant(self) -> None:
        constant = {n: get_reward(n).constant_terms for n in VERDICT_REWARDS}
        assert {n: t for n, t in constant.items() if t} == {
            n: ("log_complexity",) for n in VERDICT_REWARDS if n.startswith("complexity")
        }

    def test_the_registry_lists_what_can_be_asked_for(self) -> None:
        assert {"healthbench", "binary", "hybrid", "complexity", "clip"} <= set(reward_names())

    def test_a_name_can_be_asked_for_again(self) -> None:
        for spec in (
            "hybrid(bonus=0,clip=false)",
            "clip(of=hybrid_unclipped,high=9,low=0)",
            "power(of=veto(of=hybrid),exponent=2)",
            "soft(of=hybrid(bonus=0))",
            "veto(of=hybrid)",
        ):
            assert get_reward(spec).name == spec
            assert get_reward(get_reward(spec).name) == get_reward(spec)

    def test_options_are_part_of_the_name(self) -> None:
        assert get_reward("hybrid", bonus=0).name == "hybrid(bonus=0)"
        assert get_reward("hybrid(bonus=0)") == get_reward("hybrid", bonus=0)
        assert [r.name for r in parse_rewards("hybrid, hybrid(bonus=0,clip=false),hybrid")] == [
            "hybrid",
            "hybrid(bonus=0,clip=false)",
        ]

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            ("hybird", "did you mean 'hybrid'"),
            ("hybrid(bonsu=1)", "did you mean 'bonus'"),
            ("hybrid(bonus)", "key=value"),
            ("hybrid(bonus=1", "not closed"),
            ("hybrid(bonus=lots)", "bonus is 'lots'; give a number"),
            ("hybrid(bonus=.nan)", "bonus is '.nan'; give a number"),
            ("hybrid(clip=2)", "clip is 2; give true or false"),
            ("power(of=hybrid,exponent=abc)", "exponent is 'abc'; give a number"),
            ("rar_explicit(weights=pionts)", "did you mean 'points'"),
            ("clip", "needs of"),
            ("no_such_module_anywhere:thing", "no module named"),
            ("os:getcwd", "not a reward"),
            (f"{__name__}:undeclared", "gave function, which is not a reward"),
            (f"{__name__}:unmade", "cannot be made: KeyError: 'gone'"),
        ],
    )
    def test_a_wrong_name_or_option_is_one_clear_line(self, spec: str, words: str) -> None:
        with pytest.raises(ConfigError, match=words) as caught:
            get_reward(spec)
        assert "\n" not in str(caught.value)

    def test_an_unknown_name_is_its_own_error(self) -> None:
        with pytest.raises(UnknownNameError):
            get_reward("nothing_like_it")

    def test_a_plain_function_becomes_a_reward(self) -> None:
        @register_reward("test_share_met", range=(0.0, 1.0))
        def share_met(verdicts: Floats, rubric: RubricArrays, floor: float = 0.0) -> Floats:
            met: Floats = np.nanmean(np.where(rubric.present, verdicts, np.nan), axis=-1)
            return np.maximum(met, floor)

        try:
            assert value("test_share_met", FIVE, [1, 1, 0, 0, 0]) == pytest.approx(0.4)
            assert value("test_share_met(floor=0.5)", FIVE, [1, 1, 0, 0, 0]) == 0.5
            assert get_reward("test_share_met").range == (0.0, 1.0)
            assert np.isnan(value("test_share_met", FIVE, [np.nan, 1, 0, 0, 0]))
        finally:
            REWARDS._factories.pop("test_share_met")

    def test_a_function_that_sums_over_the_wrong_axis_is_told_so(self) -> None:
        reward = FunctionReward(wrong_axis, "wrong_axis")
        with pytest.raises(ConfigError, match="last axis"):
            reward(np.zeros((3, 5)), rubric_of(FIVE))

    def test_a_function_of_the_users_that_fails_is_one_clear_line(self) -> None:
        reward = FunctionReward(failing, "failing")
        with pytest.raises(ConfigError, match="reward 'failing' failed: KeyError: 'oops'"):
            reward(np.zeros((3, 5)), rubric_of(FIVE))

    def test_a_plain_function_may_look_at_lengths(self) -> None:
        register_reward("test_brief", needs="verdicts+length")(brief)
        try:
            for spec in ("test_brief", f"{__name__}:brief"):
                reward = get_reward(spec)
                assert (reward.name, reward.needs) == ("test_brief", Needs.VERDICTS_AND_LENGTH)
                got = evaluate(
                    reward, np.ones((2, 5)), rubric_of(FIVE), chars=np.array([0.0, 500.0])
                )
                assert got.tolist() == [5.0, 4.0]
                assert (reward.range, reward.constant_terms) == ((-np.inf, np.inf), ())
            assert get_reward("length(of=test_brief)").range == (-np.inf, np.inf)
        finally:
            REWARDS._factories.pop("test_brief")

    def test_a_dotted_path_names_a_class_or_a_function(self) -> None:
        assert get_reward("rubricbeat.judges.rewards:Hybrid").name == "hybrid"

    def test_a_plain_function_that_nobody_registered_has_the_widest_range(self) -> None:
        reward = get_reward(f"{__name__}:wrong_axis")
        assert (reward.name, reward.range) == ("wrong_axis", (-np.inf, np.inf))
        assert (reward.needs, reward.constant_terms) == (Needs.VERDICTS, ())


def wrong_axis(verdicts: Floats, rubric: RubricArrays) -> Floats:
    total: Floats = np.sum(verdicts, axis=0)
    return total


def failing(verdicts: Floats, rubric: RubricArrays) -> Floats:
    raise KeyError("oops")


def undeclared() -> object:
    return wrong_axis  # callable, and says nothing of itself


def unmade() -> Reward:
    raise KeyError("gone")


def brief(verdicts: Floats, rubric: RubricArrays, chars: Floats) -> Floats:
    met: Floats = np.nansum(verdicts, axis=-1)
    return met - chars / 500.0


points_st = st.lists(
    st.sampled_from([-8.0, -5.0, -2.0, 1.0, 3.0, 5.0, 7.0]), min_size=1, max_size=9
)


@st.composite
def graded(draw: st.DrawFn, missing: bool = False) -> tuple[list[float], list[bool], list[float]]:
    points = draw(points_st)
    desirable = draw(st.lists(st.booleans(), min_size=len(points), max_size=len(points)))
    choices = [0.0, 1.0, np.nan] if missing else [0.0, 1.0]
    verdicts = draw(st.lists(st.sampled_from(choices), min_size=len(points), max_size=len(points)))
    return points, desirable, verdicts


@pytest.mark.parametrize("name", VERDICT_REWARDS)
class TestLaws:
    @settings(max_examples=40, deadline=None)
    @given(case=graded(), data=st.data())
    def test_a_verdict_for_the_better_never_lowers_the_reward(
        self, name: str, case: tuple[list[float], list[bool], list[float]], data: st.DataObject
    ) -> None:
        points, desirable, verdicts = case
        at = data.draw(st.integers(0, len(points) - 1))
        rubric = rubric_of(points, desirable)
        reward = get_reward(name)
        # the better verdict: true where the wording is desirable of a positive or avoidance kind
        worse, better = np.array(verdicts), np.array(verdicts)
        worse[at], better[at] = (0.0, 1.0) if desirable[at] else (1.0, 0.0)
        low, high = float(reward(worse, rubric)), float(reward(better, rubric))
        assert np.isnan(low) == np.isnan(high)
        assert np.isnan(low) or high >= low - 1e-12

    @settings(max_examples=40, deadline=None)
    @given(case=graded(missing=True), data=st.data())
    def test_the_order_of_criteria_does_not_matter(
        self, name: str, case: tuple[list[float], list[bool], list[float]], data: st.DataObject
    ) -> None:
        points, desirable, verdicts = case
        order = data.draw(st.permutations(range(len(points))))
        reward = get_reward(name)
        straight = float(reward(np.array(verdicts), rubric_of(points, desirable)))
        shuffled = float(
            reward(
                np.array([verdicts[i] for i in order]),
                rubric_of([points[i] for i in order], [desirable[i] for i in order]),
            )
        )
        assert shuffled == pytest.approx(straight, nan_ok=True, abs=1e-12)

    @settings(max_examples=60, deadline=None)
    @given(case=graded(), lost=st.sets(st.integers(0, 7), max_size=2))
    def test_a_missing_verdict_leaves_the_reward_where_it_could_be(
        self, name: str, case: tuple[list[float], list[bool], list[float]], lost: set[int]
    ) -> None:
        points, desirable, verdicts = case
        known = np.array([np.nan if i in lost else v for i, v in enumerate(verdicts)])
        best = np.where(np.isnan(known), np.array(desirable, float), known)
        worst = np.where(np.isnan(known), 1.0 - np.array(desirable, float), known)
        rubric, reward = rubric_of(points, desirable), get_reward(name)
        got, high, low = (float(reward(v, rubric)) for v in (known, best, worst))
        assert np.isnan(got) or low - 1e-9 <= got <= high + 1e-9

    @settings(max_examples=40, deadline=None)
    @given(case=graded(missing=True))
    def test_values_stay_in_the_declared_range(
        self, name: str, case: tuple[list[float], list[bool], list[float]]
    ) -> None:
        points, desirable, verdicts = case
        reward = get_reward(name)
        got = float(reward(np.array(verdicts), rubric_of(points, desirable)))
        low, high = reward.range
        assert np.isnan(got) or low - 1e-9 <= got <= high + 1e-9

    @settings(max_examples=40, deadline=None)
    @given(case=graded(missing=True))
    def test_none_travels_and_never_appears_without_a_missing_verdict(
        self, name: str, case: tuple[list[float], list[bool], list[float]]
    ) -> None:
        points, desirable, verdicts = case
        got = float(get_reward(name)(np.array(verdicts), rubric_of(points, desirable)))
        weight = sum(map(abs, points))
        missing = sum(abs(p) for p, v in zip(points, verdicts, strict=True) if np.isnan(v))
        share = missing / weight
        if "uniform" in name:
            share = float(np.isnan(verdicts).mean())
        if share > 0.2 and not name.startswith("rar_explicit"):
            assert np.isnan(got)
        if missing == 0 and any(p > 0 for p in points):
            assert not np.isnan(got)
