from __future__ import annotations

import json

import logs_kit as k
import pytest
from report_kit import example, graded, run

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.scoring.item_scores import item_scores
from rubricbeat.judges.verdict import Outcome
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.measures import check_stored
from rubricbeat.reports.results.reader import read_runs
from rubricbeat.reports.results.simple_evals_export import export_simple_evals


def item(prompt_id, met, answer="Rest."):
    return {
        "score": 0.5,
        "usage": {"input_tokens": None},
        "rubric_items": [
            {
                "criterion": f"criterion {n} of {prompt_id}",
                "points": points,
                "tags": ["axis:accuracy"],
                "criteria_met": m,
                "explanation": f"because {n}",
            }
            for n, (points, m) in enumerate(zip((5, -2), met, strict=True))
        ],
        "prompt": [{"role": "user", "content": f"question {prompt_id}"}],
        "completion": [{"role": "assistant", "content": answer}],
        "prompt_id": prompt_id,
        "completion_id": "c",
    }


def all_results(folder, items, score=0.3, stem="healthbench_hard_gpt-x_20250507_120000"):
    path = folder / f"{stem}_allresults.json"
    whole = {
        "score": score,
        "metrics": {"overall_score": score},
        "htmls": [],
        "convos": [],
        "metadata": {"example_level_metadata": items},
    }
    path.write_text(json.dumps(whole))
    return path


def test_simple_evals_results_become_a_run(tmp_path):
    all_results(
        tmp_path, [item("p1", (True, False)), item("p1", (False, True)), item("p2", (True, True))]
    )
    [read] = read_runs([tmp_path])
    assert (read.model, read.task, read.label) == ("gpt-x", "healthbench_hard", "20250507_120000")
    assert [(g.example.prompt_id, g.repeat) for g in read.graded] == [
        ("p1", 0),
        ("p1", 1),
        ("p2", 0),
    ]
    assert [v.met for v in read.graded[1].verdicts] == [False, True]
    assert read.graded[0].verdicts[0].explanation == "because 0"
    # (5/5 - 2/5 + (5 - 2)/5) / 3 = (1 - .4 + .6) / 3 = .4, and the file says .3
    check = check_stored(read, item_scores(read.graded))
    assert check.recomputed == pytest.approx(0.4)
    assert check.is_mismatch


def test_a_mismatch_with_the_stored_score_is_said(tmp_path):
    all_results(tmp_path, [item("p1", (True, False)), item("p2", (True, False))])
    comparison = compare_runs(read_runs([tmp_path]), n_draws=50)
    assert any("stored score 0.3000 does not match the verdicts" in n for n in comparison.notes)


def test_words_for_a_verdict_are_read_and_an_unknown_one_is_named(tmp_path):
    k.simple_evals(
        tmp_path,
        [k.simple_item("a", ("true", "false")), k.simple_item("b", ("Yes", "P"))],
        score=None,
    )
    [read] = read_runs([tmp_path])
    assert [[v.met for v in g.verdicts] for g in read.graded] == [[True, False], [True, None]]
    assert read.graded[1].verdicts[1].outcome is Outcome.UNPARSEABLE
    [note] = read.notes
    assert "1 verdict recorded as 'P'" in note
    assert "(the first: example 1, criterion 1)" in note


def test_a_null_answer_is_a_missing_answer_and_its_verdicts_are_of_nothing(tmp_path):
    silent = {"completion": [{"role": "assistant", "content": None}]}
    k.simple_evals(tmp_path, [k.simple_item("a", **silent), k.simple_item("b")], score=None)
    [read] = read_runs([tmp_path])
    assert [v.outcome for v in read.graded[0].verdicts] == [Outcome.SKIPPED] * 2
    assert (read.graded[0].answer, read.graded[1].answer) == ("", "Rest.")
    [note] = read.notes
    assert "1 of 2 answers missing (the first: example 0)" in note
    [result] = compare_runs([read], n_draws=50).results
    # b alone has a score: (5 - 3) / 5
    assert (result.n_asked, result.n_scored, result.score) == (2, 1, pytest.approx(0.4))


@pytest.mark.parametrize(
    "completion", [[], [{"role": "assistant", "content": []}], [{"content": [{"type": "image"}]}]]
)
def test_an_answer_is_missing_or_empty_and_never_the_text_none(tmp_path, completion):
    k.simple_evals(tmp_path, [k.simple_item("a", completion=completion)], score=None)
    [read] = read_runs([tmp_path])
    assert read.graded[0].answer == ""


def test_the_text_parts_of_an_answer_are_joined(tmp_path):
    parts = [{"type": "text", "text": "Rest."}, {"type": "text", "text": "See a doctor."}]
    k.simple_evals(tmp_path, [k.simple_item("a", completion=[{"content": parts}])], score=None)
    assert read_runs([tmp_path])[0].graded[0].answer == "Rest.\nSee a doctor."


def test_item_scores_that_the_verdicts_do_not_give_are_counted(tmp_path):
    k.simple_evals(tmp_path, [k.simple_item("a"), k.simple_item("b", score=0.9)])
    [note] = read_runs([tmp_path])[0].notes
    # b is worth .4, and .9 is stated
    assert "1 of its 2 item scores are not what their verdicts give (by up to 0.5" in note


def test_one_broken_example_is_left_out_and_named(tmp_path):
    k.simple_evals(tmp_path, [k.simple_item("a"), {"prompt_id": "x"}, None], score=None)
    [read] = read_runs([tmp_path])
    assert len(read.graded) == 1
    assert "2 of 3 examples excluded; the first is example 1" in read.notes[0]


def test_a_missing_answer_is_exported_as_null_and_read_back_as_missing(tmp_path):
    silent = {"completion": [{"role": "assistant", "content": None}]}
    k.simple_evals(tmp_path, [k.simple_item("a", **silent), k.simple_item("b")], score=None)
    [read] = read_runs([tmp_path])
    _, _, whole = export_simple_evals(read, tmp_path / "out")
    [again] = read_runs([whole])
    assert [graded.is_absent for graded in again.graded] == [True, False]
    assert again.graded == read.graded


def test_a_byte_order_mark_is_no_fault_and_a_bare_text_is_an_answer(tmp_path):
    path = k.simple_evals(tmp_path, [k.simple_item("a", completion="Rest.")], score=1.0)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_runs([tmp_path])[0].graded[0].answer == "Rest."


def test_a_renamed_file_is_known_by_what_it_holds(tmp_path):
    path = k.simple_evals(tmp_path, [k.simple_item("a")], score=1.0)
    path.rename(tmp_path / "mine.json")
    assert read_runs([tmp_path])[0].model == "mine"


def test_results_of_another_evaluation_are_refused_by_name(tmp_path):
    (tmp_path / "mmlu_x_allresults.json").write_text('{"score": 1, "metadata": null}')
    with pytest.raises(DataError, match="only HealthBench results"):
        read_runs([tmp_path])


def test_a_broken_item_is_named(tmp_path):
    broken = item("p1", (True, False))
    del broken["completion"]
    all_results(tmp_path, [broken])
    with pytest.raises(DataError, match=r"example 0: not as simple-evals writes it \(KeyError"):
        read_runs([tmp_path])


HTML = """<!DOCTYPE html><html><head></head><body>
<h1>Metrics</h1><table><tr><td><b>Score</b></td><td>0.6</td></tr>
<tr><td>overall_score</td><td>0.6</td></tr></table>
<h1>Examples</h1>
<h3>Prompt conversation</h3>

<div class="message user">
    <div class="role">
    user

    </div>
    <div class="content">
    <pre>Is 5 &lt; 6? [True] [9] no</pre>
    </div>
</div>

<h3>Sampled message</h3>

<div class="message assistant">
    <div class="role">
    assistant

    </div>
    <div class="content">
    <pre>Yes &amp; always</pre>
    </div>
</div>

<h3>Results</h3>
<p>Extracted Answer: Yes &amp; always</p>
<p>Score: 0.6</p>
<p>Rubrics with grades: <br><br>[False] [3] Says so<br>in two lines<br>\tExplanation: \
It <b>does</b> not<br><br>and more<br><br>[True] [5.0] Answers<br>\tExplanation: yes<br><br>\
[True] [-2] Boasts<br>\tExplanation: "always"</p>
    <hr>
</body></html>"""


def test_a_simple_evals_html_report_becomes_a_run(tmp_path):
    (tmp_path / "healthbench_gpt-x_20250507_1200.html").write_text(HTML)
    [read] = read_runs([tmp_path])
    [answer] = read.graded
    assert answer.answer == "Yes & always"
    assert answer.example.prompt[0].content == "Is 5 < 6? [True] [9] no"
    told = {
        c.text: (c.points, v.met, v.explanation)
        for c, v in zip(answer.example.rubric.criteria, answer.verdicts, strict=True)
    }
    assert told == {
        "Says so\nin two lines": (3, False, "It <b>does</b> not\n\nand more"),
        "Answers": (5, True, "yes"),
        "Boasts": (-2, True, '"always"'),
    }
    # (5 - 2) / 8 = .375, and the file says .6
    check = check_stored(read, item_scores(read.graded))
    assert (check.recomputed, check.stored) == (pytest.approx(0.375), 0.6)


def test_html_of_the_same_conversations_can_be_paired(tmp_path):
    (tmp_path / "healthbench_a_20250507_1200.html").write_text(HTML)
    (tmp_path / "healthbench_b_20250507_1200.html").write_text(
        HTML.replace("[True] [5.0]", "[False] [5.0]")
    )
    comparison = compare_runs(read_runs([tmp_path]), n_draws=50)
    assert comparison.pairs[0].difference.n == 1
    assert comparison.pairs[0].difference.mean == pytest.approx(5 / 8)


def test_the_html_beside_all_results_is_not_read_a_second_time(tmp_path):
    all_results(tmp_path, [item("p1", (True, False))], stem="healthbench_a_20250507_1200")
    (tmp_path / "healthbench_a_20250507_1200.html").write_text(HTML)
    assert len(read_runs([tmp_path])) == 1


def test_an_exported_run_reads_back_and_its_html_is_escaped(tmp_path):
    hostile = "<img src=x onerror=alert(1)> {{ 7*7 }} </p><script>alert(1)</script>"
    made = run(
        "org/m",
        [
            graded(
                "10", example("p1", (5, -2), prompt=hostile), answer=hostile, reasons=[hostile] * 2
            ),
            graded("u1", example("p2", (1, 9)), answer="plain"),
        ],
        label="",
        task="healthbench",
    )
    html, metrics, whole = export_simple_evals(made, tmp_path)
    assert (html.suffix, metrics.suffix) == (".html", ".json")
    text = html.read_text()
    assert "<script" not in text
    assert "<img" not in text
    numbers = json.loads(metrics.read_text())
    # p1 1.0; p2 answers 9 of 10 points, 9 of them met: 1.0
    assert numbers["overall_score"] == 1.0
    assert numbers["overall_score:n_samples"] == 2
    assert numbers["axis:accuracy"] == 1.0
    [read] = read_runs([whole])
    assert [[v.met for v in g.verdicts] for g in read.graded] == [[True, False], [None, True]]
    assert read.graded[0].answer == hostile
    assert not check_stored(read, item_scores(read.graded)).is_mismatch
    whole.unlink()
    [again] = read_runs([html])
    assert again.graded[0].answer == hostile
    assert again.graded[0].verdicts[0].explanation == hostile


def test_scores_of_any_source_pair_with_ours(tmp_path):
    # their run says p1 1 - 0, ours 0: a difference of 1 on the one shared prompt
    all_results(tmp_path, [item("p1", (True, False)), item("p9", (True, False))])
    of = example(
        "p1", (5, -2), prompt="question p1", texts=["criterion 0 of p1", "criterion 1 of p1"]
    )
    ours = run("ours", [graded("00", of)], task="healthbench_hard")
    comparison = compare_runs([*read_runs([tmp_path]), ours], allow_different=True, n_draws=50)
    [pair] = comparison.pairs
    assert (pair.this, pair.other, pair.difference.n) == ("gpt-x", "ours", 1)
    assert pair.difference.mean == pytest.approx(1.0)
    assert any("does not state which data file" in note for note in comparison.notes)
