"""Rows of a read-only SQL query as a stream: what a county keeps in its own database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from etl.readers.tabular import CHUNK_ROWS, Chunk, Stream, unique_names
from etl.sql import read_only_engine
from gis.errors import Fault, InputError
from layers.city import expand

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterator

    from layers.city import Source

_READS = re.compile(r"^\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)


def stream_query(source: Source, digest: hashlib._Hash | None = None) -> Stream:
    """Run the query of a source in a transaction that cannot write, and stream its rows; numbered from 1 in the order given.

    `digest` is fed with the rows as they pass: a query has no file to hash.

    Raises:
        InputError: the statement does not only read, the database cannot be reached, or the query fails.
    """
    query = source.query or ""
    if not _READS.match(query) or ";" in query.rstrip().rstrip(";"):
        fix = "只写一条 SELECT 语句", "write one SELECT statement"
        raise InputError(
            Fault("source.query", "只允许只读查询", "only a query that reads is allowed", *fix, file=source.where)
        )
    rows = _rows(source, query.rstrip().rstrip(";"), digest)
    first = next(rows)
    return Stream(first, rows)


def _rows(source: Source, query: str, digest: hashlib._Hash | None) -> Iterator[Any]:
    """First the column names, then the chunks; the connection lives as long as the stream."""
    engine = None
    try:
        engine = read_only_engine(expand(source.database or ""))
        with engine.connect() as connection:
            result = _execute(connection, query)
            columns = unique_names(result.keys())
            yield columns
            yield from _chunks(result, columns, digest)
            connection.rollback()
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        words = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        fix = "检查 database 与 query", "check database and query"
        raise InputError(
            Fault("source.query", f"查询失败（{words}）", f"the query failed ({words})", *fix, file=source.where)
        ) from error
    finally:
        if engine is not None:
            engine.dispose()


def _execute(connection: sa.Connection, query: str) -> sa.CursorResult[Any]:
    """Execute with writing forbidden by the database itself where it knows how."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    elif dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif dialect in {"mysql", "mariadb"}:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    return connection.execution_options(stream_results=True, yield_per=CHUNK_ROWS).exec_driver_sql(query)


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
