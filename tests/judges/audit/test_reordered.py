"""The criteria of a call in another order."""

from __future__ import annotations

import pickle

import numpy as np

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.audit.reordered import Reordered, in_order, reorder
from rubricbeat.judges.backends.chat import ChatJudge
from rubricbeat.judges.judge import identity_of
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

N = 6
RUBRIC = Rubric(tuple(Criterion(f"c{n}", 1.0, Polarity.DESIRABLE) for n in range(N)))


def item(text: str = "a", prompt_id: str = "p") -> LabelledAnswer:
    example = Example(prompt_id, (Message("user", "?"),), RUBRIC)
    return LabelledAnswer(example, text, tuple((Label(n % 2 == 0),) for n in range(N)))


def test_labels_and_verdicts_stay_with_their_criterion() -> None:
    turned, order = reorder(item(), 1)
    texts = [criterion.text for criterion in turned.example.rubric.criteria]
    assert texts != [criterion.text for criterion in RUBRIC.criteria]
    assert [turned.labels[new][0].met for new in range(N)] == [old % 2 == 0 for old in order]
    # a judge that knows the criterion says the same of it wherever it stands
    said = tuple(Verdict.of(old < 2) if old != 5 else Verdict(Outcome.REFUSED) for old in order)
    back = in_order(GradedAnswer(turned.example, "a", said), order)
    assert back[:5] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert np.isnan(back[5])


def test_one_prompt_has_one_other_order_and_another_prompt_another() -> None:
    assert reorder(item("a"), 1)[1] == reorder(item("b"), 1)[1]
    orders = {reorder(item(prompt_id=f"p{n}"), 1)[1] for n in range(20)}
    assert len(orders) > 15


def test_it_is_another_judge_by_name_alone_and_pickles() -> None:
    judge = ChatJudge(model="m", shape="grouped", base_url="http://127.0.0.1:1/v1")
    other = Reordered(judge, 7)
    assert identity_of(other).digest != identity_of(judge).digest
    assert identity_of(other).model == "m"
    assert other.group_size == judge.group_size
    assert identity_of(pickle.loads(pickle.dumps(other))) == identity_of(other)
