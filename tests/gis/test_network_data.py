"""Real road layers: the counts of the source are reported, and no junction is invented."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.network import build_network

RULES = {"main": "road.main", "secondary": "road.secondary", "branch": "road.branch"}
OSM = {
    "trunk": "main",
    "primary": "main",
    "secondary": "secondary",
    "tertiary": "branch",
    "residential": "branch",
    "unclassified": "branch",
}
GRADES = {"主干道": "main", "次干道": "secondary", "支路": "branch"}
pytestmark = pytest.mark.data


def edges_of(source, **columns):
    flags = {"bridge": False, "tunnel": False, "level": 0}
    return gpd.GeoDataFrame(columns | flags, geometry=source.geometry.to_numpy(), crs="EPSG:4326")


@pytest.fixture(scope="module")
def beijing(data_root):
    raw = gpd.read_file(data_root / "beijing" / "roads.gpkg")
    edges = edges_of(
        raw,
        edge_id=raw["edge"].astype(str),
        u=raw["u"].astype(str),
        v=raw["v"].astype(str),
        source_class=raw["highway"],
        policy_class=raw["highway"].map(OSM),
        name=raw["name"],
        oneway=1,
    )
    return raw, build_network(edges, metric_crs="EPSG:4527", rule_of_class=RULES)


def test_beijing_counts(beijing):
    raw, n = beijing
    notes = {x["code"]: x["count"] for x in n.notes}
    assert len(raw) == 70_310
    assert notes["zero_length"] == 1_575
    assert notes["repeated"] == 1_770
    # distinct unordered pairs of different nodes; one of them (a reverse pair of no length) is contracted away
    ends = np.sort(raw[["u", "v"]].to_numpy(), axis=1)
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    assert n.graph.segment_count == len(ends) - 1
    assert n.segments["segment_id"].is_unique


def test_beijing_crossings_are_no_junctions(beijing):
    raw, n = beijing
    assert n.graph.node_count <= np.unique(raw[["u", "v"]].to_numpy()).size
    lines = n.segments.geometry.to_numpy()
    a, b = shapely.STRtree(lines).query(lines, predicate="crosses")
    a, b = a[a < b], b[a < b]
    assert 8_800 <= len(a) <= 8_830  # a handful hang on rounding, at end points that lie on another line
    u, v = n.graph.seg_u, n.graph.seg_v
    assert not ((u[a] == u[b]) | (u[a] == v[b]) | (v[a] == u[b]) | (v[a] == v[b])).any()


def test_beijing_sections_hold_every_metre_once(beijing):
    _, n = beijing
    paired = n.graph.seg_length_mm.sum() - n.sections["length_mm"].sum()
    notes = {x["code"]: x["count"] for x in n.notes}
    assert paired // 1000 == notes["paired_m"] > 500_000
    low = np.minimum(n.seg_measure_from_mm, n.seg_measure_to_mm)
    high = np.maximum(n.seg_measure_from_mm, n.seg_measure_to_mm)
    assert (low >= 0).all()
    assert (high <= n.sections["length_mm"].to_numpy()[n.seg_section]).all()
    reach = np.zeros(len(n.sections), np.int64)
    np.maximum.at(reach, n.seg_section, high)
    np.testing.assert_array_equal(reach, n.sections["length_mm"])


def test_guangzhou_is_noded_at_its_end_points(data_root):
    raw = gpd.read_file(data_root / "guangzhou" / "link_l_7featuresdone.shp", encoding="gbk")
    zones = gpd.read_file(data_root / "guangzhou" / "zone_l_2delz.shp", encoding="gbk")
    edges = edges_of(
        raw,
        edge_id=raw["OBJECTID"].astype(str),
        u=None,
        v=None,
        source_class=raw["DLDJ"],
        policy_class=raw["DLDJ"].map(GRADES),
        name=raw["DLMC"],
        oneway=0,
    )
    grids = gpd.GeoDataFrame(
        {"grid_id": zones["zoneid"].astype(str), "level": "central", "town_id": None},
        geometry=zones.geometry.to_numpy(),
        crs="EPSG:4326",
    )
    n = build_network(edges, metric_crs="EPSG:4526", rule_of_class=RULES, work_grids=grids)
    notes = {x["code"]: x["count"] for x in n.notes}
    assert len(raw) == 2_365
    assert n.graph.segment_count == 2_365 + notes["cuts"] - notes.get("repeated", 0)
    assert n.graph.seg_length_mm.sum() / 1e6 == pytest.approx(577, abs=2)
    assert n.segments["work_grid_id"].notna().mean() > 0.9
    assert set(n.segments.loc[n.segments["policy_class"] == "no_rule", "source_class"]) == {"快速路", "高速公路"}
