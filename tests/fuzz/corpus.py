"""Valid inputs, one of each table and format, small enough that a thousand mutations are read in seconds; and the source that reads each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import rasterio
import shapely

if TYPE_CHECKING:
    from pathlib import Path

LON, LAT, STEP = 121.87, 29.47, 0.004


class Seed(NamedTuple):
    """A valid file and the lines of a `[[source]]` that read it."""

    name: str
    files: tuple[str, ...]
    source: str


CITY = """[city]
id = "fuzz"
name = "试验县"
timezone = "Asia/Shanghai"

[store]
url = "embedded:./store"

[standard]
name = "xiangshan-2019"

[roads.classes]
"主干道" = "main"
"支路" = "branch"
primary = "main"
residential = "branch"
"*" = "none"

[counting]
unassigned = true
unassigned_mode = "foot"
"""


def source(table: str, path: str, more: str = "") -> str:
    """The lines of a source."""
    return f'\n[[source]]\nname = "源"\ntable = "{table}"\npath = "{path}"\n{more}'


def make_corpus(folder: Path) -> list[Seed]:
    """Write the files and tell of them."""
    made = [*_roads(folder), *_polygons(folder), *_positions(folder), *_tables(folder), *_scenes(folder)]
    assert all((folder / f).is_file() for seed in made for f in seed.files)
    return made


def _lines() -> gpd.GeoDataFrame:
    shapes = [shapely.LineString([(LON + i * STEP, LAT), (LON + (i + 1) * STEP, LAT + 0.001)]) for i in range(6)]
    props = {
        "edge_id": [f"E{i}" for i in range(6)], "u": [f"N{i}" for i in range(6)], "v": [f"N{i + 1}" for i in range(6)],
        "source_class": ["主干道", "支路"] * 3, "name": ["人民路", "建设路"] * 3, "oneway": 0,
    }  # fmt: skip
    return gpd.GeoDataFrame(props, geometry=shapes, crs=4326)


def _roads(folder: Path) -> list[Seed]:
    lines = _lines()
    lines.to_file(folder / "roads.geojson", driver="GeoJSON")
    lines.to_file(folder / "roads.gpkg", driver="GPKG", layer="roads")
    lines.rename(columns={"source_class": "class"}).to_file(folder / "roads.shp", encoding="UTF-8")
    lines.to_parquet(folder / "roads.parquet")
    nodes = "".join(f'<node id="{i + 1}" lat="{LAT}" lon="{LON + i * STEP}" version="1"/>' for i in range(4))
    way = "".join(f'<nd ref="{i + 1}"/>' for i in range(4))
    osm = f'<?xml version="1.0"?><osm version="0.6">{nodes}<way id="9" version="1">{way}<tag k="highway" v="primary"/><tag k="name" v="人民路"/></way></osm>'
    (folder / "roads.osm").write_text(osm, encoding="utf-8")
    (folder / "roads.graphml").write_text(_graphml(), encoding="utf-8")
    shp = tuple(f"roads.{e}" for e in ("shp", "dbf", "shx", "prj", "cpg"))
    renamed = 'columns = { source_class = "class" }\n'
    return [
        Seed("roads.geojson", ("roads.geojson",), source("road_edges", "roads.geojson")),
        Seed("roads.gpkg", ("roads.gpkg",), source("road_edges", "roads.gpkg")),
        Seed("roads.shp", shp, source("road_edges", "roads.shp", renamed)),
        Seed("roads.parquet", ("roads.parquet",), source("road_edges", "roads.parquet")),
        Seed("roads.osm", ("roads.osm",), source("road_edges", "roads.osm")),
        Seed("roads.graphml", ("roads.graphml",), source("road_edges", "roads.graphml")),
    ]


def _graphml() -> str:
    keys = "".join(
        f'<key id="{k}" for="{of}" attr.name="{n}" attr.type="string"/>'
        for k, of, n in (
            ("d0", "node", "x"),
            ("d1", "node", "y"),
            ("d2", "edge", "highway"),
            ("d3", "edge", "name"),
            ("d4", "graph", "crs"),
        )
    )
    nodes = "".join(
        f'<node id="{i}"><data key="d0">{LON + i * STEP}</data><data key="d1">{LAT}</data></node>' for i in range(4)
    )
    edges = "".join(
        f'<edge source="{i}" target="{i + 1}" id="0"><data key="d2">primary</data><data key="d3">人民路</data></edge>'
        for i in range(3)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        f'{keys}<graph edgedefault="directed"><data key="d4">epsg:4326</data>{nodes}{edges}</graph></graphml>'
    )


def _polygons(folder: Path) -> list[Seed]:
    boxes = [shapely.box(LON + i * STEP, LAT - STEP, LON + (i + 1) * STEP, LAT + STEP) for i in range(4)]
    grids = gpd.GeoDataFrame(
        {"grid_id": list("ABCD"), "name": list("甲乙丙丁"), "level": "central", "town_id": "T1", "unit_id": "U1"},
        geometry=boxes,
        crs=4326,
    )
    grids.to_file(folder / "grids.geojson", driver="GeoJSON")
    grids.to_file(folder / "grids.gpkg", driver="GPKG")
    grids.to_crs(4550).to_file(folder / "grids.shp", encoding="GB18030")
    shp = tuple(f"grids.{e}" for e in ("shp", "dbf", "shx", "prj", "cpg"))
    areas = gpd.GeoDataFrame({"area_id": ["K1"], "name": ["市场"]}, geometry=[shapely.Point(LON, LAT)], crs=4326)
    areas.to_file(folder / "areas.geojson", driver="GeoJSON")
    return [
        Seed("grids.geojson", ("grids.geojson",), source("work_grids", "grids.geojson")),
        Seed("grids.gpkg", ("grids.gpkg",), source("community_grids", "grids.gpkg")),
        Seed("grids.shp", shp, source("work_grids", "grids.shp")),
        Seed("areas.geojson", ("areas.geojson",), source("areas", "areas.geojson", 'kind = "key_point"\n')),
    ]


def _positions(folder: Path) -> list[Seed]:
    t = pd.date_range("2026-03-18T08:30:00+08:00", periods=40, freq="15s")
    fixes = pd.DataFrame(
        {
            "device_id": ["D1", "D2"] * 20,
            "time": t.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "lon": LON + np.arange(40) * 1e-4,
            "lat": LAT,
        }
    )
    fixes.to_csv(folder / "fixes.csv", index=False)
    fixes.rename(columns={"device_id": "设备编号", "time": "定位时间", "lon": "经度", "lat": "纬度"}).to_csv(
        folder / "fixes_gbk.csv", index=False, encoding="gb18030"
    )
    fixes.to_parquet(folder / "fixes.parquet")
    fixes.to_excel(folder / "fixes.xlsx", index=False)
    points = "".join(
        f'<trkpt lat="{LAT}" lon="{x:.5f}"><time>{s}</time></trkpt>'
        for x, s in zip(fixes["lon"], t.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"), strict=True)
    )
    (folder / "D1.gpx").write_text(
        f'<?xml version="1.0"?><gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1"><trk><name>D1</name><trkseg>{points}</trkseg></trk></gpx>',
        encoding="utf-8",
    )
    mapped = 'columns = { device_id = "设备编号", time = "定位时间", lon = "经度", lat = "纬度" }\n'
    return [
        Seed("fixes.csv", ("fixes.csv",), source("positions", "fixes.csv")),
        Seed("fixes_gbk.csv", ("fixes_gbk.csv",), source("positions", "fixes_gbk.csv", mapped)),
        Seed("fixes.parquet", ("fixes.parquet",), source("positions", "fixes.parquet")),
        Seed("fixes.xlsx", ("fixes.xlsx",), source("positions", "fixes.xlsx")),
        Seed("D1.gpx", ("D1.gpx",), source("positions", "D1.gpx")),
    ]


ROWS: dict[str, list[dict[str, object]]] = {
    "units": [{"unit_id": "U1", "name": "一中队", "kind": "squad", "parent_id": None, "town_id": "T1"}],
    "persons": [
        {"person_id": "100231", "name": "张三", "role": "squad_member", "unit_id": "U1", "duty": "08:30-12:00,13:30-17:30"},
        {"person_id": "一中队/03", "name": "李四", "role": "grid_member", "unit_id": "U1", "duty": None},
    ],
    "devices": [{"device_id": "D1", "kind": "phone", "mode": "foot"}, {"device_id": "007", "kind": "phone", "mode": "ebike"}],
    "assignments": [{"device_id": "D1", "person_id": "100231", "valid_from": "2026-01-01", "valid_to": None}],
    "responsibilities": [{"person_id": "100231", "duty_kind": "section", "target_kind": "section", "target_text": "人民路（建设路至终点）"}],
    "exceptions": [
        {"exception_id": "E1", "kind": "closure", "target_kind": "road", "target_text": "人民路", "starts": "2026-03-18 08:00", "ends": "2026-03-18 下午",
         "reason": "施工", "approver": "王五", "entered_at": "2026-03-17 09:00"}
    ],
    "cases": [
        {"case_id": f"C{i}", "channel": "squad", "category": "市容秩序", "opened": f"2026-03-1{i} 09:00", "due": "2026-03-19", "closed": None,
         "status": "open", "lon": LON, "lat": LAT}
        for i in range(5)
    ],
    "checkins": [{"person_id": "一中队/03", "place_id": "K1", "time": "2026-03-18T09:00:00+08:00", "lon": LON, "lat": LAT}],
}  # fmt: skip


def _tables(folder: Path) -> list[Seed]:
    made = []
    for table, rows in ROWS.items():
        frame = pd.DataFrame(rows)
        frame.to_csv(folder / f"{table}.csv", index=False)
        book = openpyxl.Workbook()
        book.active.append(list(frame.columns))
        for row in frame.itertuples(index=False):
            book.active.append([None if v is None or v != v else v for v in row])  # noqa: PLR0124 (NaN)
        book.save(folder / f"{table}.xlsx")
        made += [Seed(f"{table}.{e}", (f"{table}.{e}",), source(table, f"{table}.{e}")) for e in ("csv", "xlsx")]
    (folder / "cases.json").write_text(json.dumps(ROWS["cases"], ensure_ascii=False), encoding="utf-8")
    return made


def _scenes(folder: Path) -> list[Seed]:
    profile = {
        "driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint16", "crs": "EPSG:4326", "nodata": 0,
        "transform": rasterio.transform.from_origin(LON, LAT + 0.01, 0.001, 0.001),
    }  # fmt: skip
    for band in ("red", "nir"):
        with rasterio.open(folder / f"{band}.tif", "w", **profile) as raster:
            raster.write(np.full((20, 20), 1200, np.uint16), 1)
    more = 'acquired = 2026-03-01\nsensor = "S2"\nbands = { red = "red.tif", nir = "nir.tif" }\n'
    return [Seed("scenes.tif", ("red.tif", "nir.tif"), source("scenes", "red.tif", more))]
