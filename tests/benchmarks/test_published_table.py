"""A paper's table held against its own arithmetic, on made-up rows and on the three rows that the
abstract of arXiv 2606.05174 prints."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rubricbeat.judges.errors import DataError

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "published_table.py"
_spec = importlib.util.spec_from_file_location("published_table", SCRIPT)
assert _spec is not None and _spec.loader is not None
published = importlib.util.module_from_spec(_spec)
sys.modules["published_table"] = published
_spec.loader.exec_module(published)
PublishedRow, check_table = published.PublishedRow, published.check_table
f1_of_accuracy, read_table = published.f1_of_accuracy, published.read_table

ABSTRACT = [
    PublishedRow("base", 500, 0.362, f1=0.532),
    PublishedRow("GRPO", 500, 0.502, f1=0.668),
    PublishedRow("GPT-OSS-120B", 500, 0.508, f1=0.674),
]
# 60 of 100 right: Wilson [.5020, .6906], normal approximation [.5040, .6960]
SOUND = PublishedRow("made up", 100, 0.6, low=0.502, high=0.691)


def test_the_f1_of_the_abstract_is_a_function_of_its_accuracy() -> None:
    # 2 x .362 / 1.362 = .53157; .668 of .502 is .66844, .674 of .508 is .67374
    assert f1_of_accuracy(0.362) == pytest.approx(0.53157, abs=1e-5)
    [said] = check_table(ABSTRACT)
    assert said.startswith("F1 = 2 a / (1 + a) in all 3 rows")


def test_one_row_with_an_f1_of_its_own_is_named() -> None:
    [said] = check_table([*ABSTRACT, PublishedRow("real", 500, 0.4, f1=0.61)])
    assert said == "F1 = 2 a / (1 + a) in 3 of 4 rows; not in real."
    assert check_table([PublishedRow("real", 500, 0.4, f1=0.61)]) == []


def test_rounding_is_allowed_for_and_no_more() -> None:
    # accuracies that print as .502 have an F1 from .66800 to .66889
    assert check_table([PublishedRow("a", 500, 0.502, f1=0.669)])
    assert check_table([PublishedRow("a", 500, 0.502, f1=0.670)]) == []


@pytest.mark.parametrize("ends", [(0.502, 0.691), (0.504, 0.696)])
def test_wilsons_and_the_normal_interval_are_both_right(ends: tuple[float, float]) -> None:
    assert check_table([replace(SOUND, low=ends[0], high=ends[1])]) == []


def test_wrong_ends_are_named_with_the_right_ones() -> None:
    [said] = check_table([replace(SOUND, low=0.55, high=0.65)])
    assert "Wilson's is [0.502, 0.691]" in said
    [said] = check_table([replace(SOUND, low=0.61, high=0.7)])
    assert "does not hold 0.6" in said


def test_a_share_must_be_one_of_its_items() -> None:
    [said] = check_table([PublishedRow("a", 100, 0.605)])
    assert said.startswith("a: 0.605 is no share of 100 items")


def test_discordant_counts_are_bound_by_both_accuracies() -> None:
    # 60 and 50 of 100: differences 10 apart; right here alone at most min(60, 50), there alone 40
    other = PublishedRow("other", 100, 0.5)
    pair = replace(SOUND, against="other", only_this=25, only_other=15)
    assert check_table([pair, other]) == []
    [said] = check_table([replace(pair, only_this=26), other])
    assert "26 - 15 discordant items, but 60 against 50" in said
    [said] = check_table([replace(pair, only_this=55, only_other=45), other])
    assert "at most 50 items can be right here alone and 40 there alone" in said
    [said] = check_table([pair])
    assert "no row of the table" in said


def test_rows_are_read_and_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(json.dumps({"name": "a", "n": 500, "accuracy": 0.362, "f1": 0.532}) + "\n")
    assert read_table(path) == [PublishedRow("a", 500, 0.362, f1=0.532)]
    path.write_text('{"name": "a", "accuracyy": 1}\n')
    with pytest.raises(DataError, match="line 1: no row"):
        read_table(path)


def test_the_command_says_what_it_found_and_fails_on_what_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"

    def run(row: dict[str, object]) -> subprocess.CompletedProcess[str]:
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        words = [sys.executable, str(SCRIPT), str(path)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    sound = run({"name": "base", "n": 500, "accuracy": 0.362, "f1": 0.532})
    assert (sound.returncode, sound.stdout[:18]) == (0, "F1 = 2 a / (1 + a)")
    assert run({"name": "odd", "n": 100, "accuracy": 0.605}).returncode == 1
