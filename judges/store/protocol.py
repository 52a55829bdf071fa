"""What the runtime asks of a verdict store, wherever it lies.

Three methods: whoever keeps verdicts in another database writes these and nothing else. With the
two of `ClaimingStore` as well, processes that start the same work at the same moment share it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..data.examples import example_to_row
from ..errors import ConfigError
from ..rubric import Example
from ..verdict import Verdict


def text_id(text: str) -> bytes:
    """Give the id a text is kept under, once."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(slots=True)
class Subject:
    """An answer to an example, as the store keeps it beside its verdicts."""

    example_id: bytes
    prompt_id: str
    row: str
    """The example in our canonical row form, as JSON."""
    answer_id: bytes
    answer: str

    @classmethod
    def of(cls, example: Example, answer: str) -> Subject:
        """Describe an answer."""
        row = json.dumps(example_to_row(example), sort_keys=True)
        return cls(text_id(row), example.prompt_id, row, text_id(answer), answer)


@dataclass(frozen=True, slots=True)
class Record:
    """One reply to keep: a verdict, or a reply in which none could be read."""

    key: bytes
    subject: Subject
    criterion: int
    replicate: int
    verdict: Verdict


ADDRESSES = ("postgresql://", "postgres://")
"""How the name of a store begins that is no file."""
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:/|postgres(ql)?:", re.IGNORECASE)


class StoreProtocol(Protocol):
    """Keeps verdicts under content-addressed keys; shared by any number of processes."""

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Find the verdicts among some keys; called on the loop, so quick.

        Raises:
            StoreError: The store cannot be read. A damaged verdict comes as none, with that reason.
        """
        ...

    def write(self, records: Sequence[Record]) -> dict[bytes, Verdict]:
        """Keep replies in one transaction; on return they are safe. Called on one thread.

        Returns:
            The verdicts that another process had stored first under the same keys: those count.

        Raises:
            StoreError: Nothing of this batch was written.
        """
        ...

    def close(self) -> None:
        """Close; after a fork, leave the parent's connections alone."""
        ...


@runtime_checkable
class ClaimingStore(StoreProtocol, Protocol):
    """A store through which processes tell each other what they are asking about.

    A claim belongs to one open store of a living process; when that ends, in whatever way, the
    claim is free. Both are called on the loop, so quick.
    """

    def claim(self, names: Sequence[bytes]) -> set[bytes]:
        """Take claims by their names of eight bytes; gives those that nobody else holds."""
        ...

    def release(self, names: Sequence[bytes]) -> None:
        """Let claims go; those that are not held stay as they are."""
        ...


def is_address(name: object) -> bool:
    """Say whether a store's name is the address of a server.

    Raises:
        ConfigError: It is the address of another one, or a mistyped one: as a file it would leave
            the password in it among the names of a folder.
    """
    if isinstance(name, str) and not name.startswith(ADDRESSES) and _SCHEME.match(name):
        raise ConfigError(
            f"store={name.partition(':')[0]}:... is neither a file nor an address like "
            "postgresql://USER@HOST/DATABASE"
        )
    return isinstance(name, str) and name.startswith(ADDRESSES)
