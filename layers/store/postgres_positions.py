"""Positions in PostgreSQL: one partition a local day, filled with binary COPY before it is attached, so that readers never wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from layers import models
from layers.store import pgcopy, positions, steps
from layers.store.loads import check_rows, conform_quarantine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    import numpy.typing as npt
    import pandas as pd

    from layers.store.base import Manifest, SourceRecord
    from layers.store.postgres import PostgresStore

COLUMNS = {"device_no": "int4", "t_ms": "int8", "arrived_ms": "int8", "lon": "float8", "lat": "float8"}
_NAMES = ", ".join(COLUMNS)


def _cursor(conn: sa.Connection) -> Any:
    raw: Any = conn.connection.driver_connection
    return raw.cursor()


def device_numbers(conn: sa.Connection, device_ids: Sequence[str]) -> npt.NDArray[np.int32]:
    """The number of each device id, in the order given; new ids get one."""
    with _cursor(conn) as cursor:
        found = dict(
            cursor.execute(
                "SELECT device_id, device_no FROM device_numbers WHERE device_id = ANY(%s)", (list(device_ids),)
            ).fetchall()
        )
        fresh = sorted(set(device_ids) - found.keys())
        if fresh:
            query = "INSERT INTO device_numbers (device_id) SELECT unnest(%s::text[]) RETURNING device_id, device_no"
            found |= dict(cursor.execute(query, (fresh,)).fetchall())
    return np.array([found[d] for d in device_ids], np.int32)


def device_ids_of(conn: sa.Connection, numbers: npt.NDArray[Any]) -> pa.DictionaryArray:
    """The device ids of these numbers, dictionary-encoded."""
    known, index = np.unique(numbers, return_inverse=True)
    with _cursor(conn) as cursor:
        query = "SELECT device_no, device_id FROM device_numbers WHERE device_no = ANY(%s)"
        names = dict(cursor.execute(query, (known.tolist(),)).fetchall())
    ids = pa.array([names[int(n)] for n in known], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), ids)


class PostgresPositions:
    """The positions of a PostgreSQL store (see the port)."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def load(self, batches: Iterable[pa.Table], record: SourceRecord, quarantine: pd.DataFrame) -> Manifest:
        """Append all batches in one transaction; what is there already is found before, outside of it."""
        store = self._store
        store._ready()  # noqa: SLF001 (the two classes are one adapter)
        rejected = conform_quarantine(quarantine, record)
        staged: list[tuple[date, positions.Merged]] = []
        rows = 0
        with store._locked("positions"):  # noqa: SLF001
            manifest_id = store._manifest_id(record)  # noqa: SLF001
            for chunk in positions.chunks(batches, file=record.path):
                rows += len(chunk)
                for day, part in positions.split_days(chunk, store.zone):
                    staged.append((day, positions.subtract(part, self._present(day, part, staged))))
            check_rows(record, rows, rejected)
            inserted = sum(m.inserted for _, m in staged)
            steps.reached("positions.staged")
            with store._transaction() as conn:  # noqa: SLF001
                for day, merged in staged:
                    if len(merged.rows):
                        self._write(conn, day, merged)
                        steps.reached("positions.written")
                manifest = store._record(  # noqa: SLF001
                    conn,
                    record,
                    rejected,
                    inserted=inserted,
                    already_present=rows - inserted,
                    edition_id=None,
                    manifest_id=manifest_id,
                )
                steps.reached("positions.before_commit")
            steps.reached("positions.committed")
        return manifest

    def _present(self, day: date, rows: pa.Table, staged: list[tuple[date, positions.Merged]]) -> pa.Table | None:
        """Stored and staged rows of a day in the time span of these rows."""
        t = rows.column("t_ms").to_numpy()
        there = [m.rows for d, m in staged if d == day]
        if self.count(day):
            there.append(self._fetch(day, from_ms=int(t.min()), to_ms=int(t.max()) + 1))
        return pa.concat_tables(there) if there else None

    def _write(self, conn: sa.Connection, day: date, merged: positions.Merged) -> None:
        table = merged.rows
        devices = table.column("device_id").unify_dictionaries().combine_chunks()
        numbers = device_numbers(conn, devices.dictionary.to_pylist())
        values: dict[str, Any] = {n: table.column(n).to_numpy() for n in COLUMNS if n != "device_no"}
        values["device_no"] = numbers[devices.indices.to_numpy(zero_copy_only=False)]
        if merged.superseding.any():
            self._supersede(conn, {n: v[merged.superseding] for n, v in values.items()})
            values = {n: v[~merged.superseding] for n, v in values.items()}
        days = models.position_days
        known = conn.execute(sa.select(days.c.rows).where(days.c.day == day)).scalar()
        name = sql.Identifier(_partition(day))
        with _cursor(conn) as cursor:
            if known is None:
                cursor.execute(sql.SQL("CREATE TABLE {} (LIKE position_rows INCLUDING DEFAULTS)").format(name))
            self._copy(cursor, name, values, freeze=known is None)
            if known is None:
                cursor.execute(
                    sql.SQL("CREATE INDEX ON {} USING brin (device_no, t_ms) WITH (pages_per_range = 32)").format(name)
                )
                low, high = positions.day_bounds(day, self._store.zone)
                attach = sql.SQL("ALTER TABLE position_rows ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
                cursor.execute(attach.format(name, sql.Literal(low), sql.Literal(high)))
        if known is None:
            conn.execute(sa.insert(days).values(day=day, rows=merged.inserted))
        else:
            conn.execute(sa.update(days).where(days.c.day == day).values(rows=known + merged.inserted))

    @staticmethod
    def _copy(cursor: Any, name: sql.Identifier, values: dict[str, Any], *, freeze: bool) -> None:
        tail = sql.SQL(", FREEZE" if freeze else "")
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary{})").format(
            name, sql.SQL(", ").join(map(sql.Identifier, COLUMNS)), tail
        )
        size, step = len(values["t_ms"]), 100_000
        with cursor.copy(statement) as copy:
            copy.write(pgcopy.HEAD)
            for start in range(0, size, step):
                copy.write(pgcopy.dump(COLUMNS, {n: v[start : start + step] for n, v in values.items()}))
            copy.write(pgcopy.TAIL)

    def _supersede(self, conn: sa.Connection, values: dict[str, Any]) -> None:
        """Rows that are stored with a later arrival get the earlier one."""
        with _cursor(conn) as cursor:
            cursor.execute("CREATE TEMPORARY TABLE earlier (LIKE position_rows) ON COMMIT DROP")
            self._copy(cursor, sql.Identifier("earlier"), values, freeze=False)
            cursor.execute(
                "UPDATE position_rows p SET arrived_ms = e.arrived_ms FROM earlier e WHERE p.device_no = e.device_no AND p.t_ms = e.t_ms"
                " AND p.lon = e.lon AND p.lat = e.lat"
            )
            cursor.execute("DROP TABLE earlier")

    def days(self) -> list[date]:
        """Local days that hold positions, ascending."""
        with self._store._reading() as conn:  # noqa: SLF001
            return list(
                conn.execute(sa.select(models.position_days.c.day).order_by(models.position_days.c.day)).scalars()
            )

    def count(self, day: date) -> int:
        """Rows of a day."""
        days = models.position_days
        with self._store._reading() as conn:  # noqa: SLF001
            return int(conn.execute(sa.select(days.c.rows).where(days.c.day == day)).scalar() or 0)

    def sha256(self, day: date) -> str:
        """Hash of the content of a day, free of the order in which it was loaded."""
        return positions.content_sha256(self.scan(day))

    def scan(
        self, day: date, *, shard: int = 0, shards: int = 1, device_ids: Sequence[str] | None = None,
        from_ms: int | None = None, to_ms: int | None = None, arrived_before_ms: int | None = None,
        encoded: bool = False,  # noqa: ARG002 (device ids come as strings here)
    ) -> pa.Table:  # fmt: skip
        """Positions of a day sorted by (device_id, t_ms, lon, lat); a device always falls into the same shard.

        Raises:
            InputError: no such shard.
        """
        positions.check_shard(shard, shards)
        if not self.count(day):
            return positions.SCHEMA.empty_table()
        rows = self._fetch(
            day,
            from_ms=from_ms,
            to_ms=to_ms,
            arrived_before_ms=arrived_before_ms,
            shard=shard,
            shards=shards,
            device_ids=device_ids,
        )
        return positions.as_strings(positions.sort_rows(rows))

    def _fetch(
        self, day: date, *, from_ms: int | None, to_ms: int | None, arrived_before_ms: int | None = None,
        shard: int = 0, shards: int = 1, device_ids: Sequence[str] | None = None,
    ) -> pa.Table:  # fmt: skip
        """Rows of a stored day, device ids dictionary-encoded; every filter runs in the database."""
        bound: dict[str, Any] = {"from_ms": from_ms, "to_ms": to_ms, "arrived": arrived_before_ms}
        tests = [t for n, t in _TESTS.items() if bound[n] is not None]
        with self._store._reading() as conn:  # noqa: SLF001
            if shards > 1 or device_ids is not None:
                bound["devices"] = self._wanted(conn, shard, shards, device_ids)
                tests.append("device_no = ANY(%(devices)s)")
            condition = f" WHERE {' AND '.join(tests)}" if tests else ""
            query = pgcopy.packed_query(COLUMNS, f'SELECT {_NAMES} FROM "{_partition(day)}"{condition}')
            raw: Any = conn.connection.driver_connection
            with raw.cursor(binary=True) as cursor:
                made = pgcopy.unpack(COLUMNS, cursor.execute(query, bound).fetchone())
            made["device_id"] = device_ids_of(conn, made.pop("device_no"))
        return pa.table({n: made[n] for n in positions.SCHEMA.names})

    @staticmethod
    def _wanted(conn: sa.Connection, shard: int, shards: int, device_ids: Sequence[str] | None) -> list[int]:
        with _cursor(conn) as cursor:
            found = cursor.execute("SELECT device_no, device_id FROM device_numbers").fetchall()
        named = None if device_ids is None else set(device_ids)
        inside = positions.shard_of([d for _, d in found], shards) == shard
        return [n for (n, d), keep in zip(found, inside, strict=True) if keep and (named is None or d in named)]


_TESTS = {"from_ms": "t_ms >= %(from_ms)s", "to_ms": "t_ms < %(to_ms)s", "arrived": "arrived_ms < %(arrived)s"}


def _partition(day: date) -> str:
    return f"position_rows_{day:%Y%m%d}"
