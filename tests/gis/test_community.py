"""Community cadence, counted by hand: one grid, a key point, a back street of 400 m, a hot area; Wednesday 2026-03-18.

The half day is asked for the key point and the hot area, the two days (17-18 March) for the back street, the week (16-22 March) for all three.
"""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
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
from shapely.geometry import LineString, Point, Polygon

from gis.community import community_cadence
from gis.crew import build_crew, with_fixes
from gis.model import Fixes, Mode
from layers.standard_files import load_standard

ZONE, STANDARD = ZoneInfo("Asia/Shanghai"), load_standard("xiangshan-2019")
NETWORK = make_network(
    [Sec("A", "a", "branch", "road.branch"), Sec("B", "b", "branch", "road.branch")],
    [Seg("a1", "A", (0, 0), (1000, 0), (0, 1000)), Seg("b1", "B", (500, 0), (500, 400), (0, 400))],
)


def place(*points: tuple[float, float]):
    corners = [TO_WGS84.transform(X0 + x, Y0 + y) for x, y in points]
    return Point(corners[0]) if len(corners) == 1 else LineString(corners) if len(corners) == 2 else Polygon(corners)


AREAS = gpd.GeoDataFrame(
    {
        "area_id": ["K1", "S1", "H1"],
        "kind": ["key_point", "back_street", "hot_area"],
        "name": ["菜市场", "后街", "学校周边"],
        "parent_id": None,
    },
    geometry=[place((100, 10)), place((505, 0), (505, 400)), place((800, -50), (900, -50), (900, 50), (800, 50))],
    crs=4326,
)
GRIDS = gpd.GeoDataFrame(
    {"grid_id": ["C1"], "name": ["一组"], "community": ["东村"], "town_id": ["T1"]},
    geometry=[place((-100, -100), (1100, -100), (1100, 500), (-100, 500))], crs=4326,
)  # fmt: skip


ANSWERS = [
    "r1",
    "m1",
    "responsible",
    "community_grid",
    "C1",
    None,
    None,
    None,
    None,
    True,
    None,
    utc("2026-01-01"),
    None,
]


def crew_on(day: date, *, carried: bool = True):
    return build_crew(
        day, ZONE, STANDARD,
        persons=frame(PERSONS, [
            ("m1", "周七", "grid_member", None, "T1", None, None, None), ("q1", "吴八", "squad_member", "s", "T1", None, None, None),
        ]),
        devices=frame(DEVICES, [("d1", "phone", "foot")]),
        assignments=frame(ASSIGNMENTS, [("d1", "m1", None, utc("2026-01-01"), None)] if carried else []),
        responsibilities=frame(RESPONSIBILITIES, [ANSWERS]), exceptions=frame(EXCEPTIONS),
    )  # fmt: skip


def audit(
    goes: list[tuple[int, Go]], checkins: list[tuple[str, str, str]], *, carried: bool = True
) -> dict[tuple[str, str], tuple[object, ...]]:
    history = [
        (
            make_passes(NETWORK, [g for d, g in goes if d == day], {"d1": Mode.FOOT}),
            crew_on(date(2026, 3, day), carried=carried),
        )
        for day in (16, 17, 18)
    ]
    table = community_cadence(
        NETWORK, history, STANDARD, date(2026, 3, 18), ZONE, community_grids=GRIDS, areas=AREAS, exceptions=frame(EXCEPTIONS),
        checkins=frame("person_id place_id time", [(p, c, utc(t)) for p, c, t in checkins]),
    )  # fmt: skip
    assert len(table) == 4
    table = table.astype({"missing": object, "evidence": object}).where(table.notna(), None)
    return {
        (r.rule_id, f"{r.starts.tz_convert(ZONE):%d %H}"): (r.due, r.done, r.outcome, r.evidence, r.missing)
        for r in table.itertuples()
    }


def walk(day: int, segment: str, a: float, b: float, start: str) -> tuple[int, Go]:
    enter = ms(f"2026-03-{day} {start}")
    return day, Go("d1", segment, a, b, enter, enter + round(abs(b - a) * 1000))


def test_evidence_of_several_days_from_tracks_and_check_ins() -> None:
    found = audit(
        [
            walk(18, "a1", 0, 1000, "09:00"),  # the morning: past the market (100 m) and the school (800-900 m)
            walk(17, "b1", 0, 400, "15:00"),  # the day before: all of the back street
        ],
        [("m1", "K1", "2026-03-18 14:00"), ("q1", "H1", "2026-03-18 15:00")],  # a squad member is not entitled
    )
    assert found["community.small", "18 00"] == (2, 2, "covered", "track", None)
    assert found["community.small", "18 12"] == (2, 1, "missed", "checkin", "学校周边")
    assert found["community.large", "17 00"] == (1, 1, "covered", "track", None)
    assert found["community.full", "16 00"][:3] == (
        3,
        3,
        "open",
    )  # complete, yet judged on the day on which the week ends


def test_an_unfinished_week_is_open_and_part_of_a_street_is_not_the_street() -> None:
    # 300 m of 400: 15 or 16 of 20 samples (30 m of reach beyond its end make it 16.5): below the 18 that 90 % ask for.
    found = audit([walk(18, "b1", 0, 300, "15:00")], [])
    assert found["community.large", "17 00"][:3] == (1, 0, "missed")
    assert found["community.full", "16 00"][2] == "open"


@pytest.mark.parametrize("start", ["11:40", "12:00"])
def test_half_days_split_at_noon(start: str) -> None:
    found = audit([walk(18, "a1", 0, 1000, start)], [])
    # 11:40 + 100 s at the market, + 800 s at the school: 11:53:20, before noon.
    assert found["community.small", "18 00"][2] == ("covered" if start == "11:40" else "missed")
    assert found["community.small", "18 12"][2] == ("missed" if start == "11:40" else "covered")


@pytest.mark.parametrize(("back", "outcome"), [("09:20", "missed"), ("09:30", "unknown")])
def test_places_in_reach_of_a_silence_are_unknown(back: str, outcome: str) -> None:
    # Heard every minute at x = 2,000 but from 09:00. On foot, 2.778 m/s, the market at x = 100 is 1,900 m away, 80 m of them allowed
    # (50 for the error of positions, 30 within which a place is seen): 655 s there and 655 s back, more than 20 and less than 30 minutes.
    # The school at x = 900 is nearer. In the afternoon nobody was silent.
    clock = [
        *range(ms("2026-03-18 08:30"), ms("2026-03-18 09:00") + 1, 60_000),
        *range(ms(f"2026-03-18 {back}"), ms("2026-03-18 18:00"), 60_000),
    ]
    n = len(clock)
    fixes = Fixes(
        device_ix=np.zeros(n, np.int32), t_ms=np.array(clock), x=np.full(n, X0 + 2000.0), y=np.full(n, Y0), flags=np.zeros(n, np.uint16),
        track_ix=np.zeros(n, np.int32), devices=("d1",), mode=np.zeros(1, np.int8),
    )  # fmt: skip
    day = date(2026, 3, 18)
    nowhere = make_passes(NETWORK, [], {"d1": Mode.FOOT})
    table = community_cadence(
        NETWORK, [(nowhere, with_fixes(crew_on(day), fixes, STANDARD))], STANDARD, day, ZONE, community_grids=GRIDS, areas=AREAS,
        exceptions=frame(EXCEPTIONS), checkins=frame("person_id place_id time"),
    )  # fmt: skip
    assert table.loc[table["rule_id"] == "community.small", "outcome"].tolist() == [outcome, "missed"]


@pytest.mark.parametrize(
    ("elsewhere", "small", "large"),
    [
        ([], "unknown", "unknown"),
        ([18], "missed", "unknown"),
        ([17], "unknown", "unknown"),
        ([17, 18], "missed", "missed"),
    ],
)
def test_a_day_without_any_check_in_says_nothing_of_those_who_carry_no_device(
    elsewhere: list[int], small: str, large: str
) -> None:
    # Check-ins of somebody else, at a place of no grid: they show that the day's check-ins arrived. 2026-03-17 and 18 are days of duty.
    found = audit([], [("q1", "K9", f"2026-03-{day} 10:00") for day in elsewhere], carried=False)
    assert [found["community.small", f"18 {hour}"][2] for hour in ("00", "12")] == [small, small]
    assert found["community.large", "17 00"][2] == large
