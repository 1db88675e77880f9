"""Inspector density as a continuous surface: persons per km² required, allocated and present, on square cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely
from scipy import sparse
from scipy.spatial import cKDTree

from gis.hotspots import make_cells

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pyproj

    from gis.presence import Presence
    from gis.standard import Counted

SINKHORN_STEPS = 40


def density_surface(
    work_grids: gpd.GeoDataFrame,
    density: pd.DataFrame,
    *,
    crs: pyproj.CRS,
    presence: Presence | None = None,
    counted: Counted = "allocated",
    cell_m: float = 250.0,
    bandwidth_m: float = 600.0,
) -> gpd.GeoDataFrame:
    """Density of inspectors as a surface that keeps the number of persons.

    Each grid's required and allocated persons are spread evenly over its area, then smoothed by a quartic kernel that
    keeps both the number of persons (the sum over cells × cell area) and an even field even, up to the edge.

    Args:
        work_grids: polygons with grid_id, any CRS.
        density: the `density` contract; rows of level work_grid are used.
        crs: metric CRS of the cells.
        presence: `presence_of` the day's fixes, in `crs`; what lies in no work grid is left out, as in `density`.
        counted: the count by which persons are lacking (`density.verdict` of the standard).
        cell_m: edge of a cell.
        bandwidth_m: radius of the kernel.

    Returns:
        The `density_surface` contract, EPSG:4326; cells whose centre lies in a work grid.
    """
    columns = list(dict.fromkeys(("required", "allocated", counted)))
    judged = density[density["level"] == "work_grid"][["area_id", *columns]]
    if work_grids.empty or judged.empty:
        return _frame(np.zeros(0, dtype=object), np.zeros((4, 0)), gpd.GeoSeries([], crs=4326))
    grids = work_grids.to_crs(crs).merge(judged, left_on="grid_id", right_on="area_id")
    cells = make_cells(gpd.GeoSeries(grids.geometry), crs=crs, cell_m=cell_m)
    flat = np.flatnonzero(cells.inside)
    row, col = np.divmod(flat, cells.columns)
    centres = np.column_stack([cells.x0 + (col + 0.5) * cell_m, cells.y0 + (row + 0.5) * cell_m])
    grid_of, cell_of = shapely.STRtree(gpd.points_from_xy(*centres.T).to_numpy()).query(
        grids.geometry.to_numpy(), predicate="contains"
    )
    cell_of, first = np.unique(cell_of, return_index=True)
    grid_of = grid_of[first]
    centres, flat = centres[cell_of], flat[cell_of]
    if not len(centres):  # grids without an inside
        return _frame(np.zeros(0, dtype=object), np.zeros((4, 0)), gpd.GeoSeries([], crs=4326))
    members = np.bincount(grid_of, minlength=len(grids))
    # A grid too small to hold a cell's centre gives its persons to the nearest cell.
    spread = np.stack([grids[c].to_numpy(float)[grid_of] / members[grid_of] for c in columns])
    tree = cKDTree(centres)
    lost = np.flatnonzero(members == 0)
    if len(lost):
        places = shapely.get_coordinates(shapely.centroid(grids.geometry.to_numpy()[lost]))
        _, nearest = tree.query(places)
        for i, column in enumerate(columns):
            np.add.at(spread[i], nearest, grids[column].to_numpy(float)[lost])
    present = np.zeros(len(centres))
    if presence is not None and len(presence.persons):
        points = shapely.points(presence.xy)
        held = np.unique(shapely.STRtree(grids.geometry.to_numpy()).query(points, predicate="intersects")[0])
        _, nearest = tree.query(presence.xy[held])
        np.add.at(present, nearest, presence.persons[held])
    smooth = _smoothed(tree, np.vstack([spread, present]), bandwidth_m)
    per_km2 = smooth / (cell_m / 1000) ** 2
    found = dict(zip([*columns, "present"], per_km2, strict=True))
    gap = np.maximum(found["required"] - found[counted], 0.0)
    boxes = cells.boxes(flat).to_crs(4326)
    return _frame(
        cells.ids(flat), np.vstack([found["required"], found["allocated"], found["present"], gap]), gpd.GeoSeries(boxes)
    )


def _smoothed(tree: cKDTree, persons: npt.NDArray[np.float64], bandwidth_m: float) -> npt.NDArray[np.float64]:
    """Persons shared out among the cells within the bandwidth by the quartic kernel, scaled to be doubly stochastic.

    Rows and columns of the weights sum to one (symmetric Sinkhorn scaling: Knight, Ruiz and Uçar 2014), so that persons are
    kept *and* an even field stays even up to the edge.
    """
    near = tree.sparse_distance_matrix(tree, bandwidth_m, output_type="ndarray")
    size = persons.shape[1]
    kernel = sparse.csr_array(((1 - (near["v"] / bandwidth_m) ** 2) ** 2, (near["i"], near["j"])), shape=(size, size))
    scale = np.ones(size)
    for _ in range(SINKHORN_STEPS):
        scale = np.sqrt(scale / (kernel @ scale))
    smooth: npt.NDArray[np.float64] = scale * (kernel @ (scale * persons).T).T
    # What the finite number of steps leaves is under a thousandth; the totals are kept exactly.
    totals = smooth.sum(axis=1, keepdims=True)
    kept: npt.NDArray[np.float64] = smooth * persons.sum(axis=1, keepdims=True) / np.where(totals > 0, totals, 1.0)
    return kept


def _frame(ids: npt.NDArray[np.object_], values: npt.NDArray[np.float64], boxes: gpd.GeoSeries) -> gpd.GeoDataFrame:
    names = ("required_km2", "allocated_km2", "present_km2", "gap_km2")
    data = {"cell_id": ids, **dict(zip(names, values, strict=True))}
    return gpd.GeoDataFrame(data, geometry=boxes.to_numpy(), crs=4326)
