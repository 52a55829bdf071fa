"""`rubricbeat list`: what can be asked for by name, and the options of one."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges import registry
from rubricbeat.judges.registry import JUDGES


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def test_alone_it_names_what_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    names = [line.split()[0] for line in listed(capsys).splitlines()]
    assert names == ["judges", "tasks", "rewards", "models"]


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("judges", {"chat", "keyword", "jury", "fitted"}),
        ("tasks", {"healthbench_heart", "rubric_judge"}),
        ("rewards", {"healthbench", "hybrid", "pass_hb50"}),
        ("models", {"baseline:empty", "local-chat-completions", "hf"}),
    ],
)
def test_each_kind_has_a_line_for_each_name(
    kind: str, some: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = listed(capsys, kind).splitlines()
    plain = json.loads(listed(capsys, kind, "--json"))
    names = [entry["name"] for entry in plain]
    assert [line.split()[0] for line in lines] == names
    # rewards that other tests of this process registered may say nothing of themselves
    assert some <= {entry["name"] for entry in plain if entry["about"]}


def test_the_options_of_a_judge_have_defaults_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    plain = json.loads(listed(capsys, "judges", "chat", "--json"))
    options = {option["name"]: option for option in plain["options"]}
    assert options["temperature"]["default"] == "0.5"
    assert "as published" in options["max_tokens"]["about"]
    shared = {option["name"] for option in plain["options_of_every_judge"]}
    assert {"max_concurrency", "max_cost", "store"} <= shared
    said = listed(capsys, "judges", "fitted")
    assert "path     required  Folder that `rubricbeat fit-judge` wrote." in said


def test_a_variant_says_what_it_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert "with of=healthbench, at=0.5" in listed(capsys, "rewards", "pass_hb50")
    assert "name " not in listed(capsys, "rewards", "hybrid")


def test_a_judge_that_does_not_load_is_listed_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = EntryPoint("broken", "no_such_module:Judge", JUDGES.group)
    monkeypatch.setattr(registry, "entry_points", lambda *, group: EntryPoints([broken]))
    line = next(line for line in listed(capsys, "judges").splitlines() if "broken" in line)
    assert "does not load" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["judgs"], "unknown value 'judgs'; did you mean 'judges'?"),
        (["judges", "chta"], "unknown judge 'chta'; did you mean 'chat'?"),
        (["rewards", "hybird"], "did you mean 'hybrid'?"),
        (["tasks", "helthbench"], "did you mean 'healthbench'"),
    ],
)
def test_a_wrong_name_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
