"""A model on this machine as a judge: the chance of Yes against No, read off one forward pass.

Not generated text: the chance is continuous and it ranks, where small models' words do neither.
The conversation stands before the criterion, and what two prompts share is computed once. Meant for
those who have a capable model: no small one that was measured is an honest grader (`notes`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import logging
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import orjson

from ..errors import ConfigError, RejectedError, TransportError
from ..files import user_path
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..verdict import Outcome, Verdict
from .endpoint import Endpoint
from .llama_server import LlamaServer, serve
from .prompting import Asking
from .replies import Completion

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class YesNo:
    """What a model says after a prompt."""

    yes: float
    """Probability of the next token being a spelling of Yes."""
    no: float
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Those of them that an earlier prompt had computed already."""


class YesNoModel(Protocol):
    """Something that can weigh Yes against No."""

    async def weigh(self, messages: list[dict[str, str]]) -> YesNo:
        """Read the next token's probabilities after a conversation."""
        ...

    async def aclose(self) -> None:
        """Let the model go."""
        ...


def is_word(token: str, word: str) -> bool:
    """Say whether a token is a spelling of a word: ` Yes`, `yes`, `YES`, `▁Yes`."""
    return token.strip(" \n\t\u2581\u0120").lower() == word


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


N_ALTERNATIVES = 40
"""Tokens whose probabilities are asked for; what lies beyond has next to none."""


class LlamaModel:
    """A model behind llama.cpp's OpenAI-compatible endpoint."""

    def __init__(
        self, endpoint: Endpoint, model: str, ours: contextlib.ExitStack | None = None
    ) -> None:
        """Wrap an endpoint; `ours` ends the server where we started it."""
        self._endpoint = endpoint
        self._model = model
        self._ours = ours

    @classmethod
    def at(cls, base_url: str, model: str, api_key_env: str) -> LlamaModel:
        """Use a server that is running."""
        return cls(Endpoint(base_url, api_key_env), model)

    @classmethod
    async def start(cls, gguf: Path, n_ctx: int, n_threads: int) -> LlamaModel:
        """Start a server of our own, which ends with us."""
        stack = contextlib.ExitStack()

        def run() -> LlamaServer:
            # one slot: the prompts of one answer must meet in the same cache
            return stack.enter_context(
                serve(gguf, n_ctx=n_ctx, n_slots=1, n_threads=1, n_batch_threads=n_threads)
            )

        server = await asyncio.to_thread(run)
        endpoint = Endpoint(server.base_url, "RUBRICBEAT_NO_KEY", given_key=server.key)
        return cls(endpoint, server.model, stack)

    async def weigh(self, messages: list[dict[str, str]]) -> YesNo:
        """Read the probabilities of the first token of the reply."""
        reply = await self._endpoint.post(
            "chat/completions",
            {
                "model": self._model,
                "messages": messages,
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": N_ALTERNATIVES,
                "cache_prompt": True,
            },
        )
        completion = Completion.from_reply(reply)
        if not completion.tokens:
            raise TransportError("the llama.cpp server sent no log-probabilities")
        mass = {YES: 0.0, NO: 0.0}
        for token, log_probability in completion.tokens[0].alternatives:
            for word in mass:
                if is_word(token, word):
                    mass[word] += math.exp(min(0.0, log_probability))
        timings = reply.get("timings")
        n_cached = completion.cached_tokens
        if not n_cached and isinstance(timings, dict):
            n_cached = max(0, completion.prompt_tokens - int(timings.get("prompt_n") or 0))
        return YesNo(mass[YES], mass[NO], completion.prompt_tokens, n_cached)

    async def aclose(self) -> None:
        """Close the connection, and end the server where it is ours."""
        await self._endpoint.aclose()
        if self._ours is not None:
            await asyncio.to_thread(self._ours.close)


log = logging.getLogger(__name__)

MIN_MASS = 0.8
"""Probability that must lie on Yes and No together; below it the model answered something else."""
_WHOLE_FILE_BYTES = 4 << 30
_MEASURED = {
    "smollm2-135m": "692 criteria of real rows kappa .04 [-.01, .08], macro-F1 .39 [.34, .44]",
    "qwen2.5-coder-1.5b": "300 criteria of real rows kappa -.05, macro-F1 .46",
}
"""Agreement with gpt-4.1's verdicts (docs/judges.md); kappa 0 is chance."""


@register_judge("local")
@dataclass(slots=True, kw_only=True)
class LocalJudge:
    """Weighs Yes against No with a GGUF file, a transformers model or a llama.cpp server."""

    runtime_defaults: ClassVar[Mapping[str, Any]] = {"max_concurrency": 2, "timeout_s": 1800.0}
    """One model computes one prompt at a time: more in flight would only wait, and time out."""
    model: str = ""
    """Path of a .gguf file, folder or hub name of a transformers model, `package:NAME` for a GGUF
    that a Python package carries; or, with `base_url`, the name the server knows."""
    base_url: str | None = None
    """A llama.cpp server that is running already."""
    api_key_env: str = "OPENAI_API_KEY"
    prompt: str = "yes_no"
    min_mass: float = MIN_MASS
    look: bool = True
    n_ctx: int = 8192
    """Longest prompt in tokens, for a GGUF."""
    n_threads: int = 2
    dtype: str = "bfloat16"
    """For a transformers model."""
    device: str = "cpu"
    identity: JudgeIdentity = field(init=False)
    notes: str = field(init=False)
    """What is known of this model's worth as a judge; it stands in the results."""
    _asking: Asking = field(init=False, repr=False)
    _loaded: YesNoModel | None = field(default=None, init=False, repr=False)
    _lock: asyncio.Lock | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check that the model is there, before anything is asked."""
        if not self.model:
            raise ConfigError("the local judge needs a model: --judge_args model=FILE.gguf")
        if not 0 <= self.min_mass <= 1:
            raise ConfigError(f"min_mass={self.min_mass}: between 0 and 1")
        self._asking = Asking(shape="prefix", prompt=self.prompt, look=self.look)
        name = self._name()
        settings: dict[str, Any] = {
            "min_mass": self.min_mass,
            "n_ctx": self.n_ctx,
            "look": self.look,
        }
        if not self.is_gguf and self.base_url is None:
            settings = {"min_mass": self.min_mass, "look": self.look, "dtype": self.dtype}
        self.identity = JudgeIdentity(
            "local", model=name, prompt=self._asking.wording.label, sampling=settings
        )
        self.notes = worth_of(name)
        log.warning("judge local: %s", self.notes)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded model behind."""
        left = {"_loaded": None, "_lock": None}
        return {name: left.get(name, getattr(self, name)) for name in self.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the settings up again."""
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @property
    def is_gguf(self) -> bool:
        """Whether llama.cpp runs the model."""
        return self.model.endswith(".gguf") or self.model.startswith("package:")

    async def judge(self, question: Question) -> Verdict:
        """Weigh Yes against No for one criterion."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        # one at a time and in order: the criteria of one answer follow each other, and each finds
        # the conversation's part of the prompt computed
        async with self._lock:
            if self._loaded is None:
                self._loaded = await self._load()
            said = await self._loaded.weigh(self._asking.messages([question]))
        return self._verdict(said)

    def key_material(self, question: Question) -> bytes:
        """Give the exact words sent about this question."""
        return orjson.dumps(self._asking.messages([question]))

    async def aclose(self) -> None:
        """Let the model go."""
        loaded, self._loaded, self._lock = self._loaded, None, None
        if loaded is not None:
            await loaded.aclose()

    def _verdict(self, said: YesNo) -> Verdict:
        tokens = {"prompt_tokens": said.prompt_tokens, "cached_tokens": said.cached_tokens}
        mass = said.yes + said.no
        if mass <= 0 or mass < self.min_mass:
            why = f"Yes and No hold {mass:.2f} of the probability, {self.min_mass:g} is asked for"
            # SKIPPED: the same prompt gives the same numbers, asking again cannot help
            return Verdict(Outcome.SKIPPED, explanation=why, **tokens)  # type: ignore[arg-type]
        chance = said.yes / mass
        words = f"P(yes) {said.yes:.3f}, P(no) {said.no:.3f}"
        if chance == 0.5:
            return Verdict(Outcome.SKIPPED, explanation=f"a tie: {words}", **tokens)  # type: ignore[arg-type]
        return Verdict.of(chance > 0.5, probability=chance, explanation=words, **tokens)

    def _name(self) -> str:
        """Name the model by what it is, not by where it lies."""
        if self.base_url is not None:
            return self.model
        if self.is_gguf:
            path = self._gguf()
            return f"{path.name}@{fingerprint(path)}"
        folder = user_path(self.model)
        return f"{folder.name}@{fingerprint(folder)}" if folder.exists() else self.model

    def _gguf(self) -> Path:
        if self.model.startswith("package:"):
            from .llama_server import package_gguf

            return package_gguf(self.model.removeprefix("package:"))
        path = user_path(self.model)
        if not path.is_file():
            raise ConfigError(f"the local judge's model: no file {self.model}")
        return path

    async def _load(self) -> YesNoModel:
        if self.base_url is not None or self.is_gguf:
            if self.base_url is not None:
                return LlamaModel.at(self.base_url, self.model, self.api_key_env)
            return await LlamaModel.start(self._gguf(), self.n_ctx, self.n_threads)

        return await TorchModel.load(self.model, self.dtype, self.device)


def worth_of(name: str) -> str:
    """Say what was measured of a model as a judge, or that nothing was."""
    lower = name.lower()
    for part, measured in _MEASURED.items():
        if part in lower:
            return (
                f"{name}: against gpt-4.1 on {measured} (kappa 0 is chance): not an honest grader, "
                "its scores mean nothing"
            )
    return (
        f"{name}: no agreement with physicians or a better judge is known; measure it before its "
        "scores are believed"
    )


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
