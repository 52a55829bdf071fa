"""What happens around the steps: rewards, metrics, and the ledger beside each checkpoint.

TRL's trainer is not subclassed; everything of ours hangs on the callbacks transformers offers.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import length_hint
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers import TrainerControl as Control
from transformers import TrainerState as State
from transformers import TrainingArguments as Args
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ....judges.engine.options import added_facts
from ....judges.errors import ConfigError, OutageError
from ....judges.files import write_file
from ...terminal import say
from ..prompt_order import PromptOrder
from ..reward.batch import step_line, with_trainer_logs
from ..reward.columns import AxisReward
from ..reward.graders import gather, rank, world_size
from ..reward.reward import RubricReward, finished
from ..run_files import (
    CHECKPOINT,
    CONFIG,
    FACTS,
    LEDGER,
    METRICS,
    RunFiles,
    library_versions,
    read_facts,
)

SETTINGS = (
    "scale_rewards", "num_generations", "max_completion_length", "learning_rate", "beta",
    "temperature", "loss_type",
)  # fmt: skip
"""Arguments of TRL's trainer that a page names."""


class StepRecorder(TrainerCallback):
    """Writes a line per step, and the table of completions every few steps."""

    def __init__(
        self,
        reward: RubricReward,
        files: RunFiles,
        completions_every: int,
        *,
        n_epochs: float = 1.0,
        order: PromptOrder | None = None,
    ) -> None:
        """Take the reward whose batches are collected, and where they go.

        `completions_every` 0 is for no tables. `n_epochs` is how often the run asks every prompt,
        whose rows the trainer sees as one epoch. The order is told which groups were dead.
        """
        self._n_epochs, self._order = n_epochs, order
        # collected after every step, so that none is forgotten, however many rounds a step has
        reward.batches = deque(reward.batches)
        self._reward, self._files = reward, files
        self._completions_every = completions_every
        self._line: dict[str, float | None] | None = None

    def on_train_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Drop what a killed run wrote past the checkpoint it goes on from.

        Raises:
            ConfigError: Another training by a script of one's own left its files here.
        """
        folder = self._files.folder
        is_new = not state.global_step and not (folder / CONFIG).is_file()
        if is_new and (folder / METRICS).is_file():
            raise ConfigError(
                f"{folder} holds {METRICS} of another training, which this one would write over; "
                "give resume_from_checkpoint, or take another folder"
            )
        # from the start not even the look before the first step stays
        self._files.cut_after(state.global_step or -1)

    def on_step_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Write the line of the step before, in case nothing was logged for it."""
        self._flush()

    on_save = on_train_end = on_step_begin  # every line up to a checkpoint is on disk when it is

    def on_step_end(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Pool what the processes scored in this step."""
        batches = list(self._reward.batches)
        self._reward.batches.clear()
        step = state.global_step
        self._line = {"step": step}
        if batches:
            # without the answers themselves: small enough to send
            each = gather([replace(batch, graded=()) for batch in batches])
            self._line = step_line(step, each)
            if self._order is not None:
                self._order.tell(group for some in each for one in some for group in one.groups)
                self._line["resting"] = self._order.n_resting
        every = self._completions_every
        if every and batches and (step == 1 or step % every == 0):
            self._files.write_completions(step, batches, rank())

    def on_log(self, args: Args, state: State, control: Control, **more: Any) -> None:
        """Add the trainer's own numbers of the step, and write the line."""
        logs = more.get("logs") or {}
        if self._line is not None and "loss" in logs:
            self._line = with_trainer_logs(self._line, logs)
            if (epoch := self._line.get("epoch")) is not None:
                self._line["epoch"] = epoch * self._n_epochs
            if "judge_s" in self._line:
                _say(self._line, state.max_steps)
            self._flush()

    def _flush(self) -> None:
        if self._line is not None:
            self._files.append(METRICS, self._line)
            self._line = None


class LossRecorder(TrainerCallback):
    """Writes a line per step of a warm start, where nothing is judged."""

    def __init__(self, files: RunFiles) -> None:
        """Take where the lines go."""
        self._files = files

    def on_train_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Drop the lines past the checkpoint that the run goes on from."""
        self._files.cut_after(state.global_step or -1)

    def on_log(self, args: Args, state: State, control: Control, **more: Any) -> None:
        """Write what the trainer says of the step."""
        logs = more.get("logs") or {}
        if "loss" in logs:
            keys = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "epoch")
            line = {key: float(logs[key]) for key in keys if key in logs}
            self._files.append(METRICS, {"step": state.global_step, **line})


class ScriptFacts(TrainerCallback):
    """Writes what is known of a training by a script of one's own, which has no config.yaml."""

    def __init__(self, trainer: Any, reward: RubricReward, files: RunFiles, gold: str) -> None:
        """Take the trainer, its reward, and the reward by which the gold judge's verdicts count."""
        self._trainer, self._reward, self._files, self._gold = trainer, reward, files, gold
        self._is_ours = False
        """Whether `rubricbeat train` wrote it all before the training began."""

    def on_train_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Write the settings, the policy and the plan."""
        self._is_ours = (self._files.folder / CONFIG).is_file()
        if self._is_ours:
            return
        model = self._trainer.model
        answers = args.per_device_train_batch_size * args.gradient_accumulation_steps
        grpo = {name: getattr(args, name, None) for name in SETTINGS}
        grpo["prompts_per_step"] = answers * args.world_size // (grpo["num_generations"] or 1)
        name = getattr(model.config, "_name_or_path", "") or type(model).__name__
        facts = {
            "kind": "grpo",
            "config": {
                "reward": {"name": self._reward.names[0]},
                "grpo": grpo,
                "gold": {"reward": self._gold},
                "run": {"seed": args.seed},
            },
            "data": {"n_train": length_hint(self._trainer.train_dataset, 0) or None},
            "policy": {"name": name, "parameters": sum(x.numel() for x in model.parameters())},
            "plan": {"max_steps": state.max_steps},
            "versions": library_versions(),
        }
        self._files.write_json(FACTS, facts)
        self._files.status("running")

    def on_train_end(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Say whether the training came to its end."""
        if not self._is_ours:
            is_done = state.global_step >= state.max_steps
            self._files.status("done" if is_done else "interrupted")


class StoppingReward:
    """The reward as a run's trainer calls it: at an outage it raises in every process, or in none.

    One process that raised alone would leave the others waiting for it. Not async, because TRL runs
    those in a thread of its own, where a collective call would not find this process's device.
    """

    def __init__(self, reward: RubricReward | AxisReward) -> None:
        """Take the reward to call."""
        self._reward = reward
        self.__name__ = reward.__name__

    def __call__(
        self, prompts: Sequence[object], completions: Sequence[object], **columns: object
    ) -> list[float | None]:
        """Give the reward of each completion.

        Raises:
            OutageError: Of the first process that has none to give.
        """
        rewards: list[float | None] = []
        said: str | None = None
        try:
            rewards = finished(self._reward(prompts, completions, **columns))
        except OutageError as error:
            said = str(error)
        for reason in gather(said):
            if reason is not None:
                raise OutageError(reason)
        return rewards


class JudgeAccount(TrainerCallback):
    """Keeps the account of what the judge did and cost, and our own state beside each checkpoint.

    The account is written after every step: what was paid between a checkpoint and a kill was
    paid, although the steps are made again.
    """

    def __init__(
        self, reward: RubricReward, files: RunFiles, order: PromptOrder | None = None
    ) -> None:
        """Take the reward whose graders keep the ledger, and the order of the prompts."""
        self._reward, self._files, self._order = reward, files, order

    def on_train_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Go on with a run that is resumed: its account, the judge's noise, the order of prompts.

        The account is that of the last step, or else the one beside the checkpoint. It is of all
        processes, and one of them goes on with it.
        """
        account = read_facts(self._files.folder / LEDGER)
        beside = checkpoint_folder(args, state.global_step) / _own_name()
        left = read_facts(beside) if state.global_step else None
        if rank() == 0 and (account or left):
            self._reward.carry(account or (left or {})["ledger"])
        if left is not None:
            self._reward.load_state(left["reward_state"])
            if self._order is not None and left.get("order"):
                self._order.load_state(left["order"])
        elif state.global_step:
            say(
                f"warning: {beside} is missing: the judge's noise is measured again from here, and "
                "no prompt rests yet"
            )
        write_account(self._reward, self._files)  # with what the first look cost

    def on_step_end(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Write the account so far."""
        write_account(self._reward, self._files)

    def on_save(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Write the ledger beside the checkpoint: rank 0 that of the run, others their own."""
        ledger = ledger_of_all(self._reward)  # of every process, before one of them returns
        folder = checkpoint_folder(args, state.global_step)
        if not folder.is_dir():
            return
        plain = {
            "step": state.global_step,
            "processes": world_size(),
            "ledger": ledger if rank() == 0 else self._reward.facts(),
            "reward_state": self._reward.state(),
            "order": None if self._order is None else self._order.state(),
        }
        # whole or not at all: a checkpoint that lacks it is not taken for a whole one
        write_file(folder / _own_name(), json.dumps(plain, indent=1, default=str))


def write_account(reward: RubricReward, files: RunFiles) -> None:
    """Write what the judge was asked and cost so far, over all processes; a collective call."""
    if account := ledger_of_all(reward):
        files.write_json(LEDGER, account)


def ledger_of_all(reward: RubricReward) -> dict[str, object]:
    """Give the judge's account over all processes; a collective call."""
    each = gather(reward.facts())
    names = dict.fromkeys(name for facts in each for name in facts)
    return {name: added_facts([facts[name] for facts in each if name in facts]) for name in names}


def checkpoint_folder(args: Args, step: int) -> Path:
    """Give where the trainer saves its state after a step."""
    return Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{step}"


def _own_name() -> str:
    return CHECKPOINT if rank() == 0 else f"rubricbeat_rank{rank()}.json"


def _say(line: Mapping[str, Any], max_steps: int) -> None:
    """Tell how the run stands: every step on a terminal, twenty times a run elsewhere."""
    step = line["step"]
    is_due = sys.stderr.isatty() or step in {1, max_steps} or step % max(1, max_steps // 20) == 0
    if rank() != 0 or not is_due or line["reward"] is None:
        return
    share, seconds = line.get("judge_share"), line.get("step_s")
    is_timed = share is not None and seconds is not None
    print(
        f"step {step}/{max_steps}  reward {line['reward']:.3f}  dead groups "
        f"{line['dead_frac']:.0%}  unscored {line['unscored']} of {line['answers']}"
        + (f"  resting {line['resting']} prompts" if line.get("resting") else "")
        + (f"  judge {share:.0%} of {seconds:.2f} s" if is_timed else ""),
        file=sys.stderr,
    )
