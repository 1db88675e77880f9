"""Remote sensing scenes: a catalogue of which band of which file shows what, when, where; the pixels stay in their files."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatch
from glob import has_magic
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyproj
import rasterio
import rasterio.errors
import rasterio.windows
import shapely

from etl.base import Read, empty_quarantine, sha256_of, source_files
from etl.readers.tabular import empty_fault
from gis.errors import Fault, InputError
from layers.contracts import TABLES
from layers.store.base import SourceRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.base import Context
    from layers.city import City, Source

_SENTINEL = re.compile(r"(?:^|_)B(\d{1,2}A?)(?=_|\.|$)")
_SENTINEL_ROLES = {
    "02": "blue",
    "03": "green",
    "04": "red",
    "08": "nir",
    "8A": "nir_narrow",
    "11": "swir",
    "12": "swir2",
}
_DATES = (
    re.compile(r"(?<!\d)((?:19|20)\d{2})-(\d{2})-(\d{2})(?!\d)"),
    re.compile(r"(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(?!\d)"),
)
_DATE_TAGS = (
    "ACQUISITION_DATE",
    "ACQUISITIONDATETIME",
    "DATE_ACQUIRED",
    "SENSING_TIME",
    "TIFFTAG_DATETIME",
    "datetime",
)
_EDGE_POINTS = 21


@dataclass(frozen=True, slots=True)
class _Raster:
    """What is known of one raster file without its pixels. `written` is its path as the city file would write it."""

    path: Path
    written: str
    count: int
    crs: pyproj.CRS | None
    bounds: tuple[float, float, float, float]
    nodata: float | None
    day: date | None


def read_scenes(source: Source, context: Context) -> Read:
    """Scenes of one source: one for each date that its files show, with bands by role, no-data value, cloud mask and footprint.

    Roles come from `bands`, else from Sentinel-2 file names (`…_B04_10m.jp2`), else they are b1, b2 …. The date comes from `acquired`, else
    from the file name, else from the file's tags. `bands` holds {role: {path, index}}; `city.resolve(path)` opens it.

    Raises:
        InputError: a file is missing, cut off or no raster; it has no CRS or no date; a role names no file or band; the files of a scene
            differ in CRS.
    """
    files = source_files(source, context.city)
    rasters: list[_Raster] = []
    faults: list[Fault] = []
    for file in files:
        try:
            rasters.append(_look(file, _written(file, source, context.city)))
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    groups = _by_day(rasters, source)
    mask = (
        None
        if source.cloud_mask is None
        else {"path": source.cloud_mask, "index": 1, "values": list(source.cloud_values)}
    )
    mask_files = [] if source.cloud_mask is None else [_mask_file(source, context.city)]
    rows = []
    for day, members in groups.items():
        bands = _bands(source, members)
        used = {b["path"] for b in bands.values()}
        members = [m for m in members if m.written in used]  # noqa: PLW2901 (files of other bands are passed over)
        name = str(source.constants.get("scene_id", source.name))
        sha256 = sha256_of([m.path for m in members] + mask_files)
        rows.append(_row(source, name if len(groups) == 1 else f"{name}-{day}", day, members, bands, mask, sha256))
    columns = [c.name for c in TABLES["scenes"].columns]
    frame = gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=4326)
    record = SourceRecord(
        source=source.name, table="scenes", path=source.where, sha256=sha256_of([*files, *mask_files]), rows_in=len(frame),
        crs=", ".join(sorted(set(frame["crs"]))),
    )  # fmt: skip
    return Read(frame, empty_quarantine(), record)


def _row(
    source: Source,
    scene: str,
    day: date,
    members: Sequence[_Raster],
    bands: dict[str, Any],
    mask: dict[str, Any] | None,
    sha256: str,
) -> dict[str, Any]:
    crs = _one_crs(source, members)
    own = {m.nodata for m in members}
    declared = (
        source.nodata if source.nodata is not None else own.pop() if len(own) == 1 else None
    )  # else each file's own
    epsg = crs.to_epsg()
    return {
        "scene_id": scene, "acquired": day, "sensor": source.sensor, "bands": bands, "nodata": declared, "cloud_mask": mask,
        "crs": f"EPSG:{epsg}" if epsg else crs.to_wkt(), "sha256": sha256, "geometry": footprint(crs, [m.bounds for m in members]),
    }  # fmt: skip


def footprint(crs: pyproj.CRS, bounds: Sequence[tuple[float, float, float, float]]) -> shapely.Polygon:
    """What several rasters cover together (their common rectangle) in EPSG:4326; edges are bent as the projection bends them."""
    sides = np.array(bounds)  # south may be on top
    low = np.max(np.minimum(sides[:, :2], sides[:, 2:]), axis=0)
    high = np.min(np.maximum(sides[:, :2], sides[:, 2:]), axis=0)
    box = shapely.box(low[0], low[1], high[0], high[1])
    edge = max(float(high[0] - low[0]), float(high[1] - low[1])) / (_EDGE_POINTS - 1)
    change = pyproj.Transformer.from_crs(crs, pyproj.CRS.from_epsg(4326), always_xy=True)
    ring = shapely.get_coordinates(shapely.segmentize(box, edge))
    return shapely.Polygon(np.column_stack(change.transform(ring[:, 0], ring[:, 1])))


def _look(path: Path, written: str) -> _Raster:
    """Open a raster, and read its last block: a file that was cut off shows it there."""
    if path.stat().st_size == 0:
        raise empty_fault(path.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path) as data:
                height, width = data.block_shapes[-1]
                row, column = (data.height - 1) // height * height, (data.width - 1) // width * width
                last = rasterio.windows.Window(column, row, data.width - column, data.height - row)
                data.read(data.count, window=last)
                if data.transform.b or data.transform.d:
                    fix = "先重投影为正北向上的影像", "warp it to a north-up raster first"
                    askew = "影像是斜放的", "the scene lies askew (its rows do not run east)"
                    raise InputError(Fault("scene.askew", *askew, *fix, file=path.name))
                crs = None if data.crs is None else pyproj.CRS.from_wkt(data.crs.to_wkt())
                return _Raster(
                    path, written, data.count, crs, tuple(data.bounds), data.nodata, _day_of(path.name, data.tags())
                )
    except rasterio.errors.RasterioError as error:
        words = " ".join(str(error).split()).replace(str(path), path.name)[:200]
        fix = "重新导出或重新传输该文件", "export or transfer the file again"
        problem = f"不是影像，或文件不完整（{words}）", f"no raster, or cut off ({words})"
        raise InputError(Fault("source.unreadable", *problem, *fix, file=path.name)) from error


def _day_of(name: str, tags: dict[str, str]) -> date | None:
    """Date in a file name, else in the tags."""
    for text in (name, *(tags[t] for t in _DATE_TAGS if t in tags)):
        for pattern in _DATES:
            found = pattern.search(text.replace(":", "-") if text is not name else text)
            if found is None:
                continue
            try:
                return date(*(int(g) for g in found.groups()))
            except ValueError:
                continue
    return None


def _by_day(rasters: list[_Raster], source: Source) -> dict[date, list[_Raster]]:
    """Rasters by date; a declared date holds for all."""
    groups: dict[date, list[_Raster]] = {}
    faults: list[Fault] = []
    for raster in rasters:
        day = source.acquired or raster.day
        if isinstance(day, datetime):
            day = day.date()
        if day is None:
            fix = (
                f"在来源 {source.name} 中写 acquired = 2026-03-08",
                f"write acquired = 2026-03-08 at source {source.name}",
            )
            faults.append(Fault("scenes.date", "影像没有日期", "the scene has no date", *fix, file=raster.path.name))
            continue
        groups.setdefault(day, []).append(raster)
    if faults:
        raise InputError(faults)
    return dict(sorted(groups.items()))


def _one_crs(source: Source, members: Sequence[_Raster]) -> pyproj.CRS:
    declared = None if source.crs is None else pyproj.CRS.from_user_input(source.crs)
    found = [m.crs or declared for m in members]
    first = found[0] if found else declared
    if first is None or any(c is None for c in found):
        fix = f"在来源 {source.name} 中写 crs", f"write crs at source {source.name}"
        raise InputError(Fault("scenes.crs", "影像没有坐标系", "the scene has no CRS", *fix, file=source.where))
    if any(c != first for c in found):
        fix = "先重投影到同一坐标系", "reproject them first"
        raise InputError(
            Fault("scenes.crs", "同一影像各文件坐标系不同", "files of one scene differ in CRS", *fix, file=source.where)
        )
    return first


def _bands(source: Source, members: Sequence[_Raster]) -> dict[str, dict[str, Any]]:
    """Role to file and index (from 1)."""
    if source.bands:
        return {role: _declared(source, members, role, what) for role, what in source.bands.items()}
    out: dict[str, dict[str, Any]] = {}
    for member in members:
        found = _SENTINEL.search(member.path.name)
        role = _SENTINEL_ROLES.get(found[1].zfill(2), f"b{found[1]}") if found else None
        if role is not None and member.count == 1:
            out[role] = {"path": member.written, "index": 1}
    if out:
        return out
    first = members[0]
    return {f"b{i}": {"path": first.written, "index": i} for i in range(1, first.count + 1)}


def _declared(source: Source, members: Sequence[_Raster], role: str, what: str | int) -> dict[str, Any]:
    """The band that a declaration means: an index of the only file, `file`, or `file#index`; files by name, path or wildcard."""
    text = str(what)
    pattern, _, number = ("", "", text) if isinstance(what, int) or text.isdigit() else text.partition("#")
    fitting = [
        m
        for m in members
        if not pattern
        or pattern in {m.written, m.path.name}
        or fnmatch(m.path.name, pattern)
        or fnmatch(m.written, pattern)
    ]
    index = int(number) if number.isdigit() else 1
    if len(fitting) == 1 and 1 <= index <= fitting[0].count:
        return {"path": fitting[0].written, "index": index}
    listed = "、".join(m.path.name for m in members)
    problem = f"波段 {role} = {text} 不能对应到唯一的文件和序号", f"band {role} = {text} means no single file and index"
    fix = f"现有文件：{listed}", f"files: {listed.replace('、', ', ')}"
    raise InputError(Fault("scenes.band", *problem, *fix, file=source.where, column=role))


def _mask_file(source: Source, city: City) -> Path:
    path = city.resolve(source.cloud_mask or "")
    if not path.is_file():
        problem = "云掩膜文件不存在", "the cloud mask file is missing"
        raise InputError(
            Fault("source.missing", *problem, "检查 cloud_mask", "check cloud_mask", file=source.cloud_mask)
        )
    _look(path, source.cloud_mask or "")
    return path


def _written(file: Path, source: Source, city: City) -> str:
    """The path of a file as the city file writes it, wildcards filled in: nothing of the machine is kept."""
    for pattern in source.paths:
        parts = pattern.replace("\\", "/").split("/")
        first = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
        base = city.resolve("/".join(parts[:first])) if first else city.root
        if file.is_relative_to(base):
            candidate = "/".join([*parts[:first], file.relative_to(base).as_posix()])
            if city.resolve(candidate) == file and (has_magic(pattern) or city.resolve(pattern) == file):
                return candidate
    return file.name
