"""Positions: where a device was and when, from CSV, Parquet, XLSX, GPX or a query, as a stream in bounded memory.

A row that cannot be trusted is set aside with its line, column and reason; whole columns that say too little (no time zone, longitude and
latitude swapped) stop the load with one fault that says what to declare.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from html import unescape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.base import QUARANTINE_COLUMNS, PositionRead, missing_columns, sha256_of, source_files
from etl.readers import coordinates, times
from etl.readers.points import is_points, stream_points
from etl.readers.queries import stream_query
from etl.readers.reasons import REASONS
from etl.readers.tabular import Chunk, Stream, empty_fault, readable, stream_file, table_format
from gis.errors import Fault, InputError, SettingsError
from layers.store.base import Note, SourceRecord
from layers.store.positions import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from etl.base import Context
    from layers.city import Source

_FUTURE_SLACK_MS = times.DAY_MS
_ZERO_DAY = r"^(?:1899-12-3[01]|1900-01-0[01]|1904-01-01)[T ]"  # of a clock that a spreadsheet holds
_OWN_DAY = r"^\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}"
_TRACK_NAME = re.compile(rb"<trk>\s*<name>(?:<!\[CDATA\[)?([^<\]]+)")
_NULLS = pa.array(times.NULL_WORDS, type=pa.string())


@dataclass(frozen=True, slots=True)
class PositionRule:
    """How the positions of a source are to be read. `columns` maps device_id, time, arrived, lon, lat, x, y, wkt, date to its columns."""

    columns: dict[str, str]
    device: str | None
    time: times.TimeRule
    place: coordinates.PlaceRule


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """What one chunk holds: positions in WGS 84, and rows set aside (each exactly once)."""

    positions: pa.Table
    quarantine: pd.DataFrame
    reasons: Counter[str]
    timed: int
    twofold: int
    serials: int = 0
    clocks: bool = False


@dataclass(slots=True)
class _Tally:
    """What is known of a source when its stream is exhausted."""

    rows_in: int = 0
    quarantine: list[pd.DataFrame] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    twofold: int = 0
    serials: int = 0
    clock_doubted: bool = False
    no_arrival: bool = False
    encoding: str | None = None


def parse_positions(table: pa.Table, rows: npt.NDArray[np.int64], rule: PositionRule) -> Parsed:
    """Positions of one chunk.

    Args:
        table: source columns (N rows), text or typed.
        rows: row numbers in the source (N,).
        rule: columns, times, coordinates.

    Returns:
        Positions (M rows, `SCHEMA`, in the order of the source) and N - M rows set aside, each with its first reason: device, time,
        arrival, coordinates.
    """
    size = len(table)
    which = np.zeros(size, dtype=np.uint8)  # 1 + place in `why`
    why: list[tuple[str, str]] = []

    def doubt(mask: npt.NDArray[np.bool_], reason: str, name: str) -> None:
        new = mask & (which == 0)
        if new.any():
            why.append((reason, name))
            which[new] = len(why)

    device = _device(table, rule)
    doubt(
        np.asarray(pc.fill_null(pc.match_substring(device, "\0"), False)),
        "text_nul",
        rule.columns.get("device_id", "device_id"),
    )
    doubt(np.asarray(pc.is_null(device)), "device_missing", rule.columns.get("device_id", "device_id"))
    when = times.parse_times(_time_column(table, rule), rule.time)
    for fault, reason in times.FAULT_CODES.items():
        doubt(when.fault == fault, reason, rule.columns["time"])
    arrived, arrival = when.ms, rule.columns.get("arrived")
    if arrival is not None:
        late = times.parse_times(table[arrival], replace(rule.time, day=None, latest_ms=None))
        for fault in (times.TimeFault.UNPARSABLE, times.TimeFault.NAIVE, times.TimeFault.EARLY):
            doubt(late.fault == fault, times.FAULT_CODES[fault], arrival)
        arrived = np.where(late.fault == 0, late.ms, when.ms)
    where, name = _places(table, rule)
    for place_fault, reason in coordinates.FAULT_CODES.items():
        doubt(where.fault == place_fault, reason, name[1] if place_fault == coordinates.PlaceFault.LAT else name[0])
    good = which == 0
    positions = pa.table([device, when.ms, arrived, where.lon, where.lat], schema=SCHEMA).filter(pa.array(good))
    aside = np.flatnonzero(~good)
    code = np.array([c for c, _ in why], dtype=object)[which[aside] - 1]
    column = np.array([n for _, n in why], dtype=object)[which[aside] - 1]
    quarantine = _aside(table.take(pa.array(aside)), rows[aside], column, code)
    return Parsed(
        positions,
        quarantine,
        Counter(code.tolist()),
        int((when.fault == 0).sum()),
        when.twofold,
        when.serials,
        _clocks(when),
    )


def _clocks(when: times.Times) -> bool:
    """Whether all times that lie too early are clocks without a day: seconds of one day, which the given day would complete."""
    early = when.ms[when.fault == times.TimeFault.EARLY]
    of_a_day = bool(len(early)) and bool(
        (np.abs(early) < 2 * times.DAY_MS).all()
    )  # local clocks of 1970, whatever the zone
    return of_a_day and (len(early) == 1 or len(np.unique(early)) > 1)  # one number in every row is a day, not a clock


def _device(table: pa.Table, rule: PositionRule) -> pa.Array:
    """Device ids as text, null where there is none."""
    if "device_id" not in rule.columns:
        return pa.array([rule.device] * len(table), type=pa.string())
    array = table[rule.columns["device_id"]].combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        fix = "把该列导出为文字或整数", "export that column as text or whole numbers"
        problem = f"设备编号列的类型是 {array.type}，不是文字", f"the device ids are of type {array.type}, no text"
        raise InputError(Fault("positions.device_type", *problem, *fix, column=rule.columns["device_id"]))
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_finite(pc.cast(array, pa.float64())), array, None)
    if pa.types.is_floating(array.type):  # whole numbers that a spreadsheet or a join made decimal
        whole = pc.cast(array, pa.int64(), safe=False)
        array = whole if pc.all(pc.fill_null(pc.equal(pc.cast(whole, pa.float64()), array), True)).as_py() else array
    text = pc.utf8_trim_whitespace(pc.cast(array, pa.string()))
    return pc.if_else(pc.is_in(text, value_set=_NULLS), None, text)


def _time_column(table: pa.Table, rule: PositionRule) -> pa.ChunkedArray:
    """The time column, with its date column before it where the source keeps them apart."""
    time = table[rule.columns["time"]]
    if "date" not in rule.columns:
        return time
    day = pc.cast(
        table[rule.columns["date"]], pa.string()
    )  # cells of dates are midnights, cells of clocks may lie in 1899
    day = pc.replace_substring_regex(day, pattern=r"[T ]0?0:00(?::00(?:\.0+)?)?$", replacement="")
    clock = pc.replace_substring_regex(pc.cast(time, pa.string()), pattern=_ZERO_DAY, replacement="")
    own = pc.fill_null(pc.match_substring_regex(clock, _OWN_DAY), False)  # the time has its day already
    return pc.if_else(own, clock, _joined(day, clock))


def _joined(day: pa.ChunkedArray, clock: pa.ChunkedArray) -> pa.ChunkedArray:
    """Date and clock as one text; day number and fraction of a day as one number."""
    fraction = pc.match_substring_regex(clock, r"^0?\.\d+$")
    serial = pc.and_(
        pc.fill_null(pc.match_substring_regex(day, r"^\d{5}(?:\.0+)?$"), False), pc.fill_null(fraction, False)
    )
    number = pc.binary_join_element_wise(
        pc.replace_substring_regex(day, pattern=r"\..*$", replacement=""),
        pc.replace_substring_regex(clock, pattern=r"^0?\.", replacement=""),
        ".",
    )
    return pc.if_else(serial, number, pc.binary_join_element_wise(day, clock, " "))


def _places(table: pa.Table, rule: PositionRule) -> tuple[coordinates.Places, tuple[str, str]]:
    """Coordinates, and the names of the columns that they stand in."""
    if "wkt" in rule.columns:
        x, y, empty, bad = coordinates.parse_wkt_points(table[rule.columns["wkt"]])
        return coordinates.locate(x, y, empty, bad, rule.place), (rule.columns["wkt"], rule.columns["wkt"])
    pair = ("x", "y") if "x" in rule.columns else ("lon", "lat")
    names = rule.columns[pair[0]], rule.columns[pair[1]]
    x, x_empty, x_bad = coordinates.parse_numbers(table[names[0]])
    y, y_empty, y_bad = coordinates.parse_numbers(table[names[1]])
    return coordinates.locate(x, y, x_empty | y_empty, x_bad | y_bad, rule.place), names


def _aside(raw: pa.Table, rows: npt.NDArray[np.int64], column: Any, code: Any) -> pd.DataFrame:
    """Quarantine rows; `raw` holds the source rows."""
    words = [REASONS[c] for c in code]
    return pd.DataFrame(
        {
            "row": rows,
            "column": list(column),
            "code": list(code),
            "zh": [w.zh for w in words],
            "en": [w.en for w in words],
            "raw": [json.dumps(r, ensure_ascii=False, default=str) for r in raw.to_pylist()],
        },
        columns=list(QUARANTINE_COLUMNS),
    )


def position_rule(
    source: Source, columns: tuple[str, ...], *, latest_ms: int | None = None, device: str | None = None
) -> PositionRule:
    """The rule of a source whose columns are known.

    Raises:
        InputError: a column that positions need is missing.
        SettingsError: the CRS or the declared day is wrong.
    """
    mapped = {c: source.source_column(c) for c in ("device_id", "time", "arrived", "lon", "lat", "x", "y", "wkt")}
    present = {c: n for c, n in mapped.items() if n in columns and c not in source.constants}
    if "date" in source.columns:
        present["date"] = source.columns["date"]
    constant = source.constants.get("device_id", device)
    place = (
        ("wkt",)
        if "wkt" in source.columns
        else ("x", "y")
        if "x" in source.columns or (source.crs is not None and "x" in present)
        else ("lon", "lat")
    )
    needed = (*(("device_id",) if constant is None else ()), "time", *place)
    faults = missing_columns(source, needed, columns)
    if faults:
        raise InputError(faults)
    kept = {c: n for c, n in present.items() if c in {"device_id", "time", "arrived", "date", *place}}
    zone = ZoneInfo(source.time_zone) if source.time_zone else None
    day = _declared_day(source)
    bound = None if day is not None else latest_ms
    rule = times.TimeRule(zone=zone, format=source.time_format, day=day, latest_ms=bound)
    return PositionRule(kept, None if constant is None else str(constant), rule, coordinates.place_rule(source))


def _declared_day(source: Source) -> date | None:
    written = source.constants.get("date")
    if written is None:
        return None
    try:
        return date.fromisoformat(str(written))
    except ValueError as error:
        fix = "写成 2026-03-18", "write it as 2026-03-18"
        problem = (
            f"来源 {source.name} 的日期无法识别：{written}",
            f"the date of source {source.name} cannot be read: {written}",
        )
        raise SettingsError(Fault("source.date", *problem, *fix, file=source.where)) from error


def read_positions(source: Source, context: Context, *, now: datetime | None = None) -> PositionRead:
    """Positions of one source, as a stream of Arrow tables (`SCHEMA`) in the order of the source.

    Args:
        source: file(s) or query, columns, zone, CRS and datum.
        context: city and progress.
        now: what counts as the present; times more than a day later are set aside, unless most rows are (then the machine's clock is
            doubted and a note says so). None: the machine's clock.

    Raises:
        InputError: a file is missing, empty or damaged; a column is missing; no time names its zone and none is declared;
            longitude and latitude are swapped.
    """
    latest_ms = round((now or datetime.now(UTC)).timestamp() * 1000) + _FUTURE_SLACK_MS
    digest = hashlib.sha256()
    files = source_files(source, context.city) if source.query is None else []
    sha256 = sha256_of(files) if files else ""
    tally = _Tally()

    naming = _gpx_naming(files, context)

    def batches() -> Iterator[pa.Table]:
        paths: list[Path | None] = [*files] or [None]
        for path in paths:
            stream = stream_query(source, digest) if path is None else _open(path, source, naming)
            rule = position_rule(source, stream.columns, latest_ms=latest_ms, device=_gpx_device(path))
            _remember(tally, stream, rule)
            for chunk in stream.chunks:
                parsed = parse_positions(chunk.table, chunk.rows, rule)
                if parsed.reasons["time_future"] * 2 > len(chunk.rows):
                    rule = replace(rule, time=replace(rule.time, latest_ms=None))
                    parsed = parse_positions(chunk.table, chunk.rows, rule)
                    tally.clock_doubted = True
                _refuse_whole(parsed, len(chunk.rows), source, rule, path)
                _count(tally, parsed, chunk, path if len(files) > 1 else None)
                context.progress(source.name, tally.rows_in, None)
                if len(parsed.positions):
                    yield parsed.positions
        if tally.rows_in == 0:
            raise empty_fault(source.where)

    def quarantine() -> pd.DataFrame:
        frames = [f for f in tally.quarantine if len(f)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(QUARANTINE_COLUMNS))

    def record() -> SourceRecord:
        return SourceRecord(
            source=source.name, table="positions", path=source.where, sha256=sha256 or digest.hexdigest(), rows_in=tally.rows_in,
            crs=coordinates.place_rule(source).crs, encoding=tally.encoding, notes=tuple(_notes(source, tally)),
        )  # fmt: skip

    return PositionRead(batches(), quarantine, record)


def _open(path: Path, source: Source, naming: GpxNaming) -> Stream:
    if is_points(path, source):
        return stream_points(path, source)
    if table_format(path, source) == "gpx":
        return stream_gpx(path, naming)
    return stream_file(path, source)


def _gpx_device(path: Path | None) -> str | None:
    """A GPX file whose tracks have no name is one device, called as the file."""
    return path.stem if path is not None and path.suffix.lower() == ".gpx" else None


@dataclass(frozen=True, slots=True)
class GpxNaming:
    """How tracks become devices: `known` ids of the roster, and names that tracks of several files share."""

    known: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()

    def device(self, name: str | None, stem: str) -> str:
        """The track's name, but that of the file where only it is known, or where loggers give one name to all tracks."""
        if not name or (name not in self.known and (stem in self.known or name in self.shared)):
            return stem
        return name


def _gpx_naming(files: Sequence[Path], context: Context) -> GpxNaming:
    frames = [context.tables[t] for t in ("devices", "assignments") if t in context.tables]
    known = frozenset(str(d) for f in frames for d in f["device_id"].dropna())
    tracks = (
        [set(_TRACK_NAME.findall(f.read_bytes())) for f in files if f.suffix.lower() == ".gpx"]
        if len(files) > 1
        else []
    )
    several = Counter(n for names in tracks for n in names)
    return GpxNaming(
        known, frozenset(unescape(n.decode(errors="replace")).strip() for n, k in several.items() if k > 1)
    )


def stream_gpx(path: Path, naming: GpxNaming | None = None) -> Stream:
    """Track points of a GPX file (points of its routes where it has no tracks), numbered from 1; columns device_id, time, lon, lat.

    A track is the device that it is named after, or the file is (see `GpxNaming`).

    Raises:
        InputError: the file is empty, cut off or no GPX.
    """
    import gpxpy  # noqa: PLC0415 (only where GPX is read)

    if path.stat().st_size == 0:
        raise empty_fault(path.name)
    with readable(path.name), path.open("rb") as stream:
        try:
            gpx = gpxpy.parse(stream)
        except gpxpy.gpx.GPXException as error:
            raise ValueError(str(error)) from error
    called = naming or GpxNaming()
    points = [(called.device(t.name, path.stem), p) for t in gpx.tracks for s in t.segments for p in s.points]
    points += [(called.device(r.name, path.stem), p) for r in gpx.routes for p in r.points] if not points else []
    if not points:
        raise empty_fault(path.name)
    table = pa.table(
        {
            "device_id": pa.array([name for name, _ in points], type=pa.string()),
            "time": pa.array([None if p.time is None else p.time.isoformat() for _, p in points], type=pa.string()),
            "lon": pa.array([p.longitude for _, p in points], type=pa.float64()),
            "lat": pa.array([p.latitude for _, p in points], type=pa.float64()),
        }
    )
    return Stream(tuple(table.column_names), iter([Chunk(table, np.arange(1, len(table) + 1, dtype=np.int64))]))


def _remember(tally: _Tally, stream: Stream, rule: PositionRule) -> None:
    tally.encoding = tally.encoding or stream.encoding
    tally.no_arrival |= "arrived" not in rule.columns


def _count(tally: _Tally, parsed: Parsed, chunk: Chunk, path: Path | None) -> None:
    """Add one chunk to what is known of the source; where it has several files, their names go into the raw rows."""
    tally.rows_in += len(chunk.rows) + len(chunk.broken)
    tally.reasons.update(parsed.reasons)
    tally.twofold += parsed.twofold
    tally.serials += parsed.serials
    broken = pa.table({"text": pa.array([text for _, text, _ in chunk.broken], type=pa.string())})
    lines = np.array([line for line, _, _ in chunk.broken], dtype=np.int64)
    codes = [code for *_, code in chunk.broken]
    tally.reasons.update(codes)
    ruined = _aside(broken, lines, np.full(len(lines), ""), codes)
    frame = pd.concat([f for f in (parsed.quarantine, ruined) if len(f)] or [parsed.quarantine], ignore_index=True)
    if path is not None and len(frame):
        frame["raw"] = [json.dumps({"_file": path.name, **json.loads(r)}, ensure_ascii=False) for r in frame["raw"]]
    tally.quarantine.append(frame.sort_values("row", kind="stable"))


def _refuse_whole(parsed: Parsed, size: int, source: Source, rule: PositionRule, path: Path | None) -> None:
    """Stop where not single rows but whole columns are wrong.

    Raises:
        InputError: no time names a zone and none is declared; most coordinates are swapped.
    """
    name = source.where if path is None else path.name
    if size == 0:
        return
    if parsed.reasons["time_naive"] and not parsed.timed:
        fix = (
            f'在城市文件来源 {source.name} 中写 time_zone = "Asia/Shanghai"（或实际时区）',
            f'write time_zone = "Asia/Shanghai" (or the true zone) at source {source.name} of the city file',
        )
        problem = "时间没有时区，无法确定时刻", "the times name no time zone, so no instant is known"
        raise InputError(Fault("positions.naive_time", *problem, *fix, file=name, column=rule.columns["time"]))
    if parsed.reasons["time_early"] == size and rule.time.day is None and not parsed.clocks:
        fix = (
            "核对时间列是哪一列、何种写法；若是自定义格式，写 time_format",
            "look which column holds the time and how it is written; write time_format for a form of its own",
        )
        problem = "所有时间都早于1990年", "all times lie before 1990"
        raise InputError(Fault("positions.early", *problem, *fix, file=name, column=rule.columns["time"]))
    if parsed.reasons["time_early"] == size and rule.time.day is None:
        fix = (
            f'在来源 {source.name} 的 constants 中写 date = "2026-03-18"（数据所属日期）',
            f'write date = "2026-03-18" (the day of the data) under constants of source {source.name}',
        )
        problem = (
            "所有时间都早于1990年，似乎只有时刻没有日期",
            "all times lie before 1990: they seem to have a clock but no date",
        )
        raise InputError(Fault("positions.no_date", *problem, *fix, file=name, column=rule.columns["time"]))
    if parsed.reasons["lonlat_swapped"] * 2 > size:
        lon, lat = (rule.columns.get(c, c) for c in ("lon", "lat"))
        fix = (
            f'经纬度列颠倒：在 columns 中写 lon = "{lat}"、lat = "{lon}"',
            f'swap the columns: lon = "{lat}", lat = "{lon}"',
        )
        problem = (
            "经度与纬度颠倒（纬度超出 ±90 度）",
            "longitude and latitude are swapped (latitudes beyond ±90 degrees)",
        )
        raise InputError(Fault("positions.swapped", *problem, *fix, file=name, column=lat))


def _notes(source: Source, tally: _Tally) -> Iterator[Note]:
    """What the reader of the manifest must know."""
    if tally.no_arrival:
        yield Note("来源没有到达时间，以定位时间代替", "no arrival times: those of the fixes are taken")
    if source.datum not in {"wgs84", "cgcs2000"}:
        datum = source.datum.upper()
        yield Note(f"坐标由 {datum} 换算为 WGS 84", f"converted from {datum} to WGS 84")
    if tally.twofold:
        yield times.twofold_note(tally.twofold)
    if tally.serials:
        n = tally.serials
        yield Note(
            f"{n} 个时间是电子表格的日期序号（如 46099.354），按 1900 日期系统换算为当地时间",
            f"{n} times are day numbers of a spreadsheet (such as 46099.354), read as local times counted from 1900",
        )
    if tally.clock_doubted:
        yield Note(
            "多数时间晚于本机时钟，未按未来时间隔离，请核对本机时钟",
            "most times are later than this machine's clock: nothing was set aside as future; look at the clock",
        )
