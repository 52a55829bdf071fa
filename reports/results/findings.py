"""What a log of another program holds besides verdicts: counted, and named with its first place.

Every reader of such a log hands its answers, verdicts and faults through here, so that a word that
is no verdict, an answer that never came and a sample that cannot be read are treated alike in all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ...judges.answer import NO_ANSWER, GradedAnswer
from ...judges.data.examples import example_from_row
from ...judges.data.verdict_words import named, read_verdict, unknown_words
from ...judges.errors import DataError, RubricbeatError
from ...judges.rubric import Criterion, Example
from ...judges.scoring.item_scores import item_scores
from ...judges.verdict import Outcome, Source, Verdict
from .criteria import JudgedCriterion
from .run import Run, RunFacts
from .values import ODD_SHAPE

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

Rows = Iterable[tuple[str, object]]
"""Entries of a log, each with its place for messages; a DataError in the place of a broken one."""


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """An answer as a log has it, with its verdicts."""

    prompt_id: str
    prompt: object
    """Its messages, as a canonical row has them."""
    judged: Sequence[JudgedCriterion]
    """The rubric, each criterion with its verdict."""
    text: str | None
    """None where no answer came: it counts as asked, and its verdicts, which are of no answer, are
    excluded."""
    tags: object = ()
    is_judged: bool = True
    """Whether the log holds verdicts for it."""
    repeat: int | None = None
    """Which answer to this prompt; None numbers them as they come."""
    claim: float | None = None
    """The item score that the log states, or None."""
    further: Sequence[Sequence[JudgedCriterion]] = ()
    """Further independent verdicts of the same judge."""
    each: str = "criterion"
    """What the log calls a criterion."""


@dataclass(frozen=True, slots=True)
class About:
    """What a log says of its runs as a whole."""

    program: str
    task: str
    label: str = ""
    judge: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, object] = field(default_factory=dict)
    stored: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Count:
    n: int = 0
    first: str = ""

    def add(self, place: str) -> None:
        self.n += 1
        self.first = self.first or place


@dataclass(slots=True)
class LogFindings:
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
    _n_seen: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _more: list[str] = field(default_factory=list)

    @contextmanager
    def sample(self, place: str) -> Iterator[None]:
        """Read one sample; one that is not as its format has it is excluded, with the reason."""
        try:
            yield
        except ODD_SHAPE as error:
            self.leave_out(place, error)

    def add(self, given: LogAnswer, place: str) -> None:
        """Take an answer with its verdicts.

        Raises:
            DataError: The row is no example.
        """
        row = {
            "prompt_id": given.prompt_id,
            "prompt": given.prompt,
            "example_tags": given.tags,
            "rubrics": [one.row for one in given.judged],
        }
        example = example_from_row(row, where=f"{self.file}, {place}")
        rounds = self._rounds(given, example, place)
        number = self._n_seen[example.prompt_id]
        self._n_seen[example.prompt_id] += 1
        taken = GradedAnswer(
            example=example,
            answer=given.text or "",
            verdicts=rounds[0],
            repeat=number if given.repeat is None else given.repeat,
            replicates=tuple(rounds[1:]),
        )
        self.graded.append(taken)
        # a score over verdicts of which some are missing is another score
        self._claims.append(None if any(v.is_missing for v in taken.verdicts) else given.claim)

    def _rounds(self, given: LogAnswer, example: Example, place: str) -> list[tuple[Verdict, ...]]:
        criteria = dict(enumerate(example.rubric.criteria))  # a further round may be longer
        rounds = [
            tuple(
                self._verdict(one, f"{place}, {given.each} {n}", criteria.get(n))
                for n, one in enumerate(each)
            )
            for each in ((given.judged, *given.further) if given.is_judged else ())
        ]
        if given.text is None:
            self._counts["unanswered"].add(place)
            gone = Verdict(Outcome.SKIPPED, explanation=NO_ANSWER, attempts=0)
        elif not rounds:
            self._counts["unjudged"].add(place)
            gone = Verdict(Outcome.UNPARSEABLE, explanation="the log holds no verdict", attempts=0)
        else:
            return rounds
        return [(gone,) * len(example.rubric)]

    def _verdict(self, one: JudgedCriterion, place: str, criterion: Criterion | None) -> Verdict:
        """Read a recorded value; a word that is no verdict is counted under its name."""
        if one.words.startswith(FAILED_JUDGING):
            self._counts["failed"].add(place)
            return Verdict(Outcome.UNPARSEABLE, explanation=one.words, attempts=0)
        read = read_verdict(one.value, criterion)
        if read.unknown:
            self._words[named(read.unknown)].add(place)
        return read.verdict(one.words, criterion, Source.FRESH)

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

    def require(self, otherwise: str = "it holds no samples") -> None:
        """See that there are graded answers.

        Raises:
            DataError: There are none: says why the first sample could not be read, or `otherwise`.
        """
        if not self.graded:
            place = self._counts["left_out"].first
            first = f", {place}: {self._reason}" if self._reason else f": {otherwise}"
            raise DataError(f"{self.file}{first}")

    def run(self, path: Path, model: str, about: About) -> Run:
        """Give the answers as a run of a program."""
        return Run(
            model=model,
            label=about.label,
            task=about.task,
            graded=tuple(self.graded),
            stored=about.stored,
            facts=RunFacts(
                judge={"name": about.program, **about.judge},
                versions={"format": about.program, **about.versions},
                config=about.config,
            ),
            path=str(path),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        """Say what was found, one sentence each, the gravest first."""
        whose = f", {self.of[:60]}" if self.of else ""
        said = (
            *map(self.said, ("left_out", "unanswered", "unjudged")),
            *self._word_words(),
            self.said("failed"),
            self._claim_words(),
            *self._more,
        )
        return tuple(f"{self.file}{whose}: {words}" for words in said if words)

    def said(self, what: str) -> str:
        """Say in words what was counted; empty where nothing was."""
        count, n_graded = self._counts[what], len(self.graded)
        if not count.n:
            return ""
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
        if not any(claim is not None for claim in self._claims):
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


def read_rows(
    rows: Rows,
    begun: LogFindings,
    read: Callable[[Mapping[str, object]], LogAnswer],
    model_of: Callable[[Mapping[str, object]], str],
) -> dict[str, LogFindings]:
    """Read the answers of each model of a log.

    Args:
        rows: Its entries.
        begun: Its name and words, without answers.
        read: Gives the answer in an entry.
        model_of: Says whose answer it is.

    Raises:
        DataError: Nothing can be read: says why not the first entry.
    """
    by_model: dict[str, LogFindings] = {}
    for place, row in rows:
        entry = row if isinstance(row, Mapping) else {}
        findings = by_model.setdefault(
            model_of(entry), LogFindings(begun.file, begun.kind, begun.format)
        )
        with findings.sample(place):
            if isinstance(row, Exception):
                raise row
            if not isinstance(row, Mapping):
                raise DataError(f"not a JSON object but {type(row).__name__}")
            findings.add(read(entry), place)
    return _readable(by_model or {"": begun})


def _readable(by_model: Mapping[str, LogFindings]) -> dict[str, LogFindings]:
    """Keep the models of which something can be read; the first is told of the others."""
    read = {model: findings for model, findings in by_model.items() if findings.graded}
    for model, findings in by_model.items():
        findings.of = model if len(read) > 1 else ""
        if not read:
            findings.require()
        if model not in read:
            next(iter(read.values())).note(f"of {model[:60]!r}, {findings.said('left_out')}")
    return read


def _nearest(score: float, claim: float) -> float:
    """Clip a score where the claim may be a clipped one, as some programs store it."""
    return min(max(score, 0.0), 1.0) if claim in (0.0, 1.0) else score
