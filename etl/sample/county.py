"""The whole invented county as geometry: roads, stretches of the roster, grids, zones and places, in metres and as tables in EPSG:4326."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from etl.sample import names, places
from etl.sample.builder import Builder
from etl.sample.centre import build_centre
from etl.sample.countryside import TOWN_SIZE, Fringe, coast_path, motorway, rural, town, villages
from gis.network.model import RoadGraph

if TYPE_CHECKING:
    from etl.sample.centre import Stretch

CRS = "EPSG:4550"  # CGCS2000, three-degree zone of 123° E
ORIGIN = (121.87, 29.48)  # the town's south-western corner


@dataclass(frozen=True, slots=True, eq=False)
class County:
    """Everything that lies still. All tables are in `CRS`.

    Attributes:
        builder: nodes and edges; coordinates are metres from `shift`.
        stretches: stretches that the roster names.
        tables: road_edges, work_grids, community_grids, unit_grids, areas, with contract columns.
        graph: the roads for the simulator, in the order of `road_edges`.
    """

    builder: Builder
    stretches: tuple[Stretch, ...]
    tables: dict[str, gpd.GeoDataFrame]
    graph: RoadGraph


def build_county(*, rng: np.random.Generator) -> County:
    """Roads, grids and places of the county."""
    b = Builder()
    c = build_centre(b, rng=rng)
    f = Fringe(c)
    f.build(c, b, rng=rng)
    hamlets = villages(f, b, rng=rng)
    towns = []
    stretches = [*c.stretches, *f.stretches]
    for number in range(len(names.TOWNS)):
        nodes, own = town(b, number, rng=rng)
        towns.append(nodes)
        stretches += own
    corners = (f.node[0, 8], f.node[0, 0], f.node[8, len(f.py) - 1], f.node[6, 0], f.node[0, len(f.py) - 1])
    for number, (corner, nodes) in enumerate(zip(corners, towns, strict=True)):
        rim = [nodes[i][j] for i in (0, TOWN_SIZE[0] // 2, TOWN_SIZE[0] - 1) for j in (0, TOWN_SIZE[1] // 2)]
        x, y = b.nodes[corner]
        near = min(rim, key=lambda n: (b.nodes[n][0] - x) ** 2 + (b.nodes[n][1] - y) ** 2)
        rural(b, corner, near, f"县道X50{number + 1}", rng=rng)
    motorway(b)
    coast_path(c, b)
    tables = {"road_edges": _edges(b), **places.build(c, f, b, hamlets, towns, stretches, rng=rng)}
    placed = {k: _place(t) for k, t in tables.items()}
    return County(b, tuple(stretches), placed, _graph(placed["road_edges"]))


@cache
def shift() -> tuple[float, float]:
    """Easting and northing of the corner in `CRS`."""
    east, north = pyproj.Transformer.from_crs(4326, CRS, always_xy=True).transform(*ORIGIN)
    return float(np.round(east)), float(np.round(north))


def _edges(b: Builder) -> gpd.GeoDataFrame:
    rows = [
        {"edge_id": f"L{k:05d}", "u": f"J{e.u:05d}", "v": f"J{e.v:05d}", "source_class": e.road_class, "name": e.name,
         "oneway": e.oneway, "bridge": int(e.bridge), "tunnel": int(e.tunnel), "level": int(e.bridge) - int(e.tunnel)}
        for k, e in enumerate(b.edges)
    ]  # fmt: skip
    return gpd.GeoDataFrame(rows, geometry=[shapely.LineString(e.path) for e in b.edges])


def _place(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """From metres at the corner to the CRS, on centimetres, so that what touches still touches."""
    east, north = shift()
    moved = shapely.transform(table.geometry.to_numpy(), lambda xy: np.round(xy + np.array([east, north]), 2))
    out: gpd.GeoDataFrame = table.set_geometry(gpd.GeoSeries(moved, index=table.index), crs=CRS)
    return out


def _graph(edges: gpd.GeoDataFrame) -> RoadGraph:
    """The roads as arrays; lengths on the ellipsoid."""
    xy, of = shapely.get_coordinates(edges.geometry.to_numpy(), return_index=True)
    ptr = np.r_[0, np.cumsum(np.bincount(of))].astype(np.int32)
    step = np.r_[0.0, np.hypot(*np.diff(xy, axis=0).T)]
    step[ptr[:-1]] = 0
    along = np.cumsum(step)
    along -= along[ptr[:-1]][of]
    true_m = edges.to_crs(4326).geometry.map(pyproj.Geod(ellps="GRS80").geometry_length).to_numpy()
    length = np.maximum(np.rint(true_m * 1000), 1).astype(np.int32)
    plane = along[ptr[1:] - 1]
    ends, where = np.unique(np.r_[edges["u"].to_numpy(dtype=str), edges["v"].to_numpy(dtype=str)], return_inverse=True)
    u, v = (a.astype(np.int32) for a in np.split(where, 2))
    node_x, node_y = np.zeros(len(ends)), np.zeros(len(ends))
    node_x[u], node_y[u] = xy[ptr[:-1]].T
    node_x[v], node_y[v] = xy[ptr[1:] - 1].T
    return RoadGraph(
        crs=pyproj.CRS.from_user_input(CRS), node_x=node_x, node_y=node_y, seg_u=u, seg_v=v,
        seg_oneway=edges["oneway"].to_numpy(np.int8), seg_length_mm=length, seg_tunnel=edges["tunnel"].to_numpy() == 1,
        vert_ptr=ptr, vert_x=np.ascontiguousarray(xy[:, 0]), vert_y=np.ascontiguousarray(xy[:, 1]),
        vert_mm=np.rint(along * (length / plane)[of]).astype(np.int32),
    )  # fmt: skip
