"""The command line's parser: near names, one style of flags, former spellings, `--config FILE`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubricbeat.harness import cli
from rubricbeat.harness.parser import CommandParser, keep_spellings


def parser() -> CommandParser:
    """Give a parser with a flag of each kind."""
    made = CommandParser(prog="made up")
    made.add_argument("paths", nargs="+", type=Path)
    keep_spellings(made, made.add_argument("-o", "--output", type=Path), "--output_path")
    made.add_argument("--max_calls", type=int)
    made.add_argument("--judge", required=True)
    made.add_argument("--judge_args")
    made.add_argument("--labels", action="append", default=[], type=Path)
    made.add_argument("--gold", nargs="+")
    made.add_argument("--kind", choices=("dpo", "kto"), default="dpo")
    made.add_argument("--probes", nargs="?", type=int, const=100, default=0)
    made.add_argument("--rewards", default="healthbench")
    made.add_argument("--json", action="store_true")
    made.add_config()
    return made


def parse(*words: str) -> argparse.Namespace:
    return parser().parse_args(words)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stop:
        parse(*words)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1
    return said.strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--juge", "x"], "unknown flag '--juge'; did you mean --judge?"),
        (["x", "--juge=sk-secret"], "unknown flag '--juge'; did you mean --judge?"),
        (["--Judge", "x"], "unknown flag '--Judge'; did you mean --judge?"),
        (["-output", "x"], "unknown flag '-output'; did you mean --output?"),
        (["--max-cals", "1"], "unknown flag '--max-cals'; did you mean --max_calls?"),
        (["--max"], "unknown flag '--max'; did you mean --max_calls?"),
        (["--xyzzy"], "unknown flag '--xyzzy'; 'made up --help' lists the flags"),
        (
            ["x", "--judge", "j", "--kind", "dpoo"],
            "--kind: unknown value 'dpoo'; did you mean 'dpo'?",
        ),
        (["x", "--max_calls", "many"], "--max_calls: 'many' is not a whole number"),
        (
            ["x", "--dry-run"],
            "unknown flag '--dry-run'; 'rubricbeat plan' and 'rubricbeat judge --dry_run' say what "
            "judging will cost",
        ),
        ([], "missing: paths, --judge; 'made up --help' explains"),
    ],
)
def test_what_is_misspelt_is_one_line_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert refusal(capsys, *words) == f"made up: {said}"


def test_dashes_and_former_spellings_mean_the_same() -> None:
    args = parse("x", "--judge", "j", "--max-calls=3", "--output-path", "here")
    assert (args.max_calls, args.output) == (3, Path("here"))
    assert parse("x", "--judge", "j", "-ohere").output == Path("here")
    assert "output_path" not in parser().format_help()


def test_values_are_left_as_they_are() -> None:
    args = parse("--judge", "-1", "--judge_args=a-b=--max-calls", "--", "--max-calls", "-")
    assert (args.judge, args.judge_args) == ("-1", "a-b=--max-calls")
    assert args.paths == [Path("--max-calls"), Path("-")]


def test_a_file_gives_flags_of_every_kind(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "paths: [a, b]\noutput_path: page.html\nmax-calls: 5\n--judge: chat\n"
        "judge_args: {model: 007, members: [{name: keyword}]}\nlabels: [l1, l2]\n"
        "gold: one\nkind: kto\nprobes: true\nrewards: [healthbench, hybrid]\njson: true\n"
    )
    args = parse("--config", str(file))
    assert vars(args) == {
        "paths": [Path("a"), Path("b")],
        "output": Path("page.html"),
        "max_calls": 5,
        "judge": "chat",
        "judge_args": '{"model": "007", "members": [{"name": "keyword"}]}',
        "labels": [Path("l1"), Path("l2")],
        "gold": ["one"],
        "kind": "kto",
        "probes": 100,
        "rewards": "healthbench,hybrid",
        "json": True,
    }


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    content = {"paths": ["a"], "judge": "chat", "labels": ["l1"], "max_calls": 5, "kind": "kto"}
    file.write_text(json.dumps({**content, "json": False, "gold": None}))
    args = parse("b", f"--config={file}", "--labels", "l2", "--max_calls", "6", "--json")
    assert (args.paths, args.judge, args.labels) == ([Path("b")], "chat", [Path("l2")])
    assert (args.max_calls, args.kind, args.json, args.gold) == (6, "kto", True, None)
    assert args.probes == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("juge: chat", "unknown key 'juge'; did you mean judge?"),
        ("max_calls: many", "--max_calls: 'many' is not a whole number"),
        ("kind: dpoo", "--kind: unknown value 'dpoo'; did you mean 'dpo'?"),
        ("json: 3", "json: true or false, not 3"),
        ("output: a\noutput_path: b", "'output_path' is given under two names; give only one"),
        ("[judge]", "is not a mapping of flag names to values"),
        ("", "is not a mapping of flag names to values"),
        ("help: true", "unknown key 'help'; 'made up --help' lists the flags"),
        ("outputpath: x", "unknown key 'outputpath'; did you mean output?"),
        ("config: other.yaml", "unknown key 'config'"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
    ],
)
def test_what_a_file_says_wrongly_is_one_line_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(content)
    line = refusal(capsys, "x", "--judge", "j", "--config", str(file))
    assert str(file) in line and said in line


def test_a_file_that_is_not_there_or_comes_twice_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "No such file" in refusal(capsys, "x", "--judge", "j", "--config", "none.yaml")
    assert "given twice" in refusal(capsys, "x", "--config", "a", "--config", "b")
    assert "expected one argument" in refusal(capsys, "x", "--judge", "j", "--config")


def parsers() -> Iterator[tuple[str, CommandParser]]:
    """Give the parser of every command, and of every action of one."""
    for name in cli.COMMANDS:
        module, made = cli.parser_of(name)
        if module is None:
            continue
        inner = [a for a in made._actions if isinstance(a, argparse._SubParsersAction)]
        if not inner:
            yield name, made
        for action in inner:
            yield from ((f"{name} {each}", found) for each, found in action.choices.items())


def test_all_commands_spell_their_flags_alike() -> None:
    for name, made in parsers():
        shown = {flag for action in made._actions for flag in action.option_strings}
        assert [flag for flag in shown if "-" in flag.lstrip("-")] == [], name
        assert "--config" in shown, name
        if "-o" in shown:
            assert "--output" in shown, name
        if name != "run":  # which shows lm-eval's own name too
            assert not shown & {"--output_path", "--output_dir", "--html"}, name


def test_an_action_of_a_command_reads_a_file_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prune.yaml"
    file.write_text(f"path: {tmp_path / 'none.db'}\nolder_then: 3\n")
    assert cli.main(["verdicts", "prune", "--config", str(file)]) == 2
    assert "unknown key 'older_then'; did you mean older_than?" in capsys.readouterr().err
    file.write_text("older_than: 3\ndry_run: true\n")
    assert cli.main(["verdicts", "prune", str(tmp_path / "no.db"), "--config", str(file)]) == 2
    assert "no.db" in capsys.readouterr().err


def test_a_flag_before_the_command_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--versoin"]) == 2
    assert capsys.readouterr().err == (
        "rubricbeat: unknown flag '--versoin'; did you mean --version?\n"
    )
    assert cli.main(["--json", "score"]) == 2
    assert capsys.readouterr().err == "rubricbeat: --json: flags come after the command\n"


def test_files_are_named_after_one_flag_unless_it_adds_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = parser()
    made.add_argument("--answers", nargs="+", type=Path)
    given = ["--judge", "j", "--labels", "a", "--labels", "b", "--answers", "x", "y"]
    found = made.parse_args([*given, "--", "--answers"])
    assert (found.labels, found.answers) == ([Path("a"), Path("b")], [Path("x"), Path("y")])
    assert found.paths == [Path("--answers")]
    assert capsys.readouterr().err == ""
    assert made.parse_args([*given, "--answers=z", "--", "p"]).answers == [Path("z")]
    assert "--answers is given 2 times, and the last one counts; put" in capsys.readouterr().err
