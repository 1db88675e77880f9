"""Which squad owns a section, worked by hand: by its work grid, by the persons named for it, by its town, by nobody."""

import pandas as pd
import pytest
from hand_network import PERSONS, RESPONSIBILITIES, Sec, Seg, frame, make_network, ms, utc

from gis.network.squads import owners_of_day, with_owners

DAY = {"start_ms": ms("2026-03-18 00:00"), "end_ms": ms("2026-03-19 00:00")}
UNITS = "unit_id name kind parent_id town_id"
SQUADS = frame(UNITS, [
    ("U0", "局", "county", None, None), ("T1", "一镇", "town", "U0", "T1"), ("Z1", "一中队", "squad", "U0", None),
    ("Z2", "二中队", "squad", "U0", None), ("Z2a", "二中队一组", "group", "Z2", None), ("Z3", "三中队", "squad", "T1", None),
])  # fmt: skip


def network(*units):
    """One street of one section for each unit that its work grid names (empty: no grid); all in town T1."""
    ids = [f"S{k}" for k in range(len(units))]
    return make_network(
        [Sec(i, i, "main", "road.main", unit=u) for i, u in zip(ids, units, strict=True)],
        [Seg(f"e{i}", i, (0, 100 * k), (500, 100 * k), (0, 500)) for k, i in enumerate(ids)],
    )


def person(pid, unit, begins=None, ends=None):
    return (pid, pid, "squad_member", unit, None, None, begins, ends)


def names(*rows):
    """(section, person[, duty, from, to]) as rows of the roster."""
    out = []
    for k, (section, who, *more) in enumerate(rows):
        duty, begins, ends = (*more, *("responsible", None, None)[len(more) :])
        out.append((f"R{k}", who, duty, "section", section, None, None, None, None, True, None, begins, ends))
    return frame(RESPONSIBILITIES, out)


def owned(net, people, roster, units=SQUADS):
    owners = owners_of_day(roster, frame(PERSONS, people), units, **DAY)
    found = with_owners(net, owners, roster).sections
    return list(zip(found["unit_id"].fillna("").tolist(), found["unit_source"].fillna("").tolist(), strict=True))


def test_the_grid_goes_before_the_person_and_the_person_before_the_town():
    people, roster = [person("P1", "Z1"), person("P2", "Z2")], names(("S0", "P1"), ("S1", "P2"))
    assert owned(network("Z1", "", ""), people, roster) == [("Z1", "work_grid"), ("Z2", "responsible"), ("Z3", "town")]
    assert owned(network("Z2", "", ""), people, roster)[0] == ("Z2", "work_grid")


def test_a_grid_of_an_unknown_unit_owns_nothing_unless_no_units_are_loaded():
    assert owned(network("ZX", ""), [person("P1", "Z1")], names(("S0", "P1"))) == [
        ("Z1", "responsible"),
        ("Z3", "town"),
    ]
    assert owned(network("ZX"), [], names(), SQUADS.iloc[:0]) == [("ZX", "work_grid")]


def test_a_person_counts_for_the_squad_above_them_and_only_while_both_are_in_force():
    yesterday = utc("2026-03-17 12:00")
    assert owned(network(""), [person("P1", "Z2a")], names(("S0", "P1"))) == [("Z2", "responsible")]
    assert owned(network(""), [person("P1", "U0")], names(("S0", "P1"))) == [("Z3", "town")]  # the bureau is no squad
    assert owned(network(""), [person("P1", "Z1", ends=yesterday)], names(("S0", "P1"))) == [("Z3", "town")]
    late = names(("S0", "P1", "responsible", None, yesterday))
    assert owned(network(""), [person("P1", "Z1")], late) == [("Z3", "town")]
    assert owned(network(""), [person("P1", "Z1")], names(("S0", "P1", "leader"))) == [("Z3", "town")]


def test_most_of_several_persons_decide_and_a_tie_decides_nothing():
    people = [person("P1", "Z1"), person("P2", "Z2"), person("P3", "Z2")]
    assert owned(network(""), people, names(("S0", "P1"), ("S0", "P2"), ("S0", "P3"))) == [("Z2", "responsible")]
    assert owned(network(""), people, names(("S0", "P1"), ("S0", "P2"))) == [("Z3", "town")]
    # the same person written twice is one person
    assert owned(network(""), people, names(("S0", "P1"), ("S0", "P2"), ("S0", "P2"))) == [("Z3", "town")]


def test_a_town_without_a_squad_and_one_with_two_leave_the_section_to_nobody():
    none = SQUADS[SQUADS["unit_id"] != "Z3"]
    two = pd.concat([SQUADS, frame(UNITS, [("Z4", "四中队", "squad", "U0", "T1")])], ignore_index=True)
    assert owned(network(""), [], names(), none) == [("", "")]
    assert owned(network(""), [], names(), two) == [("", "")]


@pytest.mark.parametrize("change", ["unit", "person", "row"])
def test_the_facts_change_with_whatever_changes_an_owner_and_with_nothing_else(change):
    people, roster = [person("P1", "Z1"), person("P9", "Z1")], names(("S0", "P1"))
    before = owners_of_day(roster, frame(PERSONS, people), SQUADS, **DAY).facts()
    moved = owners_of_day(roster, frame(PERSONS, [person("P1", "Z1"), person("P9", "Z2")]), SQUADS, **DAY).facts()
    assert moved == before  # nobody is named but P1
    units = SQUADS[SQUADS["unit_id"] != "Z3"] if change == "unit" else SQUADS
    people = [person("P1", "Z2")] if change == "person" else people
    roster = roster.iloc[:0] if change == "row" else roster
    assert owners_of_day(roster, frame(PERSONS, people), units, **DAY).facts() != before
