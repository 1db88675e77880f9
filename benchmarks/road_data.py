"""Road graphs to measure on: the drivable streets of central Beijing, or a synthetic town where that data is absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pyproj

from gis.network.model import RoadGraph

if TYPE_CHECKING:
    import numpy.typing as npt

_MAIN = ("motorway", "trunk", "primary", "secondary", "tertiary")
DRIVABLE = (*_MAIN, *(f"{c}_link" for c in _MAIN), "unclassified", "residential", "living_street", "road")
METRIC = pyproj.CRS.from_epsg(32650)


def data_root() -> Path | None:
    """The folder of real data: XUNCHA_DATA, else ../shared/data, else None."""
    for path in (os.environ.get("XUNCHA_DATA"), Path(__file__).resolve().parents[2] / "shared" / "data"):
        if path and Path(path).is_dir():
            return Path(path)
    return None


def straight_graph(
    crs: pyproj.CRS,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    u: npt.NDArray[np.int64],
    v: npt.NDArray[np.int64],
) -> tuple[RoadGraph, npt.NDArray[np.int64]]:
    """A graph of directed straight edges: reverse pairs become one two-way segment, repeated edges one.

    Returns the graph and the first edge of each segment.
    """
    low, high, along = np.minimum(u, v), np.maximum(u, v), u < v
    pairs, row, of = np.unique(np.column_stack([low, high]), axis=0, return_index=True, return_inverse=True)
    fwd, bwd = (np.bincount(of[m], minlength=len(pairs)) > 0 for m in (along, ~along))
    oneway = np.where(fwd & bwd, 0, np.where(fwd, 1, -1)).astype(np.int8)
    a, b = pairs.T.astype(np.int32)
    length = np.maximum(1, np.rint(1000 * np.hypot(x[b] - x[a], y[b] - y[a]))).astype(np.int32)
    graph = RoadGraph(
        crs=crs, node_x=x, node_y=y, seg_u=a, seg_v=b, seg_oneway=oneway, seg_length_mm=length,
        seg_tunnel=np.zeros(len(a), bool), vert_ptr=np.arange(0, 2 * len(a) + 1, 2, dtype=np.int32),
        vert_x=np.column_stack([x[a], x[b]]).ravel(), vert_y=np.column_stack([y[a], y[b]]).ravel(),
        vert_mm=np.column_stack([np.zeros_like(length), length]).ravel(),
    )  # fmt: skip
    return graph, row


def beijing(root: Path, *, drivable: bool = True, unclassed: bool = False) -> tuple[RoadGraph, npt.NDArray[np.object_]]:
    """The street graph of central Beijing and the OSM class of each segment; nodes at one place are one node.

    With `unclassed`, edges whose class is not given count as drivable too.
    """
    roads = gpd.read_file(root / "beijing" / "roads.gpkg")
    if drivable:
        roads = roads[roads.highway.isin(DRIVABLE) | (unclassed & roads.highway.isna())]
    lines = roads.to_crs(METRIC).geometry
    xy = np.array([[*g.coords[0], *g.coords[-1]] for g in lines])
    names = np.concatenate([roads.u.to_numpy(), roads.v.to_numpy()])
    ids, first, node = np.unique(names, return_index=True, return_inverse=True)
    place = np.concatenate([xy[:, :2], xy[:, 2:]])[first]
    u, v = node[: len(roads)], node[len(roads) :]
    # contract edges without length: their nodes lie at one place
    same = np.hypot(*(xy[:, :2] - xy[:, 2:]).T) < 1e-3
    parent = np.arange(len(ids))
    for a, b in zip(u[same], v[same], strict=True):
        while parent[a] != a:
            a = parent[a]  # noqa: PLW2901 (walking up a union-find tree)
        while parent[b] != b:
            b = parent[b]  # noqa: PLW2901
        parent[max(a, b)] = min(a, b)
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    kept, node_of = np.unique(parent, return_inverse=True)
    u, v = node_of[u], node_of[v]
    real = u != v
    graph, row = straight_graph(METRIC, place[kept, 0].copy(), place[kept, 1].copy(), u[real], v[real])
    return graph, roads.highway.to_numpy(dtype=object)[real][row]


def synthetic(side: int = 60, *, seed: int = 7) -> RoadGraph:
    """A town of `side` × `side` crossings about 120 m apart, shaken, some streets one-way, some missing, some with a service road."""
    rng = np.random.default_rng(seed)
    n = side * side
    row, column = np.divmod(np.arange(n), side)
    x = column * 120.0 + rng.normal(0, 15, n) + 500_000.0
    y = row * 120.0 + rng.normal(0, 15, n) + 4_400_000.0
    east, north = np.flatnonzero(column < side - 1), np.flatnonzero(row < side - 1)
    a = np.concatenate([east, north])
    b = np.concatenate([east + 1, north + side])
    kept = rng.random(len(a)) > 0.1
    a, b = a[kept], b[kept]
    both = rng.random(len(a)) > 0.2
    graph, _ = straight_graph(METRIC, x, y, np.concatenate([a, b[both]]), np.concatenate([b, a[both]]))
    return graph
