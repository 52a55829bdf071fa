"""The face of the judge engine: answers in, graded answers out.

    with open_grader({"name": "chat", "model": "gpt-4.1", "max_concurrency": 64}) as grader:
        graded = grader.grade([Answer(example, text) for example, text in answers])

A grader works from a script, a notebook, several threads at once and any event loop; it can be
pickled before its first use. What happens to a question is told in `engine/pool.py`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any

from .answer import NO_ANSWER, Answer, GradedAnswer
from .engine.assembly import Pools, part_of
from .engine.cost_estimate import CostEstimate, estimate_part
from .engine.event_loop import LoopThread
from .engine.options import RuntimeOptions
from .engine.progress import Bar
from .engine.work_items import Part, Sheet, skipped
from .errors import ConfigError, RubricbeatError
from .files import Closing
from .grader_facts import (
    GradePart,
    facts_of,
    in_order,
    n_questions_of,
    noted,
    taken_up,
)
from .judge import Judge, JudgeIdentity, require_askable
from .judge_options import build_judge, make_judge
from .learned import learned_prompts_of
from .options.secrets import options_without_secrets
from .replies.reasoning import Remarks
from .verdict import Rating, Verdict

__all__ = ["Answer", "CostEstimate", "Grader", "RuntimeOptions", "open_grader"]

_TICK_S = 0.2
"""Between two drawings of the bar."""
_CHUNK = 128
"""Answers of `grade_each` that are started together."""
_WAKE_S = 1.0
"""An interrupt that reached another thread is seen within this time."""


def open_grader(options: str | Mapping[str, object] | Judge, *, seed: int = 0) -> Grader:
    """Open a grader for a judge.

    Args:
        options: A judge's name; or a mapping with `name`, runtime options (see `RuntimeOptions`)
            and the judge's own options; or a judge.
        seed: Given to judges that take one.

    Raises:
        UnknownNameError: No judge of this name.
        ConfigError: An option is unknown, or its value cannot work.
    """
    if isinstance(options, str):
        options = {"name": options}
    if not isinstance(options, Mapping):
        return Grader(make_judge(options))
    mine, rest = RuntimeOptions.split(options)
    judge = build_judge(rest, seed)
    defaults = getattr(judge, "runtime_defaults", {})
    return Grader(judge, RuntimeOptions.from_mapping({**defaults, **mine}), rest)


class Grader(Closing):
    """Grades answers with one judge; a context manager."""

    def __init__(
        self,
        judge: Judge,
        options: RuntimeOptions | None = None,
        judge_options: Mapping[str, object] | None = None,
    ) -> None:
        """Wrap a judge.

        Args:
            judge: Who answers the questions.
            options: Limits, retries, budgets and the store.
            judge_options: What the judge was built from, for results.
        """
        defaults = getattr(judge, "runtime_defaults", {})
        self.options = options or RuntimeOptions.from_mapping(defaults)
        self.judge = judge
        self._judge_options = dict(judge_options or {})
        self._part: Part = part_of(judge, self.options)
        self._rating_part: Part | None = None  # the same judge, when it is asked to rate
        self.identity: JudgeIdentity = self._part.identity
        self._remarks = Remarks()
        self._rating_remarks = Remarks()
        self._learned = learned_prompts_of(judge)
        self._flattered: set[str] = set()
        """Prompts graded that the judge has learned from, by id."""
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._thread: LoopThread | None = None
        self._pools = Pools()
        self._ended: tuple[str | None, str | None] = (None, None)
        """Outage and stop of the last runtime, when it is closed."""

    def grade(
        self, answers: Sequence[Answer], *, progress: bool | None = None
    ) -> list[GradedAnswer]:
        """Grade answers, in order; all criteria of all answers share one bounded pool.

        At an interrupt (Ctrl-C) the calls in flight may end, which takes `timeout_s` at most, and
        their verdicts are kept in the store; a second interrupt ends them at once.

        Args:
            answers: What to grade.
            progress: Whether to draw a bar on stderr; None draws it on a terminal only.

        Returns:
            One graded answer each. A missing verdict has its reason; after an outage or at the
            end of a budget the rest is `skipped`, and `outage` or `stopped` says why.

        Raises:
            ConfigError: The judge can never answer (a wrong key, model or address).
            StoreError: Verdicts cannot be read or kept.
        """
        answers = list(answers)
        require_askable(self.judge, (answer.example for answer in answers))
        filled: list[tuple[Answer, Sheet]] = []
        with Bar.open(progress, self._part.ledger, n_questions_of(answers, self.options)) as bar:
            self._wait(self._start(self._sheets(answers, filled)), bar)
        return [self._graded(answer, sheet) for answer, sheet in filled]

    def rate(self, answers: Sequence[Answer], *, progress: bool | None = None) -> list[Rating]:
        """Rate whole answers from 1 to 10, in order; limits and errors are those of `grade`."""
        ledger = self._rating().ledger
        filled: list[tuple[Answer, Sheet]] = []
        with Bar.open(progress, ledger, sum(a.text is not None for a in answers)) as bar:
            self._wait(self._start(self._sheets(answers, filled, is_rating=True), rates=True), bar)
        return [self._rated(answer, sheet)[0] for answer, sheet in filled]

    async def rate_async(self, answers: Sequence[Answer]) -> list[tuple[Rating, ...]]:
        """Give every rating of each answer: the first, then as many as its replicates ask for."""
        filled: list[tuple[Answer, Sheet]] = []
        sheets = self._sheets(answers, filled, is_rating=True)
        await asyncio.wrap_future(self._start(sheets, rates=True))
        return [self._rated(answer, sheet) for answer, sheet in filled]

    def grade_each(
        self,
        answers: Iterable[Answer],
        *,
        progress: bool | None = False,
        n_questions: int = 0,
        chunk: int = _CHUNK,
    ) -> Iterator[GradedAnswer]:
        """Grade any number of answers, in order, drawn as needed: memory does not grow with them.

        Errors are those of `grade`; leaving the loop early cancels what is in flight.

        Args:
            answers: What to grade.
            progress: As in `grade`.
            n_questions: How many verdicts are asked for in all, for the bar.
            chunk: Answers drawn at a time: fewer where the caller may stop at any answer.
        """
        source = iter(answers)
        deadline_s = self.options.deadline_s
        end = None if deadline_s is None else time.monotonic() + deadline_s
        n_started = 0

        def start_next() -> GradePart[Answer] | None:
            nonlocal n_started
            drawn = list(islice(source, chunk))
            if not drawn:
                return None
            filled: list[tuple[Answer, Sheet]] = []
            left_s = None if end is None else end - time.monotonic()
            run = self._start(self._sheets(drawn, filled), left_s, goes_on=n_started > 0)
            n_started += 1
            return GradePart(run, filled, n_questions_of(drawn, self.options))

        with Bar.open(progress, self._part.ledger, n_questions) as bar:
            parts = in_order(
                start_next,
                lambda: self._pools.max_in_flight,
                lambda: bar.draw(self._pools.n_in_flight),
                self._let_finish,
                is_near=chunk < _CHUNK,
            )
            with contextlib.closing(parts) as each:
                for answer, sheet in each:
                    yield self._graded(answer, sheet)

    def unasked(self, answer: Answer, why: str) -> GradedAnswer:
        """Give an answer whose criteria were not asked, with the reason."""
        sheet = Sheet(answer.example, "", answer.replicates, asked=answer.asked)
        n_rows = answer.replicates or self.options.replicates
        sheet.rows = [[skipped(why)] * sheet.n_questions for _ in range(n_rows)]
        return self._graded(answer, sheet)

    async def grade_async(self, answers: Sequence[Answer]) -> list[GradedAnswer]:
        """Grade answers from any running event loop; cancelling it cancels the calls."""
        graded, fault = await self.grade_what_comes(answers)
        if fault is not None:
            raise fault
        return graded

    async def grade_what_comes(
        self, answers: Sequence[Answer]
    ) -> tuple[list[GradedAnswer], RubricbeatError | None]:
        """Grade as `grade_async`; give what came beside the error that ended it, if one did."""
        require_askable(self.judge, (answer.example for answer in answers))
        filled: list[tuple[Answer, Sheet]] = []
        fault: RubricbeatError | None = None
        try:
            await asyncio.wrap_future(self._start(self._sheets(answers, filled)))
        except RubricbeatError as error:
            fault = error
        there = [self._graded(*one) for one in takewhile(taken_up, filled)]
        rest = [self.unasked(one, f"not asked: {fault}") for one in answers[len(there) :]]
        return there + rest, fault

    def estimate(self, answers: Iterable[Answer], *, rates: bool = False) -> CostEstimate:
        """Say what grading, or rating, would cost; nothing is sent, the store is only read."""
        part = self._rating() if rates else self._part
        return estimate_part(part, list(self._sheets(answers, [], is_rating=rates)), self.options)

    def stop(self, reason: str, *, is_hard: bool = False) -> None:
        """Ask nothing more, from any thread; calls in flight end, and their verdicts are kept.

        Args:
            reason: Why, for the verdicts that are missing.
            is_hard: Whether it holds for the runs in hand only, not for later ones.
        """
        with self._lock:
            if self._thread is not None:
                self._thread.submit(self._pools.stop_asking(reason, is_hard))

    @property
    def outage(self) -> str | None:
        """Why the judge counts as down since the last run, or None."""
        return (self._pools.ends if self._thread is not None else self._ended)[0]

    @property
    def stopped(self) -> str | None:
        """Why nothing more was asked: an outage, a spent budget; or None."""
        return (self._pools.ends if self._thread is not None else self._ended)[1]

    def facts(self) -> dict[str, Any]:
        """Give what results say about their judge: identity, options, counts, tokens, cost."""
        return self._facts(self._part, self._remarks)

    def rating_facts(self) -> dict[str, object]:
        """Give the same of its ratings, which are counted apart."""
        return self._facts(self._rating(), self._rating_remarks)

    def _facts(self, part: Part, remarks: Remarks) -> dict[str, object]:
        return {
            **facts_of(part),
            **noted(self.judge, remarks.notes(), self._flattered),
            "options": {**self.options.to_json(), **options_without_secrets(self._judge_options)},
            "outage": self.outage,
            "stopped": self.stopped,
        }

    def close(self) -> None:
        """End the loop thread and close the judge and the store; safe to call twice."""
        thread, pools = self._thread, self._pools
        self._thread, self._pools = None, Pools()
        if thread is None or os.getpid() != self._pid:
            return
        self._ended = pools.ends
        thread.closers.clear()
        try:
            thread.submit(pools.aclose()).result()
        finally:
            thread.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Start anew in the other process: thread, loop and connections belong to this one."""
        return type(self), (self.judge, self.options, self._judge_options)

    # -- inside ---------------------------------------------------------------------------

    def _start(
        self,
        sheets: Iterator[Sheet],
        left_s: float | None = None,
        *,
        goes_on: bool = False,
        rates: bool = False,
    ) -> concurrent.futures.Future[None]:
        """Start a run on the loop thread, and the thread where there is none yet."""
        if os.getpid() != self._pid:  # forked: the parent's thread does not exist here
            for pool in self._pools.each:
                pool.leave_to_parent()
            self._part, self._rating_part = part_of(self.judge, self.options), None
            self._reset()
        with self._lock:
            pool = self._pools.open(self._rating() if rates else self._part, self.options)
            if self._thread is None:
                self._thread = LoopThread()
                self._thread.closers.append(self._pools.aclose)
            if self._thread.is_current:
                raise ConfigError("a judge must not call its own grader: it would wait for itself")
            return self._thread.submit(pool.run(sheets, left_s, goes_on=goes_on))

    def _rating(self) -> Part:
        self._rating_part = self._rating_part or part_of(self.judge, self.options, is_rating=True)
        return self._rating_part

    def _wait(self, run: concurrent.futures.Future[None], bar: Bar) -> None:
        """Wait for a run in the caller's thread, drawing the bar meanwhile."""
        try:
            while True:
                if concurrent.futures.wait([run], _TICK_S if bar.is_on else _WAKE_S).done:
                    break
                bar.draw(self._pools.n_in_flight)
        except BaseException as error:
            try:
                if isinstance(error, KeyboardInterrupt):
                    self._let_finish([run])
            finally:  # also at a second interrupt
                run.cancel()
                with contextlib.suppress(Exception):
                    if self._thread is not None:
                        self._thread.submit(self._pools.flushed()).result(timeout=10)
            raise
        run.result()

    def _let_finish(self, runs: Sequence[concurrent.futures.Future[None]]) -> None:
        """Let the calls in flight end, which are paid for; a second interrupt ends them at once."""
        n_in_flight = self._pools.n_in_flight
        if not n_in_flight:
            return
        self.stop("interrupted", is_hard=True)
        if self._thread is not None:  # what is said next must hold: the loop has stopped asking
            self._thread.submit(asyncio.sleep(0)).result(timeout=self.options.timeout_s)
        print(
            f"rubricbeat: {n_in_flight} calls are in flight; waiting for them (Ctrl-C again stops "
            "at once)",
            file=sys.stderr,
        )
        concurrent.futures.wait(runs, timeout=self.options.timeout_s)

    def _sheets(
        self,
        answers: Iterable[Answer],
        filled: list[tuple[Answer, Sheet]],
        *,
        is_rating: bool = False,
    ) -> Iterator[Sheet]:
        """Open a sheet for each answer when the pool asks for it, not before."""
        reading = self.options.reading
        for answer in answers:
            judged = "" if answer.text is None else reading.part(answer.text)
            sheet = Sheet(
                answer.example, judged, answer.replicates, is_rating=is_rating, asked=answer.asked
            )
            filled.append((answer, sheet))
            if answer.text is not None:
                yield sheet

    def _graded(self, answer: Answer, sheet: Sheet) -> GradedAnswer:
        rows = self._rows(answer, sheet, self._remarks)
        text, reading = answer.text or "", self.options.reading
        return GradedAnswer(answer.example, text, rows[0], answer.repeat, rows[1:], reading=reading)

    def _rated(self, answer: Answer, sheet: Sheet) -> tuple[Rating, ...]:
        rows = self._rows(answer, sheet, self._rating_remarks)
        return tuple(Rating.from_verdict(row[0]) for row in rows)

    def _rows(
        self, answer: Answer, sheet: Sheet, remarks: Remarks
    ) -> tuple[tuple[Verdict, ...], ...]:
        """Give what came for each question, by replicate, and note what is to be said of it."""
        reading = self.options.reading
        if answer.text is None:
            n_rows = answer.replicates or self.options.replicates
            return (sheet.whole([_ABSENT] * sheet.n_questions),) * n_rows
        if not reading.include_reasoning:
            remarks.add(answer.text, reading.marks)
        if any(answer.example in one for one in self._learned):
            self._flattered.add(answer.example.prompt_id)
        return tuple(sheet.whole(v or _LOST for v in row) for row in sheet.rows)


_ABSENT, _LOST = skipped(NO_ANSWER), skipped("never asked")
