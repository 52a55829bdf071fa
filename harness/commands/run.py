r"""Score a model on rubric tasks, with lm-eval.

Flags of lm-eval have the same meaning; result files have lm-eval's format. Besides lm-eval's
models, --model takes baseline:empty, baseline:constant, baseline:stuffed and
baseline:reference. Keys of models and judges come from the environment (OPENAI_API_KEY).

Examples:
  rubricbeat run --tasks healthbench_heart_demo --model local-chat-completions \
      --model_args model=NAME,base_url=http://127.0.0.1:8000/v1/chat/completions \
      --judge keyword -o results --baselines
  rubricbeat run --tasks healthbench_heart --data rows.jsonl --model hf \
      --model_args pretrained=MODEL --apply_chat_template --limit 30 \
      --judge chat --judge_args model=gpt-4.1-2025-04-14 -o results
  rubricbeat run --tasks healthbench_heart --data rows.jsonl --responses results/MODEL \
      --judge chat --judge_args model=gpt-4.1-2025-04-14 -o judged

--until_width W grades the answers in a random order, and stops when the interval of the score is
W wide: docs/least-cost.md.

exit codes: 0 done, 1 failed or incomplete (what was finished is kept), 2 usage error.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...judges.data.forms.rubric_file import add_rows_arguments
from ..flags import add_all, add_allow_missing, add_judge_choice
from ..tables.score import ScoreLine, runs_below, show_scores
from ..terminal import command

if TYPE_CHECKING:
    from ..evaluation.request import RunRequest
    from ..evaluation.run import Evaluated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags, spelt as lm-eval spells them where it has them."""
    asked = parser.add_argument_group("what is run")
    asked.add_argument("--tasks", "-t", nargs="+", required=True, metavar="TASK")
    asked.add_argument("--model", "-M", metavar="NAME", help="lm-eval model type or baseline:KIND")
    asked.add_argument(
        "--model_args", "-a", nargs="+", default=[], metavar="K=V", help="k=v,k=v or a JSON object"
    )
    asked.add_argument(
        "--apply_chat_template", nargs="?", const=True, default=None, metavar="NAME",
        help="on by default for chat endpoints; 'false' turns it off",
    )  # fmt: skip
    asked.add_argument("--system_instruction", metavar="TEXT")
    asked.add_argument("--gen_kwargs", nargs="+", default=[], metavar="K=V")
    asked.add_argument(
        "--limit", "-L", type=float, metavar="N", help="number of rows, or a share below 1"
    )
    asked.add_argument("--samples", "-E", metavar="JSON", help='rows by number: {"task": [0, 3]}')
    asked.add_argument("--batch_size", "-b", default=1)
    asked.add_argument("--max_batch_size", type=int)
    asked.add_argument("--device")
    asked.add_argument(
        "--seed", default="0,1234,1234,1234", help="one seed, or four as for lm-eval"
    )
    asked.add_argument("--include_path", metavar="DIR", help="a folder with tasks of your own")
    asked.add_argument("--trust_remote_code", action="store_true")
    asked.add_argument("--confirm_run_unsafe_code", action="store_true")

    data = parser.add_argument_group("data and judge")
    data.add_argument("--data", metavar="PATH", help="rows, or the folder of the published files")
    add_rows_arguments(data)
    add_judge_choice(data, is_required=False)
    data.add_argument("--repeats", type=int, metavar="N", help="answers to each prompt")
    data.add_argument("--selector", choices=("list", "live"), help="how heart rows are selected")
    data.add_argument("--strict", action="store_true", help="stop at a bad row")
    data.add_argument("--metadata", nargs="+", default=[], metavar="K=V", help="or a JSON object")

    stages = parser.add_argument_group("stages and output")
    stages.add_argument("--predict_only", "-x", action="store_true", help="answer, do not judge")
    stages.add_argument("--responses", metavar="DIR", help="judge an earlier run's answers")
    stages.add_argument(
        "--baselines", action="store_true", help="score baselines without a model too"
    )
    stages.add_argument(
        "--name", metavar="NAME", help="system name in results (default: the model's)"
    )
    stages.add_argument(
        "--run", metavar="LABEL", help="run label, to distinguish runs of one model"
    )
    stages.add_argument(
        "--until_width", type=float, metavar="W",
        help="grade in random order until the interval of the score is this wide",
    )  # fmt: skip
    add_allow_missing(stages)
    stages.add_argument(
        "-o", "--output", "--output_path", dest="output_path", metavar="DIR",
        help="folder for result files",
    )  # fmt: skip
    add_all(stages)
    stages.add_argument("--log_samples", "-s", action="store_true", help="always on here")
    stages.add_argument("--use_cache", "-c", metavar="PATH", help="keep answers, as lm-eval does")
    stages.add_argument("--cache_requests", nargs="?", const="true", help=argparse.SUPPRESS)
    stages.add_argument("--show_config", action="store_true")
    stages.add_argument("--write_out", "-w", action="store_true")
    stages.add_argument("--verbosity", "-v", type=str.upper, default="WARNING", metavar="LEVEL")


def run(args: argparse.Namespace) -> int:
    """Run lm-eval, and print what it gave; what was finished is printed whatever ends it."""
    from ..evaluation.request import RunRequest
    from ..evaluation.run import Evaluated, evaluate

    if args.until_width is not None:
        from .run_until import check_until, run_until

        check_until(args)
        return run_until(args, RunRequest.from_arguments(args))
    request, runs = RunRequest.from_arguments(args), list[Evaluated]()
    try:
        return evaluate(request, runs)
    finally:
        show_evaluated(runs, request, args.words, is_whole=args.all)


def show_evaluated(
    runs: Sequence[Evaluated], request: RunRequest, words: Sequence[str], *, is_whole: bool
) -> None:
    """Print the scores of rubric tasks, and lm-eval's own table of all others.

    Args:
        runs: The model's, and those of baselines.
        request: What was asked for.
        words: The same in the words of the command line.
        is_whole: Print lm-eval's table of everything, and the path of every file.
    """
    lines = [
        ScoreLine(run.model, "", task, metrics)
        for run in runs
        for task, metrics in run.scores.items()
    ]
    for run in runs:
        if request.show_config and run.results:
            print(json.dumps(run.results["configs"], indent=2, default=str, ensure_ascii=False))
        if run.results and not request.predict_only and (is_whole or _has_others(run)):
            print(run.model, *_tables(run), sep="\n")
        if is_whole or not lines:
            print(*run.files, sep="\n")
    if lines and request.output_path:
        folder = Path(request.output_path)
        show_scores(lines, [folder], runs_below(folder))
    elif lines:
        show_scores(lines, [], [])
        print(f"next: {command(words, '-o', 'results')}")
    elif request.predict_only and runs and runs[0].files:
        print(f"\nnext: {_judging(runs[0], request)}")


def _judging(run: Evaluated, request: RunRequest) -> str:
    """Word the command that judges answers which were only given."""
    words = ["run", "--tasks", *request.tasks]
    for name in ("data", "columns", "rubric", "selector"):
        if (value := request.metadata.get(name)) is not None:
            words += [f"--{name}", str(value)]
    if request.limit is not None:
        words += ["--limit", f"{request.limit:g}"]
    words += ["--responses", str(run.files[0].parent), "--judge", "chat"]
    return command([*words, "--judge_args", "model=gpt-4.1-2025-04-14", "-o", "judged"])


def _has_others(run: Evaluated) -> bool:
    """Say whether a task was run that has no rubric score."""
    return bool(run.results["results"].keys() - run.scores.keys())


def _tables(run: Evaluated) -> Iterator[str]:
    from lm_eval.utils import make_table

    yield make_table(run.results)
    if "groups" in run.results:
        yield make_table(run.results, "groups")
