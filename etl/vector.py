"""Vector sources of every format as one frame in WGS 84: decoded, placed, two-dimensional, with what was repaired told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely

from etl import dbf
from etl.base import sha256_of, source_files
from etl.files import empty, file_faults, sidecar, truncated
from etl.places import place
from etl.sql import query_frame, sha256_of_frame
from gis.errors import Fault, InputError
from layers.store.base import Note, SourceRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from etl.base import Context
    from layers.city import Source

ROW = "__row"
"""Column that carries the number of a feature in its source, from 1."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector source: all its rows with the columns of the source and `ROW`; geometry in EPSG:4326, None where there was none."""

    frame: gpd.GeoDataFrame
    record: SourceRecord


@dataclass(frozen=True, slots=True)
class Part:
    """One file as read: attributes, geometry in its own coordinates, own CRS, encoding, remarks."""

    attributes: pd.DataFrame
    geometry: npt.NDArray[np.object_]
    crs: pyproj.CRS | None
    encoding: str | None
    notes: tuple[Note, ...] = ()


def read_vector(source: Source, context: Context) -> Vector:
    """Read a vector source.

    Raises:
        InputError: a file is missing, empty, cut short, wrongly encoded or of unknown CRS; all files' faults together.
    """
    if source.query is not None:
        return _from_query(source, context)
    files = source_files(source, context.city)
    faults: list[Fault] = []
    frames: list[gpd.GeoDataFrame] = []
    seen: dict[str, list[str]] = {"crs": [], "encoding": []}
    notes: list[Note] = []
    for done, path in enumerate(files):
        context.progress(source.name, done, len(files))
        try:
            part = read_file(path, source)
            placed = place(part.geometry, part.crs, source, context, file=path.name)
        except InputError as error:
            faults += error.faults
            continue
        seen["crs"].append(placed.crs)
        seen["encoding"] += [part.encoding] if part.encoding else []
        notes += [*part.notes, *placed.notes]
        frames.append(gpd.GeoDataFrame(part.attributes, geometry=placed.geometry, crs=4326))
    if faults:
        raise InputError(faults)
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    frame[ROW] = np.arange(1, len(frame) + 1)
    record = SourceRecord(
        source.name,
        source.table,
        source.where,
        sha256_of(_with_companions(files)),
        len(frame),
        crs=_joined(seen["crs"]),
        encoding=_joined(seen["encoding"]),
        notes=tuple(dict.fromkeys(notes)),
    )
    return Vector(frame, record)


def _joined(values: Sequence[str]) -> str | None:
    return ", ".join(dict.fromkeys(values)) or None


def _with_companions(files: Sequence[Path]) -> list[Path]:
    """The files that hold a source: a shapefile is its .shp with .shx, .dbf, .prj and .cpg."""
    out: list[Path] = []
    for path in files:
        out.append(path)
        if path.suffix.lower() == ".shp":
            out += [c for e in (".shx", ".dbf", ".prj", ".cpg") if (c := sidecar(path, e)) is not None]
    return out


def read_file(path: Path, source: Source) -> Part:
    """One file by its ending (or the declared format).

    Raises:
        InputError: the file is empty, cut short, wrongly encoded or cannot be read.
    """
    ending = path.suffix.lower()
    try:
        faults = file_faults(path)
        if faults:
            raise InputError(faults)  # noqa: TRY301 (its own words)
        if source.format == "geoparquet" or ending in {".parquet", ".geoparquet"}:
            part = _from_parquet(path)
        elif ending == ".shp":
            part = _from_shapefile(path, source)
        else:
            part = _from_ogr(path, source)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InputError(_unreadable(path, error)) from None
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(_not_text(path, source, error)) from None
    except Exception as error:  # whatever GDAL, GEOS or a broken head throw is a fault of the file
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
        raise InputError(
            Fault("source.unreadable", f"文件损坏或格式不符（{what}）", f"damaged, or of another format ({what})",
                  "重新导出或重新传输该文件", "export or transfer the file again", file=path.name)
        ) from error  # fmt: skip
    if not len(part.attributes):
        raise InputError(empty(path.name))
    return part


def _not_text(path: Path, source: Source, error: UnicodeDecodeError) -> Fault:
    """Names or attributes that are not in the encoding declared, or in none."""
    said = source.encoding or error.encoding
    return Fault(
        "source.encoding", f"文字不是 {said} 编码", f"its text is not {said}",
        f'在来源 {source.name} 中写实际编码，如 encoding = "GB18030"',
        f'write the true encoding in source {source.name}, such as encoding = "GB18030"',
        file=path.name,
    )  # fmt: skip


def _unreadable(path: Path, error: Exception) -> Fault:
    """What GDAL could not open: for JSON, the line at which it ends."""
    if path.suffix.lower() in {".json", ".geojson"}:
        try:
            json.loads(path.read_bytes())
        except (json.JSONDecodeError, UnicodeDecodeError) as wrong:
            row = getattr(wrong, "lineno", None)
            return Fault("source.truncated", "文件不完整或不是合法的 JSON", "the file is cut short or is no valid JSON",
                         "重新复制或下载该文件", "copy or download it again", file=path.name, row=row)  # fmt: skip
    return truncated(path.name, detail=str(error).splitlines()[0])


def _crs(text: str | None) -> pyproj.CRS | None:
    if not text:
        return None
    try:
        return pyproj.CRS.from_user_input(text).to_2d()
    except pyproj.exceptions.CRSError:
        return None


def _geometry_of(frame: gpd.GeoDataFrame | pd.DataFrame, path: Path) -> npt.NDArray[np.object_]:
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(Fault("source.geometry", "没有几何数据", "it holds no geometry", "检查文件或图层名 layer",
                               "check the file, or its layer", file=path.name))  # fmt: skip
    return np.asarray(frame.geometry.array, dtype=object)


def _from_ogr(path: Path, source: Source) -> Part:
    """GeoPackage, GeoJSON and what else GDAL reads."""
    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    options: dict[str, Any] = {"layer": source.layer or layers[0]} if source.layer or layers else {}
    notes: tuple[Note, ...] = ()
    if source.layer is None and len(layers) > 1:  # GDAL's choice, in our own words
        others = "、".join(layers[1:])
        notes = (
            Note(
                f"文件有 {len(layers)} 个图层，读取 {layers[0]}（另有 {others}）；要读其他图层请写 layer",
                f"the file has {len(layers)} layers: {layers[0]} is read (there are also {others}); write layer for another one",
            ),
        )
    info = pyogrio.read_info(path, **options)
    frame = pyogrio.read_dataframe(path, encoding=source.encoding, **options)
    encoding = source.encoding or info["encoding"]
    return Part(_attributes(frame), _geometry_of(frame, path), _crs(info["crs"]), encoding, notes)


def _from_parquet(path: Path) -> Part:
    try:
        frame = gpd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise InputError(truncated(path.name, detail=str(error).splitlines()[0])) from None
    crs = frame.crs
    return Part(_attributes(frame), _geometry_of(frame, path), None if crs is None else crs.to_2d(), "UTF-8")


def _attributes(frame: gpd.GeoDataFrame) -> pd.DataFrame:
    return pd.DataFrame(frame.drop(columns=frame.geometry.name)).reset_index(drop=True)


# --- shapefiles ---
def _from_shapefile(path: Path, source: Source) -> Part:
    """Attributes are read byte by byte (as ISO-8859-1) and decoded here, so that a wrong .cpg does no harm."""
    table = sidecar(path, ".dbf")
    if table is None:  # the caller has checked
        raise InputError(truncated(path.name, detail=".dbf"))
    texts = dbf.texts_of(table)
    encoding, notes = _encoding(path, source, texts)
    info = pyogrio.read_info(path, encoding="ISO-8859-1")  # a long name may be cut within a character
    frame = pyogrio.read_dataframe(path, encoding="ISO-8859-1")
    geometry = _geometry_of(frame, path)
    attributes = _decoded(_attributes(frame), encoding)
    crs = _crs(info["crs"]) or _crs(_text(sidecar(path, ".prj")))
    return Part(attributes, geometry, crs, encoding, notes)


def _text(path: Path | None) -> str | None:
    return path.read_text("utf-8", errors="replace").strip() if path else None


def _encoding(path: Path, source: Source, texts: list[dbf.Text]) -> tuple[str, tuple[Note, ...]]:
    """Declared encoding where it fits (a fault where not); else the .cpg's where it fits; else what the bytes say."""
    found = dbf.detect(texts)
    if source.encoding:
        misfit = dbf.first_misfit(texts, source.encoding)
        if misfit is not None:
            raise InputError(_wrong_encoding(path, source, misfit, found))
        return dbf.canonical(source.encoding), ()
    said = dbf.declared_by(path)
    if said is None:
        return found, ((Note(f"没有 .cpg，按内容识别为 {found}", f"no .cpg: by its content {found}"),) if texts else ())
    if dbf.first_misfit(texts, said) is None:
        return said, ()
    note = Note(
        f".cpg 写的是 {said}，与内容不符，按 {found} 读取", f"the .cpg says {said}, which does not fit: read as {found}"
    )
    return found, (note,)


def _wrong_encoding(path: Path, source: Source, misfit: dbf.Text, found: str) -> Fault:
    text = dbf.decode(misfit.value, found) or repr(misfit.value)
    name = dbf.decode(misfit.field, found) or repr(misfit.field)
    return Fault("source.encoding", f"按 {source.encoding} 无法读出文字，内容实为 {found}（如“{text}”）",
                 f"its text is not {source.encoding}; it reads as {found} (such as “{text}”)",
                 f'在来源 {source.name} 中写 encoding = "{found}"，或删去 encoding 由程序识别',
                 f'write encoding = "{found}" in source {source.name}, or leave it out',
                 file=path.name, row=misfit.row or None, column=name)  # fmt: skip


def _decoded(frame: pd.DataFrame, encoding: str) -> pd.DataFrame:
    """Text columns and column names decoded from ISO-8859-1 to what they are."""

    def proper(value: Any) -> Any:
        if not isinstance(value, str) or value.isascii():
            return value
        raw = value.encode("ISO-8859-1")
        return dbf.decode(raw, encoding) or raw.decode(encoding, errors="replace")

    out = frame.rename(columns={c: proper(str(c)) for c in frame.columns})
    for column in out.columns:
        if pd.api.types.is_string_dtype(out[column]) or out[column].dtype == object:
            distinct = {v: proper(v) for v in out[column].dropna().unique()}
            out[column] = out[column].map(distinct).astype("object")
    return out


# --- queries ---
def _from_query(source: Source, context: Context) -> Vector:
    """Rows of a query; the geometry column holds WKB, hexadecimal EWKB (as PostGIS gives it) or WKT."""
    rows = query_frame(source)
    if not len(rows):
        raise InputError(empty(source.name))
    name = next(
        (
            n
            for n in (source.columns.get("geometry"), source.columns.get("wkt"), "geometry", "geom", "wkt")
            if n in rows
        ),
        None,
    )
    if name is None:
        fix = (
            f'在来源 {source.name} 的 columns 中写 geometry = "列名"',
            f'write columns.geometry = "column" in source {source.name}',
        )
        fault = Fault(
            "source.column",
            "查询结果没有几何列",
            "the query gives no geometry column",
            *fix,
            file=source.name,
            column="geometry",
        )
        raise InputError(fault)
    geometry = _parsed(rows[name], source)
    srids = {int(s) for s in shapely.get_srid(geometry[shapely.is_geometry(geometry)])} - {0}
    own = pyproj.CRS.from_epsg(srids.pop()) if len(srids) == 1 else None
    placed = place(geometry, own, source, context, file=source.name)
    frame = gpd.GeoDataFrame(rows.drop(columns=name), geometry=placed.geometry, crs=4326)
    frame[ROW] = np.arange(1, len(frame) + 1)
    record = SourceRecord(
        source.name, source.table, source.name, sha256_of_frame(rows), len(frame), crs=placed.crs, notes=placed.notes
    )
    return Vector(frame, record)


def _parsed(column: pd.Series[Any], source: Source) -> npt.NDArray[np.object_]:
    values: list[Any] = [bytes(v) if isinstance(v, memoryview | bytearray) else v for v in column]
    wkt = any(isinstance(v, str) and "(" in v for v in values)
    try:
        parsed = shapely.from_wkt(values) if wkt else shapely.from_wkb(values)
    except (shapely.GEOSException, TypeError) as error:
        problem = f"几何列无法解析：{error}", f"the geometry column cannot be parsed: {error}"
        fix = "查询中用 ST_AsBinary(geom) 或直接选出 geom", "select geom itself, or ST_AsBinary(geom)"
        fault = Fault("source.geometry", *problem, *fix, file=source.name, column=str(column.name))
        raise InputError(fault) from None
    return np.asarray(parsed, dtype=object)
