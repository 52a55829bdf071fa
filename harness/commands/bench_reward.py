"""Measure whether a judge's reward ranks answers as a reference judge does.

The reference is recorded verdicts of a better judge (--verdicts and --data), or labels (--labels).
It prints pairwise accuracy within a prompt, best-of-n, rank correlation, accuracy by theme; and how
often each of five probes raises the reward although the answer is no better (longer, keywords,
criteria pasted, flattery, injected instructions).

Examples:
  rubricbeat bench-reward --judge fitted:my-judge --verdicts judged.jsonl --data rows.jsonl
  rubricbeat bench-reward --reward_model my/reward-model --verdicts judged.jsonl --data rows.jsonl
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...judges.answer import GradedAnswer
from ...judges.data.forms.rubric_file import add_rows_arguments, columns_of
from ...judges.errors import ConfigError
from ...judges.files import Closing
from ...judges.scoring.missing import MissingVerdicts, allowed_share
from ...judges.scoring.rubric_arrays import Floats
from ..flags import (
    add_allow_missing,
    add_output,
    add_seed,
    put_out,
    require_output,
    require_seed,
    told,
)
from ..labels import add_allow_seen, recorded_runs
from ..tables.audit import bench_text
from ..terminal import say

if TYPE_CHECKING:
    from ...judges.audit.reward_bench import ProbeRow
    from ...judges.learned import LearnedShare
    from ...judges.rewards import Needs, Reward

N_PROBED = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--judge",
        metavar="NAME",
        help="a judge from `rubricbeat list judges`, fitted:DIR, or module:Class",
    )
    parser.add_argument(
        "--judge_args", metavar="K=V,...|FILE", help="its options: k=v,k=v or a YAML file"
    )
    parser.add_argument(
        "--reward_model", metavar="NAME", help="a transformers model to test instead of a judge"
    )
    parser.add_argument(
        "--reward", default="healthbench", help="reward computed from its verdicts (healthbench)"
    )
    parser.add_argument(
        "--verdicts",
        type=Path,
        nargs="+",
        metavar="FILES",
        help="recorded verdicts of the reference judge",
    )
    parser.add_argument(
        "--data", type=Path, metavar="ROWS", help="rows with the rubrics of --verdicts"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="labelled rows as the reference instead of verdicts",
    )
    parser.add_argument(
        "--reference",
        default="healthbench",
        help="reward computed from the reference's verdicts (healthbench)",
    )
    add_rows_arguments(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="the first N prompts")
    add_allow_seen(parser)
    parser.add_argument(
        "--probes", type=int, default=N_PROBED, metavar="N",
        help=f"number of answers to probe; 0 for none ({N_PROBED})",
    )  # fmt: skip
    add_seed(parser, "random seed")
    parser.add_argument("--strict", action="store_true", help="stop at a bad row")
    add_output(parser, "save the result as JSON")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_allow_missing(parser)


def run(args: argparse.Namespace) -> int:
    """Rate the answers, compare the orders, probe, print."""
    if (args.judge is None) == (args.reward_model is None):
        raise ConfigError("nothing to test: give either --judge NAME or --reward_model NAME")
    if (args.labels is None) == (args.verdicts is None):
        raise ConfigError(
            "no reference: give either --verdicts FILES with --data, or --labels FILE"
        )
    if args.verdicts is not None and args.data is None:
        raise ConfigError("--verdicts needs --data ROWS: the rubrics that the verdicts belong to")
    require_seed(args.seed)
    if args.probes < 0 or (args.limit is not None and args.limit < 1):
        raise ConfigError("--probes must be at least 0 and --limit at least 1")
    allowed = allowed_share(args.allow_missing)
    from ...judges.audit.reward_bench import compare_orders
    from ...judges.rewards import Needs, get_reward
    from ...judges.scoring.verdict_table import VerdictTable

    reward = _computable(get_reward(args.reward), Needs.VERDICTS, Needs.PROBABILITIES)
    reference_reward = _computable(get_reward(args.reference), Needs.VERDICTS)
    everything = _recorded(args)
    require_output(args)
    with _Rater(args, reward) as rater:
        seen = rater.seen_of([one.example for one in everything])
        if not args.allow_seen:
            seen.require_new("--allow_seen")
        recorded = everything if seen.is_all else seen.unseen(everything)
        table = VerdictTable.of(recorded)
        reference_N = reference_reward(table.verdicts_NC, table.rubrics)
        _require_an_order(reference_N, table.prompt_N, args)
        answers = [(one.example, one.answer) for one in recorded]
        rewards_N = rater.rate(answers)
        learned = None if seen.is_all else _learned(rater, seen.seen(everything), reference_reward)
        probes = _probed(rater, answers, rewards_N, table.prompt_N, args)
        facts, stopped, missing = rater.facts(), rater.stopped, rater.missing
    tags_P = {
        name: np.bincount(table.prompt_N, weights=tagged, minlength=len(table.prompt_ids)) > 0
        for name, tagged in zip(table.example_tags, table.tagged_TN, strict=True)
    }
    found = compare_orders(rewards_N, reference_N, table.prompt_N, tags_P)
    plain = {
        "tested": facts,
        "reward": reward.name if args.judge else None,
        "reference": {"files": [p.name for p in _files(args)], "reward": args.reference},
        "seed": args.seed,
        "preference": found.to_json(),
        "learned_prompts": {"n": seen.n_seen, "of": seen.n_prompts, "accuracy": learned},
        "probes": [row.to_json() for row in probes],
    }
    put_out(args, plain, lambda: bench_text(_name(args), found, probes) + _apart(seen, learned))
    missing.allowed = allowed
    return told(missing, "bench-reward", "run it again to ask for the missing verdicts", stopped)


def _apart(seen: LearnedShare, learned: float | None) -> str:
    """Say what the figures are of, where the judge has learned from some of the prompts."""
    if not (words := seen.warning()):
        return ""
    apart = "" if learned is None else f"; there its pairwise accuracy is {learned:.3f}"
    above = "all prompts" if seen.is_all or seen.is_unknown else "the others"
    return f"\n\n{words.capitalize()}{apart}. The figures above are of {above}."


def _learned(
    rater: _Rater, graded: Sequence[GradedAnswer], reference_reward: Reward
) -> float | None:
    """Give the pairwise accuracy on prompts that the judge has learned from; None without any."""
    from ...judges.audit.reward_bench import compare_orders
    from ...judges.scoring.verdict_table import VerdictTable

    if not graded:
        return None
    table = VerdictTable.of(graded)
    reference_N = reference_reward(table.verdicts_NC, table.rubrics)
    rewards_N = rater.rate([(one.example, one.answer) for one in graded])
    return compare_orders(rewards_N, reference_N, table.prompt_N, {}).accuracy.value


def _require_an_order(reference_N: Floats, prompt_N: Any, args: argparse.Namespace) -> None:
    """Refuse a reference that tells no two answers apart, before a judge is paid.

    Raises:
        ConfigError: It does not.
    """
    known = ~np.isnan(reference_N)
    scored = {
        (int(prompt), float(score))
        for prompt, score in zip(prompt_N[known], reference_N[known], strict=True)
    }
    if len(scored) == len({prompt for prompt, _ in scored}):
        raise ConfigError(
            f"{', '.join(map(str, _files(args)))}: under reward {args.reference!r} the reference "
            "ranks no answer to a prompt above another: there is no order to compare"
        )


def _name(args: argparse.Namespace) -> str:
    return str(args.reward_model or f"{args.judge} with reward {args.reward}")


class _Rater(Closing):
    """Rates answers: a judge with a reward, or a reward model."""

    def __init__(self, args: argparse.Namespace, reward: Reward) -> None:
        self._reward = reward
        self.missing = MissingVerdicts()
        self._grader: Any = None
        self._model: Any = None
        if args.reward_model is not None:
            from ...judges.audit.reward_bench import RewardModel

            self._model, self._name = RewardModel(args.reward_model), args.reward_model
        else:
            from ...judges.grader import open_grader
            from ...judges.judge_options import parse_judge_args

            self._grader = open_grader(
                parse_judge_args(args.judge, args.judge_args), seed=args.seed
            )

    def close(self) -> None:
        """Close the judge."""
        if self._grader is not None:
            self._grader.close()

    def rate(self, answers: Sequence[tuple[Any, str]]) -> Floats:
        """Give the reward of each answer; NaN where there is none."""
        from ...judges.answer import Answer, solution_of
        from ...judges.rewards import evaluate_table
        from ...judges.scoring.verdict_table import VerdictTable

        if self._model is not None:
            scored: Floats = self._model.rewards([(e, solution_of(text)) for e, text in answers])
            return scored
        graded = self._grader.grade([Answer(example, text) for example, text in answers])
        for one in graded:
            self.missing.add(one)
        return evaluate_table(self._reward, VerdictTable.of(graded))

    def seen_of(self, examples: Sequence[Any]) -> LearnedShare:
        """Find the prompts that the judge has learned from."""
        from ...judges.learned import seen_by

        return seen_by(None if self._grader is None else self._grader.judge, examples)

    @property
    def stopped(self) -> str | None:
        """Why the judging ended early; None where it did not, or a model was tested."""
        return None if self._grader is None else self._grader.stopped

    def facts(self) -> dict[str, Any]:
        """Say who was tested."""
        if self._grader is None:
            return {"reward_model": self._name}
        facts: dict[str, Any] = self._grader.facts()
        return facts


def _computable(reward: Reward, *allowed: Needs) -> Reward:
    if reward.needs not in allowed:
        raise ConfigError(
            f"reward {reward.name!r} needs {reward.needs}; here it takes one of "
            f"{' or '.join(allowed)}"
        )
    return reward


def _recorded(args: argparse.Namespace) -> list[GradedAnswer]:
    graded = _labelled(args) if args.labels is not None else _judged(args)
    kept = set(list(dict.fromkeys(g.example.prompt_id for g in graded))[: args.limit])
    graded = [one for one in graded if one.example.prompt_id in kept]
    if len(graded) == len(kept):
        raise ConfigError("no prompt has two answers: there is no order to compare")
    return graded


def _files(args: argparse.Namespace) -> list[Path]:
    return [args.labels] if args.labels is not None else list(args.verdicts)


def _labelled(args: argparse.Namespace) -> list[GradedAnswer]:
    """Take what the labels say for the reference's verdicts, answer by answer."""
    from ...judges.audit.label_correction import graded_by_labels
    from ...judges.audit.label_rows import merged_answers, read_labels

    file = read_labels(args.labels, strict=args.strict, columns=columns_of(args, rows=None))
    say(file.warning(), "bench-reward")
    return [graded_by_labels(item) for item in merged_answers(file.answers)]


def _judged(args: argparse.Namespace) -> list[GradedAnswer]:
    columns = columns_of(args, is_shared=True)
    _, runs = recorded_runs(args, "bench-reward", columns)
    return [each for run in runs for each in run.graded if not each.is_absent]


def _probed(
    rater: _Rater,
    answers: Sequence[tuple[Any, str]],
    rewards_N: Floats,
    prompt_N: Any,
    args: argparse.Namespace,
) -> list[ProbeRow]:
    from ...judges.audit.reward_bench import PROBES, probe_row

    if not args.probes:
        return []
    rng = np.random.default_rng(args.seed)
    chosen = np.sort(rng.permutation(len(answers))[: args.probes])
    found = []
    for name, change in PROBES.items():
        changed = [(answers[row][0], change(*answers[row])) for row in chosen]
        before, after = rewards_N[chosen], rater.rate(changed)
        found.append(probe_row(name, before, after, prompt_N[chosen]))
    return found
