"""What trials of faults share: made-up data, forked commands, and what is left after one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback import Loopback

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.files import PREFIX, SUFFIX
from rubricbeat.reports.results.reader import read_runs

HERE = Path(__file__).parent
N_TRIALS = int(os.environ.get("RUBRICBEAT_FAULTS", "500"))
SEED = 20261129
PARTS = 10
"""The trials are cut in so many tests, so that it is seen how far they are."""
N_ANSWERS, N_CRITERIA = 8, 4
COUNT, KILL, HALF, ANYWHERE = 0, 1, 2, -1
ACTIONS = {"kill": KILL, "half": HALF, "full": errno.ENOSPC, "io": errno.EIO}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code, or minus the signal."""
    n_calls: int
    """Writing calls it made below its folder."""
    n_steps: int
    """Library calls of any kind that it made: a measure of how far it came, whatever the speed."""
    n_before: int
    """Those of them before it first asked the endpoint."""
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Found:
    """A run as a reader finds it."""

    score: float | None
    """As stored."""
    met: dict[tuple[str, int], bool]
    """The verdicts there are, by prompt and criterion."""

    def is_true_to(self, right: Found) -> bool:
        """Whether it is complete and right, or lacks verdicts and has no wrong one."""
        if len(self.met) == len(right.met):
            return self == right
        return self.met.items() <= right.met.items()


class Driver:
    """The warm process that runs commands in copies of itself."""

    def __init__(self, shim: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        )

    def run(self, args: Sequence[str], place: Path, action: int = COUNT, at: int = 0) -> Ended:
        """Run a command below a folder, with a fault at one of its calls."""
        out, err = place / "stdout.txt", place / "stderr.txt"
        trial = {
            "args": list(args),
            "stdout": str(out),
            "stderr": str(err),
            "store": str(place / "work" / "verdicts.sqlite"),
            "below": str(place / "work"),
            "action": action,
            "at": at,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(trial) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        said = [path.read_text("utf-8", "replace") for path in (out, err)]
        counted = (answer[name] for name in ("code", "n_calls", "n_steps", "n_before"))
        return Ended(*counted, *said)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Place:
    """A folder of one trial: the data, and `work` with all that a command may write."""

    def __init__(self, path: Path, server: Loopback) -> None:
        self.path = path
        (path / "work").mkdir(parents=True)
        rows = [json.dumps(row) for row in _rows()]
        answers = [json.dumps(answer) for answer in _answers()]
        (path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
        (path / "answers.jsonl").write_text("\n".join(answers), encoding="utf-8")
        self.out, self.store = path / "work" / "out", path / "work" / "verdicts.sqlite"
        self.page = path / "work" / "page.html"
        self._server = server

    @property
    def judge(self) -> list[str]:
        """The command that grades."""
        options = f"model=m,base_url={self._server.url},max_concurrency=4,max_retries=1"
        return [
            *("judge", "--data", str(self.path / "rows.jsonl")),
            *("--responses", str(self.path / "answers.jsonl"), "--model", "tested"),
            *("--judge", "chat", "--judge_args", options, "--output_path", str(self.out)),
        ]

    @property
    def compare(self) -> list[str]:
        """The command that writes a page."""
        return ["compare", str(self.out), "-o", str(self.page)]

    def runs(self) -> list[Found]:
        """Give what a reader finds of each run; none where it finds no run."""
        try:
            runs = read_runs([self.out])
        except DataError:
            return []
        return [
            Found(
                run.stored.get("score"),
                {
                    (g.example.prompt_id, i): verdict.met
                    for g in run.graded
                    for i, verdict in enumerate(g.verdicts)
                    if verdict.met is not None
                },
            )
            for run in runs
        ]

    def leftovers(self) -> Iterator[Path]:
        """Give the files that are neither whole results nor the store."""
        for path in self.out.rglob("*"):
            if path.is_file() and path.stat().st_size == 0 and not _is_unfinished(path):
                yield path


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(PREFIX) and path.name.endswith(SUFFIX)


def _rows() -> Iterator[dict[str, Any]]:
    for i in range(N_ANSWERS):
        rubric = [
            {"criterion": f"Says thing {j} of {i}", "points": 3 if j else -2, "tags": []}
            for j in range(N_CRITERIA)
        ]
        yield {"prompt_id": f"p{i}", "prompt": f"Question {i}?", "rubric": rubric}


def _answers() -> Iterator[dict[str, Any]]:
    for i in range(N_ANSWERS):
        yield {"prompt_id": f"p{i}", "completion": f"Answer {i}."}


def is_said(ended: Ended) -> bool:
    """Whether a command that failed said so in words: no traceback, no silence."""
    return "Traceback" not in ended.err and ended.err.strip() != ""
