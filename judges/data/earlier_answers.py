"""Answers of an earlier run, read back to be judged: the second stage of a two-stage run.

The first stage is `--predict_only`; its samples_*.jsonl hold the documents and the answers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """What one document was answered."""

    doc_hash: str
    prompt: Any
    """The turns that were asked, as the row has them."""
    texts: tuple[str, ...]
    """One a repeat."""


@dataclass(frozen=True, slots=True)
class Responses:
    """The answers of one earlier run."""

    by_prompt_id: Mapping[str, RecordedAnswers]
    file: str
    """Name of the samples file."""
    system_instruction: str | None
    """What the model was told beside the documents; the judge is shown it too."""
    model: str | None = None
    """The model's name."""
    generation_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """How the answers were generated."""
    repeats: int | None = None
    """Answers asked for each prompt; None where the results do not say."""

    def find(self, document: Mapping[str, Any], doc_hash: str) -> RecordedAnswers | None:
        """Find the answers to a document; None where there are none to this conversation.

        A changed rubric does not matter, the answers are to the same question; a changed
        conversation does.
        """
        recorded = self.by_prompt_id.get(str(document.get("prompt_id")))
        if recorded is None:
            return None
        same = recorded.doc_hash == doc_hash or recorded.prompt == document.get("prompt")
        return recorded if same else None


def read_responses(path: str, task: str) -> Responses:
    """Read the answers of a samples file, or of the newest one for a task in a folder.

    Raises:
        ConfigError: No file is there, or the folder holds several models.
    """
    chosen = _choose(Path(path).expanduser(), task)
    by_prompt_id: dict[str, RecordedAnswers] = {}
    with chosen.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                sample = json.loads(line)
                prompt_id = str(sample["doc"]["prompt_id"])
                texts = tuple(str(text) for text in sample["resps"][0])
                recorded = RecordedAnswers(
                    str(sample.get("doc_hash", "")), sample["doc"].get("prompt"), texts
                )
            except (json.JSONDecodeError, KeyError, IndexError, TypeError) as error:
                raise DataError(
                    f"{chosen}: line {number} is not a sample of ours ({type(error).__name__}: "
                    f"{error}); expected doc.prompt_id and resps"
                ) from None
            by_prompt_id[prompt_id] = recorded
    if not by_prompt_id:
        raise DataError(f"{chosen}: holds no samples")
    run = _results_beside(chosen)
    config = run.get("configs", {}).get(task, {})
    return Responses(
        by_prompt_id,
        chosen.name,
        run.get("system_instruction") or None,
        run.get("model_name"),
        config.get("generation_kwargs") or {},
        config.get("repeats"),
    )


def _choose(path: Path, task: str) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        raise ConfigError(f"responses: {path}: no such file or folder")
    found = sorted(path.rglob(f"samples_{task}_2*.jsonl"))  # the stamp begins with the year
    if not found:
        others = sorted(p.name for p in path.rglob("samples_*.jsonl"))
        holds = f"it holds {', '.join(others[:5])}" if others else "it holds no samples_*.jsonl"
        raise ConfigError(
            f"responses: {path}: no samples_{task}_*.jsonl ({holds}); name the file, or answer "
            "first with --predict_only --output_path"
        )
    folders = sorted({p.parent for p in found})
    if len(folders) > 1:
        names = ", ".join(p.name for p in folders)
        raise ConfigError(f"responses: {path} holds several models ({names}); name one folder")
    newest = max(found, key=lambda p: p.name)
    if len(found) > 1:
        log.warning("responses: %d files for %s; the newest is used: %s", len(found), task, newest)
    return newest


def _results_beside(samples: Path) -> dict[str, Any]:
    """Read the results file that lm-eval writes beside the samples; empty where it is not there."""
    stamp = samples.stem[samples.stem.rfind("_") + 1 :]
    try:
        text = (samples.parent / f"results_{stamp}.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return {}
    return found
