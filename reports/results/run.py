"""A graded run as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...judges.answer import GradedAnswer
from .values import mapping


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the files of a run say of how it came about: empty where they do not; untrusted."""

    judge: Mapping[str, object] = field(default_factory=dict)
    """`Grader.facts()`, or what a log says of its judge."""
    data: Mapping[str, object] = field(default_factory=dict)
    """`ExampleFile.facts()`."""
    run: Mapping[str, object] = field(default_factory=dict)
    """Its label, and how many of its verdicts are missing."""
    config: Mapping[str, object] = field(default_factory=dict)
    """What was asked for."""
    generation: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, object] = field(default_factory=dict)
    stamp: str = ""
    """Of the file names."""
    date: object = None
    seed: object = None
    system_instruction_sha: object = None
    chat_template_sha: object = None


@dataclass(frozen=True, slots=True)
class Run:
    """One model's graded answers to one task."""

    model: str
    """The model's name as the results file gives it; runs of one name are repeats of each other."""
    label: str
    """Which run of the model: its given label, else its time stamp."""
    task: str
    graded: tuple[GradedAnswer, ...]
    stored: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Metrics the file claims, by name without lm-eval's `,none`; empty where none are stored."""
    facts: RunFacts = field(default_factory=RunFacts, hash=False)
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
        value = self.facts.data.get("sha256")
        return str(value) if value else None

    @property
    def judge(self) -> Mapping[str, object]:
        """The judge's identity: name, version, model, prompt, sampling, digest; may be empty."""
        facts = self.facts.judge
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
        value = self.facts.judge.get("learned_prompts")
        return frozenset(map(str, value)) if isinstance(value, list) else frozenset()

    @property
    def until(self) -> Mapping[str, object]:
        """The rule that could stop its grading, the order and what was decided; empty without."""
        return mapping(self.facts.config.get("until"))

    @property
    def sample(self) -> Mapping[str, object]:
        """How its verdicts were drawn, where only a sample of them was asked; empty without."""
        return mapping(self.facts.config.get("sample"))

    @property
    def includes_reasoning(self) -> bool:
        """Whether the judge read the whole answer, and not its solution section alone."""
        options = mapping(self.facts.judge, "options")
        sampling = mapping(self.judge, "sampling")
        return bool(options.get("include_reasoning") or sampling.get("include_reasoning"))
