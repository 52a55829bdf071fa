"""What is wrong with a training run, found before a weight is loaded or a verdict is paid.

What a single value may be stands at its field (`config.py`), and TRL checks its own. Here stands
what guards money, data, or a number that would be wrong in silence. The judges are asked in
`judges.py`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.errors import ConfigError, near_names
from ...terminal import say
from ..config import ModelSection, TrainConfig
from ..data import TrainingData
from ..policy.policy import LARGE, PolicyFacts
from ..reward.graders import rank
from ..run_files import CONFIG, FACTS, GOLD, METRICS, read_facts
from .judges import NO_FOLDER, check_raters, rewards_of

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

SHAPES: Mapping[str, tuple[object, ...]] = {
    "top_p": (1,),
    "min_p": (0,),
    "top_k": (0, -1),
    "repetition_penalty": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "min_tokens": (0,),
    "vllm_structured_outputs_regex": (),
    "structured_outputs": (),
    **dict.fromkeys(("logit_bias", "allowed_token_ids", "bad_words"), ([], {}, ())),
}
"""Options of vLLM that change what is sampled from, but for the temperature, and their values that
do not."""


def check_values(config: TrainConfig) -> None:
    """Check what needs no file."""
    model, tiny = config.model, config.model.name == "tiny"
    no_held_out = config.data.held_out == 0 and config.data.held_out_path is None
    for is_wrong, words in (
        (not config.run.output_dir, "run.output_dir is empty; give --output_dir DIR"),
        (
            config.gold.judge is not None and no_held_out,
            "gold.judge needs prompts that are not trained on: set data.held_out",
        ),
        (
            tiny and config.grpo.beta > 0 and not model.lora,
            "grpo.beta needs a reference policy, and the model `tiny` is in no folder to load it "
            "from again; set grpo.beta: 0 or model.lora: true",
        ),
        (
            tiny and model.adapter is not None,
            "model.adapter is for weights that are loaded, and the model `tiny` is rebuilt from "
            "run.seed; remove one of them",
        ),
        (
            model.load_in_4bit and not model.lora and model.adapter is None,
            "model.load_in_4bit: weights of 4 bits do not train; set model.lora: true",
        ),
    ):
        if is_wrong:
            raise ConfigError(words)
    _check_replicates(config)
    _check_evaluations(config)
    _check_words(config)
    _check_reporters(config.run.report_to)
    if config.grpo.use_vllm:
        _check_vllm_sampling(config)
        _check_vllm()


def check_reward(config: TrainConfig) -> None:
    """Check the reward, and that none of its terms cancels under the chosen scale.

    Raises:
        ConfigError: It is unknown, or a term or a mask would do nothing.
    """
    section, scale = config.reward, config.grpo.scale_rewards
    check_raters(config)
    reward = rewards_of(config)[0]
    inert = reward.constant_terms if scale == "group" else ()
    if inert and not section.allow_inert_terms:
        raise ConfigError(
            f"reward {reward.name!r}: {', '.join(inert)} is constant in a group and cancels under "
            "scale_rewards 'group'; set grpo.scale_rewards to none or batch, or "
            "reward.allow_inert_terms: true to train without its effect"
        )
    if section.mask_dead_groups and scale != "batch":
        raise ConfigError(
            f"reward.mask_dead_groups does nothing under scale_rewards {scale!r}: the advantages "
            "of a dead group are 0 already; under 'batch' it keeps them out of the batch's spread"
        )
    if section.min_reliability > 0 and section.replicate_every < 1:
        raise ConfigError(
            "reward.min_reliability needs second verdicts: set reward.replicate_every"
        )


def check_policy(config: TrainConfig, facts: PolicyFacts, longest_prompt: int) -> None:
    """Check that the policy fits what is asked of it.

    Raises:
        ConfigError: float32 weights of a large model, prompts that leave no room for the
            answer, or an optimiser that is not installed.
    """
    for name in {config.grpo.optim, config.sft.optim}:
        if "8bit" in name and find_spec("bitsandbytes") is None:
            raise ConfigError(f"optim {name} needs bitsandbytes: pip install bitsandbytes")
    n, said, lies_in = facts.n_parameters, config.model.dtype, facts.dtype
    is_wide = "float32" in {said, lies_in if said == "auto" else said}
    if is_wide and not config.model.allow_float32 and n is not None and n > LARGE:
        wide = said if said == "float32" else f"{said}, which is float32 in {facts.name},"
        raise ConfigError(
            f"model.dtype {wide} of {n / 1e9:.1f} billion parameters takes "
            f"{4 * n / 1e9:.0f} GB; set model.dtype: bfloat16, or model.allow_float32: true"
        )
    answer = config.grpo.max_completion_length
    if facts.context is not None and longest_prompt + answer > facts.context:
        room = facts.context - answer
        mend = f"set data.max_prompt_tokens: {room} or less" if room > 0 else "lower it"
        raise ConfigError(
            f"the longest prompt has {longest_prompt} tokens, and with grpo.max_completion_length "
            f"{answer} that is past the {facts.context} of {facts.name}; {mend}"
        )


def check_output_dir(config: TrainConfig, resume: bool) -> None:
    """Refuse a folder that holds another run."""
    folder = Path(config.run.output_dir)
    if rank() != 0 or config.run.output_dir == NO_FOLDER:
        return  # the first process writes while the others still check
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"run.output_dir {folder}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"run.output_dir {folder}: {there} cannot be written to")
    if resume:
        return
    if (folder / CONFIG).is_file():
        raise ConfigError(f"{folder} holds a run already; add --resume, or take another folder")
    # their lines would be cut, their checkpoints rotated away or resumed from
    for path in (path for name in (METRICS, GOLD, "checkpoint-*") for path in folder.glob(name)):
        raise ConfigError(
            f"{folder} holds {path.name} and no {CONFIG}: files of something else, which a "
            "run would write over; take another folder"
        )


def check_warm_start(model: ModelSection, data: TrainingData) -> None:
    """Refuse held-out prompts that the adapter was trained on; say how many others it was.

    `train sft` leaves beside its adapter which prompts it used. Another `data.seed` makes other
    splits, and then the policy knows the answers it is looked at by.
    """
    facts = (read_facts(Path(model.adapter).parent / FACTS) or {}) if model.adapter else {}
    # others' files tell of no prompts
    learnt = set(facts.get("prompt_ids") or ()) if facts.get("kind") == "sft" else set()
    held_out, trained = (
        sum(example.prompt_id in learnt for example in part) for part in (data.held_out, data.train)
    )
    if held_out:
        raise ConfigError(
            f"{held_out} of {len(data.held_out)} held-out prompts were used in the warm start "
            f"{model.adapter}; give this run the data.path and data.seed of that one"
        )
    if trained:
        say_once(
            f"warning: {trained} of {len(data.train)} training prompts were also used in the warm "
            f"start {model.adapter}; with its data.path and data.seed none would be"
        )


def say_once(words: str) -> None:
    """Say something on stderr, once for all processes."""
    if rank() == 0:
        say(words)


def _check_replicates(config: TrainConfig) -> None:
    """Refuse verdicts that are paid and not used: a reward is computed from the first ones."""
    for name, judge in (("judge", config.judge), ("gold.judge", config.gold.judge)):
        asked = judge.get("replicates") if isinstance(judge, Mapping) else None
        if asked is not None and str(asked) != "1":
            raise ConfigError(
                f"{name}.replicates {asked} would be paid for, and a reward uses only the first; "
                "remove it (reward.replicate_every asks again, for the reliability)"
            )


def _check_evaluations(config: TrainConfig) -> None:
    """Refuse evaluations that cannot be: of no checkpoint, or of one that nobody can load."""
    from ....tasks.lm_eval_adapter import task_names

    tasks, every, save_steps = config.eval.tasks, config.eval.every, config.run.save_steps
    for task in tasks:
        _known("eval.tasks", task, task_names())
    if every and not tasks:
        raise ConfigError(f"eval.every {every} does nothing without eval.tasks")
    if tasks and config.model.name == "tiny" and config.model.lora:
        raise ConfigError(
            "eval.tasks cannot load an adapter of `tiny`, which is in no folder; set "
            "model.lora: false, or name a model that is"
        )
    if tasks and (why := _not_in_one_piece(config)):
        raise ConfigError(f"eval.tasks cannot load such checkpoints as they train: {why}")
    if every % save_steps:
        raise ConfigError(
            f"eval.every {every} is no multiple of run.save_steps {save_steps}: checkpoints are "
            f"what is evaluated; make it a multiple of {save_steps}"
        )


def _not_in_one_piece(config: TrainConfig) -> str | None:
    """Say why lm-eval could not load a checkpoint of this run; None where it can."""
    if config.model.load_in_4bit:
        return (
            "the policy has 4 bits (model.load_in_4bit), and lm-eval loads its base in more; leave "
            "eval.tasks out and evaluate merged weights, or evaluate with gold.judge"
        )
    env = os.environ
    if "SHARDED" in env.get("FSDP_STATE_DICT_TYPE", ""):
        return "FSDP saves them in parts; set fsdp_state_dict_type: FULL_STATE_DICT"
    is_zero3 = env.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"
    if is_zero3 and env.get("ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL") != "true":
        return "ZeRO-3 saves them in parts; set zero3_save_16bit_model: true"
    return None


def _check_words(config: TrainConfig) -> None:
    """Refuse a word that TRL would miss after the first round of answers is made and judged.

    Which words such a field of its own takes stands in the field's help alone (TRL 1.16).
    """
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.sft_config import SFTConfig

    for where, kind in (("grpo", GRPOConfig), ("sft", SFTConfig)):
        section = getattr(config, where)
        for spec in dataclasses.fields(kind):
            value = getattr(section, spec.name, section.trl.get(spec.name))
            known = set(re.findall(r"(?<!=)'(\w+)'", str(spec.metadata.get("help"))))
            is_trls_own = spec.name in kind.__annotations__
            if is_trls_own and isinstance(value, str) and spec.default in known - {"auto"}:
                _known(f"{where}.{spec.name}", value, known)


def _check_reporters(report_to: Iterable[str]) -> None:
    from transformers.integrations.integration_utils import (
        INTEGRATION_TO_CALLBACK,
        get_available_reporting_integrations,
    )

    here = get_available_reporting_integrations()  # type: ignore[no-untyped-call]  # transformers'
    for name in report_to:
        _known("run.report_to", name, INTEGRATION_TO_CALLBACK)
        if name not in here:
            raise ConfigError(f"run.report_to: {name} is not installed: pip install {name}")


def _known(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ConfigError(f"{name}: unknown {value!r}; {near_names(value, known)}")


def _check_vllm() -> None:
    """Refuse a vLLM that is not here, or that TRL would only warn of."""
    try:
        found = version("vllm")
    except PackageNotFoundError:
        raise ConfigError(
            "grpo.use_vllm: vllm is not installed: pip install 'rubricbeat[train-vllm]'"
        ) from None
    from packaging.version import Version

    window = _vllm_window()
    # a local build (0.31.0+cpu) and a release candidate count as the release
    if Version(found).base_version not in window:
        raise ConfigError(
            f"grpo.use_vllm: vllm {found} is outside what TRL {version('trl')} takes ({window}): "
            "pip install 'rubricbeat[train-vllm]'"
        )


def _check_vllm_sampling(config: TrainConfig) -> None:
    """Refuse sampling that TRL would correct away: all but the temperature.

    vLLM gives the log-probabilities of what it sampled from, and TRL those of the whole
    distribution (1.16, `processed_logprobs`). Each token that was cut off makes the two differ, and
    over a thousand tokens their ratio, by which TRL weights an answer, falls to some 1e-12.
    """
    grpo = config.grpo
    if grpo.trl.get("vllm_importance_sampling_correction", True) is False:
        return
    given = {"top_p": grpo.top_p, "min_p": grpo.min_p, **grpo.trl}
    extra = given.get("generation_kwargs")
    given |= extra if isinstance(extra, Mapping) else {}
    for name, harmless in SHAPES.items():
        if given.get(name) not in (None, *harmless):
            raise ConfigError(
                f"grpo.{name} {given[name]!r} with grpo.use_vllm: vLLM samples from a part of the "
                "distribution and TRL weights answers as if it were the whole, so that next to "
                "nothing would be learned; remove it, or set "
                "grpo.vllm_importance_sampling_correction: false"
            )


def _vllm_window() -> SpecifierSet:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    for line in requires("trl") or ():
        needed = Requirement(line)
        if needed.name == "vllm" and needed.marker and needed.marker.evaluate({"extra": "vllm"}):
            return needed.specifier
    return SpecifierSet()
