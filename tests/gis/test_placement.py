from __future__ import annotations

import itertools

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from gis.placement import next_inspectors, staffing_gap
from gis.presence import Presence
from gis.surface import density_surface

CRS = pyproj.CRS(32650)


def table(required, allocated, zones=None) -> pd.DataFrame:
    n = len(required)
    return pd.DataFrame(
        {
            "level": "work_grid",
            "area_id": [f"G{i}" for i in range(n)],
            "name": "",
            "zone": zones or ["central"] * n,
            "required": required,
            "allocated": allocated,
        }
    )


def test_next_inspectors_by_hand() -> None:
    # Gaps 2.4 (fringe), 0.7, 0.0 (a surplus of 1 that helps nobody), 1.0 (central).
    # First: G0 and G3 both take a whole person off; the fringe zone (2.4) is shorter than the central one (1.7): G0.
    # Then G0 holds 1.4 and G3 1.0: a whole person each; the fringe is now at 1.4 against 1.7: G3. Then G0, then 0.7 in G1, then 0.4 in G0.
    found = next_inspectors(table([3.4, 1.7, 1.0, 2.0], [1, 1, 2, 1], ["fringe", "central", "central", "central"]), 9)
    assert found["area_id"].tolist() == ["G0", "G3", "G0", "G1", "G0"]
    assert found["total_gap_after"].tolist() == pytest.approx([3.1, 2.1, 1.1, 0.4, 0.0])
    assert found["zone_gap_before"].tolist() == pytest.approx([2.4, 1.7, 1.4, 0.7, 0.4])
    assert next_inspectors(table([1.0], [1.0]), 5).empty
    assert next_inspectors(table([], []), 5).empty


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4)), min_size=1, max_size=4),
    st.integers(0, 4),
)
@settings(max_examples=60, deadline=None)
def test_no_other_placement_leaves_less(grids, count) -> None:
    required, allocated = np.array([r / 10 for r, _ in grids]), np.array([a for _, a in grids], dtype=float)
    found = next_inspectors(table(required, allocated), count)
    left = found["total_gap_after"].iloc[-1] if len(found) else staffing_gap(required, allocated).sum()
    best = min(
        staffing_gap(required, allocated + np.bincount(np.array(choice, dtype=int), minlength=len(grids))).sum()
        for choice in itertools.product(range(len(grids)), repeat=count)
    )
    assert left == pytest.approx(best, abs=1e-9)


def test_the_surface_keeps_the_persons_and_shows_the_gap() -> None:
    # Two grids of 1 km² side by side: 2 required and 0 allocated in the west, 1 and 3 in the east.
    west, east = box(500_000, 4_400_000, 501_000, 4_401_000), box(501_000, 4_400_000, 502_000, 4_401_000)
    grids = gpd.GeoDataFrame({"grid_id": ["G0", "G1"]}, geometry=[west, east], crs=CRS)
    here = np.array([[501_100.0, 4_400_100.0]])
    found = density_surface(
        grids,
        table([2.0, 1.0], [0.0, 3.0]),
        crs=CRS,
        presence=Presence(here, np.array([0.5])),
        cell_m=100,
        bandwidth_m=300,
    )
    assert len(found) == 200
    km2 = 0.01
    assert found["required_km2"].sum() * km2 == pytest.approx(3.0)
    assert found["allocated_km2"].sum() * km2 == pytest.approx(3.0)
    assert found["present_km2"].sum() * km2 == pytest.approx(0.5)
    x = found.to_crs(CRS).geometry.centroid.x
    # Away from the border between the grids the field is even, right up to the outer edge.
    assert found["required_km2"][x < 500_600].to_numpy() == pytest.approx(2.0, rel=0.02)
    assert found["gap_km2"][x > 501_400].max() == 0
    assert found["gap_km2"][x < 500_600].to_numpy() == pytest.approx(2.0, rel=0.02)
    assert density_surface(grids.iloc[:0], table([], []), crs=CRS).empty
