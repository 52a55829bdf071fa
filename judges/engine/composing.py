"""Lets a judge that is made of others (a jury, a cascade, a replicate) ask its members.

Each member has a pool of its own, with its own limits, store keys and breaker; what is composed
waits for them outside of any limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import ConfigError, StoreError
from ..judge import Judge, JudgeIdentity, Question, identity_of
from ..verdict import Verdict
from .calls import Outcomes, Pool
from .faults import check_verdicts
from .work_items import Call, Stop, no_reply, skipped


class MemberPool(Protocol):
    """The pool of a member."""

    @property
    def stopped(self) -> str | None:
        """Why nothing more is asked, or None."""
        ...

    async def ask(self, question: Question) -> Verdict:
        """Put one question."""
        ...


class Composer:
    """Answers the calls of one judge by what its members say."""

    def __init__(
        self,
        judge: Any,
        identity: JudgeIdentity,
        members: Mapping[str, MemberPool],
        outcomes: Outcomes,
        pool: Pool,
        stop: Stop,
    ) -> None:
        """Wire it.

        Args:
            judge: Has `judge_with`.
            identity: Of that judge.
            members: The pool of each member, by its digest.
            outcomes: Where verdicts, and reasons for none, go.
            pool: Told when nothing more is to be asked.
            stop: Whether anything more may be asked.
        """
        self._judge = judge
        self._identity = identity
        self._members = members
        self._outcomes = outcomes
        self._pool = pool
        self._stop = stop

    async def serve(self, call: Call) -> None:
        """Let the judge ask its members, and settle the one question of the call."""
        flight = call.flights[0]
        try:
            verdict = await self._judge.judge_with(flight.question, self._ask)
            check_verdicts(self._judge, [verdict])
        except (ConfigError, StoreError) as error:
            self._pool.fail(error)
            verdict = skipped("fatal")
        except Exception as error:  # a judge of somebody else's may raise anything
            verdict = no_reply(f"the judge failed: {type(error).__name__}: {error}", 1)
        if verdict.met is None and self._stop.reason is not None:
            verdict = skipped(self._stop.reason)
        self._outcomes.settle(flight, verdict)

    async def _ask(self, member: Judge, question: Question) -> Verdict:
        """Ask through the member's own pool; without one of its members a jury is another jury.

        Raises:
            ConfigError: The judge names none of its members, or the member says no call can work.
            StoreError: Verdicts could not be kept.
        """
        pool = self._members.get(identity_of(member).digest)
        if pool is None:
            raise ConfigError(
                f"judge {self._identity.name!r} asked {identity_of(member).name!r}, which is none "
                "of its `members`"
            )
        verdict = await pool.ask(question)
        if verdict.met is None and pool.stopped is not None:
            self._pool.halt(pool.stopped)
        return verdict
