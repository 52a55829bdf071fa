"""A graded run as a value, and how a JSON object of its files is parsed."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...judges.answer import GradedAnswer
from ...judges.errors import DataError

ODD_SHAPE = (AttributeError, LookupError, OverflowError, TypeError, ValueError)
"""What reading raises where a file holds something else than its format has."""


@dataclass(frozen=True, slots=True)
class Run:
    """One model's graded answers to one task."""

    model: str
    """The model's name as the results file gives it; runs of one name are repeats of each other."""
    label: str
    """Which run of the model: its given label, else its time stamp."""
    task: str
    graded: tuple[GradedAnswer, ...]
    stored: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Metrics the file claims, by name without lm-eval's `,none`; empty where none are stored."""
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What is known of how the run came about: `judge`, `data`, `versions`, `config`, `stamp`."""
    path: str = ""
    """The file the verdicts were read from."""
    notes: tuple[str, ...] = ()
    """What in that file could not be taken as it stands, one sentence each; untrusted words."""

    @property
    def name(self) -> str:
        """The run in a few words, for messages and tables."""
        return f"{self.model} [{self.label}]" if self.label else self.model

    @property
    def data_sha256(self) -> str | None:
        """Hash of the data file, or None where the run does not say."""
        value = mapping(self.facts.get("data")).get("sha256")
        return str(value) if value else None

    @property
    def judge(self) -> Mapping[str, Any]:
        """The judge's identity: name, version, model, prompt, sampling, digest; may be empty."""
        facts = mapping(self.facts.get("judge"))
        identity = facts.get("identity") or facts.get("judge")
        if isinstance(identity, Mapping):
            return {**identity, **({"digest": facts["digest"]} if "digest" in facts else {})}
        return facts

    @property
    def judge_digest(self) -> str | None:
        """Digest two runs share only when the same judge graded them, or None."""
        value = self.judge.get("digest")
        return str(value) if value else None

    @property
    def learned_prompts(self) -> frozenset[str]:
        """Prompts, by id, that a fitted judge of this run has learned from."""
        value = mapping(self.facts.get("judge")).get("learned_prompts")
        return frozenset(map(str, value)) if isinstance(value, list) else frozenset()

    @property
    def until(self) -> Mapping[str, Any]:
        """The rule that could stop its grading, the order and what was decided; empty without."""
        return mapping(mapping(self.facts.get("config")).get("until"))

    @property
    def sample(self) -> Mapping[str, Any]:
        """How its verdicts were drawn, where only a sample of them was asked; empty without."""
        return mapping(mapping(self.facts.get("config")).get("sample"))

    @property
    def includes_reasoning(self) -> bool:
        """Whether the judge read the whole answer, and not its solution section alone."""
        options = mapping(mapping(self.facts.get("judge")).get("options"))
        sampling = mapping(self.judge.get("sampling"))
        return bool(options.get("include_reasoning") or sampling.get("include_reasoning"))


def parse_object(text: bytes, where: str) -> dict[str, Any]:
    """Parse one JSON object, lone surrogates included, or say where it is broken."""
    try:
        value = json.loads(text.removeprefix(BOM_UTF8).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:  # broken JSON, broken UTF-8, endless nesting
        raise DataError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value


def decoded(value: Any) -> Any:
    """Give the list or object that stands in a log as JSON text; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def mapping(value: object) -> Mapping[str, Any]:
    """Give a mapping as it is, and an empty one for whatever else a file holds there."""
    return value if isinstance(value, Mapping) else {}
