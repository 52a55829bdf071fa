"""Several files after `--labels` are those of several raters; a rater's later label counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_kit import example, graded, run, write_run

from rubricbeat.harness.cli import main
from rubricbeat.judges.audit.label_rows import read_label_files, read_labels
from rubricbeat.judges.errors import DataError

N = 30


def rows(n_prompts: int, meets, **more) -> list[dict]:
    return [
        {
            "prompt_id": f"p{n}",
            "prompt": "May I run with a cold?",
            "answer": f"A {n}.",
            "criterion": f"criterion {c} of p{n}",
            "points": 5,
            "label": meets(n, c),
            **more,
        }
        for n in range(n_prompts)
        for c in range(2)
    ]


def write(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path) -> list[str]:
    ann = rows(N, lambda n, c: (n + c) % 3 > 0)
    bo = rows(20, lambda n, c: n % 2 == 0, rater="bo")
    # ann looks again at ten prompts and takes back what was said: this counts
    later = rows(10, lambda n, c: (n + c) % 3 == 0, rater="ann")
    given = {"ann": ann, "second": bo, "later": later}
    return [str(write(tmp_path / f"{name}.jsonl", lines)) for name, lines in given.items()]


@pytest.fixture
def results(tmp_path) -> str:
    answers = [
        graded("10" if n % 2 else "11", example(f"p{n}", [5, 5]), answer=f"A {n}.")
        for n in range(40)
    ]
    write_run(tmp_path / "results", run("a", answers))
    return str(tmp_path / "results")


def printed(capsys, *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_files_of_one_name_are_two_raters(tmp_path, capsys):
    for folder, every in (("x", 2), ("y", 3)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "l.jsonl", rows(N, lambda n, c, every=every: n % every == 0))
    files = [str(tmp_path / folder / "l.jsonl") for folder in ("x", "y")]
    assert main(["label", "--agreement", *files]) == 0
    assert "by x/l (60), y/l (60); 60 questions have labels of two raters" in (
        capsys.readouterr().out
    )


def test_score_reads_them_as_the_file_that_agreement_writes(files, results, tmp_path, capsys):
    merged = str(tmp_path / "merged.jsonl")
    assert main(["label", "--agreement", *files, "-o", merged]) == 0
    capsys.readouterr()

    def score(*labels: str) -> dict:
        found = printed(capsys, "score", results, "--labels", *labels, "--draws", "100")
        return found["runs"][0]["corrected_by_labels"]

    assert score(*files) == score(merged)
    assert score(*files) != score(files[0])  # others' labels, and ann's later ones, count
    assert main(["score", results, "--labels", *files, "--draws", "100"]) == 0
    assert "by ann.jsonl, second.jsonl, later.jsonl (pred" in capsys.readouterr().out


def test_compare_takes_one_source_a_flag(files, results, tmp_path, capsys):
    page = tmp_path / "page.html"
    words = ["compare", results, "--draws", "100", "-o", str(page)]
    assert main([*words, "--labels", *files[:2], "--labels", files[2]]) == 0
    text = page.read_text("utf-8")
    assert f"--labels {files[0]} {files[1]} --labels {files[2]}" in text
    assert "ann.jsonl, second.jsonl" in text


def test_audit_and_fit_judge_name_every_file(files, tmp_path, capsys):
    audit = printed(capsys, "audit", "--judge", "constant", "--labels", *files)
    names = ["ann.jsonl", "second.jsonl", "later.jsonl"]
    assert audit["labels"]["path"] == names
    assert len(set(audit["labels"]["sha256"])) == 3
    # a question is asked once whoever labelled it, and raters are compared with each other
    assert audit["judge"]["calls"] == audit["audit"]["judge"]["n_questions"] == 2 * N
    assert audit["audit"]["judge"]["n_pairs"] == 2 * N + 2 * 20
    # Krippendorff (2004), nominal: 19 of 40 questions differ, 41 of 80 labels are met
    assert audit["audit"]["alpha_labels"] == pytest.approx(
        1 - (2 * 19 / 80) / (2 * 41 * 39 / (80 * 79))
    )
    judge = tmp_path / "judge"
    words = ["fit-judge", "--encoder", "none", "--labels", files[0], files[2], "-o", str(judge)]
    assert main(words) == 0
    capsys.readouterr()
    written = "".join(path.read_text("utf-8") for path in judge.glob("*.json"))
    assert "--labels ann.jsonl later.jsonl " in written


def test_a_later_label_of_a_rater_counts_and_two_raters_both(files):
    given = [Path(path) for path in files]
    assert len(read_labels(given[0]).answers) == 2 * N
    said: dict[str, list] = {}
    for item in read_label_files(given).answers:
        [[label]] = item.labels
        said.setdefault(item.example.rubric.criteria[0].text, []).append((label.rater, label.met))
    # p0: ann said not met, then met; bo met. p15: ann once, bo once. p25: ann alone
    assert sorted(said["criterion 0 of p0"]) == [("ann", True), ("bo", True)]
    assert sorted(said["criterion 0 of p15"]) == [("ann", False), ("bo", False)]
    assert said["criterion 0 of p25"] == [("ann", True)]


def test_files_that_do_not_go_together_are_refused(files, results, tmp_path, capsys):
    drawn = write(tmp_path / "drawn.jsonl", rows(5, lambda n, c: True, probability=0.5, rater="x"))
    with pytest.raises(DataError, match="60 of 70 rows have no 'probability'"):
        read_label_files([Path(files[0]), drawn])
    assert main(["score", results, "--labels", files[0], results]) == 2
    assert "give results alone" in capsys.readouterr().err
    assert main(["score", "--labels", files[0], results]) == 2
    assert "missing: DIRS (before --labels, which takes several" in capsys.readouterr().err
