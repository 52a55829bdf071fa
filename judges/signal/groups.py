"""Verdicts of several answers to each prompt, as the arrays that a signal study works on.

A group is what GRPO compares: answers to one prompt by one policy. Groups are ragged in their
number of answers and of criteria, and are padded with NaN.
Axes: P groups, G answers of a group, C criteria, R verdicts of the same criterion.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..errors import ConfigError, DataError
from ..rewards import Needs, Reward, evaluate_groups
from ..scoring.rubric_arrays import Bools, Floats, RubricArrays
from ..scoring.verdict_table import VerdictTable
from ..verdict import Outcome, Verdict
from .levels import LevelCount, count_levels, level_shares

BATCH_GROUPS = 4
"""Groups in a batch of a training where none is said: 24 answers in groups of six."""
MIN_ANSWERS = 3
"""Fewer answers than this make no group: two alone are equal too often to say much."""


@dataclass(frozen=True, slots=True)
class TaggedAnswer:
    """A graded answer, and what else may tell its group from others."""

    graded: GradedAnswer
    labels: Mapping[str, str] = field(default_factory=dict)
    """Such as `model`, `system`, `run`."""
    gold: tuple[Verdict, ...] = ()
    """What a better judge, or people, say of the same criteria; empty where they say nothing."""


@dataclass(frozen=True, slots=True)
class GroupedVerdicts:
    """Groups of graded answers."""

    verdicts_PGC: Floats
    rubric_PC: RubricArrays
    answered_PG: Bools
    """True where there is an answer, False at padding."""
    prompt_ids: tuple[str, ...]
    """Prompt of each group, [P]; a prompt may have several groups."""
    labels: tuple[Mapping[str, str], ...] = ()
    """What else each group holds together, [P], or empty."""
    chars_PG: Floats | None = None
    """Characters of each answer, NaN at padding."""
    replicates_RPGC: Floats | None = None
    """Further independent verdicts, without the first; NaN where there is none."""
    probabilities_RPGC: Floats | None = None
    """P(met) of the first verdicts and of the replicates; None where no verdict carries one."""
    ratings_PG: Floats | None = None
    """One rating of the whole rubric, 1 to 10, where a judge gave it."""
    further_ratings_RPG: Floats | None = None
    """Further independent ratings, without the first; NaN where there is none."""
    gold_PGC: Floats | None = None
    """Verdicts of a better judge on the same criteria, NaN where it gave none."""
    excluded_RPGC: Bools | None = None
    """What does not apply to an answer by the first verdicts and by each replicate, and counts
    nowhere; None where all applies to all."""
    gold_excluded_PGC: Bools | None = None
    """The same by the better judge."""
    places_PG: NDArray[np.intp] | None = None
    """Where each answer stood among all that were given; -1 at padding."""
    levels_PCK: Floats | None = None
    """Share of the points of each level, as `level_shares` gives them; None where none has any."""
    level_counts: tuple[LevelCount, ...] = ()
    """How often each level is named; empty where all is met or not met, and applies."""
    n_left_out: int = 0
    """Answers in groups that were too small."""
    n_repeated: int = 0
    """Answers whose text stands in their group before: no new sample."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not align."""
        sizes = dict(zip("PGC", self.verdicts_PGC.shape, strict=True))
        given = [*self._arrays(), ("rubric_PC", "PC", self.rubric_PC.points)]
        if len(self.prompt_ids) != sizes["P"]:
            raise DataError(f"grouped verdicts: {len(self.prompt_ids)} prompt_ids for {sizes}")
        for name, axes, array in given:
            if any(sizes.get(x, n) != n for x, n in zip(axes, array.shape, strict=True)):
                raise DataError(f"grouped verdicts: {name} has shape {array.shape} for {sizes}")

    def _arrays(self) -> Iterator[tuple[str, str, NDArray[Any]]]:
        """Give each array with its axes, which its name ends in."""
        for name in self.__dataclass_fields__:
            if isinstance(array := getattr(self, name), np.ndarray):
                yield name, name.rpartition("_")[2], array

    @property
    def n_groups(self) -> int:
        """Count the groups."""
        return int(self.verdicts_PGC.shape[0])

    @property
    def n_answers(self) -> int:
        """Count the answers."""
        return int(self.answered_PG.sum())

    @property
    def n_replicates(self) -> int:
        """Count the verdicts of a criterion, or ratings of an answer, the first included."""
        further = (self.replicates_RPGC, self.further_ratings_RPG)
        return 1 + max(0 if rows is None else int(rows.shape[0]) for rows in further)

    @property
    def sizes_P(self) -> NDArray[np.intp]:
        """Answers of each group."""
        sizes: NDArray[np.intp] = self.answered_PG.sum(1)
        return sizes

    @property
    def clusters_P(self) -> NDArray[np.intp]:
        """A number for the prompt of each group: groups of one prompt are not independent."""
        return np.unique(np.asarray(self.prompt_ids), return_inverse=True)[1].astype(np.intp)

    @property
    def verdicts_RPGC(self) -> Floats:
        """The first verdicts and the replicates; R is 1 without any."""
        first = self.verdicts_PGC[None]
        further = self.replicates_RPGC
        return first if further is None else np.concatenate([first, further])

    def rewards(self, reward: Reward) -> Floats:
        """Compute a reward for every answer, [P, G]; NaN where there is none."""
        return self._judged(reward, 0, self.verdicts_PGC, self.ratings_PG)

    def replicate_rewards(self, reward: Reward) -> Floats:
        """Compute a reward from each replicate alone, [R, P, G] with the first in front."""
        first, rating = self.verdicts_PGC, self.ratings_PG
        if reward.needs is Needs.RATING:
            ratings = [rating, *_each(self.further_ratings_RPG)]
            return np.stack([self._judged(reward, 0, first, one) for one in ratings])
        rows = enumerate([first, *_each(self.replicates_RPGC)])
        return np.stack([self._judged(reward, r, row, rating) for r, row in rows])

    def gold_rewards(self, reward: Reward) -> Floats | None:
        """Compute a reward of verdicts from the better judge's, [P, G]; None without one."""
        if self.gold_PGC is None:
            return None
        return self._rewards(reward, self.gold_PGC, None, None, self.gold_excluded_PGC)

    def _judged(
        self, reward: Reward, replicate: int, verdicts_PGC: Floats, ratings_PG: Floats | None
    ) -> Floats:
        probabilities, excluded = self.probabilities_RPGC, self.excluded_RPGC
        return self._rewards(
            reward,
            verdicts_PGC,
            ratings_PG,
            None if probabilities is None else probabilities[replicate],
            None if excluded is None else excluded[replicate],
        )

    def _rewards(
        self,
        reward: Reward,
        verdicts_PGC: Floats,
        ratings_PG: Floats | None,
        probabilities_PGC: Floats | None,
        excluded_PGC: Bools | None,
    ) -> Floats:
        with warnings.catch_warnings():
            # padding has no verdict at all, of which numpy's nan-functions in a user's own reward
            # would warn at every call
            warnings.simplefilter("ignore", RuntimeWarning)
            rewards = evaluate_groups(
                reward,
                verdicts_PGC,
                self.rubric_PC.for_groups().without(excluded_PGC),
                ratings_PG=ratings_PG,
                chars_PG=self.chars_PG,
                probabilities_PGC=probabilities_PGC,
            )
        return np.where(self.answered_PG, rewards, np.nan)

    def take(self, groups: NDArray[np.intp]) -> GroupedVerdicts:
        """Pick groups by position."""
        taken: dict[str, Any] = {
            name: array.take(groups, axis=axes.index("P")) for name, axes, array in self._arrays()
        }
        return replace(
            self,
            **taken,
            rubric_PC=self.rubric_PC.take(groups),
            prompt_ids=tuple(self.prompt_ids[int(g)] for g in groups),
            labels=tuple(self.labels[int(g)] for g in groups) if self.labels else (),
        )


def _each(further: Floats | None) -> Iterable[Floats]:
    return () if further is None else further


def group_answers(
    answers: Iterable[TaggedAnswer | GradedAnswer],
    by: Sequence[str] = (),
    *,
    min_answers: int = MIN_ANSWERS,
    table: VerdictTable | None = None,
) -> GroupedVerdicts:
    """Group graded answers by prompt and labels.

    Args:
        answers: In any order. Groups are sorted by their labels; else the order is kept.
        by: Labels that tell groups of one prompt apart. A label an answer lacks counts as "".
        min_answers: Groups with fewer answers are excluded, and counted.
        table: The same answers in the same order, where they are packed already.

    Raises:
        ConfigError: No group is left, or no answer has one of the labels.
        DataError: Answers to one prompt carry different rubrics.
    """
    if min_answers < 2:
        raise ConfigError(f"a group needs at least 2 answers, not {min_answers}")
    labelled = [a if isinstance(a, TaggedAnswer) else TaggedAnswer(a) for a in answers]
    members: dict[tuple[str, ...], list[int]] = {}
    seen_labels: set[str] = set()
    for place, one in enumerate(labelled):
        seen_labels.update(one.labels)
        key = (one.graded.example.prompt_id, *(one.labels.get(name, "") for name in by))
        members.setdefault(key, []).append(place)
    for name in by:
        if members and name not in seen_labels:
            known = ", ".join(sorted(seen_labels)) or "none"
            raise ConfigError(f"no answer has the label {name!r} to group by; labels: {known}")
    # by their labels: which model is named first must not move a number that is drawn or summed
    ordered = sorted(members, key=lambda key: key[1:])
    kept = {key: members[key] for key in ordered if len(members[key]) >= min_answers}
    if not kept:
        largest = max(map(len, members.values()), default=0)
        raise ConfigError(
            f"no prompt has {min_answers} answers (the largest group has {largest}); "
            "a signal study compares several answers to one prompt: "
            + ("use a smaller --min_group" if largest >= 2 else "sample 6, such as run --repeats 6")
        )
    n_left_out = sum(map(len, members.values())) - sum(map(len, kept.values()))
    places = [place for group in kept.values() for place in group]
    flat = [labelled[place] for place in places]
    return _grouped(
        {key: len(group) for key, group in kept.items()},
        by,
        flat,
        np.array(places, dtype=np.intp),
        VerdictTable.of(one.graded for one in flat)
        if table is None
        else table.part(np.array(places, dtype=np.intp)),
        n_left_out,
    )


def _grouped(
    sizes: Mapping[tuple[str, ...], int],
    by: Sequence[str],
    flat: Sequence[TaggedAnswer],
    places_N: NDArray[np.intp],
    table: VerdictTable,
    n_left_out: int,
) -> GroupedVerdicts:
    """Lay answers that lie group by group out to groups."""
    sizes_P = np.array(list(sizes.values()), dtype=np.intp)
    ends_P = np.cumsum(sizes_P)
    groups = [flat[end - size : end] for size, end in zip(sizes_P, ends_P, strict=True)]
    for key, group in zip(sizes, groups, strict=True):
        _require_one_rubric(key[0], [one.graded for one in group])
    group_N = np.repeat(np.arange(len(sizes_P)), sizes_P)
    place_N = np.arange(len(flat)) - np.repeat(ends_P - sizes_P, sizes_P)
    answered_PG = np.arange(int(sizes_P.max())) < sizes_P[:, None]

    def spread(values: NDArray[Any] | None, axis: int) -> Any:
        """Put a group and a place in it in the stead of the axis of answers."""
        if values is None:
            return None
        shape = (*values.shape[:axis], *answered_PG.shape, *values.shape[axis + 1 :])
        laid_out = np.zeros(shape, bool) if values.dtype == bool else np.full(shape, np.nan)
        laid_out[(slice(None),) * axis + (group_N, place_N)] = values
        return laid_out

    places_PG = np.full(answered_PG.shape, -1, np.intp)
    places_PG[group_N, place_N] = places_N
    verdicts_RPGC = spread(table.verdicts_RNC, 1)
    ratings_RPG = spread(table.ratings_RN, 1)
    gold = _gold(flat) if any(one.gold for one in flat) else None
    gold_excluded_RNC = None if gold is None else gold.excluded_RNC
    return GroupedVerdicts(
        verdicts_PGC=verdicts_RPGC[0],
        rubric_PC=table.whole_rubrics.take(ends_P - sizes_P),
        answered_PG=answered_PG,
        prompt_ids=tuple(key[0] for key in sizes),
        labels=tuple(dict(zip(by, key[1:], strict=True)) for key in sizes),
        chars_PG=spread(table.chars_N, 0),
        replicates_RPGC=verdicts_RPGC[1:] if len(verdicts_RPGC) > 1 else None,
        probabilities_RPGC=spread(_probabilities(table), 1),
        gold_PGC=None if gold is None else spread(gold.verdicts_NC, 0),
        gold_excluded_PGC=None if gold_excluded_RNC is None else spread(gold_excluded_RNC[0], 0),
        excluded_RPGC=spread(table.excluded_RNC, 1),
        ratings_PG=ratings_RPG[0] if len(ratings_RPG) else None,
        further_ratings_RPG=ratings_RPG[1:] if len(ratings_RPG) > 1 else None,
        places_PG=places_PG,
        levels_PCK=level_shares(
            [group[0].graded.example.rubric for group in groups], verdicts_RPGC.shape[-1]
        ),
        level_counts=count_levels(one.graded for one in flat),
        n_left_out=n_left_out,
        n_repeated=sum(len(group) - len({one.graded.answer for one in group}) for group in groups),
    )


def _gold(flat: Sequence[TaggedAnswer]) -> VerdictTable:
    """Pack what a better judge says; no verdict where it says nothing."""
    return VerdictTable.of(
        replace(
            one.graded,
            verdicts=one.gold or (Verdict(Outcome.SKIPPED),) * len(one.graded.verdicts),
            replicates=(),
        )
        for one in flat
    )


def _probabilities(table: VerdictTable) -> Floats | None:
    """Give P(met) of every replicate, one without any by its verdicts; None without a first."""
    if table.probabilities() is None:
        return None
    said = [(row_NC, table.probabilities(r)) for r, row_NC in enumerate(table.verdicts_RNC)]
    return np.stack([row_NC if given_NC is None else given_NC for row_NC, given_NC in said])


def _require_one_rubric(prompt_id: str, group: Sequence[GradedAnswer]) -> None:
    first = group[0].example.rubric
    for answer in group[1:]:
        other = answer.example.rubric
        if other is not first and other.criteria != first.criteria:
            raise DataError(
                f"prompt_id {prompt_id}: answers in one group were graded by different rubrics; "
                "separate them with --group_by run"
            )
