"""How many rounds there can have been: what the data leave open, given in favour of those who patrolled.

A round asks for 95 % of a grid's streets. Between two fixes half a minute apart a collector goes into a dead end of twenty metres and
comes out again, and no fix tells; fixes ten metres off put a walk on the street beside. Such a stretch is then missing in every round,
and rounds drag on until chance shows it: ten rounds become three. So rounds are counted a second time with everything that a collector
can have passed near their way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis import rounds_kernel as kernel
from gis.calibration import device_quality
from gis.pace import pace
from gis.simulate import along_segment

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.coverage import Cells
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

NEAR_M = 30.0  # error of a fix, and of the street that it is put on
MOST_M = 500.0
_BIN_M = 50.0
_PACE_MS, _APART_MS = 60_000, 300_000


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the cells of a network lie, and those that rounds ask for in bins.

    Attributes:
        x, y: float64 (C,), metres in the CRS of the network.
        group_of: int64 (C,), grid of a cell; -1 for none.
        ptr, item: cells with a grid in CSR form by bin, row by row.
        x0, y0: metres, corner of the first bin.
        columns, rows: bins.
    """

    x: F8
    y: F8
    group_of: I8
    ptr: I8
    item: I8
    x0: float
    y0: float
    columns: int
    rows: int


def places_of(network: Network, cells: Cells, grid_of_segment: I8) -> Places:
    """Cell centres of a network; `grid_of_segment` int64 (S,), -1 for segments that count for no grid."""
    s = cells.segment
    begin = network.seg_measure_from_mm[s].astype(np.float64)
    span = network.seg_measure_to_mm[s].astype(np.float64) - begin
    share = np.clip((cells.centre_mm - begin) / np.where(span == 0, 1.0, span), 0.0, 1.0)
    x, y = along_segment(network.graph, s, share * network.graph.seg_length_mm[s])
    group_of = grid_of_segment[s]
    asked = np.flatnonzero(group_of >= 0)
    if not len(asked):
        none = np.zeros(0, dtype=np.int64)
        return Places(x, y, group_of, np.zeros(2, dtype=np.int64), none, 0.0, 0.0, 1, 1)
    x0, y0 = float(x[asked].min()), float(y[asked].min())
    column = ((x[asked] - x0) / _BIN_M).astype(np.int64)
    row = ((y[asked] - y0) / _BIN_M).astype(np.int64)
    columns, rows = int(column.max()) + 1, int(row.max()) + 1
    bin_ix = row * columns + column
    order = np.argsort(bin_ix, kind="stable")
    ptr = np.searchsorted(bin_ix[order], np.arange(columns * rows + 1)).astype(np.int64)
    return Places(x, y, group_of, ptr, asked[order], x0, y0, columns, rows)


def detour_m(passes: Passes, standard: Standard) -> F8:
    """How far from its way a device can have been during each pass and come back in time, metres, float64 (P,).

    Between two fixes `gap` apart, on a way of `v` x `gap` at a patrol speed of at most `V`: gap x (V - v) / 2. The gap is the median of
    the device. What else can have been done in a silence, which an inferred pass may cross, is counted apart (`gis.reach`).
    """
    gap_s = device_quality(passes)[:, 0][passes.device_ix]
    own_s = (passes.last_fix_ms - passes.first_fix_ms) / 1000
    own_s = np.where(passes.seen, np.minimum(own_s, standard.measure.silence_s.value), 0.0)
    gap_s = np.where(np.isnan(gap_s), own_s, gap_s)
    moved, took = pace(passes, over_ms=_PACE_MS)
    limit = standard.measure.patrol_speed_kmh.value.mm_per_s()[passes.mode.astype(np.int64)].astype(np.float64)
    limit = limit[passes.device_ix] / 1000 if len(limit) else np.zeros(0)
    spare = np.maximum(limit - moved / np.maximum(took, 1), 0.0)
    out: F8 = np.minimum(gap_s * spare / 2, MOST_M - NEAR_M)
    return out


def near_rounds(places: Places, *, cell: I8, radius_m: F8, able_mm: I8, weight_mm: I8, target_mm: I8) -> tuple[I8, I8]:
    """Rounds at most: every crossing counts as one of all cells within its radius, of whichever street.

    A round takes at least its length of way: it is complete only when those near have had time for it at patrol speed. More crossings, or
    wider ones, never give fewer rounds.

    Args:
        places: of the cells.
        cell: int64 (E,), crossings in order of (time, cell), of all streets.
        radius_m: float64 (E,).
        able_mm: int64 (E,), way that the device can have made at patrol speed since its crossing before.
        weight_mm: int64 (C,), length of the cells.
        target_mm: int64 (G,), length that completes a round; 0: no rounds.

    Returns:
        rounds, and length of the unfinished one (mm), int64 (G,) each.
    """
    at = places
    out: tuple[I8, I8] = kernel.near_rounds(
        cell, radius_m, NEAR_M, able_mm, at.x, at.y, at.group_of, weight_mm, target_mm, at.ptr, at.item, at.x0, at.y0, _BIN_M,
        at.columns, at.rows,
    )  # fmt: skip
    return out


def able_mm(t_ms: I8, stroke: I8, passes: Passes, limit_mm_s: I8) -> I8:
    """Way that devices can have made at patrol speed since their crossing before, at most that of five minutes, int64 (E,).

    Only while they were followed: time before the joined passes of a track began is no time to patrol in (a silence is counted apart).

    Args:
        t_ms: int64 (E,), times of crossings.
        stroke: int64 (E,), pass of each.
        passes: P passes.
        limit_mm_s: int64 (D,), patrol speed of each device.
    """
    device = passes.device_ix[stroke]
    order = np.lexsort((t_ms, device))
    before = np.concatenate(([0], t_ms[order][:-1]))
    fresh = np.diff(device[order], prepend=-1) != 0
    since = _followed_since(passes)[stroke[order]]
    apart = t_ms[order] - np.where(fresh, since, np.maximum(before, since))
    out = np.empty(len(order), dtype=np.int64)
    out[order] = np.clip(apart, 0, _APART_MS) * limit_mm_s[device[order]] // 1000
    return out


def _followed_since(passes: Passes) -> I8:
    """When the joined passes of a track that each pass belongs to began, int64 (P,)."""
    joined = (
        (np.diff(passes.device_ix) == 0)
        & (np.diff(passes.track_ix) == 0)
        & (passes.enter_ms[1:] == passes.leave_ms[:-1])
    )
    first = np.flatnonzero(np.concatenate(([True], ~joined))[: len(passes.enter_ms)])
    run = np.cumsum(np.concatenate(([True], ~joined))[: len(passes.enter_ms)]) - 1
    out: I8 = passes.enter_ms[first][run]
    return out
