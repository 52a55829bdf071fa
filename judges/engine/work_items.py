"""What the runtime has in hand: sheets, questions in flight, calls, runs; and when it stops."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import SupportsIndex

from ..answer import seen_of
from ..errors import ConfigError, in_words
from ..judge import Judge, JudgeIdentity, Question
from ..rubric import Example
from ..scoring.missing_reasons import NOT_DRAWN
from ..shares import suited
from ..store.keys import question_material, rating_material
from ..store.protocol import Subject
from ..verdict import Outcome, Source, Verdict
from .ledger import Ledger, expected_tokens

DEADLINE = "deadline: "
"""How the reason of a question begins that `deadline_s` left unasked."""


def again(
    verdict: Verdict, attempts: int, latency_s: float, source: Source = Source.FRESH
) -> Verdict:
    """Copy a verdict, with what the runtime alone knows: calls made, time taken, origin."""
    return Verdict(
        verdict.outcome,
        verdict.probability,
        verdict.explanation,
        verdict.reply,
        source,
        attempts,
        verdict.prompt_tokens,
        verdict.cached_tokens,
        verdict.completion_tokens,
        latency_s,
        verdict.level,
        verdict.level_probabilities,
    )


def skipped(reason: str) -> Verdict:
    """Give the verdict of a question that was not asked."""
    return Verdict(Outcome.SKIPPED, explanation=reason, attempts=0)


_NOT_DRAWN = skipped(NOT_DRAWN)


def no_reply(why: str, n_attempts: int, *, is_bug: bool = False) -> Verdict:
    """Give the verdict of a question that was asked and got no reply: by a bug, or on the way."""
    outcome = Outcome.JUDGE_ERROR if is_bug else Outcome.TRANSPORT
    return Verdict(outcome, explanation=why, attempts=n_attempts)


def material_of(judge: Judge, question: Question) -> bytes:
    """Give what makes a question to a judge this question: part of its key in the store.

    Raises:
        ConfigError: The judge gives something else than bytes.
    """
    name = "rating_material" if question.is_rating else "key_material"
    if question.is_rating:
        material = getattr(judge, name, rating_material)(question.example, question.answer)
    else:
        material = getattr(judge, name, question_material)(question)
    if not isinstance(material, bytes | bytearray | memoryview):
        raise _wrong(judge, name, "bytes", material)  # bytes(5) would be five zeros
    return bytes(material)


def requests_of(judge: Judge, question: Question) -> int:
    """Say how many requests a judge sends for a question, one after the other.

    Raises:
        ConfigError: The judge cannot say it, or gives no whole number from 1: no bound would hold.
    """
    count = getattr(judge, "requests_of", None)
    if count is None or question.is_rating:
        return 1
    try:
        return _from_1(judge, "requests_of", count(question))
    except ConfigError:
        raise
    except Exception as error:  # a judge of somebody else's may raise anything
        raise ConfigError(
            f"judge {type(judge).__name__!r}: its requests_of failed: {in_words(error)}"
        ) from error


def group_size_of(judge: Judge) -> int:
    """Give the most questions of one call; 1 for a judge that takes them one by one.

    Raises:
        ConfigError: It is no whole number.
    """
    size = _from_1(judge, "group_size", getattr(judge, "group_size", 1) or 1)
    return size if hasattr(judge, "judge_group") else 1


def _from_1(judge: Judge, name: str, given: object) -> int:
    if isinstance(given, SupportsIndex) and (number := operator.index(given)) >= 1:
        return number
    raise _wrong(judge, name, "a whole number from 1", given)


def _wrong(judge: Judge, name: str, due: str, given: object) -> ConfigError:
    return ConfigError(f"judge {type(judge).__name__!r}: {name} must give {due}, not {given!r:.40}")


@dataclass(frozen=True, slots=True)
class Part:
    """A judge of a grader with its ledger: the grader's own, or a member of it."""

    judge: Judge
    identity: JudgeIdentity
    ledger: Ledger
    is_stored: bool
    """Whether its verdicts are kept: not those of free judges, nor those made of others'."""
    members: tuple[Part, ...] = ()
    is_rating: bool = False
    """Whether it is asked for ratings, and not for verdicts."""

    @property
    def payers(self) -> list[Part]:
        """List those that make calls, each once: members in the place of the judge they make up."""
        if not self.members:
            return [self]
        found: list[Part] = []
        for member in self.members:
            found += [part for part in member.payers if part not in found]
        return found


@dataclass(slots=True, eq=False)
class Sheet:
    """One answer and the places of its verdicts, or of its rating."""

    example: Example
    judged: str
    """The part of the answer that is judged."""
    n_replicates: int | None = None
    """Independent verdicts for each criterion; None for as many as the grader asks for."""
    _: KW_ONLY
    is_rating: bool = False
    asked: Sequence[int] | None = None
    """The criteria that are asked, where that is not all of them."""
    rows: list[list[Verdict | None]] = field(default_factory=list, init=False)
    """Replicate, then criterion that is asked."""
    n_open: int = field(default=0, init=False)
    subject: Subject | None = field(default=None, init=False)

    @property
    def n_questions(self) -> int:
        """Questions of one replicate: a criterion each, or the one of a rating."""
        if self.is_rating:
            return 1
        return len(self.example.rubric) if self.asked is None else len(self.asked)

    def suited(self, index: int, verdict: Verdict) -> Verdict:
        """Give what a store holds as one of its criteria allows it."""
        return verdict if self.is_rating else suited(verdict, self.example.rubric.criteria[index])

    def question(self, index: int, replicate: int) -> Question:
        """Give the question of one of its places."""
        index = index if self.asked is None or self.is_rating else self.asked[index]
        return Question(self.example, self.judged, index, replicate, self.is_rating)

    def whole(self, row: Iterable[Verdict]) -> tuple[Verdict, ...]:
        """Put the verdicts of a row at the places of their criteria; the others are not drawn."""
        if self.asked is None or self.is_rating:
            return tuple(row)
        said = dict(zip(self.asked, row, strict=True))
        return tuple(said.get(c, _NOT_DRAWN) for c in range(len(self.example.rubric)))


@dataclass(slots=True, eq=False)
class GradeJob:
    """One request to grade: where its sheets come from, and how far it is."""

    _sheets: Iterator[Sheet]
    done: asyncio.Future[None]
    """Set when every sheet is filled."""
    is_fed: bool = False
    n_open: int = 0
    flights: set[Flight] = field(default_factory=set, init=False)
    closed: str | None = None
    """Why nothing more is asked for it, or None."""
    error: Exception | None = None
    _ahead: Sheet | None = None

    def next_sheet(self) -> Sheet | None:
        """Draw the next sheet; None where there is none."""
        sheet, self._ahead = self._ahead, None
        return sheet if sheet is not None else next(self._sheets, None)

    def look_ahead(self) -> None:
        """See whether there is a sheet after the one just drawn.

        Else a run would know that it is over only when all others have been fed once more.
        """
        self._ahead = next(self._sheets, None)
        self.is_fed = self._ahead is None

    def finish_if_over(self) -> None:
        """Let whoever waits for it go on, once every sheet is filled."""
        if self.n_open == 0 and self.is_fed and not self.done.done():
            if self.error is not None:
                self.done.set_exception(self.error)
            else:
                self.done.set_result(None)


@dataclass(slots=True, eq=False)
class Waiter:
    """A place on a sheet that a flight's verdict goes to."""

    run: GradeJob
    sheet: Sheet
    replicate: int
    index: int


@dataclass(slots=True, eq=False)
class Flight:
    """One question that is being asked, and everybody who waits for its verdict."""

    key: bytes
    question: Question
    n_bytes: int
    sheet: Sheet
    waiters: list[Waiter]
    call: Call | None = None
    """None while it is put aside, because another process asks about the same answer."""
    claim: bytes = b""
    """Name of the claim it is under; empty for none."""
    last: Verdict | None = None
    """The last reply without a verdict."""


@dataclass(slots=True, eq=False)
class Call:
    """One or more questions about one answer that are asked together."""

    flights: list[Flight]
    task: asyncio.Task[object] | None = None
    """The worker that serves it now."""
    is_abandoned: bool = False
    is_replied: bool = False
    keeps_place: bool = False
    """Whether its next try needs no new place among those in flight."""
    n_requests: int = 1
    """Requests that the judge sends for it, one after the other."""
    worst_cost: float = 0.0
    """US dollars reserved for it."""

    def __post_init__(self) -> None:
        """Tell its questions."""
        for flight in self.flights:
            flight.call = self

    @property
    def n_tokens(self) -> int:
        """Tokens that the limits count before its usage is known."""
        return self.n_requests * sum(expected_tokens([flight.n_bytes for flight in self.flights]))


class Stop:
    """Whether anything more may be asked, and those who pause while it may."""

    def __init__(self) -> None:
        """Begin with nothing in the way."""
        self.reason: str | None = None
        """Why nothing more is asked, or None."""
        self.is_hard = False
        """Whether calls that were granted are called off too: an outage, a fatal error."""
        self._pauses: set[asyncio.Future[None]] = set()

    def clear(self) -> None:
        """Let everything be asked again."""
        self.reason, self.is_hard = None, False

    def wake(self) -> None:
        """End every pause."""
        for pause in list(self._pauses):
            _set(pause)

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until everything is halted."""
        if seconds <= 0 or self.reason is not None:
            return
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _set, over)
        self._pauses.add(over)
        try:
            await over
        finally:
            timer.cancel()
            self._pauses.discard(over)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def calls_of(flights: Sequence[Flight], most: int) -> Iterator[Call]:
    """Bind the questions about one answer into calls: of one replicate and view, `most` at once."""
    if most == 1:
        yield from (Call([flight]) for flight in flights)
        return
    alike: dict[object, list[Flight]] = {}
    for flight in flights:
        question = flight.question
        alike.setdefault((question.replicate, seen_of(question)), []).append(flight)
    for same in alike.values():
        yield from (Call(same[place : place + most]) for place in range(0, len(same), most))
