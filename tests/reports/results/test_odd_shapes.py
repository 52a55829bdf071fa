"""A log that holds what its format has not is left out, and named; nothing ends in a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import logs_kit as k
import pytest
from report_kit import graded, run, write_run

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.results.reader import read_runs

HUGE = 10**400
ENDLESS = float("inf")


def _without(path: Path) -> list[str]:
    told: list[str] = []
    write_run(path / "good", run("good", [graded("10")]))
    assert [found.model for found in read_runs([path], told.append)] == ["good"]
    return told


@pytest.mark.parametrize("odd", [HUGE, ENDLESS, [], {}, "x", True, None])
@pytest.mark.parametrize("name", ["nodes", "task", "rewards"])
def test_a_trace(tmp_path, odd, name):
    k.write(tmp_path / "t" / "traces.jsonl", k.verifiers_trace("a", ("yes", "no"), **{name: odd}))
    try:
        read_runs([tmp_path])
    except DataError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("odd", [HUGE, ENDLESS, -ENDLESS, [1], "x"])
def test_an_epoch_of_inspect(tmp_path, odd):
    k.inspect_eval(tmp_path / "a.eval", [k.inspect_sample("a", epoch=odd)])
    assert "a.eval" in _without(tmp_path)[0]


@pytest.mark.parametrize("odd", [[], 7, "x", [[]]])
def test_a_verdict_of_ours(tmp_path, odd):
    folder = tmp_path / "odd"
    write_run(folder, run("odd", [graded("10")]))
    path = next(folder.rglob("samples_*"))
    sample = json.loads(path.read_text())
    sample["rubric"]["answers"][0]["verdicts"][0] = odd
    path.write_text(json.dumps(sample))
    assert "samples_" in _without(tmp_path)[0]


def test_a_stored_score_too_long_for_a_number_is_none(tmp_path):
    write_run(tmp_path, run("a", [graded("10")]))
    path = next(tmp_path.rglob("results_*"))
    results = json.loads(path.read_text())
    results["results"]["made_up"] = {"score,none": HUGE}
    path.write_text(json.dumps(results))
    assert read_runs([tmp_path])[0].stored == {}


@pytest.mark.parametrize("odd", [5, True, {"role": "user"}])
def test_a_trace_with_an_odd_prompt_leaves_the_others_readable(tmp_path, odd):
    broken = k.verifiers_trace("a", ("yes", "no"))
    broken["traces"][0]["task"] = {"data": {"id": "a", "prompt": odd}}
    k.write(tmp_path / "traces.jsonl", broken, k.verifiers_trace("b", ("yes", "no")))
    [found] = read_runs([tmp_path])
    assert [graded.example.prompt_id for graded in found.graded] == ["b"]
    assert "1 of 2 rollouts excluded; the first is line 1" in found.notes[0]


@pytest.mark.parametrize(("word", "met"), [("yes", True), ("no", False)])
def test_a_lone_choice_of_a_trace_is_its_best(tmp_path, word, met):
    trace = k.verifiers_trace("a", (word, "yes"), score=1.0 if met else 0.5)
    call = trace["traces"][0]["info"]["judge_calls"][0]["request"]["messages"][0]
    call["content"] = call["content"].replace("no, yes)", "yes)", 1)
    k.write(tmp_path / "traces.jsonl", trace)
    [found] = read_runs([tmp_path])
    assert [verdict.met for verdict in found.graded[0].verdicts] == [met, True]
