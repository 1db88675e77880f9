"""Map matching against its peers on one core: speed, accuracy, memory.

    python benchmarks/matching.py [--sizes 20000,60000,180000] [--kind trips|walks]

Every matcher runs in a process of its own, pinned to one core; times are processor time of that process (so that other work on the machine
does not count), compilation and building of indexes apart. Fixes are simulated with white noise whose root mean square distance from
the true place is the figure named (so 5.7 m on each axis for 8 m). Without the real data (XUNCHA_DATA) a synthetic town is used.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from road_data import beijing, data_root, synthetic
from scoring import Stretches, f1, observed
from trips import trips

from gis.model import Fixes, Mode, Passes
from gis.simulate import random_patrols

# name: interval (s), speed (m/s), noise (m, root mean square distance), mode
CASES = {
    "10 s, 5 m/s, 8 m": (10, 5.0, 8.0, Mode.VEHICLE),
    "30 s, 5 m/s, 15 m": (30, 5.0, 15.0, Mode.VEHICLE),
    "walking 10 s, 1.4 m/s, 8 m": (10, 1.4, 8.0, Mode.FOOT),
}
# fastmm: table bound, search radius, noise, reverse tolerance: the best found for each case
FASTMM = {
    "10 s, 5 m/s, 8 m": (600, 40, 10, 0),
    "30 s, 5 m/s, 15 m": (1000, 60, 15, 0),
    "walking 10 s, 1.4 m/s, 8 m": (600, 40, 10, 50),
}
FIXES_PER_DEVICE = 360
TRUTH = ("segment_ix", "from_mm", "to_mm", "enter_ms", "leave_ms", "device_ix")


def graph_at_hand() -> tuple[Any, str]:
    """The drivable graph of Beijing, or the synthetic town."""
    root = data_root()
    if root is not None and (root / "beijing" / "roads.gpkg").exists():
        return beijing(root)[0], "Beijing"
    return synthetic(), "synthetic town"


def simulate(graph: Any, case: str, size: int, kind: str, path: Path) -> None:
    """Writes truth and fixes of a case."""
    interval, speed, noise, mode = CASES[case]
    devices = max(1, size // FIXES_PER_DEVICE)
    make = trips if kind == "trips" else random_patrols
    truth, seen = make(
        graph, devices, FIXES_PER_DEVICE * interval, speed, interval_s=interval, noise_m=noise / np.sqrt(2),
        rng=np.random.default_rng(11), mode=mode,
    )  # fmt: skip
    np.savez(
        path, device_ix=seen.device_ix, t_ms=seen.t_ms, x=seen.x, y=seen.y, devices=np.array(seen.devices), mode=seen.mode,
        **{f"truth_{c}": getattr(truth, c) for c in TRUTH},
    )  # fmt: skip


def load(path: Path) -> tuple[Fixes, Passes]:
    """Fixes and truth as written."""
    z = np.load(path)
    n = len(z["t_ms"])
    names = tuple(z["devices"].tolist())
    fixes = Fixes(
        z["device_ix"], z["t_ms"], z["x"], z["y"], np.zeros(n, np.uint16), z["device_ix"].copy(), names, z["mode"]
    )
    s, a, b, enter, leave, d = (z[f"truth_{c}"] for c in TRUTH)
    ones = np.ones(len(s), np.float32)
    return fixes, Passes(s, a, b, enter, leave, d, d, enter, leave, ones.astype(bool), ones, names, z["mode"])


def run_xuncha(graph: Any, fixes: Fixes, case: str) -> tuple[Stretches, dict[str, float]]:
    from gis.matching import Matcher  # noqa: PLC0415 (only the process that measures it loads it)

    t0 = time.process_time()
    matcher = Matcher(graph).prepare((CASES[case][3],))
    built = time.process_time() - t0
    few = fixes.device_ix == 0
    part = Fixes(
        *(getattr(fixes, c)[few] for c in ("device_ix", "t_ms", "x", "y", "flags", "track_ix")),
        fixes.devices,
        fixes.mode,
    )
    t0 = time.process_time()
    matcher.match(part)
    compiled = time.process_time() - t0
    best = np.inf
    for _ in range(3):
        t0 = time.process_time()
        p = matcher.match(fixes)
        best = min(best, time.process_time() - t0)
    return Stretches.of(p.device_ix, p.segment_ix, p.from_mm, p.to_mm), {
        "build_s": built,
        "first_call_s": compiled,
        "match_s": best,
    }


def run_fastmm(graph: Any, fixes: Fixes, case: str) -> tuple[Stretches, dict[str, float]]:
    import fastmm  # noqa: PLC0415

    bound, radius, noise, back = FASTMM[case]
    walker = CASES[case][3] == Mode.FOOT
    t0 = time.process_time()
    network = fastmm.Network()
    for s in range(graph.segment_count):
        a, b = graph.vert_ptr[s], graph.vert_ptr[s + 1]
        line = list(zip(graph.vert_x[a:b].tolist(), graph.vert_y[a:b].tolist(), strict=True))
        u, v = int(graph.seg_u[s]), int(graph.seg_v[s])
        if walker or graph.seg_oneway[s] >= 0:
            network.add_edge(2 * s, u, v, line)
        if walker or graph.seg_oneway[s] <= 0:
            network.add_edge(2 * s + 1, v, u, line[::-1])
    network.finalize()
    with tempfile.TemporaryDirectory() as folder:
        matcher = fastmm.FastMapMatch(
            network, fastmm.TransitionMode.SHORTEST, max_distance_between_candidates=float(bound), cache_dir=folder
        )
    built = time.process_time() - t0
    ptr = np.searchsorted(fixes.device_ix, np.arange(len(fixes.devices) + 1))
    tracks = []
    for a, b in itertools.pairwise(ptr):
        t = fixes.t_ms[a:b] / 1000
        tracks.append(
            fastmm.Trajectory.from_xyt_tuples(
                list(zip(fixes.x[a:b].tolist(), fixes.y[a:b].tolist(), t.tolist(), strict=True))
            )
        )
    many = getattr(matcher, "match_many", None)
    how = {
        "max_candidates": 8, "candidate_search_radius": float(radius), "gps_error": float(noise), "reverse_tolerance": float(back)
    }  # fmt: skip
    best = np.inf
    for _ in range(2):
        t0 = time.process_time()
        results = many(tracks, **how) if many else [matcher.match(t, **how) for t in tracks]
        best = min(best, time.process_time() - t0)
    rows = []
    for device, result in enumerate(results):
        for part in result.subtrajectories:
            for stretch in part.segments:
                edges = stretch.edges
                for k, e in enumerate(edges):
                    begin = stretch.p0.offset_from_start_of_edge if k == 0 else 0.0
                    end = stretch.p1.offset_from_start_of_edge if k == len(edges) - 1 else np.inf
                    rows.append((device, e.edge_id, begin, end))
    table = np.array(rows)
    seg, against = table[:, 1].astype(np.int64) >> 1, table[:, 1].astype(np.int64) & 1
    length = graph.seg_length_mm[seg].astype(np.float64)
    a, b = (np.minimum(np.rint(table[:, c] * 1000), length) for c in (2, 3))
    a, b = (np.where(against == 1, length - c, c) for c in (a, b))
    return Stretches.of(table[:, 0], seg, a, b), {"build_s": built, "first_call_s": 0.0, "match_s": best}


def run_nearest(graph: Any, fixes: Fixes, case: str) -> tuple[Stretches, dict[str, float]]:  # noqa: ARG001 (all alike)
    """The nearest segment of each fix counts as passed whole."""
    import shapely  # noqa: PLC0415

    t0 = time.process_time()
    of = np.repeat(np.arange(graph.segment_count), np.diff(graph.vert_ptr))
    tree = shapely.STRtree(shapely.linestrings(np.column_stack([graph.vert_x, graph.vert_y]), indices=of))
    built = time.process_time() - t0
    t0 = time.process_time()
    (at, seg), took = tree.query_nearest(shapely.points(fixes.x, fixes.y), all_matches=False), 0.0
    took = time.process_time() - t0
    got = Stretches.of(fixes.device_ix[at], seg, np.zeros(len(seg)), graph.seg_length_mm[seg])
    return got, {"build_s": built, "first_call_s": 0.0, "match_s": took}


RUNNERS = {"xuncha": run_xuncha, "fastmm": run_fastmm, "nearest road": run_nearest}


def work(name: str, case: str, path: Path, core: int) -> None:
    """One measurement, in its own process; prints one JSON line."""
    os.sched_setaffinity(0, {core})
    graph, _ = graph_at_hand()
    fixes, truth = load(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    got, times = RUNNERS[name](graph, fixes, case)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scores = f1(observed(truth, fixes.device_ix, fixes.t_ms), got, graph.seg_length_mm)
    print(
        "RESULT "
        + json.dumps(
            {**times, **scores, "points": len(fixes.t_ms), "peak_mib": peak / 1024, "own_mib": (peak - before) / 1024}
        )
    )


def measure(name: str, case: str, path: Path, core: int) -> dict[str, float] | str:
    """A measurement by a fresh process, or why there is none."""
    if name == "fastmm":
        try:
            importlib.metadata.version("fastmm")
        except importlib.metadata.PackageNotFoundError:
            return "not installed"
    done = subprocess.run(
        [sys.executable, __file__, "--worker", name, "--case", case, "--fixes", str(path), "--core", str(core)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: dict[str, float] = json.loads(line[7:])
            return found
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no result"


def versions() -> str:
    """Machine and versions of what is measured."""
    names = ("numpy", "numba", "fastmm", "shapely")
    have = []
    for n in names:
        try:
            have.append(f"{n} {importlib.metadata.version(n)}")
        except importlib.metadata.PackageNotFoundError:
            have.append(f"{n} absent")
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, " + ", ".join(have)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="20000,60000,180000", help="fixes of each size")
    parser.add_argument(
        "--kind", choices=("trips", "walks"), default="trips", help="shortest ways to chance places, or random walks"
    )
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--core", type=int, default=0, help="core to pin to")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--fixes", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker, given.case, given.fixes, given.core)
        return
    graph, place = graph_at_hand()
    print(f"{place}: {graph.segment_count} segments, {graph.node_count} nodes; {given.kind}; {versions()}")
    names = "case,matcher,points,points/s,× fastmm,edges F1,metres F1,recall,precision,build s,first call s,peak MiB,own MiB"
    head = "| " + names.replace(",", " | ") + " |"
    print(head + "\n|" + "---|" * (head.count("|") - 1))
    with tempfile.TemporaryDirectory() as folder:
        for case in (c for c in CASES if given.only in c):
            for size in map(int, given.sizes.split(",")):
                path = Path(folder) / "fixes.npz"
                simulate(graph, case, size, given.kind, path)
                rates: dict[str, float] = {}
                for name in ("fastmm", "xuncha", "nearest road"):
                    r = measure(name, case, path, given.core)
                    if isinstance(r, str):
                        print(f"| {case} | {name} | {r} |" + " |" * 10, flush=True)
                        continue
                    rates[name] = r["points"] / r["match_s"]
                    ratio = f"{rates[name] / rates['fastmm']:.1f}" if "fastmm" in rates else "-"
                    print(
                        f"| {case} | {name} | {r['points']} | {rates[name]:,.0f} | {ratio} | {r['edges_f1']:.4f} | {r['metres_f1']:.4f} | "
                        f"{r['recall']:.4f} | {r['precision']:.4f} | {r['build_s']:.1f} | {r['first_call_s']:.1f} | {r['peak_mib']:.0f} | "
                        f"{r['own_mib']:.0f} |",
                        flush=True,
                    )  # fmt: skip


if __name__ == "__main__":
    main()
