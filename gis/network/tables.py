"""The network as its two stored tables, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyproj

from gis.errors import Fault, InputError
from gis.network.graph import graph_of
from gis.network.measure import geodesic_vertices
from gis.network.model import Network
from gis.network.topology import spatial_order

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy.typing as npt

SEGMENT_TEXT = (
    "segment_id",
    "section_id",
    "road_id",
    "road_name",
    "source_class",
    "policy_class",
    "rule_id",
    "no_rule_reason",
    "u",
    "v",
    "work_grid_id",
    "community_grid_id",
    "town_id",
)
SEGMENT_COLUMNS = (
    "segment_id",
    "section_id",
    "road_id",
    "road_name",
    "source_class",
    "policy_class",
    "rule_id",
    "no_rule_reason",
    "patrollable",
    "length_mm",
    "measure_from_mm",
    "measure_to_mm",
    "u",
    "v",
    "oneway",
    "bridge",
    "tunnel",
    "level",
    "work_grid_id",
    "community_grid_id",
    "town_id",
    "geometry",
)
SECTION_TEXT = (
    "section_id",
    "name",
    "road_id",
    "road_name",
    "from_name",
    "to_name",
    "policy_class",
    "rule_id",
    "no_rule_reason",
    "unit_id",
    "unit_source",
    "work_grid_id",
    "town_id",
    "zone",
)
SECTION_COLUMNS = (*SECTION_TEXT[:9], "length_mm", "declared", *SECTION_TEXT[9:], "geometry")


def stored_dtypes(frame: gpd.GeoDataFrame, text: tuple[str, ...], columns: tuple[str, ...]) -> gpd.GeoDataFrame:
    """The columns of a stored table in their order: text with missing values instead of empty, int64, bool."""
    out = frame.reset_index(drop=True)
    for c in columns:
        if c in text:
            values = pd.Series(out[c].to_numpy(dtype=object), dtype="str")
            out[c] = values.mask(values == "")
        elif c in {"patrollable", "bridge", "tunnel", "declared"}:
            out[c] = out[c].to_numpy(dtype=bool)
        elif c != "geometry":
            out[c] = out[c].to_numpy(dtype=np.int64)
    return out[list(columns)].set_geometry("geometry", crs="EPSG:4326")


def network_to_tables(network: Network) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """The `segments` and `sections` tables of a network (EPSG:4326), copies."""
    return network.segments.copy(), network.sections.copy()


def network_from_tables(
    segments: gpd.GeoDataFrame, sections: gpd.GeoDataFrame, *, metric_crs: pyproj.CRS | str
) -> Network:
    """The network of two stored tables, equal to the one they were made from, whatever the order of their rows.

    Ids, lengths, measures and topology are taken as stored; coordinates are projected anew.

    Raises:
        InputError: a column is missing, an id is repeated, a section is unknown, or a stored length does not fit its geometry.
    """
    crs = pyproj.CRS(metric_crs)
    _check(segments, sections)
    segments = stored_dtypes(segments, SEGMENT_TEXT, SEGMENT_COLUMNS)
    segments = segments.iloc[spatial_order(segments)].reset_index(drop=True)
    sections = stored_dtypes(sections, SECTION_TEXT, SECTION_COLUMNS)
    sections = sections.sort_values("section_id", kind="stable").reset_index(drop=True)
    vertices = geodesic_vertices(segments.geometry.to_numpy())
    wrong = vertices.length_mm != segments["length_mm"].to_numpy()
    if wrong.any():
        raise InputError(
            Fault("length", "长度与几何不符", "the length does not fit the geometry", file="segments", row=int(r) + 1)
            for r in np.flatnonzero(wrong)[:20]
        )
    row = pd.Index(sections["section_id"]).get_indexer(pd.Index(segments["section_id"]))
    return Network(
        graph=graph_of(segments, vertices, crs),
        segments=segments,
        sections=sections,
        seg_section=_int32(row),
        seg_measure_from_mm=_int32(segments["measure_from_mm"].to_numpy()),
        seg_measure_to_mm=_int32(segments["measure_to_mm"].to_numpy()),
    )


def _int32(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int32]:
    out = np.array(values, dtype=np.int32)
    out.setflags(write=False)
    return out


def _check(segments: gpd.GeoDataFrame, sections: gpd.GeoDataFrame) -> None:
    faults = [
        Fault("missing_column", f"缺少列 {c}", f"column {c} is missing", file=file, column=c)
        for file, table, wanted in (("segments", segments, SEGMENT_COLUMNS), ("sections", sections, SECTION_COLUMNS))
        for c in wanted
        if c not in table.columns
    ]
    if not faults:
        faults = [
            Fault("duplicate_code", "编号重复", "an id is repeated", file=file, column=key)
            for file, table, key in (("segments", segments, "segment_id"), ("sections", sections, "section_id"))
            if table[key].duplicated().any()
        ]
        if not segments["section_id"].isin(sections["section_id"]).all():
            faults.append(
                Fault(
                    "unknown_section",
                    "路段边所属的责任路段不在表中",
                    "a segment names a section that is not in the table",
                    file="segments",
                    column="section_id",
                )
            )
    if faults:
        raise InputError(faults)
