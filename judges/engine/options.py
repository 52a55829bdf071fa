"""What a user may set about how questions are asked, whichever judge answers them.

Also how limits are shared among workers, and how the facts of several workers are added up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ..answer import Reading
from ..errors import ConfigError, near_names
from ..options.reader import annotations_of, typed
from ..replies.reasoning import Marks, own_marks
from .ledger import known_sum, na_share

CHANGES_VERDICTS = frozenset(
    {"replicates", "asked_on", "include_reasoning", "reasoning_marks", "reasoning_opens"}
)
"""Options that say what is asked; the others say how fast and how far."""
MAX_REPLICATES = 10_000
"""More is a slip of the hand: there would be no memory for their places."""
_NO_STORE = {"none", "null", "off", "false", "no"}
_SUMS = ("asked", "fresh", "store_hits", "shared", "missing", "calls")
_TABLES = ("outcomes", "faults", "retries", "tokens")
_COUNTS = ("max_concurrency", "max_calls")
_SHARED = ("requests_per_minute", "tokens_per_minute", "max_cost", *_COUNTS)
"""Limits that are divided."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Limits, retries, budgets and the store of one grader."""

    max_concurrency: int = 64
    """Most calls in flight at once; the true number falls on 429 and climbs back."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    """Prompt and completion together, estimated before a call and corrected after it."""
    timeout_s: float = 120.0
    """Longest one call may take."""
    deadline_s: float | None = None
    """Longest one `grade` may take; what is open then is skipped."""
    max_retries: int = 5
    """Further calls after a connection fault, a server fault or a reply without a verdict."""
    backoff_s: float = 0.5
    """First pause before a retry; each further one doubles, with jitter, up to 30 s."""
    rate_limit_patience_s: float = 600.0
    """How long a question waits out 429, and how long a judge that answers nothing else counts as
    rate limited, before it counts as down."""
    keep_asking: bool = False
    """Ask on although none of the first few dozen questions got a verdict."""
    outage_after: int = 8
    """Questions that end in a row without any reply, before the judge counts as down."""
    replicates: int = 1
    """Independent verdicts for each criterion."""
    asked_on: str = ""
    """A day, or any name. What was asked on another one is asked anew, and both verdicts are kept:
    a drift of the judge shows."""
    max_calls: int | None = None
    max_cost: float | None = None
    """US dollars; calls stop before it would be passed."""
    include_reasoning: bool = False
    """Judge the whole answer instead of its solution section: another judge."""
    reasoning_marks: tuple[str, ...] = ()
    """Marks of reasoning beside the known ones, each `OPEN...CLOSE`: another judge likewise."""
    reasoning_opens: str = "text"
    """`prompt` where the model's chat template opens the block, so that answers begin inside."""
    store: str | os.PathLike[str] | bool | None = None
    """Path of the verdict store; None the user's own; False (or "none") no store."""
    prices: str | None = None
    """Path of a prices file that goes before the shipped one."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work, and read `none` as no store."""
        if isinstance(self.store, str):
            object.__setattr__(self, "store", _store(self.store))
        Marks.of(self.reasoning_marks, self.reasoning_opens)
        for name in ("max_concurrency", "outage_after", "replicates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.replicates > MAX_REPLICATES:
            raise ConfigError(f"replicates must be at most {MAX_REPLICATES:,}")
        for name in ("requests_per_minute", "tokens_per_minute", "timeout_s", "deadline_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, not {value}")
        waits = ("max_retries", "backoff_s", "rate_limit_patience_s")
        for name in (*waits, "max_calls", "max_cost"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ConfigError(f"{name} must not be negative: {value}")

    @property
    def reading(self) -> Reading:
        """Which part of an answer is judged."""
        marks = Marks.of(self.reasoning_marks, self.reasoning_opens)
        return Reading(self.include_reasoning, marks)

    @classmethod
    def names(cls) -> list[str]:
        """List the options."""
        return [spec.name for spec in dataclasses.fields(cls)]

    @classmethod
    def split(cls, options: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Tell our options from those of the judge, which come second."""
        names = cls.names()
        mine = {key: value for key, value in options.items() if key in names}
        return mine, {key: value for key, value in options.items() if key not in names}

    @classmethod
    def from_mapping(cls, plain: Mapping[str, object]) -> Self:
        """Read options as a command line or a YAML file gives them: numbers may be text."""
        return cls(**cls.typed(plain))

    @classmethod
    def typed(cls, plain: Mapping[str, object]) -> dict[str, Any]:
        """Give each option its type.

        Raises:
            ConfigError: A value is none that its option takes.
        """
        taken = annotations_of(cls)
        for name in plain.keys() - taken.keys():
            raise ConfigError(f"no runtime option {name!r}; {near_names(name, taken)}")
        return {name: _present(name, value, taken[name]) for name, value in plain.items()}

    def to_json(self) -> dict[str, object]:
        """Give what differs from the defaults; of the store only whether there is one."""
        plain: dict[str, object] = {}
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if spec.name not in {"store", "prices"} and value != spec.default:
                plain[spec.name] = value
        return plain


def _present(name: str, value: object, annotation: object) -> object:
    if name == "store":
        return _store(value)
    if name == "reasoning_marks":
        return own_marks(value)
    value = typed(name, value, annotation)
    if value is None and annotation in (int, float, bool):
        raise ConfigError(f"{name} needs a value")
    return value


def _store(value: object) -> str | bool | None:
    """Read `none`, in whatever spelling, as no store: the user's own is what leaving it out gives.

    Raises:
        ConfigError: The value is empty, or no file can have such a name.
    """
    if value is None or value is True or value is False:
        return None if value is not False else False
    text = str(value).strip()
    if not text:
        raise ConfigError("store is empty; give a path, or none for no store")
    with contextlib.suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(text):
            return False if text.lower() in _NO_STORE else str(value)
    raise ConfigError("store: no file can have such a name")  # not shown: an address has a password


_DEFAULTS = RuntimeOptions()


def shares_of(options: RuntimeOptions, n_workers: int) -> list[dict[str, Any]]:
    """Give each worker its part of the limits, as options of its grader.

    Calls in flight and the call budget are whole numbers: what does not divide goes to the first
    workers. Rates and money divide evenly. Limits that are not set stay unset.

    Raises:
        ConfigError: There are more workers than calls may be in flight, or be made.
    """
    if n_workers < 1:
        raise ConfigError(f"there must be at least 1 worker, not {n_workers}")
    for name in _COUNTS:
        whole = getattr(options, name)
        if whole is not None and whole < n_workers:
            raise ConfigError(
                f"{name}={whole} cannot be shared by {n_workers} workers; use {whole} workers"
                if whole
                else f"{name}=0 leaves the workers nothing to do"
            )
    wholes = {name: getattr(options, name) for name in _SHARED}
    return [
        {name: _share(name, whole, n_workers, number) for name, whole in wholes.items()}
        for number in range(n_workers)
    ]


def _share(name: str, whole: float | None, n: int, number: int) -> float | None:
    if whole is None or name not in _COUNTS:
        return None if whole is None else whole / n
    return whole // n + (number < whole % n)


def added_facts(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up `Grader.facts()` of several processes; what cannot be added is the first one's.

    Latencies are None: percentiles of parts do not make those of the whole. A cost is unknown
    where one of them is. The limits are those of all together.
    """
    total = dict(each[0])
    if len(each) > 1 and "options" in total:
        total["options"] = {**total["options"], **_whole_limits([one["options"] for one in each])}
    for name in _SUMS:
        if all(name in one for one in each):
            total[name] = sum(one[name] for one in each)
    for name in _TABLES:
        counts: Counter[str] = Counter()
        for one in each:
            counts.update(one.get(name) or {})
        total[name] = dict(counts)
    total.pop("na_share", None)
    total |= na_share(total["outcomes"])
    total["cost_usd"] = known_sum(one.get("cost_usd") for one in each)
    total["seconds"] = max(one.get("seconds") or 0.0 for one in each)
    for name in ("outage", "stopped"):
        total[name] = next((one[name] for one in each if one.get(name)), None)
    if said := [note for one in each for note in one.get("answers") or ()]:
        total["answers"] = said
    if len(each) > 1:
        total |= {"latency_s": None, "criteria_per_s": None}
    return total


def _whole_limits(shares: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Put shares of limits together again; options leave out what is as the default."""
    whole = {}
    for name in _SHARED:
        parts = [share.get(name, getattr(_DEFAULTS, name)) for share in shares]
        if all(part is not None for part in parts):
            whole[name] = sum(parts)
    return whole
