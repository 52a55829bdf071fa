"""What a replay of cascades found, as text: the frontier, the pick, the line to paste."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from ...reports import numbers
from ...reports.interval_words import told, told_share
from ..align.cascade import Found, Row
from ..terminal import aligned

MAX_ROWS = 7
"""Of the frontier; all of it is in --json."""


def cascade_text(found: Found) -> str:
    """Lay out what was found for a terminal."""
    return "\n\n".join(_parts(found))


def judge_line(spec: Mapping[str, object]) -> str:
    """Word a judge as the flags that name it, ready to be pasted into a shell."""
    options = {name: value for name, value in spec.items() if name != "name"}
    words = ["--judge", str(spec["name"])]
    if options:
        words += ["--judge_args", json.dumps(options, ensure_ascii=False)]
    return shlex.join(words)


def _parts(found: Found) -> Iterator[str]:
    replay = found.replay
    yield (
        f"{len(replay.members):,} criteria of {replay.n_answers:,} answers to {replay.n_prompts:,} "
        f"prompts, with a verdict of each judge; {replay.n_unshared:,} excluded.\n"
        f"Agreement is with {replay.reference}. Cascades are selected on one half of the prompts; "
        "all figures are of the other half."
    )
    rows = [_cells(row, found) for row in _thinned(found)]
    head = ("", "agreement", "random skipping", "calls saved", "USD saved", "score shift")
    yield aligned([head, *rows])
    yield (
        "random skipping: agreement if each judge decides the same share of criteria, chosen at "
        "random.\nCalls saved: of the expensive judge; what the others cost is in USD saved.\n"
        "Score shift: mean change of the unclipped score from the reference. *: selected."
    )
    yield "\n".join(found.words)
    if found.spec is not None:
        yield judge_line(found.spec)


def _thinned(found: Found) -> list[Row]:
    """Take rows at even steps, both ends, and the pick."""
    n = len(found.rows)
    places = {round(at * (n - 1) / (MAX_ROWS - 1)) for at in range(MAX_ROWS)} if n else set()
    return [row for place, row in enumerate(found.rows) if place in places or row is found.picked]


def _cells(row: Row, found: Found) -> tuple[str, ...]:
    measured, is_alone = row.measured, len(row.cascade.members) == 1
    return (
        ("* " if row is found.picked else "  ") + found.name_of(row.cascade),
        told_share(measured.agreement),
        numbers.NONE if is_alone else numbers.share(measured.at_random),
        numbers.share(measured.calls_saved.value),
        numbers.share(measured.usd_saved.value),
        told(measured.score_shift, signed=True),
    )
