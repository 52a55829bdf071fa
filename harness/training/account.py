"""What the judges of a run were asked and cost, from its first start to now.

A run that was killed has paid for what it asked after its last checkpoint too: the account goes on
where it was left (`judge.json`, written after every step), not where the weights are taken up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...judges.sharing import added_facts


def continued(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Add what was paid since a start to what was paid before it.

    Args:
        before: Facts of graders by what they give, `judge` and `ratings`, as `Graders.facts` does.
        now: Those of this start.
    """
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
