"""Who is on duty and what is known of them, and whom one may send: counted by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from town import CITY, DAY, add_to, fill, frame, heard_at, ms

from dashboards.app import create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.command_day import day_of
from dashboards.command_people import counted, nearest, people_at
from dashboards.desk_command import Fixes, newest_so_far
from dashboards.pages.command import people_of
from dashboards.settings import DeskSettings
from layers.store import open_store

MIN = 60_000
NOON = 720 * MIN


def ground(staff, carried):
    """Persons on duty (id, from, to) and what they carry (id, mode, from, to), times in minutes."""
    on = pd.DataFrame(staff, columns=["person_id", "from_ms", "to_ms"]).assign(role="squad_member", unit_id="Z1")
    held = pd.DataFrame(carried, columns=["person_id", "mode", "from_ms", "to_ms"])
    for table in (on, held):
        table[["from_ms", "to_ms"]] *= MIN
    duty = held.merge(on, on="person_id", suffixes=("", "_on"))
    duty["from_ms"], duty["to_ms"] = (
        duty[["from_ms", "from_ms_on"]].max(axis=1),
        duty[["to_ms", "to_ms_on"]].min(axis=1),
    )
    return SimpleNamespace(duty=duty[duty["from_ms"] < duty["to_ms"]], staff=on, carried=held)


def fixes(heard):
    """Fixes (person, minute), as soon arrived as sent."""
    persons = sorted({p for p, _ in heard})
    t = np.concatenate([sorted(m * MIN for q, m in heard if q == p) for p in persons] or [np.zeros(0)]).astype(np.int64)
    ptr = np.cumsum([0, *(sum(q == p for q, _ in heard) for p in persons)]).astype(np.int64)
    xy = np.zeros((len(t), 2))
    return Fixes(np.array(persons, dtype=object), ptr, t, newest_so_far(t, ptr), t, xy, xy)


def status(g, f, minute, **more):
    return people_at(g, f, minute * MIN, silence_s=300, **more).set_index("person_id")["status"].to_dict()


def test_each_on_duty_is_in_one_status():
    g = ground([("A", 0, 600), ("B", 0, 600), ("C", 0, 600), ("D", 0, 600), ("E", 0, 100)],
               [("A", 0, 0, 600), ("B", 0, 0, 600), ("C", 0, 0, 600), ("E", 0, 0, 600)])  # fmt: skip
    f = fixes([("A", 199), ("B", 190), ("E", 90)])
    assert status(g, f, 200) == {"A": "heard", "B": "silent", "C": "unheard", "D": "no_device"}  # E is off duty
    assert status(g, f, 195)["B"] == "heard"  # five minutes are the wait for the next fix
    found = people_at(g, f, 200 * MIN, silence_s=300)
    assert counted(found) == {"heard": 1, "silent": 1, "unheard": 1, "no_device": 1, "untold": 0}
    assert sum(counted(found).values()) == len(found)


def test_a_device_handed_over_at_noon_and_one_of_two_that_is_dead():
    g = ground([("A", 0, 1000), ("B", 0, 1000), ("C", 0, 1000)],
               [("A", 0, 0, 720), ("B", 0, 720, 1440), ("C", 1, 0, 1440), ("C", 2, 0, 1440)])  # fmt: skip
    f = fixes([("A", 719), ("B", 722), ("C", 722)])  # C carries two devices, one of which sends nothing
    assert status(g, f, 719) == {"A": "heard", "B": "no_device", "C": "unheard"}
    assert status(g, f, 723) == {"A": "no_device", "B": "heard", "C": "heard"}
    assert people_at(g, f, 723 * MIN, silence_s=300)["mode"].tolist() == [-1, 0, 2]


def test_nobody_is_called_silent_on_a_day_without_any_position():
    g = ground([("A", 0, 600), ("B", 0, 600)], [("A", 0, 0, 600)])
    assert status(g, fixes([]), 200, blind=True) == {"A": "untold", "B": "no_device"}
    assert status(g, fixes([]), 700, blind=True) == {}  # nobody is on duty


# --- whom one may send ---
@pytest.fixture
def desk(tmp_path):
    """The small county: A's member stands on street 0, B's on street 3; the streets do not meet."""
    store = open_store(f"embedded:{tmp_path / 'store'}")
    store.prepare()
    fill(store)
    yield create_desk(store, CITY, DeskSettings())
    store.close()


def sent(desk, hour, rows, change=None):
    """For sections: whom, way, minutes, age and whether silent."""
    view = desk.view_of(Principal("v", "command", Scope.parse("county")), "zh")
    d = day_of(view, DAY)
    people = people_of(view, d, DAY, ms(hour), live=False)
    people = people if change is None else change(people)
    return [
        (n.person_id, round(n.way_m) if n.person_id else None, round(n.minutes) if n.person_id else None, n.silent)
        for n in nearest(view, DAY, d.ground, people, rows)
    ]


def test_one_who_may_patrol_it_and_was_heard_of_lately_and_can_get_there(desk):
    heard_at(desk.store, ms(9))
    # street 1 meets no other: nobody gets there, though A's member is 560 m away as the crow flies
    assert sent(desk, 9.01, [0, 3, 1]) == [("pA", 0, 0, False), ("pB", 0, 0, False), ("", None, None, False)]
    # forty minutes later both are silent: where they are is not known
    assert sent(desk, 9.7, [0]) == [("pA", 0, 0, True)]


def test_one_whom_the_rule_does_not_name_is_not_sent(desk):
    heard_at(desk.store, ms(9))
    assert sent(desk, 9.01, [0], lambda p: p.assign(role="grid_member")) == [("", None, None, False)]
    assert sent(desk, 9.01, [0], lambda p: p.iloc[:0]) == [("", None, None, False)]


def test_the_silent_one_comes_after_everyone_heard_of(desk):
    heard_at(desk.store, ms(9))

    def nearer_and_silent(people):
        other = people[people["person_id"] == "pA"].assign(person_id="pZ", status="silent", age_s=5340.0)
        away = people.assign(x=people["x"] + 500)
        return pd.concat([other, away], ignore_index=True)

    ((who, way, minutes, silent),) = sent(desk, 9.01, [0], nearer_and_silent)
    assert (who, silent) == ("pA", False)
    assert 45 < way < 60  # 500 m east the street has climbed about 55 m: what he stands off it; on it he is there
    assert minutes == round(way / (10_000 / 60))  # 10 km/h on foot


def test_a_person_of_the_scope_alone_is_sent(desk):
    heard_at(desk.store, ms(9))
    view = desk.view_of(Principal("v", "command", Scope.parse("squad:squadB")), "zh")
    d = day_of(view, DAY)
    people = people_of(view, d, DAY, ms(9.01), live=False)
    assert people["person_id"].tolist() == ["pB"]
    assert [n.person_id for n in nearest(view, DAY, d.ground, people, [0])] == ["pB"]


def test_a_squad_whose_only_member_is_on_leave_has_nobody_to_send(desk):
    heard_at(desk.store, ms(9))
    leave = frame("exceptions", [
        {"exception_id": "L1", "kind": "leave", "target_kind": "person", "target_id": "pB", "starts": pd.Timestamp(ms(0), unit="ms", tz="UTC"),
         "ends": pd.Timestamp(ms(24), unit="ms", tz="UTC"), "reason": "病假", "approver": "局长",
         "entered_at": pd.Timestamp(ms(0), unit="ms", tz="UTC")},
    ])  # fmt: skip
    add_to(desk.store, "exceptions", leave)
    run = desk.store.current_run(DAY)
    newest = {e.table: e.edition_id for e in sorted(desk.store.editions(), key=lambda e: e.valid_from)}
    desk.store.publish(replace(run, run_id="run2", editions=newest), {}, [])
    view = desk.view_of(Principal("v", "command", Scope.parse("squad:squadB")), "zh")
    d = day_of(view, DAY)
    people = people_of(view, d, DAY, ms(9.01), live=False)
    assert people.empty
    assert sum(counted(people).values()) == 0
    assert [n.person_id for n in nearest(view, DAY, d.ground, people, [0])] == [""]
