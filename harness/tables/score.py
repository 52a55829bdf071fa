"""What scores leave on the screen: a table, one sentence, and the next command.

One line a model at a glance, one line a run for all of it.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...judges.errors import DataError
from ...judges.scoring.estimates import MIN_PROMPTS, estimate_of
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.run_scores import ScoredAnswers, length_penalty_of, summarise_scored
from ...reports import numbers
from ...reports.comparison.models import SANITY_PREFIX, data_names, group_models
from ...reports.comparison.stopped import shown_metrics
from ...reports.interval_words import interval_words
from ...reports.results.run import Run
from ...reports.results.samples import described, read_samples, samples_below
from ..terminal import aligned, command, shortened, terminal_width

MAX_ROWS = 5
"""Lines of a short table; --all shows every one."""
PAGE = "report.html"
"""The page that is proposed to be written."""
SMALL_BYTES = 4_000_000
"""Of result files that are read only to propose a command: about 0.1 s."""
_HEAD = ("model", "run", "task", "judge and data", "runs", "score", "95 % interval", "unclipped",
         "scored", "missing", "range if all were known", "stored")  # fmt: skip
_RIGHT = {"runs", "score", "unclipped", "scored", "missing"}


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One run, or the runs of one model taken together."""

    model: str
    label: str
    task: str
    metrics: Mapping[str, Any]
    """What `Summary.to_json()` gives."""
    stored: str = ""
    """How the stored scores compare, in a few words; empty where none are stored."""
    n_runs: int = 0
    """Runs taken together; 0 where the line is of one run."""
    kind: str = ""
    """Judge and data, where lines of one model and task differ in them; else empty."""

    @property
    def is_sanity(self) -> bool:
        """Whether no model gave the answers."""
        return self.model.startswith(SANITY_PREFIX)

    @property
    def height(self) -> float:
        """The mean before clipping, which tells scores of 0 apart; -inf without a score."""
        value = self.metrics["score_unclipped"]
        return -float("inf") if value is None else float(value)


def score_table(lines: Sequence[ScoreLine]) -> str:
    """Lay out the runs; a missing number is a dash, never 0; a column that is blank is omitted."""
    cells = [_cells(line) for line in lines]
    filled = [column for column in range(len(_HEAD)) if any(row[column] for row in cells)]
    rows = [tuple(row[column] for column in filled) for row in (_HEAD, *cells)]
    return aligned(shortened(rows), {at for at, name in enumerate(rows[0]) if name in _RIGHT})


def short_table(lines: Sequence[ScoreLine]) -> str:
    """Lay out the highest lines, those of answers that took no model last; at most `MAX_ROWS`."""
    ordered = by_height(lines)
    has_runs = any(line.n_runs > 1 for line in lines)
    has_tasks = len({line.task for line in lines}) > 1
    shown = [
        replace(
            line,
            label="",
            task=line.task if has_tasks else "",
            stored="",
            n_runs=line.n_runs if has_runs else 0,
        )
        for line in ordered[:MAX_ROWS]
    ]
    more = len(ordered) - len(shown)
    return score_table(shown) + (f"\nand {more} more (--all)" if more else "")


def by_height(lines: Sequence[ScoreLine]) -> list[ScoreLine]:
    """Sort by score, the highest first; answers that took no model come last."""
    return sorted(lines, key=lambda line: (line.is_sanity, -line.height, line.model))


def pooled(runs: Sequence[Run], scored: Sequence[Mapping[str, object]] = ()) -> list[ScoreLine]:
    """Take the runs of one model, task, judge and data together: they are repeats.

    The interval is over prompts, so that repeats of a prompt do not narrow it as new prompts would.
    A run that is there twice counts once.

    Args:
        runs: The runs.
        scored: The metrics of each, where they are known: a run alone is not scored again.
    """
    known = {id(run): metrics for run, metrics in zip(runs, scored, strict=False)}
    groups: dict[tuple[str, str, str, str], list[Run]] = {}
    same_rows = data_names(runs)
    for run in runs:
        data = same_rows.get(run.data_sha256 or "", "")
        key = (run.model, run.task, run.judge_digest or "", data)
        groups.setdefault(key, []).append(run)
    kinds = Counter((model, task) for model, task, *_ in groups)
    return [
        ScoreLine(
            model, "", task, shown_metrics(_fixed_metrics(kept, known), kept), n_runs=len(kept),
            kind=_kind(kept[0]) if kinds[model, task] > 1 else "",
        )
        for (model, task, *_), group in groups.items()
        for kept in [group_models(group)[0].runs]
    ]  # fmt: skip


def _fixed_metrics(
    runs: Sequence[Run], known: Mapping[int, Mapping[str, object]]
) -> Mapping[str, object]:
    if len(runs) == 1 and id(runs[0]) in known:
        return known[id(runs[0])]
    answers = ScoredTable.of(answer for run in runs for answer in run.graded)
    sums = ScoredAnswers.of(answers.blocks(), length_penalty_of(runs[0].task))
    return summarise_scored(sums, n_draws=0).to_json()


def _kind(run: Run) -> str:
    words = [run.judge.get("name"), run.judge.get("model"), (run.judge_digest or "")[:8]]
    words += [run.facts.data.get("path"), (run.data_sha256 or "")[:8]]
    return " ".join(str(word) for word in words if word)


def sentence(lines: Sequence[ScoreLine]) -> str:
    """Say the result in one sentence."""
    models = [line for line in lines if not line.is_sanity] or list(lines)
    tasks = {line.task for line in lines}
    if len(tasks) > 1:
        return f"{len(tasks)} tasks were scored, which are not compared with each other."
    best = by_height(models)[0]
    m = best.metrics
    if m["score"] is None:
        asked = sum(line.metrics["n_asked"] for line in models)
        return f"No score: none of the {asked:,} answers could be scored."
    enough = [line for line in models if _n_prompts(line) >= MIN_PROMPTS]
    if len(models) > 1 and (best not in enough or len(enough) < 2):
        return (
            f"{len(models)} models on task {_one_line(best.task)}: none is called the highest, "
            f"which takes two with {MIN_PROMPTS} prompts or more."
        )
    equal = sum(line.metrics["score_unclipped"] == m["score_unclipped"] for line in models)
    among = f" highest of {len(models)}" if len(models) > 1 else ""
    if equal > 1:
        among += f", with {equal - 1} equal"
    facts = f"{m['n_prompts']:,} prompt{'' if m['n_prompts'] == 1 else 's'}"
    if best.n_runs > 1:
        facts += f", {best.n_runs} runs taken together"
    return (
        f"{_one_line(best.model)} scores{among}{':' if among else ''} {numbers.score(m['score'])} "
        f"{_interval(best)} on task {_one_line(best.task)}, {facts}."
    )


def _n_prompts(line: ScoreLine) -> int:
    """Give the prompts with a score."""
    return min(int(line.metrics["n_prompts"]), int(line.metrics["n_scored"]))


def _interval(line: ScoreLine) -> str:
    m = line.metrics
    if m["score"] is None:
        return numbers.NONE
    words = interval_words(
        estimate_of(m["score"], m["interval"], _n_prompts(line), is_clipped=True)
    )
    return words if words.startswith("[") else f"({words})"


def _cells(line: ScoreLine) -> tuple[str, ...]:
    m = line.metrics
    is_clipped = m["score"] is not None and m["score"] != m["score_unclipped"]
    return (
        *map(_one_line, (line.model, line.label, line.task, line.kind)),
        str(line.n_runs or ""),
        numbers.score(m["score"]),
        _interval(line).strip("()"),
        numbers.score(m["score_unclipped"]) if is_clipped else "",
        f"{m['n_scored']} of {m['n_asked']}",
        numbers.share(m["missing_points"]) if m["n_missing_verdicts"] else "",
        numbers.interval(m["score_low"], m["score_high"]) if m["n_missing_verdicts"] else "",
        line.stored,
    )


def _one_line(text: str) -> str:
    """Show a name from a file without what could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def calls_line(facts: Mapping[str, object]) -> str:
    """Say what a judge was asked, and what it cost; from `Grader.facts`."""
    cost = facts.get("cost_usd")
    money = "cost unknown" if facts.get("model") else "cost not stated by the judge"
    if cost is not None or not facts["calls"]:
        money = f"${cost:.4f}" if cost and facts["calls"] else "$0"
    missing = f"{facts['missing']:,} without verdict" if facts["missing"] else "none missing"
    return (
        f"{facts['asked']:,} criteria asked ({missing}), {facts['store_hits']:,} from the store, "
        f"{facts['calls']:,} calls, {money}"
    )


def show_scores(
    lines: Sequence[ScoreLine], paths: Sequence[Path], runs: Sequence[Run], also: str = ""
) -> None:
    """Print what runs come to, and the command that says more.

    Args:
        lines: The runs of each model taken together.
        paths: Where the results lie; none where they were not kept.
        runs: All that is to be found there.
        also: Said beside the result.
    """
    print(short_table(lines))
    show_ending(f"{sentence(lines)} {also}".strip(), next_of(lines, paths, runs) if paths else "")


def show_ending(words: str, next_command: str) -> None:
    """Print the sentence in the width of the terminal, and the command in one line."""
    width = terminal_width()
    print(f"\n{textwrap.fill(words, width) if width else words}")
    if next_command:
        print(f"next: {next_command}")


def runs_below(folder: Path) -> list[Run]:
    """Describe the runs below a folder; what cannot be read is left.

    Their answers are read where all files are small: they tell whether data files hold one data.
    """
    files = samples_below(folder)
    are_small = sum(file.stat().st_size for file in files) < SMALL_BYTES
    return list(_described(files, read_samples if are_small else lambda file: [described(file)]))


def _described(files: Sequence[Path], read: Callable[[Path], list[Run]]) -> Iterator[Run]:
    for file in files:
        try:
            yield from read(file)
        except (DataError, OSError):  # a run that did not end, or was set aside meanwhile
            continue


def next_of(lines: Sequence[ScoreLine], paths: Sequence[Path], runs: Sequence[Run]) -> str:
    """Word the command that shows more of the highest line: `compare`, or `report` of one model.

    It is given what may be compared alone: runs of one task, one judge and the same rows.
    """
    best = by_height(lines)[0]
    of_best = [run for run in runs if (run.model, run.task) == (best.model, best.task)]
    if not of_best:
        return ""
    first = max(of_best, key=lambda run: run.facts.stamp)
    data = data_names(runs)
    same = [run for run in runs if _are_alike(run, first, data)]
    of_task = [run for run in runs if run.task == first.task]
    where = [str(path) for path in paths]
    if len(same) < len(of_task):
        where = [run.path for run in same]
    elif len(of_task) < len(runs):
        where += ["--task", first.task]
    models = {run.model for run in same}
    real = {name for name in models if not name.startswith(SANITY_PREFIX)} or models
    if len(real) > 1:
        return command(["compare", *where])
    return command(["report", *where, "-o", PAGE])


def _are_alike(run: Run, other: Run, data: Mapping[str, str]) -> bool:
    """Say whether two runs may stand in one comparison, as far as their files say."""
    facts = [(one.task, one.judge_digest, data.get(one.data_sha256 or "")) for one in (run, other)]
    return all(a == b or not (a and b) for a, b in zip(*facts, strict=True))
