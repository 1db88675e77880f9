"""Positions read from a folder of Parquet files wherever fsspec reaches: a disk, an object store, memory. Read only.

Files lie in `day=YYYY-MM-DD/` folders, as the embedded store writes them, or in any other way; then the statistics in their footers tell
which days they hold. Columns are those of the contract (`positions.SCHEMA`), others are not read. Credentials are fsspec's own affair
(environment, `~/.config/fsspec`), of each process that reads.
"""

from __future__ import annotations

import functools
import operator
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FSSpecHandler, PyFileSystem

from gis.errors import Fault, InputError
from layers.store import positions
from layers.store.words import translated_positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from layers.store.base import Manifest, SourceRecord

_DAY = re.compile(r"/day=(\d{4}-\d{2}-\d{2})/")
_ENDINGS = (".parquet", ".parq", ".pq")
_EXPORT = (
    "导出为 device_id（文本）、t_ms、arrived_ms（UTC 毫秒，整数）、lon、lat（WGS 84，浮点）",
    "export device_id (text), t_ms, arrived_ms (UTC milliseconds, integers), lon, lat (WGS 84, floats)",
)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    day: date | None  # of its folder
    spans: tuple[tuple[int, int], ...]  # first and last millisecond of each row group


@dataclass(frozen=True, slots=True)
class _Day:
    """What is known of a day once it was read: never its rows."""

    sha256: str
    rows: int
    device_ids: tuple[str, ...]  # in order
    rows_of: tuple[int, ...]


class ParquetPositions:
    """The positions port over Parquet files (see the port); files are listed once, at the first question.

    A shard is a run of device ids in their order, so that a reader skips the row groups of other devices.
    What is sent to another process is the address and the list, never a credential.

    Args:
        url: of the folder: a local path, `s3://bucket/folder`, `memory://folder` and whatever fsspec opens.
        timezone: IANA name of the zone of local days.
    """

    def __init__(self, url: str, *, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        with translated_positions(url):
            self._fs, self._root = fsspec.url_to_fs(url)
            self.url: str = self._fs.unstrip_protocol(self._root)
        self._listed: list[_File] | None = None
        self._known: dict[date, _Day] = {}

    def __getstate__(self) -> dict[str, Any]:
        """All but the open file system."""
        return {n: v for n, v in self.__dict__.items() if n != "_fs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open it again, by this process's own configuration."""
        self.__dict__.update(state)
        with translated_positions(self.url):
            self._fs = fsspec.url_to_fs(self.url)[0]

    @property
    def of_this_process(self) -> bool:
        """Whether no other process can see these files."""
        return self.url.startswith("memory:")

    def load(
        self,
        batches: Iterable[pa.Table],  # noqa: ARG002 (the port's)
        record: SourceRecord,
        quarantine: pd.DataFrame,  # noqa: ARG002
    ) -> Manifest:
        """Refused: these files are others'.

        Raises:
            InputError: always.
        """
        raise InputError(
            Fault(
                "positions.read_only", f"{self.url} 只读，不能入库", f"{self.url} is only read from", file=record.path
            )
        )

    # --- files ---
    def _arrow(self) -> PyFileSystem:
        return PyFileSystem(FSSpecHandler(self._fs))

    def _files(self) -> list[_File]:
        """Every file with what its footer says.

        Raises:
            InputError: no file, or files that break the contract: every fault of every file.
        """
        if self._listed is None:
            with translated_positions(self.url):
                inside = sorted(self._fs.find(self._root))
            paths = [p for p in inside if p.endswith(_ENDINGS) and not _hidden(p.removeprefix(self._root))]
            if not paths:
                zh, en = f"{self.url} 里没有 Parquet 文件", f"there is no Parquet file in {self.url}"
                fix = ("检查 --positions 的地址", "check the address given to --positions")
                raise InputError(Fault("positions.no_files", zh, en, *fix, file=self.url))
            found: list[_File] = []
            faults: list[Fault] = []
            for path in paths:
                try:
                    found.append(self._footer(path))
                except InputError as error:
                    faults += error.faults
            if faults:
                raise InputError(faults)
            self._listed = found
        return self._listed

    def _footer(self, path: str) -> _File:
        with translated_positions(path), self._arrow().open_input_file(path) as source:
            file = pq.ParquetFile(source)
            faults = _type_faults(file.schema_arrow, path)
            faults = faults or _null_faults(file, path)
            if faults:
                raise InputError(faults)
            spans = tuple(s for s in (_span(file, g) for g in range(file.num_row_groups)) if s is not None)
        named = _DAY.search(path)
        day = date.fromisoformat(named.group(1)) if named else None
        if day is not None:
            low, high = positions.day_bounds(day, self._zone)
            if any(first < low or last >= high for first, last in spans):
                zh, en = f"文件夹 day={day} 里有别的日期的定位", f"positions of other days lie in the folder day={day}"
                fix = (
                    f"按 {self._zone.key} 的日期分文件夹，或不分",
                    f"part folders by day in {self._zone.key}, or not at all",
                )
                raise InputError(Fault("positions.day", zh, en, *fix, file=path, column="t_ms"))
        return _File(path, day, spans)

    def days(self) -> list[date]:
        """Local days that hold positions, ascending."""
        sure, asked = set(), set()
        for file in self._files():
            for first, last in file.spans:
                ends = self._day_of(first), self._day_of(last)
                sure |= set(ends)
                asked |= {ends[0] + timedelta(days=i) for i in range(1, (ends[1] - ends[0]).days)}
        return sorted(sure | {d for d in asked - sure if self._has(d)})

    def _day_of(self, t_ms: int) -> date:
        return datetime.fromtimestamp(t_ms / 1000, UTC).astimezone(self._zone).date()

    def _has(self, day: date) -> bool:
        low, high = positions.day_bounds(day, self._zone)
        found = self._dataset(low, high)
        return found is not None and found.count_rows(filter=_between(low, high)) > 0

    def _dataset(self, low: int, high: int) -> ds.Dataset | None:
        """The files that may hold rows of a span of time."""
        paths = [f.path for f in self._files() if any(a < high and b >= low for a, b in f.spans)]
        if not paths:
            return None
        with translated_positions(self.url):
            return ds.dataset(paths, filesystem=self._arrow(), format="parquet", schema=positions.SCHEMA)

    # --- rows ---
    def _day(self, day: date) -> _Day:
        if day not in self._known:
            rows = self._read(day, None)
            codes, ids = positions.device_codes(rows.column("device_id"))
            counts = np.bincount(codes, minlength=len(ids))
            self._known[day] = _Day(positions.content_sha256(rows), len(rows), tuple(ids), tuple(counts.tolist()))
        return self._known[day]

    def count(self, day: date) -> int:
        """Rows of a day."""
        return self._day(day).rows

    def sha256(self, day: date) -> str:
        """Hash of the content of a day, free of the order in which it lies in files; the same as of a store that holds these rows."""
        return self._day(day).sha256

    def scan(
        self, day: date, *, shard: int = 0, shards: int = 1, device_ids: Sequence[str] | None = None,
        from_ms: int | None = None, to_ms: int | None = None, arrived_before_ms: int | None = None, encoded: bool = False,
    ) -> pa.Table:  # fmt: skip
        """Positions of a day sorted by (device_id, t_ms, lon, lat); every device of the day falls into one shard.

        Raises:
            InputError: no such shard, or rows that break the contract, by file and column.
        """
        positions.check_shard(shard, shards)
        tests = []
        if shards > 1:
            inside = self._group(day, shard, shards)
            if not inside:
                return positions.SCHEMA.empty_table()
            tests += [pc.field("device_id") >= inside[0], pc.field("device_id") <= inside[-1]]
        if device_ids is not None:
            tests.append(pc.field("device_id").isin(pa.array(list(device_ids), pa.string())))
        if from_ms is not None:
            tests.append(pc.field("t_ms") >= from_ms)
        if to_ms is not None:
            tests.append(pc.field("t_ms") < to_ms)
        if arrived_before_ms is not None:
            tests.append(pc.field("arrived_ms") < arrived_before_ms)
        rows = self._read(day, functools.reduce(operator.and_, tests) if tests else None)
        return rows.unify_dictionaries().combine_chunks() if encoded else positions.as_strings(rows)

    def _group(self, day: date, shard: int, shards: int) -> tuple[str, ...]:
        """The devices of a shard: neighbours in the order of ids, with about as many rows as each other shard."""
        known = self._day(day)
        before = np.cumsum(known.rows_of) - known.rows_of
        owner = before * shards // max(1, known.rows)
        first, last = np.searchsorted(owner, [shard, shard + 1])
        return known.device_ids[first:last]

    def _read(self, day: date, test: Any) -> pa.Table:
        """Rows of a day that pass a test, checked, sorted, one a key, device ids dictionary-encoded."""
        low, high = positions.day_bounds(day, self._zone)
        source = self._dataset(low, high)
        if source is None:
            return positions.with_codes(positions.SCHEMA.empty_table())
        wanted = _between(low, high) if test is None else _between(low, high) & test
        with translated_positions(self.url):
            rows = source.to_table(filter=wanted)
        try:
            rows = positions.conform_positions(rows, file=self.url)
        except InputError as error:
            raise self._blamed(low, high) or error from None
        return positions.sort_rows(positions.with_codes(rows).unify_dictionaries())

    def _blamed(self, low: int, high: int) -> InputError | None:
        """The same faults, file by file."""
        faults: list[Fault] = []
        for file in self._files():
            if any(a < high and b >= low for a, b in file.spans):
                one = ds.dataset(file.path, filesystem=self._arrow(), format="parquet", schema=positions.SCHEMA)
                try:
                    positions.conform_positions(one.to_table(), file=file.path)
                except InputError as error:
                    faults += [
                        replace(f, fix_zh=f.fix_zh or _EXPORT[0], fix_en=f.fix_en or _EXPORT[1]) for f in error.faults
                    ]
        return InputError(faults) if faults else None


def _hidden(inside: str) -> bool:
    return any(part.startswith(("_", ".")) for part in inside.split("/"))


def _between(low: int, high: int) -> Any:
    return (pc.field("t_ms") >= low) & (pc.field("t_ms") < high)


def _fits(wanted: pa.DataType, found: pa.DataType) -> bool:
    plain = found.value_type if pa.types.is_dictionary(found) else found
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
    return bool(pa.types.is_integer(plain) if pa.types.is_integer(wanted) else pa.types.is_floating(plain))


def _type_faults(found: pa.Schema, path: str) -> list[Fault]:
    faults = []
    for field in positions.SCHEMA:
        if field.name not in found.names:
            zh, en = f"定位数据缺少列 {field.name}", f"positions: column {field.name} is missing"
            faults.append(Fault("column.missing", zh, en, *_EXPORT, file=path, column=field.name))
        elif not _fits(field.type, kind := found.field(field.name).type):
            zh, en = (
                f"定位数据 {field.name} 应为 {field.type}，现为 {kind}",
                f"positions: {field.name} must be {field.type}, is {kind}",
            )
            faults.append(Fault("value.dtype", zh, en, *_EXPORT, file=path, column=field.name))
    return faults


def _column(file: pq.ParquetFile, name: str) -> int:
    return next(i for i in range(file.metadata.num_columns) if file.metadata.schema.column(i).path == name)


def _null_faults(file: pq.ParquetFile, path: str) -> list[Fault]:
    """Nulls by the footer, or by the column where the footer does not count them: a test on a null would lose its row in silence."""
    faults = []
    for name in positions.SCHEMA.names:
        at = _column(file, name)
        told = [file.metadata.row_group(g).column(at).statistics for g in range(file.num_row_groups)]
        counted = all(s is not None and s.has_null_count for s in told)
        nulls = sum(s.null_count for s in told) if counted else file.read([name]).column(0).null_count
        if nulls:
            zh, en = f"定位数据 {name} 有 {nulls} 个空值", f"positions: {nulls} nulls in {name}"
            faults.append(Fault("value.null", zh, en, *_EXPORT, file=path, column=name))
    return faults


def _span(file: pq.ParquetFile, group: int) -> tuple[int, int] | None:
    """First and last time of a row group; None where it has no rows."""
    about = file.metadata.row_group(group)
    if not about.num_rows:
        return None
    told = about.column(_column(file, "t_ms")).statistics
    if told is not None and told.has_min_max:
        return int(told.min), int(told.max)
    t = file.read_row_group(group, columns=["t_ms"]).column(0)
    ends = pc.min_max(t)
    return int(ends["min"].as_py()), int(ends["max"].as_py())
