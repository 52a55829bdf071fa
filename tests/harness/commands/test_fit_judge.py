"""`fit-judge` with an encoder as a user runs it, a tiny one in the place of MiniLM."""

from __future__ import annotations

import json
import random

import pytest
from made_up_encoder import save_tiny_encoder
from made_up_labels import labelled_answers

from rubricbeat.harness.cli import main
from rubricbeat.harness.commands.fit_judge import shortfall
from rubricbeat.judges.audit.judge_audit import JudgeFigures
from rubricbeat.judges.scoring.estimates import Estimate


@pytest.fixture
def labels(tmp_path):
    lines = [
        {
            "prompt_id": item.example.prompt_id,
            "prompt": item.example.prompt[0].content,
            "answer": item.text,
            "criterion": criterion.text,
            "label": found[0].met,
        }
        for item in labelled_answers(16, 4)
        for criterion, found in zip(item.example.rubric.criteria, item.labels, strict=True)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_an_encoder_that_is_named_makes_a_blend(labels, capsys, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    pytest.importorskip("sklearn")
    lines = labels.read_text().splitlines()
    texts = [json.loads(line)[key] for line in lines for key in ("answer", "criterion")]
    encoder, mine = str(save_tiny_encoder(tmp_path / "tiny", texts)), tmp_path / "mine"
    words = ["fit-judge", "--labels", str(labels), "--encoder", encoder]
    assert main([*words, "--folds", "2", "--output_path", str(mine)]) == 0
    assert "| no_look |" in capsys.readouterr().out
    assert json.loads((mine / "card.json").read_text())["head"] == "blend"
    # nothing is pickled
    assert {path.suffix for path in mine.iterdir()} == {".json", ".safetensors", ".md"}
    audit = ["audit", "--judge", f"fitted:{mine}", "--judge_args", f"encoder={encoder}"]
    assert main([*audit, "--labels", str(labels), "--json", "--allow_seen"]) == 0
    assert json.loads(capsys.readouterr().out)["judge"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--head", "words", "--encoder", "minilm"], "takes no --encoder"),
        (["--head", "blend", "--encoder", "none"], "needs an encoder; without one: --head words"),
        (["--head", "network", "--encoder", "nowhere"], "no such folder"),
        (["--vectors", "v.npz"], "needs an encoder; give --head blend"),
        (["--recalibrate", "nowhere"], "no fitted judge there"),
        (["--recalibrate", "x"], "name a new folder"),
        (["--recalibrate", "nowhere", "--head", "trees"], "takes neither --head"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(words, message, labels, capsys):
    assert main(["fit-judge", "--labels", str(labels), "--output_path", "x", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.strip().split("\n")) == 1


def test_without_torch_the_missing_package_is_one_line(labels, capsys, monkeypatch, tmp_path):
    import sys

    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    words = ["fit-judge", "--labels", str(labels), "--encoder", str(tmp_path / "encoder")]
    assert main([*words, "--output_path", str(tmp_path / "mine")]) == 2
    err = capsys.readouterr().err
    assert "rubricbeat[fit]" in err and len(err.strip().split("\n")) == 1


def figures(f1: tuple[float, float, float], pairwise: Estimate) -> JudgeFigures:
    known = {"balanced_f1": Estimate(*f1), "pairwise": pairwise}
    return JudgeFigures(100, 0, 100, {}, known, 50)


@pytest.mark.parametrize(
    ("judge", "is_short"),
    [
        (figures((0.70, 0.66, 0.74), Estimate(0.60, 0.55, 0.65)), False),
        (figures((0.64, 0.60, 0.68), Estimate(0.60, 0.55, 0.65)), True),  # below no_look's .65
        (figures((0.70, 0.66, 0.74), Estimate(0.52, 0.47, 0.57)), True),  # may be chance
        (figures((0.70, 0.66, 0.74), Estimate(None)), False),  # no pairs: the F1 alone
        (figures((0.70, 0.64, 0.76), Estimate(None)), True),  # it may be below no_look's .65
    ],
)
def test_a_judge_that_gains_nothing_from_the_answers_is_told(judge, is_short):
    told = shortfall(judge, figures((0.65, 0.61, 0.69), Estimate(0.5, 0.5, 0.5)))
    assert (told is not None) is is_short
    assert told is None or "not shown to beat no_look" in told


@pytest.mark.parametrize("is_random", [True, False])
def test_a_judge_no_better_than_no_look_is_not_offered(labels, capsys, tmp_path, is_random):
    """The labels of the answers are dealt out anew: nothing is to be learned from any of them."""
    rows = [json.loads(line) for line in labels.read_text().splitlines()]
    if is_random:
        found = [row["label"] for row in rows]
        random.Random(3).shuffle(found)
        rows = [{**row, "label": label} for row, label in zip(rows, found, strict=True)]
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["fit-judge", "--labels", str(labels), "--folds", "2", "-o", str(tmp_path / "mine")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert ("--judge fitted:" in printed) is not is_random
    assert ("not shown to beat no_look" in printed) is is_random
