"""Levels, their chances and "not applicable" are kept as they were said, in files and servers."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from engine_kit import example
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.judge import JudgeIdentity, Question
from rubricbeat.judges.rubric import Gate, Level, Message, NaRule, Requirement, Rubric
from rubricbeat.judges.store.importing import import_lines
from rubricbeat.judges.store.keys import question_material, rating_material, verdict_key
from rubricbeat.judges.store.parquet import export_parquet
from rubricbeat.judges.store.protocol import Record, Subject
from rubricbeat.judges.store.sqlite import VerdictStore
from rubricbeat.judges.store.transfer import export_lines, merge, stats
from rubricbeat.judges.store.upkeep import check_store
from rubricbeat.judges.verdict import Outcome, Source, Verdict

JUDGE = JudgeIdentity("made-up", model="m")
LEVELS = (Level("no", 0.0), Level("in part", 1.0), Level("in full", 3.0))
SAID = (
    Verdict.at_level(1, level_probabilities=(0.25, 0.5, 0.25), explanation="half of it"),
    Verdict.at_level(2),
    Verdict.not_applicable(explanation="no drug is named"),
    Verdict.of(True, probability=0.75),
)


def with_levels(number: int = 1):
    plain = example(number, len(SAID))
    criteria = list(plain.rubric.criteria)
    for index in (0, 1, 2):
        criteria[index] = replace(
            criteria[index], points=3.0, levels=LEVELS, na=NaRule.EXCLUDED if index == 2 else None
        )
    return replace(plain, rubric=Rubric(tuple(criteria)))


def records(number: int = 1) -> list[Record]:
    one = with_levels(number)
    subject = Subject.of(one, "An answer.")
    return [
        Record(
            verdict_key(JUDGE, question_material(Question(one, "An answer.", index)), 0),
            subject,
            index,
            0,
            verdict,
        )
        for index, verdict in enumerate(SAID)
    ]


def stored(verdict: Verdict) -> Verdict:
    return replace(verdict, source=Source.STORE, attempts=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "v.sqlite"
    store = VerdictStore(path, JUDGE)
    store.write(records())
    store.close()
    return path


def test_they_come_back_as_they_were_said(path):
    store = VerdictStore(path)
    found = store.lookup([one.key for one in records()])
    store.close()
    assert [found[one.key] for one in records()] == [stored(verdict) for verdict in SAID]
    assert check_store(path).is_sound


@settings(max_examples=30, deadline=None)
@given(
    level=st.integers(0, 50),
    chances=st.none() | st.lists(st.floats(0, 1), min_size=2, max_size=8),
    words=st.text(max_size=30),
)
def test_any_level_with_any_chances_comes_back(tmp_path_factory, level, chances, words):
    folder = tmp_path_factory.mktemp("s")
    said = Verdict.at_level(level, level_probabilities=chances, explanation=words)
    one = replace(records()[0], verdict=said)
    store = VerdictStore(folder / "v.sqlite", JUDGE)
    store.write([one])
    found = store.lookup([one.key])[one.key]
    store.close()
    assert (found.level, found.level_probabilities) == (level, said.level_probabilities)
    assert repr(found.level_probabilities) == repr(said.level_probabilities)
    assert check_store(folder / "v.sqlite").is_sound


def test_a_server_keeps_them_too(address):
    from rubricbeat.judges.store.postgres import PostgresStore

    store = PostgresStore(address, JUDGE)
    store.write(records())
    assert store.write(records()) == {
        one.key: stored(said) for one, said in zip(records(), SAID, strict=True)
    }
    store.close()
    assert check_store(address).is_sound


@pytest.mark.parametrize(
    "change",
    [
        "level = 2 WHERE level = 1",
        "level = NULL WHERE level = 1",
        "level_probabilities = NULL WHERE level = 1",
        "level_probabilities = '[0.5, 0.5, 0.0]' WHERE level = 1",
        "met = 0 WHERE level = 1",
        "level = 0 WHERE met IS NULL AND level IS NULL",
        "met = 0 WHERE met IS NULL AND level IS NULL",
        "met = NULL WHERE met = 1",
        "level = 1 WHERE met = 1",
    ],
)
def test_a_changed_level_is_noticed_and_never_served(path, change):
    with sqlite3.connect(path) as db:
        assert db.execute(f"UPDATE verdicts SET {change}").rowcount == 1
    db.close()
    (key,) = check_store(path).damaged
    store = VerdictStore(path)
    assert store.lookup([key])[key].outcome is Outcome.SKIPPED
    store.close()


def test_a_damaged_number_of_the_layout_costs_no_level(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    store = VerdictStore(path)
    found = store.lookup([one.key for one in records()])
    store.close()
    assert [found[one.key] for one in records()] == [stored(verdict) for verdict in SAID]
    assert check_store(path).is_sound


def test_stats_tell_met_from_levels_and_not_applicable(path):
    (judge,) = stats(path)["judges"]
    counts = {name: judge[name] for name in ("verdicts", "met", "levels", "not_applicable")}
    assert counts == {"verdicts": 4, "met": 1, "levels": 2, "not_applicable": 1}


def test_an_export_says_them_and_is_taken_in_again(path, tmp_path):
    lines = list(export_lines(path))
    plain = [json.loads(line) for line in lines]
    assert [(line["outcome"], line["met"], line.get("level")) for line in plain] == [
        ("level", None, 1),
        ("level", None, 2),
        ("not_applicable", None, None),
        ("met", True, None),
    ]
    assert plain[0]["level_probabilities"] == [0.25, 0.5, 0.25]
    assert "level" not in plain[3] and "level_probabilities" not in plain[3]
    new = tmp_path / "new.sqlite"
    assert import_lines(new, lines, where="x").n_added == 4
    assert list(export_lines(new)) == lines
    assert merge(tmp_path / "all.sqlite", [path, new]).n_added == 4


def test_a_server_takes_an_export_in(path, address):
    lines = list(export_lines(path))
    assert import_lines(address, lines, where="x").n_added == 4
    assert sorted(json.loads(line)["key"] for line in export_lines(address)) == sorted(
        json.loads(line)["key"] for line in lines
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"level": -1}, "no whole number from 0"),
        ({"level": True}, "no whole number from 0"),
        ({"level": None}, "no whole number from 0"),
        ({"level_probabilities": "much"}, "no list of numbers"),
        ({"level": 2}, "was changed after the export"),
        ({"met": True}, "contradicts"),
    ],
)
def test_a_changed_line_is_refused(path, tmp_path, change, why):
    lines = list(export_lines(path))
    lines[0] = json.dumps({**json.loads(lines[0]), **change})
    with pytest.raises(DataError, match=f"x, line 1: .*{why}"):
        import_lines(tmp_path / "new.sqlite", lines, where="x")


def test_parquet_has_a_column_for_each(path, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    export_parquet(path, tmp_path / "p")
    rows = pyarrow.read_table(tmp_path / "p").to_pylist()
    assert [(r["outcome"], r["met"], r["level"], r["level_probabilities"]) for r in rows] == [
        ("level", None, 1, [0.25, 0.5, 0.25]),
        ("level", None, 2, None),
        ("not_applicable", None, None, None),
        ("met", True, None, None),
    ]


TALK = (Message("user", "Hello."), Message("assistant", "Yes?"), Message("user", "My heart?"))


def key(**changes: object) -> bytes:
    one = example(1)
    row = {name: changes.pop(name) for name in ("reference", "prompt") if name in changes}
    if "of_criterion" in changes:
        changes["reference"] = changes.pop("of_criterion")
    criteria = (replace(one.rubric.criteria[0], **changes), *one.rubric.criteria[1:])
    one = replace(one, rubric=Rubric(criteria), **row)
    return question_material(Question(one, "An answer.", 0))


def test_what_a_judge_may_see_is_part_of_the_key_and_nothing_else_is():
    levels = {"levels": LEVELS, "points": 3.0}
    seen = [
        key(),
        key(**levels),
        key(levels=(*LEVELS[:2], Level("wholly", 3.0)), points=3.0),
        key(levels=(LEVELS[0], Level("in part", 2.0), LEVELS[2]), points=3.0),
        key(**levels, is_nominal=True),
        key(na=NaRule.EXCLUDED),
        key(reference="Ask for chest pain."),
        key(of_criterion="Another one."),
        key(prompt=TALK),
        key(prompt=TALK, turn=-2),
        key(prompt=TALK, turn=None),
    ]
    assert len(set(seen)) == len(seen)
    # what follows from a verdict, and what is empty, changes no question
    assert key(na=NaRule.MISSED) == key(na=NaRule.BOUNDED) == key(na=NaRule.EXCLUDED)
    assert key(reference="") == key(of_criterion="") == key()
    assert key(id="a") == key(gate=Gate(0.0)) == key()
    assert key(reference="One.") == key(of_criterion="One.")


def test_a_plain_question_has_the_bytes_it_always_had():
    assert key() == (
        b'[[["user", "Question 1: why does my heart race?"]], "An answer.", "Item 0 of 1", 1.0]'
    )
    first, *rest = example(1).rubric.criteria
    required = replace(rest[0], requires=Requirement("first"))
    one = replace(example(1), rubric=Rubric((replace(first, id="first"), required, *rest[1:])))
    assert rating_material(one, "An answer.") == (
        b'[[["user", "Question 1: why does my heart race?"]], "An answer.", '
        b'[["Item 0 of 1", 1.0], ["Item 1 of 1", 2.0], ["Fault of 1", -2.0]]]'
    )
    assert rating_material(with_levels(), "A.") != rating_material(example(1, 4), "A.")
