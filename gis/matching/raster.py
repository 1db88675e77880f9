"""Which straight pieces come near which cells of a grid."""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: PLR0917, PLR2004
# mypy: ignore-errors
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt


@njit(cache=True, nogil=True)
def raster(
    piece: npt.NDArray[np.float64],
    x0: float,
    y0: float,
    cell: float,
    columns: int,
    rows: int,
    radius: float,
    ptr: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    fill: bool,
) -> None:
    """Counts (or fills) the pieces near each cell; `ptr` is used as a cursor while filling."""
    reach = radius + cell * 0.7072
    for q in range(len(piece)):
        ax, ay, dx, dy = piece[q, 0], piece[q, 1], piece[q, 2], piece[q, 3]
        length2 = dx * dx + dy * dy
        r0 = max(0, int(np.floor((min(ay, ay + dy) - reach - y0) / cell)))
        r1 = min(rows - 1, int(np.floor((max(ay, ay + dy) + reach - y0) / cell)))
        for r in range(r0, r1 + 1):
            # the part of the piece within reach of this row bounds the columns
            low, high = y0 + r * cell - reach, y0 + (r + 1) * cell + reach
            t0, t1 = 0.0, 1.0
            if abs(dy) > 1e-9:
                ta, tb = (low - ay) / dy, (high - ay) / dy
                t0, t1 = max(0.0, min(ta, tb)), min(1.0, max(ta, tb))
                if t0 > t1:
                    continue
            xa, xb = ax + t0 * dx, ax + t1 * dx
            c0 = max(0, int(np.floor((min(xa, xb) - reach - x0) / cell)))
            c1 = min(columns - 1, int(np.floor((max(xa, xb) + reach - x0) / cell)))
            for c in range(c0, c1 + 1):
                px, py = x0 + (c + 0.5) * cell - ax, y0 + (r + 0.5) * cell - ay
                t = 0.0 if length2 == 0.0 else min(1.0, max(0.0, (px * dx + py * dy) / length2))
                ex, ey = px - t * dx, py - t * dy
                if ex * ex + ey * ey <= reach * reach:
                    k = r * columns + c
                    if fill:
                        item[ptr[k]] = q
                        ptr[k] += 1
                    else:
                        ptr[k + 1] += 1
