"""The page on which a person labels answers: one file, blind, by keyboard, without the network.

It holds what a judge is shown (conversation, answer, criterion) and nothing of any judge or system.
All of it was written by models or data: it leaves as JSON in ASCII, and becomes text nodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...judges.budget.two_judges import Unit
from ...judges.data.forms.contract import criterion_row
from ...judges.rubric import Criterion, Example, Message
from .html import frame, render

_NOT_FOR_LABELS = ("polarity", "category", "check", "id", "requires", "gate", "na_check")
"""Of a criterion: what a label does not need, or the reader of labels does not take."""


@dataclass(frozen=True, slots=True)
class LabelQuestion:
    """One criterion of one answer that a person is asked about."""

    example: Example
    text: str
    """The answer: the part of it that is judged."""
    criterion: Criterion
    probability: float | None = None
    """Chance in (0, 1] with which it was drawn; None where nothing was drawn. It does not tell what
    a judge said: it is the same for P(met) and 1 - P(met)."""


def label_page(
    questions: Sequence[LabelQuestion], raters: Sequence[str] = (), unit: Unit = Unit.ANSWERS
) -> str:
    """Give the page that asks some questions, in their order.

    Args:
        questions: Those of one answer should follow each other: it is then read once.
        raters: Names to choose from; empty where everyone enters a name.
        unit: What was drawn as a whole: rows say of how many units they are, so that an export of
            a part of them is weighted as one.
    """
    prompts: dict[tuple[str, tuple[Message, ...]], int] = {}
    answers: dict[tuple[int, str], int] = {}
    items = []
    for question in questions:
        example = question.example
        prompt = prompts.setdefault((example.prompt_id, example.prompt), len(prompts))
        answer = answers.setdefault((prompt, question.text), len(answers))
        items.append({"answer": answer, "row": _row(question)})
    # each prompt and each answer stands once
    data: dict[str, object] = {
        "prompts": [
            {"id": prompt_id, "turns": [turn.to_json() for turn in turns]}
            for prompt_id, turns in prompts
        ],
        "answers": [{"prompt": prompt, "text": text} for prompt, text in answers],
        "items": items,
    }
    if any(question.probability is not None for question in questions):
        n_units = len(answers if unit is Unit.ANSWERS else items)
        data["draw"] = {"unit": unit.value, "n": n_units}
    data["id"] = hashlib.sha256(json.dumps(data, sort_keys=True).encode("ascii")).hexdigest()[:16]
    data["raters"] = list(raters)
    context = {
        **frame("text.js", "label.js", styles=["label.css"]),
        "n_items": len(items),
        "n_answers": len(answers),
        "raters": list(raters),
        "data": data,
    }
    return render("label.html", context)


def _row(question: LabelQuestion) -> dict[str, object]:
    """Give the fields of a labelled row that say what is asked, as `read_labels` reads them."""
    levels = tuple(replace(level, check=None) for level in question.criterion.levels)
    row: dict[str, object] = criterion_row(replace(question.criterion, levels=levels))
    for name in _NOT_FOR_LABELS:
        row.pop(name, None)
    if reference := question.example.reference_of(question.criterion):
        row["reference"] = reference
    if question.probability is not None:
        row["probability"] = question.probability
    return row
