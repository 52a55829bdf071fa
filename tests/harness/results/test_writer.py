"""Result files: lm-eval's layout, whole or not at all, read back to the same verdicts."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.harness.results.writer import GradedRun, _indented, sanitized, write_run
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.data.examples import example_from_row, example_to_row
from rubricbeat.judges.errors import ConfigError, DataError
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.reports.results.reader import read_runs

NOW = datetime(2026, 11, 23, 12, 30, 15, 123456)


def graded(
    prompt_id: str = "p1",
    met: Sequence[bool | None] = (True, False),
    text: str = "Rest.",
    repeat: int = 0,
) -> GradedAnswer:
    example = example_from_row(
        {
            "prompt_id": prompt_id,
            "prompt": [{"role": "user", "content": "Müde \u2028 ❤"}],
            "rubrics": [
                {"criterion": "Says rest", "points": 5, "tags": ["axis:accuracy"]},
                {"criterion": "Guesses", "points": -2, "tags": []},
            ],
            "example_tags": ["theme:hedging"],
            "canary": "made-up",
        }
    )
    verdicts = tuple(
        Verdict(Outcome.TRANSPORT) if m is None else Verdict.of(m, explanation="so") for m in met
    )
    return GradedAnswer(example, text, verdicts, repeat)


def run_of(*answers: GradedAnswer, model: str = "maker/model-1") -> GradedRun:
    return GradedRun(
        model=model,
        task="healthbench_heart",
        graded=answers,
        judge={"identity": {"name": "keyword"}, "digest": "d"},
        data={"path": "rows.jsonl", "sha256": "abc", "n_rows": 9},
        run={"label": "seed-1"},
    )


def test_written_run_is_read_back_with_its_verdicts_and_facts(tmp_path: Path) -> None:
    answers = (
        graded("p1", repeat=0),
        graded("p1", (True, None), "Sleep.", 1),
        graded("p2", (None, None)),
    )
    written = write_run(run_of(*answers), tmp_path)
    [run] = read_runs([tmp_path])
    assert run.graded == answers
    assert (run.model, run.label, run.task) == ("maker/model-1", "seed-1", "healthbench_heart")
    assert run.data_sha256 == "abc"
    assert run.judge_digest == "d"
    assert run.stored["score"] == written.metrics["score"]
    assert run.stored["n_asked"] == 3


def test_layout_and_names_are_lm_evals(tmp_path: Path) -> None:
    written = write_run(run_of(graded()), tmp_path, now=NOW)
    folder = tmp_path / "maker__model-1"
    assert written.results == folder / "results_2026-11-23T12-30-15.123456.json"
    assert written.samples == folder / (
        "samples_healthbench_heart_2026-11-23T12-30-15.123456.jsonl"
    )
    results = json.loads(written.results.read_text(encoding="utf-8"))
    assert results["results"]["healthbench_heart"]["alias"] == "healthbench_heart"
    assert results["results"]["healthbench_heart"]["score,none"] == 1.0
    assert results["n-samples"]["healthbench_heart"] == {"original": 9, "effective": 1}


def test_samples_carry_lm_evals_keys_and_its_hash(tmp_path: Path) -> None:
    from lm_eval.utils import handle_non_serializable, hash_string

    written = write_run(run_of(graded(), graded("p2")), tmp_path)
    lines = [json.loads(line) for line in written.samples.read_bytes().split(b"\n") if line]
    assert [line["doc_id"] for line in lines] == [0, 1]
    for line in lines:
        assert set(line) >= {
            "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
            "doc_hash", "prompt_hash", "target_hash", "rubric",
        }  # fmt: skip
        assert set(line["metrics"]) <= set(line)
        dumped = json.dumps(
            line["doc"], indent=2, default=handle_non_serializable, ensure_ascii=False
        )
        assert line["doc_hash"] == hash_string(dumped)
        assert line["doc"]["canary"] == "made-up"


def test_answers_to_different_rows_of_one_id_are_not_mixed(tmp_path: Path) -> None:
    other = graded()
    row = example_to_row(other.example) | {"prompt": [{"role": "user", "content": "Else?"}]}
    stranger = GradedAnswer(example_from_row(row), "x", other.verdicts)
    with pytest.raises(DataError, match="other rows"):
        write_run(run_of(other, stranger), tmp_path)


def test_lm_eval_prints_its_table_of_our_results(tmp_path: Path) -> None:
    from lm_eval.utils import make_table

    written = write_run(run_of(graded(), graded("p2", (True, None))), tmp_path)
    table = make_table(json.loads(written.results.read_text(encoding="utf-8")))
    [line] = [line for line in table.splitlines() if "|score  " in line]
    assert "healthbench_heart" in table
    assert "1.0000" in line


def test_undefined_metrics_are_null_and_never_nan(tmp_path: Path) -> None:
    written = write_run(run_of(graded(met=(None, None))), tmp_path)
    for path in (written.results, written.samples):
        assert b"NaN" not in path.read_bytes()
    results = json.loads(written.results.read_text(encoding="utf-8"))
    assert results["results"]["healthbench_heart"]["score,none"] is None


def test_taken_stamp_moves_on_and_nothing_is_overwritten(tmp_path: Path) -> None:
    first = write_run(run_of(graded()), tmp_path, now=NOW)
    before = first.samples.read_bytes()
    second = write_run(run_of(graded(met=(False, True))), tmp_path, now=NOW)
    assert second.samples != first.samples
    assert first.samples.read_bytes() == before
    assert len(read_runs([tmp_path])) == 2


def test_files_are_for_their_owner_alone_and_no_leftovers_stay(tmp_path: Path) -> None:
    written = write_run(run_of(graded()), tmp_path)
    for path in (written.results, written.samples):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(written.results.parent.iterdir()) == {written.results, written.samples}


def test_half_surrogates_and_control_characters_in_an_answer_survive(tmp_path: Path) -> None:
    text = 'half \ud83d, "quote", \x00, </script>, {{ 7*7 }}'
    write_run(run_of(graded(text=text), graded("p2", text="❤")), tmp_path)
    [run] = read_runs([tmp_path])
    assert [answer.answer for answer in run.graded] == [text, "❤"]


def test_names_that_would_leave_the_folder_do_not(tmp_path: Path) -> None:
    for name in ("../evil", "..", "/etc/x", "a\\b", "", "x" * 300, "nul\x00"):
        written = write_run(run_of(graded(), model=name), tmp_path / "out")
        assert written.results.parent.parent == tmp_path / "out"


def test_model_names_are_sanitized_as_lm_eval_does() -> None:
    from lm_eval.utils import sanitize_model_name

    for name in ("maker/model", 'a"b<c>d:e|f', "x[1]*?", "plain-1.5B"):
        assert sanitized(name) == sanitize_model_name(name)


def test_output_path_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot write results"):
        write_run(run_of(graded()), tmp_path / "out")


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=[])),
    st.sampled_from([5, -2, 0.5, 0.1 + 0.2, 1e-5, 12345.678, 1e15, 3]),
)
def test_the_indented_document_is_that_of_json_dumps(text, points):
    criterion = {"criterion": text, "points": points, "polarity": "desirable", "tags": []}
    for extra in ({}, {"check": {"any": [text], "share": 1e-7}}):
        doc = {"prompt_id": "p", "prompt": [], "rubrics": [{**criterion, **extra}], text: [text]}
        assert _indented(doc) == json.dumps(doc, indent=2, ensure_ascii=False)


def test_half_a_surrogate_pair_is_written_as_before():
    doc = {"rubrics": [], "text": "a\ud83d"}
    assert _indented(doc) == json.dumps(doc, indent=2, ensure_ascii=False)
