"""Verdicts of several answers to each prompt, as the arrays that a signal study works on.

A group is what GRPO compares: answers to one prompt by one policy. Groups are ragged in their
number of answers and of criteria, and are padded with NaN.
Axes: P groups, G answers of a group, C criteria, R verdicts of the same criterion.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..answer import GradedAnswer
from ..errors import ConfigError, DataError
from ..rewards import Needs, Reward, evaluate
from ..rubric import Rubric
from ..scoring.verdict_table import (
    Bools,
    Floats,
    RubricArrays,
    pack_probabilities,
    pack_rubrics,
    pack_verdicts,
)
from ..verdict import Verdict

BATCH_GROUPS = 4
"""Groups in a batch of a training where none is said: 24 answers in groups of six."""
MIN_ANSWERS = 3
"""Fewer answers than this make no group: two alone are equal too often to say much."""


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
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
    n_left_out: int = 0
    """Answers in groups that were too small."""
    n_repeated: int = 0
    """Answers whose text stands in their group before: no new sample."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not align."""
        n_groups, n_answers, n_criteria = self.verdicts_PGC.shape
        expected = {
            "rubric": (self.rubric_PC.points.shape, (n_groups, n_criteria)),
            "answered": (self.answered_PG.shape, (n_groups, n_answers)),
            "prompt_ids": ((len(self.prompt_ids),), (n_groups,)),
        }
        if self.replicates_RPGC is not None:
            expected["replicates"] = (self.replicates_RPGC.shape[1:], self.verdicts_PGC.shape)
        if self.gold_PGC is not None:
            expected["gold"] = (self.gold_PGC.shape, self.verdicts_PGC.shape)
        for name, (got, wanted) in expected.items():
            if got != wanted:
                raise DataError(f"grouped verdicts: {name} has shape {got}, expected {wanted}")

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

    def rewards(self, reward: Reward) -> Floats:
        """Compute a reward for every answer, [P, G]; NaN where there is none."""
        return self._rewards(reward, self.verdicts_PGC, self.ratings_PG, self._probabilities(0))

    def replicate_rewards(self, reward: Reward) -> Floats | None:
        """Compute a reward from each replicate alone, [R, P, G] with the first in front."""
        if reward.needs is Needs.RATING:
            if self.ratings_PG is None or self.further_ratings_RPG is None:
                return None
            ratings = [self.ratings_PG, *self.further_ratings_RPG]
            return np.stack(
                [self._rewards(reward, self.verdicts_PGC, row, None) for row in ratings]
            )
        if self.replicates_RPGC is None:
            return None
        rows = [self.verdicts_PGC, *self.replicates_RPGC]
        return np.stack(
            [self._rewards(reward, row, None, self._probabilities(r)) for r, row in enumerate(rows)]
        )

    def rewards_from(self, reward: Reward, verdicts_PGC: Floats) -> Floats:
        """Compute a reward of verdicts from another judge's on the same criteria, [P, G]."""
        return self._rewards(reward, verdicts_PGC, None, None)

    def _probabilities(self, replicate: int) -> Floats | None:
        return None if self.probabilities_RPGC is None else self.probabilities_RPGC[replicate]

    def _rewards(
        self,
        reward: Reward,
        verdicts_PGC: Floats,
        ratings_PG: Floats | None,
        probabilities_PGC: Floats | None,
    ) -> Floats:
        with warnings.catch_warnings():
            # padding has no verdict at all, of which numpy's nan-functions in a user's own reward
            # would warn at every call
            warnings.simplefilter("ignore", RuntimeWarning)
            rewards = evaluate(
                reward,
                verdicts_PGC,
                self.rubric_PC.for_groups(),
                ratings=ratings_PG,
                chars=self.chars_PG,
                probabilities=probabilities_PGC,
            )
        return np.where(self.answered_PG, rewards, np.nan)

    def take(self, groups: NDArray[np.intp]) -> GroupedVerdicts:
        """Pick groups by position."""
        return replace(
            self,
            verdicts_PGC=self.verdicts_PGC[groups],
            rubric_PC=self.rubric_PC.take(groups),
            answered_PG=self.answered_PG[groups],
            prompt_ids=tuple(self.prompt_ids[int(g)] for g in groups),
            labels=tuple(self.labels[int(g)] for g in groups) if self.labels else (),
            chars_PG=None if self.chars_PG is None else self.chars_PG[groups],
            replicates_RPGC=(
                None if self.replicates_RPGC is None else self.replicates_RPGC[:, groups]
            ),
            probabilities_RPGC=(
                None if self.probabilities_RPGC is None else self.probabilities_RPGC[:, groups]
            ),
            gold_PGC=None if self.gold_PGC is None else self.gold_PGC[groups],
            ratings_PG=None if self.ratings_PG is None else self.ratings_PG[groups],
            further_ratings_RPG=(
                None if self.further_ratings_RPG is None else self.further_ratings_RPG[:, groups]
            ),
        )


def group_answers(
    answers: Iterable[LabelledAnswer | GradedAnswer],
    by: Sequence[str] = (),
    *,
    min_answers: int = MIN_ANSWERS,
) -> GroupedVerdicts:
    """Group graded answers by prompt and labels.

    Args:
        answers: In any order; the order within a group is kept.
        by: Labels that tell groups of one prompt apart. A label an answer lacks counts as "".
        min_answers: Groups with fewer answers are left out, and counted.

    Raises:
        ConfigError: No group is left, or no answer has one of the labels.
        DataError: Answers to one prompt carry different rubrics.
    """
    if min_answers < 2:
        raise ConfigError(f"a group needs at least 2 answers, not {min_answers}")
    members: dict[tuple[str, ...], list[LabelledAnswer]] = {}
    seen_labels: set[str] = set()
    for answer in answers:
        one = answer if isinstance(answer, LabelledAnswer) else LabelledAnswer(answer)
        seen_labels.update(one.labels)
        key = (one.graded.example.prompt_id, *(one.labels.get(name, "") for name in by))
        members.setdefault(key, []).append(one)
    for name in by:
        if members and name not in seen_labels:
            known = ", ".join(sorted(seen_labels)) or "none"
            raise ConfigError(f"no answer has the label {name!r} to group by; labels: {known}")
    kept = {key: group for key, group in members.items() if len(group) >= min_answers}
    if not kept:
        largest = max(map(len, members.values()), default=0)
        raise ConfigError(
            f"no prompt has {min_answers} answers (the largest group has {largest}); "
            "a signal study compares several answers to one prompt: "
            + ("use a smaller --min_group" if largest >= 2 else "run the task with repeats: 6")
        )
    n_left_out = sum(map(len, members.values())) - sum(map(len, kept.values()))
    return _pack(kept, by, n_left_out)


def _pack(
    members: Mapping[tuple[str, ...], Sequence[LabelledAnswer]], by: Sequence[str], n_left_out: int
) -> GroupedVerdicts:
    kept = {key: [one.graded for one in group] for key, group in members.items()}
    gold = [one.gold for group in members.values() for one in group]
    rubrics = [_one_rubric(key[0], group) for key, group in kept.items()]
    rubric_PC = pack_rubrics(rubrics)
    n_criteria = rubric_PC.points.shape[1]
    shape = (len(kept), max(map(len, kept.values())))
    flat = [answer for group in kept.values() for answer in group]
    rows = np.repeat(np.arange(len(kept)), [len(group) for group in kept.values()])
    columns = np.concatenate([np.arange(len(group)) for group in kept.values()])

    def spread(verdicts_NC: Floats) -> Floats:
        spread_PGC = np.full((*shape, n_criteria), np.nan)
        spread_PGC[rows, columns] = verdicts_NC
        return spread_PGC

    answered_PG = np.zeros(shape, bool)
    answered_PG[rows, columns] = True
    chars_PG = np.full(shape, np.nan)
    chars_PG[rows, columns] = [len(answer.judged) for answer in flat]
    n_ratings = max(len(answer.ratings) for answer in flat)
    ratings_RPG = np.full((n_ratings, *shape), np.nan)
    for n, answer in enumerate(flat):
        for r, rating in enumerate(answer.ratings):
            if rating.value is not None:
                ratings_RPG[r, rows[n], columns[n]] = rating.value
    n_replicates = max(len(answer.replicates) for answer in flat)
    rows_RN = [
        [answer.verdicts for answer in flat],
        *(
            [a.replicates[r] if r < len(a.replicates) else () for a in flat]
            for r in range(n_replicates)
        ),
    ]
    verdicts_RPGC = np.stack([spread(pack_verdicts(rows_N, n_criteria)) for rows_N in rows_RN])
    return GroupedVerdicts(
        verdicts_PGC=verdicts_RPGC[0],
        rubric_PC=rubric_PC,
        answered_PG=answered_PG,
        prompt_ids=tuple(key[0] for key in kept),
        labels=tuple(dict(zip(by, key[1:], strict=True)) for key in kept),
        chars_PG=chars_PG,
        replicates_RPGC=verdicts_RPGC[1:] if n_replicates else None,
        probabilities_RPGC=_probabilities(rows_RN, verdicts_RPGC, spread),
        gold_PGC=spread(pack_verdicts(gold, n_criteria)) if any(gold) else None,
        ratings_PG=ratings_RPG[0] if n_ratings else None,
        further_ratings_RPG=ratings_RPG[1:] if n_ratings > 1 else None,
        n_left_out=n_left_out,
        n_repeated=sum(len(group) - len({a.answer for a in group}) for group in kept.values()),
    )


def _probabilities(
    rows_RN: Sequence[Sequence[Sequence[Verdict]]],
    verdicts_RPGC: Floats,
    spread: Callable[[Floats], Floats],
) -> Floats | None:
    """Pack P(met) of every replicate, one without any by its verdicts; None without a first."""
    n_criteria = verdicts_RPGC.shape[-1]
    packed_R = [pack_probabilities(rows_N, n_criteria) for rows_N in rows_RN]
    if packed_R[0] is None:
        return None
    return np.stack(
        [
            verdicts_PGC if packed_NC is None else spread(packed_NC)
            for packed_NC, verdicts_PGC in zip(packed_R, verdicts_RPGC, strict=True)
        ]
    )


def _one_rubric(prompt_id: str, group: Sequence[GradedAnswer]) -> Rubric:
    first = group[0].example.rubric
    for answer in group[1:]:
        other = answer.example.rubric
        if other is not first and other.criteria != first.criteria:
            raise DataError(
                f"prompt_id {prompt_id}: answers in one group were graded by different rubrics; "
                "group them apart with --group_by run"
            )
    return first
