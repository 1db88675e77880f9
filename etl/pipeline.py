"""From what is stored to a stored audit: tables in force, network, positions matched, rules judged, statistics, one published run a day."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from etl.base import silent
from etl.code_version import calendar_version, code_version
from etl.exception_targets import resolve_exceptions
from etl.inputs import DayTables, metric_crs, network_settings
from etl.match_stage import Matched, Shard, match_day, passes_table, shards_for
from etl.network_stage import DERIVED, Networks
from etl.offset_findings import fixes_offset, told_at_load
from etl.remote_sensing import remote_sensing
from etl.road_stage import RoadsByParts
from gis.audit import DayInputs, audit_day, crew_of
from gis.calendar import days_needed
from gis.calendar_notes import calendar_notes
from gis.case_counts import cases_by_area
from gis.clock_notes import clock_notes
from gis.clocks import case_clocks, closing_outcomes
from gis.crew import device_modes, with_fixes
from gis.errors import Fault, ImpossibleError, StoreError, XunchaError
from gis.frequency import road_frequency
from gis.hotspots import case_hotspots
from gis.model import MODES
from gis.network.responsible import resolve_responsibilities
from gis.presence import presence_of
from gis.subjects import subject_notes
from gis.surface import density_surface
from layers.contracts import TABLES
from layers.standard_editions import edition_id_of, file_name, standard_of, store_standard
from layers.store.base import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    import pyarrow as pa
    import pyproj

    from etl.base import Progress
    from gis.crew import Crew
    from gis.frequency import RoadFrequency
    from gis.model import Fixes, Passes
    from gis.network import Network
    from gis.presence import Presence
    from gis.standard import Standard
    from layers.city import City
    from layers.store.base import Store

TRIES = 3
PARTS = {
    "surface": ("人员密度面", "the surface of density"), "hotspots": ("热点", "hotspots"), "case_areas": ("网格案件数", "cases by grid"),
    "scenes": ("遥感统计", "statistics of scenes"),
}  # fmt: skip
DAY_FIELDS = (
    "persons", "devices", "assignments", "responsibilities", "exceptions", "cases", "checkins", "units", "areas", "work_grids",
    "community_grids",
)  # fmt: skip


@dataclass(slots=True)
class Work:
    """What the stages of one audit share."""

    city: City
    store: Store
    standard: Standard
    scheduler: str | None
    shards: int | None
    progress: Progress
    arrived_before_ms: int | None
    networks: Networks
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - begin, 3)


def audit_days(
    city: City,
    store: Store,
    days: Sequence[date],
    *,
    scheduler: str | None = None,
    shards: int | None = None,
    progress: Progress = silent,
    arrived_before_ms: int | None = None,
) -> list[Run]:
    """Audit local days, one after the other, each published by itself; a day whose inputs, editions and code are unchanged is not computed.

    Args:
        city: the city file.
        store: prepared.
        days: local days.
        scheduler: address of a Dask scheduler for the matching and the road rules; None: this process.
        shards: groups of devices, then of sections; by default as many as bound the memory. The result does not depend on it.
        progress: told stage by stage.
        arrived_before_ms: only positions that had arrived by then (a replay); None: all.

    Returns:
        The current run of each day.

    Raises:
        ImpossibleError: nothing that any rule could judge is in force on a day.
        SettingsError: the standard or a setting is wrong.
        StoreError: the store is busy or gone.
    """
    standard = standard_of(city)
    store_standard(store, standard, file=file_name(city))
    runs, networks = [], Networks(city, store, standard)
    for done, day in enumerate(days):
        progress("核查 audit", done, len(days))
        runs.append(_audit(Work(city, store, standard, scheduler, shards, progress, arrived_before_ms, networks), day))
    progress("核查 audit", len(days), len(days))
    return runs


def _audit(work: Work, day: date) -> Run:
    """The run of a day; anew where positions were loaded while it was computed, which would be in its figures and not in its id.

    Raises:
        StoreError: positions of the day kept changing.
    """
    for _ in range(TRIES):
        made = _tried(work, day)
        if made is not None:
            return made
        work.progress("定位有变，重新核查 positions changed, again", 0, None)
    raise _changing(day)


def _changing(day: date) -> StoreError:
    return StoreError(
        Fault("audit.changing", f"{day} 的定位在核查期间不断变化", f"positions of {day} kept changing while they were audited",
              "等装载结束后再核查", "audit again when loading has ended")
    )  # fmt: skip


def _tried(work: Work, day: date) -> Run | None:
    """The run of a day, None where positions that it rests on changed before it was published."""
    store = work.store
    tables = DayTables(store, day)
    _refuse_nothing(tables, day)
    earlier = _earlier(work, tables)
    with work.stage("network"):
        network, network_id = _network(work, tables)
    newest = _newest_positions(store)
    run = _identity(work, tables, earlier, network_id)
    if work.arrived_before_ms is None and any(r.run_id == run.run_id for r in store.runs(day)):
        store.publish(run, {}, [])  # stored already: only the pointer moves
        return next(r for r in store.runs(day) if r.run_id == run.run_id)
    if network is None:
        results, passes = _without_roads(work, tables)
    else:
        results, passes = _with_roads(work, tables, earlier, network)
    with work.stage("statistics"):
        _add_statistics(results, work, tables)
    told = told_at_load(store, tables, network)
    results["findings"] = (
        pd.concat([results["findings"], told], ignore_index=True) if len(told) else results["findings"]
    )
    finished = replace(run, seconds=dict(work.seconds))
    with work.stage("publish"):
        if _newest_positions(store) != newest and _positions(work, tables, earlier) != _positions_of(run):
            return None
        store.publish(finished, _complete(results), passes)
    return finished


def _newest_positions(store: Store) -> str | None:
    """The newest load of positions, of whatever day: while it stays, none has changed."""
    return next((m.manifest_id for m in store.manifests(table="positions", limit=1)), None)


def _earlier(work: Work, tables: DayTables) -> list[DayTables]:
    """The tables of the days before that community windows reach back to, oldest first."""
    if not tables.has("community_grids"):
        return []
    return [DayTables(work.store, d) for d in days_needed(work.standard, tables.day)[:-1]]


def _positions(work: Work, tables: DayTables, earlier: Sequence[DayTables]) -> list[dict[str, Any]]:
    """Content of the positions that a run rests on."""
    held, known = work.store.positions, set(work.store.positions.days())
    days = [t.day for t in (*earlier, tables) if t.day in known]
    return [{"name": f"positions {d}", "sha256": held.sha256(d), "rows": held.count(d)} for d in days]


def _positions_of(run: Run) -> list[dict[str, Any]]:
    return [dict(i) for i in run.inputs if str(i["name"]).startswith("positions ")]


def _refuse_nothing(tables: DayTables, day: date) -> None:
    if any(tables.has(t) for t in ("road_edges", "work_grids", "areas", "community_grids", "cases", "scenes")):
        return
    raise ImpossibleError(
        Fault(
            "audit.nothing",
            f"{day} 没有生效的道路、网格、区域、案件或影像，无可核查",
            f"no roads, grids, areas, cases or scenes are in force on {day}",
            "先运行 xuncha load city.toml；检查 valid_from",
            "first run xuncha load city.toml; check valid_from",
        )
    )


def _network(work: Work, tables: DayTables) -> tuple[Network | None, str | None]:
    if not tables.has("road_edges"):
        return None, None
    return work.networks.of(tables)


def _identity(work: Work, tables: DayTables, earlier: Sequence[DayTables], network_id: str | None) -> Run:
    """The run with its id: everything that its figures follow from, and nothing else."""
    city, store, day = work.city, work.store, tables.day
    inputs = _positions(work, tables, earlier)
    by_edition = {e.edition_id: e for e in store.editions()}
    for table, edition_id in sorted(tables.editions.items()):
        inputs.append({"name": table, "sha256": edition_id, "rows": by_edition[edition_id].rows})
    editions = dict(tables.editions)
    if network_id is not None:
        editions |= dict.fromkeys(DERIVED, network_id)
    standard_edition = edition_id_of(work.standard)
    what = {
        "city": city.id,
        "day": str(day),
        "time_zone": city.timezone,
        "standard": standard_edition,
        "editions": editions,
        "earlier": {str(t.day): t.editions for t in earlier},
        "inputs": inputs,
        "code": code_version(),
        "calendar": calendar_version(work.standard.calendar.source),
        "counting": city.counting.model_dump(mode="json"),
        "matching": dict(city.matching),
        "network": dict(city.network),
        "crs": metric_crs(city, tables).to_wkt(),
        "arrived_before_ms": work.arrived_before_ms,
    }
    run_id = hashlib.sha256(json.dumps(what, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
    return Run(run_id, day, city.name, work.standard.id, work.standard.version, editions, inputs, code_version(),
               standard_edition=standard_edition)  # fmt: skip


# --- with roads: positions, passes, rules ---
def _with_roads(
    work: Work, tables: DayTables, earlier: Sequence[DayTables], network: Network
) -> tuple[dict[str, pd.DataFrame], list[pa.Table]]:
    with work.stage("match"):
        matched = _matched(work, tables, network, device_ids=None)
    with work.stage("history"):
        history = _history(work, earlier, network)
    with work.stage("rules"):
        inputs = day_inputs(work.city, work.standard, tables, network, history)
        crew = with_fixes(crew_of(inputs, work.standard), matched.fixes, work.standard)
        results = audit_day(
            inputs, network=network, fixes=matched.fixes, passes=matched.passes, standard=work.standard, crew=crew,
            judge_roads=_roads(work, tables.day),
        )  # fmt: skip
        told = fixes_offset(matched.fixes, tables["road_edges"], network.graph.crs)
        results["findings"] = (
            pd.concat([results["findings"], told], ignore_index=True) if len(told) else results["findings"]
        )
    with work.stage("surface"):
        presence = presence_of(crew, matched.fixes, work.standard)
        tolerate(results, "surface", lambda: _surface(work, tables, results, network.graph.crs, presence))
    return results, [passes_table(matched.passes)]


def _surface(
    work: Work, tables: DayTables, results: Mapping[str, pd.DataFrame], crs: pyproj.CRS, presence: Presence | None
) -> dict[str, pd.DataFrame]:
    grids, counted = gpd.GeoDataFrame(tables["work_grids"]), work.standard.density.verdict.value
    surface = density_surface(grids, results["density"], crs=crs, presence=presence, counted=counted)
    return {"density_surface": surface}


def _parts(work: Work, day: date) -> int:
    """How many groups of devices, and of sections, a day is divided into."""
    return work.shards or shards_for(work.store.positions.count(day))


def _roads(work: Work, day: date) -> Callable[..., RoadFrequency]:
    parts = _parts(work, day)
    return road_frequency if parts == 1 else RoadsByParts(parts, work.scheduler, work.progress)


def _matched(work: Work, tables: DayTables, network: Network, *, device_ids: tuple[str, ...] | None) -> Matched:
    parts = 1 if device_ids is not None and not work.shards else _parts(work, tables.day)
    modes, default = device_modes(tables["devices"], tables["assignments"]), MODES[work.city.counting.unassigned_mode]
    shards = [
        Shard(tables.day, i, parts, device_ids, modes, default, arrived_before_ms=work.arrived_before_ms)
        for i in range(parts)
    ]
    return match_day(
        work.store,
        work.networks.matcher(network),
        shards,
        time_zone=work.city.timezone,
        scheduler=work.scheduler,
        progress=work.progress,
    )


def _history(work: Work, days: Sequence[DayTables], network: Network) -> list[tuple[Passes, Crew]]:
    """Passes and crews of the days before that community windows reach back to; only devices of those whom a cadence names are read."""
    roles = {role for rule in work.standard.community_rules().values() for role in rule.roles}
    out = []
    for earlier in days:
        persons, carried = earlier["persons"], earlier["assignments"]
        members = set(persons["person_id"][persons["role"].isin(roles)])
        devices = tuple(sorted(set(carried["device_id"][carried["person_id"].isin(members)])))
        matched = _matched(work, earlier, network, device_ids=devices)
        inputs = day_inputs(work.city, work.standard, earlier, network, [])
        out.append((matched.passes, with_fixes(crew_of(inputs, work.standard), matched.fixes, work.standard)))
    return out


def day_inputs(
    city: City,
    standard: Standard,
    tables: DayTables,
    network: Network | None,
    history: Sequence[tuple[Passes, Crew]] = (),
) -> DayInputs:
    """The tables of a day as the rules read them, with responsibilities and exceptions resolved on the network."""
    given: dict[str, Any] = {t: tables[t] for t in DAY_FIELDS if tables.has(t)}
    if network is not None and tables.has("responsibilities"):
        given["responsibilities"] = resolve_responsibilities(
            tables["responsibilities"], network, settings=network_settings(city, standard)
        )
    if network is not None and tables.has("exceptions"):
        given["exceptions"] = resolve_exceptions(
            tables["exceptions"], network, settings=network_settings(city, standard)
        )
    return DayInputs(tables.day, city.zone, **given, unassigned_modes=city.counting.counted_modes, history=history)


# --- without roads: areas, grids and cases still say something ---
def _without_roads(work: Work, tables: DayTables) -> tuple[dict[str, pd.DataFrame], list[pa.Table]]:
    from gis.density import density  # noqa: PLC0415 (seldom needed)

    with work.stage("rules"):
        inputs = day_inputs(work.city, work.standard, tables, None, [])
        nothing = _no_fixes()
        crew = with_fixes(crew_of(inputs, work.standard), nothing, work.standard)
        crs = metric_crs(work.city, tables)
        areas = gpd.GeoDataFrame(inputs.areas)
        towns = areas[areas["kind"] == "town"]
        judged = density(
            crew,
            presence_of(crew, None, work.standard),
            work.standard,
            work_grids=gpd.GeoDataFrame(inputs.work_grids),
            areas=areas,
            crs=crs,
            town_names=dict(zip(towns["area_id"], towns["name"].fillna(""), strict=True)),
        )
        clocks = case_clocks(inputs.cases, work.standard, work.city.zone, as_of_ms=crew.end_ms)
        zone = work.city.zone
        notes = [
            ("roads.none", "road_edges", 1, "没有道路数据：道路巡查、网格轮次与全科网格无法核查，只给出人员配置、热点、时限与遥感",
             "no roads: road patrol, rounds and cadence cannot be judged; density, hotspots, clocks and scenes are"),
            *calendar_notes(tables.day, zone, work.standard),
            *(n for n in clock_notes(inputs.cases, clocks, work.standard, zone, as_of_ms=crew.end_ms) if n[2]),
            *(n for n in subject_notes(inputs.cases, work.standard) if n[2]),
        ]  # fmt: skip
        findings = pd.DataFrame(notes, columns=["code", "subject", "count", "zh", "en"])
        results = {"density": judged, "case_clocks": clocks, "findings": findings}
        tolerate(results, "surface", lambda: _surface(work, tables, results, crs, None))
    return results, []


def _no_fixes() -> Fixes:
    from gis.model import Fixes as Columns  # noqa: PLC0415

    return Columns(
        np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, np.uint16), np.zeros(0, np.int32), (),
        np.zeros(0, np.int8),
    )  # fmt: skip


# --- cases and scenes ---
def _add_statistics(results: dict[str, pd.DataFrame], work: Work, tables: DayTables) -> None:
    """Hotspots, counts by grid and what scenes say; none of them stops the audit of roads."""
    city = work.city
    if tables.has("cases"):
        tolerate(results, "hotspots", lambda: {"hotspots": _hotspots(city, tables)})
        if tables.has("work_grids"):
            tolerate(results, "case_areas", lambda: {"case_areas": _case_areas(work, tables, results)})
    zones = next((t for t in ("work_grids", "community_grids") if tables.has(t)), None)
    if tables.has("scenes") and zones is not None:
        tolerate(results, "scenes", lambda: _scenes(city, tables, zones))


def tolerate(results: dict[str, pd.DataFrame], part: str, make: Callable[[], dict[str, pd.DataFrame]]) -> None:
    """Add the tables that `make` gives; where it fails the results do without them, and a finding says so.

    Raises:
        StoreError: the store is gone, which is no fault of the part.
    """
    try:
        results |= make()
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 (drivers of rasters and geometry have errors of their own)
        zh, en = PARTS[part]
        note = {
            "code": f"{part}.failed", "subject": part, "count": 1, "zh": f"{zh}没有算出：{_words(error, 'zh')}",
            "en": f"{en} could not be computed: {_words(error, 'en')}",
        }  # fmt: skip
        found = results.get("findings")
        row = pd.DataFrame([note])
        results["findings"] = row if found is None or not len(found) else pd.concat([found, row], ignore_index=True)


def _words(error: Exception, lang: Literal["zh", "en"]) -> str:
    said = error.faults[0].render(lang) if isinstance(error, XunchaError) else f"{type(error).__name__}: {error}"
    return said.splitlines()[0][:300]


def _hotspots(city: City, tables: DayTables) -> pd.DataFrame:
    areas = gpd.GeoDataFrame(tables["areas"])
    outline = areas[areas["kind"] == "boundary"] if len(areas) else areas
    if not len(outline) and len(areas):
        outline = areas[areas["kind"] == "town"]
    return case_hotspots(
        gpd.GeoDataFrame(tables["cases"]),
        day=tables.day,
        time_zone=city.timezone,
        crs=metric_crs(city, tables),
        study_area=gpd.GeoSeries(outline.geometry) if len(outline) else None,
    )


def _case_areas(work: Work, tables: DayTables, results: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    cases, grids = gpd.GeoDataFrame(tables["cases"]), gpd.GeoDataFrame(tables["work_grids"])
    outcomes = closing_outcomes(results["case_clocks"], work.standard)
    return cases_by_area(cases, grids, outcomes=outcomes, day=tables.day, time_zone=work.city.timezone)


def _scenes(city: City, tables: DayTables, zones: str) -> dict[str, pd.DataFrame]:
    zonal, change = remote_sensing(city, tables["scenes"], gpd.GeoDataFrame(tables[zones]))
    return {"zonal": zonal, "zonal_change": change}


def _complete(results: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every result table; those that nothing was computed for are empty and keep their contract."""
    return {
        t.name: results[t.name]
        for t in TABLES.values()
        if t.kind == "result" and t.name in results and len(results[t.name])
    }
