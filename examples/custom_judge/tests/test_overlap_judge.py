"""The example judge, alone and through rubricbeat's grader."""

from __future__ import annotations

import asyncio

import pytest
from overlap_judge import OverlapJudge

from rubricbeat import Answer, Criterion, Example, Message, Polarity, Question, Rubric, open_grader

EXAMPLE = Example(
    "made-up",
    (Message("user", "My heart races after coffee."),),
    Rubric((Criterion("Advises drinking less coffee", 5, Polarity.DESIRABLE),)),
)


def test_enough_words_meet_a_criterion():
    """Two of the four longer words occur: exactly the default share."""
    verdict = asyncio.run(OverlapJudge().judge(Question(EXAMPLE, "Less coffee would help.", 0)))
    # "less" and "coffee" of "advises", "drinking", "less", "coffee"
    assert (verdict.met, verdict.probability) == (True, 0.5)


def test_its_option_arrives_through_the_grader():
    """Options of --judge_args are the keywords of __init__."""
    options = {"name": "overlap_judge:OverlapJudge", "share": 0.75}
    with open_grader(options) as grader:
        (graded,) = grader.grade([Answer(EXAMPLE, "Less coffee would help.")])
    assert [verdict.met for verdict in graded.verdicts] == [False]


def test_a_wrong_option_is_named():
    """A misspelt option is refused before anything is asked."""
    with pytest.raises(ValueError, match="share"):
        open_grader({"name": "overlap_judge:OverlapJudge", "shares": 0.5})
