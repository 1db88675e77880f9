"""Full-coverage rounds of work grids: when each was complete, how the day ended, and what was visited in no round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.ops import substring

from gis import coverage
from gis.answerable import answer_rows, entries_by_target, excused_rows, excuses_for, of_roles
from gis.calendar import duty_intervals, windows_of
from gis.closures import Closed, closed_windows, closures_of, nothing_left, open_cells_mm, open_stretches
from gis.coverage import COUNTS, SLOW, WindowSets
from gis.crew import column_text, entitled_time, stamp
from gis.decidable import OBSTACLES, obstacle
from gis.evidence import evidence_of
from gis.road_plan import required_mm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.calendar import Interval
    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import RoundsRule, Standard

    I8 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class GridRounds:
    """Result frames of the contracts of the same names."""

    grid_days: pd.DataFrame
    grid_rounds: pd.DataFrame
    unvisited: gpd.GeoDataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What can be patrolled, per segment, and what was.

    Attributes:
        grid: int64 (S,), grid of a segment that counts (patrollable, of the first carriageway, not excused), -1 for the others.
        length: int64 (S,).
        patrollable: int64 (G,).
        done: rows (grid, completed, started).
        open_mm: int64 (G,), length of the unfinished round.
        never: rows (segment, from_mm, to_mm on the segment).
        possible: int64 (G,), rounds completed if inferred passes counted too.
        shut: bool (G,), where exceptions close all there is.
    """

    grid: I8
    length: I8
    patrollable: I8
    done: I8
    open_mm: I8
    never: I8
    possible: I8
    shut: npt.NDArray[np.bool_]


def whole_day(sections: int, crew: Crew) -> WindowSets:
    """One set of windows, the local day, for every section."""
    zero = np.zeros(1, dtype=np.int64)
    return WindowSets(
        np.zeros(sections, dtype=np.int32), np.full(sections, -1, dtype=np.int64), np.array([0, 1], dtype=np.int64),
        np.array([crew.start_ms], dtype=np.int64), np.array([crew.end_ms], dtype=np.int64), zero, zero,
    )  # fmt: skip


def grid_rounds(
    network: Network,
    passes: Passes,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    work_grids: gpd.GeoDataFrame,
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None = None,
    evidence: Evidence | None = None,
) -> GridRounds:
    """Judge every work grid on one local day.

    A round is complete when the distinct length that collectors passed since the last complete one reaches `measure.round_share` of the
    grid's patrollable length; the count begins at zero every day. Paired carriageways count once, metres that an exception closes for most
    of the day not at all; where they are all of it, the grid is excused. A grid whose level has no rule is `no_rule`. `evidence` is
    `evidence_of(network, passes, standard)` where it is known already.
    """
    grids = column_text(work_grids, "grid_id")
    levels = column_text(work_grids, "level")
    rules: dict[str, tuple[str, RoundsRule]] = {r.zone: (k, r) for k, r in standard.rounds_rules().items()}
    rule_of = [rules.get(level) for level in levels]
    roles = sorted({tuple(r.roles) for _, r in rules.values()})
    watch = _watch(standard, day, zone, [r for _, r in rules.values()])
    closed = _closed_sections(network, crew, standard, watch, exceptions, areas)
    evidence = evidence or evidence_of(network, passes, standard)
    days, rounds, never = [], [], []
    for group in roles:
        mine = [i for i, rule in enumerate(rule_of) if rule is not None and tuple(rule[1].roles) == group]
        if not mine:
            continue
        ground = _ground(network, passes, crew, standard, [grids[i] for i in mine], closed, group, evidence)
        days.append(
            _grid_days(standard, crew, ground, work_grids.iloc[mine], [rule_of[i] for i in mine], watch, exceptions)
        )
        rounds.append(_round_frame(ground, [grids[i] for i in mine]))
        never.append(_never_frame(network, ground, [grids[i] for i in mine]))
    none = [i for i, rule in enumerate(rule_of) if rule is None]
    if none or not days:
        group = roles[0] if roles else ()
        ground = _ground(network, passes, crew, standard, [grids[i] for i in none], closed, group, evidence)
        days.append(_no_rule_days(ground, [grids[i] for i in none], [levels[i] for i in none]))
    table = pd.concat(days, ignore_index=True)
    place = {g: i for i, g in enumerate(grids)}
    table = table.iloc[np.argsort([place[g] for g in table["grid_id"]], kind="stable")].reset_index(drop=True)
    return GridRounds(
        grid_days=table,
        grid_rounds=pd.concat([*rounds, _round_frame(None, [])], ignore_index=True),
        unvisited=gpd.GeoDataFrame(
            pd.concat([*never, _never_frame(network, None, [])], ignore_index=True), geometry="geometry", crs=4326
        ),
    )


def _watch(standard: Standard, day: date, zone: ZoneInfo, rules: Sequence[RoundsRule]) -> list[Interval]:
    """Hours of the day against which exceptions are weighed: the collectors' watch."""
    return duty_intervals(standard, day, zone, role=rules[0].roles[0], watch=True) if rules else []


def _closed_sections(
    network: Network,
    crew: Crew,
    standard: Standard,
    watch: Sequence[Interval],
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None,
) -> Closed:
    """What exceptions of streets and areas close for most of the watch; `row` is the section. Those of grids are weighed by themselves."""
    of_streets = exceptions[exceptions["target_kind"].isin(("section", "road", "area"))]
    window = windows_of(watch, None, remainder_share=1.0)
    asked = 0 if len(window.start_ms) else -1
    closed = closed_windows(
        closures_of(of_streets, network, crew, areas=areas), network.sections["length_mm"].to_numpy(dtype=np.int64),
        [asked] * len(network.sections), [window], share=standard.measure.excused_share.value,
    )  # fmt: skip
    return closed if asked >= 0 else replace(closed, mm=np.zeros(len(network.sections), dtype=np.int64))


def _ground(
    network: Network, passes: Passes, crew: Crew, standard: Standard, grids: Sequence[str], closed: Closed,
    roles: Sequence[str], evidence: Evidence,
) -> _Ground:  # fmt: skip
    place = {g: i for i, g in enumerate(grids)}
    segments = network.segments
    patrol = segments["patrollable"].to_numpy(dtype=np.bool_)
    if not grids:
        return _no_ground(network)
    of = np.array([place.get(g, -1) for g in column_text(segments, "work_grid_id")], dtype=np.int64)
    of[~patrol | ~evidence.primary] = -1
    length = network.graph.seg_length_mm.astype(np.int64)
    ground = _open_ground(network, standard, of, length, len(grids), closed)
    strokes, cells = evidence.strokes, evidence.cells
    weight = np.where(ground.shut[of[cells.segment]], cells.length_mm, open_cells_mm(cells, network, closed))
    patrollable = ground.patrollable
    time = entitled_time(crew, passes.devices, passes.mode, [frozenset(roles)])
    windows = whole_day(len(network.sections), crew)
    use = ((strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW)) & patrol[passes.segment_ix]
    role_of = np.zeros(len(network.sections), dtype=np.int32)
    given = {
        "role_of": role_of,
        "ptr": time.ptr,
        "start_ms": time.start_ms,
        "end_ms": time.end_ms,
        "devices": len(passes.devices),
    }
    target = required_mm(patrollable, np.full(len(grids), standard.measure.round_share.value))

    def completed(ok: npt.NDArray[np.bool_]) -> tuple[I8, I8]:
        cell, t, run = coverage.cell_events(strokes, ok, windows, cells, **given)  # type: ignore[arg-type]  # by name
        group = of[cells.segment[cell]]
        if len(group) and group.min() < 0:
            cell, t, run, group = (x[group >= 0] for x in (cell, t, run, group))
        return coverage.rounds(*coverage.sort_events(group, run, t, cell), weight_mm=weight, target_mm=target)

    done, open_mm = completed(use)
    slow = ((strokes.flags & SLOW) > 0) & patrol[passes.segment_ix]
    possible = done if np.array_equal(slow, use) else completed(slow)[0]
    pieces = coverage.entitled_pieces(strokes, windows, **given)  # type: ignore[arg-type]  # by name
    kept = use[pieces.stroke]
    asked, lo, hi = (np.ascontiguousarray(c) for c in ground.stretches.T)
    never = coverage.holes(
        strokes.section[pieces.stroke[kept]].astype(np.int64), pieces.lo_mm[kept], pieces.hi_mm[kept],
        at_group=network.seg_section[asked].astype(np.int64), at_lo_mm=lo, at_hi_mm=hi,
    )  # fmt: skip
    never[:, 0] = asked[never[:, 0]]
    return _Ground(
        of,
        length,
        patrollable,
        done,
        open_mm,
        _on_segment(network, never),
        np.bincount(possible[:, 0], minlength=len(grids)),
        ground.shut,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """What is left to patrol of G grids when exceptions have closed their stretches.

    Attributes:
        stretches: int64 (N, 3), rows (segment, from_mm, to_mm on the measure of its section).
        patrollable: int64 (G,), their length.
        shut: bool (G,), where (nearly) nothing is left; stretches and length of these are those without exceptions.
    """

    stretches: I8
    patrollable: I8
    shut: npt.NDArray[np.bool_]


def _open_ground(network: Network, standard: Standard, of: I8, length: I8, grids: int, closed: Closed) -> _Open:
    """What is left of each grid; `of` is the grid of each segment that counts, -1 for the others."""
    asked = np.flatnonzero(of >= 0)
    at, lo, hi = open_stretches(network, asked, closed)
    whole, left = np.zeros(grids, dtype=np.int64), np.zeros(grids, dtype=np.int64)
    np.add.at(whole, of[asked], length[asked])
    rows = np.column_stack([asked[at], lo, hi])
    on = _on_segment(network, rows)
    touched = np.isin(network.seg_section, closed.row)
    on = on[touched[on[:, 0]]]
    np.add.at(left, of[on[:, 0]], on[:, 2] - on[:, 1])
    sound = asked[~touched[asked]]
    np.add.at(left, of[sound], length[sound])
    shut = nothing_left(whole - left, whole, standard)
    if shut.any():
        again = asked[shut[of[asked]]]
        ends = network.seg_measure_from_mm[again].astype(np.int64), network.seg_measure_to_mm[again].astype(np.int64)
        rows = rows[~shut[of[rows[:, 0]]]]
        rows = np.concatenate([rows, np.column_stack([again, np.minimum(*ends), np.maximum(*ends)])])
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return _Open(rows, np.where(shut, whole, left), shut)


def _no_ground(network: Network) -> _Ground:
    """The ground of no grid at all."""
    none, rows = np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.int64)
    size = len(network.segments)
    return _Ground(
        np.full(size, -1),
        network.graph.seg_length_mm.astype(np.int64),
        none,
        rows,
        none,
        rows,
        none,
        none.astype(np.bool_),
    )


def _on_segment(network: Network, rows: I8) -> I8:
    """Stretches of measures as stretches of their segments, from < to."""
    s = rows[:, 0]
    begin = network.seg_measure_from_mm[s].astype(np.int64)
    span = network.seg_measure_to_mm[s].astype(np.int64) - begin
    length = network.graph.seg_length_mm[s].astype(np.int64)
    wide = np.maximum(np.abs(span), 1)
    ends = [(np.abs(rows[:, i] - begin) * length + wide // 2) // wide for i in (1, 2)]
    return np.stack([s, np.minimum(*ends), np.maximum(*ends)], axis=1)


def _grid_days(
    standard: Standard, crew: Crew, ground: _Ground, grids: gpd.GeoDataFrame, rules: Sequence[tuple[str, RoundsRule] | None],
    watch: Sequence[Interval], exceptions: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    ids = column_text(grids, "grid_id")
    named = [r for r in rules if r is not None]
    required = np.array([r.rounds_per_day for _, r in named], dtype=np.int64)
    completed = np.bincount(ground.done[:, 0], minlength=len(ids))
    never = np.zeros(len(ids), dtype=np.int64)
    np.add.at(never, ground.grid[ground.never[:, 0]], ground.never[:, 2] - ground.never[:, 1])
    by_grid = entries_by_target(crew, "work_grid")
    entries = [of_roles(by_grid.get(g, ()), crew, r.roles) for g, (_, r) in zip(ids, named, strict=True)]
    day = windows_of([(crew.start_ms, crew.end_ms)], None, remainder_share=1.0)
    answer = answer_rows(crew, standard, entries, [0] * len(ids), [day])
    share = standard.measure.excused_share.value
    hours = windows_of(watch, None, remainder_share=1.0)
    excuses = excuses_for(exceptions, grids.reset_index(drop=True), crew, columns={"work_grid": "grid_id"})
    excused = (
        excused_rows(excuses, [0] * len(ids), [hours], share=share)[0] if watch else np.zeros(len(ids), dtype=np.bool_)
    )
    excused |= ground.shut
    lacking = np.maximum(required - completed, 0) * ground.patrollable
    if standard.measure.unknown_need.value == "remaining":
        lacking -= np.minimum(ground.open_mm, lacking)
    silent = (answer.silent_ms > 0) & (answer.reach_mm >= lacking)
    barred = np.array([obstacle(crew, r.roles) or "" for _, r in named], dtype=object)
    outcome = np.full(len(ids), "missed", dtype=object)
    cause = np.where(completed > 0, "partial", "not_passed").astype(object)
    for mask, result, why in (
        (answer.duty_ms == 0, "missed", "no_rostered"),
        (ground.possible >= required, "unknown", "inferred"),
        (silent, "unknown", "silent"),
        *((barred == code, "unknown", code) for code in OBSTACLES),
        (excused | (ground.patrollable == 0), "excused", "exception"),
        (completed >= required, "covered", None),
    ):
        outcome[mask], cause[mask] = result, why
    nothing = (ground.patrollable == 0) & ~excused
    outcome[nothing], cause[nothing] = "no_rule", None
    return pd.DataFrame(
        {
            "grid_id": ids,
            "rule_id": [k for k, _ in named],
            "level": column_text(grids, "level"),
            "required_rounds": required,
            "completed_rounds": completed,
            "patrollable_mm": ground.patrollable,
            "visited_mm": ground.patrollable - never,
            "never_mm": never,
            "open_share": ground.open_mm / np.maximum(ground.patrollable, 1),
            "outcome": outcome,
            "silent_s": answer.silent_ms / 1000,
            "cause": cause,
        }
    )


def _no_rule_days(ground: _Ground, ids: Sequence[str], levels: Sequence[str]) -> pd.DataFrame:
    never = np.zeros(len(ids), dtype=np.int64)
    np.add.at(never, ground.grid[ground.never[:, 0]], ground.never[:, 2] - ground.never[:, 1])
    return pd.DataFrame(
        {
            "grid_id": list(ids),
            "rule_id": None,
            "level": [level or None for level in levels],
            "required_rounds": pd.array([None] * len(ids), dtype="Int64"),
            "completed_rounds": np.bincount(ground.done[:, 0], minlength=len(ids)),
            "patrollable_mm": ground.patrollable,
            "visited_mm": ground.patrollable - never,
            "never_mm": never,
            "open_share": ground.open_mm / np.maximum(ground.patrollable, 1),
            "outcome": "no_rule",
            "silent_s": 0.0,
            "cause": None,
        }
    )


def _round_frame(ground: _Ground | None, ids: Sequence[str]) -> pd.DataFrame:
    done = np.zeros((0, 3), dtype=np.int64) if ground is None else ground.done
    first = np.searchsorted(done[:, 0], done[:, 0])
    return pd.DataFrame(
        {
            "grid_id": [ids[g] for g in done[:, 0].tolist()],
            "round_ix": np.arange(len(done)) - first,
            "started": stamp(done[:, 2]),
            "completed": stamp(done[:, 1]),
        }
    )


def _never_frame(network: Network, ground: _Ground | None, ids: Sequence[str]) -> pd.DataFrame:
    rows = np.zeros((0, 3), dtype=np.int64) if ground is None else ground.never
    s = rows[:, 0]
    shapes = np.asarray(network.segments.geometry.to_numpy(), dtype=object)[s]
    length = network.graph.seg_length_mm[s].astype(np.int64)
    for i in np.flatnonzero((rows[:, 1] > 0) | (rows[:, 2] < length)).tolist():
        shapes[i] = substring(shapes[i], rows[i, 1] / length[i], rows[i, 2] / length[i], normalized=True)
    line = shapely.get_type_id(shapes) == shapely.GeometryType.LINESTRING
    grid = [] if ground is None else [ids[g] for g in ground.grid[s].tolist()]
    frame = pd.DataFrame(
        {
            "grid_id": pd.Series(grid, dtype=object),
            "segment_id": network.segments["segment_id"].to_numpy()[s],
            "from_mm": rows[:, 1],
            "to_mm": rows[:, 2],
            "geometry": shapes,
        }
    )
    kept: pd.DataFrame = frame.loc[line].reset_index(drop=True)
    return kept
