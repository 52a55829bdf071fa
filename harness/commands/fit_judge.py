"""Fit a judge of your own to recorded verdicts or labels: free, offline, with P(met).

It sees words, and sentences as vectors (MiniLM); a head turns likeness into P(met), calibrated on
held-out prompts. Its card says how far it can be trusted, beside baselines that never look at the
answer. Use it anywhere: --judge fitted:DIR, or as the cheap judge of a cascade.

Examples:
  rubricbeat fit-judge --verdicts judged.jsonl.gz --data rows.jsonl.gz --output_path my-judge
  rubricbeat fit-judge --labels labels.jsonl --encoder none --output_path my-judge
  rubricbeat fit-judge --labels labels.jsonl --head cross_encoder --output_path my-judge
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from ...judges.errors import ConfigError
from ...judges.files import require_folder
from ...judges.fitted.heads import HeadKind
from ...judges.fitted.tuning_checkpoint import FILE as CHECKPOINT_FILE
from ..labels import add_label_arguments, read_labelled

SEED = 1234
N_FOLDS = 5
N_DRAWS = 2_000
NO_ENCODER = "none"
MIN_TOKENS, MAX_TOKENS = 32, 512
MAX_EPOCHS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_label_arguments(parser)
    parser.add_argument(
        "--output_path", type=Path, required=True, metavar="DIR", help="folder for the judge"
    )
    parser.add_argument(
        "--head",
        choices=[kind.value for kind in HeadKind],
        help="default: blend with an encoder, else trees",
    )
    parser.add_argument(
        "--encoder",
        metavar="PATH",
        help="folder of a sentence encoder (default: MiniLM among the packages), or none",
    )
    parser.add_argument(
        "--vectors", type=Path, metavar="FILE", help="keep encoded sentences here (.npz), to resume"
    )
    parser.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        help="what a cross-encoder reads of a criterion and an answer together (default 128)",
    )
    parser.add_argument(
        "--epochs",
        type=float,
        metavar="N",
        help="passes of a tuning over the answers (default 2; fewer than a checkpoint has seen: "
        "keep what there is)",
    )
    parser.add_argument(
        "--folds", type=int, default=N_FOLDS, help=f"held-out parts of the prompts ({N_FOLDS})"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all that is drawn ({SEED})")
    parser.add_argument("--json", action="store_true", help="print the card as JSON")


def run(args: argparse.Namespace) -> int:
    """Fit, audit on held-out prompts, write the folder, print the table."""
    if args.folds < 2:
        raise ConfigError(f"--folds {args.folds}: it takes 2 to hold prompts out")
    if args.vectors is not None and args.encoder == NO_ENCODER:
        raise ConfigError("--vectors keeps what an encoder makes; it cannot go with --encoder none")
    _check_tuning(args)
    started = time.monotonic()
    labelled, facts = read_labelled(args, "fit-judge")
    require_folder(args.output_path)
    from ...judges.fitted.card import card_of, figures_table, write_card
    from ...judges.fitted.encoder import MiniLM, find_encoder
    from ...judges.fitted.fitting import FitOptions, fit_judge
    from ...judges.fitted.folder import save_model
    from ...judges.fitted.vectors import VectorShelf
    from ...judges.learned import LearnedPrompts

    encoder = None if args.encoder == NO_ENCODER else MiniLM(find_encoder(args.encoder))
    kind = HeadKind(args.head or (HeadKind.BLEND if encoder else HeadKind.TREES))
    options = FitOptions(kind, n_folds=args.folds, seed=args.seed)
    shelf = VectorShelf(encoder, args.vectors) if encoder else None
    progress = _progress if sys.stderr.isatty() else None
    if kind.is_tuned:
        from ...judges.fitted.tuned_fitting import TuningOptions, fit_tuned

        # _check_tuning has seen to it that there is one
        assert encoder is not None and shelf is not None
        default = TuningOptions()
        tuning = TuningOptions(args.tokens or default.n_tokens, args.epochs or default.epochs)
        fit = fit_tuned(
            labelled,
            options,
            tuning,
            encoder=encoder,
            shelf=shelf,
            folder=args.output_path,
            say=_say,
            progress=progress,
        )
    else:
        fit = fit_judge(
            labelled, options, encoder=encoder, shelf=shelf, say=_say, progress=progress
        )
    salt = save_model(fit.model, args.output_path)[:16]
    prompts = LearnedPrompts.of((item.example for item in labelled), salt)
    card = card_of(fit, prompts, facts, _command(args), time.monotonic() - started)
    write_card(fit, card, args.output_path)
    # the judge is complete: what a killed tuning would go on from is of no use any more
    (args.output_path / CHECKPOINT_FILE).unlink(missing_ok=True)
    if args.json:
        print(json.dumps(card, indent=2, allow_nan=False))
    else:
        print(figures_table({"this judge": fit.audit.judge, **fit.audit.baselines}))
        print(f"\n{args.output_path}: use it with --judge fitted:{args.output_path}")
    return 0


def _check_tuning(args: argparse.Namespace) -> None:
    """Refuse what a tuning cannot do before anything is read."""
    if args.tokens is not None and args.head != HeadKind.CROSS_ENCODER:
        raise ConfigError("--tokens is of the tuning of a pair; it goes with --head cross_encoder")
    if args.head is None or not HeadKind(args.head).is_tuned:
        if args.epochs is not None:
            raise ConfigError("--epochs is of a tuning; it goes with --head tuned, cross_encoder")
        return
    if args.encoder == NO_ENCODER:
        raise ConfigError(f"--head {args.head} tunes an encoder; not with --encoder none")
    if args.tokens is not None and not MIN_TOKENS <= args.tokens <= MAX_TOKENS:
        raise ConfigError(f"--tokens {args.tokens}: from {MIN_TOKENS} to {MAX_TOKENS}")
    if args.epochs is not None and not 0 < args.epochs <= MAX_EPOCHS:
        raise ConfigError(f"--epochs {args.epochs:g}: above 0, at most {MAX_EPOCHS}")


def _command(args: argparse.Namespace) -> str:
    """Word what remakes the judge, with the names of files and no folders."""
    words = ["rubricbeat fit-judge"]
    if args.labels is not None:
        words.append(f"--labels {args.labels.name}")
    else:
        names = " ".join(path.name for path in args.verdicts)
        words.append(f"--verdicts {names} --data {args.data.name}")
    given: dict[str, Any] = {"limit": args.limit, "head": args.head}
    given |= {"tokens": args.tokens, "epochs": args.epochs}
    if args.encoder == NO_ENCODER:
        given["encoder"] = NO_ENCODER
    if args.seed != SEED:
        given["seed"] = args.seed
    if args.folds != N_FOLDS:
        given["folds"] = args.folds
    words += [f"--{name} {value}" for name, value in given.items() if value is not None]
    return " ".join([*words, f"--output_path {args.output_path.name}"])


def _say(words: str) -> None:
    print(f"rubricbeat fit-judge: {words}", file=sys.stderr)


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else "\r"
    print(f"rubricbeat fit-judge: {done} of {total} texts encoded", end=end, file=sys.stderr)
