"""Nothing that is printed acts on a terminal, and JSON stays what it was."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest
from report_kit import example, graded, run, write_run

from rubricbeat.harness.cli import main
from rubricbeat.harness.terminal import HarmlessStream, aligned, harmless, say

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NASTY = "a\x1b]0;owned\x07b\x9b2J\rc\x7f\u202ed\x08\ud800e"


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("command", ["compare", "report", "score"])
def test_a_name_from_a_file_cannot_act_on_the_terminal(tmp_path, capsys, command, as_json):
    write_run(tmp_path, run(NASTY, [graded("110", example(points=(5, 3, -2)))], label=NASTY))
    out = [] if command == "score" else ["-o", str(tmp_path / "r.html"), "--draws", "100"]
    assert main([command, str(tmp_path), *out, *(["--json"] if as_json else [])]) == 0
    printed = capsys.readouterr()
    assert not ACTS.search(printed.out + printed.err)
    if as_json:
        assert NASTY.encode("utf-8", "replace") in _names(json.loads(printed.out))


def _names(plain):
    rows = plain.get("results") or plain["runs"]
    return [str(row.get("name") or row["model"]).encode("utf-8", "replace") for row in rows]


@pytest.mark.parametrize(
    "words",
    [
        [NASTY],
        ["score", f"/none/{NASTY}"],
        ["lint", f"/none/{NASTY}.jsonl"],
        ["judge", "--data", NASTY, "--responses", "x", "--judge", NASTY, "--output_path", "/tmp"],
        ["compare", "--task", NASTY, "/none", "--json", f"--{NASTY}"],
    ],
)
def test_a_word_of_the_command_line_comes_back_harmless_and_on_one_line(capsys, words):
    assert main(words) == 2
    printed = capsys.readouterr()
    assert not ACTS.search(printed.out + printed.err)
    assert printed.err.count("\n") == 1


def test_a_file_name_cannot_act_on_the_terminal(tmp_path, capsys):
    (tmp_path / "x\x1b[2J.eval").write_bytes(b"no zip")
    assert main(["score", str(tmp_path)]) == 2
    assert r"x\u001b[2J.eval" in capsys.readouterr().err


def test_an_escape_in_json_means_the_same():
    text = json.dumps({"name": NASTY}, ensure_ascii=False)
    assert ACTS.search(text)
    assert not ACTS.search(harmless(text))
    assert json.loads(harmless(text)) == {"name": NASTY}


def test_plain_text_in_any_language_passes():
    text = "Herz, cœur, \u5fc3, \u0642\u0644\u0628, \U0001f468\u200d\U0001f469, \u2265\t1\n"
    assert harmless(text) == text


def test_a_progress_bar_finds_its_line_and_results_have_none():
    stream = io.StringIO()
    bar = HarmlessStream(stream, has_bars=True)
    for part in ("\rjudging 10 %", "\n", "\x1b[A", "\r", "a\rb", "\x1b[31m"):
        assert bar.write(part) == len(part)
    assert stream.getvalue() == "\rjudging 10 %\n\x1b[A\ra\\rb\\u001b[31m"
    stream = io.StringIO()
    HarmlessStream(stream, has_bars=False).write("\rname")
    assert stream.getvalue() == "\\rname"


def test_a_stream_that_cannot_hold_a_character_shows_its_escape():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    HarmlessStream(stream, has_bars=False).write('"\u2265 \U0001f468"')
    stream.flush()
    assert json.loads(raw.getvalue()) == "\u2265 \U0001f468"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize("words", [["--version"], ["score", "/none"]])
def test_a_stream_that_is_closed_takes_the_words_in(monkeypatch, capsys, closed, words):
    expected = main(words)
    capsys.readouterr()
    monkeypatch.setattr(sys, closed, None)
    assert main(words) == expected
    assert getattr(sys, closed) is None
    printed = capsys.readouterr()
    assert "" in {printed.out, printed.err} and "Traceback" not in printed.out + printed.err


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("name", "n"), ("a", "10"), ("longer", "")]
    assert aligned(rows) == "name    n\na       10\nlonger"
    assert aligned(rows, {1}) == "name     n\na       10\nlonger"


def test_nothing_is_said_where_there_is_nothing_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    say(None, "score")
    say("")
    say("one row is left out", "score")
    say("interrupted")
    expected = "rubricbeat score: one row is left out\nrubricbeat: interrupted\n"
    assert capsys.readouterr().err == expected
