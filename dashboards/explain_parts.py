"""Parts of the pages of evidence: the rule's sentence, facts of a window, passes, maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from dash import html

from dashboards.cells import percent
from dashboards.desk_explain import near, of_passes, unvisited_by_road, visited_codes
from dashboards.explain_passes import pass_layer
from dashboards.geometry import encode
from dashboards.manager_parts import manager_address
from dashboards.maps import class_style, full_codes, layer, map_view, plain_style
from dashboards.marks import outcome_mark
from dashboards.planner_picture import context_roads
from dashboards.scoped_source import run_data
from dashboards.sentences import missing_words
from dashboards.shell import card
from dashboards.stored_passes import counted_modes
from layers.symbology import outcome_color, word

if TYPE_CHECKING:
    from datetime import date

    from dash.development.base_component import Component

    from dashboards.context import View
    from dashboards.desk_manager import Choice

MARGIN_MS = 120_000


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def back(view: View, day: date, choice: Choice) -> Component:
    """The way back to the table."""
    return html.A(view.t("explain.back"), href=manager_address(day, choice), className="button small")


def clause_part(view: View, day: date, rule_id: Any, reason: Any) -> Component:
    """The rule with its clause and its sentence; or why none applies."""
    standard = view.standard_on(day)
    rule = standard.rules.get(_text(rule_id))
    if rule is None:
        return card(None, html.P(view.t("explain.no_rule", reason=word(_text(reason) or "no_rule", view.lang))))
    t = view.t
    cite = t("explain.clause", standard=t.pick(standard.zh, standard.en), clause=rule.clause, id=rule_id)
    parts = [
        html.Blockquote([f"“{rule.quote}”", html.Cite(cite)], className="quote", lang="zh-CN"),
        html.P(t.pick(rule.zh, rule.en), style={"marginTop": "8px"}),
    ]
    if rule.assumption:
        parts.append(html.P(t("explain.assumed", reason=t.pick(rule.reason_zh, rule.reason_en)), className="note"))
    return card(None, *parts)


def definition(pairs: list[tuple[str, Any]]) -> Component:
    """Facts as a list of terms."""
    return html.Dl([part for k, v in pairs for part in (html.Dt(k), html.Dd(v))], className="facts")


def _people(view: View, day: date, ids: Any) -> str:
    names = person_names(view, day)
    people = [names.get(p, p) for p in _text(ids).split(";") if p]
    return "、".join(people) or view.t("explain.nobody")


def _filled(view: View, named_by: Any) -> str:
    """The mark of persons whom the roster does not name for the section."""
    return view.t("explain.from_grid") if named_by == "from_grid" else ""


def _squad(view: View, day: date, section: pd.Series) -> str:
    """Whose the section is, and by what."""
    unit = _text(section["unit_id"])
    if not unit:
        return view.t("explain.no_squad")
    name = run_data(view, day).names("units", "unit_id").get(unit, unit)
    source = _text(section["unit_source"])
    return view.t("explain.squad_by", name=name, source=word(source, view.lang)) if source else name


def person_names(view: View, day: date) -> dict[str, str]:
    """Person id to name."""
    persons = view.data.read("persons", day)
    return dict(zip(persons["person_id"].astype(str), persons["name"].astype(str), strict=True))


def _town(view: View, day: date, town_id: str) -> str:
    return run_data(view, day).town_names().get(town_id, town_id) or "—"


def facts(view: View, day: date, section: pd.Series, windows: pd.DataFrame) -> Component:
    """What the section is."""
    t = view.t
    town = _town(view, day, _text(section["town_id"]))
    ids = sorted({p for v in windows["person_ids"] for p in _text(v).split(";") if p}) if len(windows) else []
    filled = windows["named_by"].iloc[0] if len(windows) else None
    return definition(
        [
            (t("explain.class"), word(section["policy_class"], view.lang)),
            (t("explain.town"), town),
            (t("explain.length"), t("explain.metres", n=f"{section['length_mm'] / 1000:,.0f}")),
            (t("explain.responsible"), _people(view, day, ";".join(ids)) + _filled(view, filled)),
            (t("explain.squad"), _squad(view, day, section)),
        ]
    )


def _exception(view: View, day: date, window: pd.Series) -> str:
    if not _text(window["exception_id"]):
        return view.t("explain.none")
    rows = view.data.read("exceptions", day, where={"exception_id": window["exception_id"]})
    if not len(rows):
        return str(window["exception_id"])
    row = rows.iloc[0]
    return view.t(
        "explain.exception_text",
        kind=word(row["kind"], view.lang),
        reason=row["reason"],
        approver=row["approver"],
        **{"from": f"{view.local(row['starts']):%m-%d %H:%M}", "to": f"{view.local(row['ends']):%m-%d %H:%M}"},
    )


def _closed(view: View, window: pd.Series) -> list[tuple[str, str]]:
    """What exceptions close of a window's section, and what is left to patrol."""
    closed = _number(window.get("excused_mm"))
    if not closed:
        return []
    left = f"{(window['length_mm'] - closed) / 1000:,.0f}"
    return [(view.t("explain.closed"), view.t("explain.closed_text", closed=f"{closed / 1000:,.0f}", left=left))]


def _number(value: Any) -> float:
    return 0.0 if pd.isna(value) else float(value)


def _flag(value: Any) -> bool:
    """A flag of a stored row; runs made before it existed have none."""
    return value is not None and not pd.isna(value) and bool(value)


def window_facts(view: View, day: date, window: pd.Series) -> Component:
    """What was required of a window and what was found."""
    t = view.t
    required = float(window["required_share"])
    closed = 0.0 if window["outcome"] == "excused" else _number(window.get("excused_mm"))
    asked = f"{required * (window['length_mm'] - closed) / 1000:,.0f}"
    found = t(
        "explain.covered_text",
        share=percent(window["covered_share"]),
        metres=f"{window['covered_mm'] / 1000:,.0f}",
        own=f"{window['covered_mm_responsible'] / 1000:,.0f}",
    )
    cause = word(window["cause"], view.lang) if _text(window["cause"]) else t("explain.none")
    return definition(
        [
            (t("explain.outcome"), outcome_mark(str(window["outcome"]), view.lang)),
            (t("explain.outcome_responsible"), outcome_mark(str(window["outcome_responsible"]), view.lang)),
            (t("explain.required"), t("explain.required_text", share=percent(required), metres=asked)),
            (t("explain.covered"), found),
            (t("explain.needed"), t("explain.minutes", n=f"{_number(window['needed_s']) / 60:,.1f}")),
            (t("explain.silent"), t("explain.minutes", n=f"{_number(window['silent_s']) / 60:,.1f}")),
            (t("explain.probability"), percent(window["probability"])),
            (t("explain.cause"), cause),
            (t("explain.attribution"), _attribution(view, window)),
            (t("explain.missing"), missing_words(window["missing"], view.lang) or t("explain.none")),
            (t("explain.exception"), _exception(view, day, window)),
            *_closed(view, window),
            (t("explain.responsible"), _people(view, day, window["person_ids"]) + _filled(view, window["named_by"])),
            *([(t("explain.provisional"), t("explain.provisional_text"))] if _flag(window.get("provisional")) else []),
        ]
    )


def _attribution(view: View, window: pd.Series) -> str:
    """Whom a window is charged to; audits of earlier versions do not say."""
    to = _text(window.get("attribution"))
    return view.t(f"explain.attribution_{to}") if to else view.t("explain.none")


def _fixes(
    view: View, day: date, section: pd.Series, rows: pd.DataFrame, span: tuple[int, int], window: Any
) -> pd.DataFrame:
    """On-duty fixes near the section: of the devices that passed, and of those responsible in the window."""
    devices = set(rows["device_id"].astype(str)) if "device_id" in rows else set()
    if window is not None:
        duty = view.data.duty(day)
        own = [p for p in _text(window["person_ids"]).split(";") if p]
        devices |= set(duty.loc[duty["person_id"].isin(own), "device_id"].astype(str))
    if not devices:
        return pd.DataFrame()
    fixes = view.data.tracks(
        day,
        device_ids=sorted(devices),
        from_ms=span[0] - MARGIN_MS,
        to_ms=span[1] + MARGIN_MS,
        purpose=f"explain {section['section_id']}",
    )
    fixes = near(fixes, section["geometry"])
    if not counted_modes(view) or "device_id" not in rows:
        return fixes
    nobodys = view.data.tracks_of_nobody(
        day,
        rows["device_id"].astype(str).unique(),
        view.zone,
        from_ms=span[0] - MARGIN_MS,
        to_ms=span[1] + MARGIN_MS,
        purpose=f"explain {section['section_id']}",
    )
    nobodys = near(nobodys, section["geometry"])
    nobodys = nobodys[of_passes(nobodys, rows)]  # whose they are is not known: what the figure rests on, and no more
    return pd.concat([f for f in (fixes, nobodys) if len(f)] or [fixes], ignore_index=True)


def _fix_layers(view: View, day: date, fixes: pd.DataFrame, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Fixes as points: those of the passes large and above, what else was near on duty small and pale."""
    if not len(fixes):
        return []
    points = np.asarray(shapely.points(fixes["lon"].to_numpy(), fixes["lat"].to_numpy()), dtype=object)
    names, passing = person_names(view, day), of_passes(fixes, rows)
    titles = np.array(
        [
            f"{names.get(p, p) or d} {view.local(m):%H:%M:%S}"
            for p, d, m in zip(fixes["person_id"], fixes["device_id"], fixes["t_ms"], strict=True)
        ],
        dtype=object,
    )
    layers = []
    for name, which, width, opacity in (("others", ~passing, 1.8, 0.45), ("fixes", passing, 3.0, 1.0)):
        ids = np.flatnonzero(which)
        if not len(ids):
            continue
        payload = encode(points[ids], [str(i) for i in ids], titles=titles[ids].tolist())
        words = view.t(f"explain.map_{name}")
        layers.append(
            layer(name, "point", words, plain_style("#cc79a7"), payload=payload, width=width, opacity=opacity)
        )
    return layers


def around(shape: Any) -> list[float]:
    """Bounds a little wider than a shape's."""
    west, south, east, north = shapely.bounds(shape).tolist()
    edge = max(0.0015, (east - west) * 0.15, (north - south) * 0.15)
    return [west - edge, south - edge, east + edge, north + edge]


def section_map(
    view: View, day: date, section: pd.Series, rows: pd.DataFrame, from_ms: int | None, to_ms: int | None, window: Any
) -> Component:
    """The section, its passes, and for roles that may see them the fixes."""
    t = view.t
    shape = section["geometry"]
    layers = [
        context_roads(view, day),
        layer(
            "section",
            "line",
            t("explain.map_section"),
            plain_style("#8b99a6"),
            width=7.0,
            opacity=0.55,
            payload=encode([shape], [section["section_id"]], titles=[str(section["name"])]),
        ),
    ]
    segments = view.data.read("segments", day, where={"section_id": section["section_id"]})
    found, state = pass_layer(view, rows, segments)
    layers += found
    sees = view.principal.sees_tracks and from_ms is not None and to_ms is not None
    fixes = _fixes(view, day, section, rows, (int(from_ms or 0), int(to_ms or 0)), window) if sees else pd.DataFrame()
    layers += _fix_layers(view, day, fixes, rows)
    chart = map_view(
        view,
        "explain-map",
        label=t("explain.map"),
        layers=layers,
        state=state,
        fit={"bounds": around(shape), "max_zoom": 17},
        height="100%",
    )
    return card(None, chart, class_name="explain-map")


def grid_map(view: View, day: date, grid: pd.Series) -> tuple[Component, Component]:
    """A grid with its streets by what was visited, and the list of stretches visited in no round."""
    t, grid_id = view.t, str(grid["grid_id"])
    segments = view.data.read("segments", day, where={"work_grid_id": grid_id})
    segments = segments[segments["patrollable"].astype(bool)].reset_index(drop=True)
    days = view.data.result("segment_days", day, where={"segment_id": segments["segment_id"].astype(str).tolist()})
    missing = view.data.result("unvisited", day, where={"grid_id": grid_id})
    layers = [
        layer(
            "grid",
            "polygon",
            t("explain.map_grid"),
            plain_style("#9db7cb"),
            opacity=0.25,
            outline="#40627c",
            payload=encode([grid["geometry"]], [grid_id]),
        )
    ]
    state = []
    if len(segments):
        colours = (outcome_color("covered"), outcome_color("partly"), outcome_color("missed"))
        style = class_style(
            [
                {"code": k, "colour": c, "label": t(f"explain.v_{n}")}
                for k, (n, c) in enumerate(zip(("all", "part", "never"), colours, strict=True))
            ]
        )
        layers.append(
            layer(
                "visited",
                "line",
                t("explain.map_visited"),
                style,
                width=3.0,
                payload=encode(
                    segments["geometry"].to_numpy(),
                    segments["segment_id"].astype(str).tolist(),
                    titles=segments["road_name"].tolist(),
                ),
            )
        )
        whole = view.standard_on(day).measure.round_share.value
        if len(days):
            state.append(full_codes("visited", visited_codes(segments, days, whole=whole)))
    chart = map_view(
        view,
        "explain-map",
        label=t("explain.map_visited"),
        layers=layers,
        state=state,
        height="100%",
        fit={"bounds": around(grid["geometry"]), "max_zoom": 16},
    )
    rows = unvisited_by_road(missing, segments)
    items = [
        html.Tr(
            [html.Td(r["road_name"] or "—"), html.Td(t("explain.metres", n=f"{r['metres']:,.0f}"), className="num")]
        )
        for r in rows.head(50).to_dict("records")
    ]
    body = (
        html.Table(html.Tbody(items), className="data")
        if items
        else html.P(t("explain.unvisited_none"), className="note")
    )
    return card(None, chart, class_name="explain-map"), card(t("explain.unvisited"), body)
