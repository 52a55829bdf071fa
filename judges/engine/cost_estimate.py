"""What grading these answers would cost, before anything is sent.

What a run of some other size would cost is planned in `harness/costs/`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..answer import seen_of
from ..store.keys import verdict_key
from ..store.opened import reading
from .assembly import store_place
from .ledger import Cost, expected_tokens
from .options import RuntimeOptions
from .work_items import Part, Sheet, group_size_of, material_of, requests_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate(Cost):
    """Calls, tokens and money of a run that has not begun; of a cascade the most it can make."""

    model: str
    criteria: int
    """Verdicts asked for, replicates included."""
    hits: int
    """Verdicts already in the store; of a jury those of its members."""

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        own = {"model": self.model, "criteria": self.criteria, "hits": self.hits}
        return own | dataclasses.asdict(self)

    def line(self) -> str:
        """Say it in one line."""
        cost = "cost unknown" if self.model else "cost not stated by the judge"
        if self.cost_usd is not None:
            cost = f"about ${self.cost_usd:,.2f}"
        return (
            f"{self.criteria:,} criteria, {self.hits:,} verdicts in the store; "
            f"{self.calls:,} calls to make, about {self.prompt_tokens:,} prompt and "
            f"{self.completion_tokens:,} completion tokens, {cost}"
        )


def asked_parts(part: Part, times: int) -> Iterator[tuple[Part, int]]:
    """List who is asked, a jury's members for it, and how often each question goes to them."""
    if not part.members:
        yield part, times
        return
    each = max(1, int(getattr(part.judge, "asks_each", 1)))
    for member in part.members:
        yield from asked_parts(member, times * each)


def estimate_part(part: Part, sheets: Sequence[Sheet], options: RuntimeOptions) -> CostEstimate:
    """Count what grading some answers would ask; the store is read, nothing is sent."""
    n_criteria = sum(sheet.n_questions * _times(sheet, options) for sheet in sheets)
    each = [
        _cost_of(asked, sheets, options, times, n_criteria) for asked, times in asked_parts(part, 1)
    ]
    return CostEstimate(
        model=part.identity.model,
        criteria=n_criteria,
        hits=sum(hits for hits, _ in each),
        **dataclasses.asdict(Cost.sum(cost for _, cost in each)),
    )


def _times(sheet: Sheet, options: RuntimeOptions) -> int:
    return sheet.n_replicates or options.replicates


def _cost_of(
    part: Part, sheets: Sequence[Sheet], options: RuntimeOptions, times: int, n_criteria: int
) -> tuple[int, Cost]:
    """Give the verdicts that one judge has in its store, and the cost of the others."""
    if not part.is_stored:  # free to ask
        return 0, Cost(n_criteria * times)
    size = group_size_of(part.judge)
    n_hits = n_calls = n_prompt = n_completion = 0
    seen: set[bytes] = set()
    with reading(store_place(options)) as look_up:
        for sheet in sheets:
            for replicate in range(_times(sheet, options) * times):
                to_ask = _to_ask(part, sheet, replicate)
                found = look_up(list(to_ask))
                n_hits += len(found)
                fresh = [one for key, one in to_ask.items() if key not in found and key not in seen]
                seen.update(to_ask)
                for n_requests, lengths in _calls(fresh, size):
                    prompt, completion = expected_tokens(lengths)
                    n_calls += n_requests
                    n_prompt += n_requests * prompt
                    n_completion += n_requests * completion
    return n_hits, Cost.of(part.ledger.price, n_calls, n_prompt, n_completion)


@dataclass(frozen=True, slots=True)
class _ToAsk:
    """One question that is not in the store."""

    n_bytes: int
    n_requests: int
    seen: object
    """What is seen beside the criterion: one call holds questions that see the same."""


def _to_ask(part: Part, sheet: Sheet, replicate: int) -> dict[bytes, _ToAsk]:
    """Give each question by its key; equal questions are one."""
    found: dict[bytes, _ToAsk] = {}
    for index in range(sheet.n_questions):
        question = sheet.question(index, replicate)
        text = material_of(part.judge, question)
        one = _ToAsk(len(text), requests_of(part.judge, question), seen_of(question))
        found[verdict_key(part.identity, text, replicate)] = one
    return found


def _calls(fresh: Sequence[_ToAsk], size: int) -> Iterator[tuple[int, list[int]]]:
    """Bind questions into calls: how many requests each takes, and the bytes of its questions."""
    alike: dict[object, list[_ToAsk]] = {}
    for one in fresh:
        alike.setdefault(one.seen, []).append(one)
    for same in alike.values():
        for start in range(0, len(same), size):
            call = same[start : start + size]
            yield call[0].n_requests, [one.n_bytes for one in call]
