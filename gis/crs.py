"""Coordinate systems of a place: the metric one to compute in, the likely one of odd numbers, a local grid from control points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyproj

from gis.datum import in_china

if TYPE_CHECKING:
    import numpy.typing as npt

WGS84 = pyproj.CRS.from_epsg(4326)
_FIRST_ZONE_LON, _FIRST_ZONE_EPSG, _ZONES = 75, 4534, 21  # CGCS2000 / 3-degree Gauss-Kruger CM 75E … 135E


def metric_crs_of(lon: float, lat: float) -> pyproj.CRS:
    """The CRS in metres for a place given in degrees: inside China the CGCS2000 3-degree zone (EPSG:4534 to 4554), else UTM.

    >>> metric_crs_of(121.9, 29.4).to_epsg(), metric_crs_of(-71.06, 42.36).to_epsg()
    (4550, 32619)
    """
    zone = round((lon - _FIRST_ZONE_LON) / 3)
    if bool(in_china(lon, lat)) and 0 <= zone < _ZONES:
        return pyproj.CRS.from_epsg(_FIRST_ZONE_EPSG + zone)
    utm = min(60, max(1, int((lon + 180) // 6) + 1))
    return pyproj.CRS.from_epsg((32600 if lat >= 0 else 32700) + utm)


def candidate_crs(lon: float, lat: float) -> list[pyproj.CRS]:
    """Projected systems in use around a place, the commonest first: what undeclared plane coordinates there may be in."""
    codes: list[int] = []
    zone = round((lon - _FIRST_ZONE_LON) / 3)
    if bool(in_china(lon, lat)):
        for near_zone in (zone, zone - 1, zone + 1):
            if 0 <= near_zone < _ZONES:
                codes += [4534 + near_zone, 4513 + near_zone, 2422 + near_zone, 2401 + near_zone]
    utm = min(60, max(1, int((lon + 180) // 6) + 1))
    codes += [(32600 if lat >= 0 else 32700) + utm, 3857]
    area = pyproj.aoi.AreaOfInterest(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)
    found = pyproj.database.query_crs_info(
        auth_name="EPSG", pj_types=[pyproj.enums.PJType.PROJECTED_CRS], area_of_interest=area, contains=True
    )
    small = sorted(found, key=lambda i: (_size(i.area_of_use), int(i.code)))
    codes += [int(i.code) for i in small if int(i.code) not in codes]
    return [pyproj.CRS.from_epsg(c) for c in codes]


def _size(area: pyproj.aoi.AreaOfUse | None) -> float:
    return 1e9 if area is None else abs(area.east - area.west) * abs(area.north - area.south)


def likely_crs(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], *, lon: float, lat: float, reach_deg: float = 1.0
) -> list[int]:
    """EPSG codes, likeliest first (at most three), in which plane coordinates would fall around a place that is known by other means."""
    out: list[int] = []
    at_x, at_y = float(np.median(x)), float(np.median(y))
    for crs in candidate_crs(lon, lat):
        try:
            there = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True).transform(at_x, at_y)
        except pyproj.exceptions.ProjError:  # some registered systems have no operation
            continue
        if abs(there[0] - lon) <= reach_deg and abs(there[1] - lat) <= reach_deg:
            out.append(int(crs.to_epsg() or 0))
        if len(out) == 3:  # noqa: PLR2004 (more would not help)
            break
    return out


@dataclass(frozen=True, slots=True)
class LocalGrid:
    """A local plane grid tied to the globe by control points: x, y → metric CRS, x' = ax + by + c, y' = dx + ey + f.

    Attributes:
        crs: the metric CRS that local coordinates are carried into.
        matrix: float64 (2, 3), rows (a, b, c) and (d, e, f).
        residual_m: float64 (N,), distance between each control point and where the fit puts it.
    """

    crs: pyproj.CRS
    matrix: npt.NDArray[np.float64]
    residual_m: npt.NDArray[np.float64]

    def to_metric(
        self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Coordinates in the metric CRS of local ones."""
        (a, b, c), (d, e, f) = self.matrix
        return a * x + b * y + c, d * x + e * y + f


def fit_local_grid(points: npt.ArrayLike, *, fit: Literal["helmert", "affine"] = "helmert") -> LocalGrid:
    """Least-squares fit of a local grid to control points (N, 4): x, y, lon, lat (WGS 84 degrees).

    `helmert` has four parameters (shift, turn, scale; two points suffice), `affine` six (three points).

    Raises:
        ValueError: too few points, or points on one line or spot, which leave the fit undecided.
    """
    p = np.asarray(points, dtype=np.float64).reshape(-1, 4)
    crs = metric_crs_of(float(p[:, 2].mean()), float(p[:, 3].mean()))
    east, north = pyproj.Transformer.from_crs(WGS84, crs, always_xy=True).transform(p[:, 2], p[:, 3])
    east, north = np.asarray(east), np.asarray(north)
    x0, y0 = p[:, 0].mean(), p[:, 1].mean()
    x, y, one, nil = p[:, 0] - x0, p[:, 1] - y0, np.ones(len(p)), np.zeros(len(p))
    if fit == "helmert":  # east = ax - by + c, north = bx + ay + f
        design = np.vstack([np.column_stack([x, -y, one, nil]), np.column_stack([y, x, nil, one])])
    else:
        design = np.vstack([np.column_stack([x, y, one, nil, nil, nil]), np.column_stack([nil, nil, nil, x, y, one])])
    known, _, rank, _ = np.linalg.lstsq(design, np.concatenate([east, north]), rcond=1e-12)
    if rank < design.shape[1]:
        message = f"{len(p)} control points do not decide a {fit} fit"
        raise ValueError(message)
    if fit == "helmert":
        a, b, c, f = known
        matrix = np.array([[a, -b, c], [b, a, f]])
    else:
        matrix = known.reshape(2, 3)
    matrix[:, 2] -= matrix[:, 0] * x0 + matrix[:, 1] * y0
    grid = LocalGrid(crs, matrix, np.zeros(len(p)))
    at_x, at_y = grid.to_metric(p[:, 0], p[:, 1])
    return LocalGrid(crs, matrix, np.hypot(at_x - east, at_y - north))
