from __future__ import annotations

import gzip
import json
import math
import random
import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from report_kit import example, graded, judge, run

from rubricbeat.harness.tables.score import pooled
from rubricbeat.judges.errors import ConfigError, UnknownNameError
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.notes import length_gains, length_order
from rubricbeat.reports.pages.comparison_page import comparison_json
from rubricbeat.reports.pages.runs_page import group_runs

pytestmark = pytest.mark.border

POINTS = (5, 3, -2)
# scores over P = 8: "110" 1, "100" 5/8, "000" 0, "001" -2/8, "111" 6/8


def three_prompts(verdicts):
    return [graded(v, example(f"p{n}", POINTS)) for n, v in enumerate(verdicts)]


def compare(*runs, **options):
    return compare_runs(list(runs), n_draws=300, **options)


def test_a_pair_is_worked_by_hand():
    a = run("a", three_prompts(["110", "100", "000"]))
    b = run("b", three_prompts(["100", "100", "001"]))
    comparison = compare(a, b)
    [pair] = comparison.pairs
    assert (pair.this, pair.other) == ("a", "b")
    found = pair.difference
    # gaps 3/8, 0, 2/8
    assert found.mean == pytest.approx(5 / 24)
    assert (found.n, found.n_better, found.n_equal, found.n_worse) == (3, 2, 1, 0)
    by_name = {r.name: r for r in comparison.results}
    assert by_name["a"].score == pytest.approx(13 / 24)
    assert by_name["b"].score == pytest.approx(1 / 3)
    assert by_name["b"].n_scored == by_name["b"].n_asked == 3


def test_the_baseline_turns_the_pair_round_and_comes_first():
    a = run("a", three_prompts(["110", "100", "000"]))
    b = run("b", three_prompts(["100", "100", "001"]))
    comparison = compare(a, b, baseline="a")
    assert [r.name for r in comparison.results] == ["a", "b"]
    [pair] = comparison.pairs
    assert (pair.this, pair.other) == ("b", "a")
    assert pair.difference.mean == pytest.approx(-5 / 24)


def test_runs_of_one_model_are_repeats_and_not_more_prompts():
    once = [run("a", three_prompts(["110", "100", "000"])), run("b", three_prompts(["100"] * 3))]
    again = [
        run(
            m.model,
            [
                graded(m_v, g.example, answer=f"take {n}")
                for g, m_v in zip(m.graded, v, strict=True)
            ],
            label=str(n),
        )
        for m, v in ((once[0], ["110", "100", "000"]), (once[1], ["100"] * 3))
        for n in range(5)
    ]
    first, second = compare(*once), compare(*again)
    for name in ("mean", "standard_error", "p_value", "n", "interval", "detectable"):
        assert getattr(first.pairs[0].difference, name) == getattr(second.pairs[0].difference, name)
    assert first.results[0].standard_error == pytest.approx(second.results[0].standard_error)
    assert second.results[0].n_asked == 15
    assert second.results[0].n_runs == 5


def test_a_run_given_twice_counts_once():
    made = run("a", three_prompts(["110", "100", "000"]))
    assert compare(made, made).results[0].n_asked == 3


def test_repeats_that_are_copies_or_not_alike_are_noted():
    first = run("a", three_prompts(["110", "100", "000"]), label="1")
    facts = {"generation": {"temperature": 1.0, "seed": 7}}
    other = {"generation": {"temperature": 0.0, "seed": 8}}
    copied = [run("a", first.graded, label=str(n), facts=facts) for n in range(3)]
    notes = compare(*copied).notes
    assert any("on 3 of the 3 prompts" in note and "add no information" in note for note in notes)
    assert not any("differ in" in note for note in notes)
    uneven = compare(copied[0], run("a", first.graded, label="x", facts=other)).notes
    assert any("they differ in temperature" in note for note in uneven)


def test_an_answer_without_a_score_is_left_out_and_counted():
    a = run("a", [*three_prompts(["110", "100"]), graded("uuu", example("p9", POINTS))])
    b = run("b", [*three_prompts(["100", "100"]), graded("110", example("p9", POINTS))])
    comparison = compare(a, b)
    assert comparison.pairs[0].difference.n == 2
    by_name = {r.name: r for r in comparison.results}
    assert (by_name["a"].n_scored, by_name["a"].n_asked) == (2, 3)
    assert by_name["a"].low < by_name["a"].score < by_name["a"].high
    assert any("excluded, not counted as 0" in note for note in comparison.notes)


def test_a_model_that_wrote_nothing_is_a_warning():
    def answered(*texts):
        made = [graded("110", example(f"p{n}", (5, 3, -2)), answer=t) for n, t in enumerate(texts)]
        return [note for note in compare(run("m", made)).notes if "empty" in note]

    assert answered("a", "", "b", " ") == []
    [note] = answered("a", "", "\n", " ")
    assert note.startswith("3 of 4 answers of m are empty")


def test_three_models_give_all_pairs_and_holm_corrects_them():
    generator = random.Random(1)
    runs = [
        run(name, three_prompts([generator.choice(["110", "100", "000"]) for _ in range(30)]))
        for name in "abc"
    ]
    comparison = compare(*runs)
    assert len(comparison.pairs) == 3
    for pair in comparison.pairs:
        assert pair.p_holm >= pair.difference.p_value
    assert len(compare(*runs, baseline="b").pairs) == 2


def test_many_models_are_compared_with_the_best_alone_unless_all_pairs_are_asked_for():
    generator = random.Random(1)
    runs = [
        run(f"m{n}", three_prompts([generator.choice(["110", "100", "000"]) for _ in range(12)]))
        for n in range(31)
    ]
    comparison = compare(*runs)
    best = comparison.results[0].name
    assert {pair.this for pair in comparison.pairs} == {best}
    assert (len(comparison.pairs), comparison.n_tested) == (30, 465)  # 31 x 30 / 2
    assert any("31 models have 465 pairs" in note for note in comparison.notes)
    smallest = min(comparison.pairs, key=lambda pair: pair.difference.p_value)
    assert smallest.p_holm == pytest.approx(min(1, 465 * smallest.difference.p_value))
    assert len(compare(*runs, all_pairs=True).pairs) == 465
    few = compare(*runs[:30])
    assert (len(few.pairs), few.n_tested) == (435, 435)  # 30 x 29 / 2
    assert not any("pairs" in note for note in few.notes)


@pytest.mark.parametrize(
    ("of_b", "facts", "message"),
    [
        (
            ["p0", "p1", "p3"],
            {"data": {"sha256": "e" * 64}},
            r"different data files: .*; row p2 \('May I run .*\) has another rubric or id",
        ),
        (["p0", "p1", "p2"], {"judge": judge("b" * 64)}, "different judges"),
    ],
)
def test_what_is_not_comparable_is_refused_unless_told_to_go_on(of_b, facts, message):
    a = run("a", three_prompts(["110", "100", "000"]))
    b = run("b", [graded("100", example(each, POINTS)) for each in of_b], facts=facts)
    with pytest.raises(ConfigError, match=message):
        compare(a, b)
    comparison = compare(a, b, allow_different=True)
    assert any(re.search(message, problem) for problem in comparison.problems)


def test_two_files_that_carry_the_answers_to_the_same_rows_are_one_data():
    other = {"data": {"sha256": "e" * 64, "path": "b.csv"}}
    a = run("a", three_prompts(["110", "100", "000"]))
    b = run("b", three_prompts(["100", "100", "001"]), facts=other)
    fewer = run("b", three_prompts(["100", "100"]), facts=other)
    assert compare(a, b).problems == compare(a, fewer).problems == ()
    assert compare(a, b).pairs[0].difference.mean == pytest.approx(5 / 24)
    again = run("a", three_prompts(["110", "100", "001"]), label="two", facts=other)
    assert [line.n_runs for line in pooled([a, again])] == [2]
    (group,) = group_runs([a, b])
    assert [row.model for row in group.rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (example("p1", POINTS, prompt="Is it far?"), r"row p1 \(.*\) has another prompt"),
        (example("p1", (5, 3, -1), prompt="1?"), r"row p1 \(.*\) has another rubric"),
        (example("p9", POINTS, prompt="Is it far?"), r"row p1 \(.*\) is in one of them alone"),
    ],
)
def test_the_row_in_which_data_files_differ_is_named(row, said):
    a = run("a", [graded("110", example(f"p{n}", POINTS, prompt=f"{n}?")) for n in range(2)])
    rows = [example("p0", POINTS, prompt="0?"), row]
    b = run("b", [graded("110", each) for each in rows], facts={"data": {"sha256": "e" * 64}})
    with pytest.raises(ConfigError, match=f"different data files: .*; {said}"):
        compare(a, b)
    assert [line.n_runs for line in pooled([a, replace(b, model="a")])] == [1, 1]
    assert len(group_runs([a, b])) == 2


def test_other_criteria_under_the_same_prompt_are_refused():
    a = run("a", three_prompts(["110"]))
    b = run("b", [graded("11", example("p0", (5, 3)))])
    with pytest.raises(ConfigError, match="1 prompts have other criteria"):
        compare(a, b)


def test_models_without_a_shared_prompt_are_refused():
    a = run("a", [graded("110", example("p0", POINTS))])
    b = run("b", [graded("110", example("p1", POINTS))])
    with pytest.raises(ConfigError, match=r"answered no prompt in common.*the same data"):
        compare(a, b)


def test_a_model_without_a_score_is_named_with_its_missing_verdicts_and_no_other_data_is_advised():
    a, b = run("a", three_prompts(["110"] * 3)), run("b", three_prompts(["uuu"] * 3))
    said = (
        r"b has no score, so it cannot be compared with a: 0 of 3 answers of b are scored, 9 of 9 "
        r"verdicts are missing \(9 x unparseable\); have the missing verdicts judged"
    )
    for runs, options in (((a, b), {}), ((b, a), {}), ((a, b), {"baseline": "b"})):
        with pytest.raises(ConfigError, match=said) as caught:
            compare(*runs, **options)
        assert "the same data" not in str(caught.value)


def test_models_scored_on_different_prompts_of_the_same_data_are_told_so():
    a, b = run("a", three_prompts(["110", "uuu"])), run("b", three_prompts(["uuu", "110"]))
    with pytest.raises(ConfigError, match="2 prompts in common and no score of both") as caught:
        compare(a, b)
    assert "1 of 2 answers of a are scored, 3 of 6 verdicts are missing" in str(caught.value)
    assert "the same data" not in str(caught.value)


def test_names_that_are_not_there_are_refused_with_the_near_ones():
    a, b = run("alpha", three_prompts(["110"])), run("beta", three_prompts(["110"]), task="other")
    with pytest.raises(UnknownNameError, match="did you mean 'alpha'"):
        compare(a, baseline="alpa")
    with pytest.raises(ConfigError, match=r"several tasks: made_up .*, other"):
        compare(a, b)
    assert [r.name for r in compare(a, b, task="other").results] == ["beta"]


def test_sanity_rows_stand_beside_the_models_and_never_among_them():
    model = run("m", three_prompts(["110", "100", "000"]))
    constant = run("baseline:constant", three_prompts(["111", "110", "100"]))
    reference = run("baseline:reference", three_prompts(["110", "110", "110"]))
    comparison = compare(model, constant, reference)
    assert [r.name for r in comparison.results] == ["m"]
    assert [r.name for r in comparison.sanity] == ["baseline:constant", "baseline:reference"]
    assert comparison.pairs == ()
    assert comparison.headline.text.startswith("m scores 0.542")
    # (6/8 + 1 + 5/8) / 3: a constant answer that beats the model is a fault, a reference is not
    assert "every prompt scores 0.792" in comparison.headline.detail
    [note] = [n for n in comparison.notes if "an answer without content" in n]
    assert note.startswith("baseline:constant scores 0.792, at least as high as m (0.542)")
    against = compare(model, constant, reference, baseline="baseline:constant")
    assert [p.other for p in against.pairs] == ["baseline:constant"]
    alone = compare(constant, reference, baseline="baseline:constant")
    assert [p.this for p in alone.pairs] == ["baseline:reference"]


def test_wins_are_counted_by_theme_and_over_all_prompts():
    themes = ["x", "x", "y", "y", "y"]
    of = [example(f"p{n}", POINTS, theme=theme) for n, theme in enumerate(themes)]
    a = run(
        "a", [graded(v, e) for v, e in zip(["110", "110", "110", "000", "100"], of, strict=True)]
    )
    b = run(
        "b", [graded(v, e) for v, e in zip(["100", "110", "000", "110", "100"], of, strict=True)]
    )
    wins = compare(a, b, baseline="b").wins
    assert (wins.this, wins.other) == ("a", "b")
    assert [(w.name, w.n_better, w.n_equal, w.n_worse) for w in wins.rows] == [
        ("All prompts", 2, 2, 1),
        ("x", 1, 1, 0),
        ("y", 1, 1, 1),
    ]
    assert compare(a).wins is None


def test_a_length_adjusted_score_above_the_score_is_said_and_another_order_is_a_warning():
    def answers(n_chars, n_met=5):
        """Ten answers, of which some have 1 and the others 0 of 1 point."""
        verdicts = ["1"] * n_met + ["0"] * (10 - n_met)
        return [graded(v, example(f"p{n}", (1,)), answer="x" * n_chars)
                for n, v in enumerate(verdicts)]  # fmt: skip

    # 1,000 characters short of 2,000: twice .0294 more than .5
    short, long = run("a", answers(1_000)), run("b", answers(3_000, 6))
    [note] = length_gains(compare(short).results)
    assert "the score of a:" in note and "no sign of better content" in note
    assert not list(length_gains(compare(long).results))
    # .5 + .0588 against .6 - .0588
    assert "b scores higher than a, and lower after" in next(
        length_order(compare(short, long).results)
    )
    assert not list(length_order(compare(short, run("b", answers(2_500, 6))).results))


def test_slices_are_worked_by_hand():
    # p0 has theme x, p1 theme y; criterion 0 and 2 are accuracy, 1 is completeness
    answers = [
        graded("100", example("p0", POINTS, theme="x")),
        graded("011", example("p1", POINTS, theme="y")),
    ]
    slices = {(s.kind, s.name): s for s in compare(run("a", answers)).slices}
    assert slices["theme", "x"].cells[0].score == pytest.approx(5 / 8)
    assert slices["theme", "y"].cells[0].score == pytest.approx(1 / 8)
    # accuracy: (5/5 + (0 - 2)/5) / 2 = .3; completeness: (0/3 + 3/3) / 2
    assert slices["axis", "accuracy"].cells[0].score == pytest.approx(0.3)
    assert slices["axis", "completeness"].cells[0].score == pytest.approx(0.5)
    # positive points: (5/8 + 3/8) / 2; negative: (0 + 2/2) / 2
    assert slices["sign", "positive points earned"].cells[0].score == pytest.approx(0.5)
    negative = slices["sign", "negative points triggered"]
    assert negative.cells[0].score == pytest.approx(0.5)
    assert negative.lower_is_better


def test_the_json_holds_no_nan_and_no_answer_text():
    a = run("a", [*three_prompts(["110", "1uu"]), graded("uuu", example("p9", POINTS))])
    text = json.dumps(comparison_json(compare(a)), allow_nan=False)
    assert "Rest first." not in text


# ---------- two recorded systems, five seeds each, against an independent computation ----------


@pytest.fixture(scope="module")
def recorded(shared_data):
    """Scores, by plain arithmetic on the rows, of two systems under five seeds each."""
    rubrics = {}
    with gzip.open(shared_data / "healthbench_rows.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            rubrics[row["prompt_id"]] = [rubric["points"] for rubric in row["rubrics"]]
    scores = {"baseline": defaultdict(list), "bodhi-v0.1.3": defaultdict(list)}
    ranges = {"baseline": defaultdict(list), "bodhi-v0.1.3": defaultdict(list)}
    lines = []
    path = shared_data / "judged" / "humbleai_hard_gpt41_judge.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if not row["run"].startswith("results-5-seeds-200rs-"):
                continue
            lines.append(line)
            points = rubrics[row["prompt_id"]]
            positive = sum(p for p in points if p > 0)
            negative = -sum(p for p in points if p < 0)
            earned = sum(p for p, met in zip(points, row["criteria_met"], strict=True) if met)
            scores[row["system"]][row["prompt_id"]].append(earned / positive)
            passed = (earned + negative) / (positive + negative) > 0.5
            ranges[row["system"]][row["prompt_id"]].append(passed)
    return lines, scores, ranges


@pytest.fixture(scope="module")
def recorded_comparison(recorded, shared_data, tmp_path_factory):
    from rubricbeat.harness.cli import main
    from rubricbeat.reports.results.reader import read_runs

    folder = tmp_path_factory.mktemp("recorded")
    judged = folder / "judged.jsonl"
    judged.write_text("".join(recorded[0]), encoding="utf-8")
    data = shared_data / "healthbench_rows.jsonl.gz"
    words = ["import", str(judged), "--data", str(data), "--output_path", str(folder / "out")]
    assert main([*words, "--model-from", "system"]) == 0
    return compare_runs(read_runs([folder / "out"]), baseline="baseline")


def test_ten_recorded_runs_are_two_models_of_five_runs(recorded_comparison):
    assert [(r.name, r.n_runs, r.n_asked) for r in recorded_comparison.results] == [
        ("baseline", 5, 1000),
        ("bodhi-v0.1.3", 5, 1000),
    ]
    assert not any(check.is_mismatch for check in recorded_comparison.stored)


def test_the_recorded_difference_agrees_with_an_independent_computation(
    recorded, recorded_comparison
):
    _, scores, _ = recorded
    base, other = scores["baseline"], scores["bodhi-v0.1.3"]
    shared = sorted(set(base) & set(other))
    gaps = [sum(other[p]) / len(other[p]) - sum(base[p]) / len(base[p]) for p in shared]
    mean = math.fsum(gaps) / len(gaps)
    error = math.sqrt(math.fsum((g - mean) ** 2 for g in gaps) / (len(gaps) - 1) / len(gaps))
    [pair] = recorded_comparison.pairs
    found = pair.difference
    assert (pair.this, pair.other, found.n) == ("bodhi-v0.1.3", "baseline", len(shared))
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.standard_error == pytest.approx(error, abs=1e-12)
    # fewer prompts than answers: repeats of a prompt are not counted as independent
    assert found.n < sum(len(base[p]) for p in shared)
    generator = np.random.default_rng(99)
    picks = generator.integers(0, len(gaps), (4000, len(gaps)))
    low, high = np.percentile(np.array(gaps)[picks].mean(axis=1), [2.5, 97.5])
    # both ends are themselves estimates from draws: a twentieth of the width is six of their errors
    assert found.interval.low == pytest.approx(low, abs=(high - low) / 20)
    assert found.interval.high == pytest.approx(high, abs=(high - low) / 20)
    from scipy.stats import norm

    assert found.detectable == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) * error, rel=0.01)


def test_the_recorded_pass_rates_agree_with_an_independent_computation(
    recorded, recorded_comparison
):
    from scipy.stats import ttest_1samp

    _, _, passed = recorded
    base, other = passed["baseline"], passed["bodhi-v0.1.3"]
    shared = sorted(set(base) & set(other))
    gaps = [np.mean(other[p]) - np.mean(base[p]) for p in shared]
    [pair] = recorded_comparison.pairs
    change = {c.rule: c for c in pair.passes}["pass_range50"]
    # the models answered most prompts several times: no McNemar, whose cases answer once
    assert (change.change.test, change.change.chi_square_p) == ("t", None)
    assert change.change.difference == pytest.approx(np.mean(gaps), abs=1e-12)
    # two made-up prompts among hundreds: the plain t test is nearly the same
    assert change.change.p_value == pytest.approx(ttest_1samp(gaps, 0).pvalue, abs=0.01)
    assert change.p_holm == pytest.approx(change.change.p_value)  # one pair: nothing to correct


def test_the_recorded_scores_agree_with_an_independent_computation(recorded, recorded_comparison):
    _, scores, _ = recorded
    for result in recorded_comparison.results:
        by_prompt = scores[result.name]
        n = sum(map(len, by_prompt.values()))
        mean = math.fsum(s for given in by_prompt.values() for s in given) / n
        assert result.unclipped == pytest.approx(mean, abs=1e-12)
        assert result.score == pytest.approx(max(0.0, mean), abs=1e-12)
        # clustered on the prompt: residuals of a prompt are summed before they are squared
        sums = [sum(s - mean for s in given) for given in by_prompt.values()]
        g = len(sums)
        error = math.sqrt(sum(s * s for s in sums) / n**2 * g / (g - 1))
        assert result.standard_error == pytest.approx(error, abs=1e-12)
