"""The examples of docs/data.md are read as it says."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from rubricbeat.reports.results.reader import read_runs

_EXAMPLE = re.compile(r"^`(?P<path>[\w./-]+)`[^\n]*\n```json\n(?P<text>.*?)\n```$", re.M | re.S)
_PROGRAMS = ["simple-evals", "inspect", "evalscope", "promptfoo", "verifiers", "verifiers"]


@pytest.fixture(scope="module")
def examples(root: Path) -> list[tuple[str, str]]:
    text = (root / "docs" / "data.md").read_text("utf-8")
    section = text.partition("## Logs of other programs\n")[2].partition("\n## ")[0]
    return [(match["path"], match["text"]) for match in _EXAMPLE.finditer(section)]


@pytest.mark.parametrize("at", range(len(_PROGRAMS)))
def test_each_example_is_read(tmp_path: Path, examples: list[tuple[str, str]], at: int) -> None:
    assert len(examples) == len(_PROGRAMS)
    path, text = examples[at]
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    # the lines of JSON Lines are broken in the docs
    file.write_text(json.dumps(json.loads(text)) if path.endswith("l") else text, "utf-8")
    [run] = read_runs([tmp_path])
    assert run.facts.versions["format"] == _PROGRAMS[at]
    assert run.model in {"m1", "openai:m1"}
    assert run.notes == ()
    [graded] = run.graded
    assert graded.answer == "Rest it."
    assert graded.example.prompt[0].content == "My leg is sore."
    first = graded.example.rubric.criteria[0]
    assert (first.text, graded.verdicts[0].met) == ("Names rest", True)
    assert graded.verdicts[0].explanation == "It does."


def test_the_inspect_example_reads_the_same_packed(
    tmp_path: Path, examples: list[tuple[str, str]]
) -> None:
    [text] = [text for path, text in examples if "T03-04-05" in path]
    whole = json.loads(text)
    [sample] = whole.pop("samples")
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as log:
        log.writestr("header.json", json.dumps(whole))
        log.writestr("samples/a_epoch_1.json", json.dumps(sample))
    [run] = read_runs([tmp_path])
    assert [v.met for v in run.graded[0].verdicts] == [True, False]
