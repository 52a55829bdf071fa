"""What is read from disk has a bound each, said in one line that names the option."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rubricbeat.judges.data.reader import read_rows, stream_rows
from rubricbeat.judges.data.streams import bytes_of
from rubricbeat.judges.errors import ConfigError, DataError

MB = 1_000_000
PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda raw: pa.Codec("zstd").compress(raw, asbytes=True),
}


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_MAX_LINE_MB", "1")
    monkeypatch.setenv("RUBRICBEAT_MAX_FILE_MB", "2")


def peak_of(read) -> int:
    """Bytes at most in use while something is read that is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="RUBRICBEAT_MAX_"):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("head", [b'{"prompt_id": "', b'[{"a": "', b'prompt_id,answer\n"', b"   "])
def test_a_bomb_takes_no_more_memory_than_its_bound(tmp_path, packer, head):
    path = tmp_path / "bomb.jsonl"
    path.write_bytes(PACKERS[packer](head + b" " * (30 * MB)))
    assert path.stat().st_size < MB
    assert peak_of(lambda: list(stream_rows(path))) < 12 * MB


def test_a_bomb_of_short_lines_is_left_at_its_bound(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n" * (10 * MB)))
    with pytest.raises(DataError, match=r"bomb.*more than 200 times its size.*MAX_FILE_MB"):
        list(stream_rows(path))


def test_a_line_just_at_the_bound_is_read_and_one_byte_more_is_not(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = b'{"a": "' + b"x" * (MB - 10) + b'"}\n'
    assert len(row) == MB
    path.write_bytes(row)
    assert len(list(stream_rows(path))) == 1
    path.write_bytes(b'{"a": 1}\n' + row.replace(b'"}', b'x"}'))
    with pytest.raises(DataError, match=r"rows\.jsonl: line 2 is longer.*1 MB.*MAX_LINE_MB"):
        list(stream_rows(path))


def test_a_row_of_csv_that_never_closes_its_quote_is_refused_in_words(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,"' + "line\n" * 300_000, encoding="utf-8")
    with pytest.raises(DataError, match="a row is longer"):
        list(stream_rows(path))


def test_short_rows_of_csv_add_up_to_nothing(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2222222222\n" * 90_000, encoding="utf-8")
    assert len(list(stream_rows(path))) == 90_000


def test_a_whole_file_has_its_bound(tmp_path):
    path = tmp_path / "log.json"
    path.write_bytes(b" " * (2 * MB))
    assert len(bytes_of(path)) == 2 * MB
    path.write_bytes(b" " * (2 * MB + 100_000))
    with pytest.raises(DataError, match=r"log\.json: the file has 2\.1 MB, and at most 2 MB"):
        bytes_of(path)


def test_rows_kept_together_have_a_bound(tmp_path, monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_MAX_ROWS", "3")
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' * 3, encoding="utf-8")
    assert len(read_rows(path).rows) == 3
    path.write_text('{"a": 1}\n' * 4, encoding="utf-8")
    with pytest.raises(DataError, match=r"at most 3 are read.*RUBRICBEAT_MAX_ROWS"):
        read_rows(path)


@pytest.mark.parametrize("given", ["0", "-1", "many", "nan", "inf"])
def test_a_bound_that_is_none_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.setenv("RUBRICBEAT_MAX_LINE_MB", given)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="RUBRICBEAT_MAX_LINE_MB"):
        list(stream_rows(path))


def saved(path, table, **options):
    pq.write_table(table, path, **options)
    return path


def one_text_for_all_rows(n_rows, text):
    places = pa.array([0] * n_rows, pa.int32())
    return pa.DictionaryArray.from_arrays(places, pa.array([text]))


def test_one_text_that_all_rows_of_a_table_refer_to_counts_once_a_row(tmp_path):
    column = one_text_for_all_rows(1_000, "x" * 10_000)  # 10 MB written out
    table = pa.table({"prompt": column})
    parquet = saved(tmp_path / "t.parquet", table, compression="zstd")
    with (
        pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    for path in (parquet, tmp_path / "t.arrow"):
        assert path.stat().st_size < 50_000
        assert peak_of(lambda path=path: list(stream_rows(path))) < 12 * MB
    # as often as a table of answers has its prompts
    few = saved(tmp_path / "few.parquet", pa.table({"prompt": column.slice(0, 100)}))
    assert [row.value["prompt"] for row in stream_rows(few)] == ["x" * 10_000] * 100


def test_a_list_of_nothing_that_takes_no_room_in_a_table_is_not_unpacked(tmp_path):
    table = pa.table({"rubrics": pa.array([[None] * 11_000_000], pa.list_(pa.bool_()))})
    path = saved(tmp_path / "t.parquet", table)
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match=r"has, in .* bytes, 11,000,00. values.*MAX_VALUES"):
        list(stream_rows(path))


@pytest.mark.parametrize("inside", ["[],", "{},", "1,", '"a",'])
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_json_of_more_values_than_memory_holds_is_refused_before_it_is_read(
    tmp_path, monkeypatch, inside, name
):
    monkeypatch.setenv("RUBRICBEAT_MAX_VALUES", "100000")
    path = tmp_path / name
    row = '{"prompt_id": "a", "x": [' + inside * 100_000 + "[]]}"
    path.write_text(f"[{row}]" if name == "rows.json" else row, encoding="utf-8")
    assert peak_of(lambda: list(stream_rows(path))) < 5 * MB
    # commas and brackets of a text are none
    text = json.dumps({"prompt_id": "a", "x": '[],{\\"' * 20_000})
    path.write_text(f"[{text}]" if name == "rows.json" else text, encoding="utf-8")
    assert len(list(stream_rows(path))) == 1
