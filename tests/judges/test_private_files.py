"""What may be private is written for its owner alone."""

from __future__ import annotations

from pathlib import Path

from rubricbeat.judges.private_files import write_private


def test_a_file_is_for_its_owner_alone_also_where_an_older_one_was_open_to_all(
    tmp_path: Path,
) -> None:
    new, old = tmp_path / "new.html", tmp_path / "old.html"
    old.write_text("a longer text that was here before", encoding="utf-8")
    old.chmod(0o644)
    for path in (new, old):
        write_private(path, "心 \u2028 end")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text("utf-8") == "心 \u2028 end"
