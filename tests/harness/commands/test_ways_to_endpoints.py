"""What stands between the command and its endpoint: addresses, proxies, certificates."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, completion

from rubricbeat.harness.cli import main
from rubricbeat.judges.backends.addresses import checked_address
from rubricbeat.judges.errors import ConfigError

REMOTE = "http://judge.invalid/v1"
"""A host that is on no machine: only a proxy could reach it."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run the command with a judge at an address; give exit code and stderr."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    rubric = [{"criterion": "Is kind", "points": 1}]
    row = {"prompt_id": "p", "prompt": "Why?", "rubric": rubric}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    answer = json.dumps({"prompt_id": "p", "completion": "So."})
    (tmp_path / "answers.jsonl").write_text(answer, encoding="utf-8")

    def run(base_url: str, **options: Any) -> tuple[int, str]:
        given = {"model": "m", "base_url": base_url, "max_retries": 0, **options}
        files = ["--data", str(tmp_path / "rows.jsonl")]
        files += ["--responses", str(tmp_path / "answers.jsonl")]
        kept = ["--store", "none", "--output_path", str(tmp_path / "out")]
        asked = ["--judge", "chat", "--judge_args", json.dumps(given)]
        code = main(["judge", *asked, *files, *kept])
        return code, capsys.readouterr().err

    return run


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port at which nothing listens, and hold it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_proxy_that_does_not_answer_is_named_and_not_the_address(judge, monkeypatch):
    with closed_port() as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{port}")
        code, told = judge(REMOTE)
    assert code == 2 and told.count("\n") == 1
    assert "the proxy does not answer" in told and "NO_PROXY=judge.invalid" in told
    assert f"127.0.0.1:{port} of HTTP_PROXY" in told
    assert "secret" not in told and "is the address right" not in told


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1080", "HTTP_PROXY names the SOCKS proxy socks5://127.0.0.1:1080"),
        ("socks5h://u:secret@h:1080", "only http:// proxies"),
        ("127.0.0.1:3128", "not an address like http://HOST:PORT"),
        ("http://", "not an address like http://HOST:PORT"),
        ("http://h:port", "not an address like http://HOST:PORT"),
    ],
)
def test_a_proxy_that_no_request_can_go_through_is_one_line(judge, monkeypatch, proxy, words):
    monkeypatch.setenv("http_proxy", proxy)
    code, told = judge(REMOTE)
    assert code == 2 and told.count("\n") == 1
    assert words in told and "secret" not in told


def test_a_proxy_that_wants_a_password_is_named(judge, monkeypatch):
    with Loopback(script=lambda seen: completion(None)) as server:
        server.script = lambda seen: type(completion(None))(407, b"")
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        code, told = judge(REMOTE)
    assert code == 2 and told.count("\n") == 1
    assert "HTTP 407" in told and "HTTP_PROXY" in told


def test_a_proxy_of_the_environment_is_not_used_on_this_machine(judge, monkeypatch):
    with Loopback(script=lambda seen: completion('{"criteria_met": true}')) as server:
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        assert judge(server.url)[0] == 0


def test_an_unknown_host_is_a_question_about_the_address(judge):
    code, told = judge(REMOTE)
    assert code == 2 and told.count("\n") == 1
    assert "judge.invalid" in told and "is the address right?" in told


@pytest.fixture
def https(tmp_path: Path) -> Iterator[str]:
    """Serve https with a certificate that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://localhost:{listener.getsockname()[1]}/v1"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_a_certificate_that_is_not_trusted_says_how_to_trust_it(judge, https):
    code, told = judge(https)
    assert code == 2 and told.count("\n") == 1
    assert "self-signed" in told and "SSL_CERT_FILE" in told


def test_https_at_a_server_that_speaks_http_says_so(judge):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        code, told = judge(f"https://127.0.0.1:{listener.getsockname()[1]}/v1")
        thread.join(10)
    assert code == 2 and told.count("\n") == 1
    assert "http:// and not https://" in told


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:8000/v1", "did you mean http://127.0.0.1:8000/v1?"),
        ("localhost:8000/v1", "did you mean http://localhost:8000/v1?"),
        ("htp://127.0.0.1/v1", "did you mean http://127.0.0.1/v1?"),
        ("http:/127.0.0.1/v1", "no address"),
        ("http://127.0.0.1:99999/v1", "no address"),
        ("http://[::1/v1", "no address"),
        ("http://127.0.0.1 :8000/v1", "no address"),
        ("http://127.0.0.1:8000\n/v1", "no address"),
        ("http://127.0.0.1:8000/v1\x00", "no address"),
        ("gpt", "give one like http://127.0.0.1:8000/v1"),
        ("", "base_url is empty"),
        (" ", "base_url is empty"),
    ],
)
def test_a_mistaken_address_is_one_line(judge, address, words):
    code, told = judge(address)
    assert code == 2 and told.count("\n") == 1
    assert words in told


@pytest.mark.parametrize(
    "path",
    ["", "/", "/chat/completions", "/chat/completions/", "/completions", "/models", "/responses"],
)
def test_an_address_that_was_pasted_whole_is_understood(path):
    assert checked_address(f" http://h:1/v1{path}") == "http://h:1/v1"


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(ConfigError) as caught:
        checked_address("http://me:secret@h/v1")
    assert "secret" not in str(caught.value)


def test_a_forgotten_v1_is_suggested(judge):
    with Loopback() as server:
        server.script = lambda seen: type(completion(None))(404, b'{"detail":"Not Found"}')
        code, told = judge(server.url.removesuffix("/v1"))
    assert code == 2 and "ends in /v1" in told


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_cannot_carry_is_one_line(tmp_path, judge, capsys, number):
    text = 'model=m,base_url=http://127.0.0.1:1/v1,extra_body={"a": [' + number + "]}"
    words = ["--judge", "chat", "--judge_args", text, "--output_path", str(tmp_path / "out")]
    files = ["--data", str(tmp_path / "rows.jsonl"), "--responses", str(tmp_path / "answers.jsonl")]
    assert main(["judge", *files, *words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{number} is no number that JSON can carry" in told
