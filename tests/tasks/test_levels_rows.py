"""The 24 bundled rows with levels, conditions, references, turns, trees and tools."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any

from rubricbeat.judges.data.conversations import text_of_answer
from rubricbeat.judges.data.examples import example_from_row, example_to_row, read_examples
from rubricbeat.judges.data.responses import Responses
from rubricbeat.judges.keyword.parser import parse_check
from rubricbeat.judges.rubric import Criterion, Example, NaRule, Polarity
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
