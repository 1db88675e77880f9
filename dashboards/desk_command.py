"""The command centre's figures: what the desk knows of a day, and what of it holds at a moment."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from dashboards.geometry import encode
from dashboards.maps import full_codes, full_values, replace, symbology_codes
from dashboards.stored_passes import as_passes, modes_of
from gis.calendar import day_bounds
from gis.crew import build_crew
from gis.hotspots import HotspotSettings, hotspot_table, make_cells
from gis.live import Asked, asked_of, last_completed, time_left
from layers.symbology import LAYERS

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt

    from dashboards.context import View
    from gis.hotspots import Cells

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

ROSTER = ("persons", "devices", "assignments", "responsibilities", "exceptions")
SPANS = {"hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
LIVE_BACK_MS = 7_200_000  # a live desk reads the fixes of the last two hours, not those of the day
STEP_MS = 600_000  # what is older than ten to twenty minutes is read anew every ten
HOTSPOT_STEP_MS = 300_000  # hotspots of a moving span are counted anew every five minutes
LISTED = 30
QUIET = ("none", "too_few")  # cells that say nothing are not coloured
QUIET_CODE = 250
SIGNIFICANT = ("hot_99", "hot_95")


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


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """What a visitor may see of a day, prepared once a run: sections in the order of `sections`, segments in that of the geometry."""

    asked: Asked
    sections: pd.DataFrame
    lines: npt.NDArray[np.object_]  # metric
    bounds: F8  # of the sections, degrees: west, south, east, north
    section_of_segment: I8
    windows: Windows
    names: dict[str, str]
    duty: pd.DataFrame
    duty_ms: tuple[int, int]  # first and last moment of duty
    evidence_ms: int  # the last fix that an audited pass rests on
    cases: gpd.GeoDataFrame
    opened_ms: I8
    case_lonlat: F8  # degrees; NaN where the place cannot be trusted
    case_xy: F8  # metres
    grids: pd.DataFrame  # grid_id, name, required, west … north, in the order of the work grids' geometry
    round_grid: I8
    round_ms: I8
    crs: Any


def millis(times: pd.Series) -> I8:
    """UTC times as milliseconds."""
    stamps: I8 = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64)
    return stamps


def stored_network(segments: pd.DataFrame, sections: pd.DataFrame) -> Any:
    """As much of a network as completions need: lengths and measures as stored, no topology (which costs seconds)."""
    return SimpleNamespace(
        graph=SimpleNamespace(seg_length_mm=segments["length_mm"].to_numpy(np.int64)),
        segments=segments,
        sections=sections,
        seg_section=pd.Index(sections["section_id"]).get_indexer(pd.Index(segments["section_id"])).astype(np.int32),
        seg_measure_from_mm=segments["measure_from_mm"].to_numpy(np.int32),
        seg_measure_to_mm=segments["measure_to_mm"].to_numpy(np.int32),
    )


def day_of(view: View, day: date) -> Day:
    """The day, kept for all who share a scope until another run is published."""
    run = view.data.run(day)
    key = ("command", run.run_id if run else "", str(day))
    return view.data.remember(key, lambda: _prepare(view, day), lambda d: 4_000_000 + 200 * len(d.round_ms))


def _prepare(view: View, day: date) -> Day:
    data = view.data
    segments, sections = data.read("segments", day), data.read("sections", day)
    crs = getattr(view.city, "metric_crs", None) or gpd.GeoDataFrame(segments).estimate_utm_crs()
    network = stored_network(segments, sections)
    tables: dict[str, Any] = {t: data.read(t, day) for t in ROSTER}
    crew = build_crew(day, view.zone, view.standard, **tables)
    stored = data.passes(day, purpose="command", logged=False)
    own = pd.Index(segments["segment_id"]).get_indexer(pd.Index(stored["segment_id"].to_pandas()))
    passes = as_passes(stored, own.astype(np.int32), *modes_of(view, day))
    cases = gpd.GeoDataFrame(data.read("cases", day))
    cases = cases[cases["opened"].notna()].sort_values(["opened", "case_id"], kind="stable").reset_index(drop=True)
    places = np.where(cases["located"].to_numpy(bool)[:, None], _lonlat(cases), np.nan)
    persons, duty, start = tables["persons"], data.duty(day), day_bounds(day, view.zone)[0]
    grids, rounds = _grids(data.read("work_grids", day), data.result("grid_days", day)), data.result("grid_rounds", day)
    lines = gpd.GeoSeries(sections.geometry, crs=4326)
    return Day(
        asked=asked_of(network, passes, crew, view.standard, day, view.zone), sections=sections,
        lines=lines.to_crs(crs).to_numpy(), bounds=lines.bounds.to_numpy(float),
        section_of_segment=pd.Index(sections["section_id"]).get_indexer(pd.Index(segments["section_id"])).astype(np.int64),
        windows=_windows(data.result("section_windows", day), sections["section_id"]),
        names=dict(zip(persons["person_id"], persons["name"], strict=True)), duty=duty,
        duty_ms=(int(duty["from_ms"].min()), int(duty["to_ms"].max())) if len(duty) else (start, start),
        evidence_ms=int(passes.last_fix_ms.max()) if len(passes.last_fix_ms) else start,
        cases=cases, opened_ms=millis(cases["opened"]), case_lonlat=places, case_xy=_metres(places[:, 0], places[:, 1], crs), grids=grids,
        round_grid=pd.Index(grids["grid_id"]).get_indexer(pd.Index(rounds["grid_id"])).astype(np.int64) if len(rounds) else np.zeros(0, np.int64),
        round_ms=millis(rounds["completed"]) if len(rounds) else np.zeros(0, np.int64), crs=crs,
    )  # fmt: skip


def _lonlat(cases: gpd.GeoDataFrame) -> F8:
    shapes = cases.geometry.to_numpy()  # a place that is missing is NaN
    return np.column_stack([shapely.get_x(shapes), shapely.get_y(shapes)]).astype(np.float64)


def _windows(table: pd.DataFrame, section_ids: pd.Series) -> Windows:
    if not len(table):
        none = np.zeros(0, np.int64)
        return Windows(np.zeros(len(section_ids) + 1, np.int64), none, none, np.zeros(0, object))
    at = pd.Index(section_ids).get_indexer(pd.Index(table["section_id"]))
    start, end = millis(table["starts"]), millis(table["ends"])
    order = np.lexsort((start, at))
    order = order[at[order] >= 0]
    ptr = np.searchsorted(at[order], np.arange(len(section_ids) + 1)).astype(np.int64)
    return Windows(ptr, start[order], end[order], table["person_ids"].fillna("").to_numpy(object)[order])


def _grids(work_grids: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    required = (
        dict(zip(days["grid_id"], days["required_rounds"].fillna(0).astype(int), strict=True)) if len(days) else {}
    )
    bounds = (
        gpd.GeoSeries(work_grids.geometry, crs=4326).bounds
        if len(work_grids)
        else pd.DataFrame(columns=["minx", "miny", "maxx", "maxy"])
    )
    return pd.DataFrame({
        "grid_id": work_grids["grid_id"].to_numpy(), "name": work_grids["name"].fillna(work_grids["grid_id"]).to_numpy(),
        "required": [required.get(g, 0) for g in work_grids["grid_id"]],
        "west": bounds["minx"].to_numpy(float), "south": bounds["miny"].to_numpy(float), "east": bounds["maxx"].to_numpy(float), "north": bounds["maxy"].to_numpy(float),
    })  # fmt: skip


def fixes_of(view: View, day: date, d: Day, newest: str, live_ms: int | None = None) -> Fixes:
    """The positions on duty, kept until more are loaded.

    Args:
        view: whose scope.
        day: local day.
        d: the day's figures.
        newest: name of the newest load of positions; another one means that there are more.
        live_ms: now, on a live desk: it needs the last hours only, and of these reads but the last minutes with each load.
    """
    crew = view.data.edition_id("assignments", day)
    if live_ms is None:
        whole = ("command-fixes", str(day), newest, crew)
        return view.data.remember(whole, lambda: _fixes(d, _tracks(view, day)), _fixes_bytes)
    since = live_ms // STEP_MS * STEP_MS - STEP_MS
    older = view.data.remember(
        ("command-older", str(day), since, crew),
        lambda: _tracks(view, day, since - LIVE_BACK_MS, since), lambda t: 1000 + 200 * len(t),
    )  # fmt: skip
    key = ("command-fixes", str(day), newest, since, crew)
    return view.data.remember(key, lambda: _fixes(d, pd.concat([older, _tracks(view, day, since)])), _fixes_bytes)


def _fixes_bytes(f: Fixes) -> int:
    return 1000 + 80 * len(f.t_ms)


def _tracks(view: View, day: date, from_ms: int | None = None, to_ms: int | None = None) -> pd.DataFrame:
    return view.data.tracks(day, from_ms=from_ms, to_ms=to_ms, purpose="command", logged=False)


def _fixes(d: Day, table: pd.DataFrame) -> Fixes:
    table = table.sort_values(["person_id", "arrived_ms", "t_ms"], kind="stable", ignore_index=True)
    persons, first = np.unique(table["person_id"].to_numpy(object).astype(str), return_index=True)
    t = table["t_ms"].to_numpy(np.int64)
    ptr = np.append(first, len(table)).astype(np.int64)
    return Fixes(
        persons.astype(object), ptr, table["arrived_ms"].to_numpy(np.int64), newest_so_far(t, ptr), t,
        _metres(table["lon"].to_numpy(float), table["lat"].to_numpy(float), d.crs), table[["lon", "lat"]].to_numpy(float),
    )  # fmt: skip


def newest_so_far(t_ms: I8, ptr: I8) -> I8:
    """Row of the latest time among a group's rows up to each row, int64 (N,); of equal times the later row."""
    group = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    lift = group * (int(t_ms.max(initial=0)) + 1)  # so that one running maximum serves all groups
    best = np.maximum.accumulate(t_ms + lift)
    at: I8 = np.maximum.accumulate(np.where(t_ms + lift == best, np.arange(len(t_ms)), -1)).astype(np.int64)
    return at


def _metres(lon: F8, lat: F8, crs: Any) -> F8:
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    return np.column_stack([x, y]).astype(np.float64)


def on_duty(d: Day, now_ms: int) -> set[str]:
    """Persons on duty at a moment, heard of or not."""
    at = (d.duty["from_ms"].to_numpy() <= now_ms) & (d.duty["to_ms"].to_numpy() > now_ms)
    return set(d.duty["person_id"].to_numpy()[at])


def last_fixes(d: Day, f: Fixes, now_ms: int) -> pd.DataFrame:
    """The last fix of everyone on duty at a moment, of those that had arrived by then: person_id, t_ms, age_s, x, y, lon, lat."""
    on, rows, who = on_duty(d, now_ms), [], []
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


def waiting(d: Day, now_ms: int, people: pd.DataFrame, *, most: int = LISTED) -> tuple[pd.DataFrame, int]:
    """Sections by the time they have left, overdue ones first, and the number overdue.

    Returns:
        section (row), name, left_s, last_ms (−1 none), persons, near, metres; and how many are overdue.
    """
    left, _ = time_left(d.asked, now_ms)
    last = last_completed(d.asked, now_ms)
    order = np.argsort(np.where(np.isfinite(left), left, np.inf), kind="stable")[:most]
    order = order[np.isfinite(left[order])]
    names, who = d.sections["name"].to_numpy(object), people["person_id"].to_numpy(object)
    here = shapely.points(people["x"].to_numpy(float), people["y"].to_numpy(float)) if len(people) else None
    rows = []
    for k in order.tolist():
        near, metres = "", float("nan")
        if here is not None:
            distance = shapely.distance(here, d.lines[k])
            best = int(np.argmin(distance))
            near, metres = d.names.get(who[best], who[best]), float(distance[best])
        persons = "、".join(d.names.get(p, p) for p in d.windows.responsible(k, now_ms))
        rows.append({"section": k, "name": names[k], "left_s": left[k], "last_ms": int(last[k]), "persons": persons,
                     "near": near, "metres": metres})  # fmt: skip
    columns = ["section", "name", "left_s", "last_ms", "persons", "near", "metres"]
    return pd.DataFrame(rows, columns=columns), int((left <= 0).sum())


def rounds_done(d: Day, now_ms: int) -> I8:
    """Rounds that each work grid has completed by a moment, int64 (G,)."""
    done = d.round_grid[(d.round_ms <= now_ms) & (d.round_grid >= 0)]
    return np.bincount(done, minlength=len(d.grids)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Hot:
    """Hotspots of a span of time: how many cells are significant, and what the map is to show (layers `density` and `hot`)."""

    significant: int
    updates: list[dict[str, Any]]


def hot_cells(view: View, d: Day, day: date, now_ms: int, span: str) -> Hot:
    """Cells of the cases opened in the last hour, day or week: class (Gi*) and density."""
    until = now_ms // HOTSPOT_STEP_MS * HOTSPOT_STEP_MS
    lo, hi = np.searchsorted(d.opened_ms, [until - SPANS[span], until], side="right").tolist()
    key = ("command-hot", view.data.edition_id("cases", day), view.data.edition_id("areas", day), lo, hi)
    return view.data.remember(key, lambda: _hot(view, d, day, lo, hi), lambda _: 50_000)


def _cells(view: View, d: Day, day: date, settings: HotspotSettings) -> Cells:
    """The lattice over the county, else over its towns, else over all cases of the edition."""
    areas = gpd.GeoDataFrame(view.data.read("areas", day))
    outline = areas[areas["kind"] == "boundary"]
    outline = outline if len(outline) else areas[areas["kind"] == "town"]
    if not len(outline):
        outline = d.cases[np.isfinite(d.case_xy[:, 0])]
    return make_cells(outline.geometry, crs=pyproj.CRS(d.crs), cell_m=settings.cell_m)


def _hot(view: View, d: Day, day: date, lo: int, hi: int) -> Hot:
    places = d.case_xy[lo:hi]
    places = places[np.isfinite(places[:, 0])]
    if len(places) == 0:
        none = encode([], [])
        return Hot(0, [replace("density", none), replace("hot", none)])
    settings = HotspotSettings()
    key = ("command-cells", view.data.edition_id("areas", day), view.data.edition_id("cases", day))
    cells = view.data.remember(key, lambda: _cells(view, d, day, settings), lambda c: 1000 + c.rows * c.columns)
    group = pd.DataFrame({"x": places[:, 0], "y": places[:, 1]})
    table = hotspot_table(group, cells, settings, period="day", starts=pd.Timestamp(day), category="all")
    payload = encode(table.geometry.to_crs(4326).to_numpy(), table["cell_id"].astype(str).tolist())
    labels = table["hotspot"].to_numpy(object)
    kinds, kind = np.unique(labels.astype(str), return_inverse=True)
    codes = np.where(np.isin(kinds, QUIET), QUIET_CODE, symbology_codes(LAYERS["hotspots"], kinds.tolist()))[kind]
    return Hot(
        int(np.isin(labels, SIGNIFICANT).sum()),
        [
            {**replace("density", payload), **full_values("density", table["kde_km2"].to_numpy(float))},
            {**replace("hot", payload), **full_codes("hot", codes)},
        ],
    )
