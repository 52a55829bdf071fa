"""docs/evidence/coverage.md is what benchmarks/coverage.py writes: no cell or word by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CELL = re.compile(
    r"(\*\*)?\d+\.\d(\*\*)?( of \d+ %(\*\*)?)?( \\\| ((\*\*)?\d+\.\d(\*\*)?( of \d+ %)?|refused))?"
    r"|refused( \\\| (\*\*)?\d+\.\d(\*\*)?( of \d+ %)?)?|not run"
)


def test_the_page_is_what_the_program_writes_but_for_the_number_of_samples(
    root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "coverage.md"
    program = [sys.executable, root / "benchmarks" / "coverage.py"]
    subprocess.run([*program, "--samples", "2", "--output", path], check=True, capture_output=True)
    stands = (root / "docs" / "evidence" / "coverage.md").read_text().splitlines()
    written = path.read_text().replace("of 2 samples", "of 2,000 samples").splitlines()
    assert len(stands) == len(written)
    for ours, its in zip(stands, written, strict=True):
        if not ours.startswith("| ") or ours.startswith("| interval"):
            assert ours == its
            continue
        (*names, _), (*its_names, _) = ours.split(" | ", 2), its.split(" | ", 2)
        assert names == its_names
        cells, its_cells = (
            line.removesuffix(" |").split(" | ", 2)[2].split(" | ") for line in (ours, its)
        )
        assert len(cells) == len(its_cells) == 6
        for cell in (*cells, *its_cells):
            assert CELL.fullmatch(cell), cell
        # where nothing is measured, and where nothing is ever printed, no draw of samples matters
        assert [cell == "not run" for cell in cells] == [cell == "not run" for cell in its_cells]
        assert cells[0] == its_cells[0] == "refused"
