from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_kit import write_run

from rubricbeat.harness import cli
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.training.figures import lines_of, moving_mean
from rubricbeat.reports.training.page import read_samples, render_training_page, training_report
from rubricbeat.reports.training.runs import read_training_runs

pytestmark = pytest.mark.border

HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7*7 }}"


def page_of(*paths: Path, **options: Any) -> str:
    return render_training_page(training_report(paths), **options)


class _Names(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_texts_of_the_policy_cannot_become_markup(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", text=HOSTILE)
    page = page_of(path)
    seen = _Names()
    seen.feed(page)
    assert "img" not in seen.tags
    assert seen.tags.count("script") == 1  # ours
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert "{{ 7*7 }}" in page and "49" not in page.partition("samples-title")[2][:2000]


def test_a_level_and_what_does_not_apply_are_no_missing_verdicts(tmp_path: Path) -> None:
    import pandas as pd

    path = write_run(tmp_path / "a")
    table = path / "completions" / "step_000001.parquet"
    said = [Verdict.at_level(2), Verdict.not_applicable(), Verdict.of(True), Verdict.of(False)]
    criterion = {"text": "c", "points": 1, "polarity": "undesirable"}
    row = pd.read_parquet(table)
    row["verdicts"] = json.dumps([verdict.to_json() for verdict in said])
    row["criteria"] = json.dumps([criterion] * len(said))
    row.to_parquet(table)
    [(_, [sample])] = read_samples(path)
    assert [(one.verdict, one.side, one.is_fault) for one in sample.criteria] == [
        ("level 2", "part", False),
        ("\u2013 not applicable", "none", True),
        ("✓ met", "bad", True),
        ("✗ not met", "good", True),
    ]
    page = page_of(path)
    assert "level 2" in page
    assert "? no verdict" not in page


def test_no_prompt_or_answer_stands_in_a_page_without_examples(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", text="a very private answer")
    report = training_report([path])
    assert "very private" not in render_training_page(report, examples=False)
    assert "very private" in render_training_page(report)


def test_a_page_opens_with_the_curves(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", gold={0: [0.1, 0.3], 20: [0.5, 0.9]})
    page = page_of(path)
    places = [page.index(part) for part in ("<h1", "<svg", 'id="warnings"', "<table", "<dl")]
    assert places == sorted(places)
    assert page.index("change of held-out healthbench") < page.index('id="held-out"')
    # the warnings stand right under the figure with the result
    assert page.index('id="warnings"') < page.index(">hybrid</text>")


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", gold={0: [0.1, 0.3], 20: [0.5, 0.9]})
    assert page_of(path) == page_of(path)


def test_a_run_cut_off_by_a_kill_is_reported_as_far_as_it_came(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", n_steps=5, state="running")
    with (path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 6, "rew')
    assert "is not complete (running)" in page_of(path)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training run"):
        read_training_runs([tmp_path])


def test_the_report_command_knows_a_training_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_run(tmp_path / "runs" / "a", gold={0: [0.1, 0.3], 20: [0.5, 0.9]})
    output = tmp_path / "page.html"
    assert cli.main(["report", str(path), "-o", str(output), "--draws", "200"]) == 0
    *_, following, written = capsys.readouterr().out.splitlines()
    assert following.startswith("next: ") and following.endswith(output.as_uri())
    assert written == str(output)
    assert cli.main(["report", str(tmp_path / "runs"), "-o", str(output), "--draws", "200"]) == 0
    assert cli.main(["report", str(path)]) == 2
    assert cli.main(["report", str(path), "-o", str(output), "--table", "t.md"]) == 2


def test_the_numbers_of_the_arms_are_given_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, last in ((1, [0.3, 0.5]), (2, [0.5, 0.7])):
        write_run(tmp_path / f"a{seed}", seed=seed, gold={0: [0.1, 0.3], 20: last})
    assert cli.main(["report", str(tmp_path), "--json"]) == 0
    [arm] = json.loads(capsys.readouterr().out)["arms"]
    # gains .2 and .2 under one seed, .4 and .4 under the other
    assert arm["held_out"]["gold"]["difference"] == pytest.approx(0.3)
    assert arm["held_out"]["gold"]["n_runs"] == 2
    assert arm["runs"] == ["a1", "a2"]


def test_moving_mean_by_hand() -> None:
    found = moving_mean(np.array([1.0, np.nan, 3.0, 5.0]), 2)
    assert found.tolist() == [1.0, 1.0, 3.0, 4.0]


def test_a_matrix_of_runs_reads_by_arm(tmp_path: Path) -> None:
    """Seeds pooled, arms ranked by the gold judge, pairs corrected, one curve an arm."""
    for reward, gain in (("hybrid", 0.4), ("binary", 0.0)):
        for seed in (1, 2, 3):
            jitter = [gain * 0.02 * ((seed * i) % 3) for i in range(12)]
            write_run(
                tmp_path / f"{reward}{seed}",
                reward=reward,
                seed=seed,
                gold={0: [0.1] * 12, 20: [0.1 + gain + j for j in jitter]},
                training={0: [0.1] * 12, 20: [0.1 + gain + j for j in jitter]},
            )
    report = training_report([tmp_path])
    page = render_training_page(report)
    assert report.headline.startswith("Of 2 arms, hybrid, scale group improved the held-out")
    assert "significantly better than the other" in report.headline
    assert "correction): 1 of 1." in page
    assert "All 6 runs" in page and "hybrid, scale group (3 runs)" in page
    assert page.index("hybrid, scale group, held-out judge") < page.index(
        "binary, scale group, held"
    )


def test_a_run_without_a_reward_yet_is_named_and_not_counted(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    started = write_run(tmp_path / "started")
    (started / "metrics.jsonl").write_text('{"step": 1}\n', encoding="utf-8")
    report = training_report([tmp_path])
    assert [run.name for run in report.runs] == ["good"]
    assert any("No step with a reward was recorded in started" in note for note in report.notes)
    with pytest.raises(DataError, match="no step with a reward"):
        training_report([started])


def test_mostly_dead_groups_and_a_gold_judge_that_never_moves_are_said_first(
    tmp_path: Path,
) -> None:
    still = {0: [0.0, 0.0], 20: [0.0, 0.0]}
    path = write_run(tmp_path / "a", gold=still, training={0: [0.0, 0.1], 20: [0.9, 1.0]})
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    dead = "".join(json.dumps(line | {"dead_frac": 0.8}) + "\n" for line in lines)
    (path / "metrics.jsonl").write_text(dead, encoding="utf-8")
    notes = " ".join(training_report([path]).notes)
    assert "Most groups have zero reward variance" in notes
    assert "the same score at every evaluation" in notes
    # nothing a judge could have been hacked against
    assert "reward hacking" not in notes and "does not discriminate" in page_of(path)


def test_arms_none_of_which_surely_moved_are_not_ranked_in_the_headline(tmp_path: Path) -> None:
    for reward in ("hybrid", "binary"):
        write_run(tmp_path / reward, reward=reward, gold={0: [0.0, 0.5], 20: [0.5, 0.2]})
    headline = training_report([tmp_path]).headline
    assert headline.startswith("None of 2 arms changed the held-out score significantly")


def test_rewards_have_colours_and_scales_have_dashes(tmp_path: Path) -> None:
    for reward in ("hybrid", "binary"):
        for scale in ("group", "none"):
            write_run(tmp_path / f"{reward}-{scale}", reward=reward, scale=scale)
    lines = {
        (line.arm.runs[0].reward, line.arm.runs[0].scale): line
        for line in lines_of(training_report([tmp_path]).arms)
    }
    assert lines["hybrid", "group"].style.colour == lines["hybrid", "none"].style.colour
    assert lines["hybrid", "group"].style.dash != lines["hybrid", "none"].style.dash
    assert lines["binary", "group"].style.colour != lines["hybrid", "group"].style.colour
    assert lines["binary", "group"].style.dash == lines["hybrid", "group"].style.dash


def test_runs_of_one_seed_are_not_taken_for_several_seeds(tmp_path: Path) -> None:
    gold = {0: [0.0, 0.1, 0.2], 20: [0.3, 0.2, 0.6]}
    for name in "abc":
        write_run(tmp_path / "r" / name, seed=1, gold=gold)
    notes = training_report([tmp_path / "r"]).notes
    assert any("not a sample of seeds" in note for note in notes)
    write_run(tmp_path / "s" / "a", seed=1, gold=gold)
    write_run(tmp_path / "s" / "b", seed=2, gold=gold)
    notes = training_report([tmp_path / "s"]).notes
    assert not any("not a sample of seeds" in note for note in notes)


def test_a_warm_start_alone_is_not_said_to_be_waiting_for_rewards(tmp_path: Path) -> None:
    path = write_run(tmp_path / "warm_start")
    (path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n', encoding="utf-8")
    (path / "facts.json").write_text('{"kind": "sft"}', encoding="utf-8")
    with pytest.raises(DataError, match="warm start, which has no rewards"):
        training_report([path])
