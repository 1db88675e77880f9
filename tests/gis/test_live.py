"""The state at a moment, counted by hand."""

import numpy as np

from gis.live import Asked, shown_share, time_left

MIN = 60_000


def clock(hour, minute):
    return (hour * 60 + minute) * MIN


def asked():
    """Section 0 hourly and done at 09:12, section 1 hourly and never done, 2 daily and done at 10:00, 3 daily, 4 not asked."""
    duty = np.array([[clock(8, 30), clock(12, 0)], [clock(13, 30), clock(17, 30)]])
    return Asked(
        np.array([0, 0, 1, 1, -1]), (duty, duty), np.array([60 * MIN, 450 * MIN]), np.array([False, True]),
        np.array([0, 2]), np.array([clock(9, 12), clock(10, 0)]),
    )  # fmt: skip


def test_time_left_counts_down_from_the_last_full_patrol():
    left, interval = time_left(asked(), clock(9, 40))
    assert left[0] == 32 * 60  # due at 10:12
    assert left[1] == -10 * 60  # the period began at 08:30, due at 09:30
    assert left[2] == left[3] == (140 + 240) * 60  # 09:40-12:00 and 13:30-17:30; section 2 is done only at 10:00
    assert np.isnan(left[4])
    assert interval[0] == 3600


def test_a_completion_counts_from_its_moment_and_each_period_starts_anew():
    assert time_left(asked(), clock(9, 11))[0][0] == 19 * 60  # from 08:30: 41 minutes gone, 19 left
    assert np.isinf(time_left(asked(), clock(10, 0))[0][2])
    assert np.isnan(time_left(asked(), clock(12, 30))[0][0])  # the break
    assert time_left(asked(), clock(13, 40))[0][0] == 50 * 60  # the afternoon starts at 13:30
    assert time_left(asked(), clock(18, 0))[0][3] == -30 * 60


def test_shares_shown():
    share = shown_share(np.array([-5.0, 1.0, 3600.0, np.inf, np.nan]), np.full(5, 3600.0))
    np.testing.assert_allclose(share, [0, 0.05, 1, 1, np.nan])
