"""Which count the verdict takes and how the required figure is rounded, by hand on two grids."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import geopandas as gpd
import pyproj
import pytest
from hand_network import ASSIGNMENTS, DEVICES, EXCEPTIONS, PERSONS, RESPONSIBILITIES, X0, Y0, frame, utc
from shapely.geometry import box

from gis.crew import build_crew
from gis.density import density
from gis.placement import next_inspectors
from gis.surface import density_surface
from layers.standard_files import load_standard, parse_standard

if TYPE_CHECKING:
    import pandas as pd

CRS, DAY, ZONE = pyproj.CRS(4550), date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
CELL_KM2 = 0.0625


def standard(verdict="allocated", quotient="exact"):
    return parse_standard(
        f'extends = "xiangshan-2019"\n[density.verdict]\nvalue = "{verdict}"\n[density.quotient]\nvalue = "{quotient}"\n'
    )


def grids():
    """G1 of 0.8 km² and G2 of 0.6 km², both central: 1.6 and 1.2 persons by the exact quotient."""
    shapes = [box(X0, Y0, X0 + 1000, Y0 + 800), box(X0 + 5000, Y0, X0 + 6000, Y0 + 600)]
    ids = {"grid_id": ["G1", "G2"], "name": ["甲", "乙"], "level": "central", "town_id": "T1", "unit_id": "U"}
    return gpd.GeoDataFrame(ids, geometry=shapes, crs=CRS)


def crew(given, *, people=3):
    """p1 and p2 named for G1, p3 for G2; p1 is on leave in the afternoon: 1.5 on duty in G1."""
    names = [f"p{i + 1}" for i in range(people)]
    duties = [(f"r{p}", p, "responsible", "work_grid", "G2" if p == "p3" else "G1", *[None] * 4, True, None, None, None) for p in names]  # fmt: skip
    leave = (
        "x",
        "leave",
        "person",
        "p1",
        None,
        utc("2026-03-18 13:00"),
        utc("2026-03-18 18:00"),
        "病假",
        "王",
        utc("2026-03-17 09:00"),
    )
    return build_crew(
        DAY, ZONE, given, persons=frame(PERSONS, [(p, p, "collector", "centre", "T1", "08:00-18:00", None, None) for p in names]),
        devices=frame(DEVICES), assignments=frame(ASSIGNMENTS), responsibilities=frame(RESPONSIBILITIES, duties),
        exceptions=frame(EXCEPTIONS, [leave] if people else []),
    )  # fmt: skip


def judged(given, **kw) -> pd.DataFrame:
    areas = gpd.GeoDataFrame({"kind": []}, geometry=[], crs=4326)
    return density(crew(given, **kw), None, given, work_grids=grids().to_crs(4326), areas=areas, crs=CRS)


def rows(table):
    """Required, gap and verdict of G1, G2 and the county."""
    found = table.set_index(["level", "area_id"]).loc[[("work_grid", "G1"), ("work_grid", "G2"), ("county", "county")]]
    return [(round(r.required, 2), round(r.gap, 2), r.verdict) for r in found.itertuples()]


CASES = {
    # two allocated in G1 and one in G2; 1.6 + 1.2 = 2.8 of the county's three
    ("allocated", "exact"): [(1.6, 0.0, "enough"), (1.2, 0.2, "short"), (2.8, 0.0, "enough")],
    # 1.5 on duty in G1; of the county 2.5 of 2.8
    ("on_duty", "exact"): [(1.6, 0.1, "short"), (1.2, 0.2, "short"), (2.8, 0.3, "short")],
    # rounded up in each grid: 2 + 2 = 4
    ("allocated", "ceiling"): [(2.0, 0.0, "enough"), (2.0, 1.0, "short"), (4.0, 1.0, "short")],
    ("on_duty", "ceiling"): [(2.0, 0.5, "short"), (2.0, 1.0, "short"), (4.0, 1.5, "short")],
}


@pytest.mark.parametrize(("verdict", "quotient"), list(CASES))
def test_verdict_and_gap_follow_the_standard(verdict, quotient):
    table = judged(standard(verdict, quotient))
    assert rows(table) == CASES[verdict, quotient]
    one = table.set_index(["level", "area_id"]).loc[("work_grid", "G1")]
    assert (one["allocated"], one["on_duty"]) == (2.0, 1.5)  # both are told, whichever decides


@pytest.mark.parametrize("counted", ["allocated", "on_duty"])
def test_the_map_and_the_next_inspectors_lack_what_the_table_lacks(counted):
    table = judged(standard(counted))
    whole = {r.area_id: r.gap for r in table[table["level"] == "work_grid"].itertuples()}
    surface = density_surface(grids(), table, crs=CRS, counted=counted)
    assert surface["gap_km2"].sum() * CELL_KM2 == pytest.approx(sum(whole.values()), rel=0.02)
    plan = next_inspectors(table, 9, counted=counted)
    assert dict(zip(plan["area_id"], plan["gap_before"], strict=True)) == pytest.approx(
        {k: v for k, v in whole.items() if v > 0}
    )


def test_an_area_that_is_a_whole_number_is_not_rounded_up():
    """0.5 km² asks for one person, not two for the sake of the last bit."""
    given = standard(quotient="ceiling")
    exact = load_standard("xiangshan-2019")
    shape = grids().iloc[:1].to_crs(4326)
    areas = gpd.GeoDataFrame({"kind": []}, geometry=[], crs=4326)
    whole = density(crew(exact), None, exact, work_grids=shape, areas=areas, crs=CRS)["required"].iloc[0]
    text = f'extends = "xiangshan-2019"\n[density.quotient]\nvalue = "ceiling"\n[rules."density.central"]\nkm2_per_person = {float(whole) * 0.5 / 3!r}\n'
    third = parse_standard(text)  # the area is three times the figure, but for rounding
    assert density(crew(third), None, third, work_grids=shape, areas=areas, crs=CRS)["required"].iloc[0] == 3.0
    assert rows(judged(given))[0][0] == 2.0


def test_without_a_roster_nothing_is_decided_whichever_count_is_asked_for():
    assert set(judged(standard("on_duty", "ceiling"), people=0)["verdict"]) == {"undecided"}
