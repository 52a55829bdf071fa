"""Does the judge pass the answers that the labels pass: counts of whole answers by pass rule.

The error of a verdict says little of the error of a pass: a rule looks at all verdicts of an answer
at once. So it is counted, where whole answers carry labels, and a run's pass rates are corrected by
it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Floats
from ..graded import GradedAnswer
from ..items import PASS_RULES, score_items
from ..table import VerdictTable
from ..verdict import Outcome, Verdict
from .labelled import Label, LabelledAnswer

MIN_CRITERIA = 2
"""Of a whole answer: rows that carry one criterion each are no rubric."""


def pass_cells_of(
    labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]
) -> dict[str, Floats]:
    """Count answers that pass by the judge and by the labels, by rule: [P, 4] as in `CELLS`.

    Only answers whose every criterion has a label are counted; empty where there is none.

    Args:
        labelled: The labels.
        graded: The judge's verdicts on the same answers, in the same order.
    """
    whole = [
        (graded_by_labels(item), answer)
        for item, answer in zip(labelled, graded, strict=True)
        if is_whole(item)
    ]
    if not whole:
        return {}
    truth, said = (VerdictTable.of(side) for side in zip(*whole, strict=True))
    by_labels, by_judge = score_items(truth), score_items(said)
    cells = {}
    for rule in PASS_RULES:
        wanted_N, given_N = by_labels.passes[rule], by_judge.passes[rule]
        has = ~np.isnan(wanted_N) & ~np.isnan(given_N)
        wanted, given = wanted_N[has] == 1, given_N[has] == 1
        cell = np.where(given, np.where(wanted, 0, 1), np.where(wanted, 2, 3))
        flat = np.bincount(truth.prompt_N[has] * 4 + cell, minlength=4 * len(truth.prompt_ids))
        cells[rule] = flat.reshape(-1, 4).astype(np.float64)
    return cells


def is_whole(item: LabelledAnswer) -> bool:
    """Say whether the labels tell every criterion of a rubric of two or more."""
    return len(item.labels) >= MIN_CRITERIA and all(
        _majority(one) is not None for one in item.labels
    )


def graded_by_labels(item: LabelledAnswer) -> GradedAnswer:
    """Take what most labels say for the verdicts; none where there is no label, or a tie."""
    mets = [_majority(labels) for labels in item.labels]
    verdicts = tuple(Verdict(Outcome.SKIPPED) if met is None else Verdict.of(met) for met in mets)
    return GradedAnswer(item.example, item.text, verdicts)


def _majority(labels: Sequence[Label]) -> bool | None:
    share = np.mean([label.met for label in labels]) if labels else 0.5
    return None if share == 0.5 else bool(share > 0.5)
