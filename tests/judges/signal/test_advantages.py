"""Advantages against numbers worked by hand, and the terms that do not survive them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilots import drawn_pilot, pilot

from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.signal.advantages import (
    Scale,
    TermEffect,
    TermVerdict,
    advantages_of,
    batch_agreement,
    effective_answers,
    parse_scales,
    spread_of,
    term_effects,
)
from rubricbeat.judges.signal.dead_groups import equal_in_group

NAN = float("nan")


def test_group_scaling_divides_by_the_sample_deviation_of_the_group() -> None:
    # mean 2, sample variance (1 + 0 + 1) / 2 = 1
    assert advantages_of(np.array([[1.0, 2.0, 3.0]])) == pytest.approx(
        np.array([[-1 / 1.0001, 0, 1 / 1.0001]])
    )


def test_the_deviation_of_less_than_two_rewards_is_unknown() -> None:
    # (1 - 2)^2 + (3 - 2)^2 = 2, by one degree of freedom
    got = spread_of(np.array([[1.0, 3.0], [4.0, NAN], [NAN, NAN]]))
    assert got == pytest.approx([np.sqrt(2), NAN, NAN], nan_ok=True)


def test_no_scaling_leaves_the_distance_from_the_mean() -> None:
    got = advantages_of(np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]]), Scale.NONE)
    assert got == pytest.approx(np.array([[-2.0, -1, 3], [0, 0, 0]]))


def test_batch_scaling_divides_every_group_by_one_deviation() -> None:
    rewards_PG = np.array([[0.0, 2.0], [10.0, 12.0]])
    # all four: mean 6, squares 36 + 16 + 16 + 36 = 104, over 3
    spread = np.sqrt(104 / 3) + 1e-4
    expected = np.array([[-1.0, 1], [-1, 1]]) / spread
    assert advantages_of(rewards_PG, Scale.BATCH) == pytest.approx(expected)


def test_none_and_batch_agree_over_the_study_and_not_in_small_batches() -> None:
    # spreads of groups as rubrics make them (a factor of 2 up and down) around levels of their own
    rng = np.random.default_rng(0)
    size, level = rng.lognormal(0, 0.7, (600, 1)), rng.normal(0, 1, (600, 1))
    rewards_PG = level + size * rng.normal(size=(600, 6))
    assert batch_agreement(rewards_PG, 600) == pytest.approx(1.0)
    # measured another way: batch after batch through `advantages_of` itself
    plain = advantages_of(rewards_PG, Scale.NONE)
    dealt = [advantages_of(rewards_PG[i : i + 4], Scale.BATCH) for i in range(0, 600, 4)]
    by_hand = np.corrcoef(plain.ravel(), np.concatenate(dealt).ravel())[0, 1]
    small = batch_agreement(rewards_PG, 4)
    assert small == pytest.approx(by_hand, abs=0.02)
    assert small is not None and small < 0.95 < (batch_agreement(rewards_PG, 64) or 0.0)


def test_batches_of_dead_groups_agree_on_nothing() -> None:
    assert batch_agreement(np.full((8, 3), 0.5), 4) is None


def test_a_missing_reward_is_left_out_of_its_group_and_has_no_advantage() -> None:
    got = advantages_of(np.array([[1.0, NAN, 3.0]]), Scale.NONE)
    assert got == pytest.approx(np.array([[-1.0, NAN, 1.0]]), nan_ok=True)


def test_an_answer_alone_in_its_group_has_no_advantage() -> None:
    got = advantages_of(np.array([[5.0, NAN]]))
    assert got == pytest.approx(np.array([[0.0, NAN]]), nan_ok=True)


def test_a_dead_group_has_advantages_of_zero_under_every_scale() -> None:
    rewards_PG = np.array([[0.3, 0.3, 0.3], [0.0, 1.0, 0.5]])
    for scale in Scale:
        assert advantages_of(rewards_PG, scale)[0] == pytest.approx([0, 0, 0])
    assert equal_in_group(rewards_PG).tolist() == [True, False]


def test_a_group_with_one_reward_is_not_counted_as_dead() -> None:
    assert equal_in_group(np.array([[1.0, NAN], [NAN, NAN], [1.0, 1.0]])).tolist() == [
        False,
        False,
        True,
    ]


def test_effective_answers_counts_equal_pulls_fully_and_one_alone_as_one() -> None:
    assert effective_answers(np.array([[1.0, -1.0, 1.0, -1.0]])) == pytest.approx(4.0)
    assert effective_answers(np.array([[3.0, 0.0, 0.0, NAN]])) == pytest.approx(1.0)
    assert effective_answers(np.zeros((2, 2))) == 0.0


def test_scales_are_spelled_as_trl_spells_them() -> None:
    assert parse_scales("group, none,group") == [Scale.GROUP, Scale.NONE]
    with pytest.raises(ValueError, match="did you mean 'batch'"):
        parse_scales("bacth")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=3, max_size=8),
    st.floats(0.5, 20),
    st.floats(-50, 50),
)
def test_a_factor_and_a_shift_of_the_whole_group_cancel(
    rewards: list[float], factor: float, shift: float
) -> None:
    row = np.array([rewards])
    if row.std() < 0.1:
        return
    changed = advantages_of(row * factor + shift)
    # what is left of them is the 1e-4 in the divisor
    assert changed == pytest.approx(advantages_of(row), abs=6e-3)


class TestTerms:
    @staticmethod
    def effects(name: str) -> dict[tuple[str, Scale], TermEffect]:
        groups = drawn_pilot(3)
        lengths = np.arange(groups.n_groups) % 9
        # rubrics of different lengths: the log bonus differs between prompts
        for group, length in enumerate(lengths):
            groups.rubric_PC.points[group, 10 - length :] = 0.0
            groups.verdicts_PGC[group, :, 10 - length :] = np.nan
        reward = get_reward(name)
        found = term_effects(groups, reward, groups.rewards(reward), list(Scale))
        return {(effect.term, effect.scale): effect for effect in found}

    def test_the_log_bonus_is_found_inert_under_group_and_acting_elsewhere(self) -> None:
        effects = self.effects("complexity")
        group = effects["log_complexity", Scale.GROUP]
        assert group.verdict is TermVerdict.CANCELS
        assert group.constant_in_groups
        assert group.declared_constant
        assert group.correlation is not None and group.correlation > 0.999999
        for scale in (Scale.NONE, Scale.BATCH):
            assert effects["log_complexity", scale].verdict is TermVerdict.ACTS

    def test_a_factor_on_all_prompts_alike_is_another_step_size(self) -> None:
        """All rubrics equally long: unscaled, the log bonus multiplies everything by one number."""
        groups = drawn_pilot(3)
        reward = get_reward("complexity")
        found = term_effects(groups, reward, groups.rewards(reward), list(Scale))
        verdicts = {e.scale: e.verdict for e in found if e.term == "log_complexity"}
        assert verdicts == {
            Scale.GROUP: TermVerdict.CANCELS,
            Scale.NONE: TermVerdict.RESCALES,
            Scale.BATCH: TermVerdict.CANCELS,
        }

    def test_terms_that_change_the_order_or_the_spread_act_everywhere(self) -> None:
        effects = self.effects("complexity")
        for term in ("penalty", "clip", "power"):
            assert not effects[term, Scale.GROUP].constant_in_groups
            assert effects[term, Scale.GROUP].verdict is TermVerdict.ACTS

    def test_a_cap_that_is_never_reached_never_acts(self) -> None:
        effects = self.effects("complexity")
        assert {effects["cap", scale].verdict for scale in Scale} == {TermVerdict.NEVER_ACTS}

    def test_a_constant_term_that_is_not_declared_is_found_all_the_same(self) -> None:
        """Measured, not asserted: saturation on a group whose rewards it shifts alike."""
        groups = pilot([[[1, 0], [0, 0], [1, 1]]], [1.0, 1.0])

        class Shifted:
            name = "shifted"
            range = (5.0, 6.0)
            needs = get_reward("healthbench").needs
            constant_terms = ()
            terms = ("shift",)

            def without(self, term: str) -> object:
                return get_reward("healthbench")

            def __call__(self, verdicts, rubric):  # type: ignore[no-untyped-def]
                return get_reward("healthbench")(verdicts, rubric) + 5.0

        reward = Shifted()
        found = term_effects(groups, reward, groups.rewards(reward), list(Scale))  # type: ignore[arg-type]
        assert {effect.verdict for effect in found} == {TermVerdict.CANCELS}
        assert not found[0].declared_constant

    def test_where_every_group_is_dead_nothing_is_said_of_terms(self) -> None:
        groups = pilot(np.ones((5, 4, 3)), [1.0, 2.0, -1.0])
        reward = get_reward("complexity")
        found = term_effects(groups, reward, groups.rewards(reward), list(Scale))
        assert {effect.verdict for effect in found} == {TermVerdict.UNKNOWN}

    def test_a_bonus_that_hardly_anybody_gets_hardly_acts(self) -> None:
        verdicts = np.zeros((4_000, 3, 3))
        verdicts[:, 0, 0] = verdicts[:, 1, :2] = 1
        verdicts[0, 2] = 1
        groups = pilot(verdicts, [1.0, 1.0, 1.0])
        reward = get_reward("hybrid")
        found = term_effects(groups, reward, groups.rewards(reward), [Scale.GROUP])
        bonus = next(effect for effect in found if effect.term == "bonus")
        assert bonus.verdict is TermVerdict.HARDLY_ACTS
        assert bonus.changed == pytest.approx(1 / 12_000)


def test_batches_of_one_group_scale_each_group_apart_and_one_batch_of_all_scales_none() -> None:
    """Advantages .5 and 1.5 either way become .7071 both: 2 * 1.4142 / sqrt(2 * 5) = .8944."""
    rewards_PG = np.array([[0.0, 1.0], [0.0, 3.0]])
    assert batch_agreement(rewards_PG, 1) == pytest.approx(0.894427, abs=1e-4)
    assert batch_agreement(rewards_PG, 2) == pytest.approx(1.0)
    assert batch_agreement(np.ones((2, 2)), 1) is None
