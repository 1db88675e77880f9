"""Grids of the three kinds, areas and places: from any vector source, repaired, with repeated codes set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

import geopandas as gpd
import numpy as np
import pandas as pd

from etl.base import Context, Quarantine, Read, missing_columns, take_columns
from etl.repair import repair_polygons, set_aside_far, set_aside_missing
from etl.tables import as_text, check_choices, finish, set_aside, set_aside_keys
from etl.vector import ROW, Vector, read_vector
from gis.errors import InputError
from layers.city import AreaKind, Source
from layers.contracts import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layers.store.base import Note

LEVELS = ("central", "fringe")
_UNIT_CODE = r"\d{15}"


def _contract_frame(vector: Vector, source: Source, *, needed: Sequence[str]) -> gpd.GeoDataFrame:
    """The contract's columns of a source, all of them text, with `ROW` and the geometry.

    Raises:
        InputError: a needed or mapped column is missing.
    """
    present = [str(c) for c in vector.frame.columns if c not in {"geometry", ROW}]
    mapped = {k: v for k, v in source.columns.items() if k not in {"geometry", "wkt"}}
    faults = missing_columns(source.model_copy(update={"columns": mapped}), needed, present)
    if faults:
        raise InputError(faults)
    names = [c.name for c in TABLES[source.table].columns if c.name != "geometry"]
    rows = take_columns(pd.DataFrame(vector.frame.drop(columns="geometry")), source, names)
    for name in names:
        rows[name] = as_text(rows[name])
    return gpd.GeoDataFrame(rows.assign(**{ROW: vector.frame[ROW]}), geometry=vector.frame.geometry, crs=4326)


def _read_grids(source: Source, context: Context) -> tuple[gpd.GeoDataFrame, Quarantine, Vector, tuple[Note, ...]]:
    """What the three kinds of grid have in common."""
    vector = read_vector(source, context)
    frame = _contract_frame(vector, source, needed=["grid_id"])
    quarantine = Quarantine()
    frame = set_aside_far(set_aside_missing(frame, quarantine), quarantine)
    frame, notes = repair_polygons(frame, quarantine, label="grid_id")
    return set_aside_keys(frame, "grid_id", quarantine), quarantine, vector, notes


def read_work_grids(source: Source, context: Context) -> Read:
    """Work grids of collectors; `level` is central, fringe or empty.

    Raises:
        InputError: the source cannot be read, has no code column, or names other levels.
    """
    frame, quarantine, vector, notes = _read_grids(source, context)
    check_choices(frame, "level", LEVELS, source)
    return finish(frame, quarantine, vector.record, notes=notes)


def read_community_grids(source: Source, context: Context) -> Read:
    """Grids of village and community grid members (全科网格).

    Raises:
        InputError: the source cannot be read, or has no code column.
    """
    frame, quarantine, vector, notes = _read_grids(source, context)
    return finish(frame, quarantine, vector.record, notes=notes)


def read_unit_grids(source: Source, context: Context) -> Read:
    """Unit grids of about one hectare; a code that is not 15 digits goes to quarantine.

    Raises:
        InputError: the source cannot be read, or has no code column.
    """
    frame, quarantine, vector, notes = _read_grids(source, context)
    wrong = ~frame["grid_id"].astype(str).str.fullmatch(_UNIT_CODE)
    reason = ("code_not_15_digits", "单元网格编码不是 15 位数字", "the unit grid code is not 15 digits")
    frame = set_aside(frame, wrong, quarantine, "grid_id", reason)
    return finish(frame, quarantine, vector.record, notes=notes)


def read_areas(source: Source, context: Context) -> Read:
    """Areas, streets and places of every kind; `area_id` is the source's, else the name where names are unique, else a number.

    Raises:
        InputError: the source cannot be read, or names a kind that does not exist.
    """
    vector = read_vector(source, context)
    mapped = "area_id" in source.columns or "area_id" in vector.frame
    frame = _contract_frame(vector, source, needed=["area_id"] if mapped else [])
    quarantine = Quarantine()
    frame = set_aside_far(set_aside_missing(frame, quarantine), quarantine, rest=False)
    frame["kind"] = frame["kind"].where(frame["kind"].notna(), source.kind)
    check_choices(frame, "kind", get_args(AreaKind), source)
    frame = set_aside(
        frame, frame["kind"].isna(), quarantine, "kind", ("value_missing", "类型为空", "the kind is empty")
    )
    if not mapped:
        frame["area_id"] = _made_ids(frame, source)
    frame, notes = _repair_surfaces(frame, quarantine)
    frame = set_aside_keys(frame, "area_id", quarantine)
    read = finish(frame, quarantine, vector.record, notes=notes)
    _remember_boundary(cast("gpd.GeoDataFrame", read.frame), context)
    return read


def _made_ids(frame: gpd.GeoDataFrame, source: Source) -> pd.Series[str]:
    """Ids for areas that bring none: kind and name, or kind, source and number."""
    named = frame["name"].notna() & ~frame["name"].duplicated(keep=False)
    numbered = source.name + ":" + frame[ROW].astype(str)
    ids = frame["kind"].astype(str) + ":" + frame["name"].where(named, numbered).astype(str)
    return ids.astype("object")


def _repair_surfaces(frame: gpd.GeoDataFrame, quarantine: Quarantine) -> tuple[gpd.GeoDataFrame, tuple[Note, ...]]:
    """Areas may be points (key points) and lines (streets) too: only surfaces are repaired."""
    surface = np.asarray(frame.geom_type.isin(["Polygon", "MultiPolygon", "GeometryCollection"]))
    repaired, notes = repair_polygons(frame[surface], quarantine, label="name")
    whole = pd.concat([repaired, frame[~surface]]).sort_values(ROW, kind="stable")
    return gpd.GeoDataFrame(whole, geometry="geometry", crs=4326), notes


def _remember_boundary(frame: gpd.GeoDataFrame, context: Context) -> None:
    """What later readers look at: the boundary, else the towns."""
    for kind in ("boundary", "town"):
        found = frame[frame["kind"] == kind]
        if len(found) and (context.boundary is None or kind == "boundary"):
            context.boundary = found
            return
