"""Any number of graded answers in a few bytes each: what a run leaves in memory while it goes on.

An answer takes a byte a verdict and some twenty beside; its words are not kept. Examples are kept
once each, so that memory grows with the rows of rubrics and hardly with the answers to them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np

from .graded import GradedAnswer
from .rubric import Example
from .table import BLOCK, Codes, TablePacker, VerdictTable, verdict_codes


class PackedAnswers:
    """Graded answers in the order they were added; blocks of them become tables."""

    def __init__(self) -> None:
        """Begin with none."""
        self._examples: list[Example] = []
        self._code_by_object: dict[int, int] = {}
        self._prompts: dict[str, int] = {}
        self._example_N = array("q")
        self._prompt_N = array("q")
        self._repeat_N = array("q")
        self._chars_N = array("q")
        self._verdicts = bytearray()
        """Code by code, answer after answer; as many as each rubric has criteria."""
        self._reasons: Counter[str] = Counter()

    @classmethod
    def of(cls, graded: Iterable[GradedAnswer]) -> Self:
        """Pack answers."""
        packed = cls()
        for answer in graded:
            packed.add(answer)
        return packed

    def add(self, answer: GradedAnswer) -> int:
        """Pack one more answer; gives the position of its prompt among the prompts."""
        example = answer.example
        # by identity: equal rows are few, and hashing a rubric for every answer is not free
        code = self._code_by_object.setdefault(id(example), len(self._examples))
        if code == len(self._examples):
            self._examples.append(example)  # which also keeps its id taken
        prompt = self._prompts.setdefault(example.prompt_id, len(self._prompts))
        self._example_N.append(code)
        self._prompt_N.append(prompt)
        self._repeat_N.append(answer.repeat)
        self._chars_N.append(len(answer.judged))
        self._verdicts += verdict_codes(answer.verdicts)
        for verdict in answer.verdicts:
            if verdict.met is None:
                self._reasons[verdict.outcome.value] += 1
        return prompt

    def __len__(self) -> int:
        """Count the answers."""
        return len(self._example_N)

    @property
    def prompt_ids(self) -> tuple[str, ...]:
        """The prompts, in the order of their first answer."""
        return tuple(self._prompts)

    def prompt_codes(self) -> Codes:
        """Give the position of each answer's prompt among the prompts."""
        return np.array(self._prompt_N, dtype=np.intp)

    @property
    def missing_by_reason(self) -> dict[str, int]:
        """Verdicts that never came, by outcome."""
        return dict(sorted(self._reasons.items()))

    def table(self) -> VerdictTable:
        """Give all answers as one table."""
        return next(self.tables(max(1, len(self))))

    def tables(self, size: int = BLOCK) -> Iterator[VerdictTable]:
        """Give the answers as tables of so many, one after the other; one empty one for none.

        All of them count prompts, criteria and tags alike.
        """
        packer = TablePacker(self._examples)
        lengths_E = np.array([len(e.rubric) for e in self._examples], dtype=np.intp)
        # copied: an array that numpy looks into cannot grow any more
        example_N = np.array(self._example_N, dtype=np.intp)
        ends_N = np.cumsum(lengths_E[example_N]) if len(example_N) else np.empty(0, dtype=np.intp)
        prompt_ids = self.prompt_ids
        for start in range(0, max(1, len(self)), size):
            here = slice(start, min(start + size, len(self)))
            first = int(ends_N[start - 1]) if start else 0
            last = int(ends_N[here.stop - 1]) if len(self) else 0
            yield packer.table(
                example_N[here],
                bytes(self._verdicts[first:last]),
                prompt_N=np.array(self._prompt_N[here], dtype=np.intp),
                prompt_ids=prompt_ids,
                repeat_N=np.array(self._repeat_N[here], dtype=np.intp),
                chars_N=np.array(self._chars_N[here], dtype=np.float64),
            )
