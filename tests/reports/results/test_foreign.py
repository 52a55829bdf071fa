from __future__ import annotations

import json
import zipfile

import pytest
from report_kit import example, graded, run

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.verdict import Outcome
from rubricbeat.reports.comparison import compare_runs
from rubricbeat.reports.measures import check_stored
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
    check = check_stored(read)
    assert check.recomputed == pytest.approx(0.4)
    assert check.is_mismatch


def test_a_mismatch_with_the_stored_score_is_said(tmp_path):
    all_results(tmp_path, [item("p1", (True, False)), item("p2", (True, False))])
    comparison = compare_runs(read_runs([tmp_path]), n_draws=50)
    assert any("stored score 0.3000 is not what the verdicts give" in n for n in comparison.notes)


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
    check = check_stored(read)
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
    assert not check_stored(read).is_mismatch
    whole.unlink()
    [again] = read_runs([html])
    assert again.graded[0].answer == hostile
    assert again.graded[0].verdicts[0].explanation == hostile


def inspect_log(path, samples, header="header.json"):
    spec = {
        "version": 2,
        "eval": {
            "task": "inspect_evals/healthbench",
            "model": "org/m",
            "created": "2026-01-01T00:00:00+00:00",
            "packages": {"inspect_ai": "0.3.100"},
            "model_roles": {"grader": {"model": "openai/judge"}},
        },
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr(header, json.dumps(spec))
        for sample in samples:
            log.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))


def inspect_sample(name="p1", epoch=1, entries=None):
    return {
        "id": name,
        "epoch": epoch,
        "input": [{"role": "user", "content": [{"type": "text", "text": "May I run?"}]}],
        "output": {
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": [
                            {"type": "reasoning", "reasoning": "hmm"},
                            {"type": "text", "text": "Rest."},
                        ],
                    }
                }
            ]
        },
        "metadata": {
            "prompt_id": f"id-{name}",
            "example_tags": ["theme:hedging"],
            "rubrics": [
                {"criterion": "Says rest", "points": 5, "tags": ["axis:accuracy"]},
                {"criterion": "Boasts", "points": -2, "tags": []},
            ],
        },
        "scores": {
            "healthbench_scorer": {
                "value": 1.0,
                "answer": "Rest.",
                "metadata": {
                    "total": 2,
                    "criteria_results": entries
                    or [
                        {"criterion": "Says rest", "criteria_met": True, "explanation": "it does"},
                        {"criterion": "Boasts", "criteria_met": None, "explanation": "no JSON"},
                    ],
                },
            }
        },
    }


@pytest.mark.parametrize("header", ["header.json", "_journal/start.json", "start.json"])
def test_an_inspect_log_becomes_a_run(tmp_path, header):
    inspect_log(tmp_path / "a.eval", [inspect_sample(), inspect_sample(epoch=2)], header)
    [read] = read_runs([tmp_path])
    assert (read.model, read.task) == ("org/m", "healthbench")
    assert [g.repeat for g in read.graded] == [0, 1]
    first = read.graded[0]
    assert first.example.prompt_id == "id-p1"
    assert first.example.prompt[0].content == "May I run?"
    assert first.answer == "Rest."
    assert [c.points for c in first.example.rubric.criteria] == [5, -2]
    assert [v.outcome for v in first.verdicts] == [Outcome.MET, Outcome.UNPARSEABLE]
    assert first.example.tags == ("theme:hedging",)
    assert read.judge["model"] == "openai/judge"


def test_an_inspect_log_without_verdicts_says_what_is_looked_for(tmp_path):
    sample = inspect_sample()
    sample["scores"] = {"match": {"value": "C"}}
    inspect_log(tmp_path / "a.eval", [sample])
    with pytest.raises(DataError, match="none of its 1 samples has verdicts on criteria"):
        read_runs([tmp_path])


def test_verdicts_without_points_anywhere_are_refused(tmp_path):
    sample = inspect_sample()
    del sample["metadata"]["rubrics"]
    inspect_log(tmp_path / "a.eval", [sample])
    with pytest.raises(DataError, match="criterion 0 has no text or no points"):
        read_runs([tmp_path])


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.eval").write_text("not a zip")
    with pytest.raises(DataError, match="cannot be unpacked"):
        read_runs([tmp_path])
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as log:
        log.writestr("other.txt", "x")
    with pytest.raises(DataError, match="is it an inspect log"):
        read_runs([tmp_path])


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
    assert any("does not say which data file" in note for note in comparison.notes)
