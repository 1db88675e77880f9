"""What the command desk is made of: its lists, figures and layers, and the few lines that run in the browser."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dash import dcc, html

from dashboards.desk_command import QUIET, QUIET_CODE
from dashboards.geometry import encode
from dashboards.maps import RampStop, class_style, layer, ramp_style, symbology_style
from dashboards.marks import explain_address
from dashboards.shell import card, kpi
from layers.symbology import LAYERS

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt
    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.command_day import Day, Ground
    from dashboards.context import View

MINUTES = 1440
SPEEDS = (0, 1, 10, 60, 300)
SPANS = ("hour", "day", "week")
# Left to overdue: dark red to deep blue, told apart by all common kinds of colour vision (ColorBrewer RdBu).
COLOURS = ("#b2182b", "#ef8a62", "#fddbc7", "#67a9cf", "#2166ac")
CLEAR = "rgba(0,0,0,0)"
IDLE, IDLE_DARK = "#a9b1ba", "#4a5866"  # roads of which nothing is asked just now step back
GRID_CODES = {"none": -1, "behind": 0, "on_pace": 1, "complete": 2}
GRID_COLOURS = ("#d55e00", "#f0e442", "#0072b2")

# The slider follows play unless somebody holds it; the server's clock is learnt from the stream, so that play is resumed to the second.
FOLLOW = """function(data, base) {
  const none = window.dash_clientside.no_update;
  if (!window.xunchaCommand) {
    const own = window.xunchaCommand = {shown: null, held: false, ahead: 0};
    document.addEventListener("pointerdown", (e) => { if (e.target.closest("#command-slider")) own.held = true; });
    document.addEventListener("pointerup", () => { window.setTimeout(() => { own.held = false; }, 600); });
    document.addEventListener("click", (e) => {
      const row = e.target.closest("[data-fit]");
      if (!row) return;
      const [layer, id, ...bounds] = row.dataset.fit.split("|");
      const [w, s, e_, n] = bounds.map(Number);
      window.dash_clientside.set_props("command-map", {fit: {bounds: [w, s, e_, n], max_zoom: 16}, selected: {layer, id},
        click: {layer, id, title: row.textContent, lon: (w + e_) / 2, lat: (s + n) / 2, n: Date.now()}});
    });
  }
  if (!data || data.minute === undefined) return none;
  const own = window.xunchaCommand;
  if (data.live && base && data.day !== base.day) {  // midnight: the desk goes on with the new day
    if (data.network !== base.network) { window.location.reload(); return none; }
    window.dash_clientside.set_props("command-base", {data: {...base, day: data.day}});
    own.shown = null;
  }
  own.ahead = data.server - Date.now() / 1000;
  const minute = Math.floor(data.minute);
  if (own.held || own.shown === minute) return none;
  own.shown = minute;
  return minute;
}"""
STEER = """function(at, speed, span, now, data, base) {
  const none = window.dash_clientside.no_update, asked = window.dash_clientside.callback_context.triggered, own = window.xunchaCommand;
  if (!asked.length || !data || !own) return none;
  const by = asked[0].prop_id.split(".")[0];
  if ((by === "command-at" && at === own.shown) || (by === "command-speed" && speed === null)) return none;
  if (by === "command-now" && base.live) window.dash_clientside.set_props("command-speed", {value: null});
  const query = new URLSearchParams({day: base.day, span});
  if (by === "command-now" || (by === "command-span" && data.live)) query.set("mode", "live");
  else {
    query.set("at", by === "command-at" ? at : data.minute);
    query.set("speed", speed || 0);
    if (speed === null) window.dash_clientside.set_props("command-speed", {value: 0});
    query.set("began", (Date.now() / 1000 + own.ahead).toFixed(1));
  }
  if (by === "command-at") own.shown = at;
  return base.url + "?" + query;
}"""
STATUS = """function(status, words) { const k = status || "connecting"; return [words[k], "status-dot " + k]; }"""


def left_words(seconds: float) -> str:
    """Time left as hours and minutes, with a minus when overdue."""
    whole = int(abs(seconds)) // 60
    return f"{'−' if seconds < 0 else ''}{whole // 60}:{whole % 60:02}"


Element = dict[str, Any]


def el(kind: str, children: Any = None, **props: Any) -> Element:
    """An element of `dash.html` as its JSON: lists that are made anew each second are many elements, and Dash's own are slow to make."""
    return {"props": {"children": children, **props}, "type": kind, "namespace": "dash_html_components"}


def _fly(layer_id: str, key: str, bounds: npt.NDArray[np.float64], text: str) -> Element:
    """A button that shows something on the map."""
    where = "|".join([layer_id, key, *(f"{v:.6f}" for v in bounds)])
    return el("Button", text, type="button", className="link-button", **{"data-fit": where})


def overdue_table(view: View, d: Day, rows: pd.DataFrame) -> Element:
    """Sections, the most overdue first, with who answers for them now and who is nearest."""
    if rows.empty:
        return el("P", view.t("command.nothing_due"), className="note")
    ids = d.ground.sections["section_id"].to_numpy(object)
    head = el(
        "Tr",
        [
            el("Th", view.t(f"command.{c}"), className="num" if c == "left" else "")
            for c in ("section", "left", "persons", "near")
        ],
    )
    body = [
        el("Tr", [
            el("Td", _fly("sections", str(ids[r["section"]]), d.ground.bounds[r["section"]], r["name"])),
            el("Td", el("Span", left_words(r["left_s"]), className=f"badge {'bad' if r['left_s'] <= 0 else 'warn'}"), className="num"),
            el("Td", r["persons"] or "—"), el("Td", [r["near"], el("Small", f" {_distance(r['metres'])}")] if r["near"] else "—"),
        ])
        for r in rows.to_dict("records")
    ]  # fmt: skip
    return el("Table", [el("Thead", head), el("Tbody", body)], className="data")


def nothing_known(view: View) -> Element:
    """In place of a list while nothing is known of patrols."""
    return el("P", view.t("command.evidence_none"), className="note")


def _distance(metres: float) -> str:
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.1f} km"  # noqa: PLR2004 (a kilometre)


def pace_of(g: Ground, done: npt.NDArray[np.int64], now_ms: int) -> list[str]:
    """Each grid: complete, on pace or behind what the share of the duty time gone by asks of it; none where nothing is asked."""
    start, end = g.duty_ms
    gone = min(1.0, max(0.0, (now_ms - start) / max(1, end - start)))
    out = []
    for have, need in zip(done.tolist(), g.grids["required"].tolist(), strict=True):
        out.append(
            "none" if need == 0 else "complete" if have >= need else "on_pace" if have >= int(need * gone) else "behind"
        )
    return out


def grid_table(view: View, ground: Ground, done: npt.NDArray[np.int64], pace: list[str]) -> Element:
    """Work grids with rounds done against required, those furthest behind first."""
    asked = [
        (g, int(n), p) for g, n, p in zip(ground.grids.to_dict("records"), done, pace, strict=True) if g["required"] > 0
    ]
    if not asked:
        return el("P", view.t("command.no_rounds"), className="note")
    order = sorted(asked, key=lambda x: (list(GRID_CODES).index(x[2]), x[1] / x[0]["required"], str(x[0]["grid_id"])))
    rows = []
    for g, have, pace_word in order:
        bounds = np.array([g["west"], g["south"], g["east"], g["north"]])
        tone = {"behind": "bad", "on_pace": "warn", "complete": "good"}[pace_word]
        rows.append(el("Tr", [
            el("Td", _fly("grids", str(g["grid_id"]), bounds, str(g["name"]))), el("Td", f"{have} / {g['required']}", className="num"),
            el("Td", el("Span", view.t(f"command.pace_{pace_word}"), className=f"badge {tone}")),
        ]))  # fmt: skip
    head = el(
        "Tr",
        [
            el("Th", view.t("command.grid")),
            el("Th", view.t("command.rounds_short"), className="num"),
            el("Th", view.t("command.pace")),
        ],
    )
    return el("Table", [el("Thead", head), el("Tbody", rows)], className="data")


def case_list(view: View, fresh: pd.DataFrame, most: int = 8) -> Element:
    """Cases of the last hour, the newest first."""
    newest = fresh.iloc[::-1].head(most)
    if newest.empty:
        return el("P", view.t("command.no_cases"), className="note")
    items = []
    for row in newest.to_dict("records"):
        time = el("Time", f"{view.local(row['opened']):%H:%M}")
        words = f"{row['title'] or row['category'] or ''}".strip() or str(row["case_id"])
        placed = bool(row["located"]) and row["geometry"] is not None
        at = row["geometry"]
        shown = (
            _fly("cases", str(row["case_id"]), np.array([at.x, at.y, at.x, at.y]), words)
            if placed
            else el("Span", words)
        )
        items.append(el("Li", [time, " ", shown]))
    return el("Ul", items, className="case-list")


def figures(
    view: View, on: int, heard: int, silent: int, overdue: int | None, done: tuple[int, int, int], hot: int
) -> list[Component]:
    """The tiles; `overdue` is None where nothing is known of patrols, nor then of rounds."""
    t = view.t
    if overdue is None:
        roads = kpi(t("command.overdue_roads"), "—", note=t("command.evidence_none"))
        rounds = kpi(t("command.rounds"), f"— / {done[1]}", note=t("command.evidence_none"))
    else:
        roads = kpi(t("command.overdue_roads"), f"{overdue:,}", tone="bad" if overdue else "good")
        rounds = kpi(t("command.rounds"), f"{done[0]} / {done[1]}", note=t("command.grids_full", n=done[2]))
    return [
        kpi(
            t("command.on_duty"),
            f"{on}",
            note=t("command.heard", heard=heard, silent=silent),
            tone="warn" if silent else "",
        ),
        roads,
        rounds,
        kpi(t("command.hot_cells"), str(hot), note=t("command.hot_note"), tone="bad" if hot else ""),
    ]


def map_layers(view: View, day: date) -> list[dict[str, Any]]:
    """Layers, the lowest first."""
    t = view.t
    stops: list[RampStop] = [{"value": v, "colour": c} for v, c in zip((0, 10, 30, 60, 100), COLOURS, strict=True)]
    stops[0]["label"], stops[-1]["label"] = t("command.overdue"), t("command.fresh")
    density = ramp_style(
        [{"value": 0, "colour": "#ffffcc"}, {"value": 20, "colour": "#41b6c4"}, {"value": 80, "colour": "#253494"}],
        unit=t("command.per_km2"),
        missing=CLEAR,
    )
    paces = [
        {"code": GRID_CODES[k], "colour": c, "label": t(f"command.pace_{k}")}
        for k, c in zip(("behind", "on_pace", "complete"), GRID_COLOURS, strict=True)
    ]
    hot = symbology_style(LAYERS["hotspots"], view.lang)
    hot = {
        **hot,
        "missing": CLEAR,
        "missing_dark": CLEAR,
        "classes": [c for c in hot["classes"] if c["colour"] not in {LAYERS["hotspots"].colors()[k] for k in QUIET}]
        + [{"code": QUIET_CODE, "colour": CLEAR, "label": t("command.not_hot")}],
    }
    person = [
        {"code": 0, "colour": "#009e73", "label": t("command.person_heard")},
        {"code": 1, "colour": "#e69f00", "label": t("command.person_silent")},
    ]
    empty = encode([], [])
    return [
        layer("grids", "polygon", t("command.grids"), class_style(paces, missing=CLEAR), url=view.geometry_url("work_grids", day), visible=False, opacity=0.45),  # type: ignore[arg-type]
        layer("density", "polygon", t("command.density"), density, payload=empty, visible=False, opacity=0.55, width=0),
        layer("hot", "polygon", t("command.hot"), hot, payload=empty, opacity=0.5, width=0),
        layer("sections", "line", t("command.sections"), class_style([]), url=view.geometry_url("sections", day), width=0.1, opacity=0.0, legend=False, pick=False),
        layer("roads", "line", t("command.roads"), {**ramp_style(stops, unit="%", missing=IDLE, missing_label=t("command.not_asked")), "missing_dark": IDLE_DARK}, url=view.geometry_url("segments", day), width=3.0, labels=True),
        layer("cases", "point", t("command.cases"), class_style([{"code": 0, "colour": "#cc79a7", "label": t("command.cases")}])),
        layer("people", "point", t("command.people"), class_style(person)),  # type: ignore[arg-type]
    ]  # fmt: skip


def controls(view: View, minute: int, live: bool) -> Component:
    """Play, time and span."""
    t = view.t
    speeds = dcc.RadioItems(id="command-speed", inline=True, value=None if live else 0,
                            options=[{"value": s, "label": f"{s}×" if s else t("command.pause")} for s in SPEEDS])  # fmt: skip
    spans = dcc.RadioItems(
        id="command-span",
        inline=True,
        value="day",
        options=[{"value": s, "label": t(f"command.span_{s}")} for s in SPANS],
    )
    slider = dcc.Slider(id="command-at", min=0, max=MINUTES - 1, step=1, value=minute, updatemode="mouseup", allow_direct_input=False,
                        marks={m: f"{m // 60:02}:00" for m in range(0, MINUTES, 180)})  # fmt: skip
    back = html.Button(
        t("command.to_now" if live else "command.to_end"),
        id="command-now",
        className="button small",
        n_clicks=0,
        type="button",
    )
    parts = [
        html.Div(
            [html.Span(t("command.speed"), className="label"), html.Div(speeds, className="segmented")],
            className="field",
        ),
        html.Div(slider, id="command-slider", role="group", **{"aria-label": t("command.clock")}),
        back,
        html.Div(
            [html.Span(t("command.span"), className="label"), html.Div(spans, className="segmented")], className="field"
        ),
    ]
    return card(None, html.Div(parts, className="command-tools"))


def road_detail(view: View, d: Day, day: date, section: int, words: dict[str, str]) -> Component:
    """A road's figures at the moment shown, and the way to its evidence where the day was audited."""
    sections = d.ground.sections
    facts = [item for k, v in words.items() for item in (html.Dt(k), html.Dd(v))]
    parts: list[Component] = [html.H3(sections["name"].iloc[section]), html.Dl(facts, className="facts")]
    if view.data.run(day) is not None:
        where = explain_address(day, section=str(sections["section_id"].iloc[section]))
        parts.append(html.A(view.t("command.evidence_link"), href=where))
    return html.Div(parts, className="stack")
