"""Whatever an endpoint does: the chat judge and the engine against a real loopback server."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_kit import answers, outcomes, reasons
from loopback import Loopback, Reply, Script, Seen, faults, met_of, usual
from waiting import join, until

from rubricbeat.judges.engine import attempt as attempts
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import Grader, open_grader
from rubricbeat.judges.scoring.run_scores import summarise

FAST = {"backoff_s": 0.001, "max_concurrency": 16}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server():
    with Loopback() as running:
        yield running


def chat(server: Loopback, **options) -> Grader:
    named = {"name": "chat", "model": "fake", "base_url": server.url, **FAST, **options}
    return open_grader(named)


def graded_right(graded) -> None:
    """Every verdict is there, and is the one the server gives when nothing goes wrong."""
    assert {o for one in outcomes(graded) for o in one} <= {"met", "not_met"}


def clean_run(n: int):
    """Grade without a fault, on a server and a store of its own."""
    with Loopback() as server, chat(server, store=False) as grader:
        return grader.grade(answers(n))


MENDED = {
    "rate limited, with a pause": faults.rate_limited(retry_after="0.01"),
    "rate limited, with a date": faults.rate_limited(
        retry_after=format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    ),
    "rate limited, without a pause": faults.rate_limited(),
    "server error": faults.server_error(),
    "dropped inside the body": faults.drop(),
    "dropped before the head": Reply(drop_after=-1),
    "HTML": faults.html(),
    "no JSON": faults.says("I would say yes."),
    "truncated": faults.truncated(),
    "empty": faults.says(""),
    "null": faults.says(None),
    "refusal": faults.refusal(),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_fault_on_each_first_attempt_changes_no_verdict(server, name):
    server.script = faults.on_first_attempts(1, MENDED[name])
    with chat(server) as grader:
        graded = grader.grade(answers(3))
    assert outcomes(graded) == outcomes(clean_run(3))
    assert server.n_requests == 18
    facts = grader.facts()
    assert sum(facts["retries"].values()) == 9
    assert facts["calls"] == 18
    assert {v.attempts for one in graded for v in one.verdicts} == {2}


READ_AT_ONCE = {
    "fenced": faults.fenced,
    "double": faults.double,
    "nested": faults.nested,
    "single-quoted": faults.single_quoted,
    "true as text": faults.as_text,
}


@pytest.mark.parametrize("name", READ_AT_ONCE)
def test_odd_json_is_read_without_a_second_call(server, name):
    server.script = lambda seen: READ_AT_ONCE[name](met_of(seen.prompt))
    with chat(server) as grader:
        graded = grader.grade(answers(2))
    assert outcomes(graded) == outcomes(clean_run(2))
    assert server.n_requests == 6


def test_slow_trickle_is_read_to_its_end(server):
    server.script = lambda seen: faults.trickle(seen, pieces=5, gap_s=0.005)
    with chat(server) as grader:
        graded_right(grader.grade(answers(2)))


def test_a_hang_ends_at_the_time_out_and_is_tried_again(server, monkeypatch):
    server.script = faults.on_first_attempts(1, faults.hang())
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = []

    def timeout(_: float) -> asyncio.Timeout:
        """Pass when the test says so, and not when a machine is slow."""
        running.append((asyncio.get_running_loop(), asyncio.timeout(None)))
        return running[-1][1]

    def pass_time() -> None:
        until(lambda: server.n_requests == 3, "three calls that hang")
        for loop, one in list(running):
            loop.call_soon_threadsafe(one.reschedule, 0.0)

    same = {**vars(asyncio), "timeout": timeout}
    monkeypatch.setattr(attempts, "asyncio", SimpleNamespace(**same))
    thread = threading.Thread(target=pass_time)
    thread.start()
    with chat(server) as grader:
        graded_right(grader.grade(answers(1)))
    join(thread)
    assert grader.facts()["retries"] == {"timeout": 3}
    assert server.n_requests == 6


def test_a_content_filter_is_a_refusal_and_no_other_verdict_suffers(server):
    filtered = "Item 0 of 1"
    server.script = lambda seen: faults.content_filter() if filtered in seen.prompt else None
    with chat(server) as grader:
        graded = grader.grade(answers(3))
    said = outcomes(graded)
    assert said[1][0] == "refused"
    assert sum(o == "refused" for one in said for o in one) == 1


def test_wrong_number_of_grouped_verdicts_is_asked_again(server):
    def short(seen: Seen) -> Reply | None:
        whole = json.loads(usual(seen).body)
        message = whole["choices"][0]["message"]
        items = json.loads(message["content"])["verdicts"]
        if len(items) == 1:
            return None
        message["content"] = json.dumps({"verdicts": items[:-1]})
        return Reply(body=json.dumps(whole).encode())

    server.script = short
    with chat(server, shape="grouped", group_size="all") as grader:
        graded = grader.grade(answers(2, n_criteria=4))
    graded_right(graded)
    # one call an answer, and one more for the item that had no verdict
    assert server.n_requests == 4


def test_eleven_percent_bad_first_replies_leave_the_score_exact(server):
    server.script = faults.on_first_attempts(1, faults.no_verdict(), share=0.11)
    with chat(server) as grader:
        graded = grader.grade(answers(60))
    n_bad = server.n_repeated
    assert 5 <= n_bad <= 40  # about 11 % of 180
    clean = summarise(clean_run(60), n_draws=100).metrics
    ours = summarise(graded, n_draws=100).metrics
    assert ours["score"] == clean["score"]
    assert ours["missing_points"] == 0
    facts = grader.facts()
    assert facts["retries"] == {"unparseable": n_bad}
    assert facts["calls"] == 180 + n_bad


def test_replies_that_never_parse_end_listed_and_bound_the_score(server):
    server.script = faults.on_first_attempts(0, faults.no_verdict(), share=0.05)
    with chat(server, max_retries=3) as grader:
        graded = grader.grade(answers(60, n_criteria=8))
    missing = [v for one in graded for v in one.verdicts if v.met is None]
    assert 5 <= len(missing) <= 60
    assert {v.outcome.value for v in missing} == {"unparseable"}
    # the first ten are asked four times; what that never mends, others twice
    assert {v.attempts for v in missing} <= {4, 2}
    assert sum(v.attempts == 4 for v in missing) >= min(10, len(missing))
    assert all(v.reply for v in missing)
    summary = summarise(graded, n_draws=100).metrics
    assert summary["score_low"] < summary["score"] < summary["score_high"]
    assert grader.facts()["missing"] == len(missing)
    assert grader.outage is None


def test_a_bad_reply_is_kept_as_paid_for_and_never_served(server, tmp_path):
    store = tmp_path / "v.sqlite"
    server.script = faults.always(faults.no_verdict())
    with chat(server, max_retries=1, store=str(store)) as grader:
        assert reasons(grader.grade(answers(1)))
    with sqlite3.connect(store) as db:
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)
        kept = db.execute("SELECT outcome, reply FROM failed_replies").fetchall()
    assert kept == [("unparseable", "I think that the item is met.")] * 6
    server.script = None
    with chat(server, store=str(store)) as grader:
        graded_right(grader.grade(answers(1)))


def test_total_outage_stops_the_run_and_keeps_what_there_is(server, tmp_path):
    server.script = lambda seen: faults.server_error() if seen.number > 20 else None
    options = {"max_retries": 1, "outage_after": 4, "store": str(tmp_path / "v.sqlite")}
    with chat(server, max_concurrency=2, **options) as grader:
        graded = grader.grade(answers(30))
        assert grader.outage is not None
        assert "HTTP 500" in grader.outage
    n_met = sum(v.met is not None for one in graded for v in one.verdicts)
    assert n_met == 20
    assert server.n_requests < 40  # of 90: the rest was never asked
    assert any(reason.startswith("outage: ") for reason in reasons(graded))
    assert grader.facts()["outage"] == grader.outage
    server.script, before = None, server.n_requests
    with chat(server, **options) as grader:
        graded_right(grader.grade(answers(30)))
        assert grader.outage is None
    assert server.n_requests - before == 70


def test_an_outage_ends_a_long_run_whose_answers_come_in_parts(server):
    server.script = lambda seen: faults.server_error() if seen.number > 20 else None
    with chat(server, max_concurrency=2, max_retries=0, outage_after=4) as grader:
        graded = list(grader.grade_each(iter(answers(700))))
        assert "HTTP 500" in str(grader.outage)
        assert len(graded) == 700
        assert server.n_requests < 30  # found out once, and not by every part of the run
        server.script = None
        assert len(list(grader.grade_each(iter(answers(3))))) == 3  # a new run asks again
        assert grader.outage is None


def test_a_grader_works_again_when_the_judge_is_up_again(server):
    server.script = lambda seen: faults.server_error() if seen.number > 1 else None
    with chat(server, max_retries=0, outage_after=2) as grader:
        grader.grade(answers(3))
        assert grader.outage is not None
        server.script = None
        graded_right(grader.grade(answers(3)))
        assert grader.outage is None


@pytest.mark.parametrize("fault", [faults.unauthorized(), faults.no_such_model()])
def test_a_wrong_key_or_model_costs_one_request_and_is_one_clear_error(server, fault):
    server.script = faults.always(fault)
    with chat(server) as grader, pytest.raises(ConfigError, match="HTTP 40"):
        grader.grade(answers(10))
    assert server.n_requests == 1


def test_nothing_at_the_address_is_a_configuration_error_at_once():
    with Loopback() as gone:
        pass
    with chat(gone, backoff_s=60) as grader, pytest.raises(ConfigError, match="is the address"):
        grader.grade(answers(10))


def test_a_key_that_is_revoked_in_a_run_is_an_outage_and_loses_nothing(server, tmp_path):
    store = str(tmp_path / "v.sqlite")
    server.script = lambda seen: faults.unauthorized() if seen.number > 12 else None
    with chat(server, store=store, max_concurrency=4) as grader:
        graded = grader.grade(answers(10))
        assert "HTTP 401" in grader.outage and "OPENAI_API_KEY" in grader.outage
    assert sum(v.met is not None for one in graded for v in one.verdicts) == 12
    # eight in a row are an outage, and three more may be in flight; each is asked once more
    assert server.n_requests <= 12 + 2 * (8 + 3)
    server.script, before = None, server.n_requests
    with chat(server, store=store) as grader:
        graded_right(grader.grade(answers(10)))
    assert server.n_requests - before == 30 - 12


def test_the_key_is_sent_and_appears_nowhere_else(server, tmp_path, monkeypatch, capfd):
    key = "made-up-key-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    store = tmp_path / "v.sqlite"
    server.keeps_requests = True
    server.script = faults.on_first_attempts(
        1, faults.error(500, f"your key {key} met a server error")
    )
    with chat(server, store=str(store), max_retries=2) as grader:
        graded = grader.grade(answers(1), progress=True)
        texts = [repr(grader.judge), repr(grader.options), json.dumps(grader.facts())]
    texts += [json.dumps(one.to_json()) for one in graded]
    server.script = faults.always(faults.error(401, f"bad key {key}", "invalid_api_key"))
    with chat(server, store=False) as grader, pytest.raises(ConfigError) as caught:
        grader.grade(answers(1))
    texts.append(str(caught.value))
    said = capfd.readouterr()
    texts += [said.out, said.err]
    assert all(seen.headers["authorization"] == f"Bearer {key}" for seen in server.seen)
    assert not any(key in text for text in texts)
    for file in tmp_path.iterdir():
        assert key.encode() not in file.read_bytes(), file.name


def test_retry_after_is_waited_for(server):
    server.script = faults.first(1, faults.rate_limited(retry_after="0.3"))
    with chat(server) as grader:
        grader.grade(answers(1))
    facts = grader.facts()
    assert facts["retries"] == {"rate_limit": 1}
    assert facts["seconds"] >= 0.3


def test_repeated_rate_limits_are_lived_through(server):
    server.script = lambda seen: faults.rate_limited() if 5 < seen.number <= 30 else None
    with chat(server, max_retries=20) as grader:
        graded_right(grader.grade(answers(40)))
    assert grader.facts()["faults"] == {"rate_limit": 25}


def test_a_rate_limit_without_end_ends(server):
    server.script = faults.always(faults.rate_limited(retry_after="0"))
    with chat(server, rate_limit_patience_s=0) as grader:
        graded = grader.grade(answers(4))
    assert "429" in (grader.outage or "") and "rate_limit_patience_s" in (grader.outage or "")
    assert all(v.met is None for one in graded for v in one.verdicts)


def test_connections_are_reused(server):
    with chat(server, max_concurrency=8) as grader:
        grader.grade(answers(40))
    assert server.n_requests == 120
    assert server.n_connections <= 9


SCRIPTS: dict[str, Script] = {
    name: faults.on_first_attempts(0, reply, share=0.3) for name, reply in MENDED.items()
}


@pytest.mark.parametrize("name", [name for name in SCRIPTS if "rate" not in name])
def test_a_fault_for_ever_on_some_prompts_leaves_the_others_right(server, name, tmp_path: Path):
    server.script = SCRIPTS[name]
    with chat(server, max_retries=1, outage_after=1000) as grader:
        graded = grader.grade(answers(10))
    clean = outcomes(clean_run(10))
    n_missing = 0
    for ours, theirs in zip(outcomes(graded), clean, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one == other or one not in {"met", "not_met"}
            n_missing += one not in {"met", "not_met"}
    assert 0 < n_missing < 30
