"""The command centre: the state now, or at any moment of a stored day, kept fresh by a stream."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dash
import numpy as np
import pandas as pd
from dash import Input, Output, State, dcc, html

from dashboards.auth.principal import forbidden
from dashboards.command_day import day_of
from dashboards.command_parts import (
    FOLLOW,
    GRID_CODES,
    SPEEDS,
    STATUS,
    STEER,
    case_list,
    controls,
    figures,
    grid_table,
    left_words,
    map_layers,
    near_words,
    nothing_known,
    overdue_table,
    pace_of,
    people_table,
    persons_of,
    reason_of,
    road_codes,
    road_detail,
)
from dashboards.command_people import HEARD, counted, nearest, people_at
from dashboards.desk_command import SPANS, fixes_of, hot_cells, listed, roads_at, rounds_done
from dashboards.maps import Live, map_view, points
from dashboards.pages import Page
from dashboards.shell import card, notice, page_head
from dashboards.streams import Frame
from gis.calendar import day_bounds
from gis.live import DUE, FREE, OVERDUE, STATES, last_completed
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dash.development.base_component import Component

    from dashboards.auth.principal import Role
    from dashboards.command_day import Day
    from dashboards.command_parts import Element
    from dashboards.context import Desk, View

ROLES: tuple[Role, ...] = ("command", "manager", "administrator")
HOUR_MS = 3_600_000
LATE_MS = 120_000  # evidence older than this is told
LATE_REPLAY_MS = 900_000  # on a clock that runs 60 or 300 times as fast


def live_day(view: View) -> date | None:
    """The day under way: that of a replay, or today where anything of today is in the store or somebody follows it; None in an archive."""
    newest = view.data.newest_positions()
    if newest.replayed:
        return date.fromisoformat(newest.replayed)
    today = view.local(datetime.now(UTC)).date()
    return today if view.data.fed(today) else None


def now_of(view: View, day: date) -> int | None:
    """The moment that is now on this day: of a replay, or of the clock on the day itself; None on any other day."""
    newest = view.data.newest_positions()
    if newest.replayed == str(day):
        return newest.reached_ms
    now = datetime.now(UTC)
    return int(now.timestamp() * 1000) if view.local(now).date() == day else None


def desk_day(view: View) -> date | None:
    """The day that the page opens on: the one named, else the one under way, else the latest that is known."""
    days, now = view.data.seen_days(), live_day(view)
    known = {str(d): d for d in ([*days, now] if now else days)}
    return known.get(view.query.get("day", ""), now or (days[-1] if days else None))


def as_shown(view: View, day: date) -> View:
    """The view for a day: one under way with what is in force now, any other with what its audit used."""
    return replace(view, data=view.data.current()) if now_of(view, day) is not None else view


def _number(params: Mapping[str, str], key: str, default: float) -> float:
    with suppress(KeyError, ValueError):
        value = float(params[key])
        return value if math.isfinite(value) else default
    return default


def last_moment(view: View, d: Day, day: date) -> int:
    """Where a day that is over is opened: the last minute of which something is known and in which roads are asked for."""
    start, end = day_bounds(day, view.zone)
    bounds = d.standing.judged.bounds_ms if d.standing.judged else None
    asked = bounds[1] if bounds else d.ground.duty_ms[1]
    known = d.standing.until_ms
    return min(max(asked - 60_000 if known is None else min(known, asked - 60_000), start), end - 1000)


def moment_of(view: View, d: Day, day: date, params: Mapping[str, str], now_ms: int | None, now_s: float) -> int:
    """The moment that a stream shows: now, or where play began and how far it has come since; within the day."""
    start, end = day_bounds(day, view.zone)
    if params.get("mode") == "live":
        return min(now_ms, end - 1000) if now_ms is not None else last_moment(view, d, day)
    speed = min(max(_number(params, "speed", 0), 0.0), max(SPEEDS))
    played = max(0.0, now_s - _number(params, "began", now_s)) * speed
    at = start + int(min(max(_number(params, "at", 600), 0.0), 1440.0) * 60_000 + played * 1000)
    return min(at, end - 1000)


def _day(view: View, params: Mapping[str, str]) -> date:
    """The day of a stream: a live one goes on with the next day by itself."""
    now = live_day(view)
    if params.get("mode") == "live" and now is not None:
        return now
    days = view.data.seen_days()
    return next(
        (d for d in [*days, now] if d and str(d) == params.get("day")),
        now or (days[-1] if days else datetime.now(UTC).date()),
    )


def _headline(view: View, d: Day, day: date, now: int, *, live: bool, replay: bool) -> dict[str, Any]:
    words = view.t("command.replay" if replay else "command.now" if live else "command.stored")
    until, late = d.standing.until_ms, LATE_REPLAY_MS if replay else LATE_MS
    on_duty = live and now <= d.ground.duty_ms[1] + late
    old = on_duty and (until is None or now - until > late)
    behind = (now - until) // 60_000 if on_duty and until is not None else 0
    if until is None:
        evidence = view.t("command.evidence_none")
    elif not view.data.heard(day):
        evidence = view.t("command.blind")
    else:
        basis = "command.evidence_live" if d.standing.live else "command.evidence_run"
        evidence = view.t(basis, at=f"{view.local(until):%H:%M}")
        evidence += view.t("command.evidence_behind", n=behind) if behind else ""
    return {
        "command-clock": {
            "children": [html.Span(f"{day}"), html.Strong(f"{view.local(now):%H:%M:%S}"), html.Em(words)]
        },
        "command-evidence": {"children": evidence, "className": "evidence-at old" if old else "evidence-at"},
    }


def command_state(view: View, params: Mapping[str, str]) -> Frame:
    """The desk at a moment."""
    if view.principal.role not in ROLES:
        raise forbidden(zh="您的角色不能查看", en="your role may not see this")
    day = _day(view, params)
    view = as_shown(view, day)
    d, newest = day_of(view, day), view.data.newest_positions()
    g, clock = d.ground, now_of(view, day)
    live = params.get("mode") == "live" and clock is not None
    now = moment_of(view, d, day, params, clock, time.time())
    blind = not view.data.heard(day)
    people = people_of(view, d, day, now, live=live)
    state = roads_at(d, now, wait_s=view.standard_on(day).measure.silence_s.value, closed=clock is None)
    codes, at = road_codes(state), g.section_of_segment
    roads = np.where(at >= 0, codes[at], np.nan) if len(codes) else np.full(len(at), np.nan)
    rows = listed(state.moment).tolist() if state.moment else []
    done = rounds_done(d, now)
    known = state.moment is not None and not blind
    pace = pace_of(g, done, min(now, state.known_ms)) if known else ["none"] * len(done)
    required = g.grids["required"].to_numpy(np.int64)
    span = params.get("span", "day")
    hot = hot_cells(view, d, day, now, span if span in SPANS else "day")
    tiles = figures(
        view, counted(people), state, (int(np.minimum(done, required).sum()), int(required.sum()), pace.count("complete")), hot.significant,
        now_ms=now, blind=blind,
    )  # fmt: skip
    seen = ("command-grid-table", str(day), g.network, view.lang, known, blind, done.tobytes(), tuple(pace))
    grids = view.data.remember(
        seen,
        lambda: grid_table(view, g, done, pace) if known else nothing_known(view, blind=blind),
        lambda _: 2000 * len(pace),
    )
    fresh, cases = _fresh_cases(view, d, now)
    placed = people[people["t_ms"] >= 0]
    names = [g.names.get(p, p) for p in placed["person_id"]]
    shown = points("people", placed["person_id"].tolist(), placed["lon"].tolist(), placed["lat"].tolist(),
                   values=(placed["status"] != HEARD).astype(int).tolist(),
                   titles=[f"{n} {view.local(ms):%H:%M:%S}" for n, ms in zip(names, placed["t_ms"], strict=True)])  # fmt: skip
    return Frame(
        values={
            ("command-map", "roads"): roads,
            ("command-map", "grids"): np.array([np.nan if p == "none" else GRID_CODES[p] for p in pace], dtype=float),
        },
        updates={"command-map": [*hot.updates, cases, shown]},
        props={
            **_headline(view, d, day, now, live=live, replay=live and newest.replayed == str(day)),
            "command-overdue": {"children": overdue_table(view, d, day, state, nearest(view, day, g, people, rows), rows, now)},
            "command-figures": {"children": tiles}, "command-people": {"children": people_table(view, d, people, blind=blind)},
            "command-grids": {"children": grids}, "command-cases": {"children": fresh},
        },
        data={"now": now, "minute": round((now - day_bounds(day, view.zone)[0]) / 60_000, 3), "live": live, "server": round(time.time(), 1),
              "day": str(day), "network": g.network},
        persons=frozenset(placed["person_id"]), day=day,
    )  # fmt: skip


def people_of(view: View, d: Day, day: date, now: int, *, live: bool) -> pd.DataFrame:
    """Everybody of the scope who is on duty at a moment (`command_people.people_at`)."""
    fixes = fixes_of(view, day, d.ground, view.data.newest_positions().load, now if live else None)
    return people_at(
        d.ground, fixes, now, silence_s=view.standard_on(day).measure.silence_s.value, blind=not view.data.heard(day)
    )


def _fresh_cases(view: View, d: Day, now: int) -> tuple[Element, dict[str, Any]]:
    """The list of cases of the last hour, and those of them that have a place, for the map; made anew only when there are others."""
    lo, hi = np.searchsorted(d.cases.opened_ms, [now - HOUR_MS, now], side="right").tolist()

    def make() -> tuple[Element, dict[str, Any]]:
        fresh, here = d.cases.table.iloc[lo:hi], np.isfinite(d.cases.lonlat[lo:hi, 0])
        lon, lat = d.cases.lonlat[lo:hi][here].T.tolist()
        return case_list(view, fresh), points("cases", fresh["case_id"].to_numpy()[here].tolist(), lon, lat, values=[0] * len(lon),
                                              titles=fresh["title"].fillna("").to_numpy()[here].tolist())  # fmt: skip

    return view.data.remember(("command-fresh", d.cases.key, view.lang, lo, hi), make, lambda _: 20_000)


def layout(view: View) -> Component:
    """The desk."""
    t, day = view.t, desk_day(view)
    if day is None:
        return notice(t("command.title"), t("command.none"))
    view = as_shown(view, day)
    d, clock = day_of(view, day), now_of(view, day)
    start = day_bounds(day, view.zone)[0]
    minute = int((last_moment(view, d, day) if clock is None else clock) - start) // 60_000
    asked: dict[str, object] = {"mode": "live"} if clock is not None else {"at": minute, "speed": 0}
    status = html.Span(t("command.connecting"), id="command-status", className="status-dot", role="status")
    head = html.Div([html.Span(id="command-evidence", className="evidence-at", title=t("command.evidence_hint")), status,
                     html.Div(id="command-clock", role="timer")], className="command-head")  # fmt: skip
    side = html.Div(
        [
            html.Div(id="command-detail", role="status"),
            card(t("command.list"), html.Div(id="command-overdue", className="scroll"), class_name="command-list"),
            card(t("command.people_list"), html.Div(id="command-people", className="scroll"), class_name="command-list"),
            card(t("command.grids_list"), html.Div(id="command-grids", className="scroll"), class_name="command-list"),
            card(t("command.new_cases"), html.Div(id="command-cases", className="scroll")),
        ],
        className="command-side", tabIndex=0,
    )  # fmt: skip
    picture = map_view(view, "command-map", label=t("command.map"), layers=map_layers(view, day))
    return html.Div([
        page_head(t("command.title"), t("command.lead"), [head]),
        html.Div(id="command-figures", className="tiles command-figures"), controls(view, minute, clock is not None),
        html.Div([html.Div(picture, className="card map-card"), side], className="command-split"),
        dcc.Store(id="command-base", data={"url": "/api/stream/command", "day": str(day), "network": d.ground.network, "live": clock is not None}),
        dcc.Store(id="command-words", data={k: t(f"command.{k}") for k in ("live", "lost", "connecting")}),
        Live(id="command-live", url=view.stream_url("command", day=day, span="day", **asked)),
    ], className="stack command-page")  # fmt: skip


def _section(view: View, d: Day, day: date, key: str, *, of_segment: bool) -> int:
    """Row of a section, named by its id or by that of one of its segments; -1: not one of this visitor's."""
    if not of_segment:
        return int(pd.Index(d.ground.sections["section_id"]).get_indexer(pd.Index([key]))[0])
    at = np.flatnonzero((view.data.read("segments", day)["segment_id"] == key).to_numpy())
    return int(d.ground.section_of_segment[at[0]]) if len(at) else -1


def _grid_detail(view: View, d: Day, key: str, now: int) -> Component | None:
    """A work grid's rounds up to the moment shown, each with its time."""
    grids, standing = d.ground.grids, d.standing
    row = int(pd.Index(grids["grid_id"]).get_indexer(pd.Index([key]))[0])
    if row < 0:
        return None
    ends = np.sort(standing.round_ms[(standing.round_grid == row) & (standing.round_ms <= now)])
    t, need = view.t, int(grids["required"].iloc[row])
    facts = {
        t("command.rounds_short"): f"{len(ends)} / {need}",
        t("command.completed_at"): "、".join(f"{view.local(int(ms)):%H:%M}" for ms in ends) or t("command.never"),
    }
    listed = html.Dl([x for k, v in facts.items() for x in (html.Dt(k), html.Dd(v))], className="facts")
    return html.Div([html.H3(str(grids["name"].iloc[row])), listed], className="stack")


def _road_words(view: View, d: Day, day: date, k: int, now: int, *, live: bool) -> dict[str, Any]:
    """A section's facts at the moment shown."""
    t, standing = view.t, d.standing
    closed = now_of(view, day) is None
    roads = roads_at(d, now, wait_s=view.standard_on(day).measure.silence_s.value, closed=closed)
    last = int(last_completed(standing.patrol_section, standing.patrol_ms, len(d.ground.sections), now)[k])
    done = standing.patrol_ms[(standing.patrol_section == k) & (standing.patrol_ms <= now)].tolist()
    words: dict[str, Any] = {}
    if roads.moment is not None:
        state = int(roads.moment.state[k])
        words[t("command.road_state")] = t(f"command.road_{STATES[state]}")
        if state in {DUE, OVERDUE}:
            words[t("command.left")] = left_words(roads.moment.left_s[k])
            (near,) = nearest(view, day, d.ground, people_of(view, d, day, now, live=live), [k])
            words[t("command.near")] = near_words(view, d, near)
        if state == FREE:
            words[t("command.excused_why")] = reason_of(view, d, roads.moment, k)
    return words | {
        t("command.last_patrol"): f"{view.local(last):%H:%M:%S}" if last >= 0 else t("command.never"),
        t("command.patrols_today"): "、".join(f"{view.local(ms):%H:%M}" for ms in done) or "—",
        t("command.persons"): persons_of(view, d, k, now) or "—",
    }


def detail_of(view: View, click: Mapping[str, Any], now: int, day: date, *, live: bool) -> Component | None:
    """What stands behind something that was clicked on the map, at the moment shown."""
    view = as_shown(view, day)
    d, key = day_of(view, day), str(click.get("id", ""))
    t, g = view.t, d.ground
    if click.get("layer") in {"roads", "sections"}:
        k = _section(view, d, day, key, of_segment=click["layer"] == "roads")
        if k < 0:
            return None
        return road_detail(view, d, day, k, _road_words(view, d, day, k, now, live=live))
    if click.get("layer") == "people":
        people = people_of(view, d, day, now, live=live)
        row = people[(people["person_id"] == key) & (people["t_ms"] >= 0)]
        if row.empty:
            return None
        view.data.log("tracks", day=day, purpose="command.person", persons=[key])
        age = int(row["age_s"].iloc[0])
        units = view.data.read("units", day, where={"unit_id": row["unit_id"].iloc[0]})
        facts = {
            t("command.role"): word(row["role"].iloc[0], view.lang),
            t("command.unit"): str(units["name"].iloc[0]) if len(units) else str(row["unit_id"].iloc[0] or "—"),
            t("command.person_state"): t(f"command.{row['status'].iloc[0]}"),
            t("command.last_fix"): f"{view.local(int(row['t_ms'].iloc[0])):%H:%M:%S}",
            t("command.age"): t("command.age_of", min=age // 60, s=age % 60),
        }
        return html.Div(
            [
                html.H3(g.names.get(key, key)),
                html.Dl([x for k, v in facts.items() for x in (html.Dt(k), html.Dd(v))], className="facts"),
            ],
            className="stack",
        )
    if click.get("layer") == "grids":
        return _grid_detail(view, d, key, now)
    title = click.get("title")
    return html.H3(str(title)) if title else None


def register(app: dash.Dash, desk: Desk) -> None:
    """The controls, what is clicked, and the state of the connection."""
    desk.streams.register("command", command_state)
    app.clientside_callback(  # in the browser: the stream's address says the moment, so that a lost connection heals to it
        STEER,
        Output("command-live", "url"),
        Input("command-at", "value"), Input("command-speed", "value"), Input("command-span", "value"), Input("command-now", "n_clicks"),
        State("command-live", "data"), State("command-base", "data"), prevent_initial_call=True,
    )  # fmt: skip
    app.clientside_callback(
        FOLLOW, Output("command-at", "value"), Input("command-live", "data"), State("command-base", "data")
    )
    app.clientside_callback(
        STATUS,
        Output("command-status", "children"),
        Output("command-status", "className"),
        Input("command-live", "status"),
        State("command-words", "data"),
    )

    @app.callback(  # type: ignore[untyped-decorator]
        Output("command-detail", "children"), Input("command-map", "click"), State("command-live", "data"), State("command-base", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    def clicked(click: dict[str, Any] | None, data: dict[str, Any] | None, base: dict[str, str]) -> Any:
        view = desk.view(roles=ROLES)
        if not click or not data:
            return dash.no_update
        day = _day(view, {"day": str(data.get("day", base["day"]))})
        shown = detail_of(view, click, int(data["now"]), day, live=bool(data["live"]))
        return dash.no_update if shown is None else card(None, shown)


PAGE = Page(path="/command", title="command.title", layout=layout, register=register, roles=ROLES, order=2)
