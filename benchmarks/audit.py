"""The whole audit beside its peers: the same positions of one day, each in a process of its own, pinned to one core, at three sizes.

    python benchmarks/audit.py [--sizes 100000,300000,1000000] [--only xuncha,sjoin,…] [--every-way]

Network: the drivable streets of central Beijing where XUNCHA_DATA is set (with `--every-way` ways of every class, footways beside their
streets included), else the sample county. Positions: random patrols in vehicles at 5 m/s, a fix every 10 s, noise of 5.7 m on each axis;
every device counts. The peers answer one question, "which share of each edge was passed in each hour" (`audit_peers.py`), by the distance
that suits them best; xuncha answers it from the passes that its audit has stored, and its seconds are those of the whole audit: stored
positions to stored outcomes of every rule. Precision and recall are distinct metres of (edge, hour) against the simulator's truth.
Compilation, the derivation of the network, indexes of edges and loading are done before the clock starts. fastmm: matching alone, without
reading the edges out of its results. `cpu` is processor time, the server's included, so that other work on the machine counts less;
ratios are of that; `s` is wall time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from audit_day import DAY, WARMING, by_hour, city_file, load_positions, opened, prepared, read_case, score, write_case
from audit_peers import PEERS, within_of
from postgres_server import database, pin, processor_s, server

from etl.pipeline import audit_days

MATCHERS = ("fastmm", "xuncha", "xuncha on PostGIS")
NAMES = (*MATCHERS, *PEERS)
ON_SERVER = {"xuncha on PostGIS", "postgis"}
STAGES = ("network", "match", "rules")
PACKAGES = (
    "numpy",
    "numba",
    "pyarrow",
    "fastmm",
    "geopandas",
    "shapely",
    "duckdb",
    "duckdb-extension-spatial",
    "psycopg",
)


def peak_mib() -> float:
    """Peak memory of this process (the counter of `resource` would begin with that of the parent)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def run_audit(case: Path, base: Path, url: str | None, pid: int | None) -> dict[str, Any]:
    """The audit of the day, then the question of the peers from its stored passes."""
    with tempfile.TemporaryDirectory(prefix="xuncha-bench-") as folder:
        place = Path(folder) / "city"
        shutil.copytree(base, place)
        city, store = opened(place, url)
        audit_days(city, store, [WARMING])
        begun = time.perf_counter()
        load_positions(store, pq.read_table(case / "positions.parquet"))
        load_s = time.perf_counter() - begun
        cpu, begun = time.process_time() + (processor_s(pid) if url else 0.0), time.perf_counter()
        run = audit_days(city, store, [DAY])[0]
        audit_s = time.perf_counter() - begun
        cpu = time.process_time() + (processor_s(pid) if url else 0.0) - cpu
        begun = time.perf_counter()
        passes = store.passes(run.run_id)
        seen = passes.filter(pc.field("seen"))
        got = by_hour(
            SimpleNamespace(
                **{n: seen[n].to_numpy() for n in ("segment_ix", "from_mm", "to_mm", "enter_ms", "leave_ms")}
            )
        )
        asked_s = time.perf_counter() - begun
        peak = peak_mib()
        store.close()
    stages = {n: run.seconds.get(n, 0.0) for n in STAGES}
    return {"answer_s": audit_s, "cpu_s": cpu, "peak_mib": peak, "load_s": load_s, "asked_s": asked_s, **stages,
            "passes": passes.num_rows, **score(case, got)}  # fmt: skip


def run_fastmm(case: Path) -> dict[str, Any]:
    """The matching of the same points by fastmm; its table of paths is built before."""
    import fastmm  # noqa: PLC0415 (each process loads its own tool)

    given = read_case(case)
    e = given.edges
    network = fastmm.Network()
    for s in range(e.segment_count):
        a, b = e.vert_ptr[s], e.vert_ptr[s + 1]
        line = list(zip(e.vert_x[a:b].tolist(), e.vert_y[a:b].tolist(), strict=True))
        if e.seg_oneway[s] >= 0:
            network.add_edge(2 * s, int(e.seg_u[s]), int(e.seg_v[s]), line)
        if e.seg_oneway[s] <= 0:
            network.add_edge(2 * s + 1, int(e.seg_v[s]), int(e.seg_u[s]), line[::-1])
    network.finalize()
    with tempfile.TemporaryDirectory() as folder:
        matcher = fastmm.FastMapMatch(
            network, fastmm.TransitionMode.SHORTEST, max_distance_between_candidates=600.0, cache_dir=folder
        )
    table = pq.read_table(given.positions)
    d, t, x, y = (table[n].to_numpy() for n in ("device_ix", "t_ms", "x", "y"))
    ptr = np.searchsorted(d, np.arange(int(d.max()) + 2))
    tracks = [
        fastmm.Trajectory.from_xyt_tuples(list(zip(x[a:b].tolist(), y[a:b].tolist(), (t[a:b] / 1000).tolist(), strict=True)))
        for a, b in itertools.pairwise(ptr)
    ]  # fmt: skip
    how = {"max_candidates": 8, "candidate_search_radius": 40.0, "gps_error": 10.0, "reverse_tolerance": 0.0}
    many = getattr(matcher, "match_many", None)
    cpu, begun = time.process_time(), time.perf_counter()
    done = many(tracks, **how) if many else [matcher.match(track, **how) for track in tracks]
    took = time.perf_counter() - begun
    assert len(done) == len(tracks)
    return {"answer_s": took, "cpu_s": time.process_time() - cpu, "peak_mib": peak_mib()}


def run_peer(name: str, case: Path, url: str | None, pid: int | None) -> dict[str, Any]:
    """A peer's answer and its score."""
    more = {"url": url, "pid": pid} if name in ON_SERVER else {}
    got, seconds = PEERS[name](read_case(case), within_of(name), **more)
    return {**seconds, "peak_mib": peak_mib(), **score(case, got)}


def child(given: argparse.Namespace) -> None:
    """One measurement in this process."""
    os.sched_setaffinity(0, {given.core})
    pa.set_cpu_count(1)
    if given.child == "fastmm":
        found = run_fastmm(given.case)
    elif given.child in MATCHERS:
        found = run_audit(given.case, given.base, given.url, given.pid)
    else:
        found = run_peer(given.child, given.case, given.url, given.pid)
    print("RESULT " + json.dumps(found))


def measure(
    name: str, case: Path, base: Path, core: int, running: tuple[str, int | None] | None
) -> dict[str, Any] | str:
    """A measurement by a fresh process, or why there is none."""
    command = [sys.executable, __file__, "--child", name, "--case", str(case), "--base", str(base), "--core", str(core)]
    with ExitStack() as held:
        if name in ON_SERVER:
            if running is None:
                return "no PostgreSQL with PostGIS"
            url, pid = running
            template = "bench_base" if name in MATCHERS else None
            made = held.enter_context(database(url, "bench_one", template=template))
            pin(pid, core)
            command += ["--url", made, *(["--pid", str(pid)] if pid else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: dict[str, Any] = json.loads(line[7:])
            return found
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no result"


def versions(running: tuple[str, int | None] | None) -> str:
    """Date, machine and versions of what is measured."""
    have = []
    for n in PACKAGES:
        try:
            have.append(f"{n} {importlib.metadata.version(n)}")
        except importlib.metadata.PackageNotFoundError:
            have.append(f"{n} absent")
    if running:
        with psycopg.connect(running[0]) as conn:
            row = conn.execute("SELECT current_setting('server_version'), (SELECT default_version FROM pg_available_extensions "
                               "WHERE name = 'postgis')").fetchone()  # fmt: skip
            have.append("PostgreSQL {} PostGIS {}".format(*(row or ("?", "?"))))
    now = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M")
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return f"{now} UTC, {platform.machine()}, {load}, Python {platform.python_version()}, " + ", ".join(have)


def report(name: str, rows: int, found: dict[str, Any] | str, first: dict[str, float]) -> str:
    """One line of the table."""
    if isinstance(found, str):
        return f"| {rows:,} | {name} | {found} |" + " |" * 6
    took = found["answer_s"]
    first[name] = found["cpu_s"]
    ratio = f"{found['cpu_s'] / first['xuncha']:.2f}" if "xuncha" in first else "–"
    scores = " | ".join(f"{found[k]:.4f}" if k in found else "–" for k in ("precision", "recall"))
    asked = f"{found['asked_s']:.2f}" if "asked_s" in found else "–"
    cpu = "–" if np.isnan(found["cpu_s"]) else f"{found['cpu_s']:.2f}"
    return f"| {rows:,} | {name} | {took:.2f} | {cpu} | {ratio} | {asked} | {scores} | {found['peak_mib']:,.0f} |"


def stages(rows: int, name: str, found: dict[str, Any]) -> str:
    """Where an audit's time went."""
    named = sum(found[n] for n in STAGES)
    parts = " | ".join(f"{found[n]:.2f}" for n in STAGES)
    return f"| {rows:,} | {name} | {found['load_s']:.2f} | {parts} | {found['answer_s'] - named:.2f} | {found['passes']:,} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100000,300000,1000000")
    parser.add_argument(
        "--only", default=",".join(("xuncha", *(n for n in NAMES if n != "xuncha"))), help="which, in this order"
    )
    parser.add_argument("--every-way", action="store_true", help="patrol and match on footways too")
    parser.add_argument("--core", type=int, default=0, help="core to pin to")
    for hidden, kind in (("--child", str), ("--case", Path), ("--base", Path), ("--url", str), ("--pid", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given)
        return
    wanted = [n.strip() for n in given.only.split(",")]
    with ExitStack() as held:
        running = held.enter_context(server()) if ON_SERVER & set(wanted) else None
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="xuncha-bench-")))
        base = folder / "base"
        city_file(base, every_way=given.every_way)
        city, store = opened(base, None)
        graph = prepared(city, store)
        store.close()
        if running and "xuncha on PostGIS" in wanted:
            stored = opened(base, held.enter_context(database(running[0], "bench_base")))[1]
            prepared(city, stored)
            stored.close()
        print(versions(running) + f"\n{graph.segment_count:,} segments\n")
        print(
            "| positions | what | s | cpu s | cpu × xuncha | question s | precision | recall | peak MiB |\n"
            + "|---" * 9
            + "|",
            flush=True,
        )
        where = []
        for size in map(int, given.sizes.split(",")):
            case, first = folder / f"case-{size}", {}
            rows = write_case(case, graph, size).num_rows
            for name in wanted:
                found = measure(name, case, base, given.core, running)
                print(report(name, rows, found, first), flush=True)
                if name in MATCHERS[1:] and not isinstance(found, str):
                    where.append(stages(rows, name, found))
    print("\n| positions | what | load | network | match | rules | the rest | passes |\n" + "|---" * 8 + "|")
    print("\n".join(where))


if __name__ == "__main__":
    main()
