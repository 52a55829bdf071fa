"""The shapes of rows this package reads, and how each becomes an `Example`.

The shape is decided for each row by its own fields, never by another row or by its first criterion
alone. Where two readings are left, the row is refused with both named. docs/data.md shows every
shape with an example.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from ..errors import DataError
from ..rubric import Criterion, Example, Message, Rubric
from .columns import ID_FIELDS
from .conversations import is_missing, prompt_of
from .criteria import Form, criteria_of, criteria_of_text, form_of
from .forms.by_hand import spelt_out, texts_of_lines
from .forms.contract import criterion_row, placed, reference_of
from .forms.peers import without_sections
from .forms.trees import criteria_of_tree, is_tree, text_of_node
from .json_rows import Field

PROFESSIONAL_TAGS = ("use_case", "type", "difficulty", "specialty")
"""Fields of a HealthBench Professional row that become tags of the example."""
PRBENCH_TAGS = ("field", "topic", "expert")
PROMPT_FIELDS = ("prompt", "question", "messages", "instruction", "conversation", "input")
"""Where a prompt may stand; `prompt` counts before the others, between which a row must choose."""


class RowKind(StrEnum):
    """Which shape a row has; the table in docs/data.md says what each holds."""

    HEALTHBENCH = "healthbench"
    PROFESSIONAL = "healthbench_professional"
    RAR = "rar"
    PLAIN = "plain"
    RUBRICHUB = "rubrichub"
    RESEARCHRUBRICS = "researchrubrics"
    PRBENCH = "prbench"
    PROFBENCH = "profbench"
    OPENRUBRICS = "openrubrics"
    PAPERBENCH = "paperbench"
    AUTORUBRIC = "autorubric"
    VERIFIERS = "verifiers"


_KINDS = {
    "rubric_items": dict.fromkeys(Form, RowKind.PROFESSIONAL),
    "reward_model": dict.fromkeys(Form, RowKind.RUBRICHUB),
    "rubrics": {Form.POINTS: RowKind.HEALTHBENCH, Form.WEIGHT: RowKind.RESEARCHRUBRICS},
    "rubric": {Form.POINTS: RowKind.PLAIN, Form.WEIGHT: RowKind.RAR},
}
"""Kind of a row by the field its criteria stand in and their form; else the form's own name."""
_CRITERIA = "criteria"
"""Where verifiers' files have them; looked at only where no other field holds a rubric."""
RUBRIC_FIELDS = frozenset({*_KINDS, _CRITERIA})
"""Where a rubric may stand."""


def read_row(row: object) -> tuple[Example, RowKind]:
    """Turn a row into an example, and say which shape it has.

    Raises:
        DataError: No known shape, or two, or a field is wrong: names the field and what is there.
    """
    field = Field(row)
    if not isinstance(row, Mapping):
        raise field.fault("is not a JSON object")
    if field.has("criteria_met") or (field.has("conversations") and field.has("rubrics")):
        raise DataError(
            "the row holds recorded verdicts, not a rubric; give this file to 'rubricbeat import' "
            "and the rubrics by --data"
        )
    kind, criteria = _rubric_of(field)
    example = _example(field, kind, criteria)
    _require_positive_points(example.rubric)
    return example, kind


def rubric_in(value: object) -> Rubric:
    """Read a rubric by itself, as a row would hold it under `rubric`."""
    rubric = Rubric(_rubric_of(Field({"rubric": value}))[1])
    _require_positive_points(rubric)
    return rubric


def _require_positive_points(rubric: Rubric) -> None:
    if rubric.positive_points <= 0:
        raise DataError("the rubric has no positive points, so no score can be computed")


def _rubric_of(row: Field) -> tuple[RowKind, tuple[Criterion, ...]]:
    if _is_node(row):
        return RowKind.PAPERBENCH, criteria_of_tree(row)
    name, container = _container(row)
    given = texts_of_lines(container) if isinstance(container.value, str) else None
    if isinstance(container.value, str) and given is None:
        return RowKind.OPENRUBRICS, criteria_of_text(container)
    if is_tree(container):
        return RowKind.PAPERBENCH, criteria_of_tree(container)
    items = spelt_out(without_sections(container) if given is None else given)
    form = form_of(items)
    if name == "reward_model" and form is Form.POINTS:
        form = Form.RUBRICHUB
    kind = _KINDS.get(name, _KINDS["rubric"]).get(form) or RowKind[form.name]
    return kind, criteria_of(items, form)


def _is_node(row: Field) -> bool:
    """Say whether a row is itself the root of a tree, as PaperBench's rubric.json is."""
    return is_tree(row) and not any(row.has(name) for name in (*_KINDS, _CRITERIA))


def _container(row: Field) -> tuple[str, Field]:
    """Find the field that holds the criteria."""
    there = {name: inner for name in _KINDS if (inner := _criteria_in(row, name)) is not None}
    full = {name: inner for name, inner in there.items() if inner.value not in ([], "")} or there
    if not full and isinstance(row[_CRITERIA].decoded().value, list):
        return _CRITERIA, row[_CRITERIA].decoded()
    if not full:
        _refuse_unknown(row)
    (name, first), *others = full.items()
    for other, inner in others:
        if inner.value != first.value:
            raise DataError(
                f"two rubrics, in {first.path!r} and in {inner.path!r}, which differ; "
                f"--columns rubric={name} or rubric={other} chooses"
            )
    return name, first


def _criteria_in(row: Field, name: str) -> Field | None:
    if not row.has(name):
        return None
    found = row[name].decoded()
    if name != "reward_model":
        return found
    inner = found["rubrics"].decoded() if isinstance(found.value, Mapping) else found
    return inner if isinstance(found.value, Mapping) and inner.value is not None else None


def _refuse_unknown(row: Field) -> None:
    names = ("rubric", "rubrics", "rubric_items")
    null = next((name for name in names if name in row.members()), None)
    if null is not None:
        raise row[null].fault("is null: the row has no criteria")
    if any(row.has(name) for name in ("criterion", "requirement", "choices")):
        raise DataError(
            "one criterion per row: put all criteria of a prompt into one row, as a list 'rubric'"
        )
    raise DataError(
        "unknown shape: neither 'rubrics' (HealthBench) nor 'rubric' (RaR, plain) is among the "
        f"fields; found: {_found(row)}; --rubric FILE gives all rows one, --columns "
        "rubric=NAME,prompt=NAME reads other fields"
    )


def _found(row: Field) -> str:
    return ", ".join(repr(name[:24]) for name in sorted(map(str, row.members()))[:8]) or "none"


def _example(row: Field, kind: RowKind, criteria: tuple[Criterion, ...]) -> Example:
    prompt, canary = _turns(row, kind), row.first("canary", "canary_string")
    rubric = Rubric(placed(criteria, prompt))
    # what a judge sees beside the answer; "reference" of RaR is an answer no judge sees
    seen = ("judge_reference", "reference_submission", "reference")
    reference = reference_of(row.first(*seen[: 2 if kind is RowKind.RAR else 3]))
    return Example(
        prompt_id=_prompt_id(row, kind, prompt, rubric, reference),
        prompt=prompt,
        rubric=rubric,
        tags=_tags(row, kind),
        references=_references(row, kind),
        canary=canary.any_text() if canary.value is not None else None,
        reference=reference,
    )


def _turns(row: Field, kind: RowKind) -> tuple[Message, ...]:
    if kind is RowKind.PRBENCH and row.has("prompt_0"):
        return _prbench_turns(row)
    if kind is RowKind.PAPERBENCH and not any(row.has(name) for name in PROMPT_FIELDS):
        root = row if _is_node(row) else row.first("rubric", "rubrics").decoded()
        if isinstance(root.value, Mapping):  # what it asks for as a whole is the task
            return (Message("user", text_of_node(root)),)
    return _prompt(row)


def prompt_key(row: Mapping[str, object]) -> str | None:
    """Give what rows with the same prompt have in common; None where a row has no prompt."""
    if not any(row.get(name) not in (None, "") for name in PROMPT_FIELDS):
        return None
    return key_of_turns(_prompt(Field(row)))


def key_of_turns(turns: Sequence[Message]) -> str:
    """Give what rows with these turns have in common, blanks around them and Unicode's form aside.

    No id of a row begins as it does.
    """
    plain = [[m.role, unicodedata.normalize("NFC", m.content).strip()] for m in turns]
    return f"\0{json.dumps(plain)}"


def _prompt(row: Field) -> tuple[Message, ...]:
    if row.has("prompt"):
        return prompt_of(row["prompt"])
    there = [name for name in PROMPT_FIELDS if row.has(name) and row[name].value != ""]
    if not there:
        raise row["prompt"].fault(
            f"is missing; found: {_found(row)}; --columns prompt=NAME reads another field"
        )
    first, *others = [prompt_of(row[name]) for name in there]
    for name, other in zip(there[1:], others, strict=True):
        if other != first:
            raise DataError(
                f"two fields could be the prompt, {there[0]!r} and {name!r}; "
                f"--columns prompt={there[0]} or prompt={name} chooses"
            )
    return first


def _prbench_turns(row: Field) -> tuple[Message, ...]:
    """Put the numbered turns of PRBench together, each with the texts it refers to before it."""
    turns: list[Message] = []
    n_turns = 0
    while row.has(f"prompt_{n_turns}"):
        if n_turns:
            turns.append(Message("assistant", row[f"response_{n_turns - 1}"].any_text()))
        texts = row[f"reference_texts_{n_turns}"].decoded().strings()
        before = "".join(f"Reference Text {i}:\n{text}\n\n" for i, text in enumerate(texts))
        turns.append(Message("user", before + row[f"prompt_{n_turns}"].text()))
        n_turns += 1
    return tuple(turns)


def _prompt_id(
    row: Field,
    kind: RowKind,
    prompt: tuple[Message, ...],
    rubric: Rubric,
    reference: str | None,
) -> str:
    """Give the row's own id, or make one of its prompt and rubric that stays while they do."""
    own = {RowKind.PRBENCH: ("task",), RowKind.PROFBENCH: ("task_id",)}.get(kind, ())
    given = row.first("prompt_id", *own, *ID_FIELDS)
    if not is_missing(given.value):
        return given.identifier()
    # a field of ids with a hole in it; rows written by hand have no such field
    is_hole = kind is RowKind.HEALTHBENCH and "prompt_id" in row.members()
    if is_hole or kind is RowKind.PROFESSIONAL:
        raise row["prompt_id"].fault("is missing")
    content: tuple[object, ...] = (
        [[m.role, m.content] for m in prompt],
        [[c.text, c.points] for c in rubric.criteria],
    )
    if not rubric.is_plain or reference:
        content += ([criterion_row(c) for c in rubric.criteria], reference)
    digest = hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()
    return f"row-{digest[:24]}"


def _tags(row: Field, kind: RowKind) -> tuple[str, ...]:
    named = {RowKind.PROFESSIONAL: PROFESSIONAL_TAGS, RowKind.PRBENCH: PRBENCH_TAGS}.get(kind, ())
    if kind is RowKind.PROFBENCH:
        named = ("domain",)
    made = tuple(f"{name}:{row[name].text()}" for name in named if row.has(name))
    return tuple(dict.fromkeys(row.first("example_tags", "tags").strings() + made))


def _references(row: Field, kind: RowKind) -> tuple[str, ...]:
    if row.has("references"):
        return row["references"].strings()
    if kind is RowKind.HEALTHBENCH:
        ideal = row["ideal_completions_data"].decoded()
        return (ideal["ideal_completion"].text(),) if ideal.has("ideal_completion") else ()
    names = {
        RowKind.PROFESSIONAL: ("physician_response",),
        RowKind.RAR: ("reference_answer", "reference", "answer"),
    }.get(kind)
    reference = row.first(*names) if names else None
    return (reference.text(),) if reference is not None and reference.value else ()
