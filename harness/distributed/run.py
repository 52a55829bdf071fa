"""`rubricbeat judge --engine ray`: fill the store on many workers, then read results from it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from ...judges.answer import Answer, GradedAnswer
from ...judges.data.responses import Responses
from ...judges.engine.assembly import part_of, store_place
from ...judges.engine.options import added_facts, shares_of
from ...judges.engine.work_items import Sheet
from ...judges.errors import ConfigError
from ...judges.files import user_path
from ...judges.grader import Grader, open_grader
from ...judges.rubric import Example
from ...judges.scoring.missing_reasons import MissingVerdicts
from ...judges.store.sqlite_file import open_store_file
from ...judges.verdict import Verdict
from .cluster import ray_session
from .pool import Feeder, PoolOutcome, PoolPlan, WorkerPool, not_shared
from .worker import StorePlace, rows_of

MIN_CHUNK, MAX_CHUNK = 4, 512
"""Answers a worker gets at a time, where nobody says it."""
CHUNK_ROUNDS = 2
"""Rounds of calls in a chunk: fewer leave a worker idle, more leave one alone at the end."""
GPU_JUDGES = {"vllm"}
"""Judges that hold a model on a GPU of their own."""


@dataclass(frozen=True, slots=True)
class WorkersRequest:
    """What the flags say about workers."""

    responses: Responses
    workers: int | None = None
    """None: one a GPU for judges that need one, else two."""
    address: str | None = None
    endpoints: tuple[str, ...] = ()
    """Base URLs, dealt out to the workers in turn; none: the judge's own."""
    chunk: int | None = None
    """Answers a worker gets at a time; None: two rounds of its calls."""
    resume: bool = False


@dataclass(frozen=True, slots=True)
class WorkersRun:
    """What the workers left behind."""

    outcome: PoolOutcome
    n_answers: int
    n_workers: int

    def missing(self, allowed: float) -> MissingVerdicts:
        """Count the verdicts that never came; `allowed` is the share that may be missing."""
        found = MissingVerdicts(allowed)
        found.n_asked = self.outcome.n_verdicts
        for one in self.outcome.missing:
            found.add_verdict(one.verdict)
        return found

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {
            "answers": self.n_answers,
            "verdicts": self.outcome.n_verdicts,
            "missing": len(self.outcome.missing),
            "workers": self.n_workers,
            "lost_workers": self.outcome.n_lost_workers,
            "stopped": self.outcome.stopped,
            "calls": sum(facts["calls"] for facts in self.outcome.facts),
            "seconds": max((facts["seconds"] for facts in self.outcome.facts), default=0.0),
        }


def grade_over_workers(
    request: WorkersRequest, options: Mapping[str, object], examples: Mapping[str, Example]
) -> WorkersRun:
    """Grade saved answers into the store, on Ray workers.

    Raises:
        ConfigError: The request cannot work; nothing was paid.
        StoreError: Verdicts cannot be kept.
    """
    if request.chunk is not None and request.chunk < 1:
        raise ConfigError(f"--chunk must be at least 1, not {request.chunk}")
    with open_grader(dict(options)) as grader:
        store = _store_of(request, grader)
        each = _options_of_each(request, options, grader, store)
        n_gpus = _gpus(options, grader)
    limits = grader.options
    chunk = request.chunk or chunk_size(each[0]["max_concurrency"], examples)
    feeder = Feeder(request.responses, chunk)
    with ray_session(request.address, len(each)) as ray:
        if StorePlace.of(str(store)).host:
            check_hosts(ray.nodes())
        if isinstance(store, Path):
            open_store_file(store).close()  # workers are to find it, and make none
        has_budget = limits.max_calls is not None or limits.max_cost is not None
        plan = PoolPlan(each, n_gpus, has_budget, StorePlace.of(str(store)), limits.deadline_s)
        outcome = WorkerPool(ray, plan, feeder, ray.put(dict(examples))).run()
    return WorkersRun(outcome, feeder.n_answers, len(each))


def check_hosts(nodes: list[dict[str, Any]]) -> None:
    """See that a store of this machine is reached from wherever a worker may run.

    Raises:
        ConfigError: The cluster has CPUs on another machine.
    """
    able = (node for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1)
    hosts = {node["NodeManagerHostname"] for node in able}
    if others := sorted(hosts - {socket.gethostname()}):
        raise not_shared(others)


def chunk_size(max_concurrency: int, examples: Mapping[str, Example]) -> int:
    """Say how many answers fill a worker for two rounds of its calls."""
    n_criteria = sum(len(example.rubric) for example in examples.values())
    each = max(1.0, n_criteria / max(1, len(examples)))
    return min(MAX_CHUNK, max(MIN_CHUNK, ceil(CHUNK_ROUNDS * max_concurrency / each)))


class WorkersGrader(Grader):
    """A grader whose questions were asked by workers: it reads the store and asks nothing.

    What it does not find carries the reason that the workers gave.
    """

    def __init__(self, options: Mapping[str, object], run: WorkersRun) -> None:
        """Open a grader that may not call."""
        reader = open_grader({**options, "max_calls": 0, "max_cost": None})
        super().__init__(reader.judge, reader.options, reader._judge_options)
        self._run = run
        self._reasons = {
            (m.prompt_id, m.text, m.replicate, m.index): m.verdict for m in run.outcome.missing
        }

    @property
    def outage(self) -> str | None:
        """None: an outage is one of the reasons to stop."""
        return None

    @property
    def stopped(self) -> str | None:
        """Why the workers did not ask everything, or None."""
        return self._run.outcome.stopped

    def facts(self) -> dict[str, Any]:
        """Give the facts of the judge, with the calls and costs of all workers."""
        facts = super().facts()
        each = self._run.outcome.facts
        added = added_facts(each) if each else {}
        names = ("asked", "missing", "outcomes", "na_share")
        asked = {name: facts[name] for name in names if name in facts}
        options = {name: value for name, value in facts["options"].items() if name != "max_calls"}
        return {
            **facts,
            **added,
            **asked,
            "options": options,
            "stopped": self.stopped,
            "workers": self._run.n_workers,
            "lost_workers": self._run.outcome.n_lost_workers,
        }

    def _graded(self, answer: Answer, sheet: Sheet) -> GradedAnswer:
        one = super()._graded(answer, sheet)
        if one.is_absent:
            return one
        first, *more = (
            tuple(self._reasoned(one, replicate, i, verdict) for i, verdict in enumerate(row))
            for replicate, row in enumerate(rows_of(one))
        )
        return replace(one, verdicts=first, replicates=tuple(more))

    def _reasoned(self, one: GradedAnswer, replicate: int, index: int, verdict: Verdict) -> Verdict:
        if not verdict.is_missing:
            return verdict
        place = (one.example.prompt_id, one.answer)
        for key in ((*place, replicate, index), (*place, 0, -1)):
            if key in self._reasons:
                return self._reasons[key]
        if self.stopped is None:
            return verdict
        return replace(verdict, explanation=self.stopped)  # never asked by anybody


def _store_of(request: WorkersRequest, grader: Grader) -> Path | str:
    """Name the store by its full name: a worker has a working directory of its own.

    Raises:
        ConfigError: There is none that workers could meet in.
    """
    if not any(payer.is_stored for payer in part_of(grader.judge, grader.options).payers):
        raise ConfigError(
            f"judge {grader.identity.name!r} stores no verdicts, and workers share verdicts only "
            "through the store; remove --engine ray"
        )
    place = store_place(grader.options)
    if place is None:
        raise ConfigError("--engine ray needs a store: workers share verdicts through it")
    if isinstance(place, str):
        return place
    if request.resume and not place.is_file():
        raise ConfigError(f"--resume: there is no store at {place}; remove --resume to start")
    return place.absolute()


def _options_of_each(
    request: WorkersRequest, options: Mapping[str, object], grader: Grader, store: Path | str
) -> list[dict[str, Any]]:
    """Give the options of each worker's grader, its shares of the limits among them.

    Raises:
        ConfigError: These options cannot be shared by so many workers.
    """
    usual = 1 if _gpus(options, grader) else 2
    n_workers = request.workers if request.workers is not None else usual
    # the deadline is the run's, not a chunk's
    whole = {**options, **_absolute(options), "deadline_s": None, "store": str(store)}
    each = []
    for number, share in enumerate(shares_of(grader.options, n_workers)):
        one = {**whole, **{name: value for name, value in share.items() if value is not None}}
        if request.endpoints:
            one["base_url"] = request.endpoints[number % len(request.endpoints)]
        if open_grader(one).identity.digest != grader.identity.digest:
            raise ConfigError("--endpoints: this judge's identity contains its address")
        each.append(one)
    return each


def _absolute(options: Mapping[str, object]) -> dict[str, str]:
    """Give the files among the options by their full names."""
    named = {name: options.get(name) for name in ("prompt", "prices")}
    files = {name: user_path(file) for name, file in named.items() if isinstance(file, str)}
    return {name: str(path.absolute()) for name, path in files.items() if path.is_file()}


def _gpus(options: Mapping[str, object], grader: Grader) -> float:
    """Count the GPUs of a worker: those that its model is spread over; 0 where none is needed."""
    payers = part_of(grader.judge, grader.options).payers
    if not any(payer.identity.name in GPU_JUDGES for payer in payers):
        return 0.0
    engine = options.get("engine")
    return float(engine.get("tensor_parallel_size", 1) if isinstance(engine, Mapping) else 1)
