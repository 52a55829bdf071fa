r"""Serve a judge and its rewards over HTTP: one process, one store, one set of limits, one budget.

Clients post rows with answers to /v1/score and get scores, rewards and verdicts; OpenRLHF and
slime have their own paths (docs/serving.md). A missing verdict is null or an error, never 0.
On SIGTERM or Ctrl-C it refuses new work and waits for the calls in flight, which are paid for.

Examples:
  rubricbeat serve --judge keyword --rewards healthbench,hybrid --data rows.jsonl
  RUBRICBEAT_TOKEN=... rubricbeat serve --host 0.0.0.0 --judge chat \
      --judge_args model=gpt-4.1,max_concurrency=64 --max_cost 50 --rewards hybrid
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ....judges.errors import ConfigError
from ...flags import add_judge_arguments, judge_options_of
from ...terminal import say

if TYPE_CHECKING:
    from ....judges.judge import Judge
    from ....judges.rewards import Reward

TOKEN_VARIABLE = "RUBRICBEAT_TOKEN"
DEFAULT_REWARDS = "healthbench"
DEFAULT_PORT = 8300
MB = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_judge_arguments(parser)
    parser.add_argument(
        "--rewards",
        default=DEFAULT_REWARDS,
        metavar="NAMES",
        help="rewards that clients may request; OpenRLHF and slime get the first "
        f"(default {DEFAULT_REWARDS})",
    )
    parser.add_argument(
        "--data", type=Path, help="rows with rubrics, which clients may refer to by prompt_id"
    )
    add_rows_arguments(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help=f"port; 0 for a free one (default {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--token_file",
        type=Path,
        metavar="FILE",
        help=f"file with the token that clients must send (else {TOKEN_VARIABLE}); required unless "
        "the host is loopback",
    )
    parser.add_argument(
        "--max_body_mb",
        type=float,
        default=16,
        metavar="MB",
        help="maximum size of a request (default 16)",
    )
    for flag, most, words in (
        ("--max_answers", 1_024, "maximum answers per request"),
        ("--max_pending", 20_000, "maximum answers pending, over all requests"),
        ("--max_connections", 2_000, "maximum connections"),
    ):
        parser.add_argument(flag, type=int, default=most, help=f"{words} (default {most})")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the judge (default 0)")


def run(args: argparse.Namespace) -> int:
    """Serve; 0 when every request in hand was answered at the end."""
    from ....judges.data.examples import read_examples
    from ....judges.grader import open_grader
    from ....judges.rewards import parse_rewards
    from ...serving.app import Bounds
    from ...serving.run import ServerSettings, serve
    from ...serving.service import Service
    from ...serving.wire import Offer
    from ...tables.score import calls_line

    for flag in ("max_body_mb", "max_answers", "max_pending", "max_connections"):
        if not 0 < (most := getattr(args, flag)) < math.inf:
            raise ConfigError(f"--{flag} {most}: above 0, and a finite number")
    place = ServerSettings(args.host, args.port, _token(args.token_file))
    bounds = Bounds(
        body_bytes=int(args.max_body_mb * MB),
        in_hand_bytes=int(max(256, 2 * args.max_body_mb) * MB),
        connections=args.max_connections,
    )
    rewards = {reward.name: reward for reward in parse_rewards(args.rewards)}
    examples = {}
    columns = columns_of(args, rows=args.data)
    if args.data is not None:
        data = read_examples(args.data, columns=columns)
        say(data.warning(), "serve")
        examples = {example.prompt_id: example for example in data.examples}
    offer = Offer(rewards, examples, args.max_answers)
    with open_grader(judge_options_of(args), seed=args.seed) as grader:
        _require_fed(grader.judge, rewards.values())
        code = serve(
            lambda: Service(grader, offer, max_pending=args.max_pending),
            place,
            bounds,
            lambda url: print(url, flush=True),
        )
    say(calls_line(grader.facts()), "serve")
    return code


def _require_fed(judge: Judge, rewards: Iterable[Reward]) -> None:
    """Refuse a reward that this judge can never give what it is computed from."""
    from ....judges.judge import rating_identity
    from ....judges.rewards import Needs

    for reward in rewards:
        if reward.needs is Needs.RATING:
            rating_identity(judge)
        if reward.needs is Needs.PROBABILITIES and not getattr(judge, "gives_probabilities", True):
            raise ConfigError(
                f"--rewards: {reward.name!r} needs P(met), and this judge gives verdicts alone; "
                "fitted and local judges, chat with logprobs=true, and votes give it"
            )


def _token(path: Path | None) -> str | None:

    if path is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip() or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--token_file {path}: cannot be read: {error}") from error
    if not token:
        raise ConfigError(f"--token_file {path} is empty")
    return token
