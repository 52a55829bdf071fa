"""The whole signal study of some rewards on some verdicts, as one value.

Every number is measured on the verdicts that are given. What they cannot tell is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..scoring.estimates import Estimate
from ..scoring.plain_form import plain_form
from ..scoring.rubric_arrays import Floats
from .advantages import Scale, TermEffect
from .agreement import FlipEffect, PairAgreement
from .criteria import CriterionStudy, CriterionSummary, PenaltyLeverage
from .dead_groups import DeadGroups, PromptToDrop
from .gold import GoldStudy
from .groups import GroupedVerdicts
from .levels import LevelCount
from .variance import VarianceSplit

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class Topic(StrEnum):
    """What a sentence answers."""

    SIGNAL = "signal"
    REWARD = "reward"
    SCALE = "scale"
    REPLICATES = "replicates"
    PROMPTS = "prompts"
    TERMS = "terms"
    CAUTION = "caution"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One finding."""

    topic: Topic
    text: str
    table: str
    """The table that holds its numbers: a key of the study's plain form."""
    values: Mapping[str, float | None]
    """The numbers it was written from."""


@dataclass(frozen=True, slots=True)
class RewardSummary:
    """The distribution of one reward over answers."""

    reward: str
    needs: str
    range: tuple[float, float]
    n: int
    n_none: int
    """Answers without this reward, for want of verdicts."""
    mean: Estimate
    effective_n: float | None
    """Independent answers that would tell the mean as well: answers to one prompt are alike."""
    sd: float
    spread: float
    """Mean over groups of the standard deviation within."""
    quantiles: tuple[float, ...]
    """At `QUANTILES`."""


@dataclass(frozen=True, slots=True)
class ScaleSummary:
    """What one scaling makes of one reward."""

    reward: str
    scale: Scale
    effective_answers: float
    """Answers that carry the gradient: (sum |A|)^2 / sum A^2."""
    effective_share: float
    """Of the answers rewarded."""
    low_spread_weight: float | None
    """Share of sum A^2 held by the quarter of the live groups with the least spread: near .25
    where a small difference counts as much as a large one."""
    replicate_correlation: Estimate
    """Of the advantages from two independent verdicts: measured reliability, the square of the
    fidelity. None without replicates."""
    gold_correlation: Estimate
    """With the advantages of the score under the gold judge, scaled alike; None without gold."""


@dataclass(frozen=True, slots=True)
class SignalStudy:
    """Everything the study found."""

    n_groups: int
    n_prompts: int
    n_answers: int
    n_verdicts: int
    n_missing: int
    """Criteria of answers without a verdict."""
    n_replicates: int
    n_left_out: int
    n_repeated: int
    sizes: Mapping[int, int]
    """Groups by number of answers."""
    criteria_median: float
    scales: tuple[Scale, ...]
    rewards: tuple[RewardSummary, ...]
    skipped: Mapping[str, str]
    """Rewards that could not be computed, and why."""
    dead: tuple[DeadGroups, ...]
    identical: float
    """Share of groups with identical verdicts."""
    identical_but_for_p: float | None
    """Share of those in which P(met) differs between answers; None where no verdict carries one, or
    there is no such group."""
    variance: tuple[VarianceSplit, ...]
    by_scale: tuple[ScaleSummary, ...]
    batch_groups: int
    """Groups in a batch of the training that `batch_agreement` is for."""
    batch_agreement: Mapping[str, float | None]
    """Of each reward's advantages under `none` and under `batch` at so many groups a batch."""
    gold: GoldStudy | None
    """Rewards held against a better judge, under the first scale; None without its verdicts."""
    terms: tuple[TermEffect, ...]
    pairs: tuple[PairAgreement, ...]
    flips: tuple[FlipEffect, ...]
    survival: Mapping[float, float]
    """Chance that a perfect answer to a rubric is seen as such, by share of wrong verdicts: the
    mean over rubrics of (1 - e)^n."""
    criteria: tuple[CriterionSummary, ...]
    leverage: tuple[PenaltyLeverage, ...]
    drop: tuple[PromptToDrop, ...]
    levels: tuple[LevelCount, ...]
    """How often each level is said; not in the plain form where all is met or not met."""
    arrays: StudyArrays
    """For figures; not part of the plain form."""
    words: tuple[Sentence, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the plain form: every table, NaN and infinities as None."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain: dict[str, object] = plain_form({**named, "arrays": None, "levels": None})
        del plain["arrays"], plain["levels"]
        return plain | ({"levels": [one.to_json() for one in self.levels]} if self.levels else {})


@dataclass(frozen=True, slots=True)
class StudyArrays:
    """Arrays behind the tables."""

    groups: GroupedVerdicts
    rewards: Mapping[str, Floats]
    """[P, G] by name."""
    advantages: Mapping[str, Mapping[Scale, Floats]]
    """[P, G] by name and scale."""
    criteria: CriterionStudy
