"""Ratings of whole answers: bought once, kept, retried, and never made of nothing."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest

from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.keyword.judge import KeywordJudge
from rubricbeat.judges.rating import Rating, RatingQuestions, WholeRubric
from rubricbeat.judges.rating_grader import RatingGrader, open_rating_grader
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

EXAMPLE = Example(
    "made-up",
    (Message("user", "Is it normal?"),),
    Rubric(
        (
            Criterion("Asks since when", 5, Polarity.DESIRABLE),
            Criterion("Scares the user", -2, Polarity.UNDESIRABLE),
        )
    ),
)


class Rater:
    """Rates by the length of the answer, and remembers what it was asked."""

    version = "1"
    stored = True

    def __init__(self) -> None:
        self.asked: list[tuple[Example, str]] = []
        self.n_bad = 0

    async def judge(self, question: Any) -> Verdict:
        return Verdict.of(True)

    async def rate(self, example: Example, answer: str) -> Rating:
        self.asked.append((example, answer))
        if self.n_bad:
            self.n_bad -= 1
            return Rating(None, Outcome.UNPARSEABLE, "the reply holds no rating", "hm")
        return Rating(min(10, max(1, len(answer))), explanation="by length")


@pytest.mark.parametrize("value", range(1, 11))
def test_every_rating_survives_its_ride_through_a_verdict(value):
    rating = Rating(value, explanation="why", prompt_tokens=3, completion_tokens=4)
    assert Rating.from_verdict(rating.to_verdict()) == rating
    assert Rating.from_verdict(Verdict.from_json(rating.to_verdict().to_json())) == rating


def test_no_rating_stays_none_with_its_reason():
    rating = Rating(None, Outcome.REFUSED, "the judge refused")
    again = Rating.from_verdict(rating.to_verdict())
    assert (again.value, again.outcome, again.explanation) == (
        None,
        Outcome.REFUSED,
        "the judge refused",
    )


def answers() -> list[Answer]:
    return [Answer(EXAMPLE, "x" * n) for n in (1, 4, 10)]


def test_each_answer_is_rated_once_by_the_whole_rubric(tmp_path):
    rater = Rater()
    with RatingGrader(rater, {"store": str(tmp_path / "s.sqlite")}) as grader:
        assert [r.value for r in grader.rate(answers())] == [1, 4, 10]
        assert grader.facts()["calls"] == 3
    assert {example for example, _ in rater.asked} == {EXAMPLE}
    with RatingGrader(rater, {"store": str(tmp_path / "s.sqlite")}) as grader:
        assert [r.value for r in grader.rate(answers())] == [1, 4, 10]
        assert grader.facts()["store_hits"] == 3


def test_a_reply_without_a_rating_is_asked_again(tmp_path):
    rater = Rater()
    rater.n_bad = 2
    with RatingGrader(rater, {"store": str(tmp_path / "s.sqlite")}) as grader:
        assert [r.value for r in grader.rate(answers())] == [1, 4, 10]


def test_a_changed_rubric_is_another_question():
    other = Example(EXAMPLE.prompt_id, EXAMPLE.prompt, Rubric(EXAMPLE.rubric.criteria[:1]))
    asking = RatingQuestions(Rater())
    from rubricbeat.judges.judge import Question

    keys = {asking.key_material(Question(WholeRubric.of(one), "a", 0)) for one in (EXAMPLE, other)}
    assert len(keys) == 2


def test_a_judge_that_gives_no_ratings_is_refused_at_once():
    with pytest.raises(ConfigError, match="'constant' gives no ratings"):
        open_rating_grader("constant")


def test_ratings_and_verdicts_of_a_chat_judge_never_meet():
    options = {"name": "chat", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
    with open_grader(options) as verdicts, open_rating_grader(options) as ratings:
        assert verdicts.identity.digest != ratings.identity.digest
        assert ratings.identity.prompt.startswith("rating-1:")


def test_a_rating_grader_pickles_before_its_first_use():
    grader = open_rating_grader({"name": "chat", "model": "m", "base_url": "http://127.0.0.1:1/v1"})
    again = pickle.loads(pickle.dumps(grader))
    assert again.identity.digest == grader.identity.digest


def test_an_answer_rated_twice_has_both_ratings():
    rater = Rater()
    with RatingGrader(rater, {"store": False}) as grader:
        twice, once = asyncio.run(
            grader.rate_again_async([Answer(EXAMPLE, "xxx", replicates=2), Answer(EXAMPLE, "x")])
        )
    assert [rating.value for rating in twice] == [3, 3]
    assert [rating.value for rating in once] == [1]


def test_a_judge_that_says_its_answers_are_kept_is_believed():
    assert RatingQuestions(Rater()).stored is True
    assert not hasattr(RatingQuestions(KeywordJudge()), "stored")


def test_ratings_travel_with_their_answer():
    verdicts = (Verdict.of(True), Verdict.of(False))
    rated = GradedAnswer(
        EXAMPLE,
        "a",
        verdicts,
        ratings=(Rating(7, explanation="good"), Rating(None, Outcome.REFUSED)),
    )
    assert GradedAnswer.from_json(EXAMPLE, json.loads(json.dumps(rated.to_json()))) == rated
    assert "ratings" not in GradedAnswer(EXAMPLE, "a", verdicts).to_json()


def test_the_keyword_judge_rates_by_the_share_of_the_points():
    checked = Rubric(
        (
            Criterion("rest", 5, Polarity.DESIRABLE, check={"mentions": "rest"}),
            Criterion("call", 3, Polarity.DESIRABLE, check={"mentions": "call"}),
            Criterion("alone", -2, Polarity.UNDESIRABLE, check={"mentions": "alone"}),
        )
    )
    example = Example("p", EXAMPLE.prompt, checked)
    with RatingGrader(KeywordJudge()) as grader:
        said = grader.rate([Answer(example, t) for t in ("rest, call", "rest", "alone", "hello")])
        # of 10 points 10, 7 (5 + 2 for what is not said), 0 and 2: 1 + 9 x share, to the nearest
        assert [rating.value for rating in said] == [10, 7, 1, 3]
        [none] = grader.rate([Answer(EXAMPLE, "rest")])
    assert none.value is None and "no predicate" in none.explanation
