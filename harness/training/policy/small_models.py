"""The policy `tiny`, built on the spot, and a chat template for base models that ship none.

It is a random two-layer Qwen3 with a tokenizer of whole words, made from the texts it will
see. It knows nothing, so whatever it learns in a run comes from the reward.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

N_BLOCKS = 2
HIDDEN = 64
MAX_WORDS = 400
"""Words of the tokenizer: the reward must find them by chance before it can teach them."""
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '> ' + message['content'] + ' <end> ' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
SPECIAL = ("<pad>", "<end>", "<unknown>", "<system>", "<user>", "<assistant>")
BASE_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
"""For base models that ship none."""


def build_tokenizer(texts: Iterable[str], words: Iterable[str] = ()) -> Any:
    """Build a tokenizer whose tokens are the words of some texts, in lower case.

    Args:
        texts: What the words are read from, the most frequent first.
        words: Words it must know, whatever the texts hold.
    """
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    counts = Counter(word for text in texts for word in re.findall(r"\w+", text.lower()))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    known = list(dict.fromkeys([*SPECIAL, *words, *ranked]))[:MAX_WORDS]
    plain = Tokenizer(WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unknown>"))
    plain.normalizer = normalizers.Lowercase()
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers'
        tokenizer_object=plain,
        pad_token="<pad>",
        eos_token="<end>",
        unk_token="<unknown>",
        additional_special_tokens=["<system>", "<user>", "<assistant>"],
        padding_side="left",
        # transformers 4 adds token_type_ids by itself, which no causal model takes
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(tokenizer: Any, *, seed: int) -> Any:
    """Build a random Qwen3 for a tokenizer; the same seed gives the same weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=N_BLOCKS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=HIDDEN // 4,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)
