"""Packed answers: the same arrays and the same scores as from the answers themselves."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.bootstrap import ClusteredColumns
from rubricbeat.judges.scoring.item_scores import ScoredTable, score_items
from rubricbeat.judges.scoring.run_scores import ScoredAnswers, summarise, summarise_scored
from rubricbeat.judges.scoring.verdict_table import PackedAnswers, VerdictTable
from rubricbeat.judges.verdict import Outcome, Verdict

SAID = [Verdict.of(True), Verdict.of(False), Verdict(Outcome.REFUSED), Verdict(Outcome.TRANSPORT)]


def made_up(n: int, seed: int = 0, n_rows: int = 7) -> list[GradedAnswer]:
    """Answers to a few rows of one to nine criteria, with verdicts of every kind."""
    rng = random.Random(seed)
    rows = [
        Example(
            f"row-{number}",
            (Message("user", "?"),),
            Rubric(
                tuple(
                    Criterion(
                        f"item {i}",
                        rng.choice([5.0, 3.0, -2.0]),
                        rng.choice(list(Polarity)),
                        tuple(rng.sample(["axis:a", "axis:b", "cluster:c"], rng.randrange(3))),
                    )
                    for i in range(rng.randrange(1, 10))
                )
            ),
            (f"theme:{number % 3}",),
        )
        for number in range(n_rows)
    ]
    made = []
    for number in range(n):
        row = rng.choice(rows)
        verdicts = tuple(rng.choices(SAID, (6, 6, 1, 1))[0] for _ in row.rubric.criteria)
        made.append(GradedAnswer(row, "x" * rng.randrange(50), verdicts, number))
    return made


def same(one: VerdictTable, other: VerdictTable) -> None:
    for spec in fields(VerdictTable):
        ours, theirs = getattr(one, spec.name), getattr(other, spec.name)
        parts = fields(ours) if hasattr(ours, "__dataclass_fields__") else ()
        for name in [part.name for part in parts]:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
        if not parts:
            np.testing.assert_array_equal(ours, theirs, spec.name)


@pytest.mark.parametrize("n", [0, 1, 200])
def test_a_packed_table_is_the_table_of_the_answers(n: int) -> None:
    answers = made_up(n)
    packed = PackedAnswers.of(answers)
    assert len(packed) == n
    same(packed.table(), VerdictTable.of(answers))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 60), st.integers(1, 40), st.integers(0, 5))
def test_blocks_of_any_size_are_parts_of_the_whole(n: int, size: int, seed: int) -> None:
    answers = made_up(n, seed)
    packed, whole = PackedAnswers.of(answers), VerdictTable.of(answers)
    ours, theirs = list(packed.tables(size)), [whole.rows(at) for at in whole.blocks(size)]
    assert [len(t) for t in ours] == [len(t) for t in theirs]
    for one, other in zip(ours, theirs, strict=True):
        same(one, other)
    scores = np.concatenate([score_items(table).h for table in ours])
    np.testing.assert_array_equal(scores, score_items(whole).h)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 80), st.integers(1, 40), st.integers(0, 5))
def test_a_run_in_blocks_scores_as_the_run_at_once(n: int, size: int, seed: int) -> None:
    answers = made_up(n, seed)
    packed = PackedAnswers.of(answers)
    blocks = summarise_scored(
        ScoredAnswers.of(map(ScoredTable.score, packed.tables(size)), 0.03), n_draws=0
    ).to_json()
    at_once = summarise(answers, n_draws=0, length_penalty=0.03).to_json()
    one, other = numbers_in(blocks), numbers_in(at_once)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value == other[name] or abs(value - other[name]) <= 1e-12, name


def numbers_in(plain: object, name: str = "") -> dict[str, Any]:
    """Every value of nested tables, by its path."""
    if isinstance(plain, dict):
        inner = [numbers_in(value, f"{name}/{key}") for key, value in plain.items()]
        return {path: value for one in inner for path, value in one.items()}
    return {name: plain}


def test_error_bars_do_not_depend_on_the_blocks() -> None:
    answers = made_up(120)
    packed = PackedAnswers.of(answers)
    ours = summarise_scored(ScoredAnswers.of(map(ScoredTable.score, packed.tables(11)), 0.03))
    theirs = summarise(answers, length_penalty=0.03)
    # draws are made in float32: a sum that differs in its last bit may move them so far
    assert ours.metrics["interval"] == pytest.approx(theirs.metrics["interval"], abs=1e-6)
    assert ours.metrics["score_stderr"] == pytest.approx(theirs.metrics["score_stderr"], abs=1e-12)


def test_packing_goes_on_after_a_look() -> None:
    answers = made_up(30)
    packed = PackedAnswers.of(answers[:10])
    assert len(packed.table()) == 10
    for answer in answers[10:]:
        packed.add(answer)
    same(packed.table(), VerdictTable.of(answers))


def test_a_column_that_is_a_share_in_one_block_alone_is_none() -> None:
    prompts = np.arange(12)
    shares = ClusteredColumns.of(np.tile([0.0, 1.0], 6)[None], prompts, 12)
    scores = ClusteredColumns.of(np.linspace(0.1, 0.9, 12)[None], prompts, 12)
    assert shares.plus(shares).is_share_M.tolist() == [True]
    assert shares.plus(scores).is_share_M.tolist() == [False]
