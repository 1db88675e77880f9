from __future__ import annotations

from datetime import date

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import Point, box

from gis.case_counts import COLUMNS, cases_by_area


def test_cases_counted_by_hand() -> None:
    areas = gpd.GeoDataFrame(
        {"grid_id": ["W2", "W1"], "name": ["东", "西"]},
        geometry=[box(121.01, 29, 121.02, 29.01), box(121, 29, 121.01, 29.01)],
        crs=4326,
    )
    # Day 2026-03-18 in Shanghai ends at 16:00 UTC. Columns: place, opened, due, closed, located.
    rows = [
        (Point(121.005, 29.005), "2026-03-18T01:00Z", "2026-03-18T09:00Z", "2026-03-18T08:00Z", True),  # W1, in time
        (Point(121.010, 29.005), "2026-03-18T01:00Z", "2026-03-18T09:00Z", "2026-03-18T10:00Z", True),  # on the border: W1, late
        (Point(121.015, 29.005), "2026-03-18T01:00Z", "2026-03-18T09:00Z", None, True),  # W2, overdue at the end of the day
        (Point(121.015, 29.005), "2026-03-18T01:00Z", "2026-03-19T09:00Z", "2026-03-19T08:00Z", True),  # W2, closed only tomorrow: running
        (Point(121.015, 29.005), "2026-03-17T01:00Z", None, None, True),  # yesterday: in the week and month only, no deadline
        (Point(121.015, 29.005), "2026-03-18T01:00Z", None, None, False),  # a default point: unplaced
        (Point(122, 29), "2026-03-18T17:00Z", None, None, True),  # already the 19th in Shanghai: not counted
    ]  # fmt: skip
    place, *times, located = zip(*rows, strict=True)
    ids = list("abcdefg")
    outcomes = pd.Series(
        ["on_time", "late", "overdue", "running", "no_figure", "impossible"], index=ids[:6], dtype=object
    )  # the last has none
    frame = {
        n: pd.to_datetime(pd.Series(list(v)), utc=True, format="ISO8601")
        for n, v in zip(("opened", "due", "closed"), times, strict=True)
    }
    cases = gpd.GeoDataFrame({"case_id": ids, **frame, "located": located}, geometry=list(place), crs=4326)
    found = cases_by_area(cases, areas, outcomes=outcomes, day=date(2026, 3, 18), time_zone="Asia/Shanghai").set_index(
        ["period", "area_id"]
    )
    assert found.loc["day", "cases"].to_dict() == {"W1": 2, "W2": 2, "unplaced": 1}
    assert found.loc[("day", "W1"), ["in_time", "late"]].tolist() == [1, 1]
    assert found.loc[("day", "W2"), ["running", "overdue"]].tolist() == [1, 1]
    assert found.loc["week", "cases"].to_dict() == {"W1": 2, "W2": 3, "unplaced": 1}
    assert found.loc[("month", "W2"), "no_deadline"] == 1
    assert found.loc[("day", "unplaced"), ["not_judged", "no_deadline"]].tolist() == [1, 0]
    assert (found[list(COLUMNS[6:])].sum(axis=1) == found["cases"]).all()
    # 0.01 degrees square at 29 N: about 0.974 x 1.108 km.
    assert found.loc[("day", "W1"), "cases_km2"] == pytest.approx(2 / 1.0797, rel=1e-3)
