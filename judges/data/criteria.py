"""Read the criteria of a row: which of the published forms they have, and each as a `Criterion`.

All criteria of a row have one form. `criterion` with `points` is that form whatever stands beside.

The sign of the points does not tell whether "true" is good: 88 % of the pitfalls of RaR-Medicine
are phrased as faults ("Does not mention ...", "Recommends ...": true is bad) and 80 % of those of
RaR-Science as avoidance ("Avoids ...", "Must not ...": true is good), all with a negative weight
(method sheet, section 1). The rules here read the first words of one criterion; its own `polarity`
always wins over them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from ..errors import DataError
from ..rubric import CATEGORIES, Criterion, Polarity
from .forms.contract import completed, points_of, sign_of, worth_of
from .forms.peers import from_autorubric, from_verifiers, is_autorubric, is_verifiers
from .json_rows import Field, kind_of

PROFBENCH_POINTS = {"critical": 4.0, "major": 3.0, "minor": 2.0, "additional": 1.0}
"""What ProfBench's own scoring makes of the words of `criterion_weight` (arXiv 2510.18941)."""
PRBENCH_CLASSES = (
    "critically important", "important", "slightly important",
    "slightly detrimental", "detrimental", "critically detrimental",
)  # fmt: skip
"""`weight_class` of PRBench; the weight is in the annotation of that name with `_weight`."""
_TEXT_ITEM = re.compile(
    r"\s*(?:\d+\s*[.):]|[-*\u2022])?\s*(?P<text>\S.*?)\s*\[(?P<kind>Hard Rule|Principle)\][.;]?",
    re.I | re.S,
)

_PREFIX = re.compile(r"^\W*(?:essential|important|optional|pitfall)\s+criteri(?:a|on)\s*:\s*", re.I)
_SUBJECT = re.compile(
    r"^(?:(?:the|this|an?)\s+)?(?:response|answer|solution|model|explanation|it|reply)\s+", re.I
)

_BAD_DEEDS = (
    r"assum|bias|blam|claim|conceal|conflat|confus|contradict|copy|deny|dismiss|distort|downplay|"
    r"exaggerat|exceed|exclud|fabricat|fail|forget|fudge|guess|hallucinat|ignor|incorrect|inflat|"
    r"invent|invert|lack|lose|mis\w+|mix|neglect|omit|over\w+|promis|repeat|revers|rush|skip|swap|"
    r"underestimat|understat|violat|wrong"
)
"""Stems of what a bad answer does: "does not confuse X with Y" is avoidance.

Without one of them, "does not ..." is a fault of omission: the published instructions for writing
RaR rubrics begin every pitfall with "Does not mention ..." or "Recommends ..." (arXiv 2507.17746).
"""

_NEGATION = r"(?:does\s+not|doesn['\u2019]t|do\s+not|don['\u2019]t|did\s+not)"
_AVOIDANCE = re.compile(
    rf"^(?:avoid|refrain|{_NEGATION}\s+(?:{_BAD_DEEDS})|(?:is|are)\s+not\b|never\b|not\b"
    r"|(?:should|must|shall|may|can|need|ought)(?:\s+to)?\s*(?:not\b|n['\u2019]t\b|never\b|avoid)"
    r"|(?:should|must)\s+(?:refrain|steer\s+clear|stay\s+clear)|cannot\b"
    r"|(?:steers?|stays?)\s+(?:clear|away)|(?:is\s+)?free\s+(?:of|from)\b|contains?\s+no\b)",
    re.I,
)


class Form(StrEnum):
    """How a criterion is written."""

    POINTS = "'criterion' and 'points'"
    RUBRICHUB = "'criterion' and 'points' with an object of tags"
    WEIGHT = "'criterion' and 'weight'"
    RAR = "'description' and 'weight'"
    PRBENCH = "'title' and 'annotations'"
    PROFBENCH = "'criterion_description' and 'criterion_weight'"
    AUTORUBRIC = "'requirement' and 'options'"
    VERIFIERS = "'text' and 'choices'"


def form_of(items: Sequence[Field]) -> Form:
    """Find the one form that all criteria of a row have.

    Raises:
        DataError: Two of them have different forms, or one can be read in two.
    """
    found: dict[Form, Field] = {}
    for item in items:
        if not isinstance(item.value, Mapping):
            raise item.fault(
                f"is not an object with 'criterion' and 'points', but {kind_of(item.value)}"
            )
        if (form := _form(item)) is not None:
            found.setdefault(form, item)
        if len(found) > 1:
            (first, one), (other, another) = found.items()
            raise DataError(
                f"{one.path} has {first} and {another.path} has {other}: two forms in one rubric; "
                "write all criteria in one"
            )
    return next(iter(found), Form.POINTS)


def _form(item: Field) -> Form | None:
    """Give the form of one criterion; None where too little of it is there to tell."""
    if item.has("annotations"):
        return Form.PRBENCH
    if item.has("criterion_description") or item.has("criterion_weight"):
        return Form.PROFBENCH
    if is_autorubric(item):
        return Form.AUTORUBRIC
    if is_verifiers(item):
        return Form.VERIFIERS
    _refuse_two(item, "criterion", "criterion", "criterion_text")
    has_text = item.has("criterion") or item.has("criterion_text")
    has_levels = item.has("levels") and not item.has("weight")
    if has_text and (item.has("points") or has_levels):
        return Form.RUBRICHUB if isinstance(item["tags"].value, Mapping) else Form.POINTS
    if has_text and item.has("weight"):
        if item.has("description") and item["description"].value != item["criterion"].value:
            raise item.fault(
                "has 'criterion' (ResearchRubrics) and 'description' (RaR), and either could be "
                "the text; --columns criterion=NAME chooses"
            )
        return Form.WEIGHT
    if item.has("description"):
        _refuse_two(item, "points", "weight", "points")
        return Form.RAR
    return None


def _refuse_two(item: Field, field: str, first: str, other: str) -> None:
    """Refuse two names of one field whose values differ."""
    if item.has(first) and item.has(other) and item[first].value != item[other].value:
        raise item.fault(
            f"has {first!r} and {other!r}, which differ; --columns {field}={first} or "
            f"{field}={other} chooses"
        )


def criteria_of(items: Sequence[Field], form: Form) -> tuple[Criterion, ...]:
    """Read criteria of a form; one that a rule and not a judge checks is refused."""
    for number, item in enumerate(items, start=1):
        _refuse_rules(item, number, len(items))
    found = [
        _READERS[form](item) if form in _WHOLE else completed(item, _READERS[form](item))
        for item in items
    ]
    if form is Form.PRBENCH:  # its ids name rows of a table, and mean nothing where none asks
        asked = {c.requires.id for c in found if c.requires is not None}
        found = [c if c.id in asked else replace(c, id=None) for c in found]
    return tuple(found)


def criteria_of_text(field: Field) -> tuple[Criterion, ...]:
    """Read a rubric that is a text of items ending in [Hard Rule] or [Principle] (OpenRubrics).

    The set gives them no weights: each is worth 1 point.
    """
    text = field.text()
    criteria = []
    end = 0
    while text[end:].strip():
        match = _TEXT_ITEM.match(text, end)
        if match is None:
            raise field.fault(
                "has items that end in [Hard Rule] or [Principle] and others that do not; end all "
                "of them so, or none"
            )
        tag = f"type:{match['kind'].lower()}"
        criteria.append(Criterion(" ".join(match["text"].split()), 1.0, Polarity.DESIRABLE, (tag,)))
        end = match.end()
    return tuple(criteria)


def _refuse_rules(item: Field, number: int, n_items: int) -> None:
    tags = item["tags"].value
    verifier = tags.get("verifier") if isinstance(tags, Mapping) else None
    if isinstance(verifier, str) and verifier.lower() not in {"", "llm"}:
        raise DataError(
            f"criterion {number} of {n_items} is checked by a rule and not by a judge "
            f"(tags.verifier is {verifier[:24]!r})"
        )


def _read(
    item: Field,
    text: Field,
    points: Field,
    polarity_of: Callable[[str, float], Polarity],
    tags: tuple[str, ...] = (),
) -> Criterion:
    """Read a criterion whose text and points stand in these fields; its own polarity wins."""
    words, worth = text.text(), worth_of(item, points)
    polarity = _polarity(item["polarity"]) or polarity_of(words, worth)
    category = item["category"].any_text().strip() if item["category"].value is not None else ""
    if (known := category.capitalize()) in CATEGORIES:
        return Criterion(words, worth, polarity, tuple(dict.fromkeys(tags)), known)
    # any other is a tag, by which slices are made as by any other
    tags += (f"category:{category}",) if category else ()
    return Criterion(words, worth, polarity, tuple(dict.fromkeys(tags)))


def _by_sign(item: Field) -> Criterion:
    text = item.first("criterion", "criterion_text")
    return _read(item, text, item["points"], _polarity_from_sign, item["tags"].strings())


def _rubrichub(item: Field) -> Criterion:
    return _read(item, item["criterion"], item["points"], polarity_from_wording)


def _weighted(item: Field) -> Criterion:
    text, tags = item.first("criterion", "criterion_text"), item["tags"].strings()
    axis = (f"axis:{item['axis'].text()}",) if item.has("axis") else ()
    return _read(item, text, item["weight"], polarity_from_wording, axis + tags)


def _rar(item: Field) -> Criterion:
    text, points = item["description"], item.first("weight", "points")
    read = _read(item, text, points, polarity_from_wording, item["tags"].strings())
    is_told = any(item.has(name) for name in ("weight", "polarity", "levels"))
    if not is_told and read.points < 0 and read.polarity is Polarity.DESIRABLE:
        raise item.fault(
            "has 'description' and negative 'points', and can be read in two ways: true is bad "
            "(HealthBench, by the sign) or good (RaR, by the wording); add 'polarity'"
        )
    category = read.category or category_from_prefix(read.text)
    if category is None and item.has("title"):
        category = category_from_prefix(item["title"].any_text())
    return replace(read, category=category)


def _prbench(item: Field) -> Criterion:
    notes = item["annotations"]
    text = item["title"] if item.has("title") else notes["criteria_description"]
    category = notes["criteria_category"]
    tags = (f"category:{category.text()}",) if category.value is not None else ()
    return _read(item, text, _prbench_points(notes), _polarity_from_sign, tags)


def _prbench_points(notes: Field) -> Field:
    name = notes["weight_class"].text().strip().lower()
    if name not in PRBENCH_CLASSES:
        raise notes["weight_class"].unknown(PRBENCH_CLASSES)
    weight = notes[f"{name.replace(' ', '_')}_weight"]
    points = points_of(weight)
    if (points < 0) != ("detrimental" in name):
        raise weight.fault(f"is {points:g}, and its weight_class says {name!r}: the signs disagree")
    return weight


def _profbench(item: Field) -> Criterion:
    weight = item["criterion_weight"]
    words = weight.value.strip().lower() if isinstance(weight.value, str) else None
    if words is not None:
        if words not in PROFBENCH_POINTS:
            raise weight.unknown(PROFBENCH_POINTS)
        weight = Field(PROFBENCH_POINTS[words], item, "criterion_weight")
    kinds = item["criterion_type"]
    types = (kinds.any_text(),) if isinstance(kinds.value, str) else kinds.strings()
    tags = tuple(f"type:{kind}" for kind in types)
    return _read(item, item["criterion_description"], weight, polarity_from_wording, tags)


def _polarity(field: Field) -> Polarity | None:
    if field.value is None:
        return None
    name = field.text().strip().lower()
    if name not in list(Polarity):
        raise field.unknown([p.value for p in Polarity])
    return Polarity(name)


def _polarity_from_sign(_: str, points: float) -> Polarity:
    return sign_of(points)


def polarity_from_wording(text: str, points: float) -> Polarity:
    """Give the polarity of a criterion that does not say its own.

    Args:
        text: The criterion, with or without a prefix such as "Pitfall Criteria:".
        points: Its signed points. Positive points always mean that true is good.

    Returns:
        For negative points: desirable when the text is phrased as avoidance, else undesirable.
    """
    if points > 0:
        return Polarity.DESIRABLE
    core = _SUBJECT.sub("", _PREFIX.sub("", text.strip()))
    return Polarity.DESIRABLE if _AVOIDANCE.match(core) else Polarity.UNDESIRABLE


def category_from_prefix(text: str) -> str | None:
    """Read "Essential", "Important", "Optional" or "Pitfall" off the front of a RaR description."""
    match = _PREFIX.match(text)
    return match.group().strip(" :\t\n*-").split()[0].capitalize() if match else None


_READERS: dict[Form, Callable[[Field], Criterion]] = {
    Form.POINTS: _by_sign,
    Form.RUBRICHUB: _rubrichub,
    Form.WEIGHT: _weighted,
    Form.RAR: _rar,
    Form.PRBENCH: _prbench,
    Form.PROFBENCH: _profbench,
    Form.AUTORUBRIC: from_autorubric,
    Form.VERIFIERS: from_verifiers,
}
_WHOLE = frozenset({Form.AUTORUBRIC, Form.VERIFIERS})
"""Forms whose readers give the whole criterion: they rename what stands beside its text."""
