"""Saved answers, and `rubricbeat judge --engine ray` as a process: what tests of workers share."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine_kit import answers

from rubricbeat.judges.data.examples import example_to_row

IN_FLIGHT = 4
"""Calls of each of two workers."""
N_CRITERIA = 3


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
            f"model=m,base_url={self.url},max_concurrency={2 * IN_FLIGHT},max_retries=1",
            "--store", str(self.store), "--output_path", str(self.folder / "out"), "--json",
        ]  # fmt: skip
        if engine == "ray":
            words += ["--engine", "ray", "--chunk", "8"]
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
        if not self.store.exists():
            return 0
        with sqlite3.connect(self.store) as db:
            return int(db.execute("SELECT count(*) FROM verdicts").fetchone()[0])

    def wait_for(self, share: float, run: subprocess.Popen[str]) -> None:
        give_up = time.monotonic() + 100
        while time.monotonic() < give_up and run.poll() is None:
            try:
                if self.n_stored >= share * self.n_verdicts:
                    return
            except sqlite3.Error:  # it is being made
                pass
            time.sleep(0.01)
        run.kill()
        raise AssertionError(f"the run does not get on: {run.communicate(timeout=30)}")


def ended(process: subprocess.Popen[str], seconds: float = 120) -> tuple[str, str]:
    """Wait for the end of a run; one that hangs says where, and does not stay in others' way."""
    try:
        return process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        _, err = process.communicate(timeout=30)
        raise AssertionError(f"the run has not ended after {seconds:g} s: {err[-4000:]}") from None


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


def is_at_work(pid: int) -> bool:
    """Say whether a process is there, and not only its name."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
