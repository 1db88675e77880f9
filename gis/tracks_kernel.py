"""Compiled judgement of fixes, one device after another."""

from __future__ import annotations

# numba infers the types of compiled functions and calls them by position.
# ruff: noqa: C901, PLR0917, PLR2004
# mypy: ignore-errors
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from gis.model import EXCLUDED, FixFlag

if TYPE_CHECKING:
    import numpy.typing as npt

_DUPLICATE, _JUMP, _STATIONARY = int(FixFlag.DUPLICATE), int(FixFlag.JUMP), int(FixFlag.STATIONARY)
_FAST, _EXCLUDED = int(FixFlag.FAST), int(EXCLUDED)


@njit(cache=True, nogil=True)
def flag_duplicates(dev: npt.NDArray[np.int32], t: npt.NDArray[np.int64], flags: npt.NDArray[np.uint16]) -> None:
    """Flags rows with the device and time of the row before."""
    for i in range(1, len(t)):
        if t[i] == t[i - 1] and dev[i] == dev[i - 1]:
            flags[i] |= _DUPLICATE


@njit(cache=True, nogil=True)
def _reachable(
    t: npt.NDArray[np.int64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    i: int,
    j: int,
    mps: float,
    slack: float,
) -> bool:
    """Whether fix j can be reached from fix i at no more than `mps`."""
    dist = np.hypot(x[j] - x[i], y[j] - y[i]) - slack
    return dist <= mps * (t[j] - t[i]) * 1e-3


@njit(cache=True, nogil=True)
def _flag_jumps(
    t: npt.NDArray[np.int64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    flags: npt.NDArray[np.uint16],
    use: npt.NDArray[np.int64],
    mps: float,
    slack: float,
    run: int,
    run_ms: int,
) -> None:
    """Flags the jumps of one device; `use` holds its usable fixes in order of time.

    From the last believed fix, a fix out of reach begins a run. If a later fix is in reach again, the run between is a jump. If none is,
    the shorter side is doubted: a beginning of one or two fixes that is left impossibly, or an end of one or two that is reached so.
    """
    n = len(use)
    good = 0  # position in `use` of the last believed fix
    since = 0  # where the present stretch of believed fixes began
    i = 1
    while i < n:
        if _reachable(t, x, y, use[good], use[i], mps, slack):
            good = i
            i += 1
            continue
        back = -1
        k = i + 1
        while k < n and k - i <= run and t[use[k]] - t[use[good]] <= run_ms:
            if _reachable(t, x, y, use[good], use[k], mps, slack):
                back = k
                break
            k += 1
        if back > 0:
            for m in range(i, back):
                flags[use[m]] |= _JUMP
            good = back
            i = back + 1
            continue
        tail = n - i
        head = good - since + 1
        if head <= 2 and tail >= 3 and since == 0:
            for m in range(since, good + 1):
                flags[use[m]] |= _JUMP
        elif tail <= 2 and head >= 3:
            for m in range(i, n):
                flags[use[m]] |= _JUMP
            return
        since = i
        good = i
        i += 1


@njit(cache=True, nogil=True)
def _flag_fast(
    t: npt.NDArray[np.int64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    flags: npt.NDArray[np.uint16],
    use: npt.NDArray[np.int64],
    mps: float,
    slack: float,
) -> None:
    last = -1
    for i in use:
        if flags[i] & _JUMP:
            continue
        if last >= 0 and not _reachable(t, x, y, last, i, mps, slack):
            flags[i] |= _FAST
        last = i


@njit(cache=True, nogil=True)
def _flag_stays(
    t: npt.NDArray[np.int64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    flags: npt.NDArray[np.uint16],
    use: npt.NDArray[np.int64],
    radius: float,
    stay_ms: int,
    split_ms: int,
) -> None:
    n = len(use)
    i = 0
    while i < n:
        a = use[i]
        if flags[a] & _JUMP:
            i += 1
            continue
        sx, sy, count, last = x[a], y[a], 1, a
        j = i + 1
        while j < n:
            b = use[j]
            if flags[b] & _JUMP:
                j += 1
                continue
            if t[b] - t[last] > split_ms or np.hypot(x[b] - sx / count, y[b] - sy / count) > radius:
                break
            sx += x[b]
            sy += y[b]
            count += 1
            last = b
            j += 1
        if t[last] - t[a] >= stay_ms and count >= 3:
            for m in range(i, j):
                if not flags[use[m]] & _JUMP:
                    flags[use[m]] |= _STATIONARY
            i = j
        else:
            i += 1


@njit(cache=True, nogil=True)
def judge(
    dev: npt.NDArray[np.int32],
    t: npt.NDArray[np.int64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    flags: npt.NDArray[np.uint16],
    mode: npt.NDArray[np.int8],
    jump_mps: npt.NDArray[np.float64],
    fast_mps: npt.NDArray[np.float64],
    slack: float,
    run: int,
    run_ms: int,
    radius: float,
    stay_ms: int,
    split_ms: int,
) -> npt.NDArray[np.int32]:
    """Flags every device and returns track_ix."""
    n = len(t)
    track = np.full(n, -1, np.int32)
    use = np.empty(n, np.int64)
    begin, tracks = 0, -1
    while begin < n:
        end, m = begin, 0
        while end < n and dev[end] == dev[begin]:
            if not flags[end] & _EXCLUDED:
                use[m] = end
                m += 1
            end += 1
        of_device = use[:m]
        how = mode[dev[begin]]
        _flag_jumps(t, x, y, flags, of_device, jump_mps[how], slack, run, run_ms)
        _flag_fast(t, x, y, flags, of_device, fast_mps[how], slack)
        _flag_stays(t, x, y, flags, of_device, radius, stay_ms, split_ms)
        last = -1
        for i in of_device:
            if flags[i] & _JUMP:
                continue
            if last < 0 or t[i] - t[last] > split_ms:
                tracks += 1
            track[i] = tracks
            last = i
        begin = end
    return track
