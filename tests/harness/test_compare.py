from __future__ import annotations

import json
import shlex

import pytest
from report_kit import example, graded, run, write_run

from rubricbeat.harness.cli import main

pytestmark = pytest.mark.border

POINTS = (5, 3, -2)
STAMPS = [f"2026-01-02T03-0{n}-05.678901" for n in range(9)]


def answers(verdicts):
    return [graded(v, example(f"p{n:02}", POINTS)) for n, v in enumerate(verdicts)]


@pytest.fixture
def results(tmp_path):
    """A baseline, a model that is worse on 20 prompts by 3/8 each, and one that is no worse."""
    folder = tmp_path / "results"
    write_run(folder, run("base", answers(["110", "100"] * 20)), STAMPS[0])
    write_run(folder, run("worse", answers(["100", "100"] * 20)), STAMPS[1])
    write_run(folder, run("same", answers(["110", "100"] * 20)), STAMPS[2])
    return folder


def test_compare_writes_one_page_and_says_the_result(results, tmp_path, capsys):
    page = tmp_path / "out" / "report.html"
    assert main(["compare", str(results), "-o", str(page)]) == 0
    head, *out = capsys.readouterr().out.splitlines()
    assert head.split() == ["model", "score", "95", "%", "interval", "scored"]
    assert [line.split()[0] for line in out[:3]] == ["base", "same", "worse"]
    assert out[4].startswith("base and same score highest: ")
    assert out[5].startswith("next: ") and page.as_uri() in out[5]
    assert out[6:] == [str(page)]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_next_command_is_the_one_that_was_given_and_writes_a_page(results, capsys):
    words = ["compare", "--baseline", "base", "--seed", "3", "--", str(results)]
    assert main(words) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: ")]
    given = shlex.split(line)[shlex.split(line).index("compare") :]
    assert given == [*words[:-2], "-o", "report.html", *words[-2:]]


def test_json_of_a_report_stands_alone_beside_written_files(results, tmp_path, capsys):
    words = ["report", str(results), "--model", "base", "--json", "--simple_evals", str(tmp_path)]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["schema_version"] == 1
    assert "_allresults.json" in captured.err


def test_runs_that_would_share_a_file_are_not_written_over_each_other(tmp_path, capsys):
    for folder, stamp in (("x", STAMPS[0]), ("y", STAMPS[1])):
        met = ["110", "100" if folder == "x" else "110"] * 20
        write_run(tmp_path / folder, run("base", answers(met)), stamp)
    words = ["report", str(tmp_path / "x"), str(tmp_path / "y"), "--allow_different"]
    assert main([*words, "--simple_evals", str(tmp_path / "out")]) == 2
    assert "2 runs would be written to the same file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(words) == 0


def test_labels_in_files_of_one_name_are_told_apart(results, tmp_path, capsys):
    row = {"prompt": "q", "completion": "a", "criterion": "c", "points": 1, "label": True}
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "l.jsonl").write_text(json.dumps(row), encoding="utf-8")
    files = [str(tmp_path / folder / "l.jsonl") for folder in ("x", "y")]
    words = ["compare", str(results), "--labels", files[0], "--labels", files[1], "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["source"] for one in told["corrections"]} == {"x/l", "y/l"}


def test_json_goes_to_stdout_alone(results, capsys):
    assert main(["compare", str(results), "--json", "--draws", "200", "--baseline", "base"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["schema_version"] == 1
    assert told["facts"]["Judge"] == ["chat some-judge"]
    assert [(p["this"], p["other"]) for p in told["pairs"]] == [("same", "base"), ("worse", "base")]
    assert told["pairs"][1]["difference"]["mean"] == pytest.approx(-3 / 16)


def test_the_gate_fails_on_a_shown_drop_of_the_size_named(results, capsys):
    words = ["compare", str(results), "--baseline", "base", "--draws", "500"]
    # the drop is 3/16 = 0.1875
    assert main([*words, "--fail-if-worse", "0.1"]) == 1
    assert "worse is worse than base by 0.1875" in capsys.readouterr().err
    assert main([*words, "--fail-if-worse", "0.19"]) == 0


def test_the_gate_passes_what_may_be_chance(tmp_path, capsys):
    write_run(tmp_path, run("base", answers(["110", "100", "100", "000"] * 3)), STAMPS[0])
    write_run(tmp_path, run("new", answers(["100", "110", "000", "000"] * 3)), STAMPS[1])
    words = ["compare", str(tmp_path), "--baseline", "base", "--draws", "500"]
    # it is lower by (-3 + 3 - 5 + 0) / 32, but the interval reaches past zero
    assert main([*words, "--fail-if-worse", "0.01"]) == 0


def test_the_gate_fails_when_it_cannot_tell(tmp_path, capsys):
    write_run(tmp_path, run("base", answers(["110"])), STAMPS[0])
    write_run(tmp_path, run("new", answers(["110"])), STAMPS[1])
    words = ["compare", str(tmp_path), "--baseline", "base", "--fail-if-worse", "0.02"]
    assert main(words) == 1
    assert "1 prompts shared with base; the gate needs at least 10" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "RESULTS", "--json", "--fail-if-worse", "0.1"], "needs --baseline"),
        (["compare", "RESULTS", "--table", "t.doc"], "must end in .tex, .md or .csv"),
        (["compare", "RESULTS", "--json", "--baseline", "basee"], "did you mean 'base'"),
        (["compare", "RESULTS", "--json", "--draws", "3"], "fewer than 100 draws"),
        (["compare", "nowhere", "--json"], "nowhere: no such file or folder"),
        (["report", "RESULTS", "--json"], "3 models: base, same, worse; name one with --model"),
        (["report", "RESULTS", "--json", "--model", "bse"], "did you mean 'base'"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(results, capsys, words, message):
    assert main([str(results) if word == "RESULTS" else word for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_what_cannot_be_written_is_one_line(results, tmp_path, capsys):
    assert main(["compare", str(results), "-o", str(tmp_path), "--draws", "100"]) == 2
    assert f"cannot write {tmp_path}: Is a directory" in capsys.readouterr().err


def test_report_takes_one_model_and_its_sanity_rows(results, tmp_path, capsys):
    write_run(results, run("baseline:empty", answers(["000", "000"] * 20)), STAMPS[3])
    page, table = tmp_path / "r.html", tmp_path / "t.md"
    words = ["report", str(results), "--model", "worse", "-o", str(page), "--table", str(table)]
    assert main([*words, "--draws", "200"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [str(page), str(table)]
    assert "Baselines without a model" in page.read_text(encoding="utf-8")


def test_report_writes_simple_evals_files(results, tmp_path, capsys):
    out = tmp_path / "se"
    assert main(["report", str(results), "--model", "base", "--simple-evals", str(out)]) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"made_up_base_one{end}" for end in (".html", ".json", "_allresults.json")]


def test_other_judges_are_refused_unless_told(results, capsys):
    facts = {"judge": {"name": "chat", "model": "another", "digest": "b" * 64}}
    write_run(results, run("stranger", answers(["110"] * 40), facts=facts), STAMPS[4])
    assert main(["compare", str(results), "--json"]) == 2
    assert "give --allow_different" in capsys.readouterr().err
    assert main(["compare", str(results), "--json", "--allow-different", "--draws", "100"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["problems"]
    assert "not comparable" in captured.err
