"""Loading and reading positions: the two stores against `geopandas.to_postgis`, in one run, each in a process of its own.

`python benchmarks/load.py [--url postgresql://…] [--sizes 100000,300000,1000000] [--repeat 3] [--core 0]`.
The PostgreSQL rows need a server where databases may be made (XUNCHA_BENCH_POSTGIS_URL or --url);
without one only the embedded store is measured.
The client is pinned to one core. The peak is the resident memory of the client process;
its base is what it had before, imports and input included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from layers.store import open_store
from layers.store.base import SourceRecord

DAY, DAY_START_MS = date(2026, 3, 18), 1_773_763_200_000
NO_QUARANTINE = pd.DataFrame(columns=["row", "column", "code", "zh", "en", "raw"])


def positions(rows: int) -> pa.Table:
    """A day of 300 devices in file order (by time)."""
    rng = np.random.default_rng(20260318)
    t = DAY_START_MS + np.sort(rng.integers(0, 86_400, rows)) * 1000
    names = np.array([f"device-{i:04d}" for i in range(300)])
    return pa.table(
        {
            "device_id": pa.array(names[rng.integers(0, 300, rows)], pa.string()),
            "t_ms": t,
            "arrived_ms": t + rng.integers(0, 60_000, rows),
            "lon": 121.8 + rng.random(rows) / 5,
            "lat": 29.4 + rng.random(rows) / 5,
        }
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _store(url: str, rows: int) -> dict[str, float]:
    batch = positions(rows)
    store = open_store(url)
    store.prepare()
    record = SourceRecord("p", "positions", "p.csv", "0" * 64, rows)
    base = _peak_mib()
    begun = time.perf_counter()
    manifest = store.positions.load([batch], record, NO_QUARANTINE)
    written = time.perf_counter()
    peak = _peak_mib()
    scanned = len(store.positions.scan(DAY))
    read = time.perf_counter()
    again = store.positions.load([batch], record, NO_QUARANTINE)
    done = time.perf_counter()
    store.close()
    if not (manifest.inserted == scanned == store_rows(batch)) or again.inserted:
        message = "rows are lost or doubled"
        raise SystemExit(message)
    return {
        "write_s": written - begun,
        "read_s": read - written,
        "again_s": done - read,
        "base_mib": base,
        "peak_mib": peak,
    }


def store_rows(batch: pa.Table) -> int:
    """Distinct keys of the input."""
    return len(
        batch.select(["device_id", "t_ms", "lon", "lat"]).group_by(["device_id", "t_ms", "lon", "lat"]).aggregate([])
    )


def _geopandas(url: str, rows: int) -> dict[str, float]:
    frame = positions(rows).to_pandas()
    frame = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame.pop("lon"), frame.pop("lat")), crs="EPSG:4326")
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    base = _peak_mib()
    begun = time.perf_counter()
    frame.to_postgis("peer_positions", engine, if_exists="replace", index=False)
    written = time.perf_counter()
    peak = _peak_mib()
    found = gpd.read_postgis("SELECT * FROM peer_positions ORDER BY device_id, t_ms", engine, geom_col="geometry")
    read = time.perf_counter()
    engine.dispose()
    if len(found) != rows:
        message = "rows are lost"
        raise SystemExit(message)
    return {
        "write_s": written - begun,
        "read_s": read - written,
        "again_s": float("nan"),
        "base_mib": base,
        "peak_mib": peak,
    }


def _child(what: str, url: str, rows: int, core: int) -> dict[str, float]:
    """One measurement in a fresh process."""
    command = [sys.executable, __file__, "--child", what, "--url", url, "--sizes", str(rows), "--core", str(core)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    made: dict[str, float] = json.loads(done.stdout)
    return made


def _measure(what: str, server: str | None, rows: int, core: int) -> dict[str, float]:
    if what == "embedded":
        with tempfile.TemporaryDirectory() as folder:
            return _child(what, f"embedded:{folder}/store", rows, core)
    name = f"xuncha_bench_{os.getpid()}"
    with psycopg.connect(server or "", autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
    try:
        url = (server or "").rsplit("/", 1)[0] + f"/{name}"
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION postgis")
        return _child(what, url, rows, core)
    finally:
        with psycopg.connect(server or "", autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default=os.environ.get("XUNCHA_BENCH_POSTGIS_URL"))
    parser.add_argument("--sizes", default="100000,300000,1000000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--child", default=None)
    given = parser.parse_args()
    if given.child:
        os.sched_setaffinity(0, {given.core})
        pa.set_cpu_count(1)
        print(json.dumps((_geopandas if given.child == "geopandas" else _store)(given.url, int(given.sizes))))
        return
    names = ("xuncha", "geopandas", "pyarrow", "psycopg", "sqlalchemy", "numpy")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in names))
    if given.url:
        with psycopg.connect(given.url) as conn:
            print(conn.execute("SELECT version()").fetchone()[0])  # type: ignore[index]
    print(f"client on core {given.core}, median of {given.repeat} (fastest … slowest write)\n")
    print("| rows | what | write s | range | read s | same again s | peak MiB (base) | write against to_postgis |")
    print("|---:|---|---:|---|---:|---:|---:|---:|")
    for rows in map(int, given.sizes.split(",")):
        made = {}
        for what in ("embedded", *(("postgis", "geopandas") if given.url else ())):
            made[what] = [_measure(what, given.url, rows, given.core) for _ in range(given.repeat)]
        peer = statistics.median(m["write_s"] for m in made["geopandas"]) if given.url else float("nan")
        for what, runs in made.items():
            mid = {k: statistics.median(m[k] for m in runs) for k in runs[0]}
            low, high = min(m["write_s"] for m in runs), max(m["write_s"] for m in runs)
            memory = f"{mid['peak_mib']:.0f} ({mid['base_mib']:.0f})"
            ratio = f"{peer / mid['write_s']:.1f}×"
            times = f"{mid['write_s']:.2f} | {low:.2f} … {high:.2f} | {mid['read_s']:.2f} | {mid['again_s']:.2f}"
            print(f"| {rows:,} | {what} | {times} | {memory} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
