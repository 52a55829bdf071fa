"""List all runs in some folders on a local page, and compare the ones you pick.

PATHS are what `rubricbeat compare` takes, or folders of training runs. Without -o a local server
shows the list and makes each comparison and training page on request; Ctrl-C ends it. With -o the
list is written as a file, beside a folder with one comparison for each comparable group of runs and
one page for each training run.

Examples:
  rubricbeat view results
  rubricbeat view results -o runs.html
"""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import quote

from ....judges.errors import RubricbeatError, unwritable
from ....judges.files import require_file, require_folder, write_file
from ....reports.pages.runs_page import RunGroup
from ....reports.results.reader import read_runs
from ....reports.training.runs import read_training_runs
from ...flags import add_output
from ...serving.viewer import Viewer, ViewServer
from ...terminal import opening, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATHS")
    add_output(parser, "write the list and its comparisons as files; start no server")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the pages, or serve them until Ctrl-C."""
    if args.output is not None:
        require_folder(args.output.parent, "--output")
        require_file(args.output, "--output")
    notes: list[str] = []
    trainings = read_training_runs(args.paths, notes.append)
    runs = read_runs(
        args.paths, notes.append, lambda path: any(t.path.is_relative_to(path) for t in trainings)
    )
    viewer = Viewer(runs, notes, trainings)
    if args.output is not None:
        return _write(viewer, args.output)
    with ViewServer(viewer, args.port) as server:
        print(server.url, flush=True)
        n_runs = len(runs) + len(trainings)
        say(f"{n_runs:,} runs; open the address in a browser, Ctrl-C ends", "view")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _write(viewer: Viewer, output: Path) -> int:
    folder = output.with_name(f"{output.stem}_files")
    try:
        links = [_comparison(viewer, g, folder, n) for n, g in enumerate(viewer.groups, start=1)]
        for name in viewer.training_pages:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / f"training-{name}.html", viewer.training(name))
        listed = viewer.listed(
            links=links or [""], training=lambda name: quote(f"{folder.name}/training-{name}.html")
        )
        write_file(output, listed)
    except OSError as error:
        raise unwritable(f"cannot write {error.filename}: {error.strerror}", error) from error
    print(output)
    print(f"next: {opening(output)}")
    return 0


def _comparison(viewer: Viewer, group: RunGroup, folder: Path, number: int) -> str:
    """Write the comparison of a group; give its address, or nothing where there is none."""
    scored = [row.id for row in group.rows if row.n_scored]
    if not scored:
        return ""
    try:
        page = viewer.comparison(scored)
    except RubricbeatError as error:
        say(f"{group.task}: no comparison: {error}", "view")
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / f"compare-{number}.html", page)
    return quote(f"{folder.name}/compare-{number}.html")
