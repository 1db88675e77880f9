"""审计 (audit), the manager's desk: coverage that drills from the county to a single window, its trend, its confirmation, its exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash
from dash import ALL, Input, Output, State, ctx, dcc, html

from dashboards.auth.principal import ForbiddenError
from dashboards.desk_manager import (
    DESCENDING,
    LEVELS,
    LEVELS_OF,
    NAMED_FILTERS,
    NEXT,
    OUTCOME_FILTERS,
    Choice,
    path_names,
    trend,
)
from dashboards.manager_parts import (
    PAGE_ROWS,
    confirmation_of,
    confirmed,
    export_links,
    figures_row,
    provisional_note,
    table_part,
    trend_part,
)
from dashboards.manager_tables import figures_of, table_of
from dashboards.pages import Page
from dashboards.scoped_source import windows_of
from dashboards.shell import card, notice, page_head
from dashboards.tally import KINDS
from layers.symbology import word

if TYPE_CHECKING:
    from datetime import date

    from dash.development.base_component import Component

    from dashboards.auth.principal import Role
    from dashboards.context import Desk, View

ROLES: tuple[Role, ...] = ("manager", "administrator")
TREND_DAYS = 42
FIRST_LEVEL = {"county": "town", "town": "squad", "squad": "grid"}  # where each scope has more than one row


def _do(do: str, key: str, text: str, *, pressed: bool | None = None, **props: Any) -> Component:
    """A button that changes the choice."""
    extra = {} if pressed is None else {"aria-pressed": "true" if pressed else "false"}
    return html.Button(
        text, id={"type": "manager-do", "do": do, "key": key}, n_clicks=0, type="button", **extra, **props
    )


def changed(choice: Choice, do: str, key: str) -> Choice:
    """The choice after a button."""
    if do == "kind":
        return Choice(kind=next((k for k in KINDS if k == key), "roads"))
    if do == "level":
        return Choice.of({**choice.query(), "level": key, "sort": "", "down": ""})
    if do == "into":
        return choice.into(key)
    if do == "up":
        return Choice(kind=choice.kind, rule=choice.rule) if key == "" else choice.up_to(key)
    if do in {"sort", "turn"}:  # a heading; that of the order in which rows stand
        down = not choice.down if do == "turn" else key in DESCENDING
        return Choice.of({**choice.query(), "sort": key, "down": "1" if down else ""})
    return choice


def _controls(view: View, choice: Choice, names: dict[str, str]) -> Component:
    t = view.t
    kinds = [_do("kind", k, t(f"manager.kind_{k}"), pressed=k == choice.kind) for k in KINDS]
    levels = [
        _do("level", k, t.pick(LEVELS[k].zh, LEVELS[k].en), pressed=k == choice.level) for k in LEVELS_OF[choice.kind]
    ]
    crumbs: list[Any] = [_do("up", "", t("manager.everything"))]
    for level in choice.path:
        name = names.get(level, choice.path[level])
        words = t.pick(f"{LEVELS[level].zh}：{name}", f"{LEVELS[level].en}: {name}")
        crumbs += ["›", _do("up", level, words)]
    crumbs += ["›", html.Span(t.pick(LEVELS[choice.level].zh, LEVELS[choice.level].en), className="here")]
    return html.Div(
        [
            html.Div(
                [
                    html.Div([html.Span(t("manager.kind"), className="label"),
                              html.Div(kinds, className="button-row", role="group")], className="field"),
                    html.Div([html.Span(t("manager.level"), className="label"),
                              html.Div(levels, className="button-row", role="group")], className="field"),
                ],
                className="audit-tools",
            ),
            html.Nav(crumbs, className="crumbs", **{"aria-label": t("manager.crumbs")}),
        ],
        className="stack",
    )  # fmt: skip


def _filters(view: View, day: date, choice: Choice) -> Component:
    t = view.t
    rules = [{"label": t.pick(r.zh, r.en), "value": k} for k, r in view.standard_on(day).rules.items()
             if r.kind in {"road", "rounds", "community"}]  # fmt: skip
    outcomes = [{"label": t(f"manager.{o}"), "value": o} for o in OUTCOME_FILTERS]
    named = [
        {"label": t("manager.unnamed") if n == "unnamed" else word(n, view.lang), "value": n} for n in NAMED_FILTERS
    ]
    return html.Div(
        [
            html.Div([html.Label(t("manager.rule"), htmlFor="manager-rule"), dcc.Dropdown(
                id="manager-rule", options=rules, value=choice.rule or None, placeholder=t("manager.rule_all"))], className="field wide"),
            html.Div([html.Label(t("manager.outcome"), htmlFor="manager-outcome"), dcc.Dropdown(
                id="manager-outcome", options=outcomes, value=choice.outcome or None, placeholder=t("manager.outcome_all"))],
                className="field"),
            html.Div([html.Label(t("manager.named"), htmlFor="manager-named"), dcc.Dropdown(
                id="manager-named", options=named, value=choice.named or None, placeholder=t("manager.named_all"),
                disabled=choice.kind != "roads")],
                className="field"),
            html.Div([html.Label(t("manager.find"), htmlFor="manager-find"), dcc.Input(
                id="manager-find", type="search", value=choice.find, debounce=0.4, placeholder=t("manager.find_hint"))],
                className="field"),
        ],
        className="audit-tools",
    )  # fmt: skip


def _page(view: View, day: date, choice: Choice, start: int) -> list[Any]:
    """Everything that depends on the choice: controls, figures, table, exports, what may be confirmed."""
    base = windows_of(view, choice.kind, day)
    table = table_of(view, day, choice)
    figures = figures_of(view, day, choice)
    into = NEXT[choice.kind].get(choice.level) is not None
    names = path_names(base, choice, view.lang)
    return [
        _controls(view, choice, names),
        [*provisional_note(view.t, base), figures_row(view, day, choice, figures)],
        table_part(view, day, choice, table, start=start, into=into, button=_do),
        export_links(view, day, choice),
        confirmed(view, day, choice, figures, names),
    ]


def layout(view: View) -> Component:
    """The page."""
    day = view.day()
    head = view.t("manager.title")
    if day is None:
        return html.Div(
            [page_head(head, view.t("manager.lead")), notice("", view.t("manager.none"))], className="stack"
        )
    choice = Choice.of({"level": FIRST_LEVEL[view.principal.scope.kind], **view.query})
    controls, figures, table, exports, confirmation = _page(view, day, choice, 0)
    pick_day = dcc.Dropdown(
        id="manager-day", options=[{"label": str(d), "value": str(d)} for d in reversed(view.data.days())], value=str(day), clearable=False,
        style={"minWidth": "150px"},
    )  # fmt: skip
    tools = [html.Label(view.t("manager.day"), htmlFor="manager-day"), pick_day]
    side = html.Div(
        [
            card(view.t("manager.trend"), html.Div(id="manager-trend")),
            card(view.t("manager.confirm"), html.Div(confirmation, id="manager-confirmed", className="stack"),
                 html.Button(view.t("manager.confirm_button"), id="manager-confirm", className="button", n_clicks=0)),
            html.Div(exports, id="manager-exports", className="stack"),
        ],
        className="stack",
    )  # fmt: skip
    return html.Div(
        [
            page_head(head, view.t("manager.lead"), tools),
            html.Div(figures, id="manager-figures"),
            html.Div(
                [
                    card(None, html.Div([html.Div(controls, id="manager-controls"), _filters(view, day, choice),
                                         html.Div(table, id="manager-table")], className="stack")),
                    side,
                ],
                className="audit-split",
            ),
            dcc.Store(id="manager-choice", data={"query": choice.query(), "day": str(day), "start": 0}),
            dcc.Store(id="manager-address"),
        ],
        className="stack",
    )  # fmt: skip


def next_state(state: dict[str, Any], trigger: Any, values: dict[str, str]) -> dict[str, Any] | None:
    """The stored choice after what the visitor did; None where nothing changed."""
    choice = Choice.of(state["query"])
    if isinstance(trigger, dict):
        if trigger["do"] == "page":
            return {**state, "start": max(0, int(trigger["key"]))}
        if trigger["do"] in {"kind", "into"}:
            values = {**values, "find": ""} | (
                {"rule": "", "outcome": "", "named": ""} if trigger["do"] == "kind" else {}
            )
        choice = changed(choice, trigger["do"], trigger["key"])
    query = {k: v for k, v in choice.query().items() if k not in {"rule", "outcome", "named", "find"}}
    query |= {k: values[k] for k in ("rule", "outcome", "named", "find") if values.get(k)}
    new = {"query": Choice.of(query).query(), "day": values["day"], "start": 0}
    return None if new == state else new


def _day(view: View, text: str) -> date | None:
    return next((d for d in view.data.days() if str(d) == text), view.latest_day())


# A step down, up or to another day is one that the browser's Back takes back; another order or filter of the same rows is not.
ADDRESS = """function(state, before) {
  if (!state) { return window.dash_clientside.no_update; }
  const query = new URLSearchParams(Object.assign({day: state.day}, state.query));
  const place = [...query].filter(([k]) => !["sort", "down", "find", "outcome", "named"].includes(k)).sort().join("&");
  const step = before && before !== place ? "pushState" : "replaceState";
  window.history[step](window.history.state, "", "/manager?" + query);
  return place;
}"""


def register(app: dash.Dash, desk: Desk) -> None:
    """Callbacks: what was done becomes a choice; a choice becomes the page."""

    @app.callback(  # type: ignore[untyped-decorator]
        Output("manager-choice", "data"),
        Output("manager-find", "value"),
        Output("manager-rule", "value"),
        Output("manager-outcome", "value"),
        Output("manager-named", "value"),
        Output("manager-named", "disabled"),
        Input({"type": "manager-do", "do": ALL, "key": ALL}, "n_clicks"),
        Input({"type": "manager-table", "part": ALL}, "clicked"),
        Input("manager-rule", "value"),
        Input("manager-outcome", "value"),
        Input("manager-named", "value"),
        Input("manager-find", "value"),
        Input("manager-day", "value"),
        State("manager-choice", "data"),
        prevent_initial_call=True,
    )
    def choose(_clicks: list[int], _rows: list[Any], *args: Any) -> Any:
        rule, outcome, named, find, day, state = args
        trigger, value = ctx.triggered_id, ctx.triggered[0]["value"]
        if isinstance(trigger, dict) and not value:  # new buttons, not a click
            return (dash.no_update,) * 6
        trigger = value if isinstance(value, dict) else trigger
        given = {"rule": rule or "", "outcome": outcome or "", "named": named or "", "find": find or "", "day": day}
        new = next_state(state, trigger, given)
        if new is None:
            return (dash.no_update,) * 6
        asked = new["query"]
        others = asked.get("kind", "roads") != "roads"
        return new, asked.get("find", ""), asked.get("rule"), asked.get("outcome"), asked.get("named"), others

    @app.callback(  # type: ignore[untyped-decorator]
        Output("manager-controls", "children"),
        Output("manager-figures", "children"),
        Output("manager-table", "children"),
        Output("manager-exports", "children"),
        Output("manager-confirmed", "children"),
        Input("manager-choice", "data"),
        prevent_initial_call=True,
    )
    def show(state: dict[str, Any]) -> Any:
        view = desk.view(roles=ROLES)
        day = _day(view, state["day"])
        return (dash.no_update,) * 5 if day is None else _page(view, day, Choice.of(state["query"]), state["start"])

    @app.callback(  # type: ignore[untyped-decorator]
        Output("manager-confirmed", "children", allow_duplicate=True),
        Input("manager-confirm", "n_clicks"),
        State("manager-choice", "data"),
        prevent_initial_call=True,
    )
    def confirm(clicks: int, state: dict[str, Any]) -> Any:
        if not clicks:
            return dash.no_update
        view = desk.view(roles=ROLES)
        day = _day(view, state["day"])
        if day is None:
            return dash.no_update
        choice = Choice.of(state["query"])
        base = windows_of(view, choice.kind, day)
        figures = figures_of(view, day, choice)
        try:
            view.data.confirm(confirmation_of(view, day, choice, figures))
        except ForbiddenError as error:
            return error.render(view.lang)
        done = html.P(view.t("manager.confirm_done"), className="note", role="status")
        return [*confirmed(view, day, choice, figures, path_names(base, choice, view.lang)), done]

    _add_trend(app, desk)
    app.clientside_callback(
        ADDRESS, Output("manager-address", "data"), Input("manager-choice", "data"), State("manager-address", "data")
    )


def _add_trend(app: dash.Dash, desk: Desk) -> None:
    """The trend comes after the page: it counts many days."""

    @app.callback(Output("manager-trend", "children"), Input("manager-choice", "data"))  # type: ignore[untyped-decorator]
    def course(state: dict[str, Any]) -> Any:
        view = desk.view(roles=ROLES)
        day = _day(view, state["day"])
        if day is None:
            return dash.no_update
        choice = Choice.of(state["query"])
        days = view.data.days()[-TREND_DAYS:]
        return trend_part(view, day, trend({d: figures_of(view, d, choice) for d in days}), choice)


PAGE = Page(path="/manager", title="manager.title", layout=layout, register=register, roles=ROLES, order=3)
__all__ = ["PAGE", "PAGE_ROWS"]
