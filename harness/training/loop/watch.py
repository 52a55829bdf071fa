"""Hang what we keep of a run on a trainer of TRL's own; nothing is subclassed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....judges.errors import ConfigError
from ....judges.judge import Judge
from ....judges.rubric import Example
from ..reward.columns import AxisReward
from ..reward.graders import rank
from ..reward.reward import RubricReward
from ..run_files import RunFiles

if TYPE_CHECKING:
    from ..prompt_order import PromptOrder
    from .held_out import GoldJudge


def watch(
    trainer: Any,
    *,
    gold: str | Mapping[str, Any] | Judge | None = None,
    held_out: Sequence[Example] = (),
    gold_reward: str = "healthbench",
    every: int = 50,
    conversations: Sequence[Sequence[Mapping[str, str]]] = (),
    sampling: Mapping[str, object] | None = None,
    completions_every: int = 10,
    n_epochs: float = 1.0,
    order: PromptOrder | None = None,
) -> GoldJudge | None:
    """Keep account of a training by a trainer of TRL's whose one reward is a RubricReward.

    A line per step, the settings, the answers with their verdicts, the judge's account and cost,
    looks by a judge that does not train; and in an outage of one process all of them stop. The
    files go into the trainer's own folder, and `rubricbeat report` reads them.

    Args:
        trainer: A GRPOTrainer, as it was built.
        gold: A judge that does not train, as `open_grader` takes it; None for no looks.
        held_out: Prompts that are not trained on, for the looks.
        gold_reward: By which the gold judge's verdicts count first.
        every: Steps from one look to the next.
        conversations: How the policy is asked; the prompts of `held_out` as they are where empty.
        sampling: For `generate` in a look; as in training where None.
        completions_every: Steps between two tables of answers; 0 for none.
        n_epochs: Times the run asks every prompt, where its rows hold them all.
        order: What the trainer's sampler draws from, to be told which groups were dead.

    Returns:
        The gold judge, to be closed after the training; None without looks.

    Raises:
        ConfigError: The trainer's rewards are others, or there is nothing to look at.
    """
    from .callbacks import JudgeAccount, ScriptFacts, StepRecorder, StoppingReward
    from .held_out import GoldJudge

    functions = list(trainer.reward_funcs)
    rewards = {id(found): found for one in functions if (found := _reward_of(one)) is not None}
    if len(rewards) != 1 or any(_reward_of(one) is None for one in functions):
        raise ConfigError(
            "watch needs a trainer whose only reward is a RubricReward, or its axis_rewards: "
            "beside another one TRL counts a missing reward as 0; give others as alternatives="
        )
    [reward] = rewards.values()
    if gold is not None and not held_out:
        raise ConfigError("watch: a gold judge needs held_out, prompts that are not trained on")
    trainer.reward_funcs[:] = [StoppingReward(one) for one in functions]
    files = RunFiles(Path(str(trainer.args.output_dir)), writes=rank() == 0)
    _quiet_missing_rewards()
    recorder = StepRecorder(reward, files, completions_every, n_epochs=n_epochs, order=order)
    trainer.add_callback(recorder)
    trainer.add_callback(ScriptFacts(trainer, reward, files, gold_reward))
    # the gold judge generates with the trainer's own model; then the ledger, which counts its looks
    judge = None
    if gold is not None:
        judge = GoldJudge(
            trainer,
            reward,
            files,
            gold,
            held_out,
            first=gold_reward,
            every=every,
            conversations=conversations,
            sampling=sampling,
        )
        trainer.add_callback(judge)
    trainer.add_callback(JudgeAccount(reward, files, order))
    return judge


def _reward_of(function: object) -> RubricReward | None:
    """Find what a reward function of a trainer asks; None where it is not ours."""
    if isinstance(function, RubricReward):
        return function
    return function.reward if isinstance(function, AxisReward) else None


class _NoRowsInLogs(logging.Filter):
    """Keeps TRL from printing prompt and completion of each answer without a reward.

    What is masked is in `metrics.jsonl` and in the completions; prompts may be private.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        # accelerate puts the rank in front
        return "All reward functions returned None" not in str(record.msg)


def _quiet_missing_rewards() -> None:
    logger = logging.getLogger("trl.trainer.grpo_trainer")
    if not any(isinstance(known, _NoRowsInLogs) for known in logger.filters):
        logger.addFilter(_NoRowsInLogs())
