"""The policy: where its weights come from, and what can be known of it before they are loaded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...judges.errors import ConfigError, near_names
from ...judges.rubric import Example
from .config import LORA_TARGETS, DataSection, ModelSection
from .data import messages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = 3_000_000_000
"""Parameters above which float32 weights are refused unless asked for: 12 GB and more."""


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


def find_policy(section: ModelSection) -> str:
    """Give the path or hub name to load, or `tiny`.

    Raises:
        ConfigError: There is no such model or adapter, or it needs a GPU that is not here.
    """
    if not section.name:
        raise ConfigError("model.name is empty; name a folder, a hub model, `smollm2` or `tiny`")
    if section.adapter is not None:
        folder = Path(section.adapter)
        if not (folder / "adapter_config.json").is_file():
            raise ConfigError(f"model.adapter: no adapter_config.json in {section.adapter!r}")
    if section.name == "tiny":
        return "tiny"
    lack = needs_gpu(section)
    if lack is not None:
        raise ConfigError(f"model.load_in_4bit cannot work here: {lack}")
    if section.name.startswith(("/", ".", "~")) and not Path(section.name).is_dir():
        raise ConfigError(f"model.name: no folder {section.name!r}")
    if section.name == "smollm2":
        from .smollm2 import smollm2_folder

        return str(smollm2_folder())
    return section.name


def policy_facts(section: ModelSection) -> PolicyFacts:
    """Read a model's configuration; no weight is loaded.

    Raises:
        ConfigError: There is no such model.
    """
    path = find_policy(section)
    if path == "tiny":
        _check_lora(section, None)
        return PolicyFacts("tiny", 100_000, 4096)
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=section.trust_remote_code)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"model.name: no model {section.name!r} here or on the hub ({first}); "
            "give a folder with config.json, or log in and check the name"
        ) from error
    text = config.get_text_config()
    context = getattr(text, "max_position_embeddings", None)
    empty = _empty_model(config)
    _check_lora(section, empty)
    n_parameters = None if empty is None else int(empty.num_parameters())
    dtype = getattr(text, "dtype", None) or getattr(config, "dtype", None)
    lies_in = None if dtype is None else str(dtype).removeprefix("torch.")
    return PolicyFacts(section.name, n_parameters, context, lies_in)


def load_tokenizer(section: ModelSection, examples: Iterable[Example]) -> Any:
    """Load the tokenizer, padded on the left as generation needs it.

    Args:
        section: Which model.
        examples: What the `tiny` tokenizer takes its words from.
    """
    path = find_policy(section)
    if path == "tiny":
        from .tiny_data import WORDS
        from .tiny_model import build_tokenizer

        texts = [turn.content for example in examples for turn in example.prompt]
        return build_tokenizer(texts, WORDS)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        path, padding_side="left", trust_remote_code=section.trust_remote_code
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        # a base model has none; this one is our own and says no more than who speaks
        from .tiny_model import BASE_CHAT_TEMPLATE

        tokenizer.chat_template = BASE_CHAT_TEMPLATE
    return tokenizer


def load_model(section: ModelSection, tokenizer: Any, *, seed: int) -> Any:
    """Load the weights, and the adapter to start from where one is named."""
    path = find_policy(section)
    if path == "tiny":
        from .tiny_model import build_model

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
    model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **options)
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
    path = find_policy(section)
    if wanted is None:
        return None
    if path == "tiny":
        from .tiny_model import N_BLOCKS

        n_blocks = N_BLOCKS
    else:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(path, trust_remote_code=section.trust_remote_code)
        n_blocks = config.get_text_config().num_hidden_layers
    if not 1 <= wanted <= n_blocks:
        raise ConfigError(f"model.lora_last_blocks is {wanted}; the model has {n_blocks} blocks")
    return list(range(n_blocks - wanted, n_blocks))


def prompt_lengths(tokenizer: Any, examples: Sequence[Example], data: DataSection) -> list[int]:
    """Count the tokens of each prompt, chat template included."""
    return [
        len(
            tokenizer.apply_chat_template(
                messages_of(example, data), add_generation_prompt=True, return_dict=True
            )["input_ids"]
        )
        for example in examples
    ]


def needs_gpu(section: ModelSection) -> str | None:
    """Say what a 4-bit model lacks here; None where it lacks nothing."""
    if not section.load_in_4bit:
        return None
    if find_spec("bitsandbytes") is None:
        return "bitsandbytes is not installed"
    import torch

    return None if torch.cuda.is_available() else "there is no CUDA device"


def _check_lora(section: ModelSection, empty: Any) -> None:
    """Refuse an adapter for parts that the model does not have.

    Args:
        section: What is asked for.
        empty: The model without weights; None for `tiny`, whose parts have the usual names, and
            where it could not be built.

    Raises:
        ConfigError: A part is not there.
    """
    if not section.lora or section.adapter is not None:
        return
    _last_blocks(section)
    if empty is None and section.name != "tiny":
        return
    named = () if empty is None else (name for name, _ in empty.named_modules())
    parts = {name.rpartition(".")[2] for name in named} or set(LORA_TARGETS)
    for target in section.lora_targets:
        if target.rpartition(".")[2] not in parts:
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
