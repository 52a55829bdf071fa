"""What comes back for rows and answers; and that missing is told, and is never 0."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from engine_kit import UNREADABLE, CountingJudge, FlakyJudge, GatedJudge
from serving_kit import LackingJudge, Served, item, row
from waiting import join, until

from rubricbeat.judges.errors import ConfigError, OutageError, StoreError
from rubricbeat.judges.grader import RuntimeOptions
from rubricbeat.judges.store.sqlite import VerdictStore
from rubricbeat.judges.verdict import Outcome, Rating, Verdict


def test_scores_rewards_and_verdicts_come_back_in_order():
    # criteria 0 and 2 are met: 1 point of 3 earned, the fault of -2 triggered: h = (1 - 2) / 3
    with Served(CountingJudge()) as served:
        status, reply = served.post(
            "/v1/score",
            {"items": [item(0, "a", "b"), {"prompt_id": "made-up-7", "answers": ["c"]}]},
        )
    assert status == 200
    assert reply["complete"] is True
    assert reply["missing"] == {"verdicts": 0, "of": 9}
    assert reply["why"] is None
    assert [one["prompt_id"] for one in reply["items"]] == ["made-up-0", "made-up-7"]
    assert [len(one["answers"]) for one in reply["items"]] == [2, 1]
    for one in (answer for each in reply["items"] for answer in each["answers"]):
        assert one["score"] == pytest.approx(-1 / 3)
        assert one["rewards"]["healthbench"] == pytest.approx(-1 / 3)
        assert one["missing"] == 0
        assert [verdict["met"] for verdict in one["verdicts"]] == [True, False, True]
    assert reply["judge"]["model"] == "counting"


def test_a_request_names_the_rewards_it_wants_and_whether_it_wants_verdicts():
    with Served(CountingJudge()) as served:
        _, few = served.post(
            "/v1/score", {"items": [item()], "rewards": ["hybrid"], "verdicts": False}
        )
        _, none = served.post("/v1/score", {"items": [item()], "rewards": []})
    assert list(few["items"][0]["answers"][0]) == ["score", "rewards", "missing"]
    assert list(few["items"][0]["answers"][0]["rewards"]) == ["hybrid"]
    assert none["items"][0]["answers"][0]["rewards"] == {}
    assert none["complete"] is True


def test_a_missing_verdict_is_null_and_said_and_never_zero():
    # 2 of 5 absolute points have no verdict: more than a fifth, so that nothing is known
    with Served(LackingJudge(1), RuntimeOptions(store=False, max_retries=0)) as served:
        status, reply = served.post("/v1/score", {"items": [item()]})
    assert status == 200
    [one] = reply["items"][0]["answers"]
    assert one["score"] is None
    assert one["rewards"] == {"healthbench": None, "hybrid": None}
    assert one["missing"] == 1
    assert [verdict["met"] for verdict in one["verdicts"]] == [True, None, True]
    assert reply["complete"] is False
    assert reply["missing"] == {"verdicts": 1, "of": 3}
    assert "1 of 3 verdicts are missing" in reply["why"]
    assert "unparseable" in reply["why"]


def test_an_answer_that_the_model_did_not_give_is_missing_and_an_empty_one_is_judged():
    with Served(CountingJudge()) as served:
        _, reply = served.post("/v1/score", {"items": [item(0, None, "")]})
    absent, empty = reply["items"][0]["answers"]
    assert absent["score"] is None
    assert absent["missing"] == 3
    assert empty["score"] == pytest.approx(-1 / 3)


def test_a_reward_of_ratings_asks_for_ratings_too():
    class RatingJudge(CountingJudge):
        async def rate(self, example, answer):
            return Rating(value=7, explanation="good")

    with Served(RatingJudge(), rewards="rar_implicit") as served:
        status, reply = served.post("/v1/score", {"items": [item()]})
    assert status == 200, reply
    [one] = reply["items"][0]["answers"]
    assert one["rewards"]["rar_implicit"] == pytest.approx(0.7)
    assert len(one["ratings"]) == 1


def test_equal_questions_of_many_clients_are_asked_once(tmp_path):
    judge = GatedJudge()
    options = RuntimeOptions(store=tmp_path / "v.sqlite", max_concurrency=8)
    replies = []
    with Served(judge, options) as served:
        clients = [
            threading.Thread(
                target=lambda: replies.append(served.post("/v1/score", {"items": [item()]}))
            )
            for _ in range(6)
        ]
        for client in clients:
            client.start()
        until(lambda: served.service.n_pending == 6, "six requests in hand")
        judge.goes_on.set()
        join(*clients)
    assert [status for status, _ in replies] == [200] * 6
    assert set(judge.asked.values()) == {1}
    assert len(judge.asked) == 3


def test_clients_with_one_answer_each_fill_the_pool_together(tmp_path):
    judge = GatedJudge()
    options = RuntimeOptions(store=tmp_path / "v.sqlite", max_concurrency=12)
    with Served(judge, options) as served:
        clients = [
            threading.Thread(target=served.post, args=("/v1/score", {"items": [item(number)]}))
            for number in range(4)
        ]
        for client in clients:
            client.start()
        until(lambda: judge.n_now == 12, "a full pool")
        judge.goes_on.set()
        join(*clients)
    assert judge.max_now == 12


def test_a_judge_that_is_down_is_an_error_with_what_came(tmp_path):
    judge = FlakyJudge(*[OutageError("the judge is gone")] * 50)
    with Served(judge, RuntimeOptions(store=False, max_concurrency=1)) as served:
        status, reply = served.post("/v1/score", {"items": [item(0, "a", "b")]})
        _, form = served.post("/v1/slime", {"prompt": "", "response": "a", "label": "made-up-1"})
        judge.first.clear()
        again, whole = served.post("/v1/score", {"items": [item(0, "a", "b")]})
    assert status == 503
    assert reply["error"]["code"] == "judge_stopped"
    assert "the judge is gone" in reply["error"]["message"]
    assert [one["score"] for one in reply["items"][0]["answers"]] == [None, None]
    assert form["error"]["code"] == "judge_stopped"
    assert (again, whole["complete"]) == (200, True)  # a judge that is up again is asked again


def test_a_spent_budget_is_an_error_with_what_was_paid(tmp_path):
    options = RuntimeOptions(store=tmp_path / "v.sqlite", max_calls=3, max_concurrency=1)
    judge = CountingJudge()
    with Served(judge, options) as served:
        status, reply = served.post("/v1/score", {"items": [item(0, "a", "b")]})
        paid, stored = served.post("/v1/score", {"items": [item(0, "a")]})
    assert status == 503
    assert "max_calls=3" in reply["why"]
    assert "; 3 of 6 verdicts are missing: 3 x skipped: " in reply["why"]
    first, second = reply["items"][0]["answers"]
    assert first["missing"] == 0
    assert first["score"] == pytest.approx(-1 / 3)
    assert second["missing"] == 3
    assert second["score"] is None
    assert sum(judge.asked.values()) == 3
    assert (paid, stored["complete"]) == (200, True)  # what is stored is given all the same


def test_a_store_that_fails_is_an_error_with_what_came(tmp_path, monkeypatch):
    class FailingStore(VerdictStore):
        def write(self, *records, **more):
            raise StoreError("the disk is full")

    monkeypatch.setattr("rubricbeat.judges.engine.assembly.VerdictStore", FailingStore)
    options = RuntimeOptions(store=tmp_path / "v.sqlite", max_concurrency=1)
    with Served(CountingJudge(), options) as served:
        status, reply = served.post("/v1/score", {"items": [item(0, "a", "b")]})
        health, _, _ = served.ask("GET", "/health")
    assert status == 503
    assert "the disk is full" in reply["error"]["message"]
    assert reply["complete"] is False
    met = [v["met"] for one in reply["items"][0]["answers"] for v in one["verdicts"]]
    assert met[0] is True  # it was paid for, and could not be kept
    assert health == 200


def test_wrong_settings_of_the_judge_are_an_error_in_its_words():
    with Served(FlakyJudge(ConfigError("the key is wrong"))) as served:
        status, reply = served.post("/v1/score", {"items": [item()]})
        again, _ = served.post("/v1/score", {"items": [item()]})
    assert status == 503
    assert "the key is wrong" in reply["error"]["message"]
    assert again == 200


def test_openrlhf_gets_rewards_and_scores_between_0_and_1():
    body = {
        "query": ["<s>Why?Less coffee.<|im_end|>", "Why?More.</s>"],
        "prompts": ["Why?", "Why?"],
        "labels": [json.dumps(row(0)), "made-up-1"],
    }
    judge = CountingJudge()
    with Served(judge, rewards="hybrid") as served:
        status, reply = served.post("/v1/openrlhf", body)
        _, native = served.post("/v1/score", {"items": [item(0, "Less coffee.")]})
    assert status == 200
    own = native["items"][0]["answers"][0]["rewards"]["hybrid"]
    assert reply["rewards"] == [own, own]
    assert reply["scores"] == [own / 20, own / 20]  # hybrid lies in [0, 20]
    assert reply["extra_logs"] == {"is_scored": [1.0, 1.0]}
    assert {answer for _, answer, _, _ in judge.asked} == {"Less coffee.", "More."}


def test_slime_gets_a_number():
    with Served(CountingJudge()) as served:
        by_row = served.post(
            "/v1/slime", {"prompt": "x", "response": "a<|im_end|>", "label": json.dumps(row(0))}
        )
        by_id = served.post("/v1/slime", {"response": "a", "label": "made-up-0"})
    assert by_row == by_id == (200, pytest.approx(-1 / 3))


@pytest.mark.parametrize("path", ["/v1/openrlhf", "/v1/slime"])
def test_a_form_without_a_place_for_missing_is_refused_where_something_is_missing(path):
    bodies = {
        "/v1/openrlhf": {"query": ["a", "b"], "prompts": ["", ""], "labels": ["made-up-0"] * 2},
        "/v1/slime": {"response": "a", "label": "made-up-0"},
    }
    # the last criterion weighs 2 of 5: no reward; of the first, 1 of 5, there would be one
    for lacks in (2, 0):
        with Served(LackingJudge(lacks), RuntimeOptions(store=False, max_retries=0)) as served:
            status, reply = served.post(path, bodies[path])
        assert status == 424
        assert reply["error"]["code"] == "missing_verdicts"
        assert "verdicts are missing" in reply["error"]["message"]


def test_stats_count_what_was_asked_and_health_says_nothing_else():
    with Served(CountingJudge()) as served:
        served.post("/v1/score", {"items": [item(0, "a", "b")]})
        served.post("/v1/score", {"items": []})
        _, stats, _ = served.ask("GET", "/v1/stats")
        health = served.ask("GET", "/health")[:2]
    assert health == (200, {"status": "ok"})
    assert stats["server"]["answers_graded"] == 2
    assert stats["server"]["replies"] == {"200": 1, "400": 1}
    assert stats["server"]["answers_in_hand"] == stats["server"]["bytes_in_hand"] == 0
    assert stats["judge"]["asked"] == 6
    assert stats["rewards"] == ["healthbench", "hybrid"]


def test_a_level_and_not_applicable_are_answers():
    class GradualJudge(CountingJudge):
        def verdict(self, question):
            if question.index == 0:
                return Verdict.at_level(1, explanation="partly")
            return Verdict.not_applicable(explanation="no such case")

    graded = {
        "prompt_id": "g",
        "prompt": "Why?",
        "rubrics": [
            {
                "criterion": "Explains",
                "levels": [{"text": "no", "points": 0}, {"text": "partly", "points": 2},
                           {"text": "fully", "points": 4}],
            },
            {"criterion": "Names the dose", "points": 3, "may_be_na": "excluded"},
        ],
    }  # fmt: skip
    with Served(GradualJudge()) as served:
        status, reply = served.post("/v1/score", {"items": [{"row": graded, "answers": ["a"]}]})
    assert status == 200, reply
    assert reply["complete"] is True
    [one] = reply["items"][0]["answers"]
    assert one["score"] == pytest.approx(0.5)  # 2 of 4: the criterion that does not apply is out
    assert [(v["met"], v["outcome"]) for v in one["verdicts"]] == [
        (None, "level"),
        (None, "not_applicable"),
    ]
    assert one["verdicts"][0]["level"] == 1


def test_words_that_were_cut_off_in_a_character_lose_no_reply():
    class CutJudge(CountingJudge):
        async def judge(self, question):
            return Verdict(Outcome.MET, explanation="yes \ud83d")

    with Served(CutJudge()) as served:
        status, reply = served.post("/v1/score", {"items": [item()]})
    assert status == 200
    words = {v["explanation"] for v in reply["items"][0]["answers"][0]["verdicts"]}
    assert words == {"yes ?"}


def test_a_reward_that_is_none_although_all_verdicts_are_there_is_named():
    class SilentRater(CountingJudge):
        async def rate(self, example, answer):
            return Rating(value=None, outcome=Outcome.UNPARSEABLE, explanation="no number")

    with Served(SilentRater(), rewards="rar_implicit,soft(of=healthbench)") as served:
        whys = [
            served.post("/v1/score", {"items": [item()], "rewards": [name]})[1]
            for name in ("soft(of=healthbench)", "rar_implicit")
        ]
    assert [one["complete"] for one in whys] == [False, False]
    assert "no reward 'soft(of=healthbench)': the judge gives no P(met)" in whys[0]["why"]
    assert "no reward 'rar_implicit': no rating, no number" in whys[1]["why"]


def test_five_hundred_clients_at_once_are_answered_and_pay_once(tmp_path):
    import aiohttp

    judge = CountingJudge()
    options = RuntimeOptions(store=tmp_path / "v.sqlite", max_concurrency=16)

    async def ask(session: aiohttp.ClientSession, url: str, number: int) -> dict[str, Any]:
        async with session.post(f"{url}/v1/score", json={"items": [item(number % 50)]}) as reply:
            assert reply.status == 200
            return dict(await reply.json())

    async def all_at_once(url: str) -> list[dict[str, Any]]:
        connector = aiohttp.TCPConnector(limit=500)
        async with aiohttp.ClientSession(connector=connector) as session:
            return await asyncio.gather(*(ask(session, url, number) for number in range(500)))

    with Served(judge, options) as served:
        replies = asyncio.run(all_at_once(served.url))
        stats = served.app.stats()
    assert all(one["complete"] for one in replies)
    assert [one["items"][0]["prompt_id"] for one in replies] == [
        f"made-up-{number % 50}" for number in range(500)
    ]
    assert len(judge.asked) == 150  # 50 answers with 3 criteria
    assert set(judge.asked.values()) == {1}
    assert stats["judge"]["asked"] == 1_500
    assert stats["judge"]["calls"] == 150


def test_a_missing_verdict_moves_no_reward_against_its_group():
    # points 5, 5, 5, 3; all answers have 1, 1, 0 and the last criterion is not met, or lost:
    # alone .556 and .667; on the three criteria that both have .667 and .667
    class LosingJudge(CountingJudge):
        def verdict(self, question):
            if question.index == 3 and question.answer == "gap":
                return UNREADABLE
            return Verdict.of(question.index < 2)

    criteria = [{"criterion": f"Item {i}", "points": p} for i, p in enumerate((5, 5, 5, 3))]
    graded = {"prompt_id": "g", "prompt": "Why?", "rubrics": criteria}
    with Served(LosingJudge(), RuntimeOptions(store=False, max_retries=0)) as served:
        _, group = served.post("/v1/score", {"items": [{"row": graded, "answers": ["a", "gap"]}]})
        each = [{"row": graded, "answers": [text]} for text in ("a", "gap")]
        _, apart = served.post("/v1/score", {"items": each})
    together = [one["rewards"]["healthbench"] for one in group["items"][0]["answers"]]
    alone = [one["answers"][0]["rewards"]["healthbench"] for one in apart["items"]]
    assert together == [pytest.approx(2 / 3), pytest.approx(2 / 3)]
    assert alone == [pytest.approx(10 / 18), pytest.approx(2 / 3)]
    assert [one["missing"] for one in group["items"][0]["answers"]] == [0, 1]
