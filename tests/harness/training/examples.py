"""Made-up examples the training tests share."""

from __future__ import annotations

from rubricbeat.harness.training.loop.sft import PreparedSft, sft_rows
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric


def example(
    prompt_id: str = "p1",
    text: str = "what do i do about my heart",
    points: tuple[float, ...] = (5.0, 3.0, -2.0),
    words: tuple[str, ...] = ("rest", "call", "alone"),
    references: tuple[str, ...] = (),
) -> Example:
    """Build an example whose criteria are words; negative points are faults."""
    criteria = tuple(
        Criterion(
            f"Says {word}.",
            p,
            Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE,
            check={"mentions": word},
        )
        for p, word in zip(points, words, strict=True)
    )
    return Example(prompt_id, (Message("user", text),), Rubric(criteria), references=references)


def longest_pair(prepared: PreparedSft) -> int:
    """Count the tokens of the longest prompt and answer together."""
    turns = [[*row["prompt"], *row["completion"]] for row in sft_rows(prepared)]
    both = prepared.tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    return max(map(len, both))
