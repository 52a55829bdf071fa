"""Every block of every tutorial runs as it stands, and gives what is shown below it.

A block `sh` is run by bash, all of one page in one shell and one fresh folder. A block with a name
behind its language (`csv rows.csv`) is a file. A block `text` is what the commands before it print;
`...` stands for lines, or for a part of a line, that vary. A page that asks an endpoint names it in
one line, `ENDPOINT=http://127.0.0.1:8000/v1`; here the suite's own endpoint stands there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_up_endpoint import made_up_endpoint

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("[0-9]*.md"))
ENDPOINT = "127.0.0.1:8000"
_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", flags=re.M | re.S)
_MARK = "=== block"
MAX_S = 300.0
"""A bound for what hangs; a page takes seconds."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    name: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def script_of(blocks: list[Block], folder: Path) -> str:
    """Write one shell script: files are written and commands run in the order of the page."""
    lines = ["set -e", "exec 2>&1"]
    for at, block in enumerate(blocks):
        lines.append(f"echo '{_MARK} {at}'")
        if block.name:
            kept = folder / f"{at}.block"
            kept.write_text(block.text, encoding="utf-8")
            lines.append(f"cp {kept} {block.name}")
        elif block.language == "sh":
            lines.append(block.text)
    return "\n".join(lines)


def run_page(page: Path, folder: Path) -> tuple[int, list[Block], dict[int, list[str]]]:
    """Run a page in `folder`; give the exit code, its blocks, and the lines of each that ran."""
    blocks = blocks_of(page)
    work, kept = folder / "work", folder / "kept"
    work.mkdir()
    kept.mkdir()
    script = script_of(blocks, kept)
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUBRICBEAT_STORE": str(folder / "verdicts.sqlite"),
        "PYTHONWARNINGS": "ignore",
        "COLUMNS": "100",
    }
    env.pop("PYTHONPATH", None)
    with made_up_endpoint() as server:
        ours = f"127.0.0.1:{server.port}"
        done = subprocess.run(
            ["bash", "-c", script.replace(ENDPOINT, ours)],
            cwd=work,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=MAX_S,
            check=False,
        )
    said: dict[int, list[str]] = {}
    at = -1
    for line in done.stdout.replace(ours, ENDPOINT).replace("\u202f", " ").split("\n"):
        mark = re.search(rf"{_MARK} (\d+)$", line)
        if mark:
            at = int(mark[1])
        said.setdefault(at, []).append(line.rpartition("\r")[2].rstrip() if not mark else "")
    return done.returncode, blocks, said


def as_pattern(shown: str) -> re.Pattern[str]:
    """Turn the lines shown into a pattern of the lines printed."""
    parts = [
        r"(?:.*\n)*?"
        if line.strip() == "..."
        else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"\n"
        for line in shown.rstrip("\n").split("\n")
    ]
    return re.compile("".join(parts))


def unlike(blocks: list[Block], said: dict[int, list[str]]) -> list[str]:
    """Name each block of output that is not what was printed."""
    wrong, last = [], -1
    for at, block in enumerate(blocks):
        if block.language == "sh":
            last = at
        elif block.language == "text":
            printed = "\n".join(line for line in said.get(last, []) if line) + "\n"
            shown = "\n".join(line for line in block.text.split("\n") if line.strip())
            if not as_pattern(shown).fullmatch(printed):
                wrong.append(f"shown:\n{shown}\nprinted:\n{printed}")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    code, blocks, said = run_page(page, tmp_path)
    assert code == 0, "\n".join(line for lines in said.values() for line in lines)
    assert unlike(blocks, said) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_says_what_one_has_and_what_can_go_wrong(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "**At the end you have**" in text
    assert "## What can go wrong" in text and "## Where next" in text
    assert {block.language for block in blocks_of(page) if not block.name} <= {"sh", "text"}
