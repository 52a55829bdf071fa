"""One judge for all clients: every request is graded in the same pool, under the same limits.

Knows nothing of HTTP. Requests share the grader, so that equal questions of several clients are one
call, whoever asks first, and the budget is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.errors import ConfigError, RubricbeatError
from ...judges.grader import Grader
from ...judges.rewards import Reward, evaluate_batch
from ...judges.scoring.item_scores import score_items
from ...judges.scoring.rubric_arrays import Floats
from ...judges.scoring.verdict_table import VerdictTable
from ...judges.verdict import Rating
from .wire import Offer, RequestError, Scored, ScoreRequest


class Service:
    """A grader that many ask at once. All of it runs on one event loop but the grading itself."""

    def __init__(self, grader: Grader, offer: Offer, *, max_pending: int) -> None:
        """Serve.

        Args:
            grader: Asks the judge; closed by whoever opened it.
            offer: Rewards and rows.
            max_pending: Most answers in hand, of all requests together.
        """
        self.grader = grader
        self.offer = offer
        self._max_pending = max_pending
        self.n_pending = 0
        """Answers in hand."""
        self.n_graded = 0
        self.n_incomplete = 0
        """Requests that lacked a verdict or a reward."""
        self.stopping: str | None = None
        """Why nothing new is taken up; None while it is."""
        self._idle = asyncio.Event()
        self._idle.set()

    async def score(self, request: ScoreRequest) -> Scored:
        """Grade the answers of a request, and compute its rewards; nothing is ever 0 for missing.

        Raises:
            RequestError: Too much is in hand, or the server stops.
        """
        self._admit(len(request.answers))
        try:
            scored = await self._score(request)
        finally:
            self.n_pending -= len(request.answers)
            if not self.n_pending:
                self._idle.set()
        self.n_graded += len(scored.graded)
        self.n_incomplete += not scored.is_complete
        return scored

    def require_open(self) -> None:
        """Refuse new work where the server stops.

        Raises:
            RequestError: It does.
        """
        if self.stopping is not None:
            raise RequestError(self.stopping, status=503, code="stopping")

    async def stop(self, reason: str, within_s: float) -> bool:
        """Take up nothing new, let the calls in flight end, and wait for the requests in hand.

        Returns:
            Whether all of them were answered within so many seconds.
        """
        self.stopping = reason
        self.grader.stop(reason, is_hard=True)
        try:
            await asyncio.wait_for(self._idle.wait(), within_s)
        except TimeoutError:
            return False
        return True

    def judge_facts(self) -> dict[str, Any]:
        """Name the judge, for every reply."""
        identity = self.grader.identity
        return {"name": identity.name, "model": identity.model, "digest": identity.digest}

    def _admit(self, n_answers: int) -> None:
        self.require_open()
        if self.n_pending and self.n_pending + n_answers > self._max_pending:
            raise RequestError(
                f"{self.n_pending} answers are pending, at most {self._max_pending} may be "
                "(--max_pending); retry in a moment",
                status=429,
                code="busy",
                retry=True,
            )
        self.n_pending += n_answers
        self._idle.clear()

    async def _score(self, request: ScoreRequest) -> Scored:
        answers = list(request.answers)
        rates = any(reward.needs == "rating" for reward in request.rewards)
        try:
            (graded, fault), ratings = await asyncio.gather(
                self.grader.grade_what_comes(answers), self._ratings(request) if rates else _none()
            )
        except ConfigError as error:  # of these rows: the judge's own come as `fault`
            raise RequestError(str(error), code="not_askable") from None
        if isinstance(ratings, RubricbeatError):
            fault = fault or ratings
        elif ratings:
            pairs = zip(graded, ratings, strict=True)
            graded = [replace(one, ratings=rated) for one, rated in pairs]
        has_gap = any(v.is_missing for one in graded for v in one.verdicts)
        stopped = self.grader.stopped if has_gap else None
        return scored(graded, request.rewards, request.groups, stopped, fault)

    async def _ratings(
        self, request: ScoreRequest
    ) -> Sequence[tuple[Rating, ...]] | RubricbeatError:
        try:
            return await self.grader.rate_async(list(request.answers))
        except RubricbeatError as error:
            return error


async def _none() -> Sequence[tuple[Rating, ...]]:
    return ()


def scored(
    graded: Sequence[GradedAnswer],
    rewards: Sequence[Reward],
    groups: Sequence[slice] = (),
    stopped: str | None = None,
    fault: RubricbeatError | None = None,
) -> Scored:
    """Compute scores and rewards of graded answers; the rest is as `Scored` has it.

    Rewards of a group are compared on the criteria that all its answers have.
    """
    table = VerdictTable.of(graded)
    return Scored(
        tuple(graded),
        _optional(score_items(table).h),
        {one.name: _optional(evaluate_batch(one, table, groups)) for one in rewards},
        stopped,
        fault,
    )


def _optional(values_N: Floats) -> tuple[float | None, ...]:
    """Give None, and never 0, for what is not known; what JSON cannot hold likewise."""
    return tuple(float(value) if np.isfinite(value) else None for value in values_N)
