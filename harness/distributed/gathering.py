"""The driver's side of workers' own stores: what they bring goes into the store of the run.

Verdicts come with each report of a worker. What a worker that died has not reported is read from
its file, on whatever node it lies, before its answers go to others; what an earlier run left is
read before anything is asked.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...judges.grading import Answer, Grader
from ...judges.rubric import Example
from ...judges.store_rows import (
    Mark,
    StoreRows,
    add_rows,
    failed_replies,
    rows_under,
    verdicts_under,
)
from ...judges.store_schema import open_store_file, store_error
from .answer_stream import Item
from .own_store import OwnPlace, delete_merged, present, read_page
from .whereabouts import Whereabouts
from .worker import Place

NODE_TIMEOUT_S = 60.0
"""How long a node is waited for that should read a file: it may have to start a process."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store of the run has on some answers."""

    rows: StoreRows
    n_verdicts: int | None
    """How many verdicts where they are all there; None where something is to be asked."""


class Gathering:
    """The store of a run, and the workers' stores that go into it; a context manager."""

    def __init__(
        self,
        ray: Any,
        store: Path,
        place: OwnPlace,
        grader: Grader,
        examples: Mapping[str, Example],
    ) -> None:
        """Open the store of the run.

        Args:
            ray: The module, connected.
            store: Of the run.
            place: Where workers make their own.
            grader: Knows the keys; asks nothing.
            examples: The rubrics, by prompt_id.

        Raises:
            ConfigError: Another run is at it.
            StoreError: The store cannot be opened.
        """
        self._ray = ray
        self.place = place
        self._store = store
        self._list = Whereabouts(store)
        self._db = open_store_file(store)
        self._grader = grader
        self._examples = examples
        # what a judge made of others says is in no store, only what its members said
        self._is_stored_whole = not hasattr(grader.judge, "judge_with")
        self._alive: set[str] = set()
        """The stores of this run's workers, which bring their verdicts themselves."""
        self._faults: dict[str, str] = {}
        """Stores that were found and could not be read, and why."""

    def __enter__(self) -> Self:
        """Read what an earlier run left."""
        try:
            self.collect()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read what is left, unless the run was broken off, and close."""
        try:
            if kind is None:
                self._alive.clear()
                self.collect()
        finally:
            self._close()

    def began(self, place: Place) -> None:
        """Note where a worker's store lies, before it is asked anything."""
        assert place.store is not None
        self._list.add(place.store, place.host)
        self._alive.add(place.store)

    def known(self, items: Sequence[Item]) -> Known:
        """Find what the store of the run has on some answers."""
        keys: list[bytes] = []
        n_wanted = 0
        for prompt_id, text in items:
            example = self._examples[prompt_id]
            keys += self._grader.store_keys(Answer(example, text))
            n_wanted += len(example.rubric) * self._grader.options.replicates
        try:
            found = {row[0] for row in verdicts_under(self._db, keys)}
            if not found:
                return Known(StoreRows(), None)
            if self._is_stored_whole and len(keys) == n_wanted and found.issuperset(keys):
                return Known(StoreRows(), n_wanted)
            return Known(rows_under(self._db, list(found)), None)
        except sqlite3.Error as error:
            raise store_error(error, self._store) from error

    def merge(self, rows: StoreRows) -> None:
        """Take in what a worker brought.

        Raises:
            StoreError: The store of the run cannot be written; the worker's file has it all.
        """
        add_rows(self._db, rows, self._store)

    def ended(self, path: str, *, is_deleted: bool) -> None:
        """Note that a worker is at its end, and whether its store is merged and deleted."""
        self._alive.discard(path)
        if is_deleted:
            self._list.remove(path)

    def collect(self) -> None:
        """Merge the stores of workers that are no more, from every node that can be reached."""
        left = self._list.host_by_path()
        paths = [path for path in left if path not in self._alive]
        if not paths:
            return
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        hosts = {node["NodeManagerHostname"] for node in nodes}
        asked: set[str] = set()
        seen: set[str] = set()
        for node in nodes:
            here = node["NodeManagerHostname"]
            # a machine that bears another name now may be any
            near = [path for path in paths if left[path] == here or left[path] not in hosts]
            wanted = [path for path in near if path not in seen]
            if not wanted:
                continue
            with contextlib.suppress(self._ray.exceptions.RayError):  # it died under our hands
                for path in self._on(node, present, wanted):
                    seen.add(path)
                    self._collect_one(node, path)
                asked.add(here)
        for path in paths:
            # its machine is there and the file is not: it was merged, and its line not written
            if left[path] in asked and path not in seen:
                self._list.remove(path)

    def left(self) -> tuple[str, ...]:
        """Name the stores that were not merged, and say why."""
        return tuple(
            f"{host}:{path} ({self._faults.get(path, 'its node is not there')})"
            for path, host in self._list.host_by_path().items()
        )

    # -- inside ---------------------------------------------------------------------------

    def _collect_one(self, node: Mapping[str, Any], path: str) -> None:
        replies = failed_replies(self._db)
        mark = Mark()
        try:
            while True:
                rows, mark = self._on(node, read_page, path, mark)
                if not rows:
                    break
                self.merge(rows.without_known(replies))
            is_deleted = self._on(node, delete_merged, path, mark)
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            self._faults[path] = " ".join(str(cause).split())[:300]
            return
        if is_deleted:
            self._faults.pop(path, None)
            self._list.remove(path)
        else:
            self._faults[path] = "its worker is still at work"

    def _on(self, node: Mapping[str, Any], work: Callable[..., Any], *words: Any) -> Any:
        """Do something on a node, and wait for what comes of it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = self._ray.remote(work).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
        return self._ray.get(task.remote(*words), timeout=NODE_TIMEOUT_S)

    def _close(self) -> None:
        self._list.close()
        self._db.close()
