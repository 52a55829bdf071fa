"""`rubricbeat judge --engine ray`: fill the store on many workers, then read results from it."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from ...judges.assembly import part_of, store_place
from ...judges.data.responses import Responses
from ...judges.errors import ConfigError
from ...judges.files import user_path
from ...judges.graded import GradedAnswer
from ...judges.grading import Answer, Grader, open_grader
from ...judges.missing import MissingVerdicts
from ...judges.rubric import Example
from ...judges.sharing import added_facts, shares_of
from ...judges.verdict import Verdict
from .answer_stream import AnswerStream
from .cluster import ray_session
from .feeder import Feeder
from .gathering import Gathering
from .own_store import OwnPlace
from .pool import Pool, PoolOutcome, PoolPlan
from .whereabouts import list_of

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
    seed: int = 0
    resume: bool = False
    worker_stores: str | bool = False
    """Whether workers write stores of their own, True in their caches; or the folder for them."""


@dataclass(frozen=True, slots=True)
class WorkersRun:
    """What the workers left behind."""

    outcome: PoolOutcome
    n_answers: int
    n_workers: int
    left: tuple[str, ...] = ()
    """Workers' own stores that could not be read: where they lie, and why."""

    def missing(self, allowed: float) -> MissingVerdicts:
        """Count the verdicts that never came; `allowed` is the share that may be missing."""
        found = MissingVerdicts(allowed)
        found.n_asked = self.outcome.n_verdicts
        for one in self.outcome.missing:
            found.add_verdict(one.verdict)
        return found

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        return {
            "answers": self.n_answers,
            "verdicts": self.outcome.n_verdicts,
            "missing": len(self.outcome.missing),
            "workers": self.n_workers,
            "lost_workers": self.outcome.n_lost_workers,
            "unmerged_stores": list(self.left),
            "stopped": self.outcome.stopped,
            "calls": sum(facts["calls"] for facts in self.outcome.facts),
            "seconds": max((facts["seconds"] for facts in self.outcome.facts), default=0.0),
        }


def grade_over_workers(
    request: WorkersRequest, options: Mapping[str, Any], examples: Mapping[str, Example]
) -> WorkersRun:
    """Grade saved answers into the store, on Ray workers.

    Args:
        request: What the flags say.
        options: The judge, as `open_grader` takes it.
        examples: The rubrics, by prompt_id.

    Raises:
        ConfigError: The request cannot work; nothing was paid.
        StoreError: Verdicts cannot be kept.
    """
    if request.chunk is not None and request.chunk < 1:
        raise ConfigError(f"--chunk must be at least 1, not {request.chunk}")
    with open_grader(dict(options), seed=request.seed) as grader:
        plan = _plan(request, options, grader)
    stream = AnswerStream(request.responses)
    chunk = request.chunk or chunk_size(plan.options[0]["max_concurrency"], examples)
    feeder = Feeder(stream, chunk, _conversations(examples))
    left: tuple[str, ...] = ()
    with ray_session(request.address, len(plan.options)) as ray:
        known = ray.put(dict(examples))
        place = _own_place(request, plan, ray)
        if plan.file is None or (place is None and not list_of(plan.file).exists()):
            outcome = Pool(ray, plan, feeder, known).run()
        else:
            with Gathering(ray, plan.file, place or OwnPlace(), grader, examples) as gathering:
                outcome = Pool(ray, plan, feeder, known, gathering if place else None).run()
            left = gathering.left()
    return WorkersRun(outcome, stream.n_answers, len(plan.options), left)


def _own_place(request: WorkersRequest, plan: PoolPlan, ray: Any) -> OwnPlace | None:
    """Say where workers write stores of their own; None where they share one.

    A store that is a file is not reached from other machines: where the cluster has some, each
    worker gets its own without being asked.
    """
    wanted = request.worker_stores
    if plan.file is None:
        return None
    here = socket.gethostname()
    is_spread = any(n["Alive"] and n["NodeManagerHostname"] != here for n in ray.nodes())
    if not wanted and not is_spread:
        return None
    return OwnPlace(wanted if isinstance(wanted, str) else None)


def chunk_size(max_concurrency: int, examples: Mapping[str, Example]) -> int:
    """Say how many answers fill a worker for two rounds of its calls."""
    n_criteria = sum(len(example.rubric) for example in examples.values())
    each = max(1.0, n_criteria / max(1, len(examples)))
    return min(MAX_CHUNK, max(MIN_CHUNK, ceil(CHUNK_ROUNDS * max_concurrency / each)))


class WorkersGrader(Grader):
    """A grader whose questions were asked by workers: it reads the store and asks nothing.

    What it does not find carries the reason that the workers gave.
    """

    def __init__(self, options: Mapping[str, Any], run: WorkersRun, seed: int = 0) -> None:
        """Open a grader that may not call."""
        reader = open_grader({**options, "max_calls": 0, "max_cost": None}, seed=seed)
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

    def grade(
        self, answers: Sequence[Answer], *, progress: bool | None = None
    ) -> list[GradedAnswer]:
        """Give the verdicts of the store, and the workers' reasons for those that are not."""
        return list(self.grade_each(answers, progress=progress))

    def grade_each(
        self,
        answers: Iterable[Answer],
        *,
        progress: bool | None = False,
        n_questions: int = 0,
    ) -> Iterator[GradedAnswer]:
        """Give the same one by one, in memory that does not grow with them."""
        each = super().grade_each(answers, progress=progress, n_questions=n_questions)
        return map(self._reasoned, each)

    def facts(self) -> dict[str, Any]:
        """Give the facts of the judge, with the calls and costs of all workers."""
        facts = super().facts()
        each = self._run.outcome.facts
        added = added_facts(each) if each else {}
        asked = {name: facts[name] for name in ("asked", "missing", "outcomes")}
        options = {name: value for name, value in facts["options"].items() if name != "max_calls"}
        return {
            **facts,
            **added,
            **asked,
            "options": options,
            "stopped": self.stopped,
            "workers": self._run.n_workers,
            "lost_workers": self._run.outcome.n_lost_workers,
            "store_hits": added.get("store_hits", 0) + self._run.outcome.n_known,
        }

    def _reasoned(self, one: GradedAnswer) -> GradedAnswer:
        if not self._reasons or one.is_absent:
            return one
        rows = []
        for replicate, row in enumerate((one.verdicts, *one.replicates)):
            rows.append(
                tuple(self._reason(one, replicate, i, verdict) for i, verdict in enumerate(row))
            )
        return replace(one, verdicts=rows[0], replicates=tuple(rows[1:]))

    def _reason(self, one: GradedAnswer, replicate: int, index: int, verdict: Verdict) -> Verdict:
        if verdict.met is not None:
            return verdict
        place = (one.example.prompt_id, one.answer)
        for key in ((*place, replicate, index), (*place, 0, -1)):
            if key in self._reasons:
                return self._reasons[key]
        if self.stopped is None:
            return verdict
        return replace(verdict, explanation=self.stopped)  # never asked by anybody


def _plan(request: WorkersRequest, options: Mapping[str, Any], grader: Grader) -> PoolPlan:
    """Decide what each worker is made of.

    Raises:
        ConfigError: These options cannot be shared by workers.
    """
    payers = part_of(grader.judge, grader.options).payers
    if not any(payer.is_stored for payer in payers):
        raise ConfigError(
            f"judge {grader.identity.name!r} keeps no verdicts, and workers meet in the store "
            "alone; leave --engine ray out"
        )
    place = store_place(grader.options)
    if place is None:
        raise ConfigError("--engine ray needs a store: it is where the workers' verdicts meet")
    if not isinstance(place, Path) and request.worker_stores:
        raise ConfigError(
            "--worker-stores: a server is reached from everywhere; leave the flag out, or name a "
            "file as --store"
        )
    if isinstance(place, Path) and request.resume and not place.is_file():
        raise ConfigError(f"--resume: there is no store at {place}; leave it out to begin")
    needs_gpu = any(payer.identity.name in GPU_JUDGES for payer in payers)
    n_workers = request.workers if request.workers is not None else (1 if needs_gpu else 2)
    whole = {**options, **_absolute(options)}
    # by its full name: a worker has its own working directory and environment
    whole["deadline_s"] = None  # the run's, not a chunk's
    whole["store"] = str(place.absolute()) if isinstance(place, Path) else place
    each = [
        {**whole, **{name: value for name, value in share.items() if value is not None}}
        for share in shares_of(grader.options, n_workers)
    ]
    for number, one in enumerate(each):
        if request.endpoints:
            one["base_url"] = request.endpoints[number % len(request.endpoints)]
        if open_grader(one, seed=request.seed).identity.digest != grader.identity.digest:
            raise ConfigError("--endpoints: another address makes another judge of this one")
    return PoolPlan(
        each,
        request.seed,
        _gpus(options) if needs_gpu else 0,
        grader.options.max_calls is not None or grader.options.max_cost is not None,
        place.absolute() if isinstance(place, Path) else None,
        grader.options.deadline_s,
    )


def _absolute(options: Mapping[str, Any]) -> dict[str, str]:
    """Give the files among the options by their full names."""
    found = {}
    for name in ("prompt", "prices"):
        value = options.get(name)
        if isinstance(value, str) and user_path(value).is_file():
            found[name] = str(user_path(value).absolute())
    return found


def _gpus(options: Mapping[str, Any]) -> float:
    """Count the GPUs of one model: what it is spread over by tensor parallelism."""
    engine = options.get("engine")
    parallel = engine.get("tensor_parallel_size", 1) if isinstance(engine, Mapping) else 1
    return float(parallel)


def _conversations(examples: Mapping[str, Example]) -> Callable[[str], bytes]:
    """Give the conversation of a prompt_id in a few bytes: ids may differ where words do not."""
    known: dict[str, bytes] = {}

    def conversation(prompt_id: str) -> bytes:
        if prompt_id not in known:
            words = json.dumps([[m.role, m.content] for m in examples[prompt_id].prompt])
            known[prompt_id] = hashlib.blake2b(words.encode(), digest_size=16).digest()
        return known[prompt_id]

    return conversation
