"""Inspect, check, export, import, merge or prune a verdict store.

  rubricbeat verdicts stats                          # your own store
  rubricbeat verdicts check --repair                 # move damaged verdicts out
  rubricbeat verdicts export verdicts.sqlite > verdicts.jsonl
  rubricbeat verdicts import verdicts.sqlite verdicts.jsonl
  rubricbeat verdicts export --format parquet -o verdicts-by-judge
  rubricbeat verdicts merge all.sqlite node1.sqlite node2.sqlite
  rubricbeat verdicts merge postgresql://me@host/team node1.sqlite    # into a server
  rubricbeat verdicts prune --judge gpt-4o-mini --older_than 90 --dry_run

A store holds every verdict that was paid for. Any number of stores can be merged.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...judges.data.streams import lines_of
from ...judges.engine.assembly import store_place
from ...judges.errors import ConfigError
from ...judges.files import require_file, write_file
from ...judges.grader import RuntimeOptions
from ...judges.store.importing import import_lines
from ...judges.store.opened import opened
from ...judges.store.postgres_connection import shown
from ...judges.store.protocol import is_address
from ...judges.store.transfer import export_lines, merge, stats
from ...judges.store.upkeep import check_store, prune
from ..flags import add_output
from ..terminal import print_json, say

MAX_NAMED = 20
"""Damaged verdicts that are listed; the rest are counted."""
OWN = "the store; default: your own (RUBRICBEAT_STORE, or the cache folder)"
MADE = "the store; created if missing"
Place = Path | str
"""A store file, or the address of a server."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(
        name: str, help: str, act: Callable[..., int], path: str = OWN, nargs: str | None = "?"
    ) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = actions.add_parser(name, help=help, description=help)
        one.add_argument("path", metavar="PATH", nargs=nargs, type=_place, help=path)
        one.set_defaults(act=act)
        return one

    one = action("stats", "count verdicts per judge, and check the file", _stats)
    one.add_argument("--json", action="store_true", help="print JSON")
    one = action("check", "compare every verdict with its checksum", _check)
    one.add_argument(
        "--repair",
        action="store_true",
        help="move damaged verdicts to a file beside the store; the next run asks them again",
    )
    about = "write verdicts as JSON Lines or Parquet"
    one = action("export", about, _export)
    add_output(one, "a new file (Parquet: a new folder); default: stdout")
    one.add_argument(
        "--format",
        choices=("jsonl", "parquet"),
        default="jsonl",
        help="JSON Lines, or Parquet with one folder per judge (needs --output)",
    )
    one.add_argument("--judge", help="only of this judge: digest, name or model")
    one = action("import", "import exported verdicts into a store", _import, MADE, None)
    one.add_argument("files", metavar="FILE", nargs="+", help="JSON Lines (.gz too), or -")
    one = action("merge", "copy the verdicts of other stores into one", _merge, MADE, None)
    one.add_argument("sources", metavar="STORE", nargs="+", type=_place, help="stores to read")
    one = action("prune", "delete the verdicts that meet all conditions given", _prune)
    one.add_argument("--judge", help="of this judge: digest, name or model")
    one.add_argument(
        "--older_than", metavar="DAYS", type=float, help="older than this number of days"
    )
    one.add_argument("--dry_run", action="store_true", help="only count them")


def run(args: argparse.Namespace) -> int:
    """Run one of them."""
    return int(args.act(args.path or store_place(RuntimeOptions()), args))


def _stats(path: Place, args: argparse.Namespace) -> int:
    found = stats(path)
    if args.json:
        print_json(found)
    else:
        print("\n".join(_stats_lines(found)))
    return 0 if found["file_check"] == "ok" and not found["damaged"] else 1


def _stats_lines(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{found['path']}: {found['verdicts']:,} verdicts on {found['answers']:,} answers to "
        f"{found['examples']:,} examples, {found['failed_replies']:,} replies without a verdict, "
        f"{found['bytes'] / 2**20:.1f} MiB"
    )
    if found["file_check"] != "ok" or found["damaged"]:
        yield (
            f"DAMAGED: {found['damaged']} verdicts; file check: {found['file_check']}; "
            "see `rubricbeat verdicts check`"
        )
    for judge in found["judges"]:
        named = " ".join(filter(None, (judge["name"], judge["model"], judge["prompt"])))
        span = ""
        if judge["verdicts"]:
            first, last = (_day(judge[end]) for end in ("first", "last"))
            span = f", {_said(judge)}, {first} to {last}"
        yield (
            f"  {judge['digest'][:12]}  {named}: {judge['verdicts']:,} verdicts{span}, "
            f"{judge['prompt_tokens']:,} prompt and {judge['completion_tokens']:,} "
            "completion tokens"
        )


def _said(judge: dict[str, Any]) -> str:
    """Say how often "met" was the answer, and how many answers were of another kind."""
    n_levels, n_na = judge["levels"], judge["not_applicable"]
    n_met_or_not = judge["verdicts"] - n_levels - n_na
    said = [f"{judge['met'] / n_met_or_not:.0%} met"] if n_met_or_not else []
    said += [f"{n_levels:,} {'level' if n_levels == 1 else 'levels'}"] if n_levels else []
    return ", ".join(said + ([f"{n_na:,} not applicable"] if n_na else []))


def _check(path: Place, args: argparse.Namespace) -> int:
    found = check_store(path, repair=args.repair)
    print(f"{_shown(path)}: {found.n_verdicts:,} verdicts, {len(found.damaged):,} damaged")
    for key in found.damaged[:MAX_NAMED]:
        print(f"  {key.hex()}")
    if len(found.damaged) > MAX_NAMED:
        print(f"  and {len(found.damaged) - MAX_NAMED:,} more")
    if found.file_check != "ok":
        print(f"  the file itself: {found.file_check}; restore it with `sqlite3 FILE .recover`")
    if found.aside is not None:
        print(f"moved to {found.aside}; the next run asks these questions again")
    elif found.damaged:
        print("--repair moves them out, and the next run asks these questions again")
    return 0 if found.is_sound else 1


def _export(path: Place, args: argparse.Namespace) -> int:
    if args.format == "parquet":
        return _export_parquet(path, args)
    lines = export_lines(path, args.judge)
    if args.output is None:
        for line in lines:
            print(line)
        return 0
    if args.output.exists():
        raise ConfigError(f"{args.output} already exists; give a new file")
    require_file(args.output, "--output")
    write_file(args.output, (f"{line}\n".encode() for line in lines), replaces=False)
    print(args.output)
    return 0


def _export_parquet(path: Place, args: argparse.Namespace) -> int:
    from ...judges.store.parquet import export_parquet

    if args.output is None:
        raise ConfigError("--format parquet needs --output: a new folder")
    for name, n in export_parquet(path, args.output, args.judge).items():
        print(f"{args.output / name}: {n:,} verdicts")
    return 0


def _import(path: Place, args: argparse.Namespace) -> int:
    for name in args.files:
        moved = import_lines(path, _lines(name), where=name)
        print(f"{name}: {moved.n_added:,} verdicts added, {moved.n_known:,} known already")
    return 0


def _merge(path: Place, args: argparse.Namespace) -> int:
    for source in args.sources:
        if not isinstance(source, Path):
            raise ConfigError(
                f"{_shown(source)}: cannot merge from a server; pipe `rubricbeat verdicts export` "
                "of its address into `rubricbeat verdicts import STORE -`"
            )
    moved = merge(path, args.sources)
    print(
        f"{_shown(path)}: {moved.n_added:,} verdicts added, {moved.n_known:,} known already, "
        f"{moved.n_failed:,} replies without a verdict added"
    )
    return 0


def _prune(path: Place, args: argparse.Namespace) -> int:
    if args.judge is None and args.older_than is None:
        raise ConfigError("prune needs --judge or --older_than")
    days = args.older_than
    gone = prune(path, judge=args.judge, older_than_days=days, dry_run=args.dry_run)
    what = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in gone.items())
    print(f"{_shown(path)}: {'would take' if args.dry_run else 'took'} out {what}")
    with opened(path) as store:
        is_claimed = store.is_claimed()
    if is_claimed:
        say("a process is grading into this store: unused texts are kept until the next prune")
    return 0


def _place(text: str) -> Place:
    """Take an argument for a file, or for the address of a server."""
    try:
        return text if is_address(text) else Path(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _shown(place: Place) -> str:
    return str(place) if isinstance(place, Path) else shown(place)


def _lines(name: str) -> Iterator[str]:
    if name == "-":
        yield from sys.stdin
        return
    try:
        yield from (line.decode("utf-8") for line in lines_of(name))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 text, so it holds no exported verdicts") from error


def _day(created: float) -> str:
    try:
        return datetime.fromtimestamp(created, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):  # a clock, or another program, gone wrong
        return "no date"
