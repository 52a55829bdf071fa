"""What the driver makes of the flags, and of what workers left behind."""

from __future__ import annotations

import pytest
from engine_kit import answers, example
from loopback import Loopback

from rubricbeat.harness.distributed.judge_run import (
    WorkersGrader,
    WorkersRequest,
    WorkersRun,
    chunk_size,
    grade_over_workers,
)
from rubricbeat.harness.distributed.pool import PoolOutcome
from rubricbeat.harness.distributed.worker import Missing, Worker
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grading import open_grader
from rubricbeat.judges.verdict import Outcome, Verdict


@pytest.mark.parametrize(("in_flight", "size"), [(1, 4), (64, 43), (100_000, 512)])
def test_a_chunk_is_two_rounds_of_a_workers_calls(in_flight, size):
    # three criteria each: 64 calls twice are 128, so 43 answers
    assert chunk_size(in_flight, {"a": example(1), "b": example(2)}) == size


def test_a_worker_reports_what_is_in_the_store_and_what_is_missing(tmp_path):
    some = answers(4)
    examples = {each.example.prompt_id: each.example for each in some}
    items = [(each.example.prompt_id, each.text) for each in some]
    with Loopback() as server:
        options = {"name": "chat", "model": "m", "base_url": server.url, "max_calls": 5}
        worker = Worker({**options, "store": str(tmp_path / "v.sqlite")}, examples)
        report = worker.grade(items)
        worker.close()
    assert (sum(report.n_by_item), len(report.missing)) == (5, 7)
    assert report.stopped == "budget: max_calls=5 reached"
    assert report.facts["calls"] == 5


def test_results_come_from_the_store_with_the_workers_reasons_and_accounts(tmp_path):
    some = answers(2)
    with Loopback() as server:
        options = {
            "name": "chat", "model": "gpt-4.1", "base_url": server.url,
            "store": str(tmp_path / "v.sqlite"),
        }  # fmt: skip
        with open_grader(options) as grader:
            grader.grade(some[:1])
            facts = grader.facts()
        n_requests = server.n_requests
        mute = Verdict(Outcome.UNPARSEABLE, explanation="no verdict in it")
        place = (some[1].example.prompt_id, some[1].text)
        outcome = PoolOutcome(
            3, [Missing(*place, 0, 1, mute)], stopped="budget: spent", facts=[facts, facts]
        )
        with WorkersGrader(options, WorkersRun(outcome, 2, 2)) as reader:
            graded = reader.grade(some)
            told = reader.facts()
        assert server.n_requests == n_requests
    assert all(verdict.met is not None for verdict in graded[0].verdicts)
    assert graded[1].verdicts[1] == mute
    never_asked = graded[1].verdicts[0]
    assert (never_asked.outcome, never_asked.explanation) == (Outcome.SKIPPED, "budget: spent")
    assert (told["calls"], told["asked"], told["missing"]) == (6, 6, 3)
    assert told["cost_usd"] == pytest.approx(2 * facts["cost_usd"])
    assert (told["stopped"], told["workers"]) == ("budget: spent", 2)
    assert "max_calls" not in told["options"]


def test_a_worker_that_cannot_build_its_judge_says_so_when_it_is_asked_for(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    worker = Worker({"name": "chat", "model": "m"}, {})
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        worker.ready()


def test_workers_that_reach_a_server_need_no_stores_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    options = {"name": "chat", "model": "m", "store": "postgresql://me@host/team"}
    request = WorkersRequest(tmp_path / "answers.jsonl", worker_stores=True)
    with pytest.raises(ConfigError, match="--worker-stores: a server is reached from everywhere"):
        grade_over_workers(request, options, {"a": example(1)})
