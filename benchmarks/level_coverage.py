"""Made-up worlds of criteria with levels: agreement, and figures corrected for errors on levels.

`coverage.py` asks them for its table. The judge takes levels for higher ones more often than for
lower ones; the truth is known. Every figure is the product's own, from graded answers.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.agreement import kappa
from rubricbeat.judges.audit.audit_rates import AuditRates, rates_by_family, rates_by_stratum
from rubricbeat.judges.audit.label_correction import correct_by_labels, match_labels
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.audit.levels import level_audit
from rubricbeat.judges.audit.run_correction import RunCorrection, correct_run
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.verdict import Verdict

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

POINTS = ((0, 2, 5), (0, 1, 4), (1, 2, 3), (-2, 0, 6), (0, -2, -4), (0, -1, -5))
TRUTH = np.array([0.3, 0.5, 0.2])
"""Share of each level in middling answers."""
ERRORS = np.array([[0.70, 0.05, 0.00], [0.20, 0.70, 0.10], [0.10, 0.25, 0.90]])
"""P(the judge's level, row, given the true one, column)."""
LEAN = 0.85
"""Spread of how good answers are, in log-odds a level: half of its square between prompts."""
N_LABELLED = 30
"""Prompts whose answers carry labels, for `--labels`; two thirds of fewer than 45."""
_MOST = np.array([max(points, key=abs) for points in POINTS], dtype=np.float64)
_SHARES = np.array(POINTS, dtype=np.float64) / _MOST[:, None]
_RUBRIC = Rubric(
    tuple(
        Criterion(
            f"c{at}",
            float(most),
            Polarity.DESIRABLE if most > 0 else Polarity.UNDESIRABLE,
            levels=tuple(Level(f"level {k}", float(p)) for k, p in enumerate(points)),
        )
        for at, (points, most) in enumerate(zip(POINTS, _MOST, strict=True))
    )
)
_VERDICTS = tuple(Verdict.at_level(level) for level in range(3))
_LABELS = tuple((Label(None, level=level),) for level in range(3))


def answers(rng: np.random.Generator, n: int, repeats: int) -> tuple[Codes, Codes]:
    """Draw the true levels of `repeats` answers to n prompts, and the judge's: [n * k, C]."""
    half = LEAN / 2**0.5
    lean = rng.normal(0, half, (n, 1, 1, 1)) + rng.normal(0, half, (n, repeats, 1, 1))
    logits = np.log(TRUTH) + lean * np.arange(3)
    chance = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    shape = (n, repeats, len(POINTS))
    true = (rng.random((*shape, 1)) > chance.cumsum(-1)).sum(-1)
    said = (rng.random((*shape, 1)) > ERRORS.T[true].cumsum(-1)).sum(-1)
    return true.reshape(-1, len(POINTS)), said.reshape(-1, len(POINTS))


@cache
def truths() -> dict[str, float]:
    """Give the figures of all answers that could be drawn, by quadrature over how good they are."""
    at_Q, weight_Q = np.polynomial.hermite_e.hermegauss(60)
    logits_QK = np.log(TRUTH) + LEAN * at_Q[:, None] * np.arange(3)
    chance_QK = np.exp(logits_QK) / np.exp(logits_QK).sum(-1, keepdims=True)
    share_K = weight_Q @ chance_QK / weight_Q.sum()
    expected_C = _SHARES @ share_K
    gains = np.array(POINTS).max(1).clip(0).sum()
    return {
        "score": float(expected_C @ _MOST / gains),
        "met": float(expected_C.mean()),
        "kappa_quadratic": float(kappa(ERRORS * share_K, 2)),
    }


@cache
def _example(prompt: int) -> Example:
    return Example(f"p{prompt}", (Message("user", f"Question {prompt}?"),), _RUBRIC)


def _graded(said: Codes, repeats: int) -> list[GradedAnswer]:
    return [
        GradedAnswer(
            _example(row // repeats),
            f"Answer {row}.",
            tuple(_VERDICTS[level] for level in levels),
            row % repeats,
        )
        for row, levels in enumerate(said.tolist())
    ]


def _labelled(graded: list[GradedAnswer], true: Codes) -> list[LabelledAnswer]:
    return [
        LabelledAnswer(one.example, one.answer, tuple(_LABELS[level] for level in levels))
        for one, levels in zip(graded, true.tolist(), strict=True)
    ]


def by_audit(rng: np.random.Generator, n: int, repeats: int) -> RunCorrection:
    """Correct a run of n prompts by an audit of n others of the same kind, one answer each."""
    true, said = answers(rng, n, 1)
    audited = _graded(said, 1)
    found = level_audit(_labelled(audited, true), audited)
    assert found is not None
    cells, seed = found.cells_by_stratum, int(rng.integers(1 << 30))
    rates, pooled = rates_by_stratum(cells, seed=seed)
    audit = AuditRates(rates, rates_by_family(cells, seed=seed), pooled, "made up", "", "")
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
def _held(way: str, samples: int, n: int, repeats: int) -> dict[str, list[float]]:
    # two rows of the table are of the same samples
    rng = np.random.default_rng([len(way), 3, n, repeats])
    held: dict[str, list[float]] = {"score": [], "met": []}
    for _ in range(samples):
        found = WAYS[way](rng, n, repeats).figures()
        for name, kept in held.items():
            kept.append(_holds(found[name].low, found[name].high, truths()[name]))
    return held


def _holds(low: float | None, high: float | None, truth: float) -> float:
    return math.nan if low is None or high is None else float(low <= truth <= high)


def corrected(way: str, figure: str, samples: int, n: int, repeats: int) -> list[float]:
    """Say of each sample whether the corrected figure's interval held the truth; NaN if refused."""
    return _held(way, samples, n, repeats)[figure]


def agreement(rng: np.random.Generator, samples: int, n: int, repeats: int) -> list[float]:
    """Say of each sample whether the interval of kappa with quadratic weights held the truth."""
    held = []
    for _ in range(samples):
        true, said = answers(rng, n, repeats)
        graded = _graded(said, repeats)
        found = level_audit(_labelled(graded, true), graded)
        assert found is not None
        figure = found.scales[0].figures["kappa_quadratic"]
        held.append(_holds(figure.low, figure.high, truths()["kappa_quadratic"]))
    return held
