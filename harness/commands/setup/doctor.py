"""Check the installation: versions, extras, keys, endpoint, GPU, verdict store, data.

Nothing is graded and nothing costs money: an endpoint is only asked for its list of models.
Keys are never shown.

Examples:
  rubricbeat doctor
  rubricbeat doctor --base_url http://127.0.0.1:8000/v1 --data rows.jsonl --json

exit codes: 0 everything requested works, 1 something does not, 2 usage error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from ....judges.errors import RubricbeatError
from ....judges.registry import installed_version
from ...terminal import aligned, print_json

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "RUBRICBEAT_TOKEN")
TIMEOUT_S = 5.0
MAX_BYTES = 4 << 20
"""Of the list of an endpoint's models."""
_NOT_LISTED = {"dev", "docs", "train-vllm"}
"""For developers, or made of others."""


class State(StrEnum):
    """What was found."""

    OK = "ok"
    ABSENT = "-"
    """Not there, and not needed by what is asked for."""
    BROKEN = "BROKEN"
    """Asked for, and does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    subject: str
    state: State
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--base_url", metavar="URL", help="an endpoint to reach (default: OPENAI_BASE_URL)"
    )
    parser.add_argument(
        "--api_key_env",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="variable with the endpoint's key (OPENAI_API_KEY)",
    )
    parser.add_argument("--store", metavar="PATH", help="a verdict store (default: your own)")
    parser.add_argument(
        "--data", metavar="PATH", help="rows with rubrics (default: RUBRICBEAT_DATA)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Check everything; 1 where something that is asked for does not work."""
    checks = [
        *_packages(),
        *_keys(),
        _endpoint(args),
        *_gpu(),
        _store(args.store),
        _data(args.data),
    ]
    is_broken = any(check.state is State.BROKEN for check in checks)
    if args.json:
        print_json({"ok": not is_broken, "checks": [asdict(c) for c in checks]})
    else:
        print(aligned([(check.state, check.subject, check.detail) for check in checks]))
    return int(is_broken)


def _packages() -> Iterator[Check]:
    yield Check("rubricbeat", State.OK, f"{version('rubricbeat')}, in {Path(__file__).parents[3]}")
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Check("python", State.OK, where)
    needed: dict[str, list[str]] = {}
    for line in requires("rubricbeat") or []:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        found = re.search(r"""extra == ["']([\w-]+)["']""", line)
        is_elsewhere = "sys_platform" in line and os.name == "nt"
        if name != "rubricbeat" and not is_elsewhere:
            needed.setdefault(found[1] if found else "", []).append(name)
    yield _installed("packages", needed.pop("", []), State.BROKEN, "pip install rubricbeat")
    for extra, names in needed.items():
        if extra not in _NOT_LISTED:
            mend = f"pip install 'rubricbeat[{extra}]'"
            yield _installed(f"extra {extra}", names, State.ABSENT, mend)


def _installed(subject: str, names: list[str], otherwise: State, mend: str) -> Check:
    found = {name: installed_version(name) for name in dict.fromkeys(names)}
    if missing := [name for name, there in found.items() if there is None]:
        return Check(subject, otherwise, f"not installed: {', '.join(missing)} ({mend})")
    return Check(subject, State.OK, ", ".join(f"{name} {there}" for name, there in found.items()))


def _keys() -> Iterator[Check]:
    others = sorted(name for name in os.environ if name.endswith("_API_KEY") and name not in KEYS)
    for name in (*KEYS, *others):
        is_set = bool(os.environ.get(name, "").strip())
        yield Check(
            f"key {name}", State.OK if is_set else State.ABSENT, "set" if is_set else "not set"
        )


def _endpoint(args: argparse.Namespace) -> Check:
    base_url = args.base_url or os.environ.get("OPENAI_BASE_URL")
    if not base_url:
        return Check("endpoint", State.ABSENT, "none named: --base_url URL checks one")
    import aiohttp

    from ....judges.backends.addresses import checked_address, in_short, usable_proxy

    try:
        address = checked_address(base_url)
        usable_proxy(address)
    except RubricbeatError as error:
        return Check("endpoint", State.BROKEN, str(error))
    import asyncio

    try:
        state, words = asyncio.run(_models_of(address, os.environ.get(args.api_key_env, "")))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        late = isinstance(error, TimeoutError) and not str(error)
        words = f"no answer within {TIMEOUT_S:g} s" if late else in_short(error)
        state = State.BROKEN
    return Check("endpoint", state, f"{address}: {words}")


async def _models_of(address: str, key: str) -> tuple[State, str]:
    """Ask an endpoint for its models, which no endpoint charges for."""
    import aiohttp

    from ....judges.backends.addresses import usable_proxy

    headers = {"Authorization": f"Bearer {key.strip()}"} if key.strip() else {}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
        # a redirect may lead to another host, which has no business with the key
        session.get(
            f"{address}/models",
            headers=headers,
            proxy=usable_proxy(address),
            allow_redirects=False,
        ) as reply,
    ):
        body = b""
        async for chunk in reply.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > MAX_BYTES:
                break
    if reply.status in {401, 403}:
        said = "refuses the key" if key else "wants a key"
        return State.BROKEN, f"reachable, and {said} (status {reply.status})"
    if reply.status == 404 and not address.endswith("/v1"):
        return State.BROKEN, "reachable, but has no /models (status 404): is /v1 missing?"
    if reply.status in {404, 405, 501}:
        return State.OK, f"reachable; it lists no models (status {reply.status})"
    if reply.status != 200:
        return State.BROKEN, f"reachable, but /models gives status {reply.status}"
    names = _names_in(body)
    if names is None:
        return State.BROKEN, "reachable, but what it sends is no list of models"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return State.OK, f"reachable; models: {', '.join(names[:5]) or 'none'}{more}"


def _names_in(body: bytes) -> list[str] | None:
    try:
        data: Any = json.loads(body)["data"]
        return [str(each["id"])[:200] for each in data]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _gpu() -> Iterator[Check]:
    """Ask the driver's own program: nothing heavy is imported."""
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Check("gpu", State.ABSENT, "no NVIDIA GPU found (nvidia-smi is not installed)")
    else:
        ask = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Check("gpu", State.ABSENT, f"nvidia-smi does not answer: {type(error).__name__}")
        else:
            found = "; ".join(filter(None, map(str.strip, done.stdout.splitlines())))
            is_there = done.returncode == 0 and bool(found)
            said = found if is_there else " ".join(done.stdout.split()) or "none"
            yield Check("gpu", State.OK if is_there else State.ABSENT, said)
    torch = installed_version("torch")
    if torch is not None and "+cpu" in torch:
        yield Check("torch", State.OK, f"{torch}: a build for CPUs, which uses no GPU")


def _store(named: str | None) -> Check:
    from ....judges.files import user_path
    from ....judges.store.opened import opened, scalar
    from ....judges.store.postgres_connection import shown
    from ....judges.store.protocol import is_address
    from ....judges.store.sqlite import default_store_path

    try:
        place = named or os.environ.get("RUBRICBEAT_STORE") or str(default_store_path())
        words = shown(place) if is_address(place) else str(user_path(place))
        if not is_address(place) and not user_path(place).exists():
            state = State.BROKEN if named else State.ABSENT
            return Check("store", state, f"{words}: not there{'' if named else ' yet'}")
        with opened(place if is_address(place) else user_path(place)) as store:
            n, size = int(scalar(store, "SELECT count(*) FROM verdicts")), store.n_bytes()
    except RubricbeatError as error:
        return Check("store", State.BROKEN, str(error))
    return Check("store", State.OK, f"{words}: {n:,} verdicts, {size / 2**20:.1f} MiB")


def _data(named: str | None) -> Check:
    from ....judges.data.examples import read_examples
    from ....judges.files import user_path

    path = named or os.environ.get("RUBRICBEAT_DATA")
    if not path:
        return Check("data", State.ABSENT, "none named: --data PATH checks rows with rubrics")
    if user_path(path).is_dir() and not named:
        return Check("data", State.OK, f"{path}: a folder")
    try:
        data = read_examples(user_path(path))
    except RubricbeatError as error:
        return Check("data", State.BROKEN, str(error))
    n_criteria = sum(len(example.rubric) for example in data.examples)
    left = f", {len(data.skipped):,} rows cannot be used" if data.skipped else ""
    return Check(
        "data", State.OK, f"{path}: {len(data.examples):,} rows, {n_criteria:,} criteria{left}"
    )
