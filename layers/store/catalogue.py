"""What both adapters share: the SQL side of the store, one statement at a time, on SQLAlchemy Core."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers import models
from layers.store import frames
from layers.store.conform import GEOMETRY
from layers.store.words import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from layers.contracts import Table
    from layers.store.frames import Flavour


def utc_now() -> datetime:
    """The clock of a store, unless it is given another one."""
    return datetime.now(UTC)


class Catalogue(ABC):
    """Connections, locks, bulk reading and writing; the adapters fill in the dialect."""

    flavour: Flavour
    engine: sa.Engine

    def __init__(self, url: str, *, address: str, timezone: str, clock: Callable[[], datetime] = utc_now) -> None:
        self.url, self.address = url, address
        self.zone = ZoneInfo(timezone)
        self.clock = clock

    # --- the dialect ---
    @abstractmethod
    def _ready(self) -> None:
        """Raise StoreError unless the store exists in this version."""

    @abstractmethod
    def _locked(self, key: str) -> AbstractContextManager[None]:
        """Hold the writers' lock of that key (`load`, `positions`, `day:…`)."""

    @abstractmethod
    def _insert(self, conn: sa.Connection, table: str, rows: pa.Table) -> None:
        """Append rows in their stored form."""

    @abstractmethod
    def _select(self, conn: sa.Connection, table: Table, number: int, where: Mapping[str, list[Any]]) -> pa.Table:
        """Rows of one part or run in their order, in their stored form."""

    # --- connections ---
    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection with one consistent view."""
        self._ready()
        with translated(), self.engine.connect() as conn:
            yield conn

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A writing transaction: all or nothing."""
        with translated(), self.engine.connect().execution_options(writing=True) as conn, conn.begin():
            yield conn

    def close(self) -> None:
        """Release connections."""
        self.engine.dispose()

    # --- helpers ---
    @staticmethod
    def _next(conn: sa.Connection, column: sa.Column[Any]) -> int:
        return int(conn.execute(sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1)).scalar_one())

    def _append(self, conn: sa.Connection, table: Table, rows: pa.Table, owner: Mapping[str, Any]) -> None:
        """Write rows with their owner and ordinals."""
        made = rows
        for name, value in owner.items():
            kind = pa.int64() if isinstance(value, int) else pa.string()
            made = made.append_column(name, pa.repeat(pa.scalar(value, kind), len(rows)))
        self._insert(conn, table.name, made.append_column("ordinal", pa.array(np.arange(len(rows), dtype=np.int64))))

    def _frame(self, table: Table, stored: Sequence[pa.Table]) -> pd.DataFrame:
        return frames.decode(pa.concat_tables(stored), table, self.flavour) if stored else frames.empty(table)


def conditions(table: Table, where: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """`where` as column to list of stored values (None for missing); times as ISO text, dates as text.

    Raises:
        InputError: a column that the contract has not, or one that cannot be compared.
    """
    known = {c.name: c for c in table.columns if c.dtype not in GEOMETRY | {"json"}}
    faults = [
        Fault("where.column", f"{table.zh}没有可筛选的列 {n}", f"{table.name} has no column {n} to filter by", column=n)
        for n in (where or {})
        if n not in known
    ]
    if faults:
        raise InputError(faults)
    return {name: [_plain(v) for v in _listed(value)] for name, value in (where or {}).items()}


def _listed(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray, pd.Series, pd.Index)):
        return list(value)
    return [value]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InputError(Fault("time.naive", f"时间没有时区：{value}", f"time without zone: {value}"))
        utc = value.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
    return value.isoformat() if isinstance(value, date) else value


def ensure_meta(conn: sa.Connection, key: str, value: str) -> str:
    """The stored value of a key; written when there is none."""
    found = conn.execute(sa.select(models.store_meta.c.value).where(models.store_meta.c.key == key)).scalar()
    if found is None:
        conn.execute(sa.insert(models.store_meta).values(key=key, value=value))
    return value if found is None else str(found)
