"""lm-eval over two processes gives what one process gives: scores, intervals, samples, accounts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from waiting import HANG_S

from rubricbeat.harness.training.reward.graders import accelerate_folder
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.errors import ConfigError
from rubricbeat.tasks.lm_eval_adapter import gathered

pytestmark = pytest.mark.border

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny random model, and five made-up rows: an odd number for two ranks."""
    from rubricbeat.harness.training.policy.small_models import build_model, build_tokenizer

    made = tmp_path_factory.mktemp("ranks")
    rows = [
        {
            "prompt_id": f"made-up-{n}",
            "prompt": [{"role": "user", "content": f"question {n} about coffee and sleep {n}"}],
            "rubrics": [
                {"criterion": f"item {i} of {n}", "points": i + 1, "tags": []} for i in range(3)
            ],
            "example_tags": [f"theme:{n % 2}"],
        }
        for n in range(5)
    ]
    (made / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    tokenizer = build_tokenizer([row["prompt"][0]["content"] for row in rows])
    tokenizer.save_pretrained(made / "model")
    build_model(tokenizer, seed=1).save_pretrained(made / "model")
    return made


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.skipif(
    version("transformers").startswith("4."),
    reason="transformers 4 reads no weights onto the device that lm-eval gives a CPU's rank",
)
def test_two_processes_give_what_one_process_gives(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import evaluate_ranks

    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda results: None)
    evaluate_ranks.run(folder, "1", evaluate_ranks.Ranked)
    config = accelerate_folder() / "cpu_gloo.yaml"
    words = ["-m", "accelerate.commands.launch", "--config_file", str(config)]
    words += ["--main_process_port", free_port(), evaluate_ranks.__file__, str(folder)]
    more = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same(folder, "launched")
    # as lm-eval runs without GPUs: every process has every document, and one asks the judge
    asked = [(folder / f"asked-spare-{rank}").read_text() for rank in (0, 1)]
    assert asked == ["12", "0"]
    one, two = (json.loads((folder / f"{name}.json").read_text()) for name in ("1", "spare"))
    assert one["results"]["rubric_judge"] == two["results"]["rubric_judge"]


def assert_same(folder: Path, name: str) -> None:
    """Compare what ranks say with what one process says: scores, samples, the judge's account."""
    one, two = (json.loads((folder / f"{n}.json").read_text()) for n in ("1", name))
    # made-up-1 gets no verdict: of the others each rank asks about its own, and no other
    asked = [(folder / f"asked-{rank}").read_text() for rank in ("1-0", f"{name}-0", f"{name}-1")]
    assert asked == ["12", "9", "3"]
    assert one["results"]["rubric_judge"] == two["results"]["rubric_judge"]
    assert 0 < one["results"]["rubric_judge"]["score,none"] < 1
    samples = [
        {sample["doc"]["prompt_id"]: sample for sample in each["samples"]["rubric_judge"]}
        for each in (one, two)
    ]
    assert samples[0].keys() == samples[1].keys()
    for prompt_id, ours in samples[1].items():
        theirs = samples[0][prompt_id]
        for field in ("filtered_resps", "score", "doc_id"):
            assert ours[field] == theirs[field]
    metadata = [each["configs"]["rubric_judge"]["metadata"] for each in (one, two)]
    for fact in ("asked", "missing", "outcomes", "calls"):
        assert metadata[0]["judge"][fact] == metadata[1]["judge"][fact], fact
    assert metadata[0]["judge"]["asked"] == 15
    assert metadata[1]["n_answers"] == 5


def test_a_process_that_repeats_another_ones_work_does_not_ask_the_judge(
    evaluate, fake_model, monkeypatch
):
    # as under torchrun: every process has every document, and the first one's results count
    monkeypatch.setenv("LOCAL_RANK", "1")
    judge = ScriptedJudge(True)
    evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": judge})
    assert judge.asked == []


def test_more_ranks_than_documents_are_refused_on_every_rank(evaluate, fake_model):
    for rank in (0, 1):
        model = fake_model(lambda doc, n: "x")
        model._rank, model._world_size = rank, 2
        with pytest.raises(ConfigError, match="1 documents cannot be dealt out to 2 processes"):
            evaluate(model, limit=1)


def test_alone_there_is_nothing_to_gather():
    assert gathered("mine", 1) == ["mine"]
    # a model that says it has ranks, and no process group
    assert gathered("mine", 2) == ["mine"]


def test_each_rank_has_its_share_of_the_judges_limits(evaluate, fake_model, monkeypatch):
    from rubricbeat.tasks.rubric_task import RubricTask

    shares = []
    opened = RubricTask.open_judge

    def open_judge(task):
        task._rank, task._world_size = 1, 2
        opened(task)
        shares.append(task._grader.options)
        task._world_size = 1

    monkeypatch.setattr(RubricTask, "open_judge", open_judge)
    options = {"name": "constant", "max_concurrency": 5, "requests_per_minute": 60}
    evaluate(fake_model(lambda doc, n: "x"), metadata={"judge": options})
    assert [(each.max_concurrency, each.requests_per_minute) for each in shares] == [(2, 30)]
    with pytest.raises(ConfigError, match="use 1 workers"):
        evaluate(
            fake_model(lambda doc, n: "x"),
            metadata={"judge": {"name": "constant", "max_concurrency": 1}},
        )
