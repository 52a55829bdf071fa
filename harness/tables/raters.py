"""How far raters agree, as text."""

from __future__ import annotations

from collections.abc import Iterator

from ...judges.budget.rater_agreement import LabelledQuestion, RaterAgreement
from ...reports import numbers
from ..terminal import aligned

MAX_CATEGORIES = 12
MAX_DIFFERING = 10
MAX_CHARS = 70
"""Of a criterion."""


def raters_text(found: RaterAgreement) -> str:
    """Lay out an agreement for a terminal."""
    names = ", ".join(f"{rater} ({n:,})" for rater, n in found.raters.items())
    parts = [
        f"Labels on {found.n_questions:,} questions, by {names}; "
        f"{found.overall.n_questions:,} questions have labels of two raters or more."
    ]
    if found.overall.n_questions:
        parts += ["\n".join(_agreements(found)), "\n".join(_pairs(found))]
    if found.differing:
        parts.append("\n".join(_differing(found)))
    return "\n\n".join(parts)


def _agreements(found: RaterAgreement) -> Iterator[str]:
    rows = [["", "questions", "equal", "alpha"]]
    shown = list(found.by_category.items())
    for name, one in [("all", found.overall), *shown[:MAX_CATEGORIES]]:
        cells = [_percent(one.same), numbers.score(one.alpha)]
        rows.append([name, f"{one.n_questions:,}", *cells])
    yield aligned(rows, right={1, 2, 3})
    if len(shown) > MAX_CATEGORIES:
        yield f"{len(shown) - MAX_CATEGORIES} more categories in --json"
    yield "equal: pairs of labels on one question; alpha: Krippendorff's (1 full, 0 chance)"


def _pairs(found: RaterAgreement) -> Iterator[str]:
    rows = [["raters", "questions", "equal", "kappa"]]
    for pair in found.pairs:
        cells = [f"{pair.n_questions:,}", _percent(pair.same), numbers.score(pair.kappa)]
        rows.append([f"{pair.first}, {pair.second}", *cells])
    yield aligned(rows, right={1, 2, 3})


def _differing(found: RaterAgreement) -> Iterator[str]:
    n = len(found.differing)
    yield f"{n:,} {'question is' if n == 1 else 'questions are'} labelled differently:"
    for one in found.differing[:MAX_DIFFERING]:
        yield f"  {one.prompt_id}: {_shortened(one)}: " + ", ".join(
            f"{rater} {word}" for rater, word in one.labels.items()
        )
    if n > MAX_DIFFERING:
        yield f"  {n - MAX_DIFFERING:,} more in --json"


def _shortened(one: LabelledQuestion) -> str:
    text = " ".join(one.criterion.split())
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"


def _percent(share: float | None) -> str:
    return numbers.score(None) if share is None else f"{100 * share:.0f} %"
