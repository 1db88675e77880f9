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
from gis.live import Judged, full_patrols, reached_windows
from gis.rates import OUTCOMES, UNKNOWN
from gis.road_plan import plan_roads
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

NOWHERE = "EPSG:32651"
SHOWN_OF_CASES = ["case_id", "title", "category", "opened", "located", "geometry"]
ROSTER = ("persons", "devices", "assignments", "responsibilities", "exceptions")


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of the sections by (section, start): whose turn it is at a moment.

    Attributes:
        ptr: int64 (K + 1,), windows of section k are ptr[k] … ptr[k + 1].
        start_ms, end_ms: int64 (W,).
        persons: responsible persons' ids, joined by `;`.
        named_by: where they come from (`gis.road_plan.answered_by`); None where it is not known.
        missing: the audit's words on what is missing; None likewise.
    """

    ptr: I8
    start_ms: I8
    end_ms: I8
    persons: npt.NDArray[np.object_]
    named_by: npt.NDArray[np.object_] | None = None
    missing: npt.NDArray[np.object_] | None = None

    def responsible(self, section: int, now_ms: int) -> list[str]:
        """Who answers for the section in the window of that moment, else in the next one, else in the last one."""
        low, high = int(self.ptr[section]), int(self.ptr[section + 1])
        if low == high:
            return []
        k = low + int(np.searchsorted(self.end_ms[low:high], now_ms, side="right"))
        return [p for p in str(self.persons[min(k, high - 1)] or "").split(";") if p and p != "nan"]

    def from_grid(self, section: int) -> bool:
        """Whether those who answer for the section are filled in from its work grid."""
        low, high = int(self.ptr[section]), int(self.ptr[section + 1])
        return self.named_by is not None and low < high and self.named_by[low] == "from_grid"


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a visitor may see of a day whatever happens on it: sections in the order of `sections`, segments in that of the geometry.

    Attributes:
        lines: of the sections, metric.
        bounds: of the sections, degrees: west, south, east, north.
        section_of_segment: int64 (S,).
        names: person → name.
        duty: who was on duty with which device when.
        staff: everybody on duty, with a device or without: person_id, role, unit_id, from_ms, to_ms.
        carried: what they carried when: person_id, mode, from_ms, to_ms.
        duty_ms: first and last moment of duty.
        grids: grid_id, name, required, west … north, in the order of the work grids' geometry.
        network: changes whenever the geometry on the map does.
        crs: metric.
    """

    sections: pd.DataFrame
    lines: npt.NDArray[np.object_]
    bounds: F8
    section_of_segment: I8
    names: dict[str, str]
    duty: pd.DataFrame
    staff: pd.DataFrame
    carried: pd.DataFrame
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
        judged: the windows as they are judged so far; None where nothing is known at all.
        windows: whose turn it is, row for row as in `judged`.
        patrol_section, patrol_ms: full patrols of sections (rows of `Ground.sections`) and when they were complete, int64 (D,).
        round_grid, round_ms: rounds of work grids (rows of `Ground.grids`) and when they were complete, int64 (R,).
    """

    key: str
    live: bool
    until_ms: int | None
    judged: Judged | None
    windows: Windows
    patrol_section: I8
    patrol_ms: I8
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
        lambda s: 10_000 + 200 * len(s.patrol_ms) + 400 * len(s.windows.start_ms),
    )
    return Day(ground, cases, standing)


def _crew(view: View, data: ScopedStore, day: date) -> Crew:
    modes = getattr(
        getattr(view.city, "counting", None), "counted_modes", ()
    )  # a city without settings counts nobody unknown
    tables: dict[str, Any] = {t: data.read(t, day) for t in ROSTER}
    return build_crew(day, view.zone, view.standard_on(day), **tables, unassigned_modes=modes)


def _crs_of(segments: gpd.GeoDataFrame) -> pyproj.CRS:
    """A metric CRS of the streets' place; any where a scope has none, since then nothing is measured."""
    return segments.estimate_utm_crs() if len(segments) else pyproj.CRS(NOWHERE)


def _ground(view: View, day: date) -> Ground:
    data = view.data
    segments, sections = data.read("segments", day), data.read("sections", day)
    sections = sections.astype({"section_id": object, "name": object})  # asked for each second: texts as they are
    crs = getattr(view.city, "metric_crs", None) or _crs_of(gpd.GeoDataFrame(segments))
    persons, duty, start = (
        data.read("persons", day),
        data.duty(day).astype({"person_id": object}),
        day_bounds(day, view.zone)[0],
    )
    staff, carried = _staff(view, day)
    lines = gpd.GeoSeries(sections.geometry, crs=4326)
    return Ground(
        sections=sections, lines=lines.to_crs(crs).to_numpy(), bounds=lines.bounds.to_numpy(float),
        section_of_segment=pd.Index(sections["section_id"]).get_indexer(pd.Index(segments["section_id"])).astype(np.int64),
        names=dict(zip(persons["person_id"], persons["name"], strict=True)), duty=duty, staff=staff, carried=carried,
        duty_ms=(int(staff["from_ms"].min()), int(staff["to_ms"].max())) if len(staff) else (start, start),
        grids=_grids(view, day, data.read("work_grids", day)), network=f"{data.edition_id('segments', day)} {data.edition_id('work_grids', day)}", crs=crs,
    )  # fmt: skip


def _staff(view: View, day: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everybody of the scope who is on duty that day, and what they carry (see `Ground`)."""
    crew = _crew(view, view.data, day)
    staff = [(p.person_id, p.role, p.unit_id, *span) for p in crew.persons for span in p.duty]
    carried = [(crew.persons[c.person_ix].person_id, c.mode, c.start_ms, c.end_ms) for c in crew.carries]
    times = {"from_ms": "int64", "to_ms": "int64"}
    return (
        pd.DataFrame(staff, columns=["person_id", "role", "unit_id", *times]).astype(
            {"person_id": object, "role": object, **times}
        ),
        pd.DataFrame(carried, columns=["person_id", "mode", *times]).astype(
            {"person_id": object, "mode": "int64", **times}
        ),
    )


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
        until = held.until_ms if "outcome" in windows else None  # evidence of a version before judged nothing
    elif held is not None:
        counted = data.of_everybody("patrols", held, lambda whole: audited_patrols(view, whole, day))
        patrols, until = counted.rows[counted.rows["starts_ms"] < 0], counted.until_ms
        rounds, windows = data.result("grid_rounds", day), data.result("section_windows", day)
        rounds = rounds.assign(completed_ms=millis(rounds["completed"])) if len(rounds) else rounds
        windows = _audited(windows, counted.rows) if len(windows) else windows
    section, at = _rows(patrols, "section_id", ground.sections["section_id"])
    grid, done = _rows(rounds, "grid_id", ground.grids["grid_id"])
    asked, judged = windows_of(windows, ground.sections["section_id"])
    order = np.lexsort((at, section))
    return Standing(
        key,
        isinstance(held, Live),
        until,
        judged if until is not None else None,
        asked,
        section[order],
        at[order],
        grid,
        done,
    )


def _audited(windows: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    """The windows of an audit in the form of live evidence: times as milliseconds, and when each was reached."""
    starts = millis(windows["starts"])
    reached = counted[counted["starts_ms"] >= 0].set_index(["section_id", "starts_ms"])["completed_ms"]
    asked = pd.MultiIndex.from_arrays([windows["section_id"].astype(str), starts])
    found = reached.reindex(asked, fill_value=-1).to_numpy(np.int64) if len(reached) else np.full(len(windows), -1)
    return windows.assign(starts_ms=starts, ends_ms=millis(windows["ends"]), reached_ms=found)


def _rows(table: pd.DataFrame, key: str, ids: pd.Series) -> tuple[I8, I8]:
    """Row of each subject among `ids`, and when it was complete; without those that are not among them."""
    if not len(table):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = pd.Index(ids).get_indexer(pd.Index(table[key])).astype(np.int64)
    return rows[rows >= 0], table["completed_ms"].to_numpy(np.int64)[rows >= 0]


def audited_patrols(view: View, data: ScopedStore, day: date) -> Counted:
    """Full patrols of an audited day and the windows that were reached, from its passes: section_id, completed_ms, starts_ms (-1: a patrol).

    Args:
        view: standard, zone and city.
        data: the whole county: how fast a pass was is judged by the way about it, which may lie in another town, and whoever is entitled counts.
        day: local day.
    """
    segments, sections = data.read("segments", day), data.read("sections", day)
    stored = data.passes(day, purpose="command", logged=False)
    own = pd.Index(segments["segment_id"]).get_indexer(pd.Index(stored["segment_id"].to_pandas()))
    passes = as_passes(stored, own.astype(np.int32), *modes_of(view, day, data))
    network, crew = stored_network(segments, sections), _crew(view, data, day)
    given: tuple[Any, ...] = (network, passes, crew, view.standard_on(day), day, view.zone)
    section, completed = full_patrols(*given)
    ids = sections["section_id"].astype(str).to_numpy(object)
    plan = plan_roads(*given)
    reached = reached_windows(*given)
    done = np.flatnonzero(reached >= 0)
    frame = pd.DataFrame({
        "section_id": np.r_[ids[section], ids[plan.section_of_row[done]]], "completed_ms": np.r_[completed, reached[done]],
        "starts_ms": np.r_[np.full(len(section), -1), plan.per_row("start_ms").astype(np.int64)[done]],
    })  # fmt: skip
    return Counted(frame, int(passes.last_fix_ms.max(initial=day_bounds(day, view.zone)[0])))


def windows_of(table: pd.DataFrame, section_ids: pd.Series) -> tuple[Windows, Judged]:
    """Windows (in the form of live evidence, see `layers.store.live`) by section and start: whose turn it is, and what became of them."""
    none, size = np.zeros(0, np.int64), len(section_ids) + 1
    if not len(table):
        return Windows(np.zeros(size, np.int64), none, none, np.zeros(0, object)), Judged(
            np.zeros(size, np.int64), *(none,) * 4
        )
    at = pd.Index(section_ids).get_indexer(pd.Index(table["section_id"]))
    start, end = table["starts_ms"].to_numpy(np.int64), table["ends_ms"].to_numpy(np.int64)
    order = np.lexsort((start, at))
    order = order[at[order] >= 0]
    ptr = np.searchsorted(at[order], np.arange(size)).astype(np.int64)
    texts = {
        c: table[c].fillna("").to_numpy(object)[order] for c in ("person_ids", "named_by", "missing") if c in table
    }
    who = Windows(ptr, start[order], end[order], texts["person_ids"], texts.get("named_by"), texts.get("missing"))
    if "outcome" not in table:
        return who, Judged(ptr, who.start_ms, who.end_ms, np.full(len(order), UNKNOWN), np.full(len(order), -1))
    outcome = pd.Categorical(table["outcome"], categories=list(OUTCOMES)).codes.astype(np.int64)[order]
    return who, Judged(ptr, who.start_ms, who.end_ms, outcome, table["reached_ms"].to_numpy(np.int64)[order])


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
