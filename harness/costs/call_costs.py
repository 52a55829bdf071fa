"""What grading at some scale takes: calls, tokens with and without prefix reuse, time and money.

Arithmetic only. It knows lengths and speeds, no text and no judge; what it is not told is None in
the result, never 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from ...judges.engine.ledger import BYTES_PER_TOKEN, Cost, Price, known_sum
from ...judges.engine.work_items import group_size_of, material_of
from ...judges.errors import ConfigError
from ...judges.judge import Judge, Question
from ...judges.rubric import Criterion, Example, Message, Polarity, Rubric

SECONDS_PER_HOUR = 3_600.0
MOST = 10**9
"""Of rows, samples, criteria or replicates: more is a slip of the hand."""
_ITEM_FRAME_BYTES = 12
"""Number, points and line break around an item of a grouped call."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be graded."""

    rows: int
    samples: int
    """Answers to each row."""
    criteria: float
    """Of a row, on average."""
    replicates: int = 1
    """Independent verdicts of each criterion."""

    def __post_init__(self) -> None:
        """Refuse what is no workload."""
        for name in ("rows", "samples", "replicates"):
            if not 1 <= getattr(self, name) <= MOST:
                raise ConfigError(
                    f"{name} must be at least 1 and at most {MOST:,}, not {getattr(self, name)}"
                )
        if not 0 < self.criteria <= MOST:
            raise ConfigError(f"criteria must be above 0 and at most {MOST:,}, not {self.criteria}")

    @property
    def answers(self) -> int:
        """All answers."""
        return self.rows * self.samples

    @property
    def verdicts(self) -> int:
        """All verdicts, replicates included."""
        return round(self.answers * self.criteria) * self.replicates


@dataclass(frozen=True, slots=True)
class CallShape:
    """The lengths of one call in tokens, in the order of the prompt."""

    head: float
    """Shared by every call of the judge."""
    conversation: float
    """Shared by every call about one row."""
    answer: float
    """Shared by every call about one answer."""
    tail: float
    """What follows, and differs from criterion to criterion."""
    more_items: float
    """Added by each further criterion of a grouped call."""
    reply: float
    """Of one verdict."""
    group_size: int = 1

    def calls(self, criteria: float) -> float:
        """Count the calls about one answer."""
        return criteria if self.group_size <= 1 else float(ceil(criteria / self.group_size))

    def prompt(self, criteria: float) -> float:
        """Give the whole prompt of a call."""
        # the last group of an answer may be shorter: a call is counted by what it holds on average
        more = (criteria / self.calls(criteria) - 1) * self.more_items
        return self.head + self.conversation + self.answer + self.tail + more

    def scaled(self, prompt_tokens: float, criteria: float) -> CallShape:
        """Stretch the prompt's parts alike, to a measured whole."""
        factor = prompt_tokens / self.prompt(criteria)
        return replace(
            self,
            head=self.head * factor,
            conversation=self.conversation * factor,
            answer=self.answer * factor,
            tail=self.tail * factor,
            more_items=self.more_items * factor,
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the judge answers, as far as it is known."""

    latency_s: float | None = None
    """Of one call."""
    max_concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    gpus: int = 0
    """0: the judge is somebody else's endpoint."""
    prompt_tokens_per_s: float | None = None
    """Prompt tokens that one GPU reads."""
    reply_tokens_per_s: float | None = None
    """Tokens that one GPU writes, at full batch."""
    gpu_usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One scale of a plan."""

    work: Workload
    cost: Cost
    """Without prefix reuse."""
    reused_tokens: int
    """Of the prompt tokens, those that a prefix cache has seen, at best."""
    usd_with_reuse: float | None
    """None where no price is known."""
    seconds: float | None
    """None where no speed is known."""
    bound_by: str | None
    """What sets the time: latency, requests_per_minute, tokens_per_minute or gpus."""
    usd_gpus: float | None
    """Rent of the GPUs for that time; None without a price or without a time."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "rows": self.work.rows,
            "answers": self.work.answers,
            "verdicts": self.work.verdicts,
            "calls": self.cost.calls,
            "prompt_tokens": self.cost.prompt_tokens,
            "reused_tokens": self.reused_tokens,
            "reply_tokens": self.cost.completion_tokens,
            "seconds": self.seconds,
            "bound_by": self.bound_by,
            "usd": self.cost.cost_usd,
            "usd_with_reuse": self.usd_with_reuse,
            "usd_gpus": self.usd_gpus,
        }


def plan_run(work: Workload, shape: CallShape, speed: Speed, price: Price | None) -> PlannedRun:
    """Work out one scale."""
    calls_once = round(work.answers * shape.calls(work.criteria))
    calls = calls_once * work.replicates
    whole = shape.prompt(work.criteria)
    own = whole - shape.head - shape.conversation - shape.answer
    prompt = calls * whole
    reply = work.verdicts * shape.reply
    fresh = (
        shape.head + work.rows * shape.conversation + work.answers * shape.answer + calls_once * own
    )
    reused = max(0.0, prompt - fresh)
    cost = Cost.of(price, calls, prompt, reply)
    seconds, bound = _seconds(calls, prompt, reused, reply, speed)
    rent = speed.gpu_usd_per_hour
    has_rent = rent is not None and seconds is not None and speed.gpus > 0
    return PlannedRun(
        work,
        cost,
        round(reused),
        price.cost(cost.prompt_tokens, round(reused), cost.completion_tokens) if price else None,
        seconds,
        bound,
        speed.gpus * rent * seconds / SECONDS_PER_HOUR if has_rent else None,  # type: ignore[operator]  # both known here
    )


def free_run(work: Workload) -> PlannedRun:
    """Give the scale of a judge without a model: nothing is called, and its time is not known."""
    return PlannedRun(work, Cost(), 0, 0.0, None, None, None)


def added(runs: Sequence[PlannedRun]) -> PlannedRun:
    """Add up the members of a jury: they are asked at the same time, each on its own."""
    slowest = max(runs, key=lambda run: run.seconds or 0.0)
    is_timed = all(run.seconds is not None for run in runs)
    return PlannedRun(
        runs[0].work,
        Cost.sum(run.cost for run in runs),
        sum(run.reused_tokens for run in runs),
        known_sum(run.usd_with_reuse for run in runs),
        slowest.seconds if is_timed else None,
        slowest.bound_by if is_timed else None,
        known_sum(run.usd_gpus for run in runs),
    )


def scales(rows: int) -> list[int]:
    """Give the sizes to plan for: a hundredth, a tenth, the whole."""
    return sorted({max(1, ceil(rows / part)) for part in (100, 10, 1)})


def _seconds(
    calls: int, prompt: float, reused: float, reply: float, speed: Speed
) -> tuple[float | None, str | None]:
    bounds: dict[str, float] = {}
    if speed.latency_s is not None:
        # the first call goes alone, to find a wrong key or address at the price of one request
        rounds = 1 + max(0, calls - 1) / speed.max_concurrency
        bounds["latency"] = rounds * speed.latency_s
    if speed.requests_per_minute:
        bounds["requests_per_minute"] = calls / speed.requests_per_minute * 60
    if speed.tokens_per_minute:
        bounds["tokens_per_minute"] = (prompt + reply) / speed.tokens_per_minute * 60
    if speed.gpus and speed.prompt_tokens_per_s and speed.reply_tokens_per_s:
        reading = (prompt - reused) / speed.prompt_tokens_per_s
        bounds["gpus"] = (reading + reply / speed.reply_tokens_per_s) / speed.gpus
    elif speed.gpus:
        return None, None
    if not bounds:
        return None, None
    slowest = max(bounds, key=lambda name: bounds[name])
    return bounds[slowest], slowest


def call_shape(
    judge: Judge,
    *,
    prompt_tokens: float,
    answer_tokens: float,
    criterion_tokens: float,
    reply_tokens: float,
) -> CallShape:
    """Measure the parts of a judge's call.

    Args:
        judge: Whose wording it is.
        prompt_tokens: Of the conversation before the answer.
        answer_tokens: Of the answer.
        criterion_tokens: Of one criterion.
        reply_tokens: Of the reply, for one verdict.
    """

    def words(conversation: str, answer: str, criterion: str) -> str:
        example = _example(
            _filler(conversation, prompt_tokens), _filler(criterion, criterion_tokens)
        )
        return _said(material_of(judge, Question(example, _filler(answer, answer_tokens), 0)))

    base = words("a", "a", "a")
    ends = [
        _n_shared(base, other)
        for other in (words("b", "b", "b"), words("a", "b", "b"), words("a", "a", "b"))
    ]
    # a judge that words the criterion first shares nothing behind it
    head, with_conversation, with_answer = ends[0], max(ends[:2]), max(ends)
    per_token = BYTES_PER_TOKEN
    return CallShape(
        head / per_token,
        (with_conversation - head) / per_token,
        (with_answer - with_conversation) / per_token,
        (len(base) - with_answer) / per_token,
        criterion_tokens + _ITEM_FRAME_BYTES / per_token,
        reply_tokens,
        group_size_of(judge),
    )


def _example(prompt: str, criterion: str) -> Example:
    rubric = Rubric((Criterion(criterion, 5.0, Polarity.DESIRABLE),))
    return Example("planned", (Message("user", prompt),), rubric)


def _n_shared(one: str, other: str) -> int:
    """Count the characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _filler(letter: str, tokens: float) -> str:
    return letter * max(1, round(tokens * BYTES_PER_TOKEN))


def _said(material: bytes) -> str:
    """Take the words out of a request: its JSON has escapes that no model reads."""
    try:
        messages = json.loads(material)
        return "\n".join(f"{message['role']}: {message['content']}" for message in messages)
    except (ValueError, TypeError, KeyError, IndexError):
        return material.decode("utf-8", "replace")
