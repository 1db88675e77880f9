"""Ids are never read as prose: an exact id wins before anything is split, damage by spreadsheets is named, crews are counted by their entries."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from etl.base import Context
from etl.load import load_city
from etl.near_ids import near_ids
from etl.readers import reader_of
from etl.readers.records import Finder
from etl.readers.responsibility_text import parse_responsibility, split_ids, split_persons
from gis.network.chains import Pieces
from gis.network.pairing import Partners, _Greedy
from layers.city import City, Source, load_city_file
from layers.store import open_store

PEOPLE = pd.DataFrame(
    {
        "person_id": ["100231", "100232", "一中队/03", "7", "P 1", "13800000000", "A;1"],
        "name": ["张三", "李四", "王五", "赵六", "李四", "钱七", "孙八"],
        "unit_id": "S1",
    }
)
FINDER = Finder(PEOPLE, "person_id")


@pytest.mark.parametrize(
    ("cell", "ids"),
    [
        ("100231", ["100231"]),  # no telephone number
        ("100231、100232", ["100231", "100232"]),
        ("100231/100232", ["100231", "100232"]),
        ("100231 100232", ["100231", "100232"]),
        ("一中队/03", ["一中队/03"]),
        ("一中队/03，100231", ["一中队/03", "100231"]),
        ("P 1", ["P 1"]),
        ("A;1", ["A;1"]),
        ("13800000000", ["13800000000"]),  # an office whose ids are telephone numbers
        ("张三(100231)", ["100231"]),
        ("100231 张三", ["100231"]),
        ("张三", ["张三"]),
        ("张三13900000000", ["张三"]),
        ("999999", ["999999"]),  # unknown: named as it is written
        ("二中队/04", ["二中队/04"]),
        ("100231、999999", ["100231", "999999"]),
    ],
)
def test_ids_of_a_cell(cell, ids):
    assert split_ids(cell, FINDER) == ids
    assert split_ids(cell, Finder(None, "person_id")) == cell.replace("，", "、").replace(";", "、").split("、")


def test_cells_of_names_may_hold_ids():
    assert split_persons("李四(100232)、张三", FINDER) == ["100232", "张三"]
    assert split_persons("100231、赵七(夜班)13900000000", FINDER) == ["100231", "赵七"]
    assert split_persons("赵七 13900000000", FINDER) == ["赵七"]
    text = parse_responsibility("人民路:100231、一中队/03", known=FINDER.ids)
    assert [(s.road, [n for n, _ in s.names]) for s in text] == [("人民路", ["100231", "一中队/03"])]


@pytest.mark.parametrize(
    ("found", "known", "pairs"),
    [
        (["007"], ["7"], [("007", "7")]),
        (["7"], ["007"], [("7", "007")]),
        (["7.0"], ["7"], [("7.0", "7")]),
        (["d1", "ｄ２"], ["D1", "D2"], [("d1", "D1"), ("ｄ２", "D2")]),
        (["86 01"], ["8601"], [("86 01", "8601")]),
        (["8.60123E+14"], ["860123000000000"], [("8.60123E+14", "860123000000000")]),
        (["'007"], ["007"], [("'007", "007")]),
        (["浙B-12345"], ["浙B12345"], [("浙B-12345", "浙B12345")]),
        (["70", "700", "17"], ["7"], []),  # zeros behind are part of a number
        (["007"], ["7", "07"], []),  # two that it may be
        (["7"], ["7", "007"], []),  # known as it is
    ],
)
def test_near_ids(found, known, pairs):
    assert near_ids(found, known) == pairs


def test_a_workbook_shows_its_leading_zeros(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["设备编号", "领用人"])
    for row, (value, shape) in enumerate(
        [(7, "000"), (8, '"T"0000'), (9, "General"), (10, "000"), (1.5, "000")], start=2
    ):
        sheet.cell(row, 1, value).number_format = shape
        sheet.cell(row, 2, 7)
    book.save(tmp_path / "r.xlsx")
    context = Context(City(path=tmp_path / "city.toml", id="x", name="x"), tables={"persons": PEOPLE})
    found = reader_of("assignments")(Source(name="a", table="assignments", path="r.xlsx"), context)
    assert found.frame["device_id"].tolist() == ["007", "T0008", "9", "010", "1.5"]
    assert set(found.frame["person_id"]) == {"7"}


CITY = """
[city]
id = "x"
name = "小城"
[store]
url = "embedded:./store"
[standard]
name = "xiangshan-2019"
[[source]]
name = "人员"
table = "persons"
path = "persons.csv"
[[source]]
name = "领用"
table = "assignments"
path = "assignments.csv"
[[source]]
name = "轨迹"
table = "positions"
path = "positions.csv"
time_zone = "Asia/Shanghai"
"""


def loaded(folder: Path, assignments: str, device="007"):
    (folder / "city.toml").write_text(CITY, encoding="utf-8")
    (folder / "persons.csv").write_text(
        "person_id,name,role,unit_id\n7,张三,squad_member,S1\n100232,李四,squad_member,S1\n"
    )
    (folder / "assignments.csv").write_text(assignments)
    (folder / "positions.csv").write_text(f"device_id,time,lon,lat\n{device},2026-03-18 08:30:00,121.87,29.47\n")
    city = load_city_file(folder / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    return {m.record.table: m for m in load_city(city, store)}, store


def test_near_matches_are_told_at_load(tmp_path):
    manifests, _ = loaded(tmp_path, "device_id,person_id\n7,007\n8,100232\n")
    assert "设备 007 在定位中，名册里是 7" not in str(manifests["positions"].record.notes)  # 7's row was set aside
    assert any("007 不在名册中，名册里是 7" in n.zh for n in manifests["assignments"].record.notes)
    (tmp_path / "b").mkdir()
    manifests, _ = loaded(tmp_path / "b", "device_id,person_id\n7,7\n")
    assert [n.zh for n in manifests["positions"].record.notes][-1] == "设备 007 在定位中，名册里是 7"


def test_a_crew_is_counted_by_its_entries(tmp_path):
    manifests, store = loaded(tmp_path, "device_id,person_id\nd1,赵六、钱七\nd2,7、孙八\nd3,7\nd3,7\n")
    found = manifests["assignments"]
    assert (found.record.rows_in, found.inserted, found.quarantined) == (6, 2, 4)
    assert found.reasons == {"key_duplicate": 1, "person_unknown": 3}
    assert len(store.quarantine(found.manifest_id)) == 4


def test_a_network_whose_every_road_is_declared_has_no_piece():
    none = np.full(3, -1, np.int64)
    pieces = Pieces(none, np.zeros(3, np.int64), np.zeros(3, np.int64), none, none, 0)
    beside = np.full((3, 3), -1, np.int64)
    greedy = _Greedy(pieces, Partners(*(beside for _ in Partners.__dataclass_fields__)), 0.5)
    greedy.run()
    assert greedy.count == 0
    assert greedy.section.tolist() == [-1, -1, -1]
