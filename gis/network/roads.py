"""Roads: which segments are one road, and which other road crosses at a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from gis.network.topology import digest

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import RoadGraph


def end_nodes(graph: RoadGraph) -> npt.NDArray[np.int64]:
    """Node of every end: 2 s is the first vertex of segment s, 2 s + 1 its last."""
    return np.column_stack([graph.seg_u, graph.seg_v]).ravel().astype(np.int64)


def crossed(graph: RoadGraph, identity: npt.NDArray[np.int64], ranked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Ends (2 S,) at whose node another road with a class meets.

    Args:
        graph: the graph.
        identity: int64 (S,), equal for segments of one name (or, unnamed, of one class).
        ranked: bool (S,), segments of branch class or above.
    """
    node, who = end_nodes(graph), np.repeat(identity, 2)
    has = np.repeat(ranked, 2)
    low = np.full(graph.node_count, np.iinfo(np.int64).max)
    high = np.full(graph.node_count, -1, np.int64)
    np.minimum.at(low, node[has], who[has])
    np.maximum.at(high, node[has], who[has])
    out: npt.NDArray[np.bool_] = (high[node] >= 0) & ((low[node] != who) | (high[node] != who))
    return out


class CrossNames:
    """The name under which a node is known to people on another road: the best road that crosses there."""

    def __init__(self, graph: RoadGraph, names: npt.NDArray[np.object_], rank: npt.NDArray[np.int64]) -> None:
        ends = pd.DataFrame({"node": end_nodes(graph), "name": np.repeat(names, 2), "rank": -np.repeat(rank, 2)})
        ends = ends[ends["name"] != ""].sort_values(["node", "rank", "name"]).drop_duplicates(["node", "name"])
        place = ends.groupby("node").cumcount()
        self._best = [np.full(graph.node_count, "", dtype=object) for _ in range(2)]
        for k, best in enumerate(self._best):
            row = ends[place == k]
            best[row["node"].to_numpy()] = row["name"].to_numpy(dtype=object)

    def at(self, node: npt.NDArray[np.int64], own: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """Name of the road of highest class (then smallest name) at each node, other than the own one; empty where none is."""
        first, second = (b[node] for b in self._best)
        return np.where(first == own, second, first).astype(object)


def road_of(
    graph: RoadGraph,
    identity: npt.NDArray[np.int64],
    named: npt.NDArray[np.bool_],
    joined: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    *,
    gap_m: float,
) -> npt.NDArray[np.int64]:
    """Number of the road of each segment (S,).

    Named segments are one road where they share a node, or where two loose ends of the name lie within `gap_m`;
    `joined` are further pairs of segments that belong together (consecutive in a chain, paired carriageways).
    """
    count = graph.segment_count
    node, who = end_nodes(graph), np.repeat(identity, 2)
    ends = np.flatnonzero(np.repeat(named, 2))
    order = ends[np.lexsort((ends, node[ends], who[ends]))]
    same = (
        (node[order][1:] == node[order][:-1]) & (who[order][1:] == who[order][:-1]) if len(order) else np.zeros(0, bool)
    )
    a, b = order[:-1][same] // 2, order[1:][same] // 2
    lone = order[~np.r_[False, same] & ~np.r_[same, False]] if len(order) else order
    if len(lone):
        places = np.column_stack([graph.node_x[node[lone]], graph.node_y[node[lone]]])
        near = cKDTree(places).query_pairs(gap_m, output_type="ndarray")
        near = near[who[lone[near[:, 0]]] == who[lone[near[:, 1]]]]
        a, b = np.r_[a, lone[near[:, 0]] // 2], np.r_[b, lone[near[:, 1]] // 2]
    a, b = np.r_[a, joined[0]], np.r_[b, joined[1]]
    links = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    out: npt.NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return out


def road_ids(
    road: npt.NDArray[np.int64], names: npt.NDArray[np.object_], segment_id: npt.NDArray[np.object_]
) -> npt.NDArray[np.object_]:
    """Id of each segment's road (S,): a hash of its name and of its smallest segment id."""
    order = np.lexsort((segment_id, road))
    first = order[np.r_[True, road[order][1:] != road[order][:-1]]]
    ids = np.empty(int(road.max()) + 1, dtype=object)
    ids[road[first]] = ["R" + digest(p) for p in zip(names[first], segment_id[first], strict=True)]
    return ids[road]
