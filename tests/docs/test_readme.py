"""The README is short, and its commands print what it shows."""

from __future__ import annotations

import re
import shlex
import struct
from pathlib import Path

import pytest

import rubricbeat
from rubricbeat.harness.cli import main


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def shown(readme: str) -> list[tuple[str, list[str]]]:
    """Give each `$ command` with the lines that the README shows below it."""
    blocks = re.findall(r"^    \$ (.+)\n((?:    .*\n|\n(?=    ))*)", readme, flags=re.M)
    return [(command, [line[4:] for line in said.splitlines()]) for command, said in blocks]


def printed(capsys: pytest.CaptureFixture) -> str:
    """Give what was printed, with plain spaces between thousands as the README has them."""
    return capsys.readouterr().out.replace("\u202f", " ")


def test_it_is_short(readme: str) -> None:
    assert len(readme.splitlines()) <= 120


def test_three_commands_print_what_is_shown(
    root: Path, readme: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").symlink_to(root / "tasks")
    commands = shown(readme)
    assert len(commands) == 3
    for command, lines in commands:
        assert main(shlex.split(command)[1:]) == 0, command
        said = [line.rstrip() for line in printed(capsys).splitlines()]
        at = 0
        for line in lines:
            if line != "...":
                assert line.rstrip() in said[at:], (command, line)
                at = said.index(line.rstrip(), at) + 1
    assert main(shlex.split(commands[2][0].replace("gpt-4.1", "gpt-4.1,shape=grouped"))[1:]) == 0
    cost = re.search(r"\((\$[\d.]+) instead of (\$[\d.]+) above\)", readme)
    assert cost is not None
    assert f" {cost[1]} " in printed(capsys) and f" {cost[2]} " in readme


def test_the_python_lines_do_a_whole_comparison(
    readme: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"^    import rubricbeat as rb\n(?:    .*\n|\n)+", readme, flags=re.M)[0]
    code = "\n".join(line[4:] for line in block.splitlines())
    assert len([line for line in code.splitlines() if line]) <= 10

    grade = rubricbeat.grade
    monkeypatch.setattr(
        rubricbeat, "grade", lambda *a, **k: grade(*a, **{**k, "judge": "constant"}), raising=False
    )
    exec(compile(code, "README.md", "exec"), {})
    assert "{}" in capsys.readouterr().out  # no verdict is missing
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_is_there_and_small(root: Path, readme: str, scheme: str) -> None:
    path = root / "docs" / "pictures" / f"page_{scheme}.png"
    assert f"docs/pictures/{path.name}" in readme
    data = path.read_bytes()
    assert len(data) < 200_000
    width, height = struct.unpack(">II", data[16:24])
    assert width >= 1000 and 500 <= height <= 1000
