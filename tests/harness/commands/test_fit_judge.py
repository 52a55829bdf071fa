"""`fit-judge` with a tuned encoder as a user runs it, a tiny one in the place of MiniLM."""

from __future__ import annotations

import json

import pytest
from made_up_encoder import save_tiny_encoder
from made_up_labels import labelled_answers

from rubricbeat.harness.cli import main


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


@pytest.mark.parametrize("head", ["--head cross_encoder --tokens 48", "--head tuned"])
def test_a_tuned_judge_is_fitted_kept_and_audited_by_its_command(head, labels, capsys, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    pytest.importorskip("sklearn")
    lines = labels.read_text().splitlines()
    texts = [json.loads(line)[key] for line in lines for key in ("answer", "criterion")]
    encoder, mine = str(save_tiny_encoder(tmp_path / "tiny", texts)), tmp_path / "mine"
    words = ["fit-judge", "--labels", str(labels), "--encoder", encoder]
    words += [*head.split(), "--epochs", "0.5"]
    assert main([*words, "--output_path", str(mine)]) == 0
    out, err = capsys.readouterr()
    for name in ("this judge", "no_look", "without tuning", "length"):
        assert f"| {name} |" in out
    assert "left" in err and "validation" in err
    card = json.loads((mine / "card.json").read_text())
    assert f"{head} --epochs 0.5" in card["command"]
    assert card["measured_on"] == "one fold"
    page = (mine / "README.md").read_text()
    assert "One fold is held out" in page and str(tmp_path) not in page
    # nothing is left of the tuning, and nothing is pickled
    assert {path.suffix for path in mine.iterdir()} == {".json", ".safetensors", ".md"}
    assert not (mine / "tuning.safetensors").exists()
    audit = ["audit", "--judge", f"fitted:{mine}", "--judge_args", f"encoder={encoder}"]
    assert main([*audit, "--labels", str(labels), "--json", "--allow_seen"]) == 0
    assert json.loads(capsys.readouterr().out)["judge"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tokens", "128"], "--tokens is of the tuning"),
        (["--head", "tuned", "--tokens", "128"], "--tokens is of the tuning"),
        (["--head", "blend", "--epochs", "2"], "--epochs is of a tuning"),
        (["--head", "cross_encoder", "--encoder", "none"], "--encoder none"),
        (["--head", "tuned", "--encoder", "none"], "--encoder none"),
        (["--head", "cross_encoder", "--tokens", "8"], "--tokens 8"),
        (["--head", "cross_encoder", "--epochs", "0"], "--epochs 0"),
        (["--head", "cross_encoder", "--encoder", "nowhere"], "no such folder"),
    ],
)
def test_a_tuning_that_cannot_be_is_one_line_and_exit_code_2(words, message, labels, capsys):
    assert main(["fit-judge", "--labels", str(labels), "--output_path", "x", *words]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.strip().split("\n")) == 1


def test_without_torch_the_missing_package_is_one_line(labels, capsys, monkeypatch, tmp_path):
    import sys

    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    words = ["fit-judge", "--labels", str(labels), "--encoder", str(tmp_path / "encoder")]
    words += ["--head", "cross_encoder", "--output_path", str(tmp_path / "mine")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "rubricbeat[fit]" in err and len(err.strip().split("\n")) == 1
