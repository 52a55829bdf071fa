"""Take the README's pictures: the page that `rubricbeat demo --recorded` writes, light and dark.

Everything on it is made up. Run by `make pictures`; needs Chromium.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from rubricbeat.harness.cli import main

HERE = Path(__file__).parent
SIZE = {"width": 1100, "height": 900}


def take(page_file: Path) -> None:
    """Write page_light.png and page_dark.png beside this file."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(page_file.as_uri())
            page.screenshot(path=HERE / f"page_{scheme}.png")
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder, "page.html")
        if main(["demo", "--recorded", "-o", str(page_file)]) == 0:
            take(page_file)
