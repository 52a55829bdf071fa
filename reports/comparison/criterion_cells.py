"""Each criterion of each prompt, and how far each model passes it.

A criterion is passed where its verdict is the good one: met where that is wanted, not met where it
is not. A level counts by its place between the worst (0) and the best (1).
Axes: N answers of a model, C criteria of an answer, K cells (a criterion of a prompt).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...judges.rubric import Criterion, Example, Polarity
from ...judges.scoring.points import ratio
from ...judges.scoring.rubric_arrays import Floats
from ...judges.verdict import Outcome
from .measures import Measured
from .slices import split_tag

CRITERION = "criterion"
"""Kind of a row that is one criterion; all others are the kinds of tags."""
COUNTS = ("sum", "count", "missing", "na", "part")
"""How far a cell's verdicts pass it together; verdicts, those that are missing, those that say it
does not apply, and those that pass it in part (levels)."""
PADDING = -1
_OUTCOMES = list(Outcome)
_VERDICTS = [_OUTCOMES.index(o) for o in (Outcome.MET, Outcome.NOT_MET, Outcome.LEVEL)]
_NA = _OUTCOMES.index(Outcome.NOT_APPLICABLE)

Codes = NDArray[np.intp]


def tags_of(criterion: Criterion) -> tuple[str, ...]:
    """Give a criterion's tags, its category among them."""
    category = (f"category:{criterion.category}",) if criterion.category else ()
    return tuple(dict.fromkeys((*criterion.tags, *category)))


@dataclass(slots=True)
class Cells:
    """Each criterion of each prompt, the rows it belongs to, and what each model makes of it."""

    n_prompts: int
    n_models: int
    prompt_k: list[int] = field(default_factory=list)
    points_k: list[float] = field(default_factory=list)
    code_by_cell: dict[tuple[int, str, Polarity], int] = field(default_factory=dict)
    members: dict[tuple[str, str], dict[Polarity, list[int]]] = field(default_factory=dict)
    """Cells by kind and name; criteria of one text and two polarities are two rows."""
    counts: dict[str, Floats] = field(default_factory=dict)
    """By the names in `COUNTS`: a number of each cell by model, [M, K]."""

    @classmethod
    def of(cls, measured: Sequence[Measured]) -> Cells:
        """Gather the criteria of all answers."""
        made = cls(len(measured[0].position) if measured else 0, len(measured))
        codes = [made._codes(m) for m in measured]
        n_cells = len(made.prompt_k)
        sums = [_sums(m, codes_NC, n_cells) for m, codes_NC in zip(measured, codes, strict=True)]
        made.counts = {name: np.stack([each[name] for each in sums]) for name in COUNTS}
        return made

    def _codes(self, measured: Measured) -> Codes:
        """Give the cell of each criterion of each answer, [N, C]."""
        codes_NC = np.full(measured.table.outcome_NC.shape, PADDING, dtype=np.intp)
        known: dict[int, list[int]] = {}
        for row, graded in zip(codes_NC, measured.model.graded, strict=True):
            example = graded.example
            if id(example) not in known:
                at = measured.position[example.prompt_id]
                known[id(example)] = [self._cell(at, c, example) for c in example.rubric.criteria]
            row[: len(example.rubric)] = known[id(example)]
        return codes_NC

    def _cell(self, prompt: int, criterion: Criterion, example: Example) -> int:
        n_known = len(self.prompt_k)
        cell = (prompt, criterion.text, criterion.polarity)
        code = self.code_by_cell.setdefault(cell, n_known)
        if code == n_known:
            self.prompt_k.append(prompt)
            self.points_k.append(abs(criterion.points))
            self._add(CRITERION, criterion.text, criterion.polarity, code)
            for tag in dict.fromkeys((*tags_of(criterion), *example.tags)):
                kind = split_tag(tag)[0]
                # a tag that is called as the single rows are is still a tag
                self._add("tag" if kind == CRITERION else kind, tag, Polarity.DESIRABLE, code)
        return code

    def _add(self, kind: str, name: str, polarity: Polarity, code: int) -> None:
        self.members.setdefault((kind, name), {}).setdefault(polarity, []).append(code)


def _sums(measured: Measured, codes_NC: Codes, n_cells: int) -> dict[str, Floats]:
    """Sum what a model's verdicts make of each cell up, [K]."""
    passed_NC, is_na_NC = _passed(measured), measured.table.outcome_NC == _NA
    has_NC = ~np.isnan(passed_NC)
    numbers = {
        "sum": passed_NC,
        "count": has_NC,
        "missing": ~has_NC & ~is_na_NC,
        "na": is_na_NC,
        "part": has_NC & (passed_NC != 0) & (passed_NC != 1),
    }
    at = codes_NC != PADDING
    return {
        name: np.bincount(codes_NC[at], np.nan_to_num(values_NC[at]), n_cells).astype(np.float64)
        for name, values_NC in numbers.items()
    }


def _passed(measured: Measured) -> Floats:
    """Say how far each criterion is passed, [N, C] in [0, 1]; NaN without a verdict."""
    table = measured.table
    values_NC = np.where(np.isin(table.outcome_NC, _VERDICTS), table.verdicts_NC, np.nan)
    conditions = table.whole_rubrics.conditions
    if conditions is not None:  # the worst level may count less than 0
        values_NC = ratio(values_NC - conditions.least, 1 - conditions.least)
    return np.where(table.whole_rubrics.desirable, values_NC, 1 - values_NC)
