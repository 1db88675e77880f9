"""Layers against each other: an offset of one of them is named with its size and direction; any other shift, and what cannot tell, is not.

The layouts are streets of a jittered lattice (12 by 12 crossings, 350 m apart), grids and towns bounded by streets, and a boundary drawn
along the outermost ones: other ground for every seed.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.alignment import misfits
from etl.layers_told import coverage, network_notes, warnings_of
from gis.datum import from_wgs84

N, STEP_M = 12, 350.0
PLACES = {"xiangshan": (121.87, 29.47), "beijing": (116.4, 39.9), "guangzhou": (113.3, 23.1)}
LAYERS = ("road_edges", "areas", "work_grids", "community_grids")


def frame(shapes, **columns):
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=4326)


def ring(nodes, i0, i1, j0, j1):
    """The polygon along the streets around the blocks from crossing (i0, j0) to (i1, j1)."""
    path = [(i, j0) for i in range(i0, i1)] + [(i1, j) for j in range(j0, j1)]
    path += [(i, j1) for i in range(i1, i0, -1)] + [(i0, j) for j in range(j1, j0, -1)]
    return shapely.Polygon([nodes[i, j] for i, j in path])


def layout(seed=0, place="xiangshan", jitter_m=80.0):
    """Tables of a city: streets, a boundary with two towns, 9 work grids and community grids of one or two blocks."""
    rng = np.random.default_rng(seed)
    lon, lat = PLACES[place]
    at = np.stack(np.meshgrid(np.arange(N), np.arange(N), indexing="ij"), axis=-1) * STEP_M
    metres = at + rng.uniform(-jitter_m, jitter_m, at.shape)
    nodes = metres / [111_195 * np.cos(np.radians(lat)), 111_195] + [lon, lat]
    streets = [shapely.LineString(nodes[i]) for i in range(N)] + [shapely.LineString(nodes[:, j]) for j in range(N)]
    last = N - 1
    areas = [ring(nodes, 0, last, 0, last), ring(nodes, 0, 5, 0, last), ring(nodes, 5, last, 0, last)]
    work = [ring(nodes, i, min(i + 4, last), j, min(j + 4, last)) for i in range(0, last, 4) for j in range(0, last, 4)]
    small = [ring(nodes, i, i + 1, j, min(j + 2, last)) for i in range(0, last, 2) for j in range(0, last, 2)]
    return {
        "road_edges": frame(streets),
        "areas": frame(areas, kind=["boundary", "town", "town"]),
        "work_grids": frame(work),
        "community_grids": frame(small),
    }


def moved(rows, change):
    out = rows.copy()
    out["geometry"] = list(shapely.transform(np.asarray(rows.geometry.array, dtype=object), change))
    return out


def in_datum(rows, datum):
    return moved(rows, lambda xy: np.column_stack(from_wgs84(xy[:, 0], xy[:, 1], datum=datum)))


def by(rows, east_m, north_m):
    lat = rows.total_bounds[1]
    return moved(rows, lambda xy: xy + np.array([east_m / (111_195 * np.cos(np.radians(lat))), north_m / 111_195]))


# --- one layer ---
@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
@pytest.mark.parametrize("table", LAYERS)
@pytest.mark.parametrize("place", PLACES)
def test_each_layer_alone_is_named(place, table, datum):
    tables = layout(3, place)
    found = misfits({**tables, table: in_datum(tables[table], datum)})
    assert [(m.table, m.datum) for m in found] == [(table, datum)]
    assert found[0].good_corrected > 0.8
    lon, lat = shapely.union_all(tables["areas"].geometry.array).centroid.coords[
        0
    ]  # BD-09 turns within a few kilometres
    to_lon, to_lat = (float(v) for v in from_wgs84(lon, lat, datum=datum))
    east, north = (to_lon - lon) * 111_195 * np.cos(np.radians(lat)), (to_lat - lat) * 111_195
    assert found[0].shift_m == pytest.approx(np.hypot(east, north), rel=0.02)
    assert found[0].bearing_deg == pytest.approx(np.degrees(np.arctan2(east, north)) % 360, abs=2)


@pytest.mark.parametrize("seed", range(6))
def test_layers_that_fit_say_nothing_and_roads_alone_are_named(seed):
    tables = layout(seed)
    assert misfits(tables) == []
    assert [m.table for m in misfits({**tables, "road_edges": in_datum(tables["road_edges"], "gcj02")})] == [
        "road_edges"
    ]


def test_all_in_the_same_offset_cannot_be_told_here_and_all_but_the_roads_can():
    tables = layout(4)
    shifted = {t: in_datum(rows, "gcj02") for t, rows in tables.items()}
    assert misfits(shifted) == []  # they lie on each other: only the positions tell
    found = misfits({**shifted, "road_edges": tables["road_edges"]})
    assert {m.table for m in found} == {"areas", "work_grids", "community_grids"}
    assert {m.datum for m in found} == {"gcj02"}


def test_without_roads_grids_and_areas_are_measured():
    tables = layout(5)
    found = misfits({"areas": tables["areas"], "work_grids": in_datum(tables["work_grids"], "gcj02")})
    assert [(m.table, m.datum) for m in found] == [("work_grids", "gcj02")]


# --- what is no offset ---
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([30, 60, 120, 250, 489, 700]),
    bearing=st.floats(0, 360),
    table=st.sampled_from(LAYERS),
)
def test_a_plain_shift_is_never_called_an_offset(seed, size, bearing, table):
    """But for one that is that of GCJ-02 (489 m, 128°), or its opposite: two layers tell how far they are apart, not which of them was moved.

    Shifts within 75 m of the offset count as the same one, and a layer is off by some metres anyway.
    """
    east, north = size * np.sin(np.radians(bearing)), size * np.cos(np.radians(bearing))
    offset = 489 * np.sin(np.radians(128)), 489 * np.cos(np.radians(128))
    if any(np.hypot(east - sign * offset[0], north - sign * offset[1]) < 110 for sign in (1, -1)):
        return
    tables = layout(seed)
    assert misfits({**tables, table: by(tables[table], east, north)}) == []


@pytest.mark.parametrize("bearing", [0, 128, 270])
@pytest.mark.parametrize("size", [0, 30, 60, 120, 250])
def test_a_pattern_that_repeats_names_nothing(size, bearing):
    """Streets on a perfect lattice fit again after every block: no shift is told from another."""
    tables = layout(0, jitter_m=0.0)
    east, north = size * np.sin(np.radians(bearing)), size * np.cos(np.radians(bearing))
    assert misfits({**tables, "road_edges": by(tables["road_edges"], east, north)}) == []


@pytest.mark.parametrize("margin", [-0.004, 0.003, 0.02])
@pytest.mark.parametrize("datum", [None, "gcj02"])
def test_a_loose_rectangle_as_boundary_cannot_decide(margin, datum):
    """Many shifts bring the roads into a rectangle that is larger than they are as well as the offset does."""
    roads = layout(1)["road_edges"]
    west, south, east, north = roads.total_bounds
    box = frame([shapely.box(west - margin, south - margin, east + margin, north + margin)], kind=["boundary"])
    assert misfits({"road_edges": roads, "areas": in_datum(box, datum) if datum else box}) == []


@pytest.mark.parametrize("bearing", range(0, 360, 30))
@pytest.mark.parametrize("size", [60, 120, 250, 400])
def test_a_tight_boundary_moved_by_anything_else_is_not_called_an_offset(size, bearing):
    tables = {t: layout(6)[t] for t in ("road_edges", "areas")}
    boundary = tables["areas"][tables["areas"]["kind"] == "boundary"]
    box = frame([shapely.box(*tables["road_edges"].total_bounds)], kind=["boundary"])
    east, north = size * np.sin(np.radians(bearing)), size * np.cos(np.radians(bearing))
    for rows in (boundary, box):
        assert misfits({"road_edges": tables["road_edges"], "areas": by(rows, east, north)}) == []


def test_unrelated_layers_elsewhere_in_the_world_and_nothing_at_all():
    here, there = layout(1), layout(2)
    assert misfits({"road_edges": here["road_edges"], "work_grids": there["work_grids"]}) == []
    assert misfits({"road_edges": here["road_edges"], "work_grids": layout(1, "beijing")["work_grids"]}) == []
    boston = {t: moved(rows, lambda xy: xy - [193.0, -13.0]) for t, rows in here.items()}
    assert misfits({**boston, "work_grids": by(boston["work_grids"], 385, -301)}) == []
    assert misfits({}) == []
    assert misfits({t: rows.iloc[:0] for t, rows in here.items()}) == []
    stub = frame([shapely.LineString([(121.87, 29.47), (121.87, 29.47)]), *here["road_edges"].geometry])
    assert misfits({**here, "road_edges": stub}) == []  # an edge without length is no fault of the others
    shares = [c.share for c in coverage(here)]
    assert [c.share for c in coverage({**here, "road_edges": stub})] == pytest.approx(shares, abs=1e-4)
    few = {t: rows.iloc[:1] for t, rows in here.items()}
    assert misfits(few) == []


# --- how much of the roads the grids hold ---
def test_shares_of_the_roads_length_by_hand():
    """One street of 0.04° and a bridge of 0.01° along a parallel; grids over a quarter, twice; the boundary over half; no scope."""
    roads = frame(
        [shapely.LineString([(121.80, 29.5), (121.84, 29.5)]), shapely.LineString([(121.84, 29.5), (121.85, 29.5)])]
    )
    grid = shapely.box(121.80, 29.49, 121.8125, 29.51)
    tables = {
        "road_edges": roads,
        "work_grids": frame([grid, grid]),
        "areas": frame(
            [shapely.box(121.80, 29.4, 121.825, 29.6), shapely.Point(121.8, 29.5)], kind=["boundary", "key_point"]
        ),
    }
    assert [(c.code, pytest.approx(c.share)) for c in coverage(tables)] == [("work_grids", 0.25), ("boundary", 0.5)]
    assert warnings_of(tables) == []
    assert coverage({"work_grids": frame([grid])}) == []


def test_grids_that_hold_hardly_any_road_are_told_with_the_figure():
    """14 m of 10 km lie in the only grid: 0.14 %."""
    roads = frame([shapely.LineString([(121.80, 29.5), (121.90, 29.5)])])
    tables = {
        "road_edges": roads,
        "work_grids": frame([shapely.box(121.79, 29.49, 121.80014, 29.51)]),
        "areas": frame([shapely.box(121.79, 29.4, 121.84, 29.6)], kind=["boundary"]),
    }
    (grids, _, low), (area, _, part) = warnings_of(tables)
    assert (grids, area) == ("work_grids", "areas")
    assert "工作网格只含道路长度的 0.14%" in low.zh
    assert "only 0.14% of the roads' length lies in the work grids" in low.en
    assert "边界只含道路长度的 40.0%" in part.zh
    assert [n["code"] for n in network_notes(tables)] == ["layers.coverage.work_grids.1", "layers.coverage.areas.2"]


# --- real layers ---
@pytest.mark.data
def test_real_roads_and_zones_of_guangzhou(data_root):
    """Traffic zones drawn along streets: they fit as they are; either layer in either offset is named; no plain shift is."""
    links, zones = (gpd.read_file(next((data_root / "guangzhou").glob(f"{n}_*.shp"))) for n in ("link", "zone"))
    tables = {
        "road_edges": links.set_crs(4326, allow_override=True),
        "work_grids": zones.set_crs(4326, allow_override=True),
    }
    assert misfits(tables) == []
    for table, rows in tables.items():
        for datum in ("gcj02", "bd09"):
            found = misfits({**tables, table: in_datum(rows, datum)})
            assert [(m.table, m.datum) for m in found] == [(table, datum)]
    for east, north in ((30, 0), (0, -60), (-120, 0), (0, 250), (500, 0), (0, 628)):
        assert misfits({**tables, "work_grids": by(tables["work_grids"], east, north)}) == []
