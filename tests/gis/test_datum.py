"""Map offsets: published points, inverses to under a millimetre, nothing outside China."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.crs import candidate_crs, likely_crs, metric_crs_of
from gis.datum import from_wgs84, gcj02_from_wgs84, in_china, to_wgs84

inside = st.tuples(st.floats(74, 134), st.floats(4, 53))
outside = st.one_of(
    st.tuples(st.floats(-180, 71), st.floats(-89, 89)), st.tuples(st.floats(73, 137), st.floats(-89, 0))
)


def test_published_points():
    """Tian'anmen as the open implementations publish it: 116.404, 39.915 → GCJ-02 → BD-09."""
    lon, lat = gcj02_from_wgs84(116.404, 39.915)
    assert (float(lon), float(lat)) == pytest.approx((116.41024449916938, 39.91640428150164), abs=1e-12)
    lon, lat = from_wgs84(116.404, 39.915, datum="bd09")
    assert (float(lon), float(lat)) == pytest.approx((116.41662724378733, 39.922699552216216), abs=1e-12)


def test_shift_at_xiangshan():
    """About 490 m."""
    lon, lat = gcj02_from_wgs84([121.87], [29.47])
    _, _, metres = pyproj.Geod(ellps="WGS84").inv([121.87], [29.47], lon, lat)
    assert metres[0] == pytest.approx(490, abs=3)


@given(st.lists(inside, min_size=1, max_size=20), st.sampled_from(["gcj02", "bd09", "wgs84", "cgcs2000"]))
def test_there_and_back_within_a_millimetre(points, datum):
    lon, lat = np.array(points).T
    back = to_wgs84(*from_wgs84(lon, lat, datum=datum), datum=datum)
    assert np.abs(back[0] - lon).max() < 1e-9  # 0.1 mm
    assert np.abs(back[1] - lat).max() < 1e-9


@given(outside, st.sampled_from(["gcj02", "bd09"]))
def test_outside_china_nothing_moves(point, datum):
    assert not bool(in_china(*point))
    assert tuple(float(v) for v in from_wgs84(*point, datum=datum)) == point


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [(121.9, 29.4, 4550), (113.3, 23.1, 4547), (116.4, 39.9, 4548), (-71.06, 42.36, 32619), (23.7, 37.98, 32634)],
)
def test_metric_crs(lon, lat, code):
    crs = metric_crs_of(lon, lat)
    assert crs.to_epsg() == code
    # by coordinates, not by label: 0.001° of latitude is about 111 m to the north, in y
    change = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    (x0, y0), (x1, y1) = change.transform(lon, lat), change.transform(lon, lat + 0.001)
    assert y1 - y0 == pytest.approx(111, abs=0.5)
    assert abs(x1 - x0) < 5


def test_likely_crs():
    change = pyproj.Transformer.from_crs(4326, 4550, always_xy=True)
    x, y = (np.array([v]) for v in change.transform(121.9, 29.4))
    assert likely_crs(x, y, lon=121.8, lat=29.5)[0] == 4550
    assert likely_crs(np.array([1.0]), np.array([1e9]), lon=121.8, lat=29.5) == []
    assert candidate_crs(121.9, 29.4)[0].to_epsg() == 4550
