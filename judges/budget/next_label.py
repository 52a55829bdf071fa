"""Which answers or criteria a person should label next.

A unit is a whole answer with all of its criteria, or one criterion. The same text to the same
prompt is one answer, whichever systems gave it. Which units are drawn hangs on the seed and the
unit's own words alone: more labels with the same seed keep those that were drawn before.

The rules but `random` draw a unit with a chance in proportion to the error that is expected of the
judge there (`two_judges.py`), so that the corrected score has the least variance; a label counts
1 / chance in it. The chance is the same for P(met) and 1 - P(met): it does not tell a rater what
the judge said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..answer import GradedAnswer, solution_of
from ..rubric import Criterion, Example
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Floats
from ..scoring.verdict_table import Codes, VerdictTable
from .two_judges import Unit, chances, draw, expected_error


class DrawRule(StrEnum):
    """By what the chance of a unit is set."""

    SCORE = "score"
    """By its weight in the score of its answer, and how uncertain the judge is."""
    DISAGREEMENT = "disagreement"
    """By how uncertain the judge is, whatever the points."""
    RANDOM = "random"
    """The same for all."""


@dataclass(frozen=True, slots=True)
class PooledAnswer:
    """One text to one prompt, and everything that judges said of it."""

    example: Example
    text: str
    """The part of it that is judged."""
    graded: tuple[GradedAnswer, ...]

    def key(self, place: int | None = None) -> str:
        """Name the answer, or one of its criteria, by its own words."""
        criterion = "" if place is None else f"{place}\0{self.example.rubric.criteria[place].text}"
        return f"{self.example.prompt_id}\0{self.text}\0{criterion}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One question to a person."""

    answer: PooledAnswer
    place: int
    """Of the criterion in its rubric."""
    probability: float | None
    """Chance in (0, 1] with which it was drawn; None where whole answers are a plain random part of
    the run."""

    @property
    def criterion(self) -> Criterion:
        """What is asked."""
        return self.answer.example.rubric.criteria[self.place]


def pooled(graded: Iterable[GradedAnswer]) -> list[PooledAnswer]:
    """Put the same text to the same prompt together; answers that were never given are left out."""
    found: dict[tuple[str, tuple[Criterion, ...], str], list[GradedAnswer]] = {}
    for answer in graded:
        if not answer.is_absent and answer.example.rubric.criteria:
            key = (answer.example.prompt_id, answer.example.rubric.criteria, _shown(answer))
            found.setdefault(key, []).append(answer)
    return [
        PooledAnswer(same[0].example, text, tuple(same)) for (_, _, text), same in found.items()
    ]


def _shown(answer: GradedAnswer) -> str:
    """Give the judged part, where labels of it are found again by the answer as a whole."""
    is_found = solution_of(answer.judged).strip() == solution_of(answer.answer).strip()
    return answer.judged if is_found else answer.answer


def draw_labels(
    answers: Sequence[PooledAnswer], n: int, unit: Unit, rule: DrawRule, seed: int
) -> list[Drawn]:
    """Draw n units; all of them where there are no more.

    By chances of their own every unit is drawn apart from the others, so their number is about n.

    Returns:
        Answers in a random order, the criteria of each in the order of its rubric.
    """
    units = [(at, places) for at, answer in enumerate(answers) for places in _places(answer, unit)]
    keys = [answers[at].key(None if unit is Unit.ANSWERS else p[0]) for at, p in units]
    number_U = np.array([draw(seed, key) for key in keys])
    share = min(1.0, n / max(1, len(units)))
    if rule is DrawRule.RANDOM:
        chosen = np.argsort(number_U, kind="stable")[:n]
        chance_U = np.full(len(units), np.nan if unit is Unit.ANSWERS else share)
    else:
        chance_U = chances(unit_errors(answers, units, rule), share)
        chosen = np.flatnonzero(number_U < chance_U)
    drawn = [
        Drawn(answers[units[u][0]], place, None if np.isnan(chance_U[u]) else float(chance_U[u]))
        for u in chosen
        for place in units[u][1]
    ]
    return sorted(drawn, key=lambda one: (draw(seed, f"order\0{one.answer.key()}"), one.place))


def _places(answer: PooledAnswer, unit: Unit) -> list[tuple[int, ...]]:
    """Give what is drawn together; a statement that stands twice in a rubric is asked once."""
    criteria = answer.example.rubric.criteria
    if unit is Unit.ANSWERS:
        return [tuple(range(len(criteria)))]
    first = {c.text: place for place, c in reversed(list(enumerate(criteria)))}
    return [(place,) for place in sorted(first.values())]


def unit_errors(
    answers: Sequence[PooledAnswer], units: Sequence[tuple[int, tuple[int, ...]]], rule: DrawRule
) -> Floats:
    """Give the error that is expected of the judge on each unit, over the root of its labels.

    Of a whole answer the root of the sum of squares over its criteria, as if the judge erred on
    each by itself.

    Args:
        answers: All of them.
        units: Position of the answer, and of its criteria that are drawn together.
        rule: Which weights count: those of the score, or 1.
    """
    sizes = [len(answer.graded) for answer in answers]
    table = VerdictTable.of([one for answer in answers for one in answer.graded])
    rubrics = table.whole_rubrics.take(np.cumsum([0, *sizes[:-1]]))
    weight_AC = rubrics.present.astype(np.float64)
    if rule is DrawRule.SCORE:
        worth_AC = rubrics.gains + rubrics.losses
        weight_AC = np.nan_to_num(ratio(worth_AC, rubrics.gains.sum(1, keepdims=True)))
    chance_AC = met_chances(table, np.repeat(np.arange(len(answers)), sizes))
    error_AC = expected_error(weight_AC, chance_AC)
    return np.array(
        [float(np.mean(error_AC[at, list(places)] ** 2)) ** 0.5 for at, places in units]
    )


def met_chances(table: VerdictTable, answer_N: Codes) -> Floats:
    """Give the share of its points that judges expect of each criterion, [A, C]; NaN for unknown.

    By their P(met) where they give it. By votes alone (replicates, several judges) k of n are
    (k + 1/2) / (n + 1), so that two that agree are not sure; one vote tells nothing.

    Args:
        table: All verdicts.
        answer_N: Which answer each row is about, 0 to A - 1.
    """
    shape = (int(answer_N.max(initial=-1)) + 1, table.verdicts_NC.shape[1])
    sum_AC, n_AC = np.zeros(shape), np.zeros(shape)
    has_chances = False
    for replicate in range(len(table.verdicts_RNC)):
        said_NC = table.probabilities(replicate)
        has_chances = has_chances or said_NC is not None
        said_NC = table.verdicts(replicate) if said_NC is None else said_NC
        known_NC = ~np.isnan(said_NC)
        np.add.at(sum_AC, answer_N, np.where(known_NC, said_NC, 0.0))
        np.add.at(n_AC, answer_N, known_NC)
    if has_chances:
        return np.clip(ratio(sum_AC, n_AC), 0.0, 1.0)
    votes_AC = np.clip((sum_AC + 0.5) / (n_AC + 1), 0.0, 1.0)
    return np.where(n_AC >= 2, votes_AC, np.nan)
