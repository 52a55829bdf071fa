"""Does a reward order answers as a reference does?

Pairwise accuracy within a prompt, the best-of-n curve, rank correlation within a prompt, and the
same by theme. Knows nothing of judges: it sees two numbers an answer, the reward under test and the
reference score. Intervals are over prompts. NaN leaves an answer out, and is counted.

Axes: N answers, P prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Bools, Floats
from ..estimates import Estimate
from ..jackknife import rate, ratio
from .labelled import Codes

DIGITS = 9
"""Numbers that are equal to so many decimals are a tie: sums of weights differ by rounding."""


@dataclass(frozen=True, slots=True)
class BestOfN:
    """Mean reference score of the answer picked among n, and what picking could give."""

    n: int
    picked: Estimate
    """By the reward; ties are broken by chance, and the expectation is exact."""
    at_random: float
    best: float
    """By the reference itself."""
    n_prompts: int

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        plain = {"n": self.n, "picked": self.picked.to_json(), "at_random": self.at_random}
        return {**plain, "best": self.best, "n_prompts": self.n_prompts}


@dataclass(frozen=True, slots=True)
class Preference:
    """How a reward orders answers."""

    n_prompts: int
    n_answers: int
    n_without_reward: int
    n_pairs: int
    """Pairs of answers to one prompt that the reference tells apart."""
    accuracy: Estimate
    """Share of them that the reward orders right; a tie of the reward counts half."""
    ties: float | None
    """Share of them that the reward does not tell apart."""
    correlation: Estimate
    """Mean over prompts of Kendall's tau-b between reward and reference."""
    best_of_n: tuple[BestOfN, ...]
    by_theme: Mapping[str, Estimate]
    """Pairwise accuracy of the prompts that carry each tag."""

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        return {
            "n_prompts": self.n_prompts,
            "n_answers": self.n_answers,
            "n_without_reward": self.n_without_reward,
            "n_pairs": self.n_pairs,
            "accuracy": self.accuracy.to_json(),
            "ties": self.ties,
            "correlation": self.correlation.to_json(),
            "best_of_n": [row.to_json() for row in self.best_of_n],
            "by_theme": {name: figure.to_json() for name, figure in self.by_theme.items()},
        }


def compare_orders(
    reward_N: Floats,
    reference_N: Floats,
    prompt_N: Codes,
    tags: Mapping[str, Bools],
) -> Preference:
    """Compare the order of a reward with that of a reference, prompt by prompt.

    Args:
        reward_N: The reward under test; NaN where it gives none.
        reference_N: The reference score; NaN leaves the answer out.
        prompt_N: Prompt of each answer, 0 to P - 1.
        tags: Which prompts [P] carry a tag.
    """
    reward_N, reference_N = np.round(reward_N, DIGITS), np.round(reference_N, DIGITS)
    n_prompts = int(prompt_N.max(initial=-1)) + 1
    known_N = ~np.isnan(reference_N)
    has_N = known_N & ~np.isnan(reward_N)
    groups = [np.flatnonzero(has_N & (prompt_N == prompt)) for prompt in range(n_prompts)]
    pairs_PK = np.array([_pairs(reward_N[rows], reference_N[rows]) for rows in groups]).reshape(
        -1, 3
    )
    tau_P = np.array([_tau(reward_N[rows], reference_N[rows]) for rows in groups])
    total = pairs_PK.sum(axis=0)
    return Preference(
        n_prompts=n_prompts,
        n_answers=int(known_N.sum()),
        n_without_reward=int((known_N & ~has_N).sum()),
        n_pairs=int(total[2]),
        accuracy=rate(pairs_PK[:, 0], pairs_PK[:, 2]),
        ties=float(total[1] / total[2]) if total[2] else None,
        correlation=ratio(np.nan_to_num(tau_P), (~np.isnan(tau_P)).astype(np.float64)),
        best_of_n=_best_of_n(reward_N, reference_N, groups),
        by_theme={
            name: rate(pairs_PK[:, 0] * has_P, pairs_PK[:, 2] * has_P)
            for name, has_P in tags.items()
        },
    )


def _pairs(reward: Floats, reference: Floats) -> tuple[float, float, float]:
    """Count pairs the reference tells apart: ordered right (ties half), tied, all."""
    first, second = np.triu_indices(len(reward), 1)
    wanted = np.sign(reference[first] - reference[second])
    given = np.sign(reward[first] - reward[second])
    tells = wanted != 0
    tied = float((given[tells] == 0).sum())
    right = float((given[tells] == wanted[tells]).sum()) + tied / 2
    return right, tied, float(tells.sum())


def _tau(reward: Floats, reference: Floats) -> float:
    """Give Kendall's tau-b; NaN where either side is constant (Kendall 1945)."""
    first, second = np.triu_indices(len(reward), 1)
    x = np.sign(reward[first] - reward[second])
    y = np.sign(reference[first] - reference[second])
    scale = np.sqrt(float((x != 0).sum()) * float((y != 0).sum()))
    return float((x * y).sum() / scale) if scale else float("nan")


def _best_of_n(
    reward_N: Floats, reference_N: Floats, groups: Sequence[NDArray[np.intp]]
) -> tuple[BestOfN, ...]:
    """Give the curve for 1 to as many answers as most prompts have."""
    sizes = np.array([len(rows) for rows in groups])
    top = int(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0
    curve = []
    for n in range(1, top + 1):
        enough = sizes >= n
        picked, best, mean = (np.zeros(len(groups)) for _ in range(3))
        for prompt in np.flatnonzero(enough).tolist():
            reference = reference_N[groups[prompt]]
            picked[prompt] = expected_pick(reward_N[groups[prompt]], reference, n)
            best[prompt] = expected_pick(reference, reference, n)
            mean[prompt] = reference.mean()
        counts = enough.astype(np.float64)
        n_prompts = int(enough.sum())
        curve.append(
            BestOfN(
                n=n,
                picked=ratio(picked, counts),
                at_random=float(mean.sum() / n_prompts),
                best=float(best.sum() / n_prompts),
                n_prompts=n_prompts,
            )
        )
    return tuple(curve)


def expected_pick(reward: Floats, reference: Floats, n: int) -> float:
    """Give the expected reference score of the best by reward among n answers drawn at random.

    Exact over all draws without replacement: the answer of rank r (0 the best) of G is picked when
    all others drawn rank below it, with chance C(G - 1 - r, n - 1) / C(G, n). Answers of equal
    reward share the chances of their ranks.
    """
    order = np.argsort(-reward, kind="stable")
    n_all = len(order)
    chance = np.array([comb(n_all - 1 - rank, n - 1) for rank in range(n_all)]) / comb(n_all, n)
    _, level = np.unique(-reward[order], return_inverse=True)
    shared = np.bincount(level, weights=chance) / np.bincount(level)
    return float((shared[level] * reference[order]).sum())
