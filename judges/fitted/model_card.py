"""The card of a fitted judge: what it was fitted on, how far it can be trusted, what it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..audit.judge_audit import JudgeFigures
from ..files import write_file
from ..learned import LearnedPrompts
from ..scoring.estimates import Estimate
from .features import MIN_WORD_TEXTS
from .fitting import Fit
from .recalibration import Recalibrated, recalibration_words

COLUMNS = {"balanced_f1": "macro-F1", "auroc": "AUROC", "pairwise": "pairwise within a criterion"}
WARNING = (
    "It ranks by similarity of wording. It can be deceived by repeating the criterion, it does not "
    "check facts, and its figures hold only for data like those it was fitted on, as does its "
    "calibration (rubricbeat fit-judge --recalibrate, with labels of "
    "others)."
)


def card_of(
    fit: Fit, prompts: LearnedPrompts, data: Mapping[str, object], command: str, seconds: float
) -> dict[str, object]:
    """Give the card in the plain form.

    Args:
        fit: The judge and its audit.
        prompts: That it has learned from.
        data: Names and hashes of the files it was fitted on.
        command: What remakes it.
        seconds: How long fitting took.
    """
    return {
        "format": 1,
        "command": command,
        "data": dict(data),
        "prompts": prompts.to_json(),
        "head": fit.options.kind.value,
        "encoder": fit.model.encoder,
        "n_answers": fit.n_answers,
        "n_prompts": fit.n_prompts,
        "n_labels": fit.n_labels,
        "n_folds": fit.options.n_folds,
        "seed": fit.options.seed,
        "seconds": round(seconds, 1),
        "warning": WARNING,
        "audit": fit.audit.to_json(),
    }


def figures_table(rows: Mapping[str, JudgeFigures]) -> str:
    """Lay out judges as a Markdown table, each figure with its 95 % interval."""
    heads = ["judge", *COLUMNS.values(), "Brier", "calibration error"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, found in rows.items():
        figures = [_cell(found.figures[column]) for column in COLUMNS]
        known = found.calibration
        scalars = [f"{known.brier:.3f}", f"{known.ece:.3f}"] if known else ["-", "-"]
        lines.append("| " + " | ".join([name, *figures, *scalars]) + " |")
    return "\n".join(lines)


def readme_of(fit: Fit, card: Mapping[str, object]) -> str:
    """Word the card for people."""
    judge = {"**this judge**": fit.audit.judge, **fit.audit.baselines}
    return f"""# A fitted judge

Gives P(met) of a criterion without a call: `--judge fitted:PATH` (rubricbeat). {WARNING}

Fitted on {fit.n_labels:,} labels of {fit.n_answers:,} answers to {fit.n_prompts:,} prompts
(head: {card["head"]}, {card["n_folds"]} folds by prompt, seed {card["seed"]}).
The judge in this folder has learned from all prompts. Every figure below is of prompts that the
head and the calibration behind it had not seen, with 95 % intervals over prompts (jackknife).

{figures_table(judge)}

`no_look` is the same head, given the criterion and never the answer: what the judge adds to it is
what it is worth. *Pairwise* is the share of answer pairs on one criterion, one labelled met and one
not, that it orders right; .5 is chance. `majority` says what most labels say; `length` and
`lexical overlap` are logistic regression on those and the criterion.

Length: the correlation of an answer's length with the verdict, at the same label, is
{_number(fit.audit.length_correlation)}; above 0, long answers are favoured.

The folder holds words that stood in {MIN_WORD_TEXTS} or more of the texts it was fitted on
(judge.json), salted hashes of the prompts it has learned from (card.json), which `audit`,
`bench-reward`, `variance` and training hold apart, and no text. Made by: `{card["command"]}`
"""


def write_card(fit: Fit, card: Mapping[str, object], folder: Path) -> None:
    """Write card.json and README.md into the judge's folder."""
    text = json.dumps(card, indent=1, allow_nan=False)
    write_file(folder / "card.json", text, is_private=False)
    write_file(folder / "README.md", readme_of(fit, card), is_private=False)


def write_recalibrated(
    found: Recalibrated, card: Mapping[str, object], source: Path, folder: Path
) -> None:
    """Write the card of a recalibrated judge, and the README of the one it was with a word on it.

    Args:
        found: The judge.
        card: Its card.
        source: Folder of the judge that it was.
        folder: Where it stands.
    """
    write_file(folder / "card.json", json.dumps(card, indent=1, allow_nan=False), is_private=False)
    readme = source / "README.md"
    was = readme.read_text(encoding="utf-8") if readme.is_file() else "# A fitted judge\n"
    was = was.partition("\n## Recalibrated\n")[0]
    write_file(folder / "README.md", was + recalibration_words(found), is_private=False)


def _cell(figure: Estimate) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:+.3f}"
