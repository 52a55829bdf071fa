"""The two commands as a user calls them."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from rubricbeat.harness.cli import main

N_PROMPTS = 60


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Write made-up rows and recorded verdicts on them: sixty prompts, four answers each."""
    folder = tmp_path_factory.mktemp("pilot")
    draw = random.Random(3)
    rows, judged = [], []
    for p in range(N_PROMPTS):
        n = 3 + p % 6
        points = [5, *(draw.choice([-4, 2, 6]) for _ in range(n - 1))]
        rubrics = [
            {"criterion": f"Names item {p}-{i}", "points": w, "tags": []}
            for i, w in enumerate(points)
        ]
        prompt = [{"role": "user", "content": f"Question {p}?"}]
        rows.append(
            {"prompt_id": f"p{p}", "prompt": prompt, "rubrics": rubrics, "example_tags": []}
        )
        for g in range(4):
            met = [draw.random() < 0.2 + 0.6 * (g / 3) for _ in points]
            judged.append(
                {"prompt_id": f"p{p}", "completion": f"a{g}", "criteria_met": met, "model": "=m"}
            )
    data, recorded = folder / "rows.jsonl", folder / "judged.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recorded.write_text("".join(json.dumps(row) + "\n" for row in judged), encoding="utf-8")
    return str(recorded), str(data)


def test_variance_asks_for_gold_before_it_names_a_reward(
    pilot: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["variance", pilot[0], "--data", pilot[1]]) == 0
    said = capsys.readouterr().out
    assert "Recommended reward" not in said
    assert said.index("--gold") < said.index("Dead groups") < said.index("Agreement")
    for reward in ("healthbench", "hybrid", "complexity", "rar_explicit", "binary", "pass_hb50"):
        assert reward in said


def test_variance_gives_the_same_as_json(
    pilot: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["variance", pilot[0], "--data", pilot[1], "--json", "--rewards", "hybrid,binary"]
    assert main([*words, "--scales", "none", "--difference", "0.5"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["n_groups"] == N_PROMPTS
    assert [row["reward"] for row in plain["dead"]] == ["hybrid", "binary"]
    assert plain["scales"] == ["none"]
    assert plain["plan"][0]["for_difference"]["prompts"] > 1


def test_a_page_is_written_with_its_figures(
    pilot: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "signal.html"
    words = ["variance", pilot[0], "--data", pilot[1], "--html", str(page)]
    assert main([*words, "--difference", "0.1"]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    assert "Difference 0.100 between two policies" in text
    assert "Recommended reward" not in text and "--gold" in text


@pytest.fixture
def gold(pilot: tuple[str, str], tmp_path: Path) -> Path:
    """Verdicts of a better judge on the same answers: it differs in the third criterion."""
    path = tmp_path / "gold.jsonl"
    with open(pilot[0], encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        row["criteria_met"][2] = not row["criteria_met"][2]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_gold_tells_which_reward_to_train_with(
    pilot: tuple[str, str], gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["variance", pilot[0], "--data", pilot[1], "--rewards", "healthbench,binary"]
    page = tmp_path / "signal.html"
    assert main([*words, "--gold", str(gold), "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "Recommended reward: healthbench" in said
    assert said.index("Compared with gold") < said.index("Dead groups")
    assert "behind" in said
    text = page.read_text(encoding="utf-8")
    assert "Recommended reward: healthbench" in text and 'id="signal-gold"' in text


def test_labels_of_people_are_gold_too(
    pilot: tuple[str, str], gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(pilot[1], encoding="utf-8") as file:
        rows = {row["prompt_id"]: row for row in map(json.loads, file)}
    labels = tmp_path / "labels.jsonl"
    with gold.open(encoding="utf-8") as file, labels.open("w", encoding="utf-8") as out:
        for answer in map(json.loads, file):
            row = rows[answer["prompt_id"]]
            for one, met in zip(row["rubrics"], answer["criteria_met"], strict=True):
                label = {"prompt_id": row["prompt_id"], "prompt": row["prompt"], "label": met}
                label |= {"answer": answer["completion"], "criterion": one["criterion"]}
                out.write(json.dumps(label) + "\n")
    words = ["variance", pilot[0], "--data", pilot[1], "--json", "--rewards", "healthbench,binary"]
    found = []
    for path in (gold, labels):
        assert main([*words, "--gold", str(path)]) == 0
        found.append(json.loads(capsys.readouterr().out)["gold"])
    assert found[0] == found[1]
    assert found[0]["n_prompts"] == N_PROMPTS


def test_gold_of_the_same_verdicts_or_of_other_answers_is_refused(
    pilot: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["variance", pilot[0], "--data", pilot[1], "--gold"]
    assert main([*words, pilot[0]]) == 2
    assert "the judge under study" in capsys.readouterr().err
    other = tmp_path / "other.jsonl"
    row = {"prompt_id": "p0", "completion": "another answer", "criteria_met": [True] * 3}
    other.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert main([*words, str(other)]) == 2
    assert "none of its 1 answers matches a studied answer" in capsys.readouterr().err
    assert main([*words, "/no/such/gold"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_every_criterion_of_every_group_is_written_without_its_text(
    pilot: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "criteria.csv"
    assert main(["variance", pilot[0], "--data", pilot[1], "--criteria", str(path)]) == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(3 + p % 6 for p in range(N_PROMPTS))
    assert rows[0]["prompt_id"] == "p0" and rows[0]["model"] == "'=m" and rows[0]["points"] == "5"
    for row in rows:
        met = float(row["met"])
        assert float(row["contrast"]) == pytest.approx(met * (1 - met), abs=1e-5)
    assert "Names item" not in path.read_text(encoding="utf-8")


def test_lint_finds_references_that_score_below_an_empty_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, judged = tmp_path / "rows.jsonl", tmp_path / "judged.jsonl"
    row = {
        "prompt_id": "p",
        "prompt": [{"role": "user", "content": "?"}],
        "rubrics": [
            {"criterion": "Asks for the age", "points": 2, "tags": []},
            {"criterion": "Keeps calm", "points": -5, "tags": []},
        ],
        "example_tags": [],
        "ideal_completions_data": {"ideal_completion": "Be calm."},
    }
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    recorded = {"prompt_id": "p", "completion": "Be calm.", "criteria_met": [False, True]}
    judged.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    # it is the only finding, and --strict is about it too
    for more, code in (([], 0), (["--strict"], 1), (["--strict", "--json"], 1)):
        assert main(["lint", str(data), "--results", str(judged), *more]) == code
        assert "polarity looks reversed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rewards", "hybird"], "did you mean 'hybrid'"),
        (["--scales", "gruop"], "did you mean 'group'"),
        (["--group_by", "modle"], "no answer has the label 'modle'"),
        (["--min_group", "9"], "the largest group has 4"),
        (["--html", "/no/such/folder/x.html"], "there is no folder"),
        (["--fidelity", "2"], "between 0 and 1"),
        (["--seed", "-1"], "--seed -1: must not be negative"),
        (["--rewards", "rar_implicit"], "needs a rating"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_2(
    words: list[str], says: str, pilot: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["variance", pilot[0], "--data", pilot[1], *words]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_lint_prints_findings_by_rule(
    pilot: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", pilot[1]]) == 0
    assert f"{N_PROMPTS} rubrics" in capsys.readouterr().out
    assert main(["lint", pilot[1], "--strict", "--json", "--results", pilot[0]]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert plain["counts"]["never-met"] > 0
    assert plain["polarity"] is None


def test_lint_stays_quiet_about_good_rubrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rubrics = [
        {"criterion": "Asks for the age", "points": 5, "tags": []},
        {"criterion": "Names red flags of the chest", "points": 5, "tags": []},
    ]
    row = {
        "prompt_id": "p",
        "prompt": [{"role": "user", "content": "?"}],
        "rubrics": rubrics,
        "example_tags": [],
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert main(["lint", str(path), "--strict"]) == 0
    assert "no findings" in capsys.readouterr().out


def test_lint_shows_a_finding_on_a_shared_rubric_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "rubric.txt"
    shared.write_text("Is helpful\nNames the dose\n", encoding="utf-8")
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt_id": f"p{n}", "prompt": "Why?"} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(["lint", str(path), "--rubric", str(shared)]) == 0
    out = capsys.readouterr().out
    assert "vague: 1 in 3 rows - " in out
    assert out.count(", criterion 1") == 1
    assert "  3 rows from p0 on, criterion 1" in out
    rows = [{**row, "rubric": ["Is helpful", f"Names dose {row['prompt_id']}"]} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(["lint", str(path)]) == 0
    out = capsys.readouterr().out
    assert "vague: 3 - " in out and "  p2, criterion 1" in out, "three rubrics, three findings"


def test_lint_counts_the_rows_and_verdicts_it_could_not_use(
    pilot: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    bad = "".join(json.dumps({"prompt_id": f"bad-{n}", "rubrics": []}) + "\n" for n in range(20))
    rows.write_text(Path(pilot[1]).read_text(encoding="utf-8") + bad, encoding="utf-8")
    judged = tmp_path / "judged.jsonl"
    stray = json.dumps({"prompt_id": "nobody", "completion": "x", "criteria_met": [True]}) + "\n"
    judged.write_text(Path(pilot[0]).read_text(encoding="utf-8") + stray, encoding="utf-8")
    assert main(["lint", str(rows), "--results", str(judged)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert f"20 of {N_PROMPTS + 20} rows excluded" in said[0]
    assert "1 of" in said[1] and "excluded" in said[1]
