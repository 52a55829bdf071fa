"""Answers scored block by block: what the metrics of a run of any size are made of.

Of every answer a few numbers are kept, of every tag sums by prompt: the arrays with criteria and
tags for an axis live as long as their block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from .arrays import Floats
from .items import PASS_RULES, Items, score_items, tag_items
from .resampling import ClusteredColumns
from .table import Codes, VerdictTable

LENGTH_CENTRE_CHARS = 2_000
LENGTH_UNIT_CHARS = 500
N_HEAD = 2 + len(PASS_RULES)
"""Columns before those of the tags: the score, adjusted for length, and by each pass rule."""


@dataclass(frozen=True, slots=True)
class ScoredAnswers:
    """N scored answers, and columns of their values summed up by prompt."""

    items: Items
    prompt_N: Codes
    prompt_ids: tuple[str, ...]
    chars_N: Floats
    absolute_N: Floats
    """Absolute points of each answer's rubric."""
    n_verdicts: int
    """Asked for, the missing ones included."""
    n_missing: int
    tags: tuple[str, ...]
    """Example tags, then criterion tags: the columns after the first `N_HEAD`."""
    columns: ClusteredColumns

    @classmethod
    def of(cls, blocks: Iterable[VerdictTable], length_penalty: float) -> ScoredAnswers:
        """Score blocks of one run; there is at least one, and all name the same prompts and tags.

        Args:
            blocks: Tables, taken one at a time and let go.
            length_penalty: Score lost for 500 characters beyond 2,000.
        """
        items: list[Items] = []
        kept: list[tuple[Codes, Floats, Floats]] = []
        columns: ClusteredColumns | None = None
        n_verdicts = n_missing = 0
        names: tuple[str, ...] = ()
        prompt_ids: tuple[str, ...] = ()
        for table in blocks:
            scored = score_items(table)
            adjusted_N = _length_adjusted(scored.h, table.chars_N, length_penalty)
            head_MN = np.stack([scored.h, adjusted_N, *(scored.passes[r] for r in PASS_RULES)])
            values_MN = np.concatenate([head_MN, tag_items(table, scored)])
            these = ClusteredColumns.of(values_MN, table.prompt_N, len(table.prompt_ids))
            columns = these if columns is None else columns.plus(these)
            items.append(scored)
            absolute_N = np.abs(table.rubrics.points).sum(axis=1)
            kept.append((table.prompt_N, table.chars_N, absolute_N))
            n_verdicts += int(table.rubrics.present.sum())
            n_missing += int((table.rubrics.present & np.isnan(table.verdicts_NC)).sum())
            names = (*table.example_tags, *table.criterion_tags.names)
            prompt_ids = table.prompt_ids
        if columns is None:
            raise ValueError("a run has at least one block of answers, if only an empty one")
        prompt_N, chars_N, absolute_N = (np.concatenate(each) for each in zip(*kept, strict=True))
        return cls(
            items=_joined(items),
            prompt_N=prompt_N,
            prompt_ids=prompt_ids,
            chars_N=chars_N,
            absolute_N=absolute_N,
            n_verdicts=n_verdicts,
            n_missing=n_missing,
            tags=names,
            columns=columns,
        )

    def __len__(self) -> int:
        """Count the answers."""
        return len(self.prompt_N)


def _length_adjusted(h_N: Floats, chars_N: Floats, penalty: float) -> Floats:
    return h_N - penalty * (chars_N - LENGTH_CENTRE_CHARS) / LENGTH_UNIT_CHARS


def _joined(parts: Sequence[Items]) -> Items:
    if len(parts) == 1:
        return parts[0]
    names = [spec.name for spec in fields(Items) if spec.name != "passes"]
    return Items(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
        passes={rule: np.concatenate([part.passes[rule] for part in parts]) for rule in PASS_RULES},
    )
