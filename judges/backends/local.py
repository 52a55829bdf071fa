"""A transformers model on this machine as a judge: Yes against No, read off one forward pass.

Not generated text: the chance is continuous and it ranks, where small models' words do neither.
The keys and values of the last prompt are kept, and of the next prompt only what comes after the
part they share is computed: the criteria of one answer share all but their last lines.

A GGUF file runs on a llama.cpp server (`llama_server.py`), which `chat` asks with `prompt=yes_no`.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import orjson

from ..errors import ConfigError, RejectedError
from ..files import user_path
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..rubric import Example
from ..verdict import Verdict
from .llama_server import how_to_judge
from .prompting import Asking, worth_of
from .prompts.asking_options import Portable
from .prompts.criteria_words import choices_of
from .replies import YES_NO_MASS, Completion, TokenChance, is_word

log = logging.getLogger(__name__)

_WHOLE_FILE_BYTES = 4 << 30
YES_NO = ("yes", "no")
"""The words that are weighed where a criterion is met or not met."""


@register_judge("local")
@dataclass(slots=True, kw_only=True)
class LocalJudge(Portable):
    """Weighs Yes against No with a transformers model in this process."""

    runtime_defaults: ClassVar[Mapping[str, object]] = {"max_concurrency": 2, "timeout_s": 1800.0}
    """One model computes one prompt at a time: more in flight would only wait, and time out."""
    model: str = ""
    """Folder or hub name."""
    prompt: str = "yes_no"
    min_mass: float = YES_NO_MASS
    look: bool = True
    dtype: str = "bfloat16"
    device: str = "cpu"
    identity: JudgeIdentity = field(init=False)
    notes: str = field(init=False)
    """What is known of this model's worth as a judge; it stands in the results."""
    _asking: Asking = field(init=False, repr=False)
    _loaded: TorchModel | None = field(default=None, init=False, repr=False)
    _lock: asyncio.Lock | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every setting, before anything is asked."""
        if not self.model:
            raise ConfigError("the local judge needs a model: --judge_args model=FOLDER")
        if self.model.endswith(".gguf") or self.model.startswith("package:"):
            raise ConfigError(how_to_judge(self.model, self.prompt))
        self._asking = Asking(
            shape="yes_no",
            prompt=self.prompt,
            min_mass=self.min_mass,
            look=self.look,
            weighs=True,
        )
        folder = user_path(self.model)
        name = f"{folder.name}@{fingerprint(folder)}" if folder.exists() else self.model
        settings = {"min_mass": self.min_mass, "look": self.look, "dtype": self.dtype}
        label = self._asking.wording.label
        self.identity = JudgeIdentity("local", model=name, prompt=label, sampling=settings)
        self.notes = worth_of(name)
        log.warning("judge local: %s", self.notes)

    async def judge(self, question: Question) -> Verdict:
        """Weigh Yes against No for one criterion, or the numbers of its levels."""
        if (unasked := self._asking.unasked([question])) is not None:
            return unasked
        numbers = range(len(choices_of(question.criterion)))
        words = tuple(map(str, numbers)) or YES_NO
        if self._lock is None:
            self._lock = asyncio.Lock()
        # one at a time and in order: the criteria of one answer follow each other, and each finds
        # the conversation's part of the prompt computed
        async with self._lock:
            if self._loaded is None:
                self._loaded = await asyncio.to_thread(
                    TorchModel.load, self.model, self.dtype, self.device
                )
            said = await self._loaded.complete(self._asking.messages([question]), words)
        return self._asking.verdicts_in(said, [question])[0]

    def require_askable(self, example: Example) -> None:
        """See that a user's template shows what a rubric needs."""
        self._asking.require_askable(example)

    def key_material(self, question: Question) -> bytes:
        """Give the exact words sent about this question."""
        return orjson.dumps(self._asking.messages([question]))

    async def aclose(self) -> None:
        """Let the model go."""
        loaded, self._loaded, self._lock = self._loaded, None, None
        if loaded is not None:
            loaded.close()


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
        self._spellings: dict[str, list[int]] = {}
        """Tokens that spell a word."""
        self._require_words(YES_NO)
        self._longest = getattr(model.config, "max_position_embeddings", None)

    @classmethod
    def load(cls, name: str, dtype: str, device: str) -> TorchModel:
        """Load a model from a folder or the hub.

        Raises:
            ConfigError: It cannot be loaded, or torch is missing.
        """
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise ConfigError(
                f"a transformers model needs torch ({error}); pip install 'rubricbeat[hf]'"
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

    async def complete(
        self, messages: list[dict[str, str]], words: tuple[str, ...] = YES_NO
    ) -> Completion:
        """Read the chances of words as the reply's first token, in a thread of the model's.

        Raises:
            ConfigError: The model has no token for one of them.
        """
        self._require_words(words)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._complete, messages, words)

    def close(self) -> None:
        """Let the memory go."""
        self._thread.shutdown()
        self._model = self._cache = None

    def _require_words(self, words: tuple[str, ...]) -> None:
        new = [word for word in words if word not in self._spellings]
        vocabulary = self._tokenizer.get_vocab() if new else {}
        for word in new:
            ids = [index for token, index in vocabulary.items() if is_word(token, word)]
            if not ids:
                raise ConfigError(f"the model has no token for {word!r}; it cannot be weighed")
            self._spellings[word] = ids

    def _complete(self, messages: list[dict[str, str]], words: tuple[str, ...]) -> Completion:
        ids = self._encode(messages)
        if self._longest is not None and len(ids) > self._longest:
            raise RejectedError(
                f"the prompt has {len(ids)} tokens, the model takes {self._longest}"
            )
        n_shared = self._keep_shared(ids)
        chances = self._next_token(ids, n_shared)
        spelt = [(word, index) for word in words for index in self._spellings[word]]
        pairs = tuple((word, float(chances[index])) for word, index in spelt)
        first = (TokenChance("", pairs),)
        return Completion("", prompt_tokens=len(ids), cached_tokens=n_shared, tokens=first)

    def _next_token(self, ids: list[int], n_shared: int) -> Any:
        """Compute what is not in the cache, and give the log-probabilities of the next token."""
        import torch

        fresh = torch.tensor([ids[n_shared:]], device=self._model.device)
        with torch.inference_mode():
            kept = {self._cache_name: self._cache}
            out = self._model(input_ids=fresh, use_cache=True, logits_to_keep=1, **kept)
            chances = torch.log_softmax(out.logits[0, -1].float(), dim=-1)
        self._cache, self._ids = getattr(out, self._cache_name, None), ids
        return chances

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


def fingerprint(path: Path) -> str:
    """Hash a model's file, or the files of its folder: names, sizes and content."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as stream:
            read = 0
            while (chunk := stream.read(1 << 20)) and read < _WHOLE_FILE_BYTES:
                digest.update(chunk)
                read += len(chunk)
    return digest.hexdigest()[:16]
