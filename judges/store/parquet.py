"""Export a verdict store as parquet, one folder per judge: `judge=<digest>/part-0.parquet`.

The layout is Hive's: pandas, polars, DuckDB and Ray Data read the folder as one table, and a
question about one judge opens that judge's files alone. Every row stands by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .opened import opened
from .statements import EXPORT
from .transfer import exported, judges_fitting

ROWS_A_GROUP = 10_000
"""Rows of a row group; what is held in memory at a time."""
DIGITS = 16
"""Of a judge's digest in its folder's name."""


def export_parquet(place: Path | str, folder: Path, judge: str | None = None) -> dict[str, int]:
    """Write a store's verdicts below a folder that is not there yet.

    Args:
        place: A store file, or the address of a server.
        folder: Where; its owner alone may read it.
        judge: Only of this judge: how its digest begins, name or model.

    Returns:
        Verdicts by the name of the judge's folder.

    Raises:
        ConfigError: The folder is there already, or no judge fits.
        StoreError: A verdict is damaged; nothing is left behind under the final name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if folder.exists():
        raise ConfigError(f"{folder} already exists; give a new folder")
    partial = folder.with_name(f".{folder.name}.partial")
    partial.mkdir(mode=0o700, parents=True)
    try:
        schema = _schema(pa)
        counts: dict[str, int] = {}
        for digest, rows in _by_judge(place, judge):
            name = f"judge={digest.hex()[:DIGITS]}"
            (partial / name).mkdir()
            writer = pq.ParquetWriter(partial / name / "part-0.parquet", schema, compression="zstd")
            with writer:
                while batch := [_row(row, place) for row in islice(rows, ROWS_A_GROUP)]:
                    writer.write_table(pa.Table.from_pylist(batch, schema))
                    counts[name] = counts.get(name, 0) + len(batch)
        partial.rename(folder)
    except BaseException:
        import shutil

        shutil.rmtree(partial, ignore_errors=True)
        raise
    return counts


def _by_judge(
    place: Path | str, judge: str | None
) -> Iterator[tuple[bytes, Iterator[Sequence[object]]]]:
    with opened(place) as store:
        query = f"{EXPORT} WHERE v.judge = {store.dialect.mark} ORDER BY v.{store.dialect.order}"
        for digest in sorted(judges_fitting(store, judge)):
            rows = iter(store.stream(query, (digest,)))
            if (first := next(rows, None)) is not None:
                yield digest, chain([first], rows)


def _row(row: Sequence[Any], place: Path | str) -> dict[str, object]:
    line = exported(tuple(row), place, {row[2]})
    judge = line.pop("judge")
    for name in ("name", "model", "prompt", "version"):
        line[f"judge_{name}"] = judge[name]
    line["judge_identity"] = json.dumps(judge, sort_keys=True)
    return line


def _schema(pa: Any) -> object:
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    named = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("key", text),
            ("judge_name", named),
            ("judge_model", named),
            ("judge_prompt", named),
            ("judge_version", named),
            ("judge_identity", named),
            ("prompt_id", named),
            ("example_id", named),
            ("criterion_index", pa.int32()),
            ("criterion", text),
            ("points", real),
            ("answer", text),
            ("replicate", pa.int32()),
            ("met", pa.bool_()),
            ("probability", real),
            ("explanation", text),
            ("prompt_tokens", whole),
            ("cached_tokens", whole),
            ("completion_tokens", whole),
            ("latency_s", real),
            ("attempts", pa.int32()),
            ("created", real),
            ("outcome", named),
            ("level", pa.int32()),
            ("level_probabilities", pa.list_(real)),
        ]
    )
