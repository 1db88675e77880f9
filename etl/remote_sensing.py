"""Scenes to figures per work grid: bands read from their files, spectral indices, zonal statistics and change between dates."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import rasterio
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import MaskFlags

from gis.errors import Fault, InputError
from gis.zonal import INDICES, Raster, align, mosaic, spectral_index, zonal_change, zonal_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import geopandas as gpd

    from layers.city import City

ZONAL_COLUMNS = ["scene_id", "grid_id", "measure", "mean", "share", "valid_share"]
CHANGE_COLUMNS = [
    "before_id",
    "after_id",
    "grid_id",
    "measure",
    "mean_change",
    "loss_share",
    "gain_share",
    "valid_share",
]


def remote_sensing(city: City, scenes: pd.DataFrame, grids: gpd.GeoDataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Zonal statistics of every scene and their change from each date to the next; the tiles of a date are one scene.

    Args:
        city: resolves the paths of the bands.
        scenes: the `scenes` contract.
        grids: zones with grid_id.

    Returns:
        The `zonal` and the `zonal_change` contract.

    Raises:
        InputError: a file of a scene is gone or cannot be read.
    """
    zonal, changes = [], []
    by_measure: dict[str, dict[Any, list[tuple[str, Raster]]]] = {}
    for scene in scenes.sort_values(["acquired", "scene_id"], kind="stable").to_dict("records") if len(grids) else []:
        bands = _bands(city, scene)
        for measure, roles in INDICES.items():
            if set(roles) <= set(bands):
                raster = spectral_index(bands, measure)
                dated = by_measure.setdefault(measure, {})
                dated.setdefault(scene["acquired"], []).append((scene["scene_id"], raster))
                zonal.append(zonal_statistics(raster, grids, scene_id=scene["scene_id"], measure=measure))
    for measure, dated in by_measure.items():
        for (before_id, before), (after_id, after) in pairwise(_of_a_date(tiles) for tiles in dated.values()):
            changes.append(zonal_change(before, after, grids, before_id=before_id, after_id=after_id, measure=measure))
    return _stacked(zonal, ZONAL_COLUMNS), _stacked(changes, CHANGE_COLUMNS)


def _of_a_date(tiles: list[tuple[str, Raster]]) -> tuple[str, Raster]:
    """The tiles of one date as one raster, called by all of their ids."""
    return (
        tiles[0] if len(tiles) == 1 else ("+".join(name for name, _ in tiles), mosaic([raster for _, raster in tiles]))
    )


def _stacked(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(
        {c: pd.Series(dtype="float64" if c.endswith(("share", "mean", "change")) else "str") for c in columns}
    )


def _bands(city: City, scene: Mapping[Any, Any]) -> dict[str, Raster]:
    """The bands that an index needs, clouds and no-data as NaN."""
    wanted = {role for roles in INDICES.values() for role in roles}
    bands = {
        role: _read(city.resolve(at["path"]), at["index"], nodata=scene["nodata"], crs=scene["crs"])
        for role, at in dict(scene["bands"]).items()
        if role in wanted
    }
    mask = scene["cloud_mask"]
    if isinstance(mask, dict) and mask.get("path") and bands:
        cloud = _read(city.resolve(mask["path"]), int(mask.get("index", 1)), nodata=None, crs=scene["crs"])
        covered = np.isin(cloud.cells, list(mask.get("values", (1,)))).astype(float)
        bands = {role: _masked(raster, Raster(covered, cloud.transform, cloud.crs)) for role, raster in bands.items()}
    return bands


def _masked(raster: Raster, cloud: Raster) -> Raster:
    """The raster without the cells that the mask calls cloud (any part of a cell)."""
    same = cloud.cells.shape == raster.cells.shape and cloud.transform == raster.transform
    over = cloud if same else align(cloud, raster)
    return Raster(np.where(over.cells > 0, np.nan, raster.cells), raster.transform, raster.crs)


def _read(path: Path, index: int, *, nodata: float | None, crs: str | None = None) -> Raster:
    """One band as float64, north up: everything that GDAL says of it is honoured.

    The declared no-data value, else the file's own, and what its mask or alpha band hides become NaN, as does what is infinite; scale and
    offset are applied; rows or columns that run the other way are turned.

    Raises:
        InputError: the file is gone or damaged, lies askew, or neither it nor the city file names a CRS.
    """
    try:
        with rasterio.open(path) as source:
            cells = source.read(index).astype(np.float64)
            none = source.nodata if nodata is None or np.isnan(nodata) else nodata
            flags = source.mask_flag_enums[index - 1]
            hidden = None
            if not {MaskFlags.all_valid, MaskFlags.nodata} & set(flags):
                hidden = source.read_masks(index) == 0
            scale, offset = source.scales[index - 1], source.offsets[index - 1]
            own = source.crs
            transform = source.transform
    except rasterio.errors.RasterioError as error:
        raise InputError(
            Fault(
                "scene.unreadable",
                f"影像无法读取：{error}",
                f"the scene cannot be read: {error}",
                "恢复文件或重新入库",
                "restore the file or load anew",
                file=path.name,
            )
        ) from error
    if own is None and crs is None:
        raise InputError(Fault("scene.crs", "影像没有坐标系", "the scene has no CRS", file=path.name))
    if none is not None:
        cells[cells == none] = np.nan
    if hidden is not None:
        cells[hidden] = np.nan
    cells[~np.isfinite(cells)] = np.nan
    if (scale, offset) != (1.0, 0.0):
        cells = cells * scale + offset
    return _north_up(Raster(cells, transform, CRS.from_user_input(own or crs)), path)


def _north_up(raster: Raster, path: Path) -> Raster:
    """The same cells with north on top and west on the left.

    Raises:
        InputError: its rows do not run east.
    """
    t, (rows, columns) = raster.transform, raster.cells.shape
    if t.b or t.d or not t.a or not t.e:
        fix = "先重投影为正北向上的影像", "warp it to a north-up raster first"
        raise InputError(
            Fault(
                "scene.askew", "影像是斜放的", "the scene lies askew (its rows do not run east)", *fix, file=path.name
            )
        )
    cells = raster.cells
    if t.e > 0:
        cells, t = cells[::-1], Affine(t.a, 0, t.c, 0, -t.e, t.f + rows * t.e)
    if t.a < 0:
        cells, t = cells[:, ::-1], Affine(-t.a, 0, t.c + columns * t.a, 0, t.e, t.f)
    return Raster(np.ascontiguousarray(cells), t, raster.crs)
