"""Self-preference: what the judge says of its family's answers at the same label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.bias import Shift, shifts_of, traits_of
from rubricbeat.judges.audit.labels import AuditTable, Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict

RUBRIC = Rubric(tuple(Criterion(f"c{n}", 1.0, Polarity.DESIRABLE) for n in range(6)))
JUDGE = {"name": "chat", "model": "gpt-4.1"}


def own_family_in_world(seed: int, favour: float, better: float = 0.25) -> Shift:
    """Judge 25 prompts answered by gpt-4o and by claude.

    Args:
        seed: Of the world.
        favour: Raises the chance of met for answers of the judge's family, at the same label.
        better: By how much more often the labels call the family's answers met.
    """
    rng = np.random.default_rng(seed)
    labelled, graded = [], []
    for i in range(25):
        example = Example(f"p{i}", (Message("user", f"q{i}"),), RUBRIC)
        worth = rng.beta(2, 2) * (1 - better)
        for model, is_own in (("gpt-4o", True), ("claude-sonnet-4", False)):
            met = rng.random(6) < worth + better * is_own
            chance = np.where(met, 0.75, 0.2) + favour * is_own
            said = tuple(map(Verdict.of, rng.random(6) < chance))
            labels = tuple((Label(bool(one)),) for one in met)
            labelled.append(LabelledAnswer(example, "a", labels, model=model))
            graded.append(GradedAnswer(example, "a", said))
    traits = traits_of(labelled, JUDGE)
    return {one.trait: one for one in shifts_of(AuditTable.of(labelled, graded), traits)}["family"]


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
        LabelledAnswer(example, "a", ((Label(True),),) * 6, model=name)
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
