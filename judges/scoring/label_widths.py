"""How the interval of a corrected score narrows with more labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .plain_form import plain_fields


@dataclass(frozen=True, slots=True)
class LabelWidths:
    """What some labels reach, and what more of them would.

    The squared half-width is a part that no label changes, of the prompts that there are, and one
    of the labels, in proportion to 1 / n - 1 / N where n of N units are labelled: the variance of a
    mean of n drawn from N without replacement (Cochran 1977, Sampling Techniques, section 2.6).
    """

    unit: str
    """What is labelled together: `prompts`, `answers` or `criteria`."""
    n_labelled: int
    n_units: int
    half: float
    """Half the width of the 95 % interval, with these labels."""
    least: float
    """The same with labels on every unit, from 0 to `half`."""

    to_json = plain_fields

    @classmethod
    def of(
        cls, unit: str, n_labelled: int, n_units: int, half: float, share: float
    ) -> LabelWidths | None:
        """Split an interval; None where nothing is left to label.

        Args:
            unit: What is labelled together.
            n_labelled: Units with a label.
            n_units: All of the run's.
            half: Half of its width.
            share: Of its variance that no label changes.
        """
        if not 0 < n_labelled < n_units:
            return None
        return cls(unit, n_labelled, n_units, half, half * min(1.0, max(0.0, share)) ** 0.5)

    def needed(self, half: float) -> int | None:
        """Give how many units must be labelled for a half-width; None where all do not reach it."""
        if half <= self.least:
            return None
        now = 1 / self.n_labelled - 1 / self.n_units
        part = (half**2 - self.least**2) / (self.half**2 - self.least**2)
        return min(self.n_units, math.ceil(1 / (1 / self.n_units + part * now) - 1e-9))

    def words(self) -> str:
        """Say what has been reached, and what more labels would give."""
        more = [
            f"about {needed:,} would give ±{half:.3f}"
            for half in (self.half * 0.75, self.half * 0.5)
            if (needed := self.needed(half)) is not None and needed > self.n_labelled
        ]
        more.append(f"all of them ±{self.least:.3f}")
        have = (
            f"labels on {self.n_labelled:,} of {self.n_units:,} {self.unit} give ±{self.half:.3f}"
        )
        return f"{have}; {', '.join(more)}"
