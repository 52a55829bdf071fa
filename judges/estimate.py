"""What grading would cost, before anything is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .assembly import Part, open_store
from .judge import Question
from .runs import REPLY_TOKENS_GUESS, Sheet
from .runtime_options import RuntimeOptions
from .store import question_material, verdict_key

BYTES_PER_TOKEN = 4
"""Of English prose under the usual tokenizers; other scripts take more tokens."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls, tokens and money of a run that has not begun."""

    model: str
    criteria: int
    """Verdicts asked for, replicates included."""
    hits: int
    """Verdicts already in the store; of a jury those of its members."""
    calls: int
    """Without retries; of a cascade the most it can make."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None where a model's price is not known; never 0 for that."""

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        return dataclasses.asdict(self)

    def line(self) -> str:
        """Say it in one line."""
        cost = f"about ${self.cost_usd:,.2f}" if self.cost_usd is not None else "cost unknown"
        return (
            f"{self.criteria:,} criteria, {self.hits:,} verdicts in the store; "
            f"{self.calls:,} calls to make, about {self.prompt_tokens:,} prompt and "
            f"{self.completion_tokens:,} completion tokens, {cost}"
        )


def estimate_part(part: Part, sheets: Sequence[Sheet], options: RuntimeOptions) -> Estimate:
    """Count what grading some answers would ask; the store is read, nothing is sent."""
    n_criteria = sum(
        len(sheet.example.rubric) * (sheet.n_replicates or options.replicates) for sheet in sheets
    )
    if not part.members:
        return _estimate_one(part, sheets, options, n_criteria)
    times = max(1, int(getattr(part.judge, "asks_each", 1)))
    inner = dataclasses.replace(options, replicates=options.replicates * times)
    each = [estimate_part(member, sheets, inner) for member in part.members]
    costs = [one.cost_usd for one in each]
    known = [cost for cost in costs if cost is not None]
    return Estimate(
        part.identity.model,
        n_criteria,
        sum(one.hits for one in each),
        sum(one.calls for one in each),
        sum(one.prompt_tokens for one in each),
        sum(one.completion_tokens for one in each),
        sum(known) if len(known) == len(costs) else None,
    )


def _estimate_one(
    part: Part, sheets: Sequence[Sheet], options: RuntimeOptions, n_criteria: int
) -> Estimate:
    if not part.is_stored:  # free to ask
        return Estimate(part.identity.model, n_criteria, 0, n_criteria, 0, 0, 0.0)
    size = max(1, int(getattr(part.judge, "group_size", 1) or 1))
    n_hits = n_calls = n_prompt = n_open = 0
    seen: set[bytes] = set()
    store = open_store(part, options)
    try:
        for sheet in sheets:
            for replicate in range(sheet.n_replicates or options.replicates):
                lengths = _lengths(part, sheet, replicate)
                found = store.lookup(list(lengths)) if store is not None else {}
                n_hits += len(found)
                fresh = [n for key, n in lengths.items() if key not in found and key not in seen]
                seen.update(lengths)
                n_open += len(fresh)
                # a group's questions share one prompt: it is as long as the longest, not the sum
                for start in range(0, len(fresh), size):
                    n_calls += 1
                    n_prompt += max(fresh[start : start + size]) // BYTES_PER_TOKEN
    finally:
        if store is not None:
            store.close()
    n_completion = n_open * REPLY_TOKENS_GUESS
    price = part.ledger.price
    cost = price.cost(n_prompt, 0, n_completion) if price is not None else None
    model = part.identity.model
    return Estimate(model, n_criteria, n_hits, n_calls, n_prompt, n_completion, cost)


def _lengths(part: Part, sheet: Sheet, replicate: int) -> dict[bytes, int]:
    """Give the bytes of each question, by its key; equal questions are one."""
    material = getattr(part.judge, "key_material", question_material)
    lengths: dict[bytes, int] = {}
    for index in range(len(sheet.example.rubric)):
        text = material(Question(sheet.example, sheet.judged, index, replicate))
        lengths[verdict_key(part.identity, text, replicate)] = len(text)
    return lengths
