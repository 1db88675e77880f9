"""Editions: what a table held, from which day on. An edition is a list of parts, one part a source; equal parts are stored once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers import models
from layers.store import frames, steps
from layers.store.base import Edition, Manifest, SourceRecord
from layers.store.catalogue import conditions
from layers.store.conform import conform, contract
from layers.store.loads import Loads, check_rows, conform_quarantine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from layers.contracts import Table


@dataclass(frozen=True, slots=True)
class _Part:
    part_no: int | None  # None: not stored yet
    sha256: str
    rows: int
    source: str
    path: str


def _edition_id(table: str, valid_from: date, parts: list[_Part]) -> str:
    text = "\n".join([table, valid_from.isoformat(), *(p.sha256 for p in parts)])
    return hashlib.sha256(text.encode()).hexdigest()


class Editions(Loads):
    """Loading, deriving and reading of editions."""

    def load(
        self, frame: pd.DataFrame, record: SourceRecord, quarantine: pd.DataFrame, *, valid_from: date
    ) -> Manifest:
        """Store one table's rows as an edition; several sources of one table and valid_from add up to one edition.

        A source is known by its name and path: loaded again with other content, its rows take the place of its former ones in a new
        edition. A row that another source of the edition has, equal in every column, counts as already present.

        Raises:
            InputError: the frame breaks its contract, the rows do not add up, or a key has other content in another source.
            StoreError: the store is not reachable, not prepared or busy.
        """
        self._ready()
        table = contract(record.table, {"input"}, file=record.path)
        data = frames.encode(conform(frame, table, file=record.path), table, self.flavour)
        rejected = conform_quarantine(quarantine, record)
        check_rows(record, len(data), rejected)
        with self._locked("load"):
            current = self._latest(table.name, valid_from)
            held = [] if current is None else self._parts_of(table.name, current.edition_id)
            others = [p for p in held if (p.source, p.path) != (record.source, record.path)]
            own = next((p for p in held if (p.source, p.path) == (record.source, record.path)), None)
            fresh = self._without(table, data, others, record.path)
            part = _Part(None, frames.digest(fresh, table), len(fresh), record.source, record.path)
            inserted = 0 if own is not None and own.sha256 == part.sha256 else self._new_rows(table, fresh, own)
            parts = sorted([*others, part], key=lambda p: (p.source, p.path))
            edition_id = _edition_id(table.name, valid_from, parts)
            manifest_id = self._manifest_id(record)
            before = () if current is None else current.manifest_ids
            with self._transaction() as conn:
                if current is None or current.edition_id != edition_id:
                    numbers = [self._part_no(conn, table, p, fresh) for p in parts]
                    self._bring_into_force(
                        conn, table.name, edition_id, valid_from, parts, numbers, (*before, manifest_id)
                    )
                steps.reached("load.rows")
                manifest = self._record(
                    conn,
                    record,
                    rejected,
                    inserted=inserted,
                    already_present=len(data) - inserted,
                    edition_id=edition_id,
                    manifest_id=manifest_id,
                )
                steps.reached("load.before_commit")
            steps.reached("load.committed")
            return manifest

    def put_derived(self, table: str, frame: pd.DataFrame, *, edition_id: str, valid_from: date) -> Edition:
        """Store a derived table (segments, sections) under the hash of what it was derived from; present already: nothing happens."""
        self._ready()
        made = contract(table, {"derived"})
        found = self._edition(table, edition_id)
        if found is not None:
            return found
        data = frames.encode(conform(frame, made), made, self.flavour)
        part = _Part(None, frames.digest(data, made), len(data), "", "")
        with self._locked("load"):
            if self._edition(table, edition_id) is None:
                with self._transaction() as conn:
                    number = self._part_no(conn, made, part, data)
                    self._bring_into_force(conn, table, edition_id, valid_from, [part], [number], ())
                    steps.reached("load.before_commit")
        stored = self._edition(table, edition_id)
        if stored is None:  # cannot be: it was committed just now
            raise InputError(Fault("edition.unknown", f"没有版本 {edition_id}", f"no edition {edition_id}"))
        return stored

    # --- parts ---
    def _without(self, table: Table, data: pa.Table, others: list[_Part], path: str) -> pa.Table:
        """The rows that no other source of the edition has.

        Raises:
            InputError: a key that another source has with other content.
        """
        if not others or len(data) == 0:
            return data
        with self._reading() as conn:
            there = pa.concat_tables([self._select(conn, table, p.part_no or 0, {}) for p in others])
        mine, theirs = _hashed(data, table), _hashed(there, table)
        both = mine.merge(theirs, on="key", how="left", suffixes=("", "_there"))
        clash = both["content_there"].notna() & (both["content"] != both["content_there"])
        if clash.any():
            row = int(clash.to_numpy().nonzero()[0][0])
            key = " | ".join(str(data.column(k)[row].as_py()) for k in table.key)
            zh = f"{table.zh}（{table.name}）：主键 {key} 等 {int(clash.sum())} 行与另一来源内容不同"
            en = f"{table.name}: key {key} and others, {int(clash.sum())} rows, differ from another source of the same day"
            fix = ("删去其一，或以较晚的生效日加载", "drop one, or load with a later valid_from")
            raise InputError(Fault("key.conflict", zh, en, *fix, path, row + 1, ", ".join(table.key)))
        return data.filter(pa.array(both["content_there"].isna().to_numpy()))

    def _new_rows(self, table: Table, fresh: pa.Table, own: _Part | None) -> int:
        """Rows that the former content of the same source has not."""
        if own is None or len(fresh) == 0:
            return len(fresh)
        with self._reading() as conn:
            former = _hashed(self._select(conn, table, own.part_no or 0, {}), table)
        mine = _hashed(fresh, table)
        return int((~mine["content"].isin(former["content"])).sum())

    def _part_no(self, conn: sa.Connection, table: Table, part: _Part, data: pa.Table) -> int:
        if part.part_no is not None:
            return part.part_no
        there = models.parts
        found = conn.execute(
            sa.select(there.c.part_no).where(there.c.table == table.name, there.c.sha256 == part.sha256)
        ).scalar()
        if found is not None:
            return int(found)
        number = self._next(conn, there.c.part_no)
        conn.execute(sa.insert(there).values(part_no=number, table=table.name, sha256=part.sha256, rows=part.rows))
        self._append(conn, table, data, {"part_no": number})
        return number

    def _parts_of(self, table: str, edition_id: str) -> list[_Part]:
        e, ep, p = models.editions, models.edition_parts, models.parts
        joined = sa.join(ep, e, ep.c.edition_no == e.c.edition_no).join(p, p.c.part_no == ep.c.part_no)
        chosen = sa.select(p.c.part_no, p.c.sha256, p.c.rows, ep.c.source, ep.c.path).select_from(joined)
        chosen = chosen.where(e.c.table == table, e.c.edition_id == edition_id).order_by(ep.c.position)
        with self._reading() as conn:
            return [_Part(*row) for row in conn.execute(chosen)]

    def _bring_into_force(
        self,
        conn: sa.Connection,
        table: str,
        edition_id: str,
        valid_from: date,
        parts: list[_Part],
        numbers: list[int],
        manifest_ids: tuple[str, ...],
    ) -> None:
        """Write the edition, or make one that is stored already the latest again."""
        e = models.editions
        seq, now = self._next(conn, e.c.seq), self._moment()
        known = conn.execute(sa.select(e.c.edition_no).where(e.c.table == table, e.c.edition_id == edition_id)).scalar()
        if known is not None:
            conn.execute(sa.update(e).where(e.c.edition_no == known).values(seq=seq, loaded_at=now))
            return
        number = self._next(conn, e.c.edition_no)
        conn.execute(
            sa.insert(e).values(
                edition_no=number, edition_id=edition_id, table=table, rows=sum(p.rows for p in parts), valid_from=valid_from,
                loaded_at=now, seq=seq, manifest_ids=list(manifest_ids),
            )
        )  # fmt: skip
        lines = [
            {"edition_no": number, "position": i, "part_no": n, "source": p.source, "path": p.path}
            for i, (n, p) in enumerate(zip(numbers, parts, strict=True))
        ]
        conn.execute(sa.insert(models.edition_parts), lines)

    # --- reading ---
    def editions(self, table: str | None = None) -> list[Edition]:
        """Editions, oldest first."""
        e = models.editions
        return self._listed(e.c.table == table if table is not None else sa.true(), e.c.seq)

    def edition_at(self, table: str, day: date) -> Edition | None:
        """The edition in force on a day: the latest loaded among those with the latest valid_from not after the day."""
        e = models.editions
        found = self._listed(
            sa.and_(e.c.table == table, e.c.valid_from <= day), e.c.valid_from.desc(), e.c.seq.desc(), limit=1
        )
        return found[0] if found else None

    def _latest(self, table: str, valid_from: date) -> Edition | None:
        e = models.editions
        found = self._listed(sa.and_(e.c.table == table, e.c.valid_from == valid_from), e.c.seq.desc(), limit=1)
        return found[0] if found else None

    def _edition(self, table: str, edition_id: str) -> Edition | None:
        e = models.editions
        found = self._listed(sa.and_(e.c.table == table, e.c.edition_id == edition_id), e.c.seq)
        return found[0] if found else None

    def _listed(self, condition: sa.ColumnElement[bool], *order: Any, limit: int | None = None) -> list[Edition]:
        chosen = sa.select(models.editions).where(condition).order_by(*order).limit(limit)
        with self._reading() as conn:
            rows = conn.execute(chosen).mappings().all()
        names = ("edition_id", "table", "rows", "valid_from", "loaded_at")
        return [Edition(manifest_ids=tuple(row["manifest_ids"]), **{n: row[n] for n in names}) for row in rows]

    def read(self, table: str, edition_id: str | None, *, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Rows of an edition in the order they were loaded (a GeoDataFrame in EPSG:4326 where the contract has a geometry).

        Raises:
            InputError: no such table, edition, or column in `where`.
        """
        made = contract(table, {"input", "derived"})
        filters = conditions(made, where)
        if edition_id is None:
            return frames.empty(made)
        parts = self._parts_of(table, edition_id)
        if not parts:
            raise InputError(
                Fault("edition.unknown", f"{made.zh}没有版本 {edition_id}", f"{table} has no edition {edition_id}")
            )
        with self._reading() as conn:
            return self._frame(made, [self._select(conn, made, p.part_no or 0, filters) for p in parts])

    def bounds(self, table: str, edition_id: str) -> tuple[float, float, float, float]:
        """Smallest and largest longitude and latitude of an edition: west, south, east, north; NaN where it has no geometry.

        Raises:
            InputError: no such table or edition, or one without geometry.
        """
        west, south, east, north = gpd.GeoDataFrame(self.read(table, edition_id)).total_bounds
        return float(west), float(south), float(east), float(north)


def _hashed(stored: pa.Table, table: Table) -> pd.DataFrame:
    """Per row the hash of its key and of its content, 64 bits each."""
    plain = pd.DataFrame(
        {n: pd.Series(stored.column(n).to_pylist(), dtype=object).map(repr) for n in stored.column_names}
    )
    hashes = {
        "key": pd.util.hash_pandas_object(plain[list(table.key)], index=False),
        "content": pd.util.hash_pandas_object(plain, index=False),
    }
    return pd.DataFrame(hashes)
