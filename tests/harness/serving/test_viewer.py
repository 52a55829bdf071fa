"""`rubricbeat view`: the list of runs, comparisons on demand, and who gets nothing."""

from __future__ import annotations

import html
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from report_kit import example, graded, judge, run, write_run
from training_kit import write_run as write_training

from rubricbeat.harness.cli import main
from rubricbeat.harness.serving.viewer import Viewer, ViewServer
from rubricbeat.reports.pages.runs_page import group_runs, runs_page, told_apart
from rubricbeat.reports.results.reader import read_runs
from rubricbeat.reports.results.run import Run
from rubricbeat.reports.training.runs import read_training_runs

HOSTILE = '"><script>alert(1)</script>'
EXAMPLES = [example(f"p{n}") for n in range(12)]


def made(model: str, verdicts: str, label: str = "one", **more: str) -> Run:
    facts = {"judge": judge(more.pop("digest"))} if "digest" in more else None
    in_turn = verdicts.split()
    answers = [graded(in_turn[n % len(in_turn)], of) for n, of in enumerate(EXAMPLES)]
    return run(model, answers, label=label, facts=facts, **more)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two models under one judge, one of them twice; another judge; another task; odd names."""
    root = tmp_path / "tree"
    write_run(root / "a", made("good", "110"))
    write_run(root / "a", made("good", "110", "two"), "2026-01-03T03-04-05.678901")
    write_run(root / "b", made("bad", "100 0u0"))
    write_run(root / "c", made("good", "100", digest="b" * 64))
    write_run(root / "d", made(HOSTILE, "100", HOSTILE, task="other"))
    return root


@pytest.fixture
def server(tree: Path) -> Iterator[ViewServer]:
    with ViewServer(Viewer(read_runs([tree]))) as made_server:
        thread = threading.Thread(target=made_server.serve_forever, args=(0.05,))
        thread.start()
        yield made_server
        made_server.shutdown()
        thread.join()


def ask(
    server: ViewServer,
    target: str,
    method: str = "GET",
    host: str | None = None,
    *,
    unescaped: bool = False,
) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.putrequest(method, target, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    reply = connection.getresponse()
    body = html.unescape(reply.read().decode()) if unescaped else reply.read().decode()
    connection.close()
    return reply.status, body, dict(reply.getheaders())


def ids(page: str) -> dict[str, list[int]]:
    """Give the numbers of the runs of each model, as the list shows them."""
    found: dict[str, list[int]] = {}
    for id, model in re.findall(r'value="(\d+)"> <bdi>(.*?)</bdi>', page):
        found.setdefault(model, []).append(int(id))
    return found


def test_runs_are_listed_by_what_may_be_compared(tree: Path) -> None:
    groups = group_runs(read_runs([tree]))
    assert [[row.model for row in group.rows] for group in groups] == [
        ["good", "good", "bad"],
        ["good"],
        [HOSTILE],
    ]
    good, _, bad = groups[0].rows
    # 8 of 8 points met; every other answer of "bad" lacks a verdict, and has 5 of 8 points else
    assert (good.score, good.n_scored, good.n_missing) == ("1.00", 12, 0)
    assert (bad.score, bad.n_scored, bad.n_asked, bad.n_missing) == ("0.625", 6, 12, 6)
    assert {row.date for row in groups[0].rows} == {"2026-01-02 03:04", "2026-01-03 03:04"}
    assert "aaaaaaaaaaaa" in groups[0].judge and "rows.jsonl" in groups[0].data


def test_ticked_runs_are_compared_on_demand(server: ViewServer) -> None:
    status, page, headers = ask(server, f"/{server.word}/", unescaped=True)
    assert status == 200 and "form-action 'self'" in page
    assert headers["Content-Type"].startswith("text/html")
    assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")
    known = ids(page)
    one, two = known["good"][0], known["bad"][0]
    status, page, _ = ask(server, f"/{server.word}/compare?run={one}&run={two}", unescaped=True)
    assert status == 200 and "good" in page and "bad" in page and "form-action 'none'" in page


def test_runs_of_one_model_are_compared_with_each_other(tree: Path) -> None:
    first, other_judge, second = [one for one in read_runs([tree]) if one.model == "good"]
    assert [one.model for one in told_apart([first, second])] == ["good [one]", "good [two]"]
    names = [one.model for one in told_apart([first, other_judge])]
    stamp = "2026-01-02T03-04-05.678901"
    assert names == [
        f"good [one] (a/good/samples_made_up_{stamp}.jsonl)",
        f"good [one] (c/good/samples_made_up_{stamp}.jsonl)",
    ]
    same = [made("good", "110"), made("good", "100")]
    assert told_apart(same) == same  # nothing tells them apart: they stay repeats
    assert told_apart([first]) == [first]


def test_what_cannot_be_compared_is_said_and_done_when_insisted_on(server: ViewServer) -> None:
    _, page, _ = ask(server, f"/{server.word}/")
    known = ids(page)
    odd = next(found for model, found in known.items() if "script" in model)
    picked = f"run={min(known['good'][0], odd[0])}&run={max(known['good'][0], odd[0])}"
    status, page, _ = ask(server, f"/{server.word}/compare?{picked}")
    assert status == 409 and "several tasks" in page and picked.replace("&", "&amp;") in page
    status, page, _ = ask(server, f"/{server.word}/compare?{picked}&different=1")
    assert status == 200 and "not comparable" in page
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize(
    "query",
    ["", "run=99", "run=-1", "run=1e0", "run=%C2%B2", "run=../../etc/passwd", "run=" + "9" * 5000],
)
def test_only_numbers_of_runs_are_taken(server: ViewServer, query: str) -> None:
    status, page, _ = ask(server, f"/{server.word}/compare?{query}")
    assert status == 400 and "etc/passwd" not in page


def test_a_flood_of_numbers_is_one_refusal(server: ViewServer) -> None:
    assert ask(server, f"/{server.word}/compare?" + "run=0&" * 1000)[0] == 400
    assert ask(server, f"/{server.word}/compare?run=0&run=0")[0] == 200


def test_nobody_else_gets_a_page(server: ViewServer) -> None:
    port = server.server_port
    assert server.server_address[0] == "127.0.0.1"
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil"):
        status, page, _ = ask(server, f"/{server.word}/", host=host)
        assert (status, "good" in page) == (403, False), host
    for target in ("/", "/compare?run=0", f"/{server.word[:-1]}/", "//", "/%2e%2e/", "http://[x/"):
        status, page, _ = ask(server, target)
        assert status in {400, 403} and "good" not in page, target
    for rest in ("/../../etc/passwd", "/%2e%2e/etc/passwd", "/compare/../x", "/favicon.ico"):
        assert ask(server, f"/{server.word}{rest}")[0] == 404
    # links of the list are relative: without the last slash they would lead elsewhere
    status, page, _ = ask(server, f"/{server.word}")
    assert status == 404 and server.url in page
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, f"/{server.word}/", method=method)[0] == 501
    assert ask(server, f"/{server.word}/", host=f"localhost:{port}")[0] == 200


def test_a_page_that_fails_ends_nothing(
    server: ViewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(server.viewer, "page", broken)
    status, page, _ = ask(server, f"/{server.word}/")
    assert (status, page) == (500, "This page cannot be made: ZeroDivisionError.\n")


def test_a_browser_that_goes_away_is_no_fault(
    server: ViewServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, gone, told = threading.Event(), threading.Event(), threading.Event()
    tell = server.handle_error

    def page(*_: str) -> tuple[int, str]:
        asked.set()
        assert gone.wait(60)
        return 200, "x" * 50_000_000

    def watched(request: object, client_address: object) -> None:
        tell(request, client_address)
        told.set()

    monkeypatch.setattr(server.viewer, "page", page)
    monkeypatch.setattr(server, "handle_error", watched)
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        words = f"GET /{server.word}/ HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n"
        connection.sendall(words.encode())
        assert asked.wait(60)
    gone.set()
    assert told.wait(60)
    assert capsys.readouterr().err == ""


def test_names_from_files_stay_text(tree: Path) -> None:
    page = runs_page(group_runs(read_runs([tree])), [HOSTILE])
    assert page.count("<script") == 1 and "&lt;script&gt;alert(1)" in page


def test_what_a_run_has_to_say_stands_in_both_lists() -> None:
    viewer = Viewer([replace(made("good", "110"), notes=("read twice",))], ["one file is empty"])
    for page in (viewer.page("", "")[1], viewer.listed(links=["compare-1.html"])):
        assert "Read twice." in page and "One file is empty." in page


def test_files_take_the_place_of_the_server(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new" / "my runs #1.html"
    assert main(["view", str(tree), "-o", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(page)
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert "form-action 'none'" in text and "<form" not in text and "<input" not in text
    links = re.findall(r'<a href="([^#"][^"]*)"', text)
    assert len(links) == 3
    for link in links:
        assert (page.parent / unquote(link)).is_file() and "#" not in link


def test_training_runs_are_listed_with_their_pages(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        write_training(tmp_path / "runs" / name, seed=ord(name), gold={0: [0.1], 20: [0.3]})
    write_training(tmp_path / "runs" / "new", n_steps=0)
    notes: list[str] = []
    write_training(tmp_path / "runs" / "odd")
    (tmp_path / "runs" / "odd" / "status.json").write_text("{", encoding="utf-8")
    trainings = read_training_runs([tmp_path / "runs", tree], notes.append)
    assert len(notes) == 1 and notes[0].startswith("excluded: ")
    viewer = Viewer(read_runs([tree]), notes, trainings)
    listed = viewer.page("", "")[1]
    assert "and 3 training runs</h1>" in listed and listed.count('href="training?run=') == 3
    status, page = viewer.page("/training", "run=1")
    assert status == 200 and "<title>Training: hybrid" in page
    assert "2 runs" in viewer.page("/training", "run=all")[1]
    for odd in ("run=2", "run=9", "run=-1", "run=", "", "run=0&run=1", "run=%00"):
        assert viewer.page("/training", odd)[0] == 400
    # a folder of trainings alone is no error, in files too
    out = tmp_path / "list.html"
    assert main(["view", str(tmp_path / "runs"), "-o", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"-m webbrowser {out.as_uri()}\n")
    text = out.read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^#"][^"]*)"', text)
    assert len(links) == 3 and all((tmp_path / link).is_file() for link in links)
    assert "<h1>3 training runs</h1>" in text and "<form" not in text


def test_what_cannot_be_shown_is_one_line(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(tmp_path / "none")]) == 2
    assert main(["view", str(tree), "-o", str(tmp_path)]) == 2
    assert main(["view", str(tree), "--port", "70000"]) == 2
    assert capsys.readouterr().err.count("\n") == 3
