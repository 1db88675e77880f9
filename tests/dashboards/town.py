"""A tiny county in an embedded store for the tests of the dashboards: two towns, two squads, a few streets, one audited day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
from shapely import LineString, Point, Polygon, box

from layers.contracts import TABLES
from layers.store.base import Run, SourceRecord

if TYPE_CHECKING:
    from layers.store.base import Store

DAY = date(2026, 3, 18)  # a Wednesday, a working day
START = datetime(2026, 3, 17, 16, tzinfo=UTC)  # local midnight of DAY
LON, LAT, STEP = 121.86, 29.47, 0.01
CITY = SimpleNamespace(
    name="象山县(试验)", name_en="Test county", standard=SimpleNamespace(name="xiangshan-2019", path=None)
)


def ms(hours: float) -> int:
    """UTC milliseconds of an hour of the local day."""
    return int((START + timedelta(hours=hours)).timestamp() * 1000)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def frame(table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a frame of the table's contract, missing columns null."""
    contract = TABLES[table]
    data = pd.DataFrame(
        [{c.name: r.get(c.name) for c in contract.columns} for r in rows], columns=[c.name for c in contract.columns]
    )
    for c in contract.columns:
        if c.dtype == "time":
            data[c.name] = pd.to_datetime(data[c.name], utc=True).astype("datetime64[ms, UTC]")
    if contract.geometry:
        return gpd.GeoDataFrame(data, geometry=contract.geometry, crs="EPSG:4326")
    return data


def street(k: int) -> LineString:
    """Street k: three points from west to east; streets 0-2 lie in town A, 3-5 in town B further north."""
    y = LAT + k * STEP / 2
    return LineString([(LON, y), (LON + STEP, y + 0.001), (LON + 2 * STEP, y)])


def grid(k: int) -> Polygon:
    y = LAT - 0.002 + k * 3 * STEP / 2
    return box(LON - 0.002, y, LON + 2 * STEP + 0.002, y + 3 * STEP / 2 - 0.001)


TOWNS = ("A", "B")
NAMES = ("丹河路", "靖南大街", "新华路", "象山港路", "天安路", "建设路")
CLASSES = ("main", "main", "secondary", "secondary", "branch", "branch")
OUTCOMES = ("covered", "missed", "unknown", "covered", "excused", "covered")


def _segments() -> pd.DataFrame:
    rows = [
        {
            "segment_id": f"s{k}", "section_id": f"c{k}", "road_id": f"r{k}", "road_name": NAMES[k], "policy_class": CLASSES[k],
            "rule_id": f"road.{CLASSES[k]}", "patrollable": True, "length_mm": 1_950_000, "measure_from_mm": 0, "measure_to_mm": 1_950_000,
            "u": f"n{k}", "v": f"m{k}", "oneway": 0, "bridge": False, "tunnel": False, "level": 0, "work_grid_id": f"g{k // 3}",
            "town_id": TOWNS[k // 3], "geometry": street(k),
        }
        for k in range(6)
    ]  # fmt: skip
    return frame("segments", rows)


def _sections() -> pd.DataFrame:
    rows = [
        {
            "section_id": f"c{k}", "name": f"{NAMES[k]}全段", "road_id": f"r{k}", "road_name": NAMES[k], "policy_class": CLASSES[k],
            "rule_id": f"road.{CLASSES[k]}", "length_mm": 1_950_000, "declared": True, "unit_id": f"squad{TOWNS[k // 3]}",
            "work_grid_id": f"g{k // 3}", "town_id": TOWNS[k // 3], "zone": "central", "geometry": street(k),
        }
        for k in range(6)
    ]  # fmt: skip
    return frame("sections", rows)


def inputs() -> dict[str, pd.DataFrame]:
    """Input tables."""
    towns = [{"area_id": t, "kind": "town", "name": f"{t}镇", "geometry": grid(k)} for k, t in enumerate(TOWNS)]
    county = [{"area_id": "county", "kind": "boundary", "name": "全县", "geometry": box(121.8, 29.4, 122.0, 29.6)}]
    return {
        "work_grids": frame("work_grids", [
            {"grid_id": f"g{k}", "name": f"网格{t}", "level": "central", "town_id": t, "unit_id": f"squad{t}", "geometry": grid(k)}
            for k, t in enumerate(TOWNS)
        ]),
        "community_grids": frame("community_grids", [
            {"grid_id": f"cg{t}", "name": f"社区{t}", "town_id": t, "geometry": grid(k)} for k, t in enumerate(TOWNS)
        ]),
        "areas": frame("areas", towns + county),
        "units": frame("units", [
            *({"unit_id": t, "name": f"{t}镇", "kind": "town", "town_id": t} for t in TOWNS),
            *({"unit_id": f"squad{t}", "name": f"{t}中队", "kind": "squad", "parent_id": t, "town_id": t} for t in TOWNS),
        ]),
        "persons": frame("persons", [
            {"person_id": f"p{t}", "name": f"队员{t}", "role": "squad_member", "unit_id": f"squad{t}", "town_id": t} for t in TOWNS
        ]),
        "devices": frame("devices", [{"device_id": f"d{t}", "kind": "phone", "mode": "foot"} for t in TOWNS]),
        "assignments": frame("assignments", [
            {"device_id": f"d{t}", "person_id": f"p{t}", "valid_from": at(-240)} for t in TOWNS
        ]),
        "cases": frame("cases", [
            {"case_id": f"case{t}", "channel": "platform", "category": "市容秩序", "title": f"占道经营{t}", "unit_id": f"squad{t}", "opened": at(9),
             "status": "open", "located": True, "geometry": Point(LON + STEP, LAT + 0.005 + k * 3 * STEP / 2)} for k, t in enumerate(TOWNS)
        ]),
    }  # fmt: skip


COUNTS = {
    "windows": 4, "covered": 2, "missed": 1, "unknown": 1, "excused": 0, "km_windows": 7.8, "km_covered": 3.9, "km_missed": 1.95,
    "km_unknown": 1.95, "km_excused": 0.0, "rate_low": 0.5, "rate_high": 0.75,
}  # fmt: skip


def results() -> dict[str, pd.DataFrame]:
    """Result tables of DAY."""
    return {
        "segment_days": frame("segment_days", [
            {"segment_id": f"s{k}", "section_id": f"c{k}", "rule_id": f"road.{CLASSES[k]}", "passes": 1, "visited_mm": 1000,
             "outcome": OUTCOMES[k]} for k in range(6)
        ]),
        "section_windows": frame("section_windows", [
            {"section_id": f"c{k}", "rule_id": f"road.{CLASSES[k]}", "window_ix": 0, "starts": at(8.5), "ends": at(9.5), "required_share": 0.9,
             "length_mm": 1_950_000, "covered_mm": 1_950_000 if OUTCOMES[k] == "covered" else 0, "covered_mm_responsible": 0,
             "covered_share": float(OUTCOMES[k] == "covered"), "outcome": OUTCOMES[k], "outcome_responsible": OUTCOMES[k], "passes": 1,
             "person_ids": f"p{TOWNS[k // 3]}", "silent_s": 0.0, "needed_s": 900.0, "probability": 0.9} for k in range(6)
        ]),
        "grid_days": frame("grid_days", [
            {"grid_id": f"g{k}", "rule_id": "grid.rounds.central", "level": "central", "required_rounds": 6, "completed_rounds": k,
             "patrollable_mm": 5_850_000, "visited_mm": 0, "never_mm": 0, "open_share": 0.5, "silent_s": 0.0, "outcome": "missed"}
            for k in range(2)
        ]),
        "community_windows": frame("community_windows", [
            {"grid_id": f"cg{t}", "rule_id": "community.small", "starts": at(0), "ends": at(12), "finished": True, "due": 1, "done": 0,
             "missing": "网格", "outcome": "missed"} for t in TOWNS
        ]),
        "rollups": frame("rollups", [
            {"level": level, "key": key, "name": key, "rule_id": "all", "charged": "entitled", "subjects": 3, **COUNTS}
            for level, key in (("county", "county"), ("town", "A"), ("town", "B"), ("squad", "squadA"), ("squad", "squadB"),
                               ("road", "r0"), ("road", "r3"), ("person", "pA"), ("person", "pB"), ("class", "main"))
        ]),
        "people": frame("people", [
            {"person_id": f"p{t}", "name": f"队员{t}", "role": "squad_member", "unit_id": f"squad{t}", "town_id": t, "duty_s": 27000.0,
             "observed_s": 20000.0, "silent_s": 100.0, "patrol_km": 5.0, "too_fast_km": 0.0, "off_duty_fixes": 2, "shared_device": False}
            for t in TOWNS
        ]),
    }  # fmt: skip


def passes() -> pa.Table:
    """One pass of each device."""
    return pa.table({
        "segment_ix": pa.array([0, 3], pa.int32()), "from_mm": pa.array([0, 0], pa.int32()), "to_mm": pa.array([1_950_000, 1_950_000], pa.int32()),
        "enter_ms": pa.array([ms(9), ms(10)], pa.int64()), "leave_ms": pa.array([ms(9.4), ms(10.4)], pa.int64()),
        "device_id": pa.array(["dA", "dB"]), "track_ix": pa.array([0, 1], pa.int32()),
        "first_fix_ms": pa.array([ms(9), ms(10)], pa.int64()), "last_fix_ms": pa.array([ms(9.4), ms(10.4)], pa.int64()),
        "seen": pa.array([True, True]), "confidence": pa.array([0.9, 0.9], pa.float32()),
    })  # fmt: skip


def positions() -> pa.Table:
    """Of each device one fix on duty (09:00) and one off duty (20:00)."""
    rows = [(f"d{t}", ms(h), LON, LAT + k * 0.015) for k, t in enumerate(TOWNS) for h in (9.0, 20.0)]
    times = pa.array([r[1] for r in rows], pa.int64())
    return pa.table({
        "device_id": pa.array([r[0] for r in rows]), "t_ms": times, "arrived_ms": times,
        "lon": pa.array([r[2] for r in rows]), "lat": pa.array([r[3] for r in rows]),
    })  # fmt: skip


NO_FAULTS = ("row", "column", "code", "zh", "en", "raw")


def heard_at(store: Store, moment_ms: int) -> None:
    """One fix of each device at a moment, where it was at 09:00 of DAY."""
    fixes = positions().take([0, 2])
    times = pa.array([moment_ms] * 2, pa.int64())
    fixes = fixes.set_column(1, "t_ms", times).set_column(2, "arrived_ms", times)
    record = SourceRecord("gps", "positions", f"gps{moment_ms}.csv", f"{moment_ms:064}", 2)
    store.positions.load([fixes], record, pd.DataFrame(columns=list(NO_FAULTS)))


def add_to(store: Store, table: str, rows: pd.DataFrame) -> None:
    """More rows of an input table, in force from DAY on."""
    whole = pd.concat([f for f in (inputs().get(table), rows) if f is not None], ignore_index=True)
    record = SourceRecord(table, table, f"{table}-more.csv", "4" * 64, len(whole))
    store.load(whole, record, pd.DataFrame(columns=list(NO_FAULTS)), valid_from=DAY)


def fill(store: Store) -> Run:
    """Load everything and publish the day's run."""
    none = pd.DataFrame(columns=["row", "column", "code", "zh", "en", "raw"])
    for table, rows in inputs().items():
        record = SourceRecord(source=table, table=table, path=f"{table}.csv", sha256="0" * 64, rows_in=len(rows))
        store.load(rows, record, none, valid_from=date(2026, 1, 1))
    store.put_derived("segments", _segments(), edition_id="seg1", valid_from=date(2026, 1, 1))
    store.put_derived("sections", _sections(), edition_id="sec1", valid_from=date(2026, 1, 1))
    fixes = positions()
    store.positions.load([fixes], SourceRecord("gps", "positions", "gps.csv", "1" * 64, fixes.num_rows), none)
    editions = {e.table: e.edition_id for e in store.editions()}
    run = Run(
        run_id="run1", day=DAY, city="test", standard_id="xiangshan-2019", standard_version="1", editions=editions, inputs=[], code_version="t"
    )  # fmt: skip
    store.publish(run, results(), [passes()])
    return run
