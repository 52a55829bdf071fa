"""What every page is made with: templates, their filters, the Content-Security-Policy, the version.

Templates are files of this package and never built from data; every value is escaped, and every
text passes `displayed` on its way out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ...judges.registry import installed_version
from ...judges.scoring.estimates import Estimate
from .. import numbers
from ..comparison.slices import Slice, SliceDifference, split_tag
from ..interval_words import interval_words, share_words
from ..numbers import displayed
from .svg import short

HEAT_STEPS = 9


@cache
def environment() -> Environment:
    """Give the template environment: escaping, strict about what is undefined, our filters."""
    made = Environment(
        loader=FunctionLoader(asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": True, "separators": (",", ":")}
    for name in ("score", "difference", "share", "count", "p_value", "cost", "seconds"):
        made.filters[name] = getattr(numbers, name)
    made.filters.update(
        interval=interval_words,
        signed_interval=lambda interval: interval_words(interval, signed=True),
        ends=lambda ends: numbers.interval(*ends),
        shares=share_words,
        tick=lambda value, signed: ("+" if signed and value > 0 else "") + numbers.plain(value),
        heat=_heat,
        direction=_direction,
        slice_n=_slice_n,
        sentence=_sentence,
        shortened=short,
        in_address=_in_address,
        tag_words=lambda tag: split_tag(tag)[1],
        passes=lambda value: f"{value:.1f}".removesuffix(".0"),
        share_differences=_share_differences,
    )
    return made


def render(template: str, context: Mapping[str, object]) -> str:
    """Fill a template of this package."""
    return environment().get_template(template).render(context)


def section_page(
    id: str, title: str, headline: str, section: str, source: str, *, has_form: bool = False
) -> str:
    """Give a page of one section: one file, no request.

    Args:
        id: Of the section.
        title: Of the page and its section.
        headline: What it found.
        section: Inner HTML that we made; every value in it is escaped.
        source: The page of the docs with its formulas.
        has_form: Whether it holds a form, which the server that gave the page answers.
    """
    context = {
        **frame(forms="'self'" if has_form else "'none'"),
        "id": id,
        "title": title,
        "headline": headline,
        "section": Markup(section),
        "contents": [(at, Markup(words)) for at, words in _HEADS.findall(section)],
        "source": source,
    }
    return render("section_page.html", context)


_HEADS = re.compile(r'<h3 id="([^"]+)">([^<]+)</h3>')


def frame(*scripts: str, forms: str = "'none'", styles: Sequence[str] = ()) -> dict[str, object]:
    """Give what `base.html` is filled with: version, style, script and the policy for both.

    Args:
        scripts: Names of our own scripts beyond the switch between light and dark.
        forms: Where forms may lead.
        styles: Names of our own style sheets beyond that of every page.
    """
    script, style = (
        "".join(map(asset, names)) for names in (("theme.js", *scripts), ("report.css", *styles))
    )
    return {
        "version": installed_version("rubricbeat") or "(not installed)",
        "policy": content_security_policy(script, style, forms),
        # our own files, not data: they must stay byte for byte what their hashes are of
        "script": Markup(script),
        "style": Markup(style),
    }


def asset(name: str) -> str:
    """Read a template, style sheet or script of this package."""
    return files("rubricbeat.reports").joinpath("templates", name).read_text(encoding="utf-8")


def content_security_policy(script: str, style: str, forms: str) -> str:
    """Allow our one script and our one style sheet by their hashes, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        f"base-uri 'none'; form-action {forms}; "
        # our script writes text only: no string can become markup or code
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _finalize(value: object) -> object:
    """Tame every text a template writes; markup of our own passes as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return displayed(value)


def _heat(score: float | None, lower_is_better: bool = False) -> str:
    """Choose the shade of a number from 0 to 1: deeper is better; none without a number."""
    if score is None:
        return ""
    height = 1 - score if lower_is_better else score
    return f"h{min(HEAT_STEPS - 1, max(0, int(height * HEAT_STEPS)))}"


def _direction(difference: SliceDifference, lower_is_better: bool) -> str:
    if not difference.interval.excludes_zero:
        return ""
    return "better" if (difference.mean > 0) != lower_is_better else "worse"


def _slice_n(one: Slice) -> str:
    counts = [numbers.count(cell.n) for cell in one.cells]
    return counts[0] if len(set(counts)) == 1 else " / ".join(counts)


def _in_address(text: str) -> str:
    """Write a name for the part of an address behind `#`, as `report.js` does."""
    return quote(_LONE.sub(numbers.REPLACEMENT, text), safe="!'()*-._~")


_LONE = re.compile("[\ud800-\udfff]")


def _share_differences(difference: Estimate) -> str:
    return numbers.interval(*(100 * end for end in difference.ends or ()), signed=True)


def _sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."
