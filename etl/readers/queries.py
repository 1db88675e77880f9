"""Rows of a read-only SQL query as a stream: what a county keeps in its own database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.readers.tabular import CHUNK_ROWS, Chunk, Stream, unique_names
from etl.sql import reading

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterator

    import sqlalchemy as sa

    from layers.city import Source


def stream_query(source: Source, digest: hashlib._Hash | None = None) -> Stream:
    """Run the query of a source in a transaction that cannot write, and stream its rows; numbered from 1 in the order given.

    `digest` is fed with the rows as they pass: a query has no file to hash.

    Raises:
        InputError: the statement does not only read, the database cannot be reached, or the query fails.
    """
    rows = _rows(source, digest)
    first = next(rows)
    return Stream(first, rows)


def _rows(source: Source, digest: hashlib._Hash | None) -> Iterator[Any]:
    """First the column names, then the chunks; the connection lives as long as the stream."""
    with reading(source) as result:
        columns = unique_names(result.keys())
        yield columns
        yield from _chunks(result, columns, digest)


def _chunks(result: sa.CursorResult[Any], columns: tuple[str, ...], digest: hashlib._Hash | None) -> Iterator[Chunk]:
    start = 1
    for part in result.partitions(CHUNK_ROWS):
        frame = pd.DataFrame.from_records([tuple(r) for r in part], columns=list(columns))
        if digest is not None:
            digest.update(frame.to_csv(index=False, header=start == 1).encode())
        table = pa.table({c: _column(frame[c]) for c in columns})
        yield Chunk(table, np.arange(start, start + len(frame), dtype=np.int64))
        start += len(frame)


def _column(series: pd.Series[Any]) -> pa.Array:
    """A column as Arrow; what has no common type becomes text."""
    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else str(v) for v in series], type=pa.string())
