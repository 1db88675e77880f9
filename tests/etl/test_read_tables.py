"""Roster, responsibilities, exceptions, cases, check-ins and scenes: people's words in, contracts out, nothing lost."""

from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from etl.base import Context
from etl.readers import reader_of
from etl.readers.cases import default_points
from etl.readers.reasons import REASONS
from etl.readers.responsibility_text import parse_responsibility, parse_section, split_names
from etl.readers.roster import normal_duty
from gis.errors import InputError
from layers.city import City, Source
from layers.contracts import TABLES

KNOWN = {"张三", "李四", "王五"}


def context(root, **tables):
    return Context(City(path=root / "city.toml", id="test", name="测试"), tables=tables)


def read(root, table, path, *, ctx=None, **more):
    found = reader_of(table)(Source(name=table, table=table, path=path, **more), ctx or context(root))
    assert found.record.rows_in == len(found.frame) + len(found.quarantine)
    assert list(found.frame.columns) == [c.name for c in TABLES[table].columns]
    return found


def statements(text):
    return [(s.road, s.start, s.stop, [n for n, _ in s.names]) for s in parse_responsibility(text, known=KNOWN)]


# --- responsibilities as text ---
@pytest.mark.parametrize(
    "written",
    ["象山港路(建设路至丹河路)", "象山港路(建设路-丹河路)", "象山港路(建设路—丹河路)", "象山港路(建设路——丹河路)", "象山港路(建设路~丹河路)",
     "象山港路【建设路到丹河路】", "象山港路 (东起建设路,西至丹河路,含辅道)", "象山港路建设路至丹河路段", "象山港路(建设路至丹河路段)",
     "象山港路(建设路 至 丹河路)"],
)  # fmt: skip
def test_one_section_in_many_spellings(written):
    assert parse_section(written) == ("象山港路", "建设路", "丹河路")
    for names in (
        ":张三、李四",
        ":张三 李四",
        ":张三,李四",
        "责任人:张三、李四",
        ":张三(夜班)13800000000、李四 备注:周末轮换",
    ):
        assert statements(written + names) == [("象山港路", "建设路", "丹河路", ["张三", "李四"])]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("丹河路:张三", [("丹河路", None, None, ["张三"])]),
        ("丹河路(全段):张三", [("丹河路", None, None, ["张三"])]),
        ("丹河路", [("丹河路", None, None, [])]),
        ("和平路:张三;丹河路:王五", [("和平路", None, None, ["张三"]), ("丹河路", None, None, ["王五"])]),
        ("和平路:张三、丹河路:王五", [("和平路", None, None, ["张三"]), ("丹河路", None, None, ["王五"])]),
        ("和平路(A路至B路)、丹河路:张三", [("和平路", "A路", "B路", ["张三"]), ("丹河路", None, None, ["张三"])]),
        ("和平路:张三\n丹河路:王五", [("和平路", None, None, ["张三"]), ("丹河路", None, None, ["王五"])]),
        ("张三:和平路、丹河路", [("和平路", None, None, ["张三"]), ("丹河路", None, None, ["张三"])]),
        ("和平路:张 三", [("和平路", None, None, ["张三"])]),
        ("和平路:赵六", [("和平路", None, None, ["赵六"])]),  # whom no roster knows
    ],
)
def test_several_sections_and_names(written, expected):
    assert statements(written) == expected


def test_leaders_and_lists_of_names():
    (found,) = parse_responsibility("和平路:张三,组长:李四", known=KNOWN)
    assert found.names == (("张三", "responsible"), ("李四", "leader"))
    assert split_names("张三、李四(夜班) 王 五") == ["张三", "李四", "王五"]
    assert split_names(None) == []


roads = st.text("甲乙丙丁戊己", min_size=2, max_size=3).map(lambda t: t + "路")
people = st.lists(st.sampled_from(["张三", "李四", "王五", "欧阳修远"]), min_size=1, max_size=3, unique=True)


@given(
    st.lists(st.tuples(roads, roads, roads, people), min_size=1, max_size=4),
    st.sampled_from("至到-—~"),
    st.sampled_from(";;\n"),
    st.sampled_from("、,,"),
)
def test_text_round_trip(rows, between, apart, comma):
    text = apart.join(f"{r}({a}{between}{b}):{comma.join(p)}" for r, a, b, p in rows)
    assert [(s.road, s.start, s.stop, [n for n, _ in s.names]) for s in parse_responsibility(text)] == rows


# --- roster ---
def workbook(root):
    """A workbook with a title above the headings, headings two lines deep, and a merged unit."""
    book = openpyxl.Workbook()
    people = book.active
    people.title = "人员"
    people.append(["人员名册"])
    people.merge_cells("A1:E1")
    people.append(["工号", "姓名", "职务", "单位", "上班时间"])
    for row in (
        ["P1", "张三", "执法队员", "丹东中队", "8:30至12:00、13:30—17:30"],
        ["P2", "李四", "中队长", None, None],  # the unit is merged with the row above
        ["P3", "李四", "信息采集员", "丹西中队", None],
        ["P4", "王 五", "网格长", "丹西中队", "全天候"],
        ["P5", "赵六", "厨师", "丹西中队", None],
        ["P1", "重复", "网格员", "丹西中队", None],
        ["P7", "欧阳 修", "网格组长", "丹西中队", None],
    ):
        people.append(row)
    people.merge_cells("D3:D4")
    duties = book.create_sheet("责任")
    duties.append(["单位", "责任", None, "责任人"])
    duties.append([None, "路名", "起止", None])
    for cells in ("A1:A2", "B1:C1", "D1:D2"):
        duties.merge_cells(cells)
    duties.append(["丹东中队", "象山港路", "建设路至丹河路", "张三、李四"])
    duties.append(["丹西中队", "丹河路", "全段", "钱七"])
    duties.append(["丹西中队", "新丰路", None, None])
    book.save(root / "r.xlsx")


def test_persons_and_responsibilities_of_a_workbook(tmp_path):
    workbook(tmp_path)
    units = pd.DataFrame({"unit_id": ["U1", "U2"], "name": ["丹东中队", "丹西中队"]})
    ctx = context(tmp_path, units=units)
    people = read(tmp_path, "persons", "r.xlsx", ctx=ctx)
    assert people.frame[["person_id", "name", "role", "unit_id", "duty"]].to_numpy().tolist() == [
        ["P1", "张三", "squad_member", "U1", "08:30-12:00,13:30-17:30"],
        ["P2", "李四", "squad_leader", "U1", None],
        ["P3", "李四", "collector", "U2", None],
        ["P7", "欧阳修", "grid_leader", "U2", None],
    ]
    assert people.quarantine[["row", "column", "code"]].to_numpy().tolist() == [
        [6, "上班时间", "duty_unparsable"],
        [7, "职务", "value_unknown"],
        [8, "工号", "key_duplicate"]
        if "工号" in set(people.quarantine["column"])
        else [8, "person_id", "key_duplicate"],
    ]
    ctx.tables["persons"] = people.frame
    duties = read(tmp_path, "responsibilities", "r.xlsx", ctx=ctx, sheet="责任", columns={"text": "起止"}).frame
    assert duties[["person_id", "road_name", "from_name", "to_name", "resolved"]].to_numpy().tolist() == [
        ["P1", "象山港路", "建设路", "丹河路", True],
        ["P2", "象山港路", "建设路", "丹河路", True],  # two 李四: the one of 丹东中队
        [None, "丹河路", None, None, False],
        [None, "新丰路", None, None, False],
    ]
    assert duties["problem"].tolist()[2:] == ["名册中没有 钱七", "未写责任人"]
    assert duties["responsibility_id"].is_unique


def test_units_devices_and_assignments(tmp_path):
    (tmp_path / "u.csv").write_text("单位,类型,上级\n象山县局,部门,\n丹东中队,,象山县局\n某处,,\n", encoding="gb18030")
    units = read(tmp_path, "units", "u.csv")
    assert units.frame[["unit_id", "kind", "parent_id"]].to_numpy().tolist() == [
        ["象山县局", "department", None],
        ["丹东中队", "squad", "象山县局"],
    ]
    assert units.quarantine["code"].tolist() == ["value_missing"]  # a kind that nothing tells
    (tmp_path / "d.csv").write_text("设备编号,类型,方式\nC1,车载,\nT1,手机,电瓶车\nT2,手机,\n,手机,步行\n")
    devices = read(tmp_path, "devices", "d.csv")
    assert devices.frame.to_numpy().tolist() == [["C1", "vehicle", "vehicle"], ["T1", "phone", "ebike"]]
    assert devices.quarantine["code"].tolist() == ["value_missing", "device_missing"]
    persons = pd.DataFrame({"person_id": ["P1", "P2", "P3"], "name": ["张三", "李四", "李四"]})
    (tmp_path / "a.csv").write_text(
        "设备编号,领用人,自,至\nC1,张三、P2,2026-03-18 08:00,2026-03-18 12:00\nT1,李四,2026-03-18,\nT1,赵六,2026-03-18,\n"
        "T1,张三,2026-03-18,2026-03-18\nT2,张三,2026-03-19,2026-03-18\nT3,张三,,\n"
    )
    found = read(tmp_path, "assignments", "a.csv", ctx=context(tmp_path, persons=persons), valid_from=date(2026, 1, 1))
    frame = found.frame.assign(
        valid_from=found.frame["valid_from"].dt.strftime("%m-%d %H:%M"),
        valid_to=found.frame["valid_to"].dt.strftime("%m-%d %H:%M"),
    )
    assert frame[["device_id", "person_id", "valid_from"]].to_numpy().tolist() == [
        ["C1", "P1", "03-18 00:00"],  # a crew of two; 08:00 in Shanghai
        ["C1", "P2", "03-18 00:00"],
        ["T1", "P1", "03-17 16:00"],
        ["T3", "P1", "12-31 16:00"],  # since the source's valid_from
    ]
    assert frame["valid_to"].tolist()[:3] == [
        "03-18 04:00",
        "03-18 04:00",
        "03-18 16:00",
    ]  # a bare date ends with its day
    assert found.quarantine["code"].tolist() == ["person_ambiguous", "person_unknown", "order_wrong"]


def test_duty_times():
    assert normal_duty("22:00-6:00") == "00:00-06:00,22:00-24:00"
    assert normal_duty("8点-12点,13点30分至17点30分") == "08:00-12:00,13:30-17:30"
    assert normal_duty("8:00-12:00 11:00-13:00") is None  # overlapping
    assert normal_duty("周一至周五") is None


def test_grids_have_their_persons(tmp_path):
    tables = {
        "persons": pd.DataFrame({"person_id": ["P1"], "name": ["张三"], "unit_id": [None]}),
        "work_grids": pd.DataFrame({"grid_id": ["G1"], "name": ["一网格"]}),
    }
    (tmp_path / "r.csv").write_text("网格,责任人\n一网格,张三\nG1,P1\nG9,张三\n")
    more = {"constants": {"target_kind": "work_grid", "duty_kind": "leader"}}
    found = read(tmp_path, "responsibilities", "r.csv", ctx=context(tmp_path, **tables), **more)
    assert found.frame[["target_kind", "target_id", "person_id", "duty_kind", "resolved"]].to_numpy().tolist() == [
        ["work_grid", "G1", "P1", "leader", True],
        ["work_grid", "G1", "P1", "leader", True],
        ["work_grid", "G9", "P1", "leader", False],
    ]


# --- exceptions, check-ins ---
def test_exceptions(tmp_path):
    (tmp_path / "e.csv").write_text(
        "类型,对象,姓名,代班人,开始,结束,原因,批准人,登记时间\n"
        "封路,象山港路(建设路至丹河路),,,2026-03-18 08:00,2026-03-18 18:00,管道抢修,王局,2026-03-17 16:00\n"
        "请假,,张三,P2,2026-03-18,2026-03-19,事假,李队,2026-03-17 16:00\n"
        "台风,,,,2026-07-18,2026-07-19,红色预警,王局,2026-07-17 16:00\n"
        "施工,丹河路,,,2026-03-18,2026-03-19,改造,,2026-03-17 16:00\n"
        "过节,丹河路,,,2026-03-18,2026-03-19,x,王局,2026-03-17 16:00\n"
        "施工,丹河路,,,2026-03-20,2026-03-18,改造,王局,2026-03-17 16:00\n"
        "施工,,,,2026-03-18,2026-03-19,改造,王局,2026-03-17 16:00\n"
        "病假,,赵六,,2026-03-18,2026-03-19,病,王局,2026-03-17 16:00\n"
        "施工,丹河路,,,2026-03-18,2026-03-19,改造,王局,\n"
    )
    persons = pd.DataFrame({"person_id": ["P1", "P2"], "name": ["张三", "李四"]})
    found = read(tmp_path, "exceptions", "e.csv", ctx=context(tmp_path, persons=persons))
    assert found.frame[["kind", "target_kind", "target_id", "substitute_id"]].to_numpy().tolist() == [
        ["closure", "section", "象山港路(建设路至丹河路)", None],
        ["leave", "person", "P1", "P2"],
        ["weather", "all", None, None],
    ]
    assert found.frame["ends"].iloc[1] == pd.Timestamp("2026-03-19T16:00Z")  # to the end of 19 March in Shanghai
    assert found.quarantine[["row", "code"]].to_numpy().tolist() == [
        [5, "approver_missing"], [6, "value_unknown"], [7, "order_wrong"], [8, "value_missing"], [9, "person_unknown"], [10, "time_missing"],
    ]  # fmt: skip


def test_checkins(tmp_path):
    (tmp_path / "c.csv").write_text(
        "姓名,点位名称,打卡时间,经度,纬度\n张三,菜场,2026-03-18 08:05,121.87,29.47\n张三,Z9,2026-03-18 08:06,,\n赵六,菜场,2026-03-18 08:07,,\n张三,菜场,,,\n"
    )
    tables = {
        "persons": pd.DataFrame({"person_id": ["P1"], "name": ["张三"]}),
        "areas": pd.DataFrame({"area_id": ["K1"], "name": ["菜场"]}),
    }
    found = read(tmp_path, "checkins", "c.csv", ctx=context(tmp_path, **tables))
    assert found.frame[["person_id", "place_id"]].to_numpy().tolist() == [["P1", "K1"], ["P1", "Z9"]]
    assert found.frame.geometry.isna().tolist() == [False, True]
    assert found.frame["arrived"].tolist() == found.frame["time"].tolist()
    assert found.quarantine["code"].tolist() == ["person_unknown", "time_missing"]


# --- cases ---
def test_cases(tmp_path):
    rows = [f"A{i},12345,市容,2026-03-18 08:00,,{121.87},{29.47}" for i in range(40)]  # the system's default point
    rows += [f"B{i},中队,市容,2026-03-18 08:00,2026/3/19 9:00,{121.8 + i / 1000},{29.4}" for i in range(10)]
    rows += [
        "C1,论坛,市容,2026-03-18 08:00,,,",
        "C2,论坛,市容,2026-03-18 08:00,,29.4,121.8",
        "C3,电话,市容,2026-03-18 08:00,,,",
        "B1,中队,x,2026-03-18,,,",
    ]
    (tmp_path / "c.csv").write_text("案件编号,渠道,类别,立案,结案,经度,纬度\n" + "\n".join(rows))
    found = read(tmp_path, "cases", "c.csv")
    assert found.quarantine["code"].tolist() == ["value_unknown", "key_duplicate"]
    by = found.frame.set_index("case_id")
    assert by["located"].sum() == 10
    assert not by.loc[["A0", "C1", "C2"], "located"].any()
    assert by.loc[["A0", "B0", "C1"], ["channel", "status"]].to_numpy().tolist() == [
        ["platform", "open"],
        ["squad", "closed"],
        ["opinion", "open"],
    ]
    assert any("40 件" in n.zh and "默认坐标" in n.zh for n in found.record.notes)


def test_default_points_need_share_and_lead():
    x = np.r_[np.full(300, 1.0), np.arange(2.0, 1002.0), np.nan]
    assert default_points(x, x) == [(1.0, 1.0)]
    assert default_points(np.r_[x, np.full(200, 1.5)], np.r_[x, np.full(200, 1.5)]) == [
        (1.0, 1.0),
        (1.5, 1.5),
    ]  # both stand out
    even = np.repeat(np.arange(20.0), 50)  # twenty busy places, none stands out
    assert default_points(even, even) == []


@pytest.mark.data
def test_boston(data_root):
    columns = {"case_id": "CASE_ENQUIRY_ID", "category": "SUBJECT", "opened": "OPEN_DT", "due": "TARGET_DT", "closed": "CLOSED_DT",
               "status": "CASE_STATUS", "lon": "LONGITUDE", "lat": "LATITUDE"}  # fmt: skip
    more = {"columns": columns, "constants": {"channel": "platform"}, "time_zone": "America/New_York"}
    found = read(data_root, "cases", "boston/cases_2015_jan_apr.csv", **more)
    frame = found.frame
    assert (len(frame), len(found.quarantine)) == (37_351, 0)
    assert (frame["due"].isna().sum(), frame["closed"].isna().sum(), (~frame["located"]).sum()) == (
        10_727,
        6_362,
        6_113,
    )
    second = frame.iloc[1]  # OPEN_DT 2015-01-01 00:25:23, TARGET_DT 01/16/2015 08:30:00 AM, both in New York
    assert [second["opened"], second["due"]] == [
        pd.Timestamp("2015-01-01T05:25:23Z"),
        pd.Timestamp("2015-01-16T13:30Z"),
    ]


# --- scenes ---
def test_scene_of_a_written_raster(tmp_path):
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 3_262_000)
    for name in ("2026-03-08_red.tif", "2026-03-08_nir.tif", "cloud.tif"):
        with rasterio.open(
            tmp_path / name,
            "w",
            driver="GTiff",
            height=20,
            width=30,
            count=1,
            dtype="uint16",
            crs=4550,
            transform=transform,
        ) as out:
            out.write(np.ones((1, 20, 30), dtype=np.uint16))
    more = {
        "bands": {"red": "2026-03-08_red.tif#1", "nir": "*_nir.tif"},
        "nodata": 0,
        "cloud_mask": "cloud.tif",
        "cloud_values": (1,),
    }
    scene = read(tmp_path, "scenes", "2026-*.tif", **more).frame.iloc[0]
    assert scene["acquired"] == date(2026, 3, 8)
    assert scene["bands"] == {
        "red": {"path": "2026-03-08_red.tif", "index": 1},
        "nir": {"path": "2026-03-08_nir.tif", "index": 1},
    }
    assert scene["cloud_mask"] == {"path": "cloud.tif", "index": 1, "values": [1]}
    assert (scene["nodata"], scene["crs"]) == (0.0, "EPSG:4550")
    assert scene["geometry"].bounds[0] == pytest.approx(123.0, abs=1e-9)  # the central meridian is its western edge
    for wrong, code in (
        ({"bands": {"red": "none.tif"}}, "scenes.band"),
        ({"cloud_mask": "none.tif"}, "source.missing"),
    ):
        with pytest.raises(InputError) as caught:
            read(tmp_path, "scenes", "2026-*.tif", **wrong)
        assert caught.value.faults[0].code == code
    whole = (tmp_path / "2026-03-08_red.tif").read_bytes()
    for size in (0, 100, len(whole) - 200):
        (tmp_path / "2026-cut.tif").write_bytes(whole[:size])
        with pytest.raises(InputError) as caught:
            read(tmp_path, "scenes", "2026-cut.tif", acquired=date(2026, 1, 1))
        assert caught.value.faults[0].code in {"source.unreadable", "source.empty"}


@pytest.mark.data
def test_real_scenes(data_root):
    found = read(data_root, "scenes", "rasters/T32TMT_*_B0[48]_10m.jp2", nodata=0)
    assert found.frame["acquired"].tolist() == [date(2020, 8, 7), date(2021, 8, 12)]
    assert found.frame["bands"][0]["nir"] == {"path": "rasters/T32TMT_20200807T102559_B08_10m.jp2", "index": 1}
    assert set(found.frame["crs"]) == {"EPSG:32632"}
    with pytest.raises(InputError) as caught:
        read(data_root, "scenes", "rasters/L7_ETMs.tif")
    assert caught.value.faults[0].code == "scenes.date"
    landsat = read(
        data_root, "scenes", "rasters/L7_ETMs.tif", acquired=date(2001, 8, 1), bands={"red": 3, "nir": 4}
    ).frame.iloc[0]
    assert landsat["bands"]["nir"]["index"] == 4


def test_every_reason_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    for reason in REASONS.values():
        assert f"| `{reason.code}` | {reason.zh} | {reason.en} |" in text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("人民路，中山路至建设路：张三", [("人民路", "中山路", "建设路", ["张三"])]),
        ("人民路，北侧：张三", [("人民路(北侧)", None, None, ["张三"])]),
        ("人民路；中山路以东：张三", [("人民路", "中山路", "东端", ["张三"])]),
        ("人民路,K0+200-K1+500:张三", [("人民路(K0+200-K1+500)", None, None, ["张三"])]),
        ("人民路:张三,北侧", [("人民路(北侧)", None, None, ["张三"])]),
        ("人民路:张三 单号", [("人民路(单号)", None, None, ["张三"])]),
        (
            "人民路:张三(中山路以东)、李四(中山路以西)",
            [("人民路", "中山路", "东端", ["张三"]), ("人民路", "中山路", "西端", ["李四"])],
        ),
        ("人民路:张三(北侧)、李四", [("人民路", None, None, ["李四"]), ("人民路(北侧)", None, None, ["张三"])]),
        ("人民路:张三(夜班)、李四", [("人民路", None, None, ["张三", "李四"])]),
        ("人民路:张三 备注:只负责北侧", [("人民路(只负责北侧)", None, None, ["张三"])]),
        ("人民路:张三 备注:周末轮换", [("人民路", None, None, ["张三"])]),
        ("张三:人民路,中山路至建设路", [("人民路", "中山路", "建设路", ["张三"])]),
        ("张三、李四:人民路", [("人民路", None, None, ["张三", "李四"])]),
        (
            "人民路(中山路至建设路、学院路至海丰路):张三",
            [("人民路", "中山路", "建设路", ["张三"]), ("人民路", "学院路", "海丰路", ["张三"])],
        ),
        ("人民路/中山路:张三", [("人民路", None, None, ["张三"]), ("中山路", None, None, ["张三"])]),
        ("环城路(中山路至建设路,经解放路):张三", [("环城路(经解放路)", "中山路", "建设路", ["张三"])]),
    ],
)
def test_words_that_limit_a_section_stay_with_it_wherever_they_stand(text, rows):
    assert statements(text) == rows


def test_a_column_of_persons_may_limit_each_duty(tmp_path):
    text = "路名,责任人\n人民路,张三（中山路以东）、李四（夜班）\n建设路,张三 北侧\n和平路,张三\n"
    path = tmp_path / "duties.csv"
    path.write_text(text, encoding="utf-8")
    people = pd.DataFrame({"person_id": ["p1", "p2"], "name": ["张三", "李四"], "unit_id": [None, None]})
    found = read(
        tmp_path,
        "responsibilities",
        "duties.csv",
        ctx=context(tmp_path, persons=people),
        constants={"target_kind": "section"},
    ).frame
    assert list(zip(found["road_name"], found["person_id"], strict=True)) == [
        ("人民路(中山路以东)", "p1"),
        ("人民路", "p2"),
        ("建设路(北侧)", "p1"),
        ("和平路", "p1"),
    ]
