"""The commands of docs/rubrics.md, run as they stand, give what the page says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from rubricbeat.harness.cli import main


def commands(root: Path) -> list[list[str]]:
    page = (root / "docs" / "rubrics.md").read_text("utf-8")
    block = page.split("## Try it", 1)[1].split("```")[1]
    return [shlex.split(line)[1:] for line in block.strip().splitlines()]


def test_the_page_on_rubrics_runs_as_it_stands(root, tmp_path, monkeypatch, capsys):
    (tmp_path / "tasks").symlink_to(root / "tasks")
    monkeypatch.chdir(tmp_path)
    for words in commands(root):
        assert main(words) == 0, words
    capsys.readouterr()
    assert main(["score", "forms", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    scores = {run["model"]: round(run["metrics"]["score"], 2) for run in runs}
    assert scores == {"good": 1.0, "middling": 0.39, "poor": 0.0}
    assert (tmp_path / "forms.html").stat().st_size > 10_000
