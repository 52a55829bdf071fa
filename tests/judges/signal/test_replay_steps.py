"""The gradient of the replayed GRPO against derivations of its own: enumeration and differences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from rubricbeat.judges.scoring.rubric_arrays import Floats
from rubricbeat.judges.signal.advantages import Scale, advantages_of
from rubricbeat.judges.signal.replay.blocks import RecordedGroups, blocks_of
from rubricbeat.judges.signal.replay.sampling import Draws, Step, take_step
from rubricbeat.judges.signal.replay.training import Chance, Settings, train

N_SEEDS = 40_000
"""Groups drawn where a mean is held against its limit."""
LOGITS = np.array([0.4, -0.3, 0.9, -1.0])
REWARDS = np.array([0.2, 0.9, -0.5, 0.9])


def recorded(rewards: Floats, *, chars: Floats | None = None) -> RecordedGroups:
    """One prompt; the first axis of the rewards is the judging where there are several."""
    pool = np.atleast_2d(np.asarray(rewards, dtype=float))[None, :, None, :]
    n_answers = pool.shape[-1]
    values = np.nan_to_num(pool[:, 0])
    answered = np.ones((1, n_answers), bool)
    lengths = None if chars is None else chars[None]
    return RecordedGroups(pool, values, answered, np.ones(1), lengths)


def mean_step(
    one: RecordedGroups, scale: Scale, group_size: int, **options: bool
) -> tuple[Step, Floats]:
    """Take one step of many seeds at given logits; the gradient is their mean, [A]."""
    settings = Settings(group_size=group_size, **options)
    (block,) = blocks_of(one, by_length=settings.by_length, is_one=scale is Scale.BATCH)
    logits = block.logits(N_SEEDS)
    n_answers = one.rewards_KRPG.shape[-1]
    logits[:n_answers] += LOGITS[:n_answers, None, None, None].astype(np.float32)
    random = np.random.default_rng(group_size)
    judgings = np.arange(N_SEEDS)[:, None] % one.rewards_KRPG.shape[1]
    if not settings.errors_stay:
        judgings = random.permuted(np.repeat(judgings, group_size, axis=1))
    draws = Draws(
        random.random((N_SEEDS, group_size, 1), np.float32),
        np.broadcast_to(judgings, (N_SEEDS, group_size)),
        np.zeros((N_SEEDS, 1), np.intp),
    )
    step = take_step(np.exp(logits), block.tables, draws, scale, 1)
    return step, step.gradient_AKSP[:, 0, :, 0].mean(1, dtype=np.float64)


def expected_gradient(
    rewards: Floats, scale: Scale, group_size: int, weights: Floats | None = None
) -> Floats:
    """Enumerate every group, its chance, its advantages (TRL's), and d log pi / d logits."""
    n = len(rewards)
    chances = np.exp(LOGITS[:n]) / np.exp(LOGITS[:n]).sum()
    weights = np.ones(n) if weights is None else weights
    total = np.zeros(n)
    for group in itertools.product(range(n), repeat=group_size):
        drawn = list(group)
        advantages = np.nan_to_num(advantages_of(rewards[drawn][None], scale)[0])
        score = sum(
            a * weights[i] * (np.eye(n)[i] - chances)
            for a, i in zip(advantages, drawn, strict=True)
        )
        total += math.prod(chances[drawn]) * score / group_size
    return total


def close(found: Floats, expected: Floats) -> None:
    """Hold a mean of `N_SEEDS` groups against its limit: entries are of size 1 at most."""
    np.testing.assert_allclose(found, expected, atol=4.5 / math.sqrt(N_SEEDS))


def test_without_scaling_the_mean_gradient_is_that_of_the_exact_objective() -> None:
    """E sum (r - mean) grad log pi / G = (1 - 1/G) grad J, J the exact mean reward."""

    def objective(logits: Floats) -> float:
        chances = np.exp(logits) / np.exp(logits).sum()
        return float(chances @ REWARDS)

    small = 1e-6
    slopes = [
        (objective(LOGITS + small * axis) - objective(LOGITS - small * axis)) / (2 * small)
        for axis in np.eye(4)
    ]
    for group_size in (2, 6):
        _, found = mean_step(recorded(REWARDS), Scale.NONE, group_size)
        # the one prompt's rewards are in units of their largest distance from its mean
        unit = np.abs(REWARDS - REWARDS.mean()).max()
        close(found * unit, (1 - 1 / group_size) * np.array(slopes))


@pytest.mark.parametrize("scale", [Scale.GROUP, Scale.BATCH])
@pytest.mark.parametrize("group_size", [2, 4])
def test_scaled_gradients_are_the_sum_over_all_groups(scale: Scale, group_size: int) -> None:
    """A batch of one group is scaled as a group is."""
    _, found = mean_step(recorded(REWARDS), scale, group_size)
    close(found, expected_gradient(REWARDS, Scale.GROUP, group_size))


def test_a_missing_reward_is_left_out_of_mean_spread_and_gradient() -> None:
    rewards = np.array([0.2, np.nan, -0.5, 0.9])
    _, found = mean_step(recorded(rewards), Scale.GROUP, 3)
    close(found, expected_gradient(rewards, Scale.GROUP, 3))


def test_the_loss_grpo_divides_by_the_length_of_the_answer() -> None:
    chars = np.array([100.0, 400.0, 250.0, 50.0])
    _, found = mean_step(recorded(REWARDS, chars=chars), Scale.GROUP, 3, by_length=True)
    close(found, expected_gradient(REWARDS, Scale.GROUP, 3, chars.mean() / chars))


def test_answers_judged_anew_have_the_gradient_over_all_judgings() -> None:
    """Two judgings of each answer: every draw takes one of them, whatever the others take."""
    pool = np.array([[0.2, 0.9, -0.5], [0.6, -0.1, 0.3]])
    _, found = mean_step(recorded(pool), Scale.GROUP, 2)
    # an answer of two judgings is two answers of half the chance whose logits move together
    chances = np.exp(LOGITS[:3]) / np.exp(LOGITS[:3]).sum()
    cells = [(r, i) for r in range(2) for i in range(3)]
    total = np.zeros(3)
    for group in itertools.product(cells, repeat=2):
        rewards = np.array([[pool[cell] for cell in group]])
        advantages = advantages_of(rewards, Scale.GROUP)[0]
        chance = math.prod(chances[i] / 2 for _, i in group)
        for a, (_, i) in zip(advantages, group, strict=True):
            total += chance * a * (np.eye(3)[i] - chances) / 2
    close(found, total)


def test_an_error_that_stays_is_the_same_at_every_draw_and_step() -> None:
    """The seeds of even number see the second answer ahead, the others the first."""
    one = recorded(np.array([[0.0, 1.0], [1.0, 0.0]]))
    for stays in (True, False):
        settings = Settings(seeds=6, steps=200, learning_rate=0.2, errors_stay=stays)
        gains = train(one, [Scale.NONE], settings).gain_VJSP[0, 0, :, 0]
        # gold is the first judging's reward: the second answer is better by 1
        if stays:
            assert (gains[::2] > 0.4).all() and (gains[1::2] < -0.4).all()
        else:
            assert (np.abs(gains) < 0.4).all()


def test_each_draw_has_a_judging_of_its_own() -> None:
    (block,) = blocks_of(recorded(np.zeros((128, 2))), by_length=False, is_one=False)
    draws = Chance(range(3), block, Settings(), Scale.NONE).draw()
    assert len(np.unique(draws.judging_SG)) > 9


def test_the_share_of_dead_groups_is_that_of_equal_draws() -> None:
    """All G draws of equal rewards: the chances are 3/4 + 1/4, so (3/4)^3 + (1/4)^3 = 7/16."""
    n = 600
    rewards = np.tile([1.0, 1.0, 0.0, 1.0], (n, 1))
    one = RecordedGroups(
        rewards[None, None], rewards[None], np.ones((n, 4), bool), np.full(n, 1 / n)
    )
    found = train(one, [Scale.GROUP], Settings(seeds=2, steps=1, group_size=3))
    assert found.dead_J[0] == pytest.approx(7 / 16, abs=4 * math.sqrt(0.25 / (32 * n)))


def test_training_ends_at_the_best_answer_and_its_gain_is_exact() -> None:
    settings = Settings(seeds=3, steps=300, learning_rate=0.5)
    found = train(recorded(REWARDS), [Scale.NONE, Scale.GROUP], settings)
    best, start = 0.9, REWARDS.mean()
    np.testing.assert_allclose(found.gain_VJSP[0, :, :, 0], best - start, atol=0.01)
    assert found.curve_VJT[0, 0, 0] == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(found.curve_VJT[0, 0]) > -1e-6).all()


def test_a_factor_and_a_shift_of_a_reward_change_nothing() -> None:
    rewards = np.stack([REWARDS, 25 * REWARDS + 7])[:, None, None]
    one = RecordedGroups(rewards, REWARDS[None, None], np.ones((1, 4), bool), np.ones(1))
    found = train(one, [Scale.NONE, Scale.GROUP], Settings(seeds=5, steps=50))
    gains = found.gain_VJSP[0, :, :, 0]
    np.testing.assert_allclose(gains[0], gains[1], atol=1e-4)
    # 1e-4 beside the spread is not the same share of 25 times the spread
    np.testing.assert_allclose(gains[2], gains[3], atol=1e-3)


def test_a_run_draws_the_same_in_any_company() -> None:
    """More seeds, more rewards, another order of prompts' blocks: run s of a prompt stays."""
    random = np.random.default_rng(0)
    rewards = random.normal(0, 1, (2, 1, 30, 5))
    answered = np.ones((30, 5), bool)
    weight = np.full(30, 1 / 30)
    both = RecordedGroups(rewards, rewards[:1, 0], answered, weight)
    alone = RecordedGroups(rewards[:1], rewards[:1, 0], answered, weight)
    many = train(both, [Scale.GROUP, Scale.NONE], Settings(seeds=6, steps=20)).gain_VJSP
    few = train(alone, [Scale.NONE], Settings(seeds=2, steps=20)).gain_VJSP
    np.testing.assert_allclose(many[0, 2, :2], few[0, 0], atol=1e-6)


def test_a_reward_without_spread_gains_nothing() -> None:
    one = recorded(np.full(4, 0.3))
    found = train(one, [Scale.NONE, Scale.GROUP], Settings(seeds=2, steps=5))
    assert found.dead_J.tolist() == [1.0, 1.0]
    assert np.abs(found.gain_VJSP).max() < 1e-6


def test_answers_of_unequal_number_and_padding_are_never_drawn() -> None:
    """Groups of 2 to 9 answers; padding carries a reward that would win."""
    random = np.random.default_rng(3)
    sizes = random.integers(2, 10, 40)
    answered = np.arange(9) < sizes[:, None]
    rewards = np.where(answered, random.normal(0, 1, (40, 9)), np.nan)
    values = np.where(answered, rewards, 1e6)
    one = RecordedGroups(rewards[None, None], values[None], answered, np.full(40, 1 / 40))
    for scale in Scale:
        found = train(one, [scale], Settings(seeds=2, steps=400, learning_rate=0.5))
        most = np.nanmax(rewards, axis=1) - np.nanmean(rewards, axis=1)
        assert (found.gain_VJSP[0, 0] <= most + 1e-4).all()
        assert found.gain_VJSP[0, 0].mean() > 0.9 * most.mean()


@pytest.mark.parametrize("n_judgings", [1, 2])
def test_hundreds_of_answers_to_a_prompt_are_all_drawn(n_judgings: int) -> None:
    rewards = np.tile(np.arange(300.0), (n_judgings, 1))
    settings = Settings(seeds=2, steps=1_000, learning_rate=1.0)
    found = train(recorded(rewards), [Scale.NONE], settings)
    assert found.gain_VJSP.min() > 0.9 * (299 - 149.5)
