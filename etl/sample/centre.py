"""The central town's streets: a grid that is orthogonal but irregular, with what makes real towns hard to match.

A river with bridges on the greater roads only, a divided avenue, a roundabout, a service road beside a main road, a pair of one-way
streets, alleys inside the blocks, and four villages in the city whose lanes follow no grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from etl.sample import names
from etl.sample.builder import between

if TYPE_CHECKING:
    import numpy.typing as npt

    from etl.sample.builder import Builder, Point

COLUMNS, ROWS = len(names.NORTH_SOUTH), len(names.EAST_WEST)
DIVIDED = 10  # 海丰大道
ROUND = (5, 8)  # 丹河路 and 人民路
SERVICE = (4, 10, 15)  # beside 象山港路, from 海丰大道 to 丹峰路
ONEWAY = {8: 1, 9: -1}  # 新华街 northward, 文昌街 southward, from 人民路 to 月湖路
RIVER_ROW = 6  # the river runs between rows 6 and 7
VILLAGE_BLOCKS = (
    (2, 10),
    (12, 12),
    (18, 2),
    (18, 8),
)  # lower left block of each village in the city (two by two blocks)


def column_class(i: int) -> str:
    """Class of the north-south street i."""
    return "主干道" if i % 5 == 0 else "次干道" if i % 5 == 2 else "支路"  # noqa: PLR2004 (the town's pattern)


def row_class(j: int) -> str:
    """Class of the east-west street j."""
    return "主干道" if j % 4 == 0 else "次干道" if j % 4 == 2 else "支路"  # noqa: PLR2004 (the town's pattern)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch that the roster speaks of: a road from cross street to cross street, and its edges."""

    road: str
    road_class: str
    from_name: str
    to_name: str
    edges: tuple[int, ...]
    at: Point
    cell: tuple[int, int]  # lattice place of its middle

    @property
    def text(self) -> str:
        """As offices write it."""
        return f"{self.road}({self.from_name}至{self.to_name})" if self.from_name else self.road


@dataclass(slots=True)
class Centre:
    """The central town while it is built: places of the lattice, its nodes, and the edges of each street piece."""

    xs: npt.NDArray[np.float64]  # (COLUMNS,), before the town's irregularity
    ys: npt.NDArray[np.float64]  # (ROWS,)
    x: npt.NDArray[np.float64]  # (COLUMNS, ROWS)
    y: npt.NDArray[np.float64]
    removed: set[tuple[str, int, int]] = field(default_factory=set)
    pieces: dict[tuple[str, int, int], list[int]] = field(
        default_factory=dict
    )  # (v|h, i, j): edges from there to the next
    port: dict[tuple[int, int, str], int] = field(
        default_factory=dict
    )  # node where a crossing's side n, s, e, w begins
    middle: dict[tuple[str, int, int], int] = field(default_factory=dict)  # nodes inside pieces: alleys, service road
    connector: dict[int, int] = field(default_factory=dict)  # row: the piece between the avenue's carriageways
    stretches: list[Stretch] = field(default_factory=list)

    def point(self, i: int, j: int) -> Point:
        """Place of a crossing."""
        return float(self.x[i, j]), float(self.y[i, j])


def warp(x: float, y: float) -> Point:
    """The town's own irregularity: turned by six degrees and bent a little, without folds."""
    bent_x = x + 45 * np.sin(y / 900) + 25 * np.sin(x / 700 + 1)
    bent_y = y + 40 * np.sin(x / 1100 + 0.5) + 20 * np.sin(y / 600)
    a = np.radians(6)
    return float(bent_x * np.cos(a) - bent_y * np.sin(a)), float(bent_x * np.sin(a) + bent_y * np.cos(a))


def _lattice(rng: np.random.Generator) -> Centre:
    """Places of all crossings: irregular spacing of 190-310 m, crossings of lesser streets moved by some metres."""
    gx, gy = rng.uniform(190, 310, COLUMNS - 1), rng.uniform(190, 310, ROWS - 1)
    xs, ys = np.r_[0, np.cumsum(gx * 5000 / gx.sum())], np.r_[0, np.cumsum(gy * 4000 / gy.sum())]
    x, y = np.empty((COLUMNS, ROWS)), np.empty((COLUMNS, ROWS))
    for i in range(COLUMNS):
        for j in range(ROWS):
            lesser = column_class(i) == "支路" and row_class(j) == "支路"
            dx, dy = rng.normal(0, 9, 2) if lesser else (0.0, 0.0)
            x[i, j], y[i, j] = warp(xs[i] + dx, ys[j] + dy)
    return Centre(xs, ys, x, y)


def _breaks(kind: str, line: int) -> list[tuple[int, int]]:
    """Where a street is cut into stretches: at main roads, and on lesser streets at the river."""
    if kind == "h":
        return [(i, i + 5) for i in range(0, COLUMNS - 1, 5)]
    cuts = [(j, j + 4) for j in range(0, ROWS - 1, 4)]
    return [(0, 4), (4, 6), (7, 8), (8, 12), (12, 16)] if column_class(line) == "支路" else cuts


def _remove(c: Centre, rng: np.random.Generator) -> None:
    """Lesser streets do not reach everywhere: some stretches are missing, and none crosses the river; villages have lanes instead."""
    for kind, lines in (("v", range(COLUMNS)), ("h", range(ROWS))):
        for line in lines:
            if (column_class(line) if kind == "v" else row_class(line)) != "支路":
                continue
            if kind == "v":
                c.removed.add(("v", line, RIVER_ROW))
            for lo, hi in _breaks(kind, line):
                if rng.random() < 0.1:  # noqa: PLR2004 (a tenth of the lesser stretches)
                    c.removed |= {("v", line, k) if kind == "v" else ("h", k, line) for k in range(lo, hi)}
    for i, j in VILLAGE_BLOCKS:
        c.removed |= {("v", i + 1, j), ("v", i + 1, j + 1), ("h", i, j + 1), ("h", i + 1, j + 1)}
    c.removed -= {("v", i, j) for i in ONEWAY for j in range(8, 12)}


def _ports(c: Centre, b: Builder) -> None:
    """Nodes of every crossing: one, two on the divided avenue, a ring of eight at the roundabout."""
    for i in range(COLUMNS):
        for j in range(ROWS):
            p = c.point(i, j)
            if (i, j) == ROUND:
                ring = [b.node((p[0] + 35 * np.cos(a), p[1] + 35 * np.sin(a))) for a in np.arange(8) * np.pi / 4]
                for k in range(8):
                    b.edge(ring[k], ring[(k + 1) % 8], "主干道", "丹河环岛", oneway=1)
                for side, k in (("e", 0), ("n", 2), ("w", 4), ("s", 6)):
                    c.port[i, j, side] = ring[k]
            elif i == DIVIDED:
                west, east = b.node((p[0] - 13, p[1] - 1.4)), b.node((p[0] + 13, p[1] + 1.4))
                c.port[i, j, "w"], c.port[i, j, "e"] = west, east
                if row_class(j) != "支路":
                    c.connector[j] = b.edge(west, east, row_class(j), names.EAST_WEST[j])
            else:
                n = b.node(p)
                for side in "nsew":
                    c.port[i, j, side] = n


def _service_nodes(c: Centre, b: Builder) -> dict[int, int]:
    """Where the service road meets the streets north of the main road, 24 m from its axis."""
    j, lo, hi = SERVICE
    out: dict[int, int] = {}
    for i in range(lo + 1, hi):
        a, d = c.point(i, j), c.point(i, j + 1)
        far = np.hypot(d[0] - a[0], d[1] - a[1])
        out[i] = b.node(between(a, d, 24 / far))
        c.middle["v", i, j] = out[i]
    return out


def _alleys(c: Centre, b: Builder, rng: np.random.Generator) -> list[tuple[int, int, str]]:
    """Alleys from side to side of the blocks; the streets get a node in their middle. Returns (node, node, name)."""
    villages = {(i + a, j + d) for i, j in VILLAGE_BLOCKS for a in (0, 1) for d in (0, 1)}
    service = {("v", i, SERVICE[0]) for i in range(SERVICE[1], SERVICE[2] + 1)}
    out = []
    for i in range(COLUMNS - 1):
        for j in range(ROWS - 1):
            if rng.random() > 0.6 or (i, j) in villages or j == RIVER_ROW:  # noqa: PLR2004 (most blocks have an alley)
                continue
            upright = bool(rng.random() < 0.5)  # noqa: PLR2004 (either way)
            sides = (("h", i, j), ("h", i, j + 1)) if upright else (("v", i, j), ("v", i + 1, j))
            if any(s in c.removed or s in service or (s[0] == "v" and s[1] == DIVIDED) for s in sides):
                continue
            if any(ROUND in ((s[1], s[2]), _far(s)) for s in sides):
                continue
            share, at = float(rng.uniform(0.4, 0.6)), []
            for s in sides:
                if s not in c.middle:
                    c.middle[s] = b.node(between(c.point(s[1], s[2]), c.point(*_far(s)), share))
                at.append(c.middle[s])
            street = names.EAST_WEST[j] if not upright else names.NORTH_SOUTH[i]
            out.append((at[0], at[1], f"{street[:2]}{int(rng.integers(1, 60))}弄"))
    return out


def _far(piece: tuple[str, int, int]) -> tuple[int, int]:
    kind, i, j = piece
    return (i, j + 1) if kind == "v" else (i + 1, j)


def _streets(c: Centre, b: Builder) -> None:
    """Every street piece between neighbouring crossings, cut where something joins it."""
    for kind, width, height in (("v", COLUMNS, ROWS - 1), ("h", COLUMNS - 1, ROWS)):
        for i in range(width):
            for j in range(height):
                piece = (kind, i, j)
                if piece in c.removed:
                    continue
                if kind == "v" and i == DIVIDED:
                    c.pieces[piece] = _carriageways(c, b, j)
                    continue
                road_class, name = (
                    (column_class(i), names.NORTH_SOUTH[i]) if kind == "v" else (row_class(j), names.EAST_WEST[j])
                )
                a, d = c.port[i, j, "n" if kind == "v" else "e"], c.port[*_far(piece), "s" if kind == "v" else "w"]
                mid = c.middle.get(piece)
                stops = [a, d] if mid is None else [a, mid, d]
                c.pieces[piece] = [
                    b.edge(p, q, road_class, name, bridge=kind == "v" and j == RIVER_ROW,
                           oneway=ONEWAY.get(i, 0) if kind == "v" and 8 <= j < 12 else 0)  # noqa: PLR2004 (the rows named above)
                    for p, q in pairwise(stops)
                ]  # fmt: skip


def _carriageways(c: Centre, b: Builder, j: int) -> list[int]:
    """Northbound on the east side, southbound on the west side: traffic keeps to the right."""
    name, bridge = names.NORTH_SOUTH[DIVIDED], j == RIVER_ROW
    east = b.edge(c.port[DIVIDED, j, "e"], c.port[DIVIDED, j + 1, "e"], "主干道", name, oneway=1, bridge=bridge)
    b.edge(c.port[DIVIDED, j, "w"], c.port[DIVIDED, j + 1, "w"], "主干道", name, oneway=-1, bridge=bridge)
    return [east]


def _service_road(c: Centre, b: Builder, nodes: dict[int, int]) -> None:
    """The service road from avenue to avenue."""
    j, lo, hi = SERVICE
    chain = [c.port[lo, j, "e"], *nodes.values(), c.port[hi, j, "w"]]
    edges = [b.edge(p, q, "支路", f"{names.EAST_WEST[j]}辅路") for p, q in pairwise(chain)]
    at = c.point((lo + hi) // 2, j)
    c.stretches.append(Stretch(f"{names.EAST_WEST[j]}辅路", "支路", "", "", tuple(edges), at, ((lo + hi) // 2, j)))


def _stretches(c: Centre) -> None:
    """Stretches of all streets, as the roster will name them."""
    for kind, lines in (("v", range(COLUMNS)), ("h", range(ROWS))):
        own, cross = (names.NORTH_SOUTH, names.EAST_WEST) if kind == "v" else (names.EAST_WEST, names.NORTH_SOUTH)
        for line in lines:
            road_class = column_class(line) if kind == "v" else row_class(line)
            for lo, hi in _breaks(kind, line):
                edges: list[int] = []
                for k in range(lo, hi):
                    edges += c.pieces.get((kind, line, k) if kind == "v" else (kind, k, line), [])
                if kind == "h" and hi == DIVIDED and edges and line in c.connector:
                    edges.append(c.connector[line])
                mid = (line, (lo + hi) // 2) if kind == "v" else ((lo + hi) // 2, line)
                if edges and not any(
                    ((kind, line, k) if kind == "v" else (kind, k, line)) in c.removed for k in range(lo, hi)
                ):
                    start, stop = [
                        "丹河环岛" if ((line, k) if kind == "v" else (k, line)) == ROUND else cross[k] for k in (lo, hi)
                    ]
                    c.stretches.append(Stretch(own[line], road_class, start, stop, tuple(edges), c.point(*mid), mid))


def lanes(
    b: Builder, corners: tuple[Point, Point, Point, Point], doors: list[int], name: str, road_class: str, *, rng: np.random.Generator,
    size: int = 6,
) -> list[int]:  # fmt: skip
    """Lanes of a village: a bent grid inside a quadrilateral with a quarter of its edges missing, tied to the nodes around it."""
    sw, se, ne, nw = corners
    node = {}
    for r in range(size):
        for q in range(size):
            s, t = (0.12 + 0.76 * (k + rng.normal(0, 0.12)) / (size - 1) for k in (q, r))
            low, high = between(sw, se, s), between(nw, ne, s)
            node[q, r] = b.node(between(low, high, t))
    edges = []
    for (q, r), n in node.items():
        for m in (node.get((q + 1, r)), node.get((q, r + 1))):
            spine = m is not None and ((r == size // 2 and m == node.get((q + 1, r))) or q == size // 2)
            if m is not None and (spine or rng.random() < 0.72):  # noqa: PLR2004 (see above)
                edges.append(b.edge(n, m, road_class, name))
    rim = [node[0, size // 2], node[size - 1, size // 2], node[size // 2, 0], node[size // 2, size - 1]]
    for door in doors:
        px, py = b.nodes[door]
        near = min(rim, key=lambda n: (b.nodes[n][0] - px) ** 2 + (b.nodes[n][1] - py) ** 2)
        edges.append(b.edge(door, near, road_class, name))
    return edges


def build_centre(b: Builder, *, rng: np.random.Generator) -> Centre:
    """All streets of the central town."""
    c = _lattice(rng)
    _remove(c, rng)
    _ports(c, b)
    service = _service_nodes(c, b)
    alleys = _alleys(c, b, rng)
    _streets(c, b)
    for p, q, name in alleys:
        b.edge(p, q, "街巷", name)
    _service_road(c, b, service)
    _stretches(c)
    for (i, j), name in zip(VILLAGE_BLOCKS, names.URBAN_VILLAGES, strict=True):
        corners = (c.point(i, j), c.point(i + 2, j), c.point(i + 2, j + 2), c.point(i, j + 2))
        doors = [c.port[i, j + 1, "e"], c.port[i + 2, j + 1, "w"], c.port[i + 1, j, "n"], c.port[i + 1, j + 2, "s"]]
        edges = lanes(b, corners, doors, f"{name}道", "村内道路", rng=rng)
        c.stretches.append(
            Stretch(f"{name}道", "村内道路", "", "", tuple(edges), c.point(i + 1, j + 1), (i + 1, j + 1))
        )
    return c
