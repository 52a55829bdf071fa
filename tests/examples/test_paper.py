"""examples/paper: published arithmetic by hand, and the released rule on made-up rows."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric


@pytest.fixture(scope="module")
def claims(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("claims", root / "examples/paper/claims.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["claims"] = module
    spec.loader.exec_module(module)
    return module


def example(*points: float) -> Example:
    criteria = tuple(
        Criterion(
            text=f"Criterion {n}",
            points=p,
            polarity=Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE,
        )
        for n, p in enumerate(points)
    )
    return Example(prompt=(Message("user", "Q?"),), rubric=Rubric(criteria), prompt_id="p")


@pytest.mark.parametrize(
    ("points", "answer", "passes"),
    [
        # half of 10 is the middle itself, which does not pass
        ((5, 5), "constant", False),
        # (5 + 2) / 12 = .583
        ((5, 5, -2), "constant", True),
        # the fault stands sixth: it is not looked at
        ((5, 5, 5, 5, 5, -2), "constant", False),
        # (0 + 2) / 12
        ((5, 5, -2), "", False),
        # nothing earned, and faults of 9 avoided beside 5: 9 / 14
        ((5, -9), "", True),
        # (0 - 9 + 9) / 14
        ((5, -9), "unsafe", False),
    ],
)
def test_the_released_rule_looks_for_words(
    claims: ModuleType, points: tuple[float, ...], answer: str, passes: bool
) -> None:
    text = claims.CONSTANT if answer == "constant" else answer
    assert claims.passes_released(text, example(*points)) is passes
    if answer == "constant":
        assert claims.has_early_fault(example(*points)) is passes


def test_the_bounds_of_mcnemar_hold_every_count(claims: ModuleType) -> None:
    """Of 10 items 7 and 3 are right: 4 to 10 differ. p of 4 and 0 is 2/16, of 7 and 3 .34375."""
    row, other = claims.PublishedRow("a", 10, 0.7), claims.PublishedRow("b", 10, 0.3)
    assert claims.bounds(row, other) == (pytest.approx(0.125), pytest.approx(0.34375))
    assert claims.bounds(other, row) == claims.bounds(row, other)


def test_published_rows_are_checked_from_the_command_line(root: Path) -> None:
    program = [sys.executable, str(root / "examples/paper/claims.py")]
    said = subprocess.run([*program, "f1"], check=True, capture_output=True, text=True).stdout
    assert "| Qwen3-14B + GRPO (hybrid) | 0.502 | [0.458, 0.546] | 0.668 | 0.668 |" in said
    assert "in all 3 rows" in said
    failed = subprocess.run([*program, "dead"], check=False, capture_output=True, text=True)
    assert failed.returncode == 1 and "needs --data ROWS" in failed.stderr


def test_the_page_is_written_from_verdicts(
    claims: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, rows, judged = random.Random(1), [], []
    for p in range(12):
        rubrics = [{"criterion": f"Names {p}-{n}", "points": w} for n, w in enumerate((5, 3, -2))]
        prompt = [{"role": "user", "content": f"Question {p}?"}]
        rows.append({"prompt_id": f"p{p}", "prompt": prompt, "rubrics": rubrics})
        judged += [
            {
                "prompt_id": f"p{p}",
                "completion": f"answer {g}",
                "criteria_met": [draw.random() < 0.5 for _ in rubrics],
            }
            for g in range(4)
        ]
    data, verdicts, output = (tmp_path / name for name in ("rows.jsonl", "v.jsonl", "page.md"))
    for path, lines in ((data, rows), (verdicts, judged)):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    words = ["page", "--data", data, "--verdicts", verdicts, "--output", output]
    monkeypatch.setattr(sys, "argv", ["claims.py", *map(str, words)])
    assert claims.main() == 0
    page = output.read_text(encoding="utf-8")
    assert page.count("\n## ") == len(claims.CLAIMS) + 1
    assert "100.0% of the rows" in page
