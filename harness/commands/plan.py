r"""Estimate a judge's calls, tokens, time and cost at each scale. Nothing is sent.

The source of every assumption is printed; an unknown number is a dash (null in JSON), never 0.
A pilot (the results of a small `rubricbeat judge`) replaces assumed lengths and latency by
measured ones.

Examples:
  rubricbeat plan --rows 5000 --repeats 16 --criteria 12 --judge chat --judge_args model=gpt-4.1
  rubricbeat plan --rows 5000 --repeats 16 --criteria 12 --judge vllm --judge_args model=NAME \
      --gpus 8 --gpu_speed 20000,2500 --gpu_price 2.5 --json
  rubricbeat plan --rows 1000 --criteria 12 --judge chat --judge_args model=gpt-4.1 \
      --until_decided 0.95 --models 2
  rubricbeat plan --rows 5000 --criteria 12 --judge chat --judge_args model=gpt-4.1 \
      --budget 100 --by cheap --labels sample    (which share to ask: docs/least-cost.md)
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ...judges.budget.stopping import Method
from ...judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ...judges.errors import ConfigError
from ...judges.grader import RuntimeOptions
from ...judges.judge_options import parse_judge_args
from ...reports import numbers
from ...reports.results.reader import read_runs
from ..costs.call_costs import PlannedRun, Speed, Workload
from ..costs.early import USUAL_SPREAD, ExpectedPrompts, spread_of
from ..costs.plan import CostPlan, Lengths, make_plan, read_pilot
from ..costs.split import add_split_arguments, is_split, plan_split
from ..flags import add_judge_choice
from ..parser import keep_spellings
from ..terminal import aligned, print_json, say
from ..until import add_until_arguments, stop_rule_of

MOST = 1e9
"""Of a length, a latency, a speed or a price: more is a slip of the hand."""
_LENGTHS = ("prompt", "answer", "criterion", "reply")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="ROWS",
        help="rows to count, with their criteria (docs/data.md)",
    )
    add_rows_arguments(parser)
    parser.add_argument("--rows", type=int, help="number of rows")
    repeats = parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="answers to each prompt (default 1)"
    )
    keep_spellings(parser, repeats, "--samples")
    parser.add_argument("--criteria", type=float, help="mean number of criteria per row")
    add_judge_choice(parser)
    parser.add_argument("--pilot", type=Path, metavar="RESULTS", help="results of a small run")
    for name in _LENGTHS:
        default, article = getattr(Lengths(), name), "an" if name == "answer" else "a"
        parser.add_argument(
            f"--{name}_tokens",
            type=float,
            help=f"tokens of {article} {name} (default {default:g})",
        )
    parser.add_argument("--latency", type=float, metavar="S", help="seconds per call")
    parser.add_argument("--gpus", type=int, default=0, help="number of GPUs serving the judge")
    parser.add_argument(
        "--gpu_speed", metavar="READ,WRITE", help="prompt and reply tokens per second of one GPU"
    )
    parser.add_argument("--gpu_price", type=float, metavar="USD", help="price of one GPU per hour")
    add_until_arguments(parser)
    parser.add_argument(
        "--models",
        type=int,
        metavar="N",
        help="models graded with --until_decided or --until_width (2), each on all rows",
    )
    parser.add_argument(
        "--spread",
        type=float,
        metavar="SD",
        help="standard deviation over prompts of a difference, or of one model's score "
        f"(default: that of --pilot, else {USUAL_SPREAD})",
    )
    add_split_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    stated = {name: getattr(args, f"{name}_tokens") for name in _LENGTHS}
    given: dict[str, float] = {name: n for name, n in stated.items() if n is not None}
    for name, value in {**given, "latency": args.latency}.items():
        if value is not None and not 0 < value < MOST:
            raise ConfigError(f"{name} must be above 0 and below {MOST:g}, not {value:g}")
    price = args.gpu_price
    if args.gpus < 0 or (price is not None and not 0 <= price < MOST):
        raise ConfigError("--gpus and --gpu_price must be numbers and not negative")
    if not args.gpus and (price is not None or args.gpu_speed is not None):
        raise ConfigError("--gpu_speed and --gpu_price need --gpus")
    has_split = is_split(args)
    options = parse_judge_args(args.judge, args.judge_args)
    limits = RuntimeOptions.from_mapping(RuntimeOptions.split(options)[0])
    read, write = _gpu_speed(args.gpu_speed)
    rows, criteria = _size(args)
    until = _until(args, rows, has_split=has_split)
    n_answers = args.repeats * (args.models if until else 1)
    plan = make_plan(
        Workload(rows, n_answers, criteria, limits.replicates),
        options,
        lengths=Lengths(**given),
        given=frozenset(given),
        speed=Speed(
            latency_s=args.latency,
            gpus=args.gpus,
            prompt_tokens_per_s=read,
            reply_tokens_per_s=write,
            gpu_usd_per_hour=args.gpu_price,
        ),
        pilot=read_pilot(args.pilot) if args.pilot is not None else None,
    )
    split = plan_split(args, plan.runs[-1]) if has_split else None
    if args.json:
        more = {"until": [asdict(one) for one in until], "split": split and split.to_json()}
        told = {name: value for name, value in more.items() if value}
        print_json({**plan.to_json(), **told})
    else:
        print(_text(plan))
        if until:
            print(_until_text(plan, until, args))
        if split is not None:
            print(f"\n{split.text()}")
    return 0


def _until(args: argparse.Namespace, rows: int, *, has_split: bool) -> list[ExpectedPrompts]:
    """Say how many prompts a rule would take, where one is given."""
    rule = stop_rule_of(
        args.until_decided, args.until_width, args.rope, args.sequence, "--until_decided"
    )
    if rule is None:
        if args.models is not None or (args.spread is not None and not has_split):
            raise ConfigError(
                "--models and --spread belong to a rule: add --until_decided or --until_width"
            )
        return []
    args.models = 2 if args.models is None else args.models
    if args.models < 1 or (args.models == 1 and rule.width is None):
        raise ConfigError(f"--models {args.models}: --until_decided compares 2 or more")
    if args.spread is not None and not 0 < args.spread < 10:
        raise ConfigError(f"--spread {args.spread:g}: above 0 and below 10, such as 0.29")
    if rule.method is not Method.ASYMPTOTIC:
        raise ConfigError("--sequence betting takes more, by the range of the rubrics: not planned")
    if args.spread is None:
        measured = spread_of(read_runs([args.pilot])) if args.pilot is not None else None
        args.spread = USUAL_SPREAD if measured is None else round(measured, 3)
    return ExpectedPrompts.each(rule, args.models, rows, args.spread)


def _until_text(plan: CostPlan, until: list[ExpectedPrompts], args: argparse.Namespace) -> str:
    """Lay out what a rule would take; its calls and money are a share of the whole's."""
    whole = plan.runs[-1]
    usd = whole.cost.cost_usd
    rows = [
        (
            f"{one.difference:g}" if one.difference else numbers.NONE,
            numbers.NONE if one.n is None else numbers.count(one.n),
            numbers.count(round(whole.cost.calls * one.share)),
            numbers.cost(None if usd is None else usd * one.share),
        )
        for one in until
    ]
    head = ("true difference", "prompts", "calls", "cost")
    table = aligned([head, *rows], range(len(head)))
    assumed = f"models {args.models}, spread over prompts {args.spread:g}"
    return f"\nstopping early ({assumed}; a dash: all prompts are graded):\n{table}"


def _size(args: argparse.Namespace) -> tuple[int, float]:
    """Give the rows and the mean number of their criteria: as stated, else counted."""
    rows, criteria = args.rows, args.criteria
    if args.data is not None and (rows is None or criteria is None):
        from ...judges.data.examples import read_examples

        file = read_examples(args.data, columns=columns_of(args))
        say(file.warning(), "plan")
        n_criteria = sum(len(example.rubric) for example in file.examples)
        rows = len(file.examples) if rows is None else rows
        criteria = n_criteria / len(file.examples) if criteria is None else criteria
    if rows is None or criteria is None:
        raise ConfigError("give the amount: --data ROWS, or --rows N and --criteria N")
    return rows, criteria


def _gpu_speed(text: str | None) -> tuple[float | None, float | None]:
    if text is None:
        return None, None
    try:
        read, write = (float(part) for part in text.split(","))
    except ValueError:
        read = write = 0.0
    if not (0 < read < MOST and 0 < write < MOST):
        raise ConfigError(f"--gpu_speed {text!r}: two speeds in tokens/s, such as 20000,2500")
    return read, write


def _text(plan: CostPlan) -> str:
    head = ("rows", "answers", "calls", "prompt tokens", "of them reusable", "reply tokens",
            "time", "bound by", "cost", "with reuse", "GPUs")  # fmt: skip
    table = aligned([head, *map(_cells, plan.runs)], range(len(head)))
    named = " ".join(filter(None, (plan.judge, plan.model)))
    notes = "\n".join(
        f"  {each.name} = {numbers.NONE if each.value is None else each.value} ({each.source})"
        for each in plan.assumptions
    )
    return f"judge: {named}\n\n{table}\n\nassumed:\n{notes}"


def _cells(run: PlannedRun) -> tuple[str, ...]:
    return (
        numbers.count(run.work.rows),
        numbers.count(run.work.answers),
        numbers.count(run.cost.calls),
        numbers.count(run.cost.prompt_tokens),
        numbers.count(run.reused_tokens),
        numbers.count(run.cost.completion_tokens),
        numbers.seconds(run.seconds),
        (run.bound_by or numbers.NONE).replace("_", " "),
        numbers.cost(run.cost.cost_usd),
        numbers.cost(run.usd_with_reuse),
        numbers.cost(run.usd_gpus),
    )
