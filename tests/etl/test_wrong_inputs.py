"""Ten wrong inputs: what the user is told names the file, the row, the column, what is wrong and what to do; nothing is stored."""

from __future__ import annotations

import os
from pathlib import Path

import geopandas as gpd
import pytest
from wrong_cases import CASES, markdown, tell

from etl.base import Context
from etl.load import load_city
from etl.readers import reader_of
from gis.errors import InputError
from layers.city import load_city_file
from layers.store import open_store

DOCS = Path(__file__).parents[2] / "docs" / "wrong-inputs.md"

ESSENTIALS = {
    "wrong_crs": [
        (
            "crs.contradicted",
            "grids.geojson",
            None,
            None,
            ["WGS 84", "x 390392.1", "EPSG:4550", "工作网格", "crs = 4550"],
        )
    ],
    "gcj02": [("datum.undeclared", "fixes.csv", None, None, ["GCJ-02", "49", "米", "未作改动", 'datum = "gcj02"'])],
    "encoding": [("source.encoding", "grids.shp", 1, "name", ["UTF-8", "GB18030", "东谷", 'encoding = "GB18030"'])],
    "column": [
        ("source.column", "grids.geojson", None, "网格编码", ["work_grids.grid_id", "是否为 网格编号？", "columns"])
    ],
    "naive_time": [("positions.naive_time", "fixes.csv", None, "time", ["没有时区", 'time_zone = "Asia/Shanghai"'])],
    "swapped": [
        ("crs.swapped", "grids.geojson", None, None, ["经度与纬度", "x 29.47", "先经度"]),
        ("positions.swapped", "fixes.csv", None, "lat", ["经度与纬度颠倒", 'lon = "lat"']),
    ],
    "empty": [
        ("source.empty", "grids.geojson", None, None, ["空"]),
        ("source.empty", "fixes.csv", None, None, ["空"]),
    ],
    "truncated": [("source.truncated", "grids.shp", None, None, ["644", "400", "重新复制"])],
    "road_class": [
        (
            "roads.class",
            "roads.geojson",
            None,
            "source_class",
            ["快速路×3", "city.toml [roads.classes]", '"*" = "none"'],
        )
    ],
    "duplicate": [("key_duplicate", "grids.geojson", 4, "grid_id", ["A1", "第 1 行"])],
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_user_is_told(name, tmp_path):
    CASES[name][2](tmp_path)
    told = tell(tmp_path)
    found = [(f.code, f.file, f.row, f.column, f.render("zh"), f.render("en")) for f in (*told.faults, *told.warnings)]
    found += [(r["code"], r["file"], r["row"], r["column"], r["zh"], r["en"]) for r in told.aside]
    expected = ESSENTIALS[name]
    assert [f[:4] for f in found] == [e[:4] for e in expected]
    for (*_, zh, en), (*_, words) in zip(found, expected, strict=True):
        assert all(w in zh for w in words), zh
        assert not set(en) & set("。、")  # English throughout, but for names


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_source_stores_nothing(name, tmp_path):
    CASES[name][2](tmp_path)
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    if name in {"gcj02", "duplicate"}:  # a warning, and one row set aside: the rest is loaded
        manifests = load_city(city, store)
        assert all(m.record.rows_in == m.inserted + m.already_present + m.quarantined for m in manifests)
        if name == "gcj02":
            assert manifests[-1].record.notes[-1].zh.startswith("警告：坐标很可能是未声明的 GCJ-02")
        else:
            assert (manifests[0].inserted, dict(manifests[0].reasons)) == (3, {"key_duplicate": 1})
    else:
        with pytest.raises(InputError):
            load_city(city, store)
        assert store.manifests() == []
        assert store.positions.days() == []
    store.close()


def test_the_page_is_true(tmp_path):
    """docs/wrong-inputs.md; made again with XUNCHA_WRITE_DOCS=1."""
    made = markdown(tmp_path)
    if os.environ.get("XUNCHA_WRITE_DOCS") == "1":
        DOCS.write_text(made, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == made


CITY = """[city]
id = "boston"
name = "波士顿"
timezone = "America/New_York"
[standard]
name = "xiangshan-2019"
[[overlay]]
name = "wards"
kind = "town"
path = "{root}/boston/Wards.geojson"
columns = {{ area_id = "WARD" }}
[[overlay]]
name = "precincts"
kind = "town"
path = "{root}/boston/Precincts.geojson"
columns = {{ area_id = "WARD_PRECINCT" }}
{crs}
"""


@pytest.mark.data
def test_precincts_in_feet_that_say_degrees(data_root, tmp_path):
    path = tmp_path / "city.toml"
    path.write_text(CITY.format(root=data_root, crs=""), encoding="utf-8")
    city = load_city_file(path)
    with pytest.raises(InputError) as caught:
        reader_of("areas")(city.sources[1], Context(city))
    fault = caught.value.faults[0]
    assert (fault.code, fault.file) == ("crs.contradicted", "Precincts.geojson")
    assert "EPSG:2249(NAD83 / Massachusetts Mainland (ftUS))" in fault.zh
    assert fault.fix_zh.endswith("crs = 2249")
    path.write_text(CITY.format(root=data_root, crs="crs = 2249"), encoding="utf-8")
    city = load_city_file(path)
    context = Context(city)
    wards, precincts = (gpd.GeoDataFrame(reader_of("areas")(s, context).frame) for s in city.sources)
    assert (len(wards), len(precincts)) == (22, 255)
    # read in feet, every precinct but its harbour parts lies in a ward
    inside = precincts.geometry.representative_point().within(wards.union_all())
    assert inside.mean() > 0.95
