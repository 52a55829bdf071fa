"""What one worker does: it grades chunks with a grader of its own, into the store that all share.

Knows nothing of Ray: the pool makes an actor of it. Every verdict is in the store before its chunk
is reported, so that a worker may be killed at any moment; and claims in the store
(`judges/engine/claims.py`) see that no question is asked by two workers.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ...judges.answer import Answer, GradedAnswer
from ...judges.grader import Grader, open_grader
from ...judges.rubric import Example
from ...judges.store.protocol import is_address
from ...judges.verdict import Verdict

Item = tuple[str, str]
"""A prompt_id and an answer to it."""
_LOCAL = re.compile(r"$|/|%2f|localhost$|127\.|::1$", re.IGNORECASE)
"""Names of servers that mean another one on each machine."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A verdict that did not come, and why."""

    prompt_id: str
    text: str
    replicate: int
    index: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Account:
    """What a worker has asked and paid since it began."""

    number: int
    """Of a worker's accounts, a later one has the higher: they may arrive in another order."""
    facts: dict[str, Any] = field(repr=False)
    """Of its grader."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a chunk."""

    n_by_item: tuple[int, ...]
    """Verdicts of each answer, in order."""
    missing: tuple[Missing, ...]
    stopped: str | None
    """Why this worker can do no more: an outage, a spent budget; or None."""
    account: Account
    """As it stood when the chunk was done."""


@dataclass(frozen=True, slots=True)
class StorePlace:
    """The store as a worker reaches it: two places are equal where it is the same store."""

    host: str
    """The machine that it belongs to; empty where it is a server that all reach."""
    file: tuple[int, int] | None = None
    """Device and number of the file there; None where there is none."""

    @classmethod
    def of(cls, store: str) -> StorePlace:
        """Look where a path or an address leads from this process."""
        if is_address(store):
            parts = urlsplit(store)
            server = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
            return cls(socket.gethostname() if _LOCAL.match(server) else "")
        path = Path(store)
        found = path.stat() if path.is_file() else None
        return cls(socket.gethostname(), found and (found.st_dev, found.st_ino))


class Worker:
    """Grades chunks; several at a time, from several threads."""

    def __init__(self, options: Mapping[str, object], examples: Mapping[str, Example]) -> None:
        """Keep what the judge is made of; `ready` builds it, and says what is wrong with it.

        Args:
            options: Of the grader; `store` is a full path or an address.
            examples: The rubrics, by prompt_id.
        """
        self._options = dict(options)
        self._examples = examples
        self._opened: Grader | None = None
        self._n_accounts = 0
        self._lock = threading.Lock()

    def ready(self) -> StorePlace:
        """Say which store this worker writes, once it can work.

        Raises:
            ConfigError: The judge cannot be built here: a key or a file is missing.
        """
        self._open()
        return StorePlace.of(str(self._options["store"]))

    def grade(self, items: Sequence[Item]) -> Report:
        """Grade answers into the store.

        Raises:
            ConfigError: The judge can never answer.
            StoreError: Verdicts cannot be kept.
        """
        grader = self._open()
        graded = grader.grade(
            [Answer(self._examples[prompt_id], text) for prompt_id, text in items], progress=False
        )
        missing = tuple(
            Missing(prompt_id, text, replicate, index, verdict)
            for (prompt_id, text), one in zip(items, graded, strict=True)
            for replicate, row in enumerate(rows_of(one))
            for index, verdict in enumerate(row)
            if verdict.is_missing
        )
        n_by_item = tuple(
            sum(not verdict.is_missing for row in rows_of(one) for verdict in row) for one in graded
        )
        return Report(n_by_item, missing, grader.outage or grader.stopped, self.account())

    def account(self) -> Account:
        """Say what was asked and paid up to now."""
        grader = self._open()
        with self._lock:  # one at a time: who has the higher number has looked later
            self._n_accounts += 1
            return Account(self._n_accounts, grader.facts())

    def close(self) -> Account:
        """Write what waits, and let go; gives the last account."""
        self._open().close()
        return self.account()

    def _open(self) -> Grader:
        with self._lock:
            if self._opened is None:
                self._opened = open_grader(self._options)
            return self._opened


def rows_of(graded: GradedAnswer) -> tuple[tuple[Verdict, ...], ...]:
    """Give the verdicts, replicate by replicate."""
    return (graded.verdicts, *graded.replicates)
