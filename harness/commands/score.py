"""Recompute every metric of result files from their verdicts alone.

The runs of one model are combined; --all shows each. Stored metrics are only checked: one that
differs from what its verdicts give is named, and the exit code is 1. A run without any verdict also
exits with 1. DIRS are result folders, results_*.json or samples_*.jsonl.

Examples:
  rubricbeat score results
  rubricbeat score results --json --seed 7 --draws 20000 > scores.json
  rubricbeat score results --audit audit.json    (of the judge that graded them)
  rubricbeat score results --labels labels.jsonl (of some of these answers)
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...judges.audit.audit_rates import AuditRates, read_audit_rates
from ...judges.audit.run_correction import RunCorrection, correct_run
from ...judges.data.columns import Columns, add_columns_argument
from ...judges.errors import ConfigError
from ...judges.scoring.bootstrap import N_DRAWS
from ...judges.scoring.item_scores import ScoredTable
from ...judges.scoring.run_scores import (
    ScoredAnswers,
    length_penalty_of,
    summarise_scored,
)
from ...reports.comparison.corrections import (
    LabelSource,
    corrected_by,
    correction_lines,
    preference,
    read_label_source,
)
from ...reports.comparison.stopped import score_interval, shown_metrics, stop_words
from ...reports.results.reader import read_runs
from ...reports.results.run import Run
from ...reports.results.samples import without_samples
from ...tasks.metrics import na_metric
from ..flags import add_all, add_seed, require_seed, told_of_empty
from ..results.recheck import Mismatch, check_metrics
from ..tables.score import ScoreLine, pooled, score_table, show_scores
from ..terminal import print_json, say

MAX_DRAWS = 1_000_000
FIXED = (
    "Corrected intervals of a run that was graded until decided are for a fixed number of prompts: "
    "take them as too narrow."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("dirs", nargs="+", type=Path, metavar="DIRS", help="result folders")
    parser.add_argument(
        "--audit", type=Path, metavar="FILE", help="correct scores with this audit of the judge"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="correct scores with labels of some of these answers (a file, or one a rater), or a "
        "better judge's results on them",
    )
    add_columns_argument(parser)
    add_all(parser)
    parser.add_argument("--json", action="store_true", help="print every metric as JSON")
    add_seed(parser, "seed of bootstrap_std")
    parser.add_argument(
        "--draws", type=int, default=N_DRAWS, help=f"draws behind bootstrap_std ({N_DRAWS:,})"
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    run: Run
    metrics: dict[str, object]
    mismatches: list[Mismatch]
    by_audit: RunCorrection | None = None
    """Without the judge's error, where an audit was given."""
    by_labels: RunCorrection | None = None
    """The same, where labels of the run's own answers were given."""

    @property
    def shown(self) -> Mapping[str, object]:
        return shown_metrics(self.metrics, [self.run])


def run(args: argparse.Namespace) -> int:
    """Score every run below the folders."""
    if not 1 <= args.draws <= MAX_DRAWS:
        raise ConfigError(f"--draws {args.draws}: must be from 1 to {MAX_DRAWS:,}")
    require_seed(args.seed)
    audit = read_audit_rates(args.audit, seed=args.seed) if args.audit is not None else None
    labels = read_label_source(args.labels, Columns.read(args.columns)) if args.labels else None
    notes: list[str] = []
    runs = without_samples(read_runs(args.dirs, notes.append), args.dirs, notes.append)
    if labels is not None:
        labels = labels.on([answer for run in runs for answer in run.graded])
        say(labels.warning, "score")
    for note in (*notes, *(note for run in runs for note in run.notes)):
        say(f"note: {note}", "score")
    scored = [_score(run, args.seed, args.draws, audit, labels) for run in runs]
    if args.json:
        print_json({"runs": [_plain(s) for s in scored]})
    else:
        if args.all:
            print(score_table([_line(s) for s in scored]), end="\n\n")
        lines = pooled(runs, [s.metrics for s in scored])
        show_scores(lines, args.dirs, runs, stop_words(runs))
        for line in _corrected_lines(scored, args):
            print(line)
    wrong = [(one.run.path, claim) for one in scored for claim in one.mismatches]
    for path, claim in wrong:
        say(
            f"{path}: stored {claim.metric} is {claim.stored!r}, its verdicts give "
            f"{claim.recomputed!r}",
            "score",
        )
    return told_of_empty(runs, "score") or int(bool(wrong))


def _score(
    run: Run, seed: int, n_draws: int, audit: AuditRates | None, labels: LabelSource | None
) -> _Scored:
    claims = dict(run.stored)
    penalty = claims.get("length_penalty")
    if penalty is None:
        # lm-eval's table has no place for the penalty in force, so this one claim has no terms
        claims.pop("score_length_adjusted", None)
        penalty = length_penalty_of(run.task)
    answers = ScoredTable.of(run.graded)
    sums = ScoredAnswers.of(answers.blocks(), penalty)
    metrics = summarise_scored(sums, seed=seed, n_draws=n_draws).to_json() | na_metric(run.graded)
    digest = run.judge_digest
    by_audit = by_labels = None
    if audit is not None:
        by_audit = correct_run(run.graded, audit, judge_digest=digest, seed=seed, scored=answers)
    if labels is not None:
        by_labels = corrected_by(labels, run.graded, answers, {digest} if digest else set())
    return _Scored(run, metrics, check_metrics(claims, metrics), by_audit, by_labels)


def _plain(scored: _Scored) -> dict[str, object]:
    run, interval = scored.run, score_interval([scored.run])
    return {
        "model": run.model,
        "label": run.label,
        "task": run.task,
        "path": run.path,
        "metrics": scored.shown,
        "stored": dict(run.stored),
        "mismatches": [m.to_json() for m in scored.mismatches],
        **({} if interval is None else {"until": run.until, "anytime_interval": interval.ends}),
        **({"corrected": scored.by_audit.to_json()} if scored.by_audit else {}),
        **({"corrected_by_labels": scored.by_labels.to_json()} if scored.by_labels else {}),
    }


def _corrected_lines(scored: Sequence[_Scored], args: argparse.Namespace) -> Iterator[str]:
    """Word each corrected figure beside the raw one, or why there is none."""
    for one in scored:
        name = " ".join(filter(None, (one.run.model, one.run.label, one.run.task)))
        for paths, correction in ((args.labels, one.by_labels), ([args.audit], one.by_audit)):
            if correction is not None:
                yield ""
                yield from correction_lines(name, ", ".join(p.name for p in paths), correction)
        if words := preference(one.by_audit, one.by_labels):
            yield ""
            yield words
    if any(one.run.until and (one.by_audit or one.by_labels) for one in scored):
        yield ""
        yield FIXED


def _line(scored: _Scored) -> ScoreLine:
    run, words = scored.run, ""
    if run.stored.keys() & scored.metrics.keys():
        words = f"{len(scored.mismatches)} differ" if scored.mismatches else "agrees"
    return ScoreLine(run.model, run.label, run.task, scored.shown, words)
