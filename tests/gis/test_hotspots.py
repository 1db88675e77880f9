from __future__ import annotations

from dataclasses import replace
from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
from esda.getisord import G_Local
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.graph import Graph
from shapely.geometry import Point, box

from gis.errors import InputError
from gis.hotspots import (
    HotspotSettings,
    case_hotspots,
    classify,
    gi_star,
    kernel_density_km2,
    make_cells,
    period_bounds,
)

CRS = pyproj.CRS(32650)
X0, Y0 = 500_000.0, 4_400_000.0


def town(columns: int, rows: int, cell_m: float = 100.0):
    # A hair smaller than the cells, so that the study area touches no further cell.
    area = gpd.GeoSeries([box(X0 + 1, Y0 + 1, X0 + columns * cell_m - 1, Y0 + rows * cell_m - 1)], crs=CRS)
    return make_cells(area, crs=CRS, cell_m=cell_m)


def test_cells_cover_the_area_and_have_stable_ids() -> None:
    cells = town(3, 2)
    assert (cells.rows, cells.columns) == (2, 3)
    assert cells.inside.all()
    # 500,000 / 100 = 5,000 and 4,400,000 / 100 = 44,000.
    assert cells.ids(np.array([0, 5])).tolist() == ["5000:44000", "5002:44001"]
    assert cells.index(np.array([X0 + 250.0, X0 - 1]), np.array([Y0 + 150.0, Y0])).tolist() == [5, -1]


def test_gi_star_of_a_three_by_three_town_by_hand() -> None:
    # Nine cells, nine cases in one corner, none elsewhere: mean 1, S = sqrt(81/9 - 1) = sqrt(8).
    # Corner (0, 0): w sums to 4 (itself, three neighbours); sum 9; U = S sqrt((9·4 - 16) / 8) = sqrt(8) sqrt(2.5) = sqrt(20).
    # z = (9 - 4·1) / sqrt(20) = 1.1180. Opposite corner: (0 - 4) / sqrt(20) = -0.8944.
    # Centre: all nine cells are its neighbourhood: 9·9 - 81 = 0, so no variance: z is not defined.
    counts = np.zeros((3, 3))
    counts[0, 0] = 9
    z = gi_star(counts, town(3, 3))
    assert z[0, 0] == pytest.approx(5 / np.sqrt(20))
    assert z[2, 2] == pytest.approx(-4 / np.sqrt(20))
    assert np.isnan(z[1, 1])


def test_gi_star_is_unknown_where_every_cell_is_the_same() -> None:
    assert np.isnan(gi_star(np.full((3, 3), 4.0), town(3, 3))).all()


def test_kernel_density_at_the_case_itself_and_at_the_radius() -> None:
    # K(0) = 3/π per bandwidth²: with 200 m, 0.2² = 0.04 km², 3/π/0.04 = 23.873 per km². At distance 200 m: nothing.
    cells = town(3, 1)
    density = kernel_density_km2(np.array([X0 + 50]), np.array([Y0 + 50]), cells, bandwidth_m=200)
    assert density[0, 0] == pytest.approx(3 / np.pi / 0.04)
    assert density[0, 1] == pytest.approx(3 / np.pi / 0.04 * (1 - 0.25) ** 2)
    assert density[0, 2] == 0


@given(st.lists(st.tuples(st.floats(300, 1700), st.floats(300, 1700)), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_kernel_density_adds_up_to_the_cases(places) -> None:
    # All kernels lie inside the lattice; the midpoint rule over 20 m cells is good to about a per cent.
    cells = town(100, 100, 20.0)
    x, y = (np.array(c) for c in zip(*places, strict=True))
    density = kernel_density_km2(X0 + x, Y0 + y, cells, bandwidth_m=200)
    assert density.sum() * 0.0004 == pytest.approx(len(places), rel=0.02)


def test_classes_follow_false_discovery_control_and_the_minimum() -> None:
    z = np.array([[5.0, 3.2, 0.0, -5.0, np.nan]])
    # p: 5.7e-7, 1.4e-3, 1, 5.7e-7; Benjamini-Hochberg over four: 1.1e-6, 1.8e-3, 1, 1.1e-6.
    p, q, label = classify(z, np.array([[9, 2, 9, 9, 9]]), min_neighbourhood=3)
    assert label.tolist() == [["hot_99", "too_few", "none", "cold_99", "none"]]
    assert q[0, 1] == pytest.approx(p[0, 1] * 4 / 3)
    assert np.isnan(q[0, 4])


@pytest.mark.parametrize(("period", "first"), [("day", "2026-03-18"), ("week", "2026-03-16"), ("month", "2026-03-01")])
def test_periods_end_with_the_day(period: str, first: str) -> None:
    assert period_bounds(date(2026, 3, 18), period) == (pd.Timestamp(first), pd.Timestamp("2026-03-19"))


def cases(n_hot: int) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(7)
    x = np.concatenate([rng.uniform(450, 550, n_hot), rng.uniform(0, 2000, 40)]) + X0
    y = np.concatenate([rng.uniform(450, 550, n_hot), rng.uniform(0, 2000, 40)]) + Y0
    opened = pd.to_datetime(["2026-03-17T16:30:00Z"] * (n_hot + 40), utc=True)
    frame = {"opened": opened, "category": "占道经营", "located": True}
    return gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(x, y), crs=CRS).to_crs(4326)


def test_a_cluster_is_hot_and_the_local_day_counts() -> None:
    # 16:30 UTC on the 17th is 00:30 on the 18th in Shanghai: it belongs to the 18th.
    area = gpd.GeoSeries([box(X0 + 1, Y0 + 1, X0 + 1999, Y0 + 1999)], crs=CRS)
    settings_ = HotspotSettings(cell_m=100, min_category_cases=1000)
    found = case_hotspots(
        cases(30),
        day=date(2026, 3, 18),
        time_zone="Asia/Shanghai",
        crs=CRS,
        study_area=area,
        settings=settings_,
        periods=("day",),
    )
    assert found["cases"].sum() == 70
    hot = found[found["hotspot"] == "hot_99"].to_crs(CRS)
    assert hot.geometry.union_all().contains(Point(X0 + 500, Y0 + 500))
    none = case_hotspots(
        cases(30),
        day=date(2026, 3, 17),
        time_zone="Asia/Shanghai",
        crs=CRS,
        study_area=area,
        settings=settings_,
        periods=("day",),
    )
    assert none.empty


def test_a_default_point_takes_no_part() -> None:
    frame = cases(30)
    frame["located"] = False
    assert case_hotspots(frame, day=date(2026, 3, 18), time_zone="Asia/Shanghai", crs=CRS).empty


def test_no_area_is_said() -> None:
    with pytest.raises(InputError, match="no study area"):
        make_cells(gpd.GeoSeries([], crs=CRS), crs=CRS, cell_m=100)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=30, max_size=30))
@settings(max_examples=40, deadline=None)
def test_gi_star_is_that_of_pysal(field) -> None:
    """Counts and holes of any kind against esda's G_Local with binary queen weights, each cell its own neighbour."""
    counts, inside = (np.array(part).reshape(5, 6) for part in zip(*field, strict=True))
    cells = replace(town(6, 5), inside=inside.astype(bool))
    flat = np.flatnonzero(cells.inside)
    values = counts[cells.inside].astype(float)
    if len(flat) < 3 or np.ptp(values) == 0:
        return
    apart = np.abs(np.stack(np.divmod(flat, 6))[:, :, None] - np.stack(np.divmod(flat, 6))[:, None, :]).max(axis=0)
    focal, near = np.nonzero(apart <= 1)
    with np.errstate(invalid="ignore"):
        z = G_Local(
            values, Graph.from_arrays(focal, near, np.ones(len(focal))), star=True, transform="B", permutations=0
        ).Zs
    np.testing.assert_allclose(gi_star(counts.astype(float), cells)[cells.inside], z, atol=1e-9)
