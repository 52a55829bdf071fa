"""The judge_meta task: labelled rows to a model as the grader, agreement out."""

from __future__ import annotations

import gzip
import json

import pytest

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.replies.parsing import parse_verdict

pytestmark = pytest.mark.border


def row(n: int, labels: list[bool], category: str = "hedging") -> dict:
    return {
        "prompt_id": f"p{n}",
        "prompt": [{"role": "user", "content": f"Question {n}?"}],
        "completion": f"Answer {n}: it depends." if labels[0] else f"Answer {n}: certainly.",
        "rubric": "Says that it depends",
        "category": category,
        "binary_labels": labels,
        "anonymized_physician_ids": ["a", "b"][: len(labels)],
    }


@pytest.fixture
def labels_file(tmp_path):
    path = tmp_path / "labels.jsonl"
    rows = [row(n, [n % 2 == 0, n % 2 == 0]) for n in range(12)]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def meta(evaluate, labels_file):
    def run(model, **options):
        given = {"labels": str(labels_file), **options.pop("metadata", {})}
        return evaluate(model, "judge_meta", metadata=given, **options)

    return run


def value(results, metric):
    return results["results"]["judge_meta"][f"{metric},none"]


def reply(met: bool) -> str:
    return json.dumps({"explanation": "because", "criteria_met": met})


def test_a_grader_that_reads_agrees_with_every_label(meta, fake_model):
    model = fake_model(lambda doc, n: reply(doc["labels"][0]))
    results = meta(model, log_samples=True)
    assert value(results, "balanced_f1") == 1.0
    assert value(results, "n_questions") == 12
    assert value(results, "n_without_verdict") == 0
    assert value(results, "no_look_balanced_f1") < 1.0
    assert value(results, "physician_f1") == 1.0
    prompt, _ = model.sent[0]
    assert "Answer 0: it depends." in prompt
    assert "Says that it depends" in prompt
    audit = results["configs"]["judge_meta"]["metadata"]["audit"]
    assert audit["by_category"]["hedging"]["n"] == 24
    kept = results["samples"]["judge_meta"][0]["verdicts"]
    assert kept["verdicts"][0]["met"] is True


def test_one_that_always_says_met_is_no_better_than_the_majority(meta, fake_model):
    results = meta(fake_model(lambda doc, n: "```json\n" + reply(True) + "\n```"))
    # met: precision 1/2, recall 1, F1 2/3; not met: F1 0
    assert value(results, "balanced_f1") == pytest.approx(1 / 3)
    assert value(results, "pairwise") is None


def test_a_reply_without_a_verdict_is_counted_and_never_taken_for_not_met(meta, fake_model):
    model = fake_model(lambda doc, n: "I cannot say" if n < 3 else reply(doc["labels"][0]))
    results = meta(model)
    assert value(results, "n_without_verdict") == 3
    assert value(results, "balanced_f1") == 1.0


def test_repeats_give_a_flip_rate(meta, fake_model, monkeypatch):
    seen: dict[int, int] = {}

    def answer(doc, n):
        seen[doc["row"]] = seen.get(doc["row"], 0) + 1
        flips = doc["row"] < 3 and seen[doc["row"]] == 2
        return reply(doc["labels"][0] != flips)

    from rubricbeat.tasks.judge_meta import JudgeMetaTask

    plain = JudgeMetaTask.__init__

    def twice(self, *args, config=None, **options):
        plain(self, *args, config={**(config or {}), "repeats": 2}, **options)

    monkeypatch.setattr(JudgeMetaTask, "__init__", twice)
    assert value(meta(fake_model(answer)), "flip_rate") == pytest.approx(3 / 12)


def test_without_labels_the_error_says_how_to_name_them(evaluate, fake_model, monkeypatch):
    monkeypatch.delenv("RUBRICBEAT_LABELS", raising=False)
    with pytest.raises(ConfigError, match="RUBRICBEAT_LABELS"):
        evaluate(fake_model(lambda doc, n: ""), "judge_meta")


def test_withholding_the_answer_hides_it_from_the_grader(meta, fake_model):
    model = fake_model(lambda doc, n: reply(True))
    meta(model, metadata={"look": False})
    assert not any("it depends." in prompt for prompt, _ in model.sent)


def test_real_replies_of_llama_judges_give_the_verdicts_that_were_stored(shared_data):
    """Where ours differ from the stored ones it is for the reasons named here, and no other."""
    path = shared_data / "meta" / "meta_eval_100_llama_judges.jsonl.gz"
    same = differ = none_here = 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            for said in json.loads(line)["judges"].values():
                if said is None:
                    continue
                ours = parse_verdict(said["raw"]).met
                same += ours is said["criteria_met"]
                none_here += ours is None
                differ += ours is not None and ours is not said["criteria_met"]
    assert (same, differ, none_here) == (350, 0, 0)


def test_repeats_are_asked_for(meta, fake_model):
    model = fake_model(lambda doc, n: reply(doc["labels"][0]))
    results = meta(model, metadata={"repeats": 2})
    assert value(results, "flip_rate") == 0.0
    assert len(model.sent) == 24


@pytest.mark.parametrize("key", ["label", "looks", "shap", "prompts", "reply_mark"])
def test_a_key_that_is_nearly_one_is_refused(meta, fake_model, key):
    with pytest.raises(ConfigError, match=f"metadata: unknown key '{key}'; did you mean"):
        meta(fake_model(lambda doc, n: ""), metadata={key: "x"})


@pytest.mark.parametrize(
    ("key", "value"),
    [("strict", "no"), ("seed", "x"), ("seed", -1), ("look", "no"), ("look", 0), ("look", "maybe")],
)
def test_an_odd_setting_is_refused_before_a_row_is_read(meta, fake_model, key, value):
    with pytest.raises(ConfigError, match=f"metadata: {key} is {value!r}"):
        meta(fake_model(lambda doc, n: ""), metadata={key: value})
