"""A simulated day of patrols over any network: beats with a roster of their own, patrolled well or badly by a plan, judged by the audit.

The plan follows the standard's windows: each beat passes its sections once in every window, now and then leaves a section out or passes
it in part, and sometimes drives by too fast. What is left out is left out on purpose, so that truth holds all outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyproj

from gis.calendar import day_bounds, duty_intervals, windows_of
from gis.crew import Crew, build_crew, with_devices, with_fixes
from gis.degrade import degrade
from gis.frequency import road_frequency
from gis.model import Mode
from gis.rounds import grid_rounds
from gis.simulate import Patroller, Task, simulate
from gis.standard import Calibration
from gis.tracks import prepare_fixes

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.degrade import Degradation, Observations
    from gis.matching import Matcher
    from gis.model import Fixes, Passes
    from gis.network.model import Network
    from gis.simulate import Movement
    from gis.standard import RoadRule, RoundsRule, Standard

SPEED_MPS = {Mode.FOOT: 1.3, Mode.EBIKE: 3.7, Mode.VEHICLE: 6.5}
MODE_WORD = {Mode.FOOT: "foot", Mode.EBIKE: "ebike", Mode.VEHICLE: "vehicle"}
REACH_SHARE = 0.45  # of a window's time, what a beat's length takes without ways between its sections
DAILY_S = 8000.0  # of patrol time for a daily beat


@dataclass(frozen=True, slots=True)
class Habits:
    """How well a simulated day is patrolled: shares of the sections of a window.

    Attributes:
        skipped: left out whole.
        partly: passed but for some of their segments.
        hurried: shares of windows driven by at more than patrol speed.
        silent: share of the devices that fall silent for one to three hours.
    """

    skipped: float = 0.12
    partly: float = 0.15
    hurried: float = 0.03
    silent: float = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """One simulated day.

    Attributes:
        moved: truth.
        crew: the day's roster, nobody silent.
        silences: (device index, from ms, to ms).
    """

    moved: Movement
    crew: Crew
    silences: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What an audit of a rehearsal says: `section_windows` and `grid_days` of the contracts."""

    section_windows: pd.DataFrame
    grid_days: pd.DataFrame


def rehearse(
    network: Network,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    mode: Mode,
    rng: np.random.Generator,
    work_grids: gpd.GeoDataFrame | None = None,
    habits: Habits | None = None,
) -> Rehearsal:
    """Plan and patrol one day.

    Args:
        network: any network with sections that rules bind.
        standard: whose windows are planned for; the day must be a working day.
        day: local day.
        zone: local time zone.
        mode: how all squads move (collectors ride e-bikes unless all are on foot).
        rng: the only source of chance.
        work_grids: contract `work_grids`, for rounds; None for none.
        habits: how well they patrol.
    """
    how = habits or Habits()
    patrollers: list[Patroller] = []
    duties: list[tuple[str, str, str, str]] = []  # person, role, target kind, target
    ids = network.sections["section_id"].to_numpy()
    for rule_id, road in standard.road_rules().items():
        for beat in _beats(network, rule_id, road, mode):
            person = f"R{len(patrollers):04d}"
            tasks = _squad_tasks(network, standard, road, beat, day, zone, mode=mode, how=how, rng=rng)
            patrollers.append(
                Patroller(person, mode, SPEED_MPS[mode] * float(rng.uniform(0.85, 1.15)), tasks, stop_share=0.04)
            )
            duties += [(person, road.roles[0], "section", str(s)) for s in ids[beat]]
    walk = mode if mode == Mode.FOOT else Mode.EBIKE
    for rule, grid_id in _grids(standard, work_grids):
        for tasks in _grid_tasks(network, standard, rule.roles[0], grid_id, day, zone, rng):
            person = f"R{len(patrollers):04d}"
            patrollers.append(
                Patroller(person, walk, SPEED_MPS[walk] * float(rng.uniform(0.8, 1.2)), tasks, stop_share=0.02)
            )
            duties.append((person, rule.roles[0], "work_grid", grid_id))
    moved = simulate(network.graph, patrollers, rng=rng)
    return Rehearsal(moved, _crew(patrollers, duties, standard, day, zone), _silences(moved, how, rng))


def _grids(standard: Standard, work_grids: gpd.GeoDataFrame | None) -> list[tuple[RoundsRule, str]]:
    """Every work grid that a rule binds."""
    if work_grids is None:
        return []
    rules = {r.zone: r for r in standard.rounds_rules().values()}
    return [(rules[z], str(g)) for g, z in zip(work_grids["grid_id"], work_grids["level"], strict=True) if z in rules]


def _beats(network: Network, rule_id: str, rule: RoadRule, mode: Mode) -> list[npt.NDArray[np.int64]]:
    """Sections of a rule in groups of neighbours that one inspector can pass in the interval."""
    mine = np.flatnonzero((network.sections["rule_id"] == rule_id).to_numpy())
    if not len(mine):
        return []
    first = np.full(len(network.sections), network.graph.segment_count, np.int64)
    np.minimum.at(first, network.seg_section, np.arange(network.graph.segment_count))
    at = network.graph.seg_u[first[mine]]
    x, y = network.graph.node_x[at], network.graph.node_y[at]
    strip = np.floor((y - y.min()) / 600.0)
    order = np.lexsort((np.where(strip % 2 == 0, x, -x), strip))
    length_m = network.sections["length_mm"].to_numpy(dtype=np.int64)[mine][order] / 1000
    reach_m = SPEED_MPS[mode] * (REACH_SHARE * rule.interval_s if rule.interval_s else DAILY_S)
    group = np.zeros(len(mine), np.int64)
    total = 0.0
    for k, m in enumerate(length_m.tolist()):
        total += m
        fresh = k > 0 and total > reach_m
        group[k] = group[k - 1] + fresh if k else 0
        total = m if fresh else total
    return [mine[order[group == g]] for g in range(int(group[-1]) + 1)]


def _squad_tasks(
    network: Network, standard: Standard, rule: RoadRule, beat: npt.NDArray[np.int64], day: date, zone: ZoneInfo, *, mode: Mode,
    how: Habits, rng: np.random.Generator,
) -> tuple[Task, ...]:  # fmt: skip
    """The tasks of one squad member: every section of the beat once in each window, but for what is left out."""
    periods = duty_intervals(standard, day, zone, role=rule.roles[0])
    windows = windows_of(periods, rule.interval_s, remainder_share=standard.measure.remainder_share.value)
    limit = standard.measure.patrol_speed_kmh.value.mm_per_s()[mode] / 1000
    segments = [np.flatnonzero(network.seg_section == k) for k in beat.tolist()]
    tasks = []
    for start, end in zip(windows.start_ms.tolist(), windows.end_ms.tolist(), strict=True):
        wanted = []
        for of in segments:
            dice = rng.random()
            keep = np.ones(len(of), np.bool_) if dice >= how.skipped + how.partly else np.zeros(len(of), np.bool_)
            if how.skipped <= dice < how.skipped + how.partly:
                keep = rng.random(len(of)) < rng.uniform(0.3, 1.0)
            wanted.append(of[keep])
        hurried = rng.random() < how.hurried
        begin = start + int(rng.uniform(0.0, 0.1) * (min(end - start, 3_600_000)))
        chosen = np.concatenate(wanted)
        tasks.append(Task(begin, end, chosen, 1, limit * float(rng.uniform(1.1, 1.6)) if hurried else None))
    return tuple(tasks)


def _grid_tasks(
    network: Network, standard: Standard, role: str, grid_id: str, day: date, zone: ZoneInfo, rng: np.random.Generator
) -> list[tuple[Task, ...]]:
    """Two collectors share the roads of a grid and go round them all day; some always leave a part out."""
    of_grid = (network.segments["work_grid_id"] == grid_id) & network.segments["patrollable"].astype(bool)
    mine = np.flatnonzero(of_grid.to_numpy())
    if not len(mine):
        return []
    if rng.random() < 0.2:  # noqa: PLR2004 (one grid in five is never done whole)
        mine = mine[rng.random(len(mine)) < 0.9]  # noqa: PLR2004 (see above)
    periods = duty_intervals(standard, day, zone, role=role)
    middle = network.graph.node_x[network.graph.seg_u[mine]]
    return [
        tuple(Task(s, e, part, 0) for s, e in periods)
        for part in np.array_split(mine[np.argsort(middle, kind="stable")], 2)
    ]


def _crew(
    patrollers: list[Patroller], duties: list[tuple[str, str, str, str]], standard: Standard, day: date, zone: ZoneInfo
) -> Crew:
    """The roster in the form of the stored tables."""
    role = {person: r for person, r, _, _ in duties}
    ids = [p.device for p in patrollers]
    start = pd.Timestamp(day_bounds(day, zone)[0], unit="ms", tz="UTC")
    persons = pd.DataFrame({"person_id": ids, "name": ids, "role": [role[i] for i in ids]})
    devices = pd.DataFrame({"device_id": ids, "kind": "phone", "mode": [MODE_WORD[p.mode] for p in patrollers]})
    assignments = pd.DataFrame(
        {"device_id": ids, "person_id": ids, "mode": None, "valid_from": start, "valid_to": None}
    )
    answers = pd.DataFrame(duties, columns=["person_id", "role", "target_kind", "target_id"])
    answers = answers.assign(duty_kind="responsible", resolved=True, valid_from=start)
    return build_crew(
        day,
        zone,
        standard,
        persons=persons,
        devices=devices,
        assignments=assignments,
        responsibilities=answers,
        exceptions=_no_exceptions(),
    )


def _no_exceptions() -> pd.DataFrame:
    text = ["exception_id", "kind", "target_kind", "target_id", "substitute_id", "reason", "approver"]
    times = dict.fromkeys(("starts", "ends", "entered_at"), pd.Series(dtype="datetime64[ms, UTC]"))
    return pd.DataFrame({**dict.fromkeys(text, pd.Series(dtype="object")), **times})


def _silences(moved: Movement, how: Habits, rng: np.random.Generator) -> tuple[tuple[int, int, int], ...]:
    """Some devices are silent for one to three hours."""
    out = []
    for k in np.flatnonzero(rng.random(len(moved.devices)) < how.silent).tolist():
        span = int(moved.ends_ms[k] - moved.starts_ms[k])
        begin = int(moved.starts_ms[k]) + int(rng.random() * span)
        out.append((k, begin, begin + int(rng.uniform(1.0, 3.0) * 3_600_000)))
    return tuple(out)


def observe(network: Network, day: Rehearsal, how: Degradation, *, rng: np.random.Generator) -> Observations:
    """What the phones of a rehearsal report."""
    return degrade(network.graph, day.moved, replace(how, silences=day.silences), rng=rng)


def nobody_named(day: Rehearsal) -> Rehearsal:
    """The same day where nobody is named for anything."""
    return replace(day, crew=replace(day.crew, duties=()))


def no_roster(day: Rehearsal) -> Rehearsal:
    """The same day where no roster is known and every device counts."""
    crew = Crew(day.crew.start_ms, day.crew.end_ms, (), (), (), unassigned_modes=frozenset(int(m) for m in Mode))
    modes = {d: int(m) for d, m in zip(day.moved.devices, day.moved.passes.mode, strict=True)}
    return replace(day, crew=with_devices(crew, modes))


def match(
    network: Network, matcher: Matcher, seen: Observations, crew: Crew, standard: Standard
) -> tuple[Passes, Crew]:
    """Observed positions through the audit's own steps: flagged, matched, silences found."""
    fixes = fixes_of(network, seen)
    return matcher.match(fixes), with_fixes(crew, fixes, standard)


def fixes_of(network: Network, seen: Observations) -> Fixes:
    """Observed positions as the audit reads them, flagged."""
    lon, lat = pyproj.Transformer.from_crs(network.graph.crs, 4326, always_xy=True).transform(seen.x, seen.y)
    names = np.array(seen.devices, dtype=object)[seen.device_ix]
    mode = {d: Mode(int(m)) for d, m in zip(seen.devices, seen.mode, strict=True)}
    return prepare_fixes(names, seen.t_ms, lon, lat, crs=network.graph.crs, mode=mode)


def judge(
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    work_grids: gpd.GeoDataFrame | None,
) -> Judged:
    """The audit's rules on passes, true or matched; no calibration, which is for evaluation to apply or not."""
    none = _no_exceptions()
    standard = standard.model_copy(update={"calibration": Calibration()})
    windows = road_frequency(network, passes, crew, standard, day, zone, exceptions=none).section_windows
    if work_grids is None or not len(work_grids):
        return Judged(windows, pd.DataFrame(columns=["grid_id", "rule_id", "outcome", "completed_rounds"]))
    grids = grid_rounds(network, passes, crew, standard, day, zone, work_grids=work_grids, exceptions=none).grid_days
    return Judged(windows, grids)
