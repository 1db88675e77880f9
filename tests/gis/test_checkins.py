"""Check-ins that cannot show a visit, counted by hand: places 200 m apart on a street of 1 km; reach 30 m and error 50 m make 80 m."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
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
from shapely.geometry import Point, box

from gis.checkins import checkin_notes, judge_checkins
from gis.community import community_cadence
from gis.crew import build_crew
from gis.model import Mode
from layers.standard_files import load_standard

DAY, ZONE, STANDARD = date(2026, 3, 18), ZoneInfo("Asia/Shanghai"), load_standard("xiangshan-2019")
NETWORK = make_network([Sec("A", "a", "branch", "road.branch")], [Seg("a1", "A", (0, 0), (1000, 0), (0, 1000))])


def at(x: float, y: float = 0.0) -> Point:
    return Point(TO_WGS84.transform(X0 + x, Y0 + y))


PLACES = gpd.GeoDataFrame({"place_id": [f"K{i}" for i in range(5)]}, geometry=[at(200 * i) for i in range(5)], crs=4326)
AREAS = gpd.GeoDataFrame(
    {"area_id": PLACES["place_id"], "kind": "key_point", "name": [f"点{i}" for i in range(5)], "parent_id": None},
    geometry=PLACES.geometry, crs=4326,
)  # fmt: skip
GRIDS = gpd.GeoDataFrame(
    {"grid_id": ["C1"], "name": ["一组"], "community": ["东村"], "town_id": ["T1"]},
    geometry=[box(*at(-100, -100).coords[0], *at(1100, 500).coords[0])], crs=4326,
)  # fmt: skip
NONE = [None] * 4
CREW = build_crew(
    DAY, ZONE, STANDARD,
    persons=frame(PERSONS, [(p, p, "grid_member", None, "T1", None, None, None) for p in ("m1", "m2")]),
    devices=frame(DEVICES, [("d1", "phone", "foot")]), assignments=frame(ASSIGNMENTS, [("d1", "m1", None, utc("2026-01-01"), None)]),
    responsibilities=frame(RESPONSIBILITIES, [("r1", "m1", "responsible", "community_grid", "C1", *NONE, True, None, utc("2026-01-01"), None)]),
    exceptions=frame(EXCEPTIONS),
)  # fmt: skip


def table(rows) -> gpd.GeoDataFrame:
    """Rows (place, clock, point or None, person)."""
    rows = [(*r, "m1") if len(r) == 3 else r for r in rows]
    out = frame("person_id place_id time", [(p, k, utc(f"2026-03-18 {t}")) for k, t, _, p in rows])
    return gpd.GeoDataFrame(out, geometry=[g for _, _, g, _ in rows], crs=4326)


def history(goes=()):
    return [(make_passes(NETWORK, list(goes), {"d1": Mode.FOOT}), CREW)]


def judged(rows, goes=()):
    return judge_checkins(table(rows), PLACES, NETWORK, history(goes), STANDARD)


def walk(a: float, b: float, start: str) -> Go:
    enter = ms(f"2026-03-18 {start}")
    return Go("d1", "a1", a, b, enter, enter + round(abs(b - a) * 1000))  # 1 m/s


def test_how_far_a_checkin_may_be():
    for away, reason in ((0, ""), (79, ""), (81, "far"), (36_000, "far")):
        found = judged([("K0", "09:00", at(0, away))])
        assert found.reason.tolist() == [reason]
    assert found.off_m[0] == pytest.approx(36_000, rel=1e-3)


def test_without_coordinates_it_is_taken_at_its_word_and_told():
    found = judged([("K0", "09:00", None), ("K1", "09:10", Point()), ("K2", "09:20", at(400))])
    assert found.placed.tolist() == [False, False, True]
    assert found.counts.all()
    notes = {n[0]: n[2] for n in checkin_notes(found, CREW.start_ms, CREW.end_ms)}
    assert notes == {
        "checkin.far": 0,
        "checkin.track": 0,
        "checkin.fast": 0,
        "checkin.supported": 0,
        "checkin.unplaced": 2,
    }


def test_five_places_in_four_seconds_are_one():
    rows = [(f"K{i}", f"14:00:0{i}", at(200 * i)) for i in range(5)]
    assert judged(rows).reason.tolist() == ["", "fast", "fast", "fast", "fast"]
    assert judged(rows[::-1]).reason.tolist() == ["fast", "fast", "fast", "fast", ""]  # whatever the order of the rows
    # 800 m, less 50 m for the error of each, are 25.2 s at 100 km/h
    for seconds, reason in (("25", "fast"), ("26", "")):
        assert judged([("K0", "14:00:00", at(0)), ("K4", f"14:00:{seconds}", at(800))]).reason.tolist() == ["", reason]
    # without coordinates by the places: 800 m less 30 m twice
    assert judged([("K0", "14:00:00", None), ("K4", "14:00:26", None)]).reason.tolist() == ["", "fast"]
    # two persons are two
    assert judged([("K0", "14:00:00", at(0)), ("K4", "14:00:01", at(800), "m2")]).counts.all()
    # twice at one place, and at the same moment
    assert judged([("K0", "14:00:00", at(0)), ("K0", "14:00:00", at(5))]).counts.all()


def test_one_that_is_impossible_does_not_take_the_next_with_it():
    rows = [
        ("K0", "14:00:00", at(0)),
        ("K4", "14:00:02", at(800)),
        ("K0", "14:00:04", at(10)),
        ("K1", "14:05:00", at(200)),
    ]
    assert judged(rows).reason.tolist() == ["", "fast", "", ""]
    far = [("K0", "14:00:00", at(0, 36_000)), ("K1", "14:00:10", at(200))]
    assert judged(far).reason.tolist() == ["far", ""]


def test_against_the_persons_own_track():
    # at metre 0 at 09:00:00; at K4, 800 m away, ten seconds later: 720 m beyond reach, 278 m at 100 km/h
    goes = [walk(100, 0, "08:58:20")]
    assert judged([("K4", "09:00:10", None)], goes).reason.tolist() == ["track"]
    assert judged([("K4", "09:00:30", None)], goes).reason.tolist() == [""]  # in half a minute one can
    assert judged([("K4", "08:58:10", None)], goes).reason.tolist() == ["track"]  # nor come from there before
    assert judged([("K4", "09:00:10", None, "m2")], goes).reason.tolist() == [""]  # somebody else's track


def test_a_doubtful_checkin_counts_where_a_track_was_there():
    goes = [walk(0, 200, "09:00:00")]
    found = judged([("K1", "09:04:00", at(200, 500)), ("K1", "09:20:00", at(200, 500))], goes)
    assert found.reason.tolist() == ["far", "far"]
    assert found.counts.tolist() == [True, False]  # 40 s after the track; 17 minutes after it


def windows(rows, goes=()):
    out = community_cadence(
        NETWORK,
        history(goes),
        STANDARD,
        DAY,
        ZONE,
        community_grids=GRIDS,
        areas=AREAS,
        checkins=table(rows),
        exceptions=frame(EXCEPTIONS),
    )
    return out[out["rule_id"] == "community.small"].sort_values("starts")


def test_visits_that_nobody_made_do_not_cover_a_half_day():
    morning = [(f"K{i}", f"09:{i}0", at(200 * i, 36_000)) for i in range(5)]
    afternoon = [(f"K{i}", f"14:00:0{i}", at(200 * i)) for i in range(5)]
    out = windows([*morning, *afternoon])
    assert "covered" not in set(out["outcome"])
    assert out["done"].tolist() == [0, 1]
    first, second = out["doubtful_checkins"].tolist()
    assert first.split("；")[0] == "03-18 09:00:00 在 点0 打卡：打卡处距点位 36.00 公里，过远"
    assert second.split("；")[0] == "03-18 14:00:01 在 点1 打卡：距上一次打卡 200 米，间隔过短，过快"
    honest = windows([(f"K{i}", f"{h}:{i}0", at(200 * i)) for h in ("09", "14") for i in range(5)])
    assert honest["outcome"].tolist() == ["covered", "covered"]
    assert honest["doubtful_checkins"].isna().all()
