"""The candidates of a search for a wording, what they may cost, and the asking itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...judges.answer import Answer, GradedAnswer
from ...judges.audit.labels import LabelledAnswer
from ...judges.backends.prompts.asking_options import Shape
from ...judges.backends.wording import Wording, load_wording
from ...judges.budget.wordings import (
    COMBINED,
    EDITS,
    SHOWN_CHARS,
    Correction,
    edited,
    rounds_of,
    with_examples,
)
from ...judges.engine.cost_estimate import CostEstimate
from ...judges.engine.options import RuntimeOptions
from ...judges.errors import ConfigError, RubricbeatError
from ...judges.grader import open_grader
from ...judges.judge_options import parse_judge_args
from ...judges.options.reader import annotations_of
from ...judges.registry import JUDGES
from ...judges.rubric import Criterion, Polarity
from ...judges.scoring.missing_reasons import MissingVerdicts
from ..flags import keys_stand_in
from .wordings import Candidate, Parts, Prompt

_IN_WORDS = ("evidence", "restate")
"""Edits that need an explanation in the reply."""
_SAMPLE = 20
"""Prompts by which the price of a call is estimated."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """All ways to ask that are tried, beside the default."""

    base: Mapping[str, object]
    """Options of the judge."""
    wording: Wording
    """As the judge has it now."""
    plain: tuple[Candidate, ...]

    @property
    def default(self) -> Candidate:
        """The judge as it is."""
        return Candidate("default")

    def taught(self, corrections: Sequence[Correction]) -> list[Candidate]:
        """Give the wordings with worked examples."""
        if self.wording.is_jinja:
            return []
        found = [Candidate("examples.txt", with_examples(self.wording.text, corrections))]
        if "evidence.txt" in {one.name for one in self.plain}:
            text = with_examples(edited(self.wording.text, ["evidence"]), corrections)
            found.append(Candidate("examples+evidence.txt", text))
        return found


def candidates_of(
    base: Mapping[str, object], own: Sequence[Path], variants: Sequence[str], votes: int
) -> Candidates:
    """Collect what is tried.

    Args:
        base: Options of the judge.
        own: The user's wordings: files, or folders of them.
        variants: Options to be changed, `k=v,k=v` each.
        votes: Also try the majority of so many verdicts; 1 does not.

    Raises:
        ConfigError: The judge is asked without words, or a wording or an option cannot work.
    """
    name = str(base["name"])
    taken = annotations_of(JUDGES.find(name))
    if "prompt" not in taken:
        raise ConfigError(f"--judge {name}: has no wording to be searched; name a chat judge")
    usual = Shape.HEALTHBENCH if "shape" in taken else Shape.YES_NO
    shape = str(base.get("shape") or usual)
    wording = load_wording(str(base.get("prompt") or shape))
    found = [Candidate(path.name, _text(path)) for path in _files(own)]
    if not wording.is_jinja:
        is_short = Shape.YES_NO in (shape, wording.name)
        kept = [one for one in EDITS if not (is_short and one in _IN_WORDS)]
        groups = [(one,) for one in kept] + [g for g in COMBINED if set(g) <= set(kept)]
        found += [Candidate(f"{'+'.join(g)}.txt", edited(wording.text, g)) for g in groups]
    words = list(variants)
    if base.get("temperature", 0.5) not in (0, None) and "temperature" in taken:
        words.append("temperature=0")
    if "shape" in taken and shape == Shape.HEALTHBENCH and not base.get("prompt"):
        words.append("shape=prefix")
    for each in dict.fromkeys(words):
        changes = parse_judge_args(name, each)
        del changes["name"]
        if not changes:
            raise ConfigError("--variant: no options; give such as shape=prefix")
        found.append(Candidate(each, changes=changes))
    if votes > 1:
        found.append(Candidate(f"{votes} votes", votes=votes))
    names = [one.name for one in found]
    for one in names:
        if names.count(one) > 1:
            raise ConfigError(f"--wordings: two candidates are called {one}; rename one")
    return Candidates(base, wording, tuple(found))


def options_of(
    candidate: Candidate, base: Mapping[str, object], prompt: Path | str | None
) -> dict[str, object]:
    """Give the options of the judge that a candidate is.

    Args:
        candidate: Which.
        base: Options of the judge as it is now.
        prompt: Where its wording lies, where it has one of its own.
    """
    runtime, judge = RuntimeOptions.split({**base, **candidate.changes})
    if candidate.text is not None:
        judge["prompt"] = str(prompt)
    if candidate.votes > 1:
        judge = {"name": "replicate", "inner": judge, "k": candidate.votes}
    return {**judge, **runtime}


@dataclass
class Asker:
    """Asks candidates, within one budget for all of them."""

    base: Mapping[str, object]
    folder: Path
    """Where wordings lie while they are tried."""
    seed: int
    missing: MissingVerdicts
    calls: int = field(default=0, init=False)
    usd: float | None = field(default=0.0, init=False)
    """Spent; None where a price is not known."""

    def options(self, candidate: Candidate) -> dict[str, object]:
        """Give the options of a candidate, its wording on disk."""
        path = self.folder / candidate.name
        if candidate.text is not None:
            path.write_text(candidate.text, encoding="utf-8")
        return options_of(candidate, self.base, path)

    def __call__(self, candidate: Candidate, items: Sequence[LabelledAnswer]) -> list[GradedAnswer]:
        """Ask; verdicts that the store has are not asked again.

        Raises:
            RubricbeatError: The budget is spent, or the judge is down. What came is kept.
        """
        options = self.options(candidate)
        for name, spent in (("max_calls", self.calls), ("max_cost", self.usd or 0.0)):
            if isinstance(most := options.get(name), int | float):
                options[name] = max(most - spent, 0)
        with open_grader(options, seed=self.seed) as grader:
            graded = grader.grade([Answer(item.example, item.text) for item in items])
            facts = grader.facts()
        self.calls += facts["calls"]
        cost = facts["cost_usd"]
        self.usd = None if cost is None or self.usd is None else self.usd + cost
        if facts["stopped"]:
            raise RubricbeatError(
                f"stopped: {facts['stopped']}; verdicts are cached: run the same command again "
                "to continue"
            )
        for answer in graded:
            self.missing.add(answer)
        return graded


def most_cost(candidates: Candidates, parts: Parts, asker: Asker, n_examples: int) -> CostEstimate:
    """Say what a whole search costs at most, before anything is asked; nothing is in the store."""
    filler = Correction(Criterion("x" * 200, 5.0, Polarity.DESIRABLE), "x" * SHOWN_CHARS, True)
    taught = candidates.taught([filler] * n_examples) if n_examples else []
    every = [*candidates.plain, *taught]
    votes = sorted((one.votes for one in every), reverse=True)
    n_calls = _n_questions(parts.searched) + (_n_questions(parts.lessons) if n_examples else 0)
    before = 0
    for one in rounds_of(len(every), len(parts.searched)):
        fresh = _n_questions(parts.searched[before : one.n_prompts])
        n_calls, before = n_calls + fresh * sum(votes[: one.n_candidates]), one.n_prompts
    n_calls += _n_questions(parts.held) * (1 + votes[0])
    sample = [item for prompt in parts.held[:_SAMPLE] for item in prompt]
    answers = [Answer(item.example, item.text) for item in sample]
    most: CostEstimate | None = None
    for candidate in (candidates.default, *every):
        options = {**asker.options(candidate), "store": "none", "max_calls": None, "max_cost": None}
        with keys_stand_in(options), open_grader(options, seed=asker.seed) as grader:
            asked = grader.estimate(answers)
        if most is None or asked.prompt_tokens / asked.calls > most.prompt_tokens / most.calls:
            most = asked
    assert most is not None and most.calls
    share = n_calls / most.calls
    return CostEstimate(
        model=most.model,
        criteria=n_calls,
        hits=0,
        calls=n_calls,
        prompt_tokens=round(most.prompt_tokens * share),
        completion_tokens=round(most.completion_tokens * share),
        cost_usd=None if most.cost_usd is None else most.cost_usd * share,
    )


def _n_questions(prompts: Sequence[Prompt]) -> int:
    return sum(len(item.example.rubric) for prompt in prompts for item in prompt)


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"--wordings {path}: no file in it")
        found += inside
    return found


def _text(path: Path) -> str:
    """Read a wording of the user's, which must be one that `--prompt` takes."""
    if not path.is_file():
        raise ConfigError(f"--wordings {path}: no such file or folder")
    return load_wording(str(path)).text
