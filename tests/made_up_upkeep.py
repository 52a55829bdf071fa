"""Made-up verdicts beside made-up labels: a judge asked on two days, and one with a family."""

from __future__ import annotations

import numpy as np

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.bias import Shift, shifts_of, traits_of
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer
from rubricbeat.judges.audit.upkeep.drift import Drift, drift_of
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict

SAID = {True: Verdict.of(True), False: Verdict.of(False)}
JUDGE = {"name": "chat", "model": "gpt-4.1"}
RUBRIC = Rubric(tuple(Criterion(f"c{n}", 1.0, Polarity.DESIRABLE) for n in range(10)))


def drift_in_world(
    seed: int,
    *,
    n_prompts: int = 30,
    noise: float = 0.5,
    lost: float = 0.0,
    turned: float = 0.0,
    met: tuple[float, float] = (2, 3),
) -> Drift:
    """Ask 10 criteria of one answer a prompt on two days, twice each, and compare.

    Args:
        seed: Of the world.
        n_prompts: Clusters; each has its own rate of met.
        noise: 0: a judge that never contradicts itself; 1: one of beta(1, 1) chances.
        lost: Chance that today it says not met where it would have said met.
        met: Of the beta distribution of the prompts' rates of met.
        turned: Share of questions on which today's judge holds the opposite.
    """
    rng = np.random.default_rng(seed)
    rate_P1 = rng.beta(*met, (n_prompts, 1))
    label = rng.random((n_prompts, 10)) < rate_P1
    right = np.where(label, 0.8, 0.2)
    firm = (rng.random(label.shape) < right).astype(float)
    p = firm if noise == 0 else rng.beta(right / noise, (1 - right) / noise)
    later = np.where(rng.random(label.shape) < turned, 1 - p, p) * (1 - lost)
    before, now, labelled = [], [], []
    for i in range(n_prompts):
        example = Example(f"p{i}", (Message("user", f"q{i}"),), RUBRIC)
        rows = [
            [tuple(SAID[one] for one in rng.random(10) < chance[i]) for _ in range(2)]
            for chance in (p, later)
        ]
        before.append(GradedAnswer(example, "a", rows[0][0], replicates=(rows[0][1],)))
        now.append(GradedAnswer(example, "a", rows[1][0], replicates=(rows[1][1],)))
        labelled.append(LabelledAnswer(example, "a", tuple((Label(bool(m)),) for m in label[i])))
    tables = AuditTable.of(labelled, before), AuditTable.of(labelled, now)
    asked = [[True] * 10] * n_prompts
    return drift_of(before, now, tables, ("2026-09-01", "2026-11-30"), asked)


def own_family_in_world(
    seed: int, favour: float, better: float = 0.25, n_prompts: int = 25
) -> Shift:
    """Judge prompts answered by gpt-4o and by claude, on 10 criteria each.

    Args:
        seed: Of the world.
        favour: Raises the chance of met for answers of the judge's family, at the same label.
        n_prompts: Clusters.
        better: By how much more often the labels call the family's answers met.
    """
    rng = np.random.default_rng(seed)
    labelled, graded = [], []
    for i in range(n_prompts):
        example = Example(f"p{i}", (Message("user", f"q{i}"),), RUBRIC)
        worth = rng.beta(2, 2) * (1 - better)
        for model, is_own in (("gpt-4o", True), ("claude-sonnet-4", False)):
            met = rng.random(10) < worth + better * is_own
            chance = np.where(met, 0.75, 0.2) + favour * is_own
            said = tuple(SAID[one] for one in rng.random(10) < chance)
            labels = tuple((Label(bool(one)),) for one in met)
            labelled.append(LabelledAnswer(example, "a", labels, model=model))
            graded.append(GradedAnswer(example, "a", said))
    traits = traits_of(labelled, JUDGE)
    return {one.trait: one for one in shifts_of(AuditTable.of(labelled, graded), traits)}["family"]
