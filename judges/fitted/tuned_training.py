"""Tunes the encoder of a network head end to end, from where the network stands on frozen vectors.

A step reads some answers to a few prompts: each text once, whatever the number of criteria that are
compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoder import MAX_TOKENS, MiniLM, batches_of, load_encoder
from .network import CLIP, MAX_SENTENCES, Network
from .network_training import BatchAnswer, loss_of, module_of
from .tuned_network import TunedNetwork
from .tuned_weights import only_tuned, upper_layers
from .tuning_checkpoint import Checkpoint
from .tuning_loop import Loop

if TYPE_CHECKING:
    from .heads import Lesson

PEAK_RATE = 3e-5
"""Of the encoder."""
NETWORK_RATE = 3e-4
STEP_PROMPTS = 2
STEP_ANSWERS = 6
"""Answers to one prompt that a step reads at most."""
BATCH_TOKENS = 3_000


def tune_network(
    learn: Sequence[Lesson],
    check: Sequence[Lesson],
    network: Network,
    encoder: MiniLM,
    *,
    epochs: float,
    seed: int,
    say: Callable[[str], None],
    checkpoint: Checkpoint | None = None,
) -> TunedNetwork:
    """Tune an encoder and the network on it; the global random state of torch is put back.

    Args:
        learn: To learn from.
        check: On other prompts; the weights that do best there are kept.
        network: Trained on the vectors of the encoder as it is.
        encoder: To start from.
        epochs: Passes over the prompts.
        seed: Of whatever is drawn.
        say: Told of progress.
        checkpoint: Where a killed run goes on from.
    """
    import torch

    base = load_encoder(
        encoder.folder, dtype=torch.float32, attn_implementation="eager",
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    names = [name for name, _ in base.named_parameters() if name.startswith(upper_layers(base))]
    of_encoder = only_tuned(base, names)
    module = module_of(torch, base.config.hidden_size, len(network.columns), network.looks)
    module.load_state_dict({n: torch.from_numpy(w) for n, w in network.weights.items()})
    of_network = dict(module.named_parameters())
    texts = _Texts(torch, base, encoder)
    by_prompt = _by_prompt(learn)
    steps = _plan(by_prompt, epochs, seed)

    def step(place: int) -> Any:
        module.train()
        with torch.random.fork_rng(devices=[]):
            # of the step alone: a run that goes on drops what the whole run would have dropped
            torch.manual_seed(seed + place)
            return loss_of(torch, module, _answers(torch, steps[place], texts, network))

    def look() -> float:
        module.eval()
        found = []
        with torch.no_grad():
            for answers in _by_prompt(check):
                loss = loss_of(torch, module, _answers(torch, [answers], texts, network))
                found.append(math.nan if loss is None else float(loss))
        mean = float(np.nanmean(found))
        say(f"validation: loss {mean:.4f}")
        return mean

    def rate_of(name: str) -> float:
        return PEAK_RATE if name in of_encoder else NETWORK_RATE

    best = Loop(torch, {**of_encoder, **of_network}, rate_of, step, look, say, checkpoint).run(
        len(steps)
    )
    weights = {name: best[name].astype(np.float16) for name in of_encoder}
    tuned = replace(network, weights={name: best[name] for name in of_network})
    return TunedNetwork(tuned, weights)


@dataclass(slots=True)
class _Texts:
    """Reads texts with a gradient."""

    torch: Any
    model: Any
    encoder: MiniLM
    ids: dict[str, list[int]] = field(default_factory=dict)

    def vectors(self, texts: Sequence[str]) -> dict[str, Any]:
        """Give each text its vector of length 1."""
        torch = self.torch
        new = [text for text in dict.fromkeys(texts) if text not in self.ids]
        if new:
            made = self.encoder.tokenizer(new, truncation=True, max_length=MAX_TOKENS)
            self.ids.update(zip(new, made["input_ids"], strict=True))
        ordered = sorted(dict.fromkeys(texts), key=lambda text: len(self.ids[text]))
        lengths = [len(self.ids[text]) for text in ordered]
        half = torch.autocast("cpu", torch.bfloat16, enabled=self.encoder.dtype is torch.bfloat16)
        found: dict[str, Any] = {}
        for rows in batches_of(range(len(ordered)), lengths, BATCH_TOKENS):
            padded = torch.zeros((len(rows), lengths[rows[-1]]), dtype=torch.long)
            mask = torch.zeros_like(padded)
            for place, row in enumerate(rows):
                padded[place, : lengths[row]] = torch.tensor(self.ids[ordered[row]])
                mask[place, : lengths[row]] = 1
            with half:
                hidden = self.model(input_ids=padded, attention_mask=mask).last_hidden_state
            summed = (hidden.float() * mask[..., None]).sum(1)
            vectors = torch.nn.functional.normalize(summed, dim=-1)
            found.update(zip((ordered[row] for row in rows), vectors.unbind(), strict=True))
        return found


def _answers(
    torch: Any, prompts: Sequence[Sequence[Lesson]], texts: _Texts, network: Network
) -> list[list[BatchAnswer]]:
    """Read the answers of a step, each text once."""
    every = [lesson.seen for lessons in prompts for lesson in lessons]
    # a no-look baseline compares with nothing: the empty text stands for every answer
    n_read = MAX_SENTENCES if network.looks else 0
    wanted = [text for seen in every for text in (*seen.sentences[:n_read], *seen.criteria)]
    vectors = texts.vectors([*wanted, ""])

    def read(lesson: Lesson) -> BatchAnswer:
        seen = lesson.seen
        scaled = (seen.features_CF[:, network.columns] - network.mean_F) / network.scale_F
        return BatchAnswer.of(
            torch,
            torch.stack([vectors[text] for text in seen.sentences[:n_read] or ("",)]),
            torch.stack([vectors[text] for text in seen.criteria]),
            np.clip(scaled, -CLIP, CLIP),
            lesson.met_C,
        )

    return [[read(lesson) for lesson in lessons] for lessons in prompts]


def _by_prompt(lessons: Sequence[Lesson]) -> list[list[Lesson]]:
    found: dict[int, list[Lesson]] = {}
    for lesson in lessons:
        found.setdefault(lesson.prompt, []).append(lesson)
    return list(found.values())


def _plan(
    by_prompt: Sequence[Sequence[Lesson]], epochs: float, seed: int
) -> list[list[list[Lesson]]]:
    """Deal prompts, and answers to them, into steps; the same seed gives the same steps."""
    steps: list[list[list[Lesson]]] = []
    for epoch in range(math.ceil(epochs)):
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(by_prompt))
        for start in range(0, len(order), STEP_PROMPTS):
            chosen = [by_prompt[place] for place in order[start : start + STEP_PROMPTS]]
            steps.append(
                [[few[n] for n in rng.permutation(len(few))[:STEP_ANSWERS]] for few in chosen]
            )
    n_steps = max(1, round(epochs * math.ceil(len(by_prompt) / STEP_PROMPTS)))
    return steps[:n_steps]
