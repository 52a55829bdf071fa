"""Asks a judge every open question once, in one flat bounded pool.

A pool is a line: here the workers feed it from the runs in hand, `calls.py` makes the calls, and
`delivery.py` brings what came back to whoever waits. Everything lives on one event loop
(`event_loop.py`) and takes no lock. The caller's side is `grader.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping

from ..errors import ConfigError, EndedError, RubricbeatError, StoreError, in_words
from ..judge import Judge, Question, identity_of
from ..store.keys import verdict_key
from ..store.protocol import StoreProtocol
from ..verdict import Verdict
from .attempt import ENDS, close_judge
from .calls import CallServer, compose
from .delivery import Delivery
from .ledger import Budget
from .limits import Limiter, collects, limiter_of
from .options import RuntimeOptions
from .work_items import (
    DEADLINE,
    Call,
    Flight,
    GradeJob,
    Part,
    Sheet,
    Waiter,
    material_of,
    no_reply,
    skipped,
)  # fmt: skip


class Runtime:
    """The pool of one judge. Every method but `__init__` runs on the loop."""

    def __init__(
        self,
        part: Part,
        options: RuntimeOptions,
        store: StoreProtocol | None,
        budget: Budget,
        children: Mapping[str, Runtime],
        beside: Runtime | None = None,
    ) -> None:
        """Wire a pool; nothing is started before the first run.

        Args:
            part: Who answers.
            options: Limits and retries.
            store: Where verdicts are looked up and kept; None for nowhere.
            budget: Shared by the judges of one grader.
            children: Of a judge made of others: the pool of each member, by its digest.
            beside: The same judge's pool of the other kind of question: its limits are for both,
                and it closes the judge.
        """
        self._part = part
        self._options = options
        self.budget = budget
        self._beside = beside
        self._children = dict(children)
        self._limiter: Limiter = beside._limiter if beside else limiter_of(part.judge, options)
        self.delivery = Delivery(part, options, store, self._limiter, self._spawn)
        self.delivery.trial.is_over = collects(part.judge)
        self._server = CallServer(part, options, budget, self.delivery)
        self._n_serving = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._busy_since = 0.0

    @property
    def _all(self) -> list[Runtime]:
        """This pool and those of the judges that its judge is made of."""
        return [self, *(one for child in self._children.values() for one in child._all)]

    @property
    def outage(self) -> str | None:
        """Why the judge, or one it is made of, counts as down; or None."""
        return next((r for one in self._all if (r := one.delivery.breaker.reason)), None)

    @property
    def stopped(self) -> str | None:
        """Why nothing more is asked, or None: an outage, a spent budget."""
        return next((r for one in self._all if (r := one.delivery.stop.reason)), None)

    @property
    def max_in_flight(self) -> int:
        """Most questions that are asked at once."""
        return self._options.max_concurrency

    @property
    def n_in_flight(self) -> int:
        """Calls that wait for their reply."""
        return sum(one._limiter.in_flight for one in self._all)

    async def run(
        self, sheets: Iterator[Sheet], left_s: float | None = None, *, goes_on: bool = False
    ) -> None:
        """Fill sheets with verdicts; returns when each has all, or the reason for each missing.

        Args:
            sheets: Drawn as the pool has room.
            left_s: What is left of `deadline_s` for a part of a larger run; None for all of it.
            goes_on: A part that is not the first one: an outage before it ends it too.

        Raises:
            ConfigError: The judge says that no call can work; nothing more was sent.
            StoreError: Verdicts could not be kept; nothing more was sent.
        """
        loop = asyncio.get_running_loop()
        run = GradeJob(sheets, loop.create_future())
        timer = None
        if (deadline_s := self._options.deadline_s) is not None:
            reason = f"{DEADLINE}{deadline_s:g} s have passed"
            left_s = deadline_s if left_s is None else left_s
            if left_s <= 0:
                run.closed = reason  # what is stored is given all the same
            else:
                timer = loop.call_later(left_s, self.delivery.leave, run, reason)
        self._begin(run, goes_on=goes_on)
        try:
            await run.done
        finally:
            if timer is not None:
                timer.cancel()
            self._forget(run)

    async def ask(self, question: Question) -> Verdict:
        """Put one question, for a judge that is made of others; as `run` puts those of a sheet.

        Raises:
            ConfigError, StoreError: As `run`.
        """
        run = GradeJob(iter(()), asyncio.get_running_loop().create_future())
        run.is_fed = True
        sheet = Sheet(question.example, question.answer)
        self._open(run, sheet, 1, 1)
        try:
            self.delivery.join(run, sheet, [self._flight(Waiter(run, sheet, 0, 0), question)])
            await run.done
        finally:
            self.delivery.leave(run, "cancelled")
        verdict = sheet.rows[0][0]
        if self.delivery.fatal is not None and verdict is not None and verdict.is_missing:
            raise self.delivery.fatal
        assert verdict is not None
        return verdict

    async def aclose(self) -> None:
        """End everything: workers, writes that wait, the judge, the store."""
        for run in self.delivery.runs:
            if not run.done.done():
                run.done.set_exception(RubricbeatError("the grader was closed while it graded"))
        for task in list(self._workers):
            task.cancel()
        if self._workers:
            await asyncio.gather(*self._workers, return_exceptions=True)
        await self.flushed()
        if self.delivery.desk is not None:
            self.delivery.desk.close()
        for child in self._children.values():
            await child.aclose()
        why = (
            await close_judge(self._part.judge, self._options.timeout_s)
            if not self._beside
            else None
        )
        if why is not None:
            print(f"rubricbeat: the judge could not be closed: {why}", file=sys.stderr)
        if self.delivery.writer is not None:
            self.delivery.writer.close()

    async def flushed(self) -> None:
        """Wait until everything that was paid for is on disk."""
        for one in self._all:
            if one.delivery.writer is not None:
                await one.delivery.writer.flushed()

    def leave_to_parent(self) -> None:
        """Let go, in a forked child, of what belongs to the parent."""
        for one in self._all:
            if one.delivery.writer is not None:
                one.delivery.writer.store.close()

    # -- runs -----------------------------------------------------------------------------

    def _begin(self, run: GradeJob, *, goes_on: bool) -> None:
        if not self.delivery.runs:
            self._busy_since = asyncio.get_running_loop().time()
            if not goes_on:
                for one in self._all:
                    one.delivery.reopen()
        self.delivery.runs.append(run)
        if self.delivery.fatal is not None:
            run.error, run.is_fed = self.delivery.fatal, True
            run.finish_if_over()
        else:
            self._spawn()

    def _forget(self, run: GradeJob) -> None:
        """Let go of a run that is over or was cancelled."""
        self.delivery.leave(run, "cancelled")
        if run in self.delivery.runs:
            self.delivery.runs.remove(run)
            if not self.delivery.runs:
                self._part.ledger.busy_s += asyncio.get_running_loop().time() - self._busy_since

    def stop_asking(self, reason: str, is_hard: bool = False) -> None:
        """Ask nothing more, of no member either; what is in flight ends."""
        for one in self._all:
            one.delivery.halt(reason, is_hard=is_hard)

    # -- feeding --------------------------------------------------------------------------

    def _spawn(self) -> None:
        if len(self._workers) < self._options.max_concurrency:
            self._workers.add(asyncio.get_running_loop().create_task(self._work()))

    def _broke(self, call: Call, error: Exception) -> None:
        """End a call that raised what no judge may raise, and every run with that error.

        Its questions get a reason all the same: one that stayed in flight would be waited for by
        the next run that asks it.
        """
        for flight in list(call.flights):
            self.delivery.settle(flight, no_reply(in_words(error), 1))
        for run in list(self.delivery.runs):
            run.error, run.is_fed = run.error or error, True
            self.delivery.leave(run, "failed")
            run.finish_if_over()

    async def _work(self) -> None:
        """Be one of the workers for as long as there is something to do."""
        try:
            await self._work_on()
        except Exception as error:  # a bug of ours: end the runs rather than hang
            for run in list(self.delivery.runs):
                if not run.done.done():
                    run.done.set_exception(error)
        finally:
            # in the same turn of the loop: a run that begins in the next one would count on it
            self._workers -= {asyncio.current_task()}

    async def _work_on(self) -> None:
        """Serve calls; feed where there is none; end where there is nothing to feed."""
        while True:
            if self.delivery.writer is not None:
                await self.delivery.writer.room()
            if (call := self._next_call()) is not None:
                await self._serve(call)
            elif not self._feed() and not self._explain_refusals():
                return
            elif not self.delivery.calls:
                await asyncio.sleep(0)  # all hits: let the loop breathe

    async def _serve(self, call: Call) -> None:
        call.task = task = asyncio.current_task()
        self._n_serving += 1
        try:
            if self._children:
                await compose(self._part.judge, self._ask_member, call, self.delivery)
            else:
                await self._server.serve(call)
        except asyncio.CancelledError:
            if task is None or not call.is_abandoned:  # the end of the pool, or the judge's doing
                self._broke(call, EndedError("the judge's call was cancelled"))
                raise
            task.uncancel()
        except Exception as error:
            self._broke(call, error)
        finally:
            self._n_serving -= 1
            call.task = None

    def _next_call(self) -> Call | None:
        while self.delivery.calls:
            call = self.delivery.calls.popleft()
            if not call.is_abandoned and not self.delivery.trial.defers(call):
                return call
        return None

    def _explain_refusals(self) -> bool:
        """Ask on where nothing but refused questions is left; False where there is nothing to ask.

        Refused calls wait for one that is answered. Where none can come any more, they are to tell
        by themselves whether the settings are wrong.
        """
        trial = self.delivery.trial
        if not trial.is_open or self._n_serving:
            return False
        if self.delivery.stop.reason is not None:
            self.delivery.end_trial()
            return False
        if (probe := trial.next_probe()) is not None:
            self.delivery.calls.append(probe)
            return True
        self.delivery.fail(trial.verdict())
        return False

    def _feed(self) -> bool:
        """Take the next sheet of the next run; False where no run has one."""
        for _ in range(len(self.delivery.runs)):
            run = self.delivery.runs[0]
            self.delivery.runs.rotate(-1)
            if run.is_fed:
                continue
            sheet = None
            try:
                sheet = run.next_sheet()
                if sheet is not None:
                    self._admit(run, sheet)
                    run.look_ahead()
                    if not run.is_fed:
                        return True
            except (Exception, *ENDS) as error:  # what the caller's answers raise is the caller's
                if isinstance(error, StoreError):
                    self.delivery.fail(error)
                own = error if isinstance(error, Exception) else EndedError(in_words(error))
                run.error = run.error or own
            run.is_fed = True
            if run.error is not None:
                self.delivery.leave(run, "failed")
            run.finish_if_over()
            if sheet is not None:
                return True
        return False

    def _admit(self, run: GradeJob, sheet: Sheet) -> None:
        """Look an answer's questions up; make calls of those that are open."""
        n_rows = sheet.n_replicates or self._options.replicates
        self._open(run, sheet, n_rows, sheet.n_questions)
        flights: list[Flight | None] = []
        try:
            for row in range(n_rows):
                for index in range(sheet.n_questions):
                    waiter = Waiter(run, sheet, row, index)
                    flights.append(self._flight(waiter, sheet.question(index, row)))
            self.delivery.join(run, sheet, flights)
        except BaseException as error:
            self.delivery.leave_unasked(run, sheet, flights, f"not asked: {error}")
            raise

    def _open(self, run: GradeJob, sheet: Sheet, n_rows: int, n_questions: int) -> None:
        """Make the places of a sheet."""
        sheet.rows = [[None] * n_questions for _ in range(n_rows)]
        sheet.n_open = n_questions * n_rows
        run.n_open += sheet.n_open
        self._part.ledger.n_asked += sheet.n_open

    def _flight(self, waiter: Waiter, question: Question) -> Flight | None:
        """Word a question; None where it cannot be worded, which is then its verdict's reason."""
        if not self._part.is_stored:
            return Flight(b"", question, 0, waiter.sheet, [waiter])
        try:
            material = material_of(self._part.judge, question)
        except ConfigError:
            raise
        except (Exception, *ENDS) as error:  # one that cannot be worded must not end a run
            why = f"the question cannot be put: {in_words(error)}"
            self.delivery.deliver(waiter, skipped(why))
            return None
        key = verdict_key(self._part.identity, material, question.replicate)
        return Flight(key, question, len(material), waiter.sheet, [waiter])

    # -- members --------------------------------------------------------------------------

    async def _ask_member(self, member: Judge, question: Question) -> Verdict:
        """Ask through the member's own pool; without one of its members a jury is another jury.

        Raises:
            ConfigError: The judge names none of its members, or the member says no call can work.
            StoreError: Verdicts could not be kept.
        """
        pool = self._children.get(identity_of(member).digest)
        if pool is None:
            raise ConfigError(
                f"judge {self._part.identity.name!r} asked {identity_of(member).name!r}, which is "
                "none of its `members`"
            )
        verdict = await pool.ask(question)
        if verdict.is_missing and pool.stopped is not None:
            self.delivery.halt(pool.stopped)
        return verdict
