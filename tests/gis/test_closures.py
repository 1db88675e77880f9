"""Exceptions close metres: half a street closed leaves the other half to be patrolled. Counted by hand.

A is a main road of 1,000 m with two carriageways (a1 drawn with the measure, a2 against it, 20 m beside), B a branch of 400 m. Wednesday
2026-03-18: A has eight windows, the first 08:30-09:30; B one. Zhang (p1, d1, e-bike) answers for both and is heard all day.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hand_network import (
    ASSIGNMENTS,
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
)
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Polygon

from gis.closures import _shares_inside, closures_of
from gis.crew import build_crew, with_fixes
from gis.frequency import road_frequency
from gis.live import DUE, FREE, NOT_ASKED, OVERDUE, Judged, full_patrols, moment, reached_windows
from gis.model import Fixes, Mode
from gis.road_days import outcome_codes
from gis.rollups import road_rollups
from gis.rounds import grid_rounds
from gis.standard import Calibration
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
NETWORK = make_network(
    [Sec("A", "road-a", "main", "road.main", grid="G"), Sec("B", "road-b", "branch", "road.branch", grid="G")],
    [
        Seg("a1", "A", (0, 0), (1000, 0), (0, 1000)),
        Seg("a2", "A", (1000, 20), (0, 20), (1000, 0)),
        Seg("b1", "B", (0, 100), (0, 500), (0, 400)),
    ],
)


@cache
def standard():
    return load_standard("xiangshan-2019").model_copy(update={"calibration": Calibration()})


def at(clock: str) -> int:
    return ms(f"2026-03-18 {clock}")


def shape(*points: tuple[float, float]) -> Polygon:
    return Polygon([TO_WGS84.transform(X0 + x, Y0 + y) for x, y in points])


def block(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    # many corners: straight in the metric plane is not quite straight in degrees
    xs = np.linspace(x0, x1, 20)
    return shape(*((x, y0) for x in xs), *((x, y1) for x in xs[::-1]))


def areas(**shapes: Polygon) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"area_id": list(shapes), "kind": "scope", "name": [f"片区{n}" for n in shapes], "parent_id": None},
        geometry=list(shapes.values()), crs=4326,
    )  # fmt: skip


def closed(
    kind, target, starts="08:00", ends="18:00", *, stretch=(None, None), number=1, approver="赵六", reason="管道"
):
    return (
        f"E{number}", "closure", kind, target, None, utc(f"2026-03-18 {starts}"), utc(f"2026-03-18 {ends}"), reason, approver,
        utc("2026-03-17 10:00"), *stretch,
    )  # fmt: skip


def table(*rows) -> pd.DataFrame:
    return frame(EXCEPTIONS + " from_mm to_mm", list(rows)).astype({"from_mm": float, "to_mm": float})


def half(**more):
    """The first 500 m of A, all day."""
    return closed("section", "A", stretch=(0, 500_000), **more)


@cache
def crew(role: str = "squad_member"):
    people = build_crew(
        DAY, ZONE, standard(),
        persons=frame(PERSONS, [("p1", "张三", role, "squad-1", "T1", None, None, None)]),
        devices=frame(DEVICES, [("d1", "phone", "ebike")]),
        assignments=frame(ASSIGNMENTS, [("d1", "p1", None, utc("2026-01-01"), None)]),
        responsibilities=frame(
            RESPONSIBILITIES,
            [(t, "p1", "responsible", k, t, None, None, None, None, True, None, None, None)
             for k, t in (("section", "A"), ("section", "B"), ("work_grid", "G"))],
        ),
        exceptions=frame(EXCEPTIONS),
    )  # fmt: skip
    t = np.arange(at("07:30"), at("19:00"), 60_000)
    z = np.zeros(len(t))
    fixes = Fixes(
        z.astype(np.int32),
        t,
        X0 + 40.0 * (np.arange(len(t)) % 2),  # to and fro: no phone in a drawer
        z + Y0,
        z.astype(np.uint16),
        z.astype(np.int32),
        ("d1",),
        np.array([1], dtype=np.int8),
    )
    return with_fixes(people, fixes, standard())


def passes(goes):
    return make_passes(NETWORK, goes, {"d1": Mode.EBIKE})


def audit(goes, exceptions, shapes=None):
    return road_frequency(NETWORK, passes(goes), crew(), standard(), DAY, ZONE, exceptions=exceptions, areas=shapes)


def ride(a: float, b: float, start: str = "08:40", segment: str = "a1") -> Go:
    """So many metres at 10 km/h."""
    return Go("d1", segment, a, b, at(start), at(start) + round(abs(b - a) * 360))


def first(goes, exceptions, shapes=None) -> pd.Series:
    return audit(goes, exceptions, shapes).section_windows.iloc[0]


# --- by stretch ---
def test_the_open_half_is_owed_and_counted_alone():
    # Of 500 m open, 450 are a patrol. Ridden are 100 closed metres and 449 open ones.
    short = first([ride(400, 949)], table(half()))
    assert (short["outcome"], short["covered_mm"], short["excused_mm"]) == ("missed", 449_000, 500_000)
    assert short["covered_share"] == pytest.approx(449 / 500)
    assert short["missing"] == "例外 E1 封闭 500 米，余 500 米应巡；已巡 449 米（占 90%），还缺 1 米（要求 90%）"
    enough = first([ride(400, 950)], table(half()))
    assert (enough["outcome"], enough["outcome_responsible"], enough["covered_mm"]) == ("covered", "covered", 450_000)
    assert (enough["excused_mm"], enough["exception_id"]) == (500_000, "E1")
    # and nobody there is missed, not excused
    nothing = first([], table(half()))
    assert (nothing["outcome"], nothing["cause"]) == ("missed", "not_passed")
    assert nothing["missing"] == "例外 E1 封闭 500 米，余 500 米应巡；有权人员全时段未到"
    assert nothing["needed_s"] == pytest.approx(500 / (25 / 3.6), rel=1e-3)


def test_a_patrol_of_the_whole_is_one_whatever_is_closed():
    # 900 of 1,000 m, of which 400 open ones: 80 % of what is open. Without the exception it is covered, so with it too.
    window = first([ride(0, 900)], table(half()))
    assert (window["outcome"], window["covered_mm"], window["excused_mm"]) == ("covered", 900_000, 0)
    assert pd.isna(window["exception_id"])


@pytest.mark.parametrize(
    ("stretch", "mm", "outcome"),
    [
        ((0, 980_000), 980_000, "excused"),  # one cell of 20 m is left: nothing to patrol
        ((10_000, 990_000), 980_000, "excused"),  # the same left at two ends
        ((0, 979_999), 979_999, "missed"),  # a millimetre more than a cell
        ((0, 2**31 - 1), 1_000_000, "excused"),
        ((250_000, 750_000), 500_000, "missed"),  # the middle
    ],
)
def test_only_where_nearly_nothing_is_left_the_window_is_excused(stretch, mm, outcome):
    window = first([], table(closed("section", "A", stretch=stretch)))
    assert (window["outcome"], window["excused_mm"]) == (outcome, mm)


def test_of_a_short_street_what_is_left_is_at_most_what_a_patrol_may_leave_out():
    # Of B's 400 m a cell of 20 m is 5 %; of a lane of 60 m it is a third, and a patrol may leave out 6 m.
    lane = make_network([Sec("L", "l", "branch", "road.branch")], [Seg("l1", "L", (0, 0), (60, 0), (0, 60))])
    for left, outcome in ((6_000, "excused"), (6_001, "missed")):
        out = road_frequency(
            lane, make_passes(lane, [], {"d1": Mode.EBIKE}), crew(), standard(), DAY, ZONE,
            exceptions=table(closed("section", "L", stretch=(0, 60_000 - left))),
        )  # fmt: skip
        assert out.section_windows["outcome"].tolist() == [outcome]


def test_stretches_that_overlap_unite_and_their_hours_too():
    # 0-300 and 200-500 m: 500 closed, not 600. The same metres closed 08:30-08:50 and 08:45-09:05: 35 of 60 minutes, more than half.
    two = table(
        closed("section", "A", stretch=(0, 300_000)), closed("section", "A", stretch=(500_000, 200_000), number=2)
    )
    assert first([], two)["excused_mm"] == 500_000
    apart = table(
        closed("section", "A", "08:30", "08:50", stretch=(0, 600_000)),
        closed("section", "A", "08:45", "09:05", stretch=(400_000, 1_000_000), number=2),
    )
    assert first([], apart)["excused_mm"] == 200_000  # 400-600 m alone are closed for half of the hour
    # 29 minutes are not half of an hour, 30 are
    for end, mm in (("08:59", 0), ("09:00", 500_000)):
        assert first([], table(half(starts="08:30", ends=end)))["excused_mm"] == mm


def test_both_carriageways_count_once():
    # 0-500 m closed; the open half ridden on the other carriageway, which runs against the measure: its first 460 m are 1,000-540 m.
    window = first([ride(0, 460, segment="a2")], table(half()))
    assert (window["outcome"], window["covered_mm"]) == ("covered", 460_000)


@pytest.mark.parametrize("fault", [{"approver": ""}, {"approver": "  "}, {"reason": ""}])
def test_who_is_not_named_and_why_excuses_nothing(fault):
    for row in (
        half(**fault),
        closed("section", "A", **fault),
        closed("all", None, **fault),
        closed("work_grid", "G", **fault),
    ):
        window = first([], table(row))
        assert (window["outcome"], window["excused_mm"], pd.isna(window["exception_id"])) == ("missed", 0, True)
    late = table(half()).assign(entered_at=pd.NaT)
    assert first([], late)["excused_mm"] == 0


def test_an_exception_that_ends_before_it_begins_or_lies_on_another_day_closes_nothing():
    for row in (closed("section", "A", "18:00", "08:00"), closed("person", "A"), closed("section", "A", stretch=(300_000, 300_000)),
                closed("section", "A", stretch=(1_000_000, 1_200_000)), closed("section", "nowhere")):  # fmt: skip
        assert first([], table(row))["excused_mm"] == 0
    other = table(half()).assign(starts=utc("2026-03-17 08:00"), ends=utc("2026-03-17 18:00"))
    assert first([], other)["excused_mm"] == 0


# --- precedence ---
def test_covered_comes_before_excused():
    window = first([ride(0, 950)], table(closed("section", "A")))
    assert (window["outcome"], window["outcome_responsible"], window["excused_mm"]) == ("covered", "covered", 0)
    assert first([ride(0, 800)], table(closed("section", "A")))["outcome"] == "excused"


# --- by road, grid, area, all ---
@pytest.mark.parametrize(("kind", "target"), [("section", "A"), ("road", "road-a"), ("work_grid", "G"), ("all", None)])
def test_a_whole_road_grid_or_town(kind, target):
    out = audit([], table(closed(kind, target))).section_windows
    assert out.loc[out["section_id"] == "A", "outcome"].tolist() == ["excused"] * 8
    assert (out["outcome"] == "excused").all() == (kind in {"work_grid", "all"})


def test_an_area_closes_the_metres_inside():
    for name, box, mm in (
        ("west half", (-50, -50, 500, 60), 500),
        ("the end", (900, -50, 1100, 60), 100),
        ("one carriageway only", (-50, -50, 500, 10), 0),
        ("two carriageways, not alike", (200, -50, 600, 60), 400),
        ("beside", (0, 200, 1000, 300), 0),
    ):
        window = first([], table(closed("area", "X")), areas(X=block(*box)))
        assert window["excused_mm"] / 1000 == pytest.approx(mm, abs=0.05), name
    by_name = first([], table(closed("area", "片区X")), areas(X=block(-50, -50, 500, 60)))
    assert by_name["excused_mm"] / 1000 == pytest.approx(500, abs=0.05)
    both = areas(X=block(-50, -50, 300, 60), Y=block(250, -50, 500, 60))
    union = first([], table(closed("area", "X"), closed("area", "Y", number=2)), both)
    assert union["excused_mm"] / 1000 == pytest.approx(500, abs=0.05)


def test_a_line_that_leaves_an_area_and_comes_back():
    line = np.array([LineString([(0, 0), (10, 0)])], dtype=object)
    comb = Polygon([(1, -1), (3, -1), (3, 1), (6, 1), (6, -1), (8, -1), (8, 2), (1, 2)])
    of, share = _shares_inside(line, comb)
    assert of.tolist() == [0, 0]
    assert np.sort(share, axis=0).ravel().tolist() == pytest.approx([0.1, 0.3, 0.6, 0.8])
    ring = np.array([LineString([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)])], dtype=object)
    assert _shares_inside(ring, Polygon([(-1, -1), (11, -1), (11, 11), (-1, 11)]))[1].tolist() == [[0.0, 1.0]]


def test_a_section_through_two_grids_is_closed_in_the_one_that_is_excused():
    two = make_network(
        [Sec("A", "a", "main", "road.main")],
        [
            Seg("a1", "A", (0, 0), (400, 0), (0, 400), grid="G"),
            Seg("a2", "A", (400, 0), (1000, 0), (400, 1000), grid="H"),
        ],
    )
    found = closures_of(table(closed("work_grid", "G")), two, crew())
    assert (found.lo_mm.tolist(), found.hi_mm.tolist()) == ([0], [400_000])


# --- what follows from it ---
def test_roll_ups_weigh_what_is_open():
    # A: eight windows of 500 open metres, the first covered; B: one of 400 m, missed.
    out = audit([ride(500, 1000)], table(half()))
    roll = road_rollups(NETWORK, out.section_windows, standard(), names={})
    row = roll[(roll["level"] == "county") & (roll["rule_id"] == "all") & (roll["charged"] == "entitled")].iloc[0]
    assert row[["windows", "covered", "missed", "excused"]].tolist() == [9, 1, 8, 0]
    assert row[["km_windows", "km_covered", "km_missed", "km_excused"]].tolist() == pytest.approx([8.4, 0.5, 3.9, 4.0])
    assert row["rate_low"] == pytest.approx(0.5 / 4.4)
    day = out.section_days.set_index("section_id").loc["A"]
    assert (day["km_covered"], day["rate_low"]) == (0.5, 0.5 / 4.0)
    assert day["completed_patrols"] == 1


def test_a_closed_segment_is_excused_on_the_map():
    two = make_network(
        [Sec("A", "a", "main", "road.main")],
        [Seg("a1", "A", (0, 0), (400, 0), (0, 400)), Seg("a2", "A", (400, 0), (1000, 0), (400, 1000))],
    )
    out = road_frequency(
        two, make_passes(two, [], {"d1": Mode.EBIKE}), crew(), standard(), DAY, ZONE,
        exceptions=table(closed("section", "A", stretch=(0, 400_000))),
    )  # fmt: skip
    assert out.segment_days["outcome"].tolist() == ["excused", "missed"]


def test_rounds_take_off_closed_metres():
    grids = gpd.GeoDataFrame(
        {"grid_id": ["G"], "name": ["G"], "level": ["central"], "town_id": ["T1"], "unit_id": ["squad-1"]},
        geometry=[block(-100, -100, 1100, 600)], crs=4326,
    )  # fmt: skip
    # A's open half and B: 900 m, a round at 855 m. Ridden are 440 + 400 = 840 of them, then 860.
    for far, rounds in ((940, 0), (960, 1)):
        goes = [ride(500, far, "09:00"), ride(0, 400, "09:10", "b1")]
        out = grid_rounds(
            NETWORK,
            passes(goes),
            crew("collector"),
            standard(),
            DAY,
            ZONE,
            work_grids=grids,
            exceptions=table(half()),
            areas=None,
        )
        day = out.grid_days.iloc[0]
        assert (day["patrollable_mm"], day["completed_rounds"]) == (900_000, rounds)
        assert out.unvisited[["segment_id", "from_mm", "to_mm"]].to_numpy().tolist() == [["a1", far * 1000, 1_000_000]]
    every = table(closed("road", "road-a"), closed("road", "road-b", number=2))
    out = grid_rounds(NETWORK, passes([]), crew("collector"), standard(), DAY, ZONE, work_grids=grids, exceptions=every)
    assert out.grid_days[["outcome", "cause", "patrollable_mm"]].to_numpy().tolist() == [
        ["excused", "exception", 1_400_000]
    ]


def test_an_area_over_most_of_a_grid_leaves_its_streets_outside_to_be_patrolled():
    grids = gpd.GeoDataFrame(
        {"grid_id": ["G"], "name": ["G"], "level": ["central"], "town_id": ["T1"], "unit_id": ["squad-1"]},
        geometry=[block(-100, -100, 1100, 600)], crs=4326,
    )  # fmt: skip
    held = areas(X=block(-100, -100, 1100, 50))  # A, and not B
    out = grid_rounds(
        NETWORK,
        passes([]),
        crew("collector"),
        standard(),
        DAY,
        ZONE,
        work_grids=grids,
        exceptions=table(closed("area", "X")),
        areas=held,
    )
    assert out.grid_days[["outcome", "patrollable_mm"]].to_numpy().tolist() == [["missed", 400_000]]


# --- the desk ---
def test_the_desk_counts_as_the_audit_does():
    exceptions = table(half(), closed("section", "B", number=2))
    goes = [ride(500, 960)]
    section, completed = full_patrols(NETWORK, passes(goes), crew(), standard(), DAY, ZONE, exceptions=exceptions)
    day = audit(goes, exceptions).section_days.set_index("section_id").loc["A"]
    assert section.tolist() == [0]
    assert pd.Timestamp(completed[0], unit="ms", tz="UTC") == day["last_completed"]
    assert not len(full_patrols(NETWORK, passes(goes), crew(), standard(), DAY, ZONE)[0])
    assert (audit([], exceptions).section_windows["outcome"] == "excused").tolist() == [False] * 8 + [True]
    # and a window is reached on its open metres, in the very windows that the audit calls covered
    windows = audit(goes, exceptions).section_windows
    reached = reached_windows(NETWORK, passes(goes), crew(), standard(), DAY, ZONE, exceptions=exceptions)
    assert (reached >= 0).tolist() == (windows["outcome"] == "covered").tolist()
    assert reached.max() > 0
    assert not (reached_windows(NETWORK, passes(goes), crew(), standard(), DAY, ZONE) >= 0).any()


def test_nothing_is_overdue_in_an_excused_window_and_time_starts_anew_after_it():
    exceptions = table(closed("section", "A", "08:30", "10:30"), closed("section", "B", number=2))
    windows = audit([], exceptions).section_windows
    ptr = np.searchsorted(windows["section_id"], ["A", "B", "C"])
    starts, ends = (windows[c].astype("int64").to_numpy() // 1 for c in ("starts", "ends"))
    judged = Judged(ptr, starts, ends, outcome_codes(windows["outcome"]), np.full(len(windows), -1))
    for now, states in (
        ("10:00", [FREE, FREE]),
        ("10:40", [DUE, FREE]),
        ("11:40", [OVERDUE, FREE]),
        ("18:00", [NOT_ASKED, NOT_ASKED]),
    ):
        assert moment(judged, at(now), known_ms=at(now)).state.tolist() == states, now
    assert moment(judged, at("10:40"), known_ms=at("10:40")).left_s[0] == 50 * 60  # an hour from 10:30, not from 08:30


# --- invariants ---
stretches = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(lambda s: (min(s) * 1000, max(s) * 1000))
rides = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 50), st.sampled_from(["a1", "a2"])), max_size=6
)


def made(found) -> list[Go]:
    return [
        Go("d1", segment, a, b, at("08:35") + minute * 60_000, at("08:35") + minute * 60_000 + max(1, abs(b - a)) * 360)
        for a, b, minute, segment in found
    ]


@settings(max_examples=60, deadline=None)
@given(rides, st.lists(stretches, max_size=4))
def test_an_exception_never_makes_a_window_worse_and_metres_add_up(found, shut):
    goes = made(found)
    exceptions = table(*(closed("section", "A", stretch=s, number=i) for i, s in enumerate(shut)))
    before, after = (audit(goes, e) for e in (table(), exceptions))
    rank = {"missed": 0, "unknown": 1, "excused": 2, "covered": 3}
    for column in ("outcome", "outcome_responsible"):
        was, now = (f.section_windows[column].map(rank).to_numpy() for f in (before, after))
        assert (now >= was).all()
    w = after.section_windows
    assert (w["covered_mm"] <= w["length_mm"] - w["excused_mm"].where(w["outcome"] != "excused", 0)).all()
    marks = np.zeros(1_000, dtype=bool)
    for lo, hi in shut:
        marks[lo // 1000 : hi // 1000] = True
    asked = w[(w["section_id"] == "A") & (w["excused_mm"] > 0)]
    assert (asked["excused_mm"] == marks.sum() * 1000).all()
    km = after.section_days[["km_covered", "km_missed", "km_unknown", "km_excused"]].sum(axis=1)
    assert km.to_numpy() == pytest.approx(after.section_days["km_windows"].to_numpy())


@settings(max_examples=30, deadline=None)
@given(rides, stretches)
def test_a_street_closed_in_part_is_judged_as_a_street_of_what_is_left(found, shut):
    # The far part of A closed: what is left is a street of its own. Rides beyond it are cut by hand.
    lo, _ = shut
    lo = max(lo, 100_000)
    goes = made([f for f in found if f[3] == "a1"])
    inside = [
        Go(g.device, "s1", g.from_m, g.to_m, g.enter_ms, g.leave_ms) for g in goes if max(g.from_m, g.to_m) * 1000 <= lo
    ]
    short = make_network([Sec("S", "s", "main", "road.main")], [Seg("s1", "S", (0, 0), (lo / 1000, 0), (0, lo / 1000))])
    alone = road_frequency(
        short, make_passes(short, inside, {"d1": Mode.EBIKE}), crew(), standard(), DAY, ZONE, exceptions=table()
    ).section_windows
    kept = [g for g in goes if max(g.from_m, g.to_m) * 1000 <= lo]
    window = audit(kept, table(closed("section", "A", stretch=(lo, 1_000_000)))).section_windows.iloc[:8]
    if lo == 1_000_000 or window["excused_mm"].eq(0).any():
        return
    assert window["covered_mm"].tolist() == alone["covered_mm"].tolist()
