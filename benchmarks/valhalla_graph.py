"""A road graph for Valhalla: an OSM file whose way ids are our segments, the tiles made of it, and matches read back.

Valhalla has no wheels for every Python, so it runs in one of its own (`pip install pyvalhalla numpy` there), which `--valhalla` or the
variable XUNCHA_VALHALLA_PYTHON names.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import osmium
import pyproj
from osmium.osm.mutable import Node, Way
from scoring import Stretches

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.model import Fixes
    from gis.network.model import RoadGraph

WORKER = Path(__file__).with_name("valhalla_worker.py")
VARIABLE = "XUNCHA_VALHALLA_PYTHON"


def interpreter(named: str | None = None) -> str | None:
    """The Python that has Valhalla, None where none is named or it does not load."""
    python = named or os.environ.get(VARIABLE)
    if not python:
        return None
    try:
        done = subprocess.run([python, "-c", "import valhalla, numpy"], capture_output=True, check=False)
    except OSError:
        return None
    return python if done.returncode == 0 else None


def version(python: str) -> str:
    """Version of Valhalla there."""
    ask = "import importlib.metadata as m; print(m.version('pyvalhalla'))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def write_osm(graph: RoadGraph, path: Path, classes: npt.NDArray[np.object_] | None = None) -> None:
    """Writes the graph as .osm.pbf: node n of the graph is node n + 1, segment s is way s + 1; all are residential without `classes`."""
    back = pyproj.Transformer.from_crs(graph.crs, 4326, always_xy=True)
    lon, lat = back.transform(graph.node_x, graph.node_y)
    vert_lon, vert_lat = back.transform(graph.vert_x, graph.vert_y)
    ends = np.zeros(len(graph.vert_x), bool)
    ends[graph.vert_ptr[:-1]] = ends[graph.vert_ptr[1:] - 1] = True
    ids = graph.node_count + np.cumsum(~ends)  # of vertices between the ends
    path.unlink(missing_ok=True)
    writer = osmium.SimpleWriter(str(path))
    for i in range(graph.node_count):
        writer.add_node(Node(id=i + 1, location=(float(lon[i]), float(lat[i])), version=1))
    for v in np.flatnonzero(~ends):
        writer.add_node(Node(id=int(ids[v]), location=(float(vert_lon[v]), float(vert_lat[v])), version=1))
    one = {0: "no", 1: "yes", -1: "-1"}
    for s in range(graph.segment_count):
        inner = range(graph.vert_ptr[s] + 1, graph.vert_ptr[s + 1] - 1)
        nodes = [int(graph.seg_u[s]) + 1, *(int(ids[v]) for v in inner), int(graph.seg_v[s]) + 1]
        kind = "residential" if classes is None or not isinstance(classes[s], str) else classes[s]
        tags = {"highway": kind, "oneway": one[int(graph.seg_oneway[s])], "foot": "yes", "access": "yes"}
        writer.add_way(Way(id=s + 1, nodes=nodes, tags=tags, version=1))
    writer.close()


def match(
    python: str, graph: RoadGraph, fixes: Fixes, how: dict[str, Any], *, core: int, classes: npt.NDArray[np.object_] | None = None
) -> tuple[Stretches, dict[str, float]]:  # fmt: skip
    """Matches by Valhalla in a process of its own, pinned.

    Args:
        python: the interpreter that has it.
        graph: the graph.
        fixes: fixes sorted by device and time.
        how: `costing`; `meili` settings; `repeat`, the best of so many counts; `times`, whether fixes tell theirs.
        core: the core to pin to.
        classes: OSM class of each segment.

    Returns:
        Stretches, and build_s, match_s, peak_mib of that process.
    """
    back = pyproj.Transformer.from_crs(graph.crs, 4326, always_xy=True)
    lon, lat = back.transform(fixes.x, fixes.y)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_osm(graph, place / "roads.osm.pbf", classes)
        np.savez(place / "fixes.npz", device=fixes.device_ix, t_ms=fixes.t_ms, lon=lon, lat=lat)
        done = subprocess.run(
            [python, str(WORKER), folder, str(core), json.dumps(how)], capture_output=True, text=True, check=False
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not lines:
            raise RuntimeError((done.stderr.strip().splitlines() or ["Valhalla gave no result"])[-1])
        z = np.load(place / "matched.npz")
        table = z["rows"]
    device, segment = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64) - 1
    length = graph.seg_length_mm[segment].astype(np.float64)
    ahead = table[:, 2] > 0
    a, b = (np.rint(np.where(ahead, table[:, c], 1 - table[:, c]) * length) for c in (3, 4))
    return Stretches.of(device, segment, a, b), json.loads(lines[0][7:])
