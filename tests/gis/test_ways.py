"""Ways along streets, measured by hand on a town of four streets."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis.ways import distances_to, places_on, streets_of, ways_to


def town(oneway=(0, 0, 0, 0)):
    """A river between two roads 100 m apart, with one bridge at their eastern end.

    0: (0,0)-(1000,0), 1: the bridge (1000,0)-(1000,100), 2: (0,100)-(1000,100), 3: an island's road that nothing reaches.
    """
    lines = shapely.linestrings([
        [(0, 0), (1000, 0)], [(1000, 0), (1000, 100)], [(0, 100), (1000, 100)], [(0, 5000), (100, 5000)],
    ])  # fmt: skip
    u, v = np.array(["a", "b", "d", "x"], object), np.array(["b", "c", "c", "y"], object)
    return streets_of(lines, u, v, np.array([1000.0, 100.0, 1000.0, 100.0]), np.array(oneway))


def ways(streets, at, to, *, driving=False):
    segments = np.array([to])
    stands = places_on(streets, np.array(at, dtype=float))
    return ways_to(
        streets, stands, segments, distances_to(streets, segments, driving=driving), driving=driving
    ).tolist()


def test_over_the_river_is_far_although_it_is_near():
    # 10 m from road 0 at its western end: 100 m as the crow flies to road 2, and 10 + 990 + 100 by the bridge
    assert ways(town(), [(10, 10)], 2) == [pytest.approx(10 + 990 + 100)]
    assert ways(town(), [(10, 10), (400, 0)], 0) == [10, 0]  # on the very road: only what they stand off it
    assert ways(town(), [(10, 10)], 3) == [np.inf]


def test_a_car_keeps_to_one_way_streets_and_a_walker_does_not():
    against = town(
        (0, 0, 1, 0)
    )  # road 2 runs from west to east only: nobody drives from the bridge to it, but to its end
    assert ways(against, [(1000, 50)], 2, driving=True) == [50]
    assert ways(against, [(500, 100)], 0, driving=True) == [pytest.approx(600)]
    west = town((0, 0, -1, 0))
    assert ways(west, [(500, 100)], 0, driving=True) == [np.inf]  # it leads west, to an end without a way on
    assert ways(west, [(500, 100)], 0) == [pytest.approx(600)]


def test_nobody_has_no_way():
    assert ways(town(), np.zeros((0, 2)), 0) == []


@given(st.lists(st.tuples(st.floats(0, 1000), st.sampled_from([0.0, 100.0])), min_size=1, max_size=6))
def test_a_way_is_never_shorter_than_the_straight_line_and_never_negative(at):
    found = np.array(ways(town(), at, 1))
    straight = shapely.distance(np.array([shapely.Point(p) for p in at], dtype=object), town().lines[1])
    assert (found >= straight - 1e-6).all()
