"""Read the folders that training leaves: values, no page, nothing compared.

The files are written by `harness/training/run_files.py`: metrics.jsonl (a line per step),
gold.jsonl (held-out answers, a line for each evaluation and judge), gold_judge.json, config.yaml,
facts.json and status.json. A run that was killed reads as far as it came. Answers are read by
`page.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...judges.data.json_rows import lines_so_far
from ...judges.errors import DataError
from ...judges.options.files import parse_yaml
from ...judges.scoring.points import mean_known
from ...judges.scoring.rubric_arrays import Floats

METRICS = "metrics.jsonl"
GOLD, TRAINING = "gold", "training"
UNKNOWN_REWARD = "trained reward"
"""Its name where the files do not say."""
RESTING = "resting"
"""Prompts that sit out the epoch of a step (data.rest_dead)."""
EDGE_STEPS = 10
"""Steps averaged at either end of a curve: one step is a few prompts."""
SECTIONS = ("model", "data", "reward", "grpo", "gold", "run")
"""Parts of a configuration that are read here, each a table of its own."""

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One judge's evaluation of the held-out prompts."""

    step: int
    judge: str
    """`gold` or `training`."""
    prompt_ids: tuple[str, ...]
    rewards: Mapping[str, Floats]
    """[P] by reward; NaN where there is none."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run, as far as it came."""

    name: str
    path: Path
    config: Mapping[str, object]
    facts: Mapping[str, object]
    status: Mapping[str, object]
    steps: tuple[Mapping[str, float], ...]
    """The numbers of metrics.jsonl, in order, each step once; NaN for null."""
    evaluations: tuple[Evaluation, ...]
    gold_ledger: Mapping[str, object] = field(default_factory=dict)
    """What the gold judge says of itself and was asked; empty where that was not written yet."""
    ledger: Mapping[str, object] = field(default_factory=dict)
    """The same of the training judge."""

    def asked(self, *path: str) -> object:
        """Give a setting of the configuration; None where it is not known."""
        return value_at(self.config, *path)

    def fact(self, *path: str) -> object:
        """Give a fact of the run; None where it is not known."""
        return value_at(self.facts, *path)

    @property
    def reward(self) -> str:
        """Name of the reward that trained."""
        return str(self.asked("reward", "name") or UNKNOWN_REWARD)

    @property
    def scale(self) -> str | None:
        """What advantages were divided by; None where the files do not say."""
        scale = self.asked("grpo", "scale_rewards")
        return None if scale is None else str(scale)

    @property
    def setting(self) -> str:
        """Reward and scale, as far as the files say; the folder's name where they say nothing."""
        if self.is_warm_start:
            return "warm start (SFT)"
        if not self.config:
            return self.name
        return self.reward if self.scale is None else f"{self.reward}, scale {self.scale}"

    @property
    def seed(self) -> int | None:
        """Of weights and sampling."""
        seed = self.asked("run", "seed")
        with suppress(ValueError, OverflowError):  # a word, or no number
            return int(seed) if isinstance(seed, int | float | str) else None
        return None

    @property
    def state(self) -> str:
        """`running`, `done`, `interrupted`, `outage`, or `unknown`."""
        return str(self.status.get("state", "unknown"))

    @property
    def is_warm_start(self) -> bool:
        """Whether it is of the kind that has no rewards."""
        return self.fact("kind") == "sft"

    @property
    def has_rewards(self) -> bool:
        """Whether a step with a reward was recorded: an SFT run has none."""
        return any("reward" in line for line in self.steps)

    @property
    def gold_reward(self) -> str:
        """Name of the reward the gold judge's answers are scored by."""
        return str(self.asked("gold", "reward") or "healthbench")

    @property
    def is_gold_still(self) -> bool:
        """Whether the gold judge gave every held-out answer of every evaluation the same score."""
        tables = self.gold_scores()
        every = np.concatenate([np.empty(0), *tables])
        return bool(len(tables) > 1 and every.size > 1 and np.ptp(every) == 0)

    def gold_scores(self) -> list[Floats]:
        """Give what the gold judge scored at each evaluation, what is missing aside."""
        tables = [x.rewards.get(self.gold_reward) for x in self.evaluations_by(GOLD)]
        return [table[~np.isnan(table)] for table in tables if table is not None]

    @property
    def end_step(self) -> int:
        """Step of the evaluation that counts as the final one.

        That of the last step where the run is done. Before its end, the last step that every judge
        has evaluated: one of them is ahead of the other for a while.
        """
        last = int(self.steps[-1]["step"])
        if self.state == "done":
            return last
        evaluated = ({x.step for x in self.evaluations_by(judge)} for judge in (GOLD, TRAINING))
        known = [steps for steps in evaluated if steps]
        return max(set.intersection(*known), default=last) if known else last

    def series(self, key: str) -> Floats:
        """Give one number of every step, NaN where it is undefined."""
        return np.array([line.get(key, np.nan) for line in self.steps])

    def total(self, key: str) -> int:
        """Add a count of every step up."""
        return int(np.nansum(self.series(key)))

    def ends(self, key: str) -> tuple[float | None, float | None]:
        """Average the first and the last steps of a curve."""
        values = self.series(key)
        edge = max(1, min(EDGE_STEPS, len(values) // 4))
        return mean_known(values[:edge]), mean_known(values[-edge:])

    def mean(self, key: str) -> float | None:
        """Average one number over all steps that have it."""
        return mean_known(self.series(key))

    def evaluations_by(self, judge: str) -> list[Evaluation]:
        """Give the evaluations of `gold` or of `training`, in order."""
        return [evaluation for evaluation in self.evaluations if evaluation.judge == judge]


def is_training_run(path: Path) -> bool:
    """Say whether a folder is a training run, or holds some."""
    depths = (METRICS, f"*/{METRICS}", f"*/*/{METRICS}")
    return any(any(path.glob(depth)) for depth in depths)


def read_training_runs(
    paths: Sequence[Path | str], tell: Callable[[str], None] | None = None
) -> list[TrainingRun]:
    """Read the runs in some folders, those in folders below included.

    Args:
        paths: The folders.
        tell: Takes a sentence on each run that cannot be read, which is excluded; a path without
            a run is then no error. By default both are errors.

    Raises:
        DataError: A folder holds no training run, or a file of one cannot be read.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        folders = sorted({file.parent for file in path.rglob(METRICS)}) if path.is_dir() else []
        if not folders and tell is None:
            raise DataError(f"{path}: no {METRICS} in it or below, so no training run")
        for folder in folders:
            # one folder under two names is one run, and no sample of two
            found.setdefault(folder.resolve(), folder)
    runs = []
    for folder in found.values():
        try:
            runs.append(_read_run(folder))
        except DataError as error:
            if tell is None:
                raise
            tell(f"excluded: {error}")
    return runs


def has_rest(run: TrainingRun) -> bool:
    """Say whether prompts of a run may rest, or did."""
    return bool(run.asked("data", "rest_dead") or run.mean(RESTING))


def number_or_nan(value: float | None) -> float:
    """Read a number of a file, where null is no number, and nothing without end is one."""
    known = math.nan if value is None else float(value)
    return known if math.isfinite(known) else math.nan


def value_at(plain: object, *path: str) -> object:
    """Give what stands at a path of nested tables; None where nothing does."""
    for key in path:
        plain = plain.get(key) if isinstance(plain, Mapping) else None
    return plain


def _read_run(folder: Path) -> TrainingRun:
    facts = _read(folder / "facts.json", json.loads)
    # a script of one's own under `watch` has no config.yaml
    config = _read(folder / "config.yaml", _yaml) or value_at(facts, "config") or {}
    if not isinstance(config, Mapping):
        raise DataError(f"{folder / 'facts.json'}: config is not a table of settings")
    for section in SECTIONS:
        if not isinstance(config.get(section, {}), Mapping):
            raise DataError(f"{folder / 'config.yaml'}: {section} is not a table of settings")
    by_step = dict(_lines(folder / METRICS, _step))
    gold, own = (_read(folder / f"{name}.json", json.loads) for name in ("gold_judge", "judge"))
    gold_ledger, ledger = value_at(gold, "gold", "judge"), value_at(own, "judge")
    return TrainingRun(
        name=str(value_at(config, "run", "label") or folder.name),
        path=folder,
        config=config,
        facts=facts,
        status=_read(folder / "status.json", json.loads),
        steps=tuple(by_step[step] for step in sorted(by_step)),
        evaluations=tuple(_lines(folder / "gold.jsonl", _evaluation)),
        gold_ledger=gold_ledger if isinstance(gold_ledger, Mapping) else {},
        ledger=ledger if isinstance(ledger, Mapping) else {},
    )


def _step(line: Mapping[str, Any]) -> tuple[int, Mapping[str, float]]:
    """Keep the numbers of a step: what else stands there is nothing to draw."""
    of_numbers = {k: v for k, v in line.items() if v is None or isinstance(v, int | float)}
    return int(line["step"]), {k: number_or_nan(v) for k, v in of_numbers.items()}


def _evaluation(line: Mapping[str, Any]) -> Evaluation:
    prompt_ids = tuple(map(str, line["prompt_ids"]))
    rewards = {
        str(name): np.array([number_or_nan(value) for value in values])
        for name, values in line["rewards"].items()
    }
    for name, values in rewards.items():
        if len(values) != len(prompt_ids):
            raise ValueError(f"{len(values)} rewards {name!r} for {len(prompt_ids)} prompts")
    return Evaluation(int(line["step"]), str(line["judge"]), prompt_ids, rewards)


def _lines(path: Path, parse: Callable[[Any], Read]) -> list[Read]:
    """Read JSONL; a last line cut by a kill is skipped."""
    if not path.is_file():
        return []
    read = []
    for row in lines_so_far(path):
        try:
            read.append(parse(row.value))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}, line {row.number} cannot be read: {what}") from error
    return read


def _yaml(text: str) -> object:
    return parse_yaml(text, "config.yaml")


def _read(path: Path, parse: Callable[[str], object]) -> Mapping[str, object]:
    """Read a file of one table; an empty one where there is none."""
    if not path.is_file():
        return {}
    try:
        plain = parse(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise DataError(f"{path} is nested too deep") from None
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return plain if isinstance(plain, Mapping) else {}
