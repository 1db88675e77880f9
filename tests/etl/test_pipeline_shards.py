"""The result of an audit does not depend on how its devices are grouped, nor on the processes that match them, nor on one that dies."""

from __future__ import annotations

import os
import signal

import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_city import DAY, RESULTS, opened, walk, write

from etl.pipeline import audit_days
from gis.errors import SettingsError
from layers.store import open_positions
from layers.store.positions import SCHEMA


def audited(folder, positions=None, url=None, **options):
    """The run, its tables and its passes from a store of its own (at a URL); its positions too, or from Parquet files elsewhere."""
    # two devices a street, so that groups of devices share segments
    rows = [walk(i) for i in range(4)] + [walk(i, "09:00", "10:00").assign(device_id=f"Q{i}") for i in range(5)]
    city = write(folder, positions1=pd.concat(rows, ignore_index=True))
    if positions is None:
        store = opened(city, url=url)
    else:
        store = opened(city, only=["道路"])
        assert store.positions.days() == []
        store.positions = open_positions(positions, timezone=city.timezone)
    (run,) = audit_days(city, store, [DAY], **options)
    tables = {t: store.result(run.run_id, t) for t in RESULTS}
    passes = store.passes(run.run_id)
    store.close()
    return run, tables, passes


def assert_same(got, expected):
    assert got[0].run_id == expected[0].run_id
    for table in RESULTS:
        pd.testing.assert_frame_equal(got[1][table], expected[1][table], check_exact=True)
    assert got[2].equals(expected[2])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return audited(tmp_path_factory.mktemp("alone"), shards=1)


def test_the_reference_holds_something(alone):
    _, tables, passes = alone
    assert set(passes["device_id"].to_pylist()) == {f"D{i}" for i in range(4)} | {f"Q{i}" for i in range(5)}
    assert set(tables["section_windows"]["outcome"]) == {"covered", "unknown"}  # of the afternoon no device tells


@pytest.mark.parametrize("shards", [2, 4])
def test_groups_of_devices(alone, tmp_path, shards):
    assert_same(audited(tmp_path, shards=shards), alone)


@pytest.fixture(scope="module")
def parquet(alone, tmp_path_factory):
    """The same positions as flat files of small row groups, in disorder."""
    folder = tmp_path_factory.mktemp("parquet")
    (written,) = (tmp_path_factory.getbasetemp() / "alone0" / "store" / "positions" / f"day={DAY}").glob("*.parquet")
    rows = pq.read_table(written, partitioning=None, schema=SCHEMA)
    for n in range(3):
        part = rows.take([*range(n, len(rows), 3)]).sort_by([("device_id", "ascending"), ("t_ms", "descending")])
        pq.write_table(part, folder / f"part-{n}.parquet", row_group_size=500)
    return folder


def test_positions_from_parquet_files(alone, parquet, tmp_path):
    assert_same(audited(tmp_path, positions=str(parquet), shards=3), alone)


def test_positions_from_an_object_store_in_memory(alone, parquet, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.put(str(parquet), "/bucket/fixes", recursive=True)
    try:
        assert_same(audited(tmp_path, positions="memory://bucket/fixes", shards=2), alone)
        with pytest.raises(SettingsError, match="no other process"):
            audited(tmp_path / "far", positions="memory://bucket/fixes", shards=2, scheduler="tcp://127.0.0.1:1")
    finally:
        memory.rm("/bucket", recursive=True)


@pytest.fixture(scope="module")
def cluster():
    """Four workers, each a process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=4,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as made:
        yield made


@pytest.mark.slow
def test_positions_from_the_store_on_four_workers(alone, cluster, tmp_path):
    assert_same(audited(tmp_path, shards=2, scheduler=cluster.scheduler_address), alone)


@pytest.mark.slow
@pytest.mark.postgis
def test_positions_from_postgis_on_four_workers(alone, cluster, tmp_path, postgis_url):
    url = postgis_url.replace("postgres@", "postgres:a%40b@") + "?schema=town"  # a password, and a schema of its own
    assert_same(audited(tmp_path, url=url, shards=2, scheduler=cluster.scheduler_address), alone)


@pytest.mark.slow
def test_positions_from_parquet_on_four_workers_two_of_them_killed(alone, cluster, parquet, tmp_path):
    killed, told = [], []

    def kill_one(stage, done, _of):
        """The first worker while devices are matched, the second while sections are judged."""
        told.append((stage[:2], done))
        if stage[:2] in {"匹配", "判定"} and done == 1:
            killed.append(cluster.workers[len(killed)].process.pid)
            os.kill(killed[-1], signal.SIGKILL)

    far = {"positions": str(parquet), "scheduler": cluster.scheduler_address}
    assert_same(audited(tmp_path / "whole", shards=4, **far), alone)
    got = audited(tmp_path / "killed", shards=8, progress=kill_one, **far)
    assert len(killed) == 2
    # eight groups of devices, of which one street's are empty; five streets are five sections
    assert told[1:-1] == [*(("匹配", i) for i in range(1, 9)), *(("判定", i) for i in range(1, 6))]
    assert_same(got, alone)
