"""The city file: what it holds, every fault at once with line and key, and no setting without documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.template import init_city
from gis.errors import SettingsError
from layers.city import allowed_columns, load_city_file
from layers.city_docs import settings_markdown
from layers.contracts import TABLES
from layers.toml_lines import key_lines, line_of

DOCS = Path(__file__).parents[2] / "docs" / "city-file.md"

GOOD = """
[city]
id = "xiangshan"
name = "象山县"

[standard]
name = "xiangshan-2019"

[[source]]
name = "道路"
table = "road_edges"
path = "${XUNCHA_TEST_ROOT}/roads.shp"
columns = { edge_id = "编号" }

[source.translate.source_class]
"1" = "主干道"

[[overlay]]
name = "镇街"
kind = "town"
path = ["a.geojson", "b.geojson"]
"""

BAD = """[city]
id = "x y"
nam = "象山"
timezone = "Asia/Shangai"
metric_crs = 4490

[store]
url = "mysql://root:secret@host/db"

[standard]

[[source]]
name = "a"
table = "work_grid"
path = "a.shp"

[[source]]
name = "b"
table = "work_grids"
path = "${XUNCHA_NO_SUCH_VARIABLE}/a.shp"
crs = 99999
encoding = "GBKK"
columns = { grid_idd = "x" }

[source.constants]
lvel = "central"

[roads.classes]
"主干道" = "mian"

[[overlay]]
name = "b"
path = "x"
query = "SELECT 1"

[matching]
nearm = 3
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "city.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XUNCHA_TEST_ROOT", "/data")
    city = load_city_file(write(tmp_path, GOOD))
    assert (city.id, city.name, city.timezone, city.language) == ("xiangshan", "象山县", "Asia/Shanghai", "zh")
    assert city.store_url == f"embedded:{tmp_path / 'store'}"
    road, towns = city.sources
    assert road.path == "${XUNCHA_TEST_ROOT}/roads.shp"  # as written: what a manifest may hold
    assert city.resolve(road.paths[0]) == Path("/data/roads.shp")
    assert road.source_column("edge_id") == "编号"
    assert road.source_column("name") == "name"
    assert road.translate == {"source_class": {"1": "主干道"}}
    assert (towns.table, towns.kind, towns.paths) == ("areas", "town", ("a.geojson", "b.geojson"))


def test_every_fault_at_once_with_its_line(tmp_path, monkeypatch):
    monkeypatch.delenv("XUNCHA_NO_SUCH_VARIABLE", raising=False)
    with pytest.raises(SettingsError) as caught:
        load_city_file(write(tmp_path, BAD))
    found = {(f.row, f.column, f.code) for f in caught.value.faults}
    assert found == {
        (1, "city.name", "city.missing"),
        (2, "city.id", "city.value"),
        (3, "city.nam", "city.unknown_key"),
        (4, "city.timezone", "city.timezone"),
        (5, "city.metric_crs", "city.crs"),  # degrees are no metres
        (8, "store.url", "city.store"),
        (10, "standard", "city.standard"),
        (14, "source.1.table", "city.choice"),
        (20, "source.2.path", "city.variable"),
        (21, "source.2.crs", "city.crs"),
        (22, "source.2.encoding", "city.encoding"),
        (23, "source.2.columns.grid_idd", "city.column"),
        (26, "source.2.constants.lvel", "city.column"),
        (29, "roads.classes.主干道", "city.choice"),
        (31, "overlay.1", "city.reach"),
        (31, "overlay.1.kind", "city.kind"),
        (32, "overlay.1.name", "city.twice"),
        (37, "matching.nearm", "city.unknown_key"),
    }
    text = caught.value.render("zh")
    assert "secret" not in text
    assert "可用：grid_id" in text
    assert all(f.file == "city.toml" and f.zh and f.en for f in caught.value.faults)


def test_a_file_that_is_missing_or_no_toml(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load_city_file(tmp_path / "none.toml")
    assert caught.value.faults[0].code == "city.file"
    with pytest.raises(SettingsError) as caught:
        load_city_file(write(tmp_path, '[city]\nid = "a"\nname = "b\n'))
    assert (caught.value.faults[0].code, caught.value.faults[0].row) == ("city.syntax", 3)
    path = tmp_path / "gbk.toml"
    path.write_bytes('[city]\nid = "a"\nname = "象山"\n'.encode("gbk"))
    with pytest.raises(SettingsError) as caught:
        load_city_file(path)
    assert (caught.value.faults[0].code, caught.value.faults[0].row) == ("city.encoding", 3)


def test_a_local_grid_needs_its_points(tmp_path):
    text = GOOD.replace("${XUNCHA_TEST_ROOT}", "x").replace(
        "columns = {", 'crs = "local"\ncontrol_points = [[0, 0, 121.0, 29.0]]\ncolumns = {'
    )
    with pytest.raises(SettingsError) as caught:
        load_city_file(write(tmp_path, text))
    assert [(f.code, f.row) for f in caught.value.faults] == [("city.control_points", 14)]


def test_the_template_is_valid_and_never_overwrites(tmp_path):
    path = init_city(tmp_path / "new")
    assert load_city_file(path).standard.name == "xiangshan-2019"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError):
        init_city(tmp_path / "new")
    assert path.read_text(encoding="utf-8") == "mine"


def test_every_setting_is_documented():
    text = DOCS.read_text(encoding="utf-8")
    _, _, documented = text.partition("<!-- settings: made by layers.city_docs.settings_markdown -->\n")
    assert documented == settings_markdown()  # make it again with: python -c "from layers.city_docs import …"
    assert "|  |  |" not in documented  # no setting without its words


def test_columns_that_a_source_may_map():
    assert {"grid_id", "geometry", "wkt"} <= set(allowed_columns("work_grids"))
    assert {"device_id", "time", "lon", "lat"} <= set(allowed_columns("positions"))
    assert all(allowed_columns(t.name) for t in TABLES.values() if t.kind == "input")


def test_lines_of_keys():
    text = 'a = """\nb = 1\n"""\nc = [\n  "x = 1",\n]\n"d.e" = 2\n[[t]]\nx.y = 1\n[t.sub]\nz = 1 # [no]\n[[t]]\nq = "]["\nr = 1\n'
    lines = key_lines(text)
    assert ("b",) not in lines
    assert lines["c",] == 4
    assert lines["d.e",] == 7
    assert lines["t", 0, "x", "y"] == 9
    assert lines["t", 0, "sub", "z"] == 11
    assert lines["t", 1, "r"] == 14
    assert line_of(lines, ("t", 1, "r", 3, "deep")) == 14
