"""Ground that polygons hold: areas on the ellipsoid, where polygons overlap, and what each holds that no earlier one does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    import numpy.typing as npt

_GEOD = pyproj.Geod(ellps="GRS80")
_M2_PER_KM2 = 1e6
SLIVER_M = 2.0  # mean width of an overlap below which two lines were meant to be one
_LEAST_M2 = 100.0
_SAME = 0.999  # share of both polygons from which they are one drawn twice
_NAMED = 5
ZONES = ("central", "fringe")

_Told = tuple[str, int, str, str]


def area_km2(shapes: Sequence[shapely.Geometry]) -> npt.NDArray[np.float64]:
    """Areas on the GRS80 ellipsoid (geodesic edges) of polygons in EPSG:4326, in km²."""
    return np.array([_area_and_edge(s)[0] / _M2_PER_KM2 for s in shapes], dtype=np.float64)


def _area_and_edge(shape: shapely.Geometry) -> tuple[float, float]:
    """Square metres and metres."""
    area, edge = _GEOD.geometry_area_perimeter(shapely.orient_polygons(shapely.force_2d(shape)))
    return abs(area), edge


def whole_polygons(shapes: Sequence[shapely.Geometry]) -> npt.NDArray[np.object_]:
    """The shapes flat and valid, object (N,)."""
    return np.asarray(shapely.make_valid(shapely.force_2d(np.asarray(list(shapes), dtype=object))), dtype=object)


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """N pairs of polygons that hold the same ground, first < second.

    Attributes:
        first, second: int64 (N,), places of the polygons.
        shape: object (N,), what both hold, without slivers.
        area_km2: float64 (N,).
        same: bool (N,), whether the two are one polygon drawn twice.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    shape: npt.NDArray[np.object_]
    area_km2: npt.NDArray[np.float64]
    same: npt.NDArray[np.bool_]


def overlaps(shapes: npt.NDArray[np.object_]) -> Overlaps:
    """Where polygons (`whole_polygons`, EPSG:4326) overlap by more than a sliver (2 m of mean width, or 100 m²)."""
    tree = shapely.STRtree(shapes)
    one, two = tree.query(shapes, predicate="intersects") if len(shapes) else np.zeros((2, 0), dtype=np.int64)
    one, two = one[one < two], two[one < two]
    order = np.lexsort((two, one))
    one, two = one[order].astype(np.int64), two[order].astype(np.int64)
    held = without_slivers(shapely.intersection(shapes[one], shapes[two]))
    kept = np.flatnonzero(~shapely.is_empty(held))
    one, two, held = one[kept], two[kept], held[kept]
    area = area_km2(held.tolist())
    whole = [area_km2(shapes[i].tolist()) if len(i) else np.zeros(0) for i in (one, two)]
    return Overlaps(one, two, held, area, area >= _SAME * np.maximum(*whole))


def without_slivers(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """The polygons of shapes that are no slivers, as multipolygons, empty where there are none."""
    parts, of = shapely.get_parts(shapes, return_index=True)
    surface = shapely.get_dimensions(parts) == 2  # noqa: PLR2004 (of a surface)
    parts, of = shapely.get_parts(parts[surface], return_index=True)[0], of[surface]
    sizes = np.array([_area_and_edge(p) for p in parts], dtype=np.float64).reshape(-1, 2)
    kept = (sizes[:, 0] >= _LEAST_M2) & (2 * sizes[:, 0] >= SLIVER_M * sizes[:, 1])
    out = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    owner, at = np.unique(of[kept], return_inverse=True)
    if len(owner):
        out[owner] = shapely.multipolygons(parts[kept], indices=at)
    return out


def outside(shapes: npt.NDArray[np.object_], boundary: shapely.Geometry) -> npt.NDArray[np.float64]:
    """What of each polygon lies outside a boundary, km² (slivers left out), float64 (N,)."""
    return area_km2(without_slivers(shapely.difference(shapes, boundary)).tolist())


# --- in words ---
def ground_notes(
    table: str,
    frame: gpd.GeoDataFrame,
    *,
    areas: gpd.GeoDataFrame | None = None,
    new: npt.NDArray[np.bool_] | None = None,
) -> list[_Told]:
    """What somebody must know of the ground that grids or areas hold: (code, count, Chinese, English), nothing where all is well.

    Args:
        table: work_grids, community_grids or areas (of which zones and towns are looked at).
        frame: the contract.
        areas: contract `areas`, for its boundary; None: it is not looked at.
        new: bool (N,), rows of which to tell; None: all.
    """
    frame = frame[~frame.geometry.isna() & ~frame.geometry.is_empty] if new is None else frame
    if table == "areas":
        kinds = frame["kind"].to_numpy(dtype=object)
        groups = [("zones", "区位", "zones", np.isin(kinds, ZONES)), ("towns", "镇街", "towns", kinds == "town")]
        key = "area_id"
    else:
        zh, en = {"work_grids": ("工作网格", "work grids"), "community_grids": ("全科网格", "community grids")}[table]
        groups, key = [(table, zh, en, np.ones(len(frame), dtype=np.bool_))], "grid_id"
    out: list[_Told] = []
    for code, zh, en, mine in groups:
        part = frame[mine]
        if not len(part):
            continue
        ids, shapes = part[key].astype(str).tolist(), whole_polygons(list(part.geometry))
        told = np.ones(len(part), dtype=np.bool_) if new is None else new[mine]
        out += _overlap_note(code, zh, en, ids, overlaps(shapes), told)
        if areas is not None and table != "areas":
            out += _outside_note(code, zh, en, ids, shapes, areas, told)
    return out


def _overlap_note(
    code: str, zh: str, en: str, ids: Sequence[str], found: Overlaps, told: npt.NDArray[np.bool_]
) -> list[_Told]:
    out: list[_Told] = []
    for same, word, chinese, english in (
        (False, "overlap", "重叠", "overlap"), (True, "twice", "重复（图形相同、编号不同）", "are one shape under two codes"),
    ):  # fmt: skip
        rows = np.flatnonzero((found.same == same) & (told[found.first] | told[found.second]))
        if not len(rows):
            continue
        rows = rows[np.argsort(-found.area_km2[rows], kind="stable")]
        km2 = float(found.area_km2[rows].sum())
        pairs = [
            (ids[found.first[i]], ids[found.second[i]], f"{found.area_km2[i]:.4g}") for i in rows[:_NAMED].tolist()
        ]
        more = len(rows) > _NAMED
        out.append((
            f"{code}.{word}", len(rows),
            f"对{zh}{chinese}，两两相加 {km2:.4g} 平方公里："
            + "、".join(f"{a} 与 {b} {k} 平方公里" for a, b, k in pairs) + ("等" if more else "")
            + "；面积与应配按并集只计一次" + ("，重叠处算中心城区" if code == "zones" else "，重叠处归编号在前者"),
            f"pairs of {en} {english}, {km2:.4g} km² pair by pair: " + ", ".join(f"{a} and {b} {k} km²" for a, b, k in pairs)
            + (" …" if more else "") + "; their ground counts once, " + ("as the centre's" if code == "zones" else "for the smaller code"),
        ))  # fmt: skip
    return out


def _outside_note(
    code: str, zh: str, en: str, ids: Sequence[str], shapes: npt.NDArray[np.object_], areas: gpd.GeoDataFrame,
    told: npt.NDArray[np.bool_],
) -> list[_Told]:  # fmt: skip
    held = areas[areas["kind"] == "boundary"]
    if not len(held):
        return []
    beyond = outside(shapes, shapely.union_all(whole_polygons(list(held.geometry))))
    rows = np.flatnonzero((beyond > 0) & told)
    if not len(rows):
        return []
    rows = rows[np.argsort(-beyond[rows], kind="stable")]
    names = [(ids[i], f"{beyond[i]:.4g}") for i in rows[:_NAMED].tolist()]
    more = len(rows) > _NAMED
    return [(
        f"{code}.outside", len(rows),
        f"个{zh}有一部分在边界之外：" + "、".join(f"{i} {k} 平方公里" for i, k in names) + ("等" if more else ""),
        f"{en} lie outside the boundary in part: " + ", ".join(f"{i} {k} km²" for i, k in names) + (" …" if more else ""),
    )]  # fmt: skip
