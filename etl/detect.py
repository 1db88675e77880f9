"""Undeclared map offsets: would GCJ-02 or BD-09, corrected, fit the roads or the boundary better? Only a warning; nothing is shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyproj
import shapely

from gis.crs import WGS84, metric_crs_of
from gis.datum import from_wgs84, in_china, to_wgs84
from gis.errors import Fault

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Offset = Literal["gcj02", "bd09"]

_SAMPLE = 2000  # points that are tried
_NEAR_M = 15.0  # a fix this near to a road is taken as on it
_GAIN = 0.2  # share of points that must come onto the roads
_BETTER = 0.6  # and the median distance must shrink to this share
_OUT = 0.003  # share of points outside the boundary below which nothing is said
_CLEARED = 0.3  # share of those that must remain at most


@dataclass(frozen=True, slots=True)
class Shift:
    """What a correction would change: misfit in metres (median distance to the roads) or in share of points outside the boundary.

    Attributes:
        datum: the offset that the points seem to have.
        against: what they were compared with.
        as_is, corrected: misfit before and after; metres, or a share.
        good_as_is, good_corrected: share of points on a road, or inside the boundary.
        shift_m: median distance between the points as they are and corrected, metres.
        points: how many points were tried.
        of_roads: the offset is that of the roads, not of the points.
    """

    datum: Offset
    against: Literal["roads", "boundary"]
    as_is: float
    corrected: float
    good_as_is: float
    good_corrected: float
    shift_m: float
    points: int
    of_roads: bool = False


def detect_shift(
    lon: Floats,
    lat: Floats,
    *,
    roads: gpd.GeoDataFrame | None = None,
    boundary: gpd.GeoDataFrame | None = None,
) -> Shift | None:
    """The offset that points (WGS 84 as declared, degrees) seem to have, None where they fit as they are or nothing tells.

    Roads tell best: at most 2,000 points, evenly taken, each correction tried; the one that brings a fifth more of the points
    onto a road (15 m) and shrinks the median distance to three fifths is named. Without roads the boundary tells: points outside it
    that the correction brings in.
    """
    keep = np.isfinite(lon) & np.isfinite(lat)
    lon, lat = lon[keep], lat[keep]
    inside = in_china(lon, lat)
    if len(lon) == 0 or not inside.all():
        return None
    step = max(1, len(lon) // _SAMPLE)
    tried = lon[::step], lat[::step]
    if roads is not None and len(roads):
        return _against_roads(*tried, roads)
    if boundary is not None and len(boundary):
        return _against_boundary(lon, lat, boundary)
    return None


def _corrections(lon: Floats, lat: Floats) -> dict[Offset, tuple[Floats, Floats]]:
    return {"gcj02": to_wgs84(lon, lat, datum="gcj02"), "bd09": to_wgs84(lon, lat, datum="bd09")}


def _to_metric(lon: Floats, lat: Floats) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(
        WGS84, metric_crs_of(float(np.median(lon)), float(np.median(lat))), always_xy=True
    )


def _against_roads(lon: Floats, lat: Floats, roads: gpd.GeoDataFrame) -> Shift | None:
    change = _to_metric(lon, lat)
    lines = shapely.transform(
        np.asarray(roads.geometry.array, dtype=object), lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1]))
    )
    tree = shapely.STRtree(lines)

    def misfit(at: tuple[Floats, Floats]) -> Floats:
        points = shapely.points(np.column_stack(change.transform(*at)))
        _, distance = tree.query_nearest(points, return_distance=True, all_matches=False)
        return np.asarray(distance, dtype=np.float64)

    before = misfit((lon, lat))
    tried: dict[tuple[Offset, bool], tuple[Floats, Floats]] = {
        **{(name, False): at for name, at in _corrections(lon, lat).items()},
        ("gcj02", True): from_wgs84(lon, lat, datum="gcj02"),
        ("bd09", True): from_wgs84(lon, lat, datum="bd09"),
    }
    after = {name: misfit(at) for name, at in tried.items()}
    best = min(after, key=lambda n: float(np.median(after[n])))
    good, better = float((before <= _NEAR_M).mean()), float((after[best] <= _NEAR_M).mean())
    median, mended = float(np.median(before)), float(np.median(after[best]))
    if better - good < _GAIN or mended > _BETTER * median:
        return None
    datum, of_roads = best
    return Shift(datum, "roads", median, mended, good, better, _moved_m(lon, lat, datum), len(lon), of_roads)


def _against_boundary(lon: Floats, lat: Floats, boundary: gpd.GeoDataFrame) -> Shift | None:
    whole = shapely.union_all(np.asarray(boundary.geometry.array, dtype=object))
    shapely.prepare(whole)

    def outside(at: tuple[Floats, Floats]) -> float:
        return 1.0 - float(shapely.contains_xy(whole, at[0], at[1]).mean())

    before = outside((lon, lat))
    after = {name: outside(at) for name, at in _corrections(lon, lat).items()}
    best: Offset = min(after, key=lambda n: after[n])
    if before < _OUT or after[best] > _CLEARED * before:
        return None
    return Shift(
        best, "boundary", before, after[best], 1.0 - before, 1.0 - after[best], _moved_m(lon, lat, best), len(lon)
    )


def _moved_m(lon: Floats, lat: Floats, datum: Offset) -> float:
    """Median length of the correction, metres on the ellipsoid."""
    to_lon, to_lat = to_wgs84(lon, lat, datum=datum)
    _, _, length = pyproj.Geod(ellps="WGS84").inv(lon, lat, to_lon, to_lat)
    return float(np.median(length))


def warning(shift: Shift, *, source: str, file: str) -> Fault:
    """What is said of a shift: measured figures, and what to declare. The rows are loaded as they are."""
    name = {"gcj02": "GCJ-02", "bd09": "BD-09"}[shift.datum]
    if shift.against == "roads":
        zh = (
            f"按原样距道路中位 {shift.as_is:.0f} 米（{shift.good_as_is:.0%} 在 {_NEAR_M:.0f} 米内），"
            f"按 {name} 改正后 {shift.corrected:.0f} 米（{shift.good_corrected:.0%}）"
        )
        en = (
            f"as they are, the median distance to the roads is {shift.as_is:.0f} m ({shift.good_as_is:.0%} within {_NEAR_M:.0f} m); "
            f"corrected from {name} it is {shift.corrected:.0f} m ({shift.good_corrected:.0%})"
        )
    else:
        zh = f"按原样 {shift.as_is:.1%} 落在边界外，按 {name} 改正后 {shift.corrected:.1%}"
        en = f"as they are, {shift.as_is:.1%} lie outside the boundary; corrected from {name}, {shift.corrected:.1%}"
    if shift.of_roads:
        return Fault(
            "datum.undeclared",
            f"道路（及与之相合的图层）很可能是未声明的 {name}（偏移约 {shift.shift_m:.0f} 米），与 {source} 的坐标不合：{zh}；未作改动",
            f"the roads (and the layers that lie on them) are likely {name}, undeclared (about {shift.shift_m:.0f} m off), "
            f"and do not fit {source}: {en}; nothing was shifted",
            f'核实后在道路及其他图层的来源中写 datum = "{shift.datum}" 并重新载入',
            f'verify, then write datum = "{shift.datum}" at the sources of the roads and other layers and load again',
            file=file,
        )
    return Fault(
        "datum.undeclared",
        f"坐标很可能是未声明的 {name}（偏移约 {shift.shift_m:.0f} 米）：{zh}；未作改动",
        f"the coordinates are likely {name}, undeclared (about {shift.shift_m:.0f} m off): {en}; nothing was shifted",
        f'核实后在来源 {source} 中写 datum = "{shift.datum}" 并重新载入',
        f'verify, then write datum = "{shift.datum}" in source {source} and load again',
        file=file,
    )
