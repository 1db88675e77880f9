"""Coverage for the planner: outcomes, rates, gaps and rounds of a period, an hour, a class, a squad; pure, tables in, figures out.

An hour holds every window that reaches into it, so that a window of two hours counts for both, and a daily one for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.rates import COUNT_COLUMNS, KM_COLUMNS, OUTCOMES, count_frame, counts_by, excused_millimetres

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from dashboards.planner_choice import Choice
    from gis.standard import Standard

HOURS = 24
HOUR_MS = 3_600_000
GRAVEST = ("missed", "unknown", "excused")
FIGURES = [*COUNT_COLUMNS, *KM_COLUMNS, "rate_low", "rate_high"]


def _local_hours(times: pd.Series, zone: ZoneInfo) -> npt.NDArray[np.float64]:
    """Local hours since the midnight of the same local day, with their fraction."""
    local = pd.to_datetime(times, utc=True).dt.tz_convert(zone)
    hours = local.dt.hour + local.dt.minute / 60 + local.dt.second / 3600
    return np.asarray(hours, dtype=np.float64)


def hours_touched(windows: pd.DataFrame, zone: ZoneInfo) -> npt.NDArray[np.bool_]:
    """Which local hours each window reaches into: bool (n, 24)."""
    if not len(windows):
        return np.zeros((0, HOURS), dtype=bool)
    low, high = _local_hours(windows["starts"], zone), _local_hours(windows["ends"], zone)
    high = np.where(high <= low, float(HOURS), high)  # ends at midnight
    hours = np.arange(HOURS)
    return (low[:, None] < hours + 1) & (high[:, None] > hours)


def chosen_windows(windows: pd.DataFrame, sections: pd.DataFrame, choice: Choice, zone: ZoneInfo) -> pd.DataFrame:
    """The windows of the class, squad and hour chosen, with the policy class, squad and road of their section beside.

    Args:
        windows: `section_windows` of some days, with column day.
        sections: contract.
        choice: class, squad and hour.
        zone: local time zone.
    """
    taken = ["section_id", "name", "road_id", "road_name", "policy_class", "unit_id", "town_id"]
    if not len(windows):
        return pd.DataFrame(columns=["section_id", "outcome", "length_mm", "starts", "ends", "rule_id", *taken[1:]])
    joined = windows.merge(pd.DataFrame(sections)[taken], on="section_id", how="left", validate="many_to_one")
    keep = np.ones(len(joined), dtype=bool)
    if choice.policy_class:
        keep &= (joined["policy_class"] == choice.policy_class).to_numpy(dtype=bool, na_value=False)
    if choice.squad:
        keep &= (joined["unit_id"] == choice.squad).to_numpy(dtype=bool, na_value=False)
    if choice.hour is not None:
        keep &= hours_touched(joined, zone)[:, choice.hour]
    return joined[keep].reset_index(drop=True)


def counts_of(windows: pd.DataFrame, keys: Sequence[object] | pd.Series, standard: Standard) -> pd.DataFrame:
    """Counts, kilometres and rate bounds of windows by key: the index is the keys, sorted."""
    codes, names = pd.factorize(pd.Series(keys).reset_index(drop=True), sort=True)
    known = codes >= 0
    outcome = pd.Categorical(windows["outcome"], categories=list(OUTCOMES)).codes.astype(np.int64)
    length = windows["length_mm"].to_numpy(dtype=np.int64)
    closed = excused_millimetres(windows)[known]
    frame = counts_by(
        codes[known].astype(np.int64), outcome[known], length[known], len(names), standard, excused_mm=closed
    )
    return frame.set_index(pd.Index(names))


def total(windows: pd.DataFrame, standard: Standard) -> pd.Series:
    """Counts, kilometres and rate bounds of all windows together (bounds are NaN where none is asked for)."""
    if len(windows):
        return counts_of(windows, ["all"] * len(windows), standard).iloc[0]
    return count_frame(np.zeros((1, 4), dtype=np.int64), np.zeros((1, 4), dtype=np.int64), standard).iloc[0]


def section_outcomes(counts: pd.DataFrame) -> pd.Series:
    """One outcome a section, as `segment_days` has it: that of all windows; partly where only some are covered; else the gravest."""
    out = pd.Series("no_rule", index=counts.index, dtype=object)
    for name in reversed(GRAVEST):
        out[counts[name] > 0] = name
    some = counts["covered"] > 0
    short = counts["missed"] + counts["unknown"] > 0
    out[some & short] = "partly"
    out[some & ~short] = "covered"
    return out


def road_outcome(windows: pd.DataFrame, segments: pd.DataFrame, standard: Standard) -> pd.Series:
    """Outcome of each segment's section over the windows: in the order of the segments; None where nothing was asked of it then."""
    by_section = section_outcomes(counts_of(windows, windows["section_id"], standard))
    out = segments["section_id"].map(by_section).astype(object)
    out = out.where(out.notna(), None)
    return out.mask((segments["policy_class"] == "no_rule") & out.isna(), "no_rule").reset_index(drop=True)


def road_rate(windows: pd.DataFrame, segments: pd.DataFrame, standard: Standard) -> pd.Series:
    """Lower bound of the rate of each segment's section over the windows; NaN where nothing was asked."""
    low = counts_of(windows, windows["section_id"], standard)["rate_low"]
    return segments["section_id"].map(low).astype(float).reset_index(drop=True)


def road_figure(segment_days: pd.DataFrame, segments: pd.DataFrame, column: str) -> pd.Series:
    """`longest_gap_s`: the longest of the days; any other column (`within_share`): the mean of the days."""
    if not len(segment_days):
        return pd.Series(np.nan, index=range(len(segments)))
    grouped = segment_days.groupby("segment_id", sort=True)[column]
    figure = grouped.max() if column == "longest_gap_s" else grouped.mean()
    return segments["segment_id"].map(figure).astype(float).reset_index(drop=True)


def grid_rounds(
    grid_days: pd.DataFrame, rounds: pd.DataFrame, grids: pd.DataFrame, hour: int | None, zone: ZoneInfo
) -> pd.Series:
    """Share of the required rounds that each grid completed, the mean of the days, each up to all; with an hour, what it completed in it.

    NaN where none is required.
    """
    required = pd.to_numeric(grid_days["required_rounds"], errors="coerce").astype(float) if len(grid_days) else None
    if required is None:
        return pd.Series(np.nan, index=range(len(grids)))
    if hour is None:
        share = (grid_days["completed_rounds"] / required).clip(upper=1.0)
        return grids["grid_id"].map(share.groupby(grid_days["grid_id"]).mean()).astype(float).reset_index(drop=True)
    owed = required.groupby(grid_days["grid_id"]).sum(min_count=1)
    done = rounds[np.floor(_local_hours(rounds["completed"], zone)) == hour] if len(rounds) else rounds
    count = done.groupby("grid_id").size().reindex(owed.index, fill_value=0) if len(done) else owed * 0
    return grids["grid_id"].map(count / owed).astype(float).reset_index(drop=True)


def grid_outcomes(grid_days: pd.DataFrame, grids: pd.DataFrame) -> pd.Series:
    """Outcome of each grid over the days: the same one, partly where only some days are covered, else the gravest."""
    if not len(grid_days):
        return pd.Series([None] * len(grids), dtype=object)
    counts = pd.crosstab(grid_days["grid_id"], grid_days["outcome"]).reindex(columns=list(OUTCOMES), fill_value=0)
    out = grids["grid_id"].map(section_outcomes(counts)).astype(object)
    return out.where(out.notna(), None).reset_index(drop=True)


def moved(first: pd.Series, second: pd.Series) -> pd.Series:
    """From outcomes of two periods to better, same, worse (first against second); None where one of them asks nothing or knows nothing.

    From worst to best: missed, partly, covered.
    """
    rank = {"missed": 0.0, "partly": 1.0, "covered": 2.0}
    change = np.sign(first.map(rank).astype(float).to_numpy() - second.map(rank).astype(float).to_numpy())
    words = np.full(len(first), None, dtype=object)
    for value, word in ((-1.0, "worse"), (0.0, "same"), (1.0, "better")):
        words[change == value] = word
    return pd.Series(words, dtype=object)


def by_hour(windows: pd.DataFrame, zone: ZoneInfo, standard: Standard) -> pd.DataFrame:
    """Rate bounds and counts of every local hour that a window reaches into: column hour, then the figures."""
    touched = hours_touched(windows, zone)
    rows = [
        {"hour": h, **total(windows[touched[:, h]], standard).to_dict()} for h in range(HOURS) if touched[:, h].any()
    ]
    return pd.DataFrame(rows, columns=["hour", *FIGURES])


def by_day(windows: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """Rate bounds and counts of every day."""
    if not len(windows):
        return pd.DataFrame(columns=["day", *FIGURES])
    return counts_of(windows, windows["day"], standard).rename_axis("day").reset_index()


def worst_sections(windows: pd.DataFrame, standard: Standard, *, count: int = 12) -> pd.DataFrame:
    """The sections with the most kilometre-windows missed, then unknown; ties by id. Only those that have any."""
    if not len(windows):
        return pd.DataFrame(columns=["section_id", "name", "rule_id", "unit_id", *FIGURES])
    counts = counts_of(windows, windows["section_id"], standard).rename_axis("section_id").reset_index()
    names = windows.drop_duplicates("section_id")[["section_id", "name", "rule_id", "unit_id"]]
    table = counts.merge(names, on="section_id", how="left")
    table = table[table["km_missed"] + table["km_unknown"] > 0]
    order = ["km_missed", "km_unknown", "section_id"]
    return table.sort_values(order, ascending=[False, False, True], kind="stable", ignore_index=True).head(count)


def muted_segments(segments: pd.DataFrame, sections: pd.DataFrame, choice: Choice) -> npt.NDArray[Any]:
    """Segments that the class or squad chosen leaves out: bool (n,)."""
    out = np.zeros(len(segments), dtype=bool)
    if choice.policy_class:
        out |= (segments["policy_class"] != choice.policy_class).to_numpy(dtype=bool, na_value=True)
    if choice.squad:
        units = pd.Series(sections["unit_id"].to_numpy(), index=sections["section_id"].to_numpy())
        out |= (segments["section_id"].map(units) != choice.squad).to_numpy(dtype=bool, na_value=True)
    return out


def muted_grids(grids: pd.DataFrame, choice: Choice) -> npt.NDArray[Any]:
    """Grids that the squad chosen leaves out: bool (n,)."""
    if not choice.squad:
        return np.zeros(len(grids), dtype=bool)
    return (grids["unit_id"] != choice.squad).to_numpy(dtype=bool, na_value=True)
