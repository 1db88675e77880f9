"""Manifests and quarantine: every load accounts for every row it was given."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from gis.errors import Fault, InputError
from layers import models
from layers.store.base import Manifest, Note, SourceRecord
from layers.store.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

QUARANTINE_COLUMNS = ("row", "column", "code", "zh", "en", "raw")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rejected rows ready to be stored, and their count by the first reason of each row."""

    lines: list[dict[str, Any]]
    reasons: dict[str, int]
    sha256: str

    @property
    def rows(self) -> int:
        """Rejected rows (a row with several faults counts once, one with several entries by its entries)."""
        return sum(self.reasons.values())


def conform_quarantine(quarantine: pd.DataFrame, record: SourceRecord) -> Rejected:
    """The quarantine frame (row, column, code, zh, en, raw) checked and counted.

    Raises:
        InputError: columns are missing, or a row has no reason.
    """
    if len(quarantine) == 0:
        return Rejected([], {}, hashlib.sha256(b"").hexdigest())
    gone = [c for c in QUARANTINE_COLUMNS if c not in quarantine.columns]
    if gone:
        names = ", ".join(gone)
        raise InputError(
            Fault("quarantine.columns", f"隔离表缺少列 {names}", f"quarantine lacks {names}", file=record.path)
        )
    frame = quarantine.loc[:, list(QUARANTINE_COLUMNS)].reset_index(drop=True)
    if frame["code"].isna().any():
        raise InputError(
            Fault("quarantine.code", "隔离的行没有原因", "a quarantined row has no reason", file=record.path)
        )
    plain = frame.astype(object).where(frame.notna(), None)
    lines: list[dict[str, Any]] = [{str(k): v for k, v in line.items()} for line in plain.to_dict("records")]
    seen: set[tuple[int, str, int]] = set()
    reasons: dict[str, int] = {}
    for n, line in enumerate(lines):
        line["row"] = None if line["row"] is None else int(line["row"])
        if line["raw"] is not None and not isinstance(line["raw"], str):
            line["raw"] = json.dumps(line["raw"], ensure_ascii=False, default=str)
        key = (-1 - n, "", 0) if line["row"] is None else (line["row"], *_part_of(line["raw"]))
        if key not in seen:
            seen.add(key)
            reasons[line["code"]] = reasons.get(line["code"], 0) + 1
    text = json.dumps(lines, ensure_ascii=False, sort_keys=True, default=str)
    return Rejected(lines, dict(sorted(reasons.items())), hashlib.sha256(text.encode()).hexdigest())


def _part_of(raw: str | None) -> tuple[str, int]:
    """File and entry of a rejected row.

    Readers of several files name it as `_file`, because each numbers its rows from 1; a row that holds several entries (a crew in one
    cell) is counted by them, and each names itself as `_entry`.
    """
    if not raw or ('"_file"' not in raw and '"_entry"' not in raw):
        return "", 0
    found = json.loads(raw)
    if not isinstance(found, dict):
        return "", 0
    entry = found.get("_entry", 0)
    return str(found.get("_file", "")), entry if isinstance(entry, int) else 0


def check_rows(record: SourceRecord, rows: int, rejected: Rejected) -> None:
    """Every row that was read is either handed over or rejected.

    Raises:
        InputError: the sums differ.
    """
    if record.rows_in != rows + rejected.rows:
        zh = f"读入 {record.rows_in} 行，交来 {rows} 行，隔离 {rejected.rows} 行，对不上"
        en = f"{record.rows_in} rows read, {rows} handed over, {rejected.rows} rejected: the sum is wrong"
        raise InputError(Fault("load.count", zh, en, file=record.path))


class Loads(Catalogue):
    """The ledger of loads."""

    def _record(
        self,
        conn: sa.Connection,
        record: SourceRecord,
        rejected: Rejected,
        *,
        inserted: int,
        already_present: int,
        edition_id: str | None,
        manifest_id: str,
    ) -> Manifest:
        """Write the manifest line, and the rejected rows unless an equal load wrote them before."""
        table = models.manifests
        equal = sa.and_(table.c.quarantine_sha256 == rejected.sha256, table.c.manifest_id == table.c.quarantine_of)
        before = [
            row.manifest_id
            for row in conn.execute(sa.select(table).where(equal).order_by(table.c.seq))
            if (row.record["source"], row.record["path"], row.record["sha256"])
            == (record.source, record.path, record.sha256)
        ]
        holder = before[0] if before else manifest_id
        manifest = Manifest(
            manifest_id, record, inserted, already_present, rejected.rows, rejected.reasons, self._moment(), edition_id
        )
        conn.execute(
            sa.insert(table).values(
                seq=self._next(conn, table.c.seq), manifest_id=manifest_id, record=asdict(record), inserted=inserted,
                already_present=already_present,
                quarantined=rejected.rows, reasons=rejected.reasons, loaded_at=manifest.loaded_at, edition_id=edition_id,
                quarantine_sha256=rejected.sha256, quarantine_of=holder,
            )
        )  # fmt: skip
        if rejected.lines and holder == manifest_id:
            fixed = {"manifest_id": manifest_id, "source": record.source}
            conn.execute(
                sa.insert(models.quarantine), [{**fixed, "ordinal": i, **line} for i, line in enumerate(rejected.lines)]
            )
        return manifest

    def _moment(self) -> datetime:
        now = self.clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _manifest_id(self, record: SourceRecord) -> str:
        """An id for the load under way (the caller holds the writers' lock, so that the next number is ours)."""
        with self._reading() as conn:
            seq = self._next(conn, models.manifests.c.seq)
        return hashlib.sha256(f"{seq}|{record.source}|{record.path}|{record.sha256}".encode()).hexdigest()[:16]

    def manifests(self, *, table: str | None = None, limit: int | None = None) -> list[Manifest]:
        """Loads, newest first: every one, or those into a table, or the newest few."""
        chosen = sa.select(models.manifests).order_by(models.manifests.c.seq.desc()).limit(limit)
        if table is not None:
            chosen = chosen.where(models.manifests.c.record["table"].as_string() == table)
        with self._reading() as conn:
            rows = conn.execute(chosen).mappings().all()
        return [_manifest(row) for row in rows]

    def quarantine(self, manifest_id: str | None = None, *, limit: int = 1000, offset: int = 0) -> pd.DataFrame:
        """Rejected rows in the order they were stored: manifest_id, source, row, column, code, zh, en, raw (JSON)."""
        table = models.quarantine
        chosen = sa.select(*(table.c[n] for n in ("manifest_id", "source", *QUARANTINE_COLUMNS)))
        if manifest_id is not None:
            holder = sa.select(models.manifests.c.quarantine_of).where(models.manifests.c.manifest_id == manifest_id)
            chosen = chosen.where(table.c.manifest_id == holder.scalar_subquery())
        with self._reading() as conn:
            rows = conn.execute(chosen.order_by(table.c.fid).limit(limit).offset(offset)).all()
        made = pd.DataFrame(rows, columns=["manifest_id", "source", *QUARANTINE_COLUMNS], dtype=object)
        if manifest_id is not None:
            made["manifest_id"] = manifest_id
        made["row"] = made["row"].astype("Int64")
        return made.astype({n: "str" for n in made.columns if n != "row"})


def _manifest(row: Mapping[Any, Any]) -> Manifest:
    record = dict(row["record"])
    record["notes"] = tuple(
        Note(n, n) if isinstance(n, str) else Note(*n) for n in record["notes"]
    )  # text: an earlier version's
    return Manifest(
        row["manifest_id"], SourceRecord(**record), row["inserted"], row["already_present"], row["quarantined"], row["reasons"],
        row["loaded_at"],
        row["edition_id"],
    )  # fmt: skip
