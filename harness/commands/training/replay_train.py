"""Simulate training on recorded answers, in seconds and without a model: which reward gains most?

PATHS are result folders, a verdict store, or recorded verdicts (these need --data ROWS). The policy
chooses among the recorded answers to each prompt; GRPO trains it under every reward and scaling,
and its mean gold score is computed exactly. Intervals cover seeds and prompts; arms are paired.
Gold is the score by --gold's judge; without --gold, by the same verdicts.

Examples:
  rubricbeat replay-train judged.jsonl.gz --data rows.jsonl.gz --flip 0.1
  rubricbeat replay-train results/ --gold better-judge/ -o replay.html    (hacking shown)
  rubricbeat replay-train results/ --noise replicates --rewards "healthbench,hybrid(bonus=0)"
  rubricbeat replay-train results/ --policy linear --json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.errors import ConfigError
from ....judges.files import require_file, write_file
from ....judges.signal.groups import GroupedVerdicts
from ....judges.signal.replay.training import LINEAR_RATE, TABLE_RATE, Policy, Settings
from ...flags import add_output, require_seed
from ...terminal import say
from .study_flags import add_comparison, add_input, labels_in, read_input

if TYPE_CHECKING:
    from ....judges.scoring.rubric_arrays import Floats
    from ....judges.signal.replay.noise import JudgeNoise
    from ...inputs import SignalInput

REPLICATES = "replicates"
LOSSES = ("dapo", "bnpo", "dr_grpo", "grpo", "cispo", "sapo", "luspo", "vespo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input(parser)
    add_comparison(
        parser,
        rewards="six",
        gold="a better judge's verdicts, or labels, on these answers: its score is the result",
        group_by="model,system (default: the judge alone, so that a policy chooses among all "
        "recorded answers to a prompt)",
    )
    parser.add_argument("--scales", default="none,group", help="of none, group, batch")
    own = Settings()
    training = parser.add_argument_group("training")
    for flag, default, words in (
        ("--seeds", own.seeds, "number of seeds"),
        ("--steps", own.steps, "number of steps"),
        ("--group_size", own.group_size, "answers sampled per prompt and step"),
    ):
        training.add_argument(flag, type=int, default=default, help=f"{words} ({default})")
    training.add_argument(
        "--learning_rate",
        type=float,
        help="step size of the logits, in units of the reward's advantages "
        f"({TABLE_RATE:g}; {LINEAR_RATE:g} with --policy linear)",
    )
    training.add_argument(
        "--loss",
        choices=LOSSES,
        default="dapo",
        help="grpo divides an answer's gradient by its length; with one update per batch all "
        "others are the same (dapo)",
    )
    training.add_argument(
        "--policy",
        choices=[policy.value for policy in Policy],
        default=Policy.TABLE.value,
        help="table: one softmax per prompt; linear: one score of an answer's form for all "
        "prompts, evaluated on held-out prompts",
    )
    training.add_argument("--seed", type=int, default=0, help="random seed (0)")
    judge = parser.add_argument_group("judge noise")
    judge.add_argument("--flip", type=float, default=0.0, help="share of verdicts flipped (0)")
    judge.add_argument(
        "--noise",
        metavar="SOURCE",
        help="'replicates': the judge's own flip rate; or an audit file (audit --output): its "
        "error rates",
    )
    judge.add_argument("--missing", type=float, default=0.0, help="share of verdicts missing (0)")
    judge.add_argument(
        "--errors_stay",
        action="store_true",
        help="keep the errors of a seed fixed, like a judge at temperature 0; by default every "
        "draw is judged again",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one row per arm")
    add_output(parser, "also write an HTML page with curves", "--html")


def run(args: argparse.Namespace) -> int:
    """Train, and print."""
    from ....judges.rewards import parse_rewards
    from ....judges.signal import group_answers, parse_scales
    from ....judges.signal.replay.study import DEFAULT_REWARDS, replay
    from ...tables.replay import replay_rows, replay_text

    # everything that can be wrong in the request is found before a file is read
    rewards = parse_rewards(args.rewards or DEFAULT_REWARDS)
    scales = parse_scales(args.scales)
    settings = _settings(args)
    _check_noise(args)
    if args.output:
        require_file(args.output, "--output")
    found = read_input(args, "replay-train", args.gold)
    groups = group_answers(found.answers, _labels(args, found.by), min_answers=args.min_group)
    trained = replay(
        groups,
        rewards,
        scales,
        settings,
        noise=_noise(args, found, groups),
        features_PGF=_features(found, groups) if settings.policy is Policy.LINEAR else None,
    )
    if args.json:
        for name, why in trained.skipped.items():
            say(f"{name} is excluded: {why}", "replay-train")
        print(json.dumps(replay_rows(trained), indent=2))
    else:
        print(replay_text(trained))
    if args.output:
        from ....reports.pages.replay_page import replay_page

        write_file(args.output, replay_page(trained))
        print(args.output, file=sys.stderr)
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    names = ("seeds", "steps", "group_size", "learning_rate", "errors_stay", "seed")
    given = {name: getattr(args, name) for name in names}
    return Settings(**given, by_length=args.loss == "grpo", policy=Policy(args.policy))


def _check_noise(args: argparse.Namespace) -> None:
    from ....judges.signal.replay.noise import JudgeNoise

    plain = JudgeNoise.of_flips(args.flip, args.missing)
    if args.noise and args.flip:
        raise ConfigError("--flip and --noise are alternatives: give one of them")
    if args.errors_stay and plain.is_none and not args.noise:
        raise ConfigError("--errors_stay needs judge noise: --flip, --missing or --noise")
    require_seed(args.seed)


def _noise(args: argparse.Namespace, found: SignalInput, groups: GroupedVerdicts) -> JudgeNoise:
    from ....judges.signal.replay.noise import JudgeNoise

    if not args.noise:
        return JudgeNoise.of_flips(args.flip, args.missing)
    if args.noise == REPLICATES:
        return JudgeNoise.of_replicates(groups, args.missing)
    from ...audit_noise import noise_of_audit

    return noise_of_audit(Path(args.noise), found, groups, args.missing)


def _features(found: SignalInput, groups: GroupedVerdicts) -> Floats:
    """Describe every answer of the groups, [P, G, F]."""
    from ....judges.signal.replay.features import features_of

    features_NF = features_of([answer.graded.answer for answer in found.answers])
    assert groups.places_PG is not None
    # padding takes those of some answer, and is never drawn
    return features_NF[groups.places_PG]


def _labels(args: argparse.Namespace, carried: tuple[str, ...]) -> tuple[str, ...]:
    """Give the labels to group by: the judge, unless others are asked for."""
    if args.group_by is None:
        return tuple(name for name in carried if name == "judge")
    return labels_in(args.group_by)
