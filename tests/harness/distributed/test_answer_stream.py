"""Saved answers are read one after the other, in every shape that `rubricbeat judge` reads."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
from engine_kit import example

from rubricbeat.harness.distributed.answer_stream import AnswerStream
from rubricbeat.judges.data.responses import Responses

EXAMPLES = {f"made-up-{n}": example(n) for n in range(3)}
ROWS = [{"prompt_id": f"made-up-{n}", "completion": f"Answer {n}"} for n in (0, 1, 2, 1)]
ITEMS = [(row["prompt_id"], row["completion"]) for row in ROWS]


def lines(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def test_every_shape_gives_the_same_answers(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + lines(ROWS))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(ROWS)))
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"):
        stream = AnswerStream(Responses(tmp_path / name, EXAMPLES))
        assert list(stream) == ITEMS, name
        assert stream.n_answers == 4
