"""Find the cheapest cascade of judges for an agreement, from recorded verdicts; no calls.

RESULTS hold the verdicts of two judges or more on the same answers: result folders, a verdict
store, recorded verdicts (with --data). The most expensive judge is the reference, unless --labels
names labels; a cascade asks it only where cheaper judges are unsure. Cascades are selected on one
half of the prompts and measured on the other. The output ends with the --judge line to use.

Examples:
  rubricbeat align cascade results/cheap results/expensive --agreement 0.98
  rubricbeat align cascade results/cheap results/expensive --budget 40 -o cascade.json
  rubricbeat align cascade results/mine judged.jsonl.gz --data rows.jsonl.gz --usd gpt-4.1=4.2
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ....judges.audit.label_rows import read_label_files
from ....judges.audit.labels import UNEQUAL, are_unequal
from ....judges.data.columns import Columns, add_columns_argument
from ....judges.errors import ConfigError
from ...flags import add_output, add_seed, put_out, require_output, require_seed
from ...inputs import on_new_prompts, read_signal_input
from ...labels import add_allow_seen
from ...terminal import say

HELP = "which cheap judge to ask first, and when to ask the expensive one; no calls"
AGREEMENT = 0.98
_say = partial(say, command="align cascade")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="verdicts")
    parser.add_argument("--data", type=Path, metavar="ROWS", help="the rows of recorded verdicts")
    add_columns_argument(parser)
    parser.add_argument(
        "--labels", type=Path, nargs="+", metavar="FILE", help="measure agreement with these labels"
    )
    parser.add_argument(
        "--expensive", metavar="NAME", help="the judge to ask less (default: by price)"
    )
    parser.add_argument(
        "--usd",
        action="append",
        default=[],
        metavar="NAME=USD",
        help="price of 1,000 verdicts of a judge; may be given several times",
    )
    parser.add_argument(
        "--agreement",
        type=float,
        metavar="SHARE",
        help=f"share of the expensive judge's own agreement to keep ({AGREEMENT})",
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="USD",
        help="maximum cost of judging all criteria of RESULTS once (not per 1,000 verdicts), "
        "instead of --agreement",
    )
    add_allow_seen(parser)
    add_seed(parser, "random seed")
    add_output(parser, "write the result as JSON")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Replay, pick, measure, print."""
    require_seed(args.seed)
    agreement, budget, usd = _goal(args.agreement, args.budget), args.budget, _prices(args.usd)
    from ...align.cascade import set_cascade
    from ...align.members import dear_of, labels_by_question, questions_of, replay_of, spoken_of
    from ...tables.cascade import cascade_text

    found = read_signal_input(args.results, args.data, Columns.read(args.columns, is_shared=True))
    found = on_new_prompts(found, allow_seen=args.allow_seen)
    for words in found.warnings:
        _say(words)
    spoken = spoken_of(found, usd)
    if len(spoken) < 2:
        raise ConfigError(
            f"{', '.join(map(str, args.results))}: verdicts of one judge "
            f"({', '.join(one.name for one in spoken)}); a cascade takes two or more, on the same "
            "answers"
        )
    labels = None
    if args.labels is not None:
        file = read_label_files(args.labels, columns=Columns.read(args.columns))
        _say(file.warning())
        _say(UNEQUAL if are_unequal(file.answers) else None)
        labels = labels_by_question(found, file.answers)
    replay = replay_of(spoken, questions_of(found), dear_of(spoken, args.expensive), labels)
    require_output(args)
    cascade = set_cascade(replay, agreement=agreement, budget=budget, seed=args.seed)
    put_out(args, cascade.to_json(), lambda: cascade_text(cascade))
    return 0


def _goal(agreement: float | None, budget: float | None) -> float:
    if agreement is not None and budget is not None:
        raise ConfigError("--agreement and --budget: give one of them")
    if agreement is not None and not 0 < agreement <= 1:
        raise ConfigError(f"--agreement {agreement:g}: a share above 0, 1 at most")
    if budget is not None and not 0 <= budget < math.inf:
        raise ConfigError(f"--budget {budget:g}: US dollars, 0 or more")
    return AGREEMENT if agreement is None else agreement


def _prices(words: Sequence[str]) -> dict[str, float]:
    """Read NAME=USD, of 1,000 verdicts, into dollars of one."""
    prices: dict[str, float] = {}
    for each in words:
        name, _, value = each.rpartition("=")
        try:
            usd = float(value)
        except ValueError:
            usd = -1.0
        if not name.strip() or not 0 <= usd < math.inf:
            raise ConfigError(f"--usd {each!r}: NAME=USD, such as gpt-4.1=4.2 for 1,000 verdicts")
        prices[name.strip()] = usd / 1000
    return prices
