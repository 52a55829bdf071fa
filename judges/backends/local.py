"""A model on this machine as a judge: the chance of Yes against No, read off one forward pass.

Not generated text: the chance is continuous and it ranks, where small models' words do neither.
The conversation stands before the criterion, and what two prompts share is computed once. Meant for
those who have a capable model: no small one that was measured is an honest grader (`notes`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import orjson

from ..errors import ConfigError
from ..files import user_path
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..verdict import Outcome, Verdict
from .asking import Asking
from .yes_no import YesNo, YesNoModel

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
            from ..llama_server import package_gguf

            return package_gguf(self.model.removeprefix("package:"))
        path = user_path(self.model)
        if not path.is_file():
            raise ConfigError(f"the local judge's model: no file {self.model}")
        return path

    async def _load(self) -> YesNoModel:
        if self.base_url is not None or self.is_gguf:
            from .local_llama import LlamaModel

            if self.base_url is not None:
                return LlamaModel.at(self.base_url, self.model, self.api_key_env)
            return await LlamaModel.start(self._gguf(), self.n_ctx, self.n_threads)
        from .local_torch import TorchModel

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
