"""Persons present, counted by hand: one definition for the table of density and for its map."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
import pyproj
import pytest
from hand_network import ASSIGNMENTS, DEVICES, EXCEPTIONS, PERSONS, RESPONSIBILITIES, X0, Y0, frame, ms, utc
from shapely.geometry import box

from gis.crew import build_crew
from gis.density import density
from gis.model import Fixes, FixFlag
from gis.presence import presence_of
from gis.surface import density_surface
from layers.standard_files import load_standard

STANDARD, CRS = load_standard("xiangshan-2019"), pyproj.CRS(4550)
CELL_KM2 = 0.0625
DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
HERE, THERE = (300.0, 300.0), (5300.0, 300.0)  # in grid G1 and in grid G2


def at(clock):
    return ms(f"2026-03-18 {clock}")


def fixes_of(tracks, flags=0):
    """Fixes of (device, from, to, step in s, place)."""
    names = tuple(sorted({t[0] for t in tracks}))
    rows = [
        (names.index(d), t, X0 + x, Y0 + y)
        for d, begin, end, step, (x, y) in tracks
        for t in range(at(begin), at(end), step * 1000)
    ]
    dev, t, x, y = (np.array(c) for c in zip(*sorted(rows), strict=True))
    zero = np.zeros(len(t), np.int32)
    return Fixes(
        dev.astype(np.int32), t, x, y, np.full(len(t), flags, np.uint16), zero, names, np.zeros(len(names), np.int8)
    )


def crew_of(*assigned, role="collector", duty="08:00-18:00"):
    """Persons p1 (and p2) with what they carried: (device, person, from, to)."""
    rows = [(d, p, None, utc(f"2026-03-18 {a}"), utc(f"2026-03-18 {b}")) for d, p, a, b in assigned]
    people = sorted({p for _, p, _, _ in assigned})
    return build_crew(
        DAY, ZONE, STANDARD, persons=frame(PERSONS, [(p, p, role, "centre", "T1", duty, None, None) for p in people]),
        devices=frame(DEVICES, [(d, "phone", "foot") for d in sorted({a[0] for a in assigned})]),
        assignments=frame(ASSIGNMENTS, rows), responsibilities=frame(RESPONSIBILITIES), exceptions=frame(EXCEPTIONS),
    )  # fmt: skip


def grids():
    """Two grids of 1 km by 1 km, four kilometres apart: nothing of one is smoothed into the other."""
    shapes = [box(X0 + x, Y0, X0 + x + 1000, Y0 + 1000) for x in (0, 5000)]
    ids = {"grid_id": ["G1", "G2"], "name": ["甲", "乙"], "level": "central", "town_id": "T1", "unit_id": "U"}
    return gpd.GeoDataFrame(ids, geometry=shapes, crs=CRS)


def table_and_map(crew, fixes):
    """Persons present in each grid: by the table, and by the integral of the surface."""
    presence = presence_of(crew, fixes, STANDARD)
    areas = gpd.GeoDataFrame({"kind": []}, geometry=[], crs=4326)
    table = density(crew, presence, STANDARD, work_grids=grids().to_crs(4326), areas=areas, crs=CRS)
    surface = density_surface(grids(), table, crs=CRS, presence=presence)
    x = surface.to_crs(CRS).geometry.centroid.x
    held = [float(surface["present_km2"][side].sum() * CELL_KM2) for side in (x < X0 + 3000, x > X0 + 3000)]
    rows = table[table["level"] == "work_grid"].set_index("area_id")["present"]
    return rows.loc[["G1", "G2"]].tolist(), held


CASES = {
    # ten hours of watch in all of them
    "all day": ([("d1", "p1", "00:00", "23:59")], [("d1", "08:00", "18:00", 30, HERE)], [1.0, 0.0]),
    "exchanged at one": (
        [("d3", "p1", "00:00", "13:00"), ("d4", "p1", "13:00", "23:59")],
        [("d3", "08:00", "13:00", 30, HERE), ("d4", "13:00", "18:00", 30, HERE)],
        [1.0, 0.0],
    ),
    "exchanged for one with a smaller id": (
        [("d4", "p1", "00:00", "13:00"), ("d3", "p1", "13:00", "23:59")],
        [("d4", "08:00", "13:00", 30, HERE), ("d3", "13:00", "18:00", 30, THERE)],
        [0.5, 0.5],
    ),
    "two phones at once": (
        [("d1", "p1", "00:00", "23:59"), ("d2", "p1", "00:00", "23:59")],
        [("d1", "08:00", "18:00", 30, HERE), ("d2", "08:00", "18:00", 30, HERE)],
        [1.0, 0.0],
    ),
    "two phones, the second on from noon": (
        [("d1", "p1", "00:00", "23:59"), ("d2", "p1", "00:00", "23:59")],
        [("d1", "08:00", "12:00", 30, HERE), ("d2", "12:00", "18:00", 30, HERE)],
        [1.0, 0.0],
    ),
    "three phones in a day": (
        [("d1", "p1", "08:00", "11:00"), ("d2", "p1", "11:00", "14:00"), ("d3", "p1", "14:00", "18:00")],
        [("d1", "08:00", "11:00", 10, HERE), ("d2", "11:00", "14:00", 20, THERE), ("d3", "14:00", "18:00", 30, HERE)],
        [0.7, 0.3],
    ),
    # a fix stands for two minutes at most: sixty of them, ten minutes apart, are two hours of ten
    "a fix in ten minutes": ([("d1", "p1", "00:00", "23:59")], [("d1", "08:00", "18:00", 600, HERE)], [0.2, 0.0]),
    "outside the watch": ([("d1", "p1", "00:00", "23:59")], [("d1", "05:00", "09:00", 30, HERE)], [0.1, 0.0]),
    "a phone handed back": ([("d1", "p1", "00:00", "10:00")], [("d1", "08:00", "18:00", 60, HERE)], [0.2, 0.0]),
    "in no grid": ([("d1", "p1", "00:00", "23:59")], [("d1", "08:00", "18:00", 30, (2500.0, 300.0))], [0.0, 0.0]),
    "beside a grid": ([("d1", "p1", "00:00", "23:59")], [("d1", "08:00", "18:00", 30, (1050.0, 300.0))], [0.0, 0.0]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_person_is_present_once_and_table_and_map_agree(case):
    assigned, tracks, expected = CASES[case]
    table, surface = table_and_map(crew_of(*assigned), fixes_of(tracks))
    assert table == pytest.approx(expected, abs=0.005)
    assert surface == pytest.approx(table, abs=1e-9)


def test_a_person_of_a_role_that_no_density_rule_names_is_on_neither():
    crew = crew_of(("d1", "p1", "00:00", "23:59"), role="squad_member")
    assert table_and_map(crew, fixes_of([("d1", "08:00", "18:00", 30, HERE)])) == ([0.0, 0.0], [0.0, 0.0])


def test_fixes_left_out_tell_nothing():
    crew = crew_of(("d1", "p1", "00:00", "23:59"))
    assert not len(
        presence_of(crew, fixes_of([("d1", "08:00", "18:00", 30, HERE)], int(FixFlag.JUMP)), STANDARD).persons
    )


def test_two_persons_with_a_phone_each_are_two():
    crew = crew_of(("d1", "p1", "00:00", "23:59"), ("d2", "p2", "00:00", "23:59"))
    table, surface = table_and_map(
        crew, fixes_of([("d1", "08:00", "18:00", 30, HERE), ("d2", "08:00", "13:00", 30, THERE)])
    )
    assert table == pytest.approx([1.0, 0.5], abs=0.005)
    assert surface == pytest.approx(table, abs=1e-9)
