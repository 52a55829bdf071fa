from __future__ import annotations

import socket

import pytest

from rubricbeat.judges.errors import ConfigError
from rubricbeat.tasks.models import check_address, check_model

pytestmark = pytest.mark.border


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_an_address_where_something_listens_passes():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        check_address(f"http://127.0.0.1:{server.getsockname()[1]}/v1", "here")


@pytest.mark.parametrize("address", ["ftp://host/v1", "127.0.0.1:8000/v1", "http://", "nonsense"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="is not an http address"):
        check_address(address, "here")


def test_a_proxy_is_left_to_find_the_way(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    check_address("http://127.0.0.1:9/v1", "here")


def test_models_without_an_endpoint_need_none():
    check_model("hf", {"pretrained": "m"})
    with pytest.raises(ConfigError, match="no address"):
        check_model("local-completions", {})
