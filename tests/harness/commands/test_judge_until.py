"""`rubricbeat judge --until_decided`: the order alone decides, and nothing paid for is lost."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply, Seen, completion
from waiting import until

from rubricbeat.harness.cli import main
from rubricbeat.judges.engine.writer import FLUSH_ROWS
from rubricbeat.judges.scoring.run_scores import summarise
from rubricbeat.reports import numbers
from rubricbeat.reports.results.reader import read_runs

N = 120
CHANCE = {"good": 0.9, "same": 0.9, "poor": 0.3}


def verdict(seen: Seen) -> Reply:
    """Meet a criterion by a chance that hangs on whose answer it is, fixed by the prompt."""
    [name] = [name for name in CHANCE if f"of {name}." in seen.prompt]
    digest = hashlib.sha1(seen.prompt.encode()).digest()
    met = digest[0] < 256 * CHANCE[name]
    return completion(json.dumps({"explanation": "words", "criteria_met": met}))


@pytest.fixture
def server():
    with Loopback(script=verdict) as running:
        yield running


def files(folder: Path, *models: str, n: int = N, runs: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "prompt_id": f"row-{place:03}",
            "prompt": [{"role": "user", "content": f"Question {place}?"}],
            "rubrics": [
                {"criterion": f"says {place}", "points": 5, "tags": []},
                {"criterion": f"warns {place}", "points": 3, "tags": []},
                {"criterion": f"is wrong on {place}", "points": -2, "tags": []},
            ],
        }
        for place in range(n)
    ]
    answers = [
        {
            "prompt_id": f"row-{place:03}",
            "completion": f"Answer {place} {run} of {model}.",
            "model": model,
            "run": f"run{run}",
        }
        for model in models
        for run in range(runs)
        for place in range(n)
    ]
    for name, lines in (("rows", rows), ("answers", answers)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


def words(folder: Path, server: Loopback, *more: str, args: str = "") -> list[str]:
    options = f"model=judge-1,base_url={server.url},max_concurrency=8{args}"
    given = ["judge", "--data", folder / "rows.jsonl", "--responses", folder / "answers.jsonl"]
    given += ["--judge", "chat", "--judge_args", options, "--store", folder / "store.sqlite"]
    return [*map(str, given), "--output_path", str(folder / "out"), *more]


def facts(folder: Path) -> dict[str, Any]:
    found = [run.facts.config["until"] for run in read_runs([folder / "out"])]
    assert all(one == found[0] for one in found)
    return found[0]


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_grading_stops_when_the_difference_is_decided(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor")
    assert main(words(folder, server, "--until-decided")) == 0
    printed = capsys.readouterr()
    found = facts(folder)
    [pair] = found["decisions"]
    assert (pair["this"], pair["other"], pair["decision"]) == ("good", "poor", "higher")
    assert 10 <= found["graded"] < N
    assert pair["low"] > 0
    n_saved = f"({found['criteria_graded']} of {found['criteria']} criteria)"
    assert found["criteria_graded"] * N == found["criteria"] * found["graded"]
    assert f"Stopped after {found['graded']} of {N} prompts {n_saved}: decided." in printed.out
    assert "none missing" in printed.out
    assert f"{server.n_requests:,} criteria asked" in printed.out
    assert "expects to grade" in printed.err
    # the prompts of the results are the first ones of the order, in that order, of both models
    for run in read_runs([folder / "out"]):
        assert [one.example.prompt_id for one in run.graded] == found["order"]
    # what is asked beyond the decision is what was in flight, and a look ahead
    assert server.n_requests <= 6 * found["graded"] + 60


def test_scores_and_comparisons_of_a_stopped_run_say_so(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor")
    main(words(folder, server, "--until_decided"))
    judged = capsys.readouterr().out
    found = facts(folder)
    n_saved = f"({found['criteria_graded']} of {found['criteria']} criteria)"
    said = f"topped after {found['graded']} of {N} prompts {n_saved}: decided"
    assert main(["score", str(folder / "out")]) == 0
    scored = capsys.readouterr().out
    assert said in " ".join(scored.split())
    # judge and score have the same table, with the intervals that hold after every prompt
    assert judged.splitlines()[:3] == scored.splitlines()[:3]
    assert main(["score", str(folder / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["runs"]
    for one, run in zip(told, read_runs([folder / "out"]), strict=True):
        low, high = one["anytime_interval"]
        fixed = summarise(run.graded, n_draws=0).to_json()["interval"]
        assert low < fixed[0] < fixed[1] < high
        assert one["metrics"]["interval"] == [low, high]
        assert one["metrics"]["pass_hb50_interval"] is None
    assert main(words(folder, server, "--until_decided", "--json")) == 0
    for one in json.loads(capsys.readouterr().out)["runs"]:
        assert one["metrics"]["interval"] == told[one["model"] == "poor"]["anytime_interval"]
    # everywhere the same interval: every run of score --all and judge --all, the page of runs
    low, high = told[0]["anytime_interval"]
    shown = numbers.interval(low, high)
    assert main(["view", str(folder / "out"), "-o", str(folder / "runs.html")]) == 0
    assert shown in (folder / "runs.html").read_text(encoding="utf-8")
    capsys.readouterr()
    for words_ in (["score", str(folder / "out"), "--all"],
                   words(folder, server, "--until_decided", "--all")):  # fmt: skip
        assert main(words_) == 0
        assert capsys.readouterr().out.count(shown) >= 2
    assert main(["compare", str(folder / "out"), "-o", str(folder / "page.html")]) == 0
    printed = capsys.readouterr()
    assert said in printed.err
    assert said in (folder / "page.html").read_text(encoding="utf-8")
    [pair] = facts(folder)["decisions"]
    assert f"[{pair['low']:+.3f}, {pair['high']:+.3f}]" in printed.out


def test_the_same_command_again_asks_nothing_and_decides_the_same(tmp_path, server):
    folder = files(tmp_path, "good", "poor")
    main(words(folder, server, "--until_decided"))
    before, n_asked = facts(folder), server.n_requests
    assert main(words(folder, server, "--until_decided", args=",max_concurrency=64")) == 2
    assert main(words(folder, server, "--until_decided")) == 0
    assert facts(folder) == before
    assert server.n_requests == n_asked


def test_the_decision_does_not_hang_on_how_many_calls_are_in_flight(tmp_path, server):
    found = []
    for n in (1, 64):
        folder = files(tmp_path / str(n), "good", "poor")
        options = words(folder, server, "--until_decided")
        options[options.index("--judge_args") + 1] = (
            f"model=judge-1,base_url={server.url},max_concurrency={n}"
        )
        assert main(options) == 0
        found.append(facts(folder))
    assert found[0] == found[1]


def test_killed_and_resumed_it_decides_the_same_and_pays_once(tmp_path, server):
    whole = files(tmp_path / "whole", "good", "poor")
    assert main(words(whole, server, "--until_decided")) == 0
    server.reset()
    folder = files(tmp_path / "killed", "good", "poor")
    command = [sys.executable, "-m", "rubricbeat", *words(folder, server, "--until_decided")]
    server.hold_after(80)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        until(lambda: server.n_held > 0, "calls beyond those that are answered")
        one.kill()
    server.release()
    server.settle()
    assert main(words(folder, server, "--until_decided")) == 0
    assert facts(folder) == facts(whole)
    # those in flight, in a transaction, or in the one being put together are asked again
    assert server.n_repeated <= 2 * (FLUSH_ROWS + 8)


def test_without_the_flag_the_rest_is_graded_and_replaces_the_stopped_run(tmp_path, server):
    folder = files(tmp_path, "good", "poor")
    main(words(folder, server, "--until_decided"))
    assert main(words(folder, server)) == 0
    runs = read_runs([folder / "out"])
    assert [len(run.graded) for run in runs] == [N, N]
    assert all("until" not in run.facts.config for run in runs)
    assert server.n_repeated == 0


def test_no_difference_is_undecided_and_all_is_graded(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "same", n=30)
    assert main(words(folder, server, "--until_decided", "--rope", "0.001")) == 0
    assert "Not decided: all 30 prompts are graded." in capsys.readouterr().out
    assert facts(folder)["graded"] == 30
    assert not facts(folder)["stopped"]


def test_within_the_rope_models_are_practically_equal(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "same")
    assert main(words(folder, server, "--until_decided", "--rope", "0.4")) == 0
    assert "practically equal" in capsys.readouterr().out


def test_one_model_stops_at_a_width(tmp_path, server, capsys):
    folder = files(tmp_path, "good", runs=2)
    assert main(words(folder, server, "--until_width", "0.3")) == 0
    [one] = facts(folder)["decisions"]
    assert (one["other"], one["decision"]) == (None, "narrow enough")
    assert one["high"] - one["low"] <= 0.3
    assert [run.label for run in read_runs([folder / "out"])] == ["run0", "run1"]
    # the table has the interval that allows for the looks
    shown = f"[{one['low']:.3f}, {min(one['high'], 1):.3f}]"
    assert shown in capsys.readouterr().out


def test_of_three_models_all_pairs_are_decided(tmp_path, server):
    folder = files(tmp_path, "good", "poor", "same")
    rule = ("--until_decided", "0.9", "--rope", "0.3")
    main(words(folder, server, *rule))
    found = facts(folder)["decisions"]
    assert [(one["this"], one["other"]) for one in found] == [
        ("good", "poor"), ("good", "same"), ("poor", "same"),
    ]  # fmt: skip


def test_a_judge_that_stops_first_decides_nothing_and_goes_on_later(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor")
    assert main(words(folder, server, "--until_decided", "--max_calls", "24")) == 1
    printed = capsys.readouterr()
    assert "Not decided: the judge stopped after" in printed.out
    assert facts(folder)["graded"] <= 4
    for command in ("score", "compare"):
        main([command, str(folder / "out")])
        said = " ".join(" ".join(capsys.readouterr()).split())
        assert f"cut short after {facts(folder)['graded']} of {N} prompts" in said
        assert "the same command again asks only the rest" in said
    assert main(words(folder, server, "--until_decided")) == 0
    assert server.n_repeated == 0
    whole = files(tmp_path / "whole", "good", "poor")
    main(words(whole, server, "--until_decided"))
    assert facts(folder) == facts(whole)


def test_an_interrupt_says_how_to_go_on_and_so_does_score(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor")
    command = [sys.executable, "-m", "rubricbeat", *words(folder, server, "--until_decided")]
    server.hold_after(40)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as one:
        until(lambda: server.n_held > 0, "calls beyond those that are answered")
        one.send_signal(signal.SIGINT)
        server.release()
        _, said = one.communicate()
    assert one.returncode == 130
    assert "results are not written; the same command again asks only the rest" in said
    assert main(["score", str(folder / "out")]) == 2
    assert "writes results here when it is given again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("models", "more", "said"),
    [
        (("good",), ["--until_decided"], "--until_width W"),
        (("good", "poor"), ["--until_decided", "95"], "such as 0.95"),
        (("good", "poor"), ["--until_width", "0"], "above 0"),
        (("good", "poor"), ["--rope", "0.1"], "add --until_decided"),
        (("good", "poor"), ["--until_width", "0.1", "--rope", "0.1"], "add --until_decided"),
        (("good", "poor"), ["--until_decided", "--rope", "-1"], "--rope"),
    ],
)
def test_what_no_rule_can_do_is_refused_before_a_call(models, more, said, tmp_path, server, capsys):
    folder = files(tmp_path, *models, n=12)
    assert main(words(folder, server, *more)) == 2
    assert said in capsys.readouterr().err
    assert server.n_requests == 0


def test_models_without_a_common_prompt_are_refused(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor", n=12)
    path = folder / "answers.jsonl"
    kept = [line for n, line in enumerate(path.read_text().splitlines()) if n < 6 or n >= 18]
    path.write_text("\n".join(kept), encoding="utf-8")
    assert main(words(folder, server, "--until_decided")) == 2
    assert "no prompt was answered by all of good, poor" in capsys.readouterr().err


def test_a_dry_run_says_what_is_expected(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor")
    assert main(words(folder, server, "--until_decided", "--dry_run")) == 0
    assert f"at worst all {N}" in capsys.readouterr().err
    assert server.n_requests == 0


def test_what_is_in_the_store_lowers_only_its_own_part_of_what_is_expected(
    tmp_path, server, capsys
):
    folder = files(tmp_path, "good", "poor")
    assert main(words(folder, server, "--until_decided", "--dry_run")) == 0
    whole = calls_at_worst(capsys.readouterr().err)
    assert main(words(folder, server, "--until_decided")) == 0
    assert calls_at_worst(capsys.readouterr().err) == whole
    assert main(words(folder, server, "--until_decided")) == 0
    assert calls_at_worst(capsys.readouterr().err) == whole - server.n_requests > 0


def calls_at_worst(said: str) -> int:
    found = re.search(r"at worst all \d+: ([\d\u202f]+) call", said)
    assert found
    return int(found[1].replace("\u202f", ""))


def test_answers_that_are_null_are_missing_and_what_was_not_asked_is_not(tmp_path, server, capsys):
    folder = files(tmp_path, "good", "poor")
    path = folder / "answers.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines[::7]:
        line["completion"] = None
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert main(words(folder, server, "--until_decided", "--allow_missing", "0.5")) == 0
    assert f"{server.n_requests:,} criteria asked (none missing)" in capsys.readouterr().out


def test_a_fast_judge_is_not_asked_far_beyond_the_decision(tmp_path, server):
    folder = files(tmp_path, "good", "poor", n=400)
    main(words(folder, server, "--until_decided"))
    # twice the calls in flight, and a few answers of three criteria
    assert server.n_requests <= 6 * facts(folder)["graded"] + 2 * 8 + 12


def test_a_verdict_that_the_judge_itself_does_not_give_stops_nothing(tmp_path, capsys):
    folder = files(tmp_path, "good", "poor")
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    # the record has no verdict on a criterion of every fifth prompt
    met = {"good": [True, True, False], "poor": [False, True, True]}
    record = [
        line | {"criteria_met": [None if at % 5 == 0 else met[line["model"]][0],
                                 *met[line["model"]][1:]]}
        for at, line in enumerate(lines)
    ]  # fmt: skip
    (folder / "record.jsonl").write_text("\n".join(map(json.dumps, record)), encoding="utf-8")
    given = ["--data", folder / "rows.jsonl", "--responses", folder / "answers.jsonl"]
    given += ["--judge", "replay", "--judge_args", f"path={folder / 'record.jsonl'}"]
    given += ["--output_path", folder / "out", "--until_decided", "--allow_missing", "0.3"]
    assert main(["judge", *map(str, given)]) == 0
    [pair] = facts(folder)["decisions"]
    assert pair["decision"] == "higher"
    # prompts without a score count for nothing, and are looked at all the same
    assert pair["n"] < pair["n_looked"] == facts(folder)["graded"] < N
    assert "decided" in capsys.readouterr().out
