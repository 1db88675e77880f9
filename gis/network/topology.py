"""From the edges of a source to segments: one per physical stretch, with stable ids, in an order that no row order can change."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gis.errors import Fault, InputError
from gis.network.measure import Vertices, geodesic_vertices
from gis.network.noding import DEGREE_DIGITS, node_ids, split_at_crossings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

RANK = {"main": 3, "secondary": 2, "branch": 1}
_MULTI = 5


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """Segments in their final order, and what was done to the source.

    Attributes:
        segments: GeoDataFrame, columns segment_id, u, v, source_class, base_class, name, oneway, bridge, tunnel, level, geometry.
        vertices: their vertices and measures.
        counts: source_edges, zero_length, contracted_nodes, repeated, reversed, loops, cuts, multiline.
    """

    segments: gpd.GeoDataFrame
    vertices: Vertices
    counts: dict[str, int]


def digest(parts: Iterable[bytes | str]) -> str:
    """16 hexadecimal digits of a hash of the parts."""
    h = blake2b(digest_size=8)
    for p in parts:
        h.update(p.encode() if isinstance(p, str) else p)
        h.update(b"\0")
    return h.hexdigest()


def segment_topology(road_edges: gpd.GeoDataFrame) -> Topology:
    """Clean the topology of checked `road_edges`.

    Zero-length edges are contracted (their nodes become one), repeated edges and reverse pairs of the same geometry become one segment
    that may be travelled in the directions of all of them. Each segment is turned so that its first vertex is the smaller of its two
    ends (longitude, then latitude), so that the direction of digitising has no influence.

    Raises:
        InputError: nothing is left, or two different segments have one id.
    """
    edges, counts = _plain(road_edges)
    edges, more = _contract(edges)
    edges, merged = _merge(_turn(edges))
    counts |= more | merged
    if edges.empty:
        raise InputError(Fault("no_roads", "没有任何有长度的道路", "no road has any length", file="road_edges"))
    wkb = shapely.to_wkb(_rounded(edges.geometry.to_numpy()))
    keys = zip(edges["u"], edges["v"], wkb, strict=True)
    edges["segment_id"] = np.array(["E" + digest(k) for k in keys], dtype=object)
    if edges["segment_id"].duplicated().any():
        raise InputError(Fault("segment_id", "路段边编号重复", "two segments share an id", file="road_edges"))
    edges = edges.iloc[spatial_order(edges)].reset_index(drop=True)
    return Topology(edges, geodesic_vertices(edges.geometry.to_numpy()), counts)


def spatial_order(segments: gpd.GeoDataFrame) -> npt.NDArray[np.int64]:
    """Positions that sort segments along a Hilbert curve (neighbours in space are neighbours in memory), ties by id."""
    place = segments.geometry.hilbert_distance(level=16).to_numpy()
    return np.lexsort((segments["segment_id"].to_numpy(dtype=object), place))


def _plain(source: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """The edges as single lines with nodes, nulls as empty text."""
    edges = gpd.GeoDataFrame(
        {
            "u": source["u"].to_numpy(dtype=object),
            "v": source["v"].to_numpy(dtype=object),
            "source_class": _text(source["source_class"]),
            "base_class": _text(source["policy_class"]),
            "name": _text(source["name"]),
            "oneway": source["oneway"].to_numpy(dtype=np.int64),
            "bridge": source["bridge"].to_numpy(dtype=bool),
            "tunnel": source["tunnel"].to_numpy(dtype=bool),
            "level": source["level"].to_numpy(dtype=np.int64),
        },
        geometry=shapely.force_2d(source.geometry.to_numpy()),
        crs="EPSG:4326",
    )
    edges.loc[~edges["base_class"].isin(RANK), "base_class"] = ""
    noded = bool(source["u"].notna().all())
    multi = shapely.get_type_id(edges.geometry.to_numpy()) == _MULTI
    counts = {"source_edges": len(source), "multiline": int(multi.sum()), "cuts": 0}
    if multi.any():
        edges = _single(edges, multi, noded=noded)
    if noded:
        edges["u"], edges["v"] = (source[c].astype(str).to_numpy(dtype=object)[edges.index] for c in ("u", "v"))
        return edges.reset_index(drop=True), counts
    flags = {c: edges[c].to_numpy() for c in ("bridge", "tunnel", "level")}
    pieces, parent, counts["cuts"] = split_at_crossings(edges.geometry.to_numpy(), **flags)
    edges = edges.iloc[parent].reset_index(drop=True).set_geometry(pieces, crs="EPSG:4326")
    for column, end in (("u", 0), ("v", -1)):
        tip = shapely.get_point(pieces, end)
        edges[column] = node_ids(shapely.get_x(tip), shapely.get_y(tip))
    return edges, counts


def _single(edges: gpd.GeoDataFrame, multi: npt.NDArray[np.bool_], *, noded: bool) -> gpd.GeoDataFrame:
    """Multi-part lines as single ones: joined where they join, else parts (only possible where nodes are made here)."""
    lines = edges.geometry.to_numpy().copy()
    lines[multi] = shapely.line_merge(lines[multi])
    split = shapely.get_type_id(lines) == _MULTI
    if noded and split.any():
        rows = np.flatnonzero(split)[:20]
        raise InputError(
            Fault(
                "geometry_type",
                "多部分线各部分不相连，无法确定起点终点",
                "a multi-part line whose parts do not join has no single from and to node",
                "拆分为单部分线并给出各自的 u、v",
                "split it into single lines with their own u and v",
                file="road_edges",
                row=int(r) + 1,
                column="geometry",
            )
            for r in rows
        )
    return edges.set_geometry(lines, crs="EPSG:4326").explode(ignore_index=False)


def _text(column: pd.Series) -> npt.NDArray[np.object_]:
    return column.fillna("").astype(str).str.strip().to_numpy(dtype=object)


def _contract(edges: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """Drop edges of no length; the nodes that they joined become one, named by the smallest of them."""
    zero = geodesic_vertices(edges.geometry.to_numpy()).length_mm == 0
    code, node = pd.factorize(np.concatenate([edges["u"], edges["v"]]), sort=True)
    u, v = code[: len(edges)], code[len(edges) :]
    joins = coo_array((np.ones(zero.sum(), np.int8), (u[zero], v[zero])), shape=(len(node), len(node)))
    count, group = connected_components(joins, directed=False)
    head = np.full(count, len(node), np.int64)
    np.minimum.at(head, group, np.arange(len(node)))
    name = np.asarray(node, dtype=object)[head[group]]
    kept = edges.assign(u=name[u], v=name[v])[~zero].reset_index(drop=True)
    seen = pd.DataFrame({"u": edges["u"], "v": edges["v"], "g": shapely.to_wkb(_rounded(edges.geometry.to_numpy()))})
    return kept, {
        "zero_length": int(zero.sum()),
        "contracted_nodes": len(node) - count,
        "repeated": int(seen.duplicated().sum()),
    }


def _turn(edges: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Each edge in its canonical direction; `flipped` says which were turned."""
    lines = edges.geometry.to_numpy()
    flip = np.zeros(len(lines), bool)
    undecided = np.ones(len(lines), bool)
    deepest = int(shapely.get_num_coordinates(lines).max(initial=0))
    for k in range((deepest + 1) // 2):
        at = np.flatnonzero(undecided)
        if len(at) == 0:
            break
        a, b = (np.rint(shapely.get_coordinates(_point(lines[at], i)) * 10**DEGREE_DIGITS) for i in (k, -1 - k))
        less = (b[:, 0] < a[:, 0]) | ((b[:, 0] == a[:, 0]) & (b[:, 1] < a[:, 1]))
        same = (a == b).all(axis=1)
        flip[at[less]] = True
        undecided[at[~same]] = False
    u, v = edges["u"].to_numpy(dtype=object), edges["v"].to_numpy(dtype=object)
    turned = lines.copy()
    turned[flip] = shapely.reverse(lines[flip])
    return edges.assign(
        u=np.where(flip, v, u),
        v=np.where(flip, u, v),
        oneway=np.where(flip, -edges["oneway"], edges["oneway"]),
        flipped=flip,
    ).set_geometry(turned, crs="EPSG:4326")


def _point(lines: npt.NDArray[np.object_], index: int) -> npt.NDArray[np.object_]:
    """Vertex `index` of each line, its last (or first) one where the line is shorter."""
    count = shapely.get_num_coordinates(lines)
    at = np.minimum(index, count - 1) if index >= 0 else np.maximum(count + index, 0)
    out: npt.NDArray[np.object_] = shapely.get_point(lines, at)
    return out


def _rounded(lines: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    out: npt.NDArray[np.object_] = shapely.transform(lines, lambda xy: np.round(xy, DEGREE_DIGITS) + 0.0)
    return out


def _merge(edges: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """One row per (u, v, geometry): the best described one, with the directions, bridge and tunnel of all of them."""
    wkb = shapely.to_wkb(_rounded(edges.geometry.to_numpy()))
    key = pd.MultiIndex.from_arrays([edges["u"], edges["v"], wkb])
    group = pd.factorize(key)[0]
    count = int(group.max(initial=-1)) + 1
    flipped = edges["flipped"].to_numpy()
    reversed_pairs = len(np.unique(group * 2 + flipped)) - count
    oneway = edges["oneway"].to_numpy()
    along, against = np.zeros(count, bool), np.zeros(count, bool)
    along[group[oneway >= 0]] = True
    against[group[oneway <= 0]] = True
    named = edges["name"] == ""
    order = (
        edges.assign(group=group, unnamed=named, lower=-edges["base_class"].map(RANK).fillna(0))
        .sort_values(["group", "lower", "unnamed", "name", "source_class", "level"], kind="stable")
        .index.to_numpy()
    )
    first = np.r_[True, group[order][1:] != group[order][:-1]] if len(order) else np.zeros(0, bool)
    out = edges.loc[order[first]].reset_index(drop=True)
    for flag in ("bridge", "tunnel"):
        out[flag] = np.bincount(group, weights=edges[flag], minlength=count) > 0
    out["oneway"] = along.astype(np.int64) - against.astype(np.int64)
    loops = int((out["u"] == out["v"]).sum())
    return out.drop(columns="flipped"), {"reversed": reversed_pairs, "segments": count, "loops": loops}
