"""Check a table of a paper against itself: what its own numbers must obey.

    python benchmarks/published_table.py TABLE.jsonl

One JSON object a row: `name`, `n`, `accuracy`, and what else the paper prints of `f1`, `low`,
`high`, `against` (another row's name), `only_this`, `only_other`, `digits` (3). Exit 1 where a
number cannot be.

A published row of accuracy, F1, an interval and discordant counts over n items is bound by
arithmetic, whatever was measured. The checks find a number that cannot be right, and an F1 that
says nothing beyond the accuracy (method sheet, section 5: in Ahmadi et al. 2026, arXiv 2606.05174,
F1 = 2 a / (1 + a) in every row, precision 1 and recall the accuracy).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.scoring.estimates import wilson

FIELDS = ("accuracy", "f1", "low", "high", "only_this", "only_other", "against")
"""Of a row, beside `name` and `n`; all may be missing."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of a table of results, as printed."""

    name: str
    n: int
    """Items behind the accuracy."""
    accuracy: float
    digits: int = 3
    """Decimals that the table prints; every number is known to half of the last."""
    f1: float | None = None
    low: float | None = None
    high: float | None = None
    """Ends of a 95 % interval of the accuracy."""
    against: str | None = None
    """Name of the row that the discordant counts compare it with."""
    only_this: int | None = None
    """Items right here alone."""
    only_other: int | None = None


def check_table(rows: Sequence[PublishedRow]) -> list[str]:
    """Name what the numbers of a table cannot be, and what says nothing; empty where all is well.

    An F1 that is 2 a / (1 + a) in every row is named once; interval ends are held against Wilson's
    and the normal approximation's (either will do); discordant counts against the accuracies: their
    difference is that of the right items, and their sum is at most what either side leaves open.
    """
    found = list(_of_f1(rows))
    by_name = {row.name: row for row in rows}
    for row in rows:
        found += [*_of_counts(row), *_of_ends(row), *_of_discordance(row, by_name)]
    return found


def f1_of_accuracy(accuracy: float) -> float:
    """Give the F1 of precision 1 and recall a: 2 a / (1 + a)."""
    return 2 * accuracy / (1 + accuracy)


def read_table(path: Path) -> list[PublishedRow]:
    """Read rows from JSON Lines.

    Raises:
        DataError: A line is no row.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                plain: Mapping[str, Any] = json.loads(line)
                rows.append(PublishedRow(**plain))
            except (TypeError, ValueError) as error:
                fields = ", ".join(("name", "n", "digits", *FIELDS))
                raise DataError(f"{path}, line {number}: no row ({error}); {fields}") from error
    return rows


def _of_f1(rows: Sequence[PublishedRow]) -> Iterator[str]:
    given = [row for row in rows if row.f1 is not None]
    bound = [row for row in given if _is_f1_of_accuracy(row)]
    if given and len(bound) == len(given):
        yield (
            f"F1 = 2 a / (1 + a) in all {len(given)} rows with one (precision 1, recall the "
            "accuracy): it says nothing beyond the accuracy."
        )
    elif bound:
        odd = ", ".join(row.name for row in given if row not in bound)
        yield f"F1 = 2 a / (1 + a) in {len(bound)} of {len(given)} rows; not in {odd}."


def _is_f1_of_accuracy(row: PublishedRow) -> bool:
    """Say whether some accuracy that prints as this one has this F1, as printed."""
    half = 0.5 * 10**-row.digits
    low, high = (f1_of_accuracy(row.accuracy + shift) for shift in (-half, half))
    assert row.f1 is not None
    return low - half - 1e-12 <= row.f1 <= high + half + 1e-12


def _of_counts(row: PublishedRow) -> Iterator[str]:
    half = 0.5 * 10**-row.digits
    nearest = round(row.accuracy * row.n) / row.n
    if abs(nearest - row.accuracy) > half + 1e-12:
        yield f"{row.name}: {row.accuracy:g} is no share of {row.n} items (nearest {nearest:.5f})."


def _of_ends(row: PublishedRow) -> Iterator[str]:
    if row.low is None or row.high is None:
        return
    if not row.low <= row.accuracy <= row.high:
        ends = f"[{row.low:g}, {row.high:g}]"
        yield f"{row.name}: the interval {ends} does not hold {row.accuracy:g}."
        return
    slack = 1.5 * 10**-row.digits
    expected = (_wilson_ends(row), _normal_ends(row))
    if not any(
        abs(row.low - low) <= slack and abs(row.high - high) <= slack for low, high in expected
    ):
        (low, high), (plain_low, plain_high) = expected
        yield (
            f"{row.name}: the interval [{row.low:g}, {row.high:g}] is not that of {row.accuracy:g} "
            f"of {row.n}: Wilson's is [{low:.3f}, {high:.3f}], the normal approximation's "
            f"[{plain_low:.3f}, {plain_high:.3f}]."
        )


def _wilson_ends(row: PublishedRow) -> tuple[float, float]:
    low, high = wilson(np.array(row.accuracy), np.array(row.n))
    return float(low), float(high)


def _normal_ends(row: PublishedRow) -> tuple[float, float]:
    half = 1.959964 * float(np.sqrt(row.accuracy * (1 - row.accuracy) / row.n))
    return max(0.0, row.accuracy - half), min(1.0, row.accuracy + half)


def _of_discordance(row: PublishedRow, by_name: Mapping[str, PublishedRow]) -> Iterator[str]:
    if row.only_this is None or row.only_other is None or row.against is None:
        return
    other = by_name.get(row.against)
    if other is None:
        yield f"{row.name}: compared with {row.against}, which is no row of the table."
        return
    right, its = round(row.accuracy * row.n), round(other.accuracy * other.n)
    if row.only_this - row.only_other != right - its:
        yield (
            f"{row.name}: {row.only_this} - {row.only_other} discordant items, but {right} against "
            f"{its} right ones."
        )
    # at most min(right, wrong of the other), and as many the other way
    most_this, most_other = min(right, other.n - its), min(its, row.n - right)
    if row.only_this > most_this or row.only_other > most_other:
        yield (
            f"{row.name}: at most {most_this} items can be right here alone and {most_other} there "
            f"alone; the table says {row.only_this} and {row.only_other}."
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    rows = read_table(parser.parse_args().table)
    found = check_table(rows)
    print("\n".join(found) or f"{len(rows)} rows: nothing that cannot be")
    return int(any(not line.startswith("F1 = ") for line in found))


if __name__ == "__main__":
    sys.exit(main())
