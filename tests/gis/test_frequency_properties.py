"""Invariants of road frequency over random days of a small town."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hand_network import (
    ASSIGNMENTS,
    DEVICES,
    EXCEPTIONS,
    PERSONS,
    RESPONSIBILITIES,
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

from etl.base import silent
from etl.road_stage import RoadsByParts
from gis.crew import Crew, build_crew, with_fixes
from gis.frequency import RoadFrequency, road_frequency
from gis.frequency_parts import road_parts
from gis.model import Fixes, Mode, Passes
from gis.standard import Calibration
from gis.strokes import strokes_of
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
SECTIONS = [
    Sec("A", "a", "main", "road.main"),
    Sec("B", "b", "secondary", "road.secondary"),
    Sec("C", "c", "branch", "road.branch"),
]
SEGMENTS = [
    Seg("a1", "A", (0, 0), (600, 0), (0, 600)),
    Seg("a2", "A", (600, 0), (1000, 0), (600, 1000)),
    Seg("a3", "A", (1000, 20), (0, 20), (1000, 0)),
    Seg("b1", "B", (0, 0), (0, 500), (0, 500)),
    Seg("c1", "C", (0, 500), (300, 500), (0, 300)),
]
LENGTH = {"a1": 600, "a2": 400, "a3": 1000, "b1": 500, "c1": 300}
NETWORK = make_network(SECTIONS, SEGMENTS)
START = ms("2026-03-18 08:00")


@cache
def standard():
    return load_standard("xiangshan-2019")


@cache
def crew() -> Crew:
    return build_crew(
        DAY, ZONE, standard(),
        persons=frame(PERSONS, [(f"p{i}", f"p{i}", "squad_member", "squad-1", "T1", None, None, None) for i in (1, 2)]),
        devices=frame(DEVICES, [("d1", "phone", "ebike"), ("d2", "phone", "foot")]),
        assignments=frame(ASSIGNMENTS, [(f"d{i}", f"p{i}", None, utc("2026-01-01"), None) for i in (1, 2)]),
        responsibilities=frame(
            RESPONSIBILITIES,
            [(s, p, "responsible", "section", s, None, None, None, None, True, None, None, None) for s, p in (("A", "p1"), ("B", "p2"), ("C", "p1"))],
        ),
        exceptions=frame(EXCEPTIONS, [("E1", "works", "section", "B", None, utc("2026-03-18 13:00"), utc("2026-03-18 15:30"), "施工", "甲", utc("2026-03-17"))]),
    )  # fmt: skip


EXC = frame(
    EXCEPTIONS,
    [
        (
            "E1",
            "works",
            "section",
            "B",
            None,
            utc("2026-03-18 13:00"),
            utc("2026-03-18 15:30"),
            "施工",
            "甲",
            utc("2026-03-17"),
        )
    ],
)


def passes_of(goes: list[Go]) -> Passes:
    return make_passes(NETWORK, goes, {"d1": Mode.EBIKE, "d2": Mode.FOOT})


def fixes_of(heard: dict[int, list[tuple[int, int]]]) -> Fixes:
    parts = [(d, np.arange(a, b, 60_000)) for d in (0, 1) for a, b in sorted(heard.get(d, []))]
    dev = np.concatenate([np.full(len(t), d, dtype=np.int32) for d, t in parts] or [np.zeros(0, dtype=np.int32)])
    t = np.concatenate([t for _, t in parts] or [np.zeros(0, dtype=np.int64)]).astype(np.int64)
    z = np.zeros(len(t))
    to_and_fro = 40.0 * (np.arange(len(t)) % 2)  # no phone in a drawer
    return Fixes(dev, t, to_and_fro, z, z.astype(np.uint16), dev.copy(), ("d1", "d2"), np.array([1, 0], dtype=np.int8))


def audit(passes: Passes, fixes: Fixes, network=NETWORK, rules=None) -> RoadFrequency:
    crew_of_day = with_fixes(crew(), fixes, standard())
    return road_frequency(network, passes, crew_of_day, rules or standard(), DAY, ZONE, exceptions=EXC)


@st.composite
def go(draw) -> Go:
    segment = draw(st.sampled_from(sorted(LENGTH)))
    a, b = draw(st.integers(0, LENGTH[segment])), draw(st.integers(0, LENGTH[segment]))
    enter = START + draw(st.integers(0, 10 * 3600)) * 1000
    return Go(
        draw(st.sampled_from(["d1", "d2"])), segment, a, b, enter, enter + draw(st.integers(1, 1800)) * 1000,
        seen=draw(st.booleans()) or draw(st.booleans()), confidence=draw(st.sampled_from([0.5, 0.9, 0.99])),
    )  # fmt: skip


hours = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), max_size=3)


def heard_of(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(START + a * 3_600_000, START + (a + n) * 3_600_000) for a, n in sorted(set(spans))]


def rows(result: RoadFrequency) -> list[list[object]]:
    return result.section_windows.drop(columns=["passes"]).fillna("").to_numpy().tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(go(), max_size=25), hours)
def test_windows_add_up(goes: list[Go], spans: list[tuple[int, int]]) -> None:
    days = audit(passes_of(goes), fixes_of({0: heard_of(spans)})).section_days
    assert (days["windows"] == days["covered"] + days["missed"] + days["unknown"] + days["excused"]).all()
    assert days["windows"].tolist() == [8, 4, 1]
    km = days["km_covered"] + days["km_missed"] + days["km_unknown"] + days["km_excused"]
    assert np.allclose(km, days["km_windows"], rtol=0, atol=1e-12)
    asked = days[days["rate_low"].notna()]
    assert (asked["rate_low"] <= asked["rate_high"]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(go(), max_size=20), go(), hours)
def test_a_pass_more_never_lowers_coverage(goes: list[Go], more: Go, spans: list[tuple[int, int]]) -> None:
    fixes = fixes_of({0: heard_of(spans)})
    before, after = (audit(passes_of(g), fixes).section_windows for g in (goes, [*goes, more]))
    assert (after["covered_mm"] >= before["covered_mm"]).all()
    assert (after["covered_mm_responsible"] >= before["covered_mm_responsible"]).all()
    assert after["outcome"][before["outcome"] == "covered"].eq("covered").all()


@settings(max_examples=60, deadline=None)
@given(st.lists(go(), max_size=20), hours, hours)
def test_a_switched_off_phone_never_raises_the_lower_bound(
    goes: list[Go], one: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    on = audit(passes_of(goes), fixes_of({0: heard_of(one), 1: heard_of(two)})).section_days
    off = audit(passes_of([g for g in goes if g.device != "d1"]), fixes_of({1: heard_of(two)})).section_days
    assert (off["rate_low"].fillna(0) <= on["rate_low"].fillna(0) + 1e-12).all()
    assert (off["covered"] <= on["covered"]).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(go(), max_size=20), st.randoms())
def test_the_order_of_passes_does_not_matter(goes: list[Go], random) -> None:
    passes, fixes = passes_of(goes), fixes_of({})
    order = list(range(len(goes)))
    random.shuffle(order)
    o = np.array(order, dtype=np.int64)
    arrays = {f: getattr(passes, f)[o] for f in passes.__slots__ if f not in {"devices", "mode"}}
    mixed = replace(passes, **arrays)
    a, b = audit(passes, fixes), audit(mixed, fixes)
    for name in ("section_windows", "section_days", "segment_days"):
        assert getattr(a, name).equals(getattr(b, name)), name


@settings(max_examples=60, deadline=None)
@given(st.lists(go(), max_size=15), st.integers(1, 9))
def test_a_pass_cut_in_two_changes_nothing(goes: list[Go], tenths: int) -> None:
    # Times and places of the cut are whole, so the two halves lie exactly on the whole. All are at most 1 m/s: speed is judged over a
    # minute about a pass (`measure.pace_s`), so a half of a pass near the limit may be judged by another minute than the whole.
    goes = [
        replace(
            g,
            leave_ms=g.enter_ms
            + 10_000 * round(max((g.leave_ms - g.enter_ms) / 10_000, abs(g.to_m - g.from_m) / 10) + 1),
        )
        for g in goes
    ]
    halves = []
    for g in goes:
        t = g.enter_ms + (g.leave_ms - g.enter_ms) * tenths // 10
        at = round(g.from_m + (g.to_m - g.from_m) * tenths / 10, 3)
        halves += [replace(g, to_m=at, leave_ms=t), replace(g, from_m=at, enter_ms=t)]
    a, b = audit(passes_of(goes), fixes_of({})), audit(passes_of(halves), fixes_of({}))
    x, y = a.section_windows, b.section_windows
    # a window edge may fall between two whole millimetres of a half
    assert (x["covered_mm"] - y["covered_mm"]).abs().max() <= 4
    assert (a.section_days["completed_patrols"] == b.section_days["completed_patrols"]).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(go(), max_size=20))
def test_reversed_segments_give_the_same(goes: list[Go]) -> None:
    back = make_network(SECTIONS, [replace(s, a=s.b, b=s.a, measure=(s.measure[1], s.measure[0])) for s in SEGMENTS])
    turned = [replace(g, from_m=LENGTH[g.segment] - g.from_m, to_m=LENGTH[g.segment] - g.to_m) for g in goes]
    a = audit(passes_of(goes), fixes_of({}))
    b = audit(make_passes(back, turned, {"d1": Mode.EBIKE, "d2": Mode.FOOT}), fixes_of({}), network=back)
    assert rows(a) == rows(b)
    assert a.section_days.equals(b.section_days)


@settings(max_examples=40, deadline=None)
@given(st.lists(go(), max_size=20), hours, st.integers(1, 4))
def test_groups_of_sections_judged_apart_give_the_same(
    goes: list[Go], spans: list[tuple[int, int]], parts: int
) -> None:
    network = make_network(
        SECTIONS, [SEGMENTS[i] for i in (4, 0, 3, 2, 1)]
    )  # segments of a section do not stand together
    passes = make_passes(network, goes, {"d1": Mode.EBIKE, "d2": Mode.FOOT})
    people = with_fixes(crew(), fixes_of({0: heard_of(spans)}), standard())
    whole = road_frequency(network, passes, people, standard(), DAY, ZONE, exceptions=EXC)
    apart = RoadsByParts(parts, None, silent)(network, passes, people, standard(), DAY, ZONE, exceptions=EXC)
    groups = road_parts(network, passes, strokes_of(network, passes, standard()), parts)
    assert 1 <= len(groups) <= min(parts, len(SECTIONS))
    assert sum(len(g.network.sections) for g in groups) == len(SECTIONS)
    for name in ("section_windows", "section_days", "segment_days"):
        # a group whose column is all empty may hold it in another type: what is stored is the same
        pd.testing.assert_frame_equal(getattr(apart, name), getattr(whole, name), check_exact=True, check_dtype=False)


def test_a_day_without_any_position_calls_nothing_missed_even_where_nobody_is_named() -> None:
    # D is named for nobody: where both were heard all day and neither came, it is missed, and charged to the unit.
    network = make_network(
        [*SECTIONS, Sec("D", "d", "branch", "road.branch")], [*SEGMENTS, Seg("d1", "D", (0, 900), (400, 900), (0, 400))]
    )
    none = make_passes(network, [], {"d1": Mode.EBIKE, "d2": Mode.FOOT})
    day = [(START, START + 10 * 3_600_000)]
    told = ["outcome", "cause", "attribution"]
    plain = standard().model_copy(update={"calibration": Calibration()})
    heard = audit(none, fixes_of({0: day, 1: day}), network, plain).section_windows
    assert heard.loc[heard["section_id"] == "D", told].to_numpy().tolist() == [["missed", "not_passed", "unit"]]
    # p2 was on duty and not heard: he can have walked D, whoever is named for it.
    half = audit(none, fixes_of({0: day}), network, plain).section_windows
    assert half.loc[half["section_id"] == "D", told].to_numpy().tolist() == [["unknown", "silent", "unit"]]
    mute = audit(none, fixes_of({}), network).section_windows
    assert set(mute["outcome"]) == {"unknown", "excused"}
    assert set(mute.loc[mute["outcome"] == "unknown", "cause"]) == {"no_data"}
