"""The network head, read by numpy and trained by torch: a criterion attends to sentences.

Each attention head weighs sentences by learned likeness to the criterion, starting from the plain
cosine; what it gathers is compared with the criterion, and joined with the features. Trained by
the second half of this file, which holds the same sums in torch.

Axes: L sentences, C criteria, H attention heads, D width of the encoder, F features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..scoring.rubric_arrays import Floats
from .features import Seen

if TYPE_CHECKING:
    from .features import Lesson


Array = NDArray[np.float32]

N_HEADS = 4
KEY_WIDTH = 64
VALUE_WIDTH = 32
TOPIC_WIDTH = 48
FEATURE_WIDTH = 64
HIDDEN_WIDTH = 96
MAX_SENTENCES = 60
"""Sentences a network attends to."""
CLIP = 4.0
"""Bound of a standardised feature."""
TOTAL_SCALE = 0.2
COSINE_SCALE = 3.0
"""Bring the summed attention and the cosine to the size of the other inputs."""
LAYERS = ("query", "key", "value", "compare", "topic", "feature", "hidden", "out")
N_EPOCHS = 6
BATCH_PROMPTS = 8
PEAK_RATE = 1e-3
WEIGHT_DECAY = 0.05
DROPOUT = 0.3
ORDER_WEIGHT = 0.5
"""Of the loss on the order of answers, beside the cross-entropy."""
COSINE_START = 8.0
"""Weight of the plain cosine in the attention before anything is learned."""


@dataclass(frozen=True, slots=True)
class Network:
    """The weights of a network head."""

    weights: Mapping[str, Array]
    """`LAYER.weight` [out, in] and `LAYER.bias`, as torch names them; `cosine` [H]."""
    columns: tuple[int, ...]
    mean_F: Floats
    scale_F: Floats
    looks: bool = True

    def logits(self, seen: Seen) -> Floats:
        """Give the log-odds, [C]."""
        assert seen.sentences_LD is not None and seen.criteria_CD is not None
        sentences = seen.sentences_LD[:MAX_SENTENCES]
        criteria = seen.criteria_CD
        features = (seen.features_CF[:, self.columns] - self.mean_F) / self.scale_F
        gathered = self._gathered(sentences, criteria) if self.looks else []
        parts = [
            _gelu(self._layer("topic", criteria)),
            *gathered,
            np.maximum(self._layer("feature", np.clip(features, -CLIP, CLIP)), 0.0),
        ]
        hidden = _gelu(self._layer("hidden", np.concatenate(parts, axis=1)))
        logits: Floats = self._layer("out", hidden)[:, 0].astype(np.float64)
        return logits

    def to_json(self) -> dict[str, Any]:
        """Give the plain form of all but the weights."""
        return {
            "columns": list(self.columns),
            "mean": self.mean_F.tolist(),
            "scale": self.scale_F.tolist(),
            "looks": self.looks,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], arrays: Mapping[str, Array]) -> Network:
        """Read the plain form and the weights back.

        Raises:
            KeyError, ValueError: Something is missing or not of this form.
        """
        names = ["cosine", *(f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias"))]
        return cls(
            weights={name: arrays[name] for name in names},
            columns=tuple(int(column) for column in plain["columns"]),
            mean_F=np.array(plain["mean"], dtype=np.float64),
            scale_F=np.array(plain["scale"], dtype=np.float64),
            looks=bool(plain["looks"]),
        )

    def _gathered(self, sentences: Array, criteria: Array) -> list[Array]:
        n_criteria, n_sentences = len(criteria), len(sentences)
        cosine_CL = criteria @ sentences.T
        query = self._layer("query", criteria).reshape(n_criteria, N_HEADS, KEY_WIDTH)
        key = self._layer("key", sentences).reshape(n_sentences, N_HEADS, KEY_WIDTH)
        value = self._layer("value", sentences).reshape(n_sentences, N_HEADS, VALUE_WIDTH)
        score_CHL = np.einsum("chk,lhk->chl", query, key) / math.sqrt(KEY_WIDTH)
        score_CHL += self.weights["cosine"][:, None] * cosine_CL[:, None, :]
        top_CH1 = score_CHL.max(axis=2, keepdims=True)
        weight_CHL = np.exp(score_CHL - top_CH1)
        sum_CH1 = weight_CHL.sum(axis=2, keepdims=True)
        total_CH = (top_CH1 + np.log(sum_CH1))[:, :, 0] - math.log(n_sentences)
        weight_CHL /= sum_CH1
        found = np.einsum("chl,lhv->chv", weight_CHL, value)
        compared = self._layer("compare", criteria).reshape(found.shape) * found
        seen_cosine = (weight_CHL * cosine_CL[:, None, :]).sum(axis=2)
        return [
            found.reshape(n_criteria, -1),
            compared.reshape(n_criteria, -1),
            total_CH * TOTAL_SCALE,
            seen_cosine * COSINE_SCALE,
        ]

    def _layer(self, name: str, x: NDArray[Any]) -> Array:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        y: Array = x.astype(np.float32) @ weight.T + bias
        return y


def _gelu(x: Array) -> Array:
    from scipy.special import erf

    y: Array = (0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))).astype(np.float32)
    return y


def train_network(
    lessons: Sequence[Lesson], *, columns: tuple[int, ...], looks: bool, seed: int
) -> Network:
    """Train a network; the global random state of torch is put back.

    Raises:
        ConfigError: torch is missing.
    """
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            f"the network head needs torch ({error}); pip install 'rubricbeat[fit]', or fit with "
            "--head trees"
        ) from error
    features = np.concatenate([lesson.seen.features_CF[:, columns] for lesson in lessons])
    mean_F, spread_F = features.mean(axis=0), features.std(axis=0)
    scale_F = np.where(spread_F > 0, spread_F, 1.0)
    by_prompt: dict[int, list[BatchAnswer]] = {}
    for lesson in lessons:
        scaled = (lesson.seen.features_CF[:, columns] - mean_F) / scale_F
        answer = BatchAnswer.of_lesson(torch, lesson, np.clip(scaled, -CLIP, CLIP))
        by_prompt.setdefault(lesson.prompt, []).append(answer)
    prompts = list(by_prompt.values())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = prompts[0][0].criteria.shape[1]
        module = module_of(torch, width, len(columns), looks)
        _fit(torch, module, prompts, np.random.default_rng(seed))
    weights = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    return Network(weights, columns, mean_F, scale_F, looks)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One answer as tensors."""

    sentences: Any
    criteria: Any
    cosine: Any
    features: Any
    met: Any

    @classmethod
    def of(
        cls, torch: Any, sentences: Any, criteria: Any, features: Floats, met_C: Floats
    ) -> BatchAnswer:
        """Put an answer together from its vectors, its scaled features and its labels."""
        return cls(
            sentences,
            criteria,
            criteria @ sentences.T,
            torch.from_numpy(features.astype(np.float32)),
            torch.from_numpy(met_C.astype(np.float32)),
        )

    @classmethod
    def of_lesson(cls, torch: Any, lesson: Lesson, features: Floats) -> BatchAnswer:
        """Take the vectors as they were seen."""
        seen = lesson.seen
        assert seen.sentences_LD is not None and seen.criteria_CD is not None
        sentences = torch.from_numpy(seen.sentences_LD[:MAX_SENTENCES])
        return cls.of(torch, sentences, torch.from_numpy(seen.criteria_CD), features, lesson.met_C)


class _Batch:
    """Answers side by side: texts end to end, everything else padded."""

    def __init__(self, torch: Any, answers: Sequence[BatchAnswer]) -> None:
        self._pad = torch.nn.utils.rnn.pad_sequence
        self.sentences = torch.cat([a.sentences for a in answers])
        self.criteria = torch.cat([a.criteria for a in answers])
        self.n_sentences = [len(a.sentences) for a in answers]
        self.n_criteria = [len(a.criteria) for a in answers]
        self.features = self._pad([a.features for a in answers], batch_first=True)
        self.met = self._pad([a.met for a in answers], batch_first=True, padding_value=math.nan)
        width = max(self.n_sentences)
        lengths = torch.tensor(self.n_sentences)
        self.there = torch.arange(width)[None] < lengths[:, None]
        self.cosine = torch.zeros(len(answers), max(self.n_criteria), width)
        for row, answer in enumerate(answers):
            n_criteria, n_sentences = answer.cosine.shape
            self.cosine[row, :n_criteria, :n_sentences] = answer.cosine

    def by_answer(self, flat: Any, lengths: list[int]) -> Any:
        """Part rows that stand end to end by answer, padded."""
        return self._pad(flat.split(lengths), batch_first=True)


def module_of(torch: Any, width: int, n_features: int, looks: bool) -> Any:
    """Make the module of a network head."""
    nn = torch.nn

    class Module(nn.Module):  # type: ignore[misc, name-defined]  # torch is imported in here
        def __init__(self) -> None:
            super().__init__()
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

        def forward(self, batch: Any) -> Any:
            # what is linear runs over the texts end to end, without padding: a third of the work
            topic = nn.functional.gelu(self.topic(self.drop(batch.criteria)))
            parts = [batch.by_answer(topic, batch.n_criteria)]
            if looks:
                parts += self.gathered(batch)
            parts.append(torch.relu(self.feature(batch.features)))
            hidden = nn.functional.gelu(self.hidden(self.drop(torch.cat(parts, -1))))
            return self.out(self.drop(hidden)).squeeze(-1)

        def gathered(self, batch: Any) -> list[Any]:
            some_sentences, some_criteria = self.drop(batch.sentences), self.drop(batch.criteria)

            def heads(layer: Any, x: Any, lengths: Any) -> Any:
                padded = batch.by_answer(layer(x), lengths)
                return padded.view(*padded.shape[:2], N_HEADS, -1)

            key = heads(self.key, some_sentences, batch.n_sentences)
            value = heads(self.value, some_sentences, batch.n_sentences)
            query = heads(self.query, some_criteria, batch.n_criteria)
            compare = heads(self.compare, some_criteria, batch.n_criteria)
            cosine = batch.cosine
            score = torch.einsum("achk,alhk->ahcl", query, key) / math.sqrt(KEY_WIDTH)
            score = score + self.cosine[:, None, None] * cosine[:, None]
            score = score.masked_fill(~batch.there[:, None, None], -1e4)
            weight = score.softmax(-1)
            found = torch.einsum("ahcl,alhv->achv", weight, value)
            n_there = batch.there.sum(1).float()[:, None, None]
            total = (torch.logsumexp(score, -1) - n_there.log()).transpose(1, 2)
            seen_cosine = (weight * cosine[:, None]).sum(-1).transpose(1, 2)
            return [
                found.flatten(2),
                (compare * found).flatten(2),
                total * TOTAL_SCALE,
                seen_cosine * COSINE_SCALE,
            ]

    return Module()


def _fit(
    torch: Any, module: Any, prompts: list[list[BatchAnswer]], rng: np.random.Generator
) -> None:
    n_steps = max(1, len(prompts) // BATCH_PROMPTS)
    optimizer = torch.optim.AdamW(module.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, total_steps=N_EPOCHS * n_steps + 1, pct_start=0.15
    )
    module.train()
    for _ in range(N_EPOCHS):
        order = rng.permutation(len(prompts))
        for step in range(n_steps):
            chosen = order[step * BATCH_PROMPTS : (step + 1) * BATCH_PROMPTS]
            loss = loss_of(torch, module, [prompts[place] for place in chosen])
            if loss is None:
                continue
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def loss_of(torch: Any, module: Any, prompts: list[list[BatchAnswer]]) -> Any:
    """Give the loss of a batch; None where none of its criteria has a label."""
    batch = _Batch(torch, [answer for prompt in prompts for answer in prompt])
    met, logits = batch.met, module(batch)
    has = ~met.isnan()
    if not has.any():
        return None
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[has], met[has])
    group = torch.cat([torch.full((len(p),), n) for n, p in enumerate(prompts)])
    same = (group[:, None] == group[None])[..., None]
    # a comparison with NaN is false: answers without a label are in no pair
    better = same & (met[:, None] > met[None])
    if better.any():
        ahead = (logits[:, None] - logits[None])[better]
        loss = loss + ORDER_WEIGHT * torch.nn.functional.softplus(-ahead).mean()
    return loss
