"""Logs of other programs on the real command line."""

from __future__ import annotations

import json

import logs_kit as k
import pytest

from rubricbeat.harness.cli import main
from rubricbeat.reports.results.reader import read_runs


def report(tmp_path, capsys, folder):
    """Give the exit code, the model's row of the report, and what stderr says."""
    capsys.readouterr()
    code = main(["report", str(folder), "--json", "--draws", "200"])
    out, err = capsys.readouterr()
    return code, json.loads(out)["results"][0] if code == 0 else None, err


def write_log(kind, folder):
    """Write one log of the two questions, worth .7 where the format knows penalties."""
    pair = ("a", "b")
    if kind == "simple-evals":
        k.simple_evals(folder, [k.simple_item(name) for name in pair])
    elif kind == "simple-evals, verdicts as text":
        words = {"a": ("true", "false"), "b": ("true", "true")}
        k.simple_evals(folder, [k.simple_item(name, words[name]) for name in pair])
    elif kind == "inspect, words":
        words = {"a": ("met", "not met"), "b": ("met", "met")}
        samples = [k.inspect_sample(name, words[name], key="verdict") for name in pair]
        k.inspect_eval(folder / "a.eval", samples, method=93)
    elif kind == "inspect in JSON":
        samples = [k.inspect_sample(name, (1, name == "b"), key="verdict") for name in pair]
        k.write(folder / "2026_healthbench_x.json", {**k.inspect_header(), "samples": samples})
    elif kind == "evalscope":
        k.evalscope_folder(folder)
    elif kind == "promptfoo":
        k.promptfoo(folder / "out.json", [k.promptfoo_result(name) for name in pair])
    else:
        k.verifiers_folder(folder, [k.verifiers_row(name) for name in pair])


KINDS = [
    "simple-evals",
    "simple-evals, verdicts as text",
    "inspect, words",
    "inspect in JSON",
    "evalscope",
    "promptfoo",
    "verifiers",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_of_each_kind_has_the_score_of_its_verdicts(tmp_path, capsys, kind):
    write_log(kind, tmp_path)
    code, row, err = report(tmp_path, capsys, tmp_path)
    assert code == 0, err
    # promptfoo has no penalties: (5 + 3)/8 and 5/8
    assert row["score"] == pytest.approx((1 + 5 / 8) / 2 if kind == "promptfoo" else k.SCORE)
    assert (row["n_asked"], row["n_scored"]) == (2, 2)
    assert err == ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_on_results_reads_each_kind(tmp_path, capsys, kind):
    write_log(kind, tmp_path / "logs")
    assert main(["score", str(tmp_path / "logs")]) == 0
    assert main(["compare", str(tmp_path / "logs"), "-o", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert "Traceback" not in capsys.readouterr().err


def test_rollouts_of_verifiers_are_groups_for_a_signal_study(tmp_path, capsys):
    words = ((True, False), (True, True), (False, False))
    rows = [k.verifiers_row(name, met) for name in "ab" for met in words]
    k.verifiers_folder(tmp_path, [row | {"reward_healthbench": None} for row in rows])
    assert main(["variance", str(tmp_path), "--json"]) == 0
    assert '"n_groups": 2' in capsys.readouterr().out


def test_null_answers_are_missing_and_said(tmp_path, capsys):
    silent = {"completion": [{"role": "assistant", "content": None}]}
    k.simple_evals(tmp_path, [k.simple_item("a", **silent), k.simple_item("b")])
    code, row, err = report(tmp_path, capsys, tmp_path)
    assert code == 0
    assert (row["n_asked"], row["n_scored"], row["score"]) == (2, 1, pytest.approx(0.4))
    assert "1 of 2 answers missing" in err


def test_one_foreign_file_leaves_the_folder_readable(tmp_path, capsys):
    k.simple_evals(tmp_path, [k.simple_item("a"), k.simple_item("b")])
    other = {"score": 0.9, "metrics": {}, "htmls": ["h"], "convos": [[]]}
    other["metadata"] = {"example_level_metadata": [None, None]}
    k.write(tmp_path / "mmlu_m1_20260102_030405_allresults.json", other)
    (tmp_path / "broken.eval").write_bytes(b"no zip")
    code, row, err = report(tmp_path, capsys, tmp_path)
    assert code == 0
    assert row["score"] == pytest.approx(k.SCORE)
    assert "excluded: mmlu_m1_20260102_030405_allresults.json: no graded rubrics" in err
    assert "excluded: broken.eval: cannot be unpacked" in err


def test_a_folder_in_which_nothing_can_be_read_says_why_in_one_line(tmp_path, capsys):
    (tmp_path / "a.eval").write_bytes(b"no zip")
    k.write(tmp_path / "mmlu_m1_allresults.json", {"score": 1, "metadata": None})
    for command in (["report", "--json"], ["compare", "--json"], ["score"], ["variance"]):
        capsys.readouterr()
        assert main([command[0], str(tmp_path), *command[1:]]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert "a.eval: cannot be unpacked" in line
        assert "only HealthBench results of simple-evals can be read" in line


def test_a_page_shows_what_was_left_out(tmp_path):
    k.simple_evals(tmp_path, [k.simple_item("a"), k.simple_item("b", (True, "perhaps"))], None)
    (tmp_path / "broken.eval").write_bytes(b"no zip")
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path), "-o", str(page)]) == 0
    text = page.read_text("utf-8")
    assert "broken.eval: cannot be unpacked" in text
    assert "perhaps" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_is_imported_without_rows_and_scores_the_same(tmp_path, capsys, kind):
    write_log(kind, tmp_path / "log")
    files = [str(p) for p in (tmp_path / "log").rglob("*") if p.is_file() and p.name[:2] != "me"]
    files = [name for name in files if "/reports/" not in name]
    assert main(["import", *files, "--output_path", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    code, row, err = report(tmp_path, capsys, tmp_path / "out")
    assert code == 0, err
    assert row["score"] == pytest.approx((1 + 5 / 8) / 2 if kind == "promptfoo" else k.SCORE)
    assert (row["n_asked"], row["n_scored"]) == (2, 2)


def test_an_imported_log_keeps_its_missing_answers_missing(tmp_path, capsys):
    silent = {"completion": [{"role": "assistant", "content": None}]}
    log = k.simple_evals(tmp_path, [k.simple_item("a", **silent), k.simple_item("b")])
    assert main(["import", str(log), "--output_path", str(tmp_path / "out")]) == 1
    assert "1 of 2 answers missing" in capsys.readouterr().err
    [run] = read_runs([tmp_path / "out"])
    assert [graded.is_absent for graded in run.graded] == [True, False]
    assert run.task == "healthbench"


def test_rows_still_need_their_rubrics_and_a_file_that_is_not_there_is_named(tmp_path, capsys):
    rows = k.write(tmp_path / "v.jsonl", {"prompt_id": "a", "criteria_met": [True]})
    assert main(["import", str(rows), "--output_path", str(tmp_path / "out")]) == 2
    assert "add --data ROWS" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "no"), "--output_path", str(tmp_path / "out")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_log_of_a_better_judge_on_the_same_answers_is_a_source_of_labels(tmp_path, capsys):
    k.simple_evals(tmp_path / "run", [k.simple_item("a"), k.simple_item("b")])
    better = [k.inspect_sample("a"), k.inspect_sample("b", (True, False))]
    log = k.inspect_eval(tmp_path / "better.eval", better)
    assert main(["score", str(tmp_path / "run"), "--labels", str(log), "--json"]) == 0
    [scored] = json.loads(capsys.readouterr().out)["runs"]
    assert "corrected_by_labels" in scored
