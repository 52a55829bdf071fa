"""What the driver makes of the flags, and of what workers left behind."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from engine_kit import answers, example
from loopback import Loopback

from rubricbeat.harness.distributed.pool import PoolOutcome
from rubricbeat.harness.distributed.run import WorkersGrader, WorkersRun, check_hosts, chunk_size
from rubricbeat.harness.distributed.worker import Missing, StorePlace, Worker
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import Grader, RuntimeOptions, open_grader
from rubricbeat.judges.rubric import Level, NaRule, Rubric
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
        last = worker.close()
    assert (sum(report.n_by_item), len(report.missing)) == (5, 7)
    assert report.stopped == "budget: max_calls=5 reached"
    assert report.account.facts["calls"] == last.facts["calls"] == 5
    assert last.number > report.account.number


def test_levels_and_what_does_not_apply_are_verdicts_to_a_worker_and_to_whoever_reads(tmp_path):
    one = answers(1)[0]
    first, second, third = one.example.rubric.criteria
    levels = (Level("no", 0.0), Level("half", 1.0), Level("all", 3.0))
    rubric = (replace(first, points=3.0, levels=levels), replace(second, na=NaRule.EXCLUDED), third)
    one = replace(one, example=replace(one.example, rubric=Rubric(rubric)))
    said = [Verdict.at_level(1), Verdict.not_applicable(), Verdict.at_level(1)]
    options = {"max_retries": 0, "store": str(tmp_path / "v.sqlite")}
    worker = Worker(options, {one.example.prompt_id: one.example})
    judge = StoredScript(lambda question: said[question.index])
    worker._opened = Grader(judge, RuntimeOptions.from_mapping(options))
    report = worker.grade([(one.example.prompt_id, one.text)])
    facts = worker.close().facts
    assert report.n_by_item == (2,)
    assert [(m.index, m.verdict.outcome) for m in report.missing] == [(2, Outcome.UNPARSEABLE)]
    assert facts["na_share"] == 1 / 3
    with Grader(StoredScript(None), RuntimeOptions.from_mapping(options)) as reader:
        (graded,) = reader.grade([one])
    assert [v.outcome for v in graded.verdicts] == ["level", "not_applicable", "unparseable"]


class StoredScript(ScriptedJudge):
    """A scripted judge whose verdicts are kept, as paid ones are."""

    stored = True


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


def test_a_store_is_the_same_where_it_is_the_same_file_on_the_same_machine(tmp_path):
    one, other, link = (tmp_path / name for name in ("one", "other", "link"))
    one.touch()
    other.touch()
    link.symlink_to(one)
    assert StorePlace.of(str(one)) == StorePlace.of(str(link))
    assert StorePlace.of(str(one)) != StorePlace.of(str(other))
    assert StorePlace.of(str(one)) != StorePlace.of(str(tmp_path / "none"))


def test_a_server_is_one_unless_its_name_means_another_on_each_machine():
    for name in ("me@host/team", "host:5433/team", "/team?host=db.example", "10.0.0.7/team"):
        assert StorePlace.of(f"postgresql://{name}") == StorePlace(""), name
    for name in ("localhost/team", "me@127.0.0.1:5433/team", "[::1]/team", "/team",
                 "/team?host=/run/postgresql", "%2Frun%2Fpg/team"):  # fmt: skip
        assert StorePlace.of(f"postgresql://{name}") == StorePlace(socket.gethostname()), name


def node(host, *, is_alive=True, cpus=4.0):
    return {"NodeManagerHostname": host, "Alive": is_alive, "Resources": {"CPU": cpus}}


def test_a_store_file_and_a_cluster_of_several_machines_are_refused_in_one_line():
    here = socket.gethostname()
    with pytest.raises(ConfigError) as refused:
        check_hosts([node(here), node("far"), node("away"), node("away")])
    line = str(refused.value)
    assert "workers on away, far cannot reach it" in line
    assert "--store postgresql://HOST/DATABASE" in line
    assert "\n" not in line


def test_nodes_of_one_machine_and_those_without_room_for_a_worker_share_a_file():
    here = socket.gethostname()
    check_hosts([node(here), node(here), node("gone", is_alive=False), node("head", cpus=0.0)])
