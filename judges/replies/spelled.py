"""Verdicts that stand in text: spelt with their name, said in a sentence, or in a broken object."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .commitment import Committed, stands_apart
from .json_in_text import mended, unfenced
from .readings import LEVEL, MET, NOT_APPLICABLE, AllowedReply, Other, Said, truth
from .reasoning import Marks

_KEY = re.compile(r"criteri(?:a|on)\\?[_ -]?met", re.IGNORECASE)
QUOTES = "\\\\\"'`*\\s\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d"
_VALUE = re.compile(
    rf"(?:[{QUOTES})]|&quot;){{0,12}}"
    r"(?:[:=\uff1a]|->|=>|→|\b(?:is|was|as|to|should be|must be|would be)\b)"
    rf"(?:[{QUOTES}(<\[]|&quot;){{0,12}}(true|false|yes|no)\b",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    rf"[{QUOTES}>\]]{{0,6}}(?:[/|]|//|\bor\b|,\s*(?:or\s+)?[\"']?(?:true|false)\b)", re.IGNORECASE
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


def verdicts_named(text: str) -> Iterator[bool]:
    """Give the verdicts that text spells with their name, however they are quoted.

    `true/false`, `true or false` and the like are no verdict but the format.
    """
    for key in _KEY.finditer(text):
        value = _VALUE.match(text, key.end(), key.end() + 60)
        if value is not None and not _ALTERNATIVE.match(text, value.end(), value.end() + 24):
            yield value.group(1).lower() in {"true", "yes"}


def verdicts_in_words(text: str) -> Iterator[bool]:
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


def unescaped(text: str, expected: AllowedReply) -> Committed | None:
    """Read a whole object that breaks by quotation marks inside its explanation.

    Its one verdict must be its first field or its last, where no quotation can put it.
    """
    body = unfenced(text)
    if not (_STARTS_OBJECT.match(body) and body.endswith("}")) or body.count("{") != 1:
        return None
    if not expected.is_plain:
        return _unescaped_more(body)
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
    met = truth(value.group(1), False)
    return Committed(({"explanation": words, "criteria_met": met},))


_MORE = re.compile(rf"[\"'](?:{LEVEL}|{MET}|{NOT_APPLICABLE})[\"']\s*:")


def _unescaped_more(body: str) -> Committed | None:
    """Read one whose explanation is its first field, and holds no name of a verdict."""
    first = _MORE.search(body)
    before = body[: first.start()] if first else body
    fields = mended("{" + body[first.start() :]) if first else None
    opening = _EXPLANATION.search(before)
    if not isinstance(fields, dict) or not set(fields) <= {LEVEL, MET, NOT_APPLICABLE}:
        return None
    if opening is None or not re.search(r"[\"']\s*,\s*\Z", before):
        return None
    words = before[opening.end() :].rstrip(" \n\t,\"'")
    return Committed(({"explanation": words, **fields},), before, before)


_VERDICT_IS = r"(?:(?:my |the )?(?:final )?(?:verdict|answer|result|output)\W{1,6})?[\"'`*]*"
_LAST_LINE = re.compile(
    rf"{_VERDICT_IS}(?P<name>{MET}|{LEVEL}|{NOT_APPLICABLE})[\"'`*]*\s*[:=][\"'`*\s]*"
    r"(?P<value>\d{1,3}|true|false|n/?a)[\"'`*.\s]*",
    re.IGNORECASE,
)


def last_line(text: str, expected: AllowedReply, marks: Marks) -> Committed | None:
    """Read a last line that says `criteria_met: true` (or `level: 2`), and nothing else."""
    body = text.rstrip()
    start = body.rfind("\n") + 1
    said = _LAST_LINE.fullmatch(body[start:].strip(" \t*_`#>-"))
    if said is None or said["name"].lower() not in expected.names:
        return None
    if not stands_apart(body, start, len(body), marks):
        return None
    outside = body[:start]
    return Committed(({said["name"].lower(): said["value"]},), outside, outside)


_LEVEL_NAMED = re.compile(
    rf"\b{LEVEL}[{QUOTES}]{{0,6}}[:=][{QUOTES}]{{0,6}}(\d{{1,3}})(?![\d.]|\s*(?:-|\u2013|to|/|\|))",
    re.IGNORECASE,
)
_NA_NAMED = re.compile(
    rf"\b{NOT_APPLICABLE}[{QUOTES}]{{0,6}}[:=][{QUOTES}]{{0,6}}true(?!\s*(?:/|\||or\b))",
    re.IGNORECASE,
)
INDEX = re.compile(r"[\"']index[\"']\s*:")


def named_more(text: str, expected: AllowedReply) -> Iterator[Said]:
    """Give the levels that text spells with their name, and "not applicable", however quoted."""
    yield from map(int, _LEVEL_NAMED.findall(text) if expected.levels else ())
    if expected.may_be_na and _NA_NAMED.search(text):
        yield Other.NA
