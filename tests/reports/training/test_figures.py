from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_kit import write_run

from rubricbeat.reports.training.arms import Arm, arms_of
from rubricbeat.reports.training.evaluations import change_curve
from rubricbeat.reports.training.figures import (
    GROUPS,
    gold_plots,
    lines_of,
    number_plots,
    reward_plots,
    training_figures,
)
from rubricbeat.reports.training.page import render_training_page, training_report
from rubricbeat.reports.training.runs import GOLD, read_training_runs

pytestmark = pytest.mark.border


def arms_in(*paths: Path) -> list[Arm]:
    return arms_of(read_training_runs(paths))


def test_curves_are_of_the_runs_that_the_numbers_are_of(tmp_path: Path) -> None:
    write_run(tmp_path / "r" / "a1", seed=1, gold={0: [0.0, 0.0], 20: [0.2, 0.4]})
    cut = {0: [0.0, 0.0], 8: [5.0, 5.0]}
    write_run(tmp_path / "r" / "a2", seed=2, gold=cut, state="interrupted", n_steps=9)
    lines = lines_of(arms_in(tmp_path / "r"))
    assert lines[0].label == "hybrid, scale group (1 of 2 runs)"
    held_out, _ = gold_plots(lines)
    # the change of the run that is done, from 0 to the mean of .2 and .4; no step 8 of the other
    [curve] = held_out.curves
    assert curve.points == [(0.0, 0.0), (20.0, pytest.approx(0.3))]


def test_held_out_curves_end_where_the_table_does(tmp_path: Path) -> None:
    # the second prompt has no score at the end: means of what is known would show a fall to .1
    gold = {0: [0.0, 1.0], 10: [0.1, 0.9], 20: [0.1, None]}
    path = write_run(tmp_path / "a", gold=gold)  # type: ignore[arg-type]
    [arm] = arms_in(path)
    steps, means = change_curve(arm.runs[0], GOLD)
    assert steps.tolist() == [0.0, 10.0, 20.0]
    np.testing.assert_allclose(means, [0.0, 0.0, 0.1], atol=1e-12)
    assert means[-1] == pytest.approx(arm.changes[GOLD].over.mean)


def test_a_number_that_no_run_has_gets_no_empty_panel(tmp_path: Path) -> None:
    # seven steps: the judge was never asked twice
    plots = number_plots(lines_of(arms_in(write_run(tmp_path / "a", n_steps=7))), GROUPS)
    assert [plot.title for plot in plots] == [
        "groups with zero reward variance",
        "reward sd within a group",
    ]


def test_spreads_of_rewards_with_different_ranges_can_all_be_seen(tmp_path: Path) -> None:
    write_run(tmp_path / "a", reward="hybrid")
    alone = number_plots(lines_of(arms_in(tmp_path / "a")), GROUPS)
    write_run(tmp_path / "b", reward="healthbench")
    both = number_plots(lines_of(arms_in(tmp_path)), GROUPS)
    assert [plot.is_log for plot in alone[:2]] == [False, False]
    assert [plot.is_log for plot in both[:2]] == [False, True]


def test_every_reward_has_a_panel_in_which_all_arms_stand(tmp_path: Path) -> None:
    write_run(tmp_path / "a", reward="hybrid")
    write_run(tmp_path / "b", reward="binary")
    lines = lines_of(arms_in(tmp_path))
    plots = reward_plots(lines)
    assert [plot.title for plot in plots[:2]] == ["hybrid", "binary"]
    assert {curve.style for curve in plots[1].curves} == {line.style for line in lines}
    assert all(line.label in training_figures(arms_in(tmp_path))["rewards"] for line in lines)


def test_what_is_not_sure_after_the_correction_is_not_drawn_as_sure(tmp_path: Path) -> None:
    # the first interval leaves out 0 (t = 2.48 of 12 prompts, p = .03); of ten nothing stands
    for i in range(10):
        moved = ([-0.025, 0.05, 0.02, 0.045] if i == 0 else [0.01 * i, -0.01 * i, 0.02, -0.02]) * 3
        write_run(tmp_path / f"r{i}", reward=f"r{i}", gold={0: [0.0] * 12, 20: moved})
    report = training_report([tmp_path])
    assert report.arms[0].changes[GOLD].over.interval.excludes_zero
    assert 'class="sure"' not in render_training_page(report)
    assert "✓ rose" not in render_training_page(report)


def test_a_figure_keeps_its_width_where_the_window_is_narrow(tmp_path: Path) -> None:
    page = render_training_page(training_report([write_run(tmp_path / "a")]))
    assert '<div class="scroll wide" tabindex="0"' in page
    assert ".figure .wide svg { max-width: none; }" in page


def test_arms_are_called_alike_in_legends_and_tables_and_stay_apart(tmp_path: Path) -> None:
    for rate in (1e-5, 1e-3):
        for seed in (1, 2):
            changed = {"grpo": {"learning_rate": rate}}
            write_run(tmp_path / f"{rate}-{seed}", seed=seed, changed=changed)
    write_run(tmp_path / "b", reward="binary")
    labels = [line.label for line in lines_of(arms_in(tmp_path))]
    assert len(set(labels)) == 3
    assert "binary, scale group" in labels
    assert any(label.endswith("1e-05) (2 runs)") for label in labels)
