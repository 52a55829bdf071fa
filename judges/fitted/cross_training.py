"""Tunes a cross-encoder in torch: cross-entropy, and right order of answers within a criterion.

Criteria that all answers meet, or none, teach no order: of those one answer is read and weighed for
the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .cross_encoder import (
    HIDDEN_WIDTH,
    CrossEncoder,
    Reader,
    new_module,
    tensors,
    tuned_names,
)
from .encoder import MiniLM, load_encoder
from .pairs import Pair, PairMaker
from .tuned_weights import only_tuned
from .tuning_checkpoint import Checkpoint
from .tuning_loop import Loop

if TYPE_CHECKING:
    from .heads import Lesson

PEAK_RATE = 4e-5
"""Of the encoder; at 1e-4 MiniLM forgot within 200 steps to tell texts apart."""
HEAD_RATE = 4e-4
BATCH_TOKENS = 4_096
ORDER_WEIGHT = 1.0
"""Of the loss on the order of answers, beside the cross-entropy."""
MAX_OF_MIXED = 8
"""Answers to one criterion that are read in an epoch where some meet it and some do not."""
MAX_OF_ALIKE = 1
"""And where all meet it, or none."""
MAX_WEIGHT = 3.0
BLOCK = 256
"""Criteria that are shuffled together before those of similar length share a batch."""
MIN_SPREAD = 0.01
"""Standard deviation of the log-odds below which nothing has been learned."""

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Rows:
    """Pairs to read, with their labels."""

    pairs: Sequence[Pair]
    met_N: Floats
    """In [0, 1]; never NaN."""
    group_N: Codes
    """The same criterion of the same prompt has the same code."""

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.pairs)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a cross-encoder is tuned."""

    n_tokens: int
    epochs: float
    seed: int
    looks: bool = True


def tune(
    learn: Rows,
    check: Rows,
    encoder: MiniLM,
    tuning: Tuning,
    *,
    say: Callable[[str], None],
    checkpoint: Checkpoint | None = None,
) -> CrossEncoder:
    """Tune a cross-encoder; the global random state of torch is put back.

    Args:
        learn: To learn from.
        check: On other prompts; the weights that do best there are kept.
        encoder: To start from.
        tuning: How.
        say: Told of progress.
        checkpoint: Where a killed run goes on from.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(tuning.seed)
        # the plain sums of attention: on a CPU their gradient is half the work of the fused ones
        base = load_encoder(
            encoder.folder, dtype=torch.float32, attn_implementation="eager",
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        module = new_module(base, HIDDEN_WIDTH)
    tuned = only_tuned(module, tuned_names(module))
    batches = plan(learn, tuning)
    reader = Reader(torch, module, PairMaker(encoder.tokenizer, tuning.n_tokens))
    half = torch.autocast("cpu", torch.bfloat16, enabled=encoder.dtype is torch.bfloat16)

    def step(place: int) -> Any:
        rows, weights = batches[place]
        with half:
            logits = module(*tensors(torch, [learn.pairs[row] for row in rows]))
        met = torch.tensor(learn.met_N[rows], dtype=torch.float32)
        group = torch.tensor(learn.group_N[rows])
        return losses(torch, logits, met, group, torch.tensor(weights, dtype=torch.float32))

    def look() -> float:
        with half:
            logits = torch.tensor(reader.logits(check.pairs))
        met, group = torch.tensor(check.met_N), torch.tensor(check.group_N)
        loss = float(losses(torch, logits, met, group, torch.ones_like(met)))
        order = in_order(torch, logits, met, group)
        say(f"validation: loss {loss:.4f}, pairs in order {order:.3f}")
        if float(logits.std()) < MIN_SPREAD:
            say("it says the same of every pair: the tuning has collapsed, or is too short")
        return loss

    def rate_of(name: str) -> float:
        return PEAK_RATE if name.startswith("encoder.") else HEAD_RATE

    best = Loop(torch, tuned, rate_of, step, look, say, checkpoint).run(len(batches))
    kept = {name: value.astype(np.float16) for name, value in best.items()}
    return CrossEncoder(kept, tuning.n_tokens, tuning.looks)


def rows_of(lessons: Sequence[Lesson], maker: PairMaker, *, looks: bool) -> Rows:
    """Lay out criteria of answers; without a look each criterion once, with its mean label."""
    pairs: list[Pair] = []
    met: list[list[float]] = []
    groups: list[int] = []
    codes: dict[tuple[int, str], int] = {}
    for lesson in lessons:
        made = maker.pairs(lesson.seen, looks=looks)
        for place in map(int, np.flatnonzero(~np.isnan(lesson.met_C))):
            key = (lesson.prompt, lesson.seen.criteria[place])
            is_new = key not in codes
            code = codes.setdefault(key, len(codes))
            label = float(lesson.met_C[place])
            if looks or is_new:
                pairs.append(made[place])
                met.append([label])
                groups.append(code)
            else:
                met[code].append(label)
    met_N = np.array([np.mean(labels) for labels in met])
    return Rows(pairs, met_N, np.array(groups, dtype=np.intp))


def losses(torch: Any, logits: Any, met: Any, group: Any, weights: Any) -> Any:
    """Give the loss of pairs: weighed cross-entropy, and order within a criterion."""
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, met, reduction="none")
    loss = (each * weights).sum() / weights.sum()
    ahead = _ahead(logits, met, group)
    if len(ahead):
        loss = loss + ORDER_WEIGHT * torch.nn.functional.softplus(-ahead).mean()
    return loss


def in_order(torch: Any, logits: Any, met: Any, group: Any) -> float:
    """Give the share of answer pairs on one criterion that are in the right order; ties half."""
    ahead = _ahead(logits, met, group)
    if not len(ahead):
        return math.nan
    return float(((ahead > 0).double() + 0.5 * (ahead == 0).double()).mean())


def _ahead(logits: Any, met: Any, group: Any) -> Any:
    """Say by how much the better answer of each pair on one criterion leads."""
    found = []
    order = group.argsort(stable=True)
    _, counts = group[order].unique_consecutive(return_counts=True)
    for rows in order.split(counts.tolist()):
        better = met[rows][:, None] > met[rows][None]
        found.append((logits[rows][:, None] - logits[rows][None])[better])
    import torch

    return torch.cat(found)


def plan(rows: Rows, tuning: Tuning) -> list[tuple[list[int], list[float]]]:
    """Deal pairs into batches, for all epochs: rows and their weights in the cross-entropy.

    The answers to one criterion stand in one batch. The same seed gives the same plan, which is
    what lets a killed run go on.
    """
    batches: list[tuple[list[int], list[float]]] = []
    wanted = 0
    for epoch in range(math.ceil(tuning.epochs)):
        rng = np.random.default_rng([tuning.seed, epoch])
        made = _epoch(rows, rng)
        share = min(1.0, tuning.epochs - epoch)
        wanted = len(batches) + max(1, round(share * len(made)))
        batches += made
    return batches[:wanted]


def _epoch(rows: Rows, rng: np.random.Generator) -> list[tuple[list[int], list[float]]]:
    order = np.argsort(rows.group_N, kind="stable")
    starts = np.flatnonzero(np.diff(rows.group_N[order])) + 1
    groups = [_some(members, rows.met_N, rng) for members in np.split(order, starts)]
    shuffled = [groups[n] for n in rng.permutation(len(groups))]
    batches: list[tuple[list[int], list[float]]] = []
    for start in range(0, len(shuffled), BLOCK):
        block = sorted(
            shuffled[start : start + BLOCK],
            key=lambda group: max(len(rows.pairs[row]) for row in group[0]),
        )
        open_batch: tuple[list[int], list[float]] | None = None
        for taken, weights in block:
            width = max(len(rows.pairs[row]) for row in taken)
            if open_batch is None or (len(open_batch[0]) + len(taken)) * width > BATCH_TOKENS:
                open_batch = ([], [])
                batches.append(open_batch)
            open_batch[0].extend(taken)
            open_batch[1].extend(weights)
    return [batches[n] for n in rng.permutation(len(batches))]


def _some(members: Codes, met_N: Floats, rng: np.random.Generator) -> tuple[list[int], list[float]]:
    """Choose answers to one criterion, both kinds among them where there are both."""
    shuffled = rng.permutation(members)
    high = met_N[shuffled] > 0.5
    mixed = bool(high.any() and not high.all())
    if mixed:
        # one of each kind comes first, whatever the rest
        first = [int(shuffled[high][0]), int(shuffled[~high][0])]
        rest = [int(row) for row in shuffled if row not in first]
        taken = (first + rest)[:MAX_OF_MIXED]
    else:
        taken = [int(row) for row in shuffled[:MAX_OF_ALIKE]]
    weight = min(len(members) / len(taken), MAX_WEIGHT)
    return taken, [weight] * len(taken)
