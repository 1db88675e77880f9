"""The arrays of a road graph from its segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import pyproj

from gis.network.model import RoadGraph

T = TypeVar("T", bound=np.generic)

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy.typing as npt

    from gis.network.measure import Vertices


def graph_of(segments: gpd.GeoDataFrame, vertices: Vertices, metric_crs: pyproj.CRS) -> RoadGraph:
    """Arrays of segments that are in their final order; nodes are numbered by first appearance (u before v)."""
    change = pyproj.Transformer.from_crs("EPSG:4326", metric_crs, always_xy=True)
    x, y = (np.asarray(a, np.float64) for a in change.transform(vertices.lon, vertices.lat))
    ends = np.column_stack([vertices.ptr[:-1], vertices.ptr[1:] - 1]).ravel()
    names = np.column_stack([segments["u"].to_numpy(dtype=object), segments["v"].to_numpy(dtype=object)]).ravel()
    code, node = pd.factorize(names)
    first = np.full(len(node), len(names), np.int64)
    np.minimum.at(first, code, np.arange(len(names)))
    return RoadGraph(
        crs=metric_crs,
        node_x=_locked(x[ends[first]]),
        node_y=_locked(y[ends[first]]),
        seg_u=_locked(code[0::2].astype(np.int32)),
        seg_v=_locked(code[1::2].astype(np.int32)),
        seg_oneway=_locked(segments["oneway"].to_numpy(dtype=np.int8)),
        seg_length_mm=_locked(vertices.length_mm),
        seg_tunnel=_locked(segments["tunnel"].to_numpy(dtype=bool)),
        vert_ptr=_locked(vertices.ptr),
        vert_x=_locked(x),
        vert_y=_locked(y),
        vert_mm=_locked(vertices.mm),
    )


def _locked(values: npt.NDArray[T]) -> npt.NDArray[T]:
    out = np.array(values, order="C")
    out.setflags(write=False)
    return out
