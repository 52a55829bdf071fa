"""Say what a command says for one who has no command line: arguments, or the command."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from ...judges.errors import RubricbeatError

_ARGUMENTS = (
    (r"--judge_args \.\.\.,replicates=2", "replicates=2"),
    (r" \(--(?:json|keep_asking)\)", ""),
    (r"\(--debug shows where\)", "(the traceback shows where)"),
    (r"such as run --repeats 6", "as a list of answers to each prompt"),
    (r"the (\w+) judge needs a model: --judge_args model=(\w+)",
     r"the \1 judge needs a model: judge={'name': '\1', 'model': '\2'}"),
    (r"--judge_args (\w+=)", r"\1"),
    (r"--judge (\w+)", r"judge='\1'"),
    (r"--columns (\w+)=(\w+)", r"columns={'\1': '\2'}"),
    (r"--group_by run", "group_by=['run']"),
    (r"give --allow_different", "give allow_different=True"),
    (r"--allow_different", "allow_different=True"),
    (r"--gold(?= \S+:)", "gold"),
    (r"--min_group ?", "min_group="),
    (r"--(gold|rubric|labels|data)\b(?! [A-Z]{3})", r"\1="),
)  # fmt: skip


def in_python(text: str, command: str | None = "variance") -> str:
    """Name the argument of Python in the place of a flag; where there is none, the command."""
    for flag, argument in _ARGUMENTS:
        text = re.sub(flag, argument, text)
    rest = r"\1" if command is None else rf"'rubricbeat {command} --\1'"
    return re.sub(r"(?<![\w-])--(\w+)", rest, text)


@contextlib.contextmanager
def saying_it_in_python() -> Iterator[None]:
    """Name arguments, not flags, in the errors of what runs inside."""
    try:
        yield
    except RubricbeatError as error:
        if error.args and str(error) == error.args[0]:
            error.args = (in_python(error.args[0], None), *error.args[1:])
        raise
