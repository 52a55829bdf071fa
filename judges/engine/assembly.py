"""Builds the pools of a grader: one for its judge, and one for each judge that one is made of."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..answer import USUAL
from ..errors import ConfigError
from ..files import user_path
from ..judge import Judge, identity_of, rating_identity
from ..store.protocol import StoreProtocol, is_address
from ..store.sqlite import VerdictStore, default_store_path
from .ledger import Budget, Ledger, Price, price_of
from .options import RuntimeOptions
from .pool import Runtime
from .work_items import Part

FREE = {"keyword", "constant", "replay", "scripted"}
"""Judges that cost nothing to ask: never stored, unless they say otherwise by `stored`."""


def part_of(judge: Judge, options: RuntimeOptions, *, is_rating: bool = False) -> Part:
    """Describe a judge and its members.

    Args:
        judge: Who is asked.
        options: Limits and the store.
        is_rating: It is asked for ratings, and not for verdicts.

    Raises:
        ConfigError: `max_cost` is set and the price of a model is not known; or the judge gives no
            ratings, or its members are no judges.
    """
    identity = rating_identity(judge) if is_rating else identity_of(judge)
    if options.reading != USUAL:
        sampling = {**identity.sampling, **options.reading.to_json()}
        identity = dataclasses.replace(identity, sampling=sampling)
    if options.asked_on:
        sampling = {**identity.sampling, "asked_on": options.asked_on}
        identity = dataclasses.replace(identity, sampling=sampling)
    try:
        identity.digest  # noqa: B018  # fails where it is no JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"judge {identity.name!r}: its identity must hold JSON values only ({error})"
        ) from None
    members: tuple[Part, ...] = ()
    if hasattr(judge, "judge_with") and not is_rating:
        given: object = getattr(judge, "members", ())
        found = list(given) if isinstance(given, Iterable) else [given]
        inner = [one for one in found if isinstance(one, Judge)]
        if len(inner) < len(found):
            raise ConfigError(f"judge {identity.name!r}: its members must be a list of judges")
        members = tuple(part_of(member, options) for member in inner)
    is_kept = bool(getattr(judge, "stored", identity.name not in FREE))
    is_stored = is_kept and not members
    price = price_of(identity.model, options.prices) if is_stored else None
    if getattr(judge, "is_free", not is_kept) and not members:
        price = Price(0.0, 0.0, 0.0)
    if options.max_cost is not None and price is None and is_stored:
        whose = f"model {identity.model!r}" if identity.model else f"judge {identity.name!r}"
        raise ConfigError(
            f"max_cost needs a price, and none is known of {whose}; name a file with it by "
            "prices=PATH (its shape: rubricbeat/judges/engine/prices.yaml), use max_calls, or say "
            "is_free = True in a judge of your own that costs nothing"
        )
    return Part(judge, identity, Ledger(price), is_stored, members, is_rating)


def store_place(options: RuntimeOptions) -> Path | str | None:
    """Say where verdicts are kept: a file, the address of a server, or None for nowhere."""
    named = options.store
    if named is False:
        return None
    if named is None or named is True:
        named = os.environ.get("RUBRICBEAT_STORE", "")
        return named if is_address(named) else default_store_path()
    place = os.fspath(named)
    return place if is_address(place) else user_path(place)


def open_store(part: Part, options: RuntimeOptions) -> StoreProtocol | None:
    """Open the store of a part; None where it keeps nothing."""
    place = store_place(options) if part.is_stored else None
    if place is None:
        return None
    if isinstance(place, str):
        from ..store.postgres import PostgresStore

        return PostgresStore(place, part.identity)
    return VerdictStore(place, part.identity)


def open_runtime(
    part: Part,
    options: RuntimeOptions,
    budget: Budget | None = None,
    beside: Runtime | None = None,
) -> Runtime:
    """Open the pools of a part and of its members; nothing is asked yet.

    Members that are the same judge share a pool: its verdicts are paid for once.

    Args:
        part: Who is asked.
        options: Limits and the store.
        budget: Of the judge that it is a member of.
        beside: The same judge's pool of the other kind of question, whose limits and budget are
            for both.
    """
    if budget is None:
        budget = beside.budget if beside else Budget(options.max_calls, options.max_cost)
        budget.ledgers = [*budget.ledgers, *(each.ledger for each in part.payers)]
    children: dict[str, Runtime] = {}
    n_open = options.max_concurrency
    for member in part.members:
        # by the judge's own identity: that is how a composite names whom it asks
        digest = identity_of(member.judge).digest
        if digest not in children:
            own = with_defaults(member.judge, options)
            children[digest] = open_runtime(member, own, budget)
            # a member that collects a batch must be asked as much at once as it can take
            n_open = max(n_open, own.max_concurrency)
    options = dataclasses.replace(options, max_concurrency=n_open)
    store = open_store(part, options)
    return Runtime(part, options, store, budget, children, beside)


class Pools:
    """The open pools of a grader: one for verdicts, one for ratings, each when it is asked."""

    def __init__(self) -> None:
        """Open none."""
        self._by_kind: dict[bool, Runtime] = {}

    def open(self, part: Part, options: RuntimeOptions) -> Runtime:
        """Give the pool of a part, opened where it is not; its limits are those of all pools."""
        if part.is_rating not in self._by_kind:
            beside = next(iter(self._by_kind.values()), None)
            self._by_kind[part.is_rating] = open_runtime(part, options, beside=beside)
        return self._by_kind[part.is_rating]

    @property
    def each(self) -> list[Runtime]:
        """List those that are open, in the order they were opened."""
        return list(self._by_kind.values())

    @property
    def max_in_flight(self) -> int:
        """Most questions of one kind that are asked at once; 0 where none is open."""
        return max((pool.max_in_flight for pool in self.each), default=0)

    @property
    def n_in_flight(self) -> int:
        """Calls that wait for their reply; pools of one judge count together."""
        return max((pool.n_in_flight for pool in self.each), default=0)

    @property
    def ends(self) -> tuple[str | None, str | None]:
        """Why the judge counts as down, and why nothing more was asked; None where it is not so."""
        outage = next((pool.outage for pool in self.each if pool.outage), None)
        return outage, next((pool.stopped for pool in self.each if pool.stopped), None)

    async def stop_asking(self, reason: str, is_hard: bool) -> None:
        """Ask nothing more, in no pool; a run that was started before this is one of those in hand.

        A coroutine for that: as a plain callback it would come before the first step of such a run,
        which then takes itself for a new one and asks on.
        """
        for pool in self.each:
            pool.stop_asking(reason, is_hard)

    async def flushed(self) -> None:
        """Wait until everything that was paid for is on disk."""
        for pool in self.each:
            await pool.flushed()

    async def aclose(self) -> None:
        """End everything; the pool that was opened first comes last, for it closes the judge."""
        async with contextlib.AsyncExitStack() as stack:
            for pool in self.each:
                stack.push_async_callback(pool.aclose)


def with_defaults(judge: Judge, options: RuntimeOptions) -> RuntimeOptions:
    """Give a member's options: what the user left alone is as this judge needs it."""
    plain = RuntimeOptions()
    needs: Mapping[str, Any] = getattr(judge, "runtime_defaults", {})
    left = {k: v for k, v in needs.items() if getattr(options, k) == getattr(plain, k)}
    return dataclasses.replace(options, **left)
