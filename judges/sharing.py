"""One judge's work over several processes: divide its limits, and add up what they counted.

Workers of a cluster and ranks of lm-eval ask as one grader would: together never more at once, and
what they report is one account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ConfigError
from .runtime_options import RuntimeOptions

_SUMS = ("asked", "fresh", "store_hits", "shared", "missing", "calls")
_TABLES = ("outcomes", "faults", "retries", "tokens")
_SHARED = (
    "max_concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "max_cost",
    "max_calls",
)
"""Limits that are divided."""
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
    for name in ("max_concurrency", "max_calls"):
        whole = getattr(options, name)
        if whole is not None and whole < n_workers:
            raise ConfigError(
                f"{name}={whole} cannot be shared by {n_workers} workers; use {whole} workers"
                if whole
                else f"{name}=0 leaves the workers nothing to do"
            )
    return [
        {
            "max_concurrency": _part(options.max_concurrency, n_workers, number),
            "requests_per_minute": _even(options.requests_per_minute, n_workers),
            "tokens_per_minute": _even(options.tokens_per_minute, n_workers),
            "max_cost": _even(options.max_cost, n_workers),
            "max_calls": (
                None if options.max_calls is None else _part(options.max_calls, n_workers, number)
            ),
        }
        for number in range(n_workers)
    ]


def added_facts(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up `Grader.facts()` of several processes; what cannot be added is the first one's.

    Latencies are None: percentiles of parts do not make those of the whole. A cost is unknown
    where one of them is. The limits are those of all together.
    """
    total: dict[str, Any] = dict(each[0])
    if len(each) > 1 and "options" in total:
        total["options"] = {**total["options"], **_whole_limits([one["options"] for one in each])}
    for name in _SUMS:
        if all(name in one for one in each):
            total[name] = sum(one[name] for one in each)
    for name in _TABLES:
        table: dict[str, int] = {}
        for one in each:
            for key, number in (one.get(name) or {}).items():
                table[key] = table.get(key, 0) + number
        total[name] = table
    costs = [one.get("cost_usd") for one in each]
    known = [cost for cost in costs if cost is not None]
    total["cost_usd"] = sum(known) if len(known) == len(costs) else None
    total["seconds"] = max(one.get("seconds") or 0.0 for one in each)
    for name in ("outage", "stopped"):
        total[name] = next((one[name] for one in each if one.get(name)), None)
    if said := [note for one in each for note in one.get("answers") or ()]:
        total["answers"] = said
    if len(each) > 1:
        total |= {"latency_s": None, "criteria_per_s": None}
    return total


def _whole_limits(shares: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put shares of limits together again; options leave out what is as the default."""
    whole = {}
    for name in _SHARED:
        parts = [share.get(name, getattr(_DEFAULTS, name)) for share in shares]
        if all(part is not None for part in parts):
            whole[name] = sum(parts)
    return whole


def _part(whole: int, n: int, number: int) -> int:
    return whole // n + (number < whole % n)


def _even(whole: float | None, n: int) -> float | None:
    return None if whole is None else whole / n
