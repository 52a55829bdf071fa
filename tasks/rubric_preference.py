"""The `rubric_preference` task: does the model, as a judge with a reward, rank answers correctly?

The same labelled rows and prompts as `judge_meta`. Rows of one answer (same prompt_id and text) are
put together: the reference is the reward of its labels, the test is the reward of the model's
verdicts, and the numbers are about the order of the answers to one prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..judges.audit.reward_bench import Preference, compare_orders
from ..judges.errors import ConfigError
from ..judges.rewards import Needs, get_reward
from ..judges.rubric import Rubric
from ..judges.scoring.rubric_arrays import Bools, Floats, pack_rubrics
from ..judges.verdict import Verdict
from .judge_meta import GradedDocument, JudgeMetaTask
from .metrics import Metric, MetricValue

BEST_OF = 4
METRICS = (
    Metric("pairwise_accuracy", higher_is_better=True),
    Metric("ties", higher_is_better=False),
    Metric("rank_correlation", higher_is_better=True),
    Metric(f"best_of_{BEST_OF}", higher_is_better=True),
    Metric(f"best_of_{BEST_OF}_at_random"),
    Metric(f"best_of_{BEST_OF}_possible"),
    Metric("n_prompts"),
    Metric("n_answers"),
    Metric("n_answer_pairs"),
    Metric("n_without_reward", higher_is_better=False),
)


class RubricPreferenceTask(JudgeMetaTask):
    """Orders answers by the model's verdicts, and compares with the labels' order.

    Keys of the metadata beside those of `judge_meta`: `reward` (a name; healthbench).
    """

    metrics = METRICS

    def settle(self, metadata: Mapping[str, object], config: dict[str, object]) -> None:
        """Find the reward, then do what `judge_meta` does."""
        self._reward = get_reward(str(metadata.get("reward", "healthbench")))
        if self._reward.needs is not Needs.VERDICTS:
            raise ConfigError(f"rubric_preference: reward {self._reward.name!r} needs more")
        self._preference: Preference | None = None
        super().settle(metadata, config)

    def take_documents(self, documents: Sequence[GradedDocument]) -> None:
        """Put the rows of each answer together and compare the two orders."""
        answers: dict[tuple[str, str], list[GradedDocument]] = {}
        for document in documents:
            item = self._labelled[document["row"]]
            answers.setdefault((item.example.prompt_id, item.text), []).append(document)
        prompts: dict[str, int] = {}
        prompt_N = np.array([prompts.setdefault(pid, len(prompts)) for pid, _ in answers])
        given_N, wanted_N = (
            np.array(column) for column in zip(*map(self._rewards, answers.values()), strict=True)
        )
        self._preference = compare_orders(
            given_N, wanted_N, prompt_N.astype(np.intp), self._categories(prompts)
        )

    def _categories(self, prompts: Mapping[str, int]) -> dict[str, Bools]:
        """Say which prompts have a row of each category."""
        carried: dict[str, Bools] = {}
        for item in self._labelled:
            place = prompts.get(item.example.prompt_id)
            if item.category is not None and place is not None:
                mask_P = carried.setdefault(item.category, np.zeros(len(prompts), dtype=bool))
                mask_P[place] = True
        return carried

    def _rewards(self, rows: Sequence[GradedDocument]) -> tuple[float, float]:
        """Give the reward of one answer by the model's verdicts and by the labels."""
        items = [self._labelled[row["row"]] for row in rows]
        # an id is of no use where nothing can refer to it, and rows of one answer may share it
        criteria = tuple(replace(item.example.rubric.criteria[0], id=None) for item in items)
        rubric = pack_rubrics([Rubric(criteria)])
        said = [Verdict.from_json(row["verdicts"][0]).met for row in rows]
        given = np.array([[np.nan if met is None else float(met) for met in said]])
        shares = [np.mean([label.met for label in item.labels[0]]) for item in items]
        reward: Floats = self._reward(given, rubric)
        reference: Floats = self._reward(np.array([shares]), rubric)
        return float(reward[0]), float(reference[0])

    def value_of(self, name: str) -> MetricValue:
        """Give a number of the comparison."""
        found = self._preference
        if found is None:
            return None
        best = next((row for row in found.best_of_n if row.n == BEST_OF), None)
        values: dict[str, MetricValue] = {
            "pairwise_accuracy": found.accuracy.value,
            "ties": found.ties,
            "rank_correlation": found.correlation.value,
            f"best_of_{BEST_OF}": best.picked.value if best else None,
            f"best_of_{BEST_OF}_at_random": best.at_random if best else None,
            f"best_of_{BEST_OF}_possible": best.best if best else None,
            "n_prompts": found.n_prompts,
            "n_answers": found.n_answers,
            "n_answer_pairs": found.n_pairs,
            "n_without_reward": found.n_without_reward,
        }
        return values[name]

    def facts(self) -> dict[str, object]:
        """Add the reward and the comparison."""
        facts = {**super().facts(), "reward": self._reward.name}
        found = self._preference
        return facts if found is None else {**facts, "preference": found.to_json()}
