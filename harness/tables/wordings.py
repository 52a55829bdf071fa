"""What a search for a wording found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...reports import numbers
from ...reports.interval_words import told
from ..align.wordings import FoundWording, Held
from ..terminal import aligned
from .cascade import judge_line


def wording_text(found: FoundWording, spec: Mapping[str, object] | None, ending: str) -> str:
    """Lay out what was found for a terminal.

    Args:
        found: By the search.
        spec: The judge to use; None where it is the one that there was.
        ending: What became of the file.
    """
    return "\n\n".join([*_parts(found), ending, *([judge_line(spec)] if spec else [])])


def _parts(found: FoundWording) -> Iterator[str]:
    lessons, searched, held = found.n_prompts
    examples = f" {found.n_examples} corrections from {lessons} other prompts serve as examples."
    yield (
        f"{len(found.tried)} candidates searched on {searched} prompts by sequential halving; "
        f"tested on {held} untouched prompts.{examples if found.n_examples else ''}"
    )
    rows: list[tuple[str, ...]] = [("searched half", "prompts", "balanced F1")]
    for tried in (*found.tried, found.default):
        rows.append((tried.name, str(tried.n_prompts), numbers.score(tried.score)))
    yield aligned(rows, right=(1, 2))
    if found.held is None:
        yield "No candidate did better than the default on the searched half: keep the default."
        return
    table: list[tuple[str, ...]] = [
        ("untouched half", "balanced F1", "accuracy", "missing", "per correct verdict")
    ]
    table += [_row(one) for one in found.held]
    yield aligned(table)
    yield _verdict(found)


def _row(held: Held) -> tuple[str, ...]:
    return (
        held.name,
        told(held.balanced_f1),
        told(held.accuracy),
        f"{held.n_missing} of {held.n_questions}",
        numbers.cost(held.usd_per_correct),
    )


def _verdict(found: FoundWording) -> str:
    """Say whether the winner is better, and what the search half would have said."""
    assert found.held is not None
    gap, best = found.difference, found.tried[0]
    value = told(gap, signed=True)
    optimistic = "-"
    if best.score is not None and found.default.score is not None:
        optimistic = numbers.difference(best.score - found.default.score)
    why = (
        f"The number of candidates ({len(found.tried)}) does not bias this: no choice has seen "
        f"these prompts.\nOn the searched half the difference was {optimistic} (optimistic)."
    )
    if found.is_better:
        return f"{best.name} is better than the default: {value} in balanced F1.\n{why}"
    more = found.held[1].n_missing > found.held[0].n_missing and found.difference.excludes_zero
    reason = "it leaves more verdicts missing" if more else "no significant difference"
    return f"{best.name} is not shown to be better ({reason}): {value} in balanced F1.\n{why}"
