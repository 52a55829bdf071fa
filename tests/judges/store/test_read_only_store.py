"""A store where nothing can be written is read, exported, checked and merged from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from engine_kit import CountingJudge, answers

from rubricbeat.judges.grader import Grader, RuntimeOptions
from rubricbeat.judges.store.transfer import stats

MOUNT = "mount -t tmpfs tmpfs {place} && cp {source}* {place}/ && mount -o remount,ro {place}"

STUDY = (
    "import sys; from pathlib import Path; from rubricbeat.harness.inputs import *; "
    "print(len(read_signal_input([Path(sys.argv[1])]).answers), sys.argv[0])"
)


def can_mount(place: Path) -> bool:
    """Say whether this user may make a file system of its own."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", str(place)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("is_open_elsewhere", [False, True])
def test_a_store_on_a_read_only_file_system_is_read_and_merged_from(
    tmp_path: Path, is_open_elsewhere: bool
) -> None:
    place, source, target = tmp_path / "ro", tmp_path / "v.sqlite", tmp_path / "all.sqlite"
    place.mkdir()
    if not can_mount(place):
        pytest.skip("needs the right to mount")
    with Grader(CountingJudge(), RuntimeOptions(store=source)) as one:
        one.grade(answers(4))
        if not is_open_elsewhere:
            one.close()  # its log is folded into the file; else the copy holds a log of its own
        main = f"{sys.executable} -m rubricbeat verdicts"
        script = " && ".join(
            [
                MOUNT.format(place=place, source=source),
                f"! touch {place}/x 2>/dev/null",
                f"{main} stats {place}/v.sqlite",
                f"{main} check {place}/v.sqlite",
                f"{main} export {place}/v.sqlite > {tmp_path}/lines.jsonl",
                f"{main} merge {target} {place}/v.sqlite",
                f"{sys.executable} -c '{STUDY}' {place}/v.sqlite",
            ]
        )
        ran = subprocess.run(
            ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert "12 verdicts, 0 damaged" in ran.stdout
    assert ran.stdout.endswith("4 -c\n")  # the answers of a study
    assert len((tmp_path / "lines.jsonl").read_text("utf-8").splitlines()) == 12
    assert stats(target)["verdicts"] == 12
