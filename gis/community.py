"""Community cadence: small patrol every half day, large every two days, full every week, from tracks and check-ins."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from scipy.spatial import cKDTree

from gis import coverage
from gis.answerable import complete_exceptions, entries_by_target, of_roles, person_speeds
from gis.calendar import community_windows, intersect, total_ms, union
from gis.checkins import Judged, judge_checkins, points_on
from gis.coverage import COUNTS, SLOW
from gis.crew import column_ms, column_text, entitled_time, overlap_ms, stamp
from gis.decidable import obstacle
from gis.reach import usable_ms
from gis.rounds_ground import whole_day
from gis.sentences import SENTENCES
from gis.strokes import network_cells, strokes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import numpy.typing as npt

    from gis.calendar import Interval
    from gis.crew import Crew
    from gis.decidable import Obstacle
    from gis.model import Passes
    from gis.network.model import Network
    from gis.silence import Silence
    from gis.standard import CommunityRule, Standard

    I8 = npt.NDArray[np.int64]

MUSTS = ("key_point", "back_street", "hot_area")
_TOLD = 5  # check-ins of a window that are told one by one
_SELF = ""  # the grid itself, where a cadence owes no named place


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """One place that must be visited; each sample is the set of cells from which it is seen, and `need` samples make a visit."""

    place_id: str
    name: str
    kind: str
    samples: tuple[frozenset[int], ...]
    need: int
    shape: shapely.Geometry | None = None  # metres, CRS of the network


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What was seen: times at which each cell was passed, and times of check-ins by place."""

    cells: Mapping[int, list[int]]
    checkins: Mapping[str, list[int]]


@dataclass(frozen=True, slots=True)
class _Day:
    """What arrived of one day, from anybody of the city; whether somebody of the rule's roles was on duty; why it decides nothing."""

    span: Interval
    fixes: bool
    checkins: bool
    on_duty: bool
    obstacle: Obstacle | None


def community_cadence(
    network: Network,
    history: Sequence[tuple[Passes, Crew]],
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    *,
    community_grids: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
    checkins: pd.DataFrame,
    exceptions: pd.DataFrame,
    judged: Judged | None = None,
) -> pd.DataFrame:
    """Contract `community_windows`: every window of every cadence that touches the day.

    A place counts as visited by a check-in there that can show a visit (`gis.checkins`) or by a track within `measure.place_reach_m` (of a
    back street: along `measure.full_patrol_share` of it). A cadence that owes a grid no named place asks for any visit to the grid. Windows
    that end after the day are *open*, complete or not: each is judged once, on the day on which it ends, so that rates hold no early
    successes alone.

    Args:
        network: for tracks.
        history: passes and crew of the days that the windows reach back to (`gis.calendar.days_needed`), the day itself last.
        standard: cadences and musts.
        day: local day.
        zone: local time zone.
        community_grids: contract.
        areas: contract; kinds key_point, back_street, hot_area.
        checkins: contract, of those days.
        exceptions: contract.
        judged: `checkins_judged` of the same, where it is known already.
    """
    if not len(community_grids) or not standard.community_rules():
        return _frame([])
    grids = column_text(community_grids, "grid_id")
    places, of_grid, ground = _places(network, standard, community_grids, areas)
    judged = judged or checkins_judged(network, history, standard, community_grids, areas, checkins)
    names = {p.place_id: p.name for p in places}
    rows: list[tuple[object, ...]] = []
    for rule_id, rule in standard.community_rules().items():
        evidence = _evidence(network, history, standard, judged, rule)
        days = _days(history, checkins, rule)
        for g, grid in enumerate(grids):
            due = [p for p in (places[i] for i in of_grid[g]) if p.kind in rule.musts]
            known = np.isin(judged.place, [grid, *(places[i].place_id for i in of_grid[g])])
            rows += [
                (
                    *_judge(
                        grid,
                        rule_id,
                        rule,
                        window,
                        due,
                        ground[g],
                        evidence,
                        days,
                        history[-1][1],
                        standard,
                        exceptions,
                    ),
                    _doubts(judged, known, window, names, zone),
                )
                for window in community_windows(rule.cadence, day, zone, standard.community)
            ]
    return _frame(rows)


def checkins_judged(
    network: Network, history: Sequence[tuple[Passes, Crew]], standard: Standard, community_grids: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame, checkins: pd.DataFrame,
) -> Judged:  # fmt: skip
    """Which check-ins at named places and community grids can show a visit (`gis.checkins`); arguments as of `community_cadence`."""
    named = areas[areas["kind"].isin(MUSTS)] if len(areas) else areas
    parts = [(column_text(named, "area_id"), named), (column_text(community_grids, "grid_id"), community_grids)]
    places = gpd.GeoDataFrame(
        {"place_id": [i for ids, _ in parts for i in ids]}, geometry=[s for _, f in parts for s in f.geometry], crs=4326
    )
    return judge_checkins(checkins, places, network, history, standard)


def _doubts(
    judged: Judged, known: npt.NDArray[np.bool_], window: Interval, names: dict[str, str], zone: ZoneInfo
) -> str | None:
    """What check-ins at a grid and its places within a window do not count, and why; the first ones in words."""
    rows = np.flatnonzero(known & ~judged.counts & (judged.t_ms >= window[0]) & (judged.t_ms < window[1]))
    if not len(rows):
        return None
    rows = rows[np.lexsort((judged.place[rows].astype(str), judged.t_ms[rows]))]
    told = judged.sentences(rows[:_TOLD], names, zone)
    return "；".join([*told, *([SENTENCES["checkin_more"].zh.format(len(rows))] if len(rows) > _TOLD else [])])


def cell_points(network: Network, standard: Standard) -> tuple[coverage.Cells, npt.NDArray[np.float64]]:
    """The cells of the network and the coordinates (C, 2) of their centres, in metres of the network's CRS."""
    cells = network_cells(network, standard)
    s = cells.segment.astype(np.int64)
    begin = network.seg_measure_from_mm[s].astype(np.int64)
    span = np.abs(network.seg_measure_to_mm[s].astype(np.int64) - begin)
    at = np.abs(cells.centre_mm - begin) * network.graph.seg_length_mm[s] // np.maximum(span, 1)
    return cells, points_on(network.graph, s, at)


def named_places(areas: pd.DataFrame) -> pd.DataFrame:
    """Rows of contract `areas` that a cadence may owe."""
    named: pd.DataFrame = areas[areas["kind"].isin(MUSTS)] if len(areas) else areas
    return named


def place_homes(grids: pd.DataFrame, named: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The community grid of each named place.

    Args:
        grids: contract `community_grids`, of the whole city.
        named: of `named_places`.

    Returns:
        int64 (places,), rows of `grids`: the one that `parent_id` names, else (where it is empty or no community grid) the first that a
        point of the place lies in; -1 where there is none.
    """
    row = {g: i for i, g in enumerate(column_text(grids, "grid_id"))}
    parent = np.array([row.get(p, -1) for p in column_text(named, "parent_id")], dtype=np.int64)
    if not len(named) or not len(grids):
        return parent
    shapes = shapely.make_valid(shapely.force_2d(np.asarray(grids["geometry"].to_numpy(), dtype=object)))
    inside = shapely.point_on_surface(np.asarray(named["geometry"].to_numpy(), dtype=object))
    place, grid = shapely.STRtree(shapes).query(inside, predicate="intersects")
    first = np.full(len(named), len(grids), dtype=np.int64)
    np.minimum.at(first, place, grid)
    return np.where(parent >= 0, parent, np.where(first < len(grids), first, -1))


def _places(
    network: Network, standard: Standard, grids: gpd.GeoDataFrame, areas: gpd.GeoDataFrame
) -> tuple[list[_Place], list[list[int]], list[frozenset[int]]]:
    """The places, those of each grid (by `parent_id`, else by position), and the cells of each grid."""
    _, points = cell_points(network, standard)
    tree = cKDTree(points) if len(points) else None
    to_metric = pyproj.Transformer.from_crs(4326, network.graph.crs, always_xy=True)
    ids = column_text(grids, "grid_id")
    place_of = {g: i for i, g in enumerate(ids)}
    named = named_places(areas)
    places: list[_Place] = []
    of_grid: list[list[int]] = [[] for _ in ids]
    rows = zip(
        column_text(named, "area_id"), column_text(named, "name"), column_text(named, "kind"), place_homes(grids, named).tolist(),
        named.geometry if len(named) else [], strict=True,
    )  # fmt: skip
    for area_id, name, kind, home, shape in rows:
        metric = shapely.transform(
            shapely.force_2d(shape), lambda c: np.stack(to_metric.transform(c[:, 0], c[:, 1]), axis=1)
        )
        places.append(_place(area_id, name or area_id, kind, metric, tree, standard))
        if home >= 0:
            of_grid[home].append(len(places) - 1)
    segment_grid = np.array(column_text(network.segments, "community_grid_id"), dtype=object)
    owner = segment_grid[network_cells(network, standard).segment] if len(points) else np.zeros(0, dtype=object)
    codes = pd.Series(owner).map(place_of).fillna(-1).to_numpy(dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    cut = np.searchsorted(codes[order], np.arange(len(ids) + 1))
    ground = [frozenset(order[cut[g] : cut[g + 1]].tolist()) for g in range(len(ids))]
    return places, of_grid, ground


def _place(
    area_id: str, name: str, kind: str, shape: shapely.Geometry, tree: cKDTree | None, standard: Standard
) -> _Place:
    reach, step = standard.measure.place_reach_m.value, standard.measure.cell_m.value
    if tree is None:
        return _Place(area_id, name, kind, (frozenset(),), 1, shape)
    if kind == "back_street":
        line = shape if shapely.get_dimensions(shape) == 1 else shapely.boundary(shape)
        count = max(1, round(shapely.length(line) / step))
        shares: Any = (np.arange(count) + 0.5) / count
        at = shapely.line_interpolate_point(line, shares, normalized=True)  # type: ignore[arg-type]  # a point per share
        near = tree.query_ball_point(shapely.get_coordinates(at), reach)
        samples = tuple(frozenset(n) for n in near)
        return _Place(
            area_id,
            name,
            kind,
            samples,
            int(np.ceil(standard.measure.full_patrol_share.value * len(samples) - 1e-9)),
            shape,
        )
    x0, y0, x1, y1 = shapely.bounds(shape)
    radius = float(np.hypot(x1 - x0, y1 - y0)) / 2 + reach
    near = np.array(sorted(tree.query_ball_point([(x0 + x1) / 2, (y0 + y1) / 2], radius)), dtype=np.int64)
    inside = near[shapely.distance(shapely.points(tree.data[near]), shape) <= reach] if len(near) else near
    return _Place(area_id, name, kind, (frozenset(inside.tolist()),), 1, shape)


def _evidence(
    network: Network, history: Sequence[tuple[Passes, Crew]], standard: Standard, judged: Judged, rule: CommunityRule
) -> _Evidence:  # fmt: skip
    cells = network_cells(network, standard)
    seen: dict[int, list[int]] = defaultdict(list)
    kind = standard.community.evidence.value
    for passes, crew in history if kind != "checkin" else ():
        strokes = strokes_of(network, passes, standard)
        time = entitled_time(crew, passes.devices, passes.mode, [frozenset(rule.roles)])
        use = (strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW)
        cell, t, _ = coverage.cell_events(
            strokes, use, whole_day(len(network.sections), crew), cells, role_of=np.zeros(len(network.sections), dtype=np.int32),
            ptr=time.ptr, start_ms=time.start_ms, end_ms=time.end_ms, devices=len(passes.devices),
        )  # fmt: skip
        for c, at in zip(cell.tolist(), t.tolist(), strict=True):
            seen[c].append(at)
    roles = {p.person_id: p.role for _, crew in history for p in crew.persons}
    marks: dict[str, list[int]] = defaultdict(list)
    counts = judged.counts
    rows = zip(judged.person[counts].tolist(), judged.place[counts].tolist(), judged.t_ms[counts].tolist(), strict=True)
    for person, place, at in rows if kind != "track" else ():
        if roles.get(person) in rule.roles:
            marks[place].append(at)
    return _Evidence(seen, marks)


def _within(times: Sequence[int], window: Interval) -> bool:
    return any(window[0] <= t < window[1] for t in times)


def _visited(place: _Place, window: Interval, evidence: _Evidence) -> tuple[bool, bool]:
    """Whether a place was visited by a track, and by a check-in."""
    hits = sum(any(_within(evidence.cells.get(c, ()), window) for c in sample) for sample in place.samples)
    return hits >= place.need, _within(evidence.checkins.get(place.place_id, ()), window)


def _judge(  # noqa: PLR0917 (what one judgement needs)
    grid: str, rule_id: str, rule: CommunityRule, window: Interval, due: Sequence[_Place], ground: frozenset[int],
    evidence: _Evidence, days: Sequence[_Day], crew: Crew, standard: Standard, exceptions: pd.DataFrame,
) -> tuple[object, ...]:  # fmt: skip
    if due:
        found = [_visited(p, window, evidence) for p in due]
    else:
        mine = _Place(grid, SENTENCES["grid"].zh, _SELF, (ground,), 1)
        due, found = [mine], [_visited(mine, window, evidence)]
    done = [t or c for t, c in found]
    finished = window[1] <= crew.end_ms
    cause: str | None = None
    if not finished:
        outcome = "open"
    elif all(done):
        outcome = "covered"
    elif _excused(grid, window, exceptions, standard.measure.excused_share.value):
        outcome, cause = "excused", "exception"
    else:
        left = [p for p, ok in zip(due, done, strict=True) if not ok]
        cause = _barred(window, days)
        if cause is None and _undelivered(crew, grid, rule, window, days):
            cause = "no_data"
        if cause is None and _unheard(crew, grid, rule, window, left, standard):
            cause = "silent"
        outcome = "missed" if cause is None else "unknown"
        cause = cause or ("partial" if any(done) else "not_passed")
    track, checkin = any(t for t, _ in found), any(c for _, c in found)
    missing = "、".join(p.name for p, ok in zip(due, done, strict=True) if not ok)
    kinds = {(True, True): "both", (True, False): "track", (False, True): "checkin"}
    return (
        grid, rule_id, window[0], window[1], finished, len(due), sum(done), missing or None, kinds.get((track, checkin)), outcome,
        cause,
    )  # fmt: skip


def _excused(grid: str, window: Interval, exceptions: pd.DataFrame, share: float) -> bool:
    ok = complete_exceptions(exceptions)
    rows = zip(
        column_text(exceptions, "target_kind"), column_text(exceptions, "target_id"), column_ms(exceptions, "starts", -(2**62)),
        column_ms(exceptions, "ends", 2**62), ok.tolist(), strict=True,
    )  # fmt: skip
    spans = union((s, e) for k, t, s, e, c in rows if c and (k == "all" or (k == "community_grid" and t == grid)))
    return overlap_ms(spans, [window]) >= share * (window[1] - window[0])


def _days(history: Sequence[tuple[Passes, Crew]], checkins: pd.DataFrame, rule: CommunityRule) -> tuple[_Day, ...]:
    marks = np.array(column_ms(checkins, "time", 0), dtype=np.int64)
    out = []
    for passes, crew in history:
        checked = bool(((marks >= crew.start_ms) & (marks < crew.end_ms)).any())
        on_duty = any(crew.persons[p].watch for p in crew.of_roles(rule.roles))
        barred = obstacle(crew, rule.roles, checkins=checked)
        out.append(_Day((crew.start_ms, crew.end_ms), len(passes.devices) > 0, checked, on_duty, barred))
    return tuple(out)


def _barred(window: Interval, days: Sequence[_Day]) -> Obstacle | None:
    """Why none of a window's days can decide the rule (that of the last); None where one can."""
    found = [d.obstacle for d in days if d.span[0] < window[1] and d.span[1] > window[0]]
    return found[-1] if found and all(found) else None


def _undelivered(crew: Crew, grid: str, rule: CommunityRule, window: Interval, days: Sequence[_Day]) -> bool:
    """Whether evidence of those who answer for the grid did not arrive at all, from anybody.

    Who carries no device speaks by check-ins only: a day of duty without one check-in of the whole city is a source not loaded, and so is
    a window of such days alone. Where nobody answers, a fix of anybody is a sign as well. Those who carry are judged by `_unheard`.
    """
    answering = {p for p, _, _ in of_roles(entries_by_target(crew, "community_grid").get(grid, ()), crew, rule.roles)}
    if answering and answering <= {c.person_ix for c in crew.carries}:
        return False
    of_window = [d for d in days if d.span[0] < window[1] and d.span[1] > window[0]]
    mute = [not d.checkins and (bool(answering) or not d.fixes) for d in of_window]
    return all(mute) or any(m and d.on_duty for m, d in zip(mute, of_window, strict=True))


def _unheard(
    crew: Crew, grid: str, rule: CommunityRule, window: Interval, left: Sequence[_Place], standard: Standard
) -> bool:
    """Whether somebody who answers for the grid was unheard for all of a watch, or silences put all that was left out in reach.

    See `gis.reach`. Those without a device give evidence by check-ins only: their absence is no silence.
    """
    carriers = {c.person_ix for c in crew.carries}
    answering = {p for p, _, _ in of_roles(entries_by_target(crew, "community_grid").get(grid, ()), crew, rule.roles)}
    speeds = person_speeds(crew, standard)
    open_to = [False] * len(left)
    for p in sorted(answering & carriers):
        watch = intersect(crew.persons[p].watch, [window])
        if watch and overlap_ms(crew.silent[p], watch) == total_ms(watch):
            return True
        for silence in crew.silences[p]:
            part = intersect([(silence.start_ms, silence.end_ms)], watch)
            if part:
                open_to = [
                    ok or _in_reach(place, silence, part, speeds[p], standard)
                    for ok, place in zip(open_to, left, strict=True)
                ]
    return bool(left) and all(open_to)


def _in_reach(place: _Place, silence: Silence, part: Sequence[Interval], speed_mm_s: int, standard: Standard) -> bool:
    """Whether somebody silent can have been at a place (or walked along a back street) in a window."""
    if place.shape is None:
        return False
    error_m = standard.measure.place_error_m.value + standard.measure.place_reach_m.value
    to_m, from_m = (
        0.0 if at is None else max(0.0, float(shapely.distance(place.shape, shapely.Point(at[1:]))) - error_m)
        for at in (silence.left, silence.back)
    )
    need_m = place.need * standard.measure.cell_m.value if place.kind == "back_street" else 0.0
    usable = usable_ms(silence, part, to_m, from_m, speed_mm_s)
    return usable > 0 and usable * speed_mm_s >= need_m * 1e6


_COLUMNS = (
    "grid_id",
    "rule_id",
    "starts",
    "ends",
    "finished",
    "due",
    "done",
    "missing",
    "evidence",
    "outcome",
    "cause",
    "doubtful_checkins",
)


def _frame(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(_COLUMNS))
    for c in ("starts", "ends"):
        frame[c] = stamp(frame[c].to_numpy(dtype=np.int64))
    return frame
