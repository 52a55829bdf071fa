"""Saved answers, and `rubricbeat judge --engine ray` as a process: what tests of workers share."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine_kit import answers, count
from waiting import HANG_S

from rubricbeat.judges.data.examples import example_to_row

IN_FLIGHT = 4
"""Calls of each of two workers."""
N_CRITERIA = 3
CHUNK = 8
"""Answers that a worker is given at a time."""


class Task:
    """Saved answers, and the command that grades them."""

    def __init__(self, folder: Path, url: str, n: int) -> None:
        self.folder, self.url, self.n_verdicts = folder, url, n * N_CRITERIA
        some = answers(n)
        self.rows, self.said = folder / "rows.jsonl", folder / "said.jsonl"
        self.rows.write_text(
            "".join(f"{json.dumps(example_to_row(a.example))}\n" for a in some), encoding="utf-8"
        )
        self.said.write_text(
            "".join(
                json.dumps({"prompt_id": a.example.prompt_id, "completion": a.text}) + "\n"
                for a in some
            ),
            encoding="utf-8",
        )
        self.store = folder / "v.sqlite"

    def start(self, *more: str, engine: str = "ray") -> subprocess.Popen[str]:
        words = [
            sys.executable, "-m", "rubricbeat.harness", "judge", "--data", str(self.rows),
            "--responses", str(self.said), "--judge", "chat", "--judge_args",
            f"model=m,base_url={self.url},max_concurrency={2 * IN_FLIGHT},max_retries=1,"
            f"timeout_s={HANG_S}",
            "--store", str(self.store), "--output_path", str(self.folder / "out"), "--json",
        ]  # fmt: skip
        if engine == "ray":
            words += ["--engine", "ray", "--chunk", str(CHUNK)]
        code = "import sys; from rubricbeat.harness.cli import main; sys.exit(main(sys.argv[1:]))"
        return subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", code, *words[3:], *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *more: str, **options: str) -> dict:
        return done(self.start(*more, **options))

    @property
    def n_stored(self) -> int:
        return count(self.store)


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end of a run; one that hangs says where, and does not stay in others' way."""
    try:
        return process.communicate(timeout=HANG_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate()
        raise AssertionError(f"the run does not end: {err[-4000:]}") from None


def done(process: subprocess.Popen[str], code: int = 0) -> dict:
    out, err = ended(process)
    assert process.returncode == code, err[-2000:]
    return json.loads(out) if out.strip() else {"err": err}


def worker_pids() -> list[int]:
    """Find the processes of our actors: below this one, for others may run Ray here too."""
    import psutil

    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ends under our hands
            if any("ray::Worker" in word for word in one.cmdline()):
                found.append(one.pid)
    return found


def worker_on(node: Any, port: int) -> int | None:
    """Find the process of our actor on a node that asks the endpoint at a port."""
    import psutil

    raylet = node.all_processes["raylet"][0].process.pid
    for pid in worker_pids():
        with suppress(psutil.Error):
            one = psutil.Process(pid)
            if one.ppid() == raylet and any(
                link.raddr and link.raddr.port == port for link in one.net_connections("tcp")
            ):
                return pid
    return None


def is_at_work(pid: int) -> bool:
    """Say whether a process is there, and not only its name."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
