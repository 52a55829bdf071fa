"""What a weak judge's errors do, and what mends them, on recorded verdicts of a better judge.

    python benchmarks/weak_judge.py judged.jsonl.gz --data rows.jsonl.gz

The weak judge is a fitted one (`fit-judge`), and every verdict it gives here is on a prompt that it
has not learned from (folds by prompt). The recorded verdicts are the truth. Printed are, on halves
of some prompts, the score and the criteria met as they are, as the weak judge has them, and
corrected: by an audit on the other half, and by labels of 30 prompts of the half itself. Which
rewards, made of the weak judge's verdicts, teach what the better judge's would: `replay.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.audit_rates import AuditRates, rates_by_family, rates_by_stratum
from rubricbeat.judges.audit.correction import Corrected, prediction_powered
from rubricbeat.judges.audit.judge_audit import cells_by_stratum
from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.audit.labels import AuditTable
from rubricbeat.judges.audit.run_correction import correct_run
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.data.recorded import group_runs, read_recorded
from rubricbeat.judges.fitted.fitting import (
    FitOptions,
    calibrated,
    folds_of,
    graded_of,
    held_out,
    lessons_of,
)
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.rubric_arrays import Floats

N_LABELLED = 30
"""Prompts of a half whose labels `--labels` would have."""


@dataclass(frozen=True)
class Case:
    """The same answers, judged twice."""

    said: Sequence[GradedAnswer]
    truth: Sequence[GradedAnswer]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verdicts", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="their rows")
    parser.add_argument("--prompts", type=int, default=220, help="of the correction (220)")
    parser.add_argument("--halves", type=int, default=60, help="of these prompts (60)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    case = judged_twice(args.verdicts, args.data)
    print(f"{len(case.truth)} answers, each judged by a judge that has not seen its prompt")
    print_corrections(case, args.prompts, args.halves, args.seed)


def judged_twice(paths: Sequence[Path], data: Path) -> Case:
    """Take recorded verdicts for the truth, and fit a judge to them, fold by fold."""
    rows = {example.prompt_id: example for example in read_examples(data).examples}
    truth = [
        graded
        for file in read_recorded(paths, rows)
        for run in group_runs(file.rows)
        for graded in run.graded
    ]
    labelled, options = labels_of_verdicts(truth), FitOptions()
    lessons, _ = lessons_of(labelled, None, None, lambda words: None, None)
    folds = folds_of([lesson.prompt for lesson in lessons], options.n_folds, options.seed)
    logits = held_out(lessons, folds, options, None, True, lambda words: None, "")
    chances = calibrated(logits, [lesson.met_C for lesson in lessons], folds)
    return Case(graded_of(labelled, chances), truth)


def print_corrections(case: Case, n_prompts: int, n_halves: int, seed: int) -> None:
    """Correct halves of some prompts by the other half, and by labels of their own."""
    random = np.random.default_rng(seed)
    ids = sorted({one.example.prompt_id for one in case.truth})
    ids = [ids[n] for n in random.permutation(len(ids))[:n_prompts]]
    by_prompt: dict[str, list[int]] = {prompt_id: [] for prompt_id in ids}
    for row, one in enumerate(case.truth):
        if one.example.prompt_id in by_prompt:
            by_prompt[one.example.prompt_id].append(row)
    found: dict[str, list[tuple[float, float, Corrected]]] = {}
    for half in range(n_halves):
        order = [ids[n] for n in random.permutation(n_prompts)]
        audited, run = (
            [row for prompt_id in part for row in by_prompt[prompt_id]]
            for part in (order[: n_prompts // 2], order[n_prompts // 2 :])
        )
        by_audit = _by_audit(case, audited, run, half)
        for name, corrected in by_audit.items():
            true, raw = _figure(case.truth, run, name), _figure(case.said, run, name)
            found.setdefault(f"{name}, by an audit", []).append((true, raw, corrected))
            by_labels = _by_labels(case, order[n_prompts // 2 :], by_prompt, name)
            true_P = _by_prompt(case.truth, order[n_prompts // 2 :], by_prompt, name)
            entry = (float(true_P.mean()), raw, by_labels)
            found.setdefault(f"{name}, by labels of {N_LABELLED} prompts", []).append(entry)
    print(f"\n{n_halves} halves of {n_prompts} prompts; score unclipped; means, and coverage")
    for name, entries in found.items():
        _print_row(name, entries)


def _print_row(name: str, entries: Sequence[tuple[float, float, Corrected]]) -> None:
    kept = [(true, raw, one) for true, raw, one in entries if one.refused is None]
    refused = len(entries) - len(kept)
    if not kept:
        print(f"  {name:<36} refused in all {refused}: {entries[0][2].refused}")
        return
    true, raw, value, low, high = np.array(
        [(true, raw, one.value, one.low, one.high) for true, raw, one in kept], dtype=float
    ).T
    covered = np.mean((low <= true) & (true <= high))
    print(
        f"  {name:<36} true {true.mean():+.3f}  raw {raw.mean():+.3f}  corrected "
        f"{value.mean():+.3f}  held by {covered:.0%} of intervals, {np.mean(high - low):.2f} wide; "
        f"refused {refused}"
    )


def _by_audit(
    case: Case, audited: Sequence[int], run: Sequence[int], seed: int
) -> dict[str, Corrected]:
    labelled = labels_of_verdicts([case.truth[row] for row in audited])
    cells = cells_by_stratum(AuditTable.of(labelled, [case.said[row] for row in audited]))
    rates, pooled = rates_by_stratum(cells, seed=seed)
    audit = AuditRates(rates, rates_by_family(cells, seed=seed), pooled, "weak", "", "")
    found = correct_run([case.said[row] for row in run], audit, seed=seed, clips=False)
    return {"score": found.score, "criteria met": found.met}


def _by_labels(
    case: Case, prompts: Sequence[str], by_prompt: dict[str, list[int]], name: str
) -> Corrected:
    said_P = _by_prompt(case.said, prompts, by_prompt, name)
    true_P = _by_prompt(case.truth, prompts, by_prompt, name)
    return prediction_powered(said_P[N_LABELLED:], said_P[:N_LABELLED], true_P[:N_LABELLED])


def _by_prompt(
    graded: Sequence[GradedAnswer],
    prompts: Sequence[str],
    by_prompt: dict[str, list[int]],
    name: str,
) -> Floats:
    return np.array([_figure(graded, by_prompt[prompt_id], name) for prompt_id in prompts])


def _figure(graded: Sequence[GradedAnswer], rows: Sequence[int], name: str) -> float:
    scored = ScoredTable.of(graded[row] for row in rows)
    return float(np.nanmean(scored.items.h if name == "score" else scored.table.verdicts_NC))


if __name__ == "__main__":
    main()
