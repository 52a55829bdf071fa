"""What influences the judge at the same label: length, position, the order of a call.

A judge that errs at random calls more of the rare class wrong, so (verdict - label) goes with
whatever the label goes with, and says nothing of bias. Here questions are compared only where the
label is the same, and, as far as the data carries it, the criterion or the prompt too: the shift is
the slope of "judge says met" on the trait within those strata (fixed effects), and 0 for every
judge whose errors do not depend on the trait.

What is left of the content is not taken out: a rubric's last criteria are other criteria than its
first, and labels err as well. Only the order of a call can be changed with all else the same
(`order_effect`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ..answer import solution_of
from ..data.text_units import sentences_of, stems_of
from ..scoring.estimates import NO_SPREAD, Estimate
from ..scoring.jackknife import rate, ratio
from ..scoring.plain_form import plain_fields
from ..scoring.rubric_arrays import Floats
from .agreement import Confusion
from .labels import AuditTable, Codes, LabelledAnswer, sums_by
from .upkeep.families import families_of, own_family

MIN_EVIDENCE = 0.2
"""Share of the criterion's words that a sentence must hold to be its evidence; and two of them, or
half."""
MIN_SENTENCES = 3
"""An answer of fewer has no start, middle and end."""


MIN_COMPARED = 50
"""Questions with a partner in their stratum, below which wider strata are taken."""
MAX_WIDTH = 1.0
"""A shift is a change of a chance: an interval wider than this says nothing, and is not shown."""


class Within(IntEnum):
    """What two questions must share to be compared, the strictest first; the label always."""

    CRITERION = 0
    """The same criterion of the same prompt: only the answer differs."""
    PROMPT = 1
    CATEGORY = 2


@dataclass(frozen=True, slots=True)
class Trait:
    """One trait that could influence a judge, for every question."""

    name: str
    unit: str
    """What a change by 1 of `value_N` is."""
    value_N: Floats
    """NaN where the question has none."""
    strictest: Within
    """Narrower strata hold no two values: the rank of a criterion never varies."""
    is_about_met: bool = False
    """Only questions labelled met have it: there is no evidence of what is not there."""
    edges: tuple[float, ...] | None = None
    """Where the groups shown begin, after the first; None splits into thirds."""
    names: tuple[str, ...] = ("low", "middle", "high")
    """Of the groups shown."""


def traits_of(labelled: Sequence[LabelledAnswer], judge: object = None) -> tuple[Trait, ...]:
    """Read every trait off labelled answers.

    Args:
        labelled: The answers.
        judge: Its options or facts; whose family an answer is of is a trait where both are known.
    """
    rows: list[tuple[float, ...]] = []
    own = own_family(judge)
    stems: dict[str, frozenset[str]] = {}
    for item in labelled:
        text, turns = solution_of(item.text), item.example.prompt
        sentences = [frozenset(stems_of(sentence)) for sentence in sentences_of(text)]
        families = families_of(item.model)
        is_own = float(bool(own & families)) if own and families else np.nan
        before = (_log2(sum(len(turn.content) for turn in turns)), len(turns), is_own)
        last = len(item.labels) - 1
        for index, labels in enumerate(item.labels):
            if not labels:
                continue
            words = item.example.rubric.criteria[index].text
            wanted = stems.setdefault(words, frozenset(stems_of(words)))
            rank = index / last if last else np.nan
            rows.append((_log2(len(text)), rank, _evidence(wanted, sentences), *before))
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(_TRAITS)).T
    traits = [
        Trait(name, unit, value_N, *rest)
        for (name, unit, *rest), value_N in zip(_TRAITS, columns, strict=True)
    ]
    known = ~np.isnan(columns[-1])
    return tuple(traits if len(np.unique(columns[-1][known])) == 2 else traits[:-1])


_SIZES = (None, ("short", "middling", "long"))
_THIRDS = ((1 / 3, 2 / 3), ("first third", "middle", "last third"))
_TRAITS: tuple[tuple[Any, ...], ...] = (
    ("length", "an answer twice as long", Within.CRITERION, False, *_SIZES),
    ("rank", "last of its rubric, not first", Within.PROMPT, False, *_THIRDS),
    ("evidence", "at the end of the answer, not the start", Within.CRITERION, True, *_THIRDS),
    ("conversation", "twice as much before the answer", Within.CATEGORY, False, *_SIZES),
    ("turns", "one more turn before the answer", Within.CATEGORY, False,
     (2, 4), ("1 turn", "2 or 3", "4 or more")),
    ("family", "an answer of the judge's own family of models", Within.CRITERION, False,
     (0.5,), ("other families", "own family")),
)  # fmt: skip
"""The fields of each but its values; the last one is left out where nothing is known of it."""


def _evidence(wanted: frozenset[str], sentences: Sequence[frozenset[str]]) -> float:
    """Place the sentence that holds most of the criterion's words: 0 the first, 1 the last.

    NaN where no sentence holds enough of them, or the answer is too short to have places. Of
    several that hold as many, the first.
    """
    if not wanted or len(sentences) < MIN_SENTENCES:
        return float("nan")
    shares = [len(wanted & sentence) for sentence in sentences]
    best = max(range(len(shares)), key=shares.__getitem__)
    if not holds_evidence(wanted, sentences[best]):
        return float("nan")
    return best / (len(sentences) - 1)


def holds_evidence(wanted: frozenset[str], sentence: frozenset[str]) -> bool:
    """Say whether a sentence holds enough of a criterion's words to be its evidence."""
    enough = max(MIN_EVIDENCE * len(wanted), min(2, len(wanted) / 2))
    return bool(wanted) and len(wanted & sentence) >= enough


def _log2(n_chars: int) -> float:
    return float(np.log2(n_chars)) if n_chars else float("nan")


WORDS = {
    Within.CRITERION: "the same criterion",
    Within.PROMPT: "the same prompt",
    Within.CATEGORY: "the same category",
}


@dataclass(frozen=True, slots=True)
class TraitGroup:
    """What judge and labels say where a trait is of one size; None where not defined."""

    name: str
    n: int
    """Questions."""
    judge_met: float | None
    label_met: float | None
    sensitivity: float | None
    specificity: float | None
    balanced_f1: float | None


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one trait moves a judge where the label is the same."""

    trait: str
    unit: str
    shift: Estimate
    """Change of the chance that the judge says met, for one `unit`; None where nothing varies, or
    too little to say."""
    n: int
    """Questions compared with another one of their stratum."""
    within: str
    """What compared questions share beside the label; empty where none are compared."""
    groups: tuple[TraitGroup, ...]
    """By the size of the trait."""

    to_json = plain_fields


def shifts_of(table: AuditTable, traits: Sequence[Trait]) -> tuple[Shift, ...]:
    """Measure how far each trait moves the judge.

    Args:
        table: Verdicts beside labels.
        traits: Of the same labels, as `traits_of` gives them.
    """
    return tuple(_shift(table, trait) for trait in traits)


@dataclass(frozen=True, slots=True)
class OrderEffect:
    """What the order of the criteria in a call does to the verdicts."""

    n: int
    """Questions with a verdict in both orders."""
    flips: Estimate
    """Share of them whose verdict differs between the orders."""
    shift: Estimate
    """Change of the chance of met from the first place of a call to the last."""

    to_json = plain_fields


def order_effect(
    first_N: Floats,
    second_N: Floats,
    places_N2: Floats,
    prompt_N: Codes,
    n_prompts: int,
) -> OrderEffect:
    """Compare the verdicts on the same questions in two orders; nothing else differs.

    Args:
        first_N: Verdicts in the first order; NaN without one.
        second_N: Verdicts in the second.
        places_N2: Place of each question in its call, 0 first and 1 last, in both orders.
        prompt_N: Cluster of each question.
        n_prompts: How many there are.
    """
    has = ~np.isnan(first_N) & ~np.isnan(second_N)
    change, moved = (second_N - first_N)[has], (places_N2[:, 1] - places_N2[:, 0])[has]

    def by_prompt(values: Floats) -> Floats:
        return sums_by(prompt_N[has], values, n_prompts)

    n_P = by_prompt(np.ones(len(change)))
    return OrderEffect(
        n=int(has.sum()),
        flips=rate(by_prompt(np.abs(change)), n_P),
        shift=ratio(by_prompt(change * moved), by_prompt(moved**2)),
    )


def correlation_given_label(value_N: Floats, verdict_N: Floats, label_N: Floats) -> float | None:
    """Correlate a trait with the verdict among questions of the same label; None if undefined.

    Args:
        value_N: The trait; NaN leaves the question out.
        verdict_N: The judge's; NaN likewise.
        label_N: Share of the question's labels that say met.
    """
    has = ~np.isnan(verdict_N) & ~np.isnan(value_N)
    if has.sum() < 3:
        return None
    value, verdict = value_N[has], verdict_N[has]
    _, label = np.unique(label_N[has], return_inverse=True)
    residues = [_centred(column, label) for column in (value, verdict)]
    scale = np.sqrt((residues[0] ** 2).sum() * (residues[1] ** 2).sum())
    return float((residues[0] * residues[1]).sum() / scale) if scale > 1e-12 else None


def _shift(table: AuditTable, trait: Trait) -> Shift:
    share_N = table.label_share_N
    has_N = ~np.isnan(trait.value_N) & ~np.isnan(table.verdict_N)
    if trait.is_about_met:
        has_N &= share_N > 0.5
    value, verdict = trait.value_N[has_N], table.verdict_N[has_N]
    # raters who differ make labels between met and not met: those are compared with each other
    labels, label = np.unique(share_N[has_N], return_inverse=True)
    prompt = table.prompt_N[has_N]
    figure, n, within = Estimate(None), 0, ""
    for kind in Within:
        if kind < trait.strictest:
            continue
        codes_N = (table.criterion_N, table.prompt_N, table.category_N)[kind]
        stratum = codes_N[has_N] * len(labels) + label
        moved = _centred(value, stratum)
        n_here = int(np.count_nonzero(np.abs(moved) > 1e-9))
        if n_here < MIN_COMPARED and kind is not Within.CATEGORY:
            continue
        if n_here:
            top = sums_by(prompt, moved * _centred(verdict, stratum), table.n_prompts)
            bottom = sums_by(prompt, moved**2, table.n_prompts)
            found = ratio(top, bottom)
            if _says_something(found):
                figure, n, within = found, n_here, WORDS[kind]
        break
    return Shift(
        trait.name, trait.unit, figure, n, within, _groups(trait, value, verdict, share_N[has_N])
    )


def _says_something(found: Estimate) -> bool:
    if found.low is None or found.high is None:
        return found.why == NO_SPREAD  # a judge that errs nowhere is moved by nothing
    return found.high - found.low <= MAX_WIDTH


def _groups(
    trait: Trait, value: Floats, verdict: Floats, label_share: Floats
) -> tuple[TraitGroup, ...]:
    if not len(value):
        return ()
    edges = trait.edges or tuple(np.quantile(value, [1 / 3, 2 / 3]))
    # a label on which raters tie is neither met nor not met
    group = np.where(label_share == 0.5, -1, np.searchsorted(edges, value, side="right"))
    met = label_share > 0.5
    shown = []
    for code, name in enumerate(trait.names):
        here = group == code
        figures = Confusion.between(verdict[here] == 1, met[here]).plain_figures()
        known = {key: figures[key] for key in TraitGroup.__slots__ if key in figures}
        shown.append(TraitGroup(name, int(here.sum()), **known))
    return tuple(shown)


def _centred(values: Floats, stratum: Codes) -> Floats:
    """Take the mean of its stratum off each value."""
    _, code = np.unique(stratum, return_inverse=True)
    mean = np.bincount(code, weights=values) / np.bincount(code)
    return np.asarray(values - mean[code])
