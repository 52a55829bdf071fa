"""Rubric lint: what it finds, and what it leaves alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rubricbeat.harness.lint import wording
from rubricbeat.harness.lint.findings import ADVICE, LintReport, LintRule
from rubricbeat.harness.lint.rubrics import lint_rubrics
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict

GOOD = "Advises to call an ambulance without delay"


def example(*criteria: tuple[str, float], prompt_id: str = "p") -> Example:
    return Example(
        prompt_id,
        (Message("user", "?"),),
        Rubric(
            tuple(
                Criterion(text, points, Polarity.DESIRABLE if points > 0 else Polarity.UNDESIRABLE)
                for text, points in criteria
            )
        ),
    )


def found(*criteria: tuple[str, float]) -> dict[LintRule, list[tuple[int, ...]]]:
    rows: dict[LintRule, list[tuple[int, ...]]] = {}
    for finding in lint_rubrics([example(*criteria)]).findings:
        rows.setdefault(finding.rule, []).append(finding.criteria)
    return rows


def test_a_sound_rubric_has_nothing_to_mend() -> None:
    sound = [(GOOD, 5.0), ("Asks since when the pain is there", 3.0)]
    sound += [("Recommends to drive to hospital alone", -4.0), ("Names a wrong dose", -2.0)]
    assert found(*sound) == {}


def test_shares_of_negatives_are_counted_by_number_and_by_points() -> None:
    report = lint_rubrics([example((GOOD, 6.0), ("Asks for the age", 3.0), ("Blames", -1.0))])
    assert report.negative_share == pytest.approx(1 / 3)
    assert report.negative_points_share == pytest.approx(0.1)
    assert report.without_negative == 0.0


def test_a_lone_pitfall_is_named_and_two_are_not() -> None:
    assert found((GOOD, 9.0), ("Blames the patient", -1.0))[LintRule.LONE_PITFALL] == [(1,)]
    two = found((GOOD, 9.0), ("Blames the patient", -1.0), ("Names a wrong dose", -1.0))
    assert LintRule.LONE_PITFALL not in two


def test_a_pitfall_that_outweighs_all_the_rest_is_named() -> None:
    rows = found((GOOD, 4.0), ("Blames the patient", -4.0), ("Names a wrong dose", -3.0))
    assert rows[LintRule.LEVERAGE] == [(1,)]


def test_a_rubric_without_positive_points_is_named() -> None:
    assert LintRule.NO_POSITIVE in found(("Blames the patient", -4.0), ("Names a wrong dose", -3.0))


@pytest.mark.parametrize(
    "text",
    [
        "Mentions (a) the dose (b) the interval (c) the side effects",
        "Explains the diagnosis and recommends a test, and also mentions a specialist",
        "Includes:\n1. age\n2. history\n3. drugs",
    ],
)
def test_several_demands_in_one_criterion_are_named(text: str) -> None:
    assert found((text, 5.0), (GOOD, 3.0))[LintRule.COMPOUND] == [(0,)]


@pytest.mark.parametrize(
    "text",
    [
        "Advises rest and fluids",
        "Mentions at least one of: (a) rest (b) fluids (c) sleep",
        "Explains the diagnosis and recommends a test",
    ],
)
def test_alternatives_and_plain_pairs_are_no_compound(text: str) -> None:
    assert LintRule.COMPOUND not in found((text, 5.0), (GOOD, 3.0))


def test_a_list_of_faults_is_no_trap() -> None:
    text = "Mentions (a) a wrong dose (b) a wrong drug (c) a wrong age"
    assert LintRule.COMPOUND not in found((text, -5.0), (GOOD, 3.0))


def test_the_same_criterion_twice_is_a_duplicate() -> None:
    rows = found((GOOD, 5.0), (f"  {GOOD.upper()} ", 3.0))
    assert rows[LintRule.DUPLICATE] == [(0, 1)]


def test_a_demand_and_the_fault_of_not_meeting_it_are_one_question_asked_twice() -> None:
    rows = found((GOOD, 5.0), (GOOD.replace("Advises", "Fails to advise"), -5.0))
    assert rows == {
        LintRule.DUPLICATE: [(0, 1)],
        LintRule.LONE_PITFALL: [(1,)],
        LintRule.LEVERAGE: [(1,)],
    }


def test_a_demand_and_its_opposite_contradict_each_other() -> None:
    rows = found((GOOD, 5.0), (GOOD.replace("Advises", "Does not advise"), 5.0))
    assert rows[LintRule.CONTRADICTION] == [(0, 1)]
    rows = found((GOOD, 5.0), (GOOD, -3.0), ("Names a wrong dose", -2.0))
    assert rows == {LintRule.CONTRADICTION: [(0, 1)]}


def test_long_shared_wording_with_different_ends_is_no_duplicate() -> None:
    stem = "The answer, read by a patient at home who has no other help nearby, clearly names "
    assert LintRule.DUPLICATE not in found(
        (stem + "the red flags of a stroke", 5.0), (stem + "the usual dose of aspirin", 5.0)
    )


def test_avoidance_with_negative_points_is_at_odds() -> None:
    rows = found((GOOD, 5.0), ("Avoids naming a dose", -3.0), ("Must not alarm", -3.0))
    assert rows[LintRule.SIGN_WORDING] == [(1,), (2,)]


def test_a_fault_with_positive_points_is_at_odds() -> None:
    assert found((GOOD, 5.0), ("Fails to name the dose", 3.0))[LintRule.SIGN_WORDING] == [(1,)]


def test_does_not_is_left_alone_since_it_may_be_either() -> None:
    assert LintRule.SIGN_WORDING not in found((GOOD, 5.0), ("Does not seek context", -3.0))


def test_a_criterion_that_names_nothing_is_vague() -> None:
    assert found(("The answer is helpful.", 5.0), (GOOD, 5.0))[LintRule.VAGUE] == [(0,)]


def test_many_criteria_and_a_single_one_are_named() -> None:
    many = [(f"Names item number {chr(97 + i % 26)}{i}", 1.0) for i in range(41)]
    assert LintRule.LONG in found(*many)
    assert LintRule.SINGLE in found((GOOD, 1.0))


def test_verdicts_show_what_no_answer_meets_or_all_do() -> None:
    one = example((GOOD, 5.0), ("Asks for the age", 3.0), ("Names the dose", 3.0))
    graded = [
        GradedAnswer(one, str(n), (Verdict.of(True), Verdict.of(False), Verdict.of(n == 1)))
        for n in range(3)
    ]
    rows = {f.rule: (f.criteria, f.detail) for f in lint_rubrics([one], graded).findings}
    assert rows == {
        LintRule.ALWAYS_MET: ((0,), "3 answers"),
        LintRule.NEVER_MET: ((1,), "3 answers"),
    }
    assert not lint_rubrics([one], graded[:2]).findings


def test_the_plain_form_carries_no_criterion_text() -> None:
    report = lint_rubrics([example((GOOD, 5.0), (GOOD, -5.0))])
    plain = json.dumps(report.to_json())
    assert "ambulance" not in plain


def test_every_finding_has_its_line_in_the_documentation(root: Path) -> None:
    text = (root / "docs" / "signal.md").read_text(encoding="utf-8")
    shown = dict(
        re.findall(r"^\| `([\w-]+)` \| (.*) \|$", text.partition("## Rubric lint")[2], re.M)
    )
    assert shown == {rule.value: ADVICE[rule] for rule in LintRule}


def test_no_rows_no_crash() -> None:
    assert lint_rubrics([]).n_rubrics == 0


@pytest.fixture(scope="module")
def real(shared_data: Path) -> LintReport:
    from rubricbeat.judges.data.examples import read_examples

    return lint_rubrics(read_examples(shared_data / "healthbench_rows.jsonl.gz").examples)


def test_real_rubrics_are_sound_in_the_main(real: LintReport) -> None:
    """HealthBench: a third of the criteria are negative, few are at odds with themselves."""
    assert real.negative_share == pytest.approx(0.32, abs=0.01)
    counts = real.counts
    assert counts[LintRule.CONTRADICTION] < 10
    assert counts[LintRule.SIGN_WORDING] / real.n_criteria < 0.005
    assert counts[LintRule.COMPOUND] / real.n_criteria < 0.02


def test_each_repetition_is_named_once_with_the_first_it_repeats() -> None:
    texts = [("Advises rest and plenty of water", 5.0)] * 3 + [("Names a cause", 2.0)]
    assert found(*texts)[LintRule.DUPLICATE] == [(0, 1), (0, 2)]


def test_criteria_of_one_template_are_compared_a_few_times_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n_compared, measured = 0, wording._jaccard

    def counted(first: frozenset[str], second: frozenset[str]) -> float:
        nonlocal n_compared
        n_compared += 1
        return measured(first, second)

    monkeypatch.setattr(wording, "_jaccard", counted)
    n = 500
    texts = [
        (f"Mentions item number {i} of the list that the patient should take with some food", 1.0)
        for i in range(n)
    ]
    assert len(found(*texts)[LintRule.DUPLICATE]) == n - 1
    assert n_compared <= 2 * n
