"""Tell the logs of other programs apart by what they hold, and read them as runs.

Each format has its module. A file is parsed only where its bytes hold a field of such a log; what
is none (a configuration, a data file, a picture) is passed over in silence.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from ...judges.data.streams import bytes_of
from ...judges.errors import DataError
from . import evalscope, inspect_logs, promptfoo, simple_evals, verifiers
from .run import Run
from .samples import is_results, objects_of
from .values import ODD_SHAPE, mapping, parse_object

FIELDS = (b'"example_level_metadata"', b'"eval"', b'"gradingResult"', b'"promptIdx"')
"""One of which stands in every log that is one JSON object."""


def read_log(path: Path) -> list[Run]:
    """Read the runs of another program's log; none where the file is no such log.

    An HTML report of simple-evals is left alone where the `*_allresults.json` of the same run lies
    beside it, which holds all of it and more.

    Raises:
        DataError: The log is broken, or holds no verdict on any criterion.
    """
    try:
        return _read_log(path)
    except DataError:
        raise
    except (*ODD_SHAPE, RecursionError) as error:
        words = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path.name}: does not match its format ({type(error).__name__}: {words})"
        ) from error


def _read_log(path: Path) -> list[Run]:
    if inspect_logs.is_log(path):
        return [inspect_logs.read_log(path)]
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _read_lines(path)
    if path.suffix == ".json":
        return _read_object(path)
    if simple_evals.is_html_report(path) and not simple_evals.all_results_of(path).exists():
        return [simple_evals.read_html_report(path)]
    return []


def is_log(path: Path) -> bool:
    """Say whether a file is the log of another program, be it broken or without criteria."""
    try:
        return path.is_file() and bool(read_log(path))
    except DataError:
        return True


def _read_object(path: Path) -> list[Run]:
    is_named = path.name.endswith(simple_evals.SUFFIX)
    if not is_named and (is_results(path) or not _holds_a_field(path)):
        return []
    text = bytes_of(path)
    if not is_named and not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return []
    whole = parse_object(text, path.name)
    if simple_evals.is_all_results(path, whole):
        return [simple_evals.read_all_results(path, whole)]
    if inspect_logs.is_log_object(whole):
        return [inspect_logs.read_log_object(path, whole)]
    if promptfoo.is_output(whole):
        return promptfoo.read_output(path, whole)
    return []


def _holds_a_field(path: Path) -> bool:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return any(text.find(name) >= 0 for name in FIELDS)
    except (OSError, ValueError):  # not readable, or empty, which cannot be mapped
        return False


def _read_lines(path: Path) -> list[Run]:
    first = mapping(next((row for _, row in objects_of(path)), None))
    if evalscope.is_review(first):
        return [evalscope.read_reviews(path)]
    if verifiers.is_rollout(first):
        return verifiers.read_results(path)
    if promptfoo.is_result(first):
        return promptfoo.read_result_lines(path)
    return []
