"""What every reader gives back, and what it is handed: rows that keep a contract, rows set aside with a reason, and a record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from glob import has_magic
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from gis.errors import Fault, InputError
from layers.city_faults import near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd
    import pyarrow as pa

    from layers.city import City, Source
    from layers.store.base import SourceRecord

QUARANTINE_COLUMNS = ("row", "column", "code", "zh", "en", "raw")


@dataclass(frozen=True, slots=True)
class Read:
    """One table read from one source: `len(frame) + rows set aside == record.rows_in`.

    Attributes:
        frame: rows that keep the table's contract (columns in its order; a GeoDataFrame in EPSG:4326 where it has a geometry).
        quarantine: rows set aside: row (line or feature number in the source, from 1), column, code, zh, en, raw (JSON).
        record: what the manifest says of the source.
    """

    frame: pd.DataFrame
    quarantine: pd.DataFrame
    record: SourceRecord


@dataclass(slots=True)
class PositionRead:
    """Positions read from one source, as a stream.

    `batches` (device_id string, t_ms, arrived_ms int64, lon, lat float64) is consumed once; `quarantine` and `record` may be asked for only
    when it is exhausted, because only then are they known.
    """

    batches: Iterator[pa.Table]
    quarantine: Callable[[], pd.DataFrame]
    record: Callable[[], SourceRecord]


class Progress(Protocol):
    """Told how far a long piece of work is."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """`done` of `total` (None: unknown) of a stage."""
        ...


def silent(stage: str, done: int, total: int | None) -> None:
    """A progress that nobody watches."""


@dataclass(slots=True)
class Context:
    """What readers are handed: the city, who watches, and what was read before (for the detection of map offsets)."""

    city: City
    progress: Progress = silent
    roads: gpd.GeoDataFrame | None = None  # EPSG:4326, read before positions
    boundary: gpd.GeoDataFrame | None = None  # EPSG:4326, areas of kind boundary
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)  # tables read before in this load, by name
    warnings: list[Fault] = field(default_factory=list)  # what is doubtful, never changed in silence
    place: tuple[float, float] | None = None  # lon, lat of the city, once known (see etl.places)


class Reader(Protocol):
    """Reads one source of one table."""

    def __call__(self, source: Source, context: Context) -> Read:
        """Read it.

        Raises:
            InputError: the source cannot be read at all, or a column that the table needs is missing.
        """
        ...


class Quarantine:
    """Collects rows set aside, each with where it stood and why."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """Rows set aside so far."""
        return len(self._rows)

    def add(self, row: int, column: str, code: str, zh: str, en: str, raw: Mapping[str, Any]) -> None:
        """Set one row aside."""
        self._rows.append({"row": row, "column": column, "code": code, "zh": zh, "en": en, "raw": raw_json(raw)})

    def add_frame(self, frame: pd.DataFrame, rows: Sequence[int], column: str, code: str, zh: str, en: str) -> None:
        """Set the rows of a frame aside for one reason; `rows` are their numbers in the source."""
        for number, raw in zip(rows, frame.to_dict("records"), strict=True):
            self.add(int(number), column, code, zh, en, {str(k): v for k, v in raw.items()})

    def frame(self) -> pd.DataFrame:
        """All of them, by row; a row with several reasons appears once, with the first."""
        frame = pd.DataFrame(self._rows, columns=list(QUARANTINE_COLUMNS))
        return frame.sort_values("row", kind="stable").drop_duplicates("row").reset_index(drop=True)


def empty_quarantine() -> pd.DataFrame:
    """A quarantine with nothing in it."""
    return Quarantine().frame()


def raw_json(raw: Mapping[str, Any]) -> str:
    """A source row as JSON: geometry as short WKT, what JSON has no word for as text."""
    return json.dumps({str(k): _plain(v) for k, v in raw.items()}, ensure_ascii=False, sort_keys=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "geom_type"):
        text = str(value.wkt)
        return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 (enough to recognise it)
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, str | int | float | bool) else str(value)


def source_files(source: Source, city: City) -> list[Path]:
    """The files that a source names, sorted.

    Raises:
        InputError: a path names no file.
    """
    found: list[Path] = []
    faults: list[Fault] = []
    for written in source.paths:
        path = city.resolve(written)
        files = [f for f in matches(path) if f.is_file()]
        found.extend(files)
        if not files:
            problem = f"来源 {source.name} 的文件不存在", f"source {source.name} names no file"
            fix = "检查城市文件中的 path", "check its path in the city file"
            faults.append(Fault("source.missing", *problem, *fix, file=written))
    if faults:
        raise InputError(faults)
    return found


def matches(path: Path) -> list[Path]:
    """Files that a path with wildcards means, sorted."""
    parts = path.parts
    first = next((i for i, part in enumerate(parts) if has_magic(part)), None)
    if first is None:
        return [path]
    return sorted(type(path)(*parts[:first]).glob("/".join(parts[first:])))


def sha256_of(files: Iterable[Path]) -> str:
    """Hash of the content of some files (of their names too, where there are several).

    One file gives what `sha256sum` gives; several give the hash of the list of name and hash, in order of name.
    """
    hashes = []
    for path in files:
        with path.open("rb") as stream:
            hashes.append((path.name, hashlib.file_digest(stream, "sha256").hexdigest()))
    if len(hashes) == 1:
        return hashes[0][1]
    return hashlib.sha256("".join(f"{h}  {n}\n" for n, h in sorted(hashes)).encode()).hexdigest()


def missing_columns(
    source: Source, needed: Iterable[str], present: Iterable[str], *, file: str | None = None
) -> list[Fault]:
    """Faults for contract columns that the source neither has nor is given, with near names.

    Every column that `columns` maps must exist; of the others only those in `needed`.
    """
    have = [str(p) for p in present]
    wanted = {c: source.source_column(c) for c in (*needed, *source.columns) if c not in source.constants}
    return [
        _missing(source, contract, name, have, file or source.where)
        for contract, name in wanted.items()
        if name not in have
    ]


def _missing(source: Source, contract: str, name: str, have: list[str], file: str) -> Fault:
    similar = near(name, have) or (near(contract, have) if contract != name else [])
    listed = "、".join(have[:30])
    hint_zh = f"是否为 {'、'.join(similar)}？" if similar else f"现有列：{listed}。"
    hint_en = f"did you mean {', '.join(similar)}?" if similar else f"it has: {', '.join(have[:30])}."
    return Fault(
        "source.column",
        f"缺少列 {name}（对应 {source.table}.{contract}）",
        f"column {name} is missing (for {source.table}.{contract})",
        f'{hint_zh} 在城市文件来源 {source.name} 的 columns 中写 {contract} = "列名"',
        f'{hint_en} write {contract} = "column" under columns of source {source.name} in the city file',
        file=file,
        column=name,
    )


def take_columns(frame: pd.DataFrame, source: Source, contract: Iterable[str]) -> pd.DataFrame:
    """The contract's columns out of a source frame: mapped, constant, of the same name, or empty; what `translate` names translated."""
    out: dict[str, Any] = {}
    for column in contract:
        if column in source.constants:
            out[column] = pd.Series([source.constants[column]] * len(frame), index=frame.index)
        elif source.source_column(column) in frame.columns:
            series = frame[source.source_column(column)]
            table = source.translate.get(column)
            out[column] = series.astype("object").map(lambda v, t=table: t.get(str(v), v)) if table else series
        else:
            out[column] = pd.Series([None] * len(frame), index=frame.index, dtype="object")
    return pd.DataFrame(out, index=frame.index)
