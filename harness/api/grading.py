"""Grade from Python: prompts, answers and a rubric in, a score and every verdict out.

    import rubricbeat as rb
    graded = rb.grade(["What is 2 + 2?"], ["4"], rubric=["Says 4", "Is short"], judge="gpt-4.1")
    graded.score, graded.to_pandas()

What the commands read as rows is read here too; a bare text is enough where it can be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...judges.answer import GradedAnswer
from ...judges.budget.stopping import Method
from ...judges.data.examples import example_to_row
from ...judges.errors import ConfigError
from ...judges.options.reader import annotations_of
from ...judges.registry import JUDGES
from ...judges.rubric import Example
from ...judges.scoring.missing_reasons import MissingVerdicts
from ...judges.scoring.run_scores import SEED, Summary, summarise
from ...judges.shares import counted_shares
from ...judges.verdict import Verdict
from ...reports.comparison.comparison import Comparison, compare_runs
from ...reports.results.run import Run, RunFacts
from ..until import stop_rule_of
from .asked import askable, judge_asked
from .given import answers_of
from .words import saying_it_in_python

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_MODEL = "answers"
_OWN = ("answers", "rubric", "judge", "model", "columns", "progress")
_SHOWN = 20
"""Answers of a notebook's table."""


@dataclass(frozen=True, repr=False)
class Grading:
    """The graded answers of one model, with their score."""

    graded: tuple[GradedAnswer, ...]
    """In the order of the prompts; of one prompt in the order of its answers."""
    model: str
    judge: Mapping[str, Any] = field(repr=False)
    """What is known of the judge: identity, calls, tokens, cost."""

    @cached_property
    def summary(self) -> Summary:
        """Every metric, by the name that `rubricbeat score` gives it."""
        return summarise(self.graded)

    @property
    def score(self) -> float | None:
        """HealthBench score, 0 to 1; None where no answer could be scored."""
        value = self.summary.metrics["score"]
        return value if isinstance(value, float) else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the score; None below ten prompts."""
        found = self.summary.metrics.get("interval")
        if not isinstance(found, Sequence) or len(found) != 2:
            return None
        return float(found[0]), float(found[1])

    @property
    def verdicts(self) -> list[list[bool | int | None]]:
        """One list an answer: True, False, a level; None where there is no verdict or it is n/a."""
        return [
            [v.met if v.level is None else v.level for v in one.verdicts] for one in self.graded
        ]

    @property
    def missing(self) -> dict[str, int]:
        """Verdicts that never came, by reason."""
        return self.summary.missing_by_reason

    def to_pandas(self) -> pd.DataFrame:
        """Give a row for each verdict."""
        import pandas as pd

        rows = [
            {
                "prompt_id": one.example.prompt_id,
                "repeat": one.repeat,
                "prompt": one.example.prompt[-1].content,
                "answer": one.answer,
                "criterion": criterion.text,
                "points": criterion.points,
                "outcome": verdict.outcome.value,
                "met": verdict.met,
                "level": verdict.level,
                "share": share,
                "probability": verdict.probability,
                "explanation": verdict.explanation,
            }
            for one in self.graded
            for criterion, verdict, share in zip(
                one.example.rubric.criteria,
                one.verdicts,
                counted_shares(one.example.rubric, one.verdicts),
                strict=True,
            )
        ]
        return pd.DataFrame(rows)

    def compare(self, *others: Grading, seed: int = SEED) -> Comparison:
        """Compare with gradings of the same prompts; this one is the baseline.

        Raises:
            ConfigError: They are of other prompts or judges.
        """
        return compare(self, *others, seed=seed)

    def report(self, path: str | Path, *others: Grading) -> Path:
        """Write the HTML page of this grading, compared with others if there are any."""
        from ...judges.files import require_file, write_file
        from ...reports.pages.comparison_page import render_page

        require_file(Path(path), "report")
        page = render_page(self.compare(*others))
        write_file(Path(path), page.encode("utf-8"))
        return Path(path)

    def __repr__(self) -> str:
        """Say it in a line."""
        return f"<Grading of {self.model!r}: {self._head()}>"

    @property
    def run(self) -> Run:
        """The same as a run, as `compare_runs` takes it."""
        facts = RunFacts(judge=dict(self.judge))
        return Run(self.model, "", "graded", self.graded, facts=facts)

    def _head(self) -> str:
        """Give the score, its interval, and what is missing, in a line."""
        head = "no score" if self.score is None else f"score {self.score:.3f}"
        if self.interval is not None:
            head += f" [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"
        there = [one for one in self.graded if not one.is_absent]
        n_absent = len(self.graded) - len(there)
        absent = f", {n_absent:,} absent (None or NaN; not in the score)" if n_absent else ""
        found = MissingVerdicts.of(there)
        why = "; ".join(map(str.strip, found.lines()[1:]))
        missing = f"{found.n_missing:,} verdicts missing" + (f" ({why})" if why else "")
        return f"{head}, {len(there):,} answers{absent}, {missing}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(one.example.prompt[-1].content[:80])}</td>"
            f"<td>{escape(one.answer[:80])}</td>"
            f"<td>{escape(_marks(one))}</td></tr>"
            for one in self.graded[:_SHOWN]
        )
        more = len(self.graded) - _SHOWN
        rest = f"<p>and {more:,} more: .to_pandas()</p>" if more > 0 else ""
        return (
            f"<p><b>{escape(self.model)}</b>: {escape(self._head())}</p>"
            f"<table><tr><th>prompt</th><th>answer</th><th>verdicts</th></tr>{rows}</table>{rest}"
        )


@saying_it_in_python()
def grade(
    prompts: object,
    answers: object = None,
    *,
    rubric: object = None,
    judge: object,
    model: str = DEFAULT_MODEL,
    columns: str | Mapping[str, str] | None = None,
    progress: bool | None = None,
    **options: object,
) -> Grading:
    """Grade answers by rubric.

    Args:
        prompts: A text or a list of texts, message lists or rows (with rubrics, or answers too); a
            DataFrame or a Hugging Face data set of rows, or a slice of one; the path of a file of
            rows.
        answers: One for each prompt: texts, None where the model gave none, or lists of several;
            or a mapping from prompt_id. None where the rows hold them.
        rubric: For all prompts: a list of criteria, each a text worth 1 point or an object; a text
            with one criterion per line; or the path of a file of that. A list of such lists is one
            for each prompt. None where the rows hold theirs.
        judge: A registered judge's name, the name of a model behind an OpenAI-compatible endpoint,
            a mapping of `name` and options, a judge of your own, a list of any of these (a jury,
            by majority), or the path of recorded verdicts.
        model: Whose answers these are, in tables and pages.
        columns: Other names of the rows' fields, such as `{"prompt": "q", "answer": "output"}`.
        progress: A bar; by default on a terminal.
        **options: Of the judge and of the run: `base_url`, `max_concurrency`, `store`, `max_cost`.

    Raises:
        DataError: A row or an answer cannot be read: named by its number.
        ConfigError: The judge cannot work.
    """
    _refuse_misspelt(judge, options)
    given = answers_of(prompts, answers, rubric, columns)
    with askable(judge, options, given) as grader:
        return Grading(tuple(grader.grade(given, progress=progress)), str(model), grader.facts())


async def grade_async(
    prompts: object,
    answers: object = None,
    *,
    rubric: object = None,
    judge: object,
    model: str = DEFAULT_MODEL,
    columns: str | Mapping[str, str] | None = None,
    **options: object,
) -> Grading:
    """Grade answers from an event loop; see `grade`."""
    with saying_it_in_python():
        _refuse_misspelt(judge, options)
        given = answers_of(prompts, answers, rubric, columns)
        with askable(judge, options, given) as grader:
            return Grading(tuple(await grader.grade_async(given)), str(model), grader.facts())


@saying_it_in_python()
def compare(
    *gradings: Grading,
    seed: int = SEED,
    until: float | None = None,
    allow_different: bool = False,
) -> Comparison:
    """Compare gradings of the same prompts; the first is the baseline: differences are to it.

    Those that were given no name are numbered.

    Args:
        gradings: What `grade` returned.
        seed: Of the draws behind `bootstrap_std`.
        until: Level, such as 0.95, of intervals that may be looked at while gradings grow, and of
            the prompt after which a difference is decided (docs/least-cost.md).
        allow_different: Compare in spite of different judges; the page says so in red.

    Raises:
        ConfigError: They are of other prompts or judges, or share the name of a model.
    """
    for one in gradings or (None,):
        if not isinstance(one, Grading):
            raise ConfigError(
                f"compare: {type(one).__name__}; grade answers first, and give what "
                "rubricbeat.grade returned"
            )
    data = {"sha256": _shared_rows(gradings)}
    runs = [replace(one.run, facts=replace(one.run.facts, data=data)) for one in gradings]
    if len(runs) > 1 and all(run.model == DEFAULT_MODEL for run in runs) and _differ(gradings):
        runs = [replace(run, model=f"{run.model} {n}") for n, run in enumerate(runs, start=1)]
    names = [run.model for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two gradings are called {twice!r}; give each its model=")
    rule = stop_rule_of(until, None, 0.0, Method.ASYMPTOTIC, "until")
    baseline = names[0] if len(names) > 1 else None
    return compare_runs(
        runs, baseline=baseline, seed=seed, until=rule, allow_different=allow_different
    )


def _shared_rows(gradings: Sequence[Grading]) -> str:
    """Hash the prompts that are compared, each with its rubric.

    Raises:
        ConfigError: Two gradings know one of them with different words or rubrics.
    """
    rows: dict[str, Example] = {}
    for one in gradings:
        for graded in one.graded:
            if rows.setdefault(graded.example.prompt_id, graded.example) != graded.example:
                raise ConfigError(
                    f"prompt_id {graded.example.prompt_id[:64]} has another prompt or rubric in "
                    f"{one.model!r}; grade all of them by the same rows"
                )
    plain = json.dumps([example_to_row(rows[name]) for name in sorted(rows)], sort_keys=True)
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _differ(gradings: Sequence[Grading]) -> bool:
    return len({id(one) for one in gradings}) == len(gradings)


def _refuse_misspelt(judge: object, options: Mapping[str, object]) -> None:
    """Refuse an option that is an argument of `grade` but for a letter, and none of the judge's."""
    asked = judge_asked(judge)
    taken = annotations_of(JUDGES.find(asked["name"])) if isinstance(asked, Mapping) else {}
    for name in options:
        if name not in taken and (near := get_close_matches(name, _OWN, n=1, cutoff=0.8)):
            raise ConfigError(f"{name}: unknown argument; did you mean {near[0]}=?")


def _marks(one: GradedAnswer) -> str:
    return " ".join(map(_mark, one.verdicts))


def _mark(verdict: Verdict) -> str:
    if verdict.is_na:
        return "n/a"
    if verdict.level is not None:
        return str(verdict.level)
    return {True: "\u2713", False: "\u2717", None: "?"}[verdict.met]
