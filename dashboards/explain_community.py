"""The evidence behind a community grid's windows: what was due, the check-ins there, and where tracks crossed the grid."""

# ruff: noqa: E501 (cells of tables and layers stand on a line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from dash import html

from dashboards.desk_manager import Choice
from dashboards.explain_parts import around, back, clause_part, definition, person_names
from dashboards.explain_passes import grid_passes, passes_part
from dashboards.geometry import encode
from dashboards.maps import layer, map_view, plain_style
from dashboards.marks import explain_address, outcome_mark
from dashboards.sentences import missing_words
from dashboards.shell import card, notice, page_head
from layers.symbology import outcome_color, word

if TYPE_CHECKING:
    from datetime import date

    from dash.development.base_component import Component

    from dashboards.context import View

STAMP = "%Y%m%dT%H%M"
MOST = 200


def checkins_of(checkins: pd.DataFrame, places: pd.DataFrame, grid_id: str, span: tuple[Any, Any]) -> pd.DataFrame:
    """Check-ins at a grid or its places within a time, in their order."""
    known = {grid_id, *places["area_id"].astype(str)}
    rows = checkins[checkins["place_id"].astype(str).isin(known)]
    here: pd.DataFrame = rows[(rows["time"] >= span[0]) & (rows["time"] < span[1])]
    return here.sort_values(["time", "person_id"], kind="stable")


def community_page(view: View, day: date, grid_id: str) -> Component:
    """A community grid on a day: its windows, one of them in full, its check-ins and its map."""
    t = view.t
    grids = view.data.read("community_grids", day, where={"grid_id": grid_id})
    windows = view.data.result("community_windows", day, where={"grid_id": grid_id})
    if not len(grids) or not len(windows):
        return notice(t("explain.title"), t("explain.not_here"))
    grid = grids.iloc[0]
    windows = windows.sort_values(["rule_id", "starts"], kind="stable")
    asked = (windows["rule_id"] == view.query.get("rule", "")) & (
        windows["starts"].dt.strftime(STAMP) == view.query.get("window", "")
    )
    window = windows[asked].iloc[0] if asked.any() else windows.iloc[0]
    span = (window["starts"], window["ends"])
    places = view.data.community_places(day, grid_id)
    checkins = checkins_of(view.data.read("checkins", day), places, grid_id, span)
    left = [
        clause_part(view, day, window["rule_id"], None),
        card(t("explain.windows"), _timeline(view, day, windows, window), note=t("explain.community_note")),
        card(t("explain.figure"), _facts(view, window)),
        card(t("explain.checkins"), _checkins(view, day, checkins, places)),
    ]
    segments = view.data.read("segments", day, where={"community_grid_id": grid_id})
    moments = tuple(int(s.timestamp() * 1000) for s in span)
    left.append(passes_part(view, day, grid_passes(view, day, segments, window["rule_id"], (moments[0], moments[1]))))
    title = str(grid["name"]) if isinstance(grid["name"], str) and grid["name"] else grid_id
    head = page_head(
        title, f"{day} · {t('explain.community_lead')}", [back(view, day, Choice(kind="community", level="community"))]
    )
    rule: Any = view.standard_on(day).rules.get(str(window["rule_id"]))
    chart = _map(view, day, grid, places, tuple(getattr(rule, "roles", ())), span)
    return html.Div(
        [head, html.Div([html.Div(left, className="stack"), chart], className="explain-split")], className="stack"
    )


def _span(view: View, window: Any) -> str:
    return f"{view.local(window['starts']):%m-%d %H:%M} – {view.local(window['ends']):%m-%d %H:%M}"


def _timeline(view: View, day: date, windows: pd.DataFrame, chosen: pd.Series) -> Component:
    links = []
    for w in windows.to_dict("records"):
        here = w["rule_id"] == chosen["rule_id"] and w["starts"] == chosen["starts"]
        href = explain_address(day, community=w["grid_id"], rule=w["rule_id"], window=f"{w['starts']:{STAMP}}")
        inside = [
            html.Span(_span(view, w)),
            html.Strong(word(w["outcome"], view.lang)),
            html.Small(f"{w['done']} / {w['due']}"),
        ]
        current = {"aria-current": "true"} if here else {}
        links.append(html.A(inside, href=href, style={"--colour": outcome_color(str(w["outcome"]))}, **current))
    return html.Div(links, className="timeline wide")


def _facts(view: View, window: pd.Series) -> Component:
    t = view.t
    evidence = word(window["evidence"], view.lang) if isinstance(window["evidence"], str) else t("explain.none")
    return definition([
        (t("explain.span"), _span(view, window)),
        (t("explain.outcome"), outcome_mark(str(window["outcome"]), view.lang)),
        (t("explain.due"), t("explain.due_text", due=int(window["due"]), done=int(window["done"]))),
        (t("explain.evidence"), evidence),
        (t("explain.cause"), word(window["cause"], view.lang) if isinstance(window.get("cause"), str) else t("explain.none")),
        (t("explain.missing"), missing_words(window["missing"], view.lang) or t("explain.none")),
        *_doubts(view, window.get("doubtful_checkins")),
    ])  # fmt: skip


def _doubts(view: View, text: Any) -> list[tuple[str, Any]]:
    """Check-ins that the audit did not count, and why."""
    if not isinstance(text, str) or not text:
        return []
    lines = [missing_words(part, view.lang) for part in text.split("；")]
    return [(view.t("explain.doubtful"), html.Ul([html.Li(line) for line in lines]))]


def _checkins(view: View, day: date, rows: pd.DataFrame, places: pd.DataFrame) -> Component:
    t = view.t
    if not len(rows):
        return html.P(t("explain.checkins_none"), className="note")
    people = person_names(view, day) if view.principal.sees_tracks else {}
    names = dict(zip(places["area_id"].astype(str), places["name"].fillna("").astype(str), strict=True))
    heads = [t("explain.time"), t("explain.place"), *([t("explain.person")] if view.principal.sees_tracks else [])]
    body = [
        html.Tr([
            html.Td(f"{view.local(r['time']):%m-%d %H:%M:%S}"), html.Td(names.get(str(r["place_id"])) or str(r["place_id"])),
            *([html.Td(people.get(str(r["person_id"]), str(r["person_id"])))] if view.principal.sees_tracks else []),
        ])
        for r in rows.head(MOST).to_dict("records")
    ]  # fmt: skip
    return html.Table(
        [html.Thead(html.Tr([html.Th(h, scope="col") for h in heads])), html.Tbody(body)], className="data"
    )


def _map(
    view: View, day: date, grid: pd.Series, places: pd.DataFrame, roles: tuple[str, ...], span: tuple[Any, Any]
) -> Component:
    """The grid, its places and, for roles that may see them, the fixes on duty of the day inside it within the window."""
    t = view.t
    layers = [layer("grid", "polygon", t("explain.map_community"), plain_style("#9db7cb"), opacity=0.25, outline="#40627c",
                    payload=encode([grid["geometry"]], [str(grid["grid_id"])]))]  # fmt: skip
    if len(places):
        points = shapely.point_on_surface(places["geometry"].to_numpy())
        layers.append(layer("places", "point", t("explain.map_places"), plain_style("#0072b2"), width=6.0,
                            payload=encode(points, places["area_id"].astype(str).tolist(), titles=places["name"].fillna("").astype(str).tolist())))  # fmt: skip
    if view.principal.sees_tracks:
        fixes = _fixes(view, day, grid, roles, span)
        if len(fixes):
            names = person_names(view, day)
            titles = [
                f"{names.get(p, p)} {view.local(m):%H:%M:%S}"
                for p, m in zip(fixes["person_id"], fixes["t_ms"], strict=True)
            ]
            dots = np.asarray(shapely.points(fixes["lon"].to_numpy(), fixes["lat"].to_numpy()), dtype=object)
            layers.append(layer("fixes", "point", t("explain.map_inside"), plain_style("#cc79a7"), width=3.0,
                                payload=encode(dots, [str(i) for i in range(len(fixes))], titles=titles)))  # fmt: skip
    chart = map_view(view, "explain-map", label=t("explain.map_community"), layers=layers, height="100%",
                     fit={"bounds": around(grid["geometry"]), "max_zoom": 17})  # fmt: skip
    return card(None, chart, class_name="explain-map")


def _fixes(view: View, day: date, grid: pd.Series, roles: tuple[str, ...], span: tuple[Any, Any]) -> pd.DataFrame:
    """Fixes on duty inside the grid, of those in the visitor's scope whom the rule names."""
    persons = view.data.read("persons", day)
    members = persons.loc[persons["role"].isin(roles), "person_id"].astype(str).tolist()
    if not members:
        return pd.DataFrame()
    from_ms, to_ms = (int(s.timestamp() * 1000) for s in span)
    fixes = view.data.tracks(
        day, person_ids=members, from_ms=from_ms, to_ms=to_ms, purpose=f"explain {grid['grid_id']}"
    )
    west, south, east, north = shapely.bounds(grid["geometry"]).tolist()
    lon, lat = fixes["lon"].to_numpy(dtype=float), fixes["lat"].to_numpy(dtype=float)
    near = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    near[near] = shapely.contains_xy(grid["geometry"], lon[near], lat[near])
    inside: pd.DataFrame = fixes[near].reset_index(drop=True)
    return inside
