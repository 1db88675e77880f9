"""Road frequency by groups of sections: a window needs nothing beyond its own section, so groups are judged apart and joined.

Paired carriageways lie in one section, and so in one group. What does depend on other sections is worked out before passes are divided:
the pace of a device over the minute about each pass (`gis.strokes`), the quality of its data over the day (`gis.calibration`), and
what streets run beside a section (`gis.parallel_streets`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gis.coverage import Strokes
from gis.evidence import Evidence
from gis.frequency import RoadFrequency, road_frequency
from gis.model import Passes
from gis.network.model import Network, RoadGraph
from gis.parallel_streets import parallel_shares
from gis.strokes import network_cells, primary_segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import numpy.typing as npt

    from gis.calibration import Quality
    from gis.crew import Crew
    from gis.standard import Standard

    I8 = npt.NDArray[np.int64]

_OF_SEGMENTS = ("seg_u", "seg_v", "seg_oneway", "seg_length_mm", "seg_tunnel")


@dataclass(frozen=True, slots=True, eq=False)
class RoadPart:
    """A group of sections with all that was passed on them.

    Attributes:
        network: these sections and their segments alone.
        segments: int64, rows of its segments in the whole network.
        passes: those on its segments; devices as in the whole day.
        strokes: of these passes.
        beside: `parallel_shares` of its sections in the whole network.
    """

    network: Network
    segments: I8
    passes: Passes
    strokes: Strokes
    beside: npt.NDArray[np.float64]


def road_parts(network: Network, passes: Passes, strokes: Strokes, parts: int) -> list[RoadPart]:
    """The sections in at most `parts` runs of about as many segments and passes each.

    Args:
        network: the whole one.
        passes: of the day.
        strokes: of these passes.
        parts: at least 1.
    """
    size = len(network.sections)
    weight = np.cumsum(np.bincount(network.seg_section, minlength=size) + np.bincount(strokes.section, minlength=size))
    shares = weight[-1] * np.arange(1, parts) // parts if size else np.zeros(0, dtype=np.int64)
    cuts = np.unique(np.concatenate(([0], np.searchsorted(weight, shares), [size])))
    beside = parallel_shares(network)
    return [
        _part(network, passes, strokes, beside, a, b)
        for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
    ]


def _part(
    network: Network, passes: Passes, strokes: Strokes, beside: npt.NDArray[np.float64], first: int, last: int
) -> RoadPart:
    segments = np.flatnonzero((network.seg_section >= first) & (network.seg_section < last))
    place = np.full(len(network.segments), -1, dtype=np.int32)
    place[segments] = np.arange(len(segments), dtype=np.int32)
    rows = np.flatnonzero((strokes.section >= first) & (strokes.section < last))
    kept: dict[str, Any] = {
        f.name: getattr(passes, f.name)[rows] for f in fields(Passes) if f.name not in {"devices", "mode"}
    }
    kept["segment_ix"] = place[kept["segment_ix"]]
    columns = {f.name: getattr(strokes, f.name)[rows] for f in fields(Strokes)}
    columns["section"] = (columns["section"] - first).astype(np.int32)
    part = Network(
        graph=_graph(network.graph, segments),
        segments=network.segments.iloc[segments].reset_index(drop=True),
        sections=network.sections.iloc[first:last].reset_index(drop=True),
        seg_section=(network.seg_section[segments] - first).astype(np.int32),
        seg_measure_from_mm=network.seg_measure_from_mm[segments],
        seg_measure_to_mm=network.seg_measure_to_mm[segments],
    )
    kept_passes = Passes(**kept, devices=passes.devices, mode=passes.mode)
    return RoadPart(part, segments, kept_passes, Strokes(**columns), beside[first:last])


def _graph(graph: RoadGraph, segments: I8) -> RoadGraph:
    """Some segments of a graph, with the nodes at their ends."""
    columns = {n: getattr(graph, n)[segments] for n in _OF_SEGMENTS}
    nodes, ends = np.unique(np.concatenate([columns["seg_u"], columns["seg_v"]]), return_inverse=True)
    columns["seg_u"], columns["seg_v"] = np.split(ends.astype(np.int32), 2)
    count = np.diff(graph.vert_ptr)[segments]
    ptr = np.concatenate(([0], np.cumsum(count))).astype(np.int32)
    vertex = np.repeat(graph.vert_ptr[segments] - ptr[:-1], count) + np.arange(ptr[-1])
    return RoadGraph(
        crs=graph.crs, node_x=graph.node_x[nodes], node_y=graph.node_y[nodes], vert_ptr=ptr,
        vert_x=graph.vert_x[vertex], vert_y=graph.vert_y[vertex], vert_mm=graph.vert_mm[vertex], **columns,
    )  # fmt: skip


def judge_part(
    part: RoadPart,
    *,
    crew: Crew,
    standard: Standard,
    day: date,
    zone: ZoneInfo,
    exceptions: pd.DataFrame,
    areas: gpd.GeoDataFrame | None,
    quality: Quality,
) -> RoadFrequency:
    """Road frequency of one group; arguments as those of `road_frequency`, with the quality of the whole day's data."""
    network = part.network
    evidence = Evidence(part.strokes, network_cells(network, standard), primary_segments(network))
    return road_frequency(
        network, part.passes, crew, standard, day, zone, exceptions=exceptions, areas=areas, evidence=evidence,
        quality=quality, beside=part.beside,
    )  # fmt: skip


def join_parts(parts: Sequence[RoadPart], judged: Sequence[RoadFrequency]) -> RoadFrequency:
    """What the groups gave, as if they had been judged at once: sections and segments in the order of the whole network."""
    order = np.argsort(np.concatenate([p.segments for p in parts]))
    frames = {f.name: _joined([getattr(j, f.name) for j in judged]) for f in fields(RoadFrequency)}
    frames["segment_days"] = frames["segment_days"].iloc[order].reset_index(drop=True)
    return RoadFrequency(**frames)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
