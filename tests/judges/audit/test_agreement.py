"""Agreement figures against hand-worked counts, a published example and stored results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.agreement import (
    Confusion,
    auroc,
    auroc_without,
    calibration,
    each_against_the_others,
    krippendorff_alpha,
    pairs_within_criteria,
)
from rubricbeat.judges.audit.judge_audit import audit_judge, flip_rate_of
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.estimates import Estimate
from rubricbeat.judges.verdict import Outcome, Verdict

pytestmark = pytest.mark.border


def example(prompt_id: str = "p", n_criteria: int = 1) -> Example:
    criteria = tuple(
        Criterion(f"c{i}", 1.0, Polarity.DESIRABLE, ("axis:accuracy",)) for i in range(n_criteria)
    )
    return Example(prompt_id, (Message("user", "?"),), Rubric(criteria))


def audited(rows: list[tuple[str, bool | None, list[tuple[bool, str]]]]) -> AuditTable:
    """One question a row: prompt, verdict, labels with their raters."""
    labelled, graded = [], []
    for number, (prompt, met, labels) in enumerate(rows):
        case = example(prompt)
        verdict = Verdict(Outcome.REFUSED) if met is None else Verdict.of(met)
        text = "x" * (number + 1)
        labelled.append(LabelledAnswer(case, text, (tuple(Label(m, r) for m, r in labels),)))
        graded.append(GradedAnswer(case, text, (verdict,)))
    return AuditTable.of(labelled, graded)


def confusion(tp: float, fp: float, fn: float, tn: float) -> Confusion:
    return Confusion(np.array([tp, fp, fn, tn], dtype=float))


def test_balanced_f1_is_the_mean_of_both_classes() -> None:
    # 3 tp, 1 fp, 2 fn, 4 tn: F1 met 6/9, F1 not met 8/11
    figures = confusion(3, 1, 2, 4).to_json()
    assert figures["f1_met"] == pytest.approx(6 / 9, abs=1e-12)
    assert figures["f1_not_met"] == pytest.approx(8 / 11, abs=1e-12)
    assert figures["balanced_f1"] == pytest.approx((6 / 9 + 8 / 11) / 2, abs=1e-12)
    assert figures["sensitivity"] == pytest.approx(3 / 5)
    assert figures["specificity"] == pytest.approx(4 / 5)
    # observed 7/10; expected (4 * 5 + 6 * 5) / 100 = 1/2
    assert figures["kappa"] == pytest.approx((0.7 - 0.5) / 0.5)


def test_an_undefined_figure_is_none_and_never_zero() -> None:
    figures = confusion(0, 0, 0, 5).to_json()
    assert figures["sensitivity"] is None
    assert figures["balanced_f1"] is None
    assert figures["specificity"] == 1.0


def test_every_pair_of_judge_and_label_counts_once_and_a_missing_verdict_not_at_all() -> None:
    table = audited(
        [
            ("a", True, [(True, "r1"), (False, "r2")]),
            ("b", False, [(False, "r1"), (False, "r2"), (True, "r3")]),
            ("c", None, [(True, "r1")]),
        ]
    )
    found = audit_judge(table).judge
    assert found.counts == {"tp": 1, "fp": 1, "fn": 1, "tn": 2}
    assert (found.n_questions, found.n_pairs, found.n_without_verdict) == (3, 5, 1)


def test_stored_agreement_of_the_llama_judges_is_reproduced(shared_data: Path) -> None:
    stored = json.loads((shared_data / "meta" / "meta_eval_llama_metrics.json").read_text())
    expected = {"llama-3.1-8b": 0.542969, "llama-3.1-70b": 0.658054, "llama-3.3-70b": 0.633010}
    checked = 0
    for judge, result in stored.items():
        lists = result["metadata"]["model_agreement_metrics"]
        prefixes = {key.partition("pairwise_model")[0] for key in lists}
        for prefix in prefixes:
            found = _counts(lists, f"{prefix}pairwise_model_")
            if found is None:
                continue
            ours = found.to_json()
            for name, stored_name in (
                ("balanced_f1", "f1_balanced"), ("f1_met", "f1_pos"), ("f1_not_met", "f1_neg"),
                ("sensitivity", "recall_pos"), ("specificity", "recall_neg"),
            ):  # fmt: skip
                value = result["metrics"].get(f"{prefix}pairwise_model_{stored_name}")
                if value is not None and ours[name] is not None:
                    assert ours[name] == pytest.approx(value, abs=1e-9), (judge, prefix, name)
                    checked += 1
            if not prefix and judge in expected:
                assert ours["balanced_f1"] == pytest.approx(expected[judge], abs=1e-6)
    assert checked > 100


def _counts(lists: dict, prefix: str) -> Confusion | None:
    """Rebuild the four counts from precision and the number of judge verdicts of each class."""
    met, not_met = lists.get(f"{prefix}precision_pos"), lists.get(f"{prefix}precision_neg")
    if met is None or not_met is None:
        return None
    tp, tn = met["n"] * met["value"], not_met["n"] * not_met["value"]
    return confusion(tp, met["n"] - tp, not_met["n"] - tn, tn)


def test_stored_macro_f1_of_two_judges_is_reproduced(shared_data: Path) -> None:
    path = shared_data / "meta" / "meta_eval_29511_two_judges_by_category.json"
    for judge, result in json.loads(path.read_text()).items():
        ours = confusion(**result["overall_counts"]).to_json()["balanced_f1"]
        assert ours == pytest.approx(result["macro_f1_majority"], abs=5e-4), judge


def test_alpha_is_that_of_krippendorffs_binary_example() -> None:
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section A: alpha = 0.095
    first = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 0])
    second = np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
    alpha = krippendorff_alpha(np.stack([first + second, 2.0 - first - second], axis=1))
    assert alpha == pytest.approx(0.095, abs=5e-4)


def test_a_single_label_says_nothing_of_agreement_among_raters() -> None:
    assert np.isnan(krippendorff_alpha(np.array([[1.0, 0.0], [0.0, 1.0]])))


def test_each_physician_is_scored_on_the_labels_of_the_others() -> None:
    table = audited(
        [
            ("a", True, [(True, "ann"), (True, "bo")]),
            ("b", False, [(True, "ann"), (False, "bo")]),
            ("c", True, [(False, "ann"), (False, "bo")]),
        ]
    )
    ann, bo = each_against_the_others(table)
    # ann says 1 1 0 where bo says 1 0 0: one right met, one wrong met, one right not met
    assert ann.physician_f1 == pytest.approx((2 / 3 + 2 / 3) / 2)
    # the judge says 1 0 1 where bo says 1 0 0: the same counts
    assert ann.judge_f1 == pytest.approx((2 / 3 + 2 / 3) / 2)
    # the judge says 1 0 1 where ann says 1 1 0: F1 met 1/2, F1 not met 0
    assert bo.judge_f1 == pytest.approx(0.25)
    assert (ann.n_pairs, bo.n_pairs) == (3, 3)


def test_pairwise_accuracy_counts_pairs_of_one_criterion_alone_and_ties_half() -> None:
    score = np.array([0.9, 0.2, 0.5, 0.5, 0.1, 0.7])
    met = np.array([True, False, True, False, True, False])
    criterion = np.array([0, 0, 1, 1, 2, 3])
    prompt = np.array([0, 0, 1, 1, 2, 2])
    pairs = pairs_within_criteria(score, met, criterion, prompt, 3)
    # criterion 0 right, criterion 1 a tie, criteria 2 and 3 hold one class each
    assert pairs.right_P.tolist() == [1.0, 0.5, 0.0]
    assert pairs.n_P.tolist() == [1.0, 1.0, 0.0]


def test_pairwise_accuracy_equals_counting_every_pair() -> None:
    rng = np.random.default_rng(5)
    score = rng.integers(0, 6, 400) / 5
    score[rng.random(400) < 0.05] = np.nan
    met, criterion = rng.random(400) < 0.4, rng.integers(0, 40, 400)
    pairs = pairs_within_criteria(score, met, criterion, criterion // 4, 10)
    right = n = 0.0
    for i in range(400):
        for j in range(400):
            comparable = criterion[i] == criterion[j] and met[i] and not met[j]
            if comparable and not np.isnan(score[i]) and not np.isnan(score[j]):
                right += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
                n += 1
    assert pairs.right_P.sum() == pytest.approx(right)
    assert pairs.n_P.sum() == n


def test_what_raters_tie_on_is_neither_met_nor_not_met_when_answers_are_ranked() -> None:
    rows = [
        ("p", True, [(True, "a"), (True, "b")]),
        ("p", True, [(True, "a"), (False, "b")]),
        ("p", False, [(False, "a"), (False, "b")]),
    ]
    judge = audit_judge(audited(rows)).judge
    assert judge.n_answer_pairs == 1
    assert (judge.figures["pairwise"].value, judge.figures["auroc"].value) == (1.0, 1.0)


def test_auroc_by_hand_and_without_each_prompt() -> None:
    # met .8 and .3 against not met .5 and .3: right 1 1 0 1/2 of 4
    score, met = np.array([0.8, 0.3, 0.5, 0.3]), np.array([True, True, False, False])
    assert auroc(score, met) == pytest.approx(2.5 / 4)
    # without the first question .3 stands against .5 and .3; without the last two none is not met
    without = auroc_without(score, met, np.array([0, 1, 2, 2]), 3)
    assert without == pytest.approx([0.25, 1.0, np.nan], nan_ok=True)
    assert np.isnan(auroc(score, np.ones(4, bool)))


def test_calibration_by_hand() -> None:
    found = calibration(np.array([0.95, 0.95, 0.15, np.nan]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert found is not None
    assert found.n == 3
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.15**2) / 3)
    # bin .9-1: stated .95, observed .5, two of three; bin .1-.2: gap .15, one of three
    assert found.ece == pytest.approx((2 * 0.45 + 0.15) / 3)
    assert calibration(np.array([np.nan]), np.array([1.0])) is None


def test_baselines_do_not_look_at_the_answer() -> None:
    rng = np.random.default_rng(2)
    rows = [
        (f"p{i // 4}", bool(rng.random() < 0.5), [(bool(rng.random() < 0.6), "")])
        for i in range(200)
    ]
    found = audit_judge(audited(rows))
    for name in ("majority", "category_rate"):
        assert found.baselines[name].figures["pairwise"].value == 0.5


def test_a_category_that_says_nothing_does_not_order_prompts_the_wrong_way_round() -> None:
    # one category, prompts that differ: leaving out the own prompt alone gives an AUROC of .22
    rng = np.random.default_rng(3)
    chance = np.repeat(rng.beta(1.5, 2, 200), 10)
    rows = [(f"p{i // 10}", None, [(bool(rng.random() < chance[i]), "")]) for i in range(2000)]
    rate = audit_judge(audited(rows)).baselines["category_rate"]
    assert rate.figures["auroc"].value == pytest.approx(0.5, abs=0.05)


def test_the_flip_rate_counts_questions_with_both_verdicts_and_knows_their_prompts() -> None:
    def twice(prompt_id: str, first: list[bool | None], second: list[bool | None]) -> GradedAnswer:
        said, again = (
            tuple(Verdict(Outcome.REFUSED) if met is None else Verdict.of(met) for met in row)
            for row in (first, second)
        )
        return GradedAnswer(example(prompt_id, len(first)), "x", said, replicates=(again,))

    pair = [twice("a", [True, True, None], [True, False, True]), twice("b", [True], [None])]
    # two questions have both verdicts, one of them flips; two prompts carry no interval
    assert flip_rate_of(pair) == Estimate(0.5, None, None, "n < 10: no interval")
    # every second of 20 prompts flips whole: the error of a half in 20 prompts, not in 100
    whole = [twice(str(n), [True] * 5, [n % 2 == 0] * 5) for n in range(20)]
    rate = flip_rate_of(whole)
    assert rate.value == 0.5
    assert rate.high - rate.low == pytest.approx(2 * 2.09 * 0.5 / 20**0.5, rel=0.15)
    once = [GradedAnswer(example("a"), "x", (Verdict.of(True),))]
    assert flip_rate_of(once).value is None
    assert flip_rate_of([]).value is None


def test_without_labels_of_both_kinds_no_figure_of_both_is_given() -> None:
    # a judge that calls 36 criteria met of which none is: F1 of 0 stood beside "not defined"
    figures = confusion(0, 36, 0, 0).plain_figures()
    assert (figures["balanced_f1"], figures["kappa"]) == (None, None)
    assert figures["specificity"] == 0.0
