"""Kernels of coverage: clip passes to duty time and windows, unite what they passed, count rounds and gaps. All in integers.

Every result is free of the order of the passes: lengths are unions or sums of whole millimetres, times whole milliseconds, and
sorting keys are unique up to ties that do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis import coverage_kernel as kernel

if TYPE_CHECKING:
    import numpy.typing as npt

    I8 = npt.NDArray[np.int64]
    I4 = npt.NDArray[np.int32]
    U1 = npt.NDArray[np.uint8]
    F8 = npt.NDArray[np.float64]

COUNTS = 1  # the pass may count: seen (or inferred where the standard says so)
SLOW = 2  # not faster than the patrol speed of its mode
LOG_SCALE = float(1 << 20)


@dataclass(frozen=True, slots=True, eq=False)
class Strokes:
    """P passes on the measure of their sections.

    Attributes:
        section: int32 (P,).
        from_mm, to_mm: int64 (P,), on the section's measure; from > to against it.
        enter_ms, leave_ms: int64 (P,).
        device_ix: int32 (P,).
        flags: uint8 (P,), bits COUNTS and SLOW.
        doubt: int64 (P,), -log(1 - confidence) in units of 1 / LOG_SCALE.
    """

    section: I4
    from_mm: I8
    to_mm: I8
    enter_ms: I8
    leave_ms: I8
    device_ix: I4
    flags: U1
    doubt: I8


@dataclass(frozen=True, slots=True, eq=False)
class WindowSets:
    """Pieces of duty time of several sets of windows, in CSR form, and the first result row of each section.

    Attributes:
        of_section: int32 (K,), set of each section; -1: the section is not asked.
        first_row: int64 (K,), result row of the section's first window; -1 where pieces belong to no row.
        ptr: int64 (sets + 1,) into the pieces.
        start_ms, end_ms: int64 pieces in order of time.
        window: int64, window of a piece within its set.
        run: int64, run of a piece within its set (gaps do not cross runs).
    """

    of_section: I4
    first_row: I8
    ptr: I8
    start_ms: I8
    end_ms: I8
    window: I8
    run: I8


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """What passes contribute: a stretch of a section's measure, in one window, within duty time.

    Attributes:
        stroke: int64, the pass.
        row: int64, result row; -1 for none.
        lo_mm, hi_mm: int64, lo <= hi.
        start_ms, end_ms: int64.
    """

    stroke: I8
    row: I8
    lo_mm: I8
    hi_mm: I8
    start_ms: I8
    end_ms: I8


def _pieces(table: npt.NDArray[np.int64]) -> Pieces:
    return Pieces(*(np.ascontiguousarray(table[:, i]) for i in range(6)))


def entitled_pieces(
    strokes: Strokes, windows: WindowSets, *, role_of: I4, ptr: I8, start_ms: I8, end_ms: I8, devices: int
) -> Pieces:
    """Passes clipped to the time in which their device counts (CSR per role set and device) and to the pieces of their section's windows.

    Positions at the edges are interpolated linearly in time.
    """
    args = (
        strokes.section, strokes.from_mm, strokes.to_mm, strokes.enter_ms, strokes.leave_ms, strokes.device_ix,
        windows.of_section, windows.first_row, windows.ptr, windows.start_ms, windows.end_ms, windows.window,
        role_of, ptr, start_ms, end_ms, devices,
    )  # fmt: skip
    out = np.zeros((kernel.emit_entitled(*args, np.zeros((0, 6), dtype=np.int64)), 6), dtype=np.int64)
    if len(out):
        kernel.emit_entitled(*args, out)
    return _pieces(out)


def responsible_pieces(
    strokes: Strokes, windows: WindowSets, *, carried: tuple[I8, I8, I8, I8], responsible: tuple[I8, I8, I8, I8]
) -> Pieces:
    """The same for the time in which a person responsible for the section carried the device.

    `carried` is CSR by device, `responsible` CSR by section: ptr, person, start_ms, end_ms.
    """
    args = (
        strokes.section, strokes.from_mm, strokes.to_mm, strokes.enter_ms, strokes.leave_ms, strokes.device_ix,
        windows.of_section, windows.first_row, windows.ptr, windows.start_ms, windows.end_ms, windows.window, *carried, *responsible,
    )  # fmt: skip
    out = np.zeros((kernel.emit_responsible(*args, np.zeros((0, 6), dtype=np.int64)), 6), dtype=np.int64)
    if len(out):
        kernel.emit_responsible(*args, out)
    return _pieces(out)


def order_by(row: I8, lo_mm: I8) -> I8:
    """Order of pieces by row, then by position; ties in any order."""
    return np.argsort(((row + 1) << 32) + lo_mm)


def union_mm(pieces: Pieces, ok: npt.NDArray[np.bool_], rows: int, order: I8 | None = None) -> tuple[I8, I8]:
    """Distinct length that pieces cover in each row, and the number of pieces, of those marked `ok`."""
    if order is None:
        order = order_by(pieces.row, pieces.lo_mm)
    out: tuple[I8, I8] = kernel.union_rows(order, pieces.row, pieces.lo_mm, pieces.hi_mm, ok, rows)
    return out


def covered_probability(pieces: Pieces, doubt: I8, ok: npt.NDArray[np.bool_], need_mm: I8, order: I8) -> F8:
    """Probability that the distinct length really travelled in each row reaches `need_mm`.

    Each stretch between changes of evidence is taken as travelled with p = 1 - prod(1 - confidence) over the passes on it, independently of
    the others; the distribution of the length that was not is added up in steps of 1/48 of what may be missing. Raw: see `Calibration`.
    """
    out: F8 = kernel.probability(
        order, pieces.row, pieces.lo_mm, pieces.hi_mm, doubt, ok, need_mm, len(need_mm), LOG_SCALE
    )
    return out


# --- cells: fixed short stretches, on which gaps and rounds are counted ---
@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """C cells, sorted by (section, centre, segment): each segment is cut into stretches of about equal length.

    Attributes:
        ptr: int64 (K + 1,), cells of a section.
        centre_mm: int64 (C,), on the section's measure.
        length_mm: int64 (C,), along the segment.
        segment: int32 (C,).
    """

    ptr: I8
    centre_mm: I8
    length_mm: I8
    segment: I4


def cut_cells(seg_section: I4, from_mm: I8, to_mm: I8, length_mm: I8, sections: int, *, cell_mm: int) -> Cells:
    """Cells of every segment, max(1, length / cell_mm rounded) of them, on the measure of its section."""
    count = np.maximum(1, (length_mm + cell_mm // 2) // cell_mm)
    segment = np.repeat(np.arange(len(count), dtype=np.int32), count)
    nth = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    n, length = count[segment], length_mm[segment]
    lo, hi = np.minimum(from_mm, to_mm)[segment], np.maximum(from_mm, to_mm)[segment]
    centre = lo + ((hi - lo) * (2 * nth + 1) + n) // (2 * n)
    size = length * (nth + 1) // n - length * nth // n
    section = seg_section[segment]
    order = np.argsort((section.astype(np.int64) << 32) + centre, kind="stable")  # segments ascend already
    ptr = np.searchsorted(section[order], np.arange(sections + 1)).astype(np.int64)
    return Cells(ptr, centre[order], size[order], segment[order])


def cell_events(
    strokes: Strokes, ok: npt.NDArray[np.bool_], windows: WindowSets, cells: Cells, *, role_of: I4, ptr: I8, start_ms: I8,
    end_ms: I8, devices: int,
) -> tuple[I8, I8, I8]:  # fmt: skip
    """Cell, time and run of every crossing of a cell centre that counts (marked `ok`, device entitled, within duty time)."""
    time = {"role_of": role_of, "ptr": ptr, "start_ms": start_ms, "end_ms": end_ms, "devices": devices}
    return stroke_events(strokes, ok, windows, cells, **time)[:3]  # type: ignore[arg-type]  # by name


def stroke_events(
    strokes: Strokes, ok: npt.NDArray[np.bool_], windows: WindowSets, cells: Cells, *, role_of: I4, ptr: I8, start_ms: I8,
    end_ms: I8, devices: int,
) -> tuple[I8, I8, I8, I8]:  # fmt: skip
    """As `cell_events`, with the stroke that crossed."""
    args = (
        strokes.section, strokes.from_mm, strokes.to_mm, strokes.enter_ms, strokes.leave_ms, strokes.device_ix, ok,
        windows.of_section, windows.ptr, windows.start_ms, windows.end_ms, role_of, ptr, start_ms, end_ms, devices,
        windows.run, cells.ptr, cells.centre_mm,
    )  # fmt: skip
    none = np.zeros(0, dtype=np.int64)
    n = kernel.emit_events(*args, none, none, none, none)
    cell, t, run, stroke = (np.zeros(n, dtype=np.int64) for _ in range(4))
    if n:
        n = kernel.emit_events(*args, cell, t, run, stroke)
    return cell[:n], t[:n], run[:n], stroke[:n]


def sort_events(group: I8, run: I8, t: I8, cell: I8) -> tuple[I8, I8, I8, I8]:
    """Events in order of (group, run, t, cell): bucketed by group, then packed integers sorted within each."""
    if not len(t):
        return group, run, t, cell
    first, last = int(t.min()), int(t.max())
    bits = [max(1, int(n).bit_length()) for n in (run.max(), last - first, cell.max())]
    if sum(bits) > 63:  # noqa: PLR2004 (bits of a positive int64)
        order = np.lexsort((cell, t, run, group))
        return group[order], run[order], t[order], cell[order]
    out: tuple[I8, I8, I8, I8] = kernel.sort_events(group, run, t, cell, int(group.max()) + 1, first, bits[1], bits[2])
    return out


def rounds(group: I8, run: I8, t: I8, cell: I8, *, weight_mm: I8, target_mm: I8) -> tuple[npt.NDArray[np.int64], I8]:
    """Sequential rounds: one is complete when the distinct length crossed since the last complete one reaches its group's target.

    The count starts anew with each run. Events come from `sort_events`; weights are per cell, targets per group (0: no rounds).

    Returns:
        rows (group, completed_ms, started_ms) in order of group and time, int64 (N, 3); and the length of the unfinished round (groups,).
    """
    n, share = kernel.rounds(group, run, t, cell, weight_mm, target_mm, np.zeros((0, 3), dtype=np.int64))
    done = np.zeros((n, 3), dtype=np.int64)
    if n:
        kernel.rounds(group, run, t, cell, weight_mm, target_mm, done)
    return done, share


def bucketed(item: I8, t: I8, items: int) -> tuple[I8, I8]:
    """Items (0 … items - 1) and times in order of item; within an item as they came, so times that rise stay so."""
    out: tuple[I8, I8] = kernel.bucket(item, t, items)
    return out


def gaps(item: I8, t: I8, *, item_set: I4, windows: WindowSets, limit_ms: I8) -> tuple[I8, I8, I8]:
    """Time without an event, in duty time (breaks left out), for every item (cell or section); each run starts at zero.

    Args:
        item: int64 events' items, sorted together with `t` by (item, t).
        t: int64 events' times.
        item_set: int32 (items,), set of windows of each item, -1: none.
        windows: the pieces of each set.
        limit_ms: int64 (sets,), interval of each set.

    Returns:
        longest gap, duty time within `limit_ms` of the last event or of the run's beginning, and number of events, per item.
    """
    out: tuple[I8, I8, I8] = kernel.gaps(
        item, t, item_set, windows.ptr, windows.start_ms, windows.end_ms, windows.run, limit_ms, len(item_set)
    )
    return out


# --- stretches ---
def holes(group: I8, lo_mm: I8, hi_mm: I8, *, at_group: I8, at_lo_mm: I8, at_hi_mm: I8) -> npt.NDArray[np.int64]:
    """What stretches [at_lo, at_hi) of a group's measure no visited stretch [lo, hi) of that group covers.

    Returns:
        int64 (N, 3) rows (index of the asked stretch, from_mm, to_mm), in order.
    """
    order = order_by(group, lo_mm)
    args = (group[order], lo_mm[order], hi_mm[order], at_lo_mm, at_hi_mm, at_group)
    out = np.zeros((kernel.holes(*args, np.zeros((0, 3), dtype=np.int64)), 3), dtype=np.int64)
    if len(out):
        kernel.holes(*args, out)
    return out
