"""Measure `rubricbeat serve` beside the engine that it serves: criteria/s; a table out.

    python benchmarks/serving.py                       # 500 clients at once, three rounds
    python benchmarks/serving.py --clients 50 --rounds 1

A fake judge on loopback answers after 100 ms, 64 calls at a time. A round grades the same made-up
answers twice, each with a fresh store: once by the engine in a process of its own, once through
`rubricbeat serve`, asked by so many clients at once that each wait for their reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from engine import graded, made_up, serve

from rubricbeat import example_to_row

ROOT = Path(__file__).resolve().parent.parent
BAR = 0.8
"""Share of the engine's criteria/s that must be left through HTTP."""
IN_FLIGHT = 64


async def ask(url: str, bodies: list[bytes], n_clients: int) -> tuple[int, list[float]]:
    """Send each body once, by so many clients at once; give the criteria and the latencies."""
    import aiohttp
    import orjson

    waiting = iter(bodies)
    n_criteria, latencies = 0, []
    connector = aiohttp.TCPConnector(limit=n_clients)
    headers = {"Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout
    ) as session:

        async def client() -> None:
            nonlocal n_criteria
            for body in waiting:
                began = time.perf_counter()
                async with session.post(f"{url}/v1/score", data=body) as reply:
                    said = orjson.loads(await reply.read())
                latencies.append(time.perf_counter() - began)
                assert said["complete"], said
                n_criteria += said["missing"]["of"]

        await asyncio.gather(*(client() for _ in range(n_clients)))
    return n_criteria, latencies


def through_http(judge: str, store: str, n_answers: int, n_clients: int) -> dict[str, Any]:
    """Start a server, ask it, stop it; its processor time is the process's own."""
    bodies = [
        json.dumps({"items": [{"row": example_to_row(a.example), "answers": [a.text]}]}).encode()
        for a in made_up(n_answers)
    ]
    args = f"model=m,base_url={judge},max_concurrency={IN_FLIGHT},timeout_s=600"
    words = ["serve", "--judge", "chat", "--judge_args", args, "--store", store, "--port", "0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "rubricbeat", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        assert url, server.communicate()
        cpu = cpu_of(server.pid)
        began = time.perf_counter()
        n_criteria, latencies = asyncio.run(ask(url, bodies, n_clients))
        wall = time.perf_counter() - began
        cpu = cpu_of(server.pid) - cpu
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate()
    assert server.returncode == 0, said
    ordered = sorted(latencies)
    return {
        "criteria": n_criteria,
        "wall_s": round(wall, 2),
        "per_s": round(n_criteria / wall, 1),
        "cpu_ms": round(1000 * cpu / n_criteria, 3),
        "p50_s": round(ordered[len(ordered) // 2], 2),
        "p99_s": round(ordered[int(0.99 * (len(ordered) - 1))], 2),
    }


def cpu_of(pid: int) -> float:
    """Give the processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def by_engine(judge: str, store: str, n_answers: int) -> dict[str, Any]:
    """Grade the same answers by the engine alone, in a process of its own."""
    words = [sys.executable, __file__, "--engine", judge, store, str(n_answers)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> int:
    """Measure the rounds and print the table as Markdown; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.pop("RUBRICBEAT_TOKEN", None)
    os.environ["OPENAI_API_KEY"] = "none"
    if args.engine:
        url, store, n = args.engine
        print(json.dumps(graded(url, store, IN_FLIGHT, int(n))))
        return 0
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(
        "| round | what | criteria | wall, s | criteria/s | CPU, ms each | p50, p99 of a request |"
    )
    print("|---|---|---|---|---|---|---|")
    shares = []
    process, judge = serve(ROOT / "tests" / "loopback.py", latency=0.1, cap=IN_FLIGHT)
    try:
        for number in range(1, args.rounds + 1):
            with tempfile.TemporaryDirectory() as folder:
                alone = by_engine(judge, f"{folder}/engine.sqlite", args.answers)
                http = through_http(judge, f"{folder}/http.sqlite", args.answers, args.clients)
            shares.append(http["per_s"] / alone["per_s"])
            for what, row in (("the engine", alone), (f"HTTP, {args.clients} clients", http)):
                times = f"{row['p50_s']} s, {row['p99_s']} s" if "p50_s" in row else ""
                cells = " | ".join(str(row[k]) for k in ("criteria", "wall_s", "per_s", "cpu_ms"))
                print(f"| {number} | {what} | {cells} | {times} |", flush=True)
    finally:
        process.terminate()
        process.wait()
    middle = statistics.median(shares)
    each = ", ".join(f"{share:.0%}" for share in shares)
    print(f"\nthrough HTTP: {middle:.0%} of the engine's criteria/s (rounds: {each})")
    print(f"bar: >= {BAR:.0%}")
    return int(middle < BAR)


if __name__ == "__main__":
    sys.exit(main())
