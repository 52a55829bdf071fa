"""Runs that were graded until something was decided show no interval for a fixed n."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.budget.stopping import Decision, StopRule
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.stopped import NO_INTERVAL, score_interval, stop_words
from rubricbeat.reports.pages.comparison_page import comparison_json, render_page
from rubricbeat.reports.results.run import Run, RunFacts

N = 60
ORDER = [f"p{at}" for at in np.random.default_rng(5).permutation(N).tolist()]
UNTIL = {
    **StopRule(rope=0.0).to_json(),
    "seed": 5,
    "systems": ["a", "b"],
    "prompts": 400,
    "graded": N,
    "stopped": True,
    "range": [0.0, 1.0],
    "order": ORDER,
}


def run(model: str, met: list[int], until: dict[str, object] | None = UNTIL) -> Run:
    """Four criteria of one point; so many of them met on prompt after prompt."""
    rubric = [{"criterion": f"c{n}", "points": 1} for n in range(4)]
    graded = []
    for at, n_met in enumerate(met):
        row = {"prompt_id": f"p{at}", "prompt": f"question {at}", "rubrics": rubric}
        example = example_from_row(row, where="row")
        verdicts = tuple(Verdict.of(n < n_met) for n in range(4))
        graded.append(GradedAnswer(example, "words", verdicts))
    facts = {} if until is None else {"config": {"until": until}}
    return Run(model, "", "task", tuple(graded), facts=RunFacts(**facts))


A = run("a", [3 + at % 2 for at in range(N)])
B = run("b", [1 + (at // 2) % 2 for at in range(N)])


def test_differences_and_scores_have_wider_intervals_and_no_p():
    found = compare_runs([A, B])
    fixed = compare_runs([run("a", [3 + at % 2 for at in range(N)], None),
                          run("b", [1 + (at // 2) % 2 for at in range(N)], None)])  # fmt: skip
    assert fixed.stopping is None
    [pair], [narrow] = found.pairs, fixed.pairs
    assert pair.difference.interval.low < narrow.difference.interval.low
    assert pair.difference.interval.high > narrow.difference.interval.high
    assert narrow.p_holm is not None
    assert (pair.p_holm, pair.difference.p_value, pair.difference.detectable) == (None,) * 3
    assert {one.change.interval.why for one in pair.passes} == {NO_INTERVAL}
    for mine, other in zip(found.results, fixed.results, strict=True):
        assert mine.score == other.score
        assert mine.interval.low < other.interval.low
        assert mine.metrics["interval"] == mine.interval.ends


def test_it_is_said_where_grading_stopped_and_what_was_decided():
    found = compare_runs([A, B])
    assert found.stopping is not None
    [pair] = found.stopping.pairs
    assert pair.found.decision is Decision.HIGHER
    assert 10 <= pair.found.n < N
    assert "Grading stopped after 60 of 400 prompts: decided." in found.notes
    assert any("decided after" in note for note in found.notes)
    told = comparison_json(found)["stopping"]
    assert (told["n_graded"], told["n_prompts"], told["is_stopped"]) == (N, 400, True)
    json.dumps(told, allow_nan=False)
    page = render_page(found, command="c")
    assert page.count("Grading stopped after 60 of 400 prompts") == 1
    # it is a note, and no warning
    assert page.index('id="stopped"') < page.index("Grading stopped")
    assert "differences are anytime-valid" in page


def test_the_decision_follows_the_order_of_grading_not_of_the_file():
    # in the file's order the first half says nothing; in another one the difference comes first
    met = [4] * 30 + [2] * 30
    late = dict(UNTIL, order=[f"p{at}" for at in range(N)])
    early = dict(UNTIL, order=[f"p{at}" for at in reversed(range(N))])
    other = [4] * 30 + [0] * 30
    needed = []
    for until in (late, early):
        found = compare_runs([run("a", met, until), run("b", other, until)])
        assert found.stopping is not None
        needed.append(found.stopping.pairs[0].found.n_looked)
    assert needed[0] > 30 > needed[1]


def test_until_asks_it_of_any_runs():
    plain = [run(one.model, met, None) for one, met in ((A, [4, 3] * 30), (B, [1, 2] * 30))]
    found = compare_runs(plain, until=StopRule(0.99))
    assert found.stopping is not None
    assert found.stopping.pairs[0].found.decision is Decision.HIGHER
    assert not found.stopping.is_stopped
    assert not any("Grading stopped" in note for note in found.notes)
    assert "99" in " ".join(found.notes)


def test_a_pair_of_three_graded_models_keeps_its_third_of_the_risk():
    needed = []
    for systems in (["a", "b"], ["a", "b", "c"]):
        until = dict(UNTIL, systems=systems)
        found = compare_runs([run("a", [3] * N, until), run("b", [2] * N, until)])
        assert found.stopping is not None
        needed.append(found.stopping.pairs[0].found.n)
    assert needed[0] < needed[1]


@pytest.mark.parametrize("until", [{"order": 3, "range": "x", "systems": 1, "level": "y"}, {}])
def test_facts_that_are_none_do_no_harm(until):
    broken = {**until, "stopped": "yes"}
    found = compare_runs([run("a", [3] * N, broken), run("b", [1] * N, broken)])
    assert found.pairs[0].difference.interval.low is not None


def test_a_score_alone_allows_for_the_looks_too():
    interval = score_interval([A])
    assert interval is not None and interval.low is not None and interval.high is not None
    plain = compare_runs([run("a", [3 + at % 2 for at in range(N)], None)]).results[0].interval
    assert interval.low < plain.low < plain.high < interval.high
    assert score_interval([run("a", [3] * N, None)]) is None
    assert stop_words([A, B]).startswith("Grading stopped after 60 of 400 prompts: decided")
    assert stop_words([run("a", [3], None)]) == ""


def test_a_run_that_was_cut_short_says_how_to_go_on():
    cut = {**UNTIL, "stopped": False}
    said = "Grading was cut short after 60 of 400 prompts, before it was decided: the same command"
    assert stop_words([run("a", [3] * N, cut)]).startswith(said)
    notes = compare_runs([run("a", [3] * N, cut), run("b", [1] * N, cut)]).notes
    assert any(note.startswith(said) for note in notes)
    # all prompts are graded, and the rule did not end it: nothing is left to ask
    whole = {**cut, "graded": 400}
    assert stop_words([run("a", [3] * N, whole)]) == ""


def test_the_interval_of_a_score_lies_around_it_where_prompts_have_unequal_numbers_of_answers():
    # 40 prompts at 3/4, one of them with 200 more answers at 0: the score is 40 * .75 / 240
    often = run("a", [3] * 40)
    more = run("a", [0]).graded * 200
    one = replace(often, graded=(*often.graded, *more))
    interval = score_interval([one])
    assert interval is not None and interval.low is not None and interval.high is not None
    assert interval.value == pytest.approx(0.125)
    assert interval.low <= 0.125 <= interval.high
    [shown] = compare_runs([one]).results
    assert shown.interval.high == pytest.approx(interval.high)


def test_compare_refuses_a_level_that_is_none(capsys, tmp_path):
    assert main(["compare", str(tmp_path), "--until", "95"]) == 2
    assert "such as 0.95" in capsys.readouterr().err


def test_runs_of_different_orders_are_warned_of_and_beginnings_of_one_are_not():
    longer = dict(UNTIL, order=ORDER[::-1])
    found = compare_runs([A, run("b", [1] * N, longer)])
    assert any("different orders" in note for note in found.notes)
    shorter = dict(UNTIL, order=ORDER[:20])
    assert not any("orders" in note for note in compare_runs([A, run("b", [1] * N, shorter)]).notes)


def test_a_run_that_stopped_at_a_width_says_so_whatever_compare_asks():
    width = dict(UNTIL, level=None, width=0.5, systems=["a"])
    found = compare_runs([run("a", [3] * N, width)], until=StopRule())
    assert "Grading stopped after 60 of 400 prompts: narrow enough." in found.notes


def test_a_stopped_run_adds_nothing_beside_a_whole_one_of_the_same_judge_and_answers():
    def by(judge: str, one: Run, label: str) -> Run:
        return replace(one, label=label, facts=replace(one.facts, judge={"digest": judge}))

    met = {"a": [3 + at % 2 for at in range(2 * N)], "b": [1 + at // 2 % 2 for at in range(2 * N)]}
    whole = [by("d", run(name, values, None), "whole") for name, values in met.items()]
    part = [by("d", run(name, values[:N]), "stopped") for name, values in met.items()]
    found = compare_runs([*whole, *part])
    alone = compare_runs(whole)
    assert found.stopping is None
    assert (stop_words(whole + part), bool(stop_words(part))) == ("", True)
    assert [one.n_runs for one in found.results] == [1, 1]
    assert found.pairs == alone.pairs
    assert (
        sum("a run that was not stopped early has the same answers" in n for n in found.notes) == 2
    )
    # of another judge it is no part of the whole run
    others = [by("e", one, "stopped") for one in part]
    both = compare_runs([*whole, *others], allow_different=True)
    assert [one.n_runs for one in both.results] == [2, 2]
