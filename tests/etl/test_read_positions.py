"""Positions: every format gives the same rows, every bad row its reason, and rows in = rows out + rows set aside."""

import gzip
import json
import math
import re
import sqlite3
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from etl.base import Context
from etl.readers import tabular
from etl.readers.positions import read_positions
from gis.datum import gcj02_from_wgs84
from gis.errors import InputError, SettingsError
from layers.city import City, Source

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHINESE = {"device_id": "设备号", "time": "定位时间", "lon": "经度", "lat": "纬度"}


def read(root, path="p.csv", *, now=NOW, **more):
    city = City(path=root / "city.toml", id="test", name="测试")
    if "query" not in more:
        more["path"] = path
    found = read_positions(Source(name="定位", table="positions", **more), Context(city), now=now)
    tables = list(found.batches)
    positions = (
        pa.concat_tables(tables).to_pandas()
        if tables
        else pd.DataFrame(columns=["device_id", "t_ms", "arrived_ms", "lon", "lat"])
    )
    quarantine, record = found.quarantine(), found.record()
    assert record.rows_in == len(positions) + len(quarantine)
    assert str(root) not in record.path
    return positions, quarantine, record


def fault(root, path="p.csv", **more):
    with pytest.raises(InputError) as caught:
        read(root, path, **more)
    (only,) = caught.value.faults
    assert only.fix_zh
    assert only.fix_en
    assert str(root) not in caught.value.render("zh")
    return only


GOOD = [("D1", "2026-03-18T08:00:00+08:00", 121.87, 29.47), ("D2", "2026-03-18T08:00:10+08:00", 121.88, 29.48)]
T0 = 1773792000000  # 2026-03-18T00:00:00Z


def frame():
    return pd.DataFrame(GOOD, columns=list(CHINESE.values()))


def write_csv(path):
    frame().to_csv(path, index=False)


def write_gzip(path):
    path.write_bytes(gzip.compress(frame().to_csv(index=False).encode()))


def write_gb18030(path):
    frame().to_csv(path, index=False, encoding="gb18030")


def write_bom(path):
    frame().to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def write_tabs(path):
    frame().to_csv(path, index=False, sep="\t")


def write_utf16(path):
    frame().to_csv(path, index=False, sep="\t", encoding="utf-16")


def write_xlsx(path):
    frame().to_excel(path, index=False)


def write_parquet(path):
    frame().assign(定位时间=lambda f: pd.to_datetime(f["定位时间"])).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "write", "encoding"),
    [
        ("p.csv", write_csv, "UTF-8"),
        ("p.csv.gz", write_gzip, "UTF-8"),
        ("p.csv", write_gb18030, "GB18030"),
        ("p.csv", write_bom, "UTF-8-SIG"),
        ("p.txt", write_tabs, "UTF-8"),
        ("p.txt", write_utf16, "UTF-16"),
        ("p.xlsx", write_xlsx, None),
        ("p.parquet", write_parquet, None),
    ],
)
def test_formats_agree(tmp_path, name, write, encoding):
    write(tmp_path / name)
    positions, quarantine, record = read(tmp_path, name, columns=CHINESE)
    assert positions["device_id"].tolist() == ["D1", "D2"]
    assert positions["t_ms"].tolist() == [T0, T0 + 10_000]
    assert positions["arrived_ms"].tolist() == [T0, T0 + 10_000]
    assert positions[["lon", "lat"]].to_numpy().tolist() == [[121.87, 29.47], [121.88, 29.48]]
    assert quarantine.empty
    assert record.encoding == encoding
    assert any("到达时间" in n.zh for n in record.notes)


def test_gpx_and_query(tmp_path):
    points = "".join(f'<trkpt lon="{x}" lat="{y}"><time>{t}</time></trkpt>' for _, t, x, y in GOOD)
    (tmp_path / "p.gpx").write_text(
        f'<gpx version="1.1" creator="t"><trk><trkseg>{points}<trkpt lon="1" lat="2"/></trkseg></trk></gpx>'
    )
    positions, quarantine, _ = read(tmp_path, "p.gpx")
    assert positions["device_id"].tolist() == ["p", "p"]
    assert positions["t_ms"].tolist() == [T0, T0 + 10_000]
    assert quarantine[["row", "code"]].to_numpy().tolist() == [[3, "time_missing"]]
    with sqlite3.connect(tmp_path / "d.sqlite") as base:
        base.execute("create table gps (device text, t integer, lon real, lat real)")
        base.executemany(
            "insert into gps values (?, ?, ?, ?)", [("D1", T0 // 1000, 121.87, 29.47), ("D2", None, 1.0, 2.0)]
        )
    base.close()
    more = {"database": f"sqlite:///{tmp_path}/d.sqlite", "columns": {"device_id": "device", "time": "t"}}
    positions, quarantine, record = read(tmp_path, query="select device, t, lon, lat from gps", **more)
    assert positions["t_ms"].tolist() == [T0]
    assert quarantine["code"].tolist() == ["time_missing"]
    assert len(record.sha256) == 64
    assert fault(tmp_path, query="delete from gps", **more).code == "source.query"
    assert fault(tmp_path, query="select nothing from gps", **more).code == "source.query"


def test_every_bad_row_has_its_reason(tmp_path):
    (tmp_path / "p.csv").write_text(
        "device_id,time,arrived,lon,lat\n"
        "D1,2026-03-18T08:00:00+08:00,2026-03-18T08:01:00+08:00,121.87,29.47\n"  # line 2: good
        ",2026-03-18T08:00:00+08:00,,121.87,29.47\n"  # 3
        "D1,,,121.87,29.47\n"  # 4
        "D1,早上,,121.87,29.47\n"  # 5
        "D1,2026-03-18 08:00:00,,121.87,29.47\n"  # 6
        "D1,1989-03-18T08:00:00Z,,121.87,29.47\n"  # 7
        "D1,2026-12-18T08:00:00Z,,121.87,29.47\n"  # 8
        "\n"  # 9: no row
        "D1,2026-03-18T08:00:00Z,,,29.47\n"  # 10
        "D1,2026-03-18T08:00:00Z,,东经,29.47\n"  # 11
        "D1,2026-03-18T08:00:00Z,,29.47,121.87\n"  # 12
        "D1,2026-03-18T08:00:00Z,,121.87,200\n"  # 13
        "D1,2026-03-18T08:00:00Z,,221.87,29.47\n"  # 14
        "D1,2026-03-18T08:00:00Z,,0,0\n"  # 15
        "D1,2026-03-18T08:00:00Z,,121.87\n"  # 16
        "D1,2026-03-18T08:00:00Z,昨天,121.87,29.47\n"  # 17
        " D1 ,2026-03-18T08:00:20+08:00,, 121.87 ,29.47"  # 18: good, no arrival
    )
    positions, quarantine, record = read(tmp_path)
    assert positions.to_numpy().tolist() == [
        ["D1", T0, T0 + 60_000, 121.87, 29.47],
        ["D1", T0 + 20_000, T0 + 20_000, 121.87, 29.47],
    ]
    assert quarantine[["row", "column", "code"]].to_numpy().tolist() == [
        [3, "device_id", "device_missing"],
        [4, "time", "time_missing"],
        [5, "time", "time_unparsable"],
        [6, "time", "time_naive"],
        [7, "time", "time_early"],
        [8, "time", "time_future"],
        [10, "lon", "coordinate_missing"],
        [11, "lon", "number_unparsable"],
        [12, "lon", "lonlat_swapped"],
        [13, "lat", "lat_impossible"],
        [14, "lon", "lon_impossible"],
        [15, "lon", "coordinate_zero"],
        [16, "", "row_broken"],
        [17, "arrived", "time_unparsable"],
    ]
    assert json.loads(quarantine["raw"][2])["time"] == "早上"
    assert quarantine["zh"].str.len().min() > 0
    assert record.rows_in == 16


def test_whole_file_faults(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("device_id,time,lon,lat\nD1,2026-03-18 08:00:00,121.87,29.47\n")
    assert (fault(tmp_path).code, fault(tmp_path).column) == ("positions.naive_time", "time")
    assert read(tmp_path, time_zone="Asia/Shanghai")[0]["t_ms"].tolist() == [T0]
    path.write_text("device_id,time,lat,lon\nD1,2026-03-18T08:00:00Z,121.87,29.47\n")
    swapped = fault(tmp_path)
    assert swapped.code == "positions.swapped"
    assert len(read(tmp_path, columns={"lon": "lat", "lat": "lon"})[0]) == 1  # what the fault says to write
    path.write_text("device_id,time,lon,lat\nD1,1970-01-01 00:00:05,121.87,29.47\n")
    assert fault(tmp_path, time_zone="Asia/Shanghai").code == "positions.no_date"
    assert read(tmp_path, time_zone="UTC", constants={"date": "2026-03-18"})[0]["t_ms"].tolist() == [T0 + 5000]
    path.write_text("device,time,lon,lat\nD1,2026-03-18T08:00:00Z,121.87,29.47\n")
    missing = fault(tmp_path)
    assert (missing.code, missing.column) == ("source.column", "device_id")
    assert "device" in missing.fix_zh
    with pytest.raises(SettingsError):
        read(tmp_path, columns={"device_id": "device"}, crs="EPSG:999999")


def test_empty_and_damaged_files(tmp_path):
    for name, content in {
        "empty.csv": b"", "head.csv": b"device_id,time,lon,lat\n", "cut.xlsx": b"PK\x03\x04rubbish", "cut.parquet": b"PAR1rubbish",
        "cut.gpx": b"<gpx><trk>", "void.gpx": b"<gpx version='1.1' creator='t'></gpx>",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert fault(tmp_path, name).code in {"source.empty", "source.unreadable"}
    write_gzip(tmp_path / "p.csv.gz")
    whole = (tmp_path / "p.csv.gz").read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(whole[:-12])
    assert fault(tmp_path, "cut.csv.gz", columns=CHINESE).code == "source.unreadable"
    write_parquet(tmp_path / "p.parquet")
    (tmp_path / "half.parquet").write_bytes((tmp_path / "p.parquet").read_bytes()[:400])
    assert fault(tmp_path, "half.parquet", columns=CHINESE).code == "source.unreadable"
    write_xlsx(tmp_path / "p.xlsx")
    (tmp_path / "half.xlsx").write_bytes((tmp_path / "p.xlsx").read_bytes()[:900])
    assert fault(tmp_path, "half.xlsx", columns=CHINESE).code == "source.unreadable"
    assert fault(tmp_path, "p.xlsx", columns=CHINESE, sheet="没有").code == "source.sheet"
    write_gb18030(tmp_path / "gb.csv")
    assert fault(tmp_path, "gb.csv", columns=CHINESE, encoding="UTF-8").code == "source.encoding"


def test_datum_and_plane_coordinates(tmp_path):
    lon, lat = (float(v) for v in gcj02_from_wgs84(121.87, 29.47))
    (tmp_path / "p.csv").write_text(f"device_id,time,lon,lat\nD1,2026-03-18T08:00:00Z,{lon!r},{lat!r}\n")
    positions, _, record = read(tmp_path, datum="gcj02")
    assert positions[["lon", "lat"]].to_numpy()[0] == pytest.approx([121.87, 29.47], abs=1e-7)
    assert any("GCJ02" in n.zh for n in record.notes)
    # EPSG:4550: central meridian 123° E; there the easting is 500 km and the northing the arc from the equator
    (tmp_path / "p.csv").write_text(
        "device_id,time,x,y\nD1,2026-03-18T08:00:00Z,500000,3262000\nD1,2026-03-18T08:00:00Z,1e300,3262000\n"
    )
    positions, quarantine, record = read(tmp_path, crs=4550)
    assert positions["lon"][0] == pytest.approx(123.0, abs=1e-9)
    assert positions["lat"][0] == pytest.approx(29.47, abs=0.05)
    assert quarantine["code"].tolist() == ["coordinate_unprojectable"]
    assert record.crs == "EPSG:4550"
    points = ((0.0, 0.0, 121.87, 29.47), (1000.0, 0.0, 121.8803, 29.47), (0.0, 1000.0, 121.87, 29.479))
    (tmp_path / "p.csv").write_text("device_id,time,x,y\nD1,2026-03-18T08:00:00Z,0,0\n")
    positions, _, record = read(tmp_path, crs="local", control_points=points, control_fit="affine")
    assert positions[["lon", "lat"]].to_numpy()[0] == pytest.approx([121.87, 29.47], abs=1e-6)
    assert record.crs == "local"


def test_several_files_and_future_clock(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(
            f"device_id,time,lon,lat\n{name},2026-03-18T08:00:00Z,121.87,29.47\n,2026-03-18T08:00:00Z,1,2\n"
        )
    positions, quarantine, record = read(tmp_path, "*.csv")
    assert positions["device_id"].tolist() == ["a.csv", "b.csv"]
    assert [json.loads(r)["_file"] for r in quarantine["raw"]] == ["a.csv", "b.csv"]  # same line of both: none is lost
    (tmp_path / "c.csv").write_text("device_id,time,lon,lat\nD1,2026-03-18T08:00:00Z,121.87,29.47\n")
    positions, quarantine, record = read(tmp_path, "c.csv", now=datetime(2020, 1, 1, tzinfo=UTC))
    assert len(positions) == 1  # most rows lie in the future: the clock of the machine is doubted
    assert any("时钟" in n.zh for n in record.notes)


def test_quoted_line_breaks_keep_line_numbers(tmp_path):
    (tmp_path / "p.csv").write_text(
        'device_id,time,lon,lat,note\nD1,2026-03-18T08:00:00Z,121,29,"a\nb"\n,2026-03-18T08:00:00Z,121,29,c\n'
    )
    positions, quarantine, _ = read(tmp_path)
    assert len(positions) == 1
    assert quarantine["row"].tolist() == [4]


def test_blocks_do_not_matter(tmp_path, monkeypatch):
    rng = np.random.default_rng(7)
    lines = [
        f"设备{i % 9},2026-03-18T08:{i % 60:02d}:00+08:00,{121 + rng.random():.6f},{29 + rng.random():.6f}"
        for i in range(3000)
    ]
    for i in range(0, 3000, 7):
        lines[i] = ["", "x", ",,,", "设备,早上,1,2"][i % 4]
    (tmp_path / "p.csv").write_text("device_id,time,lon,lat\n" + "\n".join(lines), encoding="gb18030")
    whole, whole_aside, record = read(tmp_path)
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 997)
    parts, parts_aside, again = read(tmp_path)
    pd.testing.assert_frame_equal(whole, parts)
    pd.testing.assert_frame_equal(whole_aside, parts_aside.reset_index(drop=True))
    assert record == again
    assert whole_aside["row"].is_monotonic_increasing


cells = st.tuples(
    st.sampled_from(["D1", "设备二", "", "128"]),
    st.sampled_from(
        [
            "2026-03-18T08:00:00+08:00",
            "1773792000",
            "1773792000123",
            "2026-03-18 08:00:00",
            "",
            "x",
            "2099-01-01T00:00:00Z",
        ]
    ),
    st.one_of(st.floats(-200, 200).map(repr), st.sampled_from(["", "n/a", "121,5"])),
    st.one_of(st.floats(-100, 100).map(repr), st.sampled_from(["", "inf"])),
)


def numbers(row):
    """A drawn row with NaN where its coordinates are no numbers."""
    return *row[:2], *(float(c) if re.fullmatch(r"[-+.e\d]+", c) else math.nan for c in row[2:])


@given(st.lists(cells, min_size=1, max_size=25))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_nothing_is_lost(tmp_path, rows):
    pd.DataFrame(rows, columns=["device_id", "time", "lon", "lat"]).to_csv(tmp_path / "p.csv", index=False)
    swapped = sum(abs(y) > 90 and abs(x) <= 90 for _, _, x, y in map(numbers, rows))
    assume(swapped * 2 <= len(rows))  # more of them stop the load with one fault
    positions, quarantine, _ = read(tmp_path, time_zone="Asia/Shanghai")
    assert len(positions) + len(quarantine) == len(rows)
    good = [(d, float(x), float(y)) for i, (d, _, x, y) in enumerate(rows, start=2) if i not in set(quarantine["row"])]
    assert Counter(good) == Counter(zip(positions["device_id"], positions["lon"], positions["lat"], strict=True))
    assert positions["lat"].abs().le(90).all()


# --- real data ---
@pytest.mark.data
def test_real_positions(data_root):
    positions, quarantine, _ = read(data_root, "beijing/positions_geolife_one_day.csv", columns={"device_id": "device"})
    assert (len(positions), len(quarantine), positions["device_id"].nunique()) == (16_414, 0, 299)
    first = round(datetime(2026, 3, 17, 16, 28, 10, tzinfo=UTC).timestamp() * 1000)
    assert positions.iloc[0].tolist() == ["D000", first, first, 116.326623, 39.995859]
    columns = {"device_id": "track_id"}
    assert fault(data_root, "athens/positions_dense.csv", columns=columns).code == "positions.naive_time"
    assert (
        fault(data_root, "athens/positions_dense.csv", columns=columns, time_zone="Europe/Athens").code
        == "positions.no_date"
    )
    more = {"time_zone": "Europe/Athens", "constants": {"date": "2018-10-24"}}
    positions, quarantine, _ = read(data_root, "athens/positions_dense.csv", columns=columns, **more)
    assert (len(positions), len(quarantine), positions["device_id"].nunique()) == (23_293, 0, 50)
    more = {"time_zone": "Asia/Shanghai", "constants": {"date": "2026-03-18"}}
    positions, quarantine, _ = read(
        data_root, "beijing/tracks_sparse.csv", columns={"device_id": "track", "time": "t"}, **more
    )
    assert (len(positions), len(quarantine), positions["device_id"].nunique()) == (311, 0, 23)


def test_parquet_schema_of_the_port(tmp_path):
    table = pa.table(
        {"device_id": pa.array([1.0, 2.0, None]), "time": pa.array([T0, T0, T0]), "lon": [121.0] * 3, "lat": [29.0] * 3}
    )
    pq.write_table(table, tmp_path / "p.parquet")
    positions, quarantine, _ = read(tmp_path, "p.parquet")
    assert positions["device_id"].tolist() == ["1", "2"]
    assert quarantine[["row", "code"]].to_numpy().tolist() == [[3, "device_missing"]]
    book = openpyxl.Workbook()
    book.active.append(["device_id", "time", "lon", "lat"])
    book.active.append([128, datetime(2026, 3, 18, 8), 121.87, 29.47])  # noqa: DTZ001 (cells have no zone)
    book.active.append([None, None, None, None])
    book.active.append([128, "坏", 121.87, 29.47])
    book.save(tmp_path / "p.xlsx")
    positions, quarantine, _ = read(tmp_path, "p.xlsx", time_zone="Asia/Shanghai")
    assert positions[["device_id", "t_ms"]].to_numpy().tolist() == [["128", T0]]
    assert quarantine["row"].tolist() == [4]
