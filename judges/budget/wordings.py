"""Which wording of a judge agrees most with labels: the candidates, and sequential halving.

Every candidate is asked about the same few prompts; the better half goes on to twice as many, until
two are left that have been asked about all of them (sequential halving: Karnin, Koren and Somekh
2013; with the verdicts of earlier rounds kept, successive halving: Jamieson and Talwalkar 2016).
So most of the calls go to the candidates that are hard to tell apart.

The figure that wins is optimistic, the more so the more candidates there are. Which candidate is
better is therefore decided on other prompts, that no choice has seen: there the number of
candidates plays no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..rubric import Criterion, rubric_item

MIN_ROUND = 5
"""Prompts of the first round."""
SHOWN_CHARS = 600
"""Of an answer in an example."""
EDITS: Mapping[str, str] = {
    "strict": (
        "If you are in doubt, the item is not met. Credit only what is written plainly; a hint or "
        "a general statement is not enough."
    ),
    "lenient": (
        "Other words count if they say the same. Do not ask for the exact phrase of the item, nor "
        "for more detail than the item names."
    ),
    "evidence": (
        "First find the passage that decides the item and quote it word for word in the "
        "explanation, or write that there is none. Then decide by that passage alone."
    ),
    "restate": (
        "Begin the explanation with one sentence that says in your own words what must be written "
        "for the item to be met. Then check each part of it."
    ),
    "faults": (
        'For an item with negative points, "met" means that the fault is there. First ask: does '
        "the last assistant turn show this fault? If yes, the item is met; if no, it is not met, "
        "however bad the turn is otherwise."
    ),
}
"""What each candidate adds to the instructions of the default wording."""
COMBINED = (("evidence", "faults"), ("evidence", "strict"))
"""Edits that are also tried together."""
_HEADINGS = ("# The form of your answer", "# The conversation")


@dataclass(frozen=True, slots=True)
class Correction:
    """A criterion of an answer that the default wording judged wrongly, with its label."""

    criterion: Criterion
    answer: str
    met: bool


def edited(text: str, names: Sequence[str]) -> str:
    """Add edits to a template, at the end of its rules or else after its first paragraph."""
    lines = "\n".join(f"- {EDITS[name]}" for name in names)
    place = _end_of_rules(text)
    if place is None:
        head, blank, rest = text.partition("\n\n")
        return f"{head}\n{lines}{blank}{rest}"
    return f"{text[:place].rstrip()}\n{lines}\n\n{text[place:]}"


def with_examples(text: str, corrections: Sequence[Correction]) -> str:
    """Add worked examples to a template, before the form of the answer."""
    told = "\n\n".join(map(_example, corrections))
    block = f"# Examples of correct decisions\n{told}\n\n"
    place = _end_of_rules(text)
    if place is None:
        head, blank, rest = text.partition("\n\n")
        return f"{head}{blank}{block}{rest}"
    return f"{text[:place]}{block}{text[place:]}"


def _end_of_rules(text: str) -> int | None:
    """Find the heading that follows the rules."""
    start = max(text.find("# How to decide"), 0)
    found = [place for heading in _HEADINGS if (place := text.find(heading, start)) > 0]
    return min(found, default=None)


def _example(one: Correction) -> str:
    said = " ".join(one.answer.split())
    said = said if len(said) <= SHOWN_CHARS else f"{said[:SHOWN_CHARS]} ..."
    verdict = "met" if one.met else "not met"
    lines = (
        f"Item: {' '.join(rubric_item(one.criterion).split())}",
        f'From the last assistant turn: "{said}"',
        f"Correct decision: {verdict}.",
    )
    # what stands in a row is text: a mark in it must not be filled in
    return "\n".join(lines).replace("<<", "< <")


@dataclass(frozen=True, slots=True)
class Round:
    """How many candidates are asked about how many prompts, those of earlier rounds included."""

    n_candidates: int
    n_prompts: int


def rounds_of(n_candidates: int, n_prompts: int) -> tuple[Round, ...]:
    """Plan the halving: twice the prompts for half of the candidates, down to the last two.

    Args:
        n_candidates: At the start.
        n_prompts: Of the half that is searched.
    """
    counts = [n_candidates]
    while counts[-1] > 2:
        counts.append(math.ceil(counts[-1] / 2))
    last = len(counts) - 1
    return tuple(
        Round(n, min(n_prompts, max(MIN_ROUND, math.ceil(n_prompts / 2 ** (last - at)))))
        for at, n in enumerate(counts)
    )


def halve(
    rounds: Sequence[Round],
    score: Callable[[int, int], float],
    tell: Callable[[int, Round], None] = lambda number, one: None,
) -> tuple[list[int], dict[int, float]]:
    """Search by halving.

    Args:
        rounds: As `rounds_of` gives them.
        score: Asks a candidate about the first prompts, and says how well it agrees; higher is
            better. A candidate that fails wholly has -inf.
        tell: Told each round before it begins, from 1.

    Returns:
        The candidates, best first, and the last score of each.
    """
    left = list(range(rounds[0].n_candidates)) if rounds else []
    order: list[int] = []
    scores: dict[int, float] = {}
    for number, one in enumerate(rounds, start=1):
        tell(number, one)
        left = left[: one.n_candidates]
        scores |= {candidate: score(candidate, one.n_prompts) for candidate in left}
        left.sort(key=lambda candidate: -scores[candidate])  # stable: the earlier one where equal
        after = rounds[number].n_candidates if number < len(rounds) else 0
        order = left[after:] + order
    return order, scores
