"""Labelled answers, and a judge's verdicts beside their labels.

Axes: N questions (one criterion of one answer), L labels. One question may carry labels of several
raters; each (judge, label) pair counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer, solution_of
from ..errors import DataError
from ..rubric import Criterion, Example, Polarity, digest_of_prompt
from ..scoring.rubric_arrays import Bools, Floats
from ..shares import suited
from ..verdict import Verdict

Codes = NDArray[np.intp]
CHANCE_FIELD = "probability"
"""Of a labelled row: the inclusion probability with which its criterion was chosen."""
UNTAGGED = "other"
"""Category of a criterion without a tag."""
UNEQUAL = (
    "the labels were drawn with unequal chances (the 'probability' of their rows), mostly where a "
    "judge is unsure: rates of them are not those of all verdicts"
)


@dataclass(frozen=True, slots=True)
class Label:
    """What one rater said of one criterion of one answer."""

    met: bool | None
    """None where the rater named a level, or said that the criterion does not apply."""
    rater: str = ""
    """The physician's id; empty where the data names none."""
    level: int | None = None
    """Position among the criterion's levels; without it and without `met`: it does not apply."""

    @classmethod
    def of(cls, verdict: Verdict, rater: str = "") -> Label:
        """Take a verdict that is not missing for a label."""
        return cls(verdict.met, rater, verdict.level)

    @property
    def verdict(self) -> Verdict:
        """What the rater said, whatever its criterion allows."""
        if self.met is not None:
            return Verdict.of(self.met)
        return Verdict.not_applicable() if self.level is None else Verdict.at_level(self.level)

    def on(self, criterion: Criterion) -> Verdict:
        """Give the label as a verdict on a criterion.

        Raises:
            DataError: The criterion has no such level, or may not be called not applicable.
        """
        found = suited(self.verdict, criterion)
        if found.is_missing:
            raise DataError(f"a label of {criterion.text[:60]!r} cannot be: {why_not(found)}")
        return found


def why_not(verdict: Verdict) -> str:
    """Say why a criterion does not allow what was said of it."""
    return verdict.explanation.partition(";")[0]


def agreed(labels: Sequence[Label], criterion: Criterion) -> Verdict | None:
    """Give what the labels of one criterion say together; None without a label or where they tie.

    What most of them say; of ordered levels the middle one (the median) of those that name one.
    """
    said = [label.on(criterion) for label in labels]
    rest = [verdict for verdict in said if not verdict.is_na]
    n_na = len(said) - len(rest)
    if n_na >= len(rest):
        return Verdict.not_applicable() if n_na > len(rest) else None
    order = sorted(verdict.level if verdict.level is not None else int(verdict.met is True)
                   for verdict in rest)  # fmt: skip
    middle = order[(len(order) - 1) // 2]
    if criterion.is_nominal:
        middle = max(order, key=order.count)
        if sum(order.count(one) == order.count(middle) for one in set(order)) > 1:
            return None
    elif middle != order[len(order) // 2]:
        return None
    return Verdict.at_level(middle) if criterion.levels else Verdict.of(bool(middle))


def full_level(criterion: Criterion) -> int:
    """Give the level that counts all of the points; of equal ones the last."""
    shares = [criterion.share(level) for level in range(len(criterion.levels))]
    return max(range(len(shares)), key=lambda level: (shares[level], level))


def as_met(verdict: Verdict, criterion: Criterion) -> bool | None:
    """Read a verdict as met or not met: of two levels the one with all points is "met".

    None where it is neither: of three levels or more, of what does not apply, of no verdict.
    """
    if not criterion.levels:
        return verdict.met
    if len(criterion.levels) > 2 or verdict.level is None:
        return None
    return verdict.level == full_level(criterion)


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer with labels for some criteria of its rubric."""

    example: Example
    text: str
    labels: tuple[tuple[Label, ...], ...]
    """By criterion, in the order of the rubric; empty where a criterion has no label."""
    category: str | None = None
    """As the labelled data groups its rows, such as `cluster:hedging_...`; or None."""
    model: str = ""
    """Who wrote the answer; empty where the data does not say."""
    chances: tuple[float | None, ...] = ()
    """By criterion: the inclusion probability in (0, 1] with which it was chosen for a label, None
    where it was not chosen. Empty where that is not known: then the answers must be a random part
    of the run that they correct."""
    draw: tuple[str, int] | None = None
    """What was drawn, `answers` or `criteria`, and how many of them; None where that is not known.
    Where fewer have come back, in a random order, each counts for more."""


AnswerKey = tuple[str, str]


def keys_of(example: Example, text: str) -> tuple[AnswerKey, AnswerKey]:
    """Name an answer by its prompt's id, and by the prompt's words where others have other ids."""
    said = solution_of(text).strip()
    return (example.prompt_id, said), (digest_of_prompt(example.prompt), said)


def without_begun(
    labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]
) -> tuple[Sequence[LabelledAnswer], int]:
    """Leave out answers that were drawn whole and of which not all criteria have come back.

    Where labelling ended within an answer it was not reached, as those after it. A "cannot tell"
    has come back.

    Returns:
        The rest, and how many answers were left out; all rows where no answer is whole.
    """
    back: dict[AnswerKey, set[str]] = {}
    for item in labelled:
        if item.draw is not None and item.draw[0] == "answers":
            key, _ = keys_of(item.example, item.text)
            back.setdefault(key, set()).update(c.text for c in item.example.rubric.criteria)
    is_whole: dict[AnswerKey, bool] = {}
    for answer in graded if back else ():
        wanted = {c.text for c in answer.example.rubric.criteria}
        for key in keys_of(answer.example, answer.answer):
            if key in back:
                is_whole[key] = back[key] >= wanted
    begun = {key for key, whole in is_whole.items() if not whole}
    if len(begun) in (0, len(is_whole)):
        return labelled, 0
    return [i for i in labelled if keys_of(i.example, i.text)[0] not in begun], len(begun)


def have_chances(labelled: Sequence[LabelledAnswer], where: str) -> bool:
    """Whether labelled answers say with what chance they were chosen.

    Args:
        labelled: All of them.
        where: They stand, for the message.

    Raises:
        DataError: Some do and some do not.
    """
    n, n_chosen = len(labelled), sum(bool(item.chances) for item in labelled)
    if n_chosen not in (0, n):
        raise DataError(
            f"{where}: {n - n_chosen} of {n} rows have no {CHANCE_FIELD!r}; give it in every row "
            "(1 where a label was certain to be requested), or in none"
        )
    return n_chosen > 0


def are_unequal(labelled: Sequence[LabelledAnswer]) -> bool:
    """Say whether some labels were drawn with a higher chance than others."""
    chances = {chance for item in labelled for chance in item.chances if chance is not None}
    return len(chances) > 1


@dataclass(frozen=True, slots=True)
class AuditTable:
    """A judge's verdicts beside the labels."""

    verdict_N: Floats
    """1 met, 0 not met, NaN no verdict."""
    probability_N: Floats
    """P(met); NaN where the judge gives none."""
    prompt_N: Codes
    """The prompt a question belongs to: the cluster of every interval."""
    criterion_N: Codes
    """The same criterion of the same prompt has the same code, whatever the answer."""
    category_N: Codes
    categories: tuple[str, ...]
    desirable_N: Bools
    """Whether it is good when the criterion's text is true of an answer."""
    chars_N: Floats
    """Characters of the judged answer."""
    met_L: Bools
    question_L: Codes
    rater_L: Codes
    raters: tuple[str, ...]
    n_prompts: int
    na_N: Bools | None = None
    """Where the judge says that the criterion does not apply: an answer, and no missing one. None
    where it never does."""

    @classmethod
    def of(cls, labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]) -> AuditTable:
        """Put labels and verdicts side by side; questions without a label are excluded.

        Args:
            labelled: The labels, each met or not met (`met_or_not`).
            graded: The judge's verdicts on the same answers, in the same order.
        """
        prompts: dict[str, int] = {}
        criteria: dict[tuple[int, int, str], int] = {}
        categories: dict[str, int] = {}
        raters: dict[str, int] = {}
        rows: list[tuple[float | None, ...]] = []
        pairs: list[tuple[bool, int, int]] = []
        for item, answer in zip(labelled, graded, strict=True):
            prompt = prompts.setdefault(item.example.prompt_id, len(prompts))
            n_chars = len(answer.judged)
            for index, labels in enumerate(item.labels):
                if not labels:
                    continue
                criterion = item.example.rubric.criteria[index]
                code = criteria.setdefault((prompt, index, criterion.text), len(criteria))
                name = item.category or category_of(criterion.tags)
                category = categories.setdefault(name, len(categories))
                for label in labels:
                    rater = raters.setdefault(label.rater, len(raters))
                    pairs.append((label.met is True, len(rows), rater))
                verdict, desirable = (
                    answer.verdicts[index],
                    criterion.polarity is Polarity.DESIRABLE,
                )
                said = (as_met(verdict, criterion), _chance(verdict, criterion), verdict.is_na)
                rows.append((*said, desirable, n_chars, prompt, code, category))
        # None becomes NaN
        met_N, chance_N, na_N, desirable_N, chars_N, *codes = (
            np.array(rows, dtype=np.float64).reshape(-1, 8).T
        )
        prompt_N, criterion_N, category_N = (of.astype(np.intp) for of in codes)
        met_L, question_L, rater_L = np.array(pairs, dtype=np.intp).reshape(-1, 3).T
        return cls(
            verdict_N=met_N,
            probability_N=chance_N,
            prompt_N=prompt_N,
            criterion_N=criterion_N,
            category_N=category_N,
            categories=tuple(categories),
            desirable_N=desirable_N == 1,
            chars_N=chars_N,
            met_L=met_L == 1,
            question_L=question_L,
            rater_L=rater_L,
            raters=tuple(raters),
            n_prompts=len(prompts),
            na_N=na_N == 1 if na_N.any() else None,
        )

    def __len__(self) -> int:
        """Count the labelled questions."""
        return len(self.verdict_N)

    @property
    def n_without_verdict(self) -> int:
        """Count the missing verdicts."""
        n_na = 0 if self.na_N is None else int(self.na_N.sum())
        return int(np.isnan(self.verdict_N).sum()) - n_na

    @property
    def score_N(self) -> Floats:
        """P(met) where the judge gives one, else its verdict as 0 or 1; NaN without a verdict."""
        has_both = ~np.isnan(self.verdict_N) & ~np.isnan(self.probability_N)
        return np.where(has_both, self.probability_N, self.verdict_N)

    @property
    def label_share_N(self) -> Floats:
        """Share of each question's labels that say met, in [0, 1]."""
        n_N = np.bincount(self.question_L, minlength=len(self))
        return sums_by(self.question_L, self.met_L, len(self)) / n_N

    def cells_PK(self) -> Floats:
        """Count each pair in its cell, summed by prompt: [P, 4] in the order of `CELLS`."""
        return self.cells_by(self.prompt_N[self.question_L], self.n_prompts)

    def cells_by(self, group_L: Codes, n_groups: int) -> Floats:
        """Count pairs in their cells by group, [groups, 4]; pairs without a verdict are excluded.

        Args:
            group_L: Group of each pair, 0 to n_groups - 1.
            n_groups: How many there are.
        """
        judged_L = self.verdict_N[self.question_L]
        has = ~np.isnan(judged_L)
        return count_cells(judged_L[has] == 1, self.met_L[has], group_L[has], n_groups)


def met_or_not(labelled: Sequence[LabelledAnswer]) -> Sequence[LabelledAnswer]:
    """Leave the labels that say met or not met; of two levels the one with all points is "met".

    What has more levels, and what does not apply, is in `levels.py`.
    """
    if not any(c.levels or c.na for item in labelled for c in item.example.rubric.criteria):
        return labelled

    def two_sided(labels: Sequence[Label], criterion: Criterion) -> tuple[Label, ...]:
        said = ((label, as_met(label.on(criterion), criterion)) for label in labels)
        return tuple(Label(met, label.rater) for label, met in said if met is not None)

    return [
        replace(item, labels=tuple(map(two_sided, item.labels, item.example.rubric.criteria)))
        for item in labelled
    ]


def _chance(verdict: Verdict, criterion: Criterion) -> float | None:
    if criterion.levels and verdict.level_probabilities is not None:
        return verdict.level_probabilities[full_level(criterion)]
    return verdict.probability


def count_cells(said: Bools, label: Bools, group: Codes, n_groups: int) -> Floats:
    """Count pairs of what was said and what the label says, [groups, 4] in the order of `CELLS`."""
    # met: tp 0 or fp 1; not met: fn 2 or tn 3
    cell = np.where(said, ~label, 2 + ~label)
    flat = np.bincount(group * 4 + cell, minlength=4 * n_groups)
    return flat.reshape(n_groups, 4).astype(np.float64)


def sums_by(group: Codes, values: Floats | Bools, n_groups: int) -> Floats:
    """Sum values by their group, [groups]."""
    return np.bincount(group, weights=values, minlength=n_groups).astype(np.float64)


def deal_folds(n_prompts: int, n_folds: int, seed: int) -> Codes:
    """Deal prompts into folds at random: [P], 0 to n_folds - 1."""
    return np.asarray(np.random.default_rng(seed).permutation(n_prompts) % n_folds)


def category_of(tags: Sequence[str]) -> str:
    """Give the criterion's own group: its consensus cluster, else its axis, else its level."""
    for prefix in ("cluster:", "axis:", "level:"):
        for tag in tags:
            if tag.startswith(prefix):
                return tag
    return UNTAGGED
