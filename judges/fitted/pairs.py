"""What a cross-encoder reads: a criterion and the sentences of an answer that are most like it.

One row of token ids is `[CLS] criterion [SEP] sentence [SEP] sentence [SEP] ...`, the sentences in
the order of the answer, as many as the budget holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import ConfigError
from .features import Seen

N_TOKENS = 128
"""Tokens of one row, marks included."""
MAX_CRITERION_SHARE = 0.5
"""Of the budget; a longer criterion is cut."""
MIN_PIECE = 8
"""Tokens below which the rest of the budget is left empty."""
MAX_CACHED_TEXTS = 50_000

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pair:
    """One row to read."""

    ids: Ids
    n_criterion: int
    """Tokens of the criterion, marks included; what follows is the answer's."""

    def __len__(self) -> int:
        """Count its tokens."""
        return len(self.ids)


@dataclass(slots=True)
class PairMaker:
    """Puts criteria and sentences into rows of tokens."""

    tokenizer: Any
    n_tokens: int = N_TOKENS
    _ids: dict[str, list[int]] = field(default_factory=dict)

    def pairs(self, seen: Seen, *, looks: bool = True) -> list[Pair]:
        """Give one row a criterion.

        Args:
            seen: The answer, with its texts and vectors.
            looks: False leaves the answer out: what a no-look baseline reads.
        """
        criteria = self._tokens(seen.criteria)
        if not looks:
            return [self._row(criterion, [], []) for criterion in criteria]
        sentences = self._tokens(seen.sentences)
        relevance_CL = relevance(seen)
        return [
            self._row(criterion, sentences, np.argsort(-likeness_L, kind="stable").tolist())
            for criterion, likeness_L in zip(criteria, relevance_CL, strict=True)
        ]

    def _row(self, criterion: list[int], sentences: list[list[int]], order: list[int]) -> Pair:
        start, end = _marks(self.tokenizer)
        head = [start, *criterion[: int(self.n_tokens * MAX_CRITERION_SHARE)], end]
        left = self.n_tokens - len(head)
        taken: dict[int, list[int]] = {}
        for place in order:
            if left <= MIN_PIECE:
                break
            piece = sentences[place][: left - 1]
            taken[place] = piece
            left -= len(piece) + 1
        body = [token for place in sorted(taken) for token in (*taken[place], end)]
        return Pair(np.array(head + body, dtype=np.int32), len(head))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._ids]
        if new:
            if len(self._ids) + len(new) > MAX_CACHED_TEXTS:
                self._ids.clear()
                new = list(dict.fromkeys(texts))
            made = self.tokenizer(
                new, add_special_tokens=False, truncation=True, max_length=self.n_tokens
            )
            self._ids.update(zip(new, made["input_ids"], strict=True))
        return [self._ids[text] for text in texts]


def relevance(seen: Seen) -> Floats:
    """Say how much each sentence has to do with each criterion, [C, L].

    The mean of its likeness to the criterion and of its likeness to the nearest of the criterion's
    clauses: a sentence may hold one of several things that are asked for.
    """
    assert seen.sentences_LD is not None and seen.criteria_CD is not None
    whole_CL = seen.criteria_CD @ seen.sentences_LD.T
    nearest_CL = np.stack([(part @ seen.sentences_LD.T).max(axis=0) for part in seen.clauses])
    mean: Floats = (whole_CL + nearest_CL).astype(np.float64) / 2
    return mean


def _marks(tokenizer: Any) -> tuple[int, int]:
    """Give the tokens that open a row and end a text."""
    start = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    end = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if start is None or end is None:
        raise ConfigError(
            "this encoder's tokenizer has no marks to part texts by ([CLS], [SEP]); a "
            "cross-encoder needs them: take a BERT-like encoder such as MiniLM"
        )
    return int(start), int(end)
