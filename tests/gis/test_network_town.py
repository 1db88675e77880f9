"""Hand-drawn towns; every count and length is derived in the comments."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from gis.errors import InputError, SettingsError
from gis.network import (
    NetworkSettings,
    build_network,
    network_from_tables,
    network_to_tables,
    resolve_responsibilities,
)

CRS = "EPSG:4550"
RULES = {"main": "road.main", "secondary": "road.secondary", "branch": "road.branch"}
BACK = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
X0, Y0 = 390_000.0, 3_262_000.0  # near Dandong street, Xiangshan; the projection's scale there is 1.00015


def place(shape):
    """A shape drawn in metres from the town's corner, in EPSG:4326."""
    return shapely.transform(shape, lambda xy: np.column_stack(BACK.transform(xy[:, 0] + X0, xy[:, 1] + Y0)))


def road(u, v, points, name=None, policy="branch", **more):
    row = {
        "u": u,
        "v": v,
        "source_class": policy,
        "policy_class": policy,
        "name": name,
        "oneway": 0,
        "bridge": False,
        "tunnel": False,
        "level": 0,
    }
    return row | more | {"geometry": place(shapely.LineString(points))}


def town(*rows):
    frame = gpd.GeoDataFrame(list(rows), geometry="geometry", crs="EPSG:4326")
    frame.insert(0, "edge_id", [f"e{i}" for i in range(len(frame))])
    return frame


def table(rows, columns):
    frame = pd.DataFrame([r[:-1] for r in rows], columns=columns)
    return gpd.GeoDataFrame(frame, geometry=[place(r[-1]) for r in rows], crs="EPSG:4326")


def areas(*rows):
    return table(rows, ["area_id", "kind", "name"])


def grids(*rows):
    return table(rows, ["grid_id", "level", "town_id", "unit_id"])


def roster(*rows):
    frame = pd.DataFrame(rows, columns=["road_name", "from_name", "to_name"])
    return frame.assign(target_kind="section", target_id=None, resolved=False, problem=None)


def build(edges, **more):
    return build_network(edges, metric_crs=CRS, rule_of_class=RULES, **more)


def note(network, code):
    return next((n["count"] for n in network.notes if n["code"] == code), 0)


def metres(values):
    return [round(v / 1000) for v in values]


def crossing():
    """建设路 from west to east, 丹河路 from south to north, crossing at C; four blocks of 200 m."""
    return town(
        road("W", "C", [(0, 0), (200, 0)], "建设路", "main"),
        road("C", "E", [(200, 0), (400, 0)], "建设路", "main"),
        road("S", "C", [(200, -200), (200, 0)], "丹河路", "secondary"),
        road("C", "N", [(200, 0), (200, 200)], "丹河路", "secondary"),
    )


def test_crossing_cuts_both_roads():
    n = build(crossing())
    assert n.graph.node_count == 5
    assert n.graph.segment_count == 4
    # each road is cut at C: four sections of one segment; both roads are one road each
    assert len(n.sections) == 4
    assert n.segments["road_id"].nunique() == 2
    assert metres(n.sections["length_mm"]) == [200] * 4
    assert sorted(n.sections["name"]) == [
        "丹河路（建设路至端点）",
        "丹河路（端点至建设路）",
        "建设路（丹河路至端点）",
        "建设路（端点至丹河路）",
    ]
    assert set(n.segments.loc[n.segments["road_name"] == "建设路", "rule_id"]) == {"road.main"}


def test_length_is_true_length_not_that_of_the_projection():
    n = build(crossing())
    line = n.segments.geometry.iloc[0]
    true_m = pyproj.Geod(ellps="WGS84").geometry_length(line)
    assert abs(n.graph.seg_length_mm[0] - true_m * 1000) <= 1
    # 200 m drawn in the plane, scale 1.00015: 30 mm less on the ellipsoid
    assert 199_950 < n.graph.seg_length_mm[0] < 199_990


def test_short_blocks_join_their_neighbour():
    """Cross streets at 0, 60 and 200 m: a cut at 60 m would leave 60 < 80 m on its left, so there is one section of 200 m."""
    n = build(
        town(
            road("A", "B", [(0, 0), (60, 0)], "东街"),
            road("B", "C", [(60, 0), (200, 0)], "东街"),
            road("B", "X", [(60, 0), (60, 90)], "北巷"),
        )
    )
    east = n.sections[n.sections["road_name"] == "东街"]
    assert metres(east["length_mm"]) == [200]


def test_footway_cuts_nothing():
    n = build(
        town(
            road("A", "B", [(0, 0), (200, 0)], "东街"),
            road("B", "C", [(200, 0), (400, 0)], "东街"),
            road("B", "X", [(200, 0), (200, 90)], "小径", "none"),
        )
    )
    assert metres(n.sections.loc[n.sections["road_name"] == "东街", "length_mm"]) == [400]
    path = n.sections[n.sections["road_name"] == "小径"].iloc[0]
    assert (path["policy_class"], path["no_rule_reason"]) == ("no_rule", "class")
    assert not n.segments.loc[n.segments["road_name"] == "小径", "patrollable"].any()


def test_bridge_over_a_road_is_no_junction():
    """The lines cross at (200, 0), yet the source has no node there: 4 nodes, 2 segments."""
    n = build(
        town(
            road("A", "B", [(0, 0), (400, 0)], "建设路"),
            road("C", "D", [(200, -200), (200, 200)], "高架路", bridge=True, level=1),
        )
    )
    assert (n.graph.node_count, n.graph.segment_count) == (4, 2)


def unnoded(**bridge):
    return town(
        road(None, None, [(0, 0), (400, 0)], "建设路"),
        road(None, None, [(200, -200), (200, 200)], "丹河路", **bridge),
        road(None, None, [(300, 0), (300, 100)], "北巷"),
    )


def test_source_without_nodes_is_noded():
    """建设路 is cut by 丹河路 at 200 m and touched by 北巷 at 300 m: three pieces; 丹河路 two; 北巷 one. Nodes: 2 + 1 + 1 + 2 + 1 = 7."""
    n = build(unnoded())
    assert (n.graph.segment_count, n.graph.node_count) == (6, 7)
    assert note(n, "cuts") == 3
    assert sorted(metres(n.segments["length_mm"])) == [100, 100, 100, 200, 200, 200]


@pytest.mark.parametrize("flag", [{"bridge": True}, {"tunnel": True}, {"level": 1}])
def test_noding_never_crosses_bridge_tunnel_or_level(flag):
    """Only 北巷 touches 建设路 now: two pieces of it, one of each other; nodes 3 + 2 + 1."""
    n = build(unnoded(**flag))
    assert (n.graph.segment_count, n.graph.node_count) == (4, 6)


def test_reverse_pairs_repeats_and_zero_lengths():
    """Six edges: a reverse pair (one two-way segment), a repeat of it, a zero edge B-B2 that makes them one node, a one-way street."""
    n = build(
        town(
            road("A", "B", [(0, 0), (100, 0)], "东街", oneway=1),
            road("B", "A", [(100, 0), (0, 0)], "东街", oneway=1),
            road("A", "B", [(0, 0), (100, 0)], "东街", oneway=1),
            road("B", "B2", [(100, 0), (100, 0)], "东街", oneway=1),
            road("B2", "C", [(100, 0), (250, 0)], "东街", oneway=1),
            road("D", "D", [(9, 9), (9, 9)]),
        )
    )
    assert n.graph.segment_count == 2
    assert n.graph.node_count == 3
    found = {c: note(n, c) for c in ("zero_length", "contracted_nodes", "repeated", "reversed")}
    assert found == {"zero_length": 2, "contracted_nodes": 1, "repeated": 1, "reversed": 1}
    by_length = n.segments.sort_values("length_mm")
    assert by_length["oneway"].abs().tolist() == [0, 1]
    assert metres(n.sections["length_mm"]) == [250]


def divided(gap=20):
    """迎宾大道: two one-way carriageways 20 m apart from x = 0 to 600, driving on the right; 丹河路 crosses both at x = 300.

    The northern one (y = 20) leads west and has a node more, at x = 450.
    """
    return town(
        road("a", "b", [(0, 0), (300, 0)], "迎宾大道", "main", oneway=1),
        road("b", "c", [(300, 0), (600, 0)], "迎宾大道", "main", oneway=1),
        road("f", "m", [(600, gap), (450, gap)], "迎宾大道", "main", oneway=1),
        road("m", "e", [(450, gap), (300, gap)], "迎宾大道", "main", oneway=1),
        road("e", "d", [(300, gap), (0, gap)], "迎宾大道", "main", oneway=1),
        road("s", "b", [(300, -100), (300, 0)], "丹河路"),
        road("b", "e", [(300, 0), (300, gap)], "丹河路"),
        road("e", "n", [(300, gap), (300, 150)], "丹河路"),
    )


def test_divided_road_shares_one_measure():
    n = build(divided())
    road_ = n.sections[n.sections["road_name"] == "迎宾大道"]
    # two blocks of 300 m, not four: the carriageways share the measure
    assert metres(road_["length_mm"]) == [300, 300]
    assert len(set(road_["road_id"])) == 1
    assert note(n, "paired_segments") in {2, 3}  # one carriageway of each block: 1 + 2 or 1 + 1 segments
    for section in road_["section_id"]:
        mine = n.segments[n.segments["section_id"] == section]
        for y_north in (True, False):
            side = mine[(mine.geometry.bounds["miny"] > place(shapely.Point(0, 10)).y) == y_north]
            spans = np.sort(side[["measure_from_mm", "measure_to_mm"]].to_numpy(), axis=1)
            covered = (spans[:, 1] - spans[:, 0]).sum()
            total = road_.loc[road_["section_id"] == section, "length_mm"].iloc[0]
            assert covered == total  # a pass on either side covers the whole block


def test_each_side_keeps_the_carriageways_apart():
    n = build(divided(), settings=NetworkSettings(each_side=True))
    assert metres(n.sections.loc[n.sections["road_name"] == "迎宾大道", "length_mm"]) == [300] * 4
    assert note(n, "paired_segments") == 0


def test_far_parallel_streets_are_not_paired():
    n = build(divided(gap=120))
    assert metres(n.sections.loc[n.sections["road_name"] == "迎宾大道", "length_mm"]) == [300] * 4


def test_roundabout_keeps_every_metre():
    """A ring of four one-way quarters (octagon corners) with four arms: nothing is lost and each arm is a section of its own."""
    ring = [(0, 20), (-14, 14), (-20, 0), (-14, -14), (0, -20), (14, -14), (20, 0), (14, 14), (0, 20)]
    quarters = [ring[i : i + 3] for i in (0, 2, 4, 6)]
    tips = ["N", "W", "S", "E", "N"]
    rows = [
        road(tips[i], tips[i + 1], q, None, "main", oneway=1, source_class="primary") for i, q in enumerate(quarters)
    ]
    for tip, (x, y), name in (
        ("N", (0, 1), "人民路"),
        ("S", (0, -1), "人民路"),
        ("E", (1, 0), "新华路"),
        ("W", (-1, 0), "新华路"),
    ):
        rows.append(road(tip, tip + "2", [(20 * x, 20 * y), (300 * x, 300 * y)], name, "main"))
    n = build(town(*rows))
    assert n.graph.segment_count == 8
    arms = n.sections[n.sections["road_name"].notna()]
    assert metres(arms["length_mm"]) == [280] * 4
    assert arms["road_id"].nunique() == 2  # across the ring (40 m) each street is one road
    assert n.sections["length_mm"].sum() == n.segments["length_mm"].sum()


def test_road_on_a_grid_boundary_goes_to_the_smaller_code():
    """东街 runs along y = 0, the boundary of G2 (south) and G1 (north); 3 m off the line at one end. 南巷 lies wholly in G2."""
    n = build(
        town(
            road("A", "B", [(0, 0), (300, -3)], "东街"),
            road("B", "C", [(300, -3), (300, -200)], "南巷"),
            road("C", "D", [(300, -200), (300, -900)], "出城路"),
        ),
        work_grids=grids(
            ("G2", "fringe", "T2", "Q2", shapely.box(-10, -400, 400, 0)),
            ("G1", "central", "T1", "Q1", shapely.box(-10, 0, 400, 400)),
        ),
    )
    own = n.segments.set_index("road_name")
    assert own.loc["东街", ["work_grid_id", "town_id"]].tolist() == ["G1", "T1"]
    assert own.loc["南巷", ["work_grid_id", "town_id"]].tolist() == ["G2", "T2"]
    # 200 m of its 700 m lie in G2, 500 m in no grid: less than half, so it has no grid
    assert own["work_grid_id"].isna()["出城路"]
    zones = n.sections.set_index("road_name")[["zone", "unit_id"]]
    assert zones.loc["东街"].tolist() == ["central", "Q1"]
    assert zones.loc["南巷"].tolist() == ["fringe", "Q2"]
    assert note(n, "boundary") == 1  # 东街 alone


def test_scope_cuts_the_road():
    """Scope up to x = 250: blocks 0-100 and 100-300 (150 of 200 m inside) are in, 300-400 is out and kept with its reason."""
    n = build(
        town(
            road("A", "B", [(0, 0), (100, 0)], "东街", "main"),
            road("B", "C", [(100, 0), (300, 0)], "东街", "main"),
            road("C", "D", [(300, 0), (400, 0)], "东街", "main"),
        ),
        areas=areas(("s", "scope", None, shapely.box(-50, -50, 250, 50))),
    )
    out = n.sections.set_index("policy_class")
    assert metres([out.loc["main", "length_mm"], out.loc["no_rule", "length_mm"]]) == [300, 100]
    assert out.loc["no_rule", "no_rule_reason"] == "out_of_scope"
    assert len(set(n.segments["road_id"])) == 1
    assert note(n, "out_of_scope_m") == 99  # 100 m in the plane are 99.985 m


def test_overlays_and_their_precedence():
    """A commercial street named 东街 lifts only 东街; an urban village lifts a classless lane, no motorway, and lowers no main road."""
    edges = town(
        road("A", "B", [(0, 0), (200, 0)], "东街"),
        road("B", "C", [(200, 0), (200, 40)], "北巷"),
        road("C", "D", [(200, 40), (400, 40)], "村道", "none", source_class="service"),
        road("D", "E", [(400, 40), (600, 40)], "高速", "none", source_class="motorway"),
        road("E", "F", [(600, 40), (800, 40)], "大道", "main"),
    )
    n = build(
        edges,
        areas=areas(
            ("a1", "street_important", "东街", shapely.box(-10, -50, 210, 50)),
            ("a2", "urban_village", "某村", shapely.box(190, 30, 900, 60)),
            ("a3", "street_general", None, shapely.LineString([(200, 5), (200, 45)])),
        ),
    )
    got = n.segments.set_index("road_name")["policy_class"].to_dict()
    assert got == {"东街": "main", "北巷": "secondary", "村道": "branch", "高速": "no_rule", "大道": "main"}


def test_declared_section_on_a_divided_road():
    """迎宾大道(丹河路至东端): x from 300 to 600 on both carriageways, one measure of 300 m, whatever the brackets and spaces."""
    words = roster((" 迎宾大道（东段） ", "丹河路", "东端"), ("迎宾大道", "没有的路", "东端"), ("迎宾", "东端", "丹河"))
    n = build(divided(), responsibilities=words)
    declared = n.sections[n.sections["declared"]]
    assert metres(declared["length_mm"]) == [300]
    mine = n.segments[n.segments["section_id"] == declared["section_id"].iloc[0]]
    assert len(mine) == 3
    for part in (mine[mine["length_mm"] > 200_000], mine[mine["length_mm"] < 200_000]):
        spans = np.abs(part["measure_to_mm"] - part["measure_from_mm"]).sum()
        assert spans == declared["length_mm"].iloc[0]
    out = resolve_responsibilities(words, n)
    assert out["resolved"].tolist() == [True, False, True]
    assert out["target_id"].iloc[0] == out["target_id"].iloc[2] == declared["section_id"].iloc[0]
    assert "cross street" in out["problem"].iloc[1]


def test_declared_section_goes_on_past_side_streets():
    """四段 blocks of 200 m; the roster's section spans two cross streets, the rest stays with default sections."""
    rows = [road(f"n{i}", f"n{i + 1}", [(200 * i, 0), (200 * i + 200, 0)], "象山港路", "main") for i in range(4)]
    rows += [road(f"n{i}", f"x{i}", [(200 * i, 0), (200 * i, 150)], f"横{i}路") for i in range(5)]
    words = roster(("象山港路", "横1路", "横3路"), ("象山港路", "横3路", "横1路"), ("象山港路", "横1路", "起点"))
    n = build(town(*rows), responsibilities=words)
    mine = n.sections[n.sections["declared"]]
    assert metres(mine["length_mm"]) == [400]
    assert mine["name"].iloc[0] == "象山港路（横1路至横3路）"
    assert (
        metres(n.sections.loc[(n.sections["road_name"] == "象山港路") & ~n.sections["declared"], "length_mm"])
        == [200] * 2
    )
    out = resolve_responsibilities(words, n)
    assert out["resolved"].tolist() == [True, True, False]
    assert "more than one" in out["problem"].iloc[2]


def test_problems_of_the_roster():
    edges = pd.concat(
        [
            crossing(),
            town(
                road("P", "Q", [(900, 0), (1200, 0)], "建设路", "main"),
                road("Q", "Z", [(1200, 0), (1200, 90)], "东环路"),
            ),
        ]
    )
    words = roster(("无此路", "丹河路", "东端"), ("建设路", "丹河路", "东环路"))
    out = resolve_responsibilities(words, build(edges.reset_index(drop=True), responsibilities=words))
    assert [p.split("(")[1] for p in out["problem"]] == [
        "no such road in the network)",
        "the road does not lead from one cross street to the other)",
    ]


def test_round_trip_through_tables_in_any_row_order():
    n = build(divided(), work_grids=grids(("G", "central", None, None, shapely.box(-10, -400, 400, 400))))
    segments, sections = network_to_tables(n)
    back = network_from_tables(segments.sample(frac=1, random_state=3), sections.iloc[::-1], metric_crs=CRS)
    for name in (
        "node_x",
        "node_y",
        "seg_u",
        "seg_v",
        "seg_oneway",
        "seg_length_mm",
        "vert_ptr",
        "vert_x",
        "vert_y",
        "vert_mm",
    ):
        np.testing.assert_array_equal(getattr(n.graph, name), getattr(back.graph, name))
    for name in ("seg_section", "seg_measure_from_mm", "seg_measure_to_mm"):
        np.testing.assert_array_equal(getattr(n, name), getattr(back, name))
    pd.testing.assert_frame_equal(n.segments, back.segments)
    pd.testing.assert_frame_equal(n.sections, back.sections)
    with pytest.raises(InputError, match="does not fit"):
        network_from_tables(segments.assign(length_mm=segments["length_mm"] + 1), sections, metric_crs=CRS)


def test_every_fault_at_once():
    bad = crossing().assign(oneway=[0, 2, 0, 0], policy_class=["main", "main", "grand", "main"])
    bad.loc[3, "u"] = None
    doubled = grids(
        ("G", "central", None, None, shapely.box(0, 0, 9, 9)), ("G", "central", None, None, shapely.box(0, 0, 9, 9))
    )
    with pytest.raises(InputError) as caught:
        build_network(bad, metric_crs=CRS, rule_of_class=RULES | {"grand": "x"}, work_grids=doubled)
    assert {f.code for f in caught.value.faults} == {
        "oneway",
        "policy_class",
        "node",
        "rule_of_class",
        "duplicate_code",
    }
    with pytest.raises(InputError, match="projected CRS in metres"):
        build_network(crossing(), metric_crs="EPSG:4490", rule_of_class=RULES)
    with pytest.raises(InputError, match="EPSG:4326"):
        build_network(crossing().to_crs(CRS), metric_crs=CRS, rule_of_class=RULES)
    with pytest.raises(SettingsError, match="pair_share"):
        NetworkSettings(pair_share=1.5, patrollable=("lane",))


def test_arrays_are_read_only():
    n = build(crossing())
    with pytest.raises(ValueError, match="read-only"):
        n.graph.seg_u[0] = 1
