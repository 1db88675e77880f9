"""Positions to fixes: what is flagged, what is not, and that the order of the rows never matters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.errors import InputError
from gis.model import FixFlag, Mode
from gis.tracks import TrackSettings, prepare_fixes

CRS = pyproj.CRS.from_epsg(4550)
BACK = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
X0, Y0 = 450_000.0, 3_260_000.0


def fixes(x, y, seconds, *, device=None, mode=Mode.VEHICLE, **kw):
    """Fixes of a device at metres from a corner."""
    lon, lat = BACK.transform(X0 + np.asarray(x, float), Y0 + np.asarray(y, float))
    names = np.array(device if device is not None else ["a"] * len(lon))
    return prepare_fixes(names, np.asarray(seconds, np.int64) * 1000, lon, lat, crs=CRS, mode=mode, **kw)


def flagged(f, flag):
    return np.flatnonzero(f.flags & flag).tolist()


def test_projection_is_easting_northing():
    """EPSG:4550 has a false easting of 500 km on 123° E; x is the easting whatever the axis order of the CRS says."""
    f = prepare_fixes(["a"], np.array([0]), np.array([123.0]), np.array([29.5]), crs=CRS)
    assert abs(f.x[0] - 500_000) < 0.01
    assert 3_264_000 < f.y[0] < 3_266_000


def test_sorted_by_device_and_time():
    f = fixes([0, 100, 200, 300], [0] * 4, [20, 0, 10, 0], device=["b", "b", "a", "a"])
    assert f.devices == ("a", "b")
    assert f.device_ix.tolist() == [0, 0, 1, 1]
    assert f.t_ms.tolist() == [0, 10_000, 0, 20_000]


def test_duplicates_keep_the_first_by_place():
    """Three rows of one time: the two with the greater longitude are duplicates, in whatever order they came."""
    f = fixes([50, 0, 20, 100], [0] * 4, [10, 10, 10, 20])
    assert flagged(f, FixFlag.DUPLICATE) == [1, 2]
    np.testing.assert_allclose(f.x - X0, [0, 20, 50, 100], atol=0.01)
    assert f.track_ix.tolist() == [0, -1, -1, 0]


def test_one_impossible_fix_is_a_jump():
    """10 s steps of 100 m, one fix 3 km off: 300 m/s there and 300 m/s back."""
    f = fixes([0, 100, 200, 300, 400], [0, 0, 3000, 0, 0], range(0, 50, 10))
    assert flagged(f, FixFlag.JUMP) == [2]
    assert f.track_ix.tolist() == [0, 0, -1, 0, 0]


def test_a_run_of_bad_fixes_is_one_jump():
    f = fixes([0, 100, 200, 210, 220, 500, 600], [0, 0, 3000, 3010, 3020, 0, 0], range(0, 70, 10))
    assert flagged(f, FixFlag.JUMP) == [2, 3, 4]


def test_a_bad_first_and_a_bad_last_fix():
    f = fixes([5000, 100, 200, 300, 400, 9000], [0] * 6, range(0, 60, 10))
    assert flagged(f, FixFlag.JUMP) == [0, 5]


def test_a_change_of_place_that_lasts_is_believed():
    """Ten fixes here, ten fixes 20 km away 10 s later (a clock or a ferry): nothing is a jump, one step is too fast."""
    f = fixes([*np.arange(10) * 50, *(20_000 + np.arange(10) * 50)], [0] * 20, range(0, 200, 10))
    assert flagged(f, FixFlag.JUMP) == []
    assert flagged(f, FixFlag.FAST) == [10]


def test_fast_depends_on_the_mode():
    """Steps of 200 m in 10 s, 60 m of which noise might explain: 14 m/s is driving, not walking."""
    x = np.arange(6) * 200
    assert flagged(fixes(x, [0] * 6, range(0, 60, 10), mode=Mode.VEHICLE), FixFlag.FAST) == []
    assert flagged(fixes(x, [0] * 6, range(0, 60, 10), mode=Mode.FOOT), FixFlag.FAST) == [1, 2, 3, 4, 5]
    mixed = fixes(np.r_[x, x], [0] * 12, [*range(0, 60, 10)] * 2, device=["w"] * 6 + ["v"] * 6, mode={"w": Mode.FOOT})
    assert mixed.mode.tolist() == [Mode.VEHICLE, Mode.FOOT]
    assert flagged(mixed, FixFlag.FAST) == [7, 8, 9, 10, 11]


def test_standing_is_a_stay_and_slow_walking_is_not():
    """150 s within 10 m is a stay; 150 s at 0.7 m/s are 105 m, which no circle of 25 m holds for 120 s."""
    rng = np.random.default_rng(1)
    still = fixes(rng.uniform(-5, 5, 16), rng.uniform(-5, 5, 16), range(0, 160, 10))
    assert len(flagged(still, FixFlag.STATIONARY)) == 16
    walk = fixes(np.arange(16) * 7.0, [0] * 16, range(0, 160, 10), mode=Mode.FOOT)
    assert flagged(walk, FixFlag.STATIONARY) == []


def test_a_silence_begins_a_new_track():
    f = fixes([0, 50, 100, 150], [0] * 4, [0, 10, 10 + 901, 921])
    assert f.track_ix.tolist() == [0, 0, 1, 1]
    assert fixes([0, 50, 100, 150], [0] * 4, [0, 10, 10 + 900, 920]).track_ix.tolist() == [0] * 4
    wide = TrackSettings(split_s=2000)
    assert fixes([0, 50, 100, 150], [0] * 4, [0, 10, 10 + 901, 921], settings=wide).track_ix.tolist() == [0] * 4


def test_outside_the_bounds():
    f = fixes([0, 100, 5000], [0] * 3, [0, 10, 500], bounds=(X0 - 10, Y0 - 10, X0 + 200, Y0 + 200))
    assert flagged(f, FixFlag.OUTSIDE) == [2]
    assert f.track_ix.tolist() == [0, 0, -1]


def test_kinds_of_string_columns_agree():
    lon, lat, t = np.array([121.9, 121.9, 121.9]), np.array([29.4, 29.4, 29.4]), np.array([0, 10_000, 0])
    names = ["乙", "甲", "甲"]
    kinds = [
        names,
        np.array(names, object),
        pd.Series(names),
        pa.array(names),
        pa.chunked_array([names[:1], names[1:]]),
        pa.array(names).dictionary_encode(),
    ]
    results = [prepare_fixes(k, t, lon, lat, crs=CRS) for k in kinds]
    assert all(r.devices == ("乙", "甲") and r.device_ix.tolist() == [0, 1, 1] for r in results)


def test_no_rows():
    f = prepare_fixes([], np.zeros(0), np.zeros(0), np.zeros(0), crs=CRS)
    assert f.devices == ()
    assert len(f.track_ix) == 0


@pytest.mark.parametrize(
    ("lat", "devices"),
    [
        (np.array([29.0, 95.0]), ["a", "b"]),
        (np.array([29.0, np.nan]), ["a", "b"]),
        (np.array([29.0]), ["a", "b"]),
        (np.array([29.0, 29.0]), ["a", None]),
    ],
)
def test_impossible_input_is_refused(lat, devices):
    with pytest.raises(InputError):
        prepare_fixes(devices, np.array([0, 1]), np.array([121.0, 121.0]), lat, crs=CRS)


@given(st.integers(0, 2**32 - 1), st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_order_of_rows_does_not_matter(seed, n):
    rng = np.random.default_rng(seed)
    names = rng.choice(["a", "b", "c"], n)
    t = rng.integers(0, 40, n) * 10_000
    lon, lat = 121.9 + rng.choice([0, 0.001, 0.002, 0.3], n), 29.4 + rng.choice([0, 0.001, 0.2], n)
    one = prepare_fixes(names, t, lon, lat, crs=CRS)
    k = rng.permutation(n)
    two = prepare_fixes(names[k], t[k], lon[k], lat[k], crs=CRS)
    for name in ("device_ix", "t_ms", "x", "y", "flags", "track_ix", "mode"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.devices == two.devices


@given(st.integers(0, 2**32 - 1), st.integers(2, 80))
@settings(max_examples=60, deadline=None)
def test_loading_twice_adds_only_duplicates(seed, n):
    """Each row given twice: the second copies are duplicates, everything else is flagged as before."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) * 10_000
    lon, lat = 121.9 + np.cumsum(rng.normal(0, 0.0005, n)), 29.4 + rng.choice([0, 0, 0, 0.1], n)
    one = prepare_fixes(["a"] * n, t, lon, lat, crs=CRS)
    two = prepare_fixes(["a"] * 2 * n, np.r_[t, t], np.r_[lon, lon], np.r_[lat, lat], crs=CRS)
    first = two.flags & FixFlag.DUPLICATE == 0
    assert first.sum() == n
    np.testing.assert_array_equal(two.flags[first], one.flags)
    np.testing.assert_array_equal(two.track_ix[first], one.track_ix)


def test_real_day_of_positions(data_root):
    """The GeoLife day: nothing is lost, tracks are consecutive, excluded fixes have none."""
    d = pd.read_csv(data_root / "beijing" / "positions_geolife_one_day.csv")
    t = pd.to_datetime(d.time, utc=True).astype("datetime64[ms, UTC]").astype("int64").to_numpy()
    f = prepare_fixes(d.device, t, d.lon.to_numpy(), d.lat.to_numpy(), crs=pyproj.CRS.from_epsg(32650))
    assert len(f.t_ms) == len(d) == 16_414
    assert len(f.devices) == 299
    excluded = (f.flags & (FixFlag.DUPLICATE | FixFlag.JUMP | FixFlag.OUTSIDE)) > 0
    np.testing.assert_array_equal(f.track_ix < 0, excluded)
    kept = f.track_ix[~excluded]
    assert set(np.diff(kept).tolist()) <= {0, 1}
