"""What goes wrong with Ray itself is one clear line."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from rubricbeat.harness.distributed import cluster
from rubricbeat.judges.errors import ConfigError

pytestmark = pytest.mark.border


def no_ray(**said):
    """Stand in for the module where it cannot be started."""

    def init(**options):
        raise said["error"]

    return SimpleNamespace(init=init, shutdown=lambda: None)


@pytest.mark.parametrize(
    ("address", "error", "line"),
    [
        (None, Exception("The current node timed out"), "at this machine: The current node timed"),
        (
            "far:6379",
            ConnectionError("no\n route"),
            r"at far:6379: no route; is it there.*RAY_AUTH_MODE",
        ),
    ],
)
def test_a_cluster_that_does_not_start_is_one_clear_line(monkeypatch, address, error, line):
    monkeypatch.setitem(sys.modules, "ray", no_ray(error=error))
    monkeypatch.setattr(cluster, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match=line), cluster.ray_session(address, 2):
        pass


@pytest.mark.parametrize(("address", "n_tries"), [(None, 3), ("far:6379", 1)])
def test_ray_is_started_here_again_where_the_machine_was_too_busy(monkeypatch, address, n_tries):
    happened = []

    def init(**options):
        happened.append("started")
        if happened.count("started") < n_tries:
            raise Exception("The current node timed out")

    ray = SimpleNamespace(init=init, shutdown=lambda: happened.append("ended"))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "find_spec", lambda name: object())
    with cluster.ray_session(address, 2):
        assert happened == ["started", "ended"] * (n_tries - 1) + ["started"]
    assert happened[-1] == "ended"


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"rubricbeat\[ray\]"), cluster.ray_session(None, 2):
        pass
