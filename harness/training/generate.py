"""Ask a policy prompts outside of training, and leave no trace in the run's random state.

A run that looks at held-out prompts must train exactly as one that does not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...judges.rubric import Example
from .config import DataSection
from .data import messages_of

BATCH = 16
"""Prompts in one call of `generate`."""


@contextmanager
def own_random_state(seed: int) -> Iterator[None]:
    """Seed everything inside, and give the outer random states back as they were."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # libraries draw from it
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def generate_answers(
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    data: DataSection,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    min_p: float | None = None,
    top_k: int = 0,
    repetition_penalty: float = 1.0,
    n: int = 1,
    seed: int = 0,
) -> list[list[str]]:
    """Answer each example n times, with the special tokens left out.

    Args:
        model: A causal language model, on its device.
        tokenizer: Its tokenizer, padded on the left.
        examples: What to ask.
        data: How conversations are worded.
        max_new_tokens: Most tokens of an answer.
        temperature: 0 for the most likely answer.
        top_p: As in training.
        min_p: As in training.
        top_k: As in training, where 0, which is TRL's, is for no limit.
        repetition_penalty: As in training: TRL's, and not what the model brings in its files.
        n: Answers to each prompt.
        seed: Of the sampling.
    """
    import torch

    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": top_k}
        if min_p is not None:
            sampling["min_p"] = min_p
    # said, or the model's own generation_config.json would say it
    sampling["repetition_penalty"] = repetition_penalty
    answers: list[list[str]] = []
    was_training = model.training
    model.eval()
    try:
        with own_random_state(seed), torch.no_grad():
            for start in range(0, len(examples), BATCH):
                batch = [messages_of(e, data) for e in examples[start : start + BATCH]]
                inputs = tokenizer.apply_chat_template(
                    batch,
                    add_generation_prompt=True,
                    padding=True,
                    return_tensors="pt",
                    return_dict=True,
                ).to(model.device)
                output = model.generate(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    max_new_tokens=max_new_tokens,
                    num_return_sequences=n,
                    pad_token_id=tokenizer.pad_token_id,
                    **sampling,
                )
                texts = tokenizer.batch_decode(
                    output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
                )
                answers.extend(texts[i : i + n] for i in range(0, len(texts), n))
    finally:
        model.train(was_training)
    return answers
