"""Yes against No from a transformers model, one forward pass a criterion.

The keys and values of the last prompt are kept: of the next prompt only what comes after the part
they share is computed. The criteria of one answer share all but their last lines.
"""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import ConfigError, RejectedError
from .yes_no import NO, YES, YesNo, is_word


class TorchModel:
    """A loaded model with its tokenizer and the cache of the last prompt."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """Wrap a causal model; finds every token that spells Yes or No."""
        self._model = model
        self._tokenizer = tokenizer
        self._thread = ThreadPoolExecutor(1, "rubricbeat-local")
        self._ids: list[int] = []
        """Tokens whose keys and values are in the cache."""
        self._cache: Any = None
        # transformers 5.24 renamed it; models that bring code of their own may keep the old name
        takes = inspect.signature(model.forward).parameters
        self._cache_name = "cache" if "cache" in takes else "past_key_values"
        vocabulary = tokenizer.get_vocab()
        self._spellings = {
            word: [index for token, index in vocabulary.items() if is_word(token, word)]
            for word in (YES, NO)
        }
        missing = [word for word, ids in self._spellings.items() if not ids]
        if missing:
            raise ConfigError(f"the model has no token for {missing[0]!r}; it cannot be weighed")
        self._longest = getattr(model.config, "max_position_embeddings", None)

    @classmethod
    async def load(cls, name: str, dtype: str, device: str) -> TorchModel:
        """Load a model from a folder or the hub."""
        return await asyncio.to_thread(cls._load, name, dtype, device)

    @classmethod
    def _load(cls, name: str, dtype: str, device: str) -> TorchModel:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise ConfigError(
                f"a transformers model needs torch ({error}); pip install 'rubricbeat[hf]', or "
                "name a .gguf file"
            ) from error
        kind = getattr(torch, dtype, None)
        if not isinstance(kind, torch.dtype):
            raise ConfigError(f"dtype={dtype!r} is no dtype of torch")
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            loaded: Any = AutoModelForCausalLM.from_pretrained(name, dtype=kind)
            model = loaded.to(device).eval()
        except (OSError, ValueError) as error:
            line = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"the local judge's model {name!r} cannot be loaded: {line}"
            ) from None
        return cls(model, tokenizer)

    async def weigh(self, messages: list[dict[str, str]]) -> YesNo:
        """Read the next token's probabilities, in a thread of the model's own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._weigh, messages)

    async def aclose(self) -> None:
        """Let the memory go."""
        self._thread.shutdown()
        self._model = self._cache = None

    def _weigh(self, messages: list[dict[str, str]]) -> YesNo:
        import torch

        ids = self._encode(messages)
        if self._longest is not None and len(ids) > self._longest:
            raise RejectedError(
                f"the prompt has {len(ids)} tokens, the model takes {self._longest}"
            )
        n_shared = self._keep_shared(ids)
        fresh = torch.tensor([ids[n_shared:]], device=self._model.device)
        with torch.inference_mode():
            kept = {self._cache_name: self._cache}
            out = self._model(input_ids=fresh, use_cache=True, logits_to_keep=1, **kept)
            chances = torch.softmax(out.logits[0, -1].float(), dim=-1)
        self._cache, self._ids = getattr(out, self._cache_name, None), ids
        yes, no = (float(chances[self._spellings[word]].sum()) for word in (YES, NO))
        return YesNo(yes, no, len(ids), n_shared)

    def _encode(self, messages: list[dict[str, str]]) -> list[int]:
        if self._tokenizer.chat_template is None:
            text = messages[0]["content"] + "\nAnswer:"
            return list(self._tokenizer(text)["input_ids"])
        text = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        # the template has written the special tokens already
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _keep_shared(self, ids: list[int]) -> int:
        """Crop the cache to what it shares with a new prompt, and say how much that is."""
        n_shared = 0
        if self._cache is not None and hasattr(self._cache, "crop"):
            # one token at least must be computed, to have its logits
            for old, new in zip(self._ids, ids[:-1], strict=False):
                if old != new:
                    break
                n_shared += 1
        if n_shared:
            if n_shared < len(self._ids):
                # negative: how many to take off; a length to keep is refused since transformers 5
                self._cache.crop(n_shared - len(self._ids))
            return n_shared
        self._cache = None
        return 0
