"""Replayed training as HTML: safe, complete, the same bytes for the same data."""

from __future__ import annotations

import html
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "judges" / "signal"))
from pilots import drawn_pilot

from rubricbeat.judges.rewards import FunctionReward, get_reward
from rubricbeat.judges.signal import Scale
from rubricbeat.judges.signal.replay.study import Replayed, replay
from rubricbeat.judges.signal.replay.training import Policy, Settings
from rubricbeat.judges.signal.replay.words import BY_CONSTRUCTION, facts, headline, sentences
from rubricbeat.reports.numbers import MINUS
from rubricbeat.reports.pages.replay_page import replay_figures, replay_page

QUICK = Settings(seeds=3, steps=40)
HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7*7 }}"


def trained(*, gold: bool = False, name: str = "constant") -> Replayed:
    groups = drawn_pilot(1, flip=0.0)
    if gold:
        judged = np.where(np.arange(10) < 3, groups.verdicts_PGC, 1 - groups.verdicts_PGC)
        groups = replace(groups, verdicts_PGC=judged, gold_PGC=groups.verdicts_PGC)
    constant = FunctionReward(lambda v, r: np.zeros(v.shape[:-1]), name)
    return replay(groups, [get_reward("healthbench"), constant], list(Scale), QUICK)


@pytest.fixture(scope="module")
def page() -> str:
    return replay_page(trained(gold=True, name=HOSTILE))


def test_the_page_asks_for_nothing_and_holds_no_markup_of_others(page: str) -> None:
    assert "default-src 'none'" in html.unescape(page)
    assert page.count("<script") == 1 and "<img" not in page and "style=" not in page
    assert "{{ 7*7 }}" in html.unescape(page)
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_ids_are_there_once_and_figures_stand_for_gold_judge_and_dead_groups(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert page.count("<svg") == 3
    assert list(replay_figures(trained())) == ["gold", "dead"]


def test_a_judge_that_reads_criteria_backwards_is_said_to_be_gamed() -> None:
    said = " ".join(sentences(trained(gold=True)))
    assert "Reward hacking with healthbench, scale none" in said
    assert BY_CONSTRUCTION not in said
    assert f"the gold score by {MINUS}0." in html.unescape(replay_page(trained(gold=True)))


def test_without_gold_no_number_is_called_the_gold_score() -> None:
    with_gold, without = (html.unescape(replay_page(trained(gold=gold))) for gold in (True, False))
    for said in ("Gain of the gold score</th>", "gain of the gold score, scale"):
        assert said in with_gold and said not in without
    assert "own score</th>" in without
    assert "gain of this judge's own score, scale" in without


def test_without_gold_nothing_is_recommended_and_the_reason_is_said() -> None:
    found = trained()
    assert sentences(found)[-1] == BY_CONSTRUCTION
    assert "favours the reward equal to this score, healthbench." in BY_CONSTRUCTION
    assert "the verdicts as recorded" in facts(found)
    own = "this judge's own score rises most under healthbench, +0."
    assert headline(found).startswith(f"Scale group: {own}")
    assert headline(found).endswith("Without gold no reward is recommended.")
    assert own in sentences(found)[0] and "gains most" not in " ".join(sentences(found))


def test_where_every_reward_loses_none_is_said_to_gain() -> None:
    judged = drawn_pilot(1, flip=0.0)
    backwards = replace(judged, gold_PGC=judged.verdicts_PGC, verdicts_PGC=1 - judged.verdicts_PGC)
    rewards = [get_reward("healthbench"), get_reward("rar_points")]
    found = replay(backwards, rewards, [Scale.NONE], QUICK)
    for said in (headline(found), sentences(found)[0]):
        assert said.startswith("Scale none: no reward gains; the best is ")
        assert "gains most" not in said and ", -0." in said


def test_a_reward_that_stays_where_it_is_hides_no_losses() -> None:
    said = sentences(trained(gold=True))[0]
    assert said.startswith("Scale group: no reward gains; the best is constant, +0.000")
    assert "every group drawn is dead" not in said


def test_a_reward_that_never_moves_has_no_interval_and_says_why() -> None:
    found = trained()
    assert "all equal: no interval" in replay_page(found)
    arm = next(arm for arm in found.arms if arm.reward == "constant")
    assert arm.gain.value == pytest.approx(0, abs=1e-6) and arm.gain.low is None
    assert arm.dead == 1.0


def test_where_nothing_moves_nothing_is_said_to_lead() -> None:
    constant = FunctionReward(lambda v, r: np.zeros(v.shape[:-1]), "constant")
    found = replay(drawn_pilot(1), [constant], [Scale.NONE], QUICK)
    assert headline(found) == "No reward gains anything (scale none)."
    assert sentences(found)[0].endswith("every group drawn is dead.")
    alive = replace(found, arms=tuple(replace(arm, dead=0.5) for arm in found.arms))
    assert sentences(alive)[0].endswith("no reward gains anything.")


def test_the_same_training_gives_the_same_bytes(page: str) -> None:
    assert replay_page(trained(gold=True, name=HOSTILE)) == page


def test_a_policy_for_all_prompts_is_said_to_be_held_out() -> None:
    groups = drawn_pilot(1)
    features = np.random.default_rng(0).normal(0, 1, (*groups.answered_PG.shape, 3))
    settings = replace(QUICK, policy=Policy.LINEAR)
    reward = [get_reward("healthbench")]
    found = replay(groups, reward, [Scale.NONE], settings, features_PGF=features)
    assert "held-out prompts" in sentences(found)[-1]


def test_a_difference_without_an_interval_is_not_called_insignificant() -> None:
    """On fewer than ten prompts nothing is tested: the rewards cannot be distinguished."""
    groups = drawn_pilot(1, n_groups=8)
    found = replay(groups, [get_reward("healthbench"), get_reward("binary")], [Scale.NONE], QUICK)
    said = " ".join(sentences(found))
    assert found.standings[Scale.NONE][1].behind.low is None
    assert "cannot be distinguished from" in said and "significant" not in said
