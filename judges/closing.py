"""`with` for whatever has a `close`."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """Closed at the end of a `with` block, however it ends."""

    def close(self) -> None:
        """Let go of what is held; safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Give the thing itself; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
