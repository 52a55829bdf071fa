"""Graded answers as arrays: what every score, reward and study is computed from.

Axes: N answers, C criteria (padded), P prompts; K is one entry for each tag of each criterion of
each answer.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..rubric import CATEGORIES, Example, Polarity, Rubric
from ..verdict import Outcome, Verdict

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RubricArrays:
    """Criteria of many rubrics, [..., C]; the leading axes are the caller's."""

    points: Floats
    """Signed points; 0 marks padding."""
    desirable: Bools
    """Polarity."""
    category: NDArray[np.int8]
    """Code in `CATEGORIES`, or -1."""

    @property
    def present(self) -> Bools:
        """True where there is a criterion, False at padding."""
        return np.not_equal(self.points, 0)

    def take(self, index: NDArray[np.intp]) -> RubricArrays:
        """Pick rubrics by position on the first axis, with repetition: rubrics of N answers."""
        return RubricArrays(self.points[index], self.desirable[index], self.category[index])

    def for_groups(self) -> RubricArrays:
        """Put an axis before the criteria: [P, C] becomes [P, 1, C], to broadcast over G."""
        return RubricArrays(
            self.points[..., None, :], self.desirable[..., None, :], self.category[..., None, :]
        )

    def hits(self, verdicts: Floats) -> Floats:
        """Say which criteria count their points: 1 they do, 0 they do not, NaN unknown.

        A criterion whose sign and polarity agree counts when it is met, one whose sign and
        polarity disagree ("does not prescribe X" at -2) when it is not.
        """
        agrees = (self.points > 0) == self.desirable
        return np.where(self.present, np.where(agrees, verdicts, 1.0 - verdicts), np.nan)


def pack_rubrics(rubrics: Sequence[Rubric]) -> RubricArrays:
    """Pad rubrics to [P, C]."""
    n_criteria = max((len(rubric) for rubric in rubrics), default=0)
    shape = (len(rubrics), n_criteria)
    packed = RubricArrays(np.zeros(shape), np.ones(shape, bool), np.full(shape, -1, np.int8))
    codes = {name: code for code, name in enumerate(CATEGORIES)}
    for row, rubric in enumerate(rubrics):
        for column, criterion in enumerate(rubric.criteria):
            packed.points[row, column] = criterion.points
            packed.desirable[row, column] = criterion.polarity is Polarity.DESIRABLE
            packed.category[row, column] = codes.get(criterion.category or "", -1)
    return packed


def pack_verdicts(rows: Sequence[Sequence[Verdict]], n_criteria: int) -> Floats:
    """Pad verdicts to [N, C]; a missing verdict is NaN, and so is padding."""
    packed = np.full((len(rows), n_criteria), np.nan)
    for row, verdicts in enumerate(rows):
        for column, verdict in enumerate(verdicts):
            if verdict.met is not None:
                packed[row, column] = verdict.met
    return packed


def pack_probabilities(rows: Sequence[Sequence[Verdict]], n_criteria: int) -> Floats | None:
    """Pad P(met) to [N, C] as `pack_verdicts` does; None where no verdict there is carries one.

    A verdict without a probability among others that have one counts as 1 or 0.
    """
    packed = pack_verdicts(rows, n_criteria)
    n_verdicts = n_known = 0
    for row, verdicts in enumerate(rows):
        for column, verdict in enumerate(verdicts):
            n_verdicts += verdict.met is not None
            if verdict.met is not None and verdict.probability is not None:
                packed[row, column] = verdict.probability
                n_known += 1
    return packed if n_known or not n_verdicts else None


Codes = NDArray[np.intp]
BLOCK = 8_192
"""Answers that are scored at a time: whatever the size of a run, the arrays between stay small."""
_NOT_MET, _MET, _MISSING = 0, 1, 2
_CODES = dict.fromkeys(Outcome, _MISSING) | {
    Outcome.MET: _MET,
    Outcome.NOT_MET: _NOT_MET,
}
_VALUES = np.array([0.0, 1.0, np.nan])
"""Of the codes above, as the formulas take them."""


@dataclass(frozen=True, slots=True)
class CriterionTags:
    """Which criteria of which answers carry which tag, one entry [K] for each."""

    names: tuple[str, ...]
    """Sorted; `tag_K` counts in them."""
    answer_K: Codes
    """Ascending."""
    criterion_K: Codes
    tag_K: Codes


@dataclass(frozen=True, slots=True)
class VerdictTable:
    """Verdicts of N answers with everything the formulas need."""

    verdicts_NC: Floats
    """1 met, 0 not met, NaN no verdict or padding."""
    rubrics: RubricArrays
    """[N, C]: the rubric of each answer."""
    prompt_N: Codes
    """Position of the answer's prompt in `prompt_ids`: the cluster of every statistic."""
    prompt_ids: tuple[str, ...]
    repeat_N: Codes
    chars_N: Floats
    """Characters of the part of each answer that was judged."""
    criterion_tags: CriterionTags
    example_tags: tuple[str, ...]
    tagged_TN: Bools
    """Which answers belong to an example with the tag, in the order of `example_tags`."""

    @classmethod
    def of(cls, graded: Sequence[GradedAnswer]) -> VerdictTable:
        """Pack graded answers, in their order; the same example may occur any number of times."""
        examples, example_N = _distinct([g.example for g in graded])
        code_by_id: dict[str, int] = {}
        prompts = [code_by_id.setdefault(g.example.prompt_id, len(code_by_id)) for g in graded]
        return TablePacker(examples).table(
            example_N,
            b"".join(verdict_codes(g.verdicts) for g in graded),
            prompt_N=np.array(prompts, dtype=np.intp),
            prompt_ids=tuple(code_by_id),
            repeat_N=np.array([g.repeat for g in graded], dtype=np.intp),
            chars_N=np.array([len(g.judged) for g in graded], dtype=np.float64),
        )

    def __len__(self) -> int:
        """Count the answers."""
        return len(self.prompt_N)

    def blocks(self, size: int = BLOCK) -> Iterator[VerdictTable]:
        """Give the same answers as tables of so many, as `PackedAnswers.tables` does."""
        if len(self) <= size:
            yield self
            return
        tags = self.criterion_tags
        for start in range(0, len(self), size):
            here = slice(start, min(start + size, len(self)))
            first, last = np.searchsorted(tags.answer_K, [here.start, here.stop])
            yield replace(
                self,
                verdicts_NC=self.verdicts_NC[here],
                rubrics=RubricArrays(
                    self.rubrics.points[here],
                    self.rubrics.desirable[here],
                    self.rubrics.category[here],
                ),
                prompt_N=self.prompt_N[here],
                repeat_N=self.repeat_N[here],
                chars_N=self.chars_N[here],
                criterion_tags=CriterionTags(
                    tags.names,
                    tags.answer_K[first:last] - start,
                    tags.criterion_K[first:last],
                    tags.tag_K[first:last],
                ),
                tagged_TN=self.tagged_TN[:, here],
            )


class TablePacker:
    """The rubrics and tags of some examples, to make tables of any answers to them."""

    def __init__(self, examples: Sequence[Example]) -> None:
        """Pack the rubrics."""
        self._rubrics_EC: RubricArrays = pack_rubrics([e.rubric for e in examples])
        self._present_EC: Bools = np.arange(self._rubrics_EC.points.shape[1]) < np.array(
            [len(e.rubric) for e in examples], dtype=np.intp
        ).reshape(-1, 1)
        self._example_tags = tuple(sorted({tag for e in examples for tag in e.tags}))
        self._tagged_TE = _example_tags(examples, self._example_tags)
        self._names, self._pairs_E = _criterion_tags(examples)

    def table(
        self,
        example_N: Codes,
        verdicts: bytes,
        *,
        prompt_N: Codes,
        prompt_ids: tuple[str, ...],
        repeat_N: Codes,
        chars_N: Floats,
    ) -> VerdictTable:
        """Make a table of answers; `verdicts` are the codes of all their criteria, one by one."""
        verdicts_NC = np.full((len(example_N), self._rubrics_EC.points.shape[1]), np.nan)
        verdicts_NC[self._present_EC[example_N]] = _VALUES[np.frombuffer(verdicts, dtype=np.uint8)]
        pairs = [self._pairs_E[code] for code in example_N]
        entries = np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.intp)
        lengths = np.array([len(p) for p in pairs], dtype=np.intp)
        answer_K = np.repeat(np.arange(len(pairs), dtype=np.intp), lengths)
        return VerdictTable(
            verdicts_NC=verdicts_NC,
            rubrics=self._rubrics_EC.take(example_N),
            prompt_N=prompt_N,
            prompt_ids=prompt_ids,
            repeat_N=repeat_N,
            chars_N=chars_N,
            criterion_tags=CriterionTags(self._names, answer_K, entries[:, 0], entries[:, 1]),
            example_tags=self._example_tags,
            tagged_TN=self._tagged_TE[:, example_N],
        )


def _criterion_tags(examples: Sequence[Example]) -> tuple[tuple[str, ...], list[Codes]]:
    """Give the names, and for each example the pairs of criterion and tag, [K, 2]."""
    names = tuple(sorted({t for e in examples for c in e.rubric.criteria for t in c.tags}))
    code_by_name = {name: code for code, name in enumerate(names)}
    return names, [
        np.array(
            [
                (column, code_by_name[tag])
                for column, criterion in enumerate(example.rubric.criteria)
                for tag in dict.fromkeys(criterion.tags)  # a tag written twice counts once
            ],
            dtype=np.intp,
        ).reshape(-1, 2)
        for example in examples
    ]


def _example_tags(examples: Sequence[Example], names: Sequence[str]) -> Bools:
    tagged_TE = np.zeros((len(names), len(examples)), dtype=bool)
    code_by_name = {name: code for code, name in enumerate(names)}
    for column, example in enumerate(examples):
        for tag in example.tags:
            tagged_TE[code_by_name[tag], column] = True
    return tagged_TE


def verdict_codes(verdicts: Sequence[Verdict]) -> bytes:
    """Give a byte for each verdict, as `TablePacker.table` takes them."""
    return bytes([_CODES[verdict.outcome] for verdict in verdicts])


def _distinct(examples: Sequence[Example]) -> tuple[list[Example], Codes]:
    """Give the distinct example objects, and the position of each answer's among them."""
    # by identity: equal rows are few, and hashing a rubric for every answer is not free
    code_by_object: dict[int, int] = {}
    distinct: list[Example] = []
    codes = np.empty(len(examples), dtype=np.intp)
    for index, example in enumerate(examples):
        code = code_by_object.setdefault(id(example), len(distinct))
        if code == len(distinct):
            distinct.append(example)
        codes[index] = code
    return distinct, codes


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
