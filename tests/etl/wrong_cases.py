"""Ten wrong inputs, each in a small city of its own, and what a user is told; also the text of docs/wrong-inputs.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from etl.base import Context
from etl.load import chosen_sources, try_sources
from gis.datum import from_wgs84
from layers.city import load_city_file

if TYPE_CHECKING:
    from pathlib import Path

    from gis.errors import Fault

LON, LAT = 121.87, 29.47  # Xiangshan
STEP = 0.003  # degrees between streets, about 300 m: no multiple of it is the shift of GCJ-02

HEAD = """[city]
id = "xiangshan"
name = "象山县"

[standard]
name = "xiangshan-2019"

[roads.classes]
"主干道" = "main"
"支路" = "branch"
"""

ROADS = """
[[source]]
name = "道路"
table = "road_edges"
path = "roads.geojson"
"""

GRIDS = """
[[source]]
name = "工作网格"
table = "work_grids"
path = "grids.{ending}"
"""

FIXES = """
[[source]]
name = "轨迹"
table = "positions"
path = "fixes.csv"
"""


def streets() -> gpd.GeoDataFrame:
    """Five streets each way, about 300 m apart."""
    at = np.arange(5) * STEP
    lines = [shapely.LineString([(LON, LAT + d), (LON + at[-1], LAT + d)]) for d in at]
    lines += [shapely.LineString([(LON + d, LAT), (LON + d, LAT + at[-1])]) for d in at]
    names = [f"{i}路" for i in range(1, 11)]
    return gpd.GeoDataFrame(
        {"edge_id": range(1, 11), "source_class": ["主干道"] * 5 + ["支路"] * 5, "name": names},
        geometry=lines,
        crs=4326,
    )


def grids() -> gpd.GeoDataFrame:
    """Four work grids of about 1 km²."""
    boxes = [
        shapely.box(LON + i * 0.01, LAT + j * 0.01, LON + i * 0.01 + 0.01, LAT + j * 0.01 + 0.01)
        for i in range(2)
        for j in range(2)
    ]
    return gpd.GeoDataFrame(
        {"grid_id": ["A1", "A2", "B1", "B2"], "name": ["东谷", "西谷", "建设", "丹河"]}, geometry=boxes, crs=4326
    )


def fixes(n: int = 200) -> pd.DataFrame:
    """A walk along the first street to the north, then along the second, every 10 s; times name their zone."""
    half = n // 2
    along = np.linspace(0.0, 4 * STEP, half)
    lon = np.r_[np.full(half, LON), np.full(half, LON + STEP)]
    lat = np.r_[LAT + along, LAT + along]
    time = pd.date_range("2026-03-18 09:00", periods=2 * half, freq="10s", tz="Asia/Shanghai")
    return pd.DataFrame(
        {"device_id": "d1", "time": [t.isoformat() for t in time], "lon": lon.round(6), "lat": lat.round(6)}
    )


def write_city(folder: Path, *parts: str) -> None:
    (folder / "city.toml").write_text(HEAD + "".join(parts), encoding="utf-8")


def wrong_crs(folder: Path) -> None:
    streets().to_file(folder / "roads.geojson")
    plane = grids().to_crs(4550)
    plane.set_crs(4326, allow_override=True).to_file(folder / "grids.geojson")
    write_city(folder, ROADS, GRIDS.format(ending="geojson"))


def gcj02_undeclared(folder: Path) -> None:
    streets().to_file(folder / "roads.geojson")
    table = fixes()
    table["lon"], table["lat"] = (a.round(6) for a in from_wgs84(table["lon"], table["lat"], datum="gcj02"))
    table.to_csv(folder / "fixes.csv", index=False)
    write_city(folder, ROADS, FIXES)


def gbk_as_utf8(folder: Path) -> None:
    pyogrio.write_dataframe(grids(), folder / "grids.shp", encoding="GBK")
    write_city(folder, GRIDS.format(ending="shp"), 'encoding = "UTF-8"\n')


def missing_column(folder: Path) -> None:
    grids().rename(columns={"grid_id": "网格编号"}).to_file(folder / "grids.geojson")
    write_city(folder, GRIDS.format(ending="geojson"), 'columns = { grid_id = "网格编码" }\n')


def naive_time(folder: Path) -> None:
    table = fixes()
    table["time"] = table["time"].str.slice(0, 19).str.replace("T", " ")
    table.to_csv(folder / "fixes.csv", index=False)
    write_city(folder, FIXES)


def swapped(folder: Path) -> None:
    fixes().rename(columns={"lon": "lat", "lat": "lon"}).to_csv(folder / "fixes.csv", index=False)
    turned = grids()
    turned["geometry"] = shapely.transform(turned.geometry.to_numpy(), lambda xy: xy[:, ::-1])
    turned.to_file(folder / "grids.geojson")
    write_city(folder, GRIDS.format(ending="geojson"), FIXES)


def empty(folder: Path) -> None:
    (folder / "grids.geojson").write_bytes(b"")
    (folder / "fixes.csv").write_text("device_id,time,lon,lat\n", encoding="utf-8")
    write_city(folder, GRIDS.format(ending="geojson"), FIXES)


def truncated(folder: Path) -> None:
    grids().to_file(folder / "grids.shp", encoding="UTF-8")
    whole = (folder / "grids.shp").read_bytes()
    (folder / "grids.shp").write_bytes(whole[:400])
    write_city(folder, GRIDS.format(ending="shp"))


def unknown_class(folder: Path) -> None:
    table = streets()
    table.loc[7:, "source_class"] = "快速路"
    table.to_file(folder / "roads.geojson")
    write_city(folder, ROADS)


def duplicated_code(folder: Path) -> None:
    table = grids()
    table.loc[3, "grid_id"] = "A1"
    table.to_file(folder / "grids.geojson")
    write_city(folder, GRIDS.format(ending="geojson"))


CASES = {
    "wrong_crs": ("坐标系声明错误", "Wrong CRS", wrong_crs),
    "gcj02": ("GCJ-02 未声明（警告，照原样入库）", "GCJ-02 undeclared (a warning; loaded as it is)", gcj02_undeclared),
    "encoding": ("GBK 当作 UTF-8", "GBK read as UTF-8", gbk_as_utf8),
    "column": ("缺列", "Missing column", missing_column),
    "naive_time": ("时间没有时区", "Times without a zone", naive_time),
    "swapped": ("经纬度颠倒", "Longitude and latitude swapped", swapped),
    "empty": ("空文件", "Empty file", empty),
    "truncated": ("文件不完整", "Truncated file", truncated),
    "road_class": ("未知道路等级", "Unknown road class", unknown_class),
    "duplicate": (
        "网格编号重复（该行隔离，其余入库）",
        "Duplicated grid code (the row is set aside, the others are loaded)",
        duplicated_code,
    ),
}


@dataclass(frozen=True)
class Told:
    """What a user is told of a city: faults, warnings, rows set aside."""

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    aside: tuple[dict[str, object], ...]

    def lines(self, lang: str) -> list[str]:
        out = [f"[{f.code}] {f.render(lang)}" for f in (*self.faults, *self.warnings)]
        return out + [f"[{r['code']}] {r['file']} {_row(r, lang)}{r[lang]}" for r in self.aside]


def _row(row: dict[str, object], lang: str) -> str:
    return f"第 {row['row']} 行 列 {row['column']}：" if lang == "zh" else f"row {row['row']} column {row['column']}: "


def tell(folder: Path) -> Told:
    """Read the city of a folder without storing anything."""
    city = load_city_file(folder / "city.toml")
    context = Context(city)
    reads, spools, faults = try_sources(chosen_sources(city, None), context, folder)
    aside = [{"file": r.record.path, **row} for _, r in (*reads, *spools) for row in r.quarantine.to_dict("records")]
    return Told(tuple(faults), tuple(context.warnings), tuple(aside))


def markdown(folder: Path) -> str:
    """docs/wrong-inputs.md."""
    out = [
        "# 十种错误输入与用户看到的话 | Ten wrong inputs and what the user is told",
        "",
        "每条说明：文件、行、列、哪里错、怎么办。除注明外，出错的城市一行也不入库，全部来源的错误一次列出。",
        "",
        "Each message says the file, the row, the column, what is wrong and what to do. Unless noted, nothing of such a city is stored, and the",
        "faults of all its sources are listed at once. This page is made by `tests/etl/test_wrong_inputs.py` from small files; a test keeps it true.",
        "",
    ]  # fmt: skip
    for number, (name, (zh, en, build)) in enumerate(CASES.items(), start=1):
        place = folder / name
        place.mkdir()
        build(place)
        told = tell(place)
        out += [f"## {number}. {zh} | {en}", "", "```text", *told.lines("zh"), *told.lines("en"), "```", ""]
    return "\n".join(out).rstrip() + "\n"
