"""The first page: which desks there are, and the network at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dash import Input, Output, html

from dashboards.cells import bounds
from dashboards.desk_manager import Choice
from dashboards.manager_tables import figures_of
from dashboards.maps import class_style, full_codes, layer, map_view
from dashboards.marks import explain_address
from dashboards.pages import Page, all_pages
from dashboards.shell import card, kpi, notice, page_head

if TYPE_CHECKING:
    from datetime import date

    import dash
    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.context import Desk, View

DESKS = (("planner", "/planner"), ("command", "/command"), ("manager", "/manager"), ("data", "/data"))
CLASSES = (
    ("main", "#0b5a8f", "#6cb8ea"),
    ("secondary", "#4d93bd", "#4d93bd"),
    ("branch", "#8fb5cd", "#3c6c8c"),
    ("no_rule", "#bcc5cd", "#4a5763"),
)


def class_codes(sections: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The code of each section's policy class, -1 where it is none of them."""
    order = {name: k for k, (name, _, _) in enumerate(CLASSES)}
    return np.array([order.get(str(c), -1) for c in sections["policy_class"]], dtype=np.int64)


def _tiles(view: View) -> Component:
    open_to = {page.path.removesuffix("/*") for page in all_pages() if view.principal.role in page.roles}
    desks = [(key, path) for key, path in DESKS if path in open_to]
    tiles = [
        html.A([html.H2(view.t(f"home.{key}")), html.P(view.t(f"home.{key}_text"))], href=path, className="card tile")
        for key, path in desks
    ]
    return html.Nav(tiles, className="tiles", **{"aria-label": view.t("home.title")})


def _figures(view: View, day: date, sections: pd.DataFrame) -> Component:
    t, days = view.t, view.data.days()
    kilometres = float(sections["length_mm"].sum()) / 1e6
    row = figures_of(view, day, Choice())["entitled"]
    found = [] if row is None else [
        kpi(t("home.rate"), bounds(row["rate_low"], row["rate_high"]), note=t("home.windows", n=f"{int(row['windows']):,}")),
        kpi(t("home.missed"), f"{int(row['missed']):,}", note=t("home.unknown", n=f"{int(row['unknown']):,}"),
            tone="bad" if row["missed"] else ""),
    ]  # fmt: skip
    return html.Div(
        [
            kpi(t("home.latest"), str(day), note=t("home.days", n=f"{len(days):,}")),
            *found,
            kpi(t("home.sections"), f"{len(sections):,}", note=t("home.length", km=f"{kilometres:,.1f}")),
        ],
        className="grid grid-4",
    )


def _network(view: View, day: date, sections: pd.DataFrame) -> Component:
    classes = [
        {"code": k, "colour": light, "colour_dark": dark, "label": view.t(f"home.class_{name}")}
        for k, (name, light, dark) in enumerate(CLASSES)
    ]
    roads = layer(
        "sections",
        "line",
        view.t("home.sections"),
        class_style(classes),  # type: ignore[arg-type]
        url=view.geometry_url("sections", day),
        labels=True,
    )
    chart = map_view(
        view,
        "home-map",
        label=view.t("home.network"),
        layers=[roads],
        state=full_codes("sections", class_codes(sections)),
    )
    return html.Div(
        [
            card(None, chart, class_name="map-card home-map"),
            html.P(view.t("home.pick_hint"), id="home-picked", className="note", role="status"),
        ],
        className="stack",
    )


def layout(view: View) -> Component:
    """The page."""
    day = view.latest_day()
    head = page_head(view.t("home.title"), view.t("home.lead"))
    if day is None:
        return html.Div([head, _tiles(view), notice("", view.t("home.none"))], className="stack")
    sections = view.data.read("sections", day)
    return html.Div(
        [head, _tiles(view), _figures(view, day, sections), _network(view, day, sections)], className="stack"
    )


def register(app: dash.Dash, desk: Desk) -> None:
    """A click on a road names it."""

    @app.callback(Output("home-picked", "children"), Input("home-map", "click"), prevent_initial_call=True)  # type: ignore[untyped-decorator]
    def picked(click: dict[str, Any]) -> list[Any]:
        view = desk.view()
        day = view.latest_day()
        said = view.t("home.picked", name=click["title"] or "-", id=click["id"])
        return (
            [said, " ", html.A(view.t("home.evidence"), href=explain_address(day, section=click["id"]))]
            if day
            else [said]
        )


PAGE = Page(path="/", title="home.title", layout=layout, register=register)
