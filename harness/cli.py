"""The `rubricbeat` command: finds the subcommand, words its errors, sets the exit code.

Exit codes: 0 done, 1 failed or incomplete (kept, resumable), 2 wrong usage or configuration,
130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence

from ..judges.errors import ConfigError, RubricbeatError, UnknownNameError
from .commands.setup.catalogue import COMMANDS, front_page, parser_of
from .parser import near_flags
from .terminal import harmless_output


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and give its exit code."""
    with harmless_output():
        return _main(list(sys.argv[1:] if argv is None else argv))


def _main(words: list[str]) -> int:
    debug = "--debug" in words
    with contextlib.suppress(ValueError):  # not the main thread, which alone gets signals
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # a scheduler's stop ends as Ctrl-C does: what is in flight may end and is kept
            signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = _dispatch([word for word in words if word != "--debug"])
        sys.stdout.flush()  # a full disk is known here, not when the interpreter has gone
        return code
    except KeyboardInterrupt:
        print("rubricbeat: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output has gone (`| head`): not our fault, and nothing to report
        _let_go_of_stdout()
        return 1
    except RubricbeatError as error:
        if debug:
            raise
        print(f"rubricbeat: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except Exception as error:
        # a full disk, a file that went away meanwhile: no traceback helps the user
        if debug:
            raise
        said = " ".join(str(error).split())
        if not isinstance(error, OSError):
            said = f"a bug in rubricbeat, or an unexpected input: {type(error).__name__}: {said}"
        print(f"rubricbeat: {said} (--debug shows where)", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _let_go_of_stdout()
        return 1


def _let_go_of_stdout() -> None:
    """Keep the interpreter from complaining once more when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help"}:
        front_page().print_help(sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("rubricbeat"))
        return 0
    name = words[0]
    if name.startswith("-"):
        near = near_flags(name, ["--help", "--version", "--debug"])
        raise ConfigError(
            f"unknown flag {name!r}; {near}" if near else f"{name}: flags come after the command"
        )
    if name not in COMMANDS:
        raise UnknownNameError.among("command", name, COMMANDS)
    module, parser = parser_of(name)
    try:
        args = parser.parse_args(words[1:])
    except SystemExit as stop:  # argparse has printed its help or its one line
        return int(stop.code or 0)
    require_one_stdin(vars(args))
    args.words = words
    return int(module.run(args))


def require_one_stdin(given: Mapping[str, object]) -> None:
    """Refuse two inputs that are both standard input: the second one would find it empty.

    Raises:
        ConfigError: They are.
    """
    named = [name for name, value in given.items() for one in _each(value) if str(one) == "-"]
    if len(named) > 1:
        raise ConfigError(
            f"{' and '.join(dict.fromkeys(named))} are both '-': only one can be standard input"
        )


def _each(value: object) -> Iterator[object]:
    """Give each value of a flag that may have several, or several times several."""
    if not isinstance(value, list):
        yield value
        return
    for one in value:
        yield from _each(one)
