"""The JSON that a judge is asked for, as its schema says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...replies.readings import AllowedReply


def _schema(**properties: object) -> dict[str, object]:
    """Write the schema of an object that holds just these."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _verdict_fields(expected: AllowedReply) -> dict[str, object]:
    """Write what an object says of one criterion."""
    kinds = ["null"] if expected.may_be_na else []
    fields: dict[str, object] = {"explanation": {"type": "string"}}
    if expected.levels:
        numbers: list[int | None] = list(range(len(expected.levels)))
        values = [*numbers, None] if expected.may_be_na else numbers
        fields["level"] = {"type": ["integer", *kinds] if kinds else "integer", "enum": values}
    else:
        fields["criteria_met"] = {"type": ["boolean", *kinds] if kinds else "boolean"}
    return fields | ({"not_applicable": {"type": "boolean"}} if expected.may_be_na else {})


def _items(expected: Sequence[AllowedReply]) -> dict[str, object]:
    """Write what a list holds: the form of each item, those of one form together."""
    numbers_of: dict[tuple[int, bool], list[int]] = {}
    for number, one in enumerate(expected, start=1):
        numbers_of.setdefault((len(one.levels), one.may_be_na), []).append(number)
    forms = [
        _schema(
            index={"type": "integer", "enum": numbers},
            **_verdict_fields(expected[numbers[0] - 1]),
        )
        for numbers in numbers_of.values()
    ]
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What a completion is asked for."""

    name: str
    """`verdict`, `verdicts`, `rating`; `word` and `words` where it is no JSON."""
    schema: Mapping[str, object] | None = field(default=None, hash=False)
    """Of its JSON; None where it is none."""

    @property
    def is_one_word(self) -> bool:
        """Whether its first token says all."""
        return self.name == "word"


_VERDICT = {"explanation": {"type": "string"}, "criteria_met": {"type": "boolean"}}
VERDICT = ReplyForm("verdict", _schema(**_VERDICT))
_ITEM = _schema(index={"type": "integer"}, **_VERDICT)
VERDICTS = ReplyForm("verdicts", _schema(verdicts={"type": "array", "items": _ITEM}))
RATING = ReplyForm("rating", _schema(explanation={"type": "string"}, rating={"type": "integer"}))
ONE_WORD, IN_WORDS = ReplyForm("word"), ReplyForm("words")


def form_of(expected: Sequence[AllowedReply], *, is_grouped: bool) -> ReplyForm:
    """Write the form of the JSON that says something of some criteria."""
    if all(one.is_plain for one in expected):
        return VERDICTS if is_grouped else VERDICT
    if is_grouped:
        listed = {"type": "array", "items": _items(expected)}
        return ReplyForm(VERDICTS.name, _schema(verdicts=listed))
    return ReplyForm(VERDICT.name, _schema(**_verdict_fields(expected[0])))


def response_format(kind: str, form: ReplyForm) -> dict[str, object]:
    """Write the `response_format` of a chat request.

    Args:
        kind: `json_schema` or `json_object`.
        form: What is asked for, of JSON.
    """
    if kind == "json_object":
        return {"type": "json_object"}
    schema = dict(form.schema or {})
    return {
        "type": "json_schema",
        "json_schema": {"name": form.name, "strict": True, "schema": schema},
    }
