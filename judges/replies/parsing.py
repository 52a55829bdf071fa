"""Read verdicts in what a judge wrote. Pure text in, values out; the text is untrusted.

Two ways. Strict: the whole reply, bare or in one fence, is the JSON object asked for. Tolerant: the
object may also end a reply of words, be spelt as Python does, hold "true" as text, a trailing comma
or unescaped quotation marks. Neither way guesses: a verdict counts only where the reply commits to
it (`commitment.py`), and two different verdicts in one reply are none. What may be said of a
criterion beyond met and not met, and which values say it, is in `readings.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .commitment import CUT, NOTHING, Committed, commitment, is_harmless
from .json_in_text import CONTRADICTED, decode_at, unfenced
from .readings import (
    CONTRADICTS,
    LEVEL,
    MET,
    MET_OR_NOT,
    NOT_APPLICABLE,
    AllowedReply,
    Parsed,
    Said,
    holder_of,
    named,
    whole,
    words_of,
)
from .reasoning import TABLE, Marks, lone_closing_mark, split_reasoning, unknown_mark
from .spelled import (
    INDEX,
    QUOTES,
    last_line,
    named_more,
    unescaped,
    verdicts_in_words,
    verdicts_named,
)

IN_REASONING = "the reply ends inside its reasoning"
_RATING = re.compile(
    rf"rating[{QUOTES}]{{0,6}}[:=][{QUOTES}]{{0,6}}(\d{{1,3}})(?![\d.]|\s*(?:-|\u2013|to|/))",
    re.IGNORECASE,
)
_PLACEHOLDERS = frozenset(
    {"...", "string", "<string>", "<explanation>", "<why>", "<reason>", "<your explanation>"}
    | {"your explanation", "<...>", "explanation here"}
)
"""What stands in the place of an explanation where the format is repeated."""


def parse_verdict(
    reply: str,
    expected: AllowedReply = MET_OR_NOT,
    *,
    strict: bool = False,
    ended: bool = True,
    marks: Marks = TABLE,
) -> Parsed:
    """Read one verdict.

    Args:
        reply: The judge's text.
        expected: What may be said of the criterion.
        strict: Take only the exact object, bare or in one fence.
        ended: The reply ended by itself, and was not cut off by a limit.
        marks: The marks of reasoning.
    """
    split = split_reasoning(reply, marks)
    if split.is_cut_off:
        return Parsed(None, IN_REASONING)
    text, word = split.rest, MET if expected.is_plain else ""
    found = commitment(text, word, expected.is_held_by, ended=ended, strict=strict, marks=marks)
    if isinstance(found, str) and ended and not strict:
        found = unescaped(text, expected) or last_line(text, expected, marks) or found
    if isinstance(found, str):
        return Parsed(None, _with_hint(found, text, marks))
    readings = [expected.read(value, strict=strict) for value in found.values]
    last = readings[-1]
    said = {one.said for one in readings if one.has_verdict}
    said |= _claims_beside(found, expected)
    if len(said) > 1 or _is_contradicted(found, expected.name):
        return Parsed(None, _with_hint(CONTRADICTS, text, marks))
    # a reply that is the object and nothing else has said it, whatever its words are
    if last.has_verdict and found.beside and last.explanation.strip().lower() in _PLACEHOLDERS:
        return Parsed(None, "the reply repeats the format: its explanation is a placeholder")
    return last


def _claims_beside(found: Committed, expected: AllowedReply) -> set[Said | None]:
    """Give what words beside the object say of the criterion: another verdict contradicts it."""
    claims = {*expected.claims_in(found.outside), *named_more(found.beside, expected)}
    if not expected.levels:
        claims |= {*verdicts_named(found.beside), *verdicts_in_words(found.outside)}
    return {*claims}


def parse_group(
    reply: str,
    items: int | Sequence[AllowedReply],
    *,
    strict: bool = False,
    ended: bool = True,
    marks: Marks = TABLE,
) -> list[Parsed]:
    """Read verdicts on items 1 to n, aligned by their index.

    An item without a verdict, or with two different ones, has none. An index that was never asked
    for casts doubt on all of them (a judge that counts from 0 would shift every verdict by one):
    then no item has a verdict. Of a list that was cut off, the whole entries count.

    Args:
        reply: The judge's text.
        items: What may be said of each item; a number of plain ones.
        strict: Take only the exact object, bare or in one fence.
        ended: The reply ended by itself, and was not cut off by a limit.
        marks: The marks of reasoning.
    """
    expected = [MET_OR_NOT] * items if isinstance(items, int) else list(items)
    n_items = len(expected)
    word = MET if all(one.is_plain for one in expected) else ""
    split = split_reasoning(reply, marks)
    text = split.rest
    if split.is_cut_off:
        return [Parsed(None, IN_REASONING)] * n_items
    found = commitment(text, word, _holds_list, ended=ended, strict=strict, marks=marks)
    if isinstance(found, str) and not strict:
        found = _broken_off_list(text) or found
    if isinstance(found, str):
        why = "the reply holds no list of verdicts" if found == NOTHING else found
        return [Parsed(None, _with_hint(why, text, marks))] * n_items
    entries = [entry for value in found.values for entry in _list_of(value)]
    n_named = sum(1 for _ in (verdicts_named if word else INDEX.finditer)(found.beside))
    if n_named > len(entries):
        return [Parsed(None, CONTRADICTS)] * n_items
    last = _by_index(_list_of(found.values[-1]), expected, strict)
    every = _by_index(entries, expected, strict)
    if isinstance(last, str) or isinstance(every, str):
        return [Parsed(None, last if isinstance(last, str) else str(every))] * n_items
    is_whole = len(last) == n_items
    return [
        _only(last.get(n, ()), every.get(n, ()), n, is_whole=is_whole)
        for n in range(1, n_items + 1)
    ]


def parse_rating(
    reply: str, *, strict: bool = False, ended: bool = True, marks: Marks = TABLE
) -> tuple[int | None, str]:
    """Read a rating from 1 to 10 and its explanation; else None and the reason."""
    split = split_reasoning(reply, marks)
    if split.is_cut_off:
        return None, IN_REASONING
    found = commitment(split.rest, "rating", _holds_rating, ended=ended, strict=strict, marks=marks)
    if isinstance(found, str):
        return None, "the reply holds no rating" if found == NOTHING else found
    said = {whole(raw, strict) for value in found.values for raw in named(value, "rating")}
    said |= {int(digits) for digits in _RATING.findall(found.beside)}
    if len(said) > 1 or _is_contradicted(found, "rating"):
        return None, "the reply holds contradicting ratings"
    holder = holder_of(found.values[-1], "rating")
    value = whole(holder.get("rating"), strict)
    if value is None or not 1 <= value <= 10:
        shown = repr(holder.get("rating"))
        return None, f"the rating {shown} is no whole number from 1 to 10"[:300]
    return value, words_of(holder)


# ---- the objects asked for


def _holds_rating(value: object) -> bool:
    return "rating" in holder_of(value, "rating")


def _holds_list(value: object) -> bool:
    return bool(_list_of(value)) or (isinstance(value, dict) and value.get("verdicts") == [])


def _list_of(value: object) -> list[object]:
    items = value.get("verdicts") if isinstance(value, dict) else value
    if isinstance(value, dict) and items is None:
        items = next((v.get("verdicts") for v in value.values() if isinstance(v, dict)), None)
    return items if isinstance(items, list) else []


def _is_contradicted(found: Committed, name: str) -> bool:
    return any(raw is CONTRADICTED for value in found.values for raw in named(value, name))


# ---- lists of verdicts


def _broken_off_list(text: str) -> Committed | None:
    """Read the whole entries of a list that the reply begins with and does not end."""
    body = unfenced(text)
    opening = re.match(r"\{\s*\"verdicts\"\s*:\s*\[|\[", body)
    entries: list[object] = []
    place = opening.end() if opening else 0
    while opening and (at := _next_entry(body, place)) is not None:
        piece = decode_at(body, at)
        if piece is None:
            break
        entries.append(piece.value)
        place = piece.end
    rest = body[place:].strip(" \n\t,")
    names = {MET, LEVEL, NOT_APPLICABLE}
    is_list = all(isinstance(e, dict) and names & set(e) and "index" in e for e in entries)
    if not entries or not is_list or (rest and (rest[0] != "{" or "}" in rest)):
        return None
    return Committed(({"verdicts": entries},))


def _next_entry(text: str, place: int) -> int | None:
    found = re.compile(r"[\s,]*(?=\{)").match(text, place)
    return found.end() if found else None


def _by_index(
    entries: Sequence[object], expected: Sequence[AllowedReply], strict: bool
) -> dict[int, list[Parsed]] | str:
    """Sort entries by the item they name; or say which name casts doubt on all of them."""
    found: dict[int, list[Parsed]] = {}
    n_items = len(expected)
    for entry in entries:
        index = whole(entry.get("index"), strict) if isinstance(entry, dict) else None
        if index is None or not 1 <= index <= n_items:
            shown = entry.get("index") if isinstance(entry, dict) else None
            why = f"the reply names item {shown!r}, of items 1 to {n_items}; none can be trusted"
            return why[:300]
        found.setdefault(index, []).append(expected[index - 1].read(entry, strict=strict))
    return found


def _only(last: Sequence[Parsed], every: Sequence[Parsed], index: int, *, is_whole: bool) -> Parsed:
    if not last:
        return Parsed(None, f"the reply holds no verdict on item {index}")
    if len({parsed.said for parsed in every}) > 1:
        return Parsed(None, f"the reply holds contradicting verdicts on item {index}")
    if len(last) > 1 and not is_whole:
        # another item has none: one of these may be meant for it
        return Parsed(None, f"the reply holds {len(last)} verdicts on item {index}")
    return last[0]


def _with_hint(why: str, text: str, marks: Marks) -> str:
    """Add to a reason what looks like a mark of reasoning."""
    if why == CUT or is_harmless(text):
        return why
    mark, _ = unknown_mark(text)
    if mark:
        return f"{why}; it opens with {mark}, no known mark of reasoning: reply_marks=OPEN...CLOSE"
    lone = lone_closing_mark(text, marks)
    return f"{why}; it holds {lone} alone: reply_opens=prompt reads what follows" if lone else why
