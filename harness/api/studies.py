"""From Python: study rewards on gradings, audit a judge, and a reward for TRL.

rb.study(a, b).to_pandas()                  # which reward has a learning signal
rb.audit("gpt-4.1", "labels.jsonl").to_pandas()
GRPOTrainer(model, rb.reward("gpt-4.1", rubric=["Says 4"]), train_dataset=prompts)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...judges.data.columns import LABELLED_ROW_FIELDS, Columns
from ...judges.data.json_rows import NumberedRow
from ...judges.errors import ConfigError, DataError
from ...judges.rubric import Criterion
from ...judges.scoring.estimates import Estimate
from ...judges.scoring.missing_reasons import MissingVerdicts
from ...judges.signal import TaggedAnswer
from ...judges.verdict import Verdict
from ..audit_run import Audited, audit_graded, audit_options, require_label, usd_per_correct
from ..inputs import DEFAULT_LABELS, SignalInput, on_new_prompts, read_signal_input
from ..labels import with_gold
from .asked import judge_asked, with_options
from .given import examples_of, file_named, records_of, rubric_of
from .grading import Grading
from .words import in_python, saying_it_in_python

if TYPE_CHECKING:
    import pandas as pd

    from ...judges.audit.labels import LabelledAnswer
    from ...judges.signal.study import SignalStudy
    from ..training.reward.reward import RubricReward


@dataclass(frozen=True, repr=False)
class Study:
    """A study of rewards on graded answers: `rubricbeat variance` from Python."""

    signal: SignalStudy
    """Every table; `signal.words` is the verdict in sentences."""
    warnings: tuple[str, ...] = ()
    """What was excluded from the study, and why."""

    def to_pandas(self) -> pd.DataFrame:
        """Give a row for each reward; `dead` is the share of groups whose rewards are all equal."""
        import pandas as pd

        dead = {one.reward: one.dead.value for one in self.signal.dead}
        return pd.DataFrame([
            {
                "reward": one.reward,
                "answers": one.n,
                "without_reward": one.n_none,
                **_interval("mean", one.mean),
                "sd": one.sd,
                "sd_within_groups": one.spread,
                "dead": dead.get(one.reward),
            }
            for one in self.signal.rewards
        ])  # fmt: skip

    def report(self, path: str | Path) -> Path:
        """Write the page with every table and figure."""
        from ...judges.files import require_file, write_file
        from ...reports.pages.signal_page import signal_page

        require_file(Path(path), "report")
        write_file(Path(path), signal_page(self.signal))
        return Path(path)

    def __str__(self) -> str:
        """Give the tables of the command."""
        from ..tables.signal import study_text

        return in_python("\n\n".join([*self.warnings, study_text(self.signal)]))

    def __repr__(self) -> str:
        """Say it in a line."""
        found = self.signal
        return f"<Study of {found.n_answers:,} answers in {found.n_groups:,} groups: print() it>"

    def _repr_html_(self) -> str:
        said = [*self.warnings, *(sentence.text for sentence in self.signal.words)]
        items = "".join(f"<li>{escape(in_python(text))}</li>" for text in said)
        return f"<ul>{items}</ul>{self.to_pandas().to_html(index=False)}"


@dataclass(frozen=True, repr=False)
class JudgeAudit:
    """How far a judge agrees with labels: `rubricbeat audit` from Python."""

    found: Audited
    """Everything measured; `found.audit` has the figures by name."""

    def to_pandas(self) -> pd.DataFrame:
        """Give a row for each figure of the judge and of the baselines that see no answer."""
        import pandas as pd

        audit = self.found.audit
        return pd.DataFrame([
            {"judge": name, "figure": figure, **_interval("value", estimate)}
            for name, one in {"judge": audit.judge, **audit.baselines}.items()
            for figure, estimate in one.figures.items()
        ])  # fmt: skip

    def __str__(self) -> str:
        """Give the tables of the command."""
        from ..tables.audit import audit_text

        return in_python(audit_text(self.found), "audit")

    def __repr__(self) -> str:
        """Say it in a line."""
        judge = self.found.audit.judge
        f1 = judge.figures["balanced_f1"].value
        told = "not defined" if f1 is None else f"{f1:.3f}"
        return f"<JudgeAudit on {judge.n_questions:,} labels: balanced F1 {told}; print() it>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


@saying_it_in_python()
def study(
    *graded: Grading | str | Path,
    rewards: str | Sequence[str] | None = None,
    data: str | Path | None = None,
    gold: object = None,
    group_by: Sequence[str] | None = None,
    min_group: int = 2,
    seed: int = 0,
) -> Study:
    """Study which reward of graded answers has a learning signal, before any training.

    Args:
        graded: Gradings; or paths of result folders, stores or recorded verdicts.
        rewards: Names, with options where wanted: `hybrid(bonus=0)`; None for ours.
        data: Rows with the rubrics, for recorded verdicts.
        gold: A better judge's verdicts, or labels, on some of these answers: a Grading, a path, or
            a list of them.
        group_by: Labels beside the prompt that tell groups apart; None: model, task and judge.
        min_group: Groups with fewer answers to one prompt are excluded.
        seed: Of what is drawn.

    Raises:
        ConfigError: No prompt has several answers, or no reward can be computed.
        DataError: A path holds no verdicts.
    """
    from ...judges.rewards import parse_rewards
    from ...judges.signal import DEFAULT_REWARDS, group_answers, study_signal

    asked = parse_rewards(_listed(rewards) if rewards is not None else DEFAULT_REWARDS)
    rows = None if data is None else Path(data)
    found = _tagged(graded, rows)
    if gold is not None:
        found = _with_gold(found, gold, rows)
    carried = {name for answer in found.answers for name in answer.labels}
    by = [name for name in DEFAULT_LABELS if name in carried] if group_by is None else group_by
    try:
        groups = group_answers(found.answers, by, min_answers=min_group)
    except ConfigError as error:
        raise type(error)(in_python("; ".join([*found.warnings, str(error)]))) from None
    return Study(study_signal(groups, asked, seed=seed), found.warnings)


@saying_it_in_python()
def audit(
    judge: object,
    labels: object,
    *,
    columns: str | Mapping[str, str] | None = None,
    seed: int = 0,
    **options: object,
) -> JudgeAudit:
    """Measure how far a judge agrees with labels.

    Args:
        judge: As `grade` takes it; or a Grading, whose verdicts are audited without a call.
        labels: Rows of prompt, answer, criterion and label (docs/data.md): a list, a DataFrame, a
            data set or the path of a file; or a Grading by a better judge. For a Grading also a
            list of labels for each of its answers, in the order of the criteria, None for none.
        columns: Other names of the fields of labelled rows.
        seed: Of what is drawn.
        **options: Of the judge and of the run.

    Raises:
        ConfigError: The judge cannot work.
        DataError: A label cannot be read, or none is of the answers of the grading.
    """
    if isinstance(judge, Grading):
        if options:
            raise ConfigError(f"{', '.join(sorted(options))}: the answers are graded already")
        return JudgeAudit(_of_grading(judge, labels, columns))
    asked: Any = with_options(judge_asked(judge), options)  # a made judge: no --since, no --reorder
    return JudgeAudit(audit_options(_labelled(labels, columns), asked, {}, seed=seed))


@saying_it_in_python()
def reward(
    judge: object,
    reward: str = "hybrid",
    *,
    rubric: object = None,
    data: object = None,
    alternatives: Sequence[str] = (),
    max_unscored_frac: float = 0.2,
    seed: int = 0,
    **options: object,
) -> RubricReward:
    """Make a reward function for TRL's trainers; it can also be awaited directly.

    Args:
        judge: As `grade` takes it.
        reward: The reward that trains, such as `healthbench` or `hybrid(bonus=0)`.
        rubric: For all prompts, as `grade` takes it. None where the columns of the data set hold
            each row's own, or where `data` does.
        data: Rows with rubrics, found by the data set's column `prompt_id`.
        alternatives: Rewards of the same verdicts that are logged beside it.
        max_unscored_frac: More than this share of a batch without a reward stops the training.
        seed: Of the judge.
        **options: Of the judge and of the run: `base_url`, `max_concurrency`, `max_cost`.

    Raises:
        ConfigError: The reward or the judge is unknown.
        DataError: The rubric or a row cannot be read.
    """
    from ..training.reward.reward import RubricReward

    return RubricReward(
        with_options(judge_asked(judge), options),
        reward,
        rubric=None if rubric is None else rubric_of(rubric),
        examples=() if data is None else examples_of(data),
        alternatives=_listed(alternatives),
        max_unscored_frac=max_unscored_frac,
        seed=seed,
    )


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _interval(name: str, found: Estimate) -> dict[str, float | None]:
    return {name: found.value, "low": found.low, "high": found.high}


def _tagged(graded: Sequence[Grading | str | Path], data: Path | None) -> SignalInput:
    """Give the answers of gradings and of paths, and what was excluded."""
    answers: list[TaggedAnswer] = []
    paths: list[Path] = []
    warnings: list[str] = []
    seen: list[Grading] = []
    for one in graded:
        if isinstance(one, str | Path):
            paths.append(Path(one))
        elif not isinstance(one, Grading):
            raise ConfigError(f"study: {type(one).__name__}; give gradings or paths of results")
        elif any(one is each or one.run == each.run for each in seen):
            warnings.append(f"grading {one.model!r} is given twice; its answers count once")
        else:
            seen.append(one)
            labels = {"model": one.model, "judge": str(one.judge.get("digest") or "")}
            answers += [TaggedAnswer(each, labels) for each in one.graded]
    if not graded:
        raise ConfigError("study: give gradings or paths of results")
    if paths:
        found = on_new_prompts(read_signal_input(paths, data), allow_seen=True)
        answers += found.answers
        warnings += found.warnings
    return SignalInput(tuple(answers), (), tuple(warnings))


def _with_gold(found: SignalInput, gold: object, data: Path | None) -> SignalInput:
    """Put gold beside the verdicts of the same answers."""
    each = list(gold) if isinstance(gold, list | tuple) else [gold]
    odd = next((one for one in each if not isinstance(one, Grading | str | Path)), None)
    if odd is not None:
        raise ConfigError(f"gold: {type(odd).__name__}; give a grading, or a path")
    gradings = [one for one in each if isinstance(one, Grading)]
    judges = {answer.labels.get("judge") for answer in found.answers}
    if any(one.judge.get("digest") in judges for one in gradings):
        raise ConfigError("gold: these are verdicts of the judge under study; give a better one's")
    paths = [Path(one) for one in each if isinstance(one, str | Path)]
    labelled = [one for grading in gradings for one in _labelled(grading, None)]
    return with_gold(found, paths, data, given=labelled)


def _of_grading(
    graded: Grading, labels: object, columns: str | Mapping[str, str] | None
) -> Audited:
    from ...judges.audit.label_correction import match_labels
    from ...judges.audit.label_rows import labels_of_verdicts

    if isinstance(labels, list | tuple) and any(isinstance(one, list | tuple) for one in labels):
        labelled = _in_order(graded, labels)
    else:
        matched = match_labels(graded.graded, _labelled(labels, columns))
        if not matched.n_matched:
            raise DataError(
                f"labels: none of the {matched.n_rows:,} labelled answers is one of this grading "
                "(the same prompt, the same text, the same criterion)"
            )
        labelled = labels_of_verdicts(matched.truth)
    require_label(labelled)
    judge = {**graded.judge, **dict(graded.judge.get("identity") or {})}
    found = audit_graded(labelled, graded.graded, judge=judge)
    return Audited(
        judge=judge,
        audit=found,
        usd_per_correct=usd_per_correct(graded.judge, found.judge, found.levels),
        variants=(),
        injections=(),
        stopped=None,
        missing=MissingVerdicts.of(graded.graded),
    )


def _labelled(labels: object, columns: str | Mapping[str, str] | None) -> list[LabelledAnswer]:
    """Read labels, or take the verdicts of a better judge for them."""
    from ...judges.audit.label_rows import labelled_rows, labels_of_verdicts, read_labels

    if isinstance(labels, Grading):
        return labels_of_verdicts(labels.graded)
    names = Columns.read(columns)
    path = file_named(labels)
    if path is not None:
        return list(read_labels(path, strict=True, columns=names).answers)
    rows = records_of(labels, "labels")
    if rows is None and isinstance(labels, Iterable):
        rows = list(labels)
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise DataError(
            "labels: give rows of prompt, answer, criterion and label (a list, a DataFrame, a "
            "file), or a Grading"
        )
    numbered = [NumberedRow(number, row) for number, row in enumerate(rows, start=1)]
    if names is not None:
        numbered = list(names.of(LABELLED_ROW_FIELDS).renamed(numbered, "labels"))
    return labelled_rows(numbered, "labels", strict=True)[0]


def _in_order(graded: Grading, labels: Sequence[Sequence[object] | None]) -> list[LabelledAnswer]:
    """Give labels that are written as `Grading.verdicts` is."""
    from ...judges.audit.labels import Label, LabelledAnswer

    if len(labels) != len(graded.graded):
        raise DataError(f"labels: {len(labels)} lists for {len(graded.graded)} answers")
    found = []
    for number, (one, said) in enumerate(zip(graded.graded, labels, strict=True), start=1):
        said = [None] * len(one.verdicts) if said is None else list(said)
        if len(said) != len(one.verdicts):
            raise DataError(
                f"labels of answer {number}: {len(said)} for {len(one.verdicts)} criteria"
            )
        rows = tuple(
            () if each is None else (Label.of(_verdict(each, criterion, number)),)
            for each, criterion in zip(said, one.example.rubric.criteria, strict=True)
        )
        found.append(LabelledAnswer(one.example, one.answer, rows))
    return found


def _verdict(said: object, criterion: Criterion, number: int) -> Verdict:
    if not criterion.levels and said in (0, 1):
        said = bool(said)
    try:
        if isinstance(said, int) and not isinstance(said, bool):
            return Verdict.at_level(said)
        return Verdict.of(said)
    except ConfigError:
        raise DataError(
            f"labels of answer {number}: {said!r:.40} is neither true, false, a level nor None"
        ) from None
