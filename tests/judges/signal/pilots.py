"""Made-up pilots with known answers, for the tests of the signal study."""

from __future__ import annotations

import numpy as np

from rubricbeat.judges.scoring.rubric_arrays import Floats, RubricArrays
from rubricbeat.judges.signal.groups import GroupedVerdicts


def pilot(
    verdicts: Floats | list[object],
    points: list[float] | Floats,
    *,
    replicates: Floats | None = None,
    prompt_ids: list[str] | None = None,
    labels: list[dict[str, str]] | None = None,
) -> GroupedVerdicts:
    """Build groups from verdicts [P, G, C] and one rubric, or a rubric for each group."""
    array = np.asarray(verdicts, dtype=float)
    n_groups, _, n_criteria = array.shape
    points_PC = np.broadcast_to(np.asarray(points, dtype=float), (n_groups, n_criteria)).copy()
    rubric = RubricArrays(points_PC, points_PC > 0, np.full(points_PC.shape, -1, np.int8))
    return GroupedVerdicts(
        verdicts_PGC=array,
        rubric_PC=rubric,
        answered_PG=np.ones(array.shape[:2], bool),
        prompt_ids=tuple(prompt_ids or [f"p{i}" for i in range(n_groups)]),
        labels=tuple(labels or ()),
        chars_PG=np.full(array.shape[:2], 100.0),
        replicates_RPGC=replicates,
    )


def drawn_pilot(
    seed: int,
    n_groups: int = 60,
    n_answers: int = 6,
    n_criteria: int = 10,
    *,
    flip: float = 0.1,
    n_replicates: int = 1,
) -> GroupedVerdicts:
    """Draw true verdicts of prompts and answers that differ in quality, then a noisy judge's."""
    random = np.random.default_rng(seed)
    ease_P = random.normal(0, 1, n_groups)[:, None, None]
    skill_PG = random.normal(0, 1, (n_groups, n_answers))[..., None]
    hard_PC = random.normal(0, 1, (n_groups, 1, n_criteria))
    chance = 1 / (1 + np.exp(-(ease_P + skill_PG - hard_PC)))
    true = (random.random((n_groups, n_answers, n_criteria)) < chance).astype(float)

    def judged() -> Floats:
        flips = random.random(true.shape) < flip
        return np.where(flips, 1 - true, true)

    points = random.choice([-5.0, -3.0, 2.0, 5.0, 7.0], (n_groups, n_criteria))
    points[:, 0] = 5.0
    rows = [judged() for _ in range(n_replicates)]
    replicates = np.stack(rows[1:]) if n_replicates > 1 else None
    return pilot(rows[0], points, replicates=replicates)
