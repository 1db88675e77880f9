"""A GeoPackage that opens styled in QGIS: one layer a view, its style in `layer_styles`, from the same symbology as every map."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import geopandas as gpd
import pandas as pd
import pyogrio

from layers.symbology import LAYERS, NO_VALUE, Layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dashboards.views import View

# view -> map layer whose style is the default
STYLE_OF_VIEW = {
    "segments": "segment_outcome",
    "sections": "section_rate",
    "grids": "grid_outcome",
    "community": "community_outcome",
    "density_surface": "density_surface",
    "hotspots": "hotspots",
}
MOMENT = "2000-01-01T00:00:00.000Z"  # of every change: a run gives the same bytes whenever it is exported
_STYLES = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
  f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
  description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""
_CONTENTS = "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 'layer_styles')"


def write_geopackage(
    views: Sequence[View], path: Path, *, lang: str, styles: Mapping[str, Sequence[Layer]] | None = None
) -> Path:
    """Write every view that has places (and rows) as a layer, the others as attribute tables, and the styles.

    Args:
        views: what to write.
        path: the file; an old one is replaced.
        lang: language of the legends.
        styles: layers that colour a view, the default first, for views that `STYLE_OF_VIEW` does not know.

    Returns:
        The path.
    """
    path.unlink(missing_ok=True)
    for view in views:
        if not len(view.frame):
            continue
        if "geometry" in view.frame:
            gpd.GeoDataFrame(view.frame, geometry="geometry", crs=4326).to_file(
                path, layer=view.name, driver="GPKG", engine="pyogrio"
            )
        else:
            pyogrio.write_dataframe(_plain(view), path, layer=view.name, driver="GPKG")
    placed = [v for v in views if len(v.frame) and "geometry" in v.frame]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(_STYLES)
        db.execute(_CONTENTS)
        for view in placed:
            for number, layer in enumerate((styles or {}).get(view.name) or _styles_of(view)):
                db.execute(
                    "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, "
                    "useAsDefault, description) VALUES ('', '', ?, 'geom', ?, ?, ?, ?)",
                    (
                        view.name,
                        layer.title(lang)[:30],
                        qml(layer, lang),
                        number == 0 and (view.name in STYLE_OF_VIEW or view.name in (styles or {})),
                        layer.title(lang),
                    ),
                )
        for table, column in (("gpkg_contents", "last_change"), ("layer_styles", "update_time")):
            db.execute(f"UPDATE {table} SET {column} = ?", (MOMENT,))
    _settle(path)
    return path


def _settle(path: Path) -> None:
    """Set the two counters of changes in the head of the file (SQLite file format, 1.3.6 and 1.3.15): they count GDAL's flushes."""
    with path.open("r+b") as file:
        for place in (24, 92):
            file.seek(place)
            file.write((1).to_bytes(4, "big"))


def _plain(view: View) -> pd.DataFrame:
    return pd.DataFrame(view.frame).copy()


def _styles_of(view: View) -> list[Layer]:
    """The default style first, then every other layer that colours this view by one of its columns."""
    default = STYLE_OF_VIEW.get(view.name)
    names = {c.name for c in view.columns}
    table = LAYERS[default].table if default else None
    others = [i for i, layer in LAYERS.items() if layer.table == table and layer.column in names and i != default]
    return [LAYERS[i] for i in ([default, *others] if default else others)]


def qml(layer: Layer, lang: str) -> str:
    """A QGIS style: categorised or graduated, with the layer's classes, colours and words."""
    symbols, entries = [], []
    for number, c in enumerate(layer.legend_classes()):
        symbols.append(_symbol(layer, number, c.color))
        label = quoteattr(c.label(lang))
        if layer.kind == "category":
            value = '""' if c.key == NO_VALUE else quoteattr(c.key)
            entries.append(f'<category type="string" value={value} symbol="{number}" label={label} render="true"/>')
        elif c.key != NO_VALUE:
            lower = -1e12 if c.lower is None else c.lower / layer.scale
            upper = 1e12 if c.upper is None else c.upper / layer.scale
            entries.append(
                f'<range lower="{lower!r}" upper="{upper!r}" symbol="{number}" label={label} render="true"/>'
            )
    kind, tag = ("categorizedSymbol", "categories") if layer.kind == "category" else ("graduatedSymbol", "ranges")
    method = ' graduatedMethod="GraduatedColor"' if layer.kind == "graduated" else ""
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
        f'<qgis version="3.22" styleCategories="Symbology"><renderer-v2 type="{kind}" attr="{layer.column}"{method} enableorderby="0" '
        f'forceraster="0" symbollevels="0"><{tag}>{"".join(entries)}</{tag}><symbols>{"".join(symbols)}</symbols></renderer-v2></qgis>'
    )


def _symbol(layer: Layer, number: int, color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    if layer.shape == "line":
        kind, cls = "line", "SimpleLine"
        options = {
            "line_color": f"{red},{green},{blue},255",
            "line_width": "0.8",
            "line_width_unit": "MM",
            "capstyle": "round",
        }
    else:
        kind, cls = "fill", "SimpleFill"
        options = {
            "color": f"{red},{green},{blue},150",
            "outline_color": "80,90,100,255",
            "outline_width": "0.2",
            "style": "solid",
        }
    head = f'<symbol type="{kind}" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">'
    inner = "".join(f'<Option type="QString" name="{k}" value="{v}"/>' for k, v in options.items())
    return (
        f'{head}<layer class="{cls}" enabled="1" locked="0" pass="0">'
        f'<Option type="Map">{inner}</Option></layer></symbol>'
    )
