"""Saved answers: what one row says, and those of an earlier run found by their document.

For all commands, tasks and training. Two shapes, told apart row by row: flat rows with an id and an
answer, and lm-eval's samples with `doc` and `resps`. A null is an answer that the model never gave:
it is counted and never graded.
"""

from __future__ import annotations

import hashlib
import logging
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from ..answer import NO_ANSWER
from ..errors import ConfigError, DataError
from ..files import user_path
from .columns import ID_FIELDS, SAVED_ANSWER_FIELDS, Columns
from .conversations import is_missing, text_of_answer
from .json_rows import Cell, Field, object_in
from .reader import stream_rows
from .row_shapes import prompt_key
from .streams import is_stdin, name_of
from .tables import hub_name

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_FIELDS = ("completion", "response", "answer")
"""Where an answer may stand; a row that has two that differ must choose."""
MAX_REPEATS = 10**9


class TwoAnswersError(DataError):
    """Two fields of a row could be the answer; which one is meant holds for the whole file."""

    def __init__(self, first: str, other: str) -> None:
        """Name them."""
        self.names = (first, other)
        super().__init__(
            f"two fields could be the answer, {first!r} and {other!r}; --columns answer={first} or "
            f"answer={other} chooses"
        )


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What one row says was answered."""

    prompt_id: str
    texts: tuple[str | None, ...]
    """One a repeat; None where the model gave none."""
    model: str | None
    run: str
    repeat: int | None
    """As the row numbers it; None where it does not."""
    field: str = ""
    """Where a flat row's answer stands."""


def read_answer_row(row: Mapping[str, object], own_id: str | None = None) -> AnswerRow:
    """Read a row of saved answers.

    Args:
        row: The row.
        own_id: Its prompt's, where the row holds that prompt and needs no id of its own.
    """
    fields = Field(row)
    doc = document_of(row)
    if doc is not None:
        return AnswerRow(own_id or prompt_id_of(doc), sampled_texts(row), None, "", None)
    answer = answer_field(row)
    return AnswerRow(
        own_id or prompt_id_of(row),
        tuple(map(text_of_answer, answers_in(answer.value))),
        _word(fields["model"]),
        _word(fields["run"]) or "",
        repeat_of(fields["repeat"]),
        str(answer.key),
    )


def document_of(row: Mapping[str, object]) -> Mapping[str, object] | None:
    """Give the document of one of lm-eval's samples; None for a flat row."""
    doc = row.get("doc")
    if isinstance(doc, Cell) and doc.startswith("{"):
        doc = Field(doc).decoded().value
    return doc if isinstance(doc, Mapping) else None


def answer_field(row: Mapping[str, object]) -> Field:
    """Find the field that holds the answer; its value may be null.

    Raises:
        TwoAnswersError: There are two that differ: nobody but the user knows which is meant.
    """
    there = [name for name in ANSWER_FIELDS if name in row]
    if not there:
        raise DataError(
            "has no answer: needs `completion` (text), or lm-eval's `doc` and `resps`; "
            "--columns answer=NAME reads another field"
        )
    first, *others = there
    for other in others:
        if row[other] != row[first] and not (is_missing(row[other]) and is_missing(row[first])):
            raise TwoAnswersError(first, other)
    return Field(row)[first]


def answers_in(value: object) -> tuple[object, ...]:
    """Give the answers of one field: a list of texts is several; messages or parts are one."""
    given = value if isinstance(value, list | tuple) else ()
    is_several = all(isinstance(one, str | list | tuple) or is_missing(one) for one in given)
    return tuple(given) if given and is_several else (value,)


def has_own_id(row: Mapping[str, object]) -> bool:
    """Say whether a row names its prompt."""
    given = Field(row).first(*ID_FIELDS).value
    return not is_missing(given) and given != ""


def key_by_prompt(row: Mapping[str, object]) -> str | None:
    """Give the key of its prompt for a row without an id; None with an id, and with neither."""
    inner = document_of(row) or row
    return None if has_own_id(inner) else prompt_key(inner)


def prompt_id_of(row: Mapping[str, object]) -> str:
    """Give the id of the prompt that a row belongs to."""
    if not has_own_id(row):
        raise DataError("has no prompt_id; --columns prompt_id=NAME reads another field")
    return Field(row).first(*ID_FIELDS).identifier()


def sampled_texts(row: Mapping[str, object]) -> tuple[str | None, ...]:
    """Give the answers of one of lm-eval's samples: its `resps`, before any filter.

    Samples that were judged before hold what was judged under `rubric`; in the second stage of a
    run nobody was asked, and their `resps` are empty. Empty without that, the model gave none.
    """
    judged = Field(row)["rubric"]
    if isinstance(judged.value, Mapping) and isinstance(judged["answers"].value, list):
        return tuple(_judged_text(item) for item in judged["answers"].items())
    resps = row.get("resps")
    given = resps[0] if isinstance(resps, list | tuple) and len(resps) == 1 else resps
    given = None if given in ([], ()) else given
    if isinstance(given, str) or is_missing(given):
        if "resps" not in row:
            raise DataError("has `doc` and no `resps`")
        return (text_of_answer(given),)
    if not isinstance(given, list | tuple) or not all(
        isinstance(text, str) or is_missing(text) for text in given
    ):
        raise DataError("resps holds no text")
    return tuple(map(text_of_answer, given))


def _judged_text(item: Field) -> str | None:
    verdicts = item["verdicts"].value
    is_absent = (
        isinstance(verdicts, list)
        and bool(verdicts)
        and all(isinstance(v, Mapping) and v.get("explanation") == NO_ANSWER for v in verdicts)
    )
    return None if is_absent else text_of_answer(item["answer"].value)


def repeat_of(field: Field) -> int | None:
    """Give the number of a repeat, from 0; None where the row gives none."""
    if is_missing(field.value):
        return None
    try:
        number = field.number()
    except DataError:
        number = math.nan
    if not number.is_integer():
        raise DataError("repeat is not a whole number")
    if not 0 <= number < MAX_REPEATS:
        raise DataError(f"repeat is not in 0 to {MAX_REPEATS - 1:,}")
    return int(number)


def _word(field: Field) -> str | None:
    """Give a name: text, or a number as text; None for nothing."""
    if is_missing(field.value) or field.value == "":
        return None
    if isinstance(field.value, int | float) and not isinstance(field.value, bool):
        return str(field.value).removesuffix(".0")  # a table writes 3 as 3.0
    return field.text()


class ById(Generic[T]):
    """Examples or answers, found by what another file calls them.

    Ids are the same when they are the same text. Where there is none of that text, one is taken
    that is written the same in Unicode's composed form, or that is the same whole number with `.0`
    behind it, as tables write ids; never one of two.
    """

    def __init__(self, values: Mapping[str, T]) -> None:
        """Take them by their own ids."""
        self._values = values
        self._alike: dict[str, str | None] | None = None

    def find(self, prompt_id: str) -> T:
        """Give what an id names."""
        found = self._values.get(prompt_id)
        if found is not None:
            return found
        if self._alike is None:
            self._alike = _alike(self._values)
        same = self._alike.get(_plain(prompt_id))
        if same is not None:
            return self._values[same]
        words = f"prompt_id {prompt_id[:64]} is not among the rows of --data"
        if prompt_id.strip() in self._values:
            words += "; without the blanks around it, it is"
        raise DataError(words)


def _alike(ids: Iterable[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for each in ids:
        plain = _plain(each)
        found[plain] = None if plain in found else each
    return found


def _plain(prompt_id: str) -> str:
    text = unicodedata.normalize("NFC", prompt_id)
    whole = text.removesuffix(".0")
    return whole if whole.isascii() and whole.isdigit() and str(int(whole)) == whole else text


class Filters:
    """Finds lines of lm-eval that give the same answers again, under another filter."""

    def __init__(self) -> None:
        """Begin with none seen."""
        self._seen: dict[bytes, set[str]] = {}

    def is_copy(self, row: Mapping[str, object], said: AnswerRow) -> bool:
        """Say whether an earlier line has these answers to this document under another filter."""
        name = row.get("filter")
        if not isinstance(name, str) or "doc_id" not in row:
            return False
        words = repr((row["doc_id"], row.get("doc_hash"), said.prompt_id, said.texts))
        key = hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        names = self._seen.setdefault(key, set())
        is_copy = bool(names) and name not in names
        names.add(name)
        return is_copy


def model_beside(file: Path) -> str | None:
    """Read the model's name from the results file that lm-eval writes beside its samples."""
    if not file.name.startswith("samples_"):
        return None
    results = Field(_results_beside(file))
    name = results["model_name"].value or _inner(results, "config", "model").value
    return str(name or file.parent.name) or None


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """What one document was answered."""

    doc_hash: str
    prompt: object
    """The turns that were asked, as the row has them."""
    texts: tuple[str | None, ...]
    """One a repeat; None where the model gave none."""


@dataclass(frozen=True, slots=True)
class EarlierAnswers:
    """The answers of one earlier run."""

    by_prompt_id: Mapping[str, RecordedAnswers]
    file: str
    """Name of the samples file."""
    system_instruction: str | None
    """What the model was told beside the documents; the judge is shown it too."""
    model: str | None = None
    """The model's name."""
    generation_kwargs: Mapping[str, object] = field(default_factory=dict)
    """How the answers were generated."""
    repeats: int | None = None
    """Answers asked for each prompt; None where the results do not say."""

    def find(self, document: Mapping[str, object], doc_hash: str) -> RecordedAnswers | None:
        """Find the answers to a document; None where there are none to this conversation.

        A changed rubric does not matter, the answers are to the same question; a changed
        conversation does.
        """
        recorded = self.by_prompt_id.get(prompt_key(document) or "")
        try:
            recorded = recorded or ById(self.by_prompt_id).find(str(document.get("prompt_id")))
        except DataError:
            return None
        is_flat = not recorded.doc_hash and recorded.prompt is None  # it says no conversation
        same = recorded.doc_hash == doc_hash or recorded.prompt == document.get("prompt")
        return recorded if same or is_flat else None


def read_earlier_answers(path: str, task: str, columns: Columns | None = None) -> EarlierAnswers:
    """Read the answers of a samples file, or of the newest one for a task in a folder."""
    chosen = _choose(user_path(path), task)
    by_prompt_id: dict[str, RecordedAnswers] = {}
    filters = Filters()
    for row in stream_rows(chosen, columns, SAVED_ANSWER_FIELDS):
        try:
            said = read_answer_row(row.object(), key_by_prompt(row.object()))
        except DataError as error:
            raise DataError(
                f"{name_of(chosen)}: line {row.number} is not a sample that rubricbeat can read: "
                f"{error}"
            ) from None
        if filters.is_copy(row.object(), said):
            continue
        doc = document_of(row.object())
        before = by_prompt_id.get(said.prompt_id)
        by_prompt_id[said.prompt_id] = RecordedAnswers(
            str(row.object().get("doc_hash") or ""),
            doc.get("prompt") if doc is not None else None,
            (*(before.texts if before else ()), *said.texts),
        )
    if not by_prompt_id:
        raise DataError(f"{name_of(chosen)}: holds no samples")
    run = Field(_results_beside(chosen))
    config = _inner(run, "configs", task)
    generation, repeats = _inner(config, "generation_kwargs"), _inner(config, "repeats")
    return EarlierAnswers(
        by_prompt_id,
        Path(name_of(chosen)).name,
        run["system_instruction"].any_text() if run["system_instruction"].value else None,
        run["model_name"].any_text() if run["model_name"].value else None,
        generation.members() if generation.value else {},
        None if is_missing(repeats.value) else int(repeats.number()),
    )


def _inner(field: Field, *names: str) -> Field:
    """Give what lies at the end of a way of names; missing where one of them is."""
    for name in names:
        field = field[name] if isinstance(field.value, Mapping) else Field(None)
    return field


def _choose(path: Path, task: str) -> Path:
    if is_stdin(path) or not path.is_dir():
        if not is_stdin(path) and not path.exists() and hub_name(path) is None:
            raise ConfigError(f"responses: {path}: no such file or folder")
        return path
    found = sorted(path.rglob(f"samples_{task}_2*.jsonl"))  # the stamp begins with the year
    if not found:
        others = sorted(p.name for p in path.rglob("samples_*.jsonl"))
        holds = f"it holds {', '.join(others[:5])}" if others else "it holds no samples_*.jsonl"
        raise ConfigError(
            f"responses: {path}: no samples_{task}_*.jsonl ({holds}); name the file, or answer "
            "first with --predict_only --output_path"
        )
    folders = sorted({p.parent for p in found})
    if len(folders) > 1:
        names = ", ".join(p.name for p in folders)
        raise ConfigError(f"responses: {path} holds several models ({names}); name one folder")
    newest = max(found, key=lambda p: p.name)
    if len(found) > 1:
        log.warning("responses: %d files for %s; the newest is used: %s", len(found), task, newest)
    return newest


def _results_beside(samples: Path) -> Mapping[str, object]:
    """Read the results file that lm-eval writes beside the samples; empty where it is not there."""
    stamp = samples.name.partition(".jsonl")[0].rpartition("_")[2]
    return object_in(samples.parent / f"results_{stamp}.json")
