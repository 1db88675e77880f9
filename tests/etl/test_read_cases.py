"""Cases as offices list them: bare dates and 0:00 of spreadsheets, 24:00, marks of settlement on the spot, orders that cannot be."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import pytest

from etl.base import Context
from etl.code_version import calendar_version
from etl.holdings import Holdings
from etl.readers import reader_of
from etl.readers.edges import dates_of_midnights
from etl.verdicts import judge_clock
from gis.clocks import case_clocks
from layers.city import City, Source, Standard
from layers.standard_files import load_standard

HEAD = "案件编号,来源,上报时间,派遣时间,核查时间,期限,领导批示期限,结案时间,当场处置\n"


def read(folder, rows=(), *, name="cases.csv", zone="Asia/Shanghai", **more):
    if rows:
        (folder / name).write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    city = City(path=folder / "city.toml", id="t", name="t", timezone=zone, standard=Standard(name="xiangshan-2019"))
    return reader_of("cases")(Source(name="s", table="cases", path=name, **more), Context(city))


def local(read_, column, zone="Asia/Shanghai"):
    times = read_.frame[column].dt.tz_convert(zone)
    return [None if pd.isna(t) else f"{t:%Y-%m-%d %H:%M}" for t in times]


def notes(read_) -> str:
    return "\n".join(n.zh for n in read_.record.notes)


def test_ends_that_are_bare_dates_end_with_their_day(tmp_path) -> None:
    found = read(tmp_path, [
        "1,社区,2026-03-16 09:00,2026-03-16,2026-03-17,2026-03-18,2026-03-20,2026-03-18 10:00,",
        "2,社区,2026/3/16 9:00,,2026年3月16日,2026-03-18 17:00,,2026-03-16,",
        "3,社区,2026-03-16,,,2026-03-18 24:00,,2026-03-16 24:00,",
        "4,社区,2026-03-16 09:00,,,2026-03-18 00:00,,2026-03-18 上午,",
    ])  # fmt: skip
    assert not len(found.quarantine)
    assert local(found, "due") == ["2026-03-19 00:00", "2026-03-18 17:00", "2026-03-19 00:00", "2026-03-18 00:00"]
    assert local(found, "closed") == ["2026-03-18 10:00", "2026-03-17 00:00", "2026-03-17 00:00", "2026-03-18 12:00"]
    assert local(found, "verified")[:2] == ["2026-03-18 00:00", "2026-03-17 00:00"]
    assert local(found, "instructed_due")[0] == "2026-03-21 00:00"
    assert local(found, "dispatched")[0] == "2026-03-16 00:00"  # a beginning
    assert "结案早于" not in notes(found)


def test_a_column_whose_every_clock_is_midnight_holds_dates(tmp_path) -> None:
    found = read(tmp_path, [
        "1,社区,2026-03-16 09:00,,,2026/3/18 0:00,,2026-03-16 00:00:00,",
        "2,社区,2026-03-16 09:00,,,2026-03-18,,2026-03-17T00:00:00,",
        "3,社区,2026-03-16 09:00,,,,,2026-03-18 00:00:00.000,",
    ])  # fmt: skip
    assert local(found, "due") == ["2026-03-19 00:00"] * 2 + [None]
    assert local(found, "closed") == ["2026-03-17 00:00", "2026-03-18 00:00", "2026-03-19 00:00"]
    assert "期限：1 处的钟点都是 0:00，视为日期" in notes(found)
    assert "结案时间：3 处的钟点都是 0:00" in notes(found)
    zoned = read(tmp_path, ["1,社区,2026-03-16 09:00,,,2026-03-18T00:00:00+08:00,,,"])
    assert local(zoned, "due") == ["2026-03-18 00:00"]  # a machine's moment


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["2026-03-18 00:00", None], 1),
        (["2026-03-18 0:00", "2026-03-19 17:00"], 0),
        (["2026-03-18"], 0),
        (["2026-03-18 0时", "2026年3月18日 00:00:00"], 2),
        (["2026-03-18 00:00Z"], 0),
        (["2026-03-18 00:00:01"], 0),
        (["2026-03-18 00:00", "2026-03-18上午"], 0),
        ([], 0),
    ],
)
def test_which_columns_hold_midnights(cells, dates) -> None:
    assert dates_of_midnights(cells)[1] == dates


def test_excel_cells(tmp_path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["案件编号", "渠道", "立案", "期限", "结案", "核查", "当场处置"])
    stamp = pd.Timestamp
    book.active.append(
        [
            "1",
            "中队",
            stamp("2026-03-16 09:00"),
            stamp("2026-03-18"),
            stamp("2026-03-16"),
            stamp("2026-03-17 08:00"),
            "是",
        ]
    )
    book.active.append(["2", "中队", stamp("2026-03-16 09:00"), stamp("2026-03-18 17:00"), None, None, "否"])
    book.save(tmp_path / "c.xlsx")
    found = read(tmp_path, name="c.xlsx")
    assert local(found, "due") == ["2026-03-19 00:00", "2026-03-18 17:00"]
    assert local(found, "closed") == ["2026-03-17 00:00", None]
    assert local(found, "verified") == ["2026-03-17 08:00", None]
    assert found.frame["on_spot"].tolist() == [True, False]


def test_marks_of_settlement_on_the_spot(tmp_path) -> None:
    marks = ["是", "否", "", "当场处置", "上报", "Y", "0", "√", "大概"]
    found = read(tmp_path, [f"{i},中队,2026-03-16 09:00,,,,,,{m}" for i, m in enumerate(marks)])
    assert found.frame["on_spot"].tolist() == [True, False, None, True, False, True, False, True, None]
    assert "1 种写法看不懂，视为未写明：大概" in notes(found)
    assert not len(found.quarantine)


def test_impossible_orders_are_listed(tmp_path) -> None:
    found = read(tmp_path, [
        "x1,社区,2026-03-16 09:00,,,,,2026-03-10 10:00,",
        "x2,社区,2026-03-16 09:00,2026-03-15 09:00,,,,,",
        "x3,社区,2026-03-16 09:00,,,2026-03-15,,,",
        "ok,社区,2026-03-16 09:00,2026-03-16,,2026-03-16,,2026-03-16,",
    ])  # fmt: skip
    said = notes(found)
    assert "1 件案件结案早于立案，不予判定：x1" in said
    assert "1 件案件派遣早于立案，不予判定：x2" in said
    assert "1 件案件期限早于立案，该期限不采用：x3" in said
    assert "ok" not in said
    assert len(found.frame) == 4  # kept as written


def test_bare_dates_on_a_day_of_23_hours(tmp_path) -> None:
    zone = "America/New_York"
    found = read(tmp_path, ["1,12345,2015-03-08 01:00,,,2015-03-08,,2015-03-08,"], zone=zone)
    assert local(found, "due", zone) == ["2015-03-09 00:00"]
    clocks = case_clocks(found.frame, load_standard("xiangshan-2019"), ZoneInfo(zone), as_of_ms=1_430_000_000_000)
    assert clocks[["outcome", "decided_by"]].to_numpy().tolist() == [["on_time", "case_file"]]


def test_the_calendar_s_version_is_part_of_a_run() -> None:
    assert calendar_version("china").startswith("chinesecalendar ")
    assert calendar_version("US-MA").startswith("holidays ")
    assert calendar_version("none") == ""


def test_check_says_which_clocks_have_no_data(tmp_path) -> None:
    standard = load_standard("xiangshan-2019")

    def answers(rows, day="2026-03-16") -> dict[str, tuple[str, str]]:
        found = read(tmp_path, [r.format(day=day) for r in rows]).frame
        holdings = Holdings({"cases": found}, pd.DataFrame(), ())
        judged = {k: judge_clock(c, holdings, standard) for k, c in standard.clocks.items()}
        return {k: (f.answer(), f.words(1)) for k, f in judged.items()}

    bare = answers(["1,中队,{day} 09:00,,,,,,", "2,12345,{day} 09:00,,,,,,"])
    assert bare["squad.verify"] == ("no", "the cases name no time of verification (verified)")
    assert bare["squad.spot"][0] == "no"
    assert bare["squad.settle"] == ("partly", "1 cases have no due time: the standard's is used")
    assert bare["squad.escalate"][0] == "yes"
    assert bare["community.settle"][0] == "no"
    full = answers(
        [
            "1,中队,{day} 09:00,,{day} 12:00,2099-01-01,,,否",
            "2,中队,{day} 09:00,,,,,,是",
            "3,中队,{day} 09:00,,,2099-01-01,,,",
        ]
    )
    assert full["squad.verify"][0] == full["squad.settle"][0] == "yes"
    assert full["squad.spot"] == ("partly", "1 cases do not say whether they were settled on the spot (on_spot)")
    assert "not published" in answers(["2,12345,{day} 09:00,,,,,,"], day="2031-03-18")["platform.close"][1]
    assert "not published" not in bare["platform.close"][1]
