"""A day audited whole, in shards, and on a Dask cluster whose worker is killed: the same run, the same bits."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyproj
import pytest

from etl.load import load_city
from etl.pipeline import audit_days
from etl.warm import lattice
from gis.network import build_network
from gis.simulate import random_patrols
from layers.city import load_city_file
from layers.contracts import TABLES
from layers.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 3, 18)
CITY = """
[city]
id = "lattice"
name = "格网镇"
metric_crs = 4550
[standard]
name = "xiangshan-2019"
[counting]
unassigned = true
[[source]]
name = "道路"
table = "road_edges"
path = "roads.geojson"
[roads.classes]
street = "main"
[[source]]
name = "定位"
table = "positions"
path = "positions*.csv"
columns = { device_id = "device" }
"""


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    """A lattice of streets and twelve vehicles for two hours; all but the first come in a second file."""
    folder = tmp_path_factory.mktemp("lattice")
    roads = lattice()
    roads.drop(columns=["policy_class", "level"]).to_file(folder / "roads.geojson", driver="GeoJSON")
    network = build_network(roads, metric_crs="EPSG:4550", rule_of_class={"main": "a", "secondary": "b", "branch": "c"})
    _, seen = random_patrols(network.graph, 12, 7200.0, 5.0, interval_s=10.0, noise_m=4.0, rng=np.random.default_rng(5))
    lon, lat = pyproj.Transformer.from_crs(network.graph.crs, 4326, always_xy=True).transform(seen.x, seen.y)
    t = pd.to_datetime(
        seen.t_ms - seen.t_ms.min() + pd.Timestamp("2026-03-18T09:00+08:00").value // 10**6, unit="ms", utc=True
    )
    frame = pd.DataFrame(
        {
            "device": np.array(seen.devices)[seen.device_ix],
            "time": t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "lon": lon,
            "lat": lat,
        }
    )
    frame[: len(frame) // 12].to_csv(folder / "positions1.csv", index=False)
    frame[len(frame) // 12 :].to_csv(folder / "later.csv", index=False)
    (folder / "city.toml").write_text(CITY, encoding="utf-8")
    return folder


def opened(town: Path, folder: Path):
    shutil.copytree(town, folder, dirs_exist_ok=True)
    shutil.copy(folder / "later.csv", folder / "positions2.csv")
    city = load_city_file(folder / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)
    return city, store


def audited(city, store, **how) -> dict:
    run = audit_days(city, store, [DAY], **how)[0]
    tables = {
        t.name: pd.DataFrame(store.result(run.run_id, t.name)).to_csv(index=False)
        for t in TABLES.values()
        if t.kind == "result"
    }
    return {"run": run.run_id, "passes": store.passes(run.run_id), "tables": tables}


@pytest.fixture(scope="module")
def whole(town, tmp_path_factory) -> dict:
    city, store = opened(town, tmp_path_factory.mktemp("whole"))
    found = audited(city, store, shards=1)
    store.close()
    assert found["passes"].num_rows > 500
    return found


def assert_same(found: dict, whole: dict) -> None:
    assert found["run"] == whole["run"]
    assert found["passes"].equals(whole["passes"])
    for name, text in whole["tables"].items():
        assert found["tables"][name] == text, name


@pytest.mark.parametrize("shards", [2, 5])
def test_shards_give_the_same_bits(town, whole, tmp_path, shards) -> None:
    city, store = opened(town, tmp_path)
    assert_same(audited(city, store, shards=shards), whole)
    store.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # a killed worker makes the cluster complain
def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(town, whole, tmp_path) -> None:
    from distributed import LocalCluster  # noqa: PLC0415 (slow)

    city, store = opened(town, tmp_path)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid

        def strike() -> None:
            time.sleep(1.0)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=strike)
        killer.start()
        found = audited(city, store, shards=4, scheduler=cluster.scheduler_address)
        killer.join()
    store.close()
    assert_same(found, whole)


def test_late_positions_change_what_they_touch_and_it_is_listed(town, whole, tmp_path) -> None:
    shutil.copytree(town, tmp_path, dirs_exist_ok=True)
    city = load_city_file(tmp_path / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)  # only the first vehicle has arrived
    early = audited(city, store)
    before = store.result(early["run"], "section_windows").set_index(["section_id", "window_ix"])["outcome"]
    shutil.copy(tmp_path / "later.csv", tmp_path / "positions2.csv")
    load_city(city, store)
    late = audited(city, store)
    assert late["run"] != early["run"]
    assert late["tables"] == whole["tables"]  # as if all had come at once
    after = store.result(late["run"], "section_windows").set_index(["section_id", "window_ix"])["outcome"]
    changed = before.index[before != after.reindex(before.index)]
    listed = store.difference(late["run"])
    listed = listed[(listed["table"] == "section_windows") & (listed["column"] == "outcome")]
    assert len(changed) > 0
    assert len(listed) == len(changed)
    assert "covered" in set(listed["after"])
    load_city(city, store)  # once more: nothing new
    assert audited(city, store)["run"] == late["run"]
    assert len(store.runs(DAY)) == 2
    store.close()
