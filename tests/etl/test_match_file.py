"""Matching a file: both kinds of time, column names, faults, and the GeoPackage that comes out."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest

from etl.match import PROFILES, match_file, match_table, profile_of, read_track_points
from gis.errors import InputError, SettingsError
from gis.model import Mode
from gis.network.model import RoadGraph

CRS = pyproj.CRS.from_epsg(4550)
BACK = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)


def street():
    """One street of 1 km along the easting."""
    x, y = np.array([450_000.0, 451_000.0]), np.array([3_260_000.0, 3_260_000.0])
    i4 = np.int32
    return RoadGraph(
        CRS, x, y, np.array([0], i4), np.array([1], i4), np.zeros(1, np.int8), np.array([1_000_000], i4), np.zeros(1, bool),
        np.array([0, 2], i4), x.copy(), y.copy(), np.array([0, 1_000_000], i4),
    )  # fmt: skip


def rows(times, *, device=7):
    lon, lat = BACK.transform(450_100.0 + 50.0 * np.arange(len(times)), np.full(len(times), 3_260_003.0))
    return pd.DataFrame({"track": device, "t": times, "x": lon, "y": lat})


NAMES = {"device": "track", "time": "t", "lon": "x", "lat": "y"}
ISO = [f"2026-03-18T09:00:{s:02d}+08:00" for s in range(0, 50, 10)]
START = 1_773_795_600


@pytest.mark.parametrize(
    "times", [ISO, [START + s for s in range(0, 50, 10)], [1000 * (START + s) for s in range(0, 50, 10)]]
)
def test_iso_text_unix_seconds_and_milliseconds_are_the_same_times(tmp_path, times):
    rows(times).to_csv(tmp_path / "p.csv", index=False)
    assert read_track_points(tmp_path / "p.csv", NAMES)["t_ms"].to_pylist() == [
        1000 * (START + s) for s in range(0, 50, 10)
    ]


def test_routes_are_written(tmp_path):
    rows(ISO).to_csv(tmp_path / "p.csv", index=False)
    match_file(street(), tmp_path / "p.csv", NAMES, tmp_path / "r.gpkg", mode=Mode.VEHICLE, segment_ids=["象山港路-1"])
    r = gpd.read_file(tmp_path / "r.gpkg")
    assert r.crs.to_epsg() == 4326
    assert r[["track", "state", "edges"]].to_numpy().tolist() == [[7, "seen", "象山港路-1"]]
    assert abs(r.to_crs(CRS).length[0] - 200) < 0.1
    assert r["enter"][0] == pd.Timestamp("2026-03-18T01:00:00Z")


def test_parquet_and_naive_times_with_a_zone(tmp_path):
    rows([t[:19] for t in ISO]).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="zone"):
        read_track_points(tmp_path / "p.parquet", NAMES)
    t = read_track_points(tmp_path / "p.parquet", NAMES, zone="Asia/Shanghai")
    assert t["t_ms"][0].as_py() == 1000 * START


def test_missing_columns_are_all_named(tmp_path):
    rows(ISO).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError) as caught:
        read_track_points(tmp_path / "p.csv", {"device": "track"})
    assert [f.column for f in caught.value.faults] == ["time", "lon", "lat"]


@pytest.mark.parametrize("value", ["yesterday", ""])
def test_a_time_that_cannot_be_read(tmp_path, value):
    rows([*ISO[:4], value]).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError):
        read_track_points(tmp_path / "p.csv", NAMES)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError):
        read_track_points(tmp_path / "none.csv")


def test_nothing_on_the_network_is_an_error(tmp_path):
    frame = rows(ISO)
    frame["y"] += 1.0
    frame.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError, match="network"):
        match_file(street(), tmp_path / "p.csv", NAMES, tmp_path / "r.gpkg")


def _gpx(path):
    frame = rows(ISO)
    points = "".join(
        f'<trkpt lat="{r.y}" lon="{r.x}"><time>{t}</time></trkpt>' for r, t in zip(frame.itertuples(), ISO, strict=True)
    )
    path.write_text(
        f'<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1"><trk><name>7</name><trkseg>{points}</trkseg></trk></gpx>'
    )


def _points(path):
    frame = rows(ISO)
    place = gpd.points_from_xy(frame.x, frame.y, crs=4326)
    gpd.GeoDataFrame(frame[["track", "t"]].astype(str), geometry=place).to_crs(4550).to_file(path)


WRITERS = {
    "p.csv": lambda path: rows(ISO).to_csv(path, index=False),
    "p.csv.gz": lambda path: rows(ISO).to_csv(path, index=False),
    "p.parquet": lambda path: rows(ISO).to_parquet(path),
    "p.xlsx": lambda path: rows(ISO).to_excel(path, index=False),
    "p.gpx": _gpx,
    "p.gpkg": _points,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_points(tmp_path, name):
    WRITERS[name](tmp_path / name)
    found = read_track_points(tmp_path / name, NAMES)
    wanted = rows(ISO)
    assert [str(d) for d in found["device"].to_pylist()] == ["7"] * 5
    assert found["t_ms"].to_pylist() == [1000 * (START + s) for s in range(0, 50, 10)]
    np.testing.assert_allclose(found["lon"].to_numpy(), wanted.x, atol=1e-8)
    np.testing.assert_allclose(found["lat"].to_numpy(), wanted.y, atol=1e-8)


def test_chinese_text_and_leading_zeros_are_kept(tmp_path):
    text = rows(ISO, device="007").rename(columns={"track": "设备"}).to_csv(index=False, sep=";")
    (tmp_path / "p.csv").write_bytes(text.encode("gbk"))
    found = read_track_points(tmp_path / "p.csv", {**NAMES, "device": "设备"})
    assert set(found["device"].to_pylist()) == {"007"}


def test_the_sparse_profile_leaves_out_a_detour_and_bears_an_outlier(tmp_path):
    """The last fix lies 250 m off the street: patrols leave it out (far_m is 200 m), the sparse profile goes on to its foot."""
    lon, lat = BACK.transform([450_100.0, 450_500.0, 450_900.0], [3_260_003.0, 3_260_003.0, 3_260_250.0])
    pd.DataFrame({"track": 7, "t": [0, 60, 120], "x": lon, "y": lat}).to_csv(tmp_path / "p.csv", index=False)
    points = read_track_points(tmp_path / "p.csv", NAMES)
    metres = {}
    for name in PROFILES:
        settings, track_settings = profile_of(name)
        metres[name] = match_table(street(), points, settings=settings, track_settings=track_settings)["length_m"].sum()
    assert {k: round(v) for k, v in metres.items()} == {"patrol": 400, "sparse": 800}
    with pytest.raises(SettingsError, match="no profile"):
        profile_of("dense")
