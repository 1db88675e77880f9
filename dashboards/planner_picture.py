"""From what a planner chose to what the maps draw: layers with their legends, and the colour of every road, grid and cell."""

# ruff: noqa: E501 (a row of a table or of controls stands on one line)

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards import planner_coverage as coverage
from dashboards import planner_density as density
from dashboards import planner_remote as remote
from dashboards.geometry import encode
from dashboards.maps import ClassStop, class_style, full_codes, layer, plain_style, symbology_codes, symbology_style
from dashboards.planner_choice import MEASURES, Choice
from gis.errors import XunchaError

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt

    from dashboards.context import View
    from layers.symbology import Layer

OUTSIDE = 200  # code of what the class or squad chosen leaves out
OUTSIDE_COLOURS = ("#e3e7ec", "#24313d")
PLACES = {"segments": "roads", "work_grids": "grids", "density_surface": "surface", "hotspots": "cells"}
KEYS = {"roads": "segment_id", "grids": "grid_id", "surface": "cell_id", "cells": "cell_id"}


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """Places with a value each.

    Attributes:
        layer_id: roads, grids, surface or cells.
        places: rows in the order of the geometry.
        url: where the geometry is, None: `payload` carries it.
        symbology: legend and title.
        figures: one a place, as the symbology classifies them.
        muted: places that the filter leaves out.
    """

    layer_id: str
    places: pd.DataFrame
    url: str | None
    symbology: Layer
    figures: pd.Series
    muted: npt.NDArray[np.bool_]

    def value_of(self, place_id: str) -> Any:
        """The value of one place, None where there is none."""
        found = np.flatnonzero((self.places[KEYS[self.layer_id]].astype(str) == place_id).to_numpy())
        return self.figures.iloc[int(found[0])] if len(found) else None


def grid_places(view: View, day: date) -> tuple[pd.DataFrame, str | None]:
    """Work grids with the address of their geometry; towns (without one) where a city has no work grids."""
    grids = view.data.read("work_grids", day)
    if len(grids):
        return grids, view.geometry_url("work_grids", day)
    areas = view.data.read("areas", day)
    towns = areas[areas["kind"] == "town"].reset_index(drop=True)
    columns = {"grid_id": towns["area_id"], "name": towns["name"], "town_id": towns["area_id"], "unit_id": None}
    return pd.DataFrame({**columns, "level": None, "geometry": towns["geometry"]}), None


def hotspot_rows(view: View, choice: Choice, day: date) -> pd.DataFrame:
    """The cells of the period and category chosen, of the latest such period that the day's run knows."""
    rows = view.data.result("hotspots", day, where={"period": choice.period})
    rows = rows[rows["category"] == choice.category] if len(rows) else rows
    return rows[rows["starts"] == rows["starts"].max()].reset_index(drop=True) if len(rows) else rows


def windows_in(view: View, choice: Choice, days: tuple[date, ...]) -> pd.DataFrame:
    """Windows of some days as far as the choice goes."""
    windows = view.data.results("section_windows", days)
    by_hour = choice if choice.what.by_hour else _without_hour(choice)
    return coverage.chosen_windows(windows, view.data.read("sections", days[-1]), by_hour, view.zone)


def _without_hour(choice: Choice) -> Choice:
    return Choice(**{f: getattr(choice, f) for f in choice.__slots__ if f != "hour"})


def _roads(
    view: View, choice: Choice, days: tuple[date, ...], measure: str
) -> tuple[pd.DataFrame, str | None, pd.Series, npt.NDArray[Any]]:
    segments = view.data.read("segments", choice.first[-1])
    sections = view.data.read("sections", choice.first[-1])
    if measure in {"road_outcome", "road_rate"}:
        windows = windows_in(view, choice, days)
        make = coverage.road_outcome if measure == "road_outcome" else coverage.road_rate
        values = make(windows, segments, view.standard_on(days[-1]))
    else:
        column = MEASURES[measure].layer.column
        values = coverage.road_figure(view.data.results("segment_days", days), segments, column)
    return (
        segments,
        view.geometry_url("segments", choice.first[-1]),
        values,
        coverage.muted_segments(segments, sections, choice),
    )


def _grids(
    view: View, choice: Choice, days: tuple[date, ...], measure: str
) -> tuple[pd.DataFrame, str | None, pd.Series, npt.NDArray[Any]]:
    grids, url = grid_places(view, choice.first[-1])
    data, what = view.data, MEASURES[measure]
    if measure == "grid_rounds":
        values = coverage.grid_rounds(
            data.results("grid_days", days), data.results("grid_rounds", days), grids, choice.by_hour, view.zone
        )
    elif measure == "grid_outcome":
        values = coverage.grid_outcomes(data.results("grid_days", days), grids)
    elif what.layer.table == "zonal":
        values = remote.zonal_values(
            data.result("zonal", days[-1]), grids, scene_id=scene_of(view, choice), column=what.layer.column
        )
    elif what.layer.table == "zonal_change":
        values = remote.change_values(data.result("zonal_change", days[-1]), grids, column=what.layer.column)
    else:
        frame = density.daily_mean(data.results("density", days))
        values = (
            density.density_values(frame, grids, what.layer.column) if len(frame) else pd.Series([None] * len(grids))
        )
    return grids, url, values, coverage.muted_grids(grids, choice)


def scenes_of(view: View, day: date) -> pd.DataFrame:
    """Scenes in force, latest last."""
    scenes = view.data.read("scenes", day)
    return scenes.sort_values(["acquired", "scene_id"], kind="stable").reset_index(drop=True) if len(scenes) else scenes


def scene_of(view: View, choice: Choice) -> str:
    """The scene chosen, else the latest; empty where there is none."""
    ids = scenes_of(view, choice.first[-1])["scene_id"].astype(str).tolist()
    return choice.scene if choice.scene in ids else (ids[-1] if ids else "")


def paint(view: View, choice: Choice, days: tuple[date, ...], *, measure: str | None = None) -> Painted:
    """One measure over some days."""
    measure = measure or choice.measure
    what = MEASURES[measure]
    layer_id = PLACES[what.layer.geometry_table]
    if layer_id == "roads":
        places, url, values, muted = _roads(view, choice, days, measure)
    elif layer_id == "grids":
        places, url, values, muted = _grids(view, choice, days, measure)
    elif layer_id == "surface":
        places = view.data.result("density_surface", choice.first[-1])
        url = view.geometry_url("density_surface", choice.first[-1]) if len(places) else None
        values = (
            density.surface_values(view.data.results("density_surface", days), places, what.layer.column)
            if len(places)
            else pd.Series(dtype=float)
        )
        muted = np.zeros(len(places), dtype=bool)
    else:
        places, url = hotspot_rows(view, choice, days[-1]), None
        values = places[what.layer.column] if len(places) else pd.Series(dtype=float)
        muted = np.zeros(len(places), dtype=bool)
    return Painted(layer_id, places, url, what.layer, values, muted)


def difference(first: Painted, second: Painted, symbology: Layer) -> Painted:
    """First minus second, in the legend of the difference; outcomes as better, same, worse."""
    if symbology.kind == "category":
        values = coverage.moved(first.figures, second.figures)
    else:
        values = first.figures.astype(float) - second.figures.astype(float)
    return Painted(first.layer_id, first.places, first.url, symbology, values, first.muted)


def map_layer(
    view: View, painted: Painted, *, under: bool = False, title: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A layer of the map and the state that colours it."""
    style = symbology_style(painted.symbology, view.lang)
    codes = symbology_codes(painted.symbology, painted.figures)
    if painted.muted.any():
        light, dark = OUTSIDE_COLOURS
        stop = ClassStop(code=OUTSIDE, colour=light, colour_dark=dark, label=view.t("planner.outside"))
        style = class_style([*style["classes"], stop], missing=style["missing"])
        codes = np.where(painted.muted, OUTSIDE, codes)
    line = painted.layer_id == "roads"
    layer_id = f"under-{painted.layer_id}" if under else painted.layer_id
    places = painted.places
    payload = None
    if painted.url is None and len(places):
        ids = places[KEYS[painted.layer_id]].astype(str).tolist()
        payload = encode(
            places["geometry"].to_numpy(), ids, titles=places["name"].tolist() if "name" in places else None
        )
    fine = painted.layer_id in {"surface", "cells"}
    spec = layer(
        layer_id,
        "line" if line else "polygon",
        title or painted.symbology.title(view.lang),
        style,
        url=painted.url,
        payload=payload,
        labels=line or painted.layer_id == "grids",
        width=2.2 if line else 0.2 if fine else 1.2,
        opacity=1.0 if line else 0.55 if under else 0.72,
    )
    return spec, full_codes(layer_id, codes)


def scene_layer(view: View, choice: Choice, kind: str = "colour") -> dict[str, Any] | None:
    """The scene itself as an image, None where there is none or its files cannot be read."""
    scenes = scenes_of(view, choice.first[-1])
    wanted = scene_of(view, choice)
    rows = scenes[scenes["scene_id"].astype(str) == wanted] if len(scenes) else scenes
    if not len(rows) or kind not in remote.kinds_of(dict(rows["bands"].iloc[0])):
        return None
    scene = rows.iloc[0]
    try:
        bounds = remote.scene_bounds(view.city, {str(k): v for k, v in scene.items()})
    except (XunchaError, OSError, AttributeError):
        return None
    query = urllib.parse.urlencode({"day": str(choice.first[-1]), "v": str(scene["sha256"])[:12]})
    url = f"/api/scene/{urllib.parse.quote(wanted, safe='')}/{kind}.png?{query}"
    title = f"{view.t('planner.scene_image')} {scene['acquired']}"
    return layer("scene", "raster", title, plain_style("#888888"), url=url, bounds=bounds, opacity=0.9)


def context_roads(view: View, day: date) -> dict[str, Any]:
    """Roads as thin grey lines under areas' figures, for orientation."""
    style = plain_style("#5b6b7a", dark="#a9b8c6")
    return layer(
        "roads", "line", view.t("planner.roads"), style, url=view.geometry_url("segments", day), width=0.7, opacity=0.55, labels=True, pick=False
    )  # fmt: skip


def outline_grids(view: View, day: date) -> dict[str, Any] | None:
    """Borders of the work grids over everything else."""
    grids, url = grid_places(view, day)
    if url is None or not len(grids):
        return None
    return layer(
        "grids", "polygon", view.t("planner.grids"), plain_style("#7d8c9a"), url=url, opacity=0.04, width=1.1, labels=True
    )  # fmt: skip


def next_points(view: View, choice: Choice) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """Where the next inspectors go, as points with the number of persons; None where no gap is left."""
    day = choice.first[-1]
    plan = density.by_grid(density.placed(view.data.result("density", day), choice.count, view.standard_on(day)))
    grids, _ = grid_places(view, day)
    if not len(plan):
        return None
    shapes = dict(zip(grids["grid_id"].astype(str), grids["geometry"], strict=True))
    titles = [f"+{p} · {n}" for p, n in zip(plan["persons"], plan["name"], strict=True)]
    payload = encode(
        [shapes[a].representative_point() for a in plan["area_id"]], plan["area_id"].tolist(), titles=titles
    )
    style = plain_style("#cc3a8a", dark="#ff7ac0")
    return layer(
        "next", "point", view.t("planner.next", count=choice.count), style, payload=payload, labels=True, width=7.0
    ), plan


def _stack(
    view: View,
    choice: Choice,
    main: Painted,
    title: str,
    under: dict[str, Any] | None,
    under_state: dict[str, Any] | None,
) -> Drawn:
    spec, state = map_layer(view, main, title=title)
    states = [state]
    day = choice.first[-1]
    layers: list[dict[str, Any]] = []
    if under is not None:
        layers.append(under)
        states += [under_state] if under_state else []
    if main.layer_id == "roads":
        grids = outline_grids(view, day) if under is None or under["id"] == "scene" else None
        layers += [grids] if grids else []
        layers.append(spec)
    else:
        layers += [spec, context_roads(view, day)]
    next_ = next_points(view, choice) if choice.what.group == "density" else None
    if next_ is not None:
        layers.append(next_[0])
    return Drawn(layers, states, main)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One map: its layers, their states, and what its main layer shows."""

    layers: list[dict[str, Any]]
    states: list[dict[str, Any]]
    main: Painted | None


EMPTY = Drawn([], [], None)


def _under(view: View, choice: Choice) -> tuple[dict[str, Any] | None, dict[str, Any] | None, Painted | None]:
    """The layer beneath: image, or a measure that is not the main one."""
    if choice.under in {"none", choice.measure}:
        return None, None, None
    if choice.under == "scene":
        return scene_layer(view, choice), None, None
    painted = paint(view, choice, choice.first, measure=choice.under)
    if PLACES[choice.what.layer.geometry_table] == painted.layer_id and painted.layer_id == "grids":
        return None, None, painted  # the same places cannot be painted twice on one map: beside it they can
    spec, state = map_layer(view, painted, under=True)
    return spec, state, painted


def draw(view: View, choice: Choice) -> tuple[Drawn, Drawn]:
    """The map and, where two are asked for, the second map."""
    first = paint(view, choice, choice.first)
    under, state, painted = _under(view, choice)
    change = choice.what.change
    span = period_words(choice.first)
    if choice.compare == "difference" and change is not None:
        gap = difference(first, paint(view, choice, choice.second), change)
        return _stack(
            view, choice, gap, f"{change.title(view.lang)} · {span} − {period_words(choice.second)}", under, state
        ), EMPTY
    if choice.compare == "under":
        return _stack(view, choice, first, "", None, None), _beside(view, choice, under, state, painted)
    title = f"{first.symbology.title(view.lang)} · {span}" if choice.compare == "side" else ""
    drawn = _stack(view, choice, first, title, under, state)
    if choice.compare != "side":
        return drawn, EMPTY
    other = paint(view, choice, choice.second)
    return drawn, _stack(
        view, choice, other, f"{other.symbology.title(view.lang)} · {period_words(choice.second)}", under, state
    )


def _beside(
    view: View, choice: Choice, under: dict[str, Any] | None, state: dict[str, Any] | None, painted: Painted | None
) -> Drawn:
    """What lies under the roads, on a map of its own."""
    roads = context_roads(view, choice.first[-1])
    if painted is not None:
        spec, state = map_layer(view, painted)
        return Drawn([spec, roads], [state], painted)
    return Drawn([*([under] if under else []), roads], [state] if state else [], None)


def period_words(days: tuple[date, ...]) -> str:
    """A day, or from … to … with how many audited days."""
    return str(days[0]) if len(days) == 1 else f"{days[0]} … {days[-1]} ({len(days)})"
