"""The drift of a judge since an earlier audit as text."""

from __future__ import annotations

from collections.abc import Iterator

from ...judges.audit.upkeep.drift import Drift
from ...judges.scoring.estimates import TOO_FEW
from ...reports import numbers
from ...reports.interval_words import told
from ..terminal import aligned

_NAMES = {"balanced_f1": "balanced F1", "sensitivity": "sensitivity", "specificity": "specificity"}


def drift_parts(found: Drift | None) -> Iterator[str]:
    """Lay out a drift for a terminal; nothing where there is none to tell of."""
    if found is None:
        return
    yield (
        f"drift since {found.since}: {found.n:,} questions asked again on {found.asked_on}"
        + (f"; {found.n_new:,} were not asked then" if found.n_new else "")
        + (f"; {found.n_missing:,} have no verdict now" if found.n_missing else "")
    )
    rows = [
        ("verdicts that differ from the earlier ones", told(found.differ)),
        ("flips between replicates, now", told(found.flips)),
        ("flips between replicates, earlier", told(found.flips_before)),
        ("difference beyond that noise", told(found.beyond, signed=True)),
        *(
            (f"change of {name}", told(found.figures[key], signed=True))
            for key, name in _NAMES.items()
        ),
    ]
    yield aligned([("", "95 % interval"), *(row for row in rows if row[1] != numbers.NONE)])
    yield _finding(found)


def _finding(found: Drift) -> str:
    names = {**_NAMES, "beyond": "difference beyond noise"}
    if found.shown_by:
        shown = ", ".join(names[name] for name in found.shown_by)
        return f"Significant drift: {shown} (four figures tested, 5 % in all)."
    if found.differ.why == TOO_FEW:
        return "Fewer than 10 prompts: too few to test for drift."
    if found.beyond.value is None:
        return (
            "No significant drift of the figures. Whether verdicts differ more than the judge "
            "contradicts itself on one day is not known: ask with replicates=2."
        )
    return "No significant drift; the intervals say how large it may be."
