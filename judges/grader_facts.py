"""What results say about their judge: identity, counts, cost, and options without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .assembly import Part


def facts_of(part: Part) -> dict[str, Any]:
    """Give identity and counts; of a judge made of others the calls are those of all of them."""
    facts = {**part.identity.to_json(), "digest": part.identity.digest, **part.ledger.to_json()}
    if not part.members:
        return facts
    payers = part.payers
    counts = [payer.ledger.to_json() for payer in payers]
    costs = [payer.ledger.cost for payer in payers if payer.is_stored]
    known = [cost for cost in costs if cost is not None]
    return {
        **facts,
        **{name: sum(one[name] for one in counts) for name in ("calls", "store_hits")},
        **{name: _added(one[name] for one in counts) for name in ("faults", "retries", "tokens")},
        # one member of unknown price makes the sum unknown; those that are free add nothing
        "cost_usd": sum(known) if len(known) == len(costs) else None,
        "members": [facts_of(member) for member in part.members],
    }


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a result file must not hold, whatever its name promises."""
    kept: dict[str, Any] = {}
    for name, value in options.items():
        plain = name.lower()
        if name == "name" or any(word in plain for word in ("secret", "password", "header")):
            continue
        if ("key" in plain or "token" in plain) and not plain.startswith(("max_", "n_")):
            continue
        if value is None or isinstance(value, str | int | float | bool | list | tuple | Mapping):
            kept[name] = _plain(value)
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str) and "://" in value:
        return _plain_address(value)
    return value


def _plain_address(address: str) -> str:
    """Take a user's name, a password and a query out of an address."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
