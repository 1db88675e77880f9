"""Road edges: classes, one-way words, several parts, OSM extracts and graphs, and the real networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from etl.base import Context
from etl.readers import reader_of
from gis.errors import InputError
from layers.city import City, Source

if TYPE_CHECKING:
    from pathlib import Path

LON, LAT = 121.87, 29.47
CLASSES = {"主干道": "main", "支路": "branch"}


def read(folder: Path, path: str, *, classes=None, **settings):
    city = City.model_validate(
        {"path": folder / "city.toml", "id": "x", "name": "象山", "roads": {"classes": classes or {}}}
    )
    source = Source.model_validate({"name": "道路", "table": "road_edges", "path": path, **settings})
    return reader_of("road_edges")(source, Context(city))


def line(*points):
    return shapely.LineString([(LON + x / 1000, LAT + y / 1000) for x, y in points])


def roads(**columns) -> gpd.GeoDataFrame:
    base = {"edge_id": ["a", "b", "c"], "source_class": ["主干道", "支路", None], "name": ["丹河路", None, ""]}
    return gpd.GeoDataFrame(
        {**base, **columns}, geometry=[line((0, 0), (1, 0)), line((1, 0), (1, 1)), line((1, 1), (1, 1))], crs=4326
    )


def test_words_become_values(tmp_path):
    roads(oneway=["yes", "-1", None], bridge=["viaduct", "no", None], level=["2", "x", None]).to_parquet(
        tmp_path / "r.parquet"
    )
    got = read(tmp_path, "r.parquet", classes=CLASSES)
    frame = got.frame
    assert frame["policy_class"].tolist() == ["main", "branch", None]
    assert frame["oneway"].tolist() == [1, -1, 0]
    assert frame["bridge"].tolist() == [True, False, False]
    assert frame["tunnel"].tolist() == [False] * 3
    assert frame["level"].tolist() == [2, 0, 0]
    assert frame["name"].tolist() == ["丹河路", None, None]
    assert tuple(n.zh for n in got.record.notes) == (
        "1 条边长度为零，保留，由路网步骤收缩",
        "1 条边没有道路等级，不适用任何规则",
    )


def test_classes_must_be_mapped_or_the_rest_named(tmp_path):
    roads(source_class=["主干道", "快速路", "快速路"]).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "r.parquet", classes=CLASSES)
    assert "快速路×2" in caught.value.faults[0].zh
    got = read(tmp_path, "r.parquet", classes={**CLASSES, "*": "none"})
    assert got.frame["policy_class"].tolist() == ["main", "none", "none"]


def test_the_source_may_bring_policy_classes(tmp_path):
    table = roads(rank=["main", "none", "branch"]).drop(columns="source_class")
    table.to_parquet(tmp_path / "r.parquet")
    got = read(tmp_path, "r.parquet", columns={"policy_class": "rank"})
    assert got.frame["policy_class"].tolist() == ["main", "none", "branch"]


def test_lines_in_several_parts(tmp_path):
    """Touching parts become one line; parts with a gap become edges of their own, and every row is accounted for."""
    touching = shapely.MultiLineString([line((0, 0), (1, 0)), line((1, 0), (2, 0))])
    apart = shapely.MultiLineString([line((0, 1), (1, 1)), line((3, 1), (4, 1))])
    table = gpd.GeoDataFrame(
        {"edge_id": ["t", "g", "p"], "source_class": "支路", "u": ["1", "3", "5"], "v": ["2", "4", "6"]},
        geometry=[touching, apart, shapely.Point(LON, LAT)],
        crs=4326,
    )
    table.to_parquet(tmp_path / "r.parquet")
    got = read(tmp_path, "r.parquet", classes=CLASSES)
    assert got.frame["edge_id"].tolist() == ["t", "g#1", "g#2"]
    assert got.frame["u"].tolist() == ["1", "3", "g#1"]
    assert got.frame["v"].tolist() == ["2", "g#1", "4"]
    assert got.quarantine["code"].tolist() == ["geometry_not_line"]
    assert got.record.rows_in == 4
    assert (got.frame.geom_type == "LineString").all()


OSM = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <node id="1" lat="29.470" lon="121.870" version="1"/>
 <node id="2" lat="29.470" lon="121.871" version="1"/>
 <node id="3" lat="29.470" lon="121.872" version="1"/>
 <node id="4" lat="29.471" lon="121.871" version="1"/>
 <node id="5" lat="29.469" lon="121.871" version="1"/>
 <way id="10" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/><tag k="name" v="丹河路"/></way>
 <way id="11" version="1"><nd ref="4"/><nd ref="2"/><tag k="highway" v="residential"/><tag k="oneway" v="-1"/></way>
 <way id="12" version="1"><nd ref="4"/><nd ref="5"/><tag k="highway" v="motorway"/><tag k="bridge" v="yes"/><tag k="layer" v="1"/></way>
 <way id="13" version="1"><nd ref="1"/><nd ref="99"/><nd ref="5"/><nd ref="4"/><tag k="highway" v="residential"/></way>
 <way id="14" version="1"><nd ref="1"/><nd ref="2"/><nd ref="4"/><nd ref="1"/><tag k="highway" v="pedestrian"/><tag k="area" v="yes"/></way>
 <way id="15" version="1"><nd ref="1"/><nd ref="2"/><tag k="building" v="yes"/></way>
</osm>
"""


def test_osm_ways_are_cut_where_they_share_a_node(tmp_path):
    """Way 10 meets way 11 at node 2 and is cut there; way 12 crosses it on a bridge without a node and is not."""
    (tmp_path / "x.osm").write_text(OSM, encoding="utf-8")
    classes = {"primary": "main", "residential": "branch", "motorway": "none"}
    got = read(tmp_path, "x.osm", classes=classes)
    rows = {r["edge_id"]: r for r in got.frame.to_dict("records")}
    assert list(rows) == ["10-0", "10-1", "11-0", "12-0", "13-0"]
    assert [(r["u"], r["v"]) for r in rows.values()] == [("1", "2"), ("2", "3"), ("4", "2"), ("4", "5"), ("5", "4")]
    assert [r["oneway"] for r in rows.values()] == [0, 0, -1, 1, 0]  # a motorway is one-way unless it says no
    assert (rows["12-0"]["bridge"], rows["12-0"]["level"], rows["12-0"]["policy_class"]) == (True, 1, "none")
    assert rows["10-0"]["name"] == "丹河路"
    assert any("缺少 1 个节点" in n.zh for n in got.record.notes)
    (tmp_path / "cut.osm").write_text(OSM[:700], encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "cut.osm", classes=classes)
    assert caught.value.faults[0].code == "source.truncated"


def test_osm_pbf_gives_the_same(tmp_path):
    osmium = pytest.importorskip("osmium")
    (tmp_path / "x.osm").write_text(OSM, encoding="utf-8")
    with osmium.SimpleWriter(str(tmp_path / "x.osm.pbf")) as writer:
        for thing in osmium.FileProcessor(str(tmp_path / "x.osm")):
            writer.add(thing)
    classes = {"*": "branch"}
    xml, pbf = (read(tmp_path, n, classes=classes).frame for n in ("x.osm", "x.osm.pbf"))
    assert xml.drop(columns="geometry").equals(pbf.drop(columns="geometry"))
    assert shapely.equals_exact(xml.geometry.to_numpy(), pbf.geometry.to_numpy(), tolerance=1e-7).all()
    data = (tmp_path / "x.osm.pbf").read_bytes()
    (tmp_path / "cut.osm.pbf").write_bytes(data[:-40])
    with pytest.raises(InputError):
        read(tmp_path, "cut.osm.pbf", classes=classes)


# --- the real data ---
@pytest.mark.data
def test_guangzhou_links(data_root, tmp_path):
    """2,365 links, GBK, five Chinese grades, 577 km; the .prj is a 3D system."""
    grades = {"快速路": "none", "高速公路": "none", "主干道": "main", "次干道": "secondary", "支路": "branch"}
    columns = {"edge_id": "linkid", "source_class": "DLDJ", "name": "DLMC"}
    got = read(tmp_path, str(data_root / "guangzhou" / "link_*.shp"), classes=grades, columns=columns)
    assert (got.record.rows_in, len(got.frame), got.record.encoding, got.record.crs) == (2365, 2365, "GBK", "EPSG:4326")
    assert got.frame["policy_class"].value_counts().to_dict() == {
        "branch": 1461,
        "main": 426,
        "secondary": 379,
        "none": 99,
    }
    geod = pyproj.Geod(ellps="WGS84")
    assert sum(geod.geometry_length(g) for g in got.frame.geometry) / 1000 == pytest.approx(577, abs=1)
    assert "平月路" in set(got.frame["name"])
    with pytest.raises(InputError) as caught:
        read(tmp_path, str(data_root / "guangzhou" / "link_*.shp"), classes=grades, columns=columns, encoding="UTF-8")
    assert caught.value.faults[0].code == "source.encoding"


@pytest.mark.data
def test_beijing_edges(data_root, tmp_path):
    columns = {"edge_id": "edge", "source_class": "highway"}
    got = read(
        tmp_path, str(data_root / "beijing" / "roads.gpkg"), classes={"primary": "main", "*": "none"}, columns=columns
    )
    assert (len(got.frame), len(got.quarantine)) == (70310, 0)
    assert got.record.notes[0].zh.startswith("1575 条边长度为零")
    assert int((got.frame["policy_class"] == "main").sum()) == 1391


@pytest.mark.data
def test_athens_graph(data_root, tmp_path):
    got = read(tmp_path, str(data_root / "athens" / "roads.graphml"), classes={"*": "branch"})
    assert len(got.frame) == 846
    assert len(set(got.frame["u"]) | set(got.frame["v"])) == 471
    # every edge begins and ends at its nodes: the same node always lies at the same place
    starts = gpd.GeoSeries(shapely.get_point(got.frame.geometry.to_numpy(), 0))
    ends = gpd.GeoSeries(shapely.get_point(got.frame.geometry.to_numpy(), -1))
    at = {}
    for node, x, y in zip([*got.frame["u"], *got.frame["v"]], [*starts.x, *ends.x], [*starts.y, *ends.y], strict=True):
        at.setdefault(node, set()).add((round(x, 6), round(y, 6)))
    assert np.mean([len(p) == 1 for p in at.values()]) == 1.0
