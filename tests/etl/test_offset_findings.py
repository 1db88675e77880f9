"""The warning of an undeclared offset stays: with the load, the edition, the audit, the files that leave the house."""

from __future__ import annotations

import numpy as np
import openpyxl
import pymupdf
import pytest
from small_city import CITY, DAY, opened, walk
from test_alignment import in_datum, layout

from dashboards.desk_data import edition_table
from dashboards.exports import export_days
from etl.check import check_city
from etl.pipeline import audit_days
from gis.datum import from_wgs84
from layers.city import load_city_file

SOURCES = """
[[source]]
name = "网格"
table = "work_grids"
path = "grids.geojson"
[[source]]
name = "区域"
table = "areas"
path = "areas.geojson"
columns = { kind = "kind" }
"""


def written(folder, *, shifted=(), fixes=None):
    """A city of the layout of `test_alignment`, of which these layers are in GCJ-02 and nobody says so."""
    tables = {t: in_datum(rows, "gcj02") if t in shifted else rows for t, rows in layout(3).items()}
    n = len(tables["road_edges"])
    roads = tables["road_edges"].assign(edge_id=[f"E{i}" for i in range(n)], source_class="主干道", oneway=0)
    grids = tables["work_grids"].assign(
        grid_id=[f"G{i}" for i in range(9)], name=[f"第{i}格" for i in range(9)], level="central"
    )
    areas = tables["areas"].assign(area_id=["B", "T1", "T2"], name=["界", "东镇", "西镇"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("roads", roads), ("grids", grids), ("areas", areas)):
        rows.to_file(folder / f"{name}.geojson", driver="GeoJSON")
    fixes.to_csv(folder / "positions.csv", index=False)
    text = CITY.replace('metric_crs = "EPSG:4550"\n', "") + SOURCES
    (folder / "city.toml").write_text(text, encoding="utf-8")
    return load_city_file(folder / "city.toml")


def along_the_streets(datum="wgs84"):
    """Fixes of half an hour along the first street, every 10 s at some 5 m/s."""
    line = layout(3)["road_edges"].geometry.iloc[0]
    frame = walk(0, "08:30", "09:00")
    at = [line.interpolate(f, normalized=True) for f in np.linspace(0, 1, len(frame))]
    lon, lat = from_wgs84([p.x for p in at], [p.y for p in at], datum=datum)
    return frame.assign(lon=np.round(lon, 7), lat=np.round(lat, 7))


def said(store):
    return store.results([DAY], "findings")


@pytest.fixture(scope="module")
def grids_off(tmp_path_factory):
    folder = tmp_path_factory.mktemp("off")
    city = written(folder, shifted=("work_grids",), fixes=along_the_streets())
    store = opened(city)
    audit_days(city, store, [DAY])
    yield city, store, folder
    store.close()


def test_the_load_the_edition_and_the_check_keep_it(grids_off):
    city, store, _ = grids_off
    warned = {m.record.source: [n for n in m.record.notes if n.warns] for m in store.manifests()}
    assert {s: len(w) for s, w in warned.items()} == {"道路": 0, "轨迹": 0, "区域": 0, "网格": 1}
    assert "未声明的 GCJ-02 偏移（向东南约 48" in warned["网格"][0].zh
    for lang, words in (("zh", "工作网格相对"), ("en", "the work grids likely have an undeclared GCJ-02 offset")):
        table = edition_table(store.editions(), {}, store.manifests(), lang).set_index("table")
        assert words in table.loc["work_grids", "warnings"][0]
        assert table.loc["road_edges", "warnings"] == []
    for report in (check_city(city), check_city(city, store)):
        assert [f.code for f in report.warnings] == ["layers.offset"]
        assert "工作网格含道路长度的" in report.render()


def test_the_audit_tells_it_once_and_so_do_the_files(grids_off, tmp_path):
    city, store, _ = grids_off
    rows = said(store)
    told = rows[rows["code"].str.startswith(("layers.", "load.", "datum."))]
    assert told["code"].tolist() == ["layers.offset.work_grids.1"]
    assert told["count"].iloc[0] == pytest.approx(489, abs=5)
    words = "很可能有未声明的 GCJ-02 偏移"
    assert words in told["zh"].iloc[0]
    files = export_days(
        city, store, [DAY], tmp_path, formats=["csv", "xlsx", "pdf"], lang="zh", progress=lambda *_: None
    )
    by_end = {ending: [f for f in files if f.suffix == f".{ending}"] for ending in ("csv", "xlsx", "pdf")}
    assert any(words in f.read_text(encoding="utf-8-sig") for f in tmp_path.rglob("*.csv"))
    book = openpyxl.load_workbook(by_end["xlsx"][0], read_only=True)
    assert any(words in str(c) for sheet in book for row in sheet.iter_rows(values_only=True) for c in row)
    text = "".join(page.get_text() for page in pymupdf.open(by_end["pdf"][0])).replace("\n", "")
    assert "GCJ-02" in text
    assert "layers.offset" in text


def test_nothing_is_said_where_all_fit(tmp_path):
    city = written(tmp_path, fixes=along_the_streets())
    store = opened(city)
    audit_days(city, store, [DAY])
    assert not said(store)["code"].str.startswith(("layers.", "load.", "datum.")).any()
    assert check_city(city).warnings == ()
    store.close()


@pytest.mark.parametrize(
    ("shifted", "datum", "subject"),
    [((), "gcj02", "positions"), (("road_edges", "areas", "work_grids"), "wgs84", "road_edges")],
)
def test_positions_or_everything_but_the_positions(tmp_path, shifted, datum, subject):
    """Measured again at the audit, on the day's own positions: which side has the offset, and how large it is."""
    city = written(tmp_path, shifted=shifted, fixes=along_the_streets(datum))
    store = opened(city)
    audit_days(city, store, [DAY])
    rows = said(store)
    told = rows[rows["code"] == "datum.undeclared"]
    assert told["subject"].tolist() == [subject]
    assert told["count"].iloc[0] == pytest.approx(489, abs=5)
    assert ("道路（及与之相合的图层）很可能是未声明的 GCJ-02" in told["zh"].iloc[0]) == (subject == "road_edges")
    store.close()
