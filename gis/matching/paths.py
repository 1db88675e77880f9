"""Shortest paths: a bounded table for every node (UBODT), and a search for what lies beyond it.

The table follows
Yang & Gidofalvi (2018), *Fast map matching, an algorithm integrating hidden Markov model with precomputation*. Each source
has a hash row of its own, so that all targets asked from one place lie close together in memory. Beside length and last arc, each
entry knows its *slack*: how much longer the second best way is that does not turn back on itself (Eppstein's sidetracks).
"""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# mypy: ignore-errors
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.matching.plan import Plan

FAR = np.int32(2**31 - 1)
_SAMPLE = 500  # sources that tell how large a table will be


class Arcs(NamedTuple):
    """Directed arcs by tail and by head. Arc 2s runs along segment s, arc 2s + 1 against it.

    Attributes:
        out_ptr, out_head, out_arc: CSR by tail.
        in_ptr, in_tail, in_arc: CSR by head.
        length: int32 (2S,), mm.
        cost: int32 (2S,), what paths minimise (mm, weighed by the segment's preference).
        tail, head: int32 (2S,).
    """

    out_ptr: npt.NDArray[np.int32]
    out_head: npt.NDArray[np.int32]
    out_arc: npt.NDArray[np.int32]
    in_ptr: npt.NDArray[np.int32]
    in_tail: npt.NDArray[np.int32]
    in_arc: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    cost: npt.NDArray[np.int32]
    tail: npt.NDArray[np.int32]
    head: npt.NDArray[np.int32]


class Table(NamedTuple):
    """Hash rows: row of source n is ptr[n]:ptr[n + 1].

    Attributes:
        bound_mm: no path costlier than this is in the table.
        ptr: int64 (N + 1,).
        slot: int32 (M, 4), so that a look-up touches one cache line: target (-1 where empty), length in mm, last arc of the path,
            slack in metres (255 for more).
    """

    bound_mm: int
    ptr: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int32]


class Scratch(NamedTuple):
    """Work space of one search: versioned, so that nothing is cleared between searches."""

    cost: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    mark: npt.NDArray[np.int32]
    settled: npt.NDArray[np.int32]
    heap: npt.NDArray[np.int64]
    state: npt.NDArray[np.int64]


def make_scratch(nodes: int, arcs: int) -> Scratch:
    """Work space for a graph of that size."""
    shape = max(nodes, 1)
    zero = np.zeros(shape, np.int32)
    return Scratch(
        zero, zero.copy(), zero.copy(), zero.copy(), zero.copy(), np.empty(arcs + 2, np.int64), np.zeros(2, np.int64)
    )


def make_arcs(plan: Plan, *, oneway: bool, preference: npt.NDArray[np.float32] | None = None) -> Arcs:
    """Arcs that obey one-ways, or not. `preference` (S,) multiplies the length of a segment where a path is chosen."""
    count, nodes = len(plan.seg_u), len(plan.node_x)
    tail = np.stack([plan.seg_u, plan.seg_v], 1).ravel()
    head = np.stack([plan.seg_v, plan.seg_u], 1).ravel()
    length = np.repeat(plan.length_mm, 2)
    weight = np.ones(count) if preference is None else preference.astype(np.float64)
    cost = np.maximum(1, np.round(length * np.repeat(weight, 2))).astype(np.int32)
    open_ = np.ones((count, 2), bool)
    if oneway:
        open_[:, 0], open_[:, 1] = plan.oneway >= 0, plan.oneway <= 0
    arc = np.flatnonzero(open_.ravel()).astype(np.int32)

    def csr(key: npt.NDArray[np.int32], other: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], ...]:
        order = arc[np.lexsort((arc, cost[arc], other[arc], key[arc]))]
        ptr = np.concatenate([[0], np.cumsum(np.bincount(key[order], minlength=nodes))]).astype(np.int32)
        return ptr, other[order].astype(np.int32), order

    return Arcs(*csr(tail, head), *csr(head, tail), length.astype(np.int32), cost, tail, head)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _push(heap: npt.NDArray[np.int64], size: int, key: int) -> int:
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if heap[up] <= key:
            break
        heap[i] = heap[up]
        i = up
    heap[i] = key
    return size + 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _pop(heap: npt.NDArray[np.int64], size: int) -> int:
    """Removes the least key heap[0]; returns the new size."""
    size -= 1
    key = heap[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = key
    return size


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def search(arcs: Arcs, source: int, bound: int, work: Scratch) -> int:
    """Dijkstra from `source` up to cost `bound`; returns how many nodes are settled (in work.settled, cheapest first).

    A settled node carries mark == version + 1, a reached one mark == version.
    """
    work.state[0] += 2
    version = work.state[0]
    heap, size, found = work.heap, 0, 0
    work.cost[source] = 0
    work.length[source] = 0
    work.last[source] = -1
    work.mark[source] = version
    size = _push(heap, size, np.int64(source))
    while size > 0:
        key = heap[0]
        size = _pop(heap, size)
        node = np.int32(key & 0xFFFFFFFF)
        if work.mark[node] == version + 1:
            continue
        work.mark[node] = version + 1
        work.settled[found] = node
        found += 1
        for k in range(arcs.out_ptr[node], arcs.out_ptr[node + 1]):
            head, arc = arcs.out_head[k], arcs.out_arc[k]
            cost = np.int64(work.cost[node]) + arcs.cost[arc]
            if cost > bound or work.mark[head] == version + 1:
                continue
            if work.mark[head] != version or cost < work.cost[head]:
                work.mark[head] = version
                work.cost[head] = cost
                work.length[head] = work.length[node] + arcs.length[arc]
                work.last[head] = arc
                size = _push(heap, size, (cost << 32) | head)
    return found


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def sidetrack(arcs: Arcs, node: int, work: Scratch) -> int:
    """Least extra cost of entering a settled node by another arc than the best, not by turning back; FAR where there is none."""
    version = work.state[0] + 1
    best = np.int64(FAR)
    mine = work.last[node]
    for k in range(arcs.in_ptr[node], arcs.in_ptr[node + 1]):
        tail, arc = arcs.in_tail[k], arcs.in_arc[k]
        if arc == mine or work.mark[tail] != version:
            continue
        if tail == arcs.tail[mine] and arcs.length[arc] == arcs.length[mine]:
            continue  # the same street, given twice
        extra = np.int64(work.cost[tail]) + arcs.cost[arc] - work.cost[node]
        if extra >= best:
            continue
        up = tail
        while work.cost[up] > work.cost[node]:
            up = arcs.tail[work.last[up]]
        if up != node:
            best = extra
    return best


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def slot_of(target: int, capacity: int) -> int:
    """First slot to try for a target in a row of that capacity (Fibonacci hashing)."""
    mixed = (np.uint64(target) * np.uint64(2654435769)) & np.uint64(0xFFFFFFFF)
    return np.int64((mixed * np.uint64(capacity)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _room(arcs: Arcs, bound: int, work: Scratch) -> int:
    """Slots that the table will need, estimated from every so many-th source, and a margin."""
    nodes = len(arcs.out_ptr) - 1
    step = max(1, nodes // _SAMPLE)
    total, asked = 0, 0
    for source in range(0, nodes, step):
        found = search(arcs, source, bound, work)
        total += found + (found >> 1) + 1
        asked += 1
    return 64 + (5 * total * nodes) // (4 * max(asked, 1))


@njit(cache=True, nogil=True)
def _build(arcs: Arcs, bound: int, work: Scratch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Rows of all sources. Room that is not written costs no memory, so it is taken generously and nothing is copied."""
    nodes = len(arcs.out_ptr) - 1
    ptr = np.zeros(nodes + 1, np.int64)
    room = _room(arcs, bound, work)
    slot = np.empty((room, 4), np.int32)
    loose = np.empty(max(nodes, 1), np.int64)
    for source in range(nodes):
        found = search(arcs, source, bound, work)
        capacity = found + (found >> 1) + 1
        base = ptr[source]
        if base + capacity > room:
            room = max(room + (room >> 1), base + capacity)
            wider = np.empty((room, 4), np.int32)
            wider[:base] = slot[:base]
            slot = wider
        slot[base : base + capacity] = -1
        for i in range(found):
            node = work.settled[i]
            loose[node] = FAR
            if i > 0:
                loose[node] = min(loose[arcs.tail[work.last[node]]], sidetrack(arcs, node, work))
            k = slot_of(node, capacity)
            while slot[base + k, 0] >= 0:
                k = k + 1 if k + 1 < capacity else 0
            slot[base + k, 0] = node
            slot[base + k, 1] = work.length[node]
            slot[base + k, 2] = work.last[node]
            slot[base + k, 3] = min(255, loose[node] // 1000)
        ptr[source + 1] = base + capacity
    return ptr, slot[: ptr[nodes]]


def make_table(arcs: Arcs, *, bound_m: float) -> Table:
    """The table of all paths no costlier than `bound_m`."""
    work = make_scratch(len(arcs.out_ptr) - 1, len(arcs.length))
    return Table(int(bound_m * 1000), *_build(arcs, int(bound_m * 1000), work))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def find(table: Table, source: int, target: int) -> int:
    """Slot of a pair, -1 where it is not in the table."""
    base = table.ptr[source]
    capacity = table.ptr[source + 1] - base
    k = slot_of(target, capacity)
    while True:
        node = table.slot[base + k, 0]
        if node == target:
            return base + k
        if node < 0:
            return -1
        k = k + 1 if k + 1 < capacity else 0
