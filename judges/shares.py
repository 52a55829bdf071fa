"""What a verdict is worth under its criterion: the share of the criterion's points that counts.

The one place where verdicts become numbers, for arrays (`scoring/verdict_table.py`) as for samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from .rubric import Criterion, NaRule, Rubric
from .verdict import Outcome, Verdict

EXCLUDED = math.inf
"""Value of a criterion that does not apply and counts nowhere."""


def suited(verdict: Verdict, criterion: Criterion) -> Verdict:
    """Give a verdict as its criterion allows it; one that it does not allow is no verdict.

    Of two levels, "not met" is the first and "met" the second.
    """
    n_levels = len(criterion.levels)
    if verdict.outcome is Outcome.LEVEL:
        if not n_levels:
            return _unread(verdict, "the criterion has no levels")
        if type(verdict.level) is not int or not 0 <= verdict.level < n_levels:
            return _unread(verdict, f"level {verdict.level} is none of 0 to {n_levels - 1}")
        if verdict.probability is not None:  # P(met) says nothing of levels
            verdict = replace(verdict, probability=None)
        chances = verdict.level_probabilities
        if chances is not None and not _are_chances(chances, n_levels):
            return replace(verdict, level_probabilities=None)
        return verdict
    if verdict.level is not None or verdict.level_probabilities is not None:
        verdict = replace(verdict, level=None, level_probabilities=None)
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        return verdict if criterion.na else _unread(verdict, "it may not be called not applicable")
    if n_levels and not verdict.is_missing:
        if n_levels != 2:
            return _unread(verdict, f"the criterion has {n_levels} levels")
        met = verdict.met is True
        p = verdict.probability
        return replace(
            verdict,
            outcome=Outcome.LEVEL,
            level=int(met),
            probability=None,
            level_probabilities=None if p is None else (1.0 - p, p),
        )
    return verdict


def value_of(verdict: Verdict, criterion: Criterion) -> float:
    """Give a verdict as the arrays hold it.

    1 met, 0 not met, the share of its points for a level, `EXCLUDED` where it counts nowhere, NaN
    where nothing is known.
    """
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        if criterion.na is NaRule.EXCLUDED:
            return EXCLUDED
        return _value(0.0, criterion) if criterion.na is NaRule.MISSED else math.nan
    if verdict.outcome is Outcome.LEVEL:
        if verdict.level is None or not 0 <= verdict.level < len(criterion.levels):
            return math.nan
        return criterion.share(verdict.level)
    return math.nan if verdict.met is None else float(verdict.met)


def expected_value(verdict: Verdict, criterion: Criterion) -> float | None:
    """Give P(met), or the expected share of a level's points; None where the judge gave neither."""
    chances = verdict.level_probabilities
    if chances is None or len(chances) != len(criterion.levels):
        return verdict.probability
    return sum(p * criterion.share(level) for level, p in enumerate(chances))


def counted_shares(rubric: Rubric, verdicts: Sequence[Verdict]) -> list[float | None]:
    """Give the share of each criterion's points that an answer counts; None where it has none.

    Requirements are applied: what does not count has share 0. Points times shares add up to the
    answer's net points, before any gate.
    """
    if all(c.requires is None and not c.levels and c.na is None for c in rubric.criteria):
        return [
            None if v.met is None else _value(float(v.met), c)
            for c, v in zip(rubric.criteria, verdicts, strict=True)
        ]
    values = values_of(rubric, verdicts)

    def share(place: int) -> float | None:
        if _is_excluded(rubric, values, place):
            return None
        counts, value = does_count(rubric, values, place), values[place]
        if counts is False:
            return 0.0
        own = None if math.isnan(value) else _value(value, rubric.criteria[place])
        return own if counts or own == 0.0 else None

    return [share(place) for place in range(len(rubric))]


def values_of(rubric: Rubric, verdicts: Sequence[Verdict]) -> list[float]:
    """Give the verdicts of an answer as the arrays hold them (`value_of`)."""
    return [value_of(v, c) for v, c in zip(verdicts, rubric.criteria, strict=True)]


def does_count(rubric: Rubric, values: Sequence[float], place: int) -> bool | None:
    """Say whether what a criterion requires is met, and itself counts.

    None where that is unknown, or does not apply.

    Args:
        rubric: Whose criterion it is.
        values: Of an answer, by `values_of`.
        place: Position of the criterion in the rubric.
    """
    needs = rubric.criteria[place].requires
    if needs is None:
        return True
    at = rubric.place_of(needs.id)
    is_met = None
    if math.isfinite(values[at]):
        is_met = values[at] >= needed_value(rubric.criteria[at], needs.level)
    both = (is_met, does_count(rubric, values, at))
    return False if False in both else None if None in both else True


def is_closed(rubric: Rubric, values: Sequence[float], place: int) -> bool | None:
    """Say whether a criterion's gate closes, None where it is unknown.

    The gate of a criterion that does not count, or does not apply, stays open. The same in arrays
    is `RubricArrays.caps`.
    """
    criterion, value = rubric.criteria[place], values[place]
    counts = does_count(rubric, values, place)
    if counts is False or _is_excluded(rubric, values, place):
        return False
    if math.isnan(value):
        return None
    share, closing = _value(value, criterion), closing_share(criterion)
    closes = share < closing if criterion.points > 0 else share > closing
    return closes if counts or not closes else None


def needed_value(criterion: Criterion, level: int | None) -> float:
    """Give the least value of a criterion, as the arrays hold it, at which a requirement holds."""
    if not criterion.levels:
        return 0.5
    if level is None:
        return _below(1.0, criterion)
    return _below(criterion.share(level), criterion)


def closing_share(criterion: Criterion) -> float:
    """Give the share between which a criterion's gate closes and stays open.

    It closes below it where the criterion earns points, above it where it costs them.
    """
    if not criterion.levels:
        return 0.5
    assert criterion.gate is not None
    place = criterion.gate.level
    shares = sorted({criterion.share(i) for i in range(len(criterion.levels))})
    if criterion.points < 0:  # the worst is the highest share
        at = max(shares) if place is None else criterion.share(place)
        better = [share for share in shares if share < at]
        return (at + max(better)) / 2 if better else at - 1.0
    at = min(shares) if place is None else criterion.share(place)
    better = [share for share in shares if share > at]
    return (at + min(better)) / 2 if better else at + 1.0


def _is_excluded(rubric: Rubric, values: Sequence[float], place: int) -> bool:
    """Say whether a criterion, or one that it requires, counts nowhere."""
    needs = rubric.criteria[place].requires
    return values[place] == EXCLUDED or (
        needs is not None and _is_excluded(rubric, values, rubric.place_of(needs.id))
    )


def _below(share: float, criterion: Criterion) -> float:
    """Give the middle between a level's share and the next one below it."""
    lower = [s for i in range(len(criterion.levels)) if (s := criterion.share(i)) < share]
    return (share + max(lower)) / 2 if lower else share - 1.0


def _value(share: float, criterion: Criterion) -> float:
    """Turn a share of points into the value of a verdict, or back: the same where they agree."""
    return share if criterion.counts_when_met else 1.0 - share


def _are_chances(chances: Sequence[float], n_levels: int) -> bool:
    return (
        len(chances) == n_levels
        and all(0.0 <= p <= 1.0 for p in chances)
        and abs(sum(chances) - 1.0) < 1e-3
    )


def _unread(verdict: Verdict, why: str) -> Verdict:
    return replace(
        verdict,
        outcome=Outcome.UNPARSEABLE,
        probability=None,
        level=None,
        level_probabilities=None,
        explanation=f"{why}; the judge said: {verdict.explanation}"[:2_000],
    )
