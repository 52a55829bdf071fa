"""How long a judge's calls are, measured on its own wording with filler of a given length.

No call is made: the judge words made-up questions, and the places where they part company show
what a prefix cache can reuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from .call_plan import CallShape
from .judge import Judge, Question
from .prices import BYTES_PER_TOKEN
from .rubric import Criterion, Example, Message, Polarity, Rubric
from .store import question_material

_ITEM_FRAME_BYTES = 12
"""Number, points and line break around an item of a grouped call."""


def call_shape(
    judge: Judge,
    *,
    prompt_tokens: float,
    answer_tokens: float,
    criterion_tokens: float,
    reply_tokens: float,
) -> CallShape:
    """Measure the parts of a judge's call.

    Args:
        judge: Whose wording it is.
        prompt_tokens: Of the conversation before the answer.
        answer_tokens: Of the answer.
        criterion_tokens: Of one criterion.
        reply_tokens: Of the reply, for one verdict.
    """
    material: Callable[[Question], bytes] = getattr(judge, "key_material", question_material)

    def words(conversation: str, answer: str, criterion: str) -> str:
        example = _example(
            _filler(conversation, prompt_tokens), _filler(criterion, criterion_tokens)
        )
        return _said(material(Question(example, _filler(answer, answer_tokens), 0)))

    base = words("a", "a", "a")
    ends = [
        _n_shared(base, other)
        for other in (words("b", "b", "b"), words("a", "b", "b"), words("a", "a", "b"))
    ]
    # a judge that words the criterion first shares nothing behind it
    head, with_conversation, with_answer = ends[0], max(ends[:2]), max(ends)
    per_token = BYTES_PER_TOKEN
    return CallShape(
        head / per_token,
        (with_conversation - head) / per_token,
        (with_answer - with_conversation) / per_token,
        (len(base) - with_answer) / per_token,
        criterion_tokens + _ITEM_FRAME_BYTES / per_token,
        reply_tokens,
        max(1, int(getattr(judge, "group_size", 1) or 1)),
    )


def _example(prompt: str, criterion: str) -> Example:
    rubric = Rubric((Criterion(criterion, 5.0, Polarity.DESIRABLE),))
    return Example("planned", (Message("user", prompt),), rubric)


def _n_shared(one: str, other: str) -> int:
    """Count the characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _filler(letter: str, tokens: float) -> str:
    return letter * max(1, round(tokens * BYTES_PER_TOKEN))


def _said(material: bytes) -> str:
    """Take the words out of a request: its JSON has escapes that no model reads."""
    try:
        messages = json.loads(material)
        return "\n".join(f"{message['role']}: {message['content']}" for message in messages)
    except (ValueError, TypeError, KeyError, IndexError):
        return material.decode("utf-8", "replace")
