"""What several commands ask, check and say in the same way."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest

from rubricbeat.harness.flags import add_seed, keys_stand_in, put_out, require_output, told
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.scoring.missing_reasons import MissingVerdicts


def test_keys_stand_in_for_as_long_as_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_KEY", "mine")
    for name in ("OPENAI_API_KEY", "INNER_KEY"):
        monkeypatch.delenv(name, raising=False)
    jury = {"name": "jury", "members": [{"api_key_env": "INNER_KEY"}, {"api_key_env": "SET_KEY"}]}
    with keys_stand_in(jury):
        assert os.environ["OPENAI_API_KEY"] and os.environ["INNER_KEY"]
        assert os.environ["SET_KEY"] == "mine"
    assert "OPENAI_API_KEY" not in os.environ and "INNER_KEY" not in os.environ
    assert os.environ["SET_KEY"] == "mine"


def test_a_key_is_taken_back_where_the_judge_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError), keys_stand_in({}):
        raise ConfigError("no such judge")
    assert "OPENAI_API_KEY" not in os.environ


def test_the_help_of_a_seed_names_its_default() -> None:
    parser = argparse.ArgumentParser()
    add_seed(parser, "of what is drawn")
    assert parser.parse_args([]).seed == 1234
    assert "of what is drawn (1234)" in " ".join(parser.format_help().split())


@pytest.mark.parametrize(
    ("as_json", "printed"), [(False, "in words\n"), (True, '{\n  "a": 1\n}\n')]
)
def test_what_was_found_is_kept_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool, printed: str
) -> None:
    args = argparse.Namespace(output=tmp_path / "deep" / "found.json", json=as_json)
    require_output(args)
    put_out(args, {"a": 1}, lambda: "in words")
    assert json.loads(args.output.read_text()) == {"a": 1}
    assert capsys.readouterr().out == printed


def test_an_output_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--output"):
        require_output(argparse.Namespace(output=tmp_path))


def test_a_judging_that_ended_early_is_incomplete_whatever_is_accepted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(MissingVerdicts(), "audit", "run it again") == 0
    assert capsys.readouterr().err == ""
    assert told(MissingVerdicts(), "audit", "run it again", "outage: gone") == 1
    said = capsys.readouterr().err
    assert said == "rubricbeat audit: incomplete: outage: gone; run it again\n"
