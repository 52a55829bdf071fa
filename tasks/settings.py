"""What a task is told: the `metadata` of its YAML with the user's `--metadata` on top.

lm-eval merges the model's arguments into the same mapping, so a key that is none of ours cannot
be refused outright; one that looks like a misspelling of ours is.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from ..judges.data.columns import Columns
from ..judges.data.forms.rubric_file import with_rubric
from ..judges.errors import ConfigError, near_names
from ..judges.judge import Judge
from ..judges.options.reader import Word, annotations_of, read_json, typed
from ..judges.scoring.missing_reasons import allowed_share

JUDGE_VARIABLE = "RUBRICBEAT_JUDGE"
DATA_VARIABLE = "RUBRICBEAT_DATA"


class Subset(StrEnum):
    """Which rows of the data a task asks about."""

    ALL = "all"
    HEART = "heart"
    HEART_SAMPLE = "heart_sample"
    """The 500 rows of the heart list drawn with seed 42."""
    HARD = "hard"
    CONSENSUS = "consensus"
    PROFESSIONAL = "professional"
    DEMO = "demo"
    """The made-up set that ships."""
    OWN = "own"
    """Any rows the user brings; never from the environment or the hub."""


class Selector(StrEnum):
    """How the heart subset is chosen."""

    LIST = "list"
    """By the frozen list of ids that ships."""
    LIVE = "live"
    """By scoring the user's own rows with the terms that ship."""


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """The options of one task, each a key of `--metadata`."""

    subset: Subset = Subset.ALL
    selector: Selector = Selector.LIST
    data: str | None = None
    """A file, or a folder with the published files."""
    judge: str | Mapping[str, object] | Judge | None = None
    """A judge's name, a mapping with its options, or a judge object."""
    responses: str | None = None
    """Samples of an earlier run whose answers are judged instead of new ones."""
    repeats: int = 1
    """Answers asked for each prompt."""
    strict: bool = False
    """Stop at the first bad row instead of leaving it out."""
    run: str | None = None
    """A label, to tell runs of one model apart."""
    seed: int | None = None
    """Of the bootstrap; lm-eval's own `--seed` where this is not given."""
    columns: Columns | None = None
    """Other names of the fields of rows and answers, and the one rubric of all rows."""
    rubric: str | None = None
    """The file that this rubric was read from."""
    allow_missing: float = 0.0
    """Share of the verdicts, 0 to 1, that may be missing from a run that is complete."""
    length_penalty: float | None = None
    """Score lost for each 500 characters past 2,000; None for HealthBench's own."""

    @classmethod
    def typed(cls, metadata: Mapping[str, object]) -> dict[str, object]:
        """Give words of a command line the types that our keys, or else lm-eval, take.

        Raises:
            ConfigError: A value is not what its key takes.
        """
        taken = annotations_of(cls)
        return {
            key: str(value)
            if isinstance(value, Word) and taken.get(key) in (Subset, Selector)
            else typed(key, value, taken.get(key, Any), "metadata: ")
            for key, value in metadata.items()
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, object]) -> TaskSettings:
        """Read our keys out of a task's metadata.

        Raises:
            ConfigError: A value is not what its key takes, or a key is nearly one of ours.
        """
        known = [field.name for field in fields(cls)]
        for key in metadata:
            if key not in known and difflib.get_close_matches(key, known, n=1, cutoff=0.8):
                raise ConfigError(f"metadata: unknown key {key!r}; {near_names(key, known)}")
        given: dict[str, Any] = {
            key: _READERS[key](metadata[key]) if key in _READERS else metadata[key]
            for key in known
            if metadata.get(key) is not None
        }
        if "columns" in given:
            given["columns"] = Columns.read(given["columns"], is_shared="responses" in given)
        if "rubric" in given:
            given["columns"] = with_rubric(given["rubric"], given.get("columns"))
        return cls(**given)

    def judge_options(
        self, task: str, *, default: str | Mapping[str, object] | None = None
    ) -> str | Mapping[str, object] | Judge:
        """Give the judge that was asked for, in the metadata or else in the environment.

        Args:
            task: For messages.
            default: The task's own, where its YAML names one.

        Raises:
            ConfigError: None was asked for; a judge is never chosen for the user where verdicts
                may cost money or mean little.
        """
        judge = self.judge if self.judge is not None else os.environ.get(JUDGE_VARIABLE) or default
        if judge is None:
            raise ConfigError(
                f"{task}: no judge is named; name one by --metadata "
                f'\'{{"judge": {{"name": "chat", "model": "gpt-4.1-2025-04-14"}}}}\' '
                f"(rubricbeat run: --judge chat --judge_args model=...), or by {JUDGE_VARIABLE}; "
                "its key comes from the environment. --predict_only answers without judging"
            )
        if isinstance(judge, str) and judge.lstrip().startswith("{"):
            try:
                read = read_json(judge)
            except ValueError as error:
                raise ConfigError(f"judge: not a JSON object ({error}): {judge!r}") from None
            judge = read if isinstance(read, dict) else {}
        if isinstance(judge, Mapping) and not judge.get("name"):
            raise ConfigError('judge: no "name" among its options; for example {"name": "chat"}')
        return judge


def _one_of(kind: type[StrEnum], key: str) -> Callable[[object], StrEnum]:
    def read(value: object) -> StrEnum:
        try:
            return kind(str(value))
        except ValueError:
            near = near_names(str(value), [member.value for member in kind])
            raise ConfigError(f"metadata: unknown {key} {value!r}; {near}") from None

    return read


def _whole_number(key: str, at_least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise ConfigError(
                f"metadata: {key} is {value!r}; give a whole number from {at_least} up"
            )
        return value

    return read


def _length_penalty(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"metadata: length_penalty is {value!r}; give a number")
    return float(value)


def _strict(value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"metadata: strict is {value!r}; give true or false")
    return value


_READERS: dict[str, Callable[[object], object]] = {
    "subset": _one_of(Subset, "subset"),
    "selector": _one_of(Selector, "selector"),
    "repeats": _whole_number("repeats", 1),
    "seed": _whole_number("seed", 0),
    "allow_missing": allowed_share,
    "length_penalty": _length_penalty,
    "strict": _strict,
    **dict.fromkeys(("data", "responses", "run", "rubric"), str),
}
"""How a value of the metadata is read; the others are taken as they are."""
