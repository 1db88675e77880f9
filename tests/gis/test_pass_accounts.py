"""What the audit made of each pass, by hand: one main road of 1,000 m, windows of an hour from 08:30, a break 12:00-13:30."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest
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
)  # fmt: skip

from gis.crew import build_crew
from gis.frequency import road_frequency
from gis.model import Mode
from gis.pass_accounts import Why, day_accounts, road_accounts
from layers.standard_files import load_standard

STANDARD, DAY, ZONE = load_standard("xiangshan-2019"), date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
NETWORK = make_network(
    [Sec("A", "a", "main", "road.main"), Sec("F", "f", "no_rule", None)],
    [Seg("a1", "A", (0, 0), (1000, 0), (0, 1000)), Seg("f1", "F", (0, 400), (0, 600), (0, 200))],
)
MODES = dict.fromkeys(("d1", "d2", "d3", "d9"), Mode.FOOT)


def at(clock):
    return ms(f"2026-03-18 {clock}")


def crew(unassigned=()):
    people = [("p1", "squad_member"), ("p2", "collector"), ("p3", "squad_member")]
    held = [("d1", "p1", "00:00", "23:59"), ("d2", "p2", "00:00", "23:59"), ("d3", "p3", "14:00", "15:00")]
    return build_crew(
        DAY, ZONE, STANDARD, persons=frame(PERSONS, [(p, p, r, "s", "T1", "08:30-12:00,13:30-17:30", None, None) for p, r in people]),
        devices=frame(DEVICES, [(d, "phone", "foot") for d in MODES]),
        assignments=frame(ASSIGNMENTS, [(d, p, None, utc(f"2026-03-18 {a}"), utc(f"2026-03-18 {b}")) for d, p, a, b in held]),
        responsibilities=frame(RESPONSIBILITIES), exceptions=frame(EXCEPTIONS), unassigned_modes=unassigned,
    )  # fmt: skip


def road(goes, window=None, unassigned=()):
    """Reasons, counted in part, and roles of each pass, in order of device and time."""
    passes = make_passes(NETWORK, goes, MODES)
    given = (NETWORK, passes, crew(unassigned), STANDARD, DAY, ZONE)
    found = road_accounts(*given)
    rows = None if window is None else found.rows(window)
    a = found.accounts
    # what is called counted is what the audit counts
    windows = road_frequency(*given, exceptions=frame(EXCEPTIONS)).section_windows
    counted = np.bincount(a.pieces.row[a.counted_pieces() & (a.pieces.row >= 0)], minlength=len(windows))
    assert counted.tolist() == windows["passes"].tolist()
    return a.why(rows).tolist(), a.in_part(rows).tolist(), a.roles.tolist()


def walk(device, begin, end, segment="a1", length=600):
    return Go(device, segment, 0, length, at(begin), at(end))


CASES = {
    "counted": (walk("d1", "08:40", "08:50"), 0, "squad_member"),
    "a role that the rule does not name": (walk("d2", "08:40", "08:50"), Why.ROLE, "collector"),
    "nobody's device": (walk("d9", "08:40", "08:50"), Why.NOBODY, ""),
    "before duty": (walk("d1", "08:00", "08:10"), Why.OFF_DUTY, ""),
    "in the break": (walk("d1", "12:10", "12:20"), Why.OFF_DUTY, ""),
    "handed back": (walk("d3", "15:10", "15:20"), Why.OFF_DUTY, ""),
    "ends as duty begins": (walk("d1", "08:20", "08:30"), Why.OFF_DUTY, ""),
    "too fast": (walk("d1", "08:40", "08:42"), Why.TOO_FAST, "squad_member"),  # 600 m in 120 s are 18 km/h
    "too fast and of another role": (walk("d2", "08:40", "08:42"), Why.TOO_FAST | Why.ROLE, "collector"),
    "where no rule applies": (walk("d1", "08:40", "08:50", "f1", 200), Why.NO_RULE, "squad_member"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_reason(case):
    go, why, roles = CASES[case]
    assert road([go]) == ([int(why)], [False], [roles])


def test_a_pass_that_begins_before_duty_counts_for_its_time_on_duty():
    goes = [walk("d1", "08:29:59", "08:39:29"), walk("d1", "11:55", "12:05")]
    assert road(goes) == ([0, 0], [True, True], ["squad_member"] * 2)


def test_a_pass_counts_in_the_windows_that_it_lies_in():
    goes = [walk("d1", "09:20", "09:40")]  # half in the first window, half in the second
    assert road(goes, 0) == ([0], [True], ["squad_member"])
    assert road(goes, 1) == ([0], [True], ["squad_member"])
    assert road(goes, 2) == ([int(Why.OUTSIDE)], [False], ["squad_member"])
    assert road(goes) == ([0], [False], ["squad_member"])


def test_devices_of_nobody_count_where_the_city_file_says_so():
    goes = [walk("d9", "08:40", "08:50"), walk("d9", "08:55", "08:57")]
    assert road(goes, unassigned=(Mode.FOOT,))[0] == [0, int(Why.TOO_FAST)]
    assert road(goes, unassigned=(Mode.VEHICLE,))[0] == [int(Why.NOBODY), int(Why.NOBODY | Why.TOO_FAST)]


def test_inferred_passes_and_two_persons_with_one_phone():
    passes = make_passes(NETWORK, [walk("d1", "08:40", "08:50")], MODES)
    passes.seen[:] = False
    found = road_accounts(NETWORK, passes, crew(), STANDARD, DAY, ZONE).accounts
    assert found.why().tolist() == [int(Why.INFERRED)]


def test_a_rule_of_the_whole_day_counts_any_hour_of_its_roles():
    goes = [
        walk("d2", "08:40", "08:50"),
        walk("d2", "12:10", "12:20"),
        walk("d1", "09:00", "09:10"),
        walk("d2", "16:00", "16:02"),
    ]
    found = day_accounts(NETWORK, make_passes(NETWORK, goes, MODES), crew(), STANDARD, ("collector",))
    why = [int(Why.ROLE), 0, int(Why.OFF_DUTY), int(Why.TOO_FAST)]  # d1 before d2
    assert found.why().tolist() == why
    assert found.counted_pieces().tolist() == [True, False]
