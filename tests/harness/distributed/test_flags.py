"""What cannot work over workers is one line, before Ray is started or anything is asked."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from engine_kit import answers

from rubricbeat.harness.cli import main
from rubricbeat.harness.distributed import cluster
from rubricbeat.judges.data.examples import example_to_row


@pytest.fixture
def words(tmp_path, monkeypatch):
    [answer] = answers(1)
    rows, said = tmp_path / "rows.jsonl", tmp_path / "said.jsonl"
    rows.write_text(json.dumps(example_to_row(answer.example)) + "\n")
    said.write_text(json.dumps({"prompt_id": answer.example.prompt_id, "completion": "x"}) + "\n")
    monkeypatch.setenv("RUBRICBEAT_STORE", str(tmp_path / "v.sqlite"))
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)  # no test here may start Ray
    return ["judge", "--data", str(rows), "--responses", str(said), "--output_path",
            str(tmp_path / "out")]  # fmt: skip


CHAT = ["--judge", "chat", "--judge_args", "model=m,base_url=http://127.0.0.1:1/v1"]
RAY = ["--engine", "ray"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ([*CHAT, *RAY, "--store", "none"], "needs a store"),
        ([*CHAT, *RAY, "--workers", "0"], "at least 1 worker"),
        ([*CHAT, *RAY, "--workers", "99"], "use 64 workers"),
        ([*CHAT, *RAY, "--resume"], "no store at"),
        ([*CHAT, *RAY, "--chunk", "0"], "--chunk"),
        (["--judge", "keyword", *RAY], "stores no verdicts"),
        ([*CHAT, "--workers", "2"], "--workers needs --engine ray"),
        ([*CHAT, "--store-only"], "--store_only needs --engine ray"),
        ([*CHAT, *RAY], "rubricbeat[ray]"),
    ],
)
def test_it_is_refused_by_name(more, named, words, capsys):
    assert main([*words, *more]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_a_dry_run_needs_no_worker(words, capsys):
    assert main([*words, *CHAT, *RAY, "--dry-run"]) == 0
    assert "nothing was sent" in capsys.readouterr().out


def test_a_cluster_that_is_not_there_is_one_line(words, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)

    class NoCluster:
        class exceptions:
            RayError = RuntimeError

        @staticmethod
        def init(**options):
            raise ConnectionError("nobody\nanswers")

    monkeypatch.setitem(sys.modules, "ray", NoCluster)
    assert main([*words, *CHAT, *RAY, "--ray-address", "127.0.0.1:1"]) == 2
    assert "cannot use Ray at 127.0.0.1:1: nobody answers" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--store", "postgresql://me@localhost/team"]])
def test_a_cluster_of_several_machines_and_a_store_of_one_are_refused_before_anything(
    more, words, monkeypatch, capsys
):
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    far = {"NodeManagerHostname": "far", "Alive": True, "Resources": {"CPU": 8.0}}
    ray = SimpleNamespace(init=lambda **_: None, nodes=lambda: [far], shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert main([*words, *CHAT, *RAY, "--ray-address", "far:6379", *more]) == 2
    error = capsys.readouterr().err
    assert "workers on far cannot reach it" in error
    assert "--store postgresql://HOST/DATABASE" in error
    assert error.count("\n") == 1
