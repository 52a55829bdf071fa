"""Write a page on which people label answers: one HTML file, blind, by keyboard, offline.

RESULTS are what `rubricbeat variance` takes: result folders, a verdict store, or recorded verdicts
with --data. The page shows conversation, answer and criterion in a random order, and neither a
verdict nor the name of a system. It exports JSON Lines that `score --labels`, `compare --labels`,
`audit --labels` and `fit-judge --labels` read.
--agreement reads the exports of several people instead, and prints how far they agree; -o then
writes them as one file of labels.

Examples:
  rubricbeat label results -o label.html
  rubricbeat label results -o label.html --n 200 --unit criteria --raters anna ben
  rubricbeat score results --labels labels-anna.jsonl
  rubricbeat label --agreement labels-anna.jsonl labels-ben.jsonl -o labels.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...judges.answer import GradedAnswer
from ...judges.audit.correction import MIN_LABELLED_PROMPTS
from ...judges.audit.label_rows import read_raters
from ...judges.budget.next_label import Drawn, DrawRule, draw_labels, pooled
from ...judges.budget.rater_agreement import rater_agreement
from ...judges.budget.two_judges import Unit
from ...judges.data.columns import Columns
from ...judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ...judges.data.reader import source_hash
from ...judges.errors import ConfigError
from ...judges.files import write_file
from ...judges.scoring.item_scores import ScoredTable
from ...reports.comparison.corrections import LabelSource, corrected_by, read_label_source
from ...reports.pages.label_page import LabelQuestion, label_page
from ..flags import add_output, add_seed, require_output, require_seed
from ..inputs import SignalInput, read_signal_input
from ..tables.raters import raters_text
from ..terminal import print_json, say

N_UNITS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="RESULTS")
    add_output(parser, "the HTML file to write; with --agreement, all labels as one file")
    parser.add_argument(
        "--agreement",
        nargs="+",
        type=Path,
        default=[],
        metavar="LABELS",
        help="labelled rows of several people: print how far they agree",
    )
    parser.add_argument("--json", action="store_true", help="print the agreement as JSON")
    parser.add_argument("--data", type=Path, metavar="ROWS", help="the rows of recorded verdicts")
    add_rows_arguments(parser)
    parser.add_argument(
        "--n",
        type=int,
        default=N_UNITS,
        metavar="N",
        help=f"how many answers, or criteria, to label ({N_UNITS})",
    )
    parser.add_argument(
        "--unit",
        choices=[unit.value for unit in Unit],
        default=Unit.ANSWERS.value,
        help="answers, with all of their criteria (default), or single criteria",
    )
    parser.add_argument(
        "--next",
        choices=[rule.value for rule in DrawRule],
        default=DrawRule.SCORE.value,
        help="prefer what narrows the corrected score most (default), or what judges are unsure "
        "of or disagree on; or draw at random",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="labels of some of these answers: estimate how far more labels would narrow the score",
    )
    parser.add_argument(
        "--raters",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names to choose from on the page (default: everyone enters a name)",
    )
    add_seed(parser, "random seed")


def run(args: argparse.Namespace) -> int:
    """Write the page; or print how far raters agree."""
    if args.agreement:
        return _agreement(args)
    if not args.paths or args.output is None:
        raise ConfigError("name RESULTS and -o FILE.html; or --agreement LABELS LABELS")
    if args.json:
        raise ConfigError("--json is for --agreement")
    if args.n < 1:
        raise ConfigError(f"--n {args.n}: at least 1")
    require_seed(args.seed)
    raters = _raters(args.raters)
    found = read_signal_input(args.paths, args.data, columns_of(args, rows=args.data))
    for words in found.warnings:
        say(f"note: {words}", "label")
    labels = None
    if args.labels is not None:
        labels = read_label_source(args.labels, Columns.read(args.columns))
        labels = labels.on([a.graded for a in found.answers])
        say(labels.warning, "label")
    answers = pooled(answer.graded for answer in found.answers)
    if not answers:
        raise ConfigError("no answer to label in these results: all of them are absent")
    require_output(args)
    drawn = draw_labels(answers, args.n, Unit(args.unit), DrawRule(args.next), args.seed)
    if not drawn:
        raise ConfigError(f"--n {args.n}: nothing was drawn; take more, or another --seed")
    questions = [
        LabelQuestion(d.answer.example, d.answer.text, d.criterion, d.probability) for d in drawn
    ]
    write_file(args.output, label_page(questions, raters, Unit(args.unit)))
    n_answers = len({id(draw.answer) for draw in drawn})
    print(f"{args.output}: {len(drawn):,} criteria of {n_answers:,} of {len(answers):,} answers")
    _warn_of_few(drawn, found)
    for line in _needed(labels, found) if labels is not None else ():
        print(line)
    print("Open it in a browser; its export goes to `score`, `compare` or `audit` with --labels.")
    return 0


def _systems(found: SignalInput) -> dict[tuple[str, str], list[GradedAnswer]]:
    """Give the answers of each system by each judge, by the name of both."""
    systems: dict[tuple[str, str], list[GradedAnswer]] = {}
    for answer in found.answers:
        name = " ".join(filter(None, (answer.labels.get(by) for by in ("model", "system", "task"))))
        key = (name or "all answers", answer.labels.get("judge", ""))
        systems.setdefault(key, []).append(answer.graded)
    return systems


def _warn_of_few(drawn: Sequence[Drawn], found: SignalInput) -> None:
    """Say which systems get too few labels for a corrected score, before anybody labels."""
    ours = {id(graded): d.answer.example.prompt_id for d in drawn for graded in d.answer.graded}
    prompts: dict[str, set[str]] = {}
    for (name, _), answers in _systems(found).items():
        drawn_ids = (ours[id(graded)] for graded in answers if id(graded) in ours)
        prompts.setdefault(name, set()).update(drawn_ids)
    for name, ids in prompts.items():
        if len(ids) < MIN_LABELLED_PROMPTS:
            say(
                f"note: {name}: labels on {len(ids)} prompts; a corrected score takes "
                f"{MIN_LABELLED_PROMPTS}. Raise --n for it",
                "label",
            )


def _needed(source: LabelSource, found: SignalInput) -> Iterator[str]:
    """Say for each system how many labels its score takes."""
    for (name, judge), graded in _systems(found).items():
        score = corrected_by(source, graded, ScoredTable.of(graded), {judge} - {""}).score
        why = score.refused or "every answer is labelled"
        yield f"{name}: " + (score.widths.words() if score.widths else f"not known: {why}")


def _agreement(args: argparse.Namespace) -> int:
    if args.paths:
        raise ConfigError(
            f"--agreement reads labels, and {args.paths[0]} stands before it; leave RESULTS out"
        )
    require_output(args)
    by_hash: dict[str, Path] = {}
    for path in args.agreement:
        first = by_hash.setdefault(source_hash(path), path)
        if first is not path:
            raise ConfigError(
                f"--agreement {first} {path}: the same labels twice; give a file of each person"
            )
    rows, labelled, notes = read_raters(args.agreement, Columns.read(args.columns))
    for words in notes:
        say(f"note: {words}", "label")
    found = rater_agreement(labelled)
    if args.output is not None:
        lines = (json.dumps(row, ensure_ascii=True) for row in rows)
        write_file(args.output, "".join(f"{line}\n" for line in lines))
    if args.json:
        print_json(found.to_json())
    else:
        print(raters_text(found))
    return 0


def _raters(names: list[str]) -> list[str]:
    raters = [name.strip() for name in names]
    if "" in raters or len(set(raters)) < len(raters):
        raise ConfigError(f"--raters {' '.join(names)}: a name is empty or stands twice")
    return raters
