"""Cells of a cut: they are the boundary, they do not overlap, none is a sliver that has a neighbour."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.cutting import cut_along_roads, cut_cells, join_slivers
from gis.errors import SettingsError

SQUARE = shapely.box(0, 0, 1000, 1000)


def partition(cells, whole):
    """Together the whole, nothing twice."""
    assert shapely.is_valid(cells).all()
    assert shapely.union_all(cells).symmetric_difference(whole).area < 1e-6 * whole.area
    assert shapely.area(cells).sum() == pytest.approx(whole.area, rel=1e-9)


def test_a_square_kilometre_in_four():
    cells = cut_cells(SQUARE, cell_m=500)
    partition(cells, SQUARE)
    # from north to south, then west to east
    assert [tuple(shapely.bounds(c)[:2]) for c in cells] == [(0, 500), (500, 500), (0, 0), (500, 0)]


def test_slivers_join_the_longest_border():
    """1000 × 1050: a strip of 50 m lies over the two upper cells (10 % of a cell) and joins them."""
    cells = cut_cells(shapely.box(0, 0, 1000, 1050), cell_m=500, min_share=0.25)
    assert sorted(shapely.area(cells)) == [250_000, 250_000, 275_000, 275_000]


def test_an_islet_joins_the_nearest_cell():
    islet = shapely.box(1100, 400, 1110, 410)
    cells = cut_cells(shapely.union(SQUARE, islet), cell_m=500)
    assert len(cells) == 4
    assert max(shapely.area(cells)) == 250_100
    assert cells[int(np.argmax(shapely.area(cells)))].contains(islet)


def test_along_roads():
    """A cross and a dead end: four blocks, the dead end cuts nothing; a fifth block of 1 ha is a sliver."""
    roads = [
        [(500, 0), (500, 1000)],
        [(0, 500), (1000, 500)],
        [(200, 500), (200, 700)],
        [(900, 0), (900, 100)],
        [(900, 100), (1000, 100)],
    ]
    lines = np.array([shapely.LineString(r) for r in roads], dtype=object)
    cells = cut_along_roads(SQUARE, lines, min_area_m2=1)
    partition(cells, SQUARE)
    assert sorted(shapely.area(cells)) == [10_000, 240_000, 250_000, 250_000, 250_000]
    assert sorted(shapely.area(cut_along_roads(SQUARE, lines, min_area_m2=20_000))) == [250_000] * 4


def test_a_size_that_does_not_fit():
    for cell_m in (0.0, -5.0, 0.1):
        with pytest.raises(SettingsError):
            cut_cells(SQUARE, cell_m=cell_m)
    tiny = np.array([shapely.box(0, 0, 1, 1)], dtype=object)
    assert len(join_slivers(tiny, min_area_m2=100)) == 1  # nobody to join


metres = st.integers(-3_000_000, 3_000_000).map(lambda mm: mm / 1000)
corner = st.tuples(metres, metres)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(corner, min_size=3, max_size=12),
    st.sampled_from(["square", "hex"]),
    st.sampled_from([400.0, 1000.0, 1700.0]),
)
def test_any_boundary_is_partitioned(corners, shape, cell_m):
    whole = shapely.MultiPoint(corners).convex_hull.union(shapely.box(3500, 0, 3700, 150))
    if whole.area < 50_000:
        return
    cells = cut_cells(whole, cell_m=cell_m, shape=shape, min_share=0.25)
    partition(cells, whole)
    full = cell_m**2 * (1 if shape == "square" else 3**0.5 / 2)
    assert len(cells) == 1 or shapely.area(cells).min() >= 0.25 * full * (1 - 1e-9)
    again = cut_cells(whole, cell_m=cell_m, shape=shape, min_share=0.25)
    assert [c.wkb for c in cells] == [c.wkb for c in again]
