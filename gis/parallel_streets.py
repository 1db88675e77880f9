"""Streets that run beside a section: where another lies within the error of a fix, no matcher can tell which of the two was walked.

Of each section, the share of its length beside which a segment of another section runs within 10, 15, 20 and 30 m, in about the same
direction. Paired carriageways are one section and so do not count; nor do streets that cross, or go on where the section ends.
"""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: PLR0917
# mypy: ignore-errors
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from gis.matching.raster import raster

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import Network

BESIDE_M = (10.0, 15.0, 20.0, 30.0)
_STEP_M, _CELL_M = 5.0, 30.0
_ALIKE = float(np.cos(np.radians(30.0)))
_PAST_M = 2.0  # a street counts as beside a place up to so far beyond its ends
_DIGITS = 9  # the same street read backwards differs in the last bits


def parallel_shares(network: Network) -> npt.NDArray[np.float64]:
    """Share of the length of each section beside which another section's street runs, float64 (K, 4), within each of BESIDE_M (metres).

    Args:
        network: all streets, those without a rule too.
    """
    graph = network.graph
    last = np.zeros(len(graph.vert_x), np.bool_)
    last[graph.vert_ptr[1:] - 1] = True
    a = np.flatnonzero(~last)
    x, y = graph.vert_x, graph.vert_y
    piece = np.column_stack([x[a], y[a], x[a + 1] - x[a], y[a + 1] - y[a]])
    owner = np.repeat(network.seg_section, np.diff(graph.vert_ptr) - 1)
    out = np.zeros((len(network.sections), len(BESIDE_M)))
    if not len(a):
        return out
    far = max(BESIDE_M)
    margin = far + _CELL_M
    x0, y0 = x.min() - margin, y.min() - margin
    columns, rows = int((x.max() + margin - x0) / _CELL_M) + 1, int((y.max() + margin - y0) / _CELL_M) + 1
    ptr = np.zeros(columns * rows + 1, np.int32)
    raster(piece, x0, y0, _CELL_M, columns, rows, far, ptr, np.zeros(0, np.int32), False)
    ptr = np.cumsum(ptr, dtype=np.int32)
    item = np.empty(ptr[-1], np.int32)
    raster(piece, x0, y0, _CELL_M, columns, rows, far, ptr.copy(), item, True)
    total = np.zeros(len(out))
    _beside(piece, owner, x0, y0, columns, ptr, item, np.array(BESIDE_M), out, total)
    shares: npt.NDArray[np.float64] = np.round(out / np.maximum(total, 1e-9)[:, None], _DIGITS)
    return shares


@njit(cache=True, nogil=True)
def _beside(
    piece: npt.NDArray[np.float64], owner: npt.NDArray[np.int32], x0: float, y0: float, columns: int, ptr: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32], within: npt.NDArray[np.float64], out: npt.NDArray[np.float64], total: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    """Adds to `out` the metres of each section beside which another's street runs, and all its metres to `total`."""
    for q in range(len(piece)):
        ax, ay, dx, dy = piece[q, 0], piece[q, 1], piece[q, 2], piece[q, 3]
        length = np.hypot(dx, dy)
        if length == 0.0:
            continue
        mine, n = owner[q], max(1, int(np.ceil(length / _STEP_M)))
        total[mine] += length
        for k in range(n):
            px, py = ax + (k + 0.5) / n * dx, ay + (k + 0.5) / n * dy
            cell = int((py - y0) / _CELL_M) * columns + int((px - x0) / _CELL_M)
            near = np.inf
            for i in range(ptr[cell], ptr[cell + 1]):
                o = item[i]
                if owner[o] == mine:
                    continue
                ox, oy = piece[o, 2], piece[o, 3]
                other = np.hypot(ox, oy)
                if other == 0.0 or abs(dx * ox + dy * oy) < _ALIKE * length * other:
                    continue
                ex, ey = px - piece[o, 0], py - piece[o, 1]
                along = (ex * ox + ey * oy) / other
                if -_PAST_M <= along <= other + _PAST_M:
                    near = min(near, abs(ex * oy - ey * ox) / other)
            for j in range(len(within)):
                if near <= within[j]:
                    out[mine, j] += length / n
