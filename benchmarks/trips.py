"""Patrols with a goal: shortest ways through chance places, as an inspector moves who has a list to work through.

`gis.simulate.random_patrols` turns at random at every crossing; both kinds are measured, since a matcher that trusts shortest ways may do
well on one and fail on the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gis.degrade import Degradation, degrade
from gis.matching.paths import make_arcs, make_scratch, search
from gis.matching.plan import make_plan
from gis.model import Mode, Passes
from gis.simulate import Movement, arcs_of

if TYPE_CHECKING:
    from gis.degrade import Observations
    from gis.network.model import RoadGraph

START_MS = 1_773_795_600_000


def trips(
    graph: RoadGraph, devices: int, duration_s: float, speed_mps: float, *, interval_s: float, noise_m: float, rng: np.random.Generator,
    mode: Mode = Mode.VEHICLE, reach_m: float = 3000.0,
) -> tuple[Passes, Observations]:  # fmt: skip
    """Truth and noisy fixes (white noise) of devices that travel the shortest way to one chance place after another."""
    plan = make_plan(graph)
    arcs = make_arcs(plan, oneway=mode == Mode.VEHICLE)
    work = make_scratch(graph.node_count, len(arcs.length))
    rows: list[tuple[int, int, int, int, int, int]] = []
    strong = _strong_nodes(graph, mode, plan.node_x, plan.node_y)
    for device in range(devices):
        node, clock = int(rng.choice(strong)), float(START_MS)
        while clock < START_MS + duration_s * 1e3:
            found = work.settled[: search(arcs, node, int(reach_m * 1000), work)]
            goals = found[np.isin(found, strong)][1:]
            if not len(goals):  # a lonely place
                rows = [r for r in rows if r[0] != device]
                node, clock = int(rng.choice(strong)), float(START_MS)
                continue
            way = []
            at = goal = int(rng.choice(goals))
            while at != node:
                way.append(int(work.last[at]))
                at = int(arcs.tail[way[-1]])
            for arc in reversed(way):
                speed = speed_mps * float(np.exp(rng.normal(0.0, 0.1)))
                seg, length = arc >> 1, int(arcs.length[arc])
                against = bool(arc & 1) != bool(plan.flipped[seg])
                leave = clock + length / speed
                a, b = (length, 0) if against else (0, length)
                rows.append((device, int(plan.source_seg[seg]), a, b, round(clock), round(leave)))
                clock = leave
            node = goal
    d, s, a, b, enter, leave = np.array(rows, np.int64).T
    i4 = np.int32
    width = len(str(devices))
    truth = Passes(
        s.astype(i4), a.astype(i4), b.astype(i4), enter, leave, d.astype(i4), d.astype(i4), enter, leave,
        np.ones(len(s), bool), np.ones(len(s), np.float32), tuple(f"P{i:0{width}d}" for i in range(devices)),
        np.full(devices, mode, np.int8),
    )  # fmt: skip
    last = np.searchsorted(d, np.arange(devices), "right") - 1
    moved = Movement(truth, np.full(devices, START_MS, np.int64), leave[last])
    return truth, degrade(graph, moved, Degradation(interval_s=interval_s, noise_m=noise_m, correlation_s=0.0), rng=rng)


def _strong_nodes(graph: RoadGraph, mode: Mode, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Plan nodes in the largest strongly connected part."""
    way = arcs_of(graph, mode, strongly_connected=True)
    nodes = np.flatnonzero(np.diff(way.ptr))
    place = {(a, b): i for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True))}
    return np.array([place[graph.node_x[n], graph.node_y[n]] for n in nodes])
