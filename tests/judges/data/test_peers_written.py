"""Rows in the words of other programs: what is written is read back to the same rubric."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.data.examples import example_from_row, example_to_row
from rubricbeat.judges.data.forms.peers_written import to_autorubric, to_verifiers
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import (
    Criterion,
    Example,
    Gate,
    Level,
    Message,
    NaRule,
    Polarity,
    Requirement,
    Rubric,
)

GOOD, BAD = Polarity.DESIRABLE, Polarity.UNDESIRABLE
TONES = (Level("blue", 0), Level("red", 4), Level("green", 2))
THREE = (Level("none", 0), Level("some", 2), Level("all", 4))


def example(*criteria: Criterion, **more: str) -> Example:
    return Example("p", (Message("user", "?"),), Rubric(criteria), **more)


def test_autorubric_reads_back_what_was_written():
    faults = (Level("no", 0), Level("mild", -1.5), Level("grave", -6))
    given = example(
        Criterion("Is right", 3, GOOD, id="right"),
        Criterion("Is rude", -2, BAD),
        Criterion("How much", 4, GOOD, levels=THREE, na=NaRule.EXCLUDED),
        Criterion("Which tone", 4, GOOD, levels=TONES, is_nominal=True),
        Criterion("How bad", -6, BAD, levels=faults),
        Criterion("May not apply", 1, GOOD, na=NaRule.EXCLUDED),
        reference="Ward notes",
    )
    row = json.loads(json.dumps(to_autorubric(given)))
    assert example_from_row(row) == given


def test_verifiers_reads_back_what_was_written():
    given = example(
        Criterion("Is right", 3, GOOD, id="right"),
        Criterion("How much", 4, GOOD, id="much", levels=THREE),
    )
    row = json.loads(json.dumps(to_verifiers(given)))
    assert example_from_row(row) == given
    (unnamed,) = to_verifiers(example(Criterion("Is right", 3, GOOD)))["rubric"]
    assert unnamed["name"] == "Is right" and unnamed["choices"] == ["no", "yes"]


@pytest.mark.parametrize(
    ("criterion", "said"),
    [
        (Criterion("c", 1, GOOD, gate=Gate(0.0)), "a gate"),
        (Criterion("c", 1, GOOD, requires=Requirement("a")), "a requirement"),
        (Criterion("c", 1, GOOD, reference="r"), "a reference"),
        (Criterion("c", 1, GOOD, turn=None), "a turn"),
        (Criterion("c", -1, GOOD), "counts when it is not met"),
        (Criterion("c", 1, GOOD, na=NaRule.MISSED), "the rule missed"),
        (Criterion("c", 4, GOOD, levels=(Level("a", -1), Level("b", 4))), "both signs"),
    ],
)
def test_what_neither_can_say_is_refused_with_the_criterion(criterion, said):
    given = example(Criterion("a", 1, GOOD, id="a"), criterion)
    for write in (to_autorubric, to_verifiers):
        with pytest.raises(DataError, match=f"prompt_id p: criterion 2 has .*{said}|{said}"):
            write(given)


@pytest.mark.parametrize(
    ("criterion", "said"),
    [
        (Criterion("c", -1, BAD), "negative points"),
        (Criterion("c", 1, GOOD, na=NaRule.EXCLUDED), "not applicable"),
        (Criterion("c", 4, GOOD, levels=(*THREE[:1], Level("b", 1), Level("c", 4))), "evenly"),
    ],
)
def test_what_verifiers_alone_cannot_say(criterion, said):
    given = example(criterion)
    assert to_autorubric(given)
    with pytest.raises(DataError, match=said):
        to_verifiers(given)
    with pytest.raises(DataError, match="reference"):
        to_verifiers(replace(example(Criterion("c", 1, GOOD)), reference="r"))


def test_a_file_of_rows_is_written_whole_or_not_at_all(tmp_path, capsys):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    good = example_to_row(example(Criterion("c", 1, GOOD)))
    bad = example_to_row(replace(example(Criterion("c", 1, GOOD, gate=Gate(0.0))), prompt_id="q"))
    rows.write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n", "utf-8")
    words = ["export", str(rows), "--format", "autorubric", "-o", str(out)]
    assert main(words) == 2
    assert "prompt_id q: criterion 1 has a gate" in capsys.readouterr().err
    assert not out.exists()
    rows.write_text(f"{json.dumps(good)}\n", "utf-8")
    assert main(words) == 0
    assert json.loads(out.read_text("utf-8"))["rubric"] == [{"requirement": "c", "weight": 1.0}]
