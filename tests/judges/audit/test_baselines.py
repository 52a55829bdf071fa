"""The judge that reads the criterion alone learns what wording tells, and nothing of answers."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.baselines import no_look_probability, word_odds
from rubricbeat.judges.audit.judge_audit import audit_judge
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict


def labelled(n_prompts: int, share: dict[str, float], seed: int = 0) -> list[LabelledAnswer]:
    """Criteria of two wordings that are met at their own rates, whatever the answer."""
    rng = np.random.default_rng(seed)
    answers = []
    for p in range(n_prompts):
        criteria = tuple(Criterion(f"{word} item {p}", 1.0, Polarity.DESIRABLE) for word in share)
        example = Example(f"p{p}", (Message("user", "?"),), Rubric(criteria))
        for _ in range(3):
            mets = tuple((Label(bool(rng.random() < rate)),) for rate in share.values())
            answers.append(LabelledAnswer(example, "a", mets))
    return answers


def table_of(answers: list[LabelledAnswer]) -> AuditTable:
    graded = [
        GradedAnswer(a.example, a.text, tuple(Verdict.of(True) for _ in a.labels)) for a in answers
    ]
    return AuditTable.of(answers, graded)


def test_wording_that_tells_is_learned_on_other_prompts():
    answers = labelled(60, {"Polite": 0.9, "Cites": 0.1})
    table = table_of(answers)
    chance = no_look_probability(table, answers)
    polite = np.array(
        [
            c.startswith("Polite")
            for a in answers
            for c in [x.text for x in a.example.rubric.criteria]
        ]
    )
    assert chance[polite].mean() == pytest.approx(0.9, abs=0.06)
    assert chance[~polite].mean() == pytest.approx(0.1, abs=0.06)
    found = audit_judge(table, no_look_N=chance).baselines["no_look"]
    assert found.figures["balanced_f1"].value > 0.85
    assert found.figures["pairwise"].value == 0.5


def test_all_answers_to_a_criterion_get_one_probability():
    answers = labelled(20, {"Polite": 0.5, "Cites": 0.5})
    table = table_of(answers)
    chance = no_look_probability(table, answers)
    for code in np.unique(table.criterion_N):
        assert len(set(chance[table.criterion_N == code])) == 1


def test_a_single_prompt_has_no_other_to_learn_from_and_gets_the_overall_share():
    answers = labelled(1, {"Polite": 1.0, "Cites": 0.0})
    table = table_of(answers)
    assert no_look_probability(table, answers) == pytest.approx(0.5)


@pytest.mark.parametrize("bias_first", [True, False])
def test_the_bias_may_be_the_first_or_the_last_of_the_parameters(bias_first: bool) -> None:
    # three texts without a word, with the first one and with the second: met on 1/4, 1/2 and 3/4
    design, n = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.full(3, 400.0)
    words, bias = word_odds(
        design, n * [0.25, 0.5, 0.75], n, ridge=1e-6, n_iterations=200, bias_first=bias_first
    )
    # log-odds: of 1/4 -log 3, of 1/2 0, of 3/4 log 3
    assert bias == pytest.approx(-np.log(3), abs=1e-3)
    assert words == pytest.approx([np.log(3), 2 * np.log(3)], abs=1e-3)
