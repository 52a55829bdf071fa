"""What can be done to a store file can be done to a server: import, prune, and while one grades."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from engine_kit import CountingJudge, GatedJudge, answers, outcomes
from waiting import HANG_S, join

from rubricbeat.harness.cli import main
from rubricbeat.judges.errors import ConfigError, DataError, StoreError
from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.store.importing import import_lines
from rubricbeat.judges.store.opened import opened
from rubricbeat.judges.store.transfer import export_lines, merge, stats
from rubricbeat.judges.store.upkeep import check_store, prune

psycopg = pytest.importorskip("psycopg")

ALL_RIGHT = ["met", "not_met", "met"]


def filled(place, numbers, model="counting"):
    """Grade some answers into a store, a file or a server."""
    with Grader(CountingJudge(model=model), RuntimeOptions(store=str(place))) as grader:
        grader.grade([answers(max(numbers) + 1)[n] for n in numbers])
    return place


def is_claimed(address: str) -> bool:
    with opened(address) as store:
        return store.is_claimed()


def change(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as db:
        db.execute("SET search_path TO rubricbeat")
        db.execute(statement)


def test_what_a_file_exports_a_server_takes_in_once(address, tmp_path):
    lines = list(export_lines(filled(tmp_path / "a.sqlite", range(4))))
    moved = import_lines(address, lines, where="a")
    assert (moved.n_added, moved.n_known) == (12, 0)
    again = import_lines(address, lines, where="a")
    assert (again.n_added, again.n_known) == (0, 12)
    judge = CountingJudge()
    with Grader(judge, RuntimeOptions(store=address)) as grader:
        assert outcomes(grader.grade(answers(4))) == [ALL_RIGHT] * 4
    assert not judge.asked
    # the first line of an example holds it; which one that is, is the server's affair
    ours, theirs = (
        sorted((line["key"], line["answer"], line["met"]) for line in map(json.loads, each))
        for each in (export_lines(address), lines)
    )
    assert ours == theirs


def test_a_bad_line_leaves_the_server_as_it_was(address, tmp_path):
    lines = list(export_lines(filled(tmp_path / "a.sqlite", range(2))))
    lines[3] = json.dumps({**json.loads(lines[3]), "met": None})
    with pytest.raises(DataError, match=r"x\.jsonl, line 4: .*contradicts"):
        import_lines(address, lines, where="x.jsonl")
    assert stats(address)["verdicts"] == 0


def test_lines_whose_example_the_server_holds_are_taken(address, tmp_path):
    lines = list(export_lines(filled(tmp_path / "a.sqlite", [0])))
    with pytest.raises(DataError, match="import the whole export"):
        import_lines(address, lines[1:], where="x")
    filled(address, [0], model="another")
    assert import_lines(address, lines[1:], where="x").n_added == 2


def test_pruning_by_judge_takes_out_what_only_that_judge_needed(address):
    filled(address, range(3), model="old")
    filled(address, range(2), model="new")
    would = prune(address, judge="old", dry_run=True)
    assert stats(address)["verdicts"] == 15
    assert prune(address, judge="old") == would
    assert would == {
        "verdicts": 9, "failed_replies": 0, "examples": 1, "answers": 1, "judges": 1
    }  # fmt: skip
    left = stats(address)
    assert (left["verdicts"], left["examples"]) == (6, 2)
    assert [judge["model"] for judge in left["judges"]] == ["new"]


def test_pruning_by_age_and_judge_needs_both(address):
    filled(address, [0], model="old")
    filled(address, [0], model="new")
    change(address, "UPDATE verdicts SET created = 0 WHERE criterion = 1")
    assert prune(address, judge="new", older_than_days=10, now=11 * 86_400)["verdicts"] == 1
    assert prune(address, older_than_days=10, now=11 * 86_400)["verdicts"] == 1
    assert stats(address)["verdicts"] == 4


def test_damaged_verdicts_are_counted_refused_and_set_aside(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled(address, range(2))
    change(
        address,
        "UPDATE verdicts SET explanation = 'other' WHERE seq = (SELECT min(seq) FROM verdicts)",
    )
    assert stats(address)["damaged"] == 1
    with pytest.raises(StoreError, match="is damaged"):
        list(export_lines(address))
    repaired = check_store(address, repair=True)
    assert repaired.is_sound and repaired.aside is not None
    assert len(repaired.aside.read_text("utf-8").splitlines()) == 1
    assert stats(address)["damaged"] == 0


def test_a_prune_needs_a_condition_and_a_judge_that_is_there(address):
    filled(address, [0])
    with pytest.raises(ConfigError, match="needs a condition"):
        prune(address)
    with pytest.raises(ConfigError, match="it holds: counting counting"):
        prune(address, judge="nobody")


def test_texts_stay_while_somebody_grades(address):
    filled(address, [0], model="old")
    judge = GatedJudge()
    with Grader(judge, RuntimeOptions(store=address)) as grader:
        thread = threading.Thread(target=grader.grade, args=(answers(1),))
        thread.start()
        assert judge.is_asked.wait(HANG_S)
        assert is_claimed(address)
        gone = prune(address, judge="old")
        judge.goes_on.set()
        join(thread)
    assert (gone["verdicts"], gone["examples"], gone["answers"]) == (3, 0, 0)
    assert not is_claimed(address)
    assert len(list(export_lines(address))) == 3


def test_the_commands_take_an_address(address, tmp_path, capsys):
    file = tmp_path / "v.jsonl"
    file.write_text(
        "".join(f"{line}\n" for line in export_lines(filled(tmp_path / "a.sqlite", range(2))))
    )
    assert main(["verdicts", "import", address, str(file)]) == 0
    assert "6 verdicts added, 0 known already" in capsys.readouterr().out
    assert main(["verdicts", "prune", address, "--judge", "counting", "--dry-run"]) == 0
    assert "would take out 6 verdicts" in capsys.readouterr().out
    assert main(["verdicts", "prune", address, "--judge", "counting"]) == 0
    assert "took out 6 verdicts" in capsys.readouterr().out
    assert main(["verdicts", "prune", address]) == 2
    assert "needs --judge" in capsys.readouterr().err


def test_a_server_goes_into_a_file_and_back(address, tmp_path):
    filled(address, range(3))
    copied = tmp_path / "copied.sqlite"
    assert import_lines(copied, export_lines(address), where="server").n_added == 9
    assert merge(tmp_path / "all.sqlite", [copied]).n_added == 9


def test_what_is_graded_after_a_prune_can_be_exported(address):
    some = answers(2)
    with Grader(CountingJudge(), RuntimeOptions(store=address)) as grader:
        for _ in range(2):
            grader.grade(some)
            assert len(list(export_lines(address))) == 6
            gone = prune(address, older_than_days=0)
            assert (gone["verdicts"], gone["judges"], gone["examples"]) == (6, 1, 2)
        grader.grade(some)
    assert len(list(export_lines(address))) == 6


class ZeroJudge(CountingJudge):
    """Says a character that PostgreSQL cannot hold."""

    async def judge(self, question):
        return replace(await super().judge(question), explanation="a\0b")


def test_words_that_a_server_cannot_hold_stay_sound_when_they_are_moved_there(address, tmp_path):
    path = tmp_path / "a.sqlite"
    with Grader(ZeroJudge(), RuntimeOptions(store=path)) as grader:
        grader.grade(answers(1))
    assert merge(address, [path]).n_added == 3
    assert check_store(address).is_sound
    assert {json.loads(line)["explanation"] for line in export_lines(address)} == {
        "a\N{REPLACEMENT CHARACTER}b"
    }
