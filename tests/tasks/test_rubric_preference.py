"""The rubric_preference task: orders of answers by the model's verdicts and by the labels."""

from __future__ import annotations

import json

import pytest

from rubricbeat.judges.errors import ConfigError

pytestmark = pytest.mark.border

LABELS = {"both": (True, True), "first": (True, False), "none": (False, False)}


@pytest.fixture
def bench(evaluate, tmp_path):
    """Three answers to each of five prompts, two criteria each: scores 1, 3/4 and 0."""
    rows = [
        {
            "prompt_id": f"p{p}",
            "prompt": f"Question {p}?",
            "answer": f"{name} of {p}",
            "criterion": f"criterion {c}",
            "points": (3, 1)[c],
            "label": mets[c],
            "category": "hedging" if p < 2 else "context",
        }
        for p in range(5)
        for name, mets in LABELS.items()
        for c in range(2)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(model, **metadata):
        given = {"labels": str(path), **metadata}
        return evaluate(model, "rubric_preference", metadata=given)

    return run


def value(results, metric):
    return results["results"]["rubric_preference"][f"{metric},none"]


def reply(met: bool) -> str:
    return json.dumps({"criteria_met": met})


def test_a_grader_that_reads_orders_every_pair(bench, fake_model):
    results = bench(fake_model(lambda doc, n: reply(doc["labels"][0])))
    assert value(results, "n_answer_pairs") == 15
    assert value(results, "pairwise_accuracy") == 1.0
    assert value(results, "rank_correlation") == pytest.approx(1.0)
    found = results["configs"]["rubric_preference"]["metadata"]["preference"]
    assert {name: row["value"] for name, row in found["by_theme"].items()} == {
        "hedging": 1.0,
        "context": 1.0,
    }
    curve = found["best_of_n"]
    # of three answers the best scores 1, one at random (1 + 3/4 + 0) / 3
    assert curve[2]["picked"]["value"] == pytest.approx(1.0)
    assert curve[2]["at_random"] == pytest.approx(1.75 / 3)


def test_one_that_says_met_to_everything_ties_everything(bench, fake_model):
    results = bench(fake_model(lambda doc, n: reply(True)))
    assert value(results, "ties") == 1.0
    assert value(results, "pairwise_accuracy") == 0.5
    assert value(results, "rank_correlation") is None


def test_an_answer_whose_verdicts_cannot_be_read_has_no_reward(bench, fake_model):
    def answer(doc, n):
        return "?" if doc["row"] < 2 else reply(doc["labels"][0])

    results = bench(fake_model(answer))
    assert value(results, "n_without_reward") == 1
    assert value(results, "n_answer_pairs") == 13


def test_a_reward_that_needs_a_rating_is_refused(bench, fake_model):
    with pytest.raises(ConfigError, match="rar_implicit"):
        bench(fake_model(lambda doc, n: ""), reward="rar_implicit")
