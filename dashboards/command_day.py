"""A day as the command desk holds it: what is asked, what is known of patrols and rounds, who was where, which cases were opened."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from dashboards.scope_live import Counted
from dashboards.stored_passes import as_passes, modes_of, stored_network
from gis.calendar import day_bounds
from gis.crew import build_crew
from gis.live import Asked, asked_of, full_patrols, with_closed, with_patrols
from layers.store.base import Live

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt

    from dashboards.context import View
    from dashboards.scope import ScopedStore
    from gis.crew import Crew
    from layers.store.base import Run

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

SHOWN_OF_CASES = ["case_id", "title", "category", "opened", "located", "geometry"]
ROSTER = ("persons", "devices", "assignments", "responsibilities", "exceptions")


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of the sections by (section, start): whose turn it is at a moment.

    Attributes:
        ptr: int64 (K + 1,), windows of section k are ptr[k] … ptr[k + 1].
        start_ms, end_ms: int64 (W,).
        persons: responsible persons' ids, joined by `;`.
    """

    ptr: I8
    start_ms: I8
    end_ms: I8
    persons: npt.NDArray[np.object_]

    def responsible(self, section: int, now_ms: int) -> list[str]:
        """Who answers for the section in the window of that moment, else in the next one, else in the last one."""
        low, high = int(self.ptr[section]), int(self.ptr[section + 1])
        if low == high:
            return []
        k = low + int(np.searchsorted(self.end_ms[low:high], now_ms, side="right"))
        return [p for p in str(self.persons[min(k, high - 1)] or "").split(";") if p and p != "nan"]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a visitor may see of a day whatever happens on it: sections in the order of `sections`, segments in that of the geometry.

    Attributes:
        asked: what is asked of the sections, without any patrol.
        lines: of the sections, metric.
        bounds: of the sections, degrees: west, south, east, north.
        section_of_segment: int64 (S,).
        names: person → name.
        duty: who was on duty when.
        duty_ms: first and last moment of duty.
        grids: grid_id, name, required, west … north, in the order of the work grids' geometry.
        network: changes whenever the geometry on the map does.
        crs: metric.
    """

    asked: Asked
    sections: pd.DataFrame
    lines: npt.NDArray[np.object_]
    bounds: F8
    section_of_segment: I8
    names: dict[str, str]
    duty: pd.DataFrame
    duty_ms: tuple[int, int]
    grids: pd.DataFrame
    network: str
    crs: Any


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Cases by the time they were opened.

    Attributes:
        key: changes whenever they do.
        table: the cases (`SHOWN_OF_CASES`).
        opened_ms: int64 (C,), ascending.
        lonlat: degrees; NaN where the place cannot be trusted.
        xy: metres.
    """

    key: str
    table: gpd.GeoDataFrame
    opened_ms: I8
    lonlat: F8
    xy: F8


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What is known of patrols and rounds, by an audit or by live evidence.

    Attributes:
        key: changes whenever it does.
        live: whether it is live evidence.
        until_ms: the newest fix in it; None where nothing is known at all.
        asked: what is asked, with the patrols.
        windows: whose turn it is.
        round_grid, round_ms: rounds of work grids (rows of `Ground.grids`) and when they were complete, int64 (R,).
    """

    key: str
    live: bool
    until_ms: int | None
    asked: Asked
    windows: Windows
    round_grid: I8
    round_ms: I8


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """A day as a visitor may see it just now; each part is kept until what it rests on changes."""

    ground: Ground
    cases: Cases
    standing: Standing


def millis(times: pd.Series) -> I8:
    """UTC times as milliseconds."""
    stamps: I8 = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64)
    return stamps


def day_of(view: View, day: date) -> Day:
    """The day, kept for all who share a scope: its ground by edition, its cases by edition, what is known of patrols by audit or step."""
    data = view.data
    basis = tuple(data.edition_id(t, day) for t in ("segments", "sections", "work_grids", *ROSTER))
    ground = data.remember(
        ("command-ground", str(day), basis), lambda: _ground(view, day), lambda g: 4000 * len(g.sections)
    )
    cases = data.remember(
        ("command-cases", str(day), data.edition_id("cases", day)),
        lambda: _cases(view, day, ground.crs),
        lambda c: 800 * len(c.table),
    )
    held = data.evidence(day)
    key = "" if held is None else f"live {held.serial}" if isinstance(held, Live) else held.run_id
    standing = data.remember(
        ("command-standing", str(day), basis, key),
        lambda: _standing(view, day, ground, held, key),
        lambda s: 10_000 + 200 * len(s.asked.section),
    )
    return Day(ground, cases, standing)


def _crew(view: View, data: ScopedStore, day: date) -> Crew:
    modes = getattr(
        getattr(view.city, "counting", None), "counted_modes", ()
    )  # a city without settings counts nobody unknown
    tables: dict[str, Any] = {t: data.read(t, day) for t in ROSTER}
    return build_crew(day, view.zone, view.standard_on(day), **tables, unassigned_modes=modes)


def _ground(view: View, day: date) -> Ground:
    data = view.data
    segments, sections = data.read("segments", day), data.read("sections", day)
    sections = sections.astype({"section_id": object, "name": object})  # asked for each second: texts as they are
    crs = getattr(view.city, "metric_crs", None) or gpd.GeoDataFrame(segments).estimate_utm_crs()
    network, persons, duty, start = (
        stored_network(segments, sections),
        data.read("persons", day),
        data.duty(day).astype({"person_id": object}),
        day_bounds(day, view.zone)[0],
    )
    lines = gpd.GeoSeries(sections.geometry, crs=4326)
    return Ground(
        asked=_asked(view, network, day), sections=sections, lines=lines.to_crs(crs).to_numpy(), bounds=lines.bounds.to_numpy(float),
        section_of_segment=pd.Index(sections["section_id"]).get_indexer(pd.Index(segments["section_id"])).astype(np.int64),
        names=dict(zip(persons["person_id"], persons["name"], strict=True)), duty=duty,
        duty_ms=(int(duty["from_ms"].min()), int(duty["to_ms"].max())) if len(duty) else (start, start),
        grids=_grids(view, day, data.read("work_grids", day)), network=f"{data.edition_id('segments', day)} {data.edition_id('work_grids', day)}", crs=crs,
    )  # fmt: skip


def _asked(view: View, network: Any, day: date) -> Asked:
    return asked_of(network, _crew(view, view.data, day), view.standard_on(day), day, view.zone)


def _cases(view: View, day: date, crs: Any) -> Cases:
    cases = gpd.GeoDataFrame(view.data.read("cases", day))
    cases = cases[cases["opened"].notna()].sort_values(["opened", "case_id"], kind="stable").reset_index(drop=True)
    places = np.where(cases["located"].to_numpy(bool)[:, None], _lonlat(cases), np.nan)
    key = str(view.data.edition_id("cases", day))
    cases = cases[SHOWN_OF_CASES].astype(dict.fromkeys(("case_id", "title", "category"), object))
    return Cases(key, cases, millis(cases["opened"]), places, metres(places[:, 0], places[:, 1], crs))


def _lonlat(cases: gpd.GeoDataFrame) -> F8:
    shapes = cases.geometry.to_numpy()  # a place that is missing is NaN
    return np.column_stack([shapely.get_x(shapes), shapely.get_y(shapes)]).astype(np.float64)


def _standing(view: View, day: date, ground: Ground, held: Run | Live | None, key: str) -> Standing:
    """What is known of patrols and rounds by an audit, by live evidence, or by neither."""
    data, until = view.data, None
    patrols, rounds, windows = (pd.DataFrame() for _ in range(3))
    if isinstance(held, Live):
        tables = {n: t.to_pandas() for n, t in data.figures(held).items()}
        patrols, rounds, windows = (tables.get(n, pd.DataFrame()) for n in ("patrols", "rounds", "windows"))
        until = held.until_ms
    elif held is not None:
        counted = data.of_everybody("patrols", held, lambda whole: audited_patrols(view, whole, day))
        patrols, until = counted.rows, counted.until_ms
        rounds, windows = data.result("grid_rounds", day), data.result("section_windows", day)
        rounds = rounds.assign(completed_ms=millis(rounds["completed"])) if len(rounds) else rounds
        windows = (
            windows.assign(starts_ms=millis(windows["starts"]), ends_ms=millis(windows["ends"]))
            if len(windows)
            else windows
        )
    section, at = _rows(patrols, "section_id", ground.sections["section_id"])
    grid, done = _rows(rounds, "grid_id", ground.grids["grid_id"])
    return Standing(
        key,
        isinstance(held, Live),
        until,
        _without_excused(with_patrols(ground.asked, section, at), windows, ground.sections["section_id"]),
        windows_of(windows, ground.sections["section_id"]),
        grid,
        done,
    )


def _without_excused(asked: Asked, windows: pd.DataFrame, section_ids: pd.Series) -> Asked:
    """What is asked without the windows that exceptions excuse, as the audit or live evidence has them."""
    if "outcome" in windows.columns:
        windows = windows[windows["outcome"] == "excused"]
    else:  # live evidence of an earlier version does not say
        windows = windows[windows["excused"].to_numpy(bool)] if "excused" in windows.columns else windows[:0]
    if not len(windows):
        return asked
    rows = pd.Index(section_ids).get_indexer(pd.Index(windows["section_id"])).astype(np.int64)
    starts, ends = (windows[c].to_numpy(np.int64)[rows >= 0] for c in ("starts_ms", "ends_ms"))
    return with_closed(asked, rows[rows >= 0], starts, ends)


def _rows(table: pd.DataFrame, key: str, ids: pd.Series) -> tuple[I8, I8]:
    """Row of each subject among `ids`, and when it was complete; without those that are not among them."""
    if not len(table):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = pd.Index(ids).get_indexer(pd.Index(table[key])).astype(np.int64)
    return rows[rows >= 0], table["completed_ms"].to_numpy(np.int64)[rows >= 0]


def audited_patrols(view: View, data: ScopedStore, day: date) -> Counted:
    """Full patrols of an audited day, from its passes: section_id, completed_ms.

    Args:
        view: standard, zone and city.
        data: the whole county: how fast a pass was is judged by the way about it, which may lie in another town, and whoever is entitled counts.
        day: local day.
    """
    segments, sections = data.read("segments", day), data.read("sections", day)
    stored = data.passes(day, purpose="command", logged=False)
    own = pd.Index(segments["segment_id"]).get_indexer(pd.Index(stored["segment_id"].to_pandas()))
    passes = as_passes(stored, own.astype(np.int32), *modes_of(view, day, data))
    section, completed = full_patrols(
        stored_network(segments, sections), passes, _crew(view, data, day), view.standard_on(day), day, view.zone
    )
    frame = pd.DataFrame({"section_id": sections["section_id"].to_numpy()[section], "completed_ms": completed})
    return Counted(frame, int(passes.last_fix_ms.max(initial=day_bounds(day, view.zone)[0])))


def windows_of(table: pd.DataFrame, section_ids: pd.Series) -> Windows:
    """Windows (section_id, starts_ms, ends_ms, person_ids) by section and start."""
    if not len(table):
        none = np.zeros(0, np.int64)
        return Windows(np.zeros(len(section_ids) + 1, np.int64), none, none, np.zeros(0, object))
    at = pd.Index(section_ids).get_indexer(pd.Index(table["section_id"]))
    start, end = table["starts_ms"].to_numpy(np.int64), table["ends_ms"].to_numpy(np.int64)
    order = np.lexsort((start, at))
    order = order[at[order] >= 0]
    ptr = np.searchsorted(at[order], np.arange(len(section_ids) + 1)).astype(np.int64)
    return Windows(ptr, start[order], end[order], table["person_ids"].fillna("").to_numpy(object)[order])


def _grids(view: View, day: date, work_grids: pd.DataFrame) -> pd.DataFrame:
    required = {r.zone: r.rounds_per_day for r in view.standard_on(day).rounds_rules().values()}
    bounds = (
        gpd.GeoSeries(work_grids.geometry, crs=4326).bounds
        if len(work_grids)
        else pd.DataFrame(columns=["minx", "miny", "maxx", "maxy"])
    )
    return pd.DataFrame({
        "grid_id": work_grids["grid_id"].to_numpy(), "name": work_grids["name"].fillna(work_grids["grid_id"]).to_numpy(),
        "required": [required.get(level, 0) for level in work_grids["level"]],
        "west": bounds["minx"].to_numpy(float), "south": bounds["miny"].to_numpy(float), "east": bounds["maxx"].to_numpy(float), "north": bounds["maxy"].to_numpy(float),
    })  # fmt: skip


def metres(lon: F8, lat: F8, crs: Any) -> F8:
    """Degrees as metres, float64 (N, 2)."""
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    return np.column_stack([x, y]).astype(np.float64)
