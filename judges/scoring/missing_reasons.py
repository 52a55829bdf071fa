"""Counts the verdicts that never came, by what the judge's endpoint said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from ..answer import GradedAnswer
from ..errors import ConfigError
from ..verdict import Outcome, Verdict

NOT_DRAWN = "not drawn: outside the sample"
"""Reason of a verdict that a sample left out on purpose: it is not asked, and not missing."""
MOST_REASONS = 3
"""Reasons that are told; the results hold all."""
MOST_KINDS = 1_000
"""Reasons that are told apart, so that memory does not grow with the number of answers."""
SHOWN_CHARS = 300
_VARYING = re.compile(r"[0-9a-f]{6,}|[0-9]+", re.IGNORECASE)
"""What differs between equal reasons: counts of tokens, ids of requests."""


class MissingVerdicts:
    """The account of missing verdicts, and how many of them are accepted."""

    def __init__(self, allowed: float = 0.0) -> None:
        """Begin with none; `allowed` is the share of all verdicts that may be missing, 0 to 1."""
        self.allowed = allowed
        self.n_asked = 0
        self.n_missing = 0
        self._counts: Counter[tuple[Outcome, str]] = Counter()
        self._words: dict[tuple[Outcome, str], str] = {}

    @classmethod
    def of(cls, graded: Iterable[GradedAnswer], allowed: float = 0.0) -> MissingVerdicts:
        """Count those of graded answers."""
        found = cls(allowed)
        for answer in graded:
            found.add(answer)
        return found

    def add(self, answer: GradedAnswer) -> None:
        """Count the verdicts of an answer, replicates included."""
        for row in (answer.verdicts, *answer.replicates):
            for number, verdict in enumerate(row, start=1):
                self.add_verdict(verdict, (answer.example.prompt_id, number))

    def add_verdict(self, verdict: Verdict, place: tuple[str, int] | None = None) -> None:
        """Count one verdict; its place is its prompt_id and the criterion, from 1."""
        if verdict.explanation == NOT_DRAWN:
            return
        self.n_asked += 1
        if not verdict.is_missing:
            return
        self.n_missing += 1
        words = " ".join(verdict.explanation.split())
        kind = (verdict.outcome, _VARYING.sub("#", words)[:SHOWN_CHARS])
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = (verdict.outcome, "other reasons")
            words = "other reasons"
        self._counts[kind] += 1
        if kind not in self._words and place and verdict.outcome is Outcome.JUDGE_ERROR:
            words = f"{words[:SHOWN_CHARS]} (first: criterion {place[1]} of {place[0][:64]})"
        self._words.setdefault(kind, words[: SHOWN_CHARS + 100])

    @property
    def is_accepted(self) -> bool:
        """Whether no more are missing than are allowed."""
        return self.n_missing <= self.allowed * self.n_asked + 1e-9

    def lines(self) -> list[str]:
        """Say how many are missing, and the commonest reasons with their counts."""
        if not self.n_missing:
            return []
        lines = [f"{self.n_missing:,} of {self.n_asked:,} verdicts are missing:"]
        common = self._counts.most_common(MOST_REASONS)
        for kind, n in common:
            words = self._words[kind]
            name = kind[0].value.replace("_", " ")
            lines.append(f"  {n:,} x {name}{f': {words}' if words else ''}")
        rest = self.n_missing - sum(n for _, n in common)
        if rest:
            lines.append(f"  {rest:,} for other reasons, listed in the results")
        return lines

    def facts(self) -> Mapping[str, object]:
        """Give what results say: whether they are complete, and how many are missing."""
        if not self.n_missing:
            return {}
        return {"complete": False, "missing_verdicts": self.n_missing}


def allowed_share(text: object) -> float:
    """Read a share of verdicts that may be missing.

    Raises:
        ConfigError: It is none from 0 to 1.
    """
    try:
        share = float(str(text))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"--allow_missing {text}: give a share of the verdicts, from 0 to 1")
    return share
