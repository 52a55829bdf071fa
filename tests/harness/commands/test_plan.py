"""`rubricbeat plan`, as a user calls it, and held to a run that was really made."""

from __future__ import annotations

import json
import random

import pytest
from loopback import Loopback

from rubricbeat.harness.cli import main
from rubricbeat.judges.answer import Answer
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

SIZE = ["--rows", "5000", "--samples", "16", "--criteria", "12"]
WITHIN = 0.2


def planned(capsys, *words: str) -> dict:
    assert main(["plan", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "RUBRICBEAT_PRICES"):
        monkeypatch.delenv(name, raising=False)


def text(rng: random.Random, tokens: int) -> str:
    """Words of four bytes with their space: a token each, as plans count them."""
    return "".join(
        f"{rng.choice('abcdefgh')}{rng.choice('aeiou')}{rng.choice('lmnrst')} "
        for _ in range(tokens)
    )


def made_up(rows: int, samples: int, criteria: int) -> list[Answer]:
    rng = random.Random(7)
    answers = []
    for row in range(rows):
        rubric = Rubric(
            tuple(Criterion(text(rng, 50), 5.0, Polarity.DESIRABLE) for _ in range(criteria))
        )
        example = Example(f"made-up-{row}", (Message("user", text(rng, 250)),), rubric)
        answers += [Answer(example, text(rng, 500), repeat) for repeat in range(samples)]
    return answers


@pytest.mark.parametrize("shape", ["healthbench", "prefix", "grouped"])
def test_calls_and_tokens_of_a_measured_run_are_within_a_fifth_of_the_plan(shape, capsys):
    group = ["group_size=all"] if shape == "grouped" else []
    options = {"name": "chat", "model": "gpt-4.1", "shape": shape, "store": False}
    if group:
        options["group_size"] = "all"
    with Loopback() as server, open_grader({**options, "base_url": server.url}) as grader:
        grader.grade(made_up(6, 2, 5))
        facts = grader.facts()
    plan = planned(
        capsys, "--rows", "6", "--samples", "2", "--criteria", "5", "--judge", "chat",
        "--judge_args", ",".join(["model=gpt-4.1", f"shape={shape}", *group]),
        "--reply_tokens", str(facts["tokens"]["completion"] / 60),
    )  # fmt: skip
    whole = plan["scales"][-1]
    assert whole["calls"] == facts["calls"]
    assert whole["prompt_tokens"] == pytest.approx(facts["tokens"]["prompt"], rel=WITHIN)
    assert whole["usd"] == pytest.approx(facts["cost_usd"], rel=WITHIN)


def test_a_pilot_foretells_tokens_and_money_of_the_whole_and_says_its_latency(tmp_path, capsys):
    answers = made_up(20, 1, 6)
    args = "model=gpt-4o-mini,max_concurrency=8"
    with Loopback() as server:
        for name, some in (("pilot", answers[:4]), ("whole", answers)):
            rows, said = (tmp_path / f"{name}.{kind}.jsonl" for kind in ("rows", "said"))
            rows.write_text("".join(f"{json.dumps(example_to_row(a.example))}\n" for a in some))
            said.write_text(
                "".join(
                    json.dumps({"prompt_id": a.example.prompt_id, "completion": a.text}) + "\n"
                    for a in some
                )
            )
            code = main([
                "judge", "--data", str(rows), "--responses", str(said), "--judge", "chat",
                "--judge_args", f"{args},base_url={server.url}", "--store", "none",
                "--output_path", str(tmp_path / name), "--json",
            ])  # fmt: skip
            assert code == 0
            facts = json.loads(capsys.readouterr().out)["judge"]
    # what the pilot took depends on the machine: put down that each call of it took .2 s
    [results] = (tmp_path / "pilot").rglob("results_*.json")
    said = json.loads(results.read_text())
    for each in said["configs"].values():
        each["metadata"]["judge"]["latency_s"]["p50"] = 0.2
    results.write_text(json.dumps(said))
    plan = planned(
        capsys, "--rows", "20", "--criteria", "6", "--judge", "chat", "--judge_args", args,
        "--pilot", str(tmp_path / "pilot"),
    )  # fmt: skip
    whole = plan["scales"][-1]
    assert whole["calls"] == facts["calls"] == 120
    assert whole["prompt_tokens"] == pytest.approx(facts["tokens"]["prompt"], rel=WITHIN)
    assert whole["reply_tokens"] == pytest.approx(facts["tokens"]["completion"], rel=WITHIN)
    assert whole["usd"] == pytest.approx(facts["cost_usd"], rel=WITHIN)
    # the last of 120 calls, eight at a time, begins somewhere in the fifteenth round
    assert whole["seconds"] == pytest.approx((119 / 8 + 1) * 0.2)


def test_a_pilot_of_another_judge_is_refused(tmp_path, capsys):
    judge = {"digest": "0" * 64, "calls": 3, "tokens": {"prompt": 9, "completion": 3},
             "outcomes": {"met": 3}}  # fmt: skip
    results = {"configs": {"judged": {"metadata": {"judge": judge}}}}
    (tmp_path / "results_x.json").write_text(json.dumps(results))
    words = [*SIZE, "--judge", "chat", "--judge_args", "model=m", "--pilot", str(tmp_path)]
    assert main(["plan", *words]) == 2
    assert "another judge" in capsys.readouterr().err
    judge["calls"] = 0
    (tmp_path / "results_x.json").write_text(json.dumps(results))
    assert main(["plan", *words]) == 2
    assert "judge calls" in capsys.readouterr().err


def test_every_assumption_is_printed_and_an_unknown_price_is_a_dash(capsys):
    assert main(["plan", *SIZE, "--judge", "chat", "--judge_args", "model=nobody-knows"]) == 0
    out = capsys.readouterr().out
    for name in ("latency_s", "prompt_tokens", "answer_tokens", "criterion_tokens", "reuse"):
        assert f"{name} = " in out
    assert "price of nobody-knows = \N{EN DASH} (unknown" in out
    assert "$" not in out
    plan = planned(capsys, *SIZE, "--judge", "chat", "--judge_args", "model=nobody-knows")
    assert [scale["rows"] for scale in plan["scales"]] == [50, 500, 5000]
    assert all(scale["usd"] is None for scale in plan["scales"])
    assert plan["scales"][-1]["verdicts"] == 960_000


def test_gpus_of_unknown_speed_have_no_time_and_of_known_speed_have_one(capsys):
    words = [*SIZE, "--judge", "vllm", "--judge_args", "model=m", "--gpus", "8"]
    assert planned(capsys, *words)["scales"][-1]["seconds"] is None
    plan = planned(capsys, *words, "--gpu_speed", "20000,2500", "--gpu_price", "2.5")
    assert plan["scales"][-1]["bound_by"] == "gpus"
    assert plan["scales"][-1]["usd_gpus"] > 0


def test_a_speed_that_nobody_measured_stays_unknown_and_says_how_to_measure_it(capsys):
    plan = planned(capsys, *SIZE, "--judge", "vllm", "--judge_args", "model=m")
    assert plan["judge"] == "vllm"
    assert [scale["seconds"] for scale in plan["scales"]] == [None] * 3
    notes = {each["name"]: each for each in plan["assumptions"]}
    assert notes["prompt_tokens_per_s"]["value"] is None
    assert "measure it" in notes["reply_tokens_per_s"]["source"]
    assert "latency_s" not in notes  # an endpoint's guess says nothing of one's own device


def test_a_batch_has_no_time_of_its_own(capsys):
    plan = planned(capsys, *SIZE, "--judge", "batch", "--judge_args", "model=gpt-4.1")
    assert [scale["seconds"] for scale in plan["scales"]] == [None] * 3
    notes = {each["name"]: each["source"] for each in plan["assumptions"]}
    assert "within a day" in notes["latency_s"]
    assert "half" in notes["price of gpt-4.1"]


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        '{"configs": [1]}',
        '{"configs": {"t": 1}}',
        '{"configs": {"t": {"metadata": {"judge": {"calls": "x", "tokens": {"prompt": 1}}}}}}',
        '{"configs": {"t": {"metadata": {"judge": {"calls": 1, "tokens": [1]}}}}}',
        "[" * 100_000,
        "\ud83d",
    ],
)
def test_a_pilot_that_is_none_is_one_line(tmp_path, capsys, text):
    (tmp_path / "results_x.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    words = [*SIZE, "--judge", "chat", "--judge_args", "model=m", "--pilot", str(tmp_path)]
    assert main(["plan", *words]) == 2
    error = capsys.readouterr().err
    assert "--pilot" in error
    assert error.count("\n") == 1


def test_a_free_judge_makes_no_call_and_costs_nothing(capsys):
    whole = planned(capsys, *SIZE, "--judge", "keyword")["scales"][-1]
    assert (whole["calls"], whole["usd"]) == (0, 0)


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--gpu_speed", "fast"], "gpu_speed"),
        (["--latency", "0"], "latency"),
        (["--rows", "0"], "rows"),
        (["--gpus", "-1"], "gpus"),
        (["--rows", str(10**12)], "rows"),
        (["--criteria", "inf"], "criteria"),
        (["--criteria", "nan"], "criteria"),
        (["--prompt_tokens", "inf"], "prompt"),
        (["--gpus", "1", "--gpu_price", "nan"], "gpu_price"),
        (["--gpus", "1", "--gpu_speed", "inf,1"], "gpu_speed"),
        (["--gpu_speed", "20000,2500"], "--gpus"),
        (["--pilot", "nowhere"], "no such file"),
        (["--judge_args", "replicates=x"], "replicates"),
        (["--until_decided", "95"], "such as 0.95"),
        (["--until_decided", "--models", "1"], "--models 1"),
        (["--until_decided", "--spread", "0"], "--spread"),
        (["--until_decided", "--sequence", "betting"], "--sequence"),
        (["--models", "3"], "add --until_decided or --until_width"),
        (["--spread", "0.3"], "add --until_decided or --until_width"),
    ],
)
def test_a_wrong_flag_is_named_in_one_line(extra, named, capsys):
    assert main(["plan", *SIZE, "--judge", "keyword", *extra]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_stopping_early_costs_its_share_of_the_whole(capsys):
    words = (
        "--rows",
        "2000",
        "--criteria",
        "10",
        "--judge",
        "chat",
        "--judge_args",
        "model=gpt-4.1",
    )
    found = planned(capsys, *words, "--until_decided")
    small, *_, large = found["until"]
    assert (small["difference"], small["n"], small["share"]) == (0.02, None, 1.0)
    assert 10 <= large["n"] < 100
    assert large["share"] == large["n"] / 2000
    assert main(["plan", *words, "--until_decided"]) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    # ten criteria of the answers of two models: twenty calls a prompt
    assert last[:3] == ["0.2", str(large["n"]), f"{20 * large['n']:,}"]


@pytest.mark.parametrize("n_models", [2, 3])
def test_stopping_early_counts_the_calls_of_all_models(n_models, capsys):
    words = ("--rows", "120", "--criteria", "4", "--judge", "chat", "--judge_args", "model=gpt-4.1")
    found = planned(capsys, *words, "--until_decided", "--models", str(n_models))
    # 120 prompts of 4 criteria, an answer of each model
    assert found["scales"][-1]["calls"] == 120 * 4 * n_models
    # without a rule there are as many answers as --repeats says
    assert planned(capsys, *words)["scales"][-1]["calls"] == 480


def test_three_models_and_a_wider_spread_take_more(capsys):
    words = ("--rows", "2000", "--criteria", "10", "--judge", "keyword", "--until_decided")
    of_two, of_three, wide = (
        planned(capsys, *words, *more)["until"][-1]["n"]
        for more in ((), ("--models", "3"), ("--spread", "0.5"))
    )
    assert of_two < of_three < wide
