"""A table with its map as one HTML file that needs no network: rows below, places above, a click on a row leads to its place."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import folium
import geopandas as gpd
import shapely

from dashboards.cells import cell
from dashboards.exports.html_map import DIGITS, draw_layer, furnish, legend_section, save
from dashboards.views import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dashboards.exports.shown import Shown
    from dashboards.views import View
    from layers.symbology import Layer

MOST_ROWS = 5000  # a browser draws and scrolls these at ease; beyond them the page says so
_STYLE = """
<style>
 html, body { height: 100%; margin: 0; } body { display: grid; grid-template-rows: minmax(320px, 58vh) minmax(0, 1fr); }
 body > .folium-map { position: relative !important; width: 100% !important; height: 100% !important; grid-row: 1; }
 .x-legend { bottom: calc(42vh + 22px); }
 .x-table { grid-row: 2; overflow: auto; border-top: 2px solid #12304a; background: #fff; }
 .x-table p { margin: 6px 12px; font-size: 13px; color: #44515e; }
 .x-table table { border-collapse: collapse; font-size: 12.5px; width: 100%; }
 .x-table th { position: sticky; top: 0; background: #12304a; color: #fff; text-align: left; padding: 5px 8px; }
 .x-table td { padding: 4px 8px; border-bottom: 1px solid #dde3e8; } .x-table .num { text-align: right; font-variant-numeric: tabular-nums }
 .x-table tr[data-at] { cursor: pointer; } .x-table tr[data-at]:is(:hover, :focus) { background: #eaf3f9; outline: none; }
 .x-table th.num { text-align: right; } .x-table td.num { white-space: nowrap; } .x-swatch.row { width: 10px; margin-right: 6px; }
</style>
"""
_SCRIPT = """
<script>
 window.addEventListener("load", function () {
   var go = function (row) { var b = row.dataset.at.split(",").map(Number); MAP.fitBounds([[b[1], b[0]], [b[3], b[2]]], {maxZoom: 17}); };
   document.querySelectorAll(".x-table tr[data-at]").forEach(function (row) {
     row.addEventListener("click", function () { go(row); });
     row.addEventListener("keydown", function (e) { if (e.key === "Enter") { go(row); } });
   });
 });
</script>
"""


def write_table_map(shown: Shown, layer: Layer, path: Path, *, backdrop: Any = None) -> Path:
    """Write the rows and their places.

    Args:
        shown: rows are written in its order, cells as on the page.
        layer: how places are coloured.
        path: the HTML file.
        backdrop: shapes drawn below in grey, for orientation.

    Returns:
        The path.

    Raises:
        SettingsError: the pages' assets have not been built.
    """
    table, lang = shown.table, shown.lang
    heads, rows = text_rows(table, lang=lang, time_zone=shown.time_zone, most=MOST_ROWS)
    page = folium.Map(tiles=None, control_scale=True, prefer_canvas=True, zoom_control=True)
    page.default_js, page.default_css = [], []
    frame = gpd.GeoDataFrame(table.frame, geometry="geometry", crs=4326).head(MOST_ROWS)
    here = frame["geometry"].notna().to_numpy()
    if here.any():
        placed = frame[here].reset_index(drop=True)
        texts = {
            html.escape(h): [html.escape(r[i][0]) for r, ok in zip(rows, here, strict=True) if ok]
            for i, h in enumerate(heads)
        }
        if backdrop is not None and len(backdrop):
            _backdrop(backdrop).add_to(page)
        group = folium.FeatureGroup(name=layer.title(lang))
        draw_layer(group, layer, placed, texts)
        group.add_to(page)
        west, south, east, north = placed.total_bounds.tolist()
        page.fit_bounds([[south, west], [north, east]])
    legend = legend_section(layer, frame, lang, on=True)
    about = " · ".join(f"{html.escape(k)} {html.escape(v)}" for k, v in shown.words)
    heading = f'<div class="x-head"><h1>{html.escape(shown.title)}</h1><p>{about}</p></div>'
    body = _table(heads, rows, frame, layer, cut=_cut(len(table.frame), lang))
    furnish(page, heading, legend, _STYLE + body + _SCRIPT.replace("MAP", page.get_name()))
    save(page, path)
    return path


def _backdrop(shapes: Any) -> folium.GeoJson:
    """What lies around, in grey and not to be picked."""
    whole = shapely.geometrycollections(shapely.set_precision(shapes, 10.0**-DIGITS, mode="pointwise"))
    style = {"color": "#c3ccd4", "weight": 1.2, "fill": False, "interactive": False}
    return folium.GeoJson(json.loads(shapely.to_geojson(whole)), style_function=lambda _: style, smooth_factor=0)


def text_rows(table: View, *, lang: str, time_zone: str, most: int) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """Headings, and the cells of the first rows with their looks, as the page writes them (`dashboards.cells.cell`)."""
    columns = [c for c in table.columns if c.name in table.frame and c.name != "geometry"]
    worded = in_words(table, lang=lang, time_zone=time_zone).head(most)
    plain = table.plain().head(most)
    by_column = [
        [cell(c, v, w) for v, w in zip(plain[c.name].tolist(), worded[h].tolist(), strict=True)]
        for c, h in zip(columns, worded.columns, strict=True)
    ]
    rows: list[list[tuple[str, str]]] = [list(r) for r in zip(*by_column, strict=True)]
    return [str(h) for h in worded.columns], rows


def _cut(count: int, lang: str) -> str:
    """What is said where not every row fits."""
    if count <= MOST_ROWS:
        return ""
    zh = f"只列前 {MOST_ROWS:,} 行（共 {count:,} 行）；全部行见 XLSX、CSV 与 GeoPackage。"
    en = f"The first {MOST_ROWS:,} of {count:,} rows; all are in the XLSX, CSV and GeoPackage."
    return f"<p>{zh if lang == 'zh' else en}</p>"


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[tuple[str, str]]],
    frame: gpd.GeoDataFrame,
    layer: Layer,
    *,
    cut: str,
) -> str:
    """The rows with the colour of their place and where it lies."""
    colors = layer.colors()
    classes = layer.classify(frame[layer.column])
    extents = shapely.bounds(frame["geometry"].to_numpy()).round(6).tolist()
    out = []
    for row, key, extent, shape in zip(rows, classes, extents, frame["geometry"], strict=True):
        at = f' data-at="{",".join(map(str, extent))}" tabindex="0"' if shape is not None else ""
        mark = f'<span class="x-swatch row" style="background:{colors[key]}"></span>'
        cells = "".join(
            f'<td class="{"num" if look == "num" else ""}">{mark if i == 0 else ""}{html.escape(text)}</td>'
            for i, (text, look) in enumerate(row)
        )
        out.append(f"<tr{at}>{cells}</tr>")
    looks = [look for _, look in rows[0]] if rows else [""] * len(heads)
    head = "".join(
        f'<th scope="col" class="{"num" if k == "num" else ""}">{html.escape(h)}</th>'
        for h, k in zip(heads, looks, strict=True)
    )
    body = "\n".join(out)
    return f'<div class="x-table" tabindex="0">{cut}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
