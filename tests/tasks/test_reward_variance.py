"""The reward_variance task: several different answers to each prompt, judged once each."""

from __future__ import annotations

from collections import Counter

import pytest

from rubricbeat.judges.errors import ConfigError

pytestmark = pytest.mark.border

ANSWERS = {
    # h: 0, 5/8, 3/8, -2/8, 8/8, 6/8
    "ache": ["no", "age", "angina", "drug", "age angina", "age angina drug"],
    "brief": [f"depends {n}" for n in range(6)],
    "corazón": ["spanish", "x", "spanish", "x", "spanish", "x"],
}


@pytest.fixture
def varied(fake_model):
    """Give a model whose answers to a prompt differ."""
    seen: Counter[str] = Counter()

    def answer(doc, n):
        prompt_id = doc["prompt_id"]
        seen[prompt_id] += 1
        return ANSWERS[prompt_id][(seen[prompt_id] - 1) % 6]

    return fake_model(answer)


@pytest.fixture
def run(evaluate):
    def study(model, **metadata):
        return evaluate(
            model, "reward_variance", metadata={"subset": "own", **metadata}, log_samples=True
        )

    return study


def value(results, metric):
    return results["results"]["reward_variance"][f"{metric},none"]


def test_dead_groups_of_each_reward_are_counted_over_prompts(run, varied):
    results = run(varied)
    assert value(results, "n_groups") == 3
    assert value(results, "n_asked") == 18
    assert value(results, "dead_healthbench") == pytest.approx(1 / 3)
    assert value(results, "identical_verdicts") == pytest.approx(1 / 3)
    assert value(results, "lost_healthbench") == 0.0
    # h: ache (0 + 5 + 3 - 2 + 8 + 6) / 8 / 6, brief 1, corazón 1/2
    assert value(results, "mean_healthbench") == pytest.approx((20 / 48 + 1 + 0.5) / 3)


def test_six_answers_are_asked_for_with_sampling_on_and_no_seed(run, varied):
    run(varied)
    assert len(varied.sent) == 18
    for _, options in varied.sent:
        assert options["do_sample"] is True
        assert options["temperature"] == 1.0
        assert options["seed"] is None


def test_a_document_carries_its_own_groups_numbers(run, varied, by_id):
    samples = by_id(run(varied)["samples"]["reward_variance"])
    assert samples["brief"]["dead_healthbench"] == 1.0
    assert samples["ache"]["dead_healthbench"] == 0.0
    assert samples["corazón"]["mean_healthbench"] == 0.5
    assert len(samples["ache"]["rubric"]["answers"]) == 6


def test_without_a_second_verdict_the_reliability_is_empty_not_perfect(run, varied):
    assert value(run(varied), "reliability_healthbench") is None


def test_a_second_verdict_gives_a_reliability(run, varied):
    def wavering(question):
        word = question.criterion.text.split()[-1].lower()
        turned = question.replicate == 1 and "angina" in question.answer
        return (word in question.answer.lower()) != turned

    judge = {"name": "scripted", "script": wavering, "replicates": 2}
    reliability = value(run(varied, judge=judge), "reliability_healthbench")
    assert 0 <= reliability < 1


def test_the_results_say_in_words_what_was_found(run, varied):
    signal = run(varied)["configs"]["reward_variance"]["metadata"]["signal"]
    assert not any("Recommended reward" in sentence["text"] for sentence in signal["words"])
    assert any("--gold" in sentence["text"] for sentence in signal["words"])
    assert any("Reliability unknown" in sentence["text"] for sentence in signal["words"])
    assert {row["reward"] for row in signal["dead"]} >= {"healthbench", "binary"}


def test_the_rewards_are_the_users_to_choose(run, varied):
    results = run(varied, rewards="binary,hybrid(bonus=0)")
    assert value(results, "dead_hybrid(bonus=0)") == pytest.approx(1 / 3)
    assert "dead_healthbench,none" not in results["results"]["reward_variance"]


def test_an_unknown_reward_is_refused_before_anything_is_asked(run, varied):
    with pytest.raises(ConfigError, match="did you mean 'hybrid'"):
        run(varied, rewards=["hybird"])
    with pytest.raises(ConfigError, match="has verdicts"):
        run(varied, rewards=["rar_implicit"])
    assert not varied.sent


def test_one_answer_a_prompt_is_no_group_and_no_crash(run, varied):
    results = run(varied, repeats=1)
    assert value(results, "n_groups") == 0
    assert value(results, "dead_healthbench") is None
