"""docs/evidence/claims.md: every page with measured figures is there, and every command exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rubricbeat.harness.cli import main


def rows(root: Path) -> list[list[str]]:
    lines = (root / "docs" / "evidence" / "claims.md").read_text(encoding="utf-8").splitlines()
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| ")
    ]
    return table[1:]


def test_every_command_of_the_claims_exists_and_every_page_stands(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for page, figure, printed_by, run_by in rows(root):
        assert (root / page).is_file(), page
        assert figure
        for target in re.findall(r"`make (\w+)`", run_by):
            assert f"\n{target}:" in makefile, target
        for command in re.findall(r"`([^`]+)`", printed_by):
            program, first, *_ = command.split()
            if program == "rubricbeat":
                assert main([first, "--help"]) == 0, command
                known = capsys.readouterr().out
                assert all(flag in known for flag in re.findall(r"--\w+", command)), command
                continue
            assert program in {"python", "pytest"}
            text = (root / first).read_text(encoding="utf-8")
            assert all(f'"{flag}"' in text for flag in re.findall(r"--\w+", command)), command


def test_make_evidence_runs_what_is_marked_so(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\nevidence:")[1].split("\n\n")[0]
    for _, _, printed_by, run_by in rows(root):
        if "make evidence" in run_by:
            program, first, flag = printed_by.strip("`").split()[:3]
            named = first if program == "python" else f"{program} {first}"
            assert named in recipe
            assert not flag.startswith("--") or flag in recipe


def test_the_readme_names_the_figures_of_the_evidence(root: Path) -> None:
    page = (root / "docs/evidence/judges.md").read_text(encoding="utf-8")
    readme = (root / "README.md").read_text(encoding="utf-8")
    figures = [
        re.search(rf"^\| {head}.*?\| 0(\.\d{{3}}) ", page, flags=re.M)
        for head in (r"\*\*fitted, `words`", "`no_look`")
    ]
    assert [found[1] for found in figures] == re.findall(r"(?<=[ (])\.\d{3}\b", readme)


@pytest.mark.parametrize("folder", ["docs", "examples"])
def test_pages_with_measured_figures_stand_in_the_table(root: Path, folder: str) -> None:
    named = {page for page, *_ in rows(root)}
    for path in (root / folder).rglob("*.md"):
        page = path.relative_to(root).as_posix()
        text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S)
        measured = re.findall(r"(?<![\w.])[-+]?0?\.\d{3} \[|\d\.\d+ times", text)
        assert not measured or page in named, (page, measured)
