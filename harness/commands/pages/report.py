"""Report one run, or the repeats of one model, in one HTML file.

PATHS are as for `rubricbeat compare` (the command for several models), or folders of `rubricbeat
train`: then the page has learning curves, with runs of several seeds combined and compared.

Examples:
  rubricbeat report results/demo -o report.html
  rubricbeat report results/demo --table summary.tex --figures figures
  rubricbeat report runs/heart-seed1 runs/heart-seed2 -o training.html
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from ....judges.errors import ConfigError, UnknownNameError, unwritable
from ....judges.files import write_file
from ....reports.comparison.models import SANITY_PREFIX
from ....reports.pages.tables import require_format
from ....reports.results.reader import read_runs
from ....reports.results.samples import without_samples
from ....reports.results.simple_evals_export import (
    export_simple_evals,
    require_met_or_not,
    stem_of,
)
from ....reports.training.runs import is_training_run
from ...flags import told_of_empty
from ...tables.score import show_ending
from ...terminal import opening, print_json, say
from .compare import add_common_arguments, compared, write_outputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_common_arguments(parser)
    parser.add_argument("--model", help="model to report, if there are several")
    parser.add_argument(
        "--simple_evals",
        type=Path,
        metavar="DIR",
        help="write each run as simple-evals would: .html (escaped), .json, _allresults.json",
    )


def run(args: argparse.Namespace) -> int:
    """Report, and write what was asked for."""
    if all(map(is_training_run, args.paths)):
        return _report_training(args)
    for path in args.table:
        require_format(path)
    left_out: list[str] = []
    runs = without_samples(read_runs(args.paths, left_out.append), args.paths, left_out.append)
    if args.model is not None:
        known = {one.model for one in runs}
        if args.model not in known:
            raise UnknownNameError.among("model", args.model, known)
        runs = [
            one for one in runs if one.model == args.model or one.model.startswith(SANITY_PREFIX)
        ]
    models = sorted({one.model for one in runs if not one.model.startswith(SANITY_PREFIX)})
    if len(models) > 1:
        raise ConfigError(
            f"the runs are of {len(models)} models: {', '.join(models)}; name one with --model, or "
            "use 'rubricbeat compare'"
        )
    if args.simple_evals:
        for one in runs:  # all of them before any is written
            require_met_or_not(one)
        stem, n = Counter(map(stem_of, runs)).most_common(1)[0]
        if n > 1:
            raise ConfigError(
                f"--simple_evals: {n} runs would be written to the same file, {stem}.html; give "
                "their folders one at a time"
            )
        for one in runs:
            for path in export_simple_evals(one, args.simple_evals):
                print(path, file=sys.stderr if args.json else sys.stdout)
        if not (args.output or args.json or args.figures or args.table):
            for note in (*left_out, *(note for one in runs for note in one.notes)):
                say(f"note: {note}")
            return told_of_empty(runs, "report")
    write_outputs(args, compared(args, runs, left_out))
    return told_of_empty(runs, "report")


def _report_training(args: argparse.Namespace) -> int:
    """Report folders that `rubricbeat train` left: learning curves instead of scores."""
    from ....reports.training.page import render_training_page, training_json, training_report

    if args.table or args.figures or args.simple_evals or args.model or args.task:
        raise ConfigError("a training run is reported as a page or as JSON: give -o FILE or --json")
    if not (args.output or args.json):
        raise ConfigError("nothing to write: give -o report.html or --json")
    report = training_report(args.paths)
    if args.output:
        page = render_training_page(report, examples=not args.no_examples)
        try:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            write_file(args.output, page)
        except OSError as error:
            raise unwritable(f"cannot write {error.filename}: {error.strerror}", error) from error
    if args.json:
        print_json(training_json(report))
    else:
        # names of runs are anybody's: no control character of theirs reaches the terminal
        show_ending(report.headline, opening(args.output))
        print(args.output)
    return 0
