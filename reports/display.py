"""Make untrusted text fit to stand in a page: it may be ugly, it may not do anything.

Escaping is Jinja's; this takes care of what escaping leaves: characters that cannot be written,
that reorder what follows, or that end lines where no line ends. `report.js` does the same for the
text it shows.
"""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# NUL and the other controls but tab and line feed; lone surrogates, which UTF-8 cannot hold
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# embeddings, overrides and isolates: they reorder the text around them
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FORMULA_BEGINS = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\u0085]")


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
