"""Scores by theme, axis and sign of points.

A theme is a tag of examples and takes their whole scores; an axis is a tag of criteria and takes
the same formula on those criteria (method sheet, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...judges.scoring.bootstrap import ClusteredColumns
from ...judges.scoring.estimates import NOTHING, Estimate, estimate_of
from ...judges.scoring.rubric_arrays import Floats
from ...judges.scoring.run_scores import N_HEAD
from .measures import Measured
from .paired import difference_tests

SIGNS = {
    "positive points earned": "positive_share",
    "negative points triggered": "negative_share",
}


@dataclass(frozen=True, slots=True)
class SliceCell:
    """One model's score in one slice."""

    score: float | None
    interval: Estimate
    n: int
    """Answers scored in the slice."""
    unclipped: float | None = None
    """The score before it is clipped to [0, 1]."""


@dataclass(frozen=True, slots=True)
class SliceDifference:
    """Paired difference of two models in one slice; unclipped, as all differences are."""

    mean: float
    interval: Estimate
    n: int
    """Prompts both have a number for."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One row of the table of slices."""

    kind: str
    """`theme`, `axis`, `sign`, or another prefix of the tags."""
    name: str
    """The tag without its prefix, underscores as spaces."""
    lower_is_better: bool
    cells: tuple[SliceCell, ...]
    """One for each model, in the order of the report."""
    difference: SliceDifference | None
    """Of the two models, where there are just two: as the one pair of the report."""


@dataclass(frozen=True, slots=True)
class Wins:
    """On how many prompts of a theme one model scores higher than another, and lower."""

    name: str
    n_better: int
    n_equal: int
    n_worse: int


@dataclass(frozen=True, slots=True)
class WinTable:
    """Wins and losses of one model against another, over all prompts and by theme."""

    this: str
    other: str
    rows: tuple[Wins, ...]
    """All prompts first."""


def wins_of(this: Measured, other: Measured) -> WinTable:
    """Count the prompts on which a model scores higher, equal and lower than another.

    Args:
        this: The model whose wins are counted.
        other: The model it is compared with, on the prompts both have a score for.
    """
    mine, its = this.tag_scores_P(), other.tag_scores_P()
    themes = sorted(tag for tag in mine if tag in its and split_tag(tag)[0] == "theme")
    rows = [
        _wins("All prompts", this.scores_P() - other.scores_P()),
        *(_wins(split_tag(tag)[1], mine[tag] - its[tag]) for tag in themes),
    ]
    names = this.model.name, other.model.name
    return WinTable(*names, tuple(r for r in rows if r.n_better + r.n_equal + r.n_worse))


def _wins(name: str, gaps_P: Floats) -> Wins:
    counts = (int((gaps_P > 0).sum()), int((gaps_P == 0).sum()), int((gaps_P < 0).sum()))
    return Wins(name, *counts)


def slices_of(measured: Sequence[Measured], *, is_turned: bool = False) -> list[Slice]:
    """Give every slice: themes, axes, signs, then the other tags by name.

    Args:
        measured: The models.
        is_turned: With two models, give the first - the second, as the pair above the table does.
    """
    tags = sorted({tag for m in measured for tag in m.summary.tags}, key=_tag_order)
    head = [tag for tag in tags if split_tag(tag)[0] in {"theme", "axis"}]
    order = [*head, *SIGNS, *tags[len(head) :]]
    rows = [{**m.tag_scores_P(), **_sign_scores_P(m)} for m in measured]
    differences = _differences(rows, order, is_turned)
    return [
        Slice(
            *(("sign", name) if name in SIGNS else split_tag(name)),
            lower_is_better=name.startswith("negative points"),
            cells=tuple(_cell(m, name) for m in measured),
            difference=differences.get(name),
        )
        for name in order
    ]


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into its kind and its words: `theme:health_data` is a theme, "health data"."""
    kind, colon, name = tag.partition(":")
    if not colon:
        kind, name = "tag", tag
    return kind, name.replace("_", " ").strip() or tag


def _tag_order(tag: str) -> tuple[int, str, str]:
    kind, name = split_tag(tag)
    first = {"theme": 0, "axis": 1}.get(kind, 2)
    return first, kind, name


def _cell(measured: Measured, name: str) -> SliceCell:
    if name in SIGNS:
        return _sign_cell(measured, _sign_values(measured, name))
    found = measured.summary.tags.get(name)
    if found is None:
        return SliceCell(None, NOTHING, 0)
    interval = estimate_of(found.score, found.interval, found.n_prompts, is_clipped=True)
    column = N_HEAD + measured.sums.tags.index(name)
    unclipped = float(measured.sums.columns.means_M[column])
    return SliceCell(found.score, interval, found.n, unclipped)


def _sign_cell(measured: Measured, values_N: Floats) -> SliceCell:
    """Estimate a share over answers, clustered on prompts as the tags are."""
    n_prompts = len(measured.table.prompt_ids)
    columns = ClusteredColumns.of(values_N[None, :], measured.table.prompt_N, n_prompts)
    n = int(columns.n_M[0])
    [ends] = np.clip(columns.intervals_M2, 0.0, 1.0)
    score = float(columns.means_M[0]) if n else None
    return SliceCell(score, estimate_of(score, ends, int(columns.n_prompts_M[0])), n)


def _sign_scores_P(measured: Measured) -> dict[str, Floats]:
    return {name: measured.by_prompt(_sign_values(measured, name)) for name in SIGNS}


def _sign_values(measured: Measured, name: str) -> Floats:
    """Share of points of one sign, of the answers whose rubric has that sign."""
    points_NC = measured.table.rubrics.points
    is_negative = name.startswith("negative")
    has_sign_N = (points_NC < 0).any(axis=1) if is_negative else (points_NC > 0).any(axis=1)
    values_N: Floats = getattr(measured.items, SIGNS[name])
    return np.where(has_sign_N, values_N, np.nan)


def _differences(
    rows: Sequence[Mapping[str, Floats]],
    names: Sequence[str],
    is_turned: bool,
) -> dict[str, SliceDifference]:
    """Pair two models in every slice both have, as the pair of the report is."""
    if len(rows) != 2:
        return {}
    this, other = rows if is_turned else (rows[1], rows[0])
    shared = [name for name in names if name in this and name in other]
    if not shared:
        return {}
    sides = [np.stack([row[name] for name in shared]) for row in (this, other)]
    tested = difference_tests(sides[0], sides[1])
    return {
        name: SliceDifference(one.value, one, int(n))
        for name, one, n in zip(shared, tested.estimates(), tested.n_M, strict=True)
        if one.value is not None
    }
