"""Every segment to its road and its responsible section: first what the roster names, then from cross street to cross street."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gis.network.chains import cut_chains, link_ends
from gis.network.classes import rules
from gis.network.names import normal_names
from gis.network.pairing import Partners, pair_pieces, partners
from gis.network.responsible import declare
from gis.network.roads import crossed, road_ids, road_of
from gis.network.sections import Assignment

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    import numpy.typing as npt

    from gis.network.model import RoadGraph
    from gis.network.settings import NetworkSettings


def assign_sections(
    graph: RoadGraph,
    lines: npt.NDArray[np.object_],
    segments: gpd.GeoDataFrame,
    rule_of_class: Mapping[str, str],
    responsibilities: pd.DataFrame | None,
    settings: NetworkSettings,
) -> Assignment:
    """Sections and measures; fills road_id, road_name, rank, policy_class, rule_id and no_rule_reason of `segments`.

    Args:
        graph: the graph.
        lines: object (S,), metric.
        segments: columns segment_id, name, source_class, level, rank, in_scope.
        rule_of_class: policy class -> rule id.
        responsibilities: the roster's table, or None.
        settings: distances and shares.
    """
    name = segments["name"].to_numpy(dtype=object)
    plain = normal_names(name)
    kind = np.where(plain == "", segments["source_class"].to_numpy(dtype=object), "").astype(object)
    identity = _codes(plain, kind)
    scope = segments["in_scope"].to_numpy(dtype=bool)
    level = segments["level"].to_numpy(dtype=np.int64)
    rank = segments["rank"].to_numpy(dtype=np.int64)
    pairable = np.where((plain != "") | (rank > 0), identity, -1)
    found = partners(lines, graph.seg_oneway, pairable, level, settings)
    _roads(graph, segments, identity, _codes(identity, rank, scope), plain != "", found, settings)
    declared = declare(graph, lines, name, scope, responsibilities, settings)
    segments["rank"] = _one_class(declared, rank, graph.seg_length_mm)
    rank = segments["rank"].to_numpy(dtype=np.int64)
    segments["policy_class"], segments["rule_id"], segments["no_rule_reason"] = rules(rank, scope, rule_of_class)
    key = np.where(declared.section >= 0, -1, _codes(identity, rank, scope))
    pieces = cut_chains(
        graph.seg_u,
        graph.seg_v,
        key,
        graph.seg_length_mm,
        crossed(graph, identity, rank > 0),
        min_mm=round(settings.min_section_m * 1000),
        max_mm=round(settings.max_section_m * 1000),
    )
    default = pair_pieces(graph, lines, pieces, _same_key(found, key, settings), settings)
    return _both(declared, default)


def _same_key(found: Partners, key: npt.NDArray[np.int64], settings: NetworkSettings) -> Partners:
    """The partners that may share a section: of the same key; none where each side is patrolled on its own."""
    other = found.beside
    keep = (other >= 0) & (key[other] == key[:, None]) & (key[:, None] >= 0)
    return Partners(np.where(keep & (not settings.each_side), other, -1))


def _codes(*columns: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """A number for each distinct row."""
    code = pd.factorize(columns[0])[0].astype(np.int64)
    for c in columns[1:]:
        more = pd.factorize(c)[0].astype(np.int64)
        code = pd.factorize(code * (int(more.max(initial=0)) + 1) + more)[0].astype(np.int64)
    return code


def _roads(
    graph: RoadGraph,
    segments: gpd.GeoDataFrame,
    identity: npt.NDArray[np.int64],
    key: npt.NDArray[np.int64],
    named: npt.NDArray[np.bool_],
    found: Partners,
    settings: NetworkSettings,
) -> None:
    """Fill road_id and road_name."""
    link = link_ends(graph.seg_u, graph.seg_v, key)
    end = np.flatnonzero(link >= 0)
    row, column = np.nonzero(found.beside >= 0)
    joined = np.r_[end // 2, row], np.r_[link[end] // 2, found.beside[row, column]]
    road = road_of(graph, identity, named, joined, gap_m=settings.road_gap_m)
    plain = normal_names(segments["name"].to_numpy(dtype=object))
    segments["road_id"] = road_ids(road, plain, segments["segment_id"].to_numpy(dtype=object))
    segments["road_name"] = segments["name"]


def _one_class(
    declared: Assignment, rank: npt.NDArray[np.int64], length_mm: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Ranks with every declared section brought to one class: that of its greatest length, the more demanding on a tie."""
    on = np.flatnonzero(declared.section >= 0)
    if len(on) == 0:
        return rank
    total = np.zeros((declared.count, int(rank.max()) + 1), np.int64)
    np.add.at(total, (declared.section[on], rank[on]), length_mm[on])
    best = total.shape[1] - 1 - np.argmax(total[:, ::-1], axis=1)
    out = rank.copy()
    out[on] = best[declared.section[on]]
    return out


def _both(declared: Assignment, default: Assignment) -> Assignment:
    """Declared sections first, then the default ones."""
    mine = declared.section >= 0
    return Assignment(
        section=np.where(mine, declared.section, default.section + declared.count),
        from_mm=np.where(mine, declared.from_mm, default.from_mm),
        to_mm=np.where(mine, declared.to_mm, default.to_mm),
        root=np.where(mine, declared.root, default.root),
        declared=declared.count,
        count=declared.count + default.count,
        ids=declared.ids,
        from_names=declared.from_names,
        to_names=declared.to_names,
    )
