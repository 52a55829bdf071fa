"""The shapes of rows this package reads, and how each becomes an `Example`.

Recognised by their fields. Our own canonical row is a HealthBench row with more said, so one
reader serves both. docs/data.md shows every shape.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from ..arrays import CATEGORIES
from ..errors import DataError, near_names
from ..rubric import Criterion, Example, Message, Polarity, Rubric
from .polarity import category_from_prefix, polarity_from_wording
from .row_fields import Field

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Roles of a prompt's turns; what newer endpoints call developer is the system turn."""
MAX_POINTS = 1e9
"""Most that a criterion may be worth, either way."""
PROFESSIONAL_TAGS = ("use_case", "type", "difficulty", "specialty")
"""Fields of a HealthBench Professional row that become tags of the example."""


class RowKind(StrEnum):
    """Which shape a row has."""

    HEALTHBENCH = "healthbench"
    """`rubrics` of criterion, points, tags; HealthBench and our canonical row."""
    PROFESSIONAL = "healthbench_professional"
    """`conversation.messages` and `rubric_items` of criterion_text, points."""
    RAR = "rar"
    """`question` and `rubric` of title, description, weight; RaR-Medicine and RaR-Science."""
    PLAIN = "plain"
    """`prompt` as text or messages and `rubric` of criterion, points; ours, by hand."""
    RUBRICHUB = "rubrichub"
    """`reward_model.rubrics` of criterion, points."""
    RESEARCHRUBRICS = "researchrubrics"
    """`rubrics` of criterion, weight, axis."""


def kind_of_row(row: Any) -> RowKind:
    """Recognise the shape of a row.

    Raises:
        DataError: No known shape; says which fields were looked for.
    """
    field = Field(row)
    if not isinstance(row, Mapping):
        raise field.fault("is not a JSON object")
    if field.has("criteria_met") or (field.has("conversations") and field.has("rubrics")):
        raise DataError(
            "the row holds recorded verdicts, not a rubric; give this file to 'rubricbeat import' "
            "and the rubrics by --data"
        )
    if field.has("rubric_items"):
        return RowKind.PROFESSIONAL
    if isinstance(row.get("reward_model"), Mapping) and "rubrics" in row["reward_model"]:
        return RowKind.RUBRICHUB
    for name in ("rubrics", "rubric"):
        if field.has(name):
            return _kind_of_rubric(field[name], name)
    found = ", ".join(repr(name[:24]) for name in sorted(map(str, row))[:8]) or "none"
    raise DataError(
        "unknown shape: neither 'rubrics' (HealthBench) nor 'rubric' (RaR, plain) is among the "
        f"fields; found: {found}"
    )


def read_row(row: Any, kind: RowKind) -> Example:
    """Turn a row of a known shape into an example.

    Raises:
        DataError: Names the field and what is wrong with it.
    """
    example = _READERS[kind](Field(row))
    if example.rubric.positive_points <= 0:
        raise DataError("the rubric has no positive points, so no score can be computed")
    return example


def _kind_of_rubric(rubric: Field, name: str) -> RowKind:
    head = next(iter(rubric.items()))
    if not isinstance(head.value, Mapping):
        raise head.fault("is not an object with 'criterion' and 'points'")
    if name == "rubrics":
        return RowKind.RESEARCHRUBRICS if head.has("weight") else RowKind.HEALTHBENCH
    return RowKind.RAR if head.has("weight") or head.has("description") else RowKind.PLAIN


def _from_healthbench(row: Field) -> Example:
    return Example(
        prompt_id=row["prompt_id"].text(),
        prompt=_prompt(row["prompt"]),
        rubric=Rubric(tuple(_criterion(item) for item in row["rubrics"].items())),
        tags=_unique(row["example_tags"].strings()),
        references=_healthbench_references(row),
        canary=_canary(row, "canary"),
    )


def _healthbench_references(row: Field) -> tuple[str, ...]:
    if row.has("references"):
        return row["references"].strings()
    ideal = row["ideal_completions_data"]
    if ideal.value is None:
        return ()
    own = (ideal["ideal_completion"].text(),) if ideal.has("ideal_completion") else ()
    return own


def _from_professional(row: Field) -> Example:
    conversation = row["conversation"]
    turns = conversation["messages"] if conversation.has("messages") else conversation
    reference = row["physician_response"]
    return Example(
        prompt_id=row.first("id", "prompt_id").text(),
        prompt=_prompt(turns),
        rubric=Rubric(tuple(_criterion(item) for item in row["rubric_items"].items())),
        tags=tuple(f"{name}:{row[name].text()}" for name in PROFESSIONAL_TAGS if row.has(name)),
        references=(reference.text(),) if reference.value else (),
        canary=_canary(row, "canary_string", "canary"),
    )


def _from_rar(row: Field) -> Example:
    criteria = tuple(_rar_criterion(item) for item in row["rubric"].items())
    reference = row.first("reference_answer", "reference", "answer")
    return _with_id(
        row,
        prompt=_prompt(row.first("prompt", "question")),
        rubric=Rubric(criteria),
        references=(reference.text(),) if reference.value else (),
    )


def _rar_criterion(item: Field) -> Criterion:
    text = item.first("description", "criterion").text()
    points = _points(item.first("weight", "points"))
    category = _category(item["category"]) or category_from_prefix(text)
    if category is None and item.has("title"):
        category = category_from_prefix(item["title"].any_text())
    return Criterion(
        text=text,
        points=points,
        polarity=_polarity(item["polarity"]) or polarity_from_wording(text, points),
        tags=_unique(item["tags"].strings()),
        category=category,
    )


def _from_plain(row: Field) -> Example:
    return _with_id(
        row,
        prompt=_prompt(row.first("prompt", "messages")),
        rubric=Rubric(tuple(_criterion(item) for item in row["rubric"].items())),
        references=row["references"].strings(),
    )


def _from_rubrichub(row: Field) -> Example:
    rubrics = row["reward_model"]["rubrics"]
    criteria = tuple(
        _bare_criterion(item["criterion"].text(), _points(item["points"]))
        for item in rubrics.items()
    )
    return _with_id(row, prompt=_prompt(row["prompt"]), rubric=Rubric(criteria))


def _from_researchrubrics(row: Field) -> Example:
    criteria = tuple(
        _bare_criterion(
            item["criterion"].text(),
            _points(item["weight"]),
            (f"axis:{item['axis'].text()}",) if item.has("axis") else (),
        )
        for item in row["rubrics"].items()
    )
    return _with_id(row, prompt=_prompt(row["prompt"]), rubric=Rubric(criteria))


def _bare_criterion(text: str, points: float, tags: tuple[str, ...] = ()) -> Criterion:
    return Criterion(text, points, polarity_from_wording(text, points), tags)


def _criterion(item: Field) -> Criterion:
    points = _points(item["points"])
    by_sign = Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE
    check = item["check"]
    if check.value is not None and not isinstance(check.value, Mapping):
        raise check.fault("is not an object (a predicate of the keyword judge)")
    return Criterion(
        text=item.first("criterion", "criterion_text").text(),
        points=points,
        polarity=_polarity(item["polarity"]) or by_sign,
        tags=_unique(item["tags"].strings()),
        category=_category(item["category"]),
        check=check.value,
    )


def _points(field: Field) -> float:
    points = field.number()
    if points == 0:
        raise field.fault("is 0; a criterion must be worth something")
    if abs(points) > MAX_POINTS:
        raise field.fault(f"is {points:g}, beyond {MAX_POINTS:g}: sums would overflow")
    return points


def _polarity(field: Field) -> Polarity | None:
    if field.value is None:
        return None
    name = field.text().strip().lower()
    try:
        return Polarity(name)
    except ValueError:
        raise field.fault(
            f"is unknown; {near_names(name[:24], [p.value for p in Polarity])}"
        ) from None


def _category(field: Field) -> str | None:
    if field.value is None:
        return None
    name = field.text().strip().capitalize()
    if name not in CATEGORIES:
        raise field.fault(f"is unknown; {near_names(name[:24], CATEGORIES)}")
    return name


def _prompt(field: Field) -> tuple[Message, ...]:
    if isinstance(field.value, str):
        return (Message("user", field.text()),)
    messages = tuple(_message(item) for item in field.items())
    if messages[-1].role != "user":
        raise field.fault(f"ends with a turn of {messages[-1].role!r}; the last must be the user's")
    return messages


def _message(item: Field) -> Message:
    role = item["role"].text()
    if role not in ROLES:
        raise item["role"].fault(f"is unknown; {near_names(role[:24], ROLES)}")
    content = item["content"]
    if isinstance(content.value, list):  # the parts form of the chat API
        return Message(ROLES[role], "\n".join(part["text"].any_text() for part in content.items()))
    return Message(ROLES[role], content.any_text())


def _with_id(
    row: Field,
    prompt: tuple[Message, ...],
    rubric: Rubric,
    references: tuple[str, ...] = (),
) -> Example:
    """Build an example whose row may lack an id: one is made of its prompt and rubric."""
    given = row.first("prompt_id", "id", "sample_id")
    if given.value is None:
        content = (
            [[m.role, m.content] for m in prompt],
            [[c.text, c.points] for c in rubric.criteria],
        )
        digest = hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()
        prompt_id = f"row-{digest[:24]}"
    elif isinstance(given.value, int) and not isinstance(given.value, bool):
        prompt_id = str(given.value)
    else:
        prompt_id = given.text()
    return Example(
        prompt_id=prompt_id,
        prompt=prompt,
        rubric=rubric,
        tags=_unique(row.first("example_tags", "tags").strings()),
        references=references,
        canary=_canary(row, "canary"),
    )


def _canary(row: Field, *names: str) -> str | None:
    field = row.first(*names)
    return None if field.value is None else field.any_text()


def _unique(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


_READERS: dict[RowKind, Callable[[Field], Example]] = {
    RowKind.HEALTHBENCH: _from_healthbench,
    RowKind.PROFESSIONAL: _from_professional,
    RowKind.RAR: _from_rar,
    RowKind.PLAIN: _from_plain,
    RowKind.RUBRICHUB: _from_rubrichub,
    RowKind.RESEARCHRUBRICS: _from_researchrubrics,
}
