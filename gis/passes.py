"""Passes as lines: the route of every track, cut where it changes from seen to inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from gis.model import Passes
    from gis.network.model import RoadGraph

_JOINED_M = 0.01


def pass_points(
    passes: Passes, graph: RoadGraph
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Points of every pass in the direction of travel: its two ends and the vertices of the segment between them.

    Returns:
        x, y (metres, CRS of the graph) and the first point of each pass (one more at the end).
    """
    low, high = np.minimum(passes.from_mm, passes.to_mm), np.maximum(passes.from_mm, passes.to_mm)
    lift = np.concatenate([[0], np.cumsum(graph.seg_length_mm.astype(np.int64) + 1)])
    owner = np.repeat(np.arange(graph.segment_count), np.diff(graph.vert_ptr))
    place = graph.vert_mm + lift[owner]  # measures of all vertices, ascending over the whole graph
    seg = passes.segment_ix
    inner_from = np.searchsorted(place, low + lift[seg], "right")
    inner_to = np.searchsorted(place, high + lift[seg], "left")
    inner = np.maximum(inner_to - inner_from, 0)
    ptr = np.concatenate([[0], np.cumsum(inner + 2)])
    of = np.repeat(np.arange(len(seg)), inner + 2)
    nth = np.arange(ptr[-1]) - ptr[of]
    ahead = passes.to_mm >= passes.from_mm
    nth_low = np.where(ahead[of], nth, inner[of] + 1 - nth)
    is_end = (nth_low == 0) | (nth_low == inner[of] + 1)
    vertex = np.clip(inner_from[of] + nth_low - 1, 0, max(len(place) - 1, 0))
    mm = np.where(nth_low == 0, low[of], high[of])
    x_end, y_end = _along(graph, seg[of], mm, place, lift)
    x = np.where(is_end, x_end, graph.vert_x[vertex])
    y = np.where(is_end, y_end, graph.vert_y[vertex])
    return x, y, ptr


def _along(
    graph: RoadGraph,
    seg: npt.NDArray[np.int32],
    mm: npt.NDArray[np.int32],
    place: npt.NDArray[np.int64],
    lift: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coordinates of places along segments."""
    after = np.searchsorted(place, mm + lift[seg], "left")
    after = np.clip(after, graph.vert_ptr[seg] + 1, graph.vert_ptr[seg + 1] - 1)
    span = np.maximum(graph.vert_mm[after] - graph.vert_mm[after - 1], 1)
    share = (mm - graph.vert_mm[after - 1]) / span
    x = graph.vert_x[after - 1] + share * (graph.vert_x[after] - graph.vert_x[after - 1])
    y = graph.vert_y[after - 1] + share * (graph.vert_y[after] - graph.vert_y[after - 1])
    return x, y


def routes(passes: Passes, graph: RoadGraph, *, segment_ids: Sequence[str] | None = None) -> gpd.GeoDataFrame:
    """The routes of all tracks in order of device and time, one row for each stretch that is seen or inferred throughout.

    Args:
        passes: passes of any number of tracks.
        graph: the graph they refer to.
        segment_ids: names of the segments for `edges`; their numbers where None.

    Returns:
        GeoDataFrame in the CRS of the graph: track (device id), leg (track number), state (seen, inferred), edges (ids in order of
        travel, separated by blanks), length_m, confidence (mean by length), enter, leave (UTC), geometry (LineString).
    """
    columns = ["track", "leg", "state", "edges", "length_m", "confidence", "enter", "leave"]
    if not len(passes.segment_ix):
        return gpd.GeoDataFrame({c: [] for c in columns}, geometry=[], crs=graph.crs)
    order = np.lexsort((np.arange(len(passes.track_ix)), passes.track_ix))
    if not np.array_equal(order, np.arange(len(order))):
        passes = _taken(passes, order)
    x, y, ptr = pass_points(passes, graph)
    first, last = ptr[:-1], ptr[1:] - 1
    apart = np.hypot(x[first[1:]] - x[last[:-1]], y[first[1:]] - y[last[:-1]]) > _JOINED_M
    fresh = np.r_[True, apart | (np.diff(passes.track_ix) != 0) | (passes.seen[1:] != passes.seen[:-1])]
    row = np.cumsum(fresh) - 1
    of = np.repeat(np.arange(len(row)), np.diff(ptr))
    keep = np.ones(len(x), bool)
    keep[first[~fresh]] = False  # where a pass goes on from the one before
    geometry = shapely.linestrings(np.column_stack([x, y])[keep], indices=row[of][keep])
    head = np.flatnonzero(fresh)
    tail = np.r_[head[1:], len(row)] - 1
    length = np.abs(passes.to_mm.astype(np.int64) - passes.from_mm) / 1000
    names = np.asarray([str(i) for i in passes.segment_ix] if segment_ids is None else segment_ids, object)
    if segment_ids is not None:
        names = names[passes.segment_ix]
    same = np.r_[False, (passes.segment_ix[1:] == passes.segment_ix[:-1]) & ~fresh[1:]]
    edges = pd.Series(names[~same]).groupby(row[~same]).agg(" ".join)
    total = np.bincount(row, length)
    return gpd.GeoDataFrame(
        {
            "track": np.asarray(passes.devices, object)[passes.device_ix[head]],
            "leg": passes.track_ix[head],
            "state": np.where(passes.seen[head], "seen", "inferred"),
            "edges": edges.to_numpy(),
            "length_m": np.round(total, 3),
            "confidence": np.round(np.bincount(row, length * passes.confidence) / np.maximum(total, 1e-9), 3),
            "enter": pd.to_datetime(passes.enter_ms[head], unit="ms", utc=True),
            "leave": pd.to_datetime(passes.leave_ms[tail], unit="ms", utc=True),
        },
        geometry=geometry,
        crs=graph.crs,
    )


def _taken(passes: Passes, order: npt.NDArray[np.int64]) -> Passes:
    """The passes in another order."""
    rows = {name: getattr(passes, name)[order] for name in type(passes).__slots__ if name not in {"devices", "mode"}}
    return type(passes)(**rows, devices=passes.devices, mode=passes.mode)
