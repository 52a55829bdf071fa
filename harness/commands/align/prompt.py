r"""Search the wording of a judge that agrees most with labels, and test it on untouched prompts.

Tried are edits of the judge's own wording (strict, lenient, evidence, restate, faults), the same
with worked examples from corrected verdicts, your own --wordings, and changed options. One half of
the prompts is searched by sequential halving; the best candidate and the default are then compared
on the other half, which no choice has seen. The file is written only if the candidate is
significantly better. Verdicts are cached: run the same command again to ask for the rest.

Examples:
  rubricbeat align prompt --labels labels.jsonl --judge chat --judge_args model=gpt-4.1 --dry_run
  rubricbeat align prompt --labels labels.jsonl --judge chat --judge_args judge.yaml -o better.txt
  rubricbeat align prompt --verdicts judged.jsonl --data rows.jsonl --judge chat \
      --judge_args model=gpt-4.1-mini --wordings my-wordings --variant temperature=1 -o better.txt
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.errors import ConfigError
from ....judges.files import write_file
from ....judges.judge_options import parse_judge_args
from ....judges.scoring.missing_reasons import MissingVerdicts, allowed_share
from ...flags import (
    add_allow_missing,
    add_output,
    add_seed,
    require_output,
    require_seed,
    told,
)
from ...labels import add_label_arguments, read_labelled
from ...terminal import say

if TYPE_CHECKING:
    from ....judges.answer import GradedAnswer
    from ...align.asking import Asker, Candidates
    from ...align.wordings import Candidate, FoundWording, Parts

HELP = "search the wording, examples and options that agree most with labels"
N_EXAMPLES = 4
MAX_EXAMPLES = 20
FEW_PROMPTS = 100
"""Below these only large differences are found (docs/evidence/least-cost.md#wording)."""
_say = partial(say, command="align prompt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--judge", required=True, metavar="NAME", help="a judge that has a wording")
    parser.add_argument(
        "--judge_args",
        metavar="K=V,...|FILE",
        help="k=v,k=v or a YAML file; max_calls and max_cost here limit the whole search",
    )
    add_label_arguments(parser)
    parser.add_argument(
        "--wordings",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="your own wordings to try too: files as --prompt takes them, or folders of them",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="K=V",
        help="also try the judge with these options changed; may be given several times",
    )
    parser.add_argument(
        "--votes", type=int, default=1, metavar="N", help="also try the majority of N verdicts"
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=N_EXAMPLES,
        metavar="N",
        help=f"corrected verdicts that a wording shows as examples ({N_EXAMPLES}); 0 for none",
    )
    add_seed(parser, "random seed")
    add_output(parser, "file for the wording (for --prompt)")
    parser.add_argument(
        "--force", action="store_true", help="write the best candidate even if it is not better"
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="print the maximum calls and cost; ask nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_allow_missing(parser)


def run(args: argparse.Namespace) -> int:
    """Search, test, print, write."""
    require_seed(args.seed)
    if not 0 <= args.examples <= MAX_EXAMPLES:
        raise ConfigError(f"--examples {args.examples}: from 0 to {MAX_EXAMPLES}")
    if args.votes < 1 or args.votes % 2 == 0:
        raise ConfigError(f"--votes {args.votes}: an odd number from 1, so that no vote is a tie")
    allowed = allowed_share(args.allow_missing)
    options = parse_judge_args(args.judge, args.judge_args)
    from ...align.asking import Asker, candidates_of, most_cost
    from ...align.wordings import deal, plain_labels

    candidates = candidates_of(options, args.wordings, args.variant, args.votes)
    labelled, facts = read_labelled(args, "align prompt")
    kept, n_left_out = plain_labels(labelled)
    if n_left_out:
        _say(
            f"{n_left_out} labels are left out: of levels, of what may be not applicable, of an "
            "earlier turn or beside a reference; a wording file shows none of these"
        )
    parts = deal(kept, args.seed)
    require_output(args)
    with tempfile.TemporaryDirectory() as folder:
        asker = Asker(options, Path(folder), args.seed, MissingVerdicts(allowed))
        most = most_cost(candidates, parts, asker, args.examples)
        cost = "cost unknown" if most.cost_usd is None else f"about ${most.cost_usd:,.2f}"
        _say(f"at most {most.calls:,} calls, {cost}; cached verdicts are not asked again")
        n_prompts = sum(map(len, (parts.lessons, parts.searched, parts.held)))
        if n_prompts < FEW_PROMPTS:
            _say(
                f"labels of {n_prompts} prompts: below {FEW_PROMPTS}, only large differences "
                "between wordings are found; more labels find smaller ones"
            )
        if args.dry_run:
            if args.json:
                print(json.dumps({"at_most": most.to_json()}, indent=2))
            return 0
        found = _search(candidates, parts, asker, args.examples)
        return _report(args, candidates, found, asker, facts)


def _search(candidates: Candidates, parts: Parts, asker: Asker, n_examples: int) -> FoundWording:
    from ...align.members import usd_of_verdict
    from ...align.wordings import find_wording

    def usd_of(candidate: Candidate, graded: Sequence[GradedAnswer]) -> float | None:
        model = {**candidates.base, **candidate.changes}.get("model")
        return usd_of_verdict(str(model or ""), graded)

    return find_wording(
        parts,
        candidates.default,
        candidates.plain,
        candidates.taught,
        asker,
        n_examples=n_examples,
        usd_of=usd_of,
        tell=_say,
    )


def _report(
    args: argparse.Namespace,
    candidates: Candidates,
    found: FoundWording,
    asker: Asker,
    labels: Mapping[str, object],
) -> int:
    """Write the wording where it is better, and print what was found."""
    from ....judges.scoring.plain_form import plain_form
    from ...align.asking import options_of
    from ...tables.wordings import wording_text

    text, is_used = found.winner.text, found.is_better or args.force
    writes = is_used and text is not None and args.output is not None
    if writes and text is not None:
        write_file(args.output, text)
    named = args.output or found.winner.name
    spec = options_of(found.winner, candidates.base, named) if is_used else None
    if args.json:
        plain = {
            "labels": dict(labels),
            "seed": args.seed,
            "calls": asker.calls,
            "usd": asker.usd,
            **plain_form(found, has_own=True),
            "judge": spec,
            "written": str(args.output) if writes else None,
        }
        print(json.dumps(plain, indent=2, allow_nan=False))
    else:
        print(wording_text(found, spec, _ending(args, found, writes)))
    return told(asker.missing, "align prompt", "run it again, to ask what is missing")


def _ending(args: argparse.Namespace, found: FoundWording, writes: bool) -> str:
    if writes:
        shown = f"; it shows {found.n_examples} of your labelled answers"
        has_examples = found.winner.name.startswith("examples")
        return f"written: {args.output}{shown if has_examples else ''}"
    if not found.is_better and not args.force:
        return "No file is written; --force writes the best candidate all the same."
    if found.winner.text is None:
        return "No file is needed: the options below are the change."
    return "Name a file with -o to keep the wording."
