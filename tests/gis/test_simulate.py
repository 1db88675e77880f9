"""Simulated patrols: truth that joins up, one-ways obeyed, errors of the size asked for."""

from dataclasses import replace

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gis.degrade import Degradation, degrade, gauss_markov, ride_along
from gis.model import Mode
from gis.network.model import RoadGraph
from gis.simulate import Movement, Patroller, Task, along_segment, random_movement, random_patrols, simulate

DAY = 1_773_795_600_000


def grid_graph(side: int = 4, step_m: float = 100.0, *, oneway: dict[int, int] | None = None) -> RoadGraph:
    """A square grid of `side` x `side` nodes; segments are first the horizontal ones row by row, then the vertical ones."""
    x, y = (a.ravel() * step_m for a in np.meshgrid(np.arange(side), np.arange(side)))
    ix = np.arange(side * side).reshape(side, side)
    u = np.concatenate([ix[:, :-1].ravel(), ix[:-1].ravel()]).astype(np.int32)
    v = np.concatenate([ix[:, 1:].ravel(), ix[1:].ravel()]).astype(np.int32)
    one = np.zeros(len(u), np.int8)
    for s, d in (oneway or {}).items():
        one[s] = d
    ends = np.stack([u, v], axis=1).ravel()
    mm = int(step_m * 1000)
    return RoadGraph(
        crs=pyproj.CRS.from_epsg(4550), node_x=x, node_y=y, seg_u=u, seg_v=v, seg_oneway=one,
        seg_length_mm=np.full(len(u), mm, np.int32), seg_tunnel=np.zeros(len(u), np.bool_),
        vert_ptr=np.arange(0, 2 * len(u) + 1, 2, dtype=np.int32), vert_x=x[ends], vert_y=y[ends],
        vert_mm=np.tile(np.array([0, mm], np.int32), len(u)),
    )  # fmt: skip


def walker(segments, *, mode=Mode.FOOT, speed=1.0, rounds=1, minutes=60, device="A", **more):
    task = Task(DAY, DAY + minutes * 60_000, np.array(segments), rounds)
    return Patroller(device, mode, speed, (task,), **{"speed_spread": 0.0, "stop_share": 0.0, **more})


def test_two_segments_in_a_row_take_two_hundred_seconds_at_one_metre_a_second():
    # segments 0 (node 0 to 1) and 1 (node 1 to 2) of the first row, 100 m each at 1 m/s: 100 s and 100 s
    p = simulate(grid_graph(), [walker([0, 1])], rng=np.random.default_rng(0)).passes
    assert p.segment_ix.tolist() == [0, 1]
    assert p.from_mm.tolist() == [0, 0]
    assert p.to_mm.tolist() == [100_000, 100_000]
    assert (p.enter_ms - DAY).tolist() == [0, 100_000]
    assert (p.leave_ms - DAY).tolist() == [100_000, 200_000]


def test_a_vehicle_goes_round_a_one_way_street_that_a_walker_enters():
    # Segment 0 may only be driven from node 1 to node 0. Both have to pass segment 12 (node 0 to 4, first) and then segment 0:
    # they start at segment 0's usable end, so ask for 3 (node 4 to 5) before: a task of its own fixes where they stand.
    graph = grid_graph(oneway={0: -1})
    for mode, way in ((Mode.FOOT, "either"), (Mode.VEHICLE, "against")):
        tasks = (Task(DAY, DAY + 3_600_000, np.array([12]), 1), Task(DAY, DAY + 3_600_000, np.array([0]), 1))
        p = simulate(graph, [Patroller("A", mode, 5.0, tasks, 0.0, 0.0)], rng=np.random.default_rng(0)).passes
        on = p.segment_ix == 0
        assert on.any()
        if way == "against":
            assert (p.from_mm[on] > p.to_mm[on]).all()


def test_what_is_left_out_is_not_passed_on_purpose_and_all_else_is():
    graph = grid_graph()
    wanted = np.setdiff1d(np.arange(graph.segment_count), [5])
    p = simulate(graph, [walker(wanted, minutes=600)], rng=np.random.default_rng(0)).passes
    assert set(wanted) <= set(p.segment_ix.tolist())


def test_rounds_go_on_until_the_window_ends_and_stop_there():
    # One segment of 100 m at 1 m/s for 10 minutes: to and fro, 6 passes of 100 s
    p = simulate(grid_graph(), [walker([0], rounds=0, minutes=10)], rng=np.random.default_rng(0)).passes
    assert len(p.segment_ix) == 6
    assert int(p.leave_ms[-1]) - DAY == 600_000


def test_unreachable_segments_are_left_out():
    # A vehicle cannot enter segment 0 from node 0 when every other way to node 1 is one-way out of it
    graph = grid_graph(side=2, oneway={0: -1, 1: -1, 2: 1, 3: -1})
    p = simulate(graph, [walker([0, 1, 2, 3], mode=Mode.VEHICLE, rounds=0)], rng=np.random.default_rng(0)).passes
    assert len(p.segment_ix) < 4_000


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(Mode)), st.floats(0.0, 0.3), st.floats(0.0, 0.5))
def test_a_random_walk_is_continuous_in_place_and_time_and_obeys_one_ways(seed, mode, spread, stops):
    graph = grid_graph(oneway={0: 1, 3: -1, 14: 1})
    moved = random_movement(
        graph, 3, 900, 3.0, rng=np.random.default_rng(seed), mode=mode, speed_spread=spread, stop_share=stops
    )
    p = moved.passes
    same = p.device_ix[1:] == p.device_ix[:-1]
    x0, y0 = along_segment(graph, p.segment_ix, p.from_mm.astype(float))
    x1, y1 = along_segment(graph, p.segment_ix, p.to_mm.astype(float))
    assert np.allclose(x1[:-1][same], x0[1:][same])
    assert np.allclose(y1[:-1][same], y0[1:][same])
    assert (p.leave_ms >= p.enter_ms).all()
    assert (p.enter_ms[1:][same] >= p.leave_ms[:-1][same]).all()
    assert (p.leave_ms[np.r_[~same, True]] >= DAY + 900_000 - 1).all()
    if mode != Mode.FOOT:
        way = np.sign(p.to_mm - p.from_mm)
        bound = graph.seg_oneway[p.segment_ix] != 0
        assert (way[bound] == graph.seg_oneway[p.segment_ix][bound]).all()


def test_the_same_seed_gives_the_same_fixes_and_another_seed_others():
    one, two, other = (
        random_patrols(grid_graph(), 4, 600, 3.0, interval_s=10, noise_m=8, rng=np.random.default_rng(s))[1]
        for s in (1, 1, 2)
    )
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.t_ms, two.t_ms)
    assert not np.array_equal(one.x[:50], other.x[:50])


@pytest.mark.parametrize("noise_m", [3.0, 8.0, 30.0])
def test_noise_has_the_deviation_asked_for_and_the_correlation_of_its_model(noise_m):
    _, seen = random_patrols(
        grid_graph(8), 40, 3600, 3.0, interval_s=10, noise_m=noise_m, correlation_s=60.0, rng=np.random.default_rng(3)
    )
    error = seen.x - seen.true_x
    # 14,400 fixes of correlation 0.85 are worth about 1,200 independent ones: the deviation is known to about 2 %
    assert error.std() == pytest.approx(noise_m, rel=0.08)
    same = seen.device_ix[1:] == seen.device_ix[:-1]
    lag = np.corrcoef(error[1:][same], error[:-1][same])[0, 1]
    assert lag == pytest.approx(np.exp(-10 / 60), abs=0.03)


def test_white_noise_has_no_correlation():
    device, t = np.zeros(20_000, np.int32), np.arange(20_000, dtype=np.int64) * 1000
    drawn = gauss_markov(device, t, correlation_s=0.0, rng=np.random.default_rng(0))
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.03


def test_a_silent_device_sends_nothing_in_its_silence_and_a_phone_in_a_drawer_stands_still():
    graph = grid_graph()
    moved = random_movement(graph, 2, 3600, 1.4, rng=np.random.default_rng(5))
    quiet, drawer = (0, DAY + 600_000, DAY + 1_800_000), (1, DAY + 600_000, DAY + 1_800_000)
    how = Degradation(interval_s=5, noise_m=0.0, silences=(quiet,), drawers=(drawer,))
    seen = degrade(graph, moved, how, rng=np.random.default_rng(0))
    inside = (seen.t_ms >= quiet[1]) & (seen.t_ms < quiet[2])
    assert not (inside & (seen.device_ix == 0)).any()
    still = inside & (seen.device_ix == 1)
    assert still.sum() == 240
    assert np.ptp(seen.x[still]) == 0
    assert np.ptp(seen.x[~inside & (seen.device_ix == 1)]) > 0


def test_a_device_that_made_no_pass_sends_nothing():
    graph = grid_graph()
    moved = simulate(graph, [walker([0, 1])], rng=np.random.default_rng(0))
    passes = replace(moved.passes, devices=("A", "B"), mode=np.zeros(2, np.int8))
    both = Movement(passes, np.repeat(moved.starts_ms, 2), np.repeat(moved.ends_ms, 2))
    seen = degrade(graph, both, Degradation(interval_s=5, noise_m=0.0), rng=np.random.default_rng(0))
    assert len(seen.t_ms) > 0
    assert set(seen.device_ix.tolist()) == {0}


def test_dropouts_take_the_share_of_time_that_their_rate_and_length_give():
    graph = grid_graph()
    moved = random_movement(graph, 60, 4 * 3600, 3.0, rng=np.random.default_rng(5))
    how = Degradation(interval_s=10, noise_m=0.0, dropouts_per_hour=2.0, dropout_s=300.0)
    kept = len(degrade(graph, moved, how, rng=np.random.default_rng(1)).t_ms)
    whole = len(degrade(graph, moved, Degradation(interval_s=10, noise_m=0.0), rng=np.random.default_rng(1)).t_ms)
    # silences start as a Poisson process of 2/h and last 1/12 h on average: at any time none is on with probability exp(-1/6)
    assert kept / whole == pytest.approx(np.exp(-1 / 6), abs=0.03)


def test_jumps_duplicates_and_late_fixes_come_in_the_shares_asked_for():
    graph = grid_graph()
    moved = random_movement(graph, 20, 4 * 3600, 3.0, rng=np.random.default_rng(5))
    how = Degradation(interval_s=5, noise_m=5.0, jump_share=0.02, duplicate_share=0.03, late_share=0.05)
    seen = degrade(graph, moved, how, rng=np.random.default_rng(1))
    far = np.hypot(seen.x - seen.true_x, seen.y - seen.true_y) > 250
    assert far.mean() == pytest.approx(0.02, abs=0.003)
    same = (np.diff(seen.t_ms) == 0) & (np.diff(seen.device_ix) == 0)
    assert same.mean() == pytest.approx(0.03 / 1.03, abs=0.003)
    assert (seen.arrived_ms - seen.t_ms > 50_000).mean() == pytest.approx(0.05, abs=0.005)


def test_no_fix_in_a_tunnel():
    graph = grid_graph()
    graph.seg_tunnel[:] = np.arange(graph.segment_count) == 0
    moved = simulate(graph, [walker([0, 1])], rng=np.random.default_rng(0))
    seen = degrade(graph, moved, Degradation(interval_s=1, noise_m=0.0), rng=np.random.default_rng(0))
    moving = seen.t_ms < DAY + 200_000
    assert seen.true_x[moving].min() >= 100.0


def test_two_phones_in_one_car_go_the_same_way_with_errors_of_their_own():
    graph = grid_graph()
    moved = random_movement(graph, 2, 600, 5.0, rng=np.random.default_rng(5))
    seen = degrade(graph, moved, Degradation(interval_s=5, noise_m=4.0), rng=np.random.default_rng(1))
    both = ride_along(seen, {"A0": 1}, rng=np.random.default_rng(2), noise_m=4.0)
    assert both.devices == ("A0", "P0", "P1")
    a, b = both.device_ix == 0, both.device_ix == 2
    assert a.sum() == b.sum()
    assert np.allclose(both.true_x[a], both.true_x[b])
    assert not np.allclose(both.x[a], both.x[b])
    assert both.mode.tolist() == [2, 2, 2]
