"""Where graded answers for a signal study come from."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.inputs import read_signal_input
from rubricbeat.judges.answer import Answer
from rubricbeat.judges.data.examples import example_from_row
from rubricbeat.judges.errors import ConfigError, DataError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.signal import group_answers, study_signal
from rubricbeat.judges.verdict import Rating, Verdict

ROW = {
    "prompt_id": "p1",
    "prompt": [{"role": "user", "content": "Is it my heart?"}],
    "rubrics": [
        {"criterion": "Asks about age", "points": 5, "tags": []},
        {"criterion": "Alarms", "points": -2, "tags": []},
    ],
    "example_tags": [],
}


def recorded_row(text: str, met: list[bool | None], **facts: Any) -> dict[str, Any]:
    return {"prompt_id": "p1", "completion": text, "criteria_met": met, "model": "m", **facts}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Give recorded verdicts under two systems, and the rows they are on."""
    data, recorded = tmp_path / "rows.jsonl", tmp_path / "judged.jsonl.gz"
    data.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    rows = [
        recorded_row(
            f"{system} {n}", [n > 0, None if n == 2 else False], system=system, run=f"r{n}"
        )
        for system in ("plain", "wrapped")
        for n in range(3)
    ]
    with gzip.open(recorded, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return recorded, data


def test_recorded_verdicts_are_grouped_by_prompt_model_and_system(files: tuple[Path, Path]) -> None:
    found = read_signal_input([files[0]], files[1])
    assert found.by == ("model", "system")
    groups = group_answers(found.answers, found.by)
    assert groups.sizes_P.tolist() == [3, 3]
    assert groups.labels[1] == {"model": "m", "system": "wrapped"}


def test_recorded_verdicts_need_their_rows(files: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="--data"):
        read_signal_input([files[0]])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_signal_input([tmp_path / "nothing"])


def test_rows_that_are_not_there_are_named_also_where_nothing_needs_them(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    results = imported(files, tmp_path)
    with pytest.raises(DataError, match=r"--data .*no-rows\.jsonl: no such file"):
        read_signal_input([results], tmp_path / "no-rows.jsonl")


def imported(files: tuple[Path, Path], tmp_path: Path) -> Path:
    from rubricbeat.harness.cli import main

    results = tmp_path / "results"
    words = [str(files[0]), "--data", str(files[1]), "--output_path", str(results)]
    assert main(["import", *words]) == 1  # one verdict is null
    return results


def test_what_is_named_twice_counts_once_and_is_said(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    results = imported(files, tmp_path)
    samples = min(results.rglob("samples_*"))
    said = "given twice; its answers count once"
    for again in (results, results / ".." / "results", samples, samples.parent):
        for paths in ([results, again], [again, results]):
            found = read_signal_input(paths)
            assert len(found.answers) == 6, paths
            assert sum("given twice" in warning for warning in found.warnings) == 1, found.warnings
    found = read_signal_input([files[0], files[0]], files[1])
    assert len(found.answers) == 6
    assert f"{files[0]} is {said}" in found.warnings


def test_result_folders_are_read_with_model_and_run(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    found = read_signal_input([imported(files, tmp_path)])
    assert {"model", "task", "run"} <= set(found.answers[0].labels)
    assert group_answers(found.answers, found.by).sizes_P.tolist() == [3, 3]


def test_a_store_is_read_with_its_replicates(tmp_path: Path) -> None:
    from rubricbeat.judges.answer import Answer
    from rubricbeat.judges.backends.scripted import ScriptedJudge
    from rubricbeat.judges.data.examples import example_from_row
    from rubricbeat.judges.grader import open_grader
    from rubricbeat.judges.registry import JUDGES

    example = example_from_row(ROW)
    answers = [Answer(example, f"answer {n}", n) for n in range(4)]
    store = tmp_path / "verdicts.sqlite"

    class Kept(ScriptedJudge):
        stored = True

    JUDGES.register("test_kept")(lambda: Kept(lambda question: "1" in question.answer))
    try:
        with open_grader({"name": "test_kept", "store": str(store), "replicates": 2}) as grader:
            direct = group_answers(grader.grade(answers))
    finally:
        JUDGES._factories.pop("test_kept")
    groups = group_answers(read_signal_input([store]).answers)
    assert groups.sizes_P.tolist() == [4]
    assert groups.n_replicates == 2
    assert sorted(groups.verdicts_PGC[0, :, 0]) == sorted(direct.verdicts_PGC[0, :, 0])


def kept_store(path: Path) -> Path:
    """Two verdicts on one answer."""
    from rubricbeat.judges.answer import Answer
    from rubricbeat.judges.backends.scripted import ScriptedJudge
    from rubricbeat.judges.data.examples import example_from_row
    from rubricbeat.judges.grader import Grader, RuntimeOptions

    class Kept(ScriptedJudge):
        stored = True

    with Grader(Kept(lambda question: True), RuntimeOptions(store=str(path))) as grader:
        grader.grade([Answer(example_from_row(ROW), "answer")])
    return path


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_store_of_a_newer_layout_is_not_guessed_at(tmp_path: Path) -> None:
    path = kept_store(tmp_path / "new?er.sqlite")
    change(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="has layout 99"):
        read_signal_input([path])


def test_a_damaged_verdict_of_a_store_is_refused(tmp_path: Path) -> None:
    path = kept_store(tmp_path / "store.sqlite")
    change(path, "UPDATE verdicts SET met = 1 - met WHERE rowid = 1")
    with pytest.raises(StoreError, match="is damaged"):
        read_signal_input([path])


def test_a_store_of_the_first_layout_is_read_as_it_is(tmp_path: Path) -> None:
    path = kept_store(tmp_path / "store.sqlite")
    change(path, "ALTER TABLE verdicts DROP COLUMN crc", "PRAGMA user_version = 1")
    (answer,) = read_signal_input([path]).answers
    assert all(verdict.met for verdict in answer.graded.verdicts)


def test_rows_that_cannot_be_used_are_named(files: tuple[Path, Path]) -> None:
    judged, rows = files
    with rows.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**ROW, "prompt_id": "bad", "rubrics": []}) + "\n")
    (warning,) = read_signal_input([judged], rows).warnings
    assert "1 of" in warning and "rows excluded" in warning


def test_another_sqlite_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="another program, not a verdict store"):
        read_signal_input([path])


class Rater:
    """Meets what is said, and rates by length: a judge of both kinds, whose words are kept."""

    version = "1"
    stored = True

    async def judge(self, question: Any) -> Verdict:
        return Verdict.of(question.answer.startswith("a"))

    async def rate(self, example: Any, answer: str) -> Rating:
        return Rating(len(answer))


def test_ratings_of_a_store_go_to_the_verdicts_of_their_judge(tmp_path: Path) -> None:
    store = {"store": str(tmp_path / "v.sqlite")}
    asked = example_from_row(ROW)
    texts = ["a", "bb", "acc"]
    twice = [Answer(asked, text, replicates=2) for text in texts]
    with Grader(Rater(), RuntimeOptions.from_mapping(store)) as grader:
        asyncio.run(grader.rate_async(twice))
        grader.rate([Answer(asked, "only rated")])
        grader.grade(twice)
    found = read_signal_input([tmp_path / "v.sqlite"])
    by_text = {one.graded.answer: one.graded for one in found.answers}
    assert {text: [r.value for r in one.ratings] for text, one in by_text.items()} == {
        "a": [1, 1],
        "bb": [2, 2],
        "acc": [3, 3],
        "only rated": [10],
    }
    assert [v.met for v in by_text["a"].verdicts] == [True, True]
    assert by_text["only rated"].verdicts[0].met is None
    groups = group_answers(found.answers, found.by)
    assert groups.n_answers == 3 and groups.n_replicates == 2
    study = study_signal(groups, [get_reward("rar_implicit"), get_reward("healthbench")])
    assert study.skipped == {}
    assert [row.n for row in study.rewards] == [3, 3]
