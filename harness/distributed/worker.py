"""What one worker does: it grades chunks with a grader of its own.

Verdicts go into the store that all share; or into a file of the worker's own, and to the driver
with each report (`own_store.py`). Knows nothing of Ray: the pool makes an actor of it. Every
verdict is on disk before a chunk is reported, so that a worker may be killed at any moment.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...judges.graded import GradedAnswer
from ...judges.grading import Answer, Grader, open_grader
from ...judges.rubric import Example
from ...judges.store_rows import StoreRows
from ...judges.verdict import Verdict
from .answer_stream import Item
from .own_store import OwnPlace, OwnStore


@dataclass(frozen=True, slots=True)
class Missing:
    """A verdict that did not come, and why."""

    prompt_id: str
    text: str
    replicate: int
    index: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a chunk."""

    n_by_item: tuple[int, ...]
    """Verdicts of each answer, in order."""
    missing: tuple[Missing, ...]
    stopped: str | None
    """Why this worker can do no more: an outage, a spent budget; or None."""
    facts: dict[str, Any] = field(repr=False)
    """Of the worker's grader, since it began."""
    number: int = 0
    """Of the reports of this worker: they may arrive in another order."""
    rows: StoreRows = field(default_factory=StoreRows, repr=False)
    """What came into the worker's own store since the last report; none where it has none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker runs, and where its own store lies."""

    host: str
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a worker leaves behind."""

    facts: dict[str, Any]
    rows: StoreRows = field(default_factory=StoreRows, repr=False)


class Worker:
    """Grades chunks; several at a time, from several threads."""

    def __init__(
        self,
        options: Mapping[str, Any],
        examples: Mapping[str, Example],
        seed: int = 0,
        own: OwnPlace | None = None,
    ) -> None:
        """Keep what the judge is made of; `ready` builds it, and says what is wrong with it.

        Args:
            options: Of the grader.
            examples: The rubrics, by prompt_id.
            seed: For judges that take one.
            own: Where the worker's own store is made; None: it writes into the one of `options`.
        """
        self._options = dict(options)
        self._seed = seed
        self._own_path = own.new_path() if own is not None else None
        self._own: OwnStore | None = None
        self._examples = examples
        self._opened: Grader | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def ready(self) -> Place:
        """Say where this worker is, once it can work.

        Raises:
            ConfigError: The judge cannot be built here: a key or a file is missing.
        """
        self._open()
        return Place(socket.gethostname(), str(self._own_path) if self._own_path else None)

    def _open(self) -> Grader:
        with self._lock:
            if self._opened is None:
                self._opened = open_grader(self._options, seed=self._seed)
            return self._opened

    def _open_own(self, grader: Grader) -> None:
        """Make the store of its own with the first chunk: by then it is on the driver's list."""
        with self._lock:
            if self._own is None and self._own_path is not None:
                # what comes in while the disk is full goes to the driver alone: ask no more
                self._own = OwnStore(self._own_path, grader.stop)
                grader.store_of = self._own.opened

    def grade(self, items: Sequence[Item], known: StoreRows | None = None) -> Report:
        """Grade answers into the store.

        Args:
            items: The answers.
            known: Verdicts on some of them that the driver has, for a worker with a store of its
                own.

        Raises:
            ConfigError: The judge can never answer.
            StoreError: Verdicts cannot be kept.
        """
        answers = [Answer(self._examples[prompt_id], text) for prompt_id, text in items]
        grader = self._open()
        self._open_own(grader)
        if known and self._own is not None:
            self._own.keep(known, is_known=True)
        graded = grader.grade(answers, progress=False)
        missing = tuple(
            Missing(prompt_id, text, replicate, index, verdict)
            for (prompt_id, text), one in zip(items, graded, strict=True)
            for replicate, row in enumerate(rows_of(one))
            for index, verdict in enumerate(row)
            if verdict.met is None
        )
        n_by_item = tuple(
            sum(verdict.met is not None for row in rows_of(one) for verdict in row)
            for one in graded
        )
        with self._lock:
            fault = self._own.fault if self._own is not None else None
            stopped = grader.outage or grader.stopped or fault
            rows = self._own.take() if self._own is not None else StoreRows()
            return Report(n_by_item, missing, stopped, grader.facts(), next(self._numbers), rows)

    def close(self) -> Account:
        """Write what waits, and let go; gives the last facts and verdicts."""
        grader = self._open()
        grader.close()
        if self._own is None:
            return Account(grader.facts())
        rows = self._own.take()
        self._own.close()
        return Account(grader.facts(), rows)

    def forget(self, n_merged: int) -> bool:
        """Delete the worker's own store, if the driver has merged so many shipments: all."""
        return self._own is None or self._own.forget(n_merged)


def rows_of(graded: GradedAnswer) -> tuple[tuple[Verdict, ...], ...]:
    """Give the verdicts, replicate by replicate."""
    return (graded.verdicts, *graded.replicates)
