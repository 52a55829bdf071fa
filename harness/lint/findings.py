"""What a finding of the lint is, and the report they make."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum


class LintRule(StrEnum):
    """What a finding is about."""

    NO_POSITIVE = "no-positive-points"
    LONE_PITFALL = "lone-pitfall"
    LEVERAGE = "penalty-leverage"
    COMPOUND = "compound"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    SIGN_WORDING = "sign-and-wording"
    VAGUE = "vague"
    LONG = "long-rubric"
    SINGLE = "single-criterion"
    NEVER_MET = "never-met"
    ALWAYS_MET = "always-met"
    LEVEL_ORDER = "levels-unordered"
    LEVEL_SAME = "levels-overlap"
    LEVEL_FLOOR = "no-zero-level"
    LEVEL_UNREACHED = "level-unreached"
    SCALES = "same-text-other-scale"
    GATE_CLOSED = "gate-always-closed"
    GATE_IDLE = "gate-without-effect"
    REQUIRED_NEVER = "requirement-never-met"
    NOT_APPLICABLE = "mostly-not-applicable"
    REFERENCE_SHOWN = "reference-in-prompt"


ADVICE = {
    LintRule.NO_POSITIVE: "no criterion has positive points, so the HealthBench score is undefined",
    LintRule.LONE_PITFALL: "the rubric's only negative criterion: it alone decides the penalty of "
    "the rewards hybrid and complexity, whatever its points",
    LintRule.LEVERAGE: "a negative criterion that outweighs all positive points together",
    LintRule.COMPOUND: "several demands in one criterion, met only if all are; split it",
    LintRule.DUPLICATE: "the same criterion twice: paid for twice and counted twice",
    LintRule.CONTRADICTION: "two criteria of one rubric that cannot both be earned",
    LintRule.SIGN_WORDING: "the wording contradicts the polarity; set 'polarity' explicitly",
    LintRule.VAGUE: "too vague for a judge to check",
    LintRule.LONG: "a long rubric: each criterion costs a judge call and may be judged wrongly",
    LintRule.SINGLE: "a single criterion: a group has a learning signal only where answers "
    "differ in it",
    LintRule.NEVER_MET: "no answer meets it: it costs calls and gives no learning signal",
    LintRule.ALWAYS_MET: "every answer meets it: it costs calls and gives no learning signal",
    LintRule.LEVEL_ORDER: "points go up and down along an ordinal scale; reorder the levels, or "
    "set scale: nominal",
    LintRule.LEVEL_SAME: "two levels with the same text, or with the same points on an ordinal "
    "scale",
    LintRule.LEVEL_FLOOR: "no level is worth 0 points or has the other sign, so every answer earns "
    "or loses points",
    LintRule.LEVEL_UNREACHED: "no answer reaches the level: unclear, impossible, or not needed",
    LintRule.SCALES: "the same question on two scales: a judge may answer them differently",
    LintRule.GATE_CLOSED: "the gate caps every answer, so the rest of the rubric hardly counts",
    LintRule.GATE_IDLE: "a gate with a cap of 1 or more never applies: no score is above 1",
    LintRule.REQUIRED_NEVER: "no answer meets what it requires, so it never counts",
    LintRule.NOT_APPLICABLE: "does not apply in more than half of the verdicts",
    LintRule.REFERENCE_SHOWN: "the prompt contains the reference, so the model sees it too",
}
"""What each finding means: printed beside it, listed in docs/signal.md."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing to look at."""

    rule: LintRule
    prompt_id: str
    criteria: tuple[int, ...]
    """Positions in the rubric, from 0; empty where the whole rubric is meant."""
    detail: str = ""
    """Numbers, never a criterion's text."""


@dataclass(frozen=True, slots=True)
class LintReport:
    """What a set of rubrics looks like."""

    n_rubrics: int
    n_criteria: int
    criteria_median: float
    negative_share: float
    """Share of the criteria with negative points."""
    negative_points_share: float
    """Share of the absolute points that are negative."""
    without_negative: float
    """Share of the rubrics without a negative criterion."""
    findings: tuple[LintFinding, ...]
    polarity: str | None
    """That it looks reversed, by graded reference answers; None where nothing says so."""

    @property
    def counts(self) -> dict[LintRule, int]:
        """Count findings by rule, in the order of the rules."""
        found = Counter(finding.rule for finding in self.findings)
        return {rule: found[rule] for rule in LintRule if found[rule]}

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        advice = {rule: ADVICE[rule] for rule in self.counts}
        return {**asdict(self), "counts": self.counts, "advice": advice}
