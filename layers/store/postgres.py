"""The store on PostgreSQL with PostGIS: tables by COPY, positions in partitions by local day, passes in partitions by run."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from pyarrow import csv

from layers import models
from layers.store import frames, pgcopy, schema, steps
from layers.store.catalogue import ensure_meta, utc_now
from layers.store.guards import Guards
from layers.store.ledgers import Ledgers
from layers.store.passes import SCHEMA as PASSES
from layers.store.postgres_positions import PostgresPositions, device_ids_of, device_numbers
from layers.store.words import no_postgis, not_prepared, other_zone, translated, wrong_driver, wrong_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date, datetime

    from layers.contracts import Table
    from layers.store.base import PositionStore, Run

PASS_COLUMNS = {
    "segment_ix": "int4", "from_mm": "int4", "to_mm": "int4", "enter_ms": "int8", "leave_ms": "int8", "device_no": "int4",
    "track_ix": "int4", "first_fix_ms": "int8", "last_fix_ms": "int8", "seen": "bool", "confidence": "float4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Staged:
    table: pa.Table
    rows: int


class PostgresStore(Ledgers):
    """Catalogue, results, positions and passes in one schema of one database.

    Args:
        url: `postgresql://user:password@host:port/database`, with `?schema=NAME` for a schema of the city's own.
        timezone: IANA name of the zone of local days; kept in the store.
        wait_s: how long to wait for another writer before StoreError.
        clock: the time of loads and runs.

    The folder named by `XUNCHA_CACHE`, where it is set, holds on this machine what can be made again: derived networks, in a folder
    a schema.
    """

    flavour = "ewkb"

    def __init__(
        self, url: str, *, timezone: str, wait_s: float = 30.0, clock: Callable[[], datetime] = utc_now
    ) -> None:
        parsed = _parsed(url)
        name = parsed.query.get("schema", "public")
        self.schema = name if isinstance(name, str) else name[0]
        bare = parsed.difference_update_query(["schema"]).set(drivername="postgresql+psycopg")
        whole = bare.update_query_dict({"schema": self.schema}).set(drivername="postgresql")
        address = whole.render_as_string(hide_password=False)
        super().__init__(bare.render_as_string(hide_password=True), address=address, timezone=timezone, clock=clock)
        quoted = self.schema.replace('"', '""').replace("\\", "\\\\").replace(" ", "\\ ")
        options = f'-csearch_path="{quoted}",public -clock_timeout={int(wait_s * 1000)} -cdatestyle=ISO -cintervalstyle=iso_8601'
        self._address, self._options = bare, options
        self.cache: Path | None = _cache(bare, self.schema)
        self.engine = self._make_engine()
        self.positions: PositionStore = PostgresPositions(self)
        self.guards = Guards(self)
        self._checked = False
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _make_engine(self) -> sa.Engine:
        settings = {"options": self._options, "connect_timeout": 10}
        return sa.create_engine(self._address, pool_pre_ping=True, connect_args=settings)

    # --- versions ---
    def _check(self) -> bool:
        """Whether the store is of this version.

        Raises:
            StoreError: the server cannot be reached, or the store is newer or of another time zone.
        """
        with translated(), self.engine.connect() as conn:
            if not self._has_schema(conn):
                return False
            if schema.revision(conn) != schema.head() or schema.lacking(conn):
                return False
            zone = conn.execute(
                sa.select(models.store_meta.c.value).where(models.store_meta.c.key == "timezone")
            ).scalar()
        if zone is not None and zone != self.zone.key:
            raise other_zone(zone, self.zone.key)
        self._checked = True
        return True

    def _ready(self) -> None:
        if not self._checked and not self._check():
            raise not_prepared(self.url)

    def prepare(self) -> None:
        """Create or migrate the store (and the extension and schema, where the user may)."""
        with self._locked("schema"), self._transaction() as conn:
            self._extension(conn)
            if not self._has_schema(conn):
                conn.execute(sa.schema.CreateSchema(self.schema))
        self.engine.dispose()  # SQLAlchemy remembers the default schema, which may be there only since now
        self.engine = self._make_engine()
        with self._locked("prepare"), self._transaction() as conn:
            schema.upgrade(conn)
            zone = ensure_meta(conn, "timezone", self.zone.key)
            if zone != self.zone.key:
                raise other_zone(zone, self.zone.key)
        self._checked = True

    def _has_schema(self, conn: sa.Connection) -> bool:
        found = conn.execute(sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :n"), {"n": self.schema})
        return bool(found.scalar_one())

    @staticmethod
    def _extension(conn: sa.Connection) -> None:
        if conn.execute(sa.text("SELECT count(*) FROM pg_extension WHERE extname = 'postgis'")).scalar_one():
            return
        if not conn.execute(
            sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'")
        ).scalar_one():
            raise no_postgis()
        try:
            conn.execute(sa.text("CREATE EXTENSION postgis SCHEMA public"))
        except sa.exc.ProgrammingError as error:
            if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                raise no_postgis() from error
            raise

    # --- locks ---
    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """A session's advisory lock on a connection of its own; the server drops it when this process dies."""
        number = self._lock_number(key)
        with translated(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(sa.text("SELECT pg_advisory_lock(:n)"), {"n": number})
            try:
                yield
            finally:
                if not conn.closed and not conn.invalidated:
                    conn.execute(sa.text("SELECT pg_advisory_unlock(:n)"), {"n": number})

    def _lock_number(self, key: str) -> int:
        hashed = hashlib.blake2b(f"xuncha:{self.schema}:{key}".encode(), digest_size=8).digest()
        return int.from_bytes(hashed, "little", signed=True)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A writing transaction; they follow one another, so that numbers are given once."""
        with super()._transaction() as conn:
            conn.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": self._lock_number("numbers")})
            yield conn

    # --- rows ---
    def _insert(self, conn: sa.Connection, table: str, rows: pa.Table) -> None:
        sink = io.BytesIO()
        csv.write_csv(rows, sink, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
        names = sql.SQL(", ").join(sql.Identifier(n) for n in rows.column_names)
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), names)
        with raw(conn).cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(sink.getbuffer())

    def _select(self, conn: sa.Connection, table: Table, number: int, where: Mapping[str, list[Any]]) -> pa.Table:
        tests: list[sql.Composable] = [
            sql.SQL("{} = {}").format(sql.Identifier(models.owner(table)), sql.Literal(number))
        ]
        for name, wanted in where.items():
            column = sql.Identifier(name)
            given = [v for v in wanted if v is not None]
            values = sql.SQL(", ").join(sql.Literal(v) for v in given)
            test = sql.SQL("{} IN ({})").format(column, values) if given else sql.SQL("false")
            tests.append(sql.SQL("({} OR {} IS NULL)").format(test, column) if len(given) < len(wanted) else test)
        chosen = sql.SQL(", ").join(_expression(c.name, c.dtype) for c in table.columns)
        statement = sql.SQL(
            "COPY (SELECT {} FROM {} WHERE {} ORDER BY ordinal) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
        ).format(chosen, sql.Identifier(table.name), sql.SQL(" AND ").join(tests))
        with raw(conn).cursor() as cursor, cursor.copy(statement) as copy:
            data = b"".join(copy)
        kinds = {c.name: frames.arrow_type(c, "ewkb") for c in table.columns}
        return _parse(data, kinds)

    # --- passes ---
    def _stage_passes(self, run: Run, batches: list[pa.Table]) -> _Staged:
        table = pa.concat_tables(batches) if batches else PASSES.empty_table()
        steps.reached(f"publish.staged.{run.day.isoformat()}")
        return _Staged(table, len(table))

    def _write_passes(self, _conn: sa.Connection, _run_no: int, _day: date, staged: _Staged) -> None:
        """A partition of its own for the run, filled before it is attached, so that readers never wait."""
        conn, run_no, table = _conn, _run_no, staged.table
        devices = table.column("device_id").dictionary_encode().unify_dictionaries().combine_chunks()
        numbers = device_numbers(conn, devices.dictionary.to_pylist())
        values = {n: table.column(n).to_numpy() for n in PASS_COLUMNS if n != "device_no"}
        values["device_no"] = numbers[devices.indices.to_numpy(zero_copy_only=False)] if len(table) else numbers
        name = f"pass_rows_{run_no}"
        cursor = raw(conn).cursor()
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE pass_rows INCLUDING DEFAULTS)").format(sql.Identifier(name)))
        columns = {"run_no": "int8", "ordinal": "int8", **PASS_COLUMNS}
        size = len(table)
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        values |= {"run_no": np.full(size, run_no), "ordinal": np.arange(size)}
        with cursor.copy(statement) as copy:
            copy.write(pgcopy.HEAD + pgcopy.dump(columns, values) + pgcopy.TAIL)
        attach = sql.SQL("ALTER TABLE pass_rows ATTACH PARTITION {} FOR VALUES IN ({})")
        cursor.execute(attach.format(sql.Identifier(name), sql.Literal(run_no)))

    def _read_passes(self, row: Any, **filters: Any) -> pa.Table:
        tests = ["true"]
        if filters["segment_ix"] is not None:
            tests.append("segment_ix = ANY(%(segment_ix)s)")
        if filters["from_ms"] is not None:
            tests.append("leave_ms >= %(from_ms)s")
        if filters["to_ms"] is not None:
            tests.append("enter_ms < %(to_ms)s")
        if filters["device_ids"] is not None:
            tests.append("device_no IN (SELECT device_no FROM device_numbers WHERE device_id = ANY(%(device_ids)s))")
        names = ", ".join(PASS_COLUMNS)
        source = f"SELECT {names} FROM pass_rows_{int(row['run_no'])} WHERE {' AND '.join(tests)} ORDER BY ordinal"
        with self._reading() as conn:
            made = pgcopy.unpack(PASS_COLUMNS, fetch_packed(conn, PASS_COLUMNS, source, filters))
            ids = device_ids_of(conn, made["device_no"])
        made["device_id"] = ids
        return pa.table(
            {f.name: pa.array(made[f.name], f.type) if f.name != "device_id" else ids for f in PASSES}, schema=PASSES
        )


def raw(conn: sa.Connection) -> psycopg.Connection[Any]:
    """The connection of psycopg under SQLAlchemy's."""
    found = conn.connection.driver_connection
    if not isinstance(found, psycopg.Connection):
        raise wrong_driver()
    return found


def fetch_packed(
    conn: sa.Connection, columns: Mapping[str, str], source: str, bound: Mapping[str, Any]
) -> tuple[bytes, ...]:
    """Run `pgcopy.packed_query` and return its one row."""
    with raw(conn).cursor(binary=True) as cursor:
        row = cursor.execute(sql.SQL(pgcopy.packed_query(columns, source)), bound).fetchone()
    return tuple(row or ())


def _cache(address: sa.URL, schema_name: str) -> Path | None:
    folder = os.environ.get("XUNCHA_CACHE")
    if not folder:
        return None
    named = f"{address.host}:{address.port}/{address.database}/{schema_name}"
    return Path(folder) / hashlib.blake2b(named.encode(), digest_size=8).hexdigest()


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url.replace("postgres://", "postgresql://", 1))
    except (sa.exc.ArgumentError, ValueError) as error:
        raise wrong_url() from error


def _expression(name: str, dtype: str) -> sql.Composable:
    column = sql.Identifier(name)
    if dtype == "time":
        return sql.SQL("to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS {}").format(
            column, column
        )
    return column


def _parse(data: bytes, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    if not data:
        return pa.table({n: pa.array([], k) for n, k in kinds.items()})
    convert = csv.ConvertOptions(
        column_types=dict(kinds),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    reading = csv.ReadOptions(column_names=list(kinds), block_size=len(data) + 1)
    return csv.read_csv(io.BytesIO(data), reading, csv.ParseOptions(newlines_in_values=True), convert)
