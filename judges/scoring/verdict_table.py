"""Graded answers as arrays: what every score, reward and study is computed from.

Answers are packed once a run, and the table is handed on: a part of it (a model, a run, a group) is
a view of its rows. Axes: N answers, C criteria (padded), P prompts, R verdicts of a criterion; K is
one entry for each tag of each criterion of each answer.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..rubric import Criterion, Example
from ..shares import EXCLUDED, expected_value, value_of
from ..verdict import ANSWERED, Outcome, Verdict
from .rubric_arrays import Bools, Floats, RubricArrays, pack_rubrics

BLOCK = 8_192
"""Answers that are scored at a time: whatever the size of a run, the arrays between stay small."""
_OUTCOMES = tuple(Outcome)
_CODES = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_NEVER = -1
"""Code of a verdict that was never asked for: padding, or a replicate that an answer lacks."""
_VALUE_OF = {Outcome.MET: 1.0, Outcome.NOT_MET: 0.0}
_VALUES = np.array([*(_VALUE_OF.get(outcome, np.nan) for outcome in _OUTCOMES), np.nan])
"""Of the codes, as the formulas take them; the last is that of `_NEVER`."""


Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CriterionTags:
    """Which criteria of which answers carry which tag, one entry [K] for each."""

    names: tuple[str, ...]
    """Sorted; `tag_K` counts in them."""
    answer_K: Codes
    """Ascending."""
    criterion_K: Codes
    tag_K: Codes

    def rows(self, at_N: Codes) -> CriterionTags:
        """Give the entries of some answers, which then count from 0."""
        first_N, end_N = (np.searchsorted(self.answer_K, at_N + more) for more in (0, 1))
        sizes_N = end_N - first_N
        moved_N = first_N - np.cumsum(sizes_N) + sizes_N
        entry_K = np.repeat(moved_N, sizes_N) + np.arange(int(sizes_N.sum()), dtype=np.intp)
        return CriterionTags(
            self.names,
            np.repeat(np.arange(len(at_N), dtype=np.intp), sizes_N),
            self.criterion_K[entry_K],
            self.tag_K[entry_K],
        )


@dataclass(frozen=True, slots=True)
class VerdictTable:
    """Verdicts of N answers with everything the formulas need."""

    verdicts_RNC: Floats
    """1 met, 0 not met, the share of its points for a level, NaN no verdict or padding; the first,
    then those of each replicate."""
    outcome_NC: NDArray[np.int8]
    """Position in `Outcome` of each first verdict's; -1 at padding."""
    probabilities_RNC: Floats | None
    """P(met) of the same verdicts, NaN where a verdict carries none; None where none does."""
    ratings_RN: Floats
    """Ratings of the whole answer, 1 to 10, NaN where there is none; [0, N] where none was asked
    for."""
    rubrics: RubricArrays
    """[N, C]: the rubric of each answer, without what does not apply by its first verdicts."""
    whole_rubrics: RubricArrays
    """[N, C]: with all criteria."""
    excluded_RNC: Bools | None
    """What does not apply to an answer and counts nowhere; None where all applies to all."""
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
    def of(cls, graded: Iterable[GradedAnswer]) -> VerdictTable:
        """Pack graded answers, in their order; the same example may occur any number of times."""
        return PackedAnswers.of(graded, is_whole=True).table()

    def __len__(self) -> int:
        """Count the answers."""
        return len(self.prompt_N)

    @property
    def verdicts_NC(self) -> Floats:
        """The first verdicts."""
        return self.verdicts(0)

    @property
    def missing_by_reason(self) -> dict[str, int]:
        """First verdicts that never came, by outcome."""
        answers = (_NEVER, *map(_CODES.__getitem__, ANSWERED))
        lost = self.outcome_NC[~np.isin(self.outcome_NC, answers)]
        counts = np.bincount(lost, minlength=len(_OUTCOMES)).tolist()
        return {name.value: n for name, n in sorted(zip(_OUTCOMES, counts, strict=True)) if n}

    def verdicts(self, replicate: int) -> Floats:
        """Give the first verdicts or further ones, [N, C]; NaN where no answer has so many."""
        none_NC = np.full(self.outcome_NC.shape, np.nan)
        found: Floats = dict(enumerate(self.verdicts_RNC)).get(replicate, none_NC)
        return found

    def rubrics_of(self, replicate: int) -> RubricArrays:
        """Give the rubrics without what does not apply by a replicate's verdicts."""
        if self.excluded_RNC is None or not 0 < replicate < len(self.excluded_RNC):
            return self.rubrics
        return self.whole_rubrics.without(self.excluded_RNC[replicate])

    def caps(self) -> tuple[Floats, Floats] | None:
        """Give `RubricArrays.caps` by the first verdicts."""
        return self.rubrics.caps(self.verdicts_NC)

    def ratings(self, replicate: int = 0) -> Floats:
        """Give the first ratings or further ones, [N]; NaN where there are none."""
        none_N = np.full(len(self), np.nan)
        found: Floats = dict(enumerate(self.ratings_RN)).get(replicate, none_N)
        return found

    def probabilities(self, replicate: int = 0) -> Floats | None:
        """Give P(met), [N, C], NaN where there is no verdict; None where no verdict carries one.

        A verdict without a probability among others that have one counts as 1 or 0.
        """
        verdicts_NC = self.verdicts(replicate)
        known_NC = np.zeros(verdicts_NC.shape, dtype=bool)
        said_NC = verdicts_NC
        if self.probabilities_RNC is not None and replicate < len(self.probabilities_RNC):
            said_NC = self.probabilities_RNC[replicate]
            known_NC = ~np.isnan(said_NC) & ~np.isnan(verdicts_NC)
        if not known_NC.any() and not np.isnan(verdicts_NC).all():
            return None
        return np.where(known_NC, said_NC, verdicts_NC)

    def rows(self, at: slice | Codes) -> VerdictTable:
        """Give some of the answers, in any order: arrays of a slice are looked into, not copied."""
        probabilities = self.probabilities_RNC
        return replace(
            self,
            verdicts_RNC=self.verdicts_RNC[:, at],
            outcome_NC=self.outcome_NC[at],
            probabilities_RNC=None if probabilities is None else probabilities[:, at],
            ratings_RN=self.ratings_RN[:, at],
            rubrics=self.rubrics.take(at),
            whole_rubrics=self.whole_rubrics.take(at),
            excluded_RNC=None if self.excluded_RNC is None else self.excluded_RNC[:, at],
            prompt_N=self.prompt_N[at],
            repeat_N=self.repeat_N[at],
            chars_N=self.chars_N[at],
            criterion_tags=self.criterion_tags.rows(np.arange(len(self))[at]),
            tagged_TN=self.tagged_TN[:, at],
        )

    def part(self, at: slice | Codes) -> VerdictTable:
        """Give some of the answers as a run of their own, with no other's prompts and padding."""
        some = self.rows(at)
        old_P, first_P, prompt_N = np.unique(some.prompt_N, return_index=True, return_inverse=True)
        order_P = np.argsort(first_P)  # as packing counts them: by their first answers
        width = slice(int((some.outcome_NC != _NEVER).sum(axis=1).max(initial=0)))
        probabilities, excluded = some.probabilities_RNC, some.excluded_RNC
        return replace(
            some,
            verdicts_RNC=some.verdicts_RNC[..., width],
            outcome_NC=some.outcome_NC[..., width],
            probabilities_RNC=None if probabilities is None else probabilities[..., width],
            rubrics=some.rubrics.each(lambda values: values[..., width]),
            whole_rubrics=some.whole_rubrics.each(lambda values: values[..., width]),
            excluded_RNC=None if excluded is None else excluded[..., width],
            prompt_N=np.argsort(order_P)[prompt_N.reshape(-1)],
            prompt_ids=tuple(self.prompt_ids[code] for code in old_P[order_P].tolist()),
        )

    def blocks(self, size: int = BLOCK) -> Iterator[slice]:
        """Give the places of so many answers at a time; one empty one for none."""
        for start in range(0, max(1, len(self)), size):
            yield slice(start, min(start + size, len(self)))


class _GrowingRows:
    """Rows of numbers that grow together; what one of them is not given is filled up."""

    def __init__(self, kind: str, fill: float, n: int = 0) -> None:
        self._kind, self._fill = kind, fill
        self._rows: list[array[float]] = [array(kind) for _ in range(n)]
        self._length = 0

    def extend(self, given: Sequence[Iterable[float]], size: int) -> None:
        """Add `size` numbers to every row, of those there are and those that are given."""
        for _ in range(len(given) - len(self._rows)):
            self._rows.append(array(self._kind, [self._fill]) * self._length)
        for number, row in enumerate(self._rows):
            row.extend(given[number] if number < len(given) else repeat(self._fill, size))
        self._length += size

    def array(self, start: int, stop: int) -> NDArray[np.generic]:
        """Give a part of all rows, [R, stop - start]; copied, for they may go on growing."""
        packed = [np.array(row[start:stop], dtype=self._kind) for row in self._rows]
        return np.stack(packed) if packed else np.empty((0, stop - start))


class PackedAnswers:
    """Graded answers in the order they were added, on their way into tables."""

    def __init__(self, *, is_whole: bool = False) -> None:
        """Begin with none.

        Args:
            is_whole: Keep replicates, probabilities and ratings too; without, an answer takes some
                bytes and a byte for each criterion.
        """
        self._is_whole = is_whole
        self._examples: list[Example] = []
        self._plain: list[bool] = []
        """Whether the rubric of each example is met or not met throughout."""
        self._code_by_object: dict[int, int] = {}
        self._prompts: dict[str, int] = {}
        self._example_N = array("q")
        self._prompt_N = array("q")
        self._repeat_N = array("q")
        self._chars_N = array("q")
        self._outcomes = _GrowingRows("b", _NEVER, 1)
        """Code by code, answer after answer; as many as each rubric has criteria."""
        self._values = _GrowingRows("d", np.nan)
        """Of levels and of what does not apply; no row where a rubric has neither."""
        self._probabilities = _GrowingRows("d", np.nan)
        self._ratings = _GrowingRows("d", np.nan)

    @classmethod
    def of(cls, graded: Iterable[GradedAnswer], *, is_whole: bool = False) -> PackedAnswers:
        """Pack answers."""
        packed = cls(is_whole=is_whole)
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
            self._plain.append(example.rubric.is_plain)
        prompt = self._prompts.setdefault(example.prompt_id, len(self._prompts))
        self._example_N.append(code)
        self._prompt_N.append(prompt)
        self._repeat_N.append(answer.repeat)
        self._chars_N.append(len(answer.judged))
        self._add_verdicts(answer, len(example.rubric), self._plain[code])
        return prompt

    def _add_verdicts(self, answer: GradedAnswer, n_criteria: int, is_plain: bool) -> None:
        rows = (answer.verdicts, *answer.replicates) if self._is_whole else (answer.verdicts,)
        codes = [[_CODES[verdict.outcome] for verdict in row] for row in rows]
        self._outcomes.extend(codes, n_criteria)
        criteria = answer.example.rubric.criteria
        values = [] if is_plain else [_values_of(row, criteria) for row in rows]
        self._values.extend(values, n_criteria)
        if not self._is_whole:
            return
        given = [
            [
                _or_nan(verdict.probability if is_plain else expected_value(verdict, criterion))
                for verdict, criterion in zip(row, criteria, strict=True)
            ]
            for row in rows
        ]
        has_one = any(chance == chance for row in given for chance in row)  # NaN equals nothing
        self._probabilities.extend(given if has_one else (), n_criteria)
        self._ratings.extend([[_or_nan(rating.value)] for rating in answer.ratings], 1)

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

    def table(self) -> VerdictTable:
        """Give all answers as one table."""
        return next(self.tables(max(1, len(self))))

    def tables(self, size: int = BLOCK) -> Iterator[VerdictTable]:
        """Give the answers as tables of so many, one after the other; one empty one for none.

        All of them count prompts, criteria and tags alike.
        """
        rubrics_EC = pack_rubrics([e.rubric for e in self._examples])
        lengths_E = np.array([len(e.rubric) for e in self._examples], dtype=np.intp)
        present_EC = np.arange(rubrics_EC.points.shape[1]) < lengths_E[:, None]
        example_tags = tuple(sorted({tag for e in self._examples for tag in e.tags}))
        tagged_TE = _example_tags(self._examples, example_tags)
        tags_E = _criterion_tags(self._examples)
        # copied: an array that numpy looks into cannot grow any more
        example_N = np.array(self._example_N, dtype=np.intp)
        ends_N = np.concatenate([[0], np.cumsum(lengths_E[example_N])]).tolist()
        prompt_ids = self.prompt_ids
        for start in range(0, max(1, len(self)), size):
            here = slice(start, min(start + size, len(self)))
            of = example_N[here]
            outcome_RNC, values_RNC, probabilities_RNC = (
                _spread(rows.array(ends_N[here.start], ends_N[here.stop]), present_EC[of])
                for rows in (self._outcomes, self._values, self._probabilities)
            )
            verdicts_RNC, excluded_RNC = _valued(outcome_RNC, values_RNC)
            whole = rubrics_EC.take(of)
            yield VerdictTable(
                verdicts_RNC=verdicts_RNC,
                outcome_NC=outcome_RNC[0],
                rubrics=whole if excluded_RNC is None else whole.without(excluded_RNC[0]),
                whole_rubrics=whole,
                excluded_RNC=excluded_RNC,
                probabilities_RNC=probabilities_RNC if len(probabilities_RNC) else None,
                ratings_RN=self._ratings.array(here.start, here.stop).astype(np.float64),
                prompt_N=np.array(self._prompt_N[here], dtype=np.intp),
                prompt_ids=prompt_ids,
                repeat_N=np.array(self._repeat_N[here], dtype=np.intp),
                chars_N=np.array(self._chars_N[here], dtype=np.float64),
                criterion_tags=tags_E.rows(of),
                example_tags=example_tags,
                tagged_TN=tagged_TE[:, of],
            )


def _spread(numbers_RK: NDArray[Any], present_NC: Bools) -> NDArray[Any]:
    """Put numbers at the criteria that are there, [R, N, C]; the rest is padding."""
    padding = _NEVER if numbers_RK.dtype == np.int8 else np.nan
    padded = np.full((len(numbers_RK), *present_NC.shape), padding, dtype=numbers_RK.dtype)
    padded[:, present_NC] = numbers_RK
    return padded


def _valued(outcome_RNC: NDArray[Any], values_RNC: Floats) -> tuple[Floats, Bools | None]:
    """Give the values of verdicts, and what of them counts nowhere."""
    verdicts_RNC: Floats = _VALUES[outcome_RNC]
    if not len(values_RNC):
        return verdicts_RNC, None
    given_RNC = np.full(verdicts_RNC.shape, np.nan)
    given_RNC[: len(values_RNC)] = values_RNC
    excluded_RNC = given_RNC == EXCLUDED
    given_RNC[excluded_RNC] = np.nan
    verdicts_RNC = np.where(np.isnan(given_RNC), verdicts_RNC, given_RNC)
    return verdicts_RNC, excluded_RNC if excluded_RNC.any() else None


def _values_of(row: Sequence[Verdict], criteria: Sequence[Criterion]) -> list[float]:
    return [value_of(verdict, criterion) for verdict, criterion in zip(row, criteria, strict=True)]


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _criterion_tags(examples: Sequence[Example]) -> CriterionTags:
    """Give the tags of the criteria of each example, which stand for the answers."""
    names = tuple(sorted({t for e in examples for c in e.rubric.criteria for t in c.tags}))
    code_by_name = {name: code for code, name in enumerate(names)}
    entries_K3 = np.array(
        [
            (place, column, code_by_name[tag])
            for place, example in enumerate(examples)
            for column, criterion in enumerate(example.rubric.criteria)
            for tag in dict.fromkeys(criterion.tags)  # a tag written twice counts once
        ],
        dtype=np.intp,
    ).reshape(-1, 3)
    return CriterionTags(names, *entries_K3.T)


def _example_tags(examples: Sequence[Example], names: Sequence[str]) -> Bools:
    has = [[name in example.tags for example in examples] for name in names]
    return np.array(has, dtype=bool).reshape(len(names), len(examples))
