"""A network that is kept beside the store is the one that was derived, to the bit; what is not whole is not used."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from small_city import DAY, RESULTS, walk, write

from etl.load import load_city
from etl.network_cache import KEPT, keep, kept
from etl.pipeline import audit_days
from gis.network import build_network
from layers.store import open_store

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


def _without_network_tables(store, monkeypatch):
    """Makes every reading of the tables that a network is stored in fail."""
    read = store.read

    def guarded(table, *args, **options):
        assert table not in {"segments", "sections"}, table
        return read(table, *args, **options)

    monkeypatch.setattr(store, "read", guarded)


@pytest.mark.postgis
def test_an_audit_on_postgis_takes_its_network_from_the_cache(postgis_url, tmp_path, monkeypatch):
    city = write(tmp_path / "city", positions1=pd.concat([walk(i, end="09:30") for i in range(3)], ignore_index=True))
    monkeypatch.delenv("XUNCHA_CACHE", raising=False)
    plain = open_store(f"{postgis_url}?schema=plain", timezone=city.timezone)
    monkeypatch.setenv("XUNCHA_CACHE", str(tmp_path / "cache"))
    cached = f"{postgis_url}?schema=cached"
    first = open_store(cached, timezone=city.timezone)
    for store in (plain, first):
        store.prepare()
        load_city(city, store)
    (expected,) = audit_days(city, plain, [DAY])
    audit_days(city, first, [DAY - timedelta(days=1)])  # derives the network and keeps it
    first.close()
    later = open_store(cached, timezone=city.timezone)
    _without_network_tables(later, monkeypatch)
    (aside,) = later.cache.iterdir()
    held = aside.rename(tmp_path / "held")
    with pytest.raises(AssertionError, match="segments"):
        audit_days(city, later, [DAY])
    shutil.move(held, aside)
    (run,) = audit_days(city, later, [DAY])
    assert run.run_id == expected.run_id
    assert len(later.result(run.run_id, "section_windows")) == 40
    for table in RESULTS:
        pd.testing.assert_frame_equal(
            later.result(run.run_id, table), plain.result(run.run_id, table), check_exact=True
        )
    assert later.passes(run.run_id).equals(plain.passes(run.run_id))
    plain.close()
    later.close()
