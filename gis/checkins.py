"""Check-ins that cannot show a visit: made far from the place, against the person's own track, or faster than anybody goes.

Such a check-in does not count alone: it counts where a track of the same person was at the place about then. A check-in without coordinates
is taken at its word against neither, and is told as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyproj
import shapely

from gis.crew import column_ms, column_text
from gis.sentences import SENTENCES, metres

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.crew import Crew
    from gis.model import Passes
    from gis.network.model import Network, RoadGraph
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]
    B1 = npt.NDArray[np.bool_]

FASTEST_KMH = 100.0  # nobody goes faster between two places of a county
FAR, TRACK, FAST = "far", "track", "fast"
_MM_PER_M = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """N check-ins, in the order of their table.

    Attributes:
        person, place: object (N,), ids.
        t_ms: int64 (N,), UTC.
        placed: bool (N,), whether it has coordinates of its own.
        reason: object (N,), far, track or fast where it does not count alone; empty where it counts.
        off_m: float64 (N,), metres from the place of what speaks against it (its coordinates, the track, the check-in before).
        supported: bool (N,), whether a track of the person was at the place about then: it counts whatever the reason.
    """

    person: npt.NDArray[np.object_]
    place: npt.NDArray[np.object_]
    t_ms: I8
    placed: B1
    reason: npt.NDArray[np.object_]
    off_m: F8
    supported: B1

    @property
    def counts(self) -> B1:
        """Which are evidence of a visit, bool (N,)."""
        alone: B1 = np.equal(self.reason, "").astype(np.bool_)
        return alone | self.supported

    def sentences(self, rows: I8, names: dict[str, str], zone: ZoneInfo) -> list[str]:
        """Why each of some check-ins does not count, in the words of the office."""
        clock = pd.to_datetime(self.t_ms[rows], unit="ms", utc=True).tz_convert(zone).strftime("%m-%d %H:%M:%S")
        return [
            SENTENCES[f"checkin_{self.reason[i]}"].zh.format(
                when, names.get(self.place[i]) or self.place[i], metres(round(self.off_m[i] * _MM_PER_M))
            )
            for i, when in zip(rows.tolist(), clock, strict=True)
        ]


def judge_checkins(
    checkins: pd.DataFrame,
    places: gpd.GeoDataFrame,
    network: Network,
    history: Sequence[tuple[Passes, Crew]],
    standard: Standard,
) -> Judged:
    """Which check-ins can show a visit.

    Args:
        checkins: contract; its geometry may be missing.
        places: column `place_id` and geometry (EPSG:4326) of all that one can check in at.
        network: for tracks, and its metric CRS.
        history: passes and crew of the days.
        standard: `measure.place_reach_m` and `place_error_m`; together they are how far somebody at a place may seem to be from it.
    """
    person = np.array(column_text(checkins, "person_id"), dtype=object)
    place = np.array(column_text(checkins, "place_id"), dtype=object)
    t_ms = np.array(column_ms(checkins, "time", 0), dtype=np.int64)
    turn = pyproj.Transformer.from_crs(4326, network.graph.crs, always_xy=True)
    shapes = pd.Series(
        _metric(places.geometry.to_numpy() if len(places) else [], turn), index=list(places["place_id"]), dtype=object
    )
    shapes = shapes[~shapes.index.duplicated()]
    known = {k: v for k, v in shapes.items() if v is not None}
    shape = np.array([known.get(k) for k in place], dtype=object)
    at = _metric(checkins["geometry"].to_numpy() if "geometry" in checkins.columns else [None] * len(place), turn)
    placed = ~shapely.is_missing(at)
    where = np.where(placed, at, shape)
    reach = standard.measure.place_reach_m.value + standard.measure.place_error_m.value
    reason, off = np.full(len(place), "", dtype=object), np.zeros(len(place))
    away = _distance(at, shape)
    far = away > reach
    reason[far], off[far] = FAR, away[far]
    codes = pd.factorize(person)[0].astype(np.int64)
    before, after, there = _by_track(network.graph, history, person, shape, t_ms, standard)
    against = np.maximum(before, after)
    contrary = (reason == "") & (against > 0)
    reason[contrary], off[contrary] = TRACK, against[contrary] + reach
    slack = np.where(placed, standard.measure.place_error_m.value, standard.measure.place_reach_m.value)
    _mark_fast(codes, t_ms, where, slack, reason, off)
    return Judged(person, place, t_ms, placed, reason, off, there)


def _metric(shapes: Sequence[object] | npt.NDArray[np.object_], turn: pyproj.Transformer) -> npt.NDArray[np.object_]:
    """Shapes in metres, missing and empty ones None."""
    flat = np.full(len(shapes), None, dtype=np.object_)
    for i, s in enumerate(shapes):
        flat[i] = s if isinstance(s, shapely.Geometry) and not shapely.is_empty(s) else None
    if not len(flat):
        return flat
    flat[:] = shapely.transform(
        shapely.force_2d(flat), lambda c: np.stack(turn.transform(c[:, 0], c[:, 1]), axis=1) if len(c) else c
    )
    return flat


def _distance(one: npt.NDArray[np.object_], two: npt.NDArray[np.object_]) -> F8:
    """Metres; 0 where one of the two is not known."""
    return np.nan_to_num(shapely.distance(one, two), nan=0.0)


def _mark_fast(
    person: I8, t_ms: I8, where: npt.NDArray[np.object_], slack_m: F8, reason: npt.NDArray[np.object_], off: F8
) -> None:
    """Mark check-ins to which nobody can have come from the one before of the same person that still counts.

    The first of a row that is impossible stands; after each marking the next is measured from what is left.
    """
    order = np.lexsort((t_ms, person))
    left = order[(reason[order] == "") & ~shapely.is_missing(where[order])]
    while len(left):
        a, b = left[:-1], left[1:]
        way = _distance(where[a], where[b])
        can = (t_ms[b] - t_ms[a]) / 3.6e6 * FASTEST_KMH * 1000
        fast = (person[a] == person[b]) & (way - slack_m[a] - slack_m[b] > can)
        fast[1:] &= ~fast[:-1]  # where the one before goes too, measure again
        if not fast.any():
            return
        reason[b[fast]], off[b[fast]] = FAST, way[fast]
        left = left[np.concatenate(([True], ~fast))]


def _by_track(
    graph: RoadGraph, history: Sequence[tuple[Passes, Crew]], person: npt.NDArray[np.object_], shape: npt.NDArray[np.object_], t_ms: I8,
    standard: Standard,
) -> tuple[F8, F8, B1]:  # fmt: skip
    """What the person's own track says of each check-in.

    Returns:
        metres by which the place was out of reach from where the track was last before, and first after, each at least 0; and whether
        the track was at the place within the silence limit.
    """
    who, t, xy = _track_points(graph, history)
    codes, _ = pd.factorize(np.concatenate([person, who]))
    mine, theirs = codes[: len(person)].astype(np.int64), codes[len(person) :].astype(np.int64)
    out = np.zeros(len(person)), np.zeros(len(person))
    there = np.zeros(len(person), dtype=np.bool_)
    if not len(t) or not len(person):
        return *out, there
    first = int(min(t.min(), t_ms.min()))
    span = int(max(t.max(), t_ms.max())) - first + 1
    order = np.argsort(theirs * span + (t - first), kind="stable")
    key = (theirs * span + (t - first))[order]
    points: npt.NDArray[np.object_] = np.asarray(shapely.points(xy[order]), dtype=np.object_)
    reach = standard.measure.place_reach_m.value + standard.measure.place_error_m.value
    silence_ms = standard.measure.silence_s.value * 1000
    asked = mine * span + (t_ms - first)
    after = np.searchsorted(key, asked, side="left")
    for side, at in enumerate((after - 1, after)):
        near = np.clip(at, 0, len(key) - 1)
        known = (at >= 0) & (at < len(key)) & (key[near] // span == mine) & ~shapely.is_missing(shape)
        apart = np.where(known, _distance(points[near], shape), 0.0)
        wait = np.abs(key[near] - asked)
        out[side][:] = np.where(known, np.maximum(apart - reach - wait / 3.6e6 * FASTEST_KMH * 1000, 0.0), 0.0)
        there |= known & (apart <= reach) & (wait <= silence_ms)
    return *out, there


def _track_points(graph: RoadGraph, history: Sequence[tuple[Passes, Crew]]) -> tuple[npt.NDArray[np.object_], I8, F8]:
    """Where carriers were at both ends of each of their passes: person, UTC ms, metres (N, 2)."""
    who: list[npt.NDArray[np.object_]] = [np.zeros(0, dtype=object)]
    times, places = [np.zeros(0, dtype=np.int64)], [np.zeros((0, 2))]
    for passes, crew in history:
        place = {d: i for i, d in enumerate(passes.devices)}
        for c in crew.carries:
            if c.device_id not in place:
                continue
            rows = np.flatnonzero(
                (passes.device_ix == place[c.device_id])
                & passes.seen
                & (passes.enter_ms >= c.start_ms)
                & (passes.leave_ms <= c.end_ms)
            )
            for mm, t in ((passes.from_mm, passes.enter_ms), (passes.to_mm, passes.leave_ms)):
                who.append(np.full(len(rows), crew.persons[c.person_ix].person_id, dtype=object))
                times.append(t[rows])
                places.append(points_on(graph, passes.segment_ix[rows].astype(np.int64), mm[rows].astype(np.int64)))
    return np.concatenate(who), np.concatenate(times), np.concatenate(places)


def points_on(graph: RoadGraph, segment: I8, at_mm: I8) -> F8:
    """Coordinates (N, 2) of positions along segments, in metres of the graph's CRS."""
    if not len(segment):
        return np.zeros((0, 2))
    owner = np.repeat(np.arange(graph.segment_count), np.diff(graph.vert_ptr)).astype(np.int64)
    key = owner << 32 | graph.vert_mm.astype(np.int64)
    i = np.searchsorted(key, segment << 32 | at_mm, side="right") - 1
    i = np.minimum(i, graph.vert_ptr[segment + 1].astype(np.int64) - 2)
    length = np.maximum(graph.vert_mm[i + 1] - graph.vert_mm[i], 1)
    part = np.clip((at_mm - graph.vert_mm[i]) / length, 0.0, 1.0)
    return np.stack([a[i] + (a[i + 1] - a[i]) * part for a in (graph.vert_x, graph.vert_y)], axis=1)


def checkin_notes(judged: Judged, start_ms: int, end_ms: int) -> list[tuple[str, str, int, str, str]]:
    """Contract `findings`: how many check-ins of a day do not count alone and why, are borne out by a track, or say not where they were."""
    today = (judged.t_ms >= start_ms) & (judged.t_ms < end_ms)
    alone = today & ~judged.counts
    of = {name: int((alone & (judged.reason == name)).sum()) for name in (FAR, TRACK, FAST)}
    return [
        ("checkin.far", "checkins", of[FAR], "次打卡的坐标远离点位，不单独计为到访",
         "check-ins were made far from their place and do not count alone"),
        ("checkin.track", "checkins", of[TRACK], "次打卡与本人轨迹的距离不符，不单独计为到访",
         "check-ins are contradicted by the person's own track and do not count alone"),
        ("checkin.fast", "checkins", of[FAST], "次打卡与上一次打卡间隔过短，过快，不单独计为到访",
         "check-ins follow the one before too fast for anybody and do not count alone"),
        ("checkin.supported", "checkins", int((today & (judged.reason != "") & judged.supported).sum()),
         "次打卡本身存疑，但有本人轨迹为证，照计", "check-ins are doubtful, but the person's track was there: they count"),
        ("checkin.unplaced", "checkins", int((today & ~judged.placed).sum()),
         "次打卡没有坐标，只按所写点位计", "check-ins say not where they were made and are taken at their word"),
    ]  # fmt: skip
