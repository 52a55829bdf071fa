"""One call to a judge, and what came of it, as a value.

Sorts whatever a judge may raise by the question "would a retry help?". What follows from the answer
(wait, give up, stop the run) is the runtime's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import (
    ConfigError,
    DoubtfulError,
    JudgeError,
    NoApiError,
    OutageError,
    RateLimitError,
    RefusedSettingsError,
    RejectedError,
    TooLongError,
)
from .judge import Question
from .retries import Fault, is_unreachable
from .verdict import Outcome, Verdict


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
    judge: Any, questions: Sequence[Question], *, timeout_s: float, is_grouped: bool
) -> Reply:
    """Ask once, within the time allowed; only a cancellation is raised."""
    started = time.perf_counter()  # uvloop's own clock has steps of a millisecond
    try:
        async with asyncio.timeout(timeout_s):
            if is_grouped:
                verdicts = await judge.judge_group(questions)
            else:
                verdicts = [await judge.judge(questions[0])]
        check_verdicts(judge, verdicts)
    except RateLimitError as error:
        why = f"rate limited: {error}"
        return Reply(fault=Fault.RATE_LIMIT, retry_after_s=error.retry_after_s, why=why)
    except ConfigError as error:
        return Reply(end=End.WRONG, error=error, why=str(error))
    except DoubtfulError as error:
        return Reply(end=End.DOUBTFUL, doubt=error, why=str(error))
    except TooLongError as error:
        return Reply(end=End.TOO_LONG, why=str(error))
    except RejectedError as error:
        return Reply(end=End.REJECTED, why=str(error))
    except OutageError as error:
        return Reply(end=End.DOWN, why=str(error))
    except TimeoutError:
        return Reply(fault=Fault.TIMEOUT, why=f"no reply within {timeout_s:g} s")
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
        return Reply(end=End.BROKEN, why=f"the judge failed: {type(error).__name__}: {error}")
    if len(verdicts) != len(questions):
        why = f"{len(verdicts)} verdicts for {len(questions)} questions"
        verdicts = [Verdict(Outcome.UNPARSEABLE, explanation=why)] * len(questions)
    return Reply(verdicts, time.perf_counter() - started)


def check_verdicts(judge: object, verdicts: Sequence[Verdict]) -> None:
    """Refuse a judge that breaks its contract, by name.

    Raises:
        ConfigError: It gave something else than verdicts.
    """
    for verdict in verdicts:
        if not isinstance(verdict, Verdict):
            raise ConfigError(
                f"judge {type(judge).__name__!r} gave {type(verdict).__name__!r} where a Verdict "
                "is due; return Verdict.of(True) or Verdict.of(False)"
            )
