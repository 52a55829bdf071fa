"""How often each criterion is passed, model by model: one by one, and by tag.

Missing verdicts, and those that say "does not apply", are in no rate; they are counted beside.
Axes: M models, K cells (a criterion of a prompt), J entries (a cell in a row), U rows by prompt, R
rows, P prompts of the report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...judges.rubric import Polarity
from ...judges.scoring.bootstrap import ClusteredColumns
from ...judges.scoring.estimates import MIN_PROMPTS, Estimate, estimate_of
from ...judges.scoring.points import ratio
from ...judges.scoring.rubric_arrays import Floats
from .criterion_cells import CRITERION, Cells, Codes
from .measures import Measured
from .paired import difference_tests

MAX_ROWS = 100
"""Rows of one group that are kept: those with the largest differences."""


@dataclass(frozen=True, slots=True)
class PassCell:
    """How often one model passes the criteria of one row."""

    rate: Estimate
    """Mean over verdicts in [0, 1], its interval clustered on prompts; None without a verdict."""
    n: int
    """Verdicts in the rate."""
    n_missing: int
    n_na: int
    """Verdicts that say the criterion does not apply."""


@dataclass(frozen=True, slots=True)
class PassDifference:
    """What two models pass differently, over the prompts on which both have a verdict."""

    this: int
    """Position among the models."""
    other: int
    difference: Estimate
    """Mean over prompts of (this rate - the other), in [-1, 1]."""
    n_prompts: int
    n_gained: int
    """Criteria of prompts that this model passes more often than the other: with one answer each,
    those that this one passes and the other does not."""
    n_lost: int
    """The other way round."""


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One criterion, or all criteria under one tag."""

    key: str
    """Ten hexadecimal digits of kind and name: the same in every report."""
    kind: str
    """`criterion`, or the prefix of a tag."""
    name: str
    """The criterion's text, or the whole tag. Untrusted text."""
    wanted: bool
    """False of a criterion that is passed by not being met."""
    n_prompts: int
    cells: tuple[PassCell, ...]
    """One for each model, in the order of the report."""
    change: PassDifference | None
    """Of two models: the pair of the report, else the two that lie farthest apart (with a baseline,
    the model farthest from it); None of one model, or where the two share no prompt."""


@dataclass(frozen=True, slots=True)
class CriteriaGroup:
    """The rows of one kind: of ten prompts and more first, then by the size of the difference.

    Of one model, those that are passed least often come first.
    """

    kind: str
    rows: tuple[CriterionRow, ...]
    n_rows: int
    """With those past `MAX_ROWS`, which are not kept."""


def criteria_of(
    measured: Sequence[Measured], *, has_baseline: bool = False
) -> tuple[CriteriaGroup, ...]:
    """Give every group of criteria that has a row: single criteria, then tags.

    Where most criteria stand in one prompt, and none in ten, single criteria come last.

    Args:
        measured: The models; the baseline first where there is one.
        has_baseline: Compare each with the first, instead of the highest with the lowest.
    """
    cells = Cells.of(measured)
    kinds = sorted({kind for kind, _ in cells.members}, key=_kind_order)
    groups = [_group(cells, kind, has_baseline) for kind in kinds]
    n_prompts = sorted(row.n_prompts for row in groups[0].rows) if groups else []
    if n_prompts and n_prompts[len(n_prompts) // 2] < 2 and n_prompts[-1] < MIN_PROMPTS:
        # each prompt has criteria of its own: its tags say more than a single verdict
        groups.append(groups.pop(0))
    return tuple(groups)


def _kind_order(kind: str) -> tuple[int, str]:
    first = (CRITERION, "axis", "theme", "category")
    return (first.index(kind) if kind in first else len(first), kind)


def _group(cells: Cells, kind: str, has_baseline: bool) -> CriteriaGroup:
    names = [
        (name, polarity is Polarity.DESIRABLE, codes)
        for (of, name), by_polarity in cells.members.items()
        if of == kind
        for polarity, codes in by_polarity.items()
    ]
    table = _Rows.of(cells, [codes for _, _, codes in names])
    this_R, other_R = _farthest(table.rates_MR(), has_baseline)
    gaps_R, n_shared_R = table.mean_gaps(this_R, other_R)
    # one model: nothing to compare, so what fails most comes first
    size_R = np.abs(gaps_R) if cells.n_models > 1 else 1 - table.rates_MR()[0]
    kept = table.largest(size_R)
    columns = [table.columns(m, kept) for m in range(cells.n_models)]
    by_model = [_pass_cells(table, m, one, kept) for m, one in enumerate(columns)]
    changes: list[PassDifference | None] = [None] * len(kept)
    if cells.n_models > 1:
        changes = _changes(table, columns, kept, this_R, other_R, gaps_R, n_shared_R)
    rows = []
    for at, of_row, change in zip(kept.tolist(), zip(*by_model, strict=True), changes, strict=True):
        name, wanted, _ = names[at]
        told = f"{kind}\0{name}\0{wanted}".encode("utf-8", "surrogatepass")
        key = hashlib.sha256(told).hexdigest()[:10]
        rows.append(
            CriterionRow(key, kind, name, wanted, int(table.n_prompts_R[at]), of_row, change)
        )
    return CriteriaGroup(kind, tuple(rows), len(names))


def _farthest(rates_MR: Floats, has_baseline: bool) -> tuple[Codes, Codes]:
    """Choose the two models of each row."""
    n_models, n_rows = rates_MR.shape
    first_R = np.zeros(n_rows, dtype=np.intp)
    if n_models <= 2:
        second_R = first_R + (n_models - 1)
        return (second_R, first_R) if has_baseline else (first_R, second_R)
    if has_baseline:
        away_MR = np.nan_to_num(np.abs(rates_MR - rates_MR[0]), nan=-1.0)
        away_MR[0] = -2.0
        return np.argmax(away_MR, axis=0), first_R
    best_R = np.argmax(np.nan_to_num(rates_MR, nan=-1.0), axis=0)
    others_MR = np.nan_to_num(rates_MR, nan=2.0)
    # equal rates, or a single one: never a model with itself
    others_MR[best_R, np.arange(n_rows)] = 3.0
    return best_R, np.argmin(others_MR, axis=0)


def _pass_cells(table: _Rows, model: int, columns: ClusteredColumns, kept: Codes) -> list[PassCell]:
    # a rate lies between 0 and 1 by nature: only Student's t reaches beyond
    ends_R2 = np.clip(columns.intervals_M2, 0.0, 1.0)
    counts = (table.sums_MR(name)[model, kept] for name in ("count", "missing", "na"))
    return [
        PassCell(
            estimate_of(None if np.isnan(mean) else float(mean), ends, int(n_prompts)),
            *map(int, of_cell),
        )
        for mean, ends, n_prompts, *of_cell in zip(
            columns.means_M, ends_R2, columns.n_prompts_M, *counts, strict=True
        )
    ]


def _changes(
    table: _Rows,
    columns: Sequence[ClusteredColumns],
    kept: Codes,
    this_R: Codes,
    other_R: Codes,
    gaps_R: Floats,
    n_shared_R: Codes,
) -> list[PassDifference | None]:
    means_MRP = np.stack([one.means_MP for one in columns])
    at_R = np.arange(len(kept))
    tested = difference_tests(means_MRP[this_R[kept], at_R], means_MRP[other_R[kept], at_R])
    gained_R, lost_R = table.flips(this_R, other_R)
    return [
        PassDifference(
            int(this_R[at]),
            int(other_R[at]),
            replace(one, value=float(gaps_R[at])),
            int(n_shared_R[at]),
            int(gained_R[at]),
            int(lost_R[at]),
        )
        if n_shared_R[at]
        else None
        for at, one in zip(kept.tolist(), tested.estimates(), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one kind: their cells, also summed up by prompt."""

    cells: Cells
    row_J: Codes
    cell_J: Codes
    n_prompts_R: Codes
    row_U: Codes
    prompt_U: Codes
    by_prompt: Mapping[str, Floats]
    """By the names of the counts, [M, U]."""

    @classmethod
    def of(cls, cells: Cells, members: Sequence[Sequence[int]]) -> _Rows:
        row_J = np.repeat(np.arange(len(members)), [len(codes) for codes in members])
        cell_J = np.array([code for codes in members for code in codes], dtype=np.intp)
        prompt_J = np.array(cells.prompt_k, dtype=np.intp)[cell_J]
        pairs_U, u_J = np.unique(row_J * cells.n_prompts + prompt_J, return_inverse=True)
        row_U, prompt_U = np.divmod(pairs_U, cells.n_prompts)
        by_prompt = {
            name: _summed(u_J.reshape(-1), values_MK[:, cell_J])
            for name, values_MK in cells.counts.items()
        }
        n_prompts_R = np.bincount(row_U, minlength=len(members))
        return cls(cells, row_J, cell_J, n_prompts_R, row_U, prompt_U, by_prompt)

    def sums_MR(self, name: str) -> Floats:
        """Sum a number of each cell up."""
        return _summed(self.row_J, self.cells.counts[name][:, self.cell_J])

    def rates_MR(self) -> Floats:
        """Give each model's mean over its verdicts."""
        return ratio(self.sums_MR("sum"), self.sums_MR("count"))

    def mean_gaps(self, this_R: Codes, other_R: Codes) -> tuple[Floats, Codes]:
        """Give the mean over prompts of the difference of two models, [R], and their number."""
        means_MU = ratio(self.by_prompt["sum"], self.by_prompt["count"])
        at_U = np.arange(len(self.row_U))
        gaps_U = means_MU[this_R[self.row_U], at_U] - means_MU[other_R[self.row_U], at_U]
        known_U, n_rows = ~np.isnan(gaps_U), len(self.n_prompts_R)
        n_R = np.bincount(self.row_U[known_U], minlength=n_rows)
        sums_R = np.bincount(self.row_U[known_U], gaps_U[known_U], minlength=n_rows)
        return ratio(sums_R.astype(np.float64), n_R.astype(np.float64)), n_R

    def largest(self, size_R: Floats) -> Codes:
        """Give the positions of the rows that are kept, in their order.

        Of few prompts chance alone makes large differences: those come last. Equal ones are
        ordered by their points.
        """
        points_R = np.zeros(len(size_R))
        np.maximum.at(points_R, self.row_J, np.array(self.cells.points_k)[self.cell_J])
        few_R = (self.n_prompts_R < MIN_PROMPTS).astype(int) + (self.n_prompts_R < 2)
        return np.lexsort((-points_R, -np.nan_to_num(size_R, nan=-1.0), few_R))[:MAX_ROWS]

    def columns(self, model: int, kept: Codes) -> ClusteredColumns:
        """Give some rows of one model over all prompts of the report."""
        place_R = np.full(len(self.n_prompts_R), -1, dtype=np.intp)
        place_R[kept] = np.arange(len(kept))
        is_kept_U = place_R[self.row_U] >= 0
        at = place_R[self.row_U][is_kept_U], self.prompt_U[is_kept_U]
        laid_out = []
        for name in ("sum", "count", "part"):
            laid_out.append(np.zeros((len(kept), self.cells.n_prompts)))
            laid_out[-1][at] = self.by_prompt[name][model, is_kept_U]
        sums, counts, parts = laid_out
        return ClusteredColumns(sums, counts, np.equal(parts.sum(axis=1), 0))

    def flips(self, this_R: Codes, other_R: Codes) -> tuple[Codes, Codes]:
        """Count the cells of each row that one model passes more often, and that the other does."""
        means_MK = ratio(self.cells.counts["sum"], self.cells.counts["count"])
        gaps_J = (
            means_MK[this_R[self.row_J], self.cell_J] - means_MK[other_R[self.row_J], self.cell_J]
        )
        gained, lost = (self.row_J[side] for side in (gaps_J > 0, gaps_J < 0))
        n_rows = len(self.n_prompts_R)
        return np.bincount(gained, minlength=n_rows), np.bincount(lost, minlength=n_rows)


def _summed(at_J: Codes, values_MJ: Floats) -> Floats:
    """Sum each model's numbers up by place."""
    return np.stack([np.bincount(at_J, values_J).astype(np.float64) for values_J in values_MJ])
