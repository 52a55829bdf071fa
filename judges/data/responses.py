"""Read saved answers to be judged, one after the other, and say which run each belongs to.

Two shapes, told apart row by row: flat rows with `prompt_id` and `completion` (optional `model`,
`run`, `repeat`), and lm-eval's samples with `doc` and `resps`. An answer without a row of rubrics
is left out and named; nothing is guessed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import DataError
from ..grading import Answer
from ..rubric import Example
from .examples import SkippedRow
from .row_stream import stream_rows

ANSWER_FIELDS = ("completion", "answer", "response")


RunKey: TypeAlias = tuple[str, str]
"""A model, and the label of its run; empty where the rows name none."""
MAX_REPEATS = 10**9
MAX_NAMED = 5
"""Rows left out that a warning names; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Census:
    """What saved answers hold, from a first reading."""

    runs: tuple[RunKey, ...]
    """In the order of their first answers."""
    n_answers: int
    n_criteria: int
    """Of all answers: the verdicts asked for, without replicates."""
    skipped: tuple[SkippedRow, ...]
    """The first rows without an answer that can be judged."""
    n_skipped: int
    path: str

    def warning(self) -> str | None:
        """Name and count the answers left out, in one line; None where there are none."""
        if not self.n_skipped:
            return None
        named = "; ".join(f"row {row.row}: {row.reason}" for row in self.skipped)
        more = self.n_skipped - len(self.skipped)
        tail = f"; and {more} more" if more else ""
        return f"{self.path}: {self.n_skipped} answers left out: {named}{tail}"


@dataclass(frozen=True, slots=True)
class _Response:
    prompt_id: str
    texts: tuple[str, ...]
    model: str
    label: str
    repeat: int | None


class Responses:
    """The saved answers of a file or folder; each pass reads them again, one by one."""

    def __init__(
        self,
        path: Path,
        examples: Mapping[str, Example],
        *,
        model: str | None = None,
        label: str | None = None,
        limit: int | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            path: JSON Lines (`.gz` allowed), a JSON array or Parquet; or a folder with lm-eval's
                samples_*.jsonl in it.
            examples: The rubrics, by prompt_id.
            model: Name of the model, over whatever the rows say.
            label: Label of the run, over whatever the rows say.
            limit: Of each run, only the answers to the first so many prompts.

        Raises:
            DataError: There is no such file or folder.
        """
        self._path = path
        self._files = _files(path)
        self._examples = examples
        self._model = model
        self._label = label
        self._limit = limit

    def __iter__(self) -> Iterator[tuple[RunKey, Answer]]:
        """Read every answer, with the run it belongs to.

        Raises:
            DataError: A file breaks off.
        """
        return (each for each in self._each() if not isinstance(each, SkippedRow))

    def census(self) -> Census:
        """Read everything once, so that whatever is wrong is known before anything is paid.

        Raises:
            DataError: A file breaks off, or no answer has a rubric.
        """
        skipped: list[SkippedRow] = []
        n_skipped = n_answers = n_criteria = 0
        runs: dict[RunKey, None] = {}
        for each in self._each():
            if isinstance(each, SkippedRow):
                n_skipped += 1
                if len(skipped) < MAX_NAMED:
                    skipped.append(each)
                continue
            run, answer = each
            n_answers += 1
            n_criteria += len(answer.example.rubric)
            runs[run] = None
        if not n_answers:
            first = f"; row {skipped[0].row}: {skipped[0].reason}" if skipped else ""
            raise DataError(f"{self._path}: holds no answer that can be judged{first}")
        return Census(
            tuple(runs), n_answers, n_criteria, tuple(skipped), n_skipped, str(self._path)
        )

    def _each(self) -> Iterator[tuple[RunKey, Answer] | SkippedRow]:
        """Give every answer, and every row that has none that can be judged."""
        counts: dict[tuple[RunKey, str], int] = {}
        n_prompts: Counter[RunKey] = Counter()
        for response in self._read():
            if isinstance(response, SkippedRow):
                yield response
                continue
            run = self._run_of(response)
            place = (run, response.prompt_id)
            if place not in counts:
                if self._limit is not None and n_prompts[run] >= self._limit:
                    continue
                n_prompts[run] += 1
                counts[place] = 0
            for text in response.texts:
                # numbered here, unless the rows do
                repeat = counts[place] if response.repeat is None else response.repeat
                counts[place] += 1
                yield run, Answer(self._examples[response.prompt_id], text, repeat)

    def _run_of(self, response: _Response) -> RunKey:
        label = response.label if self._label is None else self._label
        return self._model or response.model, label

    def _read(self) -> Iterator[_Response | SkippedRow]:
        """Give the answers of each row, or why it has none that can be judged."""
        for file in self._files:
            default = _model_beside(file) or _stem(file)
            for number, row, fault in stream_rows(file):
                try:
                    if fault:
                        raise DataError(fault)
                    response = _response(row, default)
                    if response.prompt_id not in self._examples:
                        raise DataError(
                            f"prompt_id {response.prompt_id[:64]} is not among the rows of --data"
                        )
                except DataError as error:
                    yield SkippedRow(number, str(error))
                else:
                    yield response


def _response(row: Any, default_model: str) -> _Response:
    if not isinstance(row, Mapping):
        raise DataError("not a JSON object")
    doc = row.get("doc")
    if isinstance(doc, Mapping):
        return _Response(_prompt_id(doc), _sampled(row), default_model, "", None)
    field = next((name for name in ANSWER_FIELDS if name in row), None)
    if field is None or not isinstance(row[field], str):
        raise DataError("needs `completion` (text), or lm-eval's `doc` and `resps`")
    repeat = row.get("repeat")
    if repeat is not None and (not isinstance(repeat, int) or isinstance(repeat, bool)):
        raise DataError("repeat is not a whole number")
    if repeat is not None and not 0 <= repeat < MAX_REPEATS:
        raise DataError(f"repeat is not in 0 to {MAX_REPEATS - 1:,}")
    return _Response(
        _prompt_id(row),
        (row[field],),
        str(row.get("model") or default_model),
        str(row["run"]) if row.get("run") not in (None, "") else "",
        repeat,
    )


def _prompt_id(row: Mapping[str, Any]) -> str:
    prompt_id = row.get("prompt_id")
    if not isinstance(prompt_id, str) or not prompt_id:
        raise DataError("has no prompt_id")
    return prompt_id


def _sampled(row: Mapping[str, Any]) -> tuple[str, ...]:
    resps = row.get("resps")
    texts = resps[0] if isinstance(resps, list) and resps else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise DataError("resps holds no text")
    return tuple(texts)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.rglob("samples_*.jsonl"))
        if not found:
            raise DataError(f"{path}: holds no samples_*.jsonl; name a JSON Lines file of answers")
        return found
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    return [path]


def _model_beside(file: Path) -> str | None:
    """Read the model's name from the results file that lm-eval writes beside its samples."""
    if not file.name.startswith("samples_"):
        return None
    stamp = file.name.removesuffix(".gz").removesuffix(".jsonl").rsplit("_", 1)[-1]
    try:
        results = json.loads((file.parent / f"results_{stamp}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return file.parent.name or None
    name = results.get("model_name") or (results.get("config") or {}).get("model")
    return str(name) if name else file.parent.name


def _stem(file: Path) -> str:
    return file.name.split(".", 1)[0] or "unnamed"
