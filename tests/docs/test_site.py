"""The site is built strictly, fetches nothing, and its search works from a folder on disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rubricbeat
from rubricbeat.harness.cli import COMMANDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FETCHED = {"img": "src", "script": "src", "source": "srcset", "iframe": "src"}
ICONS = {"icon", "stylesheet", "preload", "prefetch", "preconnect", "modulepreload"}


class Page(HTMLParser):
    """What a page fetches, and where its links go."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        had = dict(attrs)
        self.ids.add(had.get("id") or had.get("name") or "")
        if tag == "a" and had.get("href"):
            self.links.append(had["href"])
        if tag in FETCHED and had.get(FETCHED[tag]):
            self.fetched.append(had[FETCHED[tag]])
        if tag == "link" and ICONS & set((had.get("rel") or "").split()):
            self.fetched.append(had["href"])


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="needs mkdocs-material (pip install .[docs])")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    # 404.html is served under any address, so that its own are absolute
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for address in page.fetched:
            if not address.startswith("data:"):
                assert "//" not in address, (path, address)
                assert (path.parent / address.partition("?")[0]).is_file(), (path, address)
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\(([^)]*)\)", sheet.read_text(encoding="utf-8")):
            assert "//" not in address or address.lstrip("\"'").startswith("data:"), address


def test_every_link_inside_the_site_arrives(pages: dict[Path, Page]) -> None:
    """MkDocs checks the links of Markdown; those of HTML and of the theme are checked here."""
    known = {path.resolve(): page for path, page in pages.items()}
    for path, page in pages.items():
        for link in page.links:
            address, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (path.parent / address).resolve() if address else path.resolve()
            if target.is_dir():
                target /= "index.html"
            assert target.is_file(), (path.name, link)
            if anchor and target in known:
                assert anchor in known[target].ids, (path.name, link)


def test_every_command_and_every_public_name_is_in_the_reference(pages: dict[Path, Page]) -> None:
    ids = {path.name: page.ids for path, page in pages.items()}
    for name in COMMANDS:
        assert f"rubricbeat-{name}" in ids["commands.html"]
    for name in set(rubricbeat.__all__) - {"__version__"}:
        assert name.lower() in ids["python.html"]


def test_markdown_of_github_is_markdown_of_the_site(pages: dict[Path, Page]) -> None:
    """A list or a table right below text, and a fence that says more than its language."""
    for path, page in pages.items():
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", page.text, flags=re.S)
        assert not re.search(r"<p>[^<]*\n(\* |\| |```)", text), path.name
        assert "```" not in text, path.name


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_search_works_from_a_folder_without_a_network(site: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    asked: list[str] = []
    said: list[str] = []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 400, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((site / "index.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.set_viewport_size({"width": 1280, "height": 900})
        page.locator("input[name=query]").click()
        page.keyboard.type("calibrated")
        page.locator(".md-search-result__item a").first.wait_for()
        assert "calibrated" in page.locator(".md-search-result__list").inner_text().lower()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto((site / "judges.html").as_uri())
            faults = axe.Axe().run(page).response["violations"]
            assert [one["id"] for one in faults if one["impact"] in {"serious", "critical"}] == []
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
