r"""Write a training set from graded answers (DPO, KTO, RFT), or rubrics for another program.

PATHS are result folders, a verdict store, or recorded verdicts (these need --data ROWS). An answer
without all of its verdicts is never used. If the judge's error rate is known, from replicates or
from --error, a difference must also hold in a share of --confidence of simulated draws in which
verdicts are flipped at that rate.

  dpo   prompt, chosen, rejected: the pairs with the largest differences
  kto   prompt, completion, label: reliably above or below the threshold
  rft   prompt, completion: the best answer, if it is reliably above the threshold
  autorubric, verifiers   PATHS is one file of rows; writes its rubrics in that program's format

Examples:
  rubricbeat export results/ --format dpo --reward healthbench -o pairs.jsonl
  rubricbeat export judged.jsonl.gz --data rows.jsonl.gz --format kto --error 0.1 -o labels.jsonl
  rubricbeat export results/ --format rft --threshold 0.8 --margin 0 -o best.jsonl
  rubricbeat export rows.jsonl --format autorubric -o autorubric.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....judges.data.conversations import chat_turns
from ....judges.data.forms.peers_written import FORMS
from ....judges.data.forms.rubric_file import columns_of
from ....judges.errors import ConfigError, DataError
from ....judges.files import require_file, write_file
from ....judges.shares import value_of
from ...flags import add_output, add_seed, require_seed
from ...terminal import say
from .study_flags import add_input, labels_in, read_input

if TYPE_CHECKING:
    from ....judges.answer import GradedAnswer
    from ....judges.scoring.rubric_arrays import Floats
    from ....judges.signal import TaggedAnswer
    from ....judges.signal.preferences import Wanted, Worth

FORMATS = ("dpo", "kto", "rft", *FORMS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input(parser)
    parser.add_argument("--format", choices=FORMATS, required=True, help="output format")
    parser.add_argument(
        "--reward",
        default="healthbench",
        help="reward by which answers are compared (default healthbench)",
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=0.1,
        help="minimum difference, in units of the reward (default 0.1)",
    )
    parser.add_argument(
        "--error",
        type=float,
        metavar="RATE",
        help="error rate of the verdicts (default: estimated from replicates, if there are any)",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.95,
        help="minimum share of the draws in which a difference holds (default 0.95)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="kto, rft: the reward must pass this by the margin (default: the prompt's mean)",
    )
    parser.add_argument(
        "--per_prompt", type=int, default=1, help="dpo, rft: maximum per prompt (default 1)"
    )
    parser.add_argument(
        "--group_by",
        metavar="LABELS",
        help="fields that define a group besides the prompt, such as model,run; 'prompt' for judge "
        "and task alone (default: model, system, task and judge, as far as present)",
    )
    add_output(parser, "JSON Lines (default: stdout)")
    add_seed(parser, "random seed")


def run(args: argparse.Namespace) -> int:
    """Write the set; 1 where nothing is sure enough to be in it."""
    if args.format in FORMS:
        return _export_rows(args)
    import numpy as np

    from ....judges.rewards import get_reward
    from ....judges.scoring.verdict_table import VerdictTable
    from ....judges.signal.levels import flip_rate, level_shares
    from ....judges.signal.preferences import Wanted, worth_of

    require_seed(args.seed)
    wanted = Wanted(args.margin, args.confidence, args.per_prompt, args.threshold)
    if args.error is not None and not 0 <= args.error < 0.5:
        raise ConfigError(f"--error {args.error:g}: from 0 to below 0.5")
    reward = get_reward(args.reward)
    if args.output is not None:
        require_file(args.output, "--output")
    found = read_input(args, "export")
    answers = [one for one in found.answers if not one.graded.is_absent]
    groups = _groups(answers, _labels(args.group_by, found.by))
    table = VerdictTable.of(one.graded for one in answers)
    has_all = [_has_all(one.graded) for one in answers]
    error = args.error if args.error is not None else flip_rate(table.verdicts_RNC)
    error = None if error is None else min(error, 0.499)
    rubrics = [one.graded.example.rubric for one in answers]
    shares = level_shares(rubrics, table.verdicts_NC.shape[1])
    worth = worth_of(table, reward, np.array(has_all, bool), error, args.seed, shares)
    rows = list(_rows(args.format, answers, groups, table.chars_N, worth, wanted))
    n_used = len({row["prompt_id"] for row in rows})
    n_lacking = len(answers) - sum(has_all)
    say(
        f"{len(rows):,} rows from {n_used:,} of {len(groups):,} groups; {n_lacking:,} of "
        f"{len(answers):,} answers lack a verdict and are not used",
        "export",
    )
    say(_error_words(args.error, error), "export")
    if not rows:
        say("no difference reaches --margin and --confidence; nothing was written", "export")
        return 1
    _write(args.output, rows)
    return 0


def _export_rows(args: argparse.Namespace) -> int:
    """Write the rubrics of a file of rows as another program does; all of them or none."""
    from ....judges.data.examples import read_examples

    if len(args.paths) != 1:
        raise ConfigError(f"--format {args.format} takes one file of rows, not {len(args.paths)}")
    if args.output is not None:
        require_file(args.output, "--output")
    file = read_examples(args.paths[0], columns=columns_of(args))
    if warning := file.warning():
        say(warning, "export")
    _write(args.output, map(FORMS[args.format], file.examples))
    words = "tags, categories and predicates of criteria are not written: the format has none"
    say(words, "export")
    return 0


def _write(output: Path | None, rows: Iterable[object]) -> None:
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    if output is None:
        print(text, end="")
        return
    # half a surrogate pair, as an answer that was cut off holds one, becomes "?"
    write_file(output, text.encode("utf-8", "replace"))
    print(output)


def _has_all(graded: GradedAnswer) -> bool:
    """Say whether something is known of each criterion; a bounded "not applicable" is not."""
    criteria = graded.example.rubric.criteria
    pairs = zip(graded.verdicts, criteria, strict=True)
    return not any(math.isnan(value_of(verdict, criterion)) for verdict, criterion in pairs)


def _error_words(asked: float | None, error: float | None) -> str:
    if error is None:
        return (
            "the judge's error rate is not known (no replicates, no --error): only --margin decides"
        )
    where = "as --error says" if asked is not None else "estimated from replicates"
    return f"{error:.1%} of the verdicts count as wrong by chance, {where}"


def _groups(answers: Sequence[TaggedAnswer], by: Sequence[str]) -> list[list[int]]:
    """Give the places of the answers to each prompt, each text once, apart by labels."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, one in enumerate(answers):
        labels = (one.labels.get(name, "") for name in by)
        group = groups.setdefault((one.graded.example.prompt_id, *labels), [])
        if all(one.graded.answer != answers[other].graded.answer for other in group):
            group.append(place)
    for (prompt_id, *_), group in groups.items():
        first = answers[group[0]].graded.example
        if any(answers[place].graded.example.rubric != first.rubric for place in group):
            raise DataError(f"prompt_id {prompt_id}: answers of one group have two rubrics")
    return list(groups.values())


def _labels(asked: str | None, carried: Sequence[str]) -> list[str]:
    """Give the labels to group by; answers judged by two judges are never compared."""
    always = [name for name in ("task", "judge") if name in carried]
    if asked is None:
        return list(carried)
    return [*always, *(name for name in labels_in(asked) if name not in always)]


def _rows(
    form: str,
    answers: Sequence[TaggedAnswer],
    groups: Sequence[Sequence[int]],
    chars_N: Floats,
    worth: Worth,
    wanted: Wanted,
) -> Iterator[dict[str, object]]:
    from ....judges.signal.preferences import best_of, labels_of, pairs_of

    for group in groups:
        prompt = _prompt(answers[group[0]])
        if form == "dpo":
            for pair in pairs_of(group, worth, wanted):
                yield {
                    **prompt,
                    "chosen": _said(answers[pair.chosen]),
                    "rejected": _said(answers[pair.rejected]),
                    "reward_chosen": float(worth.rewards_N[pair.chosen]),
                    "reward_rejected": float(worth.rewards_N[pair.rejected]),
                    "probability": pair.probability,
                }
            continue
        every = labels_of(group, worth, wanted)
        for label in every if form == "kto" else best_of(group, chars_N, worth, wanted):
            yield {
                **prompt,
                "completion": _said(answers[label.answer]),
                **({"label": label.is_good} if form == "kto" else {}),
                "reward": float(worth.rewards_N[label.answer]),
                "probability": label.probability,
            }


def _prompt(one: TaggedAnswer) -> dict[str, object]:
    example = one.graded.example
    return {"prompt_id": example.prompt_id, "prompt": chat_turns(example.prompt)}


def _said(one: TaggedAnswer) -> list[dict[str, str]]:
    """Give the answer as the model gave it, reasoning included: that is what is trained."""
    return [{"role": "assistant", "content": one.graded.answer}]
