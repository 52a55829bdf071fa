"""Every form in which rows come gives the same rows; what cannot be read is said with its line."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest

from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.data.reader import read_rows, stream_rows
from rubricbeat.judges.errors import ConfigError, DataError

RUBRIC = [{"criterion": "Names three fruits", "points": 3}]
ROWS = [
    {"prompt_id": "007", "prompt": "Name three\nfruits; any.", "rubric": RUBRIC},
    {"prompt_id": "NA", "prompt": 'Say "null", please', "rubric": RUBRIC},
]


def as_csv(mark: str = ",", end: str = "\n") -> str:
    def cell(value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace('"', '""') + '"'

    names = list(ROWS[0])
    rows = [mark.join(cell(row[name]) for name in names) for row in ROWS]
    return end.join([mark.join(names), *rows]) + end


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(data)
    return bytes(sink.getvalue())


def columnar(write: Any) -> bytes:
    sink = pa.BufferOutputStream()
    write(pa.Table.from_pylist(ROWS), sink)
    return bytes(sink.getvalue())


def arrow_stream(table: pa.Table, sink: Any) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FORMS = {
    "rows.jsonl": LINES,
    "lines-of-windows.jsonl": LINES.replace(b"\n", b"\r\n"),
    "blank-lines.jsonl": b"\n\n" + LINES.replace(b"\n", b"\n\n"),
    "array.json": json.dumps(ROWS).encode(),
    "pretty.json": json.dumps(ROWS, indent=2).encode(),
    "one-after-the-other.json": "\n".join(json.dumps(row, indent=1) for row in ROWS).encode(),
    "wrapped.json": json.dumps({"version": 2, "data": ROWS}).encode(),
    "wrapped-pretty.json": json.dumps({"rows": ROWS}, indent=1).encode(),
    "lines.csv": LINES,
    "commas.csv": as_csv().encode(),
    "commas.json": as_csv().encode(),
    "no-ending": as_csv().encode(),
    "excel.csv": b"\xef\xbb\xbf" + as_csv(";", "\r\n").encode(),
    "excel-hint.csv": ("sep=;\r\n" + as_csv(";", "\r\n")).encode(),
    "tabs.tsv": as_csv("\t").encode(),
    "bars.txt": as_csv("|").encode(),
    "a.parquet": columnar(parquet.write_table),
    "a.feather": columnar(feather.write_feather),
    "a.arrow": columnar(arrow_stream),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("packed", ["", ".gz", ".zst", "gzip without its name"])
def test_every_form_gives_the_same_rows(tmp_path: Path, name: str, packed: str) -> None:
    data = FORMS[name]
    if packed == ".zst":
        data = zstd(data)
    elif packed:
        data = gzip.compress(data)
    path = tmp_path / (name + (packed if packed.startswith(".") else ""))
    path.write_bytes(data)
    read = read_examples(path)
    assert [e.prompt_id for e in read.examples] == ["007", "NA"]
    assert [e.prompt[0].content for e in read.examples] == [row["prompt"] for row in ROWS]
    assert [c.points for e in read.examples for c in e.rubric.criteria] == [3, 3]
    assert not read.skipped


def test_a_saved_data_set_is_read_and_one_of_several_splits_must_be_named(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    one = datasets.Dataset.from_list(ROWS)
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=one, test=one).save_to_disk(tmp_path / "two")
    expected = [e.prompt for e in read_examples(tmp_path / "one").examples]
    assert len(expected) == 2
    assert [e.prompt for e in read_examples(tmp_path / "two" / "test").examples] == expected
    with pytest.raises(DataError, match=r"several splits; name one: \S+train or \S+test"):
        read_examples(tmp_path / "two")


def test_the_shards_of_a_folder_are_one_file_and_other_files_are_not(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        name = f"train-0000{number}-of-00002.parquet"
        parquet.write_table(pa.Table.from_pylist([row]), tmp_path / name)
    assert len(read_examples(tmp_path).examples) == 2
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"name the file itself \(it holds: other.csv, train-"):
        read_examples(tmp_path)


def test_standard_input_is_read_as_often_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LINES)), encoding="utf-8")
    )
    assert len(read_examples("-").examples) == 2
    again = read_examples(Path("-"))
    assert len(again.examples) == 2
    assert again.facts()["path"] == "standard input"


def test_a_name_of_the_hub_without_the_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="no such file or folder, and no data set") as caught:
        read_rows("made-up-owner/made-up-set")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"rows/none\.jsonl: no such file"):
        read_rows("rows/none.jsonl")


def test_cells_stay_the_text_they_are_and_empty_ones_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,d\n007,1e5,NA,\nnull,TRUE,None,  \n", encoding="utf-8")
    rows = [row.value for row in stream_rows(path)]
    assert rows == [
        {"a": "007", "b": "1e5", "c": "NA", "d": None},
        {"a": "null", "b": "TRUE", "c": "None", "d": "  "},
    ]


def test_rows_of_csv_are_numbered_by_the_line_they_begin_on(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"one\n\ntwo",x\n\ny,z\n', encoding="utf-8")
    assert [row.number for row in stream_rows(path)] == [2, 6]


BROKEN = [
    ("t.json", '[\n{"a": 1},\n]\n', "line 3: not JSON: a comma stands before the closing ']'"),
    ("t.json", '{"a": 1,\n"b": [2,\n3,\n]}', "line 4: not JSON: a comma stands before"),
    ("t.json", '[{"a": 1}', "line 1: not JSON: it ends in the middle of a value"),
    ("t.json", '[{"a": "x', "a string is begun and never closed"),
    ("t.json", '[{"a": 1}\n{"b": 2}]', "line 2: not JSON"),
    ("t.json", "[\n// all\n1]", "line 2: not JSON: a comment"),
    ("t.jsonl", "{'a': 1}\n", "a single quote; JSON takes double quotes"),
    ("t.csv", 'a,b\n1,"2\n3,4\n', "line 2: a quote is opened in the row that begins here"),
    ("t.csv", 'a,b\n1,"[{"x": 1}]"\n', "line 2: .*a quote inside a quoted cell is written twice"),
    ("t.csv", "a,b\n", "a header and no rows below it"),
    ("t.csv", "a,a\n1,2\n", "two columns are named 'a'"),
    ("t.csv", "a,,b\n1,2,3\n", "a column without a name"),
    ("t.csv", b"a,b\n1,2\nx,caf\xe9\n", "line 3 is not UTF-8; save it as UTF-8"),
    ("t.csv", "a,b\n1,2\n".encode("utf-16"), "the text is UTF-16; save it as UTF-8"),
    ("t.csv", "", "the file is empty"),
    ("t.xlsx", b"PK\x03\x04" + b"\0" * 30, "an Excel workbook; save the sheet as CSV"),
    ("t.bin", b"\0\1\2\3" * 9, "not text"),
    ("t.parquet", b"PAR1 broken", "Parquet data is broken"),
    ("t.arrow", b"ARROW1 broken", "Arrow data is broken"),
    ("t.zst", b"plain", r"ends in \.zst and is not a zstd file"),
    ("t.jsonl", zstd(LINES)[:-4], "cannot be read to its end"),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_what_is_broken_is_one_line_with_its_place(
    tmp_path: Path, name: str, content: Any, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{broken", "not JSON: Expecting property name"),
        ('{"a": 1},', "a comma follows the object; each line is one object"),
        ('{"a": 1} {"a": 2}', "something follows the object; each line is one object"),
        ('{"a": [1,]}', "a comma stands before the closing ']'"),
        ("x" * 40, "not JSON"),
    ],
)
def test_a_broken_line_is_a_fault_and_the_file_goes_on(
    tmp_path: Path, line: str, fault: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"a": 0}}\n{line}\n{{"a": 3}}\n', encoding="utf-8")
    rows = list(stream_rows(path))
    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.value for row in rows if row.fault is None] == [{"a": 0}, {"a": 3}]
    assert fault in str(rows[1].fault)


def test_a_row_of_csv_with_too_many_cells_is_a_fault_and_a_short_one_lacks_its_last(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2,3\n4\n5,6,\n", encoding="utf-8")
    rows = list(stream_rows(path))
    assert "3 cells under 2 names" in str(rows[0].fault)
    assert [row.value for row in rows[1:]] == [{"a": "4", "b": None}, {"a": "5", "b": "6"}]


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.parquet"])
def test_a_stream_holds_a_few_rows_at_a_time(tmp_path: Path, name: str) -> None:
    text = "x" * 1_000
    n_rows = 20_000  # 20 MB of text
    path = tmp_path / name
    if name.endswith("jsonl"):
        line = json.dumps({"a": text}) + "\n"
        path.write_text(line * n_rows, encoding="utf-8")
    elif name.endswith("csv"):
        path.write_text("a,b\n" + f"{text},1\n" * n_rows, encoding="utf-8")
    else:
        # values that differ: a dictionary would hold one text for all
        table = pa.table({"a": [f"{number}{text}" for number in range(n_rows)]})
        parquet.write_table(table, path, row_group_size=1_000)
        del table
    tracemalloc.start()
    try:
        assert sum(1 for _ in stream_rows(path)) == n_rows
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_any_broken_byte_is_read_around_or_one_line(tmp_path: Path) -> None:
    rng = random.Random(7)
    for turn in range(150):
        name, content = rng.choice(list(FORMS.items()))
        if turn % 3:
            name, content = name + ".x", rng.choice([gzip.compress, zstd])(content)
        broken = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(broken))
            if rng.random() < 0.5:
                broken[at] = rng.randrange(256)
            else:
                del broken[at : at + rng.randint(1, 20)]
        path = tmp_path / name
        path.write_bytes(bytes(broken))
        try:
            read_examples(path)
        except ConfigError as error:
            assert "\n" not in str(error)
            assert str(error).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [("state.json", "{}"), ("state.json", '{"_data_files": [1]}'), ("dataset_dict.json", "[]")],
)
def test_a_saved_set_that_is_broken_is_named(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=name):
        read_rows(tmp_path)
