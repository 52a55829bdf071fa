"""The folder a fitted judge is kept in: JSON and safetensors, never pickle.

* `judge.json`: what it looks at, its head, its calibration, its words;
* `network.safetensors`: the weights of a network head, where there is one;
* `card.json`, `README.md`: what is known of its worth (`model_card.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..audit.baselines import chance_of
from ..errors import ConfigError
from ..files import write_file
from ..scoring.rubric_arrays import Floats
from .features import WordWeights, names_of
from .heads import Head, HeadKind, head_from_json, head_to_json
from .network import Array

FORMAT = 1
JUDGE_FILE = "judge.json"
NETWORK_FILE = "network.safetensors"


@dataclass(frozen=True, slots=True)
class PlattScaling:
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
    calibration: PlattScaling
    words: WordWeights
    encoder: str | None
    """Digest of the encoder's weights; None for a judge without one."""
    digest: str = ""
    """Of the files; empty before they are written."""

    @property
    def has_vectors(self) -> bool:
        """Whether it needs an encoder."""
        return self.encoder is not None


def save_model(model: FittedModel, folder: Path) -> str:
    """Write a judge into a folder and give the digest of what was written."""
    head, arrays = head_to_json(model.head)
    plain = {
        "format": FORMAT,
        "features": list(names_of(has_vectors=model.has_vectors)),
        "encoder": model.encoder,
        "calibration": {"slope": model.calibration.slope, "shift": model.calibration.shift},
        "head": head,
        "words": {"n_texts": model.words.n_texts, "counts": dict(model.words.counts)},
    }
    folder.mkdir(parents=True, exist_ok=True)
    if arrays:
        from safetensors.numpy import save

        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        # written by us: save_file would keep it from every other user of the machine
        write_file(folder / NETWORK_FILE, save(contiguous), is_private=False)
    else:
        (folder / NETWORK_FILE).unlink(missing_ok=True)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    write_file(folder / JUDGE_FILE, text, is_private=False)
    return digest_of_folder(folder)


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
        if plain["format"] != FORMAT:
            raise ConfigError(f"{path}: format {plain['format']!r}; this version reads {FORMAT}")
        encoder = plain["encoder"]
        if plain["features"] != list(names_of(has_vectors=encoder is not None)):
            raise ConfigError(f"{path}: fitted on other features than this version's; fit it again")
        if (kind := plain["head"]["kind"]) not in list(HeadKind):
            raise ConfigError(f"{path}: a head of another version ({kind!r}); fit it again")
        words = plain["words"]
        return FittedModel(
            head=head_from_json(plain["head"], _arrays(folder)),
            calibration=PlattScaling(**plain["calibration"]),
            words=WordWeights(int(words["n_texts"]), words["counts"]),
            encoder=encoder,
            digest=digest_of_folder(folder),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: holds no fitted judge ({error!r})") from error


def digest_of_folder(folder: Path) -> str:
    """Hash the files that a verdict depends on."""
    digest = hashlib.sha256()
    for name in (JUDGE_FILE, NETWORK_FILE):
        path = folder / name
        if path.is_file():
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def read_card(folder: Path) -> Mapping[str, Any]:
    """Read the card of a judge; empty where there is none that can be read."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _arrays(folder: Path) -> dict[str, Array]:
    path = folder / NETWORK_FILE
    if not path.is_file():
        return {}
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ConfigError(
            f"{path}: reading it needs safetensors ({error}); pip install 'rubricbeat[fit]'"
        ) from error
    try:
        arrays: dict[str, Array] = load_file(str(path))
    except SafetensorError as error:
        raise ConfigError(f"{path}: not safetensors ({error})") from error
    return arrays
