"""lm-eval over two processes gives what one process gives: scores, intervals, samples, accounts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rubricbeat.harness.training.world import accelerate_folder
from rubricbeat.judges.backends.scripted import ScriptedJudge
from rubricbeat.judges.errors import ConfigError
from rubricbeat.tasks.ranks import gathered

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

COMMON = """
    import hashlib, json, os, sys
    from pathlib import Path
    folder = Path(sys.argv[1])
    import lm_eval.evaluator
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from rubricbeat.judges.backends.scripted import ScriptedJudge
    from rubricbeat.tasks.folder import tasks_folder
    lm_eval.evaluator.add_env_info = lambda results: None

    class Ranks(HFLM):
        # as HFLM is with several GPUs; without one it leaves the ranks alone (0.4.13)
        def __init__(self, **options):
            super().__init__(**options)
            if "RANK" in os.environ:
                from accelerate import Accelerator

                self.accelerator = Accelerator()
                self._rank = self.accelerator.process_index
                self._world_size = self.accelerator.num_processes

    n_asked = 0

    def says(question):
        global n_asked
        if question.example.prompt_id == "made-up-1":
            return None
        n_asked += 1
        words = question.criterion.text + question.answer
        return hashlib.sha1(words.encode()).digest()[0] % 2 == 0

    def run(name, model):
        manager = TaskManager(
            include_path=str(tasks_folder()), include_defaults=False,
            metadata={"data": str(folder / "rows.jsonl"), "judge": ScriptedJudge(says)},
        )
        results = simple_evaluate(
            model=model(pretrained=str(folder / "model"), device="cpu", batch_size=1),
            tasks=["rubric_judge"], task_manager=manager, apply_chat_template=True,
            gen_kwargs={"max_gen_toks": 8},
        )
        rank = os.environ.get("RANK", "0")
        (folder / f"asked-{name}-{rank}").write_text(str(n_asked))
        if results is not None:
            keep = {key: results[key] for key in ("results", "configs", "samples")}
            (folder / f"{name}.json").write_text(json.dumps(keep, default=str))
"""
FORKED = """
    port = sys.argv[2]
    for n_ranks in (1, 2):  # a process for each rank; the imports are paid for once
        children = []
        for rank in range(n_ranks):
            child = os.fork()
            if child == 0:
                if n_ranks > 1:
                    os.environ.update(
                        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(n_ranks),
                        LOCAL_WORLD_SIZE=str(n_ranks), MASTER_ADDR="127.0.0.1",
                        MASTER_PORT=port,
                    )
                code = 1
                try:
                    run(n_ranks, Ranks)
                    code = 0
                except BaseException as error:
                    print(repr(error), file=sys.stderr)
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            children.append(child)
        if any([os.waitpid(child, 0)[1] for child in children]):
            sys.exit(1)
"""
LAUNCHED = """
    run("launched", Ranks)
    n_asked = 0
    run("spare", HFLM)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny random model, and five made-up rows: an odd number for two ranks."""
    from rubricbeat.harness.training.tiny_model import build_model, build_tokenizer

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


def finish(*words: str) -> None:
    more = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **more, "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def forked(folder: Path) -> Path:
    """What one process says, and what two say that we started ourselves."""
    finish("-c", textwrap.dedent(COMMON) + textwrap.dedent(FORKED), str(folder), free_port())
    return folder


def test_two_ranks_give_what_one_process_gives(forked):
    assert_same(forked, "2")


def test_accelerates_own_launcher_gives_what_one_process_gives(forked):
    script = forked / "evaluate.py"
    script.write_text(textwrap.dedent(COMMON) + textwrap.dedent(LAUNCHED))
    config = accelerate_folder() / "cpu_gloo.yaml"
    finish(
        "-m", "accelerate.commands.launch", "--config_file", str(config),
        "--main_process_port", free_port(), str(script), str(forked),
    )  # fmt: skip
    assert_same(forked, "launched")
    # as lm-eval runs without GPUs: every process has every document, and one asks the judge
    asked = [(forked / f"asked-spare-{rank}").read_text() for rank in (0, 1)]
    assert asked == ["12", "0"]
    one, two = (json.loads((forked / f"{name}.json").read_text()) for name in ("1", "spare"))
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
