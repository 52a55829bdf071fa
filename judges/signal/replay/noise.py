"""What a judge would say if it were asked again: verdicts drawn anew, and the rewards they give.

Three sources, from the weakest knowledge to the best: a share of verdicts flipped at random, the
error rates of an audit, and the verdicts that the judge gave when it was asked more than once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError
from ...rewards import Needs, Reward, evaluate
from ...scoring.points import ratio
from ...scoring.rubric_arrays import Bools, Floats
from ..groups import GroupedVerdicts
from ..levels import OtherLevels, flip_rate

JUDGINGS = 128
"""Times that every answer is judged: training draws from so many. Their mean is off that of all
possible judgings by a part in 11 of the noise, of another sign for each answer."""
RECORDED_ONLY = (Needs.RATING, Needs.PROBABILITIES)
"""What a reward may need that flipped verdicts do not give."""


@dataclass(frozen=True, slots=True)
class JudgeNoise:
    """How a judge errs, and how often it does not answer."""

    met_to_not_PC: Floats | float = 0.0
    """Chance that a verdict "met" comes out as "not met"."""
    not_to_met_PC: Floats | float = 0.0
    missing: float = 0.0
    """Chance that a verdict is not to be had."""
    replicated: bool = False
    """Whether each verdict is drawn from those that the judge gave, where it gave several."""
    words: str = "the verdicts as recorded"

    @classmethod
    def of_flips(cls, rate: float, missing: float = 0.0) -> JudgeNoise:
        """Flip a share of the verdicts, met or not.

        Raises:
            ConfigError: A share is none.
        """
        for flag, share in (("--flip", rate), ("--missing", missing)):
            if not 0 <= share < 1:
                raise ConfigError(f"{flag} {share:g}: a share of the verdicts, from 0 to below 1")
        words = _words([f"{rate:.1%} of the verdicts flipped" if rate else ""], missing)
        return cls(rate, rate, missing, words=words)

    @classmethod
    def of_replicates(cls, groups: GroupedVerdicts, missing: float = 0.0) -> JudgeNoise:
        """Take what the judge said when it was asked more than once.

        A verdict given once is flipped at the rate that explains how often two verdicts on the
        same criterion differ: d = 2 e (1 - e).

        Raises:
            ConfigError: No criterion has two verdicts.
        """
        rate = flip_rate(groups.verdicts_RPGC)
        if rate is None:
            raise ConfigError(
                "--noise replicates: no criterion was judged twice; grade with replicates=2, or "
                "give an audit file or --flip RATE"
            )
        drawn = f"drawn from the judge's own replicates, which differ as {rate:.1%} of flips would"
        return cls(rate, rate, missing, True, _words([drawn], missing))

    @classmethod
    def of_rates(
        cls, sensitivity_PC: Floats, specificity_PC: Floats, source: str, missing: float = 0.0
    ) -> JudgeNoise:
        """Take the error rates of an audit; the recorded verdicts stand for the truth."""
        drawn = f"errors at the rates of {source}"
        return cls(1 - sensitivity_PC, 1 - specificity_PC, missing, words=_words([drawn], missing))

    @property
    def is_none(self) -> bool:
        """Whether every judging says the same."""
        most = max(float(np.max(self.met_to_not_PC)), float(np.max(self.not_to_met_PC)))
        return most == 0 and self.missing == 0 and not self.replicated

    def draw(self, groups: GroupedVerdicts, random: np.random.Generator) -> Floats:
        """Judge every answer once more, [P, G, C]."""
        verdicts, rows = groups.verdicts_PGC, groups.verdicts_RPGC
        may_flip: Bools | bool = True
        if self.replicated:
            verdicts, may_flip = _one_of(rows, random)
        chance = np.where(verdicts > 0.5, _wide(self.met_to_not_PC), _wide(self.not_to_met_PC))
        flips = may_flip & (random.random(verdicts.shape) < chance)
        other = OtherLevels.of(groups.levels_PCK, rows).draw(verdicts, random)
        drawn = np.where(flips, other, verdicts)
        if self.missing:
            drawn = np.where(random.random(verdicts.shape) < self.missing, np.nan, drawn)
        return drawn


def judged_anew(
    groups: GroupedVerdicts,
    rewards: Sequence[Reward],
    noise: JudgeNoise,
    *,
    seed: int,
    at_least: int = 0,
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Give every answer's reward under many judgings, [R, P, G], one judging without noise.

    All rewards see the same verdicts, so that they can be compared pair by pair. An answer that is
    judged anew stands by itself: no group is drawn yet, whose common criteria would count alone
    (`judges/rewards/compared.py`).

    Args:
        groups: The answers.
        rewards: The rewards.
        noise: How the judge errs.
        seed: Of the errors.
        at_least: Judgings that are needed, beyond `JUDGINGS`.

    Returns:
        Rewards by name, and why others could not be computed.
    """
    if noise.is_none:
        return {reward.name: groups.rewards(reward)[None] for reward in rewards}, {}
    judged = [reward for reward in rewards if reward.needs not in RECORDED_ONLY]
    left_out = {
        reward.name: f"noise changes verdicts, and this reward reads {reward.needs}"
        for reward in rewards
        if reward not in judged
    }
    group_N, answer_N = np.nonzero(groups.answered_PG)
    excluded = groups.excluded_RPGC
    rubrics = groups.rubric_PC.take(group_N).without(
        None if excluded is None else excluded[0][group_N, answer_N]
    )
    chars_N = None if groups.chars_PG is None else groups.chars_PG[group_N, answer_N]
    shape = (max(JUDGINGS, at_least), *groups.answered_PG.shape)
    found = {reward.name: np.full(shape, np.nan) for reward in judged}
    random = np.random.default_rng([seed, 1])
    with warnings.catch_warnings():
        # an answer may lose all its verdicts, of which numpy would warn in a user's own reward
        warnings.simplefilter("ignore", RuntimeWarning)
        for judging in range(shape[0]):
            verdicts_NC = noise.draw(groups, random)[group_N, answer_N]
            for reward in judged:
                values_N = evaluate(reward, verdicts_NC, rubrics, chars=chars_N)
                found[reward.name][judging, group_N, answer_N] = values_N
    return found, left_out


def mean_over_repeats(groups: GroupedVerdicts, reward: Reward) -> Floats:
    """Give the mean of a reward over the judge's verdicts and its repeats, [P, G]."""
    found = groups.replicate_rewards(reward)
    known = ~np.isnan(found)
    return ratio(np.where(known, found, 0.0).sum(0), known.sum(0).astype(np.float64))


def _one_of(rows_RPGC: Floats, random: np.random.Generator) -> tuple[Floats, Bools]:
    """Choose one of the verdicts that there are; and say where there is one alone."""
    known = ~np.isnan(rows_RPGC)
    n = known.sum(0)
    wanted = np.floor(random.random(n.shape) * n).astype(np.intp)
    rank = np.cumsum(known, axis=0) - 1
    is_it = known & (rank == wanted)
    chosen = np.where(is_it, rows_RPGC, 0.0).sum(0)
    return np.where(n > 0, chosen, np.nan), n < 2


def _wide(rate: Floats | float) -> Floats:
    """Give rates [P, C] an axis of answers."""
    array = np.asarray(rate, dtype=np.float64)
    return array[:, None] if array.ndim == 2 else array


def _words(parts: Sequence[str], missing: float) -> str:
    said = [part for part in (*parts, f"{missing:.1%} missing" if missing else "") if part]
    return ", ".join(said) or "the verdicts as recorded"
