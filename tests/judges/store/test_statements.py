"""The tables as each database is told them, and what is taken in from another store."""

from __future__ import annotations

import sqlite3

import pytest

from rubricbeat.judges.store.statements import POSTGRES, SQLITE, TABLES, Dialect, take


@pytest.mark.parametrize(
    ("dialect", "table", "made"),
    [
        (SQLITE, "judges", "digest BLOB NOT NULL PRIMARY KEY, identity TEXT NOT NULL"),
        (POSTGRES, "judges", "digest BYTEA NOT NULL PRIMARY KEY, identity TEXT NOT NULL"),
        (
            SQLITE,
            "verdicts",
            "key BLOB NOT NULL PRIMARY KEY, judge BLOB NOT NULL, example BLOB NOT NULL, "
            "criterion INTEGER NOT NULL, answer BLOB NOT NULL, replicate INTEGER NOT NULL, "
            "met INTEGER, probability REAL, level INTEGER, level_probabilities TEXT, "
            "explanation TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, "
            "cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, "
            "latency_s REAL NOT NULL, attempts INTEGER NOT NULL, created REAL NOT NULL, "
            "crc INTEGER NOT NULL",
        ),
        (
            POSTGRES,
            "failed_replies",
            "key BYTEA NOT NULL, judge BYTEA NOT NULL, example BYTEA NOT NULL, "
            "criterion INTEGER NOT NULL, answer BYTEA NOT NULL, replicate INTEGER NOT NULL, "
            "outcome TEXT NOT NULL, explanation TEXT NOT NULL, reply TEXT NOT NULL, "
            "prompt_tokens BIGINT NOT NULL, cached_tokens BIGINT NOT NULL, "
            "completion_tokens BIGINT NOT NULL, latency_s DOUBLE PRECISION NOT NULL, "
            "created DOUBLE PRECISION NOT NULL",
        ),
    ],
)
def test_a_table_is_made_in_the_words_of_its_database(
    dialect: Dialect, table: str, made: str
) -> None:
    assert dialect.create(table) == f"CREATE TABLE IF NOT EXISTS {table} ({made})"


def test_the_first_text_under_a_key_stays_and_failed_replies_add_up() -> None:
    said = "ON CONFLICT DO NOTHING"
    assert SQLITE.insert["answers"] == f"INSERT INTO answers (id, text) VALUES (?, ?) {said}"
    assert POSTGRES.insert["answers"] == f"INSERT INTO answers (id, text) VALUES (%s, %s) {said}"
    assert [table for table in TABLES if said not in SQLITE.insert[table]] == ["failed_replies"]


def test_taking_twice_adds_nothing_and_equal_replies_of_one_store_all_come() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("ATTACH DATABASE ':memory:' AS other")
    for table in TABLES:
        db.execute(SQLITE.create(table))
        db.execute(SQLITE.create(table).replace("EXISTS ", "EXISTS other."))
    db.execute("INSERT INTO answers VALUES (x'01', 'mine')")
    db.execute("INSERT INTO other.answers VALUES (x'01', 'theirs'), (x'02', 'new')")
    failed = "(x'01', x'', x'', 0, x'', 0, 'truncated', '', 'half', 1, 0, 1, 0.5, 7.0)"
    db.execute(f"INSERT INTO other.failed_replies VALUES {failed}, {failed}")
    for n_answers, n_failed in ((1, 2), (0, 0)):
        assert db.execute(take("answers", "other.answers", "rowid")).rowcount == n_answers
        found = db.execute(take("failed_replies", "other.failed_replies", "rowid"))
        assert found.rowcount == n_failed
    assert db.execute("SELECT text FROM answers ORDER BY id").fetchall() == [("mine",), ("new",)]
