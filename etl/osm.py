"""Roads of OpenStreetMap: extracts (.osm, .osm.pbf, split at shared nodes) and OSMnx graphs (.graphml). Topology is the source's own."""

from __future__ import annotations

import ast
import math
from collections import Counter
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import osmium
import pandas as pd
import pyproj
import shapely

from etl.files import damaged, empty, truncated
from gis.errors import InputError
from layers.store.base import Note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO = {None, "", "no", "false", "False", "0"}
_GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"

Row = dict[str, Any]


def read_osm(path: Path) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """Edges of an OSM extract between nodes that ways share, with columns of `road_edges`; geometry in EPSG:4326.

    Ways that enclose areas are left out; where an extract lacks a node, the way is cut there and the note says how often.

    Raises:
        InputError: the file is cut short, or holds no way with a highway tag.
    """
    try:
        ways = list(_ways(path))
    except Exception as error:  # noqa: BLE001 (osmium has errors of its own for locations, tags and files, of no common kind)
        raise InputError(truncated(path.name, detail=(str(error).splitlines() or [type(error).__name__])[0])) from None
    uses: Counter[int] = Counter()
    for _, _, nodes in ways:
        uses.update(n for n, _, _ in nodes)
        uses.update((nodes[0][0], nodes[-1][0]))
    rows: list[Row] = []
    lost = 0
    for way_id, tags, nodes in ways:
        pieces = list(_pieces(nodes, uses))
        lost += sum(1 for n in nodes if math.isnan(n[1]))
        rows += [_edge(f"{way_id}-{i}", tags, piece) for i, piece in enumerate(pieces)]
    if not rows:
        raise InputError(empty(path.name))
    cut = Note(f"摘录缺少 {lost} 个节点，道路在该处断开", f"the extract lacks {lost} nodes; roads end there")
    return pd.DataFrame(rows), ((cut,) if lost else ())


Node = tuple[int, float, float]  # id, lon, lat; NaN where the extract lacks it


def _ways(path: Path) -> Iterator[tuple[int, dict[str, str], list[Node]]]:
    """Ways with a highway tag that are no areas: id, tags, nodes as (id, lon, lat), NaN where the extract lacks them."""
    for way in osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter("highway")):
        if not way.is_way():
            continue
        tags = {t.k: t.v for t in way.tags}
        if tags.get("area") == "yes" or len(way.nodes) < 2:  # noqa: PLR2004 (a line has two ends)
            continue
        nodes: list[Node] = [
            (n.ref, n.location.lon, n.location.lat) if n.location.valid() else (n.ref, math.nan, math.nan)
            for n in way.nodes
        ]
        yield way.id, tags, nodes


def _pieces(nodes: list[Node], uses: Counter[int]) -> Iterator[list[Node]]:
    """A way cut at nodes that another way uses, that it visits twice, or that are missing."""
    piece: list[Node] = []
    for node in nodes:
        if math.isnan(node[1]):
            if len(piece) > 1:
                yield piece
            piece = []
            continue
        piece.append(node)
        if uses[node[0]] > 1 and len(piece) > 1:
            yield piece
            piece = [node]
    if len(piece) > 1:
        yield piece


def _edge(edge_id: str, tags: dict[str, str], nodes: list[Node]) -> Row:
    return {
        "edge_id": edge_id,
        "u": str(nodes[0][0]),
        "v": str(nodes[-1][0]),
        "source_class": tags["highway"],
        "name": tags.get("name"),
        "oneway": _oneway(tags),
        "bridge": tags.get("bridge") not in _NO,
        "tunnel": tags.get("tunnel") not in _NO,
        "level": tags.get("layer"),
        "geometry": shapely.LineString([(n[1], n[2]) for n in nodes]),
    }


def _oneway(tags: dict[str, str]) -> int:
    """OSM wiki, Key:oneway: motorways and roundabouts are one-way unless tagged otherwise."""
    said = tags.get("oneway")
    if said in {"-1", "reverse"}:
        return -1
    if said in {"yes", "true", "1"}:
        return 1
    return int(said is None and (tags["highway"] == "motorway" or tags.get("junction") in {"roundabout", "circular"}))


# --- GraphML ---
def read_graphml(path: Path) -> tuple[pd.DataFrame, pyproj.CRS, tuple[Note, ...]]:
    """Directed edges of an OSMnx graph with columns of `road_edges`, and the graph's CRS; a list of classes gives its first.

    Raises:
        InputError: the file is cut short or holds no edge.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 (as above)
    except ET.ParseError as error:
        fault = truncated(path.name, detail=str(error))
        raise InputError(fault) from None
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise InputError(damaged(path.name, error)) from None
    try:
        return _graph(root, path)
    except (ValueError, LookupError, pyproj.exceptions.CRSError, shapely.errors.ShapelyError) as error:
        raise InputError(damaged(path.name, error)) from None


def _graph(root: ET.Element, path: Path) -> tuple[pd.DataFrame, pyproj.CRS, tuple[Note, ...]]:
    """Edges of a parsed graph, its CRS and remarks."""
    keys = {k.get("id"): (k.get("for"), k.get("attr.name")) for k in root.iter(f"{_GRAPHML}key")}
    graph = root.find(f"{_GRAPHML}graph")
    if graph is None or graph.find(f"{_GRAPHML}edge") is None:
        raise InputError(empty(path.name))
    nodes = {n.get("id"): _data(n, keys) for n in graph.iter(f"{_GRAPHML}node")}
    seen: Counter[tuple[str, str]] = Counter()
    rows: list[Row] = []
    for element in graph.iter(f"{_GRAPHML}edge"):
        u, v = str(element.get("source")), str(element.get("target"))
        rows.append(_graph_edge(u, v, seen[u, v], _data(element, keys), nodes))
        seen[u, v] += 1
    lists = sum(bool(r.pop("several")) for r in rows)
    several = Note(f"{lists} 条边有多个等级，取第一个", f"{lists} edges have several classes, the first is taken")
    return (
        pd.DataFrame(rows),
        pyproj.CRS.from_user_input(_data(graph, keys).get("crs", 4326)),
        ((several,) if lists else ()),
    )


def _data(element: ET.Element, keys: dict[str | None, tuple[str | None, str | None]]) -> dict[str, str]:
    return {
        str(keys[d.get("key")][1]): d.text or "" for d in element.findall(f"{_GRAPHML}data") if d.get("key") in keys
    }


def _graph_edge(u: str, v: str, number: int, data: dict[str, str], nodes: dict[str | None, dict[str, str]]) -> Row:
    classes = _listed(data.get("highway"))
    line = shapely.from_wkt(data["geometry"]) if data.get("geometry") else None
    ends = [(float(nodes[n]["x"]), float(nodes[n]["y"])) for n in (u, v)]
    return {
        "edge_id": f"{u}-{v}-{number}",
        "u": u,
        "v": v,
        "source_class": classes[0] if classes else None,
        "name": next(iter(_listed(data.get("name"))), None),
        "oneway": int(data.get("oneway") in {"True", "true", "yes", "1"}),
        "bridge": any(b not in _NO for b in _listed(data.get("bridge"))),
        "tunnel": any(b not in _NO for b in _listed(data.get("tunnel"))),
        "level": next(iter(_listed(data.get("layer"))), None),
        "geometry": line if line is not None else shapely.LineString(ends),
        "several": len(classes) > 1,
    }


def _listed(text: str | None) -> list[str]:
    """OSMnx writes several values of merged ways as the text of a Python list."""
    if not text:
        return []
    if not text.startswith("["):
        return [text]
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return [text]
    return [str(v) for v in values]
