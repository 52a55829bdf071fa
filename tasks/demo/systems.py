"""Four systems whose true scores are known, because the demo built their answers.

A gives the reference answers of the demo set. B adds padding that holds no fact, C removes facts,
D is C with one faulty sentence more. `damage.jsonl` says for each conversation which words are
cut, which criteria are lost with them, and which fault the added sentence commits: the truth comes
from the construction, and no judge takes part in it. Made up; not medical advice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...judges.answer import Answer, GradedAnswer
from ...judges.data.text_units import tidy
from ...judges.rubric import Example
from ...judges.verdict import Verdict
from . import demo_path

DONE = {
    "A reference": "reference answers",
    "B padded": "A plus empty words",
    "C facts removed": "A less facts",
    "D faulty": "C plus a fault",
}
"""The systems from the best to the worst, and what was done to the reference answers of each."""
RECORDED_MODEL = "SmolLM2-135M-Instruct"
RECORDED = "local_answers.jsonl"
"""Answers of the local model as it gave them once, to be shown where it does not run."""


@dataclass(frozen=True, slots=True)
class Built:
    """An answer and the criteria it meets by its construction."""

    system: str
    answer: Answer
    truth: tuple[bool, ...]
    """One for each criterion of the rubric: whether its text is true of the answer."""

    @property
    def as_graded(self) -> GradedAnswer:
        """The answer with its true verdicts, as if a judge without error had graded it."""
        return GradedAnswer(
            example=self.answer.example,
            answer=self.answer.text or "",
            verdicts=tuple(map(Verdict.of, self.truth)),
        )


def build(examples: Sequence[Example]) -> list[Built]:
    """Build the answers of every system to each conversation.

    Raises:
        ValueError: A cut does not stand in the reference answer exactly once.
    """
    damages = {row["prompt_id"]: row for row in _rows("damage.jsonl")}
    padding = {row["lang"]: row for row in _rows("padding.jsonl")}
    return [
        built
        for example in examples
        for built in _build(example, damages[example.prompt_id], padding[_language(example)])
    ]


def recorded_answers() -> dict[str, str]:
    """Give the answers that `RECORDED_MODEL` gave once, by prompt_id."""
    return {row["prompt_id"]: row["completion"] for row in _rows(RECORDED)}


def _build(
    example: Example, damage: Mapping[str, Any], padding: Mapping[str, str]
) -> Iterator[Built]:
    reference = example.references[0]
    every = {n for n, one in enumerate(example.rubric.criteria) if one.points > 0}
    rest, lost = reference, set()
    for cut in damage["cuts"]:
        if reference.count(cut["cut"]) != 1:
            raise ValueError(f"{example.prompt_id}: not in the reference once: {cut['cut']!r}")
        rest = rest.replace(cut["cut"], cut.get("leaves", ""))
        lost |= set(cut["loses"])
    rest = tidy(rest)
    padded = f"{padding['before']}\n\n{reference}\n\n{padding['after']}"
    faulty = f"{rest}\n\n{damage['fault']}".strip()
    left = every - lost
    states = (
        (reference, every),
        (padded, every - set(damage.get("padding_loses", ()))),
        (rest, left),
        (faulty, left | set(damage["triggers"])),
    )
    for system, (text, met) in zip(DONE, states, strict=True):
        truth = tuple(n in met for n in range(len(example.rubric.criteria)))
        yield Built(system, Answer(example, text), truth)


def _language(example: Example) -> str:
    return next(tag[5:] for tag in example.tags if tag.startswith("lang:"))


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in demo_path(name).read_text("utf-8").splitlines()]
