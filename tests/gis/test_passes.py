"""Passes as route lines, whole days against parts of days, and real tracks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyproj
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.matching import Matcher
from gis.model import Mode, Passes
from gis.network.model import RoadGraph
from gis.passes import pass_points, routes
from gis.tracks import prepare_fixes

CRS = pyproj.CRS.from_epsg(4550)
BACK = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
X0, Y0 = 450_000.0, 3_260_000.0


def bent():
    """Two segments: an L of 100 m east and 50 m north (vertices at 0, 100 and 150 m), and 100 m on to the east."""
    x, y = np.array([0, 100, 100, 100, 200.0]), np.array([0, 0, 50, 50, 50.0])
    i4 = np.int32
    return RoadGraph(
        CRS, np.array([0, 100, 200.0]), np.array([0, 50, 50.0]), np.array([0, 1], i4), np.array([1, 2], i4), np.zeros(2, np.int8),
        np.array([150_000, 100_000], i4), np.zeros(2, bool), np.array([0, 3, 5], i4), x, y,
        np.array([0, 100_000, 150_000, 0, 100_000], i4),
    )  # fmt: skip


def passes(rows):
    """Rows (segment, from, to, track, seen) in metres; ten seconds each."""
    s, a, b, k, seen = (np.array(c) for c in zip(*rows, strict=True))
    n = np.arange(len(s), dtype=np.int64) * 10_000
    i4 = np.int32
    return Passes(
        s.astype(i4), (a * 1000).astype(i4), (b * 1000).astype(i4), n, n + 10_000, np.zeros(len(s), i4), k.astype(i4), n, n + 10_000,
        seen.astype(bool), np.full(len(s), 0.5, np.float32), ("甲",), np.array([2], np.int8),
    )  # fmt: skip


def test_points_follow_the_bend_both_ways():
    x, y, ptr = pass_points(passes([(0, 40, 150, 0, 1), (0, 120, 90, 0, 1)]), bent())
    assert ptr.tolist() == [0, 3, 6]
    assert list(zip(x, y, strict=True)) == [(40, 0), (100, 0), (100, 50), (100, 20), (100, 0), (90, 0)]


def test_an_end_on_a_vertex_is_not_doubled():
    x, y, _ = pass_points(passes([(0, 100, 150, 0, 1)]), bent())
    assert list(zip(x, y, strict=True)) == [(100, 0), (100, 50)]


def test_routes_join_and_are_cut_where_the_state_changes():
    r = routes(
        passes([(0, 40, 150, 0, 1), (1, 0, 60, 0, 1), (1, 60, 100, 0, 0), (0, 0, 10, 1, 1)]),
        bent(),
        segment_ids=["弯路", "直路"],
    )
    assert r.track.tolist() == ["甲"] * 3
    assert r.state.tolist() == ["seen", "inferred", "seen"]
    assert r.edges.tolist() == ["弯路 直路", "直路", "弯路"]
    assert r.length_m.tolist() == [170.0, 40.0, 10.0]
    assert list(r.geometry[0].coords) == [(40, 0), (100, 0), (100, 50), (160, 50)]
    assert r.crs == CRS


def test_a_gap_in_a_route_begins_a_new_line():
    r = routes(passes([(0, 0, 50, 0, 1), (1, 50, 100, 0, 1)]), bent())
    assert [round(g.length) for g in r.geometry] == [50, 50]


def test_no_passes_no_routes():
    p = passes([(0, 0, 1, 0, 1)])
    empty = type(p)(
        **{c: getattr(p, c)[:0] for c in type(p).__slots__ if c not in {"devices", "mode"}}, devices=(), mode=p.mode
    )
    assert len(routes(empty, bent())) == 0


def lattice(side=6):
    """Streets every 100 m."""
    n = side * side
    row, col = np.divmod(np.arange(n), side)
    x, y = X0 + col * 100.0, Y0 + row * 100.0
    u = np.r_[np.flatnonzero(col < side - 1), np.flatnonzero(row < side - 1)].astype(np.int32)
    v = np.r_[np.flatnonzero(col < side - 1) + 1, np.flatnonzero(row < side - 1) + side].astype(np.int32)
    m = len(u)
    return RoadGraph(
        CRS, x, y, u, v, np.zeros(m, np.int8), np.full(m, 100_000, np.int32), np.zeros(m, bool),
        np.arange(0, 2 * m + 1, 2, dtype=np.int32), np.column_stack([x[u], x[v]]).ravel(), np.column_stack([y[u], y[v]]).ravel(),
        np.tile(np.array([0, 100_000], np.int32), m),
    )  # fmt: skip


MATCHER = Matcher(lattice())


def day(seed, n):
    """A wandering device with two silences of more than the split setting."""
    rng = np.random.default_rng(seed)
    t = np.cumsum(np.r_[0, rng.choice([10, 20, 30], n - 1)]) * 1000
    for at in rng.integers(1, n, 2):
        t[at:] += 1_000_000
    x = np.clip(250 + np.cumsum(rng.normal(0, 40, n)), 0, 500)
    y = np.clip(250 + np.cumsum(rng.normal(0, 40, n)), 0, 500)
    lon, lat = BACK.transform(X0 + x, Y0 + y)
    return t, lon, lat


def matched(t, lon, lat):
    return MATCHER.match(prepare_fixes(["a"] * len(t), t, lon, lat, crs=CRS, mode=Mode.FOOT))


def table(p, *leave_out):
    names = [c for c in type(p).__slots__ if c not in {"devices", "mode", *leave_out}]
    return pd.DataFrame({c: getattr(p, c) for c in names})


@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_day_loaded_in_two_parts_in_any_order_is_the_same_day(seed, n, share):
    """Cut at any hour, loaded late part first, rows that overlap given twice: the positions of the day are a set, so are its passes."""
    t, lon, lat = day(seed, n)
    cut = int(share * n)
    again = min(n, cut + 5)
    parts = [np.r_[c[cut:], c[:again]] for c in (t, lon, lat)]
    pd.testing.assert_frame_equal(table(matched(t, lon, lat)), table(matched(*parts)))


@given(st.integers(0, 2**32 - 1), st.integers(10, 60))
@settings(max_examples=40, deadline=None)
def test_a_day_cut_at_silences_and_matched_apart_is_the_same_day(seed, n):
    """Tracks do not look beyond a silence: matched apart and joined, the passes are equal (track numbers run on).

    Only the limit for *seen* is taken from the whole day of a device; with medians of at most 40 s it is 120 s in every part.
    """
    t, lon, lat = day(seed, n)
    whole = table(matched(t, lon, lat))
    cuts = np.flatnonzero(np.diff(t) > 900_000) + 1
    parts = []
    for tracks, rows in enumerate(np.split(np.arange(n), cuts)):
        part = table(matched(t[rows], lon[rows], lat[rows]))
        part["track_ix"] += tracks
        parts.append(part)
    joined = pd.concat(parts, ignore_index=True).astype(whole.dtypes)
    pd.testing.assert_frame_equal(whole, joined)


@given(st.integers(0, 2**32 - 1), st.integers(5, 60))
@settings(max_examples=30, deadline=None)
def test_length_of_routes_is_the_length_of_passes(seed, n):
    p = matched(*day(seed, n))
    r = routes(p, MATCHER.graph)
    total = np.abs(p.to_mm.astype(np.int64) - p.from_mm).sum() / 1000
    assert abs(r.length_m.sum() - total) < 0.01
    assert abs(r.geometry.length.sum() - total) < 0.01
