"""Labels for `audit` and `fit-judge`: labelled rows, or recorded verdicts of a better judge."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..judges.audit.label_correction import match_labels
from ..judges.audit.label_rows import (
    joined_raters,
    labels_of_verdicts,
    read_label_files,
    read_labels,
)
from ..judges.audit.labels import UNEQUAL, LabelledAnswer, agreed, are_unequal
from ..judges.data.columns import Columns
from ..judges.data.examples import ExampleFile, read_examples
from ..judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ..judges.data.reader import can_name_rows, source_hash
from ..judges.data.streams import name_of
from ..judges.errors import ConfigError, DataError
from .inputs import SignalInput, holds_verdicts, read_signal_input
from .terminal import say

if TYPE_CHECKING:
    from ..judges.data.recorded import RecordedRun


def add_label_arguments(parser: argparse.ArgumentParser, limited: str = "answers") -> None:
    """Declare the flags that name labels; `--limit` is a number of answers, or of prompts."""
    parser.add_argument(
        "--labels", type=Path, nargs="+", metavar="FILE", help="labelled rows, one file a rater"
    )
    parser.add_argument(
        "--verdicts", type=Path, nargs="+", metavar="FILES", help="recorded verdicts as labels"
    )
    parser.add_argument("--data", type=Path, metavar="ROWS", help="the rows of the verdicts")
    add_rows_arguments(parser)
    parser.add_argument("--limit", type=int, metavar="N", help=f"only the first N {limited}")
    parser.add_argument("--strict", action="store_true", help="stop at a bad row")


def add_allow_seen(parser: argparse.ArgumentParser) -> None:
    """Declare the flag that lets a fitted judge be used on nothing but what it has learned."""
    parser.add_argument(
        "--allow_seen",
        action="store_true",
        help="go on even if a fitted judge was trained on all of the prompts",
    )


def read_labelled(
    args: argparse.Namespace, command: str
) -> tuple[Sequence[LabelledAnswer], dict[str, object]]:
    """Read the labels that the flags name, and the facts of where they come from.

    Raises:
        ConfigError: The flags name none, or both kinds; a file cannot be read.
    """
    if args.limit is not None and args.limit < 1:
        raise ConfigError(f"--limit {args.limit}: at least 1")
    if (args.labels is None) == (args.verdicts is None):
        raise ConfigError("no labels: give either --labels FILES, or --verdicts FILES with --data")
    rows = args.data if args.labels is None else None
    columns = columns_of(args, is_shared=args.labels is None, rows=rows)
    if args.labels is not None:
        file = read_label_files(args.labels, strict=args.strict, columns=columns)
        say(file.warning(), command)
        _require_rubric(file.answers, file.path)
        facts: dict[str, object] = {"path": file.names, "sha256": file.sha256}
        if are_unequal(file.answers):
            say(f"note: {UNEQUAL}; 'rubricbeat label --next random' draws all alike", command)
            facts["chances"] = "unequal"
        # what a person could not tell is no label, and no question to a judge
        said = joined_raters([item for item in file.answers if any(item.labels)])
        return said[: args.limit], facts
    if args.data is None:
        raise ConfigError("--verdicts needs --data ROWS: the rubrics that the verdicts belong to")
    read, runs = recorded_runs(args, command, columns)
    answers = [
        item for run in runs for item in labels_of_verdicts(run.graded, run.grader, run.model)
    ]
    if not any(labels for item in answers for labels in item.labels):
        raise ConfigError(
            f"{', '.join(map(str, args.verdicts))}: no verdicts to use as labels; all are null"
        )
    facts = {
        "path": [Path(name_of(path)).name for path in args.verdicts],
        "sha256": [source_hash(path) for path in args.verdicts],
        "data_sha256": read.sha256,
        **({"rubric": dict(read.rubric)} if read.rubric else {}),
    }
    return answers[: args.limit], facts


def _require_rubric(labelled: Sequence[LabelledAnswer], path: str) -> None:
    """Refuse labels that their own row does not explain: the judge is asked about that row."""
    for item in labelled:
        for criterion, labels in zip(item.example.rubric.criteria, item.labels, strict=True):
            if all(label.met is not None for label in labels):
                continue
            try:
                agreed(labels, criterion)
            except DataError as error:
                raise DataError(
                    f"{path}: prompt_id {item.example.prompt_id[:64]}: {error}; give the row "
                    "'levels' or 'may_be_na', as a rubric has them (docs/rubrics.md)"
                ) from None


def recorded_runs(
    args: argparse.Namespace, command: str, columns: Columns | None
) -> tuple[ExampleFile, list[RecordedRun]]:
    """Read the rows of `--data` and the runs of `--verdicts`, and say what was excluded."""
    from ..judges.data.recorded import group_runs, read_recorded

    rows = read_examples(args.data, strict=args.strict, columns=columns)
    by_id = {example.prompt_id: example for example in rows.examples}
    runs: list[RecordedRun] = []
    for file in read_recorded(args.verdicts, by_id, strict=args.strict, columns=columns):
        for words in file.warnings():
            say(words, command)
        runs += group_runs(file.rows)
    return rows, runs


def with_gold(
    found: SignalInput,
    paths: Sequence[Path],
    data: Path | None = None,
    columns: Columns | None = None,
    *,
    given: Sequence[LabelledAnswer] = (),
) -> SignalInput:
    """Put gold beside the verdicts of the same answers: the same prompt, text and criterion.

    Args:
        found: The answers to study.
        paths: Of gold: result folders, a store, recorded verdicts (with `data`), or labelled rows.
        data: Rows with the rubrics of recorded verdicts.
        columns: Other names of the fields of labels, verdicts and rows.
        given: Labels that are read already.

    Raises:
        ConfigError: Gold is of the judge under study.
        DataError: A path holds no verdicts or labels, or none of the answers studied.
    """
    labelled = list(given)
    warnings = list(found.warnings)
    judges = {name for answer in found.answers if (name := answer.labels.get("judge"))}
    for path in paths:
        if not can_name_rows(path):
            raise DataError(f"--gold {path}: no such file or folder")
        if not holds_verdicts(path, columns):
            file = read_labels(path, columns=columns)
            labelled += file.answers
            warnings += [words] if (words := file.warning()) else []
            continue
        gold = read_signal_input([path], data, columns)
        warnings += gold.warnings
        if judges & {answer.labels.get("judge") for answer in gold.answers}:
            raise ConfigError(
                f"--gold {path}: these are verdicts of the judge under study; --gold needs "
                "another, better judge, or human labels"
            )
        labelled += labels_of_verdicts([answer.graded for answer in gold.answers])
    matched = match_labels([answer.graded for answer in found.answers], labelled)
    if not matched.n_matched:
        raise DataError(
            f"--gold {', '.join(map(str, paths)) or 'given'}: none of its {matched.n_rows:,} "
            "answers matches a studied answer (the same prompt, the same text, the same criterion)"
        )
    answers = tuple(
        replace(answer, gold=() if all(v.is_missing for v in truth.verdicts) else truth.verdicts)
        for answer, truth in zip(found.answers, matched.truth, strict=True)
    )
    return replace(found, answers=answers, warnings=tuple(warnings))
