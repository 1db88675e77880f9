"""Policy class and rule of each segment: the source's class, lifted by overlays, limited by the scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from gis.network.names import normal_name, normal_names
from gis.network.ownership import inside_lengths
from gis.network.settings import NO_RULE, OVERLAY_CLASS, POLICY_CLASSES, NetworkSettings
from gis.network.topology import RANK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    import numpy.typing as npt

CLASS_OF_RANK = np.array(["", *sorted(RANK, key=RANK.__getitem__)], dtype=object)


def lifted_rank(
    segments: gpd.GeoDataFrame,
    lines: npt.NDArray[np.object_],
    areas: gpd.GeoDataFrame | None,
    shapes: npt.NDArray[np.object_],
    settings: NetworkSettings,
) -> npt.NDArray[np.int64]:
    """Rank (0 none … 3 main) of each segment after the overlays: the most demanding of the source's class and every overlay.

    A street overlay that bears the name of a road inside it applies to that road only; any other applies to all that lies in it.
    Source classes named by `overlay_excludes` are lifted by none.

    Args:
        segments: columns base_class, source_class, name.
        lines: object (S,), metric.
        areas: the areas table, or None.
        shapes: object (A,), metric geometry of the areas.
        settings: overlay_share, line_buffer_m, overlay_excludes.
    """
    rank = np.array(segments["base_class"].map(RANK).fillna(0), dtype=np.int64)
    if areas is None:
        return rank
    rows = np.flatnonzero(areas["kind"].isin(OVERLAY_CLASS).to_numpy())
    if len(rows) == 0:
        return rank
    thin = shapely.get_dimensions(shapes[rows]) < 2  # noqa: PLR2004 (points and lines)
    zones = np.where(thin, shapely.buffer(shapes[rows], settings.line_buffer_m), shapes[rows])
    line, zone, inside = inside_lengths(lines, zones)
    open_to = ~segments["source_class"].isin(settings.overlay_excludes).to_numpy()
    keep = (inside >= settings.overlay_share * shapely.length(lines)[line]) & open_to[line]
    line, zone = line[keep], zone[keep]
    own = normal_names(segments["name"].to_numpy(dtype=object))
    title = np.array([normal_name(n) for n in areas["name"].to_numpy(dtype=object)[rows]], dtype=object)
    street = areas["kind"].to_numpy(dtype=object)[rows].astype(str).astype("U16")
    is_street = np.char.startswith(street, "street_")
    same = (own[line] == title[zone]) & (title[zone] != "") & is_street[zone]
    named = np.zeros(len(rows), bool)
    named[zone[same]] = True
    apply = same | ~named[zone]
    asked = np.array([RANK[OVERLAY_CLASS[k]] for k in street.tolist()], np.int64)
    np.maximum.at(rank, line[apply], asked[zone[apply]])
    return rank


def in_scope(
    lines: npt.NDArray[np.object_],
    areas: gpd.GeoDataFrame | None,
    shapes: npt.NDArray[np.object_],
    settings: NetworkSettings,
) -> npt.NDArray[np.bool_]:
    """Whether enough of each segment lies in the union of the scope areas; all of them where no scope is given."""
    rows = np.flatnonzero((areas["kind"] == "scope").to_numpy()) if areas is not None else np.zeros(0, np.int64)
    if len(rows) == 0:
        return np.ones(len(lines), bool)
    union = np.array([shapely.union_all(shapes[rows])], dtype=object)
    line, _, inside = inside_lengths(lines, union)
    out = np.zeros(len(lines), bool)
    out[line] = (inside >= settings.scope_share * shapely.length(lines)[line]) & (inside > 0)
    return out


def rules(
    rank: npt.NDArray[np.int64], scope: npt.NDArray[np.bool_], rule_of_class: Mapping[str, str]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Policy class, rule and reason for no rule of each segment; the scope comes before the class."""
    bound = np.isin(CLASS_OF_RANK[rank].astype(str), sorted(set(POLICY_CLASSES) & set(rule_of_class)))
    ruled = bound & scope
    rule = np.array(["", *(rule_of_class.get(c, "") for c in CLASS_OF_RANK[1:])], dtype=object)
    reason = np.where(scope, "class", "out_of_scope").astype(object)
    return (
        np.where(ruled, CLASS_OF_RANK[rank], NO_RULE).astype(object),
        np.where(ruled, rule[rank], "").astype(object),
        np.where(ruled, "", reason).astype(object),
    )
