"""What a figure rests on, from the clause to the fixes: `/explain?day=` with `section=` (`rule=`, `window=`), `grid=` or `community=`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from dash import html

from dashboards.cells import percent
from dashboards.desk_manager import Choice
from dashboards.explain_community import community_page
from dashboards.explain_parts import back, clause_part, facts, grid_map, section_map, window_facts
from dashboards.explain_passes import grid_passes, passes_part, section_passes
from dashboards.marks import explain_address, outcome_mark
from dashboards.pages import Page
from dashboards.sentences import lacking_words, missing_words
from dashboards.shell import card, notice, page_head
from gis.rates import OUTCOMES, counts_by, excused_millimetres
from layers.symbology import outcome_color, word

if TYPE_CHECKING:
    from datetime import date

    from dash.development.base_component import Component

    from dashboards.context import View


def _formula(view: View, day: date, windows: pd.DataFrame) -> Component:
    """The rate worked out in words, by the definition that every screen shares."""
    standard = view.standard_on(day)
    by_km = standard.measure.weight.value == "km"
    codes = pd.Categorical(windows["outcome"], categories=list(OUTCOMES)).codes.astype(np.int64)
    length, one = windows["length_mm"].to_numpy(dtype=np.int64), np.zeros(len(windows), dtype=np.int64)
    row = counts_by(one, codes, length, 1, standard, excused_mm=excused_millimetres(windows)).iloc[0]

    def shown(name: str) -> str:
        return f"{row[f'km_{name}']:,.3f} km" if by_km else f"{int(row[name]):,}"

    words = {k: shown(k) for k in ("windows", "covered", "unknown", "excused")}
    return html.P(view.t("explain.formula_km", low=percent(row["rate_low"]), high=percent(row["rate_high"]), **words))


def _timeline(view: View, day: date, windows: pd.DataFrame, chosen: int | None) -> Component:
    links = []
    for w in windows.to_dict("records"):
        here = {"aria-current": "true"} if w["window_ix"] == chosen else {}
        times = f"{view.local(w['starts']):%H:%M}–{view.local(w['ends']):%H:%M}"
        share = percent(w["covered_share"])
        links.append(
            html.A(
                [html.Span(times), html.Strong(word(w["outcome"], view.lang)), html.Small(share)],
                href=explain_address(day, section=w["section_id"], rule=w["rule_id"], window=w["window_ix"]),
                style={"--colour": outcome_color(str(w["outcome"]))},
                **here,
            )
        )
    return html.Div(links, className="timeline")


def _section(view: View, day: date, section_id: str) -> Component:
    sections = view.data.read("sections", day, where={"section_id": section_id})
    if not len(sections):
        return notice(view.t("explain.title"), view.t("explain.not_here"))
    section = sections.iloc[0]
    windows = view.data.result("section_windows", day, where={"section_id": section_id})
    windows = windows.sort_values("window_ix") if len(windows) else windows
    asked = view.query.get("window", "")
    chosen = int(asked) if asked.isdecimal() and len(windows) and int(asked) in set(windows["window_ix"]) else None
    if chosen is None and len(windows) == 1:
        chosen = int(windows["window_ix"].iloc[0])
    window = windows[windows["window_ix"] == chosen].iloc[0] if chosen is not None else None
    span = window if window is not None else (windows.iloc[0] if len(windows) else None)
    from_ms = to_ms = None
    if span is not None:
        last = window if window is not None else windows.iloc[-1]
        from_ms, to_ms = int(span["starts"].timestamp() * 1000), int(last["ends"].timestamp() * 1000)
    found = section_passes(view, day, section_id, chosen, (from_ms, to_ms))
    rows, passes = found.rows, passes_part(view, day, found)
    head = page_head(
        str(section["name"]),
        f"{day} · {view.t('explain.lead')}",
        [back(view, day, Choice(level="section", path={}))],
    )
    left: list[Any] = [clause_part(view, day, section.get("rule_id"), section.get("no_rule_reason"))]
    left.append(
        card(
            view.t("explain.figure"),
            facts(view, day, section, windows),
            *([_formula(view, day, windows)] if len(windows) else []),
        )
    )
    if len(windows):
        left.append(
            card(view.t("explain.windows"), _timeline(view, day, windows, chosen), note=view.t("explain.windows_note"))
        )
    if window is not None:
        times = {"from": f"{view.local(window['starts']):%H:%M}", "to": f"{view.local(window['ends']):%H:%M}"}
        left.append(card(view.t("explain.window", **times), window_facts(view, day, window)))
    left.append(passes)
    right = section_map(view, day, section, rows, from_ms, to_ms, window)
    return html.Div(
        [head, html.Div([html.Div(left, className="stack"), right], className="explain-split")], className="stack"
    )


def _rounds_words(view: View, row: pd.Series) -> str:
    """Rounds required, seen, likely and possible at most; runs of earlier versions know only those seen."""
    t = view.t
    required = int(row["required_rounds"]) if pd.notna(row["required_rounds"]) else 0
    words = t(
        "explain.rounds_text",
        required=required,
        completed=int(row["completed_rounds"]),
        open=percent(row["open_share"]),
    )
    if pd.isna(row.get("possible_rounds")) or pd.isna(row.get("likely_rounds")):
        return words
    return words + t("explain.rounds_range", likely=int(row["likely_rounds"]), possible=int(row["possible_rounds"]))


def _grid(view: View, day: date, grid_id: str) -> Component:
    t = view.t
    grids = view.data.read("work_grids", day, where={"grid_id": grid_id})
    days = view.data.result("grid_days", day, where={"grid_id": grid_id})
    if not len(grids) or not len(days):
        return notice(t("explain.title"), t("explain.not_here"))
    grid, row = grids.iloc[0], days.iloc[0]
    rounds = view.data.result("grid_rounds", day, where={"grid_id": grid_id})
    name = grid["name"] if isinstance(grid["name"], str) and grid["name"] else grid_id
    chance = row.get("probability")
    lacking = lacking_words(row.get("lacking"), view.lang)
    figures = [
        (t("explain.outcome"), outcome_mark(str(row["outcome"]), view.lang)),
        (t("explain.rounds"), _rounds_words(view, row)),
        (
            t("explain.visited"),
            t(
                "explain.visited_text",
                visited=f"{row['visited_mm'] / 1e6:,.2f}",
                all=f"{row['patrollable_mm'] / 1e6:,.2f}",
                never=f"{row['never_mm'] / 1e6:,.2f}",
            ),
        ),
        (t("explain.silent"), t("explain.minutes", n=f"{row['silent_s'] / 60:,.0f}")),
        (t("explain.rounds_probability"), percent(chance)),
        (t("explain.cause"), word(row["cause"], view.lang) if isinstance(row["cause"], str) else t("explain.none")),
        (t("explain.missing"), missing_words(row.get("missing"), view.lang) or t("explain.none")),
        *([(t("explain.rounds_lacking"), lacking)] if lacking else []),
    ]
    definition = html.Dl([part for k, v in figures for part in (html.Dt(k), html.Dd(v))], className="facts")
    body = [
        html.Tr(
            [
                html.Td(t("explain.round", n=int(r["round_ix"]) + 1)),
                html.Td(f"{view.local(r['started']):%H:%M:%S}", className="num"),
                html.Td(f"{view.local(r['completed']):%H:%M:%S}", className="num"),
            ]
        )
        for r in rounds.to_dict("records")
    ]
    heads = html.Tr(
        [
            html.Th(t("explain.rounds")),
            html.Th(t("explain.started"), className="num"),
            html.Th(t("explain.completed"), className="num"),
        ]
    )
    table = (
        html.Table([html.Thead(heads), html.Tbody(body)], className="data")
        if body
        else html.P(t("explain.rounds_none"), className="note")
    )
    chart, missing = grid_map(view, day, grid)
    left = [
        clause_part(view, day, row["rule_id"], None),
        card(t("explain.figure"), definition),
        card(t("explain.rounds"), table),
        missing,
    ]
    segments = view.data.read("segments", day, where={"work_grid_id": grid_id})
    segments = segments[segments["patrollable"].astype(bool)]
    if isinstance(row["rule_id"], str):
        left.append(passes_part(view, day, grid_passes(view, day, segments, row["rule_id"], (None, None))))
    head = page_head(
        str(name), f"{day} · {t('explain.grid_lead')}", [back(view, day, Choice(kind="rounds", level="grid"))]
    )
    return html.Div(
        [head, html.Div([html.Div(left, className="stack"), chart], className="explain-split")], className="stack"
    )


def layout(view: View) -> Component:
    """The page."""
    day = view.day()
    if day is None or not any(view.query.get(k) for k in ("section", "grid", "community")):
        return notice(view.t("explain.title"), view.t("explain.ask"))
    if view.query.get("section"):
        return _section(view, day, view.query["section"])
    if view.query.get("community"):
        return community_page(view, day, view.query["community"])
    return _grid(view, day, view.query["grid"])


PAGE = Page(path="/explain/*", title="explain.title", layout=layout)
