"""Compare models on the same examples, in one HTML file.

PATHS are result folders (searched recursively), samples_*.jsonl, results_*.json, import folders, or
logs of simple-evals, inspect, evalscope, promptfoo or verifiers (docs/data.md). Runs of one model
name are repeats of each other. Every score is recomputed from the verdicts.

Examples:
  rubricbeat compare results -o report.html
  rubricbeat compare results --baseline base-model --fail_if_worse 0.02 -o report.html
  rubricbeat compare results --until 0.95 --rope 0.01
"""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....judges.budget.stopping import LEVEL
from ....judges.data.columns import Columns, add_columns_argument
from ....judges.data.streams import names_apart
from ....judges.errors import ConfigError, unwritable
from ....judges.files import write_file
from ....judges.scoring.estimates import MIN_PROMPTS
from ....reports.comparison.comparison import Comparison, compare_runs
from ....reports.comparison.corrections import pair_lines, read_label_source
from ....reports.comparison.judges import read_audits
from ....reports.comparison.paired import MAX_PAIRED, PairedDifference
from ....reports.pages.comparison_page import comparison_json, render_page
from ....reports.pages.tables import render_table, require_format, tables_of
from ....reports.results.reader import read_runs
from ....reports.results.run import Run
from ....reports.results.samples import without_samples
from ...flags import add_all, add_output, add_seed, told_of_empty
from ...tables.score import PAGE, ScoreLine, score_table, short_table, show_ending
from ...terminal import aligned, command, opening, print_json, say
from ...until import add_rule_arguments, stop_rule_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_common_arguments(parser)
    parser.add_argument(
        "--baseline", metavar="NAME", help="the model every other one is compared with"
    )
    parser.add_argument(
        "--all_pairs",
        action="store_true",
        help=f"compare all pairs even of more than {MAX_PAIRED} models, not each with the best",
    )
    parser.add_argument(
        "--fail_if_worse",
        type=_share,
        metavar="X",
        help="exit 1 if a model is X or more below the baseline and the whole paired interval "
        "is below 0",
    )
    parser.add_argument(
        "--until",
        nargs="?",
        const=LEVEL,
        type=float,
        metavar="LEVEL",
        help="for results that are looked at while they grow: intervals that hold after every "
        f"prompt, and after which prompt a difference is decided (default level {LEVEL})",
    )
    add_rule_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that `compare` and `report` share."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATHS")
    add_output(parser, "the HTML file to write")
    parser.add_argument("--task", help="task to report, if there are several")
    add_seed(parser, "seed of bootstrap_std")
    parser.add_argument(
        "--draws",
        type=_draws,
        default=10_000,
        metavar="N",
        help="draws behind bootstrap_std, HealthBench's own error (10000)",
    )
    parser.add_argument("--no_examples", action="store_true", help="omit the texts from the page")
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="write the figures as SVG and PNG"
    )
    parser.add_argument(
        "--table",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write the summary and pairs as .tex, .md or .csv; may be given several times",
    )
    parser.add_argument(
        "--audit",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="an audit of the judge ('rubricbeat audit --output FILE'), shown on the page",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="PATH",
        help="labels of some of these answers (a file, or one a rater), or a better judge's "
        "results on them, to correct figures with (docs/trust.md); again for another source",
    )
    parser.add_argument(
        "--signal",
        action="store_true",
        help="add a study of the rewards for GRPO training, by groups of answers to one prompt "
        "('rubricbeat variance' has all of it)",
    )
    parser.add_argument(
        "--allow_different",
        action="store_true",
        help="compare in spite of different data, judges or rubrics; the page says so in red",
    )
    add_columns_argument(parser)
    add_all(parser)
    parser.add_argument("--json", action="store_true", help="print every number as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare, write what was asked for, and judge the gate."""
    if args.fail_if_worse is not None and args.baseline is None:
        raise ConfigError("--fail_if_worse needs --baseline NAME: worse than which model?")
    for path in args.table:
        require_format(path)
    rule = stop_rule_of(args.until, None, args.rope, args.sequence, "--until")
    left_out: list[str] = []
    runs = without_samples(read_runs(args.paths, left_out.append), args.paths, left_out.append)
    comparison = compared(
        args,
        runs,
        left_out,
        baseline=args.baseline,
        all_pairs=args.all_pairs,
        until=rule,
    )
    write_outputs(args, comparison)
    is_empty = told_of_empty(runs, "compare")
    if args.fail_if_worse is None:
        return is_empty
    return _gate(comparison, args.fail_if_worse) or is_empty


def compared(
    args: argparse.Namespace, runs: Sequence[Run], notes: Sequence[str], **more: Any
) -> Comparison:
    """Compare runs by the flags of `add_common_arguments`; say what of --labels is excluded."""
    graded = [answer for run in runs for answer in run.graded] if args.labels else []
    columns = Columns.read(args.columns)
    every = [path for paths in args.labels for path in paths]
    places = dict(zip(every, names_apart(every), strict=True))
    labels = [read_label_source(paths, columns).on(graded) for paths in args.labels]
    n_of_name = Counter(source.name for source in labels)
    for at, paths in enumerate(args.labels):
        if n_of_name[labels[at].name] > 1:  # of files of one name in two folders
            labels[at] = replace(labels[at], name=", ".join(places[path] for path in paths))
    for source in labels:
        say(source.warning)
    return compare_runs(
        runs,
        notes=notes,
        task=args.task,
        audits=read_audits(args.audit),
        labels=labels,
        with_signal=args.signal,
        seed=args.seed,
        n_draws=args.draws,
        allow_different=args.allow_different,
        **more,
    )


def write_outputs(args: argparse.Namespace, comparison: Comparison) -> None:
    """Write the page, figures and tables; the result on stdout is their path, or the JSON."""
    for problem in comparison.problems:
        say(f"not comparable: {problem}")
    for note in comparison.notes:
        say(f"note: {note}")
    try:
        written = _written(args, comparison)
    except OSError as error:
        raise unwritable(f"cannot write {error.filename}: {error.strerror}", error) from error
    if args.json:
        print_json(comparison_json(comparison))
        return
    lines = [
        ScoreLine(one.name, "", comparison.task, one.metrics, n_runs=one.n_runs)
        for one in (*comparison.results, *comparison.sanity)
    ]
    print(score_table(lines) if args.all else short_table(lines))
    if comparison.corrected_pairs:
        print("\nWithout the judge's error:")
        print(*(f"  {line}" for line in pair_lines(comparison.corrected_pairs)), sep="\n")
    if args.all:
        for head, rows in tables_of(comparison)[1:]:
            print(f"\n{aligned([head, *rows])}")
        print(f"\n{comparison.headline.detail}")
    # the page where none was written, and to open it where it was
    following = opening(args.output) if args.output else command(args.words, "-o", PAGE)
    show_ending(comparison.headline.text, following)
    for path in written:
        print(path)


def _written(args: argparse.Namespace, comparison: Comparison) -> list[Path]:
    written: list[Path] = []
    if args.output:
        words = shlex.join(["rubricbeat", *args.words])
        page = render_page(comparison, command=words, examples=not args.no_examples)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_file(args.output, page)
        written.append(args.output)
    for path in args.table:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, render_table(comparison, path))
        written.append(path)
    if args.figures:
        from ....reports.pages.figures import write_figures

        written += write_figures(comparison, args.figures)
    return written


def _gate(comparison: Comparison, margin: float) -> int:
    """Give 1 where a model is shown to be worse than the baseline by the margin or more."""
    status = 0
    for pair in comparison.pairs:
        found = pair.difference
        this, other = pair.this, pair.other
        if found.mean is None or found.n < MIN_PROMPTS:
            say(
                f"{this}: {found.n} prompts shared with {other}; the gate needs at least "
                f"{MIN_PROMPTS}, so it fails"
            )
            status = 1
        elif found.mean <= -margin and _is_below(found):
            lower = f"{-found.mean:.4f} ({_ends(found)}, {found.n} prompts)"
            say(f"{this} is worse than {other} by {lower}")
            status = 1
    return status


def _is_below(found: PairedDifference) -> bool:
    """Say whether a difference is shown to be negative: without a spread, its sign says so."""
    return (found.mean or 0.0) < 0 if found.interval.high is None else found.interval.high < 0


def _ends(found: PairedDifference) -> str:
    if found.interval.low is None:
        return "the same on every prompt"
    return f"95 % interval {found.interval.low:.4f} to {found.interval.high:.4f}"


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _draws(text: str) -> int:
    value = int(text)
    if value < 100:
        raise argparse.ArgumentTypeError(
            "fewer than 100 draws are too few for a standard deviation"
        )
    return value
