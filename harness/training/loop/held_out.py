"""The gold judge: a judge that does not train, on prompts that are not trained on.

The training judge's reward can rise while a better judge's falls; that is judge hacking, and only
a second judge shows it. Both judges see the same held-out answers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from transformers import TrainerCallback
from transformers import TrainerControl as Control
from transformers import TrainerState as State
from transformers import TrainingArguments as Args

from ....judges.data.conversations import chat_turns
from ....judges.errors import JudgeError
from ....judges.judge import Judge
from ....judges.rewards import get_reward
from ....judges.rubric import Example
from ...terminal import say
from ..policy.policy import generate_answers, own_random_state, sampling_of
from ..reward.batch import BatchScore, mean_of
from ..reward.graders import can_rate, gather, rank
from ..reward.reward import RubricReward
from ..run_files import GOLD, GOLD_LEDGER, RunFiles, read_facts, read_lines


class GoldJudge(TrainerCallback):
    """Grades held-out answers every few steps, before the first step and after the last."""

    def __init__(
        self,
        trainer: Any,
        reward: RubricReward,
        files: RunFiles,
        judge: str | Mapping[str, Any] | Judge,
        examples: Sequence[Example],
        *,
        first: str = "healthbench",
        every: int = 50,
        conversations: Sequence[Sequence[Mapping[str, str]]] = (),
        sampling: Mapping[str, object] | None = None,
    ) -> None:
        """Take a trainer with its reward and files, and of the looks what `watch` takes.

        Nothing is opened yet. The training judge looks under the limits it trains under.
        """
        self._trainer, self._files, self._examples, self._every = trainer, files, examples, every
        self._asked = conversations or [chat_turns(one.prompt) for one in examples]
        self._sampling = sampling
        self._judges: dict[str, RubricReward] = {}
        """By judge: what looks."""
        every_name = list(dict.fromkeys([first, *reward.names]))
        if names := _computable(every_name, judge):
            # one process grades, and no other asks this judge
            gold = RubricReward(judge, names[0], alternatives=names[1:], is_alone=True)
            self._judges["gold"] = gold
        if names := _computable(every_name, reward.judge):
            self._judges["training"] = reward.looking(names[0], names[1:])
        self._last_step: int | None = None
        self._looked_at: tuple[int, set[str]] = (-1, set())
        """The step of this start, and the judges whose look at it is in the file already."""

    def on_train_begin(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Look before the first step: without it there is no rise to speak of."""
        account = read_facts(self._files.folder / GOLD_LEDGER)
        if "gold" in self._judges and rank() == 0 and account is not None:
            self._judges["gold"].carry(account["gold"])  # of a run that is resumed
        step = state.global_step
        # what is missing was not stored, and may be had now
        self._files.keep(
            GOLD, lambda x: x["step"] != step or not (x.get("n_missing") or x.get("n_unrated"))
        )
        # rank 0 wrote them, and all generate or none
        path = self._files.folder / GOLD
        lines = read_lines(path) if path.is_file() else []
        looked_at = gather({line["judge"] for line in lines if line["step"] == step})[0]
        self._looked_at = step, looked_at
        if set(self._judges) <= looked_at:
            self._last_step = step
        else:
            self.on_step_end(args, state, control)

    def on_step_end(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Look every `gold.every` steps."""
        if state.global_step % self._every == 0:
            self._look(state.global_step)

    def on_train_end(self, args: Args, state: State, control: Control, **more: object) -> None:
        """Look at what the run left."""
        if self._last_step != state.global_step:
            self._look(state.global_step)

    def close(self) -> None:
        """Close the judge that only looks; the other one is the run's."""
        if "gold" in self._judges:
            self._judges["gold"].close()

    def _look(self, step: int) -> None:
        self._last_step = step
        args, tokenizer = self._trainer.args, self._trainer.processing_class
        sampling = sampling_of(args) if self._sampling is None else self._sampling
        # every process generates: sharded weights need them all; one of them grades
        with self._policy() as model:
            texts = generate_answers(model, tokenizer, self._asked, sampling, seed=args.seed)
        if rank() != 0:
            return
        for name, judge in self._judges.items():
            if step == self._looked_at[0] and name in self._looked_at[1]:
                continue
            try:
                with own_random_state(args.seed):
                    batch = judge.score(None, [t[0] for t in texts], self._examples, step=step)
            except JudgeError as error:
                say(f"warning: no verdicts from the {name} judge at step {step}: {error}")
                continue
            rewards = {judge.trained.name: batch.unmasked, **batch.alternatives}
            line = _line(step, name, rewards, batch)
            self._files.append(GOLD, line)
            self._report(name, line["means"])
        # the other judge's looks are in the ledger of the training, whose limits they keep
        if "gold" in self._judges:
            self._files.write_json(GOLD_LEDGER, {"gold": self._judges["gold"].facts()})

    def _report(self, judge: str, means: dict[str, float | None]) -> None:
        """Tell TensorBoard, W&B and the like, past the trainer's own `log`.

        That one would take the averages of the step that is not logged yet with it (TRL 1.16).
        """
        known = {f"held_out/{judge}/{name}": x for name, x in means.items() if x is not None}
        trainer = self._trainer
        # a copy: the handler takes `should_log` back, and the step's own log would be missing, on
        # this process alone: the others would wait for it in a collective call
        control = copy.copy(trainer.control)
        trainer.callback_handler.on_log(trainer.args, trainer.state, control, known)

    def _policy(self) -> AbstractContextManager[Any]:
        """Give the bare model, its weights gathered where ZeRO-3 has spread them."""
        from trl.models.utils import unwrap_model_for_generation

        trainer = self._trainer
        return unwrap_model_for_generation(
            trainer.model_wrapped,
            trainer.accelerator,
            gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
        )


def _computable(names: list[str], judge: str | Mapping[str, Any] | Judge) -> list[str]:
    """Leave out the rewards that need a rating where the judge gives none."""
    if can_rate(judge):
        return names
    return [name for name in names if get_reward(name).needs != "rating"]


def _line(
    step: int, judge: str, rewards: dict[str, tuple[float | None, ...]], batch: BatchScore
) -> dict[str, Any]:
    graded, asked = batch.graded, batch.asked
    n_missing = sum(v.is_missing for answer in graded for v in answer.verdicts)
    return {
        "step": step,
        "judge": judge,
        "n": len(graded),
        "n_missing": n_missing if asked.verdicts else 0,
        "n_unrated": sum(one.ratings[0].value is None for one in graded) if asked.ratings else 0,
        "chars": mean_of(batch.chars),
        "means": {name: mean_of(values) for name, values in rewards.items()},
        # per prompt, so that a report can pair steps and draw intervals over prompts
        "prompt_ids": [answer.example.prompt_id for answer in graded],
        "rewards": {name: list(values) for name, values in rewards.items()},
    }
