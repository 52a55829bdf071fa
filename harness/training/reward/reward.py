"""The reward TRL calls: grades a batch of answers, and gives one number for each, or None.

One composed reward, because TRL adds several with `nansum`: beside a second reward a None counts
as 0 (TRL 1.16). Alone, a None masks its answer: advantage 0, baseline of the group without it.
`score` knows no framework; `__call__` is the thin part that TRL sees.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import numpy as np

from ....judges.answer import GradedAnswer
from ....judges.data.conversations import text_of_answer
from ....judges.errors import ConfigError, OutageError
from ....judges.judge import Judge
from ....judges.rewards import Reward, evaluate_batch
from ....judges.rubric import Example
from ....judges.scoring.rubric_arrays import Floats
from ....judges.scoring.verdict_table import VerdictTable
from .batch import (
    BatchScore,
    GroupStats,
    as_optional,
    batch_metrics,
    evidence_of,
    group_stats,
    noise_and_policy,
)
from .graders import Asked, Graders
from .rows import examples_of

UNCOLLECTED_BATCHES = 16
"""Batches kept for a callback to collect; without one, older ones are forgotten."""

Result = TypeVar("Result")
MASK_DEAD = "dead group"
MASK_NOISE = "spread within the judge's noise"


class RubricReward:
    """A reward from a judge's verdicts or ratings, for TRL's GRPOTrainer and for anything else.

    The judge opens at the first batch, so that a reward can be built, pickled and sent to a child
    process before anything is paid or connected. Verdicts are asked for where a reward needs them,
    trained or logged; ratings likewise.
    """

    def __init__(
        self,
        judge: str | Mapping[str, object] | Judge,
        reward: str = "hybrid",
        *,
        reward_options: Mapping[str, object] | None = None,
        alternatives: Sequence[str] = (),
        examples: Sequence[Example] = (),
        rubric: object = None,
        group_size: int | None = None,
        replicate_every: int = 0,
        mask_dead_groups: bool = False,
        min_reliability: float = 0.0,
        max_unscored_frac: float = 0.2,
        steps_per_round: int = 1,
        is_alone: bool = False,
        seed: int = 0,
    ) -> None:
        """Describe the reward; nothing is opened yet.

        Args:
            judge: What `open_grader` takes: a name, a mapping with options, or a judge.
            reward: The reward that trains.
            reward_options: Its options.
            alternatives: Rewards that are logged only. Those from verdicts cost nothing beside
                one another; the first that needs a rating costs a call an answer.
            examples: Found by `prompt_id` when a batch carries that column.
            rubric: Of every prompt, as a row holds it; None where the batch or `examples` say.
            group_size: G; where None, neighbours with one prompt_id are a group.
            replicate_every: Judge one group in this many twice; 0 for none.
            mask_dead_groups: Give None for groups whose rewards are all equal.
            min_reliability: Give None for groups whose reliability, estimated from the judge
                variance measured so far, is below this.
            max_unscored_frac: More than this share of a batch without a reward is an outage; a
                batch without any always is.
            steps_per_round: Steps that share one round of answers, where several do.
            is_alone: One process asks, so that the judge's limits are not divided by all of them.
            seed: Of the judge's runtime.

        Raises:
            ConfigError: A reward is unknown.
        """
        self._graders = Graders(judge, seed, is_alone=is_alone)
        self._reward_name = reward
        self._reward_options = dict(reward_options or {})
        self._alternative_names = tuple(alternatives)
        self._examples = {example.prompt_id: example for example in examples}
        self._rubric = rubric
        self._group_size = group_size
        self._replicate_every = replicate_every
        self._mask_dead_groups = mask_dead_groups
        self._min_reliability = min_reliability
        self._max_unscored_frac = max_unscored_frac
        self._steps_per_round = max(1, steps_per_round)
        self._n_groups_seen = 0
        self._noise_sum = 0.0
        self._n_noise = 0
        self.outage: str | None = None
        """Why the judge counts as down; None while it answers."""
        self.batches: deque[BatchScore] = deque(maxlen=UNCOLLECTED_BATCHES)
        """Scored batches that nobody has collected yet."""
        trained, others = self._rewards()  # an unknown one is an error now, not at the first batch
        self.asked = Asked.by([trained, *others])
        """What the judge is asked about each answer."""
        # TRL logs rewards by this name, and two functions of one name would share a column
        self.__name__ = f"rubric_{reward.partition('(')[0].rpartition(':')[2]}"

    async def __call__(
        self,
        prompts: Sequence[object],
        completions: Sequence[object],
        **columns: Any,
    ) -> list[float | None]:
        """Give the reward of each completion; None where there is none.

        Args:
            prompts: As TRL gives them.
            completions: Texts, or lists of messages.
            columns: Of the data set. `prompt_id` names examples given at construction, `rubric_row`
                holds each example as JSON; without either the columns are the row itself, in a form
                of docs/data.md. And TRL's `trainer_state`, whose step decides which groups are
                judged twice, `log_metric` and `log_extra`.

        Raises:
            OutageError: Too much of the batch has no reward. TRL would train on: the loss would be
                0, and AdamW would move the weights by its momentum.
        """
        return list((await self.scored(prompts, completions, columns)).rewards)

    async def scored(
        self, prompts: Sequence[object], completions: Sequence[object], columns: Mapping[str, Any]
    ) -> BatchScore:
        """Grade a batch as TRL gives it, log it, and keep it for a callback to collect.

        Raises:
            OutageError: Too much of the batch has no reward.
        """
        given = dict(columns)
        state, log_metric, log_extra = (
            given.pop(name, None) for name in ("trainer_state", "log_metric", "log_extra")
        )
        examples = examples_of(prompts, given, self._examples, self._rubric)
        step = int(state.global_step) if state is not None else None
        batch = await self.score_async(list(map(text_of_answer, completions)), examples, step=step)
        self.batches.append(batch)
        if log_metric is not None:
            for name, value in batch_metrics(batch).items():
                log_metric(name, value)
        if log_extra is not None:
            log_extra("prompt_id", [example.prompt_id for example in examples])
        if self.outage is not None:
            raise OutageError(self.outage)
        return batch

    def score(
        self,
        prompts: Sequence[object] | None,
        completions: Sequence[object],
        examples: Sequence[Example],
        *,
        step: int | None = None,
    ) -> BatchScore:
        """Grade and reward a batch, from code that is not async.

        Args:
            prompts: Not read: the examples hold the conversations. Kept for adapters.
            completions: Texts, or lists of messages.
            examples: One for each completion; neighbours of one prompt_id are a group.
            step: Decides which groups are judged twice; a counter of its own where None.
        """
        del prompts
        texts = list(map(text_of_answer, completions))
        return finished(self.score_async(texts, examples, step=step))

    async def score_async(
        self,
        completions: Sequence[str | None],
        examples: Sequence[Example],
        *,
        step: int | None = None,
    ) -> BatchScore:
        """Grade and reward a batch of texts, from any running loop."""
        began = time.perf_counter()
        if len(completions) != len(examples):
            raise ConfigError(f"{len(completions)} completions for {len(examples)} examples")
        groups = self._groups(examples)
        chosen = self._replicated(groups, step)
        waited = time.perf_counter()
        again = {i for g in chosen for i in range(groups[g].start, groups[g].stop)}
        graded = await self._graders.grade(completions, examples, asked=self.asked, twice=again)
        judge_s = time.perf_counter() - waited
        batch = self._reward_batch(graded, groups, chosen, step or 0, judge_s)
        self._watch(batch, self._graders.stopped if self._has_gap(graded) else None)
        return dataclasses.replace(batch, own_s=time.perf_counter() - began - judge_s)

    @property
    def judge(self) -> str | Mapping[str, Any] | Judge:
        """The judge that is asked, as it was given."""
        return self._graders.judge

    @property
    def trained(self) -> Reward:
        """The reward that trains."""
        return self._rewards()[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The reward that trains, with its options, and the others, as they can be asked for again.

        A function of one's own is called by its name, and found by its module.
        """
        spelled = self.trained.name if self._reward_options else self._reward_name
        return (spelled, *self._alternative_names)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the reward that trains; either may be infinite."""
        return self.trained.range

    def looking(self, reward: str, alternatives: Sequence[str]) -> Self:
        """Give another reward of the same judge, under the same limits and ledger.

        For looks at held-out answers: nothing is judged twice or masked. Closing this one closes
        both.
        """
        other = type(self)(self._graders.judge, reward, alternatives=alternatives)
        other._graders = self._graders
        return other

    def facts(self) -> dict[str, object]:
        """Give the judge's identity and its ledger so far; empty before the first batch."""
        return self._graders.facts()

    def carry(self, account: Mapping[str, object]) -> None:
        """Go on with the ledger of a run that is resumed."""
        self._graders.carry(account)

    def state(self) -> dict[str, float]:
        """Give what must survive a restart: the noise measured so far."""
        return {
            "noise_sum": self._noise_sum,
            "n_noise": self._n_noise,
            "n_groups_seen": self._n_groups_seen,
        }

    def load_state(self, state: Mapping[str, float]) -> None:
        """Take up what `state` gave."""
        self._noise_sum, self._n_noise = float(state["noise_sum"]), int(state["n_noise"])
        self._n_groups_seen = int(state["n_groups_seen"])

    def close(self) -> None:
        """Close the judge; everything that was paid for is stored already."""
        self._graders.close()

    def __getstate__(self) -> dict[str, object]:
        """Leave uncollected batches behind."""
        return {**self.__dict__, "batches": deque(maxlen=UNCOLLECTED_BATCHES)}

    def _rewards(self) -> tuple[Reward, list[Reward]]:
        from ....judges.rewards import get_reward

        trained = get_reward(self._reward_name, **self._reward_options)
        others = [get_reward(name) for name in self._alternative_names]
        return trained, [reward for reward in others if reward.name != trained.name]

    def _groups(self, examples: Sequence[Example]) -> list[slice]:
        n, size = len(examples), self._group_size
        if size and n % size == 0:
            starts = list(range(0, n, size))
        else:
            ids = [None, *(example.prompt_id for example in examples)]
            starts = [i for i in range(n) if ids[i] != ids[i + 1]]
        groups = [slice(a, b) for a, b in zip(starts, [*starts[1:], n], strict=True)]
        for group in groups:
            if len({example.prompt_id for example in examples[group]}) > 1:
                raise ConfigError(
                    "a group of answers spans two prompts; the batch of a process must hold whole "
                    "groups of num_generations answers"
                )
        return groups

    def _replicated(self, groups: Sequence[slice], step: int | None) -> set[int]:
        """Choose the groups that are judged twice, by position in the run, not by chance.

        A resumed run must choose as the first one would have, without a random state of its own.
        """
        round_ = None if step is None else step // self._steps_per_round
        first = self._n_groups_seen if round_ is None else round_ * len(groups)
        self._n_groups_seen = first + len(groups)
        if self._replicate_every <= 0:
            return set()
        return {i for i in range(len(groups)) if (first + i) % self._replicate_every == 0}

    def _has_gap(self, graded: Sequence[GradedAnswer]) -> bool:
        return any(
            (self.asked.verdicts and any(verdict.is_missing for verdict in answer.verdicts))
            or any(rating.value is None for rating in answer.ratings)
            for answer in graded
        )

    def _reward_batch(
        self,
        graded: Sequence[GradedAnswer],
        groups: Sequence[slice],
        twice: set[int],
        step: int,
        judge_s: float,
    ) -> BatchScore:
        trained, others = self._rewards()
        table = VerdictTable.of(graded)
        rewards_N = evaluate_batch(trained, table, groups)
        evidence_NC, withheld = evidence_of(trained, table), np.zeros(len(graded), bool)
        stats = []
        for i, group in enumerate(groups):
            prompt_id = graded[group.start].example.prompt_id
            one = group_stats(prompt_id, rewards_N[group], evidence_NC[group])
            if i in twice and all(a.replicates or len(a.ratings) > 1 for a in graded[group]):
                one = self._with_noise(one, rewards_N[group], table.rows(group), trained)
            one = dataclasses.replace(one, masked=self._mask(one))
            withheld[group] = one.masked is not None
            stats.append(one)
        return BatchScore(
            rewards=as_optional(np.where(withheld, np.nan, rewards_N)),
            alternatives={o.name: as_optional(evaluate_batch(o, table, groups)) for o in others},
            unmasked=as_optional(rewards_N),
            graded=tuple(graded),
            group_of=tuple(i for i, g in enumerate(groups) for _ in range(g.start, g.stop)),
            groups=tuple(stats),
            step=step,
            judge_s=judge_s,
            own_s=0.0,
            chars=tuple(len(one.judged) for one in graded),
            asked=self.asked,
        )

    def _watch(self, batch: BatchScore, down: str | None) -> None:
        """Set the flag of an outage, and take it back once the judge answers."""
        n, missing = len(batch.unmasked), batch.unscored_frac
        why = down or f"max_unscored_frac {self._max_unscored_frac:g}"
        self.outage = None
        if down is not None or missing > self._max_unscored_frac or missing == 1:
            gap = f"{round(missing * n)} of {n} answers of a batch got no reward"
            self.outage = f"{gap} ({why})"

    def _with_noise(
        self, stats: GroupStats, rewards_G: Floats, table: VerdictTable, trained: Reward
    ) -> GroupStats:
        again_G = evaluate_batch(trained, table, [slice(len(table))], replicate=1)
        measured = noise_and_policy(np.stack([rewards_G, again_G], axis=1))
        if measured is None:
            return stats
        self._noise_sum += measured[0]
        self._n_noise += 1
        return dataclasses.replace(stats, noise=measured[0], policy=measured[1])

    def _mask(self, stats: GroupStats) -> str | None:
        if self._mask_dead_groups and stats.dead is not None:
            return MASK_DEAD
        if self._min_reliability > 0 and self._n_noise and not math.isnan(stats.std):
            noise, spread = self._noise_sum / self._n_noise, stats.std**2
            if spread == 0 or (spread - noise) / spread < self._min_reliability:
                return MASK_NOISE
        return None


def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, in a thread where a loop runs here already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
