"""One stretch of road between two cross streets, found on the graph."""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gis.network.names import normal_name, stem

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import RoadGraph
    from gis.network.settings import NetworkSettings

CROSS_NOT_FOUND = "cross_not_found"
NOT_CONNECTED = "not_connected"
AMBIGUOUS = "ambiguous"

PROBLEMS = {
    "road_not_found": ("路网中没有这条道路", "no such road in the network"),
    CROSS_NOT_FOUND: (
        "起止道路不在路网中或不与该路相交",
        "a cross street is not in the network or does not meet the road",
    ),
    NOT_CONNECTED: ("起止之间道路不连通", "the road does not lead from one cross street to the other"),
    AMBIGUOUS: ("有多种可能，请写明", "more than one stretch fits"),
    "overlap": ("与另一责任路段重叠", "it overlaps another responsible section"),
}

_ANY_END = {
    "",
    "起点",
    "终点",
    "始点",
    "止点",
    "起",
    "止",
    "终",
    "始",
    "端点",
    "尽头",
    "路端",
    "末端",
    "两端",
    "全段",
    "全线",
}
_COMPASS = re.compile(r"最?(东|西|南|北)(端|头|口|侧|首|面|起点|终点|尽头|末端)?$")
_AXIS = {"东": (1, 0), "西": (-1, 0), "北": (0, 1), "南": (0, -1)}
_WAYS_ALIKE = 0.5
_LEAST_SPAN = 0.3


class UnresolvedError(Exception):
    """A stretch that cannot be found; its one argument is a code of PROBLEMS."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Segments from the first cross street to the second.

    Attributes:
        path: int64 (P,), the segments that define the measure, in order.
        forward: bool (P,), whether each runs with the measure.
        beside: int64 (B,), segments of the same road that lie beside the path (other carriageway, side lanes).
        strands: further paths with their directions, in `beside` too (one for each other carriageway).
    """

    path: npt.NDArray[np.int64]
    forward: npt.NDArray[np.bool_]
    beside: npt.NDArray[np.int64]
    strands: tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]], ...] = ()


class StretchFinder:
    """Finds stretches on one graph by the names that people write."""

    def __init__(
        self,
        graph: RoadGraph,
        lines: npt.NDArray[np.object_],
        names: npt.NDArray[np.object_],
        settings: NetworkSettings,
    ) -> None:
        self.graph, self.lines, self.settings = graph, lines, settings
        by_name: dict[str, list[int]] = defaultdict(list)
        for s, n in enumerate(names.tolist()):
            if n:
                by_name[n].append(s)
        self.by_name = {n: np.array(s, np.int64) for n, s in by_name.items()}
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for n in sorted(self.by_name):
            self.by_stem[stem(n)].append(n)
        self.xy = np.column_stack([graph.node_x, graph.node_y])

    def find(self, road: object, start: object, stop: object) -> Stretch:
        """The stretch of a road between two cross streets, or ends of the road (起点, 终点, 东端, …).

        Raises:
            UnresolvedError: with the code of the problem.
        """
        own = self._segments(road, "road_not_found")
        nodes = np.unique(np.r_[self.graph.seg_u[own], self.graph.seg_v[own]].astype(np.int64))
        a, b = self._place(own, nodes, start), self._place(own, nodes, stop)
        if a is None and b is None:
            a, b = self._tips(nodes)
        elif a is None or b is None:
            known = b if a is None else a
            other = self._other_tip(nodes, known) if known is not None else nodes[:0]
            a, b = (other, known) if a is None else (known, other)
        if a is None or b is None or len(np.intersect1d(a, b)):
            raise UnresolvedError(AMBIGUOUS)
        return self._between(own, a, b)

    def _segments(self, written: object, problem: str) -> npt.NDArray[np.int64]:
        name = normal_name(written)
        if name in self.by_name:
            return self.by_name[name]
        alike = self.by_stem.get(stem(name), []) if name else []
        if not alike:
            raise UnresolvedError(problem)
        if len(alike) > 1:
            raise UnresolvedError(AMBIGUOUS)
        return self.by_name[alike[0]]

    def _place(
        self, own: npt.NDArray[np.int64], nodes: npt.NDArray[np.int64], written: object
    ) -> npt.NDArray[np.int64] | None:
        """Nodes of the road at a cross street or at an end by compass; None for an end that is not said which."""
        name = normal_name(written)
        if name in _ANY_END:
            return None
        compass = _COMPASS.fullmatch(name)
        if compass and name not in self.by_name:
            reach = self.xy[nodes] @ np.array(_AXIS[compass[1]])
            return self._near(nodes, nodes[int(np.argmax(reach))])
        cross = self._segments(written, "cross_not_found")
        shared = np.intersect1d(nodes, np.r_[self.graph.seg_u[cross], self.graph.seg_v[cross]])
        if len(shared) == 0:
            street = shapely.multilinestrings(self.lines[cross])
            shapely.prepare(street)
            near = shapely.dwithin(street, shapely.points(self.xy[nodes]), self.settings.cross_tolerance_m)
            shared = nodes[near]
        if len(shared) == 0 or len(np.intersect1d(own, cross)):
            raise UnresolvedError(CROSS_NOT_FOUND)
        return shared.astype(np.int64)

    def _near(self, nodes: npt.NDArray[np.int64], node: int) -> npt.NDArray[np.int64]:
        step = self.xy[nodes] - self.xy[node]
        near: npt.NDArray[np.bool_] = np.hypot(step[:, 0], step[:, 1]) <= self.settings.pair_distance_m
        return nodes[near]

    def _tips(self, nodes: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Both ends of a road: the node farthest from its middle, and the one farthest from that."""
        xy = self.xy[nodes]
        one = int(np.argmax(np.hypot(*(xy - xy.mean(axis=0)).T)))
        two = int(np.argmax(np.hypot(*(xy - xy[one]).T)))
        return self._near(nodes, nodes[one]), self._near(nodes, nodes[two])

    def _other_tip(self, nodes: npt.NDArray[np.int64], known: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The end that `known` is not at; ambiguous where it is at neither."""
        tips = self._tips(nodes)
        at = [len(np.intersect1d(t, known)) > 0 for t in tips]
        if at[0] == at[1]:
            raise UnresolvedError(AMBIGUOUS)
        return tips[1] if at[0] else tips[0]

    def _clusters(self, nodes: npt.NDArray[np.int64]) -> dict[int, int]:
        """Crossing of each node: nodes of one crossing (divided roads have up to four) lie within twice the pair distance."""
        reach = 2 * self.settings.pair_distance_m
        out: dict[int, int] = {}
        for n in nodes.tolist():
            near = [c for m, c in out.items() if np.hypot(*(self.xy[m] - self.xy[n])) <= reach]
            target = min(near, default=n)
            for m, c in list(out.items()):
                if c in near:
                    out[m] = target
            out[n] = target
        return out

    def _between(self, own: npt.NDArray[np.int64], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Stretch:
        """The strands of the road from a to b, cut at the nodes of both."""
        from_cluster, to_cluster = self._clusters(a), self._clusters(b)
        walk = _Walk(self.graph, own, np.r_[a, b], self._loose(own))
        ways: dict[tuple[int, int], list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.bool_]]]] = defaultdict(list)
        reached: dict[int, tuple[int, int]] = {}
        for n in np.sort(a).tolist():
            for way in walk.paths(n, set(b.tolist())):
                end = (from_cluster[n], to_cluster[way.end])
                if way.component in reached:
                    continue
                reached[way.component] = end
                ways[end].append((way.length_mm, way.path, way.forward))
        if not ways:
            raise UnresolvedError(NOT_CONNECTED)
        if len(ways) > 1:
            raise UnresolvedError(AMBIGUOUS)
        strands = sorted(next(iter(ways.values())), key=lambda w: (w[0], w[1].tolist()))
        _, path, forward = strands[0]
        others = np.setdiff1d(walk.members(reached), path)
        beside = self._beside(path, others)
        for _, other, _f in strands[1:]:
            if np.isin(other, beside).mean() < _WAYS_ALIKE:
                raise UnresolvedError(AMBIGUOUS)
        return Stretch(path, forward, beside, tuple((p, f) for _, p, f in strands[1:]))

    def _loose(self, own: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """Pairs of loose ends of the road within `road_gap_m` (a roundabout or crossing of another name between them)."""
        ends = np.r_[self.graph.seg_u[own], self.graph.seg_v[own]].astype(np.int64)
        node, count = np.unique(ends, return_counts=True)
        loose = node[count == 1]
        gap = np.hypot(*(self.xy[loose][:, None, :] - self.xy[loose][None, :, :]).transpose(2, 0, 1))
        i, j = np.nonzero(np.triu(gap <= self.settings.road_gap_m, 1))
        return list(zip(loose[i].tolist(), loose[j].tolist(), strict=True))

    def _beside(self, path: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Those of the others that run along the path within the pair distance."""
        if len(others) == 0:
            return others
        axis = shapely.multilinestrings(self.lines[path])
        shapely.prepare(axis)
        probes = np.column_stack(
            [shapely.line_interpolate_point(self.lines[others], f, normalized=True) for f in (0.1, 0.5, 0.9)]
        )
        near = shapely.dwithin(axis, probes, self.settings.pair_distance_m).all(axis=1)
        line = shapely.line_merge(axis)
        if shapely.get_type_id(line) != 1:
            line = shapely.linestrings(shapely.get_coordinates(self.lines[path]))
        span = np.abs(shapely.line_locate_point(line, probes[:, 2]) - shapely.line_locate_point(line, probes[:, 0]))
        return others[near & (span >= _LEAST_SPAN * shapely.length(self.lines[others]))]


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    end: int
    component: int
    length_mm: int
    path: npt.NDArray[np.int64]
    forward: npt.NDArray[np.bool_]


class _Walk:
    """Shortest ways within one road that stop at the nodes where it is cut."""

    def __init__(
        self,
        graph: RoadGraph,
        own: npt.NDArray[np.int64],
        cuts: npt.NDArray[np.int64],
        loose: list[tuple[int, int]],
    ) -> None:
        self.graph, self.own, self.cuts = graph, own, set(cuts.tolist())
        self.at: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for s in own.tolist():
            u, v = int(graph.seg_u[s]), int(graph.seg_v[s])
            self.at[u].append((s, v))
            if v != u:
                self.at[v].append((s, u))
        for u, v in loose:
            if u not in self.cuts and v not in self.cuts:
                self.at[u].append((-1, v))
                self.at[v].append((-1, u))
        self.component = self._components()

    def _components(self) -> dict[int, int]:
        """Component of each segment when the road is cut: its number is the smallest segment of it."""
        out: dict[int, int] = {}
        for first in self.own.tolist():
            if first in out:
                continue
            out[first] = first
            stack = [int(self.graph.seg_u[first]), int(self.graph.seg_v[first])]
            seen: set[int] = set()
            while stack:
                node = stack.pop()
                if node in self.cuts or node in seen:
                    continue
                seen.add(node)
                for s, far in self.at[node]:
                    if s >= 0:
                        out[s] = first
                    stack.append(far)
        return out

    def members(self, components: dict[int, tuple[int, int]]) -> npt.NDArray[np.int64]:
        """Segments of some components."""
        return np.array([s for s in self.own.tolist() if self.component[s] in components], np.int64)

    def paths(self, start: int, goal: set[int]) -> list[_Way]:
        """From a node the shortest way to the goal within every component that leaves it."""
        out = []
        for component in sorted({self.component[s] for s, _ in self.at[start] if s >= 0}):
            way = self._shortest(start, goal, component)
            if way is not None:
                out.append(way)
        return out

    def _shortest(self, start: int, goal: set[int], component: int) -> _Way | None:
        heap: list[tuple[int, int]] = [(0, start)]
        best = {start: 0}
        came: dict[int, tuple[int, int]] = {}
        while heap:
            cost, node = heapq.heappop(heap)
            if cost > best[node]:
                continue
            if node in goal:
                return self._trace(start, node, component, cost, came)
            if node in self.cuts and node != start:
                continue
            for s, far in self.at[node]:
                if s >= 0 and self.component[s] != component:
                    continue
                step = cost + (int(self.graph.seg_length_mm[s]) if s >= 0 else 1)
                if step < best.get(far, step + 1):
                    best[far] = step
                    came[far] = (s, node)
                    heapq.heappush(heap, (step, far))
        return None

    def _trace(self, start: int, end: int, component: int, cost: int, came: dict[int, tuple[int, int]]) -> _Way:
        path, forward, node = [], [], end
        while node != start:
            s, before = came[node]
            if s >= 0:
                path.append(s)
                forward.append(int(self.graph.seg_u[s]) == before)
            node = before
        return _Way(end, component, cost, np.array(path[::-1], np.int64), np.array(forward[::-1], bool))
