"""The planner's desk: coverage, inspectors, satellites and hotspots on one map, over periods, hours, classes and squads."""

# ruff: noqa: E501 (a row of a table or of controls stands on one line)

from __future__ import annotations

import json
import urllib.parse
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from dash import Input, Output, State, dcc, html
from fastapi.responses import Response
from starlette.routing import Route

from dashboards.auth.principal import ForbiddenError
from dashboards.maps import map_view
from dashboards.pages import Page
from dashboards.planner_choice import (
    CLASSES,
    COMPARES,
    GROUPS,
    HOURS,
    MEASURES,
    UNDER,
    Choice,
    choice_from,
    measures_of,
)
from dashboards.planner_detail import detail
from dashboards.planner_panels import kpis, side
from dashboards.planner_picture import PLACES, draw, scenes_of
from dashboards.planner_remote import scene_image
from dashboards.shell import card, notice, page_head
from gis.errors import XunchaError
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import dash
    from dash.development.base_component import Component
    from starlette.requests import Request

    from dashboards.auth.principal import Role
    from dashboards.context import Desk, View

ROLES: tuple[Role, ...] = ("planner", "manager", "administrator")
CONTROLS = (
    "measure", "from", "to", "from2", "to2", "compare", "hour", "class", "squad", "under", "scene", "period", "category", "count",
)  # fmt: skip
LONG_LIST = 12
OF_GROUP = {
    "hour": "coverage",
    "class": "coverage",
    "squad": "coverage",
    "scene": "remote",
    "period": "hotspots",
    "category": "hotspots",
    "count": "density",
}

# The two maps keep one view: bounds are drawn in by what `fit` pads (36 px), and a view that is already there is left alone.
SYNC = """function(a, b) {
  const context = window.dash_clientside.callback_context, none = window.dash_clientside.no_update;
  const maps = document.getElementById("planner-maps");
  if (!maps || !maps.classList.contains("two") || !context.triggered.length) return [none, none];
  const from = context.triggered[0].prop_id.split(".")[0], view = from === "planner-map" ? a : b, other = from === "planner-map" ? b : a;
  const box = document.getElementById(from === "planner-map" ? "planner-map-b" : "planner-map");
  if (!view || !box || Date.now() - (window.xunchaPlannerSync || 0) < 250) return [none, none];
  const [w, s, e, n] = view.bounds, dx = (e - w) * 36 / Math.max(box.clientWidth, 80), dy = (n - s) * 36 / Math.max(box.clientHeight, 80);
  if (other && Math.abs(other.bounds[0] - w) < dx / 6 && Math.abs(other.bounds[2] - e) < dx / 6) return [none, none];
  window.xunchaPlannerSync = Date.now();
  const fit = {bounds: [w + dx, s + dy, e - dx, n - dy], max_zoom: 22};
  return from === "planner-map" ? [none, fit] : [fit, none];
}"""
REMEMBER = """function(query) {
  if (query && location.pathname.replace(/[/]$/, "") === "/planner") history.replaceState(history.state, "", "/planner?" + query);
  return window.dash_clientside.no_update;
}"""


def query_of(choice: Choice) -> str:
    """The choice as a URL query: what is not said there is as usual."""
    said = {
        "measure": choice.measure, "from": str(choice.first[0]), "to": str(choice.first[-1]),
        "compare": "" if choice.compare == "none" else choice.compare,
        "from2": str(choice.second[0]) if choice.compare in {"side", "difference"} else "",
        "to2": str(choice.second[-1]) if choice.compare in {"side", "difference"} else "",
        "hour": "" if choice.hour is None else str(choice.hour), "class": choice.policy_class, "squad": choice.squad,
        "under": "" if choice.under == "none" else choice.under, "scene": choice.scene,
        "period": "" if choice.period == "month" else choice.period, "category": "" if choice.category == "all" else choice.category,
        "count": "" if choice.count == 5 else str(choice.count),  # noqa: PLR2004 (the default of the page)
    }  # fmt: skip
    return urllib.parse.urlencode({k: v for k, v in said.items() if v})


def _options(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"value": value, "label": label} for value, label in pairs]


def measure_options(view: View, group: str) -> list[dict[str, str]]:
    """The figures of a group, for the control."""
    return _options([(m.id, m.layer.title(view.lang)) for m in measures_of(group)])


def _dropdown(name: str, options: list[dict[str, str]], value: str) -> Component:
    return dcc.Dropdown(
        id=f"planner-{name}", options=options, value=value, clearable=False, searchable=len(options) > LONG_LIST
    )


def _field(view: View, name: str, control: Component, *, look: str = "field") -> Component:
    label = html.Label(view.t(f"planner.{name}"), htmlFor=f"planner-{name}")
    return html.Div([label, control], className=look, id=f"planner-{name}-field")


def _squads(view: View, day: date) -> list[tuple[str, str]]:
    units, sections = view.data.read("units", day), view.data.read("sections", day)
    used = set(sections["unit_id"].dropna())
    return [(u, n) for u, n in zip(units["unit_id"], units["name"], strict=True) if u in used]


def _categories(view: View, day: date) -> list[str]:
    rows = view.data.result("hotspots", day)
    return sorted(set(rows["category"].dropna()) - {"all"}) if len(rows) else []


def controls(view: View, choice: Choice) -> Component:
    """Everything that one may choose."""
    t, days = view.t, view.data.days()
    day = choice.first[-1]
    dates = _options(
        [
            (str(d), f"{d} {d:%a}" if view.lang == "en" else f"{d} 周{'一二三四五六日'[d.weekday()]}")
            for d in reversed(days)
        ]
    )
    hours = _options([("", t("planner.hour_all")), *((str(h), f"{h:02}:00–{h + 1:02}:00") for h in HOURS)])
    classes = _options([("", t("planner.class_all")), *((c, word(c, view.lang)) for c in CLASSES)])
    squads = _options([("", t("planner.squad_all")), *_squads(view, day)])
    under = _options(
        [(u, t(f"planner.under_{u}") if u in {"none", "scene"} else MEASURES[u].layer.title(view.lang)) for u in UNDER]
    )
    compare = _options([(c, t(f"planner.compare_{c}")) for c in COMPARES])
    scenes = _options(
        [("", t("planner.scene_latest")), *((s, s) for s in scenes_of(view, day)["scene_id"].astype(str))]
    )
    periods = _options([(p, word(p, view.lang)) for p in ("day", "week", "month")])
    categories = _options([("all", t("planner.category_all")), *((c, c) for c in _categories(view, day))])
    counts = _options([(str(n), str(n)) for n in (1, 3, 5, 10, 20, 50)])
    group = dcc.RadioItems(
        id="planner-group",
        options=_options([(g, t(f"planner.group_{g}")) for g in GROUPS]),
        value=choice.what.group,
        inline=True,
    )
    span = html.Div(
        [_dropdown("from", dates, str(choice.first[0])), html.Span("–"), _dropdown("to", dates, str(choice.first[-1]))],
        className="span",
    )
    span2 = html.Div(
        [
            _dropdown("from2", dates, str(choice.second[0])),
            html.Span("–"),
            _dropdown("to2", dates, str(choice.second[-1])),
        ],
        className="span",
    )
    looks = fields_off(choice)
    fields = [
        html.Div(group, className="segmented", role="group", **{"aria-label": t("planner.group")}),
        _field(
            view,
            "measure",
            _dropdown("measure", measure_options(view, choice.what.group), choice.measure),
            look="field wide",
        ),
        _field(view, "from", span),
        _field(view, "compare", _dropdown("compare", compare, choice.compare)),
        _field(view, "from2", span2, look=looks["from2"]),
        *(
            _field(view, name, _dropdown(name, options, value), look=looks[name])
            for name, options, value in (
                ("hour", hours, "" if choice.hour is None else str(choice.hour)),
                ("class", classes, choice.policy_class),
                ("squad", squads, choice.squad),
                ("scene", scenes, choice.scene),
                ("period", periods, choice.period),
                ("category", categories, choice.category),
                ("count", counts, str(choice.count)),
            )
        ),
        _field(view, "under", _dropdown("under", under, choice.under)),
    ]
    return html.Section(html.Div(fields, className="filters planner-controls"), className="card")


def fields_off(choice: Choice) -> dict[str, str]:
    """Class of every field that not all groups have: `off` hides it."""
    hidden = {name: OF_GROUP[name] != choice.what.group for name in OF_GROUP}
    if choice.what.group == "density":
        hidden["squad"] = False
    hidden["hour"] = not choice.what.by_hour
    hidden["class"] = hidden["class"] or PLACES[choice.what.layer.geometry_table] != "roads"
    hidden["from2"] = choice.compare not in {"side", "difference"}
    return {name: "field off" if off else "field" for name, off in hidden.items()}


def hint(view: View, choice: Choice) -> str:
    """What must be said of the choice."""
    if choice.hour is not None and choice.what.group == "coverage" and not choice.what.by_hour:
        return view.t("planner.all_day_note")
    under = MEASURES.get(choice.under)
    both = (
        under is not None and PLACES[under.layer.geometry_table] == PLACES[choice.what.layer.geometry_table] == "grids"
    )
    return view.t("planner.same_grids_note") if both and choice.compare != "under" else ""


def picture(view: View, choice: Choice) -> dict[str, Any]:
    """All that a choice changes on the page, remembered while the data of its days stay as they are."""
    days = sorted({*choice.first, *choice.second})
    key = ("planner", choice, view.lang, view.principal.role, view.data.basis(days))
    return view.data.remember(key, lambda: _picture(view, choice), lambda _: 400_000)


def _picture(view: View, choice: Choice) -> dict[str, Any]:
    one, two = draw(view, choice)
    return {
        "layers": one.layers, "state": one.states, "layers_b": two.layers, "state_b": two.states,
        "maps": "planner-maps two" if two.layers else "planner-maps",
        "kpis": kpis(view, choice), "side": side(view, choice), "query": query_of(choice), "hint": hint(view, choice),
        "fields": fields_off(choice),
    }  # fmt: skip


def layout(view: View) -> Component:
    """The page."""
    days = view.data.days()
    head = page_head(view.t("planner.title"), view.t("planner.lead"))
    if not days:
        return html.Div([head, notice("", view.t("planner.none"))], className="stack")
    choice = choice_from(view.query, days)
    shown = picture(view, choice)
    first = map_view(view, "planner-map", label=view.t("planner.map"), layers=shown["layers"], state=shown["state"])
    second = map_view(
        view, "planner-map-b", label=view.t("planner.map_b"), layers=shown["layers_b"], state=shown["state_b"]
    )
    maps = html.Div(
        [card(None, first, class_name="map-card"), html.Div(card(None, second, class_name="map-card"), className="planner-second")],
        id="planner-maps", className=shown["maps"],
    )  # fmt: skip
    beside = html.Div(
        [
            html.Div(card(view.t("planner.detail"), html.P(view.t("planner.detail_hint"), className="note")), id="planner-detail", role="status"),
            html.Div(shown["side"], id="planner-side", className="stack"),
        ],
        className="planner-side", tabIndex=0,
    )  # fmt: skip
    body = html.Div([maps, beside], className="planner-split")
    note = html.P(shown["hint"], id="planner-hint", className="note")
    memory = dcc.Store(id="planner-query", data=shown["query"])
    top = controls(view, choice)
    return html.Div([head, top, html.Div(shown["kpis"], id="planner-kpis"), note, body, memory], className="stack")


def said_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Values of the controls as a URL would say them."""
    return {k: "" if v is None else str(v) for k, v in values.items()}


def register(app: dash.Dash, desk: Desk) -> None:
    """The controls redraw, a click explains, the address remembers; and the images of the scenes."""
    inputs = {name: Input(f"planner-{name}", "value") for name in CONTROLS}
    outputs = {
        "layers": Output("planner-map", "layers"), "state": Output("planner-map", "state"),
        "layers_b": Output("planner-map-b", "layers"), "state_b": Output("planner-map-b", "state"),
        "maps": Output("planner-maps", "className"), "kpis": Output("planner-kpis", "children"), "side": Output("planner-side", "children"),
        "query": Output("planner-query", "data"), "hint": Output("planner-hint", "children"),
        "fields": {name: Output(f"planner-{name}-field", "className") for name in (*OF_GROUP, "from2")},
    }  # fmt: skip

    @app.callback(output=outputs, inputs={"values": inputs}, prevent_initial_call=True)  # type: ignore[untyped-decorator]
    def redraw(values: dict[str, Any]) -> dict[str, Any]:
        view = desk.view(roles=ROLES)
        return picture(view, choice_from(said_of(values), view.data.days()))

    @app.callback(  # type: ignore[untyped-decorator]
        Output("planner-measure", "options"),
        Output("planner-measure", "value"),
        Input("planner-group", "value"),
        prevent_initial_call=True,
    )
    def regroup(group: str) -> tuple[list[dict[str, str]], str]:
        view = desk.view(roles=ROLES)
        return measure_options(view, group), measures_of(group)[0].id

    @app.callback(  # type: ignore[untyped-decorator]
        Output("planner-detail", "children"),
        inputs={"clicks": [Input("planner-map", "click"), Input("planner-map-b", "click")], "values": {n: State(f"planner-{n}", "value") for n in CONTROLS}},
        prevent_initial_call=True,
    )  # fmt: skip
    def picked(clicks: list[dict[str, Any] | None], values: dict[str, Any]) -> Component:
        from dash import ctx  # noqa: PLC0415 (belongs to the request)

        view = desk.view(roles=ROLES)
        click = clicks[1] if ctx.triggered_id == "planner-map-b" else clicks[0]
        choice = choice_from(said_of(values), view.data.days())
        if ctx.triggered_id == "planner-map-b" and choice.compare == "side":
            choice = choice_from({**said_of(values), "from": values["from2"], "to": values["to2"]}, view.data.days())
        return detail(view, choice, click or {})

    app.clientside_callback(
        SYNC, Output("planner-map", "fit"), Output("planner-map-b", "fit"), Input("planner-map", "viewport"), Input("planner-map-b", "viewport"),
        prevent_initial_call=True,
    )  # fmt: skip
    app.clientside_callback(
        REMEMBER, Output("planner-maps", "title"), Input("planner-query", "data"), prevent_initial_call=True
    )
    _add_images(app, desk)


def scene_png(view: View, scene_id: str, kind: str, day: date) -> bytes:
    """The image of a scene, kept for all who ask for it.

    Raises:
        XunchaError: there is no such scene or image.
    """
    scenes = scenes_of(view, day)
    rows = scenes[scenes["scene_id"].astype(str) == scene_id] if len(scenes) else scenes
    if not len(rows):
        return b""
    scene = {str(k): v for k, v in rows.iloc[0].items()}
    return view.data.remember(
        ("scene", scene_id, kind, scene["sha256"]), lambda: scene_image(view.city, scene, kind), len
    )


def _add_images(app: dash.Dash, desk: Desk) -> None:
    """GET /api/scene/{scene_id}/{kind}.png: before Dash's own routes."""

    async def image(request: Request) -> Response:
        try:
            view = desk.view(roles=ROLES)
            day = next((d for d in view.data.days() if str(d) == request.query_params.get("day")), view.latest_day())
            scene_id, kind = request.path_params["scene_id"], request.path_params["kind"]
            body = await run_sync(scene_png, view, scene_id, kind, day) if day else b""
        except ForbiddenError:
            return Response(status_code=403)
        except XunchaError as error:
            return Response(
                json.dumps({"error": error.render(desk.visit().lang)}), status_code=404, media_type="application/json"
            )
        if not body:
            return Response(status_code=404)
        return Response(
            body, media_type="image/png", headers={"Cache-Control": "private, max-age=86400", "Vary": "Cookie"}
        )

    app.server.router.routes.insert(0, Route("/api/scene/{scene_id}/{kind}.png", image, methods=["GET"]))


PAGE = Page(path="/planner", title="planner.title", layout=layout, register=register, roles=ROLES, order=1)
