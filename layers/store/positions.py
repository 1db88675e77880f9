"""Positions as Arrow tables: contract, order, duplicates, local days, shards. Shared by both adapters; no loop over rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

SCHEMA = pa.schema(
    [
        ("device_id", pa.string()),
        ("t_ms", pa.int64()),
        ("arrived_ms", pa.int64()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
    ]
)
CHUNK_ROWS = 4_000_000
_EARLIEST_MS = 0  # 1970
_LATEST_MS = 4_102_444_800_000  # 2100


def conform_positions(table: pa.Table, *, file: str | None = None) -> pa.Table:
    """The table in `SCHEMA`.

    Raises:
        InputError: every fault: missing or unknown column, dtype, null, a place that is not on earth, a time outside 1970 to 2100.
    """
    faults = [
        Fault("column.missing", f"定位数据缺少列 {n}", f"positions: column {n} is missing", file=file, column=n)
        for n in SCHEMA.names
        if n not in table.column_names
    ]
    faults += [
        Fault(
            "column.unknown",
            f"定位数据多出列 {n}",
            f"positions: column {n} is not in the contract",
            file=file,
            column=n,
        )
        for n in table.column_names
        if n not in SCHEMA.names
    ]
    made = {}
    for field in SCHEMA:
        if field.name not in table.column_names:
            continue
        column = table.column(field.name)
        if column.null_count:
            zh, en = (
                f"定位数据 {field.name} 有 {column.null_count} 个空值",
                f"positions: {column.null_count} nulls in {field.name}",
            )
            faults.append(Fault("value.null", zh, en, file=file, column=field.name))
        try:
            made[field.name] = column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            zh, en = (
                f"定位数据 {field.name} 应为 {field.type}",
                f"positions: {field.name} must be {field.type}, is {column.type}",
            )
            faults.append(Fault("value.dtype", zh, en, file=file, column=field.name))
    faults += _range_faults(made, file)
    if faults:
        raise InputError(faults)
    return pa.table(made, schema=SCHEMA)


def _range_faults(columns: dict[str, pa.ChunkedArray], file: str | None) -> list[Fault]:
    limits = {
        "lon": (-180.0, 180.0),
        "lat": (-90.0, 90.0),
        "t_ms": (_EARLIEST_MS, _LATEST_MS),
        "arrived_ms": (_EARLIEST_MS, _LATEST_MS),
    }
    faults = []
    for name, (low, high) in limits.items():
        if name not in columns or not len(columns[name]):
            continue
        values = columns[name].drop_null().to_numpy()
        bad = int(np.count_nonzero(~((values >= low) & (values <= high))))
        if bad:
            zh, en = (
                f"定位数据 {name} 有 {bad} 个值超出 {low}…{high}",
                f"positions: {bad} values of {name} outside {low} to {high}",
            )
            faults.append(Fault("value.range", zh, en, file=file, column=name))
    return faults


def chunks(batches: Iterable[pa.Table], *, file: str | None = None, rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """The batches, checked, put together to chunks of at least `rows` rows (the last one smaller)."""
    held: list[pa.Table] = []
    for batch in batches:
        held.append(conform_positions(batch, file=file))
        if sum(len(h) for h in held) >= rows:
            yield with_codes(pa.concat_tables(held))
            held = []
    if held:
        yield with_codes(pa.concat_tables(held))


def with_codes(table: pa.Table) -> pa.Table:
    """Device ids dictionary-encoded: the form in which rows are sorted and compared here."""
    column = table.column("device_id")
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return table.set_column(0, "device_id", encoded)


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """Rows in the order of their key (device, time, lon, lat, arrival, new after old).

    Attributes:
        order: int64 (N,), rows of the input.
        same: bool (N,), True where an ordered row has the same key as the one before it.
    """

    order: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]


def device_codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Per row the rank of its device id, and the ids in order (code points, which is the order of UTF-8)."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks()
    ids = encoded.dictionary.to_pylist()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.empty(len(ids), np.int64)
    rank[order] = np.arange(len(ids))
    codes = rank[encoded.indices.to_numpy(zero_copy_only=False)] if len(ids) else np.empty(0, np.int64)
    return codes, [ids[i] for i in order]


def keyed(codes: npt.NDArray[np.int64], table: pa.Table, is_new: npt.NDArray[np.bool_] | None = None) -> Keyed:
    """Order rows by key; one integer sort, and a second look only at rows of equal device and time."""
    t, lon, lat, arrived = (table.column(n).to_numpy() for n in ("t_ms", "lon", "lat", "arrived_ms"))
    if len(t) == 0:
        return Keyed(np.empty(0, np.int64), np.empty(0, bool))
    start, span = int(t.min()), int(t.max()) - int(t.min()) + 1
    if int(codes.max() + 1) * span < 2**62:
        key = codes * span + (t - start)
        order = np.arange(len(key)) if np.all(key[1:] >= key[:-1]) else np.argsort(key, kind="stable")
        tied = key[order][1:] == key[order][:-1]
    else:
        order = np.lexsort((t, codes))
        tied = (t[order][1:] == t[order][:-1]) & (codes[order][1:] == codes[order][:-1])
    same = np.zeros(len(order), bool)
    if tied.any():
        group = np.concatenate(([0], np.cumsum(~tied)))
        within = np.flatnonzero(np.concatenate((tied, [False])) | np.concatenate(([False], tied)))
        rows = order[within]
        new = np.zeros(len(rows), bool) if is_new is None else is_new[rows]
        rows = rows[np.lexsort((new, arrived[rows], lat[rows], lon[rows], group[within]))]
        order[within] = rows
        same[1:] = tied & (lon[order][1:] == lon[order][:-1]) & (lat[order][1:] == lat[order][:-1])
    return Keyed(order.astype(np.int64), same)


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """What of a batch has to be written: `rows` sorted, of which `superseding` are present with a later arrival; the rest is counted."""

    rows: pa.Table
    inserted: int
    superseding: npt.NDArray[np.bool_]  # per row of `rows`
    already_present: int


def subtract(batch: pa.Table, present: pa.Table | None) -> Merged:
    """A batch of one day without what is present (or repeated in it); of equal keys the earliest arrival is kept."""
    both = batch if present is None or len(present) == 0 else pa.concat_tables([present, batch])
    old = len(both) - len(batch)
    is_new = np.arange(len(both)) >= old
    codes, _ = device_codes(both.column("device_id"))
    key = keyed(codes, both, is_new)
    first = ~key.same
    new_in_order = is_new[key.order]
    heads = np.flatnonzero(first)
    has_old = np.logical_or.reduceat(~new_in_order, heads) if len(heads) else np.empty(0, bool)
    write = new_in_order[heads]
    superseding = has_old[write]
    rows = (
        both
        if old == 0 and bool(first.all()) and _in_order(key.order)
        else both.take(pa.array(key.order[heads[write]]))
    )
    inserted = int(np.count_nonzero(~superseding))
    return Merged(rows, inserted, superseding, len(batch) - inserted)


def _in_order(order: npt.NDArray[np.int64]) -> bool:
    return bool(np.all(order[1:] > order[:-1]))


def sort_rows(table: pa.Table) -> pa.Table:
    """Rows sorted by (device_id, t_ms, lon, lat), one row a key (the earliest arrival)."""
    codes, _ = device_codes(table.column("device_id"))
    key = keyed(codes, table)
    if not key.same.any() and _in_order(key.order):
        return table
    return table.take(pa.array(key.order[~key.same]))


def day_bounds(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """First millisecond of a local day, and of the next one (UTC)."""
    first = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    last = datetime(following.year, following.month, following.day, tzinfo=zone)
    return int(first.timestamp()) * 1000, int(last.timestamp()) * 1000


def split_days(table: pa.Table, zone: ZoneInfo) -> list[tuple[date, pa.Table]]:
    """The rows of each local day, days ascending, order kept."""
    if len(table) == 0:
        return []
    t = table.column("t_ms").to_numpy()
    lowest = datetime.fromtimestamp(int(t.min()) / 1000, UTC).astimezone(zone).date()
    highest = datetime.fromtimestamp(int(t.max()) / 1000, UTC).astimezone(zone).date()
    days = [lowest + timedelta(days=i) for i in range((highest - lowest).days + 1)]
    if len(days) == 1:
        return [(lowest, table)]
    starts = np.array([day_bounds(d, zone)[0] for d in days], np.int64)
    index = np.searchsorted(starts, t, side="right") - 1
    return [(days[i], table.filter(pa.array(index == i))) for i in np.unique(index)]


def shard_of(device_ids: Sequence[str], shards: int) -> npt.NDArray[np.int64]:
    """Shard of each device id: BLAKE2b of the id, so that it is the same on every machine and in every store."""
    hashed = [
        int.from_bytes(hashlib.blake2b(d.encode(), digest_size=8).digest(), "little") % shards for d in device_ids
    ]
    return np.array(hashed, np.int64)


def check_shard(shard: int, shards: int) -> None:
    """Refuse a shard that does not exist.

    Raises:
        InputError: unless 0 <= shard < shards.
    """
    if not 0 <= shard < shards:
        raise InputError(
            Fault("positions.shard", f"没有第 {shard} 个分片（共 {shards} 个）", f"no shard {shard} of {shards}")
        )


def filter_rows(
    table: pa.Table, *, shard: int, shards: int, device_ids: Sequence[str] | None,
    from_ms: int | None, to_ms: int | None, arrived_before_ms: int | None,
) -> pa.Table:  # fmt: skip
    """Rows of a shard, of these devices, with from_ms <= t_ms < to_ms, arrived before arrived_before_ms."""
    keep: npt.NDArray[np.bool_] | None = None
    if shards > 1 or device_ids is not None:
        codes, ids = device_codes(table.column("device_id"))
        wanted = np.ones(len(ids), bool) if shards == 1 else shard_of(ids, shards) == shard
        if device_ids is not None:
            named = set(device_ids)
            wanted &= np.fromiter((i in named for i in ids), bool, len(ids))
        keep = wanted[codes] if len(ids) else np.zeros(0, bool)
    for name, value, after in (
        ("t_ms", from_ms, True),
        ("t_ms", to_ms, False),
        ("arrived_ms", arrived_before_ms, False),
    ):
        if value is not None:
            values = table.column(name).to_numpy()
            test = values >= value if after else values < value
            keep = test if keep is None else keep & test
    return table if keep is None or bool(keep.all()) else table.filter(pa.array(keep))


def content_sha256(table: pa.Table) -> str:
    """SHA-256 of sorted rows: device ids in order, then their codes, times, arrivals and coordinates, little endian."""
    codes, ids = device_codes(table.column("device_id"))
    used = np.bincount(codes, minlength=len(ids)) > 0
    if not used.all():  # a dictionary may name devices that have no row here
        codes, ids = (np.cumsum(used) - 1)[codes], [i for i, has in zip(ids, used.tolist(), strict=True) if has]
    total = hashlib.sha256("\n".join(ids).encode())
    total.update(codes.astype("<i4").tobytes())
    for name in ("t_ms", "arrived_ms", "lon", "lat"):
        values = table.column(name).to_numpy()
        total.update(values.astype("<i8" if values.dtype.kind == "i" else "<f8").tobytes())
    return total.hexdigest()


def as_strings(table: pa.Table) -> pa.Table:
    """Dictionary-encoded device ids as plain strings."""
    column = table.column("device_id")
    if not pa.types.is_dictionary(column.type):
        return table.combine_chunks()
    return table.set_column(
        table.schema.get_field_index("device_id"), "device_id", pc.cast(column, pa.string())
    ).combine_chunks()
