"""Map matching against its peers on one core: speed, accuracy, memory.

    python benchmarks/matching.py [--sizes 20000,60000,180000] [--kind trips|walks]

Every matcher runs in a process of its own, pinned to one core; times are processor time of that process (so that other work on the machine
does not count), compilation and building of indexes apart. Fixes are simulated with white noise whose root mean square distance from
the true place is the figure named (so 5.7 m on each axis for 8 m). Without the real data (XUNCHA_DATA) a synthetic town is used.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import valhalla_graph
from matching_peers import ROUNDS, absent, by_fastmm, by_nearest, by_xuncha
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
# The best settings found for each case on other patrols (seed 23) than those that are measured.
# fastmm: table bound, search radius, noise, reverse tolerance, all in metres.
FASTMM = {
    "10 s, 5 m/s, 8 m": (300, 40, 20, 0),
    "30 s, 5 m/s, 15 m": (600, 60, 60, 0),
    "walking 10 s, 1.4 m/s, 8 m": (300, 40, 15, 20),
}
# Valhalla: Meili's settings; the distance at which it breaks a track and its candidates' noise as here, no fix left out as too near.
MEILI = {"breakage_distance": 5000.0, "interpolation_distance": 1.0}
VALHALLA = {
    "10 s, 5 m/s, 8 m": {"search_radius": 30.0, "sigma_z": 6.0, "beta": 6.0, "turn_penalty_factor": 50.0},
    "30 s, 5 m/s, 15 m": {"search_radius": 50.0, "sigma_z": 11.0, "beta": 6.0, "turn_penalty_factor": 50.0},
    "walking 10 s, 1.4 m/s, 8 m": {
        "search_radius": 40.0, "sigma_z": 6.0, "beta": 6.0, "turn_penalty_factor": 50.0, "interpolation_distance": 20.0,
    },
}  # fmt: skip
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


def run(
    name: str, graph: Any, fixes: Fixes, case: str, python: str | None, core: int
) -> tuple[Stretches, dict[str, float]]:
    """One matcher on one case."""
    mode = CASES[case][3]
    if name == "xuncha":
        return by_xuncha(graph, fixes, mode)
    if name == "fastmm":
        return by_fastmm(graph, fixes, FASTMM[case], walker=mode == Mode.FOOT)
    if name == "Valhalla":
        costing = "pedestrian" if mode == Mode.FOOT else "auto"
        how = {"costing": costing, "repeat": ROUNDS, "times": False, "meili": MEILI | VALHALLA[case]}
        return valhalla_graph.match(str(python), graph, fixes, how, core=core)
    return by_nearest(graph, fixes)


def resident_mib(what: str) -> float:
    """VmRSS or VmHWM (its peak) of this process."""
    line = next(r for r in Path("/proc/self/status").read_text().splitlines() if r.startswith(what + ":"))
    return int(line.split()[1]) / 1024


def forget_peak() -> float:
    """Gives freed memory back and lets the peak count from now on; what is resident, MiB."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident_mib("VmRSS")


def work(name: str, case: str, path: Path, core: int, python: str | None) -> None:
    """One measurement, in its own process; prints one JSON line."""
    os.sched_setaffinity(0, {core})
    graph, _ = graph_at_hand()
    fixes, truth = load(path)
    before = forget_peak()
    got, times = run(name, graph, fixes, case, python, core)
    peak = times.pop("peak_mib", resident_mib("VmHWM"))
    scores = f1(observed(truth, fixes.device_ix, fixes.t_ms), got, graph.seg_length_mm)
    found = {**times, **scores, "points": len(fixes.t_ms), "peak_mib": peak, "own_mib": max(0.0, peak - before)}
    print("RESULT " + json.dumps(found))


def measure(name: str, case: str, path: Path, core: int, python: str | None) -> dict[str, float] | str:
    """A measurement by a fresh process, or why there is none."""
    if name == "fastmm" and absent("fastmm"):
        return "not installed"
    if name == "Valhalla" and python is None:
        return f"not installed (name a Python that has it: --valhalla or {valhalla_graph.VARIABLE})"
    call = [sys.executable, __file__, "--worker", name, "--case", case, "--fixes", str(path), "--core", str(core)]
    call += ["--valhalla", python] if python else []
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: dict[str, float] = json.loads(line[7:])
            return found
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no result"


def versions(python: str | None) -> str:
    """Machine and versions of what is measured."""
    names = ("numpy", "numba", "fastmm", "shapely")
    have = [f"{n} absent" if absent(n) else f"{n} {importlib.metadata.version(n)}" for n in names]
    have.append(f"Valhalla {valhalla_graph.version(python)}" if python else "Valhalla absent")
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, " + ", ".join(have)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="20000,60000,180000", help="fixes of each size")
    parser.add_argument(
        "--kind", choices=("trips", "walks"), default="trips", help="shortest ways to chance places, or random walks"
    )
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--core", type=int, default=0, help="core to pin to")
    parser.add_argument("--valhalla", help="the Python that has pyvalhalla")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--fixes", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker, given.case, given.fixes, given.core, given.valhalla)
        return
    python = valhalla_graph.interpreter(given.valhalla)
    graph, place = graph_at_hand()
    print(f"{place}: {graph.segment_count} segments, {graph.node_count} nodes; {given.kind}; {versions(python)}")
    names = "case,matcher,points,points/s,× fastmm,edges F1,metres F1,recall,precision,build s,first call s,peak MiB,own MiB"
    head = "| " + names.replace(",", " | ") + " |"
    print(head + "\n|" + "---|" * (head.count("|") - 1))
    with tempfile.TemporaryDirectory() as folder:
        for case in (c for c in CASES if given.only in c):
            for size in map(int, given.sizes.split(",")):
                path = Path(folder) / "fixes.npz"
                simulate(graph, case, size, given.kind, path)
                rates: dict[str, float] = {}
                for name in ("fastmm", "Valhalla", "xuncha", "nearest road"):
                    r = measure(name, case, path, given.core, python)
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
