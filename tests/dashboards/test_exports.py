from __future__ import annotations

import csv
import errno
import json
import os
import resource
import sqlite3
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import openpyxl
import pandas as pd
import pymupdf
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import small_run

from dashboards.exports import export_days, run
from dashboards.exports.aside import PART
from dashboards.exports.html_map import STATIC
from dashboards.exports.report import _density_sentence, _grid_table
from dashboards.exports.report_parts import register_fonts
from dashboards.exports.text import as_text
from dashboards.views import SPECS
from gis.errors import ImpossibleError, XunchaError
from layers.store import open_store
from layers.symbology import LAYERS


class Town:
    name = "手算镇"
    timezone = "Asia/Shanghai"


@pytest.fixture
def filled(tmp_path):
    store = open_store(f"embedded:{tmp_path / 'store'}")
    store.prepare()
    small_run.fill(store)
    yield store
    store.close()


def rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def test_csv_and_json_say_what_the_run_says(filled, tmp_path) -> None:
    out = tmp_path / "out"
    export_days(Town(), filled, [small_run.DAY], out, formats=["csv"])
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    rule = summary["rules"][0]
    # Four windows: one covered, missed, unknown, excused. Not excused: three; 1/3 to 2/3.
    assert rule["windows"] == rule["covered"] + rule["missed"] + rule["unknown"] + rule["excused"] == 4
    assert rule["rate"] == {"low": pytest.approx(1 / 3), "high": pytest.approx(2 / 3)}
    assert summary["inputs"] == [{"name": "roads", "sha256": "0" * 64, "rows": 2}]
    windows = rows(out / "csv" / "windows.csv")
    assert [w["outcome"] for w in windows] == ["covered", "missed", "unknown", "excused"]
    assert windows[0]["starts"] == "2026-03-18T08:30:00.000+08:00"
    assert windows[0]["persons"] == "张三"
    assert windows[0]["section_name"] == "'=象山港路(甲至乙)"
    assert {p.stem for p in (out / "csv").glob("*.csv")} == {*SPECS, "columns"}
    meanings = {(r["table"], r["column"]): r["zh"] for r in rows(out / "csv" / "columns.csv")}
    assert meanings["sections", "longest_gap_s"] == "最长间隔"


def test_the_same_run_gives_the_same_bytes(filled, tmp_path) -> None:
    for name in ("a", "b"):
        export_days(
            Town(), filled, [small_run.DAY], tmp_path / name, formats=["csv", "geojson", "xlsx", "gpkg", "pdf", "html"]
        )
        time.sleep(1.1)  # whatever tells the second would differ
    first = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(first) > 20
    for path in first:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_begins_like_a_formula(text) -> None:
    assert as_text(text) == "'" + text
    assert as_text("象山港路") == "象山港路"


def test_the_workbook_has_words_and_no_formulas(filled, tmp_path) -> None:
    export_days(Town(), filled, [small_run.DAY], tmp_path, formats=["xlsx"])
    book = openpyxl.load_workbook(tmp_path / "xuncha-2026-03-18.xlsx")
    assert book.sheetnames[:3] == ["封面", "规则汇总", "责任路段"]
    sheet = book["漏巡与未知时段"]
    heads = [c.value for c in sheet[1]]
    assert [r[heads.index("结果")] for r in sheet.iter_rows(min_row=2, values_only=True)] == ["漏巡", "未知（失联）"]
    named = sheet.cell(2, heads.index("责任路段名称") + 1)
    assert (named.value, named.data_type) == ("=象山港路(甲至乙)", "s")
    assert not any(c.data_type == "f" for s in book for row in s.iter_rows() for c in row)
    sections = book["责任路段"]
    heads = [c.value for c in sections[1]]
    # 5,400 s are shown as 90 minutes, 1,000,000 mm as 1 km, the local time of 09:10.
    assert sections.cell(2, heads.index("最长间隔（min）") + 1).value == 90
    assert sections.cell(2, heads.index("长度（km）") + 1).value == 1
    assert sections.cell(2, heads.index("最近完成") + 1).value.isoformat() == "2026-03-18T09:10:00"
    assert sections.conditional_formatting
    assert sections.page_setup.orientation == "landscape"
    assert sections.print_title_rows == "$1:$1"


def test_the_workbook_in_english(filled, tmp_path) -> None:
    export_days(Town(), filled, [small_run.DAY], tmp_path, formats=["xlsx"], lang="en")
    book = openpyxl.load_workbook(tmp_path / "xuncha-2026-03-18.xlsx")
    assert "Responsible sections" in book.sheetnames
    assert "Missed" in {c.value for row in book["Windows missed or unknown"].iter_rows() for c in row}


def test_the_geopackage_opens_with_its_styles(filled, tmp_path) -> None:
    export_days(Town(), filled, [small_run.DAY], tmp_path, formats=["gpkg"])
    path = tmp_path / "xuncha-2026-03-18.gpkg"
    segments = gpd.read_file(path, layer="segments")
    assert segments["outcome"].tolist() == ["partly", "unknown"]
    assert segments.crs.to_epsg() == 4326
    with sqlite3.connect(path) as db:
        styles = dict(db.execute("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault"))
    assert LAYERS["segment_outcome"].colors()["missed"] == "#c1272d"
    assert "193,39,45" in styles["segments"]  # the same red
    assert 'value="missed"' in styles["segments"]


def test_geojson_places(filled, tmp_path) -> None:
    export_days(Town(), filled, [small_run.DAY], tmp_path, formats=["geojson"])
    body = json.loads((tmp_path / "geojson" / "segments.geojson").read_text(encoding="utf-8"))
    assert body["features"][0]["geometry"]["coordinates"] == [[121.87, 29.47], [121.88, 29.47]]
    assert body["features"][0]["properties"]["last_pass"].startswith("2026-03-18T01:10:00")


@pytest.mark.skipif(not (STATIC / "manifest.json").exists(), reason="the pages' assets have not been built")
def test_the_map_needs_no_network_and_its_legend_equals_the_table(filled, tmp_path) -> None:
    export_days(Town(), filled, [small_run.DAY], tmp_path, formats=["html"])
    text = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "cdn" not in text
    assert "<link" not in text
    assert 'src="http' not in text
    assert 'data-count="segment_outcome:partly">1<' in text
    assert 'data-count="segment_outcome:unknown">1<' in text


def test_a_day_without_audit_is_said(filled, tmp_path) -> None:
    with pytest.raises(ImpossibleError, match="has not been audited"):
        export_days(Town(), filled, [small_run.DAY.replace(day=19)], tmp_path / "out", formats=["csv"])
    assert not (tmp_path / "out").exists()


def test_an_export_that_fails_leaves_the_folder_as_it_was(filled, tmp_path, monkeypatch) -> None:
    out = tmp_path / "out"
    export_days(Town(), filled, [small_run.DAY], out, formats=["csv"])
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dashboards.exports.run.write_geopackage", full)
    with pytest.raises(XunchaError, match="No space left") as told:
        export_days(Town(), filled, [small_run.DAY], out, formats=["csv", "xlsx", "gpkg"])
    assert told.value.faults[0].code == "export.write"
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    with pytest.raises(XunchaError):
        export_days(Town(), filled, [small_run.DAY], tmp_path / "fresh", formats=["gpkg"])
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize("kind", ["xlsx", "gpkg", "pdf", "csv", "html"])
def test_a_disk_that_takes_no_more_is_told_in_words(filled, tmp_path, monkeypatch, kind) -> None:
    """Each writer of files meets the end of the disk: here a bound on the size of files, which the kernel keeps."""
    kept, write = resource.getrlimit(resource.RLIMIT_FSIZE), run._write

    def bounded(*args, **applied):
        resource.setrlimit(resource.RLIMIT_FSIZE, (400, kept[1]))
        try:
            return write(*args, **applied)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)

    monkeypatch.setattr(run, "_write", bounded)
    with pytest.raises(XunchaError) as told:
        export_days(Town(), filled, [small_run.DAY], tmp_path / "out", formats=[kind])
    assert told.value.faults[0].code == "export.write"
    assert not (tmp_path / "out").exists()


def test_what_a_killed_export_left_is_swept_by_the_next(filled, tmp_path) -> None:
    out = tmp_path / "out"
    dead = out / f"{PART}999999999"
    (dead / "csv").mkdir(parents=True)
    mine = out / f"{PART}{os.getppid()}"  # of a process that lives
    mine.mkdir()
    export_days(Town(), filled, [small_run.DAY], out, formats=["csv"])
    assert not dead.exists()
    assert mine.exists()
    assert sorted(p.name for p in out.iterdir()) == [mine.name, "csv", "summary.json"]


@pytest.mark.parametrize(
    "name",
    ["A<B", "<img src='/etc/hostname' width='9' height='9'/>", "&amp;", "</para>", "<b>x", "a & b", "<a href='x'>"],
)
def test_names_are_text_in_the_report(tmp_path, name) -> None:
    store = open_store(f"embedded:{tmp_path / 'store'}")
    store.prepare()
    small_run.fill(store, small_run.two_towns((name, "乙")))
    (_, pdf) = export_days(Town(), store, [small_run.DAY], tmp_path / "out", formats=["pdf"])
    with pymupdf.open(pdf) as report:
        said = "".join(page.get_text() for page in report).replace("\n", "")
        assert not any(page.get_images() for page in report)
    assert name.replace(" ", "") in said.replace(" ", "").replace("\xa0", "")
    store.close()


@pytest.mark.parametrize(
    ("verdicts", "zh", "en"),
    [
        (["undecided", "undecided"], "2 个工作网格·日都无法判定", "none of 2"),
        (["short", "undecided"], "1 个配置不足，缺口合计 1.5 人；另有 1 个无法判定", "1 cannot be decided"),
        (["short", "enough"], "1 个配置不足，缺口合计 1.5 人。", "by 1.5 persons in all."),
    ],
)
def test_grids_that_cannot_be_judged_are_not_told_as_well_staffed(verdicts, zh, en):
    grids = pd.DataFrame({"verdict": verdicts, "gap": [1.5, 0.0]})
    for text, lang in ((zh, 0), (en, 1)):
        assert text in _density_sentence(SimpleNamespace(t=lambda *words, lang=lang: words[lang]), grids)


def test_grids_without_a_zone_make_no_empty_table():
    grids = pd.DataFrame({"rule_id": [None], "required_rounds": [None], "completed_rounds": [None], "grid_id": ["G1"]})
    register_fonts()
    said = _grid_table(SimpleNamespace(t=lambda zh, _en: zh), grids)
    assert "1 个工作网格都没有轮次要求" in said.text
