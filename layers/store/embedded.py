"""The embedded store: a folder with `catalogue.sqlite` (a GeoPackage), `positions/` and `passes/` (Parquet by local day). No server."""

from __future__ import annotations

import functools
import itertools
import operator
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from layers import models
from layers.store import frames, gpkg, schema, steps
from layers.store.catalogue import ensure_meta, utc_now
from layers.store.conform import contract
from layers.store.embedded_positions import EmbeddedPositions
from layers.store.files import FileLock, orphans, sync_folder, sync_write
from layers.store.guards import Guards
from layers.store.ledgers import Ledgers
from layers.store.passes import SCHEMA as PASSES
from layers.store.words import not_prepared, other_zone, translated, translated_files

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path

    from layers.contracts import Table
    from layers.store.base import PositionStore, Run

CATALOGUE = "catalogue.sqlite"
_VARIABLES = 900  # of one statement; every build of SQLite takes 999


@dataclass(frozen=True, slots=True)
class _Staged:
    temporary: Path
    final: Path
    rows: int


def _engine(path: Path, wait_s: float) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool, connect_args={"timeout": wait_s})

    @sa.event.listens_for(engine, "connect")
    def _connected(raw: sqlite3.Connection, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA cache_size = -65536")

    @sa.event.listens_for(engine, "begin")
    def _begun(conn: sa.Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get("writing") else "BEGIN")

    return engine


class EmbeddedStore(Ledgers):
    """Catalogue and results in SQLite, positions and passes in Parquet, one writer at a time, any number of readers.

    Args:
        folder: where the store lives; made by `prepare`.
        timezone: IANA name of the zone of local days; kept in the store.
        wait_s: how long to wait for another writer before StoreError.
        clock: the time of loads and runs.
    """

    flavour = "gpkg"

    def __init__(
        self, folder: Path, *, timezone: str, wait_s: float = 30.0, clock: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__(f"embedded:{folder}", address=f"embedded:{folder.resolve()}", timezone=timezone, clock=clock)
        self.folder = folder
        self.cache: Path | None = folder / "cache"
        self.wait_s = wait_s
        self.engine = _engine(folder / CATALOGUE, wait_s)
        self.positions: PositionStore = EmbeddedPositions(self)
        self.guards = Guards(self)
        self._checked = False
        if (folder / CATALOGUE).exists():
            try:
                self._check()
            except BaseException:
                self.close()
                raise

    # --- versions ---
    def _check(self) -> bool:
        """Whether the store is of this version.

        Raises:
            StoreError: it is newer, or of another time zone.
        """
        with translated(), self.engine.connect() as conn:
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
        if not self._checked and not ((self.folder / CATALOGUE).exists() and self._check()):
            raise not_prepared(self.url)

    def prepare(self) -> None:
        """Create or migrate the store, and sweep away files that a killed load or publish left behind."""
        with translated_files():
            for name in ("positions", "passes", "tmp"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        with self._locked("prepare"):
            fresh = not (self.folder / CATALOGUE).exists()
            with translated(), self.engine.connect() as conn:
                raw = _raw(conn)
                if fresh:
                    raw.execute(f"PRAGMA application_id = {gpkg.APPLICATION_ID}")
                    raw.execute(f"PRAGMA user_version = {gpkg.USER_VERSION}")
                raw.execute("PRAGMA journal_mode = WAL")
            with self._transaction() as conn:
                schema.upgrade(conn)
                gpkg.register(conn.connection.cursor())
                zone = ensure_meta(conn, "timezone", self.zone.key)
                if zone != self.zone.key:
                    raise other_zone(zone, self.zone.key)
            self._checked = True
            self._sweep()

    def _sweep(self) -> None:
        with self._reading() as conn:
            files = set(conn.execute(sa.select(models.position_files.c.file)).scalars())
            files |= {f for f in conn.execute(sa.select(models.runs.c.passes_file)).scalars() if f}
        with translated_files():
            for path in orphans(self.folder, files):
                path.unlink(missing_ok=True)

    def _locked(self, key: str) -> AbstractContextManager[None]:
        """One writer for the whole folder, whatever the key: SQLite has one writer."""
        return FileLock(self.folder / "writer.lock", wait_s=self.wait_s, what=key)

    # --- rows ---
    def _insert(self, conn: sa.Connection, table: str, rows: pa.Table) -> None:
        names, row = ", ".join(f'"{n}"' for n in rows.column_names), f"({', '.join('?' * rows.num_columns)})"
        into = f'INSERT INTO "{table}" ({names}) VALUES '
        values = list(itertools.chain.from_iterable(zip(*(c.to_pylist() for c in rows.columns), strict=True)))
        together = max(1, _VARIABLES // rows.num_columns)  # many rows a statement: a fifth cheaper than one by one
        size = together * rows.num_columns
        whole = len(values) // size * size
        raw = _raw(conn)
        raw.executemany(into + ", ".join([row] * together), _cut(values, 0, whole, size))
        raw.executemany(into + row, _cut(values, whole, len(values), rows.num_columns))

    def _select(self, conn: sa.Connection, table: Table, number: int, where: Mapping[str, list[Any]]) -> pa.Table:
        tests, values = [f'"{models.owner(table)}" = ?'], [number]
        for name, wanted in where.items():
            given = [int(v) if isinstance(v, bool) else v for v in wanted if v is not None]
            test = f'"{name}" IN ({", ".join("?" * len(given))})'
            tests.append(f'({test} OR "{name}" IS NULL)' if len(given) < len(wanted) else test)
            values += given
        names = ", ".join(f'"{c.name}"' for c in table.columns)
        raw = _raw(conn)
        rows = raw.execute(
            f'SELECT {names} FROM "{table.name}" WHERE {" AND ".join(tests)} ORDER BY "ordinal"', values
        ).fetchall()
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
        made = {}
        for c, column in zip(table.columns, columns, strict=True):
            kind = frames.arrow_type(c, "gpkg")
            made[c.name] = pa.array(column, pa.int64()).cast(kind) if c.dtype == "bool" else pa.array(column, kind)
        return pa.table(made)

    def bounds(self, table: str, edition_id: str) -> tuple[float, float, float, float]:
        """See the port; read from the envelopes in front of the geometries."""
        made = contract(table, {"input", "derived"})
        if made.geometry is None:
            return super().bounds(table, edition_id)
        chosen = f'SELECT substr("{made.geometry}", 1, 40) FROM "{table}" WHERE "{models.owner(made)}" = ?'
        with self._reading() as conn:
            raw = _raw(conn)
            parts = [p.part_no for p in self._parts_of(table, edition_id)]
            return gpkg.bounds([row[0] for part in parts for row in raw.execute(chosen, [part])])

    # --- passes ---
    def _stage_passes(self, run: Run, batches: list[pa.Table]) -> _Staged:
        name = f"{run.run_id}.parquet"
        temporary = self.folder / "tmp" / f"{os.getpid()}-{name}"
        final = self.folder / "passes" / f"day={run.day.isoformat()}" / name
        table = pa.concat_tables(batches) if batches else PASSES.empty_table()
        with translated_files():
            sync_write(table, temporary)
        return _Staged(temporary, final, len(table))

    def _write_passes(self, _conn: sa.Connection, _run_no: int, _day: date, staged: _Staged) -> str:
        with translated_files():
            staged.final.parent.mkdir(exist_ok=True)
            staged.temporary.replace(staged.final)
            sync_folder(staged.final.parent)
            sync_folder(staged.final.parent.parent)
        steps.reached("publish.renamed")
        return staged.final.relative_to(self.folder).as_posix()

    def _read_passes(self, row: Any, **filters: Any) -> pa.Table:
        wanted = {"segment_ix": (filters["segment_ix"], pa.int32()), "device_id": (filters["device_ids"], pa.string())}
        tests = [pc.field(n).isin(pa.array(list(v), kind)) for n, (v, kind) in wanted.items() if v is not None]
        test = functools.reduce(operator.and_, tests) if tests else None
        with translated_files():
            return pq.read_table(
                self.folder / row["passes_file"],
                schema=PASSES,
                filters=test,
                partitioning=None,
                page_checksum_verification=True,
            )


def _cut(values: list[Any], begin: int, end: int, size: int) -> Iterator[list[Any]]:
    """Pieces of so many values."""
    return (values[i : i + size] for i in range(begin, end, size))


def _raw(conn: sa.Connection) -> sqlite3.Connection:
    """The connection of sqlite3 under SQLAlchemy's."""
    found: Any = conn.connection.driver_connection
    return found  # type: ignore[no-any-return]
