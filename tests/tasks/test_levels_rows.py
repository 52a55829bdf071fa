"""The 24 bundled rows with levels, conditions, references, turns, trees and tools."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.harness.inputs import read_signal_input
from rubricbeat.judges.data.conversations import text_of_answer
from rubricbeat.judges.data.examples import example_from_row, example_to_row, read_examples
from rubricbeat.judges.data.responses import Responses
from rubricbeat.judges.keyword.parser import parse_check
from rubricbeat.judges.rubric import Criterion, Example, NaRule, Polarity
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.tasks.demo import demo_path

ANSWERS = "levels_answers.jsonl"


@cache
def examples() -> dict[str, Example]:
    file = read_examples(demo_path("levels.jsonl"), strict=True)
    return {example.prompt_id: example for example in file.examples}


def criteria() -> list[Criterion]:
    return [c for example in examples().values() for c in example.rubric.criteria]


@cache
def known() -> list[dict[str, Any]]:
    """Answers with the level of each criterion: a number, 1 or 0 of two, or "na"."""
    return [json.loads(line) for line in demo_path(ANSWERS).read_text("utf-8").splitlines()]


def test_every_form_is_there_wanted_and_unwanted() -> None:
    found = criteria()
    assert len(examples()) == 24
    scales = Counter((c.is_nominal, c.polarity) for c in found if c.levels)
    assert all(scales[scale, sign] >= 1 for scale in (True, False) for sign in Polarity)
    assert {c.na for c in found} >= {*NaRule, None}
    assert sum(e.reference is not None for e in examples().values()) == 1
    assert sum(c.reference is not None for c in found) == 2
    gates = [c for c in found if c.gate]
    assert {bool(c.levels) for c in gates} == {True, False} and {c.polarity for c in gates} == {
        *Polarity
    }
    assert {c.requires.level for c in found if c.requires} == {None, 1}
    assert {c.turn for c in found} >= {-1, -2, 0, None}
    assert any(level.points * c.points < 0 for c in found for level in c.levels)
    tags = Counter(tag for e in examples().values() for tag in e.tags)
    assert (tags["form:tree"], tags["form:tools"], tags["form:turns"]) == (2, 2, 3)
    paths = {tag for c in found for tag in c.tags if tag.startswith("path:")}
    assert paths == {"path:Medicines", "path:Moving", "path:Facts"}


def test_every_row_reads_back_and_says_what_it_is() -> None:
    for line in demo_path("levels.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        assert "not medical advice" in row["note"]
        example = example_from_row(row)
        assert example_from_row(json.loads(json.dumps(example_to_row(example)))) == example
        is_plain = example.rubric.is_plain and example.reference is None
        assert not is_plain or "form:tree" in example.tags


def test_every_criterion_level_and_rule_has_a_predicate() -> None:
    for criterion in criteria():
        checks = [level.check for level in criterion.levels] or [criterion.check]
        checks += [criterion.na_check] if criterion.na else []
        for check in checks:
            assert check is not None
            parse_check(check)


def test_the_known_answers_are_read_as_answers_and_reach_almost_every_level() -> None:
    census = Responses(demo_path(ANSWERS), examples()).census()
    assert census.n_answers == len(known()) == 71
    reached: dict[tuple[str, int], set[Any]] = {}
    for answer in known():
        example = examples()[answer["prompt_id"]]
        assert len(answer["level"]) == len(example.rubric)
        for place, level in enumerate(answer["level"]):
            reached.setdefault((example.prompt_id, place), set()).add(level)
            criterion = example.rubric.criteria[place]
            assert level == "na" if level not in range(len(criterion.levels) or 2) else True
            assert level != "na" or criterion.na
    assert set(Counter(a["prompt_id"] for a in known()).values()) == {2, 3}
    n_levels = sum(len(c.levels) or 2 for c in criteria() if c.turn == -1)
    n_reached = sum(
        len(levels - {"na"})
        for (name, place), levels in reached.items()
        if examples()[name].rubric.criteria[place].turn == -1
    )
    assert n_reached >= n_levels - 8


def test_a_trajectory_is_one_text_with_its_calls() -> None:
    texts = [text_of_answer(a["completion"]) for a in known() if "trajectory" in a["prompt_id"]]
    assert [text.count("[tool call] find_drug") for text in texts if text] == [1, 1, 0]
    (prompt,) = (e.prompt for e in examples().values() if "tool-result" in e.prompt_id)
    assert [turn.role for turn in prompt] == ["user", "assistant", "tool"]


# ---- graded end to end

BY_HAND: dict[tuple[str, str], list[float]] = {
    # tight chest: 8 + 4 of 12; 2 + 4 - 3; -6
    ("forms-001", "good"): [1.0],
    ("forms-001", "middling"): [0.25],
    ("forms-001", "poor"): [-0.5],
    # a level that costs: 0 - 2 + 0 of 14
    ("forms-004", "poor"): [-2 / 14],
    # nothing named: out of the maximum; 5 + 4 of 9
    ("forms-010", "good"): [1.0, 1.0],
    # missed: it stays in the maximum; 6 + 2 of 13
    ("forms-011", "middling"): [8 / 13],
    # bounded: as a missing verdict, so by the others, 2 + 4 of 10; bounds are 6 and 8 of 12
    ("forms-012", "middling"): [0.6],
    # the fault costs 6, and the cap of 0 is above -2 of 10 already
    ("forms-015", "poor"): [-0.2],
    # the lowest level closes the gate of 0.3; 4 of 12 would be more
    ("forms-016", "poor"): [0.3],
    ("forms-016", "middling"): [0.5],
    # bleeding is not named: neither its sign nor what to do counts; 4 of 14
    ("forms-017", "middling"): [4 / 14],
    # infection counts only with antibiotics; -7 of 8
    ("forms-018", "poor"): [-7 / 8],
    # tree of 20: 20 / 4 / 2 + 20 / 4
    ("forms-019", "middling"): [7.5 / 20],
    # tree of 12: 4 / 2 * 0.5 + 8 * 0.5
    ("forms-020", "middling"): [5 / 12],
    # the cap of 0.1; 2 + 4 - 6 of 11 is 0 already
    ("forms-022", "poor"): [0.0],
    # kidney disease has no entry: 3 + 5 of 8
    ("forms-024", "good"): [1.0, 1.0],
    ("forms-024", "poor"): [-3 / 12],
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grade the known answers by the keyword judge, as a user does."""
    out = tmp_path_factory.mktemp("judged")
    words = ["--data", str(demo_path("levels.jsonl")), "--responses", str(demo_path(ANSWERS))]
    assert main(["judge", *words, "--judge", "keyword", "--output_path", str(out)]) == 0
    return out


def samples(folder: Path) -> dict[tuple[str, str], list[list[dict[str, Any]]]]:
    """Give the verdicts on each answer by prompt and model, in the order of its repeats."""
    found = {}
    for path in sorted(folder.rglob("samples_*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            key = row["doc"]["prompt_id"], path.parent.name
            found[key] = [answer["verdicts"] for answer in row["rubric"]["answers"]]
    return found


def test_the_keyword_judge_gives_each_known_answer_its_known_levels(judged: Path) -> None:
    graded = samples(judged)
    expected: dict[tuple[str, str], list[list[Any]]] = {}
    for answer in known():
        expected.setdefault((answer["prompt_id"], answer["model"]), []).append(answer["level"])
    said = {
        key: [
            ["na" if v["outcome"] == "not_applicable" else v["level"] for v in verdicts]
            for verdicts in answers
        ]
        for key, answers in graded.items()
    }
    assert said == expected


def test_their_scores_are_those_worked_by_hand(judged: Path) -> None:
    answers = read_signal_input([judged], demo_path("levels.jsonl")).answers
    found: dict[tuple[str, str], list[float]] = {}
    for row in answers:
        h = float(ScoredTable.of([row.graded]).items.h[0])
        key = row.graded.example.prompt_id[:9], row.labels["model"]
        found.setdefault(key, []).append(h)
    for key, scores in BY_HAND.items():
        assert found[key] == pytest.approx(scores), key
    for (_, quality), scores in found.items():
        assert quality != "good" or scores == pytest.approx([1.0] * len(scores))
        assert quality != "middling" or 0 <= scores[0] < 1


def test_the_lint_reads_their_verdicts(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(demo_path("levels.jsonl")), "--results", str(judged), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    counts = report["counts"]
    unreached = [f for f in report["findings"] if f["rule"] == "level-unreached"]
    assert [(f["prompt_id"][:9], f["criteria"], f["detail"]) for f in unreached] == [
        ("forms-002", [0], "level 0; answers by level: 0, 1, 1, 1"),
        ("forms-007", [0], "level 0; answers by level: 0, 1, 1, 1"),
    ]
    assert not {"gate-always-closed", "levels-unordered", "mostly-not-applicable"} & counts.keys()


def test_the_task_for_any_rubric_scores_their_references_with_1(tmp_path: Path) -> None:
    words = ["--tasks", "rubric_judge", "--data", str(demo_path("levels.jsonl"))]
    words += ["--model", "baseline:reference", "--judge", "keyword"]
    assert main(["run", *words, "--output_path", str(tmp_path)]) == 0
    (path,) = tmp_path.rglob("results_*.json")
    found = json.loads(path.read_text("utf-8"))["results"]["rubric_judge"]
    assert (found["n_asked,none"], found["n_scored,none"]) == (24, 24)
    assert found["score,none"] == pytest.approx(1.0)
