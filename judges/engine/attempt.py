"""One try of a call and what it brought, and what a judge may return."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from numbers import Real
from pathlib import Path
from types import UnionType
from typing import TypeVar

from ..errors import (
    ConfigError,
    DoubtfulError,
    EndedError,
    JudgeError,
    NoApiError,
    OutageError,
    RateLimitError,
    RefusedSettingsError,
    RejectedError,
    RubricbeatError,
    TooLongError,
    in_words,
)
from ..judge import Judge, Question
from ..shares import suited
from ..verdict import HIGHEST, Outcome, Rating, Source, Verdict

T = TypeVar("T")
ENDS = (SystemExit, KeyboardInterrupt, BaseExceptionGroup)
"""What must not leave code of somebody else's: it would end the loop, and every question on it."""
_OF_FILES = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""Errors of the system that are no fault on the way to a server, and that no further try mends."""
_RATINGS = range(1, HIGHEST + 1)
_COUNTS = ("attempts", "prompt_tokens", "cached_tokens", "completion_tokens")
_FIELDS: tuple[tuple[str, type | UnionType, str], ...] = (
    ("probability", float | None, "a number from 0 to 1, or None"),
    ("explanation", str, "text"),
    ("reply", str, "text"),
    *((name, int, "a whole number from 0") for name in _COUNTS),
    ("latency_s", Real, "a number of seconds"),
    ("level", int | None, "a whole number, or None"),
    ("source", Source, "a Source"),
)
"""Field, type, and how to say it: what results and stores can hold."""
_MOST_KEPT = 2.0**53
"""Numbers beyond it are not the same in JSON, and not in a store."""


class Fault(StrEnum):
    """Why a call has to be made again; outcomes that asking again may mend have the same names."""

    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"
    TRANSPORT = "transport"
    UNPARSEABLE = "unparseable"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    SETTINGS = "settings"
    """The endpoint refused settings that have worked before."""


def is_unreachable(error: BaseException) -> bool:
    """Say whether there is nothing at the address: connection refused, or an unknown host.

    On the first call of a grader that is a wrong setting, later it is an outage.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError | socket.gaierror):
            return True
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            return True
        # aiohttp keeps what the system said beside the chain
        cause = getattr(cause, "os_error", None) or cause.__cause__
    return False


class End(StrEnum):
    """Why a call is over although no verdict came."""

    REJECTED = "rejected"
    """The endpoint refused this one request for good."""
    TOO_LONG = "too_long"
    """The question is longer than the judge's context."""
    DOUBTFUL = "doubtful"
    """The endpoint refused, for the question or for the settings."""
    WRONG = "wrong"
    """A setting is wrong: no call can work."""
    DOWN = "down"
    """The judge says that it is down."""
    BROKEN = "broken"
    """The judge raised what is none of our errors: a bug in it."""


_ENDS: dict[type[RubricbeatError], End] = {
    ConfigError: End.WRONG,
    DoubtfulError: End.DOUBTFUL,
    TooLongError: End.TOO_LONG,
    RejectedError: End.REJECTED,
    OutageError: End.DOWN,
}
"""What errors of a judge mean, the narrower ones first."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call brought: verdicts, a fault to be tried again, or an end."""

    verdicts: Sequence[Verdict] = ()
    latency_s: float = 0.0
    fault: Fault | None = None
    retry_after_s: float | None = None
    """The pause the endpoint asked for."""
    end: End | None = None
    error: ConfigError | None = None
    """The wrong setting; beside a fault, what is wrong where nothing better has ever come."""
    doubt: DoubtfulError | None = None
    """A refusal that other questions have to explain."""
    why: str = ""

    @property
    def is_page(self) -> bool:
        """Whether something came that is no reply of such an API."""
        return self.fault is not None and isinstance(self.error, RefusedSettingsError)

    @property
    def n_tokens(self) -> int:
        """Tokens of the call, as the endpoint counted them; 0 where it did not say."""
        return sum(v.prompt_tokens + v.completion_tokens for v in self.verdicts)


async def attempt(
    judge: Judge, questions: Sequence[Question], *, timeout_s: float, is_grouped: bool
) -> Reply:
    """Ask once, within the time allowed; only a cancellation is raised."""
    started = time.perf_counter()  # uvloop's own clock has steps of a millisecond
    try:
        async with asyncio.timeout(timeout_s) as clock:
            verdicts = await _asked(judge, questions, is_grouped=is_grouped)
        check_verdicts(judge, verdicts)
    except RateLimitError as error:
        why = f"rate limited: {error}"
        return Reply(fault=Fault.RATE_LIMIT, retry_after_s=error.retry_after_s, why=why)
    except tuple(_ENDS) as error:
        end = next(end for kind, end in _ENDS.items() if isinstance(error, kind))
        wrong = error if isinstance(error, ConfigError) else None
        doubt = error if isinstance(error, DoubtfulError) else None
        return Reply(end=end, error=wrong, doubt=doubt, why=str(error))
    except TimeoutError:
        late = f"no reply within {timeout_s:g} s"
        return Reply(fault=Fault.TIMEOUT, why=late if clock.expired() else "the judge timed out")
    except _OF_FILES as error:
        return Reply(end=End.BROKEN, why=where_raised(error, judge))
    except NoApiError as error:
        return Reply(fault=Fault.TRANSPORT, error=error.as_settings(), why=str(error))
    except (JudgeError, OSError, EOFError) as error:
        raw = isinstance(error, OSError | EOFError)
        hint = "; is the judge's server up, is the address right?" if raw else ""
        wrong = ConfigError(f"{error}{hint}")
        return Reply(
            fault=Fault.TRANSPORT,
            why=str(error) or repr(error),
            error=wrong if is_unreachable(error) else None,
        )
    except Exception as error:  # a judge of somebody else's may raise anything
        return Reply(end=End.BROKEN, why=where_raised(error, judge))
    if len(verdicts) != len(questions):
        why = f"{len(verdicts)} verdicts for {len(questions)} questions"
        verdicts = [Verdict(Outcome.UNPARSEABLE, explanation=why)] * len(questions)
    if not questions[0].is_rating:
        verdicts = [suited(v, q.criterion) for v, q in zip(verdicts, questions, strict=True)]
    return Reply(verdicts, time.perf_counter() - started)


async def _asked(
    judge: Judge, questions: Sequence[Question], *, is_grouped: bool
) -> Sequence[Verdict]:
    first = questions[0]
    if first.is_rating and hasattr(judge, "rate"):
        rating = await of_judge(judge.rate(first.example, first.answer))
        check_rating(judge, rating)
        return [rating.to_verdict()]
    if is_grouped and hasattr(judge, "judge_group"):
        verdicts: Sequence[Verdict] = await of_judge(judge.judge_group(questions))
        return verdicts
    return [await of_judge(judge.judge(first))]


async def of_judge(work: Awaitable[T]) -> T:
    """Await what a judge does.

    Raises:
        EndedError: It raised what ends a program, or said that it was cancelled though nobody did.
    """
    task = asyncio.current_task()
    n_before = 0 if task is None else task.cancelling()
    try:
        return await work
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > n_before:
            raise
        raise EndedError(in_words(error)) from error
    except ENDS as error:
        raise EndedError(in_words(error)) from error


def where_raised(error: BaseException, judge: object) -> str:
    """Say what a judge raised, and in which line of its own file."""
    raised = error.__cause__ if isinstance(error, EndedError) and error.__cause__ else error
    frames = traceback.extract_tb(raised.__traceback__)
    file = getattr(sys.modules.get(type(judge).__module__), "__file__", None)
    package = str(Path(__file__).parents[2])
    own = [frame for frame in frames if frame.filename == file]
    own = own or [f for f in frames[-1:] if not f.filename.startswith(package)]
    place = f" in {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{' '.join(in_words(error).split())}{place}"


async def close_judge(judge: Judge, timeout_s: float) -> str | None:
    """Let a judge end what it holds; give why it did not, or None. Its verdicts are kept by now."""
    if not hasattr(judge, "aclose"):
        return None
    try:
        async with asyncio.timeout(timeout_s):
            await of_judge(judge.aclose())
    except TimeoutError:
        return f"no end within {timeout_s:g} s"
    except Exception as error:  # a judge of somebody else's may raise anything
        return in_words(error)
    return None


def check_rating(judge: object, rating: object) -> None:
    """Refuse what is no rating.

    Raises:
        ConfigError: It is something else, or its value is none from 1 to 10.
    """
    if isinstance(rating, Rating) and (rating.value is None or rating.value in _RATINGS):
        return
    given = f"a Rating of {rating.value!r:.40}" if isinstance(rating, Rating) else f"{rating!r:.40}"
    raise ConfigError(
        f"judge {type(judge).__name__!r} gave {given}; expected a Rating of a whole number from 1 "
        f"to {HIGHEST}, or None"
    )


def check_verdicts(judge: object, verdicts: Sequence[Verdict]) -> None:
    """Refuse a judge that breaks its contract, by name.

    Raises:
        ConfigError: It gave something else than verdicts.
    """
    for verdict in verdicts:
        if not isinstance(verdict, Verdict):
            raise ConfigError(
                f"judge {type(judge).__name__!r} gave {type(verdict).__name__!r} instead of a "
                "Verdict; return Verdict.of(True) or Verdict.of(False)"
            )
        for name, kind, due in _FIELDS:
            value = getattr(verdict, name)
            is_due = isinstance(value, kind)
            if name == "level":  # which `suited` sees to
                pass
            elif isinstance(value, bool):  # it would come back from a store as 1: another verdict
                is_due = False
            elif is_due and isinstance(value, Real):
                least = -_MOST_KEPT if name == "latency_s" else 0  # a clock may be set back
                is_due = least <= float(value) <= (1.0 if name == "probability" else _MOST_KEPT)
            if not is_due:
                raise ConfigError(
                    f"judge {type(judge).__name__!r} gave a Verdict with {name}={value!r:.80}; "
                    f"expected {due}"
                )
