"""What a store of our tables does alike in a file and on a server: one writer, one reader."""

from __future__ import annotations

import os
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from ..judge import JudgeIdentity
from ..verdict import Verdict
from .protocol import Record
from .statements import Dialect, Row, judge_row, rows_of, text_rows


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Let go of the database."""


C = TypeVar("C", bound=Closable)
_ORPHANS: list[Closable] = []
"""Connections of a parent process: to close them after a fork would touch the parent's locks, or
end its session."""


class TableStore(Generic[C]):
    """Keeps the verdicts of one judge; `_reader` and `_writer` are connections of the database."""

    dialect: ClassVar[Dialect]
    _reader: C
    _writer: C

    def __init__(self, identity: JudgeIdentity | None) -> None:
        """Name the judge whose verdicts will be written; None for reading only."""
        self._judge = None if identity is None else judge_row(identity)
        self._pid = os.getpid()
        self._writing = threading.Lock()

    def write(self, records: Sequence[Record]) -> dict[bytes, Verdict]:
        """Keep replies in one transaction; on return they are on disk.

        Returns:
            The verdicts that another process had stored first under the same keys: those count.

        Raises:
            StoreError: Nothing of this batch was written.
        """
        storable = self.dialect.storable
        judge = b"" if self._judge is None else self._judge[0]
        good, failed = rows_of(records, judge, time.time(), storable)
        # also what was kept before: a prune between two runs takes out what no verdict names
        texts = text_rows({id(r.subject): r.subject for r in records}.values(), storable)
        with self._writing:
            if self._keep(good, failed, texts) == len(good):
                return {}
            earlier = self._look_again([row[0] for row in good])
            return {key: verdict for key, verdict in earlier.items() if not verdict.is_missing}

    def close(self) -> None:
        """Close both connections; after a fork, leave them to the parent."""
        if os.getpid() != self._pid:
            _ORPHANS.extend((self._reader, self._writer))
            return
        self._reader.close()
        self._writer.close()

    @abstractmethod
    def _keep(self, good: list[Row], failed: list[Row], texts: dict[str, dict[bytes, Row]]) -> int:
        """Write rows in one transaction, and say how many verdicts are new."""

    @abstractmethod
    def _look_again(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find verdicts on the connection that wrote."""
