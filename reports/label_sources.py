"""Labels of a run's own answers: labelled rows, or a better judge's results on the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..judges.audit.label_files import labels_of_verdicts, read_labels
from ..judges.audit.labelled import LabelledAnswer
from ..judges.data.columns import Columns
from ..judges.data.reader import can_name_rows
from ..judges.data.streams import name_of
from ..judges.errors import DataError
from .results.logs import is_log
from .results.reader import read_runs

_RESULT_NAMES = ("samples_", "results_")


@dataclass(frozen=True, slots=True)
class LabelSource:
    """What some labels say, and where they come from."""

    name: str
    """Of the file or folder."""
    labelled: tuple[LabelledAnswer, ...]
    digests: frozenset[str] = frozenset()
    """Of the judges whose verdicts these labels are; empty for labels of people."""
    warning: str | None = None
    """What was left out, in one line."""


def read_label_sources(paths: Sequence[Path], columns: Columns | None = None) -> list[LabelSource]:
    """Read labels, one source a path.

    Args:
        paths: A file of labelled rows (docs/trust.md), or result files or folders in which a better
            judge graded some of the same answers.
        columns: Other names of the fields of labelled rows.

    Raises:
        DataError: A path holds none of these.
    """
    return [_read(path, columns) for path in paths]


def _read(path: Path, columns: Columns | None) -> LabelSource:
    if not can_name_rows(path):
        raise DataError(f"--labels {path}: no such file or folder")
    if path.is_dir() or path.name.startswith(_RESULT_NAMES) or is_log(path):
        notes: list[str] = []
        runs = read_runs([path], notes.append)
        return LabelSource(
            path.name,
            tuple(item for run in runs for item in labels_of_verdicts(run.graded, run.name)),
            frozenset(run.judge_digest for run in runs if run.judge_digest),
            "; ".join((*notes, *(note for run in runs for note in run.notes))) or None,
        )
    file = read_labels(path, columns=columns)
    return LabelSource(Path(name_of(path)).name, file.answers, warning=file.warning())
