"""`audit`, `score` and labels on the command line where criteria have levels or may not apply."""

from __future__ import annotations

import json

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.harness.tables.levels import level_parts
from rubricbeat.judges.audit.levels import LevelAudit

LEVELS = [
    {"text": "no drink named", "points": 0, "check": {"any": ["think"]}},
    {"text": "coffee named", "points": 2, "check": {"any": ["coffee"]}},
    {"text": "coffee and tea named", "points": 5, "check": {"all": ["coffee", "tea"]}},
]
TEXTS = ("I think so.", "I think of coffee.", "I think of coffee and tea.")


@pytest.fixture
def labels(tmp_path):
    """Sixty answers on levels 0, 1 and 2 in turn; one label in six names the level beside."""
    rows = []
    for n in range(60):
        level = n % 3
        row = {
            "prompt": f"Question {n // 3}?",
            "prompt_id": f"p{n // 3}",
            "answer": TEXTS[level],
            "criterion": "Which drinks are named?",
            "levels": LEVELS,
            "labels": [{"level": (level + 1) % 3 if n % 6 == 5 else level}],
            "raters": ["anna"],
        }
        rows.append(row)
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_an_audit_of_levels_tells_confusion_kappa_and_ranks(labels, tmp_path, capsys):
    out = tmp_path / "audit.json"
    words = ["audit", "--judge", "keyword", "--labels", str(labels)]
    assert main([*words, "--json", "-o", str(out)]) == 0
    [scale] = json.loads(capsys.readouterr().out)["audit"]["scales"]
    # ten labels of the thirty of each two rounds are turned from level 2 to 0
    assert scale["confusion"] == [[20, 0, 0], [0, 20, 0], [10, 0, 10]]
    assert scale["figures"]["accuracy"]["value"] == pytest.approx(50 / 60)
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "3 levels: 60 criteria of answers, 60 (judge, label) pairs" in shown
    assert "kappa, quadratic weights" in shown and "Kendall's tau-b within a criterion" in shown
    assert "NO VERDICT AT ALL" not in shown
    assert list(level_parts(LevelAudit())) == []


def test_a_label_without_its_rubric_is_refused_before_the_judge_is_asked(labels, capsys):
    rows = [json.loads(line) for line in labels.read_text().splitlines()]
    for row in rows:
        del row["levels"]
    labels.write_text("\n".join(map(json.dumps, rows)))
    assert main(["audit", "--judge", "keyword", "--labels", str(labels)]) == 2
    told = capsys.readouterr().err
    assert "the criterion has no levels" in told and "'levels' or 'may_be_na'" in told
    assert len(told.strip().splitlines()) == 1


def test_variants_and_injections_stand_beside_levels(labels, capsys):
    words = ["audit", "--judge", "constant", "--judge_args", "met=false", "--labels", str(labels)]
    assert main([*words[:2], "keyword", *words[5:], "--probes", "3"]) == 0
    assert "hidden comment" in capsys.readouterr().out
    assert main([*words, "--variant", "met=true"]) == 0
    assert "variant" in capsys.readouterr().out
