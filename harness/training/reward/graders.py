"""The judge of a run at work: verdicts, second verdicts and ratings, under one set of limits.

Opened at the first batch, so that a reward can be built, pickled and sent to a child process
before anything is paid or connected. Shared by the training and by the looks at held-out prompts:
what a user lets a judge cost is for both.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....judges.answer import Answer, GradedAnswer
from ....judges.engine.options import RuntimeOptions, added_facts, shares_of
from ....judges.judge import Judge
from ....judges.registry import JUDGES
from ....judges.rubric import Example

if TYPE_CHECKING:
    from ....judges.grader import Grader
    from ....judges.rewards import Reward
    from ....judges.verdict import Rating

NOT_ASKED = "not asked: no reward of this run is computed from verdicts"


def world_size() -> int:
    """Give the number of processes, as accelerate and torchrun announce it."""
    return max(1, int(os.environ.get("WORLD_SIZE", "1")))


def rank() -> int:
    """Give this process's number, 0 for the one that writes."""
    return int(os.environ.get("RANK", "0"))


def gather(value: Any) -> list[Any]:
    """Give the value of every process; a collective call, in the same order everywhere."""
    if world_size() == 1:
        return [value]
    from accelerate.utils import gather_object  # type: ignore[import-untyped]  # it has none

    gathered: list[Any] = gather_object([value])
    return gathered


def share_limits(options: RuntimeOptions, n_processes: int, number: int) -> RuntimeOptions:
    """Give one process its part of a judge's limits.

    Each may have one call in flight and make one call, however little there is to share: a run
    that has its weights loaded must not end for want of it.

    Args:
        options: Those of the judge, for all processes together.
        n_processes: The world size.
        number: Of this process, from 0.
    """
    if n_processes == 1:
        return options
    calls = options.max_calls
    whole = replace(
        options,
        max_concurrency=max(options.max_concurrency, n_processes),
        max_calls=None if calls is None else max(calls, n_processes),
    )
    return replace(whole, **shares_of(whole, n_processes)[number])


def accelerate_folder() -> Path:
    """Give the folder of the accelerate configurations this package ships."""
    return Path(str(files("rubricbeat.harness.training").joinpath("accelerate")))


def continued(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Add what was paid since a start to what was paid before it, each as `Graders.facts` says."""
    names = dict.fromkeys((*now, *before))
    return {name: _one(before.get(name) or {}, now.get(name) or {}) for name in names}


def _one(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Add up the counts; identity, limits and how the judge stands are those of now."""
    if not before or not now:
        return dict(now or before)
    added = {
        **added_facts([now, {**before, "options": now.get("options", {})}]),
        "seconds": round((before.get("seconds") or 0.0) + (now.get("seconds") or 0.0), 3),
        **{name: now[name] for name in ("options", "outage", "stopped") if name in now},
    }
    parts, parts_before = now.get("members"), before.get("members")
    if parts and parts_before and len(parts) == len(parts_before):
        added["members"] = [_one(*both) for both in zip(parts_before, parts, strict=True)]
    return added


@dataclass(frozen=True, slots=True)
class Asked:
    """What a judge is asked about each answer."""

    verdicts: bool
    """One verdict for each criterion."""
    ratings: bool
    """One rating of the whole answer."""

    @classmethod
    def by(cls, rewards: Collection[Reward]) -> Asked:
        """Give what some rewards need."""
        n_ratings = sum(reward.needs == "rating" for reward in rewards)
        return cls(verdicts=n_ratings < len(rewards), ratings=n_ratings > 0)


VERDICTS_ONLY = Asked(verdicts=True, ratings=False)


def can_rate(judge: str | Mapping[str, Any] | Judge) -> bool:
    """Say whether a judge gives ratings of whole answers; nothing is built or asked."""
    name = judge.get("name") if isinstance(judge, Mapping) else judge
    return hasattr(JUDGES.find(name) if isinstance(name, str) else judge, "rate")


class Graders:
    """A judge and its limits; opens what is asked of it."""

    def __init__(
        self, judge: str | Mapping[str, Any] | Judge, seed: int, *, is_alone: bool = False
    ) -> None:
        """Take what `open_grader` takes; nothing is opened yet.

        Where it `is_alone`, no other process asks, and the limits are all this one's.
        """
        self.judge = judge
        """What is opened, as it was given."""
        self._seed = seed
        self._n_processes = 1 if is_alone else None
        self._grader: Grader | None = None
        self._kinds: set[str] = set()
        """What it has been asked for, by the name it has in `facts`."""
        self._closed_facts: dict[str, Any] = {}
        self._carried: dict[str, Any] = {}
        """The account of the run before this process took it up."""
        self._lock = threading.Lock()

    async def grade(
        self,
        texts: Sequence[str | None],
        examples: Sequence[Example],
        *,
        asked: Asked,
        twice: Collection[int] = (),
    ) -> list[GradedAnswer]:
        """Ask about each answer, all at once, and about those at `twice` a second time."""
        kinds = {"judge": asked.verdicts, "ratings": asked.ratings}
        # other trainers call from several threads at once, and one judge has one set of limits
        with self._lock:
            self._grader = grader = self._grader or self._opened()
            self._kinds |= {name for name, is_asked in kinds.items() if is_asked}
        answers = [
            Answer(example, text, replicates=2 if i in twice else None)
            for i, (example, text) in enumerate(zip(examples, texts, strict=True))
        ]
        graded, ratings = await asyncio.gather(
            grader.grade_async(answers if asked.verdicts else []),
            _rate(grader, answers if asked.ratings else []),
        )
        if not asked.verdicts:
            graded = [grader.unasked(replace(one, replicates=1), NOT_ASKED) for one in answers]
        pairs = zip(graded, ratings or [()] * len(answers), strict=True)
        return [replace(one, ratings=rated) for one, rated in pairs]

    @property
    def stopped(self) -> str | None:
        """Why nothing more was asked: an outage, a spent budget; or None."""
        return self._grader.stopped if self._grader is not None else None

    def facts(self) -> dict[str, Any]:
        """Give the judge's identity and its ledger so far; empty before the first batch."""
        return continued(self._carried, self._facts_of_now())

    def carry(self, account: Mapping[str, Any]) -> None:
        """Go on with the account of a run that is resumed, as `facts` gave it."""
        self._carried = dict(account)

    def _facts_of_now(self) -> dict[str, Any]:
        grader = self._grader
        if grader is None:
            return self._closed_facts
        of_kind = {"judge": grader.facts, "ratings": grader.rating_facts}
        return {name: facts() for name, facts in of_kind.items() if name in self._kinds}

    def close(self) -> None:
        """Close what is open; everything that was paid for is stored already."""
        self._closed_facts = self._facts_of_now()
        if self._grader is not None:
            self._grader.close()
        self._grader, self._kinds = None, set()

    def __getstate__(self) -> dict[str, Any]:
        """Leave an open grader behind."""
        kept = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return {**kept, "_grader": None, "_kinds": set()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the rest up in the other process."""
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _opened(self) -> Grader:
        from ....judges.grader import open_grader

        grader = open_grader(self.judge, seed=self._seed)
        n_processes = self._n_processes or world_size()
        grader.options = share_limits(grader.options, n_processes, rank())
        return grader


async def _rate(grader: Grader, answers: Sequence[Answer]) -> list[tuple[Rating, ...]]:
    return await grader.rate_async(answers) if answers else []
