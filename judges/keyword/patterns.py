"""Word patterns: a small language for phrases, compiled to expressions that cannot run away.

    aspirin             the word, any case, accents ignored
    anticoagul*         words that begin so; `*statin` words that end so
    chest pain          words in a row, whatever punctuation stands between them
    call .. 911         both in one sentence, at most 50 characters between (`..120` for 120)
    aspirin ~ chew*     the same in either order (`~120` likewise)
    (call|ring) 999     alternatives; `(a|an)? ambulance` may be missing
    heart attack|stroke alternatives of the whole pattern

Chinese, Japanese, Korean and Thai write no spaces: words in those scripts match inside a run.
Every repeat is bounded, so the work for each character of an answer is too. A pattern also knows
its needles, plain strings of which every match holds one, so that most patterns are ruled out
by substring search.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from ..errors import DataError

MAX_PATTERN_CHARS = 600
MAX_ANSWER_CHARS = 40_000
"""Of an answer, read; 6,000 words. What follows is not looked at, and the reason says so."""
SENTENCE_CHARS = 300
MAX_MATCHES = 100
"""Matches of a pattern that are looked at; an answer that needs more repeats itself."""
DEFAULT_GAP_CHARS = 50
MAX_GAP_CHARS = 400
MAX_GAP_WORK = 40_000
"""Most ways, multiplied over the gaps of one alternative, in which its gaps can be filled."""

# \w lacks the vowel signs of Indic scripts; the danda (U+0964, U+0965) is punctuation
INDIC = r"\u0900-\u0963\u0966-\u0dff"
WORD = rf"\w{INDIC}"
_SEPARATOR = r"[^\w\n]{0,5}"
_UNSPACED_SET = r"\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_UNSPACED = re.compile(f"[{_UNSPACED_SET}]")
_INDIC = re.compile(f"[{INDIC}]")
# "119" must end where kana begin
_SCRIPT_CHANGE = re.compile(
    rf"(?<=[{_UNSPACED_SET}])(?=[a-z0-9])|(?<=[a-z0-9])(?=[{_UNSPACED_SET}])"
)
# "300mg" and "300 mg" are one; "8am" and "8 am" too
_UNIT = re.compile(r"(?<=[0-9])(?=(?:mg|mcg|kg|g|ml|cm|mm|mmhg|bpm|hrs?|h|min|am|pm)\b)")
_TOKEN = re.compile(r"\(|\)\??|\||~\d*|\.\.\d*|\s+|[^\s()|~]+")
_PUNCTUATION = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2212", "-"),
        **dict.fromkeys("\u2013\u2014", " \u2014 "),
        **dict.fromkeys("*#"),
        **dict.fromkeys("\t_\x7f".join(map(chr, [*range(9), 11, 12, *range(14, 32)])), " "),
        **dict(zip("\r\u060c\u061b\u061f", "\n,;?", strict=True)),
    }
)
_ABBREVIATION = re.compile(
    r"\b(e\.g|i\.e|dr|mr|mrs|ms|vs|approx|no|z\.b|d\.h|bzw|p\.ej|sr|sra|dra|ca|a\.m|p\.m)\.(?=\s)"
)
_SENTENCE_END = re.compile(r"((?<!\b[0-9])[.!?]+[\"')\]]*(?=\s)|[\u3002\u0964\u0965]|[!?](?=\S))")
_NAMES = "latin cyrillic greek arabic hebrew devanagari bengali tamil thai kana han hangul"
SCRIPTS = tuple(_NAMES.split())
_SCRIPT_OF = {"hiragana": "kana", "katakana": "kana", "cjk": "han"}
_EMPTY = "an alternative is empty, or ends in a gap or an optional group"
MAX_EXPRESSION_CHARS = 300
MAX_WAYS = 5_000
"""Most ways to match from one place: `(a+)+b` on forty letters never ends."""
_ONE_CHAR = re.compile(r"\\[^1-9]|\[(?:\\.|[^\]\\])+\]")
_UNBOUNDED = re.compile(r"[*+]|\)\{|\{\d*,\}|\\[1-9]|\(\?(?:P=|\()")
_WIDTH = re.compile(r"\{(\d*),(\d+)\}")


@lru_cache(maxsize=4_096)
def fold(text: str) -> str:
    """Strip case, accents, width and Arabic vowel marks; straighten quotes and dashes."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        # classes 1-9 are part of the letter (nukta, virama, kana voicing); accents come after
        text = "".join(c for c in parts if unicodedata.combining(c) < 10)
        text = unicodedata.normalize("NFC", text)
        text = _SCRIPT_CHANGE.sub(" ", text.casefold())
    return _UNIT.sub(" ", text.casefold().translate(_PUNCTUATION))


@dataclass(frozen=True, slots=True)
class Text:
    """An answer made ready for patterns: folded, one sentence a line."""

    folded: str
    is_cut: bool = False
    """Whether the answer is longer than what is read."""

    def sentence_around(self, start: int, end: int) -> tuple[str, str, str]:
        """Give what stands before a match in its sentence, the match, and what stands after.

        At most `SENTENCE_CHARS` on each side: some answers have no full stop.
        """
        floor, ceiling = max(0, start - SENTENCE_CHARS), end + SENTENCE_CHARS
        left = self.folded.rfind("\n", floor, start) + 1 or floor
        right = self.folded.find("\n", end, ceiling)
        right = ceiling if right < 0 else right
        return self.folded[left:start], self.folded[start:end], self.folded[end:right]

    def sentences(self) -> list[str]:
        """List the sentences that hold anything."""
        return [line.strip() for line in self.folded.split("\n") if line.strip()]


@lru_cache(maxsize=16)
def _read(answer: str, is_cut: bool) -> Text:
    folded = _ABBREVIATION.sub(r"\1", fold.__wrapped__(answer))
    return Text(_SENTENCE_END.sub(r"\1\n", folded), is_cut)


def read_text(answer: str) -> Text:
    """Make an answer ready; the same one is made ready once for a whole rubric."""
    return _read(answer[:MAX_ANSWER_CHARS], len(answer) > MAX_ANSWER_CHARS)


def main_script(folded: str) -> str | None:
    """Name the script of most letters; None where there are none. Han beside kana is Japanese."""
    first = (unicodedata.name(c, "none").split()[0].lower() for c in folded if c.isalpha())
    counts = Counter(_SCRIPT_OF.get(name, name) for name in first)
    if counts["kana"] * 8 >= counts["han"]:
        counts["kana"] += counts.pop("han", 0)
    name, count = counts.most_common(1)[0]
    return name if count else None


def count_words(folded: str) -> int:
    """Count words; each character of an unspaced script counts as one."""
    return len(_UNSPACED.findall(folded)) + len(
        re.findall(rf"[{WORD}]+", _UNSPACED.sub(" ", folded))
    )


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled word pattern, without alternatives of the whole."""

    source: str
    expression: re.Pattern[str] = field(compare=False)
    needle: str = field(compare=False)
    """Every match holds it; the longest word outside brackets, empty where there is none."""

    def matches(self, text: Text) -> Iterator[re.Match[str]]:
        """Find the first matches in an answer, in order, without overlap."""
        if self.needle in text.folded:
            yield from islice(self.expression.finditer(text.folded), MAX_MATCHES)


def split_alternatives(source: str) -> list[str]:
    """Split a pattern at the bars that stand outside all brackets."""
    options, depth = [""], 0
    for char in source:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "|" and depth == 0:
            options.append("")
        else:
            options[-1] += char
    return options


@lru_cache(maxsize=4_096)
def compile_pattern(source: str) -> Pattern:
    """Compile a pattern, one alternative of `split_alternatives`.

    Raises:
        DataError: It is empty, too long, unbalanced, or its gaps multiply beyond the bound.
    """
    if not source.strip():
        raise DataError("a pattern is empty")
    if len(source) > MAX_PATTERN_CHARS:
        raise DataError(f"a pattern has {len(source)} characters; at most {MAX_PATTERN_CHARS}")
    try:
        expression, needle = _translated(t for t in _TOKEN.findall(source) if not t.isspace())
    except ValueError as error:
        raise DataError(f"pattern {source!r}: {error}") from None
    return Pattern(source, re.compile(expression), needle)


def _translated(tokens: Iterable[str]) -> tuple[str, str]:
    """Write the expression of a pattern, token by token, and find its needle."""
    parts: list[str] = []
    needle = ""
    near: tuple[int, str] | None = None  # where '~' stands among the parts, and its gap
    work = [1]  # ways to fill the gaps of each open bracket's alternative
    joint: str | None = None  # what goes before the next item; None where an alternative begins
    is_whole = False  # whether the alternative may end here
    for token in tokens:
        is_first = joint is None or (near is not None and near[0] == len(parts))
        if token.startswith(("..", "~")):
            gap = int(token.lstrip(".~") or DEFAULT_GAP_CHARS)
            work[-1] *= gap + 1
            if is_first or gap > MAX_GAP_CHARS or work[-1] > MAX_GAP_WORK:
                raise ValueError(f"the gap {token!r} is first, or too wide")
            joint, is_whole = rf"[^\n]{{0,{gap}}}?", False
            if token[0] == "~":
                if near or len(work) > 1:
                    raise ValueError("'~' stands once, outside brackets")
                near, joint = (len(parts), joint), ""
        elif token == "(":
            parts.append(f"{joint or ''}(?:(?:")
            work.append(1)
            joint, is_whole = None, False
        elif token == "|" or token[0] == ")":
            if len(work) == 1:
                raise ValueError("a bracket closes that was not opened")
            if not is_whole:
                raise ValueError(_EMPTY)
            if token == "|":
                work[-1] = 1
                joint, is_whole = None, False
            else:
                work.pop()
                joint, is_whole = (_SEPARATOR, True) if token == ")" else ("", False)
            parts.append({"|": "|", ")": "))", ")?": rf"){_SEPARATOR})?"}[token])
        else:
            expression, core = _word(token, is_first)
            parts.append((joint or "") + expression)
            needle = max(needle, core, key=len) if len(work) == 1 else needle
            joint, is_whole = _SEPARATOR, True
    if len(work) > 1:
        raise ValueError("a bracket is not closed")
    if not is_whole:
        raise ValueError(_EMPTY)
    if near is None:
        return "".join(parts), needle
    one, gap_text, other = "".join(parts[: near[0]]), near[1], "".join(parts[near[0] :])
    return f"(?:{one}{gap_text}{other}|{other}{gap_text}{one})", needle


def _word(token: str, is_first: bool) -> tuple[str, str]:
    core = fold(token.strip("*")).strip()
    if not core:
        # fold drops asterisks, so a bare one would match everything
        raise ValueError(f"the word {token!r} holds no letter")
    # the plain \w where it will do: each wide character set costs a millisecond to compile
    letter = f"[{WORD}]" if _INDIC.search(core) else r"\w"
    left, right = _edge(core[0], rf"(?<!{letter})"), _edge(core[-1], rf"(?!{letter})")
    if token.startswith("*"):
        left = "" if is_first else rf"{letter}{{0,30}}"
    if token.endswith("*"):
        right = rf"{letter}{{0,30}}"
    loose = {"-": r"[-\s]?", "'": "'?", " ": _SEPARATOR}
    body = "".join(loose.get(char, re.escape(char)) for char in core)
    needle = max(re.split(r"[-' ]", core), key=len)
    return left + body + right, needle or core


def _edge(char: str, assertion: str) -> str:
    """Give the assertion that a word ends here, nothing for a mark or an unspaced script."""
    is_letter = char.isalnum() or bool(_INDIC.match(char))
    return assertion if is_letter and not _UNSPACED.match(char) else ""


def compile_expression(source: object, where: str) -> re.Pattern[str]:
    """Compile a regular expression for folded text.

    Raises:
        DataError: It is not text, too long, not valid, or its work is not bounded.
    """
    if not isinstance(source, str) or not 0 < len(source) <= MAX_EXPRESSION_CHARS:
        raise DataError(
            f"{where} must be a text of at most {MAX_EXPRESSION_CHARS} characters, not {source!r}"
        )
    bare = _ONE_CHAR.sub("x", source)
    # alternatives of one group add up; those of groups in a row multiply, which is never less
    ways = math.prod(group.count("|") + 1 for group in bare.split("("))
    ways *= 2 ** len(re.findall(r"[^(]\?", bare))
    ways *= math.prod(
        max(1, int(most) - int(least or 0) + 1) for least, most in _WIDTH.findall(bare)
    )
    if _UNBOUNDED.search(bare) or ways > MAX_WAYS:
        raise DataError(
            f"{where}: too many ways to match; bound every repeat, as in \\w{{1,20}}, "
            "and repeat no group"
        )
    try:
        return re.compile(source, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise DataError(f"{where}: not a usable regular expression: {error}") from None
