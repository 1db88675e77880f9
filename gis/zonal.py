"""What satellites say of each grid: zonal statistics of spectral indices, and their change between two dates.

Cells count by the exact share of their area inside a zone (exactextract), so that small grids are not judged by whole pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import geopandas as gpd
    import numpy.typing as npt
    from rasterio.crs import CRS

_TINY = 1e-6  # of a cell: what rounding leaves
_MOST_EMPTY = 20  # times the cells of the scenes themselves
# Normalised differences (a - b) / (a + b): NDVI, Rouse et al. 1974; NDBI, Zha, Gao and Ni 2003.
INDICES: dict[str, tuple[str, str]] = {"ndvi": ("nir", "red"), "ndbi": ("swir", "nir")}


@dataclass(frozen=True, slots=True)
class ZonalSettings:
    """Thresholds an analyst may change; none is the policy's.

    Attributes:
        share_above: per measure, the value above which a cell counts for `share` (NDVI 0.3: vegetated).
        change_step: a cell has lost or gained where its index changed by more than this.
    """

    share_above: tuple[tuple[str, float], ...] = (("ndvi", 0.3), ("ndbi", 0.0))
    change_step: float = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """One band: `cells` float64 (rows, columns) with NaN for no value; north-up transform; CRS."""

    cells: npt.NDArray[np.float64]
    transform: Affine
    crs: CRS


def spectral_index(bands: Mapping[str, Raster], measure: str) -> Raster:
    """NDVI or NDBI from bands by role; NaN where a band has no value or the sum is zero.

    Raises:
        InputError: a band of the index is not there, or the bands have different cells.
    """
    first, second = INDICES[measure]
    missing = [role for role in (first, second) if role not in bands]
    if missing:
        raise InputError(
            Fault(
                "zonal.band_missing",
                f"计算 {measure.upper()} 缺少波段：{'、'.join(missing)}",
                f"{measure.upper()} needs the bands {', '.join(missing)}",
                "在城市文件的 bands 中声明",
                "declare them under bands in the city file",
            )
        )
    a, b = bands[first], bands[second]
    if a.cells.shape != b.cells.shape or a.transform != b.transform or a.crs != b.crs:
        b = align(b, a)
    total = a.cells + b.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(total == 0, np.nan, (a.cells - b.cells) / total)
    return Raster(values, a.transform, a.crs)


def align(raster: Raster, onto: Raster) -> Raster:
    """The raster resampled (bilinear) onto the cells of another one; cells outside become NaN."""
    values = np.full(onto.cells.shape, np.nan)
    reproject(
        raster.cells,
        values,
        src_transform=raster.transform,
        src_crs=raster.crs,
        src_nodata=np.nan,
        dst_transform=onto.transform,
        dst_crs=onto.crs,
        dst_nodata=np.nan,
        resampling=Resampling.bilinear,
    )
    return Raster(values, onto.transform, onto.crs)


def mosaic(rasters: Sequence[Raster]) -> Raster:
    """Rasters as one, on the cells of the first one going on over all of them; where several have a value, the earlier one's.

    Raises:
        InputError: they lie so far apart that nearly all of the common rectangle would be empty.
    """
    first = rasters[0]
    boxes = np.array([_bounds_in(r, first) for r in rasters])
    t = first.transform
    left, top = np.floor((boxes[:, 0].min() - t.c) / t.a + _TINY), np.floor((boxes[:, 3].max() - t.f) / t.e + _TINY)
    right, bottom = np.ceil((boxes[:, 2].max() - t.c) / t.a - _TINY), np.ceil((boxes[:, 1].min() - t.f) / t.e - _TINY)
    shape = int(bottom - top), int(right - left)
    if shape[0] * shape[1] > _MOST_EMPTY * sum(r.cells.size for r in rasters):
        fix = "检查影像的坐标", "check where the scenes lie"
        problem = "同日各景相距太远，无法拼接", "the scenes of one date lie too far apart to be joined"
        raise InputError(Fault("zonal.apart", *problem, *fix))
    onto = Raster(np.full(shape, np.nan), Affine(t.a, 0, t.c + left * t.a, 0, t.e, t.f + top * t.e), first.crs)
    cells = onto.cells
    for raster in rasters:
        moved = align(raster, onto)
        cells = np.where(np.isnan(cells), moved.cells, cells)
    return Raster(cells, onto.transform, onto.crs)


def _bounds_in(raster: Raster, like: Raster) -> tuple[float, float, float, float]:
    """West, south, east, north of a raster in the CRS of another one."""
    t, (rows, columns) = raster.transform, raster.cells.shape
    bounds = (t.c, t.f + rows * t.e, t.c + columns * t.a, t.f)
    return bounds if raster.crs == like.crs else transform_bounds(raster.crs, like.crs, *bounds)


def zonal_statistics(
    raster: Raster, zones: gpd.GeoDataFrame, *, scene_id: str, measure: str, settings: ZonalSettings | None = None
) -> pd.DataFrame:
    """Mean, share above the measure's threshold and valid share per zone: the `zonal` contract.

    Args:
        raster: the values.
        zones: polygons with column grid_id, any CRS.
        scene_id: written into the table.
        measure: written into the table, and picks the threshold.
        settings: thresholds.

    Returns:
        One row a zone, in the order of `zones`; mean and share are NaN where no cell has a value.
    """
    settings = settings or ZonalSettings()
    threshold = dict(settings.share_above).get(measure)
    above = np.full(raster.cells.shape, np.nan)
    if threshold is not None:
        above = np.where(np.isnan(raster.cells), np.nan, (raster.cells > threshold).astype(float))
    means = _means(raster, {"mean": raster.cells, "share": above}, zones)
    return pd.DataFrame(
        {"scene_id": scene_id, "grid_id": zones["grid_id"].to_numpy(), "measure": measure, **means},
        columns=["scene_id", "grid_id", "measure", "mean", "share", "valid_share"],
    )


def zonal_change(
    before: Raster,
    after: Raster,
    zones: gpd.GeoDataFrame,
    *,
    before_id: str,
    after_id: str,
    measure: str,
    settings: ZonalSettings | None = None,
) -> pd.DataFrame:
    """Change of an index per zone over the cells valid at both dates: the `zonal_change` contract."""
    settings = settings or ZonalSettings()
    change = index_change(before, after)
    none = np.isnan(change.cells)
    loss = np.where(none, np.nan, (change.cells < -settings.change_step).astype(float))
    gain = np.where(none, np.nan, (change.cells > settings.change_step).astype(float))
    means = _means(change, {"mean_change": change.cells, "loss_share": loss, "gain_share": gain}, zones)
    ids = {"before_id": before_id, "after_id": after_id, "grid_id": zones["grid_id"].to_numpy(), "measure": measure}
    return pd.DataFrame({**ids, **means}, columns=[*ids, "mean_change", "loss_share", "gain_share", "valid_share"])


def index_change(before: Raster, after: Raster) -> Raster:
    """After minus before, on the cells of `before`; NaN where either has no value."""
    if after.cells.shape != before.cells.shape or after.transform != before.transform or after.crs != before.crs:
        after = align(after, before)
    return Raster(after.cells - before.cells, before.transform, before.crs)


def _means(
    like: Raster, arrays: Mapping[str, npt.NDArray[np.float64]], zones: gpd.GeoDataFrame
) -> dict[str, npt.NDArray[np.float64]]:
    """Area-weighted means per zone of each array, and valid_share: covered valid area over the zone's area."""
    rows, columns = like.cells.shape
    t = like.transform
    bounds = {"xmin": t.c, "ymax": t.f, "xmax": t.c + columns * t.a, "ymin": t.f + rows * t.e}
    wkt = like.crs.to_wkt()
    projected = zones[["geometry"]].to_crs(wkt)
    sources = [NumPyRasterSource(a, **bounds, nodata=np.nan, name=n, srs_wkt=wkt) for n, a in arrays.items()]
    sources.append(NumPyRasterSource((~np.isnan(like.cells)).astype(float), **bounds, name="valid", srs_wkt=wkt))
    found = exact_extract(sources, projected, ["mean", "count"], output="pandas")
    area_cells = projected.geometry.area.to_numpy() / abs(t.a * t.e)
    out = {name: found[f"{name}_mean"].to_numpy(dtype=float) for name in arrays}
    valid = found["valid_mean"].fillna(0).to_numpy(float) * found["valid_count"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(area_cells > 0, valid / area_cells, 0.0)
    out["valid_share"] = np.clip(np.nan_to_num(share), 0.0, 1.0)
    return out
