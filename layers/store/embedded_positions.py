"""Positions in Parquet, one folder a local day; a file counts once a row of the catalogue names it."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from layers import models
from layers.store import positions, steps
from layers.store.files import sync_folder, sync_write
from layers.store.loads import check_rows, conform_quarantine
from layers.store.words import translated_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    import pandas as pd

    from layers.store.base import Manifest, SourceRecord
    from layers.store.embedded import EmbeddedStore


@dataclass(frozen=True, slots=True)
class _File:
    path: Path  # where it can be read now
    file: str  # its name once registered
    day: date
    rows: int
    superseding: int
    min_ms: int
    max_ms: int


class EmbeddedPositions:
    """The positions of an embedded store (see the port)."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def load(self, batches: Iterable[pa.Table], record: SourceRecord, quarantine: pd.DataFrame) -> Manifest:
        """Append all batches in one atomic step: Parquet files written aside, synced, renamed, then named by one SQLite transaction."""
        store = self._store
        store._ready()  # noqa: SLF001 (the two classes are one adapter)
        rejected = conform_quarantine(quarantine, record)
        staged: list[_File] = []
        with store._locked("positions"):  # noqa: SLF001
            manifest_id = store._manifest_id(record)  # noqa: SLF001
            try:
                rows = inserted = 0
                for n, chunk in enumerate(positions.chunks(batches, file=record.path)):
                    rows += len(chunk)
                    inserted += self._stage(chunk, staged, f"{manifest_id}-{n}")
                check_rows(record, rows, rejected)
                steps.reached("positions.staged")
                self._rename(staged)
                steps.reached("positions.renamed")
                with store._transaction() as conn:  # noqa: SLF001
                    if staged:
                        conn.execute(sa.insert(models.position_files), [_row(f, manifest_id) for f in staged])
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
            except BaseException:
                for f in staged:
                    f.path.unlink(missing_ok=True)
                raise
            steps.reached("positions.committed")
        return manifest

    def _stage(self, chunk: pa.Table, staged: list[_File], name: str) -> int:
        """Write what of the chunk is new to files aside; the number of new rows."""
        inserted = 0
        for day, rows in positions.split_days(chunk, self._store.zone):
            merged = positions.subtract(rows, self._present(day, rows, staged))
            inserted += merged.inserted
            if len(merged.rows) == 0:
                continue
            t = merged.rows.column("t_ms").to_numpy()
            file = f"positions/day={day.isoformat()}/{name}.parquet"
            path = self._store.folder / "tmp" / f"{os.getpid()}-{day.isoformat()}-{name}.parquet"
            entry = _File(
                path, file, day, merged.inserted, int(np.count_nonzero(merged.superseding)), int(t.min()), int(t.max())
            )
            staged.append(entry)
            with translated_files():
                sync_write(merged.rows, path)
            steps.reached("positions.written")
        return inserted

    def _present(self, day: date, rows: pa.Table, staged: list[_File]) -> pa.Table | None:
        """Stored and staged rows of a day in the time span of these rows."""
        t = rows.column("t_ms").to_numpy()
        low, high = int(t.min()), int(t.max())
        files = [f for f in (*self._files(day), *staged) if f.day == day and f.min_ms <= high and f.max_ms >= low]
        return pa.concat_tables([_read(f.path) for f in files]) if files else None

    def _rename(self, staged: list[_File]) -> None:
        with translated_files():
            for i, f in enumerate(staged):
                final = self._store.folder / f.file
                final.parent.mkdir(exist_ok=True)
                f.path.replace(final)
                staged[i] = _File(final, f.file, f.day, f.rows, f.superseding, f.min_ms, f.max_ms)
                steps.reached("positions.one_renamed")
            for folder in {f.path.parent for f in staged}:
                sync_folder(folder)
            sync_folder(self._store.folder / "positions")

    def _files(self, day: date) -> list[_File]:
        p = models.position_files
        with self._store._reading() as conn:  # noqa: SLF001
            rows = conn.execute(sa.select(p).where(p.c.day == day).order_by(p.c.file)).mappings().all()
        names = ("file", "day", "rows", "superseding", "min_ms", "max_ms")
        return [_File(self._store.folder / r["file"], *(r[n] for n in names)) for r in rows]

    def days(self) -> list[date]:
        """Local days that hold positions, ascending."""
        p = models.position_files
        with self._store._reading() as conn:  # noqa: SLF001
            return list(conn.execute(sa.select(p.c.day).distinct().order_by(p.c.day)).scalars())

    def count(self, day: date) -> int:
        """Rows of a day."""
        return sum(f.rows for f in self._files(day))

    def sha256(self, day: date) -> str:
        """Hash of the content of a day, free of the order in which it was loaded."""
        files = self._files(day)
        named = hashlib.sha256("\n".join(f.file for f in files).encode()).hexdigest()
        kept = self._store.folder / "cache" / f"positions-{day.isoformat()}.sha256"
        with suppress(OSError, ValueError):
            of, made = kept.read_text(encoding="ascii").split()
            if of == named:  # a file never changes once it is named
                return made
        found = positions.content_sha256(_merged([_read(f.path) for f in files]))
        with suppress(OSError):  # a store that cannot be written to
            kept.parent.mkdir(exist_ok=True)
            aside = kept.with_suffix(f".{os.getpid()}")
            aside.write_text(f"{named} {found}", encoding="ascii")
            aside.replace(kept)
        return found

    def scan(
        self, day: date, *, shard: int = 0, shards: int = 1, device_ids: Sequence[str] | None = None,
        from_ms: int | None = None, to_ms: int | None = None, arrived_before_ms: int | None = None, encoded: bool = False,
    ) -> pa.Table:  # fmt: skip
        """Positions of a day sorted by (device_id, t_ms, lon, lat); a device always falls into the same shard.

        Raises:
            InputError: no such shard.
        """
        positions.check_shard(shard, shards)
        files = [
            f for f in self._files(day) if (from_ms is None or f.max_ms >= from_ms) and (to_ms is None or f.min_ms < to_ms)
        ]  # fmt: skip
        if not files:
            return positions.SCHEMA.empty_table()
        kept = [
            positions.filter_rows(
                _read(f.path, device_ids), shard=shard, shards=shards, device_ids=device_ids,
                from_ms=from_ms, to_ms=to_ms, arrived_before_ms=arrived_before_ms,
            )
            for f in files
        ]  # fmt: skip
        merged = _merged(kept)
        return merged.unify_dictionaries().combine_chunks() if encoded else positions.as_strings(merged)


def _merged(parts: list[pa.Table]) -> pa.Table:
    """Rows of files, sorted, one a key; a single file is that already."""
    if not parts:
        return positions.SCHEMA.empty_table()
    if len(parts) == 1:
        return parts[0]
    return positions.sort_rows(pa.concat_tables([positions.as_strings(p) for p in parts]))


def _read(path: Path, device_ids: Sequence[str] | None = None) -> pa.Table:
    """A file, its device ids dictionary-encoded; of these devices' row groups only, where they are named."""
    filters = None if device_ids is None else pc.field("device_id").isin(pa.array(list(device_ids), pa.string()))
    with translated_files():
        if filters is None:
            return pq.read_table(
                path, read_dictionary=["device_id"], partitioning=None, page_checksum_verification=True
            )
        return pq.read_table(
            path, schema=positions.SCHEMA, filters=filters, partitioning=None, page_checksum_verification=True
        )


def _row(f: _File, manifest_id: str) -> dict[str, object]:
    return {
        "file": f.file, "day": f.day, "rows": f.rows, "superseding": f.superseding, "min_ms": f.min_ms,
        "max_ms": f.max_ms, "manifest_id": manifest_id,
    }  # fmt: skip
