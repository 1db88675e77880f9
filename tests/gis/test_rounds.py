"""Rounds that only inferred passes would complete: unknown, not missed. Counted by hand on one street of 1 km."""

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
    Go,
    Sec,
    Seg,
    frame,
    make_network,
    make_passes,
    ms,
    utc,
)
from shapely.geometry import box

from gis.crew import build_crew
from gis.model import Mode
from gis.rounds import grid_rounds
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
NETWORK = make_network(
    [Sec("A", "a", "branch", "road.branch", grid="G")], [Seg("a", "A", (0, 0), (1000, 0), (0, 1000))]
)
GRIDS = gpd.GeoDataFrame(
    {"grid_id": ["G"], "name": ["G"], "level": ["central"], "town_id": ["T1"], "unit_id": ["squad-1"]},
    geometry=[box(121, 29, 122, 30)], crs=4326,
)  # fmt: skip
STANDARD = load_standard("xiangshan-2019")
NO_EXCEPTIONS = frame(EXCEPTIONS)


def grid_day(goes):
    crew = build_crew(
        DAY, ZONE, STANDARD,
        persons=frame(PERSONS, [("p", "甲", "collector", "squad-1", "T1", None, None, None)]),
        devices=frame(DEVICES, [("d", "phone", "ebike")]),
        assignments=frame(ASSIGNMENTS, [("d", "p", None, utc("2026-01-01"), None)]),
        responsibilities=frame(
            RESPONSIBILITIES, [("r", "p", "responsible", "work_grid", "G", None, None, None, None, True, None, None, None)]
        ),
        exceptions=NO_EXCEPTIONS,
    )  # fmt: skip
    passes = make_passes(NETWORK, goes, {"d": Mode.EBIKE})
    found = grid_rounds(NETWORK, passes, crew, STANDARD, DAY, ZONE, work_grids=GRIDS, exceptions=NO_EXCEPTIONS)
    return found.grid_days.iloc[0]


def to_and_fro(seen):
    """One pass from end to end every ten minutes from 09:00, five minutes each (12 km/h), there and back in turns."""
    begin = ms("2026-03-18 09:00")
    return [
        Go("d", "a", *((0, 1000) if k % 2 == 0 else (1000, 0)), begin + k * 600_000, begin + k * 600_000 + 300_000, seen=s)
        for k, s in enumerate(seen)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "completed", "outcome", "cause"),
    [
        # 50 cells of 20 m, of which a round needs 48 (95 % are 950 m). A pass completes its round two cells before its end; these two begin
        # the next one and are the first of the pass back: so each pass is one round. Six are owed in a central grid.
        ([True] * 6, 6, "covered", None),
        # four are seen; with the two inferred ones there would be six: nobody can say that they were not done
        ([True] * 4 + [False] * 2, 4, "unknown", "inferred"),
        ([False] * 6, 0, "unknown", "inferred"),
        # with one inferred pass there would be five at most: missed whatever was true there
        ([True] * 4 + [False], 4, "missed", "partial"),
        ([False] * 5, 0, "missed", "not_passed"),
        # what is inferred adds nothing to what is enough
        ([True] * 6 + [False], 6, "covered", None),
    ],
)
def test_rounds_that_only_inferred_passes_would_complete_are_unknown(seen, completed, outcome, cause):
    day = grid_day(to_and_fro(seen))
    assert (day["required_rounds"], day["completed_rounds"]) == (6, completed)
    assert (day["outcome"], day["cause"]) == (outcome, cause)


def test_an_inferred_half_completes_a_seen_half():
    # Five seen rounds, the last there from 0 to 1,000 m, which leaves 40 m (960-1,000) of the sixth. Of that, 500 m more are seen: 540 of 950.
    # With the half that is inferred it is the whole street.
    begin = ms("2026-03-18 11:00")
    half = [
        Go("d", "a", 0, 500, begin, begin + 150_000),
        Go("d", "a", 500, 1000, begin + 150_000, begin + 300_000, seen=False),
    ]
    day = grid_day([*to_and_fro([True] * 5), *half])
    assert (day["completed_rounds"], day["outcome"], day["cause"]) == (5, "unknown", "inferred")
