"""Search the wording of a judge that agrees most with labels, and test it on untouched prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.audit.agreement import Confusion
from ...judges.audit.judge_audit import difference, judge_figures
from ...judges.audit.labels import AuditTable, LabelledAnswer, agreed
from ...judges.budget.wordings import MIN_ROUND, Correction, Round, halve, rounds_of
from ...judges.errors import ConfigError, RubricbeatError
from ...judges.rubric import Rubric
from ...judges.scoring.estimates import MIN_PROMPTS, Estimate
from ...judges.scoring.plain_form import plain_fields

MORE_MISSING = 0.01
"""A wording with so many more missing verdicts is never called better: they are not at random."""
LESSONS = 4
"""One prompt in so many of the searched half gives worked examples, and is not searched on."""
Prompt = tuple[LabelledAnswer, ...]
"""The labelled answers to one prompt."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to ask the same model."""

    name: str
    text: str | None = field(default=None, repr=False)
    """Its wording; None for the judge's own."""
    changes: Mapping[str, object] = field(default_factory=dict, hash=False)
    """Options of the judge that differ."""
    votes: int = 1
    """Verdicts of each criterion, of which the majority counts."""


Ask = Callable[[Candidate, Sequence[LabelledAnswer]], Sequence[GradedAnswer]]
"""Puts labelled answers to a candidate."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Prompts with their labels, dealt at random."""

    lessons: tuple[Prompt, ...]
    """Worked examples come from here."""
    searched: tuple[Prompt, ...]
    """Candidates are compared here."""
    held: tuple[Prompt, ...]
    """Untouched until one candidate is left."""


def deal(labelled: Sequence[LabelledAnswer], seed: int) -> Parts:
    """Deal prompts: one half is searched, a quarter of that for examples, the other is held out.

    Raises:
        ConfigError: Too few prompts, or labels that all say the same.
    """
    prompts: dict[str, list[LabelledAnswer]] = {}
    for item in labelled:
        prompts.setdefault(item.example.prompt_id, []).append(item)
    if len(prompts) < 2 * MIN_PROMPTS:
        raise ConfigError(
            f"labels of {len(prompts)} prompts: a wording is searched on one half of them and "
            f"tested on the other; at least {2 * MIN_PROMPTS} are needed"
        )
    mets = {label.met for item in labelled for labels in item.labels for label in labels}
    if mets != {True, False}:
        raise ConfigError("all labels say the same; a judge is compared on labels of both kinds")
    each = [tuple(items) for items in prompts.values()]
    order = [each[at] for at in np.random.default_rng(seed).permutation(len(each))]
    half, n_lessons = len(order) // 2, len(order) // 2 // LESSONS
    return Parts(tuple(order[:n_lessons]), tuple(order[n_lessons:half]), tuple(order[half:]))


def plain_labels(labelled: Sequence[LabelledAnswer]) -> tuple[list[LabelledAnswer], int]:
    """Keep labelled criteria that are met or not met of the answer; give the labels left out too.

    A wording of one's own shows no levels, references or turns.
    """
    kept, n_left_out = [], 0
    for item in labelled:
        example = item.example
        pairs = [
            (replace(criterion, requires=None, gate=None, id=None), labels)
            for criterion, labels in zip(example.rubric.criteria, item.labels, strict=True)
            if labels
            and not (criterion.levels or criterion.na or example.reference_of(criterion))
            and criterion.turn == -1
        ]
        n_left_out += sum(map(len, item.labels)) - sum(len(labels) for _, labels in pairs)
        if pairs:
            rubric = Rubric(tuple(criterion for criterion, _ in pairs))
            labels = tuple(given for _, given in pairs)
            kept.append(replace(item, example=replace(example, rubric=rubric), labels=labels))
    return kept, n_left_out


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate on the half that was searched."""

    name: str
    n_prompts: int
    """That it was asked about."""
    score: float | None
    """Balanced F1 times the share of verdicts that came; None where there was none."""

    to_json = plain_fields


@dataclass(frozen=True, slots=True)
class Held:
    """One wording on the untouched half."""

    name: str
    balanced_f1: Estimate
    accuracy: Estimate
    n_questions: int
    n_missing: int
    usd_per_correct: float | None
    """US dollars for one verdict that agrees with its label; None where the price is not known."""

    to_json = plain_fields


@dataclass(frozen=True, slots=True)
class FoundWording:
    """What a search found."""

    tried: tuple[Tried, ...]
    """All candidates, the best first; without the default."""
    default: Tried
    winner: Candidate
    held: tuple[Held, Held] | None
    """Default and winner; None where the default was ahead of all in the search already."""
    difference: Estimate
    """Winner minus default in balanced F1 on the untouched half, paired by prompt."""
    is_better: bool
    n_examples: int
    """Corrections that were used as worked examples."""
    n_prompts: tuple[int, int, int]
    """For examples, searched, held out."""


def find_wording(
    parts: Parts,
    default: Candidate,
    candidates: Sequence[Candidate],
    taught: Callable[[Sequence[Correction]], Sequence[Candidate]],
    ask: Ask,
    *,
    n_examples: int,
    usd_of: Callable[[Candidate, Sequence[GradedAnswer]], float | None],
    tell: Callable[[str], None] = lambda words: None,
) -> FoundWording:
    """Search, then test the best candidate against the default on the untouched half.

    Args:
        parts: The labels.
        default: How the judge is asked now.
        candidates: Other ways.
        taught: Gives candidates with worked examples, from corrections of the default.
        ask: Asks a candidate.
        n_examples: Most corrections in a wording; 0 for none.
        usd_of: Price of one verdict.
        tell: Told each step.
    """
    asked = _Asked(ask)
    _require_verdicts(asked.of(default, (*parts.lessons, *parts.searched)[:MIN_ROUND]))
    corrections: list[Correction] = []
    if n_examples:
        tell(f"looking for corrections of the default on {len(parts.lessons)} prompts")
        corrections = _corrections(parts.lessons, asked.of(default, parts.lessons), n_examples)
    every = [*candidates, *(taught(corrections) if corrections else ())]
    rounds = rounds_of(len(every), len(parts.searched))

    def score(number: int, n_prompts: int) -> float:
        return score_of(asked.table(every[number], parts.searched[:n_prompts]))

    def told(number: int, one: Round) -> None:
        tell(
            f"round {number} of {len(rounds)}: {one.n_candidates} candidates on {one.n_prompts} "
            f"of {len(parts.searched)} prompts"
        )

    order, scores = halve(rounds, score, told)
    own = score_of(asked.table(default, parts.searched))
    winner = every[order[0]]
    tried = tuple(
        Tried(every[at].name, asked.n_prompts(every[at]), _finite(scores[at])) for at in order
    )
    held, gap, is_better = None, Estimate(None), False
    if scores[order[0]] > own:
        tell(f"testing {winner.name} against the default on {len(parts.held)} untouched prompts")
        held, gap, is_better = _tested(asked, default, winner, parts.held, usd_of)
    return FoundWording(
        tried=tried,
        default=Tried(default.name, len(parts.searched), _finite(own)),
        winner=winner,
        held=held,
        difference=gap,
        is_better=is_better,
        n_examples=len(corrections),
        n_prompts=(len(parts.lessons), len(parts.searched), len(parts.held)),
    )


def _require_verdicts(graded: Sequence[GradedAnswer]) -> None:
    """Stop before all candidates are asked where the judge gives no verdict as it is."""
    verdicts = [verdict for answer in graded for verdict in answer.verdicts]
    if all(verdict.is_missing for verdict in verdicts):
        why = " ".join(verdicts[0].explanation.split())[:200]
        raise RubricbeatError(f"none of the first {len(verdicts)} verdicts came: {why}")


def score_of(table: AuditTable) -> float:
    """Give balanced F1 times the share of verdicts that came: a missing verdict helps nobody.

    Accuracy where the labels so far are of one kind; -inf without a verdict.
    """
    figures = Confusion(table.cells_PK().sum(axis=0)).figures()
    known = [float(figures[name]) for name in ("balanced_f1", "accuracy")]
    value = next((one for one in known if not np.isnan(one)), -np.inf)
    return value * (1 - _missing_share(table)) if len(table) else -np.inf


class _Asked:
    """Remembers what each candidate was asked."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._graded: dict[str, dict[str, Sequence[GradedAnswer]]] = {}

    def of(self, candidate: Candidate, prompts: Sequence[Prompt]) -> list[GradedAnswer]:
        """Give the verdicts on some prompts; those asked before are not asked again."""
        known = self._graded.setdefault(candidate.name, {})
        fresh = [prompt for prompt in prompts if _id(prompt) not in known]
        if fresh:
            graded = iter(self._ask(candidate, [item for prompt in fresh for item in prompt]))
            for prompt in fresh:
                known[_id(prompt)] = [next(graded) for _ in prompt]
        return [answer for prompt in prompts for answer in known[_id(prompt)]]

    def table(self, candidate: Candidate, prompts: Sequence[Prompt]) -> AuditTable:
        """Put them beside their labels."""
        items = [item for prompt in prompts for item in prompt]
        return AuditTable.of(items, self.of(candidate, prompts))

    def n_prompts(self, candidate: Candidate) -> int:
        """Count the prompts that it was asked about."""
        return len(self._graded.get(candidate.name, ()))


def _id(prompt: Prompt) -> str:
    return prompt[0].example.prompt_id


def _corrections(
    prompts: Sequence[Prompt], graded: Sequence[GradedAnswer], most: int
) -> list[Correction]:
    """Take what the default judged wrongly, met and not met in turn, one of a prompt first."""
    found: dict[bool, list[tuple[int, Correction]]] = {True: [], False: []}
    seen: dict[str, int] = {}
    items = (item for prompt in prompts for item in prompt)
    for item, answer in zip(items, graded, strict=True):
        for criterion, labels, verdict in zip(
            item.example.rubric.criteria, item.labels, answer.verdicts, strict=True
        ):
            truth = agreed(labels, criterion)
            met = None if truth is None else truth.met
            if met is None or verdict.met is None or verdict.met == met:
                continue
            number = seen[item.example.prompt_id] = seen.get(item.example.prompt_id, -1) + 1
            found[met].append((number, Correction(criterion, answer.judged, met)))
    lists = [[one for _, one in sorted(of, key=lambda pair: pair[0])] for of in found.values()]
    mixed = [one for place in range(most) for of in lists for one in of[place : place + 1]]
    return mixed[:most]


def _tested(
    asked: _Asked,
    default: Candidate,
    winner: Candidate,
    prompts: Sequence[Prompt],
    usd_of: Callable[[Candidate, Sequence[GradedAnswer]], float | None],
) -> tuple[tuple[Held, Held], Estimate, bool]:
    first, other = (asked.table(one, prompts) for one in (default, winner))
    gap = difference(first, other).figures["balanced_f1"]
    one, two = (
        _held(candidate, table, usd_of(candidate, asked.of(candidate, prompts)))
        for candidate, table in ((default, first), (winner, other))
    )
    more_missing = _missing_share(other) - _missing_share(first)
    is_better = gap.low is not None and gap.low > 0 and more_missing <= MORE_MISSING
    return (one, two), gap, is_better


def _held(candidate: Candidate, table: AuditTable, usd: float | None) -> Held:
    figures = judge_figures(table).figures
    accuracy = figures["accuracy"]
    return Held(
        name=candidate.name,
        balanced_f1=figures["balanced_f1"],
        accuracy=accuracy,
        n_questions=len(table),
        n_missing=table.n_without_verdict,
        usd_per_correct=usd / accuracy.value if usd is not None and accuracy.value else None,
    )


def _missing_share(table: AuditTable) -> float:
    return table.n_without_verdict / len(table) if len(table) else 0.0


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
