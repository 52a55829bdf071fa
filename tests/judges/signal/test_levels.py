"""Levels in a signal study: noise draws another level, shares carry reliability, NA is told."""

from __future__ import annotations

import numpy as np
import pytest
from level_worlds import by_level, example, wanted

from rubricbeat.harness.tables.signal import study_text
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import NaRule
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.signal import group_answers, study_signal
from rubricbeat.judges.signal.criteria import study_criteria
from rubricbeat.judges.signal.levels import OtherLevels, count_levels, flip_rate, level_shares
from rubricbeat.judges.signal.power import plan
from rubricbeat.judges.signal.preferences import worth_of
from rubricbeat.judges.signal.replay.noise import JudgeNoise
from rubricbeat.judges.signal.variance import split_variance
from rubricbeat.judges.verdict import Outcome, Verdict

AT, NA, LOST = Verdict.at_level, Verdict.not_applicable(), Verdict(Outcome.UNPARSEABLE)
THREE, FIVE = by_level([0, 2, 5], "three"), by_level([0, 1, 2, 3, 4], "five")


def answers(rows, criteria, prompt=0):
    """One answer a row of verdicts; a row may be a pair of rows, the second its repeat."""
    case = example(criteria, prompt)
    found = []
    for number, row in enumerate(rows):
        first, *more = row if isinstance(row[0], tuple) else (tuple(row),)
        found.append(GradedAnswer(case, f"{prompt}.{number}", first, number, tuple(more)))
    return found


def pilot(seed: int, *, slips: float, n_prompts: int = 60, n_answers: int = 6):
    """Answers of known levels, judged twice; a verdict slips to the next level now and then."""
    random = np.random.default_rng(seed)
    flat = []
    for prompt in range(n_prompts):
        true = random.integers(0, 5, (n_answers, 6))
        rows = []
        for levels in true:
            twice = []
            for _ in range(2):
                step = np.where(random.random(6) < slips, random.choice([-1, 1], 6), 0)
                twice.append(tuple(AT(int(k)) for k in np.clip(levels + step, 0, 4)))
            rows.append(tuple(twice))
        flat += answers(rows, [FIVE] * 6, prompt)
    return group_answers(flat)


def test_another_level_is_never_the_same_and_never_one_less_its_share():
    rows = [(AT(k % 3), Verdict.of(bool(k % 2))) for k in range(6)]
    groups = group_answers(answers(rows, [THREE, wanted(3)]))
    others = OtherLevels.of(groups.levels_PCK, groups.verdicts_RPGC)
    seen = set()
    for seed in range(40):
        drawn = others.draw(groups.verdicts_PGC, np.random.default_rng(seed))
        assert np.all(drawn != groups.verdicts_PGC)
        seen |= set(drawn[0, :, 0].tolist())
        np.testing.assert_array_equal(drawn[..., 1], 1 - groups.verdicts_PGC[..., 1])
    assert seen == {0.0, 0.4, 1.0}


def test_without_repeats_each_other_level_is_as_likely():
    groups = group_answers(answers([(AT(2),)] * 3000, [FIVE]))
    drawn = OtherLevels.of(groups.levels_PCK, groups.verdicts_RPGC).draw(
        groups.verdicts_PGC, np.random.default_rng(1)
    )
    counts = np.unique(drawn, return_counts=True)[1]
    assert counts == pytest.approx([750] * 4, abs=4 * (3000 * 0.25 * 0.75) ** 0.5)


def test_with_repeats_levels_are_drawn_as_they_differ():
    groups = pilot(3, slips=0.3)
    others = OtherLevels.of(groups.levels_PCK, groups.verdicts_RPGC)
    chance = others.chances[5]
    assert np.allclose(chance.sum(1), 1) and np.allclose(np.diag(chance), 0)
    # a level slips to the next one: two repeats are two steps apart at most
    assert chance[0, 3] == chance[0, 4] == chance[4, 0] == 0
    assert chance[0, 1] > chance[0, 2] > 0
    drawn = others.draw(groups.verdicts_PGC, np.random.default_rng(1))
    assert np.abs(drawn - groups.verdicts_PGC).max() <= 0.5 + 1e-12


def test_preferences_are_drawn_under_levels_that_there_are():
    graded = answers([(AT(k),) for k in range(3)], [THREE])
    table, reward = VerdictTable.of(graded), get_reward("healthbench")
    shares = level_shares([one.example.rubric for one in graded], 1)
    worth = worth_of(table, reward, np.ones(3, bool), 0.3, 0, shares)
    assert set(np.unique(worth.draws_BN)) == {0.0, 0.4, 1.0}
    # the middle level stays in 7 of 10 draws, and is either other one as often
    below, above = ((worth.draws_BN[:, 1] == share).mean() for share in (0.0, 1.0))
    assert (below, above) == pytest.approx((0.15, 0.15), abs=4 * (0.15 * 0.85 / 1000) ** 0.5)


def test_a_missing_verdict_stays_missing():
    groups = group_answers(answers([(AT(0),), (LOST,), (AT(2),)], [THREE]))
    drawn = OtherLevels.of(groups.levels_PCK, groups.verdicts_RPGC).draw(
        groups.verdicts_PGC, np.random.default_rng(1)
    )
    assert np.isnan(drawn[0, 1, 0]) and not np.isnan(drawn[0, ::2, 0]).any()


def test_two_levels_are_flipped_as_met_and_not_met():
    random = np.random.default_rng(6)
    met = random.random((240, 4)) < 0.5
    criteria = [wanted(3, f"c{k}") for k in range(4)]
    levels = [by_level([0, 3], f"c{k}") for k in range(4)]
    plain, two = [], []
    for row, mets in enumerate(met):
        prompt = row // 6
        plain += answers([[Verdict.of(bool(m)) for m in mets]], criteria, prompt)
        two += answers([[AT(int(m)) for m in mets]], levels, prompt)
    rewards = [get_reward("healthbench"), get_reward("hybrid")]
    found = [study_signal(group_answers(side), rewards, seed=4) for side in (plain, two)]
    one, other = (study.to_json() for study in found)
    assert other.pop("levels")[0]["counts"] == [int((~met[:, 0]).sum()), int(met[:, 0].sum())]
    assert "levels" not in one
    for name in ("flips", "criteria", "variance", "dead", "rewards", "words", "by_scale"):
        assert one[name] == other[name], name


def test_reliability_on_shares_is_what_the_simulation_says():
    reward = get_reward("healthbench")
    groups = pilot(11, slips=0.4, n_prompts=300)
    split = split_variance("h", groups.replicate_rewards(reward), groups.clusters_P)
    # six criteria of equal points: the variance of a level's share over 6. Of true levels, which
    # are uniform, 2 / 16; a verdict at an inner level slips one way or the other (.4 / 16), at an
    # end one time in two (.2 * .8 / 16)
    judge = (3 * 0.4 + 2 * 0.2 * 0.8) / 5 / 16 / 6
    assert split.judge == pytest.approx(judge, rel=0.09)
    # of what the judge means of a level: 0.2, 1, 2, 3, 3.8
    means = np.array([0.2, 1, 2, 3, 3.8]) / 4
    answers_ = float(means.var()) / 6
    assert split.answers == pytest.approx(answers_, rel=0.08)
    assert split.icc.low < answers_ / (answers_ + judge) < split.icc.high
    found = plan(groups, reward, fidelity=0.9)
    assert found.for_fidelity is not None


def test_the_rate_of_repeats_that_differ_counts_levels():
    rows = [((AT(1),), (AT(1),)), ((AT(1),), (AT(2),)), ((AT(0),), (AT(0),)), ((AT(2),), (AT(2),))]
    groups = group_answers(answers(rows, [THREE]))
    # one pair of four differs: 2 e (1 - e) = 1/4
    assert flip_rate(groups.verdicts_RPGC) == pytest.approx((1 - 0.5**0.5) / 2)
    drawn = JudgeNoise.of_flips(0.5).draw(groups, np.random.default_rng(2))
    assert set(np.unique(drawn)) <= {0.0, 0.4, 1.0}


def test_criteria_are_never_or_always_by_their_lowest_and_fullest_level():
    low = by_level([1, 3, 5], "low")
    both = by_level([-2, 0, 5], "both")
    rows = [(AT(0), AT(2), AT(0)), (AT(0), AT(2), AT(2)), (AT(0), AT(2), AT(0))]
    found = study_criteria(group_answers(answers(rows, [low, THREE, both])))
    assert found.never_PC.tolist() == [[True, False, False]]
    assert found.always_PC.tolist() == [[False, True, False]]
    # shares -.4, 1, -.4: mean .0667, variance 2/9 * 1.4^2
    assert found.pass_rate_PC[0, 2] == pytest.approx(0.2 / 3)
    assert found.contrast_PC[0, 2] == pytest.approx(2 / 9 * 1.4**2)


def test_levels_and_what_does_not_apply_are_counted_by_criterion():
    may = wanted(4, "may", na=NaRule.EXCLUDED)
    rows = [(AT(0), NA), (AT(2), Verdict.of(True)), (LOST, Verdict.of(False)), (AT(2), NA)]
    three, other = count_levels(answers(rows, [THREE, may]) + answers(rows, [THREE, may], 1))
    assert (three.counts, three.n_na, three.n_missing) == ([2, 0, 4], 0, 2)
    assert three.mean_share == pytest.approx(4 / 6)
    assert (other.counts, other.n_na, other.na_share) == ([2, 2], 4, 0.5)
    assert (other.prompt_id, other.criterion) == ("p0", 2)
    assert count_levels(answers([(Verdict.of(True),)], [wanted()])) == ()
    assert level_shares([example([wanted()]).rubric], 1) is None


def test_a_criterion_that_seldom_applies_is_a_finding():
    may = by_level([0, 2, 5], "may", na=NaRule.EXCLUDED)
    flat = []
    for prompt in range(12):
        rows = [(AT((prompt + k) % 3), NA if k == 0 else AT(k % 3)) for k in range(4)]
        flat += answers(rows, [THREE, may], prompt)
    study = study_signal(group_answers(flat), [get_reward("healthbench")])
    [said] = [one for one in study.words if one.table == "levels"]
    assert "1 criteria do not apply to more than 20 % of the answers" in said.text
    assert "25 % of those to criterion 2 of prompt p0" in said.text
    shown = study_text(study)
    assert "Levels" in shown and "not applicable" in shown
    assert "points met" not in " ".join(one.text for one in study.words)


def test_a_plain_study_says_nothing_of_levels():
    rows = [(Verdict.of(bool(k % 2)),) for k in range(4)]
    flat = [one for p in range(12) for one in answers(rows, [wanted()], p)]
    study = study_signal(group_answers(flat), [get_reward("healthbench")])
    assert "levels" not in study.to_json()
    assert "verdicts by level" not in study_text(study)
