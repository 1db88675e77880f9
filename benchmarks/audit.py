"""The whole audit: positions in the embedded store to stored outcomes, stage by stage, at three sizes; each size in a process of its own.

`python benchmarks/audit.py` [--sizes 100000 300000 1000000]. Network: central Beijing where XUNCHA_DATA is set, else the sample county.
Positions: random patrols in vehicles at 5 m/s, a fix every 10 s, noise of 5.7 m on each axis; devices counted as unassigned. Pinned to one
core; kernels are compiled and the network is derived before the clock starts; the load is told apart. Times are processor time and
wall time; peak memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyproj
from road_data import data_root

from etl.load import load_city
from etl.pipeline import Work, audit_days
from etl.sample.write import write_sample_county
from gis.network import RoadGraph, network_from_tables
from gis.simulate import random_patrols
from layers.city import load_city_file
from layers.store import open_store
from layers.store.base import SourceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2026, 3, 18)
OPENS_MS = int(pd.Timestamp("2026-03-18T08:30+08:00").timestamp() * 1000)
HOURS = 9.0
EMPTY = pd.DataFrame({c: pd.Series(dtype=object) for c in ("row", "column", "code", "zh", "en", "raw")})
ROOT = Path(__file__).resolve().parents[1]


def city_file(folder: Path) -> Path:
    """Roads only, every device counted."""
    if data_root() is None:
        return write_sample_county(folder)
    os.environ["XUNCHA_DATA"] = str(data_root())
    text = (ROOT / "examples" / "beijing" / "city.toml").read_text(encoding="utf-8")
    head, _, tail = text.partition("# 由 xuncha grid")
    path = folder / "city.toml"
    path.write_text(head + "[counting]" + tail.rpartition("[counting]")[2], encoding="utf-8")
    return path


def positions(graph: RoadGraph, count: int) -> pa.Table:
    devices = max(1, round(count / (HOURS * 360)))
    _, seen = random_patrols(
        graph, devices, HOURS * 3600, 5.0, interval_s=10.0, noise_m=5.7, rng=np.random.default_rng(7)
    )
    lon, lat = pyproj.Transformer.from_crs(graph.crs, 4326, always_xy=True).transform(seen.x, seen.y)
    t = seen.t_ms - int(seen.t_ms.min()) + OPENS_MS
    names = pa.array(seen.devices, pa.string()).take(pa.array(seen.device_ix))
    return pa.table({"device_id": names, "t_ms": t, "arrived_ms": t, "lon": lon, "lat": lat})


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def watch_stages() -> dict[str, float]:
    """Peak memory of the process at the end of each stage of the audits to come."""
    peaks: dict[str, float] = {}
    plain = Work.stage

    @contextmanager
    def stage(self: Work, name: str) -> Iterator[None]:
        with plain(self, name):
            yield
        peaks[f"{name}_mib"] = peak_mib()

    Work.stage = stage  # type: ignore[method-assign]
    return peaks


def measure(count: int) -> dict[str, object]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="xuncha-bench-") as folder:
        city = load_city_file(city_file(Path(folder)))
        store = open_store(city.store_url, timezone=city.timezone)
        store.prepare()
        load_city(
            city,
            store,
            only=[s.name for s in city.sources if s.table not in {"positions", "checkins", "cases", "scenes"}],
        )
        audit_days(city, store, [date(2026, 3, 17)])  # derives the network, finds the kernels compiled
        edition = store.edition_at("segments", DAY).edition_id
        network = network_from_tables(
            store.read("segments", edition), store.read("sections", edition), metric_crs=32650
        )
        table = positions(network.graph, count)
        base = peak_mib()
        began = time.perf_counter()
        store.positions.load([table], SourceRecord("bench", "positions", "bench", "0" * 64, table.num_rows), EMPTY)
        load_s = time.perf_counter() - began
        rows = table.num_rows
        del table
        peaks = watch_stages()
        wall, cpu = time.perf_counter(), time.process_time()
        run = audit_days(city, store, [DAY])[0]
        found = {
            "positions": rows,
            "load_s": load_s,
            "audit_s": time.perf_counter() - wall,
            "audit_cpu_s": time.process_time() - cpu,
            **dict(run.seconds),
            "passes": store.passes(run.run_id).num_rows,
            "base_mib": base,
            **peaks,
        }
        store.close()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--child", type=int)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child)))
        return
    rows = []
    for size in given.sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(size)], capture_output=True, text=True, check=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    table = pd.DataFrame(rows)
    today = datetime.now(tz=UTC).date()
    versions = f"Python {platform.python_version()} numpy {np.__version__} pyarrow {pa.__version__}"
    print(f"{today} {platform.machine()} {versions} load {os.getloadavg()[0]:.1f}\n")
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(f"{v:,.2f}" if isinstance(v, float) else f"{v:,}" for v in row) + " |")


if __name__ == "__main__":
    main()
