"""The table of judges in docs/judges.md: embedded ones, the fitted one, baselines, and yours.

    python benchmarks/judge_table.py --verdicts judged.jsonl.gz --data rows.jsonl.gz --work FOLDER \
        [--judge "local model=FOLDER"] [--judge "chat model=NAME,base_url=URL"]

Recorded verdicts are the labels. Prompts are dealt once by the seed: the fitted judge, `length` and
`overlap` learn from some and everything is measured on the others. What costs nothing is measured
on all held-out prompts; each --judge on a sample of them (two answers per prompt), beside the same
free judges on that very sample. `SPEC@N` asks about the first N prompts of it. Verdicts of --judge
are kept in the store: a stopped run goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from rubricbeat.harness.cli import main as rubricbeat
from rubricbeat.harness.labels import read_labelled
from rubricbeat.judges.answer import Answer, GradedAnswer, solution_of
from rubricbeat.judges.audit.baselines import chance_of, no_look_probability, with_probability
from rubricbeat.judges.audit.judge_audit import JudgeFigures, judge_figures
from rubricbeat.judges.audit.labels import AuditTable, LabelledAnswer, category_of
from rubricbeat.judges.data.reader import read_rows
from rubricbeat.judges.data.text_units import stems_of
from rubricbeat.judges.fitted.trees import fit_logistic
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge_options import parse_judge_args
from rubricbeat.judges.scoring.estimates import Estimate
from rubricbeat.judges.scoring.rubric_arrays import Floats
from rubricbeat.judges.verdict import Outcome, Verdict

HEADS = ("judge", "criteria (no verdict)", "macro-F1", "AUROC", "pairwise", "kappa", "cal. error")


def main() -> None:
    args = _arguments()
    labelled, _ = read_labelled(args, "judge_table")
    names, sample = deal(labelled, args.seed, args.held_out)
    held = set(names)
    rest = [item for item in labelled if item.example.prompt_id not in held]
    table = AuditTable.of(labelled, [_silent(item) for item in labelled])
    no_look = no_look_probability(table, labelled)
    chances = {
        "majority": np.full(len(table), _share_met(rest)),
        "category_rate": _category_rates(labelled, rest),
        "no_look": no_look,
        "length": _logistic(labelled, held, _length, no_look),
        "overlap": _logistic(labelled, held, _overlap, no_look),
    }
    mine = [n for n, item in enumerate(labelled) if item.example.prompt_id in held]
    fitted = _fitted_folder(args, held)
    free = {"keyword": "keyword", f"fitted, `{args.head}`": f"fitted path={fitted}"}
    asked = [_size(spec, args.sample) for spec in args.judge]
    for size in sorted({size for _, size in asked}):
        judges = {f"`{judge}`": judge for judge, n in asked if n == size}
        pairs = sample[:size]
        places = sorted(place for pair in pairs for place in pair)
        print(f"**On two answers to each of {len(pairs)} held-out prompts**")
        _print_rows(_measured(labelled, places, {**judges, **free}, chances, args.seed))
    if not args.sample_only:
        print(f"**On all answers to {len(held)} held-out prompts**")
        _print_rows(_measured(labelled, mine, free, chances, args.seed))


def deal(
    labelled: Sequence[LabelledAnswer], seed: int, n_held: int
) -> tuple[list[str], list[tuple[int, int]]]:
    """Choose the held-out prompts, and two answers of each that has them, in one order."""
    by_prompt: dict[str, list[int]] = {}
    for place, item in enumerate(labelled):
        by_prompt.setdefault(item.example.prompt_id, []).append(place)
    rng = np.random.default_rng(seed)
    names = [sorted(by_prompt)[n] for n in rng.permutation(len(by_prompt))[:n_held]]
    pairs = []
    for name in names:
        picks = rng.permutation(len(by_prompt[name]))[:2].tolist()
        if len(picks) == 2:
            pairs.append((by_prompt[name][picks[0]], by_prompt[name][picks[1]]))
    return names, pairs


def _size(spec: str, usual: int) -> tuple[str, int]:
    """Split `SPEC@N` into the judge and the prompts it is asked about."""
    judge, at, size = spec.rpartition("@")
    return (judge, int(size)) if at and size.isdigit() else (spec, usual)


def _measured(
    labelled: Sequence[LabelledAnswer],
    places: Sequence[int],
    judges: Mapping[str, str],
    chances: Mapping[str, Floats],
    seed: int,
) -> dict[str, JudgeFigures]:
    """Measure judges and baselines on some of the answers."""
    items, chosen = [labelled[place] for place in places], set(places)
    blank = AuditTable.of(items, [_silent(item) for item in items])
    kept = np.concatenate(
        [np.full(len(_places(item)), n in chosen) for n, item in enumerate(labelled)]
    )
    rows = {}
    for name, spec in judges.items():
        graded = _graded(spec, items, seed)
        rows[name] = judge_figures(AuditTable.of(items, graded))
    for name, chance in chances.items():
        table = with_probability(blank, chance[kept])
        rows[name] = judge_figures(table)
    return rows


def _graded(spec: str, items: Sequence[LabelledAnswer], seed: int) -> list[GradedAnswer]:
    name, _, words = spec.partition(" ")
    with open_grader(parse_judge_args(name, words or None), seed=seed) as grader:
        return grader.grade([Answer(item.example, item.text) for item in items])


def _fitted_folder(args: argparse.Namespace, held: set[str]) -> Path:
    """Fit a judge to all other prompts, or find the one that was."""
    folder: Path = args.work / f"{args.head}-{args.seed}-{args.held_out}"
    if (folder / "judge.json").is_file():
        return folder
    args.work.mkdir(parents=True, exist_ok=True)
    verdicts = args.work / "not_held_out.jsonl.gz"  # private rows: delete the folder afterwards
    with gzip.open(verdicts, "wt", encoding="utf-8") as stream:
        for path in args.verdicts:
            for row in read_rows(path).rows:
                if isinstance(row.value, dict) and row.value.get("prompt_id") not in held:
                    stream.write(json.dumps(row.value) + "\n")
    words = ["fit-judge", "--verdicts", str(verdicts), "--data", str(args.data)]
    words += ["--head", args.head, "--output_path", str(folder)]
    if args.encoder == "none":
        words += ["--encoder", "none"]
    else:
        words += ["--vectors", str(args.vectors or args.work / "vectors.npz")]
    with contextlib.redirect_stdout(sys.stderr):  # stdout is the table's
        status = rubricbeat(words)
    if status:
        sys.exit(status)
    return folder


# Baselines


def _logistic(
    labelled: Sequence[LabelledAnswer],
    held: set[str],
    feature: Callable[[LabelledAnswer, int], float],
    no_look: Floats,
) -> Floats:
    """Learn on the other prompts what one feature adds to the criterion alone.

    Without the criterion the feature's slope would be that between criteria: long ones share fewer
    of their words with any answer, and the order of the answers to one would come out wrong.
    """
    rows = [(item, n) for item in labelled for n in _places(item)]
    met = np.array([_met(item, n) for item, n in rows])
    seen = np.array([item.example.prompt_id not in held for item, _ in rows])
    design = np.array([[feature(item, n) for item, n in rows], np.log(no_look / (1 - no_look))]).T
    return chance_of(fit_logistic(design[seen], met[seen]).logits(design))


def _length(item: LabelledAnswer, place: int) -> float:
    return float(np.log1p(len(solution_of(item.text))))


def _overlap(item: LabelledAnswer, place: int) -> float:
    """Share of the criterion's words that the answer holds."""
    wanted = set(stems_of(item.example.rubric.criteria[place].text))
    return len(wanted & _stems_of_answer(item.text)) / max(1, len(wanted))


@lru_cache(maxsize=1)  # the criteria of one answer come after each other
def _stems_of_answer(text: str) -> frozenset[str]:
    return frozenset(stems_of(solution_of(text)))


def _category_rates(labelled: Sequence[LabelledAnswer], rest: Sequence[LabelledAnswer]) -> Floats:
    """Give the share met of each criterion's category on other prompts."""

    def kind(item: LabelledAnswer, place: int) -> str:
        return item.category or category_of(item.example.rubric.criteria[place].tags)

    counts: dict[str, list[int]] = {}
    for item in rest:
        for place in _places(item):
            seen = counts.setdefault(kind(item, place), [0, 0])
            seen[0] += _met(item, place)
            seen[1] += 1
    usual = _share_met(rest)
    rates = {key: met / n for key, (met, n) in counts.items()}
    found = [rates.get(kind(i, n), usual) for i in labelled for n in _places(i)]
    return np.array(found)


def _share_met(items: Sequence[LabelledAnswer]) -> float:
    return float(np.mean([_met(item, n) for item in items for n in _places(item)]))


def _met(item: LabelledAnswer, place: int) -> bool:
    return bool(np.mean([label.met for label in item.labels[place]]) > 0.5)


def _places(item: LabelledAnswer) -> list[int]:
    return [n for n, labels in enumerate(item.labels) if labels]


def _silent(item: LabelledAnswer) -> GradedAnswer:
    none = tuple(Verdict(Outcome.SKIPPED) for _ in item.example.rubric.criteria)
    return GradedAnswer(item.example, item.text, none)


# Words


def _print_rows(rows: Mapping[str, JudgeFigures]) -> None:
    print("\n| " + " | ".join(HEADS) + " |\n|" + "---|" * len(HEADS))
    for name, found in rows.items():
        print(_line(name, found))
    print(flush=True)


def _line(name: str, found: JudgeFigures) -> str:
    figures = [found.figures[key] for key in ("balanced_f1", "auroc", "pairwise", "kappa")]
    known = found.calibration
    n = f"{found.n_questions:,}"
    if found.n_without_verdict:
        n += f" ({found.n_without_verdict:,})"
    cells = [name, n, *map(_cell, figures), f"{known.ece:.3f}" if known else "-"]
    return "| " + " | ".join(cells) + " |"


def _cell(figure: Estimate) -> str:
    if figure.value is None:
        return "-"
    if figure.low is None or figure.low == figure.high:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--verdicts", type=Path, nargs="+", required=True, metavar="FILES")
    parser.add_argument("--data", type=Path, required=True, metavar="ROWS")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="kept between")
    parser.add_argument("--vectors", type=Path, help="of fit-judge; default: in FOLDER")
    parser.add_argument("--encoder", help="of fit-judge: none for a judge of words, without torch")
    parser.add_argument("--head", default="trees", help="of the fitted judge (trees)")
    parser.add_argument(
        "--judge", action="append", default=[], metavar="'NAME K=V,K=V'", help="one more row"
    )
    parser.add_argument("--held-out", type=int, default=90, help="prompts (90)")
    parser.add_argument("--sample", type=int, default=30, help="of them, for each --judge (30)")
    parser.add_argument("--sample-only", action="store_true", help="leave the last part out")
    parser.add_argument("--seed", type=int, default=1234)
    args = parser.parse_args()
    absent = {"labels": None, "limit": None, "columns": None, "rubric": None}
    return argparse.Namespace(**vars(args), **absent, strict=False)


if __name__ == "__main__":
    main()
