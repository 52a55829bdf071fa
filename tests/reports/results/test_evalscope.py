from __future__ import annotations

import json

import logs_kit as k
import pytest

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.results.reader import read_runs


def review_run(tmp_path, *reviews, name="health_bench_hedging.jsonl"):
    k.write(tmp_path / "out" / "reviews" / "m1" / name, *reviews)
    [read] = read_runs([tmp_path])
    return read


def mets(read):
    return [[v.met for v in graded.verdicts] for graded in read.graded]


def test_the_subsets_of_a_benchmark_are_one_run(tmp_path):
    [read] = read_runs([k.evalscope_folder(tmp_path)])
    assert (read.model, read.task, read.label) == ("m1", "health_bench", "20260102_030405")
    assert sorted(g.example.prompt_id for g in read.graded) == ["a", "b"]
    assert read.judge["model"] == "judge-1"
    assert read.notes == ()


def test_verdicts_and_their_words_are_the_judges(tmp_path):
    read = review_run(tmp_path, k.evalscope_review("b", ("Satisfied", "Not Satisfied")))
    assert mets(read) == [[True, False]]
    assert read.graded[0].verdicts[1].explanation == "because 1"
    assert read.graded[0].answer == "Rest."
    assert read.graded[0].example.tags == ("theme:hedging",)


def test_an_attempt_that_failed_is_no_verdict_unless_a_later_one_came(tmp_path):
    review = k.evalscope_review("a")
    attempts = review["sample_score"]["score"]["metadata"]["judge_attempts"]
    failed = {"case_id": "rubric_0", "judge_id": "judge-1", "repeat_id": 0}
    failed |= {"status": "parse_error", "error": "no JSON"}
    attempts.insert(0, failed)
    attempts[2] = failed | {"case_id": "rubric_1"}
    read = review_run(tmp_path, review)
    assert mets(read) == [[True, None]]
    assert read.graded[0].verdicts[1].explanation == "no JSON"


def test_a_second_round_of_the_judge_is_a_replicate_and_another_judge_is_named(tmp_path):
    review = k.evalscope_review("a")
    attempts = review["sample_score"]["score"]["metadata"]["judge_attempts"]
    again = [one | {"repeat_id": 1, "parsed_value": {"criteria_met": True}} for one in attempts]
    other = [one | {"judge_id": "judge-2"} for one in attempts]
    attempts += [*again, *other]
    read = review_run(tmp_path, review)
    assert mets(read) == [[True, False]]
    [replicate] = read.graded[0].replicates
    assert [v.met for v in replicate] == [True, True]
    assert "the verdicts of judge-1 are read; judge-2 judged too" in read.notes[0]


def test_the_readable_explanation_of_older_reviews_is_read(tmp_path):
    review = k.evalscope_review("b")
    said = (("[False] [-3] Invents a drug", "no"), ("[True] [5] Names rest", "yes"))
    text = "".join(f"\n\n{head}\n\tExplanation: {words}" for head, words in said)
    review["sample_score"]["score"]["metadata"] = {"readable_explanation": text}
    review["sample_score"]["score"]["value"] = {"overall_score": 1.0}
    read = review_run(tmp_path, review)
    assert mets(read) == [[True, False]]
    assert read.graded[0].verdicts[0].explanation == "yes"
    assert read.notes == ()


def test_prbench_and_researchrubrics_name_their_criteria_otherwise(tmp_path):
    prbench = k.evalscope_review("a")
    metadata = prbench["sample_score"]["sample_metadata"]
    metadata.pop("prompt_id")
    metadata["rubrics"] = [
        {"id": "1", "title": "Cites the statute", "weight": 8.0, "category": "law"},
        {"id": "2", "title": "Misleads", "weight": -4.0, "category": None},
    ]
    read = review_run(tmp_path, prbench, name="prbench_finance.jsonl")
    [graded] = read.graded
    assert [(c.text, c.points) for c in graded.example.rubric.criteria] == [
        ("Cites the statute", 8.0), ("Misleads", -4.0),
    ]  # fmt: skip
    assert (read.task, graded.example.prompt_id) == ("prbench", "finance-0")


def test_a_rubric_that_stands_as_the_target_is_read(tmp_path):
    review = k.evalscope_review("a", ("Satisfied", "Not Satisfied"))
    review["sample_score"]["sample_metadata"] = {}
    rubric = [{"criterion": text, "weight": w, "axis": "Explicit"} for text, w in k.CRITERIA]
    review["target"] = [json.dumps(rubric)]
    read = review_run(tmp_path, review, name="researchrubrics_default.jsonl")
    assert mets(read) == [[True, False]]
    assert read.graded[0].example.rubric.criteria[0].tags == ("axis:Explicit",)
    assert read.graded[0].example.prompt[0].content == "Sore leg a"


def test_a_sample_whose_judge_failed_has_no_verdicts_and_counts(tmp_path):
    failed = k.evalscope_review("b", index=1)
    failed["sample_score"]["score"] |= {"metadata": {}, "value": {}, "status": "invalid_session"}
    read = review_run(tmp_path, k.evalscope_review("a"), failed)
    assert mets(read) == [[True, False], [None, None]]


def test_a_missing_prediction_is_a_missing_answer(tmp_path):
    review = k.evalscope_review("a")
    review["sample_score"]["score"]["prediction"] = None
    review["messages"] = k.question("a")
    read = review_run(tmp_path, review)
    assert "1 of 1 answers missing" in read.notes[0]


def test_reviews_of_another_benchmark_say_that_they_hold_totals(tmp_path):
    review = k.evalscope_review("a")
    review["sample_score"]["sample_metadata"] = {"question": "1+1"}
    review["sample_score"]["score"]["metadata"] = {}
    with pytest.raises(DataError, match="total scores cannot be read"):
        review_run(tmp_path, review, name="gsm8k_main.jsonl")
    k.evalscope_folder(tmp_path / "other")
    left_out: list[str] = []
    assert len(read_runs([tmp_path], left_out.append)) == 1
    assert "gsm8k_main.jsonl" in left_out[0]


def test_repeats_of_a_sample_are_repeats(tmp_path):
    reviews = [k.evalscope_review("a", index=at) for at in range(3)]
    for review in reviews:
        review["sample_score"]["group_id"] = 0
    read = review_run(tmp_path, *reviews)
    assert [g.repeat for g in read.graded] == [0, 1, 2]


def test_a_later_review_of_a_sample_takes_the_place_of_an_earlier(tmp_path):
    read = review_run(tmp_path, k.evalscope_review("a", (False, False)), k.evalscope_review("a"))
    assert mets(read) == [[True, False]]
    assert "1 of its lines have a later review of the same sample" in read.notes[0]


def test_a_line_cut_off_is_left_out(tmp_path):
    path = tmp_path / "reviews" / "m1" / "health_bench_hedging.jsonl"
    k.write(path, k.evalscope_review("a"))
    with path.open("a") as file:
        file.write('\n{"index": 1, "sample_sc')
    [read] = read_runs([tmp_path])
    assert mets(read) == [[True, False]]
    assert "1 of 2 reviews excluded; the first is line 2: not JSON" in read.notes[0]
