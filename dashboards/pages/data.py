"""The data page: loads, quarantine, layers and editions, scenes, the standard with its clauses, and the last audits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Input, Output, State, dcc, html

from dashboards import desk_data as data
from dashboards.auth.principal import ForbiddenError
from dashboards.data_access import access
from dashboards.data_audits import runs, scenes, standard
from dashboards.data_loads import LIMIT, editions, loads, quarantine, rejected, unresolved
from dashboards.pages import Page
from dashboards.shell import page_head

if TYPE_CHECKING:
    import dash
    from dash.development.base_component import Component

    from dashboards.context import Desk, View

TABS = ("loads", "quarantine", "unresolved", "editions", "scenes", "standard", "runs", "access")
MAKERS = {
    "loads": loads,
    "quarantine": quarantine,
    "unresolved": unresolved,
    "editions": editions,
    "scenes": scenes,
    "standard": standard,
    "runs": runs,
    "access": access,
}


def contents(view: View, tab: str) -> list[Component]:
    """One tab; a refusal says so."""
    try:
        return MAKERS[tab if tab in MAKERS else TABS[0]](view)
    except ForbiddenError:
        why = "data.administrators_only" if tab == "access" else "data.county_only"
        return [html.P(view.t(why), className="alert warn", role="alert")]


def layout(view: View) -> Component:
    """The page."""
    usual = "loads" if view.principal.scope.whole else "standard"
    shown = [n for n in TABS if n != "access" or view.principal.role == "administrator"]
    tab = view.query.get("tab", usual)
    tab = tab if tab in TABS else usual
    tabs = dcc.RadioItems(
        id="data-tab", options=[{"value": n, "label": view.t(f"data.tab_{n}")} for n in shown], value=tab, inline=True
    )
    return html.Div(
        [
            page_head(view.t("data.title"), view.t("data.lead")),
            html.Div(tabs, className="segmented", role="group", **{"aria-label": view.t("data.tab")}),
            html.Div(contents(view, tab), id="data-contents", className="stack"),
        ],
        className="stack data-page",
    )


def register(app: dash.Dash, desk: Desk) -> None:
    """Tabs, filters of the quarantine, and its export."""

    @app.callback(Output("data-contents", "children"), Input("data-tab", "value"), prevent_initial_call=True)  # type: ignore[untyped-decorator]
    def show(tab: str) -> list[Component]:
        return contents(desk.view(), tab)

    @app.callback(  # type: ignore[untyped-decorator]
        Output("data-rejected", "children"),
        Input("data-source", "value"),
        Input("data-reason", "value"),
        prevent_initial_call=True,
    )
    def narrow(source: str | None, code: str | None) -> Component:
        return rejected(desk.view(), source or "", code or "")

    @app.callback(  # type: ignore[untyped-decorator]
        Output("data-download", "data"),
        Input("data-export", "n_clicks"),
        State("data-source", "value"),
        State("data-reason", "value"),
        prevent_initial_call=True,
    )
    def export(clicks: int, source: str | None, code: str | None) -> dict[str, str] | None:
        if not clicks:
            return None
        found = data.quarantine_rows(desk.view().data.quarantine(limit=LIMIT), source=source or "", code=code or "")
        return {
            "content": data.quarantine_csv(found),
            "filename": "xuncha-quarantine.csv",
            "type": "text/csv;charset=utf-8",
        }


PAGE = Page(path="/data", title="data.title", layout=layout, register=register, order=4)
