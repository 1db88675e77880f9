"""From a source's own coordinates to WGS 84: declared, checked against the numbers, never guessed in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyogrio
import pyproj
import shapely

from gis.crs import WGS84, fit_local_grid, likely_crs
from gis.datum import in_china, to_wgs84
from gis.errors import Fault, InputError
from layers.store.base import Note

if TYPE_CHECKING:
    import numpy.typing as npt

    from etl.base import Context
    from layers.city import City, Source

_NEAR_DEG = 3.0  # a county is never as far from its neighbours' data


@dataclass(frozen=True, slots=True)
class Placed:
    """Geometries in WGS 84, and the CRS that they were in."""

    geometry: npt.NDArray[np.object_]
    crs: str
    notes: tuple[Note, ...]


def place(
    geometry: npt.NDArray[np.object_], own: pyproj.CRS | None, source: Source, context: Context, *, file: str
) -> Placed:
    """Geometries of a source in WGS 84 (two dimensions).

    Raises:
        InputError: no CRS is known, or the numbers contradict it, or longitude and latitude are swapped.
    """
    flat = shapely.force_2d(geometry)
    if source.crs == "local":
        return _from_local(flat, source)
    crs, notes = _crs_of(own, source, file)
    _check_numbers(flat, crs, source, context, file)
    label = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else crs.name
    if crs.is_projected:
        change = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
        flat = shapely.transform(flat, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))
    _check_area(flat, crs, source, context, file)
    if source.datum in {"gcj02", "bd09"}:
        flat = shapely.transform(flat, lambda xy: np.column_stack(to_wgs84(xy[:, 0], xy[:, 1], datum=source.datum)))
        datum = source.datum.upper()
        notes = (*notes, Note(f"已由 {datum} 改正到 WGS 84", f"corrected from {datum} to WGS 84"))
    return Placed(flat, label, notes)


def _from_local(geometry: npt.NDArray[np.object_], source: Source) -> Placed:
    """Local grid by its control points; the residuals are told."""
    try:
        grid = fit_local_grid(source.control_points, fit=source.control_fit)
    except ValueError as error:
        fault = Fault("crs.control_points", f"控制点不足以确定变换：{error}", str(error), "增加控制点，勿在一条直线上",
                      "add control points that are not on one line", file=source.where)  # fmt: skip
        raise InputError(fault) from None
    change = pyproj.Transformer.from_crs(grid.crs, WGS84, always_xy=True)
    out = shapely.transform(geometry, lambda xy: np.column_stack(change.transform(*grid.to_metric(xy[:, 0], xy[:, 1]))))
    residuals = [f"{r:.3f}" for r in grid.residual_m]
    note = Note(
        f"地方坐标系按 {len(residuals)} 个控制点拟合（{source.control_fit}），残差 {'、'.join(residuals)} m",
        f"local grid fitted to {len(residuals)} control points ({source.control_fit}), residuals {', '.join(residuals)} m",
    )
    return Placed(out, f"local → EPSG:{grid.crs.to_epsg()}", (note,))


def _crs_of(own: pyproj.CRS | None, source: Source, file: str) -> tuple[pyproj.CRS, tuple[Note, ...]]:
    """The declared CRS, else the file's own; where both are and differ, the declared one and a note."""
    if source.crs is not None:
        declared = pyproj.CRS.from_user_input(source.crs)
        if own is None or _same(own, declared):
            return declared, ()
        note = Note(
            f"文件自带坐标系 {own.name}，按城市文件声明的 {declared.name} 读取",
            f"the file says CRS {own.name}; read as {declared.name}, which the city file declares",
        )
        return declared, (note,)
    if own is None:
        raise InputError(
            Fault(
                "crs.missing",
                "没有坐标系信息（无 .prj），城市文件也未声明",
                "it has no CRS (no .prj), and the city file declares none",
                f"在来源 {source.name} 中写 crs = 4490（CGCS2000 经纬度）或其投影的 EPSG 代号",
                f"write crs = 4490 (CGCS2000 degrees) or the EPSG code of its projection in source {source.name}",
                file=file,
            )
        )
    return own, ()


def _same(a: pyproj.CRS, b: pyproj.CRS) -> bool:
    return bool(a.to_2d().equals(b.to_2d(), ignore_axis_order=True)) or (a.is_geographic and b.is_geographic)


def _bounds(geometry: npt.NDArray[np.object_]) -> tuple[float, float, float, float] | None:
    box = shapely.total_bounds(geometry)
    return None if np.isnan(box).any() else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))


def _check_numbers(
    geometry: npt.NDArray[np.object_], crs: pyproj.CRS, source: Source, context: Context, file: str
) -> None:
    """Degrees must look like degrees, metres like metres, longitude like longitude."""
    box = _bounds(geometry)
    if box is None:
        return
    west, south, east, north = box
    as_degrees = abs(west) <= 360 and abs(east) <= 360 and abs(south) <= 90 and abs(north) <= 90  # noqa: PLR2004 (degrees)
    if crs.is_geographic and not as_degrees:
        if max(abs(south), abs(north)) <= 180 and max(abs(west), abs(east)) <= 90:  # noqa: PLR2004 (degrees)
            raise InputError(_swapped(source, file, box))
        raise InputError(_contradicted(geometry, crs, source, context, file))
    if crs.is_geographic and reference_place(context) is not None:
        _check_swap(box, source, context, file)
    elif crs.is_geographic and context.city.timezone == "Asia/Shanghai":
        middle = (west + east) / 2, (south + north) / 2
        if bool(in_china(middle[1], middle[0])) and not bool(in_china(*middle)):
            raise InputError(_swapped(source, file, box))
    if crs.is_projected and as_degrees:
        raise InputError(
            Fault(
                "crs.contradicted",
                f"声明的坐标系是 {crs.name}（米），但数值像经纬度（{_box(box)}）",
                f"its CRS is said to be {crs.name} (metres), but the numbers look like degrees ({_box(box)})",
                f"在来源 {source.name} 中写 crs = 4490 或 4326",
                f"write crs = 4490 or 4326 in source {source.name}",
                file=file,
            )
        )


def _box(box: tuple[float, float, float, float]) -> str:
    return f"x {box[0]:.7g} … {box[2]:.7g}, y {box[1]:.7g} … {box[3]:.7g}"


def _check_swap(box: tuple[float, float, float, float], source: Source, context: Context, file: str) -> None:
    known = reference_place(context)
    if known is None:
        return
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    straight, turned = np.hypot(x - known[0], y - known[1]), np.hypot(y - known[0], x - known[1])
    if straight > _NEAR_DEG and turned <= _NEAR_DEG:
        raise InputError(_swapped(source, file, box))


def _swapped(source: Source, file: str, box: tuple[float, float, float, float]) -> Fault:
    problem = f"经度与纬度写反了（{_box(box)}）", f"longitude and latitude are swapped ({_box(box)})"
    fix = (
        f"请提供方更正来源 {source.name} 的坐标顺序（先经度，后纬度）",
        f"have the order of source {source.name} corrected: longitude first, then latitude",
    )
    return Fault("crs.swapped", *problem, *fix, file=file)


def _contradicted(
    geometry: npt.NDArray[np.object_], crs: pyproj.CRS, source: Source, context: Context, file: str
) -> Fault:
    """Plane coordinates under a CRS in degrees: say which plane it likely is."""
    points = shapely.get_coordinates(geometry)
    box = (*points.min(axis=0), *points.max(axis=0))
    known = reference_place(context)
    codes = likely_crs(points[:, 0], points[:, 1], lon=known[0], lat=known[1]) if known else []
    names = [f"EPSG:{c}({pyproj.CRS.from_epsg(c).name})" for c in codes]
    likely = (
        (f"很可能是 {'、或 '.join(names)}", f"likely {' or '.join(names)}")
        if names
        else ("像是平面坐标（米或英尺）", "they look like plane coordinates (metres or feet)")
    )
    code = str(codes[0]) if codes else "EPSG"
    return Fault(
        "crs.contradicted",
        f"声明的坐标系是 {crs.name}（度），但数值不是经纬度（{_box(box)}）；{likely[0]}",
        f"its CRS is said to be {crs.name} (degrees), but the numbers are no degrees ({_box(box)}); {likely[1]}",
        f"核实后在来源 {source.name} 中写 crs = {code}",
        f"verify, then write crs = {code} in source {source.name}",
        file=file,
    )


def _check_area(
    geometry: npt.NDArray[np.object_], crs: pyproj.CRS, source: Source, context: Context, file: str
) -> None:
    """What was carried to degrees must be finite, and near the rest of the city's data."""
    points = shapely.get_coordinates(geometry)
    if not len(points) or not crs.is_projected:
        return
    known, x, y = reference_place(context), float(np.median(points[:, 0])), float(np.median(points[:, 1]))
    far = known is not None and np.hypot(x - known[0], y - known[1]) > _NEAR_DEG
    if np.isfinite(points).all() and not far:
        return
    at = f"({x:.3f}, {y:.3f})" if np.isfinite(points).all() else "(∞)"
    raise InputError(
        Fault(
            "crs.contradicted",
            f"按 {crs.name} 换算后落在 {at}，与本市其他数据不符",
            f"read as {crs.name} it falls at {at}, away from the city's other data",
            f"检查来源 {source.name} 的 crs 与带号，以及 x（东）、y（北）是否写反",
            f"check crs and zone of source {source.name}, and whether x (east) and y (north) are swapped",
            file=file,
        )
    )


def reference_place(context: Context) -> tuple[float, float] | None:
    """Where the city is (lon, lat): from what was read before, its metric CRS, or the first source whose own numbers are sound degrees."""
    if context.place is None:
        context.place = _find_place(context)
    return context.place


def _find_place(context: Context) -> tuple[float, float] | None:
    for frame in (context.boundary, context.roads):
        if frame is not None and len(frame):
            west, south, east, north = frame.total_bounds
            return float(west + east) / 2, float(south + north) / 2
    return next(filter(None, (_peek(s, context.city) for s in context.city.sources)), None)


def _peek(source: Source, city: City) -> tuple[float, float] | None:
    """Middle of a vector file whose own CRS is in degrees and whose numbers are too; only its head is read."""
    for written in source.paths:
        try:
            info = pyogrio.read_info(city.resolve(written), layer=source.layer, force_total_bounds=True)
            crs = pyproj.CRS.from_user_input(source.crs if source.crs not in {None, "local"} else info["crs"] or 4326)
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            pyproj.exceptions.CRSError,
            OSError,
            ValueError,
        ):
            continue
        box = info["total_bounds"]
        if box is None or not np.isfinite(box).all() or not crs.is_geographic:
            continue
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        plausible = bool(in_china(x, y)) if city.timezone == "Asia/Shanghai" else abs(x) <= 180 and abs(y) <= 90  # noqa: PLR2004
        if plausible:
            return float(x), float(y)
    return None
