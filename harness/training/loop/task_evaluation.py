"""Evaluate checkpoints by the very lm-eval task one runs by hand: `rubricbeat run`, as a process.

A process of its own has its own random state and its own memory, and its result files are those of
any other run: `rubricbeat compare` reads them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import TrainerCallback
from transformers import TrainerControl as Control
from transformers import TrainerState as State
from transformers import TrainingArguments as Args

from ....judges.files import write_file
from ...terminal import say
from ..config import options_of
from ..data import instruction_of
from ..reward.graders import rank
from ..run_files import RunFiles
from .callbacks import checkpoint_folder

if TYPE_CHECKING:
    from ..checks.plan import Prepared
    from ..config import TrainConfig

FOLDER = "evaluation"
JUDGE_FILE = "judge_options.json"
WEIGHTS = ("adapter_config.json", "*.safetensors", "*.safetensors.index.json", "*.bin")
"""One of these is in a checkpoint that holds the policy in one piece."""
LAUNCHED = re.compile(
    r"(LOCAL_|GROUP_|ROLE_|NODE_)?(RANK|WORLD_SIZE)|MASTER_(ADDR|PORT)|ROLE_NAME|CROSS_(RANK|SIZE)"
    r"|FORK_LAUNCHED|(ACCELERATE|FSDP|PARALLELISM_CONFIG|TORCHELASTIC|OMPI|PMI|PMIX|MV2|MPI)_\w+"
)
"""Names by which launchers tell a process that it is one of several."""


class TaskEvaluation(TrainerCallback):
    """Runs the tasks on checkpoints; a failed evaluation does not end the training.

    The steps are paid for, and an evaluation can be made up for by hand; the command tells at its
    end which ones failed, and exits with 1.
    """

    def __init__(self, prepared: Prepared, files: RunFiles) -> None:
        """Take what to run, and where its results go."""
        self.failed: dict[int, str] = {}
        """By step: what became of an evaluation that did not end well."""
        self._config = prepared.config
        self._files = files

    def on_train_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Make up for an evaluation that a kill cut off, of the checkpoint resumed from."""
        output = self._output(state.global_step)
        if state.global_step > 0 and not any(output.rglob("results_*.json")):
            self.on_save(args, state, control)

    def on_save(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Evaluate a checkpoint when it is due."""
        every, step = self._config.eval.every, state.global_step
        is_due = step >= state.max_steps or (every and step % every == 0)
        checkpoint = checkpoint_folder(args, step)
        if rank() != 0 or not is_due or not checkpoint.is_dir():
            return
        self.failed.pop(step, None)
        why = self._run(checkpoint, self._output(step), step)
        if why is not None:
            self.failed[step] = why
            say(f"evaluation at step {step} {why}")

    def _run(self, checkpoint: Path, output: Path, step: int) -> str | None:
        """Evaluate; give why that did not end well, or None."""
        if not any(any(checkpoint.glob(name)) for name in WEIGHTS):
            return f"failed: {checkpoint} holds its weights in parts, which lm-eval cannot load"
        command = evaluation_command(self._config, checkpoint, output, step)
        output.mkdir(parents=True, exist_ok=True)
        log = output.with_suffix(".log")
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, env=alone(os.environ)
            )
        if done.returncode == 0:
            return None
        what = "is incomplete" if done.returncode == 1 else "failed"
        return f"{what} (exit {done.returncode}): {_last_word(log)}; see {log}"

    def told(self) -> bool:
        """Say at the end of the run which evaluations did not end well; True where all did."""
        for step, why in sorted(self.failed.items()):
            say(f"the evaluation at step {step} {why}")
        if self.failed:
            n = len(self.failed)
            say(f"the training is done; {n} of its evaluations are not, so the exit code is 1")
        return not self.failed

    def _output(self, step: int) -> Path:
        return self._files.folder / FOLDER / f"step_{step:06d}"


def alone(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what a launcher told this process of the others.

    A child that had it would wait for as many children as there are processes.
    """
    return {name: value for name, value in environment.items() if not LAUNCHED.fullmatch(name)}


def evaluation_command(config: TrainConfig, checkpoint: Path, output: Path, step: int) -> list[str]:
    """Word the evaluation of one checkpoint as the command one would type.

    Options of the judge go through a file beside the results, and those of the model and its
    generation as JSON: lists and mappings arrive as they stand in the configuration.
    """
    command = [sys.executable, "-m", "rubricbeat", "run", "--tasks", *config.eval.tasks]
    command += ["--model", "hf", "--model_args", _json(_model_args(config, checkpoint))]
    command += ["--apply_chat_template", "--output_path", str(output)]
    command += ["--run", f"{config.run.label or Path(config.run.output_dir).name}@{step}"]
    options = options_of(config.judge if config.eval.judge is None else config.eval.judge)
    command += ["--judge", str(options.pop("name"))]
    if options:
        output.mkdir(parents=True, exist_ok=True)
        path = output / JUDGE_FILE
        write_file(path, _json(options))
        command += ["--judge_args", str(path)]
    if config.eval.gen_kwargs:
        command += ["--gen_kwargs", _json(config.eval.gen_kwargs)]
    if config.eval.limit is not None:
        command += ["--limit", str(config.eval.limit)]
    instruction = instruction_of(config.data)
    if instruction is not None:  # asked as in training
        command += ["--system_instruction", instruction]
    if config.run.use_cpu:
        command += ["--device", "cpu"]
    return command


def _model_args(config: TrainConfig, checkpoint: Path) -> dict[str, object]:
    given: dict[str, object] = {"pretrained": str(checkpoint), "dtype": config.model.dtype}
    adapter = checkpoint / "adapter_config.json"
    if adapter.is_file():
        base = json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
        given |= {"pretrained": base, "peft": str(checkpoint), "tokenizer": str(checkpoint)}
    if config.model.trust_remote_code:
        given["trust_remote_code"] = True
    return given


def _json(options: Mapping[str, object]) -> str:
    return json.dumps(options, ensure_ascii=False, allow_nan=False)


def _last_word(log: Path) -> str:
    """Give the last line of ours in a log: the error in one line, or what is missing."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    ours = [line for line in lines if line.startswith("rubricbeat")]
    last = (ours or [line for line in lines if line.strip()] or ["nothing was said"])[-1]
    return last.removeprefix("rubricbeat: ")[:500]
