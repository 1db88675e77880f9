"""Patrols with known truth: inspectors move over a road graph by a plan or at random, and every metre that they really passed is known.

Movement is simulated on the graph itself, so that truth has the form of `gis.model.Passes` and needs no matching. What a phone makes of
it (noise, silences, jumps) is `gis.degrade`. Nothing here is random except through the generator handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gis.degrade import Degradation, Observations, degrade
from gis.model import Mode, Passes
from gis.simulate_kernel import cover_tour, random_walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gis.network.model import RoadGraph


@dataclass(frozen=True, slots=True, eq=False)
class Arcs:
    """Directed ways through a graph in compressed rows; arc 2s runs along segment s, arc 2s + 1 against it.

    Attributes:
        ptr: int64 (N + 1,), arcs leaving node n are ptr[n]:ptr[n + 1].
        arc: int32 (A,), arc number.
        head: int32 (A,), node it leads to.
    """

    ptr: npt.NDArray[np.int64]
    arc: npt.NDArray[np.int32]
    head: npt.NDArray[np.int32]


def arcs_of(graph: RoadGraph, mode: Mode, *, strongly_connected: bool = False) -> Arcs:
    """The arcs that a mode may use: one-way streets bind vehicles and e-bikes, not walkers.

    Args:
        graph: the road graph.
        mode: how the patrol moves.
        strongly_connected: keep only arcs inside the largest strongly connected part (a random walk never gets stuck there).
    """
    s = np.arange(graph.segment_count, dtype=np.int32)
    walker = mode == Mode.FOOT
    along = walker | (graph.seg_oneway >= 0)
    against = walker | (graph.seg_oneway <= 0)
    arc = np.concatenate([2 * s[along], 2 * s[against] + 1])
    tail = np.concatenate([graph.seg_u[along], graph.seg_v[against]])
    head = np.concatenate([graph.seg_v[along], graph.seg_u[against]])
    if strongly_connected and len(arc):
        shape = (graph.node_count, graph.node_count)
        _, part = connected_components(csr_array((np.ones(len(arc)), (tail, head)), shape=shape), connection="strong")
        keep = (part[tail] == part[head]) & (part[tail] == np.bincount(part[tail]).argmax())
        arc, tail, head = arc[keep], tail[keep], head[keep]
    order = np.lexsort((arc, tail))
    ptr = np.zeros(graph.node_count + 1, dtype=np.int64)
    np.cumsum(np.bincount(tail, minlength=graph.node_count), out=ptr[1:])
    return Arcs(ptr, arc[order].astype(np.int32), head[order].astype(np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What one inspector is to do in one window: pass every segment named, again and again until the window ends.

    Attributes:
        starts_ms, ends_ms: the window, UTC milliseconds.
        segments: int (K,), segments to be passed whole; what is left out here is skipped on purpose.
        rounds: how often, 0 for until the window ends.
        speed_mps: mean speed in this window where it is not the inspector's usual one.
    """

    starts_ms: int
    ends_ms: int
    segments: npt.NDArray[np.integer[Any]]
    rounds: int = 0
    speed_mps: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Patroller:
    """One inspector with one device.

    Attributes:
        device: id of the device carried.
        mode: on foot, by e-bike, in a vehicle.
        speed_mps: mean speed while moving.
        tasks: in order of time.
        speed_spread: standard deviation of the logarithm of the speed from stretch to stretch.
        stop_share: share of segments on which the inspector stops for a while.
        stop_s: shortest and longest stop.
    """

    device: str
    mode: Mode
    speed_mps: float
    tasks: tuple[Task, ...]
    speed_spread: float = 0.1
    stop_share: float = 0.05
    stop_s: tuple[float, float] = (20.0, 180.0)


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """Where every device truly was: passes in order of device and time, and the time each was about.

    Attributes:
        passes: truth; `confidence` 1, `seen` True, `first_fix_ms` and `last_fix_ms` equal to enter and leave.
        starts_ms, ends_ms: int64 (D,), true presence: from reporting for duty to going home.
    """

    passes: Passes
    starts_ms: npt.NDArray[np.int64]
    ends_ms: npt.NDArray[np.int64]

    @property
    def devices(self) -> tuple[str, ...]:
        """The device ids."""
        return self.passes.devices

    def at(
        self, graph: RoadGraph, device_ix: npt.NDArray[np.int32], t_ms: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int32]]:
        """True place of devices at times: x, y in the graph's CRS (metres) and the segment.

        Between two passes a device stands where the earlier one ended; before the first where that begins.
        """
        p = self.passes
        if not len(p.segment_ix):
            raise ValueError("no movement to observe")  # noqa: TRY003, EM101 (a caller's error, no user's)
        base = int(min(p.enter_ms.min(), t_ms.min())) if len(t_ms) else 0
        span = int(max(p.leave_ms.max(), t_ms.max() if len(t_ms) else 0)) - base + 1
        first = np.searchsorted(p.device_ix, np.arange(len(p.devices)))
        row = np.searchsorted(
            p.device_ix * np.int64(span) + (p.enter_ms - base), device_ix * np.int64(span) + (t_ms - base), "right"
        )
        row = np.maximum(row - 1, first[device_ix])
        took = np.maximum(p.leave_ms[row] - p.enter_ms[row], 1)
        share = np.clip((t_ms - p.enter_ms[row]) / took, 0.0, 1.0)
        mm = p.from_mm[row] + share * (p.to_mm[row] - p.from_mm[row])
        x, y = along_segment(graph, p.segment_ix[row], mm)
        return x, y, p.segment_ix[row]


def along_segment(
    graph: RoadGraph, segment_ix: npt.NDArray[np.int32], mm: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coordinates (metres, the graph's CRS) of places along segments, measured in millimetres from the first vertex."""
    stride = np.int64(graph.seg_length_mm.max()) + 2
    of_vertex = np.repeat(np.arange(graph.segment_count, dtype=np.int64), np.diff(graph.vert_ptr))
    key = (of_vertex * stride + graph.vert_mm).astype(np.float64)
    right = np.searchsorted(key, segment_ix * stride + mm, "right")
    right = np.clip(right, graph.vert_ptr[segment_ix] + 1, graph.vert_ptr[segment_ix + 1] - 1)
    left = right - 1
    width = np.maximum(graph.vert_mm[right] - graph.vert_mm[left], 1)
    share = np.clip((mm - graph.vert_mm[left]) / width, 0.0, 1.0)
    x = graph.vert_x[left] + share * (graph.vert_x[right] - graph.vert_x[left])
    y = graph.vert_y[left] + share * (graph.vert_y[right] - graph.vert_y[left])
    return x, y


@dataclass(slots=True)
class _Legs:
    """Legs gathered device by device: columns segment, from_mm, to_mm (int64), enter, leave (float64 ms), device, task."""

    rows: list[npt.NDArray[np.float64]] = field(default_factory=list)
    device: list[npt.NDArray[np.int32]] = field(default_factory=list)
    track: list[npt.NDArray[np.int32]] = field(default_factory=list)

    def add(self, rows: npt.NDArray[np.float64], *, device: int, track: int) -> None:
        self.rows.append(rows)
        self.device.append(np.full(len(rows), device, np.int32))
        self.track.append(np.full(len(rows), track, np.int32))

    def passes(self, devices: tuple[str, ...], mode: npt.NDArray[np.int8]) -> Passes:
        rows = np.concatenate([np.empty((0, 5)), *self.rows])
        device_ix = np.concatenate([np.empty(0, np.int32), *self.device])
        track_ix = np.concatenate([np.empty(0, np.int32), *self.track])
        enter, leave = np.rint(rows[:, 3]).astype(np.int64), np.rint(rows[:, 4]).astype(np.int64)
        seg, start, end = (rows[:, i].astype(np.int32) for i in range(3))
        o = np.lexsort((start, seg, leave, enter, device_ix))
        return Passes(
            segment_ix=seg[o], from_mm=start[o], to_mm=end[o], enter_ms=enter[o], leave_ms=leave[o], device_ix=device_ix[o],
            track_ix=track_ix[o], first_fix_ms=enter[o], last_fix_ms=leave[o], seen=np.ones(len(o), np.bool_),
            confidence=np.ones(len(o), np.float32), devices=devices, mode=mode,
        )  # fmt: skip


def simulate(graph: RoadGraph, patrollers: Sequence[Patroller], *, rng: np.random.Generator) -> Movement:
    """Let inspectors patrol by their plans.

    Each walks to the nearest segment still to be passed by the shortest way its mode allows, passes it, and so on (the greedy tour of
    the rural postman), starts anew when all are passed, and stops at the first node after the window's end. Segments it cannot
    reach it leaves out. Devices come out sorted by id.

    Args:
        graph: any road graph.
        patrollers: who does what; device ids are unique.
        rng: the only source of chance.
    """
    crew = sorted(patrollers, key=lambda p: p.device)
    arcs = {mode: arcs_of(graph, mode) for mode in {p.mode for p in crew}}
    legs, track = _Legs(), 0
    starts, ends = np.zeros(len(crew), np.int64), np.zeros(len(crew), np.int64)
    seeds = rng.integers(1, 2**62, size=len(crew))
    for i, p in enumerate(crew):
        way, node, clock = arcs[p.mode], -1, -np.inf
        for j, task in enumerate(p.tasks):
            wanted = np.zeros(graph.segment_count, np.bool_)
            wanted[task.segments] = True
            rows, node = cover_tour(
                way.ptr, way.arc, way.head, graph.seg_u, graph.seg_v, graph.seg_length_mm.astype(np.int64), wanted, node,
                max(float(task.starts_ms), clock), float(task.ends_ms), task.rounds,
                task.speed_mps or p.speed_mps, p.speed_spread, p.stop_share,
                p.stop_s[0] * 1e3, p.stop_s[1] * 1e3, np.uint64(int(seeds[i]) + 7919 * j),
            )  # fmt: skip
            clock = rows[-1, 4] if len(rows) else clock
            legs.add(rows, device=i, track=track)
            track += 1
        if p.tasks:
            starts[i], ends[i] = p.tasks[0].starts_ms, max(p.tasks[-1].ends_ms, int(clock) if np.isfinite(clock) else 0)
    mode = np.array([p.mode for p in crew], np.int8)
    return Movement(legs.passes(tuple(p.device for p in crew), mode), starts, ends)


def random_movement(
    graph: RoadGraph,
    n_devices: int,
    duration_s: float,
    speed_mps: float,
    *,
    rng: np.random.Generator,
    mode: Mode = Mode.VEHICLE,
    start_ms: int = 1_773_795_600_000,
    speed_spread: float = 0.0,
    stop_share: float = 0.0,
) -> Movement:
    """Devices that roam the largest strongly connected part of a graph, turning at random and back only at dead ends.

    Args:
        graph: any road graph.
        n_devices: how many.
        duration_s: for how long each moves.
        speed_mps: mean speed.
        rng: the only source of chance.
        mode: which arcs it may use.
        start_ms: when all start (default 2026-03-18 09:00 in Shanghai).
        speed_spread: standard deviation of the logarithm of the speed from segment to segment.
        stop_share: share of segments with a stop of 20-180 s.
    """
    way = arcs_of(graph, mode, strongly_connected=True)
    nodes = np.flatnonzero(np.diff(way.ptr))
    at = rng.choice(nodes, size=n_devices)
    seeds = rng.integers(1, 2**62, size=n_devices)
    legs = _Legs()
    for i in range(n_devices):
        rows = random_walk(
            way.ptr, way.arc, way.head, graph.seg_length_mm.astype(np.int64), int(at[i]), float(start_ms), duration_s * 1e3,
            speed_mps, speed_spread, stop_share, np.uint64(int(seeds[i])),
        )  # fmt: skip
        legs.add(rows, device=i, track=i)
    width = len(str(max(n_devices - 1, 0)))
    passes = legs.passes(tuple(f"P{i:0{width}d}" for i in range(n_devices)), np.full(n_devices, mode, np.int8))
    last = np.searchsorted(passes.device_ix, np.arange(n_devices), "right") - 1
    return Movement(passes, np.full(n_devices, start_ms, np.int64), passes.leave_ms[last])


def random_patrols(
    graph: RoadGraph,
    n_devices: int,
    duration_s: float,
    speed_mps: float,
    *,
    interval_s: float,
    noise_m: float,
    rng: np.random.Generator,
    mode: Mode = Mode.VEHICLE,
    correlation_s: float = 0.0,
    speed_spread: float = 0.1,
    stop_share: float = 0.0,
) -> tuple[Passes, Observations]:
    """Truth and noisy fixes of random patrols: the input of matching benchmarks.

    Args:
        graph: any road graph.
        n_devices: how many devices.
        duration_s: how long each moves.
        speed_mps: mean speed.
        interval_s: time between fixes.
        noise_m: standard deviation of the error on each axis.
        rng: the only source of chance.
        mode: which arcs it may use.
        correlation_s: correlation time of the error, 0 for white noise; real receivers show 30-100 s.
        speed_spread: see `random_movement`.
        stop_share: see `random_movement`.

    Returns:
        The true passes, and the fixes in the graph's CRS sorted by device and time.
    """
    moved = random_movement(
        graph, n_devices, duration_s, speed_mps, rng=rng, mode=mode, speed_spread=speed_spread, stop_share=stop_share
    )
    plain = Degradation(interval_s=interval_s, noise_m=noise_m, correlation_s=correlation_s)
    return moved.passes, degrade(graph, moved, plain, rng=rng)
