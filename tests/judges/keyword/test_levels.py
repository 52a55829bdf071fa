"""The keyword judge on levels, "not applicable", turns and requirements."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rubricbeat.judges.judge import Question
from rubricbeat.judges.keyword.judge import KeywordJudge
from rubricbeat.judges.rubric import (
    Criterion,
    Example,
    Level,
    Message,
    NaRule,
    Polarity,
    Requirement,
    Rubric,
)
from rubricbeat.judges.verdict import Outcome, Verdict

DOSING = Criterion(
    "Doses it",
    5.0,
    Polarity.DESIRABLE,
    levels=(
        Level("nothing", 0.0),
        Level("dose", 2.0, {"mentions": "mg"}),
        Level("dose and interval", 5.0, {"all": [{"mentions": "mg"}, {"mentions": "daily"}]}),
    ),
)
PLAIN = Criterion("Names 112", 3.0, Polarity.DESIRABLE, check={"mentions": "112"})
FAULT = Criterion("Blames", -2.0, Polarity.UNDESIRABLE, check={"mentions": "fault"})
TURNS = (Message("user", "Hm?"), Message("assistant", "Call 112."), Message("user", "And now?"))


def judged(criterion: Criterion, answer: str) -> Verdict:
    example = Example("made-up", TURNS, Rubric((criterion,)))
    return asyncio.run(KeywordJudge().judge(Question(example, answer, 0)))


@pytest.mark.parametrize(
    ("answer", "level"), [("Rest.", 0), ("5 mg.", 1), ("5 mg daily.", 2), ("Daily.", 0)]
)
def test_the_last_level_that_holds_counts(answer: str, level: int) -> None:
    assert judged(DOSING, answer).level == level


def test_without_a_level_that_holds_the_first_one_counts_only_if_it_has_no_check() -> None:
    first = Level("nothing", 0.0, {"mentions": "rest"})
    strict = replace(DOSING, levels=(first, *DOSING.levels[1:]))
    assert judged(strict, "Rest.").level == 0
    assert judged(strict, "Sleep.").outcome is Outcome.SKIPPED
    bare = replace(DOSING, levels=tuple(replace(one, check=None) for one in DOSING.levels))
    assert judged(bare, "5 mg").outcome is Outcome.SKIPPED, "it never guesses"


def test_a_predicate_that_cannot_be_read_gives_no_verdict_and_is_named() -> None:
    wrong = replace(DOSING.levels[1], check={"mentons": "mg"})
    verdict = judged(replace(DOSING, levels=(DOSING.levels[0], wrong, DOSING.levels[2])), "Rest.")
    assert verdict.outcome is Outcome.SKIPPED
    assert "levels.1.check" in verdict.explanation


def test_not_applicable_comes_first_and_only_where_it_may_be_said() -> None:
    na_check = {"mentions": "no medicine"}
    may_be = replace(DOSING, na=NaRule.EXCLUDED, na_check=na_check)
    assert judged(may_be, "You need no medicine, not 5 mg.").is_na
    assert judged(may_be, "5 mg").level == 1
    assert judged(replace(DOSING, na_check=na_check), "no medicine, 5 mg").level == 1


@pytest.mark.parametrize(("turn", "is_met"), [(-1, False), (-2, True), (0, True), (None, True)])
def test_a_predicate_looks_at_the_turn_of_its_criterion(turn: int | None, is_met: bool) -> None:
    assert judged(replace(PLAIN, turn=turn), "Rest.").met is is_met


def test_the_key_tells_what_the_verdict_depends_on() -> None:
    def key(criterion: Criterion, answer: str = "Rest.") -> bytes:
        example = Example("made-up", TURNS, Rubric((criterion,)))
        return KeywordJudge().key_material(Question(example, answer, 0))

    assert key(PLAIN) == b'{"answer": "Rest.", "check": {"mentions": "112"}}'
    other = replace(DOSING, levels=(*DOSING.levels[:2], Level("x", 5.0, {"mentions": "x"})))
    keys = [
        key(one)
        for one in (
            PLAIN,
            replace(PLAIN, turn=-2),
            replace(PLAIN, turn=None),
            replace(PLAIN, na=NaRule.MISSED),
            replace(PLAIN, na=NaRule.MISSED, na_check={"mentions": "x"}),
            DOSING,
            other,
        )
    ]
    assert len(set(keys)) == len(keys)


def rating(answer: str, *criteria: Criterion) -> int | None:
    example = Example("made-up", TURNS, Rubric(criteria))
    return asyncio.run(KeywordJudge().rate(example, answer)).value


def test_a_rating_is_the_share_of_the_points_that_speak_for_the_answer() -> None:
    # 2 of 5 points, and 2 of 2 for the fault that is not there: 4 of 7, 1 + round(9 * 4 / 7)
    assert rating("5 mg.", DOSING, FAULT) == 6
    assert rating("5 mg daily.", DOSING, FAULT) == 10
    assert rating("Your fault.", DOSING, FAULT) == 1
    mixed = replace(DOSING, levels=(Level("harm", -5.0, {"mentions": "x"}), *DOSING.levels[1:]))
    # from -5 to 5: 2 lies at 7 of 10 points
    assert rating("5 mg", mixed) == 1 + round(9 * 0.7)


def test_what_does_not_apply_is_left_out_of_a_rating_as_its_rule_says() -> None:
    na_check = {"mentions": "no medicine"}

    def rule(na: NaRule) -> Criterion:
        return replace(DOSING, na=na, na_check=na_check)

    answer = "no medicine; call 112"
    assert rating(answer, rule(NaRule.EXCLUDED), PLAIN) == 10
    assert rating(answer, rule(NaRule.MISSED), PLAIN) == 1 + round(9 * 3 / 8)
    assert rating(answer, rule(NaRule.BOUNDED), PLAIN) is None


def test_what_requires_another_earns_nothing_without_it() -> None:
    dosing = replace(DOSING, requires=Requirement("call"))
    call = replace(PLAIN, id="call")
    assert rating("5 mg daily.", dosing, call) == 1
    assert rating("5 mg daily, 112.", dosing, call) == 10
