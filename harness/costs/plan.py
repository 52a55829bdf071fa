"""Plan what a judge costs at each scale, with every assumption named and where it came from.

Sizes are the user's, lengths and speeds come from flags, from a pilot's result files, or are
assumed and said to be. Prices come from the prices files; an unknown price or speed stays unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from ...judges.engine.assembly import part_of
from ...judges.engine.cost_estimate import asked_parts
from ...judges.engine.ledger import BYTES_PER_TOKEN, REPLY_TOKENS_GUESS
from ...judges.engine.work_items import Part, group_size_of
from ...judges.errors import ConfigError, DataError
from ...judges.grader import open_grader
from ...reports.results.values import mapping
from ..flags import keys_stand_in
from .call_costs import (
    CallShape,
    PlannedRun,
    Speed,
    Workload,
    added,
    call_shape,
    free_run,
    plan_run,
    scales,
)

FIRST_TOKEN_S = 0.5
TOKENS_PER_S = 80.0
"""Of one reply of a hosted model; both are guesses of the order, for want of a measurement."""
GPU_SOURCES = {
    "prompt_tokens_per_s": "unknown: measure it, docs/scale.md says how; --gpu_speed",
    "reply_tokens_per_s": "unknown: measure it, docs/scale.md says how; --gpu_speed",
    "gpu_usd_per_hour": "unknown: --gpu_price",
}
"""Why no speed is shipped: it differs tenfold by model, card and length of the prompts."""
IN_PROCESS = {"vllm", "local"}
"""Judges that run on the user's own device: no endpoint's latency says how fast they are."""


@dataclass(frozen=True, slots=True)
class PilotRun:
    """What a measured run says of a judge."""

    path: str
    digest: str
    prompt_tokens: float
    """Of a call."""
    reply_tokens: float
    """Of a verdict."""
    latency_s: float | None


def read_pilot(path: Path) -> PilotRun:
    """Read the newest result file of a judge below a path.

    Raises:
        DataError: There is none that made calls.
    """
    if not path.exists():
        raise DataError(f"--pilot {path}: no such file or folder")
    files = sorted(path.rglob("results_*.json")) if path.is_dir() else [path]
    for file in sorted(files, key=lambda each: each.name, reverse=True):
        for judge in _judges_in(file):
            try:
                pilot = _pilot_of(file.name, judge)
            except TypeError as error:
                raise DataError(
                    f"--pilot {file}: its record of the judge cannot be read ({error})"
                ) from error
            if pilot is not None:
                return pilot
    raise DataError(
        f"--pilot {path}: no result file there with judge calls; grade a few answers with "
        "`rubricbeat judge ... --output_path FOLDER` into a fresh store first"
    )


def _pilot_of(name: str, judge: Mapping[str, object]) -> PilotRun | None:
    """Read what a run says of its judge; None where it made no call."""
    tokens, outcomes = mapping(judge.get("tokens")), mapping(judge.get("outcomes"))
    calls, prompt = _number(judge.get("calls")), _number(tokens.get("prompt"))
    n_verdicts = sum(map(_number, outcomes.values())) - _number(judge.get("store_hits"))
    if not (calls > 0 and prompt > 0 and n_verdicts >= 1):
        return None
    latency = mapping(judge.get("latency_s")).get("p50")
    return PilotRun(
        name,
        str(judge.get("digest")),
        prompt / calls,
        _number(tokens.get("completion")) / n_verdicts,
        None if latency is None else _number(latency),
    )


def _number(value: object) -> float:
    """Read a count; 0 where nothing is said."""
    if value is None:
        return 0.0
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is no number")
    return float(value)


def _judges_in(file: Path) -> Iterator[Mapping[str, object]]:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"--pilot {file}: cannot be read ({error})") from error
    for config in mapping(mapping(results).get("configs")).values():
        judge = mapping(mapping(config).get("metadata")).get("judge")
        if isinstance(judge, Mapping):
            yield judge


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of the parts of a call that are not the judge's own wording."""

    prompt: float = 250.0
    answer: float = 500.0
    criterion: float = 50.0
    reply: float = float(REPLY_TOKENS_GUESS)


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number a plan rests on."""

    name: str
    value: float | int | str | None
    source: str


@dataclass(frozen=True, slots=True)
class CostPlan:
    """The scales of a plan, and what they rest on."""

    judge: str
    model: str
    runs: tuple[PlannedRun, ...]
    assumptions: tuple[Assumption, ...]

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "judge": self.judge,
            "model": self.model,
            "scales": [run.to_json() for run in self.runs],
            "assumptions": [asdict(each) for each in self.assumptions],
        }


def make_plan(
    work: Workload,
    options: Mapping[str, object],
    *,
    lengths: Lengths,
    given: frozenset[str] = frozenset(),
    speed: Speed,
    pilot: PilotRun | None = None,
) -> CostPlan:
    """Plan a judge's work at a hundredth, a tenth and the whole of it.

    Args:
        work: The whole.
        options: The judge, as `open_grader` takes it.
        lengths: Tokens of the parts.
        given: Names of the lengths that the user stated.
        speed: What is known of it; limits of the judge's options fill what is missing.
        pilot: A measured run of the same judge.

    Raises:
        ConfigError: The judge cannot be built, or the pilot is another judge's.
    """
    notes: list[Assumption] = []
    name = str(options.get("name"))
    options = _buildable(options, notes)
    with keys_stand_in(options), open_grader(options) as grader:
        part = part_of(grader.judge, grader.options)
        names = {name, *(payer.identity.name for payer in part.payers)}
        is_ours = not IN_PROCESS.isdisjoint(names)
        limits = ("max_concurrency", "requests_per_minute", "tokens_per_minute")
        speed = replace(speed, **{name: getattr(grader.options, name) for name in limits})
        if pilot is not None:
            if len(part.payers) != 1 or pilot.digest != part.identity.digest:
                raise ConfigError(
                    f"--pilot {pilot.path}: that run used another judge or other options; give the "
                    "judge and options of the pilot"
                )
            lengths = replace(lengths, reply=pilot.reply_tokens)
            if speed.latency_s is None and pilot.latency_s is not None:
                speed = replace(speed, latency_s=pilot.latency_s)
                notes.append(Assumption("latency_s", pilot.latency_s, "pilot, median"))
        speed = _with_latency(speed, part, lengths, work, notes, is_ours=is_ours)
        notes += _length_notes(lengths, given, pilot)
        members = list(asked_parts(part, work.replicates))
        shapes = {
            member.identity.digest: _shape(member, lengths, pilot, work) for member, _ in members
        }
        notes += _own_notes(members, shapes, speed, is_ours=is_ours)
        works = [replace(work, rows=rows) for rows in scales(work.rows)]
        runs = tuple(
            added([
                _planned(member, replace(one, replicates=times), shapes, speed)
                for member, times in members
            ])
            for one in works
        )  # fmt: skip
        return CostPlan(name, part.identity.model, runs, tuple(notes))


def _buildable(options: Mapping[str, object], notes: list[Assumption]) -> dict[str, object]:
    """Plan a vLLM judge where vLLM is not installed, by the same wording over HTTP."""
    if options.get("name") != "vllm" or find_spec("vllm") is not None:
        return {**options, "store": False, "max_cost": None}
    taken = ("model", "prompt", "group_size", "replicates", "max_concurrency")
    plain = {name: options[name] for name in taken if name in options}
    notes.append(
        Assumption("wording", "chat", "vLLM is not installed here; the prompt text is the same")
    )
    plain.setdefault("max_concurrency", 1024)
    return {"name": "chat", "shape": options.get("shape", "prefix"), "store": False, **plain}


def _with_latency(
    speed: Speed,
    part: Part,
    lengths: Lengths,
    work: Workload,
    notes: list[Assumption],
    *,
    is_ours: bool,
) -> Speed:
    """Guess the latency of an endpoint where nobody says it."""
    payers = [each for each in part.payers if each.is_stored]
    if speed.latency_s is not None or speed.gpus or not payers or is_ours:
        return speed
    if any(getattr(each.judge, "collects", False) for each in payers):
        source = "a batch finishes when its provider has time, within a day; --latency"
        notes.append(Assumption("latency_s", None, source))
        return speed
    size = max(group_size_of(each.judge) for each in payers)
    latency = FIRST_TOKEN_S + lengths.reply * min(float(size), work.criteria) / TOKENS_PER_S
    source = f"guess: {FIRST_TOKEN_S:g} s and {TOKENS_PER_S:g} tokens/s; --latency or --pilot"
    notes.append(Assumption("latency_s", round(latency, 3), source))
    return replace(speed, latency_s=latency)


def _shape(part: Part, lengths: Lengths, pilot: PilotRun | None, work: Workload) -> CallShape:
    shape = call_shape(
        part.judge,
        prompt_tokens=lengths.prompt,
        answer_tokens=lengths.answer,
        criterion_tokens=lengths.criterion,
        reply_tokens=lengths.reply,
    )
    return shape.scaled(pilot.prompt_tokens, work.criteria) if pilot is not None else shape


def _planned(
    part: Part, work: Workload, shapes: Mapping[str, CallShape], speed: Speed
) -> PlannedRun:
    if not part.is_stored:  # free to ask, and no model at all
        return free_run(work)
    return plan_run(work, shapes[part.identity.digest], speed, part.ledger.price)


def _length_notes(
    lengths: Lengths, given: frozenset[str], pilot: PilotRun | None
) -> Iterator[Assumption]:
    for name in ("prompt", "answer", "criterion", "reply"):
        source = "given" if name in given else "assumed; give the number, or --pilot"
        if pilot is not None:
            source = "pilot" if name == "reply" else "only splits the measured prompt"
        yield Assumption(f"{name}_tokens", round(getattr(lengths, name), 1), source)


def _own_notes(
    members: Sequence[tuple[Part, int]],
    shapes: Mapping[str, CallShape],
    speed: Speed,
    *,
    is_ours: bool,
) -> Iterator[Assumption]:
    yield Assumption("bytes_per_token", BYTES_PER_TOKEN, "English prose")
    yield Assumption("max_concurrency", speed.max_concurrency, "judge options")
    for name in ("requests_per_minute", "tokens_per_minute"):
        if getattr(speed, name) is not None:
            yield Assumption(name, getattr(speed, name), "judge options")
    for part, _ in members:
        if not part.is_stored:
            yield Assumption(f"price of {part.identity.name}", 0, "a judge without a model")
            continue
        shape, model = shapes[part.identity.digest], part.identity.model
        fixed = round(shape.head + shape.tail)
        yield Assumption("wording_and_criterion_tokens", fixed, part.identity.prompt)
        price = part.ledger.price
        if price is None:
            yield Assumption(f"price of {model}", None, "unknown; prices=FILE sets it")
        else:
            words = f"${price.input:g} in, ${price.cached:g} cached, ${price.output:g} out"
            source = "from prices.yaml or your file; per 1e6 tokens"
            if getattr(part.judge, "collects", False) and not is_ours:
                source += " of single calls: a batch is charged less (OpenAI: half)"
            yield Assumption(f"price of {model}", words, source)
    if speed.gpus or is_ours:
        yield Assumption("gpus", speed.gpus, "given" if speed.gpus else "none given: --gpus")
        for name in ("prompt_tokens_per_s", "reply_tokens_per_s", "gpu_usd_per_hour"):
            value = getattr(speed, name)
            yield Assumption(name, value, "given" if value is not None else GPU_SOURCES[name])
    yield Assumption("reuse", "at best", "all shared prefixes stay cached")
    yield Assumption("retries", 0, "not counted; with a store a second run is free")
