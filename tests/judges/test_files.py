"""Files appear whole or not at all, and what cannot be written is known before anything is paid."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.files import require_file, require_folder, require_room, write_file


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_folder(tmp_path / "new" / "out put")
    assert list((tmp_path / "new" / "out put").iterdir()) == []


def test_a_folder_that_is_a_file_or_lies_below_one_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"--output .*file.*: cannot write there"):
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


def test_a_file_is_for_its_owner_alone_also_where_an_older_one_was_open_to_all(
    tmp_path: Path,
) -> None:
    new, old = tmp_path / "new.html", tmp_path / "old.html"
    old.write_text("a longer text that was here before", encoding="utf-8")
    old.chmod(0o644)
    for path in (new, old):
        write_file(path, "心 \u2028 end\r\n")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() == "心 \u2028 end\r\n".encode()


def test_a_file_for_everybody_is_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "card.json", "{}", is_private=False)
    finally:
        os.umask(before)
    assert (tmp_path / "card.json").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_file(path, "the page before")

    def parts() -> Iterator[bytes]:
        yield b"half of "
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        write_file(path, parts())
    assert path.read_text("utf-8") == "the page before"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_taken_name_is_never_overwritten_and_never_seen_empty(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    sizes: list[int] = []

    def parts() -> Iterator[bytes]:
        yield b"whole"
        sizes.append(path.exists())

    write_file(path, parts(), replaces=False)
    assert sizes == [False]
    with pytest.raises(FileExistsError):
        write_file(path, b"another", replaces=False)
    assert path.read_bytes() == b"whole"
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_without_hard_links_a_taken_name_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    write_file(tmp_path / "a.json", b"1", replaces=False)
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "a.json", b"2", replaces=False)
    assert (tmp_path / "a.json").read_bytes() == b"1"


def test_what_a_killed_writer_left_is_swept_and_a_living_one_is_let_be(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from rubricbeat.judges.files import writing\n"
        "with writing(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush()\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read(1)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "report.html"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        write_file(tmp_path / "mine.html", "mine")
        assert len(list(tmp_path.glob(".*.partial"))) == 1  # the living one's
        other.stdin.write(b"x")
        other.stdin.close()
        other.wait()
    assert len(list(tmp_path.glob(".*.partial"))) == 1
    write_file(tmp_path / "mine.html", "mine again")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.html"]


def test_a_link_stays_a_link_and_a_pipe_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "page.html"
    link.symlink_to(tmp_path / "there" / "page.html")
    write_file(link, "x")
    assert link.is_symlink() and (tmp_path / "there" / "page.html").read_text("utf-8") == "x"
    write_file(Path("/dev/null"), "x")
    assert not Path("/dev/null").is_file()


def test_a_disk_without_room_is_known_before_anything_is_paid(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    require_room(tmp_path / "not" / "yet", 1, "the results")
    with pytest.raises(ConfigError, match=r"MB are free and the results may take .* make room"):
        require_room(tmp_path / "not" / "yet", free * 10, "the results")


def test_a_full_disk_names_the_file_also_where_the_system_does_not() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(OSError) as caught:
        write_file(full, "x")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(full))
