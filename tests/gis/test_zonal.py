from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from rasterio import Affine
from rasterio.crs import CRS
from shapely.geometry import box

from gis.errors import InputError
from gis.zonal import Raster, ZonalSettings, spectral_index, zonal_change, zonal_statistics

UTM = CRS.from_epsg(32650)
# Three by three cells of 10 m; upper left corner at (500000, 4400030).
AT = Affine(10, 0, 500_000, 0, -10, 4_400_030)


def raster(values) -> Raster:
    return Raster(np.array(values, dtype=float), AT, UTM)


def zones(*boxes) -> gpd.GeoDataFrame:
    shapes = [box(500_000 + a, 4_400_000 + b, 500_000 + c, 4_400_000 + d) for a, b, c, d in boxes]
    return gpd.GeoDataFrame({"grid_id": [f"G{i}" for i in range(len(shapes))]}, geometry=shapes, crs=UTM)


def test_mean_share_and_valid_share_by_hand() -> None:
    values = raster([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, np.nan]])
    # G0 is the left column: (0.1 + 0.4 + 0.7) / 3 = 0.4; above 0.3: two of three.
    # G1 is the lower right 15 m square: one whole cell of 100 m² without value, half cells 0.6 and 0.8 (50 m² each), a quarter of
    # 0.5 (25 m²): mean = (0.3 + 0.4 + 0.125) / 1.25 = 0.66; valid 125 of 225 m². G2 lies half outside to the left of the left column.
    found = zonal_statistics(
        values, zones((0, 0, 10, 30), (15, 0, 30, 15), (-10, 0, 10, 30)), scene_id="S", measure="ndvi"
    )
    assert found["mean"].tolist() == pytest.approx([0.4, 0.66, 0.4])
    assert found["share"].tolist() == pytest.approx([2 / 3, 1.0, 2 / 3])
    assert found["valid_share"].tolist() == pytest.approx([1.0, 125 / 225, 0.5])
    assert found["grid_id"].tolist() == ["G0", "G1", "G2"]


def test_a_zone_without_any_value_is_unknown_not_zero() -> None:
    found = zonal_statistics(raster(np.full((3, 3), np.nan)), zones((0, 0, 10, 10)), scene_id="S", measure="ndvi")
    assert np.isnan(found["mean"].iloc[0])
    assert found["valid_share"].iloc[0] == 0


def test_ndvi_and_ndbi_by_hand() -> None:
    bands = {"red": raster([[1, 0, np.nan]]), "nir": raster([[3, 0, 1]]), "swir": raster([[1, 1, 1]])}
    assert spectral_index(bands, "ndvi").cells[0, 0] == 0.5
    assert np.isnan(spectral_index(bands, "ndvi").cells[0, 1:]).all()
    assert spectral_index(bands, "ndbi").cells[0].tolist() == [-0.5, 1.0, 0.0]
    with pytest.raises(InputError, match="NDBI needs the bands swir"):
        spectral_index({"nir": bands["nir"]}, "ndbi")


def test_change_counts_only_cells_valid_at_both_dates() -> None:
    before = raster([[0.6, 0.6, 0.6], [0.6, 0.6, np.nan], [0.6, 0.6, 0.6]])
    after = raster([[0.1, 0.6, 0.6], [0.1, 0.6, 0.6], [0.1, 0.6, 0.9]])
    # All nine cells: eight are valid; three lost 0.5, one gained 0.3: mean (-1.5 + 0.3) / 8 = -0.15.
    found = zonal_change(
        before, after, zones((0, 0, 30, 30)), before_id="A", after_id="B", measure="ndvi", settings=ZonalSettings()
    ).iloc[0]
    assert found["mean_change"] == pytest.approx(-0.15)
    assert found["loss_share"] == pytest.approx(3 / 8)
    assert found["gain_share"] == pytest.approx(1 / 8)
    assert found["valid_share"] == pytest.approx(8 / 9)


def test_another_grid_of_cells_is_aligned() -> None:
    finer = Raster(np.full((6, 6), 0.2), Affine(5, 0, 500_000, 0, -5, 4_400_030), UTM)
    found = zonal_change(
        raster(np.full((3, 3), 0.5)), finer, zones((0, 0, 30, 30)), before_id="A", after_id="B", measure="ndvi"
    )
    assert found["mean_change"].iloc[0] == pytest.approx(-0.3)
    assert found["loss_share"].iloc[0] == 1


def test_zones_in_another_crs_give_the_same() -> None:
    values = raster(np.arange(9).reshape(3, 3) / 10)
    here = zonal_statistics(values, zones((0, 0, 20, 20)), scene_id="S", measure="ndvi")
    there = zonal_statistics(values, zones((0, 0, 20, 20)).to_crs(4326), scene_id="S", measure="ndvi")
    assert there["mean"].iloc[0] == pytest.approx(here["mean"].iloc[0], abs=1e-4)
