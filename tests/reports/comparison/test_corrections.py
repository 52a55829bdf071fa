"""Corrected figures beside the raw ones: by audits and by labels, on the page and in tables."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest
from report_kit import example, graded, run, write_run

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.correction import Corrected
from rubricbeat.judges.audit.label_correction import correct_by_labels, match_labels
from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.item_scores import ScoredTable
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.corrections import (
    LabelSource,
    corrected_words,
    correction_faults,
    correction_lines,
    corrections_of,
    pair_lines,
    read_label_source,
)
from rubricbeat.reports.comparison.judges import AuditFigures
from rubricbeat.reports.comparison.models import Model
from rubricbeat.reports.pages.comparison_page import render_page
from rubricbeat.reports.pages.tables import to_csv, to_latex, to_markdown
from rubricbeat.reports.results.run import Run, RunFacts

DIGEST = "d" * 64


def model(digest: str, n: int = 20) -> Model:
    rubric = Rubric((Criterion("c", 1.0, Polarity.DESIRABLE),))
    graded = tuple(
        GradedAnswer(
            Example(f"p{k}", (Message("user", "?"),), rubric), "a", (Verdict.of(k % 4 < 2),)
        )
        for k in range(n)
    )
    judge = {"name": "chat", "model": "m", "digest": digest}
    return Model("gpt", (Run("gpt", "r", "t", graded, facts=RunFacts(judge=judge)),))


def audit(folder) -> AuditFigures:
    # sensitivity .9, specificity .8 over twenty prompts
    cells = [[prompt, 9, 2, 1, 8] for prompt in range(20)]
    judge = {"name": "chat", "model": "m", "digest": DIGEST}
    path = folder / "audit.json"
    strata = [{"category": "other", "polarity": "desirable", "cells": cells}]
    path.write_text(json.dumps({"judge": judge, "audit": {"strata": strata}}))
    return AuditFigures("chat m", DIGEST, "labels", (), {}, str(path))


def labelled(n: int = 40) -> LabelSource:
    """Labels of the first answers of `model`: every second verdict of the judge is wrong."""
    rubric = Rubric((Criterion("c", 1.0, Polarity.DESIRABLE),))
    items = tuple(
        LabelledAnswer(
            Example(f"p{k}", (Message("user", "?"),), rubric),
            "a",
            ((Label(k % 2 == 0),),),
        )
        for k in range(n)
    )
    return LabelSource("labels.jsonl", items)


def scored(one):
    return one, ScoredTable.of(one.graded)


def test_a_model_under_the_audited_judge_gets_its_corrected_figures(tmp_path):
    (found,) = corrections_of([scored(model(DIGEST))], [audit(tmp_path)], [])
    assert (found.model, found.source) == ("gpt", "audit.json")
    # (.5 + .8 - 1) / .7 = 3/7
    assert found.figures["score"].value == pytest.approx(3 / 7)
    assert found.figures["met"].value == pytest.approx(3 / 7)
    # this audit is of single criteria
    assert "counts no whole answers" in found.figures["pass_hb50"].refused
    (reason,) = found.reasons
    assert reason.startswith("Range 50, Score 50, Strict not corrected: the audit counts no whole")


def test_a_model_under_another_judge_gets_none(tmp_path):
    assert not corrections_of([scored(model("e" * 64))], [audit(tmp_path)], [])


def test_an_audit_without_counts_is_named(tmp_path):
    kept = audit(tmp_path)
    (tmp_path / "audit.json").write_text('{"judge": {}, "audit": {}}')
    (note,) = correction_faults([kept])
    assert "not an audit with its counts" in note
    assert not corrections_of([scored(model(DIGEST))], [kept], [])


def test_labels_of_the_very_answers_correct_them(tmp_path):
    (found,) = corrections_of([scored(model(DIGEST, n=100))], [], [labelled()])
    score = found.figures["score"]
    # the judge says met to two of four, the labels to every second one
    assert score.method == "prediction-powered"
    assert score.raw == 0.5
    assert score.low < 0.5 < score.high
    assert found.figures["pass_hb50"].value == pytest.approx(score.value)


def test_a_judges_own_verdicts_are_no_labels_of_it():
    own = dataclasses.replace(labelled(), digests=frozenset({DIGEST}))
    (found,) = corrections_of([scored(model(DIGEST, n=100))], [], [own])
    assert found.reasons == (
        "No figure is corrected: the labels are verdicts of the judge to be corrected",
    )


def test_corrections_stand_on_the_page_and_in_every_table(tmp_path):
    runs = model(DIGEST, n=100).runs
    comparison = compare_runs(runs, audits=[], labels=[labelled(), labelled(5)], n_draws=50)
    page = render_page(comparison)
    assert "Figures corrected for judge error" in page
    assert "No figure is corrected: 5 prompts carry labels; it takes 20." in page
    assert page.count("<td>not corrected") == 5
    markdown = to_markdown(comparison)
    assert "| Model, by | Figure | Raw | Corrected |" in markdown
    assert "| prediction-powered |" in markdown
    assert "not corrected: 5 prompts" in to_latex(comparison)
    rows = [r for r in csv.DictReader(to_csv(comparison).splitlines()) if r["row"] == "corrected"]
    assert len(rows) == 10
    assert (rows[0]["figure"], rows[0]["raw"], rows[0]["refused"]) == ("score", "0.5", "")
    assert rows[5]["refused"].startswith("5 prompts")
    assert rows[5]["value"] == ""


def test_a_page_without_audit_or_labels_says_nothing_of_corrections():
    page = render_page(compare_runs(model(DIGEST).runs, n_draws=50))
    assert "Corrected for judge error" not in page


def test_one_reason_for_all_figures_is_said_once():
    (found,) = corrections_of([scored(model(DIGEST, n=100))], [], [labelled(5)])
    one, answers = scored(model(DIGEST, n=100))
    made = correct_by_labels(answers, match_labels(one.graded, labelled(5).labelled))
    lines = list(correction_lines("gpt r t", "labels.jsonl", made))
    assert len(lines) == 2
    assert lines[1].strip() == "not corrected: 5 prompts carry labels; it takes 20"
    assert found.figures == made.figures()


def test_results_of_a_better_judge_are_labels(tmp_path):
    written = write_run(tmp_path, run("m", [graded("110", example("p", (5, 3, -2)))]))
    source = read_label_source([written])
    assert [label.met for labels in source.labelled[0].labels for label in labels] == [
        True, True, False,
    ]  # fmt: skip
    with pytest.raises(DataError, match="no such file or folder"):
        read_label_source([tmp_path / "none"])


def test_a_refusal_is_worded_with_its_reason():
    assert corrected_words(Corrected(0.25, refused="too few labels")) == (
        "raw 0.250; not corrected: too few labels"
    )


def labelled_pair(n_labelled: int):
    """Two models on 60 prompts, and labels without chances: b is truly .5 above a, not .25."""
    rubric = Rubric((Criterion("c", 1.0, Polarity.DESIRABLE),))
    judge = {"name": "chat", "model": "m", "digest": DIGEST}

    def answers(name: str, is_met) -> tuple[GradedAnswer, ...]:
        return tuple(
            GradedAnswer(
                Example(f"p{k}", (Message("user", "?"),), rubric), name, (Verdict.of(is_met(k)),)
            )
            for k in range(60)
        )

    said = {"a": answers("a", lambda k: k % 4 < 2), "b": answers("b", lambda k: k % 4 < 3)}
    true = {"a": answers("a", lambda k: k % 4 < 2), "b": answers("b", lambda k: True)}
    runs = [
        Run(name, "r", "t", graded, facts=RunFacts(judge=judge)) for name, graded in said.items()
    ]
    rows = [row for graded in true.values() for row in labels_of_verdicts(graded[:n_labelled])]
    return runs, LabelSource("labels.jsonl", tuple(rows))


def test_labels_without_chances_correct_a_difference_prompt_by_prompt():
    runs, labels = labelled_pair(60)
    comparison = compare_runs(runs, labels=[labels], n_draws=50)
    (pair,) = comparison.corrected_pairs
    # all is labelled: two of every four prompts differ by 1, the others by 0
    assert (pair.this, pair.other, pair.refused) == ("b", "a", None)
    assert pair.difference.value == pytest.approx(0.5)
    assert pair.difference.low < 0.5 < pair.difference.high
    words = comparison.headline.text
    assert words.startswith("b scores 0.250 higher than a")
    assert "by the judge's verdicts; corrected by labels.jsonl: +0.500 [+0.37" in words
    page = render_page(comparison)
    assert "own verdicts, not corrected." in page
    # the model that is compared with may be the other one: the sign follows the sentence
    turned = compare_runs(runs, labels=[labels], n_draws=50, baseline="b").headline.text
    assert "corrected by labels.jsonl: \N{MINUS SIGN}0.500 [\N{MINUS SIGN}0.6" in turned


def test_labels_of_too_few_prompts_say_so_in_the_place_of_a_corrected_difference():
    runs, labels = labelled_pair(12)
    comparison = compare_runs(runs, labels=[labels], n_draws=50)
    (line,) = pair_lines(comparison.corrected_pairs)
    assert line == (
        "b minus a, by labels.jsonl: not corrected: 12 prompts carry labels for both; it takes 20"
    )
    assert "corrected by" not in comparison.headline.text
    assert "12 prompts carry labels for both" in render_page(comparison)
