"""A network that is kept beside the store is the one that was derived, to the bit; what is not whole is not used."""

from __future__ import annotations

import os

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from etl.network_cache import KEPT, keep, kept
from gis.network import build_network

CRS = pyproj.CRS(4550)


@pytest.fixture
def network():
    """Three roads that meet at one crossing, one without a name, one that a walker only may use both ways."""
    ends = [(121.870, 29.470), (121.874, 29.470), (121.872, 29.473)]
    middle = (121.872, 29.470)
    rows = {
        "edge_id": ["1", "2", "3"], "u": ["a", "b", "c"], "v": ["m", "m", "m"], "source_class": [None, None, "x"],
        "policy_class": ["main", "main", None], "name": ["东街", None, "北路"], "oneway": [0, 1, -1], "bridge": [False, True, False],
        "tunnel": [False, False, True], "level": [0, 1, -1],
    }  # fmt: skip
    lines = [shapely.LineString([end, middle]) for end in ends]
    edges = gpd.GeoDataFrame(rows, geometry=lines, crs="EPSG:4326")
    return build_network(edges, metric_crs=CRS, rule_of_class={"main": "road.main"})


def _arrays(network):
    graph = {f: getattr(network.graph, f) for f in network.graph.__slots__ if f != "crs"}
    return graph | {f: getattr(network, f) for f in ("seg_section", "seg_measure_from_mm", "seg_measure_to_mm")}


def test_kept_network_is_the_derived_one(tmp_path, network):
    keep(tmp_path, "e" * 64, network)
    again = kept(tmp_path, "e" * 64, CRS)
    assert_geodataframe_equal(again.segments, network.segments)
    assert_geodataframe_equal(again.sections, network.sections)
    for name, values in _arrays(network).items():
        found = _arrays(again)[name]
        assert found.dtype == values.dtype, name
        assert not found.flags.writeable, name
        np.testing.assert_array_equal(found, values, err_msg=name)


def test_nothing_is_read_that_is_not_whole(tmp_path, network):
    assert kept(tmp_path, "e" * 64, CRS) is None
    assert kept(None, "e" * 64, CRS) is None
    keep(None, "e" * 64, network)
    keep(tmp_path, "e" * 64, network)
    keep(tmp_path, "e" * 64, network)  # a second time, or by another process: nothing happens
    for path in tmp_path.rglob("*.*"):
        if path.is_file():
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            assert kept(tmp_path, "e" * 64, CRS) is None, path.name
            path.write_bytes(whole)
    assert kept(tmp_path, "e" * 64, CRS) is not None
    assert [p.name for p in (tmp_path / "network-1").iterdir()] == ["e" * 64]


def test_the_networks_used_last_are_kept(tmp_path, network):
    names = [c * 64 for c in "abcdefg"][: KEPT + 2]
    for n, name in enumerate(names[:KEPT]):
        keep(tmp_path, name, network)
        (folder,) = tmp_path.rglob(name)
        os.utime(folder, ns=(n, n))  # one after the other, whatever the clock's grain
    assert all(kept(tmp_path, name, CRS) is not None for name in names[:1])  # the oldest is used again
    for name in names[KEPT:]:
        keep(tmp_path, name, network)
    assert [n for n in names if kept(tmp_path, n, CRS) is None] == names[1:3]
