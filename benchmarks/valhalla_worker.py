"""Builds Valhalla's tiles in a folder and matches the fixes there; run by `valhalla_graph.match` with the Python that has Valhalla.

Reads roads.osm.pbf and fixes.npz, writes matched.npz: rows of device, way id, 1 forward or 0 backward, share where it begins and where it
ends. Only the calls are timed: requests are made before, answers are read afterwards.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import valhalla

KEEP = ["edge.way_id", "edge.forward"]


def configure(folder: Path, how: dict[str, Any]) -> dict[str, Any]:
    """The configuration, with limits lifted; written to config.json."""
    (folder / "tiles").mkdir()
    config: dict[str, Any] = valhalla.get_config(tile_dir=str(folder / "tiles"), tile_extract="", verbose=False)
    config["mjolnir"]["concurrency"] = 1
    config["mjolnir"]["logging"] = {"type": "", "color": False}
    config["meili"]["logging"] = config["thor"]["logging"] = config["loki"]["logging"] = {"type": ""}
    config["meili"]["default"].update(how["meili"])  # what a request may say is but a part of it
    config["meili"][how["costing"]].update(
        {k: v for k, v in how["meili"].items() if k in {"turn_penalty_factor", "search_radius"}}
    )
    config["meili"]["default"]["max_search_radius"] = config["service_limits"]["trace"]["max_search_radius"] = 500.0
    config["service_limits"]["trace"].update({"max_distance": 1e7, "max_shape": 100_000, "max_gps_accuracy": 500.0})
    (folder / "config.json").write_text(json.dumps(config))
    return config


def build(folder: Path) -> float:
    """Makes the tiles; processor seconds."""
    tool = Path(valhalla.__file__).with_name("bin") / "valhalla_build_tiles"
    call = [str(tool), "-c", str(folder / "config.json"), str(folder / "roads.osm.pbf")]
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def requests(folder: Path, how: dict[str, Any]) -> list[tuple[int, str]]:
    """Device and request of every track."""
    z = np.load(folder / "fixes.npz")
    device, lon, lat, t = z["device"], np.round(z["lon"], 7), np.round(z["lat"], 7), z["t_ms"] / 1000.0
    ptr = np.r_[0, np.flatnonzero(np.diff(device)) + 1, len(device)]
    made = []
    for a, b in itertools.pairwise(ptr.tolist()):
        shape = [{"lon": x, "lat": y} for x, y in zip(lon[a:b].tolist(), lat[a:b].tolist(), strict=True)]
        if how.get("times", True):
            for point, when in zip(shape, t[a:b].tolist(), strict=True):
                point["time"] = when
        ask = {
            "shape": shape, "costing": how["costing"], "shape_match": "map_snap", "filters": {"action": "include", "attributes": KEEP},
            **how.get("more", {}),
        }  # fmt: skip
        made.append((int(device[a]), json.dumps(ask)))
    return made


def rows_of(device: int, answer: str) -> list[tuple[float, ...]]:
    """Edges of an answer, and of its alternates (parts after a break), as rows."""
    found: dict[str, Any] = json.loads(answer)
    rows = []
    for part in (found, *found.get("alternate_paths", [])):
        for edge in part.get("edges", []):
            begin, end = edge.get("source_percent_along", 0.0), edge.get("target_percent_along", 1.0)
            rows.append((device, edge["way_id"], float(edge.get("forward", False)), begin, end))
    return rows


def run() -> None:
    """Builds, matches, prints one line of figures."""
    folder, core, how = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    os.sched_setaffinity(0, {core})
    config = configure(folder, how)
    built = build(folder)
    asked = requests(folder, how)
    actor = valhalla.Actor(config)
    best = np.inf
    for _ in range(how.get("repeat", 1)):
        answers, failed = [], 0
        t0 = time.process_time()
        for device, ask in asked:
            try:
                answers.append((device, actor.trace_attributes(ask)))
            except RuntimeError:  # no path through the track
                failed += 1
        best = min(best, time.process_time() - t0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [row for device, answer in answers for row in rows_of(device, answer)]
    np.savez(folder / "matched.npz", rows=np.array(rows, np.float64).reshape(-1, 5))
    print(
        "RESULT "
        + json.dumps({"build_s": built, "first_call_s": 0.0, "match_s": best, "peak_mib": peak, "failed": failed})
    )


if __name__ == "__main__":
    run()
