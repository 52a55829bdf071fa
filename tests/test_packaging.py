"""What is installed is what is in the tree, and the public face is what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rubricbeat

pytestmark = pytest.mark.border

NOT_PACKAGES = {"tests", "docs", "examples", "benchmarks", "build", "dist"}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, object]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


def test_every_package_of_the_tree_is_listed(root: Path, project: dict) -> None:
    listed = set(project["tool"]["setuptools"]["packages"])
    in_tree = {"rubricbeat"}
    for init in root.glob("*/**/__init__.py"):
        parts = init.parent.relative_to(root).parts
        if parts[0] not in NOT_PACKAGES and not parts[0].startswith("."):
            in_tree.add(".".join(("rubricbeat", *parts)))
    assert {name for name in listed if name.startswith("rubricbeat")} == in_tree


def test_the_version_is_said_once(root: Path, project: dict) -> None:
    version = project["project"]["version"]
    assert rubricbeat.__version__ == version
    assert f"\nversion: {version}\n" in (root / "CITATION.cff").read_text("utf-8")


def test_the_face_exports_what_it_names() -> None:
    for name in rubricbeat.__all__:
        assert getattr(rubricbeat, name) is not None


def test_the_face_is_listed_once_in_order_and_all_that_pages_use(root: Path) -> None:
    assert rubricbeat.__all__ == sorted({*rubricbeat._HOME, "__version__"})
    pages = [root / "README.md", *root.glob("docs/*.md"), *root.glob("examples/custom_judge/*.py")]
    pattern = re.compile(r"^ *(?:from|import) (rubricbeat[\w.]*)", re.M)
    deep = {
        (page.name, found)
        for page in pages
        for found in pattern.findall(page.read_text("utf-8"))
        if found not in {"rubricbeat", "rubricbeat.harness.training"}
    }
    assert not deep, "pages import from `rubricbeat` alone: what they need is public"


def test_the_core_install_never_asks_for_torch(project: dict) -> None:
    names = {re.split(r"[\[<>=!~ ]", line)[0] for line in project["project"]["dependencies"]}
    assert names.isdisjoint({"torch", "transformers", "trl", "vllm", "accelerate", "peft"})


def test_the_front_page_loads_nothing_heavy() -> None:
    code = (
        "import sys, rubricbeat, rubricbeat.harness.cli as cli; cli.main(['--help']);"
        "heavy = {'torch', 'pandas', 'numpy', 'scipy', 'lm_eval', 'matplotlib', 'aiohttp'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_listed_command_explains_itself() -> None:
    from rubricbeat.harness.cli import COMMANDS, main

    for name in COMMANDS:
        assert main([name, "--help"]) == 0, name


def test_nothing_committed_names_a_registry_host_or_the_canary(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True
    ).stdout.split(b"\0")
    # spelt apart, so that this file does not find itself
    banned = [b"pypi" + b".org", b"npmjs" + b".org", b"debian" + b".org", b"26b5c67b" + b"-86b8"]
    found = []
    for name in filter(None, files):
        path = root / name.decode()
        if path.is_file() and path.stat().st_size < 5_000_000:
            text = path.read_bytes()
            found += [f"{path.name}: {word.decode()}" for word in banned if word in text]
    assert found == []
