"""The result of an audit does not depend on how its devices are grouped, nor on the processes that match them, nor on one that dies."""

from __future__ import annotations

import os
import signal

import pandas as pd
import pytest
from small_city import DAY, opened, walk, write

from etl.pipeline import audit_days
from layers.contracts import TABLES

RESULTS = [t.name for t in TABLES.values() if t.kind == "result"]


def audited(folder, **options):
    """The run, its tables and its passes from a store of its own."""
    # two devices a street, so that groups of devices share segments
    rows = [walk(i) for i in range(4)] + [walk(i, "09:00", "10:00").assign(device_id=f"Q{i}") for i in range(5)]
    city = write(folder, positions1=pd.concat(rows, ignore_index=True))
    store = opened(city)
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
    assert set(tables["section_windows"]["outcome"]) == {"covered", "missed"}


@pytest.mark.parametrize("shards", [2, 4])
def test_groups_of_devices(alone, tmp_path, shards):
    assert_same(audited(tmp_path, shards=shards), alone)


@pytest.mark.slow
def test_two_workers_one_of_them_killed(alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    killed, told = [], []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:

        def kill_one(stage, done, _of):
            told.append((stage, done))
            if stage.startswith("匹配") and not killed:
                killed.append(cluster.workers[0].process.pid)
                os.kill(killed[0], signal.SIGKILL)

        assert_same(audited(tmp_path / "whole", shards=2, scheduler=cluster.scheduler_address), alone)
        got = audited(tmp_path / "killed", shards=8, scheduler=cluster.scheduler_address, progress=kill_one)
    assert killed
    assert [done for stage, done in told if stage.startswith("匹配")] == list(range(1, 9))
    assert_same(got, alone)
