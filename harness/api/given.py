"""What `rubricbeat.grade` is given: prompts, answers and a rubric in any usual Python form."""

from __future__ import annotations

import contextlib
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TypeAlias

from ...judges.answer import Answer
from ...judges.data.answers import ANSWER_FIELDS, answer_field, answers_in
from ...judges.data.columns import ANSWERED_ROW_FIELDS, Columns
from ...judges.data.conversations import is_missing, text_of_answer
from ...judges.data.examples import KnownRows, example_to_row
from ...judges.data.forms.by_hand import lines_of_text
from ...judges.data.forms.contract import criterion_row
from ...judges.data.forms.rubric_file import with_rubric
from ...judges.data.forms.trees import is_tree
from ...judges.data.json_rows import Field, NumberedRow
from ...judges.data.reader import read_rows
from ...judges.data.responses import refuse_gold
from ...judges.data.row_shapes import PROMPT_FIELDS, RUBRIC_FIELDS, read_row, rubric_in
from ...judges.data.tables import ROW_SUFFIXES
from ...judges.errors import DataError
from ...judges.rubric import Criterion, Example, Rubric

_FILES = (*ROW_SUFFIXES, ".gz", ".zst")
_Row: TypeAlias = Mapping[str, object] | Example


def answers_of(
    prompts: object,
    answers: object,
    rubric: object,
    columns: str | Mapping[str, str] | None = None,
) -> list[Answer]:
    """Put prompts, answers and rubrics together.

    Raises:
        DataError: One cannot be read, or they do not match.
    """
    names = Columns.read(columns)
    rows = [_row(one, f"prompt {n}") for n, one in enumerate(_listed(prompts), start=1)]
    if not rows:
        raise DataError("prompts: none given")
    rows = _with_rubrics(_renamed(rows, names), rubric)
    is_named = names is not None and "answer" in names.names
    examples = [_example(row, n, is_named) for n, row in enumerate(rows, start=1)]
    _refuse_clashes(examples)
    repeats: Counter[str] = Counter()
    given = []
    texts = _texts_of(rows, examples, answers)
    for number, (example, of_one) in enumerate(zip(examples, texts, strict=True), start=1):
        for value in of_one:
            with _of(f"prompt {number}"):
                text = text_of_answer(value)
            given.append(Answer(example, text, repeat=repeats[example.prompt_id]))
            repeats[example.prompt_id] += 1
    return given


@contextlib.contextmanager
def _of(where: str) -> Iterator[None]:
    """Name the place in errors of what runs inside."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def examples_of(prompts: object) -> list[Example]:
    """Read rows with rubrics."""
    rows = [_row(one, f"row {number}") for number, one in enumerate(_listed(prompts), start=1)]
    return [_example(row, number, is_named=True) for number, row in enumerate(rows, start=1)]


def rubric_of(rubric: object) -> object:
    """Give one rubric as a row would hold it."""
    return _checked(_rubric(rubric))


def _checked(rubric: object) -> object:
    with _of("rubric"):
        rubric_in(rubric)
    return rubric


def records_of(table: object, what: str) -> list[object] | None:
    """Give the rows of a DataFrame, a table of Arrow or a data set; None for anything else."""
    if hasattr(table, "to_dicts"):  # polars
        return list(table.to_dicts())
    if hasattr(table, "to_pylist"):  # pyarrow
        return list(table.to_pylist())
    if hasattr(table, "to_dict") and hasattr(table, "columns"):  # pandas
        return list(table.to_dict("records"))
    if isinstance(table, Mapping) and any(hasattr(part, "features") for part in table.values()):
        split = next(iter(table))
        raise DataError(f"{what}: several splits; name one of them, such as [{split!r}]")
    return None


def file_named(value: object, suffixes: Sequence[str] = _FILES) -> Path | None:
    """Give the file that a path, or a text with the ending of one, names; else None."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\n" in value or len(value) > 255:
        return None
    is_name = value.endswith(tuple(suffixes)) and " " not in value
    return Path(value) if is_name else None


def _listed(prompts: object) -> list[object]:
    if (path := file_named(prompts)) is not None:
        return [_of_file(row, path) for row in read_rows(path).rows]
    if (records := records_of(prompts, "prompts")) is not None:
        return records
    if isinstance(prompts, Mapping) and (rows := _transposed(prompts)) is not None:
        return rows
    if isinstance(prompts, str | Mapping | Example) or _is_message_list(prompts):
        return [prompts]
    if isinstance(prompts, Set) or not isinstance(prompts, Iterable):
        raise DataError(f"prompts: {type(prompts).__name__} has no order; give a list")
    return list(prompts)


def _of_file(row: NumberedRow, path: Path) -> Mapping[str, object]:
    with _of(f"{path}: line {row.number}"):
        return row.object()


def _transposed(columns: Mapping[str, object]) -> list[object] | None:
    """Give the rows of a mapping of columns, as a slice of a data set is; None for a row."""
    prompts = next((columns[name] for name in PROMPT_FIELDS if name in columns), None)
    if not isinstance(prompts, list | tuple) or _is_message_list(prompts) or not prompts:
        return None
    lists = {name: each for name, each in columns.items() if isinstance(each, list | tuple)}
    for name in columns:
        if len(lists.get(name, ())) != len(prompts):
            raise DataError(f"prompts: column {name!r} does not have one value per prompt")
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _is_message_list(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(turn, Mapping) and "role" in turn for turn in value)
    )


def _row(one: object, where: str) -> _Row:
    """Give a row as the readers take it; an example stays one."""
    one = _plain(one)
    if isinstance(one, Example):
        return one
    if isinstance(one, str) or _is_message_list(one):
        return {"prompt": one}
    if not isinstance(one, Mapping):
        raise DataError(f"{where}: {type(one).__name__}; give a text, messages, or a row")
    if "role" in one:
        return {"prompt": [one]}
    return {name: v for name, v in one.items() if not is_missing(v) or name in ANSWER_FIELDS}


def _plain(value: object) -> object:
    """Give plain Python values for those of numpy and pandas."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    module = type(value).__module__.partition(".")[0]
    if module == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if module == "pandas" and type(value).__name__.startswith("Na") else value


def _renamed(rows: list[_Row], names: Columns | None) -> list[_Row]:
    if names is None:
        return rows
    numbered = (NumberedRow(number, row) for number, row in enumerate(rows, start=1))
    found = list(names.of(ANSWERED_ROW_FIELDS).renamed(numbered, "prompts"))
    return [_renamed_row(row) for row in found]


def _renamed_row(row: NumberedRow) -> _Row:
    if isinstance(row.value, Example):
        return row.value
    with _of(f"prompt {row.number}"):
        return row.object()


def _with_rubrics(rows: list[_Row], rubric: object) -> list[_Row]:
    """Give rows the rubric that is for all, or each its own."""
    if rubric is None:
        return rows
    value = _rubric(rubric)
    if isinstance(value, list) and value and all(isinstance(one, list) for one in value):
        if len(value) != len(rows):
            raise DataError(
                f"rubric: {len(value)} lists of criteria for {len(rows)} prompts; give one list of "
                "criteria for all, or one for each prompt"
            )
        each = [rubric_of(one) for one in value]
    else:
        each = [_checked(value)] * len(rows)
    plain = [example_to_row(row) if isinstance(row, Example) else row for row in rows]
    return [
        {name: v for name, v in row.items() if name not in RUBRIC_FIELDS} | {"rubric": one}
        for row, one in zip(plain, each, strict=True)
    ]


def _rubric(rubric: object) -> object:
    path = file_named(rubric, (*_FILES, ".yaml", ".yml", ".txt", ".md"))
    if path is not None:
        given = with_rubric(path).rubric
        return None if given is None else given.value
    if isinstance(rubric, str):
        with _of("rubric"):
            return lines_of_text(rubric)
    if isinstance(rubric, Rubric):
        rubric = rubric.criteria
    rubric = records if (records := records_of(rubric, "rubric")) is not None else rubric
    if isinstance(rubric, Mapping | Set) or not isinstance(rubric, Iterable):
        raise DataError(
            f"rubric: {type(rubric).__name__}; give a list of criteria: texts, or objects such as "
            "{'criterion': 'Says 4', 'points': 2}"
        )
    return [_criterion(_plain(one)) for one in rubric]


def _criterion(one: object) -> object:
    if isinstance(one, Criterion):
        return criterion_row(one)
    if isinstance(one, Mapping):
        return {name: value for name, value in one.items() if not is_missing(value)}
    return one


def _example(row: _Row, number: int, is_named: bool) -> Example:
    if isinstance(row, Example):
        return row
    _require(row, number)
    with _of(f"prompt {number}"):
        example, kind = read_row(row)
        refuse_gold(row, kind, example, is_named)
        return example


def _require(row: Mapping[str, object], number: int) -> None:
    """Say what a row lacks, for one who has given no file."""
    found = ", ".join(repr(str(name)[:24]) for name in list(row)[:8])
    if any(name in row for name in ("prompt_0", "requirements", "sub_tasks")):
        return
    if not any(name in row for name in PROMPT_FIELDS) and not is_tree(Field(row).first("rubric")):
        raise DataError(
            f"prompt {number} has no prompt; found: {found}; columns={{'prompt': NAME}} reads "
            "another field"
        )
    if RUBRIC_FIELDS.isdisjoint(row):
        raise DataError(
            f"prompt {number} has no rubric: give rubric=[...], or 'rubric' in the row; found: "
            f"{found}"
        )


def _refuse_clashes(examples: Sequence[Example]) -> None:
    first: dict[str, int] = {}
    for number, example in enumerate(examples, start=1):
        before = first.setdefault(example.prompt_id, number)
        if examples[before - 1] != example:
            raise DataError(
                f"prompt {number}: the same prompt_id as prompt {before} with another prompt or "
                "rubric"
            )


def _texts_of(
    rows: Sequence[_Row], examples: Sequence[Example], answers: object
) -> list[tuple[object, ...]]:
    if answers is None:
        return [_own_answer(row, number) for number, row in enumerate(rows, start=1)]
    if isinstance(answers, Mapping):
        return _by_id(examples, answers)
    if hasattr(answers, "columns") or isinstance(answers, Set) or not isinstance(answers, Iterable):
        raise DataError(f"answers: {type(answers).__name__}; give a list, one for each prompt")
    given = [answers] if isinstance(answers, str) else list(answers)
    if len(given) != len(examples):
        raise DataError(
            f"{len(given)} answers for {len(examples)} prompts; give one for each, and several to "
            "one prompt as a list"
        )
    return [answers_in(_plain(one)) for one in given]


def _by_id(
    examples: Sequence[Example], answers: Mapping[object, object]
) -> list[tuple[object, ...]]:
    """Find the answers of each prompt by its id, or by its own text."""
    known = KnownRows({example.prompt_id: example for example in examples})
    by_id = {_id_of(str(name), known): answer for name, answer in answers.items()}
    if len(by_id) < len(answers):
        raise DataError("answers: a prompt is answered under its id and under its text")
    without = next((one for one in examples if one.prompt_id not in by_id), None)
    if without is not None:
        asked = textwrap.shorten(without.prompt[-1].content, 60)
        raise DataError(
            f"answers: none for prompt_id {without.prompt_id!r} ({asked!r}); give None where the "
            "model gave none"
        )
    return [answers_in(_plain(by_id[example.prompt_id])) for example in examples]


def _id_of(name: str, known: KnownRows) -> str:
    with contextlib.suppress(DataError):
        return known.of_id(name).prompt_id
    with contextlib.suppress(DataError):
        return known.id_by_prompt({"prompt": name}) or name
    raise DataError(f"answers: {name[:64]!r} is neither the id nor the text of one prompt")


def _own_answer(row: _Row, number: int) -> tuple[object, ...]:
    if isinstance(row, Example) or not any(name in row for name in ANSWER_FIELDS):
        raise DataError(f"prompt {number} has no answer: give answers=, or 'completion' in the row")
    with _of(f"prompt {number}"):
        return answers_in(answer_field(row).value)
