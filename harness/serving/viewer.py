"""Serve a list of runs, their comparisons and training pages to the browser of this user.

Loopback alone, and only under an address with a random word: another user of the machine, or a page
of the web whose name leads here (DNS rebinding), gets nothing. A request names runs by number; no
word of it touches the disk.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from markupsafe import Markup, escape

from ...judges.errors import ConfigError, RubricbeatError
from ...reports.comparison.comparison import compare_runs
from ...reports.pages.comparison_page import render_page
from ...reports.pages.html import section_page
from ...reports.pages.runs_page import group_runs, runs_page, told_apart
from ...reports.results.run import Run
from ...reports.training.page import render_training_page, run_facts, training_report
from ...reports.training.runs import TrainingRun

HOST = "127.0.0.1"
MAX_QUERY_CHARS = 20_000
ALL = "all"
"""Names the page of all trainings beside each other."""
IDLE_S = 30.0
"""How long a connection may keep silent."""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Viewer:
    """The pages of some runs."""

    def __init__(
        self,
        runs: Sequence[Run],
        notes: Sequence[str] = (),
        trainings: Sequence[TrainingRun] = (),
    ) -> None:
        """Score the runs; `notes` are what reading them had to say."""
        self.runs = list(runs)
        self.trainings = {str(id): run for id, run in enumerate(trainings)}
        """By number."""
        self._notes = list(notes)
        self.groups = group_runs(runs)
        self._list = self.listed()
        self._one_at_a_time = threading.Lock()

    @property
    def training_pages(self) -> list[str]:
        """Names of the pages there are: numbers of trainings, and `all` of several."""
        names = [id for id, run in self.trainings.items() if run.has_rewards]
        return [*names, ALL] if len(names) > 1 else names

    def listed(
        self,
        *,
        links: Sequence[str] = (),
        training: Callable[[str], str] = "training?run={}".format,
    ) -> str:
        """Give the page that lists the runs, with all that is to be said of them.

        Args:
            links: Addresses of the comparisons, a group each; none where the server makes them.
            training: Gives the address of a page of `training_pages`.
        """
        addresses = {name: training(name) for name in self.training_pages}
        trainings = [
            run_facts(run) | {"folder": str(run.path), "link": addresses.get(id, "")}
            for id, run in self.trainings.items()
        ]
        notes = [*self._notes, *(note for run in self.runs for note in run.notes)]
        every = addresses.get(ALL, "")
        return runs_page(self.groups, notes, links=links, trainings=trainings, all_trainings=every)

    def training(self, name: str) -> str:
        """Give a page of `training_pages`; read anew, because a training may still run.

        Raises:
            ConfigError: There is no such page.
            DataError: Its files cannot be read.
        """
        if name not in self.training_pages:
            raise ConfigError("there is no such training run; go back to the list")
        names = self.training_pages[:-1] if name == ALL else [name]
        return render_training_page(training_report([self.trainings[id].path for id in names]))

    def page(self, path: str, query: str) -> tuple[int, str]:
        """Answer what stands behind the random word and behind `?`: its status and its page."""
        if path in {"", "/"}:
            return 200, self._list
        if path == "/training":
            try:
                with self._one_at_a_time:
                    return 200, self.training(query.removeprefix("run="))
            except RubricbeatError as error:
                return _told(400, "No page of this training", str(error))
        if path != "/compare":
            return _told(404, "No such page", "Go back to the list of runs.")
        try:
            ids, is_forced = self._asked(query)
        except ConfigError as error:
            return _told(400, "Nothing to compare", str(error))
        try:
            with self._one_at_a_time:
                return 200, self.comparison(ids, allow_different=is_forced)
        except RubricbeatError as error:
            words = "&".join(f"run={id}" for id in ids)
            return _told(409, "These runs are not comparable", str(error), f"{words}&different=1")

    def comparison(self, ids: Sequence[int], *, allow_different: bool = False) -> str:
        """Compare runs by their numbers."""
        picked = told_apart([self.runs[id] for id in ids])
        found = compare_runs(picked, notes=self._notes, allow_different=allow_different)
        return render_page(found, command="rubricbeat view")

    def _asked(self, query: str) -> tuple[list[int], bool]:
        if len(query) > MAX_QUERY_CHARS:
            raise ConfigError("the address is too long; tick fewer runs")
        try:
            asked = parse_qs(query, max_num_fields=len(self.runs) + 10)
        except ValueError:
            raise ConfigError("more runs are selected than exist; go back to the list") from None
        named = asked.get("run", [])
        ids = [int(word) for word in named if word.isascii() and word.isdigit() and len(word) < 9]
        if not named:
            raise ConfigError("tick the runs to compare in the list")
        if len(ids) < len(named) or max(ids) >= len(self.runs):
            raise ConfigError("there is no such run; go back to the list")
        return sorted(set(ids)), asked.get("different") == ["1"]


def _told(status: int, title: str, words: str, forced: str = "") -> tuple[int, str]:
    link = Markup('<p><a href="compare?{}">Compare anyway</a></p>').format(forced)
    section = Markup('<p dir="auto">{}</p>{}<p><a href="./">List of runs</a></p>').format(
        escape(words), link if forced else ""
    )
    return status, section_page("told", title, title, section, "docs/reports.md")


class ViewServer(ThreadingHTTPServer):
    """Listens on loopback until `shutdown`."""

    daemon_threads = True

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        """Listen.

        Raises:
            ConfigError: Nothing can listen at this port.
        """
        self.viewer = viewer
        self.word = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            said = f"cannot listen at port {port}: {error}; name another --port"
            raise ConfigError(said) from error
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{HOST}:{self.server_port}/{self.word}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that went away is no fault, and pages word their own."""

    def answer(self, host: str | None, target: str) -> tuple[int, str]:
        """Answer a request for a path and query, by its header `Host`: its status and its page."""
        if host not in self.hosts:
            return 403, "This address is not served here.\n"
        try:
            parts = urlsplit(target)
        except ValueError:
            return 400, "No such address.\n"
        _, word, *rest = parts.path.split("/", 2) if "/" in parts.path else ("", "")
        if not secrets.compare_digest(word.encode("utf-8", "replace"), self.word.encode()):
            return 403, "Open the address that `rubricbeat view` printed.\n"
        if not rest:  # links of the page are relative to the folder
            return 404, f"Open {self.url} (with its last slash).\n"
        return self.viewer.page(f"/{''.join(rest)}".rstrip("/"), parts.query)


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "rubricbeat", ""
    timeout = IDLE_S
    server: ViewServer

    def do_GET(self) -> None:
        try:
            status, page = self.server.answer(self.headers.get("Host"), self.path)
        except Exception as error:  # one page fails, the others go on
            status, page = 500, f"This page cannot be made: {type(error).__name__}.\n"
        body = page.encode("utf-8", "replace")
        self.send_response(status)
        kind = "html" if page.startswith("<!doctype html>") else "plain"
        self.send_header("Content-Type", f"text/{kind}; charset=utf-8")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what is asked for comes from anywhere."""
