"""What a grader has asked, got and paid: the counts behind progress, results and budgets."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from typing import Any

import numpy as np

from .prices import Price
from .retries import Fault
from .verdict import Outcome, Verdict

_MAX_LATENCIES = 16_384
"""Latencies kept for percentiles; beyond it, an even sample of all."""


_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


class Ledger:
    """Running counts of one grader; memory does not grow with the number of calls."""

    def __init__(self, price: Price | None) -> None:
        """Open a ledger; without a price the cost is unknown, which is None and never 0."""
        self.price = price
        self.n_asked = 0
        """Verdicts asked for, replicates included."""
        self.n_settled = 0
        self.n_hits = 0
        """Of these, read from the store."""
        self.n_shared = 0
        """Of these, taken from an equal question that was being asked."""
        self.n_calls = 0
        self.n_missing = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.faults: Counter[Fault] = Counter()
        self.retries: Counter[Fault] = Counter()
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.max_completion_tokens = 0
        """The longest reply so far."""
        self.busy_s = 0.0
        """Seconds during which a run was open."""
        self._latencies = array("f")
        self._n_latencies = 0
        self._rng = random.Random(0)

    def call_ended(self, latency_s: float) -> None:
        """Count a call that brought a reply, of whatever kind."""
        self._n_latencies += 1
        if len(self._latencies) < _MAX_LATENCIES:
            self._latencies.append(latency_s)
            return
        place = self._rng.randrange(self._n_latencies)
        if place < _MAX_LATENCIES:
            self._latencies[place] = latency_s

    def paid(self, verdict: Verdict) -> None:
        """Count the tokens of a reply, usable or not."""
        self.prompt_tokens += verdict.prompt_tokens
        self.cached_tokens += verdict.cached_tokens
        self.completion_tokens += verdict.completion_tokens
        self.max_completion_tokens = max(self.max_completion_tokens, verdict.completion_tokens)

    def settled(self, verdict: Verdict) -> None:
        """Count a verdict, or its absence, as it reaches whoever asked."""
        self.n_settled += 1
        self.outcomes[verdict.outcome] += 1
        if verdict.met is None:
            self.n_missing += 1

    @property
    def cost(self) -> float | None:
        """US dollars spent by this grader, or None where the price is unknown."""
        if self.price is None:
            return None
        return self.price.cost(self.prompt_tokens, self.cached_tokens, self.completion_tokens)

    def to_json(self) -> dict[str, Any]:
        """Give the plain form, for results."""
        rate = self.n_settled / self.busy_s if self.busy_s > 0 else None
        return {
            "asked": self.n_asked,
            "fresh": self.n_asked - self.n_hits - self.n_shared - self.outcomes[Outcome.SKIPPED],
            "store_hits": self.n_hits,
            "shared": self.n_shared,
            "outcomes": {o.value: self.outcomes[o] for o in Outcome if self.outcomes[o]},
            "missing": self.n_missing,
            "calls": self.n_calls,
            "faults": {f.value: self.faults[f] for f in Fault if self.faults[f]},
            "retries": {f.value: self.retries[f] for f in Fault if self.retries[f]},
            "tokens": {
                "prompt": self.prompt_tokens,
                "cached": self.cached_tokens,
                "completion": self.completion_tokens,
            },
            "cost_usd": self.cost,
            "latency_s": self._percentiles(),
            "seconds": round(self.busy_s, 3),
            "criteria_per_s": None if rate is None else round(rate, 1),
        }

    def _percentiles(self) -> dict[str, float] | None:
        if not self._latencies:
            return None
        # a copy in one go: an array whose buffer is lent cannot grow, and the loop is at work
        latencies = np.frombuffer(self._latencies.tobytes(), np.float32)
        ranks = {name: round(share * (len(latencies) - 1)) for name, share in _PERCENTILES.items()}
        # asked for at every step of a training: a partition, not a sort
        ordered = np.partition(latencies, list(ranks.values()))
        return {name: round(float(ordered[rank]), 4) for name, rank in ranks.items()}
