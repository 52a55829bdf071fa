"""Files as people have them, on the real command line: read rightly, or refused by name."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.reports.results.reader import read_runs


def mentions(word: str, points: float = 3) -> dict[str, Any]:
    return {"criterion": f"Names {word}", "points": points, "check": {"mentions": word}}


FRUITS = {"id": 1, "prompt": "Name three fruits.", "rubric": [mentions("apple")]}
TREES = {"id": 2, "prompt": "Name two trees.", "rubric": [mentions("oak", 2)]}


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", FRUITS, TREES)


def judge(data: Path | str, answers: Path | str, *more: str) -> int:
    out = str(Path(data).parent / "out")
    flags = ["--judge", "keyword", "--store", "none", "--model", "tested", "--output_path", out]
    return main(["judge", "--data", str(data), "--responses", str(answers), *flags, *more])


def graded(data: Path) -> list[GradedAnswer]:
    [run] = read_runs([data.parent / "out"])
    return list(run.graded)


def outcomes(data: Path) -> dict[str, list[bool | None]]:
    found: dict[str, list[bool | None]] = {}
    for one in graded(data):
        found.setdefault(one.example.prompt_id, []).extend(v.met for v in one.verdicts)
    return found


class TestIds:
    @pytest.mark.parametrize("form", [(1, 2), ("1", "2"), (1.0, 2.0)])
    def test_numbers_and_texts_join(self, data: Path, tmp_path: Path, form: Any) -> None:
        rows = [
            {"prompt_id": form[0], "completion": "apple pear plum"},
            {"prompt_id": form[1], "completion": "elm"},
        ]
        assert judge(data, write(tmp_path / "a.jsonl", *rows)) == 0
        assert outcomes(data) == {"1": [True], "2": [False]}

    def test_a_leading_nought_is_another_id(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answers = tmp_path / "a.csv"
        answers.write_text("prompt_id,completion\n1.0,apple\n02,oak\n", encoding="utf-8")
        assert judge(data, answers) == 0
        assert outcomes(data) == {"1": [True]}
        error = capsys.readouterr().err
        assert "1 answers excluded: row 3: prompt_id 02 is not among the rows of --data" in error
        assert "1 rows of --data have no answer: 2" in error

    def test_the_two_forms_of_an_accent_are_one_id(self, tmp_path: Path) -> None:
        data = write(tmp_path / "rows.jsonl", FRUITS | {"id": "caf\u00e9"})
        answers = write(tmp_path / "a.jsonl", {"id": "cafe\u0301", "completion": "apple"})
        assert judge(data, answers) == 0
        assert outcomes(data) == {"caf\u00e9": [True]}


class TestAnswers:
    def test_a_null_is_missing_and_counted_and_never_the_word_none(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = write(tmp_path / "rows.jsonl", FRUITS | {"rubric": [mentions("none")]}, TREES)
        rows = [{"prompt_id": 1, "completion": None}, {"prompt_id": 2, "completion": "oak"}]
        judge(data, write(tmp_path / "a.jsonl", *rows))
        said = capsys.readouterr()
        assert outcomes(data) == {"1": [None], "2": [True]}
        assert "1 of 2" in said.out, "scored of asked"
        assert "1 of 2 answers are null: 1; they count in the total, and are not graded" in said.err
        [absent] = [one for one in graded(data) if one.is_absent]
        assert absent.verdicts[0].explanation == "no recorded answer"

    @pytest.mark.parametrize("resps", [[], [[]], [None], [[None]]])
    def test_a_sample_without_any_reply_is_a_missing_answer(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], resps: Any
    ) -> None:
        rows = [
            {"doc": {"prompt_id": "1"}, "resps": resps},
            {"doc": {"prompt_id": "2"}, "resps": [["oak"]]},
        ]
        assert judge(data, write(tmp_path / "a.jsonl", *rows)) == 1
        assert outcomes(data) == {"1": [None], "2": [True]}
        assert "1 of 2 answers are null: 1" in capsys.readouterr().err

    def test_the_same_again_never_asks_about_what_was_not_answered(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rows = [{"prompt_id": 1, "completion": None}, {"prompt_id": 2, "completion": "oak"}]
        answers = write(tmp_path / "a.jsonl", *rows)
        judge(data, answers)
        capsys.readouterr()
        judge(data, answers)
        assert "1 criteria asked" in capsys.readouterr().out
        assert outcomes(data) == {"1": [None], "2": [True]}

    def test_empty_and_blank_texts_are_answers(self, data: Path, tmp_path: Path) -> None:
        rows = [{"prompt_id": 1, "completion": ""}, {"prompt_id": 2, "completion": " \n"}]
        assert judge(data, write(tmp_path / "a.jsonl", *rows)) == 1, "no model means to"
        assert outcomes(data) == {"1": [False], "2": [False]}

    @pytest.mark.parametrize(("model", "n_empty"), [("m", 1), ("baseline:empty", 2)])
    def test_half_of_the_answers_and_those_of_a_baseline_may_be_empty(
        self, data: Path, tmp_path: Path, model: str, n_empty: int
    ) -> None:
        texts = ["", "" if n_empty == 2 else "oak"]
        rows = [{"prompt_id": n, "completion": t} for n, t in enumerate(texts, 1)]
        assert judge(data, write(tmp_path / "a.jsonl", *rows), "--model", model) == 0

    def test_nothing_but_nulls_is_refused(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answers = write(tmp_path / "a.jsonl", {"prompt_id": 1, "completion": None})
        assert judge(data, answers) == 2
        assert "holds no answer that can be judged; 1 are null" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "answer",
        [
            [{"type": "text", "text": "pear"}, {"type": "text", "text": "apple"}],
            [{"role": "user", "content": "oak"}, {"role": "assistant", "content": "apple"}],
            {"role": "assistant", "content": [{"type": "text", "text": "apple"}]},
            {"choices": [{"message": {"role": "assistant", "content": "apple"}}]},
            json.dumps([{"role": "assistant", "content": "apple"}]),
        ],
    )
    def test_parts_and_messages_are_their_text(
        self, data: Path, tmp_path: Path, answer: Any
    ) -> None:
        assert judge(data, write(tmp_path / "a.jsonl", {"id": 1, "completion": answer})) == 0
        [one] = graded(data)
        assert one.verdicts[0].met is True
        assert "{" not in one.answer
        assert "oak" not in one.answer, "the user's turn is not the answer"

    def test_a_gold_answer_is_not_graded_beside_a_response(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answers = write(tmp_path / "a.jsonl", {"id": 1, "response": "apple", "answer": "B"})
        assert judge(data, answers) == 2
        assert (
            "two fields could be the answer, 'response' and 'answer'; --columns answer=response or "
            "answer=answer chooses" in capsys.readouterr().err
        )
        assert judge(data, answers, "--columns", "answer=response") == 0
        assert outcomes(data) == {"1": [True]}

    def test_lines_that_differ_in_the_filter_alone_are_one_answer(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def line(n: int, text: str, name: str, **more: Any) -> dict[str, Any]:
            return {
                "doc_id": n, "doc": {"prompt_id": str(n)}, "resps": [[text]], "doc_hash": "h",
                "filtered_resps": ["?"], "filter": name, **more,
            }  # fmt: skip

        rows = [line(1, "apple", "strict"), line(2, "oak", "strict")]
        rows += [line(1, "apple", "flexible"), line(2, "oak", "flexible")]
        rows += [line(1, "pear", "flexible")]  # another answer to the same document is another
        assert judge(data, write(tmp_path / "samples_t_2026.jsonl", *rows)) == 0
        assert outcomes(data) == {"1": [True, False], "2": [True]}
        assert "2 lines differ from another in 'filter' alone" in capsys.readouterr().err

    def test_results_that_were_judged_give_their_answers_again(
        self, data: Path, tmp_path: Path
    ) -> None:
        rows = [{"prompt_id": 1, "completion": None}, {"prompt_id": 2, "completion": ""}]
        judge(data, write(tmp_path / "a.jsonl", *rows))
        [samples] = (tmp_path / "out").rglob("samples_*.jsonl")
        # in the second stage of a run lm-eval's own answers are empty
        lines = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
        lines[1]["rubric"]["answers"][0]["answer"] = "oak"
        write(tmp_path / "again" / "rows.jsonl", FRUITS, TREES)
        again = write(tmp_path / "again" / "samples_t_2026.jsonl", *lines)
        judge(tmp_path / "again" / "rows.jsonl", again)
        assert outcomes(tmp_path / "again" / "rows.jsonl") == {"1": [None], "2": [True]}

    def test_a_repeat_that_comes_twice_is_left_out_by_name(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rows = [
            {"id": 1, "completion": "apple", "repeat": 0},
            {"id": 1, "completion": "pear", "repeat": 0},
            {"id": 1, "completion": "plum"},
        ]
        assert judge(data, write(tmp_path / "a.jsonl", *rows)) == 0
        assert [(one.answer, one.repeat) for one in graded(data)] == [("apple", 0), ("plum", 1)]
        assert "row 2: a second answer to prompt_id 1 with repeat 0" in capsys.readouterr().err


class TestRows:
    def test_csv_is_read_for_rows_and_answers(self, tmp_path: Path) -> None:
        cell = json.dumps([mentions("apple")]).replace('"', '""')
        data = tmp_path / "rows.csv"
        data.write_text(f'\ufeffid;frage;kriterien\r\n007;Obst?;"{cell}"\r\n', encoding="utf-8")
        answers = tmp_path / "answers.csv"
        answers.write_text('id;text\r\n007;"pear;\nApple"\r\n', encoding="utf-8")
        names = "prompt=frage,rubric=kriterien,answer=text"
        assert judge(data, answers, "--columns", names) == 0
        assert outcomes(data) == {"007": [True]}

    @pytest.mark.parametrize(
        ("prompt", "sentence"),
        [
            (
                [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
                "turn 1 of the prompt holds an image, which a judge of text cannot be shown",
            ),
            (
                [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
                "prompt[0].tool_calls[0].name is missing",
            ),
        ],
    )
    def test_what_cannot_be_shown_is_left_out_with_a_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], prompt: Any, sentence: str
    ) -> None:
        data = write(tmp_path / "rows.jsonl", FRUITS, TREES | {"prompt": prompt})
        rows = [{"id": 1, "completion": "apple"}, {"id": 2, "completion": "oak"}]
        assert judge(data, write(tmp_path / "a.jsonl", *rows)) == 0
        assert outcomes(data) == {"1": [True]}
        error = capsys.readouterr().err
        assert f"1 of 2 rows excluded: row 2: {sentence}" in error
        assert "1 answers excluded: row 2: prompt_id 2 is not among the rows" in error
        only = write(tmp_path / "only.jsonl", TREES | {"prompt": prompt})
        assert judge(only, tmp_path / "a.jsonl") == 2
        assert "none of its 1 rows can be used" in capsys.readouterr().err

    def test_a_trailing_comma_is_named_with_its_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "rows.json"
        path.write_text(f"[\n{json.dumps(FRUITS)},\n]\n", encoding="utf-8")
        assert main(["lint", str(path)]) == 2
        assert "rows.json: line 3: not JSON: a comma stands before" in capsys.readouterr().err


class TestStandardInput:
    def test_answers_may_come_by_a_pipe(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        line = json.dumps({"id": 1, "completion": "apple"}).encode()
        stdin = io.TextIOWrapper(io.BytesIO(line), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stdin)
        assert judge(data, "-") == 0
        assert outcomes(data) == {"1": [True]}

    def test_two_files_cannot_both_be_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert judge("-", "-") == 2
        assert "data and responses are both '-'" in capsys.readouterr().err


def test_import_and_variance_read_csv_too(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = tmp_path / "v.csv"
    verdicts.write_text(
        "prompt_id,completion,criteria_met,model\n1,apple,[true],m\n1,pear,[false],m\n1,fig,[false],m\n2,,[true],m\n",
        encoding="utf-8",
    )
    out = ["--output_path", str(tmp_path / "out")]
    assert main(["import", str(verdicts), "--data", str(data), *out]) == 1, "verdicts are missing"
    assert "1 of 4 answers are null: 2; they count in the total" in capsys.readouterr().err
    assert outcomes(data) == {"1": [True, False, False], "2": [None]}
    assert main(["variance", str(verdicts), "--data", str(data)]) == 0


def test_a_plan_counts_the_rows_of_a_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--judge", "keyword", "--json", "--samples", "3"]
    assert main(["plan", "--data", str(data), *flags]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert main(["plan", "--rows", "2", "--criteria", "1", *flags]) == 0
    assert json.loads(capsys.readouterr().out) == counted
    assert main(["plan", "--data", str(data), "--rows", "50", *flags]) == 0, "of many like these"
    assert json.loads(capsys.readouterr().out) != counted
    assert main(["plan", "--rows", "2", *flags]) == 2
    assert "--data ROWS, or --rows N and --criteria N" in capsys.readouterr().err


def case(shared_data: Path, name: str) -> Path:
    return shared_data.parent / "cases" / "inputs" / "files" / name


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("data.csv", 0, "1 rubrics, 1 criteria"),
        ("jsonstr.jsonl", 0, "1 rubrics, 1 criteria"),
        ("prbench.jsonl", 0, "1 rubrics, 2 criteria"),
        ("openrubrics.jsonl", 0, "1 rubrics, 2 criteria"),
        ("hb_weight.jsonl", 0, "33.3% of the points"),
        ("trailing.json", 2, "line 3"),
        ("rubrichub_if.jsonl", 2, "criterion 1 of 2 is checked by a rule"),
        ("image.jsonl", 2, "an image, which a judge of text cannot be shown"),
        ("tool.jsonl", 0, "1 rubrics, 1 criteria"),
    ],
)
def test_the_shared_cases_of_files(
    shared_data: Path, capsys: pytest.CaptureFixture[str], name: str, code: int, said: str
) -> None:
    path = case(shared_data, name)
    if not path.is_file():
        pytest.skip("no shared cases here")
    assert main(["lint", str(path)]) == code
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
