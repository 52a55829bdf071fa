"""Scores beside the truth, where the truth is known because the answers were built to have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...judges.answer import GradedAnswer
from ...judges.scoring.estimates import Estimate
from ...judges.scoring.run_scores import summarise
from ..results.values import number_of
from .comparison import Comparison
from .measures import ModelResult


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One system: what it is, what it is worth, what was measured."""

    name: str
    done: str
    """How its answers came about, in a few words."""
    true_score: float | None
    """HealthBench score of the true verdicts, 0 to 1; None where the truth is not known."""
    score: float | None
    interval: Estimate
    n_missed: int | None
    """Verdicts "not met" on criteria that are truly met; None where the truth is not known."""
    n_false: int | None
    """Verdicts "met" on criteria that are truly not met; None where the truth is not known."""
    n_verdicts: int
    mean_chars: float | None
    """Length of its answers."""

    @property
    def n_wrong(self) -> int | None:
        """Verdicts that differ from the truth; None where the truth is not known."""
        return None if self.n_missed is None else self.n_missed + (self.n_false or 0)


@dataclass(frozen=True, slots=True)
class TruthTable:
    """Every system, by its true score; those without a known truth come last."""

    rows: tuple[TruthRow, ...]
    is_in_order: bool
    """Whether the measured scores stand in the true order, without a tie."""
    n_conversations: int
    sentences: tuple[str, ...] = ()
    """What is to be seen in it, for the page."""

    @property
    def known(self) -> tuple[TruthRow, ...]:
        """The rows whose truth is known, from the best to the worst."""
        return tuple(row for row in self.rows if row.true_score is not None)


def truth_table(
    comparison: Comparison, done: Mapping[str, str], true: Mapping[str, Sequence[GradedAnswer]]
) -> TruthTable:
    """Set measured scores beside true ones.

    Args:
        comparison: Of the systems.
        done: How the answers of each system came about, by its name.
        true: Its answers with their true verdicts, by its name; a system without them has no
            known truth.
    """
    graded = {m.model.name: m.model.graded for m in comparison.measured}
    rows = [
        _row(result, done.get(result.name, ""), graded[result.name], true.get(result.name))
        for result in comparison.results
    ]
    rows.sort(key=lambda row: (row.true_score is None, -(row.true_score or 0.0)))
    unclipped = {result.name: result.unclipped for result in comparison.results}
    measured = [unclipped[row.name] for row in rows if row.true_score is not None]
    is_in_order = all(a is not None and b is not None and a > b for a, b in pairwise(measured))
    return TruthTable(tuple(rows), is_in_order, comparison.results[0].n_prompts)


def _row(
    result: ModelResult,
    done: str,
    graded: Sequence[GradedAnswer],
    true: Sequence[GradedAnswer] | None,
) -> TruthRow:
    truth_by_id = {one.example.prompt_id: one.verdicts for one in true or ()}
    said = [
        (is_true.met, verdict.met)
        for one in graded
        for is_true, verdict in zip(
            truth_by_id.get(one.example.prompt_id, ()), one.verdicts, strict=bool(truth_by_id)
        )
    ]
    return TruthRow(
        name=result.name,
        done=done,
        true_score=None if true is None else _score(true),
        score=result.score,
        interval=result.interval,
        n_missed=None if true is None else said.count((True, False)),
        n_false=None if true is None else said.count((False, True)),
        n_verdicts=sum(v.met is not None for one in graded for v in one.verdicts),
        mean_chars=number_of(result.metrics["mean_chars"]),
    )


def _score(true: Sequence[GradedAnswer]) -> float | None:
    return number_of(summarise(true).metrics["score"])
