"""The answers of a file or folder as workers take them: which row of rubrics, and the text."""

from __future__ import annotations

from collections.abc import Iterator

from ...judges.data.responses import Responses

Item = tuple[str, str]
"""A prompt_id and an answer to it."""


class AnswerStream:
    """The answers of saved responses, once through; counts what it has given."""

    def __init__(self, responses: Responses) -> None:
        """Open nothing yet."""
        self._responses = responses
        self.n_answers = 0

    def __iter__(self) -> Iterator[Item]:
        """Read.

        Raises:
            DataError: A file breaks off.
        """
        for _, answer in self._responses:
            self.n_answers += 1
            if answer.text is not None:
                yield answer.example.prompt_id, answer.text
