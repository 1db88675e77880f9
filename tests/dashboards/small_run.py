"""A run small enough to count by hand: two sections, one rule, one day; everything else empty."""

from __future__ import annotations

from datetime import date

import geopandas as gpd
import pandas as pd
from shapely.geometry import LineString, Polygon, box

from layers.contracts import TABLES
from layers.store.base import Run, SourceRecord

DAY = date(2026, 3, 18)
RUN = Run(
    "r" * 64, DAY, "hand", "xiangshan-2019", "1", {}, [{"name": "roads", "sha256": "0" * 64, "rows": 2}], "0+test"
)
REJECTED = pd.DataFrame({
    "row": [7], "column": ["name"], "code": ["name_empty"], "zh": ["姓名为空"], "en": ["the name is empty"], "raw": ['{"name": ""}'],
})  # fmt: skip
EMPTY_QUARANTINE = pd.DataFrame({c: pd.Series(dtype=object) for c in ("row", "column", "code", "zh", "en", "raw")})
_TYPES = {
    "str": "str",
    "json": "str",
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "time": "datetime64[ms, UTC]",
}


def t(text: str) -> pd.Timestamp:
    return pd.Timestamp(f"2026-03-18T{text}+08:00").tz_convert("UTC").as_unit("ms")


def frame(table: str, rows: list[dict]) -> pd.DataFrame:
    """Rows completed to the contract, with its dtypes."""
    spec = TABLES[table]
    data = {}
    for c in spec.columns:
        values = [r.get(c.name) for r in rows]
        whole = {"dtype": "Int64"} if c.dtype == "int" and c.null else {}
        data[c.name] = (
            pd.Series(values, **({"dtype": _TYPES.get(c.dtype, "object")} | whole))
            if c.dtype in _TYPES
            else pd.Series(values, dtype=object)
        )
    out = pd.DataFrame(data)
    return gpd.GeoDataFrame(out, geometry=spec.geometry, crs=4326) if spec.geometry else out


def counts(windows, covered, missed, unknown, excused, km) -> dict:
    low = covered / (windows - excused)
    return {
        "windows": windows, "covered": covered, "missed": missed, "unknown": unknown, "excused": excused, "km_windows": windows * km,
        "km_covered": covered * km, "km_missed": missed * km, "km_unknown": unknown * km, "km_excused": excused * km,
        "rate_low": low, "rate_high": (covered + unknown) / (windows - excused),
    }  # fmt: skip


LINES = [LineString([(121.87, 29.47), (121.88, 29.47)]), LineString([(121.88, 29.47), (121.88, 29.48)])]


def tables() -> dict[str, pd.DataFrame]:
    """Inputs, derived tables and results."""
    sections = [
        {"section_id": f"S{i}", "name": n, "road_id": f"R{i}", "road_name": r, "policy_class": "main", "rule_id": "road.main", "length_mm": 1_000_000,
         "declared": True, "unit_id": "U1", "town_id": "T1", "work_grid_id": "G1", "geometry": LINES[i]}
        for i, (n, r) in enumerate([("=象山港路(甲至乙)", "象山港路"), ("丹河路", "丹河路")])
    ]  # fmt: skip
    segments = [
        {**{k: s[k] for k in ("section_id", "road_id", "road_name", "policy_class", "rule_id", "length_mm", "work_grid_id", "town_id", "geometry")},
         "segment_id": f"E{i}", "patrollable": True, "measure_from_mm": 0, "measure_to_mm": 1_000_000, "u": "1", "v": "2", "oneway": 0,
         "bridge": False, "tunnel": False, "level": 0}
        for i, s in enumerate(sections)
    ]  # fmt: skip
    windows = [
        {"section_id": s, "rule_id": "road.main", "window_ix": i, "starts": t(f"{h:02}:30:00"), "ends": t(f"{h + 1:02}:30:00"),
         "required_share": 0.9, "length_mm": 1_000_000, "covered_mm": mm, "covered_share": mm / 1e6, "outcome": o, "outcome_responsible": o,
         "covered_mm_responsible": mm, "passes": 1, "person_ids": "P1", "missing": why, "silent_s": 0.0, "needed_s": 900.0}
        for s, i, h, mm, o, why in [
            ("S0", 0, 8, 950_000, "covered", ""), ("S0", 1, 9, 400_000, "missed", "差 500 m"),
            ("S1", 0, 8, 0, "unknown", "失联"), ("S1", 1, 9, 0, "excused", "封路"),
        ]
    ]  # fmt: skip
    rule = {
        "level": "rule",
        "key": "road.main",
        "name": "主干道",
        "rule_id": "road.main",
        "subjects": 2,
        **counts(4, 1, 1, 1, 1, 1.0),
    }
    return {
        "units": frame("units", [{"unit_id": "U1", "name": "一中队", "kind": "squad"}]),
        "persons": frame("persons", [{"person_id": "P1", "name": "张三", "role": "squad_member", "unit_id": "U1", "town_id": "T1"}]),
        "areas": frame("areas", [{"area_id": "T1", "kind": "town", "name": "丹西街道", "geometry": box(121.8, 29.4, 121.9, 29.5)}]),
        "work_grids": frame("work_grids", [{"grid_id": "G1", "name": "一号", "level": "central", "town_id": "T1", "unit_id": "U1",
                                            "geometry": Polygon(box(121.86, 29.46, 121.89, 29.49).exterior)}]),
        "sections": frame("sections", sections),
        "segments": frame("segments", segments),
        "section_windows": frame("section_windows", windows),
        "section_days": frame("section_days", [
            {"section_id": "S0", "rule_id": "road.main", **counts(2, 1, 1, 0, 0, 1.0), "covered_responsible": 1, "completed_patrols": 1,
             "longest_gap_s": 5400.0, "within_share": 0.5, "last_completed": t("09:10:00"), "duty_s": 7200.0},
            {"section_id": "S1", "rule_id": "road.main", **counts(2, 0, 0, 1, 1, 1.0), "covered_responsible": 0, "completed_patrols": 0,
             "longest_gap_s": 7200.0, "within_share": 0.0, "duty_s": 7200.0},
        ]),
        "segment_days": frame("segment_days", [
            {"segment_id": "E0", "section_id": "S0", "rule_id": "road.main", "passes": 3, "visited_mm": 950_000, "first_pass": t("08:40:00"),
             "last_pass": t("09:10:00"), "longest_gap_s": 4800.0, "within_share": 0.6, "outcome": "partly"},
            {"segment_id": "E1", "section_id": "S1", "rule_id": "road.main", "passes": 0, "visited_mm": 0, "longest_gap_s": 7200.0,
             "within_share": 0.0, "outcome": "unknown"},
        ]),
        "rollups": frame("rollups", [{**rule, "charged": "entitled"}, {**rule, "charged": "responsible"}]),
        "grid_days": frame("grid_days", [{"grid_id": "G1", "rule_id": "grid.rounds.central", "level": "central", "required_rounds": 6,
                                          "completed_rounds": 2, "patrollable_mm": 2_000_000, "visited_mm": 950_000, "never_mm": 1_050_000,
                                          "open_share": 0.475, "silent_s": 0.0, "outcome": "missed"}]),
        "findings": frame("findings", [{"code": "grid", "subject": "G1", "count": 1, "zh": "说明", "en": "a note"}]),
    }  # fmt: skip


def two_towns(names: tuple[str, str]) -> dict[str, pd.DataFrame]:
    """The same tables, with a section each in two towns of these names."""
    made = tables()
    for table in ("sections", "segments"):
        made[table].loc[1, "town_id"] = "T2"
    second = made["areas"].assign(area_id="T2")
    made["areas"] = pd.concat([made["areas"], second], ignore_index=True)
    made["areas"]["name"] = [*names]
    return made


def fill(store, given: dict[str, pd.DataFrame] | None = None) -> Run:
    """Publish the run into a prepared store."""
    editions = {}
    made = given or tables()
    for name, part in made.items():
        kind = TABLES[name].kind
        if kind == "input":
            record = SourceRecord(name, name, f"{name}.csv", name.ljust(64, "0"), len(part) + (name == "persons"))
            rejected = REJECTED if name == "persons" else EMPTY_QUARANTINE
            editions[name] = store.load(part, record, rejected, valid_from=date(2026, 1, 1)).edition_id
        elif kind == "derived":
            editions[name] = store.put_derived(
                name, part, edition_id=f"{name}-edition", valid_from=date(2026, 1, 1)
            ).edition_id
    run = Run(RUN.run_id, DAY, RUN.city, RUN.standard_id, RUN.standard_version, editions, RUN.inputs, RUN.code_version)
    store.publish(run, {n: p for n, p in made.items() if TABLES[n].kind == "result"}, [])
    return run
