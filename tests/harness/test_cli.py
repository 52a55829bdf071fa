"""The `rubricbeat` command itself: exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rubricbeat.harness import cli
from rubricbeat.harness.commands.setup.catalogue import COMMANDS


def test_an_unknown_command_is_one_line_with_the_near_names(capsys) -> None:
    assert cli.main(["varience"]) == 2
    assert capsys.readouterr().err == (
        "rubricbeat: unknown command 'varience'; did you mean 'variance'?\n"
    )


def test_a_fault_of_the_system_is_one_line_unless_it_is_looked_into(capsys, monkeypatch) -> None:
    def full(words: list[str]) -> int:
        raise OSError(28, "No space left on device", "results")

    monkeypatch.setattr(cli, "_dispatch", full)
    assert cli.main(["score", "x"]) == 1
    said = capsys.readouterr().err
    assert "No space left on device: 'results'" in said and said.count("\n") == 1
    with pytest.raises(OSError, match="No space"):
        cli.main(["score", "x", "--debug"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_is_full_is_one_line_and_exit_1() -> None:
    words = [
        sys.executable,
        "-c",
        "import sys; from rubricbeat.harness.cli import main; sys.exit(main(['tasks-dir']))",
    ]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "No space left on device" in done.stderr


READERS: dict[str, list[str]] = {
    "run": ["--tasks", "rubric_judge", "--model", "baseline:empty", "--judge", "constant"],
    "plan": ["--judge", "constant"],
    "judge": ["--judge", "constant", "-o", "out"],
    "serve": ["--judge", "constant", "--port", "0"],
    "audit": ["--judge", "constant"],
    "fit-judge": ["-o", "out"],
    "bench-reward": ["--judge", "constant"],
    "import": ["-o", "out"],
    "export": ["--format", "dpo"],
    "label": ["-o", "out.html"],
    "score": [],
    "lint": [],
    "variance": [],
    "replay-train": [],
    "compare": [],
    "report": [],
    "view": [],
    "align": ["cascade"],
    "train": ["grpo", "-o", "out"],
    "verdicts": ["stats"],
}
FLAG = {
    **dict.fromkeys(("run", "plan", "judge", "serve"), "--data"),
    **dict.fromkeys(("audit", "fit-judge", "bench-reward"), "--labels"),
    "train": "--config",
}
"""The flag of the file that a command reads; without one it is an argument."""


def one_line(capsys, *words: str) -> str:
    assert cli.main(list(words)) == 2, words
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1, (words, printed)
    for python in ("Traceback", "required: ", "invalid ", "unrecognized", "Expecting value"):
        assert python not in printed.err
    return printed.err


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in {"demo", "list", "doctor",
                                                                  "tasks-dir"}])  # fmt: skip
def test_a_command_alone_and_a_misspelt_flag_are_one_line(capsys, name) -> None:
    assert one_line(capsys, name).startswith("rubricbeat")
    assert "unknown flag '--outputt'" in one_line(capsys, name, "--outputt", "x")


@pytest.mark.parametrize(
    "words",
    [["compare", "--fail_if_worse", "x"], ["compare", "--draws", "x"], ["demo", "--limit", "x"]],
)
def test_a_number_that_is_none_is_one_line(capsys, words) -> None:
    assert f"{words[1].strip('-')}: 'x' is not a" in one_line(capsys, *words).replace("/-L", "")


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_of_rows_is_one_line(capsys, tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "noise.jsonl").write_bytes(bytes(range(256)) * 20)
    for file in ("nowhere.jsonl", "folder", "empty.jsonl", "noise.jsonl"):
        if file == "empty.jsonl" and name in {"train", "verdicts"}:  # these say what is in it
            continue
        words = [name, *READERS[name], *([FLAG[name]] if name in FLAG else []), file]
        said = one_line(capsys, *words)
        assert file in said, said
