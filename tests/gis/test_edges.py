"""Where a rule turns from one call to the other: to the millisecond and the millimetre, counted by hand."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
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
from shapely.geometry import box

from gis.coverage import WindowSets, gaps
from gis.crew import build_crew, with_fixes
from gis.frequency import road_frequency
from gis.hotspots import HotspotSettings, case_hotspots
from gis.model import Fixes, Mode
from gis.standard import Calibration
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
STANDARD = load_standard("xiangshan-2019").model_copy(update={"calibration": Calibration()})
NONE = [None] * 4


def crew_silent_for(seconds: float):
    """Zhang on an e-bike, heard at metre 0 every 30 s all day but for one silence from 09:00:00."""
    crew = build_crew(
        DAY, ZONE, STANDARD, persons=frame(PERSONS, [("p1", "张三", "squad_member", "squad-1", "T1", None, None, None)]),
        devices=frame(DEVICES, [("d1", "phone", "ebike")]),
        assignments=frame(ASSIGNMENTS, [("d1", "p1", None, utc("2026-01-01"), None)]),
        responsibilities=frame(RESPONSIBILITIES, [("r", "p1", "responsible", "section", "A", *NONE, True, None, None, None)]),
        exceptions=frame(EXCEPTIONS),
    )  # fmt: skip
    begin = ms("2026-03-18 09:00:00")
    again = begin + round(seconds * 1000)
    t = np.concatenate(
        [np.arange(ms("2026-03-18 08:00"), begin + 1, 30_000), np.arange(again, ms("2026-03-18 18:00"), 30_000)]
    )
    z = np.zeros(len(t))
    fixes = Fixes(
        z.astype(np.int32),
        t,
        X0 + 40.0 * (np.arange(len(t)) % 2),  # to and fro: no phone in a drawer
        z + Y0,
        z.astype(np.uint16),
        z.astype(np.int32),
        ("d1",),
        np.array([1], dtype=np.int8),
    )
    return with_fixes(crew, fixes, STANDARD)


@pytest.mark.parametrize(("seconds", "silent_ms"), [(120.0, 0), (120.001, 120_001), (239.0, 239_000)])
def test_a_silence_is_one_from_the_limit_on(seconds, silent_ms):
    # max(120 s, three times 30 s)
    crew = crew_silent_for(seconds)
    assert sum(e - s for s, e in crew.silent[0]) == silent_ms


@pytest.mark.parametrize(("longer_mm", "outcome"), [(-1, "unknown"), (0, "unknown"), (1, "missed")])
def test_a_silence_in_which_a_patrol_just_fits_is_unknown(longer_mm, outcome):
    # 400 s at 25 km/h (6,944 mm/s) are 2,777,600 mm; Zhang is heard at the street's end, so no way is taken off.
    metres = (2_777_600 + longer_mm) / 1000
    network = make_network([Sec("A", "a", "main", "road.main")], [Seg("a1", "A", (0, 0), (metres, 0), (0, metres))])
    found = road_frequency(
        network,
        make_passes(network, [], {"d1": Mode.EBIKE}),
        crew_silent_for(400),
        STANDARD,
        DAY,
        ZONE,
        exceptions=frame(EXCEPTIONS),
    )
    assert found.section_windows["outcome"].iloc[0] == outcome


def test_a_gap_runs_from_the_event_before_not_from_the_beginning():
    # One piece of duty 0-100 with events at 30 and 50: gaps of 30, 20 and 50; of each at most 25 are within the limit: 25 + 20 + 25.
    one = np.zeros(1, dtype=np.int64)
    windows = WindowSets(np.zeros(1, dtype=np.int32), one, np.array([0, 1]), one, np.array([100]), one, one)
    longest, inside, hits = gaps(
        np.zeros(2, dtype=np.int64),
        np.array([30, 50]),
        item_set=np.zeros(1, dtype=np.int32),
        windows=windows,
        limit_ms=np.array([25]),
    )
    assert (longest.tolist(), inside.tolist(), hits.tolist()) == ([50], [70], [2])


def test_a_case_at_midnight_belongs_to_the_day_that_begins():
    crs = "EPSG:32650"
    at = pd.to_datetime(["2026-03-18 00:00:00", "2026-03-18 23:59:59", "2026-03-19 00:00:00"]).tz_localize(
        "Asia/Shanghai"
    )
    cases = gpd.GeoDataFrame(
        {"opened": at.tz_convert("UTC"), "category": "占道经营", "located": True},
        geometry=gpd.points_from_xy([500_050.0] * 3, [4_400_050.0] * 3), crs=crs,
    ).to_crs(4326)  # fmt: skip
    area = gpd.GeoSeries([box(500_001, 4_400_001, 500_499, 4_400_499)], crs=crs)
    counts = [
        int(
            case_hotspots(
                cases,
                day=day,
                time_zone="Asia/Shanghai",
                crs=crs,
                study_area=area,
                settings=HotspotSettings(cell_m=100),
                periods=("day",),
            )["cases"].sum()
        )
        for day in (date(2026, 3, 17), date(2026, 3, 18), date(2026, 3, 19))
    ]
    assert counts == [0, 2, 1]
