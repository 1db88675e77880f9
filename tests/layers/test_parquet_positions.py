"""Positions in Parquet files elsewhere: the same rows, hashes and shards as a store that holds them, and faults by file and column."""

from __future__ import annotations

import pickle

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import store_samples as samples

from gis.errors import InputError, StoreError
from layers.store import open_positions, open_store
from layers.store.base import SourceRecord
from layers.store.positions import SCHEMA

HOUR = 3_600_000
DAY = samples.DAY
FOLLOWING = (pd.Timestamp(DAY) + pd.Timedelta(days=1)).date()


def rows(devices="abcdef", hours=30, *, arrival=500):
    """A fix an hour of each device, over midnight into the next local day."""
    n = len(devices) * hours
    t = samples.DAY_START + np.tile(np.arange(hours), len(devices)) * HOUR
    columns = [np.repeat(list(devices), hours), t, t + arrival, 121.8 + np.arange(n) / 1000, np.full(n, 29.5)]
    return pa.table({f.name: pa.array(c, f.type) for f, c in zip(SCHEMA, columns, strict=True)})


@pytest.fixture
def kept(tmp_path):
    """A store with these rows, some of them arriving twice."""
    store = open_store(f"embedded:{tmp_path / 'store'}", timezone="Asia/Shanghai")
    store.prepare()
    for n, batch in enumerate((rows(), rows("ab", arrival=100))):
        record = SourceRecord("p", "positions", f"{n}.csv", f"{n}", len(batch))
        store.positions.load(iter([batch]), record, samples.NO_QUARANTINE)
    yield store
    store.close()


def flat(folder, **options):
    folder.mkdir(exist_ok=True)
    both = pa.concat_tables([rows(), rows("ab", arrival=100)])
    mixed = both.take(np.random.default_rng(7).permutation(len(both)))
    pq.write_table(mixed.slice(0, 100), folder / "one.parquet", row_group_size=16, **options)
    # other types of the same meaning, a column more, which is not read
    other = mixed.slice(100).append_column("speed", pa.array(np.zeros(len(mixed) - 100)))
    other = other.set_column(0, "device_id", other["device_id"].cast(pa.large_string()))
    pq.write_table(other, folder / "two.parquet", **options)
    pq.write_table(mixed.slice(0, 3), folder / "_unfinished.parquet")
    return open_positions(str(folder), timezone="Asia/Shanghai")


def assert_equal(found, store):
    mine = store.positions
    assert found.days() == mine.days() == [DAY, FOLLOWING]
    for day in found.days():
        assert (found.count(day), found.sha256(day)) == (mine.count(day), mine.sha256(day))
        for options in (
            {}, {"device_ids": ["b", "e", "none"]}, {"from_ms": samples.DAY_START + 3 * HOUR, "to_ms": samples.DAY_START + 9 * HOUR},
            {"arrived_before_ms": samples.DAY_START + 5 * HOUR + 300},
        ):  # fmt: skip
            assert found.scan(day, **options).equals(mine.scan(day, **options)), options
    assert found.count(date_without := FOLLOWING.replace(year=2027)) == 0
    assert len(found.scan(date_without, shards=2)) == 0


def test_flat_files_and_the_stores_own_folders(kept, tmp_path):
    assert_equal(flat(tmp_path / "flat"), kept)
    assert_equal(flat(tmp_path / "bare", write_statistics=False), kept)
    assert_equal(open_positions(str(tmp_path / "store" / "positions"), timezone="Asia/Shanghai"), kept)


def test_an_object_store(kept, tmp_path):
    flat(tmp_path / "flat")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "flat"), "/held/fixes", recursive=True)
    try:
        assert_equal(open_positions("memory://held/fixes", timezone="Asia/Shanghai"), kept)
    finally:
        memory.rm("/held", recursive=True)


@pytest.mark.parametrize("shards", [1, 2, 5, 9])
def test_every_device_falls_into_one_shard(tmp_path, shards):
    found = flat(tmp_path / "flat")
    parts = [found.scan(DAY, shard=i, shards=shards) for i in range(shards)]
    assert pa.concat_tables(parts).equals(found.scan(DAY))  # groups follow the order of ids
    groups = [set(p["device_id"].to_pylist()) for p in parts]
    assert sum(map(len, groups)) == 6
    assert sum(bool(g) for g in groups) == min(shards, 6)


def test_a_worker_reads_the_row_groups_of_its_own_devices_only(tmp_path):
    path = tmp_path / "fixes.parquet"
    pq.write_table(rows("ab", 24), path, row_group_size=24, compression="none")
    found = open_positions(str(tmp_path), timezone="Asia/Shanghai")
    assert found.count(DAY) == 48
    sent = pickle.dumps(found)
    expected = found.scan(DAY, shard=0, shards=2)
    whole = path.read_bytes()
    second = pq.ParquetFile(path).metadata.row_group(1)
    begin = min(second.column(i).dictionary_page_offset or second.column(i).data_page_offset for i in range(5))
    path.write_bytes(whole[:begin] + b"\xff" * second.total_byte_size + whole[begin + second.total_byte_size :])
    arrived = pickle.loads(sent)
    assert arrived.scan(DAY, shard=0, shards=2).equals(expected)
    with pytest.raises((InputError, StoreError)):
        arrived.scan(DAY, shard=1, shards=2)


def changed(name, values):
    table = rows()
    return table.set_column(table.column_names.index(name), name, values)


@pytest.mark.parametrize(
    ("table", "code", "column"),
    [
        (rows().drop_columns("arrived_ms"), "column.missing", "arrived_ms"),
        (changed("t_ms", rows()["t_ms"].cast(pa.timestamp("ms"))), "value.dtype", "t_ms"),
        (changed("lon", pa.array(["121.8"] * 180)), "value.dtype", "lon"),
        (changed("lat", pa.array([None] + [29.5] * 179)), "value.null", "lat"),
        (changed("lat", pa.array([float("nan")] + [29.5] * 179)), "value.range", "lat"),
        (changed("lon", pa.array([1218.0] + [121.8] * 179)), "value.range", "lon"),
    ],
)
@pytest.mark.parametrize("write_statistics", [True, False])
def test_faults_name_file_column_and_remedy(tmp_path, table, code, column, write_statistics):
    pq.write_table(rows("xyz"), tmp_path / "good.parquet")
    pq.write_table(table, tmp_path / "bad.parquet", write_statistics=write_statistics)
    with pytest.raises(InputError) as caught:
        open_positions(str(tmp_path), timezone="Asia/Shanghai").sha256(DAY)
    (fault,) = caught.value.faults
    assert (fault.code, fault.column) == (code, column)
    assert fault.file.endswith("bad.parquet")
    assert fault.fix_zh
    assert fault.fix_en


def test_a_folder_of_another_day(tmp_path):
    (tmp_path / f"day={DAY}").mkdir()
    pq.write_table(rows(), tmp_path / f"day={DAY}" / "a.parquet")  # 30 hours of it
    with pytest.raises(InputError) as caught:
        open_positions(str(tmp_path), timezone="Asia/Shanghai").days()
    assert [f.code for f in caught.value.faults] == ["positions.day"]


def test_places_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="Parquet"):
        open_positions(str(tmp_path), timezone="Asia/Shanghai").days()
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"cut\.parquet"):
        open_positions(str(tmp_path), timezone="Asia/Shanghai").days()
    with pytest.raises(StoreError, match="nowhere"):
        open_positions("nowhere://bucket/fixes", timezone="Asia/Shanghai")
    with pytest.raises(InputError, match="only read from"):
        flat(tmp_path / "flat").load([], SourceRecord("p", "positions", "p.csv", "0", 0), samples.NO_QUARANTINE)
