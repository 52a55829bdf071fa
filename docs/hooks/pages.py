"""MkDocs hook: the pages that lie outside of docs/, and Markdown as GitHub reads it.

README, CHANGELOG, CONTRIBUTING and the pages of examples/ and benchmarks/ become pages of the site.
Links between all of them stay those of the repository, so that they work in both places.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    **{
        f"{folder.relative_to(ROOT).as_posix()}/README.md": f"examples/{folder.name}.md"
        for folder in sorted((ROOT / "examples").iterdir())
        if (folder / "README.md").is_file()
    },
}
"""Page in the repository: page of the site."""
_INSIDE = {site: repo for repo, site in OUTSIDE.items()}

_FENCE = re.compile(r"^ *(```|~~~)")
_LINK = re.compile(r"(\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s#]+)(#[^)\s]*)?\)")
_HTML = re.compile(r'((?:src|srcset|href)=")([^":#]+)(")')
_ITEM = re.compile(r" {0,3}(?:[*+-]|1[.)]) ")


def on_config(config: Any) -> None:
    """Put the pages of a folder into the navigation where it names the folder."""
    opened = [_opened(entry, Path(config.docs_dir)) for entry in config.nav]
    config.nav = [entry for entry in opened if [*entry.values()] != [[]]]


def _opened(entry: Any, docs: Path) -> Any:
    if isinstance(entry, dict):
        ((title, inside),) = entry.items()
        if isinstance(inside, str) and inside.endswith("/"):
            pages = sorted(
                (docs / inside).glob("*.md"), key=lambda page: (page.stem != "index", page)
            )
            return {title: [inside + page.name for page in pages]}
        if isinstance(inside, list):
            return {title: [_opened(one, docs) for one in inside]}
    return entry


def on_files(files: Any, config: Any) -> None:
    """Add the pages from outside of docs/."""
    for repo, site in OUTSIDE.items():
        text = (ROOT / repo).read_text(encoding="utf-8")
        if site == "index.md":
            text = f"---\nhide: [navigation]\n---\n{text}"
        files.append(File.generated(config, site, content=text))


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the repository's links into the site's, and GitHub's Markdown into MkDocs'."""
    site = page.file.src_uri
    return "\n".join(_lines(markdown, site, _INSIDE.get(site, f"docs/{site}")))


def on_post_page(output: str, **_: Any) -> str:
    """Name the theme's search box for a screen reader."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)


def _lines(markdown: str, site: str, repo: str) -> list[str]:
    """Go through a page; code is left alone."""
    lines: list[str] = []
    is_code = is_list = False
    for line in markdown.split("\n"):
        if _FENCE.match(line):
            # "```csv answers.csv" names the file, which is shown; "```jsonl healthbench" says to
            # our tests what it is, and the site wants one word
            line = re.sub(r"^( *```\w+) (\S+\.\w+)$", r'\1 title="\2"', line)
            line = re.sub(r"^( *```\w*) (?!title=).*", r"\1", line)
            is_code = not is_code
        elif not is_code:
            before = lines[-1] if lines else ""
            is_item = bool(_ITEM.match(line))
            starts_list = is_item and not is_list
            # GitHub takes a list or a table right below a line of text, Python-Markdown does not
            if before.strip() and (starts_list or line.startswith("|") != before.startswith("|")):
                lines.append("")
            is_list = is_item or (is_list and bool(line.strip()))
            line = _LINK.sub(lambda link: _link(link, site, repo), line)
            line = _HTML.sub(lambda link: f"{link[1]}{_to(link[2], site, repo)}{link[3]}", line)
        lines.append(line)
    return lines


def _link(link: re.Match[str], site: str, repo: str) -> str:
    text, target, anchor = link[1], link[2], link[3] or ""
    to = _to(target, site, repo)
    if to is None:
        return f"{text[1:-1]} (in the repository: `{_in_repository(target, repo)}`)"
    return f"{text}({to}{anchor})"


def _in_repository(target: str, repo: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(repo), target))


def _to(target: str, site: str, repo: str) -> str | None:
    """Give the address on the site, or None for a file of the repository that is not on it.

    What is nowhere stays as it is, and strict MkDocs refuses it.
    """
    if ":" in target or target.startswith("/"):
        return target
    path = _in_repository(target, repo)
    if path in OUTSIDE:
        there = OUTSIDE[path]
    elif path.startswith("docs/"):
        there = path.removeprefix("docs/")
    elif (ROOT / path).exists():
        return None
    else:
        return target
    return posixpath.relpath(there, posixpath.dirname(site) or ".")
