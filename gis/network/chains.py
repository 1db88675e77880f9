"""Chains: maximal paths of segments of one road, cut at cross streets into pieces with a linear measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Where each segment lies on its piece; -1 and zeros for segments that take no part.

    Attributes:
        piece: int64 (S,), number of the piece.
        from_mm, to_mm: int64 (S,), measure of the first and the last vertex; from > to where the segment runs against the piece.
        chain: int64 (S,), number of the uncut chain.
        order: int64 (S,), place of the segment along its chain.
        count: number of pieces.
    """

    piece: npt.NDArray[np.int64]
    from_mm: npt.NDArray[np.int64]
    to_mm: npt.NDArray[np.int64]
    chain: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    count: int


def link_ends(
    seg_u: npt.NDArray[np.int32], seg_v: npt.NDArray[np.int32], key: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The end that each end continues into: end 2 s is the first vertex of segment s, 2 s + 1 its last.

    A road goes on through a node where exactly two ends of its key meet, of two different segments.

    Args:
        seg_u: int32 (S,), first nodes.
        seg_v: int32 (S,), last nodes.
        key: int64 (S,), equal for segments that may form a chain, -1 for those that take no part.

    Returns:
        int64 (2 S,), -1 where the road ends or branches.
    """
    node = np.column_stack([seg_u, seg_v]).ravel().astype(np.int64)
    key2 = np.repeat(key, 2)
    ends = np.flatnonzero(key2 >= 0)
    order = ends[np.lexsort((ends, node[ends], key2[ends]))]
    link = np.full(len(node), -1, np.int64)
    if len(order) == 0:
        return link
    new = np.r_[True, (node[order][1:] != node[order][:-1]) | (key2[order][1:] != key2[order][:-1])]
    start = np.flatnonzero(new)
    size = np.diff(np.r_[start, len(order)])
    a, b = order[start[size == 2]], order[start[size == 2] + 1]  # noqa: PLR2004 (two ends meet)
    a, b = a[a // 2 != b // 2], b[a // 2 != b // 2]
    link[a], link[b] = b, a
    return link


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _walk(
    link: npt.NDArray[np.int64], active: npt.NDArray[np.bool_]
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]
]:  # pragma: no cover
    """Chain, place, direction (True against the chain) of each segment, and whether it belongs to a closed chain."""
    n = len(active)
    chain = np.full(n, -1, np.int64)
    place = np.zeros(n, np.int64)
    against = np.zeros(n, np.bool_)
    closed = np.zeros(n, np.bool_)
    count = 0
    for s in range(n):
        if not active[s] or chain[s] >= 0:
            continue
        end = 2 * s
        ring = False
        while link[end] >= 0:
            end = link[end] ^ 1
            if end == 2 * s:
                ring = True
                break
        far = 2 * s + 1  # the other tip of the chain; of both tips start at the segment that comes first
        while not ring and link[far] >= 0:
            far = link[far] ^ 1
        if not ring and far < end:
            end = far
        at = 0
        while True:
            seg = end // 2
            chain[seg], place[seg], against[seg], closed[seg] = count, at, end & 1 == 1, ring
            at += 1
            end = link[end ^ 1]
            if end < 0 or chain[end // 2] >= 0:
                break
        count += 1
    return chain, place, against, closed


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _cut(
    order: npt.NDArray[np.int64],
    chain: npt.NDArray[np.int64],
    against: npt.NDArray[np.bool_],
    length: npt.NDArray[np.int64],
    cross: npt.NDArray[np.bool_],
    limits: tuple[int, int],
    out: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> int:  # pragma: no cover
    """Fill `out` (piece, from, to) along the ordered segments; `cross` marks the ends at which a cut may fall."""
    piece_of, from_mm, to_mm = out
    least, most = limits
    piece = -1
    run = 0
    left = 0
    for i in range(len(order)):
        s = order[i]
        if i == 0 or chain[s] != chain[order[i - 1]]:
            piece += 1
            run = 0
            left = 0
            for j in range(i, len(order)):
                if chain[order[j]] != chain[s]:
                    break
                left += length[order[j]]
        else:
            tail = 2 * s + (1 if against[s] else 0)
            wanted = cross[tail] and run >= least and left >= least
            if wanted or (run >= most and left >= least):
                piece += 1
                run = 0
        piece_of[s] = piece
        if against[s]:
            from_mm[s], to_mm[s] = run + length[s], run
        else:
            from_mm[s], to_mm[s] = run, run + length[s]
        run += length[s]
        left -= length[s]
    return piece + 1


def cut_chains(
    seg_u: npt.NDArray[np.int32],
    seg_v: npt.NDArray[np.int32],
    key: npt.NDArray[np.int64],
    length_mm: npt.NDArray[np.int32],
    cross: npt.NDArray[np.bool_],
    *,
    min_mm: int,
    max_mm: int,
) -> Pieces:
    """Chain the segments of each key and cut the chains.

    Args:
        seg_u: int32 (S,), first nodes.
        seg_v: int32 (S,), last nodes.
        key: int64 (S,), -1 for segments that take no part.
        length_mm: int32 (S,).
        cross: bool (2 S,), whether another road crosses at that end (2 s the first vertex, 2 s + 1 the last).
        min_mm: no cut leaves less than this on either side.
        max_mm: a piece that reaches this is cut at the next node.
    """
    link = link_ends(seg_u, seg_v, key)
    chain, place, against, _ = _walk(link, key >= 0)
    order = np.lexsort((place, chain))
    order = order[key[order] >= 0]
    piece = np.full(len(key), -1, np.int64)
    from_mm, to_mm = np.zeros(len(key), np.int64), np.zeros(len(key), np.int64)
    count = _cut(order, chain, against, length_mm.astype(np.int64), cross, (min_mm, max_mm), (piece, from_mm, to_mm))
    return Pieces(piece, from_mm, to_mm, chain, place, count)
