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
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...judges.answer import Answer, GradedAnswer, solution_of
from ...judges.data.forms.rubric_file import columns_of
from ...judges.errors import ConfigError
from ...judges.grader import Grader, open_grader
from ...judges.judge_options import parse_judge_args
from ...judges.learned import LearnedShare, seen_by
from ...judges.rubric import Example
from ...judges.scoring.missing_reasons import MissingVerdicts, allowed_share
from ...judges.scoring.rubric_arrays import Bools, Floats
from ...judges.scoring.verdict_table import VerdictTable
from ..flags import (
    add_allow_missing,
    add_judge_choice,
    add_output,
    add_seed,
    put_out,
    require_output,
    require_seed,
    told,
)
from ..labels import add_allow_seen, add_label_arguments, recorded_runs
from ..tables.audit import bench_text
from ..terminal import say

if TYPE_CHECKING:
    from ...judges.audit.reward_bench import Preference, ProbeRow
    from ...judges.rewards import Needs, Reward

N_PROBED = 100
_Asked: TypeAlias = Sequence[tuple[Example, str]]
_Rate: TypeAlias = Callable[[_Asked], Floats]
"""Gives the reward of each answer; NaN where there is none."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_judge_choice(parser, is_required=False)
    parser.add_argument(
        "--reward_model", metavar="NAME", help="a transformers model to test instead of a judge"
    )
    parser.add_argument(
        "--reward", default="healthbench", help="reward computed from its verdicts (healthbench)"
    )
    add_label_arguments(parser, "prompts")
    parser.add_argument(
        "--reference",
        default="healthbench",
        help="reward computed from the reference's verdicts (healthbench)",
    )
    add_allow_seen(parser)
    parser.add_argument(
        "--probes", type=int, default=N_PROBED, metavar="N",
        help=f"number of answers to probe; 0 for none ({N_PROBED})",
    )  # fmt: skip
    add_seed(parser, "random seed")
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
    missing = MissingVerdicts(allowed_share(args.allow_missing))
    from ...judges.rewards import Needs, get_reward

    reward = _computable(get_reward(args.reward), Needs.VERDICTS, Needs.PROBABILITIES)
    judging = _computable(get_reward(args.reference), Needs.VERDICTS)
    everything = _recorded(args)
    require_output(args)
    with contextlib.ExitStack() as opened:
        grader, rate = _rater(args, reward, missing, opened)
        seen = seen_by(grader and grader.judge, [one.example for one in everything])
        if not args.allow_seen:
            seen.require_new("--allow_seen")
        recorded = everything if seen.is_all else seen.unseen(everything)
        reference = _Reference.of(recorded, judging)
        reference.require_an_order(args)
        rewards_N = rate(reference.answers)
        learned = None
        if not seen.is_all and (known := seen.seen(everything)):
            others = _Reference.of(known, judging)
            learned = others.compare(rate(others.answers), {}).accuracy.value
        probes = _probed(rate, reference, rewards_N, args)
        tested = grader.facts() if grader else {"reward_model": args.reward_model}
        stopped = grader.stopped if grader else None
    found = reference.compare(rewards_N, reference.tags())
    plain = {
        "tested": tested,
        "reward": reward.name if grader else None,
        "reference": {"files": [p.name for p in _files(args)], "reward": args.reference},
        "seed": args.seed,
        "preference": found.to_json(),
        "learned_prompts": {"n": seen.n_seen, "of": seen.n_prompts, "accuracy": learned},
        "probes": [row.to_json() for row in probes],
    }
    name = str(args.reward_model or f"{args.judge} with reward {args.reward}")
    put_out(args, plain, lambda: bench_text(name, found, probes) + _apart(seen, learned))
    return told(missing, "bench-reward", "run it again to ask for the missing verdicts", stopped)


def _apart(seen: LearnedShare, learned: float | None) -> str:
    """Say what the figures are of, where the judge has learned from some of the prompts."""
    if not (words := seen.warning()):
        return ""
    apart = "" if learned is None else f"; there its pairwise accuracy is {learned:.3f}"
    above = "all prompts" if seen.is_all or seen.is_unknown else "the others"
    return f"\n\n{words.capitalize()}{apart}. The figures above are of {above}."


@dataclass(frozen=True, slots=True)
class _Reference:
    """Answers, and how the reference scores them."""

    answers: _Asked
    scores_N: Floats
    table: VerdictTable

    @classmethod
    def of(cls, graded: Sequence[GradedAnswer], reward: Reward) -> _Reference:
        table = VerdictTable.of(graded)
        scores_N = reward(table.verdicts_NC, table.rubrics)
        return cls([(one.example, one.answer) for one in graded], scores_N, table)

    def tags(self) -> dict[str, Bools]:
        """Say which prompts carry each tag."""
        n_prompts, prompt_N = len(self.table.prompt_ids), self.table.prompt_N
        return {
            name: np.bincount(prompt_N, weights=tagged_N, minlength=n_prompts) > 0
            for name, tagged_N in zip(self.table.example_tags, self.table.tagged_TN, strict=True)
        }

    def compare(self, rewards_N: Floats, tags: Mapping[str, Bools]) -> Preference:
        from ...judges.audit.reward_bench import compare_orders

        return compare_orders(rewards_N, self.scores_N, self.table.prompt_N, tags)

    def require_an_order(self, args: argparse.Namespace) -> None:
        """Refuse a reference that tells no two answers apart, before a judge is paid."""
        known = ~np.isnan(self.scores_N)
        prompts, scores = self.table.prompt_N[known].tolist(), self.scores_N[known].tolist()
        if len(set(zip(prompts, scores, strict=True))) == len(set(prompts)):
            raise ConfigError(
                f"{', '.join(map(str, _files(args)))}: under reward {args.reference!r} the "
                "reference ranks no answer to a prompt above another: there is no order to compare"
            )


def _rater(
    args: argparse.Namespace,
    reward: Reward,
    missing: MissingVerdicts,
    opened: contextlib.ExitStack,
) -> tuple[Grader | None, _Rate]:
    """Open the judge, whose missing verdicts are counted; None for a reward model."""
    if args.reward_model is not None:
        from ...judges.audit.reward_bench import RewardModel

        model = RewardModel(args.reward_model)
        return None, lambda asked: model.rewards([(e, solution_of(text)) for e, text in asked])
    from ...judges.rewards import evaluate_table

    grader = opened.enter_context(
        open_grader(parse_judge_args(args.judge, args.judge_args), seed=args.seed)
    )

    def rate(asked: _Asked) -> Floats:
        graded = grader.grade([Answer(example, text) for example, text in asked])
        for one in graded:
            missing.add(one)
        return evaluate_table(reward, VerdictTable.of(graded))

    return grader, rate


def _computable(reward: Reward, *allowed: Needs) -> Reward:
    if reward.needs not in allowed:
        raise ConfigError(
            f"reward {reward.name!r} needs {reward.needs}; here it takes one of "
            f"{' or '.join(allowed)}"
        )
    return reward


def _files(args: argparse.Namespace) -> list[Path]:
    return list(args.labels or args.verdicts)


def _recorded(args: argparse.Namespace) -> list[GradedAnswer]:
    """Read what the reference says, answer by answer."""
    if args.labels is not None:
        from ...judges.audit.label_correction import graded_by_labels
        from ...judges.audit.label_rows import merged_answers, read_label_files

        columns = columns_of(args, rows=None)
        file = read_label_files(args.labels, strict=args.strict, columns=columns)
        say(file.warning(), "bench-reward")
        graded = [graded_by_labels(item) for item in merged_answers(file.answers)]
    else:
        _, runs = recorded_runs(args, "bench-reward", columns_of(args, is_shared=True))
        graded = [each for run in runs for each in run.graded if not each.is_absent]
    kept = set(list(dict.fromkeys(g.example.prompt_id for g in graded))[: args.limit])
    graded = [one for one in graded if one.example.prompt_id in kept]
    if len(graded) == len(kept):
        raise ConfigError("no prompt has two answers: there is no order to compare")
    return graded


def _probed(
    rate: _Rate, reference: _Reference, rewards_N: Floats, args: argparse.Namespace
) -> list[ProbeRow]:
    from ...judges.audit.reward_bench import PROBES, probe_row

    if not args.probes:
        return []
    answers = reference.answers
    rng = np.random.default_rng(args.seed)
    chosen = np.sort(rng.permutation(len(answers))[: args.probes])
    found = []
    for name, added in PROBES.items():
        some = [answers[row] for row in chosen]
        after = rate([(example, f"{text}\n\n{added(example)}") for example, text in some])
        found.append(probe_row(name, rewards_N[chosen], after, reference.table.prompt_N[chosen]))
    return found
