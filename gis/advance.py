"""How far a device really got: the way of its passes without the to and fro of noise, and without stays.

A phone that lies still is seen to move up and down its street by the error of its fixes; a walker's way with a fix a second holds many
small steps back. Net advance is the way without returns shorter than the noise explains, and without the passes of stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from gis.model import EXCLUDED

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Fixes, Passes
    from gis.stillness import Stays

    I8 = npt.NDArray[np.int64]
    I4 = npt.NDArray[np.int32]

SMOOTH_MS = np.array([60_000, 20_000, 12_000])  # per Mode: about 75 m of way
CHUNK_MS = 1_800_000
LONGER = 1.15  # the smoothed way cuts corners
NOISY = 0.25  # noise of a fix against the way between two


def net_advance(passes: Passes, fixes: Fixes, stays: Stays) -> I8:
    """Way of each pass that is net advance, int64 (P,), millimetres, at most |to - from|.

    Along joined passes of a track (each beginning where and when the one before ends) the way is followed as a path that may turn back on
    itself. A return shorter than the device's `stays.turn_mm`, and the way out that it undoes, are left out; a longer one, such as a walk
    up and down a street, counts both ways. What a pass covers within a stay is left out. Where fixes are so close together that noise moves
    them more than the device does, the way of half an hour is at most `LONGER` times that of the fixes' means over `SMOOTH_MS`: matching
    takes noise for ways round other streets too.
    """
    if not len(passes.enter_ms):
        return np.zeros(0, dtype=np.int64)
    place = {d: i for i, d in enumerate(stays.devices)}
    of = np.array([place.get(d, -1) for d in passes.devices], dtype=np.int64)[passes.device_ix]
    turn = np.where(of >= 0, stays.turn_mm[of], 0) if len(stays.turn_mm) else np.zeros(len(of), dtype=np.int64)
    still = _still_share(passes, stays, of)
    net = np.abs(passes.to_mm.astype(np.int64) - passes.from_mm)
    size = 2 * _longest_run(passes.device_ix, passes.track_ix, passes.enter_ms, passes.leave_ms, still) + 4
    _net(
        passes.device_ix, passes.track_ix, passes.segment_ix, passes.from_mm.astype(np.int64), passes.to_mm.astype(np.int64),
        passes.enter_ms, passes.leave_ms, turn, still, np.zeros((size, 4), dtype=np.int64), np.zeros((size, 5), dtype=np.int64), net,
    )  # fmt: skip
    net = np.maximum(np.rint(net * (1.0 - still)).astype(np.int64), 0)
    held: I8 = np.rint(net * _within_smoothed(passes, fixes, stays, of, net)).astype(np.int64)
    return held


def _within_smoothed(passes: Passes, fixes: Fixes, stays: Stays, of: I8, net: I8) -> npt.NDArray[np.float64]:
    """Share of each pass that the smoothed way of its device in that half hour bears out."""
    share = np.ones(len(net))
    use = np.flatnonzero((fixes.flags & int(EXCLUDED)) == 0)
    if not len(use):
        return share
    dev, t = fixes.device_ix[use].astype(np.int64), fixes.t_ms[use]
    moving = ~_in_stay(stays, dev, t)
    dev, t, use = dev[moving], t[moving], use[moving]
    if not len(use):
        return share
    block = t // SMOOTH_MS[fixes.mode.astype(np.int64)[dev]]
    first = np.flatnonzero(np.r_[True, (np.diff(block) != 0) | (np.diff(dev) != 0)])
    count = np.diff(np.r_[first, len(use)])
    x, y = (np.add.reduceat(c[use], first) / count for c in (fixes.x, fixes.y))
    same = np.r_[False, np.diff(dev[first]) == 0]
    step = np.where(same, np.hypot(np.diff(x, prepend=x[0]), np.diff(y, prepend=y[0])), 0.0)
    low = int(min(t.min(), passes.enter_ms.min())) // CHUNK_MS
    chunks = int(max(t.max(), passes.leave_ms.max())) // CHUNK_MS - low + 1
    size = len(fixes.devices) * chunks
    key = dev * chunks + t // CHUNK_MS - low
    smooth_m = np.bincount(key[first], step, minlength=size)
    per_fix_m = smooth_m / np.maximum(np.bincount(key, minlength=size), 1)
    noisy = np.repeat(stays.noise_m, chunks) > NOISY * per_fix_m
    mine = np.maximum(of, 0) * chunks + (passes.enter_ms + passes.leave_ms) // 2 // CHUNK_MS - low
    total = np.bincount(mine, net, minlength=size)
    most = np.where(noisy, LONGER * smooth_m * 1000, np.inf)
    held = np.minimum(1.0, most / np.maximum(total, 1.0))
    return np.where(of >= 0, held[mine], share)


def _in_stay(stays: Stays, device: I8, t_ms: I8) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = stays.before(device, t_ms + 1) > stays.before(device, t_ms)
    return inside


def _still_share(passes: Passes, stays: Stays, of: I8) -> npt.NDArray[np.float64]:
    """Share of the time of each pass that lies in a stay of its device."""
    begin, end = passes.enter_ms, np.maximum(passes.leave_ms, passes.enter_ms + 1)
    held = stays.before(of, end) - stays.before(of, begin)
    share: npt.NDArray[np.float64] = held / (end - begin)
    return share


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _longest_run(device: I4, track: I4, enter: I8, leave: I8, still: npt.NDArray[np.float64]) -> int:
    longest, first = 0, 0
    for i in range(1, len(enter) + 1):
        if (
            i == len(enter)
            or device[i] != device[first]
            or track[i] != track[first]
            or enter[i] != leave[i - 1]
            or still[i] >= 1.0
        ):
            longest = max(longest, i - first)
            first = i
    return longest


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _net(  # noqa: C901, PLR0912, PLR0915, PLR0917 (compiled loop)
    device: I4, track: I4, segment: I4, start: I8, stop: I8, enter: I8, leave: I8, turn: I8, still: npt.NDArray[np.float64],
    path: I8, undone: I8, net: I8,
) -> None:  # fmt: skip
    """Takes returns off `net`.

    `path` holds the way that stands (segment, from, to, pass), `undone` what a return has gone back over, the farthest first
    (segment, from, to, pass of the way out, pass of the way back).
    """
    p, u, back = 0, 0, 0
    for i in range(len(enter)):
        fresh = (
            i == 0
            or device[i] != device[i - 1]
            or track[i] != track[i - 1]
            or enter[i] != leave[i - 1]
            or still[i] >= 1.0
        )
        if fresh:
            for k in range(u):  # a return that the run ends in
                mm = abs(undone[k, 2] - undone[k, 1])
                net[undone[k, 3]] -= mm
                net[undone[k, 4]] -= mm
            p, u, back = 0, 0, 0
        if still[i] >= 1.0:
            continue
        at, end = start[i], stop[i]
        while at != end:
            ahead = 1 if end > at else -1
            if (
                u > 0
                and undone[u - 1, 0] == segment[i]
                and undone[u - 1, 1] == at
                and (undone[u - 1, 2] - at) * ahead > 0
            ):
                # out again over what was gone back over: both are noise
                mm = min(abs(end - at), abs(undone[u - 1, 2] - at))
                net[i] -= mm
                net[undone[u - 1, 4]] -= mm
                back -= mm
                if (
                    p > 0
                    and path[p - 1, 0] == segment[i]
                    and path[p - 1, 2] == at
                    and (path[p - 1, 2] - path[p - 1, 1]) * ahead > 0
                ):
                    path[p - 1, 2] = at + ahead * mm
                else:
                    path[p, 0], path[p, 1], path[p, 2], path[p, 3] = segment[i], at, at + ahead * mm, undone[u - 1, 3]
                    p += 1
                at += ahead * mm
                undone[u - 1, 1] = at
                if undone[u - 1, 1] == undone[u - 1, 2]:
                    u -= 1
                continue
            if p > 0 and path[p - 1, 0] == segment[i] and path[p - 1, 2] == at and (path[p - 1, 1] - at) * ahead > 0:
                mm = min(abs(end - at), abs(path[p - 1, 1] - at))
                undone[u, 0], undone[u, 1], undone[u, 2] = segment[i], at + ahead * mm, at
                undone[u, 3], undone[u, 4] = path[p - 1, 3], i
                u += 1
                back += mm
                at += ahead * mm
                path[p - 1, 2] = at
                if path[p - 1, 1] == at:
                    p -= 1
                if back > turn[i]:  # turned back in earnest: the return is the way that stands
                    p = 0
                    for k in range(u):
                        path[p, 0], path[p, 1], path[p, 2], path[p, 3] = (
                            undone[k, 0],
                            undone[k, 2],
                            undone[k, 1],
                            undone[k, 4],
                        )
                        p += 1
                    u, back = 0, 0
                continue
            for k in range(u):  # on by another way: out and back is noise
                mm = abs(undone[k, 2] - undone[k, 1])
                net[undone[k, 3]] -= mm
                net[undone[k, 4]] -= mm
            u, back = 0, 0
            path[p, 0], path[p, 1], path[p, 2], path[p, 3] = segment[i], at, end, i
            p += 1
            at = end
    for k in range(u):
        mm = abs(undone[k, 2] - undone[k, 1])
        net[undone[k, 3]] -= mm
        net[undone[k, 4]] -= mm
