"""P(met) set right on other answers, and the judge's order of answers left alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_labels import labelled_answers

from rubricbeat.harness.cli import main
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.features import Sight
from rubricbeat.judges.fitted.fitting import FitOptions, fit_judge
from rubricbeat.judges.fitted.heads import HeadKind
from rubricbeat.judges.fitted.recalibration import recalibrate

OPTIONS = {"encoder": None, "n_folds": 5, "seed": 1}


def noisy(wrong: float, seed: int) -> list[LabelledAnswer]:
    """Answers to new prompts whose labels are turned at this rate."""
    rng = np.random.default_rng(seed)
    found = []
    for item in labelled_answers(60)[30 * 6 :]:
        turned = [rng.random() < wrong for _ in item.labels]
        labels = tuple(
            (Label(one[0].met != turn),) for one, turn in zip(item.labels, turned, strict=True)
        )
        found.append(replace(item, labels=labels))
    return found


@pytest.fixture(scope="module")
def model():  # type: ignore[no-untyped-def]
    options = FitOptions(HeadKind.LINEAR)
    return fit_judge(labelled_answers(), options, encoder=None, shelf=None).model


def test_probabilities_are_right_again_where_labels_are_of_another_kind(model) -> None:
    """One label in four is turned: a judge that was sure of all of them is wrong in a quarter."""
    found = recalibrate(model, noisy(0.25, 1), **OPTIONS)
    assert found.before.calibration is not None and found.after.calibration is not None
    assert found.before.calibration.ece > 0.15
    assert found.after.calibration.ece < 0.08


def test_the_order_of_answers_stays(model) -> None:
    found = recalibrate(model, noisy(0.25, 1), **OPTIONS)
    item = labelled_answers()[0]
    seen = Sight(model.words, None).see(item.example, item.text)
    was, now = (one.calibration.probability(one.head.logits(seen)) for one in (model, found.model))
    assert np.argsort(was).tolist() == np.argsort(now).tolist()
    assert not np.allclose(was, now)


def test_a_judge_that_ranks_the_wrong_way_round_is_refused(model) -> None:
    with pytest.raises(ConfigError, match="no better than chance"):
        recalibrate(model, noisy(1.0, 2), **OPTIONS)


def test_too_few_labels_are_refused(model) -> None:
    with pytest.raises(ConfigError, match="too little to learn from"):
        recalibrate(model, noisy(0.25, 1)[:12], **OPTIONS)


def rows(items: list[LabelledAnswer]) -> str:
    return "".join(
        json.dumps(
            {
                "prompt_id": item.example.prompt_id,
                "prompt": item.example.prompt[0].content,
                "answer": item.text,
                "criterion": criterion.text,
                "label": labels[0].met,
            }
        )
        + "\n"
        for item in items
        for criterion, labels in zip(item.example.rubric.criteria, item.labels, strict=True)
    )


def test_the_command_writes_a_judge_of_its_own(tmp_path, capsys) -> None:
    pytest.importorskip("sklearn")
    own, others = tmp_path / "own.jsonl", tmp_path / "others.jsonl"
    own.write_text(rows(labelled_answers()))
    others.write_text(rows(noisy(0.25, 1)))
    mine, there = tmp_path / "mine", tmp_path / "there"
    fast = ["--output_path"]
    assert main(["fit-judge", "--labels", str(own), "--head", "linear", *fast, str(mine)]) == 0
    words = ["fit-judge", "--recalibrate", str(mine), "--labels", str(others)]
    capsys.readouterr()
    assert main([*words, *fast, str(there)]) == 0
    out = capsys.readouterr().out
    assert "| before |" in out and "| recalibrated |" in out
    card = json.loads((there / "card.json").read_text())
    assert card["recalibrated"]["n_prompts"] == 30
    # prompts of both files are known to it now
    assert len(card["prompts"]["sha256"]) == 3 * 60
    assert "## Recalibrated" in (there / "README.md").read_text()
    before, after = (json.loads((one / "judge.json").read_text()) for one in (mine, there))
    assert before["head"] == after["head"] and before["calibration"] != after["calibration"]
    # and once more, from where it stands: one word of it, not two
    again = tmp_path / "again"
    words[2] = str(there)
    assert main([*words, *fast, str(again)]) == 0
    assert (again / "README.md").read_text().count("## Recalibrated") == 1
    assert main([*words, *fast, str(there)]) == 2
    assert "name a new folder" in capsys.readouterr().err


def test_the_default_is_words_alone_without_torch(tmp_path, capsys, monkeypatch) -> None:
    pytest.importorskip("sklearn")
    import sys

    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    own = tmp_path / "own.jsonl"
    own.write_text(rows(labelled_answers(16, 4)))
    words = ["fit-judge", "--labels", str(own), "--output_path"]
    assert main([*words, str(tmp_path / "mine")]) == 0
    card = json.loads((tmp_path / "mine" / "card.json").read_text())
    assert (card["head"], card["encoder"]) == ("words", None)
    assert "hold only for data like those it was fitted on" in card["warning"]
    page = (tmp_path / "mine" / "README.md").read_text()
    assert "--recalibrate" in page and str(tmp_path) not in page
