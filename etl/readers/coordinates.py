"""Coordinates as sources write them, to WGS 84 degrees: whole columns at once, every doubt told apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
import shapely

from gis.crs import fit_local_grid
from gis.datum import to_wgs84
from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from layers.city import Datum, Source

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]
    Project = Callable[[Floats, Floats], tuple[Floats, Floats]]

_DEGREES = {4326, 4979, 4490, 4480}  # WGS 84 and CGCS2000, which agree to centimetres
_LAT_LIMIT, _LON_LIMIT = 90.0, 180.0


class PlaceFault(IntEnum):
    """What is wrong with a pair of coordinates."""

    OK = 0
    MISSING = 1
    NUMBER = 2
    LAT = 3
    LON = 4
    SWAPPED = 5
    ZERO = 6
    UNPROJECTABLE = 7


FAULT_CODES = {
    PlaceFault.MISSING: "coordinate_missing",
    PlaceFault.NUMBER: "number_unparsable",
    PlaceFault.LAT: "lat_impossible",
    PlaceFault.LON: "lon_impossible",
    PlaceFault.SWAPPED: "lonlat_swapped",
    PlaceFault.ZERO: "coordinate_zero",
    PlaceFault.UNPROJECTABLE: "coordinate_unprojectable",
}


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """How coordinates are to be read.

    Attributes:
        project: plane coordinates to degrees of the datum; None: they are degrees already.
        datum: datum or map offset of the degrees.
        crs: what the manifest says of it.
    """

    project: Project | None = None
    datum: Datum = "wgs84"
    crs: str = "EPSG:4326"


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Parsed places: `lon`, `lat` float64 WGS 84 degrees (NaN where faulty), `fault` uint8 of PlaceFault."""

    lon: Floats
    lat: Floats
    fault: npt.NDArray[np.uint8]


def place_rule(source: Source) -> PlaceRule:
    """How the coordinates of a source are to be read: degrees, a declared CRS or a local grid; datum.

    Raises:
        SettingsError: the CRS is unknown, or the control points do not define a grid.
    """
    if source.crs is None:
        return PlaceRule(datum=source.datum)
    if str(source.crs).lower() == "local":
        return PlaceRule(_local(source), source.datum, "local")
    try:
        crs = pyproj.CRS.from_user_input(source.crs)
    except pyproj.exceptions.CRSError as error:
        fix = "写 EPSG 代号，如 4550", "write an EPSG code such as 4550"
        problem = (
            f"来源 {source.name} 的坐标系无法识别：{source.crs}",
            f"unknown CRS of source {source.name}: {source.crs}",
        )
        raise SettingsError(Fault("source.crs", *problem, *fix, file=source.where)) from error
    code = crs.to_epsg()
    name = f"EPSG:{code}" if code else crs.name
    if code in _DEGREES:
        return PlaceRule(datum=source.datum, crs=name)
    return PlaceRule(_projected(crs), source.datum, name)


def _projected(crs: pyproj.CRS) -> Project:
    transformer = pyproj.Transformer.from_crs(crs, pyproj.CRS.from_epsg(4326), always_xy=True)

    def project(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        lon, lat = transformer.transform(x, y)
        return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)

    return project


def _local(source: Source) -> Project:
    try:
        grid = fit_local_grid(source.control_points, fit=source.control_fit)
    except ValueError as error:
        problem = f"来源 {source.name} 的控制点不足或共线", f"control points of source {source.name}: {error}"
        fix = "补充 control_points", "add control_points"
        raise SettingsError(Fault("source.control_points", *problem, *fix, file=source.where)) from error
    to_degrees = _projected(grid.crs)
    return lambda x, y: to_degrees(*grid.to_metric(x, y))


def parse_numbers(values: pa.Array | pa.ChunkedArray) -> tuple[Floats, Bools, Bools]:
    """Numbers of one column (N,), NaN where there is none; which cells are empty, and which hold something that is no number."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        array = array.cast(pa.string())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        out = _floats(pc.cast(array, pa.float64(), safe=False))
        empty = np.asarray(array.is_null()) | np.isnan(out)
        return out, empty, ~empty & ~np.isfinite(out)
    try:
        out = _floats(pc.cast(array, pa.float64()))
        empty = np.asarray(array.is_null())
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(array)
        number = pc.match_substring_regex(text, r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
        out = _floats(pc.cast(pc.if_else(number, text, None), pa.float64()))
        words = pa.array(["", "null", "NULL", "None", "nan", "NaN", "\\N"], type=text.type)
        empty = np.asarray(pc.fill_null(pc.is_in(text, value_set=words), True)) | np.asarray(array.is_null())
    return out, empty, ~empty & ~np.isfinite(out)


def parse_wkt_points(values: pa.Array | pa.ChunkedArray) -> tuple[Floats, Floats, Bools, Bools]:
    """X and y of WKT points; which cells are empty, and which hold no point."""
    text = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    empty = np.array([t is None or str(t).strip() == "" for t in text], dtype=np.bool_)
    shapes = shapely.from_wkt(np.where(empty, None, text), on_invalid="ignore")
    point = shapely.get_type_id(shapes) == 0
    x = np.where(point, shapely.get_x(shapes), np.nan)
    y = np.where(point, shapely.get_y(shapes), np.nan)
    return x, y, empty, ~empty & ~(np.isfinite(x) & np.isfinite(y))


def locate(x: Floats, y: Floats, empty: Bools, bad: Bools, rule: PlaceRule) -> Places:
    """WGS 84 degrees of coordinates (N,), with what is wrong with each pair."""
    fault = np.zeros(len(x), dtype=np.uint8)
    lon, lat = x, y
    usable = ~(empty | bad)
    if rule.project is not None:
        lon, lat = np.full(len(x), np.nan), np.full(len(x), np.nan)
        lon[usable], lat[usable] = rule.project(x[usable], y[usable])
        fault[usable & ~(np.isfinite(lon) & np.isfinite(lat))] = PlaceFault.UNPROJECTABLE
    with np.errstate(invalid="ignore"):
        wide, high = np.abs(lon) > _LON_LIMIT, np.abs(lat) > _LAT_LIMIT
        swapped = high & (np.abs(lat) <= _LON_LIMIT) & (np.abs(lon) <= _LAT_LIMIT)
    fault[wide] = PlaceFault.LON
    fault[high] = PlaceFault.LAT
    fault[swapped] = PlaceFault.SWAPPED
    if rule.project is not None:
        fault[wide | high] = PlaceFault.UNPROJECTABLE
    fault[(lon == 0) & (lat == 0)] = PlaceFault.ZERO
    fault[bad] = PlaceFault.NUMBER
    fault[empty] = PlaceFault.MISSING
    good = fault == 0
    out_lon, out_lat = np.full(len(x), np.nan), np.full(len(x), np.nan)
    out_lon[good], out_lat[good] = lon[good], lat[good]
    if rule.datum not in {"wgs84", "cgcs2000"} and good.any():
        out_lon[good], out_lat[good] = to_wgs84(out_lon[good], out_lat[good], datum=rule.datum)
    return Places(out_lon, out_lat, fault)


def _floats(array: pa.Array) -> Floats:
    out: Floats = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    return out
