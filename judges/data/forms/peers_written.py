"""Write examples as autorubric and verifiers take them: what `peers.py` reads, turned round.

What a form cannot say is refused with the criterion: a rubric that lost its gate on the way would
score another thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import DataError
from ...rubric import Criterion, Example, NaRule

NOT_APPLICABLE = "Not applicable"
"""Label of the option that stands for it among autorubric's."""


def to_autorubric(example: Example) -> dict[str, object]:
    """Give a row of autorubric: levels as options, their shares as values."""
    row = _row(example, _autorubric)
    return row | ({"reference_submission": example.reference} if example.reference else {})


def to_verifiers(example: Example) -> dict[str, object]:
    """Give a row for the rubric judge of verifiers: levels as choices, from worst to best."""
    if example.reference:
        raise DataError(
            f"prompt_id {example.prompt_id} has a reference, which that format cannot express; "
            "remove it from the rows"
        )
    return _row(example, _verifiers)


FORMS: Mapping[str, Callable[[Example], dict[str, object]]] = {
    "autorubric": to_autorubric,
    "verifiers": to_verifiers,
}
"""By the name of the program."""


def _row(example: Example, write: Callable[[Criterion], dict[str, object]]) -> dict[str, object]:
    criteria = []
    for number, criterion in enumerate(example.rubric.criteria, start=1):
        try:
            _refuse_conditions(criterion)
            criteria.append(write(criterion))
        except DataError as error:
            where = f"prompt_id {example.prompt_id}: criterion {number}"
            raise DataError(f"{where} {error}") from None
    prompt = [turn.to_json() for turn in example.prompt]
    return {"prompt_id": example.prompt_id, "prompt": prompt, "rubric": criteria}


def _refuse_conditions(criterion: Criterion) -> None:
    there = {
        "a gate": criterion.gate,
        "a requirement": criterion.requires,
        "a reference of its own": criterion.reference,
        "a turn that is not the answer": criterion.turn != -1,
        "a fault that counts when it is not met": not criterion.counts_when_met,
        f"the rule {criterion.na} for what does not apply": criterion.na
        not in (None, NaRule.EXCLUDED),
        "points of both signs": criterion.least_share < 0,
    }
    if found := [words for words, is_there in there.items() if is_there]:
        raise DataError(
            f"has {found[0]}, which that format cannot express; remove it from the rows"
        )


def _autorubric(criterion: Criterion) -> dict[str, object]:
    plain: dict[str, object] = {"requirement": criterion.text, "weight": criterion.points}
    if criterion.id is not None:
        plain["name"] = criterion.id
    if not criterion.levels:
        return plain | ({"may_be_na": True} if criterion.na else {})
    options: list[dict[str, object]] = [
        {"label": level.text, "value": criterion.share(place)}
        for place, level in enumerate(criterion.levels)
    ]
    if criterion.na:
        options.append({"label": NOT_APPLICABLE, "value": 0.0, "na": True})
    scale = "nominal" if criterion.is_nominal else "ordinal"
    return plain | {"options": options, "scale_type": scale}


def _verifiers(criterion: Criterion) -> dict[str, object]:
    if criterion.points < 0:
        raise DataError("has negative points, and verifiers takes no negative weight")
    if criterion.na:
        raise DataError("may be not applicable, which that format cannot express")
    best = len(criterion.levels) - 1
    shares = [criterion.share(place) for place in range(best + 1)]
    if any(abs(share - place / best) > 1e-9 for place, share in enumerate(shares)):
        raise DataError("has levels that are not evenly spaced from 0 to its points, worst first")
    words = [level.text for level in criterion.levels] or ["no", "yes"]
    return {
        "name": criterion.id or criterion.text[:60],
        "text": criterion.text,
        "weight": criterion.points,
        "choices": words,
    }
