"""What a page of training runs says before its curves: what they have in common, and each one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import numbers
from .training_runs import TrainingRun

DIFFERS = "differs between the runs"


def common_facts(runs: Sequence[TrainingRun]) -> list[tuple[str, str]]:
    """Name what all runs share, and say where they do not."""
    told: dict[str, Callable[[TrainingRun], str]] = {
        "Policy": _policy,
        "Judge that trains": lambda run: judge_words(run.config.get("judge")),
        "Gold judge": lambda run: judge_words(run.config.get("gold", {}).get("judge")),
        "Scored by": lambda run: f"reward {run.gold_reward}, on held-out prompts",
        "Prompts": _prompts,
        "Budget": _budget,
        "Optimisation": _optimisation,
        "Preset": lambda run: str(run.config.get("preset") or "none"),
        "Versions": _versions,
    }
    facts = []
    of_itself = [run for run in runs if run.gold_ledger.get("notes")]
    for name, tell in told.items():
        values = list(dict.fromkeys(map(tell, runs)))
        text = values[0] if len(values) == 1 else f"{DIFFERS}: {'; '.join(values[:4])}"
        facts.append((name, text if len(values) <= 4 else f"{text}; and {len(values) - 4} more"))
        if name == "Gold judge" and of_itself:
            told_notes = dict.fromkeys(str(run.gold_ledger["notes"]) for run in of_itself)
            facts.append(("It says of itself", "; ".join(list(told_notes)[:4])))
    return facts


def run_facts(run: TrainingRun) -> dict[str, Any]:
    """Give the row of one run."""
    first, last = run.ends("reward")
    return {
        "name": run.name,
        "arm": f"{run.reward}, scale {run.scale}",
        "seed": run.seed,
        "steps": len(run.steps),
        "planned": run.facts.get("plan", {}).get("max_steps"),
        "first": first,
        "last": last,
        "dead": run.mean("dead_frac"),
        "unscored": sum(int(line.get("unscored") or 0) for line in run.steps),
        "answers": sum(int(line.get("answers") or 0) for line in run.steps),
        "step_s": run.mean("step_s"),
        "judge_share": run.mean("judge_share"),
        "state": run.state,
    }


def judge_words(judge: Any) -> str:
    """Name a judge and its model; options that are nobody's business here stay out."""
    if judge is None:
        return "none"
    if not isinstance(judge, Mapping):
        return str(judge)
    model = judge.get("model")
    return f"{judge.get('name', '?')}{f', {model}' if model else ''}"


def _policy(run: TrainingRun) -> str:
    policy, model = run.facts.get("policy", {}), run.config.get("model", {})
    n = policy.get("parameters")
    name = str(policy.get("name", "?"))
    name = name if len(name) <= 80 else f"{name[:79]}…"
    parts = [name if n is None else f"{name} ({numbers.count(n)} parameters)"]
    parts.append(f"LoRA r {model.get('lora_r')}" if model.get("lora") else "all weights")
    if model.get("adapter"):
        parts.append("from a warm start")
    return ", ".join(parts)


def _prompts(run: TrainingRun) -> str:
    data = run.facts.get("data", {})
    return (
        f"{data.get('path', '?')}: {numbers.count(data.get('n_train'))} to train on, "
        f"{numbers.count(data.get('n_held_out'))} held out"
    )


def _budget(run: TrainingRun) -> str:
    grpo, plan = run.config.get("grpo", {}), run.facts.get("plan", {})
    return (
        f"{plan.get('max_steps', '?')} steps x {grpo.get('prompts_per_step', '?')} prompts x "
        f"{grpo.get('num_generations', '?')} answers of at most "
        f"{grpo.get('max_completion_length', '?')} tokens"
    )


def _optimisation(run: TrainingRun) -> str:
    grpo = run.config.get("grpo", {})
    return (
        f"loss {grpo.get('loss_type', '?')}, learning rate {grpo.get('learning_rate', '?')}, "
        f"beta {grpo.get('beta', '?')}, temperature {grpo.get('temperature', '?')}"
    )


def _versions(run: TrainingRun) -> str:
    versions = run.facts.get("versions", {})
    return ", ".join(f"{name} {found}" for name, found in versions.items()) or "not recorded"
