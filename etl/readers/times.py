"""Times as sources write them, to UTC milliseconds: whole columns at once, every doubt told apart.

Read are ISO 8601 with or without offset, Unix seconds and milliseconds, `2026/3/18 8:05`, `2026年3月18日 8时5分`, `20260318080500`,
US times with AM or PM (`01/16/2015 08:30:00 AM`), and whatever a declared strptime format says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from layers.store.base import Note

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

DAY_MS = 86_400_000
EARLIEST_MS = 631_152_000_000  # 1990-01-01T00:00:00Z
NULL_WORDS = ("", "null", "NULL", "None", "nan", "NaN", "NaT", "\\N", "N/A", "-", "—", "无")
_SECONDS_BELOW = 1e11  # a number below is Unix seconds (year 5138), above milliseconds (1973)
_MILLISECONDS_BELOW = 1e14
SERIAL_1970 = 25_569  # day number of 1970-01-01 in spreadsheets that count from 1900
SERIALS = (32_874, 73_051)  # day numbers of 1990 to 2099
_SERIAL = re.compile(r"^\d{5}(?:\.\d+)?$")
_FINER = 1e-4  # of a thousandth: no clock of milliseconds writes that
_LONGEST_OFFSET_MS = 7 * DAY_MS  # times counted from a declared day's midnight

_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?"
_ISO_ZONE = r"(?:Z|[+-]\d{2}(?::?\d{2})?)$"
_CLOCK = (
    r"(?:(?P<h>\d{1,2})(?:[::]|时|点)(?:(?P<mi>\d{1,2})(?:[::]|分)?)?(?:(?P<s>\d{1,2})(?:[.,](?P<f>\d{1,9})\d*)?秒?)?)"
)
_ZONE = r"(?P<z>Z|UTC|[+-]\d{2}(?::?\d{2})?)?"
_YEAR_FIRST = (
    r"^(?P<y>\d{4})(?:[-/.]|年)(?P<mo>\d{1,2})(?:[-/.]|月)(?P<d>\d{1,2})日?[T\s]*(?P<half>上午|下午)?\s*"
    + _CLOCK + r"?\s*(?P<half2>[AaPp][Mm])?\s*" + _ZONE + "$"
)  # fmt: skip
_US = r"^(?P<mo>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})\s+" + _CLOCK + r"\s*(?P<half2>[AaPp][Mm])$"
_COMPACT = (
    r"^(?P<y>(?:19|20)\d{2})(?P<mo>\d{2})(?P<d>\d{2})(?:[T\s]?(?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})?)?" + _ZONE + "$"
)
_CLOCK_ONLY = "^" + _CLOCK + "$"
_NUMBER = r"^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$"


class TimeFault(IntEnum):
    """What is wrong with a time."""

    OK = 0
    MISSING = 1
    UNPARSABLE = 2
    NAIVE = 3
    EARLY = 4
    FUTURE = 5


FAULT_CODES = {
    TimeFault.MISSING: "time_missing",
    TimeFault.UNPARSABLE: "time_unparsable",
    TimeFault.NAIVE: "time_naive",
    TimeFault.EARLY: "time_early",
    TimeFault.FUTURE: "time_future",
}


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How the times of a source are to be read.

    Attributes:
        zone: zone of times that name none; None: such times are `NAIVE`.
        format: strptime format of all times, None: recognised.
        day: the source gives only a time of day, or seconds since midnight: they count from the local midnight of this day.
        earliest_ms, latest_ms: bounds (UTC milliseconds) outside of which a time is a fault; None: unbounded.
    """

    zone: ZoneInfo | None = None
    format: str | None = None
    day: date | None = None
    earliest_ms: int | None = EARLIEST_MS
    latest_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Parsed times: `ms` int64 UTC (0: unread), `fault` uint8 of TimeFault, `twofold` how many local times a clock change made doubtful.

    `serials`: how many were day numbers of a spreadsheet (46099.354).
    """

    ms: Ints
    fault: npt.NDArray[np.uint8]
    twofold: int
    serials: int = 0


class _Draft:
    """Wall-clock or UTC milliseconds while they are being read; `naive` tells which."""

    def __init__(self, size: int, missing: Bools) -> None:
        self.ms: Ints = np.zeros(size, dtype=np.int64)
        self.naive: Bools = np.zeros(size, dtype=np.bool_)
        self.missing = missing
        self.open: Bools = ~missing  # still to be read
        self.serials: Bools = np.zeros(size, dtype=np.bool_)

    def fill(self, at: Any, ms: Any, naive: Any) -> None:
        self.ms[at], self.naive[at], self.open[at] = ms, naive, False


def parse_times(values: pa.Array | pa.ChunkedArray, rule: TimeRule) -> Times:
    """Times of one column in UTC milliseconds.

    Args:
        values: text, timestamps, dates or numbers (N,).
        rule: zone, format, day and bounds.

    Returns:
        N times with their faults. A local time that occurs twice (clocks set back) is taken as the earlier one, one that does not occur
        (clocks set forward) as if the clocks had not been changed yet; both are counted.
    """
    array = _plain(values)
    draft = _from_text(array, rule) if pa.types.is_string(array.type) else _from_typed(array, rule)
    if rule.day is not None:
        _count_from(draft, rule.day)
    fault = np.zeros(len(array), dtype=np.uint8)
    fault[draft.open] = TimeFault.UNPARSABLE
    fault[draft.missing] = TimeFault.MISSING
    naive = draft.naive & (fault == 0)
    twofold = 0
    if rule.zone is None:
        fault[naive] = TimeFault.NAIVE
    elif naive.any():
        draft.ms[naive], doubtful = local_to_utc(draft.ms[naive], rule.zone)
        twofold = int(doubtful.sum())
    good = fault == 0
    if rule.earliest_ms is not None:
        fault[good & (draft.ms < rule.earliest_ms)] = TimeFault.EARLY
    if rule.latest_ms is not None:
        fault[good & (draft.ms > rule.latest_ms)] = TimeFault.FUTURE
    return Times(
        np.where((fault == 0) | (fault >= TimeFault.EARLY), draft.ms, 0), fault, twofold, int(draft.serials.sum())
    )


def parse_time_series(values: pd.Series[Any], rule: TimeRule) -> Times:
    """The same for a column of a small table whose cells may be text, numbers, dates or times, mixed."""
    return parse_times(pa.array([cell_text(v) for v in values], type=pa.string()), rule)


def twofold_note(count: int) -> Note:
    """What to tell of times that the clock showed twice."""
    return Note(
        f"{count} 个当地时间处于时钟调整期，按调整前计算",
        f"{count} local times fall into a change of clocks; taken as before it",
    )


def utc_series(ms: Ints, valid: Bools) -> pd.Series[Any]:
    """Stored form of times: `datetime64[ms, UTC]`, NaT where not valid."""
    stamps = ms.astype("datetime64[ms]")
    stamps[~valid] = np.datetime64("NaT")
    return pd.Series(pd.DatetimeIndex(stamps).tz_localize("UTC"))


def local_to_utc(local_ms: Ints, zone: ZoneInfo) -> tuple[Ints, Bools]:
    """UTC of wall-clock times of a zone, and which of them the zone has twice or not at all.

    The offset is looked up once a day, and once a minute on the days on which it changes.
    """
    doubtful = np.zeros(len(local_ms), dtype=np.bool_)
    offset = np.zeros(len(local_ms), dtype=np.int64)
    days, day_ix = _distinct(local_ms // DAY_MS)
    starts = np.array([_offset_ms(int(d) * DAY_MS, zone, 0) for d in days], dtype=np.int64)
    ends = np.array([_offset_ms((int(d) + 1) * DAY_MS, zone, 0) for d in days], dtype=np.int64)
    offset[:] = starts[day_ix]
    changing = (starts != ends)[day_ix]
    if changing.any():
        minutes, minute_ix = _distinct(local_ms[changing] // 60_000)
        early = np.array([_offset_ms(int(m) * 60_000, zone, 0) for m in minutes], dtype=np.int64)
        late = np.array([_offset_ms(int(m) * 60_000, zone, 1) for m in minutes], dtype=np.int64)
        offset[changing] = early[minute_ix]
        doubtful[changing] = (early != late)[minute_ix]
    return local_ms - offset, doubtful


def _distinct(values: Ints) -> tuple[Ints, npt.NDArray[np.intp]]:
    codes, unique = pd.factorize(values)
    return np.asarray(unique, dtype=np.int64), codes


def _offset_ms(local_ms: int, zone: ZoneInfo, fold: int) -> int:
    """Offset of the zone at a wall-clock time; beyond the years that Python knows: 0 (such times fail their bounds)."""
    try:
        wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=local_ms)
        offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    except OverflowError:
        return 0
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def _plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array without dictionary encoding; text as `string`."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):  # several chunks that do not fit one
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type) or pa.types.is_null(array.type):
        array = array.cast(pa.string())
    return array


def cell_text(value: Any) -> str | None:
    """A cell of a small table as the text that the parser reads."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, float | np.floating):
        return repr(float(value))
    return str(value)


def _from_typed(array: pa.Array, rule: TimeRule) -> _Draft:
    """Timestamps, dates, times of day and numbers."""
    kind = array.type
    draft = _Draft(len(array), np.asarray(array.is_null()))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        whole = pc.cast(array, pa.timestamp("ms", zone), safe=False).cast(pa.int64())
        draft.fill(~draft.missing, _int64(whole)[~draft.missing], zone is None)
    elif pa.types.is_time(kind):
        whole = pc.cast(array, pa.time64("ns")).cast(pa.int64())
        draft.fill(~draft.missing, _int64(whole)[~draft.missing] // 1_000_000, naive=True)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(array, pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        draft.missing |= np.isnan(numbers)
        draft.open &= ~draft.missing
        _fill_numbers(draft, draft.open.copy(), numbers, rule.day)
    return draft


def _int64(array: pa.Array) -> Ints:
    return np.asarray(array.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _from_text(array: pa.Array, rule: TimeRule) -> _Draft:
    """Text: the whole column at once where it is regular, row by row forms where it is not."""
    text = pc.utf8_trim_whitespace(array)
    missing = pc.or_(pc.is_null(text), pc.is_in(text, value_set=pa.array(NULL_WORDS)))
    text = pc.if_else(missing, None, text)
    draft = _Draft(len(array), np.asarray(missing))
    if rule.format is not None:
        _fill_format(draft, text, rule.format)
        return draft
    if _fill_iso(draft, text, draft.open.copy()):
        return draft
    _fill_regular(draft, text)
    for pattern in (_YEAR_FIRST, _COMPACT, _US, *((_CLOCK_ONLY,) if rule.day is not None else ())):
        _fill_pattern(draft, text, pattern)
    numeric = draft.open & np.asarray(pc.fill_null(pc.match_substring_regex(text, _NUMBER), False))
    if numeric.any():
        numbers = pc.cast(pc.if_else(pa.array(numeric), text, None), pa.float64()).fill_null(np.nan)
        _fill_numbers(draft, numeric, numbers.to_numpy(zero_copy_only=False), rule.day)
    return draft


def _fill_iso(draft: _Draft, text: pa.Array, at: Bools) -> bool:
    """All of `at` as ISO 8601 in one go, with zone or without; False (and nothing filled) where any of them is something else."""
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            cast = pc.cast(text, kind)
        except pa.ArrowInvalid:
            continue
        draft.fill(at, _int64(cast.cast(pa.int64()))[at] // 1000, kind.tz is None)
        return True
    return False


def _fill_regular(draft: _Draft, text: pa.Array) -> None:
    """Rows of the two regular forms, where a column holds other rows besides."""
    for tail in (_ISO_ZONE, "$"):
        regular = draft.open & np.asarray(pc.fill_null(pc.match_substring_regex(text, _ISO + tail), False))
        if regular.any():
            _fill_iso(draft, pc.if_else(pa.array(regular), text, None), regular)


def _fill_format(draft: _Draft, text: pa.Array, form: str) -> None:
    """Times of a declared strptime format; with %z or %Z they name their zone."""
    zoned = "%z" in form or "%Z" in form
    series = pd.Series(text.to_pandas())
    stamps = pd.to_datetime(series, format=form, errors="coerce", utc=zoned)
    ms = stamps.dt.tz_localize(None) if zoned else stamps
    good = ms.notna().to_numpy() & draft.open
    draft.fill(good, ms.to_numpy().astype("datetime64[ms]").astype(np.int64)[good], not zoned)


def _fill_numbers(draft: _Draft, at: Bools, numbers: npt.NDArray[np.float64], day: date | None) -> None:
    """Day numbers of a spreadsheet where they are plainly such, else Unix seconds or milliseconds."""
    serials = _serials(at, numbers, day)
    if serials.any():
        draft.fill(serials, np.rint((numbers[serials] - SERIAL_1970) * DAY_MS).astype(np.int64), naive=True)
        draft.serials |= serials
    _fill_unix(draft, at & ~serials, numbers)


def _serials(at: Bools, numbers: npt.NDArray[np.float64], day: date | None) -> Bools:
    """Numbers that count days since 1900 as spreadsheets do: no Unix time of this century, and fractions finer than milliseconds.

    Where a day is declared, seconds since its midnight lie in the same range: then all must be of that day or its neighbours.
    """
    low, high = SERIALS if day is None else (d := serial_of(day) - 1, d + 3)
    within = at & (numbers >= low) & (numbers < high)
    if day is not None and not within[at].all():
        return np.zeros(len(numbers), dtype=np.bool_)
    fine = np.abs(numbers[within] * 1000 - np.rint(numbers[within] * 1000)) > _FINER
    return within if fine.any() else np.zeros(len(numbers), dtype=np.bool_)


def serial_of(day: date) -> int:
    """Number of a day in spreadsheets that count from 1900.

    >>> serial_of(date(2026, 3, 18))
    46099
    """
    return (day - date(1970, 1, 1)).days + SERIAL_1970


def dates_of_serials(cells: list[str | None]) -> tuple[list[str | None], int]:
    """Cells whose text is a day number of a spreadsheet (1990 to 2099) as ISO dates or date times, and how many they were.

    >>> dates_of_serials(["46099", "46099.5", "2026-03-18", "7", None])
    (['2026-03-18', '2026-03-18T12:00:00', '2026-03-18', '7', None], 2)
    """
    out: list[str | None] = []
    count = 0
    for cell in cells:
        if cell is not None and _SERIAL.match(cell) and SERIALS[0] <= float(cell) < SERIALS[1]:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round((float(cell) - SERIAL_1970) * 86_400))
            text = moment.replace(tzinfo=None).isoformat()
            out.append(text.removesuffix("T00:00:00"))
            count += 1
        else:
            out.append(cell)
    return out, count


def _fill_unix(draft: _Draft, at: Bools, numbers: npt.NDArray[np.float64]) -> None:
    size = np.abs(numbers, out=np.full(len(numbers), np.inf), where=at)
    seconds, millis = size < _SECONDS_BELOW, (size >= _SECONDS_BELOW) & (size < _MILLISECONDS_BELOW)
    draft.fill(seconds, np.rint(numbers[seconds] * 1000).astype(np.int64), naive=False)
    draft.fill(millis, np.rint(numbers[millis]).astype(np.int64), naive=False)


def _fill_pattern(draft: _Draft, text: pa.Array, pattern: str) -> None:
    """Rows still open that one pattern describes."""
    where = np.flatnonzero(draft.open)
    if not len(where):
        return
    found = pc.extract_regex(pc.take(text, pa.array(where)), pattern=pattern)
    hit = np.asarray(found.is_valid())
    where, found = where[hit], found.filter(pa.array(hit))
    if not len(where):
        return
    parts = {f.name: found.field(i) for i, f in enumerate(found.type)}
    ms, good = _assemble(parts, len(where))
    zone = parts.get("z")
    naive: Bools = np.ones(len(where), dtype=np.bool_)
    if zone is not None:
        naive = np.asarray(pc.equal(zone, ""))
        ms -= _zone_ms(zone)
    draft.fill(where[good], ms[good], naive[good])


def _whole(parts: dict[str, pa.Array], name: str, size: int, default: int) -> Ints:
    if name not in parts:
        return np.full(size, default, dtype=np.int64)
    text = pc.if_else(pc.equal(parts[name], ""), str(default), parts[name])
    return _int64(pc.cast(text, pa.int64()))


def _assemble(parts: dict[str, pa.Array], size: int) -> tuple[Ints, Bools]:
    """Wall-clock milliseconds from year, month … second, and which of them are possible."""
    year, month, day = (_whole(parts, n, size, v) for n, v in (("y", 1970), ("mo", 1), ("d", 1)))
    hour, minute, second = (_whole(parts, n, size, 0) for n in ("h", "mi", "s"))
    good = (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)  # noqa: PLR2004
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    good &= day <= (months + 1).astype("datetime64[D]").astype(np.int64) - first
    hour, possible = _half_day(parts, hour)
    milli = _milli(parts["f"]) if "f" in parts else 0
    ms = (first + day - 1) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli
    return np.asarray(ms, dtype=np.int64), good & possible


def _half_day(parts: dict[str, pa.Array], hour: Ints) -> tuple[Ints, Bools]:
    """Hours of a 24-hour clock where AM, PM, 上午 or 下午 stands beside them (下午 15:00 is 15:00)."""
    english = np.asarray(pc.utf8_upper(parts["half2"])) if "half2" in parts else np.full(len(hour), "")
    chinese = np.asarray(parts["half"]) if "half" in parts else np.full(len(hour), "")
    twelve = (english == "AM") | (english == "PM")
    clock = np.asarray(pc.not_equal(parts["h"], "")) if "h" in parts else np.zeros(len(hour), dtype=np.bool_)
    good = (~twelve | ((hour >= 1) & (hour <= 12))) & ((chinese != "上午") | (hour <= 12))  # noqa: PLR2004
    good &= clock | ((chinese == "") & ~twelve)  # half a day alone is no moment
    midnight = (english == "AM") & (hour == 12)  # noqa: PLR2004
    after = ((english == "PM") | (chinese == "下午")) & (hour < 12)  # noqa: PLR2004
    return np.where(midnight, 0, np.where(after, hour + 12, hour)), good


def _milli(fraction: pa.Array) -> Ints:
    """Milliseconds of a decimal fraction, cut off."""
    return _int64(pc.cast(pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, 3, "0"), 0, 3), pa.int64()))


def _zone_ms(zone: pa.Array) -> Ints:
    digits = pc.replace_substring_regex(zone, pattern=r"Z|UTC|[+:-]", replacement="")
    digits = pc.cast(pc.utf8_rpad(digits, 4, "0"), pa.int64())
    hhmm = _int64(digits)
    sign = np.where(np.asarray(pc.starts_with(zone, "-")), -1, 1)
    return np.asarray(sign * ((hhmm // 100) * 60 + hhmm % 100) * 60_000, dtype=np.int64)


def _count_from(draft: _Draft, day: date) -> None:
    """Times that count from the midnight of a day: the offset since 1970 is the offset since that midnight."""
    within = (draft.ms >= 0) & (draft.ms < _LONGEST_OFFSET_MS)
    read = ~draft.open & ~draft.missing & ~draft.serials
    draft.open |= read & ~within
    base = (day - date(1970, 1, 1)).days * DAY_MS
    draft.fill(read & within, draft.ms[read & within] + base, naive=True)
