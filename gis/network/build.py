"""`build_network`: from a city's road edges to segments, responsible sections and the graph that matching runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from gis.network.assign import assign_sections
from gis.network.classes import in_scope, lifted_rank
from gis.network.graph import graph_of
from gis.network.measure import to_metric
from gis.network.model import Network
from gis.network.notes import network_notes
from gis.network.ownership import owners
from gis.network.sections import section_frame
from gis.network.settings import NetworkSettings
from gis.network.tables import SECTION_COLUMNS, SECTION_TEXT, SEGMENT_COLUMNS, SEGMENT_TEXT, stored_dtypes
from gis.network.topology import segment_topology
from gis.network.validate import check_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    import numpy.typing as npt
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class _Owners:
    """Per segment (S,) the codes of what it lies in, empty text for none."""

    work_grid: npt.NDArray[np.object_]
    community_grid: npt.NDArray[np.object_]
    town: npt.NDArray[np.object_]
    unit: npt.NDArray[np.object_]
    zone: npt.NDArray[np.object_]
    ties: int


def build_network(
    road_edges: gpd.GeoDataFrame,
    *,
    metric_crs: pyproj.CRS | str,
    rule_of_class: Mapping[str, str],
    areas: gpd.GeoDataFrame | None = None,
    work_grids: gpd.GeoDataFrame | None = None,
    community_grids: gpd.GeoDataFrame | None = None,
    responsibilities: pd.DataFrame | None = None,
    settings: NetworkSettings | None = None,
) -> Network:
    """Build the network of a city.

    The source's topology is kept; a source without any node ids is noded at shared end points and true crossings, never across bridge,
    tunnel or level. A segment belongs to the grid and town with the greatest length of it; on a boundary (within the tolerance of the
    settings) to the one with the smaller code, so that it is counted once. `docs/network.md` states every definition and precedence.

    Args:
        road_edges: the `road_edges` contract, EPSG:4326; policy_class is main, secondary, branch, none or missing.
        metric_crs: projected CRS of the place in metres, such as EPSG:4550.
        rule_of_class: policy class -> id of the road rule that binds it.
        areas: the `areas` contract, EPSG:4326; kinds scope, town, central, fringe and the overlays are read.
        work_grids: the `work_grids` contract, EPSG:4326.
        community_grids: the `community_grids` contract, EPSG:4326.
        responsibilities: the `responsibilities` contract; rows of target_kind section declare sections.
        settings: distances and shares.

    Raises:
        InputError: every fault of every table at once.
    """
    crs = pyproj.CRS(metric_crs)
    options = settings or NetworkSettings()
    check_inputs(
        road_edges,
        metric_crs=crs,
        rule_of_class=rule_of_class,
        areas=areas,
        work_grids=work_grids,
        community_grids=community_grids,
        responsibilities=responsibilities,
    )
    topology = segment_topology(road_edges)
    segments, graph = topology.segments, graph_of(topology.segments, topology.vertices, crs)
    lines = to_metric(segments.geometry.to_numpy(), crs)
    shapes = to_metric(areas.geometry.to_numpy(), crs) if areas is not None else np.zeros(0, dtype=object)
    segments["rank"] = lifted_rank(segments, lines, areas, shapes, options)
    segments["in_scope"] = in_scope(lines, areas, shapes, options)
    given = assign_sections(graph, lines, segments, rule_of_class, responsibilities, options)
    segments["patrollable"] = _patrollable(segments, options)
    held = _owners(lines, areas, shapes, work_grids, community_grids, crs, options)
    segments["work_grid_id"], segments["community_grid_id"] = held.work_grid, held.community_grid
    segments["town_id"] = held.town
    lookup = {"unit_id": held.unit, "work_grid_id": held.work_grid, "town_id": held.town, "zone": held.zone}
    sections, row = section_frame(graph, topology.vertices, segments, given, lookup)
    section = row[given.section]
    segments = segments.assign(
        section_id=sections["section_id"].to_numpy(dtype=object)[section],
        length_mm=graph.seg_length_mm,
        measure_from_mm=given.from_mm,
        measure_to_mm=given.to_mm,
    )
    return Network(
        graph=graph,
        segments=stored_dtypes(segments, SEGMENT_TEXT, SEGMENT_COLUMNS),
        sections=stored_dtypes(sections, SECTION_TEXT, SECTION_COLUMNS),
        seg_section=_int32(section),
        seg_measure_from_mm=_int32(given.from_mm),
        seg_measure_to_mm=_int32(given.to_mm),
        notes=network_notes(topology.counts, segments, given, ties=held.ties),
    )


def _int32(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    out = values.astype(np.int32)
    out.setflags(write=False)
    return out


def _patrollable(segments: gpd.GeoDataFrame, settings: NetworkSettings) -> npt.NDArray[np.bool_]:
    """Whether a segment's length counts for the rounds of its work grid."""
    classless = segments["no_rule_reason"] == "class"
    return np.asarray(
        segments["policy_class"].isin(settings.patrollable) | (classless & ("none" in settings.patrollable))
    )


def _owners(
    lines: npt.NDArray[np.object_],
    areas: gpd.GeoDataFrame | None,
    shapes: npt.NDArray[np.object_],
    work_grids: gpd.GeoDataFrame | None,
    community_grids: gpd.GeoDataFrame | None,
    crs: pyproj.CRS,
    settings: NetworkSettings,
) -> _Owners:
    """Grids, town, squad and zone of each segment."""
    tolerance = settings.boundary_tolerance_m
    empty = np.full(len(lines), "", dtype=object)
    ties = 0

    def owner(table: pd.DataFrame | None, polygons: npt.NDArray[np.object_], code: str) -> npt.NDArray[np.int64]:
        nonlocal ties
        if table is None or len(table) == 0:
            return np.full(len(lines), -1, np.int64)
        out, shared = owners(lines, polygons, table[code].to_numpy(dtype=object), tolerance_m=tolerance)
        ties += shared
        return out

    def kinds(*names: str) -> tuple[gpd.GeoDataFrame | None, npt.NDArray[np.int64]]:
        if areas is None:
            return None, np.full(len(lines), -1, np.int64)
        mask = areas["kind"].isin(names).to_numpy()
        return areas[mask], owner(areas[mask], shapes[mask], "area_id")

    def pick(table: pd.DataFrame | None, row: npt.NDArray[np.int64], column: str) -> npt.NDArray[np.object_]:
        if table is None or len(table) == 0 or column not in table.columns:
            return empty
        text = np.append(table[column].fillna("").astype(str).to_numpy(dtype=object), "")
        return text[row]

    def project(table: gpd.GeoDataFrame | None) -> npt.NDArray[np.object_]:
        return to_metric(table.geometry.to_numpy(), crs) if table is not None else np.zeros(0, dtype=object)

    work = owner(work_grids, project(work_grids), "grid_id")
    community = owner(community_grids, project(community_grids), "grid_id")
    town_areas, town = kinds("town")
    zone_areas, zone = kinds("central", "fringe")
    return _Owners(
        work_grid=pick(work_grids, work, "grid_id"),
        community_grid=pick(community_grids, community, "grid_id"),
        town=_coalesce(
            pick(town_areas, town, "area_id"),
            pick(work_grids, work, "town_id"),
            pick(community_grids, community, "town_id"),
        ),
        unit=pick(work_grids, work, "unit_id"),
        zone=_coalesce(pick(work_grids, work, "level"), pick(zone_areas, zone, "kind")),
        ties=ties,
    )


def _coalesce(*columns: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """The first text that is not empty, place by place."""
    out = columns[0]
    for c in columns[1:]:
        out = np.where(out == "", c, out).astype(object)
    return out
