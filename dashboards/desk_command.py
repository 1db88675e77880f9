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

from gis.crew import build_crew
from gis.hotspots import HotspotSettings, _one_table, make_cells
from gis.live import Asked, asked_of, time_left
from gis.model import Mode, Passes

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt

    from dashboards.context import View

ROSTER = ("persons", "devices", "assignments", "responsibilities", "exceptions")
MODES = {"foot": Mode.FOOT, "ebike": Mode.EBIKE, "vehicle": Mode.VEHICLE}
SPANS = {"hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
HOTSPOT_STEP_MS = 300_000  # hotspots of a moving span are counted anew every five minutes


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """What a visitor may see of a day, prepared once a run: sections in the order of `sections`, segments in that of the geometry."""

    asked: Asked
    sections: pd.DataFrame
    lines: npt.NDArray[np.object_]  # metric
    section_of_segment: npt.NDArray[np.int64]
    windows: pd.DataFrame
    names: dict[str, str]
    duty: pd.DataFrame
    fixes: pd.DataFrame  # by person and time, with x and y in metres
    cases: gpd.GeoDataFrame
    opened_ms: npt.NDArray[np.int64]
    rounds: pd.DataFrame
    grids: pd.DataFrame


def millis(times: pd.Series) -> npt.NDArray[np.int64]:
    """UTC times as milliseconds."""
    stamps: npt.NDArray[np.int64] = (
        times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64)
    )
    return stamps


def passes_of(table: Any, segment_ids: pd.Series, modes: dict[str, str]) -> Passes:
    """Stored passes with their segments numbered as in a network."""
    frame = table.to_pandas()
    row = pd.Index(segment_ids).get_indexer(pd.Index(frame["segment_id"]))
    devices = tuple(sorted(set(frame["device_id"])))
    place = {d: i for i, d in enumerate(devices)}
    arrays = {
        c: frame[c].to_numpy()
        for c in ("from_mm", "to_mm", "enter_ms", "leave_ms", "track_ix", "first_fix_ms", "last_fix_ms", "seen")
    }
    return Passes(
        segment_ix=row.astype(np.int32), device_ix=np.array([place[d] for d in frame["device_id"]], dtype=np.int32),
        confidence=frame["confidence"].to_numpy(np.float32), devices=devices,
        mode=np.array([MODES.get(modes.get(d, "foot"), Mode.FOOT) for d in devices], dtype=np.int8), **arrays,
    )  # fmt: skip


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
    return view.data.remember(key, lambda: _prepare(view, day), lambda d: 4_000_000 + 120 * len(d.fixes))


def _prepare(view: View, day: date) -> Day:
    data = view.data
    segments, sections = data.read("segments", day), data.read("sections", day)
    crs = getattr(view.city, "metric_crs", None) or gpd.GeoDataFrame(segments).estimate_utm_crs()
    network = stored_network(segments, sections)
    tables: dict[str, Any] = {t: data.read(t, day) for t in ROSTER}
    crew = build_crew(day, view.zone, view.standard, **tables)
    modes = dict(zip(tables["devices"]["device_id"], tables["devices"]["mode"], strict=True))
    carried = tables["assignments"].dropna(subset=["mode"])  # what a device is carried on goes before what it is
    modes |= {d: m for d, m in zip(carried["device_id"], carried["mode"], strict=True) if m in MODES}
    stored = data.passes(day, purpose="command")
    asked = asked_of(
        network, passes_of(stored, network.segments["segment_id"], modes), crew, view.standard, day, view.zone
    )
    own = network.sections
    fixes = data.tracks(day, purpose="command")
    xy = gpd.GeoSeries.from_xy(fixes["lon"], fixes["lat"], crs=4326).to_crs(crs)
    cases = gpd.GeoDataFrame(data.read("cases", day))
    cases = cases[cases["opened"].notna()].sort_values(["opened", "case_id"], kind="stable").reset_index(drop=True)
    windows = data.result("section_windows", day)
    persons = tables["persons"]
    return Day(
        asked=asked, sections=own, lines=gpd.GeoSeries(own.geometry, crs=4326).to_crs(crs).to_numpy(),
        section_of_segment=pd.Index(own["section_id"]).get_indexer(pd.Index(segments["section_id"])).astype(np.int64),
        windows=windows.drop_duplicates("section_id").set_index("section_id") if len(windows) else pd.DataFrame(),
        names=dict(zip(persons["person_id"], persons["name"], strict=True)), duty=data.duty(day),
        fixes=fixes.assign(x=xy.x.to_numpy(), y=xy.y.to_numpy()), cases=cases, opened_ms=millis(cases["opened"]),
        rounds=data.result("grid_rounds", day), grids=data.result("grid_days", day),
    )  # fmt: skip


def last_fixes(d: Day, now_ms: int) -> pd.DataFrame:
    """The last fix of everyone on duty at a moment, of those that had arrived by then."""
    on = set(d.duty[(d.duty["from_ms"] <= now_ms) & (d.duty["to_ms"] > now_ms)]["person_id"])
    known = d.fixes[(d.fixes["t_ms"] <= now_ms) & (d.fixes["arrived_ms"] <= now_ms) & d.fixes["person_id"].isin(on)]
    return known.drop_duplicates("person_id", keep="last").reset_index(drop=True)


def on_duty_count(d: Day, now_ms: int) -> int:
    """Persons on duty at a moment, heard of or not."""
    return int(d.duty[(d.duty["from_ms"] <= now_ms) & (d.duty["to_ms"] > now_ms)]["person_id"].nunique())


def waiting(d: Day, now_ms: int, people: pd.DataFrame, *, most: int = 25) -> tuple[pd.DataFrame, int]:
    """Sections by the time they have left, overdue ones first, with the responsible persons and the nearest inspector; and the number overdue."""
    left, _ = time_left(d.asked, now_ms)
    order = np.argsort(np.where(np.isfinite(left), left, np.inf), kind="stable")[:most]
    order = order[np.isfinite(left[order])]
    rows = []
    tree = shapely.points(people["x"].to_numpy(float), people["y"].to_numpy(float)) if len(people) else None
    for k in order.tolist():
        section = d.sections.iloc[k]
        ids = d.windows["person_ids"].get(section["section_id"], "") if len(d.windows) else ""
        ids = ids if isinstance(ids, str) else ""
        near, metres = "", float("nan")
        if tree is not None:
            distance = shapely.distance(tree, d.lines[k])
            best = int(np.argmin(distance))
            near, metres = d.names.get(people["person_id"][best], people["person_id"][best]), float(distance[best])
        persons = "、".join(d.names.get(p, p) for p in ids.split(";") if p)
        rows.append({"section": section["name"], "left_s": left[k], "persons": persons, "near": near, "metres": metres})
    return pd.DataFrame(rows, columns=["section", "left_s", "persons", "near", "metres"]), int((left <= 0).sum())


def rounds_done(d: Day, now_ms: int) -> tuple[int, int, int]:
    """Rounds completed by a moment, rounds required that day, grids that have all they need."""
    if not len(d.grids):
        return 0, 0, 0
    done = d.rounds[millis(d.rounds["completed"]) <= now_ms] if len(d.rounds) else d.rounds
    count = done["grid_id"].value_counts() if len(done) else pd.Series(dtype="int64")
    required = d.grids["required_rounds"].fillna(0).astype(int)
    have = d.grids["grid_id"].map(count).fillna(0).astype(int)
    return int(np.minimum(have, required).sum()), int(required.sum()), int(((required > 0) & (have >= required)).sum())


def hot_cells(view: View, d: Day, day: date, now_ms: int, span: str) -> pd.DataFrame:
    """Cells of the cases opened in the last hour, day or week: class (Gi*), density, and where their centre lies."""
    until = now_ms // HOTSPOT_STEP_MS * HOTSPOT_STEP_MS
    lo, hi = np.searchsorted(d.opened_ms, [until - SPANS[span], until], side="right").tolist()
    key = ("command-hot", view.data.edition_id("cases", day), view.data.edition_id("areas", day), lo, hi)
    return view.data.remember(key, lambda: _hot(view, d, day, lo, hi), lambda f: 1000 + 100 * len(f))


def _hot(view: View, d: Day, day: date, lo: int, hi: int) -> pd.DataFrame:
    part = d.cases.iloc[lo:hi]
    part = part[part["located"].astype(bool) & part.geometry.notna()]
    none = pd.DataFrame({c: [] for c in ("cell_id", "hotspot", "kde_km2", "lon", "lat", "cases")})
    if part.empty:
        return none
    areas = gpd.GeoDataFrame(view.data.read("areas", day))
    outline = areas[areas["kind"] == "boundary"]
    outline = outline if len(outline) else areas[areas["kind"] == "town"]
    settings = HotspotSettings()
    crs = getattr(view.city, "metric_crs", None) or part.estimate_utm_crs()
    cells = make_cells(outline.geometry if len(outline) else part.geometry, crs=pyproj.CRS(crs), cell_m=settings.cell_m)
    points = part.geometry.to_crs(crs)
    group = pd.DataFrame({"x": points.x.to_numpy(), "y": points.y.to_numpy()})
    table = _one_table(group, cells, settings, period="day", starts=pd.Timestamp(day), category="all")
    centre = table.geometry.centroid.to_crs(4326)
    return pd.DataFrame(table.drop(columns="geometry")).assign(lon=centre.x.to_numpy(), lat=centre.y.to_numpy())
