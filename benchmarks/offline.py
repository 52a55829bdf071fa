"""Time the commands that ask nobody: `import`, `compare` and `run` with a dummy model.

    python benchmarks/offline.py [--data DIR] [--repeats 5]

Each is a whole process as a user starts it, files of Python compiled before. What is compared with
the target is the CPU time of the process and its children, the median of the runs: on a quiet
machine the clock shows nearly the same, on a busy one it says how busy it is. Targets: `import` of
4,400 recorded answers 6 s, `compare` of their 22 runs 6 s, `run` on 32 rows 3 s. Loading numpy
alone stands beside them as a measure of the machine. The recorded answers
lie in the folder of shared data (`RUBRICBEAT_SHARED`, `../shared/data`); without it only `run` is
timed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHARED = os.environ.get("RUBRICBEAT_SHARED", str(Path(__file__).parents[2] / "shared" / "data"))
VERDICTS = "judged/humbleai_hard_gpt41_judge.jsonl.gz"
TARGETS_S = {"import": 6.0, "compare": 6.0, "run": 3.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(SHARED))
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = {
            name: measure(command, place, args.repeats)
            for name, command in commands(args.data, place).items()
        }
    report = {name: {**one, **against_target(name, one)} for name, one in found.items()}
    print(json.dumps(report, indent=2))
    sys.exit(any(one.get("ratio", 0) > 1 for one in report.values()))


def commands(data: Path, place: Path) -> dict[str, list[str]]:
    """Give the commands in the order in which they build on each other."""
    ours = [sys.executable, "-m", "rubricbeat"]
    run = ["--tasks", "healthbench_heart_demo", "--limit", "32", "--model", "dummy"]
    out = ["--judge", "keyword", "--output_path", str(place / "run")]
    found = {
        "numpy alone": [sys.executable, "-c", "import numpy"],
        "run": [*ours, "run", *run, *out],
    }
    if (data / VERDICTS).exists():
        rows = ["--data", str(data / "healthbench_rows.jsonl.gz")]
        out = ["--output_path", str(place / "imported")]
        found["import"] = [*ours, "import", str(data / VERDICTS), *rows, *out]
        found["compare"] = [*ours, "compare", str(place / "imported"), "-o", str(place / "r.html")]
    return found


def measure(command: list[str], place: Path, repeats: int) -> dict[str, Any]:
    """Run a command, once to warm up, and give the medians and the most memory."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(place / "pyc")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    cpu_s, clock_s = [], []
    for _ in range(repeats + 1):
        if "--output_path" in command:  # each time from nothing
            shutil.rmtree(command[command.index("--output_path") + 1], ignore_errors=True)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=place, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock_s.append(time.perf_counter() - start)
        cpu_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "cpu_s": round(statistics.median(cpu_s[1:]), 2),
        "cpu_range_s": [round(min(cpu_s[1:]), 2), round(max(cpu_s[1:]), 2)],
        "clock_s": round(statistics.median(clock_s[1:]), 2),
        # of the largest process so far: `run`, the smallest, comes first
        "memory_mb": round(after.ru_maxrss / 1024),
    }


def against_target(name: str, found: dict[str, Any]) -> dict[str, float]:
    target = TARGETS_S.get(name)
    if target is None:
        return {}
    return {"target_s": target, "ratio": round(found["cpu_s"] / target, 2)}


if __name__ == "__main__":
    main()
