"""Evaluation against truth, counted by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.evaluate import brier, compare_windows, confusion, reliability, score_passes, scores
from gis.model import Passes

HOUR = 3_600_000


def windows(outcomes, probability=None):
    return pd.DataFrame(
        {
            "section_id": [f"S{i}" for i in range(len(outcomes))],
            "rule_id": "road.main",
            "window_ix": 0,
            "length_mm": 1000,
            "outcome": outcomes,
            "cause": None,
            "probability": probability or [0.5] * len(outcomes),
        }
    )


def test_a_confusion_of_ten_windows_counted_by_hand():
    #            1          2          3         4         5          6          7         8         9         10
    true = ["covered", "covered", "covered", "covered", "covered", "covered", "missed", "missed", "missed", "excused"]
    call = ["covered", "covered", "covered", "missed", "unknown", "unknown", "missed", "missed", "covered", "excused"]
    table = confusion(compare_windows(windows(call), windows(true)))
    # called covered: windows 1 2 3 truly so, window 9 not; called missed: 4 was covered, 7 8 truly missed; unknown: 5 6, both covered
    assert table.loc["covered"].tolist() == [3, 1]
    assert table.loc["missed"].tolist() == [1, 2]
    assert table.loc["unknown"].tolist() == [2, 0]
    s = scores(table)
    assert s.windows == 9  # the excused one is in no denominator
    assert s.precision_covered == 3 / 4
    assert s.precision_missed == 2 / 3
    assert s.recall_covered == 3 / 6  # of six covered, three were called so
    assert s.recall_missed == 2 / 3
    assert s.unknown_share == 2 / 9
    assert s.unknown_covered == 1.0
    assert s.rate_true == 6 / 9
    assert (s.rate_low, s.rate_high) == (4 / 9, 6 / 9)
    assert s.rate_error == 0.0  # 6/9 lies within 4/9 … 6/9


def test_a_rate_outside_the_bounds_has_an_error_with_its_sign():
    high = scores(
        confusion(compare_windows(windows(["covered"] * 4), windows(["covered", "covered", "missed", "missed"])))
    )
    assert high.rate_error == pytest.approx(0.5)  # said 1.0, was 0.5
    low = scores(
        confusion(compare_windows(windows(["missed"] * 4), windows(["covered", "missed", "missed", "missed"])))
    )
    assert low.rate_error == pytest.approx(-0.25)  # said 0, was 0.25
    assert np.isnan(low.precision_covered)


def test_windows_that_do_not_correspond_are_refused():
    with pytest.raises(ValueError, match="different windows"):
        compare_windows(windows(["covered"]), windows(["covered", "missed"]))


def passes(rows, devices=("A", "B"), seen=None):
    """Rows: segment, from, to, enter, leave, device."""
    a = np.array(rows, dtype=np.int64).reshape(-1, 6)
    n = len(a)
    return Passes(
        segment_ix=a[:, 0].astype(np.int32), from_mm=a[:, 1].astype(np.int32), to_mm=a[:, 2].astype(np.int32), enter_ms=a[:, 3],
        leave_ms=a[:, 4], device_ix=a[:, 5].astype(np.int32), track_ix=np.zeros(n, np.int32), first_fix_ms=a[:, 3], last_fix_ms=a[:, 4],
        seen=np.ones(n, np.bool_) if seen is None else np.array(seen), confidence=np.ones(n, np.float32), devices=devices,
        mode=np.zeros(len(devices), np.int8),
    )  # fmt: skip


def test_metres_found_against_metres_passed_counted_by_hand():
    true = passes([(0, 0, 100_000, 0, 100_000, 0), (1, 50_000, 0, 100_000, 150_000, 0)])
    # found: 20-100 m of segment 0 (80 m right), 30 m too much on segment 2, and segment 1 wholly, but by the other device (wrong)
    found = passes(
        [(0, 20_000, 100_000, 20_000, 100_000, 0), (2, 0, 30_000, 100_000, 130_000, 0), (1, 0, 50_000, 0, 50_000, 1)]
    )
    s = score_passes(true, found)
    assert (s.both_m, s.true_m, s.found_m) == (80.0, 150.0, 160.0)
    assert s.recall == 80 / 150
    assert s.precision == 80 / 160
    assert s.f1 == 160 / 310


def test_metres_passed_twice_in_an_hour_count_once_and_in_two_hours_twice():
    to_and_fro = passes([(0, 0, 10_000, 0, 10_000, 0), (0, 10_000, 0, 10_000, 20_000, 0)])
    assert score_passes(to_and_fro, to_and_fro).true_m == 10.0
    # from half a minute before the hour to half a minute after: 5 m in each hour; then back within the second hour: 5 m of it are new
    over = passes([(0, 0, 10_000, HOUR - 30_000, HOUR + 30_000, 0), (0, 10_000, 0, HOUR + 30_000, HOUR + 60_000, 0)])
    assert score_passes(over, over).true_m == 15.0


def test_inferred_passes_are_left_out_unless_asked_for():
    true = passes([(0, 0, 10_000, 0, 10_000, 0)])
    found = passes([(0, 0, 10_000, 0, 10_000, 0)], seen=[False])
    assert score_passes(true, found).recall == 0.0
    assert score_passes(true, found, seen_only=False).recall == 1.0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 50),
            st.integers(0, 50),
            st.integers(0, 3 * HOUR),
            st.integers(0, HOUR),
            st.integers(0, 1),
        ),
        max_size=12,
    )
)
def test_a_day_found_as_it_was_is_perfect_and_segments_reversed_change_nothing(rows):
    p = passes([(s, a, b, t, t + d, dev) for s, a, b, t, d, dev in rows])
    back = passes([(s, b, a, t, t + d, dev) for s, a, b, t, d, dev in rows])
    same = score_passes(p, p)
    assert same.both_m == same.true_m == same.found_m
    if same.true_m:
        assert same.f1 == 1.0
    assert score_passes(back, back).true_m >= 0


def test_reliability_of_six_windows_counted_by_hand():
    said = np.array([0.05, 0.05, 0.55, 0.55, 0.55, 0.95])
    happened = np.array([False, True, True, False, True, True])
    table = reliability(said, happened)
    assert table["windows"].tolist() == [2, 3, 1]
    assert table["happened"].tolist() == [0.5, pytest.approx(2 / 3), 1.0]
    assert table["said"].tolist() == pytest.approx([0.05, 0.55, 0.95])
    # squared errors: 0.0025 0.9025 0.2025 0.3025 0.2025 0.0025 -> 1.615 / 6
    assert brier(said, happened) == pytest.approx(1.615 / 6)
