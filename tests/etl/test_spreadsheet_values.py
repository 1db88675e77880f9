"""What spreadsheets do to files and cells: disguised formats are named, date and time cells joined, day numbers recognised, advice is true."""

import datetime as dt  # cells of a workbook know no zone
import zipfile
from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

from etl.base import Context
from etl.readers import position_reader, reader_of
from etl.readers.times import TimeRule, parse_times
from gis.errors import InputError
from layers.city import City, Source

TRUE = pd.Timestamp("2026-03-18T08:30:00", tz="Asia/Shanghai")


def context(folder):
    return Context(City(path=folder / "city.toml", id="x", name="x"))


def first(folder, name, **more):
    """First position's time, and the notes."""
    source = Source(name="p", table="positions", path=name, time_zone="Asia/Shanghai", **more)
    found = position_reader()(source, context(folder))
    t = pa.concat_tables(found.batches)["t_ms"][0].as_py()
    return pd.Timestamp(t, unit="ms", tz="UTC"), " ".join(n.zh for n in found.record().notes)


def devices(folder, name, **more):
    return reader_of("devices")(Source(name="d", table="devices", path=name, **more), context(folder)).frame


DISGUISED = {
    "page.xls": (b"<html><body><table><tr><td>device_id</td></tr></table>", "HTML"),
    "page2.xls": (b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<table>", "HTML"),
    "page3.csv": ("\ufeff<table border=1>".encode("utf-16-le"), "HTML"),
    "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "97-2003"),
    "locked.xlsx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "password"),
    "sheet.xls": (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">', "2003 XML"),
    "doc.csv": (b"%PDF-1.7", "PDF"),
    "photo.xlsx": (b"\xff\xd8\xff\xe0", "picture"),
    "pack.csv": (b"Rar!\x1a\x07", "RAR"),
    "base.csv": (b"SQLite format 3\0", "SQLite"),
}


@pytest.mark.parametrize("name", DISGUISED)
@pytest.mark.parametrize("declared", ["auto", "xlsx", "csv"])
def test_a_file_is_what_its_content_says(tmp_path, name, declared):
    data, words = DISGUISED[name]
    (tmp_path / name).write_bytes(data)
    for read in (devices, first):
        with pytest.raises(InputError, match=words) as error:
            read(tmp_path, name, format=declared)
        assert {f.code for f in error.value.faults} == {"source.disguised"}
        assert all(f.file == name for f in error.value.faults)


@pytest.mark.parametrize(
    ("inside", "words"), [("a.csv", "ZIP"), ("word/document.xml", "Word"), ("xl/workbook.bin", "xlsb")]
)
def test_archives_are_named(tmp_path, inside, words):
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w") as archive:
        archive.writestr(inside, "x")
    with pytest.raises(InputError, match=words):
        devices(tmp_path, "d.xlsx")


def test_workbooks_and_text_under_wrong_names_are_read(tmp_path):
    book = openpyxl.Workbook()
    for row in (["device_id", "kind", "mode"], ["D1", "phone", "foot"]):
        book.active.append(row)
    book.save(tmp_path / "d.xlsx")
    for name in ("d.csv", "d.xls", "d.dat"):
        (tmp_path / name).write_bytes((tmp_path / "d.xlsx").read_bytes())
        assert devices(tmp_path, name)["device_id"].tolist() == ["D1"]
    (tmp_path / "text.xls").write_text("设备编号\t类型\t方式\nD2\t手机\t步行\n", encoding="gb18030")
    assert devices(tmp_path, "text.xls")["device_id"].tolist() == ["D2"]
    with zipfile.ZipFile(tmp_path / "empty.xlsx", "w") as archive:
        archive.writestr("xl/x.xml", "x")
    with pytest.raises(InputError) as error:
        devices(tmp_path, "empty.xlsx")
    assert error.value.faults[0].file == "empty.xlsx"


@pytest.mark.parametrize(
    ("day", "clock"),
    [
        (dt.date(2026, 3, 18), dt.time(8, 30)),
        (dt.datetime(2026, 3, 18), dt.datetime(1899, 12, 30, 8, 30)),  # noqa: DTZ001
        ("2026/3/18", dt.time(8, 30)),
        (dt.date(2026, 3, 18), "8:30"),
        (dt.date(2026, 3, 18), dt.datetime(2026, 3, 18, 8, 30)),  # noqa: DTZ001
        (46099, 0.354166666666667),
    ],
)
def test_date_and_time_cells_are_joined(tmp_path, day, clock):
    book = openpyxl.Workbook()
    for row in (["device_id", "日期", "时间", "lon", "lat"], ["D1", day, clock, 121.87, 29.47]):
        book.active.append(row)
    book.save(tmp_path / "p.xlsx")
    assert first(tmp_path, "p.xlsx", columns={"date": "日期", "time": "时间"})[0].round("s") == TRUE


@pytest.mark.parametrize("constants", [{}, {"date": "2026-03-18"}])
def test_day_numbers_are_recognised(tmp_path, constants):
    (tmp_path / "p.csv").write_text(
        "device_id,time,lon,lat\nD1,46099.354166667,121.87,29.47\nD1,46099.5,121.87,29.47\n"
    )
    time, notes = first(tmp_path, "p.csv", constants=constants)
    assert time.round("s") == TRUE
    assert "2 个时间是电子表格的日期序号" in notes


def test_seconds_of_a_day_stay_seconds():
    day = dt.date(2026, 3, 18)
    values = pa.array(["30600", "46099.25", "43200.0001"])
    found = parse_times(values, TimeRule(zone=ZoneInfo("UTC"), day=day))
    assert found.serials == 0
    assert (found.ms % 86_400_000 // 1000).tolist() == [30600, 46099, 43200]


@pytest.mark.parametrize(
    ("times", "code"),
    [
        (["30600", "30610"], "positions.no_date"),
        (["46099", "46099"], "positions.early"),  # day numbers without a clock: no advice that would make them 12:48:19
        (["1985-03-18 08:00:00", "1985-03-18 08:00:10"], "positions.early"),
    ],
)
def test_advice_fits_the_data(tmp_path, times, code):
    lines = "".join(f"D1,{t},121.87,29.47\n" for t in times)
    (tmp_path / "p.csv").write_text("device_id,time,lon,lat\n" + lines)
    with pytest.raises(InputError) as error:
        first(tmp_path, "p.csv")
    assert [f.code for f in error.value.faults] == [code]


def test_day_numbers_in_small_tables(tmp_path):
    (tmp_path / "p.csv").write_text(
        "person_id,name,role,unit_id,valid_from,valid_to\n1,张三,squad_member,S1,46023,46099\n"
    )
    frame = reader_of("persons")(Source(name="p", table="persons", path="p.csv"), context(tmp_path)).frame
    assert frame["valid_from"][0] == pd.Timestamp("2026-01-01", tz="Asia/Shanghai")
    assert frame["valid_to"][0] == pd.Timestamp("2026-03-19", tz="Asia/Shanghai")  # a bare date ends with its day
