"""`rubricbeat judge`, as a user calls it: saved answers in, result files out, each verdict once."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.reports.results.reader import read_runs


class Judge:
    """A chat endpoint that meets an item whose text holds `yes`, and counts what it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.prompts: list[str] = []
        self.is_mute: Callable[[str], bool] = lambda prompt: False
        """Prompts that get a reply without a verdict."""
        self.is_down = False


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch):
    seen = Judge()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][0]["content"]
            seen.prompts.append(prompt)
            item = prompt.split("# The rubric item")[1].split("\n")[1]
            said = json.dumps({"explanation": "words", "criteria_met": "yes" in item})
            content = "I cannot say." if seen.is_mute(prompt) else said
            reply = {
                "choices": [{"message": {"content": content}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10},
            }
            raw = json.dumps(reply).encode()
            self.send_response(503 if seen.is_down else 200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three made-up rows of two criteria, and answers of two models."""
    rows = [
        {
            "prompt_id": f"row-{n}",
            "prompt": [{"role": "user", "content": f"Question {n}?"}],
            "rubrics": [
                {"criterion": f"yes, asks {n}", "points": 5, "tags": ["axis:accuracy"]},
                {"criterion": f"no, warns {n}", "points": 3, "tags": []},
            ],
            "example_tags": ["theme:hedging"],
        }
        for n in range(3)
    ]
    answers = [
        {"prompt_id": f"row-{n}", "completion": f"Answer {n} of {model}.", "model": model}
        for model in ("lab/one", "two")
        for n in range(3)
    ]
    write(tmp_path / "rows.jsonl", rows)
    write(tmp_path / "answers.jsonl", answers)
    return tmp_path


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def call(folder: Path, judge: Judge, *more: str, args: str = "") -> int:
    options = f"model=judge-1,base_url={judge.url},backoff_s=0.001,max_retries=1{args}"
    words = ["judge", "--data", folder / "rows.jsonl"]
    words += [] if "--responses" in more else ["--responses", folder / "answers.jsonl"]
    words += ["--judge", "chat", "--judge_args", options, "--store", folder / "store.sqlite"]
    return main([*map(str, words), "--output_path", str(folder / "out"), *more])


def test_an_output_path_that_cannot_be_written_is_known_before_a_call(folder, judge, capsys):
    (folder / "out").write_text("in the way", encoding="utf-8")
    assert call(folder, judge) == 2
    assert "out: cannot write there" in capsys.readouterr().err
    assert judge.prompts == []


def test_answers_of_two_models_become_two_runs_with_the_right_scores(folder, judge, capsys):
    assert call(folder, judge) == 0
    runs = read_runs([folder / "out"])
    assert [run.model for run in runs] == ["lab/one", "two"]
    assert [len(run.graded) for run in runs] == [3, 3]
    # every "yes" item is met and no "no" item: 5 of 8 points
    assert all(run.stored["score"] == pytest.approx(5 / 8) for run in runs)
    printed = capsys.readouterr().out
    assert "0.625" in printed
    assert "3 of 3" in printed
    assert "12 calls" in printed
    assert printed.splitlines()[-1] == f"next: rubricbeat compare {folder / 'out'}"


def test_the_same_command_again_asks_nothing_and_counts_once(folder, judge, capsys):
    call(folder, judge)
    judge.prompts.clear()
    assert call(folder, judge) == 0
    assert judge.prompts == []
    assert len(read_runs([folder / "out"])) == 2
    assert "were renamed" in capsys.readouterr().err


def corrected(folder: Path, name: str = "answers.jsonl") -> None:
    """Write the answers with the first one of lab/one corrected."""
    rows = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    rows[0]["completion"] = "The corrected answer."
    write(folder / name, rows)


def test_corrected_answers_of_the_same_file_replace_the_old_ones(folder, judge, capsys):
    call(folder, judge)
    corrected(folder)
    capsys.readouterr()
    assert call(folder, judge) == 0
    said = capsys.readouterr().err
    assert "results of lab/one on other answers from the same file: the new ones replace" in said
    assert "results of two on" not in said
    runs = read_runs([folder / "out"])
    assert [(run.model, len(run.graded)) for run in runs] == [("lab/one", 3), ("two", 3)]
    assert "The corrected answer." in {one.answer for one in runs[0].graded}


@pytest.mark.parametrize(
    ("more", "is_told"),
    [((), True), (("--run", "later"), False), (("--model", "new"), False)],
    ids=["nothing", "run", "model"],
)
def test_answers_of_another_file_count_as_repeats_and_it_is_said_beforehand(
    folder, judge, capsys, more, is_told
):
    call(folder, judge)
    corrected(folder, "other.jsonl")
    capsys.readouterr()
    judge.is_down = True  # nothing is asked before the words are there
    call(folder, judge, "--responses", str(folder / "other.jsonl"), *more)
    said = capsys.readouterr().err
    assert ("lab/one on other answers; both will count as repeats; use another -o" in said) == (
        is_told
    )


def test_several_files_of_answers_are_several_systems_and_each_can_be_corrected(
    folder, judge, capsys
):
    def files(*texts: str) -> list[str]:
        for name, text in zip("AB", texts, strict=True):
            rows = [{"prompt_id": f"row-{n}", "completion": f"{text} {n}"} for n in range(3)]
            write(folder / f"{name}.jsonl", rows)
        return ["--responses", str(folder / "A.jsonl"), str(folder / "B.jsonl")]

    files("Old", "Other")
    assert call(folder, judge, "--responses", str(folder / "A.jsonl")) == 0
    assert call(folder, judge, *files("New", "Other")) == 0
    assert "the new ones replace them" in capsys.readouterr().err
    runs = read_runs([folder / "out"])
    assert [(run.model, run.graded[0].answer) for run in runs] == [("A", "New 0"), ("B", "Other 0")]


def test_a_part_of_a_corrected_file_does_not_replace_the_whole(folder, judge, capsys):
    call(folder, judge)
    corrected(folder)
    capsys.readouterr()
    assert call(folder, judge, "--limit", "1") == 0
    assert "lab/one on other answers; both will count" in capsys.readouterr().err
    assert len(read_runs([folder / "out"])) == 4


def test_a_dry_run_sends_and_writes_nothing(folder, judge, capsys):
    assert call(folder, judge, "--dry-run") == 0
    assert "12 calls" in capsys.readouterr().out
    assert judge.prompts == []
    assert not (folder / "out").exists()
    call(folder, judge)
    capsys.readouterr()
    assert call(folder, judge, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["hits"] == 12


def test_a_dry_run_needs_no_key(folder, judge, capsys, monkeypatch):
    # setenv first, so that whatever the command sets is taken back afterwards
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.delenv("OPENAI_API_KEY")
    words = ["--judge_args", "model=gpt-4.1,base_url=https://example.org/v1"]
    assert call(folder, judge, "--dry-run", *words) == 0
    assert "$" in capsys.readouterr().out


def test_a_budget_ends_with_1_and_the_rest_follows(folder, judge, capsys):
    assert call(folder, judge, "--max-calls", "5") == 1
    assert "max_calls" in capsys.readouterr().err
    assert len(judge.prompts) == 5
    assert call(folder, judge) == 0
    assert len(judge.prompts) == 12


def test_a_deadline_ends_with_1_and_the_rest_follows(folder, judge, capsys):
    assert call(folder, judge, args=",deadline_s=0.000001") == 1
    assert "the judge stopped: deadline: 1e-06 s have passed" in capsys.readouterr().err
    assert call(folder, judge) == 0


def test_an_outage_ends_with_1_and_resumes(folder, judge, capsys):
    call(folder, judge, "--max-calls", "4")
    judge.is_down = True
    assert call(folder, judge, args=",outage_after=2") == 1
    assert "what was finished is kept" in capsys.readouterr().err
    judge.is_down = False
    judge.prompts.clear()
    assert call(folder, judge) == 0
    assert len(judge.prompts) == 8


@pytest.mark.parametrize("flag", [(), ("--failed-only",)])
def test_the_same_command_again_asks_exactly_what_has_no_verdict(folder, judge, capsys, flag):
    judge.is_mute = lambda prompt: "warns 1" in prompt
    assert call(folder, judge) == 1
    missing = [v for run in read_runs([folder / "out"]) for g in run.graded for v in g.verdicts]
    assert sum(v.met is None for v in missing) == 2
    judge.is_mute = lambda prompt: False
    judge.prompts.clear()
    assert call(folder, judge, *flag) == 0
    assert len(judge.prompts) == 2
    assert all("warns 1" in prompt for prompt in judge.prompts)
    runs = read_runs([folder / "out"])
    assert len(runs) == 2
    assert all(v.met is not None for run in runs for g in run.graded for v in g.verdicts)
    assert all(run.stored["score"] == pytest.approx(5 / 8) for run in runs)
    said = capsys.readouterr().err
    assert ("--failed_only is not needed: only missing" in said) == bool(flag)
    judge.prompts.clear()
    assert call(folder, judge, *flag) == 0
    assert judge.prompts == []


def test_failed_only_is_not_in_the_help(capsys):
    assert main(["judge", "--help"]) == 0
    assert "--failed_only" not in capsys.readouterr().out


@pytest.mark.parametrize("again", [("--store", "none"), ("--store", "NONE", "--dry-run")])
def test_failed_only_without_a_store_would_pay_again_and_is_refused(folder, judge, capsys, again):
    assert call(folder, judge) == 0
    judge.prompts.clear()
    assert call(folder, judge, "--failed-only", *again) == 2
    assert "all would be asked again" in capsys.readouterr().err
    assert judge.prompts == []


def test_shape_and_prompt_are_the_judges_options(folder, judge):
    own = folder / "own.txt"
    own.write_text("OWN <<conversation>>\n# The rubric item\n<<rubric_item>>\n", encoding="utf-8")
    assert call(folder, judge, "--prompt", str(own)) == 0
    assert all(prompt.startswith("OWN") for prompt in judge.prompts)
    (run, _) = read_runs([folder / "out"])
    assert run.judge["prompt"].startswith("own.txt-own:")
    judge.prompts.clear()
    assert call(folder, judge, "--shape", "prefix") == 0
    assert len(judge.prompts) == 12


def test_lm_eval_samples_are_answers_too(folder, judge):
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    samples = folder / "lm_eval" / "lab__three"
    samples.mkdir(parents=True)
    write(
        samples / "samples_task_2026-01-01T00-00-00.000001.jsonl",
        [{"doc": row, "resps": [["First.", "Second."]]} for row in rows],
    )
    results = samples / "results_2026-01-01T00-00-00.000001.json"
    results.write_text('{"model_name": "lab/three"}', encoding="utf-8")
    assert call(folder, judge, "--responses", str(folder / "lm_eval")) == 0
    (run,) = read_runs([folder / "out"])
    assert run.model == "lab/three"
    assert sorted((g.example.prompt_id, g.repeat) for g in run.graded) == [
        (f"row-{n}", repeat) for n in range(3) for repeat in (0, 1)
    ]


def test_limit_model_and_run_are_taken(folder, judge):
    words = ["--limit", "1", "--model", "renamed", "--run", "seed-7"]
    assert call(folder, judge, *words) == 0
    (run,) = read_runs([folder / "out"])
    assert (run.model, run.label, len(run.graded)) == ("renamed", "seed-7", 2)


def test_a_limited_run_does_not_displace_a_whole_one(folder, judge):
    call(folder, judge)
    call(folder, judge, "--limit", "1")
    assert sorted(len(run.graded) for run in read_runs([folder / "out"])) == [1, 1, 3, 3]


def test_answers_that_cannot_be_used_are_named_and_left_out(folder, judge, capsys):
    lines = (folder / "answers.jsonl").read_text() + (
        '\n{"prompt_id": "nowhere", "completion": "x"}\n{"prompt_id": "row-1"}\nnot json\n'
    )
    (folder / "answers.jsonl").write_text(lines)
    assert call(folder, judge) == 0
    warned = capsys.readouterr().err
    assert "3 answers excluded" in warned
    assert "row 7: prompt_id nowhere" in warned


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--responses", "nowhere.jsonl"], "no such file"),
        (["--data", "nowhere.jsonl"], "no such file"),
        (["--judge", "chta"], "chat"),
        (["--judge_args", "model=m,tempreature=1"], "temperature"),
        (["--judge_args", "model=m,api_key=abc123"], "environment"),
        (["--judge_args", "model=m,base_url=https://example.org/v1"], "OPENAI_API_KEY"),
        (["--shape", "prefx"], "prefix"),
        (["--limit", "0"], "at least 1"),
        (["--seed", "-1"], "--seed"),
        (["--task", "a/b"], "part of file names"),
        (["--task", ""], "part of file names"),
        (["--task", "x" * 300], "part of file names"),
        (["--max-cost", "nan"], "max_cost"),
        (["--failed-only", "--store", "none"], "without a store"),
    ],
)
def test_bad_input_is_one_line_and_2_before_anything_is_asked(folder, judge, capsys, change, words):
    assert call(folder, judge, *change) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "abc123" not in said
    assert len(said.strip().splitlines()) == 1
    assert judge.prompts == []


def test_results_hold_the_judge_and_no_key(folder, judge, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-value")
    call(folder, judge)
    for path in [*(folder / "out").rglob("*"), folder / "store.sqlite"]:
        if path.is_file():
            assert b"very-secret-value" not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0
    (run, _) = read_runs([folder / "out"])
    assert run.judge["name"] == "chat"
    assert run.judge["model"] == "judge-1"


@pytest.mark.parametrize("model", ["lab__one", "two"])
@pytest.mark.parametrize("kind", ["link", "link in a circle", "file"])
def test_what_lies_in_the_place_of_a_models_folder_is_found_before_the_first_call(
    folder, judge, kind, model, capsys
):
    place = folder / "out" / model
    place.parent.mkdir()
    if kind == "file":
        place.write_text("mine", encoding="utf-8")
    else:
        place.symlink_to(folder / "nothing" if kind == "link" else place)
    assert call(folder, judge) == 2
    assert f"--output {place}: cannot write there" in capsys.readouterr().err
    assert not judge.prompts
