"""Find verdicts on criteria in what a scorer wrote, and the rubric they belong to.

Scorers keep verdicts under names of their own. Any list whose entries carry a verdict and a
criterion is taken; points and tags come from the entries, or from the sample's own rubric.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...judges.errors import DataError
from .values import at, decoded, first_of, listed, mapping

TEXT_KEYS = (
    *("criterion", "criterion_text", "criteria", "rubric", "requirement", "text", "description"),
    *("title", "name"),
)
MET_KEYS = (
    *("criteria_met", "criterion_met", "met", "is_met", "verdict", "passed", "pass", "satisfied"),
    *("grade", "judgement", "judgment", "label", "result"),
)
LOOSE_KEYS = ("value", "answer", "status")
"""Names that hold a verdict only beside the text of a criterion; alone they may hold anything."""
WORD_KEYS = (
    *("explanation", "judge_explanation", "reason", "reasoning", "justification", "rationale"),
)
POINT_KEYS = ("points", "weight")
ID_KEYS = ("id", "criterion_id", "name", "title")
LEVEL_KEYS = ("levels", "scale", "may_be_na")
CONDITION_KEYS = ("id", "requires", "gate")
"""Taken where a criterion of the rubric has a requirement or a gate; ids alone may be anything."""
RUBRIC_KEYS = ("rubrics", "rubric", "rubric_items", "criteria")
MAX_DEPTH = 4

Entry = Mapping[str, object]
"""A criterion or a verdict, as a log has it."""


@dataclass(frozen=True, slots=True)
class JudgedCriterion:
    """One criterion with the value that is its verdict."""

    row: dict[str, object]
    """As in a canonical row: criterion, points, tags; levels and conditions if there are any."""
    value: object
    """As the log has it; `Findings` reads it."""
    words: str
    """The judge's."""


def find_judged(value: object, rubric: Sequence[Entry]) -> list[JudgedCriterion]:
    """Find the verdicts on criteria in some metadata, the nearest to its top first.

    Args:
        value: A mapping or list of any shape.
        rubric: The sample's own rubric, for what the verdicts do not say; may be empty.

    Returns:
        Empty where no verdicts stand there.

    Raises:
        DataError: A verdict has no text or no points, here nor in the rubric.
    """
    fault: DataError | None = None
    for entries in _verdict_lists(value, MAX_DEPTH, any(map(_has_levels, rubric))):
        if len(entries) == len(rubric) or all(_first(e, TEXT_KEYS) is not None for e in entries):
            try:
                return [_judged(entry, n, rubric) for n, entry in enumerate(entries)]
            except DataError as error:  # another list may hold the verdicts
                fault = fault or error
    named = list(_by_name(value, rubric))
    if fault is not None and not named:
        raise fault
    return named


def own_rubric(*places: object) -> list[Entry]:
    """Give the rubric of the first place that holds one, as entries; empty where none does.

    `criteria` with `points_list` beside it is a rubric in two lists, of texts and of points.
    """
    for place in map(mapping, places):
        points = place.get("points_list") or place.get("points")
        for entries in filter(None, (listed(decoded(place.get(key))) for key in RUBRIC_KEYS)):
            if isinstance(points, list) and all(isinstance(e, str) for e in entries):
                return _paired(entries, points, listed(place.get("axes")))
            if all(_first(mapping(e), TEXT_KEYS) for e in entries):
                return list(map(mapping, entries))
    return []


def unjudged(rubric: Sequence[Entry]) -> list[JudgedCriterion]:
    """Give the criteria of a rubric without any verdict, for an answer that never came."""
    return [_judged(entry, n, rubric) for n, entry in enumerate(rubric)]


_MARKED = re.compile(r"^\[(?P<mark>\w+|[✓✔✗✘])\] \[(?P<points>[-+\d.eE]+)\] ", re.MULTILINE)


def read_marked(text: object, rubric: Sequence[Entry]) -> list[JudgedCriterion]:
    """Read verdicts from an explanation of blocks `[True] [5] criterion`, then the judge's words.

    evalscope and openbench write no list but such a text. It is read only where every criterion of
    the rubric stands in it by its whole text and points; else the answer is an empty list.
    """
    if not isinstance(text, str):
        return []
    heads = list(_MARKED.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    blocks = [(head, text[head.end() : end]) for head, end in zip(heads, ends, strict=True)]
    judged = []
    for n, entry in enumerate(rubric):
        row = _judged(entry, n, rubric).row
        wanted, points = str(row["criterion"]), row.get("points", "none")
        found = next(
            (
                (head, words)
                for head, words in blocks
                if words.startswith(wanted + "\n") and _number(head["points"]) == points
            ),
            None,
        )
        if found is None:
            return []
        blocks.remove(found)
        words = found[1].removeprefix(wanted).strip().removeprefix("Explanation:").strip()
        judged.append(JudgedCriterion(row, found[0]["mark"], words))
    return judged


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _verdict_lists(value: object, depth: int, levels: bool) -> Iterator[list[Entry]]:
    if isinstance(value, list) and value:
        if all(_met_key(mapping(e), levels) for e in value):
            yield value
        elif depth and len(value) == 1:  # one round of judging, as a list in a list
            yield from _verdict_lists(value[0], depth - 1, levels)
    elif depth:
        for inner in mapping(value).values():
            yield from _verdict_lists(inner, depth - 1, levels)


def _by_name(value: object, rubric: Sequence[Entry]) -> Iterator[JudgedCriterion]:
    """Read a mapping of the rubric's own texts or names to verdicts, wherever it stands."""
    names = [{str(e[key]) for key in (*ID_KEYS, *TEXT_KEYS) if key in e} for e in rubric]
    for place in _mappings(value, MAX_DEPTH) if rubric else ():
        keys = [next((k for k in place if str(k) in known), None) for known in names]
        if None in keys or len(set(keys)) < len(keys):
            keys = [f"_crit_{n}_met" for n in range(len(rubric))]  # inspect_evals' reduced value
        given = [place[key] for key in keys if key is not None and key in place]
        if len(given) < len(rubric):
            continue
        for one, said in zip(unjudged(rubric), given, strict=True):
            met_key = _met_key(mapping(said))
            yield JudgedCriterion(
                one.row, at(said, met_key) if met_key else said, _words(mapping(said))
            )
        return


def _mappings(value: object, depth: int) -> Iterator[Entry]:
    if isinstance(value, Mapping):
        yield value
        if depth:
            for inner in value.values():
                yield from _mappings(inner, depth - 1)


def _judged(entry: Entry, place: int, rubric: Sequence[Entry]) -> JudgedCriterion:
    text = _first(entry, TEXT_KEYS)
    if isinstance(text, Mapping):  # the whole criterion may stand there
        entry, text = {**text, **entry}, _first(text, TEXT_KEYS)
    known = _known(entry, text, place, rubric)
    text = _first(known, TEXT_KEYS) or text
    points = first_of((_first(entry, POINT_KEYS), _first(known, POINT_KEYS)))
    more = _more(entry, known, rubric)
    if not isinstance(text, str) or (points is None and "levels" not in more):
        raise DataError(f"criterion {place} has no text or no points")
    tags = entry.get("tags") or known.get("tags") or _axis(entry) or _axis(known)
    worth = {} if points is None else {"points": points}
    return JudgedCriterion(
        {"criterion": text, **worth, "tags": tags, **more},
        _value_in(entry, "levels" in more),
        _words(entry),
    )


def _words(entry: Entry) -> str:
    return str(_first(entry, WORD_KEYS) or "")


def _more(entry: Entry, known: Entry, rubric: Sequence[Entry]) -> dict[str, object]:
    """Give what a criterion has beside text, points and tags."""
    source = next(filter(_has_levels, (entry, known)), {})
    names = LEVEL_KEYS if source else ()
    more = {name: source[name] for name in names if name in source}
    if any(isinstance(one.get("gate"), Mapping) or "requires" in one for one in rubric):
        more |= {name: known[name] for name in CONDITION_KEYS if known.get(name) is not None}
    may_be_na = first_of((entry.get("may_be_na"), known.get("may_be_na")))
    if may_be_na is not None:
        more.setdefault("may_be_na", may_be_na)
    return more


def _has_levels(entry: Entry) -> bool:
    levels = listed(entry.get("levels"))
    return len(levels) > 1 and all(mapping(e).keys() & {"points", "share"} for e in levels)


def _value_in(entry: Entry, has_levels: bool) -> object:
    """Give the value that is the verdict; a level, or "not applicable", as an object."""
    if entry.get("outcome") == "not_applicable":
        return {"outcome": "not_applicable"}
    key = _met_key(entry, has_levels)
    if key is None:
        return None
    return {"level": entry["level"]} if key == "level" else entry[key]


def _known(entry: Entry, text: object, place: int, rubric: Sequence[Entry]) -> Entry:
    """Find a verdict's criterion in the rubric: by its text or name, else by its place."""
    for other in rubric:
        if text is not None and text in [other.get(key) for key in (*TEXT_KEYS, *ID_KEYS)]:
            return other
    for key in ID_KEYS:
        same = [other for other in rubric if key in entry and other.get(key) == entry[key]]
        if len(same) == 1:
            return same[0]
    return rubric[place] if text is None and place < len(rubric) else {}


def _axis(entry: Entry) -> list[str]:
    axis = entry.get("axis")
    return [f"axis:{axis}"] if isinstance(axis, str) and axis else []


def _paired(texts: list[object], points: list[object], axes: list[object]) -> list[Entry]:
    if len(texts) != len(points):
        raise DataError(f"{len(texts)} criteria stand beside {len(points)} points")
    axes = axes if len(axes) == len(texts) else [None] * len(texts)
    return [
        {"criterion": text, "points": value, "axis": axis}
        for text, value, axis in zip(texts, points, axes, strict=True)
    ]


def _met_key(entry: Entry, has_levels: bool = False) -> str | None:
    """Name the field with the verdict: the first that holds one, else the first there is.

    Args:
        entry: A verdict, as a log has it.
        has_levels: Whether the rubric has levels, so that `level` may be one.
    """
    loose = LOOSE_KEYS if isinstance(_first(entry, TEXT_KEYS), (str, Mapping)) else ()
    levels = ("level",) if has_levels or _has_levels(entry) else ()
    there = [key for key in (*levels, *MET_KEYS, *loose) if key in entry]
    return next((key for key in there if entry[key] is not None), there[0] if there else None)


def _first(entry: Entry, keys: Sequence[str]) -> object:
    return first_of(map(entry.get, keys))
