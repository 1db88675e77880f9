"""Geometry made sound: rows without any set aside, invalid polygons repaired, and both told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.vector import ROW
from layers.store.base import Note

if TYPE_CHECKING:
    from etl.base import Quarantine

_AT_ZERO = 1e-9  # degrees
_FAR_DEG = 2.0
_ENOUGH = 3  # rows from which on one of them may be unlike the others
_NAMED = 10  # repaired rows that a note names


def set_aside_missing(frame: gpd.GeoDataFrame, quarantine: Quarantine) -> gpd.GeoDataFrame:
    """Rows without a geometry go to quarantine."""
    gone = np.asarray(frame.geometry.isna() | frame.geometry.is_empty)
    bad = pd.DataFrame(frame[gone].drop(columns=ROW))
    quarantine.add_frame(bad, list(frame[gone][ROW]), "geometry", "geometry_missing", "没有几何", "no geometry")
    return frame[~gone]


def set_aside_far(frame: gpd.GeoDataFrame, quarantine: Quarantine, *, rest: bool = True) -> gpd.GeoDataFrame:
    """Rows with a vertex at (0, 0), or that reach far beyond all others of their source, go to quarantine: one of them would fill the map.

    Far is more than `_FAR_DEG` and twenty times what half of the rows reach from their common middle; `rest` false: only (0, 0).
    """
    geometry = np.asarray(frame.geometry.array, dtype=object)
    xy, at = shapely.get_coordinates(geometry, return_index=True)
    zero = np.zeros(len(frame), dtype=bool)
    zero[at[(np.abs(xy) < _AT_ZERO).all(axis=1)]] = True
    bad = pd.DataFrame(frame[zero].drop(columns=ROW))
    quarantine.add_frame(
        bad, list(frame[zero][ROW]), "geometry", "vertex_zero", "有顶点在 (0, 0)", "a vertex lies at (0, 0)"
    )
    frame, geometry = frame[~zero], geometry[~zero]
    if not rest or len(frame) < _ENOUGH:
        return frame
    bounds = shapely.bounds(geometry)
    middle = np.median((bounds[:, :2] + bounds[:, 2:]) / 2, axis=0)
    reach = np.maximum(np.abs(bounds[:, :2] - middle), np.abs(bounds[:, 2:] - middle)).max(axis=1)
    far = reach > max(_FAR_DEG, 20 * float(np.median(reach)))
    bad = pd.DataFrame(frame[far].drop(columns=ROW))
    words = (
        "几何远远超出同一来源的其他要素，疑有错误顶点",
        "it reaches far beyond all others of its source: a wrong vertex",
    )
    quarantine.add_frame(bad, list(frame[far][ROW]), "geometry", "geometry_far", *words)
    return gpd.GeoDataFrame(frame[~far])


def repair_polygons(
    frame: gpd.GeoDataFrame, quarantine: Quarantine, *, label: str
) -> tuple[gpd.GeoDataFrame, tuple[Note, ...]]:
    """Invalid polygons made valid (shapely.make_valid), their polygon parts kept; what has no area then goes to quarantine.

    Returns the frame and notes that name what was repaired, by `label` (a column of the frame), else by row.
    """
    geometry = np.asarray(frame.geometry.array, dtype=object)
    bad = ~shapely.is_valid(geometry)
    fixed = geometry.copy()
    fixed[bad] = shapely.make_valid(geometry[bad])
    other = ~np.isin(shapely.get_type_id(fixed), (3, 6))  # GEOS ids of Polygon and MultiPolygon
    fixed[bad | other] = [_polygons_of(g) for g in fixed[bad | other]]
    out = frame.set_geometry(gpd.GeoSeries(fixed, index=frame.index, crs=frame.crs))
    none = shapely.is_empty(fixed)
    reason = "geometry_no_area", "几何不是面，或修复后没有面积", "no polygon, or none left after repair"
    quarantine.add_frame(pd.DataFrame(frame[none].drop(columns=ROW)), list(frame[none][ROW]), "geometry", *reason)
    repaired = bad & ~none
    if not repaired.any():
        return out[~none], ()
    marked = frame[repaired]
    names = [str(n) if isinstance(n, str) else f"第 {r} 行" for n, r in zip(marked[label], marked[ROW], strict=True)]
    reasons = sorted({str(r).split("[")[0] for r in shapely.is_valid_reason(geometry[repaired])})
    more = "…" if len(names) > _NAMED else ""
    note = Note(
        f"已修复 {len(names)} 个无效多边形（{'；'.join(reasons)}）：{'、'.join(names[:_NAMED])}{more}",
        f"{len(names)} invalid polygons repaired ({'; '.join(reasons)}): {', '.join(names[:_NAMED])}{more}",
    )
    return out[~none], (note,)


def _polygons_of(geometry: shapely.Geometry) -> shapely.Geometry:
    """Polygon parts of a geometry, an empty polygon where it has none."""
    parts = [p for p in shapely.get_parts(shapely.get_parts(geometry)) if p.geom_type == "Polygon" and not p.is_empty]
    if not parts:
        return shapely.Polygon()
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
