"""Positions of both stores: counted to the row, deduplicated across loads, sorted, sharded, and the same from either store."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import store_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.errors import InputError
from layers.store import open_store
from layers.store.base import SourceRecord
from layers.store.positions import (
    SCHEMA,
    conform_positions,
    content_sha256,
    day_bounds,
    shard_of,
    sort_rows,
    split_days,
    subtract,
    with_codes,
)

HOUR = 3_600_000


def table(*rows):
    """(device, t, lon, lat[, arrived]) rows; times are milliseconds after the day's start, arrival 0.5 s later."""
    full = [(*r, r[1] + 500) if len(r) == 4 else r for r in rows]
    columns = list(zip(*full, strict=True)) if full else [()] * 5
    device, t, lon, lat, arrived = columns
    start = samples.DAY_START
    return pa.table(
        {
            "device_id": pa.array(device, pa.string()),
            "t_ms": pa.array([start + v for v in t], pa.int64()),
            "arrived_ms": pa.array([start + v for v in arrived], pa.int64()),
            "lon": pa.array(lon, pa.float64()),
            "lat": pa.array(lat, pa.float64()),
        }
    )


def load(store, *batches, quarantine=samples.NO_QUARANTINE, path="p.csv"):
    rows = sum(map(len, batches)) + len(quarantine)
    return store.positions.load(iter(batches), SourceRecord("p", "positions", path, "cd", rows), quarantine)


def rows_of(scanned):
    start = samples.DAY_START
    return [
        (r["device_id"], r["t_ms"] - start, r["lon"], r["lat"], r["arrived_ms"] - start) for r in scanned.to_pylist()
    ]


def test_rows_come_back_sorted_and_counted(store):
    manifest = load(
        store,
        table(("b", 2, 1.0, 1.0), ("a", 9, 1.0, 1.0)),
        table(("b", 1, 1.0, 1.0), ("b", 2, 0.5, 9.0), ("b", 2, 0.5, 1.0)),
    )
    assert (manifest.inserted, manifest.already_present, manifest.quarantined) == (5, 0, 0)
    back = store.positions.scan(samples.DAY)
    assert back.schema.equals(SCHEMA)
    assert [r[:4] for r in rows_of(back)] == [
        ("a", 9, 1.0, 1.0),
        ("b", 1, 1.0, 1.0),
        ("b", 2, 0.5, 1.0),
        ("b", 2, 0.5, 9.0),
        ("b", 2, 1.0, 1.0),
    ]
    assert store.positions.days() == [samples.DAY]
    assert store.positions.count(samples.DAY) == 5


def test_duplicates_inside_a_load_and_across_loads(store):
    first = load(store, table(("a", 1, 1.0, 1.0), ("a", 1, 1.0, 1.0), ("a", 1, 1.0, 2.0)))
    assert (first.inserted, first.already_present) == (2, 1)
    # one known, one new place at a known time, one new device at a known time and place
    second = load(store, table(("a", 1, 1.0, 2.0), ("a", 1, 3.0, 2.0), ("b", 1, 1.0, 1.0)))
    assert (second.inserted, second.already_present) == (2, 1)
    assert store.positions.count(samples.DAY) == 4 == len(store.positions.scan(samples.DAY))


def test_quarantined_rows_complete_the_sum(store):
    rejected = pd.DataFrame(
        {"row": [2], "column": ["lat"], "code": ["value.range"], "zh": ["纬度"], "en": ["latitude"], "raw": ["{}"]}
    )
    manifest = load(store, table(("a", 1, 1.0, 1.0), ("a", 1, 1.0, 1.0)), quarantine=rejected)
    assert (manifest.record.rows_in, manifest.inserted, manifest.already_present, manifest.quarantined) == (3, 1, 1, 1)
    assert list(store.quarantine(manifest.manifest_id)["code"]) == ["value.range"]
    assert manifest.edition_id is None


def test_the_earliest_arrival_is_kept_whatever_the_order(store_url, tmp_path):
    late, early = (
        table(("a", 1, 1.0, 1.0, 900), ("a", 2, 1.0, 1.0, 50)),
        table(("a", 1, 1.0, 1.0, 100), ("a", 2, 1.0, 1.0, 60)),
    )
    hashes = []
    for batches, url in (((late, early), store_url), ((early, late), f"embedded:{tmp_path / 'second'}")):
        store = open_store(url)
        store.prepare()
        manifests = [load(store, b) for b in batches]
        assert [m.inserted for m in manifests] == [2, 0]
        assert [r[4] for r in rows_of(store.positions.scan(samples.DAY))] == [100, 50]
        assert store.positions.count(samples.DAY) == 2
        hashes.append(store.positions.sha256(samples.DAY))
        store.close()
    assert hashes[0] == hashes[1]


def test_late_positions_can_be_left_out(store):
    load(store, table(("a", 1, 1.0, 1.0, 10), ("a", 2, 1.0, 1.0, HOUR), ("a", 3, 1.0, 1.0, 10)))
    before = samples.DAY_START + HOUR
    assert [r[1] for r in rows_of(store.positions.scan(samples.DAY, arrived_before_ms=before))] == [1, 3]
    assert [r[1] for r in rows_of(store.positions.scan(samples.DAY, arrived_before_ms=before + 1))] == [1, 2, 3]


def test_local_days_are_cut_at_local_midnight(store):
    """2026-03-18 begins in Shanghai at 16:00 UTC of the 17th: its first millisecond belongs to it, the one before does not."""
    assert datetime.fromtimestamp(samples.DAY_START / 1000, UTC) == datetime(2026, 3, 17, 16, tzinfo=UTC)
    load(
        store,
        table(("a", -1, 1.0, 1.0), ("a", 0, 1.0, 1.0), ("a", 24 * HOUR - 1, 1.0, 1.0), ("a", 24 * HOUR, 1.0, 1.0)),
    )
    days = [date(2026, 3, 17), date(2026, 3, 18), date(2026, 3, 19)]
    assert store.positions.days() == days
    assert [store.positions.count(d) for d in days] == [1, 2, 1]
    assert [r[1] for r in rows_of(store.positions.scan(days[1]))] == [0, 24 * HOUR - 1]


def test_a_day_without_positions_is_empty(store):
    assert store.positions.days() == []
    assert store.positions.count(samples.DAY) == 0
    assert store.positions.scan(samples.DAY).schema.equals(SCHEMA)
    assert load(store).inserted == 0
    assert load(store, table()).inserted == 0


def test_filters(store):
    everything = samples.positions(3000)
    load(store, everything.slice(0, 1500))
    load(store, everything.slice(1500))
    low, high = samples.DAY_START + 6 * HOUR, samples.DAY_START + 9 * HOUR
    whole = store.positions.scan(samples.DAY).to_pandas()
    part = store.positions.scan(samples.DAY, from_ms=low, to_ms=high, device_ids=["设备3", "设备5", "none"]).to_pandas()
    wanted = whole[whole.t_ms.between(low, high, inclusive="left") & whole.device_id.isin(["设备3", "设备5"])]
    assert 0 < len(wanted) < len(whole)
    pd.testing.assert_frame_equal(part, wanted.reset_index(drop=True))
    assert len(store.positions.scan(samples.DAY, device_ids=[])) == 0


def test_shards_part_the_devices(store):
    load(store, samples.positions(2000, devices=40))
    whole = store.positions.scan(samples.DAY)
    shards = [store.positions.scan(samples.DAY, shard=i, shards=3) for i in range(3)]
    assert all(len(s) for s in shards)
    devices = [set(s.column("device_id").to_pylist()) for s in shards]
    assert not devices[0] & devices[1]
    assert not devices[1] & devices[2]
    assert sort_rows(pa.concat_tables(shards)).equals(whole.combine_chunks())
    with pytest.raises(InputError, match="no shard 3 of 3"):
        store.positions.scan(samples.DAY, shard=3, shards=3)


def test_a_shard_is_the_same_on_every_machine():
    """BLAKE2b of 8 bytes, little endian, modulo the number of shards; computed once with Python's hashlib and written down."""
    by_hand = [int.from_bytes(hashlib.blake2b(d.encode(), digest_size=8).digest(), "little") % 5 for d in ("a", "车1")]
    assert list(shard_of(["a", "车1"], 5)) == by_hand
    assert list(shard_of(["a"], 1)) == [0]


def test_the_hash_of_a_day_is_free_of_the_order_and_the_store(store_url, tmp_path):
    rows = samples.positions(500, seed=3)
    shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(500)))
    hashes = set()
    for url, batches in (
        (store_url, [rows]),
        (f"embedded:{tmp_path / 'b'}", [shuffled.slice(0, 200), shuffled.slice(200)]),
    ):
        store = open_store(url)
        store.prepare()
        for batch in batches:
            load(store, batch)
        hashes.add(store.positions.sha256(samples.DAY))
        store.close()
    assert len(hashes) == 1


def test_the_hash_of_a_day_sees_every_value(store):
    load(store, table(("a", 1, 1.0, 1.0)))
    before = store.positions.sha256(samples.DAY)
    load(store, table(("a", 1, 1.0, 1.0000000000000002)))
    assert store.positions.sha256(samples.DAY) != before


def test_bad_batches_are_refused_whole(store):
    good = table(("a", 1, 1.0, 1.0))
    bad = good.set_column(4, "lat", pa.array([95.0]))
    with pytest.raises(InputError, match="lat"):
        load(store, good, bad)
    assert store.positions.days() == []
    assert store.manifests() == []
    with pytest.raises(InputError, match="the sum is wrong"):
        store.positions.load([good], SourceRecord("p", "positions", "p", "x", 2), samples.NO_QUARANTINE)
    assert store.positions.days() == []


def test_a_failing_reader_leaves_nothing(store):
    def reader():
        yield samples.positions(100)
        pytest.fail("the source went away")

    with pytest.raises(pytest.fail.Exception, match="went away"):
        store.positions.load(reader(), SourceRecord("p", "positions", "p", "x", 100), samples.NO_QUARANTINE)
    assert store.positions.days() == []
    assert load(store, samples.positions(100)).inserted > 0


def test_the_faults_of_a_batch_are_gathered():
    wrong = pa.table(
        {"device_id": ["a", None], "t_ms": [-5, 1], "lon": ["x", "y"], "lat": [1.0, float("nan")], "speed": [1, 2]}
    )
    with pytest.raises(InputError) as caught:
        conform_positions(wrong)
    assert {(f.code, f.column) for f in caught.value.faults} == {
        ("column.missing", "arrived_ms"), ("column.unknown", "speed"), ("value.null", "device_id"), ("value.dtype", "lon"), ("value.range", "t_ms"),
        ("value.range", "lat"),
    }  # fmt: skip


# --- the arithmetic, without a store ---
ROW = st.tuples(
    st.sampled_from("abc"),
    st.integers(0, 3),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.0, 1.0]),
    st.integers(0, 2),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(ROW, max_size=15), st.lists(ROW, max_size=15))
def test_subtract_is_a_set_difference_that_keeps_the_earliest_arrival(old, new):
    present: dict = {}
    for *key, arrived in old:
        present[tuple(key)] = min(arrived, present.get(tuple(key), arrived))
    stored = table(*[(*k, a) for k, a in sorted(present.items())])
    merged = subtract(with_codes(table(*new)), with_codes(stored))
    wanted: dict = {}
    for *key, arrived in new:
        wanted[tuple(key)] = min(arrived, wanted.get(tuple(key), arrived))
    fresh = {k: a for k, a in wanted.items() if k not in present}
    earlier = {k: a for k, a in wanted.items() if k in present and a < present[k]}
    assert {r[:4]: r[4] for r in rows_of(merged.rows)} == fresh | earlier
    assert [r[:4] for r in rows_of(merged.rows)] == sorted(fresh | earlier)
    assert (merged.inserted, merged.already_present) == (len(fresh), len(new) - len(fresh))
    assert int(merged.superseding.sum()) == len(earlier)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-40 * 24 * HOUR, 40 * 24 * HOUR), min_size=1, max_size=30),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "UTC"]),
)
def test_every_row_falls_into_the_day_of_its_local_date(offsets, zone_name):
    zone = ZoneInfo(zone_name)  # New York changes its clock on 2026-03-08: that day has 23 hours
    rows = table(*[("a", t, 0.0, 0.0) for t in offsets])
    seen = []
    for day, part in split_days(rows, zone):
        low, high = day_bounds(day, zone)
        times = part.column("t_ms").to_pylist()
        assert all(low <= t < high for t in times)
        assert {datetime.fromtimestamp(t / 1000, zone).date() for t in times} == {day}
        seen += times
    assert sorted(seen) == sorted(rows.column("t_ms").to_pylist())


def test_a_day_of_a_clock_change_has_23_hours():
    low, high = day_bounds(date(2026, 3, 8), ZoneInfo("America/New_York"))
    assert high - low == 23 * HOUR


def test_hash_of_a_day_follows_every_load(store):
    """Asked before and after each load, it is that of the rows, and free of the parts in which they came."""
    first, second = table(("a", 0, 121.9, 29.5), ("b", 5, 121.9, 29.5)), table(("a", 9, 121.9, 29.6))
    load(store, first)
    before = store.positions.sha256(samples.DAY)
    assert before == store.positions.sha256(samples.DAY)
    load(store, second, path="q.csv")
    after = store.positions.sha256(samples.DAY)
    assert after != before
    load(store, second, path="r.csv")  # nothing new
    assert store.positions.sha256(samples.DAY) == after == content_sha256(store.positions.scan(samples.DAY))


def test_hash_does_not_know_devices_without_rows():
    rows = with_codes(table(("a", 0, 121.9, 29.5), ("b", 5, 121.9, 29.5)))
    assert content_sha256(rows.slice(1)) == content_sha256(table(("b", 5, 121.9, 29.5)))


def test_encoded_ids_are_the_same_ids(store):
    load(store, table(("b", 0, 121.9, 29.5), ("a", 5, 121.9, 29.5)))
    load(store, table(("c", 7, 121.9, 29.5)), path="q.csv")
    plain, encoded = store.positions.scan(samples.DAY), store.positions.scan(samples.DAY, encoded=True)
    assert encoded["device_id"].to_pylist() == plain["device_id"].to_pylist() == ["a", "b", "c"]
