from __future__ import annotations

import json
import zipfile

import logs_kit as k
import pytest

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.verdict import Outcome
from rubricbeat.reports.results.reader import read_runs


def inspect_log(path, samples, header="header.json"):
    spec = {
        "version": 2,
        "eval": {
            "task": "inspect_evals/healthbench",
            "model": "org/m",
            "created": "2026-01-01T00:00:00+00:00",
            "packages": {"inspect_ai": "0.3.100"},
            "model_roles": {"grader": {"model": "openai/judge"}},
        },
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr(header, json.dumps(spec))
        for sample in samples:
            log.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))


def inspect_sample(name="p1", epoch=1, entries=None):
    return {
        "id": name,
        "epoch": epoch,
        "input": [{"role": "user", "content": [{"type": "text", "text": "May I run?"}]}],
        "output": {
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": [
                            {"type": "reasoning", "reasoning": "hmm"},
                            {"type": "text", "text": "Rest."},
                        ],
                    }
                }
            ]
        },
        "metadata": {
            "prompt_id": f"id-{name}",
            "example_tags": ["theme:hedging"],
            "rubrics": [
                {"criterion": "Says rest", "points": 5, "tags": ["axis:accuracy"]},
                {"criterion": "Boasts", "points": -2, "tags": []},
            ],
        },
        "scores": {
            "healthbench_scorer": {
                "value": 1.0,
                "answer": "Rest.",
                "metadata": {
                    "total": 2,
                    "criteria_results": entries
                    or [
                        {"criterion": "Says rest", "criteria_met": True, "explanation": "it does"},
                        {"criterion": "Boasts", "criteria_met": None, "explanation": "no JSON"},
                    ],
                },
            }
        },
    }


@pytest.mark.parametrize("header", ["header.json", "_journal/start.json", "start.json"])
def test_an_inspect_log_becomes_a_run(tmp_path, header):
    inspect_log(tmp_path / "a.eval", [inspect_sample(), inspect_sample(epoch=2)], header)
    [read] = read_runs([tmp_path])
    assert (read.model, read.task) == ("org/m", "healthbench")
    assert [g.repeat for g in read.graded] == [0, 1]
    first = read.graded[0]
    assert first.example.prompt_id == "id-p1"
    assert first.example.prompt[0].content == "May I run?"
    assert first.answer == "Rest."
    assert [c.points for c in first.example.rubric.criteria] == [5, -2]
    assert [v.outcome for v in first.verdicts] == [Outcome.MET, Outcome.UNPARSEABLE]
    assert first.example.tags == ("theme:hedging",)
    assert read.judge["model"] == "openai/judge"


def test_an_inspect_log_without_verdicts_says_what_is_looked_for(tmp_path):
    sample = inspect_sample()
    sample["scores"] = {"match": {"value": "C"}}
    inspect_log(tmp_path / "a.eval", [sample])
    with pytest.raises(DataError, match="none of its 1 samples has verdicts on criteria"):
        read_runs([tmp_path])


def test_verdicts_without_points_anywhere_are_refused(tmp_path):
    sample = inspect_sample()
    del sample["metadata"]["rubrics"]
    inspect_log(tmp_path / "a.eval", [sample])
    with pytest.raises(DataError, match="criterion 0 has no text or no points"):
        read_runs([tmp_path])


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.eval").write_text("not a zip")
    with pytest.raises(DataError, match="cannot be unpacked"):
        read_runs([tmp_path])
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as log:
        log.writestr("other.txt", "x")
    with pytest.raises(DataError, match="is it an inspect log"):
        read_runs([tmp_path])


def run_of(tmp_path, *samples, **header):
    k.inspect_eval(tmp_path / "a.eval", list(samples), k.inspect_header(**header))
    [read] = read_runs([tmp_path])
    return read


def mets(read):
    return [[v.met for v in graded.verdicts] for graded in read.graded]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, 93])
def test_a_log_is_read_however_it_is_packed(tmp_path, method):
    k.inspect_eval(
        tmp_path / "a.eval", [k.inspect_sample("a"), k.inspect_sample("b")], method=method
    )
    [read] = read_runs([tmp_path])
    assert mets(read) == [[True, False], [True, True]]
    assert read.notes == ()


def test_a_log_in_json_gives_the_run_of_the_packed_one(tmp_path):
    samples = [k.inspect_sample("a"), k.inspect_sample("b")]
    k.inspect_eval(tmp_path / "packed" / "a.eval", samples)
    k.write(
        tmp_path / "plain" / "2026_healthbench.json", {**k.inspect_header(), "samples": samples}
    )
    [packed] = read_runs([tmp_path / "packed"])
    [plain] = read_runs([tmp_path / "plain"])
    assert plain.graded == packed.graded
    assert (plain.model, plain.label, plain.task) == (packed.model, packed.label, packed.task)


@pytest.mark.parametrize(
    ("met", "not_met"),
    [("met", "not met"), ("C", "I"), ("CORRECT", "INCORRECT"), (1, 0), (1.0, 0.0), ("1", "0"),
     ("True", "False"), ("yes", "no"), ("pass", "fail"), ("Satisfied", "Not Satisfied"),
     ("NOT_MET ", None)],
)  # fmt: skip
def test_verdict_words_are_read(tmp_path, met, not_met):
    read = run_of(tmp_path, k.inspect_sample("a", (met, not_met), key="verdict"))
    expected = [False, None] if not_met is None else [True, False]
    assert mets(read) == [expected]
    assert read.notes == ()


@pytest.mark.parametrize("word", ["P", "N", 0.5, "partially met", 2, "maybe", [True]])
def test_a_word_that_is_no_verdict_is_named_and_missing(tmp_path, word):
    read = run_of(tmp_path, k.inspect_sample("a", (True, word), key="grade"))
    assert mets(read) == [[True, None]]
    shown = "list" if isinstance(word, list) else str(word)
    assert f"1 verdict recorded as '{shown}'" in read.notes[0]
    assert "criterion 1" in read.notes[0]


def test_a_verdict_written_for_want_of_one_is_missing(tmp_path):
    sample = k.inspect_sample("a")
    entries = sample["scores"]["healthbench_scorer"]["metadata"]["detailed_results"]
    entries[1] |= {"met": False, "explanation": "Failed to parse judge response: no JSON"}
    read = run_of(tmp_path, sample)
    assert mets(read) == [[True, None]]
    assert "only because the judge's reply could" in read.notes[0]


def test_the_score_that_a_log_states_is_compared(tmp_path):
    results = {
        "scores": [
            {"name": "healthbench_scorer", "metrics": {"bootstrap_score": {"value": 0.7}}},
            {"name": "other", "metrics": {"bootstrap_score": {"value": 0.1}}},
        ]
    }
    read = run_of(tmp_path, k.inspect_sample("a"), k.inspect_sample("b"), results=results)
    assert read.stored == {"score": 0.7}
    assert read.notes == ()


def test_epochs_are_repeats_and_reduced_scores_are_not_used(tmp_path):
    read = run_of(
        tmp_path,
        *(k.inspect_sample(name, epoch=epoch) for name in "ab" for epoch in (1, 2)),
        reductions=[{"scorer": "healthbench_scorer", "samples": []}],
    )
    assert [(g.example.prompt_id, g.repeat) for g in read.graded] == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 1),
    ]  # fmt: skip


def test_of_several_scorers_one_is_read_and_the_others_are_named(tmp_path):
    samples = [k.inspect_sample("a"), k.inspect_sample("b")]
    samples[0]["scores"] = {
        "match": {"value": "C"},
        "strict": {"value": 0, "metadata": {"criteria": k.judged((False, True))}},
        **samples[0]["scores"],
    }
    read = run_of(tmp_path, *samples)
    assert mets(read) == [[True, False], [True, True]]
    assert "scorer 'healthbench_scorer' are read; 'strict' judged the same" in read.notes[0]


def test_a_sample_that_ended_in_an_error_counts_as_asked(tmp_path):
    failed = k.inspect_sample("b")
    failed |= {"scores": None, "error": {"message": "out of tokens"}}
    read = run_of(tmp_path, k.inspect_sample("a"), failed)
    assert [v.outcome for v in read.graded[1].verdicts] == [Outcome.SKIPPED] * 2
    assert "1 of 2 answers missing" in read.notes[0]


def test_a_sample_that_no_scorer_judged_has_its_answer_and_no_verdicts(tmp_path):
    unjudged = k.inspect_sample("b") | {"scores": {}}
    read = run_of(tmp_path, k.inspect_sample("a"), unjudged)
    assert read.graded[1].answer == "Rest."
    assert mets(read) == [[True, False], [None, None]]


def test_a_sample_without_a_rubric_is_left_out_by_name(tmp_path):
    bare = k.inspect_sample("b") | {"scores": {}, "metadata": {}, "error": {"message": "down"}}
    read = run_of(tmp_path, k.inspect_sample("a"), bare)
    assert len(read.graded) == 1
    assert "samples/b_epoch_1.json: ended in an error: down" in read.notes[0]


@pytest.mark.parametrize("status", ["cancelled", "error", "started"])
def test_a_log_that_was_not_finished_says_so(tmp_path, status):
    spec = k.inspect_header()["eval"] | {"dataset": {"samples": 5}}
    read = run_of(tmp_path, k.inspect_sample("a"), status=status, eval=spec)
    assert f"the log's status is '{status}': it holds 1 of 5 samples" in read.notes[0]


def test_an_invalidated_sample_is_left_out(tmp_path):
    gone = k.inspect_sample("b") | {"invalidation": {"reason": "leaked"}}
    read = run_of(tmp_path, k.inspect_sample("a"), gone)
    assert len(read.graded) == 1
    assert "invalidated" in read.notes[0]


def test_a_null_answer_is_missing_and_an_empty_one_is_text(tmp_path):
    silent, empty = k.inspect_sample("a"), k.inspect_sample("b")
    silent["output"]["choices"][0]["message"]["content"] = None
    empty["output"]["choices"][0]["message"]["content"] = ""
    read = run_of(tmp_path, silent, empty)
    assert [v.outcome for v in read.graded[0].verdicts] == [Outcome.SKIPPED] * 2
    assert mets(read)[1] == [True, True]


def test_texts_kept_as_attachments_are_put_back(tmp_path):
    name = "0" * 32
    sample = k.inspect_sample("a") | {"attachments": {name: "A long answer."}}
    sample["output"]["choices"][0]["message"]["content"] = f"attachment://{name}"
    assert run_of(tmp_path, sample).graded[0].answer == "A long answer."


@pytest.mark.parametrize(
    "value",
    [{"Names rest": "C", "Invents a drug": "I"}, {"_crit_0_met": 1.0, "_crit_1_met": 0.0}],
)
def test_a_score_that_maps_criteria_to_verdicts_is_read(tmp_path, value):
    sample = k.inspect_sample("a")
    sample["scores"] = {"s": {"value": value, "metadata": {}}}
    assert mets(run_of(tmp_path, sample)) == [[True, False]]


def test_criteria_named_by_id_get_text_and_points_of_the_rubric(tmp_path):
    sample = k.inspect_sample("a")
    for at, entry in enumerate(sample["metadata"]["rubrics"]):
        entry["id"] = f"c{at}"
    sample["scores"] = {
        "s": {"value": 1, "metadata": {"items": [
            {"id": "c1", "name": "c1", "met": False}, {"id": "c0", "name": "c0", "met": True},
        ]}}
    }  # fmt: skip
    [graded] = run_of(tmp_path, sample).graded
    assert [(c.text, c.points) for c in graded.example.rubric.criteria] == [
        ("Invents a drug", -3), ("Names rest", 5),
    ]  # fmt: skip
    assert [v.met for v in graded.verdicts] == [False, True]


def test_a_list_that_only_looks_like_verdicts_does_not_hide_them(tmp_path):
    sample = k.inspect_sample("a")
    metadata = sample["scores"]["healthbench_scorer"]["metadata"]
    calls = [{"name": "search", "result": "two papers"}]
    sample["scores"]["healthbench_scorer"]["metadata"] = {"calls": calls, **metadata}
    assert mets(run_of(tmp_path, sample)) == [[True, False]]


@pytest.mark.parametrize("key", ["value", "answer", "status", "judgement", "satisfied"])
def test_other_names_for_a_verdict_beside_its_criterion(tmp_path, key):
    assert mets(run_of(tmp_path, k.inspect_sample("a", ("C", "I"), key=key))) == [[True, False]]


def test_a_list_as_long_as_the_rubric_is_not_taken_for_verdicts(tmp_path):
    sample = k.inspect_sample("a")
    sample["scores"] = {"s": {"value": 1, "metadata": {"usage": [{"value": 1}, {"value": 0}]}}}
    with pytest.raises(DataError, match="none of its 1 samples has verdicts"):
        run_of(tmp_path, sample)


def test_the_single_score_of_old_logs_is_read(tmp_path):
    sample = k.inspect_sample("a")
    [sample["score"]] = sample.pop("scores").values()
    assert mets(run_of(tmp_path, sample)) == [[True, False]]


def test_an_explanation_of_marked_blocks_is_read(tmp_path):
    # as openbench writes it: what is not met first, and no list anywhere
    sample = k.inspect_sample("a")
    text = "[✗] [-3] Invents a drug\n  it names none\n\n[✓] [5] Names rest\n  it does"
    sample["scores"] = {"s": {"value": 1.0, "explanation": text, "metadata": {"overall_score": 1}}}
    read = run_of(tmp_path, sample)
    assert mets(read) == [[True, False]]
    assert read.graded[0].verdicts[1].explanation == "it names none"


def test_one_broken_entry_leaves_the_others(tmp_path):
    path = k.inspect_eval(tmp_path / "a.eval", [k.inspect_sample("a")])
    with zipfile.ZipFile(path, "a") as log:
        log.writestr("samples/b_epoch_1.json", "{broken")
    [read] = read_runs([tmp_path])
    assert len(read.graded) == 1
    assert "samples/b_epoch_1.json" in read.notes[0]


def test_a_log_without_samples_says_how_to_write_them(tmp_path):
    k.write(tmp_path / "log.json", k.inspect_header(results={"scores": []}))
    with pytest.raises(DataError, match="--no-log-samples"):
        read_runs([tmp_path])


def test_an_entry_that_promises_another_size_is_refused(tmp_path):
    sample = json.dumps(k.inspect_sample("a")).encode()
    entries = {"header.json": json.dumps(k.inspect_header()).encode(), "samples/a.json": sample}
    (tmp_path / "a.eval").write_bytes(k.zstd_zip(entries, frames=3))
    assert len(read_runs([tmp_path])) == 1
    (tmp_path / "a.eval").write_bytes(k.zstd_zip(entries, lie=5))
    with pytest.raises(DataError, match="broken or cut short"):
        read_runs([tmp_path])
    (tmp_path / "a.eval").write_bytes(k.zstd_zip(entries, lie=2**30))
    with pytest.raises(DataError, match="at most 1,000 MB are read"):
        read_runs([tmp_path])


def test_a_log_of_more_values_than_are_read_names_the_option_and_not_broken_json(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("RUBRICBEAT_MAX_VALUES", "1000")
    path = tmp_path / "x.eval"
    with zipfile.ZipFile(path, "w") as log:
        log.writestr("header.json", json.dumps({"eval": {"model": "m"}, "x": [[]] * 2000}))
    with pytest.raises(DataError, match=r"header.json: .*RUBRICBEAT_MAX_VALUES") as caught:
        read_runs([path])
    assert "not valid JSON" not in str(caught.value)


LEVELS = [
    {"text": "no", "points": 0},
    {"text": "for a day", "points": 2},
    {"text": "long", "points": 5},
]


def with_levels(first, **metadata):
    sample = inspect_sample(entries=[first, {"criterion": "Boasts", "criteria_met": False}])
    rubric = [
        {"criterion": "Says rest", "levels": LEVELS, "may_be_na": True, "id": "rest"},
        {"criterion": "Boasts", "points": -2, "id": "boasts", "requires": "rest"},
    ]
    sample["metadata"] = {**sample["metadata"], "rubrics": rubric, **metadata}
    return sample


@pytest.mark.parametrize(
    "value",
    [{"level": 1}, {"verdict": "for a day"}, {"grade": 2}, {"criteria_met": None, "level": 1}],
)
def test_a_level_of_the_samples_own_rubric_is_read(tmp_path, value):
    inspect_log(tmp_path / "a.eval", [with_levels({"criterion": "Says rest", **value})])
    [read] = read_runs([tmp_path])
    criterion, other = read.graded[0].example.rubric.criteria
    assert [level.points for level in criterion.levels] == [0, 2, 5]
    assert (criterion.points, other.requires.id) == (5, "rest")
    assert [v.level for v in read.graded[0].verdicts] == [1, None]


def test_not_applicable_of_the_samples_own_rubric_is_read(tmp_path):
    inspect_log(tmp_path / "a.eval", [with_levels({"criterion": "Says rest", "verdict": "N/A"})])
    [read] = read_runs([tmp_path])
    assert [v.outcome for v in read.graded[0].verdicts] == ["not_applicable", "not_met"]


def test_fields_called_level_and_id_of_a_plain_rubric_are_none_of_ours(tmp_path):
    sample = inspect_sample()
    for entry in sample["metadata"]["rubrics"]:
        entry.update(level="example", id="same", gate=1)
    inspect_log(tmp_path / "a.eval", [sample])
    [read] = read_runs([tmp_path])
    assert read.graded[0].example.rubric.is_plain
    assert [v.outcome for v in read.graded[0].verdicts] == [Outcome.MET, Outcome.UNPARSEABLE]


def test_an_answer_that_never_came_has_the_whole_rubric_too(tmp_path):
    judged = with_levels({"criterion": "Says rest", "level": 1})
    lost = {**judged, "epoch": 2, "error": {"message": "gone"}, "scores": {}}
    named = {**judged, "epoch": 3}
    named["scores"] = {"healthbench_scorer": {"value": {"rest": {"level": 1}, "boasts": False}}}
    inspect_log(tmp_path / "a.eval", [judged, lost, named])
    [read] = read_runs([tmp_path])
    assert len({g.example for g in read.graded}) == 1
    assert {g.repeat: g.verdicts[0].level for g in read.graded} == {0: 1, 1: None, 2: 1}
    assert [g.repeat for g in read.graded if g.is_absent] == [1]
