r"""Printed text cannot control a terminal: names, ids and replies come from anywhere.

Controls, lone surrogates and characters that reorder text leave as JSON's escapes, such as
`\u001b`: text shows them, and JSON printed here stays valid and means the same.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO, cast

from ..judges.options.secrets import without_credentials, without_secrets

# every control but tab and line feed; what reorders text; what UTF-8 cannot hold; tags that no
# terminal shows and a language model reads
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069"
    "\ufeff\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
_MOVES = re.compile(r"(?:\n|\r|\x1b\[A)*")
"""A whole write of these is a progress bar that finds its line."""

MAX_WIDTH = 10_000
"""Of a table in a file or a pipe, where names are not shortened."""
MIN_NAME = 12
"""Characters that are left of a name."""


def harmless(text: str) -> str:
    """Give the text with an escape in the place of whatever could act on a terminal."""
    return _UNSAFE.sub(lambda found: _escaped(found.group()), text)


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def print_json(plain: object) -> None:
    """Print what a command found, for programs."""
    print(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))


class HarmlessStream:
    """A text stream whose writes are harmless and hold no key; all else is the stream's own.

    A progress bar works: a write may begin with a carriage return where `has_bars`.
    """

    def __init__(self, stream: TextIO, *, has_bars: bool) -> None:
        """Write to a stream; only one that carries no results `has_bars`."""
        self._stream = stream
        self._has_bars = has_bars

    def write(self, text: str) -> int:
        """Write, and give the number of characters asked for."""
        if self._has_bars and _MOVES.fullmatch(text):
            self._stream.write(text)
            return len(text)
        lead = "\r" if self._has_bars and text.startswith("\r") else ""
        said = without_credentials(text) if self._has_bars else without_secrets(text)
        self._stream.write(lead + self._encodable(harmless(said[len(lead) :])))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        if _fits(text, encoding):
            return text
        return "".join(c if _fits(c, encoding) else _escaped(c) for c in text)

    def __getattr__(self, name: str) -> object:
        """Give whatever else the stream has."""
        return getattr(self._stream, name)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def harmless_output() -> Iterator[None]:
    """Guard stdout and stderr for the time of a command; what is closed takes words in and is mute.

    So no file of ours is opened as descriptor 1 or 2 in its place.
    """
    before = sys.stdout, sys.stderr
    with ExitStack() as opened:
        mute = opened.enter_context(open(os.devnull, "w", encoding="utf-8"))
        out, err = (one or mute for one in before)
        sys.stdout = cast(TextIO, HarmlessStream(out, has_bars=False))
        sys.stderr = cast(TextIO, HarmlessStream(err, has_bars=True))
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def aligned(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> str:
    """Lay out rows of cells in columns.

    Args:
        rows: As many cells each.
        right: Numbers of the columns, from 0, that are set to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def terminal_width() -> int | None:
    """Give the columns of the terminal; None where stdout is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def shortened(rows: Sequence[Sequence[str]], columns: Sequence[int] = (0, 1)) -> list[list[str]]:
    """Shorten names in their middle where a table is wider than the terminal.

    Names that would look the same then stay as they are.

    Args:
        rows: As many cells each, the head first.
        columns: Those that hold names.
    """
    cells, width = [list(row) for row in rows], terminal_width()
    for column in columns:
        over = max(map(len, aligned(cells).split("\n"))) - (width or MAX_WIDTH)
        if over <= 0 or column >= len(cells[0]):
            break
        names = [row[column] for row in cells]
        room = max(MIN_NAME, max(map(len, names)) - over)
        short = [_cut(name, room) for name in names]
        if len(set(short)) == len(set(names)):
            for row, name in zip(cells, short, strict=True):
                row[column] = name
    return cells


def _cut(name: str, room: int) -> str:
    if len(name) <= room:
        return name
    head = (room - 1) // 2
    return f"{name[:head]}…{name[head + 1 - room :]}"


def command(words: Sequence[str], *more: str) -> str:
    """Word a command of ours so that it runs when it is pasted into the same shell.

    Args:
        words: The command.
        more: Flags to add: behind `--` they would be none.
    """
    end = words.index("--") if "--" in words else len(words)
    program = ["rubricbeat"]
    if shutil.which("rubricbeat") is None:
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        if spec is not None and spec.name == "rubricbeat.__main__":
            program = [sys.executable, "-m", "rubricbeat"]
        elif Path(sys.argv[0]).name == "rubricbeat":
            program = [sys.argv[0]]
    return shlex.join([*program, *words[:end], *more, *words[end:]])


def opening(page: Path) -> str:
    """Word the command that opens a page in the browser of any system."""
    python = "python" if shutil.which("python") else sys.executable
    return shlex.join([python, "-m", "webbrowser", page.resolve().as_uri()])


def say(words: str | None, command: str = "") -> None:
    """Put one line on stderr, where there is anything to say.

    Args:
        words: The line.
        command: Whose it is; empty where the program itself speaks.
    """
    if words:
        print(f"{' '.join(filter(None, ('rubricbeat', command)))}: {words}", file=sys.stderr)
