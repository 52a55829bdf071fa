"""A model in this process through vLLM's offline `LLM`: no server, no HTTP.

Questions that are open at the same time are gathered and generated as one stream of requests, where
vLLM batches them token by token; prefix caching is on, and replies are held to a JSON schema.

vLLM brings its own torch and pins transformers: it is an extra of its own, imported when a judge is
first asked. It is verified for real by `benchmarks/vllm_check.py` (`make vllm-check`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar

from ..errors import ConfigError, OutageError, TooLongError
from ..judge import JudgeIdentity
from ..registry import register_judge
from ..rubric import Example
from ..verdict import Rating
from .prompting import Asking, AsksInWords
from .prompts.asking_options import AskingOptions
from .prompts.reply_forms import RATING, ReplyForm
from .refusals import SHOWN_CHARS, Said
from .replies import Completion

MISSING = (
    "the vllm judge needs vLLM, which is not installed: pip install 'rubricbeat[vllm]' (it pins "
    "torch, so that an environment of its own is best), or serve the model with `vllm serve` and "
    "use --judge chat"
)


@dataclass(slots=True)
class _Waiting:
    """One conversation to be answered."""

    messages: list[dict[str, str]]
    form: ReplyForm
    replicate: int
    reply: asyncio.Future[Completion]


@register_judge("vllm")
@dataclass(slots=True, kw_only=True)
class VllmJudge(AskingOptions, AsksInWords):
    """Grades with a model that vLLM runs in this process."""

    runtime_defaults: ClassVar[Mapping[str, object]] = {
        # what is open at once is what vLLM can batch; a large batch takes its time
        "max_concurrency": 1024,
        "timeout_s": 3600.0,
    }
    collects: ClassVar[bool] = True
    model: str = ""
    """Folder or hub name."""
    shape: str = "prefix"
    """`prefix` by default: that is what prefix caching feeds on."""
    temperature: float = 0.5
    max_tokens: int = 2048
    request_seed: int | None = None
    structured: bool = True
    """Hold replies to the JSON schema."""
    linger_s: float = 0.02
    """Seconds without a further question before a batch starts."""
    engine: Mapping[str, object] = field(default_factory=dict)
    """Further settings of `vllm.LLM`, such as `{"max_model_len": 8192}`."""
    identity: JudgeIdentity = field(init=False)
    rating_identity: JudgeIdentity = field(init=False)
    _asking: Asking = field(init=False, repr=False)
    _llm: Any = field(default=None, init=False, repr=False)
    _thread: ThreadPoolExecutor | None = field(default=None, init=False, repr=False)
    _waiting: list[_Waiting] = field(default_factory=list, init=False, repr=False)
    _collector: asyncio.Task[None] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every setting, and that vLLM is there, without importing it."""
        if not self.model:
            raise ConfigError("the vllm judge needs a model: --judge_args model=NAME")
        if find_spec("vllm") is None:
            raise ConfigError(MISSING)
        self._asking = Asking.of(self)
        self.group_size = self._asking.n_group
        self.identity = self._identity(None, self._asking.wording.label)
        self.rating_identity = self._identity("rating", self._asking.rating_wording.label)

    async def rate(self, example: Example, answer: str) -> Rating:
        """Rate an answer by the whole rubric, 1 to 10."""
        messages = self._asking.rating_messages(example, answer)
        return self._asking.rating_in(await self._complete(messages, RATING, 0))

    async def aclose(self) -> None:
        """Let the model and its memory go."""
        if self._collector is not None:
            self._collector.cancel()
            await asyncio.gather(self._collector, return_exceptions=True)
        self._collector, self._llm = None, None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    # -- gathering ------------------------------------------------------------------------

    async def _complete(
        self, messages: list[dict[str, str]], form: ReplyForm, replicate: int
    ) -> Completion:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(messages, form, replicate, loop.create_future())
        self._waiting.append(waiting)
        if self._collector is None or self._collector.done():
            self._collector = loop.create_task(self._collect())
        return await waiting.reply

    async def _collect(self) -> None:
        """Generate for everything that waits, again and again until nothing does."""
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "rubricbeat-vllm")
        while self._waiting:
            n_before = -1
            while n_before < len(self._waiting):
                n_before = len(self._waiting)
                await asyncio.sleep(self.linger_s)
            batch = [one for one in self._waiting if not one.reply.done()]
            self._waiting = []
            try:
                completions = await loop.run_in_executor(self._thread, self._generate, batch)
            except Exception as error:  # each asker must hear of it, whatever it is
                known = error if isinstance(error, ConfigError) else _engine_fault(error)
                for one in batch:
                    if not one.reply.done():
                        one.reply.set_exception(known)
                continue
            for one, completion in zip(batch, completions, strict=True):
                if one.reply.done():
                    continue
                if isinstance(completion, TooLongError):
                    one.reply.set_exception(completion)
                else:
                    one.reply.set_result(completion)

    def _generate(self, batch: Sequence[_Waiting]) -> list[Completion | TooLongError]:
        """Run one batch, on the model's own thread; one that is too long costs no other its reply.

        vLLM refuses the whole batch for one prompt beyond its context, so that such a batch is
        halved until the prompt is alone.
        """
        if self._llm is None:
            self._llm = self._load()
        try:
            return list(self._asked(batch))
        except ValueError as error:
            line = " ".join(str(error).split())[:SHOWN_CHARS]
            if not Said(line).is_too_long:
                raise
            if len(batch) == 1:
                return [TooLongError(f"{line} (the question is longer than the judge's context)")]
            half = len(batch) // 2
            return [*self._generate(batch[:half]), *self._generate(batch[half:])]

    def _asked(self, batch: Sequence[_Waiting]) -> Iterator[Completion]:
        outputs = self._llm.chat(
            [one.messages for one in batch],
            sampling_params=[self._sampling(one) for one in batch],
            use_tqdm=False,
        )
        return map(completion_of, outputs)

    def _load(self) -> object:
        try:
            from vllm import LLM
        except ImportError as error:
            raise ConfigError(f"{MISSING} ({error})") from error
        settings = {
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            **(_no_white_space() if self.structured else {}),
            **self.engine,
        }
        try:
            return LLM(model=self.model, **settings)
        except (OSError, ValueError, TypeError) as error:
            line = " ".join(str(error).split())[:300]
            raise ConfigError(f"vLLM cannot load {self.model!r}: {line}") from error

    def _sampling(self, one: _Waiting) -> object:
        from vllm import SamplingParams

        seed = None if self.request_seed is None else self.request_seed + one.replicate
        settings: dict[str, object] = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": seed,
        }
        if self.structured and one.form.schema is not None:
            settings |= _held_to(dict(one.form.schema))
        return SamplingParams(**settings)

    def _identity(self, shape: str | None, label: str) -> JudgeIdentity:
        settings = {
            **self._asking.settings(shape),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "structured": self.structured,
        }
        if self.request_seed is not None:
            settings["request_seed"] = self.request_seed
        if self.engine:
            settings["engine"] = dict(self.engine)
        return JudgeIdentity("vllm", model=self.model, prompt=label, sampling=settings)


def completion_of(output: Any) -> Completion:
    """Read a `RequestOutput`; vLLM names the reasons as OpenAI does."""
    reply = output.outputs[0]
    return Completion(
        text=reply.text,
        finish_reason=str(reply.finish_reason or ""),
        prompt_tokens=len(output.prompt_token_ids or ()),
        cached_tokens=int(getattr(output, "num_cached_tokens", 0) or 0),
        completion_tokens=len(reply.token_ids),
    )


def _held_to(schema: dict[str, object]) -> dict[str, object]:
    """Name the schema as this version of vLLM does."""
    import vllm.sampling_params as params

    if hasattr(params, "StructuredOutputsParams"):
        return {"structured_outputs": params.StructuredOutputsParams(json=schema)}
    return {"guided_decoding": params.GuidedDecodingParams(json=schema)}  # vLLM before 0.11


def _no_white_space() -> dict[str, object]:
    """Forbid white space between the words of the JSON: small models wander in it until cut off.

    A setting of the engine: since vLLM 0.11 the one of a request is not looked at (seen in 0.32).
    """
    import vllm.config as config

    if not hasattr(config, "StructuredOutputsConfig"):  # vLLM before 0.11
        return {}
    return {"structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True}}


def _engine_fault(error: Exception) -> OutageError:
    line = " ".join(str(error).split())[:300]
    return OutageError(f"vLLM failed: {type(error).__name__}: {line}")
