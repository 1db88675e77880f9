from __future__ import annotations

import dataclasses

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.errors import InputError
from gis.merge import concat_fixes, concat_passes
from gis.model import Mode, Passes
from gis.tracks import prepare_fixes

CRS = pyproj.CRS(32650)


def fixes_of(devices: list[str], seed: int):
    """Three fixes, an hour of silence (a new track), three fixes for each device."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.array(devices, dtype=object), 6)
    t = np.tile(np.array([0, 10, 20, 4000, 4010, 4020]) * 1000, len(devices)).astype(np.int64)
    lon = 116.3 + rng.uniform(0, 1e-4, len(names))
    return prepare_fixes(names, t, lon, np.full(len(names), 39.9), crs=CRS, mode=Mode.FOOT)


def passes_of(fixes) -> Passes:
    """One made-up pass a fix of a track."""
    kept = fixes.track_ix >= 0
    n = int(kept.sum())
    order = np.arange(n)
    return Passes(
        segment_ix=(order % 3).astype(np.int32), from_mm=np.zeros(n, np.int32), to_mm=np.full(n, 1000, np.int32), enter_ms=fixes.t_ms[kept],
        leave_ms=fixes.t_ms[kept] + 5, device_ix=fixes.device_ix[kept], track_ix=fixes.track_ix[kept], first_fix_ms=fixes.t_ms[kept],
        last_fix_ms=fixes.t_ms[kept], seen=np.ones(n, bool), confidence=np.ones(n, np.float32), devices=fixes.devices, mode=fixes.mode,
    )  # fmt: skip


def subset(fixes, wanted: list[str]):
    """What a shard would have seen: the same rows of some devices only, prepared anew."""
    ids = np.array(fixes.devices, dtype=object)[fixes.device_ix]
    keep = np.isin(ids, wanted)
    lon, lat = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True).transform(fixes.x[keep], fixes.y[keep])
    return prepare_fixes(ids[keep], fixes.t_ms[keep], lon, lat, crs=CRS, mode=Mode.FOOT)


def assert_same(a, b) -> None:
    for field in dataclasses.fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if field.name in {"x", "y"}:
            np.testing.assert_allclose(left, right, atol=1e-6)
        elif field.name == "devices":
            assert left == right
        else:
            np.testing.assert_array_equal(left, right, err_msg=field.name)


@given(st.lists(st.integers(0, 2), min_size=5, max_size=5))
@settings(max_examples=20, deadline=None)
def test_however_devices_are_divided_the_whole_is_the_same(shard_of) -> None:
    devices = ["d5", "a1", "c3", "b2", "e4"]
    whole = fixes_of(devices, 1)
    assert whole.track_ix.max() == 9
    parts = [subset(whole, [d for d, s in zip(devices, shard_of, strict=True) if s == shard]) for shard in range(3)]
    assert_same(concat_fixes(parts), whole)
    merged = concat_passes([passes_of(p) for p in parts], parts)
    expected = passes_of(whole)
    np.testing.assert_array_equal(merged.device_ix, expected.device_ix)
    np.testing.assert_array_equal(merged.track_ix, expected.track_ix)
    np.testing.assert_array_equal(merged.enter_ms, expected.enter_ms)


def test_a_device_in_two_shards_is_refused() -> None:
    part = fixes_of(["a1"], 1)
    with pytest.raises(InputError, match="devices in two shards: a1"):
        concat_fixes([part, part])
