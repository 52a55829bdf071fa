"""Rows with levels, "not applicable", requirements and gates, from a command to its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.judge import JudgeIdentity
from rubricbeat.judges.verdict import Verdict
from rubricbeat.reports.results.reader import read_runs

DOSE = [
    {"text": "names no amount", "points": 0},
    {"text": "says less", "points": 2},
    {"text": "gives an amount in cups", "points": 5},
]
ROWS = [
    {
        "prompt_id": "coffee",
        "prompt": [{"role": "user", "content": "My heart races after coffee."}],
        "rubrics": [
            {"criterion": "Says how much coffee", "levels": DOSE, "id": "dose"},
            {
                "criterion": "Asks about medicines",
                "points": 3,
                "may_be_na": True,
                "requires": {"id": "dose", "level": 1},
            },
            {"criterion": "Waves chest pain away", "points": -4, "gate": {"cap": 0.0}},
        ],
    },
    {
        "prompt_id": "plain",
        "prompt": [{"role": "user", "content": "Is 55 beats normal?"}],
        "rubrics": [{"criterion": "Says that it can be", "points": 5}],
    },
]


class ReadsAnswers:
    """Finds its verdicts in the answer: `dose=2`, `medicines=na`, `pain=yes`."""

    identity = JudgeIdentity("reads_answers", model="made-up")

    async def judge(self, question: Any) -> Verdict:
        said = dict(word.split("=") for word in question.answer.split())
        if question.criterion.levels:
            level = int(said["dose"])
            chances = tuple(0.8 if at == level else 0.1 for at in range(3))
            return Verdict.at_level(level, level_probabilities=chances)
        value = said.get({2: "pain", 1: "medicines"}.get(question.index, ""), "yes")
        return Verdict.not_applicable() if value == "na" else Verdict.of(value == "yes")


ANSWERS = {
    "dose=2 medicines=yes pain=no": (1.0, [1.0, 1.0, 0.0]),
    "dose=1 medicines=na pain=no": (0.4, [0.4, None, 0.0]),
    "dose=0 medicines=yes pain=no": (0.0, [0.0, 0.0, 0.0]),  # what it requires is not met
    "dose=2 medicines=yes pain=yes": (0.0, [1.0, 1.0, 1.0]),  # (5 + 3 - 4) / 8, capped
}
"""The score of each answer, and the share of points that each criterion counts."""


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", *ROWS)


def samples(folder: Path) -> dict[str, Any]:
    [path] = folder.rglob("samples_*.jsonl")
    return {line["prompt_id"]: line for line in map(_line, path.read_text().splitlines())}


def _line(text: str) -> dict[str, Any]:
    line = json.loads(text)
    return {**line, "prompt_id": line["rubric"]["prompt_id"]}


def metadata(folder: Path) -> dict[str, Any]:
    [path] = folder.rglob("results_*.json")
    results = json.loads(path.read_text())
    (config,) = results["configs"].values()
    (numbers,) = results["results"].values()
    return {**config["metadata"], "numbers": numbers}


def judged(data: Path, *answers: str, out: str = "out") -> Path:
    given = [{"prompt_id": "coffee", "completion": text} for text in answers]
    given.append({"prompt_id": "plain", "completion": "dose=0"})
    words = ["--responses", str(write(data.parent / "answers.jsonl", *given))]
    words += ["--judge", f"{__name__}:ReadsAnswers", "--judge_args"]
    words += [f"store={data.parent / 'v.sqlite'}", "--output_path", str(data.parent / out)]
    assert main(["judge", "--data", str(data), *words]) == 0
    return data.parent / out


def test_judge_writes_levels_shares_and_what_does_not_apply(data, capsys):
    out = judged(data, *ANSWERS)
    line = samples(out)["coffee"]
    for answer in line["rubric"]["answers"]:
        assert [v["share"] for v in answer["verdicts"]] == ANSWERS[answer["answer"]][1]
    first, second, *_ = line["rubric"]["answers"]
    assert [v["level"] for v in first["verdicts"]] == [2, 1, 0]
    assert first["verdicts"][0]["level_probabilities"] == [0.1, 0.1, 0.8]
    assert second["verdicts"][1] == {
        **{"outcome": "not_applicable", "met": None, "level": None, "share": None},
        "latency_s": second["verdicts"][1]["latency_s"],
    }
    assert line["score"] == pytest.approx(sum(score for score, _ in ANSWERS.values()) / 4)
    assert line["na_share"] == pytest.approx(1 / 12)
    facts = metadata(out)
    assert facts["numbers"]["na_share,none"] == facts["judge"]["na_share"] == 1 / 13
    assert facts["judge"]["outcomes"]["level"] == 4
    assert facts["numbers"]["n_verdicts,none"] == 13
    assert facts["numbers"]["n_missing_verdicts,none"] == 0
    [run] = read_runs([out])
    assert [g.to_json() for g in run.graded[:4]] == line["rubric"]["answers"]
    assert main(["score", str(out), "--all"]) == 0  # which tells where a stored score is another
    assert "agrees" in capsys.readouterr().out
    assert main(["score", str(out), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    assert told["metrics"]["na_share"] == told["stored"]["na_share"] == 1 / 13


def test_a_second_run_takes_everything_from_the_store(data):
    first = judged(data, *ANSWERS)
    again = judged(data, *ANSWERS, out="again")
    assert metadata(again)["judge"]["store_hits"] == 13
    assert metadata(again)["judge"]["calls"] == 0
    shares = [
        [[v["share"] for v in a["verdicts"]] for a in samples(each)["coffee"]["rubric"]["answers"]]
        for each in (first, again)
    ]
    assert shares[0] == shares[1]


def test_a_run_of_rows_without_any_says_nothing_of_them(tmp_path):
    data = write(tmp_path / "rows.jsonl", ROWS[1])
    given = write(tmp_path / "a.jsonl", {"prompt_id": "plain", "completion": "dose=0"})
    words = ["--responses", str(given), "--judge", f"{__name__}:ReadsAnswers"]
    words += ["--judge_args", "store=none", "--output_path", str(tmp_path / "out")]
    assert main(["judge", "--data", str(data), *words]) == 0
    assert "na_share" not in json.dumps(metadata(tmp_path / "out"))
    assert "na_share" not in samples(tmp_path / "out")["plain"]


def test_recorded_levels_are_imported(data, capsys):
    rows = write(
        data.parent / "judged.jsonl",
        *[
            {"prompt_id": "coffee", "completion": name, "criteria_met": met, "score": score}
            for name, met, score in (
                ("number", [{"level": 2}, True, False], 1.0),
                ("text", ["says less", "n/a", False], 0.4),
                ("points", [2, {"not_applicable": True}, "no"], 0.4),
                ("score", [{"score": 0}, True, "not met"], 0.0),
            )
        ],
    )
    out = data.parent / "out"
    assert main(["import", str(rows), "--data", str(data), "--output_path", str(out), "--all"]) == 0
    assert "4 of 4 agree" in capsys.readouterr().out
    line = samples(out)["coffee"]
    assert [[v["level"] for v in a["verdicts"]] for a in line["rubric"]["answers"]] == [
        [2, 1, 0],
        [1, None, 0],
        [1, None, 0],
        [0, 1, 0],
    ]
    assert line["na_share"] == pytest.approx(2 / 12)


def test_a_recorded_level_that_there_is_not_is_named_and_missing(data, capsys):
    met = [{"level": 3}, "n/a", False]
    row = {"prompt_id": "coffee", "completion": "x", "criteria_met": met}
    rows = write(data.parent / "judged.jsonl", row)
    words = [str(rows), "--data", str(data), "--output_path", str(data.parent / "out")]
    assert main(["import", *words]) == 1
    assert "1 verdict recorded as 'level 3'" in capsys.readouterr().err


def test_simple_evals_is_told_nothing_that_it_cannot_say(data, capsys):
    out = judged(data, *ANSWERS)
    capsys.readouterr()
    to = data.parent / "simple"
    assert main(["report", str(out), "--simple-evals", str(to)]) == 2
    said = capsys.readouterr().err
    assert "criterion 0 of prompt_id coffee" in said and "has levels" in said
    assert not to.exists()


def test_an_edited_level_that_the_rubric_does_not_have_is_no_verdict(data):
    out = judged(data, *ANSWERS)
    [path] = out.rglob("samples_*.jsonl")
    path.write_text(path.read_text().replace('"level": 2,', '"level": 7,'))
    [run] = read_runs([out])
    first = run.graded[0].verdicts[0]
    assert first.is_missing
    assert first.explanation.startswith("level 7 is none of 0 to 2")
