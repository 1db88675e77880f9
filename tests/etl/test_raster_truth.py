"""Whatever GDAL can say of a band is honoured: orientation, scale, no-data and masks of each file; tiles of a date are one scene."""

import datetime as dt

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio import Affine

from etl.base import Context
from etl.readers import reader_of
from etl.remote_sensing import remote_sensing
from gis.errors import InputError
from gis.zonal import Raster, mosaic
from layers.city import City, Source

CRS = "EPSG:32651"
X0, Y0 = 390_000.0, 3_262_000.0
NORTH = Affine(10, 0, X0, 0, -10, Y0 + 40)
RED = np.array([[1, 1, 3, 3]] * 4, dtype=float)  # NDVI 0.5 west, 0 east, with NIR 3
NIR = np.full((4, 4), 3.0)


def write(path, *bands, transform=NORTH, crs=CRS, scales=None, offsets=None, mask=None, **profile):
    cells = [np.asarray(b) for b in bands]
    shape = {"height": cells[0].shape[0], "width": cells[0].shape[1], "count": len(cells)}
    kind = {"driver": "GTiff", "dtype": cells[0].dtype.name, "crs": crs, "transform": transform, **shape, **profile}
    with rasterio.open(path, "w", **kind) as out:
        for i, band in enumerate(cells, start=1):
            out.write(band.astype(kind["dtype"]), i)
        if scales:
            out.scales = scales
            out.offsets = offsets
        if mask is not None:
            out.write_mask(mask)


def grids():
    boxes = [shapely.box(X0 + x, Y0, X0 + x + 20, Y0 + 40) for x in (0, 20)]
    return gpd.GeoDataFrame({"grid_id": ["W", "E"]}, geometry=boxes, crs=CRS).to_crs(4326)


def figures(folder, sources):
    city = City(path=folder / "city.toml", id="x", name="x")
    frames = [reader_of("scenes")(Source(table="scenes", **s), Context(city)).frame for s in sources]
    return remote_sensing(city, pd.concat(frames, ignore_index=True), grids())


def ndvi(folder, **more):
    source = {"name": "s", "path": "s.tif", "acquired": dt.date(2026, 3, 1), "bands": {"red": 1, "nir": 2}, **more}
    zonal, _ = figures(folder, [source])
    return [round(v, 6) for v in zonal["mean"]], [round(v, 3) for v in zonal["valid_share"]]


GOOD = ([0.5, 0.0], [1.0, 1.0])


@pytest.mark.parametrize(
    ("flip", "transform"),
    [
        ((slice(None, None, -1), slice(None)), Affine(10, 0, X0, 0, 10, Y0)),
        ((slice(None), slice(None, None, -1)), Affine(-10, 0, X0 + 40, 0, -10, Y0 + 40)),
        ((slice(None, None, -1), slice(None, None, -1)), Affine(-10, 0, X0 + 40, 0, 10, Y0)),
    ],
)
def test_rows_and_columns_may_run_the_other_way(tmp_path, flip, transform):
    red = RED.copy()
    red[0, 0] = np.nan
    write(tmp_path / "s.tif", red[flip], NIR[flip], transform=transform)
    assert ndvi(tmp_path) == ([0.5, 0.0], [0.875, 1.0])


def test_scale_and_offset_are_applied(tmp_path):
    write(tmp_path / "s.tif", (RED + 1) * 100, (NIR + 1) * 100, scales=(0.01, 0.01), offsets=(-1, -1), dtype="uint16")
    assert ndvi(tmp_path) == GOOD


def test_each_file_has_its_own_no_data(tmp_path):
    red, nir = RED.copy(), NIR.copy()
    red[0, 0], nir[3, 3] = 65535, -9999
    write(tmp_path / "red.tif", red, dtype="uint16", nodata=65535)
    write(tmp_path / "nir.tif", nir, dtype="int16", nodata=-9999)
    got = ndvi(tmp_path, path="*.tif", bands={"red": "red.tif", "nir": "nir.tif"})
    assert got == ([0.5, 0.0], [0.875, 0.875])
    red[1, 1] = 7
    write(tmp_path / "red.tif", red, dtype="uint16", nodata=65535)
    got = ndvi(tmp_path, path="*.tif", bands={"red": "red.tif", "nir": "nir.tif"}, nodata=7)
    assert got[1] == [0.875, 1.0]  # what the city file declares counts for all


def test_masks_and_infinity_hide_cells(tmp_path):
    mask = np.full((4, 4), fill_value=True)
    mask[:, 0] = False
    write(tmp_path / "s.tif", RED, NIR, mask=mask, dtype="uint8")
    assert ndvi(tmp_path) == ([0.5, 0.0], [0.5, 1.0])
    red = RED.copy()
    red[0, 0], red[0, 3] = np.inf, -np.inf
    write(tmp_path / "s.tif", red, NIR)
    assert ndvi(tmp_path) == ([0.5, 0.0], [0.875, 0.875])


def test_a_declared_crs_stands_for_none_and_a_raster_askew_is_refused(tmp_path):
    write(tmp_path / "s.tif", RED, NIR, crs=None)
    assert ndvi(tmp_path, crs=CRS) == GOOD
    write(tmp_path / "s.tif", RED, NIR, transform=NORTH @ Affine.rotation(10))
    with pytest.raises(InputError, match="askew"):
        ndvi(tmp_path)


def test_tiles_of_a_date_are_one_scene(tmp_path):
    for day, red in ((1, RED), (11, RED * 3)):
        for name, cut in (("w", slice(0, 2)), ("e", slice(2, 4))):
            write(
                tmp_path / f"{name}{day}.tif",
                red[:, cut],
                NIR[:, cut],
                transform=NORTH @ Affine.translation(cut.start, 0),
            )
    sources = [
        {"name": f"{n}{d}", "path": f"{n}{d}.tif", "acquired": dt.date(2026, 3, d), "bands": {"red": 1, "nir": 2}}
        for d in (1, 11)
        for n in "we"
    ]
    _, change = figures(tmp_path, sources)
    assert change[["before_id", "after_id"]].drop_duplicates().to_numpy().tolist() == [["e1+w1", "e11+w11"]]
    assert change["mean_change"].round(6).tolist() == [-0.5, -0.5]  # 0.5 to 0, and 0 to -0.5
    assert change["valid_share"].round(6).tolist() == [1, 1]


def test_tiles_far_apart_are_not_joined():
    crs = rasterio.crs.CRS.from_user_input(CRS)
    near, far = (Raster(NIR, NORTH @ Affine.translation(x, 0), crs) for x in (0, 5000))
    assert mosaic([near, Raster(NIR, NORTH @ Affine.translation(4, 0), crs)]).cells.shape == (4, 8)
    with pytest.raises(InputError, match="too far apart"):
        mosaic([near, far])
