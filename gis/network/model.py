"""The road network as arrays: what matching, passes, coverage and the simulator all read.

A *segment* is one physical stretch of one carriageway between two nodes of the source's topology; the two
directed edges of a two-way street are one segment. Positions along a segment are whole millimetres from its
first vertex. A *section* (责任路段) is the subject of the road rules; each segment maps linearly onto an interval of its
section's *measure*, and paired carriageways map onto the same interval, so that a pass on either covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy as np
    import numpy.typing as npt
    import pyproj

FORWARD_ONLY = 1
BACKWARD_ONLY = -1
BOTH_WAYS = 0


@dataclass(frozen=True, slots=True, eq=False)
class RoadGraph:
    """Geometry and topology of S segments over N nodes, in a metric CRS. All arrays are C-contiguous and read-only.

    Attributes:
        crs: the metric CRS of every coordinate here (metres).
        node_x, node_y: float64 (N,), metres.
        seg_u, seg_v: int32 (S,), node at the first and at the last vertex.
        seg_oneway: int8 (S,), 0 both ways, 1 only from u to v, -1 only from v to u (binds vehicles, not walkers).
        seg_length_mm: int32 (S,), true length in whole millimetres (projection scale removed), at least 1.
        seg_tunnel: bool (S,), where satellite fixes are not expected.
        vert_ptr: int32 (S + 1,), vertices of segment s are vert_ptr[s]:vert_ptr[s + 1].
        vert_x, vert_y: float64 (V,), metres.
        vert_mm: int32 (V,), measure of each vertex along its segment, 0 … seg_length_mm.
    """

    crs: pyproj.CRS
    node_x: npt.NDArray[np.float64]
    node_y: npt.NDArray[np.float64]
    seg_u: npt.NDArray[np.int32]
    seg_v: npt.NDArray[np.int32]
    seg_oneway: npt.NDArray[np.int8]
    seg_length_mm: npt.NDArray[np.int32]
    seg_tunnel: npt.NDArray[np.bool_]
    vert_ptr: npt.NDArray[np.int32]
    vert_x: npt.NDArray[np.float64]
    vert_y: npt.NDArray[np.float64]
    vert_mm: npt.NDArray[np.int32]

    @property
    def segment_count(self) -> int:
        """Number of segments S."""
        return len(self.seg_u)

    @property
    def node_count(self) -> int:
        """Number of nodes N."""
        return len(self.node_x)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A road graph with what the policy needs to know of it.

    Attributes:
        graph: the arrays.
        segments: GeoDataFrame of S rows in the order of the arrays (RangeIndex), the `segments` table contract.
        sections: GeoDataFrame of K rows (RangeIndex), the `sections` table contract.
        seg_section: int32 (S,), row of the section in `sections`.
        seg_measure_from_mm, seg_measure_to_mm: int32 (S,), where the segment's first and last vertex fall on its section's
            measure; from > to where the segment runs against the section.
        notes: one row per thing that the reader of an audit must know (code, count, zh, en).
    """

    graph: RoadGraph
    segments: gpd.GeoDataFrame
    sections: gpd.GeoDataFrame
    seg_section: npt.NDArray[np.int32]
    seg_measure_from_mm: npt.NDArray[np.int32]
    seg_measure_to_mm: npt.NDArray[np.int32]
    notes: tuple[dict[str, object], ...] = ()
