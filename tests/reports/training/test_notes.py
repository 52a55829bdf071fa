from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from training_kit import write_run

from rubricbeat.reports.training.notes import terms_of
from rubricbeat.reports.training.page import TrainingReport, render_training_page, training_report

RISING: dict[int, list[float]] = {0: [0.1, 0.2, 0.1], 20: [0.9, 0.9, 0.8]}


def report_of(*paths: Path) -> TrainingReport:
    return training_report(paths)


def notes_on(*paths: Path) -> str:
    return " ".join(report_of(*paths).notes)


def test_no_change_is_better_than_a_fall(tmp_path: Path) -> None:
    # `binary` was 0 for every answer: its policy never moved, and its change is exactly 0
    write_run(tmp_path / "a", gold={0: [0.5, 0.6, 0.7], 20: [0.3, 0.5, 0.1]})
    same = [0.5, 0.6, 0.7]
    write_run(tmp_path / "b", reward="binary", gold={0: same, 20: same})
    assert "largest change: binary, scale group, 0 " in report_of(tmp_path).headline


def test_where_all_arms_fell_none_is_said_to_have_improved(tmp_path: Path) -> None:
    before = [0.5] * 12
    write_run(tmp_path / "a", gold={0: before, 20: [0.3, 0.32, 0.28, 0.3] * 3})
    write_run(tmp_path / "b", reward="binary", gold={0: before, 20: [0.1, 0.12, 0.1, 0.1] * 3})
    headline = report_of(tmp_path).headline
    assert "None of 2 arms improved the held-out score; least worse: hybrid" in headline
    assert "improved the held-out score most" not in headline


def test_the_best_arm_is_not_called_better_than_one_that_beat_it_on_their_seed(
    tmp_path: Path,
) -> None:
    before = [0.1] * 12
    # the mean of three seeds is higher; on the one seed that both have it is lower
    for seed, gain in ((1, 0.2), (2, 0.9), (3, 0.9)):
        after = [0.1 + gain, 0.12 + gain, 0.08 + gain, 0.1 + gain] * 3
        write_run(tmp_path / f"a{seed}", seed=seed, gold={0: before, 20: after})
    after = [0.6, 0.61, 0.59, 0.62] * 3
    write_run(tmp_path / "b", seed=1, reward="binary", gold={0: before, 20: after})
    report = report_of(tmp_path)
    assert report.pairs[0].is_sure and (report.pairs[0].over.mean or 0.0) < 0
    assert "hybrid, scale group" in report.headline
    assert "significantly better than the other" not in report.headline


def test_arms_of_different_gold_judges_are_not_ranked(tmp_path: Path) -> None:
    write_run(tmp_path / "a", gold=RISING)
    write_run(tmp_path / "b", reward="binary", gold=RISING, changed={"gold": {"judge": "kind"}})
    assert report_of(tmp_path).headline == (
        "The 2 arms cannot be ranked: judged by different gold judges; see the results of each arm"
    )
    assert "Not all arms can be compared: judged by different gold judges" in notes_on(tmp_path)


def test_arms_scored_by_different_rewards_are_not_ranked(tmp_path: Path) -> None:
    write_run(tmp_path / "a", gold=RISING)
    path = write_run(
        tmp_path / "b", reward="binary", gold=RISING, changed={"gold": {"reward": "hybrid"}}
    )
    evaluations = (path / "gold.jsonl").read_text(encoding="utf-8")
    (path / "gold.jsonl").write_text(evaluations.replace("healthbench", "hybrid"), encoding="utf-8")
    headline = report_of(tmp_path).headline
    assert "cannot be ranked: scored by healthbench and by hybrid" in headline


def test_one_seed_is_not_called_the_arm(tmp_path: Path) -> None:
    write_run(tmp_path / "a", gold={0: [0.1] * 12, 20: [0.5, 0.6, 0.5, 0.6] * 3})
    write_run(tmp_path / "b", reward="binary", gold={0: [0.1] * 12, 20: [0.1, 0.12, 0.1, 0.1] * 3})
    headline = report_of(tmp_path).headline
    assert "1 run); significantly better than the other on the one seed they share" in headline


def test_arms_none_of_which_is_done_are_ranked_so_far(tmp_path: Path) -> None:
    gold = {0: [0.1, 0.2, 0.3], 8: [0.5, 0.5, 0.6]}
    for reward in ("hybrid", "binary"):
        write_run(tmp_path / reward, reward=reward, state="running", gold=gold, n_steps=9)
    report = report_of(tmp_path)
    assert report.headline.endswith("So far, at step 8: no run is done.")
    assert "not complete: step 8" in render_training_page(report)


def test_a_run_that_was_evaluated_once_is_not_said_to_have_no_gold_judge(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", state="running", gold={0: [0.1, 0.2]}, n_steps=3)
    report = report_of(path)
    assert "no change on held-out prompts is measured yet" in report.headline
    assert "Set <code>gold.judge</code>" not in render_training_page(report)


def test_many_runs_that_are_not_done_take_one_note(tmp_path: Path) -> None:
    for seed in range(12):
        write_run(tmp_path / f"r{seed:02}", seed=seed, state="interrupted" if seed else "done")
    told = [note for note in report_of(tmp_path).notes if "not complete" in note]
    assert len(told) == 1
    assert told[0].startswith("11 of 12 runs are not complete: r01 (interrupted); ")
    assert "and 7 more" in told[0]


def test_scores_the_gold_judge_did_not_give_are_counted(tmp_path: Path) -> None:
    gold: Any = {0: [0.0, 0.5, None, 0.5], 20: [1.0, None, None, 1.0]}
    path = write_run(tmp_path / "a", gold=gold)
    assert "3 of 8 held-out answers of the initial and final evaluations have no score" in notes_on(
        path
    )


def test_an_evaluation_that_was_lost_is_named(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", gold={0: [0.1, 0.2], 8: [0.3, 0.1]}, training=RISING)
    assert (
        "a: the held-out judge has no evaluation before the first step or after the last"
        in notes_on(path)
    )


def test_runs_evaluated_on_different_prompts_are_said_to_be(tmp_path: Path) -> None:
    write_run(tmp_path / "a", gold={0: [0.1, 0.2], 20: [0.3, 0.1]})
    write_run(tmp_path / "b", reward="binary", gold=RISING)
    assert "Not all runs were evaluated on the same held-out prompts" in notes_on(tmp_path)


def test_a_gold_judge_at_its_floor_is_said_to_tell_little_apart(tmp_path: Path) -> None:
    floor = {0: [0.0] * 9 + [-0.2], 20: [0.0] * 10}
    path = write_run(tmp_path / "a", gold=floor, training={0: [0.1] * 10, 20: [0.8, 0.9] * 5})
    notes = notes_on(path)
    assert "gave 95.0" in notes and "it discriminates poorly" in notes
    assert "reward hacking" not in notes


def test_judge_hacking_is_told_in_the_words_of_what_was_measured(tmp_path: Path) -> None:
    falling = {0: [0.5, 0.4, 0.6] * 4, 20: [0.4, 0.4, 0.55] * 4}
    rising = {step: scores * 4 for step, scores in RISING.items()}
    path = write_run(tmp_path / "a", gold=falling, training=rising)
    assert "a sign of reward hacking" in notes_on(path)


@pytest.mark.parametrize("judge", [{"name": "keyword"}, {"name": "keyword", "store": "x.sqlite"}])
def test_a_judge_is_known_again_however_it_is_written(tmp_path: Path, judge: Any) -> None:
    path = write_run(tmp_path / "a", gold=RISING, changed={"gold": {"judge": judge}})
    assert "the held-out judge is the training judge" in notes_on(path)


def test_what_the_gold_judge_says_of_itself_stands_beside_its_name(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", gold=RISING)
    ledger = {"gold": {"judge": {"digest": "d", "notes": "pairwise within a criterion 0.466"}}}
    (path / "gold_judge.json").write_text(json.dumps(ledger), encoding="utf-8")
    page = render_training_page(report_of(path))
    assert "<dt>Note of this judge</dt><dd><bdi>pairwise within a criterion 0.466</bdi>" in page


def test_arms_that_do_not_have_the_same_seeds_are_said_not_to(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / f"a{seed}", seed=seed, gold=RISING)
    write_run(tmp_path / "b1", seed=1, reward="binary", gold=RISING)
    assert "The arms do not have the same seeds" in notes_on(tmp_path)
    write_run(tmp_path / "b2", seed=2, reward="binary", gold=RISING)
    assert "do not have the same seeds" not in notes_on(tmp_path)


def test_an_interval_that_was_picked_is_said_to_be(tmp_path: Path) -> None:
    write_run(
        tmp_path / "r0", reward="r0", gold={0: [0.0] * 12, 20: [-0.025, 0.05, 0.02, 0.045] * 3}
    )
    for i in range(1, 10):
        unmoved = [0.01 * i, -0.01 * i, 0.02, -0.02] * 3
        write_run(tmp_path / f"r{i}", reward=f"r{i}", gold={0: [0.0] * 12, 20: unmoved})
    headline = report_of(tmp_path).headline
    assert headline.startswith("None of 10 arms changed the held-out score significantly")
    assert headline.endswith("; the interval is not corrected for picking one of 10 arms")


def test_one_prompt_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    headline = report_of(write_run(tmp_path / "a", gold={0: [0.1], 20: [0.3]})).headline
    said = "changed by +0.200 (held-out judge, 1 prompt: too few for an interval, 1 run)"
    assert said in headline


def test_the_headline_says_what_the_result_rests_on(tmp_path: Path) -> None:
    same = {"gold": {"judge": {"name": "keyword"}}}
    nine = write_run(tmp_path / "a", gold={0: [0.1] * 9, 20: [0.3, 0.4, 0.5] * 3}, changed=same)
    assert report_of(nine).headline.endswith(
        "(held-out judge is the training judge, 9 prompts: too few for an interval, 1 run)"
    )
    assert "fewer than 10 held-out prompts" in notes_on(nine)
    ten = write_run(tmp_path / "b", gold={0: [0.1] * 10, 20: [0.3, 0.5] * 5})
    assert report_of(ten).headline.endswith("(held-out judge, 10 prompts, 1 run)")
    assert "fewer than 10" not in notes_on(ten)


def test_runs_without_settings_are_named_by_their_folders_and_not_pooled(tmp_path: Path) -> None:
    for name in "ab":
        path = write_run(tmp_path / name, gold=RISING)
        for file in ("config.yaml", "facts.json", "status.json"):
            (path / file).unlink()
    assert report_of(tmp_path / "a").headline.startswith("a: held-out score changed by +0.733 ")
    report = report_of(tmp_path)
    assert [arm.name.split(" ")[0] for arm in report.arms] == ["a", "b"]
    page = render_training_page(report)
    assert ">?" not in page.replace(">? ", "") and "not recorded" in page


@pytest.mark.parametrize(("share", "is_told"), [(1.0, True), (0.5, True), (0.4, False)])
def test_answers_that_were_cut_off_are_warned_of(
    tmp_path: Path, share: float, is_told: bool
) -> None:
    path = write_run(tmp_path / "a", each={"truncated_frac": share})
    said = "Most answers were truncated at the token limit: hybrid, scale group ("
    assert (said in notes_on(path)) is is_told
    tiny = write_run(
        tmp_path / "t", each={"truncated_frac": share}, changed={"model": {"name": "tiny"}}
    )
    assert ("This is expected of the tiny model" in notes_on(tiny)) is is_told


def test_the_page_says_what_its_names_mean(tmp_path: Path) -> None:
    [(name, words, ends)] = terms_of(report_of(write_run(tmp_path / "a")).arms)
    # partial credit up to 15 and 5 for a perfect answer (Ahmadi et al. 2026)
    assert (name, ends) == ("hybrid", "0 to 20") and words.startswith("Partial credit")
    page = render_training_page(report_of(tmp_path / "a"))
    assert "<code>hybrid</code>: partial credit" in page and "Scale <code>group</code>:" in page
    own = write_run(tmp_path / "b", changed={"reward": {"name": "my_module:mine"}})
    assert terms_of(report_of(own).arms) == []


def test_what_rests_is_shown_where_prompts_may_rest(tmp_path: Path) -> None:
    off = write_run(tmp_path / "a", each={"resting": 0})
    assert "resting prompts" not in render_training_page(report_of(off)).lower()
    path = write_run(tmp_path / "b", each={"resting": 3}, changed={"data": {"rest_dead": 2}})
    page = render_training_page(report_of(path))
    assert '<td>3.00<span class="range">3.00</span></td>' in page
    assert ">resting prompts</text>" in page
    assert "dead groups in a row after which a prompt rests: 2" in page


def test_the_share_of_equal_scores_is_the_one_that_was_judged_by(tmp_path: Path) -> None:
    # 18 of 24 scores are .1: all of one arm, and the first evaluations of the other
    for seed in range(3):
        write_run(tmp_path / f"a{seed}", seed=seed, gold={0: [0.1] * 4, 20: [0.3] * 4})
        same = {0: [0.1] * 4, 20: [0.1] * 4}
        write_run(tmp_path / f"b{seed}", seed=seed, reward="binary", gold=same)
    assert "The held-out judge gave 75.0" in notes_on(tmp_path)


def test_a_run_without_a_seed_has_a_dash_for_it(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", changed={"run": {"seed": None}})
    assert "<td>None</td>" not in render_training_page(report_of(path))


MANY: dict[int, Any] = {0: [0.1, 0.2, 0.3] * 4, 20: [0.5, 0.4, 0.6] * 4}
CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "40 of 160 answers have no reward and were excluded from training: r0.": (
        [{"each": {"unscored": 2}}],
        [{}],
    ),
    "1 of 24 held-out answers of the initial and final evaluations have no score by the held-out "
    "judge: hybrid, scale group.": (
        [{"gold": {**MANY, 20: [None, *MANY[20][1:]]}}],
        [{"gold": MANY}],
    ),
    "r0: the held-out judge has no evaluation before the first step or after the last": (
        [{"gold": {0: MANY[0], 8: MANY[20]}}],
        [{"gold": {0: MANY[0], 8: MANY[20]}, "state": "running", "n_steps": 9}],
    ),
    "r0: the training judge has no evaluation before the first step or after the last": (
        [{"gold": MANY, "training": {20: MANY[20]}}],
        [{"gold": MANY, "training": MANY}],
    ),
    "r0: the held-out judge is the training judge; it cannot reveal reward hacking": (
        [{"gold": MANY, "changed": {"gold": {"judge": "keyword"}}}],
        [{"gold": MANY}],
    ),
    "r0: the held-out judge gave all held-out answers the same score at every evaluation": (
        [{"gold": {0: [0.5] * 12, 20: [0.5] * 12}}],
        [{"gold": {0: [0.5] * 12, 20: [0.5] * 11 + [0.6]}}],
    ),
    "Most groups have zero reward variance and no learning signal: hybrid, scale group (75.0": (
        [{"each": {"dead_frac": 0.75}}],
        [{"each": {"dead_frac": 0.74}}],
    ),
    "Most answers end at the token limit: hybrid, scale group (50.0": (
        [{"each": {"truncated_frac": 0.5}, "changed": {"model": {"name": "tiny"}}}],
        [{"each": {"truncated_frac": 0.5}}],
    ),
    "Most answers were truncated at the token limit: hybrid, scale group (50.0": (
        [{"each": {"truncated_frac": 0.5}}],
        [{"each": {"truncated_frac": 0.49}}],
    ),
    "hybrid, scale group: fewer than 10 held-out prompts": (
        [{"gold": {0: MANY[0][:9], 20: MANY[20][:9]}}],
        [{"gold": {0: MANY[0][:10], 20: MANY[20][:10]}}],
    ),
    "hybrid, scale group: one run; the result does not cover other seeds.": (
        [{"gold": MANY}],
        [{"gold": MANY, "seed": seed} for seed in (1, 2)],
    ),
    "hybrid, scale group: two runs, too few to generalise to other seeds.": (
        [{"gold": MANY, "seed": seed} for seed in (1, 2)],
        [{"gold": MANY, "seed": seed} for seed in (1, 2, 3)],
    ),
    "hybrid, scale group: some runs share a seed": (
        [{"gold": MANY}, {"gold": MANY}],
        [{"gold": MANY, "seed": seed} for seed in (1, 2)],
    ),
    "The arms do not have the same seeds": (
        [{"gold": MANY, "seed": 1}, {"gold": MANY, "seed": 2, "reward": "binary"}],
        [{"gold": MANY}, {"gold": MANY, "reward": "binary"}],
    ),
    "The arms were trained for different numbers of steps": (
        [{}, {"reward": "binary", "n_steps": 10}],
        [{}, {"reward": "binary", "n_steps": 10, "state": "running"}],
    ),
}


@pytest.mark.parametrize("words", CASES)
def test_a_warning_is_given_where_it_holds_and_not_where_it_does_not(
    tmp_path: Path, words: str
) -> None:
    for name, runs in zip(("on", "off"), CASES[words], strict=True):
        for i, run in enumerate(runs):
            write_run(tmp_path / name / f"r{i}", **run)
    assert words in notes_on(tmp_path / "on")
    assert words not in notes_on(tmp_path / "off")


def test_runs_of_one_arm_by_two_gold_judges_have_no_meaningful_result(tmp_path: Path) -> None:
    for seed in (1, 2):
        path = write_run(tmp_path / f"a{seed}", seed=seed, gold=MANY)
        ledger = json.dumps({"gold": {"judge": {"digest": str(seed)}}})
        (path / "gold_judge.json").write_text(ledger, encoding="utf-8")
    said = "hybrid, scale group: its runs are judged by different gold judges; the result is not"
    assert said in notes_on(tmp_path)
