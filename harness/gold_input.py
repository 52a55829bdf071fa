"""Gold for a signal study: what a better judge, or people, say of the answers that are studied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..judges.audit.label_files import labels_of_verdicts, read_labels
from ..judges.audit.labelled import LabelledAnswer as Labelled
from ..judges.audit.run_labels import match_labels
from ..judges.data.columns import Columns
from ..judges.data.reader import can_name_rows
from ..judges.errors import ConfigError, DataError
from ..judges.verdict import Verdict
from .signal_input import SignalInput, holds_verdicts, read_signal_input


def with_gold(
    found: SignalInput,
    paths: Sequence[Path],
    data: Path | None = None,
    columns: Columns | None = None,
) -> SignalInput:
    """Put gold beside the verdicts of the same answers: the same prompt, text and criterion.

    Args:
        found: The answers to study.
        paths: Of gold: result folders, a store, recorded verdicts (with `data`), or labelled rows.
        data: Rows with the rubrics of recorded verdicts.
        columns: Other names of the fields of labels, verdicts and rows.

    Raises:
        ConfigError: Gold is of the judge under study.
        DataError: A path holds no verdicts or labels, or none of the answers studied.
    """
    labelled: list[Labelled] = []
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
                f"--gold {path}: holds verdicts of the judge under study; gold must be another, "
                "better judge, or labels of people"
            )
        labelled += labels_of_verdicts([answer.graded for answer in gold.answers])
    matched = match_labels([answer.graded for answer in found.answers], labelled)
    if not matched.n_matched:
        raise DataError(
            f"--gold {', '.join(map(str, paths))}: none of its {matched.n_rows:,} answers is one "
            "of those studied (the same prompt, the same text, the same criterion)"
        )
    answers = tuple(
        replace(answer, gold=truth.verdicts if _says(truth.verdicts) else ())
        for answer, truth in zip(found.answers, matched.truth, strict=True)
    )
    return replace(found, answers=answers, warnings=tuple(warnings))


def _says(verdicts: Sequence[Verdict]) -> bool:
    return any(verdict.met is not None for verdict in verdicts)
