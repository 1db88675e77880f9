"""Grids and zones that overlap: told once with their km², counted once in every sum. Counted by hand on squares of a kilometre."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
import pytest
from hand_network import ASSIGNMENTS, CRS, DEVICES, EXCEPTIONS, PERSONS, RESPONSIBILITIES, TO_WGS84, X0, Y0, frame
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box
from shapely.ops import unary_union

from gis.crew import build_crew
from gis.density import density
from gis.ground import area_km2, ground_notes, overlaps, whole_polygons
from layers.standard_files import load_standard

STANDARD = load_standard("xiangshan-2019")
CREW = build_crew(
    date(2026, 3, 18), ZoneInfo("Asia/Shanghai"), STANDARD, persons=frame(PERSONS), devices=frame(DEVICES),
    assignments=frame(ASSIGNMENTS), responsibilities=frame(RESPONSIBILITIES), exceptions=frame(EXCEPTIONS),
)  # fmt: skip


def lonlat(shape: Polygon) -> Polygon:
    turn = [[TO_WGS84.transform(X0 + x, Y0 + y) for x, y in ring.coords] for ring in (shape.exterior, *shape.interiors)]
    return Polygon(turn[0], turn[1:])


def square(x: float, y: float, wide: float = 1000, high: float = 1000) -> Polygon:
    return lonlat(box(x, y, x + wide, y + high))


def grids(*shapes, ids=None, levels=None, towns=None) -> gpd.GeoDataFrame:
    n = len(shapes)
    return gpd.GeoDataFrame(
        {
            "grid_id": ids or [f"G{i + 1}" for i in range(n)], "name": None, "level": levels or ["central"] * n,
            "town_id": towns or ["T1"] * n, "unit_id": "S1",
        },
        geometry=list(shapes), crs=4326,
    )  # fmt: skip


def areas(*rows) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"area_id": [r[0] for r in rows], "kind": [r[1] for r in rows], "name": None, "parent_id": None},
        geometry=[r[2] for r in rows], crs=4326,
    )  # fmt: skip


NO_AREAS = areas()


def figures(work_grids, held=NO_AREAS):
    table = density(CREW, None, STANDARD, work_grids=work_grids, areas=held, crs=CRS)
    return table.set_index(["level", "area_id"])[["area_km2", "required"]]


def test_a_strip_of_two_grids_counts_once_in_every_sum():
    found = figures(grids(square(0, 0), square(950, 0)))
    assert found.loc[("work_grid", "G1"), "area_km2"] == pytest.approx(1, rel=1e-3)
    assert found.loc[("work_grid", "G2"), "area_km2"] == pytest.approx(1, rel=1e-3)
    for key in (("town", "T1"), ("zone", "central"), ("county", "county")):
        assert found.loc[key].tolist() == pytest.approx([1.95, 1.95 / 0.5], rel=1e-3)


def test_ground_of_two_zones_is_required_by_the_smaller_code():
    # 0.05 km² are of a central and a fringe grid: one per 0.5 km² or per 1 km².
    for ids, required in ((["A", "B"], 1 / 0.5 + 0.95 / 1), (["B", "A"], 0.95 / 0.5 + 1 / 1)):
        found = figures(grids(square(0, 0), square(950, 0), ids=ids, levels=["central", "fringe"]))
        assert found.loc[("county", "county")].tolist() == pytest.approx([1.95, required], rel=1e-3)
        assert found.loc[("zone", "central"), "area_km2"] == pytest.approx(
            1, rel=1e-3
        )  # a zone by itself shares nothing


def test_towns_keep_their_own_ground_and_the_county_counts_it_once():
    found = figures(grids(square(0, 0), square(950, 0), towns=["T1", "T2"]))
    assert found.loc[("town", "T1"), "area_km2"] == pytest.approx(1, rel=1e-3)
    assert found.loc[("town", "T2"), "area_km2"] == pytest.approx(1, rel=1e-3)
    assert found.loc[("county", "county"), "area_km2"] == pytest.approx(1.95, rel=1e-3)


def test_the_same_shape_under_two_codes_is_told_as_such():
    twins = grids(square(0, 0), square(0, 0))
    assert figures(twins).loc[("county", "county"), "area_km2"] == pytest.approx(1, rel=1e-3)
    ((code, count, zh, en),) = ground_notes("work_grids", twins)
    assert (code, count) == ("work_grids.twice", 1)
    assert "图形相同、编号不同" in zh
    assert "G1 与 G2 1 平方公里" in zh
    assert "G1 and G2 1 km²" in en


def test_thirty_grids_upon_each_other():
    many = grids(*(square(10 * i, 0) for i in range(30)))
    assert figures(many).loc[("county", "county"), "area_km2"] == pytest.approx(1.29, rel=1e-3)
    ((code, count, zh, _),) = ground_notes("work_grids", many)
    assert (code, count) == ("work_grids.overlap", 30 * 29 // 2)
    assert zh.count("平方公里") == 6  # the sum and five pairs
    assert "等；" in zh


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (square(1000, 0), False),  # side by side
        (square(999, 0), False),  # a metre: one line drawn twice
        (square(997, 0), True),  # three metres along a kilometre
        (square(995, 995), False),  # a corner of 25 m²
        (square(985, 985), True),  # a corner of 225 m²
        (square(2000, 0), False),
        (square(300, 300, 100, 100), True),  # within
    ],
)
def test_slivers_are_not_told(second, told):
    found = ground_notes("work_grids", grids(square(0, 0), second))
    assert [n[0] for n in found] == (["work_grids.overlap"] if told else [])
    total = figures(grids(square(0, 0), second)).loc[("county", "county"), "area_km2"]
    every = float(area_km2([square(0, 0), second]).sum())
    assert (total < every) == told


def test_a_grid_in_the_hole_of_another_shares_nothing():
    ring = lonlat(Polygon(box(0, 0, 1000, 1000).exterior.coords, [box(300, 300, 700, 700).exterior.coords]))
    assert ground_notes("work_grids", grids(ring, square(300, 300, 400, 400))) == []
    ((_, _, zh, _),) = ground_notes("work_grids", grids(ring, square(200, 200, 400, 400)))
    assert "G1 与 G2 0.07 平方公里" in zh  # 0.16 less the 0.09 that lie in the hole


def test_zones_and_towns_that_overlap():
    held = areas(
        ("T1", "town", square(0, 0)), ("C", "central", square(0, 0, 600)), ("F", "fringe", square(500, 0, 500))
    )
    # 0.6 km² of the centre, of which 0.1 are drawn as fringe too; 0.4 of fringe alone
    assert figures(grids(), held).loc[("town", "T1"), "required"] == pytest.approx(0.6 / 0.5 + 0.4 / 1, rel=1e-3)
    ((code, _, zh, _),) = ground_notes("areas", held)
    assert code == "zones.overlap"
    assert "C 与 F 0.1 平方公里" in zh
    assert "重叠处算中心城区" in zh
    two = areas(("T1", "town", square(0, 0)), ("T2", "town", square(900, 0)), ("F", "fringe", square(0, 0, 2000)))
    assert [n[0] for n in ground_notes("areas", two)] == ["towns.overlap"]
    assert figures(grids(), two).loc[("county", "county")].tolist() == pytest.approx([1.9, 1.9], rel=1e-3)


def test_grids_beyond_the_boundary_are_told_where_there_is_one():
    county = areas(("X", "boundary", square(0, 0, 1500)))
    two = grids(square(0, 0), square(1000, 0))
    assert ground_notes("work_grids", two) == []
    ((code, count, zh, _),) = ground_notes("work_grids", two, areas=county)
    assert (code, count) == ("work_grids.outside", 1)
    assert "G2 0.5 平方公里" in zh


def test_only_what_is_new_is_told():
    three = grids(square(0, 0), square(950, 0), square(1900, 0))
    (note,) = ground_notes("work_grids", three, new=np.array([False, False, True]))
    assert note[1] == 1
    assert "G1" not in note[2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(2, 15), st.integers(2, 15)),
        min_size=1,
        max_size=7,
    )
)
def test_the_county_is_the_union_whatever_overlaps(rectangles):
    shapes = [square(100 * x, 100 * y, 100 * w, 100 * h) for x, y, w, h in rectangles]
    county = figures(grids(*shapes)).loc[("county", "county")]
    union = unary_union([box(x, y, x + w, y + h) for x, y, w, h in rectangles]).area / 100
    assert county["area_km2"] == pytest.approx(union, rel=2e-3)
    assert county["required"] == pytest.approx(county["area_km2"] / 0.5)
    found = overlaps(whole_polygons(shapes))
    assert (found.first < found.second).all()
