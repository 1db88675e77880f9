"""Grids, zones and places of the invented county, in metres from the town's corner."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely

from etl.sample import names
from etl.sample.builder import between
from etl.sample.centre import COLUMNS, DIVIDED, ROWS, VILLAGE_BLOCKS
from etl.sample.countryside import TOWN_PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.sample.builder import Builder, Point
    from etl.sample.centre import Centre, Stretch
    from etl.sample.countryside import Fringe

Hamlet = tuple[str, "tuple[Point, Point, Point, Point]"]
IMPORTANT = (
    ("人民路", "丹河环岛"),
    ("人民路", "海丰大道"),
    ("新华街", "象山港路"),
    ("丹河路", "丹河环岛"),
)  # road, where it begins
GENERAL = (
    ("井头街", "丹河路"),
    ("瑞龙街", "海丰大道"),
    ("塔山街", "人民路"),
    ("东谷路", "丹河路"),
    ("学宫街", "象山港路"),
)
KEY_PLACES = (
    "小学",
    "中学",
    "菜市场",
    "医院",
    "汽车站",
    "广场",
    "公园入口",
    "超市",
    "银行网点",
    "社区服务中心",
    "幼儿园",
    "夜市口",
)
TOWN_IDS = ("T01", "T02", *(f"T{k + 3:02d}" for k in range(len(names.TOWNS))))
STREET_OFFICES = ("丹东街道", "丹西街道")


def build(
    c: Centre,
    f: Fringe,
    b: Builder,
    hamlets: Sequence[Hamlet],
    towns: Sequence[list[list[int]]],
    stretches: Sequence[Stretch],
    *,
    rng: np.random.Generator,
) -> dict[str, gpd.GeoDataFrame]:
    """The tables work_grids, community_grids, unit_grids and areas."""
    centre = _ring(c, 0, 0, COLUMNS - 1, ROWS - 1)
    outer = shapely.Polygon(
        [f.point(a, 0) for a in range(len(f.px))]
        + _right(f)
        + [f.point(a, len(f.py) - 1) for a in range(len(f.px) - 1, -1, -1)]
        + [f.point(0, k) for k in range(len(f.py) - 2, 0, -1)]
    )
    zones = {"central": centre, "fringe": outer.difference(centre)}
    boundary = _boundary()
    county_towns = _towns(c, boundary, outer)
    hulls = [shapely.MultiPoint([b.nodes[n] for column in t for n in column]).convex_hull.buffer(60) for t in towns]
    community = _community_grids(c, hamlets, hulls)
    areas = [
        _row("boundary", names.COUNTY, boundary),
        *(_row("town", n, g, area_id=k) for k, n, g in county_towns),
        _row("central", "中心城区", zones["central"].buffer(16, join_style="mitre")),
        _row("fringe", "城郊结合部", zones["fringe"].difference(zones["central"].buffer(16, join_style="mitre"))),
        _row("scope", "中心城区及城郊结合部", outer.buffer(20, join_style="mitre")),
        *(_row("scope", f"{n}建成区", h) for n, h in zip(names.TOWNS, hulls, strict=True)),
        *_streets(b, stretches),
        *_villages(c),
        *_key_points(c, hulls, rng),
        *_back_streets(b, rng),
        *_hot_areas(c, hulls),
    ]
    for kind in (
        "boundary",
        "central",
        "fringe",
        "scope",
        "street_important",
        "street_general",
        "urban_village",
        "key_point",
        "back_street",
        "hot_area",
    ):
        for k, row in enumerate(r for r in areas if r["kind"] == kind):
            row["area_id"] = f"{kind.replace('_', '-')}-{k + 1:03d}"
    return {
        "work_grids": _frame(_work_grids(c, f)),
        "community_grids": _frame(community),
        "unit_grids": _frame(_unit_grids(c, community)),
        "areas": _frame(areas),
    }


def _row(kind: str, name: str, geometry: Any, *, area_id: str = "", parent_id: str | None = None) -> dict[str, Any]:
    return {"area_id": area_id, "kind": kind, "name": name, "parent_id": parent_id, "geometry": geometry}


def _frame(rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(rows, geometry="geometry")


def _ring(c: Centre, i0: int, j0: int, i1: int, j1: int) -> shapely.Polygon:
    """The polygon along the streets between two corners of the town's lattice."""
    south = [(i, j0) for i in range(i0, i1)]
    east = [(i1, j) for j in range(j0, j1)]
    north = [(i, j1) for i in range(i1, i0, -1)]
    west = [(i0, j) for j in range(j1, j0, -1)]
    return shapely.Polygon([c.point(i, j) for i, j in (*south, *east, *north, *west)])


def _right(f: Fringe) -> list[Point]:
    return [f.point(len(f.px) - 1, k) for k in range(1, len(f.py) - 1)]


def _boundary() -> shapely.Polygon:
    """The county: hills in the west, a coast with bays in the east."""
    y = np.arange(-11500, 12600, 250.0)
    bays = 1500 * np.exp(-(((y - 9800) / 1300) ** 2)) - 900 * np.exp(-(((y + 5200) / 900) ** 2))
    x = 5450 - 0.105 * y + 160 * np.sin(y / 650) + 60 * np.sin(y / 170) + bays
    wy = np.arange(12500, -11600, -1500.0)
    wx = -13500 + 900 * np.sin(wy / 3100) + 350 * np.sin(wy / 1100)
    return shapely.Polygon([*zip(x, y, strict=True), *zip(wx, wy, strict=True)])


def _towns(c: Centre, boundary: shapely.Polygon, outer: shapely.Polygon) -> list[tuple[str, str, Any]]:
    """The county divided: each place to the nearest town, the centre's part to two street offices either side of the avenue."""
    cores = [*TOWN_PLACES, (2200.0, 2100.0)]
    cells = shapely.voronoi_polygons(shapely.MultiPoint(cores), extend_to=boundary)
    mine = {k: next(g for g in cells.geoms if g.covers(shapely.Point(p))) for k, p in enumerate(cores)}
    centre = mine[len(TOWN_PLACES)].union(outer.buffer(30)).intersection(boundary)
    axis = [c.point(DIVIDED, j) for j in range(ROWS)]
    first, last = axis[0], axis[-1]
    west = shapely.Polygon(
        [
            (first[0] + 2500, -30000),
            first,
            *axis[1:-1],
            last,
            (last[0] - 2500, 30000),
            (-40000, 30000),
            (-40000, -30000),
        ]
    )
    out = [("T01", STREET_OFFICES[0], centre.difference(west)), ("T02", STREET_OFFICES[1], centre.intersection(west))]
    for k, name in enumerate(names.TOWNS):
        out.append((TOWN_IDS[k + 2], name, mine[k].intersection(boundary).difference(centre)))
    return [(i, n, _polygonal(g)) for i, n, g in out]


def _polygonal(g: Any) -> Any:
    parts = [p for p in shapely.get_parts(g) if p.geom_type == "Polygon" and p.area > 1]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _work_grids(c: Centre, f: Fringe) -> list[dict[str, Any]]:
    """Sixteen central grids between main roads, fourteen in the fringe along the roads that continue them."""
    rows: list[dict[str, Any]] = []
    for i in range(0, COLUMNS - 1, 5):
        for j in range(0, ROWS - 1, 4):
            n = len(rows) + 1
            squad = _quarter(i + 2, j + 2)
            rows.append(
                _grid(n, "central", "T02" if i < DIVIDED else "T01", f"Z{squad + 1:02d}", _ring(c, i, j, i + 5, j + 4))
            )
    main_x = [3 + k for k, i in enumerate(f.columns) if i % 5 == 0]
    main_y = [3 + k for k, j in enumerate(f.rows) if j % 4 == 0]
    top = len(f.py) - 1
    west = [(0, a, 3, d) for a, d in zip([0, *main_y], [*main_y, top], strict=True)]
    rest = [(a, k, d, m) for k, m in ((0, 3), (main_y[-1], top)) for a, d in pairwise(main_x)]
    for a0, b0, a1, b1 in (*west, *rest):
        points = [f.point(a, b0) for a in range(a0, a1)] + [f.point(a1, k) for k in range(b0, b1)]
        points += [f.point(a, b1) for a in range(a1, a0, -1)] + [f.point(a0, k) for k in range(b1, b0, -1)]
        ring = shapely.Polygon(points)
        quarter = (0 if (a0 + a1) / 2 > 7 else 1) if 3 < b0 < top - 4 else (2 if b1 <= 4 else 3)  # noqa: PLR2004 (the lattice's halves)
        town_id = "T01" if (a0 + a1) / 2 > 7 else "T02"  # noqa: PLR2004 (the avenue's line)
        rows.append(_grid(len(rows) + 1, "fringe", town_id, f"Z{quarter + 1:02d}", ring))
    return rows


def _quarter(i: float, j: float) -> int:
    """Squad of a place of the lattice: 0 east, 1 west, 2 south, 3 north."""
    if j < ROWS / 4:
        return 2
    if j >= ROWS * 3 / 4 - 1:
        return 3
    return 0 if i > DIVIDED else 1


def _grid(n: int, level: str, town_id: str, unit_id: str, ring: shapely.Polygon) -> dict[str, Any]:
    title = f"{'中心' if level == 'central' else '城郊'}{n:02d}号工作网格"
    return {
        "grid_id": f"GW{n:03d}",
        "name": title,
        "level": level,
        "town_id": town_id,
        "unit_id": unit_id,
        "geometry": ring,
    }


def _community_grids(c: Centre, hamlets: Sequence[Hamlet], hulls: Sequence[Any]) -> list[dict[str, Any]]:
    """Two by two blocks in the town, a village in the city or at its edge as a whole, half a town elsewhere."""
    city = dict(zip(VILLAGE_BLOCKS, names.URBAN_VILLAGES, strict=True))
    rows: list[dict[str, Any]] = []
    for i in range(0, COLUMNS - 1, 2):
        for j in range(0, ROWS - 1, 2):
            k = (i // 4) * 4 + j // 4
            community = city.get((i, j)) or names.COMMUNITIES[k]
            rows.append(
                {
                    "community": community,
                    "town_id": "T02" if i < DIVIDED else "T01",
                    "geometry": _ring(c, i, j, i + 2, j + 2),
                }
            )
    rows += [{"community": n, "town_id": "T02", "geometry": shapely.Polygon(ring)} for n, ring in hamlets]
    for k, (n, hull) in enumerate(zip(names.TOWNS, hulls, strict=True)):
        x, lo, hi = hull.centroid.x, hull.bounds[1] - 10, hull.bounds[3] + 10
        for side, part in (
            ("东", shapely.box(x, lo, hull.bounds[2] + 10, hi)),
            ("西", shapely.box(hull.bounds[0] - 10, lo, x, hi)),
        ):
            rows.append(
                {"community": f"{n[:2]}{side}社区", "town_id": TOWN_IDS[k + 2], "geometry": hull.intersection(part)}
            )
    order = sorted({r["community"] for r in rows})
    seen: dict[str, int] = {}
    for r in rows:
        count = seen[r["community"]] = seen.get(r["community"], 0) + 1
        r["grid_id"] = f"QK{order.index(r['community']) + 1:03d}{count:02d}"
        r["name"] = f"{r['community']}第{count}网格"
    return rows


def _unit_grids(c: Centre, community: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks cut into two by three cells of about a hectare; code: county 6, street office 3, community 3, number 3."""
    cells, blocks = [], []
    for i in range(COLUMNS - 1):
        for j in range(ROWS - 1):
            sw, se, ne, nw = c.point(i, j), c.point(i + 1, j), c.point(i + 1, j + 1), c.point(i, j + 1)
            for s in range(2):
                for t in range(3):
                    at = [(s / 2, t / 3), ((s + 1) / 2, t / 3), ((s + 1) / 2, (t + 1) / 3), (s / 2, (t + 1) / 3)]
                    cells.append(shapely.Polygon([between(between(sw, se, p), between(nw, ne, p), q) for p, q in at]))
                    blocks.append((i // 2) * ((ROWS - 1) // 2) + j // 2)
    names_of = sorted({r["community"] for r in community})
    count: dict[str, int] = {}
    rows = []
    for cell, k in zip(cells, blocks, strict=True):
        of = community[k]
        town = 1 if of["town_id"] == "T01" else 2
        n = count[of["community"]] = count.get(of["community"], 0) + 1
        code = f"{names.COUNTY_CODE}{town:03d}{names_of.index(of['community']) + 1:03d}{n:03d}"
        rows.append(
            {
                "grid_id": code,
                "name": f"{of['community']}{n}号单元",
                "community_grid_id": of["grid_id"],
                "geometry": cell,
            }
        )
    return rows


def _streets(b: Builder, stretches: Sequence[Stretch]) -> list[dict[str, Any]]:
    out = []
    for kind, wanted in (("street_important", IMPORTANT), ("street_general", GENERAL)):
        for s in stretches:
            if (s.road, s.from_name) in wanted:
                lines = shapely.linestrings(b.edges[s.edges[0]].path[:1] + tuple(b.edges[e].path[-1] for e in s.edges))
                out.append(_row(kind, f"{s.text}商业街", lines.buffer(18, cap_style="flat")))
    return out


def _villages(c: Centre) -> list[dict[str, Any]]:
    return [
        _row("urban_village", n, _ring(c, i, j, i + 2, j + 2).buffer(-15, join_style="mitre"))
        for (i, j), n in zip(VILLAGE_BLOCKS, names.URBAN_VILLAGES, strict=True)
    ]


def _key_points(c: Centre, hulls: Sequence[Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Places that every small patrol must visit: some on kerbs of the town, one in each half of a town."""
    out = []
    for k in range(40):
        i, j = int(rng.integers(COLUMNS - 1)), int(rng.integers(ROWS - 1))
        x, y = between(c.point(i, j), c.point(i + 1, j), float(rng.uniform(0.2, 0.8)))
        title = f"{names.NORTH_SOUTH[i][:2]}{KEY_PLACES[k % len(KEY_PLACES)]}"
        out.append(_row("key_point", title, shapely.Point(x, y + 12)))
    for n, hull in zip(names.TOWNS, hulls, strict=True):
        for side, sign in (("东", 1), ("西", -1)):
            at = shapely.Point(hull.centroid.x + sign * 170, hull.centroid.y + 15)
            out.append(_row("key_point", f"{n[:2]}{side}菜场", at))
    return out


def _back_streets(b: Builder, rng: np.random.Generator) -> list[dict[str, Any]]:
    alleys = [e for e in b.edges if e.road_class == "街巷"]
    chosen = sorted(rng.choice(len(alleys), size=min(60, len(alleys)), replace=False).tolist())
    return [_row("back_street", alleys[k].name, shapely.LineString(alleys[k].path)) for k in chosen]


def _hot_areas(c: Centre, hulls: Sequence[Any]) -> list[dict[str, Any]]:
    spots = (
        ("人民广场周边", c.point(6, 8)),
        ("月湖夜市", c.point(12, 12)),
        ("南门菜场", c.point(11, 3)),
        ("滨江渔市", c.point(17, 9)),
    )
    near = [_row("hot_area", n, shapely.Point(p).buffer(170, quad_segs=6)) for n, p in spots]
    far = [
        _row("hot_area", f"{n[:2]}码头", h.centroid.buffer(120, quad_segs=6))
        for n, h in zip(names.TOWNS, hulls, strict=True)
    ]
    return near + far
