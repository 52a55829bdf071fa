"""The `reward_variance` task: several answers to each prompt, and what each reward makes of them.

The same answers and verdicts as any rubric task, under other numbers: spread inside a group, dead
groups, reliability. The study itself is `judges/signal`; this names its numbers as metrics.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from ..judges.answer import GradedAnswer
from ..judges.errors import ConfigError
from ..judges.rewards import Needs, Reward, parse_rewards
from ..judges.scoring.plain_form import plain_form
from ..judges.signal.advantages import spread_of
from ..judges.signal.dead_groups import equal_in_group
from ..judges.signal.groups import group_answers
from ..judges.signal.measure import study_signal
from ..judges.signal.study import SignalStudy
from .metrics import Metric, MetricValue, distinct_share, mean_distinct, na_metric
from .rubric_task import RubricTask

log = logging.getLogger(__name__)

DEFAULT_REWARDS = (
    "healthbench",
    "healthbench_clipped",
    "hybrid",
    "complexity",
    "rar_explicit",
    "binary",
)
MIN_ANSWERS = 2
"""A document of this task is a group by design, however few answers it was asked for."""
GENERAL_METRICS = (
    Metric("n_groups"),
    Metric("n_asked"),
    Metric("distinct_answers", higher_is_better=True),
    Metric("identical_verdicts", higher_is_better=False),
)
KEPT_TABLES = ("dead", "variance", "terms", "words")
"""Tables of the study that go into the results; `rubricbeat variance` gives all of them."""


class RewardVarianceTask(RubricTask):
    """A rubric task whose numbers are about rewards.

    The metadata's `rewards` names them: a list, or `hybrid,healthbench(clip=true)`.
    """

    def settle(self, metadata: Mapping[str, object], config: dict[str, object]) -> None:
        """Find the rewards, then do what every rubric task does."""
        self.rewards = _verdict_rewards(metadata.get("rewards") or DEFAULT_REWARDS)
        self.metrics = (*GENERAL_METRICS, *_reward_metrics(self.rewards))
        self._study: SignalStudy | None = None
        super().settle(metadata, config)

    def document_metrics(
        self, graded: Mapping[str, Sequence[GradedAnswer]]
    ) -> Mapping[str, Mapping[str, MetricValue]]:
        """Give each prompt's group: mean and spread of each reward, and whether it is dead."""
        values: dict[str, dict[str, MetricValue]] = {
            prompt_id: {
                "n_asked": len(answers),
                "n_groups": int(len(answers) >= MIN_ANSWERS),
                "distinct_answers": distinct_share([answer.answer for answer in answers]),
            }
            for prompt_id, answers in graded.items()
        }
        enough = [a for answers in graded.values() if len(answers) >= MIN_ANSWERS for a in answers]
        if not enough:
            return values
        groups = group_answers(enough, min_answers=MIN_ANSWERS)
        for reward in self.rewards:
            rewards_PG = groups.rewards(reward)
            spread_P, dead_P = spread_of(rewards_PG), equal_in_group(rewards_PG)
            known = ~np.isnan(rewards_PG)
            for at, prompt_id in enumerate(groups.prompt_ids):
                row = rewards_PG[at][known[at]]
                alive = len(row) >= MIN_ANSWERS
                values[prompt_id] |= {
                    f"mean_{reward.name}": float(row.mean()) if len(row) else None,
                    f"spread_{reward.name}": float(spread_P[at]) if alive else None,
                    f"dead_{reward.name}": float(dead_P[at]) if alive else None,
                }
        return values

    def summarise(self, graded: Sequence[GradedAnswer]) -> Mapping[str, object]:
        """Study the whole run; None wherever the answers do not suffice."""
        values: dict[str, object] = {"n_asked": len(graded), "n_groups": 0, **na_metric(graded)}
        try:
            groups = group_answers(graded, min_answers=MIN_ANSWERS)
            self._study = study = study_signal(groups, self.rewards, seed=self._seed)
        except ConfigError as error:
            self._study = None
            log.warning("%s: %s", self._label, error)
            return values
        values |= {
            "n_groups": study.n_groups,
            "identical_verdicts": study.identical,
            "distinct_answers": mean_distinct(graded),
        }
        for summary, dead, split in zip(study.rewards, study.dead, study.variance, strict=True):
            name = summary.reward
            values |= {
                f"mean_{name}": summary.mean.value,
                f"spread_{name}": None if np.isnan(summary.spread) else summary.spread,
                f"dead_{name}": dead.dead.value,
                f"lost_{name}": dead.lost if dead.n_groups else None,
                f"reliability_{name}": split.icc.value,
            }
        for sentence in study.words:
            log.info("%s: %s", self._label, sentence.text)
        return values

    def facts(self) -> dict[str, object]:
        """Add the study's main tables to what the results file says of this task."""
        facts = super().facts()
        if self._study is not None:
            tables = self._study.to_json()
            facts["signal"] = {name: tables[name] for name in KEPT_TABLES}
        return {**facts, "rewards": plain_form([reward.name for reward in self.rewards])}


def _verdict_rewards(given: object) -> list[Reward]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"metadata: rewards is {given!r}; give a list of names, or one string with commas"
        )
    rewards = parse_rewards(given if isinstance(given, str) else list(names))
    for reward in rewards:
        if reward.needs is not Needs.VERDICTS:
            raise ConfigError(
                f"metadata: reward {reward.name!r} needs {reward.needs}; this task has verdicts"
            )
    return rewards


def _reward_metrics(rewards: Sequence[Reward]) -> list[Metric]:
    kinds = {"mean": True, "spread": True, "dead": False, "lost": False, "reliability": True}
    return [
        Metric(f"{kind}_{reward.name}", higher_is_better=better)
        for kind, better in kinds.items()
        for reward in rewards
    ]
