"""The store: one port (`base`), two adapters. `open_store` is the only way in; `open_positions` reads positions from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layers.store.base import Store
    from layers.store.parquet_positions import ParquetPositions

DEFAULT_TIMEZONE = "Asia/Shanghai"


def open_store(url: str, *, timezone: str = DEFAULT_TIMEZONE) -> Store:
    """The store at `url`: `embedded:PATH` or a plain path, or `postgresql://user:password@host/database[?schema=NAME]`.

    A store that does not exist yet is made by `prepare()`; until then every other call raises StoreError.

    Raises:
        StoreError: the server cannot be reached, or the store is of a newer version or another time zone.
    """
    if url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        from layers.store.postgres import PostgresStore  # noqa: PLC0415 (the embedded store needs no server's driver)

        return PostgresStore(url, timezone=timezone)
    from layers.store.embedded import EmbeddedStore  # noqa: PLC0415

    return EmbeddedStore(Path(url.removeprefix("embedded:")), timezone=timezone)


def open_positions(url: str, *, timezone: str = DEFAULT_TIMEZONE) -> ParquetPositions:
    """Positions in Parquet wherever fsspec reaches; assigned to `store.positions`, they stand in for the store's own.

    Raises:
        StoreError: nothing opens the address, or its driver is not installed.
    """
    from layers.store.parquet_positions import ParquetPositions  # noqa: PLC0415 (only where positions lie outside the store)

    return ParquetPositions(url, timezone=timezone)
