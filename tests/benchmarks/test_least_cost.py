"""benchmarks/least_cost.py on made-up verdicts: its keys, and no crash without a number."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "least_cost.py"
NUMBERS = {
    "decided_share", "wrong_sign", "false_decisions", "ppi_share", "ppi_coverage", "label_share",
}  # fmt: skip
POINTS = (6, 4, -2)


def row(place: int) -> dict[str, object]:
    criteria = [{"criterion": f"c{n}", "points": p, "tags": []} for n, p in enumerate(POINTS)]
    prompt = [{"role": "user", "content": f"question {place}"}]
    return {"prompt_id": f"p{place}", "prompt": prompt, "rubrics": criteria}


def said(
    place: int, system: str, met: Sequence[bool | None], answer: str = "a"
) -> dict[str, object]:
    return {
        "prompt_id": f"p{place}",
        "model": system,
        "completion": answer,
        "criteria_met": list(met),
    }


def measured(tmp_path: Path, verdicts: Sequence[object], monkeypatch, capsys) -> dict[str, object]:
    rows = [row(place) for place in range(60)]
    for name, lines in (("rows", rows), ("judged", verdicts)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    words = ["--verdicts", f"{tmp_path}/judged.jsonl", "--data", f"{tmp_path}/rows.jsonl"]
    argv = ["least_cost.py", *words, "--orders", "4", "--json"]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= NUMBERS
    assert {name for name in NUMBERS if found[name] is None} <= set(found["why"])
    return found


def test_a_large_difference_takes_a_part_of_the_calls(tmp_path, monkeypatch, capsys):
    better = [said(n, "one", (True, n % 3 > 0, False)) for n in range(60)]
    worse = [said(n, "two", (False, n % 2 > 0, n % 5 == 0)) for n in range(60)]
    found = measured(tmp_path, [*better, *worse], monkeypatch, capsys)
    assert 0 < found["decided_share"] < 1
    assert found["wrong_sign"] == 0
    # one answer a prompt: no halves, but flips
    assert found["false_halves_asymptotic"] is None
    assert found["false_decisions"] is not None
    # of the calls on 98 % of the prompts no sample takes much more than all
    assert 0 < found["ppi_shares"]["0.98"] < 1.1
    assert 0.8 <= found["ppi_coverage"] <= 1
    assert found["ppi_widths"]["0.35"] > found["ppi_widths"]["0.85"] > 0.9
    assert found["label_share"] is None or 0.2 <= found["label_share"] <= 2


def test_missing_verdicts_and_one_common_prompt_give_numbers(tmp_path, monkeypatch, capsys):
    verdicts = [said(0, "one", (True, None, False)), said(0, "two", (True, True, None))]
    verdicts += [said(1, "one", (True, True, False)), said(2, "two", (None, None, None))]
    found = measured(tmp_path, verdicts, monkeypatch, capsys)
    assert found["decided_share"] == 1  # nothing is decided by one prompt: all calls
    assert found["ppi_share"] is found["label_share"] is None
    assert "none could be fitted" in found["ppi_free_judge"]


def test_systems_without_a_difference_have_no_wrong_sign(tmp_path, monkeypatch, capsys):
    verdicts = [said(n, name, (True, False, n % 2 > 0)) for n in range(30) for name in "ab"]
    found = measured(tmp_path, verdicts, monkeypatch, capsys)
    assert found["wrong_sign"] is None
    assert found["false_decisions"] == 0


@pytest.mark.parametrize("verdicts", [[said(0, "one", (True, True, False))], [{"prompt_id": "x"}]])
def test_files_without_two_systems_say_why(verdicts, tmp_path, monkeypatch, capsys):
    found = measured(tmp_path, verdicts, monkeypatch, capsys)
    assert found["decided_share"] is None
