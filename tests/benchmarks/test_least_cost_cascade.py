"""The cascade of benchmarks/least_cost.py on made-up verdicts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_labels import labelled_answers

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.verdict import Verdict

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import least_cost_cascade

    yield least_cost_cascade
    for name in ("least_cost_cascade", "least_cost_two_judges"):
        sys.modules.pop(name, None)


def recorded(n_prompts: int) -> SimpleNamespace:
    """Verdicts that nobody can learn wholly: every third answer has its first one turned."""
    items = labelled_answers(n_prompts, 4)
    answers = tuple(
        GradedAnswer(
            item.example,
            item.text,
            tuple(
                Verdict.of(labels[0].met is not (at % 3 == 0 and place == 0))
                for place, labels in enumerate(item.labels)
            ),
        )
        for at, item in enumerate(items)
    )
    ids = sorted({item.example.prompt_id for item in items})
    places = [ids.index(item.example.prompt_id) for item in items]
    return SimpleNamespace(answers=answers, prompt_ids=ids, prompt_N=np.array(places))


def test_a_judge_that_learns_the_rule_saves_calls_and_more_than_chance_does(part):
    found = part.cascade(recorded(30), 3, np.random.default_rng(1))
    assert found["why"] == {}
    assert found["cascade_agreement"] > 0.9
    assert found["cascade_saved"] > found["cascade_saved_random"] > 0
    assert found["cascade_saved_low"] < found["cascade_saved"] < found["cascade_saved_high"]


def test_of_few_prompts_there_is_a_reason_and_no_number(part):
    found = part.cascade(recorded(12), 3, np.random.default_rng(1))
    assert found["cascade_saved"] is None
    assert found["why"]["cascade_saved"] == "needs 20 prompts with verdicts, 12 are there"
