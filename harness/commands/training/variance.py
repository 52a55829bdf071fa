"""Check whether a reward has a learning signal, from verdicts you already have, before training.

PATHS are result folders, a verdict store, or recorded verdicts (these need --data ROWS). Answers to
one prompt by one policy form a group, as in GRPO; rewards are compared on the same verdicts. With
--gold, a better judge's verdicts on some of the answers, it recommends a reward to train with.

Examples:
  rubricbeat variance results/ -o signal.html
  rubricbeat variance judged.jsonl.gz --data rows.jsonl.gz --rewards "healthbench,hybrid(bonus=0)"
  rubricbeat variance results/ --gold better-judge/        (which reward agrees with gold)
  rubricbeat variance pilot/ --fidelity 0.9 --difference 0.02
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ....judges.errors import ConfigError
from ....judges.files import require_file, write_file
from ....judges.signal.groups import BATCH_GROUPS
from ...flags import add_output, require_seed
from .study_flags import add_comparison, add_input, labels_in, read_input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input(parser)
    add_comparison(
        parser,
        rewards="eight",
        gold="a better judge's verdicts, or labels, on some of these answers, to rate rewards by",
        group_by="model,system,run; 'prompt' for none (default: model, system, task and judge, "
        "as far as present)",
    )
    parser.add_argument("--scales", default="group,none,batch", help="of group, none, batch")
    parser.add_argument("--fidelity", type=float, help="plan for this advantage fidelity, 0 to 1")
    parser.add_argument("--difference", type=float, help="plan to detect this difference in reward")
    parser.add_argument(
        "--plan_for", metavar="REWARD", help="reward to plan for (default: the first)"
    )
    parser.add_argument(
        "--batch_groups",
        type=int,
        default=BATCH_GROUPS,
        metavar="N",
        help="groups per training batch, to compare scale_rewards none and batch "
        f"(default {BATCH_GROUPS})",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--criteria", type=Path, metavar="FILE", help="write a CSV file with one row per criterion"
    )
    add_output(parser, "also write an HTML page with figures", "--html")


def run(args: argparse.Namespace) -> int:
    """Study, and print."""
    from dataclasses import asdict

    from ....judges.rewards import get_reward, parse_rewards
    from ....judges.scoring.plain_form import plain_form
    from ....judges.signal import DEFAULT_REWARDS, group_answers, parse_scales, plan, study_signal
    from ...tables.signal import criteria_csv, plan_text, study_text

    # everything that can be wrong in the request is found before a file is read
    if args.batch_groups < 1:
        raise ConfigError(f"--batch_groups {args.batch_groups}: a number of groups, from 1")
    require_seed(args.seed)
    rewards = parse_rewards(args.rewards or DEFAULT_REWARDS)
    scales = parse_scales(args.scales)
    planned_for = get_reward(args.plan_for) if args.plan_for else rewards[0]
    for flag, path in (("--output", args.output), ("--criteria", args.criteria)):
        if path:
            require_file(path, flag)
    found = read_input(args, "variance", args.gold)
    by = found.by if args.group_by is None else labels_in(args.group_by)
    groups = group_answers(found.answers, by, min_answers=args.min_group)
    study = study_signal(groups, rewards, scales, seed=args.seed, batch_groups=args.batch_groups)
    plans = []
    if args.fidelity is not None or args.difference is not None:
        plans.append(plan(groups, planned_for, fidelity=args.fidelity, difference=args.difference))
    if args.json:
        tables = study.to_json()
        tables["plan"] = [plain_form(asdict(item)) for item in plans]
        print(json.dumps(tables, indent=2))
    else:
        print("\n\n".join([study_text(study), *map(plan_text, plans)]))
    if args.criteria:
        write_file(args.criteria, criteria_csv(study))
        print(args.criteria, file=sys.stderr)
    if args.output:
        from ....reports.pages.signal_page import signal_page

        write_file(args.output, signal_page(study, plans))
        print(args.output, file=sys.stderr)
    return 0
