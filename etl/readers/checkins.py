"""Check-ins of grid members: who was at which place when, often the only evidence of a community patrol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely

from etl.readers import coordinates
from etl.readers.records import Finder, Records
from etl.readers.sheets import text_array

if TYPE_CHECKING:
    from etl.base import Context, Read
    from layers.city import Source

_WORDS = {
    "person_id": ("工号", "人员编码"),
    "person_name": ("姓名", "网格员", "人员", "打卡人"),
    "place_id": ("点位", "点位编码", "打卡点"),
    "place_name": ("点位名称", "地点"),
    "time": ("打卡时间", "签到时间"),
    "arrived": ("上传时间", "到达时间"),
    "lon": ("经度",),
    "lat": ("纬度",),
}


def read_checkins(source: Source, context: Context) -> Read:
    """Check-ins; persons and places by id, or by a name that only one has. Coordinates are optional; impossible ones are left out and told.

    Raises:
        InputError: the source cannot be read, or lacks person, place or time.
    """
    rows = Records(source, context, _WORDS)
    person_column = "person_id" if rows.has("person_id") else "person_name"
    place_column = "place_id" if rows.has("place_id") else "place_name"
    rows.require(person_column, place_column, "time")
    person = _found(rows, Finder(context.tables.get("persons"), "person_id"), person_column)
    places = Finder(context.tables.get("areas"), "area_id")
    written = rows.text(place_column)
    rows.doubt_empty(written, place_column)
    place = [places.find(w)[0] or w for w in written]
    when = rows.times("time", required=True, moment=True)
    arrived = rows.times("arrived", moment=True).fillna(when)
    where, crs = points(rows, source, label=("打卡", "check-ins"))
    rows.doubt_keys(person, place, [str(w) for w in when])
    read = rows.read(
        {"person_id": person, "place_id": place, "time": when, "arrived": arrived, "geometry": where}, crs=crs
    )
    return placed(read)


def _found(rows: Records, people: Finder, column: str) -> list[str | None]:
    cells = rows.text(column)
    rows.doubt_empty(cells, column)
    if not people:
        return cells
    found = [people.find(c) for c in cells]
    for code in ("person_unknown", "person_ambiguous"):
        rows.doubt(np.array([f[1] == code for f in found], dtype=np.bool_), code, column, cells)
    return [f[0] for f in found]


def points(rows: Records, source: Source, *, label: tuple[str, str]) -> tuple[Any, str | None]:
    """Points of rows that say where (WGS 84), None where they do not or cannot be believed; the latter are counted in the notes."""
    empty = np.full(len(rows), None, dtype=object)
    if rows.has("wkt"):
        x, y, missing, bad = coordinates.parse_wkt_points(text_array(_series(rows, "wkt")))
    else:
        pair = ("x", "y") if rows.has("x") and rows.has("y") else ("lon", "lat")
        if not (rows.has(pair[0]) and rows.has(pair[1])):
            return empty, None
        x, no_x, bad_x = coordinates.parse_numbers(text_array(_series(rows, pair[0])))
        y, no_y, bad_y = coordinates.parse_numbers(text_array(_series(rows, pair[1])))
        missing, bad = no_x | no_y, bad_x | bad_y
    rule = coordinates.place_rule(source)
    found = coordinates.locate(x, y, missing, bad, rule)
    good = found.fault == 0
    zh, en = label
    wrong = int(((found.fault != 0) & (found.fault != coordinates.PlaceFault.MISSING)).sum())
    lacking = int((found.fault == coordinates.PlaceFault.MISSING).sum())
    if wrong:
        rows.note(f"{wrong} 条{zh}坐标不可能，按无坐标处理", f"{wrong} {en} have impossible coordinates, taken as none")
    if lacking:
        rows.note(f"{lacking} 条{zh}没有坐标", f"{lacking} {en} have no coordinates")
    empty[good] = shapely.points(found.lon[good], found.lat[good])
    return empty, rule.crs


def _series(rows: Records, column: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    return pd.Series(rows.text(column), dtype="object")


def placed(read: Read) -> Read:
    """The same read with its points as a GeoDataFrame in EPSG:4326."""
    frame = gpd.GeoDataFrame(read.frame, geometry=gpd.GeoSeries(read.frame["geometry"], crs=4326), crs=4326)
    return type(read)(frame, read.quarantine, read.record)
