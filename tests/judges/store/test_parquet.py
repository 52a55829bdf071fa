"""A store as parquet: one folder per judge, every verdict once."""

from __future__ import annotations

import pyarrow.dataset as ds
import pytest
from engine_kit import CountingJudge, answers

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.store.parquet import export_parquet
from rubricbeat.judges.store.transfer import merge, stats

pytestmark = pytest.mark.border


def filled(path, start, stop, model="counting"):
    with Grader(CountingJudge(model=model), RuntimeOptions(store=str(path))) as grader:
        grader.grade(answers(stop)[start:])
    return path


def test_each_judge_has_its_folder_and_each_verdict_its_row(tmp_path):
    store = filled(tmp_path / "v.sqlite", 0, 4, "first")
    filled(store, 0, 2, "second")
    counts = export_parquet(store, tmp_path / "out")
    assert sorted(counts.values()) == [6, 12]
    assert all((tmp_path / "out" / name).is_dir() for name in counts)
    table = ds.dataset(tmp_path / "out", partitioning="hive").to_table()
    rows = table.to_pylist()
    assert len({(row["judge"], row["key"]) for row in rows}) == 18
    one = next(r for r in rows if (r["prompt_id"], r["criterion_index"]) == ("made-up-3", 2))
    assert (one["criterion"], one["points"], one["met"]) == ("Fault of 3", -2.0, True)
    assert one["answer"] == "Answer 3: drink less coffee."
    assert one["judge_model"] == "first"
    assert one["probability"] is None


def test_one_judge_alone_can_be_exported(tmp_path):
    store = filled(tmp_path / "v.sqlite", 0, 2, "first")
    filled(store, 0, 2, "second")
    assert list(export_parquet(store, tmp_path / "out", "second").values()) == [6]


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    store = filled(tmp_path / "v.sqlite", 0, 1)
    with pytest.raises(ConfigError, match="already"):
        export_parquet(store, tmp_path)


def test_a_failed_export_leaves_nothing_behind(tmp_path):
    with pytest.raises(ConfigError, match="no verdict store"):
        export_parquet(tmp_path / "none.sqlite", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_ten_stores_of_overlapping_work_merge_into_their_union(tmp_path):
    sources = [filled(tmp_path / f"{n}.sqlite", n * 5, n * 5 + 10) for n in range(10)]
    moved = merge(tmp_path / "all.sqlite", sources)
    # 55 answers of 3 criteria; each store has 30 verdicts
    assert (moved.n_added, moved.n_known) == (165, 300 - 165)
    again = merge(tmp_path / "all.sqlite", sources)
    assert (again.n_added, again.n_known) == (0, 300)
    found = stats(tmp_path / "all.sqlite")
    assert (found["verdicts"], found["answers"], found["damaged"]) == (165, 55, 0)
    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=str(tmp_path / "all.sqlite"))) as grader:
        grader.grade(answers(55))
    assert not judge.asked
