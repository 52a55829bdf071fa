"""Self-preference: what the judge says of its family's answers at the same label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_upkeep import JUDGE, RUBRIC, own_family_in_world

from rubricbeat.harness.cli import main
from rubricbeat.judges.audit.bias import traits_of
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.rubric import Example, Message


def test_better_answers_are_not_called_favoured() -> None:
    found = [own_family_in_world(seed, favour=0.0) for seed in range(100)]
    assert {one.within for one in found} == {"the same criterion"}
    assert abs(np.mean([one.shift.value for one in found])) < 0.02
    # 5 are expected; a rule that compares rates of met without the labels finds nearly all
    assert sum(one.shift.excludes_zero for one in found) <= 10


def test_a_planted_preference_is_measured() -> None:
    found = [own_family_in_world(seed, favour=0.2) for seed in range(30)]
    assert np.mean([one.shift.value for one in found]) == pytest.approx(0.2, abs=0.03)
    assert sum(one.shift.excludes_zero for one in found) >= 24
    assert [group.name for group in found[0].groups] == ["other families", "own family"]


def test_answers_of_unknown_models_are_no_trait() -> None:
    example = Example("p", (Message("user", "q"),), RUBRIC)
    rows = [
        LabelledAnswer(example, "a", ((Label(True),),) * 10, model=name)
        for name in ("gpt-4o", "mine", "")
    ]
    assert "family" not in {trait.name for trait in traits_of(rows, JUDGE)}
    kin = [rows[0], LabelledAnswer(example, "a", rows[0].labels, model="claude-x")]
    assert "family" in {trait.name for trait in traits_of(kin, JUDGE)}
    assert "family" not in {trait.name for trait in traits_of(kin, {"name": "keyword"})}


def test_labelled_rows_name_the_model_of_their_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "prompt": f"q{i % 20}",
            "answer": f"{model} says {i}",
            "criterion": "Says gpt",
            "label": bool(rng.random() < 0.5),
            "model": model,
        }
        for i in range(80)
        for model in ("gpt-4o", "claude-sonnet-4")
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "partial_judge.py").write_text(
        "from rubricbeat.judges.judge import JudgeIdentity\n"
        "from rubricbeat.judges.verdict import Verdict\n"
        "class Partial:\n"
        "    stored = False\n"
        "    identity = JudgeIdentity('partial', model='gpt-4.1')\n"
        "    async def judge(self, question):\n"
        "        return Verdict.of('gpt' in question.answer)\n",
        encoding="utf-8",
    )
    words = ["audit", "--judge", "partial_judge:Partial", "--labels", str(path), "--json"]
    assert main(words) == 0
    shifts = {s["trait"]: s for s in json.loads(capsys.readouterr().out)["audit"]["shifts"]}
    assert shifts["family"]["shift"]["value"] == 1.0
