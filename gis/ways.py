"""The way along the streets from where people are to where they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

if TYPE_CHECKING:
    import numpy.typing as npt

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

FARTHEST_M = 30_000.0  # nobody is fetched from farther away


@dataclass(frozen=True, slots=True, eq=False)
class Streets:
    """S street segments as a graph of N nodes.

    Attributes:
        lines: object (S,), metric, from u to v.
        u, v: int64 (S,), nodes.
        length_m: float64 (S,).
        oneway: int64 (S,), 1 from u to v only, -1 from v to u only, 0 both.
        on_foot, driving: the ways backwards, from a node to those from which it is reached, sparse (N, N) in metres.
        tree: of the lines.
    """

    lines: npt.NDArray[np.object_]
    u: I8
    v: I8
    length_m: F8
    oneway: I8
    on_foot: Any
    driving: Any
    tree: shapely.STRtree


def streets_of(
    lines: npt.NDArray[np.object_], u: npt.NDArray[np.object_], v: npt.NDArray[np.object_], length_m: F8, oneway: I8
) -> Streets:
    """The graph of segments (metric lines from u to v, which are names of nodes)."""
    codes, names = pd.factorize(np.concatenate([u, v]))
    a, b = codes[: len(u)].astype(np.int64), codes[len(u) :].astype(np.int64)
    forth, back = oneway >= 0, oneway <= 0
    on_foot = _shortest(np.r_[a, b], np.r_[b, a], np.r_[length_m, length_m], len(names))
    driving = _shortest(
        np.r_[b[forth], a[back]], np.r_[a[forth], b[back]], np.r_[length_m[forth], length_m[back]], len(names)
    )
    return Streets(lines, a, b, length_m, oneway, on_foot, driving, shapely.STRtree(lines))


def _shortest(start: I8, stop: I8, length_m: F8, nodes: int) -> Any:
    """The shortest of the edges between each two nodes (a length of nothing is a millimetre, for which the matrix has a place)."""
    order = np.lexsort((length_m, stop, start))
    start, stop, length_m = start[order], stop[order], np.maximum(length_m[order], 0.001)
    fresh = np.ones(len(start), dtype=np.bool_)
    fresh[1:] = (start[1:] != start[:-1]) | (stop[1:] != stop[:-1])
    return csr_array((length_m[fresh], (start[fresh], stop[fresh])), shape=(nodes, nodes))


def distances_to(streets: Streets, segments: I8, *, driving: bool) -> F8:
    """Metres from every node to the nearest end of some segments, float64 (N,); infinite beyond `FARTHEST_M` and where no way leads."""
    ends = np.unique(np.r_[streets.u[segments], streets.v[segments]])
    graph = streets.driving if driving else streets.on_foot
    if not len(ends):
        return np.full(graph.shape[0], np.inf)
    found: F8 = dijkstra(graph, indices=ends, min_only=True, limit=FARTHEST_M)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Stands:
    """P places on the streets: segment, metres along it from u, and metres from the street, each (P,)."""

    segment: I8
    along_m: F8
    apart_m: F8


def places_on(streets: Streets, xy: F8) -> Stands:
    """The nearest street of each point (P, 2), metric."""
    points = np.asarray(shapely.points(xy), dtype=object)
    if not len(points) or not len(streets.lines):
        return Stands(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    (row, segment), apart = streets.tree.query_nearest(points, all_matches=False, return_distance=True)
    order = np.argsort(row)
    segment = segment[order].astype(np.int64)
    line = streets.lines[segment]
    share = shapely.line_locate_point(line, points, normalized=True)
    return Stands(segment, share * streets.length_m[segment], apart[order])


def ways_to(streets: Streets, stands: Stands, segments: I8, to_node: F8, *, driving: bool) -> F8:
    """Metres by road from each place to some segments (`to_node` is `distances_to` them), float64 (P,); who stands on one is there."""
    s = stands.segment
    length, oneway = streets.length_m[s], streets.oneway[s]
    back = stands.along_m + to_node[streets.u[s]]
    forth = length - stands.along_m + to_node[streets.v[s]]
    if driving:
        back, forth = np.where(oneway > 0, np.inf, back), np.where(oneway < 0, np.inf, forth)
    way = np.where(np.isin(s, segments), 0.0, np.minimum(back, forth))
    return np.asarray(way + stands.apart_m)
