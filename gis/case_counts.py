"""Cases counted into areas: how many, how dense, how many settled in time, per day, week and month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.ground import area_km2
from gis.hotspots import PERIODS, period_bounds

if TYPE_CHECKING:
    from datetime import date

    import geopandas as gpd

COLUMNS = [
    "period",
    "starts",
    "area_id",
    "name",
    "cases",
    "cases_km2",
    "in_time",
    "late",
    "running",
    "overdue",
    "no_deadline",
    "not_judged",
]
STATES = {
    "on_time": "in_time", "late": "late", "running": "running", "overdue": "overdue", "no_figure": "no_deadline",
    "suspended": "not_judged", "no_data": "not_judged", "impossible": "not_judged",
}  # fmt: skip
"""Column in which a case counts, by the outcome of its clock."""
UNPLACED = "unplaced"


def cases_by_area(
    cases: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
    *,
    outcomes: pd.Series,
    day: date,
    time_zone: str,
    periods: tuple[str, ...] = PERIODS,
) -> pd.DataFrame:
    """Cases opened in the day, the week and the month up to the day, by the area that they lie in.

    A case on a border belongs to the area with the smaller id. Cases without a trustworthy place are counted in a row of their own
    (`unplaced`), so that every period adds up. States are those that the disposal clocks found at the end of the day.

    Args:
        cases: the `cases` contract, EPSG:4326.
        areas: polygons with grid_id and name, EPSG:4326.
        outcomes: of the clock that settles each case (`gis.clocks.closing_outcomes`).
        day: local day that every period ends with.
        time_zone: of the city.
        periods: subset of day, week, month.

    Returns:
        The `case_areas` contract: every area, in the order of its id, for each period.
    """
    zones = areas.sort_values("grid_id", kind="stable").reset_index(drop=True)
    size = area_km2(zones.geometry.to_list())
    placed = cases["located"].to_numpy(bool) & cases.geometry.notna().to_numpy()
    where = np.full(len(cases), len(zones))
    rows, found = zones.sindex.query(cases.geometry[placed], predicate="intersects", output_format="indices")
    first = pd.Series(found).groupby(rows).min()
    where[np.flatnonzero(placed)[first.index.to_numpy()]] = first.to_numpy()
    opened = cases["opened"].dt.tz_convert(time_zone).dt.tz_localize(None)
    parts = []
    for period in periods:
        start, end = period_bounds(day, period)
        inside = ((opened >= start) & (opened < end)).to_numpy()
        state = cases.loc[inside, "case_id"].map(outcomes).map(STATES).fillna("no_deadline")
        counts = pd.crosstab(
            pd.Series(where[inside], name="area"), pd.Series(state.to_numpy(dtype=object), name="state")
        )
        counts = counts.reindex(index=range(len(zones) + 1), columns=COLUMNS[6:], fill_value=0)
        total = counts.sum(axis=1).to_numpy()
        table = pd.DataFrame(
            {
                "period": period,
                "starts": start.date(),
                "area_id": [*zones["grid_id"].astype(str), UNPLACED],
                "name": [*zones["name"].fillna("").astype(str), "无可信位置 | no trustworthy place"],
                "cases": total,
                "cases_km2": np.append(total[:-1] / np.maximum(size, 1e-9), np.nan),
            }
        )
        parts.append(pd.concat([table, counts.reset_index(drop=True)], axis=1))
    return pd.concat(parts, ignore_index=True)[COLUMNS]
