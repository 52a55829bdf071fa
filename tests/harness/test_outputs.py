"""Outputs that cannot be written are known before anything is computed or paid for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rubricbeat.harness.outputs import require_file, require_folder
from rubricbeat.judges.errors import ConfigError


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_folder(tmp_path / "new" / "out put")
    assert list((tmp_path / "new" / "out put").iterdir()) == []


def test_a_folder_that_is_a_file_or_lies_below_one_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"--output_path .*file.*: cannot write there"):
            require_folder(path)


def test_a_file_may_be_new_or_there_already(tmp_path: Path) -> None:
    require_file(tmp_path / "new.html", "--html")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.html").write_text("x", encoding="utf-8")
    require_file(tmp_path / "old.html", "--html")


def test_a_file_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--html .*: there is no folder .*nowhere"):
        require_file(tmp_path / "nowhere" / "x.html", "--html")
    with pytest.raises(ConfigError, match=r"--html .*: this is a folder"):
        require_file(tmp_path, "--html")
    if Path("/proc/self").is_dir():
        with pytest.raises(ConfigError, match=r"--html .*: cannot write there"):
            require_file(Path("/proc/x.html"), "--html")
