"""Made-up worlds for the figures that are corrected, and for rewards held against gold.

`coverage.py` asks them for its table. The judge errs differently on what is good and on faults, and
on one category more than on another; the truth is known. Audit, labels and run come of one
population, as the product asks. Every figure is the product's own, from graded answers.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.audit_rates import AuditRates, rates_by_family, rates_by_stratum
from rubricbeat.judges.audit.correction import Corrected
from rubricbeat.judges.audit.error_rates import ErrorRates
from rubricbeat.judges.audit.judge_audit import cells_by_stratum
from rubricbeat.judges.audit.label_correction import correct_by_labels, match_labels, pass_cells_of
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer
from rubricbeat.judges.audit.run_correction import RunCorrection, correct_run
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.scoring.rubric_arrays import RubricArrays
from rubricbeat.judges.signal import Scale
from rubricbeat.judges.signal.gold import hold_against_gold
from rubricbeat.judges.signal.groups import GroupedVerdicts
from rubricbeat.judges.signal.replay.training import Settings
from rubricbeat.judges.verdict import Verdict

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FIGURES = ("score", "met", "pass_range50")
POINTS = np.array([5.0, 4.0, 3.0, 2.0, 4.0, 3.0, -3.0, -2.0])
BASE = np.array([0.4, 0.0, -0.2, 0.2, 0.0, 0.3, -1.5, -1.2])
"""Log-odds that each criterion is met in a middling answer."""
SENSITIVITY = np.array([0.85, 0.85, 0.85, 0.85, 0.65, 0.65, 0.8, 0.8])
SPECIFICITY = np.array([0.9, 0.9, 0.9, 0.9, 0.85, 0.85, 0.85, 0.85])
CATEGORIES = ("axis:accuracy",) * 4 + ("axis:completeness",) * 2 + ("axis:accuracy",) * 2
N_LABELLED = 30
"""Prompts whose answers carry labels, for `--labels`; two thirds of fewer than 45."""
_RUBRIC = Rubric(
    tuple(
        Criterion(f"c{at}", float(p), Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE, (tag,))
        for at, (p, tag) in enumerate(zip(POINTS, CATEGORIES, strict=True))
    )
)
_VERDICTS = (Verdict.of(False), Verdict.of(True))
_LABELS = ((Label(False),), (Label(True),))


def answers(rng: np.random.Generator, n: int, repeats: int) -> tuple[Bools, Bools]:
    """Draw what is true of `repeats` answers to n prompts, and what the judge says: [n * k, C]."""
    ease = rng.normal(0, 0.6, (n, 1, 1)) + rng.normal(0, 0.6, (n, repeats, 1))
    true = rng.random((n, repeats, len(POINTS))) < 1 / (1 + np.exp(-BASE - ease))
    drawn = rng.random(true.shape)
    said = np.where(true, drawn < SENSITIVITY, drawn > SPECIFICITY)
    return true.reshape(-1, len(POINTS)), said.reshape(-1, len(POINTS))


@cache
def truths() -> dict[str, float]:
    """Give the figures of two million answers."""
    rng = np.random.default_rng(1)
    parts = [answers(rng, 200_000, 1)[0] for _ in range(10)]
    gains, losses = POINTS.clip(0).sum(), -POINTS.clip(None, 0).sum()
    net = np.concatenate([true @ POINTS for true in parts])
    return {
        "score": float(net.mean() / gains),
        "met": float(np.mean([true.mean() for true in parts])),
        "pass_range50": float(np.mean((net + losses) / (gains + losses) > 0.5)),
    }


@cache
def _example(prompt: int) -> Example:
    return Example(f"p{prompt}", (Message("user", f"Question {prompt}?"),), _RUBRIC)


def _graded(said: Bools, repeats: int) -> list[GradedAnswer]:
    return [
        GradedAnswer(
            _example(row // repeats),
            f"Answer {row}.",
            tuple(_VERDICTS[int(met)] for met in mets),
            row % repeats,
        )
        for row, mets in enumerate(said)
    ]


def _labelled(graded: list[GradedAnswer], true: Bools) -> list[LabelledAnswer]:
    return [
        LabelledAnswer(one.example, one.answer, tuple(_LABELS[int(met)] for met in mets))
        for one, mets in zip(graded, true, strict=True)
    ]


def by_audit(rng: np.random.Generator, n: int, repeats: int) -> RunCorrection:
    """Correct a run of n prompts by an audit of n others of the same kind, one answer each."""
    true, said = answers(rng, n, 1)
    audited = _graded(said, 1)
    labels = _labelled(audited, true)
    cells = cells_by_stratum(AuditTable.of(labels, audited))
    seed = int(rng.integers(1 << 30))
    rates, pooled = rates_by_stratum(cells, seed=seed)
    passes = {
        rule: ErrorRates.of(found, seed=seed)
        for rule, found in pass_cells_of(labels, audited).items()
    }
    audit = AuditRates(rates, rates_by_family(cells, seed=seed), pooled, "made up", "", "", passes)
    return correct_run(_graded(answers(rng, n, repeats)[1], repeats), audit, seed=seed)


def by_labels(rng: np.random.Generator, n: int, repeats: int) -> RunCorrection:
    """Correct a run of n prompts by labels of the answers to some of them."""
    true, said = answers(rng, n, repeats)
    graded = _graded(said, repeats)
    n_labelled = repeats * min(N_LABELLED, 2 * n // 3)
    labels = _labelled(graded[:n_labelled], true[:n_labelled])
    return correct_by_labels(ScoredTable.of(graded), match_labels(graded, labels))


WAYS = {"audit": by_audit, "labels": by_labels}


@cache
def _corrected(way: str, samples: int, n: int, repeats: int) -> dict[str, list[float]]:
    # three rows of the table are of the same samples
    rng = np.random.default_rng([len(way), n, repeats])
    held: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(samples):
        found = WAYS[way](rng, n, repeats).figures()
        for name in FIGURES:
            held[name].append(_holds(found[name], truths()[name]))
    return held


def _holds(found: Corrected, truth: float) -> float:
    if found.low is None or found.high is None:
        return math.nan
    return float(found.low <= truth <= found.high)


def corrected(way: str, figure: str, samples: int, n: int, repeats: int) -> list[float]:
    """Say of each sample whether the corrected figure's interval held the truth; NaN if refused."""
    return _corrected(way, samples, n, repeats)[figure]


GROUP = 4
"""Answers of a group."""
TRAINED = Settings(seeds=4, steps=60, learning_rate=0.1)
"""A shorter training than that of `variance`, to be done thousands of times."""


def _held_against_gold(
    rng: np.random.Generator, n: int, repeats: int, noise: tuple[float, float]
) -> tuple[Floats, GroupedVerdicts, dict[str, Floats]]:
    """Draw `repeats` groups a prompt: gold's verdicts, and two rewards that miss it by a noise."""
    gold = answers(rng, n * repeats, GROUP)[0].reshape(n * repeats, GROUP, -1).astype(np.float64)
    shape = (n * repeats, len(POINTS))
    groups = GroupedVerdicts(
        verdicts_PGC=1 - gold,
        rubric_PC=RubricArrays(
            np.broadcast_to(POINTS, shape).copy(),
            np.broadcast_to(POINTS > 0, shape).copy(),
            np.full(shape, -1, np.int8),
        ),
        answered_PG=np.ones(gold.shape[:2], bool),
        prompt_ids=tuple(f"p{group // repeats}" for group in range(n * repeats)),
        gold_PGC=gold,
    )
    score = gold @ POINTS / POINTS.clip(0).sum()
    # groups of one prompt are noisy together
    level = np.repeat(rng.lognormal(0, 0.4, (n, 1)), repeats, axis=0)
    rewards = {
        name: score + spread * level * rng.normal(size=score.shape)
        for name, spread in zip("ab", noise, strict=True)
    }
    return score, groups, rewards


@cache
def _gold_truth(noise: tuple[float, float]) -> float:
    rng = np.random.default_rng(1)
    _, groups, rewards = _held_against_gold(rng, 50_000, 1, noise)
    study = hold_against_gold(groups, rewards, Scale.GROUP, TRAINED)
    assert study is not None
    by_name = {row.reward: row.gain.value or 0.0 for row in study.rows}
    return by_name["a"] - by_name["b"]


def gold(is_size: bool, samples: int, n: int, repeats: int) -> list[float]:
    """Say of each sample whether the better reward's lead is held, or equal ones are told apart."""
    rng = np.random.default_rng([n, repeats])
    noise = (0.25, 0.25) if is_size else (0.2, 0.5)
    truth = 0.0 if is_size else _gold_truth(noise)
    found = []
    for _ in range(samples):
        _, groups, rewards = _held_against_gold(rng, n, repeats, noise)
        study = hold_against_gold(groups, rewards, Scale.GROUP, TRAINED)
        assert study is not None
        best, other = study.rows
        low, high = other.behind.low, other.behind.high
        if not study.is_enough or low is None or high is None:
            found.append(math.nan)
            continue
        if is_size:
            found.append(float(other.standing == "behind"))
            continue
        lead = truth if best.reward == "a" else -truth
        found.append(float(low <= lead <= high))
    return found
