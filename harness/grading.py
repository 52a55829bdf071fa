"""Grade from Python: prompts, answers and a rubric in, a score and every verdict out.

    import rubricbeat as rb
    graded = rb.grade(["What is 2 + 2?"], ["4"], rubric=["Says 4", "Is short"], judge="gpt-4.1")
    graded.score, graded.to_pandas()

What the commands read as rows is read here too; a bare text is enough where it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from html import escape
from importlib.util import find_spec
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..judges.answer import Answer, GradedAnswer
from ..judges.data.answers import ANSWER_FIELDS
from ..judges.data.conversations import text_of_answer
from ..judges.data.examples import example_from_row, read_examples
from ..judges.data.row_shapes import PROMPT_FIELDS
from ..judges.errors import ConfigError, DataError
from ..judges.grader import Grader, open_grader
from ..judges.registry import JUDGES
from ..judges.rubric import Example
from ..judges.scoring.run_scores import SEED, Summary, summarise
from ..judges.shares import counted_shares
from ..judges.verdict import Verdict
from ..reports.comparison.comparison import Comparison, compare_runs
from ..reports.results.run import Run

if TYPE_CHECKING:
    import pandas as pd

RUBRIC_FIELDS = ("rubric", "rubrics", "rubric_items", "reward_model")
_SHOWN = 20
"""Answers of a notebook's table."""


@dataclass(frozen=True)
class Grading:
    """Graded answers of one model, with what they come to."""

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
        """Write the HTML page of this grading, compared with others where there are any."""
        from ..judges.files import write_file
        from ..reports.pages.comparison_page import render_page

        page = render_page(self.compare(*others))
        write_file(Path(path), page.encode("utf-8"))
        return Path(path)

    @property
    def run(self) -> Run:
        """The same as a run, as `compare_runs` takes it."""
        facts = {"judge": dict(self.judge)}
        return Run(self.model, "", "graded", self.graded, facts=facts)

    def _repr_html_(self) -> str:
        head = "no score" if self.score is None else f"score {self.score:.3f}"
        interval = self.summary.metrics.get("interval")
        if isinstance(interval, Sequence) and len(interval) == 2:
            head += f" [{interval[0]:.3f}, {interval[1]:.3f}]"
        n_missing = sum(self.missing.values())
        rows = "".join(
            f"<tr><td>{escape(one.example.prompt[-1].content[:80])}</td>"
            f"<td>{escape(one.answer[:80])}</td>"
            f"<td>{escape(_marks(one))}</td></tr>"
            for one in self.graded[:_SHOWN]
        )
        more = len(self.graded) - _SHOWN
        rest = f"<p>and {more:,} more: .to_pandas()</p>" if more > 0 else ""
        return (
            f"<p><b>{escape(self.model)}</b>: {head}, {len(self.graded):,} answers, "
            f"{n_missing:,} verdicts missing</p>"
            f"<table><tr><th>prompt</th><th>answer</th><th>verdicts</th></tr>{rows}</table>{rest}"
        )


def grade(
    prompts: Any,
    answers: Any = None,
    *,
    rubric: Any = None,
    judge: Any,
    model: str = "answers",
    progress: bool | None = None,
    **options: Any,
) -> Grading:
    """Grade answers by rubric.

    Args:
        prompts: A text or a list of texts, message lists or rows (with rubrics, or answers too); a
            DataFrame or a Hugging Face data set of rows; the path of a file of rows.
        answers: One for each prompt: texts, None where the model gave none, or lists of several;
            or a mapping from prompt_id. None where the rows hold them.
        rubric: For all prompts: a list of criteria, each a text worth 1 point or an object; or the
            path of a JSON or YAML file of that. None where the rows hold theirs.
        judge: A registered judge's name, the name of a model behind an OpenAI-compatible endpoint,
            a mapping of `name` and options, or a judge of your own.
        model: Whose answers these are, in tables and pages.
        progress: A bar; by default on a terminal.
        **options: Of the judge and of the run: `base_url`, `max_concurrency`, `store`, `max_cost`.

    Raises:
        DataError: A row or an answer cannot be read: named by its number.
        ConfigError: The judge cannot work.
    """
    given = answers_of(prompts, answers, rubric)
    with grader_of(judge, options) as grader:
        return Grading(tuple(grader.grade(given, progress=progress)), str(model), grader.facts())


async def grade_async(
    prompts: Any,
    answers: Any = None,
    *,
    rubric: Any = None,
    judge: Any,
    model: str = "answers",
    **options: Any,
) -> Grading:
    """Grade answers from an event loop; see `grade`."""
    given = answers_of(prompts, answers, rubric)
    with grader_of(judge, options) as grader:
        return Grading(tuple(await grader.grade_async(given)), str(model), grader.facts())


def compare(*gradings: Grading, seed: int = SEED) -> Comparison:
    """Compare gradings of the same prompts; the first is the baseline.

    Raises:
        ConfigError: They are of other prompts or judges, or share the name of a model.
    """
    names = [grading.model for grading in gradings]
    if len(set(names)) < len(names):
        raise ConfigError(f"two gradings are called {names[0]!r}; give each its model=")
    baseline = names[0] if len(names) > 1 else None
    return compare_runs([g.run for g in gradings], baseline=baseline, seed=seed)


def grader_of(judge: Any, options: Mapping[str, Any]) -> Grader:
    """Open a grader for whatever names a judge.

    Raises:
        ConfigError: The judge cannot work, or options go with a judge that is made already.
    """
    if isinstance(judge, Grader):
        raise ConfigError("judge: give the judge, not a Grader; its grade() takes answers")
    if isinstance(judge, str):
        return open_grader({**_named(judge), **options})
    if isinstance(judge, Mapping):
        return open_grader({**judge, **options})
    if isinstance(judge, type) or not iscoroutinefunction(getattr(judge, "judge", None)):
        raise ConfigError(
            f"judge: {judge!r:.60} is none: a name, a mapping, or an object with an async method "
            "'judge' (docs/judges.md)"
        )
    if not options:
        return open_grader(judge)
    from ..judges.engine.options import RuntimeOptions

    mine, rest = RuntimeOptions.split(dict(options))
    if rest:
        raise ConfigError(f"{', '.join(sorted(rest))}: set on the judge itself, which is made")
    return Grader(judge, RuntimeOptions.from_mapping(mine))


def _named(judge: str) -> dict[str, str]:
    """Tell the name of a judge from that of a model.

    Raises:
        ConfigError: It looks like a judge's name that is misspelt.
    """
    first, colon, _ = judge.partition(":")
    if first in JUDGES.names() or (colon and _is_module(first)):
        return {"name": judge}
    if close := get_close_matches(first, JUDGES.names(), n=1, cutoff=0.8):
        raise ConfigError(
            f"judge {judge!r}: {close[0]!r} is meant? A model of that name is "
            f"judge={{'name': 'chat', 'model': {judge!r}}}"
        )
    return {"name": "chat", "model": judge}


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def answers_of(prompts: Any, answers: Any, rubric: Any) -> list[Answer]:
    """Put prompts, answers and rubrics together.

    Raises:
        DataError: One cannot be read, or they do not match.
    """
    each = enumerate(_listed(prompts), start=1)
    rows = [_row(one, rubric, f"prompt {number}") for number, one in each]
    examples = [_example(row, number) for number, row in enumerate(rows, start=1)]
    texts = _texts_of(rows, examples, answers)
    return [
        Answer(example, None if text is None else _text(text, number), repeat=repeat)
        for number, (example, of_one) in enumerate(zip(examples, texts, strict=True), start=1)
        for repeat, text in enumerate(of_one)
    ]


def _listed(prompts: Any) -> list[Any]:
    if isinstance(prompts, Path):
        return list(read_examples(prompts, strict=True).examples)
    if isinstance(prompts, str | Mapping | Example):
        return [prompts]
    if hasattr(prompts, "to_dict") and hasattr(prompts, "columns"):  # a DataFrame
        return list(prompts.to_dict("records"))
    if _is_message_list(prompts):
        return [prompts]
    if isinstance(prompts, Set) or not isinstance(prompts, Iterable):
        raise DataError(f"prompts: {type(prompts).__name__} has no order; give a list")
    return list(prompts)


def _is_message_list(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(turn, Mapping) and "role" in turn for turn in value)
    )


def _row(one: Any, rubric: Any, where: str) -> Any:
    """Give a row as the readers take it; an example stays one."""
    if isinstance(one, Example):
        return one
    if not (isinstance(one, str | Mapping) or _is_message_list(one)):
        raise DataError(f"{where}: {type(one).__name__}; give a text, messages, or a row")
    row = {"prompt": one} if isinstance(one, str) or _is_message_list(one) else dict(one)
    if not any(row.get(name) is not None for name in PROMPT_FIELDS) and "input" in row:
        row["prompt"] = row.pop("input")
    if rubric is not None:
        row = {name: value for name, value in row.items() if name not in RUBRIC_FIELDS}
        row["rubric"] = _criteria(rubric)
    elif isinstance(row.get("rubric"), list | tuple):
        row["rubric"] = _criteria(row["rubric"])
    return row


def _criteria(rubric: Any) -> list[Any]:
    where = "rubric"
    if isinstance(rubric, Path):
        from ..judges.options.files import read_yaml

        where, rubric = f"rubric {rubric}", read_yaml(rubric)
    if isinstance(rubric, str):
        rubric = [line.strip() for line in rubric.splitlines() if line.strip()]
    if isinstance(rubric, Mapping | Set) or not isinstance(rubric, Iterable):
        raise DataError(f"{where}: {type(rubric).__name__}; give a list of criteria")
    criteria = [{"criterion": c} if isinstance(c, str) else c for c in rubric]
    return [
        {**c, "points": 1} if isinstance(c, Mapping) and not _is_worth(c) else c for c in criteria
    ]


def _is_worth(criterion: Mapping[str, Any]) -> bool:
    names = ("points", "weight", "levels", "children", "sub_tasks", "annotations")
    return any(name in criterion for name in (*names, "criterion_weight"))


def _example(row: Any, number: int) -> Example:
    return row if isinstance(row, Example) else example_from_row(row, where=f"prompt {number}")


def _texts_of(
    rows: Sequence[Any], examples: Sequence[Example], answers: Any
) -> list[tuple[Any, ...]]:
    if answers is None:
        return [_own_answer(row, number) for number, row in enumerate(rows, start=1)]
    if isinstance(answers, Mapping):
        unknown = sorted(set(answers) - {e.prompt_id for e in examples})
        if unknown:
            raise DataError(f"answers: prompt_id {unknown[0]!r} is not among the prompts")
        return [_several(answers.get(e.prompt_id)) for e in examples]
    if isinstance(answers, Set) or not isinstance(answers, Iterable):
        raise DataError(f"answers: {type(answers).__name__}; give a list, one for each prompt")
    given = [answers] if isinstance(answers, str) else list(answers)
    if len(given) != len(examples):
        raise DataError(f"{len(given)} answers for {len(examples)} prompts; give one for each")
    return [_several(one) for one in given]


def _own_answer(row: Any, number: int) -> tuple[Any, ...]:
    fields = [name for name in ANSWER_FIELDS if isinstance(row, Mapping) and name in row]
    if not fields:
        raise DataError(f"prompt {number} has no answer: give answers=, or 'completion' in the row")
    return _several(row[fields[0]])


def _several(value: Any) -> tuple[Any, ...]:
    """Give the answers to one prompt: a list of texts is several, a list of messages is one."""
    if isinstance(value, list | tuple) and value and not _is_message_list(value):
        return tuple(value)
    return (value,)


def _text(value: Any, number: int) -> str | None:
    try:
        return text_of_answer(value)
    except DataError as error:
        raise DataError(f"prompt {number}: {error}") from None


def _marks(one: GradedAnswer) -> str:
    return " ".join(map(_mark, one.verdicts))


def _mark(verdict: Verdict) -> str:
    if verdict.is_na:
        return "n/a"
    if verdict.level is not None:
        return str(verdict.level)
    return {True: "\u2713", False: "\u2717", None: "?"}[verdict.met]
