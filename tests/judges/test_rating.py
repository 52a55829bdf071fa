"""Ratings of whole answers: bought once, kept, retried, and never made of nothing."""

from __future__ import annotations

import asyncio
import json
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.answer import Answer, GradedAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import Grader, RuntimeOptions, open_grader
from rubricbeat.judges.keyword.judge import KeywordJudge
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.store.keys import rating_material
from rubricbeat.judges.verdict import Outcome, Rating, Verdict

EXAMPLE = Example(
    "made-up",
    (Message("user", "Is it normal?"),),
    Rubric(
        (
            Criterion("Asks since when", 5.0, Polarity.DESIRABLE),
            Criterion("Scares the user", -2.0, Polarity.UNDESIRABLE),
        )
    ),
)


class Rater:
    """Rates by the length of the answer, and remembers what it was asked."""

    name = "rater"
    version = "1"
    stored = True

    def __init__(self) -> None:
        self.n_closed = 0
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

    async def aclose(self) -> None:
        self.n_closed += 1


def grader_of(judge: Any, **options: Any) -> Grader:
    return Grader(judge, RuntimeOptions.from_mapping(options))


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
    with grader_of(rater, store=str(tmp_path / "s.sqlite")) as grader:
        assert [r.value for r in grader.rate(answers())] == [1, 4, 10]
        assert grader.rating_facts()["calls"] == 3
    assert {example for example, _ in rater.asked} == {EXAMPLE}
    with grader_of(rater, store=str(tmp_path / "s.sqlite")) as grader:
        assert [r.value for r in grader.rate(answers())] == [1, 4, 10]
        assert grader.rating_facts()["store_hits"] == 3


def test_a_reply_without_a_rating_is_asked_again(tmp_path):
    rater = Rater()
    rater.n_bad = 2
    with grader_of(rater, store=str(tmp_path / "s.sqlite")) as grader:
        assert [r.value for r in grader.rate(answers())] == [1, 4, 10]


def test_a_changed_rubric_is_another_question():
    other = Example(EXAMPLE.prompt_id, EXAMPLE.prompt, Rubric(EXAMPLE.rubric.criteria[:1]))
    assert rating_material(EXAMPLE, "a") != rating_material(other, "a")


def test_a_judge_that_gives_no_ratings_is_refused_at_once():
    with open_grader("constant") as grader:
        for ask in (grader.rate, lambda answers: grader.estimate(answers, rates=True)):
            with pytest.raises(ConfigError, match="'constant' gives no ratings"):
                ask(answers())


def test_ratings_and_verdicts_of_a_chat_judge_never_meet():
    options = {"name": "chat", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
    with open_grader(options) as grader:
        rating = grader.rating_facts()
        assert grader.identity.digest != rating["digest"]
        assert rating["prompt"].startswith("rating-1:")


def test_a_grader_that_rates_pickles_before_its_first_use():
    grader = open_grader({"name": "chat", "model": "m", "base_url": "http://127.0.0.1:1/v1"})
    again = pickle.loads(pickle.dumps(grader))
    assert again.rating_facts()["digest"] == grader.rating_facts()["digest"]


def test_both_kinds_of_question_are_counted_apart_and_close_their_judge_once():
    rater = Rater()
    with grader_of(rater, store=False) as grader:
        grader.rate(answers())
        graded = grader.grade(answers()[:1])
        assert [verdict.met for verdict in graded[0].verdicts] == [True, True]
        assert (grader.rating_facts()["calls"], grader.facts()["calls"]) == (3, 2)
    assert rater.n_closed == 1


def test_a_budget_is_for_ratings_and_verdicts_together():
    rater = Rater()
    with grader_of(rater, store=False, max_calls=4) as grader:
        assert [rating.value for rating in grader.rate(answers())] == [1, 4, 10]
        [graded] = grader.grade(answers()[:1])
        assert [verdict.met for verdict in graded.verdicts] == [True, None]  # the fifth call
        assert grader.stopped == "budget: max_calls=4 reached"


def test_no_more_are_in_flight_than_allowed_of_both_kinds_together():
    """Every call waits for another one to come beside it, so that the most is reached for sure."""
    n_open, most, full = 0, 0, asyncio.Event()

    async def call() -> None:
        nonlocal n_open, most
        n_open += 1
        most = max(most, n_open)
        if n_open == 2:
            full.set()
        await full.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        n_open -= 1

    class Slow(Rater):
        async def judge(self, question: Any) -> Verdict:
            await call()
            return Verdict.of(True)

        async def rate(self, example: Example, answer: str) -> Rating:
            await call()
            return Rating(5)

    async def both(grader: Grader) -> None:
        await asyncio.gather(grader.grade_async(answers()), grader.rate_async(answers()))

    with grader_of(Slow(), store=False, max_concurrency=2) as grader:
        asyncio.run(both(grader))
    assert most == 2


def test_an_outage_of_one_kind_gives_the_other_its_verdicts():
    class Half(Rater):
        async def rate(self, example: Example, answer: str) -> Rating:
            raise OSError("the endpoint is gone")

    async def both(grader: Grader) -> tuple[Any, Any]:
        return await asyncio.gather(grader.grade_async(answers()), grader.rate_async(answers()))

    options = {"store": False, "max_concurrency": 1, "max_retries": 0, "outage_after": 1}
    with grader_of(Half(), **options) as grader:
        graded, ratings = asyncio.run(both(grader))
        assert grader.outage is not None and "gone" in grader.outage
    assert [[v.met for v in one.verdicts] for one in graded] == [[True, True]] * 3
    assert [rating.value for (rating,) in ratings] == [None] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, "gave 7; expected a Rating of a whole number from 1 to 10"),
        (None, "gave None; expected a Rating"),
        (Rating(11), "gave a Rating of 11; expected"),
        (Rating(0), "gave a Rating of 0; expected"),
        (Rating(7.5), "gave a Rating of 7.5; expected"),
        (Rating("7"), "gave a Rating of '7'; expected"),
    ],
)
def test_what_is_no_rating_from_1_to_10_is_refused_by_name(given, said):
    class Careless(Rater):
        async def rate(self, example: Example, answer: str) -> Any:
            return given

    with grader_of(Careless(), store=False) as grader, pytest.raises(ConfigError) as raised:
        grader.rate([Answer(EXAMPLE, "x")])
    assert f"judge 'Careless' {said}" in str(raised.value)


def test_an_answer_that_was_never_given_has_no_rating():
    with grader_of(Rater(), store=False) as grader:
        absent, given = grader.rate([Answer(EXAMPLE, None), Answer(EXAMPLE, "x")])
    assert (absent.value, absent.outcome, absent.explanation) == (
        None, Outcome.SKIPPED, "no recorded answer",
    )  # fmt: skip
    assert given.value == 1


def test_a_store_of_the_version_before_gives_its_ratings(tmp_path):
    """Made of made-up rows while ratings had a grader of their own: nothing is asked again."""
    path = tmp_path / "before.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "ratings_before.sql").read_text())
    rater = Rater()
    with grader_of(rater, store=str(path)) as grader:
        assert [rating.value for rating in grader.rate(answers())] == [1, 4, 10]
    with grader_of(rater, store=str(path), include_reasoning=True) as grader:
        [whole] = grader.rate([Answer(EXAMPLE, "<think>no</think>yes")])
    assert whole.value == 10 and rater.asked == []
    chat = {"name": "chat", "model": "fake", "base_url": "http://127.0.0.1:1/v1", "max_calls": 0}
    with open_grader({**chat, "store": str(path)}) as grader:
        twice = Answer(EXAMPLE, "xxxx", replicates=2)
        [ratings] = asyncio.run(grader.rate_async([twice]))
        [graded] = grader.grade(answers()[:1])
    assert [rating.value for rating in ratings] == [7, 7]
    assert [verdict.met for verdict in graded.verdicts] == [True, False]


def test_an_answer_rated_twice_has_both_ratings():
    rater = Rater()
    with grader_of(rater, store=False) as grader:
        twice, once = asyncio.run(
            grader.rate_async([Answer(EXAMPLE, "xxx", replicates=2), Answer(EXAMPLE, "x")])
        )
    assert [rating.value for rating in twice] == [3, 3]
    assert [rating.value for rating in once] == [1]


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
    with Grader(KeywordJudge()) as grader:
        said = grader.rate([Answer(example, t) for t in ("rest, call", "rest", "alone", "hello")])
        # of 10 points 10, 7 (5 + 2 for what is not said), 0 and 2: 1 + 9 x share, to the nearest
        assert [rating.value for rating in said] == [10, 7, 1, 3]
        [none] = grader.rate([Answer(EXAMPLE, "rest")])
    assert none.value is None and "no predicate" in none.explanation
