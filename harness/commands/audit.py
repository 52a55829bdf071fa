"""Measure how far a judge can be trusted, against labels of physicians or of a better judge.

Labels come from --labels (HealthBench meta-evaluation rows, or your own: docs/trust.md), or from
recorded verdicts with --verdicts and --data, as `rubricbeat import` reads them. It
prints agreement, pairwise ranking, calibration and bias (length, position), and agreement for
baselines that never see the answer. --output FILE keeps the audit, for `rubricbeat score --audit`.

Examples:
  rubricbeat audit --judge chat --judge_args model=gpt-4.1 --labels meta_eval.jsonl
  rubricbeat audit --judge fitted:my-judge --verdicts recorded.jsonl.gz --data rows.jsonl.gz --json
  rubricbeat audit --judge chat --judge_args model=m --labels l.jsonl --variant shape=prefix
  rubricbeat audit --judge chat --judge_args model=m --labels l.jsonl --since audit.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from ...judges.errors import ConfigError
from ...judges.judge_options import parse_judge_args
from ...judges.scoring.missing_reasons import allowed_share
from ..flags import (
    add_allow_missing,
    add_judge_choice,
    add_output,
    add_seed,
    put_out,
    require_output,
    require_seed,
    told,
)
from ..labels import add_allow_seen, add_label_arguments, read_labelled

N_PROBES = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_judge_choice(parser)
    add_label_arguments(parser)
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="K=V",
        help="also audit the judge with these options changed; may be given several times",
    )
    parser.add_argument(
        "--reorder",
        action="store_true",
        help="ask the criteria of grouped calls a second time in another order (twice the calls)",
    )
    parser.add_argument(
        "--probes",
        type=int,
        nargs="?",
        const=N_PROBES,
        default=0,
        metavar="N",
        help=f"test N verdicts ({N_PROBES}) against 24 forms of prompt injection, and show "
        "the share that changes (26 calls each)",
    )
    parser.add_argument(
        "--twins",
        type=int,
        nargs="?",
        const=N_PROBES,
        default=0,
        metavar="N",
        help=f"edit answers, N ({N_PROBES}) for each of 8 edits, and say which share of the "
        "verdicts changes: high for edits of what matters, low for edits of the layout (at most "
        "16 calls for each of N)",
    )
    parser.add_argument(
        "--since",
        metavar="AUDIT.json|DAY",
        help="ask the questions of an earlier audit of this judge again, twice each, and show "
        "what changed; a day such as 2026-09-01 uses the stored verdicts from before it",
    )
    add_allow_seen(parser)
    add_seed(parser, "random seed")
    add_output(parser, "save the audit as JSON")
    parser.add_argument("--json", action="store_true", help="print the audit as JSON")
    add_allow_missing(parser)


def run(args: argparse.Namespace) -> int:
    """Grade the labelled answers, audit the verdicts, print and keep what was found."""
    for name, what in (("probes", "verdicts"), ("twins", "edited answers")):
        if (n := getattr(args, name)) < 0:
            raise ConfigError(f"--{name} {n}: a number of {what}, from 0")
    require_seed(args.seed)
    allowed = allowed_share(args.allow_missing)
    options = parse_judge_args(args.judge, args.judge_args)
    variants = {words: _changed(options, words) for words in args.variant}
    if args.since is not None and args.variant:
        raise ConfigError(
            "--since is of one judge on two days, and --variant of two judges; run them apart"
        )
    labelled, facts = read_labelled(args, "audit")
    require_output(args)
    from ..audit_run import audit_options
    from ..audit_since import today
    from ..tables.audit import audit_text

    found = audit_options(
        labelled,
        options,
        variants,
        reorder=args.reorder,
        probes=args.probes,
        twins=args.twins,
        allow_seen=args.allow_seen,
        since=args.since,
        seed=args.seed,
    )
    plain = {
        "judge": dict(found.judge),
        "labels": facts,
        "seed": args.seed,
        "asked_on": today(),
        "usd_per_correct_verdict": found.usd_per_correct,
        "audit": found.audit.to_json(),
        "learned_prompts": found.seen.to_json() if found.seen else None,
        "variants": [variant.to_json() for variant in found.variants],
        "injections": [row.to_json() for row in found.injections],
        "twins": [row.to_json() for row in found.twins],
        "drift": found.drift.to_json() if found.drift else None,
        "questions": dict(found.questions),
    }
    put_out(args, plain, lambda: audit_text(found))
    found.missing.allowed = allowed
    return told(
        found.missing, "audit", "run it again to ask for the missing verdicts", found.stopped
    )


def _changed(options: Mapping[str, object], words: str) -> dict[str, object]:
    """Put a variant's options in the place of the judge's own."""
    if not words.strip():
        raise ConfigError("--variant: no options; give such as shape=prefix")
    return {**options, **parse_judge_args(str(options["name"]), words)}
