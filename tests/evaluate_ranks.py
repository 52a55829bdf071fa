"""lm-eval with our task, in one process or as each of several: `accelerate launch` runs this file.

Writes what it found, and how often its judge was asked, into the folder it is given.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import lm_eval.evaluator
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.tasks.lm_eval_adapter import tasks_folder


class Ranked(HFLM):
    """As HFLM is with several GPUs; without one it leaves the ranks alone (0.4.13)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if "RANK" in os.environ:
            from accelerate import Accelerator

            self.accelerator = Accelerator()
            self._rank = self.accelerator.process_index
            self._world_size = self.accelerator.num_processes


def run(folder: Path, name: str, model: type[HFLM]) -> None:
    """Evaluate the folder's model on its rows."""
    n_asked = 0

    def says(question: Any) -> bool | None:
        nonlocal n_asked
        if question.example.prompt_id == "made-up-1":
            return None
        n_asked += 1
        words = question.criterion.text + question.answer
        return hashlib.sha1(words.encode()).digest()[0] % 2 == 0

    manager = TaskManager(
        include_path=str(tasks_folder()),
        include_defaults=False,
        metadata={"data": str(folder / "rows.jsonl"), "judge": ScriptedJudge(says)},
    )
    results = simple_evaluate(
        model=model(pretrained=str(folder / "model"), device="cpu", batch_size=1),
        tasks=["rubric_judge"],
        task_manager=manager,
        apply_chat_template=True,
        gen_kwargs={"max_gen_toks": 8},
    )
    rank = os.environ.get("RANK", "0")
    (folder / f"asked-{name}-{rank}").write_text(str(n_asked))
    if results is not None:
        keep = {key: results[key] for key in ("results", "configs", "samples")}
        (folder / f"{name}.json").write_text(json.dumps(keep, default=str))


if __name__ == "__main__":
    lm_eval.evaluator.add_env_info = lambda results: None
    run(Path(sys.argv[1]), "launched", Ranked)
    run(Path(sys.argv[1]), "spare", HFLM)
