"""What was done to the source, in words and counts that the reader of an audit can check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import geopandas as gpd

    from gis.network.sections import Assignment

_TEXT = {
    "multiline": ("多部分线，已合并或拆分", "multi-part lines joined or taken apart"),
    "cuts": (
        "原始数据没有节点：在同层相交处打断的次数",
        "cuts at crossings on the same level (the source has no nodes)",
    ),
    "zero_length": ("长度为零的边，已收缩", "edges of zero length, contracted"),
    "contracted_nodes": ("因收缩而合并的节点", "nodes that contraction made one with another"),
    "repeated": ("起点、终点、几何均相同的重复边", "edges that repeat another one (nodes and geometry)"),
    "reversed": ("往返成对的边，合并为一条双向路段边", "reverse pairs merged into one two-way segment"),
    "loops": ("起点与终点相同的路段边，保留", "segments that begin and end at one node, kept"),
    "segments": ("路段边", "segments"),
    "sections": ("责任路段", "responsible sections"),
    "declared": ("名册所列的责任路段", "sections named by the roster"),
    "paired_segments": ("与对向车行道共用里程的路段边", "segments that share the measure of the opposite carriageway"),
    "paired_m": ("与对向车行道共用里程的长度（米）", "metres that share the measure of the opposite carriageway"),
    "out_of_scope_m": ("范围之外的长度（米）：显示，不计入分母", "metres out of scope: shown, in no denominator"),
    "no_class_m": (
        "没有规则的等级的长度（米）：显示，不计入分母",
        "metres of a class without a rule: shown, in no denominator",
    ),
    "boundary": (
        "边界上的路段边，归编号较小的网格或镇街",
        "segments on a boundary, given to the grid or town with the smaller code",
    ),
}


def network_notes(
    counts: dict[str, int], segments: gpd.GeoDataFrame, given: Assignment, *, ties: int
) -> tuple[dict[str, object], ...]:
    """One row per fact: code, count, zh, en; facts that do not occur are left out."""
    length = segments["length_mm"].to_numpy(dtype=np.int64)
    reason = segments["no_rule_reason"].to_numpy(dtype=object)
    facts = {
        **counts,
        "sections": given.count,
        "declared": given.declared,
        "paired_segments": int((~given.root).sum()),
        "paired_m": int(length[~given.root].sum()) // 1000,
        "out_of_scope_m": int(length[reason == "out_of_scope"].sum()) // 1000,
        "no_class_m": int(length[reason == "class"].sum()) // 1000,
        "boundary": ties,
    }
    return tuple({"code": c, "count": facts[c], "zh": zh, "en": en} for c, (zh, en) in _TEXT.items() if facts.get(c))
