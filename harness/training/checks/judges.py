"""Whether the judges of a run can do what it asks of them: looked up first, then one question each.

A run that has its weights loaded and its first answers made must not learn then that nobody judges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....judges.answer import Answer
from ....judges.audit.upkeep.families import family_warning
from ....judges.errors import ConfigError, JudgeError
from ....judges.grader import open_grader
from ....judges.judge import Judge
from ....judges.learned import seen_by
from ....judges.rewards import Reward, get_reward
from ....judges.rubric import Example, Rubric
from ....judges.verdict import TIE, Rating, Verdict
from ..config import JudgeName, TrainConfig, options_of
from ..data import TrainingData
from ..reward.graders import VERDICTS_ONLY, Asked, can_rate

PROBE = "I cannot say."
NO_FOLDER = "(no folder)"
"""Stands for the folder of a dry run that has none: its verdicts go to the user's own store."""


def judge_options(config: TrainConfig, judge: JudgeName) -> dict[str, Any]:
    """Give a judge's options, with the verdict store of the run where none is named.

    In the run's folder, a killed run finds every verdict it has paid for when it resumes.
    """
    options = options_of(judge)
    if config.run.output_dir != NO_FOLDER:
        options.setdefault("store", str(Path(config.run.output_dir) / "verdicts.sqlite"))
    return options


def rewards_of(config: TrainConfig) -> list[Reward]:
    """Give the reward that trains, and then those that are logged."""
    section = config.reward
    return [get_reward(section.name, **section.options), *map(get_reward, section.alternatives)]


def check_raters(config: TrainConfig) -> None:
    """Refuse a reward that needs a rating of a judge that gives none."""
    needing = next((one.name for one in rewards_of(config) if one.needs == "rating"), None)
    if needing is not None and not can_rate(config.judge):
        raise ConfigError(
            f"reward {needing!r} needs a rating of the whole answer, and judge "
            f"{_name(config.judge)!r} gives verdicts only; take a judge that rates, such as chat, "
            "or another reward"
        )
    gold = config.gold
    is_rating = get_reward(gold.reward).needs == "rating"
    if gold.judge is not None and is_rating and not can_rate(gold.judge):
        raise ConfigError(
            f"gold.reward {gold.reward!r} needs a rating of the whole answer, and gold.judge "
            f"{_name(gold.judge)!r} gives verdicts only; set gold.reward: healthbench"
        )


def check_judges(config: TrainConfig, example: Example) -> None:
    """Ask each judge of a run one question of each kind that the run asks."""
    gold, evaluation = config.gold, config.eval
    check_judge(config.judge, example, "the judge", rewards_of(config))
    if gold.judge is not None:
        check_judge(gold.judge, example, "the gold judge", [get_reward(gold.reward)])
    if evaluation.tasks and evaluation.judge is not None:
        check_judge(evaluation.judge, example, "eval.judge")


def check_seen(config: TrainConfig, data: TrainingData) -> list[str]:
    """Find prompts that a fitted judge of the run has learned from, and judges of kin.

    Returns:
        One line for each judge that has learned from some of the prompts it is asked about, and
        for each that is of the policy's family.

    Raises:
        ConfigError: The judge that trains has learned from all of them, and the configuration does
            not allow that.
    """
    asked = [("the training judge", config.judge, data.train)]
    if config.gold.judge is not None:
        asked.append(("the gold judge", config.gold.judge, data.held_out))
    said = []
    for what, judge, examples in asked:
        if kin := family_warning(judge, [config.model.name]):
            said.append(f"{what}: {kin}")
        with open_grader(_hasty(judge)) as grader:
            seen = seen_by(grader.judge, examples)
        if not config.reward.allow_seen_prompts:
            seen.require_new("reward.allow_seen_prompts: true")
        if warning := seen.warning():
            said.append(f"{what}: {warning}")
    return said


def check_judge(
    judge: str | Mapping[str, Any] | Judge,
    example: Example,
    what: str,
    rewards: Sequence[Reward] = (),
) -> None:
    """Ask a judge about an answer that says nothing: one criterion, a rating, or both.

    Args:
        judge: As `open_grader` takes it.
        example: Whose first criterion is asked about.
        what: The judge's part in the run, for the message.
        rewards: Computed from what it says; verdicts are asked for where there are none.

    Raises:
        ConfigError: No answer came: it is down, refuses, or cannot judge these criteria. Or none
            with a probability, and a reward needs that.
    """
    # alone: what it requires is another criterion
    criterion = dataclasses.replace(example.rubric.criteria[0], requires=None)
    first = dataclasses.replace(example, rubric=Rubric((criterion,)))
    asked = Asked.by(rewards) if rewards else VERDICTS_ONLY
    try:
        with open_grader(_hasty(judge)) as grader:
            if asked.verdicts:
                [graded] = grader.grade([Answer(first, PROBE)], progress=False)
                _check_verdict(graded.verdicts[0], judge, what, rewards)
            if asked.ratings:
                [rating] = grader.rate([Answer(example, PROBE)], progress=False)
                if rating.value is None:
                    raise _nothing(what, "rating", rating)
    except JudgeError as error:
        raise ConfigError(f"{what} is down: {error}") from error


def _check_verdict(verdict: Verdict, judge: object, what: str, rewards: Sequence[Reward]) -> None:
    if verdict.is_na or (verdict.is_missing and TIE in verdict.explanation):
        return  # it answered; and an answer that says nothing may well divide its members
    if verdict.is_missing:
        raise _nothing(what, "verdict", verdict)
    soft = next((one.name for one in rewards if one.needs == "probabilities"), None)
    if soft and verdict.probability is None and verdict.level_probabilities is None:
        raise ConfigError(
            f"reward {soft!r} needs P(met), and {what} {_name(judge)!r} gives verdicts alone; "
            "fitted and local judges, chat with logprobs, and votes give it"
        )


def _nothing(what: str, kind: str, given: Verdict | Rating) -> ConfigError:
    why = given.explanation or given.reply or "no reason given"
    return ConfigError(f"{what} gave no {kind} ({given.outcome.value}): {why[:300]}")


def _hasty(judge: Any) -> Any:
    """The run retries patiently; whether anyone is there at all shows at once."""
    options = {"name": judge} if isinstance(judge, str) else judge
    if not isinstance(options, Mapping):
        return options
    retries = options.get("max_retries", 1)
    few = min(1, int(retries)) if str(retries).isdigit() else retries  # else refused in words
    return {**options, "max_retries": few, "store": False}


def _name(judge: object) -> str:
    return str(judge.get("name")) if isinstance(judge, Mapping) else str(judge)
