"""Rows of a read-only query: nothing in the city's own database can be changed through xuncha."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers.city import expand

if TYPE_CHECKING:
    from layers.city import Source


def read_only_engine(url: str) -> sa.Engine:
    """An engine that opens SQLite files read-only and speaks to PostgreSQL through psycopg."""
    made = sa.engine.make_url(url)
    if made.drivername == "postgresql":
        made = made.set(drivername="postgresql+psycopg")
    if made.drivername == "sqlite" and made.database:
        made = made.set(database=f"file:{made.database}", query={"mode": "ro", "uri": "true"})
    return sa.create_engine(made, poolclass=sa.pool.NullPool)


def query_frame(source: Source) -> pd.DataFrame:
    """Rows of a source's query, in a read-only transaction that is rolled back.

    Raises:
        InputError: the database cannot be reached, or refuses the query.
    """
    if source.query is None or source.database is None:
        raise InputError(
            Fault("source.sql", "缺少 query 或 database", "query or database is missing", file=source.name)
        )
    engine = read_only_engine(expand(source.database))
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("SET TRANSACTION READ ONLY"))
            elif engine.dialect.name == "sqlite":
                connection.execute(sa.text("PRAGMA query_only = ON"))
            result = connection.exec_driver_sql(source.query)
            frame = pd.DataFrame(result.mappings().all(), columns=list(result.keys()))
            transaction.rollback()
    except sa.exc.SQLAlchemyError as error:
        detail = str(getattr(error, "orig", None) or error).splitlines()[0]
        fault = Fault("source.sql", f"查询失败：{detail}", f"the query failed: {detail}",
                      f"检查来源 {source.name} 的 database 与 query", f"check database and query of source {source.name}",
                      file=source.name)  # fmt: skip
        raise InputError(fault) from None
    finally:
        engine.dispose()
    return frame


def sha256_of_frame(frame: pd.DataFrame) -> str:
    """Hash of the rows that a query gave, in their order: what stands for the hash of a file."""
    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    for row in frame.itertuples(index=False, name=None):
        digest.update(("\x1e" + "\x1f".join("" if v is None else str(v) for v in row)).encode())
    return digest.hexdigest()
