"""The map component for pages: `MapView` and the layers and state differences it takes (built from frontend/src).

Geometry goes over once (`/api/geometry/…`, cached by the browser), colours as small differences of a feature's value.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from dash.development.base_component import Component

from layers.symbology import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

    from dashboards.context import View
    from layers.symbology import Layer

LayerKind = Literal["line", "polygon", "point", "raster"]
MISSING = "#9aa7b2"
# What says "nothing to see here" by being pale must be dark on a dark ground.
QUIET_IN_THE_DARK = {
    "#d9dde3": "#33414f",
    "#eceff3": "#232e38",
    "#b8bec6": "#4d5b68",
    "#e0f3f8": "#2f4a5c",
    "#d6cec4": "#4f4a45",
}


class ClassStop(TypedDict, total=False):
    """One class of a legend: the integer code that state carries, its colours and its label."""

    code: int
    colour: str
    colour_dark: str
    label: str


class RampStop(TypedDict, total=False):
    """One stop of a continuous colour ramp."""

    value: float
    colour: str
    label: str


def class_style(classes: Sequence[ClassStop], *, missing: str = MISSING) -> dict[str, Any]:
    """Colours by class; state values are the codes (0 … 254)."""
    style = {"kind": "classes", "classes": [dict(c) for c in classes], "missing": missing}
    return style | ({"missing_dark": QUIET_IN_THE_DARK[missing]} if missing in QUIET_IN_THE_DARK else {})


def ramp_style(
    stops: Sequence[RampStop], *, unit: str = "", missing: str = MISSING, missing_label: str | None = None
) -> dict[str, Any]:
    """Colours along a ramp; state values are numbers, stops ascend."""
    style: dict[str, Any] = {"kind": "ramp", "stops": [dict(s) for s in stops], "unit": unit, "missing": missing}
    return style | ({"missing_label": missing_label} if missing_label else {})


def plain_style(colour: str, *, dark: str | None = None) -> dict[str, Any]:
    """One colour, no state."""
    return {"kind": "plain", "colour": colour} | ({"colour_dark": dark} if dark else {})


def layer(
    layer_id: str,
    kind: LayerKind,
    title: str,
    style: dict[str, Any],
    *,
    url: str | None = None,
    payload: bytes | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    opacity: float | None = None,
    width: float | None = None,
    visible: bool = True,
    pick: bool = True,
    labels: bool = False,
    legend: bool = True,
    outline: str | None = None,
) -> dict[str, Any]:
    """One layer of a map; layers are drawn in the order given, the last on top (fills always under lines).

    Args:
        layer_id: name within the map; state updates and clicks carry it.
        kind: line, polygon, point, or raster (an image laid over `bounds`).
        title: shown in legend and switcher.
        style: from class_style, ramp_style or plain_style.
        url: where the geometry (`View.geometry_url`) or the image is.
        payload: the geometry itself (`dashboards.geometry.encode`), for small layers that a callback makes.
        bounds: of a raster: west, south, east, north in degrees.
        opacity: 0 … 1; by default 1 for lines and points, 0.6 for areas, 0.8 for rasters.
        width: base width of lines, of outlines, or radius of points, in pixels.
        visible: shown at first.
        pick: answers hover and click.
        labels: writes the names on the map from zoom 14 (lines) or 11.
        legend: listed in legend and switcher.
        outline: colour of outlines of areas.
    """
    spec: dict[str, Any] = {
        "id": layer_id,
        "kind": kind,
        "title": title,
        "style": style,
        "opacity": opacity if opacity is not None else {"polygon": 0.6, "raster": 0.8}.get(kind, 1.0),
        "width": width if width is not None else {"line": 2.0, "polygon": 1.0, "point": 6.0}.get(kind, 1.0),
        "visible": visible,
        "pick": pick and kind != "raster",
        "labels": labels,
        "legend": legend,
    }
    optional = {"url": url, "bounds": bounds, "outline": outline}
    spec |= {k: v for k, v in optional.items() if v is not None}
    if payload is not None:
        spec["data"] = base64.b64encode(payload).decode()
    return spec


def full_codes(layer_id: str, codes: npt.NDArray[np.integer[Any]]) -> dict[str, Any]:
    """State of every feature of a layer as class codes in the order of its geometry; below 0 or above 254 is missing."""
    small = np.where((codes < 0) | (codes > 254), 255, codes).astype(np.uint8)  # noqa: PLR2004 (one byte)
    return {"layer": layer_id, "full": {"dtype": "u8", "data": base64.b64encode(small.tobytes()).decode()}}


def full_values(layer_id: str, values: npt.NDArray[np.floating[Any]]) -> dict[str, Any]:
    """State of every feature as numbers in the order of its geometry; NaN is missing."""
    data = base64.b64encode(values.astype("<f4").tobytes()).decode()
    return {"layer": layer_id, "full": {"dtype": "f32", "data": data}}


def by_id(layer_id: str, ids: Sequence[str], values: Sequence[float | int | None]) -> dict[str, Any]:
    """State of some features by their ids; None is missing."""
    return {"layer": layer_id, "ids": [str(i) for i in ids], "v": list(values)}


def difference(
    layer_id: str, before: npt.NDArray[np.floating[Any]], after: npt.NDArray[np.floating[Any]]
) -> dict[str, Any] | None:
    """What changed between two states of one layer, None where nothing did."""
    changed = np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after)))
    if len(changed) == 0:
        return None
    rounded = [None if np.isnan(v) else int(v) if float(v).is_integer() else round(float(v), 3) for v in after[changed]]
    return {"layer": layer_id, "i": changed.tolist(), "v": rounded}


def points(
    layer_id: str,
    ids: Sequence[str],
    lon: Sequence[float],
    lat: Sequence[float],
    *,
    values: Sequence[float | int | None] | None = None,
    titles: Sequence[str] | None = None,
) -> dict[str, Any]:
    """All points of a layer anew (inspectors, cases): for what moves; a few thousand at most."""
    moved: dict[str, Any] = {
        "ids": [str(i) for i in ids],
        "lon": [round(float(v), 6) for v in lon],
        "lat": [round(float(v), 6) for v in lat],
    }
    if values is not None:
        moved["v"] = list(values)
    if titles is not None:
        moved["title"] = list(titles)
    return {"layer": layer_id, "points": moved}


def replace(layer_id: str, payload: bytes) -> dict[str, Any]:
    """New geometry for a small layer (a track, a selection), in place."""
    return {"layer": layer_id, "payload": base64.b64encode(payload).decode()}


class MapView(Component):  # type: ignore[misc]
    """The map as a Dash component.

    Set by callbacks: `layers` (list from `layer`), `state` (one update or a list), `selected` ({layer, id} or None),
    `fit` ({bounds: [w, s, e, n], max_zoom}). Read by callbacks: `click` ({layer, id, title, value, lon, lat, n}), `selected`,
    `viewport` ({bounds, zoom}), `ready`.
    """

    _namespace = "xuncha"
    _type = "MapView"
    _prop_names: list[str] = [  # noqa: RUF012 (read by Dash)
        "id", "layers", "state", "selected", "fit", "base_map", "words", "label", "height", "className", "click", "viewport", "ready",
    ]  # fmt: skip
    _valid_wildcard_attributes: list[str] = []  # noqa: RUF012
    available_properties = _prop_names
    available_wildcard_properties: list[str] = []  # noqa: RUF012


class Live(Component):  # type: ignore[misc]
    """The server's stream as a Dash component: `url` (View.stream_url) in; `status` (connecting, live, lost) and `data` out.

    A stream delivers to maps by their ids and to any component property itself; see dashboards.streams.
    """

    _namespace = "xuncha"
    _type = "Live"
    _prop_names: list[str] = ["id", "url", "data", "status"]  # noqa: RUF012
    _valid_wildcard_attributes: list[str] = []  # noqa: RUF012
    available_properties = _prop_names
    available_wildcard_properties: list[str] = []  # noqa: RUF012


WORDS = ("layers", "legend", "zoom_in", "zoom_out", "fit", "hint", "missing", "loading", "failed", "no_webgl")


def map_view(view: View, map_id: str, *, label: str, layers: Sequence[dict[str, Any]], **props: Any) -> MapView:
    """A map in the visitor's language over the configured base map; `label` says to a screen reader what it shows."""
    base = view.settings.base_map
    return MapView(
        id=map_id,
        label=label,
        layers=list(layers),
        words={w: view.t(f"shell.map_{w}") for w in WORDS},
        base_map={"kind": base.kind, "url": base.url, "attribution": base.attribution, "tile_size": base.tile_size},
        **props,
    )


def symbology_style(symbology: Layer, lang: str) -> dict[str, Any]:
    """The style of a catalogue layer (layers.symbology), its last class (no value) as the missing colour."""
    classes = [
        ClassStop(code=k, colour=c.color, colour_dark=QUIET_IN_THE_DARK.get(c.color, c.color), label=c.label(lang))
        for k, c in enumerate(symbology.legend_classes())
        if c.key != NO_VALUE
    ]
    return class_style(classes, missing=symbology.colors()[NO_VALUE])


def symbology_codes(symbology: Layer, values: pd.Series | Sequence[object]) -> npt.NDArray[np.int64]:
    """State codes of values under `symbology_style`; -1 where there is no value."""
    order = {c.key: k for k, c in enumerate(symbology.legend_classes()) if c.key != NO_VALUE}
    return np.array([order.get(str(k), -1) for k in symbology.classify(values)], dtype=np.int64)
