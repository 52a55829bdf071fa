"""`rubricbeat import` and `rubricbeat score`, as a user calls them."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.scoring.run_scores import summarise
from rubricbeat.reports.results.reader import read_runs

RUBRIC = [
    {"criterion": "Says rest", "points": 4, "tags": ["axis:accuracy"]},
    {"criterion": "Says why", "points": 6, "tags": ["axis:completeness"]},
    {"criterion": "Guesses", "points": -5, "tags": []},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {
            "prompt_id": name,
            "prompt": [{"role": "user", "content": f"Question {name}?"}],
            "rubrics": RUBRIC,
            "example_tags": [],
        }
        for name in ("a", "b")
    ]
    return write(tmp_path / "rows.jsonl", *rows)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def verdicts(prompt_id: str = "a", **changes: Any) -> dict[str, Any]:
    return {
        "prompt_id": prompt_id,
        "completion": f"Rest, {prompt_id}.",
        "criteria_met": [True, False, False],
        "model": "m1",
        "run": "r1",
    } | changes


def do_import(file: Path, data: Path, *flags: str) -> int:
    out = data.parent / "out"
    return main(["import", str(file), "--data", str(data), "--output_path", str(out), *flags])


def test_recorded_rows_become_runs_that_score_the_same(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        verdicts("a", score=0.4, explanation=["x", "y", None]),
        verdicts("b", criteria_met=[True, True, True], score=0.5),
        verdicts("a", run="r2", criteria_met=[False, None, False]),
    ]
    path = write(tmp_path / "v.jsonl", *rows)
    # one of nine verdicts is null
    assert do_import(path, data, "--allow-missing", "0.1") == 1
    assert "1 of 9 verdicts are missing" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out")
    assert do_import(path, data, "--json", "--allow-missing", "0.12") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(r["model"], r["label"]) for r in printed["runs"]] == [("m1", "r1"), ("m1", "r2")]
    assert printed["runs"][0]["metrics"]["score"] == pytest.approx(0.45)
    assert printed["runs"][0]["stored_item_scores"] == {
        "compared": 2, "different": 0, "largest": pytest.approx(0),
    }  # fmt: skip
    assert printed["runs"][1]["metrics"]["score"] is None, "6 of 15 points are missing"

    assert main(["score", str(tmp_path / "out"), "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert [r["metrics"]["score"] for r in scored["runs"]] == [pytest.approx(0.45), None]
    assert all(r["mismatches"] == [] for r in scored["runs"])


def test_explanations_and_facts_are_kept(tmp_path: Path, data: Path) -> None:
    row = verdicts(explanation=["x", None, "z"], grader="judge-1", seed=42, system="two-pass")
    assert do_import(write(tmp_path / "v.jsonl", row), data) == 0
    [run] = read_runs([tmp_path / "out"])
    assert run.model == "m1/two-pass"
    assert [v.explanation for v in run.graded[0].verdicts] == ["x", "", "z"]
    assert run.judge["model"] == "judge-1"
    assert run.facts.run["seed"] == 42
    assert run.facts.data["path"] == "rows.jsonl", "no folder of this machine"


def test_model_may_be_named_by_other_fields_or_by_flag(tmp_path: Path, data: Path) -> None:
    file = write(tmp_path / "v.jsonl", verdicts(system="s", seed=7))
    assert do_import(file, data, "--model-from", "seed,model") == 0
    bare = verdicts()
    del bare["model"], bare["run"]
    assert do_import(write(tmp_path / "nameless.jsonl", bare), data) == 0
    assert do_import(write(tmp_path / "w.jsonl", bare), data, "--model", "given") == 0
    models = {run.model for run in read_runs([tmp_path / "out"])}
    assert models == {"7/m1", "nameless", "given"}


def test_numbers_that_json_has_not_are_no_facts_and_no_scores(tmp_path: Path, data: Path) -> None:
    row = verdicts(score=float("nan"), temperature=float("inf"), big=10**400, note="half \ud83d")
    assert do_import(write(tmp_path / "v.jsonl", row), data) == 0
    [run] = read_runs([tmp_path / "out"])
    assert run.facts.run["stored_item_scores"]["compared"] == 0
    assert "temperature" not in run.facts.run


def test_other_graders_are_other_runs(tmp_path: Path, data: Path) -> None:
    rows = [verdicts(grader="g1"), verdicts(grader="g2")]
    assert do_import(write(tmp_path / "v.jsonl", *rows), data) == 0
    assert len({run.judge_digest for run in read_runs([tmp_path / "out"])}) == 2


def test_second_answer_is_a_repeat_and_a_copy_is_not(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [verdicts(), verdicts(completion="Sleep."), verdicts()]
    assert do_import(write(tmp_path / "v.jsonl", *rows), data) == 0
    [run] = read_runs([tmp_path / "out"])
    assert [g.repeat for g in run.graded] == [0, 1]
    error = capsys.readouterr().err
    assert "1 exact copies of other rows are excluded" in error
    assert "row 3: prompt_id a: a copy of v.jsonl row 1" in error


def test_files_of_one_name_with_the_same_rows_count_once(tmp_path: Path, data: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    rows = (verdicts(), verdicts("b", repeat=3))
    files = [write(tmp_path / at / "v.jsonl", *rows) for at in ("x", "y")]
    for given in (files, [files[0], files[0]]):
        flags = ["--data", str(data), "--output_path", str(tmp_path / "out")]
        assert main(["import", *map(str, given), *flags]) == 0
        found = read_runs([tmp_path / "out"])[-1]
        assert len(found.graded) == 2


def test_file_given_twice_counts_once(tmp_path: Path, data: Path) -> None:
    file = write(tmp_path / "v.jsonl", verdicts(), verdicts("b"))
    again = write(tmp_path / "w.jsonl", verdicts(), verdicts("b"))
    flags = ["--data", str(data), "--output_path", str(tmp_path / "out")]
    assert main(["import", str(file), str(again), *flags]) == 0
    [run] = read_runs([tmp_path / "out"])
    assert len(run.graded) == 2


BAD = [
    (verdicts(prompt_id="zz"), "prompt_id zz is not among the rows"),
    (verdicts(criteria_met=[True]), "prompt_id a: 1 verdicts in criteria_met for 3 criteria"),
    (verdicts(criteria_met=[True] * 4), "4 verdicts in criteria_met for 3 criteria"),
    (verdicts(criteria_met=None), "criteria_met is missing"),
    (verdicts(completion=3), "the answer is the number 3, not text"),
    (verdicts(criteria_met=None), "answers without verdicts: 'rubricbeat judge'"),
    (verdicts(repeat=0.5), "repeat is not a whole number"),
    ({"doc": {"a": 1}, "rubric": {"answers": []}}, "our own result files"),
    (verdicts(explanation=["x"]), "1 texts in explanation for 3 criteria"),
    (verdicts(score="high"), "score is the text 'high', not a number"),
    ([1], "not a JSON object"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_row_that_does_not_align_is_named_and_left_out(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], row: Any, message: str
) -> None:
    file = write(tmp_path / "v.jsonl", row, verdicts("b"))
    assert do_import(file, data) == 0
    error = capsys.readouterr().err
    assert "1 of 2 rows excluded: row 1: " in error
    assert message in error
    [run] = read_runs([tmp_path / "out"])
    assert [g.example.prompt_id for g in run.graded] == ["b"]


def test_strict_import_writes_nothing(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "v.jsonl", verdicts("b"), verdicts(criteria_met=[True]))
    assert do_import(file, data, "--strict") == 2
    assert "row 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ("--model-from", "modle"),
        ("--model-from", ","),
        ("--run-from", "rnu"),
        ("--task", "../evil"),
        ("--seed", "x"),
    ],
)
def test_wrong_flags_are_one_line_and_exit_2(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    file = write(tmp_path / "v.jsonl", verdicts())
    assert do_import(file, data, *flags) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read_are_one_line_and_exit_2(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "v.jsonl", verdicts())
    for file, rows in (
        (tmp_path / "none.jsonl", data),
        (good, tmp_path / "none.jsonl"),
        (data, data),
        (tmp_path, data),
        (write(tmp_path / "zz.jsonl", verdicts("zz")), data),
    ):
        assert do_import(file, rows) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_stored_score_that_the_verdicts_do_not_give_is_counted(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [verdicts("a", score=0.9), verdicts("b", score=0.4)]
    assert do_import(write(tmp_path / "v.jsonl", *rows), data, "--all") == 0
    captured = capsys.readouterr()
    assert "2 compared with their verdicts, 1 differ" in captured.err
    assert "1 of 2 agree" in captured.out


def test_graded_conversations_are_read_and_checked_against_the_rubric(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def conversation(prompt_id: str, first: str = "Says rest") -> dict[str, Any]:
        names = [first, "Says why", "Guesses"]
        return {
            "prompt_id": prompt_id,
            "conversations": [
                {"role": "user", "content": "Question?"},
                {"role": "assistant", "content": "Rest."},
            ],
            "rubrics": [
                {"criteria": n, "points": p, "criteria_met": m, "explanation": "so"}
                for n, p, m in zip(names, (4, 6, -5), (True, False, False), strict=True)
            ],
            "total": 4,
        }

    file = write(tmp_path / "v.jsonl", conversation("a"), conversation("b", "Says sleep"))
    assert do_import(file, data, "--all") == 0
    captured = capsys.readouterr()
    assert "row 2: rubrics[0] (prompt_id b) is another criterion than --data's" in captured.err
    assert "1 of 1 agree" in captured.out


def test_score_names_stored_metrics_that_were_changed(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_import(write(tmp_path / "v.jsonl", verdicts()), data)
    [results] = (tmp_path / "out").rglob("results_*.json")
    text = results.read_text(encoding="utf-8")
    results.write_text(text.replace('"score,none": 0.4', '"score,none": 0.9'), encoding="utf-8")
    capsys.readouterr()
    assert main(["score", str(tmp_path / "out"), "--all"]) == 1
    captured = capsys.readouterr()
    assert "stored score is 0.9, its verdicts give 0.4" in captured.err
    assert "1 differ" in captured.out


def test_score_takes_seed_and_draws(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [verdicts("a"), verdicts("b", criteria_met=[True, True, False])]
    do_import(write(tmp_path / "v.jsonl", *rows), data)
    capsys.readouterr()
    out = str(tmp_path / "out")
    assert main(["score", out, "--json", "--seed", "5", "--draws", "100"]) == 0
    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert (run["metrics"]["seed"], run["metrics"]["n_draws"]) == (5, 100)
    for flags in (("--draws", "0"), ("--seed", "-1"), ("--draws", "99999999999")):
        assert main(["score", out, *flags]) == 2


def test_score_of_a_folder_without_runs_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(tmp_path)]) == 2
    assert main(["score", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_hostile_names_do_not_reach_the_terminal(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do_import(write(tmp_path / "v.jsonl", verdicts(model="m\x1b[2J\nx")), data) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def imported(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("humbleai")
    recorded = shared_data / "judged" / "humbleai_hard_gpt41_judge.jsonl.gz"
    rows = shared_data / "healthbench_rows.jsonl.gz"
    flags = ["--data", str(rows), "--output_path", str(out), "--task", "healthbench_hard"]
    assert main(["import", str(recorded), *flags]) == 0
    return out


class TestRealVerdicts:
    def test_all_item_scores_and_overall_scores_are_reproduced(
        self, imported: Path, shared_data: Path
    ) -> None:
        runs = read_runs([imported])
        stored = stored_metrics(shared_data)
        assert len(runs) == len(stored) == 22
        assert {run.model for run in runs} == {
            "gpt-4o-mini/baseline", "gpt-4o-mini/bodhi-v0.1.3",
        }  # fmt: skip
        checks = [run.facts.run["stored_item_scores"] for run in runs]
        assert sum(check["compared"] for check in checks) == 4400
        assert sum(check["different"] for check in checks) == 0
        assert max(check["largest"] for check in checks) <= 1e-9
        for run in runs:
            claim = stored[run.facts.run["run"]]["overall_score"]
            assert run.stored["score"] == pytest.approx(claim, abs=1e-9)

    def test_every_tag_score_with_the_same_items_is_reproduced(
        self, imported: Path, shared_data: Path
    ) -> None:
        """Tags are exact only in verbatim rows (the data's README): elsewhere the axis is unknown
        and the example tags are rebuilt, so other items stand under the tag. Where as many items
        do, the score is the stored one, without exception."""
        stored = stored_metrics(shared_data)
        n_same = n_all = 0
        for run in read_runs([imported]):
            claims = stored[run.facts.run["run"]]
            tags = summarise(run.graded, n_draws=1).tags
            for name, claim in claims.items():
                n_items = claims.get(f"{name}:n_samples")
                if ":" not in name or n_items is None:
                    continue
                n_all += 1
                if name in tags and tags[name].n == n_items:
                    n_same += 1
                    assert tags[name].score == pytest.approx(claim, abs=1e-9), name
        assert (n_same, n_all) == (986, 1460)

    def test_bootstrap_spread_is_the_stored_one_within_its_noise(
        self, imported: Path, shared_data: Path
    ) -> None:
        # the reference draws 1,000 times without a seed: about 2 % of noise, far more where
        # most draws are clipped to 0
        stored = stored_metrics(shared_data)
        for run in read_runs([imported]):
            claim = stored[run.facts.run["run"]]["overall_score:bootstrap_std"]
            assert math.isclose(run.stored["bootstrap_std"], claim, rel_tol=0.12, abs_tol=1e-3)

    def test_other_shape_of_recorded_verdicts_is_reproduced(
        self, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recorded = shared_data / "judged" / "srh_gpt41nano_gpt41_judge.jsonl.gz"
        rows = shared_data / "healthbench_rows.jsonl.gz"
        flags = ["--data", str(rows), "--output_path", str(tmp_path / "out")]
        assert main(["import", str(recorded), *flags, "--model", "gpt-4.1-nano", "--all"]) == 0
        assert "330 of 330 agree" in capsys.readouterr().out


def stored_metrics(shared_data: Path) -> dict[str, dict[str, float]]:
    path = shared_data / "judged" / "humbleai_run_metrics.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return {row["run"]: row["metrics"] for row in map(json.loads, file)}


def test_words_for_a_verdict_are_read_and_an_unknown_one_is_named(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        verdicts("a", criteria_met=["met", "NOT_MET", 0]),
        verdicts("b", criteria_met=["CORRECT", "P", "false"]),
    ]
    assert do_import(write(tmp_path / "v.jsonl", *rows), data) == 1  # P is no verdict
    [run] = read_runs([tmp_path / "out"])
    assert [[v.met for v in graded.verdicts] for graded in run.graded] == [
        [True, False, False],
        [True, None, False],
    ]
    said = capsys.readouterr().err
    assert "1 verdict recorded as 'P', which means neither met nor not met" in said
    assert "prompt_id b" in said
