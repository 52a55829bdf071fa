"""Edited twins of answers: edits that must change a verdict, and edits that must not.

A judge that reads an answer drops a verdict of met when the evidence for it is taken out, and keeps
its verdict when only the layout differs. Edits are made by rules on words, so they are made only
where the rule is likely to hold: what a criterion must say for that stands beside each rule. Some
twins are wrong all the same, so a share below 1 of edits that must change is no exact error rate;
compare judges, or the same judge over time (behavioural tests: Ribeiro et al. 2020, CheckList).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...answer import Answer, GradedAnswer
from ...data.text_units import edited_sentences, sentences_of, stems_of
from ...rubric import Criterion
from ...scoring.estimates import Estimate
from ...scoring.plain_form import plain_fields
from ...verdict import Verdict
from ..bias import holds_evidence
from ..injections import Target, is_shown, one_a_prompt, share_by_prompt
from ..labels import LabelledAnswer, agreed

_TOLD = re.compile(
    r"\b(states?|mentions?|advises?|recommends?|suggests?|includes?|explains?|notes?|lists?|names?|"
    r"provides?|asks?|warns?|emphasi[sz]es?|describes?|discusses|informs?|instructs?|encourages?|"
    r"identifies|acknowledges|offers?|specifies|clarifies|highlights?|cites?|gives?|says?|tells?|"
    r"urges?|stresses|points? out|addresses|recogni[sz]es)\b",
    re.IGNORECASE,
)
"""A criterion that asks for something to be said is not met by an answer that does not say it."""
_ABSENT = re.compile(
    r"\b(no|not|never|none|nor|neither|without|avoid\w*|refrain\w*|fail\w*|lack\w*|omit\w*|only|"
    r"unless|instead|rather|wrong\w*|incorrect\w*|exclud\w*|correct\w*|accura\w*)\b|n't",
    re.IGNORECASE,
)
"""A criterion that asks for something to be absent may be met by an answer that says nothing."""
_ROOM = re.compile(
    r"\b(at least|at most|more than|less than|fewer than|up to|over|under|above|below|between|"
    r"about|around|approximately|such as|for example|or|minimum|maximum|within|other than|like|but|"
    r"years?|aged?|ages|year-olds?|sample|example)\b|e\.g|[<>≤≥~±]",
    re.IGNORECASE,
)
"""A criterion of this kind may hold for other numbers as well, or its number is of the question."""
_FORM = re.compile(
    r"\b(format\w*|bullet\w*|list\w*|layout|structur\w*|markdown|paragraph\w*|prose|order\w*|"
    r"first|begin\w*|start\w*|end\w*|last|sequen\w*|priorit\w*|steps?|concise\w*|brief\w*|short\w*|"
    r"length\w*|words?|sentences?|tone|polite\w*|friendl\w*|empath\w*|greet\w*|thank\w*|warm\w*|"
    r"style|organi[sz]\w*|clear\w*|read\w*|head\w*|section\w*|profession\w*)\b",
    re.IGNORECASE,
)
"""A criterion of the answer's form may change with it."""
_NUMBER = re.compile(
    r"(?<![\d.,\w])(?!^[ \t]*\d+\.[ \t])\d+(?:\.\d+)?(?![\w]|[.,]\d)", re.MULTILINE
)
"""A number in a text; not that of a list's entry at the start of a line."""
MIN_NUMBER = 4
"""Smaller numbers count too many other things."""
MIN_WORDS = 3
"""Words of a criterion, below which they stand in too many sentences to be its evidence."""
STRONG = 0.5
"""Share of the criterion's words that one sentence must hold, for its evidence to be all there."""
_BULLET = re.compile(r"^([ \t]*)[-*•][ \t]+(?=\S)")

Edited = Callable[[str, Criterion], str | None]
"""Gives an answer's twin for a criterion; None where the edit cannot be made, or may not hold."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One kind of twin."""

    name: str
    must_change: bool
    """Whether the twin no longer meets a criterion that the answer met; else it says the same."""
    of: Edited
    needs: str
    """Why there is no twin, where there is none."""


@dataclass(frozen=True, slots=True)
class TwinRow:
    """What one edit does to the verdicts of a judge."""

    edit: str
    must_change: bool
    n: int
    """Twins with a verdict before and after."""
    changed: Estimate
    """Share of them with another verdict, in [0, 1], with its interval over prompts."""
    why: str | None = None
    """Why there is none; None where there are some."""

    to_json = plain_fields


# Edits that must change a verdict of met


def _without_evidence(text: str, criterion: Criterion) -> str | None:
    return _of_evidence(text, criterion, lambda sentence: "")


def _negated(text: str, criterion: Criterion) -> str | None:
    return _of_evidence(text, criterion, lambda said: f'It would be wrong to say this: "{said}"')


def _of_evidence(text: str, criterion: Criterion, edit: Callable[[str], str]) -> str | None:
    wanted = frozenset(stems_of(_TOLD.sub("", criterion.text)))
    is_told = _TOLD.search(criterion.text) and not _ABSENT.search(criterion.text)
    if not is_told or len(wanted) < MIN_WORDS:
        return None
    held = (len(wanted & frozenset(stems_of(said))) for said in sentences_of(text))
    if max(held) < STRONG * len(wanted):
        return None

    def changed(sentence: str) -> str:
        has = holds_evidence(wanted, frozenset(stems_of(sentence)))
        return edit(sentence) if has else sentence

    return _if_changed(edited_sentences(text, changed), text)


def _other_number(text: str, criterion: Criterion) -> str | None:
    if _ROOM.search(criterion.text) or _ABSENT.search(criterion.text):
        return None
    asked = {one for one in _NUMBER.findall(criterion.text) if float(one) >= MIN_NUMBER}

    def changed(match: re.Match[str]) -> str:
        return f"{2 * float(match[0]) + 1:g}" if match[0] in asked else match[0]

    return _if_changed(_NUMBER.sub(changed, text), text)


# Edits that must not change a verdict


def _bullets_as_prose(text: str, _: Criterion) -> str | None:
    lines: list[str] = []
    was_bullet = False
    for line in text.split("\n"):
        said, n = _BULLET.subn("", line)
        if n and said.rstrip()[-1:] not in ".!?:;,":
            said = f"{said.rstrip()}."
        if n and was_bullet:
            lines[-1] += f" {said}"
        else:
            lines.append(said)
        was_bullet = bool(n)
    return _if_changed("\n".join(lines), text)


def _bullets_reversed(text: str, _: Criterion) -> str | None:
    lines = text.split("\n")
    start = 0
    while start < len(lines):
        end = start
        indent = _BULLET.match(lines[start])
        while end < len(lines) and indent and _same_level(lines[end], indent[1]):
            end += 1
        # a nested entry, or a second line of one, belongs to the entry above it
        is_whole = end == len(lines) or not lines[end].strip() or lines[end][:1] not in " \t"
        if end - start > 1 and is_whole:
            lines[start:end] = reversed(lines[start:end])
        start = max(end, start + 1)
    return _if_changed("\n".join(lines), text)


def _same_level(line: str, indent: str) -> bool:
    found = _BULLET.match(line)
    return found is not None and found[1] == indent


def _if_changed(twin: str, text: str) -> str | None:
    return twin if twin.strip() and twin != text else None


ALL_EDITS = "all of them"
"""Name of the row that counts all edits of a kind together."""
_NO_EVIDENCE = (
    "no criterion that asks for something to be said, and that label and judge call met, has half "
    "of its words in one sentence of the answer"
)
_NO_NUMBER = (
    f"no criterion that label and judge call met asks for an exact number, {MIN_NUMBER} or more, "
    "that the answer repeats"
)
_ALL_FORM = "every criterion with a verdict is about the form of the answer"
_NO_LIST = "no answer has a bulleted list, beside a criterion that is not about its form"
EDITS = (
    Edit("evidence removed", True, _without_evidence, _NO_EVIDENCE),
    Edit("evidence called wrong", True, _negated, _NO_EVIDENCE),
    Edit("number changed", True, _other_number, _NO_NUMBER),
    Edit("white space at the end", False, lambda text, _: f"{text} \n\n ", _ALL_FORM),
    Edit(
        "polite opening",
        False,
        lambda text, _: f"Thank you for your question.\n\n{text}",
        _ALL_FORM,
    ),
    Edit('"Answer:" before it', False, lambda text, _: f"Answer:\n\n{text}", _ALL_FORM),
    Edit("bullets as prose", False, _bullets_as_prose, _NO_LIST),
    Edit("bullets in reverse order", False, _bullets_reversed, _NO_LIST),
)


@dataclass(frozen=True, slots=True)
class Twin:
    """A question about an answer, and about one twin of it."""

    target: Target
    edit: Edit
    text: str
    """Of the twin."""


def twins_of(
    labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer], most: int, seed: int
) -> list[Twin]:
    """Make twins of answers, from as many prompts as there are.

    An edit that must change the verdict is made where labels and judge say met; any other edit
    where the judge gave a verdict and the criterion is not about the answer's form.

    Args:
        labelled: The labels.
        graded: The judge's verdicts on the same answers, in the same order.
        most: Twins of each edit at most.
        seed: Of the choice.
    """
    found: dict[str, list[Twin]] = {edit.name: [] for edit in EDITS}
    for item, one in zip(labelled, graded, strict=True):
        for index, verdict in enumerate(one.verdicts):
            target = Target(Answer(one.example, one.answer), index)
            if verdict.is_missing or not is_shown(target.criterion):
                continue
            is_met = verdict.met is True and _label(item, index) is True
            for edit in EDITS:
                if not (is_met if edit.must_change else not _FORM.search(target.criterion.text)):
                    continue
                text = edit.of(one.answer, target.criterion)
                if text is not None:
                    found[edit.name].append(Twin(target, edit, text))
    return [
        twin
        for twins in found.values()
        for twin in one_a_prompt(twins, lambda twin: twin.target.prompt_id, most, seed)
    ]


def _label(item: LabelledAnswer, index: int) -> bool | None:
    labels = item.labels[index]
    said = agreed(labels, item.example.rubric.criteria[index]) if labels else None
    return said.met if said is not None else None


def twin_answers(twins: Sequence[Twin]) -> Iterator[Answer]:
    """Give what is asked: of each twin the answer as it is, then the twin, one criterion alone."""
    yield from (twin.target.alone() for twin in twins)
    yield from (twin.target.alone(twin.text) for twin in twins)


def twin_rows(twins: Sequence[Twin], graded: Sequence[GradedAnswer]) -> list[TwinRow]:
    """Count the verdicts that changed: by kind of edit together, then by each edit.

    Args:
        twins: As `twins_of` gives them.
        graded: The answers of `twin_answers`, in their order.
    """
    n = len(twins)
    changed_T = np.array(
        [
            _changed(twin.edit, before.verdicts[0], after.verdicts[0])
            for twin, before, after in zip(twins, graded[:n], graded[n:], strict=True)
        ],
        dtype=float,
    )
    prompts = np.array([twin.target.prompt_id for twin in twins])

    def row(name: str, must: bool, edits: Sequence[Edit]) -> TwinRow:
        made_T = np.array([twin.edit in edits for twin in twins], dtype=bool)
        has_T = made_T & ~np.isnan(changed_T)
        share = share_by_prompt(changed_T[has_T] == 1, prompts[has_T])
        why = None
        if made_T.any() and not has_T.any():
            why = (
                f"{int(made_T.sum())} were made, but asked again the judge gave no two verdicts to "
                "compare"
            )
        elif not has_T.any():
            needs = dict.fromkeys(edit.needs for edit in edits)
            why = f"no twin could be made: {'; '.join(needs)}"
        return TwinRow(name, must, int(has_T.sum()), share, why)

    rows = []
    for must in (True, False):
        edits = [edit for edit in EDITS if edit.must_change is must]
        rows.append(row(ALL_EDITS, must, edits))
        rows += [row(edit.name, must, [edit]) for edit in edits]
    return rows


def _changed(edit: Edit, before: Verdict, after: Verdict) -> float:
    """Say whether a verdict changed; NaN without both, or where met is not what stood before."""
    if before.is_missing or after.is_missing or (edit.must_change and before.met is not True):
        return float("nan")
    return float((before.outcome, before.level) != (after.outcome, after.level))
