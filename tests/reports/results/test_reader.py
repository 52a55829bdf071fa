from __future__ import annotations

import gzip
import json

import pytest
from report_kit import example, graded, run, write_run

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.results.reader import read_runs

FIRST = "2026-01-02T03-04-05.678901"
SECOND = "2026-01-02T03-05-05.678901"


def test_a_written_run_reads_back_the_same(tmp_path):
    made = run(
        "org/m", [graded("110", example()), graded("01u", example("p2"))], stored={"score": 1}
    )
    write_run(tmp_path, made)
    [read] = read_runs([tmp_path])
    assert (read.model, read.label, read.task) == ("org/m", "one", "made_up")
    assert read.graded == made.graded
    assert read.stored == {"score": 1.0}
    assert read.judge_digest == "a" * 64
    assert read.data_sha256 == "d" * 64
    assert read.facts.versions == {"rubricbeat": "0.1.0", "task": "1", "lm_eval": "0.4.13"}


def test_samples_go_with_the_results_of_their_own_stamp(tmp_path):
    write_run(tmp_path, run("m", [graded("1")], label="first", stored={"score": 1}), FIRST)
    write_run(tmp_path, run("m", [graded("0")], label="second", stored={"score": 0}), SECOND)
    runs = read_runs([tmp_path])
    assert [(r.label, r.stored["score"]) for r in runs] == [("first", 1.0), ("second", 0.0)]


def test_a_task_name_may_hold_underscores_and_another_task_s_samples_are_no_run(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")], task="a_b_c"))
    other = samples.with_name(f"samples_gsm8k_{FIRST}.jsonl")
    other.write_text('{"doc_id": 0, "doc": {"question": "1+1"}, "exact_match": 1}\n')
    [read] = read_runs([tmp_path])
    assert read.task == "a_b_c"


def test_a_path_given_twice_is_read_once(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")]))
    assert len(read_runs([tmp_path, samples])) == 1


def test_a_results_file_stands_for_its_samples(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")]))
    [read] = read_runs([samples.parent / f"results_{FIRST}.json"])
    assert len(read.graded) == 1


def test_packed_samples_are_read(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")]))
    packed = samples.with_name(samples.name + ".gz")
    packed.write_bytes(gzip.compress(samples.read_bytes()))
    samples.unlink()
    assert len(read_runs([tmp_path])) == 1


def test_a_cut_off_archive_is_named(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")] * 50))
    packed = samples.with_name(samples.name + ".gz")
    packed.write_bytes(gzip.compress(samples.read_bytes())[:-20])
    samples.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_runs([tmp_path])


def test_samples_of_a_run_that_did_not_end_are_left_out_and_named(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")]))
    (samples.parent / f"results_{FIRST}.json").unlink()
    for path in (tmp_path, samples):
        with pytest.raises(DataError, match=rf"{samples.name}: there is no .* did not finish"):
            read_runs([path])
    write_run(tmp_path, run("another", [graded("1")]))
    told: list[str] = []
    assert [read.model for read in read_runs([tmp_path], told.append)] == ["another"]
    assert len(told) == 1 and samples.name in told[0]


def test_hostile_text_survives_reading(tmp_path):
    text = "a\u2028b\x85c </script> {{ 7*7 }} \ud800 \x00 \u202e"
    write_run(tmp_path, run("m", [graded("1", answer=text, reasons=[text])]))
    [read] = read_runs([tmp_path])
    assert read.graded[0].answer == text
    assert read.graded[0].verdicts[0].explanation == text


def test_runs_over_the_same_rows_share_their_examples(tmp_path):
    write_run(tmp_path, run("a", [graded("110", example())]))
    write_run(tmp_path, run("b", [graded("000", example())]))
    first, second = read_runs([tmp_path])
    assert first.graded[0].example is second.graded[0].example


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 2: not JSON"),
        ("\n\n{broken", "line 4: not JSON"),  # as an editor counts, blank lines too
        ("[1]", "line 2: expected a JSON object"),
        ('{"rubric": {"answers": []}}', "line 2: 'doc' is missing"),
        ('{"rubric": {"schema_version": 9}, "doc": {}}', "schema version 9"),
        ('{"rubric": {"answers": [{}]}, "doc": {"nothing": 1}}', "line 2: unknown shape"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, message):
    samples = write_run(tmp_path, run("m", [graded("1")]))
    with samples.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        read_runs([tmp_path])


def test_verdicts_that_do_not_align_with_the_rubric_are_refused(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("110", example())]))
    row = json.loads(samples.read_text())
    row["rubric"]["answers"][0]["verdicts"].pop()
    samples.write_text(json.dumps(row))
    with pytest.raises(DataError, match=r"line 1: prompt_id p1: 2 verdicts for 3 criteria"):
        read_runs([tmp_path])


def test_samples_without_verdicts_are_no_run(tmp_path):
    write_run(tmp_path, run("m", []))
    samples = next(tmp_path.rglob("samples_*"))
    samples.write_text('{"doc_id": 0, "doc": {"q": 1}, "exact_match": 1}\n')
    with pytest.raises(DataError, match="no run with verdicts"):
        read_runs([tmp_path])


def test_recorded_verdicts_are_sent_to_import(tmp_path):
    path = tmp_path / "said.jsonl"
    path.write_text('{"prompt_id": "a", "completion": "x", "criteria_met": [true]}\n', "utf-8")
    with pytest.raises(DataError, match=r"'rubricbeat import .*said\.jsonl -o results' makes"):
        read_runs([path])


def test_nothing_to_read_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="the folder is empty"):
        read_runs([tmp_path])
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")
    with pytest.raises(DataError, match="--log_samples"):
        read_runs([tmp_path])
    with pytest.raises(DataError, match="no such file or folder"):
        read_runs([tmp_path / "missing"])
    samples = write_run(tmp_path, run("m", [graded("1")]))
    samples.unlink()
    with pytest.raises(DataError, match="no samples"):
        read_runs([samples.parent / f"results_{FIRST}.json"])


def test_a_broken_file_is_left_out_of_a_folder_by_name(tmp_path):
    write_run(tmp_path, run("m", [graded("1")], label="first"), FIRST)
    broken = write_run(tmp_path, run("m", [graded("0")], label="second"), SECOND)
    broken.write_text("{broken")
    left_out: list[str] = []
    [read] = read_runs([tmp_path], left_out.append)
    assert read.label == "first"
    [words] = left_out
    assert words.startswith(f"excluded: {broken.name}, line 1: not JSON")


def test_what_is_left_out_goes_to_stderr_where_nobody_takes_it(tmp_path, capsys):
    write_run(tmp_path, run("m", [graded("1")]))
    (tmp_path / "a.eval").write_text("no zip")
    read_runs([tmp_path])
    assert "rubricbeat: note: excluded: a.eval: cannot be unpacked" in capsys.readouterr().err


def test_a_file_asked_for_by_name_must_be_readable(tmp_path):
    samples = write_run(tmp_path, run("m", [graded("1")]))
    (tmp_path / "a.eval").write_text("no zip")
    with pytest.raises(DataError, match="cannot be unpacked"):
        read_runs([samples, tmp_path / "a.eval"])


def test_nesting_without_end_is_one_line(tmp_path):
    (tmp_path / "log.json").write_text('{"eval": ' + "[" * 200_000)
    with pytest.raises(DataError, match="not valid JSON"):
        read_runs([tmp_path])


def test_files_of_other_kinds_are_passed_over(tmp_path):
    write_run(tmp_path, run("m", [graded("1")]))
    (tmp_path / "config.json").write_text('{"eval": 1, "results": [1]}')
    (tmp_path / "rows.jsonl").write_text('{"prompt_id": "p"}\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "list.json").write_text('["eval"]')
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    told: list[str] = []
    assert len(read_runs([tmp_path], told.append)) == 1
    assert not [words for words in told if "list.json" not in words]


@pytest.mark.parametrize(
    ("name", "text", "is_told"),
    [
        ("a.csv", "question,answer\nWhy?,So\n", True),
        ("a.jsonl", '{"prompt_id": "p", "completion": "So"}\n', True),
        ("rows.csv", "question,rubric\nWhy?,- So\n", False),
        ("rubric.txt", "Says so\n", False),
    ],
)
def test_answers_without_verdicts_are_told_apart_and_sent_to_judge(tmp_path, name, text, is_told):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_runs([tmp_path / name])
    words = f"grade each file first: rubricbeat judge --data {tmp_path / name} --rubric FILE"
    assert (words in str(caught.value)) == is_told
