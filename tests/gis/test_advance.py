"""Net advance: what noise moves to and fro is no way; what was walked both ways counts both ways; who stays goes nowhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hand_network import X0, Y0, Go, Sec, Seg, make_network, make_passes, ms

from gis.advance import net_advance
from gis.model import Fixes, Mode
from gis.stillness import Stays, stays_of

NETWORK = make_network(
    [Sec("A", "a", "branch", "road.branch"), Sec("B", "b", "branch", "road.branch")],
    [Seg("a1", "A", (0, 0), (1000, 0), (0, 1000)), Seg("b1", "B", (1000, 0), (1000, 500), (0, 500))],
)
NONE = np.zeros(0)
START = ms("2026-03-18 09:00")


def stays(noise_m=5.0, spans=()):
    starts, ends = (np.array([s[i] for s in spans], dtype=np.int64) for i in (0, 1))
    zero = np.zeros(len(spans))
    return Stays(("d1",), np.array([0, len(spans)]), starts, ends, zero, zero, np.array([noise_m]))


def no_fixes():
    i = np.zeros(0, np.int32)
    return Fixes(i, np.zeros(0, np.int64), NONE, NONE, np.zeros(0, np.uint16), i, ("d1",), np.zeros(1, np.int8))


def way(*stops):
    """Joined passes through stops (segment, metres), ten seconds each; a change of segment takes no time."""
    goes, t = [], START
    for (s0, a), (s1, b) in pairwise(stops):
        if s0 == s1:
            goes.append(Go("d1", s0, a, b, t, t + 10_000))
            t += 10_000
    return make_passes(NETWORK, goes, {"d1": Mode.FOOT})


def metres(passes, **kind):
    return net_advance(passes, no_fixes(), stays(**kind), NETWORK.graph).sum() / 1000


WAYS = {  # a return below 30 m (six sigmas of 5 m) may be noise
    "straight on": ([("a1", 0), ("a1", 300), ("a1", 700)], 700),
    "a step back": ([("a1", 0), ("a1", 300), ("a1", 280), ("a1", 700)], 700),
    "steps back within steps back": ([("a1", 0), ("a1", 300), ("a1", 280), ("a1", 290), ("a1", 272), ("a1", 700)], 700),
    "up and down": ([("a1", 0), ("a1", 400), ("a1", 0)], 800),
    "up and down with noise": ([("a1", 0), ("a1", 200), ("a1", 185), ("a1", 400), ("a1", 100), ("a1", 120), ("a1", 0)], 800),
    "a return of 29 m at the end is noise": ([("a1", 0), ("a1", 400), ("a1", 371)], 371),
    "one of 31 m is not": ([("a1", 0), ("a1", 400), ("a1", 369)], 431),
    "jitter about a place": ([("a1", 500), ("a1", 512), ("a1", 495), ("a1", 510), ("a1", 500)], 0),
    "a few metres into another street and back": ([("a1", 900), ("a1", 1000), ("b1", 0), ("b1", 20), ("b1", 0), ("a1", 1000), ("a1", 995)], 95),
    "round the corner and back": ([("a1", 900), ("a1", 1000), ("b1", 0), ("b1", 200), ("b1", 0), ("a1", 1000), ("a1", 900)], 600),
    "jitter on a corner": ([("a1", 990), ("a1", 1000), ("b1", 0), ("b1", 10), ("b1", 0), ("a1", 1000), ("a1", 990)], 0),
}  # fmt: skip


@pytest.mark.parametrize("case", WAYS)
def test_the_way_of_joined_passes(case):
    stops, expected = WAYS[case]
    assert metres(way(*stops)) == expected


def test_what_noise_explains_depends_on_the_noise():
    there_and_back = way(("a1", 0), ("a1", 400), ("a1", 300), ("a1", 400), ("a1", 600))
    assert metres(there_and_back, noise_m=3.0) == 800
    assert metres(there_and_back, noise_m=20.0) == 600


def test_a_stay_is_no_way():
    passes = way(("a1", 0), ("a1", 200), ("a1", 400), ("a1", 600))
    assert metres(passes, spans=[(START + 10_000, START + 20_000)]) == 400
    assert metres(passes, spans=[(START + 15_000, START + 20_000)]) == 500
    assert metres(passes, spans=[(START - 10_000, START + 100_000)]) == 0


def fixes_at(x, y, step_s, noise_m, correlation_s, seed):
    """Fixes of one device at places (metres, one each `step_s`) with noise of a receiver."""
    rng = np.random.default_rng(seed)
    t = START + np.arange(len(x)) * step_s * 1000
    drawn = rng.standard_normal((len(x), 2))
    keep = np.exp(-step_s / correlation_s) if correlation_s else 0.0
    error = drawn.copy()
    for i in range(1, len(x)):
        error[i] = keep * error[i - 1] + np.sqrt(1 - keep**2) * drawn[i]
    zero = np.zeros(len(x), np.int32)
    place = [X0 + x + noise_m * error[:, 0], Y0 + y + noise_m * error[:, 1]]
    return Fixes(zero, t, *place, np.zeros(len(x), np.uint16), zero, ("d1",), np.zeros(1, np.int8))


@pytest.mark.parametrize("step_s", [1, 5, 10, 30])
@pytest.mark.parametrize("noise_m", [3, 8, 15, 30])
@pytest.mark.parametrize("correlation_s", [0, 60])
def test_a_device_that_lies_still_is_told_at_any_noise(step_s, noise_m, correlation_s):
    hours = 3
    still = np.zeros(hours * 3600 // step_s)
    found = stays_of(fixes_at(still, still, step_s, noise_m, correlation_s, seed=noise_m + step_s))
    assert (found.end_ms - found.start_ms).sum() > 0.95 * hours * 3_600_000


@pytest.mark.parametrize("speed", [0.8, 1.3, 4.0, 8.0])
@pytest.mark.parametrize("noise_m", [3, 8, 15])
@pytest.mark.parametrize("length", [400, 2000])
def test_who_goes_up_and_down_a_street_does_not_lie_still(speed, noise_m, length):
    t = np.arange(0, 3600, 10)
    along = np.abs((t * speed + length) % (2 * length) - length)
    assert not len(stays_of(fixes_at(along, 0 * along, 10, noise_m, 60, seed=1)).start_ms)


def test_ten_minutes_at_a_post_are_a_stay_and_the_way_about_it_is_none():
    x = np.concatenate(
        [np.arange(0, 600, 13.0), np.full(60, 600.0), np.arange(600, 1200, 13.0)]
    )  # a fix in ten seconds
    found = stays_of(fixes_at(x, 0 * x, 10, 4, 60, seed=2))
    assert len(found.start_ms) == 1
    assert abs(found.end_ms[0] - found.start_ms[0] - 600_000) < 300_000


def test_time_in_stays_before_a_moment():
    of = stays(spans=[(START, START + 1000), (START + 5000, START + 7000)])
    times = START + np.array([-5, 0, 500, 1000, 3000, 5000, 6500, 9000])
    assert of.before(np.zeros(8, np.int64), times).tolist() == [0, 0, 500, 1000, 1000, 1000, 2500, 3000]
    assert of.before(np.full(2, -1), times[:2]).tolist() == [0, 0]
