"""Criteria as autorubric and verifiers write them.

autorubric: `requirement`, `weight` (10 where none is given), `options` of `label` and `value` in
[0, 1], one of which may be `na`; `scale_type`. verifiers: `name`, `text`, `weight` (1), `choices`
from worst to best, evenly spaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...rubric import Criterion
from ..columns import ID_FIELDS
from ..conversations import is_missing
from ..json_rows import Field
from .contract import completed, points_of, scale_of, sign_of, worth_of

AUTORUBRIC_WEIGHT = 10.0
VERIFIERS_WEIGHT = 1.0
_YES_NO = ["no", "yes"]


def is_autorubric(item: Field) -> bool:
    """Say whether a criterion is written as autorubric writes it."""
    return item.has("requirement") and not item.has("criterion")


def is_verifiers(item: Field) -> bool:
    """Say whether a criterion is written as verifiers writes it."""
    has_own = item.has("choices") or (item.has("name") and not item.has("points"))
    return (
        item.has("text") and has_own and not item.has("criterion") and not item.has("description")
    )


def without_sections(container: Field) -> Iterator[Field]:
    """Give the criteria of autorubric's list, or of its sections, in order."""
    if container.has("sections"):
        container = container["sections"].decoded()
    for item in container.items():
        is_text = isinstance(item.value, str) and not item.value.lstrip().startswith("{")
        item = item if is_text else item.decoded()  # "[safety] Says why" is a criterion
        if isinstance(item.value, Mapping) and item.has("criteria"):
            yield from item["criteria"].decoded().items()
        else:
            yield item


def rows_of_set(row: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Give the rows that a data set of autorubric stands for; any other row as it is.

    One for each prompt with a rubric: an item has its own, or the set's. Answers to the same prompt
    and rubric are one row.
    """
    items = row.get("items")
    if not isinstance(items, list) or not items or not all(map(_is_submission, items)):
        return [row]
    own = ("prompt", "rubric", "reference_submission")
    rest = {name: value for name, value in row.items() if name not in ("items", "name")}
    found: list[dict[str, object]] = []
    for item in items:
        mine = {name: item[name] for name in own if item.get(name) is not None}
        if rest | mine not in found:
            found.append(rest | mine)
    if len(found) > 1:  # the set's id would be the same for each
        found = [{name: each[name] for name in each if name not in ID_FIELDS} for each in found]
    return [*found]


def _is_submission(item: object) -> bool:
    return isinstance(item, Mapping) and "submission" in item


def from_autorubric(item: Field) -> Criterion:
    """Read one of autorubric's."""
    options = item["options"].decoded()
    changes: dict[str, object] = {}
    if not is_missing(options.value):
        every = list(options.items())
        kept = [each for each in every if each["na"].value is not True]
        levels = [{"text": each["label"].text(), "share": _value(each)} for each in kept]
        if len(levels) < 2:
            raise options.fault("need two or more that are not 'na'")
        if all(level["share"] != 1 for level in levels):
            raise options.fault("have no value of 1; the best one has all of the weight")
        changes = {
            "levels": levels,
            "scale": scale_of(item["scale_type"]),
            "may_be_na": len(kept) < len(every) or item["may_be_na"].value,
        }
    return _criterion(item, "requirement", _weight(item, AUTORUBRIC_WEIGHT), changes)


def _value(option: Field) -> float:
    value = option["value"].number()
    if not 0 <= value <= 1:
        raise option["value"].fault(f"is {value:g}, not between 0 and 1")
    return value


def from_verifiers(item: Field) -> Criterion:
    """Read one of verifiers'; the two choices no and yes are "not met" and "met"."""
    weight = _weight(item, VERIFIERS_WEIGHT)
    if weight < 0:
        raise item["weight"].fault(f"is {weight:g}; verifiers takes no negative weight")
    choices = item["choices"].decoded()
    changes: dict[str, object] = {}
    if not is_missing(choices.value):
        words = [each.text() for each in choices.items()]
        if len(set(words)) < len(words):
            raise choices.fault("name one choice twice")
        if len(words) < 2:
            raise choices.fault("has one entry; give two or more")
        if [word.lower() for word in words] != _YES_NO:
            best = len(words) - 1
            changes["levels"] = [
                {"text": word, "share": rank / best} for rank, word in enumerate(words)
            ]
    return _criterion(item, "text", weight, changes)


def _weight(item: Field, default: float) -> float:
    return default if is_missing(item["weight"].value) else points_of(item["weight"])


def _criterion(item: Field, text: str, weight: float, changes: Mapping[str, object]) -> Criterion:
    """Read a criterion with our names for what another program calls otherwise."""
    mine = {name: v for name, v in changes.items() if v is not None}
    if item.has("name"):
        mine["id"] = item["name"].value
    read = Field({**item.members(), **mine}, item.parent, item.key)
    points = worth_of(read, Field(weight, item, "weight"))
    return completed(read, Criterion(item[text].text(), points, sign_of(points)))
