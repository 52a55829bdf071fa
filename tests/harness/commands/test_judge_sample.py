"""`rubricbeat judge --sample`: a part is asked, and the score of all comes out of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from loopback import Loopback, Reply, Seen, completion

from rubricbeat.harness.cli import main
from rubricbeat.judges.scoring.missing_reasons import NOT_DRAWN
from rubricbeat.reports.results.reader import read_runs

N = 150
POINTS = (5, 4, 3, 2, 1, -3, 7, 2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of two models, a judge that is right, and one that is too kind."""
    folder, rng = tmp_path_factory.mktemp("sample"), random.Random(2)
    lines: dict[str, list[dict[str, object]]] = {"rows": [], "answers": [], "free": [], "dear": []}
    for p in range(N):
        rubric = [{"criterion": f"c{n}", "points": x, "tags": []} for n, x in enumerate(POINTS)]
        prompt = [{"role": "user", "content": f"q{p}"}]
        lines["rows"].append({"prompt_id": f"p{p}", "prompt": prompt, "rubrics": rubric})
        for model, lift in (("one", 0.0), ("two", -0.15)):
            quality = rng.random() * 0.8 + 0.15 + lift
            met = [rng.random() < (quality if x > 0 else 0.3) for x in POINTS]
            kind = [m if rng.random() < 0.75 else rng.random() < 0.8 for m in met]
            key = {"prompt_id": f"p{p}", "completion": f"answer {p} of {model}"}
            lines["answers"].append(key | {"model": model})
            lines["dear"].append(key | {"criteria_met": met})
            lines["free"].append(key | {"criteria_met": kind})
    for name, rows in lines.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert judge(folder, "free", "free") == 0
    assert judge(folder, "dear", "all") == 0
    return folder


def judge(folder: Path, name: str, output: str, *more: str) -> int:
    given = ["--data", folder / "rows.jsonl", "--responses", folder / "answers.jsonl"]
    given += ["--judge", "replay", "--judge_args", f"path={folder}/{name}.jsonl"]
    return main(["judge", *map(str, given), "--output_path", str(folder / output), *more])


def scores(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["score", *more, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["runs"]


def test_a_sample_tells_the_score_that_all_verdicts_give(world: Path, capsys) -> None:
    assert judge(world, "dear", "part", "--sample", "0.4", "--by", str(world / "free")) == 0
    said = capsys.readouterr()
    assert "not asked, and not missing" in said.err
    assert "next:" in said.out
    assert "score" in said.out
    part = read_runs([world / "part"])
    n_asked = sum(v.explanation != NOT_DRAWN for r in part for a in r.graded for v in a.verdicts)
    assert n_asked == part[0].sample["asked"]
    # 2,400 verdicts, drawn apart
    assert abs(n_asked - 960) < 100
    truth = scores(world, capsys, str(world / "all"))
    found = scores(world, capsys, str(world / "free"), "--labels", str(world / "part"))
    for one, whole in zip(found, truth, strict=True):
        figure = one["corrected_by_labels"]["score"]
        assert figure["low"] <= whole["metrics"]["score"] <= figure["high"]
        assert whole["metrics"]["score"] < figure["raw"] - 0.02
        assert one["corrected_by_labels"]["pass_hb50"]["value"] is None

    for command in ("score", "compare"):
        assert main([command, str(world / "part")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"'rubricbeat score free --labels {world / 'part'}'" in error
        # beside whole results it is excluded, and counted as no repeat
        assert main([command, str(world / "free"), str(world / "part")]) == 0
        both = capsys.readouterr()
        assert "excluded" in both.err
        assert "2 runs" not in both.out


def test_whole_answers_tell_pass_rates_too(world: Path, capsys) -> None:
    by = ("--sample", "0.5", "--by", str(world / "free"), "--sample_unit", "answers")
    assert judge(world, "dear", "answers", *by) == 0
    for one in scores(world, capsys, str(world / "free"), "--labels", str(world / "answers")):
        assert one["corrected_by_labels"]["pass_hb50"]["value"] is not None


def test_another_sample_takes_the_place_of_the_first_and_never_that_of_all(world: Path) -> None:
    for seed in ("1", "2"):
        by = ("--sample", "0.3", "--by", str(world / "free"), "--seed", seed)
        assert judge(world, "dear", "again", *by) == 0
    assert len(read_runs([world / "again"])) == 2
    assert judge(world, "dear", "mixed") == 0
    assert judge(world, "dear", "mixed", *by) == 0
    assert len(read_runs([world / "mixed"])) == 4


def test_two_samples_of_the_same_answers_are_no_labels_together(world: Path, capsys) -> None:
    for name, seed in (("r1", "1"), ("r2", "2"), ("r1", "1")):
        by = ("--sample", "0.3", "--by", str(world / "free"), "--seed", seed, "--run", name)
        assert judge(world, "dear", "pooled", *by) == 0
        assert judge(world, "dear", name, *by) == 0
    capsys.readouterr()
    for command in ("score", "compare"):
        assert main([command, str(world / "free"), "--labels", str(world / "pooled")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "two samples of the same answers" in error
        assert "seed 1)" in error
        assert "seed 2)" in error
    for one in scores(world, capsys, str(world / "free"), "--labels", str(world / "r1")):
        assert one["corrected_by_labels"]["score"]["value"] is not None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--sample", "0"], "--sample 0: a share above 0 and below 1"),
        (["--sample", "nan"], "--sample nan: a share above 0 and below 1"),
        (["--sample", "1"], "--sample 1: a share above 0 and below 1"),
        (["--sample", "0.3"], "--sample needs --by RESULTS"),
        (["--by", "{free}"], "add --sample SHARE"),
        (["--sample", "0.3", "--by", "{all}"], "results of the very judge that is to be asked"),
        (["--sample", "0.001", "--by", "{free}"], "an estimate takes 20"),
        (["--sample", "0.3", "--by", "{free}", "--limit", "50"], "are not graded here"),
        (["--sample", "0.3", "--by", "{free}", "--until_decided"], "give one of them"),
        (["--sample", "0.3", "--by", "{nowhere}"], "no such file or folder"),
    ],
)
def test_a_sample_that_cannot_be_is_refused_in_one_line(world: Path, more, words, capsys) -> None:
    places = {name: str(world / name) for name in ("free", "all", "nowhere")}
    assert judge(world, "dear", "none", *(word.format(**places) for word in more)) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert not (world / "none").exists()


def test_compare_corrects_the_difference_too(world: Path, tmp_path: Path, capsys) -> None:
    by = ("--sample", "0.5", "--by", str(world / "free"))
    assert judge(world, "dear", "pairs", *by) == 0
    capsys.readouterr()
    page = tmp_path / "page.html"
    given = ["compare", str(world / "free"), "--labels", str(world / "pairs"), "--json"]
    assert main([*given, "-o", str(page)]) == 0
    [pair] = json.loads(capsys.readouterr().out)["corrected_pairs"]
    one, two = (
        run["metrics"]["score_unclipped"] for run in scores(world, capsys, str(world / "all"))
    )
    assert (pair["this"], pair["other"]) == ("one", "two")
    low, high = pair["difference"]["interval"]
    assert 0 < low <= one - two <= high
    assert pair["p_holm"] < 0.05
    assert "Differences of scores, paired by prompt" in page.read_text("utf-8")


CHAT = ["--rows", str(N), "--criteria", str(len(POINTS)), "--judge", "chat"]


def plan(capsys, *more: str) -> dict:
    capsys.readouterr()
    assert main(["plan", *CHAT, "--judge_args", "model=gpt-4.1", *more, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["split"]


def test_plan_foretells_the_width_and_chooses_for_calls_money_and_width(
    world: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    by = ("--by", str(world / "free"))
    assert judge(world, "dear", "half", "--sample", "0.5", *by) == 0
    pilot = (*by, "--labels", str(world / "half"))
    one = plan(capsys, "--calls", "600", *pilot)["chosen"]
    assert (one["share"], one["calls"]) == (0.5, 600)
    made = [
        run["corrected_by_labels"]["score"]
        for run in scores(world, capsys, str(world / "free"), "--labels", str(world / "half"))
    ]
    assert one["width"] == pytest.approx(sum(f["high"] - f["low"] for f in made) / 2, rel=0.1)
    # all verdicts of the dear judge as the pilot say nearly the same
    whole = plan(capsys, "--calls", "600", *by, "--labels", str(world / "all"))["chosen"]
    assert whole["width"] == pytest.approx(one["width"], rel=0.1)
    assert plan(capsys, "--budget", str(one["usd"]), *pilot)["chosen"]["share"] == 0.5
    assert plan(capsys, "--width", str(one["width"] + 1e-6), *pilot)["chosen"]["share"] == 0.5
    none = plan(capsys, "--width", "0.001", "--correlation", "0.5")
    assert none["chosen"] is None
    assert "no share gives" in none["why"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--width", "0"], "--width 0: it must be above 0 and below 2"),
        (["--width", "0.1"], "needs a pilot that both judges graded"),
        (["--width", "0.1", "--calls", "9"], "give one of --width and --calls"),
        (["--correlation", "0.5"], "need --width, --budget or --calls"),
        (["--width", "0.1", "--correlation", "nan"], "--correlation nan: from 0 to 1"),
        (["--width", "0.1", "--by", "{free}", "--labels", "{free}"], "the very judge of --by"),
    ],
)
def test_a_split_that_cannot_be_planned_is_refused(world: Path, more, words, capsys) -> None:
    given = [word.format(free=world / "free") for word in more]
    assert main(["plan", *CHAT, "--judge_args", "model=gpt-4.1", *given]) == 2
    assert words in capsys.readouterr().err


def test_a_sample_that_a_budget_cut_off_resumes_with_the_same_draw(world: Path, capsys) -> None:
    def reply(seen: Seen) -> Reply:
        return completion('{"explanation": "words", "criteria_met": true}')

    by = ("--sample", "0.3", "--by", str(world / "free"), "--store", str(world / "sample.sqlite"))
    with Loopback(script=reply) as server:
        chat = f"model=m,base_url={server.url},max_concurrency=4"
        given = ["--data", world / "rows.jsonl", "--responses", world / "answers.jsonl", *by]
        words = ["judge", *map(str, given), "--judge", "chat", "-o", str(world / "cut")]
        assert main([*words, "--judge_args", f"{chat},max_calls=100"]) == 1
        assert main([*words, "--judge_args", chat]) == 0
        n_asked = read_runs([world / "cut"])[0].sample["asked"]
        # nothing twice, and nothing else
        assert server.n_requests == n_asked
    runs = read_runs([world / "cut"])
    met = [v.met for run in runs for a in run.graded for v in a.verdicts if v.met is not None]
    assert len(met) == n_asked
