"""Levels in a signal study: how often each is said, and what else a judge could have said.

Arrays hold the share of its points that a verdict counts; a share of a level is turned into another
level's, never into 1 less itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..rubric import Criterion, Rubric
from ..scoring.plain_form import plain_fields
from ..scoring.rubric_arrays import Floats

MANY_NA = 0.2
"""Share of a criterion's answers beyond which "does not apply" is worth a sentence."""
MIN_ANSWERS = 10
"""Verdicts on a criterion, below which its share says little."""
UNLIKE = 1e-9
"""Difference of two verdicts from which they are not the same."""


@dataclass(slots=True)
class LevelCount:
    """How often a judge names each level of a criterion, or says that it does not apply."""

    prompt_id: str
    """The first prompt that the criterion stands at; others may have the same one."""
    criterion: int
    """Its number there, from 1."""
    points: float
    counts: list[int]
    """Verdicts by level; of a criterion without levels not met, then met."""
    shares: list[float] = field(repr=False)
    """Share of the points of each."""
    n_na: int = 0
    n_missing: int = 0

    @property
    def n(self) -> int:
        """Count the verdicts."""
        return sum(self.counts) + self.n_na

    @property
    def na_share(self) -> float:
        """Share of the verdicts that it does not apply; 0 without a verdict."""
        return self.n_na / self.n if self.n else 0.0

    @property
    def mean_share(self) -> float | None:
        """Mean share of its points where it applies; None where it never did."""
        n = sum(self.counts)
        return sum(c * s for c, s in zip(self.counts, self.shares, strict=True)) / n if n else None

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        plain = plain_fields(self)
        return {**plain, "mean_share": self.mean_share, "na_share": self.na_share}


def count_levels(graded: Iterable[GradedAnswer]) -> tuple[LevelCount, ...]:
    """Count the first verdicts on every criterion that has levels or may not apply.

    The same criterion at several prompts is counted once, told by its text, points and levels.
    """
    found: dict[Criterion, LevelCount] = {}
    for answer in graded:
        rubric = answer.example.rubric
        if rubric.is_plain:
            continue
        for place, (criterion, verdict) in enumerate(
            zip(rubric.criteria, answer.verdicts, strict=True)
        ):
            if not criterion.levels and criterion.na is None:
                continue
            if criterion not in found:
                found[criterion] = _nothing(answer.example.prompt_id, place + 1, criterion)
            count = found[criterion]
            level = verdict.level if criterion.levels else verdict.met
            if level is not None:
                count.counts[int(level)] += 1
            count.n_na += verdict.is_na
            count.n_missing += verdict.is_missing
    return tuple(found.values())


def _nothing(prompt_id: str, number: int, criterion: Criterion) -> LevelCount:
    if criterion.levels:
        shares = [criterion.share(level) for level in range(len(criterion.levels))]
    else:
        shares = [0.0, 1.0] if criterion.counts_when_met else [1.0, 0.0]
    return LevelCount(prompt_id, number, criterion.points, [0] * len(shares), shares)


def level_shares(rubrics: Sequence[Rubric], n_criteria: int) -> Floats | None:
    """Give the shares of the levels of each criterion, [P, C, K]; None where none has levels.

    NaN beyond the last level, and of criteria that are met or not met.
    """
    most = max((len(c.levels) for rubric in rubrics for c in rubric.criteria), default=0)
    if not most:
        return None
    shares_PCK = np.full((len(rubrics), n_criteria, most), np.nan)
    for row, rubric in enumerate(rubrics):
        for column, criterion in enumerate(rubric.criteria):
            for level in range(len(criterion.levels)):
                shares_PCK[row, column, level] = criterion.share(level)
    return shares_PCK


@dataclass(frozen=True, slots=True)
class OtherLevels:
    """Draws another verdict than the one given: of levels, as the judge's own repeats differ."""

    shares_PCK: Floats | None
    """As `level_shares` gives them."""
    chances: dict[int, Floats]
    """By number of levels: chance of each other level, [K, K], given the one that was said."""

    @classmethod
    def of(cls, shares_PCK: Floats | None, rows_RPGC: Floats) -> OtherLevels:
        """Learn how repeats differ; each other level is as likely where there are none.

        Args:
            shares_PCK: Of the levels; None where all is met or not met.
            rows_RPGC: The verdicts and their repeats.
        """
        if shares_PCK is None:
            return cls(None, {})
        chances = {}
        n_PC = (~np.isnan(shares_PCK)).sum(-1)
        for n_levels in np.unique(n_PC[n_PC > 0]).tolist():
            counts = np.zeros((n_levels, n_levels))
            at_P, at_C = np.nonzero(n_PC == n_levels)
            said = rows_RPGC[:, at_P, :, at_C]  # [X, R, G]
            level_XRG = _level_of(said, shares_PCK[at_P, at_C, None, None, :n_levels])
            for one, other in permutations(range(said.shape[1]), 2):
                both = ~np.isnan(said[:, one]) & ~np.isnan(said[:, other])
                np.add.at(counts, (level_XRG[:, one][both], level_XRG[:, other][both]), 1.0)
            np.fill_diagonal(counts, 0.0)
            none = counts.sum(1) == 0
            counts[none] = 1.0 - np.eye(n_levels)[none]
            chances[n_levels] = counts / counts.sum(1, keepdims=True)
        return cls(shares_PCK, chances)

    def draw(self, verdicts_PGC: Floats, random: np.random.Generator) -> Floats:
        """Give another verdict for each one, [P, G, C]; NaN where there is none."""
        other = 1.0 - verdicts_PGC
        if self.shares_PCK is None:
            return other
        n_PC = (~np.isnan(self.shares_PCK)).sum(-1)
        for n_levels, chance in self.chances.items():
            at_P, at_C = np.nonzero(n_PC == n_levels)
            said_XG = verdicts_PGC[at_P, :, at_C]
            shares_XK = self.shares_PCK[at_P, at_C, :n_levels]
            level_XG = _level_of(said_XG, shares_XK[:, None])
            new_XG = 1 - level_XG  # of two there is one other: no draw, as of met and not met
            if n_levels > 2:
                drawn = random.random(said_XG.shape)[..., None] > chance[level_XG].cumsum(-1)
                new_XG = np.minimum(drawn.sum(-1), n_levels - 1)
            value_XG = np.take_along_axis(shares_XK, new_XG, 1)
            other[at_P, :, at_C] = np.where(np.isnan(said_XG), np.nan, value_XG)
        return other


def _level_of(said: Floats, shares: Floats) -> NDArray[np.intp]:
    """Find the level of each share; 0 where there is none."""
    away = np.abs(np.where(np.isnan(said), 0.0, said)[..., None] - shares)
    found: NDArray[np.intp] = away.argmin(-1)
    return found


def flip_rate(rows_R: Floats) -> float | None:
    """Give the rate of flips by which two verdicts on a criterion differ as often as they do.

    Two verdicts that each flip with the chance e from what the judge means differ with the chance
    d = 2 e (1 - e), so that e = (1 - sqrt(1 - 2 d)) / 2; 1/2 where d is as large. What the judge
    gets wrong twice alike is not seen.

    Args:
        rows_R: The verdicts and their repeats, the repeats along the first axis.

    Returns:
        None where no criterion has two verdicts.
    """
    n = (~np.isnan(rows_R)).sum(0)
    pairs = float((n * (n - 1)).sum())
    if not pairs:
        return None
    # two verdicts that are both there and differ, whatever levels they name
    unlike = sum(float((np.abs(a - b) > UNLIKE).sum()) for a, b in combinations(rows_R, 2))
    differ = min(2 * unlike / pairs, 0.5)
    return float((1 - np.sqrt(1 - 2 * differ)) / 2)
