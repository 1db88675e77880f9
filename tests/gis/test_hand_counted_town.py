"""A town that anybody can count by hand: one working day, Wednesday 2026-03-18, every outcome derived here.

Roads (metres; work grid G1 central, but C in no grid):

    A  1,000 m, main road, two carriageways a1 and a2 on one measure     -> one full patrol an hour, 8 windows
    B    500 m, secondary road, one segment b1                           -> every 2 hours, 4 windows
    C    300 m, branch road, closed for works 08:00-18:00                -> once a day, 1 window
    D    400 m, branch road                                              -> once a day, 1 window
    F    200 m, footway without a rule

Duty hours 08:30-12:00 and 13:30-17:30. One-hour windows of A: 08:30, 09:30, 10:30, then 11:30-12:00, half an interval, which is a window of its own
with half the figure (0.45); 13:30, 14:30, 15:30, 16:30. Two-hour windows of B: 08:30-10:30, 10:30-12:00 (1.5 h, 0.675), 13:30, 15:30.

People: Zhang (p1, e-bike 25 km/h, phone d1) answers for A and D. Li (p2, on foot 10 km/h, phone d2) answers for B and C. Wang (p3, collector, on foot,
phone d3) answers for grid G1; his duty is 08:00-18:00.

A patrol of A needs 1,000 m / 25 km/h = 144 s; of B 500 m / 10 km/h = 180 s; of D 400 m / 25 km/h = 57.6 s.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hand_network import (
    ASSIGNMENTS,
    CRS,
    DEVICES,
    EXCEPTIONS,
    PERSONS,
    RESPONSIBILITIES,
    TO_WGS84,
    X0,
    Y0,
    Go,
    Sec,
    Seg,
    frame,
    make_network,
    make_passes,
    ms,
    utc,
)  # fmt: skip
from shapely.geometry import Polygon

from gis.answerable import entries_by_target
from gis.audit import DayInputs, audit_day, crew_of
from gis.density import density
from gis.matching import Matcher, MatchSettings
from gis.model import Fixes, Mode
from gis.standard import Calibration
from gis.tracks import prepare_fixes
from layers.standard_files import load_standard

if TYPE_CHECKING:
    from gis.standard import Standard

DAY = date(2026, 3, 18)
ZONE = ZoneInfo("Asia/Shanghai")


def at(clock: str) -> int:
    return ms(f"2026-03-18 {clock}")


SECTIONS = [
    Sec("A", "road-a", "main", "road.main", grid="G1"),
    Sec("B", "road-b", "secondary", "road.secondary", grid="G1"),
    Sec("C", "road-c", "branch", "road.branch"),
    Sec("D", "road-d", "branch", "road.branch", grid="G1"),
    Sec("F", "path", "no_rule", None),
]
SEGMENTS = [
    Seg("a1", "A", (0, 0), (1000, 0), (0, 1000)),
    Seg("a2", "A", (1000, 20), (0, 20), (1000, 0)),  # the other carriageway, drawn against the measure
    Seg("b1", "B", (1000, 0), (1000, 500), (0, 500)),
    Seg("c1", "C", (1000, 500), (1300, 500), (0, 300)),
    Seg("d1", "D", (0, 0), (0, 400), (0, 400)),
    Seg("f1", "F", (0, 400), (0, 600), (0, 200)),
]
PASSES = [
    # --- A, Zhang (d1)
    Go("d1", "a1", 0, 950, at("08:40"), at("08:50")),  # window 0: 950 m of 1,000 >= 900: covered
    Go("d1", "a1", 0, 500, at("09:40"), at("09:45")),  # window 1: 500 m on one carriageway ...
    Go("d1", "a2", 0, 400, at("09:50"), at("09:54")),  # ... and measure 1,000-600 on the other: 900 m, covered
    Go("d1", "a1", 0, 1000, at("10:40"), at("10:41:40")),  # window 2: 1,000 m in 100 s = 36 km/h: driving by, missed
    Go("d1", "a1", 0, 450, at("11:40"), at("11:45")),  # window 3: half the figure, 450 m: covered
    Go("d1", "a1", 0, 800, at("13:40"), at("13:50")),  # window 4: 800 m < 900: missed (partial)
    # window 5 (14:30-15:30): Zhang's phone is silent 14:35-15:25, 3,000 s >= 144 s: unknown
    Go("d3", "a1", 0, 1000, at("15:40"), at("15:55")),  # window 6: a collector is not entitled: missed (not passed)
    Go("d2", "a1", 0, 1000, at("16:40"), at("16:50")),  # window 7: Li is entitled, not responsible: covered / missed
    # --- B, Li (d2)
    Go("d2", "b1", 0, 500, at("08:45"), at("08:55")),  # window 0: covered
    Go("d2", "b1", 0, 300, at("11:55"), at("12:05")),  # window 1: clipped at 12:00, 150 m of 337.5: missed (partial)
    Go("d2", "b1", 500, 0, at("15:20"), at("15:40")),  # crosses 15:30: 250 m in window 2 and 250 m in window 3: both missed
    # --- grid G1, Wang (d3): patrollable 1,000 (A once) + 500 + 400 = 1,900 m, a round at 1,805 m
    *(
        go
        for h in (8, 10, 14, 16)
        for go in (
            Go("d3", "a2", 0, 1000, at(f"{h:02d}:05"), at(f"{h:02d}:20")),  # 1,000
            Go("d3", "b1", 0, 500, at(f"{h:02d}:20"), at(f"{h:02d}:30")),  # 1,500
            Go("d3", "d1", 60, 400, at(f"{h:02d}:35"), at(f"{h:02d}:40")),  # 1,840 >= 1,805: a round; metres 0-60 of D never
        )
    ),
]  # fmt: skip


def steady(device_ix: int, spans: list[tuple[str, str]], step_s: int = 30) -> tuple[np.ndarray, np.ndarray]:
    t = np.concatenate([np.arange(at(a), at(b) + 1, step_s * 1000) for a, b in spans])
    return np.full(len(t), device_ix, dtype=np.int32), t


def town_fixes() -> Fixes:
    """Phones heard every 30 s, going up and down street A at 1.5 m/s; d1 falls silent 14:35-15:25."""
    parts = [
        steady(0, [("08:30", "12:00"), ("13:30", "14:35"), ("15:25", "17:30")]),
        steady(1, [("08:30", "12:05"), ("13:30", "17:30")]),
        steady(2, [("08:00", "18:00")]),
    ]
    dev, t = (np.concatenate(x) for x in zip(*parts, strict=True))
    along = np.abs((t - t.min()) * 1.5 / 1000 % 2000 - 1000)
    return Fixes(
        dev,
        t,
        X0 + along,
        np.full(len(t), Y0),
        np.zeros(len(t), dtype=np.uint16),
        dev.copy(),
        ("d1", "d2", "d3"),
        np.array([1, 0, 0], dtype=np.int8),
    )


def town_inputs() -> DayInputs:
    none = [None] * 4
    corners = [(-100, -100), (1100, -100), (1100, 700), (-100, 700)]
    grid = Polygon([TO_WGS84.transform(X0 + x, Y0 + y) for x, y in corners])
    return DayInputs(
        DAY, ZONE,
        persons=frame(PERSONS, [
            ("p1", "张三", "squad_member", "squad-1", "T1", None, None, None),
            ("p2", "李四", "squad_member", "squad-1", "T1", None, None, None),
            ("p3", "王五", "collector", "centre", "T1", "08:00-18:00", None, None),
        ]),
        devices=frame(DEVICES, [("d1", "phone", "ebike"), ("d2", "phone", "foot"), ("d3", "phone", "foot")]),
        assignments=frame(ASSIGNMENTS, [(f"d{i}", f"p{i}", None, utc("2026-01-01"), None) for i in (1, 2, 3)]),
        responsibilities=frame(RESPONSIBILITIES, [
            ("r1", "p1", "responsible", "section", "A", *none, True, None, None, None),
            ("r2", "p2", "responsible", "section", "B", *none, True, None, None, None),
            ("r3", "p2", "responsible", "section", "C", *none, True, None, None, None),
            ("r4", "p1", "responsible", "section", "D", *none, True, None, None, None),
            ("r5", "p3", "responsible", "work_grid", "G1", *none, True, None, None, None),
        ]),
        exceptions=frame(EXCEPTIONS, [
            ("E1", "works", "section", "C", None, utc("2026-03-18 08:00"), utc("2026-03-18 18:00"), "管道施工", "赵六", utc("2026-03-17 10:00")),
        ]),
        work_grids=gpd.GeoDataFrame(
            {"grid_id": ["G1"], "name": ["一号网格"], "level": ["central"], "town_id": ["T1"], "unit_id": ["squad-1"]}, geometry=[grid], crs=4326
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def town() -> dict[str, pd.DataFrame]:
    network = make_network(SECTIONS, SEGMENTS)
    passes = make_passes(network, PASSES, {"d1": Mode.EBIKE, "d2": Mode.FOOT, "d3": Mode.FOOT})
    rules_alone = load_standard("xiangshan-2019").model_copy(update={"calibration": Calibration()})
    return audit_day(town_inputs(), network=network, fixes=town_fixes(), passes=passes, standard=rules_alone)


def outcomes(town: dict[str, pd.DataFrame], section: str, column: str = "outcome") -> list[str]:
    w = town["section_windows"]
    return w.loc[w["section_id"] == section, column].tolist()


def test_windows_of_the_divided_main_road(town: dict[str, pd.DataFrame]) -> None:
    assert outcomes(town, "A") == ["covered", "covered", "missed", "covered", "missed", "unknown", "missed", "covered"]
    assert outcomes(town, "A", "covered_mm") == [950_000, 900_000, 0, 450_000, 800_000, 0, 0, 1_000_000]
    assert outcomes(town, "A", "required_share") == pytest.approx([0.9, 0.9, 0.9, 0.45, 0.9, 0.9, 0.9, 0.9])


def test_by_the_responsible_person(town: dict[str, pd.DataFrame]) -> None:
    # The last window is Li's work, not Zhang's.
    assert outcomes(town, "A", "outcome_responsible") == [
        "covered", "covered", "missed", "covered", "missed", "unknown", "missed", "missed",
    ]  # fmt: skip


def test_causes_and_sentences(town: dict[str, pd.DataFrame]) -> None:
    causes = outcomes(town, "A", "cause")
    assert [causes[i] for i in (2, 4, 5, 6)] == ["too_fast", "partial", "silent", "not_passed"]
    sentences = outcomes(town, "A", "missing")
    assert sentences[4] == "已巡 800 米（占 80%），还缺 100 米（要求 90%）"
    assert "失联 50 分钟" in sentences[5]
    assert outcomes(town, "A", "silent_s")[5] == 3000


def test_secondary_road_is_clipped_at_window_edges(town: dict[str, pd.DataFrame]) -> None:
    assert outcomes(town, "B") == ["covered", "missed", "missed", "missed"]
    # 11:55-12:05 walks 300 m; half of it before noon. 15:20-15:40 walks 500 m; half of it before 15:30.
    assert outcomes(town, "B", "covered_mm") == [500_000, 150_000, 250_000, 250_000]
    assert outcomes(town, "B", "required_share") == pytest.approx([0.9, 0.675, 0.9, 0.9])


def test_closed_road_is_excused_and_the_other_branch_unknown(town: dict[str, pd.DataFrame]) -> None:
    assert outcomes(town, "C") == ["excused"]
    assert outcomes(town, "C", "exception_id") == ["E1"]
    # Nobody entitled came to D (Wang is a collector); Zhang's silence of 3,000 s holds a patrol of 57.6 s.
    assert outcomes(town, "D") == ["unknown"]
    assert not (town["section_windows"]["section_id"] == "F").any()


def test_rates_of_the_county(town: dict[str, pd.DataFrame]) -> None:
    roll = town["rollups"]
    row = roll[(roll["level"] == "county") & (roll["rule_id"] == "all") & (roll["charged"] == "entitled")].iloc[0]
    # A: 4 covered, 3 missed, 1 unknown; B: 1 covered, 3 missed; C: 1 excused; D: 1 unknown. 14 windows.
    assert row[["subjects", "windows", "covered", "missed", "unknown", "excused"]].tolist() == [4, 14, 5, 6, 2, 1]
    # km: covered 4 x 1 + 0.5; unknown 1 + 0.4; asked 8 x 1 + 4 x 0.5 + 0.4 = 10.4
    assert row["rate_low"] == pytest.approx(4.5 / 10.4)
    assert row["rate_high"] == pytest.approx(5.9 / 10.4)
    assert row["km_excused"] == pytest.approx(0.3)


def test_gap_view_of_the_main_road(town: dict[str, pd.DataFrame]) -> None:
    row = town["section_days"].set_index("section_id").loc["A"]
    # Completed full patrols (900 distinct metres since the last one, from zero in each period): 08:40-08:50 completes at metre 900
    # (cells of 20 m, the 45th centre at 890 m: 08:49:22). Morning: then 500 m (09:45) + 400 m (09:54): 900. Then 11:45: 450 m only.
    # Afternoon: 800 m (13:50); Li's 1,000 m from 16:40 adds what is missing when he passes metre 890, 16:48:54.
    assert row["completed_patrols"] == 3
    assert row["last_completed"] == utc("2026-03-18 16:48:54")
    # The longest time without one: 13:30:00 to 16:48:54.
    assert row["longest_gap_s"] == (3 * 60 + 18) * 60 + 54
    assert row["duty_s"] == 7.5 * 3600


def test_rounds_of_the_grid(town: dict[str, pd.DataFrame]) -> None:
    row = town["grid_days"].set_index("grid_id").loc["G1"]
    assert (row["patrollable_mm"], row["required_rounds"]) == (1_900_000, 6)
    # Four tours complete; the walk along A at 15:40 leaves an unfinished 1,000 m, to which the tour at 16:05 adds b1 and d1 and completes it;
    # so there are still four rounds. Heard all day, so two rounds short of six is missed.
    assert (row["completed_rounds"], row["outcome"], row["cause"]) == (4, "missed", "partial")
    assert (row["never_mm"], row["visited_mm"]) == (60_000, 1_840_000)
    gone = town["unvisited"]
    assert gone[["grid_id", "segment_id", "from_mm", "to_mm"]].to_numpy().tolist() == [["G1", "d1", 0, 60_000]]


def test_density_and_people(town: dict[str, pd.DataFrame]) -> None:
    d = town["density"].set_index(["level", "area_id"]).loc[("work_grid", "G1")]
    # 1,200 m x 800 m = 0.96 km², one per 0.5 km² -> 1.92 required, one allocated.
    assert d["area_km2"] == pytest.approx(0.96, rel=1e-3)
    assert d["required"] == pytest.approx(d["area_km2"] / 0.5)
    assert (d["allocated"], d["on_duty"], d["verdict"]) == (1, 1, "short")
    assert d["present"] == pytest.approx(1.0, abs=0.01)
    people = town["people"].set_index("person_id")
    assert people.loc["p1", "silent_s"] == 3000
    # Zhang: 950 + 500 + 400 + 450 + 800 m slow, 1,000 m too fast.
    assert people.loc["p1", "patrol_km"] == pytest.approx(3.1)
    assert people.loc["p1", "too_fast_km"] == pytest.approx(1.0)


def test_a_substitute_stands_in_without_being_allocated() -> None:
    # Wang (G1) is on leave all day; Zhao, named for G2, a grid as large beside it, stands in. The grids keep one named collector each: not 1.5 and 0.5.
    given = town_inputs()
    corners = [(1100, -100), (2300, -100), (2300, 700), (1100, 700)]
    second = Polygon([TO_WGS84.transform(X0 + x, Y0 + y) for x, y in corners])
    grids = {
        "grid_id": ["G1", "G2"],
        "name": ["一号网格", "二号网格"],
        "level": ["central"] * 2,
        "town_id": ["T1"] * 2,
        "unit_id": ["squad-1"] * 2,
    }
    none = [None] * 4
    inputs = replace(
        given,
        persons=pd.concat([given.persons, frame(PERSONS, [("p4", "赵六", "collector", "centre", "T1", "08:00-18:00", None, None)])]),
        responsibilities=pd.concat([given.responsibilities, frame(RESPONSIBILITIES, [
            ("r6", "p4", "responsible", "work_grid", "G2", *none, True, None, None, None)])]),
        exceptions=pd.concat([given.exceptions, frame(EXCEPTIONS, [
            ("E2", "leave", "person", "p3", "p4", utc("2026-03-18 00:00"), utc("2026-03-19 00:00"), "病假", "赵六", utc("2026-03-17 10:00"))])]),
        work_grids=gpd.GeoDataFrame(grids, geometry=[*given.work_grids.geometry, second], crs=4326),
    )  # fmt: skip
    standard = load_standard("xiangshan-2019")
    crew = crew_of(inputs, standard)
    found = density(crew, None, standard, work_grids=inputs.work_grids, areas=inputs.areas, crs=CRS)
    found = found.set_index(["level", "area_id"])
    assert found.loc["work_grid", "allocated"].to_dict() == {"G1": 1, "G2": 1}
    assert found.loc["work_grid", "on_duty"].to_dict() == {"G1": 0, "G2": 1}
    assert found.loc[("county", "county"), "allocated"] == 2
    # He does answer for G1 while Wang is away.
    assert [crew.persons[e[0]].person_id for e in entries_by_target(crew, "work_grid")["G1"]] == ["p3", "p4"]


def test_what_rests_on_a_day_of_an_unpublished_year_is_provisional(town: dict[str, pd.DataFrame]) -> None:
    assert not town["section_windows"]["provisional"].any()
    assert not town["grid_days"]["provisional"].any()
    network = make_network(SECTIONS, SEGMENTS)
    passes = make_passes(network, PASSES, {"d1": Mode.EBIKE, "d2": Mode.FOOT, "d3": Mode.FOOT})

    def audited(day: date, standard: Standard) -> dict[str, pd.DataFrame]:
        inputs = replace(town_inputs(), day=day)
        return audit_day(inputs, network=network, fixes=town_fixes(), passes=passes, standard=standard)

    standard = load_standard("xiangshan-2019")
    found = audited(date(2031, 3, 18), standard)  # a Tuesday
    assert len(found["section_windows"]) == 14
    assert found["section_windows"]["provisional"].all()
    assert not found["grid_days"]["provisional"].any()  # collectors patrol every day
    assert "calendar.beyond" in set(found["findings"]["code"])
    rounds = {k: r.model_copy(update={"calendar": "working"}) for k, r in standard.rounds_rules().items()}
    working = standard.model_copy(update={"rules": {**standard.rules, **rounds}})
    assert audited(date(2031, 3, 18), working)["grid_days"]["provisional"].all()
    named = standard.calendar.model_copy(update={"working": (date(2031, 3, 18),)})
    told = audited(date(2031, 3, 18), standard.model_copy(update={"calendar": named}))
    assert not told["section_windows"]["provisional"].any()
    assert "calendar.beyond" not in set(told["findings"]["code"])
    saturday = audited(date(2031, 3, 15), standard)
    assert not len(saturday["section_windows"])  # by its weekday nothing is asked ...
    assert {"calendar.beyond", "day.off"} <= set(saturday["findings"]["code"])  # ... and that is said


def test_footway_is_shown_without_an_outcome(town: dict[str, pd.DataFrame]) -> None:
    segment = town["segment_days"].set_index("segment_id")
    assert segment.loc["f1", "outcome"] == "no_rule"
    assert segment.loc["a1", "outcome"] == segment.loc["a2", "outcome"] == "partly"
    assert len(segment) == len(SEGMENTS)


def test_the_same_lengths_from_positions() -> None:
    # Every pass is walked again as exact positions every 10 s, phones silent between passes; matching finds the same lengths within 20 m (the ends
    # of a pass fall between two fixes).
    network = make_network(SECTIONS, SEGMENTS)
    segment = {s.id: s for s in SEGMENTS}
    rows = []
    for g in PASSES:
        s = segment[g.segment]
        length = float(np.hypot(s.b[0] - s.a[0], s.b[1] - s.a[1]))
        for t in range(g.enter_ms, g.leave_ms + 1, 10_000):
            part = (g.from_m + (g.to_m - g.from_m) * (t - g.enter_ms) / (g.leave_ms - g.enter_ms)) / length
            x, y = s.a[0] + (s.b[0] - s.a[0]) * part, s.a[1] + (s.b[1] - s.a[1]) * part
            rows.append((g.device, t, *TO_WGS84.transform(X0 + x, Y0 + y)))
    devices, t, lon, lat = (np.array(c) for c in zip(*sorted(set(rows)), strict=True))
    fixes = prepare_fixes(
        devices, t, lon, lat, crs=network.graph.crs, mode={"d1": Mode.EBIKE, "d2": Mode.FOOT, "d3": Mode.FOOT}
    )
    passes = Matcher(network.graph, settings=MatchSettings()).match(fixes)
    windows = audit_day(
        town_inputs(), network=network, fixes=fixes, passes=passes, standard=load_standard("xiangshan-2019")
    )["section_windows"]
    reached = {k: w["covered_mm"].to_numpy() / 1000 for k, w in windows.groupby("section_id")}
    assert np.abs(reached["A"] - [950, 900, 0, 450, 800, 0, 0, 1000]).max() < 20
    assert np.abs(reached["B"] - [500, 150, 250, 250]).max() < 20
    assert reached["D"].tolist() == [0]
