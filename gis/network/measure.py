"""True lengths on the ellipsoid, in whole millimetres, free of the scale of any projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely

if TYPE_CHECKING:
    import numpy.typing as npt

GEOD = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True, eq=False)
class Vertices:
    """Vertices of S lines in one row.

    Attributes:
        ptr: int32 (S + 1,), vertices of line s are ptr[s]:ptr[s + 1].
        lon, lat: float64 (V,), degrees.
        mm: int32 (V,), measure of each vertex along its line.
        length_mm: int32 (S,).
    """

    ptr: npt.NDArray[np.int32]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    mm: npt.NDArray[np.int32]
    length_mm: npt.NDArray[np.int32]


def geodesic_vertices(lines: npt.NDArray[np.object_]) -> Vertices:
    """Vertices and measures of LineStrings in EPSG:4326.

    Pieces are rounded to whole micrometres before they are summed, so that no result depends on the order of the lines.

    Args:
        lines: object (S,), LineStrings, longitude and latitude.
    """
    xy, owner = shapely.get_coordinates(lines, return_index=True)
    ptr = np.searchsorted(owner, np.arange(len(lines) + 1)).astype(np.int32)
    lon, lat = np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1])
    piece_um = np.zeros(len(xy), np.int64)
    if len(xy) > 1:
        inner = np.flatnonzero(owner[1:] == owner[:-1])
        metres = GEOD.inv(lon[inner], lat[inner], lon[inner + 1], lat[inner + 1])[2]
        piece_um[inner + 1] = np.rint(np.asarray(metres) * 1e6).astype(np.int64)
    run_um = np.cumsum(piece_um)
    along_um = run_um - np.repeat(run_um[ptr[:-1]] if len(lines) else run_um[:0], np.diff(ptr))
    mm = ((along_um + 500) // 1000).astype(np.int32)
    return Vertices(ptr, lon, lat, mm, mm[ptr[1:] - 1] if len(lines) else mm[:0])


def to_metric(lines: npt.NDArray[np.object_], metric_crs: pyproj.CRS) -> npt.NDArray[np.object_]:
    """Geometries of EPSG:4326 (longitude, latitude) in the metric CRS (x easting, y northing)."""
    change = pyproj.Transformer.from_crs("EPSG:4326", metric_crs, always_xy=True)
    out: npt.NDArray[np.object_] = shapely.transform(
        lines, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1]))
    )
    return out
