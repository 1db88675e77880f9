"""What holds for every town: no order, direction or doubling of the source changes the network."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gis.network import build_network, network_from_tables

CRS = "EPSG:4550"
RULES = {"main": "road.main", "secondary": "road.secondary", "branch": "road.branch"}
GEOD = pyproj.Geod(ellps="WGS84")
SIDE = 5
SLOW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def towns(draw):
    """A lattice of 5 x 5 nodes with some of its streets; spacing from 12 m (pairs, short blocks) to 250 m."""
    dx, dy = draw(st.sampled_from([0.00012, 0.0006, 0.0025])), draw(st.sampled_from([0.00015, 0.002]))
    pairs = [(i, i + 1) for i in range(SIDE * SIDE) if i % SIDE < SIDE - 1]
    pairs += [(i, i + SIDE) for i in range(SIDE * (SIDE - 1))]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=30, unique=True))
    rows = []
    for i, j in chosen:
        bend = draw(st.sampled_from([0.0, 0.1]))
        p, q = (np.array([121.87 + (k % SIDE) * dx, 29.47 + (k // SIDE) * dy]) for k in (i, j))
        middle = (p + q) / 2 + bend * np.array([p[1] - q[1], q[0] - p[0]])
        policy = draw(st.sampled_from(["main", "secondary", "branch", "none"]))
        rows.append(
            {
                "u": f"n{i}",
                "v": f"n{j}",
                "source_class": policy,
                "policy_class": policy,
                "name": draw(st.sampled_from([None, "甲路", "乙路", "丙街"])),
                "oneway": draw(st.sampled_from([-1, 0, 1])),
                "bridge": False,
                "tunnel": False,
                "level": 0,
                "geometry": shapely.LineString([p, middle, q] if bend else [p, q]),
            }
        )
    return gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326")


def build(edges):
    edges = edges.reset_index(drop=True).assign(edge_id=[str(i) for i in range(len(edges))])
    return build_network(edges, metric_crs=CRS, rule_of_class=RULES)


def turned(edges, which):
    """The same streets, those of `which` digitised the other way round."""
    out = edges.copy()
    out["u"], out["v"] = np.where(which, edges["v"], edges["u"]), np.where(which, edges["u"], edges["v"])
    out["oneway"] = np.where(which, -edges["oneway"], edges["oneway"])
    lines = edges.geometry.to_numpy().copy()
    lines[which] = shapely.reverse(lines[which])
    return out.set_geometry(gpd.GeoSeries(lines, crs="EPSG:4326"))


def same(a, b):
    pd.testing.assert_frame_equal(a.segments, b.segments)
    pd.testing.assert_frame_equal(a.sections, b.sections)
    for name in ("seg_u", "seg_v", "node_x", "node_y", "vert_mm", "vert_x", "seg_oneway"):
        np.testing.assert_array_equal(getattr(a.graph, name), getattr(b.graph, name))


@SLOW
@given(towns(), st.data())
def test_row_order_direction_and_repeats_change_nothing(edges, data):
    n = len(edges)
    order = data.draw(st.permutations(range(n)))
    which = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    again = data.draw(st.lists(st.integers(0, n - 1), max_size=5))
    other = pd.concat([turned(edges, which).iloc[order], edges.iloc[again]])
    first = build(edges)
    same(first, build(other))
    assert first.segments["segment_id"].is_unique


@SLOW
@given(towns())
def test_lengths_add_up(edges):
    n = build(edges)
    true_m = sum(GEOD.geometry_length(g) for g in edges.geometry)
    assert abs(n.graph.seg_length_mm.sum() / 1000 - true_m) <= 0.001 * len(edges)
    np.testing.assert_array_equal(n.graph.vert_mm[n.graph.vert_ptr[1:] - 1], n.graph.seg_length_mm)
    # what is not mapped onto a partner makes up the sections
    paired = next((x["count"] for x in n.notes if x["code"] == "paired_m"), 0) * 1000
    rest = n.graph.seg_length_mm.sum() - n.sections["length_mm"].sum()
    assert paired <= rest < paired + 1000


@SLOW
@given(towns())
def test_segments_cover_the_measure_of_their_section_exactly(edges):
    n = build(edges)
    length = n.sections["length_mm"].to_numpy()
    assert set(n.seg_section.tolist()) == set(range(len(length)))
    for k in range(len(length)):
        mine = n.seg_section == k
        spans = np.sort(np.column_stack([n.seg_measure_from_mm[mine], n.seg_measure_to_mm[mine]]), axis=1)
        spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
        reach = np.maximum.accumulate(spans[:, 1])
        assert spans[0, 0] == 0
        assert reach[-1] == length[k]
        assert (spans[1:, 0] <= reach[:-1]).all()  # no gap
        ids = n.segments.loc[mine, ["policy_class", "rule_id", "no_rule_reason"]].drop_duplicates()
        assert len(ids) == 1  # one rule for the whole section


@SLOW
@given(towns(), st.randoms(use_true_random=False))
def test_stored_tables_give_the_same_network(edges, chance):
    n = build(edges)
    order = list(range(len(n.segments)))
    chance.shuffle(order)
    back = network_from_tables(n.segments.iloc[order], n.sections.iloc[::-1], metric_crs=CRS)
    same(n, back)
    np.testing.assert_array_equal(n.seg_section, back.seg_section)
    np.testing.assert_array_equal(n.seg_measure_from_mm, back.seg_measure_from_mm)
