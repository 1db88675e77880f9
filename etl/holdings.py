"""What a city holds, as far as an audit needs to know: its tables, and what its devices sent; from a store or from the sources."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from etl.base import Context, Progress, silent
from etl.layers_told import warnings_of
from etl.load import ALWAYS, chosen_sources, try_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import numpy.typing as npt
    import pyarrow as pa

    from etl.base import Read
    from gis.errors import Fault
    from layers.city import City, Source
    from layers.store.base import SourceRecord, Store

_MS = 1000
ROSTER = ("persons", "devices", "assignments", "exceptions")  # who may patrol, on duty, with what
DEVICE_COLUMNS = (
    "device_id",
    "days",
    "fixes",
    "median_interval_s",
    "p95_interval_s",
    "longest_silence_s",
    "silences",
    "first_ms",
    "last_ms",
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a city holds.

    Attributes:
        tables: by name (absent: no source).
        devices: one row a device (`DEVICE_COLUMNS`).
        days: local days that have positions.
        records: newest record of each source, with the remarks of its reader.
        quarantined: source -> reason -> rows.
        warnings: what is doubtful.
        faults: sources that cannot be read.
        heard: which devices sent positions, by local day (of a store: the last days).
        rosters: the tables `ROSTER` in force on each of these days.
    """

    tables: dict[str, pd.DataFrame]
    devices: pd.DataFrame
    days: tuple[date, ...]
    records: tuple[SourceRecord, ...] = ()
    quarantined: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()
    heard: Mapping[date, frozenset[str]] = field(default_factory=dict)
    rosters: Mapping[date, Mapping[str, pd.DataFrame]] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """A table, empty where there is none."""
        return self.tables.get(name, pd.DataFrame())

    def has(self, name: str) -> bool:
        """Whether a table has rows."""
        return len(self.table(name)) > 0


def device_figures(
    device: npt.NDArray[np.object_], t_ms: npt.NDArray[np.int64], day: npt.NDArray[np.int64], *, silence_s: float
) -> pd.DataFrame:
    """Fix intervals and silences of each device; intervals are taken within a local day only.

    Args:
        device: device id of N fixes, in any order.
        t_ms: their times, UTC milliseconds.
        day: number of the local day of each.
        silence_s: an interval longer than this is a silence.

    Returns:
        One row a device, by id: days and fixes (counts), median and 95th percentile interval and longest silence in seconds (NaN where a
        device never sent twice in a day), number of silences, first and last fix in UTC milliseconds.
    """
    frame = pd.DataFrame({"device_id": device, "t": t_ms, "day": day}).sort_values(
        ["device_id", "day", "t"], kind="stable"
    )
    gap = frame.groupby(["device_id", "day"], sort=False)["t"].diff() / _MS
    frame["gap"] = gap.where(gap > 0)  # repeated fixes are no interval
    frame["silent"] = frame["gap"] > silence_s
    grouped = frame.groupby("device_id", sort=True)
    out = pd.DataFrame(
        {
            "days": grouped["day"].nunique(),
            "fixes": grouped.size(),
            "median_interval_s": grouped["gap"].median(),
            "p95_interval_s": grouped["gap"].quantile(0.95),
            "longest_silence_s": grouped["gap"].max(),
            "silences": grouped["silent"].sum(),
            "first_ms": grouped["t"].min(),
            "last_ms": grouped["t"].max(),
        }
    )
    return out.reset_index().loc[:, list(DEVICE_COLUMNS)]


def from_sources(
    city: City, *, silence_s: float, only: Iterable[str] | None = None, progress: Progress = silent
) -> Holdings:
    """Read every source of a city that can be read, without storing anything; `faults` tells of the others."""
    context = Context(city, progress=progress)
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        reads, spools, faults = try_sources(chosen_sources(city, only), context, Path(folder))
        positions = [b.select(["device_id", "t_ms"]) for _, spool in spools for b in spool.batches()]
    tables: dict[str, list[pd.DataFrame]] = {}
    for source, read in reads:
        tables.setdefault(source.table, []).append(read.frame)
    records = [r.record for _, r in reads] + [s.record for _, s in spools]
    aside = [(r.record.source, r.quarantine) for _, r in reads] + [(s.record.source, s.quarantine) for _, s in spools]
    devices, heard = _devices(positions, city, silence_s)
    days = tuple(heard)
    return Holdings(
        {
            name: frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
            for name, frames in tables.items()
        },
        devices,
        days,
        tuple(records),
        {
            name: {str(k): int(v) for k, v in q["code"].value_counts().sort_index().items()}
            for name, q in aside
            if len(q)
        },
        tuple(context.warnings),
        tuple(faults),
        heard,
        {day: _in_force(reads, day) for day in _days_told(heard, tables.get("checkins", []), city)},
    )


def _days_told(heard: Iterable[date], checkins: Iterable[pd.DataFrame], city: City) -> list[date]:
    """The local days of which there are positions or check-ins."""
    out = set(heard)
    for frame in checkins:
        out |= set(pd.to_datetime(frame["time"], utc=True).dt.tz_convert(city.timezone).dt.date)
    return sorted(out)


def _in_force(reads: Iterable[tuple[Source, Read]], day: date) -> dict[str, pd.DataFrame]:
    """The roster's tables of sources, of each those with the latest `valid_from` not after a day (as `Store.edition_at`)."""
    since: dict[str, date] = {}
    parts: dict[str, list[pd.DataFrame]] = {}
    for source, read in reads:
        begins = source.valid_from or ALWAYS
        if source.table not in ROSTER or begins > day or begins < since.get(source.table, begins):
            continue
        if begins > since.get(source.table, ALWAYS) and source.table in parts:
            parts[source.table] = []
        since[source.table] = begins
        parts.setdefault(source.table, []).append(read.frame)
    return {t: pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0] for t, frames in parts.items()}


def from_store(city: City, store: Store, *, silence_s: float, days: int = 7) -> Holdings:
    """What a store holds: the newest edition of every table, and the last days of positions."""
    tables = {e.table: store.read(e.table, e.edition_id) for e in store.editions()}  # the newest of a table comes last
    held = store.positions.days()
    scans = [store.positions.scan(d).select(["device_id", "t_ms"]) for d in held[-days:]]
    devices, heard = _devices(scans, city, silence_s)
    newest: dict[str, SourceRecord] = {}
    aside: dict[str, dict[str, int]] = {}
    for manifest in store.manifests():
        if manifest.record.source not in newest:
            newest[manifest.record.source] = manifest.record
            if manifest.reasons:
                aside[manifest.record.source] = dict(manifest.reasons)
    told = _days_told(heard, [tables["checkins"]] if "checkins" in tables else [], city)
    rosters = {}
    for day in told:
        found = {t: e for t in ROSTER if (e := store.edition_at(t, day)) is not None}
        rosters[day] = {t: store.read(t, e.edition_id) for t, e in found.items()}
    return Holdings(
        tables,
        devices,
        tuple(held),
        tuple(newest[n] for n in sorted(newest)),
        aside,
        warnings=tuple(fault for *_, fault in warnings_of(tables)),
        heard=heard,
        rosters=rosters,
    )


def _devices(
    positions: list[pa.Table], city: City, silence_s: float
) -> tuple[pd.DataFrame, dict[date, frozenset[str]]]:
    """Figures of the devices, and which were heard on each local day, ascending."""
    if not sum(len(p) for p in positions):
        return pd.DataFrame(columns=list(DEVICE_COLUMNS)), {}
    device = np.concatenate([np.asarray(p.column("device_id").to_pylist(), dtype=object) for p in positions])
    t_ms = np.concatenate([p.column("t_ms").to_numpy() for p in positions]).astype(np.int64)
    local = pd.DatetimeIndex(t_ms.astype("datetime64[ms]")).tz_localize("UTC").tz_convert(city.timezone)
    day = local.tz_localize(None).normalize().to_numpy().astype("datetime64[D]").astype(np.int64)
    heard = {}
    for number in np.unique(day).tolist():
        names = frozenset(str(d) for d in np.unique(device[day == number].astype(str)))
        heard[np.datetime64(number, "D").astype(object)] = names
    return device_figures(device, t_ms, day, silence_s=silence_s), heard
