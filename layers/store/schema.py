"""Versions of a store: Alembic revisions, then the columns that contracts gained since (additive, so no revision is needed for them)."""

from __future__ import annotations

import importlib.resources
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from layers import models
from layers.contracts import TABLES
from layers.store.words import newer


def _config(conn: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(importlib.resources.files("layers") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    config.attributes["schema"] = None if conn is None else _own(conn)
    return config


def _own(conn: sa.Connection) -> str | None:
    """The schema of this store: what is visible besides (`public`) may hold another city's."""
    return (
        str(conn.exec_driver_sql("SELECT current_schema()").scalar_one()) if conn.dialect.name == "postgresql" else None
    )


def head() -> str:
    """The revision that this program writes."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def revision(conn: sa.Connection) -> str | None:
    """The revision of a store, None where there is none.

    Raises:
        StoreError: a revision that this program does not know.
    """
    found = MigrationContext.configure(conn, opts={"version_table_schema": _own(conn)}).get_current_revision()
    known = {s.revision for s in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise newer(found)
    return found


def upgrade(conn: sa.Connection, to: str = "head") -> None:
    """Run the revisions up to `to` on this connection; at the head, add what the contracts gained."""
    revision(conn)
    command.upgrade(_config(conn), to)
    if to == "head":
        reconcile(conn)


def lacking(conn: sa.Connection) -> dict[str, list[str]]:
    """Tables and columns of the contracts that the store has not yet (an empty list: the whole table)."""
    inspector = sa.inspect(conn)
    there = set(inspector.get_table_names(schema=_own(conn)))
    gone: dict[str, list[str]] = {name: [] for name in TABLES if name not in there}
    for name, table in TABLES.items():
        if name in there:
            has = _column_names(conn, name)
            missing = [c.name for c in table.columns if c.name not in has]
            if missing:
                gone[name] = missing
    return gone


def _column_names(conn: sa.Connection, table: str) -> set[str]:
    """Names only: reflecting the types would ask for ones that SQLite does not know."""
    if conn.dialect.name == "sqlite":
        return {row[1] for row in conn.exec_driver_sql(f'PRAGMA table_info("{table}")')}
    query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
    return {row[0] for row in conn.exec_driver_sql(query, (f'"{table}"',))}


def reconcile(conn: sa.Connection) -> None:
    """Add the tables and columns of `lacking`."""
    for name, columns in lacking(conn).items():
        made = models.CONTRACT_TABLES[name]
        if not columns:
            made.create(conn)
            continue
        for column in columns:
            kind: Any = made.c[column].type.compile(dialect=conn.dialect)
            conn.exec_driver_sql(f'ALTER TABLE "{name}" ADD COLUMN "{column}" {kind}')
