"""The order of answers under a reward, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..judges.audit.preference import Preference
from ..judges.audit.probes import ProbeRow
from ..judges.estimates import Estimate
from ..reports import numbers
from ..reports.interval_words import interval_words, share_words
from .audit_table import table_text


def bench_text(name: str, found: Preference, probes: Sequence[ProbeRow]) -> str:
    """Lay out what `bench-reward` measured.

    Args:
        name: What was tested.
        found: How it orders the answers.
        probes: What each probe does to the reward; may be empty.
    """
    n_rewarded = found.n_answers - found.n_without_reward
    parts = [
        f"{name}: {found.n_answers} answers to {found.n_prompts} prompts, {found.n_pairs} pairs "
        f"that the reference tells apart; {found.n_without_reward} answers without a reward",
    ]
    if n_rewarded == 0:
        return f"{parts[0]}\n\nNO REWARD AT ALL: nothing is known of it."
    parts.append(
        table_text(
            [
                ("", "95 % interval", ""),
                ("pairwise accuracy", _cell(found.accuracy), f"ties {numbers.share(found.ties)}"),
                ("tau within a prompt", _cell(found.correlation), ""),
            ]
        )
    )
    head = ("best of n", "reference score of the pick", "at random", "best possible", "prompts")
    curve = [
        (str(row.n), _cell(row.picked), numbers.score(row.at_random), numbers.score(row.best),
         str(row.n_prompts))
        for row in found.best_of_n
    ]  # fmt: skip
    parts.append(table_text([head, *curve]))
    if found.by_theme:
        rows = [(name, _cell(figure)) for name, figure in found.by_theme.items()]
        parts.append(table_text([("tag", "pairwise accuracy"), *rows]))
    parts += _probes(probes)
    return "\n\n".join(parts)


def _probes(probes: Sequence[ProbeRow]) -> Iterator[str]:
    if not probes:
        return
    rows = [
        (row.name, _share(row.raised), _share(row.lowered), _change(row.change), str(row.n))
        for row in probes
    ]
    head = ("probe, which makes no answer better", "raises", "lowers", "mean change", "answers")
    yield table_text([head, *rows])


def _cell(figure: Estimate) -> str:
    if figure.value is None:
        return numbers.NONE
    return f"{numbers.score(figure.value)} {interval_words(figure.interval)}"


def _share(figure: Estimate) -> str:
    if figure.value is None:
        return numbers.NONE
    return f"{numbers.share(figure.value)} {share_words(figure.interval)}"


def _change(figure: Estimate) -> str:
    if figure.value is None:
        return numbers.NONE
    return f"{numbers.difference(figure.value)} {interval_words(figure.interval, signed=True)}"
