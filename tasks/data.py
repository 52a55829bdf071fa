"""Find a task's rows, choose its subset, and say what was found.

Rows come from `--metadata '{"data": PATH}'`, else from `RUBRICBEAT_DATA`, else from the hub; the
reading itself is `judges/data/examples.py`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..judges.data.columns import ROW_FIELDS
from ..judges.data.examples import ExampleFile, read_examples
from ..judges.data.reader import can_name_rows, read_rows
from ..judges.data.tables import ROW_SUFFIXES, is_saved_set
from ..judges.errors import ConfigError, DataError
from ..judges.files import user_path
from ..judges.rubric import Example, Rubric
from .heart.selector import heart_ids, heart_sample_ids, heart_selector
from .models import check_address
from .settings import DATA_VARIABLE, Selector, Subset, TaskSettings

log = logging.getLogger(__name__)

HUB_REPOSITORY = "openai/healthbench"
PROFESSIONAL_REPOSITORY = "openai/healthbench-professional"
MAX_NAMED_IDS = 5

_MAIN = "2025-05-07-06-14-12_oss_eval"
_HARD = "hard_2025-05-08-21-00-10"
_CONSENSUS = "consensus_2025-05-09-20-00-46"
PUBLISHED_STEMS: dict[Subset, tuple[str, ...]] = {
    Subset.ALL: (_MAIN, "healthbench", "healthbench_rows"),
    Subset.HEART: (_MAIN, "healthbench", "healthbench_rows", "healthbench_heart_rows"),
    Subset.HEART_SAMPLE: (_MAIN, "healthbench", "healthbench_rows", "healthbench_heart_rows"),
    Subset.HARD: (_HARD, "healthbench_hard"),
    Subset.CONSENSUS: (_CONSENSUS, "healthbench_consensus", _MAIN),
    Subset.PROFESSIONAL: ("healthbench_professional_eval", "healthbench_professional"),
}
"""File names a data folder is searched for, the published one first (openai/simple-evals)."""
SUFFIXES = tuple(f"{rows}{packed}" for rows in ROW_SUFFIXES for packed in ("", ".gz", ".zst"))
HARD_ROWS = 1_000
"""Rows of the published hard file."""


@dataclass(frozen=True, slots=True)
class TaskData:
    """The examples of a task, and where they came from."""

    examples: tuple[Example, ...]
    facts: dict[str, object]
    """For the results file: file name, digest, counts. Never a path or a row."""


def load_task_data(task: str, settings: TaskSettings) -> TaskData:
    """Read and choose the rows of a task.

    Raises:
        ConfigError: No data is there, or the file cannot serve this subset; the message says
            what to do.
    """
    path = find_data(task, settings)
    read = read_examples(path, strict=settings.strict, columns=settings.columns)
    if warning := read.warning():
        log.warning("%s: %s", task, warning)
    facts: dict[str, object] = {**read.facts(), "subset": settings.subset.value}
    choose = _CHOOSERS.get(settings.subset)
    chosen = choose(task, settings, read, facts) if choose else read.examples
    facts["n"] = len(chosen)
    if not chosen:
        raise DataError(
            f"{task}: {path}: none of its {len(read.examples)} rows belongs to the "
            f"{settings.subset.value} subset; --metadata subset=all takes every row"
        )
    log.info("%s: %d examples from %s", task, len(chosen), path.name)
    return TaskData(tuple(chosen), facts)


def find_data(task: str, settings: TaskSettings) -> Path:
    """Find the file of a task's rows.

    Raises:
        ConfigError: There is none; one message says all the ways to give one.
    """
    if settings.subset is Subset.DEMO and settings.data is None:
        from .demo import demo_path

        return Path(demo_path())
    # the environment names HealthBench files; it says nothing of other people's rubrics
    stems = PUBLISHED_STEMS.get(settings.subset, ())
    is_own = settings.subset is Subset.OWN
    given = settings.data or (None if is_own else os.environ.get(DATA_VARIABLE))
    if given:
        source = "metadata data" if settings.data else DATA_VARIABLE
        return _in_place(user_path(given), stems, f"{task}: {source}")
    if is_own:
        raise ConfigError(
            f"{task}: no data; give your own rows with --metadata "
            """'{"data": "rows.jsonl"}' (rubricbeat run: --data rows.jsonl); docs/data.md shows """
            "the row"
        )
    return _from_hub(task, settings.subset)


def _in_place(path: Path, stems: Sequence[str], source: str) -> Path:
    if not can_name_rows(path):
        raise ConfigError(f"{source}: {path}: no such file or folder")
    if not path.is_dir() or is_saved_set(path):
        return path
    wanted = [f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
    for name in wanted:
        if (path / name).is_file():
            return path / name
    found = sorted(p.name for p in path.iterdir() if p.name.endswith(SUFFIXES))
    if len(found) == 1:
        return path / found[0]
    holds = f"it holds {', '.join(found[:MAX_NAMED_IDS])}" if found else "it holds no file of rows"
    lacks = f"none of {', '.join(wanted[:2])} is in this folder" if wanted else "a folder"
    raise ConfigError(f"{source}: {path}: {lacks} ({holds}); name the file itself")


def _from_hub(task: str, subset: Subset) -> Path:
    stem = PUBLISHED_STEMS.get(subset, ("",))[0]
    how = (
        f"{task}: no data. HealthBench is not part of this package; give its file by --metadata "
        f'\'{{"data": "{stem}.jsonl"}}\' (rubricbeat run: --data FILE) or set {DATA_VARIABLE} to '
        "the file or its folder"
    )
    repository = PROFESSIONAL_REPOSITORY if subset is Subset.PROFESSIONAL else HUB_REPOSITORY
    try:
        from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

        name = f"{stem}.jsonl"
        cached = try_to_load_from_cache(repository, name, repo_type="dataset")
        if isinstance(cached, str):
            return Path(cached)
        if constants.HF_HUB_OFFLINE:
            raise ConfigError("HF_HUB_OFFLINE is set")
        check_address(constants.ENDPOINT, "the hub")  # its own retries take half a minute
        return Path(hf_hub_download(repository, name, repo_type="dataset"))
    except Exception as error:  # offline, gated, renamed: all end in the same advice
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"{how}; the hub ({repository}) did not provide it: "
            f"{reason[0][:160] if reason else type(error).__name__}"
        ) from None


def _heart(
    task: str, settings: TaskSettings, read: ExampleFile, facts: dict[str, object]
) -> Sequence[Example]:
    facts["selector"] = settings.selector.value
    if settings.selector is Selector.LIVE:
        if settings.subset is Subset.HEART_SAMPLE:
            raise ConfigError(
                f"{task}: the sample of 500 is a frozen list; subset heart takes selector live"
            )
        selector = heart_selector()
        return [example for example in read.examples if selector.selects(example)]
    listed = heart_sample_ids() if settings.subset is Subset.HEART_SAMPLE else heart_ids()
    return _listed(task, read, facts, listed)


def _listed(
    task: str, read: ExampleFile, facts: dict[str, object], listed: Collection[str]
) -> Sequence[Example]:
    """Keep the rows of a list, in the file's order, and name those that the file lacks."""
    chosen = [example for example in read.examples if example.prompt_id in listed]
    missing = sorted(set(listed) - {example.prompt_id for example in chosen})
    facts["n_listed"] = len(listed)
    facts["n_missing"] = len(missing)
    if missing and chosen:
        log.warning(
            "%s: N = %d of the %d rows on the heart list; the file lacks %d of them: %s",
            task, len(chosen), len(listed), len(missing), some_of(missing),
        )  # fmt: skip
    return chosen


def some_of(ids: Sequence[str]) -> str:
    """Name the first of some ids, and say how many more there are."""
    more = len(ids) - MAX_NAMED_IDS
    return ", ".join(ids[:MAX_NAMED_IDS]) + (f" and {more} more" if more > 0 else "")


def _consensus(
    task: str, settings: TaskSettings, read: ExampleFile, facts: dict[str, object]
) -> Sequence[Example]:
    """Keep the consensus criteria: they are those tagged `level:cluster`.

    On the 993 rows that are verbatim copies here, a row is in the published consensus file
    exactly when it has such a criterion; so the main file serves as well as the consensus file.
    """
    chosen = []
    for example in read.examples:
        criteria = tuple(c for c in example.rubric.criteria if "level:cluster" in c.tags)
        if criteria:
            try:
                chosen.append(dataclasses.replace(example, rubric=Rubric(criteria)))
            except DataError as error:
                raise ConfigError(
                    f"{task}: prompt_id {example.prompt_id}, its consensus criteria alone: {error}"
                ) from None
    facts["n_rows_without_consensus"] = len(read.examples) - len(chosen)
    return chosen


def _hard(
    task: str, settings: TaskSettings, read: ExampleFile, facts: dict[str, object]
) -> Sequence[Example]:
    """Take a file of the published size for what its user says it is; search a larger one.

    Nothing in a published row says that it is hard, and no list of ids is published; a row may
    carry a flag `hard`, at its top or under `provenance`.
    """
    if len(read.examples) + len(read.skipped) <= HARD_ROWS:
        return read.examples
    flagged = {
        str(row.value.get("prompt_id"))
        for row in read_rows(read.path, settings.columns, ROW_FIELDS).rows
        if isinstance(row.value, Mapping) and _says_hard(row.value)
    }
    if not flagged:
        raise ConfigError(
            f"{task}: {Path(read.path).name} has {len(read.examples)} rows, HealthBench Hard has "
            f"{HARD_ROWS}, and no row says that it is hard; give the published {_HARD}.jsonl"
        )
    facts["n_listed"], facts["n_missing"] = HARD_ROWS, max(0, HARD_ROWS - len(flagged))
    if len(flagged) < HARD_ROWS:
        log.warning(
            "%s: N = %d: that many of the %d hard rows are flagged in this file",
            task, len(flagged), HARD_ROWS,
        )  # fmt: skip
    return [example for example in read.examples if example.prompt_id in flagged]


def _says_hard(row: Mapping[str, object]) -> bool:
    provenance = row.get("provenance")
    nested = provenance.get("hard") if isinstance(provenance, Mapping) else None
    return row.get("hard") is True or nested is True


Chooser = Callable[[str, TaskSettings, ExampleFile, dict[str, object]], Sequence[Example]]
_CHOOSERS: dict[Subset, Chooser] = {
    Subset.HEART: _heart,
    Subset.HEART_SAMPLE: _heart,
    Subset.CONSENSUS: _consensus,
    Subset.HARD: _hard,
}
