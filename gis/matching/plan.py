"""The road graph as matching reads it: in one canonical order, cut into straight pieces, indexed by a grid.

Segments are turned and sorted by their coordinates, so that neither the direction nor the order in which a source wrote them changes a
result; nodes are numbered along a Z-curve, so that what is near on the ground is near in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gis.matching.raster import raster

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import RoadGraph


class Plan(NamedTuple):
    """Canonical arrays: S segments, N nodes, Q straight pieces.

    Attributes:
        source_seg: int32 (S,), segment in the road graph.
        flipped: bool (S,), True where the canonical direction is against the graph's.
        seg_u, seg_v: int32 (S,), canonical nodes.
        oneway: int8 (S,), 0 both, 1 only u to v, -1 only v to u.
        length_mm: int32 (S,).
        node_x, node_y: float64 (N,), metres.
        piece_ptr: int32 (S + 1,), pieces of a segment.
        piece: float64 (Q, 8), x, y of the first end, x, y of the vector, measure of the first end (mm), measured length (mm),
            1 / squared length, and a column that fills the cache line.
        piece_seg: int32 (Q,).
    """

    source_seg: npt.NDArray[np.int32]
    flipped: npt.NDArray[np.bool_]
    seg_u: npt.NDArray[np.int32]
    seg_v: npt.NDArray[np.int32]
    oneway: npt.NDArray[np.int8]
    length_mm: npt.NDArray[np.int32]
    node_x: npt.NDArray[np.float64]
    node_y: npt.NDArray[np.float64]
    piece_ptr: npt.NDArray[np.int32]
    piece: npt.NDArray[np.float64]
    piece_seg: npt.NDArray[np.int32]


class Grid(NamedTuple):
    """Pieces by cell: a cell lists every piece that comes within `radius` of any point of it.

    Attributes:
        x0, y0: lower left corner, metres.
        cell: side of a cell, metres.
        columns, rows: size.
        radius: metres.
        ptr: int32 (rows * columns + 1,).
        item: int32, pieces.
    """

    x0: float
    y0: float
    cell: float
    columns: int
    rows: int
    radius: float
    ptr: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]


def _z_order(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Z-curve key of points at a resolution of 16 m."""
    key = np.zeros(len(x), np.uint64)
    if not len(x):
        return key
    a, b = (((c - c.min()) / 16.0).astype(np.uint64) for c in (x, y))
    one = np.uint64(1)
    for bit in range(24):
        shift = np.uint64(bit)
        key |= ((a >> shift) & one) << np.uint64(2 * bit)
        key |= ((b >> shift) & one) << np.uint64(2 * bit + 1)
    return key


def _flips(graph: RoadGraph) -> npt.NDArray[np.bool_]:
    """True where a segment's coordinates, read backwards, come first in lexicographic order."""
    ptr, x, y = graph.vert_ptr, graph.vert_x, graph.vert_y
    first, last = ptr[:-1], ptr[1:] - 1
    flip = np.zeros(graph.segment_count, bool)
    undecided = np.ones(graph.segment_count, bool)
    for step in range(2):  # the ends; for a closed loop the vertices next to them
        a, b = np.minimum(first + step, last), np.maximum(last - step, first)
        for c in (x, y):
            flip |= undecided & (c[b] < c[a])
            undecided &= c[b] == c[a]
    return flip


def make_plan(graph: RoadGraph) -> Plan:
    """The canonical plan of a road graph."""
    count = graph.segment_count
    flip = _flips(graph)
    ptr = graph.vert_ptr.astype(np.int64)
    head, tail = np.where(flip, ptr[1:] - 1, ptr[:-1]), np.where(flip, ptr[:-1], ptr[1:] - 1)
    x, y = graph.vert_x, graph.vert_y
    oneway = np.where(flip, -graph.seg_oneway, graph.seg_oneway).astype(np.int8)
    keys = (oneway, graph.seg_length_mm, y[tail], x[tail], y[head], x[head], _z_order(x[head], y[head]))
    order = np.lexsort(keys)
    node_order = np.lexsort((graph.node_y, graph.node_x, _z_order(graph.node_x, graph.node_y)))
    node_rank = np.empty(graph.node_count, np.int32)
    node_rank[node_order] = np.arange(graph.node_count, dtype=np.int32)
    flip_o = flip[order]
    u, v = node_rank[graph.seg_u][order], node_rank[graph.seg_v][order]
    length = graph.seg_length_mm[order].astype(np.int32)
    pieces = np.diff(ptr)[order] - 1
    piece_ptr = np.concatenate([[0], np.cumsum(pieces)]).astype(np.int32)
    seg = np.repeat(np.arange(count, dtype=np.int32), pieces)
    nth = np.arange(len(seg)) - piece_ptr[:-1][seg]
    turned = flip_o[seg]
    base = ptr[:-1][order][seg]
    top = ptr[1:][order][seg] - 1
    a = np.where(turned, top - nth, base + nth)
    b = np.where(turned, a - 1, a + 1)
    mm_a, mm_b = (np.where(turned, length[seg] - graph.vert_mm[i], graph.vert_mm[i]) for i in (a, b))
    dx, dy = x[b] - x[a], y[b] - y[a]
    square = dx * dx + dy * dy
    inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0)
    piece = np.column_stack([x[a], y[a], dx, dy, mm_a, mm_b - mm_a, inverse, np.zeros(len(a))]).astype(np.float64)
    return Plan(
        order.astype(np.int32), flip_o, np.where(flip_o, v, u).astype(np.int32), np.where(flip_o, u, v).astype(np.int32),
        oneway[order], length, graph.node_x[node_order].copy(), graph.node_y[node_order].copy(),
        piece_ptr, np.ascontiguousarray(piece), seg,
    )  # fmt: skip


def make_grid(plan: Plan, *, radius_m: float, cell_m: float) -> Grid:
    """A grid that lists, for every place, the pieces within `radius_m`."""
    x, y, dx, dy = plan.piece[:, :4].T
    margin = radius_m + cell_m
    if not len(x):
        return Grid(0.0, 0.0, cell_m, 1, 1, radius_m, np.zeros(2, np.int32), np.zeros(0, np.int32))
    x0, y0 = min(x.min(), (x + dx).min()) - margin, min(y.min(), (y + dy).min()) - margin
    x1, y1 = max(x.max(), (x + dx).max()) + margin, max(y.max(), (y + dy).max()) + margin
    columns, rows = int((x1 - x0) / cell_m) + 1, int((y1 - y0) / cell_m) + 1
    ptr = np.zeros(columns * rows + 1, np.int32)
    raster(plan.piece, x0, y0, cell_m, columns, rows, radius_m, ptr, np.zeros(0, np.int32), False)
    ptr = np.cumsum(ptr, dtype=np.int32)
    item = np.empty(ptr[-1], np.int32)
    cursor = ptr.copy()
    raster(plan.piece, x0, y0, cell_m, columns, rows, radius_m, cursor, item, True)
    return Grid(x0, y0, cell_m, columns, rows, radius_m, ptr, item)
