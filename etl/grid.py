"""`xuncha grid`: work grids for a city that has none, as a file that its city file can name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely

from etl.base import Context, Progress, silent
from etl.load import chosen_sources, read_sources
from gis.crs import WGS84, metric_crs_of
from gis.cutting import cut_along_roads, cut_cells
from gis.errors import Fault, ImpossibleError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from layers.city import City

Method = Literal["square", "hex", "roads"]
_OUTLINES = ("boundary", "scope", "town")  # what bounds the grids, first found first taken
_DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON"}
_FIXED_DATE = "2000-01-01T00:00:00Z"  # written into the file, so that the same input gives the same bytes


def make_grids(
    city: City,
    *,
    areas: gpd.GeoDataFrame | None,
    roads: gpd.GeoDataFrame | None,
    method: Method = "square",
    cell_m: float = 1000.0,
    min_share: float = 0.25,
    classes: Sequence[str] = ("main", "secondary"),
) -> gpd.GeoDataFrame:
    """Work grids (the `work_grids` contract, EPSG:4326) cut from a city's boundary.

    Args:
        city: names the metric CRS, where it has one.
        areas: areas of the city, EPSG:4326; boundary, else scope, else towns bound the grids, central and fringe give their level, towns
            their town. Without any of them the hull of the roads bounds the grids.
        roads: road edges, EPSG:4326.
        method: square or hexagonal cells, or blocks between roads.
        cell_m: side of a square or width of a hexagon, metres; for roads, a block under `min_share` × cell_m² is a sliver.
        min_share: share of a cell below which a part is joined to its neighbour.
        classes: policy classes of roads that cut.

    Raises:
        ImpossibleError: nothing bounds the grids, or no road of these classes cuts them.
        SettingsError: `cell_m` does not fit.
    """
    outline = _outline(areas, roads)
    middle = shapely.centroid(outline)
    crs = pyproj.CRS.from_user_input(city.metric_crs) if city.metric_crs else metric_crs_of(middle.x, middle.y)
    there = pyproj.Transformer.from_crs(WGS84, crs, always_xy=True)
    bound = _moved(np.array([outline], dtype=object), there)[0]
    if method == "roads":
        cells = cut_along_roads(bound, _moved(_cutting(roads, classes), there), min_area_m2=min_share * cell_m**2)
    else:
        cells = cut_cells(bound, cell_m=cell_m, shape=method, min_share=min_share)
    width = max(4, len(str(len(cells))))
    frame = gpd.GeoDataFrame(
        {"grid_id": [f"W{i:0{width}d}" for i in range(1, len(cells) + 1)], "name": None}, geometry=cells, crs=crs
    )
    frame["level"] = _largest(frame, areas, ("central", "fringe"), column="kind")
    frame["town_id"] = _largest(frame, areas, ("town",), column="area_id")
    frame["unit_id"] = None
    back = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    out = frame.set_geometry(gpd.GeoSeries(_moved(cells, back), crs=4326))
    return out[["grid_id", "name", "level", "town_id", "unit_id", "geometry"]]


def cut_grids(
    city: City, out: Path, *, cell_m: float = 1000.0, shape: str = "square", progress: Progress = silent
) -> int:
    """Cut the work grids of a city into a file that its city file can name; its sources of areas and roads are read, nothing is stored.

    Raises:
        SettingsError: the form, size or file ending does not fit.
        InputError: areas or roads cannot be read.
        ImpossibleError: nothing bounds or cuts the grids.
    """
    if shape not in get_args(Method):
        known = get_args(Method)
        raise SettingsError(
            Fault(
                "grid.shape",
                f"没有 {shape} 这种划分",
                f"there is no cut {shape}",
                f"可用：{'、'.join(known)}",
                f"known: {', '.join(known)}",
            )
        )
    context = Context(city, progress=progress)
    wanted = ("areas", "road_edges")
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        read_sources([s for s in chosen_sources(city, None) if s.table in wanted], context, Path(folder))
    held = {t: gpd.GeoDataFrame(context.tables[t]) if t in context.tables else None for t in wanted}
    method = cast("Method", shape)
    grids = make_grids(city, areas=held["areas"], roads=held["road_edges"], method=method, cell_m=cell_m)
    write_grids(grids, out)
    return len(grids)


def write_grids(grids: gpd.GeoDataFrame, path: Path) -> None:
    """Write grids as GeoPackage or GeoJSON; the same grids give the same bytes.

    Raises:
        SettingsError: the ending is neither .gpkg nor .geojson.
    """
    driver = _DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise SettingsError(
            Fault(
                "grid.format",
                f"无法写出 {path.suffix} 文件",
                f"cannot write {path.suffix}",
                "用 .gpkg 或 .geojson",
                "use .gpkg or .geojson",
                file=path.name,
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _FIXED_DATE})
    try:
        pyogrio.write_dataframe(
            grids, path, driver=driver, layer="work_grids", geometry_type="MultiPolygon", promote_to_multi=True
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _outline(areas: gpd.GeoDataFrame | None, roads: gpd.GeoDataFrame | None) -> shapely.Geometry:
    """What bounds the grids, EPSG:4326."""
    for kind in _OUTLINES if areas is not None else ():
        found = areas[areas["kind"] == kind] if areas is not None else None
        if found is not None and len(found):
            return shapely.union_all(np.asarray(found.geometry.array, dtype=object))
    if roads is not None and len(roads):
        points = shapely.get_coordinates(np.asarray(roads.geometry.array, dtype=object))
        return shapely.convex_hull(shapely.union_all(shapely.points(points)))
    raise ImpossibleError(
        Fault(
            "grid.boundary",
            "没有边界、范围、镇街或道路，无从划分",
            "no boundary, scope, town or road to cut from",
            '在城市文件中加 [[overlay]] kind = "boundary"',
            'add an [[overlay]] with kind = "boundary" to the city file',
        )
    )


def _cutting(roads: gpd.GeoDataFrame | None, classes: Sequence[str]) -> npt.NDArray[np.object_]:
    found = roads[roads["policy_class"].isin(list(classes))] if roads is not None else None
    if found is None or not len(found):
        listed = "、".join(classes)
        raise ImpossibleError(
            Fault(
                "grid.roads",
                f"没有等级为 {listed} 的道路可沿其划分",
                f"no road of class {listed.replace('、', ', ')} to cut along",
                "改用方格（square），或在 [roads.classes] 中写明等级",
                "use square cells, or map classes under [roads.classes]",
            )
        )
    return np.asarray(found.geometry.array, dtype=object)


def _moved(geometry: npt.NDArray[np.object_], change: pyproj.Transformer) -> npt.NDArray[np.object_]:
    out = shapely.transform(geometry, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(out, dtype=object)


def _largest(
    frame: gpd.GeoDataFrame, areas: gpd.GeoDataFrame | None, kinds: Sequence[str], *, column: str
) -> pd.Series[Any]:
    """For each cell the value of the area (of some kinds) that covers most of it, None where none does."""
    out = pd.Series([None] * len(frame), dtype="object")
    found = areas[areas["kind"].isin(list(kinds))] if areas is not None else None
    if found is None or not len(found):
        return out
    there = found.to_crs(str(frame.crs))
    cells, shapes = np.asarray(frame.geometry.array, dtype=object), np.asarray(there.geometry.array, dtype=object)
    at, of = shapely.STRtree(shapes).query(cells, predicate="intersects")
    share = shapely.area(shapely.intersection(cells[at], shapes[of]))
    values = there[column].to_numpy()
    for i in np.lexsort((of, -share))[::-1]:  # the largest is written last
        if share[i] > 0:
            out.iloc[int(at[i])] = values[of[i]]
    return out
