"""The policy: where its weights come from, and what can be known of it before they are loaded."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ....judges.errors import ConfigError, near_names
from ....judges.rubric import Example
from ..config import LORA_TARGETS, DataSection, ModelSection
from ..data import messages_of
from .turns import settle_turns, stop_ids

LARGE = 3_000_000_000
"""Parameters above which float32 weights are refused unless asked for: 12 GB and more."""
SAMPLED = (("top_p", 1.0), ("top_k", 0), ("min_p", None))
"""What cuts the distribution, and TRL's value for not cutting it."""
BATCH = 16
"""Prompts in one call of `generate`."""


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What a model's configuration says, without its weights."""

    name: str
    n_parameters: int | None
    """None where the architecture could not be built empty."""
    context: int | None
    """Tokens of prompt and completion together; None where the configuration does not say."""
    dtype: str | None = None
    """Of the weights as they lie there; None where the configuration does not say."""


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep TRL and transformers from warning about each other's renamed fields.

    TRL 1.16 sets `gradient_checkpointing`, which transformers 5.23 renames; no user can act on it.
    """
    from datasets import disable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bars()
    disable_progress_bar()  # type: ignore[no-untyped-call]  # one bar for each file of a model, on a terminal or not
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\..*")
        yield


def set_threads(n: int | None) -> None:
    """Have torch compute in so many threads; in as many as it likes where None."""
    if n is not None:
        import torch

        torch.set_num_threads(n)


def _check_names(section: ModelSection) -> None:
    """Refuse a model or an adapter that is not there, or needs a GPU that is not here."""
    name, adapter = section.name, section.adapter
    if not name:
        raise ConfigError("model.name is empty; name a folder, a hub model or `tiny`")
    if adapter is not None and not (Path(adapter) / "adapter_config.json").is_file():
        raise ConfigError(
            f"model.adapter: no adapter_config.json in {adapter!r}; name the "
            "folder that `train sft` left its adapter in"
        )
    if name != "tiny" and section.load_in_4bit:
        import torch

        if find_spec("bitsandbytes") is None or not torch.cuda.is_available():
            raise ConfigError(
                "model.load_in_4bit cannot work here: it needs bitsandbytes and a CUDA device"
            )
    if name.startswith(("/", ".", "~")) and not Path(name).is_dir():
        raise ConfigError(
            f"model.name: no folder {name!r}; give one that is there (~ is not expanded), "
            "or a hub name"
        )


def policy_facts(section: ModelSection) -> PolicyFacts:
    """Read a model's configuration; no weight is loaded.

    Raises:
        ConfigError: There is no such model or adapter, it lacks what is to be adapted, or it needs
            a GPU that is not here.
    """
    _check_names(section)
    if section.name == "tiny":
        _check_lora(section, set(LORA_TARGETS))
        return PolicyFacts("tiny", 100_000, 4096)
    config = _read_config(section)
    text = config.get_text_config()
    empty = _empty_model(config)
    named = [] if empty is None else [name for name, _ in empty.named_modules()]
    _check_lora(section, {name.rpartition(".")[2] for name in named})
    dtype = getattr(text, "dtype", None) or getattr(config, "dtype", None)
    return PolicyFacts(
        section.name,
        None if empty is None else int(empty.num_parameters()),
        getattr(text, "max_position_embeddings", None),
        None if dtype is None else str(dtype).removeprefix("torch."),
    )


def _read_config(section: ModelSection) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(section.name, trust_remote_code=section.trust_remote_code)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"model.name: no model {section.name!r} here or on the hub ({first}); "
            "give a folder with config.json, or log in and check the name"
        ) from error


def load_tokenizer(
    section: ModelSection, examples: Iterable[Example], values: Mapping[str, Any] | None = None
) -> Any:
    """Load the tokenizer, padded on the left as generation needs it.

    Args:
        section: Which model. An adapter comes with the tokenizer it was trained with.
        examples: What the `tiny` tokenizer takes its words from.
        values: What its chat template is given beside the messages.

    Raises:
        ConfigError: Answers have no end token to learn.
    """
    tokenizer = _plain_tokenizer(section, examples)
    settle_turns(tokenizer, values or {})
    return tokenizer


def _plain_tokenizer(section: ModelSection, examples: Iterable[Example]) -> Any:
    if section.name == "tiny":
        from ..tiny_data import WORDS
        from .small_models import build_tokenizer

        texts = [turn.content for example in examples for turn in example.prompt]
        return build_tokenizer(texts, WORDS)
    from transformers import AutoTokenizer

    path, adapter = section.name, section.adapter
    if adapter is not None and (Path(adapter) / "tokenizer_config.json").is_file():
        path = adapter
    tokenizer = AutoTokenizer.from_pretrained(
        path, padding_side="left", trust_remote_code=section.trust_remote_code
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        # a base model has none; this one is our own and says no more than who speaks
        from .small_models import BASE_CHAT_TEMPLATE

        tokenizer.chat_template = BASE_CHAT_TEMPLATE
    return tokenizer


def load_model(section: ModelSection, tokenizer: Any, *, seed: int) -> Any:
    """Load the weights, and the adapter to start from where one is named."""
    if section.name == "tiny":
        from .small_models import build_model

        return build_model(tokenizer, seed=seed)
    import torch
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"trust_remote_code": section.trust_remote_code}
    if section.load_in_4bit:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant=True,
        )
    dtype = section.dtype if section.dtype == "auto" else getattr(torch, section.dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(section.name, dtype=dtype, **options)
    if section.adapter is not None:
        from peft import PeftModel

        # TRL copies a trainable adapter to "ref": the warm start is what KL is measured against
        model = PeftModel.from_pretrained(model, section.adapter, is_trainable=True)
    return model


def lora_config(section: ModelSection) -> Any | None:
    """Give the adapter to add, or None where one is loaded already or none is wanted."""
    if not section.lora or section.adapter is not None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=section.lora_r,
        lora_alpha=section.lora_alpha,
        lora_dropout=section.lora_dropout,
        target_modules=list(section.lora_targets),
        layers_to_transform=_last_blocks(section),
        task_type="CAUSAL_LM",
    )


def _last_blocks(section: ModelSection) -> list[int] | None:
    """Give the numbers of the blocks to adapt; None for all."""
    wanted = section.lora_last_blocks
    if wanted is None:
        return None
    if section.name == "tiny":
        from .small_models import N_BLOCKS as n_blocks
    else:
        n_blocks = _read_config(section).get_text_config().num_hidden_layers
    if not 1 <= wanted <= n_blocks:
        raise ConfigError(f"model.lora_last_blocks is {wanted}; the model has {n_blocks} blocks")
    return list(range(n_blocks - wanted, n_blocks))


def prompt_lengths(tokenizer: Any, examples: Sequence[Example], data: DataSection) -> list[int]:
    """Count the tokens of each prompt, chat template included."""
    asked = [messages_of(example, data) for example in examples]
    prompts = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)
    return [len(ids) for ids in prompts["input_ids"]]


def _check_lora(section: ModelSection, parts: set[str]) -> None:
    """Refuse an adapter for parts that the model does not have; none are known where empty."""
    if not section.lora or section.adapter is not None:
        return
    _last_blocks(section)
    for target in section.lora_targets:
        if parts and target.rpartition(".")[2] not in parts:
            raise ConfigError(
                f"model.lora_targets: {section.name} has no {target!r}; {near_names(target, parts)}"
            )


def _empty_model(config: Any) -> Any | None:
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (ValueError, NotImplementedError, AttributeError, ImportError):
        return None


@contextmanager
def own_random_state(seed: int) -> Iterator[None]:
    """Seed everything inside, and give the outer random states back as they were."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # libraries draw from it
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def sampling_of(
    training: Any, temperature: float | None = None, max_tokens: int | None = None
) -> dict[str, Any]:
    """Word how training samples for transformers' `generate`.

    Args:
        training: TRL's GRPOConfig, or the section that becomes one.
        temperature: Another one, 0 for the most likely answer; that of training where None.
        max_tokens: Most tokens of an answer; as in training where None.
    """

    def said(name: str, usual: Any) -> Any:
        return getattr(training, name, getattr(training, "trl", {}).get(name, usual))

    heat = said("temperature", 1.0) if temperature is None else temperature
    sampling: dict[str, Any] = {
        "max_new_tokens": max_tokens or said("max_completion_length", 256),
        "do_sample": heat > 0,
        # TRL's, and said, or the model's own generation_config.json would say another
        "repetition_penalty": said("repetition_penalty", 1.0),
    }
    if heat > 0:
        cut = {name: said(name, usual) for name, usual in SAMPLED}
        sampling |= {"temperature": heat} | {n: x for n, x in cut.items() if x is not None}
        # TRL's, whose words are those of transformers where vLLM does not answer
        sampling |= {} if said("use_vllm", False) else said("generation_kwargs", None) or {}
    return sampling


def generate_answers(
    model: Any,
    tokenizer: Any,
    conversations: Sequence[Sequence[Mapping[str, str]]],
    sampling: Mapping[str, Any],
    *,
    n: int = 1,
    seed: int = 0,
) -> list[list[str]]:
    """Answer each conversation n times, sampled as `sampling_of` says, without special tokens."""
    import torch

    answers: list[list[str]] = []
    was_training = model.training
    model.eval()
    try:
        with own_random_state(seed), torch.no_grad():
            for start in range(0, len(conversations), BATCH):
                inputs = tokenizer.apply_chat_template(
                    conversations[start : start + BATCH],
                    add_generation_prompt=True,
                    padding=True,
                    return_tensors="pt",
                    return_dict=True,
                ).to(model.device)
                output = model.generate(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    num_return_sequences=n,
                    pad_token_id=tokenizer.pad_token_id,
                    eos_token_id=stop_ids(model, tokenizer),
                    **sampling,
                )
                texts = tokenizer.batch_decode(
                    output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
                )
                answers.extend(texts[i : i + n] for i in range(0, len(texts), n))
    finally:
        model.train(was_training)
    return answers
