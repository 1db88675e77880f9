"""The sample county: the same bytes for the same seed, believable, every file readable, truth consistent with the positions."""

import gzip
import hashlib
import json
from datetime import date

import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pyproj
import pytest
import rasterio
import shapely

from etl.base import Context
from etl.readers import position_reader, reader_of
from etl.sample import sample_days, write_sample_county
from etl.sample.county import CRS, build_county
from etl.sample.patrols import patrol
from etl.sample.people import hire
from layers.city import load_city_file

DAY = date(2026, 3, 18)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    write_sample_county(root, seed=2019, days=1, day=DAY)
    return root


def digests(root):
    return {
        str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(root.rglob("*"))
        if f.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_county(sample, tmp_path):
    write_sample_county(tmp_path / "again", seed=2019, days=1, day=DAY)
    assert digests(sample) == digests(tmp_path / "again")
    here, there = (build_county(rng=np.random.default_rng([seed, 0])).tables["road_edges"] for seed in (2019, 7))
    assert not here.geometry.iloc[:100].geom_equals(there.geometry.iloc[:100]).any()


def test_its_city_file_is_valid_and_every_source_can_be_read(sample):
    city = load_city_file(sample / "city.toml")
    context = Context(city)
    set_aside = {}
    for table in ("areas", "road_edges", "work_grids", "community_grids", "unit_grids", "units", "persons", "devices", "assignments",
                  "responsibilities", "exceptions", "cases", "checkins", "scenes"):  # fmt: skip
        for source in city.of_table(table):
            read = reader_of(table)(source, context)
            context.tables[table] = (
                pd.concat([context.tables[table], read.frame]) if table in context.tables else read.frame
            )
            assert len(read.frame) > 0, source.name
            set_aside[source.name] = len(read.quarantine)
    # one exception names no approver; everything else is in order
    assert {k: v for k, v in set_aside.items() if v} == {"例外登记": 1}
    tables = context.tables
    assert set(tables["cases"]["channel"]) == {"community", "squad", "platform", "opinion"}
    assert (tables["cases"]["closed"] > tables["cases"]["due"]).sum() > 50  # late ones
    assert not tables["cases"]["located"].all()
    assert set(tables["persons"]["role"]) == {"squad_member", "squad_leader", "collector", "grid_member", "grid_leader"}
    assert set(tables["work_grids"]["level"]) == {"central", "fringe"}
    assert {"closure", "works", "weather", "leave"} == set(tables["exceptions"]["kind"])


def test_the_dirt_in_the_positions_is_what_the_truth_says(sample):
    city = load_city_file(sample / "city.toml")
    (source,) = city.of_table("positions")
    read = position_reader()(source, Context(city))
    kept = sum(len(b) for b in read.batches)
    reasons = read.quarantine()["code"].value_counts().to_dict()
    assert reasons == {"time_naive": 7, "lat_impossible": 5, "device_missing": 3, "time_unparsable": 3}
    assert kept + 18 == read.record().rows_in
    assert 150_000 < kept < 450_000


def test_the_roads_are_a_gbk_shapefile_that_does_not_say_so_and_look_like_a_county(sample):
    path = sample / "道路" / "道路中心线.shp"
    assert not path.with_suffix(".cpg").exists()
    assert path.with_suffix(".dbf").read_bytes()[29] == 0
    roads = pyogrio.read_dataframe(path, encoding="GBK")
    assert 2000 < len(roads) < 5000
    km = roads.length.groupby(roads["DLDJ"]).sum() / 1000
    assert {
        "主干道",
        "次干道",
        "支路",
        "街巷",
        "村内道路",
        "城郊道路",
        "乡村道路",
        "县道",
        "高速公路",
        "步行道",
    } == set(km.index)
    assert 30 < km["主干道"] < 80
    assert km["支路"] > km["次干道"]
    assert "象山港路" in set(roads["DLMC"])
    assert (roads["DXTX"] != 0).sum() > 40
    assert roads["SD"].sum() == 1
    assert roads["QL"].sum() > 5
    # a divided avenue: its two carriageways run some 26 m apart in opposite directions
    avenue = roads[roads["DLMC"] == "海丰大道"]
    east, west = (shapely.union_all(avenue.geometry[avenue["DXTX"] == way].to_numpy()) for way in (1, -1))
    assert 20 < east.distance(west) < 30
    assert abs(east.length - west.length) < 100


def test_grids_tile_the_town_and_codes_have_fifteen_digits(sample):
    work = pyogrio.read_dataframe(sample / "网格" / "工作网格.geojson").to_crs(CRS)
    assert len(work) == 30
    central = work[work["区位"] == "中心城区"]
    union = shapely.union_all(central.geometry.to_numpy())
    assert union.geom_type == "Polygon"
    assert central.area.sum() == pytest.approx(union.area, rel=1e-6)  # no overlaps
    assert 15e6 < union.area < 25e6
    unit = pyogrio.read_dataframe(sample / "网格" / "单元网格.geojson").to_crs(CRS)
    assert unit["单元网格编码"].str.fullmatch(r"\d{15}").all()
    assert unit["单元网格编码"].is_unique
    assert 0.7e4 < unit.area.median() < 1.3e4
    community = pyogrio.read_dataframe(sample / "网格" / "全科网格.gpkg")
    assert set(unit["全科网格"]) <= set(community["grid_id"])


def test_positions_lie_where_the_truth_says_within_their_noise():
    # without jumps: mean error of a position against its true place, 5 m a axis plus canyon drift on 6 % of the segments
    county = build_county(rng=np.random.default_rng([2019, 0]))
    staff = hire(county, rng=np.random.default_rng([2019, 1]))
    today = patrol(county, staff, DAY, working=True, special=True, rng=np.random.default_rng(1))
    seen = today.seen
    error = np.hypot(seen.x - seen.true_x, seen.y - seen.true_y)
    assert np.median(error) == pytest.approx(5.9, abs=0.7)  # Rayleigh: 1.1774 x 5 m
    assert (error > 250).mean() == pytest.approx(0.0008, abs=0.0005)
    still = {d for d, _, _ in today.drawers}
    for device, start, end in today.silences:
        mine = np.flatnonzero(np.array(seen.devices)[seen.device_ix] == device)
        hour = (seen.t_ms[mine] / 3_600_000 + 8) % 24
        assert not ((hour > start) & (hour < end)).any()
    assert still


def test_truth_names_the_roads_of_the_shapefile_and_holds_every_device_of_the_plan(sample):
    truth = pd.read_parquet(sample / "truth" / "passes-2026-03-18.parquet")
    roads = pyogrio.read_dataframe(sample / "道路" / "道路中心线.shp", encoding="GBK").set_index("BH")
    assert set(truth["edge_id"]) <= set(roads.index)
    length_mm = (
        roads.to_crs(4326).geometry.map(pyproj.Geod(ellps="GRS80").geometry_length).reindex(truth["edge_id"]).to_numpy()
        * 1000
    )
    assert (truth[["from_mm", "to_mm"]].max(axis=1).to_numpy() <= length_mm + 20).all()
    assert (truth["leave"] >= truth["enter"]).all()
    presence = pd.read_parquet(sample / "truth" / "presence-2026-03-18.parquet")
    assert set(presence["state"]) == {"present", "companion", "silent", "drawer"}
    with gzip.open(sample / "定位" / "2026-03-18.csv.gz", "rb") as f:
        head = f.readline().decode("gb18030").strip()
    assert head == "设备号,定位时间,上传时间,经度,纬度"


def test_the_scenes_hold_the_known_change(sample):
    truth = json.loads((sample / "truth" / "change.json").read_text(encoding="utf-8"))
    park = shapely.from_wkt(truth["geometry_wkt"]).buffer(-15)
    there = pyproj.Transformer.from_crs(CRS, 32651, always_xy=True)
    ring = shapely.transform(park, lambda xy: np.column_stack(there.transform(xy[:, 0], xy[:, 1])))
    ndvi = {}
    for key in ("before", "after"):
        band = {}
        for name in ("red", "nir"):
            with rasterio.open(sample / "影像" / f"{truth[key]}_{name}.tif") as image:
                assert image.crs.to_epsg() == 32651
                west, north = image.bounds.left, image.bounds.top
                x, y = np.meshgrid(west + 5 + 10 * np.arange(image.width), north - 5 - 10 * np.arange(image.height))
                band[name] = image.read(1)[shapely.contains_xy(ring, x, y)].astype(float)
        ndvi[key] = float(((band["nir"] - band["red"]) / (band["nir"] + band["red"])).mean())
    assert ndvi["before"] == pytest.approx(truth["ndvi_before"], abs=0.01)  # (3900 - 450) / 4350 = 0.793
    assert ndvi["after"] == pytest.approx(truth["ndvi_after"], abs=0.01)  # (2700 - 2300) / 5000 = 0.08


def test_the_roster_is_written_as_offices_do(sample):
    book = openpyxl.load_workbook(sample / "名册" / "责任分工.xlsx")
    texts = [r[2] for r in book["路段责任"].iter_rows(min_row=3, values_only=True)]
    assert any("(" in t and "至" in t and "、" in t for t in texts)
    assert any("\uff1a" in t for t in texts)
    assert any(":" in t for t in texts)
    roster = openpyxl.load_workbook(sample / "名册" / "花名册.xlsx")
    carried = pd.DataFrame(
        list(roster["领用"].iter_rows(min_row=3, values_only=True)),
        columns=["device", "person", "name", "mode", "from", "to"],
    )
    cars = carried[carried["device"].str.startswith("CL-")]
    assert (cars.groupby("device")["person"].nunique() == 2).all()  # crews
    shared = (
        carried[(carried["from"] >= pd.Timestamp(DAY)) & (carried["from"] < pd.Timestamp(2026, 3, 19))]
        .groupby("device")["person"]
        .nunique()
    )
    assert sorted(shared) == [1, 2]  # a shared phone, and one with the substitute


def test_several_days_end_on_the_day_and_squads_rest_on_a_free_day(tmp_path):
    write_sample_county(tmp_path, seed=2019, days=2, day=date(2026, 3, 16))  # a Monday; the day before is a Sunday
    assert sorted(f.name for f in (tmp_path / "定位").iterdir()) == ["2026-03-15.csv.gz", "2026-03-16.csv.gz"]
    assert sample_days(2, date(2026, 3, 16)) == [date(2026, 3, 15), date(2026, 3, 16)]  # those that the demo audits
    sunday = pd.read_parquet(tmp_path / "truth" / "passes-2026-03-15.parquet")
    assert not sunday["device_id"].str.startswith(("SJ-", "CL-")).any()
    assert sunday["device_id"].str.startswith("CJ-").any()
