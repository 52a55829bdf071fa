"""One judge for all clients: every request is graded in the same pool, under the same limits.

Knows nothing of HTTP. Requests share the grader, so that equal questions of several clients are one
call, whoever asks first, and the budget is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ...judges.answer import Answer
from ...judges.errors import ConfigError, RubricbeatError
from ...judges.grader import Grader
from ...judges.rewards import evaluate_batch
from ...judges.scoring.item_scores import score_items
from ...judges.scoring.plain_form import plain_form
from ...judges.scoring.verdict_table import VerdictTable
from ...judges.verdict import Rating
from .wire import Offer, RequestError, Scored, ScoreRequest


class Service:
    """A grader that many ask at once. All of it runs on one event loop but the grading itself."""

    def __init__(self, grader: Grader, offer: Offer, *, max_pending: int) -> None:
        """Serve with a grader that its opener closes; `max_pending` is of all requests together."""
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
        """Refuse new work where the server stops."""
        if self.stopping is not None:
            raise RequestError(self.stopping, "stopping")

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

    def judge_facts(self) -> dict[str, object]:
        """Name the judge, for every reply."""
        identity = self.grader.identity
        return {"name": identity.name, "model": identity.model, "digest": identity.digest}

    def _admit(self, n_answers: int) -> None:
        self.require_open()
        if self.n_pending and self.n_pending + n_answers > self._max_pending:
            raise RequestError(
                f"{self.n_pending} answers are pending, at most {self._max_pending} may be "
                "(--max_pending); retry in a moment",
                "busy",
            )
        self.n_pending += n_answers
        self._idle.clear()

    async def _score(self, request: ScoreRequest) -> Scored:
        answers = list(request.answers)
        rates = any(reward.needs == "rating" for reward in request.rewards)
        try:
            (graded, fault), (ratings, unrated) = await asyncio.gather(
                self.grader.grade_what_comes(answers), self._ratings(answers if rates else [])
            )
        except ConfigError as error:  # of these rows: the judge's own come as `fault`
            raise RequestError(str(error), "not_askable") from None
        if ratings:
            pairs = zip(graded, ratings, strict=True)
            graded = [replace(one, ratings=rated) for one, rated in pairs]
        has_gap = any(v.is_missing for one in graded for v in one.verdicts)
        ended = fault or unrated or (self.grader.stopped if has_gap else None)
        # rewards of a group are compared on the criteria that all its answers have
        table, groups = VerdictTable.of(graded), request.groups
        return Scored(
            request,
            tuple(graded),
            plain_form(score_items(table).h.tolist()),  # None for what is not known, and never 0
            {
                one.name: plain_form(evaluate_batch(one, table, groups).tolist())
                for one in request.rewards
            },
            None if ended is None else str(ended),
        )

    async def _ratings(
        self, answers: Sequence[Answer]
    ) -> tuple[Sequence[tuple[Rating, ...]], RubricbeatError | None]:
        try:
            return (await self.grader.rate_async(answers)) if answers else [], None
        except RubricbeatError as error:
            return [], error
