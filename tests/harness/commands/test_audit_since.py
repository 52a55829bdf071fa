"""`audit --since`: the same questions asked again on another day, by file and by day."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judge_of_days import OfDays
from made_up_labels import labelled_answers

from rubricbeat.harness import audit_since
from rubricbeat.harness.cli import main

WORDS = ["audit", "--judge", "judge_of_days:OfDays"]


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write labelled rows; the judge is as on its first day, with a store of its own."""
    monkeypatch.setattr(OfDays, "deaf", False)
    monkeypatch.setattr(OfDays, "n_calls", 0)
    monkeypatch.setenv("RUBRICBEAT_STORE", str(tmp_path / "store.sqlite"))
    rows = [
        {
            "prompt": [{"role": m.role, "content": m.content} for m in item.example.prompt],
            "answer": item.text,
            "criterion": criterion.text,
            "label": label[0].met,
        }
        for item in labelled_answers(12, 3)
        for criterion, label in zip(item.example.rubric.criteria, item.labels, strict=True)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def audit(labels: Path, *words: str) -> dict:
    kept = labels.with_name("out.json")
    assert main([*WORDS, "--labels", str(labels), "-o", str(kept), *words]) == 0
    return json.loads(kept.read_text(encoding="utf-8"))


def test_a_judge_that_changed_is_found_and_both_verdicts_are_kept(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = labels.with_name("first.json")
    assert main([*WORDS, "--labels", str(labels), "-o", str(first)]) == 0
    n_first = OfDays.n_calls
    monkeypatch.setattr(OfDays, "deaf", True)
    monkeypatch.setattr(audit_since, "today", lambda: "2030-01-01")
    found = audit(labels, "--since", str(first))
    drift = found["drift"]
    assert OfDays.n_calls == 3 * n_first  # twice each; equal answers share a call
    assert (drift["n"], drift["n_new"]) == (144, 0)
    assert drift["figures"]["sensitivity"]["high"] < 0
    assert drift["flips"]["value"] == 0.0
    assert {"beyond", "sensitivity"} <= set(drift["shown_by"])
    out = capsys.readouterr().out
    assert "Significant drift: difference beyond noise, balanced F1, sensitivity" in out
    # the digest is the judge's, whatever the day: a score can be corrected by either audit
    before = json.loads(first.read_text(encoding="utf-8"))
    assert found["judge"]["digest"] == before["judge"]["digest"]
    # again on that day: nothing is paid twice, and the same is said
    assert audit(labels, "--since", str(first))["drift"] == drift
    assert OfDays.n_calls == 3 * n_first
    # but today's verdicts are not compared with themselves
    again = labels.with_name("out.json")
    assert main([*WORDS, "--labels", str(labels), "--since", str(again)]) == 2
    assert "asked again today" in capsys.readouterr().err
    # the old verdicts are still there
    assert audit(labels)["questions"] == before["questions"]
    assert OfDays.n_calls == 3 * n_first
    # and the round of that day is the earlier one of the next
    monkeypatch.setattr(audit_since, "today", lambda: "2030-01-02")
    after = audit(labels, "--since", "2030-01-01")["drift"]
    assert after["differ"]["value"] == 0.0 and after["shown_by"] == []
    assert after["flips_before"]["value"] == 0.0


def test_a_day_takes_the_earlier_verdicts_from_the_store(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    day = audit_since.today()
    assert main([*WORDS, "--labels", str(labels), "--limit", "60"]) == 0
    monkeypatch.setattr(OfDays, "deaf", True)
    drift = audit(labels, "--since", day)["drift"]
    assert (drift["n"], drift["n_new"]) == (60, 84)
    assert drift["figures"]["sensitivity"]["value"] < 0
    once = audit(labels, "--since", day, "--judge_args", "replicates=1")["drift"]
    assert once["beyond"]["value"] is None and once["flips"]["value"] is None
    assert once["figures"] == drift["figures"]
    capsys.readouterr()
    assert main([*WORDS, "--labels", str(labels), "--since", "2001-01-01"]) == 2
    assert "no verdict of this judge on these labelled answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "yesterday"], "neither the file of an audit"),
        (["--since", "2999-01-01"], "a day to come"),
        (["--since", "bad.json"], "no audit that holds its verdicts"),
        (["--since", "other.json"], "the audit is of another judge (abc"),
        (["--since", "2026-01-01", "--variant", "a=b"], "run them apart"),
        (["--since", "2026-01-01", "--judge_args", "store=none"], "name the file"),
        (["--since", "2026-01-01", "--judge_args", "asked_on=x"], "leave asked_on out"),
    ],
)
def test_what_cannot_be_compared_is_one_line_before_any_call(
    words: list[str],
    message: str,
    labels: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(labels.parent)
    Path("bad.json").write_text('{"judge": {"digest": "x"}}', encoding="utf-8")
    other = {"judge": {"digest": "abc"}, "asked_on": "2026-01-01", "questions": {}}
    Path("other.json").write_text(json.dumps(other), encoding="utf-8")
    assert main([*WORDS, "--labels", str(labels), *words]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert OfDays.n_calls == 0


def test_the_members_of_a_jury_are_asked_anew(labels: Path, tmp_path: Path) -> None:
    options = labels.with_name("jury.yaml")
    options.write_text("members: [judge_of_days:OfDays, constant]\nlow: 0.2", encoding="utf-8")
    words = ["--judge", "cascade", "--judge_args", str(options), "--labels", str(labels)]
    first = labels.with_name("first.json")
    assert main(["audit", *words, "-o", str(first)]) == 0
    n_first = OfDays.n_calls
    assert main(["audit", *words, "--since", str(first)]) == 0
    assert OfDays.n_calls == 3 * n_first
