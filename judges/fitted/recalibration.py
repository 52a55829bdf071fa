"""A fitted judge's probabilities set right on other answers, from labels of some of them.

A fitted judge is calibrated on answers like those it has learned from. On another model's, or to
other prompts, its P(met) may lean one way or be too sure; two numbers mend that and leave its order
of answers alone (Platt 1999).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..answer import solution_of
from ..audit.judge_audit import JudgeFigures
from ..audit.labels import AuditTable, LabelledAnswer
from ..errors import ConfigError
from .encoder import SentenceEncoder
from .features import Sight
from .fitting import (
    calibrated,
    calibration_of,
    figures_of,
    folds_of,
    graded_of,
    met_of,
    prompts_of,
    require_enough,
)
from .ordered import asked_labels
from .saved_model import FittedModel


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """A judge with new probabilities, and how right both are."""

    model: FittedModel
    before: JudgeFigures
    after: JudgeFigures
    """On prompts that the new numbers had not seen: folds by prompt."""
    n_prompts: int
    n_labels: int

    def to_json(self, data: Mapping[str, object]) -> dict[str, object]:
        """Give the plain form, for the card.

        Args:
            data: Names and hashes of the files of the labels.
        """
        return {
            "data": dict(data),
            "n_prompts": self.n_prompts,
            "n_labels": self.n_labels,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
        }


def recalibrate(
    model: FittedModel,
    labelled: Sequence[LabelledAnswer],
    *,
    encoder: SentenceEncoder | None,
    n_folds: int,
    seed: int,
) -> Recalibrated:
    """Set a judge's probabilities right on labelled answers.

    Args:
        model: The judge.
        labelled: Answers with labels, best on prompts it has not learned from.
        encoder: That it was fitted with; None for one without.
        n_folds: Parts of the prompts, each held out once to measure.
        seed: Of the folds.

    Raises:
        ConfigError: Too few labels, or of what cannot be learned, or on these the judge ranks no
            better than chance.
    """
    labelled = asked_labels(labelled)
    sight = Sight(model.words, encoder)
    # one value a criterion of each answer, as fitting has it
    logits = [
        model.head.logits(sight.see(item.example, solution_of(item.text))) for item in labelled
    ]
    mets = [met_of(item) for item in labelled]
    prompts = prompts_of(labelled)
    require_enough(prompts, mets)
    curve = calibration_of(logits, mets)
    if curve.slope <= 0:
        raise ConfigError(
            "on these labels the judge ranks no better than chance (slope "
            f"{curve.slope:.3f}); no calibration can correct that"
        )
    before = [model.calibration.probability(one) for one in logits]
    after = calibrated(logits, mets, folds_of(prompts, n_folds, seed))
    table = AuditTable.of(labelled, graded_of(labelled, before))
    return Recalibrated(
        model=replace(model, calibration=curve, digest=""),
        before=figures_of(table, labelled, before),
        after=figures_of(table, labelled, after),
        n_prompts=len(set(prompts)),
        n_labels=len(table.met_L),
    )


def recalibration_words(found: Recalibrated) -> str:
    """Word it for the judge's README."""

    def error(figures: JudgeFigures) -> str:
        return f"{figures.calibration.ece:.3f}" if figures.calibration else "-"

    return (
        f"\n## Recalibrated\n\nOn {found.n_labels:,} labels of answers to {found.n_prompts:,} "
        "prompts. Its order of answers is as before; its probabilities hold on answers like "
        f"these: calibration error {error(found.after)} on held-out prompts, {error(found.before)} "
        "before. The figures above are of the probabilities before.\n"
    )
