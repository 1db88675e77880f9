"""Compiled loops of rounds: what a round lacks, and how many rounds there can have been at most. See `gis.rounds_bounds`."""

# ruff: noqa: C901, PLR0917 (compiled loops: many arrays in, nested by nature)
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]
    B1 = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def unfinished(group: I8, cell: I8, last: I8, weight: I8, target: I8) -> B1:
    """Cells crossed in the unfinished round; events sorted by (group, time, cell), as `coverage_kernel.rounds` reads them in one run.

    `last` is unused room for one mark a cell.
    """
    mark, acc = 0, 0
    final = np.full(len(target), -1, dtype=np.int64)
    for j in range(len(group)):
        g = group[j]
        if j == 0 or g != group[j - 1]:
            mark += 1
            acc = 0
        c = cell[j]
        if last[c] != mark:
            last[c] = mark
            acc += weight[c]
            if acc >= target[g] and target[g] > 0:
                mark += 1
                acc = 0
        final[g] = mark
    out = np.zeros(len(weight), dtype=np.bool_)
    for j in range(len(group)):
        out[cell[j]] = last[cell[j]] == final[group[j]]
    return out


@njit(cache=True, nogil=True)
def near_rounds(
    cell: I8,
    radius_m: F8,
    near_m: float,
    able_mm: I8,
    x: F8,
    y: F8,
    group_of: I8,
    weight: I8,
    target: I8,
    ptr: I8,
    item: I8,
    x0: float,
    y0: float,
    bin_m: float,
    columns: int,
    rows: int,
) -> tuple[I8, I8]:
    """See `gis.rounds_bounds.near_rounds`; events in order of (time, cell)."""
    done = np.zeros(len(target), dtype=np.int64)
    close = np.zeros(len(target), dtype=np.int64)  # within NEAR_M of the way
    wide = np.zeros(len(target), dtype=np.int64)  # all that is within the radius
    able = np.zeros(len(target), dtype=np.int64)
    spare = np.zeros(len(target), dtype=np.int64)
    number = np.ones(len(target), dtype=np.int64)
    touched = np.full(len(target), -1, dtype=np.int64)
    stamp = np.zeros(len(weight), dtype=np.int64)
    stamp_close = np.zeros(len(weight), dtype=np.int64)
    here = np.empty(len(target), dtype=np.int64)
    for j in range(len(cell)):
        cx, cy, r = x[cell[j]], y[cell[j]], radius_m[j]
        c0, c1 = max(0, int((cx - r - x0) / bin_m)), min(columns - 1, int((cx + r - x0) / bin_m))
        r0, r1 = max(0, int((cy - r - y0) / bin_m)), min(rows - 1, int((cy + r - y0) / bin_m))
        groups = 0
        for row in range(r0, r1 + 1):
            for column in range(c0, c1 + 1):
                b = row * columns + column
                for i in range(ptr[b], ptr[b + 1]):
                    k = item[i]
                    away = (x[k] - cx) ** 2 + (y[k] - cy) ** 2
                    if away > r * r:
                        continue
                    g = group_of[k]
                    if touched[g] != j:
                        touched[g] = j
                        able[g] += able_mm[j]
                        spare[g] += max(able_mm[j] - weight[cell[j]], 0) // 2
                        here[groups] = g
                        groups += 1
                    if stamp[k] != number[g]:
                        stamp[k] = number[g]
                        wide[g] += weight[k]
                    if away <= near_m * near_m and stamp_close[k] != number[g]:
                        stamp_close[k] = number[g]
                        close[g] += weight[k]
        for i in range(groups):
            g = here[i]
            if target[g] > 0 and min(wide[g], close[g] + spare[g], able[g]) >= target[g]:
                done[g] += 1
                number[g] += 1
                close[g], wide[g], able[g], spare[g] = 0, 0, 0, 0
    return done, np.minimum(np.minimum(wide, close + spare), able)
