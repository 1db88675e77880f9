"""Responsible sections (责任路段): the subject of the road rules, each with a measure onto which its segments map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely

from gis.network.ownership import greatest
from gis.network.roads import CrossNames, end_nodes
from gis.network.topology import digest

if TYPE_CHECKING:
    import numpy.typing as npt

    from gis.network.measure import Vertices
    from gis.network.model import RoadGraph


@dataclass(slots=True, eq=False)
class Assignment:
    """Section and measures of each segment.

    Attributes:
        section: int64 (S,).
        from_mm, to_mm: int64 (S,), measures of the first and the last vertex.
        root: bool (S,), True where the segment defines the measure, False where it is mapped onto that of its partner.
        declared: number of sections that the roster names; they come first.
        count: number of sections.
        ids, from_names, to_names: of the declared sections.
    """

    section: npt.NDArray[np.int64]
    from_mm: npt.NDArray[np.int64]
    to_mm: npt.NDArray[np.int64]
    root: npt.NDArray[np.bool_]
    declared: int
    count: int
    ids: tuple[str, ...] = ()
    from_names: tuple[str, ...] = ()
    to_names: tuple[str, ...] = ()


def section_frame(
    graph: RoadGraph,
    vertices: Vertices,
    segments: gpd.GeoDataFrame,
    given: Assignment,
    lookup: dict[str, npt.NDArray[np.object_]],
) -> tuple[gpd.GeoDataFrame, npt.NDArray[np.int64]]:
    """The sections table and, per section number, its row in it (rows are sorted by id).

    Args:
        graph: the graph.
        vertices: their vertices and measures.
        segments: with road_id, road_name, policy_class, rule_id, no_rule_reason, name.
        given: section and measures of each segment.
        lookup: per segment (S,) unit_id, work_grid_id, town_id, zone; empty text for none.
    """
    n = given.count
    root = np.flatnonzero(given.root)
    low = np.minimum(given.from_mm, given.to_mm)
    order = root[np.lexsort((root, low[root], given.section[root]))]
    head = order[np.r_[True, given.section[order][1:] != given.section[order][:-1]]]
    tail = order[np.r_[given.section[order][1:] != given.section[order][:-1], True]]
    length = np.zeros(n, np.int64)
    np.maximum.at(length, given.section[root], np.maximum(given.from_mm, given.to_mm)[root])
    node = end_nodes(graph)
    start = node[2 * head + (given.from_mm[head] > given.to_mm[head])]
    stop = node[2 * tail + (given.from_mm[tail] <= given.to_mm[tail])]
    out = {c: _first(segments, head, c) for c in ("road_id", "road_name", "policy_class", "rule_id", "no_rule_reason")}
    cross = CrossNames(graph, segments["road_name"].to_numpy(dtype=object), segments["rank"].to_numpy(dtype=np.int64))
    out["from_name"], out["to_name"] = cross.at(start, out["road_name"]), cross.at(stop, out["road_name"])
    d = given.declared
    out["from_name"][:d], out["to_name"][:d] = given.from_names, given.to_names
    tip = segments["segment_id"].to_numpy(dtype=object)
    ids = np.array(["S" + digest((a, b)) for a, b in zip(tip[head], tip[tail], strict=True)], dtype=object)
    ids[:d] = given.ids
    weight = graph.seg_length_mm.astype(np.int64)
    frame = gpd.GeoDataFrame(
        {
            "section_id": ids,
            "name": _titles(out["road_name"], out["from_name"], out["to_name"]),
            "road_id": out["road_id"],
            "road_name": out["road_name"],
            "from_name": out["from_name"],
            "to_name": out["to_name"],
            "policy_class": out["policy_class"],
            "rule_id": out["rule_id"],
            "no_rule_reason": out["no_rule_reason"],
            "length_mm": length,
            "declared": np.arange(n) < d,
            **{
                c: greatest(given.section, lookup[c], weight, n) for c in ("unit_id", "work_grid_id", "town_id", "zone")
            },
        },
        geometry=_lines(vertices, given, order),
        crs="EPSG:4326",
    )
    frame["unit_source"] = np.where(frame["unit_id"] == "", "", "work_grid")
    by_id = np.argsort(ids.astype(str), kind="stable")
    row = np.empty(n, np.int64)
    row[by_id] = np.arange(n)
    return frame.iloc[by_id].reset_index(drop=True), row


def _first(segments: gpd.GeoDataFrame, head: npt.NDArray[np.int64], column: str) -> npt.NDArray[np.object_]:
    return segments[column].to_numpy(dtype=object)[head].copy()


def _titles(road: npt.NDArray[np.object_], start: npt.NDArray[np.object_], stop: npt.NDArray[np.object_]) -> list[str]:
    return [
        f"{r or '无名路'}（{a or '端点'}至{b or '端点'}）" if a or b else r or "无名路"
        for r, a, b in zip(road, start, stop, strict=True)
    ]


def _lines(vertices: Vertices, given: Assignment, order: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Lines of the sections: their defining segments one after the other, in the direction of the measure."""
    size = np.diff(vertices.ptr)[order]
    offset = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    back = np.repeat(given.from_mm[order] > given.to_mm[order], size)
    base = np.repeat(vertices.ptr[order], size)
    at = base + np.where(back, np.repeat(size, size) - 1 - offset, offset)
    lon, lat, section = vertices.lon[at], vertices.lat[at], np.repeat(given.section[order], size)
    again = np.r_[False, (lon[1:] == lon[:-1]) & (lat[1:] == lat[:-1]) & (section[1:] == section[:-1])]
    out: npt.NDArray[np.object_] = shapely.linestrings(np.column_stack([lon, lat])[~again], indices=section[~again])
    return out
