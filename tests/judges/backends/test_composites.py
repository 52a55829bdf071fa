"""Juries, cascades and repeated votes: how votes become verdicts, and that each is bought once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.backends.jury import (
    CascadeJudge,
    JuryJudge,
    ReplicateJudge,
    Vote,
    VoteRule,
    count_votes,
)
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.errors import ConfigError, OutageError
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge import Question, identity_of
from rubricbeat.judges.rubric import Criterion, Polarity
from rubricbeat.judges.verdict import Outcome, Source, Verdict

NONE = Verdict(Outcome.UNPARSEABLE, explanation="no verdict")
PLAIN = Criterion("Is right", 5.0, Polarity.DESIRABLE)


def votes(*said: bool | float | None, weights: list[float] | None = None) -> list[Vote]:
    """Make votes of True, False, None, or a probability."""
    made = []
    for number, one in enumerate(said):
        if one is None:
            verdict = NONE
        elif isinstance(one, bool):
            verdict = Verdict.of(one, explanation=f"words {number}")
        else:
            verdict = Verdict.of(one > 0.5, probability=one)
        made.append(Vote(f"judge {number}", verdict, weights[number] if weights else 1.0))
    return made


@pytest.mark.parametrize(
    ("said", "quorum", "met", "probability"),
    [
        ((True, True, False), 2, True, 2 / 3),
        ((True, False, False), 2, False, 1 / 3),
        ((True, False), 1, None, None),
        ((True, None, None), 2, None, None),
        ((True, None, None), 1, True, 1.0),
        ((True, False, None), 2, None, None),
        ((None, None, None), 1, None, None),
    ],
)
def test_majority_leaves_missing_votes_out_and_breaks_no_tie(said, quorum, met, probability):
    verdict = count_votes(votes(*said), VoteRule.MAJORITY, quorum, PLAIN)
    assert verdict.met is met
    assert verdict.probability == (None if probability is None else pytest.approx(probability))


def test_disagreement_stays_visible():
    verdict = count_votes(votes(True, False, True), VoteRule.MAJORITY, 2, PLAIN)
    assert "2 met, 1 not met" in verdict.explanation
    assert "[2] judge 1: not_met. words 1" in verdict.explanation


def test_a_tie_says_that_it_is_one():
    assert "a tie" in count_votes(votes(True, False), VoteRule.MAJORITY, 1, PLAIN).explanation


def test_mean_weighs_by_how_sure_each_vote_is():
    # two lean to no, one is sure of yes: the majority says no, (.4 + .4 + 1) / 3 = .6 says yes
    assert count_votes(votes(0.4, 0.4, 1.0), VoteRule.MAJORITY, 2, PLAIN).met is False
    verdict = count_votes(votes(0.4, 0.4, 1.0), VoteRule.MEAN, 2, PLAIN)
    assert (verdict.met, verdict.probability) == (True, pytest.approx(0.6))


def test_weights_count():
    weighted = votes(True, False, False, weights=[3.0, 1.0, 1.0])
    verdict = count_votes(weighted, VoteRule.WEIGHTED, 2, PLAIN)
    assert (verdict.met, verdict.probability) == (True, pytest.approx(0.6))


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=9), st.randoms())
def test_the_order_of_the_votes_changes_nothing(said, rng):
    shuffled = list(said)
    rng.shuffle(shuffled)
    one, other = (count_votes(votes(*v), VoteRule.MAJORITY, 1, PLAIN) for v in (said, shuffled))
    assert (one.met, one.probability) == (other.met, other.probability)


def scripted(said: Any, label: str) -> ScriptedJudge:
    return ScriptedJudge(said, label=label)


def test_a_jury_asks_every_member(question):
    members = [scripted(True, "a"), scripted(True, "b"), scripted(False, "c")]
    verdict = asyncio.run(JuryJudge(members).judge(question))
    assert verdict.met is True
    assert all(len(member.asked) == 1 for member in members)


def test_a_cascade_asks_on_only_where_the_cheap_judge_is_unsure(question):
    for first, n_asked in ((Verdict.of(True, probability=0.9), 0), (True, 0), (None, 1)):
        better = scripted(False, "better")
        judge = CascadeJudge([scripted(first, "cheap"), better])
        asyncio.run(judge.judge(question))
        assert len(better.asked) == n_asked
    unsure = CascadeJudge([scripted(Verdict.of(True, probability=0.6), "cheap"), better])
    verdict = asyncio.run(unsure.judge(question))
    assert verdict.met is False
    assert "judge 2 of 2" in verdict.explanation


def test_replicate_votes_have_numbers_of_their_own(example):
    inner = scripted([True, False, True] * 2, "a")
    judge = ReplicateJudge(inner=inner, k=3)

    async def both() -> list[bool | None]:
        return [(await judge.judge(Question(example, "x", 0, r))).met for r in (0, 1)]

    assert asyncio.run(both()) == [True, True]
    assert sorted(q.replicate for q in inner.asked) == [0, 1, 2, 3, 4, 5]


def test_identity_changes_with_any_member():
    def digest(*labels: str, **options: Any) -> str:
        return identity_of(JuryJudge([scripted(True, name) for name in labels], **options)).digest

    base = digest("a", "b")
    assert base == digest("a", "b")
    assert len({base, digest("a", "c"), digest("b", "a"), digest("a", "b", rule="mean")}) == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: JuryJudge([]), "members"),
        (lambda: JuryJudge("chat"), "members"),
        (lambda: JuryJudge(["constant", "constnt"]), "constant"),
        (lambda: JuryJudge(["constant", "constant"], rule="modal"), "unknown rule"),
        (lambda: JuryJudge(["constant", "constant"], rule="weighted"), "weights"),
        (lambda: JuryJudge(["constant"] * 2, rule="weighted", weights=[1]), "as many weights"),
        (lambda: JuryJudge(["constant"] * 2, quorum=3), "quorum"),
        (lambda: CascadeJudge(["constant"] * 2, low=0.9), "low"),
        (lambda: ReplicateJudge(), "inner"),
        (lambda: ReplicateJudge(inner="constant", k=0), "k=0"),
    ],
)
def test_wrong_settings_are_one_line(make, words):
    with pytest.raises(ConfigError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


class Bought(ScriptedJudge):
    """A scripted judge whose verdicts are worth keeping."""

    stored = True


def grade(judge: Any, example: Any, store: Any, **options: Any) -> Any:
    from rubricbeat.judges.engine.options import RuntimeOptions
    from rubricbeat.judges.grader import Grader

    settings = RuntimeOptions(store=str(store), backoff_s=0.001, **options)
    with Grader(judge, settings) as grader:
        graded = grader.grade([Answer(example, f"answer {n}") for n in range(4)])
        return graded, grader.facts(), grader


def test_members_verdicts_are_bought_once_whichever_jury_they_serve(example, tmp_path):
    store = tmp_path / "store.sqlite"
    a, b, c = (Bought(met, label=name) for met, name in ((True, "a"), (True, "b"), (False, "c")))
    graded, facts, _ = grade(JuryJudge([a, b, c]), example, store)
    assert [v.met for g in graded for v in g.verdicts] == [True] * 12
    assert (len(a.asked), facts["calls"], facts["asked"]) == (12, 36, 12)
    # another jury, of two members that have spoken and one that has not
    d = Bought(False, label="d")
    graded, facts, _ = grade(JuryJudge([a, c, d]), example, store)
    assert [v.met for g in graded for v in g.verdicts] == [False] * 12
    assert (len(a.asked), len(c.asked), len(d.asked)) == (12, 12, 12)
    assert (facts["calls"], facts["store_hits"]) == (12, 24)
    # and a member alone costs nothing any more
    graded, facts, _ = grade(a, example, store)
    assert facts["calls"] == 0
    assert {v.source for g in graded for v in g.verdicts} == {Source.STORE}


def test_members_are_retried_each_for_itself(example, tmp_path):
    flaky = Bought(lambda q: None if len(flaky.asked) % 2 else True, label="flaky")
    steady = Bought(True, label="steady")
    graded, facts, _ = grade(JuryJudge([flaky, steady]), example, tmp_path / "s.sqlite")
    assert all(v.met for g in graded for v in g.verdicts)
    assert len(steady.asked) == 12
    assert facts["retries"]["unparseable"] > 0


def test_a_tie_is_not_asked_again(example, tmp_path):
    a, b = Bought(True, label="a"), Bought(False, label="b")
    graded, facts, _ = grade(JuryJudge([a, b]), example, tmp_path / "s.sqlite")
    assert {v.outcome for g in graded for v in g.verdicts} == {Outcome.UNPARSEABLE}
    assert facts["calls"] == 24


def test_a_member_that_is_down_stops_the_run_with_everything_kept(example, tmp_path):
    up, down = Bought(True, label="up"), Bought(OutageError("the member is gone"), label="down")
    graded, facts, _ = grade(
        JuryJudge([up, down]), example, tmp_path / "s.sqlite", max_concurrency=1
    )
    assert all(v.met is None for g in graded for v in g.verdicts)
    assert "the member is gone" in facts["outage"]
    _, facts, _ = grade(up, example, tmp_path / "s.sqlite")
    assert facts["store_hits"] >= 1


def test_one_budget_bounds_all_members(example, tmp_path):
    members = [Bought(True, label=name) for name in "abc"]
    _, facts, _ = grade(JuryJudge(members), example, tmp_path / "s.sqlite", max_calls=7)
    assert facts["calls"] == sum(len(m.asked) for m in members) == 7
    assert "max_calls" in facts["stopped"]


def test_a_jury_of_juries_and_replicates_runs(example, tmp_path):
    inner = Bought(True, label="inner")
    judge = JuryJudge(
        [
            ReplicateJudge(inner=inner, k=3),
            CascadeJudge(["constant", inner]),
            JuryJudge([scripted(True, "x"), scripted(True, "y")]),
        ]
    )
    graded, _, _ = grade(judge, example, tmp_path / "s.sqlite")
    assert all(v.met for g in graded for v in g.verdicts)
    assert len(inner.asked) == 3 * 12


def test_the_estimate_of_a_jury_counts_every_member(example, tmp_path):
    with open_grader(
        {
            "name": "jury",
            "members": [
                {"name": "chat", "model": "gpt-4.1", "base_url": "http://127.0.0.1:1/v1"},
                {
                    "name": "replicate",
                    "k": 3,
                    "inner": {
                        "name": "chat",
                        "model": "gpt-4.1-mini",
                        "base_url": "http://127.0.0.1:1/v1",
                    },
                },
            ],
            "store": str(tmp_path / "s.sqlite"),
        }
    ) as grader:
        estimate = grader.estimate([Answer(example, "a"), Answer(example, "b")])
    assert (estimate.criteria, estimate.calls) == (6, 6 + 3 * 6)
    assert estimate.cost_usd is not None
    assert estimate.cost_usd > 0


def test_when_one_member_is_down_nobody_pays_for_the_votes_of_the_others(example, tmp_path):
    """Two of two must agree: once one is gone no vote of the other can make a verdict."""
    up, down = Bought(True, label="up"), Bought(OutageError("the member is gone"), label="down")
    grade(JuryJudge([up, down]), example, tmp_path / "s.sqlite", max_concurrency=1)
    assert len(down.asked) == 1
    assert len(up.asked) < 12
