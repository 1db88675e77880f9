"""Responsibilities that match nothing are a list: file, row, text, reason, what to write; in `check`, the audit and the exports."""

from __future__ import annotations

import csv

import openpyxl
import pytest

from dashboards.exports.run import export_days
from etl.check import check_city
from etl.pipeline import audit_days
from layers.city import load_city_file
from tests.etl.small_city import CITY, DAY, opened, walk, write

DUTIES = "责任路段,责任人\n第0路,张三\n第1路(北侧),张三\n第2路,无此人\n第3路(无此路至终点),李四\n无此路,李四\n"
PERSONS = "工号,姓名,职务\np1,张三,队员\np2,李四,队员\n"
MORE = """
[[source]]
name = "人员"
table = "persons"
path = "persons.csv"
[[source]]
name = "分工"
table = "responsibilities"
path = "duties.csv"
constants = { target_kind = "section" }
"""


ASKED = [  # row of the file, text, what the reason says, what to write says
    (3, "第1路(北侧)", "写法无法理解，未按更大范围对应：北侧", "路名（起点路至终点路）"),
    (4, "第2路", "名册中没有 无此人", "名册"),
    (5, "第3路(无此路至终点)", "起止道路不在路网中或不与该路相交：无此路", "东端"),
    (6, "无此路", "路网中没有这条道路：无此路", "路网中的路名"),
]


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duties")
    write(folder, positions=walk(0))
    (folder / "city.toml").write_text(CITY + MORE, encoding="utf-8")
    (folder / "duties.csv").write_text(DUTIES, encoding="utf-8")
    (folder / "persons.csv").write_text(PERSONS, encoding="utf-8")
    return load_city_file(folder / "city.toml")


def test_check_lists_them_before_anything_is_stored(city):
    report = check_city(city)
    rows = report.unresolved
    assert rows[["source_row", "source_text"]].apply(tuple, axis=1).tolist() == [(r, t) for r, t, _, _ in ASKED]
    for (_, _, reason, write_zh), row in zip(ASKED, rows.to_dict("records"), strict=True):
        assert row["reason_zh"] == reason
        assert write_zh in row["write_zh"]
        assert row["reason_en"].isascii()
        assert row["write_en"]
    zh, en = report.render("zh"), report.render("en")
    assert "责任分工待改 4 条" in zh
    assert "duties.csv 第 3 行「第1路(北侧)」：写法无法理解，未按更大范围对应：北侧 → " in zh
    assert "duties.csv row 3" in en


def test_audit_and_exports_have_the_list(city, tmp_path):
    store = opened(city)
    audit_days(city, store, [DAY])
    export_days(city, store, [DAY], tmp_path, formats=["csv", "xlsx"])
    with (tmp_path / "csv" / "unresolved.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["source_row"]), r["source_text"], r["reason_zh"]) for r in rows] == [a[:3] for a in ASKED]
    assert {r["source_name"] for r in rows} == {"duties.csv"}
    assert all(r["write_zh"] and r["write_en"] for r in rows)
    book = openpyxl.load_workbook(tmp_path / f"xuncha-{DAY}.xlsx")
    sheet = next(w for w in book if w.title == "责任分工待改清单")
    cells = [str(c) for row in sheet.iter_rows(values_only=True) for c in row if c is not None]
    assert all(reason in cells for _, _, reason, _ in ASKED)
    store.close()
