"""Checks the verdicts of a store one by one, and sets damaged ones aside.

A damaged verdict is never used and never overwritten in silence: its question gets no verdict, for
that reason. Only `repair` takes it out, into a file beside the store; then the next run asks again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_file
from .opened import opened, scalar
from .table import SAID, TABLES, columns_of, damaged_keys


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What a check of a store found."""

    n_verdicts: int
    damaged: tuple[bytes, ...]
    """Keys of the verdicts whose checksum does not fit."""
    file_check: str
    """What SQLite says of the file; "ok" where nothing is wrong with it."""
    aside: Path | None = None
    """Where the damaged verdicts were written before they were taken out; None where none was."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged, or nothing is any more."""
        return self.file_check == "ok" and (not self.damaged or self.aside is not None)


def check_store(place: Path | str, *, repair: bool = False) -> StoreCheck:
    """Compare every verdict with its checksum.

    Args:
        place: A store file, or the address of a server.
        repair: Write the damaged verdicts to a new file (beside the store; for a server in the
            working folder) and take them out.

    Raises:
        ConfigError: There is no store.
        StoreError: It cannot be read.
        OSError: The damaged verdicts cannot be written; the store is as it was.
    """
    with opened(place, writes=repair) as store:
        file_check = store.file_check()
        n_verdicts = int(scalar(store, "SELECT count(*) FROM verdicts"))
        keys = tuple(damaged_keys(store.stream(SAID)))
        if not keys or not repair:
            return StoreCheck(n_verdicts, keys, file_check)
        fits = f"FROM verdicts WHERE key = {store.dialect.mark}"
        query = f"SELECT {columns_of('verdicts')} {fits}"
        rows = (row for key in keys for row in store.execute(query, (key,)))
        aside = _write_new(place if isinstance(place, Path) else Path("server"), rows)
        for key in keys:
            store.execute(f"DELETE {fits}", (key,))
        return StoreCheck(n_verdicts, keys, file_check, aside)


def _write_new(beside: Path, rows: Iterable[tuple[Any, ...]]) -> Path:
    """Write rows as JSON Lines under the first free name."""
    lines = [
        json.dumps(dict(zip(TABLES["verdicts"], map(_plain, row), strict=True))) for row in rows
    ]
    content = "".join(f"{line}\n" for line in lines)
    number = 1
    while True:
        path = beside.with_name(f"{beside.name}.damaged-{number}.jsonl")
        try:
            write_file(path, content, replaces=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _plain(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value
