"""A fitted judge on levels: each as the question whether an answer reaches it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from made_up_labels import TOPICS, labelled_answers

from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.fitting import FitOptions, fit_judge
from rubricbeat.judges.fitted.heads import HeadKind
from rubricbeat.judges.fitted.model_card import card_of, write_card
from rubricbeat.judges.fitted.ordered import asked_example, asked_labels, verdicts_of
from rubricbeat.judges.fitted.saved_model import save_model
from rubricbeat.judges.judge import Question
from rubricbeat.judges.judge_options import make_judge
from rubricbeat.judges.learned import LearnedPrompts
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, NaRule, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

LINEAR = FitOptions(HeadKind.LINEAR)


def on_levels(n_prompts: int = 40, n_answers: int = 6) -> list[LabelledAnswer]:
    """Answers that name none, one or both of two drugs, and labels that say which."""
    rng = np.random.default_rng(7)
    found = []
    for p in range(n_prompts):
        one, two = rng.choice(TOPICS, size=2, replace=False)
        levels = (
            Level("names no drug", 0.0),
            Level(f"names {one}", 2.0),
            Level(f"names {one} and {two}", 5.0),
        )
        criterion = Criterion("Names the drugs:", 5.0, Polarity.DESIRABLE, levels=levels)
        prompt = (Message("user", f"Case {p}: what now?"),)
        case = Example(f"p{p}", prompt, Rubric((criterion,)))
        for _ in range(n_answers):
            level = int(rng.integers(3))
            said = " ".join(f"Think of {drug} soon." for drug in (one, two)[:level])
            label = (Label(None, level=level),)
            found.append(LabelledAnswer(case, f"Dear reader. {said}", (label,)))
    return found


def test_levels_are_learned_and_judged_with_their_chances(tmp_path):
    labelled = on_levels()
    fit = fit_judge(labelled, LINEAR, encoder=None, shelf=None)
    [scale] = fit.audit.levels.scales
    assert scale.n_pairs == len(labelled)
    assert scale.figures["kappa_quadratic"].value > 0.6  # 0 is what a judge that guesses reaches
    assert len(scale.calibration) == 3
    folder = tmp_path / "mine"
    salt = save_model(fit.model, folder)[:16]
    prompts = LearnedPrompts.of((item.example for item in labelled), salt)
    write_card(fit, card_of(fit, prompts, {}, "made", 1.0), folder)
    judge = make_judge({"name": "fitted", "path": str(folder)})
    said = [
        asyncio.run(judge.judge(Question(item.example, item.text, 0))) for item in labelled[:24]
    ]
    for verdict in said:
        assert verdict.outcome is Outcome.LEVEL
        assert sum(verdict.level_probabilities) == pytest.approx(1)
        assert min(verdict.level_probabilities) >= 0
    right = [v.level == item.labels[0][0].level for v, item in zip(said, labelled, strict=False)]
    assert np.mean(right) > 0.6
    asyncio.run(judge.aclose())


def test_two_levels_are_fitted_as_met_and_not_met():
    plain = labelled_answers(14, 4)
    two = []
    for item in plain:
        criteria = tuple(
            replace(c, levels=(Level("no", 0.0), Level("yes", c.points)))
            for c in item.example.rubric.criteria
        )
        labels = tuple((Label(None, level=int(one[0].met)),) for one in item.labels)
        case = replace(item.example, rubric=Rubric(criteria))
        two.append(replace(item, example=case, labels=labels))
    one, other = (fit_judge(side, LINEAR, encoder=None, shelf=None) for side in (plain, two))
    assert one.model.calibration == other.model.calibration
    assert one.audit.judge == other.audit.judge


def test_a_plain_rubric_is_asked_as_it_stands():
    plain = labelled_answers(3, 2)
    assert asked_labels(plain) is plain
    assert asked_example(plain[0].example) is plain[0].example


def test_the_level_is_the_highest_that_is_reached_more_likely_than_not():
    rubric = on_levels(1, 1)[0].example.rubric
    [found] = verdicts_of(rubric, np.array([0.9, 0.3]))
    assert found.level == 1
    assert found.level_probabilities == pytest.approx((0.1, 0.6, 0.3))
    [found] = verdicts_of(rubric, np.array([0.4, 0.8]))  # what reaches 2 reaches 1
    assert found.level == 0
    assert found.level_probabilities == pytest.approx((0.6, 0.0, 0.4))
    turned = replace(rubric.criteria[0], levels=(Level("both", 5.0), Level("none", 0.0)))
    [found] = verdicts_of(Rubric((turned,)), np.array([0.8]))
    assert (found.level, found.level_probabilities) == (0, (0.8, pytest.approx(0.2)))


def test_what_is_not_learned_is_refused_in_a_line():
    item = on_levels(1, 1)[0]
    criterion = item.example.rubric.criteria[0]

    def with_(changed, label):
        case = replace(item.example, rubric=Rubric((changed,)))
        return [replace(item, example=case, labels=((label,),))]

    with pytest.raises(ConfigError, match="1 labels say that a criterion does not apply"):
        asked_labels(with_(replace(criterion, na=NaRule.EXCLUDED), Label(None)))
    nominal = replace(criterion, is_nominal=True)
    with pytest.raises(ConfigError, match="choices without an order"):
        asked_labels(with_(nominal, Label(None, level=1)))
    [said] = verdicts_of(Rubric((nominal,)), np.array([0.8, 0.1]))
    assert said.outcome is Outcome.SKIPPED and "without an order" in said.explanation
    # one that may not apply, and always does, is learned as any other
    assert (
        len(asked_labels(with_(replace(criterion, na=NaRule.EXCLUDED), Label(None, level=1)))) == 1
    )
    assert Verdict.not_applicable().is_na
