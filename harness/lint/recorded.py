"""Look at verdicts: criteria that distinguish no answers, and what never or always counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...judges.answer import GradedAnswer
from ...judges.rubric import Criterion, Rubric
from ...judges.shares import does_count, is_closed, values_of
from ...judges.verdict import Verdict
from .findings import LintFinding, LintRule

MIN_ANSWERS = 3
"""Answers to a prompt before "never" and "always" say anything."""
MOSTLY = 0.5
"""Share of the verdicts beyond which a criterion mostly does not apply."""


def of_verdicts(graded: Sequence[GradedAnswer]) -> Iterator[LintFinding]:
    """Find what the answers to a prompt say of its criteria, over every answer to it.

    Levels and "not applicable" of a criterion that stands in several rubrics are counted over all
    of them, and named at the first.
    """
    by_prompt: dict[str, list[GradedAnswer]] = {}
    for answer in graded:
        by_prompt.setdefault(answer.example.prompt_id, []).append(answer)
    pools: dict[tuple[str, ...], _Pool] = {}
    for prompt_id, answers in by_prompt.items():
        rubric = answers[0].example.rubric
        rows = [answer.verdicts for answer in answers if len(answer.verdicts) == len(rubric)]
        for i, criterion in enumerate(rubric.criteria):
            verdicts = [row[i] for row in rows]
            for rule, detail in _of_criterion(rubric, i, verdicts, rows):
                yield LintFinding(rule, prompt_id, (i,), detail)
            if criterion.levels or criterion.na:
                key = (criterion.text, *(level.text for level in criterion.levels))
                pools.setdefault(key, _Pool(prompt_id, i, criterion)).add(verdicts)
    for pool in pools.values():
        for rule, detail in pool.findings():
            yield LintFinding(rule, pool.prompt_id, (pool.place,), detail)


def _of_criterion(
    rubric: Rubric, place: int, verdicts: Sequence[Verdict], rows: Sequence[Sequence[Verdict]]
) -> Iterator[tuple[LintRule, str]]:
    criterion = rubric.criteria[place]
    met = [verdict.met for verdict in verdicts if verdict.met is not None]
    if len(met) >= MIN_ANSWERS and len(set(met)) == 1:
        yield (LintRule.ALWAYS_MET if met[0] else LintRule.NEVER_MET), f"{len(met)} answers"
    if criterion.gate is not None:
        closed = _known(is_closed(rubric, values_of(rubric, row), place) for row in rows)
        if len(closed) >= MIN_ANSWERS and all(closed):
            yield LintRule.GATE_CLOSED, f"closed by all {len(closed)} answers"
    if criterion.requires is not None:
        counts = _known(does_count(rubric, values_of(rubric, row), place) for row in rows)
        if len(counts) >= MIN_ANSWERS and not any(counts):
            other = rubric.place_of(criterion.requires.id) + 1
            yield LintRule.REQUIRED_NEVER, f"criterion {other} in {len(counts)} answers"


def _known(states: Iterable[bool | None]) -> list[bool]:
    return [state for state in states if state is not None]


@dataclass(slots=True)
class _Pool:
    """The verdicts on one criterion, in however many rubrics it stands."""

    prompt_id: str
    place: int
    criterion: Criterion
    n_rubrics: int = 0
    n_answered: int = 0
    n_na: int = 0
    by_level: Counter[int] = field(default_factory=Counter)

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Count the verdicts of one rubric."""
        self.n_rubrics += 1
        self.n_answered += sum(not verdict.is_missing for verdict in verdicts)
        self.n_na += sum(verdict.is_na for verdict in verdicts)
        self.by_level.update(v.level for v in verdicts if v.level is not None)

    def findings(self) -> Iterator[tuple[LintRule, str]]:
        """Say what they show."""
        over = f", over {self.n_rubrics} rubrics" if self.n_rubrics > 1 else ""
        if self.n_answered >= MIN_ANSWERS and self.n_na > MOSTLY * self.n_answered:
            yield LintRule.NOT_APPLICABLE, f"{self.n_na} of {self.n_answered} verdicts{over}"
        places = range(len(self.criterion.levels))
        missing = [level for level in places if not self.by_level[level]]
        if missing and self.by_level.total() >= MIN_ANSWERS:
            word = "level" if len(missing) == 1 else "levels"
            names = ", ".join(map(str, missing))
            shown = ", ".join(str(self.by_level[level]) for level in places)
            yield LintRule.LEVEL_UNREACHED, f"{word} {names}; answers by level: {shown}{over}"
