"""What happens between the steps: metrics, and the ledger beside each checkpoint.

TRL's trainer is not subclassed; everything of ours hangs on the callbacks transformers offers.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ....judges.engine.options import added_facts
from ....judges.files import write_file
from ..reward.batch import BatchScore, StepShare, step_line, with_trainer_logs
from ..reward.graders import gather, rank, world_size
from ..reward.reward import RubricReward
from ..run_files import CHECKPOINT, LEDGER, METRICS, RunFiles


class StepRecorder(TrainerCallback):
    """Writes a line a step, and the table of completions every few steps."""

    def __init__(
        self,
        reward: RubricReward,
        files: RunFiles,
        completions_every: int,
        *,
        n_epochs: float = 1.0,
    ) -> None:
        """Take the reward whose batches are collected, and where they go.

        Args:
            reward: Whose batches these are.
            files: Of the run.
            completions_every: Steps between two tables of completions; 0 for none.
            n_epochs: Times the run asks every prompt. The trainer sees the rows of all of them as
                one epoch.
        """
        self._n_epochs = n_epochs
        # collected after every step, so that none is forgotten, however many rounds a step has
        reward.batches = deque(reward.batches)
        self._reward = reward
        self._files = files
        self._completions_every = completions_every
        self._line: dict[str, Any] | None = None

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Write the line of the step before, in case nothing was logged for it."""
        self._flush()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Pool what the processes scored in this step."""
        batches = _collect(self._reward)
        step = state.global_step
        self._line = step_line(step, gather(StepShare.of(batches))) if batches else {"step": step}
        every = self._completions_every
        if every and batches and (step == 1 or step % every == 0):
            self._files.write_completions(step, batches, rank())

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Add the trainer's own numbers of the step, and write the line."""
        if self._line is not None and logs is not None and "loss" in logs:
            self._line = with_trainer_logs(self._line, logs)
            if self._line.get("epoch") is not None:
                self._line["epoch"] *= self._n_epochs
            if "judge_s" in self._line:
                _say(self._line, state.max_steps)
            self._flush()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Have every line up to a checkpoint on disk when the checkpoint is."""
        self._flush()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Write the last line."""
        self._flush()

    def _flush(self) -> None:
        if self._line is not None:
            self._files.append(METRICS, self._line)
            self._line = None


class Ledger(TrainerCallback):
    """Keeps the account of what the judge did and cost, and our own state beside each checkpoint.

    The account is written after every step: what was paid between a checkpoint and a kill was
    paid, although the steps are made again.
    """

    def __init__(self, reward: RubricReward, files: RunFiles) -> None:
        """Take the reward whose graders keep the ledger."""
        self._reward = reward
        self._files = files

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Write what the look before the first step cost."""
        self._write()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Write the account so far."""
        self._write()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Write the ledger beside the checkpoint: rank 0 that of the run, others their own."""
        ledger = ledger_of_all(self._reward)  # of every process, before one of them returns
        folder = Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        if not folder.is_dir():
            return
        plain = {
            "step": state.global_step,
            "processes": world_size(),
            "ledger": ledger if rank() == 0 else self._reward.facts(),
            "reward_state": self._reward.state(),
        }
        name = CHECKPOINT if rank() == 0 else f"rubricbeat_rank{rank()}.json"
        # whole or not at all: a checkpoint that lacks it is not taken for a whole one
        write_file(folder / name, json.dumps(plain, indent=1, default=str))

    def _write(self) -> None:
        account = ledger_of_all(self._reward)  # every process
        if account:
            self._files.write_json(LEDGER, account)


def ledger_of_all(reward: RubricReward) -> dict[str, Any]:
    """Give the judge's account over all processes; a collective call."""
    each = gather(reward.facts())
    names = dict.fromkeys(name for facts in each for name in facts)
    return {name: added_facts([facts[name] for facts in each if name in facts]) for name in names}


def take_up_account(reward: RubricReward, folder: Path, checkpoint: Path | None) -> None:
    """Go on with a run's account: that of its last step, or else that beside the checkpoint.

    It is the account of all processes, and one of them goes on with it.
    """
    if rank() != 0:
        return
    if (folder / LEDGER).is_file():
        reward.carry(json.loads((folder / LEDGER).read_text(encoding="utf-8")))
    elif checkpoint is not None and (checkpoint / CHECKPOINT).is_file():
        beside = json.loads((checkpoint / CHECKPOINT).read_text(encoding="utf-8"))
        reward.carry(beside["ledger"])


def load_reward_state(reward: RubricReward, checkpoint: Path) -> None:
    """Take up what `Ledger` left beside a checkpoint."""
    name = CHECKPOINT if rank() == 0 else f"rubricbeat_rank{rank()}.json"
    path = checkpoint / name
    if path.is_file():
        reward.load_state(json.loads(path.read_text(encoding="utf-8"))["reward_state"])
        return
    print(
        f"rubricbeat: warning: {path} is missing: the judge's noise is measured anew from here",
        file=sys.stderr,
    )


def _say(line: dict[str, Any], max_steps: int) -> None:
    """Tell how the run stands: every step on a terminal, twenty times a run elsewhere."""
    step = line["step"]
    is_due = sys.stderr.isatty() or step in {1, max_steps} or step % max(1, max_steps // 20) == 0
    if rank() == 0 and is_due and line["reward"] is not None:
        print(
            f"step {step}/{max_steps}  reward {line['reward']:.3f}  "
            f"dead groups {line['dead_frac']:.0%}  unscored {line['unscored']} of "
            f"{line['answers']}{_time_words(line)}",
            file=sys.stderr,
        )


def _collect(reward: RubricReward) -> list[BatchScore]:
    batches = list(reward.batches)
    reward.batches.clear()
    return batches


def _time_words(line: Mapping[str, Any]) -> str:
    """Say how long the step took and the judge's share of it; nothing where it was not timed."""
    share, seconds = line.get("judge_share"), line.get("step_s")
    if share is None or seconds is None:
        return ""
    return f"  judge {share:.0%} of {seconds:.2f} s"
