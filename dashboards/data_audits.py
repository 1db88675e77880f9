"""What audits rest on and how they went: scenes, the standard with its clauses, the last runs."""

# ruff: noqa: E501 (a row of a table stands on one line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from dash import html

from dashboards import desk_data as data
from dashboards.data_parts import heads, local_time, scrolled, short_hash
from dashboards.geometry import encode
from dashboards.maps import layer, map_view, plain_style
from dashboards.shell import card
from layers.standard_editions import edition_id_of
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dash.development.base_component import Component

    from dashboards.context import View


CRS_LENGTH = 30
STAGE_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#8a8f98", "#b8a100")


def scenes(view: View) -> list[Component]:
    """Scenes with bands and footprints."""
    day = view.latest_day()
    found = view.data.read("scenes", day) if day else pd.DataFrame()
    if day is None or not len(found):
        return [card(None, html.P(view.t("data.scenes_none"), className="note"))]
    rows = [
        html.Tr([html.Td(s["scene_id"]), html.Td(str(s["acquired"])), html.Td(s["sensor"] or ""), html.Td(s["bands"], className="words"), html.Td(s["cloud"]),
                 html.Td(str(s["crs"])[:CRS_LENGTH], title=str(s["crs"])), html.Td(short_hash(str(s["sha256"])))])
        for s in data.scene_table(found).to_dict("records")
    ]  # fmt: skip
    table = card(None, scrolled(heads(view, ("scene", "acquired", "sensor", "bands", "cloud", "crs", "sha256")), rows))
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
    return [
        html.P([head, " ", *badge], className="alert"),
        card(
            t("data.rules"),
            scrolled(heads(view, ("rule", "clause", "name", "figure", "roles", "quote")), rules),
            note=f"{len(rules)}",
        ),
        card(
            t("data.assumptions"),
            scrolled(heads(view, ("setting", "name", "value", "why")), assumed),
            note=f"{len(assumed)}",
        ),
    ]


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
    table = data.run_table(
        view.data.runs(), current, present=edition_id_of(view.standard), inputs=view.principal.scope.whole
    )
    if not len(table):
        return [*_followed(view), card(None, html.P(view.t("data.runs_none"), className="note"))]
    t, longest = view.t, float(table["total_s"].max())
    rows = []
    for r in table.to_dict("records"):
        inputs = html.Details(
            [html.Summary(t("data.inputs", n=len(r["inputs"]))),
             html.Div([html.Div([f"{data.table_title(i['name'], view.lang)} · {i.get('rows', 0):,} · ", short_hash(str(i["sha256"]))]) for i in r["inputs"]])]
        )  # fmt: skip
        badge = [html.Span(t("data.current"), className="badge good")] if r["current"] else []
        rows.append(
            html.Tr([html.Td([str(r["day"]), " ", *badge]), html.Td(short_hash(r["run_id"])), html.Td(_standard_cell(view, r)), html.Td(local_time(view, r["created_at"])),
                     html.Td(f"{r['total_s']:.1f} s", className="num"), html.Td(_stages(view, r["stages"], longest)), html.Td(html.Code(r["code_version"][:20], title=r["code_version"])), html.Td(inputs)])
        )  # fmt: skip
    names = ("day", "run", "standard", "created", "total", "stages", "code")
    head = html.Thead(
        html.Tr([*(html.Th(t(f"data.{n}"), className="num" if n == "total" else "") for n in names), html.Th("")])
    )
    return [*_followed(view), card(None, scrolled(head, rows))]


def _standard_cell(view: View, row: Mapping[Any, Any]) -> list[Component | str]:
    """The standard of an audit: its edition, and whether the file has changed since."""
    state = row["standard_state"]
    edition: list[Component | str] = [" ", short_hash(row["edition"])] if row["edition"] else []
    look = "badge warn" if state == "not_stored" else "badge"
    badge = [] if state == "present" else [" ", html.Span(view.t(f"data.standard_{state}"), className=look)]
    return [row["standard"], *edition, *badge]


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
