"""The command centre's figures at a moment: people, roads, rounds and hotspots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj

from dashboards.command_day import metres
from dashboards.geometry import encode
from dashboards.maps import full_codes, full_values, replace, symbology_codes
from gis.hotspots import HotspotSettings, hotspot_table, make_cells
from gis.live import DUE, NOT_ASKED, OVERDUE, balance, decided, moment
from layers.symbology import LAYERS

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt

    from dashboards.command_day import Day, Ground
    from dashboards.context import View
    from gis.hotspots import Cells
    from gis.live import Moment

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

SPANS = {"hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
STEP_MS = (
    600_000  # of what is older than ten to twenty minutes a live desk keeps everybody's last fix, read anew every ten
)
HOTSPOT_STEP_MS = 300_000  # hotspots of a moving span are counted anew every five minutes
LISTED = 30
QUIET = ("none", "too_few")  # cells that say nothing are not coloured
QUIET_CODE = 250
SIGNIFICANT = ("hot_99", "hot_95")
LOUD = [c.key for c in LAYERS["hotspots"].classes if c.key not in QUIET]
HOT_CODES = dict(zip(LOUD, symbology_codes(LAYERS["hotspots"], LOUD).tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Fixes:
    """Positions on duty, by person: the newest one known at a moment is looked up, not searched for.

    Attributes:
        persons: ids, ascending.
        ptr: int64 (P + 1,).
        arrived_ms: int64 (N,), ascending within a person.
        best: int64 (N,), row of the latest fix among those that had arrived by then.
        t_ms: int64 (N,); xy: float64 (N, 2) metres; lonlat: float64 (N, 2) degrees.
    """

    persons: npt.NDArray[np.object_]
    ptr: I8
    arrived_ms: I8
    best: I8
    t_ms: I8
    xy: F8
    lonlat: F8


def fixes_of(view: View, day: date, g: Ground, newest: str, live_ms: int | None = None) -> Fixes:
    """The positions on duty, kept until more are loaded.

    Args:
        view: whose scope.
        day: local day.
        g: the day.
        newest: name of the newest load of positions; another one means that there are more.
        live_ms: now, on a live desk: it needs everybody's last fix only, and reads but the last minutes with each load.
    """
    crew = view.data.edition_id("assignments", day)
    if live_ms is None:
        whole = ("command-fixes", str(day), newest, crew)
        return view.data.remember(whole, lambda: _fixes(g, _tracks(view, day)), _fixes_bytes)
    since = live_ms // STEP_MS * STEP_MS - STEP_MS
    older = view.data.remember(
        ("command-older", str(day), since, crew),
        lambda: newest_of_each(_tracks(view, day, None, since)), lambda t: 1000 + 200 * len(t),
    )  # fmt: skip
    key = ("command-fixes", str(day), newest, since, crew)
    return view.data.remember(key, lambda: _fixes(g, pd.concat([older, _tracks(view, day, since)])), _fixes_bytes)


def newest_of_each(table: pd.DataFrame) -> pd.DataFrame:
    """The latest fix of each person, so that whoever was heard of hours ago is silent and not unheard of."""
    return table.sort_values(["person_id", "t_ms"], kind="stable").drop_duplicates("person_id", keep="last")


def _fixes_bytes(f: Fixes) -> int:
    return 1000 + 80 * len(f.t_ms)


def _tracks(view: View, day: date, from_ms: int | None = None, to_ms: int | None = None) -> pd.DataFrame:
    return view.data.tracks(day, from_ms=from_ms, to_ms=to_ms, purpose="command", logged=False)


def _fixes(g: Ground, table: pd.DataFrame) -> Fixes:
    table = table.sort_values(["person_id", "arrived_ms", "t_ms"], kind="stable", ignore_index=True)
    persons, first = np.unique(table["person_id"].to_numpy(object).astype(str), return_index=True)
    t = table["t_ms"].to_numpy(np.int64)
    ptr = np.append(first, len(table)).astype(np.int64)
    return Fixes(
        persons.astype(object), ptr, table["arrived_ms"].to_numpy(np.int64), newest_so_far(t, ptr), t,
        metres(table["lon"].to_numpy(float), table["lat"].to_numpy(float), g.crs), table[["lon", "lat"]].to_numpy(float),
    )  # fmt: skip


def newest_so_far(t_ms: I8, ptr: I8) -> I8:
    """Row of the latest time among a group's rows up to each row, int64 (N,); of equal times the later row."""
    group = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    lift = group * (int(t_ms.max(initial=0)) + 1)  # so that one running maximum serves all groups
    best = np.maximum.accumulate(t_ms + lift)
    at: I8 = np.maximum.accumulate(np.where(t_ms + lift == best, np.arange(len(t_ms)), -1)).astype(np.int64)
    return at


def on_duty(g: Ground, now_ms: int) -> set[str]:
    """Persons on duty at a moment, heard of or not."""
    at = (g.duty["from_ms"].to_numpy() <= now_ms) & (g.duty["to_ms"].to_numpy() > now_ms)
    return set(g.duty["person_id"].to_numpy()[at])


def last_fixes(g: Ground, f: Fixes, now_ms: int) -> pd.DataFrame:
    """The last fix of everyone on duty at a moment, of those that had arrived by then: person_id, t_ms, age_s, x, y, lon, lat."""
    on, rows, who = on_duty(g, now_ms), [], []
    for p, person in enumerate(f.persons):
        if person not in on:
            continue
        low, high = int(f.ptr[p]), int(f.ptr[p + 1])
        k = low + int(np.searchsorted(f.arrived_ms[low:high], now_ms, side="right")) - 1
        if k >= low and f.t_ms[f.best[k]] <= now_ms:
            rows.append(int(f.best[k]))
            who.append(person)
    at = np.array(rows, dtype=np.int64)
    return pd.DataFrame({
        "person_id": who, "t_ms": f.t_ms[at], "age_s": (now_ms - f.t_ms[at]) / 1000, "x": f.xy[at, 0], "y": f.xy[at, 1],
        "lon": f.lonlat[at, 0], "lat": f.lonlat[at, 1],
    })  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Roads:
    """The sections at a moment.

    Attributes:
        moment: their states; None where nothing is known of patrols.
        known_ms: up to when outcomes are known.
        balance: windows that are over, by outcome, and those of the whole day.
        phase: none (nothing is asked that day), before, on, between (two periods) or over.
        first_ms, last_ms: when the first window begins and the last one ends; 0 where there is none.
    """

    moment: Moment | None
    known_ms: int
    balance: dict[str, int]
    phase: Literal["none", "before", "on", "between", "over"]
    first_ms: int = 0
    last_ms: int = 0


def roads_at(d: Day, now_ms: int, *, wait_s: float, closed: bool) -> Roads:
    """What is due, overdue and unknown at a moment, as the audit's windows have it.

    Args:
        d: the day.
        now_ms: the moment.
        wait_s: the wait for the next fix (`measure.silence_s`).
        closed: the day is over and its audit has decided all of it.
    """
    judged, until = d.standing.judged, d.standing.until_ms
    if judged is None or until is None:
        return Roads(None, now_ms, {}, "none")
    known = (
        now_ms
        if closed and not d.standing.live
        else decided(judged, until_ms=until, now_ms=now_ms, wait_ms=round(wait_s * 1000))
    )
    found, bounds = moment(judged, now_ms, known_ms=known), judged.bounds_ms
    told = balance(judged, now_ms, known_ms=known)
    if bounds is None:
        return Roads(found, known, told, "none")
    under_way = bool((found.state != NOT_ASKED).any())
    phase: Literal["before", "on", "between", "over"] = (
        "before" if now_ms < bounds[0] else "over" if now_ms >= bounds[1] else "on" if under_way else "between"
    )
    return Roads(found, known, told, phase, *bounds)


def listed(m: Moment, *, most: int = LISTED) -> I8:
    """Sections to look at: overdue ones, the longest first, then those due by the time they have left."""
    rows = np.flatnonzero((m.state == OVERDUE) | (m.state == DUE))
    return rows[np.argsort(m.left_s[rows], kind="stable")][:most]


def rounds_done(d: Day, now_ms: int) -> I8:
    """Rounds that each work grid has completed by a moment, int64 (G,)."""
    done = d.standing.round_grid[d.standing.round_ms <= now_ms]
    return np.bincount(done, minlength=len(d.ground.grids)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Hot:
    """Hotspots of a span of time: how many cells are significant, and what the map is to show (layers `density` and `hot`)."""

    significant: int
    updates: list[dict[str, Any]]


def hot_cells(view: View, d: Day, day: date, now_ms: int, span: str) -> Hot:
    """Cells of the cases opened in the last hour, day or week: class (Gi*) and density."""
    until = now_ms // HOTSPOT_STEP_MS * HOTSPOT_STEP_MS
    lo, hi = np.searchsorted(d.cases.opened_ms, [until - SPANS[span], until], side="right").tolist()
    key = ("command-hot", d.cases.key, view.data.edition_id("areas", day), lo, hi)
    return view.data.remember(key, lambda: _hot(view, d, day, lo, hi), lambda _: 50_000)


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The cells with what the map needs of them: ids, and their squares in degrees (in the order of the ids)."""

    cells: Cells
    ids: pd.Index
    squares: npt.NDArray[np.object_]


def _lattice(view: View, d: Day, day: date, settings: HotspotSettings) -> Lattice:
    """The lattice over the county, else over its towns, else over all cases of the edition."""
    areas = gpd.GeoDataFrame(view.data.read("areas", day))
    outline = areas[areas["kind"] == "boundary"]
    outline = outline if len(outline) else areas[areas["kind"] == "town"]
    if not len(outline):
        outline = d.cases.table[np.isfinite(d.cases.xy[:, 0])]
    cells = make_cells(outline.geometry, crs=pyproj.CRS(d.ground.crs), cell_m=settings.cell_m)
    inside = np.flatnonzero(cells.inside)
    return Lattice(cells, pd.Index(cells.ids(inside)), cells.boxes(inside).to_crs(4326).to_numpy())


def _hot(view: View, d: Day, day: date, lo: int, hi: int) -> Hot:
    places = d.cases.xy[lo:hi]
    places = places[np.isfinite(places[:, 0])]
    if len(places) == 0:
        none = encode([], [])
        return Hot(0, [replace("density", none), replace("hot", none)])
    settings = HotspotSettings()
    key = ("command-cells", view.data.edition_id("areas", day), d.cases.key)
    lattice = view.data.remember(key, lambda: _lattice(view, d, day, settings), lambda x: 1000 + 600 * len(x.ids))
    group = pd.DataFrame({"x": places[:, 0], "y": places[:, 1]})
    table = hotspot_table(group, lattice.cells, settings, period="day", starts=pd.Timestamp(day), category="all")
    ids = table["cell_id"].to_numpy(object)
    payload = encode(lattice.squares[lattice.ids.get_indexer(pd.Index(ids))], ids.tolist())
    labels = table["hotspot"].to_numpy(object)
    codes = np.array([HOT_CODES.get(k, QUIET_CODE) for k in labels], dtype=np.int64)
    return Hot(
        int(np.isin(labels, SIGNIFICANT).sum()),
        [
            {**replace("density", payload), **full_values("density", table["kde_km2"].to_numpy(float))},
            {**replace("hot", payload), **full_codes("hot", codes)},
        ],
    )
