"""Moving verdicts between stores loses nothing and invents nothing."""

from __future__ import annotations

import json
import sqlite3

import pytest
from engine_kit import CountingJudge, answers, outcomes
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.harness.cli import main
from rubricbeat.judges.errors import ConfigError, DataError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.store.importing import import_lines
from rubricbeat.judges.store.transfer import Moved, export_lines, merge, stats
from rubricbeat.judges.store.upkeep import check_store, prune


def filled(path, numbers, model="counting"):
    """Grade some answers into a store."""
    with Grader(CountingJudge(model=model), RuntimeOptions(store=str(path))) as grader:
        grader.grade([answers(max(numbers) + 1)[n] for n in numbers])
    return path


def test_what_is_exported_comes_back_and_is_found(tmp_path):
    first = filled(tmp_path / "a.sqlite", range(4))
    lines = list(export_lines(first))
    assert len(lines) == 12
    assert import_lines(tmp_path / "b.sqlite", lines, where="a") == Moved(12, 0)
    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=str(tmp_path / "b.sqlite"))) as grader:
        assert outcomes(grader.grade(answers(4))) == [["met", "not_met", "met"]] * 4
    assert not judge.asked
    assert list(export_lines(tmp_path / "b.sqlite")) == lines


def test_a_line_says_all_that_a_study_needs(tmp_path):
    line = json.loads(next(export_lines(filled(tmp_path / "a.sqlite", [3]))))
    assert line["prompt_id"] == "made-up-3"
    assert line["criterion"] == "Item 0 of 3"
    assert line["points"] == 1
    assert line["answer"] == "Answer 3: drink less coffee."
    assert line["judge"]["name"] == "counting"
    assert (line["outcome"], line["met"], line["replicate"]) == ("met", True, 0)
    assert line["example"]["rubrics"][2]["criterion"] == "Fault of 3"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"met": None}, "contradicts"),
        ({"outcome": "perhaps"}, "unknown outcome"),
        ({"outcome": "skipped", "met": None}, "it has no verdict"),
        ({"key": "00"}, "64 hex digits"),
        ({"key": "zz" * 32}, "non-hexadecimal"),
        ({"judge": None}, "not subscriptable"),
        ({"latency_s": float("nan")}, "NaN is no number"),
        ({"created": float("inf")}, "Infinity is no number"),
        ({"example": {"prompt_id": "other"}}, "changed after the export"),
    ],
)
def test_a_line_that_is_not_ours_is_refused_with_its_number(tmp_path, change, why):
    lines = list(export_lines(filled(tmp_path / "a.sqlite", range(2))))
    lines[3] = json.dumps({**json.loads(lines[3]), **change})
    with pytest.raises(DataError, match=rf"x\.jsonl, line 4: .*{why}"):
        import_lines(tmp_path / "b.sqlite", lines, where="x.jsonl")
    assert not (tmp_path / "b.sqlite").exists()


def test_part_of_an_export_without_its_example_is_refused(tmp_path):
    lines = list(export_lines(filled(tmp_path / "a.sqlite", [0])))
    with pytest.raises(DataError, match="import the whole export"):
        import_lines(tmp_path / "b.sqlite", lines[1:], where="x")
    assert stats(tmp_path / "b.sqlite")["verdicts"] == 0


@settings(max_examples=6, deadline=None)
@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=4))
def test_merging_gives_the_union_in_whatever_order(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("m")
    stores = [filled(folder / f"{i}.sqlite", sorted(numbers)) for i, numbers in enumerate(parts)]
    moved = merge(folder / "all.sqlite", stores)
    union = set().union(*parts)
    assert moved.n_added == 3 * len(union)
    assert moved.n_known == 3 * (sum(map(len, parts)) - len(union))
    back = merge(folder / "back.sqlite", stores[::-1])
    assert back.n_added == moved.n_added
    assert merge(folder / "all.sqlite", stores).n_added == 0
    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=str(folder / "all.sqlite"))) as grader:
        grader.grade([answers(6)[n] for n in sorted(union)])
    assert not judge.asked


def test_merging_leaves_an_old_store_as_it_is(tmp_path):
    old = filled(tmp_path / "old.sqlite", range(2))
    with sqlite3.connect(old) as db:
        db.execute("DROP TABLE failed_replies")
        db.execute("ALTER TABLE verdicts DROP COLUMN crc")
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert merge(tmp_path / "all.sqlite", [old]).n_added == 6
    with sqlite3.connect(old) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_a_store_is_not_merged_into_itself(tmp_path):
    path = filled(tmp_path / "a.sqlite", [0])
    with pytest.raises(ConfigError, match="into itself"):
        merge(path, [path])


def test_a_source_that_cannot_be_merged_is_named_and_makes_no_target(tmp_path):
    newer = filled(tmp_path / "newer.sqlite", [0])
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match=r"newer\.sqlite has layout 99"):
        merge(tmp_path / "all.sqlite", [newer])
    with pytest.raises(ConfigError, match=r"no verdict store at .*gone"):
        merge(tmp_path / "all.sqlite", [tmp_path / "gone.sqlite"])
    assert not (tmp_path / "all.sqlite").exists()


@pytest.mark.parametrize("has_header", [False, True])
@pytest.mark.parametrize(
    "action",
    [
        ["stats", "IT"],
        ["check", "IT"],
        ["check", "IT", "--repair"],
        ["export", "IT"],
        ["prune", "IT", "--older_than", "1"],
        ["merge", "all.sqlite", "IT"],
    ],
)
def test_an_empty_file_is_no_store_and_stays_as_it_is(
    tmp_path, monkeypatch, capsys, action, has_header
):
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    if has_header:  # an SQLite file in which no table was ever made
        db = sqlite3.connect(empty)
        db.execute("PRAGMA journal_mode = WAL")
        db.close()
    before = empty.read_bytes()
    assert main(["verdicts", *(str(empty) if word == "IT" else word for word in action)]) == 2
    assert f"verdict store {empty}: the file is empty" in capsys.readouterr().err
    assert empty.read_bytes() == before
    assert not (tmp_path / "all.sqlite").exists()


def test_a_store_can_be_made_of_an_empty_file(tmp_path):
    (tmp_path / "new.sqlite").touch()
    moved = merge(tmp_path / "new.sqlite", [filled(tmp_path / "a.sqlite", [0])])
    assert moved.n_added == 3


def test_a_source_may_have_signs_of_an_address_in_its_name(tmp_path):
    odd = filled(tmp_path / "a?b#c%20.sqlite", [0])
    assert merge(tmp_path / "all.sqlite", [odd]).n_added == 3


def test_pruning_by_judge_takes_out_what_only_that_judge_needed(tmp_path):
    path = filled(tmp_path / "a.sqlite", range(3), model="old")
    filled(path, range(2), model="new")
    would = prune(path, judge="old", dry_run=True)
    assert stats(path)["verdicts"] == 15
    assert prune(path, judge="old") == would
    assert would == {
        "verdicts": 9, "failed_replies": 0, "examples": 1, "answers": 1, "judges": 1
    }  # fmt: skip
    left = stats(path)
    assert (left["verdicts"], left["examples"]) == (6, 2)
    assert [judge["model"] for judge in left["judges"]] == ["new"]


def test_pruning_by_age_and_judge_needs_both(tmp_path):
    path = filled(tmp_path / "a.sqlite", [0], model="old")
    filled(path, [0], model="new")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE verdicts SET created = 0 WHERE criterion = 1")
    db.close()
    assert prune(path, judge="new", older_than_days=10, now=11 * 86_400)["verdicts"] == 1
    assert prune(path, older_than_days=10, now=11 * 86_400)["verdicts"] == 1
    assert stats(path)["verdicts"] == 4


def test_damaged_verdicts_are_counted_refused_and_set_aside(tmp_path):
    path = filled(tmp_path / "a.sqlite", range(2))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE verdicts SET explanation = 'other' WHERE rowid = 2")
    db.close()
    assert stats(path)["damaged"] == 1
    with pytest.raises(StoreError, match="is damaged"):
        list(export_lines(path))
    with pytest.raises(StoreError, match="is damaged"):
        merge(tmp_path / "all.sqlite", [path])
    assert check_store(path, repair=True).is_sound
    assert stats(path)["damaged"] == 0
    assert len(list(export_lines(path))) == 5


@pytest.mark.parametrize("judge", ["nobody", "0000"])
def test_an_unknown_judge_is_refused_and_the_known_are_named(tmp_path, judge):
    path = filled(tmp_path / "a.sqlite", [0])
    with pytest.raises(ConfigError, match="it holds: counting counting"):
        prune(path, judge=judge)


def test_pruning_without_a_condition_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs a condition"):
        prune(filled(tmp_path / "a.sqlite", [0]))


def test_what_is_graded_after_a_prune_can_be_exported(tmp_path):
    path, some = tmp_path / "v.sqlite", answers(2)
    with Grader(CountingJudge(), RuntimeOptions(store=str(path))) as grader:
        for _ in range(2):
            grader.grade(some)
            assert len(list(export_lines(path))) == 6
            gone = prune(path, older_than_days=0)
            assert (gone["verdicts"], gone["judges"], gone["examples"]) == (6, 1, 2)
        grader.grade(some)
    assert len(list(export_lines(path))) == 6
