"""Tunes a cross-encoder in torch: cross-entropy, and right order of answers within a criterion.

Criteria that all answers meet, or none, teach no order: of those one answer is read and weighed for
the rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .cross_checkpoint import Checkpoint, State
from .cross_encoder import (
    HIDDEN_WIDTH,
    CrossEncoder,
    Reader,
    new_module,
    put_weights,
    tensors,
    tuned_names,
)
from .encoder import MiniLM, load_encoder
from .pairs import Pair, PairMaker

PEAK_RATE = 4e-5
"""Of the encoder; at 1e-4 MiniLM forgot within 200 steps to tell texts apart."""
HEAD_RATE = 4e-4
WEIGHT_DECAY = 0.01
WARM_UP = 0.1
"""Share of the steps over which the rate rises; then it falls in a line to 0."""
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
N_CHECKS = 4
"""Looks at the validation prompts; the best weights seen there are kept."""
MIN_SPREAD = 0.01
"""Standard deviation of the log-odds below which nothing has been learned."""
SAY_EVERY_S = 30.0
SAVE_EVERY_S = 300.0
"""Between two checkpoints: what a killed run loses at most."""

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
        run = _Run(torch, new_module(base, HIDDEN_WIDTH), encoder, check, tuning, say)
    weights = run.train(learn, checkpoint)
    kept = {name: value.astype(np.float16) for name, value in weights.items()}
    return CrossEncoder(kept, tuning.n_tokens, tuning.looks)


class _Run:
    """One tuning, from the first step or from a checkpoint to the last."""

    def __init__(
        self, torch: Any, module: Any, encoder: MiniLM, check: Rows, tuning: Tuning, say: Any
    ) -> None:
        self.torch = torch
        self.module = module
        self.check = check
        self.tuning = tuning
        self.say = say
        self.dtype = encoder.dtype
        self.maker = PairMaker(encoder.tokenizer, tuning.n_tokens)
        names = set(tuned_names(module))
        self.tuned = {n: p for n, p in module.named_parameters() if n in names}
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in names)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for n, p in self.tuned.items() if n.startswith("encoder.")],
                 "lr": PEAK_RATE},
                {"params": [p for n, p in self.tuned.items() if not n.startswith("encoder.")],
                 "lr": HEAD_RATE},
            ],
            weight_decay=WEIGHT_DECAY,
        )  # fmt: skip
        self.best: dict[str, NDArray[np.float32]] = self.weights()
        self.best_loss = math.inf

    def weights(self) -> dict[str, NDArray[np.float32]]:
        return {name: p.detach().numpy().copy() for name, p in self.tuned.items()}

    def train(self, learn: Rows, checkpoint: Checkpoint | None) -> dict[str, NDArray[np.float32]]:
        batches = plan(learn, self.tuning)
        n_steps = len(batches)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        first = self._resume(checkpoint)
        checks = {n_steps * (n + 1) // N_CHECKS for n in range(N_CHECKS)} | {n_steps}
        began = said = saved = time.monotonic()
        recent: list[float] = []
        self.module.train()
        for step in range(first, n_steps):
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * _share_of_rate(step, n_steps)
            recent = [*recent[-99:], self._step(learn, *batches[step])]
            now = time.monotonic()
            if now - said > SAY_EVERY_S or step + 1 in checks:
                said = now
                left_s = (now - began) / (step + 1 - first) * (n_steps - step - 1)
                self.say(
                    f"step {step + 1} of {n_steps}, loss {np.mean(recent):.4f}, "
                    f"{_minutes(left_s)} left"
                )
            if step + 1 in checks:
                self._look(step + 1)
            if checkpoint is not None and now - saved > SAVE_EVERY_S:
                saved = now
                self._save(checkpoint, step + 1)
        if checkpoint is not None and first < n_steps:
            self._save(checkpoint, n_steps)
        if first >= n_steps:
            self._look(first)
        return self.best

    def _step(self, learn: Rows, rows: list[int], weights: list[float]) -> float:
        torch = self.torch
        logits = self._logits([learn.pairs[row] for row in rows])
        met = torch.tensor(learn.met_N[rows], dtype=torch.float32)
        group = torch.tensor(learn.group_N[rows])
        loss = losses(torch, logits, met, group, torch.tensor(weights, dtype=torch.float32))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.tuned.values()), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _logits(self, pairs: Sequence[Pair]) -> Any:
        torch = self.torch
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            return self.module(*tensors(torch, pairs))

    def _look(self, step: int) -> None:
        """Measure on the validation prompts, and keep the weights if none were better."""
        torch = self.torch
        self.module.eval()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            reader = Reader(torch, self.module, self.maker)
            logits = torch.tensor(reader.logits(self.check.pairs))
        self.module.train()
        met, group = torch.tensor(self.check.met_N), torch.tensor(self.check.group_N)
        loss = float(losses(torch, logits, met, group, torch.ones_like(met)))
        self.say(
            f"validation after step {step}: loss {loss:.4f}, pairs in order "
            f"{in_order(torch, logits, met, group):.3f}"
        )
        if float(logits.std()) < MIN_SPREAD:
            self.say("it says the same of every pair: the tuning has collapsed, or is too short")
        if loss < self.best_loss:
            self.best_loss, self.best = loss, self.weights()

    def _save(self, checkpoint: Checkpoint, step: int) -> None:
        moments = self.optimizer.state_dict()["state"]
        names = list(self.tuned)
        order = [
            *(name for name in names if name.startswith("encoder.")),
            *(name for name in names if not name.startswith("encoder.")),
        ]
        first = {name: moments[n]["exp_avg"].numpy() for n, name in enumerate(order)}
        second = {name: moments[n]["exp_avg_sq"].numpy() for n, name in enumerate(order)}
        checkpoint.save(State(step, self.weights(), first, second, self.best, self.best_loss))

    def _resume(self, checkpoint: Checkpoint | None) -> int:
        state = checkpoint.load() if checkpoint is not None else None
        if state is None:
            return 0
        torch = self.torch
        put_weights(self.module, state.weights)
        self.best, self.best_loss = state.best, state.best_loss
        for name, parameter in self.tuned.items():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(state.step)),
                "exp_avg": torch.from_numpy(state.first[name].copy()),
                "exp_avg_sq": torch.from_numpy(state.second[name].copy()),
            }
        self.say(f"going on after step {state.step}")
        return state.step


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


def _share_of_rate(step: int, n_steps: int) -> float:
    rising = (step + 1) / max(1.0, WARM_UP * n_steps)
    falling = (n_steps - step) / max(1.0, (1 - WARM_UP) * n_steps)
    return min(1.0, rising, falling)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
