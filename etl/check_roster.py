"""Which responsibilities match nothing, told before anything is stored: the roster is resolved on the network of the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pyproj

from etl.inputs import network_settings
from gis.crs import metric_crs_of
from gis.errors import XunchaError
from gis.network import build_network, resolve_responsibilities
from gis.network.unresolved import unresolved_rows

if TYPE_CHECKING:
    from etl.holdings import Holdings
    from gis.errors import Lang
    from gis.standard import Standard
    from layers.city import City

SHOWN = 50


def unresolved_of(city: City, holdings: Holdings, standard: Standard) -> pd.DataFrame:
    """Responsibilities that match no section, grid or person (contract `unresolved`); sections only where there are roads."""
    rows, edges = holdings.table("responsibilities"), holdings.table("road_edges")
    if not len(rows):
        return unresolved_rows(rows)
    sections = rows["target_kind"] == "section"
    if not sections.any() or not len(edges):
        return unresolved_rows(rows[~sections])
    roads = gpd.GeoDataFrame(edges)
    west, south, east, north = roads.total_bounds
    crs = pyproj.CRS(city.metric_crs) if city.metric_crs else metric_crs_of((west + east) / 2, (south + north) / 2)
    options = network_settings(city, standard)
    areas = holdings.table("areas")
    try:
        network = build_network(
            roads,
            metric_crs=crs,
            rule_of_class=standard.rule_of_class(),
            areas=gpd.GeoDataFrame(areas) if len(areas) else None,
            responsibilities=rows,
            settings=options,
        )
    except XunchaError:  # the roads make no network: `check` says so elsewhere
        return unresolved_rows(rows[~sections])
    return unresolved_rows(resolve_responsibilities(rows, network, settings=options))


def unresolved_lines(rows: pd.DataFrame, lang: Lang) -> list[str]:
    """The list as lines of a report: file, row, text, reason, what to write."""
    if not len(rows):
        return []
    n = len(rows)
    head = (f"责任分工待改 {n} 条", f"Responsibilities to be rewritten: {n}")[lang != "zh"]
    lines = [head]
    for r in rows.head(SHOWN).to_dict("records"):
        row = (
            ""
            if pd.isna(r["source_row"])
            else (f" 第 {int(r['source_row'])} 行", f" row {int(r['source_row'])}")[lang != "zh"]
        )
        file = "" if pd.isna(r["source_name"]) else r["source_name"]
        colon = ("：", ": ")[lang != "zh"]
        lines.append(f"  · {file}{row}「{r['source_text']}」{colon}{r[f'reason_{lang}']} → {r[f'write_{lang}']}")
    if n > SHOWN:
        lines.append((f"  · 另有 {n - SHOWN} 条，见导出", f"  · {n - SHOWN} more: see the exports")[lang != "zh"])
    return lines
