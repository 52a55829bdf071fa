"""Fit a judge of your own to recorded verdicts or labels: free, offline, with P(met).

Boosted trees compute P(met) from the words of criterion and answer, calibrated on held-out prompts.
--head blend also uses sentence vectors (MiniLM, torch). The card reports its accuracy beside
baselines that never see the answer. The calibration holds for answers like those it was fitted on;
--recalibrate adjusts it to others. Use it as --judge fitted:DIR, also as the cheap judge of a
cascade.

Examples:
  rubricbeat fit-judge --verdicts judged.jsonl.gz --data rows.jsonl.gz -o my-judge
  rubricbeat fit-judge --labels labels.jsonl --head blend -o my-judge
  rubricbeat fit-judge --recalibrate my-judge --labels others.jsonl -o my-judge-there
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from ...judges.audit.judge_audit import JudgeFigures
from ...judges.errors import ConfigError
from ...judges.files import require_folder
from ...judges.fitted.heads import HeadKind
from ...judges.scoring.run_scores import SEED
from ...reports import numbers
from ...reports.interval_words import interval_words
from ..flags import add_output_folder, add_seed
from ..labels import add_label_arguments, read_labelled
from ..tables.score import show_ending
from ..terminal import print_json, say

N_FOLDS = 5
_say = partial(say, command="fit-judge")
NO_ENCODER = "none"
PACKAGED = "minilm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_label_arguments(parser)
    add_output_folder(parser, "folder for the judge")
    parser.add_argument(
        "--head",
        choices=[kind.value for kind in HeadKind],
        help=f"default: {HeadKind.WORDS}; {HeadKind.BLEND} where an encoder is named",
    )
    parser.add_argument(
        "--encoder",
        metavar="PATH",
        help="folder of a sentence encoder, minilm for the one among the packages, or none "
        "(default: none, and minilm for the heads that need one)",
    )
    parser.add_argument(
        "--vectors",
        type=Path,
        metavar="FILE",
        help="file for the encoded sentences (.npz), to resume",
    )
    parser.add_argument(
        "--recalibrate",
        type=Path,
        metavar="DIR",
        help="recalibrate this fitted judge on the labels instead of fitting one",
    )
    parser.add_argument(
        "--folds", type=int, default=N_FOLDS, help=f"cross-validation folds ({N_FOLDS})"
    )
    add_seed(parser, "random seed")
    parser.add_argument("--json", action="store_true", help="print the card as JSON")


def run(args: argparse.Namespace) -> int:
    """Fit, audit on held-out prompts, write the folder, print the table."""
    if args.folds < 2:
        raise ConfigError(f"--folds {args.folds}: at least 2")
    if args.recalibrate is not None:
        return _recalibrate(args)
    kind, encoder_path = _kind_and_encoder(args)
    if args.vectors is not None and encoder_path is None:
        raise ConfigError("--vectors needs an encoder; give --head blend")
    started = time.monotonic()
    labelled, facts = read_labelled(args, "fit-judge")
    require_folder(args.output_path)
    from ...judges.fitted.encoder import MiniLM, VectorShelf
    from ...judges.fitted.fitting import FitOptions, fit_judge
    from ...judges.fitted.model_card import card_of, figures_table, write_card
    from ...judges.fitted.saved_model import save_model
    from ...judges.learned import LearnedPrompts

    encoder = None if encoder_path is None else MiniLM(encoder_path)
    options = FitOptions(kind, n_folds=args.folds, seed=args.seed)
    shelf = VectorShelf(encoder, args.vectors) if encoder else None
    progress = _progress if sys.stderr.isatty() else None
    fit = fit_judge(labelled, options, encoder=encoder, shelf=shelf, say=_say, progress=progress)
    salt = save_model(fit.model, args.output_path)[:16]
    prompts = LearnedPrompts.of((item.example for item in labelled), salt)
    card = card_of(fit, prompts, facts, _command(args), time.monotonic() - started)
    write_card(fit, card, args.output_path)
    table = figures_table({"this judge": fit.audit.judge, **fit.audit.baselines})
    return _shown(args, card, table, shortfall(fit.audit.judge, fit.audit.baselines["no_look"]))


def _shown(args: argparse.Namespace, card: object, table: str, fault: str | None) -> int:
    if args.json:
        print_json(card)
        _say(fault)
        return 0
    use = f"use it with --judge fitted:{args.output_path}"
    print(table)
    show_ending(f"{args.output_path}: {fault or use}", "")
    return 0


def shortfall(judge: JudgeFigures, no_look: JudgeFigures | None) -> str | None:
    """Say that a judge is not shown to gain anything from the answers; None where it is.

    Args:
        judge: On held-out prompts.
        no_look: The same head without the answers; None where it was not measured. Its pairwise
            accuracy is .5 by construction.
    """
    mine, pairwise = judge.figures["balanced_f1"], judge.figures["pairwise"]
    told = []
    if no_look is not None:
        # with no two answers to order, the difference of the F1 is all that there is
        least = mine.low if pairwise.value is None else mine.value
        other = no_look.figures["balanced_f1"].value
        if least is None or other is None or least <= other:
            ends = numbers.interval(mine.low, mine.high)
            told.append(
                f"macro-F1 {numbers.score(mine.value)} {ends} against {numbers.score(other)}"
            )
    if pairwise.value is not None and (pairwise.low is None or pairwise.low <= 0.5):
        told.append(
            f"pairwise {numbers.score(pairwise.value)} {interval_words(pairwise)} against 0.500"
        )
    if not told:
        return None
    return (
        f"it is not shown to beat no_look, which never sees the answer ({'; '.join(told)}). Do not "
        "use it as a judge: fit it to more labels, or to answers that differ more."
    )


def _kind_and_encoder(args: argparse.Namespace) -> tuple[HeadKind, Path | None]:
    """Find out which head is asked for and where its encoder lies, before anything is read."""
    from ...judges.fitted.encoder import find_encoder

    is_named = args.encoder not in (None, NO_ENCODER)
    kind = HeadKind(args.head or (HeadKind.BLEND if is_named else HeadKind.WORDS))
    if kind is HeadKind.WORDS and is_named:
        raise ConfigError("--head words sees words only; it takes no --encoder")
    if kind.needs_vectors and args.encoder == NO_ENCODER:
        raise ConfigError(f"--head {kind} needs an encoder; without one: --head {HeadKind.WORDS}")
    if not is_named and not kind.needs_vectors:
        return kind, None
    return kind, find_encoder(None if args.encoder in (None, PACKAGED) else args.encoder)


def _recalibrate(args: argparse.Namespace) -> int:
    """Set the probabilities of a fitted judge right on labels, and write it to a new folder."""
    from ...judges.fitted.encoder import MiniLM, find_encoder
    from ...judges.fitted.model_card import figures_table, write_recalibrated
    from ...judges.fitted.recalibration import recalibrate
    from ...judges.fitted.saved_model import load_model, read_card, save_model
    from ...judges.learned import LearnedPrompts, LearnedShare

    if args.head is not None or args.vectors is not None:
        raise ConfigError(
            "--recalibrate keeps the judge's head; it takes neither --head nor --vectors"
        )
    if args.output_path.resolve() == args.recalibrate.resolve():
        raise ConfigError(f"--output {args.output_path}: the judge itself; name a new folder")
    model, card = load_model(args.recalibrate), dict(read_card(args.recalibrate))
    labelled, facts = read_labelled(args, "fit-judge")
    require_folder(args.output_path)
    learned = LearnedPrompts.of_card(card)
    if learned is not None:
        seen = LearnedShare.of([learned], [item.example for item in labelled])
        if words := seen.warning():
            _say(f"{words}; calibrate on others where you can")
    found = recalibrate(
        model,
        labelled,
        encoder=MiniLM(find_encoder(args.encoder)) if model.has_vectors else None,
        n_folds=args.folds,
        seed=args.seed,
    )
    save_model(found.model, args.output_path)
    card["recalibrated"] = found.to_json(facts)
    if learned is not None:
        card["prompts"] = learned.with_more(item.example for item in labelled).to_json()
    write_recalibrated(found, card, args.recalibrate, args.output_path)
    table = figures_table({"before": found.before, "recalibrated": found.after})
    return _shown(args, card, table, shortfall(found.after, None))


def _command(args: argparse.Namespace) -> str:
    """Word what remakes the judge, with the names of files and no folders."""
    words = ["rubricbeat fit-judge"]
    files = {"labels": args.labels} if args.labels else {"verdicts": args.verdicts}
    for name, paths in {**files, "data": () if args.labels else [args.data]}.items():
        words += [f"--{name}", *(path.name for path in paths)] if paths else []
    usual = {"limit": None, "head": None, "encoder": None, "seed": SEED, "folds": N_FOLDS}
    for name, default in usual.items():
        value = getattr(args, name)
        # another encoder is a folder
        if value != default and (name != "encoder" or value in (NO_ENCODER, PACKAGED)):
            words.append(f"--{name} {value}")
    return " ".join([*words, f"-o {args.output_path.name}"])


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else "\r"
    print(f"rubricbeat fit-judge: {done} of {total} texts encoded", end=end, file=sys.stderr)
