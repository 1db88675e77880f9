"""Loading and reading positions: the two stores against `geopandas.to_postgis`, in one run, each in a process of its own.

`python benchmarks/load.py [--url postgresql://…] [--sizes 100000,300000,1000000] [--repeat 3] [--core 0]`.
The PostgreSQL rows need a server where databases may be made: the one of XUNCHA_BENCH_POSTGIS_URL or --url, else a private one where it is
installed; without any only the embedded store is measured. The client and a private server are pinned to one core. Seconds are
processor time (a private server's included), so that other work on the machine does not count; `wall` is told beside it. The peak
is the resident memory of the client process; its base is what it had before, imports and input included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import date
from importlib.metadata import version
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from postgres_server import database, pin, processor_s, server

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
    return int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024


class _Clock:
    """Wall time, and processor time of this process and of a private server."""

    def __init__(self, pid: int | None) -> None:
        self.pid, self.at = pid, self._now(pid)

    @staticmethod
    def _now(pid: int | None) -> tuple[float, float]:
        return time.process_time() + (processor_s(pid) if pid else 0.0), time.perf_counter()

    def lap(self) -> tuple[float, float]:
        """Processor and wall seconds since the last lap."""
        before, self.at = self.at, self._now(self.pid)
        return self.at[0] - before[0], self.at[1] - before[1]


def _store(url: str, rows: int, pid: int | None) -> dict[str, float]:
    batch = positions(rows)
    store = open_store(url)
    store.prepare()
    record = SourceRecord("p", "positions", "p.csv", "0" * 64, rows)
    base = _peak_mib()
    clock = _Clock(pid)
    manifest = store.positions.load([batch], record, NO_QUARANTINE)
    write_s, wall_s = clock.lap()
    peak = _peak_mib()
    clock.lap()
    scanned = len(store.positions.scan(DAY))
    read_s = clock.lap()[0]
    again = store.positions.load([batch], record, NO_QUARANTINE)
    again_s = clock.lap()[0]
    store.close()
    if not (manifest.inserted == scanned == store_rows(batch)) or again.inserted:
        message = "rows are lost or doubled"
        raise SystemExit(message)
    return {
        "write_s": write_s,
        "wall_s": wall_s,
        "read_s": read_s,
        "again_s": again_s,
        "base_mib": base,
        "peak_mib": peak,
    }


def store_rows(batch: pa.Table) -> int:
    """Distinct keys of the input."""
    return len(
        batch.select(["device_id", "t_ms", "lon", "lat"]).group_by(["device_id", "t_ms", "lon", "lat"]).aggregate([])
    )


def _geopandas(url: str, rows: int, pid: int | None) -> dict[str, float]:
    frame = positions(rows).to_pandas()
    frame = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame.pop("lon"), frame.pop("lat")), crs="EPSG:4326")
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    base = _peak_mib()
    clock = _Clock(pid)
    frame.to_postgis("peer_positions", engine, if_exists="replace", index=False)
    write_s, wall_s = clock.lap()
    peak = _peak_mib()
    clock.lap()
    found = gpd.read_postgis("SELECT * FROM peer_positions ORDER BY device_id, t_ms", engine, geom_col="geometry")
    read_s = clock.lap()[0]
    engine.dispose()
    if len(found) != rows:
        message = "rows are lost"
        raise SystemExit(message)
    return {
        "write_s": write_s,
        "wall_s": wall_s,
        "read_s": read_s,
        "again_s": float("nan"),
        "base_mib": base,
        "peak_mib": peak,
    }


def _child(what: str, url: str, rows: int, core: int, pid: int | None) -> dict[str, float]:
    """One measurement in a fresh process."""
    command = [sys.executable, __file__, "--child", what, "--url", url, "--sizes", str(rows), "--core", str(core)]
    command += ["--pid", str(pid)] if pid else []
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


def _measure(what: str, running: tuple[str, int | None] | None, rows: int, core: int) -> dict[str, float]:
    if what == "embedded" or running is None:
        with tempfile.TemporaryDirectory() as folder:
            return _child(what, f"embedded:{folder}/store", rows, core, None)
    with database(running[0], f"xuncha_bench_{os.getpid()}") as url:
        return _child(what, url, rows, core, running[1])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default=os.environ.get("XUNCHA_BENCH_POSTGIS_URL"))
    parser.add_argument("--sizes", default="100000,300000,1000000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--child", default=None)
    parser.add_argument("--pid", type=int)
    given = parser.parse_args()
    if given.child:
        os.sched_setaffinity(0, {given.core})
        pa.set_cpu_count(1)
        measured = _geopandas if given.child == "geopandas" else _store
        print(json.dumps(measured(given.url, int(given.sizes), given.pid)))
        return
    with nullcontext((given.url, None)) if given.url else server() as running:
        if running:
            pin(running[1], given.core)
        _table(running, given)


def _table(running: tuple[str, int | None] | None, given: argparse.Namespace) -> None:
    names = ("xuncha", "geopandas", "pyarrow", "psycopg", "sqlalchemy", "numpy")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in names))
    if running:
        with psycopg.connect(running[0]) as conn:
            print(conn.execute("SELECT version()").fetchone()[0])  # type: ignore[index]
    print(
        f"client (and private server) on core {given.core}, load {os.getloadavg()[0]:.1f}, median of {given.repeat}\n"
    )
    print(
        "| rows | what | write s | range | wall s | read s | same again s | peak MiB (base) | write against to_postgis |"
    )
    print("|---:|---|---:|---|---:|---:|---:|---:|---:|")
    for rows in map(int, given.sizes.split(",")):
        made = {}
        for what in ("embedded", *(("postgis", "geopandas") if running else ())):
            made[what] = [_measure(what, running, rows, given.core) for _ in range(given.repeat)]
        peer = statistics.median(m["write_s"] for m in made["geopandas"]) if running else float("nan")
        for what, runs in made.items():
            mid = {k: statistics.median(m[k] for m in runs) for k in runs[0]}
            low, high = min(m["write_s"] for m in runs), max(m["write_s"] for m in runs)
            memory = f"{mid['peak_mib']:.0f} ({mid['base_mib']:.0f})"
            ratio = f"{peer / mid['write_s']:.1f}×"
            times = f"{mid['write_s']:.2f} | {low:.2f} … {high:.2f} | {mid['wall_s']:.2f} | {mid['read_s']:.2f} | {mid['again_s']:.2f}"
            print(f"| {rows:,} | {what} | {times} | {memory} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
