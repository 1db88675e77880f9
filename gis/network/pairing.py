"""Paired carriageways: opposite one-way strands of one road share one measure, so that a pass on either covers it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gis.network.sections import Assignment

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.chains import Pieces
    from gis.network.model import RoadGraph
    from gis.network.settings import NetworkSettings

_SAMPLES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
_OVERSHOOT_M = 5.0
_NEARER = 0.7
_LEAST_MAPPED = 0.3
_SNAP_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Partners:
    """For sample k of segment s the opposite segment beside it: int64 (S, 5), -1 where there is none."""

    beside: npt.NDArray[np.int64]


def partners(
    lines: npt.NDArray[np.object_],
    oneway: npt.NDArray[np.int8],
    key: npt.NDArray[np.int64],
    level: npt.NDArray[np.int64],
    settings: NetworkSettings,
) -> Partners:
    """Find the opposite carriageway at five places of every one-way segment.

    A place has a partner where the nearest one-way segment of the same key and level with opposite heading lies within
    `pair_distance_m`, and where nothing lies between: seen from the partner no opposite segment of the key is much nearer.

    Args:
        lines: object (S,), metric, in the direction of their vertices.
        oneway: int8 (S,).
        key: int64 (S,), equal for segments of one road and class, -1 for none.
        level: int64 (S,).
        settings: pair_distance_m and pair_angle_deg.
    """
    beside = np.full((len(lines), len(_SAMPLES)), -1, np.int64)
    one = np.flatnonzero((oneway != 0) & (key >= 0))
    if len(one) == 0:
        return Partners(beside)
    finder = _Finder(lines, oneway, key, level, one, settings)
    segment = np.repeat(one, len(_SAMPLES))
    place = shapely.length(lines[segment]) * np.tile(_SAMPLES, len(one))
    other, distance, foot = finder.nearest_opposite(segment, place)
    found = np.flatnonzero(other >= 0)
    back = finder.nearest_opposite(other[found], foot[found])[1]
    found = found[back >= _NEARER * distance[found]]
    beside[segment[found], np.tile(np.arange(len(_SAMPLES)), len(one))[found]] = other[found]
    return Partners(beside)


class _Finder:
    """Nearest opposite one-way segment of the same key."""

    def __init__(
        self,
        lines: npt.NDArray[np.object_],
        oneway: npt.NDArray[np.int8],
        key: npt.NDArray[np.int64],
        level: npt.NDArray[np.int64],
        one: npt.NDArray[np.int64],
        settings: NetworkSettings,
    ) -> None:
        self.lines, self.oneway, self.key, self.level, self.one = lines, oneway, key, level, one
        self.tree = shapely.STRtree(lines[one])
        self.reach = settings.pair_distance_m
        self.opposite = -np.cos(np.radians(settings.pair_angle_deg))
        self.xy, owner = shapely.get_coordinates(lines, return_index=True)
        self.ptr = np.searchsorted(owner, np.arange(len(lines) + 1))
        step = np.hypot(*np.diff(self.xy, axis=0, prepend=self.xy[:1]).T)
        step[self.ptr[:-1]] = 0.0
        self.run = np.cumsum(step)

    def at(
        self, segment: npt.NDArray[np.int64], place: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Point (Q, 2) and unit vector of travel (Q, 2) at each place along a segment, in metres from its first vertex."""
        first = self.ptr[segment]
        reach = self.run[first] + place
        k = np.clip(np.searchsorted(self.run, reach, side="right") - 1, first, self.ptr[segment + 1] - 2)
        step = self.xy[k + 1] - self.xy[k]
        norm = np.hypot(step[:, 0], step[:, 1])
        unit = step / np.where(norm > 0, norm, 1.0)[:, None]
        point = self.xy[k] + unit * np.clip(reach - self.run[k], 0.0, norm)[:, None]
        return point, unit * self.oneway[segment][:, None]

    def nearest_opposite(
        self, segment: npt.NDArray[np.int64], place: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Segment (-1 for none), distance and place of the foot on it, for each place on a segment."""
        xy, way = self.at(segment, place)
        points = np.asarray(shapely.points(xy), dtype=object)
        at, hit = self.tree.query(points, predicate="dwithin", distance=self.reach)
        other = self.one[hit]
        mine = segment[at]
        keep = (other != mine) & (self.key[other] == self.key[mine]) & (self.level[other] == self.level[mine])
        at, other = at[keep], other[keep]
        foot = np.asarray(shapely.line_locate_point(self.lines[other], points[at]), np.float64)
        there, heading = self.at(other, foot)
        facing = (heading * way[at]).sum(axis=1) <= self.opposite
        gap = xy[at] - there
        beside = np.abs((gap * way[at]).sum(axis=1)) <= _OVERSHOOT_M
        at, other, foot, gap = (a[facing & beside] for a in (at, other, foot, gap))
        distance = np.hypot(gap[:, 0], gap[:, 1])
        order = np.lexsort((other, distance, at))
        first = order[np.r_[True, at[order][1:] != at[order][:-1]]] if len(order) else order
        out = np.full(len(segment), -1, np.int64), np.full(len(segment), np.inf), np.zeros(len(segment))
        for values, new in zip(out, (other, distance, foot), strict=True):
            values[at[first]] = new[first]
        return out


def pair_pieces(
    graph: RoadGraph,
    lines: npt.NDArray[np.object_],
    pieces: Pieces,
    found: Partners,
    settings: NetworkSettings,
) -> Assignment:
    """Sections of the pieces, the shorter strands of divided roads mapped onto the longer ones.

    The longest piece defines its measure; then the next, and so on. A segment of which at least `pair_share` lies beside pieces
    already defined is mapped onto the one it mostly lies beside; what is left of its piece stands for itself.
    """
    base = _Greedy(pieces, found, settings.pair_share)
    base.run()
    section, root = base.section, base.root
    from_mm, to_mm = base.from_mm, base.to_mm
    length = np.zeros(base.count, np.int64)
    on = np.flatnonzero(root & (section >= 0))
    np.maximum.at(length, section[on], np.maximum(from_mm, to_mm)[on])
    mapped = np.flatnonzero(~root & (section >= 0))
    if len(mapped):
        axis = section_axes(graph, section, from_mm, to_mm, root, base.count)
        from_mm[mapped], to_mm[mapped] = project(lines, axis, section, length, mapped, settings)
    flat = mapped[np.abs(to_mm - from_mm)[mapped] < _LEAST_MAPPED * graph.seg_length_mm[mapped]]
    section[flat] = base.count + np.arange(len(flat))
    from_mm[flat], to_mm[flat], root[flat] = 0, graph.seg_length_mm[flat], True
    return Assignment(section, from_mm, to_mm, root, declared=0, count=base.count + len(flat))


class _Greedy:
    """Decides which pieces define a measure and which segments are mapped; the longest piece first."""

    def __init__(self, pieces: Pieces, found: Partners, share: float) -> None:
        n = len(pieces.piece)
        self.need = share * len(_SAMPLES)
        self.beside = found.beside
        self.root = np.ones(n, bool)
        self.section = np.full(n, -1, np.int64)
        self.from_mm, self.to_mm = pieces.from_mm.copy(), pieces.to_mm.copy()
        has = np.zeros(pieces.count, bool)
        part = pieces.piece >= 0
        has[pieces.piece[part & (found.beside >= 0).any(axis=1)]] = True
        beside = part.copy()  # no piece at all, where every segment is of a section declared
        beside[part] = has[pieces.piece[part]]
        alone = np.flatnonzero(part & ~beside)
        self.count = int((~has).sum())
        self.section[alone] = (np.cumsum(~has) - 1)[pieces.piece[alone]]
        rest = np.flatnonzero(beside)
        low = np.minimum(self.from_mm, self.to_mm)
        rest = rest[np.lexsort((low[rest], pieces.piece[rest]))]
        self.heap: list[tuple[int, int, npt.NDArray[np.int64]]] = []
        cuts = np.flatnonzero(np.diff(pieces.piece[rest])) + 1
        for run in np.split(rest, cuts) if len(rest) else []:
            self._push(run)

    def _push(self, run: npt.NDArray[np.int64]) -> None:
        start = min(self.from_mm[run[0]], self.to_mm[run[0]])
        self.from_mm[run] -= start
        self.to_mm[run] -= start
        reach = int(max(self.from_mm[run[-1]], self.to_mm[run[-1]]))
        heapq.heappush(self.heap, (-reach, int(run[0]), run))

    def run(self) -> None:
        """Work the heap off; a piece is short (one block of a street), so the loop runs over divided blocks only."""
        while self.heap:
            run = heapq.heappop(self.heap)[2]
            beside = self.beside[run]
            on = np.where(beside >= 0, self.section[beside], -1)
            on = np.where((beside >= 0) & self.root[beside], on, -1)
            claimed = (on >= 0).sum(axis=1) >= self.need
            if not claimed.any():
                self.section[run] = self.count
                self.count += 1
                continue
            for s, sections in zip(run[claimed], on[claimed], strict=True):
                values, counts = np.unique(sections[sections >= 0], return_counts=True)
                self.section[s], self.root[s] = values[np.argmax(counts)], False
            free = np.flatnonzero(~claimed)
            for part in np.split(free, np.flatnonzero(np.diff(free) > 1) + 1) if len(free) else []:
                self._push(run[part])


def section_axes(
    graph: RoadGraph,
    section: npt.NDArray[np.int64],
    from_mm: npt.NDArray[np.int64],
    to_mm: npt.NDArray[np.int64],
    root: npt.NDArray[np.bool_],
    count: int,
) -> npt.NDArray[np.object_]:
    """Metric line of each section (count,) in the direction of its measure, with the measure in millimetres as z."""
    on = np.flatnonzero(root & (section >= 0))
    size = np.diff(graph.vert_ptr)[on]
    at = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size) + np.repeat(graph.vert_ptr[on], size)
    seg = np.repeat(on, size)
    sign = np.sign(to_mm - from_mm)[seg]
    measure = from_mm[seg] + sign * graph.vert_mm[at]
    low = np.minimum(from_mm, to_mm)[seg]
    order = np.lexsort((measure, low, section[seg]))
    xyz = np.column_stack([graph.vert_x[at], graph.vert_y[at], measure.astype(np.float64)])[order]
    out = np.full(count, None, dtype=object)
    number, dense = np.unique(section[seg][order], return_inverse=True)
    out[number] = shapely.linestrings(xyz, indices=dense)
    return out


def project(
    lines: npt.NDArray[np.object_],
    axis: npt.NDArray[np.object_],
    section: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
    mapped: npt.NDArray[np.int64],
    settings: NetworkSettings,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Measures of both ends of the mapped segments on their section's axis.

    The outermost ends snap to the ends of the measure where they come near them (staggered stop lines): a drive along the whole
    of either carriageway covers the whole measure.
    """
    number = section[mapped]
    ends = []
    for index in (0, -1):
        place = shapely.line_locate_point(axis[number], shapely.get_point(lines[mapped], index), normalized=False)
        ends.append(np.rint(place * length[number] / np.maximum(shapely.length(axis[number]), 1e-9)).astype(np.int64))
    low, high = np.minimum(*ends), np.maximum(*ends)
    first, last = np.full(len(length), np.iinfo(np.int64).max), np.full(len(length), -1, np.int64)
    np.minimum.at(first, number, low)
    np.maximum.at(last, number, high)
    near = np.minimum(settings.pair_distance_m * 1000, _SNAP_SHARE * length)[number]
    for values in ends:
        values[(values == first[number]) & (values <= near)] = 0
        stop = (values == last[number]) & (length[number] - values <= near)
        values[stop] = length[number][stop]
    return ends[0], ends[1]
