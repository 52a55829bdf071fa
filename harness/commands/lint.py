"""Check rubrics before spending anything.

Checks the text and the points of every criterion: compound and duplicate criteria, wording that
contradicts the sign, a single negative criterion that outweighs the rest. With --results it also
checks verdicts you already have: criteria that no answer meets, or that all answers meet.

Examples:
  rubricbeat lint rows.jsonl
  rubricbeat lint rows.jsonl --results results/ --json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ...judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ..lint.findings import ADVICE, LintFinding, LintReport
from ..terminal import print_json, say

MAX_SHOWN = 5
"""Findings of one rule shown on the terminal; --all and --json give every one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "rows", type=Path, metavar="ROWS", help="examples with rubrics (docs/data.md)"
    )
    parser.add_argument(
        "--results",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="verdicts on these rubrics: result folders, recorded verdicts or a store",
    )
    add_rows_arguments(parser)
    parser.add_argument("--all", action="store_true", help="show every finding")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--strict", action="store_true", help="exit with 1 on any finding")


def run(args: argparse.Namespace) -> int:
    """Lint, and print."""
    from ...judges.data.examples import read_examples
    from ..inputs import read_signal_input
    from ..lint.rubrics import lint_rubrics

    columns = columns_of(args)
    data = read_examples(args.rows, columns=columns)
    warnings = [data.warning()]
    graded = []
    if args.results:
        found = read_signal_input(args.results, args.rows, columns)
        graded = [row.graded for row in found.answers]
        warnings += [warning for warning in found.warnings if warning not in warnings]
    for warning in warnings:
        say(warning, "lint")
    report = lint_rubrics(data.examples, graded)
    if args.json:
        print_json({**report.to_json(), "n_skipped": len(data.skipped)})
    else:
        rubrics = {one.prompt_id: repr(one.rubric) for one in data.examples}
        print(_text(report, None if args.all else MAX_SHOWN, rubrics))
    return int(args.strict and bool(report.findings or report.polarity))


def _text(report: LintReport, most: int | None, rubrics: Mapping[str, str]) -> str:
    """Lay out the report; a finding on a rubric that several rows share is shown once."""
    lines = [
        f"{report.n_rubrics} rubrics, {report.n_criteria} criteria (median "
        f"{report.criteria_median:g} per rubric)",
        f"negative: {report.negative_share:.1%} of the criteria, "
        f"{report.negative_points_share:.1%} of the points; {report.without_negative:.1%} of the "
        "rubrics have none",
    ]
    if report.polarity:
        lines.append(report.polarity)
    elif not report.findings:
        lines.append("no findings")
    for rule, n in report.counts.items():
        shared: dict[object, list[LintFinding]] = {}
        for one in (finding for finding in report.findings if finding.rule is rule):
            rubric = rubrics.get(one.prompt_id, one.prompt_id)
            shared.setdefault((rubric, one.criteria, one.detail), []).append(one)
        rows = f" in {n} rows" if len(shared) < n else ""
        lines += ["", f"{rule}: {len(shared)}{rows} - {ADVICE[rule]}"]
        lines += [f"  {_place(same[0], len(same))}" for same in list(shared.values())[:most]]
        if most is not None and len(shared) > most:
            lines.append(f"  ... and {len(shared) - most} more (--all shows them)")
    return "\n".join(lines)


def _place(finding: LintFinding, n_rows: int) -> str:
    numbers = ", ".join(str(i + 1) for i in finding.criteria)
    text = finding.prompt_id if n_rows == 1 else f"{n_rows} rows from {finding.prompt_id} on"
    text += f", criterion {numbers}" if numbers else ""
    return text + (f": {finding.detail}" if finding.detail else "")
