"""The plain form of a study: dataclasses and enums as what JSON knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any


def plain_form(value: Any) -> Any:
    """Turn dataclasses, enums and mappings into JSON's types; NaN and infinities into None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain_form(asdict(value))
    if isinstance(value, Mapping):
        return {_key(key): plain_form(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain_form(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _key(key: Any) -> str:
    return str(key.value) if isinstance(key, Enum) else str(key)
