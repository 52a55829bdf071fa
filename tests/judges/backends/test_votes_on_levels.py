"""Judges that call nobody, and judges made of judges, on levels and "not applicable"."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.backends.jury import (
    CascadeJudge,
    JuryJudge,
    ReplicateJudge,
    Vote,
    VoteRule,
    count_votes,
)
from rubricbeat.judges.backends.scripted import NA, ConstantJudge, ScriptedJudge
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.rubric import Criterion, Example, Level, Message, NaRule, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict

FOUR = Criterion(
    "Doses it",
    5.0,
    Polarity.DESIRABLE,
    levels=tuple(Level(f"L{n}", float(points)) for n, points in enumerate((0, 1, 2, 5))),
    na=NaRule.EXCLUDED,
)
CHOICES = replace(FOUR, is_nominal=True)
TWO = Criterion("Is right", 5.0, Polarity.DESIRABLE, levels=(Level("no", 0.0), Level("yes", 5.0)))
PLAIN = Criterion("Is right", 5.0, Polarity.DESIRABLE)
MISSING = Verdict(Outcome.UNPARSEABLE, explanation="no verdict")


def verdict_of(said: Any) -> Verdict:
    if said is None:
        return MISSING
    if said == NA:
        return Verdict.not_applicable()
    if isinstance(said, tuple):
        return Verdict.at_level(said.index(max(said)), level_probabilities=said)
    return Verdict.at_level(said)


def counted(*said: Any, criterion: Criterion = FOUR, rule: str = "majority", quorum: int = 1,
            weights: tuple[float, ...] | None = None) -> Verdict:  # fmt: skip
    votes = [
        Vote(f"judge {number}", verdict_of(one), weights[number] if weights else 1.0)
        for number, one in enumerate(said)
    ]
    return count_votes(votes, VoteRule(rule), quorum, criterion)


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ((0, 1, 3), 1),
        ((3, 3, 0), 3),
        ((0, 0, 2, 3, 3), 2),  # nobody's majority: the middle one
        ((1, 1, 2, 3), None),  # as much lies below 1.5 as above it
        ((1, 2), None),
        ((2, 2, None), 2),
        ((2, NA, 2), 2),
    ],
)
def test_ordered_levels_go_by_their_median(said: tuple[Any, ...], level: int | None) -> None:
    verdict = counted(*said)
    assert verdict.level == level
    assert (verdict.outcome is Outcome.UNPARSEABLE) is (level is None)
    assert level is not None or verdict.explanation.startswith("a tie:")


def test_choices_go_by_the_most_votes() -> None:
    assert counted(0, 3, 3, 1, criterion=CHOICES).level == 3
    assert counted(0, 0, 3, 3, criterion=CHOICES).outcome is Outcome.UNPARSEABLE
    # the median of these would be 1, which one vote names
    assert counted(0, 0, 1, 3, 3, 3, criterion=CHOICES).level == 3


def test_weights_move_the_median() -> None:
    assert counted(0, 1, 3, rule="weighted", weights=(1.0, 1.0, 3.0)).level == 3
    # 2 + 2 of 4: nothing lies in the middle
    assert counted(0, 1, 3, rule="weighted", weights=(1.0, 1.0, 2.0)).level is None


def test_probabilities_are_the_shares_of_the_votes_or_the_means_of_theirs() -> None:
    said = ((0.1, 0.2, 0.3, 0.4), (0.0, 0.1, 0.2, 0.7), 1)
    assert counted(*said).level_probabilities == pytest.approx((0, 1 / 3, 0, 2 / 3))
    mean = counted(*said, rule="mean")
    # (.1 + 0 + 0) / 3, (.2 + .1 + 1) / 3, (.3 + .2) / 3, (.4 + .7) / 3
    assert mean.level_probabilities == pytest.approx((0.1 / 3, 1.3 / 3, 0.5 / 3, 1.1 / 3))
    assert mean.level == 2, "1.4 / 3 lie below 2, 1.9 / 3 below 3"


def test_not_applicable_needs_more_than_half() -> None:
    assert counted(NA, NA, 3).outcome is Outcome.NOT_APPLICABLE
    assert counted(NA, 3).outcome is Outcome.UNPARSEABLE
    assert counted(NA, 3, 3).level == 3
    assert counted(NA, None, None).is_na
    assert "1 at level 3, 1 not applicable" in counted(NA, 3).explanation
    weights = (3.0, 1.0, 1.0)
    assert counted(NA, 3, 3, rule="weighted", weights=weights).is_na
    may_be_na = replace(PLAIN, na=NaRule.MISSED)
    votes = [Vote("a", Verdict.of(True)), Vote("b", Verdict.of(True)), Vote("c", verdict_of(NA))]
    verdict = count_votes(votes, VoteRule.MAJORITY, 2, may_be_na)
    assert (verdict.met, verdict.probability) == (True, 1.0)


def test_a_vote_that_the_criterion_does_not_allow_is_none() -> None:
    verdict = counted(3, 4, 9, quorum=2)
    assert verdict.is_missing and "1 of 3 votes hold a verdict" in verdict.explanation
    assert counted(NA, 1, 1, criterion=TWO, quorum=2).level == 1


votes_of_two = st.lists(
    st.one_of(st.none(), st.booleans(), st.floats(0.0, 1.0)), min_size=1, max_size=7
)


@given(votes_of_two, st.sampled_from(list(VoteRule)), st.integers(1, 4))
def test_two_levels_are_counted_as_met_and_not_met(said: Any, rule: VoteRule, quorum: int) -> None:
    def vote(one: Any, number: int) -> Vote:
        if one is None:
            return Vote("a", MISSING)
        if isinstance(one, bool):
            return Vote("a", Verdict.of(one), 1.0 + number)
        return Vote("a", Verdict.of(one > 0.5, probability=one), 1.0 + number)

    votes = [vote(one, number) for number, one in enumerate(said)]
    quorum = min(quorum, len(votes))
    met = count_votes(votes, rule, quorum, PLAIN)
    level = count_votes(votes, rule, quorum, TWO)
    assert met.is_missing == level.is_missing
    if not met.is_missing:
        assert level.level == int(met.met is True)
        assert level.level_probabilities is not None and met.probability is not None
        assert level.level_probabilities[1] == pytest.approx(met.probability, abs=1e-12)


def ask(judge: Any, criterion: Criterion) -> Verdict:
    example = Example("made-up", (Message("user", "Hm?"),), Rubric((criterion,)))
    return asyncio.run(judge.judge(Question(example, "Take 5 mg.", 0)))


def test_juries_and_repeated_votes_hand_their_criterion_on() -> None:
    members = [ScriptedJudge(said, label=str(said)) for said in (0, 2, 3)]
    assert ask(JuryJudge(members), FOUR).level == 2
    inner = ScriptedJudge([1, NA, 1], label="a")
    assert ask(ReplicateJudge(inner=inner, k=3), FOUR).level == 1


@pytest.mark.parametrize(
    ("first", "n_asked"),
    [
        (verdict_of((0.0, 0.1, 0.1, 0.8)), 0),
        (verdict_of((0.0, 0.1, 0.2, 0.7)), 1),
        (verdict_of(2), 0),
        (verdict_of(NA), 0),
        (verdict_of(7), 1),  # none of the levels
        (MISSING, 1),
    ],
)
def test_a_cascade_goes_on_where_no_level_is_sure(first: Verdict, n_asked: int) -> None:
    better = ScriptedJudge(1, label="better")
    ask(CascadeJudge([ScriptedJudge(first, label="cheap"), better]), FOUR)
    assert len(better.asked) == n_asked


@pytest.mark.parametrize(("chance", "n_asked"), [(0.1, 0), (0.5, 1), (0.9, 0)])
def test_of_two_levels_a_cascade_goes_by_the_second_as_by_met(chance: float, n_asked: int) -> None:
    for criterion in (TWO, PLAIN):
        better = ScriptedJudge(True, label="better")
        first = ScriptedJudge(Verdict.of(chance > 0.5, probability=chance), label="cheap")
        ask(CascadeJudge([first, better]), criterion)
        assert len(better.asked) == n_asked


def test_a_script_names_levels_and_not_applicable() -> None:
    assert ask(ScriptedJudge(2), FOUR).level == 2
    assert ask(ScriptedJudge(lambda question: 0), FOUR).level == 0
    assert ask(ScriptedJudge([3, NA]), FOUR).level == 3
    assert ask(ScriptedJudge(NA), FOUR).is_na
    assert ask(ScriptedJudge(True), TWO).met is True, "made level 1 where it is kept"
    assert ask(ScriptedJudge(1), PLAIN).met is True
    with pytest.raises(ConfigError, match="'n/a'"):
        ask(ScriptedJudge("n/a"), FOUR)
    with pytest.raises(ConfigError, match="from 0"):
        ask(ScriptedJudge(-1), FOUR)


def test_the_constant_judge_gives_the_level_with_most_or_least_of_the_points() -> None:
    assert [ask(ConstantJudge(met=met), FOUR).level for met in (True, False)] == [3, 0]
    fault = Criterion(
        "Harms", -5.0, Polarity.UNDESIRABLE, levels=(Level("much", -5.0), Level("not", 0.0))
    )
    # "met" is the fault in full
    assert [ask(ConstantJudge(met=met), fault).level for met in (True, False)] == [0, 1]
