"""Work grids where a city has none: a boundary cut into square or hexagonal cells, or along roads, slivers joined to their neighbours.

The cells of one cut never overlap and together are the boundary. All geometry is in a metric CRS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    import numpy.typing as npt

    Geometries = npt.NDArray[np.object_]

_MOST_CELLS = 200_000
_POLYGON = 3  # GEOS id
_REACH_M = 1.0


def cut_cells(
    boundary: shapely.Geometry, *, cell_m: float, shape: Literal["square", "hex"] = "square", min_share: float = 0.25
) -> Geometries:
    """Cells of a regular net clipped to a boundary; parts smaller than `min_share` of a cell are joined to a neighbour.

    Args:
        boundary: polygon or multipolygon, metric CRS.
        cell_m: side of a square, or distance between opposite sides of a hexagon, metres.
        shape: form of the cells. The net is anchored at whole multiples of `cell_m`, so that a changed boundary keeps the inner cells.
        min_share: share of a full cell's area below which a part is a sliver.

    Returns:
        Polygons (a multipolygon where an islet was joined), from north to south, then west to east.

    Raises:
        SettingsError: `cell_m` is not above 0, or gives more than 200,000 cells.
    """
    bounds = shapely.bounds(boundary)
    west, south, east, north = (float(b) for b in bounds)
    if not cell_m > 0 or (east - west) * (north - south) / cell_m**2 > _MOST_CELLS:
        raise SettingsError(
            Fault(
                "grid.cell",
                f"网格边长 {cell_m:g} 米不合适",
                f"a cell of {cell_m:g} m does not fit",
                f"应大于 0，且不致超过 {_MOST_CELLS} 个",
                f"above 0 and no more than {_MOST_CELLS} cells",
                column="cell_m",
            )
        )
    net = _squares(bounds, cell_m) if shape == "square" else _hexagons(bounds, cell_m)
    shapely.prepare(boundary)
    net = net[shapely.intersects(boundary, net)]
    full = cell_m**2 if shape == "square" else cell_m**2 * np.sqrt(3) / 2
    return _ordered(join_slivers(_polygons(shapely.intersection(net, boundary)), min_area_m2=min_share * full))


def _squares(bounds: npt.NDArray[np.float64], cell_m: float) -> Geometries:
    west, south, east, north = bounds / cell_m
    column, row = np.meshgrid(np.arange(np.floor(west), np.ceil(east)), np.arange(np.floor(south), np.ceil(north)))
    x, y = column.ravel() * cell_m, row.ravel() * cell_m
    return np.asarray(shapely.box(x, y, x + cell_m, y + cell_m))


def _hexagons(bounds: npt.NDArray[np.float64], cell_m: float) -> Geometries:
    """Hexagons with a corner up: columns `cell_m` apart, rows 3/2 of a side apart, every other row shifted by half a cell."""
    side = cell_m / np.sqrt(3)
    west, south, east, north = bounds
    column, row = np.meshgrid(
        np.arange(np.floor(west / cell_m) - 1, np.ceil(east / cell_m) + 2),
        np.arange(np.floor(south / (1.5 * side)) - 1, np.ceil(north / (1.5 * side)) + 2),
    )
    half, up = (
        cell_m / 2,
        side / 2,
    )  # corners are built from whole numbers of these, so that neighbours share them exactly
    dx, dy = np.array([1, 0, -1, -1, 0, 1]), np.array([1, 2, 1, -1, -2, -1])
    x = (2 * column + row % 2).reshape(-1, 1) + dx
    y = (3 * row).reshape(-1, 1) + dy
    return np.asarray(shapely.polygons(np.stack([x * half, y * up], axis=-1)))


def cut_along_roads(boundary: shapely.Geometry, roads: Geometries, *, min_area_m2: float) -> Geometries:
    """Blocks between roads: boundary and roads noded together and polygonised; blocks under `min_area_m2` are joined to a neighbour.

    Roads that end inside a block cut nothing; one that ends within a metre of another road or the boundary is taken to reach it.
    Returns polygons from north to south, then west to east.
    """
    lines = roads[~shapely.is_empty(roads) & (shapely.length(roads) > 0)]
    outline = np.array([shapely.boundary(boundary)], dtype=object)
    parts = (lines, _reaches(lines, first=0, second=1), _reaches(lines, first=-1, second=-2), outline)
    noded = shapely.node(shapely.union_all(np.concatenate(parts), grid_size=0.001))
    blocks = _polygons(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
    shapely.prepare(boundary)
    kept = blocks[shapely.contains_properly(boundary, shapely.point_on_surface(blocks))]
    return _ordered(join_slivers(kept, min_area_m2=min_area_m2))


def _reaches(lines: Geometries, *, first: int, second: int) -> Geometries:
    """Stubs of a metre that lengthen lines beyond one end, in the direction of their last two vertices."""
    end, before = (shapely.get_coordinates(shapely.get_point(lines, at)) for at in (first, second))
    length = np.hypot(*(end - before).T)
    end, before, length = end[length > 0], before[length > 0], length[length > 0]
    beyond = end + (end - before) / length[:, None] * _REACH_M
    return np.asarray(shapely.linestrings(np.stack([end, beyond], axis=1)), dtype=object)


def join_slivers(cells: Geometries, *, min_area_m2: float) -> Geometries:
    """Cells with those under `min_area_m2` joined, smallest first, to the neighbour with the longest common border, else to the nearest.

    Args:
        cells: polygons that do not overlap, metric CRS.
        min_area_m2: area that every cell should have.

    Returns:
        Fewer or as many cells, of the same total area; only where all cells together are smaller is one left under the limit.
    """
    area = np.asarray(shapely.area(cells), dtype=np.float64)
    if not (area < min_area_m2).any():
        return cells
    border = _borders(cells)
    tree = shapely.STRtree(cells)
    owner = np.arange(len(cells))
    members: dict[int, list[int]] = {i: [i] for i in range(len(cells))}
    for _ in range(len(cells)):
        alive = np.fromiter(members, dtype=np.int64)
        small = alive[area[alive] < min_area_m2]
        if not len(small) or len(alive) == 1:
            break
        at = int(small[np.lexsort((small, area[small]))[0]])
        to = _neighbour(at, border, members, owner, cells, tree)
        for other, length in border.pop(at, {}).items():
            border[other].pop(at, None)
            if other != to:
                border[to][other] = border[to].get(other, 0.0) + length
                border[other][to] = border[to][other]
        area[to] += area[at]
        members[to] += members.pop(at)
        owner[members[to]] = to
    out = [
        cells[m[0]] if len(m) == 1 else shapely.union_all(cells[np.sort(m)], grid_size=None) for m in members.values()
    ]
    return np.array(out, dtype=object)


def _borders(cells: Geometries) -> dict[int, dict[int, float]]:
    """Length of the common border of each pair of cells that have one, metres."""
    left, right = shapely.STRtree(cells).query(cells, predicate="intersects")
    once = left < right
    left, right = left[once], right[once]
    edges = shapely.boundary(cells)
    length = shapely.length(shapely.intersection(edges[left], edges[right]))
    out: dict[int, dict[int, float]] = {i: {} for i in range(len(cells))}
    for a, b, metres in zip(left.tolist(), right.tolist(), length.tolist(), strict=True):
        if metres > 0:
            out[a][b] = out[b][a] = metres
    return out


def _neighbour(at: int, border: dict[int, dict[int, float]], members: dict[int, list[int]], owner: npt.NDArray[np.int64], cells: Geometries,
               tree: shapely.STRtree) -> int:  # fmt: skip
    """The cell that a sliver joins: longest border, lowest number on a tie; without borders the nearest one."""
    if border[at]:
        return min(border[at], key=lambda n: (-border[at][n], n))
    own = shapely.union_all(cells[members[at]])
    others = np.array([i for i in range(len(cells)) if owner[i] != at])
    reach = float(shapely.distance(own, cells[others]).min())
    near = tree.query(own, predicate="dwithin", distance=reach * (1 + 1e-9) + 1e-6)
    return min(int(owner[i]) for i in near if owner[i] != at)


def _polygons(geometry: Geometries) -> Geometries:
    """Polygon parts with an area."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    kept = (shapely.get_type_id(parts) == _POLYGON) & (shapely.area(parts) > 0)
    return np.asarray(parts[kept], dtype=object)


def _ordered(cells: Geometries) -> Geometries:
    """North to south, then west to east, by the middle of the bounds; coordinates in a fixed order."""
    cells = np.asarray(shapely.normalize(cells), dtype=object)
    box = shapely.bounds(cells)
    order = np.lexsort((box[:, 0], (box[:, 0] + box[:, 2]) / 2, -(box[:, 1] + box[:, 3]) / 2))
    return np.asarray(cells[order], dtype=object)
