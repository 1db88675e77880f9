"""Speed over a minute: counted by hand, and free of what other devices do."""

from dataclasses import replace

import numpy as np
from hand_network import Sec, Seg, make_network
from hypothesis import given
from hypothesis import strategies as st

from gis.coverage import SLOW
from gis.model import Passes
from gis.pace import pace
from gis.strokes import strokes_of
from layers.standard_files import load_standard

NETWORK = make_network([Sec("A", "road-a", "main", "road.main")], [Seg("a1", "A", (0, 0), (1000, 0), (0, 1000))])


def passes(rows, *, device=0, track=0):
    """Rows: metres moved, seconds entered, seconds left; one device on foot."""
    a = np.array(rows, dtype=np.float64).reshape(-1, 3)
    enter, leave = (a[:, 1] * 1000).astype(np.int64), (a[:, 2] * 1000).astype(np.int64)
    n = len(a)
    return Passes(
        segment_ix=np.zeros(n, np.int32), from_mm=np.zeros(n, np.int32), to_mm=(a[:, 0] * 1000).astype(np.int32), enter_ms=enter,
        leave_ms=leave, device_ix=np.full(n, device, np.int32), track_ix=np.full(n, track, np.int32), first_fix_ms=enter, last_fix_ms=leave,
        seen=np.ones(n, np.bool_), confidence=np.full(n, 0.99, np.float32), devices=("A", "B"), mode=np.zeros(2, np.int8),
    )  # fmt: skip


def both(a: Passes, b: Passes) -> Passes:
    names = [n for n in Passes.__slots__ if n not in {"devices", "mode"}]
    joined = {n: np.concatenate([getattr(a, n), getattr(b, n)]) for n in names}
    return Passes(**joined, devices=a.devices, mode=a.mode)


def test_a_minute_about_each_pass_counted_by_hand():
    walk = passes([(20, 0, 20), (60, 20, 30), (60, 30, 90), (0, 90, 90), (30, 100, 110), (25, 110, 110)])
    moved, took = pace(walk, over_ms=60_000)
    # 1: the minute about 10 s would begin before the track: 0-60 s, 20 + 60 m and half of the third's 60 m
    # 2: about 25 s, likewise 0-60 s; alone it would be 60 m in 10 s, 21.6 km/h
    # 3: lasts a minute itself: 60 m
    # 4: takes no time; the minute about 90 s would end after what joins up: 30-90 s
    # 5, 6: begin 10 s later, so nothing joins them to those before: 30 + 25 m in 10 s are all there is
    assert moved.tolist() == [110_000, 110_000, 60_000, 60_000, 55_000, 55_000]
    assert took.tolist() == [60_000, 60_000, 60_000, 60_000, 10_000, 10_000]
    alone, each = pace(walk, over_ms=0)
    assert (alone.tolist(), each.tolist()) == (
        [20_000, 60_000, 60_000, 0, 30_000, 25_000],
        [20_000, 10_000, 60_000, 0, 10_000, 0],
    )


def test_a_short_leap_of_a_walker_still_counts():
    walk = passes([(20, 0, 20), (60, 20, 30), (60, 30, 90), (400, 90, 150)])
    standard = load_standard("xiangshan-2019")
    slow = (strokes_of(NETWORK, walk, standard).flags & SLOW) > 0
    assert slow.tolist() == [
        True,
        True,
        True,
        False,
    ]  # 110 m a minute is 6.6 km/h, 400 m is 24: the limit on foot is 10
    measure = standard.measure.model_copy(update={"pace_s": standard.measure.pace_s.model_copy(update={"value": 0})})
    strict = standard.model_copy(update={"measure": measure})
    assert ((strokes_of(NETWORK, walk, strict).flags & SLOW) > 0).tolist() == [True, False, True, False]


steps = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 200), st.sampled_from([0, 0, 0, 7])), min_size=1, max_size=12
)


def track(rows, **where) -> Passes:
    clock, out = 0, []
    for moved, took, wait in rows:
        out.append((moved, clock + wait, clock + wait + took))
        clock += wait + took
    return passes(out, **where)


@given(a=steps, b=steps, over_s=st.integers(0, 300))
def test_no_device_changes_the_speed_of_another(a, b, over_s):
    one, other = track(a), track(b, device=1, track=1)
    together = pace(both(one, other), over_ms=over_s * 1000)
    for whole, x, y in zip(together, pace(one, over_ms=over_s * 1000), pace(other, over_ms=over_s * 1000), strict=True):
        assert whole.tolist() == [*x.tolist(), *y.tolist()]


@given(rows=steps, over_s=st.integers(1, 300))
def test_the_mean_lies_between_slowest_and_fastest_and_takes_the_time_asked_for(rows, over_s):
    walk = track([(m, max(t, 1), 0) for m, t, _ in rows])
    moved, took = pace(walk, over_ms=over_s * 1000)
    own = walk.leave_ms - walk.enter_ms
    total = walk.leave_ms[-1] - walk.enter_ms[0]
    assert took.tolist() == np.minimum(np.maximum(own, over_s * 1000), total).tolist()
    speed = np.abs(walk.to_mm.astype(np.int64)) / own
    assert (moved >= np.floor(speed.min() * took) - 1).all()
    assert (moved <= np.ceil(speed.max() * took) + 1).all()


@given(rows=steps, later_s=st.integers(0, 100_000))
def test_the_clock_does_not_matter(rows, later_s):
    walk = track(rows)
    later = replace(walk, enter_ms=walk.enter_ms + later_s * 1000, leave_ms=walk.leave_ms + later_s * 1000)
    for a, b in zip(pace(walk, over_ms=60_000), pace(later, over_ms=60_000), strict=True):
        assert a.tolist() == b.tolist()
