"""`rubricbeat label` on the command line: what is refused, and the files of several raters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_kit import example, graded, run, write_run

from rubricbeat.harness.cli import main
from rubricbeat.judges.audit.label_rows import read_labels


def label_row(n, label, **more):
    said = {} if label is None else {"label": label}
    return {
        "prompt_id": f"p{n}",
        "prompt": "May I run?",
        "answer": f"Answer {n}.",
        "criterion": "Names rest",
        "points": 5,
        **said,
        **more,
    }


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_raters_are_compared_and_their_files_become_one(tmp_path, capsys):
    ann = write(
        tmp_path / "ann.jsonl", [label_row(n, n != 3, rater="ann", note="x") for n in range(8)]
    )
    # no names: the file's name counts; a label that was withdrawn; a row that cannot be read
    bo = write(
        tmp_path / "bo.jsonl",
        [*(label_row(n, n != 4) for n in range(6)), label_row(6, None, cannot_tell=True)],
    )
    with open(bo, "a", encoding="utf-8") as file:
        file.write('{"prompt": "no answer", "label": true}\n')
    # ann again: what she said later counts
    later = write(tmp_path / "later.jsonl", [label_row(4, False, rater="ann")])
    out = tmp_path / "all.jsonl"
    assert main(["label", "--agreement", ann, bo, later, "-o", str(out), "--json"]) == 0
    told = capsys.readouterr()
    assert "row 8" in told.err
    found = json.loads(told.out)
    assert found["raters"] == {"ann": 8, "bo": 6}
    [pair] = found["pairs"]
    assert (pair["n_questions"], pair["same"]) == (6, pytest.approx(5 / 6))
    assert [one["prompt_id"] for one in found["differing"]] == ["p3"]

    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(rows) == 8 + 7 + 1
    assert main(["label", "--agreement", str(out)]) == 0
    text = capsys.readouterr().out
    assert "ann (8), bo (6)" in text
    assert "1 question is labelled differently" in text
    assert "p3: Names rest: ann not met, bo met" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{results}"], "name RESULTS and -o FILE.html"),
        (["-o", "{out}"], "name RESULTS and -o FILE.html"),
        (["{results}", "-o", "{out}", "--n", "0"], "--n 0: at least 1"),
        (["{results}", "-o", "{out}", "--n", "1", "--seed", "0"], "nothing was drawn"),
        (["{results}", "-o", "{out}", "--raters", "ann", "ann "], "a name is empty or stands"),
        (["{results}", "-o", "{out}", "--json"], "--json is for --agreement"),
        (["{results}", "--agreement", "{out}"], "leave RESULTS out"),
        (["{results}", "-o", "{out}/no/where.html"], "--output"),
        (["{missing}", "-o", "{out}"], "no such file or folder"),
        (["--agreement", "{missing}"], "no such file"),
        (["--agreement", __file__, __file__], "the same labels twice"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, capsys, words, said):
    results = tmp_path / "results"
    answers = [graded("10", example(f"p{n}", [5, 5]), answer=f"A {n}.") for n in range(3)]
    write_run(results, run("a", answers))
    (tmp_path / "out").write_text("", encoding="utf-8")
    places = {"results": results, "out": tmp_path / "out", "missing": tmp_path / "none"}
    assert main(["label", *(word.format(**places) for word in words)]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert told.out == ""


def test_how_many_more_are_needed_is_told(tmp_path, capsys):
    results, page = tmp_path / "results", tmp_path / "label.html"
    answers = [
        graded("10" if n % 2 else "11", example(f"p{n}", [5, 5]), answer=f"A {n}.")
        for n in range(60)
    ]
    write_run(results, run("a", answers))
    write_run(results, run("b", answers[:30]))
    labels = write(
        tmp_path / "labels.jsonl",
        [
            {
                **label_row(n, (n + c) % 3 > 0, answer=f"A {n}."),
                "prompt": "May I run with a cold?",
                "criterion": f"criterion {c} of p{n}",
            }
            for n in range(25)
            for c in range(2)
        ],
    )
    command = ["label", str(results), "-o", str(page), "--labels", labels, "--n", "12"]
    assert main(command) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[1].startswith("a made_up: labels on 25 of 60 prompts give ±0.")
    assert "all of them ±0." in lines[1]
    assert lines[2].startswith("b made_up: labels on 25 of 30 prompts give ±0.")
    # the same texts are both systems': their labels are few, which is said before anybody labels
    assert "b made_up: labels on" in told.err
    assert "a corrected score takes 20. Raise --n for it" in told.err
    assert main(["score", str(results), "--labels", labels]) == 0
    assert "  Score: labels on 25 of 60 prompts give ±0." in capsys.readouterr().out
    # a row that is left out is named by every command that reads labels
    with open(labels, "a", encoding="utf-8") as file:
        file.write(json.dumps({"prompt": "no answer", "label": True}) + "\n")
    pilot = ["plan", "--rows", "9", "--criteria", "2", "--judge", "chat", "--judge_args", "model=m"]
    pilot += ["--width", "0.1", "--by", str(results), "--labels", labels]
    for one in (command, ["score", str(results), "--labels", labels],
                ["compare", str(results), "--labels", labels], pilot):  # fmt: skip
        main(one)
        assert "1 of 51 rows excluded: row 51" in capsys.readouterr().err


def test_a_table_of_labels_becomes_rows_that_are_read(tmp_path, capsys):
    table = tmp_path / "bo.csv"
    table.write_text("prompt,answer,criterion,label,points\nhi,1,c,true,5\nhi,2,c,FALSE,-2\n")
    out = tmp_path / "all.jsonl"
    assert main(["label", "--agreement", str(table), "-o", str(out)]) == 0
    capsys.readouterr()
    [first, second] = read_labels(out, strict=True).answers
    assert [first.labels[0][0].met, second.labels[0][0].met] == [True, False]
    assert second.example.rubric.criteria[0].points == -2
    assert first.text == "1"


def test_the_judged_part_is_labelled_and_found_again(tmp_path, capsys):
    results, page = tmp_path / "results", tmp_path / "label.html"
    answers = [
        graded(
            "10",
            example(f"p{n}", [5, 5]),
            answer=f"<think>I am secret-model {n}.</think>Rest, {n} days.",
        )
        for n in range(30)
    ]
    write_run(results, run("a", answers))
    assert main(["label", str(results), "-o", str(page), "--next", "random", "--n", "25"]) == 0
    source = page.read_text("utf-8")
    assert "secret-model" not in source
    data = json.loads(source.partition('id="data">')[2].partition("</script>")[0])
    rows = []
    for at, item in enumerate(data["items"]):
        text = data["answers"][item["answer"]]["text"]
        prompt = data["prompts"][data["answers"][item["answer"]]["prompt"]]
        asked = {"prompt_id": prompt["id"], "prompt": prompt["turns"], "answer": text}
        rows.append({**asked, **item["row"], "label": at % 3 > 0})
    labels = write(tmp_path / "labels.jsonl", rows)
    capsys.readouterr()
    assert main(["score", str(results), "--labels", labels, "--json"]) == 0
    [scored] = json.loads(capsys.readouterr().out)["runs"]
    assert scored["corrected_by_labels"]["score"]["widths"]["n_labelled"] == 25


def test_an_audit_of_labels_drawn_where_a_judge_is_unsure_says_so_and_corrects_nothing(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.syspath_prepend(Path(__file__).parent)

    # half of the questions are hard, and were drawn nine times as often as the others
    def audit(name, easy, hard):
        rows = [label_row(n, n % 4 > 1, probability=hard if n % 2 else easy) for n in range(40)]
        path, out = write(tmp_path / f"{name}.jsonl", rows), tmp_path / f"{name}.json"
        words = ["audit", "--judge", "judge_of_places:FirstIsMet", "--labels", path, "-o", str(out)]
        assert main(words) == 0
        return out, capsys.readouterr().err

    uneven, said = audit("uneven", 0.1, 0.9)
    assert "drawn with unequal chances" in said
    even, said = audit("even", 0.5, 0.5)
    assert "unequal" not in said
    results = tmp_path / "results"
    write_run(results, run("a", [graded("10", example("p", [5, 5]))]))
    assert main(["score", str(results), "--audit", str(uneven)]) == 2
    assert "correct by the labels themselves" in capsys.readouterr().err
    assert main(["score", str(results), "--audit", str(even)]) == 0
