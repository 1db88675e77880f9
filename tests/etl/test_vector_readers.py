"""Polygons and roads from every vector format: encodings, CRS, repairs, codes; the same rows whatever they come from."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import pyogrio
import pyproj
import pytest
import shapely

from etl import dbf
from etl.base import Context
from etl.load import load_city
from etl.readers import reader_of
from gis.crs import fit_local_grid
from gis.datum import from_wgs84
from gis.errors import InputError
from layers.city import City, Source
from layers.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

LON, LAT = 121.87, 29.47


def city_of(folder: Path, **settings) -> City:
    return City.model_validate({"path": folder / "city.toml", "id": "x", "name": "象山", **settings})


def read(folder: Path, table: str, path: str | None, *, classes=None, **settings):
    city = city_of(folder, roads={"classes": classes or {}})
    source = Source.model_validate({"name": "来源", "table": table, "path": path, **settings})
    return reader_of(table)(source, Context(city))


def grids() -> gpd.GeoDataFrame:
    boxes = [shapely.box(LON + i * 0.01, LAT, LON + i * 0.01 + 0.01, LAT + 0.01) for i in range(3)]
    return gpd.GeoDataFrame(
        {"grid_id": [1, 2, 3], "name": ["东谷", "西谷", "丹河"], "level": ["central", "central", None]},
        geometry=boxes,
        crs=4326,
    )


def fault_of(caught) -> tuple:
    fault = caught.value.faults[0]
    return fault.code, fault.file, fault.row, fault.column


# --- formats ---
@pytest.mark.parametrize("name", ["g.gpkg", "g.geojson", "g.parquet", "g.shp"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    table = grids()
    if name.endswith("parquet"):
        table.to_parquet(tmp_path / name)
    else:
        pyogrio.write_dataframe(table, tmp_path / name, **({"encoding": "UTF-8"} if name.endswith("shp") else {}))
    got = read(tmp_path, "work_grids", name)
    assert list(got.frame.columns) == ["grid_id", "name", "level", "town_id", "unit_id", "geometry"]
    assert got.frame["grid_id"].tolist() == ["1", "2", "3"]
    assert got.frame["name"].tolist() == ["东谷", "西谷", "丹河"]
    assert got.frame["level"].tolist() == ["central", "central", None]
    assert np.allclose(got.frame.total_bounds, table.total_bounds)
    assert (got.record.rows_in, got.record.crs, len(got.quarantine)) == (3, "EPSG:4326", 0)
    assert got.record.path == name


@pytest.mark.parametrize(
    ("encoding", "cpg"),
    [("GBK", "GBK"), ("GB18030", None), ("GBK", "UTF-8"), ("UTF-8", None), ("UTF-8", "GBK"), ("GBK", "936")],
)
def test_shapefile_text_in_every_encoding(tmp_path, encoding, cpg):
    """Declared by .cpg or by nothing, rightly or wrongly: the text is read as it was meant, and a wrong .cpg is told."""
    pyogrio.write_dataframe(grids(), tmp_path / "g.shp", encoding=encoding)
    (tmp_path / "g.cpg").unlink(missing_ok=True)
    if cpg:
        (tmp_path / "g.cpg").write_text(cpg, encoding="ascii")
    got = read(tmp_path, "work_grids", "g.shp")
    assert got.frame["name"].tolist() == ["东谷", "西谷", "丹河"]
    told = any("与内容不符" in n.zh for n in got.record.notes)
    assert told == ((encoding, cpg) in {("GBK", "UTF-8"), ("UTF-8", "GBK")})


def test_declared_encoding_that_does_not_fit(tmp_path):
    for real, declared in (("GBK", "UTF-8"), ("UTF-8", "GBK")):
        pyogrio.write_dataframe(grids(), tmp_path / "g.shp", encoding=real)
        with pytest.raises(InputError) as caught:
            read(tmp_path, "work_grids", "g.shp", encoding=declared)
        assert fault_of(caught) == ("source.encoding", "g.shp", 1, "name")
        assert read(tmp_path, "work_grids", "g.shp", encoding=real).frame["name"].iloc[0] == "东谷"


def test_text_cut_by_the_width_of_its_field():
    cut = "象山港路".encode("gbk")[:7]  # the fourth character lost a byte
    assert dbf.decode(cut, "GBK") == "象山港"
    assert dbf.decode("象山".encode()[:5], "UTF-8") == "象"
    assert dbf.decode("象山".encode("gbk"), "UTF-8") is None
    assert dbf.detect([dbf.Text(1, b"n", "象山港路".encode("gbk"))]) == "GB18030"
    assert dbf.detect([]) == "UTF-8"


def test_no_prj_needs_a_declared_crs(tmp_path):
    pyogrio.write_dataframe(grids().to_crs(4550), tmp_path / "g.shp", encoding="UTF-8")
    (tmp_path / "g.prj").unlink()
    with pytest.raises(InputError) as caught:
        read(tmp_path, "work_grids", "g.shp")
    assert fault_of(caught)[:2] == ("crs.missing", "g.shp")
    got = read(tmp_path, "work_grids", "g.shp", crs=4550)
    assert np.allclose(got.frame.total_bounds, grids().total_bounds, atol=1e-9)
    assert got.record.crs == "EPSG:4550"


def test_metres_declared_as_degrees_and_degrees_as_metres(tmp_path):
    pyogrio.write_dataframe(grids(), tmp_path / "g.geojson")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "work_grids", "g.geojson", crs=4550)
    assert fault_of(caught)[0] == "crs.contradicted"
    assert "像经纬度" in caught.value.faults[0].zh


def test_offset_datum_is_undone_only_where_declared(tmp_path):
    table = grids()
    table["geometry"] = shapely.transform(
        table.geometry.to_numpy(), lambda xy: np.column_stack(from_wgs84(xy[:, 0], xy[:, 1], datum="gcj02"))
    )
    table.to_parquet(tmp_path / "g.parquet")
    as_is, undone = (read(tmp_path, "work_grids", "g.parquet", datum=d) for d in ("wgs84", "gcj02"))
    assert np.allclose(as_is.frame.total_bounds, table.total_bounds, atol=0)
    assert np.allclose(undone.frame.total_bounds, grids().total_bounds, atol=1e-9)  # 0.1 mm
    assert any("GCJ-02" in n.zh for n in undone.record.notes) or any("GCJ02" in n.zh for n in undone.record.notes)


def test_local_grid_by_control_points(tmp_path):
    """A town grid turned by 2° and shifted: four control points bring it home, residuals are told."""
    change = pyproj.Transformer.from_crs(4326, 4550, always_xy=True)
    turn = np.radians(2.0)
    x0, y0 = change.transform(LON, LAT)

    def local(lon, lat):
        x, y = change.transform(lon, lat)
        dx, dy = np.asarray(x) - x0, np.asarray(y) - y0
        return dx * np.cos(turn) - dy * np.sin(turn) + 5000, dx * np.sin(turn) + dy * np.cos(turn) + 9000

    table = grids()
    table["geometry"] = shapely.transform(
        table.geometry.to_numpy(), lambda xy: np.column_stack(local(xy[:, 0], xy[:, 1]))
    )
    table.set_crs(4550, allow_override=True).to_file(tmp_path / "g.shp", encoding="UTF-8")
    (tmp_path / "g.prj").unlink()
    corners = [(LON, LAT), (LON + 0.03, LAT), (LON, LAT + 0.01), (LON + 0.03, LAT + 0.01)]
    points = [(*(float(v) for v in local(*c)), *c) for c in corners]
    for fit in ("helmert", "affine"):
        got = read(tmp_path, "work_grids", "g.shp", crs="local", control_points=points, control_fit=fit)
        assert np.allclose(got.frame.total_bounds, grids().total_bounds, atol=1e-7)
        assert any("残差 0.000" in n.zh for n in got.record.notes)
    bent = [*points[:3], (points[3][0] + 3.0, *points[3][1:])]
    assert fit_local_grid(bent).residual_m.max() > 0.5  # a wrong point shows
    with pytest.raises(ValueError, match="do not decide"):
        fit_local_grid([points[0], points[0]])


# --- whole files ---
def test_files_that_are_not_whole(tmp_path):
    for name in ("g.gpkg", "g.geojson"):
        pyogrio.write_dataframe(grids(), tmp_path / name)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    grids().to_parquet(tmp_path / "g.parquet")
    data = (tmp_path / "g.parquet").read_bytes()
    (tmp_path / "g.parquet").write_bytes(data[:-100])
    pyogrio.write_dataframe(grids(), tmp_path / "g.shp", encoding="UTF-8")
    dbf_file = tmp_path / "g.dbf"
    dbf_file.write_bytes(dbf_file.read_bytes()[:-150])
    for name, told in (
        ("g.gpkg", "g.gpkg"),
        ("g.geojson", "g.geojson"),
        ("g.parquet", "g.parquet"),
        ("g.shp", "g.dbf"),
    ):
        with pytest.raises(InputError) as caught:
            read(tmp_path, "work_grids", name)
        assert fault_of(caught)[:2] == ("source.truncated", told)
    (tmp_path / "g.shx").unlink()
    with pytest.raises(InputError) as caught:
        read(tmp_path, "work_grids", "g.shp")
    assert fault_of(caught)[:2] == ("source.sidecar", "g.shp")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "work_grids", "none_*.shp")
    assert fault_of(caught)[:2] == ("source.missing", "none_*.shp")


# --- codes and geometry ---
def test_rows_set_aside_and_repairs(tmp_path):
    bow = shapely.Polygon([(LON, LAT), (LON + 0.01, LAT + 0.01), (LON + 0.01, LAT), (LON, LAT + 0.01)])
    line = shapely.LineString([(LON, LAT), (LON + 0.01, LAT)])
    table = gpd.GeoDataFrame(
        {"grid_id": ["a", "a", None, "b", "c", "d"], "z": 1.5},
        geometry=[
            shapely.force_3d(shapely.box(LON, LAT, LON + 0.01, LAT + 0.01), 7.0),
            line.buffer(0.001),
            line.buffer(0.001),
            bow,
            line,
            None,
        ],
        crs=4326,
    )
    table.to_parquet(tmp_path / "g.parquet")
    got = read(tmp_path, "work_grids", "g.parquet")
    assert got.frame["grid_id"].tolist() == ["a", "b"]
    assert not got.frame.has_z.any()
    assert got.frame.is_valid.all()
    # the bow tie is two triangles, each a quarter of the square's area
    assert got.frame.geometry.iloc[1].area == pytest.approx(2 * 0.01 * 0.01 / 4)
    assert [(r["row"], r["code"]) for r in got.quarantine.to_dict("records")] == [
        (2, "key_duplicate"),
        (3, "key_missing"),
        (5, "geometry_no_area"),
        (6, "geometry_missing"),
    ]
    assert got.record.rows_in == len(got.frame) + len(got.quarantine)
    assert any(n.zh.startswith("已修复 1 个无效多边形") and n.zh.endswith("b") for n in got.record.notes)


def test_unit_grid_codes_have_fifteen_digits(tmp_path):
    table = grids().assign(grid_id=["330225001001001", "33022500100100", "33022500100100X"])
    table.to_parquet(tmp_path / "g.parquet")
    got = read(tmp_path, "unit_grids", "g.parquet")
    assert got.frame["grid_id"].tolist() == ["330225001001001"]
    assert got.quarantine["code"].tolist() == ["code_not_15_digits"] * 2


def test_choices_are_translated_or_told(tmp_path):
    grids().assign(level=["中心城区", "城郊结合部", "城郊结合部"]).to_parquet(tmp_path / "g.parquet")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "work_grids", "g.parquet")
    assert "中心城区×1" in caught.value.faults[0].zh
    assert "城郊结合部×2" in caught.value.faults[0].zh
    got = read(
        tmp_path, "work_grids", "g.parquet", translate={"level": {"中心城区": "central", "城郊结合部": "fringe"}}
    )
    assert got.frame["level"].tolist() == ["central", "fringe", "fringe"]


def test_areas_get_ids_and_keep_points_and_lines(tmp_path):
    table = gpd.GeoDataFrame(
        {"name": ["码头", "老街", "老街"]},
        geometry=[
            shapely.Point(LON, LAT),
            shapely.LineString([(LON, LAT), (LON, LAT + 0.01)]),
            shapely.box(LON, LAT, LON + 0.01, LAT + 0.01),
        ],
        crs=4326,
    )
    table.to_parquet(tmp_path / "a.parquet")
    got = read(tmp_path, "areas", "a.parquet", kind="key_point")
    assert got.frame["area_id"].tolist() == ["key_point:码头", "key_point:来源:2", "key_point:来源:3"]
    assert got.frame.geom_type.tolist() == ["Point", "LineString", "Polygon"]


def test_missing_and_mapped_columns(tmp_path):
    grids().rename(columns={"name": "名称"}).to_parquet(tmp_path / "g.parquet")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "work_grids", "g.parquet", columns={"name": "名字", "grid_id": "GRID"})
    assert [f.column for f in caught.value.faults] == ["GRID", "名字"]
    assert "grid_id" in caught.value.faults[0].fix_zh
    got = read(
        tmp_path,
        "work_grids",
        "g.parquet",
        columns={"name": "名称"},
        constants={"level": "fringe", "unit_id": "三中队"},
    )
    assert got.frame["level"].tolist() == ["fringe"] * 3
    assert got.frame["unit_id"].tolist() == ["三中队"] * 3


def test_several_files_are_one_source(tmp_path):
    grids().iloc[:2].to_parquet(tmp_path / "a_1.parquet")
    grids().iloc[2:].to_parquet(tmp_path / "a_2.parquet")
    got = read(tmp_path, "work_grids", "a_*.parquet")
    assert got.frame["grid_id"].tolist() == ["1", "2", "3"]


def test_a_query_reads_and_never_writes(tmp_path):
    table = grids()
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        rows = pd.DataFrame({"code": table["grid_id"], "geom": table.geometry.to_wkb()})
        rows.to_sql("g", db, index=False)
    db.close()
    database = f"sqlite:///{tmp_path / 'c.sqlite'}"
    ask = {
        "query": "SELECT code, geom FROM g WHERE code < 3",
        "database": database,
        "columns": {"grid_id": "code"},
        "crs": 4326,
    }
    got = read(tmp_path, "work_grids", None, **ask)
    assert got.frame["grid_id"].tolist() == ["1", "2"]
    assert np.allclose(got.frame.total_bounds, table.iloc[:2].total_bounds)
    for query in ("DELETE FROM g", "SELECT nothing FROM g"):
        with pytest.raises(InputError) as caught:
            read(tmp_path, "work_grids", None, **{**ask, "query": query})
        assert fault_of(caught)[0] in {"source.sql", "source.query"}
    assert len(read(tmp_path, "work_grids", None, **ask).frame) == 2


@pytest.mark.postgis
def test_a_query_on_postgis(tmp_path, postgis_url):
    with psycopg.connect(postgis_url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as db:
        db.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        db.execute("DROP TABLE IF EXISTS county_grids")
        db.execute("CREATE TABLE county_grids (code text, geom geometry(Polygon, 4550))")
        for row in grids().to_crs(4550).itertuples():
            db.execute(
                "INSERT INTO county_grids VALUES (%s, ST_GeomFromText(%s, 4550))", (str(row.grid_id), row.geometry.wkt)
            )
    got = read(
        tmp_path,
        "work_grids",
        None,
        query="SELECT * FROM county_grids ORDER BY code",
        database=postgis_url,
        columns={"grid_id": "code"},
    )
    assert got.record.crs == "EPSG:4550"
    assert np.allclose(got.frame.total_bounds, grids().total_bounds, atol=1e-8)
    with pytest.raises(InputError):
        read(
            tmp_path,
            "work_grids",
            None,
            query="DELETE FROM county_grids RETURNING *",
            database=postgis_url,
            columns={"grid_id": "code"},
        )


def test_codes_shared_by_two_sources(tmp_path):
    """Two files of one table add up; the second file's repeated code is set aside, and says where it was."""
    grids().iloc[:2].to_parquet(tmp_path / "a.parquet")
    grids().iloc[1:].to_parquet(tmp_path / "b.parquet")
    sources = [{"name": n, "table": "work_grids", "path": f"{n}.parquet"} for n in ("a", "b")]
    city = city_of(tmp_path, sources=sources)
    store = open_store(city.store_url)
    store.prepare()
    first, second = load_city(city, store)
    assert (first.inserted, second.inserted, dict(second.reasons)) == (2, 1, {"key_duplicate": 1})
    assert "已见于来源 a" in store.quarantine(second.manifest_id)["zh"].iloc[0]
    again = load_city(city, store)
    assert [m.inserted for m in again] == [0, 0]
    edition = store.editions("work_grids")[-1]
    assert sorted(store.read("work_grids", edition.edition_id)["grid_id"]) == ["1", "2", "3"]
    store.close()


# --- the real data ---
@pytest.mark.data
def test_guangzhou_zones(data_root, tmp_path):
    got = read(tmp_path, "work_grids", str(data_root / "guangzhou" / "zone_*.shp"), columns={"grid_id": "zoneid"})
    assert (len(got.frame), len(got.quarantine), got.record.crs) == (713, 0, "EPSG:4326")


@pytest.mark.data
def test_xiangshan_towns(data_root, tmp_path):
    """18 towns, whose islands are written as holes outside their shells: repaired, they measure 1,504.3 km² on the ellipsoid.

    (In UTM zone 51, whose scale is below one here, 1,503.6 km².)
    """
    got = read(tmp_path, "areas", str(data_root / "xiangshan" / "townships.json"), kind="town")
    frame = gpd.GeoDataFrame(got.frame)
    assert (len(frame), frame.is_valid.all(), frame.has_z.any()) == (18, True, False)
    geod = pyproj.Geod(ellps="WGS84")
    area = sum(abs(geod.geometry_area_perimeter(g)[0]) for g in frame.geometry) / 1e6
    assert area == pytest.approx(1504.29, abs=0.01)
    assert frame.to_crs(32651).area.sum() / 1e6 == pytest.approx(1503.55, abs=0.01)
    assert [n.zh[:3] for n in got.record.notes] == ["已修复"]
