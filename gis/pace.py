"""How fast a device moved about each of its passes: over at least a minute, since over a short pass the error of two fixes is the speed.

With fixes 5 s apart and 30 m of noise a walker's position jumps by a dozen metres between two fixes: passes of a few seconds come out at
2 or 10 km/h by chance. Over a minute the same error is a tenth of a patrol's speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Passes

    I8 = npt.NDArray[np.int64]
    I4 = npt.NDArray[np.int32]


def pace(passes: Passes, *, over_ms: int) -> tuple[I8, I8]:
    """Way and time about each pass, along the joined passes of its track (each beginning where and when the one before ends).

    The time is that of the pass itself where it lasts at least `over_ms`, else `over_ms` with the pass in its middle, moved where the
    joined passes begin or end, and all of them where they are shorter.

    Args:
        passes: P passes.
        over_ms: shortest time to judge a speed by; 0: each pass alone.

    Returns:
        moved_mm, took_ms: int64 (P,); the mean speed is moved_mm / took_ms metres a second.
    """
    moved = np.abs(passes.to_mm.astype(np.int64) - passes.from_mm)
    if over_ms <= 0:
        return moved, passes.leave_ms - passes.enter_ms
    out_mm, out_ms = np.empty(len(moved), dtype=np.int64), np.empty(len(moved), dtype=np.int64)
    _pace(passes.device_ix, passes.track_ix, passes.enter_ms, passes.leave_ms, moved, over_ms, out_mm, out_ms)
    return out_mm, out_ms


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _pace(device: I4, track: I4, enter: I8, leave: I8, moved: I8, over_ms: int, out_mm: I8, out_ms: I8) -> None:
    """Run by run of joined passes; the windows of a run move on in time, so two marks follow them."""
    first = 0
    while first < len(enter):
        end = first + 1
        while (
            end < len(enter)
            and device[end] == device[first]
            and track[end] == track[first]
            and enter[end] == leave[end - 1]
        ):
            end += 1
        begin_ms, end_ms = enter[first], leave[end - 1]
        low, low_mm = first, np.int64(0)  # the pass that the window begins in, and the way before it
        high, high_mm = first, np.int64(0)
        for i in range(first, end):
            width = min(max(over_ms, leave[i] - enter[i]), end_ms - begin_ms)
            a = max(begin_ms, min((enter[i] + leave[i] - width) // 2, end_ms - width))
            b = a + width
            while low < end - 1 and leave[low] <= a and enter[low] < a:
                low_mm += moved[low]
                low += 1
            while high < end - 1 and leave[high] <= b:
                high_mm += moved[high]
                high += 1
            out_mm[i] = high_mm + _part(moved[high], enter[high], leave[high], b, 1)
            out_mm[i] -= low_mm + _part(moved[low], enter[low], leave[low], a, 0)
            out_ms[i] = width
        first = end


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _part(moved: int, enter: int, leave: int, t: int, whole: int) -> int:
    """Way of a pass up to t, rounded down; of one that takes no time all (1) or nothing (0)."""
    if leave == enter:
        return moved * whole
    return moved * (min(max(t, enter), leave) - enter) // (leave - enter)
