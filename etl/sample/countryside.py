"""What lies around the central town: the fringe with its villages and a tunnel, towns, rural roads, a motorway, a path along the coast."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from etl.sample import names
from etl.sample.builder import between
from etl.sample.centre import COLUMNS, DIVIDED, ROWS, Stretch, column_class, lanes, row_class, warp

if TYPE_CHECKING:
    from etl.sample.builder import Builder, Point
    from etl.sample.centre import Centre

FRINGE_M = (-1400.0, -900.0, -430.0)
TOWN_PLACES = ((-9000.0, 3000.0), (-6500.0, -7000.0), (2200.0, 9300.0), (1200.0, -8300.0), (-10300.0, 8600.0))
TOWN_SIZE = (8, 7)
VILLAGE_CELLS = ((0, 4), (0, 7), (0, 9), (4, 0), (8, 0), (6, 13))  # lattice cells of the fringe with a village
TUNNEL_LINE = 3 + 4  # 海丰大道 beyond the north ring, under the hill


class Fringe:
    """The wide lattice around the town: `px`, `py` are its lines before the town's irregularity; lines of the town are continued."""

    def __init__(self, c: Centre) -> None:
        self.columns = [i for i in range(COLUMNS) if column_class(i) != "支路"]
        self.rows = [j for j in range(ROWS) if row_class(j) != "支路"]
        top = c.ys[-1] - np.array(FRINGE_M[::-1])
        self.px = np.r_[FRINGE_M, c.xs[self.columns]]
        self.py = np.r_[FRINGE_M, c.ys[self.rows], top]
        self.node: dict[tuple[int, int], int] = {}
        self.stretches: list[Stretch] = []

    def point(self, a: int, b: int) -> Point:
        """Place of a lattice point."""
        return warp(float(self.px[a]), float(self.py[b]))

    def inside(self, a: int, b: int) -> bool:
        """Whether the point belongs to the central town (its rim included)."""
        return a >= 3 and 3 <= b < 3 + len(self.rows)  # noqa: PLR2004 (three lines outside)

    def build(self, c: Centre, b: Builder, *, rng: np.random.Generator) -> None:
        """Roads of the fringe, named, in the stretches of the roster."""
        for a in range(len(self.px)):
            for k in range(len(self.py)):
                if self.inside(a, k):
                    self.node[a, k] = self._port(c, a, k)
                else:
                    self.node[a, k] = b.node(self.point(a, k))
        label = iter(names.FRINGE)
        titles = {("v", a): next(label) for a in range(len(self.px))} | {
            ("h", k): next(label) for k in range(len(self.py))
        }
        for kind, lines, length in (("v", len(self.px), len(self.py)), ("h", len(self.py), len(self.px))):
            for line in range(lines):
                rim = line == 0 or (kind == "h" and line == lines - 1)
                for part in self._parts(kind, line, length):
                    if not rim and (kind, line) != ("v", TUNNEL_LINE) and rng.random() < 0.15:  # noqa: PLR2004 (some are missing)
                        continue
                    self._part(b, kind, line, part, titles)

    def _port(self, c: Centre, a: int, k: int) -> int:
        i, j = self.columns[a - 3], self.rows[k - 3]
        side = "w" if i == 0 else "n" if j == ROWS - 1 else "s"
        return c.port[i, j, "e" if i == DIVIDED else side]

    def _parts(self, kind: str, line: int, length: int) -> list[list[int]]:
        """Runs of steps outside the town, in chunks of three or four."""
        place = (lambda s: (line, s)) if kind == "v" else (lambda s: (s, line))
        steps = [s for s in range(length - 1) if not (self.inside(*place(s)) and self.inside(*place(s + 1)))]
        runs: list[list[int]] = []
        for s in steps:
            if runs and runs[-1][-1] == s - 1 and len(runs[-1]) < 4:  # noqa: PLR2004 (see above)
                runs[-1].append(s)
            else:
                runs.append([s])
        return runs

    def _part(self, b: Builder, kind: str, line: int, steps: list[int], titles: dict[tuple[str, int], str]) -> None:
        place = (lambda s: (line, s)) if kind == "v" else (lambda s: (s, line))
        other = "h" if kind == "v" else "v"
        edges = [
            b.edge(self.node[place(s)], self.node[place(s + 1)], "城郊道路", titles[kind, line],
                   tunnel=(kind, line, s) == ("v", TUNNEL_LINE, len(self.py) - 3))
            for s in steps
        ]  # fmt: skip
        lo, hi = (
            self._cross(titles, other, place(steps[0])),
            self._cross(titles, other, place(steps[-1] + 1)),
        )
        at = self.point(*place(steps[len(steps) // 2]))
        cell = (0 if at[0] < 2500 else COLUMNS, 0 if at[1] < 2000 else ROWS)  # noqa: PLR2004 (middle of the town)
        self.stretches.append(Stretch(titles[kind, line], "城郊道路", lo, hi, tuple(edges), at, cell))

    def _cross(self, titles: dict[tuple[str, int], str], other: str, at: tuple[int, int]) -> str:
        """Name of the street met there: the town's own on its rim."""
        a, k = at
        if self.inside(a, k):
            return names.EAST_WEST[self.rows[k - 3]] if other == "h" else names.NORTH_SOUTH[self.columns[a - 3]]
        return titles[other, k if other == "h" else a]


def villages(f: Fringe, b: Builder, *, rng: np.random.Generator) -> list[tuple[str, tuple[Point, Point, Point, Point]]]:
    """Villages in cells of the fringe; their lanes are country roads. Returns name and corners."""
    out = []
    for (a, k), name in zip(VILLAGE_CELLS, names.FRINGE_VILLAGES, strict=True):
        corners = (f.point(a, k), f.point(a + 1, k), f.point(a + 1, k + 1), f.point(a, k + 1))
        doors = [f.node[a, k], f.node[a + 1, k + 1]]
        lanes(b, corners, doors, f"{name}路", "乡村道路", rng=rng, size=5)
        out.append((name, corners))
    return out


def town(b: Builder, number: int, *, rng: np.random.Generator) -> tuple[list[list[int]], list[Stretch]]:
    """One town: a small turned grid with two greater streets. Returns its nodes by column and row, and its stretches."""
    (cx, cy), (w, h) = TOWN_PLACES[number], TOWN_SIZE
    turn, short = rng.uniform(-0.6, 0.6), names.TOWNS[number][:2]
    xs = np.cumsum(np.r_[0, rng.uniform(110, 180, w - 1)])
    ys = np.cumsum(np.r_[0, rng.uniform(110, 180, h - 1)])
    nodes = [[0] * h for _ in range(w)]
    for i in range(w):
        for j in range(h):
            x, y = xs[i] - xs.mean() + rng.normal(0, 5), ys[j] - ys.mean() + rng.normal(0, 5)
            at = (cx + x * np.cos(turn) - y * np.sin(turn), cy + x * np.sin(turn) + y * np.cos(turn))
            nodes[i][j] = b.node(at)
    lines = [("v", i) for i in range(w)] + [("h", j) for j in range(h)]
    order = [w // 2, w + h // 2, *(k for k in range(w + h) if k not in (w // 2, w + h // 2))]
    street = (*names.TOWN_STREETS, "东街", "西街", "南街", "北街")
    title = {lines[k]: f"{short}{street[n]}" for n, k in enumerate(order)}
    stretches = []
    for kind, line in lines:
        greater = (kind, line) in {("v", w // 2), ("h", h // 2)}
        chain = [nodes[line][j] for j in range(h)] if kind == "v" else [nodes[i][line] for i in range(w)]
        cut = 0 if greater or rng.random() < 0.7 else 2  # noqa: PLR2004 (some streets end early)
        chain = chain[: len(chain) - cut]
        edges = [b.edge(p, q, "次干道" if greater else "支路", title[kind, line]) for p, q in pairwise(chain)]
        other = "h" if kind == "v" else "v"
        ends = title[other, 0], title[other, len(chain) - 1]
        mid = b.nodes[chain[len(chain) // 2]]
        stretches.append(
            Stretch(title[kind, line], "次干道" if greater else "支路", *ends, tuple(edges), mid, (-1 - number, 0))
        )
    return nodes, stretches


def rural(b: Builder, start: int, end: int, name: str, *, rng: np.random.Generator) -> None:
    """A county road that winds from one junction to another, with lanes that leave it."""
    a, d = b.nodes[start], b.nodes[end]
    far = float(np.hypot(d[0] - a[0], d[1] - a[1]))
    count = max(int(far / 700), 2)
    side = (-(d[1] - a[1]) / far, (d[0] - a[0]) / far)
    bend = rng.uniform(-350, 350, 2)
    chain = [start]
    for k in range(1, count):
        s = k / count
        off = bend[0] * np.sin(np.pi * s) + bend[1] * np.sin(2 * np.pi * s) + rng.normal(0, 25)
        x, y = between(a, d, s)
        chain.append(b.node((x + side[0] * off, y + side[1] * off)))
    chain.append(end)
    for p, q in pairwise(chain):
        b.edge(p, q, "县道", name)
    for p in chain[1:-1:2]:
        reach, sign = rng.uniform(150, 400), -1 if rng.random() < 0.5 else 1  # noqa: PLR2004 (either side)
        x, y = b.nodes[p]
        tip = b.node((x + sign * reach * side[0], y + sign * reach * side[1]))
        b.edge(
            p,
            tip,
            "乡村道路",
            f"{name}支线",
            via=((x + sign * reach * 0.5 * side[0] + 15, y + sign * reach * 0.5 * side[1]),),
        )


def motorway(b: Builder) -> None:
    """Two carriageways on a viaduct, that pass by in the west and meet nothing."""
    for sign, way in ((1, 1), (-1, -1)):
        chain = [b.node((-4200 + 15 * sign + 500 * np.sin(y / 5000), float(y))) for y in range(-10000, 11000, 1500)]
        for p, q in pairwise(chain):
            b.edge(p, q, "高速公路", "滨海高速", oneway=way, bridge=True)


def coast_path(c: Centre, b: Builder) -> None:
    """A footpath on the sea wall, 55 m from the coastal avenue, joined to it at every second street."""
    chain = []
    for j in range(0, ROWS, 2):
        x, y = c.point(COLUMNS - 1, j)
        chain.append(b.node((x + 55, y + 6)))
        b.edge(c.port[COLUMNS - 1, j, "e"], chain[-1], "步行道", "海塘步道")
    for p, q in pairwise(chain):
        b.edge(p, q, "步行道", "海塘步道")
