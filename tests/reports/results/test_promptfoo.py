from __future__ import annotations

import json

import logs_kit as k
import pytest

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.results.reader import read_runs


def runs_of(tmp_path, *results):
    k.promptfoo(tmp_path / "out.json", list(results))
    return read_runs([tmp_path])


def mets(read):
    return [[v.met for v in graded.verdicts] for graded in read.graded]


def told(graded):
    return [(c.text, c.points) for c in graded.example.rubric.criteria]


def test_assertions_are_criteria_worth_their_weight(tmp_path):
    [read] = runs_of(tmp_path, k.promptfoo_result("a"), k.promptfoo_result("b"))
    assert told(read.graded[0]) == [("Names rest", 5), ("not-llm-rubric: Invents a drug", 3)]
    assert mets(read) == [[True, True], [True, False]]
    assert read.graded[0].verdicts[0].explanation == "because 0"
    assert read.graded[0].example.prompt[0].content == "Sore leg a"
    assert (read.model, read.label) == ("openai:m1", "eval-abc-2026-01-02T03:04:05")
    assert read.judge["model"] == "openai:judge"
    # 1 and 5/8
    assert compare_runs([read], n_draws=50).results[0].score == pytest.approx((1 + 5 / 8) / 2)


def test_every_provider_is_a_model_on_the_same_tests(tmp_path):
    results = [
        k.promptfoo_result(name, provider=provider)
        for name in "ab"
        for provider in ("openai:m1", "vertex:m2")
    ]
    results[1]["provider"] = {"id": "vertex:m2", "label": "Second"}
    results[3]["provider"] = {"id": "vertex:m2", "label": "Second"}
    runs = runs_of(tmp_path, *results)
    assert [run.model for run in runs] == ["Second", "openai:m1"]
    [pair] = compare_runs(runs, n_draws=50).pairs
    assert pair.difference.n == 2


def test_several_prompts_are_models_of_their_own(tmp_path):
    results = [
        k.promptfoo_result(
            name, promptIdx=at, prompt={"raw": f"{label} leg {name}", "label": label}
        )
        for name in "ab"
        for at, label in enumerate(("Plain", "Kind"))
    ]
    runs = runs_of(tmp_path, *results)
    assert [run.model for run in runs] == ["openai:m1 [Kind]", "openai:m1 [Plain]"]
    first, second = ({g.example.prompt_id for g in run.graded} for run in runs)
    assert first == second


def test_prompts_without_variables_are_questions_not_wordings(tmp_path):
    results = [
        k.promptfoo_result(name, promptIdx=at, vars={}, testCase={}) for at, name in enumerate("ab")
    ]
    [read] = runs_of(tmp_path, *results)
    assert len({g.example.prompt_id for g in read.graded}) == 2


def test_repeats_of_a_test_are_repeats(tmp_path):
    [read] = runs_of(tmp_path, *[k.promptfoo_result("a")] * 3)
    assert [g.repeat for g in read.graded] == [0, 1, 2]


@pytest.mark.parametrize("shape", ["v2", "v3", "flat", "bare", "lines"])
def test_the_shapes_of_its_versions(tmp_path, shape):
    results = [k.promptfoo_result("a"), k.promptfoo_result("b")]
    whole = {
        "v2": {"results": {"version": 2, "results": results, "table": {"head": {}, "body": []}}},
        "v3": {"evalId": "e", "results": {"version": 3, "prompts": [], "results": results}},
        "flat": {"results": results, "stats": {}},
        "bare": {"version": 3, "timestamp": "t", "results": results},
    }
    if shape == "lines":
        k.write(tmp_path / "out.jsonl", *results)
    else:
        k.write(tmp_path / "out.json", whole[shape])
    [read] = read_runs([tmp_path])
    assert mets(read) == [[True, True], [True, False]]


def test_a_provider_given_as_text_and_a_chat_prompt_are_read(tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Sore leg"}]
    result = k.promptfoo_result("a", prompt={"raw": json.dumps(chat), "label": "x"})
    [read] = runs_of(tmp_path, result | {"provider": "openai:m9"})
    assert read.model == "openai:m9"
    assert [m.role for m in read.graded[0].example.prompt] == ["system", "user"]


def test_a_result_with_an_error_counts_as_asked_with_the_test_s_own_criteria(tmp_path):
    failed = k.promptfoo_result("b", gradingResult=None, error="timed out", failureReason=2)
    failed["response"] = {"error": "timed out"}
    [read] = runs_of(tmp_path, k.promptfoo_result("a"), failed)
    assert told(read.graded[1]) == told(read.graded[0])
    assert mets(read)[1] == [None, None]
    assert "1 of 2 answers missing" in read.notes[0]


def test_a_grader_s_own_failure_is_no_verdict(tmp_path):
    result = k.promptfoo_result("a", (True, False))
    result["gradingResult"]["componentResults"][1]["metadata"] = {"graderError": True}
    [read] = runs_of(tmp_path, result)
    assert mets(read) == [[True, None]]


def test_what_is_worth_nothing_or_is_no_criterion_is_not_one(tmp_path):
    result = k.promptfoo_result("a")
    result["gradingResult"]["componentResults"] += [
        {"pass": True, "reason": "", "assertion": {"type": "cost", "weight": 0}},
        {"pass": True, "reason": "", "assertion": {"type": "latency", "metricOnly": True}},
        {"pass": False, "reason": "thumbs down", "assertion": {"type": "human"}},
        {"pass": True, "reason": "", "assertion": {"type": "contains", "value": "rest"}},
        {"pass": True, "reason": "", "assertion": {"type": "is-json"}},
    ]
    [read] = runs_of(tmp_path, result)
    assert told(read.graded[0])[2:] == [("contains: rest", 1), ("is-json", 1)]


@pytest.mark.parametrize("is_flat", [True, False])
def test_the_assertions_of_a_set_share_its_weight(tmp_path, is_flat):
    inner = [
        {
            "pass": True,
            "reason": "yes",
            "assertion": {"type": "llm-rubric", "value": "A", "weight": 3},
        },
        {"pass": False, "reason": "no", "assertion": {"type": "llm-rubric", "value": "B"}},
    ]
    whole = {
        "pass": False,
        "reason": "no",
        "componentResults": inner,
        "metadata": {"assertionSet": {"type": "assert-set", "weight": 2}},
    }
    result = k.promptfoo_result("a")
    result["gradingResult"]["componentResults"] = [whole, *(inner if is_flat else [])]
    [read] = runs_of(tmp_path, result)
    # weight 2 is shared 3 : 1
    assert told(read.graded[0]) == [("A", 1.5), ("B", 0.5)]
    assert mets(read) == [[True, False]]


def test_a_template_in_an_assertion_is_shown_as_it_was_rendered(tmp_path):
    result = k.promptfoo_result("a")
    component = result["gradingResult"]["componentResults"][0]
    component["assertion"] = {"type": "llm-rubric", "value": "Names {{what}}"}
    component["metadata"] = {"renderedAssertionValue": "Names rest"}
    [read] = runs_of(tmp_path, result)
    assert told(read.graded[0])[0] == ("Names rest", 1)


def test_an_answer_in_json_is_its_text(tmp_path):
    [read] = runs_of(tmp_path, k.promptfoo_result("a", response={"output": {"advice": "Rest."}}))
    assert json.loads(read.graded[0].answer) == {"advice": "Rest."}


def test_tests_without_assertions_say_that_there_are_only_totals(tmp_path):
    grading = {"pass": True, "score": 1, "reason": "No assertions"}
    bare = k.promptfoo_result("a", gradingResult=grading, testCase={"vars": {}})
    with pytest.raises(DataError, match="only a total score"):
        runs_of(tmp_path, bare)
    [read] = runs_of(tmp_path, bare, k.promptfoo_result("b"))
    assert "1 of 2 results excluded" in read.notes[0]


def test_a_line_cut_off_is_left_out(tmp_path):
    path = k.write(tmp_path / "out.jsonl", k.promptfoo_result("a"))
    with path.open("a") as file:
        file.write('\n{"promptIdx": 0, "prov')
    [read] = read_runs([tmp_path])
    assert mets(read) == [[True, True]]
    assert "1 of 1 results excluded; the first is line 2: not JSON" in read.notes[0]


def test_a_provider_of_which_nothing_can_be_read_is_named(tmp_path):
    grading = {"pass": True, "score": 1, "reason": "No assertions"}
    bare = k.promptfoo_result("a", provider="m2", gradingResult=grading, testCase={})
    [read] = runs_of(tmp_path, k.promptfoo_result("a"), bare)
    assert "of 'm2', 1 of 1 results excluded" in read.notes[0]


def test_a_grading_without_its_parts_gives_no_verdicts(tmp_path):
    bare = {"pass": True, "score": 1, "reason": "r", "componentResults": []}
    runs = runs_of(tmp_path, k.promptfoo_result("a"), k.promptfoo_result("b", gradingResult=bare))
    assert mets(runs[0]) == [[True, True], [None, None]]
    assert "1 of 2 answers without any verdict" in runs[0].notes[0]


def test_a_template_of_a_failed_result_is_filled_in_as_that_of_a_judged_one(tmp_path):
    template = {"type": "llm-rubric", "value": "Answers {{ question }}", "weight": 5}
    judged = k.promptfoo_result("a", testCase={"assert": [template]})
    judged["gradingResult"]["componentResults"] = [
        {
            "pass": True,
            "reason": "r",
            "assertion": template,
            "metadata": {"renderedAssertionValue": "Answers Sore leg a"},
        }
    ]
    failed = judged | {"gradingResult": None, "response": {"error": "down"}, "provider": "m2"}
    runs = {run.model: run for run in runs_of(tmp_path, judged, failed)}
    assert runs["m2"].graded[0].example == runs["openai:m1"].graded[0].example
    assert runs["m2"].notes[0].startswith("out.json, m2: 1 of 1 answers missing")
    assert runs["openai:m1"].notes == ()
