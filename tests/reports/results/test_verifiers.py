from __future__ import annotations

import logs_kit as k
import pytest

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.scoring.item_scores import item_scores
from rubricbeat.reports.results.reader import read_runs


def run_of(tmp_path, *rows):
    k.verifiers_folder(tmp_path, list(rows))
    [read] = read_runs([tmp_path])
    return read


def traces(tmp_path, *episodes):
    k.write(tmp_path / "run1" / "traces.jsonl", *episodes)
    [read] = read_runs([tmp_path])
    return read


def mets(read):
    return [[v.met for v in graded.verdicts] for graded in read.graded]


def test_rollouts_with_verdicts_in_a_column(tmp_path):
    read = run_of(tmp_path, k.verifiers_row("a"), k.verifiers_row("b"))
    assert (read.model, read.task, read.label) == ("m1", "healthbench", "2026-01-02")
    assert mets(read) == [[True, False], [True, True]]
    [first, _] = read.graded
    assert [(c.text, c.points, c.tags) for c in first.example.rubric.criteria] == [
        ("Names rest", 5, ("axis:accuracy",)), ("Invents a drug", -3, ("axis:accuracy",)),
    ]  # fmt: skip
    assert first.verdicts[0].explanation == "because 0"
    assert read.notes == ()


def test_several_rollouts_of_an_example_are_repeats(tmp_path):
    read = run_of(tmp_path, *[k.verifiers_row("a")] * 2, k.verifiers_row("b"))
    assert [(g.example.prompt_id, g.repeat) for g in read.graded] == [("a", 0), ("a", 1), ("b", 0)]


def test_the_model_is_named_by_the_folder_where_no_metadata_lie_beside(tmp_path):
    path = k.verifiers_folder(tmp_path, [k.verifiers_row("a")])
    path.with_name("metadata.json").unlink()
    path.parent.parent.rename(tmp_path / "evals" / "heart--org--m2")
    [read] = read_runs([tmp_path])
    assert (read.model, read.task) == ("org/m2", "heart")


def test_a_rubric_with_verdicts_in_info_is_read(tmp_path):
    row = k.verifiers_row("a", performance_by_rubric=None)
    row["info"] = {"prompt_id": "a", "rubric": k.judged(("yes", "no"), "verdict")}
    assert mets(run_of(tmp_path, row)) == [[True, False]]


def test_a_rollout_with_an_error_counts_as_asked(tmp_path):
    failed = k.verifiers_row("b", performance_by_rubric=None, error={"error": "Timeout"})
    read = run_of(tmp_path, k.verifiers_row("a"), failed)
    assert mets(read) == [[True, False], [None, None]]
    assert "1 of 2 answers missing" in read.notes[0]


def test_an_answer_without_verdicts_has_none(tmp_path):
    read = run_of(tmp_path, k.verifiers_row("a"), k.verifiers_row("b", performance_by_rubric=None))
    assert mets(read)[1] == [None, None]
    assert read.graded[1].answer == "Rest."


def test_a_reward_that_the_verdicts_do_not_give_is_named(tmp_path):
    read = run_of(tmp_path, k.verifiers_row("a", reward_healthbench=0.25))
    assert "1 of its 1 item scores are not what their verdicts give" in read.notes[0]


def test_rewards_without_criteria_are_totals(tmp_path):
    row = {name: k.verifiers_row("a")[name] for name in ("example_id", "prompt", "completion")}
    row |= {"reward": 1.0, "metrics": {"correct": 1.0}, "correct": 1.0, "answer": "4"}
    with pytest.raises(DataError, match="holds rewards and no verdicts on criteria"):
        run_of(tmp_path, row)


def test_rows_of_ours_with_a_reward_are_no_results_of_verifiers(tmp_path):
    k.write(tmp_path / "rows.jsonl", {"prompt": "p", "completion": "c", "reward": 1})
    with pytest.raises(DataError, match="no run with verdicts; expected"):
        read_runs([tmp_path])


def test_a_rubric_judge_of_v1_is_read_from_its_calls(tmp_path):
    read = traces(
        tmp_path, k.verifiers_trace("a", ("yes", "no")), k.verifiers_trace("b", ("yes", "yes"))
    )
    assert read.model == "m1"
    assert mets(read) == [[True, False], [True, True]]
    [first, _] = read.graded
    assert [(c.text, c.points) for c in first.example.rubric.criteria] == [
        ("Names rest", 1), ("Says when to see\na doctor", 1),
    ]  # fmt: skip
    assert first.verdicts[1].explanation == "because doctor"
    assert (first.answer, first.example.prompt[0].content) == ("Rest.", "Sore leg a")


def test_weights_that_no_trace_holds_are_not_made_up(tmp_path):
    # .9 is no mean of one yes and one no: the criteria have weights
    with pytest.raises(DataError, match="its criteria have weights"):
        traces(tmp_path, k.verifiers_trace("a", ("yes", "no"), 0.9))


def test_a_trace_without_judge_calls_says_that_it_holds_totals(tmp_path):
    with pytest.raises(DataError, match="only totals"):
        traces(tmp_path, k.verifiers_trace("a", ("yes", "no"), info={}))


def test_more_than_two_choices_are_levels(tmp_path):
    episode = k.verifiers_trace("a", ("yes", "no"), 0.75)
    call = episode["traces"][0]["info"]["judge_calls"][0]
    ask = call["request"]["messages"][0]
    ask["content"] = ask["content"].replace("no, yes)", "no, partly, yes)")
    reply = call["response"]["message"]
    reply["content"] = reply["content"].replace('"verdict": "no"', '"verdict": "partly"')
    read = traces(tmp_path, episode)
    first, other = read.graded[0].verdicts
    assert (first.level, other.level) == (2, 1)
    levels = read.graded[0].example.rubric.criteria[1].levels
    assert [(level.text, level.points) for level in levels] == [
        ("no", 0.0),
        ("partly", 0.5),
        ("yes", 1.0),
    ]
    assert item_scores(read.graded).tolist() == [0.75]
    assert not read.notes


def test_a_line_cut_off_is_left_out(tmp_path):
    path = k.verifiers_folder(tmp_path, [k.verifiers_row("a")])
    with path.open("a") as file:
        file.write('\n{"example_id": 1, "prom')
    [read] = read_runs([tmp_path])
    assert mets(read) == [[True, False]]
    assert "1 of 2 rollouts excluded; the first is line 2: not JSON" in read.notes[0]


def test_verdicts_that_do_not_fit_the_rubric_are_not_guessed(tmp_path):
    short = k.verifiers_row("b", performance_by_rubric=[[{"criteria_met": True}]])
    read = run_of(tmp_path, k.verifiers_row("a"), short)
    assert mets(read) == [[True, False], [None, None]]
    assert "1 of 2 answers without any verdict on their criteria" in read.notes[0]


def test_a_trace_that_failed_before_its_judge_is_named_with_its_error(tmp_path):
    failed = k.verifiers_trace("b", ("no", "no"), ok=False, info={})
    failed["traces"][0]["errors"] = [{"type": "ProviderError", "message": "down"}]
    read = traces(tmp_path, k.verifiers_trace("a", ("yes", "no")), failed)
    assert "line 2: ended in an error" in read.notes[0]
