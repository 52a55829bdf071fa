"""An environment with our wheel installed beside lm-eval, made without downloading anything.

    python = install(build_wheel(root, tmp_path), tmp_path / "venv")
    subprocess.run([python, "-m", "lm_eval", "--model", "dummy", "--tasks", "rubric_judge", ...])

lm-eval is copied from the environment the tests run in, because the wheel adds files to its
folder; everything else is borrowed through a .pth file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the wheel of a checkout from a copy, which leaves no build folder behind."""
    source = folder / "source"
    everywhere = shutil.ignore_patterns(
        ".*", "*.egg-info", "build", "dist", "tests", "docs", "__pycache__"
    )

    def unwanted(folder: str, names: list[str]) -> set[str]:
        # results of runs lie in the checkout itself; the package has a room of that name
        own = {name for name in names if name.startswith("results")} if folder == str(root) else ()
        return everywhere(folder, names) | set(own)

    shutil.copytree(root, source, ignore=unwanted)
    _run("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, source)
    (wheel,) = folder.glob("rubricbeat-*.whl")
    return wheel


def install(wheel: Path, venv: Path) -> Path:
    """Install a wheel into a new environment; give its Python."""
    _run("-m", "venv", "--without-pip", venv)
    here = Path(sysconfig.get_path("purelib"))
    (there,) = venv.glob("lib/python*/site-packages")
    for path in [here / "lm_eval", *here.glob("lm_eval-*.dist-info")]:
        shutil.copytree(path, there / path.name, ignore=shutil.ignore_patterns("rubricbeat"))
    (there / "borrowed.pth").write_text(f"{here}\n", encoding="utf-8")
    python = venv / "bin" / "python"
    options = ["--no-deps", "--no-index", "--force-reinstall", "-q"]
    _run("-m", "pip", "--python", python, "install", *options, wheel)
    return python


def uninstall(python: Path) -> None:
    """Take the wheel out again."""
    _run("-m", "pip", "--python", python, "uninstall", "-y", "-q", "rubricbeat")


def _run(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
