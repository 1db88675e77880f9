"""Map matching on small networks whose answers can be read off a sketch, and what must hold on any network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyproj
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gis.degrade import gauss_markov
from gis.matching import Matcher, MatchSettings
from gis.matching.kernel import make_states, thin
from gis.matching.paths import FAR, find, make_arcs, make_scratch, make_table, search
from gis.matching.plan import make_plan
from gis.model import Fixes, FixFlag, Mode
from gis.network.model import RoadGraph

CRS = pyproj.CRS.from_epsg(4550)


def graph_of(nodes, segments):
    """Nodes (x, y); segments (u, v, oneway) or (u, v, oneway, inner vertices), or with a fifth item True: a tunnel."""
    xs, ys, mm, ptr = [], [], [], [0]
    for u, v, _, *rest in segments:
        line = np.array([nodes[u], *(rest[0] if rest else []), nodes[v]], float)
        steps = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        xs.extend(line[:, 0])
        ys.extend(line[:, 1])
        mm.extend(np.maximum(np.rint(steps * 1000), 0))
        mm[-1] = max(mm[-1], 1)
        ptr.append(len(xs))
    ptr = np.array(ptr, np.int32)
    mm = np.array(mm, np.int32)
    return RoadGraph(
        CRS, np.array([n[0] for n in nodes], float), np.array([n[1] for n in nodes], float),
        np.array([s[0] for s in segments], np.int32), np.array([s[1] for s in segments], np.int32),
        np.array([s[2] for s in segments], np.int8), mm[ptr[1:] - 1],
        np.array([len(s) > 4 and s[4] for s in segments]), ptr, np.array(xs, float), np.array(ys, float), mm,
    )  # fmt: skip


def fixes_of(points, *, step_s=10, mode=Mode.VEHICLE, times=None):
    x, y = np.array(points, float).T
    n = len(x)
    t = np.asarray(times, np.int64) * 1000 if times is not None else np.arange(n, dtype=np.int64) * step_s * 1000
    z = np.zeros(n, np.int32)
    return Fixes(z, t, x, y, np.zeros(n, np.uint16), z.copy(), ("a",), np.array([mode], np.int8))


def match(graph, points, *, options=None, **kw):
    return Matcher(graph, settings=options).match(fixes_of(points, **kw))


def rows(p):
    """Segment, from and to in whole metres."""
    return [
        (int(s), round(a / 1000), round(b / 1000)) for s, a, b in zip(p.segment_ix, p.from_mm, p.to_mm, strict=True)
    ]


def line(a, b, n, noise=()):
    """n points from a to b; noise shifts them across, in turn."""
    a, b = np.array(a, float), np.array(b, float)
    along = (b - a) / np.hypot(*(b - a))
    out = []
    for i, share in enumerate(np.linspace(0, 1, n)):
        off = noise[i % len(noise)] if noise else 0.0
        out.append(tuple(a + share * (b - a) + off * np.array([-along[1], along[0]])))
    return out


# A cross: 0 west, 1 centre, 2 east, 3 north; 200 m arms.
CROSS = ([(0, 0), (200, 0), (400, 0), (200, 200)], [(0, 1, 0), (1, 2, 0), (1, 3, 0)])


def test_straight_street_with_noise_across():
    """Eleven fixes, 30 m apart, from 10 m to 310 m of a 400 m street: one pass from 10 m to 310 m, 100 s long."""
    g = graph_of([(0, 0), (400, 0)], [(0, 1, 0)])
    p = match(g, line((10, 0), (310, 0), 11, (4, -6, 2)))
    assert rows(p) == [(0, 10, 310)]
    assert (p.enter_ms[0], p.leave_ms[0]) == (0, 100_000)
    assert (p.first_fix_ms[0], p.last_fix_ms[0]) == (0, 100_000)
    assert p.seen.all()
    assert p.confidence[0] > 0.95


def test_crossing_turns_left_and_times_are_interpolated():
    """Fixes every 10 s at 5 m/s: at 160 m, then 10 m up the north arm (50 m of way): the node is passed after 40 m, 8 s later."""
    p = match(graph_of(*CROSS), [(60, 0), (110, 0), (160, 0), (200, 10), (200, 60), (200, 110)])
    assert rows(p) == [(0, 60, 200), (2, 0, 110)]
    assert p.leave_ms[0] == p.enter_ms[1] == 28_000
    assert (p.last_fix_ms[0], p.first_fix_ms[1]) == (30_000, 20_000)


def test_a_crossing_street_is_not_entered():
    """A fix thrown 12 m up the side street while driving straight on makes no metre there."""
    p = match(graph_of(*CROSS), [(100, 0), (150, 3), (200, 12), (250, 2), (300, 0)])
    assert rows(p) == [(0, 100, 200), (1, 0, 100)]


def test_service_road_beside_a_main_road_lowers_confidence():
    """Two parallel streets 12 m apart, joined at the ends; fixes lie in the middle between them, or clearly on the upper one."""
    nodes = [(0, 0), (400, 0), (0, 12), (400, 12)]
    g = graph_of(nodes, [(0, 1, 0), (2, 3, 0), (0, 2, 0), (1, 3, 0)])
    between = match(g, line((50, 6.5), (350, 6.5), 7))
    clear = match(g, line((50, 22), (350, 22), 7))
    assert {int(s) for s in clear.segment_ix} == {1}
    assert clear.confidence.min() > 0.9
    assert between.confidence.max() < 0.75
    assert between.confidence.max() < clear.confidence.min() - 0.15


def test_oneway_binds_vehicles_not_walkers():
    """Going west on a street that is one-way east, with a two-way detour 60 m south: a walker is on it, a vehicle cannot be."""
    nodes = [(0, 0), (300, 0), (0, -60), (300, -60)]
    g = graph_of(nodes, [(0, 1, 1), (2, 3, 0), (0, 2, 0), (1, 3, 0)])
    points = [(340, -20), *line((290, -20), (10, -20), 8), (-40, -20)]
    walker = match(g, points, mode=Mode.FOOT, step_s=30)
    vehicle = match(g, points, mode=Mode.VEHICLE)
    assert (0, 290, 10) in [(s, max(a, b), min(a, b)) for s, a, b in rows(walker)] or 0 in walker.segment_ix
    assert all(b >= a for s, a, b in rows(vehicle) if s == 0)
    back = [(s, a, b) for s, a, b in rows(walker) if s == 0]
    assert sum(a - b for _, a, b in back) > 200


def test_uturn_in_a_street():
    """Out 200 m and back: both ways are passed, and the pass back runs against the segment."""
    g = graph_of([(0, 0), (400, 0)], [(0, 1, 0)])
    p = match(g, [*line((50, 0), (250, 0), 5), *line((200, 0), (50, 0), 4)])
    assert rows(p) == [(0, 50, 250), (0, 250, 50)]


def test_roundabout_is_driven_round():
    """A one-way ring of eight pieces, radius 40 m, counter-clockwise; arms east and west: from east to west over the north half."""
    ring = [(40 * np.cos(k * np.pi / 4), 40 * np.sin(k * np.pi / 4)) for k in range(8)]
    nodes = [*ring, (240, 0), (-240, 0)]
    segs = [(k, (k + 1) % 8, 1) for k in range(8)] + [(8, 0, 0), (9, 4, 0)]
    p = match(graph_of(nodes, segs), [(200, 0), (150, 0), (100, 0), (50, 2), (10, 40), (-35, 20), (-80, 0), (-130, 0)])
    assert [s for s, *_ in rows(p)] == [8, 0, 1, 2, 3, 9]


def test_tunnel_and_silence_do_not_break_a_track():
    """No fix for 200 s over a 600 m tunnel: the way through is kept whole, but inferred, not seen."""
    nodes = [(0, 0), (300, 0), (900, 0), (1200, 0)]
    g = graph_of(nodes, [(0, 1, 0), (1, 2, 0, [], True), (2, 3, 0)])
    points = [*line((50, 0), (250, 0), 5), *line((950, 0), (1150, 0), 5)]
    p = match(g, points, times=[0, 10, 20, 30, 40, 240, 250, 260, 270, 280])
    assert rows(p) == [(0, 50, 250), (0, 250, 300), (1, 0, 600), (2, 0, 50), (2, 50, 250)]
    assert p.seen.tolist() == [True, False, False, False, True]


def test_a_way_with_an_equal_rival_is_inferred():
    """A block of 100 m: from one corner to the opposite one with no fix between, both ways round are 200 m."""
    nodes = [(0, 0), (100, 0), (100, 100), (0, 100), (-200, 0), (300, 100)]
    g = graph_of(nodes, [(0, 1, 0), (1, 2, 0), (3, 2, 0), (0, 3, 0), (4, 0, 0), (2, 5, 0)])
    p = match(g, [(-150, 0), (-100, 0), (-50, 0), (150, 100), (200, 100)], step_s=30)
    state = {int(s): bool(ok) for s, ok in zip(p.segment_ix, p.seen, strict=True) if s < 4}
    assert state
    assert not any(state.values())
    assert p.confidence[~p.seen].max() < 0.6


def test_standing_makes_no_metres():
    """Forty fixes of jitter around a place 100 m along, flagged as a stay: no metre, then 150 m of way."""
    g = graph_of([(0, 0), (400, 0)], [(0, 1, 0)])
    rng = np.random.default_rng(3)
    still = np.column_stack([100 + rng.normal(0, 6, 40), rng.normal(0, 6, 40)])
    f = fixes_of([*map(tuple, still), (150, 0), (200, 0), (250, 0)])
    flags = f.flags.copy()
    flags[:40] = FixFlag.STATIONARY
    p = Matcher(g).match(replace(f, flags=flags))
    assert len(p.segment_ix) == 1
    assert abs(p.from_mm[0] - 100_000) < 4_000
    assert p.to_mm[0] == 250_000
    assert p.enter_ms[0] == 390_000
    only = Matcher(g).match(replace(fixes_of([*map(tuple, still)]), flags=flags[:40]))
    assert len(only.segment_ix) == 0


def test_jitter_that_is_not_flagged_makes_few_metres():
    """The same jitter unflagged: the distinct length stays within the spread of the noise."""
    g = graph_of([(0, 0), (400, 0)], [(0, 1, 0)])
    rng = np.random.default_rng(4)
    p = match(g, list(zip(100 + rng.normal(0, 5, 40), rng.normal(0, 5, 40), strict=True)))
    low, high = np.minimum(p.from_mm, p.to_mm).min(), np.maximum(p.from_mm, p.to_mm).max()
    assert high - low < 30_000


def test_parallel_and_very_short_segments_are_tolerated():
    """Two copies of one street, and a segment of one millimetre between its halves."""
    nodes = [(0, 0), (200, 0), (200, 0), (400, 0)]
    g = graph_of(nodes, [(0, 1, 0), (0, 1, 0), (1, 2, 0), (2, 3, 0)])
    p = match(g, line((50, 1), (350, 1), 7))
    assert {s for s, *_ in rows(p)} - {2} in ({0, 3}, {1, 3})
    assert p.seen.all()


def test_far_from_every_street_nothing_is_matched():
    assert len(match(graph_of(*CROSS), [(0, 900), (50, 900), (100, 900)]).segment_ix) == 0


def test_no_fixes_and_no_tracks():
    empty = np.zeros(0)
    f = Fixes(
        empty.astype(np.int32),
        empty.astype(np.int64),
        empty,
        empty,
        empty.astype(np.uint16),
        empty.astype(np.int32),
        (),
        empty.astype(np.int8),
    )
    assert len(Matcher(graph_of(*CROSS)).match(f).segment_ix) == 0
    one = match(graph_of(*CROSS), [(50, 0)])
    assert len(one.segment_ix) == 0


# --- shortest paths ---
@pytest.mark.parametrize("oneway", [True, False])
def test_table_agrees_with_the_search(oneway):
    g = town(np.random.default_rng(5), 5)
    plan = make_plan(g)
    arcs = make_arcs(plan, oneway=oneway)
    table = make_table(arcs, bound_m=400.0)
    work = make_scratch(g.node_count, len(arcs.length))
    for source in range(g.node_count):
        found = search(arcs, source, 400_000, work)
        near = set(work.settled[:found].tolist())
        for target in range(g.node_count):
            k = find(table, source, target)
            assert (k >= 0) == (target in near)
            if k >= 0:
                assert table.slot[k, 1] == work.length[target]


def test_slack_is_the_extra_length_of_the_second_way():
    """Two ways from 0 to 1: 100 m and 140 m (over a node 70 m off each end): the slack is 40 m, and 255 where no other way is."""
    h = np.sqrt(70**2 - 50**2)
    g = graph_of([(0, 0), (100, 0), (50, h), (200, 0)], [(0, 1, 0), (0, 2, 0), (2, 1, 0), (1, 3, 0)])
    plan = make_plan(g)
    table = make_table(make_arcs(plan, oneway=True), bound_m=500.0)
    at = {(round(x), round(y)): n for n, (x, y) in enumerate(zip(plan.node_x, plan.node_y, strict=True))}
    k = find(table, at[0, 0], at[200, 0])
    assert table.slot[k, 1] == 200_000
    assert table.slot[k, 3] in (39, 40)
    assert table.slot[find(table, at[100, 0], at[200, 0]), 3] == 255
    assert table.bound_mm < FAR


# --- properties ---
def town(rng, side, *, turned=None):
    """side × side crossings about 100 m apart, some streets missing, some one-way; `turned` reverses these segments."""
    n = side * side
    row, col = np.divmod(np.arange(n), side)
    nodes = list(zip(col * 100 + rng.normal(0, 12, n), row * 100 + rng.normal(0, 12, n), strict=True))
    pairs = [(i, i + 1) for i in range(n) if i % side < side - 1] + [(i, i + side) for i in range(n - side)]
    segs = [(a, b, int(rng.choice([0, 0, 0, 1, -1]))) for a, b in pairs if rng.random() > 0.15]
    if turned is not None:
        segs = [(b, a, -w) if turned[k % len(turned)] else (a, b, w) for k, (a, b, w) in enumerate(segs)]
    return graph_of(nodes, segs)


def wander(rng, n):
    heading = np.cumsum(rng.normal(0, 0.4, n)) + rng.uniform(0, 6)
    step = rng.uniform(10, 70, n)
    x = np.clip(200 + np.cumsum(step * np.cos(heading)), -20, 420)
    y = np.clip(200 + np.cumsum(step * np.sin(heading)), -20, 420)
    return np.column_stack([x, y])


def columns(p):
    return [getattr(p, name) for name in type(p).__slots__ if name not in {"devices", "mode"}]


SLOWLY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(Mode)))
@SLOWLY
def test_passes_join_stay_in_range_and_run_forward_in_time(seed, mode):
    rng = np.random.default_rng(seed)
    g = town(rng, 5)
    f = fixes_of(wander(rng, 30), mode=mode)
    p = Matcher(g).match(f)
    length = g.seg_length_mm[p.segment_ix]
    assert ((p.from_mm >= 0) & (p.from_mm <= length) & (p.to_mm >= 0) & (p.to_mm <= length)).all()
    assert (p.from_mm != p.to_mm).all()
    assert (p.leave_ms >= p.enter_ms).all()
    assert (p.first_fix_ms <= p.enter_ms).all()
    assert (p.last_fix_ms >= p.leave_ms).all()
    assert (p.enter_ms[1:] >= p.leave_ms[:-1]).all()
    assert ((p.confidence > 0) & (p.confidence <= 1)).all()
    end = np.where(p.to_mm == length, g.seg_v[p.segment_ix], np.where(p.to_mm == 0, g.seg_u[p.segment_ix], -1))
    begin = np.where(p.from_mm == 0, g.seg_u[p.segment_ix], np.where(p.from_mm == length, g.seg_v[p.segment_ix], -1))
    for k in range(len(p.segment_ix) - 1):
        same = p.segment_ix[k] == p.segment_ix[k + 1] and p.to_mm[k] == p.from_mm[k + 1]
        at_node = end[k] >= 0 and end[k] == begin[k + 1]
        broken = p.first_fix_ms[k + 1] >= p.last_fix_ms[k]  # the chain was cut between two fixes that no way joins
        assert same or at_node or broken


@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=7, max_size=7))
@SLOWLY
def test_reversed_segments_give_the_same_coverage(seed, turned):
    """Every pass is the same, read from the other end where its segment was turned; nothing is even a millimetre off."""
    one = town(np.random.default_rng(seed), 5)
    two = town(np.random.default_rng(seed), 5, turned=turned)
    f = fixes_of(wander(np.random.default_rng(seed + 1), 25))
    p, q = Matcher(one).match(f), Matcher(two).match(f)
    np.testing.assert_array_equal(p.segment_ix, q.segment_ix)
    flip = np.array([turned[s % len(turned)] for s in q.segment_ix], bool)
    length = two.seg_length_mm[q.segment_ix]
    np.testing.assert_array_equal(p.from_mm, np.where(flip, length - q.from_mm, q.from_mm))
    np.testing.assert_array_equal(p.to_mm, np.where(flip, length - q.to_mm, q.to_mm))
    np.testing.assert_array_equal(p.enter_ms, q.enter_ms)
    np.testing.assert_array_equal(p.confidence, q.confidence)


@given(st.integers(0, 2**32 - 1))
@SLOWLY
def test_devices_do_not_touch_each_other(seed):
    """Matched together or one by one: the same passes."""
    rng = np.random.default_rng(seed)
    m = Matcher(town(rng, 5))
    one, two = fixes_of(wander(rng, 20)), fixes_of(wander(rng, 15), mode=Mode.FOOT)
    both = Fixes(
        np.r_[one.device_ix, two.device_ix + 1], np.r_[one.t_ms, two.t_ms], np.r_[one.x, two.x], np.r_[one.y, two.y],
        np.r_[one.flags, two.flags], np.r_[one.track_ix, two.track_ix + 1].astype(np.int32), ("a", "b"), np.r_[one.mode, two.mode],
    )  # fmt: skip
    p = m.match(both)
    for k, alone in enumerate((one, two)):
        q = m.match(alone)
        mine = p.device_ix == k
        for a, b in zip(columns(p), columns(q), strict=True):
            if a is p.device_ix or a is p.track_ix:
                continue
            np.testing.assert_array_equal(a[mine], b)


def test_few_candidates_still_give_a_route():
    options = MatchSettings(candidates=2)
    assert (
        rows(match(graph_of(*CROSS), [(60, 0), (110, 0), (160, 0), (200, 10), (200, 60)], options=options))[-1][0] == 2
    )


def test_track_numbers_may_have_gaps():
    """A caller who leaves out a track keeps the numbers of the others."""
    f = fixes_of([(60, 0), (110, 0), (160, 0)])
    p = Matcher(graph_of(*CROSS)).match(replace(f, track_ix=np.full(3, 7, np.int32)))
    assert rows(p) == [(0, 60, 160)]
    assert p.track_ix.tolist() == [7]


# --- fixes nearer than their noise ---
def kept(x, t_s, *, sigma=9.0, t_out_s=None):
    """Which of the fixes on a line keep their candidates; sigma 9 and the floor of 4 give 2 x 5 = 10 m."""
    x, t = np.array(x, float), np.array(t_s, np.int64) * 1000
    states = make_states(len(x), 12)
    states.count[:] = 1
    rules = Matcher(graph_of(*CROSS))._rules(Mode.FOOT)
    thin(states, rules, sigma, x, np.zeros(len(x)), t, t if t_out_s is None else np.array(t_out_s, np.int64) * 1000)
    return states.count.tolist()


def test_fixes_nearer_than_the_noise_are_left_out_until_ten_metres_are_made():
    assert kept([0, 4, 9, 11, 15, 22, 23], range(7)) == [1, 0, 0, 1, 0, 1, 1]  # the last one always stays


def test_a_fix_after_half_a_minute_is_kept_however_near():
    assert kept([0, 1, 2, 3, 4], [0, 20, 29, 30, 31]) == [1, 0, 0, 1, 1]


def test_a_stay_is_kept():
    assert kept([0, 1, 2, 3], [0, 1, 20, 21], t_out_s=[0, 15, 20, 21]) == [1, 1, 0, 1]


def test_where_noise_is_small_every_fix_is_kept():
    assert kept([0, 1, 2, 3], range(4), sigma=4.0) == [1, 1, 1, 1]


def test_a_walker_with_large_slow_noise_enters_fewer_side_streets():
    """400 m at 1 m/s along a street with a lane every 40 m, a fix a second, 20 m of noise with a correlation of a minute."""
    nodes = [(40.0 * k, 0.0) for k in range(11)] + [(40.0 * k, 80.0) for k in range(11)]
    g = graph_of(nodes, [(k, k + 1, 0) for k in range(10)] + [(k, k + 11, 0) for k in range(11)])
    rng = np.random.default_rng(5)
    astray = np.zeros(2)
    for _ in range(20):
        t = np.arange(401, dtype=np.int64)
        error = 20 * gauss_markov(np.zeros(401, np.int32), t * 1000, correlation_s=60.0, rng=rng)
        points = np.stack([t.astype(float), np.zeros(401)], axis=1) + error
        for k, options in enumerate((MatchSettings(near_sigma=0.0), None)):
            p = match(g, points, step_s=1, mode=Mode.FOOT, options=options)
            astray[k] += np.abs(p.to_mm.astype(np.int64) - p.from_mm)[p.segment_ix >= 10].sum() / 1000
    assert astray[1] < 0.4 * astray[0]
