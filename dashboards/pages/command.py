"""The command centre: the state now, or at any moment of a stored day, kept fresh by a stream."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

import time
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import Input, Output, State, dcc, html

from dashboards.auth.principal import forbidden
from dashboards.desk_command import SPANS, day_of, hot_cells, last_fixes, on_duty_count, rounds_done, waiting
from dashboards.maps import (
    Live,
    RampStop,
    class_style,
    layer,
    map_view,
    points,
    ramp_style,
    symbology_codes,
    symbology_style,
)
from dashboards.pages import Page
from dashboards.shell import card, kpi, notice, page_head
from dashboards.streams import Frame
from gis.calendar import day_bounds
from gis.live import shown_share, time_left
from layers.symbology import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dash
    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.auth.principal import Role
    from dashboards.context import Desk, View

ROLES: tuple[Role, ...] = ("command", "manager", "administrator")
SPEEDS = (0, 1, 10, 60, 300)
START_MINUTE = 600
MINUTES = 1440
HOUR_MS = 3_600_000
NEW_CASES = 8


def replay_moment(desk: Desk, day: date) -> int | None:
    """The virtual moment that a replay has reached on this day (the newest load of the source `replay`), None without one."""
    newest = next(
        (
            m.record.path
            for m in desk.store.manifests()
            if m.record.source == "replay" and m.record.table == "positions"
        ),
        "",
    )
    name, _, moment = newest.partition(" ")
    return int(moment) if name == str(day) else None


def moment_of(view: View, params: Mapping[str, str], now_s: float) -> int:
    """The moment that a stream shows: where play began, and how far it has come since; within the day."""
    start, end = day_bounds(date.fromisoformat(params["day"]), view.zone)
    played = max(0.0, now_s - float(params["began"])) * min(max(float(params["speed"]), 0.0), max(SPEEDS))
    return min(start + int(float(params["at"]) * 60_000 + played * 1000), end - 1000)


def minutes(seconds: float) -> str:
    """Time left as a clock, negative when overdue."""
    whole = int(abs(seconds)) // 60
    return f"{'−' if seconds < 0 else ''}{whole // 60}:{whole % 60:02}"


def overdue_table(view: View, rows: pd.DataFrame) -> Component:
    """Sections, the most overdue first."""
    head = html.Tr([html.Th(view.t(f"command.{c}")) for c in ("section", "left", "persons", "near")])
    body = [
        html.Tr([
            html.Td(r["section"]), html.Td(html.Span(minutes(r["left_s"]), className=f"badge {'bad' if r['left_s'] <= 0 else 'warn'}")),
            html.Td(r["persons"]), html.Td(f"{r['near']} {r['metres']:.0f} m" if r["near"] else ""),
        ])
        for r in rows.to_dict("records")
    ]  # fmt: skip
    return html.Table([html.Thead(head), html.Tbody(body)], className="data")


def figures(view: View, on_duty: int, heard: int, overdue: int, rounds: tuple[int, int, int]) -> list[Component]:
    """The tiles."""
    t = view.t
    return [
        kpi(t("command.on_duty"), f"{on_duty} / {heard}"),
        kpi(t("command.overdue_roads"), str(overdue), tone="bad" if overdue else "good"),
        kpi(t("command.rounds"), f"{rounds[0]} / {rounds[1]}", note=t("command.grids_full", n=rounds[2])),
    ]


def command_state(desk: Desk, view: View, params: Mapping[str, str]) -> Frame:
    """The desk at a moment."""
    if view.principal.role not in ROLES:
        raise forbidden(zh="您的角色不能查看", en="your role may not see this")
    day = date.fromisoformat(params["day"])
    reached = replay_moment(desk, day)
    now = moment_of(view, params, time.time()) if reached is None else reached
    d = day_of(view, day)
    people = last_fixes(d, now)
    left, interval = time_left(d.asked, now)
    share = shown_share(left, interval) * 100
    at = d.section_of_segment
    roads = np.where(at >= 0, share[at], np.nan) if len(share) else np.full(len(at), np.nan)
    rows, overdue = waiting(d, now, people)
    span = params.get("span", "day")
    hot = hot_cells(view, d, day, now, span if span in SPANS else "day")
    fresh = d.cases[(d.opened_ms <= now) & (d.opened_ms > now - HOUR_MS)]
    placed = fresh[fresh["located"].astype(bool) & fresh.geometry.notna()]
    ids, lon, lat = hot["cell_id"].tolist(), hot["lon"].tolist(), hot["lat"].tolist()
    codes = symbology_codes(LAYERS["hotspots"], hot["hotspot"]).tolist() if len(hot) else []
    newest = fresh.iloc[::-1].head(NEW_CASES)
    listed = [
        html.Li(f"{view.local(o):%H:%M} {c} {t or ''}")
        for o, c, t in zip(newest["opened"], newest["case_id"], newest["title"], strict=True)
    ]
    clock = f"{view.local(now):%Y-%m-%d %H:%M:%S}" + (f" · {view.t('command.replay')}" if reached is not None else "")
    return Frame(
        values={("command-map", "roads"): roads},
        updates={"command-map": [
            points("density", ids, lon, lat, values=[round(float(v), 2) for v in hot["kde_km2"]]),
            points("hot", ids, lon, lat, values=codes),
            points("cases", placed["case_id"].tolist(), placed.geometry.x.tolist(), placed.geometry.y.tolist(), values=[0] * len(placed),
                   titles=placed["title"].fillna("").tolist()),
            points("people", people["person_id"].tolist(), people["lon"].tolist(), people["lat"].tolist(), values=[0] * len(people),
                   titles=[f"{d.names.get(p, p)} {view.local(ms):%H:%M:%S}" for p, ms in zip(people["person_id"], people["t_ms"], strict=True)]),
        ]},
        props={
            "command-clock": {"children": clock}, "command-overdue": {"children": overdue_table(view, rows)},
            "command-figures": {"children": figures(view, on_duty_count(d, now), len(people), overdue, rounds_done(d, now))},
            "command-cases": {"children": html.Ul(listed)},
        },
        data={"now": now},
    )  # fmt: skip


def stream(view: View, day: date, at: float, speed: float, span: str) -> str:
    """Where the page listens: a stream that says itself where play began heals to the right moment."""
    return view.stream_url("command", day=day, at=at, speed=speed, span=span, began=round(time.time(), 1))


def layout(view: View) -> Component:
    """The desk."""
    t, day = view.t, view.day()
    if day is None:
        return notice(t("command.title"), t("command.none"))
    colours = ("#b2182b", "#ef8a62", "#fddbc7", "#67a9cf", "#2166ac")
    stops: list[RampStop] = [{"value": v, "colour": c} for v, c in zip((0, 10, 30, 60, 100), colours, strict=True)]
    stops[0]["label"], stops[-1]["label"] = t("command.overdue"), t("command.fresh")
    density = ramp_style([{"value": 0, "colour": "#ffffcc"}, {"value": 50, "colour": "#253494"}], unit="/km²")
    layers = [
        layer("roads", "line", t("command.roads"), ramp_style(stops, unit="%", missing_label=t("command.not_asked")),
              url=view.geometry_url("segments", day), width=3.0, labels=True),
        layer("density", "point", t("command.density"), density, visible=False, opacity=0.5),
        layer("hot", "point", t("command.hot"), symbology_style(LAYERS["hotspots"], view.lang), visible=False, opacity=0.6),
        layer("cases", "point", t("command.cases"), class_style([{"code": 0, "colour": "#cc79a7", "label": t("command.cases")}])),
        layer("people", "point", t("command.people"), class_style([{"code": 0, "colour": "#009e73", "label": t("command.people")}])),
    ]  # fmt: skip
    slider = dcc.Slider(id="command-at", min=0, max=MINUTES - 1, step=1, value=START_MINUTE, updatemode="mouseup",
                        marks={m: f"{m // 60:02}:00" for m in range(0, MINUTES, 180)})  # fmt: skip
    speeds = dcc.RadioItems(id="command-speed", inline=True, value=0,
                            options=[{"value": s, "label": f"{s}×" if s else t("command.pause")} for s in SPEEDS])  # fmt: skip
    spans = dcc.RadioItems(
        id="command-span",
        inline=True,
        value="day",
        options=[{"value": s, "label": t(f"command.span_{s}")} for s in SPANS],
    )
    status = html.Span(t("command.connecting"), id="command-status", className="status-dot", role="status")
    side = html.Div(
        [
            card(t("command.list"), html.Div(id="command-overdue")),
            card(t("command.new_cases"), html.Div(id="command-cases")),
        ],
        className="stack",
    )
    tools = html.Div(
        [html.Div(speeds, className="segmented"), html.Div(spans, className="segmented"), slider], className="stack"
    )
    return html.Div([
        page_head(t("command.title"), t("command.lead"), [html.Strong(id="command-clock"), status]),
        card(None, tools), html.Div(id="command-figures", className="tiles"),
        html.Div([html.Div(map_view(view, "command-map", label=t("command.map"), layers=layers), className="card map-card"), side], className="split"),
        dcc.Store(id="command-day", data=str(day)),
            dcc.Store(id="command-words", data={k: t(f"command.{k}") for k in ("live", "lost", "connecting")}),
        Live(id="command-live", url=stream(view, day, START_MINUTE, 0, "day")),
    ], className="stack command-page")  # fmt: skip


def register(app: dash.Dash, desk: Desk) -> None:
    """Slider, play and the state of the connection."""
    desk.streams.register("command", partial(command_state, desk))

    @app.callback(  # type: ignore[untyped-decorator]
        Output("command-live", "url"), Input("command-at", "value"), Input("command-speed", "value"), Input("command-span", "value"),
        State("command-day", "data"), State("command-live", "data"), prevent_initial_call=True,
    )  # fmt: skip
    def choose(at: float, speed: float, span: str, day: str, data: dict[str, Any] | None) -> str:
        from dash import ctx  # noqa: PLC0415 (only inside a callback)

        view = desk.view(roles=ROLES)
        start, _ = day_bounds(date.fromisoformat(day), view.zone)
        if ctx.triggered_id != "command-at" and data and "now" in data:
            at = (data["now"] - start) / 60_000  # play goes on from the moment shown
        return stream(view, date.fromisoformat(day), at, speed, span)

    app.clientside_callback(  # in the browser: a lost connection must be told without the server
        "function(s, w) { const k = s || 'connecting'; return [w[k], 'status-dot ' + k]; }",
        Output("command-status", "children"),
        Output("command-status", "className"),
        Input("command-live", "status"),
        State("command-words", "data"),
    )


PAGE = Page(path="/command", title="command.title", layout=layout, register=register, roles=ROLES, order=2)
