"""The folder a fitted judge is kept in: JSON, never pickle.

* `judge.json`: what it looks at, its head, its calibration, its words;
* `card.json`, `README.md`: what is known of its worth (`model_card.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import write_file
from ..scoring.verdict_table import Floats
from .features import FEATURES, WordWeights
from .head import KIND, Head
from .logistic import chance_of

FORMAT = 1
JUDGE_FILE = "judge.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a head's log-odds into P(met) as it was on held-out prompts (Platt 1999)."""

    slope: float = 1.0
    shift: float = 0.0

    def probability(self, logits: Floats) -> Floats:
        """Give P(met)."""
        return chance_of(self.slope * logits + self.shift)


@dataclass(frozen=True, slots=True)
class FittedModel:
    """All that a fitted judge knows."""

    head: Head
    calibration: Calibration
    words: WordWeights
    digest: str = ""
    """Of the file; empty before it is written."""


def save_model(model: FittedModel, folder: Path) -> str:
    """Write a judge into a folder and give the digest of what was written."""
    plain = {
        "format": FORMAT,
        "features": list(FEATURES),
        "encoder": None,  # judges of older versions could have one
        "calibration": {"slope": model.calibration.slope, "shift": model.calibration.shift},
        "head": model.head.to_json(),
        "words": {"n_texts": model.words.n_texts, "counts": dict(model.words.counts)},
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    write_file(folder / JUDGE_FILE, text, is_private=False)
    return _digest(folder / JUDGE_FILE)


def load_model(folder: Path) -> FittedModel:
    """Read a judge back.

    Raises:
        ConfigError: The folder holds no fitted judge, or one of another format.
    """
    path = folder / JUDGE_FILE
    if not path.is_file():
        raise ConfigError(
            f"{folder}: no fitted judge there (no {JUDGE_FILE}); make one with rubricbeat fit-judge"
        )
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if fault := _fault(plain):
            raise ConfigError(f"{path}: {fault}")
        words = plain["words"]
        return FittedModel(
            head=Head.from_json(plain["head"]),
            calibration=Calibration(**plain["calibration"]),
            words=WordWeights(int(words["n_texts"]), words["counts"]),
            digest=_digest(path),
        )
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: holds no fitted judge ({error!r})") from error


def _fault(plain: Mapping[str, Any]) -> str | None:
    """Say why this version cannot read a judge; None where it may."""
    if plain["format"] != FORMAT:
        return f"format {plain['format']!r}; this version reads {FORMAT}"
    kind = plain.get("head", {}).get("kind", KIND)
    if kind != KIND:
        return f"a head of another version ({kind!r}); fit it again with rubricbeat fit-judge"
    if plain["encoder"] is not None or plain["features"] != list(FEATURES):
        return "fitted on other features than this version's; fit it again"
    return None


def _digest(path: Path) -> str:
    """Hash the file that a verdict depends on, its name first."""
    return hashlib.sha256(path.name.encode() + path.read_bytes()).hexdigest()


def read_card(folder: Path) -> Mapping[str, Any]:
    """Read the card of a judge; empty where there is none that can be read."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}
