from __future__ import annotations

import json

import pytest
from report_kit import example, graded, judge, run

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.judges import read_audits
from rubricbeat.reports.pages.comparison_page import render_page


def row(f1, n=100, missing=2):
    return {
        "n_questions": n,
        "n_without_verdict": missing,
        "figures": {"balanced_f1": {"value": f1, "low": f1 - 0.05, "high": f1 + 0.05}},
    }


def audit_file(folder, digest="a" * 64):
    path = folder / "audit.json"
    flips = {"value": 0.07, "low": 0.05, "high": 0.1}
    audit = {"judge": row(0.709), "baselines": {"no_look": row(0.43)}, "flip_rate": flips}
    whole = {"judge": {**judge(digest)}, "labels": {"kind": "physicians", "n": 9}, "audit": audit}
    path.write_text(json.dumps(whole))
    return path


def test_an_audit_stands_on_the_page_with_its_baselines(tmp_path):
    audits = read_audits([audit_file(tmp_path)])
    assert [r.name for r in audits[0].rows] == ["chat some-judge", "no_look"]
    assert audits[0].rows[0].figures["balanced_f1"].ends == [
        pytest.approx(0.659),
        pytest.approx(0.759),
    ]
    assert audits[0].rows[0].figures["kappa"].value is None
    made = run("m", [graded("110", example("p", (5, 3, -2)))])
    comparison = compare_runs([made], audits=audits, n_draws=50)
    assert not any("another judge" in note for note in comparison.notes)
    page = render_page(comparison)
    assert "no look" in page
    assert "7.00\N{NARROW NO-BREAK SPACE}%" in page
    assert "[5.0, 10.0]" in page
    assert "0.709" in page
    assert "Labels: kind physicians, n 9." in page


def test_a_judge_that_length_moves_is_named_and_what_sways_it_stands_on_the_page(tmp_path):
    path = audit_file(tmp_path)
    whole = json.loads(path.read_text())
    shift = {"trait": "length", "unit": "an answer twice as long", "within": "the same criterion"}
    found = {"value": 0.06, "low": 0.04, "high": 0.08}
    whole["audit"]["shifts"] = [shift | {"shift": found}]
    whole["labels"] = {"path": ["a.jsonl", "b.jsonl"], "data_sha256": "0123456789abcdef" * 4}
    path.write_text(json.dumps(whole))
    made = run("m", [graded("110", example("p", (5, 3, -2)))])
    comparison = compare_runs([made], audits=read_audits([path]), n_draws=50)
    (note,) = [note for note in comparison.notes if "longer answers" in note]
    assert note.startswith("chat some-judge says met more often for longer answers")
    assert "+0.0600 for an answer twice as long" in note
    page = render_page(comparison)
    assert "+0.0600" in page
    assert "Labels: path a.jsonl b.jsonl, data sha256 0123456789ab." in page
    # an interval that holds 0 shows nothing
    whole["audit"]["shifts"] = [shift | {"shift": found | {"low": -0.01}}]
    path.write_text(json.dumps(whole))
    comparison = compare_runs([made], audits=read_audits([path]), n_draws=50)
    assert not any("longer answers" in note for note in comparison.notes)


def test_an_audit_of_another_judge_is_marked(tmp_path):
    audits = read_audits([audit_file(tmp_path, digest="b" * 64)])
    made = run("m", [graded("110", example("p", (5, 3, -2)))])
    comparison = compare_runs([made], audits=audits, n_draws=50)
    assert any("is of another judge" in note for note in comparison.notes)


ROW = {"n_questions": "many", "n_without_verdict": 0, "figures": {}}


@pytest.mark.parametrize(
    "plain",
    [{"judge": {}}, {"judge": {}, "audit": {"judge": ROW, "baselines": {}}}, {"judge": 1}],
)
def test_a_file_that_is_no_audit_is_refused(tmp_path, plain):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(DataError, match=r"x\.json: not an audit .*audit --output FILE"):
        read_audits([path])
    with pytest.raises(DataError, match="no such file"):
        read_audits([tmp_path / "missing.json"])
