"""A dry run: does the reward give this policy a learning signal, and what would the run cost?

The frozen policy answers a few training prompts as it would in training; every answer is judged
twice, so that the study can tell the policy's spread from the judge's noise.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...judges.engine.ledger import Cost
from ...judges.errors import ConfigError
from ...judges.rubric import Example
from ...judges.signal.groups import group_answers
from ...judges.signal.measure import study_signal
from ...judges.signal.study import SignalStudy
from ..terminal import say
from .checks.judges import NO_FOLDER, rewards_of
from .checks.plan import Prepared
from .config import TrainConfig
from .data import data_line, messages_of, sample_examples
from .loop.grpo import build_reward, prepare
from .outlook import (
    Outlook,
    bill_of,
    cautions,
    gold_bill,
    planned_questions,
    reasons_against,
    replicate_factor,
)
from .policy.policy import (
    generate_answers,
    load_model,
    lora_config,
    quiet_libraries,
    sampling_of,
    set_threads,
)
from .reward.batch import BatchScore


@dataclass(frozen=True)
class DryRun:
    """What a few prompts said of the planned run."""

    study: SignalStudy
    found: Outlook
    scale: str
    group: int
    steps: int
    planned_verdicts: int
    """Of the training judge in the planned run, second ones and held-out looks included."""
    planned_ratings: int
    """Ratings of whole answers, likewise; 0 where no reward needs one."""
    planned_calls: int
    gold_calls: int
    """Of the gold judge, estimated."""
    planned_cost_usd: float | None
    """Of both judges; None where a price is not known, never 0 for that."""
    step_s: Mapping[str, float]
    """Seconds of a step by part, on this machine: generation, judge, update."""
    not_counted: str
    """What the run will do beside; empty where it is all counted."""
    spent: Mapping[str, object]
    """The judge's ledgers of the dry run itself: `judge` for verdicts, `ratings`."""

    @property
    def hours(self) -> float:
        """Of the planned run on this machine."""
        return self.steps * sum(self.step_s.values()) / 3600

    @property
    def reasons(self) -> tuple[str, ...]:
        """The blocking problems; empty where there are none."""
        return reasons_against(self.found)

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        found = self.found
        names = {one.name for one in dataclasses.fields(self)} - {"study", "found"}
        return {
            **{name: getattr(self, name) for name in names},
            **{name: getattr(found, name) for name in ("reward", "dead", "reliability")},
            **{"n_prompts": found.n_groups, "unscored": found.unscored},
            **{"reasons": self.reasons, "cautions": cautions(found)},
            **{"dead_words": found.dead_words, "hours": self.hours},
            "study": self.study.to_json(),
        }


def dry_run(config: TrainConfig, n_prompts: int) -> DryRun:
    """Answer, judge and study; no weight is changed and nothing is written but the store."""
    if n_prompts < 2:
        raise ConfigError(f"--prompts must be at least 2, not {n_prompts}")
    if not config.run.output_dir:
        config = replace(config, run=replace(config.run, output_dir=NO_FOLDER))
    prepared = prepare(config, resume=True, trains=False)
    config = prepared.config
    say(data_line(prepared.data.facts))
    set_threads(config.run.threads)
    examples = sample_examples(prepared.data.train, n_prompts, config.data.seed)
    with quiet_libraries():
        model = _frozen(prepared)
        began = time.perf_counter()
        texts = generate_answers(
            model,
            prepared.tokenizer,
            [messages_of(example, config.data) for example in examples],
            sampling_of(config.grpo),
            n=config.grpo.num_generations,
            seed=config.run.seed,
        )
        generation_s = time.perf_counter() - began
        update_s = _update_seconds(model, prepared, [t[0] for t in texts])
    asked = [example for example in examples for _ in range(config.grpo.num_generations)]
    batch, spent = _judge_twice(prepared, [text for group in texts for text in group], asked)
    return _conclude(prepared, batch, spent, (generation_s, update_s))


def words_of(run: DryRun) -> str:
    """Say it on a page: verdict first, then cost, then the study in words."""
    found, careful = run.found, cautions(run.found)
    opening = "no blocking problems found:"
    if run.reasons:
        opening = "this run cannot learn:"
    elif careful:
        opening = "this run can learn only a little:"
    cost = "unknown" if run.planned_cost_usd is None else f"${run.planned_cost_usd:,.2f}"
    reliability = "not measured" if found.reliability is None else f"{found.reliability:.2f}"
    counts = ((run.planned_verdicts, "verdicts"), (run.planned_ratings, "ratings"))
    asked = " and ".join(f"{n:,} {name}" for n, name in counts if n)
    gold = f" and {run.gold_calls:,} of the gold judge" if run.gold_calls else ""
    parts = ", ".join(f"{name} {value:.2f} s" for name, value in run.step_s.items())
    spread = {summary.reward: summary for summary in run.study.rewards}
    lines = [
        opening,
        *(f"  - {reason}" for reason in (*run.reasons, *careful)),
        f"  reward {found.reward}, scale {run.scale}, {found.n_groups} prompts x {run.group} "
        "answers of the frozen policy",
        f"  dead groups {found.dead_words}, reliability of the judge {reliability}, "
        f"answers without a reward {found.unscored:.0%}",
        "planned run:",
        f"  {run.steps:,} steps, {asked}, {run.planned_calls:,} judge calls{gold}, cost {cost}",
        f"  {run.hours:.2f} hours on this machine ({parts} a step)",
        *([f"  not counted: {run.not_counted}"] if run.not_counted else []),
        "rewards on the same verdicts (share of dead groups, mean, spread in a group):",
        *(
            f"  {dead.reward:<22} {_shown(dead.dead.value, '4.0%')}  "
            f"{_shown(spread[dead.reward].mean.value, '6.3f')}  {spread[dead.reward].spread:.3f}"
            for dead in run.study.dead
        ),
        "findings:",
        *(f"  - {sentence.text}" for sentence in run.study.words),
    ]
    return "\n".join(lines)


def _shown(value: float | None, form: str) -> str:
    return f"{'?':>{form[0]}}" if value is None else format(value, form)


def _not_counted(config: TrainConfig, steps: int) -> str:
    section = config.eval
    if not section.tasks:
        return ""
    n = math.ceil(steps / section.every) if section.every else 1  # the last checkpoint always
    ends = "s" if n > 1 else ""
    return f"{n} evaluation{ends} of {', '.join(section.tasks)} (eval.tasks)"


def _frozen(prepared: Prepared) -> Any:
    """Load the policy as the run would start with it."""
    import torch
    from peft import get_peft_model

    config = prepared.config
    model = load_model(config.model, prepared.tokenizer, seed=config.run.seed)
    if (adapter := lora_config(config.model)) is not None:
        model = get_peft_model(model, adapter)
    is_placed = config.run.use_cpu or config.model.load_in_4bit or not torch.cuda.is_available()
    return model if is_placed else model.to("cuda")


def _judge_twice(
    prepared: Prepared, answers: Sequence[str], examples: Sequence[Example]
) -> tuple[BatchScore, dict[str, Any]]:
    config = prepared.config
    if config.run.output_dir != NO_FOLDER:
        Path(config.run.output_dir).mkdir(parents=True, exist_ok=True)
    every = replace(config, reward=replace(config.reward, replicate_every=1))
    with closing(build_reward(replace(prepared, config=every))) as reward:
        return reward.score(None, answers, examples), reward.facts()


def _conclude(
    prepared: Prepared,
    batch: BatchScore,
    spent: dict[str, Any],
    seconds: tuple[float, float],
) -> DryRun:
    config, plan = prepared.config, prepared.plan
    reward, *others = rewards_of(config)
    graded = batch.graded
    groups = group_answers(graded, min_answers=2)
    study = study_signal(groups, [reward, *(one for one in others if one.name != reward.name)])
    shares = {row.reward: row.dead.value for row in study.dead}
    dead = shares.pop(reward.name, None)
    icc = next((split.icc.value for split in study.variance if split.reward == reward.name), None)
    found = Outlook(
        reward=reward.name,
        n_groups=groups.n_groups,
        dead=1.0 if dead is None else float(dead),
        identical=study.identical,
        dead_by_reward={name: float(x) for name, x in shares.items() if x is not None},
        reliability=None if icc is None else float(icc),
        unscored=batch.unscored_frac,
        max_unscored=config.reward.max_unscored_frac,
        planned_groups=plan.n_rows,
    )
    verdicts, ratings = planned_questions(prepared)
    bills = (
        bill_of(spent.get("judge", {}), verdicts),
        bill_of(spent.get("ratings", {}), ratings),
        gold_bill(prepared, [(one.example, one.answer) for one in graded]),
    )
    generation_s, update_s = seconds
    per_step = plan.answers_made_per_step / plan.n_processes / max(1, len(graded))
    return DryRun(
        study=study,
        found=found,
        scale=config.grpo.scale_rewards,
        group=config.grpo.num_generations,
        steps=plan.max_steps,
        planned_verdicts=verdicts,
        planned_ratings=ratings,
        planned_calls=bills[0].calls + bills[1].calls,
        gold_calls=bills[2].calls,
        planned_cost_usd=Cost.sum(bills).cost_usd,
        step_s={
            "generation": generation_s * per_step,
            # judged twice here, once (and one group in `replicate_every` twice) in the run
            "judge": batch.judge_s / 2 * per_step * replicate_factor(config),
            "update": update_s * plan.gradient_accumulation_steps,
        },
        not_counted=_not_counted(config, plan.max_steps),
        spent=spent,
    )


def _update_seconds(model: Any, prepared: Prepared, texts: Sequence[str]) -> float:
    """Time one forward and backward pass of a micro-batch; gradients are thrown away."""
    import torch

    n, data = prepared.plan.micro_batch, prepared.config.data
    examples = sample_examples(prepared.data.train, len(texts), data.seed)
    rows = [
        [*messages_of(example, data), {"role": "assistant", "content": text}]
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
