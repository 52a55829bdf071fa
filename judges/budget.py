"""Money and calls a grader may spend; a call that could pass a bound is not made."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from .ledger import Ledger
from .prices import Price

DEFAULT_REPLY_TOKENS = 2_048
"""Longest reply assumed where a judge declares no `max_tokens`."""


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

    @property
    def is_bounded(self) -> bool:
        """Whether there is any bound at all."""
        return self._max_calls is not None or self._max_cost is not None

    def take(self, worst: float) -> Grant:
        """Ask for one call of a worst case cost; what is granted must be given back."""
        if self._max_calls is not None and self._n_taken >= self._max_calls:
            return Grant.SPENT
        if self._max_cost is not None:
            spent = sum(ledger.cost or 0.0 for ledger in self.ledgers)
            if spent + self._reserved + worst > self._max_cost:
                return Grant.WAIT if self._reserved > 0 else Grant.SPENT
            self._reserved += worst
        self._n_taken += 1
        return Grant.GRANTED

    def give_back(self, worst: float, *, is_made: bool = True) -> None:
        """End a reservation: the call is over and its true cost is in the ledger.

        Args:
            worst: As it was taken.
            is_made: False for a call that was never sent, which then does not count.
        """
        self._n_taken -= int(not is_made)
        if self._max_cost is not None:
            self._reserved = max(0.0, self._reserved - worst)
            if self._reserved < 1e-12:  # the crumbs of float sums must not read as a call
                self._reserved = 0.0

    def reason(self) -> str:
        """Say which bound was reached."""
        if self._max_calls is not None and self._n_taken >= self._max_calls:
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
