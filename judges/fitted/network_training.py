"""The network head in torch: trained here, read by numpy afterwards (`network.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu, softplus
from torch.nn.utils.rnn import pad_sequence

from ..scoring.rubric_arrays import Floats
from .features import Lesson
from .network import (
    CLIP,
    COSINE_SCALE,
    FEATURE_WIDTH,
    HIDDEN_WIDTH,
    KEY_WIDTH,
    MAX_SENTENCES,
    N_HEADS,
    TOPIC_WIDTH,
    TOTAL_SCALE,
    VALUE_WIDTH,
    Network,
)

N_EPOCHS = 6
BATCH_PROMPTS = 8
PEAK_RATE = 1e-3
WEIGHT_DECAY = 0.05
DROPOUT = 0.3
ORDER_WEIGHT = 0.5
"""Of the loss on the order of answers, beside the cross-entropy."""
COSINE_START = 8.0
"""Weight of the plain cosine in the attention before anything is learned."""


def train_network(
    lessons: Sequence[Lesson], *, columns: tuple[int, ...], looks: bool, seed: int
) -> Network:
    """Train a network; the global random state of torch is put back."""
    features = np.concatenate([lesson.seen.features_CF[:, columns] for lesson in lessons])
    mean_F, spread_F = features.mean(axis=0), features.std(axis=0)
    scale_F = np.where(spread_F > 0, spread_F, 1.0)
    by_prompt: dict[int, list[BatchAnswer]] = {}
    for lesson in lessons:
        scaled = (lesson.seen.features_CF[:, columns] - mean_F) / scale_F
        answer = BatchAnswer.of(lesson, np.clip(scaled, -CLIP, CLIP))
        by_prompt.setdefault(lesson.prompt, []).append(answer)
    prompts = list(by_prompt.values())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = NetworkModule(prompts[0][0].criteria.shape[1], len(columns), looks)
        _fit(module, prompts, np.random.default_rng(seed))
    weights = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    return Network(weights, columns, mean_F, scale_F, looks)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One answer as tensors."""

    sentences: Tensor
    criteria: Tensor
    features: Tensor
    met: Tensor

    @classmethod
    def of(cls, lesson: Lesson, features: Floats) -> BatchAnswer:
        """Take the vectors as they were seen, and features that are scaled."""
        seen = lesson.seen
        assert seen.sentences_LD is not None and seen.criteria_CD is not None
        return cls(
            torch.from_numpy(seen.sentences_LD[:MAX_SENTENCES]),
            torch.from_numpy(seen.criteria_CD),
            torch.from_numpy(features.astype(np.float32)),
            torch.from_numpy(lesson.met_C.astype(np.float32)),
        )


class Batch:
    """Answers side by side: texts end to end, everything else padded."""

    def __init__(self, answers: Sequence[BatchAnswer]) -> None:
        """Put some answers together."""
        self.sentences = torch.cat([a.sentences for a in answers])
        self.criteria = torch.cat([a.criteria for a in answers])
        self.n_sentences = [len(a.sentences) for a in answers]
        self.n_criteria = [len(a.criteria) for a in answers]
        self.features = pad_sequence([a.features for a in answers], batch_first=True)
        self.met = pad_sequence([a.met for a in answers], batch_first=True, padding_value=math.nan)
        width = max(self.n_sentences)
        self.there = torch.arange(width)[None] < torch.tensor(self.n_sentences)[:, None]
        self.cosine = torch.zeros(len(answers), max(self.n_criteria), width)
        for row, answer in enumerate(answers):
            cosine = answer.criteria @ answer.sentences.T
            self.cosine[row, : cosine.shape[0], : cosine.shape[1]] = cosine


def _by_answer(flat: Tensor, lengths: list[int]) -> Tensor:
    """Part rows that stand end to end by answer, padded."""
    return pad_sequence(list(torch.split(flat, lengths)), batch_first=True)


def _heads(layer: nn.Linear, x: Tensor, lengths: list[int]) -> Tensor:
    padded = _by_answer(layer(x), lengths)
    return padded.view(*padded.shape[:2], N_HEADS, -1)


class NetworkModule(nn.Module):
    """The layers of a network head."""

    def __init__(self, width: int, n_features: int, looks: bool) -> None:
        """Make the layers: what they start from hangs on their order."""
        super().__init__()
        self.looks = looks
        self.query = nn.Linear(width, N_HEADS * KEY_WIDTH)
        self.key = nn.Linear(width, N_HEADS * KEY_WIDTH)
        self.value = nn.Linear(width, N_HEADS * VALUE_WIDTH)
        self.compare = nn.Linear(width, N_HEADS * VALUE_WIDTH)
        self.topic = nn.Linear(width, TOPIC_WIDTH)
        self.feature = nn.Linear(n_features, FEATURE_WIDTH)
        self.cosine = nn.Parameter(torch.full((N_HEADS,), COSINE_START))
        n_gathered = N_HEADS * (2 * VALUE_WIDTH + 2) if looks else 0
        self.hidden = nn.Linear(TOPIC_WIDTH + n_gathered + FEATURE_WIDTH, HIDDEN_WIDTH)
        self.out = nn.Linear(HIDDEN_WIDTH, 1)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, batch: Batch) -> Tensor:
        """Give the log-odds, [answers, criteria], padded."""
        # what is linear runs over the texts end to end, without padding: a third of the work
        parts = [_by_answer(gelu(self.topic(self.drop(batch.criteria))), batch.n_criteria)]
        if self.looks:
            parts += self._gathered(batch)
        parts.append(torch.relu(self.feature(batch.features)))
        hidden = gelu(self.hidden(self.drop(torch.cat(parts, -1))))
        logits: Tensor = self.out(self.drop(hidden))
        return logits.squeeze(-1)

    def _gathered(self, batch: Batch) -> list[Tensor]:
        some_sentences, some_criteria = self.drop(batch.sentences), self.drop(batch.criteria)
        key = _heads(self.key, some_sentences, batch.n_sentences)
        value = _heads(self.value, some_sentences, batch.n_sentences)
        query = _heads(self.query, some_criteria, batch.n_criteria)
        compare = _heads(self.compare, some_criteria, batch.n_criteria)
        score = torch.einsum("achk,alhk->ahcl", query, key) / math.sqrt(KEY_WIDTH)
        score = score + self.cosine[:, None, None] * batch.cosine[:, None]
        score = score.masked_fill(~batch.there[:, None, None], -1e4)
        weight = score.softmax(-1)
        found = torch.einsum("ahcl,alhv->achv", weight, value)
        n_there = batch.there.sum(1).float()[:, None, None]
        total = (torch.logsumexp(score, -1) - n_there.log()).transpose(1, 2)
        seen_cosine = (weight * batch.cosine[:, None]).sum(-1).transpose(1, 2)
        return [
            found.flatten(2),
            (compare * found).flatten(2),
            total * TOTAL_SCALE,
            seen_cosine * COSINE_SCALE,
        ]


def _fit(
    module: NetworkModule, prompts: Sequence[list[BatchAnswer]], rng: np.random.Generator
) -> None:
    n_steps = max(1, len(prompts) // BATCH_PROMPTS)
    optimizer = torch.optim.AdamW(module.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, total_steps=N_EPOCHS * n_steps + 1, pct_start=0.15
    )
    module.train()
    for _ in range(N_EPOCHS):
        order: NDArray[np.intp] = rng.permutation(len(prompts))
        for step in range(n_steps):
            chosen = order[step * BATCH_PROMPTS : (step + 1) * BATCH_PROMPTS]
            loss = _loss_of(module, [prompts[place] for place in chosen])
            if loss is None:
                continue
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()


def _loss_of(module: NetworkModule, prompts: Sequence[list[BatchAnswer]]) -> Tensor | None:
    """Give the loss of a batch; None where none of its criteria has a label."""
    batch = Batch([answer for prompt in prompts for answer in prompt])
    met, logits = batch.met, module(batch)
    has = ~met.isnan()
    if not has.any():
        return None
    loss = binary_cross_entropy_with_logits(logits[has], met[has])
    group = torch.cat([torch.full((len(p),), n) for n, p in enumerate(prompts)])
    same = (group[:, None] == group[None])[..., None]
    # a comparison with NaN is false: answers without a label are in no pair
    better = same & (met[:, None] > met[None])
    if better.any():
        ahead = (logits[:, None] - logits[None])[better]
        loss = loss + ORDER_WEIGHT * softplus(-ahead).mean()
    return loss
