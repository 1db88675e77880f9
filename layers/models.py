"""SQLAlchemy tables of the store, generated from the table contracts, plus its ledgers: one set for PostgreSQL and SQLite.

On SQLite every geometry table is a GeoPackage feature table (integer key `fid`, geometry as a GeoPackage blob, types of the
GeoPackage standard, OGC 12-128r18 table 1), so that the catalogue opens in QGIS.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from layers.contracts import TABLES, Column, Table

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

SRID = 4326


class _Plain(UserDefinedType[Any]):
    """A column type of SQLite that is written as it is named."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """The name in the DDL."""
        return self.name


class GeometryColumn(TypeDecorator[Any]):
    """Geometry in EPSG:4326: PostGIS `geometry` on PostgreSQL, a GeoPackage blob on SQLite. Values pass as their stored form."""

    impl = sa.LargeBinary
    cache_ok = True
    spatial_index = False  # GeoAlchemy2 asks the column's type for it

    def load_dialect_impl(self, dialect: Dialect | None) -> TypeEngine[Any]:
        """The type of the dialect; the spatial index is made explicitly. GeoAlchemy2 asks without a dialect when it looks for rasters."""
        if dialect is None:
            return sa.LargeBinary()
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Geometry(geometry_type="GEOMETRY", srid=SRID, spatial_index=False))
        return dialect.type_descriptor(_Plain("GEOMETRY"))


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` on PostgreSQL, ISO 8601 with milliseconds and Z on SQLite (DATETIME of GeoPackage)."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the dialect."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(_Plain("DATETIME"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """UTC, and text on SQLite."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return (
            utc
            if dialect.name == "postgresql"
            else utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """An aware datetime in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else datetime.fromisoformat(value).astimezone(UTC)


BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)  # `json` on PostgreSQL: keys keep their order

_TYPES: dict[str, Any] = {
    "str": sa.Text,
    "int": lambda: BIG,
    "float": sa.Double,
    "bool": sa.Boolean,
    "time": UtcTime,
    "date": sa.Date,
    "json": sa.Text,
    "point": GeometryColumn,
    "line": GeometryColumn,
    "polygon": GeometryColumn,
    "geometry": GeometryColumn,
}

metadata = sa.MetaData()


def sql_type(column: Column) -> TypeEngine[Any]:
    """The SQL type of a contract's column."""
    made: TypeEngine[Any] = _TYPES[column.dtype]()
    return made


def _owner_columns(table: Table) -> list[sa.Column[Any]]:
    """What a row belongs to: the part of an edition, or the run and its day; and its place in the order it was stored."""
    fid: sa.Column[Any] = sa.Column("fid", BIG, primary_key=True, autoincrement=True)
    ordinal: sa.Column[Any] = sa.Column("ordinal", BIG, nullable=False)
    if table.kind == "result":
        return [fid, sa.Column("run_no", BIG, nullable=False), sa.Column("day", sa.Date, nullable=False), ordinal]
    return [fid, sa.Column("part_no", BIG, nullable=False), ordinal]


def owner(table: Table) -> str:
    """Name of the column that says what a row belongs to."""
    return "run_no" if table.kind == "result" else "part_no"


def contract_table(table: Table, into: sa.MetaData) -> sa.Table:
    """The SQL table of a contract. Nullness is the contract's business and checked before writing, so that a column can be added later."""
    columns = [sa.Column(c.name, sql_type(c), nullable=True) for c in table.columns]
    made = sa.Table(table.name, into, *_owner_columns(table), *columns)
    sa.Index(f"ix_{table.name}_{owner(table)}", made.c[owner(table)], made.c.ordinal, unique=True)
    if table.geometry is not None:
        index = sa.Index(f"gix_{table.name}", made.c[table.geometry], postgresql_using="gist")
        index.ddl_if(dialect="postgresql")
    return made


CONTRACT_TABLES: dict[str, sa.Table] = {name: contract_table(t, metadata) for name, t in TABLES.items()}


def _ledger(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *columns)


store_meta = _ledger(
    "store_meta", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)

manifests = _ledger(
    "manifests",
    sa.Column("seq", BIG, primary_key=True, autoincrement=False),
    sa.Column("manifest_id", sa.Text, nullable=False, unique=True),
    sa.Column("record", JSON, nullable=False),
    sa.Column("inserted", BIG, nullable=False),
    sa.Column("already_present", BIG, nullable=False),
    sa.Column("quarantined", BIG, nullable=False),
    sa.Column("reasons", JSON, nullable=False),
    sa.Column("loaded_at", UtcTime, nullable=False),
    sa.Column("edition_id", sa.Text),
    sa.Column("quarantine_sha256", sa.Text, nullable=False),
    sa.Column(
        "quarantine_of", sa.Text, nullable=False
    ),  # the manifest that holds the rejected rows (itself, or an equal earlier load)
)

quarantine = _ledger(
    "quarantine",
    sa.Column("fid", BIG, primary_key=True, autoincrement=True),
    sa.Column("manifest_id", sa.Text, nullable=False, index=True),
    sa.Column("ordinal", BIG, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("row", BIG),
    sa.Column("column", sa.Text),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("zh", sa.Text),
    sa.Column("en", sa.Text),
    sa.Column("raw", sa.Text),
)

parts = _ledger(
    "parts",
    sa.Column("part_no", BIG, primary_key=True, autoincrement=False),
    sa.Column("table", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("rows", BIG, nullable=False),
    sa.UniqueConstraint("table", "sha256", name="uq_parts_table_sha256"),
)

editions = _ledger(
    "editions",
    sa.Column("edition_no", BIG, primary_key=True, autoincrement=False),
    sa.Column("edition_id", sa.Text, nullable=False),
    sa.Column("table", sa.Text, nullable=False),
    sa.Column("rows", BIG, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("loaded_at", UtcTime, nullable=False),
    sa.Column("seq", BIG, nullable=False),  # grows with every load that brings an edition (back) into force
    sa.Column("manifest_ids", JSON, nullable=False),
    sa.UniqueConstraint("table", "edition_id", name="uq_editions_table_edition"),
)

edition_parts = _ledger(
    "edition_parts",
    sa.Column("edition_no", BIG, primary_key=True, autoincrement=False),
    sa.Column("position", BIG, primary_key=True, autoincrement=False),
    sa.Column("part_no", BIG, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
)

runs = _ledger(
    "runs",
    sa.Column("run_no", BIG, primary_key=True, autoincrement=False),
    sa.Column("run_id", sa.Text, nullable=False, unique=True),
    sa.Column("day", sa.Date, nullable=False, index=True),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("standard_id", sa.Text, nullable=False),
    sa.Column("standard_version", sa.Text, nullable=False),
    sa.Column("editions", JSON, nullable=False),
    sa.Column("inputs", JSON, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("seconds", JSON, nullable=False),
    sa.Column("passes", BIG, nullable=False),
    sa.Column("passes_file", sa.Text),  # embedded store only
    sa.Column("standard_edition", sa.Text),  # empty: made before standards were stored
)

standards = _ledger(
    "standards",
    sa.Column("edition_id", sa.Text, primary_key=True),  # SHA-256 of the content
    sa.Column("standard_id", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("stored_at", UtcTime, nullable=False),
    sa.Column("author", sa.Text),
    sa.Column("reason", sa.Text),
)

run_pointer = _ledger(
    "run_pointer",
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("run_no", BIG, nullable=False),
    sa.Column("move_no", BIG, nullable=False),
)

pointer_moves = _ledger(
    "pointer_moves",
    sa.Column("move_no", BIG, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("from_run_no", BIG),
    sa.Column("to_run_no", BIG, nullable=False, index=True),
    sa.Column("moved_at", UtcTime, nullable=False),
)

run_differences = _ledger(
    "run_differences",
    sa.Column("move_no", BIG, primary_key=True, autoincrement=False),
    sa.Column("ordinal", BIG, primary_key=True, autoincrement=False),
    sa.Column("table", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("column", sa.Text, nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
)

position_files = _ledger(  # embedded store: the registered Parquet files of positions
    "position_files",
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, nullable=False, index=True),
    sa.Column("rows", BIG, nullable=False),  # rows that count (superseding ones do not)
    sa.Column("superseding", BIG, nullable=False),  # rows present elsewhere too, here with an earlier arrival
    sa.Column("min_ms", BIG, nullable=False),
    sa.Column("max_ms", BIG, nullable=False),
    sa.Column("manifest_id", sa.Text, nullable=False),
)

position_days = _ledger(  # PostgreSQL: the partitions of positions
    "position_days", sa.Column("day", sa.Date, primary_key=True), sa.Column("rows", BIG, nullable=False)
)


live_days = _ledger(  # what a day that is under way shows so far (layers.store.live); never an audit
    "live_days",
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("serial", BIG, nullable=False),
    sa.Column("until_ms", BIG, nullable=False),
    sa.Column("positions", BIG, nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("editions", JSON, nullable=False),
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("seconds", JSON, nullable=False),
)

live_tables = _ledger(
    "live_tables",
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),  # Arrow's stream format
)


sign_in_tries = _ledger(
    "sign_in_tries",
    sa.Column("try_id", sa.Text, primary_key=True),
    sa.Column("at_ms", BIG, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("address", sa.Text, nullable=False, index=True),
)

ended_sessions = _ledger(
    "ended_sessions",
    sa.Column("sid", sa.Text, primary_key=True),
    sa.Column("until_ms", BIG, nullable=False),
)


def _application_ledger(name: str) -> sa.Table:
    return _ledger(
        name,
        sa.Column("seq", BIG, primary_key=True, autoincrement=True),
        sa.Column("at", UtcTime, nullable=False, index=True),
        sa.Column("body", JSON, nullable=False),
    )


LEDGERS: dict[str, sa.Table] = {n: _application_ledger(n) for n in ("users", "access_log", "confirmations")}
