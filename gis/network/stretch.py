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
from gis.network.words import NOT_UNDERSTOOD, StretchWords, UnresolvedError, end_words, plain_words, stretch_words

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import RoadGraph
    from gis.network.settings import NetworkSettings

ROAD_NOT_FOUND = "road_not_found"
CROSS_NOT_FOUND = "cross_not_found"
NOT_CONNECTED = "not_connected"
AMBIGUOUS = "ambiguous"

PROBLEMS = {
    ROAD_NOT_FOUND: ("路网中没有这条道路", "no such road in the network"),
    CROSS_NOT_FOUND: (
        "起止道路不在路网中或不与该路相交",
        "a cross street is not in the network or does not meet the road",
    ),
    NOT_CONNECTED: ("起止之间道路不连通", "the road does not lead from one cross street to the other"),
    AMBIGUOUS: ("有多种可能，请写明", "more than one stretch fits"),
    "overlap": ("与另一责任路段重叠", "it overlaps another responsible section"),
    NOT_UNDERSTOOD: (
        "写法无法理解，未按更大范围对应",
        "words that are not understood; nothing wider was taken for them",
    ),
}
REMEDIES = {
    ROAD_NOT_FOUND: (
        "改用路网中的路名，或在路网中补上此路",
        "write the name that the network has, or add the road to the network",
    ),
    CROSS_NOT_FOUND: (
        "改写为与该路相交的道路名，或写东端、西端、南端、北端",
        "write streets that meet the road, or an end by compass such as 东端",
    ),
    NOT_CONNECTED: ("分成几段，每段一行", "divide it into stretches, a row each"),
    AMBIGUOUS: (
        "写明起止两条相交道路；环路另写经过的道路，如 环城路（中山路至建设路，经解放路）",
        "write both cross streets; on a ring also a street between them, as 经解放路",
    ),
    "overlap": ("两行写成不重叠的路段", "write the two rows without overlap"),
    NOT_UNDERSTOOD: (
        "写成 路名（起点路至终点路）；单侧、单双号、门牌、桩号与“除外”无法核对",
        "write the road and both cross streets and nothing else; sides, house numbers, chainage and exclusions cannot be checked",
    ),
}
_WAYS_ALIKE = 0.5
_LEAST_SPAN = 0.3
_LEAST_LEAN = 0.38  # an end by compass: the road runs at most 67.5 degrees off that axis
_AXIS = {"东": (1, 0), "西": (-1, 0), "北": (0, 1), "南": (0, -1)}
_NAMES_OF_ONE = re.compile(r"[;/|、；]")


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
        by_name: dict[str, set[int]] = defaultdict(set)
        whole: dict[str, list[int]] = defaultdict(list)
        for written, segments in _segments_by_name(names).items():
            whole[plain_words(written)] += segments
            for name in {normal_name(written), *map(normal_name, _NAMES_OF_ONE.split(written))} - {""}:
                by_name[name].update(segments)
        self.by_name = {n: np.array(sorted(s), np.int64) for n, s in by_name.items()}
        self.whole = {n: np.array(sorted(s), np.int64) for n, s in whole.items() if "(" in n}
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for n in sorted(self.by_name):
            self.by_stem[stem(n)].append(n)
        self.xy = np.column_stack([graph.node_x, graph.node_y])

    def words(self, road: object, start: object, stop: object) -> StretchWords:
        """What is written of a stretch, with its ends in their shortest form (see `words`); a name of the network is taken whole.

        Raises:
            UnresolvedError: words that are not understood.
        """
        texts = [t if isinstance(t, str) else "" for t in (road, start, stop)]
        if plain_words(texts[0]) in self.whole or (
            "(" not in plain_words(texts[0]) and normal_name(texts[0]) in self.by_name
        ):
            said = StretchWords(texts[0].strip(), texts[1].strip(), texts[2].strip())
        else:
            said = stretch_words(*texts)
        known = self._known
        start, stop, *via = (end_words(t, said.road, known) for t in (said.start, said.stop, *said.via))
        return StretchWords(said.road, start, stop, tuple(via), said.also)

    def find(self, road: object, start: object, stop: object) -> Stretch:
        """The stretch of a road between two cross streets or ends (起点, 终点, 东端, …); of a ring the whole, or a part with its way.

        Raises:
            UnresolvedError: with the code of the problem.
        """
        return self.at(self.words(road, start, stop))

    def at(self, said: StretchWords) -> Stretch:
        """The stretch that words (as `words` gives them) say.

        Raises:
            UnresolvedError: with the code of the problem.
        """
        own = self._road(said)
        nodes = np.unique(np.r_[self.graph.seg_u[own], self.graph.seg_v[own]].astype(np.int64))
        closed = self._closed(own)
        if not said.start and not said.stop and closed:
            return self._ring(own)
        a, b = (self._place(own, nodes, t, closed=closed) for t in (said.start, said.stop))
        if a is None and b is None:
            a, b = self._tips(nodes)
        elif a is None or b is None:
            known = b if a is None else a
            other = self._other_tip(nodes, known) if known is not None and not closed else nodes[:0]
            a, b = (other, known) if a is None else (known, other)
        if a is None or b is None or not len(a) or not len(b) or len(np.intersect1d(a, b)):
            raise UnresolvedError(AMBIGUOUS)
        via = [v for t in said.via if (v := self._place(own, nodes, t, closed=closed)) is not None]
        return self._between(own, a, b, via)

    def _known(self, written: str) -> bool:
        return self._lookup(written) is not None

    def _lookup(self, written: str) -> list[str] | None:
        """Names of the network that a written one may mean: itself; without its last word (丹河) those that have one."""
        name = normal_name(written)
        if name in self.by_name:
            return [name]
        return (self.by_stem.get(name) or None) if name and stem(name) == name else None

    def _road(self, said: StretchWords) -> npt.NDArray[np.int64]:
        """Segments of the road, by its own name or else by another that is given."""
        whole = self.whole.get(plain_words(said.road))
        if whole is not None:
            return whole
        name = next((n for n in (said.road, *said.also) if self._known(n)), said.road)
        return self._segments(name, ROAD_NOT_FOUND)

    def _segments(self, written: str, problem: str) -> npt.NDArray[np.int64]:
        alike = self._lookup(written)
        if alike is None:
            raise UnresolvedError(problem, written)
        if len(alike) > 1:
            raise UnresolvedError(AMBIGUOUS, written)
        return self.by_name[alike[0]]

    def _place(
        self, own: npt.NDArray[np.int64], nodes: npt.NDArray[np.int64], name: str, *, closed: bool
    ) -> npt.NDArray[np.int64] | None:
        """Nodes of the road at a cross street or at an end by compass; None for an end that is not said which."""
        if not name:
            return None
        if name[0] in _AXIS and name[1:] == "端" and not self._known(name):
            return self._compass(nodes, name[0], closed=closed)
        cross = self._segments(name, CROSS_NOT_FOUND)
        shared = np.intersect1d(nodes, np.r_[self.graph.seg_u[cross], self.graph.seg_v[cross]])
        if len(shared) == 0:
            street = shapely.multilinestrings(self.lines[cross])
            shapely.prepare(street)
            near = shapely.dwithin(street, shapely.points(self.xy[nodes]), self.settings.cross_tolerance_m)
            shared = nodes[near]
        if len(shared) == 0 or len(np.intersect1d(own, cross)):
            raise UnresolvedError(CROSS_NOT_FOUND, name)
        return shared.astype(np.int64)

    def _compass(self, nodes: npt.NDArray[np.int64], side: str, *, closed: bool) -> npt.NDArray[np.int64]:
        """The end of a road by compass; ambiguous on a ring and on a road that hardly runs that way."""
        axis = np.array(_AXIS[side])
        one, two = self._tip_nodes(nodes)
        span = self.xy[one] - self.xy[two]
        if closed or abs(span @ axis) < _LEAST_LEAN * np.hypot(*span):
            raise UnresolvedError(AMBIGUOUS, f"{side}端")
        return self._near(nodes, nodes[int(np.argmax(self.xy[nodes] @ axis))])

    def _closed(self, own: npt.NDArray[np.int64]) -> bool:
        """Whether a road has no end: every node of it has two of its segments, or a loop."""
        ends = np.r_[self.graph.seg_u[own], self.graph.seg_v[own]].astype(np.int64)
        return bool((np.unique(ends, return_counts=True)[1] == 2).all())  # noqa: PLR2004

    def _ring(self, own: npt.NDArray[np.int64]) -> Stretch:
        """A ring whole: once around, from the end of its smallest segment; further rings within the pair distance lie beside it.

        Raises:
            UnresolvedError: several rings that do not lie beside each other.
        """
        rings = _cycles(self.graph, own)
        size = [int(self.graph.seg_length_mm[path].sum()) for path, _ in rings]
        order = sorted(range(len(rings)), key=lambda i: (size[i], rings[i][0].tolist()))
        path, forward = rings[order[0]]
        others = np.setdiff1d(own, path)
        beside = self._beside(path, others)
        if len(beside) < len(others):
            raise UnresolvedError(AMBIGUOUS)
        return Stretch(path, forward, beside, tuple(rings[i] for i in order[1:]))

    def _near(self, nodes: npt.NDArray[np.int64], node: int) -> npt.NDArray[np.int64]:
        step = self.xy[nodes] - self.xy[node]
        near: npt.NDArray[np.bool_] = np.hypot(step[:, 0], step[:, 1]) <= self.settings.pair_distance_m
        return nodes[near]

    def _tips(self, nodes: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Nodes at both ends of a road (see `_tip_nodes`), those of the other carriageway too."""
        one, two = self._tip_nodes(nodes)
        return self._near(nodes, one), self._near(nodes, two)

    def _tip_nodes(self, nodes: npt.NDArray[np.int64]) -> tuple[int, int]:
        """Both ends of a road: the node farthest from its middle, and the one farthest from that."""
        xy = self.xy[nodes]
        one = int(np.argmax(np.hypot(*(xy - xy.mean(axis=0)).T)))
        two = int(np.argmax(np.hypot(*(xy - xy[one]).T)))
        return int(nodes[one]), int(nodes[two])

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

    def _between(
        self,
        own: npt.NDArray[np.int64],
        a: npt.NDArray[np.int64],
        b: npt.NDArray[np.int64],
        via: list[npt.NDArray[np.int64]],
    ) -> Stretch:
        """The strands of the road from a to b, cut at the nodes of both; with ways between only those that meet them all."""
        from_cluster, to_cluster = self._clusters(a), self._clusters(b)
        walk = _Walk(self.graph, own, np.r_[a, b], self._loose(own))
        ways: dict[tuple[int, int], list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.bool_]]]] = defaultdict(list)
        reached: dict[int, tuple[int, int]] = {}
        for n in np.sort(a).tolist():
            for way in walk.paths(n, set(b.tolist())):
                end = (from_cluster[n], to_cluster[way.end])
                if way.component in reached or not self._meets(way.path, via):
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

    def _meets(self, path: npt.NDArray[np.int64], via: list[npt.NDArray[np.int64]]) -> bool:
        """Whether a way comes past each of some places."""
        nodes = np.r_[self.graph.seg_u[path], self.graph.seg_v[path]]
        return all(len(np.intersect1d(nodes, place)) > 0 for place in via)

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


def _segments_by_name(names: npt.NDArray[np.object_]) -> dict[str, list[int]]:
    """Segments of each name as the network writes it."""
    out: dict[str, list[int]] = defaultdict(list)
    for s, n in enumerate(names.tolist()):
        if n:
            out[n].append(s)
    return out


def _cycles(graph: RoadGraph, own: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
    """The rings of a road that has no ends, each from its smallest segment on: segments and whether they run along."""
    at: dict[int, list[int]] = defaultdict(list)
    for s in own.tolist():
        at[int(graph.seg_u[s])].append(s)
        at[int(graph.seg_v[s])].append(s)
    left = set(own.tolist())
    out = []
    while left:
        s = min(left)
        path: list[int] = []
        forward: list[bool] = []
        node = int(graph.seg_u[s])
        while s in left:
            left.discard(s)
            path.append(s)
            forward.append(int(graph.seg_u[s]) == node)
            node = int(graph.seg_v[s]) if forward[-1] else int(graph.seg_u[s])
            s = next((n for n in at[node] if n in left), s)
        out.append((np.array(path, np.int64), np.array(forward, bool)))
    return out
