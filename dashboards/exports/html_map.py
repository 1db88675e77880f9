"""The offline map: one HTML file (folium) with Leaflet inside, every layer switchable, every legend equal to its table."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folium
import geopandas as gpd
import pandas as pd
import shapely
from branca.element import Element

from dashboards.exports.text import is_missing
from dashboards.sentences import missing_words
from gis.errors import Fault, SettingsError
from layers.symbology import LAYERS, Layer, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.views import View

STATIC = Path(__file__).resolve().parent.parent / "static"
# view -> the layers drawn from it, the first of the first view shown at the start
MAP_LAYERS = {
    "segments": ("segment_outcome", "segment_gap"),
    "sections": ("section_rate",),
    "grids": ("grid_outcome", "grid_rounds"),
    "density_surface": ("density_surface",),
    "hotspots": ("hotspots",),
    "community": ("community_outcome",),
}
POPUP = {
    "segments": ("road_name", "policy_class", "outcome", "passes", "last_pass"),
    "sections": (
        "section_name",
        "policy_class",
        "windows",
        "covered",
        "missed",
        "unknown",
        "excused",
        "rate_low",
        "rate_high",
    ),
    "grids": ("grid_id", "grid_name", "outcome", "required_rounds", "completed_rounds", "possible_rounds", "missing"),
    "density_surface": ("required_km2", "allocated_km2", "gap_km2"),
    "hotspots": ("cases", "gi_z", "q_value", "hotspot", "kde_km2"),
    "community": ("grid_name", "community", "rule_id", "outcome", "missing"),
}
DIGITS = 6  # of a degree: a decimetre
_STYLE = """
<style>
.leaflet-control-scale-line:not(:first-child) { display: none; } /* miles */
 body { font-family: "Noto Sans SC", "Microsoft YaHei", "PingFang SC", sans-serif; }
 .leaflet-container { background: #f4f6f8; font: inherit; }
 .x-head { position: fixed; top: 10px; left: 56px; z-index: 1000; background: #ffffffee; padding: 8px 14px; border-radius: 6px;
   box-shadow: 0 1px 4px #0003; max-width: 46em; }
 .x-head h1 { font-size: 17px; margin: 0 0 2px; } .x-head p { font-size: 12px; margin: 0; color: #44515e; }
 .x-legend { position: fixed; bottom: 22px; right: 10px; z-index: 1000; background: #ffffffee; padding: 8px 12px; border-radius: 6px;
   box-shadow: 0 1px 4px #0003; font-size: 12px; max-height: 46vh; overflow: auto; }
 .x-legend h2 { font-size: 13px; margin: 0 0 4px; } .x-legend table { border-collapse: collapse; }
 .x-legend td { padding: 1px 6px 1px 0; font-variant-numeric: tabular-nums; } .x-legend td:last-child { text-align: right; }
 .x-legend section { display: none; margin-bottom: 8px; } .x-legend section.on { display: block; }
 .x-swatch { display: inline-block; width: 18px; height: 10px; border-radius: 2px; border: 1px solid #0002; }
</style>
"""
_SWITCH = """
<script>
 window.addEventListener("load", function () {
   var show = function (name, on) {
     document.querySelectorAll(".x-legend section").forEach(function (s) { if (s.dataset.layer === name) s.classList.toggle("on", on); });
   };
   MAP.attributionControl.setPrefix("Leaflet");
   MAP.on("overlayadd", function (e) { show(e.name, true); });
   MAP.on("overlayremove", function (e) { show(e.name, false); });
 });
</script>
"""


def write_map(
    views: Mapping[str, View], summary: Mapping[str, Any], path: Path, *, lang: str, city: str, time_zone: str
) -> Path:
    """Write the map of a run as one file that needs no network.

    Args:
        views: views by name.
        summary: as in summary.json.
        path: the HTML file.
        lang: zh or en.
        city: name for the heading.
        time_zone: of the times shown.

    Returns:
        The path.

    Raises:
        SettingsError: the pages' assets have not been built.
    """
    page = folium.Map(tiles=None, control_scale=True, prefer_canvas=True, zoom_control=True)
    page.default_js, page.default_css = [], []
    legends, bounds, first = [], [], True
    for name, layer_ids in MAP_LAYERS.items():
        view = views.get(name)
        if view is None or not len(view.frame) or "geometry" not in view.frame:
            continue
        frame = gpd.GeoDataFrame(view.frame[view.frame["geometry"].notna()], geometry="geometry", crs=4326)
        bounds.append(frame.total_bounds)
        for layer_id in layer_ids:
            layer = LAYERS[layer_id]
            group = folium.FeatureGroup(name=layer.title(lang), show=first)
            shown = [f for f in POPUP[name] if f in frame]
            heads = {c.name: (c.zh if lang == "zh" else c.en.split(" (")[0]) for c in view.columns}
            values = {heads[f]: [_shown(v, f, lang, time_zone) for v in frame[f]] for f in shown}
            draw_layer(group, layer, frame, values)
            group.add_to(page)
            legends.append(legend_section(layer, frame, lang, on=first))
            first = False
    if bounds:
        spread = pd.DataFrame(bounds)
        page.fit_bounds([[spread[1].min(), spread[0].min()], [spread[3].max(), spread[2].max()]])
    folium.LayerControl(collapsed=False, position="topright").add_to(page)
    furnish(page, _heading(summary, city, lang), "".join(legends))
    save(page, path)
    return path


RANDOM_ID = re.compile(r"(?<=_)[0-9a-f]{32}(?![0-9a-f])")


def save(page: folium.Map, path: Path) -> None:
    """Write a map with the same bytes each time: folium gives every element a random id, here they are numbered as they appear."""
    numbers: dict[str, str] = {}
    text = page.get_root().render()
    named = RANDOM_ID.sub(lambda found: numbers.setdefault(found[0], f"{len(numbers):032x}"), text)
    path.write_text(named, encoding="utf-8")


def _asset(name: str) -> str:
    """A built asset's text.

    Raises:
        SettingsError: not built.
    """
    manifest = STATIC / "manifest.json"
    if not manifest.exists():
        raise SettingsError(
            Fault(
                "export.assets",
                "网页资源尚未构建",
                "the pages' assets have not been built",
                "运行 ./run setup",
                "run ./run setup",
            )
        )
    file: str = json.loads(manifest.read_text(encoding="utf-8"))[name]
    return (STATIC / file).read_text(encoding="utf-8")


def furnish(page: folium.Map, heading: str, legends: str, more: str = "") -> None:
    """Put Leaflet, heading, legends and `more` into the page itself: nothing is fetched."""
    root = page.get_root()
    script = _asset("leaflet.js").replace("</script", "<\\/script").replace("//# sourceMappingURL=leaflet.js.map", "")
    root.header.add_child(Element(f"<style>{_asset('leaflet.css')}</style><script>{script}</script>{_STYLE}"))
    root.html.add_child(Element(f'{heading}<div class="x-legend" role="region">{legends}</div>{more}'))
    root.html.add_child(Element(_SWITCH.replace("MAP", page.get_name())))


def draw_layer(
    group: folium.FeatureGroup, layer: Layer, frame: gpd.GeoDataFrame, values: Mapping[str, Sequence[str]]
) -> None:
    """One GeoJSON a legend class: its style is written once, not once a feature. `values`: heading → escaped text of every row."""
    classes = layer.classify(frame[layer.column])
    shapes = shapely.set_precision(frame["geometry"].to_numpy(), 10.0**-DIGITS, mode="pointwise")
    texts = shapely.to_geojson(shapes)
    fields = [f"f{i}" for i in range(len(values))]
    columns = dict(zip(fields, values.values(), strict=True))
    for c in reversed(layer.legend_classes()):
        rows = (classes == c.key).nonzero()[0]
        if not len(rows):
            continue
        features = [
            {
                "type": "Feature",
                "properties": {f: column[r] for f, column in columns.items()},
                "geometry": json.loads(texts[r]),
            }
            for r in rows
        ]
        style = _style(layer, c.color)
        folium.GeoJson(
            {"type": "FeatureCollection", "features": features},
            style_function=lambda _, style=style: style,
            popup=folium.GeoJsonPopup(fields=fields, aliases=list(values), labels=True),
            smooth_factor=0,
        ).add_to(group)


def _style(layer: Layer, color: str) -> dict[str, Any]:
    if layer.shape == "line":
        return {"color": color, "weight": 4, "opacity": 0.9}
    return {"color": "#5a6672", "weight": 0.7, "fillColor": color, "fillOpacity": 0.55}


def _shown(value: Any, field: str, lang: str, time_zone: str) -> str:
    """A value of a popup: escaped, because names come from files."""
    if is_missing(value):
        return "—"
    if field.startswith("rate") or field.endswith("share") or field == "probability":
        return f"{value:.1%}"
    if isinstance(value, pd.Timestamp):
        return value.tz_convert(time_zone).strftime("%m-%d %H:%M")
    if isinstance(value, float):
        return f"{value:.3g}"
    return html.escape(missing_words(value, lang) if field == "missing" else word(value, lang))


def legend_section(layer: Layer, frame: gpd.GeoDataFrame, lang: str, *, on: bool) -> str:
    """The legend of a layer with how many rows of the table fall into each class."""
    rows = "".join(
        f'<tr><td><span class="x-swatch" style="background:{r["color"]}"></span></td><td>{html.escape(r[lang])}</td>'
        f'<td data-count="{layer.id}:{r["key"]}">{r["count"]}</td></tr>'
        for r in layer.legend(frame[layer.column]).to_dict("records")
        if r["count"]
    )
    title = html.escape(layer.title(lang))
    return f'<section data-layer="{title}" class="{"on" if on else ""}"><h2>{title}</h2><table>{rows}</table></section>'


def _heading(summary: Mapping[str, Any], city: str, lang: str) -> str:
    title = f"{city} {summary['day']} {'巡查覆盖核查' if lang == 'zh' else 'patrol coverage audit'}"
    run = "运行" if lang == "zh" else "run"
    standard = summary["standard"]
    words = f"{standard['id']} {standard['version']} · {run} {summary['run_id'][:12]}"
    return f'<div class="x-head"><h1>{html.escape(title)}</h1><p>{html.escape(words)}</p></div>'
