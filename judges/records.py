"""What a verdict store keeps: a reply, and the answer it is about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .data.examples import example_to_row
from .rubric import Example
from .verdict import Verdict


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
