"""Logs of other programs have the bounds that rows have."""

from __future__ import annotations

import gzip
import zipfile

import pytest

from rubricbeat.judges.errors import DataError
from rubricbeat.reports.results.reader import read_runs

MB = 1_000_000


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_MAX_LINE_MB", "1")
    monkeypatch.setenv("RUBRICBEAT_MAX_FILE_MB", "2")


def test_an_entry_of_an_archive(tmp_path):
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as log:
        log.writestr("header.json", b" " * (3 * MB))
        log.writestr("samples/1_epoch_1.json", bytes(range(256)) * 80_000)
    with pytest.raises(DataError, match=r"log\.eval: .*MAX_FILE_MB"):
        read_runs([path])


def test_an_archive_of_many_entries(tmp_path):
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        for n in range(20):
            log.writestr(f"samples/{n}_epoch_1.json", b" " * MB)
    with pytest.raises(DataError, match=r"log\.eval: .*200 times"):
        read_runs([path])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x_allresults.json", b"{" + b" " * (3 * MB)),
        ("log.json", b'{"eval": "' + b" " * (3 * MB)),
        ("page.html", b"<h3>" + b" " * (3 * MB)),
        ("review.jsonl", b'{"a": "' + b" " * (3 * MB)),
        ("review.jsonl.gz", gzip.compress(b'{"a": "' + b" " * (3 * MB))),
    ],
)
def test_a_log_that_is_too_large_is_named(tmp_path, name, text):
    (tmp_path / name).write_bytes(text)
    with pytest.raises(DataError, match=rf"{name}.*RUBRICBEAT_MAX_"):
        read_runs([tmp_path])
