"""The parser of every command: one style of flags, near names for wrong ones, `--config FILE`.

Long flags are spelt with underscores, as lm-eval spells its own; dashes mean the same.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ..judges.errors import ConfigError, near_names
from ..judges.files import user_path
from ..judges.options.files import read_yaml
from ..judges.options.reader import WrittenFloat, WrittenInt

_NUMBER = re.compile(r"-\.?\d")
_NUMBERS: dict[object, str] = {int: "a whole number", float: "a number"}
_ELSEWHERE = {
    "dry_run": "'rubricbeat plan' and 'rubricbeat judge --dry_run' say what judging will cost",
}
"""What does the work of a flag that a command lacks."""
_UNSET = object()


class CommandParser(argparse.ArgumentParser):
    """A parser that fails with one line that names what was meant, and knows no abbreviations."""

    def __init__(self, **options: Any) -> None:
        """Make a parser; the options are those of argparse."""
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )
        self._file = ""
        self._reads_config = False
        self._words: list[str] = []

    def error(self, message: str) -> NoReturn:
        """Print one line and end with 2."""
        where = f"{self._file}: " if self._file else ""
        message = message.replace("unrecognized arguments: ", "not expected: ")
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = f"missing: {', '.join(map(self._with_choices, missing.split(', ')))}"
            takers = [] if missing.startswith("-") else self._several()
            message += f" (before {takers[0]}, which takes several values)" if takers else ""
            message += f"; '{self.prog} --help' explains"
        self.exit(2, f"{self.prog}: {where}{message.removeprefix('argument ')}\n")

    def _several(self) -> list[str]:
        """Name the given flags that take what stands after them, an argument too."""
        several = [a.option_strings for a in self._actions if a.option_strings and a.nargs == "+"]
        return [word for word in self._words if any(word in names for names in several)]

    def _with_choices(self, name: str) -> str:
        of_name = [a.choices for a in self._actions if name in {a.dest, a.metavar} and a.choices]
        return f"{name} ({', '.join(map(str, of_name[0]))})" if of_name else name

    def add_config(self) -> None:
        """Declare `--config FILE`, unless the command has one of its own; so in each action."""
        subcommands = [a for a in self._actions if isinstance(a, argparse._SubParsersAction)]
        for parser in [each for action in subcommands for each in action.choices.values()]:
            parser.add_config()
        if not subcommands and "--config" not in self._option_string_actions:
            self._reads_config = True
            self.add_argument(
                "--config",
                metavar="FILE",
                help="YAML or JSON file of flags and values; flags given here override it",
            )

    def parse_known_args(  # type: ignore[override]  # argparse overloads by the namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse words; what a configuration file says holds where they do not."""
        words = self._words = self._spelt(args or ())
        self._warn_of_forgotten(words)
        files = list(_config_files(words)) if self._reads_config else []
        if not files:
            return super().parse_known_args(words, namespace)
        if len(files) > 1:
            self.error("--config is given twice; join the files")
        configured = self._configured(files[0])
        with self._without_defaults(configured):
            found, extras = super().parse_known_args(words, namespace)
        _remove_unset(found)
        for name, value in configured.items():
            if not hasattr(found, name):
                setattr(found, name, value)
        del found.config
        return found, extras

    def _warn_of_forgotten(self, words: Sequence[str]) -> None:
        """Say of a flag of several files that is given twice that argparse forgets the first."""
        flags = words[: words.index("--")] if "--" in words else words
        given = Counter(
            self._option_string_actions.get(word.partition("=")[0])
            for word in flags
            if word.startswith("-")
        )
        for action, n in given.items():
            is_of_files = action is not None and action.nargs == "+" and action.type is Path
            if action is not None and is_of_files and n > 1 and not _adds_up(action):
                said = f"{action.option_strings[0]} is given {n} times, and the last one counts"
                print(f"{self.prog}: {said}; put all files after one", file=sys.stderr)

    def _get_value(self, action: argparse.Action, arg_string: str) -> object:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if not error.message.startswith("invalid "):  # a type's own words
                raise
            wanted = _NUMBERS.get(action.type, "a number")
            raise argparse.ArgumentError(action, f"{arg_string!r} is not {wanted}") from None

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            near = near_names(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"unknown value {value!r}; {near}")

    def _spelt(self, args: Sequence[str]) -> list[str]:
        """Spell flags as they are declared.

        The words after an action of the command are spelt by the parser of that action.
        """
        words = list(args)
        end = words.index("--") if "--" in words else len(words)
        if self._subparsers is not None:
            end = next((n for n, word in enumerate(words) if not word.startswith("-")), end)
        return [self._flag(word) for word in words[:end]] + words[end:]

    def _flag(self, word: str) -> str:
        known = self._option_string_actions
        name, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-" or _NUMBER.match(word) or name in known:
            return word
        spelt = f"--{name.strip('-').replace('-', '_')}"
        if name.startswith("--") and spelt in known:
            return spelt + equals + value
        is_short = word[:2] in known and spelt not in known
        if " " in name or is_short:
            return word
        near = _ELSEWHERE.get(spelt.strip("-")) or self._judge_option(spelt.strip("-"))
        self.error(f"unknown flag {name!r}; {near or self._near(name, self._shown_flags())}")

    def _near(self, name: str, shown: Iterable[str]) -> str:
        return near_flags(name, shown, f"'{self.prog} --help' lists the flags")

    def _judge_option(self, name: str) -> str | None:
        """Say where an option of the judge goes, in a command that has a judge."""
        from ..judges.engine.options import RuntimeOptions

        is_one = "--judge_args" in self._option_string_actions and name in RuntimeOptions.names()
        return f"an option of the judge: --judge_args {name}=..." if is_one else None

    def _shown_flags(self) -> list[str]:
        shown = (action for action in self._actions if action.help != argparse.SUPPRESS)
        return [f for action in shown for f in action.option_strings if f.startswith("--")]

    def _configured(self, file: str) -> dict[str, object]:
        """Read a configuration file into values by attribute, each as its flag would give it."""
        try:
            content = read_yaml(user_path(file))
        except ConfigError as error:
            self.error(f"--config: {error}")
        self._file = file
        if not isinstance(content, dict):
            self.error("is not a mapping of flag names to values")
        found: dict[str, object] = {}
        words: list[str] = []
        positional: list[str] = []
        for action, value in self._by_action(content):
            if action.nargs == 0 and not isinstance(value, bool):
                self.error(f"{action.dest}: true or false, not {value!r}")
            if action.nargs == 0 and not value:
                found[action.dest] = False
            elif action.option_strings:
                words += _words(action, value)
            else:
                positional += _texts(value)
        with self._without_defaults():
            read, _ = super().parse_known_args(
                [*words, *(["--", *positional] if positional else [])]
            )
        _remove_unset(read)
        self._file = ""
        return {**vars(read), **found}

    def _by_action(
        self, content: Mapping[object, object]
    ) -> Iterator[tuple[argparse.Action, object]]:
        known = {
            flag.strip("-"): action
            for flag, action in self._option_string_actions.items()
            if flag.startswith("--") and flag not in {"--help", "--config"}
        }
        known |= {action.dest: action for action in self._actions if not action.option_strings}
        seen: set[str] = set()
        for key, value in content.items():
            name = str(key).strip("-").replace("-", "_")
            if name not in known:
                flags = (flag.strip("-") for flag in self._shown_flags())
                places = (action.dest for action in self._actions if not action.option_strings)
                shown = [each for each in (*flags, *places) if each in known]
                near = self._judge_option(name) or self._near(name, shown)
                self.error(f"unknown key {key!r}; {near}")
            if known[name].dest in seen:
                self.error(f"{key!r} is given under two names; give only one")
            seen.add(known[name].dest)
            if value is not None:
                yield known[name], value

    @contextmanager
    def _without_defaults(self, names: Iterable[str] | None = None) -> Iterator[None]:
        """Let attributes be absent where no word gives them; all of them without names."""
        wanted = None if names is None else set(names)
        changed = [a for a in self._actions if wanted is None or a.dest in wanted]
        before = [(action, action.required, action.default) for action in changed]
        for action in changed:
            action.required = False
            # argparse converts the default of an optional positional, SUPPRESS too
            action.default = argparse.SUPPRESS if action.option_strings else _UNSET
        try:
            yield
        finally:
            for action, required, default in before:
                action.required, action.default = required, default


def near_flags(name: str, flags: Iterable[str], otherwise: str = "") -> str:
    """Say which flags are near to a wrong one, or begin as it does.

    Args:
        name: The wrong one.
        flags: All that would be right, with or without dashes.
        otherwise: What is said where none is near.
    """
    by_name = {flag.strip("-"): flag for flag in flags}
    bare = name.strip("-").replace("-", "_").lower()
    near = [each for each in sorted(by_name) if each.startswith(bare)] if bare else []
    near = near or difflib.get_close_matches(bare, by_name, cutoff=0.6)
    near = [bare] if bare in by_name else near[:2]
    said = " or ".join(by_name[each] for each in near)
    return f"did you mean {said}?" if near else otherwise


def keep_spellings(
    parser: argparse._ActionsContainer, action: argparse.Action, *former: str
) -> None:
    """Let a flag be called by former names too, which neither help nor completion lists."""
    parser._option_string_actions.update(dict.fromkeys(former, action))


def _config_files(words: Sequence[str]) -> Iterator[str]:
    for place, word in enumerate(words):
        if word == "--":
            return
        if word == "--config" and place + 1 < len(words):
            yield words[place + 1]
        elif word.startswith("--config="):
            yield word.partition("=")[2]


def _remove_unset(namespace: argparse.Namespace) -> None:
    for name in [name for name, value in vars(namespace).items() if value is _UNSET]:
        delattr(namespace, name)


def _words(action: argparse.Action, value: object) -> list[str]:
    """Give the words of the command line that say what a configuration says of a flag."""
    flag = action.option_strings[-1]
    if action.nargs == 0 or (action.nargs == "?" and value is True):
        return [flag]
    if action.nargs in {"+", "*"}:
        return [flag, *_texts(value)]
    if _adds_up(action):
        return [f"{flag}={text}" for text in _texts(value)]
    return [f"{flag}={_text(value)}"]


def _adds_up(action: argparse.Action) -> bool:
    return isinstance(action, argparse._AppendAction)


def _texts(value: object) -> list[str]:
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]


def _text(value: object) -> str:
    """Give a value as it is written on the command line: a list with commas, a mapping as JSON."""
    match value:
        case WrittenInt() | WrittenFloat():
            return value.written
        case bool():
            return str(value).lower()
        case list() if not any(isinstance(each, dict | list) for each in value):
            return ",".join(map(_text, value))
        case dict() | list():
            return json.dumps(_as_written(value), ensure_ascii=False)
    return str(value)


def _as_written(value: object) -> object:
    match value:
        case WrittenInt() | WrittenFloat():
            return value.written
        case dict():
            return {str(name): _as_written(inner) for name, inner in value.items()}
        case list():
            return [_as_written(inner) for inner in value]
    return value
