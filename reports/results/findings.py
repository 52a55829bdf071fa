"""What a log of another program holds besides verdicts: counted, and named with its first place.

Every reader of such a log hands its verdicts, answers and faults through here, so that a word that
is no verdict, an answer that never came and a sample that cannot be read are treated alike in all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...judges.answer import NO_ANSWER, GradedAnswer
from ...judges.data.examples import example_from_row
from ...judges.data.verdict_words import named, read_verdict, unknown_words
from ...judges.errors import DataError, RubricbeatError
from ...judges.scoring.item_scores import item_scores
from ...judges.verdict import Outcome, Verdict

TOLERANCE = 1e-9
FAILED_JUDGING = ("Failed to parse judge response:", "Invalid grading response format:")
"""How explanations begin where a judge's reply could not be read and the program wrote "not met"
all the same. Sources: inspect_evals and openbench, their HealthBench scorers."""
MAX_WORDS = 5
"""Unknown words named one by one; the rest are counted."""


@dataclass(slots=True)
class _Count:
    n: int = 0
    first: str = ""

    def add(self, place: str) -> None:
        self.n += 1
        self.first = self.first or place


@dataclass(slots=True)
class Findings:
    """The graded answers of one log, and what of it could not be taken as it stands."""

    file: str
    """Its name, for messages."""
    kind: str = "samples"
    """What the log calls its entries."""
    of: str = ""
    """Whose answers these are, where the log holds those of several models."""
    graded: list[GradedAnswer] = field(default_factory=list)
    _claims: list[float | None] = field(default_factory=list)
    _words: dict[str, _Count] = field(default_factory=dict)
    _failed: _Count = field(default_factory=_Count)
    _unanswered: _Count = field(default_factory=_Count)
    _unjudged: _Count = field(default_factory=_Count)
    _left_out: _Count = field(default_factory=_Count)
    _reason: str = ""
    _n_seen: dict[str, int] = field(default_factory=dict)
    _more: list[str] = field(default_factory=list)

    def verdict(self, value: Any, words: str, place: str) -> Verdict:
        """Read a recorded value; a word that is no verdict is counted under its name."""
        if words.startswith(FAILED_JUDGING):
            self._failed.add(place)
            return Verdict(Outcome.UNPARSEABLE, explanation=words, attempts=0)
        read = read_verdict(value)
        if read.met is not None:
            return Verdict.of(read.met, explanation=words, attempts=0)
        if read.unknown:
            self._words.setdefault(named(read.unknown), _Count()).add(place)
            words = f"recorded as {named(read.unknown)}, which is not a verdict. {words}".strip()
        return Verdict(Outcome.UNPARSEABLE, explanation=words or "recorded as null", attempts=0)

    def add(
        self,
        row: Mapping[str, Any],
        answer: str | None,
        verdicts: Sequence[Verdict] | None,
        place: str,
        *,
        repeat: int | None = None,
        claim: float | None = None,
        replicates: Sequence[Sequence[Verdict]] = (),
    ) -> None:
        """Take an answer with its verdicts.

        Args:
            row: The example, in the canonical form of docs/data.md.
            answer: None where none came: it counts as asked, and its verdicts, which are of no
                answer, are left out.
            verdicts: One for each criterion of the row; None where the log holds none for it.
            place: Where in the log, for messages.
            repeat: Which answer to this prompt; None numbers them as they come.
            claim: The item score that the log states, or None.
            replicates: Further independent verdicts of the same judge.

        Raises:
            DataError: The row is no example, or the verdicts do not align with it.
        """
        example = example_from_row(row, where=f"{self.file}, {place}")
        if answer is None:
            self._unanswered.add(place)
            gone = Verdict(Outcome.SKIPPED, explanation=NO_ANSWER, attempts=0)
            verdicts, replicates, claim = [gone] * len(example.rubric), (), None
        elif verdicts is None:
            self._unjudged.add(place)
            gone = Verdict(Outcome.UNPARSEABLE, explanation="the log holds no verdict", attempts=0)
            verdicts = [gone] * len(example.rubric)
        number = self._n_seen.get(example.prompt_id, 0)
        self._n_seen[example.prompt_id] = number + 1
        taken = GradedAnswer(
            example=example,
            answer=answer or "",
            verdicts=tuple(verdicts),
            repeat=number if repeat is None else repeat,
            replicates=tuple(map(tuple, replicates)),
        )
        self.graded.append(taken)
        # a score over verdicts of which some are missing is another score
        self._claims.append(claim if all(v.met is not None for v in taken.verdicts) else None)

    def leave_out(self, place: str, reason: str) -> None:
        """Count a sample that cannot be read; the reason may name the place, or leave it to us."""
        self._left_out.add(place)
        here = f"{self.file}, {place}: "
        while reason.startswith(here):
            reason = reason.removeprefix(here)
        self._reason = self._reason or reason

    def note(self, words: str) -> None:
        """Add a remark on the whole log."""
        self._more.append(words)

    def require(self, otherwise: str) -> tuple[GradedAnswer, ...]:
        """Give the graded answers.

        Raises:
            DataError: There are none: says why the first sample could not be read, or `otherwise`.
        """
        if not self.graded:
            first = f", {self._left_out.first}: {self._reason}" if self._reason else None
            raise DataError(f"{self.file}{first or f': {otherwise}'}")
        return tuple(self.graded)

    def notes(self) -> tuple[str, ...]:
        """Say what was found, one sentence each, the gravest first."""
        whose = f", {self.of[:60]}" if self.of else ""
        return tuple(
            f"{self.file}{whose}: {words}"
            for words in (
                self._left_out_words(),
                self._unanswered_words(),
                self._unjudged_words(),
                *self._word_words(),
                self._failed_words(),
                self._claim_words(),
                *self._more,
            )
            if words
        )

    def _left_out_words(self) -> str:
        if not self._left_out.n:
            return ""
        total = self._left_out.n + len(self.graded)
        return (
            f"{self._left_out.n} of {total} {self.kind} left out; the first is "
            f"{self._left_out.first}: {self._reason}"
        )

    def _unanswered_words(self) -> str:
        count = self._unanswered
        if not count.n:
            return ""
        return (
            f"{count.n} of {len(self.graded)} answers missing (the first: {count.first}); they "
            "count as asked and have no score, whatever verdicts the log gives them"
        )

    def _unjudged_words(self) -> str:
        count = self._unjudged
        if not count.n:
            return ""
        return (
            f"{count.n} of {len(self.graded)} answers without any verdict on their criteria (the "
            f"first: {count.first}); they count as asked and have no score"
        )

    def _word_words(self) -> list[str]:
        words = [
            unknown_words(count.n, word, count.first)
            for word, count in list(self._words.items())[:MAX_WORDS]
        ]
        rest = list(self._words.values())[MAX_WORDS:]
        if rest:
            n = sum(count.n for count in rest)
            words.append(f"{n} more verdicts recorded as {len(rest)} further words")
        return words

    def _failed_words(self) -> str:
        if not self._failed.n:
            return ""
        return (
            f"{self._failed.n} of its verdicts say not met only because the judge's reply could "
            f"not be read (the first: {self._failed.first}); counted as missing"
        )

    def _claim_words(self) -> str:
        """Compare item scores that the log states with those that its verdicts give."""
        if not self.graded or not any(claim is not None for claim in self._claims):
            return ""
        scores = item_scores(self.graded)
        gaps = [
            (abs(_nearest(float(score), claim) - claim), graded.example.prompt_id)
            for score, claim, graded in zip(scores, self._claims, self.graded, strict=True)
            if claim is not None and not math.isnan(score)
        ]
        differing = [gap for gap in gaps if gap[0] > TOLERANCE]
        if not differing:
            return ""
        return (
            f"{len(differing)} of its {len(gaps)} item scores are not what their verdicts give "
            f"(by up to {max(differing)[0]:.4g}; the first: prompt_id {differing[0][1]}); the "
            "verdicts are used"
        )


def readable(by_model: Mapping[str, Findings]) -> dict[str, Findings]:
    """Keep the models of a log of which something can be read; the first is told of the others.

    Raises:
        DataError: There is none: says why the first sample could not be read.
    """
    read = {model: findings for model, findings in by_model.items() if findings.graded}
    for model, findings in by_model.items():
        findings.of = model if len(read) > 1 else ""
        if not read:
            findings.require("it holds no samples")
        if model not in read:
            next(iter(read.values())).note(f"of {model[:60]!r}, {findings._left_out_words()}")
    return read


def _nearest(score: float, claim: float) -> float:
    """Clip a score where the claim may be a clipped one, as some programs store it."""
    return min(max(score, 0.0), 1.0) if claim in (0.0, 1.0) else score


def number_of(value: Any) -> float | None:
    """Give a finite number of a log, or None for whatever else stands there."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer too long for a float
        return None


def text_of(content: Any) -> str | None:
    """Give the text of a message's content; reasoning, images and tool calls are no part of it.

    None where there is no content at all, as where no answer came.
    """
    if content is None:
        return None
    if isinstance(content, Mapping):
        return text_of(content.get("content", content.get("text")))
    if not isinstance(content, list):
        return str(content)
    texts = [
        part if isinstance(part, str) else part.get("text")
        for part in content
        if isinstance(part, (str, Mapping))
    ]
    found = [text for text in texts if isinstance(text, str) and text]
    return "\n".join(found) if found or not content else None


def reason_of(error: Exception) -> str:
    """Word why a sample could not be read: our own errors speak for themselves."""
    if isinstance(error, RubricbeatError):
        return str(error)
    return f"not as this format has it ({type(error).__name__}: {error})"
