"""`--rubric FILE`: one rubric for all rows of a command, in the place of their own."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...errors import ConfigError, DataError
from ...files import user_path
from ...options.files import read_yaml
from ..columns import ROW_FIELDS, Columns, GivenRubric, add_columns_argument
from ..json_rows import Field
from ..reader import read_rows, source_hash
from ..row_shapes import rubric_in
from ..streams import bytes_of, head_of, is_stdin, name_of
from ..tables import is_columnar
from .by_hand import lines_of_text

_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_IS_JSON = re.compile(r"\s*(?:\{|\[\s*(?:[\[{\"\]]|$))")
_TEXTS = (
    "criterion", "criterion_text", "text", "description", "requirement", "requirements",
    "criterion_description", "title", "criteria", "sub_tasks",
)  # fmt: skip
_HOLDERS = ("rubric", "rubrics", "criteria", "rubric_items")


def add_rows_arguments(parser: argparse._ActionsContainer) -> None:
    """Declare `--columns` and `--rubric`."""
    add_columns_argument(parser)
    parser.add_argument(
        "--rubric",
        metavar="FILE",
        help="one rubric for all rows: JSON, JSON Lines, CSV, or text with one criterion per line",
    )


def columns_of(
    args: argparse.Namespace, *, is_shared: bool = False, rows: object = True
) -> Columns | None:
    """Give what `--columns` and `--rubric` say of the rows; None where they say nothing.

    Args:
        args: Of the command.
        is_shared: Whether several files are read by them.
        rows: What names the rows; None where nothing does.

    Raises:
        ConfigError: A name of `--columns` is unknown, or there are no rows to give the rubric.
        DataError: The rubric cannot be read.
    """
    columns = Columns.read(args.columns, is_shared=is_shared)
    if args.rubric is not None and rows is None:
        raise ConfigError("--rubric FILE is the rubric of the rows of --data; add --data ROWS")
    return columns if args.rubric is None else with_rubric(args.rubric, columns)


def with_rubric(path: Path | str, columns: Columns | None = None) -> Columns:
    """Read a file that holds one rubric, for all rows.

    Args:
        path: A JSON or YAML list of criteria, or an object that holds one; JSON Lines or a table
            with a criterion per row; or a text with a criterion per line.
        columns: Other names of fields.

    Raises:
        DataError: It holds no rubric.
    """
    path = path if is_stdin(path) else user_path(path)
    name = name_of(path)
    columns = columns or Columns({})
    value = _value(path)
    try:
        if isinstance(value, list):
            value = columns.of(ROW_FIELDS).criteria(value)
            _require_text(value)
        rubric_in(value)
    except DataError as error:
        raise DataError(f"--rubric {name}: {error}") from None
    facts = {"path": Path(name).name, "sha256": source_hash(path)}
    return replace(columns, rubric=GivenRubric(value, facts))


def _require_text(items: list[object]) -> None:
    """Refuse a table without a column of criteria: often its first line is a criterion."""
    rows = [item for item in items if isinstance(item, Mapping)]
    if rows and not any(row.get(name) is not None for row in rows for name in _TEXTS):
        there = ", ".join(repr(str(name)[:24]) for name in list(rows[0])[:6])
        raise DataError(
            f"no field 'criterion'; found: {there}; --columns criterion=NAME reads another (the "
            "first line of a CSV names its columns; a .txt file has one criterion per line)"
        )


def _value(path: Path | str) -> object:
    head = head_of(path)
    name = name_of(path).lower()
    if name.endswith((".yaml", ".yml")):
        return _inside(read_yaml(Path(path)))
    is_text = not name.removesuffix(".gz").removesuffix(".zst").endswith(_TABLES)
    if is_text and not is_columnar(head) and not _IS_JSON.match(head.decode("utf-8-sig", "ignore")):
        return _lines(path)
    rows = read_rows(path).rows
    fault = next((f"line {row.number}: {row.fault}" for row in rows if row.fault), None)
    if fault:
        raise DataError(f"{name_of(path)}: {fault}")
    values = [row.value for row in rows]
    return _inside(values[0]) if len(values) == 1 else values


def _lines(path: Path | str) -> list[str]:
    content = bytes_of(path)
    try:
        return lines_of_text(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{name_of(path)}: not UTF-8; save the file as UTF-8") from None
    except DataError as error:
        raise DataError(f"{name_of(path)}: {error}") from None


def _inside(value: object) -> object:
    """Give the rubric that a lone object holds; a lone criterion is a rubric of one."""
    if not isinstance(value, Mapping):
        return value if isinstance(value, list) else [value]
    field = Field(value)
    held = next((value[name] for name in _HOLDERS if isinstance(value.get(name), list)), None)
    if held is not None:
        return held
    is_whole = field.has("sections") or field.has("sub_tasks") or field.has("requirements")
    return value if is_whole else [value]
