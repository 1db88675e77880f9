"""What phones make of a patrol: true movement in, fixes out, with the errors that real receivers and networks have.

The error of a fix is a first-order Gauss-Markov process (AR(1) in time), the usual model of receiver error (Brown & Hwang, Introduction
to Random Signals and Applied Kalman Filtering, ch. 5): variance kept, correlation exp(-dt / tau).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gis.simulate_kernel import markov_errors

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.model import RoadGraph
    from gis.simulate import Movement


@dataclass(frozen=True, slots=True)
class Degradation:
    """How bad the data are. Everything is off by default but the interval and the noise.

    Attributes:
        interval_s: time between fixes of a device (typical 1-180).
        noise_m: standard deviation of the error on each axis (typical 3-30).
        correlation_s: correlation time of the error; 0 for white noise. Real receivers: 30-100 s.
        jitter_share: fixes come early or late by up to this share of the interval.
        canyon_share: share of segments among high walls (chosen by chance), where a slow drift is added.
        canyon_m: standard deviation of that drift on each axis; its correlation time is 180 s.
        tunnels: no fixes in tunnels.
        dropouts_per_hour: silences that begin in an hour of a device's time.
        dropout_s: mean length of such a silence (exponential).
        jump_share: share of fixes thrown 300-3,000 m away.
        duplicate_share: share of fixes sent twice.
        late_share: share of fixes that arrive up to `late_s` later.
        late_s: see there; every fix arrives 1-5 s after its time.
        silences: (device index, from ms, to ms): a device that sends nothing in between.
        drawers: (device index, from ms, to ms): the phone lies where it was at `from` while its bearer goes on.
    """

    interval_s: float = 15.0
    noise_m: float = 6.0
    correlation_s: float = 60.0
    jitter_share: float = 0.0
    canyon_share: float = 0.0
    canyon_m: float = 20.0
    tunnels: bool = True
    dropouts_per_hour: float = 0.0
    dropout_s: float = 240.0
    jump_share: float = 0.0
    duplicate_share: float = 0.0
    late_share: float = 0.0
    late_s: float = 7200.0
    silences: tuple[tuple[int, int, int], ...] = ()
    drawers: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Fixes as the platform receives them, sorted by (device_ix, t_ms); x, y in the graph's CRS (metres).

    Attributes:
        device_ix: int32 (F,).
        t_ms, arrived_ms: int64 (F,), time of the fix and of its arrival.
        x, y: float64 (F,), as observed.
        true_x, true_y: float64 (F,), where the phone was.
        devices: the device ids.
        mode: int8 (D,).
    """

    device_ix: npt.NDArray[np.int32]
    t_ms: npt.NDArray[np.int64]
    arrived_ms: npt.NDArray[np.int64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    true_x: npt.NDArray[np.float64]
    true_y: npt.NDArray[np.float64]
    devices: tuple[str, ...]
    mode: npt.NDArray[np.int8]


def gauss_markov(
    device_ix: npt.NDArray[np.int32], t_ms: npt.NDArray[np.int64], *, correlation_s: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Errors of unit variance on two axes, shape (F, 2), correlated as exp(-dt / correlation_s) within a device."""
    drawn: npt.NDArray[np.float64] = markov_errors(
        device_ix, t_ms, correlation_s * 1e3, rng.standard_normal((len(t_ms), 2))
    )
    return drawn


def degrade(
    graph: RoadGraph,
    moved: Movement,
    how: Degradation,
    *,
    rng: np.random.Generator,
    interval_s: npt.NDArray[np.float64] | None = None,
) -> Observations:
    """Fixes of a true movement.

    Args:
        graph: the graph moved on.
        moved: truth.
        how: kinds and amounts of error.
        rng: the only source of chance.
        interval_s: float (D,), one interval a device instead of `how.interval_s`.
    """
    each = np.full(len(moved.devices), how.interval_s) if interval_s is None else interval_s
    device_ix, t_ms = _fix_times(moved, each, how, rng)
    keep = ~_silent(device_ix, t_ms, moved, how, rng)
    device_ix, t_ms = device_ix[keep], t_ms[keep]
    true_x, true_y, segment = moved.at(graph, device_ix, _in_drawer(device_ix, t_ms, how))
    if how.tunnels:
        lit = ~graph.seg_tunnel[segment]
        device_ix, t_ms, segment = device_ix[lit], t_ms[lit], segment[lit]
        true_x, true_y = true_x[lit], true_y[lit]
    error = how.noise_m * gauss_markov(device_ix, t_ms, correlation_s=how.correlation_s, rng=rng)
    if how.canyon_share > 0:
        canyon = rng.random(graph.segment_count) < how.canyon_share
        error += how.canyon_m * canyon[segment, None] * gauss_markov(device_ix, t_ms, correlation_s=180.0, rng=rng)
    error += _jumps(len(t_ms), how, rng)
    arrived = t_ms + rng.integers(1000, 5001, len(t_ms))
    late = rng.random(len(t_ms)) < how.late_share
    arrived[late] += rng.integers(60_000, int(how.late_s * 1e3) + 60_001, int(late.sum()))
    again = 1 + (rng.random(len(t_ms)) < how.duplicate_share)
    row = np.repeat(np.arange(len(t_ms)), again)
    return Observations(
        device_ix=device_ix[row], t_ms=t_ms[row], arrived_ms=arrived[row], x=(true_x + error[:, 0])[row],
        y=(true_y + error[:, 1])[row], true_x=true_x[row], true_y=true_y[row], devices=moved.devices, mode=moved.passes.mode,
    )  # fmt: skip


def _fix_times(
    moved: Movement, interval_s: npt.NDArray[np.float64], how: Degradation, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Regular times of every device over its presence, from a phase of its own, with jitter; none where it made no pass."""
    step = np.maximum(np.rint(interval_s * 1e3), 1.0)
    phase = rng.random(len(step)) * step
    count = np.maximum((moved.ends_ms - moved.starts_ms - phase) // step + 1, 0).astype(np.int64)
    count[np.bincount(moved.passes.device_ix, minlength=len(count)) == 0] = 0
    device_ix = np.repeat(np.arange(len(step), dtype=np.int32), count)
    k = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    t = moved.starts_ms[device_ix] + phase[device_ix] + k * step[device_ix]
    if how.jitter_share > 0:
        t += (rng.random(len(t)) - 0.5) * min(how.jitter_share, 0.9) * step[device_ix]
    return device_ix, np.maximum(np.rint(t).astype(np.int64), moved.starts_ms[device_ix])


def _silent(
    device_ix: npt.NDArray[np.int32],
    t_ms: npt.NDArray[np.int64],
    moved: Movement,
    how: Degradation,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """True where a fix is lost: dropouts by chance and the silences named."""
    lost = np.zeros(len(t_ms), np.bool_)
    for device, from_ms, to_ms in how.silences:
        lost |= (device_ix == device) & (t_ms >= from_ms) & (t_ms < to_ms)
    if how.dropouts_per_hour <= 0:
        return lost
    span_ms = np.maximum(moved.ends_ms - moved.starts_ms, 0)
    count = rng.poisson(how.dropouts_per_hour * span_ms / 3_600_000)
    of = np.repeat(np.arange(len(count)), count)
    begin = moved.starts_ms[of] + (rng.random(len(of)) * span_ms[of]).astype(np.int64)
    end = begin + np.maximum(rng.exponential(how.dropout_s * 1e3, len(of)), 1e3).astype(np.int64)
    stride = np.int64(span_ms.max() + 1) * 4
    base = np.int64(moved.starts_ms.min())
    key = device_ix * stride + (t_ms - base)
    # fixes inside at least one silence: one more begun than ended
    cap = np.minimum(end - base, stride - 1)
    begun = np.searchsorted(np.sort(of * stride + (begin - base)), key, "right")
    ended = np.searchsorted(np.sort(of * stride + cap), key, "right")
    inside: npt.NDArray[np.bool_] = begun > ended
    return lost | inside


def _in_drawer(
    device_ix: npt.NDArray[np.int32], t_ms: npt.NDArray[np.int64], how: Degradation
) -> npt.NDArray[np.int64]:
    """The time whose place each phone shows: its own, or the beginning of its time in a drawer."""
    shown = t_ms.copy()
    for device, from_ms, to_ms in how.drawers:
        shown[(device_ix == device) & (t_ms >= from_ms) & (t_ms < to_ms)] = from_ms
    return shown


def _jumps(count: int, how: Degradation, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Offsets (F, 2) in metres: nought, or 300-3,000 m in any direction."""
    hit = rng.random(count) < how.jump_share
    angle, far = rng.random(count) * 2 * np.pi, 300 + rng.random(count) * 2700
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * (far * hit)[:, None]


def ride_along(seen: Observations, extra: dict[str, int], *, rng: np.random.Generator, noise_m: float) -> Observations:
    """Further phones in the same car or pocket: device id to the index of the device it travels with, with an error of its own.

    Devices come out sorted by id, fixes by device and time.
    """
    names = [*seen.devices, *extra]
    order = sorted(range(len(names)), key=names.__getitem__)
    new_ix = np.empty(len(names), np.int32)
    new_ix[order] = np.arange(len(names), dtype=np.int32)
    rows = [np.arange(len(seen.t_ms)), *(np.flatnonzero(seen.device_ix == i) for i in extra.values())]
    at = np.concatenate(rows)
    device = np.concatenate(
        [seen.device_ix, *(np.full(len(r), len(seen.devices) + k, np.int32) for k, r in enumerate(rows[1:]))]
    )
    x, y, t, arrived = seen.x[at], seen.y[at], seen.t_ms[at], seen.arrived_ms[at]
    tail = slice(len(seen.t_ms), None)
    shift = rng.integers(0, 4000, len(at) - len(seen.t_ms))
    error = noise_m * gauss_markov(device[tail], t[tail], correlation_s=60.0, rng=rng)
    x[tail], y[tail] = seen.true_x[at[tail]] + error[:, 0], seen.true_y[at[tail]] + error[:, 1]
    t[tail], arrived[tail] = t[tail] + shift, arrived[tail] + shift
    device = new_ix[device]
    o = np.lexsort((t, device))
    mode = np.concatenate([seen.mode, seen.mode[list(extra.values())]])[order]
    return Observations(
        device[o],
        t[o],
        arrived[o],
        x[o],
        y[o],
        seen.true_x[at][o],
        seen.true_y[at][o],
        tuple(names[i] for i in order),
        mode,
    )
