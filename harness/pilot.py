"""A pilot: what a small measured run says of a judge, for plans of a large one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..judges.errors import DataError
from ..reports.results.run import mapping


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a measured run says of a judge."""

    path: str
    digest: str
    prompt_tokens: float
    """Of a call."""
    reply_tokens: float
    """Of a verdict."""
    latency_s: float | None


def read_pilot(path: Path) -> Pilot:
    """Read the newest result file of a judge below a path.

    Raises:
        DataError: There is none that made calls.
    """
    if not path.exists():
        raise DataError(f"--pilot {path}: no such file or folder")
    files = sorted(path.rglob("results_*.json")) if path.is_dir() else [path]
    for file in sorted(files, key=lambda each: each.name, reverse=True):
        for judge in _judges_in(file):
            try:
                pilot = _pilot_of(file.name, judge)
            except (TypeError, ValueError, AttributeError) as error:
                raise DataError(
                    f"--pilot {file}: its account of the judge cannot be read ({error})"
                ) from error
            if pilot is not None:
                return pilot
    raise DataError(
        f"--pilot {path}: no result file there whose judge made calls; grade a few answers with "
        "`rubricbeat judge ... --output_path FOLDER` into a fresh store first"
    )


def _pilot_of(name: str, judge: Mapping[str, Any]) -> Pilot | None:
    """Read what a run says of its judge; None where it made no call."""
    tokens = judge.get("tokens") or {}
    calls, prompt = float(judge.get("calls") or 0), float(tokens.get("prompt") or 0)
    outcomes = judge.get("outcomes") or {}
    n_verdicts = sum(outcomes.values()) - float(judge.get("store_hits") or 0)
    if not (calls > 0 and prompt > 0 and n_verdicts >= 1):
        return None
    latency = (judge.get("latency_s") or {}).get("p50")
    return Pilot(
        name,
        str(judge.get("digest")),
        prompt / calls,
        float(tokens.get("completion") or 0) / n_verdicts,
        float(latency) if latency is not None else None,
    )


def _judges_in(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"--pilot {file}: cannot be read ({error})") from error
    for config in mapping(mapping(results).get("configs")).values():
        judge = mapping(mapping(config).get("metadata")).get("judge")
        if isinstance(judge, Mapping):
            yield judge
