"""Collects nodes and edges of an invented road network, in metres east and north of the town's corner."""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Edge:
    """One stretch of road between two junctions."""

    u: int
    v: int
    path: tuple[Point, ...]
    road_class: str
    name: str
    oneway: int = 0
    bridge: bool = False
    tunnel: bool = False


@dataclass(slots=True)
class Builder:
    """Nodes and edges in the order they were made; `sections` names the edges of stretches that the roster speaks of."""

    nodes: list[Point] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def node(self, point: Point) -> int:
        """A new node; its number."""
        self.nodes.append((float(point[0]), float(point[1])))
        return len(self.nodes) - 1

    def edge(
        self, u: int, v: int, road_class: str, name: str, *, oneway: int = 0, bridge: bool = False, tunnel: bool = False,
        via: tuple[Point, ...] = (),
    ) -> int:  # fmt: skip
        """A new edge between two nodes, through points between; its number."""
        path = (self.nodes[u], *via, self.nodes[v])
        self.edges.append(Edge(u, v, path, road_class, name, oneway, bridge, tunnel))
        return len(self.edges) - 1


def between(a: Point, b: Point, share: float) -> Point:
    """The point at a share of the way from a to b."""
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
