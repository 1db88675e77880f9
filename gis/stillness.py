"""When a device lay still, told from its fixes: no net movement but for the noise of the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from gis.model import EXCLUDED

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Fixes

    I8 = npt.NDArray[np.int64]
    F8 = npt.NDArray[np.float64]

BLOCK_MS = 120_000  # stays are looked for in blocks of two minutes
LEAST_BLOCKS = 4  # a stay lasts at least so many
SPLIT_MS = 900_000  # a longer silence ends a stay: nothing is known of it
JOIN_MS = 480_000  # between stays at one place, less than four blocks that are none
RADIUS_M = 15.0  # noise of a good receiver, whatever its shape
MOST_RADIUS_M = (
    80.0  # of the middles of blocks about those of a stay: three sigmas of the worst receivers that matching bears
)
ROUND = 0.15  # noise is about round: a smaller ratio of its axes' variances is movement along a line
TURN_SIGMAS, LEAST_TURN_M, MOST_TURN_M = 6.0, 15.0, 150.0
NOISE_MS = np.array([120_000, 40_000, 20_000])  # per Mode: so short that the way within is about straight
LEAST_FIXES, UNTOLD_NOISE_M = 4, 2.0  # where fixes are too far apart to tell noise, it makes no returns either


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """When each of D devices lay still, in CSR form, and how short a return noise explains.

    Attributes:
        devices: the device ids.
        ptr: int64 (D + 1,).
        start_ms, end_ms: int64, disjoint and sorted within a device; from the first to the last fix of the stay.
        x, y: float64, its middle (metres, CRS of the fixes).
        noise_m: float64 (D,), error of a fix across the way, as far as fixes close together tell it.
    """

    devices: tuple[str, ...]
    ptr: I8
    start_ms: I8
    end_ms: I8
    x: F8
    y: F8
    noise_m: F8

    @property
    def turn_mm(self) -> I8:
        """A return shorter than this may be noise, int64 (D,)."""
        wide: I8 = np.rint(np.clip(TURN_SIGMAS * self.noise_m, LEAST_TURN_M, MOST_TURN_M) * 1000).astype(np.int64)
        return wide

    def before(self, device: I8, t_ms: I8) -> I8:
        """Time that each device (row, -1 none) lay still before a moment, int64."""
        if not len(self.start_ms):
            return np.zeros(len(device), dtype=np.int64)
        base = np.concatenate(([0], np.cumsum(self.end_ms - self.start_ms)))
        low = int(min(self.start_ms.min(), t_ms.min())) if len(t_ms) else 0
        span = np.int64(1) << 40
        owner = np.repeat(np.arange(len(self.devices)), np.diff(self.ptr))
        key = owner * span + (self.start_ms - low)
        at = np.searchsorted(key, np.maximum(device, 0) * span + (t_ms - low), side="right")
        first = self.ptr[np.maximum(device, 0)]
        last = np.maximum(at - 1, 0)
        partial = np.minimum(t_ms, self.end_ms[last]) - self.start_ms[last]
        whole = base[last] - base[first]
        out: I8 = np.where((device >= 0) & (at > first), whole + partial, 0)
        return out


def stays_of(fixes: Fixes) -> Stays:
    """Stays of every device: at least `LEAST_BLOCKS` blocks whose middles differ by no more than noise does."""
    use = np.flatnonzero((fixes.flags & int(EXCLUDED)) == 0)
    dev, t, x, y = fixes.device_ix[use].astype(np.int64), fixes.t_ms[use], fixes.x[use], fixes.y[use]
    size = len(fixes.devices)
    first = np.searchsorted(dev, np.arange(size + 1)).astype(np.int64)
    spans = np.zeros((len(t) // 2 + 1, 3), dtype=np.int64)
    where = np.zeros((len(spans), 2))
    sigma = np.zeros(size)
    count = _stays(first, t, x, y, NOISE_MS[fixes.mode.astype(np.int64)], spans, where, sigma)
    spans, where = spans[:count], where[:count]
    ptr = np.searchsorted(spans[:, 0], np.arange(size + 1)).astype(np.int64)
    columns = (
        np.ascontiguousarray(spans[:, 1]),
        np.ascontiguousarray(spans[:, 2]),
        where[:, 0].copy(),
        where[:, 1].copy(),
    )
    return Stays(fixes.devices, ptr, *columns, sigma)


def long_stays(stays: Stays, least_ms: int) -> list[tuple[str, int, int, float, float]]:
    """Stays of at least so long: device, from, to (milliseconds), middle (metres).

    Stays that follow each other at one place are one: bad receivers break them up.
    """
    if not len(stays.start_ms):
        return []
    owner = np.repeat(np.arange(len(stays.devices)), np.diff(stays.ptr))
    apart_ms = stays.start_ms[1:] - stays.end_ms[:-1]
    moved_m = np.hypot(np.diff(stays.x), np.diff(stays.y))
    same = (np.diff(owner) == 0) & (apart_ms <= JOIN_MS) & (moved_m <= MOST_RADIUS_M)
    first = np.flatnonzero(np.r_[True, ~same])
    last = np.r_[first[1:], len(owner)] - 1
    begin, end = stays.start_ms[first], stays.end_ms[last]
    long = end - begin >= least_ms
    columns = (owner[first], begin, end, stays.x[first], stays.y[first])
    return [(stays.devices[d], *row) for d, *row in zip(*(c[long].tolist() for c in columns), strict=True)]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _axes(n: float, sx: float, sy: float, sxx: float, syy: float, sxy: float) -> tuple[float, float]:
    """Variances along the longer and the shorter axis, of sums."""
    a, b, c = sxx / n - (sx / n) ** 2, syy / n - (sy / n) ** 2, sxy / n - sx * sy / n / n
    middle, half = (a + b) / 2, np.sqrt(((a - b) / 2) ** 2 + c * c)
    return middle + half, max(middle - half, 0.0)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _noise(t: I8, x: F8, y: F8, span_ms: int) -> float:
    """Error across the way, of runs of fixes within a time; that of the straighter third, since a turn is no noise."""
    across = np.zeros(len(t))
    k, i = 0, 0
    while i < len(t):
        n, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        j = i
        while j < len(t) and t[j] - t[i] <= span_ms:
            u, v = x[j] - x[i], y[j] - y[i]
            n, sx, sy, sxx, syy, sxy = n + 1, sx + u, sy + v, sxx + u * u, syy + v * v, sxy + u * v
            j += 1
        if n >= LEAST_FIXES:
            across[k] = np.sqrt(_axes(n, sx, sy, sxx, syy, sxy)[1] * n / (n - 2))
            k += 1
        i = j
    return np.percentile(across[:k], 33) if k else UNTOLD_NOISE_M


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _stays(first: I8, t: I8, x: F8, y: F8, noise_ms: I8, spans: I8, where: F8, sigma: F8) -> int:  # noqa: C901
    """Fills spans (device, start, end), their middles and each device's noise; returns how many."""
    found = 0
    for d in range(len(first) - 1):
        a, z = first[d], first[d + 1]
        if z - a < 2:  # noqa: PLR2004 (one fix moves nowhere)
            continue
        # blocks: sums of the fixes of each
        blocks = np.zeros((z - a, 6))
        begin, end = np.zeros(z - a, np.int64), np.zeros(z - a, np.int64)
        m = -1
        x0, y0 = x[a], y[a]
        for i in range(a, z):
            if m < 0 or t[i] // BLOCK_MS != t[begin[m]] // BLOCK_MS:
                m += 1
                begin[m] = i
            end[m] = i
            u, v = x[i] - x0, y[i] - y0
            blocks[m, 0] += 1
            blocks[m, 1] += u
            blocks[m, 2] += v
            blocks[m, 3] += u * u
            blocks[m, 4] += v * v
            blocks[m, 5] += u * v
        m += 1
        sigma[d] = _noise(t[a:z], x[a:z], y[a:z], noise_ms[d])
        b = 0
        while b < m:
            sums = blocks[b].copy()
            e = b + 1
            while e < m and t[begin[e]] - t[end[e - 1]] <= SPLIT_MS:
                n = sums[0]
                bx, by = blocks[e, 1] / blocks[e, 0], blocks[e, 2] / blocks[e, 0]
                if np.hypot(bx - sums[1] / n, by - sums[2] / n) > MOST_RADIUS_M:
                    break
                sums += blocks[e]
                e += 1
            # shortened from its end until it is a stay
            while e - b >= LEAST_BLOCKS:
                long, short = _axes(sums[0], sums[1], sums[2], sums[3], sums[4], sums[5])
                if np.sqrt(long) <= RADIUS_M or (short >= ROUND * long and np.sqrt(long) <= MOST_RADIUS_M / 2):
                    break
                e -= 1
                sums -= blocks[e]
            if e - b >= LEAST_BLOCKS:
                spans[found, 0], spans[found, 1], spans[found, 2] = d, t[begin[b]], t[end[e - 1]]
                where[found, 0], where[found, 1] = x0 + sums[1] / sums[0], y0 + sums[2] / sums[0]
                found += 1
                b = e
            else:
                b += 1
    return found
