"""What the command desk is made of: its lists, figures and layers, and the few lines that run in the browser."""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dash import dcc, html

from dashboards.command_people import SILENT, UNHEARD, UNTOLD
from dashboards.desk_command import QUIET, QUIET_CODE
from dashboards.geometry import encode
from dashboards.maps import ClassStop, class_style, layer, ramp_style, symbology_style
from dashboards.marks import explain_address
from dashboards.sentences import missing_words
from dashboards.shell import card, kpi, nothing_owned
from gis.live import DUE, FREE, IN_DOUBT, OVERDUE, STATES
from layers.symbology import LAYERS, outcome_color, word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import numpy.typing as npt
    import pandas as pd
    from dash.development.base_component import Component

    from dashboards.command_day import Day, Ground
    from dashboards.command_people import Near
    from dashboards.context import View
    from dashboards.desk_command import Roads
    from gis.live import Moment

MINUTES = 1440
SPEEDS = (0, 1, 10, 60, 300)
SPANS = ("hour", "day", "week")
IDLE, IDLE_DARK = "#a9b1ba", "#4a5866"  # roads of which nothing is asked just now step back
# What a road is just now: the colours of the audit's outcomes for what has one, and a scale of its own for what is still to be done.
ROAD_CLASSES = (
    ("overdue", outcome_color("missed"), "#ff6b5e"), ("soon", "#e08214", "#f5a545"), ("due", "#c9a86a", "#8c7443"),
    ("done", outcome_color("covered"), "#5aa9e6"), ("unknown", outcome_color("unknown"), "#b08fe0"), ("excused", "#2a9d8f", "#5cc9bb"),
    ("not_asked", IDLE, IDLE_DARK),
)  # fmt: skip
CODE_OF = {k: i for i, (k, _, _) in enumerate(ROAD_CLASSES)}
SOON = 0.25  # of the window is left
EXCUSED_LISTED, PEOPLE_LISTED = 30, 60
A_MINUTE_MS = 60_000
CLEAR = "rgba(0,0,0,0)"
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


def overdue_table(
    view: View, d: Day, day: date, roads: Roads, people: Sequence[Near], rows: Sequence[int], now_ms: int
) -> Element:
    """Sections, the most overdue first, with who answers for them now and whom one may send; below them those that are excused, with the reason."""
    if roads.moment is None:
        return nothing_known(view)
    parts: list[Element] = []
    if len(rows):
        heads = ("section", "left", "persons", "near")
        head = el("Tr", [el("Th", view.t(f"command.{c}"), className="num" if c == "left" else "") for c in heads])
        body = [_road_row(view, d, roads.moment, k, near, now_ms) for k, near in zip(rows, people, strict=True)]
        parts.append(el("Table", [el("Thead", head), el("Tbody", body)], className="data"))
    else:
        parts.append(el("P", nothing_owned(view, day) or phase_words(view, roads), className="note"))
    free = np.flatnonzero(roads.moment.state == FREE)
    if len(free):
        items = [el("Li", [_road_button(d, k), " ", el("Span", view.t("command.excused"), className="badge"), " ", reason_of(view, d, roads.moment, k)])
                 for k in free[:EXCUSED_LISTED].tolist()]  # fmt: skip
        parts += [el("H3", view.t("command.excused_roads", n=len(free))), el("Ul", items, className="case-list")]
    return el("Div", parts)


def phase_words(view: View, roads: Roads) -> str:
    """Why no road is due at the moment; after the last window how the day came out."""

    def clock(ms: int) -> str:
        return f"{view.local(ms):%H:%M}"

    if roads.phase == "over":
        return view.t("command.day_over", at=clock(roads.last_ms), **roads.balance)
    words = {"none": "command.day_none", "before": "command.day_before", "between": "command.day_between"}
    return view.t(words.get(roads.phase, "command.nothing_due"), at=clock(roads.first_ms))


def _road_button(d: Day, k: int) -> Element:
    return _fly(
        "sections",
        str(d.ground.sections["section_id"].iloc[k]),
        d.ground.bounds[k],
        str(d.ground.sections["name"].iloc[k]),
    )


def _road_row(view: View, d: Day, m: Moment, k: int, near: Near, now_ms: int) -> Element:
    late = m.state[k] == OVERDUE
    left = el("Span", left_words(m.left_s[k]), className=f"badge {'bad' if late else 'warn'}")
    return el("Tr", [
        el("Td", _road_button(d, k)), el("Td", left, className="num"), el("Td", persons_of(view, d, k, now_ms) or "—"),
        el("Td", near_words(view, d, near)),
    ])  # fmt: skip


def persons_of(view: View, d: Day, section: int, now_ms: int) -> str:
    """Who answers for a section, with the mark of those whom the roster does not name."""
    names = "、".join(d.ground.names.get(p, p) for p in d.standing.windows.responsible(section, now_ms))
    return names + (view.t("command.from_grid") if names and d.standing.windows.from_grid(section) else "")


def reason_of(view: View, d: Day, m: Moment, section: int) -> str:
    """Why a section is excused, in the audit's words."""
    missing, window = d.standing.windows.missing, int(m.window[section])
    return missing_words(missing[window], view.lang) if missing is not None and window >= 0 else ""


def near_words(view: View, d: Day, near: Near) -> Element | str:
    """Whom one may send: name, way and minutes by road, age of the fix; who is silent steps back."""
    if not near.person_id:
        return el("Small", view.t("command.near_nobody"))
    name, age = d.ground.names.get(near.person_id, near.person_id), max(0, int(near.age_s) // 60)
    if near.silent:
        return el("Small", view.t("command.near_silent", name=name, age=age))
    way = view.t("command.near_way", way=_distance(near.way_m), minutes=max(1, round(near.minutes)), age=age)
    return el("Span", [name, el("Br"), el("Small", way)])


def people_table(view: View, d: Day, people: pd.DataFrame, *, blind: bool) -> Element:
    """Those on duty of whom nothing was heard, then the silent ones, the longest first; `blind`: nothing of anybody is known that day."""
    if blind:
        return nothing_known(view, blind=True)
    wanted = people[people["status"].isin([UNHEARD, SILENT])]
    wanted = wanted.sort_values(["status", "age_s", "person_id"], ascending=[False, False, True], kind="stable").head(
        PEOPLE_LISTED
    )
    if wanted.empty:
        return el("P", view.t("command.nobody_silent"), className="note")
    rows = [
        el("Tr", [
            el("Td", d.ground.names.get(r["person_id"], r["person_id"])), el("Td", word(r["role"], view.lang)),
            el("Td", el("Span", view.t(f"command.{r['status']}"), className="badge warn")),
            el("Td", view.t("command.minutes_ago", n=int(r["age_s"]) // 60) if r["status"] == SILENT else "—", className="num"),
        ])
        for r in wanted.to_dict("records")
    ]  # fmt: skip
    heads = ("person", "role", "person_state", "last_fix")
    head = el("Tr", [el("Th", view.t(f"command.{c}"), className="num" if c == "last_fix" else "") for c in heads])
    return el("Table", [el("Thead", head), el("Tbody", rows)], className="data")


def nothing_known(view: View, *, blind: bool = False) -> Element:
    """In place of a list while nothing is known of patrols; `blind`: not one position of anybody came that day."""
    return el("P", view.t("command.blind" if blind else "command.evidence_none"), className="note")


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
        tone = {"behind": "warn", "on_pace": "", "complete": "good"}[
            pace_word
        ]  # red is for what the audit calls missed
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
    view: View, people: dict[str, int], roads: Roads, done: tuple[int, int, int], hot: int, *, now_ms: int, blind: bool
) -> list[Component]:
    """The tiles.

    Args:
        view: whose.
        people: those on duty by status (`command_people.counted`).
        roads: the sections; their moment is None where nothing is known of patrols, nor then of rounds.
        done: rounds done and required, and grids that have all.
        hot: significant cells.
        now_ms: the moment.
        blind: not one position of anybody of that day is known.
    """
    t = view.t
    if roads.moment is None or blind:
        why = t("command.evidence_none" if roads.moment is None and not blind else "command.blind")
        rounds = kpi(t("command.rounds"), f"— / {done[1]}", note=why)
    else:
        rounds = kpi(t("command.rounds"), f"{done[0]} / {done[1]}", note=t("command.grids_full", n=done[2]))
    return [
        people_figure(view, people), roads_figure(view, roads, now_ms=now_ms, blind=blind), rounds,
        kpi(t("command.hot_cells"), str(hot), note=t("command.hot_note"), tone="warn" if hot else ""),
    ]  # fmt: skip


def people_figure(view: View, people: dict[str, int]) -> Component:
    """Who is on duty, and the parts that add up to it."""
    t = view.t
    parts = [(s, n) for s, n in people.items() if n or s != UNTOLD]
    if people[UNTOLD]:
        parts = [(s, n) for s, n in people.items() if n]
    note = " · ".join(t("command.of_people", status=t(f"command.{s}"), n=n) for s, n in parts)
    return kpi(
        t("command.on_duty"),
        f"{sum(people.values())}",
        note=note,
        tone="warn" if people[SILENT] or people[UNHEARD] else "",
    )


def roads_figure(view: View, roads: Roads, *, now_ms: int, blind: bool) -> Component:
    """How many roads are overdue as far as is known, and of how many that is not known; after the last window how the day came out."""
    t, m = view.t, roads.moment
    label = t("command.overdue_roads")
    if m is None:
        return kpi(label, "—", note=t("command.blind" if blind else "command.evidence_none"))
    if roads.phase in {"none", "before"}:
        return kpi(label, "—", note=phase_words(view, roads))
    told = t("command.balance", **roads.balance)
    if blind:
        return kpi(label, "—", note=f"{t('command.blind')} · {told}")
    if roads.phase == "over":
        missed, undecided = (f"{roads.balance[o]:,}" for o in ("missed", "unknown"))
        return kpi(
            t("command.day_figure"), t("command.day_missed", n=missed), rest=t("command.and_unknown", n=undecided), note=told,
            tone="bad" if roads.balance["missed"] else "",
        )  # fmt: skip
    overdue, unknown, late = m.count(OVERDUE), m.count(IN_DOUBT), now_ms - roads.known_ms >= A_MINUTE_MS
    if late:
        label = t("command.overdue_as_of", at=f"{view.local(roads.known_ms):%H:%M}")
    words = "command.and_unknown_since" if late else "command.and_unknown"
    rest = t(words, n=f"{unknown:,}") if unknown else ""
    return kpi(label, f"{overdue:,}", rest=rest, note=told, tone="bad" if overdue else "" if unknown else "good")


def road_codes(roads: Roads) -> npt.NDArray[np.float64]:
    """What the map shows of each section (code of `ROAD_CLASSES`); empty where nothing is known of patrols."""
    m = roads.moment
    if m is None:
        return np.zeros(0)
    code = np.array([CODE_OF[s] for s in STATES], dtype=float)[m.state]
    code[(m.state == DUE) & (m.share <= SOON)] = CODE_OF["soon"]
    return code


def map_layers(view: View, day: date) -> list[dict[str, Any]]:
    """Layers, the lowest first."""
    t = view.t
    roads: list[ClassStop] = [
        {"code": int(CODE_OF[k]), "colour": c, "colour_dark": dark, "label": t(f"command.road_{k}")}
        for k, c, dark in ROAD_CLASSES
    ]
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
        layer("roads", "line", t("command.roads"), {**class_style(roads, missing=IDLE), "missing_dark": IDLE_DARK}, url=view.geometry_url("segments", day), width=3.0, labels=True),
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
