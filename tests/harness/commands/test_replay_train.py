"""`rubricbeat replay-train` as a user calls it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from rubricbeat.harness.cli import main

N_PROMPTS = 40
FAST = ["--seeds", "3", "--steps", "40"]


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write made-up rows and recorded verdicts: forty prompts, five answers, two models."""
    folder = tmp_path_factory.mktemp("replay")
    draw = random.Random(3)
    rows, judged = [], []
    for p in range(N_PROMPTS):
        points = [5, *(draw.choice([-4, 2, 6]) for _ in range(3 + p % 4))]
        rubrics = [
            {"criterion": f"Names item {p}-{i}", "points": w, "tags": ["axis:accuracy"]}
            for i, w in enumerate(points)
        ]
        prompt = [{"role": "user", "content": f"Question {p}?"}]
        rows.append(
            {"prompt_id": f"p{p}", "prompt": prompt, "rubrics": rubrics, "example_tags": []}
        )
        for g in range(5):
            met = [draw.random() < 0.2 + 0.15 * g for _ in points]
            answer = "A point. " * (g + 1) + ("- item\n" * g)
            judged.append(
                {
                    "prompt_id": f"p{p}",
                    "completion": answer,
                    "criteria_met": met,
                    "model": f"m{g % 2}",
                }
            )
    data, recorded = folder / "rows.jsonl", folder / "judged.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recorded.write_text("".join(json.dumps(row) + "\n" for row in judged), encoding="utf-8")
    return [str(recorded), "--data", str(data)]


def rows_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict]:
    assert main(["replay-train", *words, *FAST, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


def test_json_is_the_list_of_arms(pilot: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--rewards", "healthbench,hybrid,binary", "--scales", "none,group", "--flip", "0.0"]
    found = rows_of([*pilot, *words], capsys)
    assert [(row["reward"], row["scale"]) for row in found] == [
        (reward, scale)
        for scale in ("none", "group")
        for reward in ("healthbench", "hybrid", "binary")
    ]
    for row in found:
        assert set(row) == {"reward", "scale", "gain", "low", "high", "dead", "versus"}
        assert 0 <= row["dead"] <= 1
        assert set(row["versus"]) == {"healthbench", "hybrid", "binary"} - {row["reward"]}
    first, second = found[:2]
    assert first["low"] < first["gain"] < first["high"]
    lead = first["versus"]["hybrid"]
    assert lead["difference"] == pytest.approx(first["gain"] - second["gain"])
    assert lead["low"] <= lead["difference"] <= lead["high"]


def test_the_same_seed_gives_the_same_numbers_and_another_others(
    pilot: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*pilot, "--rewards", "healthbench", "--flip", "0.1"]
    first, again = rows_of(words, capsys), rows_of(words, capsys)
    assert first == again
    assert rows_of([*words, "--seed", "1"], capsys) != first


def test_all_answers_to_a_prompt_are_choices_whoever_gave_them(
    pilot: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay-train", *pilot, *FAST]) == 0
    said = capsys.readouterr().out
    assert "200 recorded answers to 40 prompts (40 groups)" in said
    assert "no reward is recommended" in " ".join(said.split())
    assert main(["replay-train", *pilot, *FAST, "--group_by", "model", "--min_group", "2"]) == 0
    assert "(80 groups)" in capsys.readouterr().out


@pytest.fixture
def gold(pilot: list[str], tmp_path: Path) -> Path:
    """A better judge, which finds the contrary in every criterion but the first."""
    path = tmp_path / "gold.jsonl"
    rows = [json.loads(line) for line in Path(pilot[0]).read_text("utf-8").splitlines()]
    for row in rows:
        row["criteria_met"][1:] = [not met for met in row["criteria_met"][1:]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_gold_judge_shows_the_hacking(
    pilot: list[str], gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    words = ["--gold", str(gold), "--rewards", "healthbench,hybrid", "--html", str(page)]
    assert main(["replay-train", *pilot, *FAST, "--learning_rate", "0.2", *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "gain the judge sees" in said and "no reward is recommended" not in said
    assert "Reward hacking with" in said
    assert page.read_text(encoding="utf-8").count("<svg") == 3
    found = rows_of([*pilot, *words[:4]], capsys)
    assert found[0]["judge_gain"]["gain"] > found[0]["gain"]


def test_an_audit_and_repeats_say_how_the_judge_errs(
    pilot: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strata = [
        # prompt, then met and said so, not met but said so, met but not said so, neither
        {"category": "axis:accuracy", "polarity": polarity,
         "cells": [[p, 8, 2, 2, 8] for p in range(30)]}
        for polarity in ("desirable", "undesirable")
    ]  # fmt: skip
    audit = tmp_path / "audit.json"
    audit.write_text(json.dumps({"judge": {"name": "weak"}, "audit": {"strata": strata}}))
    one = [*pilot, "--rewards", "healthbench", "--scales", "none"]
    calm, noisy = rows_of(one, capsys), rows_of([*one, "--noise", str(audit)], capsys)
    flipped = rows_of([*one, "--flip", "0.2"], capsys)
    # rates of .8 on either side are flips of a fifth
    assert noisy[0]["gain"] == pytest.approx(flipped[0]["gain"], abs=0.02)
    assert noisy[0]["gain"] < calm[0]["gain"]
    assert main(["replay-train", *one, *FAST, "--noise", "replicates"]) == 2
    assert "no criterion was judged twice" in capsys.readouterr().err


def test_a_policy_of_form_is_judged_on_held_out_prompts(
    pilot: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Longer answers meet more of the criteria: a policy that has learnt it gains elsewhere."""
    words = [*pilot, "--rewards", "rar_uniform", "--scales", "none", "--policy", "linear"]
    assert main(["replay-train", *words, "--seeds", "4", "--steps", "100"]) == 0
    assert "held-out prompts" in " ".join(capsys.readouterr().out.split())
    for loss in ("grpo", "dapo"):
        assert len(rows_of([*words, "--loss", loss], capsys)) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--flip", "1.5"], "--flip 1.5"),
        (["--missing", "-1"], "--missing -1"),
        (["--flip", "0.1", "--noise", "replicates"], "give one of them"),
        (["--errors_stay"], "needs judge noise"),
        (["--seeds", "0"], "--seeds 0"),
        (["--group_size", "1"], "--group_size 1"),
        (["--learning_rate", "nan"], "--learning_rate nan"),
        (["--scales", "groop"], "groop"),
        (["--rewards", "hybird"], "hybird"),
        (["--noise", "/no/such/audit.json"], "/no/such/audit.json"),
        (["--seed", "-1"], "--seed -1"),
        (["--html", "/no/such/folder/"], "--output"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    pilot: list[str], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay-train", *pilot, *FAST, *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
