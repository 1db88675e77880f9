"""Undeclared offsets on the real data; what the check says of a city; device figures counted by hand; loads that fail leave nothing."""

from __future__ import annotations

from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from wrong_cases import ROADS, fixes, grids, streets, write_city

from etl.check import check_city
from etl.detect import detect_shift
from etl.grid import cut_grids, make_grids
from etl.holdings import device_figures
from etl.load import load_city
from gis.datum import from_wgs84
from gis.errors import InputError, SettingsError
from layers.city import load_city_file
from layers.store import open_store

GRID_SOURCE = '\n[[source]]\nname = "工作网格"\ntable = "work_grids"\npath = "grids.parquet"\n'
FIX_SOURCE = '\n[[source]]\nname = "轨迹"\ntable = "positions"\npath = "fixes.csv"\n'


# --- detection ---
@pytest.mark.data
@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09"])
def test_real_positions_against_real_roads(data_root, datum):
    """Beijing: as they are nothing is said; shifted, the offset is named and its size measured."""
    table = pd.read_csv(data_root / "beijing" / "positions_geolife_one_day.csv")
    roads = gpd.read_file(data_root / "beijing" / "roads.gpkg")
    lon, lat = from_wgs84(table["lon"].to_numpy(), table["lat"].to_numpy(), datum=datum)
    found = detect_shift(lon, lat, roads=roads)
    if datum == "wgs84":
        assert found is None
        return
    assert found is not None
    assert found.datum == datum
    assert found.shift_m == pytest.approx({"gcj02": 543, "bd09": 1339}[datum], abs=10)
    assert found.corrected < 10
    assert found.as_is > 30


def test_against_the_boundary():
    """Points over all of a 10 km square: shifted by 490 m, one in ten falls outside; elsewhere in the world nothing is tried."""
    x, y = np.meshgrid(np.linspace(121.801, 121.899, 60), np.linspace(29.401, 29.499, 60))
    boundary = gpd.GeoDataFrame(geometry=[shapely.box(121.8, 29.4, 121.9, 29.5)], crs=4326)
    assert detect_shift(x.ravel(), y.ravel(), boundary=boundary) is None
    found = detect_shift(*from_wgs84(x.ravel(), y.ravel(), datum="gcj02"), boundary=boundary)
    assert found is not None
    assert (found.datum, found.against, found.corrected) == ("gcj02", "boundary", 0.0)
    assert found.as_is == pytest.approx(0.06, abs=0.03)
    assert detect_shift(x.ravel(), y.ravel()) is None
    assert detect_shift(x.ravel() - 200, y.ravel(), boundary=boundary) is None
    assert detect_shift(np.array([]), np.array([]), boundary=boundary) is None


# --- devices ---
def test_device_figures_by_hand():
    """a: fixes at 0, 10, 20, 20 (again), 200 s of one day and 0 s of the next: intervals 10, 10, 180; silence 180 > 120.

    The repeated fix is no interval, and the night between two days is none. b sends once: no interval.
    """
    device = np.array(["b", "a", "a", "a", "a", "a", "a"], dtype=object)
    t_ms = np.array([5, 0, 10, 20, 20, 200, 86_400]) * 1000
    day = np.array([0, 0, 0, 0, 0, 0, 1])
    a, b = device_figures(device, t_ms, day, silence_s=120).to_dict("records")
    assert (a["device_id"], a["days"], a["fixes"]) == ("a", 2, 6)
    assert (a["median_interval_s"], a["longest_silence_s"], a["silences"]) == (10.0, 180.0, 1)
    assert (a["first_ms"], a["last_ms"]) == (0, 86_400_000)
    assert (b["device_id"], b["fixes"], b["silences"]) == ("b", 1, 0)
    assert np.isnan(b["median_interval_s"])


# --- check ---
def answers(report):
    return dict(zip(report.rules["rule_id"], report.rules["answer"], strict=True))


def test_a_city_without_positions(tmp_path):
    streets().to_file(tmp_path / "roads.geojson")
    grids().assign(level="central").to_parquet(tmp_path / "grids.parquet")
    write_city(tmp_path, ROADS, GRID_SOURCE)
    report = check_city(load_city_file(tmp_path / "city.toml"))
    said = answers(report)
    assert said["road.main"] == said["grid.rounds.central"] == said["community.small"] == said["platform.close"] == "no"
    assert said["density.central"] == "partly"  # required figures only
    assert said["density.fringe"] == "partly"  # whatever has no zone counts as fringe
    assert said["road.responsible"] == "stated"
    text = report.render()
    assert report.readable
    assert "没有定位数据" in text
    assert "只能给出应配人数" in text
    assert "4 个工作网格没有责任人" in text
    assert "cannot be decided" in report.render("en")


def test_positions_of_nobody_and_of_counted_devices(tmp_path):
    streets().to_file(tmp_path / "roads.geojson")
    fixes().to_csv(tmp_path / "fixes.csv", index=False)
    write_city(tmp_path, ROADS, FIX_SOURCE)
    report = check_city(load_city_file(tmp_path / "city.toml"))
    assert answers(report)["road.main"] == "no"
    row = report.devices.iloc[0]
    assert (row["device_id"], row["fixes"], row["median_interval_s"], row["assigned"]) == ("d1", 200, 10.0, False)
    write_city(tmp_path, ROADS, FIX_SOURCE, "\n[counting]\nunassigned = true\n")
    assert answers(check_city(load_city_file(tmp_path / "city.toml")))["road.main"] == "partly"


def test_check_of_a_store_and_of_sources_agree(tmp_path):
    streets().to_file(tmp_path / "roads.geojson")
    grids().assign(level="fringe").to_parquet(tmp_path / "grids.parquet")
    fixes().to_csv(tmp_path / "fixes.csv", index=False)
    write_city(tmp_path, ROADS, GRID_SOURCE, FIX_SOURCE)
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)
    held, read = check_city(city, store), check_city(city)
    assert held.rules.equals(read.rules)
    assert held.devices.equals(read.devices)
    assert store.positions.days() == [date(2026, 3, 18)]
    store.close()


def test_a_source_that_cannot_be_read_is_told_and_the_rest_judged(tmp_path):
    streets().to_file(tmp_path / "roads.geojson")
    write_city(tmp_path, ROADS, GRID_SOURCE)
    report = check_city(load_city_file(tmp_path / "city.toml"))
    assert not report.readable
    assert report.render().splitlines()[1].startswith("  · [source.missing] grids.parquet")
    assert "10 条道路边" in report.render()


# --- load ---
def test_only_some_sources(tmp_path):
    streets().to_file(tmp_path / "roads.geojson")
    grids().to_parquet(tmp_path / "grids.parquet")
    write_city(tmp_path, ROADS, GRID_SOURCE)
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    assert [m.record.table for m in load_city(city, store, only=["工作网格"])] == ["work_grids"]
    assert [m.record.table for m in load_city(city, store, only=["road_edges"])] == ["road_edges"]
    with pytest.raises(SettingsError) as caught:
        load_city(city, store, only=["路"])
    assert "道路" in caught.value.faults[0].fix_zh
    store.close()


def test_one_bad_source_stores_none_and_all_faults_are_told(tmp_path):
    streets().to_file(tmp_path / "roads.geojson")
    write_city(tmp_path, ROADS, GRID_SOURCE, FIX_SOURCE)
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    with pytest.raises(InputError) as caught:
        load_city(city, store)
    assert {f.file for f in caught.value.faults} == {"grids.parquet", "fixes.csv"}
    assert store.manifests() == []
    store.close()


# --- grid ---
def test_grids_cut_for_a_city_load_again(tmp_path):
    """The cut is written, named by the city file, and read back with level and town; the same cut gives the same bytes."""
    towns = gpd.GeoDataFrame(
        {"name": ["东镇", "西镇"], "area_id": ["t1", "t2"]},
        geometry=[shapely.box(121.87, 29.47, 121.89, 29.49), shapely.box(121.85, 29.47, 121.87, 29.49)],
        crs=4326,
    )
    towns.to_parquet(tmp_path / "towns.parquet")
    towns.iloc[:1].to_parquet(tmp_path / "central.parquet")
    overlays = "".join(
        f'\n[[overlay]]\nname = "{n}"\nkind = "{k}"\npath = "{n}.parquet"\n'
        for n, k in (("towns", "town"), ("central", "central"))
    )
    write_city(
        tmp_path,
        overlays.replace('path = "central.parquet"', 'path = "central.parquet"\nconstants = { area_id = "c1" }'),
    )
    city = load_city_file(tmp_path / "city.toml")
    n = cut_grids(city, tmp_path / "grids.gpkg", cell_m=500, shape="hex")
    first = (tmp_path / "grids.gpkg").read_bytes()
    assert cut_grids(city, tmp_path / "grids.gpkg", cell_m=500, shape="hex") == n
    assert (tmp_path / "grids.gpkg").read_bytes() == first
    back = gpd.read_file(tmp_path / "grids.gpkg")
    assert len(back) == n
    assert back["grid_id"].iloc[0] == "W0001"
    east = back[back["town_id"] == "t1"]
    assert (back["town_id"].isin(["t1", "t2"])).all()
    assert (east["level"] == "central").all()
    # 0.04° × 0.02° at 29.48° N: about 3.88 km × 2.22 km
    assert back.to_crs(4550).area.sum() / 1e6 == pytest.approx(3.88 * 2.22, rel=0.01)
    with pytest.raises(SettingsError):
        cut_grids(city, tmp_path / "grids.shp", cell_m=500)
    with pytest.raises(SettingsError):
        cut_grids(city, tmp_path / "grids.gpkg", cell_m=500, shape="round")


def test_blocks_between_streets(tmp_path):
    write_city(tmp_path)
    city = load_city_file(tmp_path / "city.toml")
    roads = streets().assign(policy_class="main")
    blocks = make_grids(city, areas=None, roads=roads, method="roads", cell_m=200)
    assert len(blocks) == 16  # five streets each way bound four times four blocks


def test_bad_rows_of_the_same_number_in_two_files(tmp_path):
    """Line 3 of both files is bad: two rows set aside, and the sum holds."""
    for n in (1, 2):
        rows = f"device_id,time,lon,lat\nd1,2026-03-18T09:00:00+08:00,121.{n},29.4\nd1,noon,121.5,29.4\n"
        (tmp_path / f"fixes_{n}.csv").write_text(rows, encoding="utf-8")
    write_city(tmp_path, FIX_SOURCE.replace("fixes.csv", "fixes_*.csv"))
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    (manifest,) = load_city(city, store)
    assert (manifest.record.rows_in, manifest.inserted, dict(manifest.reasons)) == (4, 2, {"time_unparsable": 2})
    store.close()
