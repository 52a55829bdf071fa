"""The plain form of a result: dataclasses and enums as what JSON knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def plain_form(value: object, *, has_own: bool = False) -> Any:
    """Turn dataclasses, enums and mappings into JSON's types; NaN and infinities into None.

    Args:
        value: Of any of these kinds.
        has_own: Take the plain form that a value gives of itself (`to_json`) where it has one.
    """
    if has_own and hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: plain_form(getattr(value, one.name), has_own=has_own) for one in fields(value)
        }
    if isinstance(value, Mapping):
        return {_key(key): plain_form(item, has_own=has_own) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain_form(item, has_own=has_own) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def plain_fields(result: Any) -> dict[str, object]:
    """Give the plain form of a dataclass, each field by its name; made to be its `to_json`."""
    return {one.name: plain_form(getattr(result, one.name), has_own=True) for one in fields(result)}


def _key(key: object) -> str:
    return str(key.value) if isinstance(key, Enum) else str(key)
