"""Map offsets of Chinese web maps: GCJ-02 and BD-09 to and from WGS 84, vectorised. They have no EPSG code.

The forward formula of GCJ-02 was never published; the constants are those found by its users and spread since 2011 (see the open
implementations *eviltransform* and *coordtransform*): a polynomial and sine field over (lon - 105, lat - 35), turned into degrees on the
Krasovsky 1940 ellipsoid. BD-09 turns and stretches GCJ-02 a little. Inverses are found by iteration, to far less than a millimetre.
CGCS2000 and WGS 84 differ by centimetres and are taken as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]

_A_M = 6378245.0  # Krasovsky 1940, semi-major axis
_EE = 0.00669342162296594323  # its first eccentricity squared
_X_PI = np.pi * 3000.0 / 180.0
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271  # where the offset is applied, by convention
_TURNS = 30  # each turn of the inverse shrinks the error some hundredfold
_ENOUGH_DEG = 1e-11  # about a micrometre

Coordinates = tuple["npt.NDArray[np.float64]", "npt.NDArray[np.float64]"]


def in_china(lon: npt.ArrayLike, lat: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether a point lies in the box in which the offset is applied."""
    x, y = np.asarray(lon, float), np.asarray(lat, float)
    return np.asarray((x >= _WEST) & (x <= _EAST) & (y >= _SOUTH) & (y <= _NORTH), bool)


def _gcj02_shift(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> Coordinates:
    """Offset of GCJ-02 in degrees at WGS 84 points."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    waves = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    phi = np.radians(lat)
    magic = 1.0 - _EE * np.sin(phi) ** 2
    meridian_m = _A_M * (1.0 - _EE) / (magic * np.sqrt(magic))
    parallel_m = _A_M / np.sqrt(magic) * np.cos(phi)
    return np.degrees(east / parallel_m), np.degrees(north / meridian_m)


def gcj02_from_wgs84(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coordinates:
    """GCJ-02 coordinates of WGS 84 points, degrees; points outside China are unchanged.

    >>> lon, lat = gcj02_from_wgs84([121.87], [29.47])
    >>> round(float(lon[0]), 5), round(float(lat[0]), 5)
    (121.874, 29.46729)
    """
    x, y = _arrays(lon, lat)
    inside = in_china(x, y)
    d_lon, d_lat = _gcj02_shift(x, y)
    return np.where(inside, x + d_lon, x), np.where(inside, y + d_lat, y)


def wgs84_from_gcj02(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coordinates:
    """WGS 84 coordinates of GCJ-02 points, degrees; points outside China are unchanged."""
    x, y = _arrays(lon, lat)
    guess_x, guess_y = x.copy(), y.copy()
    for _ in range(_TURNS):
        d_lon, d_lat = _gcj02_shift(guess_x, guess_y)
        move = max(_largest(x - d_lon - guess_x), _largest(y - d_lat - guess_y))
        guess_x, guess_y = x - d_lon, y - d_lat
        if move < _ENOUGH_DEG:
            break
    inside = in_china(guess_x, guess_y)
    return np.where(inside, guess_x, x), np.where(inside, guess_y, y)


def bd09_from_gcj02(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coordinates:
    """BD-09 coordinates of GCJ-02 points, degrees."""
    x, y = _arrays(lon, lat)
    inside = in_china(x, y)
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * _X_PI)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * _X_PI)
    return np.where(inside, radius * np.cos(angle) + 0.0065, x), np.where(inside, radius * np.sin(angle) + 0.006, y)


def gcj02_from_bd09(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coordinates:
    """GCJ-02 coordinates of BD-09 points, degrees."""
    x, y = _arrays(lon, lat)
    guess_x, guess_y = x - 0.0065, y - 0.006
    for _ in range(_TURNS):
        back_x, back_y = bd09_from_gcj02(guess_x, guess_y)
        miss_x, miss_y = x - back_x, y - back_y
        guess_x, guess_y = guess_x + miss_x, guess_y + miss_y
        if max(_largest(miss_x), _largest(miss_y)) < _ENOUGH_DEG:
            break
    inside = in_china(guess_x, guess_y)
    return np.where(inside, guess_x, x), np.where(inside, guess_y, y)


def to_wgs84(lon: npt.ArrayLike, lat: npt.ArrayLike, *, datum: Datum) -> Coordinates:
    """WGS 84 coordinates, degrees, of points given in a datum or map offset."""
    if datum == "gcj02":
        return wgs84_from_gcj02(lon, lat)
    if datum == "bd09":
        return wgs84_from_gcj02(*gcj02_from_bd09(lon, lat))
    return _arrays(lon, lat)


def from_wgs84(lon: npt.ArrayLike, lat: npt.ArrayLike, *, datum: Datum) -> Coordinates:
    """The inverse of `to_wgs84`."""
    if datum == "gcj02":
        return gcj02_from_wgs84(lon, lat)
    if datum == "bd09":
        return bd09_from_gcj02(*gcj02_from_wgs84(lon, lat))
    return _arrays(lon, lat)


def _arrays(lon: npt.ArrayLike, lat: npt.ArrayLike) -> Coordinates:
    return np.array(lon, dtype=np.float64), np.array(lat, dtype=np.float64)


def _largest(values: npt.NDArray[np.float64]) -> float:
    """Largest absolute value of the finite ones, 0 where there is none."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0
