"""`rubricbeat completion`: the script works in a real bash, and knows every command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.harness.commands.setup.catalogue import COMMANDS


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give the scripts of all shells: each is made from every command's parser."""
    pytest.importorskip("shtab", reason="this environment is older than the dependency")
    folder = tmp_path_factory.mktemp("completion")
    found = {}
    for shell in ("bash", "zsh", "fish"):
        with pytest.MonkeyPatch.context() as patch, (folder / shell).open("w") as out:
            patch.setattr("sys.stdout", out)
            assert main(["completion", shell]) == 0
        found[shell] = folder / shell
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_in_the_script(scripts: dict[str, Path], shell: str) -> None:
    text = scripts[shell].read_text(encoding="utf-8")
    for name in COMMANDS:
        assert name in text
    assert "--output_path" in text  # run's, as lm-eval spells it
    assert "--output_dir" not in text and "--failed_only" not in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["jud"], {"judge"}),
        (["judge", "--respo"], {"--responses"}),
        (["judge", "--judge", "key"], {"keyword"}),
        (["verdicts", "pru"], {"prune"}),
        (["verdicts", "prune", "--older"], {"--older_than"}),
        (["list", "rew"], {"rewards"}),
        (["export", "--format", "kt"], {"kto"}),
    ],
)
def test_bash_completes(scripts: dict[str, Path], words: list[str], wanted: set[str]) -> None:
    lines = [
        f"source {scripts['bash']}",
        f"COMP_WORDS=(rubricbeat {' '.join(words)})",
        f"COMP_CWORD={len(words)}",
        "_shtab_rubricbeat rubricbeat; printf '%s\\n' \"${COMPREPLY[@]}\"",
    ]
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == wanted


def test_an_unknown_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bsh"]) == 2
    assert "unknown value 'bsh'; did you mean 'bash'" in capsys.readouterr().err
    assert main(["completion"]) == 2
    assert "missing: shell (bash, zsh, fish)" in capsys.readouterr().err
