"""What contradicts all else that a source says is told: clocks of another decade, one track name for many loggers; broken files are faults by name."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from etl.base import Context
from etl.clock_notes import clock_notes
from etl.readers import position_reader, reader_of
from gis.errors import InputError, SettingsError
from layers.city import City, Source, load_city_file

DAY = 86_400_000
NOW = int(pd.Timestamp("2026-03-18", tz="UTC").value // 10**6)


def spans(**devices):
    rows = [(d, NOW + a * DAY, NOW + b * DAY) for d, (a, b) in devices.items()]
    return pd.DataFrame(rows, columns=["device_id", "t_ms_min", "t_ms_max"])


def test_clocks_of_another_decade_are_told():
    (note,) = clock_notes(spans(d1=(-7168, -7168), d2=(0, 0)))
    assert "设备 d1" in note.zh
    assert "2006-08-02" in note.zh
    assert "1024" in note.zh
    (note,) = clock_notes(spans(d1=(-4000, -4000), d2=(0, 1), d3=(-30, 0)))
    assert "1024" not in note.zh
    assert clock_notes(spans(d1=(-7168, 0), d2=(0, 0))) == []  # not all of its times
    assert clock_notes(spans(d1=(-400, -390), d2=(-389, 0))) == []  # a device that was handed in
    assert clock_notes(spans(d1=(-7168, -7168))) == []
    assert len(clock_notes(spans(**{f"d{i}": (-7168, -7168) for i in range(15)}, good=(0, 0)))) == 11


def gpx(folder, name, track):
    point = '<trkpt lat="29.47" lon="121.87"><time>2026-03-18T00:30:00Z</time></trkpt>'
    title = "" if track is None else f"<name>{track}</name>"
    head = '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">'
    (folder / name).write_text(f"{head}<trk>{title}<trkseg>{point}</trkseg></trk></gpx>")


@pytest.mark.parametrize(
    ("tracks", "roster", "devices"),
    [
        ({"d1": "ACTIVE LOG", "d2": "ACTIVE LOG"}, ["d1", "d2"], ["d1", "d2"]),
        ({"d1": "ACTIVE LOG", "d2": "ACTIVE LOG"}, None, ["d1", "d2"]),
        ({"am": "D7", "pm": "D7"}, ["D7"], ["D7"]),  # one device, two files
        ({"a": "D7", "b": "D8"}, None, ["D7", "D8"]),
        ({"d1": None, "d2": "x"}, None, ["d1", "x"]),
        ({"d1": "2026-03-18 08:30"}, ["d1"], ["d1"]),
        ({"d1": "A &amp; B", "d2": "A &amp; B"}, ["A & B"], ["A & B"]),
    ],
)
def test_loggers_that_give_one_name_to_all_tracks(tmp_path, tracks, roster, devices):
    for name, track in tracks.items():
        gpx(tmp_path, f"{name}.gpx", track)
    tables = {} if roster is None else {"devices": pd.DataFrame({"device_id": roster})}
    context = Context(City(path=tmp_path / "city.toml", id="x", name="x"), tables=tables)
    found = position_reader()(Source(name="p", table="positions", path="*.gpx"), context)
    assert sorted({d for t in found.batches for d in t["device_id"].to_pylist()}) == devices


def grids(folder, name, **columns):
    frame = gpd.GeoDataFrame(
        {"grid_id": ["A"], **columns}, geometry=[shapely.box(121.87, 29.47, 121.88, 29.48)], crs=4326
    )
    pyogrio.write_dataframe(frame, folder / name, encoding="UTF-8")


def read_grids(folder, name, **more):
    source = Source(name="g", table="work_grids", path=name, **more)
    return reader_of("work_grids")(source, Context(City(path=folder / "city.toml", id="x", name="x")))


@pytest.mark.filterwarnings("ignore:.*Normalized/laundered")
def test_a_field_name_cut_within_a_character_is_read(tmp_path):
    grids(tmp_path, "g.shp", 道路管养单位=["甲"])
    assert read_grids(tmp_path, "g.shp").frame["grid_id"].tolist() == ["A"]


def test_broken_vector_files_are_faults_of_their_file(tmp_path):
    grids(tmp_path, "g.gpkg", 名称=["东谷"])
    data = (tmp_path / "g.gpkg").read_bytes()
    corner = np.array([121.88, 29.47]).tobytes()  # of the ring: first and last point
    first = data.index(corner, data.index(b"GP\0") + 45)
    (tmp_path / "g.gpkg").write_bytes(data[:first] + np.array([121.9, 29.4]).tobytes() + data[first + 16 :])
    grids(tmp_path, "h.shp")
    dbf = bytearray((tmp_path / "h.dbf").read_bytes())
    dbf[8:10] = b"\xff\xff"
    (tmp_path / "h.dbf").write_bytes(bytes(dbf))
    for name in ("g.gpkg", "h.shp"):
        with pytest.raises(InputError) as error:
            read_grids(tmp_path, name)
        assert all(f.file and f.file.startswith(name[0]) for f in error.value.faults)


@pytest.mark.parametrize(
    "device",
    [pa.array([["d"]]), pa.array([{"a": 1}]), pa.array([b"d"]), pa.array([float("nan")]), pa.array([float("inf")])],
)
def test_devices_of_impossible_types(tmp_path, device):
    other = {"time": pa.array(["2026-03-18T08:00:00Z"]), "lon": pa.array([121.87]), "lat": pa.array([29.47])}
    pq.write_table(pa.table({"device_id": device, **other}), tmp_path / "p.parquet")
    context = Context(City(path=tmp_path / "city.toml", id="x", name="x"))
    found = position_reader()(Source(name="p", table="positions", path="p.parquet"), context)
    if pa.types.is_floating(device.type):
        assert list(found.batches) == []
        assert found.quarantine()["code"].tolist() == ["device_missing"]
    else:
        with pytest.raises(InputError, match="device ids are of type"):
            list(found.batches)


def test_repeated_columns_are_named(tmp_path):
    names = ["device_id", "time", "lon", "lat", "lat"]
    pq.write_table(pa.Table.from_arrays([pa.array(["1"])] * 5, names=names), tmp_path / "p.parquet")
    context = Context(City(path=tmp_path / "city.toml", id="x", name="x"))
    with pytest.raises(InputError, match="repeated columns: lat"):
        list(position_reader()(Source(name="p", table="positions", path="p.parquet"), context).batches)


@pytest.mark.parametrize(
    ("line", "code"),
    [('delimiter = "ab"', "city.delimiter"), ('delimiter = "，"', "city.delimiter"), ('time_format = "%"', "city.time_format"),
     ('time_format = "%Q"', "city.time_format"), ('time_format = "HH:mm"', "city.time_format")],
)  # fmt: skip
def test_settings_that_cannot_be_used(tmp_path, line, code):
    text = f'[city]\nid = "x"\nname = "x"\n[standard]\nname = "xiangshan-2019"\n[[source]]\nname = "p"\ntable = "positions"\npath = "p.csv"\n{line}\n'
    (tmp_path / "city.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load_city_file(tmp_path / "city.toml")
    assert [f.code for f in error.value.faults] == [code]


@pytest.mark.parametrize("name", ["p.shp", "p.gpkg", "p.geojson"])
@pytest.mark.parametrize("crs", [4326, 4550, None])
def test_points_of_gis_files_are_positions(tmp_path, name, crs):
    frame = gpd.GeoDataFrame(
        {"dev": ["D1", "D2", ""], "t": ["2026-03-18 08:30:00"] * 3},
        geometry=[shapely.Point(121.87, 29.47), shapely.Point(121.88, 29.48), shapely.Point(121.88, 29.48)],
        crs=4326,
    )
    frame = frame if crs is None or name.endswith("json") else frame.to_crs(crs)
    frame.to_file(tmp_path / name)
    declared = {"crs": crs} if crs and not name.endswith("json") else {}
    source = Source(
        name="p",
        table="positions",
        path=name,
        time_zone="Asia/Shanghai",
        columns={"device_id": "dev", "time": "t"},
        **declared,
    )
    found = position_reader()(source, Context(City(path=tmp_path / "city.toml", id="x", name="x")))
    table = pa.concat_tables(found.batches)
    assert table["device_id"].to_pylist() == ["D1", "D2"]
    assert table["lon"].to_pylist() == pytest.approx([121.87, 121.88], abs=1e-6)
    assert found.quarantine()["code"].tolist() == ["device_missing"]
    assert found.record().rows_in == 3
