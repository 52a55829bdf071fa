"""The files of a training run: one place that knows their names and shapes.

OUT/config.yaml                what was asked, every default spelt out; not under `watch`
OUT/facts.json                 versions, data, plan, judge; under `watch` what of config is known
OUT/metrics.jsonl              a line per step
OUT/gold.jsonl                 a line for each look of the gold judge at held-out prompts
OUT/completions/*.parquet      answers with their verdicts
OUT/checkpoint-N/rubricbeat.json   judge ledger and what a resumed run needs
OUT/judge.json, gold_judge.json    what the judges were asked and cost
OUT/status.json                running, done, or why it stopped
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ...judges.data.json_rows import lines_so_far
from ...judges.errors import ConfigError
from ...judges.files import write_file, writing
from ...judges.registry import installed_version
from ...judges.scoring.plain_form import plain_form
from .config import TrainConfig
from .reward.batch import BatchScore

CONFIG, FACTS, STATUS = "config.yaml", "facts.json", "status.json"
METRICS, GOLD, COMPLETIONS = "metrics.jsonl", "gold.jsonl", "completions"
PROMPT_CHARS = 80
"""Of the last turn of a prompt, kept beside its answers."""
LEDGER, GOLD_LEDGER = "judge.json", "gold_judge.json"
CHECKPOINT = "rubricbeat.json"
LOCK = ".lock"
LIBRARIES = ("rubricbeat", "trl", "transformers", "torch", "peft", "datasets", "accelerate")


class RunFiles:
    """Writes the files of one run; only the process of rank 0 has one that writes."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        """Open a run's folder, making it where this process writes."""
        self.folder = folder
        self.writes = writes
        if writes:
            folder.mkdir(parents=True, exist_ok=True)

    def start(self, config: TrainConfig, facts: Mapping[str, object]) -> None:
        """Write what the run was asked to do."""
        if self.writes:
            text = yaml.safe_dump(config.to_json(), sort_keys=False, allow_unicode=True)
            write_file(self.folder / CONFIG, text)
            self.write_json(FACTS, facts)
            self.status("running")

    def status(self, state: str, **more: object) -> None:
        """Say how the run stands."""
        self.write_json(STATUS, {"state": state, **more})

    def write_json(self, name: str, plain: Mapping[str, object]) -> None:
        """Write a JSON file whole or not at all."""
        if self.writes:
            text = json.dumps(plain_form(plain), indent=1, sort_keys=True)
            write_file(self.folder / name, text + "\n")

    def append(self, name: str, line: Mapping[str, object]) -> None:
        """Add one line to a JSONL file, on disk before this returns."""
        if self.writes:
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(plain_form(line)) + "\n")

    def keep(self, name: str, is_kept: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the other lines of a JSONL file, whole or not at all."""
        path = self.folder / name
        if self.writes and path.is_file():
            kept = [line for line in read_lines(path) if is_kept(line)]
            write_file(path, "".join(json.dumps(line) + "\n" for line in kept))

    def cut_after(self, step: int) -> None:
        """Drop what a killed run wrote past the checkpoint it resumes from."""
        if not self.writes:
            return
        for name in (METRICS, GOLD):
            self.keep(name, lambda line: int(line["step"]) <= step)
        for path in (self.folder / COMPLETIONS).glob("step_*.parquet"):
            if int(path.stem.split("_")[1]) > step:
                path.unlink()

    def write_completions(self, step: int, batches: Sequence[BatchScore], rank: int) -> None:
        """Write the answers of a step with their verdicts; every process writes its own file."""
        folder = self.folder / COMPLETIONS
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(completion_rows(step, batches))
        if not rows:
            return
        import pandas as pd

        name = f"step_{step:06d}.parquet" if rank == 0 else f"step_{step:06d}_rank{rank}.parquet"
        with writing(folder / name) as file:
            pd.DataFrame(rows).to_parquet(file, index=False)


def completion_rows(step: int, batches: Iterable[BatchScore]) -> Iterator[dict[str, object]]:
    """Lay out answers as table rows; verdicts are JSON text, as result files hold them."""
    n_groups = 0
    for batch in batches:
        for i, graded in enumerate(batch.graded):
            group = batch.groups[batch.group_of[i]]
            verdicts = graded.verdicts
            counts = {
                "n_met": sum(one.met is True for one in verdicts),
                "n_levels": sum(one.level is not None for one in verdicts),
                "n_missing": sum(one.is_missing for one in verdicts),
            }
            rating = graded.ratings[0] if graded.ratings else None
            criteria = [
                {"text": c.text, "points": c.points, "polarity": c.polarity.value}
                for c in graded.example.rubric.criteria
            ]
            yield {
                "step": step,
                "prompt_id": graded.example.prompt_id,
                "prompt": graded.example.prompt[-1].content[:PROMPT_CHARS],
                "group": n_groups + batch.group_of[i],
                "completion": graded.answer,
                "reward": batch.unmasked[i],
                "trained_reward": batch.rewards[i],
                "masked": group.masked,
                "dead": None if group.dead is None else group.dead.value,
                **(counts if batch.asked.verdicts else dict.fromkeys(counts)),
                "n_criteria": len(verdicts),
                "rating": None if rating is None else rating.value,
                "rating_words": None if rating is None else _storable(rating.explanation),
                **{f"reward_alt/{name}": v[i] for name, v in batch.alternatives.items()},
                "verdicts": json.dumps([verdict.to_json() for verdict in verdicts]),
                "criteria": json.dumps(criteria),
            }
        n_groups += len(batch.groups)


def _storable(text: str) -> str:
    """Put "?" for half a surrogate pair, as a reply that was cut off holds one: no table has it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def library_versions() -> dict[str, str]:
    """Give the versions of what the numbers depend on."""
    found = {name: there for name in LIBRARIES if (there := installed_version(name)) is not None}
    return {"python": platform.python_version(), **found}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSONL file of a run; a last line cut by a kill is excluded.

    Raises:
        DataError: A line before the last is no JSON.
    """
    return [dict(row.object()) for row in lines_so_far(path)]


def read_facts(path: Path) -> dict[str, Any] | None:
    """Read a JSON file of a run; None where it is not there.

    Raises:
        ConfigError: It is no JSON.
    """
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON ({error}); put it back as it was") from error
    return found


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a second process out of a run's folder; the system lets go of it when this one ends."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another process is training in {folder}; wait for it, or end it first"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
