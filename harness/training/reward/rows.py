"""Which example each answer of a batch belongs to, found in the columns that TRL passes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ....judges.data.examples import example_from_row
from ....judges.errors import ConfigError, DataError
from ....judges.rubric import Example

NOT_OF_THE_ROW = frozenset({"completion_ids", "environments", "rubric_row"})
"""What TRL passes beside the columns of the data set."""


def examples_of(
    prompts: Sequence[object],
    columns: Mapping[str, Any],
    known: Mapping[str, Example],
    rubric: object = None,
) -> list[Example]:
    """Find the example of each answer.

    By `prompt_id` among the known ones; by `rubric_row`, a row as JSON; or else by the columns of
    the data set themselves, where its rows have one of the forms of docs/data.md. A `rubric`, as a
    row would hold it, is that of every prompt.

    Raises:
        ConfigError: An example is not known, or the columns hold no rubric.
    """
    if known and (ids := columns.get("prompt_id")) is not None:
        missing = [one for one in ids if one not in known]
        if missing:
            raise ConfigError(f"prompt_id {missing[0]!r} is not among the reward's examples")
        return [known[one] for one in ids]
    rows = columns.get("rubric_row")
    if rubric is not None:
        rows = [json.dumps({"prompt": prompt, "rubric": rubric}) for prompt in prompts]
    elif rows is None:
        rows = [json.dumps(row, sort_keys=True) for row in _rows(prompts, columns)]
    try:
        read = {row: example_from_row(json.loads(row), where="the data set") for row in {*rows}}
    except DataError as error:
        raise ConfigError(
            "the data set needs rows in a form of docs/data.md, or a column `rubric_row` (JSON of "
            "judges.data.examples.example_to_row), or a "
            "column `prompt_id` with examples= given to "
            f"RubricReward: {error}"
        ) from error
    return [read[row] for row in rows]


def _rows(prompts: Sequence[object], columns: Mapping[str, Any]) -> list[dict[str, object]]:
    named = {name: values for name, values in columns.items() if name not in NOT_OF_THE_ROW}
    return [
        {"prompt": prompt, **{name: _said(values[place]) for name, values in named.items()}}
        for place, prompt in enumerate(prompts)
    ]


def _said(value: object) -> object:
    """Leave out what datasets fills in: each object of a column gets the fields of all others."""
    if isinstance(value, Mapping):
        return {key: _said(inner) for key, inner in value.items() if inner is not None}
    return [_said(inner) for inner in value] if isinstance(value, list) else value
