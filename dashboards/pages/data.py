"""The data page: loads, quarantine, layers and editions, scenes, the standard with its clauses, and the last audits."""

# ruff: noqa: E501 (a row of a table stands on one line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from dash import Input, Output, State, dcc, html

from dashboards import desk_data as data
from dashboards.auth.principal import ForbiddenError
from dashboards.geometry import encode
from dashboards.maps import layer, map_view, plain_style
from dashboards.pages import Page
from dashboards.shell import card, kpi, page_head
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dash
    from dash.development.base_component import Component

    from dashboards.context import Desk, View

TABS = ("loads", "quarantine", "editions", "scenes", "standard", "runs")
SHOWN = 200
LIMIT = 100_000
CRS_LENGTH = 30
STAGE_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#8a8f98", "#b8a100")


def _heads(view: View, names: Sequence[str], numeric: Sequence[str] = ()) -> Component:
    return html.Thead(
        html.Tr([html.Th(view.t(f"data.{n}"), className="num" if n in numeric else "", scope="col") for n in names])
    )


def _table(head: Component, rows: Sequence[Component]) -> Component:
    return html.Div(html.Table([head, html.Tbody(list(rows))], className="data"), className="scroll", tabIndex=0)


def _hash(text: str) -> Component:
    return html.Code(text[: data.SHORT], title=text)


def _time(view: View, moment: Any) -> str:
    return "" if moment is None or pd.isna(moment) else f"{view.local(moment):%Y-%m-%d %H:%M}"


def _number(value: object) -> Component:
    return html.Td(f"{value:,}", className="num")


# --- loads ---
def loads(view: View) -> list[Component]:
    """The ledger of loads."""
    t = view.t
    table = data.manifest_table(view.data.manifests(), view.lang)
    wrong = int((~table["adds_up"].astype(bool)).sum())
    sums = {c: int(table[c].sum()) for c in ("rows_in", "inserted", "already_present", "quarantined")}
    top = html.Div(
        [
            kpi(t("data.kpi_loads"), f"{len(table):,}"),
            kpi(
                t("data.kpi_rows"),
                f"{sums['rows_in']:,}",
                note=t("data.adds_not", n=wrong) if wrong else t("data.adds_up"),
                tone="bad" if wrong else "",
            ),
            kpi(
                t("data.kpi_inserted"),
                f"{sums['inserted']:,}",
                note=f"{t('data.kpi_present')} {sums['already_present']:,}",
            ),
            kpi(t("data.kpi_quarantined"), f"{sums['quarantined']:,}", tone="warn" if sums["quarantined"] else "good"),
        ],
        className="grid grid-4",
    )
    names = (
        "source",
        "table",
        "path",
        "sha256",
        "rows_in",
        "inserted",
        "already_present",
        "quarantined",
        "sum",
        "crs",
        "encoding",
        "loaded_at",
        "notes",
    )
    rows = [
        html.Tr(
            [
                html.Td(m["source"]), html.Td(data.table_title(m["table"], view.lang)), html.Td(m["path"], className="words"), html.Td(_hash(m["sha256"])),
                _number(m["rows_in"]), _number(m["inserted"]), _number(m["already_present"]), _number(m["quarantined"]),
                html.Td(html.Span("✓" if m["adds_up"] else "✗", className=f"badge {'good' if m['adds_up'] else 'bad'}")),
                html.Td(m["crs"]), html.Td(m["encoding"]), html.Td(_time(view, m["loaded_at"]), className="time"), html.Td(m["notes"], className="words"),
            ]
        )
        for m in table.to_dict("records")
    ]  # fmt: skip
    return [
        top,
        card(None, _table(_heads(view, names, ("rows_in", "inserted", "already_present", "quarantined")), rows)),
    ]


# --- quarantine ---
def may_see_rows(view: View) -> bool:
    """Whether the visitor may see rejected rows themselves."""
    return view.principal.scope.whole and view.principal.role in {"manager", "administrator"}


def quarantine(view: View) -> list[Component]:
    """What was set aside, and why."""
    t = view.t
    counts = data.reason_counts(view.data.manifests())
    if not len(counts):
        return [card(None, html.P(t("data.quarantine_none"), className="note"))]
    rows = [
        html.Tr([html.Td(r["source"]), html.Td(html.Code(r["code"])), _number(r["rows"])])
        for r in counts.to_dict("records")
    ]
    summary = card(
        t("data.tab_quarantine"),
        _table(_heads(view, ("source", "reason", "rows"), ("rows",)), rows),
        note=f"{int(counts['rows'].sum()):,}",
    )
    if not may_see_rows(view):
        return [summary, html.P(t("data.role_only"), className="alert")]
    sources = [
        {"value": "", "label": t("data.source_all")},
        *({"value": s, "label": s} for s in sorted(set(counts["source"]))),
    ]
    codes = [
        {"value": "", "label": t("data.reason_all")},
        *({"value": c, "label": c} for c in sorted(set(counts["code"]))),
    ]
    pick = html.Div(
        [
            html.Div(
                [
                    html.Label(t("data.source"), htmlFor="data-source"),
                    dcc.Dropdown(id="data-source", options=sources, value="", clearable=False),
                ],
                className="field",
            ),
            html.Div(
                [
                    html.Label(t("data.reason"), htmlFor="data-reason"),
                    dcc.Dropdown(id="data-reason", options=codes, value="", clearable=False),
                ],
                className="field",
            ),
            html.Button(t("data.export"), id="data-export", className="button primary", n_clicks=0),
            dcc.Download(id="data-download"),
        ],
        className="filters",
    )
    return [summary, card(None, pick), html.Div(rejected(view, "", ""), id="data-rejected")]


def rejected(view: View, source: str, code: str) -> Component:
    """Rejected rows of a source and reason."""
    t = view.t
    found = data.quarantine_rows(view.data.quarantine(limit=LIMIT), source=source, code=code)
    rows = [
        html.Tr([html.Td(q["source"]), _number(q["row"]), html.Td(q["column"] if isinstance(q["column"], str) else ""),
                 html.Td([t.pick(q["zh"], q["en"]), html.Br(), html.Code(q["code"])]), html.Td(data.raw_words(q["raw"]), className="words", title=str(q["raw"]))])
        for q in found.head(SHOWN).to_dict("records")
    ]  # fmt: skip
    note = t("data.shown", shown=min(len(found), SHOWN), n=len(found))
    return card(
        t("data.tab_quarantine"),
        _table(_heads(view, ("source", "row", "column", "reason", "raw"), ("row",)), rows),
        note=note,
    )


# --- editions, scenes ---
def editions(view: View) -> list[Component]:
    """Every edition of every table."""
    day = view.latest_day()
    run = view.data.run(day) if day else None
    table = data.edition_table(view.data.editions(), dict(run.editions) if run else {})
    rows = [
        html.Tr([html.Td(data.table_title(e["table"], view.lang)), html.Td(html.Code(e["table"])), html.Td(_hash(e["edition_id"])), _number(e["rows"]),
                 html.Td(str(e["valid_from"])), _number(e["sources"]), html.Td(html.Span("✓", className="badge good") if e["used"] else ""),
                 html.Td(_time(view, e["loaded_at"]))])
        for e in table.to_dict("records")
    ]  # fmt: skip
    heads = html.Thead(html.Tr([
        html.Th(view.t("data.table")), html.Th(""), html.Th(view.t("data.edition")), html.Th(view.t("data.rows"), className="num"),
        html.Th(view.t("data.valid_from")), html.Th(view.t("data.sources"), className="num"), html.Th(view.t("data.used")), html.Th(view.t("data.loaded_at")),
    ]))  # fmt: skip
    return [card(None, _table(heads, rows))]


def scenes(view: View) -> list[Component]:
    """Scenes with bands and footprints."""
    day = view.latest_day()
    found = view.data.read("scenes", day) if day else pd.DataFrame()
    if day is None or not len(found):
        return [card(None, html.P(view.t("data.scenes_none"), className="note"))]
    rows = [
        html.Tr([html.Td(s["scene_id"]), html.Td(str(s["acquired"])), html.Td(s["sensor"] or ""), html.Td(s["bands"], className="words"), html.Td(s["cloud"]),
                 html.Td(str(s["crs"])[:CRS_LENGTH], title=str(s["crs"])), html.Td(_hash(str(s["sha256"])))])
        for s in data.scene_table(found).to_dict("records")
    ]  # fmt: skip
    table = card(None, _table(_heads(view, ("scene", "acquired", "sensor", "bands", "cloud", "crs", "sha256")), rows))
    titles = [f"{i} · {d}" for i, d in zip(found["scene_id"], found["acquired"], strict=True)]
    payload = encode(found["geometry"].to_numpy(), found["scene_id"].astype(str).tolist(), titles=titles)
    prints = layer(
        "scenes",
        "polygon",
        view.t("data.footprints"),
        plain_style("#0072b2", dark="#56b4e9"),
        payload=payload,
        opacity=0.15,
        labels=True,
    )
    roads = layer(
        "roads",
        "line",
        view.t("planner.roads"),
        plain_style("#5b6b7a", dark="#a9b8c6"),
        url=view.geometry_url("segments", day),
        width=0.7,
        pick=False,
    )
    chart = map_view(view, "data-map", label=view.t("data.footprints"), layers=[prints, roads])
    return [table, card(None, chart, class_name="map-card")]


# --- the standard ---
def standard(view: View) -> list[Component]:
    """Rules with clauses, sentences and figures; assumptions with their reasons."""
    t, named = view.t, view.standard
    head = t(
        "data.standard_of",
        name=t.pick(named.zh, named.en),
        version=named.version,
        issuer=f"{named.issuer} {named.issued or ''}".strip(),
    )
    badge = [html.Span(t("data.draft"), className="badge warn")] if named.draft else []
    rules = [
        html.Tr([html.Td(html.Code(r["rule_id"])), html.Td(r["clause"]), html.Td(r["name"], className="words"), html.Td(r["figure"]),
                 html.Td("、".join(word(x, view.lang) for x in r["roles"])),
                 html.Td([html.Span(f"“{r['quote']}”", lang="zh-CN"), *([html.Br(), html.Span(t("data.assumption"), className="badge warn"), html.Span(f" {r['reason']}", className="note")] if r["assumption"] else [])], className="words")])
        for r in data.rule_table(named, view.lang).to_dict("records")
    ]  # fmt: skip
    heads = html.Thead(
        html.Tr(
            [
                html.Th(x)
                for x in (
                    t("data.rule"),
                    t("data.clause"),
                    t("data.name"),
                    t("data.figure"),
                    t("data.roles"),
                    t("data.quote"),
                )
            ]
        )
    )
    assumed = [
        html.Tr(
            [
                html.Td(html.Code(a["key"])),
                html.Td(a["name"], className="words"),
                html.Td(a["value"]),
                html.Td(a["reason"], className="words"),
            ]
        )
        for a in data.assumption_table(named, view.lang).to_dict("records")
    ]
    heads_2 = html.Thead(html.Tr([html.Th(""), *(html.Th(t(f"data.{n}")) for n in ("name", "value", "why"))]))
    return [
        html.P([head, " ", *badge], className="alert"),
        card(t("data.rules"), _table(heads, rules), note=f"{len(rules)}"),
        card(t("data.assumptions"), _table(heads_2, assumed), note=f"{len(assumed)}"),
    ]


# --- audits ---
def _stages(view: View, stages: dict[str, float], longest: float) -> Component:
    known = {"network", "match", "history", "rules", "surface", "statistics", "publish"}
    parts, legend = [], []
    for k, (name, seconds) in enumerate(stages.items()):
        title = view.t(f"data.stage_{name}") if name in known else name
        colour = {"--key": STAGE_COLOURS[k % len(STAGE_COLOURS)]}
        parts.append(
            html.Span(
                title=f"{title} {seconds:.2f} s",
                style={**colour, "width": f"{100 * seconds / max(longest, 1e-9):.2f}%"},
            )
        )
        legend.append(html.Span(f"{title} {seconds:.2f}", style=colour))
    return html.Div([html.Div(parts, className="stage-bar"), html.Div(legend, className="stage-legend")])


def runs(view: View) -> list[Component]:
    """The last audits and how long each stage took."""
    days = view.data.days()
    named = {d: view.data.run(d) for d in days}
    current = {d: run.run_id for d, run in named.items() if run is not None}
    table = data.run_table(view.data.runs(), current, inputs=view.principal.scope.whole)
    if not len(table):
        return [*_followed(view), card(None, html.P(view.t("data.runs_none"), className="note"))]
    t, longest = view.t, float(table["total_s"].max())
    rows = []
    for r in table.to_dict("records"):
        inputs = html.Details(
            [html.Summary(t("data.inputs", n=len(r["inputs"]))),
             html.Div([html.Div([f"{data.table_title(i['name'], view.lang)} · {i.get('rows', 0):,} · ", _hash(str(i["sha256"]))]) for i in r["inputs"]])]
        )  # fmt: skip
        badge = [html.Span(t("data.current"), className="badge good")] if r["current"] else []
        rows.append(
            html.Tr([html.Td([str(r["day"]), " ", *badge]), html.Td(_hash(r["run_id"])), html.Td(r["standard"]), html.Td(_time(view, r["created_at"])),
                     html.Td(f"{r['total_s']:.1f} s", className="num"), html.Td(_stages(view, r["stages"], longest)), html.Td(html.Code(r["code_version"][:20], title=r["code_version"])), html.Td(inputs)])
        )  # fmt: skip
    names = ("day", "run", "standard", "created", "total", "stages", "code")
    head = html.Thead(
        html.Tr([*(html.Th(t(f"data.{n}"), className="num" if n == "total" else "") for n in names), html.Th("")])
    )
    return [*_followed(view), card(None, _table(head, rows))]


def _followed(view: View) -> list[Component]:
    """How the following of the day under way stands, where somebody ever followed."""
    beat, t = view.data.followed(), view.t
    if beat is None:
        return []
    wrong = beat["error" if view.lang == "zh" else "error_en"]
    words = t(
        "data.followed",
        at=f"{view.local(beat['at_ms']):%Y-%m-%d %H:%M:%S}",
        day=beat["day"],
        s=f"{beat['seconds']:.1f}",
    )
    parts = [html.P(words), *([html.P(wrong)] if wrong else [])]
    return [html.Div(parts, className="alert warn" if wrong else "note", role="status")]


MAKERS = {
    "loads": loads,
    "quarantine": quarantine,
    "editions": editions,
    "scenes": scenes,
    "standard": standard,
    "runs": runs,
}


def contents(view: View, tab: str) -> list[Component]:
    """One tab; a refusal says so."""
    try:
        return MAKERS[tab if tab in MAKERS else TABS[0]](view)
    except ForbiddenError:
        return [html.P(view.t("data.county_only"), className="alert warn", role="alert")]


def layout(view: View) -> Component:
    """The page."""
    usual = "loads" if view.principal.scope.whole else "standard"
    tab = view.query.get("tab", usual)
    tab = tab if tab in TABS else usual
    tabs = dcc.RadioItems(
        id="data-tab", options=[{"value": n, "label": view.t(f"data.tab_{n}")} for n in TABS], value=tab, inline=True
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
