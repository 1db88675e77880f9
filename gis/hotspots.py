"""Where cases pile up: Getis-Ord Gi* with false discovery control, and kernel density, on square cells of a metric CRS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import stats
from scipy.spatial import cKDTree

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    import numpy.typing as npt
    import pyproj

ALL_CATEGORIES = "all"
PERIODS = ("day", "week", "month")
LEVELS = ((0.01, "99"), (0.05, "95"), (0.10, "90"))


MOST_CELLS = 4_000_000  # 100 × 100 km at 50 m; each takes some hundred bytes


@dataclass(frozen=True, slots=True)
class HotspotSettings:
    """How hotspots are judged; every figure is an analyst's choice, none is the policy's.

    Attributes:
        cell_m: edge of a cell.
        bandwidth_m: radius of the quartic kernel (Silverman 1986, eq. 4.5).
        min_cases: a period and category with fewer cases is not tested at all (`too_few`).
        min_neighbourhood: a cell is called hot only where it and its eight neighbours hold at least this many cases.
        min_category_cases: a category with fewer cases in the period gets no table of its own.
    """

    cell_m: float = 250.0
    bandwidth_m: float = 500.0
    min_cases: int = 20
    min_neighbourhood: int = 4
    min_category_cases: int = 50


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A full lattice of square cells over the study area.

    Attributes:
        crs: metric CRS.
        x0, y0: lower left corner of the lattice.
        cell_m: edge.
        columns, rows: size of the lattice.
        inside: bool (rows, columns), cells of the study area; Gi* knows these only.
    """

    crs: pyproj.CRS
    x0: float
    y0: float
    cell_m: float
    columns: int
    rows: int
    inside: npt.NDArray[np.bool_]

    def index(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Flat cell number of each point, -1 outside the lattice."""
        col = np.floor((x - self.x0) / self.cell_m).astype(np.int64)
        row = np.floor((y - self.y0) / self.cell_m).astype(np.int64)
        ok = (col >= 0) & (col < self.columns) & (row >= 0) & (row < self.rows)
        return np.where(ok, row * self.columns + col, -1)

    def boxes(self, flat: npt.NDArray[np.int64]) -> gpd.GeoSeries:
        """The cells' squares, in the metric CRS."""
        row, col = np.divmod(flat, self.columns)
        x, y = self.x0 + col * self.cell_m, self.y0 + row * self.cell_m
        return gpd.GeoSeries(shapely.box(x, y, x + self.cell_m, y + self.cell_m), crs=self.crs)

    def ids(self, flat: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """Stable ids: the cell's lower left corner in units of the edge, whatever the study area."""
        row, col = np.divmod(flat, self.columns)
        east = np.rint(self.x0 / self.cell_m).astype(np.int64) + col
        north = np.rint(self.y0 / self.cell_m).astype(np.int64) + row
        return np.array([f"{e}:{n}" for e, n in zip(east.tolist(), north.tolist(), strict=True)], dtype=object)


def make_cells(study_area: gpd.GeoSeries, *, crs: pyproj.CRS, cell_m: float) -> Cells:
    """Cells over everything that the study area touches; the lattice is anchored at the CRS's origin, so that ids stay.

    Args:
        study_area: geometries of any CRS (polygons; points where there is no boundary).
        crs: metric CRS of the cells.
        cell_m: edge of a cell, metres.

    Raises:
        InputError: nothing to lay cells over, or an area so wide that a wrong vertex is likelier than such a county.
    """
    area = gpd.GeoSeries(study_area.dropna()).to_crs(crs)
    area = gpd.GeoSeries(area[~area.is_empty])
    if area.empty:
        raise InputError(
            Fault(
                "hotspots.no_area",
                "没有可供分析的范围（无边界，也无可信坐标的案件）",
                "no study area: neither a boundary nor cases with a trustworthy place",
                "在城市文件中声明 boundary 区域",
                "declare a boundary area in the city file",
            )
        )
    min_x, min_y, max_x, max_y = area.total_bounds
    x0, y0 = np.floor(min_x / cell_m) * cell_m, np.floor(min_y / cell_m) * cell_m
    columns = int(np.floor((max_x - x0) / cell_m)) + 1
    rows = int(np.floor((max_y - y0) / cell_m)) + 1
    if rows * columns > MOST_CELLS:
        raise _too_wide(columns * cell_m / 1000, rows * cell_m / 1000)
    inside = np.zeros((rows, columns), dtype=np.bool_)
    cells = Cells(crs, float(x0), float(y0), cell_m, columns, rows, inside)
    if area.geom_type.isin(["Point", "MultiPoint"]).all():
        inside[:] = True
        return cells
    boxes = cells.boxes(np.arange(rows * columns))
    tree = shapely.STRtree(boxes.to_numpy())
    _, hit = tree.query(area.make_valid().to_numpy(), predicate="intersects")
    inside.reshape(-1)[np.unique(hit)] = True
    return cells


def _too_wide(east_km: float, north_km: float) -> InputError:
    size = f"{east_km:,.0f} × {north_km:,.0f} km"
    zh, en = f"范围达 {size}，多半有错误的顶点", f"the area is {size}: some grid or boundary has a wrong vertex"
    fix = (
        "在装载提示中查找超出范围的图形并改正",
        "look in the notes of the load for shapes that reach too far, and mend them",
    )
    return InputError(Fault("cells.too_wide", zh, en, *fix))


def gi_star(counts: npt.NDArray[np.float64], cells: Cells) -> npt.NDArray[np.float64]:
    """Gi* of counts per cell with binary queen weights, the cell itself included (Ord and Getis 1995, eq. 14).

    Args:
        counts: float64 (rows, columns).
        cells: the lattice; only cells inside take part.

    Returns:
        z, float64 (rows, columns); NaN outside and where every count is the same.
    """
    z = np.full(counts.shape, np.nan)
    values = counts[cells.inside]
    n = len(values)
    if n < 3 or np.all(values == values[0]):  # noqa: PLR2004 (a variance needs three cells)
        return z
    weight = _neighbourhood(cells.inside.astype(float))[cells.inside]
    local = _neighbourhood(np.where(cells.inside, counts, 0.0))[cells.inside]
    variance = (n * weight - weight**2) / (n - 1)
    with np.errstate(invalid="ignore"):  # no variance where the neighbourhood is the whole area: z stays NaN
        z[cells.inside] = (local - weight * values.mean()) / (values.std() * np.sqrt(variance))
    return z


def kernel_density_km2(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], cells: Cells, *, bandwidth_m: float
) -> npt.NDArray[np.float64]:
    """Cases per km² at each cell's centre by the quartic kernel K(u) = 3/π (1 - u²)², u = distance / bandwidth (Silverman 1986).

    Args:
        x: float64 (n,), eastings of the places in the cells' CRS.
        y: float64 (n,), northings.
        cells: where to estimate.
        bandwidth_m: radius of the kernel.

    Returns:
        float64 (rows, columns).
    """
    size = cells.rows * cells.columns
    total: npt.NDArray[np.float64] = np.zeros(size)
    if len(x):
        row, col = np.divmod(np.arange(size), cells.columns)
        centres = np.column_stack([cells.x0 + (col + 0.5) * cells.cell_m, cells.y0 + (row + 0.5) * cells.cell_m])
        near = cKDTree(centres).sparse_distance_matrix(
            cKDTree(np.column_stack([x, y])), bandwidth_m, output_type="ndarray"
        )
        weight = 3 / np.pi * (1 - (near["v"] / bandwidth_m) ** 2) ** 2
        total = total + np.bincount(near["i"], weights=weight, minlength=size)
    return (total / (bandwidth_m / 1000) ** 2).reshape(cells.rows, cells.columns)


def classify(
    z: npt.NDArray[np.float64], neighbourhood: npt.NDArray[np.float64], *, min_neighbourhood: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """Two-sided p, q after Benjamini and Hochberg (1995), and the class of every cell.

    Returns:
        p, q (float64) and classes hot_99 … cold_99, none; a hot cell whose neighbourhood holds too few cases is `too_few`.
    """
    p = np.full(z.shape, np.nan)
    q = np.full(z.shape, np.nan)
    known = ~np.isnan(z)
    p[known] = 2 * stats.norm.sf(np.abs(z[known]))
    if known.any():
        q[known] = stats.false_discovery_control(p[known])
    label = np.full(z.shape, "none", dtype=object)
    for level, name in reversed(LEVELS):
        sure = known & (q <= level)
        label[sure & (z > 0)] = f"hot_{name}"
        label[sure & (z < 0)] = f"cold_{name}"
    hot = np.char.startswith(label.astype(str), "hot")
    label[hot & (neighbourhood < min_neighbourhood)] = "too_few"
    return p, q, label


def period_bounds(day: date, period: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First instant of the period that holds the day, and the end of that day (local, naive): a period counts up to its day."""
    start = pd.Timestamp(day)
    end = start + pd.Timedelta(days=1)
    if period == "week":
        start -= pd.Timedelta(days=start.weekday())
    elif period == "month":
        start = start.replace(day=1)
    return start, end


def case_hotspots(
    cases: gpd.GeoDataFrame,
    *,
    day: date,
    time_zone: str,
    crs: pyproj.CRS,
    study_area: gpd.GeoSeries | None = None,
    settings: HotspotSettings | None = None,
    periods: tuple[str, ...] = PERIODS,
) -> gpd.GeoDataFrame:
    """Hotspots of the cases opened in the day, the week and the month up to the day, for all categories and for each large one.

    Args:
        cases: the `cases` contract, EPSG:4326; cases without a trustworthy place (`located` false) take no part.
        day: local day that every period ends with.
        time_zone: of the city.
        crs: metric CRS.
        study_area: the county's boundary; where absent, the lattice around the cases (then edges weigh in).
        settings: see HotspotSettings.
        periods: subset of day, week, month.

    Returns:
        The `hotspots` contract, EPSG:4326: every cell with a case, a density above zero or a class other than none.
    """
    settings = settings or HotspotSettings()
    usable = cases[cases["located"].astype(bool) & cases.geometry.notna()]
    empty = _empty()
    if usable.empty:
        return empty
    cells = make_cells(
        usable.geometry if study_area is None or study_area.empty else study_area, crs=crs, cell_m=settings.cell_m
    )
    points = usable.geometry.to_crs(crs)
    opened = usable["opened"].dt.tz_convert(time_zone).dt.tz_localize(None)
    frame = pd.DataFrame(
        {
            "x": points.x.to_numpy(),
            "y": points.y.to_numpy(),
            "opened": opened.to_numpy(),
            "category": usable["category"].to_numpy(),
        }
    )
    parts = [
        hotspot_table(group, cells, settings, period=period, starts=start, category=category)
        for period in periods
        for start, end in [period_bounds(day, period)]
        for category, group in _groups(frame[(frame["opened"] >= start) & (frame["opened"] < end)], settings)
    ]
    parts = [p for p in parts if len(p)]
    if not parts:
        return empty
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=crs).to_crs(4326)


def _groups(frame: pd.DataFrame, settings: HotspotSettings) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL_CATEGORIES, frame
    counts = frame["category"].value_counts()
    for category in sorted(counts[counts >= settings.min_category_cases].index):
        yield str(category), frame[frame["category"] == category]


def hotspot_table(
    group: pd.DataFrame, cells: Cells, settings: HotspotSettings, *, period: str, starts: pd.Timestamp, category: str
) -> gpd.GeoDataFrame:
    """Cells that say something of a group of cases (columns x, y, metres in the cells' CRS), with the columns of the `hotspots` table."""
    x, y = group["x"].to_numpy(float), group["y"].to_numpy(float)
    flat = cells.index(x, y)
    counts = np.bincount(flat[flat >= 0], minlength=cells.rows * cells.columns).astype(float)
    counts = counts.reshape(cells.rows, cells.columns)
    density = kernel_density_km2(x, y, cells, bandwidth_m=settings.bandwidth_m)
    tested = counts[cells.inside].sum() >= settings.min_cases
    if tested:
        z = gi_star(counts, cells)
        p, q, label = classify(z, _neighbourhood(counts), min_neighbourhood=settings.min_neighbourhood)
    else:
        z = p = q = np.full(counts.shape, np.nan)
        label = np.full(counts.shape, "too_few", dtype=object)
    told = (counts > 0) | (density > 0) | ((label != "none") & (label != "too_few"))
    keep = np.flatnonzero(told & cells.inside)
    return gpd.GeoDataFrame(
        {
            "period": period,
            "starts": starts.date(),
            "category": category,
            "cell_id": cells.ids(keep),
            "cases": counts.reshape(-1)[keep].astype(np.int64),
            "gi_z": z.reshape(-1)[keep],
            "p_value": p.reshape(-1)[keep],
            "q_value": q.reshape(-1)[keep],
            "hotspot": label.reshape(-1)[keep],
            "kde_km2": density.reshape(-1)[keep],
        },
        geometry=cells.boxes(keep).to_numpy(),
        crs=cells.crs,
    )


def _neighbourhood(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cases in each cell and its eight neighbours."""
    padded = np.pad(counts, 1)
    total: npt.NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum(axis=(2, 3))
    return total


def _empty() -> gpd.GeoDataFrame:
    columns = ["period", "starts", "category", "cell_id", "cases", "gi_z", "p_value", "q_value", "hotspot", "kde_km2"]
    frame = pd.DataFrame({c: pd.Series(dtype=object) for c in columns})
    numbers = dict.fromkeys(["gi_z", "p_value", "q_value", "kde_km2"], "float64")
    return gpd.GeoDataFrame(frame.astype({"cases": "int64", **numbers}), geometry=gpd.GeoSeries([], crs=4326), crs=4326)
