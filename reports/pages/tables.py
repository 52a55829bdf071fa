"""The summary and the pairs as tables for papers and spreadsheets: LaTeX, Markdown, CSV.

LaTeX and Markdown are for readers and carry rounded numbers; CSV is for programs and carries them
whole. Names of models are untrusted: each format escapes what would act in it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...judges.errors import ConfigError
from ...judges.scoring.estimates import MIN_PROMPTS
from .. import numbers
from ..comparison.comparison import Comparison
from ..comparison.corrections import TITLES, ModelCorrection
from ..comparison.measures import ModelResult
from ..comparison.paired import Pair
from ..interval_words import interval_words
from ..numbers import csv_cell, displayed

Cells = list[list[str]]

SUMMARY_HEAD = ("Model", "Score", "95 % interval", "Scored", "Range 50", "Score 50", "Strict")
PAIRS_HEAD = ("Pair", "Difference", "95 % interval", "n", "r", "p", "p (Range 50)", "Detectable")
CORRECTED_HEAD = ("Model, by", "Figure", "Raw", "Corrected", "95 % interval", "Method")
CSV_HEAD = (
    *("row", "name", "other", "value", "low", "high", "standard_error", "n", "n_asked"),
    *("pass_range50", "pass_hb50", "pass_strict", "correlation", "p_t", "p_t_holm"),
    *("p_range50", "p_hb50", "p_strict", "detectable"),
    *("figure", "raw", "method", "refused"),
)
"""Of every row; the last four are of corrected figures, whose `other` is the audit or the labels.
`p_range50` and its like are after Holm's correction."""
METHOD = (
    "Intervals: Student's t over prompts, of pass rates Wilson's at the effective n; none "
    f"below {MIN_PROMPTS} prompts. Differences are paired over shared prompts; p values are "
    "Holm's: the paired t test, and of Range 50 McNemar's exact test where each prompt was "
    "answered once."
)


def require_format(path: Path) -> None:
    """Refuse a table file whose name does not say a known format.

    Raises:
        ConfigError: The suffix is none of the known ones.
    """
    if path.suffix.lower() not in _WRITERS:
        raise ConfigError(f"--table {path}: the name must end in .tex, .md or .csv")


def render_table(comparison: Comparison, path: Path) -> str:
    """Give the tables in the format that the file's name asks for."""
    require_format(path)
    return _WRITERS[path.suffix.lower()](comparison)


def to_markdown(comparison: Comparison) -> str:
    """Write both tables in Markdown, with the headline above and the method below."""
    parts = [f"**{_markdown(comparison.headline.text)}**", _markdown(comparison.headline.detail)]
    parts += [f"**Not comparable:** {_markdown(problem)}" for problem in comparison.problems]
    for head, rows in tables_of(comparison):
        lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
        cells = ([_markdown(c) if i != 1 else c for c in line] for i, line in enumerate(lines))
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells))
    parts.append(_markdown(METHOD))
    return "\n\n".join(parts) + "\n"


def to_latex(comparison: Comparison) -> str:
    """Write both tables for LaTeX with booktabs, the method as a comment."""
    parts = [f"% {_one_line(comparison.headline.text)}", f"% {_one_line(METHOD)}"]
    parts += [f"% NOT COMPARABLE: {_one_line(problem)}" for problem in comparison.problems]
    for head, rows in tables_of(comparison):
        lines = [
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            _latex_row(head),
            r"\midrule",
            *map(_latex_row, rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Write every model and every pair as a row, numbers whole; an empty cell is no number."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_HEAD, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _csv_rows(comparison):
        # a spreadsheet must not take a name for a formula
        writer.writerow(
            {
                name: csv_cell(value) if isinstance(value, str) else value
                for name, value in row.items()
                if value is not None
            }
        )
    return stream.getvalue()


def _csv_rows(comparison: Comparison) -> Iterator[Mapping[str, str | float | None]]:
    for r in comparison.results:
        shares = {rate.rule: rate.share for rate in r.passes}
        row = {"row": "model", "name": r.name, "value": r.score, "n": r.n_scored, **shares}
        row |= {"n_asked": r.n_asked, "standard_error": r.standard_error}
        yield row | {"low": r.interval.low, "high": r.interval.high}
    for p in comparison.pairs:
        d = p.difference
        ps = {f"p_{c.rule.removeprefix('pass_')}": c.p_holm for c in p.passes}
        row = {"row": "difference", "name": p.this, "other": p.other, "value": d.mean, "n": d.n}
        row |= {"standard_error": d.standard_error, "correlation": d.correlation, **ps}
        row |= {"p_t": d.p_value, "p_t_holm": p.p_holm, "detectable": d.detectable}
        yield row | {"low": d.interval.low, "high": d.interval.high}
    for c in comparison.corrections:
        for figure, f in c.figures.items():
            row = {"row": "corrected", "name": c.model, "other": c.source, "figure": figure}
            row |= {"value": f.value, "low": f.low, "high": f.high, "raw": f.raw}
            yield row | {"method": f.method, "refused": f.refused}


def tables_of(comparison: Comparison) -> list[tuple[Sequence[str], Cells]]:
    """Give the head and the rows of each table: the models, the pairs, what was corrected."""
    tables: list[tuple[Sequence[str], Cells]] = [
        (SUMMARY_HEAD, list(map(_summary_row, comparison.results))),
        (PAIRS_HEAD, list(map(_pair_row, comparison.pairs))),
        (CORRECTED_HEAD, _corrected_rows(comparison.corrections)),
    ]
    return [(head, rows) for head, rows in tables if rows]


def _summary_row(result: ModelResult) -> list[str]:
    return [
        result.name,
        numbers.clipped_score(result.score, result.unclipped),
        interval_words(result.interval),
        f"{result.n_scored} of {result.n_asked}",
        *(numbers.share(rate.share) for rate in result.passes),
    ]


def _pair_row(pair: Pair) -> list[str]:
    found = pair.difference
    return [
        f"{pair.this} minus {pair.other}",
        numbers.difference(found.mean),
        interval_words(found.interval, signed=True),
        str(found.n),
        numbers.score(found.correlation),
        numbers.p_value(pair.p_holm),
        numbers.p_value(pair.passes[0].p_holm),
        numbers.score(found.detectable),
    ]


def _corrected_rows(corrections: Sequence[ModelCorrection]) -> Cells:
    return [
        [
            f"{one.model}, {one.source}",
            TITLES[name],
            numbers.score(figure.raw),
            numbers.score(figure.value),
            numbers.interval(figure.low, figure.high),
            figure.method if figure.refused is None else f"not corrected: {figure.refused}",
        ]
        for one in corrections
        for name, figure in one.figures.items()
    ]


def _one_line(text: str) -> str:
    return _SPACES.sub(" ", displayed(text)).strip()


_SPACES = re.compile(r"[ \t\n]+")  # not the narrow space inside numbers
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
_INTERVAL = re.compile(r"\\\[([^a-zA-Z\[\]\\()]*)\\\](?!\()")
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=@)|(?<=mailto)(?=:)", re.I)
"""Where an address, a mention or an e-mail would become a link without any markup."""
_WORD_JOINER = "\N{WORD JOINER}"


def _markdown(text: str) -> str:
    """Escape what Markdown, and the HTML inside it, would act on; nothing becomes a link."""
    escaped = _INTERVAL.sub(r"[\1]", _MARKDOWN.sub(r"\\\1", _one_line(text)))
    return _LINKED.sub(_WORD_JOINER, escaped)


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    numbers.MINUS: "$-$",
    numbers.NONE: "--",
    numbers.PROPER_SPACE: r"\,",
    "\N{INFINITY}": r"$\infty$",
}


def _latex_row(cells: Sequence[str]) -> str:
    row = " & ".join(map(_latex, cells)) + r" \\"
    # after the line before, a bracket or star would be read as an option of its line break
    return f"{{}}{row}" if row[:1] in {"[", "*"} else row


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


_WRITERS = {".tex": to_latex, ".md": to_markdown, ".csv": to_csv}
