"""A run before the run: what would the reward teach this policy, and what would it cost?

The frozen policy answers a few training prompts as it would in training; every answer is judged
twice, so that the study can tell the policy's spread from the judge's noise.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.engine.ledger import Cost
from ...judges.errors import ConfigError
from ...judges.rewards import get_reward
from ...judges.rubric import Example
from ...judges.signal.groups import group_answers
from ...judges.signal.study import SignalStudy, study_signal
from .checks.judges import asked_of
from .checks.prepare import NO_FOLDER, Prepared, judge_options
from .config import TrainConfig
from .data import data_line, sample_examples
from .loop.grpo import prepare
from .outlook import (
    Findings,
    bill_of,
    cautions,
    gold_bill,
    planned_questions,
    reasons_against,
    replicate_factor,
)
from .policy.policy import generate_answers, load_model, lora_config, quiet_libraries
from .reward.graders import Graders


@dataclass(frozen=True)
class DryRun:
    """What a few prompts said of the planned run."""

    study: SignalStudy
    reward: str
    scale: str
    n_prompts: int
    group: int
    steps: int
    planned_verdicts: int
    """Of the judge that trains in the planned run, second ones and held-out looks included."""
    planned_ratings: int
    """Ratings of whole answers, likewise; 0 where no reward needs one."""
    planned_calls: int
    gold_calls: int
    """Of the gold judge, estimated."""
    planned_cost_usd: float | None
    """Of both judges; None where a price is not known, never 0 for that."""
    step_s: Mapping[str, float]
    """Seconds of a step by part, on this machine: generation, judge, update."""
    dead: float
    reliability: float | None
    unscored: float
    """Share of the answers without a reward."""
    reasons: tuple[str, ...]
    """Why the run could not learn; empty where nothing speaks against it."""
    cautions: tuple[str, ...]
    """What makes little of it."""
    dead_words: str
    """The dead share with its interval over the groups looked at."""
    not_counted: str
    """What the run will do beside; empty where it is all counted."""
    spent: Mapping[str, Any]
    """The judge's ledgers of the dry run itself: `judge` for verdicts, `ratings`."""

    @property
    def hours(self) -> float:
        """Of the planned run on this machine."""
        return self.steps * sum(self.step_s.values()) / 3600

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        names = [name for name in self.__dataclass_fields__ if name != "study"]
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "hours": self.hours, "study": self.study.to_json()}


def dry_run(config: TrainConfig, n_prompts: int) -> DryRun:
    """Answer, judge and study; no weight is changed and nothing is written but the store.

    Raises:
        ConfigError: The planned run could not start; the same checks as for the run itself.
    """
    if n_prompts < 2:
        raise ConfigError(f"--prompts must be at least 2, not {n_prompts}")
    if not config.run.output_dir:
        config = replace(config, run=replace(config.run, output_dir=NO_FOLDER))
    prepared = prepare(config, resume=True)
    print(f"rubricbeat: {data_line(prepared.data.facts)}", file=sys.stderr)
    grpo = config.grpo
    if config.run.threads is not None:
        import torch

        torch.set_num_threads(config.run.threads)
    examples = sample_examples(prepared.data.train, n_prompts, config.data.seed)
    with quiet_libraries():
        model = load_model(config.model, prepared.tokenizer, seed=config.run.seed)
        adapter = lora_config(config.model)
        if adapter is not None:
            from peft import get_peft_model

            model = get_peft_model(model, adapter)
        if config.run.use_cpu is False:
            model = _to_device(model, config)
        began = time.perf_counter()
        texts = generate_answers(
            model,
            prepared.tokenizer,
            examples,
            config.data,
            max_new_tokens=grpo.max_completion_length,
            temperature=grpo.temperature,
            top_p=grpo.top_p,
            min_p=grpo.min_p,
            top_k=grpo.trl.get("top_k", 0),
            repetition_penalty=grpo.trl.get("repetition_penalty", 1.0),
            n=grpo.num_generations,
            seed=config.run.seed,
        )
        generation_s = time.perf_counter() - began
        update_s = _update_seconds(model, prepared, [t[0] for t in texts])
    answers = [
        (example, text) for example, group in zip(examples, texts, strict=True) for text in group
    ]
    graded, judge_s, spent = _judge_twice(config, answers)
    return _conclude(prepared, graded, spent, (generation_s, judge_s, update_s))


def words_of(found: DryRun) -> str:
    """Say it on a page: verdict first, then cost, then the study in words."""
    cost = "unknown" if found.planned_cost_usd is None else f"${found.planned_cost_usd:,.2f}"
    reliability = "not measured" if found.reliability is None else f"{found.reliability:.2f}"
    counts = ((found.planned_verdicts, "verdicts"), (found.planned_ratings, "ratings"))
    asked = [f"{n:,} {name}" for n, name in counts if n]
    gold = f" and {found.gold_calls:,} of the gold judge" if found.gold_calls else ""
    parts = ", ".join(f"{name} {value:.2f} s" for name, value in found.step_s.items())
    lines = [
        _opening(found),
        *(f"  - {reason}" for reason in (*found.reasons, *found.cautions)),
        f"  reward {found.reward}, scale {found.scale}, {found.n_prompts} prompts x {found.group} "
        "answers of the frozen policy",
        f"  dead groups {found.dead_words}, reliability of the judge {reliability}, "
        f"answers without a reward {found.unscored:.0%}",
        "planned run:",
        f"  {found.steps:,} steps, {' and '.join(asked)}, {found.planned_calls:,} judge calls"
        f"{gold}, cost {cost}",
        f"  {found.hours:.2f} hours on this machine ({parts} a step)",
        *([f"  not counted: {found.not_counted}"] if found.not_counted else []),
        "rewards on the same verdicts (share of dead groups, mean, spread in a group):",
    ]
    spread = {summary.reward: summary for summary in found.study.rewards}
    for dead in found.study.dead:
        row = spread[dead.reward]
        lines.append(
            f"  {dead.reward:<22} {_percent(dead.dead.value)}  {_number(row.mean.value)}  "
            f"{row.spread:.3f}"
        )
    lines.append("what the study says:")
    lines += [f"  - {sentence.text}" for sentence in found.study.words]
    return "\n".join(lines)


def _not_counted(config: TrainConfig, steps: int) -> str:
    section = config.eval
    if not section.tasks:
        return ""
    n = math.ceil(steps / section.every) if section.every else 1  # the last checkpoint always
    ends = "s" if n > 1 else ""
    return f"{n} evaluation{ends} of {', '.join(section.tasks)} (eval.tasks)"


def _opening(found: DryRun) -> str:
    if found.reasons:
        return "this run could not learn:"
    if found.cautions:
        return "this run could learn, but little:"
    return "nothing here speaks against the run:"


def _judge_twice(
    config: TrainConfig, answers: Sequence[tuple[Example, str]]
) -> tuple[list[GradedAnswer], float, dict[str, Any]]:
    if config.run.output_dir != NO_FOLDER:
        Path(config.run.output_dir).mkdir(parents=True, exist_ok=True)
    graders = Graders(judge_options(config), config.run.seed)
    examples, texts = [e for e, _ in answers], [t for _, t in answers]
    try:
        began = time.perf_counter()
        graded = asyncio.run(
            graders.grade(texts, examples, asked=asked_of(config), twice=range(len(answers)))
        )
        return graded, time.perf_counter() - began, graders.facts()
    finally:
        graders.close()


def _conclude(
    prepared: Prepared,
    graded: Sequence[GradedAnswer],
    spent: dict[str, Any],
    seconds: tuple[float, float, float],
) -> DryRun:
    config, plan = prepared.config, prepared.plan
    group = config.grpo.num_generations
    reward = get_reward(config.reward.name, **config.reward.options)
    others = [get_reward(name) for name in config.reward.alternatives]
    groups = group_answers(graded, min_answers=2)
    study = study_signal(
        groups, [reward, *(other for other in others if other.name != reward.name)]
    )
    rewards_PG = groups.rewards(reward)
    unscored = float(np.isnan(rewards_PG[groups.answered_PG]).mean())
    dead = next((row for row in study.dead if row.reward == reward.name), None)
    dead_share = 1.0 if dead is None or dead.dead.value is None else float(dead.dead.value)
    reliability = next(
        (split.icc.value for split in study.variance if split.reward == reward.name), None
    )
    found = Findings(
        reward=reward.name,
        n_groups=groups.n_groups,
        dead=dead_share,
        identical=study.identical,
        dead_by_reward={
            row.reward: float(row.dead.value)
            for row in study.dead
            if row.reward != reward.name and row.dead.value is not None
        },
        reliability=None if reliability is None else float(reliability),
        unscored=unscored,
        max_unscored=config.reward.max_unscored_frac,
        planned_groups=plan.n_rows,
    )
    verdicts, ratings = planned_questions(prepared)
    bills = (
        bill_of(spent.get("judge", {}), verdicts),
        bill_of(spent.get("ratings", {}), ratings),
        gold_bill(prepared, [(one.example, one.answer) for one in graded]),
    )
    generation_s, judge_s, update_s = seconds
    per_step = plan.answers_made_per_step / plan.n_processes / max(1, len(graded))
    return DryRun(
        study=study,
        reward=reward.name,
        scale=config.grpo.scale_rewards,
        n_prompts=groups.n_groups,
        group=group,
        steps=plan.max_steps,
        planned_verdicts=verdicts,
        planned_ratings=ratings,
        planned_calls=bills[0].calls + bills[1].calls,
        gold_calls=bills[2].calls,
        planned_cost_usd=Cost.sum(bills).cost_usd,
        step_s={
            "generation": generation_s * per_step,
            # judged twice here, once (and one group in `replicate_every` twice) in the run
            "judge": judge_s / 2 * per_step * replicate_factor(config),
            "update": update_s * plan.gradient_accumulation_steps,
        },
        dead=dead_share,
        reliability=None if reliability is None else float(reliability),
        unscored=unscored,
        reasons=reasons_against(found),
        cautions=cautions(found),
        dead_words=found.dead_words,
        not_counted=_not_counted(config, plan.max_steps),
        spent=spent,
    )


def _update_seconds(model: Any, prepared: Prepared, texts: Sequence[str]) -> float:
    """Time one forward and backward pass of a micro-batch; gradients are thrown away."""
    import torch

    from .data import messages_of

    n = prepared.plan.micro_batch
    examples = sample_examples(prepared.data.train, len(texts), prepared.config.data.seed)
    rows = [
        [*messages_of(example, prepared.config.data), {"role": "assistant", "content": text}]
        for example, text in zip(examples, texts, strict=True)
    ]
    rows = (rows * (n // len(rows) + 1))[:n]
    inputs = prepared.tokenizer.apply_chat_template(
        rows, padding=True, return_tensors="pt", return_dict=True
    ).to(model.device)
    model.train()
    began = time.perf_counter()
    output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    loss: Any = torch.log_softmax(output.logits.float(), -1).mean()
    loss.backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    model.zero_grad(set_to_none=True)
    return seconds


def _to_device(model: Any, config: TrainConfig) -> Any:
    import torch

    if torch.cuda.is_available() and not config.model.load_in_4bit:
        return model.to("cuda")
    return model


def _percent(value: float | None) -> str:
    return "   ?" if value is None else f"{value:4.0%}"


def _number(value: float | None) -> str:
    return "     ?" if value is None else f"{value:6.3f}"
