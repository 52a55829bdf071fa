from __future__ import annotations

import json
import logging

import pytest
from waiting import HANG_S

from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.verdict import Outcome, Verdict

pytestmark = pytest.mark.border

SAYS_AGE = "What is your age? It depends. Spanish?"


@pytest.fixture
def caution(caplog):
    """Give the warnings of the tasks as one text."""
    caplog.set_level(logging.WARNING, logger="rubricbeat")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


def result(results, metric, task="rubric_judge"):
    return results["results"][task][f"{metric},none"]


def test_scores_of_the_run_are_the_means_of_the_items(evaluate, fake_model):
    # ache: 5 of 8 for "age"; brief: "depends" 4 of 4; corazón: "spanish" 6 of 6
    results = evaluate(fake_model(lambda doc, n: SAYS_AGE))
    assert result(results, "score") == pytest.approx((5 / 8 + 1 + 1) / 3, abs=1e-12)
    assert result(results, "pass_hb50") == 1.0
    assert result(results, "n_asked") == result(results, "n_scored") == 3
    assert result(results, "missing_points") == 0.0


def test_the_standard_error_in_the_table_is_our_seeded_one(evaluate, fake_model):
    first = evaluate(fake_model(lambda doc, n: SAYS_AGE))
    again = evaluate(fake_model(lambda doc, n: SAYS_AGE))
    # items .625, 1, 1: standard deviation .2165, over the root of 3
    assert result(first, "score_stderr") == pytest.approx(0.125, abs=1e-4)
    assert result(first, "score_stderr") == result(again, "score_stderr")


def test_lm_eval_can_print_every_value(evaluate, fake_model):
    from lm_eval.utils import make_table

    judge = ScriptedJudge(None)
    results = evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})
    assert "score" in make_table(results)


def test_the_whole_conversation_reaches_the_model(evaluate, fake_model):
    model = fake_model(lambda doc, n: "x")
    evaluate(model, apply_chat_template=True)
    sent = {context for context, _ in model.sent}
    assert (
        "system: Answer in one sentence.\n\nuser: What is a statin?\n\n"
        "assistant: A drug that lowers cholesterol.\n\nuser: Do I need one?" in sent
    )


def test_a_system_instruction_joins_the_documents_own_for_model_and_judge(evaluate, fake_model):
    model, judge = fake_model(lambda doc, n: "x"), ScriptedJudge(True)
    evaluate(
        model,
        metadata={"judge": judge},
        apply_chat_template=True,
        system_instruction="You are a nurse.",
    )
    contexts = [context for context, _ in model.sent]
    assert sum(c.startswith("system: You are a nurse.\n\nAnswer in one") for c in contexts) == 1
    assert all(context.startswith("system: You are a nurse.") for context in contexts)
    assert {q.example.prompt[0].content.split("\n")[0] for q in judge.asked} == {"You are a nurse."}


def test_each_criterion_of_each_answer_is_judged_once(evaluate, fake_model):
    judge = ScriptedJudge(True)
    evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})
    assert len(judge.asked) == 5


def test_samples_hold_the_verdicts_as_json_and_every_metric_key(evaluate, fake_model, by_id):
    judge = ScriptedJudge(lambda q: None if q.example.prompt_id == "brief" else True)
    results = evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})
    samples = by_id(results["samples"]["rubric_judge"])
    plain = json.loads(json.dumps(samples["ache"]["rubric"]))
    assert plain["prompt_id"] == "ache"
    assert [v["met"] for v in plain["answers"][0]["verdicts"]] == [True, True, True]
    assert samples["ache"]["score"] == pytest.approx(6 / 8)
    assert samples["brief"]["score"] is None
    keys = {frozenset(sample["metrics"]) for sample in samples.values()}
    assert len(keys) == 1 and {"rubric", "score", "missing_points"} <= next(iter(keys))


def test_levels_and_what_does_not_apply_reach_samples_and_metrics(
    evaluate, fake_model, by_id, rows_file
):
    levels = [{"text": text, "points": points} for text, points in (("no", 0), ("a", 2), ("b", 5))]
    first, second = map(json.loads, rows_file.read_text().splitlines()[:2])
    first["rubrics"] = [
        {"criterion": "Asks about age", "levels": levels, "id": "asks"},
        {"criterion": "Names angina", "points": 3, "may_be_na": True},
        {"criterion": "Prescribes a drug", "points": -2, "gate": {"cap": 0.0}},
    ]
    rows_file.write_text("".join(json.dumps(row) + "\n" for row in (first, second)))
    said = [Verdict.at_level(1), Verdict.not_applicable(), Verdict.of(False)]
    judge = ScriptedJudge(
        lambda q: said[q.index] if q.example.prompt_id == "ache" else Verdict.of(True)
    )
    model = fake_model(lambda doc, n: "x")
    results = evaluate(model, metadata={"judge": judge})
    assert len(judge.asked) == 4
    samples = by_id(results["samples"]["rubric_judge"])
    [answer] = json.loads(json.dumps(samples["ache"]["rubric"]))["answers"]
    said = [(v["level"], v["share"]) for v in answer["verdicts"]]
    assert said == [(1, 0.4), (None, None), (0, 0)]
    assert (samples["ache"]["score"], samples["ache"]["na_share"]) == (0.4, 1 / 3)
    assert (samples["brief"]["score"], samples["brief"]["na_share"]) == (1.0, None)
    assert result(results, "score") == pytest.approx(0.7)
    assert result(results, "na_share") == 1 / 4
    assert results["configs"]["rubric_judge"]["metadata"]["judge"]["na_share"] == 1 / 4


def test_a_run_in_which_everything_applies_has_no_share_of_what_does_not(evaluate, fake_model):
    results = evaluate(fake_model(lambda doc, n: "x"))
    assert "na_share" not in json.dumps(results["results"])


def test_a_missing_verdict_is_not_a_zero(evaluate, fake_model, caution):
    judge = ScriptedJudge(lambda q: None if q.example.prompt_id == "brief" else True)
    results = evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})
    # ache 6/8, corazón 1; brief is left out of the score and widens the bounds
    assert result(results, "score") == pytest.approx((6 / 8 + 1) / 2)
    assert result(results, "score_low") == pytest.approx((6 / 8 + 0 + 1) / 3)
    assert result(results, "score_high") == pytest.approx((6 / 8 + 1 + 1) / 3)
    assert (result(results, "n_scored"), result(results, "n_asked")) == (2, 3)
    assert "1 of 5 verdicts are missing: 1 x unparseable" in caution()


def test_a_run_without_any_verdict_has_no_score(evaluate, fake_model):
    results = evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": ScriptedJudge(None)})
    assert result(results, "score") is None
    assert result(results, "score_stderr") == "N/A"
    assert result(results, "n_scored") == 0


def test_predict_only_never_opens_or_asks_the_judge(evaluate, fake_model):
    results = evaluate(
        fake_model(lambda doc, n: "kept"), metadata={"judge": "no_such_judge"}, predict_only=True
    )
    samples = results["samples"]["rubric_judge"]
    assert [sample["resps"] for sample in samples] == [[["kept"]]] * 3
    assert "rubric" not in samples[0]
    # the answers were not counted, which is not to say that there are none
    assert "n_answers" not in results["configs"]["rubric_judge"]["metadata"]


@pytest.mark.parametrize("judge", ["keyword", {"name": "keyword", "replicates": 2}, None])
def test_the_default_judge_of_a_task_is_a_name_or_a_mapping_and_may_be_none(rows_file, judge):
    from rubricbeat.tasks.rubric_task import RubricTask

    metadata = {"data": str(rows_file), "default_judge": judge}
    config = {"task": "mine", "output_type": "generate_until", "test_split": "test"}
    # a task of one's own may pass on what lm-eval names, by place
    task = RubricTask(None, None, None, {**config, "metadata": metadata})
    assert len(task.eval_docs) == 3
    assert task._default_judge == judge


def test_results_name_judge_data_and_version(evaluate, fake_model):
    results = evaluate(
        fake_model(lambda doc, n: "x"), metadata={"run": "second", "api_key": "secret-word"}
    )
    metadata = results["configs"]["rubric_judge"]["metadata"]
    assert metadata["judge"]["name"] == "scripted"
    assert len(metadata["judge"]["digest"]) == 64
    assert metadata["data"]["path"] == "rows.jsonl"
    assert len(metadata["data"]["sha256"]) == 64
    assert metadata["data"]["n"] == 3
    assert metadata["run"] == "second"
    assert metadata["tags"]["theme:hedging"]["n"] == 1
    assert "secret-word" not in json.dumps(results["configs"], default=str)


def test_a_wrong_judge_is_known_before_the_model_answers(evaluate, fake_model):
    model = fake_model(lambda doc, n: "x")
    with pytest.raises(ConfigError, match="did you mean 'keyword'"):
        evaluate(model, metadata={"judge": "keywrod"})
    assert model.sent == []


def test_a_judge_must_be_named(evaluate, fake_model, monkeypatch):
    monkeypatch.delenv("RUBRICBEAT_JUDGE", raising=False)
    with pytest.raises(ConfigError, match="no judge is named"):
        evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": None})


def test_a_judge_can_be_named_by_the_environment(evaluate, fake_model, monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_JUDGE", '{"name": "constant", "met": false}')
    results = evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": None})
    assert result(results, "score") == 0.0


def test_a_judge_nobody_answers_for_is_one_line(evaluate, fake_model):
    judge = {"name": "chat", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(ConfigError, match=r"judge chat: base_url: nothing answers at 127.0.0.1:9"):
        evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})


def test_request_caching_is_refused(evaluate, fake_model):
    with pytest.raises(ConfigError, match="--cache_requests is not safe"):
        evaluate(fake_model(lambda doc, n: "x"), cache_requests=True)


class BrokenGrader:
    """Stands for a grader whose run ends in an error."""

    judge = None

    def __init__(self, fault):
        self.fault = fault

    def grade(self, answers):
        raise self.fault

    def facts(self):
        return {"name": "broken"}

    def close(self):
        pass


@pytest.mark.parametrize("fault", [ConfigError("key refused"), KeyboardInterrupt(), ValueError()])
def test_answers_are_kept_when_judging_breaks_off(
    evaluate, fake_model, fault, caution, monkeypatch
):
    monkeypatch.setattr(
        "rubricbeat.tasks.rubric_task.open_grader", lambda options, seed: BrokenGrader(fault)
    )
    results = evaluate(fake_model(lambda doc, n: "dear answer"))
    sample = results["samples"]["rubric_judge"][0]
    assert sample["resps"] == [["dear answer"]]
    assert {v["met"] for v in sample["rubric"]["answers"][0]["verdicts"]} == {None}
    assert result(results, "score") is None
    assert "judging ended" in caution()


def test_verdicts_are_kept_when_the_sums_fail(evaluate, fake_model, monkeypatch, caution):
    def fail(*given, **options):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("rubricbeat.tasks.rubric_task.run_scores", fail)
    results = evaluate(fake_model(lambda doc, n: SAYS_AGE))
    verdicts = results["samples"]["rubric_judge"][0]["rubric"]["answers"][0]["verdicts"]
    assert [v["met"] for v in verdicts] == [True, False, False]
    assert result(results, "score") is None
    assert "the metrics failed" in caution()


def test_repeats_ask_for_different_answers(evaluate, fake_model):
    model = fake_model(lambda doc, n: f"answer {n} age")
    results = evaluate(model, metadata={"repeats": 3})
    sent = model.sent[0][1]
    assert (sent["do_sample"], sent["temperature"], sent["seed"]) == (True, 1.0, None)
    assert sent["until"] == [] and sent["max_gen_toks"] == 2048
    assert len(model.sent) == 9
    assert result(results, "distinct_answers") == 1.0
    assert result(results, "n_asked") == 9
    answers = results["samples"]["rubric_judge"][0]["rubric"]["answers"]
    assert [answer["repeat"] for answer in answers] == [0, 1, 2]


def test_repeats_that_are_copies_are_warned_of(evaluate, fake_model, caution):
    results = evaluate(fake_model(lambda doc, n: "same"), metadata={"repeats": 4})
    assert result(results, "distinct_answers") == 0.0
    assert "nearly all alike" in caution()


def test_the_users_generation_options_win_over_those_of_repeats(evaluate, fake_model):
    model = fake_model(lambda doc, n: str(n))
    evaluate(model, metadata={"repeats": 2}, gen_kwargs={"temperature": 0.6})
    assert model.sent[0][1]["temperature"] == 0.6


def test_padding_answers_of_several_ranks_are_not_judged(evaluate, fake_model):
    # lm-eval pads by asking a rank's last request again: more answers than repeats
    class Padded(type(fake_model(str))):
        def generate_until(self, requests, disable_tqdm=False):
            requests[-1].resps.append("first")
            return ["later" for _ in requests]

    judge = ScriptedJudge(True)
    evaluate(Padded(str), metadata={"judge": judge})
    assert len(judge.asked) == 5


def test_empty_answers_are_judged_and_counted(evaluate, fake_model, caution):
    results = evaluate(fake_model(lambda doc, n: " " if doc["prompt_id"] == "ache" else "age"))
    assert "1 of 3 answers are empty" in caution()
    assert results["configs"]["rubric_judge"]["metadata"]["n_empty_answers"] == 1


@pytest.mark.parametrize("options", [{"log_samples": False}, {}, {"predict_only": True}])
def test_samples_that_will_not_be_written_are_told_before_anything_is_asked(
    evaluate, fake_model, caution, options
):
    said = []
    evaluate(fake_model(lambda doc, n: said.append(caution()) or "age"), **options)
    is_lost = options.get("log_samples") is False
    assert ("without --log_samples lm-eval writes no answer and no verdict" in said[0]) is is_lost


def test_limit_leaves_the_rest_unasked(evaluate, fake_model):
    results = evaluate(fake_model(lambda doc, n: "x"), limit=2)
    assert result(results, "n_asked") == 2
    assert results["n-samples"]["rubric_judge"] == {"original": 3, "effective": 2}


def test_lm_evals_seed_seeds_the_bootstrap(evaluate, fake_model):
    results = evaluate(fake_model(lambda doc, n: "x"), fewshot_random_seed=77)
    assert results["configs"]["rubric_judge"]["metadata"]["seed"] == 77


def test_verdicts_of_an_unasked_question_stay_as_the_judge_gave_them(evaluate, fake_model):
    judge = ScriptedJudge(Verdict(Outcome.REFUSED, explanation="no"))
    results = evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})
    verdict = results["samples"]["rubric_judge"][0]["rubric"]["answers"][0]["verdicts"][0]
    assert (verdict["outcome"], verdict["explanation"]) == ("refused", "no")


def test_two_stages_give_what_one_gives(evaluate, fake_model, tmp_path):
    from rubricbeat.tasks.models import StandIn

    at_once = evaluate(fake_model(lambda doc, n: SAYS_AGE))
    answered = evaluate(fake_model(lambda doc, n: SAYS_AGE), predict_only=True)
    write_samples(tmp_path / "m", answered["samples"]["rubric_judge"])
    judged = evaluate(StandIn(), metadata={"responses": str(tmp_path / "m")})
    assert result(judged, "score") == result(at_once, "score")
    sample = judged["samples"]["rubric_judge"][0]
    assert sample["filtered_resps"] == [[SAYS_AGE]]


def test_missing_responses_are_named_and_not_scored(evaluate, fake_model, tmp_path, caution):
    from rubricbeat.tasks.models import StandIn

    answered = evaluate(fake_model(lambda doc, n: SAYS_AGE), predict_only=True, limit=2)
    write_samples(tmp_path / "m", answered["samples"]["rubric_judge"])
    judged = evaluate(StandIn(), metadata={"responses": str(tmp_path / "m")})
    assert "1 of 3 documents have no recorded answer and are not scored: corazón" in caution()
    assert (result(judged, "n_scored"), result(judged, "n_asked")) == (2, 3)


def test_a_recorded_null_is_missing_and_not_the_word_none(evaluate, tmp_path, caution):
    from rubricbeat.tasks.models import StandIn

    path = tmp_path / "said.jsonl"
    said = {"ache": None, "brief": "depends", "corazón": ""}
    lines = [json.dumps({"prompt_id": name, "completion": text}) for name, text in said.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    judged = evaluate(StandIn(), metadata={"responses": str(path)})
    answers = {
        sample["doc"]["prompt_id"]: sample["rubric"]["answers"][0]
        for sample in judged["samples"]["rubric_judge"]
    }
    assert answers["ache"]["answer"] == ""
    assert {v["explanation"] for v in answers["ache"]["verdicts"]} == {"no recorded answer"}
    assert answers["brief"]["verdicts"][0]["outcome"] == "met"
    assert answers["corazón"]["verdicts"][0]["outcome"] == "not_met", "an empty text is an answer"
    assert "1 answers are null: they count in the total, and are not graded" in caution()


def test_responses_to_other_conversations_are_refused(evaluate, fake_model, tmp_path):
    from rubricbeat.tasks.models import StandIn

    answered = evaluate(fake_model(lambda doc, n: SAYS_AGE), predict_only=True)
    samples = answered["samples"]["rubric_judge"]
    for sample in samples:
        sample["doc"] = {**sample["doc"], "prompt": [{"role": "user", "content": "else"}]}
        sample["doc_hash"] = "0"
    write_samples(tmp_path / "m", samples)
    with pytest.raises(ConfigError, match="none of the 3 answers"):
        evaluate(StandIn(), metadata={"responses": str(tmp_path / "m")})


def test_the_demo_set_scores_its_references_above_every_other_sanity_row(evaluate):
    from rubricbeat.tasks.models import Baseline, BaselineModel

    scores = {
        kind: result(
            evaluate(
                BaselineModel(kind),
                "healthbench_heart_demo",
                metadata={"data": None, "judge": None},
            ),
            "score",
            "healthbench_heart_demo",
        )
        for kind in Baseline
    }
    reference = scores.pop(Baseline.REFERENCE)
    assert reference > 0.8 and reference > max(scores.values()) + 0.5


def test_a_row_without_a_reference_stays_unscored_under_the_reference_baseline(evaluate):
    from rubricbeat.tasks.models import Baseline, BaselineModel

    results = evaluate(BaselineModel(Baseline.REFERENCE))
    assert (result(results, "n_scored"), result(results, "n_asked")) == (1, 3)
    assert result(results, "score") == pytest.approx(3 / 8)  # it names angina


def test_real_heart_rows_run_through_the_task(evaluate, shared_data, caution):
    from rubricbeat.tasks.models import Baseline, BaselineModel

    results = evaluate(
        BaselineModel(Baseline.CONSTANT),
        "healthbench_heart",
        metadata={"data": str(shared_data), "judge": {"name": "constant", "met": True}},
    )
    data = results["configs"]["healthbench_heart"]["metadata"]["data"]
    assert (data["n"], data["n_listed"], data["n_missing"]) == (275, 503, 228)
    assert "N = 275 of the 503 rows on the heart list; the file lacks 228 of them" in caution()
    assert result(results, "n_scored", "healthbench_heart") == 275


def write_samples(folder, samples):
    folder.mkdir()
    lines = "".join(json.dumps(sample, default=str) + "\n" for sample in samples)
    path = folder / "samples_rubric_judge_2026-01-01T00-00-00.000000.jsonl"
    path.write_text(lines, encoding="utf-8")


def test_two_ranks_judge_their_own_and_the_first_one_sums_up_all(evaluate, fake_model):
    import threading

    import torch

    meet = threading.Barrier(2, timeout=HANG_S)
    shared: dict[int, object] = {}

    class Ranked(type(fake_model(str))):
        device = "cpu"

        def __init__(self, rank):
            super().__init__(lambda doc, n: SAYS_AGE)
            self._rank, self._world_size = rank, 2

        def barrier(self):
            meet.wait()

        def gather_object(self, own, dst=0):
            shared[self.rank] = own
            meet.wait()
            both = [shared[0], shared[1]]
            meet.wait()
            return both if self.rank == dst else None

        def all_gather(self, own):
            return torch.tensor(self.gather_object(int(own), dst=self.rank))

    judges = [ScriptedJudge(True), ScriptedJudge(True)]
    found = {}

    def run(rank):
        found[rank] = evaluate(Ranked(rank), metadata={"judge": judges[rank]})

    threads = [threading.Thread(target=run, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found[1] is None
    # rank 0 has ache (3 criteria) and corazón (1), rank 1 has brief (1)
    assert [len(judge.asked) for judge in judges] == [4, 1]
    assert result(found[0], "n_scored") == 3
    assert result(found[0], "score") == pytest.approx((6 / 8 + 1 + 1) / 3)
    assert len(found[0]["samples"]["rubric_judge"]) == 3
