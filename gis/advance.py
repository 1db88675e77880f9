"""How far a device really got: the way of its passes without the to and fro of noise, and without stays.

A phone that lies still is seen to move up and down its street by the error of its fixes; a walker's way with a fix a second holds many
small steps back. Net advance is the way without returns shorter than the noise explains, and without the passes of stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from gis.matching import Matcher
from gis.model import EXCLUDED, Fixes
from gis.simulate import along_segment

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Passes
    from gis.network.model import RoadGraph
    from gis.stillness import Stays

    I8 = npt.NDArray[np.int64]
    I4 = npt.NDArray[np.int32]
    F8 = npt.NDArray[np.float64]

WINDOW_MS = np.array([61_500, 21_600, 12_300])  # per Mode: 80 m at a usual speed
PAIR, WIDEST = 2.05, 1.7  # intervals that hold two fixes; how much longer a window may be for that
LEAST_FIXES = 1.5  # in a window, for their mean to be less noisy than they are
STRAY_M = 8.0  # median distance of fixes from their way, from which on matching may take noise for way
TURNS = 1.025  # what means cut off where a way turns back


def net_advance(passes: Passes, fixes: Fixes, stays: Stays, graph: RoadGraph) -> I8:
    """Way of each pass that is net advance, int64 (P,), millimetres, at most |to - from|.

    Along joined passes of a track (each beginning where and when the one before ends) the way is followed as a path that may turn back on
    itself. A return shorter than the device's `stays.turn_mm`, and the way out that it undoes, are left out; a longer one, such as a walk
    up and down a street, counts both ways. What a pass covers within a stay is left out. Matching takes strong noise for ways round other
    streets too: where fixes lie `STRAY_M` from their way, the way of a device is at most that of the means of its fixes (`_borne_out`).
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
    if not len(fixes.t_ms):
        whole: I8 = net
        return whole
    share = _borne_out(passes, fixes, stays, graph, net, of)
    held: I8 = np.rint(net * np.where(of >= 0, share[of], 1.0)).astype(np.int64)
    return held


def _borne_out(passes: Passes, fixes: Fixes, stays: Stays, graph: RoadGraph, net: I8, of: I8) -> F8:
    """Share of the way of each device that means of its fixes bear out, float64 (D,), at most 1; `of` (P,) are rows of `fixes.devices`.

    Means over `WINDOW_MS` of fixes that lie far from their way are matched anew: their noise is less, white or correlated, and the network
    gives them the corners back that averaging cuts.
    """
    share = np.ones(len(fixes.devices))
    dev, t = fixes.device_ix.astype(np.int64), fixes.t_ms
    use = np.flatnonzero(((fixes.flags & int(EXCLUDED)) == 0) & ~_in_stay(stays, dev, t))
    astray = _astray(passes, fixes, graph, use, of)
    means = _means(fixes, use[astray[dev[use]]])
    if not len(means.t_ms):
        return share
    again = Matcher(graph).match(means)
    way = np.bincount(again.device_ix, np.abs(again.to_mm.astype(np.int64) - again.from_mm), minlength=len(share))
    had = np.bincount(of[of >= 0], net[of >= 0], minlength=len(share))
    fixes_each = np.bincount(dev[use], minlength=len(share)) / np.maximum(
        np.bincount(means.device_ix, minlength=len(share)), 1
    )
    known = astray & (way > 0) & (fixes_each >= LEAST_FIXES)
    share[known] = np.minimum(1.0, TURNS * way[known] / np.maximum(had[known], 1))
    return share


def _astray(passes: Passes, fixes: Fixes, graph: RoadGraph, use: I8, of: I8) -> npt.NDArray[np.bool_]:
    """Devices (D,) half of whose fixes lie `STRAY_M` or more from where their passes have them at that time."""
    dev, t = fixes.device_ix[use].astype(np.int64), fixes.t_ms[use]
    low = int(min(passes.enter_ms.min(), fixes.t_ms.min()))
    span = np.int64(1) << 40
    begin = of * span + (passes.enter_ms - low)
    order = np.argsort(begin, kind="stable")
    row = order[np.maximum(np.searchsorted(begin[order], dev * span + (t - low), side="right") - 1, 0)]
    on = (of[row] == dev) & (passes.enter_ms[row] <= t) & (passes.leave_ms[row] >= t)
    row, dev, use = row[on], dev[on], use[on]
    took = np.maximum(passes.leave_ms[row] - passes.enter_ms[row], 1)
    part = (fixes.t_ms[use] - passes.enter_ms[row]) / took
    x, y = along_segment(
        graph,
        passes.segment_ix[row],
        passes.from_mm[row] + part * (passes.to_mm[row].astype(np.float64) - passes.from_mm[row]),
    )
    far = np.hypot(fixes.x[use] - x, fixes.y[use] - y) >= STRAY_M
    size = len(fixes.devices)
    out: npt.NDArray[np.bool_] = 2 * np.bincount(dev, far, minlength=size) > np.bincount(dev, minlength=size)
    return out


def _means(fixes: Fixes, use: I8) -> Fixes:
    """Means of fixes over the window of their device's mode, each at their mean time; within a track."""
    dev, t, track = fixes.device_ix[use], fixes.t_ms[use], fixes.track_ix[use]
    window = t // _windows(fixes, use)[dev]
    change = (np.diff(window) != 0) | (np.diff(dev) != 0) | (np.diff(track) != 0)
    first = np.flatnonzero(np.concatenate((np.ones(min(len(use), 1), np.bool_), change)))
    if not len(first):
        return Fixes(
            fixes.device_ix[use], t, fixes.x[use], fixes.y[use], fixes.flags[use], track, fixes.devices, fixes.mode
        )
    count = np.diff(np.append(first, len(use)))
    x, y = (np.add.reduceat(c[use], first) / count for c in (fixes.x, fixes.y))
    late = np.add.reduceat(t - np.repeat(t[first], count), first) // count
    one = use[first]
    return Fixes(fixes.device_ix[one], t[first] + late, x, y, fixes.flags[one], track[first], fixes.devices, fixes.mode)


def _windows(fixes: Fixes, use: I8) -> I8:
    """Time over which each device's fixes are averaged, int64 (D,): long enough for two, if that is not too long a way."""
    usual = WINDOW_MS[fixes.mode.astype(np.int64)]
    dev, t = fixes.device_ix[use], fixes.t_ms[use]
    gap, of = np.diff(t), dev[1:]
    gap, of = gap[dev[:-1] == of], of[dev[:-1] == of]
    order = np.lexsort((gap, of))
    count = np.bincount(of, minlength=len(usual))
    middle = np.cumsum(count) - count + count // 2
    typical = np.zeros(len(usual), dtype=np.int64)
    typical[count > 0] = gap[order][middle[count > 0]]
    out: I8 = np.clip(PAIR * typical, usual, WIDEST * usual).astype(np.int64)
    return out


def _in_stay(stays: Stays, device: I8, t_ms: I8) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = stays.before(device, t_ms + 1) > stays.before(device, t_ms)
    return inside


def _still_share(passes: Passes, stays: Stays, of: I8) -> F8:
    """Share of the time of each pass that lies in a stay of its device."""
    begin, end = passes.enter_ms, np.maximum(passes.leave_ms, passes.enter_ms + 1)
    held = stays.before(of, end) - stays.before(of, begin)
    share: F8 = held / (end - begin)
    return share


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _longest_run(device: I4, track: I4, enter: I8, leave: I8, still: F8) -> int:
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
    device: I4, track: I4, segment: I4, start: I8, stop: I8, enter: I8, leave: I8, turn: I8, still: F8,
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
