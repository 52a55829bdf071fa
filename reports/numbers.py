"""Write numbers the way the report shows them: pure functions, one for each kind of number.

Three significant digits, a real minus sign (U+2212), a sign on every difference, and a dash where
there is no number. Text for files of other programs (CSV, JSON) does not pass through here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import wraps

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
"""Shown where there is no number."""
PROPER_SPACE = "\N{NARROW NO-BREAK SPACE}"
"""Between groups of three digits, and between a number and its unit."""

Number = float | int | None
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FORMULA_BEGINS = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\u0085]")


def _finite(write: Callable[[float], str]) -> Callable[[Number], str]:
    """Let a function write what is no finite number as a dash or an infinity."""

    @wraps(write)
    def written(value: Number) -> str:
        if value is None or math.isnan(value):
            return NONE
        if math.isinf(value):
            return MINUS + "∞" if value < 0 else "∞"
        return write(value)

    return written


@_finite
def score(value: float) -> str:
    """Write a score or another number of order one: `0.412`, `-0.0310`, `12.3`."""
    return _signed_text(_three_digits(abs(value)), value < 0)


def clipped_score(value: Number, unclipped: Number) -> str:
    """Write a score that is kept in [0, 1], beside what it was where that changed it."""
    if unclipped is None or not (unclipped < 0 or unclipped > 1):
        return score(value)
    return f"{score(value)} ({score(unclipped)} unclipped)"


def difference(value: Number) -> str:
    """Write a difference, with its sign: `+0.0210`, `-0.300`, `0`."""
    text = score(value)
    is_positive = value is not None and value > 0 and text not in {"0", "0.000"}
    return f"+{text}" if is_positive else text


def interval(low: Number, high: Number, *, signed: bool = False) -> str:
    """Write an interval with its ends at a common precision: `[0.380, 0.445]`."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NONE
    size = max((abs(end) for end in (low, high) if math.isfinite(end)), default=0.0)
    # the larger end sets the precision; past three decimals an interval only pretends
    decimals = min(_decimals(size), 3) if size >= 0.001 else _decimals(size)
    ends = [_fixed(end, decimals, signed=signed) for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


@_finite
def share(value: float) -> str:
    """Write a share of one as per cent: `41.2 %`, `100 %`, `0.0300 %`."""
    return f"{score(value * 100)}{PROPER_SPACE}%"


def shares(low: Number, high: Number) -> str:
    """Write an interval of shares of one as per cent: `[38.0, 44.5] %`."""
    if low is None or high is None:
        return NONE
    ends = interval(low * 100, high * 100)
    return ends if ends == NONE else f"{ends}{PROPER_SPACE}%"


@_finite
def count(value: float) -> str:
    """Write a count with its digits in groups of three: `12 345`."""
    return _signed_text(_grouped(abs(value)), value < 0)


def counted(n: int, noun: str) -> str:
    """Write a number of things: "1 run", "2 runs"."""
    return f"{count(n)} {noun}{'' if n == 1 else 's'}"


@_finite
def p_value(value: float) -> str:
    """Write a p value: `0.0312`, or `< 0.0001`."""
    if value < 0.0001:
        return f"<{PROPER_SPACE}0.0001"
    return _three_digits(value) if value < 1 else "1"


@_finite
def cost(value: float) -> str:
    """Write a cost in US dollars: `$0.0123`, `$4.50`, `$1 234`."""
    if value >= 1000:
        return f"${count(value)}"
    return f"${value:.2f}" if value >= 1 else f"${_three_digits(value)}"


@_finite
def seconds(value: float) -> str:
    """Write a duration: `0.250 s`, `42.0 s`, `12 min`, `3 h 5 min`."""
    if value < 120:
        return f"{_three_digits(value)}{PROPER_SPACE}s"
    minutes = round(value / 60)
    if minutes < 120:
        return f"{minutes}{PROPER_SPACE}min"
    return f"{minutes // 60}{PROPER_SPACE}h {minutes % 60}{PROPER_SPACE}min"


@_finite
def points(value: float) -> str:
    """Write a criterion's points, with their sign and no needless decimals: `+5`, `-2.5`."""
    return plain(value) if value < 0 else f"+{plain(value)}"


@_finite
def plain(value: float) -> str:
    """Write a number on an axis, as short as it is: `0.5`, `-2`."""
    return f"{value:g}".replace("-", MINUS)


def _three_digits(size: float) -> str:
    """Write a number that is not negative with three significant digits, never in powers."""
    if size == 0:
        return "0"
    if size >= 999.5:
        return _grouped(size)
    text = f"{size:.{_decimals(size)}f}"
    return "0" if float(text) == 0 else text


def _grouped(size: float) -> str:
    return f"{round(size):,}".replace(",", PROPER_SPACE)


def _decimals(size: float) -> int:
    """Say how many decimals leave three significant digits; at most six."""
    if size == 0:
        return 0
    rounded = float(f"{size:.2e}")  # 0.9996 rounds up to 1.00 and then needs one decimal fewer
    return min(6, max(0, 2 - math.floor(math.log10(rounded))))


def _fixed(value: float, decimals: int, *, signed: bool) -> str:
    text = f"{abs(value):.{decimals}f}".replace("inf", "∞")
    if text != "∞" and float(text) == 0:
        return text
    if value < 0:
        return f"{MINUS}{text}"
    return f"+{text}" if signed else text


def _signed_text(text: str, is_negative: bool) -> str:
    return f"{MINUS}{text}" if is_negative and text != "0" else text


# NUL and the other controls but tab and line feed; lone surrogates, which UTF-8 cannot hold
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# embeddings, overrides and isolates: they reorder the text around them
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def displayed(text: str) -> str:
    """Give the text with nothing left in it that escaping does not tame.

    Controls and lone surrogates become U+FFFD; characters that reorder text are named where they
    stood, as `[U+202E]`; every kind of line end becomes a line feed.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _REORDERING.sub(lambda found: f"[U+{ord(found.group()):04X}]", text)
    return _UNWRITABLE.sub(REPLACEMENT, text)


def csv_cell(text: str) -> str:
    """Give untrusted text as a cell that a spreadsheet takes for text, and not for a formula."""
    text = " ".join(displayed(text).split())
    return f"'{text}" if _FORMULA_BEGINS.match(text) else text
