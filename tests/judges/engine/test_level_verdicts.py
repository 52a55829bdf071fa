"""Levels and "not applicable" on their way through the engine: answers, kept and never retried."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from engine_kit import CountingJudge, GroupingJudge, answers, example
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.rubric import Criterion, Level, NaRule, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import item_scores
from rubricbeat.judges.scoring.missing_reasons import MissingVerdicts
from rubricbeat.judges.verdict import Outcome, Source, Verdict

LEVELS = (Level("no", 0.0), Level("in part", 1.0), Level("in full", 3.0))
TWO = (Level("no", 0.0), Level("yes", 3.0))


def answer(levels=LEVELS, na: NaRule | None = NaRule.EXCLUDED, number: int = 0) -> Answer:
    """Make an answer whose first criterion has levels and whose second may not apply."""
    one = example(number)
    first, second, third = one.rubric.criteria
    criteria = (
        replace(first, points=levels[-1].points, levels=levels),
        replace(second, na=na),
        third,
    )
    return Answer(replace(one, rubric=Rubric(criteria)), "An answer.")


class LevelJudge(CountingJudge):
    """Gives the verdicts of a list, one a call for each criterion; the last one again and again."""

    def __init__(self, *by_criterion: list[Verdict]) -> None:
        super().__init__()
        self.by_criterion = by_criterion

    def verdict(self, question):
        said = self.by_criterion[question.index]
        n_asked = sum(n for key, n in self.asked.items() if key[2] == question.index)
        return said[min(n_asked, len(said)) - 1]


SURE = [Verdict.at_level(1, level_probabilities=(0.25, 0.5, 0.25), prompt_tokens=9)]
NA = [Verdict.not_applicable(explanation="no drug is named")]
YES = [Verdict.of(True)]


def failed(path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT outcome, explanation FROM failed_replies").fetchall()
    db.close()
    return found


def test_they_are_kept_counted_and_never_asked_again(tmp_path):
    options = RuntimeOptions(store=str(tmp_path / "v.sqlite"))
    judge = LevelJudge(SURE, NA, YES)
    with Grader(judge, options) as grader:
        (first,) = grader.grade([answer()])
        facts = grader.facts()
    assert [v.outcome for v in first.verdicts] == ["level", "not_applicable", "met"]
    assert set(judge.asked.values()) == {1}
    assert facts["outcomes"] == {"met": 1, "level": 1, "not_applicable": 1}
    assert (facts["missing"], facts["retries"], facts["na_share"]) == (0, {}, 1 / 3)
    account = MissingVerdicts.of([first])
    assert (account.n_asked, account.n_missing) == (3, 0)
    with Grader(again := LevelJudge(SURE, NA, YES), options) as grader:
        (second,) = grader.grade([answer()])
        facts = grader.facts()
    assert not again.asked
    assert (facts["store_hits"], facts["calls"], facts["na_share"]) == (3, 0, 1 / 3)
    for old, new in zip(first.verdicts, second.verdicts, strict=True):
        assert replace(old, attempts=0, source=Source.STORE) == new


def test_a_run_without_any_says_nothing_of_them(tmp_path):
    with Grader(CountingJudge(), RuntimeOptions(store=False)) as grader:
        grader.grade(answers(2))
        assert "na_share" not in grader.facts()


def test_a_level_out_of_range_is_a_failed_reply_and_asked_again(tmp_path):
    path = tmp_path / "v.sqlite"
    judge = LevelJudge([Verdict.at_level(3, explanation="superb"), *SURE], NA, YES)
    with Grader(judge, RuntimeOptions(store=str(path))) as grader:
        (graded,) = grader.grade([answer()])
        facts = grader.facts()
    assert (graded.verdicts[0].level, graded.verdicts[0].attempts) == (1, 2)
    assert facts["retries"] == {"unparseable": 1}
    assert failed(path) == [("unparseable", "level 3 is none of 0 to 2; the judge said: superb")]


@pytest.mark.parametrize("level", [None, -1, 3, True])
def test_whatever_is_no_level_of_the_criterion_is_an_unreadable_reply(level):
    said = [Verdict(Outcome.LEVEL, level=level)]
    with Grader(LevelJudge(said, NA, YES), RuntimeOptions(store=False, max_retries=0)) as grader:
        (graded,) = grader.grade([answer()])
    assert graded.verdicts[0].outcome is Outcome.UNPARSEABLE
    assert graded.verdicts[0].level is None


def test_what_a_criterion_does_not_allow_is_no_verdict_and_never_kept_as_one(tmp_path):
    path = tmp_path / "v.sqlite"
    judge = LevelJudge(YES, NA, [Verdict.at_level(1)])
    with Grader(judge, RuntimeOptions(store=str(path), max_retries=1)) as grader:
        (graded,) = grader.grade([answer(na=None)])
        facts = grader.facts()
    assert [v.outcome for v in graded.verdicts] == ["unparseable"] * 3
    assert [v.explanation.partition(";")[0] for v in graded.verdicts] == [
        "the criterion has 3 levels",
        "it may not be called not applicable",
        "the criterion has no levels",
    ]
    assert (facts["missing"], facts["outcomes"]) == (3, {"unparseable": 3})
    assert len(failed(path)) == 6
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (0,)
    db.close()


def test_met_and_not_met_are_the_levels_where_there_are_two(tmp_path):
    judge = LevelJudge([Verdict.of(True, probability=0.75)], NA, YES)
    with Grader(judge, RuntimeOptions(store=str(tmp_path / "v.sqlite"))) as grader:
        (graded,) = grader.grade([answer(TWO)])
    first = graded.verdicts[0]
    assert (first.outcome, first.level, first.level_probabilities) == ("level", 1, (0.25, 0.75))


def test_chances_that_fit_no_levels_are_left_out(tmp_path):
    said = [Verdict.at_level(1, level_probabilities=(0.5, 0.5))]
    with Grader(LevelJudge(said, NA, YES), RuntimeOptions(store=False)) as grader:
        (graded,) = grader.grade([answer()])
    assert (graded.verdicts[0].level, graded.verdicts[0].level_probabilities) == (1, None)


def test_a_level_at_a_criterion_without_any_leaves_no_trace(tmp_path):
    stray = [Verdict(Outcome.MET, level=1, level_probabilities=(0.5, 0.5))]
    path = tmp_path / "v.sqlite"
    with Grader(LevelJudge(SURE, NA, stray), RuntimeOptions(store=str(path))) as grader:
        (graded,) = grader.grade([answer()])
    assert graded.verdicts[2].to_json() == {"outcome": "met", "met": True, **_timed(graded)}
    with sqlite3.connect(path) as db:
        assert db.execute(
            "SELECT level, level_probabilities FROM verdicts WHERE met = 1"
        ).fetchall() == [(None, None)]
    db.close()


def _timed(graded) -> dict[str, float]:
    return {"latency_s": graded.verdicts[2].latency_s}


def test_questions_in_one_call_are_each_read_by_their_own_criterion(tmp_path):
    class Groups(GroupingJudge):
        def verdict(self, question):
            return Verdict.at_level(1) if question.index == 0 else Verdict.not_applicable()

    judge = Groups()
    options = RuntimeOptions(store=str(tmp_path / "v.sqlite"), max_retries=1)
    with Grader(judge, options) as grader:
        (graded,) = grader.grade([answer()])
    assert [v.outcome for v in graded.verdicts] == ["level", "not_applicable", "unparseable"]
    assert judge.groups == [[0, 1, 2], [2]]


def test_an_equal_question_shares_the_level(tmp_path):
    judge = LevelJudge(SURE, NA, YES)
    with Grader(judge, RuntimeOptions(store=str(tmp_path / "v.sqlite"))) as grader:
        one, other = grader.grade([answer(), answer()])
        facts = grader.facts()
    assert set(judge.asked.values()) == {1}
    assert (facts["shared"], facts["na_share"]) == (3, 1 / 3)
    assert [v.level for v in one.verdicts] == [v.level for v in other.verdicts] == [1, None, None]
    assert other.verdicts[0].level_probabilities == (0.25, 0.5, 0.25)


class AskingEachMember(CountingJudge):
    """Takes what its one member says."""

    stored = False

    def __init__(self, member) -> None:
        super().__init__(model="asking")
        self.members = (member,)

    async def judge_with(self, question, ask):
        return await ask(self.members[0], question)


def test_a_judge_made_of_others_gives_and_stores_levels(tmp_path):
    options = RuntimeOptions(store=str(tmp_path / "v.sqlite"))
    with Grader(AskingEachMember(member := LevelJudge(SURE, NA, YES)), options) as grader:
        (graded,) = grader.grade([answer()])
    assert [v.outcome for v in graded.verdicts] == ["level", "not_applicable", "met"]
    assert len(member.asked) == 3
    with Grader(AskingEachMember(member := LevelJudge(SURE, NA, YES)), options) as grader:
        (again,) = grader.grade([answer()])
    assert not member.asked
    assert [v.outcome for v in again.verdicts] == ["level", "not_applicable", "met"]
    assert [v.level for v in again.verdicts] == [1, None, None]


class OneKeyForAll(LevelJudge):
    """Words its question without the levels."""

    def key_material(self, question) -> bytes:
        return f"{question.answer} {question.criterion.text}".encode()


def test_a_stored_verdict_is_read_by_the_criterion_of_today(tmp_path):
    options = RuntimeOptions(store=str(tmp_path / "v.sqlite"))
    with Grader(OneKeyForAll(SURE, NA, YES), options) as grader:
        grader.grade([answer()])
    judge = OneKeyForAll(SURE, NA, YES)
    with Grader(judge, options) as grader:
        (graded,) = grader.grade([answer((*LEVELS[:2],), na=None)])
        assert grader.facts()["store_hits"] == 2
    assert not judge.asked
    assert [v.outcome for v in graded.verdicts] == ["level", "unparseable", "met"]
    # the chances were of three levels
    assert graded.verdicts[0].level_probabilities is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([-4.0, -0.5, 1.0, 3.0]), st.booleans()), min_size=1))
def test_a_rubric_rewritten_in_two_levels_gives_the_same_numbers(criteria):
    points = [5.0, *(worth for worth, _ in criteria)]
    said = [True, *(met for _, met in criteria)]
    plain = tuple(
        Criterion(f"Item {i}", p, Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE)
        for i, p in enumerate(points)
    )
    levels = tuple(replace(c, levels=(Level("no", 0.0), Level("yes", c.points))) for c in plain)
    judge = ScriptedJudge(lambda question: said[question.index])
    one = example()
    given_answers = [Answer(replace(one, rubric=Rubric(each)), "x") for each in (plain, levels)]
    with Grader(judge, RuntimeOptions(store=False)) as grader:
        first, second = grader.grade(given_answers)
    assert [v.level for v in second.verdicts] == [int(met) for met in said]
    h = item_scores([first, second])
    assert h[0] == h[1]
    shares = [[v["share"] for v in each.to_json()["verdicts"]] for each in (first, second)]
    assert shares[0] == shares[1]
