"""Who is on duty at a moment and what is known of them; and whom the dispatcher may send to a road."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from dashboards.desk_command import last_fixes
from gis.model import Mode
from gis.ways import Streets, distances_to, places_on, streets_of, ways_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import numpy.typing as npt
    import pandas as pd

    from dashboards.command_day import Ground
    from dashboards.context import View
    from dashboards.desk_command import Fixes
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

# Everybody on duty is in one of these. `unheard`: carries a device that has sent nothing on this duty; `untold`: on a day without any position.
HEARD, SILENT, UNHEARD, NO_DEVICE, UNTOLD = "heard", "silent", "unheard", "no_device", "untold"
STATUSES = (HEARD, SILENT, UNHEARD, NO_DEVICE, UNTOLD)


def people_at(g: Ground, f: Fixes, now_ms: int, *, silence_s: float, blind: bool = False) -> pd.DataFrame:
    """Everybody on duty at a moment, by person.

    Args:
        g: the day.
        f: its fixes.
        now_ms: the moment; of the fixes those count that had arrived by then.
        silence_s: beyond this age of the last fix somebody is silent.
        blind: not one position of anybody of that day is known: then nobody is called silent.

    Returns:
        person_id, role, unit_id, mode (of what they carry, the fastest; -1 nothing), status; and t_ms, age_s, x, y, lon, lat of the last
        fix (-1 and NaN: none).
    """
    on = g.staff[(g.staff["from_ms"] <= now_ms) & (g.staff["to_ms"] > now_ms)].drop_duplicates("person_id")
    held = (
        g.carried[(g.carried["from_ms"] <= now_ms) & (g.carried["to_ms"] > now_ms)].groupby("person_id")["mode"].max()
    )
    fixes = last_fixes(g, f, now_ms).set_index("person_id")
    out = on[["person_id", "role", "unit_id"]].sort_values("person_id", ignore_index=True)
    out["mode"] = held.reindex(out["person_id"]).fillna(-1).to_numpy(np.int64)
    for column in ("age_s", "x", "y", "lon", "lat"):
        out[column] = fixes[column].reindex(out["person_id"]).to_numpy(np.float64)
    out["t_ms"] = fixes["t_ms"].reindex(out["person_id"]).fillna(-1).to_numpy(np.int64)
    age = out["age_s"].to_numpy()
    known = np.where(age > silence_s, SILENT, HEARD)
    without = np.where(out["mode"] < 0, NO_DEVICE, UNTOLD if blind else UNHEARD)
    out["status"] = np.where(np.isfinite(age), known, without).astype(object)
    return out


def counted(people: pd.DataFrame) -> dict[str, int]:
    """How many people are in each status; they add up to all on duty."""
    counts = people["status"].value_counts()
    return {s: int(counts.get(s, 0)) for s in STATUSES}


def streets(view: View, day: date, g: Ground) -> Streets:
    """The whole county's streets as ways: they lead through other towns too, and name nobody."""
    edition = view.data.edition_id("segments", day)

    def make() -> Streets:
        table = view.data.streets(day)
        lines = gpd.GeoSeries(table["geometry"], crs=4326).to_crs(g.crs).to_numpy()
        return streets_of(
            lines, table["u"].to_numpy(object), table["v"].to_numpy(object), table["length_mm"].to_numpy(np.float64) / 1000,
            table["oneway"].to_numpy(np.int64),
        )  # fmt: skip

    return view.data.remember(("command-streets", edition), make, lambda s: 600 * len(s.lines))


@dataclass(frozen=True, slots=True)
class Near:
    """Whom the dispatcher may send to a road: who has the right to patrol it, is on duty and was heard of lately; else the silent ones.

    Attributes:
        person_id: empty: there is nobody.
        way_m: by road from the last fix.
        minutes: at the patrol speed of what they carry.
        age_s: of the last fix.
        silent: heard of last longer ago than the silence limit: where they are now is not known.
    """

    person_id: str = ""
    way_m: float = np.nan
    minutes: float = np.nan
    age_s: float = np.nan
    silent: bool = False


def nearest(view: View, day: date, g: Ground, people: pd.DataFrame, rows: Sequence[int]) -> list[Near]:
    """Who is nearest to each of some sections (rows of `Ground.sections`) in time by road."""
    known = people[people["age_s"].notna()].reset_index(drop=True)
    if known.empty or not len(rows):
        return [Near()] * len(rows)
    net = streets(view, day, g)
    if not len(net.lines):
        return [Near()] * len(rows)
    stands = places_on(net, known[["x", "y"]].to_numpy(float))
    speed = speeds(known["mode"].to_numpy(np.int64), view.standard_on(day))
    driving = known["mode"].to_numpy() == int(Mode.VEHICLE)
    rules, segments = view.standard_on(day).road_rules(), _segments(view, day)
    sections = g.sections[["section_id", "rule_id"]].iloc[list(rows)]
    out = []
    for section, rule in sections.itertuples(index=False, name=None):
        own = segments.get(str(section), np.zeros(0, np.int64))
        allowed = (
            known["role"].isin(rules[rule].roles).to_numpy() if rule in rules else np.zeros(len(known), dtype=bool)
        )
        way = np.full(len(known), np.inf)
        for drives in {bool(x) for x in driving[allowed]}:
            far = _distances(view, day, net, str(section), own, driving=drives)
            way = np.where(driving == drives, ways_to(net, stands, own, far.astype(np.float64), driving=drives), way)
        out.append(_best(known, np.where(allowed, way, np.inf), speed))
    return out


def _distances(
    view: View, day: date, net: Streets, section: str, segments: I8, *, driving: bool
) -> npt.NDArray[np.float32]:
    """`distances_to` a section, kept: streets do not move."""
    key = ("command-way", view.data.edition_id("segments", day), section, driving)
    return view.data.remember(
        key, lambda: distances_to(net, segments, driving=driving).astype(np.float32), lambda a: a.nbytes
    )


def _best(known: pd.DataFrame, way_m: F8, speed_m_s: F8) -> Near:
    """The soonest of those heard of lately, else of the silent ones."""
    silent = (known["status"] == SILENT).to_numpy()
    seconds = way_m / speed_m_s
    for group in (~silent, silent):
        among = np.where(group, seconds, np.inf)
        k = int(np.argmin(among))
        if np.isfinite(among[k]):
            row = known.iloc[k]
            return Near(
                str(row["person_id"]), float(way_m[k]), float(seconds[k]) / 60, float(row["age_s"]), bool(silent[k])
            )
    return Near()


def speeds(modes: I8, standard: Standard) -> F8:
    """Patrol speed of each mode in metres a second; on foot where nothing is carried."""
    each = standard.measure.patrol_speed_kmh.value.mm_per_s().astype(np.float64) / 1000
    return np.asarray(each[np.where(modes < 0, int(Mode.FOOT), modes)])


def _segments(view: View, day: date) -> dict[str, I8]:
    """Section → rows of its segments among the county's streets."""

    def make() -> dict[str, I8]:
        ids = view.data.streets(day)["section_id"].astype(str)
        return {str(k): np.asarray(v, dtype=np.int64) for k, v in ids.groupby(ids).indices.items()}

    key = ("command-section-streets", view.data.edition_id("segments", day))
    return view.data.remember(key, make, lambda d: 200 * len(d))
