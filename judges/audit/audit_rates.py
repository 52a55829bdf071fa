"""A judge's error rates by kind of criterion, from an audit file (`rubricbeat audit --output`).

A kind is a category and a polarity: a judge that overlooks what is good may see what is bad where
there is none, and in a score the two add up. A category on which the judge is well told from chance
has rates of its own; the others of its family (`cluster:`, `axis:`) take those of a pool of them,
and families without labels enough a pool of what remains of their polarity, never one that still
holds those with rates of their own. A kind that the audit holds no label of has no rates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.streams import bytes_of
from ..errors import DataError
from ..rubric import Polarity
from ..scoring.rubric_arrays import Floats
from .error_rates import MET_OR_NOT, MIN_ABOVE_CHANCE, ErrorRates, Stratum
from .labels import UNEQUAL, UNTAGGED

SEED = 1234
MIN_OWN_YOUDEN = 0.3
"""Lower end of specificity and sensitivity less 1, from which a category has rates of its own: to
divide by less costs more precision than the split is worth. On halves of 220 prompts graded by a
weak judge, rates of every category gave intervals 1.2 to 3 times as wide as those of families."""
MAX_UNSEEN_SHARE = 0.1
"""Of a run's verdicts, that may be of categories without a label in an audit that knows their
family: another half of the same prompts holds some. With more it is another population."""


@dataclass(frozen=True, slots=True)
class AuditRates:
    """What an audit file says of a judge's errors."""

    by_stratum: Mapping[Stratum, ErrorRates]
    """Rates of every kind that the audit holds labels of: its own, or those of its pool."""
    by_family: Mapping[Stratum, ErrorRates]
    """Rates of all labels of a family and polarity: for categories that the audit has none of."""
    pooled: frozenset[Stratum]
    """Kinds that take the rates of a pool."""
    judge: str
    """Name and model."""
    digest: str
    """Of the audited judge; empty where the file does not say."""
    path: str
    passes: Mapping[str, ErrorRates] = field(default_factory=dict)
    """Of whole answers, by pass rule; empty where the audit's labels are of single criteria."""
    n_na: int = 0
    """Pairs in which judge or label says that a criterion does not apply."""

    @property
    def has_categories(self) -> bool:
        """Whether the audit tells categories apart; else kinds are polarities alone."""
        return {stratum.category for stratum in self.by_stratum} != {UNTAGGED}

    def key_of(self, stratum: Stratum) -> Stratum:
        """Give the kind whose rates a run's kind takes."""
        return stratum if self.has_categories else replace(stratum, category=UNTAGGED)

    def rates_of(self, stratum: Stratum, *, may_be_unseen: bool = False) -> ErrorRates:
        """Give the rates that hold for a kind; refused ones where the audit says nothing of it.

        Args:
            stratum: The kind.
            may_be_unseen: Take its family's rates where the audit has no label of its category.
        """
        found = self.by_stratum.get(self.key_of(stratum))
        if found is None and may_be_unseen:
            found = self.by_family.get(stratum.family)
        return found or ErrorRates.unknown("the audit has no label of that kind")

    def has_seen(self, stratum: Stratum) -> bool:
        """Whether the audit holds a label of that kind."""
        return self.key_of(stratum) in self.by_stratum

    def fault_for(self, digest: str | None) -> str | None:
        """Say why the audit does not fit a run's judge; None where it does or nothing is known."""
        if not self.digest or not digest or self.digest == digest:
            return None
        return f"the audit is of another judge ({self.judge}, {self.digest[:12]})"


def read_audit_rates(path: Path, *, seed: int = SEED) -> AuditRates:
    """Read the error rates from an audit file.

    Raises:
        DataError: The file is no audit that carries its counts.
    """
    try:
        whole = json.loads(bytes_of(path))
        judge, audit = whole["judge"], whole["audit"]
        if (whole.get("labels") or {}).get("chances") == "unequal":
            raise DataError(f"{path}: {UNEQUAL}; correct by the labels themselves (--labels)")
        if "strata" not in audit and "cells" in audit:
            raise DataError(
                f"{path}: an audit of an older version, which ignored the sign of the points; run "
                "rubricbeat audit --output FILE again (stored verdicts cost nothing)"
            )
        cells = _cells_by_stratum(audit["strata"])
        na = (audit.get("not_applicable") or {}).get("counts") or {}
        n_na = round(sum(float(na[side]) for side in ("both", "judge", "label") if side in na))
        passes = {
            rule: _rates(
                np.array(rows, dtype=np.float64), seed, classes=("answers that pass", "that do not")
            )
            for rule, rows in (audit.get("pass_cells") or {}).items()
        }
        name = " ".join(str(judge[key]) for key in ("name", "model") if judge.get(key))
        digest = str(judge.get("digest") or "")
        by_stratum, pooled = rates_by_stratum(cells, seed=seed)
        by_family = rates_by_family(cells, seed=seed)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: not an audit with its counts ({type(error).__name__}: {error}); "
            "'rubricbeat audit --output FILE' writes one"
        ) from error
    return AuditRates(
        by_stratum, by_family, pooled, name or "unnamed", digest, str(path), passes, n_na
    )


def rates_by_family(cells: Mapping[Stratum, Floats], *, seed: int) -> dict[Stratum, ErrorRates]:
    """Give the rates of all labels of each family and polarity."""
    families: dict[Stratum, list[Floats]] = {}
    for stratum, cells_PK in cells.items():
        families.setdefault(stratum.family, []).append(cells_PK)
    return {
        family: _rates(np.sum(found, axis=0), seed, family.n_levels)
        for family, found in families.items()
    }


def rates_by_stratum(
    cells: Mapping[Stratum, Floats], *, seed: int
) -> tuple[dict[Stratum, ErrorRates], frozenset[Stratum]]:
    """Give each kind its own rates where its labels carry them, else those of its pool.

    A kind on which the judge is shown to be at chance is refused: a pool would hide it, for a judge
    can be good on average and blind to one kind.

    Args:
        cells: Counts by prompt over the same prompts of each kind: [P, 4] in the order of
            `agreement.CELLS`, or [P, K * K] of K levels.
        seed: Of the bootstrap; all kinds share its draws, so that errors of one prompt go together.

    Returns:
        The rates, and the kinds that take a pool's.
    """
    found: dict[Stratum, ErrorRates] = {}
    pooled: set[Stratum] = set()
    order = {polarity: place for place, polarity in enumerate(Polarity)}
    for alike in sorted({s.pool for s in cells}, key=lambda one: (order[one[0]], *one[1:])):
        members = {s: cells_PK for s, cells_PK in cells.items() if s.pool == alike}
        for pool, rates in _pools(members, seed):
            found |= dict.fromkeys(pool, rates)
            pooled |= set(pool) if len(pool) > 1 else set()
    return found, frozenset(pooled)


def _stands_alone(rates: ErrorRates) -> bool:
    """Whether a kind is well told from chance, or shown to be at it: no pool may hide that."""
    well_told = rates.youden_end(0.025) >= MIN_OWN_YOUDEN
    return well_told or rates.youden_end(0.975) <= MIN_ABOVE_CHANCE


_Pool = tuple[list[Stratum], ErrorRates]


def _pools(cells: Mapping[Stratum, Floats], seed: int) -> list[_Pool]:
    """Put the kinds of one polarity into pools, as fine as their labels carry."""

    def pool(members: Sequence[Stratum]) -> _Pool:
        summed = np.sum([cells[one] for one in members], axis=0)
        return list(members), _rates(summed, seed, members[0].n_levels)

    kept: list[_Pool] = []
    families: dict[Stratum, list[Stratum]] = {}
    for stratum in cells:
        _, rates = alone = pool([stratum])
        if rates.has_enough and _stands_alone(rates):
            kept.append(alone)
        else:
            families.setdefault(stratum.family, []).append(stratum)
    pools = [pool(members) for members in families.values()]
    good = [one for one in (*kept, *pools) if one[1].refused is None]
    rest = [one for members, rates in pools if rates.refused is not None for one in members]
    kept = [one for one in kept if one[1].refused is not None]
    # what cannot be told by itself is told together with what the judge is nearly as bad at
    good.sort(key=lambda one: one[1].youden)
    last = [pool(rest)] if rest else []
    while last and last[0][1].refused is not None and good:
        last = [pool([*last[0][0], *good.pop(0)[0]])]
    return [*kept, *good, *last]


def _rates(
    cells_PK: Floats, seed: int, n_levels: int = 2, classes: tuple[str, ...] = MET_OR_NOT
) -> ErrorRates:
    if cells_PK.size == 0:
        cells_PK = np.zeros((1, n_levels**2))  # nothing was counted: refused, with its reason
    if cells_PK.ndim != 2 or cells_PK.shape[1] != n_levels**2 or not (cells_PK >= 0).all():
        raise ValueError(f"the counts are not rows of {n_levels**2}")
    return ErrorRates.of(cells_PK, seed=seed, classes=classes)


def _cells_by_stratum(strata: Sequence[Mapping[str, Any]]) -> dict[Stratum, Floats]:
    rows = []
    for one in strata:
        width = 1 + int(one.get("n_levels") or 2) ** 2
        if any(len(row) != width for row in one["cells"]):
            raise ValueError(f"a row of counts is not a prompt and {width - 1} counts")
        rows.append(np.array(one["cells"], dtype=np.float64).reshape(-1, width))
    if any((found < 0).any() for found in rows):
        raise ValueError("a count is below 0")
    n_prompts = 1 + max((int(found[:, 0].max(initial=0)) for found in rows), default=0)
    cells = {}
    for one, found in zip(strata, rows, strict=True):
        dense = np.zeros((n_prompts, found.shape[1] - 1))
        np.add.at(dense, found[:, 0].astype(np.intp), found[:, 1:])
        stratum = Stratum(
            str(one["category"]),
            Polarity(one["polarity"]),
            round((found.shape[1] - 1) ** 0.5),
            str(one.get("choices") or ""),
        )
        cells[stratum] = dense
    return cells
