"""Road edges from vector files, queries, OSM extracts and OSMnx graphs; every source class is mapped by the city file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.base import Context, Quarantine, Read, missing_columns, sha256_of, source_files, take_columns
from etl.osm import read_graphml, read_osm
from etl.places import place
from etl.repair import set_aside_far, set_aside_missing
from etl.tables import as_text, check_choices, finish, set_aside, set_aside_keys
from etl.vector import ROW, read_vector
from gis.errors import Fault, InputError
from layers.city import PolicyClass, Source
from layers.contracts import TABLES
from layers.store.base import Note, SourceRecord

if TYPE_CHECKING:
    from pathlib import Path

_ALONG = {"1", "yes", "true", "t", "y", "f", "ft", "是", "单行", "单向"}  # F, FT: along the digitised direction
_AGAINST = {"-1", "reverse", "r", "tf", "逆向"}
_FALSE = {"", "0", "no", "false", "n", "b", "否", "双行", "双向"}
_LINES = {"LineString", "MultiLineString"}


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges of one source: columns of the contract where known, `ROW`, geometry in EPSG:4326."""

    frame: gpd.GeoDataFrame
    record: SourceRecord
    notes: tuple[Note, ...] = ()


def read_road_edges(source: Source, context: Context) -> Read:
    """Roads as edges, zero-length ones included (the network step contracts them).

    Raises:
        InputError: the source cannot be read, a column is missing, or a class is not mapped under [roads.classes].
    """
    edges = _from_osm(source, context) if _is_osm(source) else _from_vector(source, context)
    frame, quarantine = edges.frame, Quarantine()
    frame = set_aside_far(set_aside_missing(frame, quarantine), quarantine)
    other = ~frame.geom_type.isin(_LINES)
    frame = set_aside(
        frame, other, quarantine, "geometry", ("geometry_not_line", "几何不是线", "the geometry is no line")
    )
    before = len(frame)
    frame, notes = _single_lines(frame)
    record = replace(edges.record, rows_in=edges.record.rows_in + len(frame) - before)
    frame["source_class"] = as_text(frame["source_class"])
    frame["policy_class"] = _policy_class(frame, source, context)
    frame["oneway"] = _oneway(frame["oneway"])
    for column in ("bridge", "tunnel"):
        frame[column] = _flag(frame[column])
    frame["level"] = _level(frame["level"])
    for column in ("edge_id", "u", "v", "name"):
        frame[column] = as_text(frame[column])
    frame = set_aside_keys(frame, "edge_id", quarantine)
    read = finish(frame, quarantine, record, notes=(*edges.notes, *notes, *_remarks(frame)))
    context.roads = gpd.GeoDataFrame(read.frame)
    return read


# --- where edges come from ---
def _is_osm(source: Source) -> bool:
    return source.format in {"osm", "graphml"} or any(
        p.lower().endswith((".osm", ".pbf", ".graphml")) for p in source.paths
    )


def _from_osm(source: Source, context: Context) -> _Edges:
    files = source_files(source, context.city)
    frames, notes, crs = [], [], []
    for path in files:
        frame, own, told = _osm_file(path, source)
        placed = place(np.asarray(frame["geometry"], dtype=object), own, source, context, file=path.name)
        frames.append(frame.assign(geometry=placed.geometry))
        notes += [*told, *placed.notes]
        crs.append(placed.crs)
    rows = pd.concat(frames, ignore_index=True)
    if len(files) > 1:  # neighbouring extracts hold the same ways
        rows = rows.drop_duplicates(["edge_id", "u", "v"], ignore_index=True)
    rows[ROW] = np.arange(1, len(rows) + 1)
    rows["policy_class"] = None
    out = gpd.GeoDataFrame(rows, geometry="geometry", crs=4326)
    record = SourceRecord(
        source.name,
        source.table,
        source.where,
        sha256_of(files),
        len(out),
        crs=crs[0],
        encoding="UTF-8",
        notes=tuple(notes),
    )
    return _Edges(out, record)


def _osm_file(path: Path, source: Source) -> tuple[pd.DataFrame, Any, tuple[Note, ...]]:
    if source.format == "graphml" or path.suffix.lower() == ".graphml":
        return read_graphml(path)
    rows, notes = read_osm(path)
    return rows, gpd.GeoSeries([], crs=4326).crs, notes


def _from_vector(source: Source, context: Context) -> _Edges:
    vector = read_vector(source, context)
    present = [str(c) for c in vector.frame.columns if c not in {"geometry", ROW}]
    mapped = {k: v for k, v in source.columns.items() if k not in {"geometry", "wkt"}}
    by_class = "policy_class" in mapped or "policy_class" in source.constants
    needed = [] if by_class else ["source_class"]
    faults = missing_columns(source.model_copy(update={"columns": mapped}), needed, present)
    if faults:
        raise InputError(faults)
    names = [c.name for c in TABLES["road_edges"].columns if c.name != "geometry"]
    rows = take_columns(pd.DataFrame(vector.frame.drop(columns="geometry")), source, names)
    if "edge_id" not in mapped and "edge_id" not in present:
        rows["edge_id"] = f"{source.name}:" + vector.frame[ROW].astype(str)
    frame = gpd.GeoDataFrame(rows.assign(**{ROW: vector.frame[ROW]}), geometry=vector.frame.geometry, crs=4326)
    return _Edges(frame, vector.record)


# --- columns ---
def _single_lines(frame: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, tuple[Note, ...]]:
    """One line an edge: parts that touch are merged, parts that do not become edges of their own (id and inner nodes numbered)."""
    several = np.asarray(frame.geom_type == "MultiLineString")
    if not several.any():
        return frame, ()
    geometry = np.asarray(frame.geometry.array, dtype=object).copy()
    geometry[several] = shapely.line_merge(geometry[several])
    parts, at = shapely.get_parts(geometry, return_index=True)
    out = frame.iloc[at].reset_index(drop=True).set_geometry(gpd.GeoSeries(parts, crs=frame.crs))
    number = out.groupby(at).cumcount() + 1
    split = np.bincount(at)[at] > 1
    first, last = number == 1, number == np.bincount(at)[at]
    made = out["edge_id"].astype(str) + "#" + number.astype(str)
    before = out["edge_id"].astype(str) + "#" + (number - 1).astype(str)
    noded = out["u"].notna() & out["v"].notna()
    out["u"] = out["u"].where(~split | first | ~noded, before)
    out["v"] = out["v"].where(~split | last | ~noded, made)
    out["edge_id"] = out["edge_id"].where(~split, made)
    lines = len(np.unique(at[split]))
    edges = int(split.sum())
    note = Note(
        f"{lines} 条线由不相接的几段组成，拆成 {edges} 条边",
        f"{lines} lines of several parts were split into {edges} edges",
    )
    return out, ((note,) if lines else ())


def _policy_class(frame: gpd.GeoDataFrame, source: Source, context: Context) -> pd.Series[Any]:
    """Policy class of each edge: the source's own column, else the mapping of the city file.

    Raises:
        InputError: a class is neither mapped nor covered by an explicit "*".
    """
    if "policy_class" in source.columns or "policy_class" in source.constants:
        own = as_text(frame["policy_class"])
        check_choices(frame.assign(policy_class=own), "policy_class", get_args(PolicyClass), source)
        return own
    classes: dict[str, str] = dict(context.city.roads.classes)
    rest = classes.pop("*", None)
    counts = frame["source_class"].dropna().value_counts().sort_index()
    unknown = {str(c): int(n) for c, n in counts.items() if c not in classes}
    if unknown and rest is None:
        raise InputError(_unmapped(unknown, source, context))
    found = [None if c is None else classes.get(c, rest) for c in frame["source_class"]]
    return pd.Series(found, index=frame.index, dtype="object")


def _unmapped(unknown: dict[str, int], source: Source, context: Context) -> Fault:
    listed = "、".join(f"{c}×{n}" for c, n in unknown.items())
    place, example = f"{context.city.path.name} [roads.classes]", f'"{next(iter(unknown))}" = "main"'
    problem = (
        f"有未对应政策等级的道路等级：{listed}",
        f"road classes without a policy class: {listed.replace('、', ', ')}",
    )
    fix = (
        f'在 {place} 中逐一写明，如 {example}（或 secondary、branch、none）；其余可写 "*" = "none"',
        f'map each under {place}, such as {example} (or secondary, branch, none); "*" = "none" for the rest',
    )
    return Fault("roads.class", *problem, *fix, file=source.where, column=source.source_column("source_class"))


def _words(column: pd.Series[Any]) -> pd.Series[Any]:
    """Values as lower-case words, empty where there is none."""
    return as_text(column).map(lambda v: "" if v is None else v.lower())


def _oneway(column: pd.Series[Any]) -> pd.Series[Any]:
    """1 along, -1 against, 0 both ways; what is not said is both ways."""
    words = _words(column)
    out = np.select([words.isin(_ALONG), words.isin(_AGAINST)], [1, -1], 0)
    return pd.Series(out, index=column.index, dtype="int64")


def _flag(column: pd.Series[Any]) -> pd.Series[Any]:
    """True where something other than no is said."""
    return (~_words(column).isin(_FALSE)).astype("bool")


def _level(column: pd.Series[Any]) -> pd.Series[Any]:
    """Whole number of the layer; 0 where none, or where it is no number."""
    return pd.to_numeric(_words(column), errors="coerce").fillna(0).astype("int64")


def _remarks(frame: gpd.GeoDataFrame) -> tuple[Note, ...]:
    """What the reader of the manifest should know: edges of no length, edges of no class."""
    out = []
    zero = int((shapely.length(np.asarray(frame.geometry.array, dtype=object)) == 0).sum())
    if zero:
        out.append(
            Note(
                f"{zero} 条边长度为零，保留，由路网步骤收缩",
                f"{zero} edges of no length are kept; the network step contracts them",
            )
        )
    bare = int(frame["policy_class"].isna().sum())
    if bare:
        out.append(Note(f"{bare} 条边没有道路等级，不适用任何规则", f"{bare} edges have no class and no rule"))
    return tuple(out)
