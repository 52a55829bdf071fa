"""Build a GRPO run over TRL's own trainer: checks first, then data, then weights."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ....judges.errors import ConfigError
from ....judges.rubric import Example
from ...terminal import say
from ..checks.judges import check_judges, check_seen, judge_options
from ..checks.plan import BatchPlan, Prepared, check_save_steps, plan_run
from ..checks.settings import (
    check_output_dir,
    check_policy,
    check_reward,
    check_values,
    check_warm_start,
)
from ..config import GrpoSection, SftSection, TrainConfig
from ..contamination import evaluation_prompts
from ..data import TrainingData, load_data, messages_of, sample_examples
from ..policy.policy import (
    load_model,
    load_tokenizer,
    lora_config,
    policy_facts,
    prompt_lengths,
    quiet_libraries,
    sampling_of,
    set_threads,
)
from ..policy.turns import VALUES, as_answered
from ..prompt_order import OrderedSampler, PromptOrder
from ..reward.graders import rank, world_size
from ..reward.reward import RubricReward
from ..run_files import CHECKPOINT, RunFiles, library_versions, read_facts
from .watch import watch

if TYPE_CHECKING:
    from .held_out import GoldJudge
    from .task_evaluation import TaskEvaluation

OURS = {"prompts_per_step", "batch_size", "micro_batch", "warmup_ratio", "num_train_epochs", "trl"}
"""Keys of `grpo` and `sft` that TRL does not have, or that are worded otherwise for it."""
EVALUATION_S = 86_400
"""The longest that an evaluation may keep the other processes waiting."""


@dataclass(frozen=True)
class GrpoRun:
    """A trainer ready to train, and the parts of ours that hang on it."""

    trainer: Any
    reward: RubricReward
    files: RunFiles
    prepared: Prepared
    gold: GoldJudge | None = None
    evaluation: TaskEvaluation | None = None
    """Of checkpoints, by tasks; None where none is asked for."""

    def close(self) -> None:
        """Close the judges; everything that was paid for is stored already."""
        self.reward.close()
        if self.gold is not None:
            self.gold.close()


def build_grpo_trainer(config: TrainConfig, *, model: Any = None) -> Any:
    """Build TRL's GRPOTrainer with our reward, data and callbacks; it is not a subclass.

    Args:
        config: What to train; checked in full before a weight is loaded.
        model: A policy to use instead of loading `config.model`.
    """
    return build_grpo(prepare(config), model=model).trainer


def prepare(config: TrainConfig, *, resume: bool = False, trains: bool = True) -> Prepared:
    """Answer every question that needs no weights.

    Args:
        config: What to train.
        resume: The output folder may hold this run already.
        trains: A trainer is to be built here. A dry run needs no GPU for one that will have it.

    Raises:
        ConfigError: Something cannot work; the message says what and how to mend it.
    """
    check_values(config)
    check_reward(config)
    check_output_dir(config, resume)
    policy = policy_facts(config.model)
    tokenizer, data = load_prompts(config)
    config = as_answered(config, tokenizer)
    if config.gold.judge is not None and not data.held_out:
        raise ConfigError(
            f"gold.judge has no held-out prompts: data.held_out {config.data.held_out:g} of "
            f"{data.facts['n_train'] + data.facts['n_sft']} prompts is none; raise data.held_out, "
            "or set data.held_out_path"
        )
    check_warm_start(config.model, data)
    longest = max(prompt_lengths(tokenizer, [*data.train, *data.held_out], config.data))
    check_policy(config, policy, longest)
    plan = plan_run(config.grpo, len(data.train), world_size())
    check_save_steps(config.run.save_steps, plan)
    # before the weights: ZeRO-3 shards them while they load, once the arguments have said so
    arguments = grpo_arguments(config, plan, tokenizer) if trains else None
    if rank() == 0:
        for words in check_seen(config, data):
            say(words)
        check_judges(config, data.train[0])
    return Prepared(config, policy, tokenizer, data, plan, longest, arguments)


def load_prompts(config: TrainConfig) -> tuple[Any, TrainingData]:
    """Load the tokenizer and the data, each of which needs the other for its filters."""
    asked = evaluation_prompts(config.eval.tasks)
    values, is_tiny = config.grpo.trl.get(VALUES), config.model.name == "tiny"
    tokenizer = None if is_tiny else load_tokenizer(config.model, (), values)

    def count(example: Example) -> int:
        if is_tiny:  # whose tokens are words, and two marks a turn
            return sum(len(turn.content.split()) + 2 for turn in example.prompt)
        return prompt_lengths(tokenizer, [example], config.data)[0]

    data = load_data(config.data, count_tokens=count, evaluated_by=asked)
    if is_tiny:
        everything = [*data.train, *data.held_out, *data.sft]
        tokenizer = load_tokenizer(config.model, everything, values)
    return tokenizer, data


def build_grpo(prepared: Prepared, *, model: Any = None) -> GrpoRun:
    """Load the weights and put the trainer together."""
    from transformers import PrinterCallback
    from trl.trainer.grpo_trainer import GRPOTrainer

    config, plan = prepared.config, prepared.plan
    set_threads(config.run.threads)
    reward = build_reward(prepared)
    with quiet_libraries():
        trainer = GRPOTrainer(
            model=model or load_model(config.model, prepared.tokenizer, seed=config.run.seed),
            reward_funcs=cast(Any, reward),  # it declares plain functions only
            args=prepared.arguments,
            train_dataset=prompt_rows(prepared),
            processing_class=prepared.tokenizer,
            peft_config=lora_config(config.model) if model is None else None,
        )
    order = PromptOrder(
        [one.prompt_id for one in prepared.data.train], config.data.seed, config.data.rest_dead
    )
    sampler = OrderedSampler(order, plan)
    cast(Any, trainer)._get_train_sampler = lambda dataset=None: sampler  # a hook of transformers
    # forty numbers a step; ours are one line
    trainer.remove_callback(PrinterCallback)
    gold = watch(
        trainer,
        **_looks(prepared),
        completions_every=config.run.completions_every,
        n_epochs=plan.n_rows / len(prepared.data.train),
        order=order,
    )
    files = RunFiles(Path(config.run.output_dir), writes=rank() == 0)
    # evaluations last: a kill in these minutes must not cost the state
    evaluation = None
    if config.eval.tasks:
        from .task_evaluation import TaskEvaluation

        evaluation = TaskEvaluation(prepared, files)
        trainer.add_callback(evaluation)
    return GrpoRun(trainer, reward, files, prepared, gold, evaluation)


def _looks(prepared: Prepared) -> dict[str, Any]:
    """Word what the gold judge looks at; nothing where there is none."""
    config, gold = prepared.config, prepared.config.gold
    if gold.judge is None:
        return {}
    held_out = sample_examples(prepared.data.held_out, gold.n_prompts, config.data.seed)
    return {
        "gold": judge_options(config, gold.judge),
        "held_out": held_out,
        "gold_reward": gold.reward,
        "every": gold.every,
        "conversations": [messages_of(example, config.data) for example in held_out],
        "sampling": sampling_of(config.grpo, gold.temperature, gold.max_completion_length),
    }


def build_reward(prepared: Prepared) -> RubricReward:
    """Build the reward of a run from its configuration."""
    config, plan = prepared.config, prepared.plan
    section = config.reward
    return RubricReward(
        judge_options(config, config.judge),
        section.name,
        reward_options=section.options,
        alternatives=section.alternatives,
        examples=prepared.data.train,
        group_size=config.grpo.num_generations,
        replicate_every=section.replicate_every,
        mask_dead_groups=section.mask_dead_groups,
        min_reliability=section.min_reliability,
        max_unscored_frac=section.max_unscored_frac,
        steps_per_round=plan.generation_every // plan.gradient_accumulation_steps,
        seed=config.run.seed,
    )


def prompt_rows(prepared: Prepared) -> object:
    """Give the prompts as TRL's data set; in which order they are asked, the sampler says."""
    from datasets import Dataset

    examples = prepared.data.train
    return Dataset.from_dict(
        {
            "prompt": [messages_of(example, prepared.config.data) for example in examples],
            "prompt_id": [example.prompt_id for example in examples],
        }
    )


def grpo_arguments(config: TrainConfig, plan: BatchPlan, tokenizer: Any) -> Any:
    """Word the run in TRL's terms; whatever is not ours goes to TRL as it stands."""
    from trl.trainer.grpo_config import GRPOConfig

    grpo = config.grpo
    settings: dict[str, object] = {
        **grpo.trl,
        "max_steps": plan.max_steps,
        "shuffle_dataset": False,
        "per_device_train_batch_size": plan.micro_batch,
        "gradient_accumulation_steps": plan.gradient_accumulation_steps,
        "steps_per_generation": plan.steps_per_generation,
        "warmup_steps": round(grpo.warmup_ratio * plan.max_steps),
    }
    if grpo.use_vllm:  # it reads where to stop off the base model's own settings, and no more
        given = grpo.trl.get("generation_kwargs") or {}
        stop = {"stop_token_ids": [tokenizer.eos_token_id]}
        settings["generation_kwargs"] = {**stop, **given}
    return trl_arguments(GRPOConfig, config, grpo, settings)


def trl_arguments(
    kind: Any, config: TrainConfig, section: GrpoSection | SftSection, settings: dict[str, object]
) -> object:
    """Build one of TRL's configurations: what every stage says, its section, then `settings`."""
    run = config.run
    names = {spec.name for spec in dataclasses.fields(section)} - OURS
    every: dict[str, object] = {
        "output_dir": run.output_dir,
        "seed": run.seed,
        "bf16": config.model.dtype == "bfloat16",
        "fp16": config.model.dtype == "float16",
        "use_cpu": run.use_cpu,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": run.save_steps,
        "save_total_limit": run.save_total_limit,
        "report_to": list(run.report_to),
        "run_name": run.label or Path(run.output_dir).name,
        "disable_tqdm": True,
    }
    if config.eval.tasks:  # the others wait while one process evaluates a checkpoint
        every["ddp_timeout"] = EVALUATION_S
    try:
        with quiet_libraries():
            return kind(**every | {name: getattr(section, name) for name in names} | settings)
    except (ValueError, TypeError, ImportError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"TRL refuses the configuration: {said}") from error


def run_facts(prepared: Prepared) -> dict[str, object]:
    """Give what a report needs to say where its numbers come from."""
    plan = prepared.plan
    return {
        "kind": "grpo",
        "versions": library_versions(),
        "data": prepared.data.facts,
        "held_out": [example.prompt_id for example in prepared.data.held_out],
        "policy": {"name": prepared.policy.name, "parameters": prepared.policy.n_parameters},
        "longest_prompt_tokens": prepared.longest_prompt,
        "plan": {
            "max_steps": plan.max_steps,
            "answers_per_step": plan.answers_per_step,
            "prompts_asked": plan.n_rows,
            "processes": plan.n_processes,
        },
    }


def latest_checkpoint(folder: Path) -> Path | None:
    """Find the last whole checkpoint of a run; a kill may have left half of one.

    Ours is written last. Where no checkpoint has it, as after a warm start, or after a kill between
    the two with `save_total_limit: 1`, what the trainer wrote has to do.
    """
    numbered: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        with suppress(ConfigError):
            if number.isdigit() and read_facts(path / "trainer_state.json") is not None:
                numbered.append((int(number), path))
    whole = [one for one in numbered if (one[1] / CHECKPOINT).is_file()]
    return max(whole or numbered, default=(0, None))[1]
