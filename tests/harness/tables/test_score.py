"""What commands leave on the screen: few lines, a sentence, and a command that works."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from report_kit import example, graded, judge, run, write_run

from rubricbeat.harness import terminal
from rubricbeat.harness.cli import main
from rubricbeat.harness.tables.score import runs_below

pytestmark = pytest.mark.border

POINTS = (5, 3, -2)
HALF = ["110", "100"] * 6
STAMPS = [f"2026-01-02T03-{n:02}-05.678901" for n in range(60)]


def wrote(folder: Path, place: int, model: str, verdicts: Sequence[str], **facts: object) -> None:
    answers = [graded(v, example(f"p{n:02}", POINTS)) for n, v in enumerate(verdicts)]
    told = {"judge": judge(str(facts["judge"]) * 64)} if "judge" in facts else {}
    if "data" in facts:
        told["data"] = {"sha256": str(facts["data"]) * 64}
    task = str(facts.get("task", "made_up"))
    made = run(model, answers, label=f"run {place}", task=task, facts=told)
    write_run(folder, made, STAMPS[place])


def proposed(printed: str) -> list[str]:
    (line,) = [line for line in printed.splitlines() if line.startswith("next: ")]
    return shlex.split(line)[2:]


def test_score_takes_the_runs_of_a_model_together(tmp_path, capsys):
    """Means of the prompts: (1 + 0) / 2 and (.625 + 0) / 2, six each.

    Their mean is .40625, their sd .09375 * sqrt(12 / 11), the error that over sqrt(12), and
    Student's t of 11 degrees is 2.201: .0622 to either side.
    """
    wrote(tmp_path, 0, "a", HALF)
    wrote(tmp_path, 1, "a", ["000"] * 12)
    wrote(tmp_path / "copy", 1, "a", ["000"] * 12)
    assert main(["score", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["model", "runs", "score", "95", "%", "interval", "scored"]
    assert printed[1].split() == ["a", "2", "0.406", "[0.344,", "0.468]", "24", "of", "24"]
    assert printed[3] == (
        "a scores 0.406 [0.344, 0.468] on task made_up, 12 prompts, 2 runs taken together."
    )
    assert main(["compare", str(tmp_path), "--json"]) == 0
    (same,) = json.loads(capsys.readouterr().out)["results"]
    assert same["score"] == 0.40625
    assert same["interval"][0] == pytest.approx(0.40625 - 0.0622, abs=1e-4)


def test_all_shows_each_run(tmp_path, capsys):
    for place, verdicts in enumerate((HALF, ["000"] * 12)):
        wrote(tmp_path, place, "a", verdicts)
    assert main(["score", str(tmp_path), "--all"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split()[2]: line.split()[4] for line in printed.splitlines()[1:3]}
    assert rows == {"0": "0.812", "1": "0"}


def test_a_sixth_model_is_counted_and_shown_by_all(tmp_path, capsys):
    for place, name in enumerate("abcdefg"):
        wrote(tmp_path, place, name, ["100"] * place + ["000"] * (12 - place))
    for words in (["score"], ["compare", "--draws", "100"]):
        assert main([words[0], str(tmp_path), *words[1:]]) == 0
        short = capsys.readouterr().out
        assert "and 2 more (--all)" in short
        assert [line.split()[0] for line in short.splitlines()[1:6]] == list("gfedc")
        assert main([words[0], str(tmp_path), *words[1:], "--all"]) == 0
        assert "\na " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["score", "compare"])
def test_the_next_command_works_when_it_is_pasted(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "with a space"
    wrote(folder, 0, "a", HALF)
    wrote(folder, 1, "b", ["000"] * 12)
    assert main([command, str(folder)]) == 0
    words = proposed(capsys.readouterr().out)
    assert words[:2] == ["compare", str(folder)]
    assert main(words) == 0
    if command == "score":
        words = proposed(capsys.readouterr().out)
        assert words[-2:] == ["-o", "report.html"]
        assert main(words) == 0
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([("a", "task", "other")], ["report", "--task", "made_up"]),
        ([("b", "task", "made_up"), ("b", "task", "other")], ["compare", "--task", "made_up"]),
        # runs under another judge cannot be compared: only the files of one are named
        ([("a", "judge", "b")], ["report"]),
        ([("b", "judge", "a"), ("b", "judge", "b")], ["compare"]),
        ([("baseline:empty", "judge", "a")], ["report"]),
        # two files that carry their answers hold the same rows
        ([("b", "data", "e")], ["compare"]),
    ],
)
def test_the_next_command_names_what_may_be_compared(tmp_path, capsys, monkeypatch, others, wanted):
    monkeypatch.chdir(tmp_path)
    wrote(tmp_path, 0, "a", ["110"] * 12, judge="a")
    for place, (model, name, value) in enumerate(others, start=1):
        wrote(tmp_path, place, model, ["000"] * 12, **{"judge": "a", name: value})
    assert main(["score", str(tmp_path)]) == 0
    words = proposed(capsys.readouterr().out)
    assert words[0] == wanted[0]
    assert wanted[1:] == [word for word in words if word in {"--task", "made_up"}]
    assert main(words) == 0


def test_a_run_that_did_not_end_is_no_ground_for_a_proposal(tmp_path):
    wrote(tmp_path, 0, "a", HALF)
    (tmp_path / "a" / f"samples_made_up_{STAMPS[1]}.jsonl").write_text("{}\n", encoding="utf-8")
    assert [one.model for one in runs_below(tmp_path)] == ["a"]


def test_runs_under_two_judges_are_not_taken_together(tmp_path, capsys):
    wrote(tmp_path, 0, "a", ["110"] * 12, judge="a")
    wrote(tmp_path, 1, "a", ["000"] * 12, judge="b")
    assert main(["score", str(tmp_path)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert "aaaaaaaa" in table[1] and "1.00" in table[1]
    assert "bbbbbbbb" in table[2] and "12 of 12" in table[2]


def test_without_a_score_the_sentence_says_so(tmp_path, capsys):
    wrote(tmp_path, 0, "a", ["nnn"] * 12)
    assert main(["score", str(tmp_path)]) == 1
    assert "No score: none of the 12 answers could be scored." in capsys.readouterr().out


def test_a_name_too_long_for_the_terminal_is_shortened_in_its_middle(monkeypatch):
    rows = [["model", "score"], ["lab/a-model-of-a-very-long-name-1", "0.5"], ["b", "0.25"]]
    monkeypatch.setattr(terminal, "terminal_width", lambda: 25)
    assert terminal.shortened(rows)[1] == ["lab/a-mo…ng-name-1", "0.5"]
    assert max(map(len, terminal.aligned(terminal.shortened(rows)).split("\n"))) <= 25
    rows[2][0] = "lab/a-model-of-another-long-name-1"
    assert terminal.shortened(rows) == rows, "they would look the same"
    monkeypatch.setattr(terminal, "terminal_width", lambda: None)
    assert terminal.shortened(rows[:2]) == rows[:2], "a pipe has no width"
