"""Stored numbers beside those of the verdicts, and the table that shows them."""

from __future__ import annotations

import math
from typing import Any

from rubricbeat.harness.results.recheck import Mismatch, check_items, check_metrics
from rubricbeat.harness.tables.score import ScoreLine, score_table, sentence
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.run_scores import summarise
from rubricbeat.judges.verdict import Outcome, Verdict
from rubricbeat.reports import numbers


def graded(*met: bool | None, prompt_id: str = "a") -> GradedAnswer:
    criteria = tuple(Criterion(f"c{i}", 1, Polarity.DESIRABLE) for i in range(len(met)))
    verdicts = tuple(Verdict(Outcome.TRUNCATED) if m is None else Verdict.of(m) for m in met)
    example = Example(prompt_id, (Message("user", "?"),), Rubric(criteria))
    return GradedAnswer(example, "x", verdicts)


def test_item_scores_are_compared_where_there_are_any() -> None:
    answers = [graded(True, False), graded(True, True), graded(False, False)]
    check = check_items(answers, [0.5, None, 0.25])
    assert (check.n_compared, check.n_different, check.largest) == (2, 1, 0.25)


def test_stored_score_of_an_item_without_verdicts_differs() -> None:
    check = check_items([graded(None, None)], [0.5])
    assert (check.n_different, check.largest) == (1, math.inf)
    assert check.to_json()["largest"] is None, "infinity is no JSON"


def test_metrics_differ_beyond_the_tolerance_or_by_being_undefined() -> None:
    recomputed: dict[str, Any] = {"score": 0.5, "pass_hb50": None, "bootstrap_std": 0.2}
    stored = {"score": 0.5 + 1e-8, "pass_hb50": 0.0, "bootstrap_std": 0.1, "other": 3.0}
    assert check_metrics(stored, recomputed) == [
        Mismatch("pass_hb50", 0.0, None),
        Mismatch("score", 0.5 + 1e-8, 0.5),
    ]
    assert check_metrics({"score": 0.5 + 1e-12}, recomputed) == []


def test_table_shows_a_dash_and_not_a_zero_for_what_is_not_known() -> None:
    metrics = summarise([graded(None, None)]).to_json()
    row = score_table([ScoreLine("m", "r", "t", metrics, "")]).split("\n")[1]
    score, interval = row.split()[3:5]
    assert score == interval == numbers.NONE
    assert "0 of 1" in row
    assert row.endswith("[0.00, 1.00]"), "the bounds"


def test_table_columns_line_up() -> None:
    run = summarise([graded(True, False), graded(True, True, prompt_id="b")]).to_json()
    lines = score_table(
        [ScoreLine("short", "", "t", run, ""), ScoreLine("a much longer name", "r", "t", run, "x")]
    ).split("\n")
    column = lines[0].index("score")
    assert {line[column : column + 5] for line in lines[1:]} == {"0.750"}


def test_the_sentence_names_no_winner_where_the_best_are_equal() -> None:
    def line(model: str, *met: bool, n_prompts: int = 10) -> ScoreLine:
        answers = [graded(*met, prompt_id=f"p{n}") for n in range(n_prompts)]
        return ScoreLine(model, "r", "t", summarise(answers).to_json())

    best, same, worse = line("a", True, False), line("b", False, True), line("c", False, False)
    assert sentence([worse, best]).startswith("a scores highest of 2: 0.500 ")
    assert sentence([worse, same, best]).startswith("a scores highest of 3, with 1 equal: ")
    few = line("d", True, False, n_prompts=9)
    assert sentence([best, few]) == (
        "2 models on task t: none is called the highest, which takes two with 10 prompts or more."
    )
