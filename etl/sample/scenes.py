"""Two scenes of the town from space, half a year apart: between them one park has become a construction site.

Bands red, nir and swir as surface reflectance times 10,000 (uint16, 0 is no data), 10 m cells in EPSG:32651. Water, roofs, roads, fields
and parks have reflectances as they are usual for Sentinel-2 (B04, B08, B11); the second scene has a strip without data and a small cloud
with its mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import shapely

    from etl.sample.county import County

SCENE_CRS = "EPSG:32651"
CELL_M = 10.0
DATES = ("2025-09-12", "2026-03-08")
REFLECTANCE = {  # red, nir, swir
    "water": (500, 250, 120),
    "field": (700, 2900, 1900),
    "built": (1500, 1900, 2300),
    "road": (1200, 1400, 1700),
    "park": (450, 3900, 1500),
    "site": (2300, 2700, 3400),
}
PARK_BLOCK = (7, 13)  # lower left crossing of the block with the park, column and row of the town's lattice


def changed_park(county: County) -> shapely.Polygon:
    """The park that became a construction site, in the county's CRS: three unit grids and a little more."""
    grids = county.tables["unit_grids"]
    middle = grids.geometry.iloc[(PARK_BLOCK[0] * 16 + PARK_BLOCK[1]) * 6].centroid
    return middle.buffer(140, quad_segs=12)


def write_scenes(county: County, folder: Path, *, rng: np.random.Generator) -> dict[str, object]:
    """Write both scenes, one file a band, and the cloud mask of the second; returns what changed, for the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    zone = county.tables["areas"].query("kind == 'central'").to_crs(SCENE_CRS).total_bounds
    west, south, east, north = (float(v) for v in np.round(zone / CELL_M) * CELL_M + np.array([-300, -300, 600, 300]))
    shape = (int((north - south) / CELL_M), int((east - west) / CELL_M))
    transform = rasterio.Affine(CELL_M, 0.0, west, 0.0, -CELL_M, north)
    park = changed_park(county)
    cover = _cover(county, shape, transform)
    texture = rng.normal(1.0, 0.05, shape)
    for number, date in enumerate(DATES):
        now = cover.copy()
        now[_mask(county, [park], shape, transform)] = "site" if number else "park"
        cloud = _cloud(shape) if number else np.zeros(shape, np.bool_)
        for k, band in enumerate(("red", "nir", "swir")):
            values = np.zeros(shape)
            for name, reflectance in REFLECTANCE.items():
                values[now == name] = reflectance[k]
            values *= texture * rng.normal(1.0, 0.02, shape)
            values[cloud] = 7000
            band_values = np.clip(np.rint(values), 1, 10000).astype(np.uint16)
            if number:
                band_values[:, -12:] = 0
            _write(folder / f"{date}_{band}.tif", band_values, transform)
        if number:
            _write(folder / f"{date}_cloud.tif", cloud.astype(np.uint8), transform)
    truth: dict[str, object] = {
        "before": DATES[0], "after": DATES[1], "what": "park_to_construction_site", "geometry_crs": "EPSG:4550", "geometry_wkt": park.wkt,
        "ndvi_before": _ndvi("park"), "ndvi_after": _ndvi("site"), "area_m2": round(park.area, 1),
    }  # fmt: skip
    return truth


def _ndvi(name: str) -> float:
    red, nir, _ = REFLECTANCE[name]
    return round((nir - red) / (nir + red), 4)


def _cover(county: County, shape: tuple[int, int], transform: rasterio.Affine) -> npt.NDArray[np.str_]:
    """Land cover: sea beyond the boundary, the built town, its roads, fields around it."""
    areas = county.tables["areas"]
    cover = np.full(shape, "water", dtype="<U5")
    cover[_mask(county, areas[areas["kind"] == "boundary"].geometry, shape, transform)] = "field"
    cover[_mask(county, areas[areas["kind"] == "central"].geometry, shape, transform)] = "built"
    roads: gpd.GeoDataFrame = county.tables["road_edges"]
    cover[_mask(county, roads.geometry.buffer(7), shape, transform)] = "road"
    return cover


def _mask(county: County, shapes: object, shape: tuple[int, int], transform: rasterio.Affine) -> npt.NDArray[np.bool_]:
    moved = gpd.GeoSeries(list(shapes), crs=county.tables["areas"].crs).to_crs(SCENE_CRS)  # type: ignore[call-overload]
    burnt = rasterio.features.rasterize(
        [(g, 1) for g in moved], out_shape=shape, transform=transform, fill=0, dtype="uint8"
    )
    found: npt.NDArray[np.bool_] = burnt == 1
    return found


def _cloud(shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    row, column = np.ogrid[: shape[0], : shape[1]]
    cloud: npt.NDArray[np.bool_] = ((row - 330) / 28) ** 2 + ((column - 120) / 40) ** 2 < 1
    return cloud


def _write(path: Path, values: npt.NDArray[np.generic], transform: rasterio.Affine) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype.name,
        crs=SCENE_CRS, transform=transform, nodata=None if values.dtype == np.uint8 else 0, compress="deflate", predictor=2,
    ) as out:  # fmt: skip
        out.write(values, 1)
