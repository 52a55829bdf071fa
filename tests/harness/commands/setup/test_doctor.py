"""`rubricbeat doctor`: what it says of what is there, missing and broken; no key is shown."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.store.sqlite import VerdictStore

KEY = "sk-made-up-key-of-the-tests"


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers as its server's `says`: a status and a body for each path."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        status, body = server.says
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.asked, server.says = [], (200, b"{}")
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_BASE_URL", "RUBRICBEAT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUBRICBEAT_STORE", str(tmp_path / "none.sqlite"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def checked(
    capsys: pytest.CaptureFixture[str], code: int, *words: str
) -> dict[str, dict[str, str]]:
    assert main(["doctor", "--json", *words]) == code
    said = capsys.readouterr().out
    assert KEY not in said
    plain = json.loads(said)
    assert plain["ok"] == (code == 0)
    return {check["subject"]: check for check in plain["checks"]}


def test_what_nobody_asked_for_may_be_absent(capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, 0)
    assert found["packages"]["state"] == "ok" and "lm-eval" in found["packages"]["detail"]
    assert found["key OPENAI_API_KEY"]["detail"] == "set"
    assert [found[name]["state"] for name in ("endpoint", "store", "data")] == ["-", "-", "-"]
    assert main(["doctor"]) == 0
    assert KEY not in capsys.readouterr().out


def test_an_extra_that_is_missing_says_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["made-up-core>=1", 'made-up-extra>=1; extra == "more"']
    monkeypatch.setattr("rubricbeat.harness.commands.setup.doctor.requires", lambda _: lines)
    found = checked(capsys, 1)
    assert found["packages"]["state"] == "BROKEN"
    assert found["extra more"]["state"] == "-"
    assert "pip install 'rubricbeat[more]'" in found["extra more"]["detail"]


@pytest.mark.parametrize(
    ("says", "code", "detail"),
    [
        ((200, b'{"data": [{"id": "judge-model"}]}'), 0, "models: judge-model"),
        ((401, b"{}"), 1, "refuses the key"),
        ((302, b""), 1, "status 302"),
        ((404, b""), 0, "lists no models"),
        ((500, b""), 1, "status 500"),
        ((200, b"<html>hello"), 1, "no list of models"),
        ((200, b"[" * 100_000), 1, "no list of models"),
    ],
)
def test_an_endpoint_is_asked_for_its_models_alone(
    endpoint: Any,
    capsys: pytest.CaptureFixture[str],
    says: tuple[int, bytes],
    code: int,
    detail: str,
) -> None:
    endpoint.says = says
    found = checked(capsys, code, "--base_url", endpoint.url)["endpoint"]
    assert detail in found["detail"]
    assert endpoint.asked == [("/v1/models", f"Bearer {KEY}")]


def test_an_endpoint_without_v1_or_without_a_server_is_told(
    endpoint: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.says = (404, b"")
    found = checked(capsys, 1, "--base_url", endpoint.url.removesuffix("/v1"))["endpoint"]
    assert "is /v1 missing?" in found["detail"]
    found = checked(capsys, 1, "--base_url", "http://127.0.0.1:1/v1")["endpoint"]
    assert found["detail"] == "http://127.0.0.1:1/v1: cannot connect (Connection refused)"
    assert "no address" in checked(capsys, 1, "--base_url", "nonsense")["endpoint"]["detail"]


def test_a_store_and_data_are_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, rows = tmp_path / "verdicts.sqlite", tmp_path / "rows.jsonl"
    VerdictStore(store).close()
    rows.write_text('{"prompt": "How?", "rubric": [{"criterion": "Says 4", "points": 1}]}\n')
    found = checked(capsys, 0, "--store", str(store), "--data", str(rows))
    assert "0 verdicts" in found["store"]["detail"]
    assert "1 rows, 1 criteria" in found["data"]["detail"]
    store.write_bytes(b"no data base" * 1000)
    found = checked(capsys, 1, "--store", str(store), "--data", str(tmp_path / "no.jsonl"))
    assert found["store"]["state"] == found["data"]["state"] == "BROKEN"
    assert checked(capsys, 1, "--store", str(tmp_path / "no"))["store"]["state"] == "BROKEN"
