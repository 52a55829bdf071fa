"""Several reward columns from one grading, and None in all of them at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from rubricbeat.harness.training.loop.watch import watch
from rubricbeat.harness.training.policy.small_models import build_model, build_tokenizer
from rubricbeat.harness.training.reward.columns import axis_rewards
from rubricbeat.harness.training.reward.reward import RubricReward
from rubricbeat.harness.training.run_files import read_lines
from rubricbeat.harness.training.tiny_data import WORDS, tiny_examples
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError, OutageError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

pytestmark = [pytest.mark.border, pytest.mark.filterwarnings("ignore::FutureWarning")]

AXES = ("axis:accuracy", "axis:completeness")


def criterion(text: str, points: float, axis: str) -> Criterion:
    polarity = Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE
    return Criterion(text, points, polarity, (f"axis:{axis}",))


BOTH = Example(
    "both",
    (Message("user", "a"),),
    Rubric(
        (
            criterion("a", 5, "accuracy"),
            criterion("b", 3, "accuracy"),
            criterion("c", 4, "completeness"),
            criterion("d", 1, "completeness"),
        )
    ),
)
ONE = Example(
    "one",
    (Message("user", "b"),),
    Rubric((criterion("a", 5, "accuracy"), criterion("b", 5, "accuracy"))),
)


def says(question: Question) -> bool | None:
    """An answer is the letters it meets; a question mark after one loses its verdict."""
    letter = question.criterion.text
    return None if f"{letter}?" in question.answer else letter in question.answer


def graded(example: Example, *answers: str) -> list[list[float | None]]:
    asked: list[str] = []

    def judged(question: Question) -> bool | None:
        asked.append(question.answer)
        return says(question)

    reward = RubricReward(
        ScriptedJudge(judged), "healthbench", examples=[BOTH, ONE], max_unscored_frac=1.0
    )
    columns = axis_rewards(reward, AXES)
    given: dict[str, Any] = {"prompt_id": [example.prompt_id] * len(answers)}

    async def as_trl_calls() -> list[list[float | None]]:
        return await asyncio.gather(*(c(["x"] * len(answers), answers, **given) for c in columns))

    found = asyncio.run(as_trl_calls())
    # one grading for both columns; what has no verdict is asked again
    assert len(asked) == len(answers) * len(example.rubric) or "?" in "".join(answers)
    reward.close()
    return found


def test_each_axis_has_its_own_column() -> None:
    # accuracy 5 of 8, 8 of 8; completeness 5 of 5, 4 of 5
    assert graded(BOTH, "a c d", "a b c") == [[0.625, 1.0], [1.0, 0.8]]


def test_an_answer_that_lacks_one_axis_has_none_in_any() -> None:
    # the verdict on c is lost: 4 of 5 points of completeness, and 4 of 13 of the whole
    assert graded(BOTH, "a b c? d", "a c", "b d") == [[None, 0.625, 0.375], [None, 0.8, 0.2]]


def test_an_axis_that_a_rubric_does_not_hold_gives_no_advantage_and_no_gap() -> None:
    assert graded(ONE, "a", "a b") == [[0.5, 1.0], [0.0, 0.0]]


def test_the_next_batch_is_graded_anew() -> None:
    reward = RubricReward(ScriptedJudge(says), "healthbench", examples=[BOTH])
    both = accuracy, completeness = axis_rewards(reward, AXES)
    for answer, wanted in (("a b", (1.0, 0.0)), ("c d", (0.0, 1.0))):
        # one after the other, as two processes call them
        found = [asyncio.run(column(["x"], [answer], prompt_id=["both"])) for column in both]
        assert found == [[wanted[0]], [wanted[1]]]
    assert [accuracy.__name__, completeness.__name__] == [
        "rubric_healthbench_accuracy",
        "rubric_healthbench_completeness",
    ]


def test_what_makes_no_columns_is_refused() -> None:
    with pytest.raises(ConfigError, match="two tags"):
        axis_rewards(RubricReward("keyword"), ["axis:accuracy"])
    with pytest.raises(ConfigError, match="is of a rating"):
        axis_rewards(RubricReward("keyword", "rar_implicit"), AXES)


def trainer(folder: Path, reward: RubricReward) -> GRPOTrainer:
    texts = [turn.content for example in tiny_examples() for turn in example.prompt]
    tokenizer = build_tokenizer(texts, WORDS)
    rows = [example_to_row(example) for example in tiny_examples()]
    arguments = GRPOConfig(
        str(folder), max_steps=2, num_generations=4, per_device_train_batch_size=8,
        max_completion_length=8, use_cpu=True, bf16=False, report_to=[], logging_steps=1,
        multi_objective_aggregation="normalize_then_sum", disable_tqdm=True,
        gradient_checkpointing=False,
    )  # fmt: skip
    data = [{"prompt": row["prompt"], "rubric_row": json.dumps(row)} for row in rows]
    return GRPOTrainer(
        build_model(tokenizer, seed=0),
        axis_rewards(reward, AXES),
        args=arguments,
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
    )


@pytest.mark.parametrize("is_watched", [False, True])
def test_trl_trains_on_columns_that_are_normalised_before_they_are_added(
    tmp_path: Path, is_watched: bool
) -> None:
    reward = RubricReward("keyword", "hybrid(bonus=0)")
    one = trainer(tmp_path, reward)
    if is_watched:
        watch(one)
    one.train()
    logged = one.state.log_history[0]
    assert {f"rewards/rubric_hybrid_{axis}/mean" for axis in ("accuracy", "completeness")} <= {
        *logged
    }
    if is_watched:
        assert [line["answers"] for line in read_lines(tmp_path / "metrics.jsonl")] == [8, 8]
    reward.close()


def test_an_outage_in_columns_ends_the_training_before_a_step(tmp_path: Path) -> None:
    one = trainer(tmp_path, RubricReward(ScriptedJudge(lambda question: None), "healthbench"))
    watch(one)
    before = {name: weight.clone() for name, weight in one.model.named_parameters()}
    with pytest.raises(OutageError):
        one.train()
    assert all(torch.equal(weight, before[name]) for name, weight in one.model.named_parameters())
