"""The graded answers of a run on their way into a results file, held in memory or on disk.

A document is a prompt with all answers to it. Answers may come in any order: they are put together
when the file is written, so that until then a run of any size costs a few bytes an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.errors import DataError, OutputError, unwritable
from ...judges.files import Closing
from ...judges.rubric import Example
from ...judges.scoring.verdict_table import PackedAnswers

Document: TypeAlias = tuple[Example, list[Mapping[str, Any]]]
"""A prompt, and `GradedAnswer.to_json()` of each answer to it in the order they came."""


class RunDocuments(Protocol):
    """What `write_run` needs of a run's answers."""

    packed: PackedAnswers

    def documents(self) -> Iterator[Document]:
        """Give the documents, in the order of their first answers: that of `packed.prompt_ids`."""
        ...


class HeldDocuments:
    """Answers that are in memory anyway."""

    def __init__(self, graded: Iterable[GradedAnswer]) -> None:
        """Sort them by prompt.

        Raises:
            DataError: Answers to one prompt_id belong to different rows.
        """
        self.packed = PackedAnswers()
        self._documents: list[tuple[Example, list[GradedAnswer]]] = []
        for answer in graded:
            code = self.packed.add(answer)
            if code == len(self._documents):
                self._documents.append((answer.example, []))
            example, answers = self._documents[code]
            _require_same_row(example, answer.example)
            answers.append(answer)

    def documents(self) -> Iterator[Document]:
        """Give the documents."""
        for example, answers in self._documents:
            yield example, [answer.to_json() for answer in answers]


class Spool(Closing):
    """A file for the answers of a whole command, without a name: it is gone with its process."""

    def __init__(self, folder: Path) -> None:
        """Open it in the folder where the results will lie, so that room is asked for there.

        Raises:
            ConfigError: The folder cannot be written.
        """
        self._folder = folder
        try:
            # closed by `close`
            self._file = tempfile.TemporaryFile(dir=folder, prefix=".")  # noqa: SIM115
        except OSError as error:
            raise unwritable(f"{folder}: cannot write results ({error})", error) from error
        self._end = 0

    def append(self, data: bytes) -> int:
        """Write, and give the place.

        Raises:
            OutputError: It cannot be written: the disk is full.
        """
        place = self._end
        try:
            self._file.write(data)
        except OSError as error:
            raise OutputError(
                f"{self._folder}: cannot write results ({error}); verdicts that are in the store "
                "are kept, run the same command again to ask for the rest"
            ) from error
        self._end += len(data)
        return place

    def read(self, place: int, size: int) -> bytes:
        """Read what `append` has written; no more is appended after that."""
        self._file.seek(place)
        return self._file.read(size)

    def close(self) -> None:
        """Give its room back."""
        with contextlib.suppress(OSError):  # a full disk takes no more, and nobody reads it again
            self._file.close()


class SpooledDocuments:
    """Answers of one run in a spool; what is kept of each in memory is its place and its score."""

    def __init__(self, spool: Spool) -> None:
        """Begin with none."""
        self.packed = PackedAnswers()
        self._spool = spool
        self._examples: list[Example] = []
        self._place_N = array("q")
        self._size_N = array("q")
        self.keys = array("Q")
        """`answer_key` of every answer."""

    def add(self, answer: GradedAnswer) -> None:
        """Put an answer in.

        Raises:
            DataError: An answer to the same prompt_id belongs to a different row.
            OutputError: The spool cannot be written.
        """
        code = self.packed.add(answer)
        if code == len(self._examples):
            self._examples.append(answer.example)
        _require_same_row(self._examples[code], answer.example)
        data = dump(answer.to_json())
        self._place_N.append(self._spool.append(data))
        self._size_N.append(len(data))
        self.keys.append(answer_key(answer.example.prompt_id, answer.answer, answer.repeat))

    def documents(self) -> Iterator[Document]:
        """Give the documents, one in memory at a time."""
        prompt_N = self.packed.prompt_codes()
        order = np.argsort(prompt_N, kind="stable")
        ends = np.cumsum(np.bincount(prompt_N, minlength=len(self._examples)))
        start = 0
        for example, end in zip(self._examples, ends.tolist(), strict=True):
            yield (
                example,
                [
                    json.loads(self._spool.read(self._place_N[n], self._size_N[n]))
                    for n in order[start:end].tolist()
                ],
            )
            start = end


def answer_key(prompt_id: str, answer: str, repeat: int) -> int:
    """Give a number that tells answers of a run apart: 64 bits of a hash."""
    words = f"{repeat}\0{prompt_id}\0{answer}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big")


def dump(value: Mapping[str, object], indent: int | None = None) -> bytes:
    """Write JSON that any reader takes: no NaN, and half surrogates of an answer as escapes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, indent=indent).encode("ascii")


def _require_same_row(first: Example, other: Example) -> None:
    if first is not other and first != other:
        raise DataError(
            f"prompt_id {other.prompt_id}: two answers of a run have other rows; "
            "give each row its own prompt_id"
        )
