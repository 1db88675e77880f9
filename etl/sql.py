"""Rows of a read-only query: nothing in the city's own database can be changed through xuncha.

One statement reaches the database, in a way in which there can be only one: a cursor of PostgreSQL's extended protocol, or SQLite's own
single statement under an authorizer that grants nothing but reading. The words are looked at first, so that a mistake is told in words.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers.city import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from layers.city import Source

LONGEST_S = 900
MOST_TABLE_ROWS = 5_000_000
BATCH_ROWS = 100_000
_READS = re.compile(r"^\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
_GRANTED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_STEPS = 100_000  # of SQLite's virtual machine, some milliseconds, between two looks at the clock


def read_only_engine(url: str) -> sa.Engine:
    """An engine that opens SQLite files read-only and speaks to PostgreSQL through psycopg."""
    made = sa.engine.make_url(url)
    if made.drivername == "postgresql":
        made = made.set(drivername="postgresql+psycopg")
    if made.drivername == "sqlite" and made.database:
        made = made.set(database=f"file:{made.database}", query={"mode": "ro", "uri": "true"})
    return sa.create_engine(made, poolclass=sa.pool.NullPool)


def statement_of(source: Source) -> str:
    """The one statement of a source's query, without a semicolon at its end.

    Raises:
        InputError: it does not begin like one that reads, or there are several.
    """
    query = (source.query or "").strip().rstrip(";").rstrip()
    if source.database is None or not _READS.match(query) or ";" in query:
        fix = "只写一条 SELECT 语句，并写明 database", "write one SELECT statement, and its database"
        raise InputError(
            Fault("source.query", "只允许只读查询", "only a query that reads is allowed", *fix, file=source.where)
        )
    return query


@contextmanager
def reading(source: Source) -> Iterator[sa.CursorResult[Any]]:
    """The rows of a source's query as a stream, in a transaction that cannot write and is rolled back.

    Raises:
        InputError: the statement does not only read, the database cannot be reached, refuses the query, or takes more than `LONGEST_S`.
    """
    statement = statement_of(source)
    engine = None
    try:
        engine = read_only_engine(expand(source.database or ""))
        with engine.connect() as connection:
            with closing(_execute(connection, statement)) as result:
                yield result
            connection.rollback()
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, OSError) as error:
        words = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        fix = "检查 database 与 query", "check database and query"
        raise InputError(
            Fault("source.query", f"查询失败（{words}）", f"the query failed ({words})", *fix, file=source.where)
        ) from None
    finally:
        if engine is not None:
            engine.dispose()


def _execute(connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
    """Execute with writing forbidden by the database itself, and a bound of time."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {LONGEST_S * 1000}")
    elif dialect == "sqlite":
        _guard(connection.connection.driver_connection)
    elif dialect in {"mysql", "mariadb"}:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    return connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).exec_driver_sql(statement)


def _guard(raw: Any) -> None:
    """Let a connection of sqlite3 read and do nothing else, and end what takes too long."""
    end = time.monotonic() + LONGEST_S

    def may(action: int, *_: object) -> int:
        return sqlite3.SQLITE_OK if action in _GRANTED else sqlite3.SQLITE_DENY

    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    raw.set_authorizer(may)


def query_frame(source: Source) -> pd.DataFrame:
    """All rows of a source's query, of a table that fits into memory.

    Raises:
        InputError: as `reading`, or there are more than `MOST_TABLE_ROWS`.
    """
    parts: list[pd.DataFrame] = []
    rows = 0
    with reading(source) as result:
        columns = list(result.keys())
        for part in result.partitions(BATCH_ROWS):
            parts.append(pd.DataFrame.from_records([tuple(r) for r in part], columns=columns))
            rows += len(part)
            if rows > MOST_TABLE_ROWS:
                raise InputError(_too_many(source))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _too_many(source: Source) -> Fault:
    zh, en = f"查询超过 {MOST_TABLE_ROWS:,} 行", f"the query gives more than {MOST_TABLE_ROWS:,} rows"
    return Fault("source.rows", zh, en, "在 query 中加条件", "narrow the query", file=source.where)


def sha256_of_frame(frame: pd.DataFrame) -> str:
    """Hash of the rows that a query gave, in their order: what stands for the hash of a file."""
    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    for row in frame.itertuples(index=False, name=None):
        digest.update(("\x1e" + "\x1f".join("" if v is None else str(v) for v in row)).encode())
    return digest.hexdigest()
