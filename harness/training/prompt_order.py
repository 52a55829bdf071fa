"""The order in which a run asks its prompts: epoch by epoch, without those that rest.

A group whose rewards are all equal has no learning signal, and costs as much as any other. A prompt
with several such groups in a row sits out an epoch, then two, four and at most eight, until one of
its groups has a signal again (docs/evidence/resting.md measures what that gains).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .checks.plan import BatchPlan
from .reward.batch import Dead, GroupStats

LONGEST_REST = 8
"""Epochs: a dead prompt may have a signal under a later policy."""


class PromptOrder:
    """Lays out one epoch after the other, each in its own seeded order.

    TRL's own sampler draws its permutation from a generator that starts afresh on resume, so a run
    resumed in epoch 2 would repeat the order of epoch 1 (TRL 1.16, RepeatSampler).
    """

    def __init__(self, prompt_ids: Sequence[str], seed: int, rest_after: int = 0) -> None:
        """Begin, with the prompts by their place in the data.

        `rest_after` is the number of dead groups in a row after which a prompt rests; 0 for never.
        """
        self._place = {prompt_id: place for place, prompt_id in enumerate(prompt_ids)}
        self._n, self._seed, self._rest_after = len(prompt_ids), seed, rest_after
        self._epoch = 0
        self._laid_out: list[int] = []
        self._n_dead = [0] * self._n
        """Dead groups in a row, by prompt."""
        self._waits = [0] * self._n
        """Epochs that a prompt still sits out."""
        self.n_resting = 0
        """Prompts that sit out the epoch laid out last."""

    def asked(self, start: int, stop: int) -> list[int]:
        """Give the places of some of the prompts that the run asks, laying out what is missing."""
        while len(self._laid_out) < stop:
            epoch = list(range(self._n))
            random.Random(f"{self._seed}:{self._epoch}").shuffle(epoch)
            awake = [place for place in epoch if not self._waits[place]]
            self._laid_out += awake
            self.n_resting = self._n - len(awake)
            self._waits = [max(0, wait - 1) for wait in self._waits]
            self._epoch += 1
        return self._laid_out[start:stop]

    def tell(self, groups: Iterable[GroupStats]) -> None:
        """Take in whether groups were dead; one without rewards says nothing of its prompt."""
        if not self._rest_after:
            return
        for group in groups:
            if group.dead is Dead.UNSCORED:
                continue
            place = self._place[group.prompt_id]
            n_dead = 0 if group.dead is None else self._n_dead[place] + 1
            self._n_dead[place] = n_dead
            over = min(n_dead - self._rest_after, LONGEST_REST)
            self._waits[place] = 0 if over < 0 else min(LONGEST_REST, 2**over)

    def state(self) -> dict[str, object]:
        """Give what a resumed run needs to ask as it would have."""
        return {
            "epoch": self._epoch,
            "n_resting": self.n_resting,
            "laid_out": self._laid_out,
            "n_dead": self._n_dead,
            "waits": self._waits,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        self._epoch, self.n_resting = int(state["epoch"]), int(state["n_resting"])
        self._laid_out, self._n_dead, self._waits = (
            list(map(int, state[name])) for name in ("laid_out", "n_dead", "waits")
        )


class OrderedSampler:
    """The rows of a run as TRL's trainer draws them, in the place of its `RepeatSampler` (1.16).

    Each is decided when it is drawn. Every process draws the same, at the same moment of the run.
    """

    def __init__(self, order: PromptOrder, plan: BatchPlan) -> None:
        """Take the order of the prompts, and how many answers each of them gets."""
        self._order, self._plan = order, plan

    def __iter__(self) -> Iterator[int]:
        """Give the row of each answer, a round of generation as often as it is trained on."""
        size = self._plan.prompts_per_generation
        for start in range(0, self._plan.n_rows, size):
            asked = self._order.asked(start, start + size)
            rows = [place for place in asked for _ in range(self._plan.group)]
            for _ in range(self._plan.generation_every):
                yield from rows

    def __len__(self) -> int:
        """Count the rows."""
        return self._plan.n_rows * self._plan.group * self._plan.generation_every
