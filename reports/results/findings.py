"""What a log of another program holds besides verdicts: counted, and named with its first place.

Every reader of such a log hands its verdicts, answers and faults through here, so that a word that
is no verdict, an answer that never came and a sample that cannot be read are treated alike in all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...judges.answer import NO_ANSWER, GradedAnswer
from ...judges.data.examples import example_from_row
from ...judges.data.verdict_words import named, read_verdict, unknown_words
from ...judges.errors import DataError, RubricbeatError
from ...judges.rubric import Criterion
from ...judges.scoring.item_scores import item_scores
from ...judges.verdict import Outcome, Source, Verdict
from .criteria import JudgedCriterion
from .run import ODD_SHAPE, Run, mapping

TOLERANCE = 1e-9
FAILED_JUDGING = ("Failed to parse judge response:", "Invalid grading response format:")
"""How explanations begin where a judge's reply could not be read and the program wrote "not met"
all the same. Sources: inspect_evals and openbench, their HealthBench scorers."""
MAX_WORDS = 5
"""Unknown words named one by one; the rest are counted."""


_SAID = {
    "left_out": "{n} of {all} {kind} excluded; the first is {first}: {reason}",
    "unanswered": "{n} of {graded} answers missing (the first: {first}); they count in the total "
    "and have no score, whatever verdicts the log gives them",
    "unjudged": "{n} of {graded} answers without any verdict on their criteria (the first: "
    "{first}); they count in the total and have no score",
    "failed": "{n} of its verdicts say not met only because the judge's reply could not be read "
    "(the first: {first}); counted as missing",
}
"""What is counted of a log, in words."""


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
    format: str = "this format has it"
    """What a sample is that cannot be read: "not as this format has it"."""
    of: str = ""
    """Whose answers these are, where the log holds those of several models."""
    graded: list[GradedAnswer] = field(default_factory=list)
    _claims: list[float | None] = field(default_factory=list)
    _words: defaultdict[str, _Count] = field(default_factory=lambda: defaultdict(_Count))
    _counts: defaultdict[str, _Count] = field(default_factory=lambda: defaultdict(_Count))
    _reason: str = ""
    _n_seen: dict[str, int] = field(default_factory=dict)
    _more: list[str] = field(default_factory=list)

    @contextmanager
    def sample(self, place: str) -> Iterator[None]:
        """Read one sample; one that is not as its format has it is excluded, with the reason."""
        try:
            yield
        except ODD_SHAPE as error:
            self.leave_out(place, error)

    def _verdict(self, value: Any, words: str, place: str, criterion: Criterion | None) -> Verdict:
        """Read a recorded value; a word that is no verdict is counted under its name."""
        if words.startswith(FAILED_JUDGING):
            self._counts["failed"].add(place)
            return Verdict(Outcome.UNPARSEABLE, explanation=words, attempts=0)
        read = read_verdict(value, criterion)
        if read.unknown:
            self._words[named(read.unknown)].add(place)
        return read.verdict(words, criterion, Source.FRESH)

    def add(
        self,
        row: Mapping[str, Any],
        judged: Sequence[JudgedCriterion],
        answer: str | None,
        place: str,
        *,
        is_judged: bool = True,
        repeat: int | None = None,
        claim: float | None = None,
        further: Sequence[Sequence[JudgedCriterion]] = (),
        each: str = "criterion",
    ) -> None:
        """Take an answer with its verdicts.

        Args:
            row: The example without its rubric, in the canonical form of docs/data.md.
            judged: The rubric, each criterion with its verdict.
            answer: None where none came: it counts as asked, and its verdicts, which are of no
                answer, are excluded.
            place: Where in the log, for messages.
            is_judged: Whether the log holds verdicts for it.
            repeat: Which answer to this prompt; None numbers them as they come.
            claim: The item score that the log states, or None.
            further: Further independent verdicts of the same judge.
            each: What the log calls a criterion.

        Raises:
            DataError: The row is no example.
        """
        row = {**row, "rubrics": [one.row for one in judged]}
        example = example_from_row(row, where=f"{self.file}, {place}")
        criteria = dict(enumerate(example.rubric.criteria))  # a further round may be longer
        rounds = [
            tuple(
                self._verdict(o.value, o.words, f"{place}, {each} {n}", criteria.get(n))
                for n, o in enumerate(one)
            )
            for one in ((judged, *further) if is_judged else ())
        ]
        if answer is None:
            self._counts["unanswered"].add(place)
            gone = Verdict(Outcome.SKIPPED, explanation=NO_ANSWER, attempts=0)
            rounds, claim = [(gone,) * len(example.rubric)], None
        elif not rounds:
            self._counts["unjudged"].add(place)
            gone = Verdict(Outcome.UNPARSEABLE, explanation="the log holds no verdict", attempts=0)
            rounds = [(gone,) * len(example.rubric)]
        number = self._n_seen.get(example.prompt_id, 0)
        self._n_seen[example.prompt_id] = number + 1
        taken = GradedAnswer(
            example=example,
            answer=answer or "",
            verdicts=rounds[0],
            repeat=number if repeat is None else repeat,
            replicates=tuple(rounds[1:]),
        )
        self.graded.append(taken)
        # a score over verdicts of which some are missing is another score
        self._claims.append(None if any(v.is_missing for v in taken.verdicts) else claim)

    def leave_out(self, place: str, why: Exception | str) -> None:
        """Count a sample that cannot be read; the reason may name the place, or leave it to us."""
        self._counts["left_out"].add(place)
        reason = str(why)
        if isinstance(why, Exception) and not isinstance(why, RubricbeatError):
            reason = f"not as {self.format} ({type(why).__name__}: {why})"
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
            place = self._counts["left_out"].first
            first = f", {place}: {self._reason}" if self._reason else None
            raise DataError(f"{self.file}{first or f': {otherwise}'}")
        return tuple(self.graded)

    def notes(self) -> tuple[str, ...]:
        """Say what was found, one sentence each, the gravest first."""
        whose = f", {self.of[:60]}" if self.of else ""
        return tuple(
            f"{self.file}{whose}: {words}"
            for words in (
                *map(self._said, ("left_out", "unanswered", "unjudged")),
                *self._word_words(),
                self._said("failed"),
                self._claim_words(),
                *self._more,
            )
            if words
        )

    def run(
        self,
        path: Path,
        program: str,
        *,
        model: str,
        label: str,
        task: str,
        otherwise: str = "it holds no samples",
        judge: Mapping[str, Any] | None = None,
        versions: Mapping[str, Any] | None = None,
        stored: Mapping[str, float] | None = None,
        **facts: Any,
    ) -> Run:
        """Give the answers as a run of a program.

        Raises:
            DataError: There are none, as `require` says it.
        """
        return Run(
            model=model,
            label=label,
            task=task,
            graded=self.require(otherwise),
            stored=stored or {},
            facts={
                "judge": {"name": program, **(judge or {})},
                "versions": {"format": program, **(versions or {})},
                **facts,
            },
            path=str(path),
            notes=self.notes(),
        )

    def _said(self, what: str) -> str:
        count = self._counts[what]
        if not count.n:
            return ""
        n_graded = len(self.graded)
        return _SAID[what].format(
            n=count.n,
            first=count.first,
            all=count.n + n_graded,
            graded=n_graded,
            kind=self.kind,
            reason=self._reason,
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
            next(iter(read.values())).note(f"of {model[:60]!r}, {findings._said('left_out')}")
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


def turns_of(given: Any) -> list[dict[str, str]]:
    """Give the turns of a prompt: those of messages, or a text as the user's."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [
        {"role": str(m.get("role", "user")), "content": text_of(m) or ""}
        for m in map(mapping, given)
    ]
