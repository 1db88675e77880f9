"""From the sources of a city file to the store: everything is read and judged first, then stored, so that a bad source changes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator  # noqa: TC003
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from etl.base import QUARANTINE_COLUMNS, Context, Progress, Read, raw_json, silent
from etl.clock_notes import clock_notes
from etl.detect import detect_shift, warning
from etl.files import damaged
from etl.layers_told import LAID_ON_EACH_OTHER, warnings_of
from etl.near_ids import near_ids
from etl.readers import ORDER, position_reader, reader_of
from gis.errors import Fault, InputError, SettingsError, XunchaError
from gis.ground import ground_notes
from layers.contracts import TABLES
from layers.standard_editions import file_name, standard_of, store_standard
from layers.store.base import WARNING, Note

if TYPE_CHECKING:
    from layers.city import City, Source
    from layers.store.base import Manifest, SourceRecord, Store

ALWAYS = date(1970, 1, 1)
"""valid_from of a source that names none: in force since ever, so that any day can be audited with it."""
_LOOKED_AT = ("areas", "road_edges", "units", "persons", "devices", "assignments")  # tables that later readers look at
_BATCH_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Spool:
    """Positions of one source, read and waiting on disk; `sample` holds some thousand of them for the detection of offsets."""

    path: Path
    quarantine: pd.DataFrame
    record: SourceRecord
    sample: pa.Table
    devices: frozenset[str] = frozenset()

    def batches(self) -> Iterator[pa.Table]:
        """The positions again, as they were read; none where all were set aside."""
        if not self.path.stat().st_size:
            return
        with self.path.open("rb") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield pa.Table.from_batches([batch])


def load_city(
    city: City, store: Store, *, only: Iterable[str] | None = None, progress: Progress = silent
) -> list[Manifest]:
    """Load the sources of a city (or those whose name or table is in `only`), and return their manifests in the order of loading.

    All sources are read first; where one cannot be, the faults of all are raised together and the store is as it was. Each source is then
    stored in one atomic step: killed in the middle, what was stored stays and a second run adds the rest; run twice, nothing changes.

    Raises:
        SettingsError: `only` names nothing.
        InputError: one or more sources cannot be read.
        StoreError: the store cannot be reached.
    """
    sources = chosen_sources(city, only)
    context = Context(city, progress=progress)
    _look_at_store(context, store, {s.table for s in sources})
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        reads, spools = read_sources(sources, context, Path(folder))
        manifests = []
        for done, (source, read) in enumerate(reads):
            progress("store", done, len(sources))
            since = source.valid_from or ALWAYS
            manifests.append(store.load(read.frame, read.record, read.quarantine, valid_from=since))
        for done, (_, spool) in enumerate(spools, start=len(reads)):
            progress("store", done, len(sources))
            record = replace(spool.record, notes=(*spool.record.notes, *_near(spool, context)))
            manifests.append(store.positions.load(spool.batches(), record, spool.quarantine))
        progress("store", len(sources), len(sources))
    with suppress(SettingsError):  # the audit tells what is wrong with the standard; the data can be stored without
        store_standard(store, standard_of(city), file=file_name(city))
    return manifests


def _near(spool: Spool, context: Context) -> list[Note]:
    """Devices of positions that the roster writes otherwise."""
    frames = [context.tables[t] for t in ("devices", "assignments") if t in context.tables]
    known = {str(d) for f in frames for d in f["device_id"].dropna()}
    return [
        Note(f"设备 {found} 在定位中，名册里是 {meant}", f"device {found} is in the positions; the roster has {meant}")
        for found, meant in near_ids(spool.devices, known)
    ]


def chosen_sources(city: City, only: Iterable[str] | None) -> list[Source]:
    """Sources in the order of loading, those whose name or table is asked for.

    Raises:
        SettingsError: a name is neither a source nor a table of the city.
    """
    ordered = sorted(city.sources, key=lambda s: ORDER.index(s.table))
    asked = list(only or ())
    if not asked:
        return ordered
    known = {s.name for s in ordered} | {s.table for s in ordered}
    strange = [a for a in asked if a not in known]
    if strange:
        listed = "、".join(sorted(known))
        raise SettingsError(
            Fault(
                "load.only",
                f"城市文件中没有来源或表 {n}",
                f"the city file has no source or table {n}",
                f"可用：{listed}",
                f"known: {listed.replace('、', ', ')}",
                file=city.path.name,
            )
            for n in strange
        )
    return [s for s in ordered if s.name in asked or s.table in asked]


def read_sources(
    sources: Iterable[Source], context: Context, folder: Path
) -> tuple[list[tuple[Source, Read]], list[tuple[Source, Spool]]]:
    """Read all sources; positions wait in `folder`.

    Raises:
        InputError: the faults of all sources that cannot be read.
    """
    reads, spools, faults = try_sources(sources, context, folder)
    if faults:
        raise InputError(faults)
    return reads, spools


def try_sources(
    sources: Iterable[Source], context: Context, folder: Path
) -> tuple[list[tuple[Source, Read]], list[tuple[Source, Spool]], list[Fault]]:
    """Read all sources that can be read, and the faults of those that cannot."""
    reads: list[tuple[Source, Read]] = []
    spools: list[tuple[Source, Spool]] = []
    faults: list[Fault] = []
    for source in sources:
        try:
            if source.table == "positions":
                spools.append(
                    (source, _watched_spool(_spool(source, context, folder / f"{len(spools)}.arrow"), source, context))
                )
            else:
                reads.append((source, _read(source, context)))
        except XunchaError as error:
            faults += [f if f.file else replace(f, file=source.where) for f in error.faults]
        except Exception as error:  # noqa: BLE001 (whatever a driver throws is a fault of its source; the others go on)
            faults.append(unexpected(error, source.where))
    return _aligned(_without_repeats(reads), context), spools, faults


def unexpected(error: Exception, where: str) -> Fault:
    """An error that no reader foresaw, as a fault of its source."""
    what = f"{type(error).__name__}: {error}"[:300]
    return Fault(
        "source.unforeseen", f"无法读取（{what}）", f"cannot be read ({what})",
        "检查文件是否完整、格式与编码是否如所写", "check that the file is whole, and of the format and encoding declared", file=where,
    )  # fmt: skip


def _read(source: Source, context: Context) -> Read:
    """One source; its table is remembered for the readers after it."""
    roads, boundary = context.roads, context.boundary
    read = reader_of(source.table)(source, context)
    if isinstance(read.frame, gpd.GeoDataFrame) and source.datum in {"wgs84", "cgcs2000"}:
        read = _watched(read, source, context, roads, boundary)
    before = context.tables.get(source.table)
    held = read.frame if before is None else pd.concat([before, read.frame], ignore_index=True)
    context.tables[source.table] = held
    return _on_ground(read, held, context)


def _on_ground(read: Read, held: pd.DataFrame, context: Context) -> Read:
    """The read with notes where its grids or zones overlap (each other or what was read before) or leave the boundary."""
    if read.record.table not in {"work_grids", "community_grids", "areas"} or not len(read.frame):
        return read
    new = np.arange(len(held)) >= len(held) - len(read.frame)
    told = ground_notes(
        read.record.table, gpd.GeoDataFrame(held, geometry="geometry", crs=4326), areas=context.boundary, new=new
    )
    notes = tuple(Note(f"{n} {zh}", f"{n} {en}") for _, n, zh, en in told)
    return replace(read, record=replace(read.record, notes=(*read.record.notes, *notes)))


def _watched(
    read: Read, source: Source, context: Context, roads: gpd.GeoDataFrame | None, boundary: gpd.GeoDataFrame | None
) -> Read:
    """The read with a note where its coordinates seem to have an undeclared offset against what was read before."""
    geometry = np.asarray(read.frame.geometry.array, dtype=object)
    geometry = geometry[~pd.isna(geometry)]
    surface = shapely.get_dimensions(geometry) > 1
    xy = shapely.get_coordinates(np.where(surface, shapely.point_on_surface(geometry), geometry))
    points = source.table in {"checkins", "cases"}  # these happen at roads; grids and areas do not
    shift = detect_shift(xy[:, 0], xy[:, 1], roads=roads if points else None, boundary=boundary)
    if shift is None:
        return read
    return replace(read, record=_noted(read.record, warning(shift, source=source.name, file=source.where), context))


def _aligned(reads: list[tuple[Source, Read]], context: Context) -> list[tuple[Source, Read]]:
    """The reads with notes where layers do not lie on each other, or grids hold little of the roads (see `etl.layers_told`)."""
    if not any(s.table in LAID_ON_EACH_OTHER for s, _ in reads):
        return reads
    out = list(reads)
    for table, _, fault in warnings_of(context.tables):
        mine = [i for i, (s, _) in enumerate(out) if s.table == table]
        for i in mine:
            source, read = out[i]
            out[i] = source, replace(read, record=_with_warning(read.record, fault))
        context.warnings.append(replace(fault, file=out[mine[0]][0].where) if mine else fault)
    return out


def _with_warning(record: SourceRecord, fault: Fault) -> SourceRecord:
    note = Note(f"{WARNING}{fault.zh} → {fault.fix_zh}", f"warning: {fault.en} → {fault.fix_en}")
    return replace(record, notes=(*record.notes, note))


def _noted(record: SourceRecord, fault: Fault, context: Context) -> SourceRecord:
    context.warnings.append(fault)
    return _with_warning(record, fault)


# --- positions ---
@contextmanager
def _told(source: Source) -> Iterator[None]:
    """What a file of positions holds against its format, as a fault of its source."""
    try:
        yield
    except (pa.ArrowException, ValueError, LookupError) as error:
        raise InputError(damaged(source.where, error)) from error


def _spool(source: Source, context: Context, path: Path) -> Spool:
    """Read positions to disk: only when all are read is it known how many rows there were and which were set aside."""
    read = position_reader()(source, context)
    writer: pa.ipc.RecordBatchStreamWriter | None = None
    sample: list[pa.Table] = []
    devices: set[str] = set()
    spans: list[pa.Table] = []
    with path.open("wb") as stream, _told(source):
        for table in read.batches:
            writer = writer or pa.ipc.new_stream(stream, table.schema)
            writer.write_table(table, max_chunksize=_BATCH_ROWS)
            sample.append(_some(table))
            devices.update(pc.unique(table["device_id"]).to_pylist())
            spans.append(table.group_by("device_id").aggregate([("t_ms", "min"), ("t_ms", "max")]))
        if writer is not None:
            writer.close()
    some = pa.concat_tables(sample) if sample else pa.table({"lon": [], "lat": []})
    record = read.record()
    if spans:
        record = replace(record, notes=(*record.notes, *clock_notes(pa.concat_tables(spans).to_pandas())))
    return Spool(path, read.quarantine(), record, some, frozenset(devices))


def _some(table: pa.Table) -> pa.Table:
    """Longitude and latitude of at most two thousand rows, evenly taken."""
    step = max(1, len(table) // 2000)
    return table.select(["lon", "lat"]).take(pa.array(np.arange(0, len(table), step)))


def _watched_spool(spool: Spool, source: Source, context: Context) -> Spool:
    if source.datum not in {"wgs84", "cgcs2000"}:
        return spool
    lon, lat = (spool.sample[c].to_numpy().astype(np.float64) for c in ("lon", "lat"))
    shift = detect_shift(lon, lat, roads=context.roads, boundary=context.boundary)
    if shift is None:
        return spool
    return replace(spool, record=_noted(spool.record, warning(shift, source=source.name, file=source.where), context))


# --- what is known already ---
def _look_at_store(context: Context, store: Store, read_now: set[str]) -> None:
    """Tables that are not read now but that readers look at come from the store, as it holds them."""
    for table in _LOOKED_AT:
        held = store.editions(table) if table not in read_now else []
        if not held:
            continue
        frame = store.read(table, held[-1].edition_id)
        context.tables[table] = frame
        if table == "road_edges":
            context.roads = gpd.GeoDataFrame(frame)
        if table == "areas":
            kinds = [k for k in ("boundary", "town") if (frame["kind"] == k).any()]
            context.boundary = gpd.GeoDataFrame(frame[frame["kind"] == kinds[0]]) if kinds else None


def _without_repeats(reads: list[tuple[Source, Read]]) -> list[tuple[Source, Read]]:
    """Rows whose key an earlier source of the same table and date has are set aside: several sources add up to one edition."""
    seen: dict[tuple[str, date], dict[Any, str]] = {}
    out = []
    for source, read in reads:
        key = list(TABLES[source.table].key)
        held = seen.setdefault((source.table, source.valid_from or ALWAYS), {})
        keys = list(read.frame[key].itertuples(index=False, name=None))
        again = np.array([k in held for k in keys], dtype=bool)
        out.append((source, _set_aside(read, again, keys, held) if again.any() else read))
        held.update({k: source.name for k in keys if k not in held})
    return out


def _set_aside(read: Read, again: Any, keys: list[tuple[Any, ...]], held: dict[Any, str]) -> Read:
    gone = read.frame[again]
    names = ["/".join(str(p) for p in k) for k, a in zip(keys, again, strict=True) if a]
    where = [held[k] for k, a in zip(keys, again, strict=True) if a]
    more = pd.DataFrame(
        {
            "row": [None] * len(gone),
            "column": TABLES[read.record.table].key[0],
            "code": "key_duplicate",
            "zh": [f"编号 {n} 已见于来源 {w}" for n, w in zip(names, where, strict=True)],
            "en": [f"code {n} is in source {w} already" for n, w in zip(names, where, strict=True)],
            "raw": [raw_json({str(k): v for k, v in r.items()}) for r in gone.to_dict("records")],
        },
        columns=list(QUARANTINE_COLUMNS),
    )
    quarantine = pd.concat([read.quarantine.astype(object), more], ignore_index=True)
    return replace(read, frame=read.frame[~again].reset_index(drop=True), quarantine=quarantine)
