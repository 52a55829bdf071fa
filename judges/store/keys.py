"""Keys of verdicts: the judge, exactly what it was asked, and which replicate.

The same question to the same judge has the same key for ever; whatever changes an answer is part
of it.
"""

from __future__ import annotations

import hashlib
import json

from ..judge import JudgeIdentity, Question
from ..rubric import Criterion, Example


def verdict_key(identity: JudgeIdentity, material: bytes, replicate: int) -> bytes:
    """Give the key of a verdict: judge, exact request and replicate number, hashed."""
    digest = hashlib.sha256(identity.digest.encode())
    digest.update(b"\0%d\0" % replicate)
    digest.update(material)
    return digest.digest()


def question_material(question: Question) -> bytes:
    """Give what a question consists of, for judges that do not say so themselves."""
    criterion = question.criterion
    return json.dumps(
        [
            [[m.role, m.content] for m in question.example.prompt],
            question.answer,
            criterion.text,
            criterion.points,
            *_beside(criterion, question.example),
        ]
    ).encode()


def rating_material(example: Example, answer: str) -> bytes:
    """Give what a rating is asked about, for judges that do not say so themselves."""
    return json.dumps(
        [
            [[m.role, m.content] for m in example.prompt],
            answer,
            [[c.text, c.points, *_beside(c, example)] for c in example.rubric.criteria],
        ]
    ).encode()


def _beside(criterion: Criterion, example: Example) -> list[dict[str, object]]:
    """Give what a judge may see beside a criterion's text and points; nothing of a plain one."""
    reference = example.reference_of(criterion)
    beside: dict[str, object] = {}
    if criterion.levels:
        beside["levels"] = [[level.text, level.points] for level in criterion.levels]
    if criterion.is_nominal:
        beside["nominal"] = True
    if criterion.na:
        beside["na"] = True  # what follows from it is no part of the question
    if reference:
        beside["reference"] = reference
    if criterion.turn != -1:
        beside["turn"] = criterion.turn
    return [beside] if beside else []
