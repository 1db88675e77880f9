"""Where nobody is named: missed or not is judged by everybody entitled who was on duty, and who is charged is told apart. Counted by hand."""

from __future__ import annotations

from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hand_network import (
    ASSIGNMENTS,
    DEVICES,
    EXCEPTIONS,
    PERSONS,
    RESPONSIBILITIES,
    X0,
    Y0,
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

from gis.calibration import FEATURES, CalibrationTable, CallModel, Doubt, calibrate, features, quality_of
from gis.crew import Crew, build_crew, with_devices, with_fixes
from gis.decidable import obstacle
from gis.frequency import road_frequency
from gis.model import Fixes, Mode
from gis.standard import Calibration, Standard
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
NETWORK = make_network(
    [Sec("D", "road-d", "branch", "road.branch")], [Seg("d1", "D", (0, 0), (0, 400), (0, 400))]
)  # of squad-1; 400 m need 57.6 s at 25 km/h (6,944 mm/s)
START, END = ms("2026-03-18 08:30"), ms("2026-03-18 17:30")
TOLD = ["outcome", "cause", "attribution"]


@cache
def plain() -> Standard:
    return load_standard("xiangshan-2019").model_copy(update={"calibration": Calibration()})


def crew(*people: tuple[str, str, str], named: str = "", leave: tuple[str, ...] = ()) -> Crew:
    """People (id, role, squad), each with an e-bike's device d + id; `named` answers for D; some are on leave all day."""
    return build_crew(
        DAY, ZONE, plain(),
        persons=frame(PERSONS, [(p, p, role, unit, "T1", None, None, None) for p, role, unit in people]),
        devices=frame(DEVICES, [(f"d{p}", "phone", "ebike") for p, _, _ in people]),
        assignments=frame(ASSIGNMENTS, [(f"d{p}", p, None, utc("2026-01-01"), None) for p, _, _ in people]),
        responsibilities=frame(RESPONSIBILITIES, [("r", named, "responsible", "section", "D", None, None, None, None, True, None, None, None)] * bool(named)),
        exceptions=frame(EXCEPTIONS, [(f"L{p}", "leave", "person", p, None, utc("2026-03-18 00:00"), utc("2026-03-19 00:00"), "病假", "甲", utc("2026-03-17")) for p in leave]),
    )  # fmt: skip


def heard(**tracks: list[tuple[int, int, float]]) -> Fixes:
    """A fix a minute of each device, at a distance from D at which it goes to and fro: from and to (minutes after 08:30), metres east."""
    devices = tuple(sorted(tracks))
    rows = [
        (i, START + 60_000 * m, X0 + x, Y0 + 400 * (m % 2))
        for i, d in enumerate(devices)
        for a, b, x in sorted(tracks[d])
        for m in range(a, b + 1)
    ]
    n = len(rows)
    device, t, x, y = (np.array(c) for c in zip(*rows, strict=True)) if rows else (np.zeros(0) for _ in range(4))
    return Fixes(
        device.astype(np.int32), t.astype(np.int64), x.astype(float), y.astype(float), np.zeros(n, np.uint16), np.zeros(n, np.int32),
        devices, np.full(len(devices), int(Mode.EBIKE), np.int8),
    )  # fmt: skip


ALL_DAY = [(-5, 545, 9000.0)]


def windows(who: Crew, fixes: Fixes) -> pd.DataFrame:
    """The day's one window of D, on which nobody made a pass."""
    none = make_passes(NETWORK, [], dict.fromkeys(fixes.devices, Mode.EBIKE))
    return road_frequency(
        NETWORK, none, with_fixes(who, fixes, plain()), plain(), DAY, ZONE, exceptions=frame(EXCEPTIONS, [])
    ).section_windows


def window(who: Crew, fixes: Fixes) -> pd.Series:
    return windows(who, fixes).iloc[0]


ONE, OTHER = ("1", "squad_member", "squad-1"), ("2", "squad_member", "squad-1")
NEXT, COLLECTOR = ("3", "squad_member", "squad-2"), ("4", "collector", "squad-1")


def test_who_was_heard_all_day_elsewhere_missed_it_and_the_unit_is_charged():
    w = window(crew(ONE, OTHER), heard(d1=ALL_DAY, d2=ALL_DAY))
    assert w[TOLD].tolist() == ["missed", "not_passed", "unit"]
    assert w["missing"] == "该时段无责任人在岗（计入单位）；有权人员全时段未到"
    assert pd.isna(w["person_ids"])


@pytest.mark.parametrize(
    ("left", "back", "usable_s"),
    [
        # Silent for 600 s; 50 m are allowed for the error: 2,000 m there are 288.018 s, 1,000 m back 144.009 s.
        (2050.0, 1050.0, 600 - 288.018 - 144.009),
        (50.0, 50.0, 600.0),
        # 2,950 m there and back are 849.654 s: it cannot be.
        (3000.0, 3000.0, 0.0),
    ],
)
def test_a_silence_counts_as_far_as_the_way_allows(left, back, usable_s):
    w = window(crew(ONE, OTHER), heard(d1=[(-5, 90, left), (100, 545, back)], d2=ALL_DAY))
    assert w["silent_s"] == pytest.approx(usable_s, abs=0.002)
    assert w["needed_s"] == pytest.approx(400_000 / 6944, abs=1e-6)
    assert w[TOLD].tolist() == (["unknown", "silent", "unit"] if usable_s else ["missed", "not_passed", "unit"])
    assert ("有权人员在岗失联" in w["missing"]) is bool(usable_s)


def test_silences_of_several_add_up():
    # each is silent for 240 s and 700 m (650 m of way) away: 240 - 2 x 93.606 = 52.788 s, 366.6 m; both together reach the 400 m
    alone, both = (
        window(crew(ONE, OTHER), heard(d1=[(-5, 90, 700.0), (94, 545, 700.0)], d2=two))
        for two in (ALL_DAY, [(-5, 200, 700.0), (204, 545, 700.0)])
    )
    assert alone[TOLD].tolist() == ["missed", "not_passed", "unit"]
    assert both[TOLD].tolist() == ["unknown", "silent", "unit"]
    assert both["silent_s"] == pytest.approx(2 * 52.788, abs=0.01)


def test_the_sections_own_squad_is_asked_first():
    silent_next = heard(d1=ALL_DAY, d3=[(-5, 90, 0.0), (300, 545, 0.0)])
    assert window(crew(ONE, NEXT), silent_next)[TOLD].tolist() == ["missed", "not_passed", "unit"]
    # with its own squad on leave whoever else is entitled may have come
    assert window(crew(ONE, NEXT, leave=("1",)), silent_next)[TOLD].tolist() == ["unknown", "silent", "unit"]


def test_people_of_other_roles_say_nothing():
    w = window(crew(ONE, COLLECTOR), heard(d1=ALL_DAY, d4=[(-5, 90, 0.0), (300, 545, 0.0)]))
    assert w[TOLD].tolist() == ["missed", "not_passed", "unit"]


def test_a_member_without_a_device_may_always_have_come():
    who = crew(ONE, OTHER)
    bare = Crew(**{n: getattr(who, n) for n in who.__slots__} | {"carries": who.carries[:1]})
    assert window(bare, heard(d1=ALL_DAY))[TOLD].tolist() == ["unknown", "silent", "unit"]


def test_only_where_nobody_entitled_was_on_duty_a_miss_needs_no_data():
    w = window(crew(ONE, NEXT, COLLECTOR, leave=("1", "3")), heard(d4=ALL_DAY))
    assert w[TOLD].tolist() == ["missed", "no_rostered", "unit"]


def loose(*modes: Mode) -> Crew:
    start, end = ms("2026-03-18 00:00"), ms("2026-03-19 00:00")
    return Crew(start, end, (), (), (), unassigned_modes=frozenset(int(m) for m in modes))


@pytest.mark.parametrize(
    ("tracks", "told"),
    [
        ({"x": ALL_DAY}, ["missed", "not_passed", "unit"]),
        ({"x": [(1, 539, 0.0)]}, ["missed", "not_passed", "unit"]),  # a minute before the first fix is no silence
        ({"x": [(-5, 90, 0.0), (100, 545, 0.0)]}, ["unknown", "silent", "unit"]),
        ({"x": [(-5, 90, 9000.0), (100, 545, 9000.0)]}, ["missed", "not_passed", "unit"]),
        ({"x": ALL_DAY, "y": [(100, 545, 0.0)]}, ["unknown", "silent", "unit"]),  # nobody knows when it set out
        ({"x": [(-5, 215, 0.0), (295, 545, 0.0)]}, ["missed", "not_passed", "unit"]),  # silent at noon: 12:05-13:25
    ],
)
def test_devices_of_nobody_are_judged_likewise(tracks, told):
    assert window(loose(Mode.EBIKE), heard(**tracks))[TOLD].tolist() == told


def test_what_no_data_can_decide_is_charged_to_nobody():
    assert window(loose(), heard(x=ALL_DAY))[TOLD].tolist() == ["unknown", "no_roster", "observability"]
    assert window(loose(Mode.FOOT), heard(x=ALL_DAY))[TOLD].tolist() == ["unknown", "no_roster", "observability"]
    assert window(crew(COLLECTOR), heard(d4=ALL_DAY))[TOLD].tolist() == ["unknown", "no_roster", "observability"]
    assert window(crew(ONE), heard(x=ALL_DAY))[TOLD].tolist() == ["unknown", "no_device", "observability"]
    assert window(crew(ONE, named="1"), heard(x=ALL_DAY))[TOLD].tolist() == ["unknown", "no_device", "observability"]
    assert window(crew(ONE), heard())[TOLD].tolist() == ["unknown", "no_data", "observability"]


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(
        st.tuples(st.integers(-5, 540), st.integers(1, 300), st.sampled_from([0.0, 700.0, 2500.0, 9000.0])), max_size=3
    )
)
def test_whether_it_was_a_miss_does_not_depend_on_who_is_named(spans):
    # one person, named or not: the same outcome; only the charge differs
    track = sorted((a, min(a + n, 545), x) for a, n, x in spans)
    track = [t for i, t in enumerate(track) if not i or t[0] > track[i - 1][1]]
    fixes = heard(d1=track, d9=ALL_DAY)
    named, unnamed = window(crew(ONE, named="1"), fixes), window(crew(ONE), fixes)
    assert named["outcome"] == unnamed["outcome"]
    assert named["cause"] == unnamed["cause"]
    assert unnamed["attribution"] in {"unit", "observability"}
    assert named["attribution"] in {"person", "observability"}


def test_obstacles_counted_by_hand():
    roles = ("squad_member",)
    who = crew(ONE, COLLECTOR)
    assert obstacle(who, roles) is None  # what was heard is not known: not held against it
    assert obstacle(with_devices(who, {}), roles) == "no_data"
    assert obstacle(with_devices(who, {}), roles, checkins=True) is None
    assert obstacle(with_devices(who, {"d1": 1}), roles) is None
    assert obstacle(with_devices(who, {"d4": 1}), roles) == "no_device"
    assert obstacle(with_devices(who, {"d4": 1}), ("grid_member",)) == "no_roster"
    assert obstacle(with_devices(crew(ONE, COLLECTOR, leave=("1",)), {"d4": 1}), roles) is None
    assert obstacle(with_devices(loose(Mode.EBIKE), {"x": int(Mode.EBIKE)}), roles) is None
    assert obstacle(with_devices(loose(Mode.EBIKE), {"x": int(Mode.FOOT)}), roles) == "no_roster"


def test_a_call_given_up_keeps_its_charge_and_has_models_of_its_own():
    who = with_fixes(crew(ONE, OTHER), heard(d1=ALL_DAY, d2=ALL_DAY), plain())
    w = windows(crew(ONE, OTHER), heard(d1=ALL_DAY, d2=ALL_DAY))
    quality = quality_of(make_passes(NETWORK, [], {}), who)

    def says(p):
        return {"missed": CallModel((0.0,) * len(FEATURES), (0.0, 1.0), (p, p))}

    table = CalibrationTable("t", "", Doubt(0.1), Doubt(0.9), says(0.0), says(0.5))
    out = calibrate(w, np.zeros((1, 4)), quality, who, table).iloc[0]
    assert out[TOLD].tolist() == ["unknown", "unsupported", "unit"]
    assert out["missing"].startswith("该时段无责任人在岗（计入单位）；定位数据不足以判定")
    named = w.assign(person_ids="1", attribution="person")
    assert calibrate(named, np.zeros((1, 4)), quality, who, table)["outcome"].tolist() == ["missed"]


def test_quality_where_nobody_answers_is_that_of_the_worse_quarter_of_those_entitled():
    # gaps of 10 and 50 s of two squad members: three quarters of the way are 40 s; the collector's 500 s are not asked
    who = crew(ONE, OTHER, COLLECTOR)
    quality = quality_of(make_passes(NETWORK, [], {}), who)
    quality.persons[:] = [[10.0, 4.0, 0.1], [50.0, 2.0, 0.5], [500.0, 0.0, 0.9]]
    quality.known[:] = True
    w = windows(who, heard(d1=ALL_DAY, d2=ALL_DAY))
    x = features(w, np.zeros((1, 4)), quality, who, {"road.branch": ("squad_member",)})[0]
    found = dict(zip(FEATURES, x, strict=True))
    assert found["gap"] == pytest.approx(np.log((40.0 + 5.0) / float(w["needed_s"].iloc[0])))
    assert found["doubt"] == pytest.approx(2.5)
    assert found["jitter"] == pytest.approx(0.4)


# --- filled in from the work grid ---
@pytest.mark.parametrize("target", ["section", "work_grid"])
def test_whoever_is_filled_in_from_the_grid_was_not_told_to_come_so_the_squad_is_asked_too(target):
    """One was heard elsewhere all day; a colleague of the squad was silent for three and a half hours beside the section."""
    network = make_network(
        [Sec("D", "road-d", "branch", "road.branch", grid="g1")], [Seg("d1", "D", (0, 0), (0, 400), (0, 400))]
    )
    given = (
        "r",
        "1",
        "responsible",
        target,
        "D" if target == "section" else "g1",
        None,
        None,
        None,
        None,
        True,
        None,
        None,
        None,
    )
    who = build_crew(
        DAY, ZONE, plain(),
        persons=frame(PERSONS, [(p, p, role, unit, "T1", None, None, None) for p, role, unit in (ONE, OTHER)]),
        devices=frame(DEVICES, [(f"d{p}", "phone", "ebike") for p in "12"]),
        assignments=frame(ASSIGNMENTS, [(f"d{p}", p, None, utc("2026-01-01"), None) for p in "12"]),
        responsibilities=frame(RESPONSIBILITIES, [given]), exceptions=frame(EXCEPTIONS, []),
    )  # fmt: skip
    fixes = heard(d1=ALL_DAY, d2=[(-5, 90, 0.0), (300, 545, 0.0)])
    w = road_frequency(
        network, make_passes(network, [], dict.fromkeys(fixes.devices, Mode.EBIKE)), with_fixes(who, fixes, plain()), plain(), DAY, ZONE,
        exceptions=frame(EXCEPTIONS, []),
    ).section_windows.iloc[0]  # fmt: skip
    assert w["person_ids"] == "1"
    if target == "section":  # told to come, heard elsewhere, so it was not patrolled by whom it was given to
        assert (w["named_by"], w["outcome"], w["cause"]) == ("roster", "missed", "not_passed")
    else:
        assert (w["named_by"], w["outcome"], w["cause"]) == ("from_grid", "unknown", "silent")
        assert "有权人员在岗失联" in w["missing"]
