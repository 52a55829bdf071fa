from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback, Reply, completion

from rubricbeat.harness.cli import main
from rubricbeat.harness.evaluation import run
from rubricbeat.harness.results.writer import sanitized
from rubricbeat.tasks.models import BASELINE_PREFIX

pytestmark = pytest.mark.border

ROWS = [
    {
        "prompt_id": f"p{n}",
        "prompt": [{"role": "user", "content": f"question {n}"}],
        "rubrics": [{"criterion": "Is kind", "points": 5, "tags": []}],
        "example_tags": [],
    }
    for n in range(4)
]


@pytest.fixture(autouse=True)
def _calm(monkeypatch) -> Iterator[None]:
    """Leave out lm-eval's description of the machine and its log handler on a captured stderr."""
    import lm_eval.evaluator
    import lm_eval.utils

    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda results: None)
    hash_of_lm_eval = lm_eval.evaluator.get_git_commit_hash
    monkeypatch.setattr(lm_eval.evaluator, "get_git_commit_hash", hash_of_lm_eval)
    monkeypatch.setattr(lm_eval.utils, "setup_logging", lambda level: None)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    yield
    for name in ("rubricbeat", "lm_eval"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(script=lambda seen: completion(f"kind answer to {seen.prompt}")) as server:
        yield server


def endpoint(server: Loopback) -> list[str]:
    address = f"base_url={server.url}/chat/completions"
    args = ["model=org/fake", address, "max_retries=1"]
    return ["--model", "local-chat-completions", "--model_args", ",".join(args)]


def on(rows: Path, *words: str) -> list[str]:
    return ["run", "--tasks", "rubric_judge", "--data", str(rows), *words]


def results_in(folder: Path) -> dict:
    (path,) = folder.rglob("results_*.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_chat_endpoint_is_asked_judged_and_written_as_lm_eval_writes(
    rows, server, tmp_path, capsys
):
    out = tmp_path / "out"
    words = [*endpoint(server), "--judge", "constant", "--output_path", str(out), "--all"]
    code = main(on(rows, *words))
    printed = capsys.readouterr().out
    assert code == 0
    assert "org/fake scores 1.00" in printed and "pass_strict" in printed
    written = sorted(path for path in out.rglob("*") if path.is_file())
    assert [path.parent.name for path in written] == ["org__fake"] * 2
    assert all(str(path) in printed for path in written)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in written)
    results = results_in(out)
    assert results["results"]["rubric_judge"]["score,none"] == 1.0
    assert results["model_name"] == "org/fake"
    samples = written[1].read_text(encoding="utf-8").splitlines()
    assert json.loads(samples[0])["resps"] == [["kind answer to user: question 0"]]


def test_a_model_without_torch_loads_none_and_fetches_no_tokenizer(rows, tmp_path):
    out = tmp_path / "out"
    words = on(rows, "--model", "dummy", "--judge", "constant", "--output_path", str(out))
    code = (
        "import sys; from rubricbeat.harness.cli import main;"
        f"code = main({words!r});"
        "heavy = {'torch', 'transformers', 'matplotlib'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = results_in(out)
    assert results["config"]["torch_seed"] == 1234
    assert "did not load" in results["pretty_env_info"]
    assert results["transformers_version"] not in {"", None}


def test_a_torch_that_is_loaded_is_seeded():
    import torch

    run._seed_torch(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_baselines_are_scored_beside_the_model(rows, server, tmp_path, caplog, capsys):
    out = tmp_path / "out"
    words = ["--judge", "constant", "--baselines", "--output_path", str(out)]
    assert main(on(rows, *endpoint(server), *words)) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "baseline__constant",
        "baseline__empty",
        "baseline__reference",
        "baseline__stuffed",
        "org__fake",
    ]
    # a judge that says yes to all puts an empty answer level with the model
    assert "baseline:empty scores 1.000, the model 1.000" in caplog.text
    found = results_in(out / "baseline__empty")
    assert found["config"]["model"] == found["model_name"] == "baseline:empty"


def test_a_model_above_the_sanity_rows_is_not_warned_of(rows, server, caplog):
    words = ["--judge", "rubricbeat.judges.backends.scripted:ScriptedJudge", "--baselines"]
    assert main(on(rows, *endpoint(server), *words, "--judge_args", "script=false")) == 0
    assert (
        "no better than this baseline" not in caplog.text
    )  # nobody scores: no sanity row is above


def test_two_stages_judge_the_kept_answers(rows, server, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    answer = ["--predict_only", "--output_path", str(first), "--gen_kwargs", "max_gen_toks=7"]
    assert main(on(rows, *endpoint(server), *answer)) == 0
    n_answered = server.n_requests
    judge = ["--responses", str(first), "--judge", "constant", "--output_path", str(second)]
    assert main(on(rows, *judge)) == 0
    assert server.n_requests == n_answered
    results = results_in(second)
    assert results["model_name"] == "org/fake"
    assert results["results"]["rubric_judge"]["n_scored,none"] == 4
    config = results["configs"]["rubric_judge"]
    assert config["generation_kwargs"]["max_gen_toks"] == 7
    assert config["metadata"]["responses"].startswith("samples_rubric_judge_")


def test_answers_of_a_run_that_broke_off_are_not_asked_for_again(rows, server, tmp_path, capsys):
    out = tmp_path / "out"
    words = on(rows, *endpoint(server), "--judge", "constant", "--output_path", str(out))
    good = server.script
    server.script = lambda seen: Reply(status=500) if "question 3" in seen.prompt else good(seen)
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "the answers so far are kept: run the same command again" in error
    n_before = server.n_requests
    server.script = good
    assert main(words) == 0
    assert server.n_requests < n_before + 4
    assert results_in(out)["results"]["rubric_judge"]["n_scored,none"] == 4
    assert not (out / ".unfinished_answers").exists()


def test_a_judge_that_cannot_answer_leaves_the_answers_on_disk(
    rows, server, tmp_path, capsys, monkeypatch
):
    from rubricbeat.judges.errors import ConfigError

    class Broken:
        judge = None

        def grade(self, answers):
            raise ConfigError("the judge's key is refused")

        def facts(self):
            return {"name": "broken"}

        def close(self):
            pass

    monkeypatch.setattr("rubricbeat.tasks.rubric_task.open_grader", lambda options, seed: Broken())
    out = tmp_path / "out"
    assert main(on(rows, *endpoint(server), "--judge", "constant", "-o", str(out))) == 2
    printed = capsys.readouterr()
    assert "the judge's key is refused" in printed.err
    (samples,) = out.rglob("samples_*.jsonl")
    assert str(samples) in printed.out
    assert "kind answer" in samples.read_text(encoding="utf-8")


def test_repeats_of_the_first_stage_are_judged_each(rows, server, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    answer = ["--predict_only", "--repeats", "3", "--output_path", str(first)]
    assert main(on(rows, *endpoint(server), *answer)) == 0
    judge = ["--responses", str(first), "--judge", "constant", "--output_path", str(second)]
    assert main(on(rows, *judge)) == 0
    results = results_in(second)
    assert results["results"]["rubric_judge"]["n_asked,none"] == 12
    assert results["configs"]["rubric_judge"]["repeats"] == 3


def test_the_runs_seed_reaches_judge_and_bootstrap(rows, monkeypatch, tmp_path):
    import rubricbeat.tasks.rubric_task as module

    seeds = []
    real = module.open_grader
    monkeypatch.setattr(
        module, "open_grader", lambda options, seed: seeds.append(seed) or real(options, seed=seed)
    )
    words = ["--model", "baseline:empty", "--judge", "constant", "--seed", "7"]
    assert main(on(rows, *words, "--output_path", str(tmp_path / "out"))) == 0
    assert seeds == [7]
    metadata = results_in(tmp_path / "out")["configs"]["rubric_judge"]["metadata"]
    assert metadata["seed"] == 7


def test_an_unfinished_judging_exits_1(rows, server, tmp_path):
    # one verdict of four may be asked for: the rest is skipped and can be had by running again
    words = ["--judge", "rubricbeat.judges.backends.scripted:ConstantJudge"]
    words += ["--judge_args", "max_calls=1"]
    assert main(on(rows, *endpoint(server), *words)) == 1


def test_a_run_that_scored_nothing_exits_1(rows, server, caplog):
    # of 6 points 5 have no predicate, which is too many for a score
    told = {"criterion": "Says kind", "points": 1, "tags": [], "check": {"says": ["kind"]}}
    lines = [{**row, "rubrics": [*row["rubrics"], told]} for row in ROWS]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert main(on(rows, *endpoint(server), "--judge", "keyword")) == 1
    assert "4 of 8 verdicts are missing: 4 x skipped: " in caplog.text


@pytest.mark.parametrize("limit", [[], ["--limit", "4"]])
def test_rows_that_the_judge_cannot_grade_are_known_before_an_answer_is_asked_for(
    rows, server, capsys, limit
):
    if limit:  # the only predicate stands in a row that is not asked about
        last = {**ROWS[0], "prompt_id": "p9", "prompt": [{"role": "user", "content": "other"}]}
        check = {"criterion": "Says kind", "points": 1, "tags": [], "check": {"says": ["kind"]}}
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**last, "rubrics": [check]}) + "\n")
    assert main(on(rows, *endpoint(server), "--judge", "keyword", *limit)) == 2
    assert "judge keyword: none of the 4 rubrics has a criterion with a 'check'" in (
        capsys.readouterr().err
    )
    assert server.n_requests == 0


def test_empty_answers_to_most_prompts_end_with_1_and_are_kept(rows, server, tmp_path, caplog):
    out = tmp_path / "out"
    server.script = lambda seen: completion("a word" if "question 3" in seen.prompt else " ")
    assert main(on(rows, *endpoint(server), "--judge", "constant", "-o", str(out))) == 1
    assert "3 of 4 answers are empty and are judged as such (more than half" in caplog.text
    assert results_in(out)["results"]["rubric_judge"]["n_scored,none"] == 4
    again = ["--responses", str(out), "--judge", "constant", "-o", str(tmp_path / "again")]
    assert main(on(rows, *again)) == 1, "the same answers again"


def test_half_of_the_answers_may_be_empty(rows, server):
    server.script = lambda seen: completion("" if seen.prompt[-1] in "01" else "a word")
    assert main(on(rows, *endpoint(server), "--judge", "constant")) == 0


@pytest.mark.parametrize(
    ("path", "is_odd"),
    [("", True), ("/", True), ("/completions", True), ("/chat/completions?api-version=1", False)],
)
def test_an_address_that_is_not_for_chats_is_told_before_it_is_asked(
    rows, server, caplog, path, is_odd
):
    args = f"model=org/fake,base_url={server.url}{path},max_retries=1"
    main(on(rows, "--model", "local-chat-completions", "--model_args", args, "--judge", "constant"))
    assert ("does not end in /chat/completions" in caplog.text) is is_odd


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--tasks", "healthbench_hart"], "unknown task 'healthbench_hart'; did you mean 'health"),
        (["--model", "dumy"], "unknown model 'dumy'; did you mean 'dummy'?"),
        (["--model", "baseline:emty"], "unknown baseline 'emty'; did you mean 'empty'?"),
        (["--judge", "keywrod"], "unknown judge 'keywrod'; did you mean 'keyword'"),
        (["--data", "nowhere.jsonl"], "nowhere.jsonl: no such file or folder"),
        (["--limit", "0"], "--limit is 0.0"),
        (["--seed", "x"], "--seed is 'x'"),
        (["--repeats", "0"], "repeats is 0"),
        (["--metadata", "juge=x"], "unknown key 'juge'; did you mean 'judge'?"),
        (["--samples", "[1]"], "--samples: give a JSON object"),
        (["--samples", "{}"], "--samples: give a JSON object"),
        (["--samples", '{"rubric_judge": 3}'], "--samples: rubric_judge is 3; give rows by number"),
        (["--samples", '{"rubric_judge": []}'], "--samples: rubric_judge is []; give rows"),
        (["--samples", '{"rubric_judge": [0, "a"]}'], "--samples: rubric_judge is [0, 'a']"),
        (["--samples", '{"rubric_judge": [-1]}'], "--samples: rubric_judge is [-1]; give rows"),
        (
            ["--samples", '{"rubric_judge": [0, 99]}'],
            "--samples: rubric_judge has no row 99; the",
        ),
        (["--samples", '{"rubric_juge": [0]}'], "'rubric_juge'; did you mean 'rubric_judge'?"),
        (["--include_path", "nowhere"], "--include_path nowhere: no such folder"),
        (["--predict_only"], "give --output_path"),
        (["--cache_requests"], "--cache_requests is not safe"),
        (["--model_args", "api_key=sk-secret"], "--model_args api_key: keys come from the env"),
        (["--judge_args", "a=1", "--judge", ""], "--judge_args needs --judge"),
        (["--verbosity", "loud"], "--verbosity is 'LOUD'"),
        (
            ["--model", "local-chat-completions", "--model_args", "base_url=http://127.0.0.1:9/v1"],
            "nothing answers at 127.0.0.1:9",
        ),
        (["--model", "local-chat-completions"], "no address; add base_url to --model_args"),
        (
            ["--apply_chat_template", "false", "--model", "local-chat-completions"],
            "takes messages: remove --apply_chat_template false",
        ),
        (["--model", ""], "no model: name its type by --model"),
        (["--responses", "nowhere"], "responses: nowhere: no such file or folder"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_2(rows, words, line, capsys):
    given = {"--tasks": "rubric_judge", "--data": str(rows), "--judge": "constant"}
    if words[0] != "--responses":
        given["--model"] = "baseline:empty"
    base = [word for pair in given.items() if pair[0] not in words for word in pair]
    assert main(["run", *base, *words]) == 2
    printed = capsys.readouterr()
    said = [text for text in printed.err.splitlines() if text.startswith("rubricbeat")]
    assert len(said) == 1 and line in said[0]
    assert "sk-secret" not in printed.err
    assert printed.out == ""


def test_a_folder_that_is_no_repository_is_nothing_to_complain_of(
    rows, capfd, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(on(rows, "--model", "baseline:constant", "--judge", "constant")) == 0
    assert "git" not in capfd.readouterr().err


def test_an_output_that_cannot_be_written_is_known_before_an_answer_is_paid_for(
    rows, server, tmp_path, capsys
):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    words = ["--judge", "constant", "--output_path", str(tmp_path / "file" / "out")]
    assert main(on(rows, *endpoint(server), *words)) == 2
    assert "out: cannot write there" in capsys.readouterr().err
    assert server.seen == []


def test_a_model_that_is_not_there_is_one_line(rows, capsys, tmp_path):
    words = ["--model", "hf", "--model_args", f"pretrained={tmp_path / 'gone'}", "--device", "cpu"]
    assert main(on(rows, *words, "--judge", "constant")) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "--model hf:" in line]
    assert len(said) == 1


def test_a_transformers_model_runs_on_a_machine_without_a_gpu_and_without_a_flag(
    rows, capsys, tmp_path
):
    pytest.importorskip("transformers")
    from rubricbeat.harness.training.policy.small_models import build_model, build_tokenizer

    tokenizer = build_tokenizer(["yes no"])
    build_model(tokenizer, seed=1).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    words = ["--model", "hf", "--model_args", f"pretrained={tmp_path / 'tiny'}"]
    words += ["--gen_kwargs", "max_gen_toks=2", "--judge", "constant", "--apply_chat_template"]
    assert main(on(rows, *words)) == 1, "what it says is nothing but marks: its answers are empty"
    assert "4 of 4" in capsys.readouterr().out


def test_a_missing_key_is_one_line(rows, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    words = ["--model", "openai-chat-completions", "--model_args", "model=m", "--judge", "constant"]
    assert main(on(rows, *words)) == 2
    assert "no key; set OPENAI_API_KEY" in capsys.readouterr().err


def test_a_bad_row_is_named_and_left_out_unless_strict(rows, capsys, caplog):
    with rows.open("a", encoding="utf-8") as file:
        file.write("{not json\n")
    words = ["--model", "baseline:constant", "--judge", "constant"]
    assert main(on(rows, *words)) == 0
    assert "1 of 5 rows excluded: row 5" in caplog.text
    assert main(on(rows, *words, "--strict")) == 2
    assert "row 5" in capsys.readouterr().err


def test_the_tasks_folder_is_printed(capsys):
    assert main(["tasks-dir"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "healthbench_heart.yaml").is_file()


def test_an_answer_that_is_null_ends_a_run_with_1(rows, tmp_path, caplog):
    said = tmp_path / "said.jsonl"
    ids = [json.loads(line)["prompt_id"] for line in rows.read_text("utf-8").splitlines()]
    lines = [json.dumps({"prompt_id": i, "completion": "x" if i != ids[0] else None}) for i in ids]
    said.write_text("\n".join(lines), encoding="utf-8")
    words = ["--responses", str(said), "--judge", "constant"]
    assert main(on(rows, *words)) == 1
    assert "1 of 4 verdicts are missing: 1 x skipped: no recorded answer" in caplog.text
    assert main(on(rows, *words, "--allow-missing", "0.25")) == 0


def test_missing_verdicts_end_a_run_with_1_and_their_reason_unless_they_are_allowed(
    rows, server, tmp_path, caplog
):
    def script(seen):
        if "kind answer" not in seen.prompt:
            return completion(f"kind answer to {seen.prompt}")
        if "question 0" in seen.prompt:
            return Reply(403, b'{"error": "Content violates usage guidelines"}')
        return completion('{"explanation": "", "criteria_met": true}')

    server.script = script
    options = f"model=m,base_url={server.url},store=none"
    words = [*endpoint(server), "--judge", "chat", "--judge_args", options]
    assert main(on(rows, *words, "--output_path", str(tmp_path / "out"))) == 1
    assert "1 of 4 verdicts are missing: 1 x refused: " in caplog.text
    assert "usage guidelines" in caplog.text
    facts = results_in(tmp_path / "out")["configs"]["rubric_judge"]["metadata"]
    assert facts["complete"] is False and facts["missing_verdicts"] == 1
    assert main(on(rows, *words, "--allow-missing", "0.25")) == 0
    assert main(on(rows, *words, "--allow-missing", "2")) == 2
    # a setting that is refused ends it with 2; the answers are written
    server.script = lambda seen: (
        Reply(400, b'{"message": "temperature is not taken"}')
        if "kind answer" in seen.prompt
        else completion("kind answer")
    )
    assert main(on(rows, *words, "--output_path", str(tmp_path / "refused"))) == 2
    assert len(list((tmp_path / "refused").rglob("samples_*.jsonl"))) == 1


def test_arguments_of_the_model_are_what_it_takes(rows, server, tmp_path):
    server.keeps_requests = True
    address = f"model=007,base_url={server.url}/chat/completions,max_retries=1,num_concurrent=2"
    words = ["--model", "local-chat-completions", "--model_args", address, "--judge", "constant"]
    kwargs = ["--gen_kwargs", "temperature=0.5,until=['a,b'],reasoning_effort=none"]
    assert main(on(rows, *words, *kwargs)) == 0
    sent = server.seen[0].body
    assert sent["model"] == "007" and sent["stop"][0] == "a,b"
    assert (sent["temperature"], sent["reasoning_effort"]) == (0.5, "none")


@pytest.mark.parametrize("name", ["org__fake", "baseline__empty"])
@pytest.mark.parametrize("is_link", [True, False])
def test_what_lies_in_the_place_of_a_models_folder_is_found_before_the_first_call(
    name, is_link, rows, server, tmp_path, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    place = out / sanitized(name.replace("baseline__", BASELINE_PREFIX))
    place.symlink_to(tmp_path / "nothing") if is_link else place.write_text("", encoding="utf-8")
    words = [*endpoint(server), "--judge", "constant", "--output_path", str(out)]
    assert main(on(rows, *words, "--baselines")) == 2
    assert f"--output {place}: cannot write there" in capsys.readouterr().err
    assert server.n_requests == 0
