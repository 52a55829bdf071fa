"""What a grader has asked, got and paid, at which prices, and the budget that bounds it."""

from __future__ import annotations

import math
import os
import random
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..files import user_path
from ..options.reader import typed
from ..verdict import Outcome, Verdict
from .attempt import Fault

BYTES_PER_TOKEN = 4
"""Of English prose under the usual tokenizers; other scripts take more tokens."""
REPLY_TOKENS_GUESS = 150
"""Of a verdict with its words, where no reply has been seen."""
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MAX_LATENCIES = 16_384
"""Latencies kept for percentiles; beyond it, an even sample of all."""
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
DEFAULT_REPLY_TOKENS = 2_048
"""Longest reply assumed where a judge declares no `max_tokens`."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    cached: float
    output: float

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """Give the price of some tokens; the cached ones are part of the prompt's."""
        fresh = max(0, prompt_tokens - cached_tokens)
        dollars = fresh * self.input + cached_tokens * self.cached + completion_tokens * self.output
        return dollars / 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """What some questions take."""

    calls: int = 0
    """Without retries."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    """None where a model's price is not known; never 0 for that."""

    @classmethod
    def of(cls, price: Price | None, calls: int, prompt: float, completion: float) -> Cost:
        """Price calls of so many tokens."""
        tokens = round(prompt), round(completion)
        return cls(calls, *tokens, price.cost(tokens[0], 0, tokens[1]) if price else None)

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        """Add up; what holds an unknown price is unknown."""
        each = list(costs)
        return cls(
            sum(one.calls for one in each),
            sum(one.prompt_tokens for one in each),
            sum(one.completion_tokens for one in each),
            known_sum(one.cost_usd for one in each),
        )

    def times(self, n: int, of: int) -> Cost:
        """Give the cost of `n` questions from that of `of`; a part of a call is a call."""
        return Cost(
            math.ceil(self.calls * n / of),
            math.ceil(self.prompt_tokens * n / of),
            math.ceil(self.completion_tokens * n / of),
            None if self.cost_usd is None else self.cost_usd * n / of,
        )


def known_sum(values: Iterable[float | None]) -> float | None:
    """Add up; None where one is not known."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def expected_tokens(sizes: Sequence[int]) -> tuple[int, int]:
    """Guess the prompt and completion tokens of one call before it is made.

    Args:
        sizes: Bytes of each of its questions. A group's questions share one prompt: it is as long
            as the longest, not the sum.
    """
    return max(sizes) // BYTES_PER_TOKEN, len(sizes) * REPLY_TOKENS_GUESS


def price_of(model: str, path: str | None = None) -> Price | None:
    """Find a model's price, in the user's file first; None where none is known.

    Args:
        model: As the endpoint is asked for it; a date at its end may be missing in the files.
        path: The user's file; else the one `RUBRICBEAT_PRICES` names.

    Raises:
        ConfigError: The user's file cannot be read.
    """
    if not model:
        return None
    own = path or os.environ.get("RUBRICBEAT_PRICES")
    tables = [_read(user_path(own))] if own else []
    tables.append(_shipped())
    for table in tables:
        for name in (model, _DATED.sub("", model)):
            if name in table:
                return table[name]
    return None


def _shipped() -> dict[str, Price]:
    text = files(__package__).joinpath("prices.yaml").read_text(encoding="utf-8")
    return _parse(text, "prices.yaml")


def _read(path: Path) -> dict[str, Price]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the prices file {path}: {error}") from error
    return _parse(text, str(path))


def _parse(text: str, where: str) -> dict[str, Price]:
    from ..options.files import parse_yaml  # loads PyYAML, which few judges need

    plain = parse_yaml(text, where)
    models = plain.get("models") if isinstance(plain, Mapping) else None
    if not isinstance(models, Mapping):
        raise ConfigError(f"{where}: expected `models:` with a line for each model")
    return {str(name): _price(row, f"{where}, model {name}") for name, row in models.items()}


def _price(row: object, where: str) -> Price:
    names = ("input", "cached", "output")
    if not isinstance(row, Mapping) or not {"input", "output"} <= row.keys() <= {*names}:
        raise ConfigError(f"{where}: expected {{input: DOLLARS, cached: DOLLARS, output: DOLLARS}}")
    given = {name: typed(name, row.get(name, row["input"]), float, f"{where}: ") for name in names}
    if not all(isinstance(price, int | float) and price >= 0 for price in given.values()):
        raise ConfigError(f"{where}: prices must be numbers, and must not be negative")
    return Price(**given)


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
        if verdict.is_missing:
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
            **na_share(self.outcomes),
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


def na_share(outcomes: Mapping[Outcome, int]) -> dict[str, float]:
    """Give the share of verdicts that say "not applicable", as a fact; none where none does."""
    n_na = outcomes.get(Outcome.NOT_APPLICABLE, 0)
    return {"na_share": n_na / sum(outcomes.values())} if n_na else {}


class Grant(Enum):
    """What a budget says to one more call."""

    GRANTED = 1
    WAIT = 2
    """It may fit once calls in flight have ended below their worst case."""
    SPENT = 3


class Budget:
    """Reserves the worst case of each call before it is made.

    Shared by all judges of one grader: the members of a jury spend from one purse.
    """

    def __init__(self, max_calls: int | None, max_cost: float | None) -> None:
        """Bound calls, and US dollars."""
        self.ledgers: Sequence[Ledger] = ()
        """Where the money spent is counted, one a judge."""
        self._max_calls = max_calls
        self._max_cost = max_cost
        self._reserved = 0.0
        self._n_taken = 0
        self._is_short = False
        """Whether it was max_calls that refused a call."""

    @property
    def is_bounded(self) -> bool:
        """Whether there is any bound at all."""
        return self._max_calls is not None or self._max_cost is not None

    def take(self, worst: float, n_calls: int = 1) -> Grant:
        """Ask for calls of a worst case cost together; what is granted must be given back."""
        if self._max_calls is not None and self._n_taken + n_calls > self._max_calls:
            self._is_short = True
            return Grant.SPENT
        if self._max_cost is not None:
            spent = sum(ledger.cost or 0.0 for ledger in self.ledgers)
            if spent + self._reserved + worst > self._max_cost:
                return Grant.WAIT if self._reserved > 0 else Grant.SPENT
            self._reserved += worst
        self._n_taken += n_calls
        return Grant.GRANTED

    def give_back(self, worst: float, *, n_unmade: int = 0) -> None:
        """End a reservation: the call is over and its true cost is in the ledger.

        Args:
            worst: As it was taken.
            n_unmade: Calls that were never sent, which then do not count.
        """
        self._n_taken -= n_unmade
        if self._max_cost is not None:
            self._reserved = max(0.0, self._reserved - worst)
            if self._reserved < 1e-12:  # the crumbs of float sums must not read as a call
                self._reserved = 0.0

    def reason(self) -> str:
        """Say which bound was reached."""
        if self._is_short:
            return f"budget: max_calls={self._max_calls} reached"
        return f"budget: one more call could pass max_cost={self._max_cost:g}"


def worst_cost(price: Price | None, n_bytes: int, most_reply: int) -> float:
    """Give the most a call can cost, in US dollars; 0 where there is no price.

    A token for every two bytes sent (no tokenizer splits finer over a whole prompt), and a reply as
    long as the judge allows: so the bound holds whatever comes back.

    Args:
        price: Of the judge's model.
        n_bytes: Sent.
        most_reply: Tokens of the longest reply.
    """
    return price.cost(n_bytes // 2 + 64, 0, most_reply) if price is not None else 0.0
