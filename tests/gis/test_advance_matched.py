"""Way of matched passes against what was really travelled: a town of streets 200 m apart, at every noise, interval and mode."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hand_network import CRS, Sec, Seg, make_network

from gis.advance import net_advance
from gis.degrade import Degradation, degrade
from gis.matching import Matcher
from gis.model import Mode
from gis.rehearsal import SPEED_MPS
from gis.simulate import Patroller, Task, simulate
from gis.stillness import stays_of
from gis.tracks import prepare_fixes

BLOCK_M, BLOCKS = 200, 6
START = 1_773_795_600_000
HOUR_MS = 3_600_000


def askew():
    """Streets 100 to 240 m apart that cross askew, one in eight left out: dead ends where a patrol turns back."""
    rng = np.random.default_rng(77)
    at = np.array([0, 110, 260, 380, 500, 740, 850, 1000.0])
    x, y = np.meshgrid(at, at, indexing="ij")
    x, y = x + rng.normal(0, 15, x.shape) + 0.3 * y, y + rng.normal(0, 15, y.shape)
    sections, segments = [], []
    for i, j in np.ndindex(x.shape):
        for di, dj in ((1, 0), (0, 1)):
            if i + di < len(at) and j + dj < len(at) and rng.random() >= 0.12:
                a, b = ((round(x[k], 1), round(y[k], 1)) for k in ((i, j), (i + di, j + dj)))
                name = f"s{i}-{j}-{di}"
                sections.append(Sec(name, name, "branch", "road.branch"))
                segments.append(Seg(name, name, a, b, (0, float(np.hypot(a[0] - b[0], a[1] - b[1])))))
    return make_network(sections, segments)


def town():
    sections, segments = [], []
    for i in range(BLOCKS + 1):
        for j in range(BLOCKS):
            for name, a, b in (
                (f"h{i}-{j}", (j * BLOCK_M, i * BLOCK_M), ((j + 1) * BLOCK_M, i * BLOCK_M)),
                (f"v{i}-{j}", (i * BLOCK_M, j * BLOCK_M), (i * BLOCK_M, (j + 1) * BLOCK_M)),
            ):
                sections.append(Sec(name, name, "branch", "road.branch"))
                segments.append(Seg(name, name, a, b, (0, BLOCK_M)))
    return make_network(sections, segments)


GRAPH = town().graph
ASKEW = askew().graph
MATCHERS = {id(graph): Matcher(graph) for graph in (GRAPH, ASKEW)}
TO_DEGREES = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)


def truth(mode, graph=GRAPH, seed=5):
    """An hour and a half of patrols of every street."""
    task = Task(START, START + HOUR_MS * 3 // 2, np.arange(graph.segment_count), 0)
    return simulate(graph, [Patroller("A", mode, SPEED_MPS[mode], (task,))], rng=np.random.default_rng(seed))


MOVED = {mode: truth(mode) for mode in Mode}


def km_of(moved, interval_s, noise_m, correlation_s=60.0, graph=GRAPH, **how):
    """Kilometres travelled, and of net advance as matched."""
    kinds = Degradation(interval_s=interval_s, noise_m=noise_m, correlation_s=correlation_s, **how)
    seen = degrade(graph, moved, kinds, rng=np.random.default_rng([int(noise_m), int(interval_s)]))
    lon, lat = TO_DEGREES.transform(seen.x, seen.y)
    names = np.array(seen.devices, dtype=object)[seen.device_ix]
    fixes = prepare_fixes(names, seen.t_ms, lon, lat, crs=graph.crs, mode={d: Mode(int(m)) for d, m in zip(seen.devices, seen.mode, strict=True)})  # fmt: skip
    passes = MATCHERS[id(graph)].match(fixes)
    true = np.abs(moved.passes.to_mm.astype(np.int64) - moved.passes.from_mm).sum() / 1e6
    return true, net_advance(passes, fixes, stays_of(fixes), graph).sum() / 1e6


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("noise_m", [3, 8, 15, 30])
@pytest.mark.parametrize("interval_s", [1, 5, 10, 30])
@pytest.mark.parametrize("correlation_s", [0.0, 60.0])
def test_the_way_is_what_was_travelled(mode, noise_m, interval_s, correlation_s):
    true, net = km_of(MOVED[mode], interval_s, noise_m, correlation_s)
    # Past 15 m of noise that lasts a minute, no mean of a minute is better than its fixes: 7 %.
    assert net == pytest.approx(true, rel=0.03 if noise_m <= 15 else 0.07)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("noise_m", [3, 15, 30])
def test_streets_that_no_constant_was_fitted_to(mode, noise_m):
    moved = truth(mode, ASKEW, seed=23)
    for interval_s in (1, 5, 10):
        true, net = km_of(moved, interval_s, noise_m, 0.0, graph=ASKEW)
        assert net == pytest.approx(true, rel=0.04 if noise_m <= 15 else 0.07), interval_s


@pytest.mark.parametrize("noise_m", [3, 8, 15, 30])
@pytest.mark.parametrize("interval_s", [1, 10, 30])
@pytest.mark.parametrize("correlation_s", [0.0, 60.0])
@pytest.mark.parametrize("mode", Mode)
def test_a_phone_parked_on_a_corner_all_day_went_nowhere(mode, noise_m, interval_s, correlation_s):
    _, net = km_of(MOVED[mode], interval_s, noise_m, correlation_s, drawers=((0, START - 1, START + 10**9),))
    assert net == 0.0
