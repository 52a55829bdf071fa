"""Does a judge say today what it said then: an anchor set asked again, against its own noise.

Two verdicts of one judge on one question may differ without any drift. Under no drift the earlier
verdict and today's are draws of one judge, so the earlier one differs from today's as often as two
of today's differ from each other; what is beyond that is the energy distance of the two days
(Székely and Rizzo 2013), which for verdicts of chance p then and q now is (p - q)^2 a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ...answer import GradedAnswer
from ...scoring.estimates import NOTHING, Estimate
from ...scoring.jackknife import LeftOut, rate, ratio_of
from ...scoring.plain_form import plain_fields
from ...scoring.rubric_arrays import Floats
from ...verdict import Verdict
from ..judge_audit import COMPARED, paired_figures
from ..labels import AuditTable, sums_by

TESTED = ("beyond", "balanced_f1", "sensitivity", "specificity")
"""Figures that can show a drift."""
N_TESTS = len(TESTED) + 1
"""How many share the 5 % (Bonferroni). One more than there are: intervals over few prompts miss the
truth a little more often than they say (docs/evidence/upkeep.md)."""

Said = Sequence[Verdict]
"""The verdicts on one question, by replicate."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A judge today beside the same judge at an earlier date, on the same questions."""

    since: str
    """The earlier day, as YYYY-MM-DD, UTC."""
    asked_on: str
    """The day it was asked again."""
    n: int
    """Questions with a verdict on both days."""
    n_missing: int
    """Questions that have one on the earlier day only."""
    n_new: int
    """Labelled questions without a verdict on the earlier day."""
    differ: Estimate
    """Share of the verdicts that differ between the days, over all pairs of replicates."""
    flips: Estimate
    """Share that differ between two replicates of today; None without replicates."""
    flips_before: Estimate
    """The same of the earlier day."""
    beyond: Estimate
    """`differ` less the flips of a day (of both, where both are known); None without replicates."""
    figures: Mapping[str, Estimate]
    """By the names in `judge_audit.COMPARED`: today minus then, paired over prompts."""
    shown_by: tuple[str, ...]
    """Those of `TESTED` that show a drift; empty where none does."""

    to_json = plain_fields


_Asked = tuple[int, Said, Said]
"""The prompt of a question, and what was said of it on both days."""


def drift_of(
    before: Sequence[GradedAnswer],
    now: Sequence[GradedAnswer],
    tables: tuple[AuditTable, AuditTable],
    days: tuple[str, str],
    asked: Sequence[Sequence[bool]],
) -> Drift:
    """Compare the verdicts of two days.

    Args:
        before: The answers with the verdicts of the earlier day; a missing one was not asked then.
        now: The same answers in the same order, with those of today.
        tables: Both beside the labels, each met or not met.
        days: The earlier one and today's.
        asked: By answer and criterion, whether it has a label: the others are left out.
    """
    prompts: dict[str, int] = {}
    rows: list[_Asked] = [
        (prompts.setdefault(today.example.prompt_id, len(prompts)), _said(then, n), _said(today, n))
        for then, today, labelled in zip(before, now, asked, strict=True)
        for n, has_label in enumerate(labelled)
        if has_label
    ]
    both = [(prompt, then, today) for prompt, then, today in rows if then and today]
    figures = paired_figures(*tables)
    beyond = _beyond(both)
    tested = {**figures, **({} if beyond is None else {"beyond": beyond})}
    return Drift(
        since=days[0],
        asked_on=days[1],
        n=len(both),
        n_missing=sum(not today for _, then, today in rows if then),
        n_new=sum(not then for _, then, _ in rows),
        differ=_rate([(prompt, _apart(then, today)) for prompt, then, today in both]),
        flips=_rate([(prompt, flips(today)) for prompt, _, today in both]),
        flips_before=_rate([(prompt, flips(then)) for prompt, then, _ in both]),
        beyond=NOTHING if beyond is None else beyond.estimate(),
        figures={name: figures[name].estimate() for name in COMPARED},
        shown_by=tuple(
            name for name in TESTED if name in tested and tested[name].is_not_zero(N_TESTS)
        ),
    )


def flips(said: Said) -> float | None:
    """Give the share of pairs of replicates that differ; None of fewer than two verdicts."""
    pairs = list(combinations(said, 2))
    return sum(_differ(*pair) for pair in pairs) / len(pairs) if pairs else None


def _said(answer: GradedAnswer, index: int) -> Said:
    rows = (answer.verdicts, *(answer.replicates or ()))
    return [row[index] for row in rows if not row[index].is_missing]


def _differ(one: Verdict, other: Verdict) -> bool:
    return (one.outcome, one.level) != (other.outcome, other.level)


def _apart(before: Said, now: Said) -> float:
    return sum(_differ(*pair) for pair in product(before, now)) / (len(before) * len(now))


def _rate(found: Sequence[tuple[int, float | None]]) -> Estimate:
    known = [(prompt, share) for prompt, share in found if share is not None]
    return rate(*_by_prompt(known)) if known else NOTHING


def _beyond(rows: Sequence[_Asked]) -> LeftOut | None:
    """Give how much more the days differ than a day does in itself, of questions asked twice."""
    found = []
    for prompt, then, today in rows:
        noise = [one for one in (flips(then), flips(today)) if one is not None]
        if flips(today) is not None:
            found.append((prompt, _apart(then, today) - sum(noise) / len(noise)))
    return ratio_of(*_by_prompt(found)) if found else None


def _by_prompt(found: Sequence[tuple[int, float]]) -> tuple[Floats, Floats]:
    """Sum values by prompt, and count them."""
    prompt_N = np.array([prompt for prompt, _ in found], dtype=np.intp)
    value_N = np.array([value for _, value in found], dtype=np.float64)
    n_prompts = int(prompt_N.max()) + 1
    sums_P = sums_by(prompt_N, value_N, n_prompts)
    return sums_P, sums_by(prompt_N, np.ones_like(value_N), n_prompts)
