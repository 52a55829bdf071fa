"""The example browser's data: a light index, and the texts in gzip blocks unpacked on demand.

All text here was written by models, judges and data sets. It leaves as JSON in ASCII, so that no
byte of it can end a script block or break the page; the script shows it as text nodes only.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.rubric import Criterion, Example, points_text
from ...judges.scoring.verdict_table import VerdictTable
from ...judges.shares import counted_shares
from ...judges.verdict import Outcome
from ..comparison.comparison import Comparison
from ..comparison.criteria import CriterionRow
from ..comparison.criterion_cells import CRITERION, tags_of
from ..comparison.measures import Measured
from ..comparison.slices import split_tag
from ..results.run import Run

BLOCK_CHARS = 400_000
"""Text in a block before it is packed: one unpacks in some milliseconds."""
EXCERPT_CHARS = 220

CODES = {
    Outcome.MET: "1",
    Outcome.NOT_MET: "0",
    Outcome.LEVEL: "l",
    Outcome.NOT_APPLICABLE: "a",
    Outcome.UNPARSEABLE: "u",
    Outcome.REFUSED: "r",
    Outcome.TRUNCATED: "t",
    Outcome.OVERFLOW: "o",
    Outcome.TRANSPORT: "n",
    Outcome.JUDGE_ERROR: "e",
    Outcome.SKIPPED: "s",
}
"""One letter for each outcome; `report.js` holds their words."""


@dataclass(frozen=True, slots=True)
class BrowserData:
    """What the page carries for its example browser."""

    index: Mapping[str, object]
    blocks: tuple[str, ...]
    """Base64 of gzip of a JSON list of examples."""


def browser_data(comparison: Comparison) -> BrowserData:
    """Pack every example with its answers and verdicts."""
    answers = [_answers_by_prompt(m) for m in comparison.measured]
    examples: dict[str, Example] = {}
    for by_prompt in answers:
        for prompt_id, given in by_prompt.items():
            examples.setdefault(prompt_id, given[0][0].example)
    scores = [m.scores_P() for m in comparison.measured]
    position = comparison.measured[0].position
    rows, blocks = [], _Blocks()
    for prompt_id, example in examples.items():
        of_models = [by_prompt.get(prompt_id, []) for by_prompt in answers]
        rows.append(
            {
                "id": prompt_id,
                "text": _excerpt(example),
                "tags": [" ".join(split_tag(tag)[1:]) for tag in _themes(example)],
                "scores": [_rounded(column[position[prompt_id]]) for column in scores],
                "missing": [
                    sum(v.is_missing for graded, _, _ in given for v in graded.verdicts)
                    for given in of_models
                ],
                "at": blocks.add(_packed(example, of_models)),
            }
        )
    index = {
        "models": [r.name for r in comparison.results],
        "baseline": comparison.baseline,
        "examples": rows,
        "rows": [_row(row) for group in comparison.criteria for row in group.rows],
    }
    return BrowserData(index, blocks.packed())


def _row(row: CriterionRow) -> dict[str, object]:
    """Say which criteria a row of the table of criteria stands for."""
    if row.kind == CRITERION:
        return {"key": row.key, "text": row.name, "wanted": row.wanted}
    return {"key": row.key, "tag": row.name}


Given = tuple[GradedAnswer, float, Run]
"""An answer, its score, its run."""


def _answers_by_prompt(measured: Measured) -> dict[str, list[Given]]:
    by_prompt: dict[str, list[Given]] = {}
    runs = [run for run in measured.model.runs for _ in run.graded]
    for index, graded in enumerate(measured.model.graded):
        entry = (graded, float(measured.items.h[index]), runs[index])
        by_prompt.setdefault(graded.example.prompt_id, []).append(entry)
    return by_prompt


def _packed(example: Example, given: Sequence[Sequence[Given]]) -> dict[str, object]:
    plain: dict[str, object] = {
        "prompt": [[m.role, m.content] for m in example.prompt],
        "criteria": [
            [c.text, c.points, c.polarity.value, list(tags_of(c))] for c in example.rubric.criteria
        ],
        "tags": list(example.tags),
        "references": list(example.references),
        "answers": [[_answer(example, one) for one in of_model] for of_model in given],
    }
    if example.reference:
        plain["reference"] = example.reference
    if not example.rubric.is_plain:
        plain["forms"] = [_form(c) for c in example.rubric.criteria]
    return plain


def _form(criterion: Criterion) -> dict[str, object]:
    """Give what a criterion holds beside its text: levels, and its terms in words."""
    terms = []
    if criterion.na:
        terms.append(f"may not apply: {criterion.na.value}")
    if criterion.requires:
        level = criterion.requires.level
        terms.append(
            f"counts only when {criterion.requires.id} is "
            + ("met" if level is None else f"at level {level} or above")
        )
    if criterion.gate:
        terms.append(f"gate: caps the score at {points_text(criterion.gate.cap)}")
    if criterion.turn != -1:
        about = "the whole conversation" if criterion.turn is None else f"turn {criterion.turn}"
        terms.append(f"about {about}")
    form: dict[str, object] = {"terms": terms}
    if criterion.id:
        form["id"] = criterion.id
    if criterion.levels:
        form["levels"] = [[level.text, level.points] for level in criterion.levels]
    if criterion.reference:
        form["reference"] = criterion.reference
    return form


def _answer(example: Example, given: Given) -> dict[str, object]:
    graded, score, run = given
    entry: dict[str, object] = {
        "text": graded.answer,
        "run": run.label,
        "repeat": graded.repeat,
        "score": _rounded(score),
        "verdicts": "".join(CODES[v.outcome] for v in graded.verdicts),
        "reasons": [v.explanation or v.reply for v in graded.verdicts],
    }
    if not graded.example.rubric.is_plain:
        closed, _ = VerdictTable.of([graded]).caps() or (None, None)
        if closed is not None and closed[0] < np.inf:
            entry["cap"] = float(closed[0])
        entry["levels"] = [v.level for v in graded.verdicts]
        entry["shares"] = counted_shares(graded.example.rubric, graded.verdicts)
        entry["levels_again"] = [[v.level for v in row] for row in graded.replicates]
    if graded.example.rubric != example.rubric:  # compared all the same, on request
        entry["differs"] = True
    judged = graded.judged.strip()
    if judged != graded.answer.strip():
        entry["judged"] = judged
    if graded.replicates:
        entry["again"] = ["".join(CODES[v.outcome] for v in row) for row in graded.replicates]
    return entry


def _themes(example: Example) -> list[str]:
    themes = [tag for tag in example.tags if split_tag(tag)[0] == "theme"]
    return themes or list(example.tags[:3])


def _excerpt(example: Example) -> str:
    """Give the start of the last user turn, on one line."""
    turns = [m.content for m in example.prompt if m.role == "user"]
    text = " ".join((turns or [m.content for m in example.prompt] or [""])[-1].split())
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS].rstrip() + "…"


def _rounded(value: float) -> float | None:
    # NaN is not JSON; six digits are more than anyone reads
    return None if value != value else round(float(value), 6)


class _Blocks:
    """Fills blocks of about `BLOCK_CHARS`, and packs them."""

    def __init__(self) -> None:
        self._blocks: list[list[str]] = []
        self._size = BLOCK_CHARS

    def add(self, example: Mapping[str, object]) -> tuple[int, int]:
        """Add an example; give the block it went to, and its place there."""
        text = json.dumps(example, ensure_ascii=True, separators=(",", ":"))
        if self._size + len(text) > BLOCK_CHARS:
            self._blocks.append([])
            self._size = 0
        self._blocks[-1].append(text)
        self._size += len(text)
        return len(self._blocks) - 1, len(self._blocks[-1]) - 1

    def packed(self) -> tuple[str, ...]:
        """Give all blocks."""
        return tuple(map(_packed_block, self._blocks))


def _packed_block(texts: Sequence[str]) -> str:
    raw = f"[{','.join(texts)}]".encode("ascii")
    # no time stamp: the same data gives the same page
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode("ascii")
