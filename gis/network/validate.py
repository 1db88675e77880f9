"""What `build_network` asks of its inputs; every fault is gathered, then raised once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely

from gis.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    import numpy.typing as npt
    import pandas as pd

EDGE_COLUMNS = ("edge_id", "u", "v", "source_class", "policy_class", "name", "oneway", "bridge", "tunnel", "level")
GRID_COLUMNS = ("grid_id", "town_id")
AREA_COLUMNS = ("area_id", "kind", "name")
TEXT_COLUMNS = ("target_kind", "target_id", "road_name", "from_name", "to_name")
_CLASSES = {"main", "secondary", "branch", "none", "no_rule"}
_LINE, _LINES = 1, 5
_SHOWN = 20


def check_inputs(
    road_edges: gpd.GeoDataFrame,
    *,
    metric_crs: pyproj.CRS,
    rule_of_class: Mapping[str, str],
    areas: gpd.GeoDataFrame | None,
    work_grids: gpd.GeoDataFrame | None,
    community_grids: gpd.GeoDataFrame | None,
    responsibilities: pd.DataFrame | None,
) -> None:
    """Check every table and option.

    Raises:
        InputError: all faults at once, each with table, row and column.
    """
    faults = [
        *_metric(metric_crs),
        *_columns(road_edges, "road_edges", EDGE_COLUMNS),
        *_place(road_edges, "road_edges"),
    ]
    if not faults:
        faults += _edges(road_edges)
    faults += [
        Fault("rule_of_class", f"规则对应表中有未知等级 {c}", f"unknown class {c} in rule_of_class")
        for c in sorted(set(rule_of_class) - {"main", "secondary", "branch"})
    ]
    for name, table in (("work_grids", work_grids), ("community_grids", community_grids)):
        if table is not None:
            wrong = [*_columns(table, name, GRID_COLUMNS), *_place(table, name)]
            faults += wrong or _distinct(table, name, "grid_id")
    if areas is not None:
        faults += [*_columns(areas, "areas", AREA_COLUMNS), *_place(areas, "areas")]
    if responsibilities is not None:
        faults += _columns(responsibilities, "responsibilities", TEXT_COLUMNS)
    if faults:
        raise InputError(faults)


def _metric(crs: pyproj.CRS) -> list[Fault]:
    metres = crs.is_projected and all(a.unit_conversion_factor == 1 for a in crs.axis_info[:2])
    if metres:
        return []
    return [
        Fault(
            "metric_crs",
            f"{crs.name} 不是以米为单位的投影坐标系",
            f"{crs.name} is not a projected CRS in metres",
            "在城市文件中写明当地的投影坐标系，如 EPSG:4550",
            "name the projected CRS of the place in the city file, such as EPSG:4550",
        )
    ]


def _columns(table: pd.DataFrame, file: str, wanted: tuple[str, ...]) -> list[Fault]:
    return [
        Fault("missing_column", f"缺少列 {c}", f"column {c} is missing", file=file, column=c)
        for c in wanted
        if c not in table.columns
    ]


def _place(table: gpd.GeoDataFrame, file: str) -> list[Fault]:
    if "geometry" not in table.columns:
        return [Fault("missing_column", "缺少几何列", "the geometry column is missing", file=file, column="geometry")]
    if table.crs is None or pyproj.CRS(table.crs).to_epsg() != 4326:  # noqa: PLR2004 (the one CRS of stored tables)
        return [
            Fault(
                "crs",
                f"坐标系应为 EPSG:4326，实为 {table.crs}",
                f"the CRS must be EPSG:4326, it is {table.crs}",
                "先把数据转换到 EPSG:4326",
                "transform the data to EPSG:4326 first",
                file=file,
                column="geometry",
            )
        ]
    return _rows(
        shapely.is_missing(table.geometry.to_numpy()) | shapely.is_empty(table.geometry.to_numpy()),
        Fault("empty_geometry", "几何为空", "the geometry is empty", file=file, column="geometry"),
    )


def _rows(bad: npt.ArrayLike, fault: Fault) -> list[Fault]:
    """The fault at each bad row, the first ones by row and the rest as a count."""
    rows = np.flatnonzero(np.asarray(bad))
    out = [
        Fault(
            fault.code, fault.zh, fault.en, fault.fix_zh, fault.fix_en, fault.file, row=int(r) + 1, column=fault.column
        )
        for r in rows[:_SHOWN]
    ]
    if len(rows) > _SHOWN:
        more = len(rows) - _SHOWN
        out.append(
            Fault(
                fault.code,
                f"{fault.zh}（另有 {more} 行）",
                f"{fault.en} ({more} more rows)",
                file=fault.file,
                column=fault.column,
            )
        )
    return out


def _distinct(table: pd.DataFrame, file: str, column: str) -> list[Fault]:
    fault = Fault(
        "duplicate_code",
        "编号重复或缺失",
        "the code is repeated or missing",
        "每个网格一个编号",
        "give each grid a code of its own",
        file=file,
        column=column,
    )
    return _rows(table[column].duplicated().to_numpy() | table[column].isna().to_numpy(), fault)


def _edges(edges: gpd.GeoDataFrame) -> list[Fault]:
    lines = edges.geometry.to_numpy()
    file = "road_edges"
    if len(edges) == 0:
        return [Fault("empty_table", "道路表没有任何行", "the road table has no rows", file=file)]
    xy = shapely.get_coordinates(lines)
    faults = _rows(
        ~np.isin(shapely.get_type_id(lines), (_LINE, _LINES)),
        Fault("geometry_type", "几何不是线", "the geometry is not a line", file=file, column="geometry"),
    )
    if not np.isfinite(xy).all() or (np.abs(xy) > (180, 90)).any():
        faults.append(
            Fault(
                "coordinates",
                "坐标超出经纬度范围",
                "coordinates are no longitude and latitude",
                "检查坐标系与经纬度次序",
                "check the CRS and the order of longitude and latitude",
                file=file,
                column="geometry",
            )
        )
    missing = edges[["u", "v"]].isna().to_numpy()
    if missing.any() and not missing.all():
        faults += _rows(
            missing.any(axis=1),
            Fault(
                "node",
                "起点或终点编号缺失，而其他行有",
                "the node is missing here and present in other rows",
                "补全 u、v，或全部留空",
                "fill in every u and v, or none",
                file=file,
                column="u",
            ),
        )
    known = edges["policy_class"].isna() | edges["policy_class"].isin(_CLASSES)
    faults += _rows(
        ~known.to_numpy(),
        Fault("policy_class", "未知的政策等级", "unknown policy class", file=file, column="policy_class"),
    )
    faults += _rows(
        ~edges["oneway"].isin((-1, 0, 1)).to_numpy(),
        Fault("oneway", "单行只能是 -1、0、1", "oneway must be -1, 0 or 1", file=file, column="oneway"),
    )
    return faults
