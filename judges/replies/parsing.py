"""Read verdicts in what a judge wrote. Pure text in, values out; the text is untrusted.

Two ways. Strict: the whole reply, bare or in one fence, is the JSON object asked for. Tolerant: the
object may also end a reply of words, be spelt as Python does, hold "true" as text, a trailing comma
or unescaped quotation marks. Neither way guesses: a verdict counts only where the reply commits to
it (`commitment.py`), and two different verdicts in one reply are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .commitment import CUT, NOTHING, Committed, commitment, is_harmless, stands_apart
from .json_in_text import CONTRADICTED, decode_at, unfenced
from .reasoning import TABLE, Marks, lone_closing_mark, split_reasoning, unknown_mark

CONTRADICTS = "the reply holds contradicting verdicts"
IN_REASONING = "the reply ends inside its reasoning"
_WORDS = {"true": True, "false": False, "yes": True, "no": False}
_WRAPPERS = frozenset(
    {"verdict", "result", "output", "evaluation", "grade", "grading", "judgment", "judgement"}
    | {"assessment", "decision", "json", "final", "final_answer", "final_verdict"}
)
"""Names under which a reply may put the object it was asked for."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one reply says of one criterion."""

    met: bool | None
    """None where no verdict can be read."""
    explanation: str = ""
    """The judge's words, or why no verdict can be read."""


_PLACEHOLDERS = frozenset(
    {"...", "string", "<string>", "<explanation>", "<why>", "<reason>", "<your explanation>"}
    | {"your explanation", "<...>", "explanation here"}
)
"""What stands in the place of an explanation where the format is repeated."""


def parse_verdict(
    reply: str, *, strict: bool = False, ended: bool = True, marks: Marks = TABLE
) -> Parsed:
    """Read one verdict.

    Args:
        reply: The judge's text.
        strict: Take only the exact object, bare or in one fence.
        ended: The reply ended by itself, and was not cut off by a limit.
        marks: The marks of reasoning.
    """
    split = split_reasoning(reply, marks)
    if split.is_cut_off:
        return Parsed(None, IN_REASONING)
    text = split.rest
    found = commitment(
        text, "criteria_met", _holds_verdict, ended=ended, strict=strict, marks=marks
    )
    if isinstance(found, str) and ended and not strict:
        found = _unescaped(text) or _last_line(text, marks) or found
    if isinstance(found, str):
        return Parsed(None, _with_hint(found, text, marks))
    said = {_truth(raw, strict) for value in found.values for raw in _named(value, "criteria_met")}
    said |= set(_verdicts_named(found.beside)) | set(_verdicts_in_words(found.outside))
    if len(said - {None}) > 1 or _is_contradicted(found, "criteria_met"):
        return Parsed(None, _with_hint(CONTRADICTS, text, marks))
    holder = _holder(found.values[-1], "criteria_met")
    met = _truth(holder.get("criteria_met"), strict)
    if met is None:
        return Parsed(None, "criteria_met is not true or false")
    # a reply that is the object and nothing else has said it, whatever its words are
    if found.beside and _words(holder).strip().lower() in _PLACEHOLDERS:
        return Parsed(None, "the reply repeats the format: its explanation is a placeholder")
    return Parsed(met, _words(holder))


def parse_group(
    reply: str, n_items: int, *, strict: bool = False, ended: bool = True, marks: Marks = TABLE
) -> list[Parsed]:
    """Read verdicts on items 1 to n, aligned by their index.

    An item without a verdict, or with two different ones, has none. An index that was never asked
    for casts doubt on all of them (a judge that counts from 0 would shift every verdict by one):
    then no item has a verdict. Of a list that was cut off, the whole entries count.
    """
    split = split_reasoning(reply, marks)
    text = split.rest
    if split.is_cut_off:
        return [Parsed(None, IN_REASONING)] * n_items
    found = commitment(text, "criteria_met", _holds_list, ended=ended, strict=strict, marks=marks)
    if isinstance(found, str) and not strict:
        found = _broken_off_list(text) or found
    if isinstance(found, str):
        why = "the reply holds no list of verdicts" if found == NOTHING else found
        return [Parsed(None, _with_hint(why, text, marks))] * n_items
    entries = [entry for value in found.values for entry in _list_of(value)]
    if found.beside and sum(1 for _ in _verdicts_named(found.beside)) > len(entries):
        return [Parsed(None, CONTRADICTS)] * n_items
    last = _by_index(_list_of(found.values[-1]), n_items, strict)
    every = _by_index(entries, n_items, strict)
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
    named = {_whole(raw, strict) for value in found.values for raw in _named(value, "rating")}
    named |= {int(digits) for digits in _RATING.findall(found.beside)}
    if len(named) > 1 or _is_contradicted(found, "rating"):
        return None, "the reply holds contradicting ratings"
    holder = _holder(found.values[-1], "rating")
    value = _whole(holder.get("rating"), strict)
    if value is None or not 1 <= value <= 10:
        shown = repr(holder.get("rating"))
        return None, f"the rating {shown} is no whole number from 1 to 10"[:300]
    return value, _words(holder)


# ---- the objects asked for


def _holds_verdict(value: Any) -> bool:
    return "criteria_met" in _holder(value, "criteria_met")


def _holds_rating(value: Any) -> bool:
    return "rating" in _holder(value, "rating")


def _holds_list(value: Any) -> bool:
    return bool(_list_of(value)) or (isinstance(value, dict) and value.get("verdicts") == [])


def _holder(value: Any, name: str) -> dict[str, Any]:
    """Give the object that holds a name: the value, or the one that it wraps; else an empty one."""
    for _ in range(4):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            return {}
        if name in value:
            return value
        inner = [v for k, v in value.items() if str(k).lower() in _WRAPPERS and isinstance(v, dict)]
        value = inner[0] if len(inner) == 1 else None
    return {}


def _list_of(value: Any) -> list[Any]:
    items = value.get("verdicts") if isinstance(value, dict) else value
    if isinstance(value, dict) and items is None:
        items = next((v.get("verdicts") for v in value.values() if isinstance(v, dict)), None)
    return items if isinstance(items, list) else []


def _named(value: Any, name: str) -> Iterator[Any]:
    """Give every value of a name in a decoded value, at whatever depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if name in one:
                yield one[name]
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one


def _is_contradicted(found: Committed, name: str) -> bool:
    return any(raw is CONTRADICTED for value in found.values for raw in _named(value, name))


def _words(holder: dict[str, Any]) -> str:
    words = holder.get("explanation")
    return words if isinstance(words, str) else ("" if words is None else str(words)[:4_000])


# ---- verdicts that stand in text

_KEY = re.compile(r"criteri(?:a|on)\\?[_ -]?met", re.IGNORECASE)
_QUOTES = "\\\\\"'`*\\s\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d"
_VALUE = re.compile(
    rf"(?:[{_QUOTES})]|&quot;){{0,12}}"
    r"(?:[:=\uff1a]|->|=>|→|\b(?:is|was|as|to|should be|must be|would be)\b)"
    rf"(?:[{_QUOTES}(<\[]|&quot;){{0,12}}(true|false|yes|no)\b",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    rf"[{_QUOTES}>\]]{{0,6}}(?:[/|]|//|\bor\b|,\s*(?:or\s+)?[\"']?(?:true|false)\b)", re.IGNORECASE
)
_RATING = re.compile(
    rf"rating[{_QUOTES}]{{0,6}}[:=][{_QUOTES}]{{0,6}}(\d{{1,3}})(?![\d.]|\s*(?:-|\u2013|to|/))",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\b(?:criteri(?:on|a)|item|requirement)\b[^.\n;:{}\"]{0,30}?\b(?:is|was|are|were|been)"
    r"(?P<not>n't|\s+not|\s+never)?\s+(?:\w+ly\s+)?(?P<un>un|not\s+)?(?:met|satisfied|fulfilled)\b"
    r"(?!\s+(?:if|when|only|unless|or))",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"\b(?:verdict|decision|judge?ment|final answer)\b[\s:=*_\"'`]{0,6}(?:is[\s:*_\"'`]{1,4})?"
    r"(?P<word>true|met|satisfied|false|not met|unmet|not satisfied)\b(?!\s*(?:/|\||or\b))",
    re.IGNORECASE,
)
_UNREAL = re.compile(r"\b(?:if|whether|would|could|should|when|unless|that|say)\b", re.IGNORECASE)


def _verdicts_named(text: str) -> Iterator[bool]:
    """Give the verdicts that text spells with their name, however they are quoted.

    `true/false`, `true or false` and the like are no verdict but the format.
    """
    for key in _KEY.finditer(text):
        value = _VALUE.match(text, key.end(), key.end() + 60)
        if value is not None and not _ALTERNATIVE.match(text, value.end(), value.end() + 24):
            yield _WORDS[value.group(1).lower()]


def _verdicts_in_words(text: str) -> Iterator[bool]:
    """Give what plain sentences say of the criterion, where they say it without a condition."""
    for said in _SAID.finditer(text):
        before = text[max(0, said.start() - 60) : said.start()]
        if not _UNREAL.search(re.split(r"[.\n;]", before)[-1]):
            yield not (said["not"] or said["un"])
    for called in _CALLED.finditer(text):
        yield called["word"].lower() in {"true", "met", "satisfied"}


_UNESCAPED_LAST = re.compile(r"\s*,\s*[\"']\Z")
_UNESCAPED_FIRST = re.compile(r"\{\s*[\"']\Z")
_STARTS_OBJECT = re.compile(
    r"\{\s*[\"'](?:explanation|reasoning|reason|rationale|criteria_met)[\"']\s*:"
)
_EXPLANATION = re.compile(r"[\"']explanation[\"']\s*:\s*[\"']")


def _unescaped(text: str) -> Committed | None:
    """Read a whole object that breaks by quotation marks inside its explanation.

    Its one verdict must be its first field or its last, where no quotation can put it.
    """
    body = unfenced(text)
    if not (_STARTS_OBJECT.match(body) and body.endswith("}")) or body.count("{") != 1:
        return None
    keys = list(_KEY.finditer(body))
    values = [_VALUE.match(body, key.end(), key.end() + 60) for key in keys]
    if len(keys) != 1 or (value := values[0]) is None:
        return None
    rest = body[value.end() :]
    is_last = bool(re.fullmatch(r"[\"']?\s*,?\s*\}", rest))
    before = body[max(0, keys[0].start() - 40) : keys[0].start()]
    is_first = _UNESCAPED_FIRST.fullmatch(body[: keys[0].start()]) is not None
    if not (is_first and rest.lstrip("\"' ").startswith(",")) and not (
        is_last and _UNESCAPED_LAST.search(before)
    ):
        return None
    opening = _EXPLANATION.search(body)
    end = keys[0].start() if is_last else len(body)
    words = body[opening.end() : end].rstrip(" \n\t,}\"'") if opening else ""
    met = _WORDS[value.group(1).lower()]
    return Committed(({"explanation": words, "criteria_met": met},))


_LAST_LINE = re.compile(
    r"(?:(?:my |the )?(?:final )?(?:verdict|answer|result|output)\W{1,6})?[\"'`*]*criteria_met"
    r"[\"'`*]*\s*[:=][\"'`*\s]*(true|false)[\"'`*.\s]*",
    re.IGNORECASE,
)


def _last_line(text: str, marks: Marks) -> Committed | None:
    """Read a last line that says `criteria_met: true` and nothing else."""
    body = text.rstrip()
    start = body.rfind("\n") + 1
    line = body[start:].strip(" \t*_`#>-")
    said = _LAST_LINE.fullmatch(line)
    if said is None or not stands_apart(body, start, len(body), marks):
        return None
    outside = body[:start]
    return Committed(({"criteria_met": _WORDS[said.group(1).lower()]},), outside, outside)


# ---- lists of verdicts


def _broken_off_list(text: str) -> Committed | None:
    """Read the whole entries of a list that the reply begins with and does not end."""
    body = unfenced(text)
    opening = re.match(r"\{\s*\"verdicts\"\s*:\s*\[|\[", body)
    entries: list[Any] = []
    place = opening.end() if opening else 0
    while opening and (at := _next_entry(body, place)) is not None:
        piece = decode_at(body, at)
        if piece is None:
            break
        entries.append(piece.value)
        place = piece.end
    rest = body[place:].strip(" \n\t,")
    is_list = all(isinstance(e, dict) and "criteria_met" in e and "index" in e for e in entries)
    if not entries or not is_list or (rest and (rest[0] != "{" or "}" in rest)):
        return None
    return Committed(({"verdicts": entries},))


def _next_entry(text: str, place: int) -> int | None:
    found = re.compile(r"[\s,]*(?=\{)").match(text, place)
    return found.end() if found else None


def _by_index(entries: Sequence[Any], n_items: int, strict: bool) -> dict[int, list[Parsed]] | str:
    """Sort entries by the item they name; or say which name casts doubt on all of them."""
    found: dict[int, list[Parsed]] = {}
    for entry in entries:
        index = _whole(entry.get("index"), strict) if isinstance(entry, dict) else None
        if index is None or not 1 <= index <= n_items:
            shown = entry.get("index") if isinstance(entry, dict) else None
            why = f"the reply names item {shown!r}, of items 1 to {n_items}; none can be trusted"
            return why[:300]
        met = _truth(entry.get("criteria_met"), strict)
        words = _words(entry) if met is not None else "criteria_met is not true or false"
        first, *others = [*_named(entry, "criteria_met")] or [None]
        if any(other != first for other in others) or first is CONTRADICTED:
            met, words = None, CONTRADICTS
        found.setdefault(index, []).append(Parsed(met, words))
    return found


def _only(last: Sequence[Parsed], every: Sequence[Parsed], index: int, *, is_whole: bool) -> Parsed:
    if not last:
        return Parsed(None, f"the reply holds no verdict on item {index}")
    if len({parsed.met for parsed in every}) > 1:
        return Parsed(None, f"the reply holds contradicting verdicts on item {index}")
    if len(last) > 1 and not is_whole:
        # another item has none: one of these may be meant for it
        return Parsed(None, f"the reply holds {len(last)} verdicts on item {index}")
    return last[0]


# ---- values


def _truth(value: Any, strict: bool) -> bool | None:
    if isinstance(value, bool):
        return value
    if not strict and isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    return None


def _whole(value: Any, strict: bool) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not strict and isinstance(value, str) and re.fullmatch(r"\s*\d{1,3}\s*", value):
        return int(value)
    return None


def _with_hint(why: str, text: str, marks: Marks) -> str:
    """Add to a reason what looks like a mark of reasoning."""
    if why == CUT or is_harmless(text):
        return why
    mark, _ = unknown_mark(text)
    if mark:
        return f"{why}; it opens with {mark}, no known mark of reasoning: reply_marks=OPEN...CLOSE"
    lone = lone_closing_mark(text, marks)
    return f"{why}; it holds {lone} alone: reply_opens=prompt reads what follows" if lone else why
